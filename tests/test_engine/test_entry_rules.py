"""Entry rules: worked by hand, then a naive bar-by-bar oracle on random markets, and vectorbt where it can say it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.costs import CostModel
from assay.engine.entry_rules import simulate_entries
from assay.engine.execution import Execution
from assay.strategies.base import EntryRule, EntrySignals
from assay.strategies.confidence import Confidence

FREE = CostModel.zero()
FIELDS = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Rule:
    """An entry rule whose signals are made by the test."""

    name: str = "rule"
    needs: tuple[str, ...] = ("open", "high", "low")
    stop_loss: float = 0.05
    take_profit: float = 0.10
    size: float = 0.1
    max_positions: int = 3
    max_holding: int = 0
    side: int = 1

    def signals(self, predictions, prices):
        raise NotImplementedError


def bars(*rows, assets=("A",)) -> PricePanel:
    """One asset per group of four: open, high, low, close."""
    cells = np.array(rows, dtype=float).reshape(len(rows), len(assets), 4)
    sessions = pd.bdate_range("2020-01-01", periods=len(rows))
    return PricePanel(**{name: pd.DataFrame(cells[:, :, i], sessions, list(assets)) for i, name in enumerate(FIELDS)})


def signals(prices: PricePanel, enter, leave=(), priority=None) -> EntrySignals:
    """Signals at (row, asset) cells."""
    wanted = pd.DataFrame(False, prices.sessions, prices.assets)
    out = wanted.copy()
    for row, asset in enter:
        wanted.iloc[row, prices.assets.get_loc(asset)] = True
    for row, asset in leave:
        out.iloc[row, prices.assets.get_loc(asset)] = True
    order = pd.DataFrame(0.0, prices.sessions, prices.assets)
    for asset, value in (priority or {}).items():
        order[asset] = value
    return EntrySignals(wanted, out, order)


def run(prices, enter, leave=(), priority=None, rule=None, costs=FREE, **options):
    return simulate_entries(prices, signals(prices, enter, leave, priority), rule or Rule(), costs=costs, **options)


def exits(result) -> list[tuple[str, float]]:
    """(kind, fill price) of each exit."""
    kinds = [kind for kind in result.events["kind"] if kind != "unfilled"]
    sold = result.fills[np.sign(result.fills["shares"]) != result.config["rule"]["side"]]["price"]
    return list(zip(kinds, sold.round(10), strict=True))


def flat(price):
    return (price, price, price, price)


# --- each rule by hand


def test_entry_is_at_the_open_after_the_delay_with_a_fraction_of_nav():
    prices = bars(flat(90), (100, 103, 99, 102), (102, 103, 101, 103))
    result = run(prices, [(0, "A")])
    fill = result.fills.iloc[0]
    assert (fill["session"], fill["price"], fill["shares"]) == (prices.sessions[1], 100.0, 1000.0)
    assert result.nav.tolist() == [1_000_000, 1_002_000, 1_003_000]
    assert result.turnover.tolist() == pytest.approx([0, 0.05, 0])
    assert result.exposure["long"].tolist() == pytest.approx([0, 102_000 / 1_002_000, 103_000 / 1_003_000])


def test_a_longer_delay_is_a_later_open():
    prices = bars(flat(90), flat(91), flat(100), flat(101))
    result = run(prices, [(0, "A")], execution=Execution(delay=2))
    assert result.fills["price"].tolist() == [100.0]


def test_stop_inside_the_bar_fills_at_the_level():
    prices = bars(flat(100), (100, 101, 99, 100), (99, 100, 94, 96))
    result = run(prices, [(0, "A")])
    assert exits(result) == [("stop", 95.0)]
    assert result.nav.iloc[-1] == pytest.approx(1_000_000 - 1000 * 5)


def with_volume(prices: PricePanel, *volume: float) -> PricePanel:
    return replace(prices, volume=pd.DataFrame({"A": volume}, prices.sessions))


def test_volume_limits_an_entry_and_lets_an_exit_go_in_parts():
    # A tenth of the volume: 600 of the 1000 shares wanted; stopped out at 95, 250 of them, then 0, then 300 at 80, 50.
    prices = bars(
        flat(100), (100, 101, 99, 100), (99, 100, 94, 96), (90, 99, 80, 96), (80, 99, 80, 96), (97, 120, 97, 97)
    )
    prices = with_volume(prices, 1, 6000, 2500, 0, 3000, 1e9)
    result = run(prices, [(0, "A")], execution=Execution(max_volume=0.1))
    assert result.fills["shares"].tolist() == [600, -250, -300, -50]
    assert result.fills["price"].tolist() == [100, 95, 80, 97]
    assert result.holdings["A"].tolist() == [0, 600, 350, 350, 50, 0]
    assert result.events["kind"].tolist() == ["partly_filled", "unfilled", "partly_filled", "stop"]
    assert result.cash.iloc[-1] == 1_000_000 - 600 * 100 + 250 * 95 + 300 * 80 + 50 * 97
    counts = {name: result.counts[name] for name in ("entries", "stops", "cut_by_volume", "partly_filled")}
    assert counts == {"entries": 1, "stops": 1, "cut_by_volume": 1, "partly_filled": 2}
    assert any("lack of volume" in line for line in result.warnings)
    trip = result.trades.iloc[0]
    assert (len(result.trades), trip["shares"], trip["exit_session"]) == (1, 600, prices.sessions[5])


def test_an_entry_and_an_exit_of_one_session_share_its_volume():
    prices = with_volume(bars(flat(100), (100, 101, 94, 96), flat(97), flat(98)), 1, 8000, 1e6, 1e6)
    result = run(prices, [(0, "A")], execution=Execution(max_volume=0.1))
    assert result.fills["shares"].tolist() == [800, -800]  # the entry took it all, so the stop left at the next open
    assert result.fills["price"].tolist() == [100, 97]
    lots = run(prices, [(0, "A")], execution=Execution(max_volume=0.1, lot=300))
    assert lots.fills["shares"].tolist() == [600, -600]
    none = run(prices, [(0, "A")], execution=Execution(max_volume=0.01, lot=300))
    assert none.events["detail"].tolist() == ["less than a lot or a millionth of NAV is in its volume"]


def test_gap_through_the_stop_fills_at_the_open():
    # Bought at 100, stop 95; the next bar opens at 80.
    result = run(bars(flat(100), (100, 101, 99, 100), (80, 85, 79, 84)), [(0, "A")])
    assert exits(result) == [("stop", 80.0)]
    assert "jumped" in result.events["detail"].iloc[0]


def test_an_open_exactly_at_the_level_is_a_gap():
    result = run(bars(flat(100), flat(100), (95, 96, 94, 95)), [(0, "A")])
    assert result.events["detail"].tolist() == ["the open jumped over the level"]


def test_target_inside_the_bar_and_gap_over_it():
    assert exits(run(bars(flat(100), flat(100), (105, 112, 104, 111)), [(0, "A")])) == [("target", 110.0)]
    assert exits(run(bars(flat(100), flat(100), (115, 116, 114, 115)), [(0, "A")])) == [("target", 115.0)]


def test_levels_that_are_touched_are_hit():
    assert exits(run(bars(flat(100), flat(100), (100, 101, 95, 96)), [(0, "A")])) == [("stop", 95.0)]
    assert exits(run(bars(flat(100), flat(100), (100, 110.00000000000001, 99, 100)), [(0, "A")])) == [("target", 110.0)]
    assert exits(run(bars(flat(100), flat(100), (95, 96, 94, 95)), [(0, "A")])) == [("stop", 95.0)]


def test_stop_counts_from_the_entry_bar_on():
    result = run(bars(flat(100), (100, 101, 90, 92), flat(92)), [(0, "A")])
    assert exits(result) == [("stop", 95.0)]
    assert result.events["session"].iloc[0] == result.sessions[1]
    assert (result.holdings == 0).all(axis=None)


def test_levels_come_from_the_fill_price_not_the_signal_close():
    # Signal close 100, fill 120: the stop is 114, not 95.
    assert exits(run(bars(flat(100), flat(120), (118, 119, 113, 115)), [(0, "A")])) == [("stop", 114.0)]


def test_both_levels_in_one_bar_stop_first_and_optimistic_reverses_it():
    prices = bars(flat(100), flat(100), (100, 111, 94, 100))
    assert exits(run(prices, [(0, "A")])) == [("stop", 95.0)]
    result = run(prices, [(0, "A")], optimistic=True)
    assert exits(result) == [("target", 110.0)]
    assert any("optimistic" in line for line in result.warnings)


def test_optimistic_does_not_undo_a_gap_or_a_plain_stop():
    assert exits(run(bars(flat(100), flat(100), (80, 120, 79, 100)), [(0, "A")], optimistic=True)) == [("stop", 80.0)]
    assert exits(run(bars(flat(100), flat(100), (100, 101, 94, 100)), [(0, "A")], optimistic=True)) == [("stop", 95.0)]


def test_signal_exit_fills_at_the_open_and_precedes_the_stop():
    # The bar would have hit the stop at 95; the exit signal of the session before is served at its open, 98.
    prices = bars(flat(100), flat(100), (98, 99, 90, 91))
    assert exits(run(prices, [(0, "A")], [(1, "A")])) == [("signal_exit", 98.0)]
    # Also where the open itself has jumped over the stop.
    assert exits(run(bars(flat(100), flat(100), flat(80)), [(0, "A")], [(1, "A")])) == [("signal_exit", 80.0)]


def test_an_exit_signal_without_a_position_does_nothing():
    result = run(bars(flat(100), flat(100), flat(100)), [], [(0, "A"), (1, "A")])
    assert len(result.fills) == 0
    assert result.nav.eq(1_000_000).all()


def test_time_exit_at_the_open_max_holding_sessions_after_the_entry():
    prices = bars(*(flat(100 + i) for i in range(8)))
    result = run(prices, [(0, "A")], rule=Rule(max_holding=3, take_profit=0))
    assert exits(result) == [("time_exit", 104.0)]  # entered at the open of session 1, out at that of session 4
    assert result.events["session"].iloc[0] == prices.sessions[4]


def test_no_reentry_at_the_open_of_the_exit_but_at_the_next():
    prices = bars(*(flat(100) for _ in range(6)))
    result = run(prices, [(i, "A") for i in range(6)], rule=Rule(max_holding=2))
    bought = result.fills[result.fills["shares"] > 0]["session"]
    assert bought.tolist() == [prices.sessions[1], prices.sessions[4]]


def test_stopped_inside_the_bar_may_enter_at_the_next_open():
    prices = bars(flat(100), (100, 100, 94, 95), flat(96), flat(96))
    result = run(prices, [(0, "A"), (1, "A")])
    assert result.fills["price"].tolist() == [100.0, 95.0, 96.0]


def test_priority_then_asset_id_fill_the_slots():
    assets = ("D", "C", "B", "A")
    prices = bars(*(flat(100) * 4 for _ in range(3)), assets=assets)
    everything = [(0, asset) for asset in assets]
    ties = run(prices, everything, rule=Rule(max_positions=2))
    assert ties.fills["asset"].tolist() == ["A", "B"]
    ranked = run(prices, everything, priority={"D": 0.9, "B": 0.8}, rule=Rule(max_positions=3))
    assert ranked.fills["asset"].tolist() == ["D", "B", "A"]


def test_many_candidates_are_served_in_order():
    assets = tuple(f"A{i:02d}" for i in range(30))
    prices = bars(*(flat(100) * 30 for _ in range(3)), assets=assets)
    order = np.random.default_rng(0).permutation(30)
    rule = Rule(size=0.01, max_positions=20)
    priority = {asset: float(rank // 2) for asset, rank in zip(assets, order, strict=True)}
    result = run(prices, [(0, asset) for asset in assets], priority=priority, rule=rule)
    expected = sorted(assets, key=lambda asset: (-priority[asset], asset))[:20]
    assert result.fills["asset"].tolist() == expected


def test_an_unknown_priority_comes_last():
    prices = bars(*(flat(100) * 3 for _ in range(3)), assets=("A", "B", "C"))
    result = run(prices, [(0, a) for a in "ABC"], priority={"A": math.nan, "B": -5.0, "C": math.nan})
    assert result.fills["asset"].tolist() == ["B", "A", "C"]


def test_slot_freed_at_the_open_is_used_at_that_open():
    prices = bars(*(flat(100) * 2 for _ in range(4)), assets=("A", "B"))
    result = run(prices, [(0, "A"), (1, "B")], [(1, "A")], rule=Rule(max_positions=1))
    assert result.fills[["session", "asset"]].to_numpy().tolist() == [
        [prices.sessions[1], "A"],
        [prices.sessions[2], "A"],
        [prices.sessions[2], "B"],
    ]


def test_slot_freed_by_a_gap_is_free_at_that_open():
    prices = bars(flat(100) * 2, flat(100) * 2, flat(80) + flat(100), assets=("A", "B"))
    result = run(prices, [(0, "A"), (1, "B")], rule=Rule(max_positions=1))
    assert result.fills["asset"].tolist() == ["A", "A", "B"]


def test_slot_freed_inside_the_bar_waits_for_the_next_session():
    prices = bars(flat(100) * 2, flat(100) * 2, (100, 100, 94, 95, *flat(100)), flat(95) + flat(100), assets=("A", "B"))
    late = run(prices, [(0, "A"), (1, "B")], rule=Rule(max_positions=1))
    assert late.fills["asset"].tolist() == ["A", "A"]  # B's order met a full book at the open and lapsed
    again = run(prices, [(0, "A"), (1, "B"), (2, "B")], rule=Rule(max_positions=1))
    assert again.fills["asset"].tolist() == ["A", "A", "B"]
    assert again.fills["session"].iloc[-1] == prices.sessions[3]


def test_cash_freed_at_the_open_is_used_at_that_open():
    prices = bars(*(flat(100) * 2 for _ in range(4)), assets=("A", "B"))
    result = run(prices, [(0, "A"), (1, "B")], [(1, "A")], rule=Rule(size=1.0))
    assert result.fills["shares"].tolist() == pytest.approx([10_000, -10_000, 10_000])
    kept = run(prices, [(0, "A"), (1, "B")], rule=Rule(size=1.0))
    assert kept.fills["asset"].tolist() == ["A"]
    assert kept.counts["sessions_without_cash"] == 1


def test_size_is_of_nav_marked_at_that_open():
    # A is worth 150 at the open at which B is bought: NAV is 1,000,000 + 1,000·50 there.
    rows = [flat(100) * 2, flat(100) * 2, flat(150) + flat(100)]
    prices = bars(*rows, assets=("A", "B"))
    result = run(prices, [(0, "A"), (1, "B")], rule=Rule(take_profit=0))
    assert result.fills["value"].tolist() == pytest.approx([100_000, 105_000])


def test_cash_never_goes_negative_with_costs():
    prices = bars(flat(100) * 3, flat(100) * 3, flat(100) * 3, assets=("A", "B", "C"))
    for costs in (CostModel(commission_bps=100), CostModel(commission_bps=50, impact_bps=200, minimum_fee=5)):
        result = run(prices, [(0, a) for a in "ABC"], rule=Rule(size=0.4), costs=costs)
        assert result.fills["value"].iloc[:2].tolist() == pytest.approx([400_000, 400_000])
        third = result.fills.iloc[2]
        assert third["value"] < 200_000
        assert 0 <= result.cash.iloc[-1] < 1e-3
        assert result.counts["cut_by_cash"] == 1


def test_costs_by_kind():
    prices = bars(flat(100), flat(100), flat(100), flat(100))
    costs = CostModel(commission_bps=10, spread_bps=5, minimum_fee=150, impact_bps=10)
    result = run(prices, [(0, "A")], [(1, "A")], costs=costs)
    entry = result.costs.iloc[1]
    assert entry["commission"] == pytest.approx(100)
    assert entry["spread"] == pytest.approx(50)
    assert entry["minimum_fee"] == pytest.approx(50)
    assert entry["impact"] == pytest.approx(100_000 * 0.1 * 0.001)
    paid = result.costs.sum(axis="columns")
    assert result.fills["cost"].tolist() == pytest.approx([paid.iloc[1], paid.iloc[2]])
    assert result.nav.iloc[-1] == pytest.approx(1_000_000 - paid.sum())
    before = result.nav.shift(1).fillna(1_000_000)
    np.testing.assert_allclose(result.gross_returns, result.returns + paid / before, atol=1e-15)


def test_square_root_impact_reads_volume_before_the_fill():
    rng = np.random.default_rng(0)
    closes = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 30)))
    prices = bars(*(flat(c) for c in closes))
    volume = pd.DataFrame(rng.uniform(1e4, 2e4, (30, 1)), prices.sessions, ["A"])
    result = run(
        replace(prices, volume=volume),
        [(20, "A")],
        rule=Rule(stop_loss=0, take_profit=0),
        costs=replace(FREE, sqrt_impact=0.5),
    )
    volatility = (closes[1:21] / closes[:20] - 1).std(ddof=1)
    shares = 100_000 / closes[21]
    expected = 0.5 * volatility * math.sqrt(shares / volume["A"].iloc[1:21].mean()) * 100_000
    assert result.costs["sqrt_impact"].iloc[21] == pytest.approx(expected)


def test_short_side_by_hand():
    rule = Rule(side=-1)
    assert exits(run(bars(flat(100), flat(100), (101, 106, 100, 104)), [(0, "A")], rule=rule)) == [("stop", 105.0)]
    assert exits(run(bars(flat(100), flat(100), flat(120)), [(0, "A")], rule=rule)) == [("stop", 120.0)]
    assert exits(run(bars(flat(100), flat(100), (99, 100, 89, 91)), [(0, "A")], rule=rule)) == [("target", 90.0)]
    assert exits(run(bars(flat(100), flat(100), flat(80)), [(0, "A")], rule=rule)) == [("target", 80.0)]
    result = run(bars(flat(100), flat(100), flat(100)), [(0, "A")], rule=rule, costs=replace(FREE, borrow_bps=252))
    assert result.costs["borrow"].tolist() == pytest.approx([0, 0, 100_000 * 0.0001])
    assert result.cash.tolist() == pytest.approx([1_000_000, 1_100_000, 1_100_000 - 10])
    assert result.exposure["short"].tolist() == pytest.approx([0, -0.1, -100_000 / 999_990])


def test_shorts_together_stay_within_max_gross():
    prices = bars(*(flat(100) * 3 for _ in range(3)), assets=("A", "B", "C"))
    result = run(prices, [(0, a) for a in "ABC"], rule=Rule(side=-1, size=0.4), execution=Execution(max_gross=1.0))
    assert result.fills["value"].tolist() == pytest.approx([-400_000, -400_000, -200_000])


def test_ruin_closes_the_book():
    prices = bars(flat(100), flat(100), flat(400), flat(100))
    rule = Rule(side=-1, size=1.0, stop_loss=0, take_profit=0)
    result = run(prices, [(0, "A"), (2, "A")], rule=rule)
    assert result.nav.tolist() == [1_000_000, 1_000_000, -2_000_000, -2_000_000]
    assert result.events["kind"].tolist() == ["ruin"]
    assert result.returns.iloc[-1] == 0
    assert (result.holdings.iloc[2:] == 0).all(axis=None)


def test_entry_without_an_open_is_unfilled_and_takes_no_slot():
    nan = (math.nan,) * 4
    prices = bars(flat(100) * 2, nan + flat(100), flat(100) * 2, assets=("A", "B"))
    result = run(prices, [(0, "A"), (0, "B")], priority={"A": 1.0}, rule=Rule(max_positions=1))
    assert result.fills["asset"].tolist() == ["B"]
    assert result.counts["unfilled_orders"] == 1
    assert result.events[["asset", "kind"]].to_numpy().tolist() == [["A", "unfilled"]]


def test_exit_without_an_open_is_tried_again():
    nan = (math.nan,) * 4
    prices = bars(flat(100), flat(100), nan, nan, flat(97), flat(97))
    result = run(prices, [(0, "A")], [(1, "A")])
    assert result.events["kind"].tolist() == ["unfilled", "unfilled", "signal_exit"]
    assert result.fills["price"].tolist() == [100.0, 97.0]
    assert result.nav.tolist() == pytest.approx([1e6, 1e6, 1e6, 1e6, 997_000, 997_000])


def test_prices_that_end_close_the_holding_at_the_last_close():
    nan = (math.nan,) * 4
    prices = bars(
        flat(100) * 2,
        flat(100) * 2,
        (99, 99, 98, 98, *flat(100)),
        *(nan + flat(100) for _ in range(4)),
        assets=("A", "B"),
    )
    result = run(prices, [(0, "A")], execution=Execution(stale_limit=3))
    assert result.events[["session", "kind"]].to_numpy().tolist() == [[prices.sessions[5], "forced_exit"]]
    assert result.counts["forced_exits"] == 1
    assert result.nav.iloc[-1] == pytest.approx(1_000_000 - 2 * 1000)
    assert result.holdings["A"].tolist() == [0, 1000, 1000, 1000, 1000, 0, 0]
    assert any("prices ended" in line for line in result.warnings)
    assert result.trades["exit_price"].tolist() == [98.0]


def test_bar_without_an_open_below_the_stop_does_not_fill_at_the_stop():
    prices = bars(flat(100), flat(100), (math.nan, 90, 88, 89))
    assert exits(run(prices, [(0, "A")])) == [("stop", 90.0)]


def test_open_position_at_the_end_is_marked_not_sold():
    result = run(bars(flat(100), flat(100), flat(103)), [(0, "A")])
    assert len(result.fills) == 1
    assert result.counts["open_at_the_end"] == 1
    assert result.nav.iloc[-1] == pytest.approx(1_003_000)


def test_lots_round_down():
    result = run(bars(flat(333), flat(333), flat(333)), [(0, "A")], execution=Execution(lot=10))
    assert result.fills["shares"].tolist() == [300.0]


def test_signals_on_a_part_of_the_panel():
    rng = np.random.default_rng(1)
    prices = random_market(rng, 40, 5)
    part = prices.select(["A3", "A1"]).between(prices.sessions[10], None)
    wanted = random_signals(rng, part)
    whole = simulate_entries(prices, wanted, Rule())
    alone = simulate_entries(part, wanted, Rule())
    pd.testing.assert_series_equal(whole.nav, alone.nav, check_freq=False)
    assert whole.fills["asset"].tolist() == alone.fills["asset"].tolist()


def test_keep_returns_has_the_same_numbers_and_no_tables():
    rng = np.random.default_rng(2)
    prices = random_market(rng, 60, 5)
    wanted = random_signals(rng, prices)
    full, short = (simulate_entries(prices, wanted, Rule(), keep=keep) for keep in ("all", "returns"))
    pd.testing.assert_series_equal(full.nav, short.nav)
    assert short.holdings is None
    with pytest.raises(InputError, match="keeps none"):
        _ = short.fills


# --- the oracle: slow, plain, written on its own


def oracle(
    prices: PricePanel,
    wanted: EntrySignals,
    rule: Rule,
    costs: CostModel,
    delay: int,
    stale_limit: int,
    optimistic: bool,
):
    """NAV, cash and trades by walking every session and asset with label look-ups."""
    cash, book, navs, cashes, log = 1_000_000.0, {}, [], [], []
    rate = (costs.commission_bps + costs.spread_bps) / 1e4
    up = rule.side > 0
    last_short = 0.0

    def at(name, day, asset):
        return float(getattr(prices, name).loc[day, asset])

    for number, day in enumerate(prices.sessions):
        decided = prices.sessions[number - delay] if number >= delay else None
        carry = last_short * costs.borrow_bps / 1e4 / 252
        for asset, lot in book.items():
            if not math.isnan(at("open", day, asset)):
                lot["mark"] = at("open", day, asset)
        nav = cash + sum(lot["n"] * lot["mark"] for lot in book.values())
        gone = set()

        def sell(asset, price, kind):
            nonlocal cash
            lot = book.pop(asset)
            cash += lot["n"] * price - abs(lot["n"]) * price * rate
            log.append((day, asset, kind, round(price, 9)))  # noqa: B023

        for asset in list(book):
            lot = book[asset]
            price = at("open", day, asset)
            if decided is not None and bool(wanted.exit.loc[decided, asset]):
                lot["out"] = "signal_exit"
            elif rule.max_holding and number - lot["day"] >= rule.max_holding and lot["out"] is None:
                lot["out"] = "time_exit"
            if math.isnan(price):
                continue
            stop, goal = lot["stop"], lot["goal"]
            reason = lot["out"]
            if reason is None and stop is not None and (price <= stop if up else price >= stop):
                reason = "stop"
            if reason is None and goal is not None and (price >= goal if up else price <= goal):
                reason = "target"
            if reason is not None:
                sell(asset, price, reason)
                gone.add(asset)
        if decided is not None:
            names = [a for a in prices.assets if bool(wanted.enter.loc[decided, a])]
            for asset in sorted(names, key=lambda a: (-wanted.priority.loc[decided, a], a)):
                price = at("open", day, asset)
                full = rule.max_positions and len(book) >= rule.max_positions
                if full or asset in book or asset in gone or math.isnan(price):
                    continue
                value = rule.size * nav
                if up:
                    value = min(value, cash / (1 + rate))
                else:
                    value = min(value, 2.0 * nav - sum(abs(lot["n"]) * lot["mark"] for lot in book.values()))
                if value < 1e-5:
                    continue
                n = value / price if up else -value / price
                cash -= n * price + value * rate
                stop = price * (1 - rule.stop_loss if up else 1 + rule.stop_loss) if rule.stop_loss else None
                goal = price * (1 + rule.take_profit if up else 1 - rule.take_profit) if rule.take_profit else None
                book[asset] = {
                    "n": n,
                    "day": number,
                    "stop": stop,
                    "goal": goal,
                    "mark": price,
                    "blind": 0,
                    "out": None,
                }
                log.append((day, asset, "entry", round(price, 9)))
        for asset in list(book):
            lot = book[asset]
            low, high = at("low", day, asset), at("high", day, asset)
            if up:
                bad = lot["stop"] is not None and low <= lot["stop"]
                good = lot["goal"] is not None and high >= lot["goal"]
            else:
                bad = lot["stop"] is not None and high >= lot["stop"]
                good = lot["goal"] is not None and low <= lot["goal"]
            if bad and good:
                bad, good = (False, True) if optimistic else (True, False)
            if bad:
                sell(asset, min(max(lot["stop"], low), high), "stop")
            elif good:
                sell(asset, min(max(lot["goal"], low), high), "target")
        cash -= carry
        for asset in list(book):
            lot = book[asset]
            close = at("close", day, asset)
            if math.isnan(close):
                lot["blind"] += 1
                if lot["blind"] >= stale_limit:
                    cash += lot["n"] * lot["mark"]
                    log.append((day, asset, "forced_exit", round(lot["mark"], 9)))
                    del book[asset]
            else:
                lot["mark"], lot["blind"] = close, 0
        last_short = sum(-lot["n"] * lot["mark"] for lot in book.values() if lot["n"] < 0)
        navs.append(cash + sum(lot["n"] * lot["mark"] for lot in book.values()))
        cashes.append(cash)
    return navs, cashes, log


def random_market(rng, sessions: int, assets: int, holes: float = 0.0, volatility: float = 0.03) -> PricePanel:
    """Bars with overnight gaps; an asset may pause, and one may end."""
    night = rng.normal(0, volatility * 0.6, (sessions, assets))
    day = rng.normal(0, volatility, (sessions, assets))
    close = 100 * np.exp(np.cumsum(night + day, axis=0))
    opened = close / np.exp(day)
    high = np.maximum(opened, close) * np.exp(np.abs(rng.normal(0, volatility / 2, (sessions, assets))))
    low = np.minimum(opened, close) * np.exp(-np.abs(rng.normal(0, volatility / 2, (sessions, assets))))
    cells = {"open": opened, "high": high, "low": low, "close": close}
    if holes:
        gone = rng.random((sessions, assets)) < holes
        gone[int(sessions * 0.7) :, 0] = True
        for array in cells.values():
            array[gone] = np.nan
            array[rng.random((sessions, assets)) < holes / 3] = np.nan
    index = pd.bdate_range("2020-01-01", periods=sessions)
    names = [f"A{i}" for i in range(assets)]
    return PricePanel(**{name: pd.DataFrame(array, index, names) for name, array in cells.items()})


def random_signals(rng, prices: PricePanel, often: float = 0.3, apart: bool = False) -> EntrySignals:
    """Entries and exits at random, never both in a cell if `apart`, with coarse priorities so that ties are common."""

    def frame(cells):
        return pd.DataFrame(cells, prices.sessions, prices.assets)

    enter = rng.random(prices.shape) < often
    leave = (rng.random(prices.shape) < 0.1) & (rng.random() < 0.8)
    if apart:
        leave &= ~enter
    return EntrySignals(frame(enter), frame(leave), frame(rng.integers(0, 3, prices.shape) / 2))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    stop=st.sampled_from([0.0, 0.02, 0.05]),
    target=st.sampled_from([0.0, 0.03, 0.06]),
    size=st.sampled_from([0.1, 0.3, 0.6]),
    cap=st.sampled_from([0, 1, 3]),
    age=st.sampled_from([0, 1, 7]),
    side=st.sampled_from([1, 1, -1]),
    delay=st.sampled_from([1, 2]),
    holes=st.sampled_from([0.0, 0.1]),
    optimistic=st.booleans(),
)
def test_equal_to_the_oracle(seed, stop, target, size, cap, age, side, delay, holes, optimistic):
    rng = np.random.default_rng(seed)
    prices = random_market(rng, 40, 5, holes)
    wanted = random_signals(rng, prices)
    rule = Rule(stop_loss=stop, take_profit=target, size=size, max_positions=cap, max_holding=age, side=side)
    costs = CostModel(commission_bps=7, spread_bps=3, borrow_bps=200, financing_bps=0)
    execution = Execution(delay=delay, stale_limit=4)
    result = simulate_entries(prices, wanted, rule, costs=costs, execution=execution, optimistic=optimistic)
    navs, cashes, log = oracle(prices, wanted, rule, costs, delay, 4, optimistic)
    np.testing.assert_allclose(result.nav, navs, rtol=1e-11)
    np.testing.assert_allclose(result.cash, cashes, rtol=0, atol=1e-4)
    ours = [(e.session, e.asset, e.kind) for e in result.events.itertuples() if e.kind != "unfilled"]
    assert sorted(ours) == sorted((day, asset, kind) for day, asset, kind, _ in log if kind != "entry")
    entries = result.fills[np.sign(result.fills["shares"]) == side]
    assert list(zip(entries["session"], entries["asset"], entries["price"].round(9), strict=True)) == [
        (day, asset, price) for day, asset, kind, price in log if kind == "entry"
    ]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, -1]), st.sampled_from([0, 2]))
def test_cash_and_positions_are_nav_and_fills_explain_the_cash(seed, side, cap):
    rng = np.random.default_rng(seed)
    prices = random_market(rng, 50, 6, 0.05)
    rule = Rule(size=0.4, max_positions=cap, max_holding=9, side=side)
    costs = CostModel(commission_bps=10, spread_bps=2, impact_bps=5, minimum_fee=20, borrow_bps=100)
    result = simulate_entries(prices, random_signals(rng, prices), rule, costs=costs)
    mark = pd.DataFrame(
        np.where(prices.close.isna(), prices.open, prices.close), prices.sessions, prices.assets
    ).ffill()
    worth = (result.holdings * mark.fillna(0.0)).sum(axis="columns")
    np.testing.assert_allclose(result.cash + worth, result.nav, rtol=1e-9)
    flows = result.fills.assign(out=result.fills["value"] + result.fills["cost"]).groupby("session")["out"].sum()
    carried = result.costs[["borrow", "financing"]].sum(axis="columns")
    cash = 1_000_000 - (flows.reindex(prices.sessions, fill_value=0.0) + carried).cumsum()
    np.testing.assert_allclose(result.cash, cash, rtol=1e-9, atol=1e-4)
    shares = result.fills.pivot_table(index="session", columns="asset", values="shares", aggfunc="sum")
    shares = shares.reindex(index=prices.sessions, columns=prices.assets).fillna(0.0).cumsum()
    np.testing.assert_allclose(result.holdings, shares, atol=1e-6)
    charged = result.fills.groupby("session")["cost"].sum().reindex(prices.sessions, fill_value=0.0)
    np.testing.assert_allclose(
        result.costs.drop(columns=["borrow", "financing"]).sum(axis="columns"), charged, atol=1e-6
    )
    if side > 0:
        assert (result.cash >= 0).all()
    if cap:
        assert ((result.holdings != 0).sum(axis="columns") <= cap).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 45))
def test_the_future_changes_nothing(seed, cut):
    rng = np.random.default_rng(seed)
    prices = random_market(rng, 50, 4, 0.05)
    wanted = random_signals(rng, prices)
    other_prices = random_market(rng, 50, 4, 0.3)
    other_wanted = random_signals(rng, prices)

    def spliced(frame, other):
        return pd.concat([frame.iloc[:cut], other.iloc[cut:]])

    altered = PricePanel(**{name: spliced(getattr(prices, name), getattr(other_prices, name)) for name in FIELDS})
    signs = EntrySignals(
        *(spliced(getattr(wanted, n), getattr(other_wanted, n)) for n in ("enter", "exit", "priority"))
    )
    rule = Rule(max_holding=6, size=0.3)
    first, second = simulate_entries(prices, wanted, rule), simulate_entries(altered, signs, rule)
    for name in ("nav", "cash", "turnover", "returns", "gross_returns", "holdings", "costs", "exposure"):
        assert getattr(first, name).iloc[:cut].equals(getattr(second, name).iloc[:cut]), name
    horizon = prices.sessions[cut]
    assert first.fills[first.fills["session"] < horizon].equals(second.fills[second.fills["session"] < horizon])
    assert first.events[first.events["session"] < horizon].equals(second.events[second.events["session"] < horizon])


def test_permuted_columns_change_nothing():
    rng = np.random.default_rng(7)
    prices = random_market(rng, 80, 6, 0.05)
    wanted = random_signals(rng, prices)
    order = ["A4", "A0", "A5", "A2", "A1", "A3"]
    shuffled = EntrySignals(*(getattr(wanted, name)[order] for name in ("enter", "exit", "priority")))
    for panel in (prices, prices.select(order)):
        result = simulate_entries(panel, shuffled, Rule())
        np.testing.assert_allclose(result.nav, simulate_entries(prices, wanted, Rule()).nav, rtol=1e-13)


# --- vectorbt


def halves(prices: PricePanel, wanted: EntrySignals) -> dict[str, pd.DataFrame]:
    """Each session as two bars, the open and the day after it, so that vectorbt checks stops on the entry bar too.

    It ignores an entry and an exit on one bar; ours enters what is not held. The signals must not have both.
    """
    assert not (wanted.enter & wanted.exit).to_numpy().any()
    count = len(prices.sessions)

    def twice(first, second):
        out = np.empty((2 * count, first.shape[1]), dtype=first.dtype)
        out[0::2], out[1::2] = first, second
        return pd.DataFrame(out, columns=prices.assets)

    def delayed(frame):
        cells = frame.shift(1, fill_value=False).to_numpy()
        return twice(cells, np.zeros_like(cells))

    o, h, low, c = (getattr(prices, name).to_numpy() for name in FIELDS)
    return {
        "open": twice(o, o),
        "high": twice(o, h),
        "low": twice(o, low),
        "close": twice(o, c),
        "entries": delayed(wanted.enter),
        "exits": delayed(wanted.exit),
        "price": twice(o, o),
    }


VECTORBT = {
    "stop_entry_price": "fillprice",
    "stop_exit_price": "stoplimit",
    "upon_stop_exit": "close",
    "accumulate": False,
    "init_cash": 1_000_000,
    "freq": "12h",
}


@pytest.mark.parametrize(("side", "fee"), [(1, 0.0), (1, 0.001), (-1, 0.0)])
def test_each_asset_alone_equals_vectorbt(side, fee):
    # A share of NAV is a share of the cash where nothing else is held, which vectorbt can say (fee included in it).
    vbt = pytest.importorskip("vectorbt")
    rng = np.random.default_rng(11)
    prices = random_market(rng, 300, 8)
    wanted = random_signals(rng, prices, often=0.15, apart=True)
    rule = Rule(stop_loss=0.03, take_profit=0.05, size=0.25, max_positions=0, side=side)
    book = vbt.Portfolio.from_signals(
        **halves(prices, wanted),
        **VECTORBT,
        size=rule.size * (1 + fee),
        size_type="percent",
        direction="longonly" if side > 0 else "shortonly",
        fees=fee,
        sl_stop=rule.stop_loss,
        tp_stop=rule.take_profit,
    )
    theirs = book.value().to_numpy()[1::2]
    kinds: set[str] = set()
    for i, asset in enumerate(prices.assets):
        alone = EntrySignals(wanted.enter[[asset]], wanted.exit[[asset]], wanted.priority[[asset]])
        ours = simulate_entries(prices, alone, rule, costs=replace(FREE, commission_bps=fee * 1e4))
        kinds.update(ours.events["kind"])
        np.testing.assert_allclose(ours.nav, theirs[:, i], rtol=1e-11, err_msg=asset)
    assert kinds == {"stop", "target", "signal_exit"}


@pytest.mark.parametrize("side", [1, -1])
def test_all_assets_together_equal_vectorbt_given_the_shares(side):
    # vectorbt has no share of NAV for signals: it is told our entries' shares, and has to find all the rest itself.
    vbt = pytest.importorskip("vectorbt")
    rng = np.random.default_rng(12)
    prices = random_market(rng, 300, 8)
    wanted = random_signals(rng, prices, often=0.15, apart=True)
    rule = Rule(stop_loss=0.03, take_profit=0.05, size=0.05, max_positions=0, side=side)
    ours = simulate_entries(prices, wanted, rule, costs=replace(FREE, commission_bps=8, spread_bps=2))
    entries = ours.fills[np.sign(ours.fills["shares"]) == side]
    shares = entries.pivot(index="session", columns="asset", values="shares").abs()
    shares = shares.reindex(index=prices.sessions, columns=prices.assets).fillna(0.0).to_numpy()
    book = vbt.Portfolio.from_signals(
        **halves(prices, wanted),
        **VECTORBT,
        size=np.repeat(shares, 2, axis=0),
        direction="longonly" if side > 0 else "shortonly",
        fees=0.001,
        sl_stop=rule.stop_loss,
        tp_stop=rule.take_profit,
        cash_sharing=True,
        group_by=True,
    )
    np.testing.assert_allclose(ours.nav, book.value().to_numpy()[1::2], rtol=1e-11)
    assert len(book.orders.records) == len(ours.fills)


def test_confidence_on_real_prices_equals_vectorbt(real_prices_path):
    vbt = pytest.importorskip("vectorbt")
    from assay.data.files.prices import load_prices

    prices = load_prices(real_prices_path, repair="drop")
    whole = [asset for asset in prices.assets if not any(getattr(prices, name)[asset].isna().any() for name in FIELDS)][
        :12
    ]
    prices = prices.select(whole)
    assert len(whole) == 12
    rng = np.random.default_rng(3)
    cells = pd.DataFrame(rng.beta(9, 7, prices.shape), prices.sessions, prices.assets)
    rule = Confidence(max_positions=0, max_holding=0)
    wanted = rule.signals(PredictionPanel(None, probability_up=cells), prices)
    book = vbt.Portfolio.from_signals(
        **halves(prices, wanted),
        **VECTORBT,
        size=rule.size * 1.0005,
        size_type="percent",
        fees=0.0005,
        sl_stop=rule.stop_loss,
        tp_stop=rule.take_profit,
    )
    theirs = book.value().to_numpy()[1::2]
    for i, asset in enumerate(whole):
        alone = EntrySignals(wanted.enter[[asset]], wanted.exit[[asset]], wanted.priority[[asset]])
        ours = simulate_entries(prices, alone, rule)
        assert ours.counts["entries"] > 50
        np.testing.assert_allclose(ours.nav, theirs[:, i], rtol=1e-11, err_msg=asset)


# --- the confidence rule


def probabilities(cells, prices: PricePanel) -> PredictionPanel:
    frame = pd.DataFrame(np.array(cells, dtype=float).reshape(prices.shape), prices.sessions, prices.assets)
    return PredictionPanel(None, probability_up=frame)


def test_confidence_signals_by_hand():
    prices = bars(*(flat(100) for _ in range(6)))
    wanted = Confidence().signals(probabilities([0.7, 0.71, 0.5, 0.49, math.nan, 0.9], prices), prices)
    assert wanted.enter["A"].tolist() == [False, True, False, False, False, True]
    assert wanted.exit["A"].tolist() == [False, False, False, True, False, False]
    close = prices.close.copy()
    close.iloc[1] = math.nan
    gap = PricePanel(close)
    assert not Confidence().signals(probabilities([0.7, 0.71, 0.5, 0.49, math.nan, 0.9], prices), gap).enter.iloc[1, 0]


def test_confidence_runs_by_hand():
    # Enters at the open of session 2 (100); 2% below is 98, hit in session 3.
    prices = bars(flat(90), flat(95), (100, 101, 99, 100), (99, 100, 97, 98), flat(98), flat(98))
    rule = Confidence()
    wanted = rule.signals(probabilities([0.6, 0.8, 0.8, 0.6, 0.6, 0.6], prices), prices)
    result = simulate_entries(prices, wanted, rule)
    assert exits(result) == [("stop", 98.0)]
    assert result.fills["value"].tolist() == pytest.approx([100_000, -98_000])
    assert result.nav.iloc[-1] == pytest.approx(1_000_000 - 2_000 - 50 - 49)


def test_confidence_leaves_on_doubt_and_on_age():
    prices = bars(*(flat(100 + 0.01 * i) for i in range(30)))
    rule = Confidence()
    doubt = rule.signals(probabilities([0.9] + [0.6] * 4 + [0.4] + [0.6] * 24, prices), prices)
    assert exits(simulate_entries(prices, doubt, rule)) == [("signal_exit", 100.06)]
    aged = rule.signals(probabilities([0.9] + [0.6] * 29, prices), prices)
    assert exits(simulate_entries(prices, aged, rule)) == [("time_exit", 100.21)]


def test_confidence_is_an_entry_rule_set_up_as_published():
    rule = Confidence()
    assert isinstance(rule, EntryRule)
    assert (rule.enter_above, rule.exit_below, rule.stop_loss, rule.take_profit) == (0.7, 0.5, 0.02, 0.04)
    assert (rule.size, rule.max_positions, rule.max_holding, rule.side) == (0.1, 3, 20, 1)


# --- bad input


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"execution": Execution(fill="close")}, "fills at the open"),
        ({"execution": Execution(delay=0, same_close=True)}, "fills at the open"),
        ({"execution": Execution(accounting="constant_weight")}, "self_financing"),
        ({"rule": Rule(size=0.0)}, "size"),
        ({"rule": Rule(size=3.0)}, "size"),
        ({"rule": Rule(stop_loss=-0.1)}, "stop_loss"),
        ({"rule": Rule(stop_loss=1.0)}, "stop_loss"),
        ({"rule": Rule(side=-1, take_profit=1.0)}, "take_profit"),
        ({"rule": Rule(side=0)}, "side"),
        ({"rule": Rule(stop_loss=math.nan)}, "stop_loss"),
        ({"rule": Rule(take_profit=math.inf)}, "take_profit"),
        ({"rule": Rule(max_positions=-1)}, "max_positions"),
        ({"rule": Rule(max_holding=-1)}, "max_holding"),
    ],
)
def test_what_cannot_be_run_is_refused(options, match):
    prices = bars(flat(100), flat(100))
    with pytest.raises(InputError, match=match):
        run(prices, [(0, "A")], **options)


def test_prices_without_bars_are_refused():
    prices = bars(flat(100), flat(100))
    with pytest.raises(InputError, match="needs open, high, low"):
        run(PricePanel(prices.close), [(0, "A")])
    with pytest.raises(InputError, match="needs open, high, low"):
        run(PricePanel(prices.close, open=prices.open), [(0, "A")])
    assert len(run(PricePanel(prices.close, open=prices.open), [(0, "A")], rule=Rule(stop_loss=0, take_profit=0)).fills)


def test_signals_that_do_not_match_are_refused():
    prices = bars(flat(100), flat(100))
    good = signals(prices, [(0, "A")])
    with pytest.raises(InputError, match="exit differ"):
        simulate_entries(prices, replace(good, exit=good.exit.iloc[:1]), Rule())
    later = [frame.set_axis(frame.index + pd.Timedelta(days=400)) for frame in (good.enter, good.exit, good.priority)]
    with pytest.raises(InputError, match="2 sessions absent from prices, first 2021-02-04"):
        simulate_entries(prices, EntrySignals(*later), Rule())
    named = [frame.set_axis(["Z"], axis="columns") for frame in (good.enter, good.exit, good.priority)]
    with pytest.raises(InputError, match="'Z' absent"):
        simulate_entries(prices, EntrySignals(*named), Rule())
    empty = [frame.iloc[:0] for frame in (good.enter, good.exit, good.priority)]
    with pytest.raises(InputError, match="empty"):
        simulate_entries(prices, EntrySignals(*empty), Rule())


@pytest.mark.parametrize(
    "bad",
    [
        {"exit_below": 0.8},
        {"enter_above": 1.5},
        {"stop_loss": 1.0},
        {"stop_loss": -0.1},
        {"take_profit": -0.1},
        {"size": 0.0},
        {"size": 1.5},
        {"max_positions": -1},
        {"max_holding": 2.5},
    ],
)
def test_confidence_parameters_out_of_range(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        Confidence(**bad)


def test_confidence_without_probabilities_is_refused():
    prices = bars(flat(100), flat(100))
    with pytest.raises(InputError, match="probability_up"):
        Confidence().signals(PredictionPanel(prices.close), prices)
