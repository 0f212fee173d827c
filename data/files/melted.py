"""Melted tables, a row a value: date, asset, the name of the field and its value; unfolded to a row a bar."""

from __future__ import annotations

from dataclasses import replace

from assay.data.errors import DataQualityError, InputError
from assay.data.files.aliases import Names
from assay.data.files.columns import floats
from assay.data.files.options import ReadOptions
from assay.data.files.readers import source_of_table
from assay.data.files.sources import Source, is_text, listed, plain

__all__ = ["MELTED", "unmelted"]

#: What such a table is called in the output.
MELTED = "melted, a row a value"
#: What the column that names the fields is called.
_LABELS = frozenset(
    ("field", "fields", "fieldname", "variable", "attribute", "item", "metric", "measure", "datafield", "datatype",
     "type", "key", "column", "pricetype")
)  # fmt: skip
_VALUES = ("value", "values", "val", "data", "amount", "number")


def unmelted(source: Source, names: Names, options: ReadOptions) -> Source | None:
    """The same table with a column a field; None where it is not melted.

    It is melted if a column is called like one of fields (`field`, `variable`, `attribute` …) and all that it holds are
    names of fields.

    Raises
    ------
    InputError
        If several columns may be the value, or a value is no number.
    DataQualityError
        If a field stands twice for a date and asset.

    """
    import pyarrow as pa

    candidates = [name for name in source.columns if plain(name) in _LABELS]
    if source.depth > 1 or not candidates or options.layout not in (None, "long"):
        return None
    for label in candidates:
        column = source.read(texts=[label])[label]
        if not is_text(getattr(column.type, "value_type", column.type)):
            continue
        said = {str(value).strip() for value in column.unique().to_pylist() if value is not None}
        fields = {value for value in said if names.field_of(value) is not None}
        if fields and all(value in fields or plain(value) in names.bystanders for value in said):
            break
    else:
        return None
    keys = [name for name in source.columns if name in options.columns.values() or _is_key(name, names)]
    keys = [name for name in keys if name != label and plain(name) not in _VALUES]
    rest = [name for name in source.columns if name not in (label, *keys, "", "Unnamed: 0", "index")]
    value = next((name for name in rest if plain(name) in _VALUES), rest[0] if len(rest) == 1 else None)
    if value is None:
        raise InputError(
            f"{source.label}: {label!r} names fields, and {listed(rest)} may each be their value; call one 'value'"
        )
    table = source.read(texts=[*keys, label], numbers=[value])
    frame = table.select(keys).to_pandas()
    frame["label"] = [None if item is None else str(item).strip() for item in table[label].to_pylist()]
    frame["number"] = floats(table, value, source, options)
    frame = frame[frame["label"].isin(fields)]
    twice = frame.duplicated(subset=[*keys, "label"])
    if twice.any():
        first = frame[twice].iloc[0]
        where = ", ".join(str(first[key]) for key in (*keys, "label"))
        raise DataQualityError(f"{source.label}: {int(twice.sum())} values stand twice, first {where}; keep one")
    wide = frame.set_index([*keys, "label"])["number"].unstack("label").reset_index()
    wide.columns = [str(name) for name in wide.columns]
    out = source_of_table(pa.Table.from_pandas(wide, preserve_index=False), source.label, source.stem)
    return replace(out, metadata=source.metadata)


def _is_key(name: str, names: Names) -> bool:
    return any(plain(name) in names.fields[key] for key in ("date", "asset"))
