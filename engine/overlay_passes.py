"""What the overlays read and write: the shadow's returns in, scaled or emptied weights out; single runs and batches.

The factor and the state stamped t read the shadow's returns through t and act on the weights stamped t. `lead` shifts
them that many sessions earlier, which nobody can trade: the audit asks with it whether a printed figure did.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.strategies.overlays import kill_switch_state, vol_target_factor

__all__ = ["emptied", "kill_events", "kill_switches", "scaled", "shadow_returns", "vol_factor"]


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
    started = np.maximum.accumulate(np.atleast_2d(turnover) > 0, axis=1)
    return [pd.Series(row, sessions) for row in np.where(started, np.atleast_2d(net), np.nan)]


def vol_factor(shadow: pd.Series, target: float, *, lead: int = 0, **shape: Any) -> pd.Series:
    """The volatility target's factor, (T,); `shape` is the window and the bounds of `vol_target_factor`."""
    factor = vol_target_factor(shadow, target, **shape)
    return factor.shift(-lead).ffill() if lead else factor


def kill_switches(shadow: pd.Series, *, lead: int = 0) -> pd.DataFrame:
    """Which kill switches are on, (T, 3)."""
    state = kill_switch_state(shadow)
    return state.shift(-lead, fill_value=False) if lead else state


def scaled(weights: pd.DataFrame, factor: pd.Series) -> pd.DataFrame:
    """`weights` (T, N) times the factor of their session."""
    values = weights.to_numpy() * factor.reindex(weights.index).to_numpy()[:, None]
    return pd.DataFrame(values, weights.index, weights.columns, copy=False)


def emptied(weights: pd.DataFrame, state: pd.DataFrame) -> pd.DataFrame:
    """`weights` (T, N), 0 on sessions where any switch of `state` is on."""
    off = state.reindex(weights.index, fill_value=False).any(axis="columns")
    values = weights.to_numpy().copy()
    values[off.to_numpy(dtype=bool)] = 0.0
    return pd.DataFrame(values, weights.index, weights.columns, copy=False)


def kill_events(state: pd.DataFrame) -> pd.DataFrame:
    """One row for each session on which a switch turns on, with how long it stays on."""
    rows = []
    for switch in state.columns:
        on = state[switch].to_numpy(dtype=bool)
        starts = np.flatnonzero(on & ~np.concatenate([[False], on[:-1]]))
        ends = np.flatnonzero(on & ~np.concatenate([on[1:], [False]]))
        for start, end in zip(starts, ends, strict=True):
            rows.append((state.index[start], "", f"kill_{switch}", f"flat for {end - start + 1} sessions"))
    return pd.DataFrame(rows, columns=["session", "asset", "kind", "detail"])
