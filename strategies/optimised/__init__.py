"""Portfolios by optimisation (skfolio): objectives, a desk's constraints, covariance, views."""

from __future__ import annotations

__all__: list[str] = []
