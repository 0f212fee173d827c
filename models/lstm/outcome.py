"""What a fit leaves to be judged, the judgement, and arrays put into a panel of predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.panel import PredictionPanel, PricePanel

__all__ = ["Judgement", "Outcome", "as_frame", "panel_of"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a fit has to show for itself on its validation rows.

    Parameters
    ----------
    prices : the training panel, assets in order.
    outputs : (T, N, O) float64 answers of the network, NaN outside scored validation rows.
    targets : (T, N, C) labels before scaling.
    rows : half-open range of the validation rows.
    horizon, delay : of the labels.
    labels : the canary's that were learnt, or None.

    """

    prices: PricePanel
    outputs: np.ndarray
    targets: np.ndarray
    rows: tuple[int, int]
    horizon: int
    delay: int
    labels: CanaryLabels | None = None

    def validation(self, values: np.ndarray) -> np.ndarray:
        """The validation rows of a (T, ...) array."""
        return values[self.rows[0] : self.rows[1]]


@dataclass(frozen=True, eq=False)
class Judgement:
    """Validation metrics of a fit, the figures of trivial forecasts beside them, and what is wrong with it.

    Parameters
    ----------
    metrics : of the model, JSON-able.
    baselines : the same of forecasts that need no training.
    warnings : e.g. that one class alone is predicted.
    arrays : stored with the model, e.g. a calibration.

    """

    metrics: Mapping[str, object]
    baselines: Mapping[str, object]
    warnings: tuple[str, ...] = ()
    arrays: Mapping[str, np.ndarray] | None = None


def as_frame(values: np.ndarray, prices: PricePanel) -> pd.DataFrame:
    """(T, N) as a frame over the panel's sessions and assets."""
    return pd.DataFrame(values, index=prices.sessions, columns=prices.assets)


def panel_of(parts: Mapping[str, object], prices: PricePanel, order: pd.Index, **rest: object) -> PredictionPanel:
    """A `PredictionPanel` from arrays over the panel's sessions and assets, columns put into `order`."""
    ready: dict[str, object] = dict(rest)
    for name, value in parts.items():
        if isinstance(value, np.ndarray):
            ready[name] = as_frame(value, prices)[list(order)]
        elif isinstance(value, Mapping):
            ready[name] = {key: as_frame(part, prices)[list(order)] for key, part in value.items()}
        else:
            ready[name] = value
    return PredictionPanel(**ready)  # type: ignore[arg-type]
