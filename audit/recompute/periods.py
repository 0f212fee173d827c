"""Calendar periods as reports name them: a day, a month, a quarter, a half year, a year."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["days_of"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = re.compile(r"((?:19|20)\d\d)-(\d\d)-(\d\d)")
_YEAR = re.compile(r"((?:19|20)\d\d)")
_PART = re.compile(r"((?:19|20)\d\d)[\s-]*([qh])([1-4])|([qh])([1-4])[\s-]*((?:19|20)\d\d)")
_MONTH = re.compile(
    r"((?:19|20)\d\d)-(\d\d)|(" + "|".join(_MONTHS) + r")[a-z]*\.?\s+((?:19|20)\d\d)|((?:19|20)\d\d)\s+("
    + "|".join(_MONTHS) + r")[a-z]*"
)  # fmt: skip


def days_of(words: str) -> tuple[np.datetime64, np.datetime64] | None:
    """First and last day of a calendar period; None where the words name no single one.

    Fiscal years (``FY2021``) begin on different days in different firms and are not read.

    Examples
    --------
    >>> [str(day) for day in days_of("2024-Q1")], [str(day) for day in days_of("Feb 2024")]
    (['2024-01-01', '2024-03-31'], ['2024-02-01', '2024-02-29'])
    >>> days_of("epoch 35"), days_of("FY2021")
    (None, None)

    """
    text = words.strip().lower()
    try:
        if match := _DAY.fullmatch(text):
            day = np.datetime64(text, "D")
            return day, day
        if match := _PART.fullmatch(text):
            year, kind, number = match[1] or match[6], match[2] or match[4], int(match[3] or match[5])
            size = 3 if kind == "q" else 6
            return None if number * size > 12 else _months(int(year), (number - 1) * size, size)
        if match := _MONTH.fullmatch(text):
            year = match[1] or match[4] or match[5]
            name = match[3] or match[6]
            month = _MONTHS.index(name) if name else int(match[2]) - 1
            return _months(int(year), month, 1) if 0 <= month < 12 else None
        if match := _YEAR.fullmatch(text):
            return _months(int(match[1]), 0, 12)
    except ValueError:
        return None
    return None


def _months(year: int, first: int, count: int) -> tuple[np.datetime64, np.datetime64]:
    start = np.datetime64(f"{year:04d}-01", "M") + first
    return start.astype("datetime64[D]"), (start + count).astype("datetime64[D]") - np.timedelta64(1, "D")
