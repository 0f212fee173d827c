"""One return series from a file: a benchmark's returns, or its prices made into returns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from assay.data.errors import DataQualityError, InputError
from assay.data.files.columns import DATE_NAMES, Source, match_columns, plain
from assay.data.files.grids import read_wide
from assay.data.files.predictions import refuse_infinite
from assay.data.files.prices import _PRICES
from assay.data.quality import QualityReport

__all__ = ["load_returns"]


def load_returns(path: str | Path) -> pd.Series:
    """One return series: a date column and one column of daily returns (decimals), or of prices.

    The other column's name decides: a price name (close, Adj Close, price …) makes returns of it, anything else is
    taken as returns.

    Raises
    ------
    InputError
        If there is not exactly one series in the file.
    DataQualityError
        On duplicated sessions, infinite values, or returns below -100% (percent instead of decimals?).

    """
    source = Source.open(path)
    columns = match_columns(source, {"date": DATE_NAMES})
    if "date" not in columns:
        raise InputError(f"{source.path}: no date column among {', '.join(source.columns[:8])}; name one 'date'")
    frame, findings = read_wide(source, columns["date"])
    QualityReport(str(source.path), tuple(findings)).raise_for_errors()
    prices = [name for field in ("adjusted_close", "close") for name in frame if plain(str(name)) in _PRICES[field]]
    if len(frame.columns) > 1 and not prices:
        raise InputError(f"{source.path}: {len(frame.columns)} series; expected a date and one column of returns")
    column = prices[0] if prices else frame.columns[0]
    refuse_infinite(source.path, str(column), frame[[column]])
    series = frame[column].dropna()
    if prices:
        if (series <= 0).any():
            at = series.index[series <= 0][0].date()
            raise DataQualityError(f"{source.path}: column {column!r}: price not positive, first {at}; mend the file")
        series = (series / series.shift(1) - 1.0).iloc[1:]
    elif (series < -1.0).any():
        at = series.index[series < -1.0][0].date()
        raise DataQualityError(f"{source.path}: column {column!r}: a return below -100% at {at}; percent? use decimals")
    if series.empty:
        raise InputError(f"{source.path}: column {column!r} holds no return; expected at least one")
    return series.rename(source.path.stem)
