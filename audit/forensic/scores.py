"""Scores of classifiers: whole counts behind them, identities between them, the class shares and matrices they allow.

Sources: Brown & Heathers (2017), "The GRIM test", Social Psychological and Personality Science 8(4), for whole counts
and the matrices (scores as in scikit-learn, where 0/0 is 0); Mann & Whitney (1947) for the AUC as a count of pairs; van
Rijsbergen (1979) for F1; Opitz & Burst (2019) for the two macro-F1; Good (1952) for log loss; Gorodkin (2004) for the
MCC and Cohen (1960) for kappa of several classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from assay.audit.claims.intervals import Interval, corners, mean_of

__all__ = [
    "ClassShares", "Matrix", "binary_matrices", "called_share", "class_shares", "entropy",
    "f1_average_range", "f1_range", "grim_counts", "grim_has_power", "largest_share_from_macro", "macro_f1_readings",
    "matrix_scores", "prevalence_range",
]  # fmt: skip

_SLACK = 1e-9
_TINY = 1e-7


def grim_counts(share: Interval, n: int) -> range:
    """Counts k in [0, n] with k/n inside a printed share; empty where the share is impossible on n cases."""
    low = max(0, math.ceil(share.low * n - _SLACK * max(1, n)))
    high = min(n, math.floor(share.high * n + _SLACK * max(1, n)))
    return range(low, high + 1)


def grim_has_power(share: Interval, n: int) -> bool:
    """Whether some print of this precision would be impossible on n cases: the interval is narrower than 1/n."""
    return share.width * n < 1


def f1_range(precision: Interval, recall: Interval) -> Interval:
    """F1 of one class from its precision and recall, ``2PR/(P+R)``, increasing in both."""
    ends = ((max(precision.low, 0.0), max(recall.low, 0.0)), (min(precision.high, 1.0), min(recall.high, 1.0)))
    return Interval(*(0.0 if p + r <= 0 else 2 * p * r / (p + r) for p, r in ends))


def f1_average_range(precision: Interval, recall: Interval) -> Interval:
    """What an average of F1 over classes or folds can be, given the same averages of precision and recall: at most F1
    of the averages, since the harmonic mean is concave, and at least ``P + R - 1``, as each F1 is."""
    return Interval(max(0.0, precision.low + recall.low - 1), f1_range(precision, recall).high)


Parts = Mapping[str, Interval]


def macro_f1_readings(f1: Parts, precision: Parts | None = None, recall: Parts | None = None) -> dict[str, Interval]:
    """Macro-F1 in its two readings: the mean of the class F1, and F1 of mean precision and mean recall."""
    readings = {"mean of the class F1": mean_of(f1.values())}
    if precision is not None and recall is not None and set(precision) == set(recall) == set(f1):
        means = (mean_of(precision.values()), mean_of(recall.values()))
        readings["F1 of mean precision and mean recall"] = f1_range(*means)
    return readings


@dataclass(frozen=True)
class ClassShares:
    """What the scores force: the range of every class share, and the least size of the largest class."""

    shares: Mapping[str, Interval]
    majority: str
    majority_floor: float


def class_shares(
    classes: Mapping[str, Parts], accuracy: Interval | None = None, weighted_f1: Interval | None = None
) -> ClassShares | None:
    """Class shares that accuracy, weighted F1 and the scores of all classes allow; None where there are none.

    Shares ``w >= 0`` with ``sum w = 1``, ``sum w_c R_c`` inside the accuracy, ``sum w_c F_c`` inside the weighted F1,
    and predicted shares ``sum w_c R_c / P_c = 1``. Coefficients are intervals: since ``w >= 0`` each equation splits
    into two inequalities with their ends, and nothing feasible is cut away.
    """
    from scipy.optimize import linprog

    k, scores = len(classes), list(classes.values())
    called = [s["recall"] / s["precision"] if "recall" in s and "precision" in s and s["precision"].low > 0 else None
              for s in scores]  # fmt: skip
    # A last variable is at least every share: its minimum is the least size of the largest class.
    rows, limits = [[*row, -1.0] for row in np.eye(k)], [0.0] * k
    for values, target, top in (
        ([s.get("recall") for s in scores], accuracy, 1.0), ([s.get("f1") for s in scores], weighted_f1, 1.0),
        (called, Interval.point(1.0), math.inf),
    ):  # fmt: skip
        known = [value for value in values if value is not None]
        if target is not None and len(known) == k:
            rows += [[*(max(v.low, 0.0) for v in known), 0.0], [*(-min(v.high, top) for v in known), 0.0]]
            limits += [target.high + 1e-7, 1e-7 - target.low]
    stated = [s.get("share", Interval(0.0, 1.0)).clip(0.0, 1.0) or Interval(0.0, 1.0) for s in scores]
    bounds, unit = [*((share.low, share.high) for share in stated), (0.0, 1.0)], np.eye(k + 1)
    answers = [linprog(cost, rows, limits, [[1.0] * k + [0.0]], [1.0], bounds, method="highs")
               for cost in (*unit, *-unit[:k])]  # fmt: skip
    if any(answer.status == 2 for answer in answers):
        return None
    least = [float(answer.fun) if answer.status == 0 else -math.inf for answer in answers]
    ends = zip(classes, least[:k], least[k + 1 :], strict=True)
    found = {name: Interval(max(0.0, low - 1e-6), min(1.0, 1e-6 - high)) for name, low, high in ends}
    return ClassShares(found, max(found, key=lambda name: found[name].low), max(1 / k, least[k] - 1e-6))


def largest_share_from_macro(class_f1: Interval, macro: Interval, weighted: Interval, k: int) -> Interval | None:
    """Share of one class from its F1, the macro and the weighted F1 of k classes: no other F1 exceeds
    ``m = k * macro - F``, so ``w >= (weighted - m)/(F - m)``; None where the class is not the better one."""
    others = max(0.0, min(1.0, k * macro.high - class_f1.low))
    if class_f1.high <= others:
        return None
    return Interval(min(1.0, max(0.0, (weighted.low - others) / (class_f1.high - others))), 1.0)


def called_share(accuracy: Interval, precision: Interval, recall: Interval) -> Interval | None:
    """Share of cases called positive, ``R (1 - A) / (P + R (1 - 2P))``, monotone in each; None where the denominator
    can vanish."""
    if corners(lambda p, r: p + r * (1 - 2 * p), precision, recall).low <= 1e-12:
        return None
    return corners(lambda a, p, r: r * (1 - a) / (p + r * (1 - 2 * p)), accuracy, precision, recall)


def prevalence_range(accuracy: Interval, precision: Interval, recall: Interval) -> Interval | None:
    """Share of positives, ``(1 - A) / (1 + R (1/P - 2))``, likewise; None too where nothing of it lies in [0, 1]."""
    if precision.low <= 0 or corners(lambda p, r: 1 + r * (1 / p - 2), precision, recall).low <= 1e-12:
        return None
    share = corners(lambda a, p, r: (1 - a) / (1 + r * (1 / p - 2)), accuracy, precision, recall)
    return share.clip(0.0, 1.0)


def entropy(shares: Sequence[float]) -> float:
    """Log loss of predicting the base rates, ``-sum pi ln pi``, in nats."""
    return -sum(share * math.log(share) for share in shares if share > 0)


class Matrix(NamedTuple):
    """A binary confusion matrix in whole counts."""

    tp: int
    fp: int
    fn: int
    tn: int


def binary_matrices(scores: Parts, n: int, n_positive: int | None = None, limit: int = 1000) -> list[Matrix]:
    """Every confusion matrix on n cases whose scores all lie inside the prints, up to `limit` of them; where there is
    none, scores and n do not belong together."""
    found: list[Matrix] = []
    for positives in range(n + 1) if n_positive is None else [n_positive]:
        found += _with_positives(scores, n, positives)
        if len(found) >= limit:
            return found[:limit]
    return found


def _with_positives(scores: Parts, n: int, positives: int) -> list[Matrix]:
    """For every number of true positives, the false ones that the printed scores leave; they fall as a score rises."""
    negatives = n - positives
    tp = np.arange(positives + 1, dtype=np.float64)
    if "recall" in scores:
        recall = tp / max(positives, 1)
        tp = tp[(recall >= scores["recall"].low - _TINY) & (recall <= scores["recall"].high + _TINY)]
    false: dict[str, Callable[[float], np.ndarray]] = {
        "accuracy": lambda score: negatives + tp - score * n,
        "specificity": lambda score: negatives * (1 - score) + 0 * tp,
        "precision": lambda score: tp * (1 / score - 1),
        "f1": lambda score: 2 * tp * (1 / score - 1) - (positives - tp),
    }
    first, last = 0 * tp, 0 * tp + negatives
    for name in scores.keys() & false.keys():
        low, high = scores[name].low, scores[name].high
        least, most = (false[name](max(end, 1e-12)) for end in (high, low))
        if name in ("precision", "f1"):
            # No true positive scores 0.
            least, most = np.where(tp > 0, least, 0), np.where(tp > 0, most, np.inf if low <= _TINY else -1)
        first, last = np.maximum(first, least), np.minimum(last, most)
    slack = _TINY * max(1, n)
    ends = zip(tp, np.ceil(first - slack), np.minimum(np.floor(last + slack), negatives), strict=True)
    return [
        Matrix(int(hits), fp, positives - int(hits), negatives - fp)
        for hits, start, stop in ends
        for fp in range(max(int(start), 0), int(stop) + 1)
    ]


def matrix_scores(table: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """What a confusion matrix, counts by true and called class, makes of every score, by reading: precision, recall and
    F1 of each class and on average (0 where there is nothing to divide by), and the scores of the whole."""
    right, there, called = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    n, hits, chance = float(table.sum()), float(right.sum()), float(there @ called)
    spread = (n * n - float(there @ there)) * (n * n - float(called @ called))
    pairs = {"precision": (right, called), "recall": (right, there), "f1": (2 * right, called + there)}
    by_class = {name: top / np.maximum(bottom, 1) for name, (top, bottom) in pairs.items()}
    whole = {
        "accuracy": hits / n, "error_rate": 1 - hits / n, "balanced_accuracy": float(by_class["recall"].mean()),
        "kappa": (n * hits - chance) / (n * n - chance) if n * n != chance else 0.0,
        "mcc": (hits * n - chance) / math.sqrt(spread) if spread > 0 else 0.0,
    }  # fmt: skip
    scores: dict[str, dict[str, float]] = {}
    for name, values in by_class.items():
        averages = {"macro": float(values.mean()), "weighted": float(there @ values) / n}
        whole |= {f"{name}_{kind}": value for kind, value in averages.items()}
        scores[name] = {f"of {of}": float(value) for of, value in zip(classes, values, strict=True)} | averages
    return scores | {name: {"": value} for name, value in whole.items()}
