"""What figures are recomputed from: series, closed trades, weights or fills of a file, or predictions and prices."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.audit.claims.files import read_text
from assay.audit.recompute.conventions import COLUMNS, Book, Material, Panel
from assay.data.align import align
from assay.data.card import plural
from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.errors import BacktestError, InputError
from assay.data.files.fills import load_fills
from assay.data.files.holdings import CASH
from assay.data.files.options import ReadOptions
from assay.data.files.series import numeric_columns
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import LEVEL, forward_returns
from assay.engine.backtest import final_weights, run_backtest, simulated_prices
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.marked import MarkedBook, marked
from assay.engine.overlay_passes import emptied, kill_switches, scaled, shadow_returns, vol_factor
from assay.engine.result import BacktestResult
from assay.engine.simulation import simulate
from assay.engine.trades import round_trips
from assay.strategies.catalog import load_strategy

__all__ = ["material_of_panels", "material_of_returns", "with_fills", "with_positions"]

#: What may stand beside returns.
_BESIDE = ("benchmark", "unscaled")
#: Days from one date to the next, from and to, and how many of those make a year.
_SPACING = ((5, 10, 52), (26, 33, 12), (85, 95, 4), (360, 370, 1))
_KINDS = {"returns": "returns", "pnl": "daily profits", "trades": "returns of trades", "trade-pnl": "profits of trades"}
_NUMBER, _DATE = re.compile(r"\s*[-+]?[\d.]"), re.compile(r"\d{4}-\d\d-\d\d")
_TRADES = re.compile(r"\b(entry.*\bexit|exit.*\bentry)", re.IGNORECASE)
_Columns = tuple[dict[str, Floats], np.ndarray]
#: Fewest returns that a figure is recomputed from.
FEWEST = 5


def material_of_returns(
    path: Path | str, risk_free: float | None = None, *, kind: str = "returns", column: str | None = None,
    capital: float | None = None, options: ReadOptions | None = None,
) -> Material:  # fmt: skip
    """Read a series of simple returns a session, of daily profits in money, or of closed trades.

    Parameters
    ----------
    path : a table of any kind that prices may be, or a text of one number a line; decimals. One column, or ``net``,
        ``gross``, ``benchmark`` and ``unscaled`` (before a volatility target). Rows go by a column of dates where there
        is one; those before the first return are left out.
    risk_free, capital : annual rate the report states; money at the start, needed for ``"pnl"``.
    kind : ``"returns"`` a session; ``"pnl"``, profits a session in money, read over the starting and over the running
        capital; ``"trades"`` and ``"trade-pnl"``, a return or a profit a closed trade.
    column, options : which to read where several could be meant, and what a table does not say itself.

    `InputError` if there is no series, a value is missing, below -100% or no return, a session stands twice, or fewer
    than 5 returns are left.

    """
    path = Path(path)
    columns, dates = _read(path, options, kind)
    if column is not None and column not in columns:
        raise InputError(f"{path}: no column {column!r}; columns of numbers: {', '.join(list(columns)[:12])}")
    columns = columns if column is None else {"as given": columns[column]}
    if kind != "returns" and len(columns) != 1:
        raise InputError(f"{path}: {len(columns)} columns ({', '.join(columns)}); name one with --returns-column")
    series = _by_name(path, columns) if kind == "returns" else {kind: next(iter(columns.values()))}
    own = np.stack([values for name, values in series.items() if name not in _BESIDE])
    start = int(np.isfinite(own).any(axis=0).argmax())  # returns have no value on the first session
    series, dates = {name: values[start:] for name, values in series.items()}, dates[start:]
    beside = {name: series[name] for name in _BESIDE if name in series}
    unused = {name: "has gaps" for name, values in beside.items() if not np.isfinite(values).all()}
    unused |= {name: "counts rows" for name, values in beside.items() if (np.diff(values) == 1).all()}
    series = {name: values for name, values in series.items() if name not in unused}
    rows = dates if len(dates) else [f"row {row + 1}" for row in range(start, own.shape[1])]
    apart = 0.0 if not len(dates) else float(np.median(np.diff(dates) / np.timedelta64(1, "D")))
    per_year = next((count for low, high, count in _SPACING if low <= apart <= high), None)
    limit = LEVEL * math.sqrt(SESSIONS_A_YEAR / (per_year or SESSIONS_A_YEAR)) if kind == "returns" else math.inf
    for name, values in series.items():
        place = f"{path}: column {name!r}" if name in beside else str(path)
        _check(place, values, rows, -1.0 if kind in ("returns", "trades") else -math.inf, limit)
    description = f"{len(values):,} {_KINDS[kind]} of {path.name}{_dated(dates)}"
    description += f" ({plural(start, 'row')} before the first return left out)" if start else ""
    description += "".join(f" (column {name!r} {why} and is not used)" for name, why in unused.items())
    material = Material(dates=dates, risk_free=risk_free, description=description)
    if kind in ("trades", "trade-pnl"):
        return replace(material, trades=values) if kind == "trades" else replace(material, profits=values)
    benchmark, unscaled = (series.pop(name, np.empty(0)) for name in _BESIDE)
    series = _over_capital(path, values, capital) if kind == "pnl" else series
    return replace(material, series=series, benchmark=benchmark, unscaled=unscaled, per_year=per_year)


def _by_name(path: Path, columns: dict[str, Floats]) -> dict[str, Floats]:
    """Net and gross returns, benchmark and unscaled returns by the names of their columns."""
    lower = {name.strip().lower(): name for name in columns}
    at = {kind: lower[name] for kind, names in COLUMNS.items() for name in reversed(names) if name in lower}
    if not {"net", "gross"} & at.keys():
        others = [name for name in columns if name not in at.values()]
        if len(others) != 1:
            listed = f"{len(others)} columns ({', '.join(list(columns)[:8])})"
            raise InputError(f"{path}: {listed}; name the returns 'net' (and 'gross'), or leave one column")
        at = {"net": others[0]} | at
    given = "net" if "gross" in at else "as given"
    return {given if kind == "net" else kind: columns[name] for kind, name in at.items()}


def _over_capital(path: Path, profits: Floats, capital: float | None) -> dict[str, Floats]:
    """Daily profits over the starting capital, and over the running one where it lasts."""
    if capital is None or capital <= 0:
        raise InputError(f"{path}: profits in money are no returns; give the money at the start with --capital")
    before = capital + np.concatenate([[0.0], np.cumsum(profits)[:-1]])
    running = {"P&L over the running capital": profits / before} if (before > 0).all() else {}
    return {"P&L over the starting capital": profits / capital} | running


def _check(place: str, values: Floats, rows: Sequence[object] | np.ndarray, least: float, limit: float) -> None:
    """Enough values, none missing or below the least, half of them within the limit; an error names place and row."""
    wrong = ~np.isfinite(values) | (values < least)
    if len(values) < FEWEST:
        raise InputError(f"{place}: {len(values)} returns; at least {FEWEST} are needed")
    if wrong.any():
        row = int(wrong.argmax())
        fault = "below -100%; give decimals, not percent" if np.isfinite(values[row]) else "missing or infinite"
        raise InputError(f"{place}: the value of {rows[row]} is {fault}")
    if np.median(np.abs(values)) > limit:
        raise InputError(f"{place}: half of the returns are beyond ±{limit:.0%}; give decimals, not percent or prices")


def _dated(dates: np.ndarray) -> str:
    return f", {dates[0]} to {dates[-1]}" if len(dates) else ""


def _read(path: Path, options: ReadOptions | None, kind: str) -> _Columns:
    """Columns of numbers and their dates, the earliest first: as every table is read, else of lines of bare numbers."""
    head = ""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8-sig") as file:
        head = file.read(4096).lstrip()  # what is wrong with it is said by who opens it
    first = next((line for line in head.splitlines() if line[:1] != "#"), "")
    if kind in ("returns", "pnl") and _TRADES.search(first):
        raise InputError(f"{path}: rows of entries and exits are closed trades; say --kind trades or trade-pnl")
    bare = head[:1] == "#" or _NUMBER.match(first) or not re.search(r"[,;\t|]", first)
    lines = first and bare and "\0" not in head and head[:4] != "PAR1"
    try:
        columns, dates, stamps = numeric_columns(_of_lines(path, first) if lines else path, options=options)
    except ValueError as error:
        message = str(error).removeprefix("DataFrame: ").removeprefix(f"{path}: ").strip()
        raise InputError(f"{path}: {message}") from None
    if dates is None or stamps is None or (kind.startswith("trade") and np.isnat(dates).any()):
        return columns, np.empty(0, "datetime64[D]")
    return _in_order(path, columns, dates, stamps, kind)


def _in_order(path: Path, columns: dict[str, Floats], dates: np.ndarray, stamps: np.ndarray, kind: str) -> _Columns:
    """The earliest date first. A date stands once but for trades and for bars, which have a stamp each, in order."""
    if np.isnat(dates).any():
        raise InputError(f"{path}: row {int(np.isnat(dates).argmax()) + 1} has no date; fill it in or drop the row")
    trades, turned, again = kind.startswith("trade"), dates[0] > dates[-1], dates[1:] == dates[:-1]
    bars = not trades and 3 * again.sum() >= len(dates) and len(set(stamps)) == len(stamps)
    if bars and turned and not (stamps[1:] < stamps[:-1])[again].all():
        raise InputError(f"{path}: days stand newest first, bars of a day may not; sort the rows by their stamps")
    rows = np.arange(len(dates))[:: -1 if turned else 1]
    order = np.argsort(dates[rows], kind="stable")
    dates = dates[rows[order]]
    twice = dates[1:][dates[1:] == dates[:-1]]
    if len(twice) and not trades and not (bars and (np.diff(order) > 0).all()):
        raise InputError(f"{path}: {twice[0]} stands twice; keep one row a session")
    return {name: values[rows[order]] for name, values in columns.items()}, dates


def _of_lines(path: Path, first: str) -> pd.DataFrame:
    """The table of a text whose first line, but for comments, names no columns, or one."""
    mark = next((mark for mark in "\t;," if mark in first), ",")
    head = None if _NUMBER.match(first) else 0
    table = pd.read_csv(io.StringIO(read_text(path)), sep=mark, header=head, comment="#", dtype=str)
    cells = enumerate(first.split(mark), 1)
    names = ["date" if _DATE.match(cell) else f"column {at}" for at, cell in cells]
    return table if head == 0 else table.set_axis(names, axis="columns")


def with_positions(material: Material, path: Path | str, options: ReadOptions | None = None) -> Material:
    """A material with the weights that a file says the book held; its turnover and exposure are theirs. Of a column of
    dates and one of weights for each asset, signed fractions of NAV; an empty cell is no position, nor is a column
    ``cash``. `InputError` if there is no column of numbers, or a weight is infinite."""
    columns, dates = _read(Path(path), options, "positions")
    names = [name for name in columns if name.strip().lower() != CASH] or list(columns)
    weights = np.column_stack([columns[name] for name in names])
    if np.isinf(weights).any():
        row, column = np.argwhere(np.isinf(weights))[0]
        raise InputError(f"{path}: the weight of {names[column]} in row {row + 1} is infinite; give fractions of NAV")
    words = f"{len(weights):,} sessions of weights of {len(names)} assets of {Path(path).name}{_dated(dates)}"
    kept = material.dates if len(material.dates) or material.series else dates
    return replace(material, weights=weights, turnover=np.empty(0), description=material.described(words), dates=kept)


def with_fills(
    material: Material, path: Path | str, *, prices: PricePanel | None = None, capital: float | None = None,
    options: ReadOptions | None = None,
) -> Material:  # fmt: skip
    """A material with the round trips of fills, flat to flat; with prices also the returns and weights of their book.

    The book is marked at the closes, from the first fill through the last or, where something is held then, the last
    session; `capital` is the currency before the first fill. For the file see `assay.data.files.fills.load_fills`.
    `InputError` if nothing was closed, there are prices and no capital, the prices lack a session or an asset of a
    fill, or the book is worth nothing on some session.
    """
    fills = load_fills(path, options=options).sort_values("session", kind="stable", ignore_index=True)
    fills["cost"] = fills["cost"].fillna(0.0)
    trips = round_trips(fills)
    if prices is None and not len(trips):
        raise InputError(f"{path}: no position is ever closed, so there is no trade to recompute a figure from")
    ends = fills["session"].iloc[[0, -1]].to_numpy().astype("datetime64[D]")
    words = f"{len(fills):,} fills of {Path(path).name}{_dated(ends)}: {len(trips):,} round trips"
    material = replace(
        material, trades=trips["return"].to_numpy(dtype=np.float64), profits=trips["pnl"].to_numpy(dtype=np.float64),
        dates=material.dates if len(material.dates) else ends, fills=len(fills),
        description=material.described(words),
    )  # fmt: skip
    if prices is None:
        return material
    book = _book(fills, prices, capital, path)
    return replace(
        material, series={"net": book.returns.to_numpy(), "gross": book.gross_returns.to_numpy()},
        dates=book.nav.index.to_numpy().astype("datetime64[D]"), weights=book.weights.to_numpy(),
        turnover=(0.5 * book.traded / book.before).to_numpy(),
    )  # fmt: skip


def _book(fills: pd.DataFrame, prices: PricePanel, capital: float | None, path: Path | str) -> MarkedBook:
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


def material_of_panels(
    predictions: PredictionPanel, prices: PricePanel, *, strategy: str | None, risk_free: float | None = None
) -> tuple[Material, str]:
    """Simulate a strategy (None: nothing) on predictions and prices, and lay the predictions beside what followed; with
    the words for what portfolio figures rest on: strategy, costs and fill."""
    predictions, _ = align(predictions, prices)
    costs, own = CostModel(), Execution(delay=predictions.delay)
    fill = own.fill_at(prices)
    timings = {"next open": (own.delay, "open")} if fill == "open" else {}
    timings |= {"next close": (own.delay, "close"), "same close": (0, "close")}
    sessions, assets = predictions.signed_view.shape
    material = Material(
        panels={name: _panel(predictions, prices, *timing) for name, timing in timings.items()},
        risk_free=risk_free,
        description=f"{sessions:,} sessions of predictions for {assets} assets",
    )
    words = f"traded by {strategy}, {costs.commission_bps:g} bps a traded unit, filled at the next {fill}"
    return (material if strategy is None else _traded(material, strategy, predictions, prices, costs, own)), words


def _panel(predictions: PredictionPanel, prices: PricePanel, delay: int, fill: Any) -> Panel:
    score, horizon = predictions.signed_view, predictions.horizon
    source = prices.open if fill == "open" and prices.open is not None else prices.close
    known, probability = predictions.score is not None, predictions.probability_up

    def laid(frame: pd.DataFrame) -> Floats:
        return frame.reindex_like(score).to_numpy(dtype=np.float64)

    return Panel(
        laid(score), laid(forward_returns(prices, horizon=horizon, delay=delay, fill=fill)),
        base=laid(source.shift(-delay)) if known else None,
        realised=laid(source.shift(-delay - horizon)) if known else None, horizon=horizon,
        signed=predictions.score is None or predictions.unit == "return" or predictions.zero_is_neutral,
        probability=None if probability is None else laid(probability), assets=tuple(map(str, score.columns)),
        stamps=score.index.to_numpy().astype("datetime64[D]"),
    )  # fmt: skip


def _traded(
    material: Material, strategy: str, predictions: PredictionPanel, prices: PricePanel, costs: CostModel,
    own: Execution,
) -> Material:  # fmt: skip
    """The material with the book of a strategy: its returns, trades, weights, and the books it is not."""
    rule = load_strategy(strategy)
    result = run_backtest(rule, predictions, prices, costs=costs, execution=own)
    series = {"net": result.returns.to_numpy(), "gross": result.gross_returns.to_numpy()}
    with suppress(BacktestError):  # the look-ahead fill that many reports use, where the rule can trade it
        early = Execution(delay=0, fill="close", same_close=True)
        same = run_backtest(rule, predictions, prices, costs=costs, execution=early)
        if len(same.returns) == len(result.returns):
            series |= {"net, same close": same.returns.to_numpy(), "gross, same close": same.gross_returns.to_numpy()}
    weights = result.target_weights
    assert weights is not None  # all is kept
    held = weights.reindex_like(predictions.signed_view).to_numpy(dtype=np.float64)
    products = held * next(iter(material.panels.values())).forward
    unscaled, books = _overlaid(rule, predictions, prices, costs, own)
    return replace(
        material, series=series, dates=result.returns.index.to_numpy().astype("datetime64[D]"),
        trades=result.trades["return"].to_numpy(dtype=np.float64), weights=weights.to_numpy(dtype=np.float64),
        turnover=result.turnover.to_numpy(), positions=products[np.isfinite(products) & (held != 0)],
        unscaled=unscaled, books=tuple(books),
    )  # fmt: skip


def _overlaid(
    rule: Any, predictions: PredictionPanel, prices: PricePanel, costs: CostModel, execution: Execution
) -> tuple[Floats, list[Book]]:
    """Net returns (T,) before overlays, and the books after one of them, and under ones that read the day itself."""
    overlays = getattr(rule, "overlays", None)
    own = {part.name for part in fields(rule)} if is_dataclass(rule) else set()
    if overlays is None or overlays.paced or not {"vol_target", "kill_switches"} <= own:
        return np.empty(0), []  # overlays of its own making cannot be taken off
    target, kills = overlays.vol_target, overlays.kill_switches
    if target is None and not kills:
        return np.empty(0), []
    # A weight stamped t first earns the return stamped t + lead.
    lead = execution.delay + (execution.fill_at(prices) == "close")
    seen = simulated_prices(prices, predictions, execution.delay)

    def weights_of(**changed: object) -> pd.DataFrame:
        return final_weights(replace(rule, **changed), predictions, prices, costs=costs, execution=execution)

    def traded(weights: pd.DataFrame) -> BacktestResult:
        return simulate(seen, weights, costs=costs, execution=execution, keep="returns", name=rule.name)

    def shadow(weights: pd.DataFrame) -> pd.Series:
        result = traded(weights)
        return shadow_returns(result.returns.to_numpy(), result.turnover.to_numpy(), result.sessions)[0]

    def net(weights: pd.DataFrame, ahead: int | None = 0) -> Floats:
        """Net returns, after kill switches that act so many sessions `ahead` where the book has any."""
        if kills and ahead is not None:
            weights = emptied(weights, kill_switches(shadow(weights), lead=ahead))
        return traded(weights).returns.to_numpy()

    plain, targeted = weights_of(vol_target=None, kill_switches=False), weights_of(kill_switches=False)
    early = plain if target is None else scaled(plain, vol_factor(shadow(plain), target, lead=lead))
    window, both = f"a volatility window that includes the day it scales ({target or 0:.0%} target)", target and kills
    rows = (
        (target, window, early, 0, True),
        (kills, "kill switches that leave out the day that trips them", targeted, lead, True),
        (both, "a volatility window and kill switches that include the day they act on", early, lead, True),
        (both, "the book without its kill switches", targeted, None, False),
        (both, "the book without its volatility target", plain, 0, False),
    )
    return net(plain, None), [Book(words, net(w, ahead), look) for has, words, w, ahead, look in rows if has]
