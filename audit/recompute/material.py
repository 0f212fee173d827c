"""Reading what figures are recomputed from: a return series, with or without dates, or predictions and prices."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.audit.claims.located import read_text
from assay.audit.recompute.conventions import Material, Panel
from assay.audit.recompute.overlaid import overlaid
from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from assay.data.files.series import numeric_columns

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PredictionPanel, PricePanel
    from assay.engine.costs import CostModel
    from assay.engine.result import BacktestResult

__all__ = ["material_of_panels", "material_of_returns", "with_positions"]

_DATES = {"date", "session", "time", "day", "datetime", "timestamp", "data", "fecha", "日期"}
_NET = ("net", "returns", "return", "strategy", "portfolio", "ret", "pnl", "daily_return", "net_return",
        "portfolio_return")  # fmt: skip
_GROSS = ("gross", "gross_return", "gross_returns")
_BENCHMARK = ("benchmark", "market", "index", "benchmark_return")
_UNSCALED = ("unscaled", "raw", "shadow", "before_overlays", "unscaled_return")
#: Days from one date to the next, from and to, and how many of those make a year.
_SPACING = ((5, 10, 52), (26, 33, 12), (85, 95, 4), (360, 370, 1))
#: Name → (rows,) numbers, and (rows,) dates or None.
Columns = tuple[dict[str, np.ndarray], np.ndarray | None]
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
    if column is not None:
        if column not in columns:
            raise InputError(f"{path}: no column {column!r}; columns of numbers: {', '.join(list(columns)[:12])}")
        columns = {column: columns[column]}
    columns, dates, left_out = _begun(columns, dates)
    if kind != "returns":
        return _of_money(path, kind, columns, dates, capital, risk_free)
    series, market, raw = _series(path, columns)
    length = len(next(iter(series.values())))
    return Material(
        series=series,
        dates=dates,
        benchmark=market,
        unscaled=raw,
        risk_free=risk_free,
        per_year=_per_year(dates),
        description=f"{length:,} returns of {path.name}{_dated(dates)}"
        + (f" ({left_out} rows before the first return left out)" if left_out else ""),
    )


def _series(
    path: Path, columns: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray | None, np.ndarray | None]:
    """Net and gross returns by the names of their columns, the benchmark, and the returns before a volatility
    target; the latter two only where none is missing."""
    lower = {name.strip().lower(): name for name in columns}
    net, gross, market, raw = (
        next((lower[name] for name in names if name in lower), None) for names in (_NET, _GROSS, _BENCHMARK, _UNSCALED)
    )
    if net is None and gross is None:
        others = [name for name in columns if name not in (market, raw)]
        if len(others) != 1:
            raise InputError(
                f"{path}: {len(others)} columns ({', '.join(list(columns)[:8])}); name the returns 'net' (and"
                f" 'gross'), or leave one column"
            )
        net = others[0]
    series = {} if net is None else {"as given" if gross is None else "net": columns[net]}
    series |= {} if gross is None else {"gross": columns[gross]}
    for name, values in series.items():
        _check(path, name, values)
    whole = (columns[name] if name is not None and np.isfinite(columns[name]).all() else None for name in (market, raw))
    return series, next(whole), next(whole)


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
    description = "; ".join(filter(None, (material.description, words)))
    own = material.dates is None and not material.series
    return replace(
        material, weights=weights, turnover=None, description=description, dates=dates if own else material.dates
    )


def _dated(dates: np.ndarray | None) -> str:
    return "" if dates is None or not len(dates) else f", {dates[0]} to {dates[-1]}"


def _begun(
    columns: dict[str, np.ndarray], dates: np.ndarray | None
) -> tuple[dict[str, np.ndarray], np.ndarray | None, int]:
    """The columns from the first row on that holds a value; returns have none on the first session."""
    known = np.array([np.isfinite(values) for values in columns.values()]).any(axis=0)
    start = int(known.argmax()) if known.any() else 0
    return {name: values[start:] for name, values in columns.items()}, None if dates is None else dates[start:], start


def _of_money(
    path: Path, kind: str, columns: dict[str, np.ndarray], dates: np.ndarray | None, capital: float | None,
    risk_free: float | None,
) -> Material:  # fmt: skip
    """Daily profits over the starting and over the running capital, or closed trades; one column of numbers."""
    if len(columns) != 1:
        raise InputError(f"{path}: {len(columns)} columns ({', '.join(columns)}); name one with --returns-column")
    values = next(iter(columns.values()))
    if len(values) < FEWEST or not np.isfinite(values).all():
        raise InputError(f"{path}: {kind} needs at least {FEWEST} values and none missing")
    what = {"pnl": "daily profits", "trades": "returns of trades", "trade-pnl": "profits of trades"}[kind]
    description = f"{len(values):,} {what} of {path.name}{_dated(dates)}"
    if kind != "pnl":
        if kind == "trades" and (values < -1).any():
            raise InputError(f"{path}: a trade below -100%; give decimals, or --kind trade-pnl for money")
        closed = {"profits" if kind == "trade-pnl" else "trades": values}
        return Material(**closed, dates=dates, description=description)  # type: ignore[arg-type]
    if capital is None or capital <= 0:
        raise InputError(f"{path}: profits in money are no returns; give the money at the start with --capital")
    before = capital + np.concatenate([[0.0], np.cumsum(values)[:-1]])
    series = {"P&L over the starting capital": values / capital}
    if (before > 0).all():
        series["P&L over the running capital"] = values / before
    return Material(series=series, dates=dates, risk_free=risk_free, per_year=_per_year(dates), description=description)


def _per_year(dates: np.ndarray | None) -> int | None:
    """Returns a year where the dates lie a week, a month, a quarter or a year apart; None for daily ones."""
    if dates is None or len(dates) < FEWEST:
        return None
    apart = float(np.median(np.diff(dates) / np.timedelta64(1, "D")))
    return next((count for low, high, count in _SPACING if low <= apart <= high), None)


def _check(path: Path, name: str, values: np.ndarray) -> None:
    if len(values) < FEWEST:
        raise InputError(f"{path}: {len(values)} returns; at least {FEWEST} are needed")
    missing = np.flatnonzero(~np.isfinite(values))
    if len(missing):
        raise InputError(
            f"{path}: the {name} return of row {missing[0] + 1} is missing or not finite; leave such rows out"
        )
    if (values < -1).any():
        raise InputError(
            f"{path}: a return below -100% (row {int(np.argmax(values < -1)) + 1}); give decimals, not percent"
        )


def _read(path: Path, options: ReadOptions) -> Columns:
    """Columns of numbers and their dates: of a table with a header as every file is read, else of bare numbers."""
    if path.suffix.lower() == ".json":
        return _json_columns(path)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise InputError(f"{path}: {reason}") from None
    binary = b"\0" in head or head[:4] in (b"PAR1", b"ARRO") or head[:2] in (b"PK", b"\x1f\x8b", b"BZ", b"\x28\xb5")
    if not binary and not _has_header(head.decode("utf-8-sig", errors="replace")):
        return _text_columns(path)
    return numeric_columns(path, options=options)


def _has_header(text: str) -> bool:
    """Whether a text is a table whose first line names its columns."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or any(line.lstrip().startswith("#") for line in lines):
        return False
    mark = next((mark for mark in ",;\t|" if mark in lines[0]), None)
    cells = [] if mark is None else [cell.strip().strip('"') for cell in lines[0].split(mark)]
    return len(cells) > 1 and len(lines) > 1 and not any(_is_number(cell) or _is_date(cell) for cell in cells)


def _text_columns(path: Path) -> Columns:
    """Columns of a text file of bare numbers, with dates or without, one line a row."""
    rows = [row for row in read_text(path).splitlines() if row.strip() and not row.lstrip().startswith("#")]
    if not rows:
        raise InputError(f"{path}: is empty; expected one return a line")
    mark = next((mark for mark in (",", ";", "\t") if mark in rows[0]), None)
    table = [[cell.strip().strip('"') for cell in row.split(mark)] for row in rows]
    headed = not all(_is_number(cell) or _is_date(cell) for cell in table[0])
    header = table.pop(0) if headed else []
    if not table:
        raise InputError(f"{path}: a header and no rows; expected one return a line")
    width = len(table[0])
    for number, row in enumerate(table, 1 + headed):
        if len(row) != width:
            raise InputError(f"{path}: row {number} has {len(row)} cells, the first has {width}")
    names = header if len(header) == width else [f"column {index + 1}" for index in range(width)]
    columns: dict[str, np.ndarray] = {}
    dates = None
    for name, cells in zip(names, zip(*table, strict=True), strict=True):
        if all(map(_is_date, cells)) or name.strip().lower() in _DATES:
            try:
                dates = np.array([cell[:10] for cell in cells], dtype="datetime64[D]")
            except ValueError:
                raise InputError(f"{path}: column {name!r} holds a date that is not ISO (2024-06-30)") from None
            continue
        for number, cell in enumerate(cells, 1 + headed):
            if cell and not _is_number(cell):
                raise InputError(f"{path}: row {number}, column {name!r}: {cell[:30]!r} is not a number")
        columns[name] = np.array([float(cell) if cell else math.nan for cell in cells])
    if not columns:
        raise InputError(f"{path}: no column of numbers; expected returns in decimals")
    return columns, dates


def _json_columns(path: Path) -> Columns:
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    value = {"as given": value} if isinstance(value, list) else value
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a list of returns, or an object of such lists")
    columns = {
        name: np.array(items, dtype=np.float64)
        for name, items in value.items()
        if isinstance(items, list) and items and all(type(item) in (int, float) for item in items)
    }
    if not columns:
        raise InputError(f"{path}: no list of numbers; expected returns in decimals")
    return columns, None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_date(cell: str) -> bool:
    return len(cell) >= 10 and cell[:4].isdecimal() and cell[4] == "-" and cell[7] == "-" and cell[5:7].isdecimal()


def material_of_panels(
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    strategy: str | None,
    costs: CostModel | None = None,
    risk_free: float | None = None,
) -> tuple[Material, str]:
    """Simulate a strategy on predictions and prices, and lay the predictions beside what followed.

    With the words for what portfolio figures rest on: strategy, costs and fill. A `strategy` of None simulates nothing.
    """
    from assay.data.align import align
    from assay.engine.backtest import run_backtest
    from assay.engine.costs import CostModel
    from assay.engine.execution import Execution
    from assay.strategies.catalog import load_strategy

    costs = CostModel() if costs is None else costs
    predictions, _ = align(predictions, prices)
    own = Execution(delay=predictions.delay)
    fill = own.fill_at(prices)
    panels = {f"next {fill}": _panel(predictions, prices, predictions.delay, fill)}
    if fill == "open":
        panels["next close"] = _panel(predictions, prices, predictions.delay, "close")
    panels["same close"] = _panel(predictions, prices, 0, "close")
    frame = predictions.signed_view
    traded: dict[str, Any] = {}
    if strategy is not None:
        rule = load_strategy(strategy)
        result = run_backtest(rule, predictions, prices, costs=costs, execution=own)
        series = {"net": result.returns.to_numpy(), "gross": result.gross_returns.to_numpy()}
        same = _same_close(rule, predictions, prices, costs)
        if same is not None and len(same.returns) == len(result.returns):
            series["net, same close"] = same.returns.to_numpy()
            series["gross, same close"] = same.gross_returns.to_numpy()
        other, length = overlaid(rule, predictions, prices, costs, own), len(result.returns)
        traded = {
            "unscaled": other.unscaled if other.unscaled is not None and len(other.unscaled) == length else None,
            "stages": {name: values for name, values in other.stages.items() if len(values) == length},
            "suspects": {name: values for name, values in other.suspects.items() if len(values) == length},
            "series": series,
            "dates": result.returns.index.to_numpy().astype("datetime64[D]"),
            "trades": _trades(result),
            "weights": None if result.target_weights is None else result.target_weights.to_numpy(dtype=np.float64),
            "turnover": result.turnover.to_numpy(),
            "positions": _positions(result, panels[f"next {fill}"], predictions),
        }
    material = Material(
        **traded,
        panels=panels,
        risk_free=risk_free,
        description=f"{frame.shape[0]:,} sessions of predictions for {frame.shape[1]} assets",
    )
    words = f"traded by {strategy}, {costs.commission_bps:g} bps a traded unit, filled at the next {fill}"
    return material, words


def _same_close(
    rule: object, predictions: PredictionPanel, prices: PricePanel, costs: CostModel
) -> BacktestResult | None:
    """The same strategy with the look-ahead fill that many reports use; None where the rule cannot trade it."""
    from assay.data.errors import BacktestError
    from assay.engine.backtest import run_backtest
    from assay.engine.execution import Execution

    try:
        execution = Execution(delay=0, fill="close", same_close=True)
        return run_backtest(rule, predictions, prices, costs=costs, execution=execution)  # type: ignore[arg-type]
    except BacktestError:
        return None


def _panel(predictions: PredictionPanel, prices: PricePanel, delay: int, fill: str) -> Panel:
    from assay.data.returns import forward_returns

    score = predictions.signed_view
    forward = forward_returns(prices, horizon=predictions.horizon, delay=delay, fill=fill)  # type: ignore[arg-type]
    source = prices.open if fill == "open" and prices.open is not None else prices.close
    known = predictions.score is not None
    base = source.shift(-delay) if known else None
    realised = source.shift(-delay - predictions.horizon) if known else None
    probability = predictions.probability_up

    def laid(frame: pd.DataFrame) -> np.ndarray:
        return frame.reindex(index=score.index, columns=score.columns).to_numpy(dtype=np.float64)

    return Panel(
        score=score.to_numpy(dtype=np.float64),
        forward=laid(forward),
        base=None if base is None else laid(base),
        realised=None if realised is None else laid(realised),
        horizon=predictions.horizon,
        signed=predictions.score is None or predictions.unit == "return" or predictions.zero_is_neutral,
        probability=None if probability is None else laid(probability),
        assets=tuple(map(str, score.columns)),
    )


def _trades(result: BacktestResult) -> np.ndarray | None:
    try:
        trades = result.trades
    except (AttributeError, ValueError):
        return None
    column = next((name for name in ("return", "net_return", "return_net") if name in trades.columns), None)
    return None if column is None or trades.empty else trades[column].to_numpy(dtype=np.float64)


def _positions(result: BacktestResult, panel: Panel, predictions: PredictionPanel) -> np.ndarray | None:
    if result.target_weights is None:
        return None
    score = predictions.signed_view
    weights = result.target_weights.reindex(index=score.index, columns=score.columns).to_numpy(dtype=np.float64)
    products: np.ndarray = (weights * panel.forward).ravel()
    return np.asarray(products[np.isfinite(products) & (weights.ravel() != 0)])
