"""What data comes in: CSV, TSV, Parquet, Feather and Excel files, and any frame in memory.

What a file is is read from its first bytes, never from its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.errors import InputError
from assay.data.files.delimited import header_of, open_delimited, refuse_unpacked
from assay.data.files.options import ReadOptions
from assay.data.files.sources import Source, checked_names, first_line, is_text, joined, levels_of, listed

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["open_source", "source_of_table"]

#: First bytes → what the file is and what to do about it.
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "is an old Excel file (.xls); save it as .xlsx or CSV",
    b"\x89HDF": "is HDF5; write it as Parquet (frame.to_parquet)",
    b"\x93NUMPY": "is a NumPy array without dates and names; write a frame as Parquet",
    b"\x80\x03": "is a pickle, which can run code and is never read; write it as Parquet (frame.to_parquet)",
    b"\x80\x04": "is a pickle, which can run code and is never read; write it as Parquet (frame.to_parquet)",
    b"\x80\x05": "is a pickle, which can run code and is never read; write it as Parquet (frame.to_parquet)",
    b"SQLite format 3": "is a database; export the table as Parquet or CSV",
    b"FEA1": "is Feather of the first version; write it again (frame.to_feather)",
}
#: A file that would decode to more than this many bytes, and to more than so many times its size, is refused.
_LARGE, _SWOLLEN = 2_000_000_000, 200
#: Rows from which a Parquet file is read in parts.
_MANY_ROWS = 1_000_000


def open_source(data: Any, options: ReadOptions) -> Source:
    """Look at the header of a file, or at the columns of a frame.

    Parameters
    ----------
    data : a path; a pandas frame (its index is read as columns); or any table that Arrow can take, e.g. of Polars,
        DuckDB or Arrow itself.
    options : its ``decimal`` sign, which a CSV is read with.

    Raises
    ------
    InputError
        If there is no such file, it is a directory, empty, unreadable or of no known kind.

    """
    if not isinstance(data, (str, Path)):
        return _of_frame(data)
    path = Path(data)
    try:
        with path.open("rb") as file:
            head = file.read(65536)
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory; name the CSV or Parquet file in it") from None
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); check its permissions") from None
    if not head.strip():
        raise InputError(f"{path}: the file is empty; expected a header and rows")
    for mark, remedy in _FOREIGN.items():
        if head.startswith(mark):
            raise InputError(f"{path}: {remedy}")
    if head[:4] == b"PAR1":
        return _of_parquet(path)
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        return _of_feather(path, stream=head[:4] == b"\xff\xff\xff\xff")
    if head[:4] == b"PK\x03\x04":
        return _of_excel(path)
    return open_delimited(path, options, head)


# --- Parquet, Feather, frames ---------------------------------------------------------------------------------------


@contextmanager
def _damage_of(place: Path | str, kind: str) -> Iterator[None]:
    """What Arrow says of a damaged file, in one line; names that are no UTF-8 are met wherever it decodes them."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{place}: damaged {kind} ({first_line(error)}); write it again") from None


@dataclass(frozen=True, eq=False)
class _ParquetFile(Source):
    path: Path = Path()
    strings: frozenset[str] = frozenset()
    floats: frozenset[str] = frozenset()
    groups: int = 1

    def fractional(self, name: str) -> bool:
        return name in self.floats and super().fractional(name)

    def parts(self, numbers: Sequence[str]) -> int:
        return 1 if self.strings.intersection(numbers) else self.groups  # text is read as numbers all at once

    def read_part(self, part: int, *, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> pa.Table:
        import pyarrow.parquet as pq

        with _damage_of(self.label, "Parquet"):
            file = pq.ParquetFile(self.path, memory_map=True, read_dictionary=self._categories(texts))
            with file:
                _refuse_swollen(self.label, file.metadata, {*texts, *numbers}, self.path.stat().st_size)
                table = file.read_row_group(part, columns=[*texts, *numbers], use_threads=False)
            return _sound(table)

    def _read(self, texts: list[str], numbers: list[str]) -> pa.Table:
        import pyarrow.parquet as pq

        with _damage_of(self.label, "Parquet"):
            _refuse_swollen(self.label, pq.read_metadata(self.path), {*texts, *numbers}, self.path.stat().st_size)
            table = pq.read_table(
                self.path,
                columns=[*texts, *numbers],
                read_dictionary=self._categories(texts),
                partitioning=None,
                memory_map=True,
            )
            return _sound(table)

    def _categories(self, texts: Sequence[str]) -> list[str]:
        return [name for name in texts if name in self.strings]


def _sound(table: pa.Table) -> pa.Table:
    """The table, unless a key points beyond its dictionary, as in a damaged file."""
    import pyarrow as pa

    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column.validate(full=True)
    return table


def _of_parquet(path: Path) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _damage_of(path, "Parquet"):
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        names = checked_names(str(path), schema.names)
    # A name with a dot may be a part of a structure, and small files are read at once.
    apart = metadata.num_rows >= _MANY_ROWS and not any("." in name for name in names)
    strings = frozenset(item.name for item in schema if is_text(item.type))
    floats = frozenset(item.name for item in schema if pa.types.is_floating(item.type))
    return _ParquetFile(
        str(path), path.stem, names, levels_of(names), schema.metadata or {}, path, strings, floats,
        metadata.num_row_groups if apart else 1,
    )  # fmt: skip


def _refuse_swollen(label: str, metadata: Any, columns: set[str], size: int) -> None:
    """Refuse a Parquet file that would decode to far more than it is, before it is decoded.

    Asked of whole row groups: what pyarrow says of a column of a damaged file may end the process.
    """
    encoded = sum(max(metadata.row_group(group).total_byte_size, 0) for group in range(metadata.num_row_groups))
    claimed = max(encoded, 8 * len(columns) * metadata.num_rows)
    if claimed > _LARGE and claimed > _SWOLLEN * size:
        raise InputError(
            f"{label}: {size:,} bytes that claim to hold {metadata.num_rows:,} rows ({claimed / 1e9:.1f} GB); "
            "write it again, or split it"
        )


@dataclass(frozen=True, eq=False)
class _InMemory(Source):
    table: Any = None

    @property
    def shared(self) -> bool:
        return True

    def _read(self, texts: list[str], numbers: list[str]) -> pa.Table:
        return self.table.select([*texts, *numbers])


def _of_feather(path: Path, *, stream: bool) -> Source:
    import pyarrow as pa

    with _damage_of(path, "Feather"):
        with pa.memory_map(str(path)) as file:
            table = (pa.ipc.open_stream(file) if stream else pa.ipc.open_file(file)).read_all()
        return source_of_table(table, str(path), path.stem)


def source_of_table(table: pa.Table, label: str, stem: str) -> Source:
    """A table of Arrow as a source."""
    names = checked_names(label, table.column_names)
    return _InMemory(label, stem, names, levels_of(names), table.schema.metadata or {}, table)


def _of_frame(frame: Any) -> Source:
    import pyarrow as pa

    label = type(frame).__name__
    if type(frame).__module__.split(".")[0] == "pandas":
        return _of_pandas(frame, label)
    if not hasattr(frame, "__arrow_c_stream__") and hasattr(frame, "collect"):
        frame = frame.collect()  # a lazy frame
    if hasattr(frame, "to_arrow") and not hasattr(frame, "__arrow_c_stream__"):
        frame = frame.to_arrow()
    try:
        table = pa.table(frame)
    except (TypeError, ValueError, pa.ArrowException):
        raise InputError(f"{label}: neither a path nor a frame (pandas, Polars, Arrow); pass one of them") from None
    return source_of_table(table, label, "asset")


def _of_pandas(frame: Any, label: str) -> Source:
    """A pandas frame or series: the levels of its index are columns too, those of its columns the header."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(frame, pd.Series):
        frame = frame.to_frame(frame.name if frame.name is not None else "value")
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{label}: neither a path nor a frame (pandas, Polars, Arrow); pass one of them")
    index = [] if type(frame.index) is pd.RangeIndex else list(range(frame.index.nlevels))
    depth = frame.columns.nlevels
    keys = [str(frame.index.names[level] if frame.index.names[level] is not None else "") for level in index]
    levels = [(key, *[""] * (depth - 1)) for key in keys]
    levels += [
        tuple("" if part is None else str(part) for part in (name if isinstance(name, tuple) else (name,)))
        for name in frame.columns
    ]
    names = [joined(parts) for parts in levels]
    if depth == 1 and len(set(names)) < len(names) and keys and keys[0] in names[1:]:
        raise InputError(f"{label}: {keys[0]!r} is in the index and among the columns; reset or rename one")
    try:
        arrays: list[Any] = [pa.array(frame.index.get_level_values(level)) for level in index]
        arrays += [pa.array(frame.iloc[:, position], from_pandas=True) for position in range(frame.shape[1])]
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{label}: a column holds mixed values ({first_line(error)}); make it one type") from None
    checked = checked_names(label, names)
    return _InMemory(label, "asset", checked, tuple(levels), {}, pa.Table.from_arrays(arrays, list(checked)))


# --- Excel ----------------------------------------------------------------------------------------------------------


def _of_excel(path: Path) -> Source:
    import zipfile

    import pyarrow as pa

    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            workbook = any(item.filename.startswith("xl/") for item in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path}: damaged Excel or zip file ({first_line(error)}); save it again") from None
    if not workbook:
        raise InputError(f"{path}: is a zip archive; unpack it, and name the CSV or Parquet file in it")
    refuse_unpacked(path, unpacked)
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise InputError(
            f"{path}: reading Excel needs the excel extra (pip install 'assay[excel]'), or save the sheet as CSV"
        ) from None
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of styles it does not keep
        try:
            book = load_workbook(path, read_only=True, data_only=True)
            sheets = {
                sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets
            }
            book.close()
        except Exception as error:
            raise InputError(f"{path}: damaged Excel file ({first_line(error)}); save it again") from None
    filled = {
        title: [row for row in rows if any(cell is not None for cell in row)]
        for title, rows in sheets.items()
    }  # fmt: skip
    filled = {title: rows for title, rows in filled.items() if rows}
    if len(filled) != 1:
        found = f"{len(filled)} sheets with rows ({listed(filled)})" if filled else "no sheet with rows"
        raise InputError(f"{path}: has {found}; expected one")
    rows = next(iter(filled.values()))
    width = max(map(len, rows))
    rows = [[*row, *[None] * (width - len(row))] for row in rows]
    names, levels, depth = header_of(str(path), [[_cell_text(cell) for cell in row] for row in rows[:6]])
    if len(rows) == depth:
        raise InputError(f"{path}: has a header and no rows")
    try:
        arrays = [_excel_column([row[position] for row in rows[depth:]]) for position in range(width)]
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{path}: a column cannot be read ({first_line(error)}); save the sheet as CSV") from None
    return _InMemory(str(path), path.stem, names, levels, {}, pa.Table.from_arrays(arrays, list(names)))


def _cell_text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _excel_column(cells: list[Any]) -> pa.Array:
    import datetime

    import pyarrow as pa

    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {int, float} and kinds:
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    if kinds and kinds <= {datetime.datetime, datetime.date}:
        return pa.array([None if cell is None else _as_datetime(cell) for cell in cells], pa.timestamp("us"))
    return pa.array([None if cell is None else _cell_text(cell) for cell in cells], pa.string())


def _as_datetime(cell: Any) -> Any:
    import datetime

    return cell if isinstance(cell, datetime.datetime) else datetime.datetime(cell.year, cell.month, cell.day)
