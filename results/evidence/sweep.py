"""What a grid of backtests shows: a row a cell, the odds that the choice is overfit, and what the best is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.conventions import FLAT, SESSIONS_A_YEAR
from assay.data.errors import BacktestError, InsufficientEvidenceError
from assay.engine.costs import cash_rate_of
from assay.engine.sweep import CellResult, GridCell
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.light_empyrical import light_empyrical
from assay.results.stats.overfitting import cluster_trials, effective_trials, probability_of_overfitting
from assay.results.stats.performance import sharpe_interval
from assay.results.storage.trial_ledger import Trials

__all__ = ["SweepEvidence", "evaluate_sweep", "excess_returns"]



@dataclass(frozen=True, eq=False)
class SweepEvidence:
    """What a grid of backtests shows.

    Parameters
    ----------
    table : a row a cell: its parameters (as text), sharpe_net with low and high (95%), return_ann (compounded),
        return_arithmetic_ann, volatility_ann, turnover_ann, net_exposure.
    returns : (T, cells) net returns a session, columns the positions of the cells as text; NaN where a cell has none.
    metrics : the content of ``metrics.json``: cells; scenario, best, pbo, spa, effective_trials and trials of the
        first scenario; scenarios, the same of each; table and, where asked for, clusters. Costs, borrow, capital, delay
        and fill are scenarios: the best of one is never compared with that of another.

    """

    table: pd.DataFrame
    returns: pd.DataFrame
    metrics: Mapping[str, object]

    def __repr__(self) -> str:
        best = self.table["sharpe_net"].max()
        return f"SweepEvidence({len(self.table)} cells, best net Sharpe {best:.2f}, {len(self.returns):,} sessions)"


def evaluate_sweep(
    cells: Sequence[GridCell],
    results: Mapping[int, CellResult],
    scenarios: Sequence[str],
    known: Mapping[str, Trials],
    *,
    first: str,
    elsewhere: int = 0,
    clusters: bool = False,
) -> SweepEvidence:
    """Judge the cells of a grid.

    Parameters
    ----------
    cells, results : the grid, and what each of its cells earned, by position.
    scenarios : of each cell, see `assay.results.storage.trial_ledger.scenario_of`.
    known : of each scenario, the ledger's trials on the same market, these cells among them.
    first : the scenario that is judged first, as that of the run; the others stand beside it.
    elsewhere : trials made outside this ledger.
    clusters : whether to count independent trials by clustering the ledger's returns, too.

    """
    rows = []
    for index, cell in enumerate(cells):
        net = results[index].net
        sharpe, low, high = sharpe_interval(excess_returns(cell, net).to_numpy())
        rows.append(
            {
                **cell.parameters,
                "sharpe_net": sharpe,
                "low": low,
                "high": high,
                "return_ann": _geometric(net),
                "return_arithmetic_ann": float(net.mean()) * SESSIONS_A_YEAR,
                "volatility_ann": float(net.std(ddof=1)) * SESSIONS_A_YEAR**0.5,
                "turnover_ann": results[index].turnover_ann,
                "net_exposure": results[index].net_exposure,
            }
        )
    table = pd.DataFrame(rows)
    returns = pd.DataFrame({str(index): results[index].net for index in range(len(cells))})
    excess = pd.DataFrame({str(index): excess_returns(cell, results[index].net) for index, cell in enumerate(cells)})
    order = [first, *(name for name in dict.fromkeys(scenarios) if name != first)]
    chosen = {name: [i for i, other in enumerate(scenarios) if other == name] for name in order}
    naming = _of_scenarios(cells, scenarios)
    judged = [
        _choice(cells, members, rows, excess[[str(i) for i in members]], known[name], naming, max(elsewhere, 0))
        for name, members in chosen.items()
    ]
    metrics: dict[str, object] = {"cells": len(cells), **judged[0], "scenarios": judged, "table": rows}
    if clusters:
        best = chosen[first][int(table["sharpe_net"].iloc[chosen[first]].fillna(-np.inf).argmax())]
        metrics["clusters"] = _clusters(known[first], excess[str(best)].to_numpy(dtype=float), max(elsewhere, 0))
    return SweepEvidence(table, returns, metrics)


def _of_scenarios(cells: Sequence[GridCell], scenarios: Sequence[str]) -> list[str]:
    """Parameters that vary between scenarios and never within one: what names a scenario."""
    out = []
    for name in cells[0].parameters:
        seen: dict[str, set[object]] = {}
        for cell, scenario in zip(cells, scenarios, strict=True):
            seen.setdefault(scenario, set()).add(cell.parameters[name])
        if all(len(values) == 1 for values in seen.values()) and len(set.union(*seen.values())) > 1:
            out.append(name)
    return out


def _choice(
    cells: Sequence[GridCell],
    members: Sequence[int],
    rows: Sequence[Mapping[str, object]],
    returns: pd.DataFrame,
    known: Trials,
    naming: Sequence[str],
    elsewhere: int,
) -> dict[str, object]:
    """What the choice among the cells of one scenario is worth, by their returns over the cash rate."""
    common = returns.dropna()
    sharpes = np.array([float(str(rows[i]["sharpe_net"])) for i in members])
    best = members[int(np.where(np.isfinite(sharpes), sharpes, -np.inf).argmax())]
    judged = deflated_sharpe(
        returns[str(best)].to_numpy(dtype=np.float64),
        known.table["sharpe"].to_numpy(dtype=float),
        trials=known.count + elsewhere,
    )
    parameters = dict(cells[best].parameters)
    scenario = {name: value for name, value in parameters.items() if name in naming}
    return {
        "scenario": scenario,
        "best": {
            "parameters": parameters,
            **{name: value for name, value in rows[best].items() if name not in parameters},
        },
        "pbo": _overfitting(common),
        "spa": _superior(common, [cells[i] for i in members]),
        "effective_trials": effective_trials(common.to_numpy()) if len(common) > 2 else None,
        "trials": {
            "count": judged.trials,
            "in_ledger": known.count,
            "deflated_sharpe": judged.probability,
            "threshold_sharpe_ann": judged.threshold * SESSIONS_A_YEAR**0.5,
        },
    }


def excess_returns(cell: GridCell, net: pd.Series) -> pd.Series:
    """Net returns of a cell over its cash rate, of which Sharpe ratios are; as they are where none was given."""
    rate = cash_rate_of(cell.costs, pd.DatetimeIndex(net.index))
    return net if rate is None else net - rate


def _geometric(net: pd.Series) -> float:
    """Return a year as a backtest states it: compounded; NaN where a session lost everything."""
    empyrical = light_empyrical()

    if not len(net) or not net.min() > -1:
        return math.nan
    return float(empyrical.annual_return(net, annualization=SESSIONS_A_YEAR))


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


def _superior(common: pd.DataFrame, cells: Sequence[GridCell]) -> dict[str, object]:
    """Hansen's test that no cell is better than cash, and the cells that are; cells that never moved are left out."""
    from assay.results.stats.superior_ability import superior_ability

    values = common.to_numpy(dtype=float)
    moving = [column for column in range(values.shape[1]) if values[:, column].std() > FLAT] if len(values) else []
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
    common = known.traded.dropna()
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
        "threshold_sharpe_ann": judged.threshold * SESSIONS_A_YEAR**0.5,
    }
