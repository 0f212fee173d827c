"""Portfolios, their trades and their signals: identities, ceilings and invariances; sampling error from figures alone.

References
----------
Sharpe (1966, 1994); Lo (2002); Magdon-Ismail, Atiya, Pratap & Abu-Mostafa (2004); Grinold (1989); Grinold & Kahn
(2000); Clarke, de Silva & Thorley (2002); Qian & Hua (2004); Wilson (1927); Clopper & Pearson (1934); Hanley & McNeil
(1982); Bailey & López de Prado (2012, 2014).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

from assay.audit.claims.intervals import Interval
from assay.results.stats import deflated_sharpe
from assay.results.stats.proportions import clopper_pearson_interval, jeffreys_interval, wilson_interval

__all__ = [
    "annualised_readings",
    "auc_interval",
    "breadth_needed",
    "compounded_readings",
    "cost_readings",
    "deflated_floor",
    "drawdown_exceeded",
    "expectancy",
    "factor_of_rate",
    "foresight_ceiling",
    "hit_rate_from_correlation",
    "leverage_factor",
    "minimum_track_record",
    "needed_hit_rate",
    "proportion_intervals",
    "quantile_slope",
    "return_std_from_spread",
    "share_of",
    "sharpe_interval",
    "sharpe_readings",
    "wilson",
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


def share_of(wins: Interval, losses: Interval) -> Interval:
    """Winners among those that won or lost, ``W/(W + L)``, which rises in W and falls in L; the whole line where none
    may have."""
    if wins.low + losses.low <= 0:
        return Interval(0.0, 1.0)
    won, lost = max(wins.low, 0.0), max(losses.low, 0.0)
    return Interval(won / (won + losses.high), wins.high / (wins.high + lost))


def factor_of_rate(win_rate: Interval, payoff_ratio: Interval) -> Interval:
    """Profit factor from the win rate p and the payoff b, ``p b / (1 - p)``; trades without profit count as losses.

    Increasing in both, so the ends suffice.
    """
    high = float("inf") if win_rate.high >= 1 else win_rate.high / (1 - win_rate.high) * payoff_ratio.high
    low = float("inf") if win_rate.low >= 1 else win_rate.low / (1 - win_rate.low) * payoff_ratio.low
    return Interval(low, high)



def expectancy(win_rate: Interval, average_win: Interval, average_loss: Interval) -> Interval:
    """Mean profit of a trade, ``p a_w - (1 - p) a_l``: linear in p, so its extremes stand at the ends."""
    win, loss = abs(average_win), abs(average_loss)
    lows = [p * win.low - (1 - p) * loss.high for p in (win_rate.low, win_rate.high)]
    highs = [p * win.high - (1 - p) * loss.low for p in (win_rate.low, win_rate.high)]
    return Interval(min(lows), max(highs))


def breadth_needed(std: Interval) -> float:
    """Names per date below which sampling alone moves the IC more than its printed spread, ``1 + 1/std**2``.

    The sampling deviation of a correlation of N independent names is about ``1/sqrt(N - 1)``, so a spread of s needs at
    least ``1 + 1/s**2`` of them.
    """
    return 1 + 1 / std.high**2 if 1e-100 < std.high < 1e100 else math.inf


def quantile_slope(quantiles: int) -> float:
    """Mean of the top 1/q of a standard normal, ``q phi(z)`` with ``z`` its quantile: 1.400 for quintiles.

    Examples
    --------
    >>> round(quantile_slope(5), 3), round(quantile_slope(10), 3)
    (1.4, 1.755)

    """
    normal = NormalDist()
    return quantiles * normal.pdf(normal.inv_cdf(1 - 1 / quantiles))


def return_std_from_spread(spread: Interval, ic: Interval, quantiles: int) -> Interval:
    """Cross-sectional deviation of returns that a top-minus-bottom spread and an IC imply.

    ``spread = 2 kappa_q IC sigma`` for jointly normal scores and returns.
    """
    return spread / (ic * (2 * quantile_slope(quantiles)))


def hit_rate_from_correlation(correlation: Interval) -> Interval:
    """Sign agreement of two zero-mean jointly normal variables, ``1/2 + asin(rho)/pi``."""
    return Interval(
        *(0.5 + math.asin(min(1.0, max(-1.0, end))) / math.pi for end in (correlation.low, correlation.high))
    )


_Z = NormalDist()


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of k successes among n.

    Examples
    --------
    >>> interval = wilson(16, 28)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.391, 0.735)

    """
    return Interval(*wilson_interval(k, n, _Z.inv_cdf(0.5 + level / 2)))


def auc_interval(auc: float, n_positive: int, n_negative: int, level: float = 0.95) -> Interval:
    """Normal interval of an AUC with the standard error of Hanley & McNeil.

    ``SE**2 = [A(1-A) + (n+ - 1)(Q1 - A**2) + (n- - 1)(Q2 - A**2)] / (n+ n-)`` with ``Q1 = A/(2-A)``,
    ``Q2 = 2 A**2/(1+A)``.
    """
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc * auc) + (n_negative - 1) * (q2 - auc * auc)
    half = _Z.inv_cdf(0.5 + level / 2) * math.sqrt(max(variance, 0.0) / (n_positive * n_negative))
    return Interval(max(0.0, auc - half), min(1.0, auc + half))


def sharpe_interval(sharpe: float, n: int, periods: int, level: float = 0.95) -> Interval:
    """Interval of an annualised Sharpe ratio for independent normal returns.

    Per period ``Var(SR) = (1 + SR**2/2)/n``; annualised by sqrt(periods).
    """
    per_period = sharpe / math.sqrt(periods)
    half = _Z.inv_cdf(0.5 + level / 2) * math.sqrt(periods * (1 + per_period**2 / 2) / n)
    return Interval(sharpe - half, sharpe + half)


def minimum_track_record(sharpe: float, periods: int, benchmark: float = 0.0, level: float = 0.95) -> float:
    """Observations before an annual Sharpe ratio exceeds a benchmark at a one-sided level, normal returns.

    See `assay.results.stats.deflated_sharpe.minimum_track_record`, which takes the ratios of a period.
    """
    a_period = math.sqrt(periods)
    return deflated_sharpe.minimum_track_record(sharpe / a_period, threshold=benchmark / a_period, confidence=level)


def proportion_intervals(k: int, n: int, level: float = 0.95) -> dict[str, Interval]:
    """The intervals in use for k successes among n, by name.

    Wald; Wilson; Agresti & Coull; Clopper & Pearson, called exact; Jeffreys.

    Examples
    --------
    >>> {name: (round(x.low, 3), round(x.high, 3)) for name, x in proportion_intervals(16, 28).items()}["Wald"]
    (0.388, 0.755)

    """
    z, p = _Z.inv_cdf(0.5 + level / 2), k / n
    half = z * math.sqrt(p * (1 - p) / n)
    more, middle = n + z * z, (k + z * z / 2) / (n + z * z)
    wide = z * math.sqrt(middle * (1 - middle) / more)
    return {
        "Wald": Interval(p - half, p + half),
        "Wilson": wilson(k, n, level),
        "Agresti-Coull": Interval(middle - wide, middle + wide),
        "Clopper-Pearson": Interval(*clopper_pearson_interval(k, n, level)),
        "Jeffreys": Interval(*jeffreys_interval(k, n, level)),
    }


def deflated_floor(trials: int, n: int, periods: int) -> float:
    """Annualised Sharpe ratio that the best of `trials` skilless strategies shows on average over n periods (the
    exact maximum in place of the bracket of Bailey & López de Prado 2014).

    The dispersion across trials is taken at its floor under the null, ``1/n`` per period.
    """
    return deflated_sharpe.expected_maximum(max(trials, 1), exact=True) * math.sqrt(periods / n)
