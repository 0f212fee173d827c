"""What a run shows: the figures of a backtest, of its forecasts and of its model, and what they must beat."""

from __future__ import annotations

__all__: list[str] = []
