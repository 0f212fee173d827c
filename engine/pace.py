"""What is traded of the way to the targets: the aim, a no-trade band and a turnover budget, by what the book holds.

The book is traded along: what a decision at the close of t compares its targets with is what the simulation of the
decisions so far holds at that close, orders that are still on their way counted as filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.panel import PricePanel
from assay.engine.aim import Pace, Seen, pace_seen
from assay.engine.costs import CostModel, laid_out
from assay.engine.execution import Execution
from assay.engine.ledger import OpenBook
from assay.engine.orders import without_small
from assay.engine.simulation import tape_of
from assay.strategies.base import Overlays

__all__ = ["Paced", "capped", "expected", "ordered", "paced"]

#: Distances above a band or a budget by less than this are rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Paced:
    """What was ordered, and what the book held when it was.

    Parameters
    ----------
    weights : (T, N) stamped t; NaN = no order.
    held : (T, N) weights of the book at the close of t, orders on their way counted as filled.
    size : (T,) the aim as a multiple of what was wanted; 1 where there is none.

    """

    weights: pd.DataFrame
    held: pd.DataFrame
    size: Floats


def ordered(wanted: Floats, held: Floats, overlays: Overlays, pace: Pace | None = None) -> Floats:
    """The targets of one session, (N,); NaN = no order.

    Parameters
    ----------
    wanted, held : (N,) fractions of NAV; NaN in `wanted` is "no order".
    overlays : of which the band and the turnover budget are read.
    pace : of the aim; None without one.

    Examples
    --------
    >>> ordered(np.array([0.5, 0.2]), np.array([0.3, 0.19]), Overlays(band=0.05)).tolist()
    [0.5, nan]
    >>> ordered(np.array([0.5, 0.0]), np.array([0.3, 0.2]), Overlays(turnover_budget=0.1)).tolist()
    [0.4, 0.1]

    """
    out = wanted.copy() if pace is None else held + pace.rate * (pace.size * wanted - held)
    if overlays.band:
        out[np.abs(out - held) <= overlays.band + _ROUNDING] = np.nan
    distance = 0.5 * float(np.nansum(np.abs(out - held)))
    if overlays.band_total and distance <= overlays.band_total + _ROUNDING:
        return np.full_like(out, np.nan)
    if overlays.turnover_budget and distance > overlays.turnover_budget + _ROUNDING:
        out = held + (out - held) * (overlays.turnover_budget / distance)
    return out


def expected(held: Floats, standing: Floats, coming: Floats) -> Floats:
    """(N,) what the book holds once everything ordered is filled.

    Parameters
    ----------
    held : (N,) weights at the close.
    standing : (N,) targets that are not reached yet; NaN = none.
    coming : (k, N) targets decided and not tried yet, the oldest first; NaN = no order.

    """
    out = np.where(np.isnan(standing), held, standing)
    for row in coming:
        out = np.where(np.isnan(row), out, row)
    return out


def paced(
    weights: pd.DataFrame, prices: PricePanel, overlays: Overlays, *, costs: CostModel, execution: Execution
) -> Paced:
    """Orders towards `weights`, session by session, within the band and the budget.

    Parameters
    ----------
    weights : (≤ T, ≤ N) what is wanted; NaN, or a session left out, is "no order".
    prices : through the last session that is traded; history before the first decision may be longer.
    overlays : aim, band and turnover budget.
    costs, execution : of the run; accounting at constant weights is not known here, the book drifts.

    """
    whole, assets = prices, list(weights.columns)
    prices = prices.select(assets).between(weights.index[0], None)
    sessions, delay = prices.sessions, execution.delay
    values = weights.reindex(sessions).to_numpy(dtype=np.float64)
    book = OpenBook(
        tape_of(whole, prices, costs, execution), costs=costs, rates=laid_out(costs, sessions, prices.assets),
        execution=execution,
    )  # fmt: skip
    out, held, size = np.full_like(values, np.nan), np.zeros_like(values), np.ones(len(sessions))
    seen, standing = Seen.nothing(len(assets)), np.full(len(assets), np.nan)
    close, first = prices.close.to_numpy(), delay + (execution.fill_at(prices) == "close")
    pace = None
    for s in range(len(sessions)):
        row = s - delay
        tried = row >= 0 and not np.isnan(out[row]).all()
        book.trade(s, capped(out[row], execution.max_gross) if tried else None)
        held[s] = expected(book.weights(), book.standing, out[max(row + 1, 0) : s])
        if overlays.aim:
            standing = np.where(np.isnan(values[s]), standing, values[s])
            seen = seen.after(standing, close[s])
            pace = pace_seen(seen, trade_rate=costs.traded_rate, first=first)
            size[s] = pace.size
        if not np.isnan(values[s]).all():
            out[s] = ordered(values[s], held[s], overlays, pace)
    return Paced(
        pd.DataFrame(out, sessions, weights.columns, copy=False),
        pd.DataFrame(held, sessions, weights.columns, copy=False),
        size,
    )


def capped(weights: Floats, max_gross: float) -> Floats:
    """(N,) one row of targets as the simulation orders them: within `max_gross`, and 0 below a millionth of NAV."""
    gross = float(np.nansum(np.abs(weights)))
    if gross > max_gross * (1 + 1e-9):
        weights = weights * (max_gross / gross)
    row: Floats = without_small(weights[None, :])[0]
    return row
