"""Scores of "up" against "down" under every convention of the grid.

References
----------
Matthews (1975) for the correlation; Brier (1950) for the score; Hanley & McNeil (1982) for the area under the curve;
Naeini, Cooper & Hauskrecht (2015) for the expected calibration error.

"""

from __future__ import annotations

import math

import numpy as np

from assay.audit.recompute.conventions import Material, Reading, readings_over
from assay.audit.recompute.panels import OVERLAP, horizons_idle, pooled, step_of

__all__ = ["CLASS_METRICS", "SIDE_METRICS", "class_readings"]

_AVERAGES = ("of up", "of down", "macro", "weighted")
_UP = ("up is above 0", "up is 0 or above")
#: Metrics of a call, by name -> (score, the averages it can be).
_CALLED = {
    "accuracy": ("accuracy", ("",)),
    "error_rate": ("error_rate", ("",)),
    "balanced_accuracy": ("recall", ("macro",)),
    "mcc": ("mcc", ("",)),
    **{name: (name, _AVERAGES) for name in ("precision", "recall", "f1")},
    **{f"{name}_{average}": (name, (average,)) for name in ("precision", "recall", "f1")
       for average in ("macro", "weighted")},
}  # fmt: skip
#: Metrics of a score or a probability.
_GRADED = ("auc", "brier", "log_loss", "calibration_error")
#: What a score of one class alone can be; the accuracy of a class is the share of it that was called.
_OF_SIDE = {"accuracy": "recall", "hit_rate": "precision", "precision": "precision", "recall": "recall", "f1": "f1"}
_BINS = ("10 bins of equal width", "15 bins of equal width", "20 bins of equal width", "5 bins of equal width",
         "10 bins of equal counts", "15 bins of equal counts", "20 bins of equal counts")
_CONFIDENCE = ("of the probability of up", "of the confidence in the class called")
_PROBABILITIES = ("brier", "log_loss", "calibration_error")
#: Metrics that may be of one class alone.
SIDE_METRICS = tuple(_OF_SIDE)
CLASS_METRICS = (*_CALLED, *_GRADED, "prevalence")


def class_readings(material: Material, metric: str) -> tuple[Reading, ...]:
    """All readings of one of `CLASS_METRICS`: from the probability of up, or from the sign of the score."""
    cases: dict[tuple[str, str], tuple[np.ndarray, np.ndarray, float]] = {}
    for name, panel in material.panels.items():
        for overlap in OVERLAP:
            step = step_of(panel, {"overlap": overlap})
            if panel.probability is not None:
                chance, real = panel.probability[::step].ravel(), panel.forward[::step].ravel()
                known = np.isfinite(chance) & np.isfinite(real)
                cases[f"probability above 1/2, {name}", overlap] = (chance[known], real[known], 0.5)
            if panel.signed and metric not in _PROBABILITIES:
                cases[f"sign of the score, {name}", overlap] = (*pooled(panel, step), 0.0)
    if not cases:
        return ()
    score, averages = _CALLED.get(metric, (metric, ("",)))
    if material.side:
        score, averages = _OF_SIDE[metric], (f"of {material.side}",)
    graded_by = (_BINS, _CONFIDENCE) if metric == "calibration_error" else (("",), ("",))
    dimensions = {
        "called": tuple(dict.fromkeys(name for name, _ in cases)),
        "up": _UP,
        "average": averages,
        "overlap": OVERLAP,
        "bins": graded_by[0],
        "confidence": graded_by[1],
    }

    def figure(choice: dict[str, str]) -> float | None:
        graded, outcome, bar = cases[choice["called"], choice["overlap"]]
        real = outcome > 0 if choice["up"] == _UP[0] else outcome >= 0
        if not len(real) or (choice["up"] == _UP[1] and not (outcome == 0).any()):
            return None
        if metric == "prevalence":
            return float(real.mean())
        if metric == "calibration_error":
            return _calibration(graded, real, choice)
        return _graded(metric, graded, real) if metric in _GRADED else _of(score, graded > bar, real, choice["average"])

    return readings_over(dimensions, figure, horizons_idle(material))


def _of(score: str, called: np.ndarray, real: np.ndarray, average: str) -> float | None:
    if score in ("accuracy", "error_rate"):
        right = float((called == real).mean())
        return right if score == "accuracy" else 1 - right
    if score == "mcc":
        product = float(called.sum()) * float((~called).sum()) * float(real.sum()) * float((~real).sum())
        agreed = float((called & real).sum()) * float((~called & ~real).sum())
        crossed = float((called & ~real).sum()) * float((~called & real).sum())
        return (agreed - crossed) / math.sqrt(product) if product > 0 else 0.0
    up, down = _score(score, called, real), _score(score, ~called, ~real)
    share = {"of up": 1.0, "of down": 0.0, "macro": 0.5, "weighted": float(real.mean())}[average]
    return share * up + (1 - share) * down


def _score(metric: str, called: np.ndarray, real: np.ndarray) -> float:
    true = float((called & real).sum())
    precision = true / called.sum() if called.any() else 0.0
    recall = true / real.sum() if real.any() else 0.0
    if metric == "precision":
        return float(precision)
    if metric == "recall":
        return float(recall)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _calibration(chance: np.ndarray, real: np.ndarray, choice: dict[str, str]) -> float:
    """Mean distance of a bin's mean probability from its frequency, weighted by cases (expected calibration error)."""
    if choice["confidence"] == _CONFIDENCE[1]:
        chance, real = np.where(chance > 0.5, chance, 1 - chance), (chance > 0.5) == real
    count = int(choice["bins"].split()[0])
    edges = np.linspace(0, 1, count + 1)
    if choice["bins"].endswith("counts"):
        edges = np.quantile(chance, edges)
    place = np.clip(np.searchsorted(edges[1:-1], chance, side="left"), 0, count - 1)
    off = np.bincount(place, weights=chance - real, minlength=count)
    return float(np.abs(off).sum() / len(chance))


def _graded(metric: str, graded: np.ndarray, real: np.ndarray) -> float | None:
    if metric == "brier":
        return float(((graded - real) ** 2).mean())
    if metric == "log_loss":
        safe = np.clip(graded, 1e-15, 1 - 1e-15)
        return float(-np.where(real, np.log(safe), np.log1p(-safe)).mean())
    positive = int(real.sum())
    if positive in (0, len(real)):
        return None
    from assay.results.stats.ranks import average_ranks

    total = float(average_ranks(graded[None, :])[0][real].sum())
    return (total - positive * (positive + 1) / 2) / (positive * (len(real) - positive))
