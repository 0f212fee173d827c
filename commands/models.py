"""List and explain models."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from assay.commands.options import complete_model, json_option
from assay.commands.output import echo_json

__all__ = ["models"]

_WIDTH = 100


@click.group()
def models() -> None:
    """List and explain the models; `check model NAME` tries one.

    \b
    Examples:
      python cli.py models list
      python cli.py models show nse_price
      python cli.py models show my_package.nets:MyModel
    """


@models.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every model, with what it answers in one line."""
    from assay.models.catalog import model_names
    from assay.models.describe import describe, summary

    names = model_names()
    if as_json:
        keys = ("name", "path", "output", "lookback", "feature_set", "needs")
        rows = [{**{key: described[key] for key in keys}, "summary": summary(name)}
                for name in names for described in [describe(name, count=False)]]  # fmt: skip
        echo_json({"models": rows})
        return
    for name in names:
        described = describe(name, count=False)
        reads = f"{described['lookback']} × {described['feature_set']}" if described["feature_set"] else ""
        click.echo(f"{name:20}{reads:20}{summary(name).removesuffix('.')}")
    click.echo("\n`models show NAME` explains one; your own goes by package.module:Class.")


@models.command()
@click.argument("name", shell_complete=complete_model)
@json_option
def show(name: str, as_json: bool) -> None:
    """What a model reads and answers, its size, its presets, its parameters, and the traps of its report.

    \b
    Examples:
      python cli.py models show b3_multitask
      python cli.py models show my_package.nets:MyModel --json
    """
    from assay.models.describe import describe

    row = describe(name)
    if as_json:
        echo_json(row)
        return
    click.echo(f"{row['name']} ({row['path']})\n")
    for paragraph in row["about"].split("\n\n"):
        click.echo(textwrap.fill(" ".join(paragraph.split()), _WIDTH) + "\n")
    _line("answers", row["output"])
    if row["feature_set"]:
        _line("reads", f"{row['lookback']} sessions × {row['feature_set']}: {', '.join(row['features'])}")
    if row["report_horizon"] > 1:
        _line("horizon", f"{row['report_horizon']} sessions with --preset report, as in the report; else 1")
    _line("needs prices", ", ".join(row["needs"]))
    click.echo("\npresets")
    for preset in row["presets"]:
        _line(f"  {preset['name']}", _preset(preset))
    if row["traps"]:
        click.echo("\ntraps of the report")
        for trap in row["traps"]:
            click.echo(textwrap.fill(trap, _WIDTH, initial_indent="  - ", subsequent_indent="    "))
    if row["parameters"]:
        click.echo("\nparameters")
        for item in row["parameters"]:
            _line(f"  {item['name']}", f"{_shown(item['default']):>10}  {item['meaning']}", hang=12)
    click.echo(f"\n{row['example']}")


def _line(head: str, text: str, hang: int = 0) -> None:
    start = f"{head:24}"
    click.echo(textwrap.fill(text, _WIDTH, initial_indent=start, subsequent_indent=" " * (24 + hang)) or start)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _preset(preset: dict[str, Any]) -> str:
    changes = ", ".join(f"{key} {_shown(value)}" for key, value in preset["changes"].items()) or "as below"
    if "count" not in preset:
        return changes
    count = preset["count"]
    each = " an asset" if preset["per_asset"] else ""
    return f"{count['torch']:,} parameters{each} ({count['keras']:,} by Keras's count); {changes}"
