"""Scalers: fit on training rows, applied to any row, stored with the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.data.errors import InputError

__all__ = ["Scaler", "fit_scaler"]


@dataclass(frozen=True, eq=False)
class Scaler:
    """x ↦ (x - centre) / scale, clipped.

    Parameters
    ----------
    centre, scale : (1, F) where assets are pooled, (N, F) where each has its own; NaN for an asset without data.
    clip : largest absolute value let through; infinite = none.

    """

    centre: np.ndarray
    scale: np.ndarray
    clip: float = np.inf

    def inputs(self, values: np.ndarray, padding: int = 0) -> np.ndarray:
        """(T, N, F) as scaled float32 (N, T + padding, F), 0 where unknown and in the padding.

        Zero is the training mean of a standardised feature. What is unknown is not scored: see
        `assay.models.lstm.windows.complete_rows`.
        """
        n_sessions, n_assets, n_features = values.shape
        out = np.zeros((n_assets, n_sessions + padding, n_features), dtype=np.float32)
        for i in range(n_assets):
            own = i if len(self.centre) > 1 else 0
            block = (values[:, i].astype(np.float64) - self.centre[own]) / self.scale[own]
            if np.isfinite(self.clip):
                np.clip(block, -self.clip, self.clip, out=block)
            out[i, :n_sessions] = np.where(np.isfinite(block), block, 0.0)
        return out

    def restore(self, scaled: np.ndarray, feature: int = 0) -> np.ndarray:
        """One feature back from its scaled (T, N) values."""
        answer: np.ndarray = scaled * self.scale[:, feature] + self.centre[:, feature]
        return answer


def fit_scaler(
    values: np.ndarray,
    kind: Literal["standard", "minmax", "none"] = "standard",
    *,
    per_asset: bool = False,
    clip: float = np.inf,
) -> Scaler:
    """A scaler fit on `values` alone: hand in training rows and nothing else.

    Parameters
    ----------
    values : (T, N, F) training rows; NaN = unknown.
    kind : ``"standard"``: mean and standard deviation (ddof 0); ``"minmax"``: range to [0, 1]; ``"none"``: as it is.
    per_asset : whether each asset has its own, as prices of different level need.
    clip : see `Scaler`.

    Examples
    --------
    >>> scaler = fit_scaler(np.array([[[10.0]], [[20.0]]]), "minmax")
    >>> scaler.inputs(np.array([[[15.0]], [[25.0]]])).ravel().tolist()
    [0.5, 1.5]

    """
    if kind not in ("standard", "minmax", "none"):
        raise InputError(f"scaler: kind must be 'standard', 'minmax' or 'none', got {kind!r}")
    n_assets, n_features = values.shape[1:]
    groups = n_assets if per_asset else 1
    centre = np.full((groups, n_features), np.nan)
    scale = np.full((groups, n_features), np.nan)
    for feature in range(n_features):
        column = values[:, :, feature].astype(np.float64)
        for group in range(groups):
            seen = column[:, group] if per_asset else column
            seen = seen[np.isfinite(seen)]
            if not seen.size:
                continue
            if kind == "none":
                low, width = 0.0, 1.0
            elif kind == "standard":
                low, width = float(seen.mean()), float(seen.std())
            else:
                low, width = float(seen.min()), float(seen.max() - seen.min())
            # A constant feature says nothing; it must not blow up either. 1e-12: rounding left of a constant.
            centre[group, feature] = low
            scale[group, feature] = width if width > 1e-12 * max(1.0, abs(low)) else 1.0
    return Scaler(centre, scale, clip)
