"""List and explain strategies."""

from __future__ import annotations

import textwrap
from typing import Any

import click

from assay.commands.options import complete_strategy, json_option
from assay.commands.output import echo_json

__all__ = ["strategies"]

_WIDTH = 100


@click.group()
def strategies() -> None:
    """List and explain the strategies; `check strategy NAME` tries one.

    \b
    Examples:
      python cli.py strategies list
      python cli.py strategies show s2_filter_negative
      python cli.py strategies show my_package.rules:MyStrategy
    """


@strategies.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Every strategy, with its rule in one line."""
    from assay.strategies.catalog import describe, strategy_names

    rows = [describe(name) for name in strategy_names()]
    if as_json:
        echo_json({"strategies": rows})
        return
    for row in rows:
        click.echo(f"{row['name']:22}{row['rule'].split('. ')[0].removesuffix('.')}")
    click.echo("\n`strategies show NAME` explains one; your own goes by package.module:Class.")


@strategies.command()
@click.argument("name", shell_complete=complete_strategy)
@json_option
def show(name: str, as_json: bool) -> None:
    """What a strategy does, its parameters with their defaults, and what it needs.

    \b
    Examples:
      python cli.py strategies show confidence
      python cli.py strategies show my_package.rules:MyStrategy --json
    """
    from assay.strategies.catalog import describe

    row = describe(name)
    if as_json:
        echo_json(row)
        return
    click.echo(f"{row['name']} ({row['kind']}, {row['path']})\n")
    click.echo(textwrap.fill(row["rule"], _WIDTH))
    click.echo("\nparameters")
    for item in row["parameters"]:
        head = f"  {item['name']:20}{_shown(item['default']):>8}  "
        click.echo(
            textwrap.fill(item["meaning"], _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) or head
        )
    click.echo(f"\nneeds prices        {', '.join(row['needs']['prices'])}")
    click.echo(f"needs predictions   {row['needs']['predictions']}")
    if row["overlays"] is not None:
        click.echo(f"overlays            {_overlays(row['overlays'])}")
    click.echo(f"\n{row['example']}")


def _shown(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _overlays(overlays: dict[str, Any]) -> str:
    parts = [
        f"smoothing {overlays['smoothing']:g}" if overlays["smoothing"] else "",
        f"vol target {overlays['vol_target']:.0%} a year" if overlays["vol_target"] else "",
        f"orders every {overlays['every']}" if overlays["every"] != 1 else "",
        f"{overlays['sleeves']} sleeves" if overlays["sleeves"] > 1 else "",
        "aim" if overlays["aim"] else "",
        *(f"{name.replace('_', ' ')} {overlays[name]:g}" for name in ("band", "band_total", "turnover_budget")
          if overlays[name]),
        "kill switches" if overlays["kill_switches"] else "",
    ]  # fmt: skip
    return ", ".join(part for part in parts if part) or "off"
