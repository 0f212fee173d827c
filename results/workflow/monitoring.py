"""Whether a stored run still is what was accepted: its skill, its inputs, and what its book earns, on new sessions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from assay.data.align import align
from assay.data.errors import BacktestError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import simple_returns
from assay.engine.backtest import run_backtest, with_tradable_benchmark
from assay.results.gate.monitor import Monitoring
from assay.results.gate.monitor import monitor as judge_new
from assay.results.storage.lockbox import require_open
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run, load_run
from assay.results.workflow.positions import continued_predictions, trading_of

__all__ = ["monitor"]


def monitor(
    run: Run | str | Path,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    benchmark: pd.Series | None = None,
    root: Path | str = DEFAULT_ROOT,
) -> Monitoring:
    """Judge the sessions after a stored run's: does its skill hold, have its inputs drifted, is the alpha there?

    Parameters
    ----------
    run : a stored backtest, its id or the start of it, or its folder.
    predictions : of the same model; stamps up to the run's last one are left out of the judgement.
    prices : from before the run's first session through the new windows.
    benchmark : returns that alpha is measured against; default the assets' mean.
    root : the results folder, where ids are looked up.

    Raises
    ------
    InputError
        If there is no such run, it has no skill to hold it to, the predictions rank nothing, or the horizons differ.

    """
    stored = (run if isinstance(run, Run) else load_run(run, root=root)).require_backtest("gate --monitor")
    require_open(prices, "monitor")
    against = simple_returns(prices.close).mean(axis="columns") if benchmark is None else benchmark
    result, reason = None, ""
    try:
        rule, costs, execution = trading_of(stored)
        whole, _ = continued_predictions(stored, predictions, prices)
        joined, _ = align(whole, prices)
        traded = with_tradable_benchmark(rule, prices, benchmark)
        result = run_backtest(rule, joined, traded, benchmark=against, costs=costs, execution=execution)
    except BacktestError as error:
        reason = str(error)
    found = judge_new(stored, predictions, prices, result=result)
    return found if not reason else replace(found, alpha_reason=reason)
