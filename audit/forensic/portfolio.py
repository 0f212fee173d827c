"""Portfolio figures: identities, ceilings and invariances.

References
----------
Sharpe (1966, 1994); Lo (2002); Magdon-Ismail, Atiya, Pratap & Abu-Mostafa (2004).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from statistics import NormalDist

from assay.audit.claims.intervals import Interval

__all__ = [
    "annualised_readings",
    "compounded_readings",
    "cost_readings",
    "drawdown_exceeded",
    "foresight_ceiling",
    "leverage_factor",
    "needed_hit_rate",
    "sharpe_readings",
    "weekdays",
]

MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)
#: Periods a year in use: sessions (several exchanges), calendar days, weeks, months, quarters, years.
PERIODS = (252, 365, 260, 250, 244, 240, 256, 248, 52, 12, 4, 1)


def sharpe_readings(
    annual_return: Interval, volatility: Interval, risk_free: Interval | None = None
) -> dict[str, Interval]:
    """Sharpe ratio from printed annual return and volatility, in every usual reading.

    The return may be arithmetic or compounded. A path with volatility s that compounds to g has an arithmetic mean
    between ``ln(1 + g)`` (Jensen) and ``ln(1 + g) + 0.8 (s**2 + g**2)``, since ``r - ln(1 + r) <= 0.8 r**2`` for
    every r >= -0.5. The risk-free rate, where printed, may be subtracted or not.
    """
    readings = {"return / volatility": annual_return / volatility}
    if annual_return.low > -1:
        logs = Interval(math.log1p(annual_return.low), math.log1p(annual_return.high))
        gap = 0.8 * (volatility.high**2 + max(annual_return.low**2, annual_return.high**2))
        mean = Interval(logs.low, logs.high + gap)
        readings["arithmetic mean of a compounded return / volatility"] = mean / volatility
    if risk_free is not None:
        readings["(return - risk-free) / volatility"] = (annual_return - risk_free) / volatility
        if annual_return.low > -1:
            readings["arithmetic mean less risk-free / volatility"] = (mean - risk_free) / volatility
    return readings


def foresight_ceiling(periods: int) -> float:
    """Annualised Sharpe ratio of knowing every sign of one asset with normal returns.

    Mean of ``|z|`` over its standard deviation, times sqrt(periods): ``sqrt(P) * 0.798 / 0.603``.

    Examples
    --------
    >>> round(foresight_ceiling(252), 1)
    21.0

    """
    return math.sqrt(periods) * MEAN_ABSOLUTE_NORMAL / math.sqrt(1 - MEAN_ABSOLUTE_NORMAL**2)


def needed_hit_rate(sharpe: float, periods: int, equal_moves: bool) -> float:
    """Share of days a sign strategy in one asset must call rightly for a Sharpe ratio.

    With ``x = SR_d / sqrt(1 + SR_d**2)`` the rate is ``(1 + x/k)/2``; k = 1 when all moves are of one size, 0.798 when
    they are normal and hits do not depend on size. Above 1 when no hit rate suffices.

    Examples
    --------
    >>> round(needed_hit_rate(10.67, 252, True), 3)
    0.779

    """
    daily = sharpe / math.sqrt(periods)
    x = daily / math.sqrt(1 + daily * daily)
    return (1 + x / (1.0 if equal_moves else MEAN_ABSOLUTE_NORMAL)) / 2


def leverage_factor(first: Mapping[str, Interval], second: Mapping[str, Interval]) -> Interval | None:
    """The one factor that carries return and volatility of one run into those of another, or None.

    A constant leverage multiplies both and leaves the Sharpe ratio alone; a factor away from 1 that fits both says that
    the two runs are one strategy at two sizes.
    """
    shared = [name for name in ("annual_return", "annual_volatility") if name in first and name in second]
    if len(shared) < 2:
        return None
    quotients = [second[name] / first[name] for name in shared]
    return quotients[0].meet(quotients[1])


def annualised_readings(value: Interval, kind: str) -> dict[str, Interval]:
    """A ``"mean"`` a period times P or compounded, a ``"std"`` or a ``"ratio"`` times sqrt P, for every usual P."""
    readings: dict[str, Interval] = {}
    for periods in PERIODS:
        if kind == "mean":
            readings[f"times {periods}"] = value * periods
            if value.low > -1:
                low, high = (_compound(end, periods) for end in (value.low, value.high))
                readings[f"compounded over {periods}"] = Interval(low, high)
        else:
            readings[f"times sqrt {periods}"] = value * math.sqrt(periods)
    return readings


def _compound(rate: float, periods: float) -> float:
    exponent = periods * math.log1p(rate)
    return math.inf if exponent > 700 else math.expm1(exponent)


def compounded_readings(total: Interval, years: Interval) -> dict[str, Interval]:
    """Annual return from a total return over a stretch of years: compounded, or divided by the years."""
    readings = {"total / years": total / years}
    if total.low > -1 and years.low > 0:
        ends = [math.expm1(math.log1p(t) / y) for t in (total.low, total.high) for y in (years.low, years.high)]
        readings["compounded"] = Interval(min(ends), max(ends))
    return readings


def cost_readings(turnover: Interval, rate: Interval) -> dict[str, Interval]:
    """Cost over the period of a turnover at a rate per traded unit: turnover counted two-way, one-way, or
    annualised."""
    readings = {}
    for label, factor in (
        ("as printed", 1.0),
        ("one-way turnover, both sides pay", 2.0),
        ("two-way turnover, halved", 0.5),
    ):
        cost = turnover * rate * factor
        readings[label] = cost
        for periods in (252, 365, 52, 12):
            readings[f"{label}, times {periods}"] = cost * periods
    return readings


def weekdays(start: date, end: date) -> int:
    """Mondays to Fridays from start to end, both included: an upper bound on any exchange's sessions.

    Examples
    --------
    >>> weekdays(date(2024, 7, 1), date(2024, 12, 31))
    132

    """
    days = (end - start).days + 1
    if days <= 0:
        return 0
    weeks, rest = divmod(days, 7)
    return weeks * 5 + sum((start + timedelta(days=weeks * 7 + i)).weekday() < 5 for i in range(rest))


def drawdown_exceeded(sharpe: float, volatility: float, years: float, level: float) -> float:
    """Probability that a Brownian motion with this drift and volatility ever ends `level` below its start's path.

    Used as a lower bound on the chance that the maximum drawdown exceeds `level`: over the whole span the process falls
    below ``-level`` at some time with the probability of the running minimum (reflection principle).
    """
    drift, spread = sharpe * volatility, volatility * math.sqrt(years)
    if spread <= 0:
        return 0.0
    phi = NormalDist().cdf
    first = phi((-level - drift * years) / spread)
    exponent = -2 * drift * level / volatility**2
    return min(1.0, first + math.exp(min(exponent, 700.0)) * phi((-level + drift * years) / spread))
