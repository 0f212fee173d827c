"""Errors and moments: orderings that always hold, what a range leaves room for, samples that exist, reported tests.

Sources: Popoviciu (1935) and Bhatia & Davis (2000) for the variance of a bounded variable; Theil (1966) and Hyndman &
Koehler (2006) for the naive forecast; Samuelson (1968); Anaya (2016) and Allard (2018) for GRIMMER; Heathers & Brown
(2019) for DEBIT; Wilkins (1944) for ``kurtosis >= skewness**2 + 1``; Nuijten et al. (2016), statcheck.
"""

from __future__ import annotations

import math

from assay.audit.claims.intervals import Interval, corners, hull_of

__all__ = [
    "debit_readings", "grimmer", "p_readings", "persistence_r2", "r2_of_deviation",
    "rmse_ceiling", "std_ceiling", "std_floor", "t_of_correlation", "t_of_mean", "target_std",
    "variance_ceiling",
]  # fmt: skip

_ONE = Interval.point(1.0)
_TINY = 1e-9


def target_std(rmse: Interval, r2: Interval) -> Interval:
    """Standard deviation of the target on the evaluated rows, ``RMSE / sqrt(1 - R**2)``; unbounded when R² may be 1."""
    root = (_ONE - r2).power(0.5)
    low = rmse.low / root.high if root.high > 0 else math.inf
    return Interval(low, rmse.high / root.low if root.low > 0 else math.inf)


def r2_of_deviation(rmse: Interval, std: Interval, n: float | None) -> Interval | None:
    """``1 - RMSE**2/s**2`` for a printed deviation of the target with denominator n or n - 1."""
    if std.low <= 0:
        return None
    stretch = math.sqrt(n / (n - 1)) if n is not None and n > 1 else math.sqrt(2)
    return _ONE - (rmse / Interval(std.low / stretch, std.high)).power(2)


def variance_ceiling(low: float, high: float, mean: Interval | None = None) -> float:
    """Largest variance of a variable in [low, high]: ``((b - a)/2)**2`` (Popoviciu); with the mean known,
    ``(b - mu)(mu - a)`` (Bhatia & Davis), largest at the end of the mean's interval nearest the middle."""
    middle = (low + high) / 2
    mu = middle if mean is None else min(max(middle, mean.low), mean.high)
    return max(0.0, (high - mu) * (mu - low))


def rmse_ceiling(low: float, high: float, r2: Interval, mean: Interval | None = None) -> float:
    """Largest RMSE, hence largest MAE, of a forecast with this R² of a target inside [low, high]:
    ``std(y) sqrt(1 - R**2) <= (b - a)/2 * sqrt(1 - R**2)``, which grows as R² turns negative."""
    return math.sqrt(variance_ceiling(low, high, mean)) * (_ONE - r2).power(0.5).high


def persistence_r2(
    rmse: Interval, r2: Interval, mean: Interval, volatility: Interval, horizon: float
) -> Interval | None:
    """R² of persistence on levels, ``1 - var(change)/var(level)`` for changes without drift, proportional to the
    mean price."""
    level, change = target_std(rmse, r2), mean * volatility * math.sqrt(horizon)
    return _ONE - (change / level).power(2) if level.low > 0 and change.low > 0 else None


def std_ceiling(mean: Interval, low: Interval, high: Interval, n: float | None = None) -> float | None:
    """Largest deviation, with denominator n - 1, of n values between extremes with this mean (Bhatia & Davis 2000)."""
    if low.low > high.high:
        return None
    return math.sqrt(variance_ceiling(low.low, high.high, mean) * (n / (n - 1) if n is not None and n > 1 else 2.0))


def std_floor(mean: Interval, low: Interval, high: Interval, n: float) -> float | None:
    """Least deviation (denominator n) of n values that include these extremes, with this mean: no value lies further
    than ``sd * sqrt(n - 1)`` from the mean (Samuelson 1968)."""
    gaps = (max(end.low - mean.high, mean.low - end.high, 0.0) for end in (low, high))
    return max(gaps) / math.sqrt(n - 1) if n > 1 else None


def debit_readings(share: Interval, n: float) -> dict[str, Interval]:
    """Standard deviation of n zeros and ones with this share of ones, ``sqrt(p (1 - p) n / (n - ddof))``."""
    p = share.clip(0.0, 1.0) or Interval(0.0, 0.0)
    variance = Interval(min(end * (1 - end) for end in (p.low, p.high)), variance_ceiling(0.0, 1.0, p))
    return {f"denominator {name}": (variance * (n / (n - ddof))).power(0.5)
            for name, ddof in (("n - 1", 1), ("n", 0)) if n > ddof}  # fmt: skip


def grimmer(std: Interval, mean: Interval, n: int) -> float | None:
    """Pairs of a sum S and a sum of squares Q of n whole numbers that round to a mean and a deviation (denominator n or
    n - 1): both even or both odd, since ``x**2 = x (mod 2)``. None where the prints leave too many to count."""
    if not 1 < n <= 5000 or mean.width * n > 50:
        return None
    pairs = 0
    for total in range(math.ceil(mean.low * n - _TINY), math.floor(mean.high * n + _TINY) + 1):
        for ddof in (0, 1):
            low, high = ((n - ddof) * end**2 + total * total / n for end in (max(std.low, 0.0), std.high))
            first, last = math.ceil(low - _TINY * max(1, low)), math.floor(high + _TINY * max(1, high))
            pairs += (last - first - (first - total) % 2) // 2 + 1
    return pairs


def p_readings(statistic: Interval, degrees: Interval | None = None) -> dict[str, Interval]:
    """p-values of a t (with degrees of freedom) or z statistic: two-sided, and either one-sided."""
    from scipy.special import ndtr, stdtr

    ends = [-abs(statistic).high, -abs(statistic).low]
    known = None if degrees is None else degrees.middle
    tail = Interval(*(float(ndtr(end) if known is None else stdtr(known, end)) for end in ends))
    return {"two-sided": tail * 2.0, "one-sided": tail, "one-sided, other side": Interval(1 - tail.high, 1 - tail.low)}


def t_of_correlation(correlation: Interval, n: float) -> dict[str, Interval]:
    """t of a correlation, ``r sqrt((n - 2)/(1 - r**2))``, with n - 2 and the variants n - 1 and n."""
    if n < 4 or not correlation.meets(Interval(-0.999999, 0.999999)):
        return {}

    slope = corners(lambda r: math.copysign(math.inf, r) if abs(r) >= 1 else r / math.sqrt(1 - r * r), correlation)
    return {name: slope * math.sqrt(n - less) for name, less in (("n - 2", 2), ("n - 1", 1), ("n", 0))}


def t_of_mean(mean: Interval, std: Interval, n: float) -> Interval:
    """t of a mean, ``m / (s / sqrt n)``, for a deviation printed with denominator n - 1 or n."""
    ratio = mean / std
    return hull_of([ratio * math.sqrt(n), ratio * math.sqrt(max(n - 1, 1))])
