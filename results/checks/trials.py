"""What a run looks like among everything that was tried: the ledger's trials and the deflated Sharpe ratio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assay.data.errors import BacktestError
from assay.engine.result import BacktestResult
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.long_run_variance import regress
from assay.results.storage.ledger import Trials, read_trials, register, trial_of
from assay.results.storage.runs import run_id

if TYPE_CHECKING:
    from assay.results.stats.superior_ability import Selection

__all__ = ["any_superior", "count_trial", "family_of", "judge_trials"]


def family_of(strategy: object) -> str:
    """What a strategy competes with: its ``family``; a class that names none stands alone under its own name."""
    return str(getattr(strategy, "family", type(strategy).__qualname__))


def count_trial(
    result: BacktestResult, family: str, *, root: Path | str, brought: bool, elsewhere: int = 0
) -> dict[str, Any]:
    """Register a run in the ledger, and judge its Sharpe ratio by the trials that stand there.

    Parameters
    ----------
    result : with fingerprints of its inputs.
    family : see `family_of`.
    root : the results folder.
    brought : whether the predictions came from a file, so that their fingerprint is part of the recipe.
    elsewhere : trials made outside this ledger.

    Returns
    -------
    dict
        count, in_ledger, elsewhere, family, deflated_sharpe (probability), threshold_sharpe_ann, and, with a benchmark,
        deflated_sharpe_residual of what is left after it, for ``checks.json``.

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
    return {
        "count": count,
        "in_ledger": known.count,
        "elsewhere": max(elsewhere, 0),
        "family": family,
        "deflated_sharpe": judged.probability,
        "threshold_sharpe_ann": judged.threshold * 252**0.5,
        "deflated_sharpe_residual": None
        if residual is None
        else deflated_sharpe(residual, sharpes, trials=count).probability,
    }


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


def judge_trials(trials: Trials) -> dict[str, Any]:
    """What the choice among the trials of one family on one panel is worth.

    Parameters
    ----------
    trials : of one family on one panel, at least one.

    Returns
    -------
    dict
        count; best (fingerprint of the highest Sharpe ratio) with its sharpe_ann, deflated_sharpe and
        threshold_sharpe_ann; pbo and spa (Hansen's consistent p-value against cash, with lower and upper) on the
        sessions that all trials share, None with the reason beside it (pbo_reason, spa_reason) where they cannot be
        judged.

    """
    from assay.results.stats.overfitting import probability_of_overfitting

    sharpes = trials.table["sharpe"].to_numpy(dtype=float)
    best = str(trials.table.index[int(sharpes.argmax())])
    judged = deflated_sharpe(trials.returns[best].dropna().to_numpy(dtype=float), sharpes)
    out: dict[str, Any] = {
        "count": trials.count,
        "best": best,
        "sharpe_ann": float(sharpes.max()) * 252**0.5,
        "deflated_sharpe": judged.probability,
        "threshold_sharpe_ann": judged.threshold * 252**0.5,
        "pbo": None,
        "spa": None,
    }
    common = trials.returns.dropna().to_numpy(dtype=float)
    if trials.count < 2:
        return out | dict.fromkeys(("pbo_reason", "spa_reason"), "one trial: nothing was chosen")
    try:
        out["pbo"] = probability_of_overfitting(common).probability
    except BacktestError as error:
        out["pbo_reason"] = str(error)
    try:
        found = any_superior(trials)
        out["spa"] = {"p_value": found.consistent, "lower": found.lower, "upper": found.upper}
    except BacktestError as error:
        out["spa_reason"] = str(error)
    return out


def _residual(result: BacktestResult) -> np.ndarray | None:
    """Net returns less beta times the benchmark; None without one."""
    if result.benchmark is None:
        return None
    both = pd.DataFrame({"net": result.returns, "benchmark": result.benchmark}).dropna()
    line = regress(both["net"].to_numpy(), both["benchmark"].to_numpy())
    return None if line is None else line.residuals
