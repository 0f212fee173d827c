"""Panels some sessions at a time, so that the arrays in between stay in cache and no table of all of them is made."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["row_blocks"]

#: Values in a block: a handful of arrays of so many stay in cache.
_VALUES = 1 << 16


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of consecutive rows of a (T, N) table; a small table is one of them.

    Examples
    --------
    >>> [(rows.start, rows.stop) for rows in row_blocks((50, 3000))]
    [(0, 21), (21, 42), (42, 50)]

    """
    step = max(1, _VALUES // max(1, shape[1]))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))
