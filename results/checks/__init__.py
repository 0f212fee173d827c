"""What was checked of a run: canaries, capacity, trials, and the sentence about each."""

from __future__ import annotations

__all__: list[str] = []
