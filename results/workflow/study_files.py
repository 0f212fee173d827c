"""Studies as TOML: reading with a reason for every refusal, writing, and the JSON Schema that editors complete from.

The dataclasses of `assay.results.workflow.study` are the schema; nothing is said twice.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import textwrap
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.data.atomic import check_target, replacing
from assay.data.docstrings import first_sentence, parameter_meanings
from assay.data.errors import BacktestError, InputError, UnknownNameError
from assay.results.workflow.study import Study, TuneSection

__all__ = ["load_study", "load_tuning", "parse_study", "schema_text", "study_schema", "study_toml", "write_study"]

#: Fields of a section's dataclass that are no keys of the file.
_HIDDEN = ("table",)
_WORDS = {str: "a text", float: "a number", int: "a whole number", bool: "true or false", type(None): "nothing"}
_TYPES = {str: "string", float: "number", int: "integer", bool: "boolean"}
#: Keys that stored runs write; nobody types them.
_FOR_RUNS = ("in_memory", "made_from")
_WIDTH = 118


def load_study(path: Path | str) -> Study:
    """The study in a TOML file; its files are named as the file names them.

    Raises
    ------
    UnknownNameError
        If a key is unknown; the nearest is suggested.
    InputError
        If the file cannot be read, or a value is not what its key takes.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_study(parse_study("[strategy]\\nname = 's5_long_only'"), Path(folder) / "study.toml")
    ...     load_study(path).strategy.name
    's5_long_only'

    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not text in UTF-8; a study is a TOML file, see `init`") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; `init` writes a study") from None
    return parse_study(text, str(path))


def load_tuning(path: Path | str) -> TuneSection:
    """The [tune] of a TOML file that says nothing else, for a model and data that are named elsewhere.

    Raises
    ------
    UnknownNameError, InputError
        As `load_study`, or if there is no [tune], or more than that.

    """
    study = load_study(path)
    if study.tune is None:
        raise InputError(f"{path}: no [tune]; write [tune] and parameters = {{ NAME = {{ low = 0.1, high = 1.0 }} }}")
    if study != Study(tune=study.tune):
        raise InputError(f"{path}: says more than [tune], which --tune would not read; `run {path}` reads all of it")
    return study.tune


def parse_study(text: str, who: str = "study") -> Study:
    """The study in a TOML text; `who` is named in errors, which are those of `load_study`."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{who}: not TOML: {error}") from None
    built: Study = _section(Study, table, who)
    return built


def _section(kind: Any, table: Mapping[str, Any], who: str) -> Any:
    """A dataclass from a table of TOML."""
    hints = _keys(kind)
    for key in table:
        if key not in hints:
            # The class of UnknownNameError composes "unknown KIND 'KEY': did you mean …".
            raise UnknownNameError(f"key of {who}", key, hints)
    if table.get("same_close") is True and "same_close" in hints:
        table = {"delay": 0, **table}
    values = {}
    for key, value in table.items():
        inner = _section_of(hints[key])
        if inner is None:
            values[key] = _value(hints[key], value, f"{who} {key}")
        elif isinstance(value, Mapping):
            values[key] = _section(inner, value, f"{who} [{key}]")
        else:
            raise InputError(f"{who} {key}: expected a table [{key}], got {_shown(value)}")
    missing = [item.name for item in dataclasses.fields(kind) if item.name not in table and _is_required(item)]
    if missing:
        raise InputError(f"{who}: {missing[0]} is missing; it is {_expected(hints[missing[0]])}")
    try:
        return kind(**values)
    except BacktestError as error:
        raise InputError(f"{who}: {error}") from None


def _keys(kind: Any) -> dict[str, Any]:
    """Key → type of a section."""
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in dataclasses.fields(kind) if item.name not in _HIDDEN}


def _is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def _choices(kind: Any) -> tuple[Any, ...]:
    """The types of a union; one type as itself."""
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def _section_of(kind: Any) -> Any:
    """The dataclass behind a key that is a table, else None."""
    return next((choice for choice in _choices(kind) if dataclasses.is_dataclass(choice)), None)


def _value(kind: Any, value: Any, who: str) -> Any:
    """A TOML value as one of a key's types."""
    if isinstance(value, datetime.date) and str in _choices(kind):
        value = value.isoformat()
    for choice in _choices(kind):
        fits, read = _as(choice, value)
        if fits:
            return read
    raise InputError(f"{who}: expected {_expected(kind)}, got {_shown(value)}")


def _as(kind: Any, value: Any) -> tuple[bool, Any]:
    """Whether a value is of a type, and as that type."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True, value
    if origin is typing.Literal:
        return any(value == option and type(value) is type(option) for option in inner), value
    if origin is tuple:
        read = [_as(inner[0], item) for item in value] if isinstance(value, list) else []
        return isinstance(value, list) and all(fits for fits, _ in read), tuple(item for _, item in read)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        table = {key: _as(inner[1], item) for key, item in value.items()} if isinstance(value, Mapping) else {}
        fits = isinstance(value, Mapping) and all(each for each, _ in table.values())
        return fits, {key: item for key, (_, item) in table.items()}
    if kind is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return fits, float(value) if fits else None
    return type(value) is kind, value


def _expected(kind: Any) -> str:
    """A key's types in words."""
    words = []
    for choice in _choices(kind):
        origin, inner = typing.get_origin(choice), typing.get_args(choice)
        if choice is type(None):
            continue
        if origin is typing.Literal:
            words.append(" or ".join(json.dumps(option) for option in inner))
        elif origin is tuple:
            words.append(f"a list, each {_expected(inner[0])}")
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            words.append("a table")
        else:
            words.append(_WORDS[choice])
    return " or ".join(words)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _toml(value) if not isinstance(value, Mapping) else "a table"
    return repr(text[:60]) if isinstance(value, str) else text[:60]


def study_toml(study: Study, *, about: str = "", commented: bool = False) -> str:
    """A study as TOML: what differs from the defaults, and the defaults as comments where they are asked for.

    `load_study` reads back an equal study.

    Parameters
    ----------
    study : what to write.
    about : comment at the top.
    commented : also write every other key with its default and its meaning, behind ``#``.

    """
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    for name, kind in _keys(Study).items():
        value, inner = getattr(study, name), _section_of(kind)
        if inner is not None or isinstance(value, Mapping):
            lines += _table_lines(name, inner, value, commented)
        elif commented or value != _default(Study, name):
            meaning = f"  # {_short(parameter_meanings(Study)[name])}" if commented else ""
            lines += ["", f"{name} = {_toml(value)}{meaning}"]
    return "\n".join(lines).strip("\n") + "\n"


def _table_lines(name: str, kind: Any, value: Any, commented: bool) -> list[str]:
    """One section; an optional one that is absent stands there as a comment."""
    if kind is None:
        return ["", f"[{name}]", *(f"{_key(key)} = {_toml(item)}" for key, item in value.items())] if value else []
    head = ["", *textwrap.wrap(first_sentence(kind), _WIDTH, initial_indent="# ", subsequent_indent="# ")]
    body, meanings = [], parameter_meanings(kind)
    for key, hint in _keys(kind).items():
        here, default = (None if value is None else getattr(value, key)), _default(kind, key)
        off = value is None or here == default
        if off and (not commented or key in _FOR_RUNS):
            continue
        comment = f"  # {_short(meanings.get(key, ''))}" if commented else ""
        shown = default if off else here
        text = _example(hint) if shown in (None, (), {}) or shown is dataclasses.MISSING else _toml(shown)
        body.append(f"{'# ' if off else ''}{key} = {text}{comment}")
    if not commented:
        return ["", f"[{name}]", *body] if body or (value is not None and _default(Study, name) is None) else []
    return [*head, f"{'# ' if value is None else ''}[{name}]", *body]


def _short(meaning: str) -> str:
    """A meaning as a comment; of a long one its first sentence."""
    plain = meaning.replace("``", "")
    return (plain if len(plain) < 90 else re.split(r"(?<!e\.g)(?<!i\.e)[.;:] ", plain, maxsplit=1)[0]).rstrip(".")


def _default(kind: Any, name: str) -> Any:
    item = next(item for item in dataclasses.fields(kind) if item.name == name)
    return item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default


def _example(kind: Any) -> str:
    """What an empty key may hold, behind the comment sign."""
    first = next(choice for choice in _choices(kind) if choice is not type(None))
    origin = typing.get_origin(first)
    if origin is typing.Literal:
        return json.dumps(typing.get_args(first)[0])
    if origin is tuple:
        return "[]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "{}"
    return {str: '""', float: "0.0", int: "1", bool: "false"}[first]


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if plain else _toml(name)


def _toml(value: Any) -> str:
    """One value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return '"none"'  # TOML has no null; parameters of that type read this text as None
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(str(key))} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}"
    return repr(value)


def write_study(study: Study, path: Path, *, about: str = "", commented: bool = False) -> Path:
    """Write a study as TOML; the file appears whole or not at all."""
    check_target(path, (".toml",))
    with replacing(path) as temporary:
        temporary.write_text(study_toml(study, about=about, commented=commented), encoding="utf-8")
    return path


def study_schema() -> dict[str, Any]:
    """The JSON Schema of a study file, for editors."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A study of Assay",
        **_table_schema(Study),
    }


def schema_text() -> str:
    """`study_schema` as the file that ships."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


def _table_schema(kind: Any) -> dict[str, Any]:
    meanings = parameter_meanings(kind)
    properties: dict[str, Any] = {}
    for name, hint in _keys(kind).items():
        inner = _section_of(hint)
        schema = _table_schema(inner) if inner is not None else _value_schema(hint)
        if inner is None and name in meanings:
            schema["description"] = meanings[name]
        default = _default(kind, name)
        if isinstance(default, str | int | float | bool):
            schema["default"] = default
        properties[name] = schema
    required = [item.name for item in dataclasses.fields(kind) if _is_required(item)]
    out: dict[str, Any] = {"type": "object", "description": first_sentence(kind), "additionalProperties": False}
    return {**out, "properties": properties, **({"required": required} if required else {})}


def _value_schema(kind: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    for choice in _choices(kind):
        origin, inner = typing.get_origin(choice), typing.get_args(choice)
        if choice is type(None):
            continue
        if choice is Any:
            found.append({})
        elif origin is typing.Literal:
            found.append({"enum": list(inner)})
        elif origin is tuple:
            found.append({"type": "array", "items": _value_schema(inner[0])})
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            found.append({"type": "object", "additionalProperties": _value_schema(inner[1])})
        else:
            found.append({"type": _TYPES[choice]})
    return found[0] if len(found) == 1 else {"anyOf": found}
