"""What every side is held against: plain loops that say what the work is, in NumPy and Python alone.

Nothing of this project is imported here, and no peer: these run in every environment.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

__all__ = ["COST", "entries_loop", "quintile_loop", "quintile_weights"]

#: Share of the traded value that every side pays.
COST = 5e-4


def quintile_loop(
    score: np.ndarray, close: np.ndarray, *, sized: Literal["fill", "decision"] = "fill", cost: float = COST
) -> np.ndarray:
    """(T,) net returns of the quintile strategy, in the fewest obvious lines.

    Long the best fifth and short the worst by the scores of t, half of NAV each, filled at the close of t + 1. `sized`
    says at which close a weight becomes shares: that of the ``"fill"``, or that of the ``"decision"`` a session before,
    as where an order is a number of shares.
    """
    sessions, assets = score.shape
    k = max(1, int(0.2 * assets + 0.5))
    out, value, cash, before = np.zeros(sessions), np.zeros(assets), 1.0, 1.0
    for t in range(1, sessions):
        growth = close[t] / close[t - 1]
        value = value * growth
        order = np.argsort(score[t - 1], kind="stable")
        target = np.zeros(assets)
        target[order[-k:]], target[order[:k]] = 0.5 / k, -0.5 / k
        target *= cash + value.sum() if sized == "fill" else before * growth
        traded = target - value
        cash -= traded.sum() + cost * np.abs(traded).sum()
        value = target
        nav = cash + value.sum()
        out[t], before = nav / before - 1, nav
    return out


def quintile_weights(score: np.ndarray, quantile: float = 0.2) -> np.ndarray:
    """(T, N) weights stamped with the decision, for peers that are handed weights; scores have no ties."""
    k = max(1, int(quantile * score.shape[1] + 0.5))
    ends = np.sort(score, axis=1)
    return np.where(score >= ends[:, -k, None], 0.5 / k, np.where(score <= ends[:, k - 1, None], -0.5 / k, 0.0))


def entries_loop(
    bars: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    probability: np.ndarray,
    *,
    cap: int,
    entry_bar: bool = True,
    stops_first: bool = False,
    gaps_first: bool = True,
    sized: Literal["fill", "decision"] = "fill",
    cost: float = COST,
) -> np.ndarray:
    """(T,) NAV, from 1, of the confidence rule over (T, N) opens, highs, lows and closes.

    Long at the open after the probability was above 0.7, a tenth of the NAV marked at that open, at most `cap` names
    (0 = no cap), the most probable first; out at the open after it was below 0.5, at a loss of 2% or a gain of 4% on
    the fill, at the open where the bar begins beyond the level; where both lie within a bar the stop fills.

    `entry_bar` says whether levels are watched in the bar of the entry too. With `stops_first` a bar that reaches a
    level and was to be left at its open is left at the level. Without `gaps_first` a slot that a jump over a level has
    emptied at the open is free from the next session on. `sized` as for `quintile_loop`.
    """
    opens, highs, lows, closes = (field.tolist() for field in bars)
    enter, leave = probability > 0.7, (probability < 0.5).tolist()
    wanted = [
        sorted(np.flatnonzero(row).tolist(), key=lambda a, p=p: -p[a])
        for row, p in zip(enter, probability, strict=True)
    ]
    cash, nav = 1.0, [1.0]
    held: dict[int, tuple[float, float]] = {}  # asset -> shares, fill
    for s in range(1, len(opens)):
        worth = cash + sum(shares * opens[s][a] for a, (shares, _) in held.items())
        closed = set()
        for a, (shares, fill) in list(held.items()):
            price, stop, goal = opens[s][a], 0.98 * fill, 1.04 * fill
            reached = (lows[s][a] <= stop or highs[s][a] >= goal) and stops_first
            jumped = gaps_first and not stop < price < goal
            if (leave[s - 1][a] and not reached) or jumped:
                cash += shares * price * (1 - cost)
                closed.add(a)
                del held[a]
        fresh = set()
        for a in wanted[s - 1]:
            if cap and len(held) >= cap:
                break
            if a not in held and a not in closed:
                wish = 0.1 * worth if sized == "fill" else 0.1 * nav[-1] * opens[s][a] / closes[s - 1][a]
                spent = min(wish, cash / (1 + cost))
                if spent > 0:
                    held[a] = (spent / opens[s][a], opens[s][a])
                    cash -= spent * (1 + cost)
                    fresh.add(a)
        for a, (shares, fill) in list(held.items()):
            if a in fresh and not entry_bar:
                continue
            price, stop, goal = opens[s][a], 0.98 * fill, 1.04 * fill
            if lows[s][a] <= stop or highs[s][a] >= goal:
                if stop < price < goal:
                    price = stop if lows[s][a] <= stop else goal
                cash += shares * price * (1 - cost)
                del held[a]
        nav.append(cash + sum(shares * closes[s][a] for a, (shares, _) in held.items()))
    return np.array(nav)
