"""Figures of returns, alone and against a benchmark, of weights and of closed trades, a row a figure.

References
----------
Sharpe (1994) for the ratio; Bacon (2008), Practical Portfolio Performance Measurement and Attribution, for the variants
in use; Sortino & Price (1994) for the downside deviation over all observations; Young (1991) for the Calmar ratio;
Rockafellar & Uryasev (2000) for the mean of the tail; Jensen (1968) for alpha; Grinold & Kahn (2000) for the
information ratio. Gross exposure is Σ|w|, net exposure Σw, one-way turnover ½Σ|Δw| of the stated weights, without the
drift between two rebalances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np

from assay.audit.recompute.conventions import DDOF, Choice, Dimension, Material, Statistic
from assay.data.conventions import FLAT, SESSIONS_A_YEAR, Floats

__all__ = ["BOOK_STATISTICS", "RELATIVE_STATISTICS", "RETURN_STATISTICS", "monthly"]

DAYS, TRADING = ("all sessions", "without flat sessions"), "sessions that trade"
FORM = ("simple returns", "log returns")
#: Returns compounded to months first; no year, and the whole sample as one.
MONTHLY, BARE, TOTAL = "monthly √12", "not annualised", "over the whole period"
#: Annual risk-free rates tried beside the stated one.
RISK_FREE = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
#: Sessions taken for a month where no dates are known.
MONTH = 21


def monthly(material: Material, basis: str, form: str = FORM[0]) -> Floats:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    values = material.series[basis]
    months = np.arange(len(values)) // MONTH
    if material.dates is not None and len(material.dates) == len(values):
        months = material.dates.astype("datetime64[M]").astype(int)
    with np.errstate(divide="ignore"):
        logs = np.log1p(values)
    sums = np.asarray(np.bincount(np.unique(months, return_inverse=True)[1], weights=logs), dtype=np.float64)
    return sums if form == FORM[1] else np.expm1(sums)


def _years(material: Material, *more: str) -> tuple[str, ...]:
    """Returns a year, the material's own first where they are not daily."""
    own = () if material.per_year is None else (str(material.per_year),)
    return tuple(dict.fromkeys((*own, "252", "250", "260", "365", *more)))


def _with(*more: str) -> Dimension:
    return lambda material: _years(material, *more)


def _bases(material: Material, only: str = "", fewest: int = 2) -> tuple[str, ...]:
    """Names of the series of at least so many returns, each distinct one once."""
    kept: dict[bytes, str] = {}
    for name, values in material.series.items():
        if only in name and len(values) >= fewest:
            kept.setdefault(np.asarray(values).tobytes(), name)
    return tuple(kept.values())


def _days(material: Material) -> tuple[str, ...]:
    return DAYS if any((values == 0).any() for values in material.series.values()) else ("",)


def _rates(material: Material) -> dict[str, tuple[float, bool]]:
    """Words -> (annual risk-free rate, whether a session's part of it compounds); the stated rate right after 0."""
    stated = () if material.risk_free is None else (material.risk_free,)
    rates = {f"rf {100 * rate:g}%": (rate, False) for rate in dict.fromkeys((0.0, *stated, *RISK_FREE))}
    return rates | {f"rf {100 * rate:g}% compounded": (rate, True) for rate in stated if rate}


def _rate(material: Material, choice: Choice, periods: float) -> tuple[float, float]:
    """The risk-free rate of a year and of a period."""
    rate, compounds = _rates(material)[choice["risk_free"]]
    return rate, math.expm1(math.log1p(rate) / periods) if compounds else rate / periods


def _periods(choice: Choice, count: int) -> float:
    named = {MONTHLY: 12.0, BARE: 1.0, "a session": 1.0, TOTAL: float(count), "in all": float(count)}
    return named[choice["periods"]] if choice["periods"] in named else float(choice["periods"])


def _calendar_years(material: Material) -> float:
    """Years of 365.25 days from the first date to the last; NaN without dates."""
    if material.dates is None or len(material.dates) < 2:
        return math.nan
    return float((material.dates[-1] - material.dates[0]) / np.timedelta64(1, "D")) / 365.25 or math.nan


def _std(values: Floats, choice: Choice) -> float:
    ddof = int(choice["ddof"][-1])
    return float(values.std(ddof=ddof)) if len(values) > ddof else math.nan


def _earned(values: Floats, how: str, periods: float) -> float:
    """What returns come to over so many periods: in sum, compounded, or in logarithms."""
    if how in ("arithmetic", "summed"):
        return float(values.mean()) * periods
    logs = float(np.log1p(values).mean()) * periods if (values > -1.0).all() else math.nan
    return logs if "log" in how else math.expm1(logs)


def _above_rate(values: Floats, choice: Choice, material: Material) -> tuple[float, float, float]:
    """Return a year above the risk-free rate over √periods, and that rate of a year and of a period."""
    periods = _periods(choice, len(values))
    rate, each = _rate(material, choice, periods)
    taken = each * periods if choice["mean"] == "arithmetic" else rate
    return (_earned(values, choice["mean"], periods) - taken) / math.sqrt(periods), rate, each


def _of_returns(
    figure: Callable[[Floats, Choice, Material], float],
    bases: Callable[[Material], tuple[str, ...]] = _bases,
    **dimensions: Dimension,
) -> Statistic:
    """A statistic of a return series: of (T,) returns as the choice of series, days, form and months has them."""

    def value(material: Material, choice: Choice) -> float:
        values, form = material.series[choice["basis"]], choice.get("form", FORM[0])
        if choice.get("days") == DAYS[1]:
            values = values[values != 0.0]
        if choice.get("periods") == MONTHLY:
            values = np.empty(0) if choice.get("days") == DAYS[1] else monthly(material, choice["basis"], form)
        elif form == FORM[1]:
            values = np.log1p(values)
        return figure(values, choice, material) if len(values) else math.nan

    return Statistic(value, {"basis": bases, **dimensions})


def _sharpe(values: Floats, choice: Choice, material: Material) -> float:
    """√P·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    earned, rate, _ = _above_rate(values, choice, material)
    deviation, bare, compound = _std(values, choice), choice["periods"] == BARE, choice["mean"] == "geometric"
    meant = not (bare and (rate or compound)) and not (compound and choice["form"] == FORM[1])
    return earned / deviation if deviation > FLAT and meant else math.nan


_MONTHS = "mean month times 12"


def _annual_return(values: Floats, choice: Choice, material: Material) -> float:
    how, _, calendar = choice["mean"].partition(", calendar")
    if not calendar and how != _MONTHS:
        return _earned(values, how, float(choice["periods"]))
    if choice["periods"] != _years(material)[0] or choice["days"] == DAYS[1] or (values <= -1.0).any():
        return math.nan
    if how == _MONTHS:
        return _earned(monthly(material, choice["basis"]), "arithmetic", 12.0)
    return _earned(values, how, len(values) / _calendar_years(material))


_SIGNS, _STARTS = ("negative", "printed positive"), ("from the starting capital", "from the first session")


def _signed(value: float, choice: Choice) -> float:
    return -value if choice.get("sign") == _SIGNS[1] else value


def _fall(values: Floats, method: str, start: bool = True) -> float:
    """Deepest fall below the running peak; additive in units of constant capital, else as a share of the peak."""
    additive = method == "additive"
    path = np.concatenate([[0.0], np.cumsum(values)]) if additive else np.concatenate([[1.0], np.cumprod(1 + values)])
    path = path if start else path[1:]
    high = np.maximum.accumulate(path)
    return float((path - high if additive else path / high - 1.0).min())


def _drawdown(values: Floats, choice: Choice, material: Material) -> float:
    months, started = choice["sampled"] == "month ends", choice["start"] == _STARTS[0]
    path = monthly(material, choice["basis"]) if months else values
    depth = _fall(path, choice["mean"], started)
    again = not started and (months or depth == _fall(path, choice["mean"]))
    return math.nan if again else _signed(depth, choice)


_UNITS = {"calendar days": 1.0, "sessions": 1.0, "months of 30.44 days": 365.25 / 12, "months of 21 sessions": 21.0}


def _duration(values: Floats, choice: Choice, material: Material) -> float:
    """Length of drawdowns; one that has not ended counts to the last session."""
    import pandas as pd

    from assay.results.stats.performance import drawdowns

    # The starting capital is a peak before the first session: as many sessions, and of the first date.
    at, dates = np.arange(len(values) + 1.0), material.dates
    if "days" in choice["unit"]:
        if dates is None or len(dates) != len(values):
            return math.nan
        at = np.concatenate([[0.0], (dates - dates[0]) / np.timedelta64(1, "D")])
    table = drawdowns(pd.Series([0.0, *values], at), top=len(at))
    if table.empty or (values <= -1.0).any():
        return math.nan
    begin, end = choice["span"].split(" to ")
    ends = np.array([at[-1] if stamp is pd.NaT else stamp for stamp in table[end]])
    lengths = ends - table[begin].to_numpy(dtype=np.float64)
    of = {"the longest of all": lengths.max(), "of the deepest": lengths[0]}
    return float(of.get(choice["of"], lengths.mean())) / _UNITS[choice["unit"]]


_BELOW = ("downside over all sessions", "downside over losing sessions", "std of losing sessions ddof 1",
          "std of losing sessions ddof 0")  # fmt: skip


def _sortino(values: Floats, choice: Choice, material: Material) -> float:
    earned, rate, each = _above_rate(values, choice, material)
    above_rate = choice["target"] == "below the risk-free rate"
    losses = values - each if above_rate else values
    losses = losses[losses < 0]
    if len(losses) < 2 or (above_rate and not rate):
        return math.nan
    squares, kind = float((losses**2).sum()), _BELOW.index(choice["downside"])
    spread = float(losses.std(ddof=3 - kind)) if kind > 1 else math.sqrt(squares / (len(losses) if kind else len(values)))
    return earned / spread if spread > 0 else math.nan


_YEARLY = ("geometric", "arithmetic", "geometric, calendar years", "total return")
_FALLS = ("compounded drawdown", "additive drawdown", "compounded drawdown of month ends")


def _calmar(values: Floats, choice: Choice, material: Material) -> float:
    path = monthly(material, choice["basis"]) if "month" in choice["drawdown"] else values
    depth, own = -_fall(path, choice["drawdown"].split()[0]), choice["periods"] == _years(material)[0]
    once = {_YEARLY[2]: len(values) / _calendar_years(material), _YEARLY[3]: float(len(values))}.get(choice["mean"])
    periods = float(choice["periods"]) if once is None else once if own else math.nan
    return _earned(values, choice["mean"], periods) / depth if depth > 0 else math.nan


#: The value at risk of pyfolio's table: the mean less two deviations, whatever share of days that is.
TWO = "two deviations"
_TAILS = ("historical", "historical, lower value", "normal ddof 1", "normal ddof 0")


def _tail(values: Floats, choice: Choice, _: Material, *, mean_of_tail: bool) -> float:
    share, kind, normal = 0.01 if choice["level"] == "99%" else 0.05, _TAILS.index(choice["method"]), NormalDist()
    if len(values) < 2 or (kind < 2 and choice["level"] == TWO):
        return math.nan
    if kind >= 2:
        z = -2.0 if choice["level"] == TWO else normal.inv_cdf(share)
        times = -normal.pdf(z) / share if mean_of_tail else z
        return _signed(float(values.mean() + values.std(ddof=3 - kind) * times), choice)
    value = float(np.quantile(values, share, method="lower" if kind else "linear"))
    return _signed(float(values[values <= value].mean()) if mean_of_tail else value, choice)


_MOMENTS = ("population", "sample-corrected")


def _moment(values: Floats, choice: Choice, _: Material, *, fourth: bool) -> float:
    from scipy.stats import kurtosis, skew

    if len(values) < 4 or not values.std() > FLAT:
        return math.nan
    biased, excess = choice["moment"] == _MOMENTS[0], choice["mean"].startswith("excess")
    return float(kurtosis(values, fisher=excess, bias=biased) if fourth else skew(values, bias=biased))


def _market(material: Material) -> Floats:
    return np.empty(0) if material.benchmark is None else material.benchmark


def _beside(material: Material) -> tuple[str, ...]:
    """The series that have a benchmark of the same sessions."""
    market = _market(material)
    varies = len(market) > 2 and market.var() > 0
    return tuple(name for name in _bases(material) if varies and len(material.series[name]) == len(market))


_ACTIVE = ("return less benchmark", "residual of the regression")
_ALPHA = ("arithmetic", "compounded", "of the annual growth rates")
_SLOPES = ("one ddof", "covariance ddof 1 over variance ddof 0")


def _beta(values: Floats, choice: Choice, material: Material) -> float:
    market = _market(material)
    return float(np.cov(values, market)[0, 1] / market.var(ddof=0 if choice.get("ddof") == _SLOPES[1] else 1))


def _alpha(values: Floats, choice: Choice, material: Material) -> float:
    market, beta, periods = _market(material), _beta(values, {}, material), _periods(choice, len(values))
    rate, each = _rate(material, choice, periods)
    if choice["periods"] == "a session" and (rate or choice["mean"] != "arithmetic"):
        return math.nan
    if choice["mean"] == _ALPHA[2]:
        return _earned(values, "", periods) - rate - beta * (_earned(market, "", periods) - rate)
    session = float(values.mean() - each - beta * (market.mean() - each))
    return session * periods if choice["mean"] == "arithmetic" else math.expm1(periods * math.log1p(session))


def _information(values: Floats, choice: Choice, material: Material) -> float:
    active = values - (1.0 if choice["active"] == _ACTIVE[0] else _beta(values, {}, material)) * _market(material)
    deviation = _std(active, choice)
    return float(active.mean()) / deviation * math.sqrt(_periods(choice, 0)) if deviation > FLAT else math.nan


def _total(values: Floats, choice: Choice, *_: object) -> float:
    return _earned(values, choice["mean"], _periods(choice, len(values)))


_GROSS = partial(_bases, only="gross")
_SHARPE: dict[str, Any] = {
    "mean": ("arithmetic", "geometric"), "ddof": DDOF, "periods": _with(MONTHLY, BARE), "form": FORM,
    "risk_free": _rates, "days": _days,
}  # fmt: skip
_RETURN: dict[str, Any] = {
    "mean": ("geometric", "arithmetic", "mean log return", "geometric, calendar years", "summed, calendar years", _MONTHS),
    "periods": _years, "days": _days,
}  # fmt: skip
_EITHER = ("geometric", "arithmetic")
#: Metrics of a return series by canonical name: what another daily series of the same book would change.
RETURN_STATISTICS: Mapping[str, Statistic] = {
    "sharpe": _of_returns(_sharpe, **_SHARPE),
    "sharpe_gross": _of_returns(_sharpe, _GROSS, **_SHARPE),
    "annual_return": _of_returns(_annual_return, **_RETURN),
    "annual_return_gross": _of_returns(_annual_return, _GROSS, **_RETURN),
    "total_return": _of_returns(lambda v, c, _: _earned(v, c["mean"], len(v)), partial(_bases, fewest=1),
                                mean=("compounded", "summed", "log returns summed")),
    "annual_volatility": _of_returns(lambda v, c, _: _std(v, c) * math.sqrt(_periods(c, len(v))), ddof=DDOF,
                                     periods=_with(MONTHLY), form=FORM, days=_days),
    "return_std": _of_returns(lambda v, c, _: _std(v, c), ddof=DDOF, form=FORM, days=_days),
    "mean_return": _of_returns(lambda v, c, _: _earned(v, c["mean"], 1.0),
                               mean=("arithmetic", "geometric", "mean log return"), days=_days),
    "max_drawdown": _of_returns(_drawdown, mean=("compounded", "additive"), start=_STARTS,
                                sampled=("every session", "month ends"), sign=_SIGNS),
    "drawdown_duration": _of_returns(_duration, unit=tuple(_UNITS),
                                     span=("peak to recovery", "peak to trough", "trough to recovery"),
                                     of=("the longest of all", "of the deepest", "mean of all")),
    "sortino": _of_returns(_sortino, downside=_BELOW, mean=_EITHER[::-1], periods=_with(MONTHLY),
                           target=("below 0", "below the risk-free rate"), risk_free=_rates, days=_days),
    "calmar": _of_returns(_calmar, mean=_YEARLY, drawdown=_FALLS, periods=_years),
    "var": _of_returns(partial(_tail, mean_of_tail=False), level=("95%", "99%", TWO), method=_TAILS, sign=_SIGNS,
                       form=FORM, days=_days),
    "cvar": _of_returns(partial(_tail, mean_of_tail=True), level=("95%", "99%"), method=_TAILS, sign=_SIGNS, form=FORM,
                        days=_days),
    "skewness": _of_returns(partial(_moment, fourth=False), moment=_MOMENTS, mean=("raw",), form=FORM, days=_days),
    "kurtosis": _of_returns(partial(_moment, fourth=True), moment=_MOMENTS,
                            mean=("raw (normal 3)", "excess (normal 0)"), form=FORM, days=_days),
    "best_day": _of_returns(lambda v, *_: float(v.max()), form=FORM),
    "worst_day": _of_returns(lambda v, c, _: _signed(float(v.min()), c), form=FORM, sign=("signed", _SIGNS[1])),
}  # fmt: skip
#: Metrics of a series beside its benchmark.
RELATIVE_STATISTICS: Mapping[str, Statistic] = {
    "alpha": _of_returns(_alpha, _beside, mean=_ALPHA, periods=_with("a session"), risk_free=_rates),
    "beta": _of_returns(_beta, _beside, ddof=_SLOPES),
    "information_ratio": _of_returns(_information, _beside, active=_ACTIVE, ddof=DDOF, periods=_with(BARE)),
    "excess_return": _of_returns(lambda v, c, m: _total(v, c) - _total(_market(m), c), _beside, mean=_EITHER,
                                 periods=_with(TOTAL)),
    # The benchmark is the same beside every series.
    "benchmark_return": Statistic(lambda m, c: _total(_market(m), c) if _beside(m) else None,
                                  {"mean": _EITHER, "periods": _with(TOTAL)}),
}  # fmt: skip
_OVER: dict[str, Callable[[Floats], Any]] = {
    "mean of sessions": np.mean, "median of sessions": np.median, "largest": np.max, "smallest": np.min,
    "last session": lambda values: values[-1],
}  # fmt: skip


def _held(material: Material) -> Floats:
    """(T, N) weights, 0 where there is no position; no sessions where none are known."""
    return np.empty((0, 0)) if material.weights is None else np.nan_to_num(material.weights)


def _exposure(of: Callable[[Floats], Floats]) -> Statistic:
    """A statistic of what one session's weights (N,) amount to."""

    def value(material: Material, choice: Choice) -> float:
        weights = _held(material)
        weights = weights[(weights != 0).any(axis=1)] if choice["days"] == "sessions with a position" else weights
        return float(_OVER[choice["counted"]](of(weights))) if len(weights) else math.nan

    def days(material: Material) -> tuple[str, ...]:
        every = (_held(material) != 0).any(axis=1).all()
        return ("",) if every else ("all sessions", "sessions with a position")

    return Statistic(value, {"counted": tuple(_OVER), "days": days})


def _traded(material: Material) -> Floats:
    """(T,) one-way turnover, measured or of the stated weights."""
    weights = _held(material)
    moved = 0.5 * np.abs(np.diff(weights, axis=0, prepend=np.zeros_like(weights[:1]))).sum(axis=1)
    return moved if material.turnover is None else material.turnover


def _turnover(material: Material, choice: Choice) -> float:
    traded, stretch = _traded(material), choice["periods"]
    traded = {"without the first": traded[1:], TRADING: traded[traded > 0]}.get(choice["days"], traded)
    if not len(traded) or (choice["days"] == TRADING and stretch != "a session"):
        return math.nan
    scale = len(traded) if stretch == "in all" else float(stretch.split()[-1]) if " of " in stretch else 1.0
    return float(traded.mean()) * scale * (2.0 if choice["way"] == "two-way" else 1.0)


#: How a ratio of trade returns is annualised; the last is an error that reports make.
ANNUALISED = ("√trades a year", BARE, "√252 on trades, as if each were a session")
#: What a trade came to: its return, or its profit in money.
COUNTED = ("closed trades", "closed trades, in money")


def _counted(material: Material) -> tuple[str, ...]:
    """What was given of closed trades; those of a book that was simulated here count for nothing."""
    given = (None, None) if material.panels else (material.trades, material.profits)
    return tuple(name for name, values in zip(COUNTED, given, strict=True) if values is not None and len(values))


def _trades(figure: Callable[[Floats, Choice], float], side: float = 0.0, **dimensions: Dimension) -> Statistic:
    """A statistic of what trades came to: of all of them, or of the winning or losing ones."""

    def value(material: Material, choice: Choice) -> float:
        values = material.profits if choice["counted"] == COUNTED[1] else material.trades
        kept = np.empty(0) if values is None else values[side * values > 0] if side else values
        return figure(kept, choice)

    return Statistic(value, {"counted": _counted, **dimensions})


def _average(values: Floats, choice: Choice) -> float:
    middle = np.mean if choice["mean"] == "mean" else np.median
    return _signed(float(middle(values)), choice) if len(values) else math.nan


def _ratio(values: Floats, _: Choice, *, of: Callable[[Floats], float]) -> float:
    wins, losses = values[values > 0], values[values < 0]
    return float(of(wins) / -of(losses)) if len(wins) and len(losses) else math.nan


def _sharpe_of_trades(material: Material, choice: Choice) -> float:
    values = material.profits if choice["counted"] == COUNTED[1] else material.trades
    deviation = math.nan if values is None else _std(values, choice)
    if values is None or not deviation > FLAT:
        return math.nan
    a_year = (len(values) / _calendar_years(material), 1.0, SESSIONS_A_YEAR)[ANNUALISED.index(choice["periods"])]
    return float(values.mean()) / deviation * math.sqrt(a_year)


_MIDDLE: Dimension = ("mean", "median")
#: Figures of the book itself: its weights, its trades and its costs.
BOOK_STATISTICS: Mapping[str, Statistic] = {
    "leverage": _exposure(lambda weights: np.abs(weights).sum(axis=1)),
    "net_exposure": _exposure(lambda weights: weights.sum(axis=1)),
    "positions_held": _exposure(lambda weights: (weights != 0).sum(axis=1)),
    "turnover": Statistic(_turnover, {
        "way": ("one-way", "two-way"),
        "periods": lambda m: ("a session", "a week of 5", "a month of 21",
                              *(f"a year of {count}" for count in _years(m)), "in all"),
        "days": lambda m: ("all sessions", "without the first", *((TRADING,) if (_traded(m) == 0).any() else ())),
    }),
    "sessions": Statistic(lambda m, c: len(m.series[c["basis"]]), {"basis": lambda m: _bases(m)[:1]}),
    "annual_cost": Statistic(lambda m, c: _total(m.series["gross"], c) - _total(m.series["net"], c),
                             {"mean": lambda m: ("arithmetic", "compounded") if {"gross", "net"} <= {*m.series} else (),
                              "periods": ("252", "365", "in all")}),
    "trades": Statistic(
        lambda m, c: m.fills if c["counted"] == "fills" else len(m.outcomes if m.outcomes is not None else ()),
        {"counted": lambda m: (*_counted(m)[:1], *(("fills",) if _counted(m) and m.fills is not None else ()))}),
    "winning_trades": _trades(lambda values, _: len(values), 1.0),
    "losing_trades": _trades(lambda values, _: len(values), -1.0),
    "average_win": _trades(_average, 1.0, mean=_MIDDLE),
    "average_loss": _trades(_average, -1.0, mean=_MIDDLE, sign=_SIGNS),
    "payoff_ratio": _trades(partial(_ratio, of=np.mean)),
    "profit_factor": _trades(partial(_ratio, of=np.sum)),
    "gross_profit": _trades(lambda values, _: float(values.sum()), 1.0),
    "gross_loss": _trades(lambda values, choice: _signed(float(values.sum()), choice), -1.0, sign=_SIGNS),
    "total_profit": _trades(lambda values, _: float(values.sum())),
    "expectancy": _trades(_average, mean=_MIDDLE),
    # A Sharpe ratio of trades only where no returns a session are known.
    "sharpe": Statistic(_sharpe_of_trades, {"counted": lambda m: () if m.series else _counted(m),
                                            "periods": ANNUALISED, "ddof": DDOF}),
}  # fmt: skip
