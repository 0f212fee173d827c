"""Reading what figures are recomputed from: a series of returns or profits, closed trades, weights, or fills."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assay.audit.claims.located import read_text
from assay.audit.recompute.conventions import Material
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from assay.data.files.series import numeric_columns

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PricePanel
    from assay.engine.marked import MarkedBook

__all__ = ["material_of_returns", "with_fills", "with_positions"]

#: What a column may be called.
_NAMES = {
    "net": ("net", "returns", "return", "strategy", "portfolio", "ret", "pnl", "daily_return", "net_return",
            "portfolio_return"),
    "gross": ("gross", "gross_return", "gross_returns"),
    "benchmark": ("benchmark", "market", "index", "benchmark_return"),
    "unscaled": ("unscaled", "raw", "shadow", "before_overlays", "unscaled_return"),
}  # fmt: skip
#: Days from one date to the next, from and to, and how many of those make a year.
_SPACING = ((5, 10, 52), (26, 33, 12), (85, 95, 4), (360, 370, 1))
#: Name → (rows,) numbers, and (rows,) dates or None.
Columns = tuple[dict[str, Floats], np.ndarray | None]
_KINDS = {"pnl": "daily profits", "trades": "returns of trades", "trade-pnl": "profits of trades"}
#: Fewest returns that a figure is recomputed from.
FEWEST = 5


def material_of_returns(
    path: Path | str, risk_free: float | None = None, *, kind: str = "returns", column: str | None = None,
    capital: float | None = None, options: ReadOptions | None = None,
) -> Material:  # fmt: skip
    """Read a series of simple returns a session, of daily profits in money, or of closed trades.

    Parameters
    ----------
    path : a table of any kind that prices may be, TXT or JSON. One column of returns in decimals, or the columns
        ``net``, ``gross``, ``benchmark``, ``unscaled`` (before a volatility target); a column of dates is used where
        there is one. A text file may hold one number a line, a JSON file a list of numbers. Rows before the first value
        are left out.
    risk_free : annual rate the report states.
    kind : ``"returns"`` a session; ``"pnl"``, profits a session in money, read over the starting and over the running
        capital; ``"trades"`` and ``"trade-pnl"``, a return or a profit a closed trade.
    column : the column to read where several could be meant.
    capital : money at the start; needed for ``"pnl"``.
    options : how to read what a table does not say itself.

    Raises
    ------
    InputError
        If there is no series, a value is missing or below -100%, or fewer than 5 returns are left.

    """
    path = Path(path)
    columns, dates = _read(path, options or ReadOptions())
    if column is not None and column not in columns:
        raise InputError(f"{path}: no column {column!r}; columns of numbers: {', '.join(list(columns)[:12])}")
    columns = columns if column is None else {column: columns[column]}
    known = np.array([np.isfinite(values) for values in columns.values()]).any(axis=0)
    start = int(known.argmax())  # returns have no value on the first session
    columns = {name: values[start:] for name, values in columns.items()}
    dates = None if dates is None else dates[start:]
    left = f" ({start} rows before the first return left out)" if start else ""
    if kind != "returns":
        return replace(_of_money(path, kind, columns, dates, capital), risk_free=risk_free)
    series, benchmark, raw = _series(path, columns)
    return Material(
        series, dates, benchmark, unscaled=raw, risk_free=risk_free, per_year=_per_year(dates),
        description=f"{len(next(iter(series.values()))):,} returns of {path.name}{_dated(dates)}{left}",
    )  # fmt: skip


def _series(path: Path, columns: dict[str, Floats]) -> tuple[dict[str, Floats], Floats | None, Floats | None]:
    """Net and gross returns by the names of their columns; benchmark and unscaled ones where none is missing."""
    lower = {name.strip().lower(): name for name in columns}
    at = {kind: next((lower[name] for name in names if name in lower), None) for kind, names in _NAMES.items()}
    if at["net"] is None and at["gross"] is None:
        others = [name for name in columns if name not in at.values()]
        if len(others) != 1:
            raise InputError(
                f"{path}: {len(others)} columns ({', '.join(list(columns)[:8])}); name the returns 'net' (and"
                f" 'gross'), or leave one column"
            )
        at["net"] = others[0]
    own = "as given" if at["gross"] is None else "net"
    series = {words: columns[name] for words, name in ((own, at["net"]), ("gross", at["gross"])) if name is not None}
    for words, values in series.items():
        _check(path, f"{words} return", values)
    found = [None if (name := at[kind]) is None else columns[name] for kind in ("benchmark", "unscaled")]
    market, raw = (values if values is not None and np.isfinite(values).all() else None for values in found)
    return series, market, raw


def _check(path: Path, what: str, values: Floats, *, least: float = -1.0) -> None:
    missing = np.flatnonzero(~np.isfinite(values))
    if len(values) < FEWEST:
        raise InputError(f"{path}: {len(values)} returns; at least {FEWEST} are needed")
    if len(missing):
        raise InputError(f"{path}: the {what} of row {missing[0] + 1} is missing or not finite; leave such rows out")
    if (values < least).any():
        row = int(np.argmax(values < least)) + 1
        raise InputError(f"{path}: a {what.split()[-1]} below -100% (row {row}); give decimals, not percent or money")


def _of_money(
    path: Path, kind: str, columns: dict[str, Floats], dates: np.ndarray | None, capital: float | None
) -> Material:
    """Daily profits over the starting and over the running capital, or closed trades; one column of numbers."""
    if len(columns) != 1:
        raise InputError(f"{path}: {len(columns)} columns ({', '.join(columns)}); name one with --returns-column")
    values = next(iter(columns.values()))
    _check(path, "trade" if kind == "trades" else "profit", values, least=-1.0 if kind == "trades" else -np.inf)
    material = Material(dates=dates, description=f"{len(values):,} {_KINDS[kind]} of {path.name}{_dated(dates)}")
    if kind != "pnl":
        return replace(material, trades=values) if kind == "trades" else replace(material, profits=values)
    if capital is None or capital <= 0:
        raise InputError(f"{path}: profits in money are no returns; give the money at the start with --capital")
    before = capital + np.concatenate([[0.0], np.cumsum(values)[:-1]])
    series = {"P&L over the starting capital": values / capital}
    series |= {"P&L over the running capital": values / before} if (before > 0).all() else {}
    return replace(material, series=series, per_year=_per_year(dates))


def _per_year(dates: np.ndarray | None) -> int | None:
    """Returns a year where the dates lie a week, a month, a quarter or a year apart; None for daily ones."""
    if dates is None or len(dates) < FEWEST:
        return None
    apart = float(np.median(np.diff(dates) / np.timedelta64(1, "D")))
    return next((count for low, high, count in _SPACING if low <= apart <= high), None)


def _dated(dates: np.ndarray | None) -> str:
    return "" if dates is None or not len(dates) else f", {dates[0]} to {dates[-1]}"


_NUMBER, _DATE = re.compile(r"\s*[-+]?[\d.]"), re.compile(r"\d{4}-\d\d-\d\d")


def _read(path: Path, options: ReadOptions) -> Columns:
    """Columns of numbers and their dates: as every table is read, else of JSON or of lines of bare numbers."""
    if path.suffix.lower() == ".json":
        return _json_columns(path), None
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise InputError(f"{path}: {reason}") from None
    text = head.decode("utf-8-sig", errors="ignore").lstrip()
    first = text.partition("\n")[0]
    bare = text.startswith("#") or _NUMBER.match(first) or not any(mark in first for mark in ",;\t|")
    if not text or "\0" in text or head[:4] in (b"PAR1", b"PK\x03\x04") or not bare:
        return numeric_columns(path, options=options)
    try:
        return numeric_columns(_bare(path), options=options)
    except InputError as error:
        raise InputError(str(error).replace("DataFrame", str(path), 1)) from None


def _bare(path: Path) -> pd.DataFrame:
    """The table of a text whose first line names no columns, or one."""
    import pandas as pd

    lines = [line for line in read_text(path).splitlines() if line.strip() and not line.lstrip().startswith("#")]
    mark = next((mark for mark in "\t;," if lines and mark in lines[0]), None)
    rows = [[cell.strip().strip('"') for cell in line.split(mark)] for line in lines]
    names = rows.pop(0) if rows and not any(map(_NUMBER.match, rows[0])) else []
    for number, row in enumerate(rows, 1 + bool(names)):
        if len(row) != len(rows[0]):
            raise InputError(f"{path}: row {number} has {len(row)} cells, the first has {len(rows[0])}")
    if not rows:
        raise InputError(f"{path}: no rows; expected one return a line")
    usual = ["date" if _DATE.match(cell) else f"column {at}" for at, cell in enumerate(rows[0], 1)]
    return pd.DataFrame(rows, columns=names if len(names) == len(usual) else usual)


def _json_columns(path: Path) -> dict[str, Floats]:
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    tables = {"as given": value} if isinstance(value, list) else value if isinstance(value, dict) else {}
    columns = {
        name: np.array(items, dtype=np.float64)
        for name, items in tables.items()
        if isinstance(items, list) and items and all(type(item) in (int, float) for item in items)
    }
    if not columns:
        raise InputError(f"{path}: no list of numbers; expected returns in decimals")
    return columns


def with_positions(material: Material, path: Path | str, options: ReadOptions | None = None) -> Material:
    """A material with the weights that a file says the book held; its turnover and exposure are theirs.

    Parameters
    ----------
    material : what else is known, ``Material()`` for nothing.
    path : a column of dates and one of weights for each asset, signed fractions of NAV; an empty cell is no position.
    options : how to read what a table does not say itself.

    Raises
    ------
    InputError
        If there is no column of numbers, or a weight is infinite.

    """
    columns, dates = _read(Path(path), options or ReadOptions())
    names, weights = list(columns), np.column_stack(list(columns.values()))
    if np.isinf(weights).any():
        row, column = np.argwhere(np.isinf(weights))[0]
        raise InputError(f"{path}: the weight of {names[column]} in row {row + 1} is infinite; give fractions of NAV")
    words = f"{len(weights):,} sessions of weights of {len(names)} assets of {Path(path).name}{_dated(dates)}"
    kept = dates if material.dates is None and not material.series else material.dates
    return replace(material, weights=weights, turnover=None, description=material.described(words), dates=kept)


def with_fills(
    material: Material, path: Path | str, *, prices: PricePanel | None = None, capital: float | None = None,
    options: ReadOptions | None = None,
) -> Material:  # fmt: skip
    """A material with the round trips of fills, flat to flat; with prices also the returns and weights of their book.

    Parameters
    ----------
    material : what else is known, ``Material()`` for nothing.
    path : see `assay.data.files.fills.load_fills`; costs are in currency.
    prices : to mark the book at the closes, from the first fill through the last or, where something is held then,
        through the last session.
    capital : currency before the first fill; needed with `prices`.
    options : how to read what the file does not say itself.

    Raises
    ------
    InputError
        If nothing was closed, there are prices and no capital, the prices lack a session or an asset of a fill, or the
        book is worth nothing on some session.

    """
    from assay.data.files.fills import load_fills
    from assay.engine.trades import round_trips

    fills = load_fills(path, options=options).sort_values("session", kind="stable", ignore_index=True)
    fills["cost"] = fills["cost"].fillna(0.0)
    trips = round_trips(fills)
    if prices is None and not len(trips):
        raise InputError(f"{path}: no position is ever closed, so there is no trade to recompute a figure from")
    ends = fills["session"].iloc[[0, -1]].to_numpy().astype("datetime64[D]")
    words = f"{len(fills):,} fills of {Path(path).name}{_dated(ends)}: {len(trips):,} round trips"
    material = replace(
        material,
        trades=trips["return"].to_numpy(dtype=np.float64),
        profits=trips["pnl"].to_numpy(dtype=np.float64),
        fills=len(fills),
        dates=ends if material.dates is None else material.dates,
        description=material.described(words),
    )
    if prices is None:
        return material
    book = _book(fills, prices, capital, path)
    return replace(
        material,
        series={"net": book.returns.to_numpy(), "gross": book.gross_returns.to_numpy()},
        dates=book.nav.index.to_numpy().astype("datetime64[D]"),
        weights=book.weights.to_numpy(),
        turnover=(0.5 * book.traded / book.before).to_numpy(),
    )


def _book(fills: pd.DataFrame, prices: PricePanel, capital: float | None, path: Path | str) -> MarkedBook:
    from assay.engine.marked import marked

    if capital is None or capital <= 0:
        raise InputError(f"{path}: fills and prices make returns of a capital; give the money at the start: --capital")
    close = prices.close.loc[fills["session"].iloc[0] :, prices.close.columns.isin(fills["asset"].unique())]
    if (fills.groupby("asset")["shares"].sum().abs() <= 1e-9 * fills["shares"].abs().max()).all():
        close = close.loc[: fills["session"].iloc[-1]]
    try:
        book = marked(fills, close, capital=capital)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    worthless = book.nav[book.nav <= 0]
    if len(worthless):
        raise InputError(
            f"{path}: a book that began with {capital:,.0f} is worth nothing on {worthless.index[0].date()}; is"
            f" --capital right?"
        )
    return book
