"""What a canary learns in place of the real labels: those of other sessions and assets, or what its inputs hold.

A canary is fit by the very code that fits the real model, on the same prices; `Forecaster.fit` is handed these labels
openly, and a forward return made with them says so in its argument.

*shuffled*: each session gets the labels of another session of the panel, drawn without replacement, and hands them to
its assets in random order. Both moves are needed. Assets alone would leave the market's move of that day in the label,
which a model may time; sessions alone would leave each asset its own mean, which ranks the assets in every session.
What stays is a day's real cross-section (so that a loss within dates has a day to rank) and which labels are missing.

*answer*: the label of t is the close-to-close return of the window that ends at t: what it asks for lies in the inputs
of any model that reads returns. A model that does not find it does not read its inputs, and the skill it reaches there
is what a leak of the label looks like.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from assay.data.conventions import Floats

if TYPE_CHECKING:
    from assay.data.panel import PricePanel

__all__ = ["CanaryLabels"]


@dataclass(frozen=True)
class CanaryLabels:
    """Labels that a canary learns instead of the real ones.

    Parameters
    ----------
    kind : ``"shuffled"`` or ``"answer"``, see the module.
    seed : of the shuffle; not read by ``"answer"``.

    Examples
    --------
    >>> import pandas as pd
    >>> from assay.data.panel import PricePanel
    >>> close = pd.DataFrame({"A": [1.0, 2.0, 3.0, 4.5]}, index=pd.bdate_range("2020-01-01", periods=4))
    >>> real = np.array([[0.1], [0.2], [0.3], [np.nan]])
    >>> CanaryLabels("answer").instead_of(real, PricePanel(close), horizon=1, known_after=1).ravel().tolist()
    [nan, 1.0, 0.5, nan]
    >>> shuffled = CanaryLabels("shuffled").instead_of(real, PricePanel(close), horizon=1, known_after=1)
    >>> sorted(shuffled.ravel()[:3].tolist())
    [0.1, 0.2, 0.3]

    """

    kind: Literal["shuffled", "answer"]
    seed: int = 0

    def instead_of(self, real: Floats, prices: PricePanel, *, horizon: int, known_after: int) -> Floats:
        """What is learnt in place of the forward returns `real` of `prices`.

        Parameters
        ----------
        real : (T, N), stamped t, NaN where unknown.
        prices : (T, N).
        horizon : sessions that a label spans.
        known_after : sessions until a label is known, delay + horizon; that many of the last rows stay unknown.

        Returns
        -------
        ndarray
            (T, N). Shuffled: missing where `real` is. Answer: C[t] / C[t-horizon] - 1, missing where a close is, and in
            the last `known_after` rows.

        """
        if self.kind == "answer":
            return _answer(prices.close.to_numpy(), horizon, known_after)
        return _shuffled(real, np.random.default_rng([self.seed, 0x5EED]))


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
