"""List, show and remove stored runs; the trials of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from assay.commands.common import echo_json, json_option, results_option

__all__ = ["runs"]


@click.group()
def runs() -> None:
    """List, show and remove stored runs; show the trials that the ledger counts.

    \b
    Examples:
      python cli.py runs list
      python cli.py runs show s2_filter_negative-3f9a1c0e
      python cli.py runs trials
      python cli.py runs rm s2_filter_negative-3f9a1c0e
    """


@runs.command("list")
@results_option
@json_option
def list_(results: Path, as_json: bool) -> None:
    """All stored runs, the newest first."""
    from assay.results.storage.runs import damaged_runs, list_runs

    found, damaged = list_runs(results), damaged_runs(results)
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
        echo_json({"runs": rows, "damaged": damaged})
    elif not rows and not damaged:
        click.echo(f"no runs in {results}; make one with `backtest --strategy s2_filter_negative`")
    for row in [] if as_json else rows:
        sharpe = "" if row["sharpe_net"] is None else f"{row['sharpe_net']:6.2f}"
        click.echo(f"{row['run_id']:44} {row['model'] or '':22} net Sharpe {sharpe:>6}  {row['created']}")
    for name in [] if as_json else damaged:
        click.echo(f"{name:44} damaged; `runs show {name}` says how, `runs rm {name}` removes it")


@runs.command()
@click.argument("run")
@results_option
@json_option
def show(run: str, results: Path, as_json: bool) -> None:
    """The summary of a run, as it was printed when it was made."""
    from assay.results.storage.runs import load_run

    stored = load_run(run, root=results)
    if as_json:
        echo_json({"run_id": stored.id, "manifest": stored.manifest, **stored.metrics, **stored.checks})
        return
    from assay.results.report.terminal import render_run

    click.echo(render_run(stored))


@runs.command()
@click.option("--family", help="Only trials of this family, e.g. ranked.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Trials shown of each family.")
@results_option
@json_option
def trials(family: str | None, top: int, results: Path, as_json: bool) -> None:
    """Everything that was tried: what the deflated Sharpe ratio, PBO and SPA count.

    Trials of one family on one price panel compete with each other; a rerun is no new trial, and seeds and retrains of
    one recipe are members of one. Sharpe ratios are annual, net, of 252 sessions.
    """
    from assay.results.checks.trials import judge_trials
    from assay.results.storage.ledger import Trials, read_trials

    known = read_trials(family=family, root=results)
    groups = []
    for (prices, kin), table in known.table.groupby(["prices", "family"], sort=False):
        group = Trials(table, known.returns[table.index])
        groups.append({"family": kin, "prices": prices, **judge_trials(group), "trials": _rows(table)})
    if as_json:
        echo_json({"families": groups})
    elif not groups:
        click.echo(f"no trials in {results}{f' of the family {family}' if family else ''}")
    for group_ in [] if as_json else groups:
        _print_family(group_, top)


def _rows(table: Any) -> list[dict[str, Any]]:
    """The trials of a family, the best first, each with the settings in which they differ."""
    import json

    from assay.results.storage.runs import flattened

    recipes = {key: json.loads(text) for key, text in table["recipe"].items()}
    flat = {
        key: flattened({**recipe["recipe"], "predictions": recipe["predictions"] or ""})
        for key, recipe in recipes.items()
    }
    names = sorted({name for settings in flat.values() for name in settings} - {"strategy", "model"})
    differing = [name for name in names if len({repr(settings.get(name)) for settings in flat.values()}) > 1]
    return [
        {
            "fingerprint": key,
            "name": row["name"],
            "settings": {name: flat[key].get(name) for name in differing},
            "sharpe_ann": row["sharpe"] * 252**0.5,
            "members": row["members"],
            "sessions": row["sessions"],
            "first_session": str(row["first_session"]),
            "last_session": str(row["last_session"]),
        }
        for key, row in table.sort_values("sharpe", ascending=False, kind="stable").iterrows()
    ]


def _print_family(group: dict[str, Any], top: int) -> None:
    click.echo(f"{group['family']} on prices {group['prices'][:8]}: {group['count']} trial{'s' * (group['count'] > 1)}")
    for row in group["trials"][:top]:
        settings = "  ".join(f"{name}={value}" for name, value in row["settings"].items() if value not in (None, ""))
        click.echo(f"  {row['sharpe_ann']:6.2f}  {row['first_session']} … {row['last_session']} {row['sessions']:>6,}"
                   f" sessions  {row['members']} member{'s' * (row['members'] > 1):1}"
                   f"  {row['name']}  {settings}".rstrip())  # fmt: skip
    if len(group["trials"]) > top:
        click.echo(f"  … {len(group['trials']) - top} more; --top or --json shows them")
    pbo = f"PBO {group['pbo']:.2f}" if group["pbo"] is not None else f"PBO not judged ({group['pbo_reason']})"
    spa = f"SPA p {group['spa']['p_value']:.3f}" if group["spa"] else f"SPA not judged ({group['spa_reason']})"
    click.echo(f"  the best: deflated Sharpe {group['deflated_sharpe']:.2f} against a hurdle of"
               f" {group['threshold_sharpe_ann']:.2f} a year · {pbo} · {spa}\n")  # fmt: skip


@runs.command()
@click.argument("run", nargs=-1, required=True)
@results_option
@json_option
def rm(run: tuple[str, ...], results: Path, as_json: bool) -> None:
    """Remove runs, with everything in their folders: by id, by the start of one, or by the path of a folder."""
    from assay.results.storage.runs import delete_run, find_run

    paths = list(dict.fromkeys(find_run(item, root=results) for item in run))  # all must exist before any goes
    gone = [delete_run(path) for path in paths]
    if as_json:
        echo_json({"removed": [path.name for path in gone]})
    for path in [] if as_json else gone:
        click.echo(f"removed {path}")
