"""Returns, and the forward returns that labels and information coefficients are made of."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.panel import PricePanel, laid_out

__all__ = ["LEVEL", "drawdown_series", "forward_returns", "no_returns", "simple_returns"]

#: Of a series of which half is larger, values are prices or percent, and no daily returns.
LEVEL = 0.5


def simple_returns(prices: pd.DataFrame) -> pd.DataFrame:
    """Return of each session: P[t] / P[t-1] - 1.

    Parameters
    ----------
    prices : (T, N), currency.

    Returns
    -------
    DataFrame
        (T, N) decimals, stamped at the period's end; NaN in the first row and wherever either price is missing:
        nothing is carried over a gap.

    Examples
    --------
    >>> frame = pd.DataFrame({"A": [100.0, 110.0, 99.0]})
    >>> simple_returns(frame)["A"].round(12).tolist()
    [nan, 0.1, -0.1]

    """
    values = prices.to_numpy(dtype=np.float64)
    out = np.full(values.shape, np.nan)
    np.divide(values[1:], values[:-1], out=out[1:])
    out[1:] -= 1.0
    return laid_out(out, prices.index, prices.columns)


def forward_returns(
    prices: PricePanel,
    *,
    horizon: int = 1,
    delay: int = 1,
    fill: Literal["open", "close"] | None = None,
    labels: CanaryLabels | None = None,
) -> pd.DataFrame:
    """What a decision stamped t earns from its fill on, before costs: P[t+delay+horizon] / P[t+delay] - 1.

    P is the open of each session with open fills and the close with close fills.

    Parameters
    ----------
    prices : T sessions by N assets.
    horizon : sessions between the two prices, >= 1.
    delay : sessions from decision to fill, >= 1; 0 (the close that the decision itself read) only with close fills.
    fill : which price of a session fills; None takes the open where the panel has one, else the close.
    labels : a canary's, which stand in place of what followed; None is what followed.

    Returns
    -------
    DataFrame
        (T, N) decimals, stamped t and **known only at t + delay + horizon**: for labels and evaluation, never for
        features. NaN in the last delay + horizon rows, wherever either price is missing, and where the asset is no
        member of the panel's universe on t.

    Raises
    ------
    InputError
        If horizon or delay is too small, or open fills are asked of a panel without opens.

    Examples
    --------
    >>> close = pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.5]}, index=pd.bdate_range("2020-01-01", periods=4))
    >>> forward_returns(PricePanel(close), horizon=1, delay=1)["A"].tolist()
    [0.5, 0.5, nan, nan]

    """
    if fill not in (None, "open", "close"):
        raise InputError(f"forward_returns: fill must be 'open' or 'close', got {fill!r}")
    if fill is None:
        fill = "open" if prices.open is not None else "close"
    if fill == "open":
        prices.require(["open"], "forward returns between opens")
    if horizon < 1:
        raise InputError(f"forward_returns: horizon must be at least 1 session, got {horizon}")
    if delay < 0 or (delay == 0 and fill == "open"):
        raise InputError(f"forward_returns: delay must be at least 1 session, got {delay}")
    frame = prices.open if fill == "open" and prices.open is not None else prices.close
    values = frame.to_numpy()
    out = np.full(values.shape, np.nan)
    known = len(values) - delay - horizon
    if known > 0:
        np.divide(values[delay + horizon :], values[delay : delay + known], out=out[:known])
        out[:known] -= 1.0
    if prices.members is not None:
        out = np.where(prices.members.to_numpy(), out, np.nan)
    if labels is not None:
        out = labels.instead_of(out, prices, horizon=horizon, known_after=delay + horizon)
    return laid_out(out, frame.index, frame.columns)


def drawdown_series(returns: pd.Series) -> pd.Series:
    """(T,) distance of the compounded series below its highest level so far, the start included; 0 or negative."""
    nav = (1 + returns).cumprod()
    return nav / nav.cummax().clip(lower=1.0) - 1


def no_returns(values: pd.Series) -> str | None:
    """Why values are no daily returns in decimals; None where they may be.

    Parameters
    ----------
    values : (T,) finite floats by date; missing ones are left out.

    Examples
    --------
    >>> no_returns(pd.Series([0.01, -0.02], pd.to_datetime(["2024-01-02", "2024-01-03"])))
    >>> no_returns(pd.Series([0.4, -1.2], pd.to_datetime(["2024-01-02", "2024-01-03"])))
    'a return below -100% at 2024-01-03'

    """
    known = values.dropna()
    if (known < -1.0).any():
        return f"a return below -100% at {known.index[known < -1.0][0].date()}"
    if len(known) and float(np.median(np.abs(known))) > LEVEL:
        return f"half of the values are beyond ±{LEVEL:.0%}"
    return None
