"""The forensic audit: every rule over every run of a claim set, combined into two verdicts per claim.

Nothing but the printed figures and their stated context is read. Each accusation is tried twice: with digits
rounded, and with digits cut off; only what fails both stands.

A draft may accuse of less: a machine grouped its figures, so a contradiction may be a misreading. "Inconsistent" stands
only on figures of one record (a row, a list item, a JSON object, a sentence) or tied by an explicit relation (a change
that names its ends, a stated architecture, range, loss or schedule), each the only one of its metric and class in that
record, and none a lookalike (a count printed as money, a share printed as a year). The same holds for doubts that rest
on which quantities are meant. Everything else becomes "check the reading", which fails nothing. Two prints of one
metric, and bounds, never accuse by themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.rules import FAMILIES, Report, findings_of
from assay.audit.verdicts import Arithmetic, AuditReport, Finding, Substance, combine

__all__ = ["audit_claims", "lookalike", "soften"]

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
    return [_softened(finding, held) if finding.accuses else finding for finding in findings]


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


_ACCUSING = "digits cut off, not rounded"


def audit_claims(claims: ClaimSet) -> AuditReport:
    """Audit a claim set from its printed figures alone.

    Parameters
    ----------
    claims : the figures, their runs and the context of each run.

    Returns
    -------
    AuditReport
        One verdict per claim, in the order of the claims, each axis with one sentence; and every finding behind them.

    Raises
    ------
    InputError
        If the context of a group cannot be used (an architecture with an unknown layer).

    Examples
    --------
    >>> from assay import draft_claims
    >>> report = audit_claims(draft_claims("Accuracy: 62%, precision 0.9, recall 0.9, F1 0.5").claims)
    >>> report
    audit of a report: 4 claims
      arithmetic  4 check the reading
      substance   4 not judged

    """
    strict = Report(claims)
    # What a draft may not say of a figure it does not say of its other prints either; what it may, it says of them all.
    findings = soften(_second_reading(findings_of(strict), claims), claims)
    findings += _repeated(strict, findings)
    findings += _inherited(claims, findings)
    findings = list(dict.fromkeys(findings))
    verdicts = tuple(combine(claim, tuple(findings)) for claim in claims.claims)
    families = len(strict.samples())
    warnings = list(dict.fromkeys(strict.skipped))
    if families > FAMILIES:
        warnings.append(f"only the first {FAMILIES} of {families} samples were searched for their size")
    return AuditReport(claims, verdicts, tuple(findings), tuple(warnings))


def _second_reading(findings: list[Finding], claims: ClaimSet) -> list[Finding]:
    """Keep an accusation only if it also stands when digits may have been cut off instead of rounded."""
    if not any(finding.accuses for finding in findings):
        return findings
    lenient = findings_of(Report(claims, lenient=True))
    standing = {(finding.check_id, finding.claims): finding for finding in lenient}
    kept: list[Finding] = []
    for finding in findings:
        again = standing.get((finding.check_id, finding.claims))
        if not finding.accuses or (again is not None and again.accuses):
            kept.append(_milder(finding, again))
            continue
        held = next(
            (f for f in lenient if f.check_id == finding.check_id and set(finding.claims) & set(f.claims)), None
        )
        if held is not None and held.arithmetic is Arithmetic.CONSISTENT:
            sentence = f"{held.sentence.rstrip('.')} ({_ACCUSING})."
            kept.append(replace(held, claims=finding.claims, sentence=sentence, reading=_ACCUSING))
    return kept


def _milder(finding: Finding, again: Finding | None) -> Finding:
    """The lenient finding where it accuses less gravely than the strict one."""
    if again is None or finding.arithmetic is again.arithmetic:
        return finding
    return again if finding.arithmetic is Arithmetic.INCONSISTENT else finding


def _twins(report: Report, claim: Claim) -> list[Claim]:
    """Other prints of the same quantity that meet this one."""
    run = report.run_of(claim)
    twins = [other for other in run.measured if (other.metric, other.label) == (claim.metric, claim.label)]
    twins += [other for other in report.claims.claims if other.relation == "same" and claim.id in other.inputs]
    if run.split:
        # A figure printed without its split, like the headline of a report, is that of a split it meets.
        twins += [other for other in report.kin(claim) if not report.claims.split_of(other)]
    return [
        other for other in dict.fromkeys(twins)
        if other.id != claim.id and other.value.is_point and not other.target
        and report.read(other).meets(report.read(claim))
    ]  # fmt: skip


def _repeated(report: Report, findings: list[Finding]) -> list[Finding]:
    """Carry what is said about a figure to its other prints.

    Substance carries over to every print of the quantity. An inconsistency carries over only to a print of the same
    digits, since a coarser one may still be right.
    """
    extra: list[Finding] = []
    for finding in findings:
        if finding.check_id.startswith(("C37 printed twice", "C28", "C34", "C29 sum", "C1 fraction")):
            continue
        for claim in filter(None, map(report.claims.claim, finding.claims)):
            for twin in _twins(report, claim):
                if twin.id in finding.claims:
                    continue
                exact = report.read(twin) == report.read(claim)
                if exact:
                    extra.append(replace(finding, claims=(twin.id,)))
                elif finding.substance is not None:
                    extra.append(replace(finding, claims=(twin.id,), arithmetic=None))
    return extra


def _inherited(claims: ClaimSet, findings: list[Finding]) -> list[Finding]:
    """A change or multiple of a figure that a baseline explains is explained by it too."""
    extra: list[Finding] = []
    explained = [f for f in findings if f.substance is Substance.EXPLAINED]
    for claim in claims.claims:
        if claim.relation not in ("change", "ratio", "difference") or claim.target or not claim.inputs:
            continue
        for name in reversed(claim.inputs):
            source = claims.claim(name)
            reasons = sorted((f for f in explained if name in f.claims), key=lambda f: -f.weight)
            if source is not None and reasons:
                sentence = f"it rests on {source.metric.replace('_', ' ')} {source.printed}: {reasons[0].sentence}"
                extra.append(replace(reasons[0], claims=(claim.id,), sentence=sentence, arithmetic=None, weight=0))
                break
    return extra
