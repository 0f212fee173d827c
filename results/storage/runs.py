"""Stored runs: one folder a run, written aside and renamed, so a killed run leaves nothing half-written.

The manifest is sealed and holds the digest of ``metrics.json`` and of every table: a run of which any file is not what
was written is *damaged*. It is named as such, can be removed, and is made again by the command that made it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from assay.data.atomic import building, locked, put_folder, recover, replacing, sweep
from assay.data.card import Card
from assay.data.drawing import returns_figure
from assay.data.errors import InputError, UnknownNameError
from assay.data.jsonable import jsonable
from assay.data.stored import file_digest, file_digests, holds_files, read_json, read_sealed, sealed
from assay.results.storage.kept import Keep, left_out
from assay.results.storage.object_store import address, local_root, store_behind
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.tables import read_table, write_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "LABELS",
    "Run",
    "add_checks",
    "damaged_runs",
    "delete_run",
    "find_run",
    "flattened",
    "list_runs",
    "load_run",
    "run_id",
    "save_run",
    "stored_runs",
    "to_json",
]

_MANIFEST, _METRICS, _CHECKS = "manifest.json", "metrics.json", "checks.json"
#: What a person writes beside a run (`assay.results.storage.labels`); it stays when the run is made anew.
LABELS = "labels.json"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_PACKAGES = ("numpy", "pandas", "scipy", "empyrical-reloaded", "torch", "vectorbt", "scikit-learn", "skfolio")


@dataclass(frozen=True, eq=False, repr=False)
class Run(Card):
    """A stored run; its tables are read when asked for.

    Parameters
    ----------
    path : the run's folder.
    manifest : config, fingerprints, versions, git commit, seeds, timings, counts, warnings, digests of the files.
    metrics : the content of ``metrics.json``.

    Examples
    --------
    >>> import pandas as pd
    >>> returns = pd.DataFrame({"net": [0.01]}, pd.to_datetime(["2024-01-02"]))
    >>> run = save_run("example", config={"a": 1}, fingerprints={}, metrics={}, notes={}, tables={"returns": returns})
    >>> run.tables, run.table("returns").shape
    (('returns',), (1, 1))

    """

    path: Path
    manifest: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def id(self) -> str:
        """The run's name: strategy and hash of config and inputs."""
        return self.path.name

    @property
    def address(self) -> str:
        """The folder, or where it lies in the object store that it is a copy of: what is printed of it."""
        return address(self.path)

    @property
    def kind(self) -> Literal["backtest", "sweep"]:
        """What is stored: one backtest, or a grid of them."""
        return "sweep" if "grid" in self.manifest.get("config", {}) else "backtest"

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """What it is of, what it earned, and what is stored."""
        config = self.manifest.get("config", {})
        shown = {name: config[name] for name in ("strategy", "model", "horizon") if config.get(name) is not None}
        sharpe = (self.metric("sharpe_net") or {}).get("value")
        return f"{self.id}: a stored {self.kind}", [
            *((name, str(value)) for name, value in shown.items()),
            ("net Sharpe", "–" if sharpe is None else f"{sharpe:.2f}"),
            ("created", str(self.manifest.get("created", "–"))),
            ("tables", ", ".join(self.tables)),
            ("folder", self.address),
        ]

    def to_frame(self) -> pd.DataFrame:
        """A row a session of a backtest, its returns; a row a cell of a sweep."""
        return self.table("cells" if self.kind == "sweep" else "returns")

    def plot(self) -> Figure:
        """A matplotlib figure: growth of 1 before and after costs, and the benchmark's, above; drawdown below.

        Raises
        ------
        InputError
            If it is a sweep, or has no sessions.

        """
        returns = self.require_backtest("plot").table("returns")
        if not len(returns):
            raise InputError(f"plot: the run {self.id} has no sessions")
        return returns_figure(returns, self.id)

    def require_backtest(self, who: str) -> Run:
        """This run, for `who`, which shows or judges one backtest.

        Raises
        ------
        InputError
            If it is a sweep.

        """
        if self.kind == "sweep":
            raise InputError(
                f"{who}: {self.id} is a sweep, which has no returns of its own; `runs show {self.id}` shows its cells, "
                "and `backtest` with the parameters of one of them makes a run"
            )
        return self

    @cached_property
    def checks(self) -> dict[str, Any]:
        """What has been checked of this run, by kind; see `add_checks`.

        Raises
        ------
        InputError
            If ``checks.json`` is damaged.

        """
        return _read_checks(self.path)

    @property
    def kept(self) -> Keep:
        """What it keeps of its tables, see `assay.results.storage.kept`."""
        return self.manifest.get("keep", "all")  # type: ignore[no-any-return]

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
            If the run has no such table, or it is not what was written.

        """
        if name not in self.tables:
            reason = left_out(name, self.kept)
            if reason is not None:
                raise InputError(f"run {self.id}: {reason}")
            raise UnknownNameError(f"table of run {self.id}", name, self.tables)
        path = self.path / f"{name}.parquet"
        try:
            if file_digest(path) != self.manifest["files"].get(path.name):
                raise ValueError("its content is not what was written")
            return read_table(path)
        except (OSError, ValueError) as error:
            raise _damaged(self.path, f"table {name}: {error}") from None

    def metric(self, name: str) -> dict[str, Any] | None:
        """The stored metric of that name, or None."""
        for item in self.metrics.get("metrics", ()):
            if item["name"] == name:
                return dict(item)
        return None


def to_json(value: object) -> str:
    """Deterministic JSON: sorted keys, NaN and infinities as null, dates as ISO strings."""
    return json.dumps(jsonable(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _plain_table(values: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): jsonable(value) for key, value in values.items()}


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
    # A name in another script, or one that begins with an underscore, leaves nothing that an id may begin with.
    readable = re.sub(r"[^A-Za-z0-9_]+", "_", name).lstrip("_")[:60]
    return f"{readable or 'run'}-{digest[:8]}"


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
    root = local_root(root)
    identity = run_id(name, config, fingerprints)
    target = root / identity
    store = store_behind(root)
    damaged = store is not None and store.is_damaged(identity)
    try:
        root.mkdir(parents=True, exist_ok=True)
        recover(root)
        sweep(root)
        with building(target) as aside:
            (aside / _METRICS).write_text(to_json(metrics), encoding="utf-8")
            write_tables(aside, {_checked_name(label): table for label, table in tables.items()})
            files = file_digests(aside)
            manifest = {"id": identity, "config": config, "fingerprints": fingerprints}
            manifest |= {**_environment(), **notes, "files": files}
            (aside / _MANIFEST).write_text(to_json(sealed(_plain_table(manifest))), encoding="utf-8")
            with locked(root):
                _publish(aside, target)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"results folder {root}: cannot be written: {reason}; see --results") from None
    if store is not None and damaged:  # only now: until the new one stands here, what is sound there stays
        store.discard(identity)
    return _read(target)


def _publish(aside: Path, target: Path) -> None:
    """Move a finished folder into place; a sound one of the same figures that is already there stays.

    Where only the tables differ (there are more of them, or one is damaged), what was checked of the figures stays too.
    """
    try:
        stored: Run | None = _read(target)
        checks = {} if stored is None else stored.checks
    except InputError:
        stored = None
    if stored is not None and (target / _METRICS).read_bytes() == (aside / _METRICS).read_bytes():
        if _holds_tables_of(stored, aside):
            return
        if checks:
            (aside / _CHECKS).write_text(to_json(sealed(checks)), encoding="utf-8")
    if (target / LABELS).is_file():
        shutil.copyfile(target / LABELS, aside / LABELS)
    put_folder(aside, target)


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"run {address(path)}: damaged: {reason}; the command that made it makes it again, "
        f"`runs rm {path.name}` removes it"
    )


def _read_checks(folder: Path) -> dict[str, Any]:
    path = folder / _CHECKS
    try:
        content = read_sealed(path)
        if not all(isinstance(item, dict) for item in content.values()):
            raise ValueError("not a table of checks")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged: {error}; remove the file and run the checks again") from None
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
    with locked(run.path.parent):
        together = _plain_table({**_read_checks(run.path), **fresh})
        with replacing(run.path / _CHECKS) as temporary:
            temporary.write_text(to_json(sealed(together)), encoding="utf-8")
    return _read(run.path)


def _holds_tables_of(stored: Run, aside: Path) -> bool:
    """Whether every table of the new folder is in the stored one (which may have more), and sound there."""
    files = stored.manifest["files"]
    return holds_files(stored.path, files) and {item.name for item in aside.glob("*.parquet")} <= set(files)


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

    Examples
    --------
    >>> run = save_run("example", config={"a": 1}, fingerprints={}, metrics={}, notes={}, tables={})
    >>> load_run("example").id == run.id
    True

    """
    return _read(find_run(run, root=root))


def _read(path: Path) -> Run:
    """The run in a folder, its figures checked against their digest."""
    while True:
        with _held(path) as before:
            try:
                return _read_once(path)
            except InputError:
                if _inode(path) == before:  # else another process has put a new one in its place meanwhile
                    raise


@contextlib.contextmanager
def _held(path: Path) -> Iterator[int | None]:
    """The number of a folder, which no other folder can be given as long as this one is held open."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # not there, or a system that opens no folders
        yield _inode(path)
        return
    try:
        yield os.fstat(handle).st_ino
    finally:
        os.close(handle)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _read_once(path: Path) -> Run:
    try:
        manifest = read_sealed(path / _MANIFEST)
    except (OSError, ValueError) as error:
        raise _damaged(path, f"{_MANIFEST}: {getattr(error, 'strerror', None) or error}") from None
    try:
        if file_digest(path / _METRICS) != manifest["files"][_METRICS]:
            raise ValueError("its content is not what was written")
        metrics = read_json(path / _METRICS)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _damaged(path, f"{_METRICS}: {getattr(error, 'strerror', None) or error}") from None
    return Run(path, manifest, metrics)


def find_run(run: Path | str, *, root: Path | str = DEFAULT_ROOT, to_read: bool = True) -> Path:
    """The folder of a stored run, sound or damaged; see `load_run`.

    Of a run in an object store the files are brought into it, unless it is not `to_read`.
    """
    path, name = Path(run), str(run)
    if path.name != name or not _RUN_ID.fullmatch(name):  # a path, not a name
        if _is_run(path):
            return path
        _checked_name(name)
    place = local_root(root)
    store = store_behind(place)
    if store is None:
        return place / _resolve(_checked_name(name), [item.name for item in _folders(place)])
    is_there = store.bring if to_read else store.holds
    if is_there(_checked_name(name)):
        return place / name
    others = [item for item in store.names() if item != name]  # there may be files of it, but no marker
    found = _resolve(name, others)
    if not is_there(found):
        raise UnknownNameError("run", name, [item for item in others if item != found] or ["none stored yet"])
    return place / found


def _resolve(name: str, known: list[str]) -> str:
    if name in known:
        return name
    fits = [item for item in known if item.startswith(name)]
    if len(fits) > 1:
        raise InputError(f"run {name!r}: fits {len(fits)} runs, {', '.join(fits[:3])} …; give more of the id")
    if not fits:
        raise UnknownNameError("run", name, known or ["none stored yet"])
    return fits[0]


def _is_run(path: Path) -> bool:
    """Whether a folder is a run, or what is left of one: an id for a name, or a run's files."""
    if not path.is_dir():
        return False
    named = re.fullmatch(r"[A-Za-z0-9].*-[0-9a-f]{8}", path.name) is not None
    return named or (path / _MANIFEST).is_file() or (path / _METRICS).is_file()


def _folders(root: Path) -> list[Path]:
    try:
        recover(root)
        return sorted(item for item in root.iterdir() if not item.name.startswith(".") and _is_run(item))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"results folder {root}: cannot be read: {error.strerror}; see --results") from None


def stored_runs(root: Path | str = DEFAULT_ROOT) -> tuple[list[Run], dict[str, str]]:
    """What `list_runs` and `damaged_runs` give, looked up once."""
    place = local_root(root)
    store = store_behind(place)
    damaged = {} if store is None else store.bring_listed()
    runs = []
    for path in _folders(place):
        if path.name not in damaged:
            try:
                runs.append(_read(path))
            except InputError as error:
                damaged[path.name] = str(error)
    runs.sort(key=lambda run: str(run.manifest.get("created", "")), reverse=True)
    return runs, dict(sorted(damaged.items()))


def list_runs(root: Path | str = DEFAULT_ROOT) -> list[Run]:
    """All stored runs, the newest first; for damaged ones see `damaged_runs`.

    Examples
    --------
    >>> run = save_run("example", config={"a": 1}, fingerprints={}, metrics={}, notes={}, tables={})
    >>> run.id in [stored.id for stored in list_runs()]
    True

    """
    return stored_runs(root)[0]


def damaged_runs(root: Path | str = DEFAULT_ROOT) -> dict[str, str]:
    """Name of each stored run that cannot be read → why."""
    return stored_runs(root)[1]


def delete_run(run: Path | str, *, root: Path | str = DEFAULT_ROOT) -> Path:
    """Remove a stored run's folder, sound or damaged; the path that is gone is returned.

    A name is looked up as in `load_run`; a `Path` is that folder and no other.

    It is out of sight in one step, so that a kill leaves no half of it behind.

    Examples
    --------
    >>> run = save_run("example", config={"a": 1}, fingerprints={}, metrics={}, notes={}, tables={})
    >>> delete_run(run.id).exists()
    False

    """
    path = run if isinstance(run, Path) else find_run(run, root=root, to_read=False)
    if (store := store_behind(path.parent)) is not None:
        store.remove(path.name)
        return path
    try:
        if path.is_symlink():
            path.unlink()
            return path
        sweep(path.parent)
        with locked(path.parent), building(path) as aside:
            path.rename(aside / path.name)
    except OSError as error:
        raise InputError(f"run {run}: cannot be removed: {error.strerror or error}") from None
    return path
