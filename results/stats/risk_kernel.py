"""Trailing beta and residual volatility of a whole panel in one pass, as a compiled loop, for panels where that pays.

`assay.results.stats.skill.trailing_risk` by pandas is the reference, and what runs where Numba is missing; this gives
the same figures to 1e-12. Sums are carried from session to session as pandas carries them: Welford's, with what leaves
a window taken out again, and a run of equal values known as one that does not vary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from assay.data.compiling import has_numba, on_disk
from assay.data.conventions import Floats

__all__ = ["compiled_risk", "pays"]

#: Cells above which pandas takes longer than importing the compiled loop.
_MANY = 5_000_000


def pays(cells: int) -> bool:
    """Whether a panel of so many cells is large enough; False without Numba."""
    return cells >= _MANY and has_numba()


@cache
def compiled_risk() -> Callable[..., None]:
    """`_risk`, compiled, for arrays that may be read-only."""
    import numba

    types: Any = numba.types
    table, out = types.Array(types.float64, 2, "C", readonly=True), types.Array(types.float64, 2, "C")
    series = types.Array(types.float64, 1, "C", readonly=True)
    windows = types.UniTuple(types.int64, 4)
    kernel: Callable[..., None] = on_disk(_risk, types.void(table, series, series, windows, types.float64, out, out))
    return kernel


def _risk(
    returns: Floats,
    market: Floats,
    variance: Floats,
    windows: tuple[int, int, int, int],
    shrink: float,
    beta: Floats,
    volatility: Floats,
) -> None:
    """Fill `beta` and `volatility`, (T, N).

    Parameters
    ----------
    returns : (T, N), NaN = none.
    market, variance : (T,) the return that beta is on, and its trailing variance; NaN where not known or 0.
    windows : of beta and its least, of volatility and its least.
    shrink : share of the way that beta is drawn to 1.

    """
    long, long_least, short, short_least = windows
    sessions, assets = returns.shape
    count, mean, other, product = np.zeros(assets), np.zeros(assets), np.zeros(assets), np.zeros(assets)
    n, middle, squares = np.zeros(assets), np.zeros(assets), np.zeros(assets)
    added, removed = np.zeros(assets), np.zeros(assets)  # what rounding took, as Kahan sums know it
    equal, last = np.zeros(assets), np.full(assets, np.nan)
    for t in range(sessions):
        # Every loop writes each of its cells whatever they hold: no branch, so that several are worked at a time.
        m, v, now = market[t], variance[t], returns[t]
        if t >= long:
            y, gone = market[t - long], returns[t - long]
            for a in range(assets):
                x = gone[a]
                leaves = x == x and y == y
                left = count[a] - 1.0 if leaves else count[a]
                share = 1.0 / (left if left > 0.0 else 1.0) if leaves else 0.0
                off, apart = (x - mean[a], y - other[a]) if leaves else (0.0, 0.0)
                about = other[a] - apart * share
                change = off * (y - about) if leaves else 0.0
                count[a] = left
                mean[a] = mean[a] - off * share if left > 0.0 else 0.0
                product[a] = product[a] - change if left > 0.0 else 0.0
                other[a] = about if left > 0.0 else 0.0
        for a in range(assets):
            x = now[a]
            comes = x == x and m == m
            held = count[a] + 1.0 if comes else count[a]
            share = 1.0 / held if comes else 0.0
            off, apart = (x - mean[a], m - other[a]) if comes else (0.0, 0.0)
            about = other[a] + apart * share
            count[a] = held
            mean[a] += off * share
            product[a] += off * (m - about) if comes else 0.0
            other[a] = about
        row = beta[t]
        for a in range(assets):
            known = count[a] >= long_least and v == v
            raw = product[a] / ((count[a] - 1.0) * v) if known else 1.0
            row[a] = (1.0 - shrink) * raw + shrink
        if t >= short:
            y, gone, was = market[t - short], returns[t - short], beta[t - short]
            for a in range(assets):
                e = gone[a] - was[a] * y
                leaves = e == e
                left = n[a] - 1.0 if leaves else n[a]
                before, value = middle[a] - removed[a], e - removed[a]
                off = value - middle[a] if leaves else 0.0
                about = middle[a] - off / (left if left > 0.0 else 1.0)
                change = (e - before) * (e - about) if leaves else 0.0
                n[a] = left
                removed[a] = off + middle[a] - value if leaves and left > 0.0 else removed[a]
                middle[a] = about if left > 0.0 else 0.0
                squares[a] = squares[a] - change if left > 0.0 else 0.0
        for a in range(assets):
            e = now[a] - row[a] * m
            comes = e == e
            held = n[a] + 1.0 if comes else n[a]
            before, value = middle[a] - added[a], e - added[a]
            off = value - middle[a] if comes else 0.0
            about = middle[a] + off / (held if held > 0.0 else 1.0)
            n[a] = held
            added[a] = off + middle[a] - value if comes else added[a]
            middle[a] = about
            squares[a] += (e - before) * (e - about) if comes else 0.0
            run = equal[a] + 1.0 if e == last[a] else 1.0
            equal[a] = run if comes else equal[a]
            last[a] = e if comes else last[a]
        out = volatility[t]
        for a in range(assets):
            varies = n[a] >= short_least and equal[a] < n[a] and squares[a] > 0.0
            known = np.sqrt(squares[a] / (n[a] - 1.0)) if varies else 0.0
            out[a] = known if known > 1e-12 else np.nan
