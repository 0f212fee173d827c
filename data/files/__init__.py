"""What enters from outside: price and prediction files, their columns and layouts, and what is written back."""

from __future__ import annotations

__all__: list[str] = []
