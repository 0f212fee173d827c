"""What was really filled, from a broker's file: a row a fill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError
from assay.data.files.columns import asset_codes, date_codes, floats
from assay.data.files.options import ReadOptions
from assay.data.files.readers import open_source

__all__ = ["FILL_COLUMNS", "load_fills"]

#: What a fill is; shares are signed, cost is the commission paid, in currency.
FILL_COLUMNS = ("session", "asset", "shares", "price", "cost")
_NAMES = {
    "session": ("session", "date", "tradedate"),
    "asset": ("asset", "ticker", "symbol"),
    "shares": ("shares", "quantity", "qty"),
    "price": ("price", "fillprice"),
    "cost": ("cost", "commission", "fee", "fees"),
}


def load_fills(path: str | Path | Any, *, options: ReadOptions | None = None) -> pd.DataFrame:
    """Fills of a broker.

    Parameters
    ----------
    path : CSV or Parquet with the columns session (or date), asset, shares (bought above 0, sold below), price and,
        where it is known, cost (commission, currency; at least 0).
    options : how to read what the file does not say itself; ``columns`` may name these fields.

    Returns
    -------
    DataFrame
        columns `FILL_COLUMNS`, in the order of the file; an unknown cost is NaN.

    Raises
    ------
    InputError
        If a column is missing.
    DataQualityError
        If a row lacks a date, an asset, shares or a price, or has what cannot be.

    Examples
    --------
    >>> rows = pd.DataFrame({"date": ["2024-01-03"], "asset": ["A"], "shares": [10], "price": [5.0]})
    >>> load_fills(rows)["shares"].tolist()
    [10.0]

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    found = source.field_columns(options, _NAMES, "fills", optional=("cost",))
    numbers = [found[field] for field in ("shares", "price", "cost") if field in found]
    table = source.read(texts=[found["session"], found["asset"]], numbers=numbers)
    days, _ = date_codes(table, found["session"], source, options)
    codes = asset_codes(table, found["asset"], source)
    values = {field: floats(table, found[field], source, options) for field in ("shares", "price", "cost")
              if field in found}  # fmt: skip
    shares, price = values["shares"], values["price"]
    cost = values.get("cost", np.full(len(shares), np.nan))
    for bad, fault in (
        (days.codes < 0, "without a date"),
        (codes.codes < 0, "without an asset"),
        (~(np.isfinite(shares) & (shares != 0)), "whose shares are no number, or 0"),
        (~(np.isfinite(price) & (price > 0)), "whose price is no number above 0"),
        (cost < 0, "with a cost below 0; a rebate is no cost"),
    ):
        if bad.any():
            line = source.line_of(int(np.flatnonzero(bad)[0]))
            raise DataQualityError(f"{source.label}: {int(bad.sum())} rows {fault}, the first{line}")
    columns = (pd.DatetimeIndex(days.labels[days.codes]), codes.labels[codes.codes], shares, price, cost)
    return pd.DataFrame(dict(zip(FILL_COLUMNS, columns, strict=True)))
