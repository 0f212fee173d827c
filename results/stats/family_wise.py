"""Which of many skill series are more than the luck of the best: Romano and Wolf's max-t, and how many are distinct.

Under no skill each series of x (`assay.results.stats.skill`) is symmetric around 0 given the past, so flipping the
signs of whole sessions leaves the joint distribution as it is, correlation between trials included: trials that are
nearly the same cost next to nothing, where Šidák's correction takes them as independent. Sessions that a trial lacks
are left out of its t alone.

References
----------
Romano & Wolf (2005), "Exact and approximate stepdown methods for multiple hypothesis testing", Journal of the American
Statistical Association 100(469); (2016), Statistics & Probability Letters 113, for adjusted p-values.
Liu (1988), "Bootstrap procedures under some non-i.i.d. models", Annals of Statistics 16(4), for sign flips.
Nyholt (2004), "A simple correction for multiple testing", American Journal of Human Genetics 74(4), and Li & Ji (2005)
for counting correlated tests by eigenvalues.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats
from assay.data.errors import InsufficientEvidenceError

__all__ = ["FamilyWise", "distinct_series", "effective_series", "family_wise"]


_LEAST_SESSIONS = 60
#: Cosine of two series, on the sessions they share, from which they are one.
_SAME = 0.999
_LEAST_SHARED = 20
#: Signs held at once.
_CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class FamilyWise:
    """One-sided p-values of many series, adjusted for having looked at all of them.

    Parameters
    ----------
    t : (K,) Σx over the root of its blocks' squared sums; NaN where a series has too few sessions.
    alone : (K,) p-values as if each were the only one.
    adjusted : (K,) step-down max-t p-values: the chance of even one false name is held.
    draws : sign flips.

    """

    t: Floats
    alone: Floats
    adjusted: Floats
    draws: int


def family_wise(x: Floats, *, horizon: int = 1, draws: int = 4000, seed: int = 0) -> FamilyWise:
    """Romano and Wolf's step-down on the t of each column, by flipping signs of sessions.

    Parameters
    ----------
    x : (T, K) series in time order, NaN where a trial has no x.
    horizon : the longest h of the trials: signs are flipped in blocks of 3·h − 2 sessions, and t is that of block sums,
        so that overlapping windows keep their autocorrelation.
    draws, seed : the same give the same answer. A p-value counts the sample among the draws.

    Raises
    ------
    InsufficientEvidenceError
        If no series has 60 sessions.

    """
    sums = _block_sums(np.where(np.isfinite(x), x, 0.0), 3 * horizon - 2)
    length = np.sqrt((sums**2).sum(axis=0))
    enough = (np.isfinite(x).sum(axis=0) >= _LEAST_SESSIONS) & (length > 0)
    if not enough.any():
        raise InsufficientEvidenceError(f"max-t: no series has {_LEAST_SESSIONS} sessions")
    unit = sums[:, enough] / length[enough]
    observed = unit.sum(axis=0)
    order = np.argsort(-observed, kind="stable")
    unit, ranked = unit[:, order], observed[order]
    beyond, beyond_alone, made = np.zeros(len(order)), np.zeros(len(order)), 0
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(len(unit), len(order)))
    while made < draws:
        rows = min(step, draws - made)
        drawn = rng.choice(np.array([-1.0, 1.0]), (rows, len(unit))) @ unit
        beyond_alone += (drawn >= ranked).sum(axis=0)
        # The largest of this and every worse one: what has been named already leaves the family.
        largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]
        beyond += (largest >= ranked).sum(axis=0)
        made += rows
    adjusted = np.maximum.accumulate((1 + beyond) / (1 + draws))
    out = {name: np.full(x.shape[1], math.nan) for name in ("t", "alone", "adjusted")}
    columns = np.flatnonzero(enough)[order]
    out["t"][columns], out["adjusted"][columns] = ranked, adjusted
    out["alone"][columns] = (1 + beyond_alone) / (1 + draws)
    return FamilyWise(out["t"], out["alone"], out["adjusted"], draws)


def _block_sums(values: Floats, length: int) -> Floats:
    if length <= 1:
        return values
    return np.add.reduceat(values, np.arange(0, len(values), length), axis=0)


def distinct_series(x: Floats) -> npt.NDArray[np.int64]:
    """(K,) the group of each series: those that are the same on the sessions they share count once.

    Two series are the same if their cosine over at least 20 shared sessions is above 0.999: strategies that trade one
    score have one x, and tomorrow's file of the same predictions is no new trial.

    Parameters
    ----------
    x : (T, K), NaN where a trial has no x. A series without any x is a group of its own.

    """
    known = np.isfinite(x)
    values, there = np.where(known, x, 0.0), known.astype(np.float64)
    cross, squares, shared = values.T @ values, (values**2).T @ there, there.T @ there
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = cross / np.sqrt(squares * squares.T)
    same = (shared >= _LEAST_SHARED) & (cosine > _SAME)
    group = np.arange(x.shape[1])
    for column in range(x.shape[1]):
        if group[column] == column:
            alike = np.flatnonzero(same[column] & (np.arange(x.shape[1]) > column))
            group[alike] = np.minimum(group[alike], column)
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def effective_series(x: Floats) -> float:
    """How many independent series the distinct ones amount to: Li and Ji's count of eigenvalues.

    Σ (1 if λ ≥ 1) + (λ − ⌊λ⌋) over the eigenvalues λ of the correlations on shared sessions. It stands beside N and is
    never used for it: E/N is valid whatever the correlation, an estimate of N is not, and at one look the max-t takes
    the correlation as it is.
    """
    first = np.unique(distinct_series(x), return_index=True)[1]
    known = np.isfinite(x[:, first])
    values, there = np.where(known, x[:, first], 0.0), known.astype(np.float64)
    squares = (values**2).T @ there
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = values.T @ values / np.sqrt(squares * squares.T)
    correlation = np.where(np.isfinite(correlation), correlation, 0.0)
    np.fill_diagonal(correlation, 1.0)
    roots = np.abs(np.linalg.eigvalsh(correlation))
    roots = np.where(np.abs(roots - np.round(roots)) < 1e-9, np.round(roots), roots)
    return float((roots >= 1).sum() + (roots - np.floor(roots)).sum())
