"""What data comes in, as Arrow columns: CSV, TSV, Parquet, Feather and Excel files, and any frame in memory.

What a file is is read from its first bytes, never from its name. The header is looked at first; rows are read when it
is known which columns are needed. A header may have several rows (field and ticker), which is what the columns of a
pandas frame with two levels become, in memory, in CSV and, as names like ``('Close', 'AAPL')``, in Parquet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.errors import InputError
from assay.data.files.options import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MISSING", "Source", "listed", "open_source", "plain"]

#: How files write that a number is not there.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "-", "--", ".", "#N/A", "#N/A N/A", "<NA>")
#: First cells by which a second or third line is a header still.
_AXES = frozenset(
    ("price", "prices", "ticker", "tickers", "symbol", "symbols", "field", "fields", "attribute", "attributes", "date",
     "dates", "datetime", "security", "securities", "instrument", "instruments", "timestamp")
)  # fmt: skip
_TUPLE = re.compile(r"\(\s*(?:'[^']*'|\"[^\"]*\")\s*(?:,\s*(?:'[^']*'|\"[^\"]*\")\s*)+\)")
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,' ]*([eE][-+]?\d+)?[KMBT%]?\)?")
_DATE = re.compile(r"\d{1,4}[-/.]\w{1,9}[-/.]\d{1,4}|\d{8}\b")
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
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\x04\x22\x4d\x18": "lz4"}
#: A file that would decode to more than this many bytes, and to more than so many times its size, is refused.
_LARGE, _SWOLLEN = 2_000_000_000, 200
#: Lines of a CSV that are looked at to find its separator, header and decimal sign.
_PREVIEW = 60


def plain(name: str) -> str:
    """A column name reduced to what people mean: lower case, letters and digits only.

    Examples
    --------
    >>> plain("Adj Close"), plain("probability_up"), plain("<CLOSE>")
    ('adjclose', 'probabilityup', 'close')

    """
    return re.sub(r"[\W_]+", "", name.casefold())


def listed(columns: Iterable[str]) -> str:
    """The first eight of `columns`, and how many more there are."""
    names = list(columns)
    shown = ", ".join(map(repr, names[:8]))
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


@dataclass(frozen=True, eq=False)
class Source:
    """A table whose columns are known and whose rows are not read yet.

    Parameters
    ----------
    label : what messages call it: the path, or the type of a frame.
    stem : what an asset or a model without a name is called.
    columns : its column names, each once.
    levels : for each column its labels, outermost first; as many for each.
    metadata : key-value metadata of a Parquet file.

    """

    label: str
    stem: str
    columns: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    metadata: Mapping[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.columns)) < len(self.columns):
            twice = next(name for name in self.columns if self.columns.count(name) > 1)
            raise InputError(f"{self.label}: column {twice!r} stands there twice; rename or remove one")

    @property
    def shared(self) -> bool:
        """Whether the arrays that are read belong to somebody else too, a frame or a mapped file."""
        return False

    @property
    def depth(self) -> int:
        """Rows of the header."""
        return len(self.levels[0]) if self.levels else 1

    def read(self, *, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> pa.Table:
        """The columns `texts` (categories and dates, as stored, as text from CSV) and `numbers`.

        Numbers of a CSV that Arrow cannot read are left as text, for `assay.data.files.columns.floats`.

        Raises
        ------
        InputError
            If the file is damaged or has no rows.

        """
        table = self._read(list(texts), list(numbers))
        if table.num_rows == 0:
            raise InputError(f"{self.label}: has a header and no rows")
        return table

    def line_of(self, row: int) -> str:
        """``, line 17`` of a text file or ``, row 16``, for the row at position `row`."""
        return f", row {row + 1}"

    def preview(self, columns: Sequence[str]) -> dict[str, list[str]]:
        """The first cells of `columns` as text, where they are text; empty where the types say what they are."""
        return {}

    def _read(self, texts: list[str], numbers: list[str]) -> pa.Table:
        raise NotImplementedError


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
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name the CSV or Parquet file in it")
    try:
        with path.open("rb") as file:
            head = file.read(65536)
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
    for mark, codec in _COMPRESSED.items():
        if head.startswith(mark):
            return _of_csv(path, options, _decompressed(path, codec))
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _of_csv(path, options, _recoded(path))
    if b"\0" in head:
        raise InputError(f"{path}: neither CSV nor Parquet (binary content); convert it to one of them")
    return _of_csv(path, options, None, head)


# --- Parquet, Feather, frames ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _ParquetFile(Source):
    path: Path = Path()
    strings: frozenset[str] = frozenset()

    def _read(self, texts: list[str], numbers: list[str]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            _refuse_swollen(self.label, pq.read_metadata(self.path), {*texts, *numbers}, self.path.stat().st_size)
            return pq.read_table(
                self.path,
                columns=[*texts, *numbers],
                read_dictionary=[name for name in texts if name in self.strings],
                partitioning=None,
                memory_map=True,
            )
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.label}: damaged Parquet ({_first_line(error)}); write it again") from None


def _of_parquet(path: Path) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: damaged Parquet ({_first_line(error)}); write it again") from None
    strings = frozenset(item.name for item in schema if is_text(item.type))
    names = _names(str(path), schema.names)
    return _ParquetFile(str(path), path.stem, names, _levels_of(names), schema.metadata or {}, path, strings)


def _refuse_swollen(label: str, metadata: Any, columns: set[str], size: int) -> None:
    """Refuse a Parquet file that would decode to far more than it is, before it is decoded."""
    encoded = cells = 0
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for position in range(chunks.num_columns):
            chunk = chunks.column(position)
            if chunk.path_in_schema.split(".")[0] in columns or chunk.path_in_schema in columns:
                encoded += max(chunk.total_uncompressed_size, 0)
                cells += max(chunk.num_values, 0)
    claimed = max(encoded, 8 * cells, 8 * len(columns) * metadata.num_rows)
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

    try:
        with pa.memory_map(str(path)) as file:
            table = (pa.ipc.open_stream(file) if stream else pa.ipc.open_file(file)).read_all()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: damaged Feather ({_first_line(error)}); write it again") from None
    return _of_table(table, str(path), path.stem)


def _of_table(table: pa.Table, label: str, stem: str) -> Source:
    names = _names(label, table.column_names)
    return _InMemory(label, stem, names, _levels_of(names), table.schema.metadata or {}, table)


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
    return _of_table(table, label, "asset")


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
    names = [_joined(parts) for parts in levels]
    if depth == 1 and len(set(names)) < len(names) and keys and keys[0] in names[1:]:
        raise InputError(f"{label}: {keys[0]!r} is in the index and among the columns; reset or rename one")
    try:
        arrays: list[Any] = [pa.array(frame.index.get_level_values(level)) for level in index]
        arrays += [pa.array(frame.iloc[:, position], from_pandas=True) for position in range(frame.shape[1])]
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{label}: a column holds mixed values ({_first_line(error)}); make it one type") from None
    checked = _names(label, names)
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
        raise InputError(f"{path}: damaged Excel or zip file ({_first_line(error)}); save it again") from None
    if not workbook:
        raise InputError(f"{path}: is a zip archive; unpack it, and name the CSV or Parquet file in it")
    _refuse_unpacked(path, unpacked)
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
            raise InputError(f"{path}: damaged Excel file ({_first_line(error)}); save it again") from None
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
    names, levels, depth = _header(str(path), [[_cell_text(cell) for cell in row] for row in rows[:6]])
    if len(rows) == depth:
        raise InputError(f"{path}: has a header and no rows")
    try:
        arrays = [_excel_column([row[position] for row in rows[depth:]]) for position in range(width)]
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"{path}: a column cannot be read ({_first_line(error)}); save the sheet as CSV") from None
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


# --- CSV ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _CsvFile(Source):
    data: Any = None  # the path, or a buffer of what it holds
    separator: str = ","
    lines: int = 1  # of the header, blank ones before it included
    rows: tuple[tuple[str, ...], ...] = ()  # the first ones
    decimal: str = "."

    def line_of(self, row: int) -> str:
        return f", line {row + self.lines + 1}"

    def preview(self, columns: Sequence[str]) -> dict[str, list[str]]:
        at = {name: position for position, name in enumerate(self.columns)}
        return {name: [row[at[name]] for row in self.rows if at[name] < len(row)] for name in columns}

    def _read(self, texts: list[str], numbers: list[str]) -> pa.Table:
        import pyarrow as pa

        try:
            return self._parsed(texts, numbers)
        except pa.ArrowInvalid as error:
            if "conversion error" not in str(error) or "UTF8" in str(error):
                raise InputError(f"{self.label}: {self._explain(error, texts, numbers)}") from None
        return self._read([*texts, *numbers], [])  # as text: `floats` reads what people write, and says what is wrong

    def _parsed(self, texts: list[str], numbers: list[str], *, threads: bool = True) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv

        types = dict.fromkeys(texts, pa.dictionary(pa.int32(), pa.string())) | dict.fromkeys(numbers, pa.float64())
        try:
            return csv.read_csv(
                self.data if isinstance(self.data, Path) else pa.BufferReader(self.data),
                read_options=csv.ReadOptions(
                    column_names=list(self.columns), skip_rows=self.lines, use_threads=threads
                ),
                parse_options=csv.ParseOptions(delimiter=self.separator, ignore_empty_lines=True),
                convert_options=csv.ConvertOptions(
                    column_types=types, include_columns=[*texts, *numbers], null_values=list(MISSING),
                    decimal_point=self.decimal,
                ),
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"{self.label}: cannot be read as CSV ({_first_line(error)})") from None

    def _explain(self, error: Exception, texts: list[str], numbers: list[str]) -> str:
        """Arrow's complaint in the words of someone who looks at the file."""
        import pyarrow as pa

        message = _first_line(error)
        if "UTF8" in message or "UTF-8" in message:
            return "is not UTF-8; save it as UTF-8"
        if "mpty CSV" in message:
            return "has a header and no rows"
        ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
        if ragged and not ragged.group(1):  # a single thread knows the line
            try:
                self._parsed(texts, numbers, threads=False)
            except pa.ArrowInvalid as known:
                message = _first_line(known)
                ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message) or ragged
        if ragged:
            row = f"line {int(ragged.group(1))}" if ragged.group(1) else "a line"
            return f"{row} has {ragged.group(3)} cells, the header {ragged.group(2)}; quote cells with a separator"
        return f"cannot be read as CSV ({message})"


def _of_csv(path: Path, options: ReadOptions, content: bytes | None, head: bytes | None = None) -> Source:
    import csv

    import pyarrow as pa

    start = content[:65536] if content is not None else head or b""
    if not start.strip():
        raise InputError(f"{path}: the file is empty; expected a header and rows")
    cut = start.rfind(b"\n") + 1 if len(start) == 65536 else len(start)
    try:
        text = (start[:cut] or start).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; save it as UTF-8") from None
    body = text.lstrip("\r\n")
    blank = text[: len(text) - len(body)].count("\n")
    lines = body.splitlines()[:_PREVIEW]
    separator = _separator(lines)
    if separator is None:
        raise InputError(f"{path}: the first line {lines[0][:60]!r} has one column; expected e.g. date,asset,close")
    try:
        reader = csv.reader(lines, delimiter=separator)
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from None
    names, levels, depth = _header(str(path), rows)
    spent = csv.reader(lines, delimiter=separator)
    for _ in range(depth):
        next(spent)
    body_rows = tuple(tuple(row) for row in rows[depth:] if any(row))
    decimal = options.decimal or ("." if separator == "," else _decimal_of(str(path), body_rows))
    return _CsvFile(
        str(path), _stem(path), names, levels, {}, path if content is None else pa.py_buffer(content), separator,
        spent.line_num + blank, body_rows, decimal,
    )  # fmt: skip


def _stem(path: Path) -> str:
    return Path(path.stem).stem if path.suffix in (".gz", ".zst", ".bz2", ".lz4") else path.stem


def _separator(lines: list[str]) -> str | None:
    """What stands between cells: the sign that cuts the first lines into the most cells, each into as many."""
    import csv

    sample = [line for line in lines[:12] if line.strip()]
    widths: dict[str, int] = {}
    for sign in ",;\t|":
        counts = {len(row) for row in csv.reader(sample, delimiter=sign)}
        if len(counts) == 1:
            widths[sign] = counts.pop()
    best = max(widths, key=lambda sign: widths[sign], default=None)
    if best is not None and widths[best] > 1:
        return best
    best = max(",;\t|", key=sample[0].count)
    return best if best in sample[0] else None


def _decimal_of(label: str, rows: Sequence[Sequence[str]]) -> str:
    """The decimal sign of a file whose cells are not separated by commas.

    A comma, if some cell can only be read with one and none only with a point. Refused where every cell may be either.
    """
    cells = [cell for row in rows for cell in row if re.fullmatch(r"[-+]?[\d.,]*\d", cell)]
    comma = any(re.fullmatch(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+", cell) and not _thousands(cell, ",") for cell in cells)
    point = any(re.fullmatch(r"[-+]?(\d{1,3}(,\d{3})+|\d+)\.\d+", cell) and not _thousands(cell, ".") for cell in cells)
    either = [cell for cell in cells if _thousands(cell, ".")]
    if either and not comma and not point:
        raise InputError(
            f"{label}: {either[0]!r} may be {either[0].replace('.', '')} or {either[0]}; say --decimal , or --decimal ."
        )
    return "," if comma and not point else "."


def _thousands(cell: str, sign: str) -> bool:
    return re.fullmatch(rf"[-+]?[1-9]\d{{0,2}}({re.escape(sign)}\d{{3}})+", cell) is not None


def _header(label: str, rows: list[list[str]]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int]:
    """Names and labels of the columns, and how many of `rows` they take."""
    width = len(rows[0])
    depth = 1
    while depth < min(4, len(rows)) and _is_header(rows[depth], rows[0]):
        depth += 1
    if depth == 1:
        names = _names(label, rows[0])
        return names, _levels_of(names), 1
    levels = [rows[0]] + [row for row in rows[1:depth] if any(row[1:])]
    key = next((row[0] for row in reversed(rows[:depth]) if row[0]), "")
    filled = [list(level) for level in levels]
    for position in range(2, width):  # a label of merged cells stands over the first of them
        filled[0][position] = filled[0][position] or filled[0][position - 1]
    labels = [(key, *[""] * (len(filled) - 1))]
    labels += [tuple(level[position] for level in filled) for position in range(1, width)]
    return _names(label, [_joined(parts) for parts in labels]), tuple(labels), depth


def _is_header(row: list[str], first: list[str]) -> bool:
    """Whether a line after the first is still of the header: it names tickers, fields or the index."""
    if len(row) != len(first) or len(row) < 2:
        return False
    rest = row[1:]
    if any(_DATE.match(cell) for cell in row):
        return False
    if plain(row[0]) in _AXES:
        return all(rest) or not any(rest)
    values = any(_NUMBER.fullmatch(cell) or cell in MISSING for cell in rest)
    return row[0] == "" and not values and all(rest) and len(set(filter(None, first[1:]))) < len(first) - 1


def _decompressed(path: Path, codec: str) -> bytes:
    import pyarrow as pa

    parts: list[bytes] = []
    total, size = 0, path.stat().st_size
    try:
        with pa.CompressedInputStream(pa.OSFile(str(path)), codec) as stream:
            while part := stream.read(1 << 24):
                total += len(part)
                _refuse_unpacked(path, total, size)
                parts.append(part)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: damaged {codec} file ({_first_line(error)}); compress it again") from None
    content = b"".join(parts)
    if content[:4] == b"PAR1" or b"\0" in content[:65536]:
        raise InputError(f"{path}: holds no CSV; unpack it first")
    return content


def _refuse_unpacked(path: Path, unpacked: int, size: int | None = None) -> None:
    size = path.stat().st_size if size is None else size
    if unpacked > _LARGE / 8 and unpacked > _SWOLLEN * size:
        raise InputError(f"{path}: {size:,} bytes that unpack to over {unpacked / 1e9:.1f} GB; unpack it yourself")


def _recoded(path: Path) -> bytes:
    try:
        return path.read_bytes().decode("utf-16").encode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; save it as UTF-8") from None


# --- names ----------------------------------------------------------------------------------------------------------


def _names(label: str, names: Iterable[object]) -> tuple[str, ...]:
    out = tuple(str(name) for name in names)
    if not out:
        raise InputError(f"{label}: has no columns; expected a date, an asset and values")
    return out


def _joined(parts: Sequence[str]) -> str:
    """One name for a column of several labels."""
    filled = [part for part in parts if part]
    return filled[0] if len(filled) == 1 else "" if not filled else "(" + ", ".join(map(repr, parts)) + ")"


def _levels_of(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The labels of columns by name: ``('Close', 'AAPL')`` is two, as pandas writes columns of two levels."""
    parsed = [
        tuple(part[1:-1] for part in re.findall(r"'[^']*'|\"[^\"]*\"", name)) if _TUPLE.fullmatch(name) else None
        for name in names
    ]
    depth = max((len(parts) for parts in parsed if parts), default=1)
    return tuple(
        (*parts, *[""] * (depth - len(parts))) if parts else (name, *[""] * (depth - 1))
        for name, parts in zip(names, parsed, strict=True)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether Arrow's `kind` holds text."""
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
