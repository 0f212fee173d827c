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

#: Returns compounded to months first; no year, and the whole sample as one.
MONTHLY, BARE, TOTAL = "monthly √12", "not annualised", "over the whole period"
#: Annual risk-free rates tried beside the stated one.
RISK_FREE = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
#: Sessions taken for a month where no dates are known.
MONTH = 21
#: How a ratio of trade returns is annualised; the last is an error that reports make.
ANNUALISED = ("√trades a year", BARE, "√252 on trades, as if each were a session")
_EITHER, _FORM = ("geometric", "arithmetic"), ("simple returns", "log returns")
_DAYS, _TRADING = ("all sessions", "without flat sessions"), "sessions that trade"
_MIDDLE, _SIGNS, _STARTS = ("mean", "median"), ("negative", "printed positive"), ("starting capital", "first session")
_TRADES = ("closed trades", "closed trades, in money")


def monthly(material: Material, basis: str, form: str = "") -> Floats:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    values = material.series[basis]
    months = np.arange(len(values)) // MONTH
    if material.dates is not None and len(material.dates) == len(values):
        months = material.dates.astype("datetime64[M]").astype(int)
    with np.errstate(divide="ignore"):
        sums = np.bincount(np.unique(months, return_inverse=True)[1], weights=np.log1p(values))
    return np.asarray(sums if form == _FORM[1] else np.expm1(sums), dtype=np.float64)


def _years(material: Material, *more: str) -> tuple[str, ...]:
    """Returns a year, the material's own first where they are not daily."""
    own = () if material.per_year is None else (str(material.per_year),)
    return tuple(dict.fromkeys((*own, "252", "250", "260", "365", *more)))


def _with(*more: str) -> Dimension:
    return lambda material: _years(material, *more)


def _bases(material: Material, only: str = "", fewest: int = 2) -> tuple[str, ...]:
    """Names of the series of at least so many returns, each distinct one once."""
    named = {values.tobytes(): name for name, values in reversed(material.series.items()) if only in name}
    return tuple(name for name in material.series if name in named.values() and len(material.series[name]) >= fewest)


def _days(material: Material) -> tuple[str, ...]:
    return _DAYS if any((values == 0).any() for values in material.series.values()) else ("",)


def _rates(material: Material) -> dict[str, tuple[float, bool]]:
    """Words -> (annual risk-free rate, whether a session's part of it compounds); the stated rate right after 0."""
    stated = () if material.risk_free is None else (material.risk_free,)
    rates = {f"rf {100 * rate:g}%": (rate, False) for rate in dict.fromkeys((0.0, *stated, *RISK_FREE))}
    return rates | {f"rf {100 * rate:g}% compounded": (rate, True) for rate in stated if rate}


def _rate(choice: Choice, periods: float) -> tuple[float, float]:
    """The risk-free rate of a year and of a period."""
    rate, compounds = _rates(choice.material)[choice["risk_free"]]
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


def _total(values: Floats, choice: Choice) -> float:
    return _earned(values, choice["mean"], _periods(choice, len(values)))


def _above_rate(values: Floats, choice: Choice) -> tuple[float, float, float]:
    """Return a year above the risk-free rate over √periods, and that rate of a year and of a period."""
    periods = _periods(choice, len(values))
    rate, each = _rate(choice, periods)
    taken = each * periods if choice["mean"] == "arithmetic" else rate
    return (_earned(values, choice["mean"], periods) - taken) / math.sqrt(periods), rate, each


def _returns(choice: Choice) -> list[Floats]:
    """The returns that the choice of series, days, form and months means."""
    values, months = choice.material.series[choice["basis"]], choice.get("periods") == MONTHLY
    if choice.get("days") == _DAYS[1]:
        values = values[:0] if months else values[values != 0.0]
    elif months:
        return [monthly(choice.material, choice["basis"], choice.get("form", ""))]
    return [np.log1p(values) if choice.get("form") == _FORM[1] else values]


def _of_returns(
    figure: Callable[[Floats, Choice], float], bases: Dimension = _bases, **dimensions: Dimension
) -> Statistic:
    return Statistic(figure, {"basis": bases, **dimensions}, _returns)


def _sharpe(values: Floats, choice: Choice) -> float:
    """√P·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    earned, rate, _ = _above_rate(values, choice)
    deviation, bare, compound = _std(values, choice), choice["periods"] == BARE, choice["mean"] == "geometric"
    meant = not (bare and (rate or compound)) and not (compound and choice["form"] == _FORM[1])
    return earned / deviation if deviation > FLAT and meant else math.nan


_MONTHS = "mean month times 12"


def _annual_return(values: Floats, choice: Choice) -> float:
    material, (how, _, calendar) = choice.material, choice["mean"].partition(", calendar")
    if not calendar and how != _MONTHS:
        return _earned(values, how, float(choice["periods"]))
    if choice["periods"] != _years(material)[0] or choice["days"] == _DAYS[1] or (values <= -1.0).any():
        return math.nan
    if how == _MONTHS:
        return _earned(monthly(material, choice["basis"]), "arithmetic", 12.0)
    return _earned(values, how, len(values) / _calendar_years(material))


def _signed(value: float, choice: Choice) -> float:
    return -value if choice.get("sign") == _SIGNS[1] else value


def _fall(values: Floats, method: str, start: bool = True) -> float:
    """Deepest fall below the running peak; additive in units of constant capital, else as a share of the peak."""
    additive = method == "additive"
    path = np.concatenate([[0.0], np.cumsum(values)]) if additive else np.concatenate([[1.0], np.cumprod(1 + values)])
    path = path if start else path[1:]
    high = np.maximum.accumulate(path)
    return float((path - high if additive else path / high - 1.0).min())


def _drawdown(values: Floats, choice: Choice) -> float:
    months, started = choice["sampled"] == "month ends", choice["start"].endswith(_STARTS[0])
    path = monthly(choice.material, choice["basis"]) if months else values
    depth = _fall(path, choice["mean"], started)
    again = not started and (months or depth == _fall(path, choice["mean"]))
    return math.nan if again else _signed(depth, choice)


_UNITS = {"calendar days": 1.0, "sessions": 1.0, "months of 30.44 days": 365.25 / 12, "months of 21 sessions": 21.0}


def _duration(values: Floats, choice: Choice) -> float:
    """Length of drawdowns; one that has not ended counts to the last session."""
    import pandas as pd

    from assay.results.stats.performance import drawdowns

    # The starting capital is a peak before the first session: as many sessions, and of the first date.
    at, dates = np.arange(len(values) + 1.0), choice.material.dates
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


def _sortino(values: Floats, choice: Choice) -> float:
    earned, rate, each = _above_rate(values, choice)
    above_rate = choice["target"] == "below the risk-free rate"
    losses = values - each if above_rate else values
    losses = losses[losses < 0]
    if len(losses) < 2 or (above_rate and not rate):
        return math.nan
    squares, kind = float((losses**2).sum()), _BELOW.index(choice["downside"])
    spread = float(losses.std(ddof=3 - kind)) if kind > 1 else math.sqrt(squares / (len(losses) if kind else len(values)))
    return earned / spread if spread > 0 else math.nan


_YEARLY = ("geometric", "arithmetic", "geometric, calendar years", "total return")


def _calmar(values: Floats, choice: Choice) -> float:
    material = choice.material
    path = monthly(material, choice["basis"]) if "month" in choice["drawdown"] else values
    depth, own = -_fall(path, choice["drawdown"].split()[0]), choice["periods"] == _years(material)[0]
    once = {_YEARLY[2]: len(values) / _calendar_years(material), _YEARLY[3]: float(len(values))}.get(choice["mean"])
    periods = float(choice["periods"]) if once is None else once if own else math.nan
    return _earned(values, choice["mean"], periods) / depth if depth > 0 else math.nan


#: The value at risk of pyfolio's table: the mean less two deviations, whatever share of days that is.
TWO = "two deviations"
_TAILS = ("historical", "historical, lower value", "normal ddof 1", "normal ddof 0")


def _tail(values: Floats, choice: Choice, *, mean_of_tail: bool) -> float:
    share, kind, normal = 0.01 if choice["level"] == "99%" else 0.05, _TAILS.index(choice["method"]), NormalDist()
    if len(values) < 2 or (kind < 2 and choice["level"] == TWO):
        return math.nan
    if kind >= 2:
        z = -2.0 if choice["level"] == TWO else normal.inv_cdf(share)
        times = -normal.pdf(z) / share if mean_of_tail else z
        return _signed(float(values.mean() + values.std(ddof=3 - kind) * times), choice)
    value = float(np.quantile(values, share, method="lower" if kind else "linear"))
    return _signed(float(values[values <= value].mean()) if mean_of_tail else value, choice)


def _moment(values: Floats, choice: Choice, *, fourth: bool) -> float:
    from scipy.stats import kurtosis, skew

    if not values.std() > FLAT:
        return math.nan
    biased, excess = choice["moment"] == "population", choice["mean"].startswith("excess")
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


def _beta(values: Floats, choice: Choice) -> float:
    market = _market(choice.material)
    return float(np.cov(values, market)[0, 1] / market.var(ddof=0 if choice.get("ddof") == _SLOPES[1] else 1))


def _alpha(values: Floats, choice: Choice) -> float:
    market, beta, periods = _market(choice.material), _beta(values, choice), _periods(choice, len(values))
    rate, each = _rate(choice, periods)
    if choice["periods"] == "a session" and (rate or choice["mean"] != "arithmetic"):
        return math.nan
    if choice["mean"] == _ALPHA[2]:
        return _earned(values, "", periods) - rate - beta * (_earned(market, "", periods) - rate)
    session = float(values.mean() - each - beta * (market.mean() - each))
    return session * periods if choice["mean"] == "arithmetic" else math.expm1(periods * math.log1p(session))


def _information(values: Floats, choice: Choice) -> float:
    active = values - (1.0 if choice["active"] == _ACTIVE[0] else _beta(values, choice)) * _market(choice.material)
    deviation = _std(active, choice)
    return float(active.mean()) / deviation * math.sqrt(_periods(choice, 0)) if deviation > FLAT else math.nan


_SHARPE: dict[str, Any] = {
    "mean": _EITHER[::-1], "ddof": DDOF, "periods": _with(MONTHLY, BARE), "form": _FORM, "risk_free": _rates,
    "days": _days,
}  # fmt: skip
_RETURN: dict[str, Any] = {
    "mean": ("geometric", "arithmetic", "mean log return", "geometric, calendar years", "summed, calendar years", _MONTHS),
    "periods": _years, "days": _days,
}  # fmt: skip
_TAIL: dict[str, Any] = {"method": _TAILS, "sign": _SIGNS, "form": _FORM, "days": _days}
_SHAPE: dict[str, Any] = {"form": _FORM, "days": _days}
_GROSS = partial(_bases, only="gross")
#: Metrics of a return series by canonical name: what another daily series of the same book would change.
RETURN_STATISTICS: Mapping[str, Statistic] = {
    "sharpe": _of_returns(_sharpe, **_SHARPE),
    "sharpe_gross": _of_returns(_sharpe, _GROSS, **_SHARPE),
    "annual_return": _of_returns(_annual_return, **_RETURN),
    "annual_return_gross": _of_returns(_annual_return, _GROSS, **_RETURN),
    "total_return": _of_returns(lambda v, c: _earned(v, c["mean"], len(v)), partial(_bases, fewest=1),
                                mean=("compounded", "summed", "log returns summed")),
    "annual_volatility": _of_returns(lambda v, c: _std(v, c) * math.sqrt(_periods(c, len(v))), ddof=DDOF,
                                     periods=_with(MONTHLY), **_SHAPE),
    "return_std": _of_returns(_std, ddof=DDOF, **_SHAPE),
    "mean_return": _of_returns(lambda v, c: _earned(v, c["mean"], 1.0), mean=("arithmetic", "geometric", "mean log return"),
                               days=_days),
    "max_drawdown": _of_returns(_drawdown, mean=("compounded", "additive"), start=[f"from the {one}" for one in _STARTS],
                                sampled=("every session", "month ends"), sign=_SIGNS),
    "drawdown_duration": _of_returns(_duration, unit=tuple(_UNITS),
                                     span=("peak to recovery", "peak to trough", "trough to recovery"),
                                     of=("the longest of all", "of the deepest", "mean of all")),
    "sortino": _of_returns(_sortino, downside=_BELOW, mean=_EITHER[::-1], periods=_with(MONTHLY),
                           target=("below 0", "below the risk-free rate"), risk_free=_rates, days=_days),
    "calmar": _of_returns(_calmar, mean=_YEARLY, drawdown=(
        "compounded drawdown", "additive drawdown", "compounded drawdown of month ends"), periods=_years),
    "var": _of_returns(partial(_tail, mean_of_tail=False), level=("95%", "99%", TWO), **_TAIL),
    "cvar": _of_returns(partial(_tail, mean_of_tail=True), level=("95%", "99%"), **_TAIL),
    "skewness": Statistic(partial(_moment, fourth=False), {"basis": _bases, "moment": ("population", "sample-corrected"),
                                                           "mean": ("raw",), **_SHAPE}, _returns, 4),
    "kurtosis": Statistic(partial(_moment, fourth=True), {"basis": _bases, "moment": ("population", "sample-corrected"),
                                                          "mean": ("raw (normal 3)", "excess (normal 0)"), **_SHAPE}, _returns, 4),
    "best_day": _of_returns(lambda v, _: float(v.max()), form=_FORM),
    "worst_day": _of_returns(lambda v, c: _signed(float(v.min()), c), form=_FORM, sign=("signed", _SIGNS[1])),
}  # fmt: skip
#: Metrics of a series beside its benchmark, which is the same beside every series.
RELATIVE_STATISTICS: Mapping[str, Statistic] = {
    "alpha": _of_returns(_alpha, _beside, mean=_ALPHA, periods=_with("a session"), risk_free=_rates),
    "beta": _of_returns(_beta, _beside, ddof=_SLOPES),
    "information_ratio": _of_returns(_information, _beside, active=_ACTIVE, ddof=DDOF, periods=_with(BARE)),
    "excess_return": _of_returns(lambda v, c: _total(v, c) - _total(_market(c.material), c), _beside, mean=_EITHER,
                                 periods=_with(TOTAL)),
    "benchmark_return": Statistic(lambda v, c: _total(v, c) if _beside(c.material) else None,
                                  {"mean": _EITHER, "periods": _with(TOTAL)}, lambda c: [_market(c.material)]),
}  # fmt: skip


def _held(choice: Choice) -> list[Floats]:
    """(T, N) weights, 0 where there is no position; no sessions where none are known."""
    weights = choice.material.weights
    held = np.empty((0, 0)) if weights is None else np.nan_to_num(weights)
    return [held[(held != 0).any(axis=1)] if choice.get("days") == "sessions with a position" else held]


_OVER: dict[str, Callable[[Floats], Any]] = {
    "mean of sessions": np.mean, "median of sessions": np.median, "largest": np.max, "smallest": np.min,
    "last session": lambda values: values[-1],
}  # fmt: skip


def _exposure(of: Callable[[Floats], Floats]) -> Statistic:
    """A statistic of what one session's weights (N,) amount to."""

    def days(material: Material) -> tuple[str, ...]:
        every = (_held(Choice(material, {}))[0] != 0).any(axis=1).all()
        return ("",) if every else ("all sessions", "sessions with a position")

    dimensions: dict[str, Dimension] = {"counted": tuple(_OVER), "days": days}
    return Statistic(lambda weights, choice: _OVER[choice["counted"]](of(weights)), dimensions, _held)


def _traded(material: Material) -> Floats:
    """(T,) one-way turnover, measured or of the stated weights."""
    [weights] = _held(Choice(material, {}))
    moved = 0.5 * np.abs(np.diff(weights, axis=0, prepend=np.zeros_like(weights[:1]))).sum(axis=1)
    return moved if material.turnover is None else material.turnover


def _turnover(traded: Floats, choice: Choice) -> float:
    stretch = choice["periods"]
    if choice["days"] == _TRADING and stretch != "a session":
        return math.nan
    scale = len(traded) if stretch == "in all" else float(stretch.split()[-1]) if " of " in stretch else 1.0
    return float(traded.mean()) * scale * (2.0 if choice["way"] == "two-way" else 1.0)


def _turned(choice: Choice) -> list[Floats]:
    traded = _traded(choice.material)
    return [{"without the first": traded[1:], _TRADING: traded[traded > 0]}.get(choice["days"], traded)]


def _given(material: Material) -> tuple[str, ...]:
    """What was given of closed trades; those of a book that was simulated here count for nothing."""
    given = (None, None) if material.panels else (material.trades, material.profits)
    return tuple(name for name, values in zip(_TRADES, given, strict=True) if values is not None and len(values))


def _trades(
    figure: Callable[[Floats, Choice], float], side: float = 0.0, fewest: int = 1, counted: Dimension = _given,
    **dimensions: Dimension,
) -> Statistic:  # fmt: skip
    """A statistic of what trades came to, in return or in money: of all of them, or of the winning or losing ones."""

    def cases(choice: Choice) -> list[Floats]:
        values = choice.material.profits if choice["counted"] == _TRADES[1] else choice.material.outcomes
        return [np.empty(0) if values is None else values[side * values > 0] if side else values]

    return Statistic(figure, {"counted": counted, **dimensions}, cases, fewest)


def _average(values: Floats, choice: Choice) -> float:
    return _signed(float(np.mean(values) if choice["mean"] == "mean" else np.median(values)), choice)


def _ratio(values: Floats, _: Choice, *, of: Callable[[Floats], float]) -> float:
    wins, losses = values[values > 0], values[values < 0]
    return float(of(wins) / -of(losses)) if len(wins) and len(losses) else math.nan


def _sharpe_of_trades(values: Floats, choice: Choice) -> float:
    a_year = (len(values) / _calendar_years(choice.material), 1.0, SESSIONS_A_YEAR)[ANNUALISED.index(choice["periods"])]
    deviation = _std(values, choice)
    return float(values.mean()) / deviation * math.sqrt(a_year) if deviation > FLAT else math.nan


#: Figures of the book itself: its weights, its trades and its costs.
BOOK_STATISTICS: Mapping[str, Statistic] = {
    "leverage": _exposure(lambda weights: np.abs(weights).sum(axis=1)),
    "net_exposure": _exposure(lambda weights: weights.sum(axis=1)),
    "positions_held": _exposure(lambda weights: (weights != 0).sum(axis=1)),
    "turnover": Statistic(_turnover, {
        "way": ("one-way", "two-way"),
        "periods": lambda m: ("a session", "a week of 5", "a month of 21", *(f"a year of {n}" for n in _years(m)), "in all"),
        "days": lambda m: ("all sessions", "without the first", *((_TRADING,) if (_traded(m) == 0).any() else ())),
    }, _turned),
    "sessions": Statistic(lambda values, _: len(values), {"basis": lambda m: _bases(m)[:1]}, _returns),
    "annual_cost": Statistic(lambda gross, net, c: _total(gross, c) - _total(net, c),
                             {"mean": ("arithmetic", "compounded"), "periods": ("252", "365", "in all")},
                             lambda c: [c.material.series.get(name, np.empty(0)) for name in ("gross", "net")]),
    "trades": _trades(lambda values, c: c.material.fills if c["counted"] == "fills" else len(values), counted=lambda m: (
        *_given(m)[:1], *(("fills",) if _given(m) and m.fills is not None else ()))),
    "winning_trades": _trades(lambda values, _: len(values), 1.0, 0),
    "losing_trades": _trades(lambda values, _: len(values), -1.0, 0),
    "average_win": _trades(_average, 1.0, mean=_MIDDLE),
    "average_loss": _trades(_average, -1.0, mean=_MIDDLE, sign=_SIGNS),
    "payoff_ratio": _trades(partial(_ratio, of=np.mean)),
    "profit_factor": _trades(partial(_ratio, of=np.sum)),
    "gross_profit": _trades(lambda values, _: float(values.sum()), 1.0, 0),
    "gross_loss": _trades(lambda values, choice: _signed(float(values.sum()), choice), -1.0, 0, sign=_SIGNS),
    "total_profit": _trades(lambda values, _: float(values.sum())),
    "expectancy": _trades(_average, mean=_MIDDLE),
    # A Sharpe ratio of trades only where no returns a session are known.
    "sharpe": _trades(_sharpe_of_trades, counted=lambda m: () if m.series else _given(m), periods=ANNUALISED, ddof=DDOF),
}  # fmt: skip
