"""The ledger of an entry rule: cash and a handful of positions, session by session.

Plain numbers in a plain loop: at most a few positions are open at once, so there is nothing to vectorise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats
from assay.engine.borrow_and_interest import a_session
from assay.engine.costs import COST_KINDS, CostModel, Liquidity, Rates, trading_costs
from assay.engine.entry_kernel import TEXTS, Walked
from assay.engine.execution import Execution
from assay.engine.orders import DUST, SMALLEST, whole_lots
from assay.engine.stops import fill_at_open, fill_inside_bar, levels
from assay.strategies.base import EntryRule

__all__ = ["Bars", "EntryBook", "Journal"]

Mask = npt.NDArray[np.bool_]
_TOO_SMALL = "less than a lot, a millionth of NAV or its own cost"


@dataclass(frozen=True, eq=False)
class Journal:
    """What a book wrote down in T sessions.

    Parameters
    ----------
    rows : (T, 6) NAV, NAV at the open before costs, cash, traded value, value of longs and of shorts; 0 after ruin.
    carried : (T, 3) borrow, financing, interest earned.
    charged : (T, kinds) costs of fills by kind; None where they are a fixed share of what is traded.
    fills : (n, 5) session, asset, signed shares, price, cost.
    spans, held : (m, 3) asset, from and until of what was held and is closed, and (m,) its signed shares.
    closed : m, also where fills and spans are not kept.
    events : (k, 3) session, asset (−1: none) and number of each event; `texts` has the kind and detail of a number.
    open, open_shares : (p, 2) asset and since when, of what is held at the end, and (p,) its shares.
    counts, ruined_at : what was unfilled, cut or forced; the session of ruin.

    """

    rows: Floats
    carried: Floats
    charged: Floats | None
    fills: Floats
    spans: npt.NDArray[np.int64]
    held: Floats
    closed: int
    events: npt.NDArray[np.int64]
    texts: Sequence[tuple[str, str]]
    open: npt.NDArray[np.int64]
    open_shares: Floats
    counts: dict[str, int]
    ruined_at: int | None


@dataclass(frozen=True, eq=False)
class Bars:
    """Arrays from the first decision on, columns in the order of asset ids.

    `rows[s]` is the row of the signals that session s acts on, −1 for none.
    """

    sessions: pd.DatetimeIndex
    assets: pd.Index
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    rows: npt.NDArray[np.int64]
    signals: Callable[[str], Mask]  # makes the table ``enter`` or ``exit`` of the signals
    priority: Floats
    limits: tuple[float, float] | None  # of `EntrySignals`
    rates: Rates
    lot: Floats | None  # (T, N) shares in a lot; None = the lot of `Execution` everywhere
    limit: Floats | None  # (T, N) most shares of an asset that a session's fills may take together; None = no limit

    @cached_property
    def enter(self) -> Mask:
        """(≤ T, N) what the signals enter."""
        return self.signals("enter")

    @cached_property
    def exit(self) -> Mask:
        """(≤ T, N) what they leave."""
        return self.signals("exit")

    @cached_property
    def _wanted(self) -> tuple[npt.NDArray[np.intp], Floats, list[int]]:
        """The assets to be entered, row after row of the signals, their priorities, and where each row starts."""
        enter = np.ascontiguousarray(self.enter)
        row, asset = np.divmod(enter.ravel().nonzero()[0], len(self.assets))  # in one dimension: several times faster
        scores = np.fmax(self.priority[row, asset], np.finfo(np.float64).min)  # NaN is the lowest
        return asset, scores, np.searchsorted(row, np.arange(len(enter) + 1)).tolist()

    def wants(self, row: int) -> bool:
        """Whether a row of the signals enters anything."""
        bounds = self._wanted[2]
        return bounds[row + 1] > bounds[row]

    def by_priority(self, row: int) -> list[int]:
        """The assets that are to be entered, the highest priority first, ties by asset id."""
        assets, scores, bounds = self._wanted
        part = slice(bounds[row], bounds[row + 1])
        return assets[part][(-scores[part]).argsort(kind="stable")].tolist()  # type: ignore[no-any-return]


@dataclass(slots=True, eq=False)
class _Position:
    """What is held of one asset."""

    asset: int
    shares: float  # signed
    entered: int
    stop: float
    target: float
    lower: float  # the lower and the upper of the two
    upper: float
    mark: float
    since: int  # when what is held now was reached: after `entered` where volume let only a part of it go
    stale: int = 0
    leaving: str = ""  # why it is to be closed at the next open there is


@dataclass(eq=False)
class EntryBook:
    """The ledger: cash, positions, and what each session left behind."""

    market: Bars
    rule: EntryRule
    costs: CostModel
    execution: Execution
    liquidity: Liquidity | None
    optimistic: bool
    positions: list[_Position] = field(default_factory=list)
    # What is written down is flat, number after number: a tuple a line would keep the garbage collector busy.
    #: each session's NAV, NAV at the open before costs, cash, traded value, value of longs and of shorts
    rows: list[float] = field(default_factory=list)
    #: session, costs of a fill by kind; empty where they are a fixed share of what is traded
    charged: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)
    #: session, borrow, financing, interest earned
    carried: list[tuple[int, float, float, float]] = field(default_factory=list)
    #: session, asset, signed shares, price, cost
    fills: list[float] = field(default_factory=list)
    #: asset, from and until of what was held and is closed, and its signed shares
    spans: list[int] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    #: session, asset (−1: none) and number of each event; kind and detail of a number
    events: list[int] = field(default_factory=list)
    texts: dict[tuple[str, str], int] = field(default_factory=dict)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("unfilled_orders", "forced_exits", "cut_by_cash", "sessions_without_cash"), 0
        )
    )
    ruined_at: int | None = None

    def __post_init__(self) -> None:
        self.cash = self.execution.capital
        self.short = self.traded = 0.0
        self.proportional = self.costs.is_proportional
        self.rate = self.costs.traded_rate
        self.borrow = a_session(self.costs.borrow_bps)
        self.financing = a_session(self.costs.financing_bps)
        self.earning = a_session(self.costs.cash_rate_bps)
        self.uneven = self.costs.table is not None
        self.taken: dict[int, float] = {}  # shares of an asset that this session's fills have taken, where it matters
        if self.execution.max_volume:
            self.counts |= {"cut_by_volume": 0, "partly_filled": 0}

    def live(self) -> Journal:
        """Live through every session, up to ruin."""
        for s in range(len(self.market.sessions)):
            self.step(s)
            if self.ruined_at is not None:
                break
        sessions = len(self.market.sessions)
        rows, carried = np.zeros((sessions, 6)), np.zeros((sessions, 3))
        rows.flat[: len(self.rows)] = self.rows
        for s, *each in self.carried:
            carried[s] = each
        charged = None
        if not self.proportional:
            charged = np.zeros((sessions, len(COST_KINDS)))
            stamps, paid = zip(*self.charged, strict=True) if self.charged else ((), np.zeros((0, 5)))
            for kind, amounts in enumerate(np.array(paid).T):
                charged[:, kind] = np.bincount(np.array(stamps, dtype=np.int64), amounts, minlength=sessions)
        return Journal(
            rows=rows,
            carried=carried,
            charged=charged,
            fills=np.array(self.fills, dtype=np.float64).reshape(-1, 5),
            spans=np.array(self.spans, dtype=np.int64).reshape(-1, 3),
            held=np.array(self.held, dtype=np.float64),
            closed=len(self.held),
            events=np.array(self.events, dtype=np.int64).reshape(-1, 3),
            texts=tuple(self.texts),
            open=np.array([(p.asset, p.since) for p in self.positions], dtype=np.int64).reshape(-1, 2),
            open_shares=np.array([p.shares for p in self.positions], dtype=np.float64),
            counts=self.counts,
            ruined_at=self.ruined_at,
        )

    def live_compiled(self, walk: Callable[..., Walked], trail: bool = True) -> Journal:
        """The same by the compiled loop, or by its body, where `is_plain`; without `trail` no fills and no spans."""
        market, rule = self.market, self.rule
        above, below = market.limits or (0.0, 0.0)
        numbers = (
            self.cash, self.rate, self.borrow, self.financing, self.earning, rule.size, rule.stop_loss,
            rule.take_profit, self.execution.max_gross, above, below,
        )  # fmt: skip
        whole = (rule.side, rule.max_positions, rule.max_holding, self.execution.stale_limit, self.optimistic, trail)
        bars, none = (market.open, market.high, market.low, market.close), np.empty((0, 0), dtype=bool)
        enter, leave = (market.enter, market.exit) if market.limits is None else (none, none)
        rows, carried, fills, spans, held, events, still, shares, counts = walk(
            bars, market.rows, enter, leave, np.ascontiguousarray(market.priority),
            np.array(numbers, dtype=np.float64), np.array(whole, dtype=np.int64),
        )  # fmt: skip
        *counted, closed, ruined = counts.tolist()
        counted = dict(zip(self.counts, counted, strict=True))
        at = None if ruined < 0 else ruined
        return Journal(rows, carried, None, fills, spans, held, closed, events, TEXTS, still, shares, counted, at)

    @property
    def is_plain(self) -> bool:
        """Whether the compiled loop knows these costs and limits."""
        limited = self.execution.lot or self.execution.max_volume or self.market.limit is not None
        return self.proportional and not self.uneven and self.liquidity is None and not limited

    def step(self, s: int) -> None:
        """Live through session s."""
        market = self.market
        row = int(market.rows[s])
        wanted = row >= 0 and market.wants(row)
        carry = self._carry(s)
        if not self.positions and not wanted:
            before = self.cash
            self._pay(s, carry)
            self.rows += (self.cash, before, self.cash, 0.0, 0.0, 0.0)
            return
        self.traded = 0.0
        self.taken.clear()
        nav, leaving = self._at_the_open(s, row)
        if nav <= 0:
            self._pay(s, carry)
            self._ruin(s)
            self.rows += (self.cash, nav, self.cash, 0.0, 0.0, 0.0)
            return
        for position in leaving:
            self._leave(s, position, nav)
        closed = [position.asset for position in leaving]
        if wanted:
            self._enter(s, row, nav, closed)
        self._pay(s, carry)
        self._to_the_close(s, nav)

    def _carry(self, s: int) -> tuple[float, float, float] | None:
        """Borrow, financing and interest of the night into session s; None where there is none of them."""
        if self.uneven:
            borrow, self.financing, self.earning = self.market.rates.night(s)
            each = (borrow if isinstance(borrow, float) else float(borrow[p.asset]) for p in self.positions)
            lent = -sum(rate * min(p.shares * p.mark, 0.0) for rate, p in zip(each, self.positions, strict=True))
        else:
            lent = self.borrow * -self.short
        if lent == 0 and self.cash >= 0 and self.earning == 0:
            return None
        return lent, self.financing * -min(self.cash, 0.0), self.earning * self.cash if s else 0.0

    def _pay(self, s: int, carry: tuple[float, float, float] | None) -> None:
        if carry is not None:
            self.cash -= carry[0] + carry[1] - carry[2]
            self.carried.append((s, *carry))

    def _at_the_open(self, s: int, row: int) -> tuple[float, list[_Position]]:
        """Mark what is held; the NAV, and the positions that have to go at this open."""
        opens, oldest = self.market.open[s], self.rule.max_holding
        exits = self.market.exit[row] if row >= 0 else None
        nav, leaving = self.cash, []
        for position in self.positions:
            asset = position.asset
            if exits is not None and exits.item(asset):
                position.leaving = "signal_exit"
            elif oldest and not position.leaving and s - position.entered >= oldest:
                position.leaving = "time_exit"
            price = opens.item(asset)
            if price == price:
                position.mark = price
                if position.leaving or price <= position.lower or price >= position.upper:
                    leaving.append(position)
            elif position.leaving:
                self._unfilled(s, asset, "no open to leave at")
            nav += position.shares * position.mark
        return nav, leaving

    def _leave(self, s: int, position: _Position, nav: float) -> None:
        """Close a position at the open, which is its mark by now."""
        kind, detail = position.leaving, "at the open"
        if not kind:
            kind, detail = fill_at_open(position.mark, position.lower, self.rule.side)
        self._close(s, position, position.mark, nav, kind, detail)

    def _enter(self, s: int, row: int, nav: float, closed: list[int]) -> None:
        """Open positions by priority, while there are slots and cash."""
        rule, market = self.rule, self.market
        slots = (rule.max_positions or len(market.assets)) - len(self.positions)
        if slots <= 0:
            return
        unfit = [position.asset for position in self.positions] + closed
        room, opens = self._room(nav), market.open[s]
        for asset in market.by_priority(row):
            if asset in unfit:
                continue
            price = opens.item(asset)
            if price != price:
                self._unfilled(s, asset, "no open to enter at")
                continue
            if room < SMALLEST * nav:
                self.counts["sessions_without_cash"] += 1
                return
            wanted = value = rule.size * nav
            if room < value * (1 + self.rate) or not self.proportional:
                value = self._affordable(s, asset, price, value, room, nav)
            shares = value / price
            most = self._most(s, asset, shares)
            cut, shares = most < shares, self._in_lots(s, asset, min(shares, most))
            if shares * price < SMALLEST * nav * (1 - DUST):
                why = "less than a lot or a millionth of NAV is in its volume" if cut else _TOO_SMALL
                self._unfilled(s, asset, why)
                continue
            if cut:
                self.counts["cut_by_volume"] += 1
            elif value < wanted:
                self.counts["cut_by_cash"] += 1
            self._open(s, asset, shares * rule.side, price, nav)
            room = self._room(nav)
            slots -= 1
            if not slots:
                return

    def _in_lots(self, s: int, asset: int, shares: float) -> float:
        if not self.execution.lot:
            return shares
        lot = self.execution.lot if self.market.lot is None else self.market.lot.item(s, asset)
        return float(whole_lots(np.float64(shares), lot))  # type: ignore[arg-type]

    def _most(self, s: int, asset: int, shares: float) -> float:
        """What the session's volume leaves for a fill of that many shares."""
        if self.market.limit is None:
            return shares
        return max(self.market.limit.item(s, asset) - self.taken.get(asset, 0.0), 0.0)

    def _room(self, nav: float) -> float:
        """What an entry may cost: the cash of a long rule; of a short one, the gross that is left."""
        if self.rule.side > 0:
            return self.cash
        gross = 0.0
        for position in self.positions:  # not `sum`, which later Pythons round otherwise
            gross += abs(position.shares) * position.mark
        return self.execution.max_gross * nav - gross

    def _affordable(self, s: int, asset: int, price: float, value: float, room: float, nav: float) -> float:
        """The largest value up to `value` that `room` pays for, costs included."""

        def spent(amount: float) -> float:
            return amount + (sum(self._cost(s, asset, amount, price, nav)) if self.rule.side > 0 else 0.0)

        room *= 1 - DUST  # so that rounding cannot overdraw the cash
        if self.proportional:
            return min(value, room / (1 + (self.rate if self.rule.side > 0 else 0.0)))
        if spent(value) <= room:
            return value
        low, high = 0.0, min(value, room)  # costs grow with the value, so what fits is an interval from 0
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if spent(middle) <= room else (low, middle)
        return low if spent(low) <= room else 0.0

    def _cost(self, s: int, asset: int, value: float, price: float, nav: float) -> tuple[float, ...]:
        """Costs of a fill by kind, currency: commission, spread, impact, sqrt_impact, minimum_fee."""
        known = None
        if self.liquidity is not None:
            cell = (slice(s, s + 1), asset)
            known = (self.liquidity.volatility[cell], self.liquidity.volume[cell], np.array([price]))
        rates = self.market.rates.fill(s).of(asset) if self.uneven else self.costs
        return tuple(trading_costs(np.array([value]), nav, rates, known)[:, 0].tolist())

    def _trade(self, s: int, asset: int, shares: float, price: float, nav: float) -> None:
        value = shares * price
        traded = abs(value)
        if self.proportional:
            total = traded * self.rate
        else:
            paid = self._cost(s, asset, traded, price, nav)
            total = sum(paid)
            self.charged.append((s, paid))
        self.cash -= value + total
        self.traded += traded
        if self.market.limit is not None:
            self.taken[asset] = self.taken.get(asset, 0.0) + abs(shares)
        self.fills += (s, asset, shares, price, total)

    def _open(self, s: int, asset: int, shares: float, price: float, nav: float) -> None:
        rule = self.rule
        self._trade(s, asset, shares, price, nav)
        stop, target = levels(price, rule.side, rule.stop_loss, rule.take_profit)
        lower, upper = (stop, target) if rule.side > 0 else (target, stop)
        self.positions.append(_Position(asset, shares, s, stop, target, lower, upper, price, s))

    def _close(self, s: int, position: _Position, price: float, nav: float, kind: str, detail: str) -> bool:
        """Close a position, or as much of it as the volume takes; whether it is gone. The rest leaves at the opens."""
        held = abs(position.shares)
        most = self._most(s, position.asset, held)
        if most >= held:
            self._trade(s, position.asset, -position.shares, price, nav)
            self._drop(s, position, kind, detail)
            return True
        shares = self._in_lots(s, position.asset, most)
        if shares:
            self._trade(s, position.asset, -shares * self.rule.side, price, nav)
            self._record(s, position)
            position.shares, position.since = (held - shares) * self.rule.side, s
            self.counts["partly_filled"] += 1
            self._note(s, position.asset, "partly_filled", "no more volume to leave in; the rest at the next opens")
        elif not position.leaving or position.asset not in self.taken:
            self._unfilled(s, position.asset, "no volume left to leave in")
            self.taken.setdefault(position.asset, 0.0)
        position.leaving = position.leaving or kind
        return False

    def _drop(self, s: int, position: _Position, kind: str, detail: str) -> None:
        self.positions.remove(position)
        self._record(s, position)
        self._note(s, position.asset, kind, detail)

    def _force_out(self, s: int, position: _Position) -> None:
        """Close a position whose prices stay away, at the last price known, free of cost."""
        self.cash += position.shares * position.mark
        self.fills += (s, position.asset, -position.shares, position.mark, 0.0)
        self.counts["forced_exits"] += 1
        self._drop(s, position, "forced_exit", "at the last price known")

    def _record(self, s: int, position: _Position) -> None:
        self.spans += (position.asset, position.since, s)
        self.held.append(position.shares)

    def _note(self, s: int, asset: int, kind: str, detail: str) -> None:
        self.events += (s, asset, self.texts.setdefault((kind, detail), len(self.texts)))

    def _unfilled(self, s: int, asset: int, detail: str) -> None:
        self.counts["unfilled_orders"] += 1
        self._note(s, asset, "unfilled", detail)

    def _to_the_close(self, s: int, nav_open: float) -> None:
        """Stops and targets, then the marks at the close and the session's row."""
        lows, highs, closes = self.market.low[s], self.market.high[s], self.market.close[s]
        long = short = 0.0
        for position in self.positions[:]:
            asset = position.asset
            low, high = lows.item(asset), highs.item(asset)
            if low <= position.lower or high >= position.upper:
                at, kind, detail = fill_inside_bar(
                    low, high, position.stop, position.target, self.rule.side, optimistic=self.optimistic
                )
                if self._close(s, position, at, nav_open, kind, detail):
                    continue
            price = closes.item(asset)
            if price == price:
                position.mark, position.stale = price, 0
            else:
                position.stale += 1
                if position.stale >= self.execution.stale_limit:
                    self._force_out(s, position)
                    continue
            value = position.shares * position.mark
            if value > 0:
                long += value
            else:
                short += value
        nav = self.cash + long + short
        if nav <= 0:
            self._ruin(s)
            nav, long, short = self.cash, 0.0, 0.0
        self.short = short
        self.rows += (nav, nav_open, self.cash, self.traded, long, short)

    def _ruin(self, s: int) -> None:
        """Nothing is left: what is held is closed at its mark, free of cost, and the book stands still afterwards."""
        self.ruined_at, self.short = s, 0.0
        for position in self.positions:
            self.cash += position.shares * position.mark
            self.fills += (s, position.asset, -position.shares, position.mark, 0.0)
            self._record(s, position)
        self.positions = []
        self._note(s, -1, "ruin", "NAV at or below zero")
