"""A run that is traded: its fills in the live ledger, and what they come to beside the backtest of those sessions."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from assay.data.align import align
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest, with_tradable_benchmark
from assay.engine.costs import CostTable
from assay.results.evidence.live import Reconciliation, reconcile
from assay.results.storage.live_ledger import read_fills, record_fills
from assay.results.storage.live_state import load_state
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run, load_run
from assay.results.workflow.positions import continued_predictions, trading_of

__all__ = ["reconcile_live", "record"]


def record(run: Run | str | Path, state: Path | str, fills: pd.DataFrame, *, root: Path | str = DEFAULT_ROOT) -> int:
    """Append fills to the live ledger of a run; how many it has then.

    Parameters
    ----------
    run : a stored backtest, its id or the start of it, or its folder.
    state : the folder of its state, which holds the ledger.
    fills : see `assay.data.files.fills.load_fills`.
    root : the results folder.

    Raises
    ------
    InputError
        If the folder does not exist, an asset is none of the run's, or the same fills were recorded before.

    """
    stored = (run if isinstance(run, Run) else load_run(run, root=root)).require_backtest("positions")
    following = load_state(Path(state)) if Path(state).is_dir() else None
    known = [] if following is None else [str(asset) for asset in following.carried.assets]
    if following is None or stored.has("weights"):
        known += [str(asset) for asset in stored.table("weights").columns]
    for asset in dict.fromkeys(fills["asset"]):
        if asset not in known:
            raise UnknownNameError("asset in the fills", str(asset), known)
    return record_fills(state, fills)


def reconcile_live(
    run: Run | str | Path,
    state: Path | str,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    capital: float,
    benchmark: pd.Series | None = None,
    costs: CostTable | None = None,
    strategy: str | None = None,
    root: Path | str = DEFAULT_ROOT,
) -> Reconciliation:
    """The live ledger of a run beside the backtest of the same sessions.

    Parameters
    ----------
    run, predictions, prices, benchmark, costs, strategy, root : as in `target_positions`, with the whole history.
    state : the folder that holds the ledger.
    capital : currency before the first fill.

    Raises
    ------
    InputError
        If there is no such folder, no fill is recorded, or one is of a session or asset that the backtest lacks.

    """
    stored = (run if isinstance(run, Run) else load_run(run, root=root)).require_backtest("compare --live")
    if not Path(state).is_dir():
        raise InputError(f"{state}: there is no such folder; name that of `positions --state`")
    rule, cost_model, execution = trading_of(stored, costs, strategy)
    joined, _ = align(continued_predictions(stored, predictions, prices)[0], prices)
    result = run_backtest(rule, joined, prices, benchmark=benchmark, costs=cost_model, execution=execution)
    traded = with_tradable_benchmark(rule, prices, benchmark)
    return reconcile(result, read_fills(state), traded, capital=capital)
