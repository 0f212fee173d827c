"""Errors and moments: orderings that always hold, what a range leaves room for, samples that exist, reported tests.

References
----------
Popoviciu (1935) and Bhatia & Davis (2000) for the variance of a bounded variable; Theil (1966) and Hyndman & Koehler
(2006) for the naive forecast; Samuelson (1968); Anaya (2016) and Allard (2018) for GRIMMER; Heathers & Brown (2019) for
DEBIT; Wilkins (1944) for ``kurtosis >= skewness**2 + 1``; Nuijten, Hartgerink, van Assen, Epskamp & Wicherts (2016),
statcheck, Behavior Research Methods 48; Heathers, Anaya, van der Zee & Brown (2018), SPRITE, PeerJ Preprints.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from assay.audit.claims.intervals import Interval

__all__ = [
    "Search", "best_constant_mape", "debit_readings", "decomposed_mse", "decomposed_rmse", "grimmer",
    "integer_sample", "kurtosis_floor", "largest_t", "mape_ceiling", "mape_from_mae", "mean_range",
    "p_of_correlation", "p_of_unknown_degrees", "p_readings", "persistence_mape", "persistence_r2", "r2_of_deviation",
    "rmse_ceiling", "root_n_times", "std_ceiling", "std_floor", "t_of_correlation", "t_of_mean", "target_std",
    "variance_ceiling",
]  # fmt: skip

#: Mean absolute value of a standard normal, sqrt(2/pi).
MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)
_ONE = Interval.point(1.0)


def root_n_times(mae: Interval, n: float) -> Interval:
    """``sqrt(n) MAE``, which no RMSE of n errors exceeds."""
    return mae * math.sqrt(max(n, 1.0))


def decomposed_mse(bias: Interval, deviation: Interval) -> Interval:
    """Mean square of errors with this mean and standard deviation, ``bias**2 + s**2 (n - k)/n``, for a deviation with
    denominator n - k and k up to half of the errors."""
    spread = deviation.power(2)
    return abs(bias).power(2) + Interval(spread.low / 2, spread.high)


def decomposed_rmse(bias: Interval, deviation: Interval) -> Interval:
    """Root mean square of errors with this mean and standard deviation.

    Examples
    --------
    >>> decomposed_rmse(Interval(3.0, 3.0), Interval(4.0, 4.0)).high
    5.0

    """
    return decomposed_mse(bias, deviation).power(0.5)


def target_std(rmse: Interval, r2: Interval) -> Interval:
    """Standard deviation of the target on the evaluated rows, ``RMSE / sqrt(1 - R**2)``; unbounded when R² may be 1.

    Examples
    --------
    >>> interval = target_std(Interval(5.465, 5.475), Interval(0.99815, 0.99825))
    >>> round(interval.low, 1), round(interval.high, 1)
    (127.1, 130.9)

    """
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
    return math.sqrt(variance_ceiling(low, high, mean)) * (_ONE - r2).power(0.5).high


def mape_ceiling(low: float, high: float, r2: Interval) -> float:
    """Largest MAPE of a forecast with this R² of a positive target inside [low, high]."""
    return rmse_ceiling(low, high, r2) / low


def mape_from_mae(mae: Interval, low: float, high: float) -> Interval:
    """MAPE that a MAE allows for a positive target in [low, high]: ``MAE/b <= MAPE <= MAE/a``."""
    return Interval(mae.low / high, mae.high / low)


def best_constant_mape(low: float, high: float) -> float:
    """Worst MAPE of the constant that suits the range best, ``(b - a)/(b + a)``, reached by ``2ab/(a + b)``."""
    return (high - low) / (high + low)


def persistence_mape(daily_volatility: Interval, horizon: float) -> Interval:
    """MAPE of "the last price again" over `horizon` sessions, ``0.798 sigma sqrt(h)``, small normal returns."""
    return daily_volatility * (MEAN_ABSOLUTE_NORMAL * math.sqrt(horizon))


def persistence_r2(
    rmse: Interval, r2: Interval, mean: Interval, volatility: Interval, horizon: float
) -> Interval | None:
    """R² of persistence on levels, ``1 - var(change)/var(level)`` for changes without drift, proportional to the
    mean price."""
    level, change = target_std(rmse, r2), mean * volatility * math.sqrt(horizon)
    return _ONE - (change / level).power(2) if level.low > 0 and change.low > 0 else None


def mean_range(low: Interval, high: Interval) -> Interval:
    """Where a mean lies, given the extremes."""
    return Interval(low.low, max(low.low, high.high))


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


def kurtosis_floor(skewness: Interval) -> float:
    """Least excess kurtosis that goes with a skewness, ``skewness**2 - 2``."""
    return abs(skewness).low ** 2 - 2


def debit_readings(share: Interval, n: float) -> dict[str, Interval]:
    """Standard deviation of n zeros and ones with this share of ones, ``sqrt(p (1 - p) n / (n - ddof))``."""
    p = share.clip(0.0, 1.0) or Interval(0.0, 0.0)
    ends = [end * (1 - end) for end in (p.low, p.high)]
    variance = Interval(min(ends), 0.25 if p.low <= 0.5 <= p.high else max(ends))
    return {f"denominator {name}": (variance * (n / (n - ddof))).power(0.5)
            for name, ddof in (("n - 1", 1), ("n", 0)) if n > ddof}  # fmt: skip


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


def p_readings(statistic: Interval, degrees: Interval | None = None) -> dict[str, Interval]:
    """p-values of a t (with degrees of freedom) or z statistic: two-sided, and either one-sided.

    Decreasing in the size of the statistic, so the ends suffice.
    """
    from scipy.special import ndtr, stdtr

    ends = [-abs(statistic).high, -abs(statistic).low]
    known = None if degrees is None else degrees.middle
    tail = Interval(*(float(ndtr(end) if known is None else stdtr(known, end)) for end in ends))
    return {"two-sided": tail * 2.0, "one-sided": tail, "one-sided, other side": Interval(1 - tail.high, 1 - tail.low)}


def p_of_unknown_degrees(statistic: Interval) -> Interval:
    """p-values of a t without its degrees of freedom: the normal tail is a lower bound."""
    return Interval(p_readings(statistic)["one-sided"].low, 1.0)


def t_of_correlation(correlation: Interval, n: float) -> dict[str, Interval]:
    """t of a correlation, ``r sqrt((n - 2)/(1 - r**2))``, with n - 2 and the variants n - 1 and n. Increasing in r."""
    if n < 4 or not correlation.meets(Interval(-0.999999, 0.999999)):
        return {}

    def t(r: float, degrees: float) -> float:
        return math.copysign(math.inf, r) if abs(r) >= 1 else r * math.sqrt(degrees / (1 - r * r))

    return {name: Interval(t(correlation.low, n - less), t(correlation.high, n - less))
            for name, less in (("n - 2", 2), ("n - 1", 1), ("n", 0))}  # fmt: skip


def p_of_correlation(correlation: Interval, n: float) -> dict[str, Interval]:
    """p-values of a correlation of n independent pairs."""
    readings = t_of_correlation(correlation, n)
    return p_readings(readings["n - 2"], Interval.point(n - 2)) if readings else {}


def t_of_mean(mean: Interval, std: Interval, n: float) -> Interval:
    """t of a mean, ``m / (s / sqrt n)``, for a deviation printed with denominator n - 1 or n."""
    ratio = mean / std
    return (ratio * math.sqrt(n)).hull(ratio * math.sqrt(max(n - 1, 1)))


def largest_t(mean: Interval, std: Interval, n: float) -> Interval:
    """t of a mean of observations that may be autocorrelated: its size is at most that of independent ones."""
    size = abs(t_of_mean(mean, std, n)).high * 1.001
    return Interval(-size, size)


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
