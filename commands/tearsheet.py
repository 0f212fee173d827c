"""Draw a stored run."""

from __future__ import annotations

from pathlib import Path

import click

from assay.commands.options import NUMBER, PATH, complete_run, json_option, results_option
from assay.commands.output import echo_json

__all__ = ["tearsheet"]


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--output", type=PATH, help="Default: tearsheet.html (or .png, .pdf, .md) in the run's folder.")
@click.option(
    "--format", "format_", type=click.Choice(["html", "png", "pdf", "md"]), help="Default: what --output ends in."
)
@click.option(
    "--reported", type=NUMBER, help="A Sharpe ratio somebody reported or requires, drawn beside the run's own."
)
@results_option
@json_option
def tearsheet(
    run: str, output: Path | None, format_: str | None, reported: float | None, results: Path, as_json: bool
) -> None:
    """Draw RUN, an id or the start of one, as one file that opens without a network.

    A PDF is the page as a headless Chromium or Chrome on the path prints it; where there is none, or it fails, the same
    is laid out on A4 without it. Markdown (md) is the first screen alone. `verify` proves HTML, PDF and Markdown.

    \b
    Examples:
      python cli.py tearsheet s2_filter_negative-3f9a1c0e
      python cli.py tearsheet s2_filter --format pdf --output s2.pdf
      python cli.py tearsheet s2_filter --reported 2.53
    """
    from assay.results.report.tearsheet import write_tearsheet
    from assay.results.storage.object_store import address
    from assay.results.storage.runs import load_run

    stored = load_run(run, root=results)
    suffix = "" if output is None else output.suffix.lstrip(".").lower()
    wanted = format_ or suffix or "html"
    path = output or stored.path / f"tearsheet.{wanted}"
    marks = {} if reported is None else {"reported": reported}
    write_tearsheet(stored, path, format=format_ if suffix else wanted, marks=marks)
    if as_json:
        echo_json({"run_id": stored.id, "path": address(path), "format": wanted, "bytes": path.stat().st_size})
    else:
        click.echo(address(path))
