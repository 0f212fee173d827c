"""Whether what a function is given is what it asks for: one line that says how to make it, in place of a traceback."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.folds import WalkForward
from assay.results.evidence.styles import StyleInputs
from assay.results.workflow.requests import Checks

__all__ = ["require_kinds"]

#: Argument → its class and how one is made; of a part that may be a person's own, what it has.
_KINDS: Mapping[str, tuple[type | str, str]] = {
    "strategy": ("needs", "one; load_strategy makes it of a name"),
    "model": ("fit", "one; load_model makes it of a name"),
    "predictions": (PredictionPanel, "a PredictionPanel; load_predictions makes one of a file or a frame"),
    "prices": (PricePanel, "a PricePanel; load_prices makes one of a file or a frame"),
    "benchmark": (pd.Series, "a Series of returns by date; load_returns makes one of a file or a frame"),
    "costs": (CostModel, "a CostModel, e.g. CostModel(commission_bps=5.0)"),
    "execution": (Execution, "an Execution, e.g. Execution(delay=1)"),
    "checks": (Checks, "Checks, e.g. Checks(leaks=True)"),
    "styles": (StyleInputs, "StyleInputs, e.g. StyleInputs(sectors=...)"),
    "plan": (WalkForward, "a WalkForward, e.g. WalkForward(train=1260, retrain='monthly')"),
}
#: Arguments that may be left out.
_OPTIONAL = ("benchmark", "costs", "execution", "checks", "styles")


def require_kinds(who: str, **given: object) -> None:
    """Raise `InputError` if an argument is of another kind, or a class in place of what is made of it.

    None stands for the default of an argument that has one.

    Parameters
    ----------
    who : the function, for the message.
    given : arguments by name, keys of `_KINDS`.

    Examples
    --------
    >>> require_kinds("backtest", costs=None)
    >>> require_kinds("backtest", prices="bars.csv")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    assay.data.errors.InputError: backtest: prices must be a PricePanel; load_prices makes one of a file or... (got str)

    """
    for name, value in given.items():
        kind, wanted = _KINDS[name]
        if value is None and name in _OPTIONAL:
            continue
        is_class = isinstance(value, type)
        fits = hasattr(value, kind) and not is_class if isinstance(kind, str) else isinstance(value, kind)
        if not fits:
            given_kind = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
            raise InputError(f"{who}: {name} must be {wanted} (got {given_kind})")
