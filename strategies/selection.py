"""Which assets a ranked rule holds: the top and the bottom of each session's cross-section.

The order is total, so the legs never share an asset: score descending, then asset id ascending. The top K are the
first K of it, the bottom K the last K. With N assets that have a finite score and a price,
K = max(1, ⌊quantile·N + ½⌋), at most half of N; below `MINIMUM_ASSETS` the session is all cash.

Rows are worked in blocks that stay in cache. One sort a row gives the two edges; everything after is comparisons. Only
rows whose edge is tied look at asset ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from assay.data.compiling import on_disk
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PricePanel

__all__ = [
    "MINIMUM_ASSETS",
    "Legs",
    "aligned_values",
    "check_quantile",
    "compiled_rows",
    "top_k",
    "trailing_volatility",
]

#: Fewer eligible assets than this, and the session is all cash.
MINIMUM_ASSETS = 5
#: Bytes of scores in a block: a few arrays of this size fit in the second-level cache.
_BLOCK_BYTES = 1 << 18

Mask = NDArray[np.bool_]


def check_quantile(quantile: float, who: str) -> None:
    """Raise `InputError` unless 0 < quantile <= 0.5."""
    if not 0 < quantile <= 0.5:
        raise InputError(f"{who}: quantile must be above 0 and at most 0.5, got {quantile!r}")


def top_k(quantile: float, eligible: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many assets a leg holds: floor(quantile·N + ½), at least 1 and at most half; 0 below `MINIMUM_ASSETS`.

    Examples
    --------
    >>> top_k(0.2, np.array([4, 5, 12, 13])).tolist()
    [0, 1, 2, 3]

    """
    k = np.floor(quantile * eligible + 0.5).astype(np.intp)
    k = np.asarray(np.minimum(np.maximum(k, 1), eligible // 2))
    k[eligible < MINIMUM_ASSETS] = 0
    return k


def aligned_values(frame: pd.DataFrame, other: pd.DataFrame, who: str) -> Floats:
    """The values of `other` at the sessions and assets of `frame`; a view where one is enough.

    Raises
    ------
    InputError
        If a session or an asset of `frame` is absent from `other`.

    """
    values = other.to_numpy()
    if frame.index.equals(other.index) and frame.columns.equals(other.columns):
        return values
    columns = _positions(frame.columns, other.columns, f"{who}: assets")
    start = int(other.index.searchsorted(frame.index[0])) if len(frame) else 0
    if other.index[start : start + len(frame)].equals(frame.index):
        values = values[start : start + len(frame)]
    else:
        rows = _positions(frame.index, other.index, f"{who}: sessions")
        values = values if rows is None else values[rows]
    return values if columns is None else values[:, columns]


def _positions(wanted: pd.Index, known: pd.Index, what: str) -> NDArray[np.intp] | None:
    if wanted is known or wanted.equals(known):
        return None
    found = known.get_indexer(wanted)
    if (found < 0).any():
        first = wanted[int((found < 0).argmax())]
        shown = first.date() if isinstance(first, pd.Timestamp) else repr(first)
        raise InputError(f"{what}: {int((found < 0).sum())} absent from the prices, first {shown}; align the two first")
    return found


@dataclass(frozen=True)
class Legs:
    """The shape of a long and a short leg over a ranked cross-section.

    Parameters
    ----------
    quantile : share of the eligible assets in each leg, in (0, 0.5].
    long_gross, short_gross : Σ|weight| of each leg, fractions of NAV; 0 leaves the leg out.
    short_below : of the bottom K only those whose score is below this are shorted, the leg's gross being spread over
        them (none below it: no shorts); None shorts all K.
    compiled : whether a compiled loop chooses and weighs equally, to the bit: worth it for large panels and many runs.

    """

    quantile: float
    long_gross: float
    short_gross: float
    short_below: float | None = None
    compiled: bool = False

    def weights(self, score: Floats, close: Floats, ids: pd.Index, size: Floats | None = None) -> Floats:
        """Target weights.

        Parameters
        ----------
        score : (T, N), NaN = no view; only its order matters, unless `short_below` is set.
        close : (T, N), NaN = no price, so not eligible.
        ids : the N asset ids, which break ties.
        size : (T, N), not negative: weights within a leg are proportional to it, and an asset without it (NaN) is not
            eligible; None weighs equally.

        Returns
        -------
        ndarray
            (T, N), 0 where nothing is held.

        """
        sessions, assets = score.shape
        order = _id_order(ids)
        loop = compiled_rows() if self.compiled and size is None else None
        out = np.zeros((sessions, assets)) if loop is None else np.empty((sessions, assets))
        step = min(sessions, max(1, _BLOCK_BYTES // (8 * max(1, assets))))
        blocks = np.empty((2, step, assets))
        for start in range(0, sessions, step):
            rows = slice(start, start + step)
            block, ranked = blocks[:, : len(score[rows])]
            np.multiply(close[rows], 0.0, out=block)  # 0, or NaN where there is no price
            block += score[rows]
            if size is not None:
                block += size[rows] * 0.0
            ranked[:] = block
            ranked.sort(axis=1)
            if loop is None:
                self._fill(block, ranked, out[rows], order, None if size is None else size[rows])
                continue
            below = np.inf if self.short_below is None else self.short_below
            places = np.arange(assets) if order is None else order
            loop(block, ranked, places, self.quantile, self.long_gross, self.short_gross, below, out[rows])
        return out

    def weights_within(
        self, groups: pd.Series, score: Floats, close: Floats, ids: pd.Index, size: Floats | None = None
    ) -> Floats:
        """Target weights chosen within each group; those of a group are its share of the names, of groups that trade.

        Parameters
        ----------
        groups : (N,) asset → group; an asset without one is never chosen.
        score, close, ids, size : as for `weights`.

        """
        out, names = np.zeros(score.shape), np.zeros((len(score), 1))
        for name in groups.dropna().unique():
            at = np.flatnonzero((groups == name).to_numpy())
            known = np.isfinite(score[:, at]) & np.isfinite(close[:, at])
            if size is not None:
                known &= np.isfinite(size[:, at])
            count = known.sum(axis=1, keepdims=True)
            count = np.where(count >= MINIMUM_ASSETS, count, 0)
            part = self.weights(score[:, at], close[:, at], ids[at], None if size is None else size[:, at])
            out[:, at] = part * count
            names += count
        return np.divide(out, names, out=np.zeros_like(out), where=names > 0)

    def _fill(
        self, block: Floats, ranked: Floats, out: Floats, order: NDArray[np.intp] | None, size: Floats | None
    ) -> None:
        """Write the weights of one block of rows into `out`, which is zero; `ranked` are the rows, each sorted."""
        eligible = _count_finite(ranked)
        k = top_k(self.quantile, eligible)
        live = k > 0
        if not live.any():
            return
        if self.long_gross:
            chosen = _top(block, ranked, eligible, k, live, order)
            _weigh(out, chosen, k, self.long_gross, size)
        if self.short_gross:
            chosen = _bottom(block, ranked, k, live, order)
            if self.short_below is not None:
                # The bottom K are the K lowest, so those below the threshold are the lowest of all.
                k = np.minimum(k, np.count_nonzero(ranked[:, : int(k.max())] < self.short_below, axis=1))
                chosen &= block < self.short_below
            _weigh(out, chosen, k, -self.short_gross, size)


@cache
def compiled_rows() -> Callable[..., None]:
    """`_fill_rows`, compiled."""
    import numba

    types: Any = numba.types
    table, number = types.Array(types.float64, 2, "C"), types.float64
    ids = types.Array(types.int64, 1, "C", readonly=True)
    kernel: Callable[..., None] = on_disk(
        _fill_rows, types.void(table, table, ids, number, number, number, number, table)
    )
    return kernel


def _fill_rows(
    block: Floats,
    ranked: Floats,
    ids: NDArray[np.intp],
    quantile: float,
    long_gross: float,
    short_gross: float,
    below: float,
    out: Floats,
) -> None:
    """`Legs._fill` with equal weights; `ids` are the columns in the order of asset ids, no `below` is infinite."""
    rows, assets = block.shape
    for t in range(rows):
        row, line = block[t], out[t]
        n = assets
        while n > 0 and ranked[t, n - 1] != ranked[t, n - 1]:
            n -= 1
        if n < MINIMUM_ASSETS:
            line[:] = 0.0
            continue
        k = min(max(int(np.floor(quantile * n + 0.5)), 1), n // 2)
        # The edges of the legs, which are out of reach where there is no leg.
        top, bottom = np.inf, -np.inf
        long, short = 0.0, 0.0
        tied = False
        if long_gross:
            top, long = ranked[t, n - k], long_gross / k
            tied = ranked[t, n - k - 1] == top
        if short_gross:
            bottom, count = ranked[t, k - 1], k
            if below < np.inf:
                count = 0
                while count < k and ranked[t, count] < below:
                    count += 1
            short = -short_gross / max(count, 1)
            tied |= ranked[t, k] == bottom
        if not tied:
            for a in range(assets):
                low = short if row[a] <= bottom and row[a] < below else 0.0
                line[a] = long if row[a] >= top else low
            continue
        line[:] = 0.0
        above, under = k, k
        for a in range(assets):
            above -= row[a] > top
            under -= row[a] < bottom
        for place in range(assets):
            a, b = ids[place], ids[assets - 1 - place]
            if row[a] > top or (row[a] == top and above > 0):
                above -= row[a] == top
                line[a] += long
            if row[b] < bottom or (row[b] == bottom and under > 0):
                under -= row[b] == bottom
                if row[b] < below:
                    line[b] += short


def _weigh(out: Floats, chosen: Mask, count: NDArray[np.intp], gross: float, size: Floats | None) -> None:
    """Add `gross`, spread over the `count` chosen assets of each row, equally or in proportion to `size`.

    Products with the mask, not assignments under it: no branch to mispredict, several times faster.
    """
    picked = chosen.view(np.int8)
    if size is None:
        out += picked * (gross / np.maximum(count, 1))[:, None]
        return
    sized = np.fmax(size, 0.0) * picked
    total = sized.sum(axis=1, keepdims=True)
    out += sized * (gross / np.where(total > 0, total, 1.0))


def _count_finite(ranked: Floats) -> NDArray[np.intp]:
    """Finite values of each sorted row (NaN stands at its end)."""
    if not np.isnan(ranked[:, -1]).any():
        return np.full(len(ranked), ranked.shape[1], dtype=np.intp)
    answer: NDArray[np.intp] = ranked.shape[1] - np.count_nonzero(np.isnan(ranked), axis=1)
    return answer


def _top(
    block: Floats,
    ranked: Floats,
    eligible: NDArray[np.intp],
    k: NDArray[np.intp],
    live: Mask,
    order: NDArray[np.intp] | None,
) -> Mask:
    """The K highest of each live row; among equals at the edge, those whose ids come first."""
    rows = np.arange(len(block))
    at = np.where(live, eligible - k, 1)
    edge = np.where(live, ranked[rows, at], np.inf)
    chosen = block >= edge[:, None]
    tied = np.flatnonzero(live & (ranked[rows, at - 1] == edge))
    if len(tied):
        subset = block[tied] if order is None else block[tied][:, order]
        above, equal = subset > edge[tied, None], subset == edge[tied, None]
        wanted = (k[tied] - np.count_nonzero(above, axis=1))[:, None]
        _put(chosen, tied, above | (equal & (np.cumsum(equal, axis=1) <= wanted)), order)
    return chosen


def _bottom(block: Floats, ranked: Floats, k: NDArray[np.intp], live: Mask, order: NDArray[np.intp] | None) -> Mask:
    """The K lowest of each live row; among equals at the edge, those whose ids come last."""
    rows = np.arange(len(block))
    at = np.where(live, k - 1, 0)
    edge = np.where(live, ranked[rows, at], -np.inf)
    chosen = block <= edge[:, None]
    tied = np.flatnonzero(live & (ranked[rows, np.minimum(at + 1, ranked.shape[1] - 1)] == edge))
    if len(tied):
        subset = block[tied] if order is None else block[tied][:, order]
        below, equal = subset < edge[tied, None], subset == edge[tied, None]
        wanted = (k[tied] - np.count_nonzero(below, axis=1))[:, None]
        seen = np.cumsum(equal, axis=1)
        _put(chosen, tied, below | (equal & (seen > seen[:, -1:] - wanted)), order)
    return chosen


def _put(chosen: Mask, rows: NDArray[np.intp], picked: Mask, order: NDArray[np.intp] | None) -> None:
    """Store rows picked in id order back in column order."""
    if order is None:
        chosen[rows] = picked
    else:
        chosen[rows[:, None], order[None, :]] = picked


def _id_order(ids: pd.Index) -> NDArray[np.intp] | None:
    """Columns in the order of their asset ids; None where they stand so already."""
    if isinstance(ids.dtype, pd.StringDtype) and ids.is_monotonic_increasing:
        return None
    names = [str(asset) for asset in ids]
    order = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.intp)
    return None if np.array_equal(order, np.arange(len(order))) else order


def trailing_volatility(prices: PricePanel, window: int = 20) -> pd.DataFrame:
    """Standard deviation (ddof 1) of the last `window` daily returns of each asset, not annualised.

    Parameters
    ----------
    prices : T sessions by N assets.
    window : returns, the last one being that of session t; all of them must exist.

    Returns
    -------
    DataFrame
        (T, N) stamped t, from closes up to t; NaN where a return in the window is missing.

    """
    close = prices.close.to_numpy()
    out = np.full(close.shape, np.nan)
    step = max(1, _BLOCK_BYTES // (8 * close.shape[1]))
    for start in range(window, len(close), step):
        stop = min(start + step, len(close))
        base = close[start - window : stop]
        returns = base[1:] / base[:-1] - 1
        rows = stop - start
        mean = sum(returns[lag : lag + rows] for lag in range(window)) / window
        spread = sum((returns[lag : lag + rows] - mean) ** 2 for lag in range(window))
        out[start:stop] = np.sqrt(spread / (window - 1))
    return pd.DataFrame(out, index=prices.close.index, columns=prices.close.columns, copy=False)
