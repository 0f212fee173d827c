"""What any strategy may do to its weights after selection: sleeves, smoothing, vol target, cadence, kill switches.

Pure functions of a frame of weights or of a series of returns. The value stamped t reads rows up to and including t,
nothing later; it multiplies (or empties) the weights stamped t, which are filled `delay` sessions later. Which returns
go in, and in which order the passes run, is for the engine to say.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.errors import InputError
from assay.strategies.base import Every

__all__ = [
    "SWITCHES",
    "due_sessions",
    "kill_switch_state",
    "kill_switch_states",
    "on_cadence",
    "sleeved",
    "smooth_weights",
    "vol_target_factor",
    "vol_target_factors",
]


#: The volatility target: returns it reads, and the bounds of its factor.
VOL_WINDOW = 20
VOL_BOUNDS = (0.5, 2.0)
#: Day switch: this many standard deviations of the sessions before.
DAY_DEVIATIONS = 3.0
DAY_WINDOW = 20
#: Five-day switch: a compounded loss beyond this, held until this share of it is back.
FIVE_DAY_LOSS = 0.08
FIVE_DAY_WINDOW = 5
FIVE_DAY_RECOVERY = 0.5
#: Sixty-day switch: a negative Sharpe ratio over this many sessions.
SIXTY_DAY_WINDOW = 60
#: The switches, in order.
SWITCHES = ("day", "five_day", "sixty_day")


def sleeved(weights: pd.DataFrame, sleeves: int) -> pd.DataFrame:
    """Overlapping portfolios: the mean of the last `sleeves` decisions, each of which is held that long.

    A decision is a row with an order. While fewer have been made the mean is over those, so that the first decision is
    held whole. A NaN cell in a decision stands for the asset's last target, and stays "no order" in its own row.

    Parameters
    ----------
    weights : (T, N) target weights, stamped t.
    sleeves : K, at least 1; 1 returns the weights as they are.

    Returns
    -------
    DataFrame
        (T, N) stamped t, from rows up to t.

    References
    ----------
    Jegadeesh & Titman (1993), "Returns to buying winners and selling losers".

    Examples
    --------
    >>> sessions = pd.bdate_range("2020-01-01", periods=4)
    >>> sleeved(pd.DataFrame({"A": [1.0, 0.0, 0.0, 1.0]}, index=sessions), 2)["A"].tolist()
    [1.0, 0.5, 0.0, 0.5]

    """
    if sleeves == 1 or len(weights) == 0:
        return weights.copy(deep=False)
    target = weights.to_numpy(dtype=np.float64)
    ordered = ~np.isnan(target)
    decided = np.flatnonzero(ordered.any(axis=1))
    out = np.full_like(target, np.nan)
    last, kept = np.full(target.shape[1], np.nan), np.empty((0, target.shape[1]))
    for t in decided:
        last = np.where(ordered[t], target[t], last)
        kept = np.vstack([kept[max(0, len(kept) - sleeves + 1) :], last])
        known = ~np.isnan(kept)
        mean = np.where(known, kept, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        out[t, ordered[t]] = mean[ordered[t]]
    return pd.DataFrame(out, index=weights.index, columns=weights.columns, copy=False)


def due_sessions(sessions: pd.DatetimeIndex, every: Every, phase: int = 0) -> NDArray[np.bool_]:
    """(T,) whether orders are due at the close of a session, known then.

    Parameters
    ----------
    sessions : of the run, from its first decision on.
    every : n: the sessions `phase`, `phase` + n, …; ``"week"`` or ``"month"``: `phase` sessions after the first of
        each (ISO) week or month, and after the run's first.
    phase : sessions, at least 0.

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-31", periods=5)
    >>> due_sessions(days, 2).tolist(), due_sessions(days, "month").tolist()
    ([True, False, True, False, True], [True, True, False, False, False])

    """
    place = np.arange(len(sessions))
    if isinstance(every, int):
        regular: NDArray[np.bool_] = (place >= phase) & ((place - phase) % every == 0)
        return regular
    period = np.asarray(sessions.to_period("W" if every == "week" else "M").asi8)
    first = np.concatenate([[True], np.diff(period) != 0])[: len(sessions)]
    due = np.zeros(len(sessions), dtype=bool)
    due[phase:] = first[: len(sessions) - phase]
    return due


def on_cadence(weights: pd.DataFrame, sessions: pd.DatetimeIndex, every: Every, phase: int = 0) -> pd.DataFrame:
    """Weights that are ordered on the sessions of a schedule alone.

    Each asset's latest target since the last orders is ordered; where a session is due and there is none, the first
    one after it is. Between, there is no order and holdings drift.

    Parameters
    ----------
    weights : (≤ T, N) decisions; NaN, or a session left out, is "no order".
    sessions : (T,), from the first decision on.
    every, phase : see `due_sessions`.

    Returns
    -------
    DataFrame
        (T, N), stamped t, from rows up to t; NaN is "no order".

    Examples
    --------
    >>> days = pd.bdate_range("2024-01-01", periods=4)
    >>> on_cadence(pd.DataFrame({"A": [0.1, 0.2, np.nan, 0.4]}, days), days, 2)["A"].tolist()
    [0.1, nan, 0.2, nan]

    """
    values = weights.reindex(sessions).to_numpy(dtype=np.float64)
    out, carried = np.full_like(values, np.nan), np.full(values.shape[1], np.nan)
    pending = False
    for t, due in enumerate(due_sessions(sessions, every, phase)):
        pending |= bool(due)
        carried = np.where(np.isnan(values[t]), carried, values[t])
        if pending and not np.isnan(carried).all():
            out[t], carried, pending = carried, np.full(values.shape[1], np.nan), False
    return pd.DataFrame(out, index=sessions, columns=weights.columns, copy=False)


def smooth_weights(
    weights: pd.DataFrame, smoothing: float, before: NDArray[np.float64] | None = None
) -> pd.DataFrame:
    """Exponentially smoothed target weights: wₜ = a·wₜ₋₁ + (1−a)·targetₜ, the first row being the first target.

    The recursion runs on targets, not on drifted holdings. A NaN target ("no order") stays NaN in its own row and
    leaves the asset's smoothed weight where it was.

    Parameters
    ----------
    weights : (T, N) target weights, fractions of NAV, stamped t.
    smoothing : a, in [0, 1); 0 returns the weights as they are.
    before : (N,) the smoothed weights of the rows before these, NaN where there were none; None at the beginning.

    Returns
    -------
    DataFrame
        (T, N) smoothed weights, stamped t, from rows up to t.

    Raises
    ------
    InputError
        If `smoothing` is outside [0, 1).

    Examples
    --------
    >>> sessions = pd.to_datetime(["2020-01-02", "2020-01-03", "2020-01-06"])
    >>> smooth_weights(pd.DataFrame({"A": [1.0, 0.0, 0.0]}, index=sessions), 0.5)["A"].tolist()
    [1.0, 0.5, 0.25]

    """
    if not 0 <= smoothing < 1:
        raise InputError(f"overlays: smoothing must lie in [0, 1), got {smoothing!r}")
    if smoothing == 0 or len(weights) == 0:
        return weights.copy(deep=False)
    target = np.ascontiguousarray(weights.to_numpy(dtype=np.float64))
    whole = before is None and not math.isnan(target.sum())
    smoothed = _smooth(target, smoothing) if whole else _smooth_with_gaps(target, smoothing, before)
    return pd.DataFrame(smoothed, index=weights.index, columns=weights.columns, copy=False)


def _smooth(target: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
    out = np.empty_like(target)
    out[0] = target[0]
    fresh = np.empty(target.shape[1])
    for t in range(1, len(target)):
        np.multiply(target[t], 1 - smoothing, out=fresh)
        row = np.multiply(out[t - 1], smoothing, out=out[t])
        row += fresh
    return out


def _smooth_with_gaps(
    target: NDArray[np.float64], smoothing: float, before: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    out = np.full_like(target, np.nan)
    state = np.full(target.shape[1], np.nan) if before is None else before
    for t, row in enumerate(target):
        ordered = ~np.isnan(row)
        started = np.where(np.isnan(state), row, smoothing * state + (1 - smoothing) * row)
        state = np.where(ordered, started, state)
        out[t, ordered] = state[ordered]
    return out


def first_returns(returns: NDArray[np.float64], sessions: pd.Index, what: str) -> NDArray[np.int64]:
    """(R,) position of the first return of each run that is not NaN; after it there must be no other.

    Raises
    ------
    InputError
        If there is a hole; `what` reads them.

    """
    known = np.isfinite(returns)
    start: NDArray[np.int64] = np.count_nonzero(np.logical_and.accumulate(~known, axis=1), axis=1)
    holes = ~known & (np.arange(returns.shape[1]) >= start[:, None])
    if holes.any():
        hole = sessions[int(holes[holes.any(axis=1)][0].argmax())]
        raise InputError(
            f"{what}: the returns have a hole at {hole}; only leading NaN (before the first fill) is allowed"
        )
    return start


def _trailing_std(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Standard deviation (ddof 1) of each full window; element i ends at i + window − 1."""
    answer: NDArray[np.float64] = sliding_window_view(values, window).std(axis=1, ddof=1)
    return answer


def vol_target_factor(
    returns: pd.Series,
    target: float = 0.08,
    window: int = VOL_WINDOW,
    low: float = VOL_BOUNDS[0],
    high: float = VOL_BOUNDS[1],
) -> pd.Series:
    """Factor that scales weights toward a volatility: clip(target/σₜ, low, high), σₜ = √252·std of the last returns.

    Parameters
    ----------
    returns : (T,) net returns of the unscaled strategy, stamped with the period's end. Leading NaN marks the sessions
        before its first fill, which do not count.
    target : volatility aimed at, a year.
    window : returns in σₜ, the last one being returns[t]; standard deviation with ddof 1.
    low, high : bounds of the factor.

    Returns
    -------
    Series
        (T,) factor for the weights stamped t, from returns up to t; 1 until `window` returns exist. With σₜ = 0 it is
        `high`.

    Raises
    ------
    InputError
        If a parameter is out of range, or a return is missing after the first.

    References
    ----------
    Moreira & Muir (2017), "Volatility-managed portfolios"; Harvey et al. (2018), "The impact of volatility targeting".

    Examples
    --------
    >>> sessions = pd.bdate_range("2020-01-01", periods=4)
    >>> vol_target_factor(pd.Series([0.0, 0.01, 0.0, 0.0], index=sessions), window=2).round(3).tolist()
    [1.0, 0.713, 0.713, 2.0]

    """
    factor = vol_target_factors(returns.to_numpy(dtype=np.float64)[None], returns.index, target, window, low, high)[0]
    return pd.Series(factor, index=returns.index, name="vol_target_factor")


def vol_target_factors(
    returns: NDArray[np.float64],
    sessions: pd.Index,
    target: float,
    window: int = VOL_WINDOW,
    low: float = VOL_BOUNDS[0],
    high: float = VOL_BOUNDS[1],
) -> NDArray[np.float64]:
    """`vol_target_factor` of each of R runs.

    Parameters
    ----------
    returns : (R, T).
    sessions : (T,).
    target, window, low, high : as there.

    """
    if not (target > 0 and math.isfinite(target)):
        raise InputError(f"overlays: vol_target must be above 0, got {target!r}")
    if window < 2:
        raise InputError(f"overlays: the volatility window must be at least 2 sessions, got {window!r}")
    if not 0 <= low <= high:
        raise InputError(f"overlays: the bounds of the factor must satisfy 0 <= low <= high, got {low!r}, {high!r}")
    out = np.ones(returns.shape)
    for factor, values, start in zip(out, returns, first_returns(returns, sessions, "vol_target_factor"), strict=True):
        if len(values) - start >= window:
            volatility = math.sqrt(SESSIONS_A_YEAR) * _trailing_std(values[start:], window)
            with np.errstate(divide="ignore"):
                factor[start + window - 1 :] = np.clip(target / volatility, low, high)
    return out


def kill_switch_state(shadow_returns: pd.Series) -> pd.DataFrame:
    """Which kill switches are on at each stamp; weights stamped t are flat where any is.

    day : returns[t] < −3·std (ddof 1) of the 20 returns before t; on for that stamp alone.
    five_day : the compounded return of the last 5 sessions is below −8%; on until the shadow's NAV is back at
        NAV[t] + ½·(NAV[t−5] − NAV[t]), a level fixed at the trigger t. On the stamp that reaches it the switch is off,
        unless the last 5 sessions still trigger, which starts a new episode with its own level.
    sixty_day : the Sharpe ratio of the last 60 returns is below 0 (that is, their mean is); on while it lasts, and off
        before 60 returns exist.

    Parameters
    ----------
    shadow_returns : (T,) net returns, stamped with the period's end, of the portfolio that is never switched off: it
        goes on while the real one is flat, so that the switches can re-arm. Leading NaN marks sessions before its
        first fill, which do not count.

    Returns
    -------
    DataFrame
        (T, 3) bool, columns day, five_day, sixty_day; row t from returns up to t.

    Raises
    ------
    InputError
        If a return is missing after the first.

    Examples
    --------
    >>> sessions = pd.bdate_range("2020-01-01", periods=7)
    >>> state = kill_switch_state(pd.Series([0, 0, 0, 0, -0.1, 0.03, 0.04], index=sessions))
    >>> state["five_day"].tolist()
    [False, False, False, False, True, True, False]

    """
    state = kill_switch_states(shadow_returns.to_numpy(dtype=np.float64)[None], shadow_returns.index)[0]
    return pd.DataFrame(state, index=shadow_returns.index, columns=list(SWITCHES))


def kill_switch_states(shadow_returns: NDArray[np.float64], sessions: pd.Index) -> NDArray[np.bool_]:
    """(R, T, 3) `kill_switch_state` of each of R runs, (R, T)."""
    out = np.zeros((*shadow_returns.shape, 3), dtype=bool)
    starts = first_returns(shadow_returns, sessions, "kill_switch_state")
    for state, returns, start in zip(out, shadow_returns, starts, strict=True):
        live, values = state[start:], returns[start:]
        if len(values) > DAY_WINDOW:
            before = _trailing_std(values[:-1], DAY_WINDOW)
            live[DAY_WINDOW:, 0] = values[DAY_WINDOW:] < -DAY_DEVIATIONS * before
        live[:, 1] = _five_day(values)
        if len(values) >= SIXTY_DAY_WINDOW:
            live[SIXTY_DAY_WINDOW - 1 :, 2] = sliding_window_view(values, SIXTY_DAY_WINDOW).mean(axis=1) < 0
    return out


def _five_day(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The five-day switch, by walking from trigger to recovery."""
    on = np.zeros(len(values), dtype=bool)
    nav = np.concatenate([[1.0], np.cumprod(1 + values)])  # nav[i + 1] follows values[i]
    earlier, later = nav[:-FIVE_DAY_WINDOW], nav[FIVE_DAY_WINDOW:]
    triggers = np.flatnonzero(later / earlier - 1 < -FIVE_DAY_LOSS) + FIVE_DAY_WINDOW - 1
    free = 0  # the first position that no episode covers
    for trigger in triggers.tolist():
        if trigger < free:
            continue
        bottom, before = nav[trigger + 1], nav[trigger + 1 - FIVE_DAY_WINDOW]
        level = bottom + FIVE_DAY_RECOVERY * (before - bottom)
        recovered = nav[trigger + 2 :] >= level
        length = 1 + int(recovered.argmax()) if recovered.any() else len(values) - trigger
        on[trigger : trigger + length] = True
        free = trigger + length
    return on
