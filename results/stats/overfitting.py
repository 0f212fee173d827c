"""Probability of backtest overfitting by combinatorially symmetric cross-validation; how many trials are independent.

Two counts of independent trials stand beside each other. `effective_trials`, the participation ratio, is shown by every
sweep: it needs no threshold, and describes. `cluster_trials` counts groups of trials that are variants of one bet, and
is what a deflated Sharpe ratio may be asked to use (`sweep --clusters`). Unless it is asked, N there is every trial in
the ledger: too many trials make the hurdle too high, which errs on the side of caution; too few do not.

References
----------
Bailey, Borwein, López de Prado & Zhu (2017), "The probability of backtest overfitting", Journal of Computational
Finance 20(4).
López de Prado & Lewis (2019), "Detection of false investment strategies using unsupervised learning methods",
Quantitative Finance 19(9), for clusters of trials by the distance of their correlation.
Rousseeuw (1987), "Silhouettes", Journal of Computational and Applied Mathematics 20; Kaufman & Rousseeuw (1990),
*Finding Groups in Data*, who see no substantial structure in a mean silhouette of 0.25 or less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from assay.data.conventions import FLAT, Floats
from assay.data.errors import InputError, InsufficientEvidenceError

__all__ = ["Overfitting", "TrialClusters", "cluster_trials", "effective_trials", "probability_of_overfitting"]


#: Distance √((1 − ρ)/2) of two trials without correlation.
_UNRELATED = math.sqrt(0.5)
#: Mean silhouette up to which there are no groups.
_NO_STRUCTURE = 0.25


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
    out_sample = in_sample[::-1]  # the splits stand in order, so the complement of each stands as far from the end
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
    return np.divide(mean, scale, out=np.zeros_like(mean), where=scale > FLAT)


def effective_trials(returns: Floats) -> float:
    """Number of independent trials that N correlated ones are worth.

    The participation ratio of the correlation matrix's eigenvalues, (Σλ)²/Σλ² = N²/Σρ²: N for uncorrelated trials, 1
    for copies of one. A cluster count by another name, without a threshold to choose.

    Parameters
    ----------
    returns : (T, N) without NaN; trials that do not vary count as one each.

    """
    deviation = returns.std(axis=0)
    moving = deviation > FLAT
    still = int((~moving).sum())
    if not moving.any():
        return float(min(still, 1))
    correlation = np.atleast_2d(np.corrcoef(returns[:, moving], rowvar=False))
    n = correlation.shape[0]
    return float(n**2 / (correlation**2).sum()) + still if n else math.nan


@dataclass(frozen=True, eq=False)
class TrialClusters:
    """Groups of trials that are variants of one bet.

    Parameters
    ----------
    labels : (N,) the group of each trial, from 0, in the order in which they first appear.
    count : groups: the number of independent trials.
    silhouette : mean over the trials of the grouping chosen, NaN where none was.

    """

    labels: npt.NDArray[np.int64]
    count: int
    silhouette: float


def cluster_trials(returns: Floats) -> TrialClusters:
    """Group trials by the correlation of their returns; as many groups as the silhouette finds.

    Trials are √((1 − ρ)/2) apart and joined by average linkage. Of the cuts into k groups the one with the largest mean
    silhouette is taken. Where even that is 0.25 or less, either all trials are one group, which is judged in the same
    way against an unrelated trial, √½ away, as the next group; or they form none, and each counts as one. So what can
    be split is split, and the count errs towards more trials. López de Prado & Lewis use k-means, started at random, in
    two stages; this has no chance in it.

    Parameters
    ----------
    returns : (T, N) without NaN; a trial that does not vary is a group of its own.

    Raises
    ------
    InputError
        If a return is missing.
    InsufficientEvidenceError
        With fewer than 3 sessions.

    """
    if np.isnan(returns).any():
        raise InputError("clusters of trials: a return is missing; restrict the trials to their common sessions")
    sessions, trials = returns.shape
    if sessions < 3:
        raise InsufficientEvidenceError(f"clusters of trials: {sessions} sessions; at least 3 are needed")
    moving = returns.std(axis=0) > FLAT
    labels = np.arange(trials)
    score = math.nan
    if moving.sum() > 1:
        found, score = _grouped(returns[:, moving])
        labels[moving] = found + trials
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return TrialClusters(order[inverse].astype(np.int64), len(first), score)


def _grouped(returns: Floats) -> tuple[npt.NDArray[np.int64], float]:
    """Labels of trials that all vary, and the mean silhouette; NaN where there are no groups."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from sklearn.metrics import silhouette_score

    correlation = np.corrcoef(returns, rowvar=False)
    distance = np.sqrt(np.clip((1.0 - correlation) / 2.0, 0.0, 1.0))
    np.fill_diagonal(distance, 0.0)
    n = len(distance)
    best, labels = -math.inf, np.arange(n)
    tree = linkage(squareform(distance, checks=False), "average")
    for k in _counts(n):
        cut = fcluster(tree, k, criterion="maxclust")
        if not 2 <= len(np.unique(cut)) <= n - 1:
            continue
        score = float(silhouette_score(distance, cut, metric="precomputed"))
        if score > best:
            best, labels = score, cut.astype(np.int64)
    if best > _NO_STRUCTURE:
        return labels, best
    within = distance.sum(axis=1) / (n - 1)
    alone = float(((_UNRELATED - within) / np.maximum(within, _UNRELATED)).mean())
    return (np.zeros(n, dtype=np.int64), alone) if alone > _NO_STRUCTURE else (np.arange(n), math.nan)


def _counts(n: int) -> list[int]:
    """Numbers of groups to try: all up to 30, then in steps of a twentieth."""
    out = list(range(2, min(n, 31)))
    while out and out[-1] * 1.05 < n - 1:
        out.append(math.ceil(out[-1] * 1.05))
    return out
