"""`nse_price`: the next price of each asset from its own last 60, after nse_phase2_report.md.

Two LSTMs of 50 with batch normalisation and dropout, over the close alone, each asset with its own scaler and its own
network. What it learns is mostly a smoothed, lagged price, so the return it implies points back to where the price
came from: that looks like skill where returns reverse and like its opposite where they trend, and so does a mean of
the last five closes, which needs no training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.indicators import rolling_mean
from assay.data.labels import next_price
from assay.data.panel import PricePanel
from assay.models.lstm.outcome import Judgement, Outcome
from assay.models.lstm.recipe import NeuralForecaster
from assay.models.lstm.scaling import Scaler, fit_scaler
from assay.models.metrics import level_metrics, rank_metrics

if TYPE_CHECKING:
    from torch import Tensor, nn

    from assay.models.lstm.batches import Batch

__all__ = ["PriceLSTM"]


@dataclass(frozen=True, kw_only=True)
class PriceLSTM(NeuralForecaster):
    """The price model.

    Parameters
    ----------
    units : of each of the two LSTMs.
    dense : of the dense layer.
    dropout : after each LSTM.
    dense_dropout : after the dense layer.
    l2 : penalty on the squares of the LSTMs' input kernels.
    huber_delta : where Huber's loss turns linear, in units of the asset's training range.
    use_batch_norm : whether each LSTM is followed by batch normalisation.
    stacked : whether the networks of all assets are trained in the same passes, on all cores, which takes less time
        (`benchmarks/stacked.py`) and gives the same losses to rounding; takes `per_asset` on a CPU, without `refit`,
        `warm_start`, `keep_optimiser`, `bf16` and `compiled`.

    See `assay.models.lstm.recipe.NeuralForecaster` for the others.
    """

    feature_set: str = "price"
    lookback: int = 60
    epochs: int = 100
    patience: int = 10
    min_delta: float = 0.0
    clip: float = 0.0
    batch_size: int = 32
    validation: float = 0.15
    chunk: int = 16
    per_asset: bool = True
    units: int = 50
    dense: int = 25
    dropout: float = 0.3
    dense_dropout: float = 0.2
    l2: float = 0.01
    huber_delta: float = 1.0
    use_batch_norm: bool = True
    stacked: bool = False

    name: ClassVar[str] = "nse_price"
    OUTPUT: ClassVar[str] = "score (next price over the last close, less one)"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "default": {},
        "report": {"windowed": True},
        "original": {"windowed": True, "use_batch_norm": False, "l2": 0.0, "dropout": 0.2},
        "small": {
            "per_asset": False, "lookback": 20, "units": 16, "dense": 8, "dropout": 0.0, "dense_dropout": 0.0,
            "l2": 1e-5, "epochs": 12, "patience": 4, "batch_size": 1024, "learning_rate": 3e-3,
        },
        "tiny": {
            "per_asset": False, "lookback": 8, "units": 5, "dense": 3, "epochs": 2, "chunk": 8, "batch_size": 512,
        },
    }  # fmt: skip
    TRAPS: ClassVar[tuple[str, ...]] = (
        (
            "the forecast is mostly a lagged price: its implied return looks like skill where returns reverse and like "
            "the opposite where they trend, just as an untrained 5-day mean does, which stands beside it"
        ),
        "R², MAE and MAPE are of a price level; persistence stands beside them",
        "each asset's scaler is fit on training rows alone; the report fit it on everything",
        (
            "most of the report's validation loss of 0.49 can be the L2 penalty, which Keras adds to every loss; so "
            "does this, where it starts at about 0.8"
        ),
        (
            "the report counts 11,326 parameters for the original model; two LSTMs of 50 on one input alone have "
            "30,600, so the preset has the layers that are described and not that count"
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("units", "dense"):
            if getattr(self, name) < 1:
                raise InputError(f"{self.name}: {name} must be at least 1, got {getattr(self, name)!r}")
        alone = self.refit or self.warm_start or self.keep_optimiser or self.bf16 or self.compiled
        alone = alone or self.device != "cpu"
        if self.stacked and (alone or not self.per_asset):
            raise InputError(
                f"{self.name}: stacked trains the networks of per_asset together on a CPU; it goes with neither refit, "
                "warm_start, keep_optimiser, bf16 nor compiled"
            )
        if self.l2 < 0 or not self.huber_delta > 0:
            raise InputError(f"{self.name}: l2 must not be negative and huber_delta must be positive")

    @property
    def scales_per_asset(self) -> bool:
        """Always: prices of different level need scalers of their own, also where one network serves all."""
        return True

    def targets(self, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None) -> np.ndarray:
        return next_price(prices, horizon=horizon, delay=delay, fill=self.fill, labels=labels).to_numpy()[..., None]

    def input_scaler(self, values: np.ndarray) -> Scaler:
        """Range of the asset's training rows to [0, 1]; later prices may lie outside."""
        return fit_scaler(values, "minmax", per_asset=True)

    def label_scaler(self, targets: np.ndarray) -> Scaler:
        """Range of the asset's training labels to [0, 1]."""
        return fit_scaler(targets, "minmax", per_asset=True)

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.networks import PriceNetwork

        return PriceNetwork(
            n_features, self.units, self.dense, self.dropout, self.dense_dropout, normed=self.use_batch_norm
        )

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        from torch.nn import functional

        return functional.huber_loss(outputs[batch.mask], batch.targets[batch.mask], delta=self.huber_delta)

    def penalty(self, network: nn.Module) -> Tensor | None:
        from assay.models.lstm.losses import kernel_penalty

        return self.l2 * kernel_penalty(network) if self.l2 else None

    def judge(self, outcome: Outcome, scaler: Scaler) -> Judgement:
        close = outcome.prices.close.to_numpy()
        predicted = scaler.restore(outcome.outputs[..., 0])
        mean = np.where(np.isfinite(predicted), rolling_mean(close, 5), np.nan)
        last = np.where(np.isfinite(predicted), close, np.nan)
        returns = outcome.validation(self.returns(outcome.prices, outcome.horizon, outcome.delay, outcome.labels))
        level = outcome.validation(outcome.targets[..., 0])

        def judged(forecast: np.ndarray) -> dict[str, object]:
            implied = outcome.validation(forecast / close - 1.0)
            return {
                **level_metrics(outcome.validation(forecast), level),
                "rank": rank_metrics(implied, returns, horizon=outcome.horizon),
            }

        persistence = level_metrics(outcome.validation(last), level)
        return Judgement(judged(predicted), {"five_day_mean": judged(mean), "persistence": persistence})

    def panel(self, outputs: np.ndarray, prices: PricePanel, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        predicted = Scaler(arrays["label/centre"], arrays["label/scale"]).restore(outputs[..., 0])
        return {"score": predicted / prices.close.to_numpy() - 1.0}
