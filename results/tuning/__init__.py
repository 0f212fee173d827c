"""Hyper-parameters chosen inside each fold: what may be searched, the recipe that searches, and what it leaves."""

from __future__ import annotations

__all__: list[str] = []
