"""Round trips against a walk fill by fill, and against vectorbt's positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.panel import PricePanel
from assay.engine.costs import CostModel, CostTable
from assay.engine.entry_rules import simulate_entries
from assay.engine.execution import Execution
from assay.engine.result import FILL_COLUMNS
from assay.engine.simulation import simulate
from assay.engine.trades import TRADE_COLUMNS, holding_costs, round_trips, trips_of
from assay.strategies.base import EntrySignals
from tests.test_engine.test_entry_rules import Rule


def ledger(rows) -> pd.DataFrame:
    """Fills from (day, asset, shares, price, cost)."""
    start = pd.Timestamp("2020-01-01")
    cells = [(start + pd.Timedelta(days=d), a, n, p, n * p, c) for d, a, n, p, c in rows]
    return pd.DataFrame(cells, columns=list(FILL_COLUMNS))


def walked(fills: pd.DataFrame) -> list[tuple]:
    """(asset, side, entry, exit, shares, invested, costs, pnl) of each trip, one fill after another."""
    out, books = [], {}
    for fill in fills.itertuples():
        book = books.setdefault(fill.asset, {"held": 0.0})
        left, cost = fill.shares, fill.cost / abs(fill.shares)
        while abs(left) > 1e-12:
            held = book["held"]
            if abs(held) < 1e-12:
                book.update(held=0.0, side=np.sign(left), entry=fill.session, most=0.0, value=0.0, paid=0.0, cash=0.0)
                held = 0.0
            part = left if held * left >= 0 else np.sign(left) * min(abs(left), abs(held))
            book["held"] = held + part
            book["most"] = max(book["most"], abs(book["held"]))
            if part * book["side"] > 0:
                book["value"] = max(book["value"], abs(book["held"]) * fill.price)
            book["paid"] += abs(part) * cost
            book["cash"] -= part * fill.price
            left -= part
            if abs(book["held"]) < 1e-12:
                out.append((fill.asset, book["side"], book["entry"], fill.session, book["most"], book["value"],
                            book["paid"], book["cash"] - book["paid"]))  # fmt: skip
    return sorted(out, key=lambda trip: (trip[3], trip[0], trip[2]))


def test_adding_and_trimming_are_one_trip():
    trades = round_trips(ledger([(0, "A", 10, 1.0, 1.0), (1, "A", 10, 2.0, 2.0), (2, "A", -15, 4.0, 3.0),
                                 (3, "A", -5, 1.0, 0.5)]))  # fmt: skip
    assert tuple(trades.columns) == TRADE_COLUMNS
    (trip,) = trades.to_dict("records")
    assert trip["entry_price"] == 1.5
    assert trip["exit_price"] == pytest.approx(65 / 20)
    assert (trip["shares"], trip["invested"], trip["costs"]) == (20, 40, 6.5)
    assert trip["pnl"] == pytest.approx(-10 - 20 + 60 + 5 - 6.5)
    assert trip["return"] == pytest.approx(28.5 / 40)


def test_a_fill_through_zero_closes_and_opens():
    trades = round_trips(ledger([(0, "A", 10, 1.0, 0), (1, "A", -15, 2.0, 3.0), (2, "A", 5, 1.5, 0)]))
    assert trades[["side", "shares", "costs", "pnl"]].to_numpy().tolist() == [[1, 10, 2, 8], [-1, 5, 1, 1.5]]


def test_what_is_open_is_left_out_and_nothing_is_nothing():
    assert len(round_trips(ledger([(0, "A", 10, 1.0, 0), (1, "A", -4, 1.0, 0)]))) == 0
    empty = round_trips(ledger([]))
    assert tuple(empty.columns) == TRADE_COLUMNS
    assert len(empty) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_equal_to_the_walk(seed, count):
    rng = np.random.default_rng(seed)
    shares = rng.integers(-4, 5, count).astype(float)
    shares[shares == 0] = 1.0
    assets = rng.choice(["A", "B", "C"], count)
    rows = zip(range(count), assets, shares, rng.uniform(1, 2, count), rng.uniform(0, 1, count), strict=True)
    fills = ledger(list(rows))
    trades, expected = round_trips(fills), walked(fills)
    columns = ["asset", "side", "entry_session", "exit_session", "shares", "invested", "costs", "pnl"]
    got = list(trades[columns].itertuples(index=False, name=None))
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours[:4] == theirs[:4]
        assert ours[4:] == pytest.approx(theirs[4:], rel=1e-9, abs=1e-9)


def book(seed: int, sessions: int = 80, assets: int = 4):
    """A book that changes sides, and is flat before it ends."""
    rng = np.random.default_rng(seed)
    dates = pd.bdate_range("2020-01-01", periods=sessions)
    close = pd.DataFrame(100 * np.cumprod(1 + rng.normal(0, 0.02, (sessions, assets)), axis=0), dates, list("ABCD"))
    weights = pd.DataFrame(rng.choice([-0.3, 0.0, 0.3, 0.5], (sessions, assets)), dates, close.columns)
    weights.iloc[-5:] = 0.0
    return PricePanel(close), weights


def test_the_money_of_all_trips_is_the_money_that_the_book_made():
    """Costs of holding included, where everything is closed at the end."""
    prices, weights = book(1)
    costs = CostModel(borrow_bps=2000, financing_bps=1000)
    result = simulate(prices, weights, costs=costs, execution=Execution(max_gross=3.0))
    trades = round_trips(result.fills, holding_costs(result, prices))
    assert trades["holding"].sum() == pytest.approx(result.costs[["borrow", "financing"]].to_numpy().sum())
    assert trades["pnl"].sum() == pytest.approx(result.nav.iloc[-1] - 1e6, rel=1e-9)
    longs = trades[(trades["side"] == 1)]
    assert (trades["holding"] >= 0).all()
    assert longs["holding"].sum() == pytest.approx(result.costs["financing"].sum())


@pytest.mark.parametrize("rule", [False, True])
def test_each_short_bears_its_own_borrow(rule):
    """Two shorts of one value at 252 and 25200 bps a year: one pays a hundred times what the other does."""
    dates = pd.bdate_range("2020-01-01", periods=5)
    flat = pd.DataFrame(100.0, dates, ["A", "B"])
    prices = PricePanel(flat, open=flat, high=flat, low=flat)
    table = CostTable({"borrow_bps": pd.DataFrame({"B": [25200.0]}, dates[:1])})
    costs = replace(CostModel.zero(), borrow_bps=252.0, table=table)
    if rule:
        first, last = (flat.eq(0.0) for _ in range(2))
        first.iloc[0], last.iloc[2] = True, True
        signals = EntrySignals(first, last, flat)
        result = simulate_entries(prices, signals, Rule(side=-1, size=0.3, stop_loss=0, take_profit=0), costs=costs)
    else:
        weights = pd.DataFrame({"A": [-0.3, -0.3, 0.0], "B": [-0.3, -0.3, 0.0]}, dates[:3])
        result = simulate(prices, weights, costs=costs)
    trades = round_trips(result.fills, holding_costs(result, prices)).set_index("asset")
    assert trades["holding"].sum() == pytest.approx(result.costs["borrow"].sum())
    assert trades["holding"]["B"] / trades["holding"]["A"] == pytest.approx(100.0, rel=1e-3)


@pytest.mark.parametrize("commission", [5.0, 0.0])
def test_assets_taken_apart_give_the_same_trips(commission):
    """More assets than are worked at once, holes, and prices that end."""
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.03, (60, 150)), axis=0))
    close[rng.random(close.shape) < 0.05] = np.nan
    close[20:, 7] = np.nan
    index, names = pd.bdate_range("2020-01-01", periods=60), [f"A{i}" for i in range(150)]  # A10 comes before A2
    prices = PricePanel(pd.DataFrame(close, index, names))
    weights = pd.DataFrame(rng.choice([-0.01, 0.0, 0.01], close.shape), index, names)
    costs = CostModel(commission, spread_bps=1.0, borrow_bps=500, minimum_fee=0.0 if commission else 1.0)
    result = simulate(prices, weights, costs=costs, execution=Execution(stale_limit=3))
    whole, apart = round_trips(result.fills, holding_costs(result, prices)), trips_of(result, prices)
    assert len(whole) > 1000
    pd.testing.assert_frame_equal(apart, whole, rtol=1e-12)
    if result.fill_ledger.by_asset:
        assert sum(len(part.session) for _, part in result.fill_ledger.parts()) == len(result.fills)


@pytest.mark.slow
def test_vectorbt_calls_them_positions():
    prices, weights = book(2)
    weights = 0.4 * weights
    result = simulate(prices, weights, costs=CostModel(5, borrow_bps=0, financing_bps=0), execution=Execution())
    other = result.to_vectorbt(prices).positions.records
    ours = round_trips(result.fills)
    closed = other[other["status"] == 1]
    assert len(ours) == len(closed)
    assert sorted(ours["pnl"]) == pytest.approx(sorted(closed["pnl"]), rel=1e-9)


def test_many_fills_are_fast_enough_to_ask_for():
    rng = np.random.default_rng(0)
    count = 60_000
    rows = pd.DataFrame(
        {
            "session": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(count) // 20, unit="D"),
            "asset": np.tile([f"A{i}" for i in range(20)], count // 20),
            "shares": rng.choice([-1.0, 1.0], count),
            "price": rng.uniform(1, 2, count),
            "value": 0.0,
            "cost": 0.0,
        }
    )
    trades = round_trips(rows)
    flat = rows.groupby("asset")["shares"].agg(lambda s: int((s.cumsum() == 0).sum())).sum()
    assert len(trades) == flat
