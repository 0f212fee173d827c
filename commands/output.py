"""What commands print: one JSON object on stdout, and progress on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from assay.commands.pulse import no_pulse
from assay.commands.terminal import echo_whole, printable

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

    from assay.data.panel import PricePanel

__all__ = ["TerminalProgress", "echo_json", "progress", "say_sealed"]


def echo_json(value: object) -> None:
    """Print one JSON object, and nothing else, on stdout."""
    import json

    from assay.results.storage.runs import to_json

    text = to_json(value)
    try:
        text.encode(getattr(getattr(sys.stdout, "terminal", sys.stdout), "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):  # what this output cannot show goes as JSON's own escapes
        text = json.dumps(json.loads(text), indent=1) + "\n"
    echo_whole(text)


def say_sealed(prices: PricePanel) -> None:
    """Say on stderr which sessions a lockbox left out, or that it was opened, where no table of warnings does."""
    for line in prices.warnings:
        if line.startswith("lockbox:"):
            click.echo(printable(f"warning: {line}"), err=True)


#: With these rich draws bars into what is no terminal.
_FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE")


class TerminalProgress:
    """A `assay.results.workflow.Progress` on stderr: a bar a task, or lines where bars cannot be drawn.

    Parameters
    ----------
    display : of rich; None where stderr is not a terminal.
    quiet : whether no line is to be printed either.

    """

    def __init__(self, display: Display | None, *, quiet: bool = False) -> None:
        self.display, self.quiet = display, quiet
        self.tasks: dict[str, tuple[TaskID | None, int]] = {}
        #: What is not told of, reading and evidence: shown while no task runs, so that a clock always does.
        self.rest = None if display is None else display.add_task("working", total=None)

    def advance(self, task: str, done: int, total: int, note: str = "", running: float = 0.0) -> None:
        """Move a task's bar; without bars, a line for each part that has ended and has a note."""
        identity, before = self.tasks.get(task, (None, 0))
        if self.display is None:
            if not self.quiet and note and done > before:
                click.echo(f"{task} {done}/{total} · {note}", err=True)
        else:
            if identity is None:
                identity = self.display.add_task(task, total=total)
            text = printable(f"{task} · {note}" if note else task)
            self.display.update(identity, completed=done + running, total=total, description=text)
            if self.rest is not None:
                self.display.update(self.rest, visible=all(each.finished for each in self.display.tasks if each.total))
        self.tasks[task] = (identity, done)

    def say(self, line: str) -> None:
        """One line, above the bars."""
        if self.display is None:
            click.echo(line, err=True)
        else:
            self.display.console.print(printable(line), markup=False, highlight=False)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[TerminalProgress]:
    """Progress on stderr, with elapsed time and ETA; bars only on a terminal."""
    file = getattr(sys.stderr, "terminal", sys.stderr)
    if quiet or not (_is_terminal(file) or any(map(os.environ.get, _FORCED))):
        yield TerminalProgress(None, quiet=quiet)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.description}", markup=False),  # a name may look like markup
        BarColumn(bar_width=12),  # leaves room for fold, epoch and loss beside the times on 80 columns
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(file=file)
    # Where stderr is a file, rich would write a blank line at the end.
    if not console.is_terminal:
        yield TerminalProgress(None)
        return
    with no_pulse(), Display(*columns, console=console, transient=True) as display:
        yield TerminalProgress(display)


def _is_terminal(file: TextIO) -> bool:
    """Whether this is one; a process may have no stderr, or a closed one."""
    try:
        return bool(file.isatty())
    except (AttributeError, ValueError):
        return False
