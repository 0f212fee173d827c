"""What a model is trained towards. Every label stamped t is known only at t + delay + horizon.

Labels follow the fill: with open fills they run between opens, with close fills between closes, so that what is
learnt is what a decision stamped t can earn.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.indicators import change, rolling_std
from assay.data.panel import ACTIONS, PricePanel
from assay.data.returns import forward_returns

__all__ = ["action_labels", "label_overlap", "labels_known", "next_price", "up_down"]

Fill = Literal["open", "close"] | None


def labels_known(n_sessions: int, *, horizon: int, delay: int) -> int:
    """How many of the first rows of a panel of `n_sessions` have a label: all but the last delay + horizon.

    Examples
    --------
    >>> labels_known(100, horizon=5, delay=1)
    94

    """
    return max(0, n_sessions - delay - horizon)


def label_overlap(horizon: int) -> int:
    """On how many sessions' returns a label shares with the next row's: horizon - 1.

    Labels of rows less than `horizon` apart are made of partly the same returns, so they are not independent draws:
    tests on them need a lag of at least this many sessions, and rows that close to a joint must be purged.

    Examples
    --------
    >>> label_overlap(1), label_overlap(5)
    (0, 4)

    """
    if horizon < 1:
        raise InputError(f"labels: horizon must be at least 1 session, got {horizon}")
    return horizon - 1


def up_down(
    prices: PricePanel, *, horizon: int = 1, delay: int = 1, fill: Fill = None, labels: CanaryLabels | None = None
) -> pd.DataFrame:
    """1 where the forward return is above 0, 0 where it is not, NaN where it is unknown; (T, N), stamped t.

    Examples
    --------
    >>> close = pd.DataFrame({"A": [1.0, 2.0, 3.0, 2.0]}, index=pd.bdate_range("2020-01-01", periods=4))
    >>> up_down(PricePanel(close))["A"].tolist()
    [1.0, 0.0, nan, nan]

    """
    ahead = forward_returns(prices, horizon=horizon, delay=delay, fill=fill, labels=labels)
    return (ahead > 0).astype(np.float64).where(ahead.notna())


def action_labels(
    prices: PricePanel,
    *,
    horizon: int = 1,
    delay: int = 1,
    fill: Fill = None,
    threshold: float = 0.5,
    unit: Literal["volatility", "return"] = "volatility",
    labels: CanaryLabels | None = None,
) -> pd.DataFrame:
    """Which of buy, sell and hold would have been right; (T, N), stamped t.

    Parameters
    ----------
    prices : T sessions by N assets.
    horizon, delay, fill, labels : as in `assay.data.returns.forward_returns`.
    threshold : a forward return above it is a buy, below minus it a sell, anything between a hold.
    unit : ``"return"``: the threshold is a decimal return; ``"volatility"``: a multiple of the standard deviation
        (ddof 1) of the asset's last 20 returns through t, times √horizon.

    Returns
    -------
    DataFrame
        Positions in `data.panel.ACTIONS` (0 buy, 1 sell, 2 hold) as floats; NaN where the label, or the volatility
        it is measured in, is unknown.

    Raises
    ------
    InputError
        On a negative threshold or an unknown unit.

    """
    if not 0 <= threshold < np.inf:
        raise InputError(f"action labels: threshold must not be negative, got {threshold!r}")
    if unit not in ("volatility", "return"):
        raise InputError(f"action labels: unit must be 'volatility' or 'return', got {unit!r}")
    ahead = forward_returns(prices, horizon=horizon, delay=delay, fill=fill, labels=labels)
    values = ahead.to_numpy()
    bound = np.full(values.shape, threshold)
    if unit == "volatility":
        bound = threshold * np.sqrt(horizon) * rolling_std(change(prices.close.to_numpy(), 1), 20)
    out = np.full(values.shape, float(ACTIONS.index("hold")))
    out[values > bound] = ACTIONS.index("buy")
    out[values < -bound] = ACTIONS.index("sell")
    out[np.isnan(values) | np.isnan(bound)] = np.nan
    return pd.DataFrame(out, index=ahead.index, columns=ahead.columns)


def next_price(
    prices: PricePanel, *, horizon: int = 1, delay: int = 1, fill: Fill = None, labels: CanaryLabels | None = None
) -> pd.DataFrame:
    """The fill price of session t + delay + horizon, in currency; (T, N), stamped t.

    With a canary's `labels`: the close of t grown by the canary's forward return, so that the level says no more of the
    future than the return does.

    Examples
    --------
    >>> close = pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.0]}, index=pd.bdate_range("2020-01-01", periods=4))
    >>> next_price(PricePanel(close))["A"].tolist()
    [3.0, 4.0, nan, nan]

    """
    if fill is None:
        fill = "open" if prices.open is not None else "close"
    if fill == "open":
        prices.require(["open"], "next price at the open")
    if labels is not None:
        return prices.close * (1.0 + forward_returns(prices, horizon=horizon, delay=delay, fill=fill, labels=labels))
    frame = prices.open if fill == "open" and prices.open is not None else prices.close
    ahead = frame.shift(-(delay + horizon))
    return ahead if prices.members is None else ahead.where(prices.members)
