"""Scores of classifiers: identities between them, the class shares they force, and the baselines they must beat.

References
----------
van Rijsbergen (1979) for F1; Opitz & Burst (2019) for the two macro-F1; Brier (1950) and Good (1952) for log loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.audit.claims.intervals import Interval

__all__ = [
    "ClassScores",
    "ClassShares",
    "always_positive_f1",
    "class_shares",
    "entropy",
    "f1_average_range",
    "f1_range",
    "largest_share_from_macro",
    "macro_f1_readings",
    "mixture_remainder",
    "not_predicted_share",
]


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
        readings["mean of the class F1"] = _mean(f1s)
    if precisions and len(precisions) == len(recalls):
        readings["F1 of mean precision and mean recall"] = f1_range(_mean(precisions), _mean(recalls))
    return readings


def _mean(values: Sequence[Interval]) -> Interval:
    return Interval(sum(v.low for v in values) / len(values), sum(v.high for v in values) / len(values))


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
