"""Files as Arrow tables: reading CSV and Parquet, naming columns, parsing dates, with errors that say where.

Everything that can be wrong with a file is found here, once; what leaves is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ASSET_NAMES", "DATE_NAMES", "Source", "asset_codes", "date_codes", "floats", "match_columns"]

DATE_NAMES = ("date", "session", "timestamp", "datetime", "time", "day", "asof", "asofdate")
ASSET_NAMES = ("asset", "ticker", "symbol", "name", "instrument", "secid", "permno", "isin", "assetid", "stock")
_UNNAMED = ("", "unnamed0", "index", "indexlevel0", "level0")
_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "-", "#N/A"]
_ZONE = re.compile(r"\d[T ]\d{2}:\d{2}.*(Z|[+-]\d{2}:?\d{2})$|UTC$|GMT$")


def plain(name: str) -> str:
    """A column name reduced to what people mean: lower case, letters and digits only.

    Examples
    --------
    >>> plain("Adj Close"), plain("probability_up")
    ('adjclose', 'probabilityup')

    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


@dataclass(frozen=True)
class Source:
    """A file whose columns are known and whose rows are not read yet.

    Parameters
    ----------
    path : the file.
    columns : its column names, in order, each once.
    parquet : whether it is Parquet; else CSV.
    separator : of a CSV.

    """

    path: Path
    columns: tuple[str, ...]
    parquet: bool
    separator: str = ","

    @classmethod
    def open(cls, path: str | Path) -> Source:
        """Look at the header.

        Raises
        ------
        InputError
            If there is no such file, it is a directory, empty, unreadable, or neither Parquet nor CSV in UTF-8.

        """
        path = Path(path)
        if path.is_dir():
            raise InputError(f"{path}: is a directory; name the CSV or Parquet file in it")
        try:
            with path.open("rb") as file:
                head = file.read(65536)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; check the path") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
        if not head.strip():
            raise InputError(f"{path}: the file is empty; expected a header and rows")
        if head[:4] == b"PAR1":
            columns, separator = _parquet_columns(path), ","
        else:
            columns, separator = _csv_columns(path, head)
        twice = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
        if twice:
            raise InputError(f"{path}: column {twice[0]!r} stands there twice; rename or remove one")
        return cls(path, columns, head[:4] == b"PAR1", separator)

    def read(self, *, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> pa.Table:
        """The columns `texts` (categories and dates, as stored in Parquet, as text from CSV) and `numbers`.

        Raises
        ------
        InputError
            If a cell of `numbers` is not a number, or the file is damaged or has no rows.

        """
        table = self._read_parquet(texts, numbers) if self.parquet else self._read_csv(texts, numbers)
        if table.num_rows == 0:
            raise InputError(f"{self.path}: has a header and no rows")
        return table

    def metadata(self) -> Mapping[bytes, bytes]:
        """The key-value metadata of a Parquet file; empty for CSV."""
        if not self.parquet:
            return {}
        import pyarrow.parquet as pq

        return pq.read_schema(self.path).metadata or {}

    def _read_parquet(self, texts: Sequence[str], numbers: Sequence[str]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            schema = pq.read_schema(self.path)
            strings = [name for name in texts if _is_text(schema.field(name).type)]
            table = pq.read_table(
                self.path, columns=[*texts, *numbers], read_dictionary=strings, partitioning=None, memory_map=True
            )
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.path}: damaged Parquet ({_first_line(error)}); write it again") from None
        return table

    def _read_csv(self, texts: Sequence[str], numbers: Sequence[str], *, threads: bool = True) -> pa.Table:
        import pyarrow as pa
        from pyarrow import csv

        types = dict.fromkeys(texts, pa.dictionary(pa.int32(), pa.string())) | dict.fromkeys(numbers, pa.float64())
        try:
            return csv.read_csv(
                self.path,
                read_options=csv.ReadOptions(column_names=list(self.columns), skip_rows=1, use_threads=threads),
                parse_options=csv.ParseOptions(delimiter=self.separator, ignore_empty_lines=True),
                convert_options=csv.ConvertOptions(
                    column_types=types, include_columns=[*texts, *numbers], null_values=_MISSING
                ),
            )
        except (pa.ArrowException, OSError) as error:
            message = _first_line(error)
            if threads and re.search(r"Expected \d+ columns", message):
                return self._read_csv(texts, numbers, threads=False)  # a single thread knows the line
            raise InputError(f"{self.path}: {self._explain(message)}") from None

    def _explain(self, message: str) -> str:
        """Arrow's complaint in the words of someone who looks at the file."""
        if "UTF8" in message or "UTF-8" in message:
            return "is not UTF-8; save it as UTF-8"
        if "mpty CSV" in message:
            return "has a header and no rows"
        value = re.search(r"CSV column #(\d+).*?conversion error to (\w+): invalid value '(.*)'", message)
        if value:
            name, wrong = self.columns[int(value.group(1))], value.group(3)
            return f"column {name!r}{self._row_of(name, wrong)}: {wrong!r} is not a number; mend it or leave it empty"
        ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
        if ragged:
            row = f"line {int(ragged.group(1))}" if ragged.group(1) else "a line"
            return f"{row} has {ragged.group(3)} cells, the header {ragged.group(2)}; quote cells with a separator"
        return f"cannot be read as CSV ({message})"

    def _row_of(self, name: str, wrong: str) -> str:
        """``, line 17`` of the first cell of column `name` that reads `wrong`."""
        table = self._read_csv([name], ())
        column = table[name].to_pylist()
        return f", line {column.index(wrong) + 2}" if wrong in column else ""


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: damaged Parquet ({_first_line(error)}); write it again") from None


def _csv_columns(path: Path, head: bytes) -> tuple[tuple[str, ...], str]:
    import csv

    if b"\0" in head:
        raise InputError(f"{path}: neither CSV nor Parquet (binary content); convert it to one of them")
    line = head.lstrip(b"\r\n").splitlines()[0]
    try:
        header = line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; save it as UTF-8") from None
    separator = max(",;\t|", key=header.count)
    if separator not in header:
        raise InputError(f"{path}: the first line {header[:60]!r} has one column; expected e.g. date,asset,close")
    return tuple(name.strip() for name in next(csv.reader([header], delimiter=separator))), separator


def match_columns(
    source: Source, wanted: Mapping[str, Iterable[str]], field_map: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Which column of the file is which of the `wanted` fields.

    Parameters
    ----------
    source : the file.
    wanted : field to the (plain) names it goes by, the best first.
    field_map : field to the file's own column name; wins.

    Returns
    -------
    dict
        Field to column, for the fields that are there.

    Raises
    ------
    InputError
        If `field_map` names a field or column that does not exist.

    """
    found: dict[str, str] = {}
    for name, column in (field_map or {}).items():
        if name not in wanted:
            raise InputError(f"field_map: no field {name!r}; fields are {', '.join(wanted)}")
        if column not in source.columns:
            raise InputError(f"{source.path}: no column {column!r}; it has {_listed(source.columns)}")
        found[name] = column
    names = {plain(column): column for column in reversed(source.columns)}
    for name, synonyms in wanted.items():
        for synonym in synonyms if name not in found else ():
            if synonym in names and names[synonym] not in found.values():
                found[name] = names[synonym]
                break
    if "date" in wanted and "date" not in found and plain(source.columns[0]) in _UNNAMED:
        found["date"] = source.columns[0]
    if "date" in wanted and "date" not in found:
        last = plain(source.columns[-1])
        if source.parquet and last in _UNNAMED:
            found["date"] = source.columns[-1]  # pandas writes its index last
    return found


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(map(repr, columns[:8]))
    return shown + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")


@dataclass(frozen=True, eq=False)
class Codes:
    """One axis of a long table.

    Parameters
    ----------
    labels : the distinct labels, sorted.
    codes : (rows,) position of each row's label; -1 where it is missing.

    """

    labels: pd.Index
    codes: np.ndarray


def _encoded(table: pa.Table, name: str) -> tuple[pa.Array, np.ndarray]:
    """The distinct values of a column and (rows,) codes into them, -1 for missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table[name]
    if pa.types.is_dictionary(column.type):
        column = _one_array(column.unify_dictionaries())
    else:
        column = pc.dictionary_encode(_one_array(column))
    indices = column.indices
    if indices.null_count:
        indices = pc.fill_null(indices, -1)
    return column.dictionary, indices.to_numpy(zero_copy_only=False).astype(np.int64, copy=False)


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece; not copied if it is in one already."""
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def asset_codes(table: pa.Table, name: str) -> Codes:
    """The asset ids of a long table, as text without surrounding blanks, sorted."""
    values, codes = _encoded(table, name)
    texts = np.array([str(value).strip() for value in values.to_pylist()] or [""])
    labels, inverse = np.unique(texts, return_inverse=True)
    present = np.zeros(len(texts) + 1, dtype=bool)  # of the values, those that some row has; the last is "missing"
    present[codes] = True
    used = np.zeros(len(labels), dtype=bool)
    used[inverse[present[:-1]]] = True
    used &= labels != ""
    position = np.where(used, np.cumsum(used) - 1, -1)
    rows = np.append(position[inverse], -1)[codes]
    return Codes(pd.Index(labels[used].astype(object), dtype="str", name="asset"), rows)


def date_codes(table: pa.Table, name: str, path: Path) -> tuple[Codes, int]:
    """The sessions of a table, sorted, and how many distinct stamps carried a time of day that was cut off.

    Raises
    ------
    InputError
        If a value is not a date or carries a time zone.

    """
    values, codes = _encoded(table, name)
    stamps = _parse_dates(values, f"{path}: column {name!r}")
    days = stamps.astype("datetime64[D]")
    timed = int((days != stamps).sum())
    missing = np.isnat(days)
    labels, remap = np.unique(days[~missing], return_inverse=True)
    full = np.full(len(days) + 1, -1)
    full[:-1][~missing] = remap
    sessions = pd.DatetimeIndex(labels.astype("datetime64[us]"), name="date")
    return Codes(sessions, full[codes]), timed


def _parse_dates(values: pa.Array, what: str) -> np.ndarray:
    """Distinct date values as datetime64[us], NaT where empty."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            raise InputError(f"{what} carries the time zone {kind.tz}; convert to tz-naive exchange dates first")
        return values.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False)
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    if not (_is_text(kind) or pa.types.is_integer(kind)):
        raise InputError(f"{what} holds {kind}, not dates; write them as YYYY-MM-DD")
    texts = [str(value).strip() for value in values.to_pylist()]
    out = np.full(len(texts), np.datetime64("NaT", "us"))
    for i, text in enumerate(texts):
        if text in _MISSING:
            continue
        if _ZONE.search(text):
            raise InputError(f"{what} carries a time zone ({text!r}); convert to tz-naive exchange dates first")
        if not re.match(r"\d{4}-\d{2}-\d{2}|\d{8}$", text):
            raise InputError(f"{what}: {text!r} is not a date; write it as YYYY-MM-DD")
        if len(text) == 8:
            text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
        try:
            out[i] = np.datetime64(text.replace(" ", "T").split(".")[0], "us")
        except ValueError:
            raise InputError(f"{what}: {text!r} is not a date; write it as YYYY-MM-DD") from None
    return out


def floats(table: pa.Table, name: str, path: Path) -> np.ndarray:
    """A column as float64, NaN where empty.

    Raises
    ------
    InputError
        If a cell is not a number.

    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _one_array(table[name])
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if pa.types.is_boolean(kind) or not (
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind) or _is_text(kind)
    ):
        raise InputError(f"{path}: column {name!r} holds {kind}, not numbers")
    try:
        values = column if kind == pa.float64() else pc.cast(column, pa.float64(), safe=False)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path}: column {name!r}: {_first_line(error)}; mend it or leave it empty") from None
    return values.to_numpy(zero_copy_only=False)
