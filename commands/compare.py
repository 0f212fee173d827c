"""Put stored runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from assay.commands.options import (
    NUMBER,
    PATH,
    DataOptions,
    MarketOptions,
    complete_run,
    json_option,
    market_options,
    results_option,
)
from assay.commands.output import echo_json
from assay.commands.values import DATA

if TYPE_CHECKING:
    from assay.engine.costs import CostTable
    from assay.results.evidence.live import Reconciliation
    from assay.results.storage.runs import Run

__all__ = ["compare"]


@click.command()
@click.argument("runs", nargs=-1, required=True, shell_complete=complete_run)
@click.option("--html", "as_html", is_flag=True, help="Draw them on the same axes, as one file.")
@click.option("--output", type=PATH, help="Where to, .html or .pdf; default with --html: compare.html here.")
@click.option(
    "--draws", type=click.IntRange(100, 100_000), default=2000, show_default=True, help="Bootstrap resamples."
)
@click.option("--marginal", "adds", is_flag=True, help="What the last run's signal adds to the others and to their "
              "baselines: spanning, orthogonal IC, combinations.")
@click.option("--live", type=PATH, metavar="DIR", help="Put the fills recorded in this state folder beside what the "
              "backtest of ONE run says of the same sessions.")
@click.option("--capital", type=NUMBER, help="With --live: currency before the first fill.")
@click.option("--costs-file", type=DATA, multiple=True, help="With --live: the table of costs that the run was made "
              "with.")
@market_options
@click.option("--predictions", type=DATA, help="With --live: the model's newest predictions.")
@click.option("--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True,
              help="With --live: what a score means; a rank has no sign.")
@results_option
@json_option
def compare(
    runs: tuple[str, ...],
    as_html: bool,
    output: Path | None,
    draws: int,
    adds: bool,
    live: Path | None,
    capital: float | None,
    costs_file: tuple[Path, ...],
    market: MarketOptions,
    predictions: Path | None,
    unit: Literal["return", "rank"],
    results: Path,
    as_json: bool,
) -> None:
    """Put two or more RUNS side by side: figures, tested differences, and what was set differently.

    Of more than six, the others are tested against the first alone. With --marginal the last is new, and asked is what
    it adds to those before it. With --live one run stands beside its fills.

    \b
    Examples:
      python cli.py compare s2_filter_negative-3f9a1c0e s5_long_only-025b543e
      python cli.py compare s2_filter s5_long --html --output both.html
      python cli.py compare there new --marginal --html --output adds.html
      python cli.py compare RUN --live live/ --capital 1000000 --prices all.parquet --predictions preds.parquet
    """  # fmt: skip
    from assay.data.atomic import check_target
    from assay.results.report.compare import compare_runs, summary_lines, write_comparison
    from assay.results.report.printing import PAGE_SUFFIXES
    from assay.results.report.tables import terminal_width
    from assay.results.storage.runs import load_run

    drawn, target = as_html or output is not None, output or Path("compare.html")
    if drawn:
        check_target(target, PAGE_SUFFIXES)
    if live is not None:
        if drawn:
            raise click.UsageError("--live draws no page; leave out --html and --output")
        if len(runs) != 1 or capital is None:
            raise click.UsageError("--live: name one run, and the --capital before its first fill")
        table = None
        if costs_file:
            from assay.engine.costs import CostTable

            table = CostTable.load(costs_file, market.of("costs"))
        found = _live(load_run(runs[0], root=results), live, capital, table, market, predictions, unit)
        echo_json(found.to_dict()) if as_json else click.echo(str(found))
        return
    if adds:
        from assay.results.report.marginal import marginal_lines, write_marginal
        from assay.results.workflow.verdicts import marginal

        worth = marginal(*runs, draws=draws, root=results)
        page = write_marginal(worth, target) if drawn else None
        if as_json:
            echo_json({**worth.to_dict(), "path": None if page is None else str(page)})
            return
        click.echo("\n".join([*marginal_lines(worth), *([] if page is None else [str(page)])]))
        return
    comparison = compare_runs([load_run(run, root=results) for run in runs], draws=draws)
    path = write_comparison(comparison, target) if drawn else None
    if as_json:
        echo_json({**comparison.to_json(), "path": None if path is None else str(path)})
        return
    click.echo("\n".join(summary_lines(comparison, width=terminal_width())))
    if path is not None:
        click.echo(str(path))


def _live(
    run: Run,
    live: Path,
    capital: float,
    costs: CostTable | None,
    market: MarketOptions,
    predictions: Path | None,
    unit: Literal["return", "rank"],
) -> Reconciliation:
    """The fills in `live` beside the backtest of the same sessions."""
    from assay.commands.positions import inputs_of_run
    from assay.results.workflow.live import reconcile_live

    config = run.require_backtest("compare --live").manifest["config"]
    data = DataOptions(
        **vars(market),
        predictions=predictions,
        receipts=None,
        unit=unit,
        zero_is_neutral=False,
        horizon=int(config["horizon"]),
        start=str(run.metrics["start"]),
        end=None,
    )
    inputs = inputs_of_run(run, data)
    return reconcile_live(
        run, live, inputs.predictions, inputs.prices, capital=capital, benchmark=inputs.benchmark, costs=costs
    )
