"""Trailing beta and residual volatility of many assets at once, a session after another.

`assay.results.stats.skill.trailing_risk` by pandas, an asset after another, is the reference; this gives the same
figures to 1e-12. Sums are carried from session to session as pandas carries them: Welford's, with what leaves a window
taken out again, and a run of equal values known as one that does not vary.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats

__all__ = ["pays", "risk_by_session"]

#: Assets from which a session of all of them takes less time than a window of each.
_WIDE = 1000

_Mask = npt.NDArray[np.bool_]


def pays(assets: int) -> bool:
    """Whether so many assets are worked faster together."""
    return assets >= _WIDE


def risk_by_session(
    returns: Floats, market: Floats, variance: Floats, windows: tuple[int, int, int, int], shrink: float
) -> tuple[Floats, Floats]:
    """Beta, 1 where it is not known, and the deviation of returns after it, NaN where it is not known or 0.

    Parameters
    ----------
    returns : (T, N), NaN = none.
    market, variance : (T,) the return that beta is on, and its trailing variance; NaN where not known or 0.
    windows : of beta and its least, of volatility and its least.
    shrink : share of the way that beta is drawn to 1.

    Returns
    -------
    beta, volatility : (T, N).

    """
    long, long_least, short, short_least = windows
    beta, volatility = np.empty(returns.shape), np.empty(returns.shape)
    product, rest = _Product(returns.shape[1]), _Squares(returns.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        for t, (x, m, row) in enumerate(zip(returns, market, beta, strict=True)):
            if t >= long:
                product.change(returns[t - long], market[t - long], -1.0)
            product.change(x, m, 1.0)
            np.divide(product.total, (product.count - 1.0) * variance[t], out=row)
            unknown = (product.count < long_least) | np.isnan(variance[t])
            if np.any(unknown):
                np.copyto(row, 1.0, where=unknown)
            row *= 1.0 - shrink
            row += shrink
            if t >= short:
                rest.change(returns[t - short] - beta[t - short] * market[t - short], -1.0)
            rest.change(x - row * m, 1.0)
            rest.deviation(short_least, volatility[t])
    return beta, volatility


class _Product:
    """Σ (x − mean)·(y − mean) over a window of each asset's x and a y that all share.

    Counts and means of y are numbers as long as no asset has lacked an x that another had.
    """

    def __init__(self, assets: int) -> None:
        self.count: Floats | float = 0.0
        self.total, self._mean = np.zeros(assets), np.zeros(assets)
        self._other: Floats | float = 0.0

    def change(self, x: Floats, y: float, sign: float) -> None:
        """One more pair for each asset that has an x (`sign` 1), or one taken out again (−1)."""
        there = _there(x)
        if there is not None and not (y == y and there.any()):
            return
        if there is None:
            self.count = self.count + sign
        else:
            self.count = self.count + sign * there
            self._other = self._other + np.zeros(len(x))
        share = sign / np.maximum(self.count, 1.0)
        off = x - self._mean
        if there is not None:
            share[~there] = off[~there] = 0.0
        self._mean += off * share
        self._other = self._other + share * (y - self._other)
        off *= y - self._other
        self.total += off if sign > 0 else -off
        if sign < 0:
            empty = self.count == 0.0
            if np.any(empty):
                for held in (self.total, self._mean):
                    np.copyto(held, 0.0, where=empty)
                self._other = np.where(empty, 0.0, self._other) if isinstance(empty, np.ndarray) else 0.0


class _Squares:
    """Σ (x − mean)² over a window of each asset, and whether its x vary; `_n` as the counts of `_Product`."""

    def __init__(self, assets: int) -> None:
        self._n: Floats | float = 0.0
        self._mean, self._total = np.zeros(assets), np.zeros(assets)
        self._lost = {1.0: np.zeros(assets), -1.0: np.zeros(assets)}  # what rounding took, as Kahan sums know it
        self._equal: Floats | float = 0.0
        self._last = np.full(assets, np.nan)

    def change(self, x: Floats, sign: float) -> None:
        """One more x for each asset that has one (`sign` 1), or one taken out again (−1)."""
        there = _there(x)
        if there is not None and not there.any():
            return
        self._n = self._n + (sign if there is None else sign * there)
        lost = self._lost[sign]
        value = x - lost
        off = value - self._mean
        about = off * (sign / np.maximum(self._n, 1.0))
        about += self._mean
        square = x - self._mean
        square += lost
        square *= x - about
        off += self._mean
        off -= value
        if there is not None:
            for fresh, old in ((off, lost), (about, self._mean), (square, 0.0)):
                np.copyto(fresh, old, where=~there)
        self._lost[sign], self._mean = off, about
        self._total += square if sign > 0 else -square
        if sign > 0:
            self._run(x, there)
        elif np.any(empty := self._n == 0.0):
            np.copyto(self._total, 0.0, where=empty)
            np.copyto(self._mean, 0.0, where=empty)

    def _run(self, x: Floats, there: _Mask | None) -> None:
        """How many equal values each asset's last ones are."""
        same = x == self._last
        if there is None:
            self._equal = np.where(same, self._equal + 1.0, 1.0) if same.any() else 1.0
            self._last = x
        else:
            self._equal = np.where(there, np.where(same, self._equal + 1.0, 1.0), self._equal)
            self._last = np.where(there, x, self._last)

    def deviation(self, least: int, out: Floats) -> None:
        """Deviation (ddof 1) of each window; NaN below `least` values, or where they do not vary."""
        np.divide(self._total, self._n - 1.0, out=out)
        np.sqrt(out, out=out)
        known = (out > 1e-12) & (self._equal < self._n) & (self._n >= least)
        if not known.all():
            np.copyto(out, np.nan, where=~known)


def _there(x: Floats) -> _Mask | None:
    """Which values there are; None where all of them are."""
    there: _Mask = x == x
    return None if there.all() else there
