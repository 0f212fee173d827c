"""What a draft may accuse of: a machine grouped its figures, so a contradiction may be a misreading.

"Inconsistent" stands only on figures of one record (a row, a list item, a JSON object, a sentence) or tied by an
explicit relation (a change that names its ends, a stated architecture, range, loss or schedule), each the only one of
its metric and class in that record, and none a lookalike (a count printed as money, a share printed as a year). The
same holds for doubts that rest on which quantities are meant. Everything else becomes "check the reading", which fails
nothing. Two prints of one metric, and bounds, never accuse by themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.verdicts import Arithmetic, Finding, Substance

__all__ = ["lookalike", "soften"]

#: Checks that never accuse from a draft: two prints taken for one quantity, and bounds, both of which a misread name
#: or column explains first.
ASKING = ("C0 ", "C16 correlation", "C37 ")
#: Doubts about one figure by itself that a draft may raise.
ALONE = ("C22 foresight",)
#: Checks whose stated context names the figures it ties: a range, a loss, layers, a schedule.
BY_CONTEXT = ("C11 ", "C12 ", "C23 ", "C26 ", "C27 ")
#: Relations that name their inputs; a mean or a sum may leave some out.
EXPLICIT = ("change", "reduction", "ratio", "difference")
#: Checks of precision, recall and F1, whose average must be known: of one class, by its label.
OF_ONE_CLASS = ("C3 ", "C6 confusion", "C6 prevalence", "C6 equal", "C4 ", "C5 ")

_MONEY = re.compile(r"[$€£¥₹]|R\$|\b(?:usd|eur|gbp|inr|brl)\b|(?<=\d)\s?(?:k|m|b|kb|mb|gb|mn|bn)\b", re.I)
_GLUED = r"(?<![\w.,]){}[A-Za-z_]"
_UNITLESS = ("proportion", "score", "correlation", "r2", "ratio", "statistic")


def lookalike(claim: Claim) -> bool:
    """Whether a figure is printed as no figure of its metric is: money for a ratio, a percentage or a fraction for a
    count, a bare whole number for a share, a score, a correlation or a ratio, a number glued to a letter ("5W")."""
    info, value = METRICS.get(claim.metric), claim.value
    counted = claim.metric in ("winning_trades", "losing_trades")  # "53W / 41L"
    glued = _GLUED.format(re.escape(claim.printed))
    if claim.printed[-1:].isdigit() and not counted and re.search(glued, claim.source_text):
        return True
    if info is None or not value.is_point:
        return info is None
    whole = value.decimals == 0 and not value.percent
    if info.kind == "count":
        return value.percent or not float(value.value).is_integer() or value.value < 0 or "$" in claim.printed
    if info.kind in _UNITLESS:
        return bool(_MONEY.search(claim.printed)) or (whole and abs(value.value) > 1) or value.multiple
    return False


def soften(findings: Iterable[Finding], claims: ClaimSet) -> list[Finding]:
    """The findings as a draft may state them: accusations it cannot make ask for the reading to be checked."""
    if not claims.draft:
        return list(findings)
    held = _Records(claims)
    return [_softened(finding, held) if _accuses(finding) else finding for finding in findings]


def _accuses(finding: Finding) -> bool:
    return finding.arithmetic is Arithmetic.INCONSISTENT or finding.substance is Substance.IMPLAUSIBLE


def _softened(finding: Finding, held: _Records) -> Finding:
    if held.may_accuse(finding):
        return finding
    return replace(finding, arithmetic=Arithmetic.CHECK, substance=None)


class _Records:
    """The records of a draft, and what stands in each."""

    def __init__(self, claims: ClaimSet) -> None:
        self.claims = claims
        self.inside = Counter((c.record, c.metric, c.label) for c in claims.claims if c.record and not c.target)

    def may_accuse(self, finding: Finding) -> bool:
        if finding.check_id.startswith(ASKING):
            return False
        basis = [self.claims.claim(name) for name in dict.fromkeys((*finding.claims, *finding.using))]
        figures = [claim for claim in basis if claim is not None]
        if len(figures) < len(basis) or any(map(lookalike, figures)) or any(c.target for c in figures):
            return False
        if finding.check_id.startswith(OF_ONE_CLASS) and not all(c.label for c in figures if c.metric != "accuracy"):
            return False
        if len(figures) == 1:
            return finding.check_id.startswith(BY_CONTEXT if finding.stated else ALONE)
        if finding.stated and finding.check_id.startswith(BY_CONTEXT):
            return self._one_run(figures)
        return self._tied(figures) or (self._one_record(figures) and all(map(self._only_one, figures)))

    def _one_run(self, figures: list[Claim]) -> bool:
        return len({(claim.group, self.claims.split_of(claim), claim.at) for claim in figures}) == 1

    def _one_record(self, figures: list[Claim]) -> bool:
        records = {claim.record for claim in figures}
        return len(records) == 1 and "" not in records and self._one_run(figures)

    def _only_one(self, claim: Claim) -> bool:
        return self.inside[claim.record, claim.metric, claim.label] == 1

    def _tied(self, figures: list[Claim]) -> bool:
        """Whether one of the figures names the others as its inputs, and all are of one unit."""
        names = {claim.id for claim in figures}
        if any(claim.relation == "fraction" and {claim.id, *claim.inputs} == names for claim in figures):
            return True
        derived = [claim for claim in figures if claim.relation in EXPLICIT and set(claim.inputs) == names - {claim.id}]
        result = derived[0] if derived else None
        if result is None:
            return False
        inputs = [claim for claim in figures if claim is not result]
        units = {(claim.value.percent, claim.unit, claim.metric) for claim in inputs}
        return len(units) == 1 and (result.value.percent or result.value.multiple or not inputs[0].value.percent)
