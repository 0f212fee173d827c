"""Figures of returns, alone and against a benchmark, of weights and of closed trades, under ``conventions.toml``.

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
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np

from assay.audit.recompute.conventions import GRID, Choice, Material, Statistic
from assay.data.conventions import FLAT, SESSIONS_A_YEAR, Floats

__all__ = ["BOOK_STATISTICS", "RELATIVE_STATISTICS", "RETURN_STATISTICS", "monthly"]

Figure = Callable[[Floats, Choice], float]
Cases = Callable[[Choice], Sequence[Floats]]
#: Annual risk-free rates tried beside the stated one.
RISK_FREE = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
#: Sessions taken for a month where no dates are known.
MONTH = 21


def monthly(material: Material, basis: str, form: str = "") -> Floats:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    values = material.series[basis]
    months = np.arange(len(values)) // MONTH
    if material.dates is not None and len(material.dates) == len(values):
        months = material.dates.astype("datetime64[M]").astype(int)
    with np.errstate(divide="ignore"):
        sums = np.bincount(np.unique(months, return_inverse=True)[1], weights=np.log1p(values))
    return np.asarray(sums if form == "log returns" else np.expm1(sums), dtype=np.float64)


def _years(material: Material) -> list[str]:
    """Returns a year, the material's own first where they are not daily."""
    own = [] if material.per_year is None else [str(material.per_year)]
    return list(dict.fromkeys((*own, "252", "250", "260", "365")))


def _bases(material: Material, only: str = "", fewest: int = 2) -> list[str]:
    """Names of the series of at least so many returns, each distinct one once."""
    kept: dict[bytes, str] = {}
    for name, values in material.series.items():
        if only in name and len(values) >= fewest:
            kept.setdefault(values.tobytes(), name)
    return list(kept.values())


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
    once = {"monthly √12": 12.0, "not annualised": 1.0, "a session": 1.0}
    once |= dict.fromkeys(("over the whole period", "in all"), float(count))
    return once[choice["periods"]] if choice["periods"] in once else float(choice["periods"])


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
    values, months = choice.material.series[choice["basis"]], choice.get("periods") == "monthly √12"
    if choice.get("days") == "without flat sessions":
        values = values[:0] if months else values[values != 0.0]
    elif months:
        return [monthly(choice.material, choice["basis"], choice.get("form", ""))]
    return [np.log1p(values) if choice.get("form") == "log returns" else values]


def _sharpe(values: Floats, choice: Choice) -> float:
    """√P·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    (earned, rate, _), deviation = _above_rate(values, choice), _std(values, choice)
    bare, compound = choice["periods"] == "not annualised", choice["mean"] == "geometric"
    meant = not (bare and (rate or compound)) and not (compound and choice["form"] == "log returns")
    return earned / deviation if deviation > FLAT and meant else math.nan


def _annual_return(values: Floats, choice: Choice) -> float:
    material, (how, _, over) = choice.material, choice["mean"].partition(", ")
    if over and (choice["periods"] != _years(material)[0] or choice.get("days") == "without flat sessions"):
        return math.nan
    if over == "mean month times 12":
        values = monthly(material, choice["basis"])
    once = {"mean month times 12": 12.0, "calendar years": len(values) / _calendar_years(material)}
    once["total return"] = float(len(values))
    return _earned(values, how, once[over] if over else float(choice["periods"]))


def _signed(value: float, choice: Choice) -> float:
    return -value if choice.get("sign") == "printed positive" else value


def _fall(values: Floats, method: str, start: bool = True) -> float:
    """Deepest fall below the running peak; additive in units of constant capital, else as a share of the peak."""
    additive = method == "additive"
    path = np.concatenate([[0.0], np.cumsum(values)]) if additive else np.concatenate([[1.0], np.cumprod(1 + values)])
    path = path if start else path[1:]
    high = np.maximum.accumulate(path)
    return float((path - high if additive else path / high - 1.0).min())


def _drawdown(values: Floats, choice: Choice) -> float:
    months, started = choice["sampled"] == "month ends", choice["start"] == "from the starting capital"
    path = monthly(choice.material, choice["basis"]) if months else values
    depth = _fall(path, choice["mean"], started)
    again = not started and (months or depth == _fall(path, choice["mean"]))
    return math.nan if again else _signed(depth, choice)


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
    units = {"months of 30.44 days": 365.25 / 12, "months of 21 sessions": 21.0}
    return float(of.get(choice["of"], lengths.mean())) / units.get(choice["unit"], 1.0)


def _sortino(values: Floats, choice: Choice) -> float:
    earned, rate, each = _above_rate(values, choice)
    above_rate, kind = choice["target"] == "below the risk-free rate", choice["downside"]
    losses = values - each if above_rate else values
    losses = losses[losses < 0]
    if len(losses) < 2 or (above_rate and not rate):
        return math.nan
    count = len(values) if kind.endswith("all sessions") else len(losses)
    root = math.sqrt(float((losses**2).sum()) / count)
    spread = float(losses.std(ddof=int(kind[-1]))) if kind.startswith("std") else root
    return earned / spread if spread > 0 else math.nan


def _calmar(values: Floats, choice: Choice) -> float:
    path = monthly(choice.material, choice["basis"]) if "month" in choice["drawdown"] else values
    depth = -_fall(path, choice["drawdown"].split()[0])
    return _annual_return(values, choice) / depth if depth > 0 else math.nan


def _tail(values: Floats, choice: Choice, *, mean_of_tail: bool) -> float:
    share, method, normal = 0.01 if choice["level"] == "99%" else 0.05, choice["method"], NormalDist()
    deviations = choice["level"] == "two deviations"
    if method.startswith("normal") and len(values) > 1:
        z = -2.0 if deviations else normal.inv_cdf(share)
        times = -normal.pdf(z) / share if mean_of_tail else z
        return _signed(float(values.mean()) + _std(values, Choice(choice.material, {"ddof": method})) * times, choice)
    if deviations or len(values) < 2:
        return math.nan
    value = float(np.quantile(values, share, method="linear" if method == "historical" else "lower"))
    return _signed(float(values[values <= value].mean()) if mean_of_tail else value, choice)


def _moment(values: Floats, choice: Choice, *, fourth: bool) -> float:
    from scipy.stats import kurtosis, skew

    if len(values) < 4 or not values.std() > FLAT:
        return math.nan
    biased, excess = choice["moment"] == "population", choice["mean"].startswith("excess")
    return float(kurtosis(values, fisher=excess, bias=biased) if fourth else skew(values, bias=biased))


def _beside(material: Material) -> list[str]:
    """The series that have a benchmark of the same sessions."""
    market = material.benchmark
    varies = len(market) > 2 and market.var() > 0
    return [name for name in _bases(material) if varies and len(material.series[name]) == len(market)]


def _beta(values: Floats, choice: Choice) -> float:
    market, mixed = choice.material.benchmark, choice.get("ddof", "one ddof") != "one ddof"
    return float(np.cov(values, market)[0, 1] / market.var(ddof=0 if mixed else 1))


def _alpha(values: Floats, choice: Choice) -> float:
    market, beta, periods = choice.material.benchmark, _beta(values, choice), _periods(choice, len(values))
    rate, each = _rate(choice, periods)
    if choice["periods"] == "a session" and (rate or choice["mean"] != "arithmetic"):
        return math.nan
    if choice["mean"] == "of the annual growth rates":
        return _earned(values, "", periods) - rate - beta * (_earned(market, "", periods) - rate)
    session = float(values.mean() - each - beta * (market.mean() - each))
    return session * periods if choice["mean"] == "arithmetic" else math.expm1(periods * math.log1p(session))


def _information(values: Floats, choice: Choice) -> float:
    slope = 1.0 if choice["active"] == "return less benchmark" else _beta(values, Choice(choice.material, {}))
    active = values - slope * choice.material.benchmark
    deviation = _std(active, choice)
    return float(active.mean()) / deviation * math.sqrt(_periods(choice, 0)) if deviation > FLAT else math.nan


_OVER: dict[str, Callable[[Floats], Any]] = {
    "mean of sessions": np.mean, "median of sessions": np.median, "largest": np.max, "smallest": np.min,
    "last session": lambda values: values[-1],
}  # fmt: skip


def _held(choice: Choice) -> list[Floats]:
    """(T, N) weights, 0 where there is no position."""
    held = np.nan_to_num(choice.material.weights)
    return [held[(held != 0).any(axis=1)] if choice["days"] == "sessions with a position" else held]


def _exposure(of: Callable[[Floats], Floats]) -> Figure:
    """What the sessions' weights (N,) amount to."""
    return lambda weights, choice: float(_OVER[choice["counted"]](of(weights)))


def _traded(material: Material) -> Floats:
    """(T,) one-way turnover, measured or of the stated weights."""
    held = np.nan_to_num(material.weights)
    moved = 0.5 * np.abs(np.diff(held, axis=0, prepend=np.zeros_like(held[:1]))).sum(axis=1)
    return material.turnover if len(material.turnover) else moved


def _turned(choice: Choice) -> list[Floats]:
    traded, days = _traded(choice.material), choice["days"]
    if days == "sessions that trade":
        return [traded[traded > 0] if choice["periods"] == "a session" else traded[:0]]
    return [traded[1:] if days == "without the first" else traded]


def _turnover(traded: Floats, choice: Choice) -> float:
    stretch = choice["periods"]
    scale = len(traded) if stretch == "in all" else float(stretch.split()[-1]) if " of " in stretch else 1.0
    return float(traded.mean()) * scale * (2.0 if choice["way"] == "two-way" else 1.0)


def _given(material: Material) -> list[str]:
    """What was given of closed trades; those of a book that was simulated here count for nothing."""
    given = {"closed trades": material.trades, "closed trades, in money": material.profits}
    return [words for words, values in given.items() if len(values) and not material.panels]


def _closed(choice: Choice, side: float = 0.0) -> list[Floats]:
    """What trades came to, in return or in money: all of them, or the winning or losing ones."""
    values = choice.material.profits if choice["counted"].endswith("money") else choice.material.outcomes
    return [values[side * values > 0] if side else values]


def _average(values: Floats, choice: Choice) -> float:
    return _signed(float(np.mean(values) if choice["mean"] == "mean" else np.median(values)), choice)


def _ratio(values: Floats, _: Choice, *, of: Callable[[Floats], float]) -> float:
    wins, losses = values[values > 0], values[values < 0]
    return float(of(wins) / -of(losses)) if len(wins) and len(losses) else math.nan


def _sharpe_of_trades(values: Floats, choice: Choice) -> float:
    once = {"√trades a year": len(values) / _calendar_years(choice.material), "not annualised": 1.0}
    a_year = once.get(choice["periods"], SESSIONS_A_YEAR)
    deviation = _std(values, choice)
    return float(values.mean()) / deviation * math.sqrt(a_year) if deviation > FLAT else math.nan


def _flat(material: Material) -> list[str]:
    flat = any((values == 0).any() for values in material.series.values())
    return ["all sessions", "without flat sessions"] if flat else [""]


def _empty_days(material: Material) -> list[str]:
    every = (np.nan_to_num(material.weights) != 0).any(axis=1).all()
    return [""] if every else ["all sessions", "sessions with a position"]


_SOURCES: Mapping[str, Callable[[Material], Sequence[str]]] = {
    "bases": _bases, "gross": partial(_bases, only="gross"), "any": partial(_bases, fewest=1), "years": _years,
    "first": lambda m: _bases(m)[:1], "rates": lambda m: [*_rates(m)], "days": _flat, "beside": _beside,
    "over": lambda m: [*_OVER], "held": _empty_days, "calendars": lambda m: [f"a year of {n}" for n in _years(m)],
    "trading": lambda m: ["sessions that trade"] if (_traded(m) == 0).any() else [],
    "trades": _given, "alone": lambda m: [] if m.series else _given(m),
    "numbers": lambda m: [*_given(m)[:1], *(["fills"] if _given(m) and m.fills else [])],
}  # fmt: skip


def _of(figures: Mapping[str, Figure], cases: Cases, fewest: int = 1) -> dict[str, Statistic]:
    return {name: Statistic(figure, GRID[name], cases, _SOURCES, fewest) for name, figure in figures.items()}


#: Metrics of a return series by canonical name: what another daily series of the same book would change.
RETURN_STATISTICS: Mapping[str, Statistic] = _of({
    "sharpe": _sharpe,
    "sharpe_gross": _sharpe,
    "annual_return": _annual_return,
    "annual_return_gross": _annual_return,
    "total_return": lambda values, choice: _earned(values, choice["mean"], len(values)),
    "annual_volatility": lambda values, choice: _std(values, choice) * math.sqrt(_periods(choice, len(values))),
    "return_std": _std,
    "mean_return": lambda values, choice: _earned(values, choice["mean"], 1.0),
    "max_drawdown": _drawdown,
    "drawdown_duration": _duration,
    "sortino": _sortino,
    "calmar": _calmar,
    "var": partial(_tail, mean_of_tail=False),
    "cvar": partial(_tail, mean_of_tail=True),
    "skewness": partial(_moment, fourth=False),
    "kurtosis": partial(_moment, fourth=True),
    "best_day": lambda values, _: float(values.max()),
    "worst_day": lambda values, choice: _signed(float(values.min()), choice),
}, _returns)  # fmt: skip
#: Metrics of a series beside its benchmark.
RELATIVE_STATISTICS: Mapping[str, Statistic] = _of({
    "alpha": _alpha,
    "beta": _beta,
    "information_ratio": _information,
    "excess_return": lambda values, choice: _total(values, choice) - _total(choice.material.benchmark, choice),
}, _returns) | _of({
    "benchmark_return": lambda values, choice: _total(values, choice) if _beside(choice.material) else math.nan,
}, lambda choice: [choice.material.benchmark])  # fmt: skip
#: Figures of the book itself: its weights, its trades and its costs.
BOOK_STATISTICS: Mapping[str, Statistic] = {
    **_of({
        "leverage": _exposure(lambda weights: np.abs(weights).sum(axis=1)),
        "net_exposure": _exposure(lambda weights: weights.sum(axis=1)),
        "positions_held": _exposure(lambda weights: (weights != 0).sum(axis=1)),
    }, _held),
    **_of({"turnover": _turnover}, _turned),
    **_of({"sessions": lambda values, _: len(values)}, _returns),
    "annual_cost": Statistic(
        lambda gross, net, choice: _total(gross, choice) - _total(net, choice), GRID["annual_cost"],
        lambda choice: [choice.material.series.get(name, np.empty(0)) for name in ("gross", "net")]),
    **_of({
        "trades": lambda values, choice: choice.material.fills if choice["counted"] == "fills" else len(values),
        "payoff_ratio": partial(_ratio, of=np.mean),
        "profit_factor": partial(_ratio, of=np.sum),
        "total_profit": lambda values, _: float(values.sum()),
        "expectancy": _average,
    }, _closed),
    **_of({"average_win": _average}, partial(_closed, side=1.0)),
    **_of({"average_loss": _average}, partial(_closed, side=-1.0)),
    **_of({
        "winning_trades": lambda values, _: len(values),
        "gross_profit": lambda values, _: float(values.sum()),
    }, partial(_closed, side=1.0), 0),
    **_of({
        "losing_trades": lambda values, _: len(values),
        "gross_loss": lambda values, choice: _signed(float(values.sum()), choice),
    }, partial(_closed, side=-1.0), 0),
    "sharpe": Statistic(_sharpe_of_trades, GRID["sharpe/trades"], _closed, _SOURCES),
}  # fmt: skip
