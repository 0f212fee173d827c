"""The batch's accounting as a compiled loop, for problems so large that compiling pays.

`assay.engine.batch.simulate_batch` in NumPy is the reference, and what runs where Numba is missing; this gives the same
figures to 1e-12. It knows prices without holes and whole sets of decided weights only, in which no order ever stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.compiling import has_numba, on_disk
from assay.data.conventions import Floats
from assay.engine.orders import SMALLEST
from assay.strategies.overlays import smooth_weights

__all__ = [
    "Books",
    "Rates",
    "Wanted",
    "compiled_batch",
    "compiled_run",
    "compiled_smooth_weights",
    "compiled_smoothing",
    "compiled_sums",
    "worth_compiling",
]

#: What a session of a pass costs in NumPy beside its cells, in cells.
_CALLS = 20_000
#: Cells (runs × sessions × assets) above which a pass or two of them take longer than importing the compiled loop.
_MANY = 70_000_000


def worth_compiling(runs: int, sessions: int, assets: int) -> bool:
    """Whether so many runs are simulated faster by the compiled loop, its import included; False without Numba.

    It depends on the size of the whole problem alone, so that a part of it gives the same bits.

    Examples
    --------
    >>> worth_compiling(10, 1000, 20)
    False

    """
    return sessions * (runs * assets + _CALLS) >= _MANY and has_numba()


@cache
def _compiled() -> Callable[..., None]:
    """`_simulate`, compiled."""
    kernel: Callable[..., None] = on_disk(_simulate, reorder=True)
    return kernel


@cache
def compiled_smoothing() -> Callable[[Floats, float, float, Floats], None]:
    """`_smooth_sets`, compiled."""
    kernel: Callable[[Floats, float, float, Floats], None] = on_disk(_smooth_sets)
    return kernel


def _smooth_sets(weights: Floats, kept: float, fresh: float, out: Floats) -> None:
    """`assay.strategies.overlays.smooth_weights` of each set of weights (sets, D, N) without NaN, to the bit."""
    sets, decisions, assets = weights.shape
    for i in range(sets):
        for a in range(assets):
            out[i, 0, a] = weights[i, 0, a]
        for t in range(1, decisions):
            for a in range(assets):
                old, new = kept * out[i, t - 1, a], fresh * weights[i, t, a]
                out[i, t, a] = old + new


def compiled_smooth_weights(weights: pd.DataFrame, smoothing: float) -> pd.DataFrame:
    """`assay.strategies.overlays.smooth_weights` by the compiled loop where there are no gaps, to the bit."""
    values = np.ascontiguousarray(weights.to_numpy(dtype=np.float64))
    if not len(values) or np.isnan(values.sum()):
        return smooth_weights(weights, smoothing)
    out = np.empty((1, *values.shape))
    compiled_smoothing()(np.require(values[None], requirements=["C", "W"]), smoothing, 1 - smoothing, out)
    return pd.DataFrame(out[0], weights.index, weights.columns, copy=False)


def compiled_sums(weights: Floats) -> tuple[Floats, Floats, Floats]:
    """`weights` with what is below a millionth of NAV at 0, and Σw and Σ|w| of each row; NaN where a cell is."""
    sums, out = np.zeros((2, len(weights))), np.empty((0, 0))
    if _compiled_sums()(weights, out, sums):
        out = np.empty(weights.shape)
        _compiled_sums()(weights, out, sums)
        weights = out
    return weights, sums[0], sums[1]


@cache
def _compiled_sums() -> Callable[..., bool]:
    """`_sums`, compiled, for arrays that may be read-only."""
    import numba

    types: Any = numba.types
    table, out = types.Array(types.float64, 2, "C", readonly=True), types.Array(types.float64, 2, "C")
    kernel: Callable[..., bool] = on_disk(_sums, types.boolean(table, out, out), reorder=True)
    return kernel


def _sums(weights: Floats, out: Floats, sums: Floats) -> bool:
    """Sums of each row without the cells that are too small; whether there are any. An `out` with rows is filled."""
    found = False
    for t in range(len(weights)):
        row, total, gross, least = weights[t], 0.0, 0.0, np.inf
        for a in range(len(row)):
            size = abs(row[a])
            total += row[a]
            gross += size
            least = min(least, size if size > 0.0 else np.inf)
        if least < SMALLEST:
            found, total, gross = True, 0.0, 0.0
            for a in range(len(row)):
                weight = 0.0 if abs(row[a]) < SMALLEST else row[a]
                total += weight
                gross += abs(weight)
        sums[0, t], sums[1, t] = total, gross
        if len(out):
            for a in range(len(row)):
                out[t, a] = 0.0 if abs(row[a]) < SMALLEST else row[a]
    return found


@cache
def compiled_run() -> Callable[..., int]:
    """`_rebalanced`, compiled, for arrays that may be read-only."""
    import numba

    types: Any = numba.types
    table, numbers = types.Array(types.float64, 2, "C", readonly=True), types.Array(types.float64, 1, "C")
    out = types.Array(types.float64, 2, "C")
    signature = types.int64(table, table, table, types.int64, numbers, numbers, types.boolean, out)
    kernel: Callable[..., int] = on_disk(_rebalanced, signature, reorder=True)
    return kernel


def _rebalanced(
    fill: Floats, close: Floats, weights: Floats, first: int, start: Floats, rates: Floats, at_close: bool, out: Floats
) -> int:
    """Sessions that begin and end at whole sets of decided weights, see `assay.engine.ledger`.

    Parameters
    ----------
    fill, close : (T, N).
    weights : (n + 1, N) held before session `first`, and then ordered for each of the n sessions.
    first : row of `fill` and `close` of the first session.
    start : NAV at the fill of the session before, cash and shorts at its close.
    rates : of a traded unit; of a night: borrow, financing, interest.
    at_close : whether the fill is the close.
    out : (n, 9) NAV at the fill, NAV and cash at the close, traded, long, short, borrow, financing, interest.

    Returns
    -------
    int
        Sessions worked, fewer than n at ruin.

    """
    before, cash, short = start
    traded_rate, borrow, financing, earning = rates
    assets = fill.shape[1]
    drifted = np.zeros(assets)
    for i in range(len(out)):
        s, held, wanted = first + i, weights[i], weights[i + 1]
        growth, now, then = 0.0, fill[s], fill[s - 1]
        for a in range(assets):
            value = held[a] * (now[a] / then[a])
            drifted[a] = value
            growth += value
        previous, before = before, cash + before * growth
        lent, owed, earned = borrow * -short, financing * max(-cash, 0.0), earning * cash
        row = out[i]
        row[0], row[6], row[7], row[8] = before, lent, owed, earned
        if before <= 0.0:
            row[1] = row[2] = before - lent - owed + earned
            return i + 1
        share, total, size, changed = previous / before, 0.0, 0.0, 0.0
        for a in range(assets):
            weight = wanted[a]
            total += weight
            size += abs(weight)
            changed += abs(weight - drifted[a] * share)
        position, gross = total, size
        if not at_close:
            position, gross, last = 0.0, 0.0, close[s]
            for a in range(assets):
                value = wanted[a] * (last[a] / now[a])
                position += value
                gross += abs(value)
        traded = before * changed
        cash = before * (1.0 - total) - traded * traded_rate - lent - owed + earned
        position *= before
        short = 0.5 * (position - before * gross)
        row[1], row[2], row[3], row[4], row[5] = cash + position, cash, traded, position - short, short
        if cash + position <= 0.0:
            return i + 1
    return len(out)


class Wanted(NamedTuple):
    """What R runs order.

    Parameters
    ----------
    weights : (sets, D, N) without NaN, within `max_gross` after `scale`.
    which : (R,) row of `weights` that each run trades.
    scale, restated : (R, ≥ D) factors, and where the last target is ordered again; the second is (R, T).

    """

    weights: Floats
    which: npt.NDArray[np.intp]
    scale: Floats
    restated: npt.NDArray[np.bool_]


class Rates(NamedTuple):
    """(R,) each: cost of a traded unit, and what a night costs a unit borrowed and financed, and brings one of cash."""

    traded: Floats
    borrow: Floats
    financing: Floats
    earning: Floats


class Books(NamedTuple):
    """(R, T) each: NAV, value held, its absolute, costs, currency; ½Σ|traded value|/NAV."""

    nav: Floats
    position: Floats
    absolute: Floats
    paid: Floats
    turnover: Floats


class _Market(NamedTuple):
    to_next: Floats  # (T, N) what a unit held at a fill is worth at the next
    to_mark: Floats  # (T, N) and at the session's close
    at_close: bool  # whether the fill is the close
    delay: int
    capital: float


def compiled_batch(fill: Floats, mark: Floats, wanted: Wanted, rates: Rates, delay: int, capital: float) -> Books:
    """The books of R runs.

    Parameters
    ----------
    fill, mark : (T, N) without NaN; the same array where fills are at the close.
    wanted, rates, delay, capital : see `assay.engine.batch.simulate_batch`.

    """
    runs, sessions = len(wanted.which), len(fill)
    to_next = np.ones(fill.shape)
    to_next[:-1] = fill[1:] / fill[:-1]
    at_close = mark is fill
    market = _Market(to_next, to_next if at_close else mark / fill, at_close, delay, float(capital))
    laid_out: list[Any] = [np.require(part, requirements=["C", "W"]) for part in (*wanted, *rates)]
    wanted, rates = Wanted(*laid_out[:4]), Rates(*laid_out[4:])  # one layout, one compilation
    books = Books(*(np.zeros((runs, sessions)) for _ in Books._fields))
    kernel = _compiled()
    parts = np.array_split(np.arange(runs), min(runs, os.cpu_count() or 1))
    with ThreadPoolExecutor(len(parts)) as pool:  # the loop releases the interpreter's lock
        list(pool.map(lambda part: kernel(part, market, wanted, rates, books), parts))
    return books


def _simulate(part: npt.NDArray[np.intp], market: _Market, wanted: Wanted, rates: Rates, books: Books) -> None:
    """The runs of `part`; values, not shares, are carried from fill to fill."""
    nav, position, absolute, paid, turnover = books
    sessions, assets = market.to_next.shape
    decisions = wanted.weights.shape[1]
    held = np.zeros(assets)  # values at the last fill
    for r in part:
        chosen = wanted.weights[wanted.which[r]]
        held[:] = 0.0
        cash, short = market.capital, 0.0
        for s in range(sessions):
            row = s - market.delay
            carrying = rates.borrow[r] * short + rates.financing[r] * max(-cash, 0.0)
            earned = rates.earning[r] * cash if s else 0.0
            before, value, size, ratio = cash, 0.0, 0.0, market.to_next[s - 1]
            if s:
                for a in range(assets):
                    held[a] *= ratio[a]
                    value += held[a]
                    size += abs(held[a])
                before += value
            if before <= 0.0:  # ruined at the fill: what is held is closed there
                nav[r, s:] = before - carrying + earned
                paid[r, s] = carrying
                break
            fees = 0.0
            if row >= 0 and (row < decisions or wanted.restated[r, row]):
                target, factor = chosen[min(row, decisions - 1)], wanted.scale[r, row]
                cash, traded, value, size = cash + value, 0.0, 0.0, 0.0
                for a in range(assets):
                    weight = target[a] * factor
                    amount = weight * before if abs(weight) >= SMALLEST else 0.0
                    traded += abs(amount - held[a])
                    value += amount
                    size += abs(amount)
                    held[a] = amount
                fees = traded * rates.traded[r]
                cash -= value + fees
                turnover[r, s] = 0.5 * traded / before
            cash += earned - carrying
            if not market.at_close:
                value, size = 0.0, 0.0
                last = market.to_mark[s]
                for a in range(assets):
                    marked = held[a] * last[a]
                    value += marked
                    size += abs(marked)
            paid[r, s] = fees + carrying
            nav[r, s] = cash + value
            short = 0.5 * (size - value)
            if nav[r, s] <= 0.0:
                nav[r, s:] = nav[r, s]
                break
            position[r, s], absolute[r, s] = value, size
