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
from datetime import date
from functools import cache

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.rules.scope import Run, broken, doubtful, fits, names, note, percent
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = ["calendar", "dates_of", "days_of", "new_york_sessions", "track_record", "weekdays", "years_of"]

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


#: The first year for which the rule of the New York exchanges holds.
FIRST_YEAR = 1998
#: Unscheduled closures since then: terror, funerals of presidents, a hurricane.
_CLOSED = (
    "2001-09-11", "2001-09-12", "2001-09-13", "2001-09-14", "2004-06-11", "2007-01-02", "2012-10-29", "2012-10-30",
    "2018-12-05", "2025-01-09",
)  # fmt: skip


@cache
def _holidays() -> np.ndarray:
    """Days on which the New York exchanges are closed, datetime64[D]; those on weekends do not matter."""
    from pandas.tseries import holiday

    rules = (
        # A New Year's Saturday has no Friday: that one ends the old year.
        holiday.Holiday("New Year", month=1, day=1, observance=holiday.sunday_to_monday),
        holiday.USMartinLutherKingJr, holiday.USPresidentsDay, holiday.GoodFriday, holiday.USMemorialDay,
        holiday.Holiday("Juneteenth", month=6, day=19, start_date="2022-01-01", observance=holiday.nearest_workday),
        holiday.Holiday("Independence", month=7, day=4, observance=holiday.nearest_workday),
        holiday.USLaborDay, holiday.USThanksgivingDay,
        holiday.Holiday("Christmas", month=12, day=25, observance=holiday.nearest_workday),
    )  # fmt: skip
    days = [rule.dates(f"{FIRST_YEAR}-01-01", "2100-12-31").to_numpy() for rule in rules]
    return np.concatenate([*days, np.array(_CLOSED, dtype="datetime64[D]")]).astype("datetime64[D]")


def weekdays(start: date, end: date) -> int:
    """Mondays to Fridays from start to end, both included: an upper bound on any exchange's sessions.

    Examples
    --------
    >>> weekdays(date(2024, 7, 1), date(2024, 12, 31))
    132

    """
    return max(0, int(np.busday_count(start, np.datetime64(end) + 1)))


def new_york_sessions(start: date, end: date) -> int | None:
    """Sessions of the New York exchanges from `start` through `end`; None before 1998 and after 2100.

    Examples
    --------
    >>> new_york_sessions(date(2023, 1, 1), date(2023, 12, 31))
    250

    """
    if start.year < FIRST_YEAR or end < start or end.year > 2100:
        return None
    return int(np.busday_count(start, np.datetime64(end) + 1, holidays=_holidays()))


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
    limit, held = 261.0 * years + 2, "one row a trading day, and the stated period"
    words = f"{years:g} years have about {SESSIONS_A_YEAR * years:,.0f} sessions (at most {limit:,.0f} weekdays), fewer"
    for claim in run.members:
        if claim.metric == "sessions" and not claim.target and claim.value.interval.low > limit:
            yield doubtful("C14 calendar", [claim], f"{words} than the {claim.printed} printed.", held, stated=True)


def calendar(run: Run) -> Iterator[Finding]:
    """Sessions cannot outnumber the weekdays of their period; stated split shares must match stated split dates."""
    sample = run.group.sample
    stretch = dates_of(sample.start, sample.end)
    claim = run.get("sessions")
    if stretch is not None and claim is not None:
        days, limit, count = (stretch[1] - stretch[0]).days + 1, weekdays(*stretch), run.read(claim).low
        words = f"{sample.start} to {sample.end} has {limit:,} weekdays ({days:,} days)"
        fewer = f"{words}, fewer than the {claim.printed} sessions printed."
        round_the_clock = run.group.portfolio.periods_per_year in (365, 366) or "crypto" in sample.market.lower()
        if count > days:
            held = "the period is that of the sessions counted"
            yield broken("C14 calendar", [claim], fewer, True, held, stated=True)
        elif count > limit and not round_the_clock:
            held = "an exchange closed at weekends, one row a day"
            yield broken("C14 calendar", [claim], fewer, bool(sample.market), held, stated=True)
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
    splits = [(split.name, dates_of(split.start, split.end)) for split in run.group.sample.splits]
    dated = [(name, stretch) for name, stretch in splits if stretch is not None]
    if len(dated) < 2 or not sum(weekdays(*stretch) for _, stretch in dated):
        return
    for (first, before), (second, after) in itertools.pairwise(sorted(dated, key=lambda item: item[1])):
        claims = [c for c in run.members if c.metric in ("split_share", "sessions") and c.label in (first, second)]
        gap = (after[0] - before[1]).days - 1
        if gap < 0 and claims:
            words = f"{second} begins on {after[0]} before {first} ends on {before[1]}."
            yield broken("C14 splits", claims, words, False, "the splits are meant to be apart", stated=True)
        elif gap > 31 and claims:
            words = f"{gap} days between {first} (to {before[1]}) and {second} (from {after[0]}) are unaccounted for."
            yield note("C14 splits", claims, words)
    shown = {claim.label for claim in run.labelled("split_share").values()}
    others = {name: stretch for name, stretch in dated if name in shown}
    base = sum(weekdays(*stretch) for stretch in others.values())
    for claim in run.measured:
        mine = dict(dated).get(claim.label)
        if claim.metric != "split_share" or mine is None or not base or len(others) < 2:
            continue
        actual = weekdays(*mine) / base
        if not run.read(claim).meets(Interval(actual * 0.97 - 0.01, actual * 1.03 + 0.01)):
            words = f"{claim.label} {mine[0]} to {mine[1]} is {percent(actual)} of the weekdays of {names(others)}, not"
            held = "rows are spread evenly over the sessions"
            yield doubtful("C14 splits", [claim], f"{words} {claim.printed}.", held, stated=True)
