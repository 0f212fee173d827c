"""The evidence of a backtest that was made in blocks of sessions: the same functions, fed some rows at a time.

Scores, forward returns, trailing risk and weights are tables whose rows are made when they are asked for
(`assay.data.row_tables`), from panels that may be mapped files, so that no table of all cells is in memory. What reads
round trips is not made, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

from assay.data.align import Join
from assay.data.conventions import Floats
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import simple_returns
from assay.data.row_tables import RowFrame, rows_of
from assay.engine.leaks import wrong_scale
from assay.engine.result import BacktestResult
from assay.results.evidence.backtest import Evidence, portfolio_figures, portfolio_tables, ranking_figures
from assay.results.evidence.forecast_tables import level_metrics, level_table
from assay.results.evidence.forecasts import LEAST_BEFORE, Outcomes, forecast_metrics
from assay.results.stats.blocks import row_blocks
from assay.results.stats.forecast_tests import HistoricalMean
from assay.results.stats.hit_rates import trade_hits
from assay.results.stats.risk_by_session import pays
from assay.results.stats.skill import Risk, RunningRisk, skill_series, trailing_risk

__all__ = ["Scores", "evaluate_in_blocks", "scores_of"]

_NO_TRIPS = "round trips are not made in blocks of sessions"


@dataclass(frozen=True, eq=False)
class Scores:
    """What evidence reads of predictions: the joined score, and what it is.

    Parameters
    ----------
    score : (T', N) on the sessions that the prices have, NaN where no price joins.
    unit, horizon, delay, zero_is_neutral : as in `PredictionPanel`.

    """

    score: RowFrame
    unit: str
    horizon: int
    delay: int
    zero_is_neutral: bool
    probability_up: None = None

    @property
    def panel(self) -> PredictionPanel:
        """This, to functions of a panel that read no more than a score's rows."""
        return cast(PredictionPanel, self)


def scores_of(predictions: PredictionPanel, prices: PricePanel) -> Scores:
    """The scores of predictions as they join the prices."""
    join = Join(predictions, prices)
    raw = rows_of(predictions.require_score("evidence in blocks of sessions")).to_numpy()

    def make(rows: slice) -> Floats:
        return np.where(join.joined(rows), raw[rows], np.nan)

    whole = RowFrame(predictions.sessions, predictions.assets, make)
    kept = predictions.sessions[join.rows >= 0]
    score = whole if len(kept) == len(predictions.sessions) else whole.reindex(kept)
    return Scores(score, predictions.unit, predictions.horizon, predictions.delay, predictions.zero_is_neutral)


def evaluate_in_blocks(
    result: BacktestResult, predictions: PredictionPanel, prices: PricePanel, weights: RowFrame
) -> tuple[Evidence, list[str]]:
    """What `assay.results.evidence.backtest.evaluate` says of such a result, without round trips; and doubts of scale.

    Parameters
    ----------
    result : of `assay.engine.in_blocks.run_in_blocks`.
    predictions, prices : what it was made from, not joined yet.
    weights : (T, N) final target weights, stamped t.

    """
    scores, execution = scores_of(predictions, prices), result.config["execution"]
    outcomes = _RowOutcomes(prices, scores.horizon, execution["delay"], execution["fill"])
    forward = outcomes.table.reindex(scores.score.index)
    metrics = portfolio_figures(result, bounds=prices.members is None)
    metrics += [replace(item, reason=_NO_TRIPS) for item in trade_hits(None)]
    tables = portfolio_tables(result)
    if predictions.receipts is not None:
        tables["receipts"] = predictions.receipts
    signed = scores.score if scores.unit == "return" or scores.zero_is_neutral else None
    risk = _risk(prices, scores.score.index[-1])
    skill = skill_series(scores.score, forward, risk, horizon=scores.horizon, held=weights)
    found, more = ranking_figures(result, skill, scores.score, signed, forward, weights, horizon=scores.horizon)
    metrics += found
    tables |= more
    metrics += forecast_metrics(scores.panel, outcomes.outcomes)
    if scores.unit == "return":
        tables["levels"] = level_table(scores.score, *outcomes.levels(scores.score))
        metrics += level_metrics(tables["levels"], scores.score.index)
    usual = execution["delay"] == scores.delay and (execution["fill"] == "open") == (prices.open is not None)
    doubt = wrong_scale(scores.panel, prices, forward=forward) if usual else None
    return Evidence(tuple(metrics), tables), [] if doubt is None else [doubt]


class _RowOutcomes:
    """`assay.results.evidence.forecasts.Outcomes` whose tables are made some rows at a time."""

    def __init__(self, prices: PricePanel, horizon: int, delay: int, fill: str) -> None:
        self.prices, self.horizon, self.delay = prices, horizon, delay
        frame = prices.open if fill == "open" and prices.open is not None else prices.close
        self._fills, self._closes = rows_of(frame), rows_of(prices.close)
        self._members = None if prices.members is None else rows_of(prices.members)
        self.table = RowFrame(prices.sessions, prices.assets, self._forward)
        naive = HistoricalMean(self.table.to_numpy(), known_after=delay + horizon)
        self._means = RowFrame(prices.sessions, prices.assets, naive)

    @property
    def outcomes(self) -> Outcomes:
        """This, to functions of outcomes."""
        return cast(Outcomes, self)

    def of(self, frame: RowFrame) -> Any:
        """Forward returns on the stamps of a frame."""
        return self.table.reindex(frame.index).to_numpy()

    def means(self, frame: RowFrame) -> Any:
        """`assay.results.stats.forecast_tests.historical_mean` on the stamps of a frame."""
        return self._means.reindex(frame.index).to_numpy()

    def scale(self, frame: RowFrame) -> Floats:
        """(N,) mean absolute forward return over windows known by the first stamp of a frame; NaN below 20."""
        first = int(self.table.index.searchsorted(frame.index[0]))
        stop = max(0, first - self.delay - self.horizon + 1)
        total, count = np.zeros(frame.shape[1]), np.zeros(frame.shape[1], dtype=np.int64)
        for rows in row_blocks((stop, frame.shape[1])):
            values = self._forward(rows)
            known = np.isfinite(values)
            total += np.where(known, np.abs(values), 0.0).sum(axis=0)
            count += known.sum(axis=0)
        return np.where(count >= LEAST_BEFORE, total / np.maximum(count, 1), np.nan)

    def levels(self, score: RowFrame) -> tuple[RowFrame, RowFrame]:
        """The closes of a frame's stamps, and the prices at the ends of their windows."""
        later = RowFrame(self.prices.sessions, self.prices.assets, partial(self._later, self.delay + self.horizon))
        return self._closes.reindex(score.index), later.reindex(score.index)

    def _forward(self, rows: slice) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._later(self.delay + self.horizon, rows) / self._at(self.delay, rows) - 1.0

    def _at(self, later: int, rows: slice) -> Floats:
        return self._fills.placed(np.arange(rows.start + later, rows.stop + later))

    def _later(self, later: int, rows: slice) -> Floats:
        out = self._at(later, rows)
        return out if self._members is None else np.where(self._members.make(rows) > 0, out, np.nan)


def _risk(prices: PricePanel, last: pd.Timestamp) -> Risk | RunningRisk:
    """Trailing risk through a session: of many assets running along, of few as tables."""
    count = int(prices.sessions.searchsorted(last, side="right"))
    if not pays(prices.shape[1]):
        return trailing_risk(simple_returns(prices.close.iloc[:count]))
    closes = rows_of(prices.close)

    def make(rows: slice) -> Floats:
        values = closes.make(slice(max(rows.start - 1, 0), rows.stop))
        out = np.full((rows.stop - rows.start, values.shape[1]), np.nan)
        skipped = int(rows.start == 0)
        np.divide(values[1:], values[:-1], out=out[skipped:])
        out[skipped:] -= 1.0
        return out

    return RunningRisk(prices.sessions[:count], prices.assets, make)
