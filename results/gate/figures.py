"""The figures that a policy can ask about, each read from a stored run.

A rule is a function of the run (and of the champion and the trial ledger) to an `Estimate`: a value with its interval,
or why there is none.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import pandas as pd

from assay.data.card import plural
from assay.data.docstrings import first_sentence
from assay.data.errors import BacktestError, InputError
from assay.data.plugins import find_function, find_object
from assay.results.checks.base import Check
from assay.results.checks.canaries import Canaries
from assay.results.checks.capacity import Capacity
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.checks.random_scores import RandomScores
from assay.results.checks.styles import Styles
from assay.results.checks.trials import TrialCount, any_superior
from assay.results.gate.evidence_rules import (
    Estimate,
    Subject,
    beats_baselines,
    break_even_ratio,
    expected_alpha,
    missing,
    not_applicable,
    not_run,
    skill_e,
    skill_e_styles,
    skill_p,
)
from assay.results.stats.long_run_variance import critical_value, hac_mean
from assay.results.storage.runs import Run

__all__ = ["RULES", "RULE_ENTRY_POINTS", "Rule", "metric_rule", "own_rule"]

#: Group under which other packages offer gate rules.
RULE_ENTRY_POINTS = "assay.gate_rules"

_INF = math.inf
#: Probabilities with an outcome below which their calibration is not judged.
_LEAST_CASES = 30


@dataclass(frozen=True)
class Rule:
    """How a rule is read, what it means, and which thresholds are possible.

    Parameters
    ----------
    read : of a run, to an estimate.
    meaning : what the figure is.
    why : one sentence: what a manager should ask it for.
    unit : of thresholds and values; ``"yes or no"`` for rules that are true or false.
    low, high : thresholds lie between.

    """

    read: Callable[[Subject], Estimate]
    meaning: str
    why: str
    unit: str = ""
    low: float = -_INF
    high: float = _INF

    @property
    def boolean(self) -> bool:
        """Whether it is true or false."""
        return self.unit == "yes or no"


def _metric(name: str) -> Callable[[Subject], Estimate]:
    def read(subject: Subject) -> Estimate:
        item = subject.run.metric(name)
        own = subject.checks.own_metrics
        figure = None if own is None or item is not None else own.figure(name)
        if figure is not None:
            return Estimate(figure.value, figure.low, figure.high, f"your own metric, {figure.source}")
        if item is None:
            alone = subject.run.manifest.get("fingerprints", {}).get("benchmark") is None
            why = "; it was made without --benchmark, which some metrics need" if alone else ""
            return missing(f"the run has no metric {name}{why}")
        if item["value"] is None:
            return missing(item["reason"] or f"{name} does not exist on this run")
        return Estimate(item["value"], item["low"], item["high"], item["convention"])

    return read


C = TypeVar("C", bound=Check)


def _of_check(
    kind: type[C], pick: Callable[[CheckOutcomes], C | None], read: Callable[[C], float | None], name: str
) -> Callable[[Subject], Estimate]:
    """A figure of a check of the run, which an option makes."""

    def estimate(subject: Subject) -> Estimate:
        check = pick(subject.checks)
        if check is None:
            return not_run(kind, subject)
        value = read(check)
        if value is None or math.isnan(value):
            return missing(f"{name} does not exist on this run; {check.sentence}")
        return Estimate(value, reason=check.sentence)

    return estimate


def _after_styles(name: str) -> Callable[[Subject], Estimate]:
    """A figure after styles; not applicable where the panel has too few assets for them."""

    def estimate(subject: Subject) -> Estimate:
        check = subject.checks.styles
        if check is None:
            return not_run(Styles, subject)
        if check.few:
            return not_applicable(check.note)
        item = check.metric(name)
        if item is None:
            return missing(check.note or f"the run has no {name}")
        if math.isnan(item.value):
            return missing(item.reason)
        return Estimate(item.value, item.low, item.high, f"after {', '.join(check.factors)}")

    return estimate


def _skill_share(subject: Subject) -> Estimate:
    """How much of the skill styles leave; not applicable where there is no skill to explain."""
    found, check = _after_styles("skill_share_styles")(subject), subject.checks.styles
    item = None if check is None else check.metric("skill_share_styles")
    return found if item is None or not math.isnan(item.value) else not_applicable(item.reason)


def _sessions(subject: Subject) -> Estimate:
    count = subject.run.metrics.get("sessions")
    if count is None:
        return missing("the run stores no sessions")
    return Estimate(float(count), reason="sessions simulated")


def _universe(subject: Subject) -> Estimate:
    """Whether membership was given; without it whether alpha survives the worst that missing names may have done."""
    count = subject.run.manifest.get("universe")
    if count is not None:
        return Estimate(1.0, reason=f"only members were traded, {count} assets over time")
    item = subject.run.metric("alpha_missing_names")
    if item is None or item["low"] is None:
        return missing("no membership was given (`--universe`), and without a benchmark there is no bound on alpha")
    if item["low"] > 0:
        return Estimate(1.0, reason=f"no membership, but net alpha is {item['low']:.1%} at worst: {item['convention']}")
    return missing(f"no membership was given (`--universe`); net alpha may be {item['low']:.1%}: {item['convention']}")


def _receipts(subject: Subject) -> Estimate:
    known = subject.run.has("receipts")
    return Estimate(
        float(known), reason="every row says what its model had seen" if known else "the predictions have none"
    )


def _leaks(subject: Subject) -> Estimate:
    check = subject.checks.leaks
    if check is None:
        return not_run(LeakCheck, subject)
    return Estimate(float(check.state == "good"), reason=check.verdict)


def _canaries(subject: Subject) -> Estimate:
    check = subject.checks.canaries
    if check is None:
        return not_run(Canaries, subject)
    if check.passed is None:
        return missing(check.detail)
    reason = f"{check.standing} among models of shuffled labels"
    return Estimate(float(check.passed), reason="; ".join(check.findings) or reason)


def _cross_check(subject: Subject) -> Estimate:
    check = subject.checks.cross_check
    if check is None:
        return not_run(CrossCheck, subject)
    if check.agrees is None:
        return not_applicable(check.reason)
    return Estimate(float(check.agrees), reason=check.detail)


def _calibration(subject: Subject) -> Estimate:
    """Brier skill: 1 − Brier/(Brier of the base rate), both as stored."""
    brier, reference = subject.run.metric("brier"), subject.run.metric("brier_uncertainty")
    if brier is None or reference is None:
        return not_applicable("the predictions are no probabilities")
    if brier["value"] is None or not reference["value"] or brier["n"] < _LEAST_CASES:
        return missing(f"{brier['n']} probabilities with an outcome; {_LEAST_CASES} of both kinds are needed")
    return Estimate(1.0 - brier["value"] / reference["value"], reason="Brier skill against the base rate")


def _seed_dispersion(subject: Subject) -> Estimate:
    """Standard deviation over seeds of the net Sharpe ratio."""
    if not subject.run.has("seeds"):
        return missing("one seed; retrain with --seeds 3 or more")
    values = subject.run.table("seeds")["sharpe_net"].dropna()
    if len(values) < 2:
        return missing("fewer than 2 seeds have a Sharpe ratio")
    return Estimate(float(values.std(ddof=1)), reason=f"deviation of the net Sharpe ratio over {len(values)} seeds")


def _loss_gap(run: Run) -> float | None:
    """Mean over folds and seeds of validation loss less train loss at the best epoch."""
    if not run.has("training"):
        return None
    table = run.table("training")
    if not len(table):
        return None
    best = (
        table[table["best"]]
        if "best" in table
        else table.loc[table.groupby(["fold", "seed"])["validation_loss"].idxmin()]
    )
    return float((best["validation_loss"] - best["train_loss"]).mean())


def _train_gap(subject: Subject) -> Estimate:
    gap = _loss_gap(subject.run)
    if gap is None:
        return missing("the run keeps no training losses")
    return Estimate(gap, reason="validation less training loss at the best epoch, mean over folds and seeds")


def _pbo(subject: Subject) -> Estimate:
    from assay.results.stats.overfitting import probability_of_overfitting

    trials = subject.trials
    if trials is None:
        return missing("the run is in no trial ledger")
    if trials.count < 2:
        return not_applicable("one trial: nothing was chosen")
    common = trials.traded.dropna()
    try:
        found = probability_of_overfitting(common.to_numpy())
    except BacktestError as error:
        return missing(str(error))
    return Estimate(found.probability, reason=f"{plural(trials.count, 'trial')}, {plural(found.splits, 'split')}")


def _spa(subject: Subject) -> Estimate:
    trials = subject.trials
    if trials is None:
        return missing("the run is in no trial ledger")
    if trials.count < 2:
        return not_applicable("one trial: nothing was chosen")
    try:
        found = any_superior(trials)
    except BacktestError as error:
        return missing(str(error))
    many = plural(trials.count, "trial")
    text = f"best of {many} against cash, {found.sessions} sessions; Hansen's lower and upper p as ends"
    return Estimate(found.consistent, found.lower, found.upper, text)


def _champion(function: Callable[[Run, Run], Estimate]) -> Callable[[Subject], Estimate]:
    def read(subject: Subject) -> Estimate:
        if subject.champion is None:
            return not_applicable("no champion to compare with; see --champion")
        return function(subject.run, subject.champion)

    return read


def _return_difference(run: Run, champion: Run) -> Estimate:
    """Annualised mean of the difference in net returns on common sessions, with a HAC interval."""
    series = {"net": run.table("returns")["net"], "champion": champion.table("returns")["net"]}
    both = pd.concat(series, axis="columns", join="inner", sort=True).dropna()
    if len(both) < 60:
        return missing(f"{len(both)} sessions in common with the champion; 60 are needed")
    mean, error, _, lag = hac_mean((both["net"] - both["champion"]).to_numpy())
    if not error > 0:
        return Estimate(252 * mean, 252 * mean, 252 * mean, "the returns are the same")
    half = critical_value(len(both), lag) * error
    text = f"net return a year less the champion's, {len(both)} common sessions, HAC lag {lag}"
    return Estimate(252 * mean, 252 * (mean - half), 252 * (mean + half), text)


def _model_figure(run: Run, name: str) -> float | None:
    if not run.has("baselines"):
        return None
    table = run.table("baselines")
    if name not in table:
        return None
    value = float(table[name].iloc[0])
    return value if math.isfinite(value) else None


def _drift(name: str, text: str, *, ratio: bool) -> Callable[[Run, Run], Estimate]:
    def read(run: Run, champion: Run) -> Estimate:
        mine, theirs = _model_figure(run, name), _model_figure(champion, name)
        if mine is None or theirs is None:
            return missing(f"one of the runs has no {name}")
        if ratio and theirs == 0:
            return missing(f"the champion's {name} is 0")
        return Estimate(mine / theirs - 1 if ratio else mine, reason=text)

    return read


def _gap_growth(run: Run, champion: Run) -> Estimate:
    mine, theirs = _loss_gap(run), _loss_gap(champion)
    if mine is None or theirs is None:
        return missing("one of the runs keeps no training losses")
    if theirs <= 0:
        return missing(f"the champion's gap is {theirs:.3g}; growth from there means nothing")
    return Estimate(mine / theirs - 1, reason="growth of the gap between validation and training loss")


def _flag(read: Callable[[Subject], Estimate], meaning: str, why: str) -> Rule:
    return Rule(read, meaning, why, "yes or no")


_DEFLATED = ("deflated_sharpe", "deflated_sharpe_residual")
RULES: Mapping[str, Rule] = MappingProxyType(
    {
        # skill
        "skill_e": Rule(
            skill_e, "e-value of skill after beta, over the score series tried",
            "It may be looked at every month: noise ever reaches 20 in at most one case of 20.", "e-value", 0),
        "skill_e_styles": Rule(
            skill_e_styles, "e-value of skill after beta, styles and sectors, over the score series tried",
            "No style passes it more often than one time in 20, at whatever look; dear where there are few names.",
            "e-value", 0),
        "skill_p": Rule(
            skill_p, "family-wise p-value of skill after beta, at one look (Romano–Wolf)",
            "One look, and no allowance is wasted on trials that are nearly the same.", "probability", 0, 1),
        "skill_t": Rule(_metric("skill_t"), "t of skill after beta", "Skill by itself, whatever was tried.", "t"),
        "skill_ic": Rule(_metric("skill_ic"), "information coefficient after beta", "How large the skill is.",
                         "correlation", -1, 1),
        "skill_share_styles": Rule(
            _skill_share, "IC after beta, styles and sectors over IC after beta",
            "What momentum or low volatility knows needs no model.", "share", -_INF, 1),
        "skill_t_styles": Rule(
            _after_styles("skill_t_styles"), "t of skill after beta, styles and sectors",
            "A second test, on fewer degrees of freedom.", "t"),
        "beats_baselines": Rule(
            beats_baselines, "IC after beta less the best baseline's, paired",
            "on = \"low\" asks for better, on = \"high\" for not clearly worse than what costs nothing.",
            "correlation", -2, 2),
        "rank_ic_t": Rule(_metric("rank_ic_t"), "HAC t of the mean rank IC", "Beta and volatility pass it, too.", "t"),
        "rank_ic": Rule(_metric("rank_ic_mean"), "mean rank IC", "Before beta.", "correlation", -1, 1),
        "ic_t": Rule(_metric("ic_t"), "HAC t of the mean IC", "Before beta.", "t"),
        # money
        "expected_alpha": Rule(
            expected_alpha, "net alpha expected, realised and implied half and half",
            "Skill that costs eat up is no reason to trade.", "a year"),
        "expected_alpha_styles": Rule(
            _after_styles("expected_alpha_ann_styles"),
            "net alpha expected after styles and sectors, realised and implied half and half",
            "What is paid for a style can be had for less.", "a year"),
        "alpha_t_styles": Rule(
            _after_styles("alpha_t_styles_net"), "HAC t of net alpha after styles and sectors",
            "The portfolio's own test after styles, with less power than the scores'.", "t"),
        "implied_gap_t": Rule(
            _metric("implied_gap_t"), "realised less implied alpha, in errors",
            "A book that earns far less than its forecasts imply loses it somewhere between them.", "errors"),
        "break_even_ratio": Rule(
            break_even_ratio, "break-even cost on the expected alpha over the assumed cost",
            "Costs are always higher than assumed.", "times"),
        "max_drawdown": Rule(_metric("max_drawdown_net"), "largest net drawdown, negative",
                             "Nobody holds on below it.", "fraction", -_INF, 0),
        "turnover": Rule(_metric("turnover_ann"), "one-way turnover", "What trades more is an estimate of its costs.",
                         "NAV a year", 0),
        "capacity": Rule(
            _of_check(Capacity, lambda checks: checks.capacity, lambda check: check.halves_at, "a halving point"),
            "AUM at which the net Sharpe is half", "It must carry the money that is meant for it.", "currency", 0),
        "capacity_alpha": Rule(
            _of_check(
                Capacity, lambda checks: checks.capacity,
                lambda check: math.nan if check.alpha is None else check.alpha.at, "a halving point of alpha"),
            "AUM at which net alpha is half", "Beta carries any amount of money.", "currency", 0),
        "sessions": Rule(_sessions, "sessions simulated", "Crises are rare.", "sessions", 1),
        "sharpe": Rule(_metric("sharpe_net"), "net Sharpe ratio", "Beta is in it.", "a year"),
        "sharpe_residual": Rule(_metric("sharpe_residual_net"), "net Sharpe ratio after the benchmark",
                                "A second test of the same thing.", "a year"),
        "alpha_t": Rule(_metric("alpha_t_net"), "HAC t of net alpha",
                        "The portfolio's own test, with less power than the scores'.", "t"),
        **{
            name: Rule(
                _of_check(TrialCount, lambda checks: checks.trials, operator.attrgetter(name), text),
                text, "The portfolio among the trials, with less power than skill_e.", "probability", 0, 1)
            for name, text in zip(_DEFLATED, ("deflated Sharpe", "deflated Sharpe after beta"), strict=True)
        },
        "break_even_cost_bps": Rule(_metric("break_even_cost_bps"), "cost at which the mean net return is 0",
                                    "Beta pays in it.", "bps", 0),
        "break_even_cost_alpha_bps": Rule(_metric("break_even_cost_alpha_bps"), "cost at which net alpha is 0",
                                          "Beta pays for no cost.", "bps", 0),
        "break_even_borrow_bps": Rule(_metric("break_even_borrow_bps"), "borrow fee at which the mean net return is 0",
                                      "Names become hard to borrow.", "bps a year", 0),
        # chance
        "random_scores_p": Rule(
            _of_check(RandomScores, lambda checks: checks.random_scores, lambda check: check.p_value, "a rank"),
            "one-sided p among random-score runs", "The rule and the market earn something without any score.",
            "probability", 0, 1),
        "shuffled_labels_p": Rule(
            _of_check(Canaries, lambda checks: checks.canaries, lambda check: check.p_value, "a rank"),
            "one-sided p of skill among models of shuffled labels", "The path may find something in noise.",
            "probability", 0, 1),
        "pbo": Rule(_pbo, "probability of backtest overfitting", "The best of many is often the luckiest.",
                    "probability", 0, 1),
        "spa_p_value": Rule(_spa, "p that no trial on the market beats cash (Hansen's SPA)",
                            "It speaks of the best trial, not of this one.", "probability", 0, 1),
        # the model
        "calibration": Rule(_calibration, "Brier skill against the base rate",
                            "Probabilities must be better than the base rate every day.", "fraction", -_INF, 1),
        "seed_dispersion": Rule(_seed_dispersion, "deviation of the net Sharpe over seeds",
                                "A Sharpe ratio that hangs on the seed is the seed's.", "a year", 0),
        "train_gap": Rule(_train_gap, "validation less training loss", "A model that learned by heart.", "loss"),
        # integrity
        "universe": _flag(
            _universe, "members as they were, or alpha above 0 with missing names at their worst",
            "What failed on the way is missing from a list of today's names; leave the rule out to waive it."),
        "receipts": _flag(_receipts, "every prediction has a receipt", "It shows what the model had seen."),
        "leaks": _flag(_leaks, "nothing changed on truncated data", "A figure that knew the future is no figure."),
        "canaries": _flag(_canaries, "above every model of shuffled labels, nothing found",
                          "Dead wiring, a leaked label and a path that leaks each show."),
        "cross_check": _flag(_cross_check, "both engines earn the same", "Two programs seldom share a mistake."),
        # the champion
        "return_difference": Rule(_champion(_return_difference), "net return less the champion's",
                                  "A change must not cost money.", "a year"),
        "accuracy_drift": Rule(
            _champion(_drift("accuracy", "accuracy relative to the champion's", ratio=True)),
            "accuracy relative to the champion's", "The model card's alert threshold.", "fraction", -1),
        "rank_ic_drift": Rule(
            _champion(_drift("rank_ic", "rank IC relative to the champion's", ratio=True)),
            "rank IC relative to the champion's", "A retrain that forgot.", "fraction"),
        "r2": Rule(_champion(_drift("r2", "R² of the return forecasts", ratio=False)), "R² of the return forecasts",
                   "The model card's alert threshold.", "fraction", -_INF, 1),
        "gap_growth": Rule(_champion(_gap_growth), "growth of the loss gap over the champion's",
                           "The model card's alert threshold.", "fraction"),
    }
)  # fmt: skip


def metric_rule(name: str) -> Rule:
    """A rule on any metric of the run, by its name in ``metrics.json``: accuracy, f1, auc, r2 …"""
    return Rule(_metric(name), f"the run's metric {name}", "Asked for by this policy.")


def own_rule(path: str) -> Rule:
    """A person's own rule, ``package.module:NAME`` or ``./file.py:NAME``: a `Rule`, or a function of a run to a figure.

    The function answers with a number, with (value, low, high), or with None where the run has no such figure.

    Raises
    ------
    InputError
        If it cannot be imported, or is neither.

    """
    found = find_object("gate rule", path, {}, RULE_ENTRY_POINTS)
    if isinstance(found, Rule):
        return found
    function = find_function("gate rule", path, RULE_ENTRY_POINTS, ("run",), {})

    def read(subject: Subject) -> Estimate:
        answer = function(subject.run)
        if answer is None:
            return missing(f"{path} has no figure of this run")
        numbers = answer if isinstance(answer, tuple) and len(answer) == 3 else (answer,)
        try:
            values = [float(number) for number in numbers]
        except (TypeError, ValueError):
            given = type(answer).__name__
            raise InputError(f"gate rule {path!r}: gave {given}, expected a number or (value, low, high)") from None
        low, high = values[1:] or (math.nan, math.nan)
        return Estimate(values[0], low, high, f"your own rule, {path}")

    return Rule(read, first_sentence(function) or path.rpartition(":")[2], "Asked for by this policy.")
