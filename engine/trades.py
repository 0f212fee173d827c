"""Fills into round trips, flat to flat, each with its money, its trading costs and what holding it cost.

A round trip of an asset begins with the fill that leaves a position of one sign where there was none, and ends with the
fill that leaves none, or one of the other sign. Adding and trimming in between belongs to it, so a smoothed book has as
many trips as it has bets, not one for each pair of lots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    shares = fills["shares"].to_numpy(dtype=np.float64)
    row, traded, position, first = _legs(codes, len(assets), shares)
    if not len(row):
        return pd.DataFrame(columns=list(TRADE_COLUMNS))
    trip = np.cumsum(first) - 1
    count = int(trip[-1]) + 1
    price = fills["price"].to_numpy(dtype=np.float64)[row]
    whole = np.abs(shares[row])
    paid = np.divide(np.abs(traded), whole, out=np.zeros(len(row)), where=whole > 0)
    paid *= fills["cost"].to_numpy(dtype=np.float64)[row]

    def total(values: Floats) -> Floats:
        return np.bincount(trip, values, count).astype(np.float64)

    start = np.flatnonzero(first)

    def largest(values: Floats) -> Floats:
        return np.asarray(np.maximum.reduceat(values, start))

    end = np.append(start[1:], len(row)) - 1
    side = np.sign(traded[start])
    into = np.where(np.sign(traded) == side[trip], np.abs(traded), 0.0)
    out_of = np.where(np.sign(traded) == side[trip], 0.0, np.abs(traded))
    # What a winner is worth when it is sold was never invested: only fills that add count.
    invested = largest(np.where(into > 0, np.abs(position) * price, 0.0))
    costs, gross = total(paid), -total(traded * price)
    sessions = fills["session"].to_numpy()
    entry, leave = sessions[row[start]], sessions[row[end]]
    names = fills["asset"].to_numpy()[row[start]]
    held = np.zeros(count) if holding is None else _charged(holding, names, entry, leave)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = (
            names, side.astype(np.int64), entry, leave, total(into * price) / total(into),
            total(out_of * price) / total(out_of), largest(np.abs(position)), invested, costs, held,
            gross - costs - held, (gross - costs - held) / invested,
        )  # fmt: skip
    table = pd.DataFrame(dict(zip(TRADE_COLUMNS, columns, strict=True)))
    closed = table[position[end] == 0]
    answer: pd.DataFrame = closed.sort_values(["exit_session", "asset"], kind="stable", ignore_index=True)
    return answer


_Legs = tuple[npt.NDArray[np.intp], Floats, Floats, npt.NDArray[np.bool_]]


def _legs(codes: npt.NDArray[np.intp], assets: int, shares: Floats) -> _Legs:
    """The fills asset by asset, those that cross zero in two: row of the fill, shares, position after, trip begins.

    The position after the closing half of a crossing is 0, so each trip's last leg ends at 0 unless it is open.
    """
    rows = np.argsort(codes, kind="stable")
    count = np.bincount(codes, minlength=assets)
    begin = np.cumsum(count) - count
    position = _running(shares[rows], count, begin)
    if len(rows):
        size = np.abs(position)
        position[size <= np.repeat(_DUST * np.maximum.reduceat(size, begin), count)] = 0.0
    before = np.concatenate([[0.0], position[:-1]])[: len(rows)]
    before[begin] = 0.0
    crossing = position * before < 0
    where = np.repeat(np.arange(len(rows)), 1 + crossing)
    second = np.concatenate([[False], where[1:] == where[:-1]]) if len(where) else np.zeros(0, dtype=bool)
    halved = crossing[where]
    after = np.where(halved & ~second, 0.0, position[where])
    start = np.where(second, 0.0, before[where])
    moved = after != start
    return rows[where][moved], (after - start)[moved], after[moved], (start == 0)[moved]


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
    parts = []
    for columns, fills in ledger.parts():
        held = None
        if charges is not None:
            held = pd.DataFrame(charges.of(columns), charges.sessions, range(columns.start, columns.stop), copy=False)
        parts.append(round_trips(fills, held))
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    places = table["asset"].to_numpy(dtype=np.intp)
    alphabetic = np.argsort(np.argsort(ledger.assets.to_numpy()))  # each asset's place among the names
    order = np.lexsort((alphabetic[places], table["exit_session"].to_numpy()))
    table["asset"] = ledger.assets.to_numpy()[places]
    return table.iloc[order].reset_index(drop=True)


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
        totals = np.zeros((2, len(self.sessions)))
        for start in range(1, len(self.sessions), _TOGETHER):
            rows = slice(start, min(start + _TOGETHER, len(self.sessions)))
            for total, side in zip(totals, self._sides(rows, slice(None)), strict=True):
                total[rows] = side.sum(axis=1)
        self._totals = np.where(totals > 0, totals, np.nan)[:, :, None]
        self._charged = [result.costs[kind].to_numpy()[:, None] for kind in ("borrow", "financing")]

    def _sides(self, rows: slice, assets: slice) -> tuple[Floats, Floats]:
        """What borrow is shared by, and what financing is, in sessions after the first."""
        before = slice(rows.start - 1, rows.stop - 1)
        value = np.nan_to_num(self._held[before, assets] * self._close[before, assets])
        lent = -np.minimum(value, 0.0)
        return lent if self._borrow is None else lent * self._borrow[rows, assets], np.maximum(value, 0.0)

    def of(self, assets: slice = slice(None), *, rows: slice | None = None) -> Floats:
        """What holding the assets at these places cost, stamped the session charged; of some sessions or of all."""
        rows = slice(0, len(self._held)) if rows is None else rows
        out = np.zeros(self._held[rows, assets].shape)
        later = slice(max(rows.start, 1), rows.stop)  # the first session has no night before it
        for side, total, charge in zip(self._sides(later, assets), self._totals, self._charged, strict=True):
            out[later.start - rows.start :] += np.nan_to_num(side / total[later]) * charge[later]
        return out


def _on(frame: pd.DataFrame, other: pd.DataFrame) -> Floats:
    """The values of a frame at the sessions and assets of another."""
    same = frame.index.equals(other.index) and frame.columns.equals(other.columns)
    return (frame if same else frame.reindex(index=other.index, columns=other.columns)).to_numpy()
