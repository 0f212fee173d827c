"""Validation metrics of a fit. NaN pairs are left out; scikit-learn computes what it has.

These say how a model did on the rows that stopped its training, so they flatter it a little. What it earns and
whether that is luck is judged on the test rows, elsewhere.

References
----------
Newey, W. K., West, K. D. (1987). A Simple, Positive Semi-Definite, Heteroskedasticity and Autocorrelation Consistent
Covariance Matrix. Econometrica 55(3).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from assay.data.conventions import FLAT

__all__ = [
    "action_metrics",
    "direction_metrics",
    "hac_t",
    "level_metrics",
    "one_class",
    "rank_metrics",
    "return_metrics",
]

_LEAST_NAMES = 5


def hac_t(values: np.ndarray, lag: int) -> float:
    """t of a mean with Bartlett weights up to `lag` (Newey and West 1987); NaN below 3 values or without spread."""
    kept = values[np.isfinite(values)]
    if len(kept) < 3:
        return math.nan
    off = kept - kept.mean()
    variance = off @ off
    for k in range(1, min(lag, len(kept) - 1) + 1):
        variance += 2.0 * (1.0 - k / (lag + 1.0)) * (off[k:] @ off[:-k])
    error = math.sqrt(max(variance, 0.0)) / len(kept)
    return float(kept.mean() / error) if error > 0 else math.nan


def daily_correlation(left: np.ndarray, right: np.ndarray, *, ranked: bool) -> np.ndarray:
    """Correlation within each row, (T,); NaN where fewer than 5 names pair up or one side does not vary."""
    paired = np.isfinite(left) & np.isfinite(right)
    a, b = (pd.DataFrame(np.where(paired, side, np.nan)) for side in (left, right))
    if ranked:
        a, b = a.rank(axis="columns"), b.rank(axis="columns")
    x, y = a.sub(a.mean(axis="columns"), axis="index"), b.sub(b.mean(axis="columns"), axis="index")
    cross = (x * y).sum(axis="columns").to_numpy()
    size = np.sqrt(((x**2).sum(axis="columns") * (y**2).sum(axis="columns")).to_numpy())
    out = np.full(len(cross), np.nan)
    known = (paired.sum(axis=1) >= _LEAST_NAMES) & (size > FLAT)
    out[known] = cross[known] / size[known]
    return out


def rank_metrics(score: np.ndarray, returns: np.ndarray, *, horizon: int = 1) -> dict[str, float]:
    """Mean daily IC and rank IC, their information ratio, HAC t with lag horizon - 1 (at least 1), hit rate.

    Parameters
    ----------
    score, returns : (T, N), the same stamps.
    horizon : sessions that a return spans.

    """
    ic = daily_correlation(score, returns, ranked=False)
    rank_ic = daily_correlation(score, returns, ranked=True)
    both = np.isfinite(score) & np.isfinite(returns)
    same = np.sign(score[both]) == np.sign(returns[both])
    known = rank_ic[np.isfinite(rank_ic)]
    spread = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    return {
        "rank_ic": float(known.mean()) if len(known) else math.nan,
        "rank_ic_std": spread,
        "rank_icir_daily": float(known.mean() / spread) if spread > 0 else math.nan,
        "rank_ic_hac_t": hac_t(rank_ic, max(1, horizon - 1)),
        "ic": float(np.nanmean(ic)) if np.isfinite(ic).any() else math.nan,
        "direction_hit_rate": float(same.mean()) if len(same) else math.nan,
        "sessions": int(np.isfinite(rank_ic).sum()),
    }


def one_class(predicted: np.ndarray) -> bool:
    """Whether all predictions are the same class: its recall is then 1 and accuracy equals precision or the base rate.

    Examples
    --------
    >>> one_class(np.array([1, 1, 1])), one_class(np.array([1, 0, 1]))
    (True, False)

    """
    return len(predicted) > 0 and bool((predicted == predicted[0]).all())


def direction_metrics(probability: np.ndarray, up: np.ndarray, threshold: float = 0.5) -> dict[str, float]:
    """Of a probability of up: accuracy, AUC, precision, recall, F1, MCC, balanced accuracy, Brier score, base rate.

    Parameters
    ----------
    probability, up : any equal shape; `up` is 0 or 1.
    threshold : above it the prediction is "up".

    """
    from sklearn import metrics

    both = np.isfinite(probability) & np.isfinite(up)
    p, y = probability[both], up[both].astype(int)
    if not len(y):
        return {"n": 0}
    said = (p > threshold).astype(int)
    two = len(set(y.tolist())) > 1
    return {
        "accuracy": float(metrics.accuracy_score(y, said)),
        "auc": float(metrics.roc_auc_score(y, p)) if two else math.nan,
        "precision": float(metrics.precision_score(y, said, zero_division=0.0)),
        "recall": float(metrics.recall_score(y, said, zero_division=0.0)),
        "f1": float(metrics.f1_score(y, said, zero_division=0.0)),
        "mcc": float(metrics.matthews_corrcoef(y, said)) if two else 0.0,
        "balanced_accuracy": float(np.mean([(said[y == side] == side).mean() for side in (0, 1) if (y == side).any()])),
        "brier": float(np.mean((p - y) ** 2)),
        "base_rate": float(y.mean()),
        "predicted_up": float(said.mean()),
        "n": len(y),
    }


def action_metrics(predicted: np.ndarray, actual: np.ndarray) -> dict[str, object]:
    """Of three classes: accuracy, macro and weighted F1, precision, recall, F1 and support of each.

    Parameters
    ----------
    predicted, actual : positions in `assay.data.panel.ACTIONS`, any equal shape; NaN = unknown.

    """
    from sklearn import metrics

    from assay.data.panel import ACTIONS

    both = np.isfinite(predicted) & np.isfinite(actual)
    said, y = predicted[both].astype(int), actual[both].astype(int)
    if not len(y):
        return {"n": 0}
    labels = list(range(len(ACTIONS)))
    each = metrics.precision_recall_fscore_support(y, said, labels=labels, zero_division=0.0)
    weights = each[3] / each[3].sum()
    return {
        "accuracy": float((said == y).mean()),
        "macro_f1": float(each[2].mean()),
        "weighted_f1": float(each[2] @ weights),
        "classes": {
            action: {
                "precision": float(each[0][i]), "recall": float(each[1][i]),
                "f1": float(each[2][i]), "support": int(each[3][i]),
            }
            for i, action in enumerate(ACTIONS)
        },
        "n": len(y),
    }  # fmt: skip


def return_metrics(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """R² (against the mean of `actual`), MAE, RMSE and bias of returns, decimal."""
    both = np.isfinite(predicted) & np.isfinite(actual)
    p, y = predicted[both], actual[both]
    if len(y) < 2:
        return {"n": len(y)}
    total = float(((y - y.mean()) ** 2).sum())
    varied = total > 1e-24 * float((y**2).sum())
    return {
        "r2": float(1.0 - ((y - p) ** 2).sum() / total) if varied else math.nan,
        "mae": float(np.abs(y - p).mean()),
        "rmse": float(np.sqrt(((y - p) ** 2).mean())),
        "bias": float((p - y).mean()),
        "n": len(y),
    }


def level_metrics(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """Of price levels: what `return_metrics` has, in currency, with MAPE and the share of negative predictions."""
    both = np.isfinite(predicted) & np.isfinite(actual)
    out = return_metrics(predicted, actual)
    if out["n"] < 2:
        return out
    p, y = predicted[both], actual[both]
    return {**out, "mape": float(np.abs((y - p) / y).mean()), "negative_share": float((p < 0).mean())}
