"""Single runs by the compiled loops against the same runs in NumPy."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from assay.data.panel import PredictionPanel, PricePanel
from assay.engine import simulation
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.simulation import simulate
from assay.strategies.base import Overlays, decide
from assay.strategies.catalog import load_strategy
from tests.test_engine.loops import interpret

COSTS = CostModel(5, borrow_bps=300, financing_bps=100, cash_rate_bps=100)


@pytest.fixture(params=["interpreted", pytest.param("compiled", marks=pytest.mark.slow)], autouse=True)
def loops(request, monkeypatch):
    """The loops as Python runs them, and, slow, as Numba compiles them."""
    pytest.importorskip("numba")
    if request.param == "interpreted":
        interpret(monkeypatch)


def market(seed: int, *, opens: bool, holes: bool = False, late: bool = False) -> tuple[PredictionPanel, PricePanel]:
    """`holes` here and there, or one asset that is listed `late`; predictions end before the prices."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (120, 8)), axis=0))
    if holes:
        close[rng.random(close.shape) < 0.02] = np.nan
    if late:
        close[:30, 3] = np.nan
    index, names = pd.bdate_range("2015-01-01", periods=120), [f"A{i}" for i in range(8)]
    first = pd.DataFrame(close * np.exp(rng.normal(0, 0.005, close.shape)), index, names) if opens else None
    scores = pd.DataFrame(rng.normal(size=close.shape), index, names)[:-5]
    return PredictionPanel(scores, horizon=3), PricePanel(pd.DataFrame(close, index, names), open=first)


def compare(one, two) -> None:
    for name in ("returns", "gross_returns", "turnover"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=0, atol=1e-12)
    for name in ("nav", "cash", "interest", "costs"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=0, atol=1e-12 * 1e6)
    for name in ("exposure", "holdings", "target_weights", "stages"):
        assert (getattr(one, name) is None) == (getattr(two, name) is None)
        if getattr(one, name) is not None:
            np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-10, atol=1e-12)
    pd.testing.assert_frame_equal(two.events, one.events)
    assert (two.counts, two.warnings) == (one.counts, one.warnings)


@pytest.mark.parametrize("keep", ["returns", "all"])
@pytest.mark.parametrize(("strategy", "opens", "gaps"), [
    ("quintile_long_short", False, {}), ("s2_filter_negative", True, {}), ("s2_filter_negative", False, {}),
    ("s2_filter_negative", True, {"late": True}), ("s2_filter_negative", False, {"holes": True}),
])  # fmt: skip
def test_a_compiled_run_is_the_run(strategy, opens, gaps, keep, monkeypatch):
    predictions, prices = market(1, opens=opens, **gaps)
    rule = load_strategy(strategy)
    options = {"costs": COSTS, "execution": Execution(delay=1 + opens), "keep": keep}
    one = run_backtest(rule, predictions, prices, **options)
    if keep == "returns" and not gaps.get("holes"):
        monkeypatch.setattr(simulation, "self_financing", None)  # would raise if it were called
    two = run_backtest(rule, predictions, prices, compiled=True, **options)
    compare(one, two)
    for table in ("costs", "exposure"):  # a cost of nothing is 0.0 in both, never −0.0
        for values in (getattr(run, table).to_numpy() for run in (one, two)):
            assert not np.signbit(values[values == 0]).any()
    assert len(one.events) or not rule.overlays.kill_switches


@pytest.mark.parametrize("overlays", [Overlays(), load_strategy("s2_filter_negative").overlays])
def test_decisions_now_and_then(overlays):
    """Every third session alone, one of them without an order: standing targets are ordered where factors change."""
    predictions, prices = market(3, opens=True)
    weights = decide(load_strategy("quintile_long_short"), predictions, prices).weights[::3]
    weights.iloc[4] = np.nan

    @dataclass(frozen=True)
    class Given:
        name, needs, overlays = "given", (), Overlays()

        def target_weights(self, predictions, prices):
            return weights

    rule = Given()
    object.__setattr__(rule, "overlays", replace(overlays, smoothing=0.0))
    options = {"costs": COSTS, "keep": "returns"}
    one, two = (run_backtest(rule, predictions, prices, compiled=how, **options) for how in (False, True))
    compare(one, two)
    assert (one.turnover[-3:] > 0).any() == bool(overlays.vol_target)  # after the last decision


@pytest.mark.parametrize("path", [[10.0, 10.0, 10.0, 25.0, 12.0], [10.0, 10.0, 10.0, 31.0, 12.0]])
def test_ruin_at_the_close_and_at_the_fill(path):
    index = pd.bdate_range("2020-01-01", periods=5)
    opens = pd.DataFrame({"A": path, "B": 10.0}, index)
    prices = PricePanel(opens * np.array([[1.0], [1.0], [1.0], [1.2], [1.0]]), open=opens)
    weights = pd.DataFrame({"A": [-1.0] * 5, "B": [1e-9, 0.5, 0.5, 0.5, 0.5]}, index)
    costs = replace(COSTS, borrow_bps=5000)
    one, two = (simulate(prices, weights, costs=costs, keep="returns", compiled=how) for how in (False, True))
    assert any("ruined" in line for line in one.warnings)
    compare(one, two)


def test_weights_above_the_cap_and_without_orders():
    _, prices = market(2, opens=False, holes=False)
    weights = pd.DataFrame(0.1, prices.sessions, prices.assets)
    weights.iloc[10:20] = 1.0
    weights.iloc[30, 2] = np.nan
    for part in (weights, weights[:25]):  # the loop knows the second alone
        compare(*(simulate(prices, part, costs=COSTS, keep="returns", compiled=how) for how in (False, True)))
