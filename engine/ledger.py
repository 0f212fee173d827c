"""The NAV ledger, on arrays: how decided weights become shares, cash and net asset value, session by session.

Self-financing accounting keeps cash and shares, so weights drift between fills; constant-weight accounting earns Σ w·r
on the decided weights and sums the returns, as much research code does. Both are exact and causal: row s of every
output depends on rows ≤ s of the prices and rows ≤ s − delay of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.engine.costs import COST_KINDS, CostModel, Liquidity, trading_costs
from assay.engine.execution import Execution

__all__ = ["Ledger", "constant_weight", "row_gross", "self_financing"]

Floats = npt.NDArray[np.float64]

_BORROW, _FINANCING = COST_KINDS.index("borrow"), COST_KINDS.index("financing")
_SESSIONS_A_YEAR = 252
#: Orders below this share of NAV are rounding noise, not trades.
_DUST = 1e-12
#: Sessions worked together: a few arrays of so many rows stay in cache.
_BLOCK = 64


@dataclass(eq=False)
class Ledger:
    """Arrays of T sessions filled in by the accounting; `shares` and `traded` only when holdings are kept."""

    nav: Floats
    nav_before: Floats  # at the fill prices, before the session's costs
    cash: Floats
    costs: Floats  # (T, kinds), currency
    traded: Floats  # Σ|traded value|, currency
    long: Floats  # market value at the close
    short: Floats  # market value at the close, ≤ 0
    shares: Floats | None  # (T, N) after the session's fills and forced exits
    forced: list[tuple[int, int, float]]  # (session, asset, shares closed at the last close)
    unfilled: list[tuple[int, int]]  # (session, asset) orders without a price
    ruined_at: int | None = None

    @classmethod
    def empty(cls, sessions: int, assets: int, *, keep_shares: bool) -> Ledger:
        """Zeros for `sessions` × `assets`."""
        zeros = [np.zeros(sessions) for _ in range(6)]
        shares = np.zeros((sessions, assets)) if keep_shares else None
        costs = np.zeros((sessions, len(COST_KINDS)))
        nav, before, cash, traded, long, short = zeros
        return cls(nav, before, cash, costs, traded, long, short, shares, [], [])


def self_financing(
    weights: Floats,
    fill: Floats,
    close: Floats,
    *,
    costs: CostModel,
    execution: Execution,
    liquidity: Liquidity | None = None,
    keep_shares: bool = True,
) -> Ledger:
    """Trade to `weights` and mark to the close, session by session.

    Parameters
    ----------
    weights : (T, N) signed fractions of NAV, stamped at the decision; NaN = no order.
    fill : (T, N) prices at which orders fill; NaN = cannot trade.
    close : (T, N) prices at which holdings are marked; NaN = the last one stands.
    costs, execution : see `CostModel`, `Execution`.
    liquidity : needed where `costs.sqrt_impact` > 0.
    keep_shares : whether the (T, N) holdings are kept.

    """
    sessions, assets = close.shape
    book = Ledger.empty(sessions, assets, keep_shares=keep_shares)
    missing = _rows_with_holes(fill, close)
    weight_sum, weight_gross, partial, ordered = orders = _orders(weights)
    at_close, change = fill is close, np.empty(assets)
    simple = costs.is_proportional and execution.lot == 0
    rate, delay = costs.traded_rate, execution.delay
    run_end = _rebalancing_runs(orders, missing, sessions, delay) if simple else np.zeros(sessions, dtype=np.int64)
    rates = np.array([costs.commission_bps, costs.spread_bps]) / 1e4
    borrow, financing = (bps / 1e4 / _SESSIONS_A_YEAR for bps in (costs.borrow_bps, costs.financing_bps))

    cash, shares, short, stale = execution.capital, np.zeros(assets), 0.0, np.zeros(assets, dtype=np.int64)
    mark = np.full(assets, np.nan)
    held_through_hole = False  # whether some holding was last marked at an earlier session's close
    s, rebalanced = 0, False
    while s < sessions:
        if rebalanced and run_end[s] > s:
            # The session before ended at its decided weights, and so will these: they are worked together.
            state = _rebalanced_run(book, s, int(run_end[s]), weights, fill, close, orders, costs, delay)
            s, cash, short, shares = state
            mark, rebalanced = close[s - 1], True
            if book.ruined_at is not None:
                break
            continue
        price, last, row = fill[s], close[s], s - delay
        decided = row >= 0 and ordered[row]
        carrying = borrow * -short, financing * -min(cash, 0.0)
        holes = missing.get(s)
        plain = simple and not held_through_hole and not (decided and partial[row])
        if plain and holes is not None:
            plain = not shares[holes].any() and not (decided and np.nan_to_num(weights[row][holes]).any())
            if plain:
                price, last = price.copy(), last.copy()
                price[holes] = last[holes] = 1.0  # neither held nor wanted: any price will do
        if plain:
            nav_before = cash + shares @ price
            if decided:
                wanted = weights[row] / price
                wanted *= nav_before
                np.abs(np.subtract(wanted, shares, out=change), out=change)
                traded = float(change @ price)
                shares = wanted
                cash = nav_before * (1.0 - weight_sum[row]) - traded * rate
                book.costs[s, :2] = traded * rates
                book.traded[s] = traded
            mark = last
            if decided and at_close:  # filled where it is marked: the decided weights are the weights held
                position, gross = nav_before * weight_sum[row], nav_before * weight_gross[row]
            else:
                position, gross = shares @ last, np.abs(shares, out=change) @ last
        else:
            known = np.where(np.isnan(price), mark, price)
            value = np.where(shares != 0, shares * known, 0.0)
            nav_before = cash + value.sum()
            if decided:
                delta, paid = _general_orders(
                    s, weights[row], price, value, nav_before, costs, execution, liquidity, book
                )
                traded_value = delta * np.nan_to_num(price)
                cash -= traded_value.sum() + paid.sum()
                shares = shares + delta
                book.costs[s, :5] = paid.sum(axis=1)
                book.traded[s] = np.abs(traded_value).sum()
            stale = np.where(np.isnan(last), stale + 1, 0)
            mark = np.where(np.isnan(last), known, last)
            for asset in np.flatnonzero((stale >= execution.stale_limit) & (shares != 0)):
                cash += shares[asset] * mark[asset]
                book.forced.append((s, int(asset), float(shares[asset])))
                shares = shares.copy()
                shares[asset] = 0.0
            held = shares != 0
            held_through_hole = bool((np.isnan(last) & held).any())
            value = np.where(held, shares * mark, 0.0)
            position, gross = value.sum(), np.abs(value).sum()
            if not held_through_hole:
                stale = np.zeros(assets, dtype=np.int64)
        cash -= carrying[0] + carrying[1]
        book.costs[s, _BORROW], book.costs[s, _FINANCING] = carrying
        nav = cash + position
        short = 0.5 * (position - gross)
        book.nav_before[s], book.nav[s], book.cash[s] = nav_before, nav, cash
        book.long[s], book.short[s] = position - short, short
        if book.shares is not None:
            book.shares[s] = shares
        if nav <= 0:
            _ruin(book, s, nav)
            break
        rebalanced = plain and bool(decided) and holes is None
        s += 1
    return book


_Orders = tuple[Floats, Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def _rebalancing_runs(
    orders: _Orders, missing: dict[int, npt.NDArray[np.intp]], sessions: int, delay: int
) -> npt.NDArray[np.int64]:
    """For each session, the end of the run of sessions from it on that trade every asset; itself where it does not."""
    _, _, partial, ordered = orders
    whole = np.zeros(sessions, dtype=bool)
    decided = min(len(ordered), max(sessions - delay, 0))
    whole[delay : delay + decided] = (ordered & ~partial)[:decided]
    whole[list(missing)] = False
    stops = np.flatnonzero(~whole)
    position = np.searchsorted(stops, np.arange(sessions))
    ends = np.append(stops, sessions)[position]
    return np.asarray(ends, dtype=np.int64)


def _rebalanced_run(
    book: Ledger,
    start: int,
    end: int,
    weights: Floats,
    fill: Floats,
    close: Floats,
    orders: _Orders,
    costs: CostModel,
    delay: int,
) -> tuple[int, float, float, Floats]:
    """Sessions that begin and end at whole sets of decided weights, priced throughout, at proportional costs.

    Between two such fills a holding is its weight times NAV, so the prices enter through ratios that whole blocks of
    sessions share: wᵢ·Pₜ/Pₜ₋₁. What is left for the loop is the chain of NAVs and one sum of |w − drifted| a session.

    Returns
    -------
    stop, cash, short, shares : the session after the last one worked, and the state at its close before.

    """
    weight_sum, weight_gross, _, _ = orders
    at_close, ones, change = fill is close, np.ones(close.shape[1]), np.empty(close.shape[1])
    rates = np.array([costs.commission_bps, costs.spread_bps]) / 1e4
    rate = costs.traded_rate
    borrow, financing = (bps / 1e4 / _SESSIONS_A_YEAR for bps in (costs.borrow_bps, costs.financing_bps))
    before, cash, short = (float(part[start - 1]) for part in (book.nav_before, book.cash, book.short))
    for first in range(start, end, _BLOCK):
        stop = min(first + _BLOCK, end)
        held = weights[first - delay - 1 : stop - delay - 1]
        wanted = weights[first - delay : stop - delay]
        drifted = fill[first:stop] / fill[first - 1 : stop - 1]
        drifted *= held
        grown = drifted.sum(axis=1)
        rows = slice(first - delay, stop - delay)
        if at_close:
            marked, marked_gross = weight_sum[rows], weight_gross[rows]
        else:
            ratio = close[first:stop] / fill[first:stop]
            marked = (wanted * ratio).sum(axis=1)
            marked_gross = (np.abs(wanted) * ratio).sum(axis=1)
        # Plain floats: arithmetic on array elements costs several times as much.
        chain = zip(grown.tolist(), marked.tolist(), marked_gross.tolist(), weight_sum[rows].tolist(), strict=True)
        done: list[tuple[float, ...]] = []
        for i, (growth, mark, mark_gross, total) in enumerate(chain):
            previous, before = before, cash + before * growth
            np.multiply(drifted[i], previous / before, out=change)
            np.abs(np.subtract(wanted[i], change, out=change), out=change)
            traded = before * float(change @ ones)
            lent, owed = borrow * -short, financing * -min(cash, 0.0)
            cash = before * (1.0 - total) - traded * rate - lent - owed
            position = before * mark
            short = 0.5 * (position - before * mark_gross)
            done.append((before, cash + position, cash, traded, position - short, short, lent, owed))
            if cash + position <= 0:
                break
        stop = first + len(done)
        table = np.array(done)
        book.nav_before[first:stop], book.nav[first:stop], book.cash[first:stop] = table[:, :3].T
        book.traded[first:stop], book.long[first:stop], book.short[first:stop] = table[:, 3:6].T
        book.costs[first:stop, :2] = table[:, 3:4] * rates
        book.costs[first:stop, _BORROW], book.costs[first:stop, _FINANCING] = table[:, 6:].T
        if book.shares is not None:
            book.shares[first:stop] = wanted[: len(done)] * table[:, :1] / fill[first:stop]
        if done[-1][1] <= 0:
            _ruin(book, stop - 1, done[-1][1])
            return stop, cash, short, np.zeros(len(ones))
    return end, cash, short, weights[end - 1 - delay] * (before / fill[end - 1])


def _rows_with_holes(fill: Floats, close: Floats) -> dict[int, npt.NDArray[np.intp]]:
    """Session → columns in which the fill price or the close is missing; only sessions that have any."""
    holes = np.isnan(close)
    if fill is not close:
        holes |= np.isnan(fill)
    return {int(s): np.flatnonzero(holes[s]) for s in np.flatnonzero(holes.any(axis=1))}


def row_gross(weights: Floats) -> Floats:
    """Σ|w| of each row, in blocks, so that no whole table of absolute values is made."""
    out = np.empty(len(weights))
    for start in range(0, len(weights), 64):
        out[start : start + 64] = np.abs(weights[start : start + 64]).sum(axis=1)
    return out


def _orders(weights: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Σw and Σ|w| of each row; whether some of its cells have no order; whether any has one."""
    total = weights.sum(axis=1)
    gross = row_gross(weights)
    if np.isfinite(total).all():
        return total, gross, np.zeros(len(total), dtype=bool), np.ones(len(total), dtype=bool)
    unordered = np.isnan(weights)
    some, every = np.asarray(unordered.any(axis=1)), np.asarray(unordered.all(axis=1))
    return np.nansum(weights, axis=1), np.nan_to_num(gross), some, ~every


def _general_orders(
    s: int,
    weights: Floats,
    price: Floats,
    value: Floats,
    nav: float,
    costs: CostModel,
    execution: Execution,
    liquidity: Liquidity | None,
    book: Ledger,
) -> tuple[Floats, Floats]:
    """Shares to trade (N,) and their costs (5, N); orders without a price are noted in `book`."""
    wanted = ~np.isnan(weights)
    priced = ~np.isnan(price)
    for asset in np.flatnonzero(wanted & ~priced & ((np.nan_to_num(weights) != 0) | (value != 0))):
        book.unfilled.append((s, int(asset)))
    tradable = wanted & priced
    order = np.where(tradable, weights * nav - value, 0.0)
    order[np.abs(order) <= _DUST * abs(nav)] = 0.0
    delta = np.where(order != 0, order / np.where(priced, price, 1.0), 0.0)
    if execution.lot:
        delta = np.trunc(delta / execution.lot) * execution.lot
    known = None if liquidity is None else (liquidity.volatility[s], liquidity.volume[s], price)
    return delta, trading_costs(np.abs(delta * np.where(priced, price, 0.0)), nav, costs, known)


def _ruin(book: Ledger, s: int, nav: float) -> None:
    """Nothing is left: the book is closed at this close and stands still afterwards."""
    book.ruined_at = s
    book.nav[s:] = book.nav_before[s + 1 :] = book.cash[s:] = nav
    book.long[s:] = book.short[s:] = 0.0
    if book.shares is not None:
        book.shares[s:] = 0.0


def constant_weight(
    weights: Floats, fill: Floats, close: Floats, *, costs: CostModel, execution: Execution, at_open: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """Σ w·r on the decided weights: no drift, no compounding.

    Parameters
    ----------
    weights, fill, close : as for `self_financing`; NaN weights keep the previous decision.
    at_open : whether `fill` are opens; then the overnight part of a session belongs to the old weights.

    Returns
    -------
    gross : (T,) Σ w·r.
    costs : (T, kinds) fractions of the constant capital.
    traded : (T,) Σ|Δw| at the fill.
    held : (T, N) weights held at the close.

    """
    sessions, assets = close.shape
    held = np.zeros((sessions, assets))
    if sessions > execution.delay:
        held[execution.delay :] = weights[: sessions - execution.delay]
    for s in range(1, sessions):  # no order: yesterday's weights stand
        empty = np.isnan(held[s])
        if empty.any():
            held[s, empty] = held[s - 1, empty]
    held = np.nan_to_num(held)
    before = np.vstack([np.zeros(assets), held[:-1]])
    previous = np.vstack([np.full(assets, np.nan), _last_known(close)[:-1]])
    with np.errstate(invalid="ignore"):
        if at_open:
            overnight, intraday = fill / previous - 1, close / fill - 1
            gross = np.nansum(before * overnight, axis=1) + np.nansum(held * intraday, axis=1)
        else:
            gross = np.nansum(before * (close / previous - 1), axis=1)
    change = np.abs(held - before)
    charged = np.zeros((sessions, len(COST_KINDS)))
    charged[:, :5] = np.stack([trading_costs(row, 1.0, costs, None).sum(axis=1) for row in change])
    charged[:, _BORROW] = -np.minimum(before, 0).sum(axis=1) * (costs.borrow_bps / 1e4 / _SESSIONS_A_YEAR)
    cash = 1.0 - before.sum(axis=1)
    charged[:, _FINANCING] = -np.minimum(cash, 0) * (costs.financing_bps / 1e4 / _SESSIONS_A_YEAR)
    return gross, charged, change.sum(axis=1), held


def _last_known(values: Floats) -> Floats:
    """Each column filled forward from its own past."""
    row = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(row, axis=0), axis=0)
