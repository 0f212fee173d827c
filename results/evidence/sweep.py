"""What a grid of backtests shows: a row a cell, the odds that the choice is overfit, and what the best is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.errors import BacktestError, InsufficientEvidenceError
from assay.engine.sweep import Cell, CellResult
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.overfitting import cluster_trials, effective_trials, probability_of_overfitting
from assay.results.stats.performance import sharpe_interval
from assay.results.storage.ledger import Trials

__all__ = ["SweepEvidence", "evaluate_sweep"]

_SESSIONS_A_YEAR = 252
_FLAT = 1e-15


@dataclass(frozen=True, eq=False)
class SweepEvidence:
    """What a grid of backtests shows.

    Parameters
    ----------
    table : a row a cell: its parameters (as text), sharpe_net with low and high (95%), return_ann (compounded),
        return_arithmetic_ann, volatility_ann, turnover_ann, net_exposure.
    returns : (T, cells) net returns a session, columns the positions of the cells as text; NaN where a cell has none.
    metrics : the content of ``metrics.json``: cells, best, pbo, spa, effective_trials, trials, table and, where asked
        for, clusters.

    """

    table: pd.DataFrame
    returns: pd.DataFrame
    metrics: Mapping[str, object]

    def __repr__(self) -> str:
        best = self.table["sharpe_net"].max()
        return f"SweepEvidence({len(self.table)} cells, best net Sharpe {best:.2f}, {len(self.returns):,} sessions)"


def evaluate_sweep(
    cells: Sequence[Cell],
    results: Mapping[int, CellResult],
    known: Trials,
    *,
    elsewhere: int = 0,
    clusters: bool = False,
) -> SweepEvidence:
    """Judge the cells of a grid.

    Parameters
    ----------
    cells, results : the grid, and what each of its cells earned, by position.
    known : the ledger's trials of the same family on the same prices, these cells among them.
    elsewhere : trials made outside this ledger.
    clusters : whether to count independent trials by clustering the ledger's returns, too.

    """
    rows = []
    for index, cell in enumerate(cells):
        net = results[index].net
        sharpe, low, high = sharpe_interval(net.to_numpy())
        rows.append(
            {
                **cell.parameters,
                "sharpe_net": sharpe,
                "low": low,
                "high": high,
                "return_ann": _geometric(net),
                "return_arithmetic_ann": float(net.mean()) * _SESSIONS_A_YEAR,
                "volatility_ann": float(net.std(ddof=1)) * _SESSIONS_A_YEAR**0.5,
                "turnover_ann": results[index].turnover_ann,
                "net_exposure": results[index].net_exposure,
            }
        )
    table = pd.DataFrame(rows)
    returns = pd.DataFrame({str(index): results[index].net for index in range(len(cells))})
    common = returns.dropna()
    best = int(table["sharpe_net"].fillna(-np.inf).argmax())
    best_net = results[best].net.to_numpy(dtype=np.float64)
    sharpes = known.table["sharpe"].to_numpy(dtype=float)
    judged = deflated_sharpe(best_net, sharpes, trials=known.count + max(elsewhere, 0))
    parameters = dict(cells[best].parameters)
    metrics: dict[str, object] = {
        "cells": len(cells),
        "best": {
            "parameters": parameters,
            **{name: value for name, value in rows[best].items() if name not in parameters},
        },
        "pbo": _overfitting(common),
        "spa": _superior(common, cells),
        "effective_trials": effective_trials(common.to_numpy()) if len(common) > 2 else None,
        "trials": {
            "count": judged.trials,
            "in_ledger": known.count,
            "deflated_sharpe": judged.probability,
            "threshold_sharpe_ann": judged.threshold * _SESSIONS_A_YEAR**0.5,
        },
        "table": rows,
    }
    if clusters:
        metrics["clusters"] = _clusters(known, best_net, max(elsewhere, 0))
    return SweepEvidence(table, returns, metrics)


def _geometric(net: pd.Series) -> float:
    """Return a year as a backtest states it: compounded; NaN where a session lost everything."""
    import empyrical

    if not len(net) or not net.min() > -1:
        return math.nan
    return float(empyrical.annual_return(net, annualization=_SESSIONS_A_YEAR))


def _overfitting(common: pd.DataFrame) -> dict[str, object]:
    """Probability of backtest overfitting, or why there is none."""
    try:
        overfit = probability_of_overfitting(common.to_numpy())
    except InsufficientEvidenceError as error:
        return {"probability": None, "reason": str(error)}
    return {
        "probability": overfit.probability,
        "strict": overfit.probability_strict,
        "splits": overfit.splits,
        "dropped_sessions": overfit.dropped,
    }


def _superior(common: pd.DataFrame, cells: Sequence[Cell]) -> dict[str, object]:
    """Hansen's test that no cell is better than cash, and the cells that are; cells that never moved are left out."""
    from assay.results.stats.superior_ability import superior_ability

    values = common.to_numpy(dtype=float)
    moving = [column for column in range(values.shape[1]) if values[:, column].std() > _FLAT] if len(values) else []
    still = values.shape[1] - len(moving)
    try:
        test = superior_ability(values[:, moving])
    except InsufficientEvidenceError as error:
        return {"p_value": None, "reason": str(error), "cells_without_trades": still}
    return {
        "p_value": test.consistent,
        "lower": test.lower,
        "upper": test.upper,
        "against": "cash",
        "superior": [dict(cells[moving[column]].parameters) for column in test.superior()],
        "size": 0.05,
        "cells": len(moving),
        "cells_without_trades": still,
        "sessions": test.sessions,
        "draws": test.draws,
        "block": test.block,
    }


def _clusters(known: Trials, net: np.ndarray, elsewhere: int) -> dict[str, object]:
    """Groups among the ledger's trials on their common sessions, and the best judged by their number."""
    common = known.returns.dropna()
    try:
        groups = cluster_trials(common.to_numpy(dtype=float))
    except BacktestError as error:
        return {"count": None, "reason": str(error)}
    sharpes = known.table["sharpe"].to_numpy(dtype=float)
    judged = deflated_sharpe(net, sharpes, independent=groups.count + elsewhere)
    return {
        "count": groups.count,
        "elsewhere": elsewhere,
        "sessions": len(common),
        "silhouette": None if math.isnan(groups.silhouette) else groups.silhouette,
        "deflated_sharpe": judged.probability,
        "threshold_sharpe_ann": judged.threshold * _SESSIONS_A_YEAR**0.5,
    }
