"""Everything that is said about a backtest: metrics with conventions, and the tables behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from assay.data.card import Card
from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.labels import action_labels
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.row_tables import Table
from assay.engine.result import BacktestResult
from assay.engine.trades import trips_of
from assay.results.evidence.break_even import break_even_borrow, break_even_cost, break_even_on_alpha
from assay.results.evidence.forecast_tables import class_table, implied_levels, level_metrics, level_table
from assay.results.evidence.forecasts import Outcomes, action_scores, action_table, chosen_actions, forecast_metrics
from assay.results.evidence.missing_names import missing_names
from assay.results.evidence.skill import skill_metrics, skill_of, skill_table
from assay.results.stats.hit_rates import hit_metrics, session_hits, trade_hits
from assay.results.stats.information_coefficient import (
    QuantileReturns,
    aligned_values,
    ic_metrics,
    ic_table,
    quantile_returns,
)
from assay.results.stats.monotonicity import monotonicity_test
from assay.results.stats.performance import Metric, performance_metrics, relative_metrics
from assay.results.stats.ranks import PairedRanks
from assay.results.stats.sharpe import sharpe_intervals
from assay.results.stats.skill import Skill
from assay.results.storage.kept import Keep, kept_tables
from assay.results.storage.runs import Run, save_run

__all__ = ["Evidence", "evaluate", "portfolio_figures", "portfolio_tables", "ranking_figures", "store_backtest"]

#: Metrics of the short report, in its order.
_FIRST = (
    "sharpe_net",
    "sharpe_gross",
    "sharpe_residual_net",
    "alpha_ann_net",
    "return_ann_net",
    "volatility_ann_net",
    "max_drawdown_net",
    "turnover_ann",
    "rank_ic_mean",
    "hit_direction",
    "break_even_cost_bps",
)


@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Card):
    """What a backtest shows.

    Parameters
    ----------
    metrics : each with its convention, interval and sample.
    tables : name → frame, as they are stored in the run folder.

    Examples
    --------
    >>> from assay import load_strategy, run_backtest, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> evidence = evaluate(run_backtest(load_strategy("quintile_long_short"), predictions, prices))
    >>> evidence["turnover_ann"].convention
    'one way: ½Σ|traded value|/NAV × 252'
    >>> evidence.to_frame().columns[:2].tolist()
    ['value', 'unit']

    """

    metrics: tuple[Metric, ...]
    tables: Mapping[str, pd.DataFrame]

    def __getitem__(self, name: str) -> Metric:
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(name)

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The figures one asks for first, each with its interval and convention."""
        first = [metric for metric in self.metrics if metric.name in _FIRST]
        sessions = next((metric.n for metric in self.metrics if metric.name == "sharpe_net"), 0)
        rows = [(metric.name, str(metric)) for metric in sorted(first, key=lambda metric: _FIRST.index(metric.name))]
        more = f"{len(self.metrics)} metrics, {len(self.tables)} tables; see .to_frame() and .tables"
        return f"Evidence over {sessions:,} sessions", [*rows, ("in all", more)]

    def to_frame(self) -> pd.DataFrame:
        """A row a metric: value, low, high, unit, convention, n, start, end, reason; indexed by name."""
        return pd.DataFrame([metric.to_dict() for metric in self.metrics]).set_index("name")

    def to_json(self, result: BacktestResult) -> dict[str, Any]:
        """The content of ``metrics.json``; the net Sharpe ratio with its error by every method is in it."""
        net = result.over_cash(result.returns).to_numpy()
        return {
            "metrics": [metric.to_dict() for metric in self.metrics],
            "sharpe_intervals": [item.to_dict() for item in sharpe_intervals(net)],
            "sessions": len(result.returns),
            "start": result.sessions[0],
            "end": result.sessions[-1],
            "stages": [] if result.stages is None else result.stages.reset_index().to_dict("records"),
            "counts": dict(result.counts),
            "warnings": list(result.warnings),
        }


def evaluate(
    result: BacktestResult, predictions: PredictionPanel | None = None, prices: PricePanel | None = None
) -> Evidence:
    """Metrics and tables of a backtest.

    Parameters
    ----------
    result : of `engine.run_backtest`.
    predictions, prices : what it was made from; without them nothing is said about the signal.

    Examples
    --------
    >>> from assay import load_strategy, run_backtest, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> result = run_backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> round(evaluate(result, predictions, prices)["rank_ic_mean"].value, 3)
    0.121

    """
    metrics = portfolio_figures(result, bounds=prices is not None and prices.members is None)
    tables = portfolio_tables(result)
    trips = trips_of(result, prices)
    if trips is not None:
        tables["fills"], tables["trades"] = result.fills, trips
    close = None if prices is None else prices.close.loc[result.sessions[0] : result.sessions[-1]]
    metrics += trade_hits(tables.get("trades"), close)
    if predictions is not None and prices is not None:
        signal, more = _signal(result, predictions, prices)
        metrics += signal
        tables.update(more)
    return Evidence(tuple(metrics), tables)


def portfolio_figures(result: BacktestResult, *, bounds: bool) -> list[Metric]:
    """What is said of the returns, costs and exposures; with `bounds` for the names that are missing."""
    series, rate = {"net": result.returns, "gross": result.gross_returns}, result.cash_rate
    metrics = [item for kind, returns in series.items() for item in performance_metrics(returns, kind, rate=rate)]
    if result.benchmark is not None:
        for kind, returns in series.items():
            metrics += relative_metrics(returns, result.benchmark, kind, rate=rate)
    metrics += _portfolio_metrics(result)
    if bounds:
        metrics += missing_names(result)
    return [*metrics, *session_hits(result.returns, result.benchmark)]


def store_backtest(
    result: BacktestResult,
    evidence: Evidence,
    *,
    root: Any,
    tables: Mapping[str, pd.DataFrame] | None = None,
    metrics: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
    keep: Keep = "all",
) -> Run:
    """Write the run folder of a backtest.

    Parameters
    ----------
    result, evidence : what to store.
    root : the results folder.
    tables : more tables, e.g. folds and training curves of a walk-forward.
    metrics : more entries for ``metrics.json``, e.g. baselines.
    notes : more entries for the manifest, e.g. timings, join losses.
    keep : which tables are stored, see `assay.results.storage.kept`.

    """
    return save_run(
        result.strategy,
        config=result.config,
        fingerprints=result.fingerprints,
        metrics={**evidence.to_json(result), **(metrics or {})},
        tables=kept_tables({**evidence.tables, **(tables or {})}, keep),
        notes={
            "strategy": result.strategy,
            "model": result.config.get("model"),
            "counts": dict(result.counts),
            "warnings": list(result.warnings),
            "receipts": "ok" if "receipts" in evidence.tables else "none",
            **({} if keep == "all" else {"keep": keep}),
            **(notes or {}),
        },
        root=root,
    )


def _portfolio_metrics(result: BacktestResult) -> list[Metric]:
    n = len(result.returns)
    start, end = str(result.sessions[0].date()), str(result.sessions[-1].date())
    before = result.nav.shift(1).fillna(result.config["execution"]["capital"])
    drag = result.costs.div(before, axis="index")
    yearly = drag.mean() * SESSIONS_A_YEAR
    trading = ["commission", "spread", "impact", "sqrt_impact", "minimum_fee"]
    yearly_turnover = result.turnover.mean() * SESSIONS_A_YEAR
    out = [
        ("turnover_ann", yearly_turnover, "NAV a year", "one way: ½Σ|traded value|/NAV × 252", ""),
        ("cost_ann", yearly.sum(), "fraction a year", "gross less net, arithmetic", ""),
        ("trading_cost_ann", yearly[trading].sum(), "fraction a year", "commission, spread, impact, fees", ""),
        ("borrow_cost_ann", yearly["borrow"], "fraction a year", "on shorts held overnight", ""),
        ("financing_cost_ann", yearly["financing"], "fraction a year", "on negative cash held overnight", ""),
        ("gross_exposure", result.exposure["gross"].mean(), "fraction of NAV", "mean at the close", ""),
        ("net_exposure", result.exposure["net"].mean(), "fraction of NAV", "mean at the close", ""),
        ("long_exposure", result.exposure["long"].mean(), "fraction of NAV", "mean at the close", ""),
        ("short_exposure", result.exposure["short"].mean(), "fraction of NAV", "mean at the close, negative", ""),
        break_even_cost(result, yearly, trading),
        break_even_borrow(result, yearly),
    ]
    listed = [
        Metric(name, float(value), unit, text, None, None, n, start, end, why) for name, value, unit, text, why in out
    ]
    return [*listed, *break_even_on_alpha(result, float(yearly[trading].sum()), float(yearly["borrow"]))]


def portfolio_tables(result: BacktestResult) -> dict[str, pd.DataFrame]:
    """The tables of a portfolio that are stored."""
    returns = pd.DataFrame(
        {
            "net": result.returns,
            "gross": result.gross_returns,
            "nav": result.nav,
            "cash": np.nan if result.cash is None else result.cash,
            "turnover": result.turnover,
            **{f"{name}_exposure": result.exposure[name] for name in ("gross", "net", "long", "short")},
        }
    )
    if result.benchmark is not None:
        returns["benchmark"] = result.benchmark
    if result.cash_rate is not None:
        returns["cash_rate"] = result.cash_rate
    tables = {"returns": returns, "costs": result.costs, "events": result.events}
    if result.target_weights is not None:
        tables["weights"] = result.target_weights
    if result.holdings is not None:
        tables["holdings"] = result.holdings
    if result.stages is not None:
        tables["stages"] = result.stages
    return tables


def _signal(
    result: BacktestResult, predictions: PredictionPanel, prices: PricePanel
) -> tuple[list[Metric], dict[str, pd.DataFrame]]:
    execution = result.config["execution"]
    ahead = forward_returns(
        prices, horizon=predictions.horizon, delay=execution["delay"], fill=execution["fill"]
    )
    forward = ahead.reindex(index=predictions.sessions, columns=predictions.assets)
    tables: dict[str, pd.DataFrame] = {"forward_returns": forward}
    score = predictions.score
    for name, frame in (("score", score), ("probability_up", predictions.probability_up)):
        if frame is not None:
            tables[name] = frame
    for name, frame in (predictions.action or {}).items():
        tables[f"action_{name}"] = frame
    if predictions.dispersion is not None:
        tables["dispersion"] = predictions.dispersion
    if predictions.receipts is not None:
        tables["receipts"] = predictions.receipts
    ranks = PairedRanks(*aligned_values(predictions.view, forward))
    skill = skill_of(predictions, prices, forward=ahead, held=result.target_weights, ranks=ranks)
    signed = score if score is not None and (predictions.unit == "return" or predictions.zero_is_neutral) else None
    if signed is None and predictions.probability_up is not None:
        signed = predictions.probability_up - 0.5
    metrics, more = ranking_figures(
        result, skill, predictions.view, signed, forward, result.target_weights, horizon=predictions.horizon,
        ranks=ranks,
    )  # fmt: skip
    tables |= more
    metrics += forecast_metrics(predictions, Outcomes(ahead, predictions.horizon, execution["delay"]))
    if predictions.action is not None:
        span: dict[str, Any] = {"horizon": predictions.horizon, **{name: execution[name] for name in ("delay", "fill")}}
        right = action_labels(prices, **span).reindex(index=predictions.sessions, columns=predictions.assets)
        counts = action_table(chosen_actions(predictions), right.to_numpy(dtype=np.float64))
        tables |= {"action_labels": right, "confusion": counts}
        tables["action_classes"] = class_table(chosen_actions(predictions), right.to_numpy(dtype=np.float64))
        metrics += action_scores(counts)
    if score is not None and predictions.unit == "return":
        window = {"horizon": predictions.horizon, **{name: execution[name] for name in ("delay", "fill")}}
        tables["levels"] = level_table(*implied_levels(score, prices, **window))
        metrics += level_metrics(tables["levels"], predictions.sessions)
    return metrics, tables


def ranking_figures(
    result: BacktestResult,
    skill: Skill | None,
    ranked: Table,
    signed: Table | None,
    forward: Table,
    weights: Table | None,
    *,
    horizon: int,
    ranks: PairedRanks | None = None,
) -> tuple[list[Metric], dict[str, pd.DataFrame]]:
    """What is said of a ranking: skill, correlations, fifths, hit rates; the tables ``skill``, ``ic``, ``quantiles``.

    Parameters
    ----------
    result : for the money that the skill implies.
    skill : None where nothing is ranked.
    ranked, signed : (T, N) what ranks the assets, and what has a sign.
    forward : (T, N) what followed.
    weights : (T', N) target weights.
    horizon : h of the forward returns.
    ranks : of what ranks and what followed, if they are there already.

    """
    metrics: list[Metric] = []
    tables: dict[str, pd.DataFrame] = {}
    if skill is not None:
        metrics += skill_metrics(skill, result)
        tables["skill"] = skill_table(skill)
    ic = ic_table(ranked, forward, ranks=ranks)
    tables["ic"] = ic
    metrics += ic_metrics(ic, horizon)
    if ranked.shape[1] >= 5:
        quantiles = quantile_returns(ranked, forward, quantiles=5, horizon=horizon, ranks=ranks)
        tables["quantiles"] = quantiles.table
        mean = float(quantiles.spread.mean())
        text = "top less bottom fifth, mean a window, before costs"
        reason = "" if math.isfinite(mean) else "too few names"
        metrics.append(Metric("quantile_spread", mean, "fraction", text, n=len(quantiles.spread), reason=reason))
        text = "Spearman of fifth and mean forward return; 1 = rising throughout"
        reason = "" if math.isfinite(quantiles.monotonicity) else "too few names"
        metrics.append(
            Metric("quantile_monotonicity", quantiles.monotonicity, "correlation", text, n=5, reason=reason)
        )
        metrics.append(_rising(quantiles, horizon))
    metrics += hit_metrics(signed, forward, weights, horizon=horizon)
    return metrics, tables


def _rising(quantiles: QuantileReturns, horizon: int) -> Metric:
    """Whether every fifth earns more than the one below it, as a p-value."""
    found = monotonicity_test(quantiles.by_session.to_numpy(), horizon=horizon)
    text = (
        f"of no rise from some fifth to the next, Patton–Timmermann, studentised, {found.draws:,} draws of blocks of "
        f"{found.block:.1f} sessions"
    )
    return Metric("quantile_mr_p", found.p_studentised, "probability", text, n=found.n, reason=found.reason)
