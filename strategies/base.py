"""What a strategy is: predictions and prices in, target weights out; or a rule that enters and exits bar by bar."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel

__all__ = ["EntryRule", "EntrySignals", "Overlays", "Strategy", "WithOverlays"]


@dataclass(frozen=True)
class Overlays:
    """What a strategy does to its weights after selection, in this order; each step is optional.

    Parameters
    ----------
    smoothing : weight on yesterday's smoothed weight: wₜ = a·wₜ₋₁ + (1−a)·targetₜ; 0 = none.
    vol_target : annualised volatility aimed at, e.g. 0.08; None = none.
    kill_switches : whether the day, five-day and sixty-day switches are armed.

    """

    smoothing: float = 0.0
    vol_target: float | None = None
    kill_switches: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise InputError(f"overlays: smoothing must lie in [0, 1), got {self.smoothing!r}")
        if self.vol_target is not None and not (self.vol_target > 0 and math.isfinite(self.vol_target)):
            raise InputError(f"overlays: vol_target must be above 0 (or none), got {self.vol_target!r}")


@dataclass(frozen=True, kw_only=True)
class WithOverlays:
    """The overlays as parameters of the strategy that inherits them; off unless it says otherwise.

    Parameters
    ----------
    smoothing, vol_target, kill_switches : as in `Overlays`.

    """

    smoothing: float = 0.0
    vol_target: float | None = None
    kill_switches: bool = False

    def __post_init__(self) -> None:
        _ = self.overlays  # refuses what cannot be, at construction

    @property
    def overlays(self) -> Overlays:
        """What the engine applies after selection."""
        return Overlays(self.smoothing, self.vol_target, self.kill_switches)


@runtime_checkable
class Strategy(Protocol):
    """Weights by rule. A frozen dataclass; `overlays` are applied by the engine, stage by stage."""

    @property
    def name(self) -> str:
        """Its name in the catalogue and in reports."""
        ...

    @property
    def overlays(self) -> Overlays:
        """What the engine applies to the weights, in order."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Price fields read, beside close."""
        ...

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        """Weights (T, N), stamped t, from data through the close of t.

        A signed fraction of NAV; cash is 1 − Σ. NaN in a cell means "no order" (the holding drifts), 0 means flat.
        """
        ...


@dataclass(frozen=True, eq=False)
class EntrySignals:
    """What an entry rule wants, session by session; the engine decides what can be had.

    Parameters
    ----------
    enter : (T, N) bool, stamped t: open a position at the open of t+d if none is held, nor was closed at that open.
    exit : (T, N) bool, stamped t: close at the open of t+d what is held; it wins over `enter`.
    priority : (T, N) float: the higher is served first; ties by asset id, NaN last.

    """

    enter: pd.DataFrame
    exit: pd.DataFrame
    priority: pd.DataFrame


@runtime_checkable
class EntryRule(Protocol):
    """Entry and exit that depend on the path: the engine executes it bar by bar, with stops inside the bar."""

    @property
    def name(self) -> str:
        """Its name in the catalogue and in reports."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Price fields read, beside close."""
        ...

    @property
    def stop_loss(self) -> float:
        """Loss at which a position is stopped, a fraction of the fill price, e.g. 0.02; 0 = no stop."""
        ...

    @property
    def take_profit(self) -> float:
        """Gain at which a position is closed, a fraction of the fill price; 0 = no target."""
        ...

    @property
    def size(self) -> float:
        """Fraction of NAV in a position, marked at the open of the entry."""
        ...

    @property
    def max_positions(self) -> int:
        """Most positions at once; 0 = no cap."""
        ...

    @property
    def max_holding(self) -> int:
        """Sessions after which a position is closed: entered at the open of s, it goes at that of s + max_holding;
        0 = no limit."""
        ...

    @property
    def side(self) -> Literal[1, -1]:
        """1 for long positions, −1 for short ones."""
        ...

    def signals(self, predictions: PredictionPanel, prices: PricePanel) -> EntrySignals:
        """Entries, exits and priorities, stamped t, from data through the close of t."""
        ...
