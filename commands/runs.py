"""Find, compare, repeat, export and remove stored runs; the trials of the ledger."""

from __future__ import annotations

import re
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.options import PATH, complete_run, json_option, results_and_ledger, results_option
from assay.commands.output import echo_json
from assay.commands.terminal import echo_whole

if TYPE_CHECKING:
    import pandas as pd

    from assay.results.checks.trials import BestOfTrials

__all__ = ["runs"]


@click.group()
def runs() -> None:
    """Find, compare, repeat, export and remove stored runs; show the trials that the ledger counts.

    \b
    Examples:
      python cli.py runs list --sort sharpe_net --filter 'strategy=s2*'
      python cli.py runs tag s2_filter_negative-3f9a1c0e best
      python cli.py runs diff s2_filter_negative-3f9a1c0e s2_filter_negative-025b543e
      python cli.py runs rerun s2_filter_negative-3f9a1c0e
      python cli.py runs export s2_filter_negative-3f9a1c0e best.zip
      python cli.py runs show s2_filter_negative-3f9a1c0e
      python cli.py runs trials
      python cli.py runs trials --verify
      python cli.py runs rm s2_filter_negative-3f9a1c0e
    """


@runs.command("list")
@click.option("--sort", default="created", show_default=True, help="A column; numbers from the largest, texts from A.")
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--filter", "tests", multiple=True, metavar="TEST",
              help="strategy=s2*, model!=ridge, tags=keep, sharpe_net>0.5; repeatable, all must hold.")
@click.option("--columns", help="Names with commas between, of any setting or metric: run_id,quantile,sharpe_net.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, whole values.")
@results_option
@json_option
def list_(
    sort: str, reverse: bool, tests: tuple[str, ...], columns: str | None, as_csv: bool, results: Path, as_json: bool
) -> None:
    """All stored runs, the newest first, with the parameters in which they differ.

    \b
    Examples:
      python cli.py runs list --sort sharpe_net
      python cli.py runs list --filter 'strategy=s2*' --filter 'sharpe_net>0' --columns run_id,quantile,sharpe_net
      python cli.py runs list --csv > runs.csv
    """
    from assay.results.report.tables import table_lines, terminal_width
    from assay.results.storage.finding import differing_settings, selected, sorted_rows, value_of, values_of
    from assay.results.storage.object_store import address
    from assay.results.storage.runs import stored_runs

    stored, damaged = stored_runs(results)
    rows = [values_of(run) for run in stored]
    shown = selected(rows, tests)
    shown = shown if sort == "created" and not reverse else sorted_rows(shown, sort, reverse=reverse)
    ids = {row["run_id"] for row in shown}
    if columns is None:  # a sweep has no figures of its own, so a column may be empty in every row
        names = ["run_id", "sharpe_net", "model", "tags", "sessions", "created", "note"]
        table = [[row.get(name) for name in names] for row in shown]
    else:
        names = [name.strip() for name in columns.split(",") if name.strip()]
        table = [[value_of(row, name, rows) for name in names] for row in shown] if rows else []
    if columns is None:
        varied = [name for name in differing_settings([run for run in stored if run.id in ids])
                  if name.startswith(("parameters.", "recipe.params."))]  # fmt: skip
        settings = [{name.rpartition(".")[2]: row[name] for name in varied if row.get(name) is not None}
                    for row in shown]  # fmt: skip
        names.insert(3, "parameters")
        for line, own in zip(table, settings, strict=True):
            line.insert(3, own)
    if as_json:
        echo_json({"runs": [dict(zip(names, line, strict=True)) for line in table], "damaged": damaged})
        return
    if as_csv:
        import csv
        import io

        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([names, *table])
        echo_whole(text.getvalue())
        return
    if not rows and not damaged:
        click.echo(f"no runs in {address(results)}; make one with `backtest --strategy s2_filter_negative`")
    elif not table and rows:
        click.echo(f"none of {len(rows)} runs in {address(results)} passes {' and '.join(tests)}")
    else:
        heads = [name.rpartition(".")[2] for name in names]
        heads = [name if heads.count(head) > 1 else head for name, head in zip(names, heads, strict=True)]
        cells = [[_cell(name, value) for name, value in zip(names, line, strict=True)] for line in table]
        filled = [at for at in range(len(heads)) if columns or any(line[at] not in (None, "") for line in cells)]
        if columns is None:
            filled = _that_fit(filled, [[heads[at], *(line[at] for line in cells)] for at in range(len(heads))])
        cells = [[line[at] for at in filled] for line in cells]
        lines = table_lines([heads[at] for at in filled], cells, width=terminal_width())
        click.echo("\n".join(lines) if table else "", nl=bool(table))
    for name in damaged:
        click.echo(f"{name}  damaged; `runs show {name}` says how, `runs rm {name}` removes it")


#: Columns of the list that a narrow terminal goes without, the first of them first.
_SPARED = ("sessions", "created", "note", "model", "tags", "parameters")
_READABLE = 12


def _that_fit(places: list[int], columns: list[list[object]]) -> list[int]:
    """The columns (heading first) that a terminal has room for at a readable width; the others by name or --json."""
    from assay.results.report.tables import shown_value, terminal_width

    width, kept = terminal_width(), list(places)

    def wanted(at: int) -> int:
        longest = max(len(shown_value(value)) for value in columns[at])
        return longest if columns[at][0] == "run_id" else min(longest, _READABLE)

    for name in _SPARED:
        if width is not None and sum(wanted(at) + 2 for at in kept) - 2 > width:
            kept = [at for at in kept if columns[at][0] != name]
    return kept


def _cell(name: str, value: object) -> object:
    """A value of the list as it is shown: parameters as name=value, a moment to the minute."""
    from assay.results.report.tables import shown_value

    if isinstance(value, dict):
        return " ".join(f"{key}={shown_value(item)}" for key, item in value.items())
    return str(value)[:16].replace("T", " ") if name == "created" and value else value


@runs.command()
@click.argument("run", shell_complete=complete_run)
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
@results_and_ledger
@json_option
def trials(
    family: str | None, top: int, check: bool, target: Path | None, other: Path | None, results: Path, as_json: bool
) -> int:
    """Everything that was tried, market by market: what every figure after a choice counts.

    The ledger is the user's, wherever runs are stored: $ASSAY_LEDGER, else ~/.local/share/assay, or
    beside the runs where there is no home that can be written. A market is its assets and sessions with the same
    closes; a rerun is no new trial, seeds and retrains of one recipe are members of one, and costs, capital, delay and
    fill are scenarios of one. Sharpe ratios are annual, net, of 252 sessions.
    """
    from assay.results.checks.trials import adopt_beside
    from assay.results.storage.chain import export_ledger, verify
    from assay.results.storage.places import ledger_path
    from assay.results.storage.trial_ledger import merge_ledger, read_trials

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
    from assay.results.storage.trial_ledger import read_trials

    trials = read_trials(market, family=family, scenario=str(table["scenario"].mode().iloc[0]))
    best = None if trials.traded.empty else best_of_trials(trials)
    x = trials.x.dropna(axis="columns", how="all").to_numpy(dtype=np.float64)
    effective = effective_series(x) if x.shape[1] else float("nan")
    return _Group(market, trials.count, trials.distinct, effective, best, _rows(trials.table))


def _rows(table: pd.DataFrame) -> list[_Row]:
    """The trials of a market, the best first."""
    import json

    from assay.data.conventions import SESSIONS_A_YEAR
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
            row["sharpe"] * SESSIONS_A_YEAR**0.5,
            row["members"],
            row["sessions"],
            str(row["first_session"]),
            str(row["last_session"]),
        )
        for key, row in best_first.iterrows()
    ]


def _print_group(group: _Group, top: int) -> None:
    from assay.data.card import plural

    number = plural(group.count, "trial")
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
@click.argument("run", nargs=-1, required=True, shell_complete=complete_run)
@results_option
@json_option
def rm(run: tuple[str, ...], results: Path, as_json: bool) -> None:
    """Remove runs, with everything in their folders: by id, by the start of one, or by the path of a folder."""
    from assay.results.storage.object_store import address
    from assay.results.storage.runs import delete_run, find_run

    # All must exist before any goes.
    paths = list(dict.fromkeys(find_run(item, root=results, to_read=False) for item in run))
    gone = [delete_run(path) for path in paths]
    if as_json:
        echo_json({"removed": [path.name for path in gone]})
    for path in [] if as_json else gone:
        click.echo(f"removed {address(path)}")


@runs.command()
@click.argument("run", shell_complete=complete_run)
@results_option
@json_option
def rerun(run: str, results: Path, as_json: bool) -> int:
    """Make a run again from the study that it keeps: exit 0 if the bytes agree, else 1 and what changed.

    The stored run stays as it is. Checks, gate and sheet are not part of its bytes and are left out.
    """
    from assay.commands.output import progress
    from assay.results.storage.runs import load_run
    from assay.results.workflow.reruns import rerun as again
    from assay.results.workflow.study_runs import make_run

    with progress(quiet=as_json) as heard:
        outcome = again(
            load_run(run, root=results),
            lambda study, root: make_run(study, root=root, progress=heard).run,
        )
    if as_json:
        echo_json({
            "run_id": outcome.run, "same_bytes": outcome.same_bytes, "files": outcome.files,
            "causes": [] if outcome.same_bytes else outcome.causes, "differences": outcome.differences.to_dict(),
        })  # fmt: skip
    else:
        click.echo(str(outcome))
    return 0 if outcome.same_bytes else 1


@runs.command()
@click.argument("run", shell_complete=complete_run)
@click.argument("tags", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take these tags away.")
@results_option
@json_option
def tag(run: str, tags: tuple[str, ...], remove: bool, results: Path, as_json: bool) -> None:
    """Tag a run, beside it: its id and figures stay as they are."""
    from assay.results.storage.labels import write_labels
    from assay.results.storage.runs import load_run

    stored = load_run(run, root=results)
    labels = write_labels(stored, remove=tags) if remove else write_labels(stored, add=tags)
    if as_json:
        echo_json({"run_id": stored.id, **asdict(labels)})
    else:
        click.echo(f"{stored.id}: {' '.join(labels.tags) or 'no tags'}")


@runs.command()
@click.argument("run", shell_complete=complete_run)
@click.argument("text", required=False)
@results_option
@json_option
def note(run: str, text: str | None, results: Path, as_json: bool) -> None:
    """Write a note beside a run, in the place of the one before ("" removes it); without TEXT, show it."""
    from assay.results.storage.labels import read_labels, write_labels
    from assay.results.storage.runs import load_run

    stored = load_run(run, root=results)
    labels = read_labels(stored) if text is None else write_labels(stored, note=text)
    if as_json:
        echo_json({"run_id": stored.id, **asdict(labels)})
    else:
        click.echo(f"{stored.id}: {labels.note or 'no note'}")


@runs.command()
@click.argument("one", shell_complete=complete_run)
@click.argument("two", shell_complete=complete_run)
@results_option
@json_option
def diff(one: str, two: str, results: Path, as_json: bool) -> None:
    """In what run TWO differs from run ONE: settings, inputs, versions, metrics, tables."""
    from assay.results.report.tables import table_lines, terminal_width
    from assay.results.storage.differences import differences
    from assay.results.storage.runs import load_run

    outcome = differences(load_run(one, root=results), load_run(two, root=results))
    if as_json:
        echo_json(outcome.to_dict())
        return
    width = terminal_width()
    for kind in ("config", "inputs", "versions", "metrics"):
        items = getattr(outcome, kind)
        if items:
            rows = [[item.name, _short(item.one), _short(item.two)] for item in items]
            click.echo("\n".join([*table_lines([kind, outcome.one, outcome.two], rows, width=width), ""]))
    same = "all tables are the same" if outcome.same_bytes else f"files that differ: {', '.join(outcome.tables)}"
    click.echo("\n".join(textwrap.wrap(same, width or 10_000, subsequent_indent="  ")))


def _short(value: object) -> object:
    """A digest by its first digits."""
    return value[:12] if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{40,64}\+?", value) else value


@runs.command()
@click.argument("run", shell_complete=complete_run)
@click.argument("target", type=PATH)
@click.option("--sign", "key", type=PATH, help="A file with an Ed25519 private key (PEM) that signs the bundle.")
@results_option
@json_option
def export(run: str, target: Path, key: Path | None, results: Path, as_json: bool) -> None:
    """Write RUN as a zip from which it can be recomputed: study, inputs, receipts, manifest, tables, trials.

    Unpacked, it is the folder of a run: `runs rerun ./FOLDER` makes it again, on another machine too. The same run
    gives the same bytes. `verify` holds a tear sheet or a verdict against it.
    """
    from assay.results.storage.runs import load_run
    from assay.results.workflow.bundles import export_run
    from assay.results.workflow.kept_study import read_kept
    from assay.results.workflow.study_runs import inputs_of

    stored = load_run(run, root=results)
    prices, benchmark, _ = inputs_of(read_kept(stored.require_backtest("runs export")))
    names = export_run(stored, target, prices=prices, benchmark=benchmark, key=key)
    if as_json:
        echo_json({"run_id": stored.id, "path": str(target), "files": names})
    else:
        size = target.stat().st_size
        click.echo(f"{target}: {len(names)} files, {size:,} bytes; unpack it, then `runs rerun ./FOLDER`")
