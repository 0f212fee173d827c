"""Prices, predictions and returns from CSV and Parquet, long or wide.

What each column is, what is refused and what is only counted; `assay.data.files.grids` makes the (T, N) frames.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError, InputError
from assay.data.files.columns import ASSET_NAMES, DATE_NAMES, Source, match_columns, plain
from assay.data.files.grids import read_long, read_wide
from assay.data.panel import ACTIONS, PRICE_FIELDS, PredictionPanel, PricePanel
from assay.data.quality import Finding, QualityReport, check_prices, impossible_bars

__all__ = ["inspect_prices", "load_predictions", "load_prices", "load_receipts", "load_returns"]

#: Under this key of its metadata a Parquet file of ours says what its prices are adjusted for.
ADJUSTED_KEY = b"assay.adjusted"
#: Under this key a file of predictions says its name, unit, horizon, delay and zero_is_neutral, as JSON.
ABOUT_KEY = b"assay.predictions"

_PRICES = {
    "date": DATE_NAMES,
    "asset": ASSET_NAMES,
    "open": ("open", "openprice", "priceopen", "pxopen"),
    "high": ("high", "highprice", "pricehigh", "pxhigh"),
    "low": ("low", "lowprice", "pricelow", "pxlow"),
    "close": ("close", "closeprice", "priceclose", "price", "pxlast", "last", "prc"),
    "adjusted_close": ("adjclose", "adjustedclose", "closeadj", "closeadjusted", "adjcloseprice"),
    "volume": ("volume", "vol", "sharestraded", "pxvolume"),
}
#: Columns beside the fields that a file of one asset may have.
_BYSTANDERS = ("dividends", "stocksplits", "capitalgains", "adjclose", "repaired", "vwap", "trades", "amount")
_PREDICTIONS = {
    "date": DATE_NAMES,
    "asset": ASSET_NAMES,
    "score": (
        "score", "prediction", "predictions", "pred", "yhat", "ypred", "forecast", "signal", "alpha",
        "expectedreturn", "predictedreturn",
    ),
    "probability_up": ("probabilityup", "probup", "pup", "upprobability", "probability", "proba", "prob"),
    "buy": ("buy", "pbuy", "probbuy", "probabilitybuy"),
    "sell": ("sell", "psell", "probsell", "probabilitysell"),
    "hold": ("hold", "phold", "probhold", "probabilityhold"),
    "dispersion": ("dispersion", "scorestd"),
}  # fmt: skip


def load_prices(
    path: str | Path, *, field_map: Mapping[str, str] | None = None, repair: Literal["drop"] | None = None
) -> PricePanel:
    """Prices from a long or wide CSV or Parquet file.

    Long: one row a session and asset, with columns for the date, the asset and at least the close. Wide: the date
    first, then a column of closes for each asset. A file without an asset column whose columns are all price fields
    is one asset, named after the file. Common names are understood (ticker, symbol, Adj Close …). Where a file has
    both Close and Adj Close, the close is the adjusted one and open, high and low are scaled alike.

    Parameters
    ----------
    path : the file.
    field_map : field (date, asset, open, high, low, close, adjusted_close, volume) to the file's column name, where
        that is not obvious.
    repair : None stops at the first error; ``"drop"`` leaves out the rows that cannot be, and says so in `warnings`.

    Returns
    -------
    PricePanel
        Sessions and assets sorted; what the checks found odd is counted in `warnings`.

    Raises
    ------
    InputError
        If the file cannot be read as prices: what, where and what to do.
    DataQualityError
        If it can, but holds duplicates or bars that cannot be, and `repair` is None.

    """
    return checked_panel(_read_prices(Source.open(path), field_map), repair)


def checked_panel(raw: RawPrices, repair: Literal["drop"] | None = None) -> PricePanel:
    """The panel of prices that someone has read, after the checks; parameters and errors as in `load_prices`."""
    if repair not in (None, "drop"):
        raise InputError(f"repair: expected 'drop' or nothing, got {repair!r}")
    found = raw.findings
    if repair == "drop":
        raw, found = _dropped(raw)
    checked = check_prices(raw.frames, source=raw.source)
    report = QualityReport(raw.source, _errors_first((*found, *checked.findings)))
    report.raise_for_errors()
    return PricePanel(**raw.frames, source=raw.source, adjusted=raw.adjusted, warnings=report.messages())  # type: ignore[arg-type]


def inspect_prices(path: str | Path, *, field_map: Mapping[str, str] | None = None) -> tuple[PricePanel, QualityReport]:
    """What `load_prices` would find, errors included, and the panel without the bars that cannot be.

    Raises
    ------
    InputError
        If the file cannot be read as prices at all.

    """
    raw = _read_prices(Source.open(path), field_map)
    report = QualityReport(raw.source, _errors_first((*raw.findings, *check_prices(raw.frames).findings)))
    kept, _ = _dropped(raw)
    panel = PricePanel(**kept.frames, source=raw.source, adjusted=raw.adjusted, warnings=report.messages())  # type: ignore[arg-type]
    return panel, report


def load_predictions(
    path: str | Path,
    *,
    name: str | None = None,
    unit: Literal["return", "rank"] = "return",
    horizon: int = 1,
    delay: int = 1,
    receipts: str | Path | None = None,
    zero_is_neutral: bool = False,
) -> PredictionPanel:
    """Predictions from a long or wide CSV or Parquet file.

    Long: date, asset, and a score, a probability_up, probabilities of buy, sell and hold, or several of them. Wide:
    the date first, then a column of scores for each asset.

    Parameters
    ----------
    path : the file.
    name : the model, for the report; default the file's name.
    unit, horizon, delay, zero_is_neutral : as in `PredictionPanel`.
    receipts : file with a row a fold: session (the first it predicts) and the columns of `RECEIPT_COLUMNS`.

    Returns
    -------
    PredictionPanel

    Raises
    ------
    InputError
        If the file cannot be read as predictions, holds none, or one that cannot be (a probability of 1.2).
    DataQualityError
        If an asset has two rows on one session, or a value is infinite.
    LookAheadError
        If the receipts contradict the stamps.

    """
    source = Source.open(path)
    _refuse_contradiction(source, {"unit": unit, "horizon": horizon})
    columns = match_columns(source, _PREDICTIONS)
    if "date" not in columns:
        raise InputError(f"{source.path}: no date column among {', '.join(source.columns[:8])}; name one 'date'")
    fields = {field: column for field, column in columns.items() if field not in ("date", "asset")}
    if "asset" not in columns and len(fields) == len(source.columns) - 1:
        raise InputError(f"{source.path}: no asset column among {', '.join(source.columns)}; name one 'asset'")
    if "asset" in columns:
        if not set(fields) & {"score", "probability_up", *ACTIONS}:
            raise InputError(
                f"{source.path}: no score, probability_up or buy/sell/hold among {', '.join(source.columns[:8])}"
            )
        frames, findings = read_long(source, columns["date"], columns["asset"], fields)
    else:
        closes, findings = read_wide(source, columns["date"])
        frames = {"score": closes}
    QualityReport(str(source.path), tuple(findings)).raise_for_errors()
    for field, frame in frames.items():
        _refuse_infinite(source.path, field, frame)
    if not any(frame.notna().to_numpy().any() for field, frame in frames.items() if field != "dispersion"):
        raise InputError(f"{source.path}: every prediction is empty; expected at least one finite value")
    given = [action for action in ACTIONS if action in frames]
    if given and len(given) < len(ACTIONS):
        raise InputError(f"{source.path}: probabilities of {', '.join(given)} only; give buy, sell and hold, or none")
    try:
        return PredictionPanel(
            frames.get("score"),
            unit=unit,
            horizon=horizon,
            delay=delay,
            probability_up=frames.get("probability_up"),
            action={action: frames[action] for action in ACTIONS} if given else None,
            receipts=None if receipts is None else load_receipts(receipts),
            name=name or source.path.stem,
            zero_is_neutral=zero_is_neutral,
            dispersion=frames.get("dispersion"),
            warnings=tuple(finding.message for finding in findings),
        )
    except InputError as error:
        raise InputError(f"{source.path}: {error}") from None


def load_receipts(path: str | Path) -> pd.DataFrame:
    """Receipts from CSV or Parquet: a row a fold, indexed by the first session it predicts (`session`).

    Raises
    ------
    InputError
        If the file cannot be read, or has no column ``session``.

    """
    source = Source.open(path)
    names = {plain(column): column for column in source.columns}
    index = names.get("session") or names.get("indexlevel0")
    if index is None:
        raise InputError(f"{source.path}: no column 'session' (the first session a fold predicts)")
    try:
        frame = pd.read_parquet(source.path) if source.parquet else pd.read_csv(source.path, sep=source.separator)
    except (ValueError, OSError) as error:
        raise InputError(f"{source.path}: cannot be read: {error}") from None
    return frame.set_index(index) if index in frame.columns else frame


def load_returns(path: str | Path) -> pd.Series:
    """One return series: a date column and one column of daily returns (decimals), or of prices.

    The other column's name decides: a price name (close, Adj Close, price …) makes returns of it, anything else is
    taken as returns.

    Raises
    ------
    InputError
        If there is not exactly one series in the file.
    DataQualityError
        On duplicated sessions, infinite values, or returns below -100% (percent instead of decimals?).

    """
    source = Source.open(path)
    columns = match_columns(source, {"date": DATE_NAMES})
    if "date" not in columns:
        raise InputError(f"{source.path}: no date column among {', '.join(source.columns[:8])}; name one 'date'")
    frame, findings = read_wide(source, columns["date"])
    QualityReport(str(source.path), tuple(findings)).raise_for_errors()
    prices = [name for field in ("adjusted_close", "close") for name in frame if plain(str(name)) in _PRICES[field]]
    if len(frame.columns) > 1 and not prices:
        raise InputError(f"{source.path}: {len(frame.columns)} series; expected a date and one column of returns")
    column = prices[0] if prices else frame.columns[0]
    _refuse_infinite(source.path, str(column), frame[[column]])
    series = frame[column].dropna()
    if prices:
        if (series <= 0).any():
            at = series.index[series <= 0][0].date()
            raise DataQualityError(f"{source.path}: column {column!r}: price not positive, first {at}; mend the file")
        series = (series / series.shift(1) - 1.0).iloc[1:]
    elif (series < -1.0).any():
        at = series.index[series < -1.0][0].date()
        raise DataQualityError(f"{source.path}: column {column!r}: a return below -100% at {at}; percent? use decimals")
    if series.empty:
        raise InputError(f"{source.path}: column {column!r} holds no return; expected at least one")
    return series.rename(source.path.stem)


@dataclass(frozen=True, eq=False)
class RawPrices:
    """Prices as they were found, not checked yet.

    Parameters
    ----------
    frames : aligned (T, N) frames by field.
    findings : what was wrong with the rows that they came from.
    source, adjusted : as in `PricePanel`.

    """

    frames: dict[str, pd.DataFrame]
    findings: tuple[Finding, ...]
    source: str
    adjusted: str


def _read_prices(source: Source, field_map: Mapping[str, str] | None) -> RawPrices:
    columns = match_columns(source, _PRICES, field_map)
    if "date" not in columns:
        raise InputError(f"{source.path}: no date column among {', '.join(source.columns[:8])}; name one 'date'")
    fields = {field: column for field, column in columns.items() if field not in ("date", "asset")}
    rest = [name for name in source.columns if name not in columns.values() and plain(name) not in _BYSTANDERS]
    priced = "close" in fields or "adjusted_close" in fields
    if "asset" in columns or (priced and not rest):
        if not priced:
            raise InputError(f"{source.path}: no close among {', '.join(source.columns[:8])}; name one 'close'")
        frames, findings = read_long(source, columns["date"], columns.get("asset"), fields)
    else:
        closes, findings = read_wide(source, columns["date"])
        frames = {"close": closes}
    adjusted = source.metadata().get(ADJUSTED_KEY, b"unknown").decode()
    if "adjusted_close" in frames:
        frames, adjusted = _adjust(frames), "splits and dividends"
    frames = {name: frames[name] for name in PRICE_FIELDS if name in frames}
    return RawPrices(frames, tuple(findings), str(source.path), adjusted)


def _adjust(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Adjusted closes in place of closes, and the other prices scaled by the same factor."""
    out = dict(frames)
    adjusted = out.pop("adjusted_close")
    if "close" in out:
        factor = adjusted / out["close"]
        out |= {name: out[name] * factor for name in ("open", "high", "low") if name in out}
    return out | {"close": adjusted}


def _dropped(raw: RawPrices) -> tuple[RawPrices, tuple[Finding, ...]]:
    """The prices without what cannot be; the errors become warnings that say what was dropped."""
    masks = impossible_bars({name: frame.to_numpy() for name, frame in raw.frames.items()})
    bars = [finding for finding in check_prices(raw.frames).findings if finding.check in masks]
    frames = raw.frames
    if masks:
        bad = np.logical_or.reduce(list(masks.values()))
        frames = {name: frame.mask(bad) for name, frame in raw.frames.items()}
    found = tuple(
        replace(finding, check=f"dropped by repair: {finding.check}", severity="warning")
        if finding.severity == "error" or finding.check in masks
        else finding
        for finding in (*raw.findings, *bars)
    )
    return replace(raw, frames=frames), found


def _errors_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.severity != "error"))


def _refuse_contradiction(source: Source, stated: Mapping[str, object]) -> None:
    """A file of ours knows its unit and horizon; to read it as something else would be a quiet mistake."""
    try:
        about = dict(json.loads(source.metadata().get(ABOUT_KEY, b"{}")))
    except (TypeError, ValueError):
        raise InputError(f"{source.path}: its metadata is damaged; write the file again") from None
    for name, value in stated.items():
        if about.get(name, value) != value:
            raise InputError(f"{source.path}: was written with {name} {about[name]}, read with {value}; state {name}")


def _refuse_infinite(path: Path, field: str, frame: pd.DataFrame) -> None:
    bad = np.isinf(frame.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        where = f"{frame.index[row].date()} {frame.columns[column]!r}"
        raise DataQualityError(f"{path}: {field}: {int(bad.sum())} infinite values, first {where}; leave them empty")
