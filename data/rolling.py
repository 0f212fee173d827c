"""Rolling figures of every column of a panel, by pandas, many columns to a call.

A call of pandas a column costs more than the windows of one. So columns stand one after another in one series, with
windows that do not reach into the column before; the figures are those of `DataFrame.rolling`, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.indexers import BaseIndexer

from assay.data.conventions import Floats

__all__ = ["rolling_covariance", "rolling_deviation"]

#: Values worked on at once: a handful of arrays of so many stay in cache.
_CACHED = 1 << 18


def rolling_deviation(values: Floats, window: int, *, least: int) -> Floats:
    """(T, N) standard deviation (ddof 1) of each column over `window` rows, NaN below `least` values.

    Examples
    --------
    >>> rolling_deviation(np.array([[1.0, 4.0], [2.0, 4.0], [3.0, 7.0]]), 2, least=2)[2].round(4).tolist()
    [0.7071, 2.1213]

    """
    return _by_column(values, window, least, lambda windows, _: windows.std())


def rolling_covariance(values: Floats, other: Floats, window: int, *, least: int) -> Floats:
    """(T, N) covariance (ddof 1) of each column with (T,) `other`, as in `rolling_deviation`."""
    return _by_column(values, window, least, lambda windows, count: windows.cov(pd.Series(np.tile(other, count))))


def _by_column(values: Floats, window: int, least: int, of: Callable[[Any, int], pd.Series]) -> Floats:
    out = np.empty(values.shape)
    sessions, assets = values.shape
    step = max(1, _CACHED // max(sessions, 1))
    within = _WithinColumns(window, sessions)
    for start in range(0, assets, step):
        part = values[:, start : start + step]
        windows = pd.Series(part.T.ravel()).rolling(within, min_periods=least)
        out[:, start : start + step] = of(windows, part.shape[1]).to_numpy().reshape(part.shape[::-1]).T
    return out


class _WithinColumns(BaseIndexer):
    """Windows over columns of so many rows that stand one after another: none reaches into the column before."""

    def __init__(self, window: int, rows: int) -> None:
        super().__init__(window_size=window)
        self.window, self.rows = window, rows

    def get_window_bounds(  # pandas asks for these names
        self,
        num_values: int = 0,
        min_periods: int | None = None,
        center: bool | None = None,
        closed: str | None = None,
        step: int | None = None,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """First position of each window, and the one after its last."""
        columns = num_values // max(self.rows, 1)
        end = np.arange(1, num_values + 1, dtype=np.int64)
        begin = np.repeat(np.arange(columns, dtype=np.int64) * self.rows, self.rows)
        return np.maximum(end - self.window, begin), end
