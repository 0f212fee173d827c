"""`reliance_direction`: the probability that an asset goes up, after reliance_training_results.md.

Three LSTMs of falling width with attention before the last, batch normalisation and two dense layers, over 60
sessions of 27 indicators, one network an asset. Its probability is calibrated on the validation rows: without that a
threshold of 0.7 means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.labels import up_down
from assay.data.panel import PricePanel
from assay.models.calibration import calibrated, fit_calibration, reliability
from assay.models.lstm.outcome import Judgement, Outcome
from assay.models.lstm.recipe import NeuralForecaster
from assay.models.lstm.scaling import Scaler
from assay.models.metrics import direction_metrics, one_class, rank_metrics

if TYPE_CHECKING:
    from torch import Tensor, nn

    from assay.models.lstm.batches import Batch

__all__ = ["DirectionLSTM"]


@dataclass(frozen=True, kw_only=True)
class DirectionLSTM(NeuralForecaster):
    """The binary direction model.

    Parameters
    ----------
    units : of the three LSTMs.
    dense : of the dense layers.
    dropout : after every layer.
    l2 : penalty on the squares of the LSTMs' input kernels; the report names L2 without a figure.
    calibration : ``"platt"``, ``"isotonic"`` or ``"none"``, on the validation rows of all assets together.

    See `assay.models.lstm.recipe.NeuralForecaster` for the others.
    """

    feature_set: str = "indicators27"
    lookback: int = 60
    epochs: int = 100
    learning_rate: float = 8e-4
    clip: float = 0.0
    batch_size: int = 8
    windowed: bool = True
    per_asset: bool = True
    units: tuple[int, ...] = (192, 96, 48)
    dense: tuple[int, ...] = (64, 32)
    dropout: float = 0.35
    l2: float = 1e-4
    calibration: Literal["platt", "isotonic", "none"] = "platt"

    name: ClassVar[str] = "reliance_direction"
    sequence_allowed: ClassVar[bool] = False
    OUTPUT: ClassVar[str] = "calibrated probability_up; score = probability - 0.5"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "default": {},
        "report": {},
        "wider": {},
        "baseline": {"units": (128, 64, 32), "dropout": 0.30, "learning_rate": 1e-3, "batch_size": 16},
        "deeper": {"units": (256, 128, 64), "dropout": 0.40, "learning_rate": 5e-4, "batch_size": 16},
        "wider_deeper": {"units": (256, 128, 64), "dropout": 0.30},
        "optimal": {"dropout": 0.30, "learning_rate": 5e-4},
        "balanced": {"units": (224, 112, 56)},
        "aggressive": {"units": (320, 160, 80)},
        "small": {
            "per_asset": False, "lookback": 10, "units": (24, 16, 12), "dense": (12, 8), "dropout": 0.0,
            "batch_size": 512, "epochs": 12, "patience": 4, "learning_rate": 3e-3,
        },
        "tiny": {
            "per_asset": False, "lookback": 6, "units": (6, 5, 4), "dense": (4, 3), "dropout": 0.1, "batch_size": 256,
            "epochs": 2,
        },
    }  # fmt: skip
    TRAPS: ClassVar[tuple[str, ...]] = (
        (
            "recall 1.0 with accuracy equal to precision is a model that always says up; a fit that predicts one "
            "class is flagged, and the majority class stands beside every figure"
        ),
        "the probability is calibrated on validation rows; the reliability curve is kept, before and after",
        (
            "the report counts about 500,000 parameters; what it describes has 342,305, so something is not told. "
            "Its Phase 1 names widths only: those presets take everything else from 'wider', with a lower dropout "
            "where it asks for one"
        ),
        "attention looks over the whole window, so rows are trained and scored one window each",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.units) != 3 or min(self.units) < 1:
            raise InputError(f"{self.name}: units must be three positive widths, got {self.units!r}")
        if self.l2 < 0:
            raise InputError(f"{self.name}: l2 must not be negative, got {self.l2!r}")
        if self.calibration not in ("platt", "isotonic", "none"):
            raise InputError(
                f"{self.name}: calibration must be 'platt', 'isotonic' or 'none', got {self.calibration!r}"
            )

    def targets(
        self, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None
    ) -> np.ndarray:
        return up_down(prices, horizon=horizon, delay=delay, fill=self.fill, labels=labels).to_numpy()[..., None]

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.networks import DirectionNetwork

        return DirectionNetwork(n_features, self.units, self.dense, self.dropout)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        from torch.nn import functional

        return functional.binary_cross_entropy_with_logits(outputs[batch.mask][:, 0], batch.targets[batch.mask][:, 0])

    def penalty(self, network: nn.Module) -> Tensor | None:
        from assay.models.lstm.losses import kernel_penalty

        return self.l2 * kernel_penalty(network) if self.l2 else None

    def judge(self, outcome: Outcome, scaler: Scaler) -> Judgement:
        logits = outcome.validation(outcome.outputs[..., 0])
        up = outcome.validation(outcome.targets[..., 0])
        arrays = fit_calibration(logits, up, self.calibration)
        raw = calibrated(logits, {"calibration/platt": np.array([1.0, 0.0])})
        probability = calibrated(logits, arrays)
        returns = outcome.validation(self.returns(outcome.prices, outcome.horizon, outcome.delay, outcome.labels))
        known = np.isfinite(probability) & np.isfinite(up)
        base = float(up[known].mean()) if known.any() else np.nan
        metrics = {
            **direction_metrics(probability, up),
            "rank": rank_metrics(logits, returns, horizon=outcome.horizon),
            "uncalibrated": direction_metrics(raw, up),
            "reliability": reliability(probability, up),
            "reliability_uncalibrated": reliability(raw, up),
        }
        majority = np.where(known, float(base > 0.5), np.nan)
        said = (probability[known] > 0.5).astype(int)
        warnings: tuple[str, ...] = ()
        if one_class(said):
            warnings = (f"predicts one class: always {'up' if said[0] else 'down'}, as the majority class would",)
        elif len(said) and not 0.01 < said.mean() < 0.99:
            side = "up" if said.mean() > 0.5 else "down"
            warnings = (f"predicts almost one class: {side} in {max(said.mean(), 1 - said.mean()):.1%} of rows",)
        return Judgement(
            metrics,
            {
                "majority_class": direction_metrics(majority, up),
                "base_rate": {"brier": base * (1.0 - base), "probability": base},
            },
            warnings,
            arrays,
        )

    def panel(self, outputs: np.ndarray, prices: PricePanel, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        probability = calibrated(outputs[..., 0], arrays)
        return {
            "score": probability - 0.5,
            "probability_up": probability,
            "unit": "rank",
            "zero_is_neutral": True,
        }
