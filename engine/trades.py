"""Fills into round trips, flat to flat, each with its money, its trading costs and what holding it cost.

A round trip of an asset begins with the fill that leaves a position of one sign where there was none, and ends with the
fill that leaves none, or one of the other sign. Adding and trimming in between belongs to it, so a smoothed book has as
many trips as it has bets, not one for each pair of lots.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats

if TYPE_CHECKING:
    from assay.data.panel import PricePanel
    from assay.engine.result import BacktestResult

__all__ = ["TRADE_COLUMNS", "holding_costs", "round_trips"]

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
    grouped = np.argsort(codes, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(assets)))])
    parts = [_legs(grouped[start:stop], shares) for start, stop in itertools.pairwise(bounds.tolist())]
    if not parts:
        return pd.DataFrame(columns=list(TRADE_COLUMNS))
    row, traded, position, first = (np.concatenate(part) for part in zip(*parts, strict=True))
    trip = np.cumsum(first) - 1
    count = int(trip[-1]) + 1 if len(trip) else 0
    price = fills["price"].to_numpy(dtype=np.float64)[row]
    whole = np.abs(shares[row])
    paid = np.divide(np.abs(traded), whole, out=np.zeros(len(row)), where=whole > 0)
    paid *= fills["cost"].to_numpy(dtype=np.float64)[row]

    def total(values: Floats) -> Floats:
        return np.bincount(trip, values, count).astype(np.float64)

    def largest(values: Floats) -> Floats:
        out = np.zeros(count)
        np.maximum.at(out, trip, values)
        return out

    start = np.flatnonzero(first)
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


def _legs(rows: npt.NDArray[np.intp], shares: Floats) -> _Legs:
    """One asset's fills, those that cross zero in two: row of the fill, shares, position after, whether a trip begins.

    The position after the closing half of a crossing is 0, so each trip's last leg ends at 0 unless it is open.
    """
    position = np.cumsum(shares[rows])
    position[np.abs(position) <= _DUST * float(np.abs(position).max(initial=0.0))] = 0.0
    before = np.concatenate([[0.0], position[:-1]])
    crossing = position * before < 0
    where = np.repeat(np.arange(len(rows)), 1 + crossing)
    second = np.concatenate([[False], where[1:] == where[:-1]]) if len(where) else np.zeros(0, dtype=bool)
    halved = crossing[where]
    after = np.where(halved & ~second, 0.0, position[where])
    start = np.where(second, 0.0, before[where])
    moved = after != start
    return rows[where][moved], (after - start)[moved], after[moved], (start == 0)[moved]


def _charged(holding: pd.DataFrame, assets: npt.NDArray[np.object_], entry: Floats, leave: Floats) -> Floats:
    """What each trip paid to be held: the charges stamped after its entry, through its exit."""
    total = np.vstack([np.zeros(holding.shape[1]), np.cumsum(holding.fillna(0.0).to_numpy(dtype=np.float64), axis=0)])
    column = holding.columns.get_indexer(pd.Index(assets))
    first = holding.index.searchsorted(pd.DatetimeIndex(entry), side="right")
    last = holding.index.searchsorted(pd.DatetimeIndex(leave), side="right")
    return np.where(column >= 0, total[last, column] - total[first, column], 0.0)


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
    close = prices.close.ffill().reindex(index=result.holdings.index, columns=result.holdings.columns)
    value = (result.holdings * close).shift(1).fillna(0.0)
    out = pd.DataFrame(0.0, value.index, value.columns)
    lent = -value.clip(upper=0.0)
    if result.borrow_bps is not None:
        lent = lent * result.borrow_bps.reindex(index=lent.index, columns=lent.columns)
    for kind, side in (("borrow", lent), ("financing", value.clip(lower=0.0))):
        total = side.sum(axis="columns")
        share = side.div(total.where(total > 0), axis="index").fillna(0.0)
        out = out + share.mul(result.costs[kind], axis="index")
    return out
