"""From predictions to expected returns: as they are, as a ranked tilt, or as views trusted by their measured skill."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assay.data.conventions import Floats
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns

__all__ = ["MeasuredSkill", "characteristic", "daily_rank_ic", "skill_of", "trailing_skill"]


#: Assets with a score and an outcome that a session's information coefficient needs.
MINIMUM_NAMES = 5


def characteristic(score: Floats) -> Floats:
    """Ranks of one session's scores (n,) as numbers of mean 0 and standard deviation 1; ties share their mean rank.

    Only the order of the scores matters. All tied gives zeros.
    """
    ranks = _ranks(score)
    centred = ranks - ranks.mean()
    deviation = centred.std()
    return centred / deviation if deviation > 0 else np.zeros(len(score))


def daily_rank_ic(predictions: PredictionPanel, prices: PricePanel, who: str) -> Floats:
    """Rank correlation of scores and what followed, for each session of `prices`.

    Returns
    -------
    ndarray
        (T,) stamped with the session of the *prediction*, known only delay + horizon sessions later; NaN where fewer
        than `MINIMUM_NAMES` assets have both.

    """
    ahead = forward_returns(prices, horizon=predictions.horizon, delay=predictions.delay)
    score = predictions.require_score(who).reindex(index=prices.sessions, columns=prices.assets).to_numpy()
    outcome = ahead.to_numpy()
    both = np.isfinite(score) & np.isfinite(outcome)
    out = np.full(len(score), np.nan)
    for row in np.flatnonzero(both.sum(axis=1) >= MINIMUM_NAMES):
        one, two = (characteristic(values[row, both[row]]) for values in (score, outcome))
        if one.any() and two.any():
            out[row] = float((one * two).mean())
    return out


@dataclass(frozen=True)
class MeasuredSkill:
    """What a model has shown by some session.

    Parameters
    ----------
    ic : mean rank information coefficient of the sessions whose outcome is known.
    t : its t-statistic, autocorrelation allowed for.
    n : sessions.
    confidence : in [0, 1): positive-part shrinkage 1 − 1/t², 0 where t ≤ 1 or the mean is not positive.

    References
    ----------
    Newey & West (1987) for the t-statistic. Efron & Morris (1973), "Stein's estimation rule and its competitors", for
    the share of a squared estimate that is not noise.

    """

    ic: float
    t: float
    n: int

    @property
    def confidence(self) -> float:
        """How far the measured skill is to be trusted."""
        return 1.0 - 1.0 / self.t**2 if self.t > 1.0 else 0.0


def trailing_skill(ic: Floats, row: int, lag: int, *, window: int, minimum: int, horizon: int) -> MeasuredSkill | None:
    """The skill known at the close of session `row`, or None where too few outcomes are.

    Parameters
    ----------
    ic : (T,) from `daily_rank_ic`.
    row : position of the session of the decision.
    lag : sessions until an outcome is known, delay + horizon: values stamped after row − lag are not read.
    window : most sessions read.
    minimum : fewest sessions with a value.
    horizon : of the predictions: labels overlap that long.

    """
    end = row - lag + 1
    known = ic[max(0, end - window) : max(0, end)]
    known = known[np.isfinite(known)]
    return skill_of(known, horizon) if len(known) >= max(minimum, 2) else None


def skill_of(values: Floats, horizon: int = 1) -> MeasuredSkill:
    """Mean and Newey–West t-statistic, lag max(horizon − 1, ⌊4(n/100)^(2/9)⌋)."""
    n = len(values)
    mean = float(values.mean())
    centred = values - mean
    lag = min(max(horizon - 1, math.floor(4 * (n / 100) ** (2 / 9))), n - 1)
    variance = float(centred @ centred) / n
    for k in range(1, lag + 1):
        variance += 2 * (1 - k / (lag + 1)) * float(centred[k:] @ centred[:-k]) / n
    error = math.sqrt(variance / n) if variance > 0 else 0.0
    return MeasuredSkill(mean, mean / error if error > 0 else 0.0, n)


def _ranks(values: Floats) -> Floats:
    """Average ranks of (n,) values, from 1."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse]
