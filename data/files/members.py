"""Memberships of a universe, and what delistings paid, from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError, InputError
from assay.data.files.aliases import PRICES
from assay.data.files.columns import asset_codes, date_codes, floats
from assay.data.files.options import ReadOptions
from assay.data.files.readers import open_source

__all__ = ["load_delisting_returns", "load_members"]

_MEMBERS = {
    "asset": PRICES.fields["asset"],
    "from": ("from", "start", "datefrom", "added"),
    "to": ("to", "end", "dateto", "thru", "removed"),
}
_DELISTINGS = {"asset": PRICES.fields["asset"], "return": ("return", "delistingreturn", "dlret", "ret")}


def load_members(path: str | Path, options: ReadOptions | None = None) -> pd.DataFrame:
    """A row a spell of membership: asset, from and to, the last session on which it is a member (NaT = still one).

    Parameters
    ----------
    path : CSV or Parquet with these columns; an empty ``to`` is a spell that has not ended.
    options : how to read what the file does not say itself; ``columns`` may name asset, from and to.

    Raises
    ------
    InputError
        If it has not these columns, or a date cannot be read.
    DataQualityError
        If a row lacks its asset or ``from``, or a spell ends before it begins.

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    named = source.field_columns(options, _MEMBERS, "members")
    table = source.read(texts=list(named.values()), numbers=[])
    assets = asset_codes(table, named["asset"], source)
    columns: dict[str, pd.Series] = {}
    for name in ("from", "to"):
        codes, _ = date_codes(table, named[name], source, options)
        dates = pd.DatetimeIndex(codes.labels)
        columns[name] = pd.Series(pd.NaT, range(len(codes.codes)), dtype="datetime64[ns]")
        known = codes.codes >= 0
        columns[name][known] = dates[codes.codes[known]].to_numpy()
    for what, bad in (("asset", assets.codes < 0), ("from", columns["from"].isna().to_numpy())):
        if bad.any():
            line = source.line_of(int(np.flatnonzero(bad)[0]))
            raise DataQualityError(f"{source.label}: {int(bad.sum())} rows without {what}, the first{line}")
    spells = pd.DataFrame({"asset": list(assets.labels[assets.codes]), **columns})
    backwards = spells[spells["to"] < spells["from"]]
    if len(backwards):
        first = backwards.iloc[0]
        raise DataQualityError(
            f"{source.label}: {first['asset']!r} leaves on {first['to'].date()}, before it joins on "
            f"{first['from'].date()}; mend the row"
        )
    return spells


def load_delisting_returns(path: str | Path, options: ReadOptions | None = None) -> pd.Series:
    """Asset → what a holder was paid after the last close, as a return; −1 is nothing.

    Parameters
    ----------
    path : CSV or Parquet with the columns asset and return.
    options : how to read what the file does not say itself; ``columns`` may name asset and return.

    Raises
    ------
    InputError
        If it has not these columns, or a return is no number, below −1 or not finite.
    DataQualityError
        If an asset stands twice, or a row has none.

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    named = source.field_columns(options, _DELISTINGS, "delisting_returns")
    table = source.read(texts=[named["asset"]], numbers=[named["return"]])
    codes, values = asset_codes(table, named["asset"], source), floats(table, named["return"], source, options)
    bad = ~np.isfinite(values) | (values < -1)
    if bad.any() or (codes.codes < 0).any():
        row = int(np.flatnonzero(bad | (codes.codes < 0))[0])
        line = source.line_of(row)
        raise InputError(f"{source.label}: rows without an asset, or a return of at least −1, the first{line}")
    names = pd.Index(codes.labels[codes.codes])
    if names.has_duplicates:
        raise DataQualityError(f"{source.label}: asset {names[names.duplicated()][0]!r} stands twice; keep one row")
    return pd.Series(values, names, name="return")
