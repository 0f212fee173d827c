"""The simulation, the walk-forward, and the tests that nothing looked ahead.

The public names are those of `assay`.
"""

from __future__ import annotations

__all__: list[str] = []
