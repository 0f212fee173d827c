"""Strategies by name, by import path, or from an installed package's entry points.

Nothing registers itself: the catalogue is a constant, and a strategy's module is imported when it is asked for.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any

from assay.data.docstrings import parameter_meanings, text_of
from assay.data.errors import InputError
from assay.data.plugins import constructed, find_class, offered, parameter_types
from assay.strategies.base import EntryRule, Overlays, Strategy, reads_of

__all__ = ["ENTRY_POINTS", "STRATEGIES", "describe", "load_strategy", "strategy_class", "strategy_names"]

#: name → ``module:Class``.
STRATEGIES: Mapping[str, str] = types.MappingProxyType(
    {
        "quintile_long_short": "assay.strategies.ranked:QuintileLongShort",
        "s1_bottom_k": "assay.strategies.ranked:BottomK",
        "s2_filter_negative": "assay.strategies.ranked:FilterNegative",
        "s3_vol_scaled": "assay.strategies.ranked:VolScaled",
        "s4_benchmark_hedge": "assay.strategies.ranked:BenchmarkHedge",
        "s5_long_only": "assay.strategies.ranked:LongOnly",
        "s6_threshold": "assay.strategies.ranked:Threshold",
        "s7_confidence_scaled": "assay.strategies.ranked:ConfidenceScaled",
        "confidence": "assay.strategies.confidence:Confidence",
        "multitask_action": "assay.strategies.actions:MultitaskAction",
        "expected_return": "assay.strategies.actions:ExpectedReturn",
        "equal_weight": "assay.strategies.baselines:EqualWeight",
        "inverse_volatility": "assay.strategies.baselines:InverseVolatility",
        "buy_and_hold": "assay.strategies.baselines:BuyAndHold",
        "mean_variance": "assay.strategies.optimised.portfolios:MeanVariance",
        "min_variance": "assay.strategies.optimised.portfolios:MinVariance",
        "multi_period": "assay.strategies.optimised.multi_period:MultiPeriod",
        "cvar": "assay.strategies.optimised.portfolios:MeanCvar",
        "black_litterman": "assay.strategies.optimised.portfolios:BlackLitterman",
        "hrp": "assay.strategies.optimised.portfolios:Hrp",
        "risk_parity": "assay.strategies.optimised.portfolios:RiskParity",
        "max_diversification": "assay.strategies.optimised.portfolios:MaxDiversification",
    }
)

#: Group under which other packages offer strategies: ``name = "package.module:Class"``.
ENTRY_POINTS = "assay.strategies"

def strategy_names() -> tuple[str, ...]:
    """Names that `load_strategy` knows: the catalogue in its order, then those of installed packages.

    Examples
    --------
    >>> "s2_filter_negative" in strategy_names()
    True

    """
    return (*STRATEGIES, *sorted(offered(ENTRY_POINTS, STRATEGIES)))


def strategy_class(name: str) -> type:
    """The class behind a name or a ``package.module:Class`` path.

    Raises
    ------
    UnknownNameError
        If there is no such name; the nearest is suggested.
    InputError
        If the path cannot be imported.

    """
    return find_class("strategy", name, STRATEGIES, ENTRY_POINTS, methods=(("target_weights",), ("signals",)))


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
    strategy = constructed("strategy", name, found, params)
    if not isinstance(strategy, EntryRule | Strategy):
        members = ("name", "overlays", "needs", "target_weights")
        lacking = [member for member in members if not hasattr(strategy, member)]
        raise InputError(
            f"strategy {name!r}: {found.__name__} is no strategy; it lacks {', '.join(lacking)} "
            "(or, for an entry rule, see assay.strategies.base.EntryRule)"
        )
    if not isinstance(strategy, EntryRule) and not isinstance(strategy.overlays, Overlays):
        kind = type(strategy.overlays).__name__
        raise InputError(f"strategy {name!r}: overlays must be assay.Overlays, `Overlays()` for none, got {kind}")
    return strategy


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
    common = parameter_meanings(Overlays)
    meanings = {**parameter_meanings(found), **common}
    types_of = parameter_types(found) or {}
    parameters = []
    for field, kind in sorted(types_of.items(), key=lambda item: item[0] in common):
        default = _default(found, field)
        shown = kind.__name__ if isinstance(kind, type) else str(kind)
        parameters.append({"name": field, "type": shown, "default": default, "meaning": meanings.get(field, "")})
    try:
        example = found()
    except TypeError:
        example = found  # a parameter without a default
    overlays, needs = (getattr(example, member, None) for member in ("overlays", "needs"))
    return {
        "name": name,
        "kind": "weights" if hasattr(found, "target_weights") else "entry rule",
        "rule": text_of(found),
        "parameters": parameters,
        "needs": {
            "prices": ["close", *(needs if isinstance(needs, tuple) else ())],
            "predictions": reads_of(found),
        },
        "overlays": asdict(overlays) if isinstance(overlays, Overlays) else None,
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
