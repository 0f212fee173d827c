"""Dates: calendar periods as reports name them, weekdays, the length of a track record, and splits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import date

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Sample, Split
from assay.audit.rules.scope import Run
from assay.audit.verdicts import Finding, say

__all__ = ["days_of", "period_of", "splits", "track_record", "weekdays", "years_of"]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PERIOD = re.compile(r"((?:19|20)\d\d)?[\s-]*([a-z]*)\.?(\d{0,2}(?:-\d\d)?)[\s-]*((?:19|20)\d\d)?")


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
    match = _PERIOD.fullmatch(words.strip().lower())
    if match is None or bool(match[1]) == bool(match[4]):
        return None
    year, word, part = match[1] or match[4], match[2], match[3]
    count = {"q": 3, "h": 6}.get(word, 1)
    try:
        if word in ("q", "h") and part.isdigit():
            start = np.datetime64(f"{year}-{(int(part) - 1) * count + 1:02d}")
        elif word and not part and word[:3] in _MONTHS:
            start = np.datetime64(f"{year}-{_MONTHS.index(word[:3]) + 1:02d}")
        elif not word and (match[1] or not part):
            start = np.datetime64(f"{year}-{part}".rstrip("-"))
        else:
            return None
    except ValueError:
        return None
    return start.astype("datetime64[D]"), (start + count).astype("datetime64[D]") - np.timedelta64(1, "D")


def weekdays(start: date, end: date) -> int:
    """Mondays to Fridays from start to end, both included: an upper bound on any exchange's sessions."""
    return max(0, int(np.busday_count(start, np.datetime64(end) + 1)))


def period_of(stated: Sample | Split) -> tuple[date, date] | None:
    """First and last date of a stated period; None where one is missing, or is no date."""
    try:
        return date.fromisoformat(stated.start), date.fromisoformat(stated.end)
    except ValueError:
        return None


def track_record(run: Run) -> tuple[int, str] | None:
    """Number of returns behind the run's figures and where it comes from: stated, or at most the weekdays of its
    dates. A part of the period (a fold, a year, a dated split) has the weekdays of its own dates."""
    sample = run.group.sample
    own = next((split for split in sample.splits if split.name == run.split and split.start), sample)
    if run.at:
        days = days_of(run.at)
        stretch, words = (days[0].astype(date), days[1].astype(date)) if days is not None else None, f"of {run.at}"
    elif own is sample and sample.sessions is not None and sample.sessions > 1:
        return sample.sessions, f"{sample.sessions:,} sessions"
    else:
        stretch, words = period_of(own), f"from {own.start} to {own.end}"
    n = weekdays(*stretch) if stretch is not None else 0
    return (n, f"at most {n:,} weekdays {words}") if n > 1 else None


def years_of(run: Run) -> Interval | None:
    """Years of the stated period, from its dates and from its sessions under every usual calendar; None if unknown."""
    stretch, sessions = period_of(run.group.sample), run.group.sample.sessions
    spans = [(stretch[1] - stretch[0]).days / 365.25] if stretch else []
    spans += [sessions / periods for periods in (252, 250, 260, 244, 365)] if sessions else []
    return Interval(max(min(spans) * 0.99 - 0.02, 1e-3), max(spans) * 1.01 + 0.02) if spans else None


def splits(run: Run) -> Iterator[Finding]:
    """Stated splits lie apart, and their stated shares match their dates."""
    dated = {s.name: dates for s in run.group.sample.splits if (dates := period_of(s)) is not None}
    for (first, before), (second, after) in itertools.pairwise(sorted(dated.items(), key=lambda item: item[1])):
        claims = [c for c in run.members if c.metric in ("split_share", "sessions") and c.label in (first, second)]
        if after[0] <= before[1] and claims:
            yield say("doubt", "C14 splits", claims, "overlap", stated=True, first=first, second=second,
                      begins=str(after[0]), ends=str(before[1]),
                      premise="the splits are meant to be apart")  # fmt: skip
    shares = {label: claim for label, claim in run.labelled("split_share").items() if label in dated}
    base = sum(weekdays(*dated[label]) for label in shares)
    for label, claim in shares.items() if base and len(shares) > 1 else ():
        actual = weekdays(*dated[label]) / base
        if not run.read(claim).meets(Interval(actual * 0.97 - 0.01, actual * 1.03 + 0.01)):
            start, end = map(str, dated[label])
            yield say("doubt", "C14 splits", [claim], "share", stated=True, label=label, start=start, end=end,
                      actual=actual, all=list(shares), share=claim)  # fmt: skip
