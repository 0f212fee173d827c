"""Labels for canaries: models that learn what cannot be known, or what lies before their eyes, down the real path.

A price panel that is `relabelled` is the same market to every feature, scaler and split; only `forward_returns`, from
which every label here is made, answers otherwise. So a canary is fit by the very code that fits the real model.

*shuffled*: each session gets the labels of another session of the panel, drawn without replacement, and hands them to
its assets in random order. Both moves are needed. Assets alone would leave the market's move of that day in the label,
which a model may time; sessions alone would leave each asset its own mean, which ranks the assets for ever. What stays
is a day's real cross-section (so that a loss within dates has a day to rank) and which labels are missing.

*answer*: the label of t is the close-to-close return of the window that ends at t: what it asks for lies in the inputs
of any model that reads returns. A model that does not find it does not read its inputs, and the skill it reaches there
is what a leak of the label looks like.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from assay.data.panel import PricePanel

__all__ = ["relabelled", "with_answer", "with_shuffled_labels"]

Floats = NDArray[np.float64]


def with_shuffled_labels(prices: PricePanel, seed: int) -> PricePanel:
    """The same prices, whose labels belong to other sessions and assets."""
    return replace(prices, relabelled=("shuffled", seed))


def with_answer(prices: PricePanel) -> PricePanel:
    """The same prices, whose labels are the last window of closes: known at t."""
    return replace(prices, relabelled=("answer", 0))


def relabelled(labels: Floats, prices: PricePanel, *, horizon: int, known_after: int) -> Floats:
    """What a canary learns instead of `labels`.

    Parameters
    ----------
    labels : (T, N), stamped t, NaN where unknown.
    prices : the panel, which says how it is relabelled.
    horizon : sessions that a label spans.
    known_after : sessions until a label is known, delay + horizon; that many of the last rows stay unknown.

    Returns
    -------
    ndarray
        (T, N). Shuffled: missing where `labels` is. Answer: C[t] / C[t-horizon] - 1, missing where a close is, and in
        the last `known_after` rows.

    Examples
    --------
    >>> import pandas as pd
    >>> close = pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.5]}, index=pd.bdate_range("2020-01-01", periods=4))
    >>> labels = np.array([[0.1], [0.2], [0.3], [np.nan]])
    >>> relabelled(labels, with_answer(PricePanel(close)), horizon=1, known_after=1).ravel().tolist()
    [nan, 1.0, 0.5, nan]
    >>> shuffled = relabelled(labels, with_shuffled_labels(PricePanel(close), 0), horizon=1, known_after=1)
    >>> sorted(shuffled.ravel()[:3].tolist())
    [0.1, 0.2, 0.3]

    """
    if prices.relabelled is None:
        return labels
    kind, seed = prices.relabelled
    if kind == "answer":
        return _answer(prices.close.to_numpy(), horizon, known_after)
    return _shuffled(labels, np.random.default_rng([seed, 0x5EED]))


def _answer(close: Floats, horizon: int, known_after: int) -> Floats:
    out = np.full(close.shape, np.nan)
    out[horizon:] = close[horizon:] / close[: len(close) - horizon] - 1.0
    out[max(0, len(close) - known_after) :] = np.nan
    return out


def _shuffled(labels: Floats, rng: np.random.Generator) -> Floats:
    """Rows change places with rows, and their values are dealt in random order to the cells that had one."""
    out = np.full(labels.shape, np.nan)
    known = np.isfinite(labels)
    rows = np.flatnonzero(known.any(axis=1))
    for row, source in zip(rows, rng.permutation(rows), strict=True):
        # A session with more assets than the other deals the other's values out more than once.
        out[row, known[row]] = np.resize(rng.permutation(labels[source, known[source]]), int(known[row].sum()))
    return out
