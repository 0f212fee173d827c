"""The sector of each asset, from a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from assay.data.errors import DataQualityError, InputError
from assay.data.files.aliases import PRICES
from assay.data.files.columns import asset_codes
from assay.data.files.options import ReadOptions
from assay.data.files.readers import open_source
from assay.data.files.sources import plain

__all__ = ["load_sectors"]

_NAMES = ("sector", "group", "industry")


def load_sectors(path: str | Path) -> pd.Series:
    """Asset → sector.

    Parameters
    ----------
    path : CSV or Parquet with a column of assets and one named sector, group or industry.

    Raises
    ------
    InputError
        If it has not these two columns.
    DataQualityError
        If an asset stands twice, or a row lacks its asset or sector.

    """
    source = open_source(path, ReadOptions())
    assets = [name for name in source.columns if plain(name) in PRICES.fields["asset"]]
    sectors = [name for name in source.columns if plain(name) in _NAMES]
    if len(assets) != 1 or len(sectors) != 1:
        raise InputError(f"{source.label}: expected the columns asset and sector, got {', '.join(source.columns)}")
    table = source.read(texts=[assets[0], sectors[0]], numbers=[])
    names, groups = asset_codes(table, assets[0], source), asset_codes(table, sectors[0], source)
    for what, codes in (("asset", names.codes), ("sector", groups.codes)):
        if (codes < 0).any():
            raise DataQualityError(f"{source.label}: {int((codes < 0).sum())} rows without {what}; fill or drop them")
    index = pd.Index(names.labels[names.codes])
    if index.has_duplicates:
        raise DataQualityError(f"{source.label}: asset {index[index.duplicated()][0]!r} stands twice; keep one row")
    return pd.Series(list(groups.labels[groups.codes]), index, name="sector", dtype=object)
