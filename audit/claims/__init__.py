"""Claims files and the model of a claim: read, written, checked for contradictions; a print as an interval."""

from __future__ import annotations

__all__: list[str] = []
