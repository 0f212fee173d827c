"""Prices from files, long or wide, and back.

What each column is, what is refused and what is only counted; `assay.data.files.grids` makes the (T, N) frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.atomic import check_target, replacing
from assay.data.errors import InputError
from assay.data.files.columns import ASSET_NAMES, DATE_NAMES, Source, match_columns, plain
from assay.data.files.grids import read_long, read_wide
from assay.data.panel import PRICE_FIELDS, PricePanel
from assay.data.quality import Finding, QualityReport, check_prices, impossible_bars

__all__ = ["PRICE_SUFFIXES", "inspect_prices", "load_prices", "write_prices"]

PRICE_SUFFIXES = (".parquet", ".csv")
#: Under this key of its metadata a Parquet file of ours says what its prices are adjusted for.
ADJUSTED_KEY = b"assay.adjusted"
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


def write_prices(prices: PricePanel, path: str | Path) -> Path:
    """Write a panel as long Parquet or CSV (by suffix), which `load_prices` reads back.

    Columns: date, asset and the panel's fields; a bar without any value has no row, so a session or an asset without
    a single one is not written. The same prices give the same bytes.

    Parameters
    ----------
    prices : what to write.
    path : ends in ``.parquet`` or ``.csv``.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        On another suffix, or if the file cannot be written.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    path = Path(path)
    check_target(path, PRICE_SUFFIXES)
    values = {name: getattr(prices, name).to_numpy() for name in prices.fields}
    rows, columns = np.nonzero(np.logical_or.reduce([np.isfinite(grid) for grid in values.values()]))
    days = pa.array(prices.sessions.to_numpy().astype("datetime64[D]"), pa.date32())
    names = pa.array([str(asset) for asset in prices.assets], pa.string())
    data: dict[str, pa.Array] = {
        "date": days.take(pa.array(rows)),
        "asset": pa.DictionaryArray.from_arrays(pa.array(columns.astype(np.int32)), names),
    }
    for name, grid in values.items():
        data[name] = pa.array(grid[rows, columns], from_pandas=True)
    table = pa.table(data).replace_schema_metadata({ADJUSTED_KEY: prices.adjusted})
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            pq.write_table(table, temporary, compression="zstd")
        else:
            csv.write_csv(table, temporary)
    return path


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
