"""Verdicts: what a finding says and in which words, and how the findings about one figure combine.

Two axes, kept apart, since many figures are arithmetically fine and mean nothing. An accusation needs proof:
``inconsistent`` stands only on intervals of identified quantities that do not meet; from a draft, what a misreading
could explain asks to ``check the reading`` instead. Whatever leans on an assumption about the market, or on an
identification the report does not make, says ``implausible`` at most, and names the assumption. The sentences stand in
the table of checks (`rules/checks.toml`); every number in them is shown in one way.
"""

from __future__ import annotations

import math
import string
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.claims.model import Claim, ClaimSet
from assay.data.card import Card, plural
from assay.data.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TABLE", "Arithmetic", "AuditReport", "Figures", "Finding", "Substance", "Verdict", "as_printed", "combine",
    "names", "number", "percent", "phrase", "say", "span",
]  # fmt: skip


class Arithmetic(StrEnum):
    """Whether the figure can be the number it is said to be, strongest statement first."""

    INCONSISTENT = "inconsistent"
    REPRODUCED = "reproduced"
    REPRODUCED_OTHERWISE = "reproduced under another convention"
    CHECK = "check the reading"
    CONSISTENT = "consistent"
    NOT_CHECKABLE = "not checkable"


class Substance(StrEnum):
    """Whether the figure means what it is said to mean, the verdict that wins first."""

    IMPLAUSIBLE = "implausible"
    EXPLAINED = "explained by a baseline"
    NOT_SIGNIFICANT = "not significant"
    SUPPORTED = "supported"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Finding:
    """What one check says about some claims; `InputError` for an ``implausible`` without its assumption."""

    check_id: str  # e.g. "C3 F1 identity"
    claims: tuple[str, ...]  # ids of those it accuses, explains or confirms
    sentence: str  # with the numbers in it, checkable by hand
    arithmetic: Arithmetic | None = None  # what it says on either axis; None where it says nothing
    substance: Substance | None = None
    assumption: str | None = None  # what it leans on
    reading: str | None = None  # the reading under which it holds, where several were tried
    weight: int = 0  # among equal verdicts the heavier speaks; a sharper bound or a named baseline weighs more
    using: tuple[str, ...] = ()  # ids of every figure that the reasoning takes; empty where those are `claims`
    stated: bool = False  # whether it also takes context that the report states (n, range, architecture, loss, dates)

    def __post_init__(self) -> None:
        if self.substance is Substance.IMPLAUSIBLE and not self.assumption:
            raise InputError(f"finding of {self.check_id}: implausible without the assumption it leans on")

    @property
    def accuses(self) -> bool:
        """Whether it says that a figure cannot be, or is not to be believed."""
        return self.arithmetic is Arithmetic.INCONSISTENT or self.substance is Substance.IMPLAUSIBLE


#: The figures of a sentence by their names in it.
Figures = dict[str, Any]
#: `checks.toml`: what is an identity, and what is none with its sentences.
TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads((Path(__file__).parent / "rules/checks.toml").read_text("utf-8"))
_CHECKS = {row["check"]: row for row in TABLE["check"]}
#: What a finding says on either axis.
_VERDICTS: dict[str, tuple[Arithmetic | None, Substance | None]] = {
    "fits": (Arithmetic.CONSISTENT, None), "broken": (Arithmetic.INCONSISTENT, None),
    "doubt": (None, Substance.IMPLAUSIBLE), "baseline": (None, Substance.EXPLAINED),
    "weak": (None, Substance.NOT_SIGNIFICANT), "supported": (None, Substance.SUPPORTED),
    "open": (None, Substance.NOT_JUDGED),
}  # fmt: skip


def say(
    verdict: str | bool, check: str, claims: Sequence[Claim | None], key: str = "", *, sentence: str = "",
    proven: bool = True, premise: str | None = None, using: Sequence[Claim | None] = (), stated: bool = False,
    weight: int = 0, reading: str | None = None, **values: object,
) -> Finding:  # fmt: skip
    """One finding of a check about `claims`, in the words that the table has under `key`, filled with `values`.

    `verdict` is one of ``"fits"``: the figures can all hold; ``"broken"``: they cannot, or, unless `proven`, are
    implausible together; ``"doubt"``: not believable under the premise; ``"baseline"``: a trivial rule does as well;
    ``"weak"``: chance alone covers it; ``"supported"``: it beats what it must beat; ``"open"``: why it is not judged.
    True is ``"fits"``, said of all figures taken (`using`); False is ``"broken"``. `sentence` and `premise` stand in
    the place of the table's; the rest is as in `Finding`.
    """
    row = _CHECKS.get(check, {})
    if verdict is True:
        verdict, claims, using = "fits", using or claims, ()
    verdict = verdict or "broken"
    arithmetic, substance = _VERDICTS[verdict if proven or verdict != "broken" else "doubt"]
    held = row.get("premise") if premise is None else premise
    return Finding(
        check, _ids(claims), sentence or phrase(row["says"][key or "words"], values), arithmetic, substance,
        (held or None) if substance is not None else None, reading, weight, _ids(using), stated,
    )  # fmt: skip


def _ids(claims: Iterable[Claim | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(claim.id for claim in claims if claim is not None))


class _Phrases(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        """Claims as printed, intervals by their ends, lists; ``:%`` percent, ``:%2`` decimals, ``:3`` digits."""
        share, places = format_spec[:1] == "%", int(format_spec.lstrip("%") or 0)
        if isinstance(value, Claim):
            return value.printed
        if isinstance(value, Interval):
            return span(value, share)
        if isinstance(value, list | tuple):
            return names([self.format_field(item, format_spec) for item in value])
        if isinstance(value, str):
            return value
        if share:
            return percent(float(value), places or 1)
        return f"{value:,}" if isinstance(value, int) and not places else number(float(value), places or 4)


def phrase(template: str, values: Mapping[str, object]) -> str:
    """A sentence with its figures.

    Examples
    --------
    >>> phrase("{n} cases, {share:%} of them up, {low:3} at least", {"n": 1250, "share": 0.5312, "low": 1.23456})
    '1,250 cases, 53.1% of them up, 1.23 at least.'

    """
    return _Phrases().vformat(template, (), values) + "."


def number(value: float, digits: int = 4) -> str:
    """A figure for a sentence: so many significant digits, thousands separated from ten thousand on."""
    if math.isinf(value):
        return "infinity" if value > 0 else "minus infinity"
    size = abs(value)
    if size >= 1000:
        text = f"{value:{',' if size >= 10_000 else ''}.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"


def percent(value: float, decimals: int = 1) -> str:
    """A share for a sentence."""
    return "unbounded" if math.isinf(value) else f"{100 * value:.{decimals}f}%"


def as_printed(value: float, printed: Printed) -> str:
    """A value in the print's own scale with two digits more than it has."""
    if printed.unit >= 1 and abs(value) >= 1000 and not printed.percent:
        return f"{value:,.0f}"
    digits = min(printed.decimals + 2, 12)
    return percent(value, digits) if printed.percent else f"{value:,.{digits}f}" + "×" * printed.multiple


def span(value: Interval, in_percent: bool = False) -> str:
    """An interval for a sentence, enough digits to tell its ends apart."""
    tail, scale = ("%", 100.0) if in_percent else ("", 1.0)
    low, high = value.low * scale, value.high * scale
    if math.isinf(low) or math.isinf(high):
        if low == -high:
            return "anything"
        return f"at least {number(low)}{tail}" if math.isinf(high) else f"at most {number(high)}{tail}"
    digits, size = 4, max(abs(low), abs(high))
    if high > low and size:
        digits = min(9 if size > 1000 else 6, max(4, math.ceil(math.log10(size / (high - low))) + 1))
    first, second = number(low, digits), number(high, digits)
    return f"{first}{tail}" if first == second else f"{first} to {second}{tail}"


def names(words: Sequence[str]) -> str:
    """A list in words: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


@dataclass(frozen=True)
class Verdict:
    """The two verdicts of one claim, the sentence behind each, and every finding that spoke."""

    claim: Claim
    arithmetic: Arithmetic
    substance: Substance
    arithmetic_because: str
    substance_because: str
    findings: tuple[Finding, ...] = ()

    @property
    def assumption(self) -> str:
        """What the verdict that speaks rests on beside the prints, or ``""``."""
        return next((f.assumption for f in self.findings if f.sentence == self.because and f.assumption), "")

    @property
    def because(self) -> str:
        """The one sentence to print: the graver axis speaks."""
        speaks = self.substance is not Substance.NOT_JUDGED and self.arithmetic is not Arithmetic.INCONSISTENT
        return self.substance_because if speaks else self.arithmetic_because


@dataclass(frozen=True, repr=False)
class AuditReport(Card):
    """The audit of a claim set: a verdict per claim in the order of the claims, and all findings."""

    claims: ClaimSet
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def refuted(self) -> bool:
        """Whether any figure is arithmetically inconsistent."""
        return any(verdict.arithmetic is Arithmetic.INCONSISTENT for verdict in self.verdicts)

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """How many claims received each verdict, then the figures accused, each with its sentence."""
        rows = [(axis, ", ".join(f"{n} {name}" for name, n in of.items())) for axis, of in self.counts().items()]
        rows += [(f"{v.claim.metric} {v.claim.printed}", v.because) for v in self.verdicts
                 if v.arithmetic is Arithmetic.INCONSISTENT or v.substance is Substance.IMPLAUSIBLE]  # fmt: skip
        title = self.claims.title or self.claims.source or "a report"
        return f"audit of {title}: {plural(len(self.verdicts), 'claim')}", rows

    def to_frame(self) -> pd.DataFrame:
        """A row a claim: id, metric, as printed, both verdicts and the sentence."""
        import pandas as pd

        rows = [(v.claim.id, v.claim.metric, v.claim.printed, str(v.arithmetic), str(v.substance), v.because)
                for v in self.verdicts]  # fmt: skip
        return pd.DataFrame(rows, columns=["claim", "metric", "printed", "arithmetic", "substance", "because"])

    def verdict(self, claim_id: str) -> Verdict:
        """The verdict of one claim; `InputError` if the set has no such claim."""
        known = {verdict.claim.id: verdict for verdict in self.verdicts}
        if claim_id not in known:
            raise InputError(f"audit report: no claim {claim_id!r}; known: {', '.join(known)}")
        return known[claim_id]

    def counts(self) -> dict[str, dict[str, int]]:
        """How many claims received each verdict, by axis."""
        axes = {"arithmetic": Arithmetic, "substance": Substance}
        held = {axis: Counter(getattr(verdict, axis) for verdict in self.verdicts) for axis in axes}
        return {axis: {str(kind): held[axis][kind] for kind in axes[axis] if held[axis][kind]} for axis in axes}


def combine(claim: Claim, findings: tuple[Finding, ...]) -> Verdict:
    """Combine the findings about one claim: on each axis the gravest verdict wins and its heaviest finding speaks."""
    mine = tuple(finding for finding in findings if claim.id in finding.claims)
    by_weight = sorted(mine, key=lambda finding: -finding.weight)
    holds = [(f.arithmetic, f.sentence) for f in by_weight if f.arithmetic is not None]
    means = [(f.substance, f.sentence) for f in by_weight if f.substance is not None]
    taken = next((f"it is taken as printed here: {f.sentence}" for f in findings if claim.id in f.using), "")
    holds.append((Arithmetic.NOT_CHECKABLE, taken or "no other printed figure bears on it"))
    means.append((Substance.NOT_JUDGED, "nothing printed lets it be judged"))
    arithmetic, why = min(holds, key=lambda item: list(Arithmetic).index(item[0]))
    # What supports a figure takes it as printed.
    means = [item for item in means if arithmetic is not Arithmetic.INCONSISTENT or item[0] is not Substance.SUPPORTED]
    substance, because = min(means, key=lambda item: list(Substance).index(item[0]))
    return Verdict(claim, arithmetic, substance, why, because, mine)
