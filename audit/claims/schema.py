"""Frozen values from TOML tables and back, driven by their fields and type hints: the schema is the model, once.

`assay.audit.claims.model` says what its hints mean here. Each mistake is answered with its line.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from assay.audit.claims.intervals import Printed, parse_print
from assay.data.errors import InputError

__all__ = ["Place", "from_toml", "place_print", "table_lines", "toml_lines", "toml_value"]

T = TypeVar("T")
_HEADER = re.compile(r"^\s*(\[\[?)\s*([\w.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*[\"']?([\w-]+)[\"']?\s*[=.]")
_ISO = re.compile(r"^(\d{4}(-\d{2}(-\d{2})?)?)?$")


def table_lines(text: str) -> dict[str, int]:
    """The line of each table and key of a TOML text, by its path: ``group[0].sample``, ``group[0].sample.n``."""
    lines: dict[str, int] = {}
    counts: Counter[str] = Counter()
    table = quoted = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not quoted and (head := _HEADER.match(line)):
            table = ""
            *above, last = re.sub(r"[\"' ]", "", head[2]).split(".")
            for part in (*above, last):
                table = f"{table}.{part}".lstrip(".")
                counts[table] += head[1] == "[[" and part is last
                table += f"[{counts[table] - 1}]" if counts[table] else ""
            lines[table] = number
        elif not quoted and (key := _KEY.match(line)):
            lines.setdefault(f"{table}.{key[1]}".lstrip("."), number)
        for mark in ('"""', "'''"):
            if line.count(mark) % 2 and quoted in ("", mark):
                quoted = "" if quoted else mark
    return lines


@dataclass(frozen=True)
class Place:
    """A table of a TOML file, for messages: the file's name and lines (`table_lines`), and the table's path."""

    file: str
    lines: Mapping[str, int]
    path: str = ""

    def inside(self, key: str) -> Place:
        """A table or key in this one."""
        return Place(self.file, self.lines, f"{self.path}.{key}".lstrip("."))

    def error(self, key: str, message: str) -> InputError:
        """The error to raise about a key: with its line, or that of the nearest table around it that has one."""
        path = self.inside(key).path.rstrip(".")
        while path and path not in self.lines:
            path = re.sub(r"\.?[^.\[]+$|\[\d+\]$|.$", "", path)
        return InputError(f"{self.file}, line {self.lines.get(path, 1)}: {message}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known := list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(filter(None, known))}"


@cache
def _keys(cls: Any) -> dict[str, tuple[Field[Any], Any, Any]]:
    """Key -> field, its type without None, and its mark."""
    hints = get_type_hints(cls, include_extras=True)
    out = {}
    for item in fields(cls):
        hint, mark = hints[item.name], None
        while get_origin(hint) in (Annotated, Union, UnionType):
            if get_origin(hint) is Annotated:
                hint, mark = get_args(hint)
            else:
                hint = next(option for option in get_args(hint) if option is not NoneType)
        out[item.metadata.get("key", item.name)] = item, hint, mark
    return out


def from_toml(cls: Callable[..., T], table: Mapping[str, Any], place: Place, what: str = "the file") -> T:
    """A frozen value from a table, nested tables too; a field that is kept out of files is None.

    Raises
    ------
    InputError
        If a key is unknown or missing, or a value is of another type, no choice, too small, or no figure.

    """
    keys = _keys(cls)
    if unknown := [key for key in table if key not in keys or not key]:
        raise place.error(unknown[0], f"unknown key {unknown[0]!r} in {what}; {_nearest(unknown[0], keys)}")
    values = {}
    for key, (item, hint, mark) in keys.items():
        if key in table:
            values[item.name] = _value(table[key], hint, mark, key, place)
        elif item.default is MISSING and item.default_factory is MISSING:
            if key:
                raise place.error(key, f"{what} needs {key!r}")
            values[item.name] = None
    return cls(**values)


#: Type of a field → what stands in the file, in Python and in words; any other is a dataclass, so a table.
_HELD: dict[Any, tuple[Any, str]] = {
    str: (str, 'a string in quotes (figures too: "57.14%")'), Printed: (str, 'a figure in quotes ("57.14%")'),
    bool: (bool, "true or false"), int: (int, "a whole number"), float: (int | float, "a number"),
}  # fmt: skip


def _value(value: Any, hint: Any, mark: Any, key: str, place: Place) -> Any:
    """The value of a key, of what its hint and mark ask for."""
    part = get_args(hint)[0] if get_origin(hint) is tuple else None
    held, words = _HELD.get(hint, (dict, "a table"))
    good = isinstance(value, held) and (held is bool or not isinstance(value, bool))
    if mark == "date":
        words = 'an ISO date ("2024-06-30")'
        value = value.isoformat()[:10] if hasattr(value, "isoformat") else value
        good = isinstance(value, str) and bool(_ISO.match(value))
    elif part is not None:
        words = f"a list of {'strings' if part is str else 'tables'}"
        good = isinstance(value, list) and all(isinstance(item, str if part is str else dict) for item in value)
    if not good or (hint in (int, float) and not abs(value) <= 1e300):
        raise place.error(key, f"{key!r} must be {words}, got {_shown(value)}")
    if isinstance(mark, tuple) and value not in mark:
        raise place.error(key, f"unknown {key} {value!r}; {_nearest(value, mark)}")
    if isinstance(mark, int) and (size := len(value) if isinstance(value, list) else value) < mark:
        raise place.error(key, f"{key} {size} is below {mark}" if mark else f"{key} {size} is negative")
    if part is not None:
        what, items = key if place.path else f"[[{key}]]", enumerate(value)
        return tuple(x if part is str else from_toml(part, x, place.inside(f"{key}[{i}]"), what) for i, x in items)
    if hint is Printed:
        return place_print(value, key, place)
    return value if hint in _HELD else from_toml(hint, value, place.inside(key), key)


def _shown(value: Any) -> str:
    """The beginning of a value for a message; a whole number can be longer than Python writes out."""
    try:
        return f"{value!r:.60}"
    except ValueError:
        return "a number of thousands of digits"


def place_print(text: str, key: str, place: Place, unit: str = "", decimal: str = ".") -> Printed:
    """A printed figure; the error where none stands at the start of the text has the line of its key."""
    try:
        return parse_print(text, unit=unit, decimal=decimal)
    except InputError as error:
        raise place.error(key, str(error)) from None


def _stated(value: Any) -> dict[str, Any]:
    """Key -> value of the fields that are not at their defaults."""
    kind: Any = type(value)
    pairs = {key: (getattr(value, item.name), item.default) for key, (item, _, _) in _keys(kind).items() if key}
    return {key: current for key, (current, default) in pairs.items() if current not in (None, (), "", default)}


def toml_lines(value: Any, head: str = "") -> list[str]:
    """A frozen value as a TOML table under its heading: a key a line, then the tables inside it."""
    lines, inside = [f"[{head}]"] if head else [], []
    for key, item in _stated(value).items():
        if is_dataclass(item) and not isinstance(item, Printed):
            inside += ["", *toml_lines(item, f"{head.strip('[]')}.{key}")] if _stated(item) else []
        else:
            lines.append(f"{key} = {toml_value(item, broken=True)}")
    return lines + inside


def toml_value(value: Any, broken: bool = False) -> str:
    """A value as TOML text; control characters are escaped. `broken`: tables of a list stand on lines of their own."""
    if is_dataclass(value):
        value = str(value) if isinstance(value, Printed) else _stated(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, tuple | list):
        items = [toml_value(item) for item in value]
        lines = broken and any(item[0] == "{" for item in items)
        return "[\n  " + ",\n  ".join(items) + ",\n]" if lines else f"[{', '.join(items)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
