"""`b3_multitask`: buy, sell or hold, and the return, from one LSTM; after b3_model_card.md, b3_training_report.md.

The report's R² of 0.998 is of a price level, most of which is yesterday's price. Here the second head learns returns,
standardised on training rows, and the level that a forecast implies is shown beside the one that persistence gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.labels import action_labels, next_price
from assay.data.panel import ACTIONS, PricePanel
from assay.models.lstm.outcome import Judgement, Outcome
from assay.models.lstm.recipe import NeuralForecaster
from assay.models.lstm.scaling import Scaler, fit_scaler
from assay.models.metrics import action_metrics, level_metrics, one_class, rank_metrics, return_metrics

if TYPE_CHECKING:
    from torch import Tensor, nn

    from assay.models.lstm.batches import Batch

__all__ = ["MultiTaskLSTM"]


@dataclass(frozen=True, kw_only=True)
class MultiTaskLSTM(NeuralForecaster):
    """The multi-task model.

    Parameters
    ----------
    hidden : of the LSTM.
    dropout : after the LSTM.
    gamma : focus of the focal loss.
    action_weight, return_weight : of the two losses.
    threshold : of the action labels: a forward return beyond it is a buy or a sell.
    threshold_unit : ``"volatility"``, in trailing standard deviations, or ``"return"``, decimal.
    target : what the second head learns: ``"return"``, standardised on training rows, or ``"price"``, the level, as in
        the report.
    balanced : whether rare actions count as much as common ones: windowed, they are drawn more often; in sequence
        form, where rows cannot be drawn singly, their loss is weighted, which is the same in expectation.
    class_weights : whether the focal loss weights a row by n / (classes · n of its class) as well.
    error_costs : what it costs to say one action where another follows, a row of buy, sell, hold for each that follows
        buy, sell, hold (9 numbers); the expected cost joins the focal loss. None = errors cost the same.
    depth : LSTM layers.
    bidirectional : whether a second LSTM reads each window backwards.
    attention : whether the heads read a mean of the window's states, weighted by how they match the last one, beside
        the last one.

    See `assay.models.lstm.recipe.NeuralForecaster` for the others.
    """

    lookback: int = 32
    patience: int = 20
    min_delta: float = 1e-3
    relative_min_delta: bool = True
    weight_decay: float = 1e-4
    batch_size: int = 128
    chunk: int = 32
    hidden: int = 64
    dropout: float = 0.4
    gamma: float = 3.0
    action_weight: float = 20.0
    return_weight: float = 50.0
    threshold: float = 0.5
    threshold_unit: Literal["volatility", "return"] = "volatility"
    target: Literal["return", "price"] = "return"
    balanced: bool = True
    class_weights: bool = False
    error_costs: tuple[float, ...] | None = None
    depth: int = 1
    bidirectional: bool = False
    attention: bool = False

    name: ClassVar[str] = "b3_multitask"
    outputs: ClassVar[int] = 4
    report_horizon: ClassVar[int] = 2
    OUTPUT: ClassVar[str] = "action probabilities (buy, sell, hold) and score (expected forward return)"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "default": {},
        "report": {
            "feature_set": "indicators27", "target": "price", "min_delta": 100.0, "relative_min_delta": False,
            "windowed": True, "validation": 0.25, "minimum_records": 1000, "recent": 504,
        },
        "regime": {"feature_set": "indicators_phase2", "windowed": True, "class_weights": True},
        "bidirectional": {"bidirectional": True, "windowed": True},
        "attention": {"attention": True, "windowed": True},
        "deeper": {"depth": 2},
        "small": {
            "lookback": 16, "hidden": 24, "dropout": 0.0, "epochs": 15, "patience": 5, "chunk": 16,
            "batch_size": 2048, "learning_rate": 3e-3,
        },
        "tiny": {"lookback": 8, "hidden": 6, "epochs": 2, "chunk": 8, "batch_size": 512},
    }  # fmt: skip
    TRAPS: ClassVar[tuple[str, ...]] = (
        (
            "an R² of 0.998 is of a price level and explained by yesterday's price: the return head learns and is "
            "judged on returns, and the implied level stands beside persistence"
        ),
        (
            "a min delta of 100 belongs to a loss of price levels squared: on standardised returns nothing ever "
            "improves by 100 and the first epoch would be kept; the default is a share of the loss, the report preset "
            "keeps 100"
        ),
        (
            "with balanced sampling the probabilities lean towards a third each; they order, they are not frequencies. "
            "The baseline of the actions is the majority class, not 33.3%"
        ),
        "the card names no feature list: the default reads core14, the report preset indicators27",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target not in ("return", "price"):
            raise InputError(f"{self.name}: target must be 'return' or 'price', got {self.target!r}")
        if self.depth < 1:
            raise InputError(f"{self.name}: depth must be at least 1, got {self.depth!r}")
        costs = self.error_costs
        if costs is not None and (len(costs) != len(ACTIONS) ** 2 or not all(0 <= cost < np.inf for cost in costs)):
            raise InputError(f"{self.name}: error_costs takes 9 numbers of at least 0, got {self.error_costs!r}")
        if (self.bidirectional or self.attention) and not self.windowed:
            object.__setattr__(self, "windowed", True)  # they look over the whole window, so they answer for its end
        for name in ("gamma", "action_weight", "return_weight", "threshold"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{self.name}: {name} must not be negative, got {getattr(self, name)!r}")

    def targets(self, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None) -> np.ndarray:
        actions = action_labels(
            prices,
            horizon=horizon,
            delay=delay,
            fill=self.fill,
            threshold=self.threshold,
            unit=self.threshold_unit,
            labels=labels,
        )  # fmt: skip.to_numpy()
        if self.target == "price":
            values = next_price(prices, horizon=horizon, delay=delay, fill=self.fill, labels=labels).to_numpy()
        else:
            values = self.returns(prices, horizon, delay, labels)
        return np.stack([actions, values], axis=-1)

    def label_scaler(self, targets: np.ndarray) -> Scaler:
        """Actions as they are; returns standardised; levels as they are, as the report has them."""
        plain = fit_scaler(targets, "none", per_asset=self.scales_per_asset)
        if self.target == "price":
            return plain
        spread = fit_scaler(targets, "standard", per_asset=self.scales_per_asset)
        keep = np.array([True, False])
        return Scaler(np.where(keep, plain.centre, spread.centre), np.where(keep, plain.scale, spread.scale))

    @property
    def oversample(self) -> bool:
        """Whether windowed batches draw rare actions more often."""
        return self.balanced

    @property
    def weighted(self) -> bool:
        """Whether rare actions weigh more in the whole loss: class weights alone are the focal loss's own."""
        return self.balanced

    def row_weights(self, targets: np.ndarray, rows: slice) -> np.ndarray:
        """n / (classes present · n of the class), counted over training rows; 1 on average there."""
        actions = targets[..., 0]
        weights = np.ones(actions.shape)
        if self.balanced or self.class_weights:
            counts = np.array([(actions[rows] == k).sum() for k in range(len(ACTIONS))])
            for k in np.flatnonzero(counts):
                weights[actions == k] = counts.sum() / ((counts > 0).sum() * counts[k])
        return weights

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.networks import MultiTaskNetwork

        return MultiTaskNetwork(
            n_features, self.hidden, self.dropout,
            depth=self.depth, bidirectional=self.bidirectional, attention=self.attention,
        )  # fmt: skip

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        parts = self.parts(outputs, batch)
        return parts["action"] + parts["return"]

    def parts(self, outputs: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """The focal loss, with what errors cost, and the squared error, each with its weight."""
        from assay.models.lstm.losses import expected_cost, focal_loss

        answers, truth, weights = outputs[batch.mask], batch.targets[batch.mask], batch.weights[batch.mask]
        classes, own = truth[:, 0].long(), batch.rarity[batch.mask] if self.class_weights else weights
        action = focal_loss(answers[:, :3], classes, self.gamma, own)
        if self.error_costs:
            action = action + expected_cost(answers[:, :3], classes, self.error_costs, own)
        squares = (answers[:, 3] - truth[:, 1]) ** 2
        return {
            "action": self.action_weight * action,
            "return": self.return_weight * (squares * weights).sum() / weights.sum(),
        }

    def judge(self, outcome: Outcome, scaler: Scaler) -> Judgement:
        close = outcome.prices.close.to_numpy()
        value = scaler.restore(outcome.outputs[..., 3], 1)
        expected = value / close - 1.0 if self.target == "price" else value
        implied = value if self.target == "price" else close * (1.0 + value)
        said = np.where(np.isfinite(value), outcome.outputs[..., :3].argmax(axis=-1), np.nan)
        level = next_price(
            outcome.prices, horizon=outcome.horizon, delay=outcome.delay, fill=self.fill, labels=outcome.labels
        ).to_numpy()
        returns = self.returns(outcome.prices, outcome.horizon, outcome.delay, outcome.labels)
        known = np.isfinite(value)
        cut = outcome.validation
        actions, action = cut(outcome.targets[..., 0]), cut(said)
        majority = _majority(actions[cut(known)])
        metrics = {
            "action": action_metrics(action, actions),
            "return": return_metrics(cut(expected), cut(returns)),
            "level": level_metrics(cut(implied), cut(level)),
            "rank": rank_metrics(cut(expected), cut(returns), horizon=outcome.horizon),
        }
        baselines = {
            "majority_class": action_metrics(np.where(cut(known), majority, np.nan), actions),
            "zero_return": return_metrics(np.where(cut(known), 0.0, np.nan), cut(returns)),
            "persistence_level": level_metrics(np.where(cut(known), cut(close), np.nan), cut(level)),
        }
        taken = action[np.isfinite(action)].astype(int)
        warnings = (f"predicts one class: always {ACTIONS[taken[0]]}",) if one_class(taken) else ()
        return Judgement(metrics, baselines, warnings)

    def panel(self, outputs: np.ndarray, prices: PricePanel, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        value = Scaler(arrays["label/centre"], arrays["label/scale"]).restore(outputs[..., 3], 1)
        odds = np.exp(outputs[..., :3] - outputs[..., :3].max(axis=-1, keepdims=True))
        odds /= odds.sum(axis=-1, keepdims=True)
        score = value / prices.close.to_numpy() - 1.0 if self.target == "price" else value
        return {"score": score, "action": {name: odds[..., k] for k, name in enumerate(ACTIONS)}}


def _majority(actions: np.ndarray) -> float:
    known = actions[np.isfinite(actions)].astype(int)
    return float(np.bincount(known, minlength=len(ACTIONS)).argmax()) if len(known) else np.nan
