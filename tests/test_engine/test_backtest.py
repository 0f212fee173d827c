"""The overlay passes: what each reads, in which order, and that none of it is the future."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import final_weights, run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.in_blocks import run_in_blocks
from assay.engine.simulation import simulate
from assay.engine.vectorbt_adapter import cross_check
from assay.strategies.base import Decision, EntryRule, Overlays, decide
from assay.strategies.catalog import load_strategy, strategy_names


def market(seed: int, sessions: int = 260, assets: int = 12) -> PricePanel:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, assets)), axis=0))
    opens = close * np.exp(rng.normal(0, 0.005, close.shape))
    high, low = np.maximum(close, opens) * 1.01, np.minimum(close, opens) * 0.99
    volume = rng.integers(1000, 9000, close.shape).astype(float)
    index, names = pd.bdate_range("2015-01-01", periods=sessions), [f"A{i:02d}" for i in range(assets)]
    frames = {"close": close, "open": opens, "high": high, "low": low, "volume": volume}
    return PricePanel(**{name: pd.DataFrame(values, index, names) for name, values in frames.items()})


def opinions(prices: PricePanel, seed: int) -> PredictionPanel:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(0, 0.01, prices.shape), prices.sessions, prices.assets)
    buy, sell = rng.random(prices.shape) / 2, rng.random(prices.shape) / 2
    action = {"buy": buy, "sell": sell, "hold": 1 - buy - sell}
    return PredictionPanel(
        frame,
        probability_up=pd.DataFrame(rng.random(prices.shape), prices.sessions, prices.assets),
        action={k: pd.DataFrame(v, prices.sessions, prices.assets) for k, v in action.items()},
    )


def test_stages_by_hand():
    """The S2 pipeline, one pass at a time, with nothing but the published rules."""
    prices = market(1)
    predictions = opinions(prices, 2)
    strategy = load_strategy("s2_filter_negative")
    costs = CostModel()
    result = run_backtest(strategy, predictions, prices, costs=costs)

    target = decide(strategy, predictions, prices).weights
    smooth = target.copy()
    for t in range(1, len(smooth)):
        smooth.iloc[t] = 0.85 * smooth.iloc[t - 1] + 0.15 * target.iloc[t]
    unscaled = simulate(prices, smooth, costs=costs).returns
    sigma = unscaled.iloc[1:].rolling(20).std(ddof=1) * np.sqrt(252)
    factor = (0.08 / sigma).clip(0.5, 2.0).reindex(smooth.index).fillna(1.0)
    scaled = smooth.mul(factor, axis="index")
    shadow = simulate(prices, scaled, costs=costs).returns.iloc[1:]
    day = shadow < -3 * shadow.rolling(20).std(ddof=1).shift(1)
    sixty = shadow.rolling(60).mean() < 0
    nav = (1 + shadow).cumprod()
    five = pd.Series(False, shadow.index)
    level = None
    for i in range(len(shadow)):
        start = 1.0 if i == 4 else nav.iloc[i - 5] if i > 4 else None
        if level is not None and nav.iloc[i] >= level:
            level = None
        if level is None and start is not None and nav.iloc[i] / start - 1 < -0.08:
            level = nav.iloc[i] + 0.5 * (start - nav.iloc[i])
        five.iloc[i] = level is not None
    off = (day | sixty | five).reindex(scaled.index, fill_value=False)
    expected = scaled.mask(off, 0.0)
    assert off.any()
    assert result.target_weights is not None
    pd.testing.assert_frame_equal(result.target_weights, expected, rtol=1e-12, check_freq=False)
    assert result.stages is not None
    assert list(result.stages.index) == ["select", "filter", "smooth", "vol target", "kill switch", "costs"]
    ratio = result.returns.mean() / result.returns.std() * np.sqrt(252)
    assert result.stages.loc["costs", "sharpe"] == pytest.approx(ratio)
    gross = simulate(prices, smooth, costs=costs).gross_returns
    assert result.stages.loc["smooth", "sharpe"] == pytest.approx(gross.mean() / gross.std() * np.sqrt(252))


@pytest.mark.parametrize("name", ["quintile_long_short", "s2_filter_negative", "s3_vol_scaled"])
def test_stages_that_hold_the_same_earn_what_each_would_alone(name):
    prices = market(1)
    predictions = opinions(prices, 2)
    lower = replace(predictions, score=predictions.score - 1)  # nothing is left out by a sign
    strategy = replace(load_strategy(name), vol_target=None, kill_switches=True)
    result = run_backtest(strategy, lower, prices)
    last = final_weights(strategy, lower, prices)
    for label, weights in [*decide(strategy, lower, prices).steps(), ("kill switch", last)]:
        alone = simulate(prices, weights).gross_returns
        assert result.stages.loc[label, "return_ann"] == alone.mean() * 252, label
    calm = run_backtest(replace(strategy, kill_switches=False, smoothing=0.0), lower, prices)
    assert list(calm.stages.index) == ["select", "filter", "costs"]
    assert calm.stages.loc["filter"].equals(result.stages.loc["filter"])


@dataclass(frozen=True)
class HalfOfAStage:
    """Holds half of what its only stage of that label holds."""

    stage: str
    overlays: Overlays
    name = "half"
    needs = ()
    memory = 1

    def target_weights(self, predictions, prices):
        held = predictions.view.clip(lower=0.0) * 5
        return Decision(held / 2, stages={self.stage: lambda: held})


@pytest.mark.parametrize(("stage", "smoothing"), [("select", 0.0), ("smooth", 0.5)])
def test_a_label_that_comes_again_is_that_of_the_last_book(stage, smoothing):
    prices = market(1, sessions=40)
    rule, given = HalfOfAStage(stage, Overlays(smoothing=smoothing)), PredictionPanel(opinions(prices, 2).view)
    result = run_backtest(rule, given, prices)
    assert list(result.stages.index) == ["select", *(["smooth"] if smoothing else []), "costs"]
    assert result.stages.loc["costs", "return_ann"] == result.returns.mean() * 252
    last = final_weights(rule, given, prices)
    alone = simulate(prices, last)
    assert result.stages.loc[stage, "return_ann"] == alone.gross_returns.mean() * 252
    parts, _ = run_in_blocks(rule, given, prices, sessions=25)
    np.testing.assert_allclose(parts.returns, result.returns, rtol=0, atol=1e-12)
    pd.testing.assert_frame_equal(parts.stages, result.stages, rtol=1e-10, atol=1e-12)


def test_final_weights_are_what_is_traded():
    prices = market(3)
    predictions = opinions(prices, 4)
    strategy = load_strategy("s2_filter_negative")
    result = run_backtest(strategy, predictions, prices)
    pd.testing.assert_frame_equal(final_weights(strategy, predictions, prices), result.target_weights)
    lean = run_backtest(strategy, predictions, prices, keep="returns")
    pd.testing.assert_series_equal(lean.returns, result.returns)
    assert lean.holdings is None


@pytest.mark.parametrize("fill", ["open", "close"])
@pytest.mark.parametrize("name", ["quintile_long_short", "s2_filter_negative"])
def test_final_weights_equal_vectorbt(name, fill):
    prices = market(5)
    predictions = opinions(prices, 6)
    execution = Execution(fill=fill)
    weights = final_weights(load_strategy(name), predictions, prices, execution=execution)
    check = cross_check(prices, weights, execution=execution)
    assert check.agrees is True


def test_the_window_of_the_last_decision_is_simulated_and_no_more():
    prices = market(7, sessions=60)
    predictions = opinions(prices, 8).through(prices.sessions[39])
    result = run_backtest(load_strategy("quintile_long_short"), predictions, prices)
    assert result.sessions[0] == predictions.sessions[0]
    assert result.sessions[-1] == prices.sessions[41]


@pytest.mark.parametrize("name", strategy_names())
@settings(max_examples=4, deadline=None)
@given(cut=st.integers(30, 110), seed=st.integers(0, 1000))
def test_the_future_changes_no_run(name, cut, seed):
    """Every strategy with its overlays: prices and predictions after t move no weight, fill or NAV up to t."""
    prices, other = market(seed, 120), market(seed + 5000, 120)
    predictions, later = opinions(prices, seed + 1), opinions(prices, seed + 2)

    def spliced(one: pd.DataFrame, two: pd.DataFrame) -> pd.DataFrame:
        out = one.copy()
        out.iloc[cut:] = two.iloc[cut:].to_numpy()
        return out

    changed = PricePanel(**{f: spliced(getattr(prices, f), getattr(other, f)) for f in prices.fields})
    assert predictions.action is not None
    assert later.action is not None
    mixed = PredictionPanel(
        spliced(predictions.score, later.score),
        probability_up=spliced(predictions.probability_up, later.probability_up),
        action={k: spliced(predictions.action[k], later.action[k]) for k in predictions.action},
    )
    strategy = load_strategy(name)
    benchmark = prices.close.mean(axis="columns").pct_change(fill_method=None)
    moved = changed.close.mean(axis="columns").pct_change(fill_method=None)
    one = run_backtest(strategy, predictions, prices, benchmark=benchmark)
    two = run_backtest(strategy, mixed, changed, benchmark=moved)
    last = prices.sessions[cut - 1]
    pd.testing.assert_series_equal(one.nav.loc[:last], two.nav.loc[:last], rtol=0, atol=0)
    pd.testing.assert_frame_equal(one.fills[one.fills.session <= last], two.fills[two.fills.session <= last])
    if not isinstance(strategy, EntryRule):
        pd.testing.assert_frame_equal(one.target_weights.loc[:last], two.target_weights.loc[:last], rtol=0, atol=0)


def test_the_benchmark_is_an_input_of_the_run():
    prices, scores = synthetic_market(60, 6, ic=0.1, seed=0)
    index = prices.close.mean(axis=1).pct_change().iloc[1:]
    strategy = load_strategy("quintile_long_short")
    first = run_backtest(strategy, scores, prices, benchmark=index)
    assert first.fingerprints == run_backtest(strategy, scores, prices, benchmark=index.rename("other")).fingerprints
    index.iloc[3] += 1e-12
    assert first.fingerprints != run_backtest(strategy, scores, prices, benchmark=index).fingerprints
    assert "benchmark" not in run_backtest(strategy, scores, prices).fingerprints
    with pytest.raises(InputError, match="one return a session"):
        run_backtest(strategy, scores, prices, benchmark=index.reset_index(drop=True), keep="returns")
