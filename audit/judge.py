"""The forensic audit: every rule over every run of a claim set, combined into two verdicts per claim.

Nothing but the printed figures and their stated context is read. Each accusation is tried twice: with digits
rounded, and with digits cut off; only what fails both stands.

A draft may accuse of less, since a machine grouped its figures. "Inconsistent", and doubts that rest on which figures
are meant, stand only on figures of one record (a row, a list item, a JSON object, a sentence) or tied by an explicit
relation (a change that names its ends, a stated architecture, range, loss or schedule), each the only one of its metric
and class in that record, and none a lookalike (a count printed as money, a share printed as a year). All else becomes
"check the reading", which fails nothing. Two prints of one metric, and bounds, never accuse by themselves.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

from assay.audit.claims.intervals import IntervalError
from assay.audit.claims.model import METRICS, Claim, ClaimSet
from assay.audit.read.words import pattern
from assay.audit.rules import classifiers, networks, relations
from assay.audit.rules.identity import IDENTITIES, apply
from assay.audit.rules.scope import Report
from assay.audit.verdicts import TABLE, Arithmetic, AuditReport, Finding, Substance, combine
from assay.data.errors import InputError

__all__ = ["audit_claims", "lookalike"]

#: Rules on one run: the table of identities, and what is no identity.
RUN_RULES: tuple[Callable[..., Iterator[Finding]], ...] = (
    relations.bounds_by_definition, *(partial(apply, row=row) for row in IDENTITIES),
    relations.shares_sum, relations.telescoping, relations.percentiles, classifiers.shares_by_programming,
    classifiers.share_from_macro, classifiers.one_class_only, classifiers.stated_majority,
    classifiers.proportions_on_stated_sample, classifiers.matrices_on_stated_sample, relations.splits,
    networks.loss_above_floor, networks.parameter_count, networks.file_size,
)  # fmt: skip
#: Rules on runs of one sample, and how many such families a report is searched for.
FAMILY_RULES, FAMILIES = (classifiers.common_sample, classifiers.positives_of_sample), 40
#: Rules on the whole report.
REPORT_RULES = (
    relations.printed_twice, relations.bounds_kept, relations.parts_of_period, relations.derived, relations.fractions,
    classifiers.printed_matrix, networks.reweighted_losses, networks.best_of_curve, relations.stated_intervals,
)  # fmt: skip
#: What a draft may say by check, as the head of `checks.toml` explains.
_DRAFTS = {kind: tuple(checks) for kind, checks in TABLE["draft"][0].items()}

_QUANTITY = attrgetter("metric", "label", "group", "split", "at", "value")
_UNITLESS = ("proportion", "score", "correlation", "r2", "ratio", "statistic")
_CUT = "digits cut off, or rounded twice"


def _findings_of(report: Report) -> list[Finding]:
    """Every finding of every rule; one that fails on absurd figures (a Sharpe ratio of 1e308) is named as skipped."""
    found: list[Finding] = []
    jobs: list[tuple[Any, object]] = [(rule, run) for run in report.runs for rule in RUN_RULES]
    jobs += [(rule, family) for family in report.samples()[:FAMILIES] for rule in FAMILY_RULES]
    for rule, subject in jobs + [(rule, report) for rule in REPORT_RULES]:
        try:
            found.extend(rule(subject))
        except (OverflowError, ZeroDivisionError, IntervalError) as error:
            name = rule.keywords["row"].check if isinstance(rule, partial) else rule.__name__.replace("_", " ")
            report.skipped.append(f"{name} was left out: {error}")
    return found


def lookalike(claim: Claim) -> bool:
    """Whether a figure is printed as no figure of its metric is: money for a ratio, a percentage or a fraction for a
    count, a bare whole number for a share, a score, a correlation or a ratio, a number glued to a letter ("5W")."""
    info, value, printed = METRICS.get(claim.metric), claim.value, claim.printed
    counted = claim.metric in ("winning_trades", "losing_trades")  # "53W / 41L"
    glued = printed[-1:].isdigit() and re.search(rf"(?<![\w.,]){re.escape(printed)}[A-Za-z_]", claim.source_text)
    if (glued and not counted) or info is None:
        return True
    if not value.is_point:
        return False
    if info.kind == "count":
        least = int(claim.metric == "parameters")
        return value.percent or value.unit < 1 or value.value < least or "$" in printed
    whole = value.decimals == 0 and not value.percent and abs(value.value) > 1
    return info.kind in _UNITLESS and (bool(pattern("in_money").search(printed)) or whole or value.multiple)


def _may_accuse(
    finding: Finding, claims: ClaimSet, prints: Counter[tuple[str, str, str]], places: dict[Any, set[str]]
) -> bool:
    """Whether an accusation of a draft rests on figures that are surely of one record, or explicitly tied."""
    check, basis = finding.check_id, [claims.claim(name) for name in dict.fromkeys((*finding.claims, *finding.using))]
    figures = [claim for claim in basis if claim is not None and not claim.target and not lookalike(claim)]
    asks = _DRAFTS["asks"] + _DRAFTS["doubts ask"] * (finding.arithmetic is not Arithmetic.INCONSISTENT)
    labelled = all(c.label or c.metric == "accuracy" for c in figures) or not check.startswith(_DRAFTS["of one class"])
    if check.startswith(asks) or not labelled or len(figures) < len(basis):
        return False
    by_context = finding.stated and check.startswith(_DRAFTS["by context"])
    if len(figures) == 1:
        # "About" so many parameters beside dense layers alone are those of a head, whose trunk stands elsewhere.
        layers = getattr(claims.group(figures[0].group).architecture, "layers", ())
        head = figures[0].value.about and all(layer.kind in ("dense", "dropout") for layer in layers)
        alone = check.startswith(_DRAFTS["alone"]) and not finding.stated
        return alone or (by_context and not (check.startswith("C26 ") and head))
    one_run = len({(claim.group, claims.split_of(claim), claim.at) for claim in figures}) == 1
    if by_context:
        return one_run
    # A figure that is printed alike in two records is of both.
    records = set.intersection(*(places[_QUANTITY(claim)] for claim in figures)) - {""}
    apart = any(all(prints[record, claim.metric, claim.label] == 1 for claim in figures) for record in records)
    return (one_run and apart) or _tied(figures)


def _tied(figures: list[Claim]) -> bool:
    """Whether one of the figures names the others as its inputs, and those are of one unit."""
    names = {claim.id for claim in figures}
    for claim in figures:
        inputs = [other for other in figures if other is not claim]
        if claim.relation == "fraction" and {claim.id, *claim.inputs} == names:
            return True
        # A mean or a sum may leave some of its inputs out.
        if claim.relation in ("change", "reduction", "ratio", "difference") and set(claim.inputs) == names - {claim.id}:
            unit = claim.value.percent or claim.value.multiple or not inputs[0].value.percent
            unit = unit and (inputs[0].value.percent or "pp" not in claim.printed)
            return unit and len({(other.value.percent, other.unit, other.metric) for other in inputs}) == 1
    return False


def audit_claims(claims: ClaimSet) -> AuditReport:
    """Audit a claim set from its printed figures alone: a verdict per claim, in their order, each axis with one
    sentence, and every finding behind them; `InputError` if these are no claims, or of an unknown layer.

    Examples
    --------
    >>> from assay import draft_claims
    >>> report = audit_claims(draft_claims("Accuracy: 62%, precision 0.9, recall 0.9, F1 0.5").claims)
    >>> report
    audit of a report: 4 claims
      arithmetic  4 check the reading
      substance   4 not judged

    """
    if not isinstance(claims, ClaimSet):
        made = "a ClaimSet, as load_claims(file) and draft_claims(text).claims make one"
        raise InputError(f"audit_claims: claims must be {made} (got {type(claims).__name__})")
    strict = Report(claims)
    findings = _second_reading(_findings_of(strict), claims)
    if claims.draft:
        # What a draft may not say of a figure it does not say of its other prints either.
        prints = Counter((c.record, c.metric, c.label) for c in claims.claims if c.record and not c.target)
        places: dict[Any, set[str]] = defaultdict(set)
        for claim in claims.claims:
            places[_QUANTITY(claim)].add(claim.record)
        findings = [
            finding if not finding.accuses or _may_accuse(finding, claims, prints, places)
            else replace(finding, arithmetic=Arithmetic.CHECK, substance=None) for finding in findings
        ]  # fmt: skip
    findings += _repeated(strict, findings)
    findings = list(dict.fromkeys(findings + _inherited(claims, findings)))
    warnings = list(dict.fromkeys(strict.skipped))
    if (families := len(strict.samples())) > FAMILIES:
        warnings.append(f"only the first {FAMILIES} of {families} samples were searched for their size")
    verdicts = tuple(combine(claim, tuple(findings)) for claim in claims.claims)
    return AuditReport(claims, verdicts, tuple(findings), tuple(warnings))


def _second_reading(findings: list[Finding], claims: ClaimSet) -> list[Finding]:
    """Keep an accusation only if it also stands when digits may have been cut off instead of rounded."""
    if not any(finding.accuses for finding in findings):
        return findings
    kept, lenient = [], _findings_of(Report(claims, lenient=True))
    standing = {(finding.check_id, finding.claims): finding for finding in lenient if finding.accuses}
    for finding in findings:
        again = standing.get((finding.check_id, finding.claims))
        if not finding.accuses:
            kept.append(finding)
        elif again is not None:
            kept.append(again if finding.arithmetic is Arithmetic.INCONSISTENT is not again.arithmetic else finding)
        else:
            near = (f for f in lenient if f.check_id == finding.check_id and set(finding.claims) & set(f.claims))
            held = next(near, finding)
            if held.arithmetic is Arithmetic.CONSISTENT:
                sentence = f"{held.sentence.rstrip('.')} ({_CUT})."
                kept.append(replace(held, claims=finding.claims, sentence=sentence, reading=_CUT))
    return kept


def _twins(report: Report, claim: Claim) -> Iterator[Claim]:
    """Other prints of the same quantity that meet this one."""
    run, claims = report.run_of(claim), report.claims
    twins = [other for other in run.measured if (other.metric, other.label) == (claim.metric, claim.label)]
    twins += [other for other in claims.claims if other.relation == "same" and claim.id in other.inputs]
    if run.split:  # a figure printed without its split, like the headline of a report, is that of a split it meets
        twins += [other for other in report.kin(claim) if not claims.split_of(other)]
    for other in dict.fromkeys(twins):
        alike = other.id != claim.id and other.value.is_point and not other.target
        if alike and report.read(other).meets(report.read(claim)):
            yield other


def _repeated(report: Report, findings: list[Finding]) -> list[Finding]:
    """Carry what is said about a figure to its other prints, an inconsistency only to those of the same digits."""
    extra: list[Finding] = []
    for finding in findings:
        if finding.check_id.startswith(_DRAFTS["of the print"]):
            continue
        for claim in filter(None, map(report.claims.claim, finding.claims)):
            for twin in _twins(report, claim):
                exact = report.read(twin) == report.read(claim)
                if twin.id not in finding.claims and (exact or finding.substance is not None):
                    extra.append(replace(finding, claims=(twin.id,), arithmetic=finding.arithmetic if exact else None))
    return extra


def _inherited(claims: ClaimSet, findings: list[Finding]) -> list[Finding]:
    """A change or multiple of a figure that a baseline explains is explained by it too."""
    by_weight = sorted(findings, key=lambda finding: -finding.weight)  # the first speaks in `combine`, so is set last
    explained = {name: f for f in by_weight[::-1] if f.substance is Substance.EXPLAINED for name in f.claims}
    extra: list[Finding] = []
    for claim in claims.claims:
        follows = claim.relation in ("change", "ratio", "difference") and not claim.target
        sources = [other for other in map(claims.claim, claim.inputs) if other is not None and other.id in explained]
        for source in sources[-1:] if follows else ():
            reason = explained[source.id]
            words = f"it rests on {source.metric.replace('_', ' ')} {source.printed}: {reason.sentence}"
            extra.append(replace(reason, claims=(claim.id,), sentence=words, arithmetic=None, weight=0))
    return extra
