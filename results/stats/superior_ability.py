"""Is the best of many trials better than doing nothing, and which of them are: tests that know how many were tried.

White's reality check asks whether the largest mean difference to a benchmark is more than the luck of K tries. Hansen's
test of superior predictive ability (SPA) studentises the differences and leaves clearly bad trials out of the null, so
that adding them costs no power. Romano and Wolf's step-down says *which* trials are superior, with the chance of even
one false name held at the level.

Where implementations disagree:

- Each draw is centred by the mean of the **original** sample. Centring a draw by its own mean makes every draw 0, and
  any positive best mean "significant"; one published package does that.
- ``arch.bootstrap.SPA`` has an argument ``studentize``, but (version 8) never divides by the deviation: given
  differences in units of their deviation it agrees with this to rounding. Not studentised, the most volatile trial
  rules the null.
- A p-value here counts the sample among the draws, (1 + beyond)/(1 + draws), so that it is never 0; arch reports the
  bare share.

The draws are the house's own stationary bootstrap, for importing arch takes seconds; the arithmetic is tested equal to
arch's, on arch's own draws.

References
----------
White (2000), "A reality check for data snooping", Econometrica 68(5).
Hansen (2005), "A test for superior predictive ability", Journal of Business & Economic Statistics 23(4).
Romano & Wolf (2005), "Stepwise multiple testing as formalized data snooping", Econometrica 73(4); (2016), "Efficient
computation of adjusted p-values for resampling-based stepdown multiple testing", Statistics & Probability Letters 113.
Politis & Romano (1994), "The stationary bootstrap", Journal of the American Statistical Association 89(428).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.data.card import plural
from assay.data.conventions import FLAT, Floats
from assay.data.errors import InputError, InsufficientEvidenceError
from assay.results.stats.bootstrap import optimal_block, stationary_indices

__all__ = ["Selection", "adjusted_p_values", "kernel_variance", "reality_check", "superior_ability"]

Indices = npt.NDArray[np.int64]

_LEAST_SESSIONS = 30
#: Values held at once: resampled sessions, and Fourier transforms of columns.
_CHUNK = 2_000_000


@dataclass(frozen=True, eq=False)
class Selection:
    """Outcome of a test of many trials against one benchmark.

    Parameters
    ----------
    best : column of the largest statistic.
    statistics : (K,) √n·mean difference a session, over its deviation ω where studentised.
    lower, consistent, upper : p-values of "no trial is better". Lower: every trial with a negative mean keeps it
        under the null; upper: none does (the least favourable null); consistent: those worse than −ω·√(2·ln ln n/n) do.
    adjusted : (K,) step-down p-values of each trial, consistent recentring; never above a worse trial's.
    block, draws, sessions : mean block length in sessions, resamples, n.

    """

    best: int
    statistics: Floats
    lower: float
    consistent: float
    upper: float
    adjusted: Floats
    block: float
    draws: int
    sessions: int

    def superior(self, size: float = 0.05) -> tuple[int, ...]:
        """Columns better than the benchmark with a family-wise error of at most `size` (Romano & Wolf's StepM)."""
        if not 0 < size < 1:
            raise InputError(f"StepM: size must lie between 0 and 1, got {size:g}")
        return tuple(int(column) for column in np.flatnonzero(self.adjusted <= size))


def superior_ability(
    returns: Floats,
    benchmark: Floats | None = None,
    *,
    studentised: bool = True,
    draws: int = 1000,
    block: float | None = None,
    seed: int = 0,
    resamples: Indices | None = None,
) -> Selection:
    """Hansen's SPA and Romano and Wolf's step-down on the same resamples.

    V = max(0, max_k √n·d̄_k/ω_k) against V* = max(0, max_k √n·(d̄*_k − g_k)/ω_k), with d the difference in returns and ω²
    the variance of √n·d̄ under the bootstrap (`kernel_variance`). The centre g_k is the original mean d̄_k (upper),
    max(d̄_k, 0) (lower), or d̄_k but 0 for trials so bad that they cannot be the best (consistent).

    Parameters
    ----------
    returns : (n, K) returns a session of every trial, without NaN; K ≥ 2.
    benchmark : (n,) on the same sessions; default 0, cash that earns nothing.
    studentised : whether differences are divided by ω.
    draws, seed : the same give the same answer.
    block : mean block length in sessions; default the larger of `optimal_block` for the mean trial and for the best.
    resamples : (B, n) rows of the sample, instead of drawing them.

    Raises
    ------
    InputError
        If a return is missing, shapes differ, or a trial never differs from the benchmark but by a constant.
    InsufficientEvidenceError
        With fewer than 2 trials or 30 sessions.

    """
    difference = _differences(returns, benchmark)
    n, trials = difference.shape
    mean = difference.mean(axis=0)
    length = _block(difference) if block is None else block
    variance = kernel_variance(difference, block=length)
    error = np.sqrt(variance / n)
    bad = mean < -error * math.sqrt(2 * math.log(math.log(n)))
    scale = error if studentised else np.full(trials, 1 / math.sqrt(n))
    observed = mean / scale
    order = np.argsort(-observed, kind="stable")
    centres = (np.maximum(mean, 0.0), np.where(bad, 0.0, mean), mean)
    beyond, beyond_each, made = np.zeros(3), np.zeros(trials), 0
    top = max(float(observed.max()), 0.0)
    for drawn in _drawn_means(difference, _resamples(n, length, draws, seed, resamples)):
        made += len(drawn)
        for kind, centre in enumerate(centres):
            value = (drawn - centre) / scale
            beyond[kind] += (np.maximum(value.max(axis=1), 0.0) >= top).sum()
            if kind == 1:
                # The maximum over the trials not better than each: those that are left when its turn comes.
                left = np.maximum.accumulate(value[:, order[::-1]], axis=1)[:, ::-1]
                beyond_each += (np.maximum(left, 0.0) >= np.maximum(observed[order], 0.0)).sum(axis=0)
    p = (1 + beyond) / (1 + made)
    adjusted = np.empty(trials)
    adjusted[order] = np.maximum.accumulate((1 + beyond_each) / (1 + made))
    return Selection(int(order[0]), observed, float(p[0]), float(p[1]), float(p[2]), adjusted, length, made, n)


def reality_check(
    returns: Floats,
    benchmark: Floats | None = None,
    *,
    draws: int = 1000,
    block: float | None = None,
    seed: int = 0,
    resamples: Indices | None = None,
) -> float:
    """White's p-value of "no trial is better": the least favourable null, not studentised.

    V = max_k √n·d̄_k against V* = max_k √n·(d̄*_k − d̄_k), both at least 0. Arguments and errors as for
    `superior_ability`, whose p-value is smaller where many trials are bad or volatile.
    """
    found = superior_ability(
        returns, benchmark, studentised=False, draws=draws, block=block, seed=seed, resamples=resamples
    )
    return found.upper


def kernel_variance(values: Floats, *, block: float) -> Floats:
    """Variance of √n·mean of each column under the stationary bootstrap.

    γ₀ + 2·Σ κ(i)·γ_i with κ(i) = (1 − i/n)·(1 − 1/b)^i + (i/n)·(1 − 1/b)^(n−i) and γ with denominator n (Politis &
    Romano 1994; Hansen 2005). Exact, not only for many draws: γ_i and γ_(n−i) together are the autocovariance around
    the end.

    Parameters
    ----------
    values : (n, K).
    block : mean block length b, sessions, ≥ 1.

    """
    n, columns = values.shape
    keep = 1.0 - 1.0 / block
    lag = np.arange(1, n)
    kappa = (1 - lag / n) * keep**lag + lag / n * keep ** (n - lag)
    size = 1 << (2 * n - 1).bit_length()
    out = np.empty(columns)
    step = max(1, _CHUNK // size)
    for start in range(0, columns, step):
        part = values[:, start : start + step]
        transform = np.fft.rfft(part - part.mean(axis=0), size, axis=0)
        covariance = np.fft.irfft(np.abs(transform) ** 2, size, axis=0)[:n] / n
        out[start : start + step] = covariance[0] + 2 * kappa @ covariance[1:]
    return out


def adjusted_p_values(p_values: Floats, method: str = "holm") -> Floats:
    """P-values adjusted for their number, without resampling.

    ``holm``: family-wise error under any dependence (Holm 1979). ``bh``: false discovery rate of independent or
    positively dependent tests (Benjamini & Hochberg 1995). ``by``: the same under any dependence, times Σ1/i
    (Benjamini & Yekutieli 2001).

    Parameters
    ----------
    p_values : (K,) in [0, 1].
    method : ``holm``, ``bh`` or ``by``.

    Raises
    ------
    InputError
        If the method is unknown or a p-value is none.

    Examples
    --------
    >>> adjusted_p_values(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if method not in ("holm", "bh", "by"):
        raise InputError(f"adjusted p-values: method must be holm, bh or by, got {method!r}")
    if p.ndim != 1 or not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise InputError("adjusted p-values: expected a list of numbers between 0 and 1")
    k = len(p)
    order = np.argsort(p, kind="stable")
    rank = np.arange(1, k + 1)
    out = np.empty(k)
    if method == "holm":
        out[order] = np.maximum.accumulate(p[order] * (k - rank + 1))
    else:
        factor = (1 / rank).sum() if method == "by" else 1.0
        out[order] = np.minimum.accumulate((p[order] * factor * k / rank)[::-1])[::-1]
    return np.minimum(out, 1.0)


def _differences(returns: Floats, benchmark: Floats | None) -> Floats:
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 2:
        raise InputError(f"SPA: expected (sessions, trials), got {values.ndim} dimensions")
    n, trials = values.shape
    if trials < 2:
        raise InsufficientEvidenceError(f"SPA: {trials} trial; a choice needs at least 2")
    if n < _LEAST_SESSIONS:
        raise InsufficientEvidenceError(f"SPA: {plural(n, 'session')}; at least {_LEAST_SESSIONS} are needed")
    if benchmark is not None:
        other = np.asarray(benchmark, dtype=np.float64)
        if other.shape != (n,):
            raise InputError(f"SPA: {n} sessions, but the benchmark has shape {other.shape}; give the common ones")
        values = values - other[:, None]
    if not np.isfinite(values).all():
        raise InputError("SPA: a return is missing; restrict the trials to their common sessions")
    still = np.flatnonzero(values.std(axis=0) <= FLAT)
    if len(still):
        raise InputError(f"SPA: trial {still[0]} differs from the benchmark by a constant; leave such trials out")
    return values


def _block(difference: Floats) -> float:
    best = int((difference.mean(axis=0) / difference.std(axis=0)).argmax())
    return max(optimal_block(item, squares=False) for item in (difference.mean(axis=1), difference[:, best]))


def _resamples(n: int, block: float, draws: int, seed: int, given: Indices | None) -> Iterator[Indices]:
    """Resampled rows, some draws at a time."""
    step = max(1, _CHUNK // n)
    if given is not None:
        if given.ndim != 2 or given.shape[1] != n:
            raise InputError(f"SPA: resamples have shape {given.shape}, expected (draws, {n})")
        for start in range(0, len(given), step):
            yield given[start : start + step]
        return
    rng = np.random.default_rng(seed)
    for start in range(0, draws, step):
        yield stationary_indices(n, block, min(step, draws - start), rng)


def _drawn_means(values: Floats, resamples: Iterator[Indices]) -> Iterator[Floats]:
    """(draws, K) means of each resample: how often each session was drawn, times the sessions."""
    n = len(values)
    for rows in resamples:
        flat = (rows + n * np.arange(len(rows))[:, None]).ravel()
        yield np.bincount(flat, minlength=n * len(rows)).reshape(len(rows), n) @ values / n
