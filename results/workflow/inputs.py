"""Panels from the files that a study names, or from the embedded sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.sessions import given_session
from assay.results.evidence.styles import StyleInputs
from assay.results.workflow.study import DataSection, PredictionSection, Study

__all__ = ["StudyInputs", "load_inputs", "load_market", "load_styles"]


@dataclass(frozen=True, eq=False)
class StudyInputs:
    """What a backtest reads.

    Parameters
    ----------
    prices : the whole history, also before the first prediction.
    predictions : between start and end; not joined to the prices yet.
    benchmark : returns with their name, or None.
    made_by : what a run's config says of how the predictions were made; None for those of a file, which are told apart
        by their fingerprint.

    """

    prices: PricePanel
    predictions: PredictionPanel
    benchmark: pd.Series | None
    made_by: Mapping[str, object] | None


def load_market(data: DataSection) -> tuple[PricePanel, pd.Series | None]:
    """Prices up to their market's seal, unless it is opened, and benchmark returns with their name.

    Parameters
    ----------
    data : the files.

    Raises
    ------
    InputError
        If a file cannot be read.
    DataQualityError
        If the prices cannot be trusted, or an own check that is an error found something.

    """
    from assay.results.storage.lockbox import open_lockbox, shut

    benchmark: pd.Series | None = None
    if data.prices is None:
        from assay.data.sample import PRICE_INDEX, load_sample

        prices, benchmark = load_sample()
    else:
        from assay.data.files.prices import load_prices

        prices = load_prices(data.prices, repair=data.repair, options=data.reading("prices"))
    if data.delisting_returns is not None:
        from assay.data.files.members import load_delisting_returns
        from assay.data.universe import with_delisting_returns

        paid = load_delisting_returns(data.delisting_returns, data.reading("delisting_returns"))
        prices = with_delisting_returns(prices, paid)
    if data.universe is not None:
        prices = _with_universe(prices, data.universe, data.reading("members"))
    prices = shut(prices) if data.open_lockbox is None else open_lockbox(prices, data.open_lockbox)
    if data.quality_checks:
        from assay.data.own_quality import with_own_checks

        prices = with_own_checks(data.quality_checks, prices)
    if data.benchmark is not None:
        from assay.data.files.series import load_returns

        benchmark = load_returns(data.benchmark, options=data.reading("benchmark")).rename(Path(data.benchmark).stem)
        if data.prices is None:
            prices = replace(prices, warnings=tuple(line for line in prices.warnings if line != PRICE_INDEX))
    return prices, benchmark


def _with_universe(prices: PricePanel, universe: str, options: ReadOptions) -> PricePanel:
    """The prices with the memberships of a file, or of a person's own function."""
    from assay.data.files.members import load_members
    from assay.data.universe import with_members, with_own_members

    own = ":" in universe and not Path(universe).is_file()
    return with_own_members(prices, universe) if own else with_members(prices, load_members(universe, options))


def load_inputs(study: Study, *, delay: int) -> StudyInputs:
    """Prices and predictions as the study says; the embedded sample where it names neither.

    Parameters
    ----------
    study : its ``data`` and ``predictions`` are read.
    delay : sessions from decision to fill that predictions of a file were made for.

    Raises
    ------
    InputError
        If it names only one of the two, a file cannot be read, or nothing lies between start and end.

    """
    data, given = study.data, study.predictions or PredictionSection()
    if data.prices is None and given.file is not None:
        raise InputError("--predictions: needs --prices too, the prices that the predictions are about")
    if data.prices is not None and given.file is None:
        raise InputError("--prices: needs --predictions too; `walk-forward` trains a model and makes them")
    of_file = ("receipts", "unit", "zero_is_neutral", "horizon")
    idle = [name for name in of_file if getattr(given, name) != getattr(PredictionSection, name)]
    if given.file is None and idle:
        options = ", ".join(f"--{name.replace('_', '-')} {getattr(given, name)}".removesuffix(" True") for name in idle)
        raise InputError(f"{options}: of a file of --predictions; the sample's are returns over 1 session")
    prices, benchmark = load_market(data)
    if given.file is None:
        from assay.data.sample import load_sample_predictions

        predictions = load_sample_predictions()
    else:
        from assay.data.files.predictions import load_predictions

        predictions = load_predictions(
            given.file,
            name=Path(given.file).stem,
            unit=given.unit,
            horizon=given.horizon,
            delay=max(delay, 1),
            receipts=given.receipts,
            zero_is_neutral=given.zero_is_neutral,
            options=data.reading("predictions"),
            receipts_options=data.reading("receipts"),
        )
    start, end = given_session(given.start, "--start"), given_session(given.end, "--end")
    if start is not None or end is not None:
        inside = predictions.sessions.slice_indexer(start, end)
        if len(predictions.sessions[inside]) == 0:
            first, last = predictions.sessions[0].date(), predictions.sessions[-1].date()
            raise InputError(f"--start/--end: no predictions in between; they span {first} to {last}")
        predictions = predictions.map(lambda frame: frame.iloc[inside])
    # The sample's predictions are those of a model that their name tells.
    return StudyInputs(prices, predictions, benchmark, {} if given.file is None else None)


def load_styles(data: DataSection) -> StyleInputs | None:
    """What styles are made of beside prices and volume; None where no file is named."""
    if not any((data.sectors, data.market_caps, data.factors, data.regimes)):
        return None
    from assay.data.files.rates import load_rates
    from assay.data.files.sectors import load_sectors
    from assay.data.files.series import load_factors, load_regimes

    caps = None
    if data.market_caps is not None:
        caps = load_rates(
            data.market_caps, ["market_cap"], data.reading("market_caps"), "market caps"
        )[0].get("market_cap")
        if caps is None:
            raise InputError(f"--market-caps {data.market_caps}: expected the columns date, asset and market_cap")
    return StyleInputs(
        None if data.sectors is None else load_sectors(data.sectors, data.reading("sectors")),
        caps,
        None if data.factors is None else load_factors(data.factors, options=data.reading("factors")),
        None if data.regimes is None else load_regimes(data.regimes, options=data.reading("regimes")),
    )
