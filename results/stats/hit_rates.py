"""Hit rates of predictions, positions and trades, each beside what no skill would have hit.

Predictions of one session rise and fall together, so intervals count sessions, not predictions
(`assay.results.stats.proportions.clustered_interval`).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from assay.data.row_tables import Table
from assay.results.stats.blocks import row_blocks, row_counts
from assay.results.stats.information_coefficient import aligned_values
from assay.results.stats.performance import Metric
from assay.results.stats.proportions import ClusteredShare, clustered_interval

__all__ = ["hit_metrics", "session_hits", "trade_hits"]


def hit_metrics(
    score: Table | None, forward: Table, weights: Table | None, *, horizon: int = 1
) -> list[Metric]:
    """hit_direction and hit_position, each with its base.

    Parameters
    ----------
    score : (T, N) whose sign is a direction; None where it has none (a rank).
    forward : (T, N) what followed, stamped t.
    weights : (T, N) target weights, stamped t.
    horizon : h of the forward returns.

    Returns
    -------
    list of Metric
        hit_direction (sign of the score against the forward return) with hit_direction_base, the share of ups among
        the same cases: what "always up" hits. hit_position (weight·return > 0) with hit_position_base, what the same
        share of longs and shorts hits when it knows nothing: P(long)·P(up) + P(short)·P(down). Cases where either side
        is 0 are left out, and n says how many are left.

    """
    out = []
    for name, signs, convention, why in (
        ("hit_direction", score, "sign of the score = sign of the forward return", "the score has no sign"),
        ("hit_position", weights, "weight × forward return > 0", "no weights are kept"),
    ):
        if signs is None:
            out.append(Metric(name, math.nan, "fraction", convention, reason=why))
            continue
        one, two = aligned_values(signs, forward)
        hits, cases = (np.zeros(len(one), dtype=np.int64) for _ in range(2))
        ups = longs = 0
        for rows in row_blocks(one.shape):
            side, came = one[rows], two[rows]
            long, up = side > 0, came > 0
            case = (long | (side < 0)) & (up | (came < 0))
            case &= np.isfinite(side)
            case &= np.isfinite(came)
            cases[rows], hits[rows] = row_counts(case), row_counts((long == up) & case)
            ups, longs = ups + int(np.count_nonzero(up & case)), longs + int(np.count_nonzero(long & case))
        found = clustered_interval(hits, cases, lag=3 * horizon - 1 if horizon > 1 else 0)
        out.append(_metric(name, found, convention, "sessions"))
        rose, held = (count / found.n if found.n else math.nan for count in (ups, longs))
        base, text = rose, "share of forward returns above 0 among the same cases"
        if name == "hit_position":
            base, text = held * rose + (1 - held) * (1 - rose), "P(long)·P(up) + P(short)·P(down) among the same cases"
        out.append(_base(name, base, text, found.n))
    return out


def trade_hits(trades: pd.DataFrame | None, close: pd.DataFrame | None = None) -> list[Metric]:
    """hit_trade of round trips, clustered by exit session, with hit_trade_base.

    Parameters
    ----------
    trades : round trips with side, entry_session, exit_session and pnl; None where none are kept.
    close : (T, N) closes of the sessions traded. The base is the share of all windows as long as the mean trip, over
        all assets, that went the trips' way: up for the share of longs, down for that of shorts.

    """
    text = "round trip, flat to flat, with a profit after all costs"
    if trades is None or not len(trades):
        return [Metric("hit_trade", math.nan, "fraction", text, reason="no round trips are kept")]
    pnl = trades["pnl"].to_numpy(dtype=np.float64)
    case = np.isfinite(pnl) & (pnl != 0)
    groups, exits = pd.factorize(trades["exit_session"])
    hits = np.bincount(groups, case & (pnl > 0), len(exits))
    found = clustered_interval(hits, np.bincount(groups, case, len(exits)))
    out = [_metric("hit_trade", found, text, "exit sessions")]
    if close is None:
        return out
    held = close.index.searchsorted(trades["exit_session"]) - close.index.searchsorted(trades["entry_session"])
    length = max(1, round(float(held.mean())))
    values = close.to_numpy(dtype=np.float64)
    moved = rose = 0
    for rows in row_blocks((len(values) - length, values.shape[1])):
        later, before = values[rows.start + length : rows.stop + length], values[rows]
        moves = later / before - 1
        more = moves > 0
        moves_at_all = (more | (moves < 0)) & np.isfinite(moves)
        moved += int(np.count_nonzero(moves_at_all))
        rose += int(np.count_nonzero(more & moves_at_all))
    up = rose / moved if moved else math.nan
    long = float((trades["side"] > 0).mean())
    base = long * up + (1 - long) * (1 - up)
    about = f"share of windows of {length} sessions (the mean trip) that went the trips' way, all assets, before costs"
    return [*out, _base("hit_trade", base, about, moved)]


def session_hits(returns: pd.Series, benchmark: pd.Series | None) -> list[Metric]:
    """hit_session_base: the share of the same sessions on which the benchmark was up; empty without one."""
    if benchmark is None:
        return []
    moved = benchmark[returns.ne(0)].dropna()
    moved = moved[moved != 0]
    share = float((moved > 0).mean()) if len(moved) else math.nan
    return [_base("hit_session", share, "share of the same sessions on which the benchmark was up", len(moved))]


def _metric(name: str, found: ClusteredShare, convention: str, groups: str) -> Metric:
    if not found.n:
        return Metric(name, math.nan, "fraction", convention, reason="no case is other than 0")
    text = f"{convention} · Wilson 95% with {found.groups:,} {groups} as the cases"
    return Metric(name, found.share, "fraction", text, found.low, found.high, found.n)


def _base(name: str, value: float, text: str, n: int) -> Metric:
    known = math.isfinite(value)
    return Metric(f"{name}_base", value, "fraction", text, n=n, reason="" if known else "no case is other than 0")
