"""Trailing beta and residual volatility of many assets at once, a session after another.

`assay.results.stats.skill.trailing_risk` by pandas, an asset after another, is the reference; this gives the same
figures to 1e-12. Sums are carried from session to session as pandas carries them: Welford's, with what leaves a window
taken out again, and a run of equal values known as one that does not vary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats

__all__ = ["RiskBySession", "pays"]

#: Assets from which a session of all of them takes less time than a window of each.
_WIDE = 1000

_Mask = npt.NDArray[np.bool_]


def pays(assets: int) -> bool:
    """Whether so many assets are worked faster together."""
    return assets >= _WIDE


class RiskBySession:
    """Beta, 1 where it is not known, and the deviation of returns after it, NaN where it is not known or 0.

    Parameters
    ----------
    assets : N.
    market, variance : (T,) the return that beta is on, and its trailing variance; NaN where not known or 0.
    windows : of beta and its least, of volatility and its least.
    shrink : share of the way that beta is drawn to 1.

    """

    def __init__(
        self, assets: int, market: Floats, variance: Floats, windows: tuple[int, int, int, int], shrink: float
    ) -> None:
        self._market, self._variance, self._windows, self._shrink = market, variance, windows, shrink
        self._product, self._rest = _Product(assets), _Squares(assets)
        self._returns, self._left = np.empty((windows[0], assets)), np.empty((windows[2], assets))
        self._t = 0

    def next(self, returns: Floats) -> tuple[Floats, Floats]:
        """Beta and volatility, (n, N), of the n sessions that come next, from their returns, NaN = none."""
        beta, volatility = np.empty(returns.shape), np.empty(returns.shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            for x, *row in zip(returns, beta, volatility, strict=True):
                self._step(x, *row)
        return beta, volatility

    def _step(self, x: Floats, beta: Floats, volatility: Floats) -> None:
        t, (long, long_least, short, short_least) = self._t, self._windows
        m, v, product, rest = self._market[t], self._variance[t], self._product, self._rest
        past, left = self._returns[t % long], self._left[t % short]
        if t >= long:
            product.change(past, self._market[t - long], -1.0)
        past[:] = x
        product.change(x, m, 1.0)
        np.divide(product.total, (product.count - 1.0) * v, out=beta)
        unknown = (product.count < long_least) | np.isnan(v)
        if np.any(unknown):
            np.copyto(beta, 1.0, where=unknown)
        beta *= 1.0 - self._shrink
        beta += self._shrink
        if t >= short:
            rest.change(left, -1.0)
        np.multiply(beta, m, out=left)
        np.subtract(x, left, out=left)
        rest.change(left, 1.0)
        rest.deviation(short_least, volatility)
        self._t += 1


class _Product:
    """Σ (x − mean)·(y − mean) over a window of each asset's x and a y that all share.

    Counts and means of y are numbers as long as no asset has lacked an x that another had.
    """

    def __init__(self, assets: int) -> None:
        self.count: Any = 0.0
        self.total, self._mean = np.zeros(assets), np.zeros(assets)
        self._other: Any = 0.0

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
        self._n: Any = 0.0
        self._mean, self._total = np.zeros(assets), np.zeros(assets)
        self._lost = {1.0: np.zeros(assets), -1.0: np.zeros(assets)}  # what rounding took, as Kahan sums know it
        self._equal: Any = 0.0
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
            self._last[:] = x
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
