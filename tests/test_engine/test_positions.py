"""The positions of a session equal the backtest's weights of that session, re-multiply, and know nothing later."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from assay.data.align import align
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.sample import load_sample, load_sample_predictions
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.positions import ORDER_COLUMNS, Positions, orders_towards, positions_at
from assay.strategies.base import Decision, Overlays
from assay.strategies.catalog import load_strategy

STRATEGIES = {
    "s2_filter_negative": {},
    "quintile_long_short": {},
    "min_variance": {"every": 7, "window": 40, "vol_target": 0.08, "kill_switches": True, "smoothing": 0.5},
    "s1_bottom_k": {"every": "week", "phase": 1, "sleeves": 3, "band": 0.004, "turnover_budget": 0.02},
    "s5_long_only": {"every": 3, "band_total": 0.01, "vol_target": None},
}


def sample() -> tuple[PricePanel, PredictionPanel]:
    prices, _ = load_sample()
    return prices.between("2022-03-01", None), load_sample_predictions().map(lambda frame: frame.loc["2022-08-15":])


def gappy() -> tuple[PricePanel, PredictionPanel]:
    """An OHLCV market with holes, an asset that begins late and one whose prices end."""
    prices, oracle = synthetic_market(170, 12, ic=0.05, seed=5, volatility=0.03)
    hole = np.random.default_rng(1).random(prices.shape) < 0.04
    hole[:, :3] = False
    hole[:60, 4], hole[150:, 5] = True, True
    gone = {name: getattr(prices, name).mask(hole) for name in prices.fields}
    holey = replace(prices, **gone)
    return holey, align(oracle.map(lambda frame: frame.iloc[50:]), holey)[0]


MARKETS = {"sample": sample, "gappy": gappy}


def product(row: pd.Series) -> float:
    """The chain of one asset, multiplied by hand; what stands is NaN where nothing was decided."""
    base = row["sleeved"]
    if row["smoothing"] and not np.isnan(row["before"]):
        base = row["smoothing"] * row["before"] + (1 - row["smoothing"]) * base
    factor = 1.0 if np.isnan(row["vol_factor"]) else row["vol_factor"]
    if not row["switch"]:
        return 0.0
    ordered = row["drifted"] + row["share"] * (base * factor * row["aim"] - row["drifted"])
    return ordered * row["cap"] * row["floor"]


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_each_session_replayed_alone_gives_the_backtests_weights(market, name):
    prices, predictions = MARKETS[market]()
    strategy = load_strategy(name, **STRATEGIES[name])
    whole = run_backtest(strategy, predictions, prices).target_weights
    rng = np.random.default_rng(0)
    pairs = 0
    for session in predictions.sessions[-20:]:
        got = positions_at(strategy, predictions.through(session), prices.through(session))
        pd.testing.assert_series_equal(got.targets, whole.loc[session], rtol=0, atol=1e-12, check_names=False)
        for asset in rng.choice(got.lineage.index, 8, replace=False):
            row = got.lineage.loc[asset]
            if not np.isnan(row["target"]):
                pairs += 1
                assert abs(product(row) - whole.at[session, asset]) <= 1e-12
    assert pairs >= 20


def test_altering_the_future_changes_nothing():
    prices, predictions = gappy()
    strategy = load_strategy("s2_filter_negative")
    session = predictions.sessions[-25]
    step = pd.Series(np.where(prices.sessions > session, 1.7, 1.0), prices.sessions)
    bent = replace(prices, **{name: getattr(prices, name).mul(step, axis="index") for name in prices.fields})
    sign = pd.Series(np.where(predictions.sessions > session, -1.0, 1.0), predictions.sessions)
    other = predictions.map(lambda frame: frame.mul(sign, axis="index"))
    one = positions_at(strategy, predictions, prices, session=session)
    two = positions_at(strategy, other, bent, session=session)
    pd.testing.assert_frame_equal(one.lineage, two.lineage)
    assert [one.why(asset) for asset in one.lineage.index] == [two.why(asset) for asset in two.lineage.index]
    after = positions_at(strategy, other, bent)
    assert not after.targets.equals(positions_at(strategy, predictions, prices).targets)  # the alteration is one


def test_overlays_act_between_weekly_decisions_as_in_the_backtest():
    prices, predictions = gappy()
    weekly = predictions.map(lambda frame: frame.iloc[::5])
    strategy = load_strategy("s2_filter_negative")
    whole = run_backtest(strategy, weekly, prices).target_weights
    drifting = restated = 0
    for session in predictions.sessions[60:100]:
        got = positions_at(strategy, weekly, prices, session=session)
        pd.testing.assert_series_equal(got.targets, whole.loc[session], rtol=0, atol=1e-12, check_names=False)
        for _, row in got.lineage.iterrows():
            if np.isnan(row["target"]):
                drifting += 1
            elif row["decided"] != session:
                restated += 1
            if not np.isnan(row["target"]):
                assert abs(product(row) - row["target"]) <= 1e-12
    assert restated > 0


def test_a_cap_on_gross_is_part_of_the_chain():
    prices, predictions = gappy()
    execution = Execution(max_gross=0.4)
    strategy = load_strategy("quintile_long_short")
    got = positions_at(strategy, predictions, prices, execution=execution)
    assert got.targets.abs().sum() == pytest.approx(0.4)
    assert (got.lineage["cap"] == 0.4).all()
    assert all(abs(product(row) - row["target"]) <= 1e-12 for _, row in got.lineage.iterrows())


def still(closes: dict[str, float], scores: dict[str, float]) -> Positions:
    """Quintile on one session of known closes."""
    day = pd.to_datetime(["2024-03-01"])
    prices = PricePanel(pd.DataFrame(closes, day))
    return positions_at(load_strategy("quintile_long_short"), PredictionPanel(pd.DataFrame(scores, day)), prices)


CLOSES = {"A": 10.0, "B": 20.0, "C": 30.0, "D": 40.0, "E": 50.0}
SCORES = {"A": 0.05, "B": 0.01, "C": 0.0, "D": -0.01, "E": -0.05}


def test_orders_of_a_hand_worked_book():
    book = still(CLOSES, SCORES)
    assert book.lineage["rank"].tolist() == [1, 2, 3, 4, 5]
    held = pd.Series({"A": 100.0, "B": 25.0})  # 1,000 + 500, cash 8,500: NAV 10,000
    costs = CostModel(commission_bps=10, minimum_fee=3.0)
    table = orders_towards(book, holdings=held, cash=8_500.0, costs=costs, execution=Execution(lot=30))
    assert list(table.columns) == list(ORDER_COLUMNS)
    # A: 5,000/10 = 500, 400 to buy, 390 in lots of 30; B is left, odd lot and all; E: −5,000/50 = −100 → −90
    assert table["order"].tolist() == [390.0, -25.0, 0.0, 0.0, -90.0]
    assert table["shares"].tolist() == [490.0, 0.0, 0.0, 0.0, -90.0]
    assert table["value"].tolist() == [3_900.0, -500.0, 0.0, 0.0, -4_500.0]
    assert table["cost"].tolist() == pytest.approx([3.9, 3.0, 0.0, 0.0, 4.5])
    assert table["status"].tolist() == ["traded", "traded", "at target", "at target", "traded"]
    assert "rank 1 of 5" in table.loc["A", "reason"]
    assert "buy 390 shares" in table.loc["A", "reason"]
    assert "(2.50 of it minimum fee)" in table.loc["B", "reason"]


def test_what_is_within_a_lot_of_its_target_is_not_traded():
    table = orders_towards(
        still(CLOSES, SCORES), holdings=pd.Series({"A": 490.0}), cash=5_100.0, execution=Execution(lot=30)
    )
    assert (table.loc["A", "order"], table.loc["A", "status"]) == (0.0, "lot")


def test_a_session_without_a_decision_leaves_holdings_and_starts_a_new_book_as_the_backtests():
    prices, predictions = gappy()
    strategy = load_strategy("min_variance", every=7, window=40)
    session = predictions.sessions[-1]
    while positions_at(strategy, predictions, prices, session=session).targets.notna().any():
        session = predictions.sessions[predictions.sessions.get_loc(session) - 1]
    book = positions_at(strategy, predictions, prices, session=session)
    asset = book.lineage["book"].idxmax()
    held = orders_towards(book, holdings=pd.Series({asset: 7.0}), cash=100.0)
    assert (held["order"] == 0).all()
    assert held.loc[asset, "status"] == "no order"
    fresh = orders_towards(book, holdings=None, cash=1e6)
    value = fresh.loc[asset, "value"]
    assert value == pytest.approx(1e6 * book.lineage.loc[asset, "book"])
    begun = f"a new book begins at the backtest's {book.lineage.loc[asset, 'book']:+.2%} → buy"
    assert begun in fresh.loc[asset, "reason"]


@pytest.mark.parametrize(
    ("holdings", "cash", "message"),
    [
        ({"Z": 1.0}, 100.0, "unknown asset in the holdings 'Z'"),
        ({"A": -10.0}, 50.0, "NAV must be above 0"),
        ({"C": 1.0}, 50.0, "1 held without a price on 2024-03-01, first 'C'"),
    ],
)
def test_holdings_that_cannot_be_valued_are_refused(holdings, cash, message):
    book = still({**CLOSES, "C": np.nan, "F": 5.0}, {**SCORES, "F": 0.0})
    with pytest.raises(InputError, match=message):
        orders_towards(book, holdings=pd.Series(holdings), cash=cash)


def test_what_the_strategy_does_not_cover_is_held_and_said():
    book = still({**CLOSES, "F": 5.0}, SCORES)
    table = orders_towards(book, holdings=pd.Series({"F": 10.0}), cash=950.0)
    assert (table.loc["F", "order"], table.loc["F", "status"]) == (0.0, "not traded")
    assert "no view of it" in table.loc["F", "reason"]
    assert table.loc["A", "value"] == pytest.approx(500.0)  # of a NAV of 1,000, F among it


def test_entry_rules_same_close_fills_and_strange_sessions_are_refused():
    prices, predictions = gappy()
    rule = load_strategy("s2_filter_negative")
    with pytest.raises(InputError, match="enters and exits bar by bar"):
        positions_at(load_strategy("confidence"), predictions, prices)
    with pytest.raises(InputError, match="nobody can trade that"):
        positions_at(rule, predictions, prices, execution=Execution(delay=0, same_close=True))
    with pytest.raises(InputError, match="no session of the prices"):
        positions_at(rule, predictions, prices, session=pd.Timestamp("1999-01-02"))
    with pytest.raises(InputError, match="before the first prediction"):
        positions_at(rule, predictions, prices, session=prices.sessions[0])


@dataclass(frozen=True)
class Renamed:
    """Equal weights, halved, whose own steps are called as overlays are."""

    name = "renamed"
    needs = ()
    overlays = Overlays(every=3)

    def target_weights(self, predictions, prices):
        held = predictions.view.notna() & prices.close.reindex_like(predictions.view).notna()
        equal = held.div(held.sum(axis="columns").clip(lower=1), axis="index")
        return Decision(equal / 2, stages={"smooth": lambda: equal, "every": lambda: equal / 4}, label="trade")


def test_steps_of_a_rule_that_are_called_as_overlays_are_its_own():
    prices, predictions = synthetic_market(30, 4, ic=0.05, seed=5)
    whole = run_backtest(Renamed(), predictions, prices).target_weights
    for session in predictions.sessions[-3:]:
        got = positions_at(Renamed(), predictions, prices, session=session)
        assert tuple(got.steps) == ("smooth", "every", "trade")
        pd.testing.assert_series_equal(got.targets, whole.loc[session], rtol=0, atol=1e-12, check_names=False)
        rows = got.lineage[got.lineage["target"].notna()]
        assert [product(row) for _, row in rows.iterrows()] == pytest.approx(list(rows["target"]), abs=1e-12)
        assert (rows["selected"] == rows["sleeved"]).all()
        assert (got.lineage["share"] == 0).all() == rows.empty  # two of the three sessions place no order
