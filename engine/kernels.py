"""The batch's accounting as a compiled loop, for problems so large that compiling pays.

`assay.engine.batch.simulate_batch` in NumPy is the reference, and what runs where Numba is missing; this gives the same
figures to 1e-12. It knows prices without holes and whole sets of decided weights only, in which no order ever stands.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats
from assay.engine.orders import SMALLEST

__all__ = ["compiled_batch", "worth_compiling"]

#: What a session of a pass costs in NumPy beside its cells, in cells.
_CALLS = 20_000
#: Cells (runs × sessions × assets) above which importing the compiled loop takes less time than it saves.
_MANY = 50_000_000


def worth_compiling(runs: int, sessions: int, assets: int) -> bool:
    """Whether so many runs are simulated faster by the compiled loop, its import included; False without Numba.

    It depends on the size of the whole problem alone, so that a part of it gives the same bits.

    Examples
    --------
    >>> worth_compiling(10, 1000, 20)
    False

    """
    if sessions * (runs * assets + _CALLS) < _MANY:
        return False
    try:
        import numba
    except ImportError:
        return False
    return bool(numba)


@cache
def _compiled() -> Callable[..., None]:
    """`_simulate`, compiled, or read from Numba's cache on disk."""
    import numba

    compile_it: Any = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")
    kernel: Callable[..., None] = compile_it(_simulate)
    return kernel


def compiled_batch(
    fill: Floats,
    mark: Floats,
    weights: Floats,
    which: npt.NDArray[np.intp],
    scale: Floats | None,
    restated: npt.NDArray[np.bool_] | None,
    rates: tuple[Floats, Floats, Floats, Floats],
    delay: int,
    capital: float,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """NAV, value held, its absolute, costs, and turnover, (R, T) each; the parameters are those of `simulate_batch`.

    Parameters
    ----------
    fill, mark : (T, N) without NaN.
    weights : (sets, D, N) without NaN, within `max_gross` after `scale`.
    scale, restated : (R, T) or None.
    rates : (R,) each: of a traded unit, and of a night borrowed, financed, and in cash.

    """
    runs, sessions = len(which), len(fill)
    to_next = np.ones(fill.shape)  # what a unit held at a fill is worth at the next
    to_next[:-1] = fill[1:] / fill[:-1]
    at_close = mark is fill
    to_mark = to_next if at_close else mark / fill
    weights = np.ascontiguousarray(weights)
    scales = np.ones((runs, sessions)) if scale is None else np.ascontiguousarray(scale)
    again = np.zeros((runs, sessions), dtype=np.bool_) if restated is None else np.ascontiguousarray(restated)
    out = tuple(np.zeros((runs, sessions)) for _ in range(5))
    kernel = _compiled()

    def work(part: npt.NDArray[np.intp]) -> None:
        kernel(part, to_next, to_mark, at_close, weights, which, scales, again, *rates, delay, capital, *out)

    parts = np.array_split(np.arange(runs), min(runs, os.cpu_count() or 1))
    with ThreadPoolExecutor(len(parts)) as pool:  # the loop releases the interpreter's lock
        list(pool.map(work, parts))
    return out  # type: ignore[return-value]


def _simulate(
    part: npt.NDArray[np.intp],
    to_next: Floats,
    to_mark: Floats,
    at_close: bool,
    weights: Floats,
    which: npt.NDArray[np.intp],
    scale: Floats,
    restated: npt.NDArray[np.bool_],
    rate: Floats,
    borrow: Floats,
    financing: Floats,
    earning: Floats,
    delay: int,
    capital: float,
    nav: Floats,
    position: Floats,
    absolute: Floats,
    paid: Floats,
    turnover: Floats,
) -> None:
    """The runs of `part`; values, not shares, are carried from fill to fill."""
    sessions, assets = to_next.shape
    decisions = weights.shape[1]
    held = np.zeros(assets)  # values at the last fill
    for r in part:
        chosen = weights[which[r]]
        held[:] = 0.0
        cash, short = capital, 0.0
        for s in range(sessions):
            row = s - delay
            carrying = borrow[r] * short + financing[r] * max(-cash, 0.0)
            earned = earning[r] * cash if s else 0.0
            before, value, size, ratio = cash, 0.0, 0.0, to_next[s - 1]
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
            if row >= 0 and (row < decisions or restated[r, row]):
                target = chosen[min(row, decisions - 1)]
                factor = scale[r, row]
                spent, traded, size = -value, 0.0, 0.0
                value = 0.0
                for a in range(assets):
                    weight = target[a] * factor
                    wanted = weight * before if abs(weight) >= SMALLEST else 0.0
                    traded += abs(wanted - held[a])
                    value += wanted
                    size += abs(wanted)
                    held[a] = wanted
                spent += value
                fees = traded * rate[r]
                cash -= spent + fees
                turnover[r, s] = 0.5 * traded / before
            cash += earned - carrying
            if not at_close:
                value, size = 0.0, 0.0
                last = to_mark[s]
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
