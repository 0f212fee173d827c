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
        cells: list[tuple[np.ndarray, np.ndarray]] = []
        for day, name in zip(day_places, name_places, strict=True):
            first, second = keys.pop(0)
            cells.append((_narrow(rows_of[day], T)[first.codes], _narrow(columns_of[name], N)[second.codes]))
        count_rows = sum(len(rows) for rows, _ in cells)
        if max(most, 50 * count_rows) < T * N:
            return None
        by_date = _ascending(((rows, columns) for rows, columns in cells), N)
        if not by_date and not _ascending(((columns, rows) for rows, columns in cells), T):
            return None
        whole = count_rows == T * N
        grids = {field: np.empty(T * N) if whole else np.full(T * N, np.nan) for field in fields}

        def fill(part: int) -> None:
            table = source.read_part(part, numbers=numbers)
            at = _positions(*cells[part], N)
            gapless = by_date and whole and len(at) > 0  # one after another
            place = slice(int(at[0]), int(at[-1]) + 1) if gapless else at
            for field, column in fields.items():
                grids[field][place] = floats(table, column, source, options)

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


def _positions(major: np.ndarray, minor: np.ndarray, width: int) -> np.ndarray:
    position: np.ndarray = np.multiply(major, width, dtype=np.int64)
    position += minor
    return position


def _ascending(parts: Iterable[tuple[np.ndarray, np.ndarray]], width: int) -> bool:
    """Whether the rows of all parts come in order of the first code, then of the second, none of them twice."""
    last = -1
    for major, minor in parts:
        position = _positions(major, minor, width)
        if not len(position):
            continue
        if position[0] <= last or not (position[1:] > position[:-1]).all():
            return False
        last = int(position[-1])
    return True
