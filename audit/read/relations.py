"""Relations that a report leaves to its reader: which two figures a change, a multiple or a difference compares.

Such a relation is kept only where the printed figure fits it. It confirms a figure and never accuses one: what does
not fit may compare other figures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.read.sheet import Placed
from assay.audit.read.vocabulary import table, wordset
from assay.audit.read.words import mentions, plain, read_role

__all__ = ["tie_changes"]

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
