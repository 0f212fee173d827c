"""Rules on dates: sessions against their period, split shares against split dates."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.portfolio import weekdays
from assay.audit.forensic.sessions import new_york_sessions
from assay.audit.recompute.periods import days_of
from assay.audit.rules.scope import Run, broken, doubtful, fits, names, note, percent
from assay.audit.verdicts import Finding
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = ["calendar", "dates_of", "track_record", "years_of"]

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
