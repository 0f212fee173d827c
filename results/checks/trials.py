"""What a run looks like among everything that was tried: the ledger's trials and the deflated Sharpe ratio."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pandas as pd

from assay.data.card import plural
from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.errors import BacktestError
from assay.data.panel import PricePanel
from assay.engine.result import BacktestResult
from assay.results.checks.base import Content, State
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.long_run_variance import regress
from assay.results.storage.chain import append_entry, entries, is_chain
from assay.results.storage.places import FILE_NAME, ledger_path
from assay.results.storage.runs import run_id
from assay.results.storage.trial_ledger import (
    Record,
    Trials,
    adopt,
    read_trials,
    register,
    scenario_of,
    search_of,
    trial_of,
)
from assay.strategies.base import family_of

if TYPE_CHECKING:
    from assay.results.stats.superior_ability import Selection

__all__ = ["BestOfTrials", "TrialCount", "adopt_beside", "any_superior", "best_of_trials", "count_trial"]


@dataclass(frozen=True)
class TrialCount:
    """What everything that was tried leaves of a run's Sharpe ratio.

    Parameters
    ----------
    count : trials, those of the ledger and those made elsewhere.
    in_ledger, elsewhere : of which.
    family : of the strategy; the trials of every family on the market are counted.
    deflated_sharpe : probability that the true Sharpe ratio is above what the best of so many would reach by luck; NaN
        where the returns do not vary.
    threshold_sharpe_ann : that hurdle, annual.
    deflated_sharpe_residual : the same of what is left after the benchmark; NaN without one.
    distinct : score series among the trials; what evidence of skill is divided by.
    trial : which of them the run is.
    through : the ledger's last entry that was counted; 0 where that was not noted.
    pbo : probability of overfitting over the ledger's trials then, in the run's scenario; NaN where there is none.
    pbo_basis : over what, or why there is none; "" where it was not noted.

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
    distinct: int = 1
    trial: str = ""
    through: int = 0
    pbo: float = math.nan
    pbo_basis: str = ""

    @property
    def state(self) -> State:
        """Good from a deflated Sharpe of 0.95; not run where there is none."""
        if math.isnan(self.deflated_sharpe):
            return "not run"
        return "good" if self.deflated_sharpe >= 0.95 else "unsure"

    @property
    def result(self) -> str:
        """How many trials."""
        return plural(self.count, "trial")

    @property
    def detail(self) -> str:
        """The deflated Sharpe ratio."""
        if math.isnan(self.deflated_sharpe):
            return "no deflated Sharpe: the returns do not vary"
        return f"deflated Sharpe {self.deflated_sharpe:.2f}"

    @property
    def sentence(self) -> str:
        """How many trials, and the deflated Sharpe ratio where there is one."""
        counted = f"{plural(self.count, 'trial')} in the ledger"
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
            "distinct": self.distinct,
            "trial": self.trial,
            "through": self.through,
            "pbo": self.pbo,
            "pbo_basis": self.pbo_basis,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        stored = Content(content, f"{where}: {cls.kind}")
        return cls(
            stored.count("count"),
            stored.count("in_ledger"),
            stored.count("elsewhere"),
            stored.text("family"),
            stored.number("deflated_sharpe"),
            stored.number("threshold_sharpe_ann"),
            stored.number("deflated_sharpe_residual"),
            stored.count("distinct") if stored.has("distinct") else 1,
            stored.text("trial") if stored.has("trial") else "",
            stored.count("through") if stored.has("through") else 0,
            stored.number("pbo") if stored.has("pbo") else math.nan,
            stored.text("pbo_basis") if stored.has("pbo_basis") else "",
        )


def count_trial(
    result: BacktestResult,
    strategy: object,
    prices: PricePanel,
    *,
    root: Path | str,
    brought: bool,
    skill: pd.DataFrame | None = None,
    elsewhere: int = 0,
) -> TrialCount:
    """Register a run in the ledger, and judge its Sharpe ratio by everything that was tried on its market.

    Parameters
    ----------
    result : with fingerprints of its inputs.
    strategy : whose family is noted.
    prices : the panel that the run was made on.
    root : the results folder; a ledger of the first version in it is read, too.
    brought : whether the predictions were brought along, so that their fingerprint is part of the recipe.
    skill : x and df of the predictions by stamp, see `assay.results.stats.skill`.
    elsewhere : trials made outside this ledger.

    """
    adopt_beside(root)
    family, scenario = family_of(strategy), scenario_of(result.config)
    predictions = result.fingerprints["predictions"] if brought else None
    trial = trial_of(result.config, family=family, predictions=predictions)
    member = run_id(result.strategy, result.config, result.fingerprints)
    (fingerprint,) = register([Record(trial, member, result.over_cash(result.returns), scenario, skill)], prices)
    known = read_trials(prices, scenario=scenario, own=search_of(result.config))
    count = known.count + max(elsewhere, 0)
    net = result.over_cash(result.returns)
    judged = deflated_sharpe(net.to_numpy(), known.table["sharpe"].to_numpy(dtype=float), trials=count)
    return TrialCount(
        count,
        known.count,
        max(elsewhere, 0),
        family,
        float(judged.probability),
        float(judged.threshold * SESSIONS_A_YEAR**0.5),
        _deflated_residual(result, known, count),
        known.distinct,
        fingerprint,
        known.last,
        *_overfitting(known),
    )


def _overfitting(known: Trials) -> tuple[float, str]:
    """PBO on the sessions that all trials share, and over what it is; NaN and the reason where there is none.

    Stored with the count, so that a sheet drawn later, beside another ledger or among more trials, says the same.
    """
    from assay.results.stats.overfitting import probability_of_overfitting

    try:
        found = probability_of_overfitting(known.traded.dropna().to_numpy(dtype=np.float64))
    except BacktestError as error:
        return math.nan, str(error)
    return found.probability, (
        f"CSCV, {found.trials} trials of the ledger, {found.blocks} blocks, {found.splits:,} splits"
    )


def adopt_beside(root: Path | str) -> None:
    """Read a ledger of the first version, which lay in each results folder, into the user's; once for each state."""
    old = Path(root) / FILE_NAME
    try:
        about = old.stat()
    except OSError:
        return
    if old.resolve() == ledger_path().resolve() or is_chain(old):
        return
    key = f"{old.resolve()}:{about.st_size}:{about.st_mtime_ns}"
    if not any(entry.body["key"] == key for entry in entries("adopted")):
        adopt(old)
        append_entry("adopted", key, {"key": key})


def any_superior(trials: Trials) -> Selection:
    """Hansen's test that no trial is better than cash, on the sessions that all share; what never moved is left out.

    Raises
    ------
    InsufficientEvidenceError
        If too few sessions are shared, or fewer than two trials moved.

    """
    from assay.results.stats.superior_ability import superior_ability

    common = trials.traded.dropna().to_numpy(dtype=float)
    moving = common.std(axis=0) > 1e-15 if len(common) else np.zeros(common.shape[1], dtype=bool)
    return superior_ability(common[:, moving])


@dataclass(frozen=True)
class BestOfTrials:
    """What the choice among the trials on one market is worth.

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
    """Judge the best of the trials on one market, of which at least one was traded."""
    from assay.results.stats.overfitting import probability_of_overfitting

    sharpes = trials.table["sharpe"].to_numpy(dtype=float)
    best = str(trials.table.index[int(np.nanargmax(sharpes))])
    judged = deflated_sharpe(trials.returns[best].dropna().to_numpy(dtype=float), sharpes, trials=trials.count)
    pbo, spa = None, None
    several = trials.traded.shape[1] > 1
    pbo_reason = spa_reason = "" if several else "one trial: nothing was chosen"
    if several:
        try:
            pbo = probability_of_overfitting(trials.traded.dropna().to_numpy(dtype=float)).probability
        except BacktestError as error:
            pbo_reason = str(error)
        try:
            spa = any_superior(trials)
        except BacktestError as error:
            spa_reason = str(error)
    return BestOfTrials(
        trials.count,
        best,
        float(np.nanmax(sharpes)) * SESSIONS_A_YEAR**0.5,
        judged.probability,
        judged.threshold * SESSIONS_A_YEAR**0.5,
        pbo,
        spa,
        pbo_reason,
        spa_reason,
    )


def _deflated_residual(result: BacktestResult, known: Trials, count: int) -> float:
    """Deflated Sharpe of what is left after the benchmark, by the dispersion of what is left of the trials; NaN without
    a benchmark."""
    if result.benchmark is None:
        return math.nan
    both = pd.DataFrame({"net": result.returns, "benchmark": result.benchmark}).apply(result.over_cash).dropna()
    line = regress(both["net"].to_numpy(), both["benchmark"].to_numpy())
    if line is None:
        return math.nan
    sharpes = [_residual_sharpe(known.returns[name], both["benchmark"]) for name in known.traded]
    return float(deflated_sharpe(line.residuals, np.array(sharpes), trials=count).probability)


def _residual_sharpe(returns: pd.Series, benchmark: pd.Series) -> float:
    """Sharpe ratio a session of returns less beta times the benchmark, on the sessions that both have."""
    both = pd.DataFrame({"net": returns, "benchmark": benchmark}).dropna().to_numpy()
    if len(both) < 3 or float(np.ptp(both[:, 1])) <= 1e-15:
        return math.nan
    covariance = np.cov(both.T)
    left = both[:, 0] - covariance[0, 1] / covariance[1, 1] * both[:, 1]
    deviation = float(left.std(ddof=1))
    return float(left.mean()) / deviation if deviation > 1e-15 else math.nan
