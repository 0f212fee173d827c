"""Values that JSON can hold: NumPy's and pandas' as Python's, what is not a finite number as null."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

__all__ = ["jsonable"]


def jsonable(value: object) -> object:
    """The value in JSON's types: mappings with text keys, lists, texts, finite numbers, dates as ISO text; else `str`.

    Examples
    --------
    >>> jsonable({1: (float("nan"), pd.Timestamp("2020-01-02"))})
    {'1': [None, '2020-01-02']}

    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value == value.normalize() else value.isoformat()
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
