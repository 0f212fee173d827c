"""An exception as one line and an exit code: whose it is, what happened, and what to do."""

from __future__ import annotations

import errno
import os
import re
import sysconfig
import traceback
from pathlib import Path

__all__ = ["explain"]

_OURS = Path(__file__).resolve().parents[1]
_PACKAGES = ("assay", "audit", "commands", "data", "engine", "models", "results", "strategies", "cli.py")
_FRAME = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+), in (?P<name>.+)')
#: What a machine may lack while nothing is wrong with us or with what was asked.
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
            errno.EAGAIN)  # fmt: skip
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc")


def explain(error: BaseException) -> tuple[str, int]:
    """The line to print of an exception that ended a command, and the exit code."""
    from assay.data.errors import BacktestError
    from assay.data.optional import missing_package

    if isinstance(error, ImportError):
        error = missing_package(error) or error
    if isinstance(error, BacktestError):
        return f"error: {_one_line(str(error))}", error.exit_code
    text = _one_line(str(error))
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in text for words in _NO_MEMORY)
    ):
        return f"error: not enough memory{f' ({text})' if text else ''}; take fewer assets, sessions or workers", 2
    if isinstance(error, OSError) and error.errno in _MACHINE:
        return f"error: {error.filename or 'a file or the output'}: {error.strerror or text}", 2
    if (place := _of_the_user(error)) is not None:
        file, line, name = place
        raised = f"called sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"raised {_named(error)}"
        notes = "".join(f" ({_one_line(note)})" for note in getattr(error, "__notes__", ()))
        return f"error: your code, {file} line {line} in {name}, {raised}{notes}; ASSAY_DEBUG=1 shows the traceback", 1
    if isinstance(error, OSError) and error.filename is not None:
        return f"error: {error.filename}: {error.strerror}", 2
    return (
        f"internal error: {_named(error)}\n"
        "This is our bug, not yours. Run again with ASSAY_DEBUG=1 for the traceback."
    ), 70


def _named(error: BaseException) -> str:
    text = _one_line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _of_the_user(error: BaseException) -> tuple[str, int, str] | None:
    """File, line and function of the innermost call that is neither ours nor an installed package's.

    What a worker process raised carries its traceback as a text.
    """
    frames = [(frame.filename, frame.lineno or 0, frame.name) for frame in traceback.extract_tb(error.__traceback__)]
    remote = getattr(error.__cause__, "tb", None)
    if isinstance(remote, str):
        frames += [(match["file"], int(match["line"]), match["name"]) for match in _FRAME.finditer(remote)]
    theirs = [frame for frame in frames if os.path.isfile(frame[0]) and not _is_known(Path(frame[0]))]
    return theirs[-1] if theirs else None


def _is_known(file: Path) -> bool:
    """Whether a source file belongs to this project, to Python, or to an installed package."""
    file = Path(os.path.realpath(file))
    if any(file.is_relative_to(_OURS / name) for name in _PACKAGES):
        return True
    places = sysconfig.get_paths()
    known = (places[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts"))
    return any(file.is_relative_to(os.path.realpath(place)) for place in known)
