"""Skill after beta, what it implies in money, and what is left of a book's costs for alpha alone to pay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.cross_section import Rows
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.engine.result import BacktestResult
from assay.results.stats.blocks import row_blocks
from assay.results.stats.long_run_variance import Regression, regress
from assay.results.stats.performance import Metric
from assay.results.stats.ranks import PairedRanks
from assay.results.stats.risk_by_session import pays
from assay.results.stats.skill import (
    MIXTURE,
    Risk,
    RunningRisk,
    Skill,
    average_error,
    evidence_path,
    skill_series,
    skill_t,
    trailing_risk,
)

__all__ = [
    "Line",
    "alpha_line",
    "implied_earnings",
    "money_metrics",
    "risk_of",
    "skill_metrics",
    "skill_of",
    "skill_table",
]

#: exp of it still is a number.
_MOST = 690.0


class Line(Protocol):
    """A regression whose intercept is an alpha a session: on the benchmark, or on factors, too."""

    @property
    def alpha(self) -> float:
        """Intercept a session."""

    @property
    def alpha_error(self) -> float:
        """Its HAC error."""

    @property
    def residuals(self) -> Floats:
        """(n,) what varies around the line."""


def skill_of(
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    forward: pd.DataFrame | None = None,
    delay: int | None = None,
    fill: Any = None,
    styles: Mapping[str, pd.DataFrame | Rows] | None = None,
    risk: Risk | None = None,
    held: pd.DataFrame | None = None,
    ranks: PairedRanks | None = None,
) -> Skill | None:
    """The series x of a panel of predictions; None where it ranks nothing.

    Parameters
    ----------
    predictions, prices : prices reach back before the first prediction where there are any, for beta.
    forward : forward returns of the prices, if they are there already.
    delay, fill : of the fills; default the predictions' delay, and the open where the panel has one.
    styles : name → (T, N) exposures known at t, projected out too.
    risk : `risk_of` the same, if it is there already.
    held : (T, N) target weights, the only ones of which it will be asked what the skill implies, see
        `implied_earnings`: of a large panel no tables are then kept.
    ranks : of what ranks the assets and the forward returns, if they are there already.

    """
    score = predictions.view
    if forward is None:
        delay = predictions.delay if delay is None else delay
        forward = forward_returns(prices, horizon=predictions.horizon, delay=delay, fill=fill)
    running = None if risk is not None else _running_risk(score, prices)
    if running is not None:
        return skill_series(
            score, forward, running, horizon=predictions.horizon, styles=styles, held=held, ranks=ranks
        )
    risk = risk_of(predictions, prices) if risk is None else risk
    return skill_series(score, forward, risk, horizon=predictions.horizon, styles=styles, ranks=ranks)


def _running_risk(score: pd.DataFrame, prices: PricePanel) -> RunningRisk | None:
    """`risk_of` many assets that are the panel's own, on sessions that are some of its own one after another."""
    start = int(prices.sessions.searchsorted(score.index[0])) if len(score) else 0
    stop = start + len(score)
    fits = score.columns.equals(prices.assets) and prices.sessions[start:stop].equals(score.index)
    if not fits or not pays(score.shape[1]):
        return None
    close = prices.close.to_numpy(dtype=np.float64)

    def returns(rows: slice) -> Floats:
        out = np.empty((rows.stop - rows.start, close.shape[1]))
        first = max(rows.start, 1)
        out[: first - rows.start] = np.nan
        np.divide(close[first : rows.stop], close[first - 1 : rows.stop - 1], out=out[first - rows.start :])
        out -= 1.0
        return out

    return RunningRisk(prices.sessions[:stop], prices.assets, returns)


def risk_of(predictions: PredictionPanel, prices: PricePanel) -> Risk:
    """What is known of the risk of the assets that a panel ranks, through its last session."""
    known = prices.close.columns.intersection(predictions.assets)
    return trailing_risk(simple_returns(prices.close.loc[: predictions.sessions[-1], known]))


def skill_table(skill: Skill) -> pd.DataFrame:
    """x, df, slope and log_e (the mixture's path), a row a session that has an x."""
    table = skill.known.assign(slope=skill.slope[skill.x.notna()])
    table["log_e"] = evidence_path(table["x"].to_numpy(), table["df"].to_numpy(), horizon=skill.horizon)
    return table


def skill_metrics(skill: Skill, result: BacktestResult) -> list[Metric]:
    """Mean, t and evidence of x; the net alpha that it implies for the weights held, and how far the alpha is from it.

    Returns
    -------
    list of Metric
        skill_x (mean of x) and skill_ic (mean of x/√df), with intervals; skill_t; skill_e (the e-process today) and
        skill_e_max (its highest at a look every 21 sessions, from the 252nd); implied_alpha_ann, IC·Σ wσq less costs
        (Grinold & Kahn 2000: alpha = IC · volatility · score), expected_alpha_ann, its average with the net alpha, and
        implied_gap_t, the net alpha less it over the alpha's error, where weights are kept and, for the gap, a
        benchmark is given.

    """
    table = skill_table(skill)
    n = len(table)
    if n < 2:
        why = "no two sessions with enough names whose risk is known"
        names = (("skill_x", "mean of x"), ("skill_ic", "correlation"), ("skill_t", "t"), ("skill_e", "e-value"))
        return [Metric(name, math.nan, unit, "scores after beta", reason=why) for name, unit in names]
    start, end = str(table.index[0].date()), str(table.index[-1].date())
    x, ic = table["x"].to_numpy(), (table["x"] / np.sqrt(table["df"])).to_numpy()
    mean, error, t, critical = skill_t(x, horizon=skill.horizon)
    middle, spread, _, _ = skill_t(ic, horizon=skill.horizon)
    lags = "" if skill.horizon == 1 else f", lags up to {skill.horizon - 1}"
    about = f"normal scores against returns after trailing beta, a constant and beta projected out{lags}"
    looks = table["log_e"].to_numpy()[251::21]
    best = max(float(table["log_e"].iloc[-1]), float(looks.max()) if len(looks) else -math.inf)
    mixed = f"mean over ICs of {', '.join(f'{target:g}' for target in MIXTURE)}; 1/α is passed by noise at most α often"
    known = [
        ("skill_x", mean, "mean of x", f"{about} · critical {critical:.2f}", mean - critical * error,
         mean + critical * error),
        ("skill_ic", middle, "correlation", f"mean of x/√df · {about}", middle - critical * spread,
         middle + critical * spread),
        ("skill_t", t, "t", f"{about} · critical {critical:.2f}", None, None),
        ("skill_e", _exponential(float(table["log_e"].iloc[-1])), "e-value", f"evidence of skill, {mixed}", None, None),
        ("skill_e_max", _exponential(best), "e-value", f"its highest at a look every 21 sessions, {mixed}", None, None),
        *_implied(skill, result),
    ]  # fmt: skip
    return [
        Metric(name, value, unit, text, low, high, n, start, end, "" if math.isfinite(value) else "not finite")
        for name, value, unit, text, low, high in known
    ]


def _exponential(log: float) -> float:
    return math.exp(min(log, _MOST))


_Row = tuple[str, float, str, str, float | None, float | None]


def _implied(skill: Skill, result: BacktestResult) -> list[_Row]:
    """Net alpha a year that the IC implies for the weights that were held, and the alpha's distance from it.

    Beside them stands their average, which is what the book is expected to earn: the realised one is noisy, the implied
    one leans on a model.
    """
    line = alpha_line(result)
    index = result.sessions if line is None else _both(result).index
    return _money_rows(skill, result, line, index)


def money_metrics(skill: Skill, result: BacktestResult, line: Line, index: pd.Index, suffix: str) -> list[Metric]:
    """What `skill_metrics` says of money for another line, such as returns after styles, under names with a suffix.

    Parameters
    ----------
    skill : whose slope and projected scores imply the alpha.
    line : whose intercept is the alpha that was realised.
    index : (n,) sessions of its residuals.
    suffix : of the names.

    """
    known = skill.known.index
    if len(known) < 2:
        return []
    start, end = str(known[0].date()), str(known[-1].date())
    return [
        Metric(name + suffix, value, unit, text, low, high, len(known), start, end,
               "" if math.isfinite(value) else "not finite")
        for name, value, unit, text, low, high in _money_rows(skill, result, line, index)
    ]  # fmt: skip


def _money_rows(skill: Skill, result: BacktestResult, line: Line | None, index: pd.Index) -> list[_Row]:
    if result.target_weights is None and skill.loading is None:
        return []
    earned = implied_earnings(skill, result.target_weights) - float((result.gross_returns - result.returns).mean())
    implied = float(earned.mean())
    values = earned.to_numpy()
    error, critical = average_error(values, values, horizon=skill.horizon)
    text = "IC · Σ weight · volatility · score, a year, less costs"
    rows = [_money("implied_alpha_ann", implied, critical * error, text)]
    if line is None or not line.alpha_error > 0:
        text = "the implied net alpha: there is no other"
        return [*rows, _money("expected_alpha_ann", implied, critical * error, text)]
    # What a window earns ends delay + h sessions after its stamp.
    ends = result.sessions.get_indexer(earned.index) + int(result.config["execution"]["delay"]) + skill.horizon
    there = (ends >= skill.horizon) & (ends < len(result.sessions))
    placed = pd.Series(values[there], result.sessions[ends[there]]).reindex(index)
    error, critical = average_error(line.residuals, placed.to_numpy(), horizon=skill.horizon)
    text = "mean of the realised net alpha and the implied one · HAC of both together"
    gap = (line.alpha - implied) / line.alpha_error
    return [
        *rows,
        _money("expected_alpha_ann", (line.alpha + implied) / 2, critical * error, text),
        ("implied_gap_t", gap, "t", "net alpha less the implied one, over the alpha's error", None, None),
    ]


def implied_earnings(skill: Skill, held: pd.DataFrame | None) -> pd.Series:
    """What the skill of each stamp that has an x implies a session for weights as they were held on average, gross.

    Parameters
    ----------
    skill : see `skill_of`.
    held : (T, N) target weights; those that the skill was made with, if it was made with any.

    """
    known = skill.x.notna().to_numpy()
    loading = skill.loading.to_numpy() if skill.loading is not None else _loading(skill, held)
    # The slope is a window's, in units of √h sessions' volatility; a session of it earns 1/h.
    return skill.slope[known] * float(pd.Series(loading[known]).mean()) / math.sqrt(skill.horizon)


def _loading(skill: Skill, held: pd.DataFrame | None) -> Floats:
    """(T,) Σ weight · volatility · score of each stamp."""
    assert held is not None
    assert skill.scores is not None
    assert skill.volatility is not None  # both are kept where no weights were given
    weights = held.reindex(index=skill.scores.index, columns=skill.scores.columns).to_numpy(dtype=np.float64)
    scores, volatility = skill.scores.to_numpy(dtype=np.float64), skill.volatility.to_numpy(dtype=np.float64)
    loading = np.zeros(len(weights))
    for part in row_blocks(weights.shape):
        loading[part] = np.nansum(weights[part] * volatility[part] * scores[part], axis=1)
    return loading


def _money(name: str, value: float, half: float, text: str) -> _Row:
    """A row of a mean a session, a year."""
    value, half = value * SESSIONS_A_YEAR, half * SESSIONS_A_YEAR
    known = math.isfinite(half)
    return name, value, "fraction a year", text, value - half if known else None, value + half if known else None


def _both(result: BacktestResult) -> pd.DataFrame:
    both = pd.DataFrame({"net": result.returns, "benchmark": result.benchmark})
    return both.apply(result.over_cash).dropna()


def alpha_line(result: BacktestResult) -> Regression | None:
    """Net returns on the benchmark's, with HAC errors; None without a benchmark."""
    if result.benchmark is None:
        return None
    both = _both(result)
    return regress(both["net"].to_numpy(), both["benchmark"].to_numpy())
