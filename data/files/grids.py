"""(T, N) arrays from the rows of a table, long or wide, and what was wrong with the rows.

A long table is encoded axis by axis (Arrow dictionaries) and each value column goes into its grid in one pass: as it
stands where the rows are complete and in order, else by one scatter. Nothing is pivoted or sorted. A large file whose
rows are in order is read a part at a time (`assay.data.files.in_parts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.files.columns import asset_codes, date_codes, floats
from assay.data.files.in_parts import read_ordered
from assay.data.files.layouts import Layout
from assay.data.files.options import ReadOptions
from assay.data.files.sources import Source
from assay.data.quality import QualityFinding

__all__ = ["Grids", "read_grids"]

#: A grid of more cells than this, and of which fewer than one in fifty has a row, is a mistake.
_MOST_CELLS = 50_000_000


@dataclass(frozen=True, eq=False)
class Repeats:
    """Rows of a long table beyond the first of their (date, asset).

    Parameters
    ----------
    cells : (rows,) their cell, row-major.
    values : field to (rows,) values.

    """

    cells: np.ndarray
    values: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Grids:
    """What a table holds, axis by axis.

    Parameters
    ----------
    frames : field to (T, N) frame, sessions and assets sorted, NaN where there is no row; of rows that stand twice,
        the first.
    findings : missing keys and duplicates (errors), times of day and disorder (warnings).
    repeats : the rows that stand there again, if any.

    """

    frames: dict[str, pd.DataFrame]
    findings: list[QualityFinding]
    repeats: Repeats | None = None


def read_grids(source: Source, layout: Layout, options: ReadOptions) -> Grids:
    """The (T, N) frames of a table, as its layout says.

    Raises
    ------
    InputError
        If the columns do not hold dates and numbers, or no row has a date and an asset.

    """
    return _wide(source, layout, options) if layout.cells else _long(source, layout, options)


def _long(source: Source, layout: Layout, options: ReadOptions) -> Grids:
    date, asset, fields = layout.date, layout.asset, layout.columns
    if asset is not None:
        ordered = read_ordered(source, date, asset, fields, options, most=_MOST_CELLS)
        if ordered is not None:
            return Grids(ordered.frames, _time_of_day(ordered.timed))
    texts = [date] if asset is None else [date, asset]
    numbers = [name for name in dict.fromkeys(fields.values()) if name not in texts]
    table = source.read(texts=texts, numbers=numbers)
    days, timed = date_codes(table, date, source, options)
    if asset is None:
        assets, columns = pd.Index([source.stem], name="asset", dtype="str"), np.zeros(table.num_rows, dtype=np.int32)
    else:
        axis = asset_codes(table, asset, source)
        assets, columns = axis.labels, axis.codes
    rows, findings = days.codes, _time_of_day(timed)
    T, N = len(days.labels), len(assets)
    keep = slice(None)
    if rows.min() < 0 or columns.min() < 0:
        findings.append(_missing_keys(rows, columns))
        keep = np.flatnonzero((rows >= 0) & (columns >= 0))  # type: ignore[assignment]
        rows, columns = rows[keep], columns[keep]
    if T == 0 or N == 0 or len(rows) == 0:
        raise InputError(f"{source.label}: no row has both a date and an asset")
    if max(_MOST_CELLS, 50 * table.num_rows) < T * N:
        raise InputError(
            f"{source.label}: {table.num_rows:,} rows for {T:,} sessions x {N:,} assets; "
            f"does {asset or date!r} hold the assets?"
        )
    flat = np.multiply(rows, N, dtype=np.int64)
    flat += columns
    repeats: np.ndarray | None = None
    first: np.ndarray | slice = slice(None)
    # By date, then asset, or the other way round: nothing stands twice or out of order.
    by_date = bool((flat[1:] > flat[:-1]).all())
    by_asset = not by_date and _ascending(columns, rows, T)
    if not (by_date or by_asset):
        findings += _order(rows, columns, days.labels, assets)
        seen = np.zeros(T * N, dtype=bool)
        seen[flat] = True
        if int(np.count_nonzero(seen)) < len(flat):
            _, unique = np.unique(flat, return_index=True)
            first = np.sort(unique)
            repeats = np.delete(np.arange(len(flat)), first)
            findings.append(_duplicates(flat[repeats], days.labels, assets))
    whole = len(flat) == T * N and (by_date or by_asset)
    frames: dict[str, pd.DataFrame] = {}
    again: dict[str, np.ndarray] = {}
    for field, column in fields.items():
        values = floats(table, column, source, options)[keep]
        if whole and by_asset:
            grid = np.ascontiguousarray(values.reshape(N, T).T)
        elif whole:
            grid = values.copy() if source.shared else values
        else:
            grid = np.full(T * N, np.nan)
            grid[flat[first]] = values[first]
        if repeats is not None:
            again[field] = values[repeats]
        frames[field] = pd.DataFrame(grid.reshape(T, N), index=days.labels, columns=assets, copy=False)
    return Grids(frames, findings, None if repeats is None else Repeats(flat[repeats], again))


def _ascending(columns: np.ndarray, rows: np.ndarray, T: int) -> bool:
    """Whether rows come asset after asset, each in order of date."""
    position = np.multiply(columns, T, dtype=np.int64)
    position += rows
    return bool((position[1:] > position[:-1]).all())


def _wide(source: Source, layout: Layout, options: ReadOptions) -> Grids:
    """Values from one column an asset (and field); a session that stands twice counts once a session."""
    names = [name for by_asset in layout.cells.values() for name in by_asset.values()]
    table = source.read(texts=[layout.date], numbers=names)
    days, timed = date_codes(table, layout.date, source, options)
    findings = _time_of_day(timed)
    keep = days.codes >= 0
    nobody = np.zeros(len(keep), dtype=np.int64)
    if not keep.all():
        findings.append(_missing_keys(days.codes, nobody))
    if len(days.labels) == 0:
        raise InputError(f"{source.label}: no row has a date")
    findings += _order(days.codes[keep], nobody[keep], days.labels, pd.Index(["all assets"]))
    _, first = np.unique(days.codes, return_index=True)
    first = first[days.codes[first] >= 0]
    repeats = None
    if len(first) < keep.sum():
        repeats = np.setdiff1d(np.flatnonzero(keep), first)
        findings.append(_duplicates(days.codes[repeats], days.labels, pd.Index(["all assets"])))
    labels = sorted({asset for by_asset in layout.cells.values() for asset in by_asset})
    assets = pd.Index(labels, dtype="str", name="asset")
    if not assets.is_unique:
        raise InputError(f"{source.label}: two columns are asset {assets[assets.duplicated()][0]!r}; rename one")
    frames, again = {}, {}
    for field, by_asset in layout.cells.items():
        grid = np.full((len(first), len(labels)), np.nan)
        more = np.full((0 if repeats is None else len(repeats), len(labels)), np.nan)
        for column, asset in enumerate(labels):
            if asset in by_asset:
                values = floats(table, by_asset[asset], source, options)
                grid[:, column] = values[first]
                if repeats is not None:
                    more[:, column] = values[repeats]
        frames[field] = pd.DataFrame(grid, index=days.labels, columns=assets, copy=False)
        again[field] = more.ravel()
    if repeats is None:
        return Grids(frames, findings)
    cells = (days.codes[repeats].astype(np.int64)[:, None] * len(labels) + np.arange(len(labels))).ravel()
    return Grids(frames, findings, Repeats(cells, again))


def _missing_keys(rows: np.ndarray, columns: np.ndarray) -> QualityFinding:
    bad = np.flatnonzero((rows < 0) | (columns < 0))
    what = "date" if rows[bad[0]] < 0 else "asset"
    where = f"row {int(bad[0]) + 1} (no {what})"
    remedy = "fill it"
    return QualityFinding("row without a date or an asset", "error", len(bad), where, remedy)


def _duplicates(flat: np.ndarray, sessions: pd.DatetimeIndex | pd.Index, assets: pd.Index) -> QualityFinding:
    rows, columns = np.divmod(flat, len(assets))
    order = np.lexsort((columns, rows))
    at = order[0]
    where = f"{sessions[rows[at]].date()} {assets[columns[at]]!r}"
    places = (
        pd.DataFrame({"asset": assets[columns], "day": pd.DatetimeIndex(sessions[rows]).strftime("%Y-%m-%d")})
        .groupby("asset", sort=True)["day"]
        .agg(["size", "min", "max"])
        .reset_index()
        .set_axis(["asset", "count", "first", "last"], axis="columns")
    )
    remedy = "keep one row a session and asset"
    return QualityFinding("duplicate (date, asset) rows", "error", len(flat), where, remedy, places)


def _time_of_day(count: int) -> list[QualityFinding]:
    if not count:
        return []
    where, remedy = "in the date column", "write plain dates"
    return [QualityFinding("dates with a time of day, cut off", "warning", count, where, remedy)]


def _order(rows: np.ndarray, columns: np.ndarray, sessions: pd.Index, assets: pd.Index) -> list[QualityFinding]:
    """A warning if some asset's rows do not come in order of date."""
    falls = rows[1:] < rows[:-1]
    if not falls.any():
        return []
    changes = columns[1:] != columns[:-1]
    if int(np.count_nonzero(changes)) + 1 == len(assets):  # one block of rows an asset
        bad = np.flatnonzero(falls & ~changes)
        order = np.arange(len(rows))
    else:
        order = np.argsort(columns, kind="stable")
        same = columns[order][1:] == columns[order][:-1]
        bad = np.flatnonzero(same & (rows[order][1:] < rows[order][:-1]))
    if len(bad) == 0:
        return []
    at = int(order[bad[0] + 1])
    where = f"{sessions[rows[at]].date()} {assets[columns[at]]!r} (row {at + 1})"
    return [QualityFinding("rows not in order of date, sorted", "warning", len(bad), where, "sort the file by date")]
