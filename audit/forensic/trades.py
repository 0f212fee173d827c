"""Trade statistics: wins, losses, profit factor, payoff and expectancy hang together."""

from __future__ import annotations

from assay.audit.intervals import Interval

__all__ = ["expectancy", "payoff", "profit", "profit_factor", "profit_factor_from_rate"]


def payoff(average_win: Interval, average_loss: Interval) -> Interval:
    """Average win over average loss, both as sizes."""
    return abs(average_win) / abs(average_loss)


def profit_factor(wins: Interval, losses: Interval, average_win: Interval, average_loss: Interval) -> Interval:
    """Gross profit over gross loss, ``W a_w / (L a_l)``."""
    return (wins * abs(average_win)) / (losses * abs(average_loss))


def profit_factor_from_rate(win_rate: Interval, payoff_ratio: Interval) -> Interval:
    """Profit factor from the win rate p and the payoff b, ``p b / (1 - p)``; trades without profit count as losses.

    Increasing in both, so the ends suffice.
    """
    high = float("inf") if win_rate.high >= 1 else win_rate.high / (1 - win_rate.high) * payoff_ratio.high
    low = float("inf") if win_rate.low >= 1 else win_rate.low / (1 - win_rate.low) * payoff_ratio.low
    return Interval(low, high)



def profit(wins: Interval, losses: Interval, average_win: Interval, average_loss: Interval) -> Interval:
    """Total profit, ``W a_w - L a_l``, before anything not counted in the trades."""
    return wins * abs(average_win) - losses * abs(average_loss)


def expectancy(win_rate: Interval, average_win: Interval, average_loss: Interval) -> Interval:
    """Mean profit of a trade, ``p a_w - (1 - p) a_l``: linear in p, so its extremes stand at the ends."""
    win, loss = abs(average_win), abs(average_loss)
    lows = [p * win.low - (1 - p) * loss.high for p in (win_rate.low, win_rate.high)]
    highs = [p * win.high - (1 - p) * loss.low for p in (win_rate.low, win_rate.high)]
    return Interval(min(lows), max(highs))
