"""The figures that a policy can ask about, each read from a stored run.

A rule is a function of the run (and of the champion and the trial ledger) to an `Estimate`: a value with its interval,
or why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Literal, TypeVar

import numpy as np
import pandas as pd

from assay.data.errors import BacktestError
from assay.results.checks.base import Check
from assay.results.checks.canaries import Canaries
from assay.results.checks.capacity import Capacity
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.checks.random_scores import RandomScores
from assay.results.checks.trials import TrialCount, any_superior
from assay.results.stats.long_run_variance import critical_value, hac_mean
from assay.results.storage.ledger import Trials, read_trials, scenario_of
from assay.results.storage.runs import Run

__all__ = ["RULES", "Estimate", "Rule", "Subject"]

_INF = math.inf
#: Probabilities with an outcome below which their calibration is not judged.
_LEAST_CASES = 30


@dataclass(frozen=True, eq=False)
class Subject:
    """What is judged: a run, and the champion it is compared with."""

    run: Run
    champion: Run | None

    @cached_property
    def checks(self) -> CheckOutcomes:
        """What was checked of the run."""
        return CheckOutcomes.of(self.run)


@dataclass(frozen=True)
class Estimate:
    """What a rule reads.

    Parameters
    ----------
    value, low, high : the figure and its 95% interval, where it has one.
    reason : what it is, or why there is none.
    absent : ``""``, ``"insufficient"`` or ``"not applicable"``.

    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    absent: Literal["", "insufficient", "not applicable"] = ""


@dataclass(frozen=True)
class Rule:
    """How a rule is read, and which thresholds are possible."""

    read: Callable[[Subject], Estimate]
    meaning: str
    low: float = -_INF
    high: float = _INF
    boolean: bool = False


def _missing(reason: str) -> Estimate:
    return Estimate(reason=reason, absent="insufficient")


def _metric(name: str) -> Callable[[Subject], Estimate]:
    def read(subject: Subject) -> Estimate:
        item = subject.run.metric(name)
        if item is None:
            return _missing(f"the run has no metric {name}")
        if item["value"] is None:
            return _missing(item["reason"] or f"{name} does not exist on this run")
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
            return _not_run(kind)
        value = read(check)
        if value is None or math.isnan(value):
            return _missing(f"{name} does not exist on this run; {check.sentence}")
        return Estimate(value, reason=check.sentence)

    return estimate


def _not_run(kind: type[Check]) -> Estimate:
    return _missing(f"{kind.title.lower()}: not run; {kind.hint}")


def _sessions(subject: Subject) -> Estimate:
    count = subject.run.metrics.get("sessions")
    if count is None:
        return _missing("the run stores no sessions")
    return Estimate(float(count), reason="sessions simulated")


def _receipts(subject: Subject) -> Estimate:
    known = subject.run.has("receipts")
    return Estimate(
        float(known), reason="every row says what its model had seen" if known else "the predictions have none"
    )


def _leaks(subject: Subject) -> Estimate:
    check = subject.checks.leaks
    return _not_run(LeakCheck) if check is None else Estimate(float(check.state == "good"), reason=check.verdict)


def _canaries(subject: Subject) -> Estimate:
    check = subject.checks.canaries
    if check is None:
        return _not_run(Canaries)
    if check.passed is None:
        return _missing(check.detail)
    reason = f"{check.standing} among models of shuffled labels"
    return Estimate(float(check.passed), reason="; ".join(check.findings) or reason)


def _cross_check(subject: Subject) -> Estimate:
    check = subject.checks.cross_check
    if check is None:
        return _not_run(CrossCheck)
    if check.agrees is None:
        return Estimate(reason=check.reason, absent="not applicable")
    return Estimate(float(check.agrees), reason=check.detail)


def _beats_baselines(subject: Subject) -> Estimate:
    """Margin of the model's rank IC over its best baseline."""
    if not subject.run.has("baselines"):
        return _missing("no baselines beside the model; `walk-forward` runs them")
    table = subject.run.table("baselines")
    if "rank_ic" not in table or len(table) < 2 or not np.isfinite(table["rank_ic"].iloc[0]):
        return _missing("the model or its baselines have no rank IC")
    others = table["rank_ic"].iloc[1:].dropna()
    if others.empty:
        return _missing("no baseline has a rank IC")
    best = str(others.idxmax())
    margin = float(table["rank_ic"].iloc[0] - others.max())
    return Estimate(margin, reason=f"rank IC less that of {best}, the best baseline")


def _calibration(subject: Subject) -> Estimate:
    """Brier skill: 1 − Brier/(Brier of the base rate), both as stored."""
    brier, reference = subject.run.metric("brier"), subject.run.metric("brier_uncertainty")
    if brier is None or reference is None:
        return Estimate(reason="the predictions are no probabilities", absent="not applicable")
    if brier["value"] is None or not reference["value"] or brier["n"] < _LEAST_CASES:
        return _missing(f"{brier['n']} probabilities with an outcome; {_LEAST_CASES} of both kinds are needed")
    return Estimate(1.0 - brier["value"] / reference["value"], reason="Brier skill against the base rate")


def _seed_dispersion(subject: Subject) -> Estimate:
    """Standard deviation over seeds of the net Sharpe ratio."""
    if not subject.run.has("seeds"):
        return _missing("one seed; retrain with --seeds 3 or more")
    values = subject.run.table("seeds")["sharpe_net"].dropna()
    if len(values) < 2:
        return _missing("fewer than 2 seeds have a Sharpe ratio")
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
        return _missing("the run keeps no training losses")
    return Estimate(gap, reason="validation less training loss at the best epoch, mean over folds and seeds")


def _pbo(subject: Subject) -> Estimate:
    from assay.results.stats.overfitting import probability_of_overfitting

    trials = _trials(subject)
    if trials is None:
        return _missing("the run is in no trial ledger")
    if trials.count < 2:
        return Estimate(reason="one trial: nothing was chosen", absent="not applicable")
    common = trials.traded.dropna()
    try:
        found = probability_of_overfitting(common.to_numpy())
    except BacktestError as error:
        return _missing(str(error))
    return Estimate(found.probability, reason=f"{trials.count} trials, {found.splits} splits")


def _spa(subject: Subject) -> Estimate:
    trials = _trials(subject)
    if trials is None:
        return _missing("the run is in no trial ledger")
    if trials.count < 2:
        return Estimate(reason="one trial: nothing was chosen", absent="not applicable")
    try:
        found = any_superior(trials)
    except BacktestError as error:
        return _missing(str(error))
    text = f"best of {trials.count} trials against cash, {found.sessions} sessions; Hansen's lower and upper p as ends"
    return Estimate(found.consistent, found.lower, found.upper, text)


def _trials(subject: Subject) -> Trials | None:
    """The ledger's trials on the run's market, in its scenario; None where it was not counted."""
    prices, counted = subject.run.manifest.get("fingerprints", {}).get("prices"), subject.checks.trials
    if prices is None or counted is None:
        return None
    return read_trials(prices, scenario=scenario_of(subject.run.manifest.get("config", {})))


def _champion(function: Callable[[Run, Run], Estimate]) -> Callable[[Subject], Estimate]:
    def read(subject: Subject) -> Estimate:
        if subject.champion is None:
            return Estimate(reason="no champion to compare with; see --champion", absent="not applicable")
        return function(subject.run, subject.champion)

    return read


def _return_difference(run: Run, champion: Run) -> Estimate:
    """Annualised mean of the difference in net returns on common sessions, with a HAC interval."""
    series = {"net": run.table("returns")["net"], "champion": champion.table("returns")["net"]}
    both = pd.concat(series, axis="columns", join="inner", sort=True).dropna()
    if len(both) < 60:
        return _missing(f"{len(both)} sessions in common with the champion; 60 are needed")
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
            return _missing(f"one of the runs has no {name}")
        if ratio and theirs == 0:
            return _missing(f"the champion's {name} is 0")
        return Estimate(mine / theirs - 1 if ratio else mine, reason=text)

    return read


def _gap_growth(run: Run, champion: Run) -> Estimate:
    mine, theirs = _loss_gap(run), _loss_gap(champion)
    if mine is None or theirs is None:
        return _missing("one of the runs keeps no training losses")
    if theirs <= 0:
        return _missing(f"the champion's gap is {theirs:.3g}; growth from there means nothing")
    return Estimate(mine / theirs - 1, reason="growth of the gap between validation and training loss")


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        # the model
        "rank_ic_t": Rule(_metric("rank_ic_t"), "HAC t of the mean rank IC"),
        "rank_ic": Rule(_metric("rank_ic_mean"), "mean rank IC", -1, 1),
        "ic_t": Rule(_metric("ic_t"), "HAC t of the mean IC"),
        "beats_baselines": Rule(_beats_baselines, "rank IC less the best baseline's", -2, 2),
        "calibration": Rule(_calibration, "Brier skill against the base rate", -_INF, 1),
        "seed_dispersion": Rule(_seed_dispersion, "deviation of the net Sharpe over seeds", 0),
        "train_gap": Rule(_train_gap, "validation less training loss"),
        # the portfolio
        "sharpe": Rule(_metric("sharpe_net"), "net Sharpe ratio, annualised"),
        "sharpe_residual": Rule(_metric("sharpe_residual_net"), "net Sharpe ratio after the benchmark"),
        "alpha_t": Rule(_metric("alpha_t_net"), "HAC t of net alpha"),
        "deflated_sharpe": Rule(
            _of_check(TrialCount, lambda c: c.trials, lambda t: t.deflated_sharpe, "deflated Sharpe"),
            "deflated Sharpe of net returns",
            0,
            1,
        ),
        "deflated_sharpe_residual": Rule(
            _of_check(
                TrialCount, lambda c: c.trials, lambda t: t.deflated_sharpe_residual, "the one after the benchmark"
            ),
            "deflated Sharpe of net returns after the benchmark",
            0,
            1,
        ),
        "random_scores_p": Rule(
            _of_check(RandomScores, lambda c: c.random_scores, lambda r: r.p_value, "p among random scores"),
            "one-sided p among random-score runs",
            0,
            1,
        ),
        "shuffled_labels_p": Rule(
            _of_check(Canaries, lambda c: c.canaries, lambda c: c.p_value, "p among shuffled labels"),
            "one-sided p of its skill among models of shuffled labels",
            0,
            1,
        ),
        "pbo": Rule(_pbo, "probability of backtest overfitting", 0, 1),
        "spa_p_value": Rule(_spa, "p that no trial of the family beats cash (Hansen's SPA)", 0, 1),
        "max_drawdown": Rule(_metric("max_drawdown_net"), "largest net drawdown, negative", -_INF, 0),
        "turnover": Rule(_metric("turnover_ann"), "one-way turnover a year", 0),
        "break_even_cost_bps": Rule(_metric("break_even_cost_bps"), "cost that ends the mean net return", 0),
        "break_even_borrow_bps": Rule(_metric("break_even_borrow_bps"), "borrow fee that ends it", 0),
        "sessions": Rule(_sessions, "length", 1),
        "capacity": Rule(
            _of_check(Capacity, lambda c: c.capacity, lambda c: c.halves_at, "the halving size"),
            "AUM that halves the Sharpe",
            0,
        ),
        # integrity
        "receipts": Rule(_receipts, "every prediction has a receipt", boolean=True),
        "leaks": Rule(_leaks, "nothing changed on truncated data", boolean=True),
        "canaries": Rule(_canaries, "above every model of shuffled labels, nothing found", boolean=True),
        "cross_check": Rule(_cross_check, "both engines earn the same", boolean=True),
        # the champion
        "return_difference": Rule(_champion(_return_difference), "net return a year less the champion's"),
        "accuracy_drift": Rule(
            _champion(_drift("accuracy", "accuracy relative to the champion's", ratio=True)), "relative", -1
        ),
        "rank_ic_drift": Rule(
            _champion(_drift("rank_ic", "rank IC relative to the champion's", ratio=True)), "relative"
        ),
        "r2": Rule(_champion(_drift("r2", "R² of the return forecasts", ratio=False)), "R²", -_INF, 1),
        "gap_growth": Rule(_champion(_gap_growth), "growth of the loss gap"),
    }
)
