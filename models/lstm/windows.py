"""Which rows have a whole window, and how windows are read without ever being copied out.

Inputs lie asset by asset, (N, T, F), so that the window of any asset and row is one block of memory. A batch is
gathered from a view of all windows: a (T, N, F) panel is never expanded into (T, N, L, F).

A **piece** is `steps` consecutive rows of one asset together with the lookback - 1 sessions before them. A network
reads a piece in one pass and answers for its last `steps` rows. With steps = 1 a piece is a plain window; with more,
the first of its rows sees exactly `lookback` sessions and the last one lookback + steps - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.data.errors import InputError

__all__ = ["Pieces", "complete_rows", "piece_ranges"]


def complete_rows(values: np.ndarray, lookback: int) -> np.ndarray:
    """Where all features of the last `lookback` sessions are known, (T, N) bool.

    Parameters
    ----------
    values : (T, N, F), NaN = unknown.
    lookback : sessions read, ending at t inclusive.

    Examples
    --------
    >>> complete_rows(np.array([[[1.0]], [[np.nan]], [[1.0]], [[1.0]]]), 2)[:, 0].tolist()
    [False, False, False, True]

    """
    known = np.empty((values.shape[0], values.shape[1]), dtype=bool)
    for t, row in enumerate(values):
        known[t] = np.isfinite(row).all(axis=-1)
    total = np.zeros((len(known) + 1, known.shape[1]), dtype=np.int64)
    np.cumsum(known, axis=0, out=total[1:])
    out = np.zeros(known.shape, dtype=bool)
    if len(known) >= lookback:
        out[lookback - 1 :] = total[lookback:] - total[:-lookback] == lookback
    return out


def piece_ranges(start: int, end: int, steps: int, offset: int = 0) -> np.ndarray:
    """Half-open row ranges of the pieces that cover rows [start, end) once, (P, 2).

    Each is at most `steps` long; the last, and with an offset the first, may be shorter. The offset, in
    [0, steps), shifts the grid.

    Examples
    --------
    >>> piece_ranges(10, 30, 8).tolist()
    [[10, 18], [18, 26], [26, 30]]
    >>> piece_ranges(10, 30, 8, offset=3).tolist()
    [[10, 13], [13, 21], [21, 29], [29, 30]]

    """
    edges = np.arange(start + offset, end, steps)
    if offset or not len(edges):
        edges = np.concatenate([[start], edges])
    return np.column_stack([edges, np.append(edges[1:], end)])


@dataclass(frozen=True, eq=False)
class Pieces:
    """Scaled inputs, asset by asset, with a view of every piece.

    Parameters
    ----------
    inputs : (N, T + steps, F) float32; unknown values are 0 and the last `steps` rows are padding, so that a piece
        that reaches beyond the panel has the same shape as any other.
    lookback : sessions that the first row of a piece sees.
    steps : rows that a piece answers for.

    """

    inputs: np.ndarray
    lookback: int
    steps: int

    @property
    def length(self) -> int:
        """Sessions in a piece: lookback - 1 + steps."""
        return self.lookback - 1 + self.steps

    def view(self) -> np.ndarray:
        """(N, starts, length, F), read-only, sharing the memory of `inputs`; entry s starts at session s."""
        n_assets, n_rows, _ = self.inputs.shape
        starts = n_rows - self.length + 1
        if starts < 1:
            raise InputError(f"windows: {n_rows - self.steps} sessions are fewer than the lookback of {self.lookback}")
        by_asset, by_row, by_feature = self.inputs.strides
        return np.lib.stride_tricks.as_strided(
            self.inputs,
            (n_assets, starts, self.length, self.inputs.shape[2]),
            (by_asset, by_row, by_row, by_feature),
            writeable=False,
        )

    def gather(self, assets: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The pieces whose first answered rows are `rows`, copied into one (B, length, F) array."""
        answer: np.ndarray = self.view()[assets, rows - (self.lookback - 1)]
        return answer
