"""What a score is worth before any portfolio: information coefficients and quantile spreads.

Grinold & Kahn (2000), *Active Portfolio Management*, for the information coefficient; its error is HAC, with a lag of
at least 3·h − 1 because windows of h sessions overlap (`assay.results.stats.long_run_variance.lag_rule`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import FLAT, SESSIONS_A_YEAR, Floats
from assay.data.errors import InputError
from assay.data.row_tables import Table, Values
from assay.results.stats.blocks import row_blocks, row_counts
from assay.results.stats.long_run_variance import critical_value, hac_mean, lag_rule
from assay.results.stats.performance import Metric
from assay.results.stats.ranks import PairedRanks, average_ranks, rank_correlation, row_correlation

__all__ = [
    "QuantileReturns",
    "aligned_values",
    "ic_decay",
    "ic_metrics",
    "ic_table",
    "quantile_returns",
    "rolling_ic",
    "yearly_ic",
]

_ROOT_YEAR = math.sqrt(SESSIONS_A_YEAR)

#: Fewer names than this, and a session's correlation says nothing.
MINIMUM_NAMES = 10


def aligned_values(score: Table, forward: Table) -> tuple[Values, Values]:
    """Values of both on the stamps and assets of the first."""
    if not score.columns.equals(forward.columns) or not score.index.equals(forward.index):
        forward = forward.reindex(index=score.index, columns=score.columns)
    return score.to_numpy(dtype=np.float64), forward.to_numpy(dtype=np.float64)


def ic_table(
    score: Table, forward: Table, *, minimum: int = MINIMUM_NAMES, ranks: PairedRanks | None = None
) -> pd.DataFrame:
    """Pearson and Spearman correlation of score and forward return, a row a session.

    Parameters
    ----------
    score : (T, N) stamped t.
    forward : (T, N) what followed, stamped t; see `assay.data.returns.forward_returns`.
    minimum : names a session needs. Panels of fewer assets than that use all they have, at least 3.
    ranks : of the same scores and outcomes, if they are there already.

    Returns
    -------
    DataFrame
        ic, rank_ic (NaN where a session has too few names or no variation) and n, the names.

    """
    one, two = aligned_values(score, forward)
    needed = max(3, min(minimum, one.shape[1]))
    ic, n = row_correlation(one, two, minimum=needed)
    ranked, _ = rank_correlation(one, two, minimum=needed) if ranks is None else ranks.correlation(needed)
    return pd.DataFrame({"ic": ic, "rank_ic": ranked, "n": n}, index=score.index)


def ic_metrics(table: pd.DataFrame, horizon: int) -> list[Metric]:
    """Mean, deviation, ICIR and HAC t of the columns ``ic`` and ``rank_ic``.

    Parameters
    ----------
    table : see `ic_table`.
    horizon : h; the HAC lag is at least 3·h − 1. ``t_apart`` needs no estimate of the overlap: Student's t of every
        h-th session, with one degree of freedom less than there are of them; the same sessions for every start.

    """
    out = []
    for column, label in (("ic", "Pearson"), ("rank_ic", "Spearman, average ranks")):
        known = table[column].dropna()
        values = known.to_numpy()
        n = len(values)
        mean, error, t, lag = hac_mean(values, horizon=horizon)
        critical = critical_value(n, lag)
        start = str(known.index[0].date()) if n else None
        end = str(known.index[-1].date()) if n else None
        skipped = len(table) - n
        text = f"{label} · mean over sessions, {skipped} skipped (too few names or no variation)"
        why = "" if n else f"no session has enough names with a score and a return over the horizon of {horizon}"
        deviation = float(values.std(ddof=1)) if n > 1 else math.nan
        ratio = mean / deviation if deviation > 0 else math.nan
        apart = values[::horizon]
        low, high = (mean - critical * error, mean + critical * error) if error > 0 else (None, None)
        rows = [
            ("mean", mean, "correlation", f"{text} · 95% HAC, lag {lag}, critical {critical:.2f}", low, high),
            ("std", deviation, "correlation", f"{label} · over sessions, ddof 1", None, None),
            ("t", t, "t", f"{label} · HAC, lag {lag}, critical {critical:.2f}", None, None),
            ("t_apart", _student_t(apart), "t", _said_apart(label, horizon, len(apart)), None, None),
            ("ir", ratio, "ratio", f"{label} · mean/std a session", None, None),
            ("ir_ann", ratio * _ROOT_YEAR, "ratio", f"{label} · mean/std × √{SESSIONS_A_YEAR}", None, None),
        ]
        for name, value, unit, convention, lo, hi in rows:
            reason = why or ("" if math.isfinite(value) else "the correlations do not vary or are too few")
            count = len(apart) if name == "t_apart" else n
            out.append(Metric(f"{column}_{name}", value, unit, convention, lo, hi, count, start, end, reason))
    return out


def _student_t(values: np.ndarray) -> float:
    """t of a mean of independent values, ddof 1; NaN where there are fewer than 2 or they do not vary."""
    if len(values) < 2 or float(np.ptp(values)) <= FLAT * max(1.0, abs(float(values.mean()))):
        return math.nan
    return float(values.mean()) / float(values.std(ddof=1)) * math.sqrt(len(values))


def _said_apart(label: str, horizon: int, n: int) -> str:
    from scipy.special import stdtrit

    which = "every session" if horizon == 1 else f"every {horizon}. session, so windows do not overlap"
    return f"{label} · {which} · Student's t" + (f", critical {float(stdtrit(n - 1, 0.975)):.2f}" if n > 1 else "")


def ic_decay(
    score: pd.DataFrame, returns: pd.DataFrame, horizons: tuple[int, ...], *, overlap: int = 1
) -> pd.DataFrame:
    """Mean rank IC against the return of the single session that ends `horizon` sessions after the decision.

    Parameters
    ----------
    score : (T, N) stamped t.
    returns : (T', N) returns a session, stamped with the period's end.
    horizons : sessions after t, ≥ 1.
    overlap : how many consecutive rows of `score` meet the same session, for the lag: 1 for returns a session, h where
        `returns` are of windows of h sessions.

    Returns
    -------
    DataFrame
        a row a horizon: rank_ic, t (HAC), low and high (95%), n.

    """
    rows = []
    one, two = score.to_numpy(dtype=np.float64), returns.reindex(columns=score.columns).to_numpy(dtype=np.float64)
    place, needed = returns.index.get_indexer(score.index), max(3, min(MINIMUM_NAMES, one.shape[1]))
    for horizon in horizons:
        known = np.flatnonzero((place >= 0) & (place + horizon < len(two)))
        found, _ = rank_correlation(one[known], two[place[known] + horizon], minimum=needed)
        values = found[~np.isnan(found)]
        mean, error, t, lag = hac_mean(values, horizon=overlap)
        half = critical_value(len(values), lag) * error
        rows.append({"horizon": horizon, "rank_ic": mean, "t": t, "low": mean - half, "high": mean + half,
                     "n": len(values)})  # fmt: skip
    return pd.DataFrame(rows).set_index("horizon")


def yearly_ic(table: pd.DataFrame, horizon: int = 1) -> pd.DataFrame:
    """Mean ic and rank_ic by calendar year, with the HAC t of rank_ic (lag ≥ 3·horizon − 1) and the sessions."""
    rows = {}
    for year, part in table.groupby(pd.DatetimeIndex(table.index).year):
        known = part["rank_ic"].dropna().to_numpy()
        rows[year] = {
            "ic": part["ic"].mean(),
            "rank_ic": part["rank_ic"].mean(),
            "t": hac_mean(known, horizon=horizon)[2],
            "sessions": len(known),
        }
    return pd.DataFrame(rows).T


def rolling_ic(values: pd.Series, window: int, horizon: int = 1) -> pd.DataFrame:
    """Mean of every window of sessions with the HAC interval of that window alone.

    Parameters
    ----------
    values : (n,) a correlation a session, without NaN.
    window : sessions, ≥ 2 and ≤ n.
    horizon : h, for the lag, as in `assay.results.stats.long_run_variance.hac_mean`.

    Returns
    -------
    DataFrame
        mean, low, high (95%; NaN where a window does not vary), a row a window, stamped with its last session: only
        what is stamped until then is in it.

    """
    parts = np.lib.stride_tricks.sliding_window_view(values.to_numpy(dtype=np.float64), window)
    mean, lag = parts.mean(axis=1), lag_rule(window, horizon)
    centred = parts - mean[:, None]
    variance = (centred**2).mean(axis=1)
    for step in range(1, lag + 1):
        cross = (centred[:, step:] * centred[:, :-step]).sum(axis=1) / window
        variance += 2.0 * (1.0 - step / (lag + 1.0)) * cross
    error = np.sqrt(np.where(variance > 1e-30, variance, np.nan) / window)
    half = critical_value(window, lag) * error
    table = {"mean": mean, "low": mean - half, "high": mean + half}
    return pd.DataFrame(table, index=values.index[window - 1 :])


@dataclass(frozen=True, eq=False)
class QuantileReturns:
    """Forward returns by quantile of the score.

    Parameters
    ----------
    table : a row a quantile, 1 the lowest: mean (a session's window), low, high (95% HAC), n (sessions).
    spread : top minus bottom, a session.
    monotonicity : Spearman correlation of quantile number and mean; 1 = rising throughout.
    by_session : (T, q) mean forward return of each quantile on each session, what
        `assay.results.stats.monotonicity.monotonicity_test` takes.

    """

    table: pd.DataFrame
    spread: pd.Series
    monotonicity: float
    by_session: pd.DataFrame


def quantile_returns(
    score: Table, forward: Table, *, quantiles: int = 5, horizon: int = 1, ranks: PairedRanks | None = None
) -> QuantileReturns:
    """Mean forward return of each quantile of the score, equal counts a session.

    A name with rank r of n (average ranks) is in quantile ⌈q·(r − ½)/n⌉; sessions with fewer than `quantiles` names
    are left out. `ranks` of the same scores and outcomes are taken if they are there already.

    Raises
    ------
    InputError
        If fewer than 2 quantiles are asked for.

    """
    if quantiles < 2:
        raise InputError(f"quantile returns: at least 2 quantiles, got {quantiles}")
    one, two = aligned_values(score, forward)
    means = np.full((len(one), quantiles), np.nan)
    for rows in row_blocks(one.shape):
        came = two[rows]
        of = PairedRanks(one[rows], came, keep=False)[0 : len(came)] if ranks is None else ranks[rows]
        means[rows] = _quantile_means(of, came, quantiles)
    lines = []
    for q in range(quantiles):
        values = means[:, q][np.isfinite(means[:, q])]
        mean, error, _, lag = hac_mean(values, horizon=horizon)
        half = critical_value(len(values), lag) * error
        lines.append({"mean": mean, "low": mean - half, "high": mean + half, "n": len(values)})
    table = pd.DataFrame(lines, index=pd.Index(range(1, quantiles + 1), name="quantile"))
    spread = pd.Series(means[:, -1] - means[:, 0], score.index, name="spread")
    steps = average_ranks(table["mean"].to_numpy()[None, :])[0]
    numbers = np.arange(1.0, quantiles + 1)
    monotone = math.nan if np.isnan(steps).any() or np.ptp(steps) == 0 else float(np.corrcoef(steps, numbers)[0, 1])
    by_session = pd.DataFrame(means, index=score.index, columns=table.index)
    return QuantileReturns(table, spread, monotone, by_session)


def _quantile_means(ranks: npt.NDArray[Any], forward: Floats, quantiles: int) -> Floats:
    """(T, q) mean of `forward` in each quantile of each row, from twice the ranks, 0 = none."""
    unknown = np.isnan(forward)
    if unknown.any():
        forward = np.where(unknown, 0.0, forward)
    n = np.count_nonzero(ranks, axis=1)
    bucket = np.empty(ranks.shape, dtype=np.min_scalar_type(quantiles))
    for names in np.unique(n).tolist():
        rows = n == names
        numbers = _quantile_numbers(names, quantiles).astype(bucket.dtype)
        if rows.all():
            np.take(numbers, ranks, out=bucket, mode="clip")
        else:
            bucket[rows] = numbers.take(ranks[rows])
    finite = bool(np.isfinite(forward).all())
    means, part = np.full((len(ranks), quantiles), np.nan), np.empty(ranks.shape)
    for q in range(1, quantiles + 1):
        inside = bucket == q
        count = row_counts(inside)
        total = (np.multiply(forward, inside, out=part) if finite else np.where(inside, forward, 0.0)).sum(axis=1)
        enough = (count > 0) & (n >= quantiles)
        means[:, q - 1] = np.divide(total, count, out=np.full(len(ranks), np.nan), where=enough)
    return means


def _quantile_numbers(n: int, quantiles: int) -> Floats:
    """The quantile of twice each average rank among n names; 0 of rank 0."""
    numbers = (np.arange(2 * n + 1) / 2.0 - 0.5) * quantiles
    numbers[0] = 0.0
    return np.ceil(numbers / max(n, 1))
