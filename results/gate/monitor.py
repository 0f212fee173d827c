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
Yurdakul & Naranjo (2020), "Statistical properties of the population stability index", Journal of Risk Model Validation
14(4), for the distribution of PSI without drift.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from assay.data.atomic import replacing
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.stored import read_json
from assay.results.evidence.skill import skill_of
from assay.results.stats.skill import evidence_path
from assay.results.storage.runs import Run, to_json

__all__ = [
    "ALARM",
    "Monitoring",
    "detector",
    "monitor",
    "population_stability",
    "stored_monitoring",
    "write_monitoring",
]


#: Sessions between false alarms, on average at least: 20 years.
ALARM = 20 * 252
_LEAST_SESSIONS = 20
_BINS = 10
State = Literal["skill holds", "skill is gone", "too early"]


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
        stay below, with sessions as the cases.

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

    @property
    def exit_code(self) -> int:
        """0 holds, 1 gone, 3 too early."""
        return {"skill holds": 0, "skill is gone": 1, "too early": 3}[self.state]

    @property
    def sentence(self) -> str:
        """The state, since when, and what would change it."""
        if self.state == "too early":
            return f"Too early: {self.sessions} new sessions; {_LEAST_SESSIONS} are needed."
        drift = " The scores have drifted." if self.psi > self.psi_limit else ""
        if self.state == "skill is gone":
            return (f"The skill is gone: since {self.since} the scores know less than an IC of {self.held_to:.3f} "
                    f"(evidence {self.detector:,.0f}, {ALARM:,} is one false alarm in 20 years).{drift}")  # fmt: skip
        return (
            f"The skill holds: IC {self.new_ic:.3f} over {self.sessions:,} new sessions, held to {self.held_to:.3f}; "
            f"about {self.sessions_to_alarm:,} sessions without any would raise the alarm.{drift}"
        )

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


def population_stability(old: Floats, new: Floats, *, cases: tuple[int, int]) -> tuple[float, float]:
    """PSI over tenths of the old values, and its 95% point without drift: χ²₉·(1/n + 1/m) of n and m cases.

    Parameters
    ----------
    old, new : values without NaN.
    cases : n and m; sessions, where values of one session move together.

    """
    from scipy.special import chdtri

    edges = np.quantile(old, np.linspace(0, 1, _BINS + 1)[1:-1])
    shares = []
    for values in (old, new):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=_BINS) + 0.5
        shares.append(counts / counts.sum())
    psi = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    return psi, float(chdtri(_BINS - 1, 0.05)) * (1 / cases[0] + 1 / cases[1])


def monitor(run: Run, predictions: PredictionPanel, prices: PricePanel) -> Monitoring:
    """Judge the sessions after a stored run's by its accepted skill.

    Parameters
    ----------
    run : with a skill series and its scores.
    predictions : of the same model; stamps up to the run's last one are left out.
    prices : that reach through the new windows.

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
    psi, limit = _drift(run, score.loc[score.index > old.index[-1]])
    return Monitoring(
        run.id, state, str(since.date()), len(new), ic, held_to,
        float((new["x"] / np.sqrt(new["df"])).mean()) if len(new) else math.nan,
        today, math.exp(min(float(evidence[-1]), 690.0)), max(0, math.ceil(left / growth)) * horizon, psi, limit,
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


def _drift(run: Run, score: pd.DataFrame) -> tuple[float, float]:
    """PSI of the stored scores against the new ones; NaN where either is missing."""
    if not run.has("score") or not len(score):
        return math.nan, math.nan
    before = run.table("score").to_numpy(dtype=np.float64)
    after = score.to_numpy(dtype=np.float64)
    old, new = before[np.isfinite(before)], after[np.isfinite(after)]
    if len(old) < _BINS or not len(new):
        return math.nan, math.nan
    return population_stability(old, new, cases=(len(before), len(after)))
