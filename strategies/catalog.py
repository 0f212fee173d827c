"""Strategies by name, by import path, or from an installed package's entry points.

Nothing registers itself: the catalogue is a constant, and a strategy's module is imported when it is asked for.
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
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from data.errors import BacktestError, InputError, UnknownNameError
from strategies.base import EntryRule, Overlays, Strategy

__all__ = ["ENTRY_POINTS", "STRATEGIES", "describe", "load_strategy", "strategy_class", "strategy_names"]

#: name → ``module:Class``.
STRATEGIES: Mapping[str, str] = types.MappingProxyType(
    {
        "quintile_long_short": "strategies.ranked:QuintileLongShort",
        "s1_bottom_k": "strategies.ranked:BottomK",
        "s2_filter_negative": "strategies.ranked:FilterNegative",
        "s3_vol_scaled": "strategies.ranked:VolScaled",
        "s4_benchmark_hedge": "strategies.ranked:BenchmarkHedge",
        "s5_long_only": "strategies.ranked:LongOnly",
        "s6_threshold": "strategies.ranked:Threshold",
        "s7_confidence_scaled": "strategies.ranked:ConfidenceScaled",
        "confidence": "strategies.confidence:Confidence",
        "multitask_action": "strategies.actions:MultitaskAction",
        "expected_return": "strategies.actions:ExpectedReturn",
        "equal_weight": "strategies.baselines:EqualWeight",
        "inverse_volatility": "strategies.baselines:InverseVolatility",
        "buy_and_hold": "strategies.baselines:BuyAndHold",
        "mean_variance": "strategies.optimised_utility:MeanVariance",
        "min_variance": "strategies.optimised_utility:MinVariance",
        "cvar": "strategies.optimised_utility:MeanCvar",
        "black_litterman": "strategies.optimised_utility:BlackLitterman",
        "hrp": "strategies.optimised:Hrp",
        "risk_parity": "strategies.optimised:RiskParity",
        "max_diversification": "strategies.optimised:MaxDiversification",
    }
)

#: Group under which other packages offer strategies: ``name = "package.module:Class"``.
ENTRY_POINTS = "assay.strategies"

_WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", type(None): "none"}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def _offered() -> dict[str, str]:
    """Strategies of installed packages, name → ``module:Class``; the catalogue's own names win."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS) if point.name not in STRATEGIES}


def strategy_names() -> tuple[str, ...]:
    """Names that `load_strategy` knows: the catalogue in its order, then those of installed packages."""
    return (*STRATEGIES, *sorted(_offered()))


def strategy_class(name: str) -> type:
    """The class behind a name or a ``package.module:Class`` path.

    Raises
    ------
    UnknownNameError
        If there is no such name; the nearest is suggested.
    InputError
        If the path cannot be imported.

    """
    path = STRATEGIES.get(name)
    if path is None and ":" in name:
        path = name
    if path is None:
        offered = _offered()
        if name not in offered:
            raise UnknownNameError("strategy", name, [*STRATEGIES, *offered])
        path = offered[name]
    module_name, _, attribute = path.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # where a user's own module usually lies; last, so that it hides nothing
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs someone else's code: anything may come
        raise InputError(
            f"strategy {name!r}: cannot import {path!r}: {type(error).__name__}: {error}; expected package.module:Class"
        ) from error
    if not inspect.isclass(found):
        raise InputError(f"strategy {name!r}: {path!r} is not a class")
    return found


def load_strategy(name: str, **params: object) -> Strategy | EntryRule:
    """The strategy of that name or path, with parameters.

    Parameters
    ----------
    name : a name of `strategy_names`, or ``package.module:Class``.
    params : parameters of the strategy; strings are read as the parameter's type (``quantile="0.1"``,
        ``vol_target="none"``, ``kill_switches="off"``).

    Raises
    ------
    UnknownNameError
        If the name, or a parameter, is unknown; the nearest is suggested.
    InputError
        If the path cannot be imported, a value does not fit its parameter, or the class is no strategy.

    Examples
    --------
    >>> load_strategy("s2_filter_negative", quantile="0.1").quantile
    0.1

    """
    found = strategy_class(name)
    known = _parameters(found)
    for given in params:
        if known is not None and given not in known:
            raise UnknownNameError(f"parameter of {name}", given, known)
    values = {given: _coerce(name, given, value, (known or {}).get(given, Any)) for given, value in params.items()}
    try:
        strategy = found(**values)
    except BacktestError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"strategy {name!r}: {error}") from error
    if not isinstance(strategy, EntryRule | Strategy):
        lacking = [
            member for member in ("name", "overlays", "needs", "target_weights") if not hasattr(strategy, member)
        ]
        raise InputError(
            f"strategy {name!r}: {found.__name__} is no strategy; it lacks {', '.join(lacking)} "
            "(or, for an entry rule, see strategies.base.EntryRule)"
        )
    return strategy


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
    return {
        name: Any if item.annotation is inspect.Parameter.empty else item.annotation for name, item in signature.items()
    }


def _coerce(strategy: str, name: str, value: object, kind: Any) -> object:
    """`value` as the parameter's type; strings are read, numbers are checked."""
    options = (
        typing.get_args(kind)
        if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union
        else (kind,)
    )
    wanted = " or ".join(_WORDS.get(option, str(option)) for option in options)
    for option in options:
        try:
            return _read(value, option)
        except (ValueError, OverflowError):
            continue
    raise InputError(f"{strategy}: {name} must be {wanted}, got {value!r}")


def _read(value: object, kind: Any) -> object:
    """`value` as `kind`, or ValueError."""
    text = value.strip().lower() if isinstance(value, str) else None
    if kind is type(None):
        if value is None or text in ("none", "null", ""):
            return None
        raise ValueError
    if kind is bool:
        if isinstance(value, bool):
            return value
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise ValueError
    if kind is int or kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
        if math.isnan(number) or (kind is int and not number.is_integer()):
            raise ValueError
        return int(number) if kind is int else number
    if typing.get_origin(kind) is typing.Literal:
        for choice in typing.get_args(kind):
            if value == choice or str(value) == str(choice):
                return choice
        raise ValueError
    if kind is str and not isinstance(value, str):
        raise ValueError
    return value


def describe(name: str) -> dict[str, Any]:
    """What a strategy does and takes, JSON-able.

    Returns
    -------
    dict
        ``name``; ``kind`` (``weights`` or ``entry rule``); ``rule`` (its docstring without the parameters);
        ``parameters`` (a list of name, type, default, meaning); ``needs`` (``prices``: fields, ``predictions``: in
        words); ``overlays`` (smoothing, vol_target, kill_switches, or None); ``path``; ``example``.

    """
    found = strategy_class(name)
    text = _sections(inspect.getdoc(found) or "")[0]
    meanings: dict[str, str] = {}
    for base in reversed(found.__mro__[:-1]):  # what a class inherits is explained where it is defined
        meanings.update(_sections(inspect.cleandoc(base.__doc__ or ""))[1])
    common = _sections(inspect.getdoc(Overlays) or "")[1]
    meanings = {**meanings, **common}
    types_of = _parameters(found) or {}
    parameters = []
    for field, kind in sorted(types_of.items(), key=lambda item: item[0] in common):
        default = _default(found, field)
        shown = kind.__name__ if isinstance(kind, type) else str(kind)
        parameters.append({"name": field, "type": shown, "default": default, "meaning": meanings.get(field, "")})
    try:
        overlays = getattr(found(), "overlays", None)
    except TypeError:
        overlays = None  # a parameter without a default
    return {
        "name": name,
        "kind": "weights" if hasattr(found, "target_weights") else "entry rule",
        "rule": text,
        "parameters": parameters,
        "needs": {
            "prices": ["close", *(getattr(found, "needs", None) or ())],
            "predictions": str(getattr(found, "reads", "as the class says")),
        },
        "overlays": None
        if overlays is None
        else {part.name: getattr(overlays, part.name) for part in fields(overlays)},
        "path": STRATEGIES.get(name, f"{found.__module__}:{found.__qualname__}"),
        "example": _example(name, parameters),
    }


def _default(found: type, field: str) -> Any:
    """The default of a parameter, None where it has none."""
    if is_dataclass(found):
        item = next(item for item in fields(found) if item.name == field)
        if item.default_factory is not MISSING:
            return repr(item.default_factory())
        return None if item.default is MISSING else item.default
    default = inspect.signature(found).parameters[field].default
    return None if default is inspect.Parameter.empty else default


def _example(name: str, parameters: list[dict[str, Any]]) -> str:
    command = f"python cli.py backtest --strategy {name}"
    first = next((item for item in parameters if isinstance(item["default"], float)), None)
    return command if first is None else f"{command} --param {first['name']}={first['default']}"


def _sections(docstring: str) -> tuple[str, dict[str, str]]:
    """A numpydoc docstring as its text and the meaning of each parameter."""
    text, _, rest = docstring.partition("\nParameters\n")
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in rest.split("\n")[1:]:
        head, colon, meaning = line.partition(" : ")
        if colon and not line.startswith(" "):
            names = [part.strip() for part in head.split(",")]
            meanings.update(dict.fromkeys(names, meaning.strip()))
        elif line.startswith(" "):
            meanings.update({part: f"{meanings[part]} {line.strip()}" for part in names})
        elif line.strip():
            break
    return " ".join(text.split()), meanings
