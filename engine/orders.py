"""Orders on their way to fills: what stands, what a session lets through, and how many shares that is.

An order is a target weight. It is done when the holding is what the weight asks for at a session's fill prices; what
has no price, no volume, or no room under `max_gross` stands and is tried again, see `Execution.carry_orders`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats
from assay.engine.costs import Liquidity
from assay.engine.execution import Execution

__all__ = [
    "SMALLEST",
    "Standing",
    "Tape",
    "below_gross",
    "gross_and_small",
    "ordered_shares",
    "whole_lots",
    "without_small",
]

Mask = npt.NDArray[np.bool_]

#: The smallest position, of NAV: a target below it is a target of 0, and nothing smaller is opened.
SMALLEST = 1e-6
#: Orders below this share of NAV are rounding noise, not trades.
DUST = 1e-12
#: Gross above the cap by less than this is rounding.
_GROSS_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Tape:
    """What the market gives, on T sessions and N assets.

    Parameters
    ----------
    fill : (T, N) prices at which orders fill; NaN = cannot trade.
    close : (T, N) prices at which holdings are marked; NaN = the last one stands. The same array as `fill` where fills
        are at the close.
    shut : (T, N) where nothing fills although there is a price, because there is no volume or its cost is not known;
        None = nowhere.
    limit : (T, N) most shares that a fill may take; None = no limit.
    lot : (T, N) shares in a lot; None = the lot of `Execution` everywhere.
    liquidity : where the square-root law applies.

    """

    fill: Floats
    close: Floats
    shut: Mask | None = None
    limit: Floats | None = None
    lot: Floats | None = None
    liquidity: Liquidity | None = None

    @property
    def whole(self) -> bool:
        """Whether a price is all that a fill needs."""
        return self.shut is None and self.limit is None

    def open_at(self, s: int) -> Mask:
        """(N,) whether an order can fill in session s."""
        priced = ~np.isnan(self.fill[s])
        answer: Mask = priced if self.shut is None else priced & ~self.shut[s]
        return answer

    def lot_at(self, s: int, execution: Execution) -> float | Floats:
        """Shares in a lot, a number or (N,); 0 = fractions."""
        return execution.lot if self.lot is None else self.lot[s]

    def known(self, s: int) -> tuple[Floats, Floats, Floats] | None:
        """What the square-root law reads in session s: volatility, mean volume, price, each (N,)."""
        if self.liquidity is None:
            return None
        return self.liquidity.volatility[s], self.liquidity.volume[s], self.fill[s]


class Standing:
    """Target weights that were ordered and are not reached yet; NaN = none."""

    def __init__(self, assets: int, execution: Execution) -> None:
        self.targets = np.full(assets, np.nan)
        self.age = np.zeros(assets, dtype=np.int64)
        self.any = False
        self._carry, self._expiry = execution.carry_orders, execution.order_expiry

    def place(self, weights: Floats) -> None:
        """New orders, which replace the ones that stand for their assets."""
        if not self.any:
            self.targets = weights.copy()
            self.age[:] = 0
        else:
            new = ~np.isnan(weights)
            self.targets = np.where(new, weights, self.targets)
            self.age[new] = 0
        self.any = True

    def keep(self, left: Mask) -> Mask:
        """End a session with the orders `left` undone; the ones that expired with it."""
        expired = left & (self.age >= self._expiry) & self._carry
        kept = left & ~expired & self._carry
        self.targets = np.where(kept, self.targets, np.nan)
        self.age = np.where(kept, self.age + 1, 0)
        self.any = bool(kept.any())
        return expired

    def clear(self) -> None:
        """End a session with every order done."""
        self.any = False

    def drop(self, asset: int) -> None:
        """Take back what stands for an asset."""
        self.targets[asset] = np.nan


def gross_and_small(weights: Floats) -> tuple[Floats, bool]:
    """Σ|w| of each row, and whether `without_small` would change any; in one pass, in blocks that stay in cache."""
    gross, small = np.empty(len(weights)), False
    room = np.empty((min(64, len(weights)), weights.shape[1]))
    for start in range(0, len(weights), 64):
        block = weights[start : start + 64]
        size = np.abs(block, out=room[: len(block)])
        gross[start : start + 64] = size.sum(axis=1)
        small = small or np.count_nonzero(size < SMALLEST) != np.count_nonzero(size == 0)
    return gross, small


def without_small(weights: Floats) -> Floats:
    """`weights` with what is below a millionth of NAV at 0; the array itself where nothing is."""
    out = weights
    for start in range(0, len(weights), 64):
        size = np.abs(weights[start : start + 64])
        small = (size < SMALLEST) & (size > 0)
        if small.any():
            if out is weights:
                out = weights.copy()
            out[start : start + 64] *= ~small
    return out


def ordered_shares(
    s: int, targets: Floats, shares: Floats, value: Floats, nav: float, tape: Tape, execution: Execution
) -> tuple[Floats, Mask, bool]:
    """Shares that session s trades.

    Parameters
    ----------
    s : the session.
    targets : (N,) weights ordered; NaN = none.
    shares, value : (N,) held, and its value at the fill prices or the last marks.
    nav : NAV at the fill, above 0.
    tape, execution : the market, and lots and limits.

    Returns
    -------
    delta : (N,) shares, signed.
    left : (N,) orders that are not done.
    cut : whether some were cut to keep the book below `max_gross`.

    """
    ordered = ~np.isnan(targets)
    tradable = ordered & tape.open_at(s)
    price = np.where(tradable, tape.fill[s], 1.0)
    leaving = tradable & (targets == 0)
    order = np.where(tradable, targets * nav - value, 0.0)
    lot = tape.lot_at(s, execution)
    delta = np.where(leaving, -shares, whole_lots(order / price, lot))
    left = ordered & ~tradable & ((np.nan_to_num(targets) != 0) | (shares != 0))
    if tape.limit is not None:
        most = np.where(tradable, tape.limit[s], 0.0)
        over = np.abs(delta) > most
        delta = np.where(over, np.sign(delta) * whole_lots(most, lot), delta)
        left |= over
    cut = False
    at_targets = isinstance(lot, float) and lot == 0 and tape.limit is None and bool(tradable.all())
    if not at_targets or np.abs(targets).sum() > execution.max_gross:  # what stands comes on top of a row's targets
        delta, over = below_gross(delta, price, value, nav, execution.max_gross)
        cut = bool(over.any())
        if cut:
            delta = np.where(over, whole_lots(delta, lot), delta)
            left |= over
    size = np.abs(delta * price)
    noise = (size <= DUST * nav) & ~leaving
    noise |= (shares == 0) & (size < SMALLEST * (1 - _GROSS_ROUNDING) * nav)
    return np.where(noise, 0.0, delta), left, cut


def below_gross(delta: Floats, price: Floats, value: Floats, nav: float, cap: float) -> tuple[Floats, Mask]:
    """`delta` cut so that the book's gross is within `cap` after the fills, and which orders were cut.

    What adds to the gross is cut, all of it by the same factor; what takes from it stays.
    """
    after = value + delta * price
    grown = np.abs(after) - np.abs(value)
    grown[grown <= DUST * nav] = 0.0
    excess = np.abs(after).sum() - cap * nav
    if excess <= _GROSS_ROUNDING * cap * nav or not grown.any():
        return delta, np.zeros(len(delta), dtype=bool)
    factor = max(0.0, 1.0 - excess / grown.sum())
    over = grown > 0
    kept = np.sign(after) * (np.abs(value) + factor * grown)
    return np.where(over, (kept - value) / price, delta), over


def whole_lots(shares: Floats, lot: float | Floats) -> Floats:
    """`shares` rounded toward zero to lots; a lot that is short of whole by rounding only is whole."""
    if isinstance(lot, float) and lot == 0:
        return shares
    lots = shares / lot
    nearest = np.round(lots)
    whole = np.abs(lots - nearest) <= 1e-9 * np.maximum(1.0, np.abs(nearest))
    return np.where(whole, nearest, np.trunc(lots)) * lot
