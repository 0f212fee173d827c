"""Enter on confidence, leave by stop, target, doubt or age."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import require_types
from assay.strategies.base import EntrySignals
from assay.strategies.selection import aligned_values

__all__ = ["Confidence"]


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """Long when the probability of a rise is above 0.7, out by stop-loss, take-profit, doubt or age.

    Entry at the open of t + delay with 10% of NAV a position, at most 3 positions, the most probable first. A position
    is closed at a loss of 2% or a gain of 4% on its fill price, inside the bar; at the open after the probability fell
    below 0.5; or at the open 20 sessions after its entry.

    Parameters
    ----------
    enter_above : probability of a rise that an entry has to exceed.
    exit_below : probability of a rise below which a position is closed.
    stop_loss : loss at which a position is closed, fraction of the fill price; 0 = no stop.
    take_profit : gain at which a position is closed, fraction of the fill price (usual: 0.03 to 0.05); 0 = no target.
    size : fraction of NAV in a position, marked at the open of the entry.
    max_positions : most positions at once; 0 = no cap.
    max_holding : sessions from the entry to the open that closes a position; 0 = no limit.

    """

    name: ClassVar[str] = "confidence"
    family: ClassVar[str] = "confidence"
    needs: ClassVar[tuple[str, ...]] = ("open", "high", "low")
    reads: ClassVar[str] = "probability_up"
    side: ClassVar[Literal[1, -1]] = 1

    enter_above: float = 0.7
    exit_below: float = 0.5
    stop_loss: float = 0.02
    take_profit: float = 0.04
    size: float = 0.10
    max_positions: int = 3
    max_holding: int = 20

    def __post_init__(self) -> None:
        require_types(self.name, self)
        if not 0 <= self.exit_below <= self.enter_above <= 1:
            raise InputError(
                f"{self.name}: need 0 <= exit_below <= enter_above <= 1, got exit_below {self.exit_below!r}, "
                f"enter_above {self.enter_above!r}"
            )
        if not 0 <= self.stop_loss < 1:
            raise InputError(f"{self.name}: stop_loss must lie in [0, 1), got {self.stop_loss!r}")
        if not (self.take_profit >= 0 and math.isfinite(self.take_profit)):
            raise InputError(f"{self.name}: take_profit must be finite and at least 0, got {self.take_profit!r}")
        if not 0 < self.size <= 1:
            raise InputError(f"{self.name}: size must be above 0 and at most 1, got {self.size!r}")
        for field in ("max_positions", "max_holding"):
            value = getattr(self, field)
            if value < 0 or value != int(value):
                raise InputError(f"{self.name}: {field} must be a whole number, at least 0, got {value!r}")

    def signals(self, predictions: PredictionPanel, prices: PricePanel) -> EntrySignals:
        """Entries, exits and priorities (T, N), stamped t, from data through the close of t.

        No view (NaN) neither enters nor exits; without a close at t there is no entry.

        Raises
        ------
        InputError
            If the predictions have no probability of a rise.

        """
        probability = predictions.probability_up
        if probability is None:
            raise InputError(f"{self.name}: needs probability_up for each asset and session; the predictions have none")
        signals = EntrySignals.beyond(probability, self.enter_above, self.exit_below)
        if not prices.has_gaps:
            return signals
        priced = ~np.isnan(aligned_values(probability, prices.close, self.name))
        return EntrySignals(signals.enter & priced, signals.exit, probability)
