"""Portfolios, their trades and their signals: identities, ceilings, and sampling error from figures alone.

Sources: Sharpe (1966, 1994); Lo (2002); Magdon-Ismail, Atiya, Pratap & Abu-Mostafa (2004); Grinold & Kahn (2000);
Clarke, de Silva & Thorley (2002); Wilson (1927); Hanley & McNeil (1982); Bailey & López de Prado (2012, 2014).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from assay.audit.claims.intervals import Interval, corners
from assay.results.stats import deflated_sharpe
from assay.results.stats.proportions import wilson_interval

__all__ = [
    "auc_interval", "compounded_readings", "cost_readings", "deflated_floor", "fallen", "foresight_ceiling",
    "icir_readings", "mean_over_a_year", "needed_hit_rate", "quantile_slope", "share_of",
    "sharpe_interval", "sharpe_readings", "transfer_coefficient", "unstated_rate", "wilson",
]  # fmt: skip

MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)
#: Periods a year in use: sessions (several exchanges), calendar days, weeks, months, quarters, years.
PERIODS = (252, 365, 260, 250, 244, 240, 256, 248, 52, 12, 4, 1)
RISK_FREE_CEILING = 0.15
#: Volatility allowed for where none is printed.
LARGE_VOLATILITY = 0.6
_Z = NormalDist()


def sharpe_readings(
    gain: Interval, volatility: Interval, risk_free: Interval | None = None, sessions: float | None = None
) -> dict[str, Interval]:
    """Sharpe ratio from annual return and volatility: of an arithmetic or a compounded return, less the rate or not,
    the deviation with denominator n or n - 1.

    A path with volatility s that compounds to g has an arithmetic mean between ``ln(1 + g)`` (Jensen) and
    ``ln(1 + g) + 0.8 (s**2 + g**2)``, since ``r - ln(1 + r) <= 0.8 r**2`` for every r >= -0.5.
    """
    if volatility.low <= 0:
        return {}
    means = {"return": gain}
    if gain.low > -1:
        room = 0.8 * (volatility.high**2 + max(gain.low**2, gain.high**2))
        means["arithmetic mean of a compounded return"] = Interval(math.log1p(gain.low), math.log1p(gain.high) + room)
    if risk_free is not None:
        means |= {f"{name} less risk-free": mean - risk_free for name, mean in means.items()}
    n = 20 if sessions is None else sessions
    stretch = Interval(math.sqrt((n - 1) / n), math.sqrt(n / (n - 1))) if n > 1 else Interval.point(1.0)
    return {f"{name} / volatility": mean / volatility * stretch for name, mean in means.items()}


def unstated_rate(
    first: Interval, gain: Interval, volatility: Interval, risk_free: Interval | None, sessions: float | None
) -> Interval | None:
    """Sharpe ratios that some risk-free rate up to 15% leaves, where none is stated."""
    if risk_free is not None:
        return None
    high = max(value.high for value in sharpe_readings(gain, volatility, None, sessions).values())
    return Interval(min((gain.low - RISK_FREE_CEILING) / volatility.high, first.low), high)


def mean_over_a_year(mean: Interval, volatility: Interval | None = None) -> dict[str, Interval]:
    """A mean a period times P, compounded, or compounded less about half the variance, for every usual P."""
    spread = 0.8 * (volatility.high if volatility is not None else LARGE_VOLATILITY) ** 2
    readings = {f"times {periods}": mean * periods for periods in PERIODS}
    for periods in PERIODS if mean.low > -1 else ():
        grown = corners(lambda rate, p=periods: math.expm1(min(p * math.log1p(rate), 700.0)), mean)
        readings[f"compounded over {periods}"] = grown
        if grown.low > -1:
            less = math.expm1(math.log1p(grown.low) - spread - 0.8 * min(grown.low, 1e100) ** 2)
            readings[f"compounded over {periods}, less half the variance"] = Interval(less, grown.high)
    return readings


def compounded_readings(total: Interval, years: Interval, volatility: Interval | None = None) -> dict[str, Interval]:
    """Annual return from a total return over a stretch of years: compounded, divided by the years, or the arithmetic
    mean of what compounds to it, above its logarithm by about half the variance."""
    readings = {"total / years": total / years}
    if total.low > -1 and years.low > 0:
        grown = corners(lambda t, y: math.expm1(math.log1p(t) / y), total, years)
        room = 0.8 * (volatility.high**2 if volatility is not None else 1.0)
        readings["compounded"] = grown
        readings["arithmetic mean"] = Interval(math.log1p(max(grown.low, -0.999)), grown.high + room)
    return readings


def cost_readings(turnover: Interval, rate: Interval, kind: str = "") -> dict[str, Interval]:
    """Cost of a turnover at a rate a side: paid on both sides of a one-way turnover, once on a two-way one; the
    turnover of the period, or of a day, week or month and annualised."""
    factors = {"as printed": 1.0, "one-way turnover, both sides pay": 2.0, "two-way turnover, halved": 0.5}
    wanted = {"one-way": "one-way", "two-way": "as printed"}.get(kind, "")
    paid = {name: turnover * rate * factor for name, factor in factors.items() if name.startswith(wanted)}
    return paid | {f"{name}, times {p}": cost * p for name, cost in paid.items() for p in (252, 365, 52, 12)}


def fallen(sharpe: float, volatility: float, years: float, level: float) -> float:
    """Probability that a Brownian motion falls below ``-level`` at some time of so many years."""
    drift, spread = sharpe * volatility, volatility * math.sqrt(years)
    exponent = min(-2 * drift * level / volatility**2, 700.0)
    first = _Z.cdf((-level - drift * years) / spread)
    return min(1.0, first + math.exp(exponent) * _Z.cdf((-level + drift * years) / spread))


def share_of(wins: Interval, losses: Interval) -> Interval:
    """Winners among those that won or lost, ``W/(W + L)``; anything where none may have."""
    if wins.low + losses.low <= 0:
        return Interval(0.0, 1.0)
    return corners(lambda won, lost: won / (won + lost), wins.power(1), losses.power(1))


def foresight_ceiling(periods: float) -> float:
    """Annualised Sharpe ratio of knowing every sign of one asset with normal returns: mean of ``|z|`` over its
    deviation, times sqrt(periods); 21.0 for sessions."""
    return math.sqrt(periods) * MEAN_ABSOLUTE_NORMAL / math.sqrt(1 - MEAN_ABSOLUTE_NORMAL**2)


def needed_hit_rate(sharpe: Interval, periods: float, move: float = 1.0) -> float:
    """Share of days a sign strategy in one asset must call rightly: ``(1 + x/k)/2``, ``x = SR_d / sqrt(1 + SR_d**2)``.

    The mean size of a `move`, k, is 1 when all are of one size, 0.798 when they are normal and hits do not depend on
    size. Above 1 when no hit rate suffices.
    """
    daily = sharpe.low / math.sqrt(periods)
    return (1 + daily / math.sqrt(1 + daily * daily) / move) / 2


def icir_readings(
    ic: Interval | None, rank: Interval | None, std: Interval, sessions: float | None
) -> dict[str, Interval]:
    """Mean IC or rank IC over its deviation, a period or a year; the two may have denominators n and n - 1."""
    n = 12 if sessions is None else sessions
    stretch = math.sqrt(n / (n - 1)) if n > 1 else 1.0
    over = {"daily": 1.0} | {f"annualised by √{p}": math.sqrt(p) for p in (252, 12, 52, 365, 250, 260)}
    means = ((ic, ""), (rank, "rank IC, " if ic is not None else ""))
    return {f"{of}{name}": mean / std * Interval(root / stretch, root * stretch)
            for mean, of in means if mean is not None for name, root in over.items()}  # fmt: skip


def transfer_coefficient(sharpe: Interval, icir: Interval, periods: float | None) -> dict[str, Interval]:
    """``TC = Sharpe / (ICIR sqrt(P))`` (Clarke, de Silva & Thorley 2002); where no periods are stated, a ratio below
    what knowing every sign earns in a period may itself be one a period."""
    readings = {"of the annual Sharpe ratio": sharpe / (icir * math.sqrt(periods or 252))}
    alone = periods is None and sharpe.high < foresight_ceiling(1)
    return readings | ({"of a Sharpe ratio a period": sharpe / icir} if alone else {})


def quantile_slope(quantiles: float) -> float:
    """Mean of the top 1/q of a standard normal, ``q phi(z)`` with ``z`` its quantile: 1.400 for quintiles."""
    return quantiles * _Z.pdf(_Z.inv_cdf(1 - 1 / quantiles))


def wilson(k: int, n: int) -> Interval:
    """Wilson's 95% score interval of k successes among n."""
    return Interval(*wilson_interval(k, n))


def auc_interval(auc: float, n_positive: int, n_negative: int) -> Interval:
    """Normal 95% interval of an AUC (Hanley & McNeil): ``SE**2 = [A(1-A) + (n+ - 1)(Q1 - A**2) +
    (n- - 1)(Q2 - A**2)] / (n+ n-)`` with ``Q1 = A/(2-A)`` and ``Q2 = 2 A**2/(1+A)``."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc * auc) + (n_negative - 1) * (q2 - auc * auc)
    half = _Z.inv_cdf(0.975) * math.sqrt(max(variance, 0.0) / (n_positive * n_negative))
    return Interval(max(0.0, auc - half), min(1.0, auc + half))


def sharpe_interval(sharpe: float, n: float, periods: float, level: float = 0.95) -> Interval:
    """Interval of an annualised Sharpe ratio for independent normal returns: ``Var(SR) = (1 + SR**2/2)/n`` a period."""
    per_period = sharpe / math.sqrt(periods)
    half = _Z.inv_cdf(0.5 + level / 2) * math.sqrt(periods * (1 + per_period**2 / 2) / n)
    return Interval(sharpe - half, sharpe + half)


def deflated_floor(trials: int, n: float, periods: float) -> float:
    """Annualised Sharpe ratio that the best of `trials` skilless strategies shows on average over n periods (the
    exact maximum in place of the bracket of Bailey & López de Prado 2014; dispersion across trials ``1/n``)."""
    return deflated_sharpe.expected_maximum(max(trials, 1), exact=True) * math.sqrt(periods / n)
