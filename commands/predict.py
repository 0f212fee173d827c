"""Apply a stored model to prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from assay.commands.common import PATH, echo_json, json_option, load_market, market_options

__all__ = ["predict"]


@click.command()
@click.argument("model", type=PATH)
@click.option("--model", "recipe", metavar="PKG.MODULE:CLASS", help="The class of a model that is in no catalogue.")
@click.option("--out", type=PATH, required=True, help="Parquet file to write, with its receipts beside it.")
@click.option("--start", help="First session to predict; default and earliest: the one after the model's training.")
@market_options
@json_option
def predict(model: Path, **options: Any) -> None:
    """Apply a stored model to prices, and write predictions with receipts.

    MODEL is a folder that `train --out` or `walk-forward` wrote (a run's models/fold…). Sessions that the model has
    seen in training are left out: a prediction of them would be no prediction. A folder can name only models of the
    catalogue and of installed packages; for a class of your own give --model, as `train` was given it.

    \b
    Examples:
      python cli.py predict my_model --prices new.parquet --out preds.parquet
      python cli.py predict results/runs/RUN/models/fold012-seed0 --out preds.parquet
    """
    import inspect
    from dataclasses import replace

    import pandas as pd

    from assay.data.atomic import check_target
    from assay.data.errors import InputError
    from assay.data.files.predictions import receipts_path, write_predictions
    from assay.data.panel import RECEIPT_COLUMNS
    from assay.models.catalog import load_fitted
    from assay.models.checkpoint import checkpoint_id, read_metadata

    as_json, out, recipe = options.pop("as_json"), options.pop("out"), options.pop("recipe")
    check_target(out, (".parquet",))
    prices, _, _ = load_market(options)
    fitted = load_fitted(model, recipe)
    stamps = {
        name: getattr(fitted, name) for name in ("trained_through", "preprocessing_fit_through", "labels_known_through")
    }
    seen = max(stamps.values())
    try:
        start = pd.Timestamp(options["start"]) if options["start"] else seen + pd.Timedelta(days=1)
    except ValueError:
        raise InputError(f"--start {options['start']}: not a date; write it as 2015-01-31") from None
    if start <= seen:
        raise InputError(f"--start {start.date()}: the model has seen data through {seen.date()}; start later")
    after = prices.sessions[prices.sessions >= start]
    if len(after) == 0:
        raise InputError(
            f"{model}: has seen data through {seen.date()}, the prices end {prices.sessions[-1].date()}"
        )
    skips = {"start": after[0]} if "start" in inspect.signature(fitted.predict).parameters else {}
    panel = fitted.predict(prices, **skips).map(lambda frame: frame.loc[after[0] :])
    row = {"model_id": checkpoint_id(read_metadata(model)), "fold": 0, **stamps, "available_at": seen}
    receipts = pd.DataFrame([row], index=pd.DatetimeIndex([after[0]], name="session"), columns=list(RECEIPT_COLUMNS))
    write_predictions(replace(panel, receipts=receipts), out)
    said = {"predictions": str(out), "receipts": str(receipts_path(out)), "start": after[0], "end": after[-1],
            "assets": panel.shape[1], "trained_through": stamps["trained_through"]}  # fmt: skip
    if as_json:
        echo_json(said)
    else:
        click.echo(
            f"{panel.shape[1]} assets, {after[0].date()} … {after[-1].date()} → {out}, receipts {said['receipts']}"
        )
