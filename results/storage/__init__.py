"""Stored runs, the ledger of trials, and the MLflow log."""

from __future__ import annotations

__all__: list[str] = []
