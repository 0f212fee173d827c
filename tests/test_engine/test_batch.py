"""Many runs at once equal the same runs one by one."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine import batch, kernels
from assay.engine.backtest import run_backtest
from assay.engine.batch import backtest_batch, simulate_batch
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.simulation import simulate
from assay.strategies.base import Overlays, decide
from assay.strategies.catalog import load_strategy
from assay.strategies.overlays import kill_switch_states, smooth_weights, vol_target_factors
from tests.test_engine.loops import interpret


def market(seed: int, sessions: int = 300, assets: int = 12, holes: float = 0.0) -> PricePanel:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, assets)), axis=0))
    opens = close * np.exp(rng.normal(0, 0.005, close.shape))
    if holes:
        gone = rng.random(close.shape) < holes
        gone[sessions // 2 :, 0] = True
        close[gone] = opens[gone] = np.nan
    index, names = pd.bdate_range("2015-01-01", periods=sessions), [f"A{i:02d}" for i in range(assets)]
    return PricePanel(pd.DataFrame(close, index, names), open=pd.DataFrame(opens, index, names))


@pytest.mark.parametrize("holes", [0.0, 0.03])
@pytest.mark.parametrize("fill", ["open", "close"])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_equals_single_runs(holes, fill, missing):
    prices = market(1, 80, holes=holes)
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(4, *prices.shape))
    weights *= np.array([0.5, 1.0, 1.5, 4.0])[:, None, None] / np.abs(weights).sum(axis=2, keepdims=True)
    weights[rng.random(weights.shape) < missing] = np.nan
    models = [CostModel(), CostModel(20, 3), CostModel.zero(), CostModel(borrow_bps=900, financing_bps=800)]
    execution = Execution(fill=fill, delay=2)
    batch = simulate_batch(prices, weights, costs=models, execution=execution)
    for run, (weight, model) in enumerate(zip(weights, models, strict=True)):
        frame = pd.DataFrame(weight, prices.sessions, prices.assets)
        one = simulate(prices, frame, costs=model, execution=execution)
        np.testing.assert_allclose(batch.net[run], one.returns, atol=1e-12)
        np.testing.assert_allclose(batch.gross[run], one.gross_returns, atol=1e-12)
        np.testing.assert_allclose(batch.turnover[run], one.turnover, atol=1e-12)
        np.testing.assert_allclose(batch.net_exposure[run], one.exposure["net"], atol=1e-12)
        np.testing.assert_allclose(batch.gross_exposure[run], one.exposure["gross"], atol=1e-12)


def test_ruin_stops_one_run_only():
    index = pd.bdate_range("2020-01-01", periods=5)
    prices = PricePanel(pd.DataFrame({"A": [10.0, 10.0, 25.0, 10.0, 12.0]}, index))
    weights = np.array([[[-1.0]] * 5, [[0.5]] * 5])
    batch = simulate_batch(prices, weights, costs=CostModel.zero())
    for run in range(2):
        one = simulate(prices, pd.DataFrame(weights[run], index, ["A"]), costs=CostModel.zero())
        np.testing.assert_allclose(batch.net[run], one.returns, atol=1e-12)


@pytest.mark.parametrize("holes", [0.0, 0.02])
def test_overlays_equal_single_runs(holes):
    prices = market(5, 400, holes=holes)
    strategy = load_strategy("s2_filter_negative")
    sessions = prices.sessions[:-2]
    shape = (len(sessions), len(prices.assets))
    panels = [
        PredictionPanel(pd.DataFrame(np.random.default_rng(seed).normal(size=shape), sessions, prices.assets))
        for seed in range(3)
    ]
    weights = np.stack([decide(strategy, panel, prices).weights.to_numpy() for panel in panels])
    batch = backtest_batch(prices, weights, strategy.overlays)
    for run, panel in enumerate(panels):
        one = run_backtest(strategy, panel, prices)
        np.testing.assert_allclose(batch.net[run], one.returns, atol=1e-12)


def test_what_needs_single_runs_is_refused():
    prices = market(1, 10)
    weights = np.zeros((1, *prices.shape))
    with pytest.raises(InputError, match="need single runs"):
        simulate_batch(prices, weights, costs=CostModel(impact_bps=1))
    with pytest.raises(InputError, match="weights have shape"):
        simulate_batch(prices, weights[:, :, :3])


@pytest.fixture(params=["interpreted", pytest.param("compiled", marks=pytest.mark.slow)])
def kernel(request, monkeypatch):
    """The loop as Python runs it, and, slow, as Numba compiles it."""
    if request.param == "interpreted":
        interpret(monkeypatch)
    else:
        pytest.importorskip("numba")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fill", ["open", "close"])
def test_the_compiled_loop_is_the_batch(kernel, seed, fill):
    """Shared weights, costs of their own, fewer decisions than sessions, sizes below the smallest, caps, overlays."""
    rng = np.random.default_rng(seed)
    prices = market(seed, 90)
    weights = rng.normal(size=(3, 85 if seed % 3 else 1, 12)) * 10.0 ** rng.integers(-7, 0, (3, 1, 12))
    weights[rng.random(weights.shape) < 0.3] = 0.0
    which = np.array([0, 1, 1, 2, 1])
    costs = (0.0, 5.0, 30.0, 9.0, 200.0)
    models = [CostModel(bps, borrow_bps=90 * bps, financing_bps=50, cash_rate_bps=100) for bps in costs]
    execution = Execution(fill=fill, delay=1 + seed % 2)
    overlays = load_strategy("s2_filter_negative").overlays if seed % 2 else Overlays()
    plain, other = (
        backtest_batch(prices, weights, overlays, costs=models, execution=execution, which=which, compiled=compiled)
        for compiled in (False, True)
    )
    for name in ("net", "gross", "turnover", "net_exposure", "gross_exposure"):
        np.testing.assert_allclose(getattr(other, name), getattr(plain, name), rtol=0, atol=1e-12)
    same = np.flatnonzero(which == 1)  # the runs of a set are one group, whatever else is in the pass
    alone = backtest_batch(
        prices, weights[1:2], overlays, costs=[models[run] for run in same], execution=execution, which=0 * same,
        compiled=True,
    )  # fmt: skip
    np.testing.assert_array_equal(alone.net, other.net[same])


@pytest.mark.parametrize("path", [[10.0, 10.0, 25.0, 10.0, 12.0], [10.0, 10.0, 10.0, 31.0, 12.0]])
def test_the_compiled_loop_knows_ruin_at_the_close_and_at_the_fill(kernel, path):
    index = pd.bdate_range("2020-01-01", periods=5)
    opens = pd.DataFrame({"A": path}, index)
    prices = PricePanel(opens * np.array([[1.0], [1.0], [1.2], [1.0], [1.0]]), open=opens)
    weights = np.array([[[-1.0]] * 5, [[0.5]] * 5])
    costs = CostModel(borrow_bps=5000, financing_bps=0)
    plain, other = (simulate_batch(prices, weights, costs=costs, compiled=compiled) for compiled in (False, True))
    assert (plain.gross_exposure[0] == 0).any()
    np.testing.assert_allclose(other.net, plain.net, rtol=0, atol=1e-12)
    np.testing.assert_allclose(other.gross_exposure, plain.gross_exposure, rtol=0, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.85, 0.5])
def test_the_compiled_smoothing_is_smooth_weights_to_the_bit(smoothing, kernel):
    weights = np.random.default_rng(0).normal(size=(3, 40, 5))
    index = pd.bdate_range("2020-01-01", periods=40)
    out = np.empty(weights.shape)
    batch.compiled_smoothing()(weights, smoothing, 1 - smoothing, out)
    for one, smooth in zip(weights, out, strict=True):
        np.testing.assert_array_equal(smooth, smooth_weights(pd.DataFrame(one, index), smoothing))


@pytest.mark.parametrize("fill", ["open", "close"])
def test_a_missing_price_matters_to_the_runs_that_want_it(kernel, fill, monkeypatch):
    """An asset listed late, one whose prices stop, and a run that holds the second when they do."""
    prices = market(3, 60)
    for frame in (prices.close, prices.open):
        frame.iloc[:20, 0] = frame.iloc[40:, 1] = np.nan
    weights = np.full((3, 60, 12), 0.05)
    weights[:, :20, 0] = weights[:, 38:, 1] = 0.0
    weights[1, 45, 1] = 0.1  # wanted without a price
    weights[2, 38:, 1] = 0.05  # held without one
    single, plain = [], batch.simulate_batch
    monkeypatch.setattr(batch, "simulate_batch", lambda *args, **kw: single.append(kw) or plain(*args, **kw))
    models = [CostModel(bps) for bps in (1, 5, 9, 20)]
    for which in (np.array([2, 0, 1, 0]), np.array([2, 0, 1])):
        options = {"costs": models[: len(which)], "execution": Execution(fill=fill), "which": which}
        runs = [plain(prices, weights, compiled=compiled, **options) for compiled in (False, True)]
        assert list(single.pop()["which"]) == [2, 1]  # done again, in NumPy
        for name in ("net", "gross", "turnover", "net_exposure", "gross_exposure"):
            np.testing.assert_allclose(getattr(runs[1], name), getattr(runs[0], name), rtol=0, atol=1e-12)


def test_orders_of_some_assets_run_as_before(monkeypatch):
    monkeypatch.setattr(kernels, "_compiled", None)  # would raise if it were called
    monkeypatch.setattr(kernels, "_compiled_gross", lambda: kernels._row_gross)
    gaps = np.full((2, 40, 12), 0.05)
    gaps[1, 3, 4] = np.nan
    asked, plain = (simulate_batch(market(1, 40), gaps, compiled=compiled) for compiled in (True, False))
    np.testing.assert_array_equal(asked.net, plain.net)


@pytest.mark.parametrize("seed", range(4))
def test_compiled_factors_and_switches_are_those_of_the_overlays(kernel, seed):
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.03, (5, 150)) * rng.choice([0.2, 1, 3], (5, 150))
    for run, start in enumerate((0, 3, 149, 150, 40)):
        returns[run, :start] = np.nan
    returns[4, 60:100] = 0.0
    index = pd.bdate_range("2020-01-01", periods=150)
    factors = kernels.compiled_factors(returns, index, 0.08)
    np.testing.assert_allclose(factors, vol_target_factors(returns, index, 0.08), rtol=1e-12)
    states = kill_switch_states(returns, index)
    np.testing.assert_array_equal(kernels.compiled_switches(returns, index), states)
    assert states.any(axis=(0, 1)).all()


def test_small_problems_are_not_worth_compiling(monkeypatch):
    assert not kernels.worth_compiling(50, 1000, 20)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert not kernels.worth_compiling(10**6, 1000, 20)
