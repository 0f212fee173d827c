"""What the overlays read and write: the shadow's returns in, scaled or emptied weights out; single runs and batches.

The factor and the state stamped t read the shadow's returns through t and act on the weights stamped t. `lead` shifts
them that many sessions earlier, which nobody can trade: the audit asks with it whether a printed figure did.

Overlays act on every session, with or without a decision: with weekly predictions a switch empties the book on the day
it trips, and the book is back in its standing targets on the day it re-arms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats
from assay.engine.kernels import compiled_factors, compiled_switches
from assay.strategies.base import Overlays
from assay.strategies.overlays import kill_switch_state, kill_switch_states, vol_target_factor, vol_target_factors

__all__ = [
    "Before",
    "emptied",
    "kill_events",
    "kill_switches",
    "rearmed",
    "scaled",
    "shadow_returns",
    "since_first_trade",
    "standing",
    "through_overlays",
    "vol_factor",
]


@dataclass(frozen=True, eq=False)
class Before:
    """What the sessions before a block of them left to `scaled` and `emptied`.

    Parameters
    ----------
    standing : (N,) the last target of each asset that was ordered; NaN where none was.
    last : the last session's factor, or whether a switch was on.

    """

    standing: Floats
    last: float


def shadow_returns(net: Floats, turnover: Floats, sessions: pd.DatetimeIndex) -> list[pd.Series]:
    """Net returns of each run, NaN before the first session that traded.

    Parameters
    ----------
    net, turnover : (T,) or (R, T), by session.

    Returns
    -------
    list
        R series (one where the runs are one).

    """
    return [pd.Series(row, sessions) for row in since_first_trade(np.atleast_2d(net), np.atleast_2d(turnover))]


def since_first_trade(net: Floats, turnover: Floats) -> Floats:
    """(R, T) net returns, NaN before the first session that traded; of arrays of that shape."""
    return np.where(np.maximum.accumulate(turnover > 0, axis=1), net, np.nan)


def through_overlays(
    shadows: Callable[[Floats, npt.NDArray[np.bool_]], Floats],
    overlays: Overlays,
    runs: int,
    sessions: pd.DatetimeIndex,
    *,
    compiled: bool = False,
) -> tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None]:
    """What vol target and kill switches do to the weights of R runs, where they are all that acts after smoothing.

    Parameters
    ----------
    shadows : of (R, T) factors and whether the last targets are ordered again: the runs' net returns, (R, T), NaN
        before the first trade.
    overlays, runs, sessions : of the runs; T sessions from the first decision on.
    compiled : whether factors and switches are found by compiled loops.

    Returns
    -------
    scale : (R, T) factors, 0 while a switch is on.
    restated : (R, T) where the last targets are ordered again, decided or not.
    states : (R, T, 3) the switches; None without them.

    """
    scale, restated = np.ones((runs, len(sessions))), np.zeros((runs, len(sessions)), dtype=bool)
    if overlays.vol_target is not None:
        factors = compiled_factors if compiled else vol_target_factors
        scale = factors(shadows(scale, restated), sessions, overlays.vol_target)
        restated = np.diff(scale, axis=1, prepend=np.nan) != 0
    if not overlays.kill_switches:
        return scale, restated, None
    states = (compiled_switches if compiled else kill_switch_states)(shadows(scale, restated), sessions)
    off = np.asarray(states.any(axis=2))
    return np.where(off, 0.0, scale), restated | off | rearmed(off), states


def vol_factor(shadow: pd.Series, target: float, *, lead: int = 0, **shape: Any) -> pd.Series:
    """The volatility target's factor, (T,); `shape` is the window and the bounds of `vol_target_factor`."""
    factor = vol_target_factor(shadow, target, **shape)
    return factor.shift(-lead).ffill() if lead else factor


def kill_switches(shadow: pd.Series, *, lead: int = 0) -> pd.DataFrame:
    """Which kill switches are on, (T, 3)."""
    state = kill_switch_state(shadow)
    return state.shift(-lead, fill_value=False) if lead else state


def scaled(weights: pd.DataFrame, factor: pd.Series, before: Before | None = None) -> pd.DataFrame:
    """Weights times the factor of their session, on every session of `factor`.

    Parameters
    ----------
    weights : (≤ T, N) decisions; NaN, or a session left out, is "no order".
    factor : (T,), from the first decision on.
    before : what the sessions before these left, whose `last` is their last factor; None at the beginning.

    Returns
    -------
    DataFrame
        (T, N). Between decisions the standing targets are stated anew where the factor has changed; where it has not,
        there is no order and holdings drift.

    """
    last = np.nan if before is None else before.last
    changed = factor.to_numpy() != np.concatenate([[last], factor.to_numpy()[:-1]])
    out = _with_standing(weights, factor.index, changed, before)
    return out if (factor == 1).all() else out.mul(factor, axis="index")


def emptied(weights: pd.DataFrame, state: pd.DataFrame, before: Before | None = None) -> pd.DataFrame:
    """Weights that are 0 on every session on which any switch of `state` is on.

    Parameters
    ----------
    weights : (≤ T, N) decisions; NaN, or a session left out, is "no order".
    state : (T, 3), from the first decision on.
    before : what the sessions before these left, whose `last` is whether a switch was on; None at the beginning.

    Returns
    -------
    DataFrame
        (T, N). On the session after the last flat one the standing targets are stated anew, whether or not there is a
        decision.

    """
    off = state.any(axis="columns").to_numpy(dtype=bool)
    again = rearmed(np.concatenate([[before is not None and bool(before.last)], off]))[1:]
    on = _with_standing(weights, state.index, again, before)
    if not off.any():
        return on
    out = on.to_numpy().copy()
    out[off] = 0.0
    return pd.DataFrame(out, state.index, weights.columns, copy=False)


def rearmed(off: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(..., T) sessions on which no switch is on any more, but was on the session before."""
    before = np.concatenate([np.zeros((*off.shape[:-1], 1), dtype=bool), off[..., :-1]], axis=-1)
    return before & ~off


def standing(weights: Floats) -> Floats:
    """(..., T, N) the last target of each asset that was ordered, through each session; NaN before the first.

    Examples
    --------
    >>> standing(np.array([[np.nan, 1.0], [0.5, np.nan], [np.nan, np.nan]])).tolist()
    [[nan, 1.0], [0.5, 1.0], [0.5, 1.0]]

    """
    out = weights.copy()
    for t in range(1, weights.shape[-2]):
        row = out[..., t, :]
        np.copyto(row, out[..., t - 1, :], where=np.isnan(row))
    return out


def _with_standing(
    weights: pd.DataFrame, sessions: pd.Index, due: npt.NDArray[np.bool_], before: Before | None
) -> pd.DataFrame:
    """Decisions on all `sessions`, with the standing targets where one is `due` and none was decided."""
    if not weights.index.equals(sessions):
        weights = weights.reindex(sessions)
    values = weights.to_numpy()
    missing = np.isnan(values[due])
    if not missing.any():
        return weights
    rows = values if before is None else np.vstack([before.standing, values])
    values = values.copy()
    values[due] = np.where(missing, standing(rows)[-len(values) :][due], values[due])
    return pd.DataFrame(values, sessions, weights.columns, copy=False)


def kill_events(state: pd.DataFrame) -> pd.DataFrame:
    """One row for each session on which a switch turns on, with how long it stays on; in order of session."""
    on = state.to_numpy(dtype=bool)
    edge = np.zeros((1, on.shape[1]), dtype=bool)
    number, start = (on & ~np.vstack([edge, on[:-1]])).T.nonzero()
    end = (on & ~np.vstack([on[1:], edge])).T.nonzero()[1]
    order = np.argsort(start, kind="stable")
    kinds = [f"kill_{switch}" for switch in state.columns]
    rows = {
        "session": state.index[start[order]],
        "asset": [""] * len(order),
        "kind": [kinds[each] for each in number[order].tolist()],
        "detail": [f"flat for {length} sessions" for length in (end - start + 1)[order].tolist()],
    }
    return pd.DataFrame(rows)
