"""Frozen values from TOML tables and back, driven by their fields and type hints: the schema is the model, once.

A field's hint says what its key holds: text, a number, true or false, `Printed` (a figure as printed, in quotes), a
dataclass (a table), a tuple of those (a list). ``Annotated[str, ("a", "b")]`` gives the choices, ``"date"`` and
``"print"`` what a text must look like. ``metadata={"key": …}`` renames a field's key, and ``""`` keeps it out of files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from assay.audit.claims.intervals import UNITS, Printed, parse_print
from assay.audit.claims.located import Located
from assay.data.errors import InputError

__all__ = ["check_keys", "from_toml", "inline", "printed_at", "stated", "toml_value"]

T = TypeVar("T")
_ISO = re.compile(r"^\d{4}(-\d{2}(-\d{2})?)?$")
_WORDS = {
    str: 'a string in quotes (figures too: "57.14%")', int: "a whole number", float: "a number", bool: "true or false",
    Printed: 'a figure as printed, in quotes ("57.14%")', "date": 'an ISO date ("2024-06-30")',
    "strings": "a list of strings", "table": "a table", "tables": "a list of tables",
}  # fmt: skip


class _Key(NamedTuple):
    """One key of a table: the field it fills, what it holds (a type, "date", "strings", "table", "tables"), its mark
    (choices, or "print"), the class of its tables, and whether it must stand there."""

    field: str
    holds: Any
    mark: Any = None
    of: Any = None
    needed: bool = False


@cache
def _keys(cls: Any) -> Mapping[str, _Key]:
    """Key -> what it holds, from the hints of a dataclass or a named tuple."""
    hints = get_type_hints(cls, include_extras=True)
    if is_dataclass(cls):
        known = [(f.name, f.metadata.get("key", f.name), f.default is MISSING and f.default_factory is MISSING)
                 for f in fields(cls)]  # fmt: skip
    else:
        known = [(name, name, False) for name in hints]
    return {key: _key(name, hints[name], needed) for name, key, needed in known if key}


def _keys_of(value: Any) -> Mapping[str, _Key]:
    kind: Any = type(value)
    return _keys(kind)


def _key(name: str, hint: Any, needed: bool) -> _Key:
    mark = None
    if get_origin(hint) in (Union, UnionType):
        hint = next(option for option in get_args(hint) if option is not NoneType)
    if get_origin(hint) is Annotated:
        hint, mark = get_args(hint)
    if mark == "date":
        return _Key(name, "date", needed=needed)
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        pairs = get_origin(item) is tuple
        return _Key(name, "pairs" if pairs else "strings" if item is str else "tables", of=item, needed=needed)
    if is_dataclass(hint) and hint is not Printed:
        return _Key(name, "table", of=hint, needed=needed)
    return _Key(name, hint, mark, needed=needed)


def check_keys(table: Mapping[str, Any], known: Mapping[str, Any], path: str, where: Located, what: str) -> None:
    """Refuse keys that are not known, with the nearest that is.

    Raises
    ------
    InputError
        With the line of the key.

    """
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise where.error(path, key, f"unknown key {key!r} in {what}; {hint}")


def from_toml(
    cls: Callable[..., T], table: Mapping[str, Any], path: str, where: Located, what: str = "",
    extra: Mapping[str, Any] | None = None,
) -> T:  # fmt: skip
    """A frozen value from a table, nested tables too.

    `extra` are values of fields that stand in no file, and of keys that the caller read itself; the other words are for
    messages.

    Raises
    ------
    InputError
        If a key is unknown or missing, or a value is of another type, no choice, or no figure; with its line.

    """
    extra = extra or {}
    known = _keys(cls)
    what = what or path.rpartition(".")[2].partition("[")[0]
    check_keys(table, known, path, where, what)
    values = dict(extra)
    for name, key in known.items():
        if key.field in values:
            continue
        if name in table:
            values[key.field] = _value(table[name], key, path, name, where)
        elif key.needed:
            raise where.error(path, name, f"{what} needs {name!r}")
    return cls(**values)


def _value(value: Any, key: _Key, path: str, name: str, where: Located) -> Any:
    if not _fits(value, key.holds):
        words = _WORDS["table" if key.holds == "pairs" else key.holds]
        raise where.error(path, name, f"{name!r} must be {words}, got {_shown(value)}")
    if isinstance(key.mark, tuple) and value not in key.mark:
        raise where.error(path, name, f"{name} {value!r} is not one of {', '.join(map(repr, key.mark))}")
    if key.holds is Printed:
        return printed_at(value, path, name, where)
    if key.mark == "print" and value:
        printed_at(value, path, name, where)
    if key.holds == "date":
        return value if isinstance(value, str) else value.isoformat()[:10]
    if key.holds == "table":
        return from_toml(key.of, value, f"{path}.{name}", where)
    if key.holds == "tables":
        return tuple(from_toml(key.of, item, f"{path}.{name}[{i}]", where) for i, item in enumerate(value))
    if key.holds == "pairs":
        return tuple((str(first), str(second)) for first, second in value.items())
    return tuple(value) if key.holds == "strings" else value


def printed_at(text: str, path: str, key: str, where: Located, unit: str = "", decimal: str = ".") -> Printed:
    """A printed figure, with the line of its key where it cannot be read.

    Raises
    ------
    InputError
        If no figure stands at its start.

    """
    try:
        return parse_print(text, unit=unit if unit in UNITS else "", decimal=decimal)
    except InputError as error:
        raise where.error(path, key, str(error)) from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _fits(value: Any, holds: Any) -> bool:
    if holds == "date":
        return hasattr(value, "isoformat") or (isinstance(value, str) and (not value or bool(_ISO.match(value))))
    if holds in (int, float):
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        return number and (holds is float or isinstance(value, int))
    if holds in ("strings", "tables"):
        item = str if holds == "strings" else dict
        return isinstance(value, list) and all(isinstance(part, item) for part in value)
    return isinstance(value, {Printed: str, "table": dict, "pairs": dict}.get(holds, holds))


def stated(value: Any, skip: Iterable[str] = ()) -> dict[str, Any]:
    """Key -> value of the fields that are not at their defaults, by their keys in files."""
    defaults = {f.name: f.default for f in fields(value)} if is_dataclass(value) else {}
    names = _keys_of(value)
    found = {key: getattr(value, item.field) for key, item in names.items() if item.field not in set(skip)}
    return {
        key: current
        for key, current in found.items()
        if current is not None and current not in ((), "") and current != defaults.get(names[key].field, "")
    }  # fmt: skip


def inline(value: Any) -> dict[str, Any]:
    """A frozen value as an inline table, its sequences of values too."""
    keys = _keys_of(value)
    return {
        key: [inline(keys[key].of(*part) if not is_dataclass(part) else part) for part in current]
        if keys[key].holds == "tables"
        else current
        for key, current in stated(value).items()
    }


def toml_value(value: object) -> str:
    """A value as TOML text; control characters are escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    text = value.text if isinstance(value, Printed) else str(value)
    return '"' + "".join(
        _ESCAPES.get(char) or (f"\\u{ord(char):04X}" if ord(char) < 32 or ord(char) == 127 else char) for char in text
    ) + '"'  # fmt: skip


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
