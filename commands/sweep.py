"""Backtest a grid of parameters in one pass."""

from __future__ import annotations

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
from assay.commands.output import echo_json, progress, say_sealed

if TYPE_CHECKING:
    from assay.data.panel import PredictionPanel
    from assay.engine.execution import Execution
    from assay.results.workflow.study import CostSection
    from assay.results.workflow.sweeps import Variant

__all__ = ["sweep"]


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
    from assay.results.workflow import sweep as run
    from assay.results.workflow.inputs import load_inputs, load_market
    from assay.results.workflow.model_sweeps import PREFIX, ModelRecipe, model_variants, parted_grid

    grid = parse_grid(grids)
    own, rest = parted_grid(grid)
    if own and model is None:
        raise InputError(f"--grid {PREFIX}{next(iter(own))}: of which model? name it with --model")
    if model is not None and (data.predictions or data.receipts):
        raise InputError("sweep: --model makes the predictions; leave --predictions and --receipts out")
    study = data.study()
    with progress(quiet=as_json) as heard:
        if model is None:
            inputs = load_inputs(study, delay=execution.delay)
            say_sealed(inputs.prices)
            prices, benchmark, made_by = inputs.prices, inputs.benchmark, inputs.made_by
            predictions: PredictionPanel | list[Variant] = inputs.predictions
        else:
            prices, benchmark = load_market(study.data)
            say_sealed(prices)
            made_by = None
            predictions = model_variants(
                ModelRecipe(model, preset, parse_settings(model_settings, "--model-param")),
                own,
                prices,
                parse_plan(train, retrain, data.start, data.end),
                horizon=data.horizon,
                delay=max(execution.delay, 1),
                executor=executor,
                workers=workers,
                root=results,
                progress=heard,
            )
        stored = run(
            chosen.strategy,
            rest,
            predictions,
            prices,
            settings=chosen.parameters,
            benchmark=benchmark,
            costs=costs.load(prices, study.data.reading("costs")),
            execution=execution,
            clusters=clusters,
            executor=executor,
            workers=workers,
            made_by=made_by,
            trials_elsewhere=trials,
            root=results,
            progress=heard,
        )
    if heatmap is not None:
        from assay.results.report.plots.sweep import write_heatmap

        write_heatmap(stored.evidence.table, grid, heatmap)
    if as_json:
        echo_json({"run_id": stored.run.id, "path": str(stored.run.path), **stored.run.metrics})
    else:
        click.echo(str(stored))
