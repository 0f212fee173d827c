"""Rules that turn predictions into weights, or into entries and exits.

`assay.strategies.catalog` loads them by name; `assay.strategies.base` says what one is.
"""

from __future__ import annotations

__all__: list[str] = []
