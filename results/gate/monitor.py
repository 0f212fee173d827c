"""Whether a run that was accepted still knows something: evidence on the sessions that arrived since.

The question is turned round: the null is that the skill is still there. With μ the information coefficient to hold the
run to, y_t = μ·√df − x_t has mean 0 or less while it is, and e_t = exp(λ·y − λ²·y²/2) with λ = μ·√df mean 1 or less
(symmetric x, see `assay.results.stats.skill`). Their Shiryaev–Roberts sum M_t = (M_{t−1} + 1)·e_t is an e-detector: the
mean time to a false alarm at M ≥ A is at least A sessions, whenever one looks, and it does not have to know when skill
died. A is 20 years of 252 sessions, one false alarm in 20 years at most.

μ is the lower end of the accepted interval, or half the accepted IC where that is more: what was accepted was also
chosen, and its estimate flatters it.

References
----------
Shin, Ramdas & Rinaldo (2024), "E-detectors: a nonparametric framework for sequential change detection", New England
Journal of Statistics in Data Science 2(2).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from assay.data.atomic import replacing
from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.stored import read_json
from assay.engine.result import BacktestResult
from assay.results.evidence.skill import implied_earnings, skill_of
from assay.results.gate.drift import Drift, drift, feature_drift
from assay.results.stats.long_run_variance import regress
from assay.results.stats.skill import Skill, evidence_path
from assay.results.storage.kept import left_out
from assay.results.storage.runs import Run, to_json

__all__ = [
    "ALARM",
    "AlphaCheck",
    "Monitoring",
    "detector",
    "followed_alpha",
    "monitor",
    "stored_monitoring",
    "write_monitoring",
]


#: Sessions between false alarms, on average at least: 20 years.
ALARM = 20 * 252
_LEAST_SESSIONS = 20
#: Errors by which realised alpha may lie below the implied one, as in the shipped policies.
_GAP = -2.5
State = Literal["skill holds", "skill is gone", "too early"]


@dataclass(frozen=True)
class AlphaCheck:
    """Net alpha of the new sessions, a year.

    Parameters
    ----------
    realised : after the benchmark.
    implied : IC of the new sessions · Σ weight · volatility · score, less costs.
    gap_t : realised less implied, in errors of the realised one.

    """

    realised: float
    implied: float
    gap_t: float


@dataclass(frozen=True)
class Monitoring:
    """What the sessions since a run was accepted say.

    Parameters
    ----------
    run_id : the run.
    state : gone from the session on which the detector reached `ALARM`; too early below 20 new sessions.
    since : the first new session; the one of the alarm, where there is one.
    sessions : new ones with an x.
    accepted_ic, held_to, new_ic : the IC that was accepted, the one the run is held to, and that of the new sessions.
    detector : M today.
    e_value : evidence of skill over all sessions, old and new.
    sessions_to_alarm : about how many more sessions without any skill would raise the alarm.
    psi, psi_limit : population stability index of the scores, old against new, and what 95% of samples without drift
        stay below; NaN where the run keeps no scores.
    features : the same of each feature of the run's model, where it names a feature set.
    alpha : net alpha of the new sessions against what the IC implies there, where the run can be followed.
    alpha_reason : why it cannot.
    psi_reason : why the scores cannot be compared, where the run was told to keep none.

    """

    run_id: str
    state: State
    since: str
    sessions: int
    accepted_ic: float
    held_to: float
    new_ic: float
    detector: float
    e_value: float
    sessions_to_alarm: int
    psi: float
    psi_limit: float
    features: tuple[Drift, ...] = ()
    alpha: AlphaCheck | None = None
    alpha_reason: str = ""
    psi_reason: str = ""

    @property
    def exit_code(self) -> int:
        """0 holds, 1 gone, 3 too early."""
        return {"skill holds": 0, "skill is gone": 1, "too early": 3}[self.state]

    @property
    def sentence(self) -> str:
        """The state, since when, and what would change it."""
        if self.state == "too early":
            return f"Too early: {self.sessions} new sessions; {_LEAST_SESSIONS} are needed."
        drift = self._changes()
        if self.state == "skill is gone":
            return (f"The skill is gone: since {self.since} the scores know less than an IC of {self.held_to:.3f} "
                    f"(evidence {self.detector:,.0f}, {ALARM:,} is one false alarm in 20 years).{drift}")  # fmt: skip
        return (
            f"The skill holds: IC {self.new_ic:.3f} over {self.sessions:,} new sessions, held to {self.held_to:.3f}; "
            f"about {self.sessions_to_alarm:,} sessions without any would raise the alarm.{drift}"
        )

    def _changes(self) -> str:
        """What else is not as it was, in sentences."""
        told = [" The scores have drifted."] if self.psi > self.psi_limit else []
        told += [f" Whether the scores drift is not known: the run was {self.psi_reason}."] if self.psi_reason else []
        moved = sorted((item for item in self.features if item.drifted), key=lambda item: item.limit / item.psi)
        if moved:
            named = ", ".join(f"{item.name} (PSI {item.psi:.2f}, limit {item.limit:.2f})" for item in moved[:3])
            told.append(f" {len(moved)} of {len(self.features)} features have drifted: {named}.")
        if self.alpha is not None and self.alpha.gap_t < _GAP:
            told.append(f" The book earns {self.alpha.realised:.1%} a year after the benchmark where the IC implies "
                        f"{self.alpha.implied:.1%}: {-self.alpha.gap_t:.1f} errors less.")  # fmt: skip
        return "".join(told)

    def to_dict(self) -> dict[str, object]:
        """What `gate --monitor --json` prints."""
        return {**asdict(self), "exit_code": self.exit_code, "sentence": self.sentence}


def detector(x: Floats, df: Floats, held_to: float) -> Floats:
    """(n,) M_t after each session, capped at 1e100."""
    steps = held_to * np.sqrt(df)
    gap = steps - x
    gains = np.exp(steps * gap - (steps * gap) ** 2 / 2)
    out = np.empty(len(x))
    level = 0.0
    for t, gain in enumerate(gains):
        level = min((level + 1.0) * float(gain), 1e100)
        out[t] = level
    return out


def monitor(
    run: Run, predictions: PredictionPanel, prices: PricePanel, *, result: BacktestResult | None = None
) -> Monitoring:
    """Judge the sessions after a stored run's by its accepted skill.

    Parameters
    ----------
    run : with a skill series and its scores.
    predictions : of the same model; stamps up to the run's last one are left out.
    prices : that reach through the new windows.
    result : the run's own strategy over old and new sessions, for its alpha.

    Raises
    ------
    InputError
        If the run has no skill to hold it to, the predictions rank nothing, or the horizons differ.

    """
    accepted = run.metric("skill_ic")
    if not run.has("skill") or accepted is None or accepted["value"] is None:
        raise InputError(f"gate --monitor: run {run.id} has no skill series to hold it to")
    ic = float(accepted["value"])
    held_to = max(0.5 * ic, float(accepted["low"] or 0.0))
    if not held_to > 0:
        raise InputError(f"gate --monitor: run {run.id} has an IC after beta of {ic:.4f}; nothing to hold it to")
    horizon = int(run.manifest.get("config", {}).get("horizon", 1))
    if predictions.horizon != horizon:
        raise InputError(f"gate --monitor: the run's horizon is {horizon}, the predictions' {predictions.horizon}")
    execution = run.manifest.get("config", {}).get("execution", {})
    skill = skill_of(predictions, prices, delay=execution.get("delay"), fill=execution.get("fill"))
    score = predictions.view
    if skill is None or score is None:
        raise InputError("gate --monitor: the predictions rank nothing")
    old = run.table("skill")
    known = skill.known
    new = known[known.index > old.index[-1]]
    apart = new.iloc[::horizon]  # windows that do not overlap
    path = detector(apart["x"].to_numpy(), apart["df"].to_numpy(), held_to)
    whole = pd.concat([old[["x", "df"]], new])
    evidence = evidence_path(whole["x"].to_numpy(), whole["df"].to_numpy(), horizon=horizon)
    alarms = np.flatnonzero(path >= ALARM)
    state: State = "skill is gone" if len(alarms) else "skill holds" if len(new) >= _LEAST_SESSIONS else "too early"
    since = apart.index[alarms[0]] if len(alarms) else new.index[0] if len(new) else old.index[-1]
    growth = float((held_to**2 * whole["df"].mean()) / 2)
    today = float(path[-1]) if len(path) else 0.0
    left = math.log(ALARM * max(growth, 1e-9) + 1) - math.log(today * max(growth, 1e-9) + 1)
    last = old.index[-1]
    moved = None
    if run.has("score"):
        before, after = run.table("score"), score.loc[score.index > last]
        moved = drift("score", before.to_numpy(dtype=np.float64), after.to_numpy(dtype=np.float64))
    psi, limit = (math.nan, math.nan) if moved is None else (moved.psi, moved.limit)
    checked = None
    if result is not None:
        checked = followed_alpha(skill, result, (last, run.table("returns").index[-1]))
    return Monitoring(
        run.id, state, str(since.date()), len(new), ic, held_to,
        float((new["x"] / np.sqrt(new["df"])).mean()) if len(new) else math.nan,
        today, math.exp(min(float(evidence[-1]), 690.0)), max(0, math.ceil(left / growth)) * horizon, psi, limit,
        feature_drift(run, prices, last), checked, psi_reason=left_out("score", run.kept) or "",
    )  # fmt: skip


def write_monitoring(found: Monitoring, run: Run) -> Path:
    """Keep what was found in the run's folder, ``monitor.json``, in the place of what was found before."""
    path = run.path / "monitor.json"
    with replacing(path) as temporary:
        temporary.write_text(to_json(found.to_dict()), encoding="utf-8")
    return path


def stored_monitoring(run: Run) -> dict[str, Any] | None:
    """What was found last of a run; None where nobody looked.

    Raises
    ------
    InputError
        If it cannot be read.

    """
    path = run.path / "monitor.json"
    if not path.exists():
        return None
    try:
        content = read_json(path)
        return {"state": str(content["state"]), "sentence": str(content["sentence"])}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: damaged: {error}; `gate {run.id} --monitor` writes it again") from None


def followed_alpha(skill: Skill, result: BacktestResult, after: tuple[pd.Timestamp, pd.Timestamp]) -> AlphaCheck | None:
    """What a book earned after a session against what its IC implied there; None where either is not known.

    Parameters
    ----------
    skill : of the predictions, old and new.
    result : the run's own strategy over the same sessions, with weights and a benchmark.
    after : the last old stamp, and the last old session of the returns.

    """
    stamps, sessions = skill.x.index > after[0], result.sessions > after[1]
    if result.target_weights is None or result.benchmark is None or skill.x[stamps].notna().sum() < _LEAST_SESSIONS:
        return None
    tables = {name: table[stamps] for name in ("scores", "volatility") if (table := getattr(skill, name)) is not None}
    later = replace(skill, x=skill.x[stamps], df=skill.df[stamps], slope=skill.slope[stamps], **tables)
    line = regress(result.returns[sessions].to_numpy(), result.benchmark[sessions].to_numpy())
    if line is None or not line.alpha_error > 0:
        return None
    cost = float((result.gross_returns - result.returns)[sessions].mean())
    implied = float(implied_earnings(later, result.target_weights).mean()) - cost
    return AlphaCheck(
        line.alpha * SESSIONS_A_YEAR, implied * SESSIONS_A_YEAR, (line.alpha - implied) / line.alpha_error
    )
