"""Text files read with messages that say where: UTF-8 or a clear refusal, and the line of TOML tables and keys."""

from __future__ import annotations

import re
from pathlib import Path

from assay.data.errors import InputError

__all__ = ["MAX_BYTES", "Located", "read_text"]

#: Largest file that is read, bytes.
MAX_BYTES = 20_000_000

_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")


class Located:
    """Where tables and keys of a TOML text stand, for messages.

    Parameters
    ----------
    text : the TOML text, already known to parse.
    name : what to call the file.

    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.lines = text.split("\n")
        self.tables: list[tuple[str, int]] = [("", 1)]
        counts: dict[str, int] = {}
        inside = ""
        for number, line in enumerate(self.lines, 1):
            if not inside and (match := _HEADER.match(line)):
                path = match[2].replace('"', "").replace(" ", "")
                if match[1] == "[[":
                    counts[path] = counts.get(path, -1) + 1
                    for deeper in [key for key in counts if key.startswith(path + ".")]:
                        del counts[deeper]
                parts = path.split(".")
                done = []
                for depth in range(len(parts)):
                    prefix = ".".join(parts[: depth + 1])
                    done.append(f"{parts[depth]}[{counts[prefix]}]" if prefix in counts else parts[depth])
                self.tables.append((".".join(done), number))
            for mark in ('"""', "'''"):
                if line.count(mark) % 2 and inside in ("", mark):
                    inside = "" if inside else mark

    def line(self, path: str, key: str = "") -> int:
        """The line of a key of a table, of the table's header, or of the nearest enclosing thing that is found."""
        while True:
            for index, (name, start) in enumerate(self.tables):
                if name != path:
                    continue
                end = self.tables[index + 1][1] - 1 if index + 1 < len(self.tables) else len(self.lines)
                pattern = re.compile(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*[=.]") if key else None
                for number in range(start, end + 1):
                    if pattern and pattern.match(self.lines[number - 1]):
                        return number
                return start
            if not path:
                return 1
            path, _, last = path.rpartition(".")
            key = last.partition("[")[0]

    def error(self, path: str, key: str, message: str) -> InputError:
        """The error to raise about that place."""
        return InputError(f"{self.name}, line {self.line(path, key)}: {message}")


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
