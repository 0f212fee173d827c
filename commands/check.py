"""Try a part of one's own on random markets."""

from __future__ import annotations

import click

from assay.commands.options import WHOLE, json_option, parse_settings
from assay.commands.output import echo_json

__all__ = ["check"]

_KINDS = ("strategy", "model", "features", "label", "costs", "universe", "quality", "metric", "rule")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("part")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="A parameter of a strategy, model or cost model; repeatable.")
@click.option("--preset", help="Named parameters of a model; default: tiny where it has one.")
@click.option("--horizon", type=WHOLE, default=1, show_default=True, help="Sessions that a label spans.")
@click.option("--delay", type=WHOLE, default=1, show_default=True, help="Sessions from decision to fill.")
@json_option
def check(
    kind: str, part: str, settings: tuple[str, ...], preset: str | None, horizon: int, delay: int, as_json: bool
) -> None:
    """Try a PART of your own on random markets: does it look ahead, forget its seed, depend on column order?

    PART is package.module:Name, ./path/file.py:Name, or a name of the catalogue. docs/contracts.md says what each kind
    must be, and `init --template KIND` writes one that passes.

    Exit code 1 if it looks ahead or raises, 2 if another check fails.

    \b
    Examples:
      python cli.py check strategy s2_filter_negative
      python cli.py check model my_package.nets:MyModel --set epochs=2
      python cli.py check label ./my_label.py:MINE --horizon 5
      python cli.py check costs ./my_costs.py:MyCosts --set share=0.05
    """  # fmt: skip
    from assay.results.workflow.parts import check_part

    passed = check_part(kind, part, parse_settings(settings, "--set"), preset=preset, horizon=horizon, delay=delay)
    if as_json:
        echo_json({"kind": kind, "part": part, "passed": list(passed)})
    else:
        click.echo(f"{part}: {', '.join(passed)}: ok")
