"""What a strategy is: predictions and prices in, target weights out; or a rule that enters and exits bar by bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import pandas as pd

from data.panel import PredictionPanel, PricePanel

__all__ = ["EntryRule", "EntrySignals", "Overlays", "Strategy"]


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


@runtime_checkable
class Strategy(Protocol):
    """Weights by rule. A frozen dataclass; `overlays` are applied by the engine, stage by stage."""

    name: str
    overlays: Overlays
    #: price fields read, beside close
    needs: tuple[str, ...]

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
    enter : (T, N) bool, stamped t: open a position at the open of t+d if none is held.
    exit : (T, N) bool, stamped t: close at the open of t+d.
    priority : (T, N) float: the higher is served first; ties by asset id.

    """

    enter: pd.DataFrame
    exit: pd.DataFrame
    priority: pd.DataFrame


@runtime_checkable
class EntryRule(Protocol):
    """Entry and exit that depend on the path: the engine executes it bar by bar, with stops inside the bar."""

    name: str
    needs: tuple[str, ...]
    #: fraction of the fill price below which a long is stopped, e.g. 0.02
    stop_loss: float
    take_profit: float
    #: fraction of NAV a position
    size: float
    max_positions: int
    #: sessions after which a position is closed, counted from the entry bar
    max_holding: int
    side: Literal[1, -1]

    def signals(self, predictions: PredictionPanel, prices: PricePanel) -> EntrySignals:
        """Entries, exits and priorities, stamped t, from data through the close of t."""
        ...
