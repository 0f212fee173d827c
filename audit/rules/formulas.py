"""The formulas that rows of the table of identities name: what a figure may be, given the inputs of the row in order.

Inputs are intervals (printed figures, classes by label) or plain numbers (n, sessions, periods), None where missing. An
answer is one interval or number, readings by name with the usual one first, or None where the formula does not apply.
What takes more than an expression stands in `forensic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from assay.audit.claims.intervals import Interval
from assay.audit.forensic import books, moments, networks, scores
from assay.audit.forensic.arithmetic import mean_of, sum_of

__all__ = ["FORMULAS"]

_ONE = Interval.point(1.0)


def _pieces(bias: Interval, std: Interval) -> Interval:
    """``bias² + s²(n − k)/n`` for a deviation with denominator n − k and k up to half of the errors."""
    return abs(bias).power(2) + std.power(2) * Interval(0.5, 1.0)


def _drawdown(fall: Interval, sharpe: Interval, vol: Interval, n: float, periods: float) -> float:
    """Chance that a Brownian motion falls below its start by more than the drawdown within some quarter."""
    years = n / periods
    quarters = max(1, int(4 * years))
    one = books.fallen(sharpe.high, vol.low, years / quarters, abs(fall).high) if vol.low > 0 else 0.0
    return 1 - (1 - one) ** quarters


def _mixture(rates: Mapping[str, Interval], shares: Mapping[str, Interval]) -> Interval | None:
    """Σ share·rate over the printed parts, and a rate of 0 to 1 for the rest."""
    known = [(shares[label], rate) for label, rate in rates.items() if label in shares]
    rest = max(0.0, 1 - sum(share.low for share, _ in known))
    return sum_of(share * rate for share, rate in known) + Interval(0.0, rest) if known else None


def _excess(gain: Interval, market: Interval) -> dict[str, Interval]:
    ratio = {"ratio of growth": (gain + 1.0) / (market + 1.0) - 1.0} if market.low > -1 else {}
    return {"difference": gain - market} | ratio


def _net(gross: Interval, *of: Any) -> dict[str, Interval]:
    return {name: gross - cost for name, cost in books.cost_readings(*of).items()}


def _hit_rates(sharpe: Interval, periods: float) -> dict[str, Interval]:
    moves = {"if all moves are equal": 1.0, "if they are normal": books.MEAN_ABSOLUTE_NORMAL}
    rates = {name: books.needed_hit_rate(sharpe, periods, move) for name, move in moves.items()}
    return {name: Interval.point(min(rate, 1.0)) for name, rate in rates.items()}


def _held_volatility(sharpe: Interval, top: Interval, bottom: Interval, *of: float) -> Interval | None:
    long, short, periods = of
    annual = (top * long - bottom * short) * periods
    return annual / sharpe if annual.low > 0 else None


def _above_best(sharpe: Interval, n: float, periods: float, trials: int) -> Interval | None:
    """What a Sharpe ratio leaves above the best of so many trials without skill; None where that is not above zero."""
    around = _around(sharpe, n, periods)
    return around - books.deflated_floor(trials, n, periods) if trials > 1 and around.low > 0 else None


def _around(sharpe: Interval, n: float, periods: float) -> Interval:
    return books.sharpe_interval(sharpe.high if sharpe.middle >= 0 else sharpe.low, n, periods)


def _around_ic(ic: Interval, std: Interval, n: float) -> Interval | None:
    """95% interval of a mean IC as far from 0 as its prints allow; None where t lies between 1.96 and 3."""
    t, end = moments.t_of_mean(ic, std, round(n)), ic.high if ic.middle >= 0 else ic.low
    half = 1.96 * std.low / math.sqrt(n)
    return Interval(end - half, end + half) if abs(t).high < 1.96 or t.low > 3 else None


def _p_of_r(r: Interval, n: float) -> dict[str, Interval]:
    readings = moments.t_of_correlation(r, n)
    return moments.p_readings(readings["n - 2"], Interval.point(n - 2)) if readings else {}


def _guessing(classes: float, n: float | None, positives: float | None) -> float:
    """Log loss of the best constant forecast: the entropy of the base rate where two classes have one, else ln K."""
    known = classes == 2 and n and positives is not None and 0 < positives < n
    return scores.entropy([positives / n, 1 - positives / n]) if known and n and positives else math.log(classes)


FORMULAS: Mapping[str, Callable[..., Any]] = {
    # Any figures
    "a": lambda a: a,
    "1 − a": lambda a: _ONE - a,
    "a²": lambda a: abs(a).power(2),
    "−|a|": lambda a: -abs(a),
    "±|a|": lambda a: Interval(-a.high, a.high),
    "a − b": lambda a, b: a - b,
    "a − b, b if printed": lambda a, b: a - b if b is not None else a,
    "|a| − |b|": lambda a, b: abs(a) - abs(b),
    "a b": lambda a, b: a * b,
    "a / |b|": lambda a, b: a / abs(b),
    "|a| / |b|": lambda a, b: abs(a) / abs(b),
    "mean": lambda parts: mean_of(list(parts.values())),
    # Classifiers
    "F1": scores.f1_range,
    "F1 averaged": scores.f1_average_range,
    "macro F1": scores.macro_f1_readings,
    "Jaccard": scores.accuracy_floor,
    "Σ share·rate": _mixture,
    "prevalence": scores.prevalence_range,
    "guessing": _guessing,
    # Regressions
    "√n a": lambda mae, n: mae * math.sqrt(max(n, 1.0)),
    "a² + b²": _pieces,
    "√(a² + b²)": lambda bias, std: _pieces(bias, std).power(0.5),
    "Popoviciu": moments.rmse_ceiling,
    "Popoviciu / low": lambda low, high, r2: moments.rmse_ceiling(low, high, r2) / low,
    "1 − a²/b²": moments.r2_of_deviation,
    "a/√(1 − b)": moments.target_std,
    "a/high to a/low": lambda mae, low, high: Interval(mae.low / high, mae.high / low),
    "(high − low)/(high + low)": lambda low, high: (high - low) / (high + low),
    "(high − low)/2": lambda low, high: (high - low) / 2,
    "0.798 σ √h": lambda vol, h: vol * (books.MEAN_ABSOLUTE_NORMAL * math.sqrt(h)),
    "1 − var(change)/var(level)": moments.persistence_r2,
    # Moments and tests
    "between": lambda low, high: Interval(low.low, max(low.low, high.high)),
    "Bhatia & Davis": moments.std_ceiling,
    "Samuelson": moments.std_floor,
    "DEBIT": moments.debit_readings,
    "skew² − 2": lambda skew: abs(skew).low ** 2 - 2,
    "t of r": moments.t_of_correlation,
    "p of r": _p_of_r,
    "p": moments.p_readings,
    # Without the degrees of freedom the normal tail is a lower bound.
    "p of any t": lambda t: Interval(moments.p_readings(t)["one-sided"].low, 1.0),
    # Of observations that may be autocorrelated.
    "at most t": lambda mean, std, n: abs(moments.t_of_mean(mean, std, n)) * Interval(-1.001, 1.001),
    # Signals
    "IC ± 1.96 s/√n": _around_ic,
    "IC / std": books.icir_readings,
    # A fifth of the names to spare.
    "1/√(N−1)": lambda names: math.sqrt(0.8 / (names - 0.8)) if names > 0.8 else None,
    # Five points to spare.
    "1/2 + asin(ρ)/π": lambda rho: books.hit_rate_from_correlation(rho) + 0.05 if abs(rho).high <= 1 else None,
    "TC": books.transfer_coefficient,
    "TC of IC and std": lambda sharpe, ic, std, periods: books.transfer_coefficient(sharpe, ic / std, periods),
    "(top − bottom)/(2 κ IC)": lambda top, bottom, ic, q: (top - bottom) / (ic * (2 * books.quantile_slope(q))),
    "realised/predicted": lambda top, bottom, high, low: (
        (high - low) / (top - bottom) if (top - bottom).low > 0 else None),
    "held volatility": _held_volatility,
    # Portfolios
    "Lo": _around,
    "above the best": _above_best,
    "return / volatility": books.sharpe_readings,
    "foresight": books.foresight_ceiling,
    "needed hit rate": books.needed_hit_rate,
    "needed hit rates": _hit_rates,
    "cost": books.cost_readings,
    "net of cost": _net,
    "excess": _excess,
    "over a year": books.mean_over_a_year,
    "√P a": lambda a: {f"times sqrt {periods}": a * math.sqrt(periods) for periods in books.PERIODS},
    "a year's part": books.compounded_readings,
    "drawdown": _drawdown,
    # Trades
    "W/(W + L)": books.share_of,
    "W/n": books.share_won,
    "W·w/(L·l)": lambda wins, losses, win, loss: (wins * abs(win)) / (losses * abs(loss)),
    "W·w − L·l": lambda wins, losses, win, loss: wins * abs(win) - losses * abs(loss),
    "p·b/(1 − p)": books.factor_of_rate,
    "p·w/((1 − p)·l)": lambda rate, win, loss: books.factor_of_rate(rate, abs(win) / abs(loss)),
    "p·w − (1 − p)·l": books.expectancy,
    # Training: frameworks count from 0 or 1
    "a + 1/2": lambda a: a + 0.5,
    "patience + 3/2": lambda patience: patience + 1.5,
    "best + patience": networks.epochs_run_range,
}  # fmt: skip
