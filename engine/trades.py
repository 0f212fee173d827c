"""Fills into round trips."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.engine.result import TRADE_COLUMNS

__all__ = ["round_trips"]

Floats = npt.NDArray[np.float64]

#: Shares below this fraction of an asset's largest position are rounding, not a position.
_DUST = 1e-9


def round_trips(fills: pd.DataFrame) -> pd.DataFrame:
    """Round trips, first in first out.

    Every share that is closed is paired with the oldest one still open on that side; a fill that crosses zero closes
    one side and opens the other. What is still open at the end is left out.

    Parameters
    ----------
    fills : long table in time order, columns `engine.result.FILL_COLUMNS`; `shares` is signed, `cost` in currency.

    Returns
    -------
    DataFrame
        Columns `engine.result.TRADE_COLUMNS`, one row for each pair of fills, by exit session, then asset. `side` is 1
        or −1, `shares` positive; `pnl` is net of the costs of both fills, pro rata (not of borrow or financing);
        `return` is pnl over the value at entry.

    Examples
    --------
    >>> fills = pd.DataFrame(
    ...     {
    ...         "session": pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"]),
    ...         "asset": "A",
    ...         "shares": [10.0, 10.0, -15.0],
    ...         "price": [1.0, 2.0, 4.0],
    ...         "value": [10.0, 20.0, -60.0],
    ...         "cost": [0.0, 0.0, 0.0],
    ...     }
    ... )
    >>> round_trips(fills)[["entry_price", "exit_price", "shares", "pnl"]].to_numpy().tolist()
    [[1.0, 4.0, 10.0, 30.0], [2.0, 4.0, 5.0, 10.0]]

    """
    codes, assets = pd.factorize(fills["asset"])
    shares = fills["shares"].to_numpy(dtype=np.float64)
    grouped = np.argsort(codes, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(assets)))])
    nothing = np.zeros(0)
    found = [(nothing.astype(np.intp), nothing.astype(np.intp), nothing, nothing)]
    for start, stop in itertools.pairwise(bounds.tolist()):
        rows = grouped[start:stop]
        entry, leave, quantity, side = _pairs(shares[rows])
        found.append((rows[entry], rows[leave], quantity, side))
    entry, leave, quantity, side = (np.concatenate(part) for part in zip(*found, strict=True))
    return _table(fills, entry, leave, quantity, side)


def _table(
    fills: pd.DataFrame, entry: npt.NDArray[np.intp], leave: npt.NDArray[np.intp], quantity: Floats, side: Floats
) -> pd.DataFrame:
    """Trades from the rows of their two fills."""
    price = fills["price"].to_numpy(dtype=np.float64)
    traded = np.abs(fills["shares"].to_numpy(dtype=np.float64))
    cost_a_share = np.divide(
        fills["cost"].to_numpy(dtype=np.float64), traded, out=np.zeros(len(fills)), where=traded > 0
    )
    sessions = fills["session"].to_numpy()
    pnl = quantity * (side * (price[leave] - price[entry]) - cost_a_share[entry] - cost_a_share[leave])
    columns = (
        fills["asset"].to_numpy()[entry],
        side.astype(np.int64),
        sessions[entry],
        sessions[leave],
        price[entry],
        price[leave],
        quantity,
        pnl,
        pnl / (quantity * price[entry]),
    )
    table = pd.DataFrame(dict(zip(TRADE_COLUMNS, columns, strict=True)))
    return table.sort_values(["exit_session", "asset"], kind="stable", ignore_index=True)


def _pairs(shares: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats, Floats]:
    """One asset's fills as (opening fill, closing fill, shares, side) of each round trip."""
    position = np.cumsum(shares)
    scale = float(np.abs(position).max(initial=0.0))
    position[np.abs(position) <= _DUST * scale] = 0.0
    before = np.concatenate([[0.0], position[:-1]])
    parts = []
    for side in (1.0, -1.0):
        held, held_before = np.maximum(side * position, 0.0), np.maximum(side * before, 0.0)
        change = held - held_before
        parts.append((*_matched(np.maximum(change, 0.0), np.maximum(-change, 0.0), _DUST * scale), side))
    entry, leave, quantity = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return entry, leave, quantity, np.concatenate([np.full(len(part[2]), part[3]) for part in parts])


def _matched(opened: Floats, closed: Floats, dust: float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Pair what is closed with what was opened first, by laying both out along the count of shares.

    The k-th share opened is the k-th share closed: the positions only meet zero where both counts agree, so one line
    of shares serves all episodes of a side.
    """
    opening, closing = np.flatnonzero(opened > 0), np.flatnonzero(closed > 0)
    up, down = np.cumsum(opened[opening]), np.cumsum(closed[closing])
    if not len(down):
        return opening[:0], closing[:0], up[:0]
    edges = np.union1d(up[up < down[-1]], down)
    length = np.diff(edges, prepend=0.0)
    real = length > dust
    edges, length = edges[real], length[real]
    middle = edges - length / 2
    first = np.minimum(np.searchsorted(up, middle), len(up) - 1)
    last = np.minimum(np.searchsorted(down, middle), len(down) - 1)
    return opening[first], closing[last], length
