"""What was really filled, from a broker's file: a row a fill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import DataQualityError
from assay.data.files.columns import Codes, asset_codes, date_codes, floats
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
    "side": ("side", "action", "buysell"),
}
#: What brokers call the two sides, lower case without spaces and signs.
_SIDES = {
    **dict.fromkeys(("buy", "b", "bot", "bought", "buytoopen", "buytocover", "buytoclose", "cover"), 1.0),
    **dict.fromkeys(("sell", "s", "sld", "sold", "selltoopen", "selltoclose", "short", "sellshort"), -1.0),
}


def load_fills(path: str | Path | Any, *, options: ReadOptions | None = None) -> pd.DataFrame:
    """Fills of a broker.

    Parameters
    ----------
    path : CSV or Parquet with the columns session (or date), asset, shares (bought above 0, sold below), price and,
        where it is known, cost (commission, currency; at least 0). A column side (buy, sell) may give the sign.
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
        If a row lacks a date, an asset, shares or a price, or has what cannot be (a side that is none, or that the
        sign of the shares contradicts).

    Examples
    --------
    >>> rows = pd.DataFrame({"date": ["2024-01-03"], "asset": ["A"], "shares": [10], "price": [5.0]})
    >>> load_fills(rows)["shares"].tolist()
    [10.0]

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    found = source.field_columns(options, _NAMES, "fills", optional=("cost", "side"))
    numbers = [found[field] for field in ("shares", "price", "cost") if field in found]
    texts = [found[field] for field in ("session", "asset", "side") if field in found]
    table = source.read(texts=texts, numbers=numbers)
    days, _ = date_codes(table, found["session"], source, options)
    codes = asset_codes(table, found["asset"], source)
    values = {field: floats(table, found[field], source, options) for field in ("shares", "price", "cost")
              if field in found}  # fmt: skip
    shares, price = values["shares"], values["price"]
    side = np.where(np.isnan(shares), 0.0, np.sign(shares))
    if "side" in found:
        side = _signs(asset_codes(table, found["side"], source))
        shares = np.where((side < 0) & (shares > 0), -shares, shares)
    cost = values.get("cost", np.full(len(shares), np.nan))
    for bad, fault in (
        (days.codes < 0, "without a date"),
        (codes.codes < 0, "without an asset"),
        (np.isnan(side), "whose side is neither buy nor sell"),
        (~(np.isfinite(shares) & (shares != 0)), "whose shares are no number, or 0"),
        (~(np.isfinite(price) & (price > 0)), "whose price is no number above 0"),
        (side * shares < 0, "whose shares have the other sign than their side"),
        (cost < 0, "with a cost below 0; a rebate is no cost"),
    ):
        if bad.any():
            line = source.line_of(int(np.flatnonzero(bad)[0]))
            raise DataQualityError(f"{source.label}: {int(bad.sum())} rows {fault}, the first{line}")
    columns = (pd.DatetimeIndex(days.labels[days.codes]), codes.labels[codes.codes], shares, price, cost)
    return pd.DataFrame(dict(zip(FILL_COLUMNS, columns, strict=True)))


def _signs(sides: Codes) -> Floats:
    """1 for what was bought, -1 for what was sold, NaN for neither."""
    words = ("".join(filter(str.isalpha, str(label).lower())) for label in sides.labels)
    signs = np.array([*(_SIDES.get(word, np.nan) for word in words), np.nan])
    return np.asarray(signs[sides.codes])
