"""Models that predict, and the door through which anyone's model comes. Importing this imports no torch.

The public names are those of `assay`.
"""

from __future__ import annotations

__all__: list[str] = []
