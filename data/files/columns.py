"""Cells of a file as codes and numbers: assets, sessions, floats, with errors that say where.

Everything that can be wrong with a cell is found here, once; what leaves is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.files.dates import parse_sessions
from assay.data.files.options import ReadOptions
from assay.data.files.sources import MISSING, Source, is_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Codes", "asset_codes", "asset_labels", "date_codes", "encoded", "floats", "one_array", "session_labels"]

#: An asset id of more characters is none.
_LONGEST = 200
_SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "%": 1e-2}


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


def encoded(table: pa.Table, name: str, label: str) -> tuple[pa.Array, np.ndarray]:
    """The distinct values that occur in a column and (rows,) codes into them, -1 for missing.

    Raises
    ------
    InputError
        If values of its type cannot be told apart.

    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table[name]
    try:
        if pa.types.is_dictionary(column.type):
            column = one_array(column.unify_dictionaries())
        else:
            column = one_array(column)
            runs = _run_starts(column)
            if runs is not None:
                heads = column.take(pa.array(runs[:-1])).dictionary_encode()
                return heads.dictionary, np.repeat(heads.indices.to_numpy(zero_copy_only=False), np.diff(runs))
            column = pc.dictionary_encode(column)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise InputError(f"{label}: column {name!r} holds {column.type}; expected text, dates or numbers") from None
    indices, values = column.indices, column.dictionary
    if indices.null_count:
        indices = pc.fill_null(indices, -1)
    codes = indices.to_numpy(zero_copy_only=False)
    occurs = np.zeros(len(values) + 1, dtype=bool)  # the last stands for "missing"
    occurs[codes] = True
    if occurs[:-1].all():
        return values, codes
    # A table of which rows were left out keeps the categories of all.
    places = np.append(np.cumsum(occurs[:-1]) - 1, -1)
    return values.take(pa.array(np.flatnonzero(occurs[:-1]))), places[codes]


def _run_starts(column: pa.Array) -> np.ndarray | None:
    """Where runs of equal stamps begin, and the length, if there are few: in order of date there is one a session."""
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)) or column.null_count or not len(column):
        return None
    values = column.view(pa.int32() if kind.bit_width == 32 else pa.int64()).to_numpy()
    starts = np.flatnonzero(values[1:] != values[:-1])
    return None if len(starts) > len(column) // 8 else np.concatenate([[0], starts + 1, [len(column)]])


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """The column in one piece; not copied if it is in one already."""
    import pyarrow as pa

    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _at(positions: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """`positions` at `codes`, -1 where a code is -1; not copied where every value stays where it is."""
    if len(positions) and (positions == np.arange(len(positions))).all():
        return codes
    answer: np.ndarray = np.append(positions, -1)[codes].astype(codes.dtype)
    return answer


def asset_codes(table: pa.Table, name: str, source: Source) -> Codes:
    """The asset ids of a long table, as text without surrounding blanks, sorted.

    Raises
    ------
    InputError
        If the column holds no ids: structures, lists, dates, truth values, or text of a size that no id has.

    """
    values, codes = encoded(table, name, source.label)
    labels, positions = asset_labels(values, name, source)
    return Codes(labels, _at(positions, codes))


def asset_labels(values: pa.Array, name: str, source: Source) -> tuple[pd.Index, np.ndarray]:
    """The ids among distinct values, sorted, and each value's place; -1 where it is none.

    Raises
    ------
    InputError
        As in `asset_codes`.

    """
    import pyarrow as pa

    kind = values.type
    if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise InputError(f"{source.label}: column {name!r} holds {kind}, not asset ids")
    texts = np.array([_id_text(value) for value in values.to_pylist()] or [""], dtype=object)
    if max(map(len, texts)) > _LONGEST:
        long = max(texts, key=len)
        raise InputError(f"{source.label}: column {name!r}: an id of {len(long):,} characters, {long[:20]!r}…")
    labels, inverse = np.unique(texts, return_inverse=True)
    used = labels != ""
    position = np.where(used, np.cumsum(used) - 1, -1)
    return pd.Index(labels[used], dtype="str", name="asset"), position[inverse]


def _id_text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None or value != value else str(value).strip()


def date_codes(table: pa.Table, name: str, source: Source, options: ReadOptions) -> tuple[Codes, int]:
    """The sessions of a table, sorted, and how many distinct stamps carried a time of day that was cut off.

    Raises
    ------
    InputError
        If a value is not a date, can be read as two, or is an instant whose session depends on a time zone.

    """
    values, codes = encoded(table, name, source.label)
    labels, positions, timed = session_labels(values, name, source, options)
    return Codes(labels, _at(positions, codes)), timed


def session_labels(
    values: pa.Array, name: str, source: Source, options: ReadOptions
) -> tuple[pd.DatetimeIndex, np.ndarray, int]:
    """The sessions among distinct values, sorted; each value's place, -1 where it is none; how many had a time of day.

    Raises
    ------
    InputError
        As in `date_codes`.

    """
    days, timed = parse_sessions(values, f"{source.label}: column {name!r}", options)
    missing = np.isnat(days)
    labels, remap = np.unique(days[~missing], return_inverse=True)
    full = np.full(len(days), -1)
    full[~missing] = remap
    return pd.DatetimeIndex(labels.astype("datetime64[us]"), name="date"), full, timed


def floats(table: pa.Table, name: str, source: Source, options: ReadOptions) -> np.ndarray:
    """A column as float64, NaN where empty.

    Text is read as people write numbers: thousands separators, a decimal comma, currency signs, K M B, percent.

    Raises
    ------
    InputError
        If a cell is not a number, or can be read as two.

    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = one_array(table[name])
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if is_text(kind):
        return _numbers_of(column, name, source, options)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan)
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise InputError(f"{source.label}: column {name!r} holds {kind}, not numbers")
    values = column if kind == pa.float64() else pc.cast(column, pa.float64(), safe=False)
    answer: np.ndarray = values.to_numpy(zero_copy_only=False)
    return answer


def _numbers_of(column: pa.Array, name: str, source: Source, options: ReadOptions) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    texts = ["" if text is None else str(text).strip() for text in column.dictionary.to_pylist()]
    used = set(np.unique(codes).tolist())
    texts = [text if position in used else "" for position, text in enumerate(texts)]
    what = f"{source.label}: column {name!r}"
    decimal = options.decimal or _decimal_of(texts, what)
    values = np.full(len(texts) + 1, np.nan)
    for position, text in enumerate(texts):
        if text in MISSING:
            continue
        value = _number(text, decimal)
        if value is None:
            line = source.line_of(int(np.flatnonzero(codes == position)[0]))
            raise InputError(f"{what}{line}: {text!r} is not a number; mend it or leave it empty")
        values[position] = value
    answer: np.ndarray = values[codes]
    return answer


def _decimal_of(texts: Iterable[str], what: str) -> str:
    """The decimal sign of texts, by those that leave no choice."""
    bare = [re.sub(r"[^\d.,]", "", text) for text in texts if "," in text or "." in text]
    comma = [text for text in bare if re.fullmatch(r"(\d{1,3}(\.\d{3})+|\d*),\d*", text) and not _grouped(text, ",")]
    point = [text for text in bare if re.fullmatch(r"(\d{1,3}(,\d{3})+|\d*)\.\d*", text) and not _grouped(text, ".")]
    many_commas = any(text.count(",") > 1 for text in bare)
    many_points = any(text.count(".") > 1 for text in bare)
    if comma and not point and not many_commas:
        return ","
    single = [text for text in bare if _grouped(text, ",") and "." not in text]
    if single and not point and not many_commas and not many_points:
        raise InputError(
            f"{what}: {single[0]!r} may be {single[0].replace(',', '')} or {single[0].replace(',', '.')}; "
            "say --decimal . or --decimal ,"
        )
    return "," if many_points and not point else "."


def _grouped(text: str, sign: str) -> bool:
    """Whether `sign` may stand between thousands: 1,234 but neither 0,123 nor 12,34."""
    return re.fullmatch(rf"[1-9]\d{{0,2}}({re.escape(sign)}\d{{3}})+", text) is not None


def _number(text: str, decimal: str) -> float | None:
    body = re.sub(r"[\s$€£¥₹'\u00a0\u202f]", "", text)
    negative = body.startswith("(") and body.endswith(")")
    body = body.strip("()")
    factor = _SUFFIXES.get(body[-1:].upper(), 1.0)
    if factor != 1.0:
        body = body[:-1]
    group = "," if decimal == "." else "."
    if group in body:
        if not re.fullmatch(rf"[-+]?\d{{1,3}}({re.escape(group)}\d{{2,3}})*{re.escape(group)}\d{{3}}"
                            rf"({re.escape(decimal)}\d*)?", body):  # fmt: skip
            return None
        body = body.replace(group, "")
    body = body.replace(decimal, ".")
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?inf(inity)?", body, re.IGNORECASE):
        return None
    value = float(body) * factor
    return -value if negative else value
