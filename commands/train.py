"""Fit once, for a quick look or a grid of presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assay.commands.options import (
    PATH,
    SEED,
    WHOLE,
    MarketOptions,
    ModelOptions,
    json_option,
    market_options,
    model_options,
    parse_date,
)
from assay.commands.output import echo_json, progress, say_sealed

if TYPE_CHECKING:
    from assay.results.workflow import TrainedModel

__all__ = ["train"]


@click.command()
@model_options
@click.option("--preset", "presets", multiple=True, help="Named parameters; repeat to compare several.")
@click.option("--asset", "assets", multiple=True, help="Train on these assets alone; repeatable.")
@click.option("--through", help="Last session that the fit may see; the rest is the test. Default: the first 80%.")
@click.option("--horizon", type=WHOLE, help="Sessions a prediction spans; default: 1, or the preset's.")
@click.option("--delay", type=WHOLE, default=1, show_default=True, help="Sessions from decision to fill.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--out", type=PATH, help="Store the fitted model in this new folder (one preset only).")
@market_options
@json_option
def train(
    recipe: ModelOptions,
    presets: tuple[str, ...],
    assets: tuple[str, ...],
    through: str | None,
    horizon: int | None,
    delay: int,
    seed: int,
    out: Path | None,
    market: MarketOptions,
    as_json: bool,
) -> None:
    """Fit once on the sessions up to a cutoff, and judge on those after it.

    \b
    Examples:
      python cli.py train --model ridge --through 2015-12-31
      python cli.py train --model reliance_direction --preset baseline --preset deeper --preset wider --prices ohlcv.csv
      python cli.py train --model stock_lstm_close --preset small --out my_model
    """
    from assay.data.errors import InputError
    from assay.results.workflow import save_model
    from assay.results.workflow import train as run
    from assay.results.workflow.inputs import load_market

    prices, _ = load_market(market.study().data)
    say_sealed(prices)
    if assets:
        prices = prices.select(list(assets))
    cutoff = parse_date(through, "--through")
    if out is not None and (len(presets) > 1 or out.exists()):
        raise InputError(f"--out {out}: takes one preset and a folder that does not exist yet")
    trained: dict[str, TrainedModel] = {}
    with progress(quiet=as_json) as heard:
        for preset in presets or (None,):
            model = recipe.load(preset)
            task = f"{model.name} · {preset or 'default'}"
            heard.advance(task, 0, 1)
            trained[preset or "default"] = run(
                model, prices, through=cutoff, horizon=recipe.horizon(horizon, preset), delay=delay, seed=seed
            )
            heard.advance(task, 1, 1)
    last = list(trained.values())[-1]
    if out is not None:
        save_model(last.fitted, out)
    sessions = last.predictions.sessions
    if as_json:
        echo_json(
            {
                "model": recipe.model,
                "through": last.through,
                "test_start": sessions[0],
                "test": {label: dict(item.metrics) for label, item in trained.items()},
                "training": {label: dict(item.log) for label, item in trained.items()},
            }
        )
        return
    click.echo(
        f"{recipe.model} · trained through {last.through.date()}, judged on {sessions[0].date()} … "
        f"{sessions[-1].date()}"
    )
    _table({label: item.metrics for label, item in trained.items()})
    for label, item in trained.items():
        _log(label, item.log)
    if out is not None:
        click.echo(f"stored in {out} (python cli.py predict {out} --prices …)")


def _table(rows: Mapping[str, Mapping[str, float]]) -> None:
    known = dict.fromkeys(name for row in rows.values() for name in row)
    # One asset has no rank among others.
    names = [name for name in known if any(not math.isnan(row.get(name, math.nan)) for row in rows.values())]
    width = max(14, *(len(label) + 2 for label in rows))
    click.echo(f"{'':22}" + "".join(f"{label:>{width}}" for label in rows))
    for name in names:
        cells = "".join(f"{row.get(name, math.nan):>{width}.4f}" for row in rows.values())
        click.echo(f"{name:22}{cells}")


def _log(label: str, log: Mapping[str, object]) -> None:
    epochs, warnings = log.get("epochs"), log.get("warnings")
    if isinstance(epochs, list) and epochs and {"epoch", "train_loss", "validation_loss"} <= set(epochs[-1]):
        best = next((record for record in epochs if record.get("best")), epochs[-1])
        click.echo(
            f"{label}: {len(epochs)} epochs, best {best['epoch']}, loss {best['train_loss']:.4f} train, "
            f"{best['validation_loss']:.4f} validation"
        )
    for line in warnings if isinstance(warnings, (list, tuple)) else ():
        click.echo(f"warning: {label}: {line}")
