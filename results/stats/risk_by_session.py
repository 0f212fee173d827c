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
        self._each: list[float] = market.tolist()
        self._product, self._rest = _Product(assets), _Squares(assets)
        self._returns, self._left = _Past(windows[0]), _Past(windows[2])
        self._t = 0

    def next(self, returns: Floats) -> tuple[Floats, Floats]:
        """Beta and volatility, (n, N), of the n sessions that come next, from their returns, NaN = none."""
        stop = self._t + len(returns)
        market, variance = (side[self._t : stop, None] for side in (self._market, self._variance))
        with np.errstate(invalid="ignore", divide="ignore"):
            beta = self._betas(returns, variance)
            left = beta * market
            np.subtract(returns, left, out=left)
            volatility = self._deviations(left)
        self._t = stop
        return beta, volatility

    def _betas(self, returns: Floats, variance: Floats) -> Floats:
        out, counts = np.empty(returns.shape), []
        product, market, (long, least) = self._product, self._each, self._windows[:2]
        for t, (x, whole, total) in enumerate(zip(returns, _whole(returns), out, strict=True), self._t):
            if t >= long:
                product.change(*self._returns[t], market[t - long], -1.0)
            self._returns.put(t, x, whole)
            product.change(x, whole, market[t], 1.0)
            total[:] = product.total
            counts.append(product.count)
        count = _rows(counts, out.shape)
        np.divide(out, (count - 1.0) * variance, out=out)
        unknown = (count < least) | np.isnan(variance)
        if unknown.any():
            np.copyto(out, 1.0, where=unknown)
        out *= 1.0 - self._shrink
        out += self._shrink
        return out

    def _deviations(self, left: Floats) -> Floats:
        """Deviation (ddof 1) of each window; NaN below the least, or where its values do not vary."""
        out, counts, equals = np.empty(left.shape), [], []
        rest, (short, least) = self._rest, self._windows[2:]
        for t, (x, whole, total) in enumerate(zip(left, _whole(left), out, strict=True), self._t):
            if t >= short:
                rest.change(*self._left[t], -1.0)
            self._left.put(t, x, whole)
            rest.change(x, whole, 1.0)
            total[:] = rest.total
            counts.append(rest.count)
            equals.append(rest.equal)
        count = _rows(counts, out.shape)
        np.divide(out, count - 1.0, out=out)
        np.sqrt(out, out=out)
        known = out > 1e-12
        known &= (_rows(equals, out.shape) < count) & (count >= least)
        if not known.all():
            np.copyto(out, np.nan, where=~known)
        return out


class _Past:
    """The rows of the last sessions, which nobody writes to, and whether each has all its values."""

    def __init__(self, sessions: int) -> None:
        self._rows = [(np.empty(0), False)] * sessions

    def __getitem__(self, t: int) -> tuple[Floats, bool]:
        """The row that session t takes the place of."""
        return self._rows[t % len(self._rows)]

    def put(self, t: int, row: Floats, whole: bool) -> None:
        """Session t's row."""
        self._rows[t % len(self._rows)] = row, whole


class _Product:
    """Σ (x − mean)·(y − mean) over a window of each asset's x and a y that all share.

    Counts and means of y are numbers as long as no asset has lacked an x that another had.
    """

    def __init__(self, assets: int) -> None:
        self.count: Any = 0.0
        self.total, self._mean = np.zeros(assets), np.zeros(assets)
        self._other: Any = 0.0
        self._off, self._part = np.empty(assets), np.empty(assets)

    def change(self, x: Floats, whole: bool, y: float, sign: float) -> None:
        """One more pair for each asset that has an x (`sign` 1), or one taken out again (−1)."""
        there = None if whole else x == x
        if there is not None and not (y == y and there.any()):
            return
        if there is None:
            self.count = self.count + sign
        else:
            self.count = self.count + sign * there
            self._other = self._other + np.zeros(len(x))
        share, off, part = sign / _at_least_one(self.count), self._off, self._part
        np.subtract(x, self._mean, out=off)
        if there is not None:
            share[~there] = off[~there] = 0.0
        self._mean += np.multiply(off, share, out=part)
        self._other = self._other + share * (y - self._other)
        off *= y - self._other
        _change(self.total, off, sign)
        if sign < 0:
            empty = self.count == 0.0
            if _some(empty):
                for held in (self.total, self._mean):
                    np.copyto(held, 0.0, where=empty)
                self._other = np.where(empty, 0.0, self._other) if isinstance(empty, np.ndarray) else 0.0


class _Squares:
    """Σ (x − mean)² over a window of each asset, and how many of its last values are equal; counts as of `_Product`."""

    def __init__(self, assets: int) -> None:
        self.count: Any = 0.0
        self.equal: Any = 0.0
        self.total, self._mean = np.zeros(assets), np.zeros(assets)
        self._lost = {1.0: np.zeros(assets), -1.0: np.zeros(assets)}  # what rounding took, as Kahan sums know it
        self._last = np.full(assets, np.nan)
        self._room = [np.empty(assets) for _ in range(5)]

    def change(self, x: Floats, whole: bool, sign: float) -> None:
        """One more x for each asset that has one (`sign` 1), or one taken out again (−1)."""
        there = None if whole else x == x
        if there is not None and not there.any():
            return
        self.count = self.count + (sign if there is None else sign * there)
        lost, mean, (value, off, about, square, part) = self._lost[sign], self._mean, self._room
        np.subtract(x, lost, out=value)
        np.subtract(value, mean, out=off)
        np.multiply(off, sign / _at_least_one(self.count), out=about)
        about += mean
        np.subtract(x, mean, out=square)
        square += lost
        square *= np.subtract(x, about, out=part)
        off += mean
        off -= value
        if there is not None:
            for fresh, old in ((off, lost), (about, mean), (square, 0.0)):
                np.copyto(fresh, old, where=~there)
        self._lost[sign], self._mean, self._room = off, about, [value, lost, mean, square, part]
        _change(self.total, square, sign)
        if sign > 0:
            self._run(x, there)
        elif _some(empty := self.count == 0.0):
            np.copyto(self.total, 0.0, where=empty)
            np.copyto(self._mean, 0.0, where=empty)

    def _run(self, x: Floats, there: _Mask | None) -> None:
        """How many equal values each asset's last ones are."""
        same = x == self._last
        if there is None:
            self.equal = np.where(same, self.equal + 1.0, 1.0) if same.any() else 1.0
            self._last = x
        else:
            self.equal = np.where(there, np.where(same, self.equal + 1.0, 1.0), self.equal)
            self._last = np.where(there, x, self._last)


def _whole(table: Floats) -> list[bool]:
    """Of each row whether no value is missing."""
    whole: list[bool] = (table == table).all(axis=1).tolist()
    return whole


def _rows(each: list[Any], shape: tuple[int, ...]) -> Floats:
    """Numbers as a column, or, where one of them is an array, all of them as rows."""
    if any(isinstance(one, np.ndarray) for one in each):
        return np.array([np.broadcast_to(one, shape[1]) for one in each])
    return np.array(each)[:, None]


def _at_least_one(count: Any) -> Any:
    return np.maximum(count, 1.0) if isinstance(count, np.ndarray) else max(count, 1.0)


def _some(which: Any) -> bool:
    return bool(which.any()) if isinstance(which, np.ndarray) else bool(which)


def _change(total: Floats, by: Floats, sign: float) -> None:
    """Add or take away, in place."""
    (np.add if sign > 0 else np.subtract)(total, by, out=total)
