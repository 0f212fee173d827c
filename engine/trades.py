"""Fills into round trips, flat to flat, each with its money, its trading costs and what holding it cost.

A round trip of an asset begins with the fill that leaves a position of one sign where there was none, and ends with the
fill that leaves none, or one of the other sign. Adding and trimming in between belongs to it, so a smoothed book has as
many trips as it has bets, not one for each pair of lots.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats
from assay.engine.fills import FillLedger

if TYPE_CHECKING:
    from assay.data.panel import PricePanel
    from assay.engine.result import BacktestResult

__all__ = ["TRADE_COLUMNS", "HoldingCharges", "holding_costs", "round_trips", "trips_of"]

TRADE_COLUMNS = (
    "asset",
    "side",
    "entry_session",
    "exit_session",
    "entry_price",
    "exit_price",
    "shares",
    "invested",
    "costs",
    "holding",
    "pnl",
    "return",
)


#: Shares below this fraction of an asset's largest position are rounding, not a position.
_DUST = 1e-9
#: Assets worked on at once.
_TOGETHER = 64


def round_trips(fills: pd.DataFrame, holding: pd.DataFrame | None = None) -> pd.DataFrame:
    """Round trips of each asset; what is still open at the end is left out.

    Parameters
    ----------
    fills : long table in time order, columns `engine.result.FILL_COLUMNS`; `shares` is signed, `cost` in currency. A
        fill that crosses zero closes one trip and opens the next, its cost shared by the shares on either side.
    holding : (T, N) currency, what holding each asset cost, charged on the session stamped; see `holding_costs`. A
        trip bears the charges after its entry through its exit; None charges nothing.

    Returns
    -------
    DataFrame
        Columns `TRADE_COLUMNS`, by exit session, then asset. `side` is 1 or −1; `entry_price` and
        `exit_price` are means over the shares that went into and out of the trip; `shares` is the largest position,
        `invested` (currency) the largest value of it after a fill that added; `costs` and `holding` currency;
        `pnl` is net of both; `return` is pnl over `invested`.

    Examples
    --------
    >>> fills = pd.DataFrame(
    ...     {
    ...         "session": pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"]),
    ...         "asset": "A",
    ...         "shares": [10.0, 10.0, -20.0],
    ...         "price": [1.0, 2.0, 4.0],
    ...         "value": [10.0, 20.0, -80.0],
    ...         "cost": [0.0, 0.0, 1.0],
    ...     }
    ... )
    >>> round_trips(fills)[["entry_price", "exit_price", "shares", "invested", "pnl"]].to_numpy().tolist()
    [[1.5, 4.0, 20.0, 40.0, 49.0]]

    """
    codes, assets = pd.factorize(fills["asset"])
    order = np.argsort(codes, kind="stable")
    columns = [fills[name].to_numpy(dtype=np.float64)[order] for name in ("shares", "price", "cost")]
    trips = _closed_trips(np.bincount(codes, minlength=len(assets)), *columns)
    if not len(trips):
        return pd.DataFrame(columns=list(TRADE_COLUMNS))
    sessions, names = fills["session"].to_numpy()[order], fills["asset"].to_numpy()[order]
    names, entry, leave = names[trips.first], sessions[trips.first], sessions[trips.last]
    held = np.zeros(len(trips)) if holding is None else _charged(holding, names, entry, leave)
    table = _table(trips, names, entry, leave, held)
    answer: pd.DataFrame = table.sort_values(["exit_session", "asset"], kind="stable", ignore_index=True)
    return answer


@dataclass(frozen=True, eq=False)
class _Trips:
    """Closed trips: rows of the first and the last fill of each, and what happened in between."""

    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]
    side: Floats
    entry_price: Floats
    exit_price: Floats
    shares: Floats
    invested: Floats
    costs: Floats
    gross: Floats

    def __len__(self) -> int:
        return len(self.first)

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """Its fields, one after another."""
        return tuple(getattr(self, field.name) for field in fields(self))


def _closed_trips(count: npt.NDArray[np.intp], shares: Floats, price: Floats, cost: Floats) -> _Trips:
    """The closed trips of fills that stand asset by asset, `count` of each, each asset's in time order."""
    row, traded, position, opens = _legs(count, shares)
    start = np.flatnonzero(opens)
    if not len(start):
        return _Trips(start, start, *(np.zeros(0) for _ in range(7)))
    price = price[row]
    size, whole = np.abs(traded), np.abs(shares[row])
    paid = np.divide(size, whole, out=np.zeros(len(row)), where=whole > 0)
    paid *= cost[row]
    end = np.append(start[1:], len(row)) - 1
    side = np.sign(traded[start])
    adds = np.sign(traded) == np.repeat(side, end - start + 1)
    into, out_of = np.where(adds, size, 0.0), np.where(adds, 0.0, size)
    held = np.abs(position)
    # What a winner is worth when it is sold was never invested: only fills that add count.
    invested = np.maximum.reduceat(np.where(adds, held * price, 0.0), start)
    closed = np.flatnonzero(position[end] == 0)
    trip = np.repeat(np.arange(len(start)), end - start + 1)

    def total(values: Floats) -> Floats:
        return np.bincount(trip, values, len(start))[closed].astype(np.float64, copy=False)

    with np.errstate(invalid="ignore", divide="ignore"):
        prices = total(into * price) / total(into), total(out_of * price) / total(out_of)
    return _Trips(
        row[start[closed]], row[end[closed]], side[closed], *prices, np.maximum.reduceat(held, start)[closed],
        invested[closed], total(paid), -total(traded * price),
    )  # fmt: skip


def _table(trips: _Trips, names: npt.NDArray[Any], entry: npt.NDArray[Any], leave: npt.NDArray[Any], held: Floats
           ) -> pd.DataFrame:  # fmt: skip
    """Trips as a table, with who, from when to when, and what holding cost."""
    pnl = trips.gross - trips.costs - held
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = pnl / trips.invested
    columns = (
        names, trips.side.astype(np.int64), entry, leave, trips.entry_price, trips.exit_price, trips.shares,
        trips.invested, trips.costs, held, pnl, rate,
    )  # fmt: skip
    return pd.DataFrame(dict(zip(TRADE_COLUMNS, columns, strict=True)), copy=False)


_Legs = tuple[npt.NDArray[np.intp], Floats, Floats, npt.NDArray[np.bool_]]


def _legs(count: npt.NDArray[np.intp], shares: Floats) -> _Legs:
    """The fills, those that cross zero in two: row of the fill, shares, position after, whether a trip begins.

    The position after the closing half of a crossing is 0, so each trip's last leg ends at 0 unless it is open.
    """
    count = count[count > 0]
    begin = np.cumsum(count) - count
    position = _running(shares, count, begin)
    if len(shares):
        size = np.abs(position)
        position[size <= np.repeat(_DUST * np.maximum.reduceat(size, begin), count)] = 0.0
    before = np.concatenate([[0.0], position[:-1]])[: len(shares)]
    before[begin] = 0.0
    crossing = position * before < 0
    where = np.repeat(np.arange(len(shares)), 1 + crossing)
    second = np.concatenate([[False], where[1:] == where[:-1]]) if len(where) else np.zeros(0, dtype=bool)
    halved = crossing[where]
    after = np.where(halved & ~second, 0.0, position[where])
    start = np.where(second, 0.0, before[where])
    moved = after != start
    return where[moved], (after - start)[moved], after[moved], (start == 0)[moved]


def _running(values: Floats, count: npt.NDArray[np.intp], begin: npt.NDArray[np.intp]) -> Floats:
    """Running sums within groups that stand one after another, of `count` values each from `begin` on."""
    out = np.empty(len(values))
    for first in range(0, len(count), _TOGETHER):
        some = slice(first, first + _TOGETHER)
        start, stop = begin[first], begin[some][-1] + count[some][-1]
        place = np.arange(start, stop) - np.repeat(begin[some], count[some]), np.repeat(
            np.arange(len(count[some])), count[some]
        )
        table = np.zeros((int(count[some].max(initial=0)), len(count[some])))
        table[place] = values[start:stop]
        out[start:stop] = np.cumsum(table, axis=0, out=table)[place]
    return out


def trips_of(result: BacktestResult, prices: PricePanel | None = None) -> pd.DataFrame | None:
    """The `round_trips` of a result, with what holding cost where there are prices; None where no fills are kept.

    Assets are worked some at a time where that can be, so that no table of all fills is made.
    """
    ledger = result.fill_ledger
    if ledger is None:
        return None
    if not isinstance(ledger, FillLedger) or not ledger.by_asset:
        return round_trips(result.fills, None if prices is None else holding_costs(result, prices))
    charges = None if prices is None or result.holdings is None else HoldingCharges(result, prices)
    sessions, names = ledger.sessions.to_numpy(), ledger.assets.to_numpy()
    parts = []
    for columns, fills in ledger.parts():
        trips = _closed_trips(fills.count, fills.shares, fills.price, fills.cost)
        asset, entry, leave = fills.asset[trips.first], fills.session[trips.first], fills.session[trips.last]
        held = np.zeros(len(trips))
        if charges is not None:
            paid, column = np.cumsum(np.ascontiguousarray(charges.of(columns).T), axis=1), asset - columns.start
            held = paid[column, leave] - paid[column, entry]
        parts.append((trips, asset, entry, leave, held))
    asset, entry, leave, held = (np.concatenate(column) for column in zip(*(part[1:] for part in parts), strict=True))
    alphabetic = np.argsort(np.argsort(names))  # each asset's place among the names
    short = np.min_scalar_type(max(len(names), len(sessions)))  # numbers of 16 bits are sorted by their digits
    order = np.lexsort((alphabetic.astype(short)[asset], leave.astype(short)))
    every = zip(*(part[0].columns for part in parts), strict=True)
    trips = _Trips(*(np.concatenate(column)[order] for column in every))
    return _table(trips, names[asset[order]], sessions[entry[order]], sessions[leave[order]], held[order])


def _charged(holding: pd.DataFrame, assets: npt.NDArray[np.object_], entry: Floats, leave: Floats) -> Floats:
    """What each trip paid to be held: the charges stamped after its entry, through its exit."""
    total = np.cumsum(np.nan_to_num(holding.to_numpy(dtype=np.float64)), axis=0)
    column = holding.columns.get_indexer(pd.Index(assets))
    first = holding.index.searchsorted(pd.DatetimeIndex(entry), side="right")
    last = holding.index.searchsorted(pd.DatetimeIndex(leave), side="right")
    until = (np.where(row > 0, total[row - 1, column], 0.0) for row in (last, first))
    return np.where(column >= 0, next(until) - next(until), 0.0)


def holding_costs(result: BacktestResult, prices: PricePanel) -> pd.DataFrame | None:
    """What holding each asset cost, currency: borrow shared by what each short pays, financing by the values of longs.

    Values are those of the close before, when the charge began to run, at the last price known; a short pays its value
    times its own rate where a cost table sets rates by asset.

    Returns
    -------
    DataFrame or None
        (T, N) stamped the session charged; None where the result keeps no holdings.

    """
    if result.holdings is None:
        return None
    charges = HoldingCharges(result, prices)
    return pd.DataFrame(charges.of(slice(None)), result.holdings.index, result.holdings.columns)


class HoldingCharges:
    """`holding_costs` of some assets at a time, so that no whole table need be made."""

    def __init__(self, result: BacktestResult, prices: PricePanel) -> None:
        assert result.holdings is not None
        held, borrow = result.holdings, result.borrow_bps
        self.sessions: pd.DatetimeIndex = result.sessions
        self._held = held.to_numpy()
        known = prices.close if not prices.close.isna().to_numpy().any() else prices.close.ffill()
        self._close = _on(known, held)
        self._borrow = None if borrow is None else _on(borrow, held)
        self._rates: list[tuple[bool, Floats, Floats]] = []
        for kind in ("borrow", "financing"):
            charge, total = result.costs[kind].to_numpy(dtype=np.float64), np.zeros(len(self.sessions))
            if not charge.any():
                continue
            for start in range(1, len(self.sessions), _TOGETHER):
                rows = slice(start, min(start + _TOGETHER, len(self.sessions)))
                total[rows] = self._side(kind == "borrow", rows, slice(None)).sum(axis=1)
            some = total > 0
            shared = np.where(some, total, 1.0)[:, None], np.where(some, charge, 0.0)[:, None]
            self._rates.append((kind == "borrow", *shared))

    def _side(self, lent: bool, rows: slice, assets: slice) -> Floats:
        """What borrow is shared by, or what financing is, in sessions after the first."""
        before = slice(rows.start - 1, rows.stop - 1)
        value = self._held[before, assets] * self._close[before, assets]
        unknown = np.isnan(value)
        if unknown.any():
            np.copyto(value, 0.0, where=unknown)
        if not lent:
            return np.maximum(value, 0.0, out=value)
        np.minimum(value, 0.0, out=value)
        np.negative(value, out=value)
        return value if self._borrow is None else value * self._borrow[rows, assets]

    def of(self, assets: slice = slice(None), *, rows: slice | None = None) -> Floats:
        """What holding the assets at these places cost, stamped the session charged; of some sessions or of all."""
        rows = slice(0, len(self._held)) if rows is None else rows
        out = np.zeros(self._held[rows, assets].shape)
        later = slice(max(rows.start, 1), rows.stop)  # the first session has no night before it
        for lent, total, charge in self._rates:
            side = self._side(lent, later, assets)
            side /= total[later]
            side *= charge[later]
            out[later.start - rows.start :] += side
        return out


def _on(frame: pd.DataFrame, other: pd.DataFrame) -> Floats:
    """The values of a frame at the sessions and assets of another."""
    same = frame.index.equals(other.index) and frame.columns.equals(other.columns)
    return (frame if same else frame.reindex(index=other.index, columns=other.columns)).to_numpy()
