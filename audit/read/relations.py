"""Figures that follow from others: a change between two columns, a gap between losses, a multiple, a difference; and
the intervals, spreads and counts printed behind a figure: "1.31 (95% CI 0.52–2.10)", "0.112 ± 0.08", "57.1% (16/28)".

Where a report leaves it to its reader which two figures such a one compares, the relation is kept only where the
printed figure fits it. It confirms a figure and never accuses one: what does not fit may compare other figures.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from assay.audit.claims.intervals import Interval, Printed, parse_print
from assay.audit.claims.model import BESIDE, METRICS
from assay.audit.read.document import Line
from assay.audit.read.labels import Context
from assay.audit.read.prose import place_prose
from assay.audit.read.sheet import Excluded, Placed, Sheet, Spot
from assay.audit.read.tokens import Token
from assay.audit.read.words import first_of, mentions, padded, pattern, plain, read_role, says, table, wordset
from assay.data.errors import InputError

__all__ = ["attach", "claim_beside", "place_change", "takes_interval", "tie_changes"]

#: How far a fraction may lie from a share to be its own.
_NEAR = 0.1
#: Least count that a share of something unnamed is taken to be of.
_FEW = 10
Pair = tuple[int, int]


def takes_interval(figure: Placed) -> bool:
    """Whether an interval or a spread may be that of a figure."""
    derived = figure.metric in ("change", "multiple", "difference", "target_range", "split_share", *BESIDE)
    return figure.value.is_point and not derived


def claim_beside(sheet: Sheet, index: int, kind: str, column: int, text: str, words: str = "") -> bool:
    """Place ``interval``, ``spread`` or ``fraction`` of a figure; False where the print is none.

    Without the words "CI" or "confidence" a pair counts only if it holds the figure before it. On the scale of the
    figure: in percent where that is and these are too large for shares.
    """
    estimate = sheet.placed[index]
    value = _read(text, "fraction" if kind == "fraction" else "", sheet.decimal)
    if value is not None and estimate.value.percent and not value.percent and max(abs(value.value), abs(value.end)) > 1:
        value = _read(text, "percent", sheet.decimal)
    if value is None or (kind == "interval") != (value.bound == "range"):
        return False
    named = pattern("ci_words").search(words)
    if kind == "interval" and not named and not value.interval.meets(estimate.value.interval):
        return False
    level = pattern("ci_level").search(words)
    level_words = next((f"{group}% " for group in (level.groups() if level else ()) if group), "")
    unit = "fraction" if kind == "fraction" else "percent" if estimate.value.percent and "%" not in text else ""
    sheet.placed.append(
        replace(
            estimate, column=column, end=column + len(text), printed=text, value=value, metric=kind, unit=unit,
            label=f"{estimate.metric.replace('_', ' ')} {estimate.name}".strip(), relation=kind, inputs=(index,),
            definition=f"{level_words}confidence interval" if named else estimate.definition,
        )
    )  # fmt: skip
    return True


def _read(text: str, unit: str, decimal: str) -> Printed | None:
    try:
        return parse_print(text, unit=unit, decimal=decimal)
    except InputError:
        return None


def attach(sheet: Sheet, lines: Sequence[Line]) -> None:
    """Turn figures that were left over into the intervals, spreads and counts of the figures beside them."""
    on_line: dict[int, list[int]] = defaultdict(list)
    for index in sorted(range(len(sheet.placed)), key=lambda i: sheet.placed[i].column):
        on_line[sheet.placed[index].line].append(index)
    texts, left = {line.number: line for line in lines}, {line for line, _ in sheet.unplaced}
    for item in [item for item in sheet.excluded.values() if pattern("fraction").fullmatch(item.text)]:
        void = any(first_of("void", padded(heading)) for heading in texts[item.line].headings)
        of_what = _of_share if item.line in on_line or void else _of_anything
        if of_what(sheet, texts[item.line].text, item, on_line.get(item.line, [])):
            del sheet.excluded[item.line, item.column]
    for number, indexes in on_line.items():
        _won_and_lost(sheet, texts[number].text, indexes)
        if number in left and texts[number].kind not in ("code", "front", "html"):
            for index in indexes:
                if takes_interval(sheet.placed[index]):
                    _behind(sheet, texts[number].text, index)


def _behind(sheet: Sheet, text: str, index: int) -> None:
    """A ± or a pair right behind a figure; of the pair the second figure is set aside as the end of the first."""
    end = sheet.placed[index].end
    if match := pattern("ci_spread").match(text, end):
        _taken(sheet, index, "spread", (end, match.end()), text)
        end = match.end()
    lead = pattern("ci_lead").match(text, end)
    pair = pattern("ci_pair").match(text, lead.end()) if lead else None
    if lead and pair:
        words = text[end : lead.end()]
        if pattern("ci_words").search(words) or lead[1] or words.strip().startswith(("(", "[")):
            _taken(sheet, index, "interval", pair.span(), text, words)


def _taken(sheet: Sheet, index: int, kind: str, span: Pair, text: str, words: str = "") -> None:
    """Place what stands in a span of the line, and take its figures from those that are left."""
    line = sheet.placed[index].line
    found = [(line, column) for column in range(*span) if (line, column) in sheet.unplaced]
    shown = text[slice(*span)].lstrip(" *_`±/\\pm+−-" if kind == "spread" else " ").rstrip()
    if len(found) in (1, 2) and claim_beside(sheet, index, kind, text.index(shown, span[0]), shown, words):
        ends = [replace(sheet.unplaced.pop(at), reason="the upper end of the interval before it") for at in found]
        sheet.excluded.update(zip(found[1:], ends[1:], strict=True))


def _of_share(sheet: Sheet, text: str, item: Excluded, indexes: list[int]) -> bool:
    """The counts beside a share: "64.3% (201/312)", "16/28 wins = 57.1%"; far from it they are of something else."""
    end, value = item.column + len(item.text), _read(item.text, "fraction", sheet.decimal)
    after = bisect_left(indexes, item.column, key=lambda index: sheet.placed[index].column)
    for index in indexes[max(0, after - 1) : after + 1]:
        share = sheet.placed[index]
        behind = pattern("fraction_behind").fullmatch(text, share.end, item.column)
        ahead = pattern("fraction_ahead").fullmatch(plain(text[end : end + 40]), 0, max(0, share.column - end))
        known = METRICS[share.metric].kind == "proportion" and share.value.is_point and not share.context.goal
        known = known and pattern("of_other_things").match(text, end) is None
        if value is not None and known and (behind or ahead) and abs(value.value - share.value.value) < _NEAR:
            return claim_beside(sheet, index, "fraction", item.column, item.text)
    return False


def _of_anything(sheet: Sheet, text: str, item: Excluded, indexes: list[int]) -> bool:
    """A share of anything with its counts, ten or more and near it, behind: "Fill rate: 75.0% (35/47)"."""
    match = pattern("share_of_counts").search(text, max(0, item.column - 20), item.column + len(item.text) + 2)
    if match is None or match.start("counts") != item.column or int(item.text.partition("/")[2]) < _FEW:
        return False
    printed, counts = _read(match["share"], "", sheet.decimal), _read(item.text, "fraction", sheet.decimal)
    if printed is None or counts is None or abs(counts.value - printed.value) >= _NEAR:
        return False
    share = sheet.take(item.line, match.start())
    if share is None:
        return False
    place = (item.line, share.column, match.end("share"), share.text)
    sheet.placed.append(Placed(*place, printed, "other", Context(), text.strip()[:300]))
    indexes.append(len(sheet.placed) - 1)
    return claim_beside(sheet, len(sheet.placed) - 1, "fraction", item.column, item.text)


def _won_and_lost(sheet: Sheet, text: str, indexes: list[int]) -> None:
    """Trades won and lost that are printed as a pair: "61.2% (30W/19L)", "Wins / Losses: 53 / 41"."""
    match = pattern("won_lost").search(text) or pattern("wins_losses").search(text)
    match = None if match and pattern("condition_before").search(plain(text[: match.start()])) else match
    for name, metric in (("won", "winning_trades"), ("lost", "losing_trades")) if match else ():
        at, shown = match.start(name), match[name]  # type: ignore[union-attr,index]
        beside = sheet.placed[min(indexes, key=lambda index: abs(sheet.placed[index].column - at))]
        value = _read(shown, "", sheet.decimal)
        if beside.column == at:
            beside.metric = metric
        elif value is not None and sheet.take(beside.line, at):
            count = replace(beside, column=at, end=at + len(shown), printed=shown, value=value, metric=metric)
            sheet.placed.append(replace(count, relation="", inputs=(), unit=""))


def place_change(spot: Spot, figures: list[Token], metric: str, local: Context, title: str, pair: list[int]) -> None:
    """Place a cell under "change" or "improvement", tied to `pair`, the two figures of its metric left of it."""
    placed, first, local = spot.sheet.placed, figures[0], replace(local, goal=False)
    signed = pattern("relative_unit").search(first.text) is not None
    marked = signed or pattern("relative_unit").search(title) is not None
    in_percent = not marked and len(pair) == 2 and all(placed[i].value.percent for i in pair)
    kind = "change" if marked or in_percent else "difference"
    kind = "multiple" if first.text.endswith(("×", "x")) else kind
    if first.text[:1] not in "+-−–" and pattern("another_rate").match(spot.text, first.end):
        spot.leave(first, "a rate of something else")
        return
    index = spot.claim(first, kind, local, unit="percent" if in_percent or (kind == "change" and not signed) else "")
    before, behind = replace(local, group=(*local.group, "before")), replace(spot, record=spot.record + "b")
    stated = len(figures) == 2 and pattern("from_word").search(plain(spot.text[: figures[1].start])) is not None
    if stated:
        start = behind.claim(figures[1], metric, before)
        pair = [start, *pair[:1]] if start is not None else []
    else:
        place_prose(behind, figures[1:], before)
    if index is None or len(pair) != 2 or kind == "multiple":
        return
    inputs = tuple(pair) if stated else _oriented(pair, placed, placed[index])
    if not inputs:
        return
    lower = METRICS[metric].kind in ("error", "loss") or metric in wordset("lower_is_better")
    falls = kind == "change" and lower and says(title, "better_titles")
    placed[index].inputs, placed[index].relation = inputs, "reduction" if falls else kind


def _oriented(pair: list[int], placed: list[Placed], change: Placed) -> tuple[int, ...]:
    """From and to: the baseline first, wherever its column stands; where no title says, or one misleads, what fits."""
    first, second = (placed[index] for index in pair)
    names = [" ".join(figure.context.group) for figure in (first, second)]
    earlier = [bool(read_role(name).earlier or says(name, "earlier_columns")) for name in names]
    if earlier[0] == earlier[1]:
        if min(first.value.value, second.value.value) <= 0:
            return ()
        earlier[1] = (second.value.value - first.value.value) * change.value.value < 0
    start, end = (figure.value.interval for figure in ((second, first) if earlier[1] else (first, second)))
    turned = min(start.low, end.low) > 0 and change.value.either.meets(start / end - 1.0)
    return (pair[1], pair[0]) if earlier[1] != turned else tuple(pair)


#: How a figure may follow from two others.
_FORMULAS: dict[str, list[tuple[str, Callable[[Interval, Interval], Interval]]]] = {
    "multiple": [("ratio", lambda a, b: b / a), ("ratio", lambda a, b: (b - a) / a)],
    "reduction": [("reduction", lambda a, b: Interval.point(1.0) - b / a)],
    "change": [("change", lambda a, b: (b - a) / a), ("difference", lambda a, b: abs(b - a))],
    "difference": [("difference", lambda a, b: abs(b - a))],
    "loss_gap": [("difference", lambda a, b: b - a)],
}


def tie_changes(placed: list[Placed], names: list[str]) -> None:
    """Tie changes, multiples, differences and gaps without a relation to the figures they fit, the likeliest first."""
    by_metric: dict[str, list[int]] = {}
    for index, figure in enumerate(placed):
        if figure.value.is_point and not figure.context.goal:
            by_metric.setdefault(figure.metric, []).append(index)
    for index, figure in enumerate(placed):
        if figure.relation or not figure.value.is_point or figure.metric not in _FORMULAS:
            continue
        falls = figure.metric == "change" and any(word in plain(figure.text) for word in wordset("falling"))
        readings = [*(_FORMULAS["reduction"] if falls else ()), *_FORMULAS[figure.metric]]
        for metric in _metrics(placed, index):
            pairs = _pairs(placed, names, index, by_metric, metric)
            for (relation, formula), (first, last) in itertools.product(readings, pairs):
                ends = placed[first].value.interval, placed[last].value.interval
                if not figure.relation and ends[0].low > 0 and figure.value.either.meets(formula(*ends)):
                    figure.relation, figure.inputs = relation, (first, last)
        if (figure.metric, figure.relation) == ("change", "difference"):
            figure.metric = "difference"


def _metrics(placed: list[Placed], index: int) -> list[str]:
    """What a change may be of: metrics of its line, the nearest first, then of its list, then what all above it are."""
    figure, folded = placed[index], plain(placed[index].text)
    if figure.metric == "loss_gap":
        return ["loss_gap"]
    above = [other.metric for other in placed[max(0, index - 6) : index] if other.block == figure.block != 0]
    values = {metric for metric in above if metric not in wordset("derived")} if len(above) > 1 else set()
    named = sorted(mentions(folded), key=lambda mention: abs(mention.start - figure.column))
    implied = [metric for word, metric in table("implied").items() if word in folded]
    alike = values if len(values) == 1 else ()
    return list(dict.fromkeys([*(mention.metric for mention in named), *implied, figure.context.topic, *alike]))


def _pairs(
    placed: list[Placed], names: list[str], index: int, by_metric: dict[str, list[int]], metric: str
) -> list[Pair]:
    """From an earlier run, or a baseline, to the own one, the nearest first; of a gap from training to validation."""
    figure = placed[index]

    def near(name: str) -> list[int]:
        return sorted(by_metric.get(name, []), key=lambda i: abs(placed[i].line - figure.line))

    rows = ("train_loss", "validation_loss") if metric == "loss_gap" and figure.metric in ("multiple", metric) else ()
    losses = [[i for i in near(row) if names[i] == names[index]][:3] for row in rows]
    of_gap = [(first, last) for first in losses[0] for last in losses[1]] if rows else []
    earlier = {i for i in near(metric) if any(p == "before" or read_role(p).earlier for p in placed[i].context.group)}
    now = [i for i in near(metric) if i not in earlier and figure.metric != metric]
    mine = [i for i in now if names[i] == names[index]][:8] or now[:8]
    before = [i for i in near(metric) if i in earlier][:8]
    before += near("random_baseline")[:3] if metric == "accuracy" else []
    place = {i: (placed[i].name, placed[i].context.at) for i in (*mine, *before)}
    return [*of_gap, *((first, last) for last in mine for first in before if place[first] == place[last])]
