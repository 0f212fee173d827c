"""Put stored runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from assay.commands.options import PATH, complete_run, json_option, results_option
from assay.commands.output import echo_json

__all__ = ["compare"]


@click.command()
@click.argument("runs", nargs=-1, required=True, shell_complete=complete_run)
@click.option("--html", "as_html", is_flag=True, help="Draw them on the same axes, as one file.")
@click.option("--output", type=PATH, help="Where to with --html; default: compare.html here.")
@click.option(
    "--draws", type=click.IntRange(100, 100_000), default=2000, show_default=True, help="Bootstrap resamples."
)
@results_option
@json_option
def compare(
    runs: tuple[str, ...], as_html: bool, output: Path | None, draws: int, results: Path, as_json: bool
) -> None:
    """Put two or more RUNS side by side: figures, tested differences, and what was set differently.

    Of more than six, the others are tested against the first alone.

    \b
    Examples:
      python cli.py compare s2_filter_negative-3f9a1c0e s5_long_only-025b543e
      python cli.py compare s2_filter s5_long --html --output both.html
    """
    from assay.results.report.compare import compare_runs, summary_lines, write_comparison
    from assay.results.report.tables import terminal_width
    from assay.results.storage.runs import load_run

    comparison = compare_runs([load_run(run, root=results) for run in runs], draws=draws)
    path = None
    if as_html or output is not None:
        path = write_comparison(comparison, output or Path("compare.html"))
    if as_json:
        echo_json({**comparison.to_json(), "path": None if path is None else str(path)})
        return
    click.echo("\n".join(summary_lines(comparison, width=terminal_width())))
    if path is not None:
        click.echo(str(path))
