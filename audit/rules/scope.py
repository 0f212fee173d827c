"""What the rules look at: the claims of one run, read as intervals, and the words that findings are made of.

A run is a group, a split and a position. Only claims of one run are taken to describe the same quantities. A metric
that stands twice in a run with values that do not meet is ambiguous: the rule on repeated prints speaks about it and
every other rule leaves it alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from assay.audit.claims.intervals import Interval
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim, ClaimSet, Group
from assay.audit.verdicts import Arithmetic, Finding, Substance

__all__ = [
    "Report", "Run", "baseline", "broken", "completeness", "doubtful", "fits", "judged", "names", "note", "number",
    "percent", "span", "supported", "weak",
]  # fmt: skip

#: Words that say a figure is pooled from several samples; identities of one sample then hold as inequalities only.
_POOLED = re.compile(
    r"\bfolds?\b|cross.?valid|\bcv\b|\bseeds?\b|\bruns\b|\bsplits\b|bootstrap|\bmedian\b|averaged?\s+(?:over|across|of)"
    r"|mean\s+(?:over|across)|mean of (?:the )?(?:folds|splits|runs|seeds|assets|stocks|models)",
    re.I,
)
#: Words that say a score is an average over classes.
_OVER_CLASSES = re.compile(r"macro|weighted|micro|averag", re.I)
#: Words that say a score is of one class.
_ONE_CLASS = re.compile(r"binary|positive class|of the positive|up days|\bup class\b", re.I)


@dataclass(frozen=True)
class Run:
    """The claims that stand for one model, configuration, stage, split and position.

    Parameters
    ----------
    claims : the whole set.
    group : the run's context.
    split, at : what distinguishes it inside the group.
    members : its claims, targets and bounds included.
    lenient : read digits as rounded or cut off (the second reading), not only as rounded.

    """

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
        value = claim.value
        interval = value.either if self.lenient else value.interval
        info = METRICS.get(claim.metric)
        if info is not None and info.kind == "count" and _exact(claim):
            return Interval.point(value.value)
        share_like = info is not None and info.kind in ("proportion", "score", "share") and info.high == 1.0
        if share_like and not value.percent and interval.low > 1.0 and claim.unit != "bps":
            return interval * 0.01
        return interval

    @cached_property
    def accuracy_lines(self) -> tuple[int, ...]:
        """Lines on which the run prints an accuracy."""
        return tuple({c.source_line for c in self.candidates("accuracy") if c.source_line is not None})

    def candidates(self, metric: str, label: str = "") -> list[Claim]:
        """Measured members of this metric and label, within the bounds of the metric."""
        return self._index.get((metric, label), [])

    @cached_property
    def _index(self) -> dict[tuple[str, str], list[Claim]]:
        index: dict[tuple[str, str], list[Claim]] = {}
        for claim in self.measured:
            if self.possible(claim):
                index.setdefault((claim.metric, claim.label), []).append(claim)
        return index

    def possible(self, claim: Claim) -> bool:
        """Whether a claim lies within the bounds of its metric; one that does not is another figure, mislabelled."""
        info = METRICS.get(claim.metric)
        return info is None or self.read(claim).meets(Interval(info.low, info.high))

    def get(self, metric: str, label: str = "") -> Claim | None:
        """The claim of a metric: the most finely printed one; None where its prints disagree or there is none."""
        found = self.candidates(metric, label)
        if not found:
            return None
        best = min(found, key=lambda claim: self.read(claim).width)
        if any(not self.read(best).meets(self.read(other)) for other in found):
            return None
        return best

    def value(self, metric: str, label: str = "") -> Interval | None:
        """The interval of a metric, or None."""
        claim = self.get(metric, label)
        return None if claim is None else self.read(claim)

    def labelled(self, metric: str) -> dict[str, Claim]:
        """Label -> claim of a metric, unlabelled left out."""
        labels = {claim.label: None for claim in self.measured if claim.metric == metric and claim.label}
        found = {label: self.get(metric, label) for label in labels}
        return {label: claim for label, claim in found.items() if claim is not None}

    def one_sample(self, *claims: Claim | None) -> bool:
        """Whether nothing in the text says that a figure is pooled over folds, seeds or assets."""
        texts = [self.group.notes, *(claim.definition for claim in claims if claim is not None)]
        return not any(_POOLED.search(text) for text in texts)

    def one_class(self, *claims: Claim | None) -> bool:
        """Whether precision, recall and F1 are known to be of one class: labelled, or the classifier is binary."""
        known = [claim for claim in claims if claim is not None]
        if not self.one_sample(*known) or any(_OVER_CLASSES.search(claim.definition) for claim in known):
            return False
        if all(claim.label for claim in known):
            return True
        stated = any(_ONE_CLASS.search(claim.definition) for claim in known)
        return stated or len(self.group.classes) == 2 or self.group.sample.n_positive is not None

    def together(self, *claims: Claim) -> bool:
        """Whether figures are grouped by a person, or stand in one record or within a few lines in a draft."""
        lines = [claim.source_line for claim in claims if claim.source_line is not None]
        records = {claim.record for claim in claims}
        return (
            not self.claims.draft
            or (len(records) == 1 and "" not in records)
            or (len(lines) == len(claims) and max(lines) - min(lines) <= 12)
        )

    @property
    def name(self) -> str:
        """The run in words."""
        parts = [self.group.configuration or self.group.model or self.group.name, self.group.stage, self.split, self.at]
        return ", ".join(dict.fromkeys(part for part in parts if part))


def _exact(claim: Claim) -> bool:
    """Whether a count is printed to its last unit: no "~", no K, no round hundreds."""
    value = claim.value
    whole = value.is_point and not value.about and value.decimals == 0 and value.unit == 1.0
    return whole and (value.value < 1000 or value.value % 100 != 0)


def completeness(run: Run, labels: list[str]) -> tuple[bool, bool]:
    """Whether the labels can be all classes, and whether the document says so.

    A draft has its classes from the rows of a table: they are all classes only where their supports add up to a total.
    """
    known = [shares.name for shares in run.group.classes]
    said = not run.claims.draft or all(shares.support is not None for shares in run.group.classes)
    return (not known or set(known) == set(labels)), set(known) == set(labels) and bool(known) and said


@dataclass(frozen=True)
class Report:
    """All runs of a claim set, under one reading of the digits."""

    claims: ClaimSet
    lenient: bool = False
    skipped: list[str] = field(default_factory=list, compare=False)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The runs in order of appearance."""
        keys: dict[tuple[str, str, str], list[Claim]] = {}
        for claim in self.claims.claims:
            keys.setdefault((claim.group, self.claims.split_of(claim), claim.at), []).append(claim)
        return tuple(
            Run(self.claims, self.claims.group(group), split, at, tuple(members), self.lenient)
            for (group, split, at), members in keys.items()
        )

    def _same_table(self, run: Run, other: Run) -> bool:
        """Whether a draft has two runs on neighbouring lines, as the rows of one table are."""
        if not self.claims.draft:
            return False
        return any(0 < abs(a - b) <= 3 for a in run.accuracy_lines for b in other.accuracy_lines)

    def kin(self, claim: Claim) -> list[Claim]:
        """Measured claims of the same metric and label in the same group, at the same position, under any split."""
        return [
            other
            for run in self.runs_of(claim.group)
            if run.at == claim.at
            for other in run.measured
            if other.id != claim.id and (other.metric, other.label) == (claim.metric, claim.label)
        ]

    def runs_of(self, group: str) -> list[Run]:
        """The runs of one group."""
        return self._by_group.get(group, [])

    @cached_property
    def _by_group(self) -> dict[str, list[Run]]:
        groups: dict[str, list[Run]] = {}
        for run in self.runs:
            groups.setdefault(run.group.name, []).append(run)
        return groups

    def run_of(self, claim: Claim) -> Run:
        """The run a claim belongs to."""
        return self._by_key[claim.group, self.claims.split_of(claim), claim.at]

    @cached_property
    def _by_key(self) -> dict[tuple[str, str, str], Run]:
        return {(run.group.name, run.split, run.at): run for run in self.runs}

    def read(self, claim: Claim) -> Interval:
        """The interval of any claim of the set."""
        return self.run_of(claim).read(claim)

    def samples(self) -> list[list[Run]]:
        """Runs evaluated on one sample: those whose groups say so, or that stand in one table of a draft.

        Only runs that print an accuracy are of interest; each belongs to one family, by split and position.
        """
        scored = [run for run in self.runs if run.candidates("accuracy")]
        seen: set[int] = set()
        families = []
        for i, run in enumerate(scored):
            if i in seen:
                continue
            family = [run]
            for j in range(i + 1, len(scored)):
                other = scored[j]
                if j in seen or (other.split, other.at) != (run.split, run.at):
                    continue
                if self._same_table(run, other) or (
                    other.group.name in run.group.shares_sample_with or run.group.name in other.group.shares_sample_with
                ):
                    family.append(other)
                    seen.add(j)
            families.append(family)
        return families


def _ids(claims: Iterable[Claim | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(claim.id for claim in claims if claim is not None))


def note(check: str, claims: Iterable[Claim | None], sentence: str) -> Finding:
    """Worth knowing; no verdict on either axis."""
    return Finding(check, _ids(claims), sentence)


def fits(
    check: str, claims: Iterable[Claim | None], sentence: str, reading: str | None = None, weight: int = 0
) -> Finding:
    """The figures can all hold."""
    return Finding(check, _ids(claims), sentence, Arithmetic.CONSISTENT, reading=reading, weight=weight)


def broken(
    check: str, claims: Iterable[Claim | None], sentence: str, proven: bool = True, assumption: str = "",
    using: Iterable[Claim | None] = (), stated: bool = False,
) -> Finding:  # fmt: skip
    """The figures cannot all hold; without proof of what they describe, they are implausible together.

    `using` lists every printed figure that the reasoning takes, where the accused are not all of them; `stated` says
    that it also takes context the report states.
    """
    if proven:
        return Finding(check, _ids(claims), sentence, Arithmetic.INCONSISTENT, using=_ids(using), stated=stated)
    return doubtful(check, claims, sentence, assumption, using=using, stated=stated)


def judged(
    good: bool, check: str, claims: Sequence[Claim | None], sentence: str, proven: bool = True, assumption: str = "",
    using: Sequence[Claim | None] = (), stated: bool = False,
) -> Finding:  # fmt: skip
    """The figures can all hold, or cannot: one sentence for either, about all figures taken or about those accused."""
    return fits(check, using or claims, sentence) if good else broken(
        check, claims, sentence, proven, assumption, using, stated
    )  # fmt: skip


def doubtful(
    check: str, claims: Iterable[Claim | None], sentence: str, assumption: str, weight: int = 0,
    using: Iterable[Claim | None] = (), stated: bool = False,
) -> Finding:  # fmt: skip
    """Not believable under a named assumption."""
    return Finding(
        check, _ids(claims), sentence, substance=Substance.IMPLAUSIBLE, assumption=assumption, weight=weight,
        using=_ids(using), stated=stated,
    )  # fmt: skip


def baseline(
    check: str, claims: Iterable[Claim | None], sentence: str, assumption: str | None = None, weight: int = 0
) -> Finding:
    """A trivial rule does as well."""
    return Finding(check, _ids(claims), sentence, substance=Substance.EXPLAINED, assumption=assumption, weight=weight)


def weak(
    check: str, claims: Iterable[Claim | None], sentence: str, assumption: str | None = None, weight: int = 0
) -> Finding:
    """Chance alone covers it."""
    return Finding(
        check, _ids(claims), sentence, substance=Substance.NOT_SIGNIFICANT, assumption=assumption, weight=weight
    )


def supported(check: str, claims: Iterable[Claim | None], sentence: str, assumption: str | None = None) -> Finding:
    """The figure beats what it must beat by more than chance."""
    return Finding(check, _ids(claims), sentence, substance=Substance.SUPPORTED, assumption=assumption)


def number(value: float, digits: int = 4) -> str:
    """A figure for a sentence: so many significant digits, thousands separated from ten thousand on."""
    if math.isinf(value):
        return "infinity" if value > 0 else "minus infinity"
    size = abs(value)
    if size >= 1000:
        decimals = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{value:,.{decimals}f}" if size >= 10_000 else f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"


def percent(value: float, decimals: int = 1) -> str:
    """A share for a sentence."""
    return "unbounded" if math.isinf(value) else f"{100 * value:.{decimals}f}%"


def span(value: Interval, in_percent: bool = False) -> str:
    """An interval for a sentence, enough digits to tell its ends apart."""
    scale = 100.0 if in_percent else 1.0
    low, high = value.low * scale, value.high * scale
    tail = "%" if in_percent else ""
    if math.isinf(low) and math.isinf(high):
        return "anything"
    if math.isinf(high):
        return f"at least {number(low)}{tail}"
    if math.isinf(low):
        return f"at most {number(high)}{tail}"
    digits = 4
    if high > low and math.isfinite(high - low):
        size = max(abs(low), abs(high))
        digits = min(9 if size > 1000 else 6, max(4, math.ceil(math.log10(size / (high - low))) + 1)) if size else 4
    first, second = number(low, digits), number(high, digits)
    return f"{first}{tail}" if first == second else f"{first} to {second}{tail}"


def names(words: Iterable[str]) -> str:
    """A list in words: "a, b and c"."""
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
