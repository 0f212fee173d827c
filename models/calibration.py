"""Making a probability mean what it says, on validation rows, and showing whether it does.

References
----------
Platt, J. (1999). Probabilistic Outputs for Support Vector Machines. Advances in Large Margin Classifiers.
Lin, H.-T., Lin, C.-J., Weng, R. C. (2007). A Note on Platt's Probabilistic Outputs for Support Vector Machines.
Machine Learning 68(3).
Zadrozny, B., Elkan, C. (2002). Transforming Classifier Scores into Accurate Multiclass Probability Estimates. KDD.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from assay.data.errors import InputError

__all__ = ["calibrated", "fit_calibration", "reliability"]

_LEAST_OF_A_CLASS = 5


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def fit_calibration(
    logits: np.ndarray, up: np.ndarray, method: Literal["platt", "isotonic", "none"] = "platt"
) -> dict[str, np.ndarray]:
    """A non-decreasing map from logits to probabilities, as arrays that are stored with the model.

    Parameters
    ----------
    logits : any shape, of validation rows; NaN = unknown.
    up : the same shape, 0 or 1.
    method : ``"platt"``: σ(a·logit + b) by maximum likelihood on Platt's smoothed targets, a kept at or above 0: a
        calibration that turned the order round would make skill of its opposite; ``"isotonic"``: the best
        non-decreasing step function; ``"none"``: σ(logit).

    Returns
    -------
    dict
        ``{"calibration/x", "calibration/y"}`` for isotonic, else ``{"calibration/platt": (a, b)}``. With fewer than 5
        rows of either class there is nothing to learn and the logits stay as they are.

    """
    if method not in ("platt", "isotonic", "none"):
        raise InputError(f"calibration: must be 'platt', 'isotonic' or 'none', got {method!r}")
    both = np.isfinite(logits) & np.isfinite(up)
    x, y = logits[both].astype(np.float64), up[both].astype(np.float64)
    if method == "none" or min((y == 1).sum(), (y == 0).sum()) < _LEAST_OF_A_CLASS:
        return {"calibration/platt": np.array([1.0, 0.0])}
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y)
        return {"calibration/x": fitted.X_thresholds_, "calibration/y": fitted.y_thresholds_}
    return {"calibration/platt": np.array(_platt(x, y))}


def _platt(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Newton's method on the log likelihood, halving the step where it does not help (Lin et al. 2007)."""
    n_up, n_down = float(y.sum()), float(len(y) - y.sum())
    target = np.where(y == 1, (n_up + 1.0) / (n_up + 2.0), 1.0 / (n_down + 2.0))

    def cost(a: float, b: float) -> float:
        z = a * x + b
        return float(np.sum(np.logaddexp(0.0, z) - target * z))

    a, b = 0.0, float(np.log((n_up + 1.0) / (n_down + 1.0)))
    flat = b
    best = cost(a, b)
    for _ in range(100):
        p = _sigmoid(a * x + b)
        slope = np.array([np.sum((p - target) * x), np.sum(p - target)])
        if np.abs(slope).max() < 1e-9 * len(x):
            break
        w = p * (1.0 - p)
        hessian = np.array([[np.sum(w * x * x), np.sum(w * x)], [np.sum(w * x), np.sum(w)]]) + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, slope)
        size = 1.0
        while size > 1e-10 and cost(a - size * step[0], b - size * step[1]) > best:
            size /= 2.0
        if size <= 1e-10:
            break
        a, b = a - size * step[0], b - size * step[1]
        best = cost(a, b)
    return (a, b) if a > 0 else (0.0, flat)


def calibrated(logits: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities of the logits, by what `fit_calibration` returned; NaN stays NaN."""
    if "calibration/platt" in arrays:
        a, b = arrays["calibration/platt"]
        return _sigmoid(a * logits + b)
    out = np.interp(logits, arrays["calibration/x"], arrays["calibration/y"])
    return np.where(np.isnan(logits), np.nan, out)


def reliability(probability: np.ndarray, up: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """The reliability curve: of the rows whose probability lies in a bin, the share that went up.

    Parameters
    ----------
    probability, up : any equal shape; NaN pairs are left out.
    bins : equal widths in [0, 1]; empty ones are left out.

    Examples
    --------
    >>> reliability(np.array([0.1, 0.1, 0.9]), np.array([0.0, 1.0, 1.0]), bins=2)
    [{'low': 0.0, 'high': 0.5, 'n': 2, 'predicted': 0.1, 'observed': 0.5}, {'low': 0.5, 'high': 1.0, 'n': 1, 'predicted': 0.9, 'observed': 1.0}]

    """  # noqa: E501
    both = np.isfinite(probability) & np.isfinite(up)
    p, y = probability[both], up[both]
    which = np.minimum((p * bins).astype(int), bins - 1)
    return [
        {
            "low": k / bins,
            "high": (k + 1) / bins,
            "n": int((which == k).sum()),
            "predicted": float(p[which == k].mean()),
            "observed": float(y[which == k].mean()),
        }
        for k in range(bins)
        if (which == k).any()
    ]
