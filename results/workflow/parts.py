"""The kinds of parts that may be a person's own, and the battery of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assay.data.errors import InputError, UnknownNameError

__all__ = ["PARTS", "PartKind", "check_part"]


@dataclass(frozen=True)
class PartKind:
    """A kind of part.

    Parameters
    ----------
    title : what it is, in a few words.
    check : of its name and settings to the names of the checks it passed; what it does wrong is raised.
    settings : whether it takes parameters.

    """

    title: str
    check: Callable[..., tuple[str, ...]]
    settings: bool = False


def check_part(
    kind: str, name: str, settings: Mapping[str, object] | None = None, *, preset: str | None = None,
    horizon: int = 1, delay: int = 1,
) -> tuple[str, ...]:  # fmt: skip
    """Try a part on random markets; what it does wrong is raised, the names of the checks it passed are returned.

    Parameters
    ----------
    kind : a key of `PARTS`.
    name : of a catalogue, or ``package.module:Name``, or ``./path/file.py:Name``.
    settings : its parameters, for kinds that have some.
    preset : named parameters, of a model; default: tiny where it has one.
    horizon, delay : of the labels, for models and labels.

    Raises
    ------
    LookAheadError
        If it looks ahead.
    InputError
        If it cannot be loaded, or another check fails.
    UnknownNameError
        If there is no such kind.

    Examples
    --------
    >>> check_part("features", "core_close")
    ('contract', 'warm-up', 'determinism', 'column order', 'causality', 'inputs untouched')

    """
    if kind not in PARTS:
        raise UnknownNameError("kind of part", kind, PARTS)
    part = PARTS[kind]
    if settings and not part.settings:
        raise InputError(f"{kind} {name!r}: takes no settings; give its function defaults")
    if kind == "model":
        return part.check(name, settings or {}, preset, horizon, delay)
    if kind == "label":
        return part.check(name, horizon=horizon, delay=delay)
    return part.check(name, **(settings or {}))


def _strategy(name: str, **settings: object) -> tuple[str, ...]:
    from assay.strategies.catalog import load_strategy
    from assay.strategies.contract import check_strategy

    return check_strategy(load_strategy(name, **settings))


def _model(
    name: str, settings: Mapping[str, object], preset: str | None, horizon: int, delay: int
) -> tuple[str, ...]:
    from assay.models.catalog import load_model, preset_names
    from assay.models.contract import check_forecaster

    if preset is None and "tiny" in preset_names(name):
        preset = "tiny"
    return check_forecaster(load_model(name, preset=preset, **settings), horizon=horizon, delay=delay)


def _features(name: str) -> tuple[str, ...]:
    from assay.data.contract import check_features

    return check_features(name)


def _label(name: str, *, horizon: int, delay: int) -> tuple[str, ...]:
    from assay.data.contract import check_label

    return check_label(name, horizon=horizon, delay=delay)


def _universe(name: str) -> tuple[str, ...]:
    from assay.data.contract import check_universe

    return check_universe(name)


def _quality(name: str) -> tuple[str, ...]:
    from assay.data.contract import check_quality

    return check_quality(name)


def _costs(name: str, **settings: object) -> tuple[str, ...]:
    from assay.results.checks.own_parts import check_cost_model

    return check_cost_model(name, **settings)


def _metric(name: str) -> tuple[str, ...]:
    from assay.results.checks.own_parts import check_metric

    return check_metric(name)


def _rule(name: str) -> tuple[str, ...]:
    from assay.results.checks.own_parts import check_gate_rule

    return check_gate_rule(name)


#: kind → what it is and how it is tried; each battery is imported when it is asked for.
PARTS: Mapping[str, PartKind] = {
    "strategy": PartKind("what trades the predictions", _strategy, settings=True),
    "model": PartKind("what makes predictions, retrained fold by fold", _model, settings=True),
    "features": PartKind("what a model reads", _features),
    "label": PartKind("what a model is trained towards", _label),
    "costs": PartKind("what trading and holding cost", _costs, settings=True),
    "universe": PartKind("who may be held when", _universe),
    "quality": PartKind("what is wrong or odd with prices", _quality),
    "metric": PartKind("a figure of a run", _metric),
    "rule": PartKind("a figure that a policy of the gate asks for", _rule),
}
