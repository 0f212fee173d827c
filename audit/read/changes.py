"""Figures that follow from others: a change between two columns, a gap between two losses, a multiple of the two."""

from __future__ import annotations

from dataclasses import replace

from assay.audit.claims.metrics import METRICS
from assay.audit.read.labels_to_metrics import says
from assay.audit.read.prose import place_prose
from assay.audit.read.sheet import Context, Placed, Sheet
from assay.audit.read.tokens import Token
from assay.audit.read.vocabulary import pattern
from assay.audit.read.words import plain, read_role

__all__ = ["place_change", "tie_gaps"]

#: Metrics that improve when they fall.
_LOWER_IS_BETTER = ("brier", "error_rate", "max_drawdown")


def place_change(
    sheet: Sheet,
    place: tuple[int, str, int, str],
    figures: list[Token],
    metric: str,
    local: Context,
    title: str,
    pair: list[int],
) -> None:
    """Place a cell under "change" or "improvement", tied to the two figures of its metric left of it.

    `place` is line number, text, block and record; `pair` the two figures.
    """
    number, text, block, record = place
    first, rest = figures[0], figures[1:]
    marked = pattern("relative_unit").search(first.text + " " + title) is not None
    in_percent = not marked and len(pair) == 2 and all(sheet.placed[i].value.percent for i in pair)
    kind = "change" if marked or in_percent else "difference"
    if first.text.endswith(("×", "x")):
        kind = "multiple"
    signed = pattern("relative_unit").search(first.text) is not None
    unit = "percent" if in_percent or (kind == "change" and not signed) else ""
    local = replace(local, goal=False)
    index = sheet.claim(number, text, first, kind, local, block=block, unit=unit, record=record)
    before = replace(local, group=(*local.group, "before"), goal=False)
    stated = len(rest) == 1 and pattern("from_word").search(plain(text[: rest[0].start])) is not None
    if stated:
        start = sheet.claim(number, text, rest[0], metric, before, block=block, record=record + "b")
        pair = [start, *pair[:1]] if start is not None else []
    elif rest:
        place_prose(sheet, number, text, rest, before, block=block, record=record + "b")
    if index is None or len(pair) != 2 or kind == "multiple":
        return
    inputs = tuple(pair) if stated else _oriented(sheet, pair, sheet.placed[index])
    sheet.placed[index].relation, sheet.placed[index].inputs = kind if inputs else "", inputs
    lower = METRICS[metric].kind in ("error", "loss") or metric in _LOWER_IS_BETTER
    if inputs and kind == "change" and lower and says(title, "better_titles"):
        sheet.placed[index].relation = "reduction"


def _oriented(sheet: Sheet, pair: list[int], change: Placed) -> tuple[int, ...]:
    """From and to: the baseline first, wherever its column stands; where nothing says which, as the figure needs."""
    first, second = pair
    names = [" ".join(sheet.placed[index].context.group) for index in pair]
    words = [bool(read_role(name).earlier or says(name, "earlier_columns")) for name in names]
    if words[0] != words[1]:
        return (second, first) if words[1] else (first, second)
    low, high = sheet.placed[first].value.value, sheet.placed[second].value.value
    if min(low, high) <= 0:
        return ()
    return (second, first) if (high - low) * change.value.value < 0 else (first, second)


def tie_gaps(sheet: Sheet) -> None:
    """Tie a gap between losses, and a multiple printed behind it, to the two losses of its list."""
    for index, placed in enumerate(sheet.placed):
        if placed.metric != "loss_gap" or placed.relation or not placed.block or not placed.value.is_point:
            continue
        near = [i for i in range(max(0, index - 4), index) if _one_list(sheet.placed[i], placed)]
        losses = {sheet.placed[i].metric: i for i in near if sheet.placed[i].value.is_point}
        if {"train_loss", "validation_loss"} <= set(losses):
            inputs = losses["train_loss"], losses["validation_loss"]
            placed.relation, placed.inputs = "difference", inputs
            for other in sheet.placed[index + 1 : index + 2]:
                if other.metric == "multiple" and other.line == placed.line and not other.relation:
                    other.relation, other.inputs = "ratio", inputs


def _one_list(first: Placed, second: Placed) -> bool:
    return first.block == second.block and first.context.group == second.context.group
