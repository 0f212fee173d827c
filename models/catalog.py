"""Models by name, by import path, or from an installed package's entry points.

Nothing registers itself: the catalogue is a constant, and a model's module is imported when it is asked for. No entry
here needs torch before it is fit.
"""

from __future__ import annotations

import importlib
import inspect
import math
import os
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from data.errors import InputError, UnknownNameError
from models.base import FittedForecaster, Forecaster
from models.checkpoint import read_metadata

__all__ = ["ENTRY_POINTS", "MODELS", "load_fitted", "load_model", "model_class", "model_names", "preset_names"]

#: name → ``module:Class``.
MODELS: Mapping[str, str] = types.MappingProxyType(
    {
        "stock_lstm": "models.ranking:StockLSTM",
        "stock_lstm_close": "models.ranking:StockLSTMClose",
        "b3_multitask": "models.multitask:MultiTaskLSTM",
        "reliance_direction": "models.direction:DirectionLSTM",
        "nse_price": "models.price:PriceLSTM",
        "ridge": "models.baselines:Ridge",
        "gradient_boosting": "models.sklearn_adapter:GradientBoosting",
        "sklearn": "models.sklearn_adapter:SklearnForecaster",
        "momentum": "models.baselines:Momentum",
        "reversal": "models.baselines:Reversal",
        "zero": "models.baselines:Zero",
        "majority": "models.baselines:MajorityClass",
    }
)

#: Group under which other packages offer models: ``name = "package.module:Class"``.
ENTRY_POINTS = "assay.models"

_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", type(None): "none"}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _offered() -> dict[str, str]:
    """Models of installed packages, name → ``module:Class``; the catalogue's own names win."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS) if point.name not in MODELS}


def model_names() -> tuple[str, ...]:
    """Names that `load_model` knows: the catalogue in its order, then those of installed packages."""
    return (*MODELS, *sorted(_offered()))


def model_class(name: str) -> type:
    """The class behind a name or a ``package.module:Class`` path.

    Raises
    ------
    UnknownNameError
        If there is no such name; the nearest is suggested.
    InputError
        If the path cannot be imported or is not a class.

    """
    path = MODELS.get(name) or (name if ":" in name else None)
    if path is None:
        offered = _offered()
        if name not in offered:
            raise UnknownNameError("model", name, [*MODELS, *offered])
        path = offered[name]
    module, _, attribute = path.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where a user's own module usually lies; last, so that it hides nothing
    try:
        found: object = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"model {name!r}: cannot import {path!r}: {error}; expected package.module:Class") from error
    if not inspect.isclass(found):
        raise InputError(f"model {name!r}: {path!r} is not a class")
    return found


def preset_names(name: str) -> tuple[str, ...]:
    """Presets of a model; ("default",) where it has none."""
    return tuple(getattr(model_class(name), "PRESETS", None) or {"default": {}})


def load_model(name: str, *, preset: str | None = None, **params: object) -> Forecaster:
    """The recipe of that name or path, with parameters.

    Parameters
    ----------
    name : a name of `model_names`, or ``package.module:Class``.
    preset : named parameters of the model, e.g. ``"report"``; None is ``"default"``.
    params : parameters of the model, over those of the preset; strings are read as the parameter's type
        (``epochs="5"``, ``units="64,32,16"``, ``fill="none"``).

    Raises
    ------
    UnknownNameError
        If the name, the preset or a parameter is unknown; the nearest is suggested.
    InputError
        If the path cannot be imported, a value does not fit its parameter, or the class is no model.

    Examples
    --------
    >>> load_model("stock_lstm", preset="small", epochs="5").epochs
    5

    """
    found = model_class(name)
    values: dict[str, object] = {}
    if preset is not None:
        presets = getattr(found, "PRESETS", None) or {"default": {}}
        if preset not in presets:
            raise UnknownNameError(f"preset of {name}", preset, presets)
        values.update(presets[preset])
    known = _parameters(found)
    for given, value in params.items():
        if known is not None and given not in known:
            raise UnknownNameError(f"parameter of {name}", given, known)
        values[given] = _coerced(name, given, value, (known or {}).get(given, Any))
    try:
        model = found(**values)
    except TypeError as error:
        raise InputError(f"model {name!r}: {error}") from error
    if not isinstance(model, Forecaster):
        lacking = [member for member in ("name", "lookback", "needs", "fit", "load") if not hasattr(model, member)]
        raise InputError(
            f"model {name!r}: {found.__name__} is no model; it lacks {', '.join(lacking)} (see models.base.Forecaster)"
        )
    return model


def load_fitted(folder: Path) -> FittedForecaster:
    """The fitted model in a folder, whichever recipe wrote it.

    Raises
    ------
    InputError
        If the folder holds no checkpoint, or its recipe is not known here.
    TrainingError
        If it is damaged.

    """
    content = read_metadata(Path(folder))
    return load_model(str(content["model"]), **dict(content["params"])).load(Path(folder))


def _parameters(found: type) -> dict[str, Any] | None:
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
    return {key: hints.get(key, Any) for key in signature if key != "self"}


def _coerced(model: str, name: str, value: object, kind: Any) -> object:
    """`value` as the parameter's type; text is read, everything else must fit already."""
    choices = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    for choice in choices:
        fits, read = _read(value, choice)
        if fits:
            return read
    wanted = " or ".join(dict.fromkeys(_say(choice) for choice in choices))
    raise InputError(f"model {model}: {name} must be {wanted}, got {value!r}")


def _say(choice: Any) -> str:
    if typing.get_origin(choice) is typing.Literal:
        return " or ".join(repr(option) for option in typing.get_args(choice))
    if typing.get_origin(choice) is tuple:
        return "a list such as 64,32"
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


def _number(value: object, kind: type) -> tuple[bool, object]:
    if isinstance(value, bool):
        return False, None
    try:
        read = kind(value)
    except (TypeError, ValueError):
        return False, None
    exact = isinstance(value, str) or read == value
    return exact and math.isfinite(read), read
