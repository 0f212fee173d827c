"""Action probabilities, expected returns and the baselines, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import priced, run_backtest
from assay.engine.costs import CostModel
from assay.strategies.actions import ExpectedReturn, MultitaskAction
from assay.strategies.base import WeighsCosts
from assay.strategies.baselines import BuyAndHold, EqualWeight, InverseVolatility
from assay.strategies.catalog import load_strategy

BUY, SELL, HOLD = (0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6)
WEAK_BUY, TIE, NONE = (0.4, 0.3, 0.3), (0.4, 0.2, 0.4), (math.nan,) * 3


def market(sessions: int, assets: int) -> PricePanel:
    index = pd.bdate_range("2020-01-01", periods=sessions)
    return PricePanel(pd.DataFrame(10.0, index, [f"A{i}" for i in range(assets)]))


def acting(rows, score=None) -> tuple[PredictionPanel, PricePanel]:
    """Rows of (buy, sell, hold) an asset."""
    cells = np.array(rows, dtype=float)
    prices = market(*cells.shape[:2])

    def frame(values):
        return pd.DataFrame(values, prices.sessions, prices.assets)

    action = {name: frame(cells[:, :, i]) for i, name in enumerate(("buy", "sell", "hold"))}
    return PredictionPanel(None if score is None else frame(score), action=action), prices


def test_actions_by_hand():
    panels = acting([[BUY, BUY, SELL, HOLD, WEAK_BUY]])
    weights = MultitaskAction(threshold=0.5).target_weights(*panels).weights
    assert weights.iloc[0].tolist() == [0.325, 0.325, -0.35, 0, 0]


def test_hold_keeps_yesterdays_side():
    rows = [
        [BUY, SELL, BUY, BUY, BUY, HOLD],
        [HOLD, HOLD, WEAK_BUY, NONE, TIE, HOLD],
        [HOLD, HOLD, HOLD, HOLD, HOLD, SELL],
    ]
    weights = MultitaskAction(threshold=0.5).target_weights(*acting(rows)).weights
    assert np.sign(weights.iloc[0]).tolist() == [1, -1, 1, 1, 1, 0]
    # A weak buy and a missing view end the side; a tie between buy and hold is no decision and keeps it.
    assert np.sign(weights.iloc[1]).tolist() == [1, -1, 0, 0, 1, 0]
    assert np.sign(weights.iloc[2]).tolist() == [1, -1, 0, 0, 1, -1]
    assert weights.iloc[2].tolist() == [0.325, -0.175, 0, 0, 0.325, -0.175]


def test_too_few_assets_are_all_cash_but_the_sides_are_remembered():
    rows = [[BUY] * 5, [HOLD, HOLD, HOLD, HOLD, NONE], [HOLD] * 5]
    weights = MultitaskAction(threshold=0.5).target_weights(*acting(rows)).weights
    assert (weights.iloc[1] == 0).all()
    assert np.sign(weights.iloc[2]).tolist() == [1, 1, 1, 1, 0]


def test_a_threshold_of_a_class_is_the_trailing_mean_of_its_own_share():
    """Probabilities that never reach one half trade all the same, by what the class usually reaches."""
    rng = np.random.default_rng(0)
    logits = 0.15 * rng.normal(size=(60, 10, 3))
    odds = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    predictions, prices = acting(odds)
    assert odds.max() < 0.5
    assert (MultitaskAction(threshold=0.5).target_weights(predictions, prices).weights == 0).all(axis=None)
    rule = MultitaskAction(window=20, share=0.3)
    weights = rule.target_weights(predictions, prices).weights
    assert (weights.iloc[:4] == 0).all(axis=None)  # 5 sessions are the fewest
    # By plain loops: who is bought outright on each session.
    for t in range(4, 60):
        first = max(0, t - 19)
        level = [np.mean([np.quantile(odds[s, :, k], 0.7) for s in range(first, t + 1)]) for k in (0, 1)]
        for asset in range(10):
            buy, sell, hold = odds[t, asset]
            if buy > max(sell, hold, level[0]):
                assert weights.iloc[t, asset] > 0
            elif sell > max(buy, hold, level[1]):
                assert weights.iloc[t, asset] < 0
            elif buy > max(sell, hold) or sell > max(buy, hold):
                assert weights.iloc[t, asset] == 0
    assert (weights != 0).any(axis=1).iloc[4:].mean() > 0.9
    # Later probabilities change no earlier threshold.
    cut = predictions.through(prices.sessions[30])
    pd.testing.assert_frame_equal(rule.target_weights(cut, prices).weights, weights.iloc[:31])


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 1.0}, {"window": 4}, {"threshold": 1.0}])
def test_thresholds_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        MultitaskAction(**wrong)


def test_agreement_drops_what_the_score_contradicts():
    score = [[0.01, -0.01, -0.01, 0.01, math.nan, 0.0]]
    panels = acting([[BUY, BUY, SELL, SELL, BUY, BUY]], score)
    stages = dict(MultitaskAction(threshold=0.5, require_agreement=True).target_weights(*panels).steps())
    assert np.sign(stages["select"].iloc[0]).tolist() == [1, 1, -1, -1, 1, 1]
    assert stages["filter"].iloc[0].tolist() == [0.65, 0, -0.35, 0, 0, 0]


def test_agreement_needs_a_signed_score():
    with pytest.raises(InputError, match="needs a score"):
        MultitaskAction(require_agreement=True).target_weights(*acting([[BUY] * 6]))
    with pytest.raises(InputError, match="probabilities of buy, sell and hold"):
        MultitaskAction().target_weights(PredictionPanel(market(1, 5).close), market(1, 5))


def scored(values, unit="return", horizon=1) -> tuple[PredictionPanel, PricePanel]:
    prices = market(1, len(values))
    return PredictionPanel(pd.DataFrame([values], prices.sessions, prices.assets), unit=unit, horizon=horizon), prices


def test_expected_return_by_hand():
    # Two trades at 5 bps cost 0.0010; what does not beat it is left out, the rest is scaled to a gross of 1.
    panels = scored([0.003, 0.0010, 0.0009, -0.001, -0.001 - 1e-6, -0.005])
    rule = ExpectedReturn()
    weights = rule.target_weights(*panels).weights.iloc[0]
    assert weights.tolist() == pytest.approx([0.375, 0, 0, 0, 0, -0.625])  # −0.001001 does not pay its borrow
    assert dict(rule.target_weights(*panels).steps())["select"].abs().sum(axis="columns").iloc[0] == pytest.approx(1)


def test_expected_return_charges_borrow_over_the_horizon():
    values = [0.0011, -0.0011, 0.0, 0.0, 0.0]
    assert np.sign(ExpectedReturn().target_weights(*scored(values)).weights.iloc[0]).tolist() == [1, -1, 0, 0, 0]
    # 50 bps a year over 10 sessions is 1.98 bps: 12 bps in all, more than the short promises.
    assert ExpectedReturn().target_weights(*scored(values, horizon=10)).weights.iloc[0].tolist() == [1, 0, 0, 0, 0]


def test_expected_return_with_nothing_worth_trading_is_cash():
    assert (ExpectedReturn().target_weights(*scored([0.0005] * 6)).weights == 0).all(axis=None)
    assert (ExpectedReturn().target_weights(*scored([0.01] * 4)).weights == 0).all(axis=None)


def test_expected_return_needs_returns():
    with pytest.raises(InputError, match="its unit is 'rank'"):
        ExpectedReturn().target_weights(*scored([1, 2, 3, 4, 5], unit="rank"))


def test_baselines_by_hand():
    rng = np.random.default_rng(0)
    close = pd.DataFrame(
        100 * np.exp(np.cumsum(rng.normal(0, [0.01, 0.02, 0.04], (25, 3)), axis=0)),
        pd.bdate_range("2020-01-01", periods=25),
        list("ABC"),
    )
    close.iloc[3, 0] = math.nan
    predictions, prices = PredictionPanel(close.notna().astype(float)), PricePanel(close)
    equal = EqualWeight().target_weights(predictions, prices)
    assert equal.iloc[0].tolist() == pytest.approx([1 / 3] * 3)
    assert equal.iloc[3].tolist() == [0, 0.5, 0.5]
    inverse = 1 / close.pct_change(fill_method=None).rolling(20).std()
    expected = inverse.div(inverse.sum(axis="columns"), axis="index")
    got = InverseVolatility().target_weights(predictions, prices)
    np.testing.assert_allclose(got.iloc[-1], expected.iloc[-1])
    assert got.iloc[21, 0] == 0  # a return is missing in its window
    assert (got.iloc[:20] == 0).all(axis=None)
    held = BuyAndHold(gross=0.9).target_weights(predictions, prices)
    assert held.iloc[0].tolist() == pytest.approx([0.3] * 3)
    assert held.iloc[1:].isna().all(axis=None)


@pytest.mark.parametrize(
    ("rule", "bad"),
    [
        (MultitaskAction, {"threshold": 1.0}),
        (MultitaskAction, {"threshold": -0.1}),
        (MultitaskAction, {"long_gross": -1}),
        (ExpectedReturn, {"cost_bps": -1}),
        (ExpectedReturn, {"gross": math.nan}),
        (EqualWeight, {"gross": -1}),
        (InverseVolatility, {"window": 1}),
    ],
)
def test_parameters_out_of_range(rule, bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        rule(**bad)


def test_costs_that_are_left_open_are_those_of_the_run():
    values = [0.003, 0.0010, 0.0009, -0.001, -0.001 - 1e-6, -0.005]
    predictions, prices = scored(values)
    dear = ExpectedReturn().with_costs(trade_bps=20.0, borrow_bps=50.0)
    assert np.sign(dear.target_weights(predictions, prices).weights.iloc[0]).tolist() == [0, 0, 0, 0, 0, -1]
    assert ExpectedReturn(cost_bps=5.0, borrow_bps=50.0).with_costs(trade_bps=20.0, borrow_bps=0.0) == ExpectedReturn(
        cost_bps=5.0, borrow_bps=50.0
    )
    usual = CostModel()
    told = ExpectedReturn().with_costs(trade_bps=1e4 * usual.traded_rate, borrow_bps=usual.borrow_bps)
    pd.testing.assert_frame_equal(  # outside a run: the costs of one by default
        told.target_weights(predictions, prices).weights, ExpectedReturn().target_weights(predictions, prices).weights
    )


@pytest.mark.parametrize("name", ["expected_return", "mean_variance", "cvar", "black_litterman", "min_variance"])
def test_every_rule_that_weighs_costs_hears_the_run(name):
    rule = load_strategy(name)
    assert isinstance(rule, WeighsCosts)
    heard = priced(rule, CostModel(commission_bps=30.0, spread_bps=4.0, borrow_bps=300.0))
    assert heard.cost_bps == (0.0 if name == "min_variance" else 34.0)  # the least variance is its own say
    assert heard.borrow_bps == 300.0


def test_a_run_with_dearer_costs_is_decided_otherwise():
    rng = np.random.default_rng(3)
    close = np.exp(np.cumsum(rng.normal(0, 0.01, (60, 8)), axis=0))
    prices = PricePanel(pd.DataFrame(close, pd.bdate_range("2020-01-01", periods=60)))
    predictions = PredictionPanel(pd.DataFrame(rng.normal(0, 0.002, (60, 8)), prices.sessions, prices.assets))
    cheap = run_backtest(ExpectedReturn(), predictions, prices, costs=CostModel.zero())
    dear = run_backtest(ExpectedReturn(), predictions, prices, costs=CostModel(commission_bps=50.0))
    assert cheap.turnover.mean() > 0.5
    assert (dear.turnover == 0).all()
    assert dear.warnings[0].startswith("no trade on any of 60 sessions: expected_return")
    assert not any("no trade" in line for line in cheap.warnings)
