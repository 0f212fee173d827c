"""Intervals and spreads behind a placed figure: "1.31 (95% CI 0.52–2.10)", "0.112 ± 0.08", a column "95% CI".

Runs after every line has been read, on figures that no rule could place for themselves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from re import Match

from assay.audit.claims.intervals import Printed, parse_print
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import BESIDE
from assay.audit.read.document import Line, split_cells
from assay.audit.read.sheet import Excluded, Placed, Sheet
from assay.audit.read.vocabulary import pattern
from assay.audit.read.words import plain
from assay.data.errors import InputError

__all__ = ["attach"]

#: How far a fraction may lie from a share to be its own.
_NEAR = 0.1
#: Metrics that no interval is read behind.
_NOT = ("change", "multiple", "difference", "target_range", "split_share", *BESIDE)


def attach(sheet: Sheet, lines: Sequence[Line]) -> None:
    """Turn figures that were left over into the intervals and spreads of the figures before them.

    A pair becomes one claim of the metric ``interval``, printed as a range; its second figure is set aside as the end
    of the first. Without the words "CI" or "confidence" a pair counts only if it holds the figure before it.
    """
    left: dict[int, list[Excluded]] = defaultdict(list)
    for item in sheet.unplaced:
        left[item.line].append(item)
    placed: dict[int, list[int]] = defaultdict(list)
    for index, figure in enumerate(sheet.placed):
        placed[figure.line].append(index)
    by_number = {line.number: line for line in lines if line.number in placed}
    counts = [item for item in sheet.excluded if item.line in by_number and pattern("fraction").fullmatch(item.text)]
    for indexes in placed.values():
        indexes.sort(key=lambda index: sheet.placed[index].column)
    taken = {item for item in counts if _fraction(sheet, by_number[item.line].text, item, placed[item.line])}
    sheet.excluded = [item for item in sheet.excluded if item not in taken]
    for number, indexes in placed.items():
        if number in by_number:
            _won_and_lost(sheet, by_number[number].text, indexes)
    for number, indexes in placed.items():
        line = by_number.get(number)
        if line is None or line.kind in ("code", "front", "html"):
            continue
        if line.kind == "table_row":
            _ends(sheet, line, indexes)
        ranges = [index for index in indexes if sheet.placed[index].value.bound == "range"]
        if not left[number] and not ranges:
            continue
        for index in indexes:
            _behind(sheet, line, index, left[number])
        if line.kind == "table_row":
            _columns(sheet, line, indexes, left[number])


def _behind(sheet: Sheet, line: Line, index: int, left: list[Excluded]) -> None:
    """A ± or a pair right behind a figure."""
    estimate = sheet.placed[index]
    if not estimate.value.is_point or estimate.metric in _NOT or not left:
        return
    end = estimate.end
    if match := pattern("ci_spread").match(line.text, end):
        found = [item for item in left if end <= item.column < match.end()]
        if len(found) == 1:
            _claim(sheet, line.text, index, found, left, match[1].strip(), "spread", "")
            end = match.end()
    lead = pattern("ci_lead").match(line.text, end)
    pair = pattern("ci_pair").match(line.text, lead.end()) if lead else None
    if lead is None or pair is None:
        return
    words = line.text[end : lead.end()]
    said = pattern("ci_words").search(words) is not None
    if not said and not lead[1] and not words.strip().startswith(("(", "[")):
        return
    _pair(sheet, index, pair, left, words if said else "")


def _fraction(sheet: Sheet, text: str, item: Excluded, indexes: list[int]) -> bool:
    """The whole counts beside a share, "64.3% (201/312)", "16/28 wins = 57.1%"; far from it they are of something
    else."""
    end = item.column + len(item.text)
    after = bisect_left(indexes, item.column, key=lambda index: sheet.placed[index].column)
    for index in indexes[max(0, after - 1) : after + 1]:
        share, value = sheet.placed[index], _read(item.text, None, sheet.decimal, "fraction")
        behind = pattern("fraction_behind").fullmatch(text, share.end, item.column)
        ahead = pattern("fraction_ahead").fullmatch(plain(text[end : end + 40]), 0, max(0, share.column - end))
        known = METRICS[share.metric].kind == "proportion" and share.value.is_point and not share.context.goal
        if value is not None and known and (behind or ahead) and abs(value.value - share.value.value) < _NEAR:
            sheet.placed.append(
                replace(
                    share, column=item.column, end=end, printed=item.text, value=value, metric="fraction",
                    label=_named(share), relation="fraction", inputs=(index,), unit="fraction",
                )
            )  # fmt: skip
            return True
    return False


def _won_and_lost(sheet: Sheet, text: str, indexes: list[int]) -> None:
    """Trades won and lost that are printed as a pair: "61.2% (30W/19L)", "Wins / Losses: 53 / 41"."""
    match = pattern("won_lost").search(text) or pattern("wins_losses").search(text)
    if match is None:
        return
    line = sheet.placed[indexes[0]].line
    beside = min(indexes, key=lambda index: abs(sheet.placed[index].column - match.start()))
    for name, metric in (("won", "winning_trades"), ("lost", "losing_trades")):
        placed = next((i for i in indexes if sheet.placed[i].column == match.start(name)), None)
        if placed is not None:
            sheet.placed[placed].metric = metric
            continue
        for items in (sheet.unplaced, sheet.excluded):
            at = match.start(name)
            token = next((x for x in items if x.line == line and x.column <= at < x.column + len(x.text)), None)
            value = _read(match[name], None, sheet.decimal)
            if token is not None and value is not None:
                items.remove(token)
                figure = replace(
                    sheet.placed[beside], column=match.start(name), end=match.end(name), printed=match[name],
                    value=value, metric=metric, relation="", inputs=(), unit="",
                )  # fmt: skip
                sheet.placed.append(figure)
                break


def _columns(sheet: Sheet, line: Line, indexes: list[int], left: list[Excluded]) -> None:
    """Cells of a column that is headed as an interval, beside the one figure to their left."""
    if line.table is None:
        return
    cells = split_cells(line.text, line.table.mark)
    for cell, head in zip(cells, line.table.header, strict=False):
        match = (
            pattern("ci_cell").match(line.text[cell.column : cell.column + len(cell.text)])
            if pattern("ci_words").search(head.text)
            else None
        )
        if match is None:
            continue
        before = [i for i in indexes if sheet.placed[i].end <= cell.column and sheet.placed[i].metric not in _NOT
                  and sheet.placed[i].value.is_point]  # fmt: skip
        inside = [i for i in indexes if cell.column <= sheet.placed[i].column < cell.column + len(cell.text)]
        if not before:
            continue
        nearest = max(before, key=lambda i: sheet.placed[i].column)
        pair = pattern("ci_pair").search(line.text, cell.column)
        if len(inside) == 1 and sheet.placed[inside[0]].value.bound == "range":
            _reassign(sheet, nearest, sheet.placed[inside[0]], head.text)
        elif not inside and pair is not None:
            _pair(sheet, nearest, pair, left, head.text)


def _ends(sheet: Sheet, line: Line, indexes: list[int]) -> None:
    """Figures of columns headed "CI low" and "CI high" are ends of an interval, and no values of the metric."""
    if line.table is None or not any(pattern("ci_end").search(head.text) for head in line.table.header):
        return
    cells = split_cells(line.text, line.table.mark)
    whole = [i for i in indexes if sheet.placed[i].value.is_point and sheet.placed[i].metric not in _NOT]
    for cell, head in zip(cells, line.table.header, strict=False):
        inside = [i for i in whole if cell.column <= sheet.placed[i].column < cell.column + len(cell.text)]
        if len(inside) != 1 or not pattern("ci_end").search(head.text):
            continue
        before = [i for i in whole if sheet.placed[i].end <= cell.column and sheet.placed[i].metric != "other"]
        figure = sheet.placed[inside[0]]
        if before:
            estimate = sheet.placed[max(before, key=lambda i: sheet.placed[i].column)]
            figure.context = replace(estimate.context)
        name = figure.metric.replace("_", " ")
        figure.metric, figure.label = "other", f"{name} {head.text.strip(' *_`').lower()}"
        figure.definition = "an end of an interval"


def _reassign(sheet: Sheet, index: int, claim: Placed, words: str) -> None:
    """A range that was placed as a figure of its own column is the interval of the figure beside it."""
    estimate = sheet.placed[index]
    claim.metric, claim.relation, claim.inputs = "interval", "interval", (index,)
    claim.context, claim.block, claim.record = replace(estimate.context), estimate.block, estimate.record
    claim.label, claim.definition = _named(estimate), _definition(words)


def _pair(sheet: Sheet, index: int, pair: Match[str], left: list[Excluded], words: str) -> None:
    line = pair.string
    found = [item for item in left if pair.start() <= item.column < pair.end()]
    if len(found) not in (1, 2):
        return
    text = line[pair.start() : pair.end()].strip()
    _claim(sheet, line, index, found, left, text, "interval", words)


def _claim(
    sheet: Sheet,
    line: str,
    index: int,
    found: list[Excluded],
    left: list[Excluded],
    text: str,
    kind: str,
    words: str,
) -> None:
    estimate = sheet.placed[index]
    value = _read(text, estimate, sheet.decimal)
    if value is None or (kind == "interval") != (value.bound == "range"):
        return
    if kind == "interval" and not words and not value.interval.meets(estimate.value.interval):
        return
    first = found[0]
    column = line.find(text, max(0, first.column - 3))
    unit = "percent" if estimate.value.percent and "%" not in text else ""
    sheet.placed.append(
        Placed(
            first.line, column, column + len(text), text, value, kind, replace(estimate.context),
            estimate.text, label=_named(estimate), relation=kind, inputs=(index,), unit=unit,
            definition=_definition(words) or estimate.definition, block=estimate.block, record=estimate.record,
        )
    )  # fmt: skip
    for item in found:
        left.remove(item)
        sheet.unplaced.remove(item)
    for item in found[1:]:
        sheet.excluded.append(replace(item, reason="the upper end of the interval before it"))


def _read(text: str, estimate: Placed | None, decimal: str, unit: str = "") -> Printed | None:
    """A print on the scale of the figure it is around: in percent where that is and these are too large for shares."""
    try:
        value = parse_print(text, unit=unit, decimal=decimal)
        largest = max(abs(value.value), abs(value.end))
        if estimate is not None and estimate.value.percent and not value.percent and largest > 1:
            return parse_print(text, unit="percent", decimal=decimal)
    except InputError:
        return None
    return value


def _named(estimate: Placed) -> str:
    """What tells the intervals of a run apart: the metric and the label of the figure."""
    words = estimate.metric.replace("_", " ")
    label = estimate.label or estimate.context.label
    return f"{words} {label}".strip()


def _definition(words: str) -> str:
    if not pattern("ci_words").search(words):
        return ""
    level = pattern("ci_level").search(words)
    found = next((group for group in level.groups() if group), "") if level else ""
    return f"{found}% confidence interval" if found else "confidence interval"
