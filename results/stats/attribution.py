"""Where a result came from: legs, concentration, single sessions, calibration, assets. For showing, not for judging."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from assay.results.stats.blocks import row_blocks
from assay.results.stats.classification import reliability_table
from assay.results.stats.proportions import wilson_interval

__all__ = [
    "concentration",
    "extreme_sessions",
    "leg_returns",
    "reliability",
    "score_by_asset",
    "thresholds",
]

#: Assets worked on at once.
_TOGETHER = 64


def leg_returns(weights: pd.DataFrame, forward: pd.DataFrame, horizon: int = 1) -> pd.DataFrame:
    """What longs and shorts contributed, before costs, stamped at the decision.

    Parameters
    ----------
    weights : (T, N) target weights stamped t.
    forward : (T, N) return of the window that follows the fill.
    horizon : sessions a window spans; contributions are divided by it, since windows overlap.

    Returns
    -------
    DataFrame
        long and short: Σ weight × forward return over names with that side ÷ horizon; unknown returns count 0.

    """
    held = weights.to_numpy(dtype=np.float64)
    later = forward.reindex(index=weights.index, columns=weights.columns).to_numpy(dtype=np.float64)
    legs = np.empty((2, len(held)))
    for rows in row_blocks(held.shape):
        side, part = held[rows], np.nan_to_num(held[rows] * later[rows]) / horizon
        legs[0, rows], legs[1, rows] = (np.where(leg, part, 0).sum(axis=1) for leg in (side > 0, side < 0))
    return pd.DataFrame({"long": legs[0], "short": legs[1]}, index=weights.index)


def concentration(weights: pd.DataFrame) -> pd.DataFrame:
    """How many names a book really has.

    Returns
    -------
    DataFrame
        names (with a weight), effective_names (Σ|w|)²/Σw², the inverse Herfindahl index, and largest, the largest
        share of Σ|w|; the last two NaN where nothing is held.

    """
    held = weights.to_numpy(dtype=np.float64)
    total, squares, largest = (np.empty(len(held)) for _ in range(3))
    names = np.empty(len(held), dtype=np.int64)
    for rows in row_blocks(held.shape):
        size = np.abs(np.nan_to_num(held[rows]))
        total[rows], squares[rows] = size.sum(axis=1), (size**2).sum(axis=1)
        largest[rows], names[rows] = size.max(axis=1, initial=0.0), np.count_nonzero(size, axis=1)
    some, nothing = total > 0, np.full(len(held), np.nan)
    table = {
        "names": names,
        "effective_names": np.divide(total**2, squares, out=nothing.copy(), where=some),
        "largest": np.divide(largest, total, out=nothing.copy(), where=some),
    }
    return pd.DataFrame(table, index=weights.index)


def extreme_sessions(returns: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The worst and the best sessions by net return, the worst first; columns session, net and, if known, benchmark."""
    columns = [name for name in ("net", "benchmark") if name in returns]
    order = returns["net"].sort_values(kind="stable").index
    low = min(count, len(order) // 2)
    chosen = [*order[:low], *order[max(low, len(order) - count) :]]
    table = returns.loc[chosen, columns].reset_index()
    return table.rename(columns={table.columns[0]: "session"})


def reliability(probability: pd.DataFrame, forward: pd.DataFrame, bins: int = 10) -> pd.DataFrame:
    """What share of each band of probabilities went up.

    Returns
    -------
    DataFrame
        a row a band of equal width that has any: predicted (mean probability), up (share of forward returns > 0), low
        and high (95% Wilson, cases taken as independent), n.

    """
    p, up = _pairs(probability, forward)
    table = reliability_table(p, up.astype(np.float64), bins)
    rose = np.rint(table["up"] * table["n"]).astype(int)
    ends = [wilson_interval(int(k), int(n)) for k, n in zip(rose, table["n"], strict=True)]
    low, high = [low for low, _ in ends], [high for _, high in ends]
    return table.assign(low=low, high=high)[["predicted", "up", "low", "high", "n"]]


def thresholds(
    probability: pd.DataFrame, forward: pd.DataFrame, levels: Sequence[float] = (0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9)
) -> pd.DataFrame:
    """What is left above each level of probability_up: share of all cases, share that went up, mean forward return."""
    p, up, ahead = _pairs(probability, forward, values=True)
    rows = []
    for level in levels:
        above = p > level
        mean = float(ahead[above].mean()) if above.any() else float("nan")
        covered = float(above.mean()) if len(p) else float("nan")
        rows.append({"threshold": level, "cases": covered, **_share(up[above]), "mean_return": mean})
    return pd.DataFrame(rows)


def score_by_asset(score: pd.DataFrame, forward: pd.DataFrame) -> pd.DataFrame:
    """A row an asset: correlation of score and forward return over time (Pearson), share of equal signs, sessions."""
    one = score.to_numpy(dtype=np.float64)
    two = forward.reindex(index=score.index, columns=score.columns).to_numpy(dtype=np.float64)
    n, moved, equal = (np.zeros(one.shape[1], dtype=np.int64) for _ in range(3))
    product, below = np.zeros((2, one.shape[1]))
    for start in range(0, one.shape[1], _TOGETHER):  # some assets at a time: no table of all of them is made
        some = slice(start, start + _TOGETHER)
        known = np.isfinite(one[:, some]) & np.isfinite(two[:, some])
        n[some] = known.sum(axis=0)
        x, y = np.where(known, one[:, some], 0.0), np.where(known, two[:, some], 0.0)
        moved[some], equal[some] = (x * y != 0).sum(axis=0), (x * y > 0).sum(axis=0)
        least = np.maximum(n[some], 1)
        xc, yc = np.where(known, x - x.sum(axis=0) / least, 0), np.where(known, y - y.sum(axis=0) / least, 0)
        below[some] = np.sqrt((xc**2).sum(axis=0) * (yc**2).sum(axis=0))
        product[some] = (xc * yc).sum(axis=0)
    enough = (n >= 10) & (below > 1e-18)
    ic = np.divide(product, below, out=np.full(len(n), np.nan), where=enough)
    same = np.divide(equal, moved, out=np.full(len(n), np.nan), where=moved > 0)
    table = pd.DataFrame(
        {"asset": [str(name) for name in score.columns], "correlation": ic, "same_sign": same, "sessions": n}
    )
    return table.sort_values("correlation", ascending=False, kind="stable", ignore_index=True)


def _pairs(probability: pd.DataFrame, forward: pd.DataFrame, values: bool = False) -> tuple[np.ndarray, ...]:
    p = probability.to_numpy(dtype=np.float64)
    ahead = forward.reindex(index=probability.index, columns=probability.columns).to_numpy(dtype=np.float64)
    known = np.isfinite(p) & np.isfinite(ahead)
    found = (p[known], ahead[known] > 0)
    return (*found, ahead[known]) if values else found


def _share(up: np.ndarray) -> dict[str, float]:
    n = len(up)
    low, high = wilson_interval(int(up.sum()), n)
    return {"up": float(up.mean()) if n else float("nan"), "low": low, "high": high, "n": n}
