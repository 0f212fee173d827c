"""What a terminal, a pipe or a file is sent: nothing that it cannot show, and no command to it hidden in a name."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TextIO

import click

from assay.commands.pulse import Pulse, pulse_of

__all__ = ["echo_whole", "fitted", "painted", "plain_output", "printable", "silence_output"]

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


#: What stands for a sign that an output's encoding does not have.
_SIGNS = str.maketrans({
    "✓": "+", "✗": "x", "–": "-", "—": "-", "−": "-", "·": "-", "…": "~", "×": "x", "≥": ">=", "≤": "<=", "→": "->",
    "≈": "~", "√": "sqrt ", "Σ": "sum ", "σ": "s", "½": "1/2 ", "²": "^2", "±": "+-", "∞": "inf", "█": "#", "━": "-",
})  # fmt: skip
#: Beginning of a line → how a terminal shows it.
_PAINT = tuple(
    (re.compile(pattern, re.MULTILINE), f"\x1b[{code}m")
    for pattern, code in (
        (r"^(?:error|internal error|failed|leak|too good|broken):", "1;31"),
        (r"^(?:✗|FAIL\b|Do not run it\b)", "31"),
        (r"^(?:✓|PASS\b|It may run\b)", "32"),
        (r"^(?:\?|INSUFFICIENT\b|Not decided\b|warning:|note:|not tested:)(?= |:|$)", "33"),
        (r"\bUNACCEPTED\b", "1;33"),
    )
)
#: The rest of a line hangs below a column that begins no further right than this share of the width.
_HANGING = 0.6


def fitted(text: str, width: int) -> str:
    """`text` of which no line is longer than `width`, broken between words; the rest hangs below the last column.

    Examples
    --------
    >>> print(fitted("ridge   regression of forward returns on features", 30))
    ridge   regression of forward
            returns on features

    """
    return "\n".join(line if len(line) <= width else _folded(line, width) for line in text.split("\n"))


def _folded(line: str, width: int) -> str:
    columns = [found.end() for found in re.finditer(r"(?<=\S) {2,}(?=\S)", line)]
    lead = len(line) - len(line.lstrip())
    indent = max((column for column in columns if column <= _HANGING * width), default=min(lead + 2, width // 2))
    indent = min(indent, max(0, width - max(map(len, line.split()))))  # a word is never broken
    return "\n".join(
        textwrap.wrap(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    )


def painted(text: str) -> str:
    """`text` with verdicts and warnings in a terminal's colours."""
    for pattern, start in _PAINT:
        text = pattern.sub(lambda found, start=start: f"{start}{found.group()}\x1b[0m", text)  # type: ignore[misc]
    return text


class _Plain:
    """A text stream whose `write` sends `printable` text that fits; all else is the stream's own."""

    def __init__(self, stream: TextIO, pulse: Pulse | None = None) -> None:
        #: For progress bars, which command the terminal on purpose.
        self.terminal, self.pulse = stream, pulse
        terminal = stream.isatty()
        #: No line is longer; None where it does not matter.
        self.width = None if not terminal or "_ASSAY_COMPLETE" in os.environ else shutil.get_terminal_size().columns
        self.colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    @property
    def encoding(self) -> str:
        """Never ASCII, which click takes for a mistake and goes round; `write` knows the stream's own."""
        own = getattr(self.terminal, "encoding", None) or "utf-8"
        return "utf-8" if own.lower().replace("-", "") in ("ascii", "usascii", "ansi_x3.41968") else own

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"a text stream takes str, not {type(text).__name__}")
        shown = _encodable(printable(text), getattr(self.terminal, "encoding", None) or "utf-8")
        if self.width is not None:
            shown = fitted(shown, self.width)
        shown = painted(shown) if self.colours else shown
        if self.pulse is None:
            self.terminal.write(shown)
        else:
            with self.pulse.lock:
                self.pulse.clear(text)
                self.terminal.write(shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.terminal, name)


def _encodable(text: str, encoding: str) -> str:
    """`text` with plain signs in the place of those that the encoding does not have."""
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        lost = {code: sign for code, sign in _SIGNS.items() if len(chr(code).encode(encoding, "ignore")) == 0}
        return text.translate(lost)
    except LookupError:
        return text


def echo_whole(text: str) -> None:
    """Print what a program reads, JSON or CSV, whose lines are never broken."""
    stream = sys.stdout
    width = getattr(stream, "width", None)
    if isinstance(stream, _Plain):
        stream.width = None
    try:
        click.echo(text, nl=not text.endswith("\n"))
    finally:
        if isinstance(stream, _Plain):
            stream.width = width


@contextlib.contextmanager
def plain_output() -> Iterator[None]:
    """stdout and stderr that show what they are given, whatever their encoding and width, and obey no name."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if getattr(stream, "errors", None) == "strict" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # not every encoding has a minus sign or a middle dot
    pulse = pulse_of(before[1]) if before[1] else None
    sys.stdout, sys.stderr = (stream and _Plain(stream, pulse if stream.isatty() else None) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        if pulse is not None:
            pulse.stop()


def silence_output() -> None:
    """Send what is still to come on stdout nowhere: its reader is gone, or its disk is full."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
