"""List, show and remove stored runs; the trials of the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.options import json_option, results_option
from assay.commands.output import echo_json

if TYPE_CHECKING:
    import pandas as pd

    from assay.results.checks.trials import BestOfTrials

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
    from assay.results.checks.trials import best_of_trials
    from assay.results.storage.ledger import Trials, read_trials

    known = read_trials(family=family, root=results)
    groups = []
    for (prices, kin), table in known.table.groupby(["prices", "family"], sort=False):
        best = best_of_trials(Trials(table, known.returns[table.index]))
        groups.append(_Group(str(kin), str(prices), best, _rows(table)))
    if as_json:
        echo_json({"families": [group.to_dict() for group in groups]})
    elif not groups:
        click.echo(f"no trials in {results}{f' of the family {family}' if family else ''}")
    for group in [] if as_json else groups:
        _print_group(group, top)


@dataclass(frozen=True, eq=False)
class _Row:
    """A trial, with the settings in which it differs from the others of its group."""

    fingerprint: str
    name: str
    settings: dict[str, object]
    sharpe_ann: float
    members: int
    sessions: int
    first_session: str
    last_session: str


@dataclass(frozen=True, eq=False)
class _Group:
    """The trials of one family on one price panel."""

    family: str
    prices: str
    best: BestOfTrials
    rows: list[_Row]

    def to_dict(self) -> dict[str, object]:
        trials = [asdict(row) for row in self.rows]
        return {"family": self.family, "prices": self.prices, **self.best.to_dict(), "trials": trials}


def _rows(table: pd.DataFrame) -> list[_Row]:
    """The trials of a group, the best first."""
    import json

    from assay.results.storage.runs import flattened

    flat: dict[str, dict[str, object]] = {}
    for key, text in table["recipe"].items():
        stored = json.loads(text)
        flat[str(key)] = flattened({**stored["recipe"], "predictions": stored["predictions"] or ""})
    names = sorted({name for settings in flat.values() for name in settings} - {"strategy", "model"})
    differing = [name for name in names if len({repr(settings.get(name)) for settings in flat.values()}) > 1]
    best_first = table.sort_values("sharpe", ascending=False, kind="stable")
    return [
        _Row(
            str(key),
            row["name"],
            {name: flat[str(key)].get(name) for name in differing},
            row["sharpe"] * 252**0.5,
            row["members"],
            row["sessions"],
            str(row["first_session"]),
            str(row["last_session"]),
        )
        for key, row in best_first.iterrows()
    ]


def _print_group(group: _Group, top: int) -> None:
    best = group.best
    click.echo(f"{group.family} on prices {group.prices[:8]}: {best.count} trial{'s' * (best.count > 1)}")
    for row in group.rows[:top]:
        settings = "  ".join(f"{name}={value}" for name, value in row.settings.items() if value not in (None, ""))
        click.echo(f"  {row.sharpe_ann:6.2f}  {row.first_session} … {row.last_session} {row.sessions:>6,}"
                   f" sessions  {row.members} member{'s' * (row.members > 1):1}"
                   f"  {row.name}  {settings}".rstrip())  # fmt: skip
    if len(group.rows) > top:
        click.echo(f"  … {len(group.rows) - top} more; --top or --json shows them")
    pbo = f"PBO not judged ({best.pbo_reason})" if best.pbo is None else f"PBO {best.pbo:.2f}"
    spa = f"SPA not judged ({best.spa_reason})" if best.spa is None else f"SPA p {best.spa.consistent:.3f}"
    click.echo(f"  the best: deflated Sharpe {best.deflated_sharpe:.2f} against a hurdle of"
               f" {best.threshold_sharpe_ann:.2f} a year · {pbo} · {spa}\n")  # fmt: skip


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
