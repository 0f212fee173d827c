"""Prices from files and frames, in any of the layouts that people have them in, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from assay.data.atomic import check_target, replacing
from assay.data.errors import InputError
from assay.data.files.aliases import PRICES, Vendor, vendor_called
from assay.data.files.grids import Grids, read_grids
from assay.data.files.layouts import Layout, recognise
from assay.data.files.melted import MELTED, unmelted
from assay.data.files.options import ReadOptions
from assay.data.files.packed import is_packed, load_packed_prices, refuse_options
from assay.data.files.plausible import refuse_doubtful
from assay.data.files.readers import open_source
from assay.data.panel import PRICE_FIELDS, PricePanel
from assay.data.quality import QualityFinding, QualityReport, check_prices, finding_at, impossible_bars

__all__ = [
    "PRICE_SUFFIXES",
    "RawPrices",
    "checked_panel",
    "inspect_prices",
    "load_prices",
    "read_prices",
    "write_prices",
]

PRICE_SUFFIXES = (".parquet", ".csv")
#: Under this key of its metadata a Parquet file of ours says what its prices are adjusted for.
ADJUSTED_KEY = b"assay.adjusted"
_BAR = ("open", "high", "low", "close")


def load_prices(data: Any, *, repair: Literal["drop"] | None = None, options: ReadOptions | None = None) -> PricePanel:
    """Prices from a file or a frame.

    Long: one row a session and asset, with columns for the date, the asset and at least the close. Wide: the date
    first, then a column of closes for each asset. Fields: a column a field and asset (``Close_AAPL``, a header of two
    rows, the columns of ``yfinance.download``). A table without an asset column whose columns are all price fields is
    one asset, named after the file. The names that people and vendors use are understood (`assay.data.files.layouts`).
    Where there are both Close and Adj Close, the close is the adjusted one and open, high and low are scaled alike.

    Parameters
    ----------
    data : a CSV (plain or .gz, .zst, .bz2), TSV, Parquet, Feather or Excel file; a folder of `data pack`, which is
        mapped into memory as it stands; or a frame of pandas, Polars, Arrow.
    repair : None stops at the first error; ``"drop"`` leaves out the rows that cannot be, and says so in `warnings`. Of
        rows that stand twice it keeps the one that can be, or none where several can and differ.
    options : how to read what the file does not say itself.

    Returns
    -------
    PricePanel
        Sessions and assets sorted; what the checks found odd is counted in `warnings`, and `source` names the file
        and, where it was recognised, whose layout it has.

    Raises
    ------
    InputError
        If it cannot be read as prices, or can be in two ways: what, where and what to do.
    DataQualityError
        If it can, but holds duplicates or bars that cannot be, and `repair` is None.

    Examples
    --------
    >>> import pandas as pd
    >>> days = pd.bdate_range("2024-01-02", periods=3, name="date")
    >>> load_prices(pd.DataFrame({"AAA": [10.0, 10.1, 10.2], "BBB": [5.0, 5.1, 4.9]}, days).reset_index())
    PricePanel of 2 assets, 3 sessions, 2024-01-02 … 2024-01-04
      assets    AAA, BBB
      fields    close
      no price  0.0% of the cells
      source    DataFrame, adjusted: unknown

    """
    if not is_packed(data):
        return checked_panel(read_prices(data, options), repair)
    if repair is not None:
        raise InputError(f"{data}: is packed already; repair the file that it was made from, and pack that")
    refuse_options(data, options or ReadOptions())
    return load_packed_prices(data)


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
    return _panel(raw, report)


def inspect_prices(data: Any, *, options: ReadOptions | None = None) -> tuple[PricePanel, QualityReport]:
    """What `load_prices` would find, errors included, and the panel without the bars that cannot be.

    Raises
    ------
    InputError
        If it cannot be read as prices at all.

    """
    if is_packed(data):
        panel = load_prices(data, options=options)
        frames = {name: frame for name in PRICE_FIELDS if (frame := getattr(panel, name)) is not None}
        return panel, QualityReport(str(data), _errors_first(check_prices(frames).findings))
    raw = read_prices(data, options)
    report = QualityReport(raw.source, _errors_first((*raw.findings, *check_prices(raw.frames).findings)))
    return _panel(_dropped(raw)[0], report), report


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

    Examples
    --------
    >>> from assay import synthetic_market
    >>> prices, _ = synthetic_market(20, 3, seed=0)
    >>> load_prices(write_prices(prices, "prices.parquet")).shape
    (20, 3)

    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    path = Path(path)
    check_target(path, PRICE_SUFFIXES)
    fields = prices.fields if prices.raw_close is None else (*prices.fields, "raw_close")
    values = {name: getattr(prices, name).to_numpy() for name in fields}
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
    frames : aligned (T, N) frames by field; of rows that stand twice, the first.
    findings : what was wrong with the rows that they came from.
    source : the file as it was named, and where it was recognised, whose layout it has.
    title : the same without the folder: where a file lies is no part of what a run is made of.
    adjusted : as in `PricePanel`.
    settled : the frames where of rows that stand twice the one is kept that can be, or none; None: no row does.

    """

    frames: dict[str, pd.DataFrame]
    findings: tuple[QualityFinding, ...]
    source: str
    title: str
    adjusted: str
    settled: dict[str, pd.DataFrame] | None = None


def read_prices(data: Any, options: ReadOptions | None = None) -> RawPrices:
    """The prices of a file or frame, not checked yet; parameters and errors as in `load_prices`."""
    options = options or ReadOptions()
    source = open_source(data, options)
    unfolded = unmelted(source, PRICES, options)
    source = unfolded or source
    layout = recognise(source, PRICES, options)
    if unfolded is not None:
        layout = replace(layout, vendor=layout.vendor or vendor_called(MELTED))
    grids = read_grids(source, layout, options)
    adjusted = source.metadata.get(ADJUSTED_KEY, b"unknown").decode(errors="replace")
    if options.layout is None and not options.columns:
        refuse_doubtful(source, layout, grids.frames)
    frames, adjusted = _adjusted(grids.frames, layout.vendor, adjusted)
    findings = [
        replace(item, remedy=f"{item.remedy}, or drop what is not sure with --repair drop")
        if item.severity == "error" else item for item in grids.findings
    ]  # fmt: skip
    settled = None
    if grids.repeats is not None:
        chosen, hidden = _settled(grids)
        settled, _ = _adjusted(chosen, layout.vendor, adjusted)
        findings += hidden
    findings += _signs(grids.frames, layout)
    read_as = f" (read as {layout.describe(len(frames['close'].columns))})" if layout.named else ""
    title = Path(source.label).name + read_as
    return RawPrices(frames, tuple(findings), source.label + read_as, title, adjusted, settled)


def _panel(raw: RawPrices, report: QualityReport) -> PricePanel:
    frames: dict[str, Any] = dict(raw.frames)
    return PricePanel(**frames, source=raw.title, adjusted=raw.adjusted, warnings=report.messages())


def _adjusted(
    found: Mapping[str, pd.DataFrame], vendor: Vendor | None, adjusted: str
) -> tuple[dict[str, pd.DataFrame], str]:
    """The fields of a panel: adjusted prices in place of raw ones, the other prices scaled by the same factor."""
    out = dict(found)
    if vendor is not None and vendor.absolute:
        out |= {name: out[name].abs() for name in _BAR if name in out}
    divisor, factor = out.pop("price_divisor", None), out.pop("volume_factor", None)
    if divisor is not None:
        out |= {name: out[name] / divisor for name in _BAR if name in out}
        adjusted = "splits"
        if factor is not None and "volume" in out:
            out["volume"] = out["volume"] * factor
    own = {name: out.pop(f"adjusted_{name}", None) for name in (*_BAR, "volume")}
    close = own.pop("close")
    if close is not None:
        adjusted = "splits and dividends"
        if "close" in out:
            scale = close / out["close"]
            if own["volume"] is None:  # what volume counts are shares at these closes
                out["raw_close"] = out["close"].where(out["close"] > 0)
            out |= {name: out[name] * scale for name in ("open", "high", "low") if name in out and own[name] is None}
        out |= {"close": close} | {name: frame for name, frame in own.items() if frame is not None}
    elif vendor is not None and vendor.adjusted is not None:
        adjusted = vendor.adjusted
    return {name: out[name] for name in (*PRICE_FIELDS, "raw_close") if name in out}, adjusted


def _signs(frames: Mapping[str, pd.DataFrame], layout: Layout) -> list[QualityFinding]:
    """How many prices carried a minus that only marks a midpoint."""
    if layout.vendor is None or not layout.vendor.absolute:
        return []
    minus = frames["close"].to_numpy() < 0
    if not minus.any():
        return []
    finding = finding_at(
        "midpoints of bid and ask, sign removed", "warning", minus, frames["close"], "no trade that day"
    )
    return [finding]


def _settled(grids: Grids) -> tuple[dict[str, pd.DataFrame], list[QualityFinding]]:
    """The frames where a cell with several rows keeps the one that can be, and what was hidden behind the first.

    A row can be if nothing in it is impossible; of those that can, one with open and close inside [low, high] wins.
    Where several remain and differ, nobody knows which is right and the bar is left out.
    """
    repeats = grids.repeats
    assert repeats is not None  # the caller has seen to it
    cells = np.unique(repeats.cells)
    first = {name: frame.to_numpy().ravel()[cells] for name, frame in grids.frames.items()}
    where = np.concatenate([np.arange(len(cells)), np.searchsorted(cells, repeats.cells)])
    rows = {name: np.concatenate([first[name], repeats.values[name]]) for name in first}
    bad = impossible_bars(rows)
    cannot = np.logical_or.reduce(list(bad.values())) if bad else np.zeros(len(where), dtype=bool)
    cannot |= ~np.isfinite(rows.get("close", rows.get("adjusted_close", first[next(iter(first))])))
    inside = np.ones(len(where), dtype=bool)
    if "high" in rows and "low" in rows:
        for name in ("open", "close"):
            if name in rows:
                inside &= ~((rows[name] > rows["high"] * (1 + 1e-6)) | (rows[name] < rows["low"] * (1 - 1e-6)))
    out = {name: frame.to_numpy().copy() for name, frame in grids.frames.items()}
    table = np.column_stack(list(rows.values()))
    equal = ((table == table[where]) | (np.isnan(table) & np.isnan(table[where]))).all(
        axis=1
    )  # to the first of its cell
    doubtful = np.unique(where[cannot | ~inside | ~equal])
    order = np.argsort(where, kind="stable")
    starts = np.searchsorted(where[order], np.arange(len(cells) + 1))
    for position in doubtful:
        candidates = order[starts[position] : starts[position + 1]]
        candidates = candidates[~cannot[candidates]]
        if inside[candidates].any():
            candidates = candidates[inside[candidates]]
        values = table[candidates]
        same = len(values) > 0 and bool(((values == values[0]) | (np.isnan(values) & np.isnan(values[0]))).all())
        at = np.unravel_index(cells[position], next(iter(out.values())).shape)
        for number, name in enumerate(rows):
            out[name][at] = values[0][number] if same else np.nan
    template = next(iter(grids.frames.values()))
    frames = {
        name: pd.DataFrame(grid, index=template.index, columns=template.columns, copy=False)
        for name, grid in out.items()
    }
    hidden = []
    for check, mask in bad.items():
        later = np.flatnonzero(mask[len(cells) :])
        if len(later):
            grid = np.zeros(template.shape, dtype=bool)
            grid.ravel()[repeats.cells[later]] = True
            hidden.append(
                finding_at(f"{check} in a duplicate row", "error", grid, template, "mend the file, or --repair drop")
            )
    return frames, hidden


def _dropped(raw: RawPrices) -> tuple[RawPrices, tuple[QualityFinding, ...]]:
    """The prices without what cannot be; the errors become warnings that say what was dropped."""
    frames = raw.settled if raw.settled is not None else raw.frames
    masks = impossible_bars({name: frame.to_numpy() for name, frame in frames.items()})
    bars = [finding for finding in check_prices(frames).findings if finding.check in masks]
    if masks:
        bad = np.logical_or.reduce(list(masks.values()))
        frames = {name: frame.mask(bad) for name, frame in frames.items()}
    found = tuple(
        replace(finding, check=f"dropped by repair: {finding.check}", severity="warning")
        if finding.severity == "error" or finding.check in masks
        else finding
        for finding in (*raw.findings, *bars)
    )
    return replace(raw, frames=frames, settled=None), found


def _errors_first(findings: tuple[QualityFinding, ...]) -> tuple[QualityFinding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.severity != "error"))
