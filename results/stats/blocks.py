"""Panels some sessions at a time, so that the arrays in between stay in cache and no table of all of them is made."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats

__all__ = ["cases", "row_blocks", "row_counts"]

#: Values in a block: a handful of arrays of so many stay in cache.
_VALUES = 1 << 16
#: Columns from which a count of each row takes less time than all of them.
_WIDE = 2000


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


def row_counts(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """(T,) how many cells of each row are true."""
    if cells.shape[1] < _WIDE:
        return np.asarray(np.count_nonzero(cells, axis=1))
    return np.array([np.count_nonzero(row) for row in cells])  # of one row NumPy counts several cells at once


def cases(known: npt.NDArray[np.bool_], *tables: Floats) -> list[Floats]:
    """The values of each table where `known`, one after another; views of tables that are known throughout.

    Examples
    --------
    >>> [values.tolist() for values in cases(np.array([[True, False]]), np.array([[1.0, 2.0]]))]
    [[1.0]]

    """
    if known.all():
        return [table.ravel() for table in tables]
    places = np.flatnonzero(known)
    return [table.ravel().take(places) for table in tables]
