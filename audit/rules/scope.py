"""What the rules look at: the claims of one run, read as intervals, its dates, and all runs of a report.

A run is a group, a split and a position. Only claims of one run are taken to describe the same quantities. A metric
that stands twice in a run with values that do not meet is ambiguous: the rule on repeated prints speaks about it and
every other rule leaves it alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import METRICS, Claim, ClaimSet, Group, MetricInfo, Sample, Split
from assay.audit.read.words import pattern
from assay.data.conventions import SESSIONS_A_YEAR

__all__ = [
    "Report", "Run", "class_shares", "completeness", "days_of", "info_of", "period_of", "track_record", "weekdays",
    "years_of",
]  # fmt: skip

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def info_of(claim: Claim) -> MetricInfo:
    """What the metric of a claim is."""
    return METRICS.get(claim.metric, METRICS["other"])


@dataclass(frozen=True)
class Run:
    """The claims of one model, configuration, stage, split and position: `members`, targets and bounds included, of the
    whole set `claims`; `group` is the context; `lenient` reads digits as rounded or cut off, not only as rounded."""

    claims: ClaimSet
    group: Group
    split: str
    at: str
    members: tuple[Claim, ...]
    lenient: bool = False

    @cached_property
    def measured(self) -> tuple[Claim, ...]:
        """Members that print a value of their own: no goals, no bounds, no ranges."""
        return tuple(claim for claim in self.members if not claim.target and claim.value.is_point)

    def read(self, claim: Claim) -> Interval:
        """The interval of a claim, on the scale of its metric."""
        value, info = claim.value, info_of(claim)
        if self.lenient and self.claims.draft and pattern("padded").search(value.text):
            value = replace(value, unit=10 * value.unit)
        interval = value.either if self.lenient else value.interval
        # A count to its last unit: no "~", no K, no round hundreds.
        exact = value.is_point and not value.about and value.decimals == 0 and value.unit == 1.0
        if info.kind == "count" and exact and (value.value < 1000 or value.value % 100):
            return Interval.point(value.value)
        share_like = info.kind in ("proportion", "score", "share") and info.high == 1.0
        unsigned = share_like and not value.percent and interval.low > 1.0 and claim.unit != "bps"
        return interval * 0.01 if unsigned else interval

    @cached_property
    def metrics(self) -> frozenset[str]:
        """What the run prints."""
        return frozenset(claim.metric for claim in self.members)

    def candidates(self, metric: str, label: str = "") -> list[Claim]:
        """Measured members of this metric and label, within the bounds of the metric."""
        return self._index.get((metric, label), [])

    @cached_property
    def _records(self) -> Counter[str]:
        return Counter(map(self._within, self.measured))

    @staticmethod
    def _within(claim: Claim) -> str:
        return claim.record.partition("|")[0]

    @cached_property
    def _index(self) -> dict[tuple[str, str], list[Claim]]:
        index: dict[tuple[str, str], list[Claim]] = {}
        for claim in filter(self.possible, self.measured):
            index.setdefault((claim.metric, claim.label), []).append(claim)
        return index

    def possible(self, claim: Claim) -> bool:
        """Whether a claim lies within the bounds of its metric; one that does not is another figure, mislabelled."""
        return self.read(claim).meets(Interval(info_of(claim).low, info_of(claim).high))

    def get(self, metric: str, label: str = "") -> Claim | None:
        """The claim of a metric: the most finely printed, of the record that prints most; None where they differ."""
        found = self.candidates(metric, label)
        best = min(found, key=lambda claim: (self.read(claim).width, -self._records[self._within(claim)]), default=None)
        return best if best is not None and all(self.read(best).meets(self.read(other)) for other in found) else None

    def value(self, metric: str, label: str = "") -> Interval | None:
        """The interval of a metric, or None."""
        claim = self.get(metric, label)
        return None if claim is None else self.read(claim)

    def labelled(self, metric: str) -> dict[str, Claim]:
        """Label -> claim of a metric, unlabelled left out."""
        labels = dict.fromkeys(label for name, label in self._index if name == metric and label)
        return {label: claim for label in labels if (claim := self.get(metric, label)) is not None}

    @property
    def periods(self) -> int:
        """Periods a year: stated, or sessions."""
        stated = self.group.portfolio.periods_per_year or 0
        return stated if stated > 0 else SESSIONS_A_YEAR

    def one_sample(self, *claims: Claim | None) -> bool:
        """Whether nothing in the text says that a figure is pooled over folds, seeds or assets."""
        texts = [self.group.notes, *(claim.definition for claim in claims if claim is not None)]
        return not any(map(pattern("of_samples").search, texts))

    def one_class(self, *claims: Claim | None) -> bool:
        """Whether precision, recall and F1 are known to be of one class: labelled, or the classifier is binary."""
        known = [claim for claim in claims if claim is not None]
        if not self.one_sample(*known) or any(pattern("over_classes").search(claim.definition) for claim in known):
            return False
        stated = all(claim.label for claim in known) or any(pattern("one_class").search(c.definition) for c in known)
        return stated or len(self.group.classes) == 2 or self.group.sample.n_positive is not None

    @property
    def two_classes(self) -> str | None:
        """Are the scores of the positive one of two classes: "" when stated, an assumption beside an AUC, else None."""
        scored = (self.get(metric) for metric in ("precision", "recall", "f1", "specificity"))
        if len(self.group.classes) == 2 or self.one_class(next(filter(None, scored), None)):
            return ""
        averages = ("f1_macro", "f1_weighted", "precision_macro", "recall_weighted")
        alone = not (self.group.classes or self.labelled("f1") or any(map(self.candidates, averages)))
        return "two classes, scores of the positive one" if alone and self.get("auc") is not None else None

    def together(self, *claims: Claim) -> bool:
        """Whether figures are grouped by a person, or stand in one record or within a few lines in a draft."""
        lines = [claim.source_line for claim in claims if claim.source_line is not None]
        records = {claim.record for claim in claims}
        if not self.claims.draft or (len(records) == 1 and "" not in records):
            return True
        return len(lines) == len(claims) and max(lines) - min(lines) <= 12


def class_shares(run: Run) -> dict[str, Interval]:
    """The stated share of each class."""
    return {shares.name: shares.share.interval for shares in run.group.classes if shares.share is not None}


def completeness(run: Run, labels: list[str]) -> tuple[bool, bool]:
    """Whether the labels can be all classes, and whether the document says so; a draft, which has its classes from the
    rows of a table, only where these have supports."""
    known = [shares.name for shares in run.group.classes]
    stated = not run.claims.draft or all(shares.support is not None for shares in run.group.classes)
    return (not known or set(known) == set(labels)), set(known) == set(labels) and bool(known) and stated


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
    match = pattern("calendar_period").fullmatch(words.strip().lower())
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
    stretch, days = period_of(own), days_of(run.at) if run.at else None
    words = f"from {own.start} to {own.end}" if days is None else f"of {run.at}"
    if days is not None:
        stretch = days[0].astype(date), days[1].astype(date)
    elif run.at and own is sample:
        return None
    elif own is sample and sample.sessions is not None and sample.sessions > 1:
        return sample.sessions, f"{sample.sessions:,} sessions"
    n = weekdays(*stretch) if stretch is not None else 0
    return (n, f"at most {n:,} weekdays {words}") if n > 1 else None


def years_of(run: Run) -> Interval | None:
    """Years of the stated period, from its dates and from its sessions under every usual calendar; None if unknown."""
    stretch, sessions = period_of(run.group.sample), run.group.sample.sessions
    spans = [(stretch[1] - stretch[0]).days / 365.25] if stretch else []
    spans += [sessions / periods for periods in (252, 250, 260, 244, 365)] if sessions else []
    return Interval(max(min(spans) * 0.99 - 0.02, 1e-3), max(spans) * 1.01 + 0.02) if spans else None


@dataclass(frozen=True)
class Report:
    """All runs of a claim set, under one reading of the digits; `skipped` names the rules that failed on it."""

    claims: ClaimSet
    lenient: bool = False
    skipped: list[str] = field(default_factory=list, compare=False)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs in order of appearance."""
        return tuple(self._by_key.values())

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str], Run]:
        keys: dict[tuple[str, str, str], list[Claim]] = {}
        for claim in self.claims.claims:
            keys.setdefault((claim.group, self.claims.split_of(claim), claim.at), []).append(claim)
        return {key: Run(self.claims, self.claims.group(key[0]), *key[1:], tuple(members), self.lenient)
                for key, members in keys.items()}  # fmt: skip

    @cached_property
    def by_group(self) -> Mapping[str, list[Run]]:
        """The runs of each group by its name."""
        groups: dict[str, list[Run]] = {}
        for (group, _, _), run in self._by_key.items():
            groups.setdefault(group, []).append(run)
        return groups

    def run_of(self, claim: Claim) -> Run:
        """The run a claim belongs to."""
        return self._by_key[claim.group, self.claims.split_of(claim), claim.at]

    def read(self, claim: Claim) -> Interval:
        """The interval of any claim of the set."""
        return self.run_of(claim).read(claim)

    def kin(self, claim: Claim) -> list[Claim]:
        """Measured claims of the same metric and label in the same group, at the same position, under any split."""
        alike = (other for run in self.by_group[claim.group] if run.at == claim.at for other in run.measured)
        wanted = (claim.metric, claim.label)
        return [other for other in alike if (other.metric, other.label) == wanted and other.id != claim.id]

    def samples(self) -> list[list[Run]]:
        """Families of runs with an accuracy on one sample, by split and position: stated, or in a table of a draft."""
        rest = [run for run in self.runs if run.candidates("accuracy")]
        families = []
        while rest:
            run, *rest = rest
            families.append([run, *(other for other in rest if self._one_sample(run, other))])
            rest = [other for other in rest if not self._one_sample(run, other)]
        return families

    def _one_sample(self, run: Run, other: Run) -> bool:
        if (other.split, other.at) != (run.split, run.at):
            return False
        lines, others = ([c.source_line for c in r.candidates("accuracy") if c.source_line] for r in (run, other))
        table = self.claims.draft and any(0 < abs(a - b) <= 3 for a in lines for b in others)
        named = (other.group.name in run.group.shares_sample_with, run.group.name in other.group.shares_sample_with)
        return table or any(named)
