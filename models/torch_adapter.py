"""Any torch module through the door that every model comes through: windows, scaling, training and receipts are ours.

A forecaster of one's own takes ten lines::

    @dataclass(frozen=True, kw_only=True)
    class MyModel(TorchForecaster):
        hidden: int = 32
        name: ClassVar[str] = "my_model"

        def module(self, n_features: int) -> nn.Module:
            return nn.Sequential(nn.Flatten(), nn.Linear(self.lookback * n_features, self.hidden), nn.ReLU(),
                                 nn.Linear(self.hidden, 1))
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.labels import FORWARD_RETURN, label_values, load_label
from assay.data.panel import PricePanel
from assay.models.lstm.outcome import Judgement, Outcome
from assay.models.lstm.recipe import NeuralForecaster
from assay.models.lstm.scaling import Scaler, fit_scaler
from assay.models.metrics import rank_metrics

if TYPE_CHECKING:
    from torch import Tensor, nn

    from assay.models.lstm.batches import Batch

__all__ = ["TorchForecaster"]


@dataclass(frozen=True, kw_only=True)
class TorchForecaster(NeuralForecaster):
    """A forecaster around a module that maps windows (B, lookback, F) to one number each, (B,) or (B, 1).

    A subclass is a frozen dataclass with a ``name`` and `module`; `criterion` may be overridden. The number is an
    expected forward return: labels are divided by their spread on the training rows, and answers multiplied by it.

    Parameters
    ----------
    feature_set, lookback, epochs … : as in `assay.models.lstm.recipe.NeuralForecaster`.
    label : what it is trained towards: forward_return, or the path of one's own, see `assay.data.labels.load_label`.

    Examples
    --------
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Linear(TorchForecaster):
    ...     name: ClassVar[str] = "linear"
    ...     def module(self, n_features):
    ...         from torch import nn
    ...         return nn.Sequential(nn.Flatten(), nn.Linear(self.lookback * n_features, 1))
    >>> Linear(lookback=10).epochs
    50

    """

    feature_set: str = "core_close"
    lookback: int = 20
    batch_size: int = 256
    label: str = FORWARD_RETURN

    OUTPUT: ClassVar[str] = "score (expected forward return)"
    sequence_allowed: ClassVar[bool] = False

    @abstractmethod
    def module(self, n_features: int) -> nn.Module:
        """A fresh module; weights drawn here come from the fit's seed."""

    def criterion(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Loss of each row, (B,), from answers and labels in units of the labels' spread; here Huber's with δ 1."""
        from torch.nn import functional

        return functional.huber_loss(predictions, targets, reduction="none")

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.bodies import WindowNetwork

        return WindowNetwork(self.module(n_features))

    def targets(
        self, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None
    ) -> np.ndarray:
        if self.label == FORWARD_RETURN:
            return self.returns(prices, horizon, delay, labels)[..., None]
        return label_values(self.label, prices, horizon=horizon, delay=delay, labels=labels)[..., None]

    def label_scaler(self, targets: np.ndarray) -> Scaler:
        spread = fit_scaler(targets, "standard", per_asset=self.scales_per_asset)
        return Scaler(np.zeros_like(spread.centre), spread.scale)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        weights = batch.weights * batch.mask
        rows = self.criterion(outputs[..., 0].reshape(-1), batch.targets[..., 0].reshape(-1))
        return (rows * weights.reshape(-1)).sum() / weights.sum().clamp(min=1e-12)

    def judge(self, outcome: Outcome, scaler: Scaler) -> Judgement:
        score = outcome.validation(scaler.restore(outcome.outputs[..., 0]))
        returns = outcome.validation(outcome.targets[..., 0])
        metrics = rank_metrics(score, returns, horizon=outcome.horizon)
        warnings = () if metrics["sessions"] else ("no validation session had names enough to rank",)
        return Judgement(metrics, {}, warnings)

    def panel(self, outputs: np.ndarray, prices: PricePanel, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        label = load_label(self.label)
        score = Scaler(arrays["label/centre"], arrays["label/scale"]).restore(outputs[..., 0])
        return {"score": score, "unit": label.unit, "zero_is_neutral": label.zero_is_neutral}
