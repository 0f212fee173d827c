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

from assay.data.compiling import has_numba, on_disk
from assay.data.conventions import Floats
from assay.engine.orders import SMALLEST

__all__ = ["Books", "Rates", "Wanted", "compiled_batch", "compiled_smoothing", "worth_compiling"]

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
