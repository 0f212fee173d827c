"""Runs in an object store, `s3://bucket/prefix`: a local folder stands for it while a command runs.

An object store has no rename, so a run takes its name by a marker. The files of a run are objects named by what they
hold, ``<prefix>/<run id>/<digest>/<path in the run>``, written once and never changed; then
``<prefix>/<run id>/run.json``, replaced in one step, says which of them are the run. Without it there is no run: a
writer that is killed leaves nothing half-written, and a reader sees the run before or the run after, with every file
checked against its digest.

`results_at` gives the local folder, to be used like any results folder. Runs come into it when they are asked for, of a
list only what a list shows; what is new or changed in it at the end is written to the store. Two who change one run at
once both see theirs whole; the later one stands. The ledger of trials, the lockbox and unfinished folds stay local.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.data.atomic import locked, replacing
from assay.data.errors import InputError
from assay.data.files.packed import is_packed
from assay.data.sample import cache_folder
from assay.data.stored import file_digest, read_sealed, sealed

__all__ = ["DamagedRunError", "ObjectStore", "address", "is_url", "local_root", "results_at", "store_behind"]

_LOG = logging.getLogger(__name__)

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[^?#]*))?")
_MARKER, _MANIFEST, _ABOUT = "run.json", "manifest.json", ".store"
#: Files of a run that a list of runs reads.
_LISTED = (_MANIFEST, "metrics.json", "checks.json", "labels.json")
#: Requests at a time, and the seconds until a server that does not answer is given up.
_AT_ONCE, _CONNECT, _ANSWER = 8, 5.0, 60.0
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
#: What the store answers → what that means to a person.
_REASONS = {
    "NO_SUCH_BUCKET": "there is no such bucket; create it, or correct the URL",
    "ACCESS_DENIED": "access denied; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do there",
    "INVALID_ACCESS_KEY_ID": "the access key is unknown; check AWS_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
    "NETWORK_CONNECTION": "no answer; check AWS_ENDPOINT_URL and AWS_REGION",
}


class DamagedRunError(InputError):
    """A run there of which something is not what was written; the others are none the worse for it."""

    def __init__(self, url: str, run: str, what: str) -> None:
        super().__init__(
            f"run {url}/{run}: damaged: {what}; the command that made it makes it again, `runs rm {run}` removes it"
        )


def is_url(root: Path | str) -> bool:
    """Whether results are to lie in an object store rather than in a folder."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(root)) is not None


def local_root(root: Path | str) -> Path:
    """A results folder; an object store is opened with `results_at`.

    Raises
    ------
    InputError
        If it is a URL, or lies in a packed panel.

    """
    if is_url(root):
        url = re.sub(":/+", "://", str(root), count=1)  # a Path makes one slash of two
        raise InputError(f"{url}: an object store; `with results_at({url!r}) as root:` gives the folder for it")
    place = Path(root)
    packed = next((folder for folder in (place, *place.parents) if is_packed(folder)), None)
    if packed is not None:
        raise InputError(f"results folder {root}: {packed} is a packed panel (`data pack`); name another folder")
    return place


@dataclass(frozen=True)
class _Entry:
    """A file of a run: its digest, and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, eq=False)
class ObjectStore:
    """A place in an object store, and the local folder that stands for it.

    Parameters
    ----------
    url : ``s3://bucket/prefix``.
    root : the folder.
    files : a `pyarrow.fs.FileSystem`.
    base : the prefix in it.

    """

    url: str
    root: Path
    files: Any
    base: str

    def ids(self) -> set[str]:
        """Ids of the runs there, some of which may not be finished."""
        from pyarrow.fs import FileSelector, FileType

        found = self._asked("list", lambda: self.files.get_file_info(FileSelector(self.base)), may_lack=True)
        folders = (item.base_name for item in found or () if item.type == FileType.Directory)
        return {name for name in folders if _RUN_ID.fullmatch(name)}

    def check(self) -> None:
        """Ask the bucket for its name: what is wrong with it is said before any work.

        Raises
        ------
        InputError
            If it is not there, or may not be read.

        """
        from pyarrow.fs import FileSelector

        self._asked("open", lambda: self.files.get_file_info(FileSelector(f"{self.base}/{_ABOUT}")), may_lack=True)

    def holds(self, run: str) -> bool:
        """Whether there is a run of that id, sound or damaged."""
        from pyarrow.fs import FileType

        (marker,) = self._asked("look at", lambda: self.files.get_file_info([f"{self.base}/{run}/{_MARKER}"]))
        return bool(marker.type == FileType.File) or self._is_own(self.root / run, self._known(run))

    def bring(self, run: str, *, afresh: bool = False) -> bool:
        """Bring a run into the folder, as far as it is not there; whether there is one.

        Parameters
        ----------
        run : its id.
        afresh : whether files that are there are read again: a copy that is sound says nothing of what it is a copy of.

        Raises
        ------
        DamagedRunError
            If something of it is not what was written; what is sound is brought.

        """
        with locked(self._state):
            return self._bring(run, listed_only=False, afresh=afresh)

    def is_damaged(self, run: str) -> bool:
        """Whether what is there of a run is not what was written; what is sound is brought, afresh if that is read.

        Raises
        ------
        InputError
            If the store does not answer, and more of the run is there than here.

        """
        try:
            try:
                self.bring(run, afresh=True)
            except DamagedRunError:
                raise
            except InputError:  # what was read before is enough to store a run by
                self.bring(run)
        except DamagedRunError:
            return True
        return False

    def bring_listed(self) -> dict[str, str]:
        """Bring what a list of runs reads, and take away what was removed there; of each damaged run, why."""

        def bring(run: str) -> tuple[str, str | None]:
            try:
                self._bring(run, listed_only=True)
            except DamagedRunError as error:
                return run, str(error)
            return run, None

        there, damaged = sorted(self.ids()), dict[str, str]()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for first in range(0, len(there), _AT_ONCE):
                with locked(self._state):  # for some at a time: who brings or writes one run need not wait for all
                    answers = list(pool.map(bring, there[first : first + _AT_ONCE]))
                damaged |= {run: reason for run, reason in answers if reason is not None}
        for run in sorted(self._noted() - {*there}):
            with locked(self._state):
                self._bring(run, listed_only=True)
        return damaged

    def _bring(self, run: str, *, listed_only: bool, afresh: bool = False) -> bool:
        """Bring a run, or only the files that a list of runs reads; the caller holds the lock."""
        folder = self.root / run
        known = self._known(run)
        if self._is_own(folder, known):
            return True
        there = self._marker(run)
        if there is None:
            if known is not None or self._bringing(run).exists():  # removed by somebody else
                self._forget(run)
            return False
        wanted = {name: item for name, item in there.items() if not listed_only or name in _LISTED}
        self._bringing(run).touch()
        for name in {*(known or {})} - {*there}:
            (folder / name).unlink(missing_ok=True)
        damage, here = None, {} if afresh or known is None else known
        for name in sorted(wanted):
            try:
                self._fetch(run, name, wanted[name], here.get(name))
            except DamagedRunError as error:
                damage = damage or error
        if damage is not None:
            raise damage
        self._note(run, there)
        self._bringing(run).unlink()
        return True

    def names(self) -> list[str]:
        """Ids of runs there and in the folder."""
        return sorted(self.ids() | {item.name for item in self._folders()})

    def write(self) -> list[str]:
        """Write every run that is new or changed in the folder; the ids of these.

        Raises
        ------
        DamagedRunError
            If one of them is damaged there and not whole here; the others are written.

        """
        written, damage = [], None
        with locked(self._state):
            for folder in self._folders():
                if self._is_own(folder, self._known(folder.name)):
                    try:
                        written += [folder.name] if self._write(folder) else []
                    except DamagedRunError as error:
                        damage = damage or error
        if damage is not None:
            raise damage
        return written

    def remove(self, run: str) -> None:
        """Take a run away, sound or damaged."""
        with locked(self._state):
            self._remove_there(run)
            self._forget(run)

    def discard(self, run: str) -> None:
        """Take a damaged run away there, so that what stands in the folder is written whole.

        What was brought of it stays in the folder (nothing, where its marker is damaged), or what has taken its place.
        """
        with locked(self._state):
            self._remove_there(run)
            self._let_go(run)

    def _remove_there(self, run: str) -> None:
        """First the marker, so that no half of it is left."""
        place = f"{self.base}/{run}"
        self._asked("remove", lambda: self.files.delete_file(f"{place}/{_MARKER}"), may_lack=True)
        self._asked("remove", lambda: self.files.delete_dir(place), may_lack=True)

    @property
    def waiting(self) -> str:
        """What becomes of runs that could not be written."""
        return f"what is new stands in {self.root}, and the next command with this URL writes it"

    @property
    def _state(self) -> Path:
        """The folder with what was there when it was last looked at, a file a run."""
        place = self.root / _ABOUT
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _folders(self) -> list[Path]:
        """The runs in the folder."""
        return sorted(item.parent for item in self.root.glob(f"[!.]*/{_MANIFEST}"))

    def _known(self, run: str) -> dict[str, Any] | None:
        """File → digest, size there and the moment it was written here; None of a run that was never there."""
        try:
            return dict(read_sealed(self._state / f"{run}.json")["files"])
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _bringing(self, run: str) -> Path:
        """Stands where a run is being brought: what a kill leaves of that is nobody's change."""
        return self._state / f"{run}.part"

    def _is_own(self, folder: Path, known: Mapping[str, Any] | None) -> bool:
        """Whether a run was made or changed here and is not written there yet."""
        if self._bringing(folder.name).exists() or not (folder / _MANIFEST).is_file():
            return False
        return known is None or _changed(folder, known)

    def _noted(self) -> set[str]:
        return {item.stem for item in self._state.glob("*.json")}

    def _note(self, run: str, there: Mapping[str, _Entry], moments: Mapping[str, Any] | None = None) -> None:
        if moments is None:
            moments = {name: _moment(self.root / run / name) for name in there}
        content = {name: [item.digest, item.size, moments.get(name)] for name, item in there.items()}
        with replacing(self._state / f"{run}.json") as temporary:
            temporary.write_text(json.dumps(sealed({"files": content})), encoding="utf-8")

    def _forget(self, run: str) -> None:
        shutil.rmtree(self.root / run, ignore_errors=True)
        self._let_go(run)

    def _let_go(self, run: str) -> None:
        """Know no more of a run there."""
        self._bringing(run).unlink(missing_ok=True)
        (self._state / f"{run}.json").unlink(missing_ok=True)

    def _marker(self, run: str) -> dict[str, _Entry] | None:
        """The files of a run by its marker; None where there is none."""
        name = f"{self.base}/{run}/{_MARKER}"
        raw = self._asked("read", lambda: self._bytes(name), may_lack=True)
        if raw is None:
            return None
        try:
            try:
                content = json.loads(raw)
            except ValueError:
                raise ValueError("not JSON") from None
            if sealed({"files": content["files"]}) != content:
                raise ValueError("its content is not what was written")
            files = {str(name): _Entry(str(item[0]), int(item[1])) for name, item in content["files"].items()}
            bad = next((name for name in files if not _is_inside(name)), None)
            if bad is not None:
                raise ValueError(f"{bad!r} is no name of a file of a run")
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamagedRunError(self.url, run, f"{_MARKER}: {error}") from None
        return files

    def _fetch(self, run: str, name: str, wanted: _Entry, known: list[Any] | None) -> None:
        target = self.root / run / name
        if known is not None and known[0] == wanted.digest and _moment(target) == known[2] is not None:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        source = f"{self.base}/{run}/{wanted.digest}/{name}"
        with replacing(target) as temporary:
            content = self._asked("read", lambda: self._bytes(source), may_lack=True)
            if content is None:
                raise DamagedRunError(self.url, run, f"{name}: is not there")
            if hashlib.sha256(content).hexdigest() != wanted.digest:
                raise DamagedRunError(self.url, run, f"{name}: its content is not what was written")
            temporary.write_bytes(content)

    def _write(self, folder: Path) -> bool:
        """Write the files that are not there yet, then the marker; False of a run that somebody else has made anew."""
        from pyarrow.fs import FileType

        run, own, moments = folder.name, {}, {}
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            name = path.relative_to(folder).as_posix()
            if not any(part.startswith(".") for part in name.split("/")):
                moments[name] = _moment(path)  # before the digest: what changes from here on is written another time
                own[name] = _Entry(file_digest(path), path.stat().st_size)
        try:
            there = self._marker(run) or {}
        except DamagedRunError:
            if not _is_whole(folder, own):
                raise
            there = {}
        same = there.get(_MANIFEST) == own.get(_MANIFEST)
        if not same and not _is_whole(folder, own):
            if there and self._known(run) is not None:  # only listed here, and made anew there since
                self._forget(run)
            return False
        fresh = {name: item for name, item in own.items() if there.get(name) != item}
        keys = {name: f"{self.base}/{run}/{item.digest}/{name}" for name, item in fresh.items()}
        infos = self._asked("look at", lambda: self.files.get_file_info(list(keys.values()))) if keys else []
        for (name, key), info in zip(keys.items(), infos, strict=True):
            if info.type != FileType.File or info.size != fresh[name].size:
                content = (folder / name).read_bytes()
                if hashlib.sha256(content).hexdigest() != fresh[name].digest:
                    return False  # being changed: whoever changes it writes it
                self._put(key, content)
        # Of a run made anew its own files alone; else what was not brought here stays.
        now = {**(there if same else {}), **own}
        listed = {name: [item.digest, item.size] for name, item in sorted(now.items())}
        self._put(f"{self.base}/{run}/{_MARKER}", json.dumps(sealed({"files": listed})).encode())
        self._note(run, now, moments)
        return True

    def _bytes(self, name: str) -> bytes:
        with self.files.open_input_stream(name) as stream:
            return bytes(stream.read())

    def _put(self, name: str, content: bytes) -> None:
        def put() -> None:
            with self.files.open_output_stream(name) as stream:
                stream.write(content)

        self._asked("write", put)

    def _asked(self, what: str, ask: Callable[[], Any], *, may_lack: bool = False) -> Any:
        """What the store answers, or its refusal in one line; None of what is not there and need not be."""
        try:
            return ask()
        except OSError as error:
            if may_lack and isinstance(error, FileNotFoundError):
                return None
            raise InputError(f"{self.url}: cannot {what}: {_reason(error)}") from None


def _is_whole(folder: Path, own: Mapping[str, _Entry]) -> bool:
    """Whether every file that the manifest names is there."""
    try:
        return {*read_sealed(folder / _MANIFEST)["files"]} <= {*own}
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _is_inside(name: str) -> bool:
    """Whether a path in a run leads to nowhere else."""
    parts = name.split("/")
    return all(part not in ("", ".", "..") and "\\" not in part and part.isprintable() for part in parts)


def _reason(error: OSError) -> str:
    text = " ".join(str(error).split())
    return next((reason for code, reason in _REASONS.items() if code in text), text[:300])


def _moment(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _changed(folder: Path, known: Mapping[str, Any]) -> bool:
    """Whether a file of a run was written since it was last the same as there; one that was not brought was not."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not any(part.startswith(".") for part in name.split("/")):
            item = known.get(name)
            if item is None or item[2] != path.stat().st_mtime_ns:
                return True
    return False


@contextlib.contextmanager
def results_at(root: Path | str) -> Iterator[Path]:
    """The folder for results that lie in an object store, which gets what is new in it at the end; a folder itself.

    The endpoint and the credentials are those of the standard variables: AWS_ENDPOINT_URL (or AWS_ENDPOINT_URL_S3),
    AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE. The folder lies in
    ``$ASSAY_CACHE`` or ``~/.cache/assay`` and may be removed when nothing runs and the last command could write, unless
    it holds the ledger of trials, which the commands then say.

    Raises
    ------
    InputError
        If the URL is no s3 URL, the bucket cannot be used, or there is no place for the folder.

    Examples
    --------
    >>> from pathlib import Path
    >>> with results_at("results/runs") as root:
    ...     root == Path("results/runs")
    True

    """
    if not is_url(root):
        yield Path(root)
        return
    store = _opened(str(root))
    store.check()
    before = sys.exc_info()[1]
    try:
        yield store.root
    except GeneratorExit:  # never ended by who opened it, and collected some time: the next one writes
        raise
    except BaseException:
        _written(store, failed=True)
        raise
    # Before 8.2 click closes what a command opened without a word on how the command ended.
    _written(store, failed=sys.exc_info()[1] is not before)


def _written(store: ObjectStore, *, failed: bool) -> None:
    """Write what is new; that it cannot be is said beside what `failed` before, which is what the command ends with."""
    try:
        store.write()
    except InputError as error:
        if not failed:
            raise InputError(f"{error}; {store.waiting}") from None
        _LOG.warning("%s; %s", error, store.waiting)


def store_behind(root: Path) -> ObjectStore | None:
    """The object store that a results folder stands for; None of any other folder."""
    url = _url_behind(root)
    return None if url is None else _opened(url)


def address(path: Path) -> str:
    """What a results folder, a run in it or a file of one is called: the URL, where the folder stands for a store.

    Examples
    --------
    >>> address(Path("results/runs/s2-3f9a1c0e"))
    'results/runs/s2-3f9a1c0e'

    """
    for root in (path, *path.parents[:4]):  # of a file of a fold's model the fourth
        url = _url_behind(root)
        if url is not None:
            return "/".join([url.rstrip("/"), *path.relative_to(root).parts])
    return str(path)


def _url_behind(root: Path) -> str | None:
    try:
        return str(json.loads((root / _ABOUT / "url").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _opened(url: str) -> ObjectStore:
    match = _URL.fullmatch(url)
    if match is None:
        raise InputError(
            f"{url}: expected s3://bucket/prefix, of any store that speaks S3 (AWS_ENDPOINT_URL names its server), or "
            "a folder"
        )
    try:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem
    except ImportError:
        raise InputError(f"{url}: this build of pyarrow has no S3; install pyarrow from PyPI or conda-forge") from None
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    cache = cache_folder()
    if cache is None:
        raise InputError(f"{url}: no place for the folder that stands for it; point ASSAY_CACHE to one")
    prefix = re.sub(r"/+", "/", match["prefix"] or "").strip("/")
    named = "-".join(re.findall(r"[A-Za-z0-9]+", f"{match['bucket']} {prefix}"))[:60]
    digest = hashlib.sha256(f"{endpoint} {match['bucket']}/{prefix}".encode()).hexdigest()[:12]
    place = cache / "results" / f"{named}-{digest}"
    try:
        (place / _ABOUT).mkdir(parents=True, exist_ok=True)
        with replacing(place / _ABOUT / "url") as temporary:
            temporary.write_text(json.dumps(url), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{place}: cannot be written: {error.strerror or error}; see ASSAY_CACHE") from None
    files = S3FileSystem(
        endpoint_override=endpoint,
        # Without a region pyarrow asks AWS for it; a server of one's own has none.
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or (endpoint and "us-east-1"),
        connect_timeout=_CONNECT,
        request_timeout=_ANSWER,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
    )
    return ObjectStore(url.rstrip("/"), place, files, f"{match['bucket']}/{prefix}".rstrip("/"))
