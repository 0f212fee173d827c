"""Run a study: everything that a TOML file says."""

from __future__ import annotations

from pathlib import Path

import click

from assay.commands.backtest import report
from assay.commands.options import PATH, json_option, results_and_ledger
from assay.commands.output import echo_json, progress
from assay.commands.positions import book_text
from assay.commands.sweep import report_sweep

__all__ = ["run"]


@click.command()
@click.argument("study", type=PATH)
@results_and_ledger
@json_option
def run(study: Path, results: Path, as_json: bool) -> int:
    """Run a STUDY: data, model or predictions, folds, strategy, costs, checks, gate, sheet and positions: a TOML file.

    The run is the same, and has the same id, as that of `backtest`, `walk-forward` or, with a [sweep], `sweep` with
    these options. Its files are named relative to the study. With a [gate] the exit code is the gate's: 0 pass, 1
    fail, 3 not enough evidence.

    Every stored run keeps the study that reproduces it: `runs rerun RUN`.

    \b
    Examples:
      python cli.py init --template strategy && python cli.py run study.toml
      python cli.py run results/runs/s2_filter_negative-3f9a1c0e/study.toml
      python cli.py run study.toml --json
    """
    from assay.results.workflow.study_files import load_study
    from assay.results.workflow.study_runs import judged, make_run, positions_of
    from assay.results.workflow.sweeps import StoredSweep

    asked = load_study(study).located(below=study.resolve().parent)
    with progress(quiet=as_json) as heard:
        stored = make_run(asked, root=results, progress=heard)
    if isinstance(stored, StoredSweep):
        report_sweep(stored, as_json=as_json)
        return 0
    decision, book = judged(stored, asked, results), positions_of(stored, asked)
    if as_json:
        kept = stored.run
        content = {"run_id": kept.id, "path": kept.address, "manifest": kept.manifest, **kept.metrics, **kept.checks}
        content |= {} if decision is None else {"gate": decision.to_dict()}
        echo_json(content if book is None else {**content, "positions": book.to_dict()})
    code = report(stored, as_json=as_json, tearsheet=asked.report.tearsheet, printed=as_json)
    if book is not None and not as_json:
        click.echo(f"\n{book_text(book)}")
    if decision is None:
        return code
    if not as_json:
        from assay.results.gate.formats import decision_table

        click.echo(f"\n{decision_table(decision)}\n{decision.verdict.upper()} (exit {decision.exit_code})")
    return decision.exit_code or code
