"""An exception as one line and an exit code: whose it is, what happened, and what to do."""

from __future__ import annotations

import errno

from assay.data.own_code import named_error, place_of

__all__ = ["explain"]

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
    if (place := place_of(error)) is not None:
        raised = f"called sys.exit({error.code!r})" if isinstance(error, SystemExit) else f"raised {named_error(error)}"
        notes = "".join(f" ({_one_line(note)})" for note in getattr(error, "__notes__", ()))
        return f"error: your code, {place}, {raised}{notes}; ASSAY_DEBUG=1 shows the traceback", 1
    if isinstance(error, OSError) and error.filename is not None:
        return f"error: {error.filename}: {error.strerror}", 2
    return (
        f"internal error: {named_error(error)}\n"
        "This is our bug, not yours. Run again with ASSAY_DEBUG=1 for the traceback."
    ), 70


def _one_line(text: str) -> str:
    return " ".join(text.split())
