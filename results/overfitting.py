"""Probability of backtest overfitting by combinatorially symmetric cross-validation, and effective trials.

References
----------
Bailey, Borwein, López de Prado & Zhu (2017), "The probability of backtest overfitting", Journal of Computational
Finance 20(4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from data.errors import InputError, InsufficientEvidenceError

__all__ = ["Overfitting", "effective_trials", "probability_of_overfitting"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Overfitting:
    """Outcome of the cross-validation.

    Parameters
    ----------
    probability : share of splits whose in-sample best is at or below the median out of sample (λ ≤ 0).
    probability_strict : the same with λ < 0; they differ only for an odd number of trials or ties.
    logits : (splits,) λ = ln(ω/(1−ω)) of the in-sample best, ω its relative rank out of sample.
    splits, blocks, trials : counts.
    dropped : sessions at the end that do not fill a block.

    """

    probability: float
    probability_strict: float
    logits: Floats
    splits: int
    blocks: int
    trials: int
    dropped: int


def probability_of_overfitting(returns: Floats, *, blocks: int = 16) -> Overfitting:
    """How often the best trial in sample is no better than the median out of sample.

    Parameters
    ----------
    returns : (T, N) returns a session of every trial tried, not only the winner; without NaN.
    blocks : S, even; contiguous blocks of equal length, all C(S, S/2) splits. Sessions at the end that do not fill a
        block are left out and counted.

    Raises
    ------
    InputError
        If `blocks` is odd or below 2, or a return is missing.
    InsufficientEvidenceError
        With fewer than 2 trials or fewer than 2 sessions a block.

    """
    sessions, trials = returns.shape
    if blocks < 2 or blocks % 2:
        raise InputError(f"PBO: blocks must be even and at least 2, got {blocks}")
    if trials < 2:
        raise InsufficientEvidenceError(f"PBO: {trials} trial; a choice needs at least 2")
    length = sessions // blocks
    if length < 2:
        raise InsufficientEvidenceError(
            f"PBO: {sessions} sessions in {blocks} blocks; at least {2 * blocks} are needed"
        )
    if np.isnan(returns).any():
        raise InputError("PBO: a return is missing; restrict the trials to their common sessions")
    used = returns[: length * blocks].reshape(blocks, length, trials)
    total, square = used.sum(axis=1), (used**2).sum(axis=1)
    chosen = list(combinations(range(blocks), blocks // 2))
    inside = np.zeros((len(chosen), blocks))
    for row, members in enumerate(chosen):
        inside[row, list(members)] = 1.0
    n = length * blocks // 2
    in_sample = _sharpe(inside @ total, inside @ square, n)
    out_sample = _sharpe((1 - inside) @ total, (1 - inside) @ square, n)
    best = in_sample.argmax(axis=1)
    picked = out_sample[np.arange(len(chosen)), best]
    below = (out_sample < picked[:, None]).sum(axis=1)
    equal = (out_sample == picked[:, None]).sum(axis=1)
    rank = below + 0.5 * (equal + 1)  # average rank, 1…N
    relative = rank / (trials + 1)
    logits = np.log(relative / (1 - relative))
    noise = 1e-12
    return Overfitting(
        float((logits <= noise).mean()),
        float((logits < -noise).mean()),
        logits,
        len(chosen),
        blocks,
        trials,
        sessions - length * blocks,
    )


def _sharpe(total: Floats, square: Floats, n: int) -> Floats:
    """Sharpe ratio a session (ddof 1) from sums; 0 where returns do not vary."""
    mean = total / n
    variance = np.maximum(square - n * mean**2, 0.0) / (n - 1)
    scale = np.sqrt(variance)
    return np.divide(mean, scale, out=np.zeros_like(mean), where=scale > 1e-15)


def effective_trials(returns: Floats) -> float:
    """Number of independent trials that N correlated ones are worth.

    The participation ratio of the correlation matrix's eigenvalues, (Σλ)²/Σλ² = N²/Σρ²: N for uncorrelated trials, 1
    for copies of one. A cluster count by another name, without a threshold to choose.

    Parameters
    ----------
    returns : (T, N) without NaN; trials that do not vary count as one each.

    """
    deviation = returns.std(axis=0)
    moving = deviation > 1e-15
    still = int((~moving).sum())
    if not moving.any():
        return float(min(still, 1))
    correlation = np.atleast_2d(np.corrcoef(returns[:, moving], rowvar=False))
    n = correlation.shape[0]
    return float(n**2 / (correlation**2).sum()) + still if n else math.nan
