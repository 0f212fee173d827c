"""Several models' predictions as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from assay.commands.common import PATH, echo_json, json_option, load_market, market_options

__all__ = ["combine"]


@click.command()
@click.argument("parts", nargs=-1, type=PATH, required=True)
@click.option("--out", type=PATH, required=True, help="Parquet file to write, with its receipts beside it.")
@click.option(
    "--method",
    type=click.Choice(["mean_rank", "ic", "stack"]),
    default="mean_rank",
    show_default=True,
    help="Equal ranks, ranks by trailing IC, or a non-negative regression on known returns.",
)
@click.option("--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True)
@click.option("--horizon", type=int, default=1, show_default=True, help="Sessions a prediction spans.")
@click.option("--delay", type=int, default=1, show_default=True, help="Sessions from decision to fill.")
@click.option("--every", type=int, default=21, show_default=True, help="Sessions between estimates of the weights.")
@market_options
@json_option
def combine(parts: tuple[Path, ...], **options: Any) -> None:
    """Combine prediction files, by weights that only past outcomes decide.

    PARTS are prediction files of the same labels; receipts that lie beside them are merged as the latest of their
    parts.

    \b
    Examples:
      python cli.py combine ridge.parquet lstm.parquet --out both.parquet
      python cli.py combine a.parquet b.parquet --method ic --prices prices.parquet --out both.parquet
    """
    from assay.data.atomic import check_target
    from assay.data.files.predictions import load_predictions, receipts_path, write_predictions
    from assay.models.ensemble import combine as combined_of

    as_json, out = options.pop("as_json"), options.pop("out")
    method, every = options.pop("method"), options.pop("every")
    check_target(out, (".parquet",))
    shape = {name: options.pop(name) for name in ("unit", "horizon", "delay")}
    prices = None if method == "mean_rank" else load_market(options)[0]
    panels = []
    for path in parts:
        beside = receipts_path(path)
        panels.append(
            load_predictions(path, name=path.stem, receipts=beside if beside.exists() else None, **shape)
        )
    panel = combined_of(panels, prices, method=method, every=every)
    write_predictions(panel, out)
    said = {
        "predictions": str(out),
        "receipts": str(receipts_path(out)) if panel.receipts is not None else None,
        "model": panel.name,
        "unit": panel.unit,
        "start": panel.sessions[0],
        "end": panel.sessions[-1],
        "assets": panel.shape[1],
    }
    if as_json:
        echo_json(said)
        return
    span = f"{panel.sessions[0].date()} … {panel.sessions[-1].date()}"
    click.echo(f"{panel.name}: {panel.shape[1]} assets, {span} → {out}, receipts {said['receipts'] or 'none'}")
