"""A line on a terminal that says that work goes on, while nothing else is written."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

__all__ = ["Pulse", "no_pulse", "pulse_of"]

_CLEAR = "\r\x1b[2K"


class Pulse:
    """Writes ``working, 3 s`` where a terminal has shown nothing for a while, and takes it away before what comes.

    Parameters
    ----------
    terminal : the stream.
    after : seconds of silence before the line.

    """

    def __init__(self, terminal: TextIO, after: float = 1.0) -> None:
        self.terminal, self.after = terminal, after
        #: Held by whoever writes to the terminal.
        self.lock = threading.RLock()
        self.held = 0
        self._begun = time.monotonic()
        self._last, self._shown, self._open_line = self._begun, False, False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="pulse")
        self._thread.start()

    def stop(self) -> None:
        """No line from now on."""
        self._stopped.set()
        self.clear()

    def clear(self, coming: str = "\n") -> None:
        """Take the line away; `coming` is what is written next, in whose middle none may appear."""
        with self.lock:
            if self._shown:
                self._write(_CLEAR)
            self._shown, self._last, self._open_line = False, time.monotonic(), not coming.endswith("\n")

    def _beat(self) -> None:
        while not self._stopped.wait(self.after / 2):
            with self.lock:
                now = time.monotonic()
                if self.held or self._open_line or now - self._last < self.after or self._stopped.is_set():
                    continue
                self._shown = self._write(f"{_CLEAR}working, {now - self._begun:.0f} s")

    def _write(self, text: str) -> bool:
        try:
            self.terminal.write(text)
            self.terminal.flush()
        except (OSError, ValueError):  # the terminal is gone
            self._stopped.set()
            return False
        return True


def pulse_of(terminal: TextIO) -> Pulse | None:
    """A pulse on a stream that is a terminal and takes commands; else None."""
    able = terminal.isatty() and os.environ.get("TERM") != "dumb" and "_ASSAY_COMPLETE" not in os.environ
    return Pulse(terminal) if able else None


@contextlib.contextmanager
def no_pulse() -> Iterator[None]:
    """Within it, something else says that work goes on, or there is nothing to wait for."""
    pulse: Pulse | None = getattr(sys.stderr, "pulse", None)
    if pulse is None:
        yield
        return
    with pulse.lock:
        pulse.clear()
        pulse.held += 1
    try:
        yield
    finally:
        with pulse.lock:
            pulse.held -= 1
            pulse.clear()
