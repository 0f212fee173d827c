"""Backtest a grid of parameters in one pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.inputs import load_inputs
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
    results_and_ledger,
    strategy_options,
    trials_option,
)
from assay.commands.output import echo_json, progress

if TYPE_CHECKING:
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution

__all__ = ["sweep"]


@click.command()
@strategy_options
@click.option("--grid", "grids", multiple=True, metavar="NAME=V1,V2,…",
              help="A parameter of the strategy, a cost (cost_bps, borrow_bps …), delay or fill; repeatable.")
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
    data: DataOptions,
    execution: Execution,
    costs: CostModel,
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
    """  # fmt: skip
    from assay.engine.sweep import parse_grid
    from assay.results.workflow import sweep as run

    grid = parse_grid(grids)
    inputs = load_inputs(data, delay=execution.delay)
    with progress(quiet=as_json) as heard:
        stored = run(
            chosen.strategy,
            grid,
            inputs.predictions,
            inputs.prices,
            settings=chosen.parameters,
            benchmark=inputs.benchmark,
            costs=costs,
            execution=execution,
            clusters=clusters,
            executor=executor,
            workers=workers,
            made_by=inputs.made_by,
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
