"""Figures that follow from others: a change between two columns, a gap between losses, a multiple, a difference.

Where a report leaves it to its reader which two figures such a one compares, the relation is kept only where the
printed figure fits it. It confirms a figure and never accuses one: what does not fit may compare other figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

from assay.audit.claims.intervals import Interval
from assay.audit.claims.metrics import METRICS
from assay.audit.read.labels_to_metrics import says
from assay.audit.read.prose import place_prose
from assay.audit.read.sheet import Context, Placed, Sheet, Spot
from assay.audit.read.tokens import Token
from assay.audit.read.vocabulary import pattern, table, wordset
from assay.audit.read.words import mentions, plain, read_role

__all__ = ["place_change", "tie_changes", "tie_gaps"]

#: Metrics that improve when they fall.
_LOWER_IS_BETTER = ("brier", "error_rate", "max_drawdown")


def place_change(
    spot: Spot, figures: list[Token], metric: str, local: Context, title: str, pair: list[int]
) -> None:
    """Place a cell under "change" or "improvement", tied to `pair`, the two figures of its metric left of it."""
    sheet, (first, *rest) = spot.sheet, figures
    marked = pattern("relative_unit").search(first.text + " " + title) is not None
    in_percent = not marked and len(pair) == 2 and all(sheet.placed[i].value.percent for i in pair)
    kind = "change" if marked or in_percent else "difference"
    if first.text.endswith(("×", "x")):
        kind = "multiple"
    signed = pattern("relative_unit").search(first.text) is not None
    unit = "percent" if in_percent or (kind == "change" and not signed) else ""
    local = replace(local, goal=False)
    index = spot.claim(first, kind, local, unit=unit)
    before = replace(local, group=(*local.group, "before"), goal=False)
    stated = len(rest) == 1 and pattern("from_word").search(plain(spot.text[: rest[0].start])) is not None
    if stated:
        start = spot.claim(rest[0], metric, before, record=spot.record + "b")
        pair = [start, *pair[:1]] if start is not None else []
    elif rest:
        place_prose(replace(spot, record=spot.record + "b"), rest, before)
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


Pair = tuple[int, int]


def tie_changes(placed: list[Placed], names: list[str]) -> None:
    """Tie changes, multiples and differences without a relation to the figures they fit."""
    by_metric: dict[str, list[int]] = {}
    for index, figure in enumerate(placed):
        if figure.value.is_point and not figure.context.goal:
            by_metric.setdefault(figure.metric, []).append(index)
    for index, figure in enumerate(placed):
        if figure.relation or not figure.value.is_point or figure.metric not in ("change", "multiple", "difference"):
            continue
        found = next(_fitting(placed, names, index, by_metric), None)
        if found is not None:
            figure.metric, figure.relation, figure.inputs = found


def _fitting(
    placed: list[Placed], names: list[str], index: int, by_metric: dict[str, list[int]]
) -> Iterator[tuple[str, str, Pair]]:
    """The relations that the figure fits, the likeliest first: metric, relation and inputs."""
    figure = placed[index]
    folded = plain(figure.text)
    falls = any(word in folded for word in wordset("falling"))
    for metric in _metrics(placed, index, folded):
        pairs = list(_pairs(placed, names, index, by_metric, metric))
        readings: list[tuple[str, str, Callable[[Interval, Interval], Interval]]] = []
        if figure.metric == "multiple":
            readings = [("multiple", "ratio", lambda a, b: b / a), ("multiple", "ratio", lambda a, b: (b - a) / a)]
        elif figure.metric == "change":
            readings = [("change", "reduction", lambda a, b: Interval.point(1.0) - b / a)] if falls else []
            readings += [("change", "change", lambda a, b: (b - a) / a)]
        readings += [("difference", "difference", lambda a, b: abs(b - a))] if figure.metric != "multiple" else []
        for kind, relation, formula in readings:
            for pair in pairs:
                ends = [placed[i].value.interval for i in pair]
                if ends[0].low > 0 and figure.value.either.meets(formula(*ends)):
                    yield kind, relation, pair


def _metrics(placed: list[Placed], index: int, folded: str) -> list[str]:
    """The metrics that a change may be of: named on its line, the nearest first, then that of its list, then what the
    two figures above it in the list are both of."""
    figure = placed[index]
    above = [other for other in placed[max(0, index - 6) : index] if other.block == figure.block != 0]
    values = [other.metric for other in above if other.metric not in ("change", "multiple", "difference")][-2:]
    both = values[:1] if len(set(values)) == 1 and len(values) == 2 else []
    named = sorted(mentions(folded), key=lambda mention: abs(mention.start - figure.column))
    implied = [metric for word, metric in table("implied").items() if word in folded]
    return list(dict.fromkeys([*(mention.metric for mention in named), *implied, figure.context.topic, *both]))


def _pairs(
    placed: list[Placed], names: list[str], index: int, by_metric: dict[str, list[int]], metric: str
) -> Iterator[Pair]:
    """From an earlier run, or a baseline, to the run of the figure: of one class and position, the nearest first."""
    figure = placed[index]

    def near(name: str) -> list[int]:
        return sorted(by_metric.get(name, []), key=lambda i: abs(placed[i].line - figure.line))

    if metric == "loss_gap" and figure.metric == "multiple":
        one_run = (
            [i for i in near(name) if names[i] == names[index]][:3] for name in ("train_loss", "validation_loss")
        )
        yield from itertools.product(*one_run)
    now = [i for i in near(metric) if not _earlier(placed[i])]
    mine = [i for i in now if names[i] == names[index]][:8] or now[:8]
    before = [i for i in near(metric) if i not in mine and _earlier(placed[i])][:8]
    before = [*before, *(near("random_baseline")[:3] if metric == "accuracy" else [])]
    for last in mine:
        for first in before:
            if (placed[first].name, placed[first].context.at) == (placed[last].name, placed[last].context.at):
                yield first, last


def _earlier(figure: Placed) -> bool:
    return any(part == "before" or read_role(part).earlier for part in figure.context.group)
