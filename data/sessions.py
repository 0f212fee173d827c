"""Calendar arithmetic on an index of sessions: which session, how many later, where a period starts.

A calendar here is only the sessions that the prices have; no exchange's timetable is assumed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from assay.data.errors import InputError

__all__ = ["as_session", "given_session", "period_starts", "position_at", "session_after"]

_PERIODS = {"monthly": "M", "quarterly": "Q", "yearly": "Y"}


def as_session(value: object, what: str = "date") -> pd.Timestamp:
    """`value` as a tz-naive midnight.

    Raises
    ------
    InputError
        If it is not a date, or carries a time zone.

    Examples
    --------
    >>> as_session("2020-01-02")
    Timestamp('2020-01-02 00:00:00')

    """
    try:
        stamp = pd.Timestamp(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{what}: {value!r} is not a date; write it as YYYY-MM-DD") from None
    if pd.isna(stamp):
        raise InputError(f"{what}: {value!r} is not a date; write it as YYYY-MM-DD")
    if stamp.tzinfo is not None:
        raise InputError(f"{what}: {value!r} carries a time zone; sessions are tz-naive dates")
    return stamp.normalize()


def position_at(sessions: pd.DatetimeIndex, session: object) -> int:
    """Position of the last session at or before `session`; -1 if all sessions are later.

    Examples
    --------
    >>> position_at(pd.DatetimeIndex(["2020-01-02", "2020-01-06"]), "2020-01-05")
    0

    """
    return int(sessions.searchsorted(as_session(session, "session"), side="right")) - 1


def session_after(sessions: pd.DatetimeIndex, session: object, count: int) -> pd.Timestamp:
    """The session `count` sessions after `session` (before it, if negative).

    Raises
    ------
    InputError
        If `session` is not one of the sessions, or the answer lies outside them.

    Examples
    --------
    >>> days = pd.DatetimeIndex(["2020-01-02", "2020-01-03", "2020-01-06"])
    >>> session_after(days, "2020-01-03", 1)
    Timestamp('2020-01-06 00:00:00')

    """
    stamp = as_session(session, "session")
    position = position_at(sessions, stamp)
    if position < 0 or sessions[position] != stamp:
        raise InputError(f"session {stamp.date()} is not in the calendar of {len(sessions)} sessions")
    target = position + count
    if not 0 <= target < len(sessions):
        span = f"{sessions[0].date()} to {sessions[-1].date()}"
        raise InputError(f"session {stamp.date()} {count:+d} lies outside {span}")
    return sessions[target]


def given_session(text: str | None, option: str) -> pd.Timestamp | None:
    """A session as somebody has typed it, or None where nothing is given.

    Raises
    ------
    InputError
        If it is none; `option` is named.

    """
    if not text:
        return None
    try:
        session = pd.Timestamp(text)
    except (ValueError, OverflowError):
        session = None
    if not isinstance(session, pd.Timestamp) or session.tz is not None or not 1700 <= session.year <= 2200:
        raise InputError(f"{option} {text}: not a date; write it as 2015-01-31")
    return session


def period_starts(
    sessions: pd.DatetimeIndex, every: Literal["monthly", "quarterly", "yearly"] | int
) -> pd.DatetimeIndex:
    """First session of every calendar period, or every n-th session counted from the first.

    The first session of all opens the first period, however late in it. Sessions added later move no earlier start.

    Raises
    ------
    InputError
        If `every` is neither a known period nor a positive number.

    Examples
    --------
    >>> days = pd.DatetimeIndex(["2020-01-30", "2020-01-31", "2020-02-03", "2020-02-04"])
    >>> period_starts(days, "monthly").strftime("%m-%d").tolist()
    ['01-30', '02-03']

    """
    if isinstance(every, str):
        if every not in _PERIODS:
            raise InputError(f"every: expected {', '.join(_PERIODS)} or a number of sessions, got {every!r}")
        codes = sessions.to_period(_PERIODS[every]).asi8
        first = np.concatenate([[True], codes[1:] != codes[:-1]]) if len(codes) else np.zeros(0, dtype=bool)
        return sessions[first]
    if isinstance(every, bool) or every < 1:
        raise InputError(f"every: a number of sessions must be at least 1, got {every!r}")
    return sessions[:: int(every)]
