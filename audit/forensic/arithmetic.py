"""Figures derived from other printed figures: changes, multiples, differences, means, sums.

Every function returns the readings in use by name, since "54% improvement" can mean four things; a claim stands when
any of them meets its print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from assay.audit.claims.intervals import Interval

__all__ = ["change_readings", "fitting", "mean_of", "mean_readings", "ratio_readings", "sum_of"]


def change_readings(start: Interval, end: Interval, percent_points: bool = True) -> dict[str, Interval]:
    """A change from one figure to another, in every usual reading.

    Relative to the start, relative to the end, in points, and as the ratio end/start. A relative change from a start
    that is negative or may be zero means nothing and is left out.
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
    if percent_points:
        readings["in percentage points"] = end - start
    return readings


def ratio_readings(first: Interval, second: Interval) -> dict[str, Interval]:
    """A multiple between two figures: second/first, first/second, and the excess over one of either."""
    readings: dict[str, Interval] = {}
    if first.low > 0 or first.high < 0:
        readings["second / first"] = second / first
        readings["(second - first) / first"] = second / first - 1.0
    if second.low > 0 or second.high < 0:
        readings["first / second"] = first / second
        readings["(first - second) / second"] = first / second - 1.0
    return readings


def mean_readings(values: Sequence[Interval], weights: Sequence[Interval] | None = None) -> dict[str, Interval]:
    """A mean of printed parts: arithmetic, weighted where weights are printed, harmonic, geometric and the median."""
    n = len(values)
    lows, highs = [v.low for v in values], [v.high for v in values]
    readings = {"mean": mean_of(values), "median": Interval(median(lows), median(highs))}
    if min(lows) > 1e-100:
        readings["harmonic mean"] = Interval(n / sum(1 / x for x in lows), n / sum(1 / x for x in highs))
        readings["geometric mean"] = Interval(
            math.exp(sum(map(math.log, lows)) / n), math.exp(sum(map(math.log, highs)) / n)
        )
    if weights is not None and all(w.low >= 0 for w in weights) and sum(w.low for w in weights) > 0:
        readings["weighted mean"] = weighted_mean(values, weights)
    return readings


def weighted_mean(values: Sequence[Interval], weights: Sequence[Interval]) -> Interval:
    """Exact range of ``sum w x / sum w`` over interval weights and values.

    The extremes put every weight at one of its ends, heavy on the largest values for the maximum, so sorting by
    value and trying each cut finds them.
    """

    def extreme(points: list[tuple[float, Interval]], sign: int) -> float:
        points = sorted(points, key=lambda item: sign * item[0])
        best = -math.inf
        for cut in range(len(points) + 1):
            chosen = [w.low if i < cut else w.high for i, (_, w) in enumerate(points)]
            if sum(chosen) > 0:
                total = sum(w * x for w, (x, _) in zip(chosen, points, strict=True)) / sum(chosen)
                best = max(best, sign * total)
        return sign * best

    low = extreme([(v.low, w) for v, w in zip(values, weights, strict=True)], -1)
    high = extreme([(v.high, w) for v, w in zip(values, weights, strict=True)], 1)
    return Interval(min(low, high), max(low, high))


def sum_of(values: Sequence[Interval]) -> Interval:
    """The sum of printed parts, every rounding error allowed in full."""
    return Interval(sum(v.low for v in values), sum(v.high for v in values))


def mean_of(values: Sequence[Interval]) -> Interval:
    """The arithmetic mean of printed parts."""
    return Interval(sum(v.low for v in values) / len(values), sum(v.high for v in values) / len(values))


def fitting(claim: Interval, readings: Mapping[str, Interval]) -> list[str]:
    """Names of the readings that meet the claim, in the order given."""
    return [name for name, value in readings.items() if claim.meets(value)]
