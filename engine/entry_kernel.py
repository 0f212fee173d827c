"""The ledger of an entry rule as a compiled loop, for many runs and repeated ones.

`assay.engine.entry_ledger.EntryBook` is the reference and what runs where Numba is missing. This does the same
arithmetic in the same order, so it gives the same bits and may be used wherever it pays. It knows proportional costs
that are the same for all, fractional shares and no volume limit.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.data.compiling import callable_inside, has_numba, on_disk, read_soon, with_read_soon
from assay.data.conventions import Floats
from assay.engine.orders import DUST, SMALLEST

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TEXTS", "bars_soon", "best_two", "candidates", "compiled_walk", "walk", "worth_compiling_entries"]

#: Kind and detail of the events, by their number; those from `_SIGNAL` on are named in the loop.
TEXTS = (
    ("signal_exit", "at the open"),
    ("time_exit", "at the open"),
    ("stop", "the open jumped over the level"),
    ("target", "the open jumped over the level"),
    ("stop", "inside the bar"),
    ("target", "inside the bar"),
    ("stop", "stop and target in one bar"),
    ("target", "stop and target in one bar"),
    ("forced_exit", "at the last price known"),
    ("unfilled", "no open to leave at"),
    ("unfilled", "no open to enter at"),
    ("unfilled", "less than a lot, a millionth of NAV or its own cost"),
    ("ruin", "NAV at or below zero"),
)
_SIGNAL, _AGE, _GAP, _INSIDE, _BOTH, _FORCED, _NO_EXIT, _NO_ENTRY, _TOO_SMALL, _RUIN = 0, 1, 2, 4, 6, 8, 9, 10, 11, 12
#: Sessions of runs above which they take seconds one by one; importing the loop takes one, compiling it, once, ten.
_MANY = 200_000
#: Up to so many places are filled by looking for the best candidate each time; for more, all are put in order.
_FEW = 8
_LOWEST = np.finfo(np.float64).min

#: rows (T, 6), carried (T, 3), fills (n, 5), spans (m, 3), held (m,), events (k, 3), open positions (p, 2) and their
#: shares (p,), and counts: unfilled, forced, cut by cash, without cash, positions closed, session of ruin (−1: none)
Walked = tuple[
    Floats, Floats, Floats, npt.NDArray[np.int64], Floats, npt.NDArray[np.int64], npt.NDArray[np.int64], Floats,
    npt.NDArray[np.int64],
]  # fmt: skip
#: Room for the flags of a row, filled up with 0 to a multiple of eight; the same bytes, eight a number; and as many
#: places and one more.
_Scratch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64], npt.NDArray[np.int64]]


def worth_compiling_entries(runs: int, sessions: int) -> bool:
    """Whether so many runs go faster by the compiled loop, its import included; False without Numba.

    Examples
    --------
    >>> worth_compiling_entries(1, 1259)
    False

    """
    return runs * sessions >= _MANY and has_numba()


@cache
def compiled_walk() -> Callable[..., Walked]:
    """`walk`, compiled for prices of any layout, or read from Numba's cache on disk."""
    import numba

    types: Any = numba.types

    def table(kind: Any, layout: str = "A") -> Any:
        return types.Array(kind, 2, layout, readonly=True)

    bars, numbers = types.UniTuple(table(types.float64), 4), types.Array(types.float64, 1, "C", readonly=True)
    whole = types.Array(types.int64, 1, "C", readonly=True)
    flags = table(types.boolean)
    signature = (bars, whole, flags, flags, table(types.float64, "C"), numbers, whole)
    with_read_soon()
    for part in (candidates, best_two, bars_soon):
        callable_inside(part)
    kernel: Callable[..., Walked] = on_disk(walk, signature)
    return kernel


def candidates(
    row: int,
    enter: npt.NDArray[np.bool_],
    priority: Floats,
    above: float,
    scratch: _Scratch,
    found: npt.NDArray[np.int64],
    score: Floats,
) -> int:
    """How many assets a row of the signals enters; writes them to `found` and their priorities to `score`.

    Where `enter` is empty, those are entered whose priority is above the limit. Each loop writes first and counts
    afterwards, for a branch that cannot be predicted costs more than a write.
    """
    flags, words, places = scratch
    assets, some, wanted = priority.shape[1], 0, 0
    if not enter.size:
        for a in range(assets):
            flags[a] = priority[row, a] > above
    else:
        for a in range(assets):
            flags[a] = enter[row, a]
    for place in range(len(words)):
        places[some] = place
        some += words[place] != 0
    for i in range(some):
        at = 8 * places[i]
        for step in range(8):
            found[wanted] = at + step
            wanted += flags[at + step] != 0
    for i in range(wanted):
        value = priority[row, found[i]]
        score[i] = value if value > _LOWEST else _LOWEST
    return wanted


def best_two(score: Floats, n: int) -> tuple[int, int]:
    """Places of the two highest of the first n scores, which need not be there."""
    best = 0
    for i in range(n):
        best = i if score[i] > score[best] else best
    second = 0 if best else 1
    for i in range(n):
        second = i if score[i] > score[second] and i != best else second
    return best, second


def bars_soon(bars: tuple[Floats, ...], s: int, asset: int) -> None:
    """Say that an asset's bar will be read: memory is far away, and a bar lies in four places of it."""
    if s < len(bars[0]):
        read_soon(bars[0], s, asset)
        read_soon(bars[1], s, asset)
        read_soon(bars[2], s, asset)
        read_soon(bars[3], s, asset)


def walk(
    bars: tuple[Floats, ...],
    rows: npt.NDArray[np.int64],
    enter: npt.NDArray[np.bool_],
    leave: npt.NDArray[np.bool_],
    priority: Floats,
    numbers: Floats,
    whole: npt.NDArray[np.int64],
) -> Walked:
    """Live through every session.

    Parameters
    ----------
    bars : opens, highs, lows and closes, (T, N) each, assets in the order of their ids.
    rows : (T,) row of the signals that session s acts on, −1 for none, as in the first: it has no session before it.
    enter, leave : (≤ T, N) of the signals; empty where what is above and below limits is what enters and leaves.
    priority : (≤ T, N) of the signals, row after row in memory.
    numbers : capital, cost of a traded unit, borrow, financing and interest of a night, size, stop loss, take profit,
        most gross, and the limits above which to enter and below which to leave.
    whole : side, most positions, most sessions held (0 = no limit), sessions without a close that close a position,
        whether the target fills where both lie in a bar, and whether fills and spans are kept: 1, or 0 for none.

    """
    opens, highs, lows, closes = bars
    capital, rate, borrow, financing, earning, size, stop_loss, take_profit, max_gross, above, below = numbers
    limited = not enter.size
    side, max_positions, oldest, stale_limit, optimistic, trail = whole
    sessions, assets = closes.shape
    most = max_positions if 0 < max_positions < assets else assets
    asset, entered, stale = np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(most, np.int64)
    leaving = np.zeros(most, np.int64)  # 0 stays, 1 by signal, 2 by age, 3 by a level that the open jumped over
    shares, stop, target = np.zeros(most), np.zeros(most), np.zeros(most)
    lower, upper, mark = np.zeros(most), np.zeros(most), np.zeros(most)
    bar_low, bar_high, bar_close = np.zeros(most), np.zeros(most), np.zeros(most)  # read together: memory is far away
    busy = np.full(assets, -1)  # the last session at whose open the asset was held
    padded = (assets + 7) // 8 * 8
    both_found, both_scores = np.zeros((2, padded + 8), np.int64), np.zeros((2, padded + 8))  # now and next session
    flags, places = np.zeros(padded, np.uint8), np.zeros(padded // 8 + 1, np.int64)
    scratch = (flags, flags.view(np.uint64), places)

    book, carried = np.zeros((sessions, 6)), np.zeros((sessions, 3))
    at_once = 2 * assets + 3 * most + 1  # lines that a session can write
    fills, events = np.empty((at_once + 1024, 5)), np.empty((at_once + 1024, 3), np.int64)
    spans, held = np.empty((at_once + 1024, 3), np.int64), np.empty(at_once + 1024)
    n_fills, n_spans, n_events, count = 0, 0, 0, 0
    unfilled, forced, cut_by_cash, without_cash, closed, ruined_at = 0, 0, 0, 0, 0, -1
    cash, short = capital, 0.0

    ahead = 0
    for s in range(sessions):
        if max(n_fills, n_spans, n_events) + at_once > len(fills):
            wider = np.empty((2 * len(fills) + at_once, 5))
            wider[:n_fills], fills = fills[:n_fills], wider
            more_events = np.empty((len(fills), 3), np.int64)
            more_events[:n_events], events = events[:n_events], more_events
            more_spans = np.empty((len(fills), 3), np.int64)
            more_spans[:n_spans], spans = spans[:n_spans], more_spans
            more_held = np.empty(len(fills))
            more_held[:n_spans], held = held[:n_spans], more_held
        row, wanted, found, score, ahead = rows[s], ahead, both_found[s % 2], both_scores[s % 2], 0
        if s + 1 < sessions and rows[s + 1] >= 0:
            others, their_score = both_found[1 - s % 2], both_scores[1 - s % 2]
            ahead = candidates(rows[s + 1], enter, priority, above, scratch, others, their_score)
            if ahead:
                first, second = best_two(their_score, ahead)
                bars_soon(bars, s + 1, others[first])
                bars_soon(bars, s + 1, others[second])
        lent, owed, earned = borrow * -short, 0.0, 0.0
        if lent == 0 and cash >= 0 and earning == 0:
            lent = 0.0
        else:
            owed = financing * -min(cash, 0.0)
            earned = earning * cash if s else 0.0
        carried[s, 0], carried[s, 1], carried[s, 2] = lent, owed, earned
        if not count and not wanted:
            before = cash
            cash -= lent + owed - earned
            book[s, 0], book[s, 1], book[s, 2] = cash, before, cash
            continue

        # At the open: marks, then the exits.
        traded, nav = 0.0, cash
        for i in range(count):
            a = asset[i]
            busy[a] = s
            price = opens[s, a]
            bar_low[i], bar_high[i], bar_close[i] = lows[s, a], highs[s, a], closes[s, a]
            if row >= 0 and (priority[row, a] < below if limited else leave[row, a]):
                leaving[i] = 1
            elif oldest and not leaving[i] and s - entered[i] >= oldest:
                leaving[i] = 2
            if price == price:
                mark[i] = price
                if not leaving[i] and (price <= lower[i] or price >= upper[i]):
                    leaving[i] = 3
            elif leaving[i]:
                unfilled += 1
                events[n_events, 0], events[n_events, 1], events[n_events, 2] = s, a, _NO_EXIT
                n_events += 1
            nav += shares[i] * mark[i]
        if nav <= 0:
            cash -= lent + owed - earned
            ruined_at = s
        else:
            kept = 0
            for i in range(count):
                a = asset[i]
                price = opens[s, a]
                if leaving[i] and price == price:
                    value = -shares[i] * price
                    cost = abs(value) * rate
                    cash -= value + cost
                    traded += abs(value)
                    fills[n_fills, 0], fills[n_fills, 1], fills[n_fills, 2] = s, a, -shares[i]
                    fills[n_fills, 3], fills[n_fills, 4] = price, cost
                    n_fills += trail
                    spans[n_spans, 0], spans[n_spans, 1], spans[n_spans, 2] = a, entered[i], s
                    held[n_spans] = shares[i]
                    n_spans += trail
                    closed += 1
                    code = _SIGNAL if leaving[i] == 1 else _AGE
                    if leaving[i] == 3:
                        code = _GAP if (price <= lower[i]) == (side > 0) else _GAP + 1
                    events[n_events, 0], events[n_events, 1], events[n_events, 2] = s, a, code
                    n_events += 1
                    continue
                if kept < i:
                    asset[kept], entered[kept], stale[kept], leaving[kept] = a, entered[i], stale[i], leaving[i]
                    shares[kept], stop[kept], target[kept] = shares[i], stop[i], target[i]
                    lower[kept], upper[kept], mark[kept] = lower[i], upper[i], mark[i]
                    bar_low[kept], bar_high[kept], bar_close[kept] = bar_low[i], bar_high[i], bar_close[i]
                kept += 1
            count = kept

            # Entries, the highest priority first.
            slots = (max_positions if max_positions else assets) - count
            if wanted and slots > 0:
                sought = slots <= _FEW
                if not sought:
                    order = np.argsort(-score[:wanted], kind="mergesort")
                    found[:wanted] = found[:wanted][order]
                room, gross = cash, 0.0
                if side < 0:
                    for j in range(count):
                        gross += abs(shares[j]) * mark[j]
                    room = max_gross * nav - gross
                for i in range(wanted):
                    if sought:  # the best of those left, the first among equals
                        best = i
                        for j in range(i + 1, wanted):
                            best = j if score[j] > score[best] else best
                        a, value = found[best], score[best]
                        for j in range(best, i, -1):
                            found[j], score[j] = found[j - 1], score[j - 1]
                        found[i], score[i] = a, value
                    a = found[i]
                    if busy[a] == s:
                        continue
                    price = opens[s, a]
                    if price != price:
                        unfilled += 1
                        events[n_events, 0], events[n_events, 1], events[n_events, 2] = s, a, _NO_ENTRY
                        n_events += 1
                        continue
                    if room < SMALLEST * nav:
                        without_cash += 1
                        break
                    whole_value = value = size * nav
                    if room < value * (1 + rate):
                        value = min(value, room * (1 - DUST) / (1 + (rate if side > 0 else 0.0)))
                    amount = value / price
                    if amount * price < SMALLEST * nav * (1 - DUST):
                        unfilled += 1
                        events[n_events, 0], events[n_events, 1], events[n_events, 2] = s, a, _TOO_SMALL
                        n_events += 1
                        continue
                    if value < whole_value:
                        cut_by_cash += 1
                    amount = amount * side
                    value = amount * price
                    cost = abs(value) * rate
                    cash -= value + cost
                    traded += abs(value)
                    fills[n_fills, 0], fills[n_fills, 1], fills[n_fills, 2] = s, a, amount
                    fills[n_fills, 3], fills[n_fills, 4] = price, cost
                    n_fills += trail
                    asset[count], entered[count], stale[count], leaving[count] = a, s, 0, 0
                    shares[count], mark[count] = amount, price
                    stop[count] = price * (1 - side * stop_loss) if stop_loss else -side * np.inf
                    target[count] = price * (1 + side * take_profit) if take_profit else side * np.inf
                    lower[count] = stop[count] if side > 0 else target[count]
                    upper[count] = target[count] if side > 0 else stop[count]
                    bar_low[count], bar_high[count], bar_close[count] = lows[s, a], highs[s, a], closes[s, a]
                    bars_soon(bars, s + 1, a)
                    count += 1
                    if side > 0:
                        room = cash
                    else:
                        gross = 0.0
                        for j in range(count):
                            gross += abs(shares[j]) * mark[j]
                        room = max_gross * nav - gross
                    slots -= 1
                    if not slots:
                        break
            cash -= lent + owed - earned

            # Inside the bar and at its close.
            longs, shorts, kept = 0.0, 0.0, 0
            for i in range(count):
                a = asset[i]
                bars_soon(bars, s + 2, a)
                low, high, gone, code = bar_low[i], bar_high[i], False, _FORCED
                price, cost = mark[i], 0.0
                if low <= lower[i] or high >= upper[i]:
                    stopped = low <= stop[i] if side > 0 else high >= stop[i]
                    reached = high >= target[i] if side > 0 else low <= target[i]
                    aimed = reached and (optimistic or not stopped)
                    price = target[i] if aimed else stop[i]
                    code = (_BOTH if stopped and reached else _INSIDE) + (1 if aimed else 0)
                    price = low if low > price else price
                    price = high if high < price else price
                    value = -shares[i] * price
                    cost = abs(value) * rate
                    cash -= value + cost
                    traded += abs(value)
                    gone = True
                else:
                    last = bar_close[i]
                    if last == last:
                        mark[i], stale[i] = last, 0
                    else:
                        stale[i] += 1
                        if stale[i] >= stale_limit:
                            cash += shares[i] * mark[i]
                            forced += 1
                            gone = True
                if gone:
                    fills[n_fills, 0], fills[n_fills, 1], fills[n_fills, 2] = s, a, -shares[i]
                    fills[n_fills, 3], fills[n_fills, 4] = price, cost
                    n_fills += trail
                    spans[n_spans, 0], spans[n_spans, 1], spans[n_spans, 2] = a, entered[i], s
                    held[n_spans] = shares[i]
                    n_spans += trail
                    closed += 1
                    events[n_events, 0], events[n_events, 1], events[n_events, 2] = s, a, code
                    n_events += 1
                    continue
                value = shares[i] * mark[i]
                if value > 0:
                    longs += value
                else:
                    shorts += value
                if kept < i:
                    asset[kept], entered[kept], stale[kept], leaving[kept] = a, entered[i], stale[i], leaving[i]
                    shares[kept], stop[kept], target[kept] = shares[i], stop[i], target[i]
                    lower[kept], upper[kept], mark[kept] = lower[i], upper[i], mark[i]
                kept += 1
            count = kept
            if cash + longs + shorts <= 0:
                ruined_at = s
            short = shorts
            book[s, 0], book[s, 1], book[s, 2] = cash + longs + shorts, nav, cash
            book[s, 3], book[s, 4], book[s, 5] = traded, longs, shorts
        if ruined_at >= 0:  # what is held is closed at its mark, free of cost
            for i in range(count):
                cash += shares[i] * mark[i]
                fills[n_fills, 0], fills[n_fills, 1], fills[n_fills, 2] = s, asset[i], -shares[i]
                fills[n_fills, 3], fills[n_fills, 4] = mark[i], 0.0
                n_fills += trail
                spans[n_spans, 0], spans[n_spans, 1], spans[n_spans, 2] = asset[i], entered[i], s
                held[n_spans] = shares[i]
                n_spans += trail
                closed += 1
            count = 0
            events[n_events, 0], events[n_events, 1], events[n_events, 2] = s, -1, _RUIN
            n_events += 1
            book[s, 0], book[s, 1], book[s, 2], book[s, 4], book[s, 5] = cash, nav, cash, 0.0, 0.0
            break
    still = np.empty((count, 2), np.int64)
    still[:, 0], still[:, 1] = asset[:count], entered[:count]
    counts = np.array([unfilled, forced, cut_by_cash, without_cash, closed, ruined_at])
    return (
        book, carried, fills[:n_fills], spans[:n_spans], held[:n_spans], events[:n_events], still, shares[:count],
        counts,
    )  # fmt: skip
