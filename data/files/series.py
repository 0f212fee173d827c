"""One return series from a file or frame: a benchmark's returns, or its prices made into returns."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assay.data.errors import DataQualityError, InputError
from assay.data.files.aliases import PRICES
from assay.data.files.columns import asset_codes, date_codes, floats
from assay.data.files.grids import read_grids
from assay.data.files.layouts import Layout, recognise
from assay.data.files.options import ReadOptions
from assay.data.files.predictions import refuse_infinite
from assay.data.files.readers import open_source
from assay.data.files.sources import Source, plain
from assay.data.quality import QualityReport
from assay.data.returns import no_returns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["load_factors", "load_returns", "numeric_columns"]

#: Columns of these names are returns although they stand beside prices.
_RETURNS = ("ret", "return", "returns", "dailyreturn", "dailyreturns", "pctchange")
#: Returns of factors of which half are larger than this are percent.
_PERCENT = 0.1
#: What Fama and French call the market's return over the rate.
_MARKET = "Mkt-RF"


def load_returns(data: Any, *, options: ReadOptions | None = None) -> pd.Series:
    """One return series: a date column and one column of daily returns (decimals), or of prices.

    A price name (close, Adj Close, price …) makes returns of the column, any other is taken as returns. The bars of
    one asset, in any layout that `load_prices` reads, are prices.

    Parameters
    ----------
    data : a file or frame, as in `load_prices`.
    options : how to read what the file does not say itself; a column named as ``close`` is prices.

    Raises
    ------
    InputError
        If there is not exactly one series.
    DataQualityError
        On duplicated sessions, infinite values, returns below -100%, or half of them beyond ±50%: percent, or prices.

    Examples
    --------
    >>> table = pd.DataFrame({"date": ["2024-01-02", "2024-01-03"], "fund": [0.01, -0.02]})
    >>> load_returns(table).tolist()
    [0.01, -0.02]

    """
    options = options or ReadOptions()
    source = open_source(data, options)
    columns = [name for name in source.columns if plain(name) in _RETURNS]
    if len(columns) == 1 and source.depth == 1 and "close" not in options.columns:
        layout = recognise(source, PRICES, ReadOptions({}, "wide"))
        layout = Layout("wide", options.columns.get("date", layout.date), cells={"returns": {columns[0]: columns[0]}})
    else:
        layout = recognise(source, PRICES, options)
        if layout.kind == "wide":
            layout = Layout("wide", layout.date, cells={"returns": layout.cells["close"]})
    grids = read_grids(source, layout, options)
    QualityReport(source.label, tuple(grids.findings)).raise_for_errors()
    field = next(name for name in ("returns", "adjusted_close", "close") if name in grids.frames)
    frame = grids.frames[field]
    if len(frame.columns) > 1:
        raise InputError(f"{source.label}: {len(frame.columns)} series; expected a date and one column of returns")
    column = str(frame.columns[0])
    refuse_infinite(source, column, frame)
    series = frame.iloc[:, 0].dropna()
    if field != "returns":
        if (series <= 0).any():
            at = series.index[series <= 0][0].date()
            raise DataQualityError(f"{source.label}: column {column!r}: price not positive, first {at}; mend the file")
        series = (series / series.shift(1) - 1.0).iloc[1:]
    elif (reason := no_returns(series)) is not None:
        raise DataQualityError(
            f"{source.label}: column {column!r}: {reason}; percent? use decimals; prices? say --column close={column}"
        )
    if series.empty:
        raise InputError(f"{source.label}: column {column!r} holds no return; expected at least one")
    return series.rename(source.stem)


def load_factors(data: Any, *, options: ReadOptions | None = None) -> pd.DataFrame:
    """Returns of factors, a column each beside a column of dates, such as those of Fama and French.

    Their own files are recognised by the column ``Mkt-RF``: the lines before the header and after the rows of days are
    skipped, returns may be percent (half of a market's daily returns cannot be beyond ±10%), −99.99 is no return, and
    ``RF``, a rate, is no factor.

    Parameters
    ----------
    data : a file or frame, as in `load_prices`; decimals, stamped with the period's end.

    Returns
    -------
    DataFrame
        (T, F); sessions on which a factor has no return are kept as NaN.

    Raises
    ------
    InputError
        If there is no column beside the dates, or the values are percent.
    DataQualityError
        On duplicated sessions, infinite values, or returns below -100%.

    """
    options = replace(options or ReadOptions(), layout="wide")
    source = open_source(_days_of_french(data), options)
    source.own_columns(options, ("date",), "factors")
    found = recognise(source, PRICES, options)
    layout = Layout("wide", found.date, cells={"returns": found.cells["close"]})
    grids = read_grids(source, layout, options)
    QualityReport(source.label, tuple(grids.findings)).raise_for_errors()
    frame = _of_french(grids.frames["returns"])
    for name in map(str, frame.columns):
        refuse_infinite(source, name, frame[[name]])
        series = frame[name].dropna()
        if (series < -1.0).any() or (len(series) and float(np.median(np.abs(series))) > _PERCENT):
            raise InputError(f"{source.label}: column {name!r}: percent? returns of factors are decimals")
        if not len(series):
            raise InputError(f"{source.label}: column {name!r} holds no return; expected at least one")
    return frame


def _days_of_french(data: Any) -> Any:
    """The rows of days of a file from French's library, which begins with prose and ends with more; else `data`."""
    if not isinstance(data, (str, Path)) or Path(data).suffix.lower() not in (".csv", ".txt"):
        return data
    try:
        lines = Path(data).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return data  # what is wrong with it is said by who opens it
    at = next((place for place, line in enumerate(lines[:40]) if line.startswith(",") and _MARKET in line), None)
    if at is None:
        return data
    rows = [line for line in lines[at + 1 :] if re.match(r"\s*\d{8}\s*,", line)]
    table = pd.read_csv(io.StringIO("\n".join(["date" + lines[at], *rows])), skipinitialspace=True)
    table["date"] = pd.to_datetime(table["date"].astype(str), format="%Y%m%d")
    return table.rename(columns=str.strip)


def _of_french(frame: pd.DataFrame) -> pd.DataFrame:
    """The factors of Fama and French as decimals and without the rate; other factors as they are."""
    if _MARKET not in frame:
        return frame
    known = frame.drop(columns="RF", errors="ignore")
    known = known.where(~known.isin([-99.99, -999.0]))
    return known / 100 if float(known[_MARKET].abs().median()) > _PERCENT else known


def numeric_columns(
    data: Any, *, options: ReadOptions | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray | None, np.ndarray | None]:
    """Every column of numbers of a table, row by row as it stands, its dates, and these as they are written.

    Parameters
    ----------
    data : a file or frame with a header, as in `load_prices`.
    options : how to read what it does not say itself; ``columns`` may name the date.

    Returns
    -------
    columns : name → (rows,) float64, NaN where empty; columns of text are left out where others hold numbers.
    dates : (rows,) datetime64[D], or None where no column is called like a date and none is a nameless index of dates.
    stamps : (rows,) the same with their time of day, as text or as the table holds them, or None.

    Raises
    ------
    InputError
        If it cannot be read, holds no number, or a date is none or may be two.

    """
    import pyarrow.types as types

    options = options or ReadOptions()
    source = open_source(data, options)
    own = source.own_columns(options, ("date",), "returns")
    named = [name for name in source.columns if plain(name) in PRICES.fields["date"]]
    table = source.read(texts=list(source.columns))
    edge = source.columns[0 if source.columns[0] in _NAMELESS else -1]
    nameless = edge in _NAMELESS and (types.is_temporal(table[edge].type) or _is_dates(table, edge, source, options))
    date = own.get("date") or next(iter(named), edge if nameless else None)
    dates = stamps = None
    if date is not None:
        axis, _ = date_codes(table, date, source, options)
        dates = np.append(axis.labels.to_numpy().astype("datetime64[D]"), np.datetime64("NaT"))[axis.codes]
        stamps = np.array(table[date].to_pylist(), dtype=object)
    columns: dict[str, np.ndarray] = {}
    fault: InputError | None = None
    for name in source.columns:
        if name == date or name in _NAMELESS:
            continue
        try:
            columns[name] = floats(source.read(numbers=[name]), name, source, options)
        except InputError as error:
            fault = fault or error
    if not columns:
        raise fault or InputError(f"{source.label}: no column of numbers; expected returns in decimals")
    return columns, dates, stamps


#: What an index without a name is called in a file.
_NAMELESS = ("", "Unnamed: 0", "__index_level_0__")


def _is_dates(table: pa.Table, name: str, source: Source, options: ReadOptions) -> bool:
    try:
        date_codes(table, name, source, options)
    except InputError:
        return False
    return True


def load_regimes(path: Any, *, options: ReadOptions | None = None) -> pd.Series:
    """Session → the regime that begins on it, from a file with a column of dates and one named regime.

    Parameters
    ----------
    path : a file or frame, as in `load_prices`.
    options : how to read what the file does not say itself; ``columns`` may name date and regime.

    Raises
    ------
    InputError
        If it has not these columns, or a date cannot be read.
    DataQualityError
        If a session stands twice, or a row has no date or regime.

    """
    options = options or ReadOptions()
    source = open_source(path, options)
    named = source.field_columns(options, {"date": PRICES.fields["date"], "regime": ("regime",)}, "regimes")
    table = source.read(texts=[named["date"], named["regime"]], numbers=[])
    days, _ = date_codes(table, named["date"], source, options)
    kinds = asset_codes(table, named["regime"], source)
    if (days.codes < 0).any() or (kinds.codes < 0).any():
        raise DataQualityError(f"{source.label}: rows without a date or a regime; fill or drop them")
    index = pd.DatetimeIndex(days.labels)[days.codes]
    if index.has_duplicates:
        raise DataQualityError(f"{source.label}: {index[index.duplicated()][0].date()} stands twice; keep one row")
    return pd.Series(list(kinds.labels[kinds.codes]), index, name="regime", dtype=object).sort_index()
