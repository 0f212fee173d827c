"""Constant-weight accounting: Σ w·r on the decided weights, no drift, returns summed, as much research code does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.data.conventions import Floats
from assay.engine.costs import COST_KINDS, Rates, trading_costs
from assay.engine.execution import Execution
from assay.engine.orders import SMALLEST, Standing, Tape, below_gross

__all__ = ["ConstantWeight", "constant_weight"]


_BORROW, _FINANCING = COST_KINDS.index("borrow"), COST_KINDS.index("financing")


@dataclass(frozen=True, eq=False)
class ConstantWeight:
    """What constant weights earned, in fractions of the constant capital.

    Parameters
    ----------
    gross : (T,) Σ w·r and interest on cash.
    costs : (T, kinds).
    interest : (T,).
    traded : (T,) Σ|Δw| at the fill.
    held : (T, N) weights held at the close.
    unfilled, expired : (session, asset) of orders without a price, and of those that stood in vain.

    """

    gross: Floats
    costs: Floats
    interest: Floats
    traded: Floats
    held: Floats
    unfilled: list[tuple[int, int]]
    expired: list[tuple[int, int]]


def constant_weight(weights: Floats, tape: Tape, *, rates: Rates, execution: Execution) -> ConstantWeight:
    """Earn each session's returns on the weights held.

    With fills at the open the overnight part of a session belongs to the old weights and the rest to the new. An asset
    without an open, or without a close, is valued at its last price, as in self-financing accounting.

    Parameters
    ----------
    weights : (T, N) stamped at the decision; NaN keeps what is held.
    tape : prices.
    rates, execution : as for `self_financing`.

    """
    fill, close = tape.fill, tape.close
    sessions, assets = close.shape
    held, unfilled, expired = _held(weights, fill, execution)
    before = np.vstack([np.zeros(assets), held[:-1]])
    if fill is close:
        mark = _filled_forward(close)
        previous = np.vstack([np.full(assets, np.nan), mark[:-1]])
        gross = _earned(before, mark, previous)
    else:
        mark = _filled_forward(np.where(np.isnan(close), fill, close))
        previous = np.vstack([np.full(assets, np.nan), mark[:-1]])
        known = np.where(np.isnan(fill), previous, fill)
        gross = _earned(before, known, previous) + _earned(held, mark, known)
    change = np.abs(held - before)
    charged, interest = np.zeros((sessions, len(COST_KINDS))), np.zeros(sessions)
    cash = 1.0 - before.sum(axis=1)
    for s in range(sessions):
        charged[s, :5] = trading_costs(change[s], 1.0, rates.fill(s), None).sum(axis=1)
        borrow, financing, earning = rates.night(s)
        charged[s, _BORROW] = -(np.minimum(before[s], 0) * borrow).sum()
        charged[s, _FINANCING] = -min(cash[s], 0.0) * financing
        interest[s] = earning * cash[s] if s else 0.0
    return ConstantWeight(gross + interest, charged, interest, change.sum(axis=1), held, unfilled, expired)


def _earned(weights: Floats, price: Floats, before: Floats) -> Floats:
    """(T,) Σ w·(price/before − 1) over what is held."""
    with np.errstate(invalid="ignore"):
        answer: Floats = np.where(weights != 0, weights * (price / before - 1), 0.0).sum(axis=1)
        return answer


def _held(
    weights: Floats, fill: Floats, execution: Execution
) -> tuple[Floats, list[tuple[int, int]], list[tuple[int, int]]]:
    """(T, N) weights held at each close, and the (session, asset) of orders that were not filled, or expired."""
    sessions, assets = fill.shape
    delay = execution.delay
    out, current, standing = np.zeros((sessions, assets)), np.zeros(assets), Standing(assets, execution)
    unfilled: list[tuple[int, int]] = []
    expired: list[tuple[int, int]] = []
    ones = np.ones(assets)
    priced = ~np.isnan(fill)
    everywhere = np.asarray(priced.all(axis=1))
    whole = np.asarray(~np.isnan(weights).any(axis=1))
    for s in range(sessions):
        row = s - delay
        decided = 0 <= row < len(weights)
        if decided and whole[row] and everywhere[s] and not standing.any:
            current = weights[row]
        elif decided or standing.any:
            if decided:
                standing.place(weights[row])
            targets, new = standing.targets, standing.age == 0
            ordered = ~np.isnan(targets)
            done = ordered & priced[s]
            left = ordered & ~priced[s] & ((np.nan_to_num(targets) != 0) | (current != 0))
            delta = np.where(done, targets - current, 0.0)
            delta, cut = below_gross(delta, ones, current, 1.0, execution.max_gross)
            left |= cut
            delta[cut & (current == 0) & (np.abs(delta) < SMALLEST)] = 0.0
            current = np.where(done & ~cut, targets, current + delta)
            unfilled += [(s, int(asset)) for asset in np.flatnonzero(left & new)]
            expired += [(s, int(asset)) for asset in np.flatnonzero(standing.keep(left))]
        out[s] = current
    return out, unfilled, expired


def _filled_forward(values: Floats) -> Floats:
    """Each column filled forward from its own past."""
    row = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(row, axis=0), axis=0)
