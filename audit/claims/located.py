"""Text files read with messages that a person can act on: UTF-8 or a clear refusal."""

from __future__ import annotations

from pathlib import Path

from assay.data.errors import InputError

__all__ = ["MAX_BYTES", "read_text"]

#: Largest file that is read, bytes.
MAX_BYTES = 20_000_000


def read_text(path: Path) -> str:
    """Read a UTF-8 file; `InputError` if it is missing, a folder, too large, not UTF-8, or holds NUL bytes."""
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= MAX_BYTES else b""
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        reason = "is a folder; name a claims file or a report" if path.is_dir() else f"cannot be read: {error.strerror}"
        raise InputError(f"{path}: {reason}") from None
    except UnicodeDecodeError as error:
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise InputError(f"{path}: is UTF-16; save it as UTF-8") from None
        line, byte = raw.count(b"\n", 0, error.start) + 1, raw[error.start]
        raise InputError(f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from None
    if size > MAX_BYTES:
        raise InputError(f"{path}: {size / 1e6:.0f} MB; a report or claims file of at most 20 MB is read")
    if "\x00" in text:
        raise InputError(f"{path}: holds NUL bytes; it is not a text file")
    return text
