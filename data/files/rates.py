"""Rates by asset, by date or by both, from a file: costs, borrow fees, what cash earns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError, InputError
from assay.data.files.aliases import PRICES
from assay.data.files.columns import asset_codes, date_codes, floats
from assay.data.files.options import ReadOptions
from assay.data.files.readers import open_source
from assay.data.files.sources import plain

__all__ = ["load_rates"]

#: The stamp of a rate that has no date: it holds from the beginning.
_ALWAYS = pd.Timestamp("1700-01-01")


def load_rates(
    path: str | Path, fields: Sequence[str], options: ReadOptions | None = None, kind: str = "costs"
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.Series]]:
    """A table with a column of assets, of dates or both, and a column for some of `fields`.

    Parameters
    ----------
    path : CSV or Parquet.
    fields : the columns it may have beside asset and date, by their own names.
    options : how to read what the file does not say itself; ``columns`` may name asset, date and `fields`.
    kind : of file, for messages.

    Returns
    -------
    by_asset : field → (stamps, assets), where the file names assets; NaN where it has no row or the cell is empty.
    by_session : field → (stamps,), where it names none.

    Raises
    ------
    InputError
        If it has neither assets nor dates, none of `fields`, another column beside them, or a cell that is no number.
    DataQualityError
        If an asset has two rows on one date, or a row lacks its asset or date.

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    chosen = source.own_columns(options, ("asset", "date", *fields), kind)
    columns: dict[str, str] = {}
    for key in ("asset", "date"):
        found = [name for name in source.columns if plain(name) in PRICES.fields[key] and name not in chosen.values()]
        columns |= {key: chosen[key]} if key in chosen else {key: found[0]} if found else {}
    known = {name: field for field, name in chosen.items() if field in fields}
    rest = [name for name in source.columns if name not in columns.values()]
    plains = {plain(field): field for field in fields if field not in chosen}
    known = {name: plains[plain(name)] for name in rest if plain(name) in plains} | known
    strangers = [name for name in rest if name not in known]
    if strangers or not rest:
        fault = f"column {strangers[0]!r} is none of" if strangers else "no column of"
        raise InputError(f"{source.label}: {fault} asset, date, {', '.join(fields)}")
    if not columns:
        raise InputError(f"{source.label}: neither a column of assets nor of dates; name one 'asset' or 'date'")
    table = source.read(texts=list(columns.values()), numbers=rest)
    days, row = pd.DatetimeIndex([_ALWAYS]), np.zeros(table.num_rows, dtype=np.intp)
    if "date" in columns:
        codes, _ = date_codes(table, columns["date"], source, options)
        days, row = pd.DatetimeIndex(codes.labels), codes.codes
    assets, column = pd.Index([""]), np.zeros(table.num_rows, dtype=np.intp)
    if "asset" in columns:
        names = asset_codes(table, columns["asset"], source)
        assets, column = names.labels, names.codes
    for name, places in (("date", row), ("asset", column)):
        if (places < 0).any():
            line = source.line_of(int(np.flatnonzero(places < 0)[0]))
            raise DataQualityError(f"{source.label}: {int((places < 0).sum())} rows without {name}, the first{line}")
    cell = row * len(assets) + column
    twice = pd.Series(cell).duplicated()
    if twice.any():
        where = int(np.flatnonzero(twice)[0])
        at = f"{assets[column[where]]!r}" + (f" {days[row[where]].date()}" if "date" in columns else "")
        raise DataQualityError(f"{source.label}: {int(twice.sum())} rows stand twice, first {at}; keep one")
    frames = {}
    for name in rest:
        grid = np.full((len(days), len(assets)), np.nan)
        grid[row, column] = floats(table, name, source, options)
        frames[known[name]] = pd.DataFrame(grid, days, assets)
    if "asset" in columns:
        return frames, {}
    return {}, {name: frame[""] for name, frame in frames.items()}
