"""List, show and remove stored runs; the trials of the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.options import PATH, json_option, results_option
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
      python cli.py runs trials --verify
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
@click.option("--family", help="Show only trials of this family, e.g. ranked.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="Trials shown of each market.")
@click.option("--verify", "check", is_flag=True, help="Walk along the ledger's chain; exit 1 if an entry was changed.")
@click.option("--export", "target", type=PATH, help="Copy the ledger to a new file.")
@click.option("--merge", "other", type=PATH, help="Add what another ledger (of an older version, too) knows.")
@results_option
@json_option
def trials(
    family: str | None, top: int, check: bool, target: Path | None, other: Path | None, results: Path, as_json: bool
) -> int:
    """Everything that was tried, market by market: what every figure after a choice counts.

    The ledger is the user's, wherever runs are stored: $ASSAY_LEDGER, else ~/.local/share/assay. A market is its assets
    and sessions with the same closes; a rerun is no new trial, seeds and retrains of one recipe are members of one, and
    costs, capital, delay and fill are scenarios of one. Sharpe ratios are annual, net, of 252 sessions.
    """
    from assay.results.checks.trials import adopt_beside
    from assay.results.storage.chain import export_ledger, ledger_path, verify
    from assay.results.storage.ledger import merge_ledger, read_trials

    if check:
        found = verify()
        if as_json:
            echo_json({"ledger": str(ledger_path()), **asdict(found)})
        else:
            click.echo(f"{ledger_path()}: {found.entries:,} entries, head {found.head}")
            for line in found.broken:
                click.echo(f"broken: {line}")
        return 1 if found.broken else 0
    if target is not None or other is not None:
        counted = export_ledger(target) if target is not None else merge_ledger(other)  # type: ignore[arg-type]
        did = {"exported" if target is not None else "merged": counted, "ledger": str(ledger_path())}
        echo_json(did) if as_json else click.echo(" ".join(f"{name} {value}" for name, value in did.items()))
        return 0
    adopt_beside(results)
    known = read_trials(family=family)
    groups = [_group(str(market), table, family) for market, table in known.table.groupby("market", sort=False)]
    if as_json:
        echo_json({"ledger": str(ledger_path()), "markets": [group.to_dict() for group in groups]})
    elif not groups:
        click.echo(f"no trials in {ledger_path()}{f' of the family {family}' if family else ''}")
    for group in [] if as_json else groups:
        _print_group(group, top)
    return 0


@dataclass(frozen=True, eq=False)
class _Row:
    """A trial, with the settings in which it differs from the others of its market."""

    fingerprint: str
    name: str
    family: str
    settings: dict[str, object]
    sharpe_ann: float
    members: int
    sessions: int
    first_session: str
    last_session: str


@dataclass(frozen=True, eq=False)
class _Group:
    """The trials on one market; the best of those that were traded, in the commonest scenario."""

    market: str
    count: int
    distinct: int
    effective: float
    best: BestOfTrials | None
    rows: list[_Row]

    def to_dict(self) -> dict[str, object]:
        trials = [asdict(row) for row in self.rows]
        best = {} if self.best is None else self.best.to_dict()
        return {**best, "market": self.market, "count": self.count, "distinct": self.distinct,
                "effective": self.effective, "trials": trials}  # fmt: skip


def _group(market: str, table: pd.DataFrame, family: str | None) -> _Group:
    """One market's trials, all read in the scenario that most of them have."""
    import numpy as np

    from assay.results.checks.trials import best_of_trials
    from assay.results.stats.family_wise import effective_series
    from assay.results.storage.ledger import read_trials

    trials = read_trials(market, family=family, scenario=str(table["scenario"].mode().iloc[0]))
    best = None if trials.traded.empty else best_of_trials(trials)
    x = trials.x.dropna(axis="columns", how="all").to_numpy(dtype=np.float64)
    effective = effective_series(x) if x.shape[1] else float("nan")
    return _Group(market, trials.count, trials.distinct, effective, best, _rows(trials.table))


def _rows(table: pd.DataFrame) -> list[_Row]:
    """The trials of a market, the best first."""
    import json

    from assay.results.storage.runs import flattened

    flat = {str(key): flattened(json.loads(text)["recipe"]) for key, text in table["recipe"].items()}
    names = sorted({name for settings in flat.values() for name in settings} - {"strategy", "model"})
    differing = [name for name in names if len({repr(settings.get(name)) for settings in flat.values()}) > 1]
    best_first = table.sort_values("sharpe", ascending=False, kind="stable")
    return [
        _Row(
            str(key),
            row["name"],
            row["family"],
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
    number = f"{group.count} trial{'s' * (group.count != 1)}"
    effective = "" if group.effective != group.effective else f", about {group.effective:.1f} independent"
    click.echo(f"market {group.market[:8]}: {number}, {group.distinct} score series{effective}")
    for row in group.rows[:top]:
        settings = "  ".join(f"{name}={value}" for name, value in row.settings.items() if value not in (None, ""))
        sharpe = "     –" if row.sharpe_ann != row.sharpe_ann else f"{row.sharpe_ann:6.2f}"
        click.echo(f"  {sharpe}  {row.first_session} … {row.last_session} {row.sessions:>6,}"
                   f" sessions  {row.members} member{'s' * (row.members > 1):1}"
                   f"  {row.family}: {row.name}  {settings}".rstrip())  # fmt: skip
    if len(group.rows) > top:
        click.echo(f"  … {len(group.rows) - top} more; --top or --json shows them")
    best = group.best
    if best is None:
        click.echo("  none was traded\n")
        return
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


@runs.command()
@click.argument("run")
@results_option
@json_option
def rerun(run: str, results: Path, as_json: bool) -> int:
    """Make a run again from the study that it keeps: exit 0 if the bytes agree, else 1 and what changed.

    The stored run stays as it is. Checks, gate and sheet are not part of its bytes and are left out.
    """
    from assay.commands.output import progress
    from assay.commands.run import run_study
    from assay.results.storage.runs import load_run
    from assay.results.workflow.reruns import rerun as again

    with progress(quiet=as_json) as heard:
        outcome = again(
            load_run(run, root=results),
            lambda study, root: run_study(study, root=root, progress=heard).run,
        )
    if as_json:
        echo_json({
            "run_id": outcome.run, "same_bytes": outcome.same_bytes, "files": outcome.files,
            "causes": [] if outcome.same_bytes else outcome.causes, "differences": outcome.differences.to_dict(),
        })  # fmt: skip
    else:
        click.echo(str(outcome))
    return 0 if outcome.same_bytes else 1
