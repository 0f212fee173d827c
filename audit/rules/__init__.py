"""Which checks apply to which claims: each rule looks at a run, a family of runs or the report, and yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from assay.audit.claims.intervals import IntervalError
from assay.audit.rules import calendars, classifiers, networks, relations, samples
from assay.audit.rules.identity import IDENTITIES, apply
from assay.audit.rules.scope import Report, Run
from assay.audit.verdicts import Finding

__all__ = ["FAMILIES", "IDENTITIES", "REPORT_RULES", "RUN_RULES", "Report", "Run", "findings_of"]

#: Rules on one run: the table of identities, and what is no identity.
RUN_RULES: tuple[Callable[[Run], Iterator[Finding]], ...] = (
    relations.bounds_by_definition, *(partial(apply, row=row) for row in IDENTITIES),
    relations.shares_sum, relations.telescoping, relations.percentiles, classifiers.shares_by_programming,
    classifiers.share_from_macro, classifiers.one_class_only, classifiers.stated_majority,
    samples.proportions_on_stated_sample, samples.matrices_on_stated_sample, calendars.splits,
    networks.loss_above_floor, networks.parameter_count, networks.file_size,
)  # fmt: skip

#: Rules on runs of one sample, and how many such families a report is searched for.
FAMILY_RULES, FAMILIES = (samples.common_sample, classifiers.positives_of_sample), 40

#: Rules on the whole report.
REPORT_RULES: tuple[Callable[[Report], Iterator[Finding]], ...] = (
    relations.printed_twice, relations.bounds_kept, relations.parts_of_period, relations.derived, relations.fractions,
    classifiers.printed_matrix, networks.reweighted_losses, networks.best_of_curve, samples.stated_intervals,
)  # fmt: skip


def findings_of(report: Report) -> list[Finding]:
    """Every finding of every rule, under the report's reading of the digits.

    A rule that overflows, divides by zero or reverses an interval on absurd figures (a Sharpe ratio of 1e308) is left
    out for that run and named in `Report.skipped`; the others go on. Any other error is a bug of ours and is raised.
    """
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
