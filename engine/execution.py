"""How decisions become fills: which price, how late, with what limits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.data.plugins import require_types

__all__ = ["Execution"]


#: Beyond these, sums of currency or of weights lose the digits that the figures are printed with.
_RANGES = (("max_gross", 1e-6, 1e6), ("capital", 1e-6, 1e18))


def _between(low: float, high: float) -> str:
    return f"between {low:g} and {high:g}"


@dataclass(frozen=True)
class Execution:
    """When and how a decision stamped t is filled.

    Parameters
    ----------
    fill : ``"open"`` or ``"close"`` of session t+delay; None takes the open where the panel has one.
    delay : sessions from decision to fill, at least 1 (0 only with `same_close`).
    accounting : ``"self_financing"`` (cash, shares, NAV; weights drift) or ``"constant_weight"`` (each session earns
        Σ w·r on the decided weights, without drift, returns summed), which reproduces much research code.
    max_gross : cap on Σ|target weight|; a row above it is scaled down to it, and counted. Orders that add to the book
        are cut where it would be above the cap after the fills, because others found no price.
    lot : shares are rounded toward zero to multiples of this; 0 trades fractions. A target of 0 sells all there is.
    capital : NAV before the first fill, currency.
    stale_limit : sessions without a close after which a holding is closed at its last close (a delisting, as far as
        anyone could know on that day), listed as the event ``forced_exit``; until then it is valued at that close.
    carry_orders : an order that finds no price, no volume or no room under `max_gross` or `max_volume` stands, as the
        same target weight, until it is filled, a new decision for its asset replaces it, its asset's holding is
        closed by force, or it expires; otherwise what is not filled on its session lapses.
    order_expiry : sessions after its own in which a standing order is tried.
    max_volume : largest share of a session's volume that a fill may take, above 0; the rest stands. 0 is no limit.
        In a session without volume nothing is filled. Needs volume. Of an entry rule the rest of an entry lapses.
    optimistic : where a bar touches both levels of an entry rule, the target fills and not the stop; printed as a
        warning beside every figure.
    same_close : fill at the very close that the decision read. Look-ahead unless an auction order is argued; printed
        as a warning beside every figure and refused by the gate.

    Examples
    --------
    >>> Execution(fill="open", delay=1).delay
    1
    >>> Execution(delay=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    assay.data.errors.InputError: ...

    """

    fill: Literal["open", "close"] | None = None
    delay: int = 1
    accounting: Literal["self_financing", "constant_weight"] = "self_financing"
    max_gross: float = 2.0
    lot: float = 0.0
    capital: float = 1_000_000.0
    stale_limit: int = 10
    carry_orders: bool = True
    order_expiry: int = 10
    max_volume: float = 0.0
    optimistic: bool = False
    same_close: bool = False

    def __post_init__(self) -> None:
        require_types("execution", self)
        if self.same_close:
            if self.delay != 0 or self.fill == "open":
                raise InputError("execution: same_close means delay 0 at the close; drop delay and fill")
        elif self.delay < 1:
            raise InputError(f"execution: delay must be at least 1 session, got {self.delay}; see --same-close")
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise InputError(f"execution: {name} must be {_between(low, high)}, got {value!r}")
        for name in ("stale_limit", "order_expiry"):
            if getattr(self, name) < 1:
                raise InputError(f"execution: {name} must be at least 1 session, got {getattr(self, name)}")
        for name in ("lot", "max_volume"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"execution: {name} must be finite and at least 0, got {value!r}")

    def fill_at(self, prices: PricePanel) -> Literal["open", "close"]:
        """The fill that applies to `prices`.

        Raises
        ------
        InputError
            If open fills are asked for and the panel has no opens.

        """
        if self.same_close:
            return "close"
        if self.fill is None:
            return "open" if prices.open is not None else "close"
        if self.fill == "open":
            prices.require(["open"], "fill at the open")
        return self.fill
