"""Apply a stored model to prices."""

from __future__ import annotations

from pathlib import Path

import click

from assay.commands.options import PATH, MarketOptions, json_option, market_options, parse_date
from assay.commands.output import echo_json, say_sealed

__all__ = ["predict"]


@click.command()
@click.argument("model", type=PATH)
@click.option("--model", "recipe", metavar="PKG.MODULE:CLASS", help="The class of a model that is in no catalogue.")
@click.option("--out", type=PATH, required=True, help="Parquet file to write, with its receipts beside it.")
@click.option("--start", help="First session to predict; default and earliest: the one after the model's training.")
@market_options
@json_option
def predict(
    model: Path, recipe: str | None, out: Path, start: str | None, market: MarketOptions, as_json: bool
) -> None:
    """Apply a stored model to prices, and write predictions with receipts.

    MODEL is a folder that `train --out` or `walk-forward` wrote (a run's models/fold…). Sessions that the model has
    seen in training are left out: a prediction of them would be no prediction. A folder can name only models of the
    catalogue and of installed packages; for a class of your own give --model, as `train` was given it.

    \b
    Examples:
      python cli.py predict my_model --prices new.parquet --out preds.parquet
      python cli.py predict results/runs/RUN/models/fold012-seed0 --out preds.parquet
    """
    from assay.data.atomic import check_target
    from assay.data.files.predictions import receipts_path, write_predictions
    from assay.results.workflow import predict as run
    from assay.results.workflow.inputs import load_market

    check_target(out, (".parquet",))
    prices, _ = load_market(market.study().data)
    say_sealed(prices)
    panel = run(model, prices, recipe=recipe, start=parse_date(start, "--start"))
    write_predictions(panel, out)
    assert panel.receipts is not None  # a stored model says what it has seen
    trained_through = panel.receipts["trained_through"].iloc[0]
    first, last = panel.sessions[0], panel.sessions[-1]
    if as_json:
        echo_json({"predictions": str(out), "receipts": str(receipts_path(out)), "start": first, "end": last,
                   "assets": panel.shape[1], "trained_through": trained_through})  # fmt: skip
    else:
        click.echo(f"{panel.shape[1]} assets, {first.date()} … {last.date()} → {out}, receipts {receipts_path(out)}")
