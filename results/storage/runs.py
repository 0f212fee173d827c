"""Stored runs: one folder a run, written aside and renamed, so a killed run leaves nothing half-written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from assay.data.atomic import replacing
from assay.data.errors import InputError, UnknownNameError

__all__ = [
    "DEFAULT_ROOT",
    "Run",
    "add_checks",
    "delete_run",
    "flattened",
    "list_runs",
    "load_run",
    "run_id",
    "save_run",
    "to_json",
]

DEFAULT_ROOT = Path("results") / "runs"
_CHECKS = "checks.json"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PACKAGES = ("numpy", "pandas", "scipy", "empyrical-reloaded", "torch", "vectorbt", "scikit-learn", "skfolio")


@dataclass(frozen=True, eq=False)
class Run:
    """A stored run; its tables are read when asked for.

    Parameters
    ----------
    path : the run's folder.
    manifest : config, fingerprints, versions, git commit, seeds, timings, counts, warnings.
    metrics : the content of ``metrics.json``.

    """

    path: Path
    manifest: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def id(self) -> str:
        """The run's name: strategy and hash of config and inputs."""
        return self.path.name

    @cached_property
    def checks(self) -> dict[str, Any]:
        """What has been checked of this run, by kind; see `add_checks`.

        Raises
        ------
        InputError
            If ``checks.json`` is damaged.

        """
        return _read_checks(self.path)

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Names of the stored tables."""
        return tuple(sorted(item.stem for item in self.path.glob("*.parquet")))

    def has(self, name: str) -> bool:
        """Whether the table is stored."""
        return (self.path / f"{name}.parquet").exists()

    def table(self, name: str) -> pd.DataFrame:
        """Read one table.

        Raises
        ------
        InputError
            If the run has no such table or it cannot be read.

        """
        if name not in self.tables:
            raise UnknownNameError(f"table of run {self.id}", name, self.tables)
        try:
            return pd.read_parquet(self.path / f"{name}.parquet")
        except (OSError, ValueError) as error:
            raise InputError(f"run {self.id}: table {name} cannot be read: {error}") from None

    def metric(self, name: str) -> dict[str, Any] | None:
        """The stored metric of that name, or None."""
        for item in self.metrics.get("metrics", ()):
            if item["name"] == name:
                return dict(item)
        return None


def to_json(value: object) -> str:
    """Deterministic JSON: sorted keys, NaN and infinities as null, dates as ISO strings."""
    return json.dumps(_plain(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value == value.normalize() else value.isoformat()
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if hasattr(value, "item"):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)


def flattened(values: Mapping[str, Any], joint: str = ".") -> dict[str, Any]:
    """Nested settings as one level, the names joined by `joint`.

    Examples
    --------
    >>> flattened({"costs": {"spread_bps": 1.0}, "model": "ridge"})
    {'costs.spread_bps': 1.0, 'model': 'ridge'}

    """
    out: dict[str, Any] = {}
    for name, value in values.items():
        inner = flattened(value, joint) if isinstance(value, Mapping) else None
        out |= {name: value} if inner is None else {f"{name}{joint}{key}": item for key, item in inner.items()}
    return out


def run_id(name: str, config: Mapping[str, Any], fingerprints: Mapping[str, str]) -> str:
    """Name of a run: the strategy and eight hexadecimal digits of the hash of its config and inputs."""
    digest = hashlib.sha256(to_json({"config": config, "fingerprints": fingerprints}).encode()).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_]+', '_', name)[:60] or 'run'}-{digest[:8]}"


def save_run(
    name: str,
    *,
    config: Mapping[str, Any],
    fingerprints: Mapping[str, str],
    metrics: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    notes: Mapping[str, Any],
    root: Path | str = DEFAULT_ROOT,
) -> Run:
    """Write a run folder, atomically.

    Parameters
    ----------
    name : what the id starts with, usually the strategy.
    config, fingerprints : what the id is a hash of.
    metrics : becomes ``metrics.json``; the same inputs give the same bytes.
    tables : name to frame; each becomes a Parquet file.
    notes : the rest of the manifest: seeds, timings, counts, warnings, …
    root : the results folder.

    Returns
    -------
    Run
        The stored run. If the same id stands there with the same metrics, that one is reused, with whatever has been
        added to it since. If the metrics differ, the code has changed: the run is made anew, without the checks of what
        it replaces.

    Raises
    ------
    InputError
        If the folder cannot be written.

    """
    root = Path(root)
    identity = run_id(name, config, fingerprints)
    target = root / identity
    written = to_json(metrics)
    manifest = {"id": identity, "config": config, "fingerprints": fingerprints, **_environment(), **notes}
    try:
        root.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{identity}-", dir=root))
    except OSError as error:
        raise InputError(f"results folder {root}: cannot be written: {error.strerror}; see --results") from None
    try:
        (aside / "metrics.json").write_text(written, encoding="utf-8")
        (aside / "manifest.json").write_text(to_json(manifest), encoding="utf-8")
        for label, table in tables.items():
            _checked_name(label)
            table.to_parquet(aside / f"{label}.parquet")
        os.chmod(aside, 0o755)
        _publish(aside, target, written)
    except OSError as error:
        raise InputError(f"results folder {root}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return load_run(identity, root=root)


def _publish(aside: Path, target: Path, metrics: str) -> None:
    """Move a finished folder into place; an equal one that is already there stays, and so do its checks."""
    with _alone(target):
        stored = target / "metrics.json"
        if stored.exists() and stored.read_text(encoding="utf-8") == metrics:
            if _same_tables(aside, target):
                return
            if (target / _CHECKS).exists():
                shutil.copy2(target / _CHECKS, aside / _CHECKS)
        _swap(aside, target)


def _swap(aside: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}-old-{os.getpid()}")
    if target.exists():
        os.replace(target, old)
    try:
        os.replace(aside, target)
    except OSError:
        if not target.exists():  # another process has put the same run there in between: that one stands
            raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold other processes that would change the same run folder; nothing to hold where there is none yet."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: each write is still whole
        yield
        return
    try:
        held = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _read_checks(folder: Path) -> dict[str, Any]:
    path = folder / _CHECKS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged: {error}; remove the file and run the checks again") from None
    if not isinstance(content, dict) or not all(isinstance(item, dict) for item in content.values()):
        raise InputError(f"{path}: damaged: not a table of checks; remove the file and run the checks again")
    return content


def add_checks(run: Run, checks: Mapping[str, Mapping[str, Any]]) -> Run:
    """Keep what was checked of a run, in ``checks.json`` beside its metrics.

    Parameters
    ----------
    run : a stored run.
    checks : kind (``"leaks"``, ``"random_scores"``, ``"canaries"``, ``"cross_check"``, ``"capacity"``, ``"trials"``) →
        what was found. Its entry ``on`` says with which settings it was made; the fingerprints of the run's inputs
        are put beside them. A kind takes the place of what stood there under its name; other kinds stay.

    Returns
    -------
    Run
        The run with these checks.

    Raises
    ------
    InputError
        If the file cannot be written, or what stands there is damaged.

    """
    if not checks:
        return run
    inputs = dict(run.manifest.get("fingerprints", {}))
    fresh = {kind: {**found, "on": {**inputs, **found.get("on", {})}} for kind, found in checks.items()}
    with _alone(run.path):
        together = {**_read_checks(run.path), **fresh}
        with replacing(run.path / _CHECKS) as temporary:
            temporary.write_text(to_json(together), encoding="utf-8")
    return load_run(run.path)


def _same_tables(aside: Path, target: Path) -> bool:
    """Whether every table of the new folder is in the stored one (which may have more)."""
    return {item.name for item in aside.glob("*.parquet")} <= {item.name for item in target.glob("*.parquet")}


def _environment() -> dict[str, Any]:
    versions = {"python": sys.version.split()[0]}
    for package in ("assay", *_PACKAGES):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    now = pd.Timestamp.now("UTC").isoformat(timespec="seconds")
    return {"versions": versions, "git_commit": _git_commit(), "created": now}


def _git_commit() -> str | None:
    """Commit of this source tree, with ``+`` if it has local changes; None outside a checkout."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(here), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _checked_name(name: str) -> str:
    """A name that is safe as one component of a path."""
    if not _RUN_ID.fullmatch(name) or ".." in name:
        raise InputError(f"run {name!r}: not a run id; list them with `runs list`")
    return name


def load_run(run: Path | str, *, root: Path | str = DEFAULT_ROOT) -> Run:
    """Read a stored run by id, by the start of its id, or by the path of its folder.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    InputError
        If its manifest or metrics are damaged, or the start of an id fits several.

    """
    path = Path(run)
    if not (path / "manifest.json").is_file():
        path = Path(root) / _resolve(_checked_name(str(run)), Path(root))
    try:
        manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"run {path}: damaged: {error}; remove it with `runs rm` and run again") from None
    return Run(path, manifest, metrics)


def _resolve(name: str, root: Path) -> str:
    known = [item.name for item in _folders(root)]
    if name in known:
        return name
    fits = [item for item in known if item.startswith(name)]
    if len(fits) > 1:
        raise InputError(f"run {name!r}: fits {len(fits)} runs, {', '.join(fits[:3])} …; give more of the id")
    if not fits:
        raise UnknownNameError("run", name, known or ["none stored yet"])
    return fits[0]


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    seen = (item for item in root.iterdir() if not item.name.startswith("."))
    return sorted(item for item in seen if (item / "manifest.json").is_file())


def list_runs(root: Path | str = DEFAULT_ROOT) -> list[Run]:
    """All stored runs, the newest first; damaged ones are left out."""
    runs = []
    for path in _folders(Path(root)):
        try:
            runs.append(load_run(path))
        except InputError:
            continue
    return sorted(runs, key=lambda run: str(run.manifest.get("created", "")), reverse=True)


def delete_run(run: str, *, root: Path | str = DEFAULT_ROOT) -> Path:
    """Remove a stored run's folder; the path that is gone is returned."""
    path = Path(root) / _resolve(_checked_name(run), Path(root))
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise InputError(f"run {run}: cannot be removed: {error.strerror}") from None
    return path
