"""Stops and take-profits: where their levels lie, and what they fill at.

A bar that opens beyond a level has jumped over it: it fills at the open, whatever the level was. A level inside the bar
fills at the level; if both lie inside one bar, the stop fills.
"""

from __future__ import annotations

import math

__all__ = ["fill_at_open", "fill_inside_bar", "levels"]


def levels(price: float, side: int, stop_loss: float, take_profit: float) -> tuple[float, float]:
    """Stop and target of a position filled at `price`, currency; infinitely far away where there is none.

    Parameters
    ----------
    price : of the fill.
    side : 1 long, −1 short.
    stop_loss, take_profit : fractions of the fill price; 0 = none.

    Examples
    --------
    >>> levels(100.0, 1, 0.02, 0.04)
    (98.0, 104.0)
    >>> levels(100.0, -1, 0.02, 0.0)
    (102.0, -inf)

    """
    stop = price * (1 - side * stop_loss) if stop_loss else -side * math.inf
    target = price * (1 + side * take_profit) if take_profit else side * math.inf
    return stop, target


def fill_at_open(price: float, lower: float, side: int) -> tuple[str, str]:
    """Which level an open at `price`, at or beyond one of them, has jumped over, and how; it fills at that open.

    Parameters
    ----------
    price : the open.
    lower : the lower of stop and target.
    side : 1 long, −1 short.

    Examples
    --------
    >>> fill_at_open(95.0, 98.0, 1)
    ('stop', 'the open jumped over the level')

    """
    return "stop" if (price <= lower) == (side > 0) else "target", "the open jumped over the level"


def fill_inside_bar(
    low: float, high: float, stop: float, target: float, side: int, *, optimistic: bool = False
) -> tuple[float, str, str]:
    """Price, kind and detail of the exit from a bar that has reached the stop, the target or both.

    A level that the bar does not span (it has no open, or this would have been a gap) fills at the bar's edge.

    Parameters
    ----------
    low, high : of the bar.
    stop, target : levels, currency.
    side : 1 long, −1 short.
    optimistic : the target fills where both lie inside the bar.

    Examples
    --------
    >>> fill_inside_bar(97.0, 105.0, 98.0, 104.0, 1)
    (98.0, 'stop', 'stop and target in one bar')
    >>> fill_inside_bar(97.0, 105.0, 98.0, 104.0, 1, optimistic=True)
    (104.0, 'target', 'stop and target in one bar')

    """
    stopped, reached = (low <= stop, high >= target) if side > 0 else (high >= stop, low <= target)
    kind = "target" if reached and (optimistic or not stopped) else "stop"
    level = target if kind == "target" else stop
    detail = "stop and target in one bar" if stopped and reached else "inside the bar"
    return min(max(level, low), high), kind, detail
