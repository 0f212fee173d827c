"""Runs recognised by their figures: sections that print the same figures are of one run, whatever their headings say.

Two groups become one only where they agree on figures that chance would hardly repeat, contradict each other nowhere,
and never print one metric side by side in one table or list, which tells its rows apart on purpose.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace

from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import BESIDE
from assay.audit.read.sheet import Placed

__all__ = ["adopt_splits", "contradict", "merged_names"]

#: Metrics that say nothing of the run they stand in.
_DERIVED = ("change", "multiple", "difference", "target_range", "split_share", "class_share", *BESIDE)
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
        if placed.block and placed.metric not in _DERIVED:
            self.places.add((placed.block, placed.metric, placed.name, placed.context.at, placed.context.split))
        if placed.metric not in _DERIVED and placed.value.is_point and not placed.context.goal:
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
        if figure.context.split and not figure.context.weak and figure.value.is_point and figure.metric not in _DERIVED:
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
