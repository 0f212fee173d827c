"""The ranking model with another body, because a reader asks what the LSTM is worth.

Features, loss, training and validation are those of `stock_lstm_close`; the network alone differs. What each finds on
planted and on real markets is in `studies/model_zoo.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from assay.data.errors import InputError
from assay.models.lstm.scaling import Scaler, fit_scaler
from assay.models.stock_lstm import StockLSTMClose

if TYPE_CHECKING:
    from torch import Tensor, nn

    from assay.data.panel import PricePanel
    from assay.models.lstm.batches import Batch

__all__ = [
    "RankingConvolution",
    "RankingGraph",
    "RankingGru",
    "RankingLinear",
    "RankingReinforced",
    "RankingTransformer",
]

_SMALL = {"lookback": 20, "hidden": 24, "layers": 1, "dropout": 0.0, "epochs": 20, "patience": 6, "chunk": 20,
          "learning_rate": 3e-3}  # fmt: skip
_TINY = {"lookback": 10, "hidden": 8, "layers": 1, "epochs": 2, "chunk": 10}


@dataclass(frozen=True, kw_only=True)
class RankingGru(StockLSTMClose):
    """Stacked GRU in place of the LSTM; parameters as in `assay.models.stock_lstm.StockLSTM`."""

    name: ClassVar[str] = "gru"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {"default": {}, "small": _SMALL, "tiny": _TINY}
    TRAPS: ClassVar[tuple[str, ...]] = ()

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.bodies import GruNetwork

        return GruNetwork(n_features, self.hidden, self.layers, self.dropout)


@dataclass(frozen=True, kw_only=True)
class RankingConvolution(StockLSTMClose):
    """Dilated causal convolutions in place of the LSTM.

    Parameters
    ----------
    hidden : channels of each block.
    layers : blocks; block i has dilation 2^i.
    kernel : sessions a convolution reads.

    """

    hidden: int = 32
    layers: int = 4
    dropout: float = 0.1
    kernel: int = 3

    name: ClassVar[str] = "tcn"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "default": {}, "small": {**_SMALL, "layers": 3}, "tiny": {**_TINY, "layers": 2},
    }  # fmt: skip
    TRAPS: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kernel < 2:
            raise InputError(f"{self.name}: kernel must be at least 2, got {self.kernel!r}")

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.bodies import ConvolutionNetwork

        return ConvolutionNetwork(n_features, self.hidden, self.layers, self.dropout, self.kernel)


@dataclass(frozen=True, kw_only=True)
class RankingLinear(StockLSTMClose):
    """A moving average and the rest, each through one linear map over the lookback (DLinear).

    Parameters
    ----------
    smooth : sessions of the moving average.

    """

    lookback: int = 60
    smooth: int = 10
    weight_decay: float = 1e-3

    name: ClassVar[str] = "dlinear"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "default": {},
        "small": {"lookback": 20, "smooth": 5, "epochs": 20, "patience": 6, "chunk": 20, "learning_rate": 3e-3},
        "tiny": {"lookback": 10, "smooth": 3, "epochs": 2, "chunk": 10},
    }
    TRAPS: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.smooth <= self.lookback:
            raise InputError(f"{self.name}: smooth must lie between 1 and the lookback, got {self.smooth!r}")

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.bodies import LinearNetwork

        return LinearNetwork(n_features, self.lookback, self.smooth)


@dataclass(frozen=True, kw_only=True)
class RankingTransformer(StockLSTMClose):
    """Patches of sessions through a transformer encoder in place of the LSTM.

    Parameters
    ----------
    patch : sessions of a token; the lookback is a multiple of it.
    hidden : width of a token.
    layers : of the encoder.
    heads : of its attention; divides `hidden`.
    chunk : rows of one pass; each has its own window of tokens in memory, so fewer than a recurrent network takes.

    """

    lookback: int = 60
    chunk: int = 16
    patch: int = 5
    hidden: int = 32
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1

    name: ClassVar[str] = "patch_transformer"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "default": {}, "small": _SMALL, "tiny": {**_TINY, "heads": 2},
    }  # fmt: skip
    TRAPS: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch < 1 or self.lookback % self.patch:
            raise InputError(
                f"{self.name}: lookback must be a multiple of patch, got {self.lookback!r} and {self.patch!r}"
            )
        if self.heads < 1 or self.hidden % self.heads:
            raise InputError(f"{self.name}: hidden must be a multiple of heads, got {self.hidden!r} and {self.heads!r}")

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.bodies import PatchNetwork

        return PatchNetwork(n_features, self.lookback, self.patch, self.hidden, self.layers, self.heads, self.dropout)


@dataclass(frozen=True, kw_only=True)
class RankingGraph(StockLSTMClose):
    """The LSTM with messages between the assets of a session; parameters as in `assay.models.stock_lstm.StockLSTM`."""

    hidden: int = 32
    layers: int = 1

    name: ClassVar[str] = "graph_lstm"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {"default": {}, "small": _SMALL, "tiny": _TINY}
    TRAPS: ClassVar[tuple[str, ...]] = ("a score depends on who else is in the panel; at most 512 assets",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank_within != "date":
            raise InputError(f"{self.name}: hears the assets of a session, so rank_within must be 'date'")

    def network(self, n_features: int) -> nn.Module:
        from assay.models.lstm.bodies import GraphNetwork

        return GraphNetwork(n_features, self.hidden, self.layers, self.dropout)


@dataclass(frozen=True, kw_only=True)
class RankingReinforced(StockLSTMClose):
    """Direct reinforcement: the LSTM's answers are positions, and what is learnt is the Sharpe ratio that they earn.

    A session's positions are the answers less their mean, over the sum of their sizes; the reward is the mean of their
    net returns over its deviation, over the sessions of a batch (Moody & Saffell 2001).

    Parameters
    ----------
    cost_bps : of a traded unit, between the consecutive sessions of a chunk.

    """

    batch_size: int = 4096
    cost_bps: float = 5.0

    name: ClassVar[str] = "direct_reinforcement"
    OUTPUT: ClassVar[str] = "score (a position before it is centred and scaled; no return)"
    PRESETS: ClassVar[Mapping[str, Mapping[str, object]]] = {"default": {}, "small": _SMALL, "tiny": _TINY}
    TRAPS: ClassVar[tuple[str, ...]] = (
        "the reward is a Sharpe ratio in sample; costs between chunks and the strategy's own rules are not in it",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rank_within != "date" or self.cost_bps < 0:
            raise InputError(f"{self.name}: rank_within must be 'date' and cost_bps not negative")

    def label_scaler(self, targets: np.ndarray) -> Scaler:
        """Returns as they are: costs are in their unit."""
        return fit_scaler(targets, "none")

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return self.parts(outputs, batch)["reward"]

    def parts(self, outputs: Tensor, batch: Batch) -> Mapping[str, Tensor]:
        """Minus the Sharpe ratio of the batch's sessions, after costs."""
        from assay.models.lstm.losses import standardised

        mask = batch.by_date(batch.mask)
        wanted = standardised(batch.by_date(outputs[..., 0]), mask)
        held = wanted / wanted.abs().sum(dim=1, keepdim=True).clamp(min=1e-6)
        earned = (held * batch.by_date(batch.targets[..., 0]) * mask).sum(dim=1)
        steps = batch.mask.shape[1]
        if steps > 1 and self.cost_bps:
            path = held.reshape(-1, steps, held.shape[1])
            traded = (path[:, 1:] - path[:, :-1]).abs().sum(dim=2)
            earned = earned.reshape(-1, steps) - self.cost_bps / 1e4 * _after_first(traded)
        kept = earned.reshape(-1)[mask.any(dim=1)]
        return {"reward": -kept.mean() / (kept.std(unbiased=False) + 1e-6)}

    def panel(self, outputs: np.ndarray, prices: PricePanel, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        return {**super().panel(outputs, prices, arrays), "unit": "rank"}


def _after_first(values: Tensor) -> Tensor:
    """(G, K - 1) with a column of zeros before it."""
    from torch.nn import functional

    return functional.pad(values, (1, 0))
