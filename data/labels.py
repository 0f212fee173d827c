"""What a model is trained towards. Every label stamped t is known only at t + delay + horizon.

Labels follow the fill: with open fills they run between opens, with close fills between closes, so that what is
learnt is what a decision stamped t can earn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.indicators import change, rolling_std
from assay.data.panel import ACTIONS, PricePanel
from assay.data.plugins import checked_answer, find_object
from assay.data.returns import forward_returns

__all__ = [
    "FORWARD_RETURN",
    "LABELS",
    "LABEL_ENTRY_POINTS",
    "Label",
    "action_labels",
    "label_overlap",
    "label_values",
    "labels_known",
    "load_label",
    "next_price",
    "up_down",
]

Fill = Literal["open", "close"] | None


@dataclass(frozen=True)
class Label:
    """What a model of returns is trained towards.

    Parameters
    ----------
    compute : of (prices, horizon=, delay=) to a (T, N) frame, stamped t, from prices through t + delay + horizon; NaN
        where it is unknown.
    unit : what a value means; a rank has no sign. A model that is trained towards it predicts in that unit.
    zero_is_neutral : whether 0 separates up from down although the unit is rank.

    """

    compute: Callable[..., pd.DataFrame]
    unit: Literal["return", "rank"] = "return"
    zero_is_neutral: bool = False


#: The label of models that are given none.
FORWARD_RETURN = "forward_return"
#: name → ``module:Name``.
LABELS: Mapping[str, str] = MappingProxyType({FORWARD_RETURN: "assay.data.labels:_FORWARD"})
#: Group under which other packages offer labels.
LABEL_ENTRY_POINTS = "assay.labels"


def load_label(name: str) -> Label:
    """The label of that name, or a person's own: ``package.module:NAME`` or ``./file.py:NAME``.

    A plain function is a `Label` in units of rank: nobody has said that its values are returns.

    Raises
    ------
    UnknownNameError
        If there is none.
    InputError
        If the path cannot be imported, or names neither a function nor a `Label`.

    """
    found = find_object("label", name, LABELS, LABEL_ENTRY_POINTS)
    if isinstance(found, Label):
        return found
    if not callable(found) or isinstance(found, type):
        raise InputError(f"label {name!r}: a {type(found).__name__}, not a function or an assay.data.labels.Label")
    return Label(found, unit="rank")


def label_values(
    name: str, prices: PricePanel, *, horizon: int, delay: int, fill: Fill = None, labels: CanaryLabels | None = None
) -> np.ndarray:
    """The label of that name, (T, N), stamped t; NaN in the last delay + horizon rows, whatever it says of them.

    Parameters
    ----------
    name : see `load_label`.
    prices, horizon, delay, fill, labels : as in `assay.data.returns.forward_returns`; an own label chooses its own
        prices, so `fill` is not handed on, and a canary's labels are made of its values as of any.

    Raises
    ------
    InputError
        If the label is not of the panel's sessions and assets.

    """
    if name == FORWARD_RETURN:
        return forward_returns(prices, horizon=horizon, delay=delay, fill=fill, labels=labels).to_numpy()
    answer = load_label(name).compute(prices.shielded(), horizon=horizon, delay=delay)
    frame = checked_answer(f"label {name!r}", answer, prices)
    values = frame.to_numpy(dtype=np.float64, copy=True)
    values[~np.isfinite(values)] = np.nan
    if prices.members is not None:
        values[~prices.members.to_numpy()] = np.nan
    values[max(0, len(values) - delay - horizon) :] = np.nan
    return values if labels is None else labels.instead_of(values, prices, horizon=horizon, known_after=delay + horizon)


def _forward(prices: PricePanel, *, horizon: int, delay: int) -> pd.DataFrame:
    return forward_returns(prices, horizon=horizon, delay=delay)


_FORWARD = Label(_forward)


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
