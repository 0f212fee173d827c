"""Hold a sheet or a verdict against the run that its bundle gives."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from assay.commands.options import PATH, json_option, results_option
from assay.commands.output import echo_json, progress

__all__ = ["bundle_of", "verify"]

_MOST = 200


@click.command()
@click.argument("document", type=PATH)
@click.option("--run", "bundle", required=True, type=PATH, help="A zip of `runs export`, or a stored run.")
@click.option("--policy", type=PATH, help="The file of the policy, for a decision by one that does not ship.")
@click.option("--signer", help="The Ed25519 public key (hexadecimal) that must have signed the bundle.")
@click.option("--refit", is_flag=True, help="Fit the models of a walk-forward again, too.")
@click.option("--trust-code", is_flag=True, help="Run strategies and models that the bundle brings along.")
@results_option
@json_option
def verify(
    document: Path, bundle: Path, policy: Path | None, signer: str | None, refit: bool, trust_code: bool,
    results: Path, as_json: bool,
) -> int:  # fmt: skip
    """Recompute every number of DOCUMENT from a run's bundle, and name each that differs; exit 1 if any does.

    A DOCUMENT is a tear sheet (HTML, PDF, Markdown) or a decision of the gate (JSON, Markdown, JUnit XML). The run is
    made again from the inputs in the bundle, not from the figures that it stores, with its own ledger of trials. A PDF
    is held by its text (extra pdf), not by the shapes in its charts. What somebody gave to be drawn
    (`tearsheet --reported`) is no figure of the run and is not judged.

    \b
    Examples:
      python cli.py runs export s2_filter_negative best.zip
      python cli.py verify tearsheet.html --run best.zip
      python cli.py verify gate.json --run best.zip --json
    """
    from assay.results.report.document import read_document
    from assay.results.workflow.proofs import recomputed
    from assay.results.workflow.proofs import verify as hold

    held = read_document(document)
    with (
        progress(quiet=as_json) as heard,
        bundle_of(bundle, results) as packed,
        recomputed(
            packed, progress=heard, refit=refit, trust_code=trust_code, signer=signer, document=held
        ) as made,
    ):
        proof = hold(held, made, policy=policy)
    if as_json:
        echo_json(proof.to_dict())
    else:
        title, rows = proof.card()
        click.echo("\n".join([title, *(f"  {name}: {text}" for name, text in rows[:_MOST])]))
        if len(rows) > _MOST:
            click.echo(f"  … {len(rows) - _MOST} more; --json has all")
    return 0 if proof.agrees else 1


@contextmanager
def bundle_of(run: Path, results: Path) -> Iterator[Path]:
    """A bundle as it is; of a stored run, its bundle in a folder that is removed afterwards."""
    if run.suffix.lower() == ".zip":
        yield run
        return
    from assay.results.storage.runs import load_run
    from assay.results.workflow.bundles import export_run
    from assay.results.workflow.kept_study import read_kept
    from assay.results.workflow.study_runs import inputs_of

    stored = load_run(run, root=results)
    prices, benchmark, _ = inputs_of(read_kept(stored.require_backtest("verify")))
    with tempfile.TemporaryDirectory(prefix="assay-verify-") as folder:
        path = Path(folder) / "run.zip"
        export_run(stored, path, prices=prices, benchmark=benchmark)
        yield path
