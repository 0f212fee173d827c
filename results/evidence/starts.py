"""A schedule of orders from every session on which it could have begun: one start is luck."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from assay.data.conventions import SESSIONS_A_YEAR, annual_sharpe
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.results.stats.performance import sharpe_interval
from assay.strategies.base import EntryRule, Strategy

__all__ = ["over_all_starts"]


def over_all_starts(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    costs: CostModel,
    execution: Execution,
) -> dict[str, Any] | None:
    """The run again with each phase of its schedule, on the sessions after the latest start.

    Parameters
    ----------
    strategy : whose overlays order every n sessions, weeks or months; its own phase is one of those.
    predictions, prices, costs, execution : of the run; the prices hold the benchmark where the strategy trades it.

    Returns
    -------
    dict or None
        ``every``, ``phase`` (the run's), ``phases`` (a list of phase, sharpe_net, turnover_ann), and of the capital
        split equally over all starts ``sharpe_net`` with its interval (``low``, ``high``, 95%), beside the ``lowest``
        and ``highest`` of one start. None where the strategy orders on every session, or its phase is no parameter.

    """
    overlays = None if isinstance(strategy, EntryRule) else strategy.overlays
    if overlays is None or overlays.every == 1 or not hasattr(strategy, "phase"):
        return None
    runs = [
        run_backtest(
            replace(cast(Any, strategy), phase=phase), predictions, prices,
            costs=costs, execution=execution, keep="returns",
        )
        for phase in range(overlays.starts)
    ]  # fmt: skip
    begun = min(overlays.starts - 1, len(runs[0].returns) - 1)
    net = np.stack([run.over_cash(run.returns).to_numpy()[begun:] for run in runs])
    each = [float(annual_sharpe(row)) for row in net]
    sharpe, low, high = sharpe_interval(net.mean(axis=0))
    return {
        "every": overlays.every,
        "phase": overlays.phase,
        "sessions": net.shape[1],
        "sharpe_net": sharpe,
        "low": low,
        "high": high,
        "lowest": float(np.min(each)),
        "highest": float(np.max(each)),
        "phases": [
            {"phase": phase, "sharpe_net": each[phase],
             "turnover_ann": float(run.turnover.iloc[begun:].mean() * SESSIONS_A_YEAR)}
            for phase, run in enumerate(runs)
        ],
    }  # fmt: skip
