"""What the gate reads of skill and of money: evidence over everything that was tried, and estimates without a test.

Whether a run knows something is one question, asked once, of the series x (`assay.results.stats.skill`): by an
e-value that may be looked at as often as one likes, or by a p-value at one look. Money is then estimated: alpha as it
was realised and as the IC implies it, half and half, because the first is noisy and the second leans on a model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.errors import BacktestError
from assay.results.checks.base import Check
from assay.results.checks.outcomes import CheckOutcomes, hint_for
from assay.results.checks.styles import Styles
from assay.results.stats.skill import evidence_path, skill_t
from assay.results.storage.chain import entries
from assay.results.storage.runs import Run
from assay.results.storage.trial_ledger import Trials, read_trials, scenario_of, search_of

__all__ = [
    "Estimate",
    "Subject",
    "beats_baselines",
    "break_even_ratio",
    "earlier_looks",
    "expected_alpha",
    "missing",
    "not_applicable",
    "not_run",
    "skill_e",
    "skill_e_styles",
    "skill_p",
]


_UNCOUNTED = "the run is in no trial ledger, so that what was tried beside it is not known"
_ELSEWHERE = "this ledger does not know the run: set ASSAY_LEDGER to the one it was counted in, or merge that one"


@dataclass(frozen=True, eq=False)
class Subject:
    """What is judged: a run, the champion it is compared with, the runs whose evidence it continues, and for which IC.

    Without a target IC the evidence is the mean over several, see `assay.results.stats.skill`.
    """

    run: Run
    champion: Run | None
    since: tuple[Run, ...] = ()
    target_ic: float | None = None

    @property
    def horizon(self) -> int:
        """Sessions that a prediction of the run spans."""
        return int(self.run.manifest.get("config", {}).get("horizon", 1))

    @cached_property
    def checks(self) -> CheckOutcomes:
        """What was checked of the run."""
        return CheckOutcomes.of(self.run)

    @cached_property
    def trials(self) -> Trials | None:
        """The ledger's trials on the run's market, in its scenario; None where it was not counted."""
        prices = self.run.manifest.get("fingerprints", {}).get("prices")
        if prices is None or self.checks.trials is None:
            return None
        config = self.run.manifest.get("config", {})
        return read_trials(prices, scenario=scenario_of(config), own=search_of(config))


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


def missing(reason: str) -> Estimate:
    """A figure that is not there, so that the rule cannot pass."""
    return Estimate(reason=reason, absent="insufficient")


def not_applicable(reason: str) -> Estimate:
    """A figure that a run of this kind cannot have, so that the rule says nothing of it."""
    return Estimate(reason=reason, absent="not applicable")


def not_run(kind: type[Check], subject: Subject) -> Estimate:
    """A figure of a check that was not made, and the option that makes it."""
    return missing(f"{kind.title.lower()}: not run; {hint_for(kind, subject.run)}")


def _value(run: Run, name: str) -> float:
    item = run.metric(name)
    return math.nan if item is None or item["value"] is None else float(item["value"])


def _series(subject: Subject, name: str = "skill") -> pd.DataFrame | None:
    if not subject.run.has(name):
        return None
    table = subject.run.table(name)
    return table if len(table) else None


def skill_e(subject: Subject) -> Estimate:
    """The e-value of the run's scores today, over the number of score series tried on its market.

    The mean of e-values of trials is one too, so evidence for one of N is worth E/N, however the trials are correlated;
    20 is 5% at whatever look. N counts distinct series and is no estimate: how many independent ones they amount to
    (`assay.results.stats.family_wise.effective_series`) is shown by `runs trials` and divides nothing, for with it the
    bound would not hold. What correlation saves is in `skill_p`, whose max-t measures it.
    """
    return _e_value(subject, "skill")


def skill_e_styles(subject: Subject) -> Estimate:
    """The same of the scores with styles and sectors projected out, too.

    One test, not two: whoever knows something that styles do not explain knows something, and the e-value is as valid
    at whatever look. A panel of too few assets for styles is judged after beta alone.
    """
    check = subject.checks.styles
    if check is None:
        return not_run(Styles, subject)
    if check.few:
        found = skill_e(subject)
        return replace(found, reason=f"{found.reason}; after beta alone: {check.note}")
    return _e_value(subject, "skill_styles")


def _e_value(subject: Subject, name: str) -> Estimate:
    table, trials, counted = _series(subject, name), subject.trials, subject.checks.trials
    if table is None:
        return missing("the run has no skill series; its predictions rank nothing, or too few names")
    if trials is None or counted is None or (counted.trial and counted.trial not in trials.table.index):
        return missing(_UNCOUNTED if counted is None else _ELSEWHERE)
    tried = max(trials.distinct, 1) + counted.elsewhere
    series = _continued(subject.since, table, name)
    x, df = series["x"].to_numpy(), series["df"].to_numpy()
    path = evidence_path(x, df, horizon=subject.horizon, target=subject.target_ic)
    evidence = math.exp(min(float(path[-1]), 690.0))
    aim = "" if subject.target_ic is None else f" for an IC of {subject.target_ic:g}"
    text = f"e-value {evidence:.3g}{aim} of {len(series):,} sessions, over {tried} score series tried on this market"
    return Estimate(evidence / tried, reason=text)


def _continued(since: tuple[Run, ...], table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The series of earlier runs, each up to where the next goes on, and then the run's own: evidence multiplies."""
    parts = [run.table(name) for run in since if run.has(name)]
    parts = sorted((part for part in parts if len(part)), key=lambda part: part.index[-1])
    whole = pd.DataFrame(columns=["x", "df"], dtype=float)
    for part in (*parts, table):
        new = part[["x", "df"]] if not len(whole) else part.loc[part.index > whole.index[-1], ["x", "df"]]
        whole = new if not len(whole) else pd.concat([whole, new])
    return whole


def skill_p(subject: Subject) -> Estimate:
    """Romano and Wolf's p-value of the run's scores among everything tried on its market, at the first look."""
    from assay.results.stats.family_wise import family_wise

    table, trials, counted = _series(subject), subject.trials, subject.checks.trials
    if table is None:
        return missing("the run has no skill series; its predictions rank nothing, or too few names")
    if trials is None or counted is None or (counted.trial and counted.trial not in trials.table.index):
        return missing(_UNCOUNTED if counted is None else _ELSEWHERE)
    if counted.elsewhere:
        return missing(f"{counted.elsewhere} trials were made elsewhere, whose series are not known; ask for skill_e")
    looked = earlier_looks(subject.run)
    if looked:
        return missing(f"looked at before, through {looked[-1]}; evidence that may be looked at again is skill_e")
    x = trials.x.drop(columns=[counted.trial], errors="ignore").dropna(axis="columns", how="all")
    both = pd.concat([table["x"].rename("own"), x], axis="columns", sort=True)
    try:
        found = family_wise(both.to_numpy(dtype=np.float64), horizon=subject.horizon)
    except BacktestError as error:
        return missing(str(error))
    p = float(found.adjusted[0])
    if math.isnan(p):
        return missing(f"{len(table)} sessions have an x; 60 are needed")
    text = f"t {found.t[0]:.1f} among {both.shape[1]} series tried on this market (Romano–Wolf)"
    return Estimate(p, reason=text)


def earlier_looks(run: Run) -> list[str]:
    """Last sessions of the looks that the gate had at the run's trial before, with less data; in order."""
    counted = CheckOutcomes.of(run).trials
    if counted is None or not counted.trial:
        return []
    last = str(run.metrics.get("end", ""))[:10]
    seen = {str(item.body["through"]) for item in entries("look") if item.body["trial"] == counted.trial}
    return sorted(session for session in seen if session < last)


def expected_alpha(subject: Subject) -> Estimate:
    """Net alpha a year: the mean of what was realised and what the IC implies; of one where there is no other."""
    realised, implied = _value(subject.run, "alpha_ann_net"), _value(subject.run, "implied_alpha_ann")
    known = {name: value for name, value in (("realised", realised), ("implied by the IC", implied)) if value == value}
    if not known:
        return missing("neither a realised alpha (there is no benchmark) nor one that the IC implies")
    item = subject.run.metric("expected_alpha_ann" if "implied by the IC" in known else "alpha_ann_net")
    if item is None or item["value"] is None:
        return missing("the run stores no expected alpha; make it again")
    text = "mean of " + " and ".join(f"{value:.1%} {name}" for name, value in known.items())
    return Estimate(float(item["value"]), item["low"], item["high"], text)


def break_even_ratio(subject: Subject) -> Estimate:
    """Break-even cost on the expected alpha over the cost that was assumed, with the alpha's interval."""
    alpha = expected_alpha(subject)
    traded, paid = 2 * _value(subject.run, "turnover_ann"), _value(subject.run, "trading_cost_ann")
    if alpha.value is None or math.isnan(traded) or math.isnan(paid):
        return missing(alpha.reason if alpha.value is None else "the run stores no turnover or cost")
    if not traded > 0:
        return not_applicable("nothing was traded")
    if not paid > 0:
        return not_applicable("no trading cost was assumed")
    even, assumed = 1e4 * (alpha.value + paid) / traded, 1e4 * paid / traded
    text = f"alpha ends at {even:.1f} bps a traded unit, {assumed:.1f} are assumed"
    low, high = (None if end is None else 1 + end / paid for end in (alpha.low, alpha.high))
    return Estimate(even / assumed, low, high, text)


def beats_baselines(subject: Subject) -> Estimate:
    """Mean difference in skill to the best baseline, in IC, with its interval: a paired test on x."""
    if not subject.run.has("baseline_skill"):
        return missing("no baselines beside the model; `walk-forward` runs them")
    table = subject.run.table("baseline_skill")
    own, others = table.iloc[:, 0], table.iloc[:, 1:].dropna(axis="columns", how="all")
    if others.empty or own.notna().sum() < 60:
        return missing("the model or its baselines have no skill series of 60 sessions")
    best = str(others.mean().idxmax())
    both = pd.concat([own, others[best]], axis="columns", sort=True).dropna().to_numpy(dtype=np.float64)
    scale = 1.0
    skill = _series(subject)
    if skill is not None:
        scale = 1 / math.sqrt(float(skill["df"].mean()))
    mean, error, t, critical = skill_t((both[:, 0] - both[:, 1]) * scale, horizon=subject.horizon)
    if not error > 0:
        return Estimate(mean, mean, mean, f"the same as {best}, the best baseline")
    text = f"IC less that of {best}, the best baseline, {len(both):,} sessions, paired t {t:.1f}"
    return Estimate(mean, mean - critical * error, mean + critical * error, text)
