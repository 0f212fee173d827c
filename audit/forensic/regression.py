"""Errors of regressions: orderings that always hold, and what a range and an R² leave room for.

References
----------
Popoviciu (1935) and Bhatia & Davis (2000) for the variance of a bounded variable; Theil (1966) and Hyndman & Koehler
(2006) for the naive forecast.
"""

from __future__ import annotations

import math

from assay.audit.claims.intervals import Interval

__all__ = [
    "best_constant_mape",
    "decomposed_rmse",
    "mape_from_mae",
    "persistence_mape",
    "r2_of_persistence",
    "rmse_ceiling",
    "target_std",
    "unexplained_root",
    "variance_ceiling",
]

#: Mean absolute value of a standard normal, sqrt(2/pi).
MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)


def decomposed_rmse(bias: Interval, deviation: Interval, n: int | None = None, most: int = 0) -> Interval:
    """Root mean square of errors with this mean and standard deviation, ``sqrt(bias**2 + s**2 (n - k)/n)``,
    for a deviation with denominator n - k and k at most `most` (0: half of the errors).

    Examples
    --------
    >>> decomposed_rmse(Interval(3.0, 3.0), Interval(4.0, 4.0)).high
    5.0

    """
    share = 0.5 if n is None or not 0 < most < n else (n - most) / n
    low = abs(bias).low ** 2 + share * max(deviation.low, 0.0) ** 2
    high = abs(bias).high ** 2 + max(deviation.high, 0.0) ** 2
    return Interval(math.sqrt(low), math.sqrt(high))


def unexplained_root(r2: Interval) -> Interval:
    """``sqrt(1 - R**2)``: RMSE as a multiple of the target's standard deviation. Grows above 1 for a negative R²."""
    return (Interval.point(1.0) - r2).power(0.5)


def target_std(rmse: Interval, r2: Interval) -> Interval:
    """Standard deviation of the target on the evaluated rows, ``RMSE / sqrt(1 - R**2)``.

    From ``R**2 = 1 - MSE / var(y)`` with the variance about the sample's own mean. Unbounded when R² may be 1.

    Examples
    --------
    >>> interval = target_std(Interval(5.465, 5.475), Interval(0.99815, 0.99825))
    >>> round(interval.low, 1), round(interval.high, 1)
    (127.1, 130.9)

    """
    root = unexplained_root(r2)
    return Interval(
        rmse.low / root.high if root.high > 0 else math.inf, rmse.high / root.low if root.low > 0 else math.inf
    )


def variance_ceiling(low: float, high: float, mean: Interval | None = None) -> float:
    """Largest variance of a variable in [low, high].

    ``((b - a)/2)**2`` (Popoviciu); with the mean known, ``(b - mu)(mu - a)`` (Bhatia & Davis), largest at the end of
    the mean's interval nearest the middle.
    """
    middle = (low + high) / 2
    mu = middle if mean is None else min(max(middle, mean.low), mean.high)
    return max(0.0, (high - mu) * (mu - low))


def rmse_ceiling(low: float, high: float, r2: Interval, mean: Interval | None = None) -> float:
    """Largest RMSE, hence largest MAE, of a forecast with this R² of a target inside [low, high].

    ``RMSE = std(y) sqrt(1 - R**2) <= (b - a)/2 * sqrt(1 - R**2)``; the bound grows as R² turns negative.

    Examples
    --------
    >>> round(rmse_ceiling(11.495, 21.155, Interval(0.12775, 0.12785)), 3)
    4.511

    """
    return math.sqrt(variance_ceiling(low, high, mean)) * unexplained_root(r2).high


def mape_from_mae(mae: Interval, low: float, high: float) -> Interval:
    """MAPE that a MAE allows for a positive target in [low, high]: ``MAE/b <= MAPE <= MAE/a``."""
    if low <= 0:
        return Interval(mae.low / high if high > 0 else 0.0, math.inf)
    return Interval(mae.low / high, mae.high / low)


def best_constant_mape(low: float, high: float) -> float:
    """Worst MAPE of the constant that suits the range best, ``(b - a)/(b + a)``, reached by ``2ab/(a + b)``.

    Whatever the data inside the range, that constant does at least as well.
    """
    return (high - low) / (high + low)


def persistence_mape(daily_volatility: float, horizon: int) -> float:
    """MAPE of "the last price again" over `horizon` sessions, ``0.798 sigma sqrt(h)``, small normal returns."""
    return MEAN_ABSOLUTE_NORMAL * daily_volatility * math.sqrt(horizon)


def r2_of_persistence(change_std: Interval, level_std: Interval) -> Interval:
    """R² of persistence on levels, ``1 - var(change)/var(level)`` for changes without drift."""
    ratio = change_std / level_std
    return Interval.point(1.0) - ratio.power(2)
