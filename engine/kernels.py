"""The accounting as a compiled loop, for problems so large, or so often repeated, that compiling pays.

`assay.engine.ledger.self_financing` and `assay.engine.batch.simulate_batch` in NumPy are the reference, and what runs
where Numba is missing; this gives the same figures to 1e-12. It knows decisions that order every asset or none, at
proportional costs. A missing price is no matter where nothing is held or wanted; where it is, the loop says so.

Values, not shares, are carried from fill to fill, as parts of the NAV at the last orders. Runs that order the same and
differ in their costs alone hold the same parts, which are worked once for all of them: what a run trades is
Σ|w − y·u|, with w the orders, u what the parts have grown to, and y how its NAV changed since. Nearly everywhere the
sign of w − y·u is the same at the lowest and at the highest y of the runs, so that the sum is a − b·y; the few other
assets are added run by run.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.compiling import has_numba, on_disk
from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.engine.orders import SMALLEST
from assay.strategies.overlays import (
    DAY_DEVIATIONS,
    DAY_WINDOW,
    FIVE_DAY_LOSS,
    FIVE_DAY_RECOVERY,
    FIVE_DAY_WINDOW,
    SIXTY_DAY_WINDOW,
    VOL_BOUNDS,
    VOL_WINDOW,
    first_returns,
    smooth_weights,
)

__all__ = [
    "COLUMNS",
    "Book",
    "Market",
    "RunRates",
    "Wanted",
    "compiled_books",
    "compiled_factors",
    "compiled_gross",
    "compiled_smooth_weights",
    "compiled_smoothing",
    "compiled_switches",
    "market_of",
    "worth_compiling",
]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: What a session of a pass costs in NumPy beside its cells, in cells.
_CALLS = 20_000
#: Cells (runs × sessions × assets) above which a pass or two of them take longer than importing the compiled loop.
_MANY = 70_000_000
#: Cells of a pass from which a second thread pays for its start.
_THREADED = 500_000


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
def compiled_smoothing() -> Callable[[Floats, float, float, Floats], None]:
    """`_smooth_sets`, compiled, for weights that may be read-only."""
    import numba

    types: Any = numba.types
    number, out = types.float64, types.Array(types.float64, 3, "C")
    signature = types.void(types.Array(number, 3, "C", readonly=True), number, number, out)
    kernel: Callable[[Floats, float, float, Floats], None] = on_disk(_smooth_sets, signature)
    return kernel


def _smooth_sets(weights: Floats, kept: float, fresh: float, out: Floats) -> None:
    """`assay.strategies.overlays.smooth_weights` of each set of weights (sets, D, N) without NaN, to the bit."""
    sets, decisions, assets = weights.shape
    for i in range(sets):
        for a in range(assets):
            out[i, 0, a] = weights[i, 0, a]
        for t in range(1, decisions):
            before, target, row = out[i, t - 1], weights[i, t], out[i, t]
            for a in range(assets):
                old, new = kept * before[a], fresh * target[a]
                row[a] = old + new


def compiled_smooth_weights(weights: pd.DataFrame, smoothing: float) -> pd.DataFrame:
    """`assay.strategies.overlays.smooth_weights` by the compiled loop where there are no gaps, to the bit."""
    values = np.ascontiguousarray(weights.to_numpy(dtype=np.float64))
    if not len(values) or np.isnan(values.sum()):
        return smooth_weights(weights, smoothing)
    out = np.empty((1, *values.shape))
    compiled_smoothing()(values[None], smoothing, 1 - smoothing, out)
    return pd.DataFrame(out[0], weights.index, weights.columns, copy=False)


def compiled_gross(weights: Floats) -> Floats:
    """(sets, D) Σ|w| of each row of weights, (sets, D, N); NaN where a cell is."""
    out = np.empty(weights.shape[:2])
    _compiled_gross()(np.ascontiguousarray(weights), out)
    return out


@cache
def _compiled_gross() -> Callable[[Floats, Floats], None]:
    """`_row_gross`, compiled, for weights that may be read-only."""
    import numba

    types: Any = numba.types
    signature = types.void(types.Array(types.float64, 3, "C", readonly=True), types.Array(types.float64, 2, "C"))
    kernel: Callable[[Floats, Floats], None] = on_disk(_row_gross, signature, reorder=True)
    return kernel


def _row_gross(weights: Floats, out: Floats) -> None:
    """Σ|w| of each row, into `out`."""
    sets, decisions, assets = weights.shape
    for i in range(sets):
        for t in range(decisions):
            row, gross = weights[i, t], 0.0
            for a in range(assets):
                gross += abs(row[a])
            out[i, t] = gross


def compiled_factors(returns: Floats, sessions: pd.Index, target: float) -> Floats:
    """`assay.strategies.overlays.vol_target_factors` at its defaults, by a compiled loop; equal to 1e-12."""
    first = first_returns(returns, sessions, "vol_target_factor")
    out = np.ones(returns.shape)
    _compiled_factors()(returns, first, target / math.sqrt(SESSIONS_A_YEAR), VOL_BOUNDS, VOL_WINDOW, out)
    return out


def compiled_switches(returns: Floats, sessions: pd.Index) -> Mask:
    """`assay.strategies.overlays.kill_switch_states` by a compiled loop; figures equal to 1e-12."""
    first = first_returns(returns, sessions, "kill_switch_state")
    out = np.zeros((*returns.shape, 3), dtype=bool)
    _compiled_switches()(returns, first, out)
    return out


@cache
def _compiled_factors() -> Callable[..., None]:
    """`_factors`, compiled."""
    import numba

    types: Any = numba.types
    table = types.Array(types.float64, 2, "C")
    bounds = types.UniTuple(types.float64, 2)
    signature = types.void(table, types.Array(types.int64, 1, "C"), types.float64, bounds, types.int64, table)
    kernel: Callable[..., None] = on_disk(_factors, signature, reorder=True)
    return kernel


def _factors(
    returns: Floats, first: Ints, target: float, bounds: tuple[float, float], window: int, out: Floats
) -> None:
    """`compiled_factors`, from the first return of each run on; `target` is a session's."""
    runs, sessions = returns.shape
    for r in range(runs):
        for t in range(first[r] + window - 1, sessions):
            part = returns[r, t - window + 1 : t + 1]
            mean, total = 0.0, 0.0
            for value in part:
                mean += value
            mean /= window
            for value in part:
                total += (value - mean) * (value - mean)
            deviation = np.sqrt(total / (window - 1))
            ratio = target / deviation if deviation > 0.0 else np.inf
            out[r, t] = min(max(ratio, bounds[0]), bounds[1])


@cache
def _compiled_switches() -> Callable[..., None]:
    """`_switches`, compiled."""
    import numba

    types: Any = numba.types
    out = types.Array(types.boolean, 3, "C")
    signature = types.void(types.Array(types.float64, 2, "C"), types.Array(types.int64, 1, "C"), out)
    kernel: Callable[..., None] = on_disk(_switches, signature, reorder=True)
    return kernel


def _switches(returns: Floats, first: Ints, out: Mask) -> None:
    """`compiled_switches`, from the first return of each run on."""
    runs, sessions = returns.shape
    nav = np.empty(sessions + 1)  # nav[t + 1] follows returns[t]
    for r in range(runs):
        start = first[r]
        nav[start], level = 1.0, -np.inf  # back above this level, the five-day switch is off
        for t in range(start, sessions):
            value = returns[r, t]
            nav[t + 1] = nav[t] * (1.0 + value)
            if t - start >= DAY_WINDOW:
                mean, total = 0.0, 0.0
                for i in range(t - DAY_WINDOW, t):
                    mean += returns[r, i]
                mean /= DAY_WINDOW
                for i in range(t - DAY_WINDOW, t):
                    total += (returns[r, i] - mean) * (returns[r, i] - mean)
                out[r, t, 0] = value < -DAY_DEVIATIONS * np.sqrt(total / (DAY_WINDOW - 1))
            if nav[t + 1] >= level:
                level = -np.inf
            if level == -np.inf and t - start >= FIVE_DAY_WINDOW - 1:
                before = nav[t + 1 - FIVE_DAY_WINDOW]
                if nav[t + 1] / before - 1.0 < -FIVE_DAY_LOSS:
                    level = nav[t + 1] + FIVE_DAY_RECOVERY * (before - nav[t + 1])
            out[r, t, 1] = level > -np.inf
            if t - start >= SIXTY_DAY_WINDOW - 1:
                total = 0.0
                for i in range(t - SIXTY_DAY_WINDOW + 1, t + 1):
                    total += returns[r, i]
                out[r, t, 2] = total < 0.0


class Market(NamedTuple):
    """Prices as the loop reads them.

    Parameters
    ----------
    fill, mark : (T, N) prices at which orders fill and at which holdings are marked, NaN = none; where fills are at the
        close the second has no cells.
    gap_starts, gaps : the assets without a fill or a close in session s are ``gaps[gap_starts[s]:gap_starts[s + 1]]``.
    delay, capital : as in `Execution`.

    """

    fill: Floats
    mark: Floats
    gap_starts: Ints
    gaps: Ints
    delay: int
    capital: float


class Wanted(NamedTuple):
    """What runs order, in groups of runs that order the same.

    Parameters
    ----------
    weights : (sets, D, N) without NaN, within `max_gross` after `scale`.
    which : (G,) set of each group.
    rows : (G, T) row of its set that is ordered, by the session of the decision; −1 = no order.
    scale : (G, T) factor on it.
    starts : (G + 1,) where the runs of each group start.

    """

    weights: Floats
    which: Ints
    rows: Ints
    scale: Floats
    starts: Ints


class RunRates(NamedTuple):
    """(R,) each: cost of a traded unit, and what a night costs a unit borrowed and financed, and brings one of cash."""

    traded: Floats
    borrow: Floats
    financing: Floats
    earning: Floats


class Book(NamedTuple):
    """(R, T) each, currency: NAV at the fill before costs, NAV and cash at the close, Σ|traded value|, value of longs
    and (≤ 0) of shorts at the close, borrow and financing paid, interest earned."""

    before: Floats
    nav: Floats
    cash: Floats
    traded: Floats
    long: Floats
    short: Floats
    borrow: Floats
    financing: Floats
    interest: Floats


#: Their number.
COLUMNS = len(Book._fields)


def market_of(fill: Floats, mark: Floats, delay: int, capital: float) -> Market:
    """The market of (T, N) fill prices and closes, the same array where fills are at the close; NaN = no price."""
    each = [fill] if mark is fill else [fill, mark]
    starts, gaps = np.zeros(len(fill) + 1, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if not all(np.isfinite(compiled_gross(prices[None]).sum()) for prices in each):
        missing = np.logical_or.reduce([np.isnan(prices) for prices in each])
        starts[1:], gaps = np.count_nonzero(missing, axis=1).cumsum(), missing.nonzero()[1]
    marked = np.empty((0, 0)) if mark is fill else mark
    return Market(_sealed(fill), _sealed(marked), _sealed(starts), _sealed(gaps), delay, float(capital))


def compiled_books(market: Market, wanted: Wanted, rates: RunRates) -> tuple[Book, Mask]:
    """The books of the runs, in the order of the groups; and (G,) which groups meet a missing price, and have zeros."""
    groups, runs, sessions = len(wanted.which), int(wanted.starts[-1]), len(market.fill)
    table, lost = np.empty((COLUMNS, runs, sessions)), np.zeros(groups, dtype=bool)
    laid, each = Wanted(*map(_sealed, wanted)), RunRates(*map(_sealed, rates))
    kernel = _compiled()
    cells = groups * market.fill.size
    parts = np.array_split(np.arange(groups), min(groups, os.cpu_count() or 1) if cells >= _THREADED else 1)
    if len(parts) == 1:
        kernel(parts[0], market, laid, each, table, lost)
    else:
        with ThreadPoolExecutor(len(parts)) as pool:  # the loop releases the interpreter's lock
            list(pool.map(lambda part: kernel(part, market, laid, each, table, lost), parts))
    for group in np.flatnonzero(lost):
        table[:, wanted.starts[group] : wanted.starts[group + 1]] = 0.0
    return Book(*table), lost


def _sealed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array row after row and read-only, for one compilation whatever it comes from."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


@cache
def _compiled() -> Callable[..., None]:
    """`_simulate`, compiled, for arrays that may be read-only."""
    import numba

    types: Any = numba.types

    def array(kind: Any, dimensions: int, *, written: bool = False) -> Any:
        return types.Array(kind, dimensions, "C", readonly=not written)

    real, whole = types.float64, types.int64
    line, ints, table = array(real, 1), array(whole, 1), array(real, 2)
    market = types.NamedTuple((table, table, ints, ints, whole, real), Market)
    wanted = types.NamedTuple((array(real, 3), ints, array(whole, 2), table, ints), Wanted)
    rates = types.NamedUniTuple(line, len(RunRates._fields), RunRates)
    out, lost = array(real, 3, written=True), array(types.boolean, 1, written=True)
    kernel: Callable[..., None] = on_disk(
        _simulate, types.void(ints, market, wanted, rates, out, lost), reorder=True
    )
    return kernel


def _simulate(part: Ints, market: Market, wanted: Wanted, rates: RunRates, table: Floats, lost: Mask) -> None:
    """The groups of `part`, into `table`, whose first axis is that of `Book`; `lost` are those a price is missing to.

    Parameters
    ----------
    table : (9, R, T).
    lost : (G,).

    """
    sessions, assets = market.fill.shape
    at_close = market.mark.size == 0
    most = 0
    for group in part:
        most = max(most, wanted.starts[group + 1] - wanted.starts[group])
    # Of each run: cash and shorts at the close, NAV at the last orders, NAV now, and the one as a part of the other.
    cash, short, base, before, share = np.empty(most), np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    ruined, left = np.empty(most, np.int64), np.empty(most)
    unit, order, turning = np.empty(assets), np.empty(assets), np.empty(assets, np.int64)
    turns_at = np.empty(assets, np.int64)
    for group in part:
        first, runs = wanted.starts[group], wanted.starts[group + 1] - wanted.starts[group]
        targets = wanted.weights[wanted.which[group]]
        cash[:runs], short[:runs], base[:runs], ruined[:runs] = market.capital, 0.0, 0.0, sessions
        unit[:] = 0.0
        living = runs
        for s in range(sessions):
            # At the fill: what the parts have grown to, and what the night cost.
            held, value, size, changed, slope, turns = 0.0, 0.0, 0.0, 0.0, 0.0, 0
            price, former = market.fill[s], market.fill[s - 1]
            whole = market.gap_starts[s + 1] == market.gap_starts[max(s - 1, 0)]
            if s and whole:
                for a in range(assets):
                    unit[a] *= price[a] / former[a]
                    held += unit[a]
            elif s:
                for a in range(assets):
                    if unit[a] != 0.0:
                        unit[a] *= price[a] / former[a]
                        held += unit[a]
            lowest, highest = np.inf, -np.inf
            for i in range(runs):
                if ruined[i] < sessions:
                    continue
                r = first + i
                lent, owed = rates.borrow[r] * -short[i], rates.financing[r] * max(-cash[i], 0.0)
                earned = rates.earning[r] * cash[i] if s else 0.0
                before[i] = cash[i] + base[i] * held
                table[0, r, s], table[3, r, s] = before[i], 0.0
                table[6, r, s], table[7, r, s], table[8, r, s] = lent, owed, earned
                cash[i] += earned - lent - owed
                if before[i] <= 0.0:  # what is held is closed here
                    ruined[i], left[i] = s, before[i] + earned - lent - owed
                    living -= 1
                    continue
                share[i] = base[i] / before[i]
                lowest, highest = min(lowest, share[i]), max(highest, share[i])
            decided = s - market.delay
            row = wanted.rows[group, decided] if decided >= 0 else -1
            factor = wanted.scale[group, decided] if decided >= 0 else 1.0
            for place in range(market.gap_starts[s], market.gap_starts[s + 1]):
                a = market.gaps[place]
                if unit[a] != 0.0 or (row >= 0 and abs(targets[row, a] * factor) >= SMALLEST):
                    lost[group] = True
            if lost[group] or not living:
                break
            if row < 0:
                value = held
                for a in range(assets):
                    size += abs(unit[a])
            elif lowest == highest:
                target = targets[row]
                for a in range(assets):
                    weight = target[a] * factor
                    weight = weight if abs(weight) >= SMALLEST else 0.0
                    changed += abs(weight - unit[a] * lowest)
                    value += weight
                    size += abs(weight)
                    unit[a] = weight
            else:
                target = targets[row]
                for a in range(assets):
                    weight = target[a] * factor
                    weight = weight if abs(weight) >= SMALLEST else 0.0
                    one = 1 if weight - unit[a] * lowest >= 0.0 else -1
                    other = 1 if weight - unit[a] * highest >= 0.0 else -1
                    sign = 0.5 * (one + other)
                    changed += sign * weight
                    slope += sign * unit[a]
                    value += weight
                    size += abs(weight)
                    order[a], turns_at[a] = weight, one != other
                for a in range(assets):
                    turning[turns] = a
                    turns += turns_at[a]
            if row >= 0:
                for i in range(runs):
                    if ruined[i] < sessions:
                        continue
                    moved = changed - slope * share[i]
                    for place in range(turns):
                        a = turning[place]
                        moved += abs(order[a] - unit[a] * share[i])
                    traded = before[i] * moved
                    cash[i] += base[i] * held - before[i] * value - traded * rates.traded[first + i]
                    base[i], table[3, first + i, s] = before[i], traded
                if lowest != highest:
                    unit[:] = order
            # At the close.
            if not at_close:
                value, size, last = 0.0, 0.0, market.mark[s]
                for a in range(assets):
                    marked = unit[a] * (last[a] / price[a])
                    marked = marked if whole or unit[a] != 0.0 else 0.0
                    value += marked
                    size += abs(marked)
            for i in range(runs):
                if ruined[i] < sessions:
                    continue
                r, position = first + i, base[i] * value
                nav = cash[i] + position
                if nav <= 0.0:
                    ruined[i], left[i] = s, nav
                    living -= 1
                    continue
                short[i] = 0.5 * (position - base[i] * size)
                table[1, r, s], table[2, r, s] = nav, cash[i]
                table[4, r, s], table[5, r, s] = position - short[i], short[i]
        for i in range(runs):  # nothing is left, and nothing happens any more
            for s in range(ruined[i], sessions):
                r = first + i
                table[1, r, s], table[2, r, s], table[4, r, s], table[5, r, s] = left[i], left[i], 0.0, 0.0
                if s > ruined[i]:
                    table[0, r, s], table[3, r, s] = left[i], 0.0
                    table[6, r, s], table[7, r, s], table[8, r, s] = 0.0, 0.0, 0.0
