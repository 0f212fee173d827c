"""The forensic audit: every rule over every run of a claim set, combined into two verdicts per claim.

Nothing but the printed figures and their stated context is read. Each accusation is tried twice: with digits
rounded, and with digits cut off; only what fails both stands.
"""

from __future__ import annotations

from dataclasses import replace

from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.drafts import soften
from assay.audit.rules import FAMILIES, Report, findings_of
from assay.audit.verdicts import Arithmetic, AuditReport, Finding, Substance, combine

__all__ = ["audit_claims"]

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


def _accuses(finding: Finding) -> bool:
    return finding.arithmetic is Arithmetic.INCONSISTENT or finding.substance is Substance.IMPLAUSIBLE


def _second_reading(findings: list[Finding], claims: ClaimSet) -> list[Finding]:
    """Keep an accusation only if it also stands when digits may have been cut off instead of rounded."""
    if not any(map(_accuses, findings)):
        return findings
    lenient = findings_of(Report(claims, lenient=True))
    standing = {(finding.check_id, finding.claims): finding for finding in lenient}
    kept: list[Finding] = []
    for finding in findings:
        again = standing.get((finding.check_id, finding.claims))
        if not _accuses(finding) or (again is not None and _accuses(again)):
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
