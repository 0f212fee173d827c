"""Statistics, one family a file: plain functions over arrays and series, with their conventions and sources."""

from __future__ import annotations

__all__: list[str] = []
