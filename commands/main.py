"""The command line: `python cli.py …` and the console script `assay` are the same.

Only click is imported here; each command's module is imported when it runs, so `--help` and usage errors answer at
once.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys

import click

__all__ = ["COMMANDS", "cli", "main", "run"]

#: name → one line for the overview; the command itself is ``assay.commands.<name>:<name>`` with ``-`` as ``_``.
COMMANDS = {
    "backtest": "Predictions and prices in, a backtest with its evidence out.",
    "walk-forward": "Retrain a model fold by fold, then backtest what it predicted.",
    "train": "Fit once, for a quick look or a grid of presets.",
    "predict": "Apply a stored model to prices.",
    "combine": "Combine several models' predictions into one.",
    "tearsheet": "Draw a run as HTML, PNG or PDF.",
    "audit": "Say of every figure in a report whether it holds.",
    "gate": "Accept or reject a run by a policy, with an exit code.",
    "leaks": "Recompute on truncated data; any change is a leak.",
    "sweep": "Backtest a grid of parameters in one pass.",
    "compare": "Put runs side by side.",
    "data": "Describe, validate or fetch prices.",
    "strategies": "List and explain the strategies.",
    "models": "List and explain the models.",
    "runs": "List, show and remove stored runs.",
}

EPILOG = """\b
Examples:
  python cli.py backtest --strategy s2_filter_negative
  python cli.py backtest --predictions preds.parquet --prices prices.parquet
  python cli.py audit report.md

Exit codes: 0 ok · 1 a check failed · 2 bad usage or input · 3 insufficient evidence · 70 our bug.
"""


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for."""

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
    try:
        outcome = cli.main(args=argv, standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("aborted", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        # The reader of our output is gone (`… | head`): not an error, but nothing more can be written either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _explain(error)
    else:
        code = outcome if isinstance(outcome, int) else 0
    return code


def _explain(error: Exception) -> int:
    """One line for what a user can mend; for our own bug, where to find the traceback."""
    from assay.data.errors import BacktestError
    from assay.data.optional import missing_package

    if isinstance(error, ImportError):
        error = missing_package(error) or error
    if isinstance(error, BacktestError):
        click.echo(f"error: {' '.join(str(error).split())}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        click.echo(f"error: {error.filename}: {error.strerror}", err=True)
        return 2
    if os.environ.get("ASSAY_DEBUG"):
        raise error
    click.echo(
        f"internal error: {type(error).__name__}: {error}\n"
        "This is our bug, not yours. Run again with ASSAY_DEBUG=1 for the traceback.",
        err=True,
    )
    return 70


def run() -> None:
    """The console script."""
    sys.exit(main())

