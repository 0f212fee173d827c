"""Text files read with messages that a person can act on: UTF-8 or a clear refusal."""

from __future__ import annotations

from pathlib import Path

from assay.data.errors import InputError

__all__ = ["MAX_BYTES", "read_text"]

#: Largest file that is read, bytes.
MAX_BYTES = 20_000_000


def read_text(path: Path) -> str:
    """Read a UTF-8 file with messages a person can act on.

    Raises
    ------
    InputError
        If it is missing, a folder, too large, not UTF-8, or holds NUL bytes.

    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a claims file or a report")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{path}: {size / 1e6:.0f} MB; a report or claims file of at most 20 MB is read")
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None
    if "\x00" in text:
        raise InputError(f"{path}: holds NUL bytes; it is not a text file")
    return text
