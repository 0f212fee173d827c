"""(T, N) grids of a long file in order of date or of asset, a part of its rows at a time, on several cores.

A part is a row group of Parquet. First the dates and assets of each are read, as codes; where these are in order, its
values go straight to their places. No table of all rows is ever made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.files.columns import asset_labels, encoded, floats, session_labels
from assay.data.files.options import ReadOptions
from assay.data.files.sources import Source

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Ordered", "read_ordered"]

#: Codes below this fit into two bytes.
_SMALL = 1 << 15


@dataclass(frozen=True, eq=False)
class Ordered:
    """What a file of complete keys in order holds.

    Parameters
    ----------
    frames : field to (T, N) frame, sessions and assets sorted, NaN where there is no row.
    timed : distinct stamps with a time of day, which was cut off.

    """

    frames: dict[str, pd.DataFrame]
    timed: int


@dataclass(frozen=True, eq=False)
class _Key:
    """Dates or assets of a part: distinct values, (rows,) codes into them, whether some are missing."""

    values: pa.Array
    codes: np.ndarray
    missing: bool


def read_ordered(
    source: Source, date: str, asset: str, fields: Mapping[str, str], options: ReadOptions, *, most: int
) -> Ordered | None:
    """The grids of a file that comes in parts; None where it does not, a key is missing, or rows are out of order.

    Parameters
    ----------
    source, options : the file, and how to read it.
    date, asset : its columns.
    fields : field to column.
    most : cells beyond which a grid must have a row for every fiftieth.

    Raises
    ------
    InputError
        If a column does not hold what it should.

    """
    numbers = list(dict.fromkeys(fields.values()))
    count = source.parts(numbers)
    if count < 2 or {date, asset}.intersection(numbers):
        return None

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # Arrow releases the interpreter's lock
        keys = list(pool.map(lambda part: _keys(source, part, date, asset), range(count)))
        if any(key.missing for pair in keys for key in pair):
            return None
        stamps, day_places = _together([day for day, _ in keys])
        sessions, rows_of, timed = session_labels(stamps, date, source, options)
        ids, name_places = _together([name for _, name in keys])
        assets, columns_of = asset_labels(ids, asset, source)
        if (rows_of < 0).any() or (columns_of < 0).any():
            return None
        T, N = len(sessions), len(assets)
        cells: list[_Cells] = []
        for day, name in zip(day_places, name_places, strict=True):
            first, second = keys.pop(0)
            cells.append(_Cells.of(first.codes, rows_of[day], second.codes, columns_of[name], (T, N)))
        count_rows = sum(map(len, cells))
        if max(most, 50 * count_rows) < T * N:
            return None
        by_date = _ascending(part.places() for part in cells)
        if not by_date and not _ascending(part.places(by_asset=True) for part in cells):
            return None
        whole = count_rows == T * N
        grids = {field: np.empty(T * N) if whole else np.full(T * N, np.nan) for field in fields}

        def fill(part: int) -> None:
            table = source.read_part(part, numbers=numbers)
            at = cells[part].places()
            if by_date and whole and not isinstance(at, slice) and len(at):  # one after another
                at = slice(int(at[0]), int(at[-1]) + 1)
            for field, column in fields.items():
                grids[field][at] = floats(table, column, source, options)

        list(pool.map(fill, range(count)))
    frames = {field: pd.DataFrame(grid.reshape(T, N), sessions, assets, copy=False) for field, grid in grids.items()}
    return Ordered(frames, timed)


def _keys(source: Source, part: int, date: str, asset: str) -> tuple[_Key, _Key]:
    """The dates and the assets of a part."""
    table = source.read_part(part, texts=[date, asset])
    out = []
    for name in (date, asset):
        values, codes = encoded(table, name, source.label)
        out.append(_Key(values, _narrow(codes, len(values)), bool((codes < 0).any())))
    return out[0], out[1]


def _together(keys: list[_Key]) -> tuple[pa.Array, list[np.ndarray]]:
    """The distinct values of all parts, and where among them those of each part are."""
    import pyarrow as pa

    every = pa.concat_arrays([key.values for key in keys]).dictionary_encode()
    places = every.indices.to_numpy(zero_copy_only=False)
    return every.dictionary, np.split(places, np.cumsum([len(key.values) for key in keys])[:-1])


def _narrow(codes: np.ndarray, labels: int) -> np.ndarray:
    """Codes of so many labels in as few bytes as they need."""
    return codes.astype(np.int16 if labels < _SMALL else np.int32)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Where the rows of a part stand in the grid: from `start` on cell by cell, or row by row of the part.

    Parameters
    ----------
    count : rows of the part.
    start : position of the first cell, row-major, where no cell of any session is left out up to the last; else None.
    rows, columns : (count,) of each row; empty where `start` says it all.
    shape : (T, N) of the grid.

    """

    count: int
    start: int | None
    rows: np.ndarray
    columns: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, days: np.ndarray, rows_of: np.ndarray, names: np.ndarray, columns_of: np.ndarray, shape: tuple[int, int]
    ) -> _Cells:
        """From the codes of a part, and what row or column each code stands for."""
        T, N = shape
        none = np.empty(0, dtype=np.int16)
        if len(names) and _in_turn(days, rows_of, names, columns_of, N):
            return cls(len(names), int(rows_of[0]) * N + int(columns_of[0]), none, none, shape)
        return cls(len(names), None, _narrow(rows_of, T)[days], _narrow(columns_of, N)[names], shape)

    def __len__(self) -> int:
        return self.count

    def places(self, *, by_asset: bool = False) -> slice | np.ndarray:
        """Positions in the grid, or in one of an asset a row."""
        T, N = self.shape
        if self.start is None:
            return _positions(self.columns, self.rows, T) if by_asset else _positions(self.rows, self.columns, N)
        if not by_asset:
            return slice(self.start, self.start + self.count)
        rows, columns = np.divmod(np.arange(self.start, self.start + self.count), N)
        return _positions(columns, rows, T)


def _in_turn(days: np.ndarray, rows_of: np.ndarray, names: np.ndarray, columns_of: np.ndarray, width: int) -> bool:
    """Whether every asset of every session comes in its turn, as codes in order of appearance show it."""
    first = int(columns_of[0])
    if len(columns_of) != min(width, len(names)) or len(rows_of) != -(-(first + len(names)) // width):
        return False
    if not (np.diff(rows_of) == 1).all():
        return False
    if not np.array_equal(columns_of, (first + np.arange(len(columns_of))) % width):
        return False
    return _counts(names, 0, width, wraps=True) and _counts(days, first, width, wraps=False)


def _counts(codes: np.ndarray, first: int, width: int, *, wraps: bool) -> bool:
    """Whether codes go 0 … width − 1 again and again, or else count the rows of so many cells, begun at `first`."""
    head = min((width - first) % width, len(codes))
    turns = (len(codes) - head) // width
    start, end = codes[:head], codes[head + turns * width :]
    block = codes[head : head + turns * width].reshape(turns, width)
    if wraps:
        line = np.arange(width, dtype=codes.dtype if turns else np.int64)
        return bool((block == line).all() and (end == line[: len(end)]).all())
    begun = int(head > 0)
    lines = np.arange(begun, begun + turns, dtype=codes.dtype)[:, None]
    return bool((start == 0).all() and (block == lines).all() and (end == begun + turns).all())


def _positions(major: np.ndarray, minor: np.ndarray, width: int) -> np.ndarray:
    position: np.ndarray = np.multiply(major, width, dtype=np.int64)
    position += minor
    return position


def _ascending(parts: Iterable[slice | np.ndarray]) -> bool:
    """Whether the positions of all parts rise, none of them twice."""
    last = -1
    for places in parts:
        if isinstance(places, slice):
            if places.start <= last:
                return False
            last = places.stop - 1
        elif len(places):
            if places[0] <= last or not (places[1:] > places[:-1]).all():
                return False
            last = int(places[-1])
    return True
