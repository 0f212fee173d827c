"""Reading what figures are recomputed from: a series of returns or profits, closed trades, weights, or fills."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assay.audit.claims.files import read_text
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
_KINDS = {"returns": "returns", "pnl": "daily profits", "trades": "returns of trades", "trade-pnl": "profits of trades"}
_NUMBER, _DATE = re.compile(r"\s*[-+]?[\d.]"), re.compile(r"\d{4}-\d\d-\d\d")
#: Fewest returns that a figure is recomputed from.
FEWEST = 5
#: Name → (rows,) numbers.
Columns = dict[str, Floats]


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
    columns, dates = _read(path, options)
    if column is not None and column not in columns:
        raise InputError(f"{path}: no column {column!r}; columns of numbers: {', '.join(list(columns)[:12])}")
    columns = columns if column is None else {column: columns[column]}
    known = np.flatnonzero(np.isfinite(np.column_stack(list(columns.values()))).any(axis=1))
    start = int(known[0]) if len(known) else 0  # returns have no value on the first session
    columns = {name: values[start:] for name, values in columns.items()}
    dates = None if dates is None else dates[start:]
    description = f"{len(next(iter(columns.values()))):,} {_KINDS[kind]} of {path.name}{_dated(dates)}"
    description += f" ({start} rows before the first return left out)" if start else ""
    material = Material(dates=dates, risk_free=risk_free, description=description)
    if kind in ("trades", "trade-pnl"):
        values = _only(path, columns, -1.0 if kind == "trades" else -np.inf)
        return replace(material, trades=values) if kind == "trades" else replace(material, profits=values)
    apart = 0.0 if dates is None or len(dates) < FEWEST else float(np.median(np.diff(dates) / np.timedelta64(1, "D")))
    per_year = next((count for low, high, count in _SPACING if low <= apart <= high), None)
    if kind == "returns":
        return replace(_with_series(path, columns, material), per_year=per_year)
    if capital is None or capital <= 0:
        raise InputError(f"{path}: profits in money are no returns; give the money at the start with --capital")
    values = _only(path, columns, -np.inf)
    before = capital + np.concatenate([[0.0], np.cumsum(values)[:-1]])
    series = {"P&L over the starting capital": values / capital}
    series |= {"P&L over the running capital": values / before} if (before > 0).all() else {}
    return replace(material, series=series, per_year=per_year)


def _with_series(path: Path, columns: Columns, material: Material) -> Material:
    """Net and gross returns by the names of their columns; benchmark and unscaled ones where none is missing."""
    lower = {name.strip().lower(): name for name in columns}
    at = {kind: next((lower[name] for name in names if name in lower), "") for kind, names in _NAMES.items()}
    if not at["net"] and not at["gross"]:
        others = [name for name in columns if name not in at.values()]
        if len(others) != 1:
            listed = ", ".join(list(columns)[:8])
            raise InputError(
                f"{path}: {len(others)} columns ({listed}); name the returns 'net' (and 'gross'), or leave one column"
            )
        at["net"] = others[0]
    names = {"net" if at["gross"] else "as given": at["net"], "gross": at["gross"]}
    series = {words: _checked(path, columns[name], -1.0) for words, name in names.items() if name}
    found = [columns[at[kind]] if at[kind] else np.empty(0) for kind in ("benchmark", "unscaled")]
    benchmark, unscaled = (values if np.isfinite(values).all() else np.empty(0) for values in found)
    return replace(material, series=series, benchmark=benchmark, unscaled=unscaled)


def _only(path: Path, columns: Columns, least: float) -> Floats:
    if len(columns) != 1:
        raise InputError(f"{path}: {len(columns)} columns ({', '.join(columns)}); name one with --returns-column")
    return _checked(path, next(iter(columns.values())), least)


def _checked(path: Path, values: Floats, least: float) -> Floats:
    """The values, none of which is missing or below `least`."""
    if len(values) < FEWEST:
        raise InputError(f"{path}: {len(values)} returns; at least {FEWEST} are needed")
    wrong = ~np.isfinite(values) | (values < least)
    if wrong.any():
        row = int(wrong.argmax())
        fault = "below -100%; give decimals, not percent" if np.isfinite(values[row]) else "missing or infinite"
        raise InputError(f"{path}: the value of row {row + 1} is {fault}")
    return values


def _dated(dates: np.ndarray | None) -> str:
    return "" if dates is None or not len(dates) else f", {dates[0]} to {dates[-1]}"


def _read(path: Path, options: ReadOptions | None) -> tuple[Columns, np.ndarray | None]:
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
    first = next((line for line in text.splitlines() if not line.startswith("#")), "")
    table = not first or "\0" in text or head[:4] in (b"PAR1", b"PK\x03\x04")
    if table or not (text.startswith("#") or _NUMBER.match(first) or not re.search(r"[,;\t|]", first)):
        return numeric_columns(path, options=options)
    try:
        return numeric_columns(_bare(path, first), options=options)
    except InputError as error:
        raise InputError(str(error).replace("DataFrame", str(path), 1)) from None


def _bare(path: Path, first: str) -> pd.DataFrame:
    """The table of a text whose first line, but for comments, names no columns, or one."""
    import pandas as pd

    mark = next((mark for mark in "\t;," if mark in first), ",")
    head = None if _NUMBER.match(first) else 0
    try:
        table = pd.read_csv(io.StringIO(read_text(path)), sep=mark, header=head, comment="#", dtype=str)
    except pd.errors.ParserError as error:
        raise InputError(f"{path}: {str(error).strip()}") from None
    if head is None:
        cells = enumerate(first.split(mark), 1)
        table.columns = pd.Index(["date" if _DATE.match(cell) else f"column {at}" for at, cell in cells])
    return table


def _json_columns(path: Path) -> Columns:
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    tables = {"as given": value} if isinstance(value, list) else value if isinstance(value, dict) else {}
    lists = {name: items for name, items in tables.items() if isinstance(items, list) and items}
    columns = {name: items for name, items in lists.items() if all(type(item) in (int, float) for item in items)}
    if not columns or len({len(items) for items in columns.values()}) > 1:
        raise InputError(f"{path}: no list of numbers, or lists of unequal lengths; expected returns in decimals")
    return {name: np.array(items, dtype=np.float64) for name, items in columns.items()}


def with_positions(material: Material, path: Path | str, options: ReadOptions | None = None) -> Material:
    """A material with the weights that a file says the book held; its turnover and exposure are theirs.

    Parameters
    ----------
    material : what else is known, ``Material()`` for nothing.
    path : a column of dates and one of weights for each asset, signed fractions of NAV; an empty cell is no position.
    options : how to read what the file does not say itself.

    Raises
    ------
    InputError
        If there is no column of numbers, or a weight is infinite.

    """
    columns, dates = _read(Path(path), options)
    names, weights = list(columns), np.column_stack(list(columns.values()))
    if np.isinf(weights).any():
        row, column = np.argwhere(np.isinf(weights))[0]
        raise InputError(f"{path}: the weight of {names[column]} in row {row + 1} is infinite; give fractions of NAV")
    words = f"{len(weights):,} sessions of weights of {len(names)} assets of {Path(path).name}{_dated(dates)}"
    kept = dates if material.dates is None and not material.series else material.dates
    return replace(material, weights=weights, turnover=np.empty(0), description=material.described(words), dates=kept)


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
        day, money = worthless.index[0].date(), f"{capital:,.0f}"
        raise InputError(f"{path}: a book that began with {money} is worth nothing on {day}; is --capital right?")
    return book
