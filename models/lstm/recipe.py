"""What the four LSTM families share: the parameters of a recipe, and where each family differs.

This module imports no torch, so recipes can be made, listed and compared without it; `fit` brings it in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.features import feature_set
from assay.data.panel import PricePanel
from assay.data.plugins import require_types
from assay.data.returns import forward_returns
from assay.models.lstm.outcome import Judgement, Outcome
from assay.models.lstm.scaling import Scaler, fit_scaler

if TYPE_CHECKING:
    from torch import Tensor, nn

    from assay.models.base import FittedForecaster
    from assay.models.lstm.batches import Batch
    from assay.models.lstm.fitting import FittedLSTM

__all__ = ["NeuralForecaster"]


@dataclass(frozen=True, kw_only=True)
class NeuralForecaster(ABC):
    """An unfitted LSTM recipe.

    Parameters
    ----------
    feature_set : a key of `assay.data.features.FEATURE_SETS`.
    lookback : sessions a scored row reads, ending at it. In sequence form the later rows of a chunk read more, up to
        lookback + chunk - 1.
    epochs : at most so many.
    patience : epochs without improvement after which training stops.
    min_delta : what counts as improvement of the validation loss.
    relative_min_delta : whether `min_delta` is a share of the best loss so far.
    learning_rate, weight_decay : of Adam.
    clip : largest gradient norm; 0 for none.
    batch_size : rows in a batch, about.
    validation : share of the labelled rows, the last ones, that early stopping reads.
    windowed : train and score each row on its own window of `lookback` sessions, instead of in chunks.
    chunk : rows that one pass answers for in sequence form.
    per_asset : a network for each asset instead of one for all.
    fill : which price labels run between; None takes the open where the panel has one, else the close.
    device : ``"cpu"`` or ``"cuda"``.
    bf16 : whether to compute in bfloat16 where that is safe (mixed precision: weights and losses stay in float32).
    compiled : whether the network goes through `torch.compile`, which needs a C++ compiler, and Triton on a GPU. It
        pays on a GPU and over many epochs.
    minimum_records : closes that an asset must have behind it to be trained on or scored; 0 asks for none.
    recent : train on the last so many sessions of what is handed in; 0 takes all of them.
    refit : after early stopping, train once more from the start on all labelled rows, validation and the purge before
        it included, for as many epochs as were best and at their learning rates. Scalers, calibration and validation
        figures stay those of the first fit.
    keep_optimiser : whether a stored model holds Adam's moments of the epoch whose weights were kept.
    warm_start : whether a walk-forward starts each fold at the weights of the fold before; its receipts say so.
    retrain_when : a walk-forward keeps the model of the fold before until its loss on the labelled rows since then
        exceeds its validation loss by more than this share (0.5 = by half); its receipts say so. None retrains in every
        fold.

    Raises
    ------
    InputError
        On values that cannot be.

    """

    feature_set: str = "core14"
    lookback: int = 60
    epochs: int = 50
    patience: int = 15
    min_delta: float = 1e-4
    relative_min_delta: bool = False
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip: float = 1.0
    batch_size: int = 32
    validation: float = 0.2
    windowed: bool = False
    chunk: int = 64
    per_asset: bool = False
    fill: Literal["open", "close"] | None = None
    device: str = "cpu"
    bf16: bool = False
    compiled: bool = False
    minimum_records: int = 0
    recent: int = 0
    refit: bool = False
    keep_optimiser: bool = False
    warm_start: bool = False
    retrain_when: float | None = None

    name: ClassVar[str]
    #: horizon in the report, in sessions
    report_horizon: ClassVar[int] = 1
    #: parameters that a named preset sets; "default" sets none
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {}
    #: traps of the report that this recipe handles, one sentence each
    TRAPS: ClassVar[tuple[str, ...]] = ()
    #: what it answers with
    OUTPUT: ClassVar[str] = ""
    #: answers of the network for a row
    outputs: ClassVar[int] = 1
    #: whether `epoch_metrics` has something to say
    watches: ClassVar[bool] = False
    #: whether the network may answer for several steps at once
    sequence_allowed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_types(self.name, self)
        feature_set(self.feature_set)
        least = {"lookback": 1, "epochs": 1, "patience": 1, "batch_size": 1, "chunk": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InputError(f"{self.name}: {name} must be at least {low}, got {getattr(self, name)!r}")
        for name in ("min_delta", "weight_decay", "clip", "minimum_records", "recent"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{self.name}: {name} must not be negative, got {getattr(self, name)!r}")
        if self.retrain_when is not None and not 0 <= self.retrain_when < np.inf:
            raise InputError(f"{self.name}: retrain_when must not be negative, got {self.retrain_when!r}")
        if not 0 < self.learning_rate < np.inf:
            raise InputError(f"{self.name}: learning_rate must be positive, got {self.learning_rate!r}")
        for name in ("dropout", "dense_dropout"):
            if not 0 <= getattr(self, name, 0.0) < 1:
                raise InputError(f"{self.name}: {name} must lie in [0, 1), got {getattr(self, name)!r}")
        if not 0 < self.validation < 1:
            raise InputError(f"{self.name}: validation must lie in (0, 1), got {self.validation!r}")
        if self.fill not in (None, "open", "close"):
            raise InputError(f"{self.name}: fill must be 'open' or 'close', got {self.fill!r}")
        if not self.windowed and not self.sequence_allowed:
            object.__setattr__(self, "windowed", True)

    @property
    def needs(self) -> tuple[str, ...]:
        """Price fields read, beside close."""
        wanted = feature_set(self.feature_set).needs
        return (*wanted, "open") if self.fill == "open" and "open" not in wanted else wanted

    @property
    def steps(self) -> int:
        """Rows that one pass answers for: 1 when windowed."""
        return 1 if self.windowed else self.chunk

    @property
    def scales_per_asset(self) -> bool:
        """Whether each asset has its own scalers; one that was never trained on then has no view."""
        return self.per_asset

    @property
    def whole_dates(self) -> bool:
        """Whether the loss ranks within dates, so that a batch must be whole dates."""
        return False

    @property
    def params(self) -> dict[str, object]:
        """The parameters, JSON-able."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def fit(
        self,
        train: PricePanel,
        *,
        horizon: int,
        delay: int,
        seed: int,
        labels: CanaryLabels | None = None,
        before: FittedForecaster | None = None,
    ) -> FittedLSTM:
        """Train on `train` alone; see `assay.models.base.Forecaster.fit`.

        `before` is an earlier fit of the same network: with `warm_start` its weights are started from, with
        `retrain_when` it is answered with as it is while it is good enough.

        Raises
        ------
        InputError
            If the earlier fit has other weights, a field is missing, the history too short or no asset has enough rows.
        TrainingError
            If the loss is lost.

        """
        from assay.models.lstm.fitting import fit_recipe

        return fit_recipe(self, train, horizon=horizon, delay=delay, seed=seed, labels=labels, before=before)

    def load(self, folder: Path) -> FittedLSTM:
        """Read back a fitted model of this very recipe.

        Raises
        ------
        InputError
            If the checkpoint is of another model, feature set or parameters.
        TrainingError
            If it is damaged.

        """
        from assay.models.lstm.fitting import load_fitted

        return load_fitted(self, Path(folder))

    def returns(self, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None) -> np.ndarray:
        """Forward returns, (T, N), or the canary's labels in their place."""
        ahead = forward_returns(prices, horizon=horizon, delay=delay, fill=self.fill, labels=labels)
        return ahead.to_numpy(copy=True)

    def input_scaler(self, values: np.ndarray) -> Scaler:
        """Fit on (T, N, F) training rows; here standardised and clipped at 10 standard deviations."""
        return fit_scaler(values, "standard", per_asset=self.scales_per_asset, clip=10.0)

    def label_scaler(self, targets: np.ndarray) -> Scaler:
        """Fit on (T, N, C) labels of training rows; here labels stay as they are."""
        return fit_scaler(targets, "none", per_asset=self.scales_per_asset)

    def row_weights(self, targets: np.ndarray, rows: slice) -> np.ndarray:
        """Importance of each row, (T, N); computed from the labels of the training rows."""
        return np.ones(targets.shape[:2])

    @property
    def oversample(self) -> bool:
        """Whether windowed batches are drawn in proportion to `row_weights`."""
        return False

    @property
    def weighted(self) -> bool:
        """Whether rows that are not drawn by `row_weights` count by it in the whole loss."""
        return True

    @abstractmethod
    def targets(self, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None) -> np.ndarray:
        """Labels, (T, N, C), stamped t, NaN where unknown."""

    @abstractmethod
    def network(self, n_features: int) -> nn.Module:
        """A fresh network."""

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean loss over the rows of a batch that count."""

    def parts(self, outputs: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """The loss by its terms, each with its weight, so that they add up to it; the log shows them by epoch."""
        return {"data": self.loss(outputs, batch)}

    def epoch_metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Figures of the validation rows after an epoch, for the log; none here.

        Parameters
        ----------
        outputs : (V, N, O) answers for the validation rows, NaN where there is none.
        targets : (V, N, C) labels as the network learns them, NaN where unknown.

        """
        return {}

    def penalty(self, network: nn.Module) -> Tensor | None:
        """What is added to every loss; None = nothing."""
        return None

    @abstractmethod
    def judge(self, outcome: Outcome, scaler: Scaler) -> Judgement:
        """Validation metrics, with the trivial forecasts' beside them."""

    @abstractmethod
    def panel(self, outputs: np.ndarray, prices: PricePanel, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        """Fields of the `PredictionPanel`, as (T, N) arrays, from (T, N, O) outputs.

        `arrays` holds ``label/centre`` and ``label/scale``, one row an asset or one for all, and what `judge` stored.
        """
