"""From placed figures to a claim set: runs named and recognised, contradictions of the grouping taken apart, ids given.

Sections that print the same figures are of one run, whatever their headings say. Two groups become one only where they
agree on figures that chance would hardly repeat, contradict each other nowhere, and never print one metric side by side
in one table or list, which tells its rows apart on purpose.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

from assay.audit.claims.intervals import Printed
from assay.audit.claims.model import METRICS, Claim, ClaimSet, Group
from assay.audit.read.relations import tie_changes
from assay.audit.read.sheet import Draft, Excluded, Placed, Sheet
from assay.audit.read.words import pattern, plain, wordset

__all__ = ["assemble", "contradict"]

#: Digits that agreement must show: about one chance in ten thousand; of a group that holds nothing else, one in 200.
_ENOUGH, _ONLY = 3.9, 2.3
#: Groups beyond this many are not compared.
_MOST = 120
Key = tuple[str, ...]


def assemble(sheet: Sheet, *, title: str, source: str) -> Draft:
    """Turn the sheet into a draft."""
    placed = sheet.placed
    order = sorted(range(len(placed)), key=lambda i: (placed[i].line, placed[i].column))
    for figure in placed:
        if figure.metric in wordset("of_training"):
            split = figure.metric.removesuffix("_loss") if figure.metric in wordset("split_losses") else ""
            figure.context = replace(figure.context, split=split, weak=False)
    _tell_apart(placed)
    names = [_group_name(figure) for figure in placed]
    notes = _part_sections(placed, order, names) + _set_apart(placed, order, names)
    names = _merged_names(placed, names)
    _adopt_splits(placed, names)
    tie_changes(placed, names)
    known = {i for figure in placed for i in figure.inputs} | {i for i in order if placed[i].relation}
    loose = {i for i in order if placed[i].metric in wordset("compares")} - known
    for place, printed in (((placed[i].line, placed[i].column), placed[i].printed) for i in loose):
        sheet.unplaced[place] = Excluded(*place, printed, "it compares what is not known")
    order = [i for i in order if i not in loose]
    ids: dict[int, str] = {}
    taken: dict[str, int] = {}
    for index in order:
        figure = placed[index]
        parts = (names[index], figure.context.split, figure.name, figure.metric, figure.context.at)
        words = (pattern("no_word").sub("-", plain(part).strip()).strip("-")[:60] for part in parts if part)
        stem = name = ".".join(word or "x" for word in words)
        while name in taken:
            taken[stem] += 1
            name = f"{stem}-{taken[stem]}"
        taken[name] = 1
        ids[index] = name
    claims = tuple(_claim(placed[index], names[index], ids, index, sheet.decimal) for index in order)
    real = {names[i] for i in order if not placed[i].context.void}
    runs = dict.fromkeys(claim.group for claim in claims)
    groups = tuple(Group(name, stage="" if name in real else "an example, no result") for name in runs)
    return Draft(
        claims=ClaimSet(title=title, source=source, groups=groups, claims=claims, draft=True),
        columns=tuple(placed[index].column for index in order),
        excluded=tuple(sheet.excluded[place] for place in sorted(sheet.excluded)),
        unplaced=tuple(sheet.unplaced[place] for place in sorted(sheet.unplaced)),
        notes=tuple(notes),
    )


def _claim(figure: Placed, group: str, ids: dict[int, str], index: int, decimal: str) -> Claim:
    return Claim(
        id=ids[index], metric=figure.metric, printed=figure.printed, value=figure.value, group=group, unit=figure.unit,
        split=figure.context.split, label=figure.name, at=figure.context.at, relation=figure.relation,
        inputs=tuple(ids[i] for i in figure.inputs), definition=figure.definition, target=figure.context.goal,
        source_line=figure.line, source_text=figure.text[:300], decimal=decimal, record=_record(figure),
    )  # fmt: skip


def _record(figure: Placed) -> str:
    """The record of a figure; one whose label says more than its metric ("rolling win rate") has its own."""
    more = " ".join(word for word in figure.context.entity.split() if word not in wordset("totalling"))
    more = more or ("behind" if pattern("limits").match(plain(figure.text).partition(plain(figure.printed))[2]) else "")
    return f"{figure.record}|{more}" if more and figure.record else figure.record


def _group_name(figure: Placed) -> str:
    group = figure.context.group
    parts = [part for part, before in zip(group, ("", *group), strict=False) if part != before]
    marks = ["target"] * figure.context.goal + ["example"] * bool(figure.context.void)
    return " / ".join([*parts, *marks]) or "main"


def _tell_apart(placed: list[Placed]) -> None:
    """Separate the figures of one metric in a record by the other words of their labels, closed trades from all."""
    trades = [(figure, "closed" in plain(figure.text)) for figure in placed if figure.metric == "trades"]
    whole = {figure.block for figure, closed in trades if not closed}
    for figure, closed in trades:
        figure.label = "closed" if closed and figure.block in whole and not figure.label else figure.label
    twins: dict[tuple[object, ...], set[str]] = defaultdict(set)
    told = [figure for figure in placed if figure.block and figure.record]
    for figure in told:
        at = figure.context
        twins[figure.record, figure.metric, at.split, figure.name, at.at, at.group].add(at.entity)
    apart = {(key[0], entity) for key, found in twins.items() if len(found) > 1 for entity in found if entity}
    for figure in told:
        if (figure.record, figure.context.entity) in apart:
            figure.context = replace(figure.context, group=(*figure.context.group, figure.context.entity))


def _key(figure: Placed, name: str) -> Key:
    context = figure.context
    return name, context.split, figure.name, context.at, figure.metric, str(context.goal)


def contradict(first: Printed, second: Printed) -> bool:
    """Whether two prints of one metric share no value; one may be in percent without its sign."""
    if not (first.is_point and second.is_point) or first.either.meets(second.either):
        return False
    signed, bare = (first, second) if first.percent else (second, first)
    return first.percent == second.percent or not (signed.interval * 100).meets(bare.interval)


def _apart(first: Placed, second: Placed) -> str:
    return (
        f"{second.metric} is printed as {first.printed} on line {first.line} and as {second.printed} on line"
        f" {second.line}; the later stands in a group of its own: if both speak of one run, give them the same group"
    )


def _part_sections(placed: list[Placed], order: list[int], names: list[str]) -> list[str]:
    """Give a top-level section a run of its own unless it repeats a figure of its run, or holds a matrix alone."""
    known: dict[str, dict[Key, list[Placed]]] = defaultdict(dict)
    sections: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index in order:
        sections[names[index], placed[index].context.section].append(index)
    notes: list[str] = []
    for (name, section), members in sections.items():
        figures = [(placed[i], known[name].get(_key(placed[i], ""), [])) for i in members]
        alike = any(
            figure.value.either.meets(other.value.either) for figure, others in figures
            if figure.metric not in wordset("derived") and figure.value.is_point for other in others
            if other.value.is_point
        )  # fmt: skip
        own = name
        if known[name] and not alike and any(figure.metric != "confusion_count" for figure, _ in figures):
            own = f"{name} / {plain(section).strip() or 'preamble'}"
            rivals = ((figure, [r for r in others if contradict(r.value, figure.value)]) for figure, others in figures)
            notes += [_apart(found[0], figure) for figure, found in rivals if found]
        for i in members:
            names[i] = own
            known[own].setdefault(_key(placed[i], ""), []).append(placed[i])
    return notes


def _set_apart(placed: list[Placed], order: list[int], names: list[str]) -> list[str]:
    """Give a block or line that prints a metric of its run with another value a run of its own; say so."""
    notes: list[str] = []
    seen: dict[Key, list[Placed]] = defaultdict(list)
    blocks: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index in order:
        blocks[names[index], placed[index].block or -placed[index].line].append(index)

    def rival(index: int, name: str) -> Placed | None:
        prints = seen[_key(placed[index], name)] if placed[index].metric not in wordset("derived") else ()
        return next((other for other in prints if contradict(other.value, placed[index].value)), None)

    for (name, block), members in blocks.items():
        apart = [i for i in members if rival(i, name)]
        alike = sum(bool(seen[_key(placed[i], name)]) for i in members if i not in apart) if block > 0 else 0
        # A block that repeats other figures of the run is of it, all but the figures that differ.
        own = f"{name} (line {placed[apart[0]].line})" if apart and alike < 2 else name
        notes += [_apart(other, placed[i]) for i in apart[:1] if own != name and (other := rival(i, name))]
        for line, found in itertools.groupby(members, key=lambda i: placed[i].line):
            mine = list(found)
            results = [i for i in mine if placed[i].metric not in wordset("derived")]
            anew = any(other.block == block for i in mine if (other := rival(i, own))) and len(results) >= 4
            for i in mine:
                other = rival(i, own)
                notes += [_apart(other, placed[i])] if other else []
                names[i] = f"{name} (line {line})" if other or anew else own
                placed[i].record += f".{line}" if anew else ""
                seen[_key(placed[i], names[i])] += [placed[i]] if i in results else []
    return notes


@dataclass
class _Run:
    """The figures of one group by metric, class and position, and where each stands."""

    members: list[int] = field(default_factory=list)
    figures: dict[Key, list[Placed]] = field(default_factory=lambda: defaultdict(list))
    places: set[tuple[int, Key, str]] = field(default_factory=set)

    def add(self, index: int, figure: Placed) -> None:
        self.members.append(index)
        key = (figure.metric, figure.name, figure.context.at)
        if figure.metric not in wordset("of_no_run"):
            if figure.block:
                self.places.add((figure.block, key, figure.context.split))
            if figure.value.is_point and not figure.context.goal:
                self.figures[key].append(figure)


def _merged_names(placed: list[Placed], names: list[str]) -> list[str]:
    """The name of each figure's run, those groups merged that their figures show to be one, the likeliest first."""
    runs: dict[str, _Run] = {}
    for index, figure in enumerate(placed):
        runs.setdefault(names[index], _Run()).add(index, figure)
    out = list(names)
    while len(runs) <= _MOST:
        scored = ((_alike(runs[a], runs[b]), a, b) for a, b in itertools.combinations(runs, 2))
        digits, kept, gone = max(scored, key=lambda score: score[0], default=(0.0, "", ""))
        if not digits:
            break
        kept, gone = sorted((kept, gone), key=lambda name: name.endswith("example"))  # that repeats it shows it
        for index in runs.pop(gone).members:
            out[index] = kept
            runs[kept].add(index, placed[index])
    return out


def _alike(first: _Run, second: _Run) -> float:
    """How many digits two groups agree on; 0 where that is too few, where they disagree, or stand in one table."""
    digits, common = 0.0, 0
    for key in first.figures.keys() & second.figures.keys() if not first.places & second.places else ():
        pairs = [
            (a, b) for a in first.figures[key] for b in second.figures[key]
            if a.context.split == b.context.split or not a.context.split or not b.context.split
            or a.context.weak or b.context.weak
        ]  # fmt: skip
        if any(contradict(a.value, b.value) for a, b in pairs):
            return 0.0
        digits += max((min(_digits(a), _digits(b)) for a, b in pairs), default=0.0)
        common += bool(pairs)
    alone = common and common == min(len(first.figures), len(second.figures))
    return digits if digits >= (_ONLY if alone else _ENOUGH) else 0.0


def _digits(figure: Placed) -> float:
    """How much a print tells: its significant digits, trailing zeros of whole numbers left out."""
    value = figure.value
    if value.unit <= 0 or not value.value or value.about:
        return 0.0
    steps = abs(value.value) / value.unit
    while steps >= 10 and round(steps) % 10 == 0:
        steps /= 10
    small = METRICS[figure.metric].kind == "count" and steps < 1000
    return math.log10(max(steps, 1.0)) * (0.5 if small else 1.0)


def _adopt_splits(placed: list[Placed], names: list[str]) -> None:
    """Give a figure without a split, or with that of a heading, the only split under which its run prints it."""
    stated: dict[Key, list[Placed]] = defaultdict(list)
    named = zip(names, placed, strict=True)
    points = [((name, f.metric, f.name, f.context.at), f) for name, f in named if f.value.is_point]
    for key, figure in points:
        if figure.context.split and not figure.context.weak and figure.metric not in wordset("of_no_run"):
            stated[key].append(figure)
    for key, figure in points:
        if not figure.context.goal and (not figure.context.split or figure.context.weak) and _digits(figure) >= 1.0:
            splits = {other.context.split for other in stated.get(key, ()) if not contradict(figure.value, other.value)}
            if len(splits) == 1:
                figure.context = replace(figure.context, split=splits.pop(), weak=False)
