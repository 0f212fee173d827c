"""One measure for a model and for the canaries beside it: how well what it says ranks what follows, and what it earns.

Everything is measured through the strategy, costs and execution of the real run, so figures can stand side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import BacktestError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.results.checks.base import Content
from assay.results.stats.information_coefficient import ic_metrics, ic_table
from assay.results.stats.performance import sharpe_interval
from assay.results.stats.ranks import rank_correlation
from assay.strategies.base import EntryRule, Strategy

__all__ = ["Measurement", "Trading", "rank_skill"]

_PERFECT = 0.99
#: Fewer assets than this have no cross-section to rank.
_CROSS_SECTION = 3


@dataclass(frozen=True)
class Measurement:
    """What predictions are worth.

    Parameters
    ----------
    skill : rank correlation of predictions with what followed, see `rank_skill`; NaN where nothing varies.
    t : its t; infinite where every session is perfect.
    sharpe : annual net Sharpe ratio of the strategy on them; NaN where it has nothing to trade on.

    """

    skill: float
    t: float
    sharpe: float = math.nan

    def to_dict(self) -> dict[str, float]:
        """Figures by name."""
        return {"skill": self.skill, "t": self.t, "sharpe": self.sharpe}

    @classmethod
    def from_content(cls, entries: Content) -> Self:
        """Read back; a figure that does not exist is stored as null."""
        sharpe = entries.number("sharpe") if entries.has("sharpe") else math.nan
        return cls(entries.number("skill"), entries.number("t"), sharpe)


@dataclass(frozen=True)
class Trading:
    """How predictions become returns: the strategy, costs and execution of a run."""

    strategy: Strategy | EntryRule
    costs: CostModel
    execution: Execution

    def measure(
        self, predictions: PredictionPanel, prices: PricePanel, labels: CanaryLabels | None = None
    ) -> Measurement:
        """Skill and t of the predictions (against a canary's labels), and the net Sharpe ratio of the strategy."""
        skill, t, _ = rank_skill(predictions, prices, fill=self.execution.fill_at(prices), labels=labels)
        try:
            result = run_backtest(
                self.strategy, predictions, prices, costs=self.costs, execution=self.execution, keep="returns"
            )
            sharpe = sharpe_interval(result.over_cash(result.returns).to_numpy())[0]
        except BacktestError:  # a strategy may have nothing to trade on
            sharpe = math.nan
        return Measurement(skill, t, sharpe)


def rank_skill(
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    fill: Literal["open", "close"] | None = None,
    labels: CanaryLabels | None = None,
) -> tuple[float, float, str]:
    """Rank correlation of predictions with what followed, its t, and what it is called.

    Parameters
    ----------
    predictions : the score is ranked; without one the probability of up, or that of buying less that of selling.
    prices : the panel they are about.
    fill : which price the windows run between.
    labels : a canary's, to measure against in place of what followed.

    Returns
    -------
    tuple
        With at least 3 assets the mean rank IC over sessions and its HAC t; with fewer the mean over assets of the
        rank correlation over sessions, t = ρ·√(sessions/horizon). NaN where nothing varies; t is infinite where every
        session is perfect.

    """
    ranked = predictions.view
    forward = forward_returns(prices, horizon=predictions.horizon, delay=predictions.delay, fill=fill, labels=labels)
    forward = forward.reindex(index=ranked.index, columns=ranked.columns)
    if ranked.shape[1] >= _CROSS_SECTION:
        figures: Mapping[str, float] = {
            item.name: item.value for item in ic_metrics(ic_table(ranked, forward), predictions.horizon)
        }
        value, t = figures["rank_ic_mean"], figures["rank_ic_t"]
        if math.isnan(t) and abs(value) > _PERFECT:  # the same in every session: there is no error to divide by
            t = math.copysign(math.inf, value)
        return value, t, "rank IC"
    each, n = rank_correlation(ranked.to_numpy().T, forward.to_numpy().T, minimum=30)
    known = np.isfinite(each)
    value = float(each[known].mean()) if known.any() else math.nan
    sessions = float(np.asarray(n)[known].mean()) if known.any() else 0.0
    return value, value * math.sqrt(sessions / predictions.horizon), "rank correlation over time"
