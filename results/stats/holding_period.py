"""How long a score lasts: what its quantiles earn held for 1 to 60 sessions, and how fast the ranking turns over.

References
----------
Qian, Sorensen & Hua (2007), "Information horizon, portfolio turnover, and optimal alpha models", Journal of Portfolio
Management 34(1), for rank autocorrelation as what turnover follows from. Grinold & Kahn (2000), *Active Portfolio
Management*: what a quantile earns is IC · volatility · score.

"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.results.stats.long_run_variance import hac_mean
from assay.results.stats.ranks import average_ranks, row_correlation

__all__ = [
    "HORIZONS",
    "LAGS",
    "half_life",
    "holding_returns",
    "rank_persistence",
    "score_quantiles",
    "turnover_in_ic",
]

HORIZONS = tuple(range(1, 61))
LAGS = (1, 2, 3, 5, 10, 20, 40, 60)


def score_quantiles(score: pd.DataFrame, quantiles: int = 5) -> pd.DataFrame:
    """(T, N) quantile of each name, 1 the lowest: ⌈q·(r − ½)/n⌉ of its average rank r among n; NaN without a score."""
    values = score.to_numpy(dtype=np.float64)
    n = np.isfinite(values).sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        bucket = np.ceil(quantiles * (average_ranks(values) - 0.5) / n)
    return pd.DataFrame(np.where(n >= quantiles, bucket, np.nan), score.index, score.columns)


def holding_returns(
    quantile: pd.DataFrame, forwards: Iterable[tuple[int, pd.DataFrame]], quantiles: int = 5
) -> pd.DataFrame:
    """Mean return of each quantile from the fill on, by how long it is held.

    Parameters
    ----------
    quantile : see `score_quantiles`.
    forwards : horizon and forward returns (T', N') of that horizon, stamped at the decision.
    quantiles : how many there are.

    Returns
    -------
    DataFrame
        a row a horizon: q1 … (means over the sessions' means, whole windows), spread (top less bottom), its HAC t and
        n, the sessions.

    """
    numbers = quantile.to_numpy()
    inside = [numbers == q for q in range(1, quantiles + 1)]
    rows = []
    for horizon, forward in forwards:
        values = forward.reindex(index=quantile.index, columns=quantile.columns).to_numpy(dtype=np.float64)
        known = np.isfinite(values)
        filled = np.where(known, values, 0.0)
        means = np.stack([_mean(filled, known & mask) for mask in inside], axis=1)
        spread = means[:, -1] - means[:, 0]
        spread = spread[np.isfinite(spread)]
        mean, _, t, _ = hac_mean(spread, horizon=horizon)
        averages = {
            f"q{place + 1}": float(np.nanmean(column)) if np.isfinite(column).any() else math.nan
            for place, column in enumerate(means.T)
        }
        rows.append({"horizon": horizon, **averages, "spread": mean, "t": t, "n": len(spread)})
    return pd.DataFrame(rows).set_index("horizon")


def _mean(values: Floats, mask: Floats) -> Floats:
    count = mask.sum(axis=1)
    total = np.where(mask, values, 0.0).sum(axis=1)
    answer: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return answer


def rank_persistence(score: pd.DataFrame, lags: Sequence[int] = LAGS, quantiles: int = 5) -> pd.DataFrame:
    """How much of a ranking is left after so many sessions.

    Returns
    -------
    DataFrame
        a row a lag: autocorrelation (mean over sessions of the correlation of ranks then and now, of the names that
        have both), turnover_q1 … (mean share of a quantile's names that were not in it then).

    """
    ranks = average_ranks(score.to_numpy(dtype=np.float64))
    numbers = score_quantiles(score, quantiles).to_numpy()
    rows = []
    for lag in lags:
        if lag >= len(ranks):
            continue
        correlation, _ = row_correlation(ranks[lag:], ranks[:-lag], minimum=3)
        row = {"lag": lag, "autocorrelation": _known_mean(correlation)}
        for q in range(1, quantiles + 1):
            now, then = numbers[lag:] == q, numbers[:-lag] == q
            count = now.sum(axis=1)
            new = (now & ~then).sum(axis=1)
            row[f"turnover_q{q}"] = _known_mean(np.divide(new, count, out=np.full(len(new), np.nan), where=count > 0))
        rows.append(row)
    columns = ["lag", "autocorrelation", *(f"turnover_q{q}" for q in range(1, quantiles + 1))]
    return pd.DataFrame(rows, columns=columns).set_index("lag")


def _known_mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def turnover_in_ic(score: pd.DataFrame, forward: pd.DataFrame, rate: float, *, horizon: int = 1) -> pd.Series:
    """(T,) the IC that pays for the trading of the top and bottom fifth on a session: what is left of the rank IC
    beyond it is the turnover-adjusted IC.

    A score of information coefficient IC earns IC·σ·(E[z | top fifth] − E[z | bottom fifth]) between its fifths, with σ
    the deviation of the windows' returns across names and z normal: 2.80·IC·σ. A name replaced is sold and another
    bought, so a share u of new names in a fifth costs 2·rate·u, on either side.

    Parameters
    ----------
    score : (T, N) stamped t.
    forward : (T', N') returns of windows of `horizon` sessions, stamped t.
    rate : cost of a unit traded, as a fraction.
    horizon : sessions between rebalances, h.

    """
    from scipy.special import ndtri

    numbers = score_quantiles(score).to_numpy()
    new = np.zeros(len(numbers))
    for fifth in (1, 5):
        now, then = numbers[horizon:] == fifth, numbers[:-horizon] == fifth
        count = now.sum(axis=1)
        entered = np.divide((now & ~then).sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0)
        new += np.concatenate([np.full(min(horizon, len(numbers)), np.nan), entered])
    edge = float(ndtri(0.8))
    apart = 2 * math.exp(-(edge**2) / 2) / math.sqrt(2 * math.pi) / 0.2
    spread = forward.reindex(index=score.index, columns=score.columns).std(axis="columns", ddof=1).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.Series(2 * rate * new / (apart * np.where(spread > 0, spread, np.nan)), score.index)


def half_life(persistence: pd.DataFrame) -> float:
    """Sessions after which the rank autocorrelation is ½, between lags on a straight line; NaN where it stays above.

    Examples
    --------
    >>> half_life(pd.DataFrame({"autocorrelation": [0.9, 0.6, 0.4]}, index=pd.Index([1, 2, 4], name="lag")))
    3.0

    """
    lags = [0, *map(int, persistence.index)]
    values = [1.0, *persistence["autocorrelation"]]
    for place in range(1, len(lags)):
        if values[place] <= 0.5:
            share = (values[place - 1] - 0.5) / (values[place - 1] - values[place])
            return float(lags[place - 1] + share * (lags[place] - lags[place - 1]))
    return math.nan
