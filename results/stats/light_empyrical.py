"""empyrical without the half second that it takes to import what is not called here.

empyrical imports `scipy.optimize` and `scipy.stats` whole, for skewness, stability and the tail of a distribution; the
figures that are taken from it here need neither. While it is imported, both names are stand-ins in the namespace of
scipy; empyrical keeps those, and their functions import the real package when they are called.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["light_empyrical"]

_UNUSED = ("optimize", "stats")


class _Later(ModuleType):
    """A package of which only functions are used: each imports it when it is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # what the import machinery looks for
            raise AttributeError(name)

        def later(*arguments: Any, **options: Any) -> Any:
            return getattr(importlib.import_module(self.__name__), name)(*arguments, **options)

        return later


def light_empyrical() -> Any:
    """The package empyrical, whole.

    Examples
    --------
    >>> import pandas as pd
    >>> float(light_empyrical().cum_returns_final(pd.Series([0.5, 0.5])))
    1.25

    """
    if "empyrical" not in sys.modules:
        import scipy

        stands_in = [name for name in _UNUSED if f"scipy.{name}" not in sys.modules and name not in vars(scipy)]
        for name in stands_in:
            setattr(scipy, name, _Later(f"scipy.{name}"))
        try:
            importlib.import_module("empyrical")
        finally:
            for name in stands_in:
                if isinstance(vars(scipy).get(name), _Later):  # a thread may have imported the real one meanwhile
                    delattr(scipy, name)
    return sys.modules["empyrical"]
