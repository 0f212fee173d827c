"""Prices, predictions and what is computed from prices alone: the leftmost package, which imports none of the others.

The public names are those of `assay`.
"""

from __future__ import annotations

__all__: list[str] = []
