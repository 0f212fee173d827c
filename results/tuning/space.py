"""What a search may try: for each parameter of a model a range of numbers, or a list of values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol, cast

from assay.data.errors import InputError, UnknownNameError
from assay.models.base import Forecaster

__all__ = ["Choice", "Range", "Suggests", "parse_space", "with_parameters"]

_RANGE_KEYS = ("low", "high", "log", "step")


class Suggests(Protocol):
    """What proposes values: a trial of optuna."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number."""
        ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number."""
        ...


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included.

    Parameters
    ----------
    low, high : whole numbers where both are written as such.
    log : evenly on the logarithm, for what spans orders of magnitude.
    step : distance of neighbours; None is 1 for whole numbers, and none for others.

    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, trial: Suggests, name: str) -> float:
        """The trial's next value."""
        if isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float):
            return trial.suggest_int(name, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that the model must accept."""
        return self.low, self.high


@dataclass(frozen=True)
class Choice:
    """One of a list of values, of any type."""

    values: tuple[Any, ...]

    def suggest(self, trial: Suggests, name: str) -> Any:
        """The trial's next value."""
        # By place: the values may be lists, which no search can name.
        return self.values[cast(Any, trial).suggest_categorical(name, list(range(len(self.values))))]

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that the model must accept."""
        return self.values


def parse_space(table: Mapping[str, Any], model: Forecaster) -> dict[str, Range | Choice]:
    """The search space of a model: parameter → ``{low, high, log, step}`` or a list of values.

    Raises
    ------
    UnknownNameError
        If the model has no such parameter; the nearest is suggested.
    InputError
        If a range is none, or the model refuses one of its ends.

    """
    if not is_dataclass(model):
        raise InputError(f"tune: {model.name} is no dataclass, so its parameters cannot be set; make it one")
    if not table:
        raise InputError("tune: no parameters; name one at least, e.g. penalty = { low = 0.1, high = 9.0, log = true }")
    known = [item.name for item in fields(cast(Any, model)) if item.init]
    space = {}
    for name, wanted in table.items():
        if name not in known:
            raise UnknownNameError(f"parameter of {model.name} to tune", name, known)
        space[name] = _parsed(name, wanted)
        for value in space[name].ends:
            try:
                with_parameters(model, {name: value})
            except InputError as error:
                raise InputError(f"tune: {name} = {value!r}: {error}") from None
    return space


def _parsed(name: str, wanted: Any) -> Range | Choice:
    if isinstance(wanted, list | tuple):
        values = tuple(_frozen(value) for value in wanted)
        if len(values) < 2 or any(value in values[:place] for place, value in enumerate(values)):
            raise InputError(f"tune: {name}: a list names at least two values, each once")
        return Choice(values)
    if not isinstance(wanted, Mapping) or not {"low", "high"} <= set(wanted):
        raise InputError(f"tune: {name}: expected {{ low = …, high = … }} or a list of values, got {wanted!r}")
    for key in wanted:
        if key not in _RANGE_KEYS:
            raise UnknownNameError(f"key of the range of {name}", str(key), _RANGE_KEYS)
    for key in ("low", "high", "step"):
        if key in wanted and not _is_number(wanted[key]):
            raise InputError(f"tune: {name}: {key} must be a finite number, got {wanted[key]!r}")
    log, step = wanted.get("log", False), wanted.get("step")
    if not isinstance(log, bool):
        raise InputError(f"tune: {name}: log must be true or false, got {log!r}")
    low, high = wanted["low"], wanted["high"]
    if not low < high or (log and low <= 0) or (step is not None and (step <= 0 or log)):
        raise InputError(f"tune: {name}: low lies below high, and above 0 with log; a step is positive and without log")
    return Range(low, high, log, step)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def with_parameters(model: Forecaster, values: Mapping[str, Any]) -> Forecaster:
    """The recipe with other parameters.

    Raises
    ------
    InputError
        If it refuses them.

    """
    try:
        return cast(Forecaster, replace(cast(Any, model), **{name: _frozen(value) for name, value in values.items()}))
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{model.name}: {error}") from None
