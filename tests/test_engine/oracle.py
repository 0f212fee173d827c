"""A second simulator, written from the rules alone: plain loops over sessions and assets, Python floats, no arrays.

Nothing here is shared with the engine but the rules it states. It is slow on purpose: every line can be read against a
sentence of the documentation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

__all__ = ["Book", "Money", "constant_weight_book", "entry_book", "weights_book"]

Row = list[float]
NIGHT = 252 * 1e4  # a rate in basis points a year, over one night


def gone(x: float) -> bool:
    return x != x


@dataclass
class Money:
    """Costs and the rules of execution, by the names of the product's own fields."""

    commission_bps: float = 5.0
    spread_bps: float = 0.0
    impact_bps: float = 0.0
    sqrt_impact: float = 0.0
    borrow_bps: float = 50.0
    financing_bps: float = 100.0
    minimum_fee: float = 0.0
    cash_rate_bps: float = 0.0
    delay: int = 1
    max_gross: float = 2.0
    lot: float = 0.0
    capital: float = 1e6
    stale_limit: int = 10
    carry_orders: bool = True
    order_expiry: int = 10
    max_volume: float = 0.0
    #: what one asset pays instead: asset → field → bps
    by_asset: dict[int, dict[str, float]] = field(default_factory=dict)

    def rate(self, name: str, asset: int) -> float:
        return self.by_asset.get(asset, {}).get(name, getattr(self, name))

    def fee(self, asset: int, value: float, nav: float, impact: float = 0.0) -> float:
        """What a fill of |value| costs, `impact` being Y·σ·sqrt(participation)."""
        if value == 0:
            return 0.0
        commission = value * self.rate("commission_bps", asset) / 1e4
        cost = commission + value * self.rate("spread_bps", asset) / 1e4
        cost += value / nav * value * self.rate("impact_bps", asset) / 1e4
        cost += value * impact
        return cost + max(self.rate("minimum_fee", asset) - commission, 0.0)


@dataclass
class Book:
    net: Row = field(default_factory=list)
    gross: Row = field(default_factory=list)
    nav: Row = field(default_factory=list)
    cash: Row = field(default_factory=list)
    costs: Row = field(default_factory=list)
    traded: Row = field(default_factory=list)
    shares: list[Row] = field(default_factory=list)
    unfilled: list[tuple[int, int]] = field(default_factory=list)
    expired: list[tuple[int, int]] = field(default_factory=list)
    forced: list[tuple[int, int]] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    exits: list[tuple[int, int, str, float]] = field(default_factory=list)
    ruined: int | None = None

    def close(self, before: float, nav: float, cash: float, cost: float, traded: float, shares: Row) -> None:
        self.net.append(nav / before - 1)
        self.gross.append((nav + cost) / before - 1)
        self.nav.append(nav)
        self.cash.append(cash)
        self.costs.append(cost)
        self.traded.append(traded)
        self.shares.append(list(shares))

    def dead(self, assets: int) -> None:
        self.net.append(0.0)
        self.gross.append(0.0)
        for values in (self.nav, self.cash):
            values.append(values[-1])
        self.costs.append(0.0)
        self.traded.append(0.0)
        self.shares.append([0.0] * assets)


def in_lots(shares: float, lot: float) -> float:
    """Toward zero, to whole lots; rounding noise does not lose one."""
    if lot == 0:
        return shares
    lots = shares / lot
    if abs(lots - round(lots)) <= 1e-9 * max(1.0, abs(round(lots))):
        return round(lots) * lot
    return math.trunc(lots) * lot


def wanted_row(row: Row, max_gross: float) -> Row:
    """A row of targets, scaled to the cap, without what is below a millionth."""
    gross = math.fsum(abs(w) for w in row if not gone(w))
    scale = max_gross / gross if gross > max_gross * (1 + 1e-9) else 1.0
    return [w if gone(w) else 0.0 if abs(w * scale) < 1e-6 else w * scale for w in row]


def law(close: list[Row], volume: list[Row], s: int, asset: int) -> tuple[float, float] | None:
    """Volatility and mean volume of the 20 sessions before s; None where either is unknown."""
    returns, volumes = [], []
    for k in range(max(s - 20, 0), s):
        if k and not gone(close[k][asset]) and not gone(close[k - 1][asset]):
            returns.append(close[k][asset] / close[k - 1][asset] - 1)
        if not gone(volume[k][asset]):
            volumes.append(volume[k][asset])
    if len(returns) < 2 or len(volumes) < 2 or not math.fsum(volumes) > 0:
        return None
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    return deviation, math.fsum(volumes) / len(volumes)


def weights_book(
    fill: list[Row], close: list[Row], targets: dict[int, Row], money: Money, volume: list[Row] | None = None
) -> Book:
    """Self-financing accounting of target weights, stamped at the decision; the book begins with the first of them."""
    start, assets = min(targets), len(close[0])
    shares, mark, stale = [0.0] * assets, [math.nan] * assets, [0] * assets
    standing: dict[int, list[float]] = {}  # asset → [target, sessions it has stood]
    cash, nav_before_session, book = money.capital, money.capital, Book()
    needs_volume = money.sqrt_impact > 0 or money.max_volume > 0
    for s in range(start, len(close)):
        if book.ruined is not None:
            book.dead(assets)
            continue
        short = [-shares[i] * mark[i] if shares[i] < 0 else 0.0 for i in range(assets)]
        carry = math.fsum(short[i] * money.rate("borrow_bps", i) for i in range(assets)) / NIGHT
        carry += max(-cash, 0.0) * money.financing_bps / NIGHT
        interest = cash * money.cash_rate_bps / NIGHT if s > start else 0.0
        price = [mark[i] if gone(fill[s][i]) else fill[s][i] for i in range(assets)]
        value = [shares[i] * price[i] if shares[i] else 0.0 for i in range(assets)]
        nav = cash + math.fsum(value)
        if nav <= 0:  # ruin is at the fill
            book.ruined = s
            left = nav - carry + interest
            book.close(nav_before_session, left, left, carry, 0.0, [0.0] * assets)
            continue
        if s - money.delay in targets:
            for i, w in enumerate(wanted_row(targets[s - money.delay], money.max_gross)):
                if not gone(w):
                    standing[i] = [w, 0]
        cost = traded = 0.0
        orders: dict[int, float] = {}
        undone: set[int] = set()
        impact = [0.0] * assets
        for i, (w, _) in sorted(standing.items()):
            can = not gone(fill[s][i])
            if can and needs_volume:
                assert volume is not None
                can = not gone(volume[s][i]) and volume[s][i] > 0
            known = law(close, volume, s, i) if can and money.sqrt_impact and volume is not None else None
            if money.sqrt_impact and known is None:
                can = False
            if not can:
                if w != 0 or shares[i] != 0:
                    undone.add(i)
                continue
            if w == 0:
                n = -shares[i]
            else:
                money_wanted = w * nav - value[i]
                n = in_lots(money_wanted / price[i], money.lot)
            if money.max_volume:
                assert volume is not None
                most = in_lots(money.max_volume * volume[s][i], money.lot)
                if abs(n) > money.max_volume * volume[s][i]:
                    n = math.copysign(most, n)
                    undone.add(i)
            orders[i] = n
            if known is not None:
                impact[i] = known[0] / math.sqrt(known[1])
        # The book may not be above the cap after its fills: what adds to it is cut, all by one factor.
        after = [value[i] + orders.get(i, 0.0) * price[i] if orders.get(i) else value[i] for i in range(assets)]
        grown = [abs(after[i]) - abs(value[i]) for i in range(assets)]
        grown = [v if v > 1e-12 * nav else 0.0 for v in grown]
        excess = math.fsum(abs(v) for v in after) - money.max_gross * nav
        if standing and excess > 1e-9 * money.max_gross * nav and any(grown):
            factor = max(0.0, 1 - excess / math.fsum(grown))
            for i in orders:
                if grown[i] > 0:
                    size = abs(value[i]) + factor * grown[i]
                    orders[i] = in_lots((math.copysign(size, after[i]) - value[i]) / price[i], money.lot)
                    undone.add(i)
        for i, n in list(orders.items()):
            least = 1e-12 if shares[i] else 1e-6 * (1 - 1e-9)  # nothing below a millionth of NAV is opened
            if abs(n * price[i]) < least * nav and n != -shares[i]:
                orders[i] = 0.0
                continue
            paid_impact = money.sqrt_impact * impact[i] * math.sqrt(abs(n))
            paid = money.fee(i, abs(n * price[i]), nav, paid_impact)
            cash -= n * price[i] + paid
            cost += paid
            traded += abs(n * price[i])
            shares[i] = 0.0 if n == -shares[i] else shares[i] + n
        for i in list(standing):
            if i not in undone:
                del standing[i]
                continue
            if standing[i][1] == 0 and not (i in orders and orders[i] != 0):
                book.unfilled.append((s, i))
            if not money.carry_orders:
                del standing[i]
            elif standing[i][1] >= money.order_expiry:
                book.expired.append((s, i))
                del standing[i]
            else:
                standing[i][1] += 1
        for i in range(assets):
            if gone(close[s][i]):
                mark[i] = price[i]
                stale[i] = stale[i] + 1 if shares[i] else 0
            else:
                mark[i], stale[i] = close[s][i], 0
            if shares[i] and stale[i] >= money.stale_limit:
                cash += shares[i] * mark[i]
                shares[i], stale[i] = 0.0, 0
                book.forced.append((s, i))
                standing.pop(i, None)
        cash += interest - carry
        nav = cash + math.fsum(shares[i] * mark[i] for i in range(assets) if shares[i])
        if nav <= 0:
            book.ruined, cash, shares = s, nav, [0.0] * assets
        book.close(nav_before_session, nav, cash, cost + carry, traded, shares)
        nav_before_session = nav
    return book


def constant_weight_book(
    fill: list[Row], close: list[Row], targets: dict[int, Row], money: Money, at_open: bool
) -> tuple[Row, list[tuple[int, int]]]:
    """Net returns on constant capital without drift, and the orders that were not filled."""
    assets = len(close[0])
    held, mark, standing = [0.0] * assets, [math.nan] * assets, {}
    net: Row = []
    unfilled: list[tuple[int, int]] = []
    start = min(targets)
    for s in range(start, len(close)):
        old = list(held)
        if s - money.delay in targets:
            for i, w in enumerate(wanted_row(targets[s - money.delay], money.max_gross)):
                if not gone(w):
                    standing[i] = [w, 0]
        after = [standing[i][0] if i in standing and not gone(fill[s][i]) else old[i] for i in range(assets)]
        undone = {i for i, (w, _) in standing.items() if gone(fill[s][i]) and (w != 0 or old[i] != 0)}
        grown = [abs(after[i]) - abs(old[i]) for i in range(assets)]
        grown = [v if v > 1e-12 else 0.0 for v in grown]
        excess = math.fsum(map(abs, after)) - money.max_gross
        if standing and excess > 1e-9 * money.max_gross and any(grown):
            factor = max(0.0, 1 - excess / math.fsum(grown))
            for i in range(assets):
                if grown[i] > 0:
                    size = abs(old[i]) + factor * grown[i]
                    after[i] = 0.0 if old[i] == 0 and size < 1e-6 else math.copysign(size, after[i])
                    undone.add(i)
        held = after
        for i in list(standing):
            if i in undone and standing[i][1] == 0:
                unfilled.append((s, i))
            if i in undone and money.carry_orders and standing[i][1] < money.order_expiry:
                standing[i][1] += 1
            else:
                del standing[i]
        earned = cost = 0.0
        for i in range(assets):
            here = mark[i] if gone(fill[s][i]) else fill[s][i]
            end = here if gone(close[s][i]) else close[s][i]
            if at_open:
                earned += old[i] * (here / mark[i] - 1) if old[i] else 0.0
                earned += held[i] * (end / here - 1) if held[i] else 0.0
            else:
                earned += old[i] * (end / mark[i] - 1) if old[i] else 0.0
            mark[i] = end
            cost += money.fee(i, abs(held[i] - old[i]), 1.0) + max(-old[i], 0.0) * money.rate("borrow_bps", i) / NIGHT
        cash = 1 - math.fsum(old)
        cost += max(-cash, 0.0) * money.financing_bps / NIGHT
        net.append(earned - cost + (cash * money.cash_rate_bps / NIGHT if s > start else 0.0))
    return net, unfilled


@dataclass
class Position:
    shares: float
    since: int
    mark: float
    stop: float
    target: float
    stale: int = 0
    leaving: str = ""


def entry_book(
    bars: dict[str, list[Row]],
    names: list[str],
    enter: dict[int, list[bool]],
    leave: dict[int, list[bool]],
    priority: dict[int, Row],
    money: Money,
    *,
    stop_loss: float,
    take_profit: float,
    size: float,
    max_positions: int,
    max_holding: int,
    side: int,
    optimistic: bool,
) -> Book:
    """An entry rule bar by bar; `bars` holds open, high, low, close and, where anything reads it, volume."""
    opens, highs, lows, closes = (bars[name] for name in ("open", "high", "low", "close"))
    sessions, assets = len(closes), len(names)
    held: dict[int, Position] = {}
    cash, last_nav, book = money.capital, money.capital, Book()
    volume = bars.get("volume", [])
    if money.sqrt_impact or money.max_volume:  # where nothing can be traded there is no bar
        dead = [
            [
                gone(volume[s][i]) or volume[s][i] <= 0 or bool(money.sqrt_impact and law(closes, volume, s, i) is None)
                for i in range(assets)
            ]
            for s in range(sessions)
        ]
        opens, highs, lows = (
            [[math.nan if dead[s][i] else rows[s][i] for i in range(assets)] for s in range(sessions)]
            for rows in (opens, highs, lows)
        )

    def reached(price: float, level: float, *, losing: bool) -> bool:
        """Whether `price` is at or beyond a level; a long loses below, a short above."""
        return price <= level if (side > 0) == losing else price >= level

    for s in range(sessions):
        if book.ruined is not None:
            book.dead(assets)
            continue
        short = [(i, -p.shares * p.mark) for i, p in held.items() if p.shares < 0]
        carry = math.fsum(v * money.rate("borrow_bps", i) for i, v in short) / NIGHT
        carry += max(-cash, 0.0) * money.financing_bps / NIGHT
        interest = cash * money.cash_rate_bps / NIGHT if s else 0.0
        for i, p in held.items():
            if not gone(opens[s][i]):
                p.mark = opens[s][i]
        nav = cash + math.fsum(p.shares * p.mark for p in held.values())
        cost = traded = 0.0
        if nav <= 0:
            book.ruined = s
            left = nav - carry + interest
            book.close(last_nav, left, left, carry, 0.0, [0.0] * assets)
            continue

        def trade(i: int, n: float, price: float, nav: float = nav, s: int = s) -> float:
            impact = 0.0
            if money.sqrt_impact:
                known = law(closes, volume, s, i)
                assert known is not None
                impact = money.sqrt_impact * known[0] * math.sqrt(abs(n) / known[1])
            return money.fee(i, abs(n * price), nav, impact)

        taken = [0.0] * assets  # shares that this session's fills have taken of its volume

        def possible(i: int, n: float, s: int = s, taken: Row = taken) -> float:
            """How many of n shares the session's volume lets through, in lots where it does not let through all."""
            if not money.max_volume:
                return n
            left = max(money.max_volume * volume[s][i] - taken[i], 0.0)
            return n if n <= left else in_lots(left, money.lot)

        out_at_open = set()
        for i in list(held):
            p = held[i]
            if s - money.delay in leave and leave[s - money.delay][i]:
                p.leaving = "signal_exit"
            elif max_holding and not p.leaving and s - p.since >= max_holding:
                p.leaving = "time_exit"
            o = opens[s][i]
            if gone(o):
                continue
            why = p.leaving
            if not why and stop_loss and reached(o, p.stop, losing=True):
                why = "stop"
            if not why and take_profit and reached(o, p.target, losing=False):
                why = "target"
            if why:
                n = math.copysign(possible(i, abs(p.shares)), p.shares)
                paid = trade(i, n, o)
                cash += n * o - paid if n else 0.0
                cost, traded, taken[i] = cost + paid, traded + abs(n * o), taken[i] + abs(n)
                if n == p.shares:
                    book.exits.append((s, i, why, o))
                    del held[i]
                    out_at_open.add(i)
                else:
                    p.shares, p.leaving = p.shares - n, why
        if s - money.delay in enter:
            ranks = priority[s - money.delay]
            row = enter[s - money.delay]
            wanted = [i for i in range(assets) if row[i]]
            wanted.sort(key=lambda i: (math.inf if gone(ranks[i]) else -ranks[i], names[i]))
            for i in wanted:
                if max_positions and len(held) >= max_positions:
                    break
                if i in held or i in out_at_open or gone(opens[s][i]):
                    continue
                o = opens[s][i]
                room = cash
                if side < 0:
                    room = money.max_gross * nav - math.fsum(abs(p.shares) * p.mark for p in held.values())
                if room < 1e-6 * nav:
                    break
                value = size * nav
                if side < 0:
                    value = min(value, room)
                elif value + trade(i, value / o, o) > room:
                    low, high = 0.0, min(value, room)
                    for _ in range(200):
                        middle = (low + high) / 2
                        low, high = (middle, high) if middle + trade(i, middle / o, o) <= room else (low, middle)
                    value = low
                n = in_lots(possible(i, value / o), money.lot)
                if n * o < 1e-6 * (1 - 1e-9) * nav:
                    continue
                paid = trade(i, n, o)
                cash -= side * n * o + paid
                cost, traded, taken[i] = cost + paid, traded + n * o, taken[i] + n
                held[i] = Position(side * n, s, o, o * (1 - side * stop_loss), o * (1 + side * take_profit))
                book.entries.append((s, i, o))
        cash += interest - carry
        for i in list(held):
            p = held[i]
            worst, best = (lows[s][i], highs[s][i]) if side > 0 else (highs[s][i], lows[s][i])
            stopped = bool(stop_loss) and reached(worst, p.stop, losing=True)
            won = bool(take_profit) and reached(best, p.target, losing=False)
            if stopped or won:
                why = "target" if won and (optimistic or not stopped) else "stop"
                level = p.target if why == "target" else p.stop
                price = min(max(level, lows[s][i]), highs[s][i])
                n = math.copysign(possible(i, abs(p.shares)), p.shares)
                paid = trade(i, n, price)
                cash += n * price - paid if n else 0.0
                cost, traded, taken[i] = cost + paid, traded + abs(n * price), taken[i] + abs(n)
                if n == p.shares:
                    book.exits.append((s, i, why, price))
                    del held[i]
                    continue
                p.shares, p.leaving = p.shares - n, p.leaving or why
            if not gone(closes[s][i]):
                p.mark, p.stale = closes[s][i], 0
                continue
            p.stale += 1
            if p.stale >= money.stale_limit:
                cash += p.shares * p.mark
                book.forced.append((s, i))
                del held[i]
        nav = cash + math.fsum(p.shares * p.mark for p in held.values())
        if nav <= 0:
            book.ruined, cash = s, nav
            held = {}
        shares = [held[i].shares if i in held else 0.0 for i in range(assets)]
        book.close(last_nav, nav, cash, cost + carry, traded, shares)
        last_nav = nav
    return book
