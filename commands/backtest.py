"""Predictions and prices in, a backtest with its evidence out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from assay.commands.options import (
    DataOptions,
    Executor,
    StrategyOptions,
    StyleOptions,
    by_default,
    cost_options,
    data_options,
    execution_options,
    executor_options,
    json_option,
    metric_option,
    results_and_ledger,
    strategy_options,
    style_options,
    trials_option,
)
from assay.commands.output import echo_json, progress

if TYPE_CHECKING:
    from assay.engine.execution import Execution
    from assay.results.storage.kept import Keep
    from assay.results.workflow import StoredBacktest
    from assay.results.workflow.study import CostSection

__all__ = ["KEEP_HELP", "KEPT", "backtest", "report"]

#: What ``--keep`` can be, as `assay.results.storage.kept`.
KEPT = ("auto", "all", "weights", "returns")
KEEP_HELP = (
    "Tables to store: all, target weights alone of those by asset and session, or none of them; auto is weights "
    "for a backtest of more than 5 million sessions × assets, else all."
)

#: Tables that ``--json`` shows whole.
_ANALYSES = (
    "attribution", "legs", "regimes", "crises", "days", "holding_period", "deciles", "rank_persistence",
    "importance", "importance_folds",
)  # fmt: skip


@click.command()
@strategy_options
@data_options
@execution_options
@cost_options
@click.option("--engine", type=click.Choice(["native", "vectorbt"]), default="native", show_default=True)
@click.option("--cross-check", is_flag=True, help="Run both engines; fail if a daily net return differs by over 1e-9.")
@click.option("--leaks", is_flag=True, help="Recompute weights and NAV on truncated data.")
@click.option("--canaries", is_flag=True, help="Random-score runs, scores a session late and early, a constant score.")
@click.option(
    "--random-runs", type=click.IntRange(max=100_000), default=200, show_default=True, help="How many, with --canaries."
)
@executor_options("many or large random-score runs are made")
@click.option("--capacity", is_flag=True, help="Net Sharpe and alpha by size under square-root impact; needs volume.")
@style_options(default=False)
@metric_option
@trials_option
@click.option("--tearsheet", "with_tearsheet", is_flag=True, help="Draw the tear sheet into the run folder.")
@click.option("--keep", type=click.Choice(KEPT), default="auto", show_default=True, help=KEEP_HELP)
@results_and_ledger
@json_option
def backtest(
    chosen: StrategyOptions,
    data: DataOptions,
    execution: Execution,
    costs: CostSection,
    engine: Literal["native", "vectorbt"],
    cross_check: bool,
    leaks: bool,
    canaries: bool,
    random_runs: int,
    executor: Executor,
    workers: int | None,
    capacity: bool,
    styles: StyleOptions,
    metrics: tuple[str, ...],
    trials: int,
    with_tearsheet: bool,
    keep: Keep,
    results: Path,
    as_json: bool,
) -> int:
    """Predictions and prices in, a backtest with its evidence out.

    Without --prices and --predictions it runs on the embedded sample: 20 US large caps, 1990 to 2022, with the
    walk-forward predictions that ship with this package.

    \b
    Examples:
      python cli.py backtest --strategy s2_filter_negative
      python cli.py backtest --strategy quintile_long_short --param quantile=0.1 --commission-bps 10
      python cli.py backtest --styles --sectors sectors.csv
      python cli.py backtest --predictions preds.parquet --prices prices.parquet --canaries --leaks
      python cli.py backtest --strategy confidence --predictions p.csv --prices ohlc.csv --json
      python cli.py backtest --predictions preds.parquet --prices prices.parquet --keep returns
    """
    from assay.results.workflow import Checks
    from assay.results.workflow import backtest as run
    from assay.results.workflow.inputs import load_inputs, load_styles
    from assay.results.workflow.walk_forwards import PROBABILITY_STRATEGY

    study = styles.study(data.study())
    inputs = load_inputs(study, delay=execution.delay)
    alone = inputs.predictions.score is None and inputs.predictions.probability_up is not None
    if alone and by_default("strategy"):  # as walk-forward does
        chosen = replace(chosen, strategy=PROBABILITY_STRATEGY)
        click.echo(f"the predictions are probabilities: traded by {PROBABILITY_STRATEGY} (--strategy)", err=True)
    strategy, beside = chosen.load(), load_styles(study.data)
    with progress(quiet=as_json) as heard:
        stored = run(
            strategy,
            inputs.predictions,
            inputs.prices,
            benchmark=inputs.benchmark,
            costs=costs.load(inputs.prices, study.data.reading("costs")),
            execution=execution,
            engine=engine,
            checks=Checks(
                leaks=leaks,
                cross_check=cross_check,
                canaries=canaries,
                capacity=capacity,
                styles=styles.asked,
                metrics=metrics,
                random_runs=random_runs,
            ),
            styles=beside,
            executor=executor,
            workers=workers,
            made_by=inputs.made_by,
            trials_elsewhere=trials,
            root=results,
            progress=heard,
            study=study,
            keep=keep,
        )
    return report(stored, as_json=as_json, tearsheet=with_tearsheet)


def report(stored: StoredBacktest, *, as_json: bool, tearsheet: bool, printed: bool = False) -> int:
    """Draw and print a stored backtest, unless it was printed; the exit code is 1 if a check failed."""
    run = stored.run
    if tearsheet:
        from assay.results.report.tearsheet import write_tearsheet

        with progress(quiet=as_json) as heard:
            heard.advance("tear sheet", 0, 1)
            write_tearsheet(run, run.path / "tearsheet.html")
            heard.advance("tear sheet", 1, 1)
    if printed:
        pass
    elif as_json:
        found = {name: run.table(name).reset_index().to_dict("records") for name in _ANALYSES if run.has(name)}
        told = {"run_id": run.id, "path": run.address, "manifest": run.manifest, **run.metrics, **run.checks}
        echo_json({**told, **({"analyses": found} if found else {})})
    else:
        click.echo(str(stored))
    for line in stored.failures:
        click.echo(f"failed: {line}", err=True)
    return 1 if stored.failures else 0
