"""Trading sessions of the New York exchanges, by rule.

The rule is that of the exchange since 1998, the year from which it has kept Martin Luther King's day: ten holidays,
with Juneteenth from 2022 on, moved to Friday or Monday where they fall on a weekend, and the unscheduled closures. It
knows nothing of closures still to come, so a count may be a session too many for dates after it was written.

References
----------
New York Stock Exchange, Rule 7.2 (holidays); its list of special closings.
"""

from __future__ import annotations

from datetime import date, timedelta

__all__ = ["FIRST_YEAR", "new_york_holidays", "new_york_sessions"]

#: The first year for which the rule holds.
FIRST_YEAR = 1998
#: Unscheduled closures since then: terror, funerals of presidents, a hurricane.
_CLOSED = (
    date(2001, 9, 11), date(2001, 9, 12), date(2001, 9, 13), date(2001, 9, 14), date(2004, 6, 11), date(2007, 1, 2),
    date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5), date(2025, 1, 9),
)  # fmt: skip


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    """The nth weekday of a month; the last one for -1."""
    if number < 0:
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - weekday) % 7)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, as printed by Meeus, 1991)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _observed(day: date) -> date | None:
    """Friday for a Saturday, Monday for a Sunday; none for a New Year's Saturday, whose Friday ends the old year."""
    if day.weekday() == 5:
        return None if (day.month, day.day) == (1, 1) else day - timedelta(days=1)
    return day + timedelta(days=1) if day.weekday() == 6 else day


def new_york_holidays(year: int) -> frozenset[date]:
    """Weekdays of a year, from 1998 on, on which the New York exchanges are closed.

    Examples
    --------
    >>> sorted(new_york_holidays(2024))[2].isoformat(), len(new_york_holidays(2024))
    ('2024-02-19', 10)

    """
    days = [
        _observed(date(year, 1, 1)),
        _nth(year, 1, 0, 3),
        _nth(year, 2, 0, 3),
        _easter(year) - timedelta(days=2),
        _nth(year, 5, 0, -1),
        _observed(date(year, 6, 19)) if year >= 2022 else None,
        _observed(date(year, 7, 4)),
        _nth(year, 9, 0, 1),
        _nth(year, 11, 3, 4),
        _observed(date(year, 12, 25)),
        *(day for day in _CLOSED if day.year == year),
    ]
    return frozenset(day for day in days if day is not None)


def new_york_sessions(start: date, end: date) -> int | None:
    """Sessions of the New York exchanges from `start` through `end`; None before 1998.

    Examples
    --------
    >>> new_york_sessions(date(2023, 1, 1), date(2023, 12, 31))
    250

    """
    if start.year < FIRST_YEAR or end < start:
        return None
    days = (end - start).days + 1
    weeks, rest = divmod(days, 7)
    count = 5 * weeks + sum((start.weekday() + extra) % 7 < 5 for extra in range(rest))
    closed = (day for year in range(start.year, end.year + 1) for day in new_york_holidays(year))
    return count - sum(start <= day <= end for day in closed)
