"""Arrays that lie in files and are mapped into memory: worked some rows at a time, and let go of afterwards.

The pages of a mapped file that were read count as resident memory until something else needs the room. Whoever walks
over a panel in `row_parts` and lets go of each part by `release` holds no more than that part; the values are read from
the file again (or from the system's cache of it) when they are asked for. Of other arrays nothing is let go of.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["is_mapped", "release", "row_parts"]

#: Values in a part: eight megabytes of float64.
_VALUES = 1 << 20


def row_parts(values: npt.NDArray[Any], most: int = _VALUES) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    """Consecutive rows of a (T, N) array with their place, each part let go of when the next is asked for.

    Examples
    --------
    >>> [rows.stop for rows, _ in row_parts(np.zeros((5, 2)), most=4)]
    [2, 4, 5]

    """
    step = max(1, most // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        rows = slice(start, min(start + step, len(values)))
        yield rows, values[rows]
        release(values[rows])


def is_mapped(values: object) -> bool:
    """Whether an array is part of a mapped file."""
    return _file_of(values) is not None


def release(values: npt.NDArray[Any]) -> None:
    """Let go of the memory of a part of a file mapped to be read; of any other array, nothing happens.

    Of a mapping that somebody may write to, what was written could lie nowhere else.

    Examples
    --------
    >>> part = np.ones(3)
    >>> release(part)
    >>> part.tolist()
    [1.0, 1.0, 1.0]

    """
    mapped = _file_of(values)
    if mapped is None or not hasattr(mapped, "madvise") or values.nbytes == 0 or not memoryview(mapped).readonly:
        return
    begin = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    first, last = np.lib.array_utils.byte_bounds(values)
    start = (first - begin) // mmap.PAGESIZE * mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, start, min(last - begin, len(mapped)) - start)


def _file_of(values: object) -> mmap.mmap | None:
    """The mapped file that an array is a part of, through views of views."""
    while values is not None:
        if isinstance(values, mmap.mmap):
            return values
        values = values.obj if isinstance(values, memoryview) else getattr(values, "base", None)
    return None
