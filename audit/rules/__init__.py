"""Which checks apply to which claims: each rule looks at a run, a family of runs or the report, and yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assay.audit.rules import (
    architectures,
    calendars,
    classifiers,
    matrices,
    moments,
    portfolios,
    priors,
    regressions,
    relations,
    residuals,
    samples,
    signals,
    sums,
    trading,
    trainings,
    uncertainty,
)
from assay.audit.rules.scope import Report, Run
from assay.audit.verdicts import Finding
from assay.data.errors import InputError

__all__ = ["FAMILIES", "FAMILY_RULES", "REPORT_RULES", "RUN_RULES", "Report", "Run", "findings_of"]

#: Rules on one run.
RUN_RULES: tuple[Callable[[Run], Iterator[Finding]], ...] = (
    relations.bounds_by_definition, sums.shares_sum, sums.telescoping,
    classifiers.f1_identity, classifiers.averaged_scores, classifiers.same_by_definition, classifiers.macro_scores,
    priors.shares_by_programming, priors.share_from_macro, classifiers.one_class_only,
    classifiers.jaccard_floor, classifiers.mixtures,
    classifiers.prevalence, classifiers.log_loss_baseline, classifiers.stated_majority,
    samples.proportions_on_stated_sample, samples.matrices_on_stated_sample, samples.auc_on_grid,
    regressions.error_order, regressions.bias_within_error, regressions.squared_error, regressions.error_within_range,
    residuals.error_decomposition, regressions.mape_within_range, regressions.best_constant,
    regressions.spread_of_target, regressions.levels_or_returns, regressions.persistence,
    regressions.correlation_against_r2,
    signals.correlation_bounds, signals.ic_ratio, signals.ic_breadth, signals.ic_significance,
    signals.signal_to_portfolio, signals.hit_rate_against_correlation, signals.quantile_spread,
    signals.quantile_portfolio, signals.calibration,
    portfolios.sharpe_identity, portfolios.sharpe_significance, portfolios.foresight, portfolios.calmar_identity,
    calendars.calendar, portfolios.costs, portfolios.per_period, portfolios.total_against_annual, portfolios.drawdown,
    trading.counts_of_trades, trading.payoff_of_averages, trading.factor_of_gross, trading.factor_of_rate,
    trading.expectancy_of_rate,     trading.profit_of_trades,
    trainings.loss_above_floor, trainings.epochs, architectures.parameter_count, architectures.file_size,
    architectures.summary_of_layers,
    moments.distributions, moments.percentiles, moments.shape, moments.reported_tests,
    moments.whole_numbers, moments.reported_correlation,
)  # fmt: skip

#: Families of runs searched for a common sample; a report with more is not searched further.
FAMILIES = 40

#: Rules on runs evaluated on one sample.
FAMILY_RULES: tuple[Callable[[Sequence[Run]], Iterator[Finding]], ...] = (samples.common_sample,)

#: Rules on the whole report.
REPORT_RULES: tuple[Callable[[Report], Iterator[Finding]], ...] = (
    relations.printed_twice, relations.bounds_kept, relations.without_split, relations.parts_of_period,
    relations.one_model_two_figures, relations.derived, relations.leverage, matrices.printed_matrix,
    trainings.reweighted_losses, trainings.best_of_curve, uncertainty.thresholds,
    uncertainty.stated_intervals, uncertainty.spreads,
)  # fmt: skip


def findings_of(report: Report) -> list[Finding]:
    """Every finding of every rule, under the report's reading of the digits.

    A rule that overflows or leaves the domain of a function on absurd figures (a Sharpe ratio of 1e308) is left out for
    that run and named in `Report.skipped`; the others go on.
    """
    found: list[Finding] = []

    def collect(rule: Callable[..., Iterator[Finding]], subject: object) -> None:
        try:
            found.extend(rule(subject))
        except InputError:
            raise
        except (ArithmeticError, ValueError) as error:
            report.skipped.append(f"{rule.__name__.replace('_', ' ')} was left out: {error}")

    for run in report.runs:
        for rule in RUN_RULES:
            collect(rule, run)
    for family in report.samples()[:FAMILIES]:
        for family_rule in FAMILY_RULES:
            collect(family_rule, family)
    for report_rule in REPORT_RULES:
        collect(report_rule, report)
    return found
