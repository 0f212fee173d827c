"""The stationary bootstrap: resampling that keeps serial dependence, for one series or the difference of two.

Blocks start anywhere, wrap around the end, and have geometric lengths; their mean length comes from the data. The
intervals are plain percentiles, which need no error and so suit any statistic; for a Sharpe ratio of autocorrelated
returns they cover the true value in 90 to 93% of samples where 95% are meant (``studies/interval_coverage.md``).
Verdicts rest on the HAC interval, and `assay.results.stats.sharpe.studentised_sharpe` is the bootstrap that covers.

References
----------
Politis & Romano (1994), "The stationary bootstrap", Journal of the American Statistical Association 89(428).
Politis & White (2004), Econometric Reviews 23(1), corrected by Patton, Politis & White (2009), for the length.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.data.card import plural
from assay.data.conventions import FLAT, SESSIONS_A_YEAR, Floats, annual_ratio
from assay.data.errors import InputError, InsufficientEvidenceError
from assay.results.stats.long_run_variance import autocovariance

if TYPE_CHECKING:
    from assay.engine.executors import Workers

__all__ = [
    "CACHED",
    "Bootstrapped",
    "batches",
    "bootstrap",
    "deepest_drawdown",
    "drawn_in_tasks",
    "growth_annual",
    "mean_annual",
    "optimal_block",
    "paired_difference",
    "sharpe_annual",
    "stationary_blocks",
    "stationary_indices",
    "volatility_annual",
]

#: (draws, n) resampled returns → (draws,) values.
Statistic = Callable[[Floats], Floats]

#: Resampled values whose positions are drawn at once, and worked on in one task.
_CHUNK = 2_000_000
#: Resampled values that are worked on at once.
CACHED = 1 << 16


@dataclass(frozen=True, eq=False)
class Bootstrapped:
    """A statistic and its distribution.

    Parameters
    ----------
    value : on the sample itself.
    low, high : 95% percentile interval.
    p_value : two-sided, of the value being 0: share of centred draws at least as far from 0, the sample counted in.
    draws : (B,) the statistic on each resample; those without a value are left out.
    block : mean length of the blocks, sessions.
    n : sessions.

    """

    value: float
    low: float
    high: float
    p_value: float
    draws: Floats
    block: float
    n: int


def sharpe_annual(returns: Floats) -> Floats:
    """Sharpe ratio of each row: √252 · mean/deviation, ddof 1, no risk-free rate; NaN where a row does not vary."""
    return np.asarray(annual_ratio(returns.mean(axis=-1), returns.std(axis=-1, ddof=1)))


def mean_annual(returns: Floats) -> Floats:
    """Arithmetic mean of each row × 252."""
    return np.asarray(returns.mean(axis=-1) * SESSIONS_A_YEAR)


def volatility_annual(returns: Floats) -> Floats:
    """Standard deviation of each row (ddof 1) × √252."""
    return np.asarray(returns.std(axis=-1, ddof=1) * math.sqrt(SESSIONS_A_YEAR))


def growth_annual(returns: Floats) -> Floats:
    """Geometric return a year of each row: (∏(1 + r))^(252/n) − 1; NaN where a session lost everything."""
    alive = returns.min(axis=-1) > -1
    logs = np.log1p(np.where(alive[..., None], returns, 0.0)).mean(axis=-1) * SESSIONS_A_YEAR
    return np.where(alive, np.expm1(logs), np.nan)


def deepest_drawdown(returns: Floats) -> Floats:
    """Largest fall of each row's compounded level below its highest so far, the start included; 0 or negative."""
    level = np.cumprod(1 + returns, axis=-1)
    return np.asarray((level / np.maximum(np.maximum.accumulate(level, axis=-1), 1.0) - 1).min(axis=-1))


def optimal_block(values: Floats, *, squares: bool = True) -> float:
    """Mean block length for the stationary bootstrap, sessions, from the series' own autocorrelation; at least 1.

    The larger of the lengths for the values and for their squares: a Sharpe ratio depends on both, a mean on the
    values alone (`squares` False).
    """
    if len(values) < 10 or float(np.ptp(values)) <= FLAT:
        return 1.0
    scaled = values / values.std()
    return max(1.0, _block_length(scaled), _block_length(scaled**2) if squares else 1.0)


def _block_length(values: Floats) -> float:
    """b = (2·G²/D)^(1/3)·n^(1/3) with the flat-top window, D = 2·g(0)² for the stationary bootstrap.

    The window reaches to twice the lag at which max(5, √log₁₀ n) autocorrelations in a row begin that are below
    2·√(log₁₀ n/n); b is at most min(3·√n, n/3).
    """
    n = len(values)
    if float(np.ptp(values)) <= 1e-9:
        return 1.0
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = min(math.ceil(math.sqrt(n)) + run, n - 1)
    covariance = autocovariance(values, most)
    small = np.abs(covariance[1:] / covariance[0]) < 2 * math.sqrt(math.log10(n) / n)
    quiet = [lag for lag in range(len(small) - run + 1) if small[lag : lag + run].all()]
    reach = min(2 * (quiet[0] + 1), most) if quiet else most
    lags = np.arange(1, reach + 1)
    window = np.minimum(1.0, 2 * (1 - lags / reach))
    slope = 2 * float((window * lags * covariance[1 : reach + 1]).sum())
    spectrum = float(covariance[0] + 2 * (window * covariance[1 : reach + 1]).sum())
    if abs(spectrum) <= 1e-12:
        return 1.0
    length = (n * slope**2 / spectrum**2) ** (1 / 3)
    return float(min(length, math.ceil(min(3 * math.sqrt(n), n / 3))))


def stationary_indices(n: int, block: float, draws: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """(draws, n) positions of a stationary bootstrap.

    Parameters
    ----------
    n : length of the series.
    block : mean length of a block, ≥ 1; 1 is the ordinary bootstrap.
    draws : rows.
    rng : where the chance comes from.

    """
    if n < 1 or block < 1 or draws < 1:
        raise InputError(f"bootstrap: n, block and draws must be at least 1, got {n}, {block:g}, {draws}")
    return np.concatenate(list(stationary_blocks(n, block, draws, rng)))


def stationary_blocks(
    n: int, block: float, draws: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """The rows of `stationary_indices`, in order, as many at a time as stay in cache with what is made of them.

    Chance comes in the same order however many rows it is drawn for at once.
    """
    step = max(1, CACHED // n)
    parts = [slice(first, min(first + step, draws)) for first in range(0, draws, step)]
    fresh = np.empty((draws, n), dtype=bool)
    for part in parts:
        np.less(rng.random((part.stop - part.start, n)), 1.0 / block, out=fresh[part])
    fresh[:, 0] = True
    for part in parts:
        rows, begins = part.stop - part.start, np.flatnonzero(fresh[part])
        shift = rng.integers(0, n, (rows, n)).reshape(-1)[begins] - begins % n
        index = np.repeat(shift, np.diff(begins, append=rows * n)).reshape(rows, n)
        index += np.arange(n)
        index -= n * (index >= n)
        yield index


def _skip(n: int, draws: int, rng: np.random.Generator) -> None:
    """Draw what `stationary_blocks` draws."""
    rng.random((draws, n))
    rng.integers(0, n, (draws, n))


def bootstrap(
    returns: Floats,
    statistic: Statistic = sharpe_annual,
    *,
    draws: int = 2000,
    seed: int = 0,
    block: float | None = None,
    executor: str | Workers = "serial",
    workers: int | None = None,
) -> Bootstrapped:
    """Distribution of a statistic of one series.

    Parameters
    ----------
    returns : (n,) without NaN.
    statistic : of rows of resamples; in other processes a module-level function.
    draws, seed : the same give the same answer, to the bit, wherever they are made.
    block : mean block length; default `optimal_block`.
    executor, workers : where resamples are made, some millions of values at a time; see
        `assay.engine.executors.run_tasks`. Other processes pay for statistics that take longer than their chances.

    Raises
    ------
    InputError
        If the executor is unknown, fewer than one worker is asked for, or Ray is not installed.
    InsufficientEvidenceError
        With fewer than 3 sessions.

    """
    values = _checked(returns)
    length = optimal_block(values) if block is None else block
    drawn = _drawn((values,), statistic, length, draws, seed, executor, workers)
    return _summary(float(statistic(values[None])[0]), drawn, length, len(values))


def paired_difference(
    one: Floats,
    two: Floats,
    statistic: Statistic = sharpe_annual,
    *,
    draws: int = 2000,
    seed: int = 0,
    block: float | None = None,
    executor: str | Workers = "serial",
    workers: int | None = None,
) -> Bootstrapped:
    """Distribution of statistic(one) − statistic(two), both resampled on the same sessions.

    Parameters
    ----------
    one, two : (n,) on the same sessions, without NaN; what they have in common cancels.
    statistic, draws, seed, executor, workers : as in `bootstrap`.
    block : default: the largest `optimal_block` of the two and of their difference.

    Raises
    ------
    InputError
        If the lengths differ, or of the executor as there.
    InsufficientEvidenceError
        With fewer than 3 sessions.

    """
    left, right = _checked(one), _checked(two)
    if len(left) != len(right):
        raise InputError(f"paired bootstrap: {len(left)} and {len(right)} sessions; give the common ones")
    length = max(optimal_block(item) for item in (left, right, left - right)) if block is None else block
    drawn = _drawn((left, right), statistic, length, draws, seed, executor, workers)
    value = float(statistic(left[None])[0] - statistic(right[None])[0])
    return _summary(value, drawn, length, len(left))


def _checked(returns: Floats) -> Floats:
    values = np.asarray(returns, dtype=np.float64)
    if len(values) < 3:
        raise InsufficientEvidenceError(f"bootstrap: {plural(len(values), 'session')}; at least 3 are needed")
    if not np.isfinite(values).all():
        raise InputError("bootstrap: a return is missing; leave such sessions out")
    return values


def _drawn(
    series: tuple[Floats, ...], statistic: Statistic, block: float, draws: int, seed: int, executor: str | Workers,
    workers: int | None,
) -> Floats:  # fmt: skip
    """(draws,) the statistic on resamples of one series, or its difference on the same resamples of two."""
    n, rng = len(series[0]), np.random.default_rng(seed)
    sizes = batches(draws, n)
    if executor == "serial" or len(sizes) == 1:
        tasks = [(rng, statistic, block, size) for size in sizes]  # one after another, from the same source
    else:
        tasks = []
        for size in sizes:
            tasks.append((copy.deepcopy(rng), statistic, block, size))
            _skip(n, size, rng)  # where the next one's begin, is known when these were drawn
    return drawn_in_tasks(_of_chunk, tasks, series, executor, workers)


def batches(draws: int, size: int) -> list[int]:
    """How many resamples of `size` values each task makes."""
    step = max(1, _CHUNK // size)
    return [min(step, draws - start) for start in range(0, draws, step)]


def drawn_in_tasks(
    function: Callable[..., Floats], tasks: Sequence[tuple[Any, ...]], series: Sequence[Floats],
    executor: str | Workers, workers: int | None,
) -> Floats:  # fmt: skip
    """The values of ``function(*task, *series)`` of each task, in order; one task alone is made here.

    Raises
    ------
    InputError
        If the executor is unknown or fewer than one worker is asked for, however few the tasks; or of `run_tasks`.

    """
    if executor == "serial":
        return np.concatenate([function(*task, *series) for task in tasks])
    from assay.engine.executors import Workers, run_tasks
    from assay.engine.shared import Shared

    if isinstance(executor, str):
        Workers(executor, workers)  # refuses what it does not know, and starts nothing
    if len(tasks) == 1:
        return function(*tasks[0], *series)
    shared = [Shared(values) for values in series]
    parts = dict(run_tasks(function, [(*task, *shared) for task in tasks], executor=executor, workers=workers))
    return np.concatenate([parts[place] for place in range(len(tasks))])


def _of_chunk(rng: np.random.Generator, statistic: Statistic, block: float, draws: int, *series: Floats) -> Floats:
    one, *other = series
    values = [
        statistic(one[rows]) - statistic(other[0][rows]) if other else statistic(one[rows])
        for rows in stationary_blocks(len(one), block, draws, rng)
    ]
    return np.concatenate(values)


def _summary(value: float, drawn: Floats, block: float, n: int) -> Bootstrapped:
    kept = drawn[np.isfinite(drawn)]
    if not len(kept) or not math.isfinite(value):
        return Bootstrapped(value, math.nan, math.nan, math.nan, kept, block, n)
    low, high = np.quantile(kept, [0.025, 0.975])
    beyond = int((np.abs(kept - value) >= abs(value)).sum())
    return Bootstrapped(value, float(low), float(high), (1 + beyond) / (1 + len(kept)), kept, block, n)
