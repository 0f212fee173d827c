"""Trade statistics: wins, losses, profit factor, payoff and expectancy hang together."""

from __future__ import annotations

from assay.audit.claims.intervals import Interval

__all__ = ["expectancy", "factor_of_rate", "share_of"]


def share_of(wins: Interval, losses: Interval) -> Interval:
    """Winners among those that won or lost, ``W/(W + L)``, which rises in W and falls in L; the whole line where none
    may have."""
    if wins.low + losses.low <= 0:
        return Interval(0.0, 1.0)
    won, lost = max(wins.low, 0.0), max(losses.low, 0.0)
    return Interval(won / (won + losses.high), wins.high / (wins.high + lost))


def factor_of_rate(win_rate: Interval, payoff_ratio: Interval) -> Interval:
    """Profit factor from the win rate p and the payoff b, ``p b / (1 - p)``; trades without profit count as losses.

    Increasing in both, so the ends suffice.
    """
    high = float("inf") if win_rate.high >= 1 else win_rate.high / (1 - win_rate.high) * payoff_ratio.high
    low = float("inf") if win_rate.low >= 1 else win_rate.low / (1 - win_rate.low) * payoff_ratio.low
    return Interval(low, high)



def expectancy(win_rate: Interval, average_win: Interval, average_loss: Interval) -> Interval:
    """Mean profit of a trade, ``p a_w - (1 - p) a_l``: linear in p, so its extremes stand at the ends."""
    win, loss = abs(average_win), abs(average_loss)
    lows = [p * win.low - (1 - p) * loss.high for p in (win_rate.low, win_rate.high)]
    highs = [p * win.high - (1 - p) * loss.low for p in (win_rate.low, win_rate.high)]
    return Interval(min(lows), max(highs))
