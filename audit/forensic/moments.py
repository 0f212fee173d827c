"""Moments of a sample that no sample can have.

References
----------
Samuelson (1968); Anaya (2016) and Allard (2018) for GRIMMER; Heathers & Brown (2019) for DEBIT; Wilkins (1944) for
``kurtosis >= skewness**2 + 1``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from assay.audit.claims.intervals import Interval

__all__ = ["debit_std", "grimmer", "kurtosis_floor", "percentiles_ordered", "std_ceiling", "std_floor"]


def std_ceiling(low: float, high: float, mean: Interval, n: int | None = None, ddof: int = 1) -> float:
    """Largest standard deviation of data in [low, high] with this mean (Bhatia & Davis 2000).

    ``(b - mu)(mu - a)`` with denominator n, times ``n/(n - ddof)``.
    """
    middle = (low + high) / 2
    mu = min(max(middle, mean.low), mean.high)
    variance = max(0.0, (high - mu) * (mu - low))
    factor = n / (n - ddof) if n is not None and n > ddof else 2.0 if ddof else 1.0
    return math.sqrt(variance * factor)


def std_floor(mean: Interval, extremes: Sequence[Interval], n: int) -> float:
    """Least standard deviation (denominator n) of n values that include these extremes, with this mean.

    Samuelson's inequality: no value lies further than ``sd * sqrt(n - 1)`` from the mean, so the farthest printed
    extreme gives ``sd >= distance / sqrt(n - 1)``.
    """
    distance = 0.0
    for value in extremes:
        gap = max(value.low - mean.high, mean.low - value.high, 0.0)
        distance = max(distance, gap)
    return distance / math.sqrt(n - 1) if n > 1 else 0.0


def kurtosis_floor(skewness: Interval) -> float:
    """Least raw kurtosis that goes with a skewness, ``skewness**2 + 1``; 3 less for excess kurtosis."""
    return abs(skewness).low ** 2 + 1


def grimmer(mean: Interval, std: Interval, n: int, ddof: int = 1) -> bool:
    """Whether n whole numbers can have this mean and standard deviation.

    The sum S must be a whole number inside n times the mean; the sum of squares Q a whole number inside the range
    that S and the deviation give; and Q and S must have the same parity, since ``x**2 = x (mod 2)``.

    Examples
    --------
    The sum would be 20 and the sum of squares 49, which differ in parity:

    >>> grimmer(Interval(1.95, 2.05), Interval(0.95, 1.05), 10)
    False

    """
    tiny = 1e-9
    for total in range(math.ceil(mean.low * n - tiny), math.floor(mean.high * n + tiny) + 1):
        low = (n - ddof) * max(std.low, 0.0) ** 2 + total * total / n
        high = (n - ddof) * std.high**2 + total * total / n
        for squares in range(math.ceil(low - tiny * max(1, low)), math.floor(high + tiny * max(1, high)) + 1):
            if squares % 2 == total % 2 and squares * n >= total * total:
                return True
            if squares > low + 4:
                break
    return False


def debit_std(share: Interval, n: int, ddof: int = 1) -> Interval:
    """Standard deviation of binary data with this share of ones, ``sqrt(p (1 - p) n / (n - ddof))``."""
    p = share.clip(0.0, 1.0) or Interval(0.0, 0.0)
    ends = [end * (1 - end) for end in (p.low, p.high)]
    top = 0.25 if p.low <= 0.5 <= p.high else max(ends)
    factor = n / (n - ddof)
    return Interval(math.sqrt(min(ends) * factor), math.sqrt(top * factor))


def percentiles_ordered(points: Sequence[tuple[float, Interval]]) -> tuple[int, int] | None:
    """First pair of percentiles, given as (level, value), that falls as the level rises; None when none does."""
    ordered = sorted(range(len(points)), key=lambda i: points[i][0])
    for first, second in itertools.pairwise(ordered):
        if (
            points[first][0] < points[second][0]
            and not points[first][1].low <= points[second][1].high * (1 + 1e-12) + 1e-12
        ):
            return first, second
    return None
