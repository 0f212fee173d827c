"""Parts by name, by import path, by file, or from an installed package's entry points, and parameters from text.

What strategies, models, feature sets, labels, cost models, universes, quality checks, metrics and gate rules share.
Nothing registers itself: a catalogue is a constant, and a part's module is imported when it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import types
import typing
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import lru_cache
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assay.data.errors import BacktestError, InputError, OwnCodeError, UnknownNameError
from assay.data.own_code import named_error, place_of

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.panel import PricePanel

__all__ = [
    "checked_answer",
    "constructed",
    "find_class",
    "find_function",
    "find_object",
    "is_file_plugin",
    "load_object",
    "offered",
    "parameter_types",
    "plugin_file",
    "read_parameter",
    "require_types",
]

_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", type(None): "none"}
#: Beyond this a number is a slip of the finger.
_LARGEST = 1e15
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def offered(group: str, known: Container[str]) -> dict[str, str]:
    """What installed packages offer under an entry-point group, name → ``module:Class``; `known` names win."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=group) if point.name not in known}


def find_object(kind: str, name: str, known: Mapping[str, str], group: str) -> object:
    """What stands behind a name, ``package.module:Name`` or ``./path/file.py:Name``; importing is all that is done.

    Parameters
    ----------
    kind : for errors, e.g. ``"model"``.
    name : what was asked for; the beginning of one name will do.
    known : the catalogue, name → ``module:Name``.
    group : entry-point group of installed packages.

    Raises
    ------
    UnknownNameError
        If there is no such name; the nearest is suggested.
    InputError
        If the path cannot be imported.
    OwnCodeError
        If what is imported raises.

    """
    path = known.get(name) or (name if ":" in name else None)
    if path is None:
        every = {**offered(group, known), **known}
        fits = [name] if name in every else [each for each in every if name and each.startswith(name)]
        if len(fits) > 1:
            raise InputError(f"{kind} {name!r}: begins {len(fits)} names, {', '.join(sorted(fits))}; give more of it")
        if not fits:
            raise UnknownNameError(kind, name, every or ["package.module:Name", "./file.py:Name"])
        path = every[fits[0]]
    return load_object(f"{kind} {name!r}", path)


def find_class(
    kind: str, name: str, known: Mapping[str, str], group: str, methods: Sequence[Sequence[str]] = ((),)
) -> type:
    """The class behind a name or path, as `find_object`.

    Parameters
    ----------
    kind, name, known, group : as in `find_object`.
    methods : what the class must offer, all of one of these, before anybody may call it.

    Raises
    ------
    InputError
        If it is not a class, or none of that kind; and as `find_object`.

    """
    found = find_object(kind, name, known, group)
    if not inspect.isclass(found):
        raise InputError(f"{kind} {name!r}: a {type(found).__name__}, which is not a class; name the class itself")
    lacking = [[item for item in wanted if not callable(getattr(found, item, None))] for wanted in methods]
    if all(lacking):
        wanted = ", or ".join(" and ".join(items) for items in lacking)
        raise InputError(f"{kind} {name!r}: {found.__name__} is no {kind}; it lacks {wanted}")
    return found


def checked_answer(who: str, answer: object, prices: PricePanel, *, flags: bool = False) -> pd.DataFrame:
    """What a person's function gave for a panel of prices: a frame of its very sessions and assets.

    Parameters
    ----------
    who : for errors, e.g. ``"label 'mine:week'"``.
    answer : what it gave.
    prices : what it was given.
    flags : whether every cell must be true or false.

    Raises
    ------
    InputError
        If it is something else.

    """
    import pandas as pd

    if not isinstance(answer, pd.DataFrame) or answer.shape != prices.shape:
        given = answer.shape if isinstance(answer, pd.DataFrame) else type(answer).__name__
        raise InputError(f"{who}: gave {given}, expected a frame of {prices.shape}: sessions × assets")
    if not answer.index.equals(prices.sessions) or not answer.columns.equals(prices.assets):
        raise InputError(f"{who}: is of other sessions or assets than the prices it was given")
    strange = [str(kind) for kind in answer.dtypes if kind.kind not in ("b" if flags else "bfiu")]
    if strange:
        wanted = "true or false" if flags else "a number"
        raise InputError(f"{who}: holds {strange[0]}, expected {wanted} in every cell")
    return answer


def find_function(
    kind: str, name: str, group: str, takes: Sequence[str], known: Mapping[str, str]
) -> Callable[..., Any]:
    """The function behind a name or path, as `find_object`, called ``function(*takes)``.

    Raises
    ------
    InputError
        If it cannot be called with that many arguments; and as `find_object`.

    """
    found = find_object(kind, name, known, group)
    wanted = f"a function of ({', '.join(takes)})"
    if not callable(found) or inspect.isclass(found):
        raise InputError(f"{kind} {name!r}: a {type(found).__name__}, not {wanted}")
    try:
        inspect.signature(found).bind(*takes)
    except TypeError as error:
        raise InputError(f"{kind} {name!r}: not {wanted}: {error}") from None
    except ValueError:  # no readable signature: calling it will tell
        pass
    return found


def load_object(who: str, path: str) -> object:
    """What stands behind ``package.module:Name`` or ``./path/file.py:Name``.

    The module is one of an installed package, or lies in the working folder; a file may lie anywhere.

    Parameters
    ----------
    who : for errors, e.g. ``"--feature mine:momentum"``.
    path : the module or the file and, after the last colon, the name in it.

    Raises
    ------
    InputError
        If it is not there.
    OwnCodeError
        If the module's own code raises; file and line are named.

    """
    module, _, attribute = path.rpartition(":")
    if module.endswith(".py"):
        module = _module_of(who, Path(module))
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where a user's own module usually lies; last, so that it hides nothing
    try:
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # importing runs someone else's code: anything may come
        if (place := place_of(error)) is not None:
            fault = f"your code, {place}, raised {named_error(error)}"
            raise OwnCodeError(f"{who}: cannot import {path!r}: {fault}") from error
        reason = f"{type(error).__name__}: {error}"
        wanted = "package.module:Name or ./file.py:Name"
        raise InputError(f"{who}: cannot import {path!r}: {reason}; expected {wanted}") from error
    return found


def plugin_file(path: str) -> Path | None:
    """The source file of an object that `load_object` has loaded; None where it has none."""
    module = path.rpartition(":")[0]
    file = getattr(sys.modules.get(Path(module).stem if module.endswith(".py") else module), "__file__", None)
    return None if file is None else Path(file)


def is_file_plugin(name: str) -> bool:
    """Whether a part is named by a file: ``./path/file.py:Name``."""
    return name.rpartition(":")[0].endswith(".py")


def _module_of(who: str, file: Path) -> str:
    """The name under which a file is imported, its folder being put on the path: worker processes do it again."""
    if not file.is_file():
        raise InputError(f"{who}: there is no file {file}; expected ./path/file.py:Name")
    name, folder = file.stem, str(file.resolve().parent)
    if not name.isidentifier():
        raise InputError(f"{who}: {file.name} cannot be imported under its name; use letters, digits and _ alone")
    if folder not in sys.path:
        sys.path.append(folder)
        importlib.invalidate_caches()
    known = sys.modules.get(name)
    spec = known.__spec__ if known is not None else importlib.util.find_spec(name)
    origin = None if spec is None else spec.origin
    if origin is None or not os.path.exists(origin) or not _same_code(origin, file):
        raise InputError(f"{who}: {name!r} is the name of another module ({origin}); rename {file.name}")
    return name


def _same_code(known: str, file: Path) -> bool:
    """Whether a file is the one that a module was made of, or a copy of it, such as the one in a bundle."""
    return os.path.samefile(known, file) or Path(known).read_bytes() == file.read_bytes()


def parameter_types(found: type) -> dict[str, Any] | None:
    """Parameter → its type; None where anything may be passed."""
    try:
        hints = typing.get_type_hints(found)
    except (NameError, TypeError):
        hints = {}
    if is_dataclass(found):
        return {item.name: hints.get(item.name, Any) for item in fields(found) if item.init}
    try:
        signature = inspect.signature(found).parameters
    except ValueError:  # a class without a readable signature
        return None
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in signature.values()):
        return None
    return {
        key: hints.get(key, Any if item.annotation is inspect.Parameter.empty else item.annotation)
        for key, item in signature.items()
        if key != "self"
    }


def constructed(
    kind: str, name: str, found: type, params: Mapping[str, object], defaults: Mapping[str, object] | None = None
) -> Any:
    """An instance of a class of the catalogue; parameters that are text are read as the parameter's type.

    Parameters
    ----------
    kind, name : for errors, e.g. ``"model"`` and the name that was asked for.
    found : the class.
    params, defaults : parameters as given, and those that a preset sets beneath them.

    Raises
    ------
    UnknownNameError
        If a parameter is unknown; the nearest is suggested.
    InputError
        If a value does not fit its parameter, or the class refuses it.

    """
    known = parameter_types(found)
    for given in params:
        if known is not None and given not in known:
            raise UnknownNameError(f"parameter of {name}", given, known)
    owner = name if kind == "strategy" else f"{kind} {name}"
    read = {key: read_parameter(owner, key, value, (known or {}).get(key, Any)) for key, value in params.items()}
    try:
        return found(**{**(defaults or {}), **read})
    except BacktestError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{kind} {name!r}: {error}") from error


def read_parameter(owner: str, name: str, value: object, kind: Any) -> object:
    """`value` as the parameter's type; text is read, everything else must fit already.

    Raises
    ------
    InputError
        If it does not fit; `owner` and `name` are named.

    Examples
    --------
    >>> read_parameter("s2", "quantile", "0.1", float), read_parameter("s2", "vol_target", "none", float | None)
    (0.1, None)

    """
    choices = _choices(kind)
    # "none" is no text where nothing may be given.
    for choice in sorted(choices, key=lambda choice: choice is not type(None)):
        fits, read = _read(value, choice)
        if fits:
            return read
    wanted = " or ".join(dict.fromkeys(_say(choice) for choice in choices))
    raise InputError(f"{owner}: {name} must be {wanted}, got {value!r}")


def _choices(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)


def _say(choice: Any) -> str:
    if typing.get_origin(choice) is typing.Literal:
        return " or ".join(repr(option) for option in typing.get_args(choice))
    if typing.get_origin(choice) is tuple:
        return "a list such as " + ("a,b" if str in typing.get_args(choice) else "64,32")
    return _WORDS.get(choice, getattr(choice, "__name__", str(choice)))


def _read(value: object, choice: Any) -> tuple[bool, object]:
    """Whether `value` is, or as text reads as, one `choice` of type; and what it reads as."""
    text = value.strip() if isinstance(value, str) else None
    if choice is Any:
        return True, value
    if typing.get_origin(choice) is typing.Literal:
        return value in typing.get_args(choice), value
    if typing.get_origin(choice) is tuple:
        parts = text.strip("()[]").split(",") if text is not None else value
        if not isinstance(parts, list | tuple):
            return False, None
        inner = typing.get_args(choice)[0]
        read = [_read(part, inner) for part in parts if part != ""]
        return bool(read) and all(fits for fits, _ in read), tuple(item for _, item in read)
    if choice is type(None):
        return value is None or (text is not None and text.lower() in ("none", "")), None
    if choice is bool:
        if text is not None:
            return text.lower() in (*_TRUE, *_FALSE), text.lower() in _TRUE
        return isinstance(value, bool), value
    if choice in (int, float):
        return _number(value if text is None else text, choice)
    if choice is str:
        return isinstance(value, str), value
    return isinstance(choice, type) and isinstance(value, choice), value


def require_types(owner: str, recipe: object) -> None:
    """Refuse a frozen recipe whose fields hold what their annotations do not admit; nothing is read of text.

    Fields that take frames, mappings and the like are left to their own checks.

    Raises
    ------
    InputError
        If a field holds another type or none of its choices; `owner` and the field are named.

    Examples
    --------
    >>> from assay import CostModel
    >>> CostModel(commission_bps="5")
    Traceback (most recent call last):
    assay.data.errors.InputError: costs: commission_bps must be a number, got '5'

    """
    kind: Any = type(recipe)
    for name, choices in _plain_fields(kind):
        value = getattr(recipe, name)
        if not any(_is(value, choice) for choice in choices):
            wanted = " or ".join(dict.fromkeys(map(_say, choices)))
            raise InputError(f"{owner}: {name} must be {wanted}, got {value!r}")


@lru_cache(maxsize=256)
def _plain_fields(recipe: type) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The fields that take numbers, flags, texts, and choices or tuples of them alone, each with what it takes."""
    every = ((name, _choices(kind)) for name, kind in (parameter_types(recipe) or {}).items())
    return tuple((name, choices) for name, choices in every if all(map(_is_plain, choices)))


def _is_plain(choice: Any) -> bool:
    if typing.get_origin(choice) is tuple:
        return all(inner in (*_WORDS, ...) for inner in typing.get_args(choice))
    return choice in _WORDS or typing.get_origin(choice) is typing.Literal


def _is(value: object, choice: Any) -> bool:
    if typing.get_origin(choice) is typing.Literal:
        return isinstance(value, str | int) and value in typing.get_args(choice)
    if typing.get_origin(choice) is tuple:
        inner = typing.get_args(choice)[0]
        return isinstance(value, tuple | list) and all(_is(item, inner) for item in value)
    if choice in (int, float):
        return isinstance(value, Integral if choice is int else Real) and not isinstance(value, bool)
    return isinstance(value, (bool, np.bool_) if choice is bool else choice)


def _number(value: object, kind: type) -> tuple[bool, object]:
    if isinstance(value, bool) or (isinstance(value, str) and not value.isascii()):
        return False, None
    try:
        read = kind(value)
        exact = isinstance(value, str) or read == value
        return exact and abs(read) <= _LARGEST, read  # nan is not
    except (TypeError, ValueError, OverflowError):
        return False, None
