"""Each family finds its share of what is planted, and nothing where nothing is. Slow: minutes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.models.catalog import load_model
from assay.strategies.catalog import load_strategy
from studies.planted import nothing, trial

pytestmark = pytest.mark.slow

SHARES = {"ridge": 0.9, "stock_lstm": 0.8, "b3_multitask": 0.7, "reliance_direction": 0.5}


@pytest.mark.parametrize("family", sorted(SHARES))
def test_share_of_the_oracles_ic_where_returns_reverse(family: str) -> None:
    row = trial(family, "reversal", 1)
    assert row["oracle_ic"] == pytest.approx(0.1, abs=0.01)
    assert row["share"] > SHARES[family]
    assert row["hac_t"] > 3
    assert row["seconds"] < 120


@pytest.mark.parametrize("family", ["stock_lstm", "b3_multitask"])
def test_the_same_signal_in_volume(family: str) -> None:
    assert trial(family, "volume", 1)["share"] > SHARES[family]


def test_a_sign_that_flips_with_volatility_is_seen_by_the_lstm_and_not_by_ridge() -> None:
    lstm, ridge = (trial(family, "sign_flip", 1) for family in ("stock_lstm", "ridge"))
    assert lstm["share"] > 0.4
    assert lstm["share"] > ridge["share"] + 0.2
    assert lstm["hac_t"] > 3


def test_the_untrained_five_day_mean_changes_sign_with_the_market() -> None:
    assert trial("five_day_mean", "reversal", 1)["hac_t"] > 3
    assert trial("five_day_mean", "momentum", 1)["hac_t"] < -3


def test_multitask_action_trades_what_the_trained_model_says() -> None:
    """Its probabilities stay below a half, so one level for all never trades; a level by class does, and it earns."""
    prices, _ = synthetic_market(700, 30, ic=0.1, seed=1, kind="reversal")
    train = prices.through(prices.sessions[499])
    model = load_model("b3_multitask", preset="small").fit(train, horizon=1, delay=1, seed=1)
    predictions = model.predict(prices).map(lambda frame: frame.iloc[500:])
    assert predictions.action is not None
    assert max(float(np.nanmax(predictions.action[side])) for side in ("buy", "sell")) < 0.6
    result = run_backtest(load_strategy("multitask_action"), predictions, prices, costs=CostModel.zero())
    held = result.exposure.iloc[30:]
    assert (held["long"] > 0.5).mean() > 0.9
    assert (held["short"] < -0.2).mean() > 0.9
    assert result.returns.mean() / result.returns.std() * np.sqrt(252) > 1
    # The levels of a session come from that session and the ones before it.
    cut = prices.sessions[600]
    early = run_backtest(load_strategy("multitask_action"), predictions.through(cut), prices.through(cut))
    assert early.target_weights is not None
    assert result.target_weights is not None
    pd.testing.assert_frame_equal(early.target_weights, result.target_weights.loc[:cut], check_freq=False)
    never = run_backtest(load_strategy("multitask_action", threshold=0.6), predictions, prices)
    assert never.warnings[0].startswith("no trade on any of")


def test_nothing_from_nothing() -> None:
    told = nothing(100)
    assert told["low"] <= told["rejected"] <= told["high"]
