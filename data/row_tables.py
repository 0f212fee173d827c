"""Tables of sessions by assets whose rows are made, or read, when they are asked for: for panels larger than memory.

A `RowFrame` has of a frame what functions that work some sessions at a time need of one: sessions, assets, and values
that can be sliced. Nothing is kept of a slice once its user lets go of it; what was read of a mapped file is released.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats
from assay.data.mapped import is_mapped, release

__all__ = ["RowFrame", "RowValues", "Table", "Values", "rows_of"]


@dataclass(frozen=True, eq=False)
class RowValues:
    """(T, N) values of which some consecutive rows are asked for at a time.

    Parameters
    ----------
    shape : (T, N).
    make : gives the rows of a slice, (n, N) float64, not to be written to.

    """

    shape: tuple[int, int]
    make: Callable[[slice], Floats]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Floats:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise IndexError(f"rows are asked for one after another, got a step of {step}")
        return self.make(slice(start, max(start, stop)))


@dataclass(frozen=True, eq=False)
class RowFrame:
    """`RowValues` with their sessions and assets.

    Examples
    --------
    >>> days = pd.bdate_range("2020-01-01", periods=3)
    >>> table = RowFrame(days, pd.Index(["A"]), lambda rows: np.arange(3.0)[rows, None])
    >>> table.shape, table.to_numpy()[1:].tolist()
    ((3, 1), [[1.0], [2.0]])
    >>> table.reindex(days[[2, 0]].union([days[2] + days.freq])).to_numpy()[:].ravel().tolist()
    [0.0, 2.0, nan]

    """

    index: pd.DatetimeIndex
    columns: pd.Index
    make: Callable[[slice], Floats]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.index), len(self.columns)

    def __len__(self) -> int:
        return len(self.index)

    def to_numpy(self, dtype: Any = np.float64) -> RowValues:
        """The values, still to be made."""
        return RowValues(self.shape, self.make)

    def reindex(self, index: pd.Index, columns: pd.Index | None = None) -> RowFrame:
        """The rows of other sessions, NaN where there are none; assets stay as they are."""
        assert columns is None or self.columns.equals(columns)
        place = self.index.get_indexer(index)
        return RowFrame(pd.DatetimeIndex(index), self.columns, lambda rows: self.placed(place[rows]))

    def placed(self, place: npt.NDArray[np.intp]) -> Floats:
        """The rows of these positions in ascending order, NaN where one is below 0 or beyond the end."""
        known = (place >= 0) & (place < len(self))
        if known.all() and len(place) and place[-1] - place[0] == len(place) - 1:
            return self.make(slice(int(place[0]), int(place[-1]) + 1))
        out = np.full((len(place), self.shape[1]), np.nan)
        if known.any():
            wanted = place[known]
            runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
            made = [self.make(slice(int(run[0]), int(run[-1]) + 1)) for run in runs]
            out[known] = np.concatenate(made)
        return out


#: A frame, or what stands for one that is larger than memory.
Table: TypeAlias = pd.DataFrame | RowFrame
#: Its values.
Values: TypeAlias = Floats | RowValues


def rows_of(frame: pd.DataFrame) -> RowFrame:
    """A frame as a `RowFrame`; of a mapped one, what was read is let go of."""
    values = frame.to_numpy(dtype=np.float64)
    if not is_mapped(values):
        return RowFrame(pd.DatetimeIndex(frame.index), frame.columns, lambda rows: values[rows])

    def make(rows: slice) -> Floats:
        part = np.array(values[rows])
        release(values[rows])
        return part

    return RowFrame(pd.DatetimeIndex(frame.index), frame.columns, make)
