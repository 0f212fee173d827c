"""Figures derived from other printed figures: quotients, changes, multiples, means, sums.

Functions that end in ``readings`` return the readings in use by name, since "54% improvement" can mean four things; a
claim stands when any of them meets its print.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

from assay.audit.claims.intervals import Interval

__all__ = ["change_readings", "mean_of", "mean_readings", "ratio_readings", "sum_of"]


def change_readings(start: Interval, end: Interval, percent_points: bool = True) -> dict[str, Interval]:
    """A change between two figures: relative to either, in points, logarithmic, and as the ratio end/start.

    A relative change from a start that is negative or may be zero means nothing and is left out.
    """
    readings: dict[str, Interval] = {}
    if start.low > 0:
        # (end - start)/start = end/start - 1, free of the repeated variable.
        readings["relative to the start"] = end / start - 1.0
        readings["end as a share of the start"] = end / start
    if end.low > 0 and start.low > 0:
        readings["relative to the end"] = Interval.point(1.0) - start / end
    if min(start.low, end.low) > 1e-100 and max(start.high, end.high) < 1e100:
        readings["logarithmic"] = Interval(math.log(end.low / start.high), math.log(end.high / start.low))
    return readings | ({"in percentage points": end - start} if percent_points else {})


def ratio_readings(first: Interval, second: Interval) -> dict[str, Interval]:
    """A multiple between two figures: either over the other, and the excess over one of either."""
    readings: dict[str, Interval] = {}
    for a, b, over, under in ((first, second, "second", "first"), (second, first, "first", "second")):
        if a.low > 0 or a.high < 0:
            readings[f"{over} / {under}"] = b / a
            readings[f"({over} - {under}) / {under}"] = b / a - 1.0
    return readings


def mean_readings(values: Sequence[Interval], weighted: bool = False) -> dict[str, Interval]:
    """A mean of printed parts: arithmetic, harmonic, geometric, the median, and any weighted one where weights are
    printed."""
    n = len(values)
    lows, highs = [v.low for v in values], [v.high for v in values]
    readings = {"mean": mean_of(values), "median": Interval(median(lows), median(highs))}
    if min(lows) > 1e-100:
        readings["harmonic mean"] = Interval(n / sum(1 / x for x in lows), n / sum(1 / x for x in highs))
        logs = (sum(map(math.log, ends)) / n for ends in (lows, highs))
        readings["geometric mean"] = Interval(*map(math.exp, logs))
    return readings | ({"weighted mean": Interval(min(lows), max(highs))} if weighted else {})


def sum_of(values: Iterable[Interval]) -> Interval:
    """The sum of printed parts, every rounding error allowed in full."""
    values = list(values)
    return Interval(sum(v.low for v in values), sum(v.high for v in values))


def mean_of(values: Iterable[Interval]) -> Interval:
    """The arithmetic mean of printed parts."""
    values = list(values)
    total = sum_of(values)
    return Interval(total.low / len(values), total.high / len(values))
