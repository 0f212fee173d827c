"""Verdicts: what a finding says, and how the findings about one figure combine.

Two axes, kept apart, since many figures are arithmetically fine and mean nothing. An accusation needs proof:
``inconsistent`` stands only on intervals of identified quantities that do not meet; from a draft, what a misreading
could explain asks to ``check the reading`` instead. Whatever leans on an assumption about the market, or on an
identification the report does not make, says ``implausible`` at most, and names the assumption.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.audit.claims.model import Claim, ClaimSet
from assay.data.card import Card, plural
from assay.data.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Arithmetic", "AuditReport", "Finding", "Substance", "Verdict", "combine"]


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
    holds.append((Arithmetic.NOT_CHECKABLE, "no other printed figure bears on it"))
    means.append((Substance.NOT_JUDGED, "nothing printed lets it be judged"))
    arithmetic, why = min(holds, key=lambda item: list(Arithmetic).index(item[0]))
    substance, because = min(means, key=lambda item: list(Substance).index(item[0]))
    return Verdict(claim, arithmetic, substance, why, because, mine)
