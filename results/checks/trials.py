"""What a run looks like among everything that was tried: the ledger's trials and the deflated Sharpe ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pandas as pd

from assay.data.errors import BacktestError
from assay.engine.result import BacktestResult
from assay.results.checks.base import Content, State
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.long_run_variance import regress
from assay.results.storage.ledger import Trials, read_trials, register, trial_of
from assay.results.storage.runs import run_id

if TYPE_CHECKING:
    from assay.results.stats.superior_ability import Selection

__all__ = ["BestOfTrials", "TrialCount", "any_superior", "best_of_trials", "count_trial"]


@dataclass(frozen=True)
class TrialCount:
    """What everything that was tried leaves of a run's Sharpe ratio.

    Parameters
    ----------
    count : trials, those of the ledger and those made elsewhere.
    in_ledger, elsewhere : of which.
    family : which trials of the ledger are counted.
    deflated_sharpe : probability that the true Sharpe ratio is above what the best of so many would reach by luck; NaN
        where the returns do not vary.
    threshold_sharpe_ann : that hurdle, annual.
    deflated_sharpe_residual : the same of what is left after the benchmark; NaN without one.

    """

    kind: ClassVar[str] = "trials"
    title: ClassVar[str] = "Trials"
    hint: ClassVar[str] = "the run is in no trial ledger"

    count: int
    in_ledger: int
    elsewhere: int
    family: str
    deflated_sharpe: float
    threshold_sharpe_ann: float
    deflated_sharpe_residual: float = math.nan

    @property
    def state(self) -> State:
        """Good from a deflated Sharpe of 0.95; not run where there is none."""
        if math.isnan(self.deflated_sharpe):
            return "not run"
        return "good" if self.deflated_sharpe >= 0.95 else "unsure"

    @property
    def result(self) -> str:
        """How many trials."""
        return f"{self.count:,} {'trial' if self.count == 1 else 'trials'}"

    @property
    def detail(self) -> str:
        """The deflated Sharpe ratio."""
        if math.isnan(self.deflated_sharpe):
            return "no deflated Sharpe: the returns do not vary"
        return f"deflated Sharpe {self.deflated_sharpe:.2f}"

    @property
    def sentence(self) -> str:
        """How many trials, and the deflated Sharpe ratio where there is one."""
        counted = f"{self.count} {'trial' if self.count == 1 else 'trials'} in the ledger"
        return counted if math.isnan(self.deflated_sharpe) else f"{counted}, {self.detail}"

    @property
    def failures(self) -> tuple[str, ...]:
        """None: having tried much is no fault of a run."""
        return ()

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        return {
            "count": self.count,
            "in_ledger": self.in_ledger,
            "elsewhere": self.elsewhere,
            "family": self.family,
            "deflated_sharpe": self.deflated_sharpe,
            "threshold_sharpe_ann": self.threshold_sharpe_ann,
            "deflated_sharpe_residual": self.deflated_sharpe_residual,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        return cls(
            entries.count("count"),
            entries.count("in_ledger"),
            entries.count("elsewhere"),
            entries.text("family"),
            entries.number("deflated_sharpe"),
            entries.number("threshold_sharpe_ann"),
            entries.number("deflated_sharpe_residual"),
        )


def count_trial(
    result: BacktestResult, family: str, *, root: Path | str, brought: bool, elsewhere: int = 0
) -> TrialCount:
    """Register a run in the ledger, and judge its Sharpe ratio by the trials that stand there.

    Parameters
    ----------
    result : with fingerprints of its inputs.
    family : see `assay.strategies.base.family_of`.
    root : the results folder.
    brought : whether the predictions were brought along, so that their fingerprint is part of the recipe.
    elsewhere : trials made outside this ledger.

    """
    prices = result.fingerprints["prices"]
    predictions = result.fingerprints["predictions"] if brought else None
    trial = trial_of(result.config, prices=prices, family=family, predictions=predictions)
    register(trial, run_id(result.strategy, result.config, result.fingerprints), result.returns, root=root)
    known = read_trials(prices=prices, family=family, root=root)
    count = known.count + max(elsewhere, 0)
    sharpes = known.table["sharpe"].to_numpy(dtype=float)
    judged = deflated_sharpe(result.returns.to_numpy(), sharpes, trials=count)
    residual = _residual(result)
    return TrialCount(
        count,
        known.count,
        max(elsewhere, 0),
        family,
        float(judged.probability),
        float(judged.threshold * 252**0.5),
        math.nan if residual is None else float(deflated_sharpe(residual, sharpes, trials=count).probability),
    )


def any_superior(trials: Trials) -> Selection:
    """Hansen's test that no trial is better than cash, on the sessions that all share; what never moved is left out.

    Raises
    ------
    InsufficientEvidenceError
        If too few sessions are shared, or fewer than two trials moved.

    """
    from assay.results.stats.superior_ability import superior_ability

    common = trials.returns.dropna().to_numpy(dtype=float)
    moving = common.std(axis=0) > 1e-15 if len(common) else np.zeros(trials.count, dtype=bool)
    return superior_ability(common[:, moving])


@dataclass(frozen=True)
class BestOfTrials:
    """What the choice among the trials of one family on one panel is worth.

    Parameters
    ----------
    count : trials.
    best : fingerprint of the trial with the highest Sharpe ratio.
    sharpe_ann, deflated_sharpe, threshold_sharpe_ann : of that one, see `TrialCount`.
    pbo : probability of overfitting on the sessions that all trials share, or None with the reason.
    spa : Hansen's test against cash on the same sessions, or None with the reason.
    pbo_reason, spa_reason : why there is none.

    """

    count: int
    best: str
    sharpe_ann: float
    deflated_sharpe: float
    threshold_sharpe_ann: float
    pbo: float | None = None
    spa: Selection | None = None
    pbo_reason: str = ""
    spa_reason: str = ""

    def to_dict(self) -> dict[str, object]:
        """Figures by name; a reason stands beside what does not exist."""
        spa = self.spa
        return {
            "count": self.count,
            "best": self.best,
            "sharpe_ann": self.sharpe_ann,
            "deflated_sharpe": self.deflated_sharpe,
            "threshold_sharpe_ann": self.threshold_sharpe_ann,
            "pbo": self.pbo,
            "spa": None if spa is None else {"p_value": spa.consistent, "lower": spa.lower, "upper": spa.upper},
            **({"pbo_reason": self.pbo_reason} if self.pbo_reason else {}),
            **({"spa_reason": self.spa_reason} if self.spa_reason else {}),
        }


def best_of_trials(trials: Trials) -> BestOfTrials:
    """Judge the best of the trials of one family on one panel, of which there is at least one."""
    from assay.results.stats.overfitting import probability_of_overfitting

    sharpes = trials.table["sharpe"].to_numpy(dtype=float)
    best = str(trials.table.index[int(sharpes.argmax())])
    judged = deflated_sharpe(trials.returns[best].dropna().to_numpy(dtype=float), sharpes)
    pbo, spa = None, None
    pbo_reason = spa_reason = "" if trials.count > 1 else "one trial: nothing was chosen"
    if trials.count > 1:
        try:
            pbo = probability_of_overfitting(trials.returns.dropna().to_numpy(dtype=float)).probability
        except BacktestError as error:
            pbo_reason = str(error)
        try:
            spa = any_superior(trials)
        except BacktestError as error:
            spa_reason = str(error)
    return BestOfTrials(
        trials.count,
        best,
        float(sharpes.max()) * 252**0.5,
        judged.probability,
        judged.threshold * 252**0.5,
        pbo,
        spa,
        pbo_reason,
        spa_reason,
    )


def _residual(result: BacktestResult) -> np.ndarray | None:
    """Net returns less beta times the benchmark; None without one."""
    if result.benchmark is None:
        return None
    both = pd.DataFrame({"net": result.returns, "benchmark": result.benchmark}).dropna()
    line = regress(both["net"].to_numpy(), both["benchmark"].to_numpy())
    return None if line is None else line.residuals
