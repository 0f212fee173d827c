"""Orders: what stands, what a session lets through, lots, the smallest position, and the cap on the book's gross."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.batch import simulate_batch
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.simulation import simulate

FREE = CostModel.zero()
NAN = math.nan


def frame(**columns) -> pd.DataFrame:
    length = len(next(iter(columns.values())))
    return pd.DataFrame(columns, pd.bdate_range("2020-01-01", periods=length), dtype=float)


def monthly(**columns) -> pd.DataFrame:
    """Decisions on rows 0, 5, 10 …"""
    weights = frame(**columns)
    return weights.set_axis(pd.bdate_range("2020-01-01", periods=5 * len(weights))[::5])


class TestStanding:
    def test_a_sale_on_a_holiday_is_made_the_day_after(self):
        closes = frame(A=[100.0] * 15, B=[100.0] * 15)
        closes.iloc[6, 0] = NAN
        weights = monthly(A=[1, 0, 0], B=[0, 1, 1])
        result = simulate(PricePanel(closes), weights, costs=FREE)
        assert result.holdings["A"].iloc[5:9].tolist() == [10_000, 10_000, 0, 0]
        assert result.exposure["gross"].iloc[-1] == pytest.approx(1.0)
        assert result.counts["unfilled_orders"] == 1
        assert result.events["kind"].tolist() == ["unfilled"]

    def test_without_carrying_it_waits_for_the_next_decision(self):
        closes = frame(A=[100.0] * 15, B=[100.0] * 15)
        closes.iloc[6, 0] = NAN
        weights = monthly(A=[1, 0, 0], B=[0, 1, 1])
        result = simulate(PricePanel(closes), weights, costs=FREE, execution=Execution(carry_orders=False))
        assert result.holdings["A"].iloc[10] == 10_000
        assert result.holdings["A"].iloc[11] == 0
        assert result.exposure["gross"].iloc[7:10].tolist() == pytest.approx([2.0] * 3)

    def test_a_new_decision_replaces_what_stands(self):
        closes = frame(A=[100.0, NAN, NAN, 100.0, 100.0])
        weights = frame(A=[0.5, 0.2, NAN, NAN, NAN])
        result = simulate(PricePanel(closes), weights, costs=FREE)
        assert result.fills["value"].tolist() == pytest.approx([0.2e6])
        assert result.counts["unfilled_orders"] == 2

    @pytest.mark.parametrize(("expiry", "bought"), [(1, 0), (2, 0), (3, 5000)])
    def test_an_order_expires(self, expiry, bought):
        closes = frame(A=[100.0, NAN, NAN, NAN, 100.0, 100.0])
        weights = frame(A=[0.5])
        result = simulate(PricePanel(closes), weights, costs=FREE, execution=Execution(order_expiry=expiry))
        assert result.holdings["A"].iloc[-1] == bought
        expired = result.events[result.events["kind"] == "expired"]
        assert expired["session"].tolist() == ([closes.index[1 + expiry]] if expiry < 3 else [])

    def test_a_forced_exit_ends_its_orders(self):
        closes = frame(A=[100.0, 100.0, NAN, NAN, NAN, 50.0, 50.0])
        weights = frame(A=[0.5, 0.9])
        result = simulate(PricePanel(closes), weights, costs=FREE, execution=Execution(stale_limit=2))
        assert result.events["kind"].tolist() == ["unfilled", "forced_exit"]
        assert (result.holdings["A"].iloc[3:] == 0).all()

    def test_an_order_to_sell_what_is_not_held_is_no_order(self):
        result = simulate(PricePanel(frame(A=[1.0, NAN, 1.0], B=[1.0] * 3)), frame(A=[0.0], B=[0.5]), costs=FREE)
        assert result.counts["unfilled_orders"] == 0


class TestGross:
    def test_purchases_are_cut_while_a_sale_finds_no_price(self):
        closes = frame(A=[100.0, 100.0, 100.0, NAN, NAN, 100.0, 100.0], B=[100.0] * 7)
        weights = frame(A=[1, NAN, 0], B=[0, NAN, 1])
        result = simulate(PricePanel(closes), weights, costs=FREE, execution=Execution(max_gross=1.5))
        assert result.exposure["gross"].tolist() == pytest.approx([0, 1, 1, 1.5, 1.5, 1.0, 1.0])
        assert result.holdings["B"].tolist() == pytest.approx([0, 0, 0, 5000, 5000, 10_000, 10_000])
        assert result.counts["cut_to_max_gross"] == 2
        assert "cut_to_max_gross" in result.events["kind"].tolist()

    def test_a_book_that_cannot_be_reduced_is_said_to_be_above(self):
        closes = frame(A=[100.0, 100.0, NAN, NAN], B=[100.0, 100.0, 30.0, 30.0])
        weights = frame(A=[0.7, 0.0], B=[0.7, 0.7])
        result = simulate(PricePanel(closes), weights, costs=FREE, execution=Execution(max_gross=1.4))
        above = result.events[result.events["kind"] == "above_max_gross"]
        assert above["session"].tolist() == [closes.index[2], closes.index[3]][: len(above)]
        assert result.counts["above_max_gross"] >= 1
        # A alone is 0.7m of a NAV of 0.51m; B, which was to be bought, is not.
        assert result.holdings["B"].iloc[2] == pytest.approx(7000)

    def test_a_short_bought_back_is_never_cut(self):
        closes = frame(A=[100.0, 100.0, NAN, NAN], B=[100.0, 100.0, 100.0, 100.0])
        weights = frame(A=[1.0, 0.0], B=[-1.0, 1.0])
        result = simulate(PricePanel(closes), weights, costs=FREE, execution=Execution(max_gross=2.0))
        assert result.holdings["B"].tolist() == [0, -10_000, 10_000, 10_000]
        tight = simulate(PricePanel(closes), weights * 0.5, costs=FREE, execution=Execution(max_gross=0.8))
        assert tight.holdings["B"].iloc[2] == pytest.approx(4_000)  # 0.4 of A stays, 0.4 is left for B

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10_000), cap=st.floats(0.3, 3))
    def test_the_book_is_within_the_cap_after_its_fills_or_says_so(self, seed, cap):
        rng = np.random.default_rng(seed)
        index = pd.bdate_range("2020-01-01", periods=25)
        closes = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.05, (25, 4)), axis=0)), index, list("ABCD"))
        closes = closes.mask(rng.random(closes.shape) < 0.3)
        weights = pd.DataFrame(rng.normal(size=closes.shape), index, closes.columns)
        execution = Execution(max_gross=cap, fill="close", stale_limit=20)
        result = simulate(PricePanel(closes), weights, costs=FREE, execution=execution)
        said = set(result.events.loc[result.events["kind"].isin(["above_max_gross", "ruin"]), "session"])
        above = result.sessions[(result.exposure["gross"] > cap * (1 + 1e-6)).to_numpy() & (result.turnover > 0)]
        assert set(above) <= said


class TestZero:
    @settings(max_examples=30, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        lot=st.sampled_from([0.0, 1.0, 100.0, 0.1]),
        costs=st.sampled_from([FREE, CostModel(), CostModel(minimum_fee=1.0), CostModel(impact_bps=5)]),
    )
    def test_a_target_of_0_ends_at_exactly_0(self, seed, lot, costs):
        rng = np.random.default_rng(seed)
        index = pd.bdate_range("2020-01-01", periods=12)
        closes = pd.DataFrame(np.round(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (12, 9)), axis=0)), 2), index)
        closes.columns = [f"A{i}" for i in range(9)]
        weights = pd.DataFrame(0.0, index[:7], closes.columns)
        weights.iloc[:6] = rng.normal(size=(6, 9)) / 9
        closes.iloc[9:, :4] = NAN  # prices that end after the sale are nobody's forced exit
        result = simulate(
            PricePanel(closes), weights, costs=costs, execution=Execution(lot=lot, capital=1e7, stale_limit=2)
        )
        assert (result.holdings.iloc[7:] == 0).all(axis=None)
        assert result.counts["forced_exits"] == 0
        assert result.counts["unfilled_orders"] == 0

    def test_lots_are_of_the_trade_toward_zero_and_a_whole_lot_is_whole(self):
        closes = frame(A=[30.0] * 4)
        result = simulate(
            PricePanel(closes), frame(A=[0.5, 0.68, 0.31]), costs=FREE, execution=Execution(lot=100, capital=1e5)
        )
        assert result.holdings["A"].tolist() == [0, 1600, 2200, 1100]
        # 0.29 · 100 / 0.01 is 2899.9999999999995 shares in floating point.
        exact = simulate(
            PricePanel(frame(A=[0.01] * 2)), frame(A=[0.29]), costs=FREE, execution=Execution(lot=1, capital=100)
        )
        assert exact.holdings["A"].iloc[1] == 2900

    def test_what_is_below_a_millionth_of_nav_is_not_opened(self):
        closes = frame(A=[10.0] * 4, B=[10.0] * 4)
        weights = frame(A=[9e-7, 9e-7, 2e-6, 9e-7], B=[0.5] * 4)
        for costs in (FREE, CostModel(minimum_fee=1.0)):
            result = simulate(PricePanel(closes), weights, costs=costs)
            assert result.holdings["A"].tolist() == [0, 0, 0, pytest.approx(0.2, rel=1e-3)]
        batch = simulate_batch(PricePanel(closes), weights.to_numpy()[None], costs=FREE)
        assert batch.turnover[0, 1:3].tolist() == [0.25, 0.0]


class TestVolume:
    def panel(self, volume, **columns):
        closes = frame(**columns) if columns else frame(A=[100.0, 101, 102, 100, 101, 103, 102, 101])
        return PricePanel(closes, volume=pd.DataFrame({"A": volume}, closes.index, dtype=float), adjusted="splits")

    def test_a_session_without_volume_fills_nothing_where_volume_matters(self):
        panel = self.panel([1e6, 1e6, 1e6, 1e6, 0, 1e6, 1e6, 1e6])
        weights = frame(A=[NAN, NAN, NAN, 0.5])
        free = simulate(panel, weights, costs=FREE)
        assert free.fills["session"].tolist() == [panel.sessions[4]]
        for options in ({"costs": CostModel(sqrt_impact=1.0)}, {"execution": Execution(max_volume=0.5)}):
            result = simulate(panel, weights, **{"costs": FREE, **options})
            assert result.fills["session"].tolist() == [panel.sessions[5]]
            assert result.events["detail"].tolist() == ["no volume, or its impact is not known"]

    def test_impact_without_volume_is_unknown_and_not_0(self):
        dead = self.panel([0.0] * 8)
        result = simulate(dead, frame(A=[0.5] * 8), costs=CostModel(sqrt_impact=1.0))
        assert not len(result.fills)
        assert result.counts["unfilled_orders"] == 7
        less = [
            simulate(self.panel([volume] * 8), frame(A=[0.0, 0.0, 0.5, 0.5, 0.0, 0, 0, 0]),
                     costs=CostModel(0, sqrt_impact=1, borrow_bps=0)).nav.iloc[-1]
            for volume in (1e9, 1e7, 1e5)
        ]  # fmt: skip
        assert less == sorted(less, reverse=True)

    def test_a_fill_takes_its_share_of_volume_and_the_rest_stands(self):
        panel = self.panel([1000, 1000, 1000, 1000, 3000, 1000, 1000, 1000], A=[100.0] * 8)
        result = simulate(panel, frame(A=[0.08]), costs=FREE, execution=Execution(max_volume=0.25))
        assert result.holdings["A"].tolist() == [0, 250, 500, 750, 800, 800, 800, 800]
        assert result.counts["partly_filled"] == 1
        lots = simulate(panel, frame(A=[0.08]), costs=FREE, execution=Execution(max_volume=0.25, lot=100))
        assert lots.holdings["A"].tolist() == [0, 200, 400, 600, 800, 800, 800, 800]

    def test_history_before_the_first_decision_is_known(self):
        panel = self.panel([1e6] * 8)
        weights = frame(A=[NAN] * 5 + [0.5, 0.5]).iloc[5:]
        result = simulate(panel, weights, costs=CostModel(0, sqrt_impact=1.0, borrow_bps=0))
        volatility = panel.close["A"].pct_change().iloc[1:6].std(ddof=1)
        fill = result.fills.iloc[0]
        assert fill["cost"] == pytest.approx(volatility * math.sqrt(fill["shares"] / 1e6) * fill["value"])

    def test_volume_and_lots_are_of_the_shares_as_traded(self):
        # The panel's prices are adjusted to a tenth: 10 of its shares are one share as it was traded.
        raw = frame(A=[1000.0] * 6)
        plain = PricePanel(raw / 10, volume=frame(A=[100.0] * 6), adjusted="splits and dividends")
        known = PricePanel(raw / 10, volume=frame(A=[100.0] * 6), raw_close=raw, adjusted="splits and dividends")
        limit = Execution(max_volume=0.1)
        assert simulate(known, frame(A=[0.5]), costs=FREE, execution=limit).holdings["A"].iloc[1:4].tolist() == [
            100, 200, 300,
        ]  # fmt: skip
        assert simulate(plain, frame(A=[0.5]), costs=FREE, execution=limit).holdings["A"].iloc[1] == 10
        lots = Execution(lot=7, capital=1e5)
        assert simulate(known, frame(A=[0.5]), costs=FREE, execution=lots).holdings["A"].iloc[1] == 490
        warned = simulate(plain, frame(A=[0.5]), costs=FREE, execution=lots).warnings
        assert any(line.startswith("lots: the panel has no raw closes") for line in warned)
        assert not any("raw closes" in line for line in simulate(known, frame(A=[0.5]), execution=lots).warnings)
        wobble = PricePanel(
            known.close * np.array([[1, 1.01, 1, 1.02, 1, 1.01]]).T,
            volume=known.volume, raw_close=raw * np.array([[1, 1.01, 1, 1.02, 1, 1.01]]).T,
        )  # fmt: skip
        fill = simulate(wobble, frame(A=[0, 0, 0, 0.1]), costs=CostModel(0, sqrt_impact=1.0)).fills.iloc[0]
        volatility = wobble.close["A"].pct_change().iloc[1:4].std(ddof=1)
        assert fill["cost"] == pytest.approx(volatility * math.sqrt(fill["shares"] / 1000) * fill["value"])


class TestStale:
    @pytest.mark.parametrize("other_in_gap", [False, True])
    def test_sessions_before_the_purchase_do_not_count(self, other_in_gap):
        opens, closes = [100.0] * 20, [100.0] * 20
        opens[3:13], closes[3:14] = [NAN] * 10, [NAN] * 11
        other = [100.0] * 20
        if other_in_gap:
            other[4:16] = [NAN] * 12
        panel = PricePanel(frame(A=closes, B=other), open=frame(A=opens, B=other))
        weights = frame(A=[0.0] * 12 + [0.4] * 8, B=[0.5] * 20)
        result = simulate(panel, weights, costs=FREE, execution=Execution(fill="open", stale_limit=10))
        assert result.holdings["A"].iloc[13] == 4000
        assert "A" not in result.events.loc[result.events["kind"] == "forced_exit", "asset"].tolist()

    def test_a_price_begins_the_count_anew(self):
        closes = frame(A=[100.0, 100.0, NAN, NAN, 90.0, NAN, NAN, NAN, NAN])
        result = simulate(PricePanel(closes), frame(A=[0.5]), costs=FREE, execution=Execution(stale_limit=3))
        forced = result.events[result.events["kind"] == "forced_exit"]
        assert forced["session"].tolist() == [closes.index[7]]
        batch = simulate_batch(PricePanel(closes), np.array([[[0.5]]]), costs=FREE, execution=Execution(stale_limit=3))
        np.testing.assert_allclose(batch.net[0], result.returns, atol=1e-14)

    def test_an_open_without_a_close_is_the_mark(self):
        panel = PricePanel(frame(A=[100.0, 100.0, NAN, NAN, 150.0]), open=frame(A=[100.0, 100.0, 120.0, NAN, 150.0]))
        result = simulate(panel, frame(A=[1.0]), costs=FREE)
        assert result.nav.tolist() == pytest.approx([1e6, 1e6, 1.2e6, 1.2e6, 1.5e6])


class TestConstantWeight:
    def both(self, opens, closes, weights=None):
        panel = PricePanel(frame(A=closes), open=frame(A=opens))
        weights = frame(A=[1.0] * len(closes)) if weights is None else weights
        return [
            simulate(panel, weights, costs=FREE, execution=Execution(fill="open", accounting=accounting))
            for accounting in ("constant_weight", "self_financing")
        ]

    def test_a_missing_open_loses_no_return_and_a_missing_close_counts_none_twice(self):
        for opens, closes in (
            ([100, 100, NAN, 110, 110, 110.0], [100, 100, 110, 110, 110, 110.0]),
            ([100, 100, 110, 110, 110, 110.0], [100, 100, NAN, 110, 110, 110.0]),
            ([100, 100, 110, NAN, 110, 110.0], [100, 100, NAN, NAN, 110, 110.0]),
        ):
            constant, financed = self.both(opens, closes)
            assert constant.returns.sum() == pytest.approx(0.1)
            np.testing.assert_allclose(constant.returns, financed.returns, atol=1e-15)

    def test_orders_without_a_price_do_not_fill_and_are_counted(self):
        constant, financed = self.both([100, NAN, 110, 121.0], [100, 100, 110, 121.0], frame(A=[1.0]))
        assert constant.counts["unfilled_orders"] == 1
        assert constant.events["kind"].tolist() == ["unfilled"]
        np.testing.assert_allclose(constant.returns, financed.returns, atol=1e-15)
        assert constant.returns.tolist() == pytest.approx([0, 0, 0, 0.1])

    def test_holding_costs_by_hand(self):
        panel = PricePanel(frame(A=[100.0] * 4, B=[100.0] * 4))
        weights = frame(A=[1.5, 1.0], B=[-0.2, -0.4])
        costs = CostModel(0, borrow_bps=252, financing_bps=504)
        result = simulate(panel, weights, costs=costs, execution=Execution(accounting="constant_weight"))
        # Held overnight: nothing, then 1.5 and −0.2 (cash −0.3), then 1.0 and −0.4 (cash 0.4).
        assert result.costs["borrow"].tolist() == pytest.approx([0, 0, 0.2 * 100, 0.4 * 100])
        assert result.costs["financing"].tolist() == pytest.approx([0, 0, 0.3 * 200, 0])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lot": NAN}, "lot must be finite"),
        ({"lot": math.inf}, "lot must be finite"),
        ({"lot": -1.0}, "lot must be"),
        ({"capital": math.inf}, "capital must be between"),
        ({"capital": NAN}, "capital must be between"),
        ({"capital": 5e-324}, "capital must be between"),
        ({"capital": 0.0}, "capital must be between"),
        ({"max_gross": math.inf}, "max_gross must be between"),
        ({"max_gross": NAN}, "max_gross must be between"),
        ({"max_volume": -0.1}, "max_volume must be finite"),
        ({"max_volume": NAN}, "max_volume must be finite"),
        ({"order_expiry": 0}, "order_expiry must be at least 1"),
        ({"stale_limit": 0}, "stale_limit must be at least 1"),
    ],
)
def test_settings_that_no_run_can_have_are_refused(options, match):
    with pytest.raises(InputError, match=match):
        Execution(**options)
