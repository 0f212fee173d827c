"""How a run's tables are written: Parquet, zstd, float64 kept.

pandas spends most of the time of a wide table on describing its columns one by one. Tables of one run share their
assets and their sessions, so that description is made once; the values are handed over as they are. Numbers that never
repeat gain nothing from a dictionary, so only text has one, and a table of noise, which zstd cannot make smaller, is
written as it is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import Floats

__all__ = ["read_table", "write_tables"]

#: Columns from which a table counts as wide.
_WIDE = 64
#: Columns of a wide table that are read together.
_TOGETHER = 256
#: Cells of all tables together from which several are written at a time.
_MANY = 2_000_000
_COMPRESSION: dict[str, Any] = {"compression": "zstd", "compression_level": 1}
#: Values of a wide table that are tried, and the share of their size below which compressing them is worth the time.
_TRIED, _WORTH = 1 << 15, 0.92

_Rooms = SimpleQueue[Floats]


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table to ``<name>.parquet`` in `folder`; `pandas.read_parquet` gives it back.

    Raises
    ------
    OSError
        If a file cannot be written.

    """
    schemas = _Schemas()
    jobs = [(table, folder / f"{name}.parquet", schemas.of(table)) for name, table in tables.items()]
    wide = [table.size for table, _, schema in jobs if schema is not None]
    several = min(4, os.cpu_count() or 1) if sum(table.size for table in tables.values()) >= _MANY else 1
    rooms: _Rooms = SimpleQueue()  # where tables are turned round: fresh memory costs more than the copy
    for _ in range(min(several, len(wide))):
        rooms.put(np.empty(max(wide)))
    if several == 1:
        for job in jobs:
            _write(*job, rooms)
        return
    with ThreadPoolExecutor(several) as pool:  # the writer releases the interpreter's lock
        for done in [pool.submit(_write, *job, rooms) for job in jobs]:
            done.result()


def read_table(path: Path) -> pd.DataFrame:
    """What `pandas.read_parquet` gives, a wide table of float64 with the values of a session one after another.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read or is damaged.

    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    about = schema.pandas_metadata or {}
    index = [name for name in about.get("index_columns", ()) if isinstance(name, str)]
    names = [name for name in schema.names if name not in index]
    plain = all(schema.field(name).type == pa.float64() and "." not in name for name in names)  # a dot may mean a part
    if len(names) < _WIDE or not plain:
        return pd.read_parquet(path)
    first = pd.read_parquet(path, columns=names[:1])
    if not isinstance(first.columns.dtype, pd.StringDtype):
        return pd.read_parquet(path)
    values = np.empty((len(first), len(names)))
    with pq.ParquetFile(path, memory_map=True) as file:
        for start in range(0, len(names), _TOGETHER):
            part = file.read(columns=names[start : start + _TOGETHER])
            values[:, start : start + _TOGETHER] = np.array([column.to_numpy() for column in part.columns]).T
    columns = pd.Index(names, dtype=first.columns.dtype, name=first.columns.name)
    return pd.DataFrame(values, first.index, columns, copy=False)


class _Schemas:
    """Schemas of wide tables, those of equal columns and index made once."""

    def __init__(self) -> None:
        self._known: list[tuple[pd.Index, pd.Index, Any]] = []

    def of(self, table: pd.DataFrame) -> Any:
        """The Arrow schema of a wide table of float64; None for any other."""
        if table.shape[1] < _WIDE or not (table.dtypes == np.float64).all():
            return None
        for columns, index, schema in self._known:
            if _alike(columns, table.columns) and _alike(index, table.index):
                return schema
        schema = _described(table)
        self._known.append((table.columns, table.index, schema))
        return schema


def _described(table: pd.DataFrame) -> Any:
    """What `pyarrow.Schema.from_pandas` gives of a wide table, whose columns differ by their names alone."""
    import pyarrow as pa

    names = table.columns
    plain = isinstance(names.dtype, pd.StringDtype) and names.is_unique and not names.hasnans
    if not plain or any(name in names for name in table.index.names):
        return pa.Schema.from_pandas(table)
    first = pa.Schema.from_pandas(table.iloc[:, :1])
    about = first.pandas_metadata
    column, *index = about["columns"]
    about["columns"] = [{**column, "name": name, "field_name": name} for name in names] + index
    values = [first.field(0).with_name(name) for name in names]
    return pa.schema([*values, *list(first)[1:]], {b"pandas": json.dumps(about).encode()})


def _alike(one: pd.Index, two: pd.Index) -> bool:
    return one is two or (one.names == two.names and one.dtype == two.dtype and one.equals(two))


def _write(table: pd.DataFrame, path: Path, schema: Any, rooms: _Rooms) -> None:
    """One table; `schema` of a wide one, else None."""
    if schema is None:
        text = [str(name) for name, kind in table.dtypes.items() if not isinstance(kind, np.dtype) or kind.kind == "O"]
        table.to_parquet(path, use_dictionary=text, **_COMPRESSION)
        return
    room = rooms.get()
    try:
        columns = room[: table.size].reshape(table.shape[::-1])
        np.copyto(columns, table.to_numpy().T)
        _write_wide(columns, table.index, path, schema)
    finally:
        rooms.put(room)


def _write_wide(columns: Floats, index: pd.Index, path: Path, schema: Any) -> None:
    """The (N, T) values of a wide table and its index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with np.errstate(all="ignore"):
        holes = not np.isfinite(columns.sum())
    whole = pa.array(columns.ravel(), from_pandas=holes)  # NaN is null
    arrays = [whole.slice(column * len(index), len(index)) for column in range(len(columns))]
    kept = schema.names[len(arrays) :]  # a range of numbers is in the schema, any other index is a column
    arrays += [pa.array(index, type=schema.field(name).type, from_pandas=True) for name in kept]
    middle = columns.ravel()[columns.size // 2 :][:_TRIED]
    packed = pa.Codec("zstd", compression_level=1).compress(middle)
    how = _COMPRESSION if packed.size < _WORTH * middle.nbytes else {"compression": "none"}
    # Nobody asks a table of weights which of its thousands of columns may hold a value.
    table = pa.Table.from_arrays(arrays, schema=schema)
    pq.write_table(table, path, use_dictionary=False, write_statistics=False, **how)
