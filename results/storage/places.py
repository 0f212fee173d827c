"""Where runs and the trial ledger lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

__all__ = ["DEFAULT_ROOT", "FILE_NAME", "ledger_beside", "ledger_path", "using_ledger"]

#: Where runs are stored unless somebody says otherwise, below the current folder.
DEFAULT_ROOT = Path("results") / "runs"
#: Of the ledger, in whichever folder it lies.
FILE_NAME = "trials.sqlite"
#: The ledger that takes the place of the user's, within `using_ledger`.
_INSTEAD: ContextVar[Path | None] = ContextVar("ledger", default=None)


def ledger_path() -> Path:
    """Where the ledger is: ``$ASSAY_LEDGER`` (a file ending in .sqlite, or a folder), else the user's data folder.

    Who has no folder of their own that can be written, as in many containers, has it beside the runs, in the default
    results folder below the current one; see `ledger_beside`.
    """
    instead = _INSTEAD.get()
    if instead is not None:
        return instead
    given = os.environ.get("ASSAY_LEDGER")
    if given:
        path = Path(given).expanduser()
        return path if path.suffix == ".sqlite" else path / FILE_NAME
    return _own_ledger() or DEFAULT_ROOT / FILE_NAME


@contextmanager
def using_ledger(path: Path) -> Iterator[None]:
    """Another ledger in the place of the user's: for what is recomputed, which was tried before."""
    token = _INSTEAD.set(path)
    try:
        yield
    finally:
        _INSTEAD.reset(token)


def ledger_beside(root: Path) -> str:
    """Keep this process's ledger in `root` where the user's own cannot be kept; says so, or "" where it can.

    For commands: it sets ``$ASSAY_LEDGER``, so that processes started from here use the same one.
    """
    if _INSTEAD.get() is not None or os.environ.get("ASSAY_LEDGER") or _own_ledger() is not None:
        return ""
    os.environ["ASSAY_LEDGER"] = str(root)
    return (
        f"trial ledger: this user has no home folder that can be written, so it stands in {root} and counts what was "
        "tried there; ASSAY_LEDGER names another place"
    )


def _own_ledger() -> Path | None:
    """The ledger in the user's data folder; None where it neither exists nor can be made."""
    base = os.environ.get("XDG_DATA_HOME")
    try:
        path = (Path(base) if base else Path.home() / ".local" / "share") / "assay" / FILE_NAME
    except RuntimeError:  # no HOME, and nobody knows this user
        return None
    if os.access(path, os.R_OK):
        return path  # also where it cannot be written: what it counts is not forgotten in silence
    above = next((folder for folder in path.parents if folder.is_absolute() and os.path.exists(folder)), None)
    able = above is not None and os.path.isdir(above) and os.access(above, os.W_OK | os.X_OK)
    return path if able and not os.path.lexists(path) else None
