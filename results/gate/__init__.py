"""Accepts or rejects a run by a policy."""

from __future__ import annotations

__all__: list[str] = []
