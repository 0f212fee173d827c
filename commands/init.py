"""Write a study to start from, and a plug-in that works."""

from __future__ import annotations

from pathlib import Path

import click

from assay.commands.options import PATH

__all__ = ["init"]

KINDS_OF_TEMPLATE = (
    "predictions", "model", "strategy", "features", "label", "costs", "universe", "quality", "metric", "rule", "sweep",
)  # fmt: skip


@click.command()
@click.argument("folder", type=PATH, default=Path())
@click.option(
    "--template", type=click.Choice(KINDS_OF_TEMPLATE), default="predictions", show_default=True,
    help="Predictions that you have, a grid of them, or a part of your own that the study uses; docs/contracts.md has "
    "the contracts.",
)  # fmt: skip
def init(folder: Path, template: str) -> None:
    """Write study.toml, its JSON Schema for editors, and a plug-in that works into FOLDER (default: here).

    The study runs as it is, on the embedded sample, and names every key with its default and meaning. Nothing that is
    there is overwritten.

    \b
    Examples:
      python cli.py init
      python cli.py init --template model my_project
      python cli.py run study.toml
    """
    from assay.results.workflow.templates import write_template

    for path in write_template(template, folder):
        click.echo(f"wrote {path}")
    click.echo(f"next: assay run {folder / 'study.toml'}")
