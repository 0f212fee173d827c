"""What a terminal, a pipe or a file is sent: nothing that it cannot show, and no command to it hidden in a name."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TextIO

__all__ = ["plain_output", "printable", "silence_output"]

_KEPT = "\t\n"
_DIRECTIONS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
#: Control characters (ESC begins a command to a terminal, CR overwrites a line) and marks that turn text round.
_SHOWN = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), *_DIRECTIONS)
    if chr(code) not in _KEPT
}


def printable(text: str) -> str:
    """`text` with every character that commands a terminal as its escape sequence in Python.

    Examples
    --------
    >>> print(printable("A\\x1b[2J"))
    A\\x1b[2J

    """
    return text.translate(_SHOWN)


class _Plain:
    """A text stream whose `write` sends `printable` text; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        #: For progress bars, which command the terminal on purpose.
        self.terminal = stream

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"a text stream takes str, not {type(text).__name__}")
        self.terminal.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.terminal, name)


@contextlib.contextmanager
def plain_output() -> Iterator[None]:
    """stdout and stderr that show what they are given, whatever their encoding, and obey no name."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # not every encoding has a minus sign or a middle dot
    sys.stdout, sys.stderr = (stream and _Plain(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def silence_output() -> None:
    """Send what is still to come on stdout nowhere: its reader is gone, or its disk is full."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
