"""Errors and moments: orderings that always hold, what a range leaves room for, samples that exist, reported tests.

References
----------
Popoviciu (1935) and Bhatia & Davis (2000) for the variance of a bounded variable; Theil (1966) and Hyndman & Koehler
(2006) for the naive forecast; Samuelson (1968); Anaya (2016) and Allard (2018) for GRIMMER; Heathers & Brown (2019) for
DEBIT; Wilkins (1944) for ``kurtosis >= skewness**2 + 1``; Nuijten, Hartgerink, van Assen, Epskamp & Wicherts (2016),
statcheck, Behavior Research Methods 48; Heathers, Anaya, van der Zee & Brown (2018), SPRITE, PeerJ Preprints.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.audit.claims.intervals import Interval

__all__ = [
    "Search",
    "best_constant_mape",
    "debit_std",
    "decomposed_rmse",
    "grimmer",
    "integer_sample",
    "kurtosis_floor",
    "mape_from_mae",
    "p_readings",
    "percentiles_ordered",
    "persistence_mape",
    "r2_of_persistence",
    "rmse_ceiling",
    "std_ceiling",
    "std_floor",
    "t_of_correlation",
    "t_of_mean",
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


def std_ceiling(low: float, high: float, mean: Interval, n: int | None = None) -> float:
    """Largest deviation, with denominator n - 1, of n values in [low, high] with this mean (Bhatia & Davis 2000)."""
    return math.sqrt(variance_ceiling(low, high, mean) * (n / (n - 1) if n is not None and n > 1 else 2.0))


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


def p_readings(statistic: Interval, degrees: float | None) -> dict[str, Interval]:
    """p-values of a t (with degrees of freedom) or z statistic: two-sided, and either one-sided.

    Decreasing in the size of the statistic, so the ends suffice.
    """
    size = abs(statistic)
    if degrees is None:
        tail = Interval(_normal_tail(size.high), _normal_tail(size.low))
    else:
        from scipy.special import stdtr

        tail = Interval(float(stdtr(degrees, -size.high)), float(stdtr(degrees, -size.low)))
    return {"two-sided": tail * 2.0, "one-sided": tail, "one-sided, other side": Interval(1 - tail.high, 1 - tail.low)}


def _normal_tail(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2)) if math.isfinite(z) else 0.0


def t_of_correlation(correlation: Interval, n: int) -> dict[str, Interval]:
    """t of a correlation, ``r sqrt((n - 2)/(1 - r**2))``, with n - 2 and the variants n - 1 and n. Increasing in r."""
    readings = {}
    for label, degrees in (("n - 2", n - 2), ("n - 1", n - 1), ("n", n)):
        if degrees > 0:
            ends = [
                math.copysign(math.inf, r) if abs(r) >= 1 else r * math.sqrt(degrees / (1 - r * r))
                for r in (correlation.low, correlation.high)
            ]
            readings[label] = Interval(*ends)
    return readings


def t_of_mean(mean: Interval, std: Interval, n: int) -> Interval:
    """t of a mean, ``m / (s / sqrt n)``, for a deviation printed with denominator n - 1 or n."""
    ratio = mean / std
    return (ratio * math.sqrt(n)).hull(ratio * math.sqrt(max(n - 1, 1)))


#: Sums times values times numbers that are still searched, and the largest sum of squares.
WORK, LARGEST = 400_000, 20_000
_TINY = 1e-9


@dataclass(frozen=True)
class Search:
    """What was found: whether the search was small enough to be made, and a sample where there is one."""

    decided: bool
    sample: tuple[int, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether a sample was found; without meaning where the search was not made."""
        return bool(self.sample)


def integer_sample(
    mean: Interval, std: Interval, n: int, ddof: int = 1, ends: tuple[int | None, int | None] = (None, None)
) -> Search:
    """A sample of n whole numbers with this mean and standard deviation, or the proof that none exists; `ends` are its
    least and largest number, both attained, where printed.

    Examples
    --------
    >>> integer_sample(Interval(1.95, 2.05), Interval(0.95, 1.05), 4).sample
    ()
    >>> integer_sample(Interval(2.0, 2.0), Interval(1.15, 1.16), 4).sample
    (1, 1, 3, 3)

    """
    if n < 2 or n <= ddof or not math.isfinite(mean.width + std.width):
        return Search(False)
    centre = round(mean.middle)
    low, high = (None if end is None else end - centre for end in ends)
    fixed = [end for end in (low, high) if end is not None]
    if len(fixed) > n or (low is not None and high is not None and low > high):
        return Search(True)
    reach = std.high * (n - 1) / math.sqrt(n) * math.sqrt((n - ddof) / (n - 1)) + 1.0
    first = math.floor(mean.low - centre - reach) if low is None else low
    last = math.ceil(mean.high - centre + reach) if high is None else high
    sums = range(math.ceil((mean.low - centre) * n - _TINY), math.floor((mean.high - centre) * n + _TINY) + 1)
    spread = max(abs(first), abs(last), 1)
    top = math.floor((n - ddof) * std.high**2 + max((s * s for s in sums), default=0) / n + _TINY)
    if not sums:
        return Search(True)
    if (last - first + 1) * n * (2 * n * spread + 1) > WORK or top > LARGEST:
        return Search(False)
    wanted = [(s, _squares(s, std, n, ddof, top)) for s in sums]
    return _search(tuple(range(first, last + 1)), fixed, n, wanted, top, centre)


def _squares(total: int, std: Interval, n: int, ddof: int, top: int) -> int:
    """Bit set of the sums of squares that go with a sum and the deviation."""
    low = math.ceil((n - ddof) * max(std.low, 0.0) ** 2 + total * total / n - _TINY)
    high = min(math.floor((n - ddof) * std.high**2 + total * total / n + _TINY), top)
    low = max(low, 0)
    return ((1 << (high + 1)) - (1 << low)) if high >= low else 0


def _search(
    values: tuple[int, ...], fixed: list[int], n: int, wanted: list[tuple[int, int]], top: int, centre: int
) -> Search:
    """Sums and sums of squares of i numbers for i up to n, as bit sets, then back along one path."""
    mask = (1 << (top + 1)) - 1
    start, squares = sum(fixed), sum(value * value for value in fixed)
    if squares > top:
        return Search(True)
    levels: list[dict[int, int]] = [{start: 1 << squares}]
    for _ in range(n - len(fixed)):
        grown: dict[int, int] = {}
        for total, bits in levels[-1].items():
            for value in values:
                moved = (bits << (value * value)) & mask
                if moved:
                    grown[total + value] = grown.get(total + value, 0) | moved
        levels.append(grown)
    for total, allowed in wanted:
        hit = levels[-1].get(total, 0) & allowed
        if hit:
            return Search(True, _back(levels, values, fixed, total, (hit & -hit).bit_length() - 1, centre))
    return Search(True)


def _back(
    levels: list[dict[int, int]], values: tuple[int, ...], fixed: list[int], total: int, squares: int, centre: int
) -> tuple[int, ...]:
    sample = list(fixed)
    for level in reversed(levels[:-1]):
        for value in values:
            rest = squares - value * value
            if rest >= 0 and level.get(total - value, 0) >> rest & 1:
                sample.append(value)
                total, squares = total - value, rest
                break
    return tuple(sorted(value + centre for value in sample))
