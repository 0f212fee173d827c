"""Figures of a return series, alone and against a benchmark, under every convention of the grid, a row a figure.

References
----------
Sharpe (1994) for the ratio; Bacon (2008), Practical Portfolio Performance Measurement and Attribution, for the variants
in use; Sortino & Price (1994) for the downside deviation over all observations; Young (1991) for the Calmar ratio;
Rockafellar & Uryasev (2000) for the mean of the tail; Jensen (1968) for alpha; Grinold & Kahn (2000) for the
information ratio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from assay.audit.recompute.conventions import (
    DAYS,
    DDOF,
    FORM,
    PERIODS,
    Choice,
    Choices,
    Dimensions,
    Material,
    Reading,
    Statistic,
    annual_of,
    bases_of,
    by_name,
    calendar_years,
    drawdown_of,
    drawdown_spans,
    growth,
    monthly,
    of_returns,
    rates_of,
    spread,
    turnover_grid,
    turnover_of,
)
from assay.data.conventions import FLAT

__all__ = ["RELATIVE_METRICS", "RELATIVE_STATISTICS", "RETURN_METRICS", "RISK_STATISTICS", "return_readings"]

_TOTAL, _ACTIVE = "over the whole period", ("return less benchmark", "residual of the regression")
_ALPHA = ("arithmetic", "compounded", "of the annual growth rates")
_SLOPES = ("one ddof", "covariance ddof 1 over variance ddof 0")
Figure = Callable[[np.ndarray, np.ndarray, Choice, Material], float | None]


def _against(name: str, figure: Figure, **dimensions: Choices) -> Statistic:
    """A row over the series that have a benchmark of the same sessions."""

    def bases(material: Material) -> tuple[str, ...]:
        market = material.benchmark
        if market is None or len(market) < 3 or not market.var() > 0:
            return ()
        return tuple(name for name in bases_of(material) if len(material.series[name]) == len(market))

    def grid(material: Material) -> Dimensions:
        given = {name: own(material) if callable(own) else own for name, own in dimensions.items()}
        return {"basis": bases(material), **given} if bases(material) else {}

    def value(material: Material, choice: Choice) -> float | None:
        assert material.benchmark is not None  # the grid is empty without one
        values = material.series[choice.get("basis", next(iter(material.series)))]
        return figure(values, material.benchmark, choice, material)

    return Statistic(name, grid, value)


def _slope(values: np.ndarray, market: np.ndarray, mixed: bool = False) -> float:
    return float(np.cov(values, market, ddof=1)[0, 1] / market.var(ddof=0 if mixed else 1))


def _alpha(values: np.ndarray, market: np.ndarray, choice: Choice, material: Material) -> float | None:
    beta = _slope(values, market)
    periods = 1.0 if choice["periods"] == "a session" else float(choice["periods"])
    rate, compounds = rates_of(material)[choice["risk_free"]]
    if (rate or choice["mean"] != "arithmetic") and choice["periods"] == "a session":
        return None
    if choice["mean"] == _ALPHA[2]:
        own, other = growth(values, periods), growth(market, periods)
        return None if own is None or other is None else own - rate - beta * (other - rate)
    each = math.expm1(math.log1p(rate) / periods) if compounds else rate / periods
    daily = float(values.mean() - each - beta * (market.mean() - each))
    return daily * periods if choice["mean"] == "arithmetic" else math.expm1(periods * math.log1p(daily))


def _information(values: np.ndarray, market: np.ndarray, choice: Choice, _: Material) -> float | None:
    active = values - (1.0 if choice["active"] == _ACTIVE[0] else _slope(values, market)) * market
    deviation = float(active.std(ddof=0 if choice["ddof"] == DDOF[1] else 1))
    periods = 1.0 if choice["periods"] == "not annualised" else float(choice["periods"])
    return float(active.mean() / deviation * math.sqrt(periods)) if deviation > FLAT else None


def _yearly(values: np.ndarray, choice: Choice) -> float | None:
    """Growth or sum of returns, a year or in all."""
    periods = float(len(values)) if choice["periods"] == _TOTAL else float(choice["periods"])
    return growth(values, periods) if choice["mean"] == "geometric" else float(values.mean() * periods)


def _excess(values: np.ndarray, market: np.ndarray, choice: Choice, _: Material) -> float | None:
    own, other = _yearly(values, choice), _yearly(market, choice)
    return None if own is None or other is None else own - other


def _with(*more: str) -> Callable[[Material], tuple[str, ...]]:
    return lambda material: (*annual_of(material), *more)


_MARKET = _against("benchmark_return", lambda _, market, choice, __: _yearly(market, choice),
                   mean=("geometric", "arithmetic"), periods=_with(_TOTAL))  # fmt: skip
#: Canonical metric -> its row.
RELATIVE_STATISTICS = (
    _against("alpha", _alpha, mean=_ALPHA, periods=_with("a session"), risk_free=lambda m: tuple(rates_of(m))),
    _against("beta", lambda values, market, choice, _: _slope(values, market, choice["ddof"] != _SLOPES[0]),
             ddof=_SLOPES),
    _against("information_ratio", _information, active=_ACTIVE, ddof=DDOF, periods=_with("not annualised")),
    _against("excess_return", _excess, mean=("geometric", "arithmetic"), periods=_with(_TOTAL)),
    # The benchmark is the same beside every series.
    replace(_MARKET, dimensions=lambda m: {name: of for name, of in _MARKET.dimensions(m).items() if name != "basis"}),
)  # fmt: skip
RELATIVE_METRICS = tuple(row.name for row in RELATIVE_STATISTICS)


#: The value at risk of pyfolio's table: the mean less two deviations, whatever share of days that is.
TWO = "two deviations"
_SIGNS = ("negative", "printed positive")
_STARTS = ("from the starting capital", "from the first session")
_BELOW = (
    "downside over all sessions", "downside over losing sessions", "std of losing sessions ddof 1",
    "std of losing sessions ddof 0",
)  # fmt: skip
_YEARLY = ("geometric", "arithmetic", "geometric, calendar years", "total return")
_TAILS = ("historical", "historical, lower value", "normal ddof 1", "normal ddof 0")
_MOMENTS = ("population", "sample-corrected")
_SPANS = ("peak to recovery", "peak to trough", "trough to recovery")
_OF_SPANS = ("the longest of all", "of the deepest", "mean of all")
_UNITS = ("calendar days", "sessions", "months of 30.44 days", "months of 21 sessions")


def _signed(value: float, choice: Choice) -> float:
    return value if choice["sign"] == _SIGNS[0] else -value


def _drawdown(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    started = choice["start"] == _STARTS[0]
    if choice["sampled"] == "month ends":
        path = monthly(material, choice["basis"], FORM[0])
        return _signed(drawdown_of(path, choice["mean"], True), choice) if started else None
    depth = drawdown_of(values, choice["mean"], started)
    return None if not started and drawdown_of(values, choice["mean"], True) == depth else _signed(depth, choice)


def _duration(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    """Length of drawdowns; one that has not ended counts to the last session."""
    in_days = choice["unit"] in (_UNITS[0], _UNITS[2])
    dates = material.dates
    if (in_days and (dates is None or len(dates) != len(values))) or (values <= -1.0).any():
        return None
    spans = drawdown_spans(values)
    if not spans:
        return None
    # The starting capital is a peak before the first session: as many sessions, and of the first date.
    at = np.arange(len(values) + 1.0)
    if in_days and dates is not None:
        at = np.concatenate([[0.0], (dates - dates[0]) / np.timedelta64(1, "D")])
    ends = {"peak to recovery": (0, 2), "peak to trough": (0, 1), "trough to recovery": (1, 2)}[choice["span"]]
    lengths = [float(at[span[:3][ends[1]]] - at[span[:3][ends[0]]]) for span in spans]
    deepest = min(range(len(spans)), key=lambda index: spans[index][3])
    length = {_OF_SPANS[0]: max(lengths), _OF_SPANS[1]: lengths[deepest], _OF_SPANS[2]: sum(lengths) / len(lengths)}
    return length[choice["of"]] / {_UNITS[2]: 365.25 / 12, _UNITS[3]: 21.0}.get(choice["unit"], 1.0)


def _sortino(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    rate, compounds = rates_of(material)[choice["risk_free"]]
    if choice["target"] != "below 0" and not rate:
        return None
    periods = 12.0
    if choice["periods"] != PERIODS[4]:
        periods = float(choice["periods"])
    elif choice["days"] == DAYS[0]:
        values = monthly(material, choice["basis"], FORM[0])
    else:
        return None
    each = math.expm1(math.log1p(rate) / periods) if compounds else rate / periods
    beneath = values if choice["target"] == "below 0" else values - each
    losses = beneath[beneath < 0]
    if len(losses) < 2:
        return None
    kind = _BELOW.index(choice["downside"])
    if kind < 2:
        under = math.sqrt(float((losses**2).sum()) / (len(values) if kind == 0 else len(losses)))
    else:
        under = float(losses.std(ddof=3 - kind))
    if not under > 0:
        return None
    yearly = (values.mean() - each) * periods if choice["mean"] == "arithmetic" else growth(values, periods)
    if yearly is None:
        return None
    yearly = yearly if choice["mean"] == "arithmetic" else yearly - rate
    return float(yearly / (under * math.sqrt(periods)))


def _calmar(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    periods, kind = float(choice["periods"]), _YEARLY.index(choice["mean"])
    path = monthly(material, choice["basis"], FORM[0]) if "month" in choice["drawdown"] else values
    depth = -drawdown_of(path, choice["drawdown"].split()[0], True)
    if kind >= 2:
        years = calendar_years(material) if kind == 2 else 1.0
        if years is None or choice["periods"] != annual_of(material)[0]:
            return None
        periods = len(values) / years
    yearly = values.mean() * periods if kind == 1 else growth(values, periods)
    return None if yearly is None or not depth > 0 else float(yearly / depth)


def _tail(values: np.ndarray, choice: Choice, _: Material, mean_of_tail: bool) -> float | None:
    if len(values) < 2:
        return None
    share, kind = 0.01 if choice["level"] == "99%" else 0.05, _TAILS.index(choice["method"])
    if choice["level"] == TWO:
        return _signed(float(values.mean() - 2 * values.std(ddof=3 - kind)), choice) if kind >= 2 else None
    if kind >= 2:
        from statistics import NormalDist

        z = NormalDist().inv_cdf(share)
        value = values.mean() + values.std(ddof=3 - kind) * (-NormalDist().pdf(z) / share if mean_of_tail else z)
        return _signed(float(value), choice)
    value = float(np.quantile(values, share, method="linear" if kind == 0 else "lower"))
    return _signed(float(values[values <= value].mean()) if mean_of_tail else value, choice)


def _moment(values: np.ndarray, choice: Choice, _: Material, order: int) -> float | None:
    n, centred = len(values), values - values.mean()
    m2 = float((centred**2).mean())
    if m2 <= 0 or n < 4:
        return None
    corrected = choice["moment"] == _MOMENTS[1]
    if order == 3:
        g = float((centred**3).mean()) / m2**1.5
        return float(g * math.sqrt(n * (n - 1)) / (n - 2)) if corrected else g
    excess = float((centred**4).mean()) / m2**2 - 3.0
    if corrected:
        excess = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * excess + 6)
    return excess + (3.0 if choice["mean"].startswith("raw") else 0.0)


#: Canonical metric -> its row; a path's own conventions first.
RISK_STATISTICS = (
    of_returns("max_drawdown", _drawdown, mean=("compounded", "additive"), start=_STARTS,
               sampled=("every session", "month ends"), sign=_SIGNS),
    of_returns("drawdown_duration", _duration, unit=_UNITS, span=_SPANS, of=_OF_SPANS),
    of_returns("sortino", _sortino, downside=_BELOW, mean=("arithmetic", "geometric"),
               periods=lambda m: (*annual_of(m), PERIODS[4]), target=("below 0", "below the risk-free rate"),
               risk_free=lambda m: tuple(rates_of(m)), days=DAYS),
    of_returns("calmar", _calmar, mean=_YEARLY,
               drawdown=("compounded drawdown", "additive drawdown", "compounded drawdown of month ends"),
               periods=annual_of),
    *(of_returns(name, partial(_tail, mean_of_tail=mean), level=levels, method=_TAILS, sign=_SIGNS, form=FORM,
                 days=DAYS)
      for name, mean, levels in (("var", False, ("95%", "99%", TWO)), ("cvar", True, ("95%", "99%")))),
    *(of_returns(name, partial(_moment, order=order), moment=_MOMENTS, mean=means, form=FORM, days=DAYS)
      for name, order, means in (("skewness", 3, ("raw",)), ("kurtosis", 4, ("raw (normal 3)", "excess (normal 0)")))),
)  # fmt: skip


_ANNUAL_MEANS = (
    "geometric", "arithmetic", "mean log return", "geometric, calendar years", "summed, calendar years",
    "mean month times 12",
)  # fmt: skip
_SESSIONS_WON = (
    "per session, of all sessions", "per session, flat ones left out", "per session, flat ones counted as hits",
    "per month",
)  # fmt: skip
TRADING = "sessions that trade"
_SIGNED = ("signed", "printed positive")


def return_readings(metric: str, material: Material) -> tuple[Reading, ...]:
    """All readings of a metric of a return series; empty where the material cannot give it.

    The project's own convention first.
    """
    row = RETURN_METRICS.get(metric)
    return row.readings(material) if row is not None else ()


def _sharpe(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    """sqrt(P)·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    by_month = choice["periods"] == PERIODS[4]
    if by_month:
        if choice["days"] != DAYS[0]:
            return None
        values = monthly(material, choice["basis"], choice["form"])
    if choice["mean"] == "geometric" and (choice["form"] == FORM[1] or choice["periods"] == PERIODS[5]):
        return None
    periods = 12.0 if by_month else 1.0 if choice["periods"] == PERIODS[5] else float(choice["periods"])
    rate, compounds = rates_of(material)[choice["risk_free"]]
    if choice["periods"] == PERIODS[5] and rate:
        return None
    if compounds and choice["mean"] == "arithmetic":
        rate = periods * math.expm1(math.log1p(rate) / periods)
    deviation = spread(values, choice)
    if not deviation > FLAT:
        return None
    if choice["mean"] == "arithmetic":
        return float((values.mean() - rate / periods) / deviation * math.sqrt(periods))
    grown = growth(values, periods)
    return None if grown is None else (grown - rate) / (deviation * math.sqrt(periods))


def _sharpe_row(name: str, only: str = "") -> Statistic:
    return of_returns(
        name, _sharpe, only=only, mean=("arithmetic", "geometric"), ddof=DDOF,
        periods=lambda material: (*annual_of(material), *PERIODS[4:]), form=FORM,
        risk_free=lambda material: tuple(rates_of(material)), days=DAYS,
    )  # fmt: skip


def _annual_return(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    kind, periods = _ANNUAL_MEANS.index(choice["mean"]), float(choice["periods"])
    if kind == 1:
        return float(values.mean() * periods)
    if (values <= -1.0).any():
        return None
    if kind == 2:
        return float(np.log1p(values).mean() * periods)
    if kind == 0:
        return growth(values, periods)
    if choice["periods"] != annual_of(material)[0] or choice["days"] != DAYS[0]:
        return None
    if kind == 5:
        return float(monthly(material, choice["basis"], FORM[0]).mean() * 12)
    years = calendar_years(material)
    if years is None:
        return None
    return math.expm1(float(np.log1p(values).sum()) / years) if kind == 3 else float(values.sum()) / years


def _total_return(values: np.ndarray, choice: Choice, _: Material) -> float | None:
    if choice["mean"] == "summed":
        return float(values.sum())
    if (values <= -1.0).any():
        return None
    total = float(np.log1p(values).sum())
    return math.expm1(total) if choice["mean"] == "compounded" else total


def _volatility(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    if choice["periods"] != PERIODS[4]:
        return spread(values, choice) * math.sqrt(float(choice["periods"]))
    if choice["days"] != DAYS[0]:
        return None
    return spread(monthly(material, choice["basis"], choice["form"]), choice) * math.sqrt(12)


def _mean(values: np.ndarray, choice: Choice, _: Material) -> float | None:
    if choice["mean"] == "arithmetic":
        return float(values.mean()) if len(values) else None
    if (values <= -1.0).any() or not len(values):
        return None
    log = float(np.log1p(values).mean())
    return math.expm1(log) if choice["mean"] == "geometric" else log


def _hit(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    """Winning sessions or months; where trades are known the hit rates of those count instead."""
    kind = _SESSIONS_WON.index(choice["counted"])
    if material.outcomes is not None:
        return None
    if kind == 3:
        return float((monthly(material, choice["basis"], FORM[0]) > 0).mean())
    if kind == 0:
        return float((values > 0).mean())
    if not (values == 0).any():
        return None
    if kind == 2:
        return float((values >= 0).mean())
    moved = values[values != 0]
    return float((moved > 0).mean()) if len(moved) else None


def _turnover(material: Material, choice: Choice) -> float | None:
    traded = np.empty(0) if material.turnover is None else material.turnover
    if choice["days"] != TRADING:
        return turnover_of(traded, choice)
    if not (traded == 0).any() or choice["periods"] != "a session":
        return None
    return turnover_of(traded[traded > 0], choice)


def _worst(values: np.ndarray, choice: Choice) -> float:
    worst = float(values.min())
    return abs(worst) if choice["sign"] == _SIGNED[1] else worst


#: Canonical metric -> its row.
RETURN_METRICS: Mapping[str, Statistic] = by_name(
    _sharpe_row("sharpe"),
    _sharpe_row("sharpe_gross", "gross"),
    *(of_returns(name, _annual_return, only=only, mean=_ANNUAL_MEANS, periods=annual_of, days=DAYS)
      for name, only in (("annual_return", ""), ("annual_return_gross", "gross"))),
    of_returns("total_return", _total_return, fewest=1, mean=("compounded", "summed", "log returns summed")),
    of_returns("annual_volatility", _volatility, ddof=DDOF, periods=lambda m: (*annual_of(m), PERIODS[4]), form=FORM,
               days=DAYS),
    of_returns("return_std", lambda values, choice, _: spread(values, choice), ddof=DDOF, form=FORM, days=DAYS),
    of_returns("mean_return", _mean, mean=("arithmetic", "geometric", "mean log return"), days=DAYS),
    *RISK_STATISTICS,
    of_returns("win_rate", _hit, counted=_SESSIONS_WON),
    Statistic("turnover", lambda m: {} if m.turnover is None else turnover_grid(m, TRADING), _turnover),
    of_returns("best_day", lambda values, *_: float(values.max()), form=FORM, sign=("",)),
    of_returns("worst_day", lambda values, choice, _: _worst(values, choice), form=FORM, sign=_SIGNED),
    *RELATIVE_STATISTICS,
    Statistic("sessions", lambda m: {"basis": bases_of(m)[:1]},
              lambda m, choice: float(len(m.series[choice["basis"]]))),
)  # fmt: skip
