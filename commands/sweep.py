"""Backtest a grid of parameters in one pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.options import (
    PATH,
    DataOptions,
    Executor,
    StrategyOptions,
    cost_options,
    data_options,
    execution_options,
    executor_options,
    json_option,
    parse_plan,
    parse_settings,
    results_and_ledger,
    strategy_options,
    trials_option,
)
from assay.commands.output import echo_json, progress

if TYPE_CHECKING:
    from assay.engine.execution import Execution
    from assay.results.workflow.backtests import StoredBacktest
    from assay.results.workflow.study import CostSection
    from assay.results.workflow.sweeps import StoredSweep

__all__ = ["report_sweep", "sweep"]


@click.command()
@strategy_options
@click.option("--grid", "grids", multiple=True, metavar="NAME=V1,V2,…",
              help="A parameter of the strategy, a cost (cost_bps, borrow_bps …), delay or fill; repeatable.")
@click.option("--model", help="Retrain this model for each configuration of --grid model.NAME=…; see `models list`.")
@click.option("--model-param", "model_settings", multiple=True, metavar="NAME=VALUE",
              help="A parameter of --model that stays; repeatable.")
@click.option("--preset", help="Named parameters of --model; see `models show`.")
@click.option("--train", default="1260", show_default=True, help="With --model: sessions in the rolling window, or "
              "'expanding'.")
@click.option("--retrain", default="yearly", show_default=True, help="With --model: monthly, quarterly, yearly, or a "
              "number of sessions.")
@data_options
@execution_options
@cost_options
@trials_option
@click.option("--clusters", is_flag=True, help="Also count independent trials by clustering the ledger's returns, and "
              "deflate the best by that count.")
@executor_options("cells that cannot share a pass (entry rules, fees by the fill) are run")
@click.option("--heatmap", type=PATH, help="Draw the net Sharpe over the first two grids as a PNG here.")
@results_and_ledger
@json_option
def sweep(
    chosen: StrategyOptions,
    grids: tuple[str, ...],
    model: str | None,
    model_settings: tuple[str, ...],
    preset: str | None,
    train: str,
    retrain: str,
    data: DataOptions,
    execution: Execution,
    costs: CostSection,
    trials: int,
    clusters: bool,
    executor: Executor,
    workers: int | None,
    heatmap: Path | None,
    results: Path,
    as_json: bool,
) -> None:
    """Backtest a grid of parameters: a table, the odds that the choice is overfit, and what the best is worth.

    Every cell is a trial and enters the ledger. A sweep that was killed goes on where it stopped.

    \b
    Examples:
      python cli.py sweep --strategy s2_filter_negative --grid quantile=0.1,0.2,0.3 --grid cost_bps=0,5,10
      python cli.py sweep --strategy quintile_long_short --grid delay=1,2,3 --heatmap delay.png --json
      python cli.py sweep --model ridge --grid model.penalty=0.001,0.1,10 --grid quantile=0.2,0.3 --start 2010-01-04

    A model's parameters are chosen here on the very sessions that judge them, and each counts as a trial; inside the
    folds, on what lies before those sessions, `walk-forward --tune` chooses.
    """  # fmt: skip
    from assay.data.errors import InputError
    from assay.engine.sweep import parse_grid
    from assay.results.workflow.study import CheckSection, FoldSection, ModelSection, StrategySection, SweepSection
    from assay.results.workflow.study_runs import make_run

    grid = SweepSection(
        {name: tuple(values) for name, values in parse_grid(grids).items()},
        clusters=clusters,
        heatmap=None if heatmap is None else str(heatmap),
    )
    if model is not None and (data.predictions or data.receipts):
        raise InputError("sweep: --model makes the predictions; leave --predictions and --receipts out")
    plan = parse_plan(train, retrain, data.start, data.end)
    study = replace(
        data.study(),
        folds=FoldSection(
            train="expanding" if plan.train is None else plan.train,
            retrain=plan.retrain,
            horizon=data.horizon,
            start=data.start,
            end=data.end,
            executor=executor,
            workers=workers,
        ),
        strategy=StrategySection(chosen.strategy, chosen.parameters),
        costs=costs,
        execution=execution,
        sweep=grid,
        checks=CheckSection(trials_elsewhere=trials),
    )
    if model is not None:
        section = ModelSection(model, preset, parse_settings(model_settings, "--model-param"))
        study = replace(study, predictions=None, model=section)
    with progress(quiet=as_json) as heard:
        stored = make_run(study, root=results, progress=heard)
    report_sweep(stored, as_json=as_json)


def report_sweep(stored: StoredBacktest | StoredSweep, *, as_json: bool) -> None:
    """Print a stored sweep."""
    if as_json:
        echo_json({"run_id": stored.run.id, "path": stored.run.address, **stored.run.metrics})
    else:
        click.echo(str(stored))
