"""Performance metrics of a series of daily returns, each with its convention, sample and interval.

What empyrical has comes from empyrical; the intervals are by the delta method with a HAC covariance.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import FLAT, SESSIONS_A_YEAR, annual_ratio, annual_sharpe
from assay.results.stats.light_empyrical import light_empyrical
from assay.results.stats.long_run_variance import critical_value, lag_rule, regress, sharpe_hac_error

__all__ = [
    "Metric",
    "drawdowns",
    "monthly_returns",
    "performance_metrics",
    "relative_metrics",
    "rolling",
    "sharpe_interval",
    "yearly_returns",
]

#: Betas between which a book is one that is run against its benchmark, so that an information ratio means something.
_ACTIVE = (0.5, 1.5)


@dataclass(frozen=True)
class Metric:
    """A figure that says what it is.

    Parameters
    ----------
    name : e.g. ``"sharpe_net"``.
    value : NaN where it does not exist; `reason` says why.
    unit : ``"ratio"``, ``"fraction"``, ``"fraction a year"``, ``"bps"``, ``"sessions"``, ``"t"`` …
    convention : periods a year, ddof, arithmetic or geometric, risk-free, gross or net.
    low, high : ends of the 95% interval, or None.
    n : observations.
    start, end : first and last session, ISO dates.
    reason : why there is no value, or "".

    """

    name: str
    value: float
    unit: str
    convention: str
    low: float | None = None
    high: float | None = None
    n: int = 0
    start: str | None = None
    end: str | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        """Value, interval and convention in one line."""
        if math.isnan(self.value):
            return f"– ({self.reason or 'no value'})"
        percent = self.unit.startswith("fraction")
        value, low, high = (
            None if figure is None else f"{figure:.2%}" if percent else f"{figure:.4g}"
            for figure in (self.value, self.low, self.high)
        )
        interval = "" if low is None or high is None else f" [{low}, {high}]"
        return f"{value}{interval} · {self.convention}"


def sharpe_interval(returns: np.ndarray, periods: int = SESSIONS_A_YEAR) -> tuple[float, float, float]:
    """Annualised Sharpe ratio and its 95% interval.

    Ratio of mean to standard deviation (ddof 1) times √periods, no risk-free rate; the interval reaches
    `long_run_variance.critical_value` HAC standard errors by the delta method (Lo 2002) to each side. NaN where the
    returns do not vary.
    """
    if len(returns) < 2 or float(np.std(returns, ddof=1)) <= FLAT:
        return math.nan, math.nan, math.nan
    ratio = annual_sharpe(returns, periods=periods)
    lag = lag_rule(len(returns))
    half = critical_value(len(returns), lag) * sharpe_hac_error(returns, lag=lag) * math.sqrt(periods)
    return ratio, ratio - half, ratio + half


def performance_metrics(
    returns: pd.Series, kind: str, *, rate: pd.Series | None = None, periods: int = SESSIONS_A_YEAR
) -> list[Metric]:
    """Metrics of one return series.

    Parameters
    ----------
    returns : (T,) simple returns a session, stamped with the period's end, without NaN.
    kind : ``"net"`` or ``"gross"``; it ends each name.
    rate : (T,) what cash earned a session; the Sharpe ratio is of returns less it. None is 0.
    periods : sessions a year.

    Returns
    -------
    list of Metric
        sharpe, return_ann, return_arithmetic_ann, volatility_ann, total_return, max_drawdown, calmar, sortino, var_95,
        cvar_95, skewness, kurtosis, hit_session, best, worst; NaN with a reason where a series is constant or short.

    """
    empyrical = light_empyrical()

    n = len(returns)
    values = returns.to_numpy(dtype=np.float64)
    start, end = _dates(returns)
    flat = n < 2 or float(np.std(values, ddof=1)) <= FLAT
    why = "fewer than 2 sessions" if n < 2 else "the returns do not vary" if flat else ""
    common = f"{kind} · {periods} sessions a year"

    def metric(name: str, value: float, unit: str, convention: str, **more: Any) -> Metric:
        ok = value is not None and math.isfinite(value)
        reason = "" if ok else more.pop("reason", why) or "not finite on this sample"
        more.pop("reason", None)
        number = float(value) if ok else math.nan
        return Metric(f"{name}_{kind}", number, unit, convention, n=n, start=start, end=end, reason=reason, **more)

    excess = returns if rate is None else returns - rate
    free = "rf 0" if rate is None else f"rf the cash rate, mean {float(rate.mean()) * periods:.2%} a year"
    flat = flat or float(np.std(excess.to_numpy(dtype=np.float64), ddof=1)) <= FLAT
    _, low, high = sharpe_interval(excess.to_numpy(dtype=np.float64), periods)
    sharpe = math.nan if flat else float(empyrical.sharpe_ratio(excess, 0, annualization=periods))
    if n == 0:
        return [metric("sharpe", math.nan, "ratio", common, reason="no sessions")]
    drawdown = float(empyrical.max_drawdown(returns))
    annual = float(empyrical.annual_return(returns, annualization=periods)) if values.min() > -1 else math.nan
    falls = bool((values < 0).any())
    return [
        metric(
            "sharpe",
            sharpe,
            "ratio",
            f"{common} · ddof 1 · arithmetic · {free} · 95% by delta method, HAC, {_window(n, lag_rule(n))}",
            low=low,
            high=high,
        ),
        metric("return_ann", annual, "fraction a year", f"{common} · geometric", reason="a session lost everything"),
        metric("return_arithmetic_ann", float(values.mean()) * periods, "fraction a year", f"{common} · arithmetic"),
        metric(
            "volatility_ann",
            math.nan if n < 2 else float(empyrical.annual_volatility(returns, annualization=periods)),
            "fraction a year",
            f"{common} · ddof 1",
        ),
        metric("total_return", float(empyrical.cum_returns_final(returns)), "fraction", f"{kind} · compounded"),
        metric("max_drawdown", drawdown, "fraction", f"{kind} · compounded, start included, negative"),
        metric(
            "calmar",
            annual / -drawdown if drawdown < 0 else math.nan,
            "ratio",
            f"{common} · geometric return over largest drawdown of the whole sample",
            reason="no drawdown",
        ),
        metric(
            "sortino",
            float(empyrical.sortino_ratio(returns, 0, annualization=periods)) if falls and not flat else math.nan,
            "ratio",
            f"{common} · downside deviation over all sessions, target 0",
            reason="no session lost" if not falls else why,
        ),
        metric("var_95", float(empyrical.value_at_risk(returns, 0.05)), "fraction", f"{kind} · historical 5% quantile"),
        metric(
            "cvar_95",
            float(empyrical.conditional_value_at_risk(returns, 0.05)),
            "fraction",
            f"{kind} · mean of the worst 5%",
        ),
        metric("skewness", math.nan if flat else _moment(values, 3), "ratio", f"{kind} · population"),
        metric(
            "kurtosis", math.nan if flat else _moment(values, 4), "ratio", f"{kind} · population, plain: 3 if normal"
        ),
        _hit(
            f"hit_session_{kind}",
            values,
            f"share of sessions with a {kind} return above 0, flat ones left out",
            start,
            end,
        ),
        metric("best", float(values.max()), "fraction", f"{kind} · best session"),
        metric("worst", float(values.min()), "fraction", f"{kind} · worst session"),
    ]


def relative_metrics(
    returns: pd.Series,
    benchmark: pd.Series,
    kind: str,
    *,
    rate: pd.Series | None = None,
    periods: int = SESSIONS_A_YEAR,
) -> list[Metric]:
    """What is left after the benchmark.

    Parameters
    ----------
    rate : (T,) what cash earned a session, taken off both; None is 0.
    returns, benchmark : (T,) a session; sessions without a benchmark return are left out and n says so.
    kind : ``"net"`` or ``"gross"``.

    Returns
    -------
    list of Metric
        beta, alpha_ann (with its HAC interval), alpha_t, sharpe_residual, correlation, information_ratio (only where
        beta lies between 0.5 and 1.5).

    """
    free = "rf 0" if rate is None else "rf the cash rate"
    if rate is not None:
        returns, benchmark = returns - rate, benchmark - rate
    both = pd.DataFrame({"returns": returns, "benchmark": benchmark}).dropna()
    start, end = _dates(both["returns"])
    n = len(both)
    values, market = both["returns"].to_numpy(), both["benchmark"].to_numpy()
    line = regress(values, market)
    names = ("beta", "alpha_ann", "alpha_t", "sharpe_residual", "correlation", "information_ratio")
    if line is None or float(np.ptp(values)) <= FLAT:
        why = "fewer than 3 common sessions" if n < 3 else "the returns or the benchmark do not vary"
        return [Metric(f"{name}_{kind}", math.nan, "", kind, n=n, start=start, end=end, reason=why) for name in names]
    error = f"Newey–West, {_window(n, line.lag)}"
    ratio, low, high = sharpe_interval(line.residuals, periods)
    active = values - market
    spread = float(active.std(ddof=1))
    tracking = float(active.mean()) / spread * math.sqrt(periods) if spread > FLAT else math.nan
    half = line.critical * line.alpha_error * periods
    window = _window(n, line.lag)
    residual = f"of returns less beta × benchmark · {periods} · ddof 1 · {free} · delta method, HAC, {window}"
    # Of a book that holds little of the benchmark, the active return is mostly the benchmark's own, sold short.
    means_little = not _ACTIVE[0] <= line.beta <= _ACTIVE[1]
    tracking = math.nan if means_little else tracking
    unsaid = {"information_ratio": f"beta {line.beta:.2f}: the active return is mostly the benchmark's"}
    parts: list[tuple[str, float, str, str, float | None, float | None]] = [
        ("beta", line.beta, "ratio", f"OLS on the benchmark · {error}",
         line.beta - line.critical * line.beta_error, line.beta + line.critical * line.beta_error),
        ("alpha_ann", line.alpha * periods, "fraction a year", f"OLS intercept × {periods} · {error}",
         line.alpha * periods - half, line.alpha * periods + half),
        ("alpha_t", line.alpha_t, "t", f"of the intercept · {error}", None, None),
        ("sharpe_residual", ratio, "ratio", residual, low, high),
        ("correlation", float(np.corrcoef(values, market)[0, 1]), "ratio", "Pearson", None, None),
        ("information_ratio", tracking, "ratio", f"active return over its deviation · {periods} · ddof 1", None, None),
    ]  # fmt: skip
    return [
        Metric(
            f"{name}_{kind}",
            value,
            unit,
            f"{kind} · {text}",
            lo,
            hi,
            n,
            start,
            end,
            "" if math.isfinite(value) else unsaid.get(name, "not finite") if means_little else "not finite",
        )
        for name, value, unit, text, lo, hi in parts
    ]


def drawdowns(returns: pd.Series, top: int = 10) -> pd.DataFrame:
    """The deepest drawdowns of the compounded series, the start included.

    Returns
    -------
    DataFrame
        peak, trough, recovery (NaT while under water), depth (negative), sessions (peak to recovery, or to the end).

    """
    nav = np.concatenate([[1.0], np.cumprod(1 + returns.to_numpy(dtype=np.float64))])
    high = np.maximum.accumulate(nav)
    under = nav < high
    sessions = returns.index
    rows = []
    position = 0
    while position < len(nav):
        if not under[position]:
            position += 1
            continue
        stop = position
        while stop < len(nav) and under[stop]:
            stop += 1
        trough = position + int(np.argmin(nav[position:stop]))
        peak = position - 1
        recovered = stop < len(nav)
        rows.append(
            {
                "peak": sessions[peak - 1] if peak > 0 else sessions[0],
                "trough": sessions[trough - 1],
                "recovery": sessions[stop - 1] if recovered else pd.NaT,
                "depth": float(nav[trough] / high[trough] - 1),
                "sessions": (stop if recovered else len(nav) - 1) - peak,
            }
        )
        position = stop
    table = pd.DataFrame(rows, columns=["peak", "trough", "recovery", "depth", "sessions"])
    return table.sort_values("depth", kind="stable", ignore_index=True).head(top)


def monthly_returns(returns: pd.Series) -> pd.DataFrame:
    """Compounded returns, a row a year and a column a month (1…12); NaN where there is no session."""
    sessions = pd.DatetimeIndex(returns.index)
    groups = (1 + returns).groupby([sessions.year, sessions.month]).prod() - 1
    return groups.unstack().reindex(columns=range(1, 13))


def yearly_returns(returns: pd.Series) -> pd.Series:
    """Compounded returns by calendar year."""
    return (1 + returns).groupby(pd.DatetimeIndex(returns.index).year).prod() - 1


def rolling(
    returns: pd.Series, benchmark: pd.Series | None = None, window: int = 126, *, rate: pd.Series | None = None
) -> pd.DataFrame:
    """Rolling Sharpe ratio (over the cash rate where one is given), volatility (both annualised, ddof 1) and beta,
    stamped at the window's last session."""
    windows = returns.rolling(window)
    deviation = windows.std(ddof=1)
    excess = windows if rate is None else (returns - rate).rolling(window)
    table = {
        "sharpe": pd.Series(annual_ratio(excess.mean(), excess.std(ddof=1)), returns.index),
        "volatility": deviation * math.sqrt(SESSIONS_A_YEAR),
    }
    if benchmark is not None:
        variance = benchmark.rolling(window).var(ddof=1)
        table["beta"] = windows.cov(benchmark, ddof=1) / variance.where(variance > FLAT)
    return pd.DataFrame(table)


def _dates(returns: pd.Series) -> tuple[str | None, str | None]:
    if len(returns) == 0:
        return None, None
    return str(returns.index[0].date()), str(returns.index[-1].date())


def _window(n: int, lag: int) -> str:
    """What a reader needs to repeat a HAC interval or to judge a HAC t."""
    return f"lag {lag}, critical {critical_value(n, lag):.2f}"


def _moment(values: np.ndarray, order: int) -> float:
    centred = values - values.mean()
    return float((centred**order).mean() / (centred**2).mean() ** (order / 2))


def _hit(name: str, values: np.ndarray, convention: str, start: str | None, end: str | None) -> Metric:
    from assay.results.stats.proportions import hit_rate

    rate, low, high, n = hit_rate(values)
    reason = "" if n else "no session is other than flat"
    return Metric(name, rate, "fraction", f"{convention} · Wilson 95%", low, high, n, start, end, reason)
