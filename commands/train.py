"""Fit once, for a quick look or a grid of presets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from assay.commands.common import PATH, echo_json, json_option, load_market, market_options, parse_settings, progress

__all__ = ["train"]


@click.command()
@click.option(
    "--model", default="stock_lstm_close", show_default=True, help="A name from `models list`, or pkg.module:Class."
)
@click.option("--preset", "presets", multiple=True, help="Named parameters; repeat to compare several.")
@click.option("--model-param", "model_settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the model.")
@click.option("--asset", "assets", multiple=True, help="Train on these assets alone; repeatable.")
@click.option("--through", help="Last session that the fit may see; the rest is the test. Default: the first 80%.")
@click.option("--horizon", type=int, default=1, show_default=True, help="Sessions a prediction spans.")
@click.option("--delay", type=int, default=1, show_default=True, help="Sessions from decision to fill.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=PATH, help="Store the fitted model in this new folder (one preset only).")
@market_options
@json_option
def train(**options: Any) -> None:
    """Fit once on the sessions up to a cutoff, and judge on those after it.

    \b
    Examples:
      python cli.py train --model ridge --through 2015-12-31
      python cli.py train --model reliance_direction --preset baseline --preset deeper --preset wider --prices ohlcv.csv
      python cli.py train --model stock_lstm_close --preset small --out my_model
    """
    import pandas as pd

    from assay.data.errors import InputError
    from assay.models.catalog import load_model
    from assay.results.evidence.models import prediction_metrics

    as_json, out = options.pop("as_json"), options.pop("out")
    prices, _, _ = load_market(options)
    if options["assets"]:
        prices = prices.select(list(options["assets"]))
    sessions = prices.sessions
    try:
        through = pd.Timestamp(options["through"]) if options["through"] else sessions[int(len(sessions) * 0.8) - 1]
    except ValueError:
        raise InputError(f"--through {options['through']}: not a date; write it as 2015-01-31") from None
    after = sessions[sessions > through]
    if len(after) == 0 or len(sessions) == len(after):
        raise InputError(f"--through {through.date()}: no sessions on one side; the panel spans "
                         f"{sessions[0].date()} to {sessions[-1].date()}")  # fmt: skip
    presets = options["presets"] or (None,)
    if out is not None and (len(presets) > 1 or out.exists()):
        raise InputError(f"--out {out}: takes one preset and a folder that does not exist yet")
    settings = parse_settings(options["model_settings"], "--model-param")
    span = {"horizon": options["horizon"], "delay": options["delay"]}
    rows, logs, fitted = {}, {}, None
    with progress(quiet=as_json) as display:
        task = display.add_task("fit", total=len(presets))
        for preset in presets:
            model = load_model(options["model"], preset=preset, **settings)
            label = preset or "default"
            display.update(task, description=f"{model.name} · {label}")
            fitted = model.fit(prices.through(through), seed=options["seed"], **span)
            predictions = fitted.predict(prices).map(lambda frame: frame.loc[after[0] :])
            rows[label] = prediction_metrics(predictions, prices, fill=getattr(model, "fill", None))
            logs[label] = dict(fitted.training_log)
            display.advance(task)
    if out is not None and fitted is not None:
        _stored(fitted, out)
    if as_json:
        echo_json(
            {"model": options["model"], "through": through, "test_start": after[0], "test": rows, "training": logs}
        )
        return
    click.echo(
        f"{options['model']} · trained through {through.date()}, judged on {after[0].date()} … {after[-1].date()}"
    )
    _table(rows)
    for label, log in logs.items():
        _log(label, log)
    if out is not None:
        click.echo(f"stored in {out} (python cli.py predict {out} --prices …)")


def _stored(fitted: Any, out: Path) -> None:
    """Write aside and rename, so that a killed command leaves no half-written model."""
    from assay.data.atomic import building, locked, put_folder, sweep
    from assay.data.errors import InputError

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sweep(out.parent, out.name)
        with building(out) as aside:
            fitted.save(aside)
            with locked(out.parent):
                if out.exists():
                    raise InputError(f"--out {out}: another command has made it meanwhile")
                put_folder(aside, out)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written: {error.strerror or error}") from None


def _table(rows: dict[str, dict[str, float]]) -> None:
    found = dict.fromkeys(name for row in rows.values() for name in row)
    # One asset has no rank among others.
    names = [name for name in found if any(row.get(name, math.nan) == row.get(name, math.nan) for row in rows.values())]
    width = max(14, *(len(label) + 2 for label in rows))
    click.echo(f"{'':22}" + "".join(f"{label:>{width}}" for label in rows))
    for name in names:
        cells = "".join(f"{row.get(name, math.nan):>{width}.4f}" for row in rows.values())
        click.echo(f"{name:22}{cells}")


def _log(label: str, log: dict[str, Any]) -> None:
    epochs = log.get("epochs")
    if isinstance(epochs, list) and epochs and {"epoch", "train_loss", "validation_loss"} <= set(epochs[-1]):
        best = next((record for record in epochs if record.get("best")), epochs[-1])
        click.echo(
            f"{label}: {len(epochs)} epochs, best {best['epoch']}, loss {best['train_loss']:.4f} train, "
            f"{best['validation_loss']:.4f} validation"
        )
    for line in log.get("warnings") or ():
        click.echo(f"warning: {label}: {line}")
