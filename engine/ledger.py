"""The NAV ledger, on arrays: how decided weights become shares, cash and net asset value, session by session.

Self-financing accounting: cash and shares are kept, so weights drift between fills. It is exact and causal: row s of
every output depends on rows ≤ s of the prices and rows ≤ s − delay of the weights. A session in which everything
ordered has a price takes a short way, and runs of sessions that trade every asset are worked in blocks; what stands,
what is missing, lots, limits and costs that depend on the fill take the long way. All of them give the same book.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats
from assay.engine.borrow_and_interest import a_session, charged
from assay.engine.costs import COST_KINDS, CostModel, Rates, trading_costs
from assay.engine.execution import Execution
from assay.engine.orders import Standing, Tape, ordered_shares

__all__ = ["BookState", "Closing", "Ledger", "OpenBook", "self_financing"]


_BORROW, _FINANCING = COST_KINDS.index("borrow"), COST_KINDS.index("financing")
#: Sessions worked together: a few arrays of so many rows stay in cache.
_BLOCK = 64
#: Gross above the cap by less than this share of it is rounding.
_GROSS_ROUNDING = 1e-9


@dataclass(frozen=True)
class Closing:
    """A holding closed without an order, free of cost: its prices ended, or the book was ruined."""

    session: int
    asset: int
    shares: float
    price: float


@dataclass(eq=False)
class Ledger:
    """Arrays of T sessions filled in by the accounting; `shares` only when holdings are kept."""

    nav: Floats
    nav_before: Floats  # at the fill prices, before the session's costs
    cash: Floats
    costs: Floats  # (T, kinds), currency
    interest: Floats  # earned on cash, currency
    traded: Floats  # Σ|traded value|, currency
    long: Floats  # market value at the close
    short: Floats  # market value at the close, ≤ 0
    shares: Floats | None  # (T, N) after the session's fills and closings
    forced: list[Closing] = field(default_factory=list)
    liquidated: list[Closing] = field(default_factory=list)  # at ruin
    unfilled: list[tuple[int, int]] = field(default_factory=list)  # (session, asset) orders that nothing let through
    partly: list[tuple[int, int]] = field(default_factory=list)  # (session, asset) orders of which a part was filled
    expired: list[tuple[int, int]] = field(default_factory=list)  # (session, asset) orders that stood in vain
    above: list[tuple[int, float]] = field(default_factory=list)  # (session, gross) above the cap after the fills
    cut: list[int] = field(default_factory=list)  # sessions whose orders were cut to the cap
    ruined_at: int | None = None

    @classmethod
    def empty(cls, sessions: int, assets: int, *, keep_shares: bool) -> Ledger:
        """Zeros for `sessions` × `assets`."""
        shares = np.zeros((sessions, assets)) if keep_shares else None
        costs = np.zeros((sessions, len(COST_KINDS)))
        nav, before, cash, interest, traded, long, short = (np.zeros(sessions) for _ in range(7))
        return cls(nav, before, cash, costs, interest, traded, long, short, shares)


@dataclass(eq=False)
class BookState:
    """A book at a close, and what is carried into the next session."""

    cash: float
    shares: Floats
    short: float  # value of the shorts, ≤ 0
    shorts: Floats  # (N,) the same by asset; kept only where borrow differs by asset
    mark: Floats
    stale: npt.NDArray[np.int64]  # sessions without a close since the asset is held
    standing: Standing
    gap: bool = False  # whether some holding was last marked at an earlier session's close
    ruined: bool = False
    nav_before: float = 0.0  # of the session, at its fill prices
    rebalanced: bool = False  # whether the session ended at whole decided weights

    @classmethod
    def opening(cls, assets: int, execution: Execution) -> BookState:
        """The book before its first session: the capital in cash."""
        none = np.zeros(assets)
        stale, standing = np.zeros(assets, dtype=np.int64), Standing(assets, execution)
        return cls(execution.capital, none, 0.0, none, np.full(assets, np.nan), stale, standing)


def self_financing(
    weights: Floats,
    tape: Tape,
    *,
    costs: CostModel,
    rates: Rates,
    execution: Execution,
    keep_shares: bool = True,
    state: BookState | None = None,
    first: int = 0,
) -> Ledger:
    """Trade to `weights` and mark to the close, session by session.

    Parameters
    ----------
    weights : (T, N) signed fractions of NAV, stamped at the decision; NaN = no order.
    tape : prices, and what limits the fills.
    costs, rates : see `CostModel`; `rates` is the same on these sessions and assets.
    execution : see `Execution`.
    keep_shares : whether the (T, N) holdings are kept.
    state : a book at the close of session `first` − 1, which is brought to that of the last session; the rows before
        `first`, of which delay + 1 are read where there are so many, are not worked again.
    first : the session to begin with.

    """
    fill, close, delay = tape.fill, tape.close, execution.delay
    sessions, assets = close.shape
    book = Ledger.empty(sessions, assets, keep_shares=keep_shares)
    missing = _rows_with_holes(fill, close)
    weight_sum, weight_gross, partial, ordered = orders = _orders(weights)
    at_close, change = fill is close, np.empty(assets)
    simple = costs.is_proportional and execution.lot == 0 and tape.whole
    rate = costs.traded_rate
    run_end = _rebalancing_runs(orders, missing, sessions, delay) if simple else np.zeros(sessions, dtype=np.int64)
    kinds = np.array([costs.commission_bps, costs.spread_bps]) / 1e4
    night = (a_session(costs.borrow_bps), a_session(costs.financing_bps), a_session(costs.cash_rate_bps))

    state = BookState.opening(assets, execution) if state is None else state
    s, rebalanced = first, state.rebalanced
    if first:
        book.nav_before[first - 1] = state.nav_before
    while s < sessions:
        if rebalanced and run_end[s] > s:
            # The session before ended at its decided weights, and so will these: they are worked together.
            worked = range(s, int(run_end[s]))
            s = _rebalanced_run(book, state, worked, weights, tape, orders, costs, delay)
            if book.ruined_at is not None:
                break
            continue
        price, last, row = fill[s], close[s], s - delay
        decided = row >= 0 and ordered[row]
        holes = missing.get(s)
        plain = simple and not state.gap and not state.standing.any and not (decided and partial[row])
        if plain and holes is not None:
            plain = not state.shares[holes].any() and not (decided and np.nan_to_num(weights[row][holes]).any())
            if plain:
                price, last = price.copy(), last.copy()
                price[holes] = last[holes] = 1.0  # neither held nor wanted: any price will do
        if not plain:
            if not _long_way(book, state, s, weights[row] if decided else None, tape, costs, rates, execution):
                break
            rebalanced, s = False, s + 1
            continue
        shares, cash = state.shares, state.cash
        lent, owed, earned = charged(night, cash, state.short, s)
        nav_before = cash + shares @ price
        book.costs[s, _BORROW], book.costs[s, _FINANCING], book.interest[s] = lent, owed, earned
        book.nav_before[s] = nav_before
        if nav_before <= 0:
            _ruin(book, s, nav_before - lent - owed + earned, shares, price)
            break
        if decided:
            wanted = weights[row] / price
            wanted *= nav_before
            np.abs(np.subtract(wanted, shares, out=change), out=change)
            traded = float(change @ price)
            shares = wanted
            cash = nav_before * (1.0 - weight_sum[row]) - traded * rate
            book.costs[s, :2] = traded * kinds
            book.traded[s] = traded
        if decided and at_close:  # filled where it is marked: the decided weights are the weights held
            position, gross = nav_before * weight_sum[row], nav_before * weight_gross[row]
        else:
            position, gross = shares @ last, np.abs(shares, out=change) @ last
        state.cash, state.shares, state.mark = cash - lent - owed + earned, shares, last
        if not _closed(book, state, s, position, gross, last):
            break
        rebalanced = bool(decided) and holes is None
        s += 1
    state.nav_before, state.rebalanced = float(book.nav_before[-1]), rebalanced
    state.ruined = book.ruined_at is not None
    return book


class OpenBook:
    """A book that is traded session by session, for whoever decides by what it holds; as `self_financing`.

    Parameters
    ----------
    tape, costs, rates, execution : as for `self_financing`.
    state : where it begins, at a close before the sessions that are traded; None with the capital in cash.

    """

    def __init__(
        self, tape: Tape, *, costs: CostModel, rates: Rates, execution: Execution, state: BookState | None = None
    ) -> None:
        sessions, assets = tape.close.shape
        self._book = Ledger.empty(sessions, assets, keep_shares=False)
        self.state = BookState.opening(assets, execution) if state is None else state
        self._market = tape, costs, rates, execution

    def trade(self, s: int, decided: Floats | None) -> None:
        """Session s, the one after the last: fill what stands and what was `decided` for it, and mark to its close."""
        state = self.state
        if not state.ruined and not _long_way(self._book, state, s, decided, *self._market):
            state.ruined, state.cash = True, float(self._book.nav[s])
            state.shares = np.zeros_like(state.shares)
            state.standing.keep(np.zeros(len(state.shares), dtype=bool))

    def traded(self, s: int) -> bool:
        """Whether session s traded anything."""
        return bool(self._book.traded[s] > 0 < self._book.nav_before[s])

    @property
    def nav(self) -> float:
        """NAV at the last close."""
        return self.state.cash + float(self._value().sum())

    def weights(self) -> Floats:
        """(N,) holdings at the last close, fractions of NAV; 0 once it is ruined."""
        value, nav = self._value(), self.nav
        return value / nav if nav > 0 else np.zeros_like(value)

    def _value(self) -> Floats:
        held = self.state.shares != 0
        return np.where(held, self.state.shares * self.state.mark, 0.0)

    @property
    def standing(self) -> Floats:
        """(N,) target weights that were ordered and are not reached yet; NaN = none."""
        left = self.state.standing
        return left.targets if left.any else np.full(len(left.targets), np.nan)


def _closed(book: Ledger, state: BookState, s: int, position: float, gross: float, last: Floats) -> bool:
    """Write down the close of a session; whether there is anything left."""
    nav = state.cash + position
    state.short = 0.5 * (position - gross)
    book.nav[s], book.cash[s] = nav, state.cash
    book.long[s], book.short[s] = position - state.short, state.short
    if book.shares is not None:
        book.shares[s] = state.shares
    if nav <= 0:
        _ruin(book, s, nav, state.shares, last)
        return False
    return True


def _long_way(
    book: Ledger,
    state: BookState,
    s: int,
    decided: Floats | None,
    tape: Tape,
    costs: CostModel,
    rates: Rates,
    execution: Execution,
) -> bool:
    """One session with orders that stand, holes, lots, limits or costs that depend on the fill; False at ruin."""
    price, last, shares, standing = tape.fill[s], tape.close[s], state.shares, state.standing
    night = rates.night(s)
    lent, owed, earned = charged(night, state.cash, state.short if isinstance(night[0], float) else state.shorts, s)
    known = np.where(np.isnan(price), state.mark, price)
    value = np.where(shares != 0, shares * known, 0.0)
    nav_before = state.cash + float(value.sum())
    book.costs[s, _BORROW], book.costs[s, _FINANCING], book.interest[s] = lent, owed, earned
    book.nav_before[s] = nav_before
    if nav_before <= 0:
        _ruin(book, s, nav_before - lent - owed + earned, shares, known)
        return False
    if decided is not None:
        standing.place(decided)
    if standing.any:
        delta, left, cut = ordered_shares(s, standing.targets, shares, value, nav_before, tape, execution)
        traded = delta * np.nan_to_num(price)
        paid = trading_costs(np.abs(traded), nav_before, rates.fill(s), tape.known(s))
        state.cash -= float(traded.sum() + paid.sum())
        shares = shares + delta
        book.costs[s, :5] = paid.sum(axis=1)
        book.traded[s] = np.abs(traded).sum()
        if left.any():
            for undone in np.flatnonzero(left & (standing.age == 0)):
                (book.partly if delta[undone] else book.unfilled).append((s, int(undone)))
            book.expired += [(s, int(asset)) for asset in np.flatnonzero(standing.keep(left))]
        else:
            standing.clear()
        if cut:
            book.cut.append(s)
        gross = np.abs(np.where(shares != 0, shares * known, 0.0)).sum() / nav_before
        if gross > execution.max_gross * (1 + _GROSS_ROUNDING):
            book.above.append((s, float(gross)))
    gone = np.isnan(last)
    state.stale = np.where(gone & (shares != 0), state.stale + 1, 0)
    state.mark = mark = np.where(gone, known, last)
    for asset in map(int, np.flatnonzero(state.stale >= execution.stale_limit)):
        state.cash += shares[asset] * mark[asset]
        book.forced.append(Closing(s, asset, float(shares[asset]), float(mark[asset])))
        shares = shares.copy()
        shares[asset], state.stale[asset] = 0.0, 0
        standing.drop(asset)
    held = shares != 0
    state.gap = bool((gone & held).any())
    value = np.where(held, shares * mark, 0.0)
    state.shares, state.shorts = shares, np.minimum(value, 0.0)
    state.cash += earned - lent - owed
    return _closed(book, state, s, float(value.sum()), float(np.abs(value).sum()), mark)


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
    state: BookState,
    sessions: range,
    weights: Floats,
    tape: Tape,
    orders: _Orders,
    costs: CostModel,
    delay: int,
) -> int:
    """Sessions that begin and end at whole sets of decided weights, priced throughout, at proportional costs.

    Between two such fills a holding is its weight times NAV, so the prices enter through ratios that whole blocks of
    sessions share: wᵢ·Pₜ/Pₜ₋₁. What is left for the loop is the chain of NAVs and one sum of |w − drifted| a session.

    Returns
    -------
    int
        The session after the last one worked; `state` is the close before it.

    """
    start, end = sessions.start, sessions.stop
    fill, close = tape.fill, tape.close
    weight_sum, weight_gross, _, _ = orders
    at_close, ones, change = fill is close, np.ones(close.shape[1]), np.empty(close.shape[1])
    rate = costs.traded_rate
    borrow, financing, earning = map(a_session, (costs.borrow_bps, costs.financing_bps, costs.cash_rate_bps))
    before, cash, short = float(book.nav_before[start - 1]), state.cash, state.short
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
            lent, owed, earned = borrow * -short, financing * -min(cash, 0.0), earning * cash
            if before <= 0:
                cash = before - lent - owed + earned
                done.append((before, cash, cash, 0.0, 0.0, 0.0, lent, owed, earned))
                break
            np.multiply(drifted[i], previous / before, out=change)
            np.abs(np.subtract(wanted[i], change, out=change), out=change)
            traded = before * float(change @ ones)
            cash = before * (1.0 - total) - traded * rate - lent - owed + earned
            position = before * mark
            short = 0.5 * (position - before * mark_gross)
            done.append((before, cash + position, cash, traded, position - short, short, lent, owed, earned))
            if cash + position <= 0:
                break
        stop = first + len(done)
        if not _written(book, np.array(done), first, weights, tape, costs, delay):
            return stop
    state.cash, state.short, state.shares = cash, short, weights[end - 1 - delay] * (before / fill[end - 1])
    state.mark = close[end - 1]
    return end


def _written(
    book: Ledger, table: Floats, first: int, weights: Floats, tape: Tape, costs: CostModel, delay: int
) -> bool:
    """Write down sessions from `first` on that ended at decided weights; whether there is anything left.

    `table` is (n, 9): NAV at the fill, NAV and cash at the close, traded, long, short, borrow, financing, interest.
    """
    stop = first + len(table)
    book.nav_before[first:stop], book.nav[first:stop], book.cash[first:stop] = table[:, :3].T
    book.traded[first:stop], book.long[first:stop], book.short[first:stop] = table[:, 3:6].T
    book.costs[first:stop, :2] = table[:, 3:4] * (np.array([costs.commission_bps, costs.spread_bps]) / 1e4)
    book.costs[first:stop, _BORROW], book.costs[first:stop, _FINANCING] = table[:, 6:8].T
    book.interest[first:stop] = table[:, 8]
    if book.shares is not None:
        book.shares[first:stop] = weights[first - delay : stop - delay] * table[:, :1] / tape.fill[first:stop]
    before, nav, last = float(table[-1, 0]), float(table[-1, 1]), stop - 1
    if nav > 0:
        return True
    if before <= 0:  # at the fill, with what the session before had left
        held = weights[last - delay - 1] * (book.nav_before[last - 1] / tape.fill[last - 1])
        _ruin(book, last, nav, held, tape.fill[last])
    else:
        _ruin(book, last, nav, weights[last - delay] * (before / tape.fill[last]), tape.close[last])
    return False


def _rows_with_holes(fill: Floats, close: Floats) -> dict[int, npt.NDArray[np.intp]]:
    """Session → columns in which the fill price or the close is missing; only sessions that have any."""
    if np.isfinite(close.sum()) and (fill is close or np.isfinite(fill.sum())):
        return {}
    holes = np.isnan(close)
    if fill is not close:
        holes |= np.isnan(fill)
    return {int(s): np.flatnonzero(holes[s]) for s in np.flatnonzero(holes.any(axis=1))}


def _row_gross(weights: Floats) -> Floats:
    """Σ|w| of each row, in blocks, so that no whole table of absolute values is made."""
    out = np.empty(len(weights))
    for start in range(0, len(weights), 64):
        out[start : start + 64] = np.abs(weights[start : start + 64]).sum(axis=1)
    return out


def _orders(weights: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Σw and Σ|w| of each row; whether some of its cells have no order; whether any has one."""
    total = weights.sum(axis=1)
    gross = _row_gross(weights)
    if np.isfinite(total).all():
        return total, gross, np.zeros(len(total), dtype=bool), np.ones(len(total), dtype=bool)
    unordered = np.isnan(weights)
    some, every = np.asarray(unordered.any(axis=1)), np.asarray(unordered.all(axis=1))
    return np.nansum(weights, axis=1), np.nan_to_num(gross), some, ~every


def _ruin(book: Ledger, s: int, nav: float, shares: Floats, price: Floats) -> None:
    """Nothing is left: what is held is closed at `price`, and the book stands still afterwards."""
    book.ruined_at = s
    book.liquidated = [Closing(s, a, float(shares[a]), float(price[a])) for a in map(int, np.flatnonzero(shares))]
    book.nav[s:] = book.nav_before[s + 1 :] = book.cash[s:] = nav
    book.long[s:] = book.short[s:] = 0.0
    if book.shares is not None:
        book.shares[s:] = 0.0
