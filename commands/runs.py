"""List, show and remove stored runs."""

from __future__ import annotations

from pathlib import Path

import click

from commands.common import echo_json, json_option, results_option

__all__ = ["runs"]


@click.group()
def runs() -> None:
    """List, show and remove stored runs.

    \b
    Examples:
      python cli.py runs list
      python cli.py runs show s2_filter_negative-3f9a1c0e
      python cli.py runs rm s2_filter_negative-3f9a1c0e
    """


@runs.command("list")
@results_option
@json_option
def list_(results: Path, as_json: bool) -> None:
    """All stored runs, the newest first."""
    from results.store import list_runs

    found = list_runs(results)
    rows = [
        {
            "run_id": run.id,
            "created": run.manifest.get("created"),
            "model": run.manifest.get("config", {}).get("model"),
            "sharpe_net": (run.metric("sharpe_net") or {}).get("value"),
            "sessions": run.metrics.get("sessions"),
        }
        for run in found
    ]
    if as_json:
        echo_json({"runs": rows})
    elif not rows:
        click.echo(f"no runs in {results}; make one with `backtest --strategy s2_filter_negative`")
    for row in [] if as_json else rows:
        sharpe = "" if row["sharpe_net"] is None else f"{row['sharpe_net']:6.2f}"
        click.echo(f"{row['run_id']:44} {row['model'] or '':22} net Sharpe {sharpe:>6}  {row['created']}")


@runs.command()
@click.argument("run")
@results_option
@json_option
def show(run: str, results: Path, as_json: bool) -> None:
    """The summary of a run, as it was printed when it was made."""
    from results.store import load_run

    stored = load_run(run, root=results)
    if as_json:
        echo_json({"run_id": stored.id, "manifest": stored.manifest, **stored.metrics, **stored.checks})
        return
    from results.summary import render_run

    click.echo(render_run(stored))


@runs.command()
@click.argument("run", nargs=-1, required=True)
@results_option
@json_option
def rm(run: tuple[str, ...], results: Path, as_json: bool) -> None:
    """Remove runs, with everything in their folders."""
    from results.store import delete_run, load_run

    identities = [load_run(item, root=results).id for item in run]  # all must exist before any goes
    gone = [delete_run(item, root=results) for item in identities]
    if as_json:
        echo_json({"removed": [path.name for path in gone]})
    for path in [] if as_json else gone:
        click.echo(f"removed {path}")
