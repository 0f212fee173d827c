"""Checks that need nothing but printed numbers: small pure functions over intervals, one area a module."""

from __future__ import annotations

__all__: list[str] = []
