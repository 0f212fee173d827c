"""The table of stages: what a strategy earned after select, filter, smooth, vol target, kill switch and costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, annual_sharpe
from assay.engine.result import BacktestResult

__all__ = ["STAGE_COLUMNS", "stage_table"]

STAGE_COLUMNS = ("sharpe", "return_ann", "volatility_ann", "turnover_ann", "cost_ann")


def stage_table(stages: Iterable[tuple[str, BacktestResult]]) -> pd.DataFrame:
    """One row a stage, columns `STAGE_COLUMNS`, gross; the last simulation once more, net, as ``costs``.

    Parameters
    ----------
    stages : label of each stage and its simulation, in order; of a label that comes again, the last has the row.

    """
    last_of: dict[str, BacktestResult] = {}
    for label, result in stages:
        last_of.pop(label, None)  # so that the last stage is the last row
        last_of[label] = last = result
    rows = [_row(label, result, result.gross_returns) for label, result in last_of.items()]
    return pd.DataFrame([*rows, _row("costs", last, last.returns)]).set_index("stage")


def _row(label: str, result: BacktestResult, returns: pd.Series) -> dict[str, Any]:
    """One row of the stage table; Sharpe is mean/std (ddof 1) times √252, over what cash earned."""
    excess = result.over_cash(returns)
    deviation = float(returns.std(ddof=1)) if len(returns) > 1 else float("nan")
    mean = float(returns.mean())
    before = result.nav.shift(1).fillna(result.config["execution"]["capital"])
    drag = (result.costs.sum(axis="columns") / before).mean()
    return {
        "stage": label,
        "sharpe": annual_sharpe(excess),
        "return_ann": mean * SESSIONS_A_YEAR,
        "volatility_ann": deviation * np.sqrt(SESSIONS_A_YEAR),
        "turnover_ann": float(result.turnover.mean()) * SESSIONS_A_YEAR,
        "cost_ann": float(drag) * SESSIONS_A_YEAR,
    }
