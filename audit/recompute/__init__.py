"""Figures recomputed from data: predictions, prices and series under every convention, and what reproduces a print."""

from __future__ import annotations

__all__: list[str] = []
