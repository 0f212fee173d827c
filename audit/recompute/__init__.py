"""Figures recomputed from data: predictions, prices and series under every convention, and what reproduces a print."""

__all__: list[str] = []
