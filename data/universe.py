"""Who is in the universe when: only members are ranked, traded and trained on; and what a delisting paid.

Membership is read session by session from spells (asset, from, to), both ends included. What is known on a session is
whether an asset is a member on it, never that it will leave. An asset that left is sold at the next fill. Its prices
before it joined stay, for the features of its first session.

References
----------
Shumway (1997), "The delisting bias in CRSP data", Journal of Finance 52(1), for what a missing delisting return hides.

"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import BENCHMARK_ASSET, PricePanel
from assay.data.plugins import checked_answer, find_function

__all__ = [
    "UNIVERSE_ENTRY_POINTS",
    "departures",
    "only_members",
    "own_members",
    "with_delisting_returns",
    "with_members",
    "with_own_members",
]

#: Group under which other packages offer universes.
UNIVERSE_ENTRY_POINTS = "assay.universes"

#: What is left of a price after a return of −100%, so that it stays one.
_NOTHING = 1e-12


def with_members(prices: PricePanel, spells: pd.DataFrame) -> PricePanel:
    """`prices` of which only members are ranked, traded and trained on.

    Parameters
    ----------
    prices : (T, N).
    spells : columns asset, from and to (NaT = still a member), a row a spell; see `assay.data.files.members`.

    Raises
    ------
    InputError
        If no asset of the panel is ever a member on its sessions.

    """
    inside = np.zeros(prices.shape, dtype=bool)
    columns = prices.assets.get_indexer(pd.Index(spells["asset"]))
    starts = prices.sessions.searchsorted(pd.DatetimeIndex(spells["from"]))
    ends = prices.sessions.searchsorted(pd.DatetimeIndex(spells["to"].fillna(pd.Timestamp.max.normalize())), "right")
    covered = np.maximum(ends - starts, 0)
    for column, start, end in zip(columns.tolist(), starts.tolist(), ends.tolist(), strict=True):
        if column >= 0:
            inside[start:end, column] = True
    if not inside.any():
        raise InputError(
            f"universe: no asset of the prices is a member between {prices.sessions[0].date()} and "
            f"{prices.sessions[-1].date()}; check ids and dates"
        )
    messages = []
    strangers = (columns < 0) & (covered > 0)
    if strangers.any():
        gone = sorted({str(name) for name in spells["asset"][strangers]})
        messages.append(
            f"universe: {len(gone)} members have no prices, {covered[strangers].sum() / covered.sum():.1%} of all "
            f"memberships, first {gone[0]!r}; they are missing from every figure"
        )
    never = ~inside.any(axis=0)
    if never.any():
        messages.append(f"universe: {int(never.sum())} assets of the prices are never members, so never traded")
    frame = pd.DataFrame(inside, prices.sessions, prices.assets)
    return replace(prices, members=frame, warnings=(*prices.warnings, *messages))


def own_members(name: str, prices: PricePanel) -> pd.DataFrame:
    """(T, N) bool, what a person's own universe says: who is a member, from data through the session's close.

    Parameters
    ----------
    name : ``package.module:NAME`` or ``./file.py:NAME`` of a function of prices.
    prices : (T, N).

    Raises
    ------
    InputError
        If it cannot be imported, or its answer is not of the panel's sessions and assets, or not true or false.

    """
    function = find_function("universe", name, UNIVERSE_ENTRY_POINTS, ("prices",), {})
    return checked_answer(f"universe {name!r}", function(prices.shielded()), prices, flags=True)


def with_own_members(prices: PricePanel, name: str) -> PricePanel:
    """`prices` of which only the members of a person's own universe are ranked, traded and trained on.

    Raises
    ------
    InputError
        If it never has a member; and as `own_members`.

    """
    inside = own_members(name, prices)
    if not inside.to_numpy().any():
        raise InputError(f"universe {name!r}: has no member in any session")
    never = int((~inside.to_numpy().any(axis=0)).sum())
    messages = (f"universe: {never} assets of the prices are never members, so never traded",) if never else ()
    return replace(prices, members=inside, warnings=(*prices.warnings, *messages))


def with_delisting_returns(prices: PricePanel, returns: pd.Series) -> PricePanel:
    """`prices` with one more session for assets whose prices end: the last close times 1 + the delisting return.

    Parameters
    ----------
    prices : (T, N).
    returns : asset → return from the last close to what a holder was paid, −1 for nothing; of assets that are not
        there, or whose prices reach the last session, it says nothing.

    """
    known = prices.close.notna().to_numpy()
    rows, columns, values = [], [], []
    for name, paid in zip(returns.index, returns.to_numpy(dtype=np.float64).tolist(), strict=True):
        column = int(prices.assets.get_indexer(pd.Index([name]))[0])
        if column < 0 or not known[:, column].any():
            continue
        last = len(known) - 1 - int(known[::-1, column].argmax())
        if last + 1 < len(known):
            rows.append(last + 1)
            columns.append(column)
            values.append(float(prices.close.to_numpy()[last, column]) * max(1.0 + paid, _NOTHING))
    frames: dict[str, Any] = {}
    for field in prices.fields:
        if field == "volume":
            continue
        grid = getattr(prices, field).to_numpy(copy=True)
        grid[rows, columns] = values
        frames[field] = pd.DataFrame(grid, prices.sessions, prices.assets)
    message = f"delisting returns: paid on {len(rows)} assets, the session after their last close"
    return replace(prices, **frames, warnings=(*prices.warnings, message))


def _inside(prices: PricePanel, sessions: pd.Index, assets: pd.Index) -> npt.NDArray[np.bool_]:
    """(T', N') who is a member; the benchmark always."""
    assert prices.members is not None
    found = prices.members.reindex(index=sessions, columns=assets).fillna(False).to_numpy(dtype=bool, copy=True)
    found[:, assets == BENCHMARK_ASSET] = True
    return found


def only_members(weights: pd.DataFrame, prices: PricePanel) -> pd.DataFrame:
    """Target weights of which those of assets that are no members are 0, and are ordered when they leave.

    Parameters
    ----------
    weights : (≤ T, N) stamped t; NaN = no order.
    prices : (T, N).

    """
    if prices.members is None:
        return weights
    sessions = prices.sessions[prices.sessions.slice_indexer(weights.index[0], None)]
    left = departures(prices).reindex(index=sessions, columns=weights.columns)
    some = left.index[left.any(axis="columns")]
    if len(some.difference(weights.index)):
        weights = weights.reindex(weights.index.union(some))
    outside = ~_inside(prices, weights.index, weights.columns)
    ordered = weights.notna().to_numpy() | left.reindex(weights.index).fillna(False).to_numpy(dtype=bool)
    return weights.mask(outside & ordered, 0.0)


def departures(prices: PricePanel) -> pd.DataFrame:
    """(T, N) bool: the first session on which an asset that was a member is none."""
    assert prices.members is not None
    inside = prices.members.to_numpy()
    before = np.vstack([np.zeros((1, inside.shape[1]), dtype=bool), inside[:-1]])
    return pd.DataFrame(before & ~inside, prices.sessions, prices.assets)
