"""A table before it is read: its columns and the labels of its header, and the names that they are known by.

The header is looked at first; rows are read when it is known which columns are needed. A header may have several rows
(field and ticker), which is what the columns of a pandas frame with two levels become, in memory, in CSV and, as names
like ``('Close', 'AAPL')``, in Parquet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.data.errors import InputError, UnknownNameError
from assay.data.files.options import ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MISSING", "Source", "checked_names", "first_line", "is_text", "joined", "levels_of", "listed", "plain"]

#: How files write that a number is not there.
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "-", "--", ".", "#N/A", "#N/A N/A", "<NA>")
_TUPLE = re.compile(r"\(\s*(?:'[^']*'|\"[^\"]*\")\s*(?:,\s*(?:'[^']*'|\"[^\"]*\")\s*)+\)")


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

    def parts(self, numbers: Sequence[str]) -> int:
        """How many parts the rows can be read in, see `read_part`; 1 where they, or these columns, come at once."""
        return 1

    def read_part(self, part: int, *, texts: Sequence[str] = (), numbers: Sequence[str] = ()) -> pa.Table:
        """`read` of one of the `parts`, in the order of the rows; several threads may do so at a time."""
        raise NotImplementedError

    def own_columns(self, options: ReadOptions, fields: Iterable[str], kind: str) -> dict[str, str]:
        """Field to column, as somebody has said it.

        Raises
        ------
        InputError
            If `kind` has no such field, or the table no such column.

        """
        known = tuple(fields)
        for name, column in options.columns.items():
            if name not in known:
                raise UnknownNameError(f"field of {kind}", name, known)
            if column not in self.columns:
                raise InputError(f"{self.label}: no column {column!r}; it has {listed(self.columns)}")
        return dict(options.columns)

    def field_columns(
        self, options: ReadOptions, names: Mapping[str, Iterable[str]], kind: str, *, optional: Iterable[str] = ()
    ) -> dict[str, str]:
        """Field to column: as somebody has said it, else the one column of a name that the field goes by.

        Parameters
        ----------
        options : its ``columns`` may name these fields.
        names : field to the plain names that it goes by.
        kind : of file, as ``--column KIND.FIELD=NAME`` has it.
        optional : fields that may be missing.

        Raises
        ------
        InputError
            If a field has no column, or may be two.

        """
        out = self.own_columns(options, names, kind)
        taken = set(out.values())
        for name in names:
            if name in out:
                continue
            found = [column for column in self.columns if plain(column) in names[name] and column not in taken]
            if len(found) == 1:
                out[name] = found[0]
            elif found or name not in optional:
                fields = [f"({each})" if each in optional else each for each in names]
                raise InputError(
                    f"{self.label}: expected the columns {', '.join(fields[:-1])} and {fields[-1]}, got "
                    f"{', '.join(self.columns)}; name one with --column {kind}.{name}=NAME"
                )
        return out

    def line_of(self, row: int) -> str:
        """``, line 17`` of a text file or ``, row 16``, for the row at position `row`."""
        return f", row {row + 1}"

    def fractional(self, name: str) -> bool:
        """Whether a column holds numbers that are not whole, as far as its first cells say: no ids, and no dates."""
        import pyarrow.types as types

        column = self.read(texts=[name])[name]
        if not types.is_floating(column.type):
            return False
        return any(value is not None and value % 1 for value in column.slice(0, 200).to_pylist())

    def _read(self, texts: list[str], numbers: list[str]) -> pa.Table:
        raise NotImplementedError


def checked_names(label: str, names: Iterable[object]) -> tuple[str, ...]:
    out = tuple(str(name) for name in names)
    if not out:
        raise InputError(f"{label}: has no columns; expected a date, an asset and values")
    return out


def joined(parts: Sequence[str]) -> str:
    """One name for a column of several labels."""
    filled = [part for part in parts if part]
    return filled[0] if len(filled) == 1 else "" if not filled else "(" + ", ".join(map(repr, parts)) + ")"


def levels_of(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
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


def first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
