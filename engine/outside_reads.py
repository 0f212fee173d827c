"""What a function reads beside its arguments: files, databases, connections, other programs.

A leak test truncates the panel that it hands over. A table that the function under test opens by itself is not
truncated, so whatever follows from it is not tested, at any number of cuts.
"""

from __future__ import annotations

import contextlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

__all__ = ["outside_reads"]

_OURS = Path(__file__).resolve().parents[1]
#: Endings of code and of what compilers keep.
_CODE = (".py", ".pyc", ".pyi", ".so", ".dylib", ".pyd", ".dll", ".nbi", ".nbc", ".pth", ".toml")
#: Endings of tables: a package may read its own settings, not a table of prices.
_TABLES = (".csv", ".csv.gz", ".parquet", ".pq", ".feather", ".arrow", ".npy", ".npz", ".h5", ".hdf5", ".xlsx", ".xls",
           ".db", ".sqlite", ".pkl", ".pickle")  # fmt: skip
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/")

#: Where what is read goes while a function is watched; None = nobody looks.
_seen: ContextVar[dict[str, None] | None] = ContextVar("_seen", default=None)


@contextlib.contextmanager
def outside_reads() -> Iterator[dict[str, None]]:
    """What is read inside the block, as an ordered set of sentences' ends: "/data/p.parquet", "a connection to …".

    Notes
    -----
    Python's audit events show whatever goes through Python; Arrow opens Parquet files by itself, so its two doors are
    watched too. A library that opens files in C and asks nobody is not seen.
    """
    _install()
    seen: dict[str, None] = {}
    token = _seen.set(seen)
    try:
        with _arrow_tells():
            yield seen
    finally:
        _seen.reset(token)


def _install() -> None:
    """Add the hook, once a process: Python has no way to remove one, so it looks whether anybody watches."""
    if not getattr(sys, _MARK, False):
        setattr(sys, _MARK, True)
        sys.addaudithook(_hook)


_MARK = "_assay_outside_reads"


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if (seen := _seen.get()) is None or event not in _EVENTS:
        return
    try:
        what = _EVENTS[event](arguments)
    except Exception:  # a hook that raises would break what it watches
        return
    if what is not None:
        seen[what] = None


def _opened(arguments: tuple[Any, ...]) -> str | None:
    path, _, flags = arguments
    if not isinstance(path, (str, bytes, os.PathLike)) or (flags or 0) & os.O_ACCMODE == os.O_WRONLY:
        return None
    file = os.path.realpath(os.fsdecode(path))
    if file.startswith(_SYSTEM) or file.endswith(_CODE) or "__pycache__" in file:
        return None
    if not os.path.isfile(file):
        return None
    if any(file.startswith(place) for place in _libraries()) and not file.lower().endswith(_TABLES):
        return None
    return file


def _libraries() -> tuple[str, ...]:
    places = sysconfig.get_paths()
    known = {os.path.realpath(places[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return (*(place + os.sep for place in known), *(str(_OURS / name) + os.sep for name in ("data", "models", "assay")))


_EVENTS: dict[str, Callable[[tuple[Any, ...]], str | None]] = {
    "open": _opened,
    "sqlite3.connect": lambda arguments: os.path.realpath(os.fsdecode(arguments[0])),
    "socket.connect": lambda arguments: f"a connection to {arguments[1]}",
    "urllib.Request": lambda arguments: str(arguments[0]),
    "subprocess.Popen": lambda arguments: f"the program {arguments[0]}",
}


@contextlib.contextmanager
def _arrow_tells() -> Iterator[None]:
    """Have Arrow's readers of Parquet raise the event that `open` raises."""
    from pyarrow.parquet import core

    def telling(original: Any) -> Any:
        def start(self: Any, source: Any, *rest: Any, **named: Any) -> None:
            for path in source if isinstance(source, list) else [source]:
                sys.audit("open", path, "rb", os.O_RDONLY)
            original(self, source, *rest, **named)

        return start

    doors = {kind: kind.__init__ for kind in (core.ParquetDataset, core.ParquetFile)}
    for kind, original in doors.items():
        kind.__init__ = telling(original)
    try:
        yield
    finally:
        for kind, original in doors.items():
            kind.__init__ = original
