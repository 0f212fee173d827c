"""The figures that data give: of returns, books, trades and predictions, under the conventions of ``conventions.toml``.

References
----------
Sharpe (1994) for the ratio; Bacon (2008), Practical Portfolio Performance Measurement and Attribution, for the variants
in use; Sortino & Price (1994) for the downside deviation over all observations; Young (1991) for the Calmar ratio;
Rockafellar & Uryasev (2000) for the mean of the tail; Jensen (1968) for alpha; Grinold & Kahn (2000) for the
information ratio; Matthews (1975) for the correlation of calls; Brier (1950) for the score; Hanley & McNeil (1982) for
the area under the curve; Naeini, Cooper & Hauskrecht (2015) for the expected calibration error. Gross exposure is Σ|w|,
net exposure Σw, one-way turnover ½Σ|Δw| of the stated weights, without the drift between two rebalances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.stats import kurtosis, skew

from assay.audit.forensic import matrix_scores
from assay.audit.recompute.conventions import GRID, Choice, Material, Reading, Statistic
from assay.data.conventions import FLAT, SESSIONS_A_YEAR, Floats
from assay.results.stats import classification
from assay.results.stats.ranks import rank_correlation, row_correlation

__all__ = ["CLASS_METRICS", "OF_RETURNS", "OF_SIGNALS", "SIDE_METRICS", "STATISTICS", "readings_of"]

Figure = Callable[..., Any]
Cases = Callable[[Choice], Sequence[np.ndarray]]


def monthly(material: Material, basis: str, form: str = "") -> Floats:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    values = material.series[basis]
    months = np.arange(len(values)) // 21
    if len(material.dates) == len(values):
        months = material.dates.astype("datetime64[M]").astype(int)
    with np.errstate(divide="ignore"):
        sums = np.bincount(np.unique(months, return_inverse=True)[1], weights=np.log1p(values))
    return np.asarray(sums if form == "log returns" else np.expm1(sums), dtype=np.float64)


def _bases(material: Material, only: str = "") -> list[str]:
    """Names of the series, each distinct one once."""
    kept = {values.tobytes(): name for name, values in [*material.series.items()][::-1] if only in name}
    return [name for name in material.series if name in kept.values()]


def _rate(choice: Choice, periods: float) -> tuple[float, float]:
    """The risk-free rate of a year and of a period."""
    percent, _, compounds = choice.get("risk_free", "rf 0%").removeprefix("rf ").partition("%")
    rate = float(percent) / 100
    return rate, math.expm1(math.log1p(rate) / periods) if compounds else rate / periods


def _periods(choice: Choice, count: int) -> float:
    """Periods a year, or what else a choice scales by."""
    words, panel = choice.get("periods", "in all"), choice.material.panels.get(choice.get("timing", ""))
    named = {
        "monthly √12": 12.0, "not annualised": 1.0, "a session": 1.0, "in all": float(count),
        "√trades a year": count / choice.material.years,
        "√252 on trades, as if each were a session": SESSIONS_A_YEAR,
        "252 over the horizon": SESSIONS_A_YEAR / panel.horizon if panel and panel.horizon > 1 else math.nan,
    }  # fmt: skip
    return named[words] if words in named else float(words.split()[-1])


def _std(values: Floats, choice: Choice) -> float:
    return float(values.std(ddof=int(choice["ddof"][-1])))


def _earned(values: Floats, how: str, periods: float) -> float:
    """What returns come to over so many periods: in sum, compounded, or in logarithms."""
    if how in ("arithmetic", "summed"):
        return float(values.mean()) * periods
    logs = float(np.log1p(values).mean()) * periods if (values > -1.0).all() else math.nan
    return logs if "log" in how else math.expm1(logs)


def _total(values: Floats, choice: Choice) -> float:
    return _earned(values, choice["mean"], _periods(choice, len(values)))


def _above_rate(values: Floats, choice: Choice) -> tuple[float, float]:
    """Return a year above the risk-free rate over √periods, and that rate of a period."""
    periods, mean = _periods(choice, len(values)), choice.get("mean", "arithmetic")
    rate, each = _rate(choice, periods)
    taken = each * periods if mean == "arithmetic" else rate
    return (_earned(values, mean, periods) - taken) / math.sqrt(periods), each


def _returns(choice: Choice) -> list[Floats]:
    """The returns that the choice of series, days, form and months means."""
    if choice.get("periods") == "monthly √12":
        return [monthly(choice.material, choice["basis"], choice.get("form", ""))]
    values = choice.material.series[choice["basis"]]
    values = values[values != 0.0] if choice.get("days") == "without flat sessions" else values
    return [np.log1p(values) if choice.get("form") == "log returns" else values]


def _sharpe(values: Floats, choice: Choice) -> float:
    """√P·mean(r − rf)/std, or the compound annual return over the annual volatility."""
    deviation = _std(values, choice)
    return _above_rate(values, choice)[0] / deviation if deviation > FLAT else math.nan


def _annual_return(values: Floats, choice: Choice) -> float:
    material, (how, _, over) = choice.material, choice["mean"].partition(", ")
    if over == "mean month times 12":
        values = monthly(material, choice["basis"])
    once = {"mean month times 12": 12.0, "total return": float(len(values))}
    once["calendar years"] = len(values) / material.years
    return _earned(values, how, once[over] if over else float(choice["periods"]))


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
    return math.nan if not started and depth == _fall(path, choice["mean"]) else depth


def _duration(values: Floats, choice: Choice) -> float:
    """Length of drawdowns; one that has not ended counts to the last session."""
    # The starting capital is a peak before the first session: as many sessions, and of the first date.
    at, dates = np.arange(len(values) + 1.0), choice.material.dates
    if "days" in choice["unit"]:
        if len(dates) != len(values):
            return math.nan
        at = np.concatenate([[0.0], (dates - dates[0]) / np.timedelta64(1, "D")])
    path = np.concatenate([[1.0], np.cumprod(1.0 + values)])
    below = path / np.maximum.accumulate(path)
    spans = np.flatnonzero(np.diff(below < 1.0, prepend=False, append=False)).reshape(-1, 2)
    if not len(spans) or (values <= -1.0).any():
        return math.nan
    troughs = np.array([first + int(path[first:after].argmin()) for first, after in spans])
    points = {"peak": spans[:, 0] - 1, "trough": troughs, "recovery": np.minimum(spans[:, 1], len(values))}
    begin, end = choice["span"].split(" to ")
    lengths = at[points[end]] - at[points[begin]]
    of = {"the longest of all": lengths.max(), "of the deepest": lengths[below[troughs].round(15).argmin()]}
    units = {"months of 30.44 days": 365.25 / 12, "months of 21 sessions": 21.0}
    return float(of.get(choice["of"], lengths.mean())) / units.get(choice["unit"], 1.0)


def _sortino(values: Floats, choice: Choice) -> float:
    (earned, each), kind = _above_rate(values, choice), choice["downside"]
    losses = values - each if choice["target"] == "below the risk-free rate" else values
    losses = losses[losses < 0]
    if len(losses) < 2:
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
    if method.startswith("normal"):
        z = -2.0 if choice["level"] == "two deviations" else normal.inv_cdf(share)
        times = -normal.pdf(z) / share if mean_of_tail else z
        return float(values.mean() + values.std(ddof=int(method[-1])) * times)
    value = float(np.quantile(values, share, method="linear" if method == "historical" else "lower"))
    return float(values[values <= value].mean()) if mean_of_tail else value


def _moment(values: Floats, choice: Choice, *, of: Callable[..., Any]) -> float:
    how = {"fisher": choice["mean"].startswith("excess")} if of is kurtosis else {}
    return float(of(values, bias=choice["moment"] == "population", **how)) if values.std() > FLAT else math.nan


def _beside(material: Material) -> list[str]:
    """The series that have a benchmark of the same sessions."""
    market = material.benchmark
    varies = len(market) > 2 and market.var() > 0
    return [name for name in _bases(material) if varies and len(material.series[name]) == len(market)]


def _beta(values: Floats, choice: Choice) -> float:
    market, mixed = choice.material.benchmark, choice.get("estimate", "one ddof") != "one ddof"
    return float(np.cov(values, market)[0, 1] / market.var(ddof=0 if mixed else 1))


def _alpha(values: Floats, choice: Choice) -> float:
    market, beta, periods = choice.material.benchmark, _beta(values, choice), _periods(choice, len(values))
    rate, each = _rate(choice, periods)
    if choice["mean"] == "of the annual growth rates":
        return _earned(values, "", periods) - rate - beta * (_earned(market, "", periods) - rate)
    session = float(values.mean() - each - beta * (market.mean() - each))
    return session * periods if choice["mean"] == "arithmetic" else math.expm1(periods * math.log1p(session))


def _information(values: Floats, choice: Choice) -> float:
    slope = 1.0 if choice["active"] == "return less benchmark" else _beta(values, choice)
    return _sharpe(values - slope * choice.material.benchmark, choice)


_OVER: Mapping[str, Figure] = {
    "mean of sessions": np.mean, "median of sessions": np.median, "largest": np.max, "smallest": np.min,
    "last session": lambda values: values[-1]}  # fmt: skip


def _held(choice: Choice) -> list[Floats]:
    """(T, N) weights, 0 where there is no position."""
    held = np.nan_to_num(choice.material.weights)
    return [held[(held != 0).any(axis=1)] if choice["days"] == "those with a position" else held]


def _traded(material: Material) -> Floats:
    """(T,) one-way turnover, measured or of the stated weights."""
    held = np.nan_to_num(material.weights)
    moved = 0.5 * np.abs(np.diff(held, axis=0, prepend=np.zeros_like(held[:1]))).sum(axis=1)
    return material.turnover if len(material.turnover) else moved


def _turned(choice: Choice) -> list[Floats]:
    traded, days = _traded(choice.material), choice["days"]
    return [traded[traded > 0] if days == "sessions that trade" else traded[int(days == "without the first") :]]


def _given(material: Material) -> list[str]:
    """What was given of closed trades; those of a book that was simulated here count for nothing."""
    given = {"closed trades": material.trades, "closed trades, in money": material.profits}
    return [words for words, values in given.items() if len(values) and not material.panels]


def _closed(choice: Choice) -> list[Floats]:
    """What trades came to, in return or in money: all of them, or the winning or losing ones."""
    values, side = choice.material.outcomes, {"winning": 1.0, "losing": -1.0}.get(choice.get("side", ""))
    values = choice.material.profits if choice["counted"].endswith("money") else values
    return [values if side is None else values[side * values > 0]]


def _ratio(values: Floats, _: Choice, *, of: Callable[[Floats], float]) -> float:
    wins, losses = values[values > 0], values[values < 0]
    return float(of(wins) / -of(losses)) if len(wins) and len(losses) else math.nan


def _if(matters: Any, *choices: str) -> list[str]:
    return list(choices) if matters else [""]


#: Scores of one class, and what such a score is called; the accuracy of a class is the share of it that was called.
_OF_CLASS = ("precision", "recall", "f1")
_OF_SIDE = {"accuracy": "recall", "hit_rate": "precision"} | {name: name for name in _OF_CLASS}
#: Metrics that may be of one class alone.
SIDE_METRICS = tuple(_OF_SIDE)


def _named(material: Material, *kinds: str) -> list[str]:
    """The kinds of prediction that there are, at each timing."""
    return [f"{kind}, {timing}" for timing, panel in material.panels.items() for kind in kinds if kind in panel.pairs]


def _pairs(choice: Choice, words: str) -> tuple[Floats, Floats]:
    """What was predicted, of the kind and timing in words, and what followed, of every case that has both."""
    kind, _, timing = words.rpartition(", ")
    panel = choice.material.panels[timing]
    step = panel.horizon if choice["overlap"] == "every h-th session" else 1
    one, two = (table[::step] for table in panel.pairs[kind])
    known = np.isfinite(one) & np.isfinite(two)
    return one[known], two[known]


def _correlation(one: Floats, two: Floats, kind: str) -> float:
    of = rank_correlation if kind == "Spearman" else row_correlation
    return float(of(one[None], two[None], minimum=3)[0][0])


def _cases(choice: Choice) -> tuple[Floats, np.ndarray, np.ndarray]:
    """The score or probability of each case, whether up was called, and whether it came."""
    graded, outcome = _pairs(choice, choice["called"])
    strict, bar = choice["up"] == "up is above 0", 0.5 if choice["called"].startswith("probability") else 0.0
    if not strict and not (outcome == 0).any():
        graded, outcome = graded[:0], outcome[:0]
    return graded, graded > bar, outcome > 0 if strict else outcome >= 0


def _score(_: Floats, called: np.ndarray, real: np.ndarray, choice: Choice, *, score: str) -> float:
    """A score of the confusion matrix: of up, of down, averaged, or of the whole."""
    table = np.bincount(2 * real + called, minlength=4).reshape(2, 2)
    return matrix_scores(table, ("down", "up"))[score][choice.get("average", "")]


def _calibration(chance: Floats, _: np.ndarray, real: np.ndarray, choice: Choice) -> float:
    """Mean distance of a bin's mean probability from its frequency, weighted by cases (expected calibration error)."""
    if choice["confidence"] == "of the confidence in the class called":
        chance, real = np.where(chance > 0.5, chance, 1 - chance), (chance > 0.5) == real
    edges = np.linspace(0, 1, int(choice["bins"].split()[0]) + 1)
    edges = np.quantile(chance, edges) if choice["bins"].endswith("counts") else edges
    place = np.searchsorted(edges[1:-1], chance, side="left")
    return float(np.abs(np.bincount(place, weights=chance - real)).sum() / len(chance))


def _auc(graded: Floats, _: np.ndarray, real: np.ndarray, choice: Choice) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(real, graded)) if 0 < real.sum() < len(real) else math.nan


def _daily(choice: Choice) -> list[Floats]:
    """The finite ones of the sessions' correlations."""
    panel = choice.material.panels[choice["timing"]]
    daily = panel.correlations[choice["kind"]]
    daily = daily[:: panel.horizon] if choice["overlap"] == "every h-th session" else daily
    return [daily[np.isfinite(daily)]]


def _ic(daily: Floats, choice: Choice) -> float:
    """Mean of the sessions' correlations, or one correlation over all cases."""
    if choice["weighting"] == "pooled":
        return _correlation(*_pairs(choice, f"score, {choice['timing']}"), choice["kind"])
    return float(np.mean(daily) if choice["weighting"] == "mean of sessions" else np.median(daily))


def _outcomes(choice: Choice) -> list[np.ndarray]:
    """Whether each case of a hit rate is a hit."""
    material, (kind, _, name) = choice.material, choice["counted"].partition(", ")
    if kind == "per prediction":
        score, forward = _pairs(choice, choice["counted"])
        values = np.sign(score) * np.sign(forward)
    elif choice["overlap"] == "every h-th session":
        return [np.empty(0)]
    elif kind in ("per session", "per month"):
        values = material.series[name] if kind == "per session" else monthly(material, name)
    else:
        values = material.positions if kind == "per position" else material.outcomes
    values, flat = values[np.isfinite(values)], choice["flat"]
    kept = values[values != 0] if flat == "flat cases left out" else values if (values == 0).any() else values[:0]
    return [kept >= 0 if flat == "flat cases counted as hits" else kept > 0]


def _share(off: Floats, size: Floats) -> float:
    return float((np.abs(off) / size)[size > 0].mean()) if (size > 0).any() else math.nan


_SOURCES: Mapping[str, Callable[[Material], Sequence[str]]] = {
    "bases": _bases, "gross": partial(_bases, only="gross"),
    "first": lambda m: _bases(m)[:1], "beside": _beside,
    "own year": lambda m: [f"{m.per_year}"] if m.per_year else [],
    "own calendar": lambda m: [f"a year of {m.per_year}"] if m.per_year else [],
    "stated year": lambda m: [f"{m.otherwise}"] if m.otherwise else [],
    "stated calendar": lambda m: [f"a year of {m.otherwise}"] if m.otherwise else [],
    "stated": lambda m: [] if m.risk_free is None else [f"rf {100 * m.risk_free:.12g}%"],
    "stated, compounded": lambda m: [f"rf {100 * m.risk_free:.12g}% compounded"] if m.risk_free else [],
    "days": lambda m: _if(any((v == 0).any() for v in m.series.values()), "all sessions", "without flat sessions"),
    "held": lambda m: _if((np.nan_to_num(m.weights) == 0).all(axis=1).any(), "all sessions", "those with a position"),
    "over": lambda m: [*_OVER],
    "trading": lambda m: ["sessions that trade"] if (_traded(m) == 0).any() else [],
    "trades": _given, "alone": lambda m: [] if m.series else _given(m),
    "numbers": lambda m: [*_given(m)[:1], *(["fills"] if _given(m) and m.fills else [])],
    # Overlap cannot matter where no window is longer than a session.
    "overlap": lambda m: _if(any(p.horizon > 1 for p in m.panels.values()), "every session", "every h-th session"),
    "timing": lambda m: [*m.panels],
    "predicted": lambda m: ["all predictions"] if m.panels else [],
    "predictions": lambda m: _named(m, "per prediction"),
    "positions": lambda m: ["per position"] if len(m.positions) else [],
    "each trade": lambda m: ["per trade"] if len(m.outcomes) else [],
    "sessions": lambda m: [f"per session, {name}" for name in m.series],
    "months": lambda m: [f"per month, {name}" for name in m.series],
    "targets": lambda m: _named(m, "returns", "price levels"),
    "called": lambda m: _named(m, "probability above 1/2", "sign of the score"),
    "chances": lambda m: _named(m, "probability above 1/2"),
    "classes": lambda m: [f"of {m.side}"] if m.side else ["of up", "of down", "macro", "weighted"],
}  # fmt: skip


def _of(cases: Cases, figures: Mapping[str, Figure], grid: str = "", fewest: int = 1) -> dict[str, Statistic]:
    """Statistics of the same cases by name; names of one figure stand together, parted by blanks."""
    rows = [(name, figure) for names, figure in figures.items() for name in names.split()]
    return {name: Statistic(figure, GRID[grid or name], cases, _SOURCES, fewest) for name, figure in rows}


#: Metrics of a return series by canonical name: what another daily series of the same book would change.
OF_RETURNS: Mapping[str, Statistic] = _of(_returns, {
    "sharpe sharpe_gross": _sharpe, "sortino": _sortino, "calmar": _calmar,
    "annual_return annual_return_gross": _annual_return,
    "mean_return": lambda values, choice: _earned(values, choice["mean"], 1.0),
    "annual_volatility": lambda values, choice: _std(values, choice) * math.sqrt(_periods(choice, len(values))),
    "return_std": _std, "max_drawdown": _drawdown, "drawdown_duration": _duration,
    "var": partial(_tail, mean_of_tail=False), "cvar": partial(_tail, mean_of_tail=True),
    "best_day": lambda values, _: values.max(), "worst_day": lambda values, _: values.min(),
}, fewest=2) | _of(_returns, {
    "total_return": lambda values, choice: _earned(values, choice["mean"], len(values)),
}) | _of(_returns, {"skewness": partial(_moment, of=skew), "kurtosis": partial(_moment, of=kurtosis)}, fewest=4)
#: Metrics of a series beside its benchmark.
_OF_BENCHMARK = _of(_returns, {
    "alpha": _alpha, "beta": _beta, "information_ratio": _information,
    "excess_return": lambda values, choice: _total(values, choice) - _total(choice.material.benchmark, choice),
}) | _of(lambda choice: [choice.material.benchmark], {
    "benchmark_return": lambda values, choice: _total(values, choice) if _beside(choice.material) else math.nan,
})  # fmt: skip
#: Figures of the book itself: its weights, its trades and its costs.
_OF_BOOKS = _of(_held, {
    "leverage": lambda weights, choice: _OVER[choice["counted"]](np.abs(weights).sum(axis=1)),
    "net_exposure": lambda weights, choice: _OVER[choice["counted"]](weights.sum(axis=1)),
    "positions_held": lambda weights, choice: _OVER[choice["counted"]]((weights != 0).sum(axis=1)),
}) | _of(_turned, {
    "turnover": lambda traded, choice: (
        traded.mean() * _periods(choice, len(traded)) * (2.0 if choice["way"] == "two-way" else 1.0)),
}) | _of(lambda choice: [choice.material.series.get(name, np.empty(0)) for name in ("gross", "net")], {
    "annual_cost": lambda gross, net, choice: _total(gross, choice) - _total(net, choice),
}) | _of(_returns, {"sessions": lambda values, _: len(values)}) | _of(_closed, {
    "trades": lambda values, choice: choice.material.fills if choice["counted"] == "fills" else len(values),
    "winning_trades losing_trades": lambda values, _: len(values),
    "gross_profit gross_loss total_profit": lambda values, _: values.sum(),
    "payoff_ratio": partial(_ratio, of=np.mean), "profit_factor": partial(_ratio, of=np.sum),
}, fewest=0) | _of(_closed, {
    "average_win average_loss expectancy": lambda values, choice: (
        (np.mean if choice["mean"] == "mean" else np.median)(values)),
}) | _of(_closed, {"sharpe": _sharpe}, "sharpe/trades", 2)  # fmt: skip
#: Metrics of up against down.
_OF_CLASSES = _of(_cases, {
    **{name: partial(_score, score=name) for name in ("accuracy", "error_rate", "mcc")},
    "prevalence": lambda graded, called, real, choice: real.mean(),
    "auc": _auc,
}, "calls") | _of(_cases, {
    "brier": lambda graded, called, real, choice: ((graded - real) ** 2).mean(),
    "log_loss": lambda graded, called, real, choice: classification.log_loss(graded, real).value,
}, "chances") | _of(_cases, {"calibration_error": _calibration}) | {
    name: statistic
    for suffix, grid in {"": "averages", "_macro": "macro", "_weighted": "weighted"}.items()
    for score in _OF_CLASS
    for name, statistic in _of(_cases, {score + suffix: partial(_score, score=score)}, grid).items()
} | _of(_cases, {"balanced_accuracy": partial(_score, score="recall")}, "macro")  # fmt: skip
CLASS_METRICS = tuple(_OF_CLASSES)
#: Metrics of predictions against what followed.
OF_SIGNALS: Mapping[str, Statistic] = _of(_daily, {"ic rank_ic": _ic}) | _of(_daily, {
    "ic_std rank_ic_std": _std, "icir rank_icir icir_annual ic_t": _sharpe,
    "ic_min": lambda daily, _: daily.min(), "ic_max": lambda daily, _: daily.max(),
    "ic_positive_share": lambda daily, _: (daily > 0).mean(),
}, fewest=2) | _of(
    lambda choice: [(score := next(iter(choice.material.panels.values())).score)[np.isfinite(score)]], {
    "prediction_mean": lambda values, _: values.mean(), "prediction_std": _std,
    "prediction_min": lambda values, _: values.min(), "prediction_max": lambda values, _: values.max(),
}, fewest=2) | _of(_outcomes, {"hit_rate win_rate": lambda won, _: won.mean()}) | _of(
    lambda choice: _pairs(choice, choice["target"]), {
    "r2": lambda predicted, real, _: 1.0 - ((predicted - real) ** 2).mean() / real.var(),
    "mae": lambda predicted, real, _: np.abs(predicted - real).mean(),
    "mse": lambda predicted, real, _: ((predicted - real) ** 2).mean(),
    "rmse": lambda predicted, real, _: np.sqrt(((predicted - real) ** 2).mean()),
    "mape": lambda predicted, real, _: _share(predicted - real, np.abs(real)),
    "smape": lambda predicted, real, _: _share(2 * (predicted - real), np.abs(real) + np.abs(predicted)),
    "bias": lambda predicted, real, _: (predicted - real).mean(),
    "max_error": lambda predicted, real, _: np.abs(predicted - real).max(),
    "correlation": lambda predicted, real, _: _correlation(predicted, real, "Pearson"),
}, "errors", fewest=2) | _OF_CLASSES  # fmt: skip
_TABLES = (OF_RETURNS, _OF_BENCHMARK, OF_SIGNALS, _OF_BOOKS)
#: Canonical metric -> its statistics; several where it is of several materials.
STATISTICS = {name: [table[name] for table in _TABLES if name in table] for each in _TABLES for name in each}


def readings_of(metric: str, material: Material) -> tuple[Reading, ...]:
    """Every reading of a metric that the material can give; of one class alone where the material is."""
    statistics = STATISTICS[_OF_SIDE[metric] if material.side else metric]
    return tuple(reading for statistic in statistics for reading in statistic.readings(material))
