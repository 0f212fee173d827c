"""`stock_lstm`: scores that order stocks within a day, after stock_lstm_model_details.md.

A two-layer LSTM over 90 sessions of 14 features, pooled over assets, trained on the correlation of ranks within each
date and, for a third, on the return itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.indicators import change
from assay.data.panel import PricePanel
from assay.data.returns import forward_returns
from assay.models.lstm.outcome import Judgement, Outcome
from assay.models.lstm.recipe import NeuralForecaster
from assay.models.lstm.scaling import Scaler, fit_scaler
from assay.models.metrics import rank_metrics

if TYPE_CHECKING:
    from torch import Tensor, nn

    from assay.models.lstm.batches import Batch

__all__ = ["StockLSTM", "StockLSTMClose"]


@dataclass(frozen=True, kw_only=True)
class StockLSTM(NeuralForecaster):
    """The ranking model.

    Parameters
    ----------
    hidden : of each LSTM layer.
    layers : of the LSTM.
    dropout : between the layers.
    rank_loss : ``"robust"``: predictions standardised within the date and soft-ranked, targets hard-ranked;
        ``"report"``: raw values soft-ranked on both sides, which at τ 0.05 is nearly a Pearson correlation.
    temperature : τ of the soft ranks; in returns for ``"report"``, in standard deviations of the day's predictions
        for ``"robust"``.
    rank_weight : share of the rank part; the rest is Huber's loss.
    huber_delta : where Huber's loss turns linear, as a return.
    rank_within : ``"date"``: assets are ranked against those of the same session, and a batch is whole sessions;
        ``"batch"``: rows of a batch against each other, whatever their sessions, as the report's listing has it.
    label_from : where the return that is learnt starts: ``"fill"``, at the price that a decision of t gets, or
        ``"close"``, at the close of t itself, as in the report. What is judged starts at the fill.

    See `assay.models.lstm.recipe.NeuralForecaster` for the others.
    """

    lookback: int = 90
    weight_decay: float = 1e-5
    batch_size: int = 32
    hidden: int = 128
    layers: int = 2
    dropout: float = 0.2
    rank_loss: Literal["robust", "report"] = "robust"
    temperature: float = 0.25
    rank_weight: float = 0.7
    huber_delta: float = 0.05
    rank_within: Literal["date", "batch"] = "date"
    label_from: Literal["fill", "close"] = "fill"

    name: ClassVar[str] = "stock_lstm"
    watches: ClassVar[bool] = True
    OUTPUT: ClassVar[str] = "score (expected forward return)"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "default": {},
        "report": {
            "rank_loss": "report", "temperature": 0.05, "windowed": True, "rank_within": "batch", "label_from": "close",
        },
        "small": {
            "lookback": 20, "hidden": 24, "layers": 1, "dropout": 0.0, "epochs": 20, "patience": 6, "chunk": 20,
            "learning_rate": 3e-3,
        },
        "tiny": {"lookback": 10, "hidden": 8, "layers": 1, "epochs": 2, "chunk": 10},
    }  # fmt: skip
    TRAPS: ClassVar[tuple[str, ...]] = (
        (
            "the rank loss is within a date: batches are whole dates, where the report's 32 mixed rows rank stocks "
            "against those of other days; the report preset has them"
        ),
        (
            "the report learns the return from the close that it has just read, which nobody can buy at; the default "
            "learns the one from the fill, and the report preset is judged by that too"
        ),
        (
            "at τ 0.05 soft ranks of raw daily returns are almost linear in them, so the report's rank loss is nearly "
            "a Pearson correlation; the default standardises predictions and hard-ranks targets"
        ),
        "the report counts about 250,000 parameters; its own architecture has 205,953",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank_loss not in ("robust", "report"):
            raise InputError(f"{self.name}: rank_loss must be 'robust' or 'report', got {self.rank_loss!r}")
        if not self.temperature > 0 or not self.huber_delta > 0:
            raise InputError(f"{self.name}: temperature and huber_delta must be positive")
        if not 0 <= self.rank_weight <= 1:
            raise InputError(f"{self.name}: rank_weight must lie in [0, 1], got {self.rank_weight!r}")
        if self.rank_within not in ("date", "batch"):
            raise InputError(f"{self.name}: rank_within must be 'date' or 'batch', got {self.rank_within!r}")
        if self.label_from not in ("fill", "close"):
            raise InputError(f"{self.name}: label_from must be 'fill' or 'close', got {self.label_from!r}")
        if self.per_asset:
            raise InputError(f"{self.name}: ranks assets against each other, so it cannot be fit per asset")

    def targets(self, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None) -> np.ndarray:
        if self.label_from == "fill":
            return self.returns(prices, horizon, delay, labels)[..., None]
        ahead = forward_returns(prices, horizon=horizon, delay=0, fill="close").to_numpy(copy=True)
        ahead[max(0, len(ahead) - delay - horizon) :] = np.nan  # rows that are judged later have no label yet
        if labels is not None:
            ahead = labels.instead_of(ahead, prices, horizon=horizon, known_after=delay + horizon)
        return ahead[..., None]

    @property
    def whole_dates(self) -> bool:
        """A batch holds all assets of its sessions, unless rows are ranked whatever their session."""
        return self.rank_within == "date"

    def label_scaler(self, targets: np.ndarray) -> Scaler:
        """Returns as they are for the report's loss; over their training spread, not centred, for the robust one."""
        if self.rank_loss == "report":
            return fit_scaler(targets, "none")
        spread = fit_scaler(targets, "standard")
        return Scaler(np.zeros_like(spread.centre), spread.scale)

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.networks import RankingNetwork

        return RankingNetwork(n_features, self.hidden, self.layers, self.dropout)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        parts = self.parts(outputs, batch)
        return parts["rank"] + parts["regression"]

    def parts(self, outputs: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """The rank part and Huber's, each with its weight."""
        from assay.models.lstm import losses

        # The robust loss works in units of the labels' training spread, about 0.02 a day; δ follows it in 2.5 spreads.
        form, delta = (
            (losses.report_rank_parts, self.huber_delta)
            if self.rank_loss == "report"
            else (losses.rank_parts, _DELTA_IN_SPREADS * self.huber_delta)
        )

        def rows(values: Tensor) -> Tensor:
            return batch.by_date(values) if self.rank_within == "date" else values.reshape(1, -1)

        rank, regression = form(
            rows(outputs[..., 0]),
            rows(batch.targets[..., 0]),
            rows(batch.mask),
            temperature=self.temperature,
            delta=delta,
            rank_weight=self.rank_weight,
        )
        return {"rank": rank, "regression": regression}

    def epoch_metrics(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Mean daily IC and rank IC of the validation rows."""
        found = rank_metrics(outputs[..., 0], targets[..., 0])
        return {"validation_rank_ic": found["rank_ic"], "validation_ic": found["ic"]}

    def judge(self, outcome: Outcome, scaler: Scaler) -> Judgement:
        score = outcome.validation(scaler.restore(outcome.outputs[..., 0]))
        returns = outcome.validation(outcome.targets[..., 0])
        close = outcome.prices.close.to_numpy()
        trivial = {"momentum_20": change(close, 20), "reversal_1": -change(close, 1)}
        metrics: dict[str, object] = {**rank_metrics(score, returns, horizon=outcome.horizon)}
        if self.label_from == "close":
            fills = outcome.validation(self.returns(outcome.prices, outcome.horizon, outcome.delay, outcome.labels))
            metrics["from_fill"] = rank_metrics(score, fills, horizon=outcome.horizon)
        return Judgement(
            metrics,
            {
                name: rank_metrics(
                    np.where(np.isfinite(score), outcome.validation(values), np.nan), returns, horizon=outcome.horizon
                )
                for name, values in trivial.items()
            },
            () if metrics["sessions"] else ("no validation session had names enough to rank",),
        )

    def panel(self, outputs: np.ndarray, prices: PricePanel, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        return {"score": Scaler(arrays["label/centre"], arrays["label/scale"]).restore(outputs[..., 0])}


#: The report's δ of 0.05 is two and a half standard deviations of a daily return of 0.02.
_DELTA_IN_SPREADS = 50.0


@dataclass(frozen=True, kw_only=True)
class StockLSTMClose(StockLSTM):
    """The ranking model on features that need closes alone, for panels without the other fields."""

    feature_set: str = "core_close"

    name: ClassVar[str] = "stock_lstm_close"
    TRAPS: ClassVar[tuple[str, ...]] = (
        *StockLSTM.TRAPS[:3],
        (
            "ten of the fourteen features: what needs volume or the range is left out, so the parameter count is its "
            "own (203,905)"
        ),
    )
