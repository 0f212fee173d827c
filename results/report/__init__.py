"""What a person sees of runs: the terminal summary, the tear sheet, comparisons, plots."""

from __future__ import annotations

__all__: list[str] = []
