"""Whether returns rise from one quantile of a score to the next, throughout: the test of Patton & Timmermann (2010).

A Spearman correlation of five means is 1 in one of 120 orders by chance, and says nothing of how far apart they are.
This test takes "not rising throughout" as the hypothesis that the data must reject.

References
----------
Patton & Timmermann (2010), "Monotonicity in asset returns: new tests with applications to the term structure, the
CAPM, and portfolio sorts", Journal of Financial Economics 98(3).
Politis & Romano (1994), Journal of the American Statistical Association 89(428), for the stationary bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assay.data.card import plural
from assay.data.conventions import FLAT, Floats
from assay.data.errors import InputError
from assay.results.stats.bootstrap import optimal_block, stationary_blocks

__all__ = ["MonotonicityTest", "monotonicity_test"]


#: Resampled positions held at once.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class MonotonicityTest:
    """What the test found.

    Parameters
    ----------
    smallest_step : J = min over i of mean(r_{i+1} − r_i), decimal a window; above 0 where the means rise throughout.
    p_value : share of draws whose J* = min(Δ* − Δ) is at least J, the sample counted in.
    p_studentised : the same with every step divided by its standard deviation over the draws.
    n : sessions on which every quantile has a return.
    block, draws : mean length of the blocks, in sessions, and how many resamples.
    reason : why there is no p-value.

    """

    smallest_step: float
    p_value: float
    p_studentised: float
    n: int
    block: float = math.nan
    draws: int = 0
    reason: str = ""


def monotonicity_test(
    returns: Floats, *, horizon: int = 1, draws: int = 1000, seed: int = 0, block: float | None = None
) -> MonotonicityTest:
    """Test that mean returns rise from each quantile to the next, against that at least one step does not.

    Steps Δ_i = mean(r_{i+1} − r_i) over sessions, J = min Δ_i. The sessions are resampled in blocks, all quantiles
    together, and the steps of a draw are centred on those of the sample: the point of the hypothesis at which all
    means are equal, the least favourable. For "falling throughout" hand over the columns in reverse.

    Parameters
    ----------
    returns : (T, q) a column a quantile, lowest first; sessions with a NaN are left out.
    horizon : h; blocks are at least that long on average, since windows overlap.
    draws, seed : the same give the same answer.
    block : mean length of a block; default: the longest that a step asks for (`results.stats.bootstrap.optimal_block`).

    Raises
    ------
    InputError
        With fewer than 2 quantiles or draws.

    """
    if np.ndim(returns) != 2 or np.shape(returns)[1] < 2 or draws < 2:
        raise InputError(f"monotonicity: a table of at least 2 quantiles and 2 draws, got {np.shape(returns)}, {draws}")
    table = np.asarray(returns, dtype=np.float64)
    steps = np.diff(table[np.isfinite(table).all(axis=1)], axis=1)
    n = len(steps)
    if n < 10:
        few = f"{plural(n, 'session')}; at least 10 are needed"
        return MonotonicityTest(math.nan, math.nan, math.nan, n, reason=few)
    mean = steps.mean(axis=0)
    smallest = float(mean.min())
    if (np.ptp(steps, axis=0) <= FLAT).any():
        return MonotonicityTest(smallest, math.nan, math.nan, n, reason="a step is the same on every session")
    asked = (optimal_block(step, squares=False) for step in steps.T) if block is None else ()
    length = max(float(horizon), *asked) if block is None else block
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // n)
    parts = []
    for start in range(0, draws, size):
        times, done = np.empty((min(size, draws - start), n)), 0
        for rows in stationary_blocks(n, length, len(times), rng):
            rows += np.arange(len(rows))[:, None] * n
            times[done : done + len(rows)] = np.bincount(rows.ravel(), minlength=rows.size).reshape(-1, n)
            done += len(rows)
        parts.append(times @ steps / n)
    drawn = np.concatenate(parts) - mean
    scale = drawn.std(axis=0, ddof=1)
    if (scale <= FLAT).any():
        return MonotonicityTest(smallest, math.nan, math.nan, n, length, draws, "the draws do not differ")
    plain = int((drawn.min(axis=1) >= smallest).sum())
    scaled = int(((drawn / scale).min(axis=1) >= float((mean / scale).min())).sum())
    return MonotonicityTest(smallest, (1 + plain) / (1 + draws), (1 + scaled) / (1 + draws), n, length, draws)
