"""Round trips against a queue that is walked share by share."""

from __future__ import annotations

from collections import deque

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.engine.result import FILL_COLUMNS, TRADE_COLUMNS
from assay.engine.trades import round_trips


def ledger(rows) -> pd.DataFrame:
    """Fills from (day, asset, shares, price, cost)."""
    start = pd.Timestamp("2020-01-01")
    cells = [(start + pd.Timedelta(days=d), a, n, p, n * p, c) for d, a, n, p, c in rows]
    return pd.DataFrame(cells, columns=list(FILL_COLUMNS))


def walked(fills: pd.DataFrame) -> list[tuple]:
    """First in, first out, with a queue of open lots an asset."""
    out, books = [], {}
    for fill in fills.itertuples():
        lots = books.setdefault(fill.asset, deque())
        left, cost = fill.shares, fill.cost / abs(fill.shares)
        while lots and abs(left) > 1e-12 and lots[0][0] * left < 0:
            n, price, session, paid = lots.popleft()
            part = min(abs(n), abs(left))
            side = 1 if n > 0 else -1
            pnl = part * (side * (fill.price - price) - paid - cost)
            out.append((fill.asset, side, session, fill.session, price, fill.price, part, pnl, pnl / (part * price)))
            left += side * part
            if abs(n) - part > 1e-12:
                lots.appendleft((n - side * part, price, session, paid))
        if abs(left) > 1e-12:
            lots.append((left, fill.price, fill.session, cost))
    return sorted(out, key=lambda trade: (trade[3], trade[0], trade[2]))


def test_by_hand():
    fills = ledger([(0, "A", 10, 1.0, 1.0), (1, "A", 10, 2.0, 2.0), (2, "A", -15, 4.0, 3.0)])
    trades = round_trips(fills)
    assert tuple(trades.columns) == TRADE_COLUMNS
    assert trades["shares"].tolist() == [10, 5]
    assert trades["pnl"].tolist() == pytest.approx([30 - 1 - 2, 10 - 1 - 1])
    assert trades["return"].tolist() == pytest.approx([27 / 10, 8 / 10])


def test_a_fill_through_zero_closes_and_opens():
    trades = round_trips(ledger([(0, "A", 10, 1.0, 0), (1, "A", -15, 2.0, 0), (2, "A", 5, 1.5, 0)]))
    assert trades[["side", "shares", "pnl"]].to_numpy().tolist() == [[1, 10, 10], [-1, 5, 2.5]]


def test_what_is_open_is_left_out_and_nothing_is_nothing():
    assert len(round_trips(ledger([(0, "A", 10, 1.0, 0)]))) == 0
    empty = round_trips(ledger([]))
    assert tuple(empty.columns) == TRADE_COLUMNS
    assert len(empty) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.booleans())
def test_equal_to_the_queue(seed, count, whole):
    rng = np.random.default_rng(seed)
    shares = rng.integers(-4, 5, count).astype(float) if whole else rng.normal(0, 3, count)
    shares[shares == 0] = 1.0
    assets = rng.choice(["A", "B", "C"], count)
    rows = zip(range(count), assets, shares, rng.uniform(1, 2, count), rng.uniform(0, 1, count), strict=True)
    fills = ledger(list(rows))
    trades, expected = round_trips(fills), walked(fills)
    got = sorted(trades.itertuples(index=False, name=None), key=lambda trade: (trade[3], trade[0], trade[2]))
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours[:4] == theirs[:4]
        assert ours[4:] == pytest.approx(theirs[4:], rel=1e-6, abs=1e-9)


def test_many_fills_are_fast_enough_to_ask_for():
    rng = np.random.default_rng(0)
    count = 60_000
    rows = pd.DataFrame(
        {
            "session": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(count) // 20, unit="D"),
            "asset": np.tile([f"A{i}" for i in range(20)], count // 20),
            "shares": rng.normal(size=count),
            "price": rng.uniform(1, 2, count),
            "value": 0.0,
            "cost": 0.0,
        }
    )
    trades = round_trips(rows)
    opened = rows.groupby("asset")["shares"].agg(lambda s: s.abs().sum() - abs(s.sum())).sum() / 2
    assert trades["shares"].sum() == pytest.approx(opened, rel=1e-6)
