"""CSV and its kin: separator, rows of header, decimal sign, and what is wrong where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from assay.data.files.sources import MISSING, Source, checked_names, first_line, joined, levels_of, plain

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["header_of", "open_delimited", "refuse_unpacked"]

#: First cells by which a second or third line is a header still.
_AXES = frozenset(
    ("price", "prices", "ticker", "tickers", "symbol", "symbols", "field", "fields", "attribute", "attributes", "date",
     "dates", "datetime", "security", "securities", "instrument", "instruments", "timestamp")
)  # fmt: skip
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,' ]*([eE][-+]?\d+)?[KMBT%]?\)?")
_DATE = re.compile(r"\d{1,4}[-/.]\w{1,9}[-/.]\d{1,4}|\d{8}\b")
#: A file that would decode to more than this many bytes, and to more than so many times its size, is refused.
_LARGE, _SWOLLEN = 250_000_000, 200
#: How text begins that is no table.
_OTHERWISE = {
    "JSON": re.compile(r"\{|\[\s*[\[{\"\d]"), "HTML or XML": re.compile(r"<(!doctype|\?xml|html)", re.IGNORECASE),
}  # fmt: skip
_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2", b"\x04\x22\x4d\x18": "lz4"}
#: Lines of a CSV that are looked at to find its separator, header and decimal sign.
_PREVIEW = 60


@dataclass(frozen=True, eq=False)
class _CsvFile(Source):
    data: Any = None  # the path, or a buffer of what it holds
    separator: str = ","
    lines: int = 1  # of the header, blank ones before it included
    rows: tuple[tuple[str, ...], ...] = ()  # the first ones
    decimal: str = "."

    def line_of(self, row: int) -> str:
        return f", line {row + self.lines + 1}"

    def fractional(self, name: str) -> bool:
        at = self.columns.index(name)
        cells = [row[at] for row in self.rows if at < len(row)]
        return any(re.fullmatch(r"[-+]?\d*[.,]\d+([eE][-+]?\d+)?", cell) for cell in cells)

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
            raise InputError(f"{self.label}: cannot be read as CSV ({first_line(error)})") from None

    def _explain(self, error: Exception, texts: list[str], numbers: list[str]) -> str:
        """Arrow's complaint in the words of someone who looks at the file."""
        import pyarrow as pa

        message = first_line(error)
        if "UTF8" in message or "UTF-8" in message:
            return "is not UTF-8; save it as UTF-8"
        if "mpty CSV" in message:
            return "has a header and no rows"
        ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
        if ragged and not ragged.group(1):  # a single thread knows the line
            try:
                self._parsed(texts, numbers, threads=False)
            except pa.ArrowInvalid as known:
                message = first_line(known)
                ragged = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message) or ragged
        if ragged:
            row = f"line {int(ragged.group(1))}" if ragged.group(1) else "a line"
            return f"{row} has {ragged.group(3)} cells, the header {ragged.group(2)}; quote cells with a separator"
        return f"cannot be read as CSV ({message})"


def open_delimited(path: Path, options: ReadOptions, head: bytes) -> Source:
    """Look at the header of a text file that starts with the bytes `head`, unpacked if it is compressed.

    Raises
    ------
    InputError
        If it is no text, not in UTF-8, or has one column.

    """
    for mark, codec in _COMPRESSED.items():
        if head.startswith(mark):
            return _of_csv(path, options, _decompressed(path, codec))
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _of_csv(path, options, _recoded(path))
    if b"\0" in head:
        raise InputError(f"{path}: neither CSV nor Parquet (binary content); convert it to one of them")
    return _of_csv(path, options, None, head)


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
    for form, begins in _OTHERWISE.items():
        if begins.match(text.lstrip()):
            raise InputError(f"{path}: is {form}, which is not read as a table; save it as CSV or Parquet")
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
    names, levels, depth = header_of(str(path), rows)
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


def header_of(label: str, rows: list[list[str]]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], int]:
    """Names and labels of the columns, and how many of `rows` they take."""
    width = len(rows[0])
    depth = 1
    while depth < min(4, len(rows)) and _isheader_of(rows[depth], rows[0]):
        depth += 1
    if depth == 1:
        names = checked_names(label, rows[0])
        return names, levels_of(names), 1
    levels = [rows[0]] + [row for row in rows[1:depth] if any(row[1:])]
    key = next((row[0] for row in reversed(rows[:depth]) if row[0]), "")
    filled = [list(level) for level in levels]
    for position in range(2, width):  # a label of merged cells stands over the first of them
        filled[0][position] = filled[0][position] or filled[0][position - 1]
    labels = [(key, *[""] * (len(filled) - 1))]
    labels += [tuple(level[position] for level in filled) for position in range(1, width)]
    return checked_names(label, [joined(parts) for parts in labels]), tuple(labels), depth


def _isheader_of(row: list[str], first: list[str]) -> bool:
    """Whether a line after the first is still of the header: it names tickers, fields or the index."""
    if len(row) != len(first) or len(row) < 2:
        return False
    rest = row[1:]
    if any(_DATE.match(cell) for cell in row):
        return False
    if plain(row[0]) in _AXES:
        return all(rest) or not any(rest)
    values = any(_NUMBER.fullmatch(cell) or cell in MISSING for cell in rest)
    repeated = len(set(filter(None, first[1:]))) < len(first) - 1
    return row[0] == "" and not values and all(rest) and (repeated or first[0] == "")


def _decompressed(path: Path, codec: str) -> bytes:
    import pyarrow as pa

    parts: list[bytes] = []
    total, size = 0, path.stat().st_size
    try:
        with pa.CompressedInputStream(pa.OSFile(str(path)), codec) as stream:
            while part := stream.read(1 << 24):
                total += len(part)
                refuse_unpacked(path, total, size)
                parts.append(part)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: damaged {codec} file ({first_line(error)}); compress it again") from None
    content = b"".join(parts)
    if content[:4] == b"PAR1" or b"\0" in content[:65536]:
        raise InputError(f"{path}: holds no CSV; unpack it first")
    return content


def refuse_unpacked(path: Path, unpacked: int, size: int | None = None) -> None:
    size = path.stat().st_size if size is None else size
    if unpacked > _LARGE and unpacked > _SWOLLEN * size:
        raise InputError(f"{path}: {size:,} bytes that unpack to over {unpacked / 1e9:.1f} GB; unpack it yourself")


def _recoded(path: Path) -> bytes:
    try:
        return path.read_bytes().decode("utf-16").encode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8; save it as UTF-8") from None
