"""Dates: calendar periods as reports name them, trading sessions, and the rules that hold the two against each other.

Sessions are those of the New York exchanges by their rule since 1998, the year from which they have kept Martin Luther
King's day: ten holidays, with Juneteenth from 2022 on, moved to Friday or Monday where they fall on a weekend, and the
unscheduled closures. The rule knows nothing of closures still to come, so a count may be a session too many for dates
after it was written.

References
----------
New York Stock Exchange, Rule 7.2 (holidays); its list of special closings.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.books import weekdays
from assay.audit.rules.scope import Run, broken, doubtful, fits, names, note, percent
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = [
    "FIRST_YEAR",
    "calendar",
    "dates_of",
    "days_of",
    "new_york_holidays",
    "new_york_sessions",
    "track_record",
    "years_of",
]

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


_NEW_YORK = re.compile(r"\b(?:xnys|xnas|nyse|nasdaq|new york|s&p ?500|dow jones|us equit\w*|us stocks?)\b", re.I)


def track_record(run: Run) -> tuple[int, str] | None:
    """Number of returns behind the run's figures and where it comes from: stated, or at most the weekdays of its
    dates. A part of the period (a fold, a year) has the weekdays of its own dates, where its name says them."""
    sample = run.group.sample
    if run.at:
        days = days_of(run.at)
        n = weekdays(*(day.astype(date) for day in days)) if days is not None else 0
        return (n, f"at most {n:,} weekdays of {run.at}") if n > 1 else None
    if sample.sessions is not None and sample.sessions > 1:
        return sample.sessions, f"{sample.sessions:,} sessions"
    stretch = dates_of(sample.start, sample.end)
    if stretch is None:
        return None
    n = weekdays(*stretch)
    return (n, f"at most {n:,} weekdays from {sample.start} to {sample.end}") if n > 1 else None


def dates_of(start: str, end: str) -> tuple[date, date] | None:
    try:
        return (date.fromisoformat(start), date.fromisoformat(end)) if start and end else None
    except ValueError:
        return None


def years_of(run: Run) -> Interval | None:
    """Years of the stated period, from its dates and from its sessions under every usual calendar; None if unknown."""
    stretch, sessions = dates_of(run.group.sample.start, run.group.sample.end), run.group.sample.sessions
    spans = [(stretch[1] - stretch[0]).days / 365.25] if stretch else []
    spans += [sessions / periods for periods in (252, 250, 260, 244, 365)] if sessions else []
    return Interval(max(min(spans) * 0.99 - 0.02, 1e-3), max(spans) * 1.01 + 0.02) if spans else None


def _years(run: Run) -> Iterator[Finding]:
    """A number of sessions that a stated stretch of years cannot hold."""
    years = run.group.sample.years
    if years is None:
        return
    limit = 261.0 * years + 2
    for claim in run.members:
        if claim.metric == "sessions" and not claim.target and claim.value.interval.low > limit:
            yield doubtful(
                "C14 calendar",
                [claim],
                f"{years:g} years have about {SESSIONS_A_YEAR * years:,.0f} sessions (at most {limit:,.0f} weekdays),"
                f" fewer than the {claim.printed} printed.",
                "one row a trading day, and the stated period",
                stated=True,
            )


def calendar(run: Run) -> Iterator[Finding]:
    """Sessions cannot outnumber the weekdays of their period; stated split shares must match stated split dates."""
    sample = run.group.sample
    stretch = dates_of(sample.start, sample.end)
    claim = run.get("sessions")
    count = run.read(claim).low if claim is not None else None
    if stretch is not None and claim is not None and count is not None:
        days = (stretch[1] - stretch[0]).days + 1
        limit = weekdays(*stretch)
        words = f"{sample.start} to {sample.end} has {limit:,} weekdays ({days:,} days)"
        round_the_clock = run.group.portfolio.periods_per_year in (365, 366) or "crypto" in sample.market.lower()
        if count > days:
            held = "the period is that of the sessions counted"
            sentence = f"{words}, fewer than the {claim.printed} sessions printed."
            yield broken("C14 calendar", [claim], sentence, True, held, stated=True)
        elif count > limit and not round_the_clock:
            yield broken(
                "C14 calendar",
                [claim],
                f"{words}, fewer than the {claim.printed} sessions printed.",
                bool(sample.market),
                "an exchange closed at weekends, one row a day",
                stated=True,
            )
        else:
            yield _of_exchange(run, claim, stretch, words)
    yield from _splits(run)
    yield from _years(run)


def _of_exchange(run: Run, claim: Claim, stretch: tuple[date, date], words: str) -> Finding:
    """A count that the weekdays leave room for, against the sessions of the exchange where the report names New York's.

    The rule of the calendar may miss a closure, so more sessions than it has are implausible and no more.
    """
    sessions = new_york_sessions(*stretch) if _NEW_YORK.search(run.group.sample.market) else None
    if sessions is None:
        return fits("C14 calendar", [claim], f"{words}, room for {claim.printed} sessions.", weight=-1)
    words = f"{words} and {sessions:,} sessions in New York"
    if run.read(claim).low > sessions:
        held = "one row a session of the exchange, and its holidays by rule"
        return doubtful("C14 calendar", [claim], f"{words}, fewer than the {claim.printed} printed.", held, stated=True)
    exact = run.read(claim).holds(sessions)
    return fits("C14 calendar", [claim], f"{words}; {claim.printed} are printed.", weight=1 if exact else -1)


def _splits(run: Run) -> Iterator[Finding]:
    dated = [
        (name, share, stretch)
        for name, share, start, end in run.group.sample.splits
        if (stretch := dates_of(start, end)) is not None
    ]
    total = sum(weekdays(*stretch) for _, _, stretch in dated)
    if len(dated) < 2 or not total:
        return
    ordered = sorted(dated, key=lambda item: item[2])
    for (first, _, before), (second, _, after) in itertools.pairwise(ordered):
        claims = [c for c in run.members if c.metric in ("split_share", "sessions") and c.label in (first, second)]
        gap = (after[0] - before[1]).days - 1
        if gap < 0 and claims:
            yield broken(
                "C14 splits",
                claims,
                f"{second} begins on {after[0]} before {first} ends on {before[1]}.",
                False,
                "the splits are meant to be apart",
                stated=True,
            )
        elif gap > 31 and claims:
            yield note(
                "C14 splits",
                claims,
                f"{gap} days between {first} (to {before[1]}) and {second} (from {after[0]}) are unaccounted for.",
            )
    for claim in run.measured:
        if claim.metric != "split_share":
            continue
        mine = next((stretch for name, _, stretch in dated if name == claim.label), None)
        others = [
            stretch for name, _, stretch in dated if any(c.label == name for c in run.labelled("split_share").values())
        ]
        base = sum(weekdays(*stretch) for stretch in others)
        if mine is None or not base or len(others) < 2:
            continue
        actual = weekdays(*mine) / base
        if not run.read(claim).meets(Interval(actual * 0.97 - 0.01, actual * 1.03 + 0.01)):
            yield doubtful(
                "C14 splits",
                [claim],
                f"{claim.label} {mine[0]} to {mine[1]} is {percent(actual)} of the weekdays of"
                f" {names([n for n, _, s in dated if s in others])}, not {claim.printed}.",
                "rows are spread evenly over the sessions",
                stated=True,
            )
