"""Assay: backtests what a model predicts, builds the portfolio from it, and checks what is said about it."""

from __future__ import annotations

from pathlib import Path

__all__: list[str] = []

# In a checkout the packages stand beside this folder, at top level; in a wheel they stand inside it.
if not (Path(__file__).parent / "engine").exists():
    __path__.append(str(Path(__file__).parent.parent))
