"""Gains and losses along the way: how often, how large, how long, as portfolio reports state them.

References
----------
Martin & McCann (1989), *The Investor's Guide to Fidelity Funds*, for the ulcer index; Keating & Shadwick (2002), "A
universal performance measure", whose omega at 0 is the profit factor. Captures are arithmetic: mean over mean.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.returns import drawdown_series

__all__ = ["PATH_FIGURES", "against_figures", "path_figures"]

#: Figure → what it is, and its convention.
PATH_FIGURES: dict[str, tuple[str, str]] = {
    "months": ("months that gained", "calendar months, first and last may be parts"),
    "quarters": ("quarters that gained", "calendar quarters"),
    "years": ("years that gained", "calendar years"),
    "payoff": ("mean gain over mean loss", "of sessions that moved"),
    "profit_factor": ("gains over losses", "sums of sessions' returns; also called omega at 0"),
    "tail_ratio": ("tail ratio", "95th percentile over the 5th, without sign"),
    "gains_in_a_row": ("most sessions of gain in a row", "a flat session ends a row"),
    "losses_in_a_row": ("most sessions of loss in a row", "a flat session ends a row"),
    "under_water": ("longest time below an earlier high", "sessions, to the end where it never recovered"),
    "mean_depth": ("mean depth below the high", "over all sessions"),
    "ulcer": ("ulcer index", "root mean square of that depth"),
    "tracking_error": ("tracking error a year", "deviation of net less benchmark · 252 · ddof 1"),
    "up_capture": ("up capture", "mean net over mean benchmark on its sessions of gain"),
    "down_capture": ("down capture", "the same on its sessions of loss"),
}


def path_figures(returns: pd.Series) -> dict[str, float]:
    """What a series of returns did along the way, by the names of `PATH_FIGURES`; NaN where there is nothing to divide.

    Parameters
    ----------
    returns : (T,) simple returns a session, stamped with the period's end, without NaN.

    Examples
    --------
    >>> figures = path_figures(pd.Series([0.02, -0.01, -0.01, 0.03], pd.bdate_range("2024-01-02", periods=4)))
    >>> figures["payoff"], figures["losses_in_a_row"], figures["under_water"]
    (2.5, 2.0, 2.0)

    """
    values = returns.to_numpy(dtype=np.float64)
    sessions = pd.DatetimeIndex(returns.index)
    gains, losses = values[values > 0], -values[values < 0]
    under = drawdown_series(returns).to_numpy(dtype=np.float64)
    grown = {
        name: (1 + returns).groupby(sessions.to_period(letter)).prod() - 1
        for name, letter in (("months", "M"), ("quarters", "Q"), ("years", "Y"))
    }
    low, high = np.quantile(values, [0.05, 0.95]) if len(values) else (math.nan, math.nan)
    return {
        **{name: float((periods > 0).mean()) for name, periods in grown.items()},
        "payoff": _over(gains.mean() if len(gains) else 0.0, losses.mean() if len(losses) else 0.0),
        "profit_factor": _over(gains.sum(), losses.sum()),
        "tail_ratio": _over(abs(high), abs(low)),
        "gains_in_a_row": _longest(values > 0),
        "losses_in_a_row": _longest(values < 0),
        "under_water": _longest(under < 0),
        "mean_depth": float(under.mean()) if len(under) else math.nan,
        "ulcer": float(np.sqrt((under**2).mean())) if len(under) else math.nan,
    }


def against_figures(returns: pd.Series, benchmark: pd.Series) -> dict[str, float]:
    """Tracking error and captures on the sessions that both have; NaN where there is nothing to divide."""
    both = pd.DataFrame({"net": returns, "benchmark": benchmark}).dropna().to_numpy(dtype=np.float64)
    net, market = both[:, 0], both[:, 1]
    deviation = float((net - market).std(ddof=1)) if len(both) > 1 else math.nan
    up, down = market > 0, market < 0
    return {
        "tracking_error": deviation * SESSIONS_A_YEAR**0.5,
        "up_capture": _over(net[up].mean(), market[up].mean()) if up.any() else math.nan,
        "down_capture": _over(net[down].mean(), market[down].mean()) if down.any() else math.nan,
    }


def _over(one: float, two: float) -> float:
    return float(one / two) if two else math.nan


def _longest(flags: Floats | np.ndarray) -> float:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, dtype=np.int8), [0]])))
    return float((edges[1::2] - edges[::2]).max()) if len(edges) else 0.0
