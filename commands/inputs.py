"""Panels from the files that the options name, or from the embedded sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.commands.options import DataOptions, MarketOptions, StyleOptions, parse_date

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.results.evidence.styles import StyleInputs

__all__ = ["Inputs", "load_inputs", "load_market", "load_styles"]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a backtest reads.

    Parameters
    ----------
    prices : the whole history, also before the first prediction.
    predictions : between --start and --end; not joined to the prices yet.
    benchmark : returns with their name, or None.
    made_by : what a run's config says of how the predictions were made; None for those of a file, which are told apart
        by their fingerprint.

    """

    prices: PricePanel
    predictions: PredictionPanel
    benchmark: pd.Series | None
    made_by: Mapping[str, object] | None


def load_market(options: MarketOptions) -> tuple[PricePanel, pd.Series | None]:
    """Prices up to their market's seal, unless it is opened, and benchmark returns with their name."""
    from assay.results.storage.lockbox import open_lockbox, shut

    benchmark: pd.Series | None = None
    if options.prices is None:
        from assay.data.sample import load_sample

        prices, benchmark = load_sample()
    else:
        from assay.data.files.prices import load_prices

        prices = load_prices(options.prices, repair=options.repair, options=options.of("prices"))
    if options.delisting_returns is not None:
        from assay.data.files.members import load_delisting_returns
        from assay.data.universe import with_delisting_returns

        prices = with_delisting_returns(prices, load_delisting_returns(options.delisting_returns))
    if options.universe is not None:
        from assay.data.files.members import load_members
        from assay.data.universe import with_members

        prices = with_members(prices, load_members(options.universe))
    prices = shut(prices) if options.open_lockbox is None else open_lockbox(prices, options.open_lockbox)
    if options.benchmark is not None:
        from assay.data.files.series import load_returns

        benchmark = load_returns(options.benchmark, options=options.of("benchmark")).rename(options.benchmark.stem)
    return prices, benchmark


def load_inputs(options: DataOptions, *, delay: int) -> Inputs:
    """Read prices and predictions as the options say; the embedded sample where neither is given.

    Parameters
    ----------
    options : what was given.
    delay : sessions from decision to fill that predictions of a file were made for.

    """
    from assay.data.errors import InputError

    if options.prices is None and options.predictions is not None:
        raise InputError("--predictions: needs --prices too, the prices that the predictions are about")
    if options.prices is not None and options.predictions is None:
        raise InputError("--prices: needs --predictions too; `walk-forward` trains a model and makes them")
    prices, benchmark = load_market(options)
    if options.predictions is None:
        from assay.data.sample import load_sample_predictions

        predictions = load_sample_predictions()
    else:
        from assay.data.files.predictions import load_predictions

        predictions = load_predictions(
            options.predictions,
            name=options.predictions.stem,
            unit=options.unit,
            horizon=options.horizon,
            delay=max(delay, 1),
            receipts=options.receipts,
            zero_is_neutral=options.zero_is_neutral,
            options=options.of("predictions"),
        )
    start, end = parse_date(options.start, "--start"), parse_date(options.end, "--end")
    if start is not None or end is not None:
        inside = predictions.sessions[predictions.sessions.slice_indexer(start, end)]
        if len(inside) == 0:
            first, last = predictions.sessions[0].date(), predictions.sessions[-1].date()
            raise InputError(f"--start/--end: no predictions in between; they span {first} to {last}")
        predictions = predictions.map(lambda frame: frame.loc[inside])
    # The sample's predictions are those of a model that their name tells.
    return Inputs(prices, predictions, benchmark, {} if options.predictions is None else None)


def load_styles(options: StyleOptions) -> StyleInputs | None:
    """What styles are made of beside prices and volume; None where no file is named."""
    from assay.data.errors import InputError

    if not any((options.sectors, options.market_caps, options.factors)):
        return None
    from assay.data.files.rates import load_rates
    from assay.data.files.sectors import load_sectors
    from assay.data.files.series import load_factors
    from assay.results.evidence.styles import StyleInputs

    caps = None
    if options.market_caps is not None:
        caps = load_rates(options.market_caps, ["market_cap"])[0].get("market_cap")
        if caps is None:
            raise InputError(f"--market-caps {options.market_caps}: expected the columns date, asset and market_cap")
    return StyleInputs(
        None if options.sectors is None else load_sectors(options.sectors),
        caps,
        None if options.factors is None else load_factors(options.factors),
    )
