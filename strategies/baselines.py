"""Portfolios that listen to no model: what a strategy has to beat.

They read of the predictions only the sessions and the assets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.strategies.base import WithOverlays
from assay.strategies.selection import aligned_values, trailing_volatility

__all__ = ["BuyAndHold", "EqualWeight", "InverseVolatility"]


@dataclass(frozen=True, kw_only=True)
class _Baseline(WithOverlays):
    name: ClassVar[str]
    family: ClassVar[str] = "baselines"
    needs: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[str] = "nothing but sessions and assets"

    gross: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.gross >= 0 and math.isfinite(self.gross)):
            raise InputError(f"{self.name}: gross must be finite and at least 0, got {self.gross!r}")

    def _frame(self, predictions: PredictionPanel) -> pd.DataFrame:
        """An empty frame of the sessions and assets of the predictions."""
        return pd.DataFrame(index=predictions.sessions, columns=predictions.assets, dtype=np.float64)

    def _spread(self, predictions: PredictionPanel, size: np.ndarray) -> pd.DataFrame:
        """`gross` in proportion to `size` (T, N), NaN being nothing."""
        size = np.nan_to_num(size, nan=0.0)
        total = size.sum(axis=1, keepdims=True)
        weights = self.gross * size / np.where(total > 0, total, 1.0)
        return pd.DataFrame(weights, index=predictions.sessions, columns=predictions.assets, copy=False)


@dataclass(frozen=True, kw_only=True)
class EqualWeight(_Baseline):
    """Every asset with a price, equally weighted, rebalanced each session.

    Parameters
    ----------
    gross : Σ weight, fraction of NAV.
    smoothing, vol_target, kill_switches : overlays, see `assay.strategies.base.Overlays`; off by default.

    """

    name: ClassVar[str] = "equal_weight"
    memory: ClassVar[int] = 1

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        """Weights (T, N) stamped t; 0 where there is no price."""
        close = aligned_values(self._frame(predictions), prices.close, self.name)
        return self._spread(predictions, np.where(np.isnan(close), 0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class InverseVolatility(_Baseline):
    """Every asset in proportion to 1/volatility of its last daily returns, rebalanced each session.

    Parameters
    ----------
    window : daily returns in the volatility, the last one being that of session t.
    gross : Σ weight, fraction of NAV.
    smoothing, vol_target, kill_switches : overlays, see `assay.strategies.base.Overlays`; off by default.

    """

    name: ClassVar[str] = "inverse_volatility"

    window: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window < 2:
            raise InputError(f"{self.name}: window must be at least 2 sessions, got {self.window!r}")

    @property
    def memory(self) -> int:
        """The closes behind the volatility."""
        return self.window + 1

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        """Weights (T, N) stamped t; 0 where a return of the window is missing or the price never moved."""
        volatility = aligned_values(self._frame(predictions), trailing_volatility(prices, self.window), self.name)
        inverse = np.divide(1.0, volatility, out=np.zeros(volatility.shape), where=volatility > 0)
        return self._spread(predictions, inverse)


@dataclass(frozen=True, kw_only=True)
class BuyAndHold(_Baseline):
    """Every asset with a price on the first session, equally weighted, bought once and left alone.

    Parameters
    ----------
    gross : Σ weight when bought, fraction of NAV.
    smoothing, vol_target, kill_switches : overlays, see `assay.strategies.base.Overlays`; off by default.

    """

    name: ClassVar[str] = "buy_and_hold"

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        """Weights (T, N): the first row buys, the others are NaN ("no order")."""
        close = aligned_values(self._frame(predictions), prices.close, self.name)
        weights = self._spread(predictions, np.where(np.isnan(close), 0.0, 1.0))
        weights.iloc[1:] = np.nan
        return weights
