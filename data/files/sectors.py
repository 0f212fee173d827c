"""The sector of each asset, from a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from assay.data.errors import DataQualityError
from assay.data.files.aliases import PRICES
from assay.data.files.columns import asset_codes
from assay.data.files.options import ReadOptions
from assay.data.files.readers import open_source

__all__ = ["load_sectors"]

_NAMES = {"asset": PRICES.fields["asset"], "sector": ("sector", "group", "industry")}


def load_sectors(path: str | Path, options: ReadOptions | None = None) -> pd.Series:
    """Asset → sector.

    Parameters
    ----------
    path : CSV or Parquet with a column of assets and one named sector, group or industry.
    options : how to read what the file does not say itself; ``columns`` may name asset and sector.

    Raises
    ------
    InputError
        If it has not these two columns.
    DataQualityError
        If an asset stands twice, or a row lacks its asset or sector.

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    column = source.field_columns(options, _NAMES, "sectors")
    table = source.read(texts=[column["asset"], column["sector"]], numbers=[])
    names, groups = asset_codes(table, column["asset"], source), asset_codes(table, column["sector"], source)
    for what, codes in (("asset", names.codes), ("sector", groups.codes)):
        if (codes < 0).any():
            raise DataQualityError(f"{source.label}: {int((codes < 0).sum())} rows without {what}; fill or drop them")
    index = pd.Index(names.labels[names.codes])
    if index.has_duplicates:
        raise DataQualityError(f"{source.label}: asset {index[index.duplicated()][0]!r} stands twice; keep one row")
    return pd.Series(list(groups.labels[groups.codes]), index, name="sector", dtype=object)
