"""The command line: `python cli.py …` and the console script `assay` are the same.

Only click is imported here; each command's module is imported when it runs, so `--help` and usage errors answer at
once.
"""

from __future__ import annotations

import contextlib
import difflib
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from assay.commands.terminal import plain_output, silence_output

__all__ = ["COMMANDS", "cli", "main", "run"]

#: name → one line for the overview; the command itself is ``assay.commands.<name>:<name>`` with ``-`` as ``_``.
COMMANDS = {
    "init": "Write a study to start from, and a plug-in that works.",
    "run": "Run a study: all that a TOML file says.",
    "backtest": "Predictions and prices in, a backtest with its evidence out.",
    "walk-forward": "Retrain a model fold by fold, then backtest what it predicted.",
    "train": "Fit once, for a quick look or a grid of presets.",
    "predict": "Apply a stored model to prices.",
    "check": "Try a part of your own: does it look ahead?",
    "combine": "Combine several models' predictions into one.",
    "positions": "What a stored run holds next, and the orders towards it.",
    "tearsheet": "Draw a run as HTML, PNG or PDF.",
    "audit": "Say of every figure in a report whether it holds.",
    "verify": "Recompute every number of a sheet or verdict from a run's bundle.",
    "serve": "Browse stored runs on this machine.",
    "mcp": "Serve backtest, gate, audit, leaks and verify to an agent.",
    "gate": "Accept or reject a run by a policy, with an exit code.",
    "leaks": "Recompute on truncated data; any change is a leak.",
    "sweep": "Backtest a grid of parameters in one pass.",
    "compare": "Put runs side by side.",
    "data": "Describe, validate or fetch prices.",
    "strategies": "List and explain the strategies.",
    "models": "List and explain the models.",
    "runs": "Find, compare, repeat, export and remove stored runs.",
}

EPILOG = """\b
Examples:
  python cli.py backtest --strategy s2_filter_negative
  python cli.py backtest --predictions preds.parquet --prices prices.parquet
  python cli.py audit report.md

Exit codes: 0 ok · 1 a check failed, or your code raised · 2 bad usage or input · 3 insufficient evidence · 70 our bug.
"""


class ReaderGoneError(Exception):
    """The reader of our output is gone (`… | head`); click would end the process itself, with 1."""


@contextlib.contextmanager
def _readers_may_go() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGoneError from error


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _readers_may_go():  # --help writes here
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _readers_may_go():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        attribute = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"assay.commands.{attribute}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"no such command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context) -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        click.echo(f"assay {version('assay')}")
    except PackageNotFoundError:
        click.echo("assay, from a source tree that is not installed")
    ctx.exit()


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, help="Show the version and exit.",
    callback=lambda ctx, _, asked: _show_version(ctx) if asked else None,
)  # fmt: skip
def cli() -> None:
    """Backtest what a model predicts, build the portfolio from it, and check what is said about it."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code is the return value of the process."""
    if sys.flags.optimize >= 2:  # -OO takes away docstrings, from which empyrical makes its own when it is imported
        click.echo("error: PYTHONOPTIMIZE=2 takes away what libraries read at run time; set it to 1 or 0", err=True)
        return 2
    with plain_output():
        code = _run(argv)
        try:
            sys.stdout.flush()
        except OSError as error:
            code = _output_lost(error, code)
    return code


def _run(argv: list[str] | None) -> int:
    try:
        outcome = cli.main(args=argv, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("aborted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ReaderGoneError:
        silence_output()
        return 0
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and "_ASSAY_COMPLETE" in os.environ:  # click ends a completion so
            return error.code if isinstance(error.code, int) else 0
        if os.environ.get("ASSAY_DEBUG"):
            raise
        from assay.commands.failures import explain

        line, code = explain(error)
        click.echo(line, err=True)
        return code
    return outcome if isinstance(outcome, int) else 0


def _output_lost(error: OSError, code: int) -> int:
    """The exit code when stdout takes no more: a reader that has gone (`… | head`) is no error, a full disk is."""
    silence_output()
    if isinstance(error, BrokenPipeError):
        return code
    click.echo(f"error: the output cannot be written: {error.strerror or error}", err=True)
    return 2


#: New containers after which Python looks for cycles among them, where it would after 700 (Python 3.11, 3.12) or 2,000.
_OBJECTS_A_COLLECTION = 50_000
#: Clock cycles, a power of two, for which OpenBLAS's threads spin after a product; 26 by default, which is 25 ms.
_SPIN = "16"


def _spare_the_processor() -> None:
    """What the imports make stays, so each look through it is in vain; and threads that wait for work sleep.

    The latter is read when numpy is imported, which is later; what a person has set stays.
    """
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _SPIN)


#: Parameters of glibc's `mallopt`: from what size on an array is given back at once, and how much else is kept.
_MALLOPT = {-3: 1 << 28, -1: (1 << 31) - 1}


def _keep_freed_memory() -> None:
    """Arrays take the place of those before them, where glibc would give each back and have the next zeroed anew.

    For the short life of a command only: the process of somebody who imports the package is theirs.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in _MALLOPT.items():
            mallopt(parameter, value)


def run() -> None:
    """The console script."""
    _keep_freed_memory()
    _spare_the_processor()
    sys.exit(main())
