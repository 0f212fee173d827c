"""What the four LSTM families share: recipe, windows, training, losses, networks."""

from __future__ import annotations

__all__: list[str] = []
