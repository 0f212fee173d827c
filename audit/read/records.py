"""From placed figures to a claim set: runs named and recognised, contradictions of the grouping taken apart, ids given.

Sections that print the same figures are of one run, whatever their headings say. Two groups become one only where they
agree on figures that chance would hardly repeat, contradict each other nowhere, and never print one metric side by side
in one table or list, which tells its rows apart on purpose.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace

from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import BESIDE, Claim, ClaimSet, ClassShare, Group, Sample, Target
from assay.audit.read.relations import tie_changes
from assay.audit.read.sheet import Draft, Placed, Sheet
from assay.audit.read.vocabulary import wordset
from assay.audit.read.words import plain, says

__all__ = ["adopt_splits", "assemble", "contradict", "merged_names"]

#: Metrics that say nothing of the run they stand in.
_APART = ("change", "multiple", "difference", "target_range", "split_share", "class_share", *BESIDE)
#: Digits that agreement must show: about one chance in ten thousand; of a group that holds nothing else, one in 200.
_ENOUGH, _ONLY = 3.9, 2.3
#: Groups beyond this many are not compared.
_MOST = 120

Key = tuple[str, str, str]


@dataclass
class _Run:
    """The figures of one group: by metric, class and position, with their splits."""

    name: str
    members: list[int]
    figures: dict[Key, list[Placed]] = field(default_factory=lambda: defaultdict(list))
    places: set[tuple[int, str, str, str, str]] = field(default_factory=set)

    def add(self, index: int, placed: Placed) -> None:
        self.members.append(index)
        if placed.block and placed.metric not in _APART:
            self.places.add((placed.block, placed.metric, placed.name, placed.context.at, placed.context.split))
        if placed.metric not in _APART and placed.value.is_point and not placed.context.goal:
            self.figures[placed.metric, placed.name, placed.context.at].append(placed)


def merged_names(placed: list[Placed], names: list[str]) -> list[str]:
    """The name of each figure's run, those groups merged that their figures show to be one."""
    runs: dict[str, _Run] = {}
    for index, figure in enumerate(placed):
        runs.setdefault(names[index], _Run(names[index], [])).add(index, figure)
    out = list(names)
    if len(runs) > _MOST:
        return out
    while True:
        pairs = [
            (score, first, second)
            for first, second in _candidates(runs)
            if (score := _alike(runs[first], runs[second]))
        ]
        best = max(pairs, default=None, key=lambda pair: pair[0])
        if best is None:
            return out
        keep, gone = runs[best[1]], runs.pop(best[2])
        for index in gone.members:
            out[index] = keep.name
            keep.add(index, placed[index])


def _candidates(runs: dict[str, _Run]) -> list[tuple[str, str]]:
    """Pairs of groups that print a common metric, the earlier first."""
    holding: dict[Key, list[str]] = defaultdict(list)
    for name, run in runs.items():
        for key in run.figures:
            holding[key].append(name)
    order = {name: position for position, name in enumerate(runs)}
    pairs = {(a, b) for names in holding.values() for a in names for b in names if order[a] < order[b]}
    return sorted(pairs, key=lambda pair: (order[pair[0]], order[pair[1]]))


def _alike(first: _Run, second: _Run) -> float:
    """How many digits two groups agree on; 0 where that is too few, where they disagree, or stand in one table."""
    if first.places & second.places:
        return 0.0
    digits, common = 0.0, 0
    for key in first.figures.keys() & second.figures.keys():
        pairs = [(a, b) for a in first.figures[key] for b in second.figures[key] if _one_split(a, b)]
        if any(contradict(a, b) for a, b in pairs):
            return 0.0
        if pairs:
            digits += max(min(_digits(a), _digits(b)) for a, b in pairs)
            common += 1
    alone = common and common == min(len(first.figures), len(second.figures))
    return digits if digits >= (_ONLY if alone else _ENOUGH) else 0.0


def _one_split(first: Placed, second: Placed) -> bool:
    a, b = first.context, second.context
    return a.split == b.split or not a.split or not b.split or a.weak or b.weak


def adopt_splits(placed: list[Placed], names: list[str]) -> None:
    """Give a figure without a split, or with that of a heading, the split of the same figure printed with one.

    Only where the run prints it under one split alone: a headline between validation and test stays as it is.
    """
    stated: dict[tuple[str, Key], list[Placed]] = defaultdict(list)
    for name, figure in zip(names, placed, strict=True):
        if figure.context.split and not figure.context.weak and figure.value.is_point and figure.metric not in _APART:
            stated[name, (figure.metric, figure.name, figure.context.at)].append(figure)
    for name, figure in zip(names, placed, strict=True):
        if figure.value.is_point and not figure.context.goal and (not figure.context.split or figure.context.weak):
            same = stated.get((name, (figure.metric, figure.name, figure.context.at)), [])
            splits = {other.context.split for other in same if not contradict(figure, other)}
            if len(splits) == 1 and _digits(figure) >= 1.0:
                figure.context = replace(figure.context, split=splits.pop(), weak=False)


def _digits(placed: Placed) -> float:
    """How much a print tells: its significant digits, trailing zeros of whole numbers left out."""
    value = placed.value
    if value.unit <= 0 or not value.value or value.about:
        return 0.0
    steps = abs(value.value) / value.unit
    while steps >= 10 and round(steps) % 10 == 0:
        steps /= 10
    info = METRICS[placed.metric]
    return math.log10(max(steps, 1.0)) * (0.5 if info.kind == "count" and steps < 1000 else 1.0)


def contradict(first: Placed, second: Placed) -> bool:
    """Whether two prints of one metric share no value."""
    if not (first.value.is_point and second.value.is_point) or first.value.either.meets(second.value.either):
        return False
    if first.value.percent == second.value.percent:
        return True
    # One may be in percent without its sign.
    in_percent, plain = (first, second) if first.value.percent else (second, first)
    return not (in_percent.value.interval * 100).meets(plain.value.interval)


_DERIVED = ("change", "multiple", "difference", "target_range", "fraction")
#: The rows that a loss is measured on.
_LOSS_SPLIT = {"train_loss": "train", "validation_loss": "validation", "test_loss": "test"}


def assemble(sheet: Sheet, *, title: str, source: str) -> Draft:
    """Turn the sheet into a draft."""
    order = sorted(range(len(sheet.placed)), key=lambda i: (sheet.placed[i].line, sheet.placed[i].column))
    _inherit_splits(sheet)
    _closed_trades(sheet)
    _tell_apart(sheet)
    names = [_group_name(placed) for placed in sheet.placed]
    notes = _part_sections(sheet, order, names) + _set_apart(sheet, order, names)
    names = merged_names(sheet.placed, names)
    adopt_splits(sheet.placed, names)
    tie_changes(sheet.placed, names)
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for index in order:
        placed = sheet.placed[index]
        parts = [names[index], placed.context.split, placed.name, placed.metric, placed.context.at]
        stem = ".".join(_slug(part) for part in parts if part)
        name, number = stem, 2
        while name in taken:
            name, number = f"{stem}-{number}", number + 1
        taken.add(name)
        ids[index] = name
    claims = tuple(_claim(sheet.placed[index], names[index], ids, index, sheet.decimal) for index in order)
    groups = tuple(_group(name, claims) for name in dict.fromkeys(claim.group for claim in claims))
    by_place = sorted(sheet.excluded, key=lambda item: (item.line, item.column))
    left = sorted(sheet.unplaced, key=lambda item: (item.line, item.column))
    return Draft(
        claims=ClaimSet(title=title, source=source, groups=groups, claims=claims, draft=True),
        columns=tuple(sheet.placed[index].column for index in order),
        excluded=tuple(by_place),
        unplaced=tuple(left),
        notes=tuple(notes),
    )


def _group(name: str, claims: tuple[Claim, ...]) -> Group:
    """A group with the context that its own claims state beyond doubt: the target's range, the classes and supports."""
    mine = [claim for claim in claims if claim.group == name and not claim.target]
    ends = {}
    for metric in ("target_low", "target_high"):
        found = [claim.value for claim in mine if claim.metric == metric and not claim.label]
        ends[metric] = found[0] if len({value.text for value in found}) == 1 else None
    low, high = ends["target_low"], ends["target_high"]
    target = Target(low=low, high=high) if low and high and low.value < high.value else Target()
    stated = [claim.source_text for claim in mine if claim.metric == "target_low"]
    if target.low is not None and all(says(text, "whole_ranges") for text in stated):
        target = replace(target, range_covers="evaluation")  # a range of all data holds for the evaluated rows too
    classes, n = _supports(mine)
    classes = classes or _shares(mine)
    return Group(name, target=target, classes=classes, sample=Sample(n=n))


def _shares(mine: list[Claim]) -> tuple[ClassShare, ...]:
    """Classes with their shares, where the shares that are printed make up the whole."""
    shares = {claim.label: claim.value for claim in mine if claim.metric == "class_share" and claim.label}
    low, high = sum(v.interval.low for v in shares.values()), sum(v.interval.high for v in shares.values())
    count = sum(claim.metric == "class_share" for claim in mine)
    if len(shares) < 2 or len(shares) != count or not low <= 1.0 <= high:
        return ()
    return tuple(ClassShare(name, share=value) for name, value in shares.items())


def _supports(mine: list[Claim]) -> tuple[tuple[ClassShare, ...], int | None]:
    """Classes with their supports, where one table lists them all and their sum is its printed total."""
    scored = {claim.split for claim in mine if METRICS[claim.metric].kind in ("proportion", "score")}
    counts = [claim for claim in mine if claim.metric == "n_samples" and claim.value.value.is_integer()]
    by_class = {claim.label: int(claim.value.value) for claim in counts if claim.label}
    totals = {int(claim.value.value) for claim in counts if not claim.label}
    listed = len(by_class) == sum(1 for claim in counts if claim.label)
    if len(scored) != 1 or len(by_class) < 2 or not listed or totals != {sum(by_class.values())}:
        return (), None
    return tuple(ClassShare(name, support=count) for name, count in by_class.items()), sum(by_class.values())


def _inherit_splits(sheet: Sheet) -> None:
    """Within one list or table a figure without a split has that of its neighbours, where they all have the same."""
    splits: dict[tuple[int, tuple[str, ...]], list[str]] = defaultdict(list)
    for placed in sheet.placed:
        if placed.metric in wordset("of_training"):
            placed.context = replace(placed.context, split=_LOSS_SPLIT.get(placed.metric, ""), weak=False)
        elif placed.block and placed.context.split:
            splits[placed.block, placed.context.group].append(placed.context.split)
    held = {(p.block, p.context.group, p.name, p.metric, p.context.at, p.context.split) for p in sheet.placed}
    for placed in sheet.placed:
        near = splits.get((placed.block, placed.context.group), [])
        evaluated = not placed.context.split and placed.metric not in wordset("of_training")
        if evaluated and len(near) >= 2 and len(set(near)) == 1:
            key = (placed.block, placed.context.group, placed.name, placed.metric, placed.context.at, near[0])
            if key in held:
                continue  # The split prints a figure of its own for this metric.
            placed.context = replace(placed.context, split=near[0])


def _tell_apart(sheet: Sheet) -> None:
    """Where one record prints a metric under several labels, the other words of the labels tell its figures apart."""
    twins: dict[tuple[object, ...], list[Placed]] = defaultdict(list)
    for placed in sheet.placed:
        if placed.block and placed.record:
            where = placed.context
            key = (placed.record, placed.line, placed.metric, where.split, placed.name, where.at, where.group)
            twins[key].append(placed)
    for found in twins.values():
        if len({placed.context.entity for placed in found}) > 1:
            for placed in found:
                if placed.context.entity:
                    placed.context = replace(placed.context, group=(*placed.context.group, placed.context.entity))


def _closed_trades(sheet: Sheet) -> None:
    """Where a list counts all trades and the closed ones, the closed ones are a part, not a second total."""
    counts = [placed for placed in sheet.placed if placed.metric == "trades" and not placed.label]
    closed = [placed for placed in counts if re.search(r"\bclosed\b", placed.text, re.I)]
    for placed in closed:
        if any(other.block == placed.block and other not in closed for other in counts):
            placed.label = "closed"


def _claim(placed: Placed, group: str, ids: dict[int, str], index: int, decimal: str) -> Claim:
    return Claim(
        id=ids[index],
        metric=placed.metric,
        printed=placed.printed,
        value=placed.value,
        group=group,
        unit=placed.unit,
        split=placed.context.split,
        label=placed.name,
        at=placed.context.at,
        relation=placed.relation,
        inputs=tuple(ids[i] for i in placed.inputs),
        definition=placed.definition,
        target=placed.context.goal,
        source_line=placed.line,
        source_text=placed.text[:300],
        decimal=decimal,
        record=placed.record,
    )


def _group_name(placed: Placed) -> str:
    parts: list[str] = []
    for part in placed.context.group:
        if not parts or parts[-1] != part:
            parts.append(part)
    if placed.context.goal:
        parts.append("target")
    return " / ".join(parts) or "main"


def _slug(text: str) -> str:
    folded = re.sub(r"[^\w]+", "-", plain(text).strip(), flags=re.UNICODE).strip("-")
    return folded[:60] or "x"


def _part_sections(sheet: Sheet, order: list[int], names: list[str]) -> list[str]:
    """Give a top-level section a run of its own unless it repeats a figure of the run it would join.

    A heading such as "Results" or "Summary" names no run. Two such sections speak of one run only where they print a
    common figure alike; otherwise their figures are not put together.
    """
    known: dict[str, dict[tuple[str, ...], list[int]]] = {}
    decided: dict[tuple[str, str], str] = {}
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index in order:
        members[names[index], sheet.placed[index].context.section].append(index)
    for unit, indexes in members.items():
        decided[unit] = _name_of_section(sheet, indexes, known, *unit)
    notes: list[str] = []
    for index in order:
        old, new = names[index], decided[names[index], sheet.placed[index].context.section]
        if old != new:
            rivals = known[old].get(_key(sheet.placed[index], ""), [])
            rival = next((i for i in rivals if contradict(sheet.placed[i], sheet.placed[index])), None)
            if rival is not None:
                notes.append(_apart(sheet.placed[rival], sheet.placed[index]))
        names[index] = new
    return notes


def _apart(first: Placed, second: Placed) -> str:
    return (
        f"{second.metric} is printed as {first.printed} on line {first.line} and as {second.printed} on line"
        f" {second.line}; the later stands in a group of its own: if both speak of one run, give them the same group"
    )


def _name_of_section(
    sheet: Sheet, members: list[int], known: dict[str, dict[tuple[str, ...], list[int]]], name: str, section: str
) -> str:
    """The run a section joins, its figures added to those known of that run."""
    alike = any(
        sheet.placed[other].value.either.meets(sheet.placed[i].value.either)
        for i in members
        for other in known.get(name, {}).get(_key(sheet.placed[i], ""), [])
        if sheet.placed[i].metric not in _DERIVED
        and sheet.placed[i].value.is_point
        and sheet.placed[other].value.is_point
    )
    # A section that holds a confusion matrix alone is about the run whose scores stand elsewhere.
    alike = alike or all(sheet.placed[i].metric == "confusion_count" for i in members)
    own = name if name not in known or alike else f"{name} / {plain(section).strip() or 'preamble'}"
    for i in members:
        known.setdefault(own, {}).setdefault(_key(sheet.placed[i], ""), []).append(i)
    return own


def _set_apart(sheet: Sheet, order: list[int], names: list[str]) -> list[str]:
    """Where one run would print a metric with two values, give the later block a run of its own; say so."""
    notes: list[str] = []
    seen: dict[tuple[str, ...], list[int]] = defaultdict(list)
    moved: dict[tuple[str, int], str] = {}
    blocks: dict[int, list[int]] = defaultdict(list)
    rank = {index: position for position, index in enumerate(order)}
    for index in order:
        blocks[sheet.placed[index].block].append(index)
    for index in order:
        placed = sheet.placed[index]
        if placed.metric in _DERIVED:
            continue
        block = (names[index], placed.block or -placed.line)
        if block in moved:
            names[index] = moved[block]
        key = _key(placed, names[index])
        rival = next((other for other in seen[key] if contradict(sheet.placed[other], placed)), None)
        if rival is None:
            seen[key].append(index)
            continue
        other = sheet.placed[rival]
        fresh = f"{names[index]} (line {placed.line})"
        notes.append(_apart(other, placed))
        same_block = other.block == placed.block and other.block != 0
        mates = [i for i in blocks[placed.block] if i != index and names[i] == names[index]] if placed.block else []
        repeats = [i for i in mates if _repeated(sheet, seen, i, names[i])]
        if not same_block and len(repeats) < 2:
            moved[block] = fresh
            for earlier in [i for i in mates if rank[i] < rank[index]]:
                key_then = _key(sheet.placed[earlier], names[earlier])
                seen[key_then] = [i for i in seen[key_then] if i != earlier]
                names[earlier] = fresh
                seen[_key(sheet.placed[earlier], fresh)].append(earlier)
        names[index] = fresh
        seen[_key(placed, fresh)].append(index)
    return notes


def _repeated(sheet: Sheet, seen: dict[tuple[str, ...], list[int]], index: int, name: str) -> bool:
    """Whether a figure repeats one of another block of its run."""
    placed = sheet.placed[index]
    others = (sheet.placed[i] for i in seen.get(_key(placed, name), []))
    return any(other.block != placed.block and not contradict(other, placed) for other in others)


def _key(placed: Placed, name: str) -> tuple[str, ...]:
    context = placed.context
    return (name, context.split, placed.name, context.at, placed.metric, str(context.goal))
