"""(T, N) frames from the rows of a file, long or wide, and what was wrong with the rows.

A long table is encoded axis by axis (Arrow dictionaries) and each value column is scattered into its grid in one NumPy
assignment; nothing is pivoted or sorted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.files.columns import Source, asset_codes, date_codes, floats
from assay.data.quality import Finding

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_long", "read_wide"]

#: What pandas calls the row numbers that it writes beside a table.
_ROW_NUMBERS = ("", "Unnamed: 0", "__index_level_0__")
#: A grid of more cells than this, and of which fewer than one in fifty has a row, is a mistake.
_MOST_CELLS = 50_000_000


def read_long(
    source: Source, date: str, asset: str | None, fields: Mapping[str, str]
) -> tuple[dict[str, pd.DataFrame], list[Finding]]:
    """(T, N) frames by field from one row a session and asset; of rows that stand twice, the first.

    Parameters
    ----------
    source : the file.
    date, asset : its columns; no asset column means one asset, named after the file.
    fields : field to column.

    Returns
    -------
    frames : dict
        Field to frame, sessions and assets sorted, NaN where there is no row.
    findings : list of Finding
        Missing keys and duplicates (errors), times of day and disorder (warnings).

    Raises
    ------
    InputError
        If the columns do not hold dates and numbers, or no row has a date and an asset.

    """
    texts = [date] if asset is None else [date, asset]
    table = source.read(texts=texts, numbers=list(fields.values()))
    days, timed = date_codes(table, date, source.path)
    if asset is None:
        assets, columns = pd.Index([source.path.stem], name="asset"), np.zeros(table.num_rows, dtype=np.int64)
    else:
        axis = asset_codes(table, asset)
        assets, columns = axis.labels, axis.codes
    findings = _time_of_day(timed)
    keep = (days.codes >= 0) & (columns >= 0)
    if not keep.all():
        findings.append(_missing_keys(days.codes, columns))
    if len(days.labels) == 0 or len(assets) == 0:
        raise InputError(f"{source.path}: no row has both a date and an asset")
    if len(days.labels) * len(assets) > max(_MOST_CELLS, 50 * table.num_rows):
        raise InputError(
            f"{source.path}: {table.num_rows:,} rows for {len(days.labels):,} sessions x {len(assets):,} assets; "
            f"does {asset or date!r} hold the assets?"
        )
    rows = days.codes
    flat = rows * len(assets) + columns
    if not keep.all():
        flat, rows, columns = flat[keep], rows[keep], columns[keep]
    findings += _order(rows, columns, days.labels, assets)
    seen = np.zeros(len(days.labels) * len(assets), dtype=bool)
    seen[flat] = True
    unique: np.ndarray | None = None
    if int(np.count_nonzero(seen)) < len(flat):
        _, first = np.unique(flat, return_index=True)
        unique = np.sort(first)
        findings.append(_duplicates(np.delete(flat, unique), days.labels, assets))
    frames = {}
    for field, column in fields.items():
        values = floats(table, column, source.path)
        values = values if keep.all() else values[keep]
        grid = np.full(len(seen), np.nan)
        grid[flat if unique is None else flat[unique]] = values if unique is None else values[unique]
        frames[field] = pd.DataFrame(grid.reshape(len(days.labels), -1), index=days.labels, columns=assets)
    return frames, findings


def read_wide(source: Source, date: str) -> tuple[pd.DataFrame, list[Finding]]:
    """(T, N) values, one column an asset, sorted by session and asset; of sessions that stand twice, the first.

    Findings and errors as in `read_long`; a duplicated session counts once.
    """
    names = [name for name in source.columns if name != date and name not in _ROW_NUMBERS]
    if not names:
        raise InputError(f"{source.path}: only a date column; expected a column for each asset")
    table: pa.Table = source.read(texts=[date], numbers=names)
    days, timed = date_codes(table, date, source.path)
    findings = _time_of_day(timed)
    keep = days.codes >= 0
    nobody = np.zeros(len(keep), dtype=np.int64)
    if not keep.all():
        findings.append(_missing_keys(days.codes, nobody))
    if len(days.labels) == 0:
        raise InputError(f"{source.path}: no row has a date")
    findings += _order(days.codes[keep], nobody[keep], days.labels, pd.Index(["all assets"]))
    _, first = np.unique(days.codes, return_index=True)
    first = first[days.codes[first] >= 0]
    if len(first) < keep.sum():
        again = np.setdiff1d(np.flatnonzero(keep), first)
        findings.append(_duplicates(days.codes[again], days.labels, pd.Index(["all assets"])))
    names = sorted(names)
    values = np.column_stack([floats(table, name, source.path)[first] for name in names])
    assets = pd.Index([name.strip() for name in names], dtype="str", name="asset")
    return pd.DataFrame(values, index=days.labels, columns=assets), findings


def _missing_keys(rows: np.ndarray, columns: np.ndarray) -> Finding:
    bad = np.flatnonzero((rows < 0) | (columns < 0))
    what = "date" if rows[bad[0]] < 0 else "asset"
    where = f"row {int(bad[0]) + 1} (no {what})"
    return Finding("row without a date or an asset", "error", len(bad), where, "fill it, or drop with --repair drop")


def _duplicates(flat: np.ndarray, sessions: pd.DatetimeIndex | pd.Index, assets: pd.Index) -> Finding:
    rows, columns = np.divmod(flat, len(assets))
    order = np.lexsort((columns, rows))
    at = order[0]
    where = f"{sessions[rows[at]].date()} {assets[columns[at]]!r}"
    places = (
        pd.DataFrame({"asset": assets[columns], "day": sessions[rows].strftime("%Y-%m-%d")})
        .groupby("asset", sort=True)["day"]
        .agg(["size", "min", "max"])
        .reset_index()
        .set_axis(["asset", "count", "first", "last"], axis="columns")
    )
    remedy = "keep one row a session and asset, or drop the later ones with --repair drop"
    return Finding("duplicate (date, asset) rows", "error", len(flat), where, remedy, places)


def _time_of_day(count: int) -> list[Finding]:
    if not count:
        return []
    return [Finding("dates with a time of day, cut off", "warning", count, "in the date column", "write plain dates")]


def _order(rows: np.ndarray, columns: np.ndarray, sessions: pd.Index, assets: pd.Index) -> list[Finding]:
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
    return [Finding("rows not in order of date, sorted", "warning", len(bad), where, "sort the file by date")]
