"""Several models' predictions as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from assay.commands.options import PATH, WHOLE, MarketOptions, json_option, market_options
from assay.commands.output import echo_json
from assay.commands.values import DATA

__all__ = ["combine"]


@click.command()
@click.argument("parts", nargs=-1, type=DATA, required=True)
@click.option("--out", type=PATH, required=True, help="Parquet file to write, with its receipts beside it.")
@click.option(
    "--method",
    type=click.Choice(["mean_rank", "ic", "stack"]),
    default="mean_rank",
    show_default=True,
    help="Equal ranks, ranks by trailing IC, or a non-negative regression on known returns.",
)
@click.option("--unit", type=click.Choice(["return", "rank"]), default="return", show_default=True)
@click.option("--horizon", type=WHOLE, default=1, show_default=True, help="Sessions a prediction spans.")
@click.option("--delay", type=WHOLE, default=1, show_default=True, help="Sessions from decision to fill.")
@click.option("--every", type=WHOLE, default=21, show_default=True, help="Sessions between estimates of the weights.")
@market_options
@json_option
def combine(
    parts: tuple[Path, ...],
    out: Path,
    method: Literal["mean_rank", "ic", "stack"],
    unit: Literal["return", "rank"],
    horizon: int,
    delay: int,
    every: int,
    market: MarketOptions,
    as_json: bool,
) -> None:
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
    from assay.results.workflow.inputs import load_market

    check_target(out, (".parquet",))
    prices = None if method == "mean_rank" else load_market(market.study().data)[0]
    panels = []
    for path in parts:
        beside = receipts_path(path)
        panels.append(
            load_predictions(
                path,
                name=path.stem,
                unit=unit,
                horizon=horizon,
                delay=delay,
                receipts=beside if beside.exists() else None,
                options=market.of("predictions"),
            )
        )
    panel = combined_of(panels, prices, method=method, every=every)
    write_predictions(panel, out)
    receipts = str(receipts_path(out)) if panel.receipts is not None else None
    first, last = panel.sessions[0], panel.sessions[-1]
    if as_json:
        echo_json({"predictions": str(out), "receipts": receipts, "model": panel.name, "unit": panel.unit,
                   "start": first, "end": last, "assets": panel.shape[1],
                   "warnings": list(panel.warnings)})  # fmt: skip
        return
    span = f"{first.date()} … {last.date()}"
    click.echo(f"{panel.name}: {panel.shape[1]} assets, {span} → {out}, receipts {receipts or 'none'}")
    for line in panel.warnings:
        click.echo(f"warning: {line}", err=True)
