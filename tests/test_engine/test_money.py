"""Money: ruin at the fill, what cash earns, costs by asset and by session; every path and every figure to 1e-9."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import BacktestError, DataQualityError, InputError
from assay.data.panel import PricePanel
from assay.engine.batch import simulate_batch
from assay.engine.costs import COST_FIELDS, CostModel, CostTable
from assay.engine.entry_rules import simulate_entries
from assay.engine.execution import Execution
from assay.engine.simulation import simulate
from assay.engine.vectorbt_adapter import cross_check, simulate_vectorbt
from assay.results.evidence.backtest import evaluate
from tests.test_engine.test_entry_rules import Rule, bars, flat, random_market, random_signals, run
from tests.test_engine.test_simulation import market, random_weights

FREE = CostModel.zero()
NIGHT = 252 * 1e4


def frame(**columns) -> pd.DataFrame:
    length = len(next(iter(columns.values())))
    return pd.DataFrame(columns, pd.bdate_range("2020-01-01", periods=length), dtype=float)


class TestRuin:
    def test_at_the_fill_prices(self):
        # 20,000 shares on a debt of a million: at the open of 45 the NAV is −100,000, and that is the end.
        panel = PricePanel(frame(A=[100, 100, 100, 18, 18, 18.0]), open=frame(A=[100, 100, 100, 45, 18, 18.0]))
        costs = CostModel(commission_bps=50, borrow_bps=0, financing_bps=252)
        result = simulate(panel, frame(A=[2.0] * 6), costs=costs, execution=Execution(fill="open"))
        carried = 1.0e6 + 10_000  # the debt after the first fill's costs
        before = 1e6 - 10_000 - carried * 1e-4
        assert result.nav.iloc[2] == pytest.approx(before, rel=1e-3)
        assert result.nav.iloc[3:].nunique() == 1
        assert result.nav.iloc[3] == pytest.approx(-99_300, abs=1)  # the second fill sold what the fee had cost
        assert (result.costs.to_numpy() >= 0).all()
        assert result.costs["commission"].iloc[3:].sum() == 0
        assert result.events["kind"].tolist() == ["ruin"]
        assert result.fills["price"].iloc[-1] == 45
        assert result.fills["shares"].sum() == pytest.approx(0, abs=1e-6)
        assert result.trades["pnl"].sum() == pytest.approx(-55 * 20_000, rel=0.02)

    def test_an_open_without_an_order_ruins_too(self):
        panel = PricePanel(frame(A=[100, 100, 100, 90.0]), open=frame(A=[100, 100, 40, 90.0]))
        result = simulate(panel, frame(A=[2.0]), costs=FREE, execution=Execution(fill="open"))
        assert result.nav.tolist() == pytest.approx([1e6, 1e6, -2e5, -2e5])
        batch = simulate_batch(panel, np.array([[[2.0]]]), costs=FREE, execution=Execution(fill="open"))
        np.testing.assert_allclose(batch.net[0], result.returns, atol=1e-14)

    def test_the_fills_of_the_session_are_in_the_trades(self):
        panel = PricePanel(frame(A=[10, 10, 25, 10.0], B=[10, 10, 10, 10.0]))
        result = simulate(panel, frame(A=[-1.0, -1, -1, -1], B=[0.0, 0.5, 0.5, 0.5]), costs=FREE)
        assert result.events["kind"].tolist() == ["ruin"]
        assert result.trades[["asset", "side", "pnl"]].to_numpy().tolist() == [["A", -1, -1.5e6]]

    def test_an_entry_book_at_its_open(self):
        prices = bars(flat(100), flat(100), (400, 400, 90, 90), flat(50))
        result = run(prices, [(0, "A")], rule=Rule(side=-1, size=1.0, stop_loss=0, take_profit=0))
        assert result.nav.tolist() == [1e6, 1e6, -2e6, -2e6]
        assert result.fills["price"].tolist() == [100, 400]
        assert result.trades["pnl"].tolist() == [-3e6]
        assert result.turnover.iloc[2] == 0

    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        gross=st.floats(1.5, 8),
        volatility=st.floats(0.05, 0.5),
        fill=st.sampled_from(["open", "close"]),
        holes=st.sampled_from([0.0, 0.1]),
        every=st.sampled_from([1, 4]),
    )
    def test_no_cost_is_negative_and_every_path_ends_alike(self, seed, gross, volatility, fill, holes, every):
        rng = np.random.default_rng(seed)
        shape, index = (30, 4), pd.bdate_range("2020-01-01", periods=30)
        close = 50 * np.exp(np.cumsum(rng.normal(0, volatility, shape), axis=0))
        opens = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, volatility / 2, shape))
        gone = rng.random(shape) < holes
        close[gone] = opens[gone] = np.nan
        panel = PricePanel(pd.DataFrame(close, index, list("ABCD")), open=pd.DataFrame(opens, index, list("ABCD")))
        weights = random_weights(panel, seed, gross)
        weights.iloc[np.arange(30) % every != 0] = np.nan
        execution = Execution(fill=fill, max_gross=10)
        costs = CostModel(20, borrow_bps=500, financing_bps=800, cash_rate_bps=300)
        result = simulate(panel, weights, costs=costs, execution=execution)
        # The long way round: a lot so small that nothing is rounded away that could be seen.
        long_way = simulate(panel, weights, costs=costs, execution=replace(execution, lot=1e-9))
        batch = simulate_batch(panel, weights.to_numpy()[None], costs=costs, execution=execution)
        np.testing.assert_allclose(batch.net[0], result.returns, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(long_way.returns, result.returns, rtol=1e-6, atol=1e-6)
        assert (result.costs.to_numpy() >= 0).all()
        ruin = result.events.loc[result.events["kind"] == "ruin", "session"]
        if len(ruin):
            assert result.nav[ruin.iloc[0] :].nunique() == 1
            assert (result.holdings[ruin.iloc[0] :] == 0).all(axis=None)
            assert (result.turnover[ruin.iloc[0] :].iloc[1:] == 0).all()
        else:
            assert (result.nav > 0).all()
        flow = result.fills.assign(out=result.fills["value"] + result.fills["cost"]).groupby("session")["out"].sum()
        carried = result.costs[["borrow", "financing"]].sum(axis="columns") - result.interest
        spent = (flow.reindex(result.sessions, fill_value=0.0) + carried).cumsum()
        scale = 1e6 + result.fills["value"].abs().sum()
        np.testing.assert_allclose(result.cash, 1e6 - spent, rtol=0, atol=1e-9 * scale)


class TestInterest:
    def test_cash_earns_the_rate_a_short_its_rebate_and_debt_pays_rate_and_spread(self):
        costs = CostModel(0, borrow_bps=100, financing_bps=150, cash_rate_bps=400)
        panel = PricePanel(frame(A=[100.0] * 4))
        idle = simulate(panel, frame(A=[0.0]), costs=costs)
        assert idle.interest.iloc[:2].tolist() == pytest.approx([0, 400e6 / NIGHT])
        assert idle.nav.iloc[3] == pytest.approx(1e6 * (1 + 400 / NIGHT) ** 3)
        short = simulate(panel, frame(A=[-0.5]), costs=costs)
        # 0.5m of proceeds earns rate − borrow, the capital the rate.
        nav = 1e6 * (1 + 400 / NIGHT)
        grown = nav * (1.5 * 400 - 0.5 * 100) / NIGHT
        assert short.nav.iloc[2] - short.nav.iloc[1] == pytest.approx(grown, rel=1e-3)
        debt = simulate(panel, frame(A=[1.5]), costs=costs)
        assert debt.costs["financing"].iloc[2] == pytest.approx(0.5e6 * 150 / NIGHT, rel=1e-3)
        assert debt.interest.iloc[2] == pytest.approx(-0.5e6 * 400 / NIGHT, rel=1e-3)
        assert (debt.costs.to_numpy() >= 0).all()

    def test_interest_is_in_the_gross_return_and_nothing_is_earned_before_the_start(self):
        costs = CostModel(5, cash_rate_bps=252)
        result = simulate(market(1), random_weights(market(1), 2), costs=costs)
        assert result.interest.iloc[0] == 0
        before = result.nav.shift(1).fillna(1e6)
        drag = result.costs.sum(axis="columns") / before
        np.testing.assert_allclose(result.gross_returns, result.returns + drag, atol=1e-15)
        constant = simulate(
            market(1), random_weights(market(1), 2), costs=costs, execution=Execution(accounting="constant_weight")
        )
        held = random_weights(market(1), 2).shift(2).fillna(0.0)
        expected = (1 - held.sum(axis="columns")) * 1e-4 * 1e6
        np.testing.assert_allclose(constant.interest.iloc[1:], expected.iloc[1:], rtol=1e-9)

    def test_every_accounting_gives_the_same_idle_account(self):
        costs = replace(FREE, cash_rate_bps=500.0)
        panel = bars(*(flat(100) for _ in range(5)))
        rates = [
            simulate(panel, frame(A=[0.0] * 5), costs=costs).returns,
            simulate_batch(panel, np.zeros((1, 5, 1)), costs=costs).net[0],
            run(panel, [], costs=costs).returns,
            simulate(panel, frame(A=[0.0] * 5), costs=costs, execution=Execution(accounting="constant_weight")).returns,
        ]
        for values in rates:
            assert list(values) == pytest.approx([0] + [500 / NIGHT] * 4)

    def test_an_entry_rule_earns_on_what_is_not_invested(self):
        panel = bars(flat(100), flat(100), flat(100), flat(100))
        costs = replace(FREE, cash_rate_bps=252.0, borrow_bps=504.0)
        long = run(panel, [(0, "A")], costs=costs, rule=Rule(size=0.5))
        nights = long.interest.iloc[1:].tolist()
        assert nights == pytest.approx([100, 50.01, 50.015], rel=1e-3)
        short = run(panel, [(0, "A")], costs=costs, rule=Rule(size=0.5, side=-1))
        assert short.interest.iloc[2] == pytest.approx(150, rel=1e-3)
        assert short.costs["borrow"].iloc[2] == pytest.approx(100, rel=1e-3)


class TestExcess:
    def test_sharpe_and_alpha_are_of_what_is_earned_over_cash(self):
        rate = pd.Series([252.0, 504.0], pd.DatetimeIndex(["2019-01-01", market(3).sessions[30]]))
        costs = CostModel(5, table=CostTable({}, {"cash_rate_bps": rate}))
        prices = market(3)
        result = simulate(prices, random_weights(prices, 4), costs=costs)
        rates = np.where(prices.sessions > prices.sessions[30], 2e-4, 1e-4)  # of the night after its stamp
        rates[0] = 0
        assert result.cash_rate is not None
        np.testing.assert_allclose(result.cash_rate, rates, rtol=1e-12)
        index = prices.close.pct_change(fill_method=None).mean(axis="columns").fillna(0.0)
        found = evaluate(replace(result, benchmark=index))
        over = result.returns - rates
        assert found["sharpe_net"].value == pytest.approx(over.mean() / over.std() * 252**0.5)
        assert "rf the cash rate, mean" in found["sharpe_net"].convention
        slope, intercept = np.polyfit(index - rates, over, 1)
        assert found["beta_net"].value == pytest.approx(slope)
        assert found["alpha_ann_net"].value == pytest.approx(252 * intercept)
        assert found["return_arithmetic_ann_net"].value == pytest.approx(252 * result.returns.mean())
        free = evaluate(simulate(prices, random_weights(prices, 4), costs=CostModel(5)))
        assert "rf 0" in free["sharpe_net"].convention

    def test_money_that_lies_idle_has_no_sharpe_ratio(self):
        panel, costs = PricePanel(frame(A=[100.0] * 40)), replace(FREE, cash_rate_bps=500.0)
        idle = simulate(panel, frame(A=[0.0] * 40), costs=costs)
        assert np.isnan(evaluate(idle)["sharpe_net"].value)
        assert idle.over_cash(idle.returns).abs().max() < 1e-15


class TestTables:
    def test_commission_and_borrow_by_asset(self):
        table = CostTable(
            {
                "commission_bps": pd.DataFrame({"A": [10.0]}, pd.DatetimeIndex(["2019-01-01"])),
                "borrow_bps": pd.DataFrame({"B": [2520.0]}, pd.DatetimeIndex(["2019-01-01"])),
            }
        )
        panel = PricePanel(frame(A=[100.0] * 4, B=[100.0] * 4, C=[100.0] * 4))
        costs = CostModel(commission_bps=2, borrow_bps=252, table=table)
        result = simulate(panel, frame(A=[0.5], B=[-0.3], C=[-0.2]), costs=costs)
        assert result.fills["cost"].tolist() == pytest.approx([500, 60, 40])
        assert result.costs["borrow"].tolist() == pytest.approx([0, 0] + [0.3e6 * 10e-4 + 0.2e6 * 1e-4] * 2)

    def test_a_rate_holds_from_its_date_and_a_night_pays_what_was_in_force_before_it(self):
        days = frame(A=[0.0] * 6).index
        table = CostTable(
            {"spread_bps": pd.DataFrame({"A": [1.0, 3.0]}, days[[0, 2]])},
            {"cash_rate_bps": pd.Series([252.0, np.nan, 504.0], days[[1, 2, 4]])},
        )
        panel = PricePanel(frame(A=[100.0] * 6))
        costs = replace(FREE, table=table)
        flat_book = simulate(panel, frame(A=[0.0]), costs=costs)
        assert (flat_book.interest / flat_book.nav.shift(1) * 1e4).iloc[1:].tolist() == pytest.approx([0, 1, 1, 1, 2])
        traded = simulate(panel, frame(A=[0.5, 0.0, 0.5]), costs=replace(FREE, table=CostTable(table.by_asset)))
        assert traded.costs["spread"].iloc[1:4].tolist() == pytest.approx([50, 150, 150], rel=1e-3)

    def test_a_table_of_equal_rates_is_the_model_itself(self):
        prices, weights = market(4, holes=0.05), random_weights(market(4), 5)
        model = CostModel(7, 2, 1, borrow_bps=90, minimum_fee=3, financing_bps=40, cash_rate_bps=120)
        stamp = pd.DatetimeIndex(["2000-01-01"])
        by_asset = ("commission_bps", "spread_bps", "impact_bps", "borrow_bps", "minimum_fee")
        table = CostTable(
            {name: pd.DataFrame({a: [getattr(model, name)] for a in prices.assets}, stamp) for name in by_asset},
            {name: pd.Series([getattr(model, name)], stamp) for name in ("financing_bps", "cash_rate_bps")},
        )
        for accounting in ("self_financing", "constant_weight"):
            one = replace(model, minimum_fee=0.0 if accounting == "constant_weight" else 3.0)
            part = CostTable(
                {name: rates for name, rates in table.by_asset.items() if one.minimum_fee or name != "minimum_fee"},
                table.by_session,
            )
            execution = Execution(accounting=accounting)
            plain = simulate(prices, weights, costs=one, execution=execution)
            listed = simulate(prices, weights, costs=replace(FREE, table=part), execution=execution)
            np.testing.assert_allclose(listed.returns, plain.returns, atol=1e-14)
            np.testing.assert_allclose(listed.costs, plain.costs, rtol=1e-12, atol=1e-9)
        rng = np.random.default_rng(3)
        bar = random_market(rng, 60, 6, 0.05)
        signals, rule = random_signals(rng, bar), Rule(side=-1, size=0.3)
        one, two = (simulate_entries(bar, signals, rule, costs=c) for c in (model, replace(FREE, table=table)))
        np.testing.assert_allclose(one.nav, two.nav, rtol=1e-12)

    def test_changing_a_later_rate_changes_nothing_before(self):
        prices, weights = market(6), random_weights(market(6), 7)
        days = prices.sessions

        def result(late: float):
            rates = pd.DataFrame({a: [5.0, late] for a in prices.assets}, days[[0, 30]])
            return simulate(
                prices, weights, costs=CostModel(table=CostTable({"borrow_bps": rates, "spread_bps": rates}))
            )

        one, two = result(5.0), result(500.0)
        assert one.nav.iloc[:30].equals(two.nav.iloc[:30])
        assert (one.nav.iloc[31:] > two.nav.iloc[31:]).all()
        assert one.costs["borrow"].iloc[30] == two.costs["borrow"].iloc[30]  # that night began before

    def test_vectorbt_charges_a_table_of_commissions(self):
        prices, weights = market(8, holes=0.03), random_weights(market(8), 9, gross=0.6)
        rates = pd.DataFrame({a: [float(i)] for i, a in enumerate(prices.assets)}, prices.sessions[:1])
        check = cross_check(prices, weights, costs=CostModel(table=CostTable({"commission_bps": rates})))
        assert check.agrees is True
        assert check.compared == 1.0

    def test_from_a_file(self, tmp_path):
        path = tmp_path / "costs.csv"
        path.write_text(
            "ticker,date,borrow_bps,Commission_bps\nA,2020-01-02,300,\nA,2020-02-03,,7\nB,2020-01-02,50,1\n"
        )
        other = tmp_path / "rates.csv"
        other.write_text("date,cash_rate_bps\n2020-01-01,155\n2020-03-02,-25\n")
        table = CostTable.load([path, other])
        assert table.source == "costs.csv, rates.csv"
        assert table.by_asset["borrow_bps"]["A"].tolist()[0] == 300
        assert np.isnan(table.by_asset["borrow_bps"]["A"].tolist()[1])
        assert table.by_session["cash_rate_bps"].tolist() == [155, -25]
        undated = tmp_path / "names.csv"
        undated.write_text("asset,borrow_bps\nA,900\n")
        panel = PricePanel(frame(A=[100.0] * 3))
        costs = CostModel(0, table=CostTable.load([undated]))
        result = simulate(panel, frame(A=[-1.0]), costs=costs)
        assert result.costs["borrow"].iloc[2] == pytest.approx(1e6 * 900 / NIGHT)
        assert result.config["costs"]["table"]["fields"] == ["borrow_bps"]

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("asset,borrow\nA,1\n", "column 'borrow' is none of"),
            ("asset,date\nA,2020-01-02\n", "no column of asset"),
            ("borrow_bps,spread_bps\n1,1\n", "neither a column of assets nor of dates"),
            ("asset,borrow_bps\nA,-1\n", "borrow_bps must be finite and at least 0"),
            ("asset,borrow_bps\nA,inf\n", "borrow_bps must be finite"),
            ("asset,borrow_bps\nA,1\nA,2\n", "1 rows stand twice, first 'A'"),
            ("asset,date,borrow_bps\nA,,1\n", "1 rows without date, the first"),
            ("asset,borrow_bps\nA,much\n", "costs.csv"),
            ("asset,cash_rate_bps\nA,1\n", "'cash_rate_bps' is not one of"),
        ],
    )
    def test_a_file_that_cannot_be_is_refused_in_one_line(self, tmp_path, text, match):
        path = tmp_path / "costs.csv"
        path.write_text(text)
        with pytest.raises((InputError, DataQualityError), match=match) as caught:
            CostTable.load([path])
        assert isinstance(caught.value, BacktestError)
        assert "\n" not in str(caught.value)

    def test_a_table_of_strangers_is_refused_and_a_few_are_counted(self):
        stamp = pd.DatetimeIndex(["2019-01-01"])
        panel = PricePanel(frame(A=[100.0] * 3))
        only = CostTable({"borrow_bps": pd.DataFrame({"Z": [1.0]}, stamp)})
        with pytest.raises(InputError, match="none of the assets of memory has prices; first 'Z'"):
            simulate(panel, frame(A=[1.0]), costs=CostModel(table=only))
        some = CostTable({"borrow_bps": pd.DataFrame({"Z": [1.0], "A": [1.0]}, stamp)})
        assert (
            "1 assets of the cost table memory have no prices here"
            in simulate(panel, frame(A=[1.0]), costs=CostModel(table=some)).warnings
        )


class TestCrossCheck:
    @pytest.mark.parametrize("capital", [1e-3, 0.01, 1.0, 1e12])
    def test_does_not_depend_on_the_capital(self, capital):
        prices, weights = market(2, holes=0.03), random_weights(market(2), 3, gross=0.6)
        check = cross_check(prices, weights, execution=Execution(capital=capital))
        assert check.agrees is True
        assert check.max_difference < 1e-11

    def test_a_book_that_has_lost_nearly_all(self):
        closes = frame(A=[100.0, 100.0, 1e-5, 1.1e-5, 1.3e-5, 1e-5])
        check = cross_check(PricePanel(closes), frame(A=[1.0] * 6), costs=FREE)
        assert check.agrees is True

    def test_long_books_over_their_cash_and_delistings_are_expressed(self):
        closes = market(5).close.copy()
        closes.iloc[30:, 2] = np.nan
        weights = random_weights(market(5), 6).abs() * 1.8
        weights.iloc[28:, 2] = np.nan
        weights.iloc[28:] *= 0.7
        result = simulate(PricePanel(closes), weights, costs=FREE)
        assert result.counts["forced_exits"] == 1
        assert (result.cash < 0).mean() > 0.8
        check = cross_check(PricePanel(closes), weights)
        assert (check.agrees, check.reason, check.compared) == (True, "", 1.0)
        other = simulate_vectorbt(PricePanel(closes), weights, costs=FREE)
        for name in ("returns", "nav", "cash", "turnover"):
            np.testing.assert_allclose(getattr(other, name), getattr(result, name), rtol=1e-8, atol=1e-3)

    def test_what_comes_before_the_ruin_is_compared(self):
        closes = frame(A=[100.0, 100, 110, 105, 40, 40, 40, 40, 40, 40])
        check = cross_check(PricePanel(closes), frame(A=[2.0] * 10), costs=FREE)
        assert check.agrees is True
        assert check.reason == f"the book is ruined on {closes.index[4].date()}"
        assert check.compared == 0.4


def test_every_number_of_the_model_has_its_kind_of_check():
    assert {item.name for item in fields(CostModel)} == {*COST_FIELDS, "table"}
    for name in COST_FIELDS:
        with pytest.raises(InputError, match=name):
            CostModel(**{name: float("nan")})
        if name != "cash_rate_bps":
            with pytest.raises(InputError, match=name):
                CostModel(**{name: -1.0})
    assert all(getattr(FREE, name) == 0 for name in COST_FIELDS)
