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
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from assay.audit.recompute.conventions import DDOF, PERIODS, Choice, Dimensions, Material, Statistic, statistic
from assay.data.conventions import FLAT

__all__ = ["FORM", "RELATIVE_STATISTICS", "RETURN_STATISTICS", "monthly", "turnover_grid", "turnover_of"]

_ANNUAL = PERIODS[:4]
DAYS = ("all sessions", "without flat sessions")
FORM = ("simple returns", "log returns")
#: Annual risk-free rates tried beside the stated one.
RISK_FREE = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
#: Sessions taken for a month where no dates are known.
MONTH = 21


def annual_of(material: Material) -> tuple[str, ...]:
    """Returns a year, the material's own first where they are not daily."""
    own = () if material.per_year is None else (str(material.per_year),)
    return tuple(dict.fromkeys((*own, *_ANNUAL)))


def bases_of(material: Material, only: str = "", fewest: int = 2) -> tuple[str, ...]:
    """Names of the series of at least so many returns, each distinct one once."""
    names = [name for name in material.series if not only or only in name]
    kept: list[str] = []
    for name in names:
        values = material.series[name]
        if len(values) >= fewest and not any(np.array_equal(values, material.series[other]) for other in kept):
            kept.append(name)
    return tuple(kept)


def values_of(material: Material, choice: Choice) -> np.ndarray:
    values = material.series[choice["basis"]]
    if choice.get("days") == DAYS[1]:
        values = values[values != 0.0]
    return np.log1p(values) if choice.get("form") == FORM[1] else values


def monthly(material: Material, basis: str, form: str) -> np.ndarray:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    logs = np.log1p(material.series[basis])
    if material.dates is not None and len(material.dates) == len(logs):
        months = material.dates.astype("datetime64[M]").astype(int)
    else:
        months = np.arange(len(logs)) // MONTH
    _, labels = np.unique(months, return_inverse=True)
    sums = np.bincount(labels, weights=logs)
    return sums if form == FORM[1] else np.expm1(sums)


def rates_of(material: Material) -> dict[str, tuple[float, bool]]:
    """Words -> (annual risk-free rate, whether a session's part of it compounds); the stated rate right after 0."""
    stated = () if material.risk_free is None else (material.risk_free,)
    rates = {f"rf {100 * rate:g}%": (rate, False) for rate in dict.fromkeys((0.0, *stated, *RISK_FREE))}
    return rates | {f"rf {100 * rate:g}% compounded": (rate, True) for rate in stated if rate}


def calendar_years(material: Material) -> float | None:
    """Years of 365.25 days from the first date to the last; None without dates."""
    if material.dates is None or len(material.dates) < 2:
        return None
    years = float((material.dates[-1] - material.dates[0]) / np.timedelta64(1, "D")) / 365.25
    return years if years > 0 else None


def spread(values: np.ndarray, choice: Choice) -> float:
    ddof = 0 if choice["ddof"] == DDOF[1] else 1
    return float(values.std(ddof=ddof)) if len(values) > ddof else math.nan


def growth(values: np.ndarray, periods: float) -> float | None:
    """Compound growth a year."""
    if not len(values) or (values <= -1.0).any():
        return None
    return float(math.expm1(np.log1p(values).sum() * periods / len(values)))


def drawdown_of(values: np.ndarray, method: str, start: bool) -> float:
    """Deepest fall below the running peak; additive in units of constant capital, else as a share of the peak."""
    if method == "additive":
        path = np.cumsum(values)
        path = np.concatenate([[0.0], path]) if start else path
        return float((path - np.maximum.accumulate(path)).min())
    path = np.cumprod(1.0 + values)
    path = np.concatenate([[1.0], path]) if start else path
    return float((path / np.maximum.accumulate(path) - 1.0).min())


def drawdown_spans(values: np.ndarray) -> list[tuple[int, int, int, float]]:
    """Every drawdown of the compounded path: peak, trough, recovery and depth.

    Positions count from 0, the capital before the first session; a drawdown that has not ended ends with the last one.

    Examples
    --------
    >>> drawdown_spans(np.array([0.1, -0.2, 0.1, 0.3, -0.05]))
    [(1, 2, 4, -0.2), (4, 5, 5, -0.05)]

    """
    path = np.concatenate([[1.0], np.cumprod(1.0 + values)])
    high = np.maximum.accumulate(path)
    below = path < high
    edges = np.flatnonzero(np.diff(np.concatenate([[False], below, [False]]).astype(np.int8)))
    spans = []
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        trough = first + int(np.argmin(path[first:after]))
        depth = float(path[trough] / high[trough] - 1.0)
        spans.append((int(first) - 1, int(trough), min(int(after), len(path) - 1), round(depth, 15)))
    return spans


def turnover_grid(material: Material, *more: str) -> Dimensions:
    """Ways to print a turnover: of one side or both, over which stretch, of which sessions."""
    years = [f"a year of {count}" for count in annual_of(material)]
    return {
        "way": ("one-way", "two-way"),
        "periods": ("a session", "a week of 5", "a month of 21", *years, "in all"),
        "days": ("all sessions", "without the first", *more),
    }


def turnover_of(traded: np.ndarray, choice: Choice) -> float | None:
    """The mean of one-way turnovers a session, as the choice has it."""
    values = traded[1:] if choice["days"] == "without the first" else traded
    scale = {"a session": 1.0, "in all": float(len(values))}.get(choice["periods"])
    scale = float(choice["periods"].rsplit(" ", 1)[1]) if scale is None else scale
    return float(values.mean() * scale * (2.0 if choice["way"] == "two-way" else 1.0)) if len(values) else None


def of_returns(
    figure: Callable[[np.ndarray, Choice, Material], float | None],
    bases: Callable[[Material], tuple[str, ...]] = bases_of,
    **dimensions: Sequence[str] | Callable[[Material], Iterable[str]],
) -> Statistic:
    """A statistic of the return series of a material.

    Parameters
    ----------
    figure : ((T,) returns as the choice has them, choice, material) -> value.
    bases : the names of the series that count.
    dimensions : the grid beside the series, choices or those that a material has; those named ``form`` and ``days`` are
        applied before `figure` sees the returns.

    """

    def grid(material: Material) -> Dimensions:
        names = bases(material)
        given = {name: tuple(own(material)) if callable(own) else own for name, own in dimensions.items()}
        return {"basis": names, **given} if names else {}

    def idle(material: Material) -> tuple[str, ...]:
        flat = any((material.series[name] == 0.0).any() for name in bases(material))
        return () if flat or "days" not in dimensions else ("days",)

    return statistic(grid, lambda m, choice: figure(values_of(m, choice), choice, m), idle)


_TOTAL, _ACTIVE = "over the whole period", ("return less benchmark", "residual of the regression")
_ALPHA = ("arithmetic", "compounded", "of the annual growth rates")
_SLOPES = ("one ddof", "covariance ddof 1 over variance ddof 0")


def _beside(material: Material) -> tuple[str, ...]:
    """The series that have a benchmark of the same sessions."""
    market = material.benchmark
    if market is None or len(market) < 3 or not market.var() > 0:
        return ()
    return tuple(name for name in bases_of(material) if len(material.series[name]) == len(market))


def _market(material: Material) -> np.ndarray:
    return np.empty(0) if material.benchmark is None else material.benchmark


def _slope(values: np.ndarray, market: np.ndarray, mixed: bool = False) -> float:
    return float(np.cov(values, market, ddof=1)[0, 1] / market.var(ddof=0 if mixed else 1))


def _alpha(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    market = _market(material)
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


def _information(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    market = _market(material)
    active = values - (1.0 if choice["active"] == _ACTIVE[0] else _slope(values, market)) * market
    deviation = float(active.std(ddof=0 if choice["ddof"] == DDOF[1] else 1))
    periods = 1.0 if choice["periods"] == "not annualised" else float(choice["periods"])
    return float(active.mean() / deviation * math.sqrt(periods)) if deviation > FLAT else None


def _yearly(values: np.ndarray, choice: Choice) -> float | None:
    """Growth or sum of returns, a year or in all."""
    periods = float(len(values)) if choice["periods"] == _TOTAL else float(choice["periods"])
    return growth(values, periods) if choice["mean"] == "geometric" else float(values.mean() * periods)


def _excess(values: np.ndarray, choice: Choice, material: Material) -> float | None:
    own, other = _yearly(values, choice), _yearly(_market(material), choice)
    return None if own is None or other is None else own - other


def _with(*more: str) -> Callable[[Material], tuple[str, ...]]:
    return lambda material: (*annual_of(material), *more)


#: Metrics of a series beside its benchmark.
RELATIVE_STATISTICS: Mapping[str, Statistic] = {
    "alpha": of_returns(_alpha, _beside, mean=_ALPHA, periods=_with("a session"), risk_free=rates_of),
    "beta": of_returns(lambda values, choice, m: _slope(values, _market(m), choice["ddof"] != _SLOPES[0]), _beside,
                       ddof=_SLOPES),
    "information_ratio": of_returns(_information, _beside, active=_ACTIVE, ddof=DDOF,
                                    periods=_with("not annualised")),
    "excess_return": of_returns(_excess, _beside, mean=("geometric", "arithmetic"), periods=_with(_TOTAL)),
    # The benchmark is the same beside every series.
    "benchmark_return": statistic(
        lambda m: {"mean": ("geometric", "arithmetic"), "periods": _with(_TOTAL)(m)} if _beside(m) else {},
        lambda m, choice: _yearly(_market(m), choice)),
}  # fmt: skip


#: The value at risk of pyfolio's table: the mean less two deviations, whatever share of days that is.
TWO = "two deviations"
_SIGNS = ("negative", "printed positive")
_STARTS = ("from the starting capital", "from the first session")
_BELOW = (
    "downside over all sessions", "downside over losing sessions", "std of losing sessions ddof 1",
    "std of losing sessions ddof 0",
)  # fmt: skip
_YEARLY = ("geometric", "arithmetic", "geometric, calendar years", "total return")
_FALLS = ("compounded drawdown", "additive drawdown", "compounded drawdown of month ends")
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


def _worst(values: np.ndarray, choice: Choice, _: Material) -> float:
    worst = float(values.min())
    return abs(worst) if choice["sign"] == _SIGNED[1] else worst


_GROSS = partial(bases_of, only="gross")
_SHARPE: dict[str, Any] = {
    "mean": ("arithmetic", "geometric"), "ddof": DDOF, "periods": lambda m: (*annual_of(m), *PERIODS[4:]), "form": FORM,
    "risk_free": rates_of, "days": DAYS,
}  # fmt: skip
_ANNUAL_RETURN: dict[str, Any] = {"mean": _ANNUAL_MEANS, "periods": annual_of, "days": DAYS}
_OR_MONTHLY = lambda m: (*annual_of(m), PERIODS[4])  # noqa: E731
#: Canonical metric -> its readings.
RETURN_STATISTICS: Mapping[str, Statistic] = {
    "sharpe": of_returns(_sharpe, **_SHARPE),
    "sharpe_gross": of_returns(_sharpe, _GROSS, **_SHARPE),
    "annual_return": of_returns(_annual_return, **_ANNUAL_RETURN),
    "annual_return_gross": of_returns(_annual_return, _GROSS, **_ANNUAL_RETURN),
    "total_return": of_returns(_total_return, partial(bases_of, fewest=1),
                               mean=("compounded", "summed", "log returns summed")),
    "annual_volatility": of_returns(_volatility, ddof=DDOF, periods=_OR_MONTHLY, form=FORM, days=DAYS),
    "return_std": of_returns(lambda values, choice, _: spread(values, choice), ddof=DDOF, form=FORM, days=DAYS),
    "mean_return": of_returns(_mean, mean=("arithmetic", "geometric", "mean log return"), days=DAYS),
    "max_drawdown": of_returns(_drawdown, mean=("compounded", "additive"), start=_STARTS,
                               sampled=("every session", "month ends"), sign=_SIGNS),
    "drawdown_duration": of_returns(_duration, unit=_UNITS, span=_SPANS, of=_OF_SPANS),
    "sortino": of_returns(_sortino, downside=_BELOW, mean=("arithmetic", "geometric"), periods=_OR_MONTHLY,
                          target=("below 0", "below the risk-free rate"), risk_free=rates_of,
                          days=DAYS),
    "calmar": of_returns(_calmar, mean=_YEARLY, drawdown=_FALLS, periods=annual_of),
    "var": of_returns(partial(_tail, mean_of_tail=False), level=("95%", "99%", TWO), method=_TAILS, sign=_SIGNS,
                      form=FORM, days=DAYS),
    "cvar": of_returns(partial(_tail, mean_of_tail=True), level=("95%", "99%"), method=_TAILS, sign=_SIGNS, form=FORM,
                       days=DAYS),
    "skewness": of_returns(partial(_moment, order=3), moment=_MOMENTS, mean=("raw",), form=FORM, days=DAYS),
    "kurtosis": of_returns(partial(_moment, order=4), moment=_MOMENTS, mean=("raw (normal 3)", "excess (normal 0)"),
                           form=FORM, days=DAYS),
    "win_rate": of_returns(_hit, counted=_SESSIONS_WON),
    "turnover": statistic(lambda m: {} if m.turnover is None else turnover_grid(m, TRADING), _turnover),
    "best_day": of_returns(lambda values, *_: float(values.max()), form=FORM, sign=("",)),
    "worst_day": of_returns(_worst, form=FORM, sign=_SIGNED),
    **RELATIVE_STATISTICS,
    "sessions": statistic(lambda m: {"basis": bases_of(m)[:1]}, lambda m, c: float(len(m.series[c["basis"]]))),
}  # fmt: skip
