"""What is held, from a file: shares by asset, and cash."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError
from assay.data.files.aliases import PRICES
from assay.data.files.columns import asset_codes, floats
from assay.data.files.options import ReadOptions
from assay.data.files.readers import open_source

__all__ = ["CASH", "load_holdings"]

#: The row whose "shares" are currency.
CASH = "cash"


def load_holdings(path: str | Path, options: ReadOptions | None = None) -> tuple[pd.Series, float | None]:
    """Shares held by asset, and the currency beside them.

    Parameters
    ----------
    path : CSV or Parquet with the columns asset and shares; a row of the asset ``cash``, in lower case, is currency.
        Shares below 0 are short.
    options : how to read what the file does not say itself; ``columns`` may name asset and shares.

    Returns
    -------
    shares : asset → shares.
    cash : currency, or None where there is no such row.

    Raises
    ------
    InputError
        If it cannot be read as that, or a number is missing or infinite.
    DataQualityError
        If an asset stands twice, or a row has none.

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    named = source.field_columns(options, {"asset": PRICES.fields["asset"], "shares": ("shares",)}, "holdings")
    table = source.read(texts=[named["asset"]], numbers=[named["shares"]])
    codes = asset_codes(table, named["asset"], source)
    values = floats(table, named["shares"], source, options)
    for bad, fault in ((codes.codes < 0, "without an asset"), (~np.isfinite(values), "whose shares are no number")):
        if bad.any():
            line = source.line_of(int(np.flatnonzero(bad)[0]))
            raise DataQualityError(f"{source.label}: {int(bad.sum())} rows {fault}, the first{line}")
    names = pd.Index(codes.labels[codes.codes])
    if names.has_duplicates:
        raise DataQualityError(f"{source.label}: asset {names[names.duplicated()][0]!r} stands twice; keep one row")
    shares = pd.Series(values, names, name="shares")
    return shares.drop(index=CASH, errors="ignore"), float(shares[CASH]) if CASH in names else None
