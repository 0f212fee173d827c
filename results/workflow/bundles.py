"""A run as one zip that it can be recomputed from: its folder, its study and the inputs that the study names."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import pandas as pd

from assay.data.atomic import check_target, replacing
from assay.data.benchmark import benchmark_fingerprint
from assay.data.errors import InputError
from assay.data.files.packed import input_digest, is_packed
from assay.data.files.prices import write_prices
from assay.data.panel import PricePanel
from assay.data.stored import holds_files
from assay.results.storage.labels import read_labels
from assay.results.storage.runs import LABELS, Run
from assay.results.storage.trial_ledger import export_market
from assay.results.workflow.kept_study import STUDY, read_kept
from assay.results.workflow.signatures import SIGNATURE, sign
from assay.results.workflow.study import Study
from assay.results.workflow.study_files import study_toml

__all__ = ["LARGEST", "LEDGER", "export_run"]

#: Files of a run's folder, beside its tables, that go along where they are there.
_ALONG = ("manifest.json", "metrics.json", "checks.json", "gate.json", LABELS)
#: The trials on the run's market, among which its Sharpe ratio is judged.
LEDGER = "inputs/ledger.sqlite"
#: Bytes that a bundle may unpack to.
LARGEST = 4 << 30
_PANELS = ("inputs/panel_prices.parquet", "inputs/panel_benchmark.parquet", LEDGER)
_WHEN = (1980, 1, 1, 0, 0, 0)


def export_run(
    run: Run, path: Path, *, prices: PricePanel, benchmark: pd.Series | None, key: Path | None = None
) -> list[str]:
    """Write a run as a zip; the same run, inputs and ledger give the same bytes. The names in it, sorted.

    Unpacked, it is the folder of a run: ``runs rerun FOLDER`` and ``run FOLDER/study.toml`` work there. It holds
    ``study.toml``, ``manifest.json``, metrics, checks and all tables (predictions and receipts among them); under
    ``inputs/`` the very files that the study names, prices and benchmark as Parquet, and the trial ledger's entries on
    the run's market. `assay.results.workflow.proofs.verify` recomputes a sheet or a verdict from it.

    Parameters
    ----------
    run : a stored run with its study.
    path : ends in ``.zip``.
    prices, benchmark : the inputs as they were read.
    key : a file with an Ed25519 private key (PEM) that signs the bundle, see `assay.results.workflow.signatures`.

    Raises
    ------
    InputError
        If the run keeps no study, an input is gone or not what it was, or the file cannot be written.

    """
    check_target(path, (".zip",))
    study = read_kept(run.require_backtest("runs export"))
    _check(run, study, prices, benchmark)
    read_labels(run)
    moved, files = _places(study), dict[str, Path]()
    for name, place in moved.items():
        parts = Path(name).iterdir() if is_packed(name) else ()
        files |= {f"{place}/{item.name}": item for item in parts} or {place: Path(name)}
    size = sum(item.stat().st_size for item in files.values())
    _refuse_large(size, "the inputs are")
    contents = {f"inputs/{name}": data for name, data in _as_files(run, prices, benchmark).items()}
    contents |= {place: item.read_bytes() for place, item in files.items()}
    about = f"Reproduces {run.id}, from the files beside it: `run study.toml`, or `runs rerun` with this folder."
    contents[STUDY] = study_toml(study.located(moved), about=about).encode()
    for item in sorted(run.path.iterdir()):
        if item.suffix == ".parquet" or item.name in _ALONG:
            contents[item.name] = item.read_bytes()
    if key is not None:
        contents[SIGNATURE] = sign(contents, key)
    _refuse_large(sum(map(len, contents.values())), "run and inputs are")
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            bundle.writestr(entry, contents[name], compresslevel=6)
    return sorted(contents)


def _refuse_large(size: int, what: str) -> None:
    """Raise `InputError` of what `verify` would not unpack."""
    if size > LARGEST:
        raise InputError(
            f"runs export: {what} {size / 1e9:.1f} GB, and a bundle holds {LARGEST >> 30} GB at most; export a run of "
            "fewer sessions"
        )


def _check(run: Run, study: Study, prices: PricePanel, benchmark: pd.Series | None) -> None:
    """Refuse a bundle that would not give the run."""
    if not holds_files(run.path, run.manifest["files"]):
        raise InputError(f"run {run.id}: a file of it is not what was written; `runs show {run.id}` says which")
    for name, digest in study.made_from.items():
        if input_digest(name) != digest:
            raise InputError(f"run {run.id}: {name} is gone or not the file that it was; `runs rerun` says more")
    stored = run.manifest.get("fingerprints", {})
    if stored.get("prices") != prices.fingerprint:
        raise InputError(f"run {run.id}: the prices are other values than they were; `runs rerun` says more")
    if stored.get("benchmark") != (None if benchmark is None else benchmark_fingerprint(benchmark)):
        raise InputError(f"run {run.id}: the benchmark has other returns than it had; `runs rerun` says more")


def _places(study: Study) -> dict[str, str]:
    """File of the study → its place in the bundle, whose name says nothing of this machine's folders."""
    out: dict[str, str] = {}
    for name in study.files():
        place, number = f"inputs/{Path(name).name}", 1
        while place in out.values() or place in _PANELS:
            number += 1
            place = f"inputs/{number}/{Path(name).name}"
        out[name] = place
    return out


def _as_files(run: Run, prices: PricePanel, benchmark: pd.Series | None) -> dict[str, bytes]:
    """What was read, as Parquet that any tool opens, and what the ledger knows."""
    with tempfile.TemporaryDirectory(prefix="assay-export-") as folder:
        place = Path(folder)
        write_prices(prices, place / "panel_prices.parquet")
        if benchmark is not None:
            benchmark.rename("return").rename_axis("date").to_frame().to_parquet(
                place / "panel_benchmark.parquet", compression="zstd"
            )
        export_market(prices.fingerprint, place / Path(LEDGER).name)
        return {item.name: item.read_bytes() for item in sorted(place.iterdir())}
