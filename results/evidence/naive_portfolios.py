"""Has a strategy earned its complexity? Its net Sharpe ratio against those of portfolios that anyone can hold."""

from __future__ import annotations

import numpy as np

from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.result import BacktestResult
from assay.results.stats.bootstrap import paired_difference, sharpe_annual
from assay.strategies.catalog import load_strategy

__all__ = ["NAIVE_PORTFOLIOS", "against_naive_portfolios"]

#: Names in the catalogue of what an optimised strategy has to beat; the last only where there is a score to rank.
NAIVE_PORTFOLIOS = ("equal_weight", "inverse_volatility", "quintile_long_short")


def against_naive_portfolios(
    result: BacktestResult,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    draws: int = 1000,
) -> list[dict[str, str | float | bool]]:
    """Each naive portfolio's net Sharpe ratio on the same sessions and costs, and the strategy's less it.

    Returns
    -------
    list of dict
        ``strategy``; ``sharpe`` (annual, ddof 1); ``difference`` with its 95% interval ``low``, ``high`` and two-sided
        ``p_value``, from a stationary bootstrap of both on the same sessions; ``earned``: whether the interval lies
        above 0. Sessions before the strategy's first trade are left out of both.

    """
    traded = result.turnover.to_numpy() > 0
    first = int(traded.argmax()) if traded.any() else len(traded)
    mine = result.returns.to_numpy()[first:]
    if len(mine) < 60 or not mine.std() > 0:
        return []
    out: list[dict[str, str | float | bool]] = []
    for name in NAIVE_PORTFOLIOS:
        if name == "quintile_long_short" and predictions.score is None:
            continue
        simple = run_backtest(
            load_strategy(name), predictions, prices, costs=costs, execution=execution, keep="returns"
        ).returns.to_numpy()[first:]
        if len(simple) != len(mine):
            continue
        paired = paired_difference(mine, simple, draws=draws)
        out.append(
            {
                "strategy": name,
                "sharpe": float(sharpe_annual(simple[np.newaxis])[0]),
                "difference": paired.value,
                "low": paired.low,
                "high": paired.high,
                "p_value": paired.p_value,
                "earned": bool(paired.low > 0),
            }
        )
    return out
