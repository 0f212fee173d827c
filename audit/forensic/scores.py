"""Scores of classifiers: whole counts behind them, identities between them, the class shares and matrices they allow.

References
----------
Brown & Heathers (2017), "The GRIM test", Social Psychological and Personality Science 8(4), for whole counts and the
matrices (scores as in scikit-learn, where 0/0 is 0); Mann & Whitney (1947) for the AUC as a count of pairs; van
Rijsbergen (1979) for F1; Opitz & Burst (2019) for the two macro-F1; Brier (1950) and Good (1952) for log loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.forensic.arithmetic import mean_of

__all__ = [
    "BinaryScores",
    "ClassScores",
    "ClassShares",
    "Matrix",
    "accuracy_floor",
    "always_positive_f1",
    "auc_counts",
    "auc_splits",
    "binary_matrices",
    "class_shares",
    "common_sizes",
    "entropy",
    "f1_average_range",
    "f1_range",
    "grim_counts",
    "grim_has_power",
    "largest_share_from_macro",
    "macro_f1_readings",
    "mixture_remainder",
    "not_predicted_share",
    "prevalence_range",
]

_SLACK = 1e-9


def grim_counts(share: Interval, n: int) -> range:
    """Counts k in [0, n] with k/n inside a printed share; empty where the share is impossible on n cases.

    Examples
    --------
    >>> list(grim_counts(Interval(0.57135, 0.57145), 28))
    [16]
    >>> list(grim_counts(Interval(0.57135, 0.57145), 30))
    []

    """
    low = max(0, math.ceil(share.low * n - _SLACK * max(1, n)))
    high = min(n, math.floor(share.high * n + _SLACK * max(1, n)))
    return range(low, high + 1)


def grim_has_power(share: Interval, n: int) -> bool:
    """Whether some print of this precision would be impossible on n cases: the interval is narrower than 1/n."""
    return share.width * n < 1


def common_sizes(shares: Sequence[Interval], cap: int, smallest: int = 1) -> list[int]:
    """Sample sizes from `smallest` to `cap` on which every printed share is a whole count: any of them may be it."""
    return [n for n in range(max(1, smallest), cap + 1) if all(len(grim_counts(share, n)) for share in shares)]


def auc_counts(auc: Interval, n_positive: int, n_negative: int) -> range:
    """Numbers k of half pairs with k / (2 n+ n-) inside a printed AUC.

    The AUC counts the positive-negative pairs ranked rightly, ties as one half, so it moves in steps of 1/(2 n+ n-).

    Examples
    --------
    >>> list(auc_counts(Interval(0.55205, 0.55215), 16, 12))
    [212]

    """
    return grim_counts(auc, 2 * n_positive * n_negative) if n_positive and n_negative else range(0)


def auc_splits(aucs: Sequence[Interval], n: int) -> list[int]:
    """Numbers of positives among n cases on which every printed AUC lies on its grid."""
    return [k for k in range(1, n) if all(len(auc_counts(auc, k, n - k)) for auc in aucs)]


def _f1(precision: float, recall: float) -> float:
    return 0.0 if precision + recall <= 0 else 2 * precision * recall / (precision + recall)


def f1_range(precision: Interval, recall: Interval) -> Interval:
    """F1 of one class from its precision and recall, ``2PR/(P+R)``, increasing in both.

    Examples
    --------
    >>> interval = f1_range(Interval(0.57135, 0.57145), Interval(0.99995, 1.0))
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.7272, 0.7273)

    """
    return Interval(
        _f1(max(precision.low, 0.0), max(recall.low, 0.0)), _f1(min(precision.high, 1.0), min(recall.high, 1.0))
    )


def f1_average_range(precision: Interval, recall: Interval) -> Interval:
    """What an average of F1 over classes or folds can be, given the same averages of precision and recall.

    The harmonic mean is concave, so the average F1 is at most F1 of the averages (Jensen); and each F1 is at least
    ``P + R - 1``, so the average is too. Holds for every set of weights and every number of classes.
    """
    return Interval(max(0.0, precision.low + recall.low - 1), f1_range(precision, recall).high)


def macro_f1_readings(
    f1s: Sequence[Interval], precisions: Sequence[Interval] = (), recalls: Sequence[Interval] = ()
) -> dict[str, Interval]:
    """Macro-F1 in its two readings: the mean of the class F1, and F1 of mean precision and mean recall."""
    readings = {}
    if f1s:
        readings["mean of the class F1"] = mean_of(f1s)
    if precisions and len(precisions) == len(recalls):
        readings["F1 of mean precision and mean recall"] = f1_range(mean_of(precisions), mean_of(recalls))
    return readings


@dataclass(frozen=True)
class ClassScores:
    """Printed scores of one class; None where not printed."""

    precision: Interval | None = None
    recall: Interval | None = None
    f1: Interval | None = None
    share: Interval | None = None


@dataclass(frozen=True)
class ClassShares:
    """What the scores force: the range of every class share, and the least size of the largest class."""

    shares: Mapping[str, Interval]
    majority: str
    majority_floor: float


def class_shares(
    classes: Mapping[str, ClassScores], accuracy: Interval | None = None, weighted_f1: Interval | None = None
) -> ClassShares | None:
    """Class shares that accuracy, weighted F1 and the class scores allow, by linear programming.

    Unknown shares ``w >= 0`` with ``sum w = 1``, ``sum w_c R_c`` inside the accuracy, ``sum w_c F_c`` inside the
    weighted F1, and predicted shares ``sum w_c R_c / P_c = 1``. Every coefficient is an interval; since ``w >= 0``
    each equation splits into two inequalities with the ends of the intervals, so nothing feasible is cut away. None
    where no shares exist: the figures cannot belong to one sample. The classes must be all of the problem.
    """
    from scipy.optimize import linprog

    names, scores = list(classes), list(classes.values())
    rows, bounds = _allowed(scores, accuracy, weighted_f1)
    box = [(max(0.0, s.share.low), min(1.0, s.share.high)) if s.share else (0.0, 1.0) for s in scores]
    ones = np.ones((1, len(names)))
    found: dict[str, Interval] = {}
    for name, cost in zip(names, np.eye(len(names)), strict=True):
        ends = []
        for sign in (1.0, -1.0):
            answer = linprog(sign * cost, rows, bounds, ones, [1.0], bounds=box, method="highs")
            if answer.status == 2:
                return None
            if answer.status != 0:
                ends = [0.0, 1.0]
                break
            ends.append(float(sign * answer.fun))
        found[name] = Interval(max(0.0, min(ends) - 1e-6), min(1.0, max(ends) + 1e-6))
    # The least size of the largest class: minimise t with w_c <= t.
    cap = np.hstack([np.eye(len(names)), -np.ones((len(names), 1))])
    answer = linprog(
        np.append(np.zeros(len(names)), 1.0),
        np.vstack([np.hstack([rows, np.zeros((len(rows), 1))]), cap]),
        np.append(bounds, np.zeros(len(names))),
        np.hstack([ones, np.zeros((1, 1))]),
        [1.0],
        bounds=[*box, (0.0, 1.0)],
        method="highs",
    )
    floor = max(0.0, float(answer.fun) - 1e-6) if answer.status == 0 else 1 / len(names)
    return ClassShares(found, max(found, key=lambda name: found[name].low), floor)


def _allowed(
    scores: Sequence[ClassScores], accuracy: Interval | None, weighted_f1: Interval | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows A and bounds b of ``A w <= b``, for the equations whose figures are all printed."""
    rows: list[list[float]] = []
    bounds: list[float] = []

    def inside(low: Sequence[float], high: Sequence[float], target: Interval) -> None:
        rows.extend((list(low), [-value for value in high]))
        bounds.extend((target.high + 1e-7, -target.low + 1e-7))

    recalls = [score.recall for score in scores if score.recall is not None]
    f1s = [score.f1 for score in scores if score.f1 is not None]
    quotients = [
        score.recall / score.precision
        for score in scores
        if score.recall is not None and score.precision is not None and score.precision.low > 0
    ]
    if accuracy is not None and len(recalls) == len(scores):
        inside([max(r.low, 0.0) for r in recalls], [min(r.high, 1.0) for r in recalls], accuracy)
    if weighted_f1 is not None and len(f1s) == len(scores):
        inside([max(f.low, 0.0) for f in f1s], [min(f.high, 1.0) for f in f1s], weighted_f1)
    if len(quotients) == len(scores):
        inside([max(q.low, 0.0) for q in quotients], [q.high for q in quotients], Interval.point(1.0))
    return np.array(rows).reshape(-1, len(scores)), np.array(bounds)


def largest_share_from_macro(class_f1: Interval, macro: Interval, weighted: Interval, k: int) -> Interval | None:
    """Share of one class from its F1, the macro and the weighted F1 of k classes, the other scores unknown.

    The others sum to ``k * macro - F`` and none is negative, so none exceeds that sum m, and
    ``weighted <= w F + (1 - w) m`` gives ``w >= (weighted - m)/(F - m)``; None where the class is not the better one.
    """
    others = max(0.0, min(1.0, k * macro.high - class_f1.low))
    if class_f1.high <= others:
        return None
    return Interval(min(1.0, max(0.0, (weighted.low - others) / (class_f1.high - others))), 1.0)


def not_predicted_share(accuracy: Interval, precision: Interval, recall: Interval) -> float | None:
    """Largest share of cases not predicted positive, when recall is about 1 and accuracy equals precision.

    With q the predicted positive share, ``A = P q + TN`` and ``TN <= 1 - q`` while ``FN <= 1 - q``; recall fixes
    ``FN = TP (1/R - 1)``. Then ``1 - q = TN + FN`` with ``TN = A - P q``, so
    ``1 - q = (A - P + P (1/R - 1)) / (1 - P + P (1/R - 1))``, increasing in A and decreasing in P and
    R; None where P or R can be zero.
    """
    if precision.low <= 0 or recall.low <= 0:
        return None
    p, miss = precision.low, precision.low * (1 / recall.low - 1)
    below = 1 - p + miss
    return None if below <= 0 else max(0.0, (accuracy.high - p + miss) / below)


def always_positive_f1(prevalence: Interval) -> Interval:
    """F1 of always predicting the positive class, ``2 pi / (1 + pi)``."""
    return Interval(2 * prevalence.low / (1 + prevalence.low), 2 * prevalence.high / (1 + prevalence.high))


def entropy(shares: Sequence[float]) -> float:
    """Log loss of predicting the base rates, ``-sum pi ln pi``, in nats.

    Examples
    --------
    >>> round(entropy([0.5, 0.5]), 4)
    0.6931

    """
    return -sum(share * math.log(share) for share in shares if share > 0)


def mixture_remainder(overall: Interval, parts: Sequence[tuple[Interval, Interval]]) -> Interval:
    """Mean of the part not printed, from the overall mean and (share, mean) of the printed parts.

    ``x = (overall - sum w m) / (1 - sum w)``.
    """
    known = Interval.point(0.0)
    weight = Interval.point(0.0)
    for share, mean in parts:
        known = known + share * mean
        weight = weight + share
    return (overall - known) / (Interval.point(1.0) - weight)


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
