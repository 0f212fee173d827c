"""Conventions that every part shares: sessions in a year, when a series counts as flat, the annual Sharpe ratio."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLAT", "SESSIONS_A_YEAR", "Floats", "annual_ratio", "annual_sharpe"]

Floats = NDArray[np.float64]

#: Trading sessions in a year: what per-session figures are annualised with.
SESSIONS_A_YEAR = 252
#: A standard deviation (or range) up to this is rounding: the series does not vary and has no ratio.
FLAT = 1e-15


def annual_ratio(mean: Any, deviation: Any, *, periods: float = SESSIONS_A_YEAR) -> Any:
    """Mean / standard deviation of a period times √periods; NaN where the deviation is `FLAT` or unknown.

    Parameters
    ----------
    mean, deviation : of the returns a period, (...); the deviation with ddof 1.
    periods : returns in a year.

    Returns
    -------
    ndarray
        (...), also for one mean and one deviation.

    Examples
    --------
    >>> annual_ratio([0.001, 0.001], [0.01, 0.0]).round(3)
    array([1.587,   nan])

    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(mean, deviation) * np.sqrt(periods)
    return np.where(np.asarray(deviation) > FLAT, ratio, np.nan)


def annual_sharpe(returns: Any, *, periods: float = SESSIONS_A_YEAR, axis: int = -1) -> Any:
    """Sharpe ratio a year: mean / standard deviation (ddof 1) times √periods, no risk-free rate.

    Parameters
    ----------
    returns : (T,) or (..., T) returns a period, without holes.
    periods : returns in a year.
    axis : along which the T periods run.

    Returns
    -------
    float or ndarray
        A float for one series; NaN where there are fewer than two returns or they do not vary (`FLAT`).

    References
    ----------
    Sharpe (1994), "The Sharpe ratio"; arithmetic, see Lo (2002), "The statistics of Sharpe ratios", on √periods.

    Examples
    --------
    >>> round(annual_sharpe([0.01, -0.01, 0.02]), 3), annual_sharpe([0.01, 0.01])
    (6.928, nan)

    """
    values = np.asarray(returns, dtype=np.float64)
    if values.shape[axis] < 2:
        ratio = np.full(np.delete(values.shape, axis), np.nan)
    else:
        ratio = annual_ratio(values.mean(axis=axis), values.std(axis=axis, ddof=1), periods=periods)
    return float(ratio) if ratio.ndim == 0 else ratio
