"""Which whole-number confusion matrices a set of printed scores allows.

References
----------
Brown & Heathers (2017) for the idea; the scores are those of scikit-learn, where 0/0 is 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assay.audit.claims.intervals import Interval

__all__ = ["BinaryScores", "Matrix", "accuracy_floor", "binary_matrices", "prevalence_range"]

_TINY = 1e-7


@dataclass(frozen=True)
class Matrix:
    """A binary confusion matrix in whole counts."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def n(self) -> int:
        return self.tp + self.fp + self.fn + self.tn

    @property
    def positives(self) -> int:
        return self.tp + self.fn

    @property
    def majority(self) -> int:
        """Cases of the larger class: what always predicting it gets right."""
        return max(self.positives, self.n - self.positives)

    @property
    def mcc(self) -> float:
        """Matthews (1975); 0 where a row or a column is empty."""
        product = float(self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return (self.tp * self.tn - self.fp * self.fn) / math.sqrt(product) if product else 0.0

    @property
    def specificity(self) -> float:
        return self.tn / (self.tn + self.fp) if self.tn + self.fp else 0.0

    @property
    def balanced_accuracy(self) -> float:
        recall = self.tp / self.positives if self.positives else 0.0
        return (recall + self.specificity) / 2


@dataclass(frozen=True)
class BinaryScores:
    """Printed scores of one binary classifier on one sample; None where not printed."""

    accuracy: Interval | None = None
    precision: Interval | None = None
    recall: Interval | None = None
    f1: Interval | None = None
    specificity: Interval | None = None

    @property
    def known(self) -> int:
        """How many scores are printed."""
        return sum(score is not None for score in vars(self).values())


def binary_matrices(scores: BinaryScores, n: int, n_positive: int | None = None, limit: int = 1000) -> list[Matrix]:
    """Every confusion matrix on n cases whose scores all lie inside the prints, up to `limit` of them; where there is
    none, scores and n do not belong together.

    Notes
    -----
    For every (positives, true positives) the printed scores bound the false positives from both sides:
    ``fp = tp (1/P - 1)``, ``fp = n- - (A n - tp)``, ``fp = 2 tp (1/F - 1) - fn``.

    """
    found: list[Matrix] = []
    sizes = range(n + 1) if n_positive is None else [n_positive]
    for positives in sizes:
        for matrix in _with_positives(scores, n, positives):
            found.append(matrix)
            if len(found) >= limit:
                return found
    return found


def _with_positives(scores: BinaryScores, n: int, positives: int) -> Iterator[Matrix]:
    negatives = n - positives
    tp = np.arange(positives + 1, dtype=np.float64)
    keep = np.ones(positives + 1, dtype=bool)
    if scores.recall is not None:
        recall = tp / positives if positives else np.zeros(1)
        keep &= (recall >= scores.recall.low - _TINY) & (recall <= scores.recall.high + _TINY)
    tp = tp[keep]
    fn = positives - tp
    low = np.zeros(len(tp))
    high = np.full(len(tp), float(negatives))
    if scores.accuracy is not None:
        low = np.maximum(low, negatives - (scores.accuracy.high * n - tp))
        high = np.minimum(high, negatives - (scores.accuracy.low * n - tp))
    if scores.specificity is not None and negatives:
        low = np.maximum(low, negatives * (1 - scores.specificity.high))
        high = np.minimum(high, negatives * (1 - scores.specificity.low))
    if scores.precision is not None:
        low, high = _bounded(low, high, tp, scores.precision, tp, np.zeros(len(tp)))
    if scores.f1 is not None:
        low, high = _bounded(low, high, tp, scores.f1, 2 * tp, fn)
    first = np.ceil(low - _TINY * max(1, n)).astype(int)
    last = np.floor(high + _TINY * max(1, n)).astype(int)
    for hits, start, stop in zip(tp.astype(int), np.maximum(first, 0), np.minimum(last, negatives), strict=True):
        for fp in range(start, stop + 1):
            yield Matrix(int(hits), int(fp), int(positives - hits), int(negatives - fp))


def _bounded(
    low: np.ndarray, high: np.ndarray, tp: np.ndarray, score: Interval, gain: np.ndarray, missed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on fp from ``gain / (gain + missed + fp)`` inside the score; no true positive scores 0."""
    zero = tp == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        from_high = gain * (1 / score.high - 1) - missed if score.high > 0 else np.where(zero, 0.0, np.inf)
        from_low = gain * (1 / score.low - 1) - missed if score.low > 0 else np.full(len(tp), np.inf)
    from_high = np.where(zero, 0.0, from_high)
    from_low = np.where(zero, np.inf if score.low <= _TINY else -1.0, from_low)
    return np.maximum(low, from_high), np.minimum(high, from_low)


def prevalence_range(accuracy: Interval, precision: Interval, recall: Interval) -> Interval | None:
    """Share of positives that printed accuracy, precision and recall imply, whatever the sample size.

    From the definitions, ``pi = (1 - A) / (1 + R (1/P - 2))``, which is monotone in each of the three, so the corners
    give the exact range; None when the denominator can vanish or nothing of the range lies in [0, 1].
    """
    corners = []
    for a in (accuracy.low, accuracy.high):
        for p in (precision.low, precision.high):
            for r in (recall.low, recall.high):
                below = 1 + r * (1 / p - 2) if p > 0 else math.nan
                if math.isnan(below) or below <= 1e-12:
                    return None
                corners.append((1 - a) / below)
    return Interval(min(corners), max(corners)).clip(0.0, 1.0)


def accuracy_floor(precision: Interval, recall: Interval) -> float:
    """Least accuracy that a precision and a recall allow: the Jaccard index ``1 / (1/P + 1/R - 1)``.

    True negatives only add to accuracy, so ``(TP + TN)/n >= TP/(TP + FP + FN)``. Increasing in both.
    """
    if precision.low <= 0 or recall.low <= 0:
        return 0.0
    return 1 / (1 / precision.low + 1 / recall.low - 1)
