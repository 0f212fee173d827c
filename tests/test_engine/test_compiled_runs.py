"""Single runs by the compiled loops against the same runs in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.panel import PredictionPanel, PricePanel
from assay.engine import backtest, kernels, ledger
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.simulation import simulate
from assay.strategies.catalog import load_strategy

COSTS = CostModel(5, borrow_bps=300, financing_bps=100, cash_rate_bps=100)


@pytest.fixture(params=["interpreted", pytest.param("compiled", marks=pytest.mark.slow)], autouse=True)
def loops(request, monkeypatch):
    """The loops as Python runs them, and, slow, as Numba compiles them."""
    pytest.importorskip("numba")
    if request.param == "interpreted":
        monkeypatch.setattr(ledger, "compiled_run", lambda: kernels._rebalanced)
        monkeypatch.setattr(kernels, "compiled_smoothing", lambda: kernels._smooth_sets)
        monkeypatch.setattr(kernels, "_compiled_sums", lambda: kernels._sums)
        monkeypatch.setattr(backtest, "compiled_rows", lambda: None)


def market(seed: int, *, opens: bool, holes: bool) -> tuple[PredictionPanel, PricePanel]:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (70, 8)), axis=0))
    if holes:
        close[rng.random(close.shape) < 0.02] = np.nan
    index, names = pd.bdate_range("2015-01-01", periods=70), [f"A{i}" for i in range(8)]
    first = pd.DataFrame(close * np.exp(rng.normal(0, 0.005, close.shape)), index, names) if opens else None
    scores = pd.DataFrame(rng.normal(size=close.shape), index, names)
    return PredictionPanel(scores), PricePanel(pd.DataFrame(close, index, names), open=first)


def compare(one, two) -> None:
    for name in ("returns", "gross_returns", "turnover"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=0, atol=1e-12)
    for name in ("nav", "cash", "interest", "costs"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=0, atol=1e-12 * 1e6)
    for name in ("exposure", "holdings", "target_weights", "stages"):
        if getattr(one, name) is not None:
            np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-10, atol=1e-12)
    pd.testing.assert_frame_equal(two.events, one.events)
    assert (two.counts, two.warnings) == (one.counts, one.warnings)


@pytest.mark.parametrize(("strategy", "opens", "holes"), [
    ("quintile_long_short", False, False), ("s2_filter_negative", True, False), ("s2_filter_negative", False, True),
])  # fmt: skip
def test_a_compiled_run_is_the_run(strategy, opens, holes):
    predictions, prices = market(1, opens=opens, holes=holes)
    rule = load_strategy(strategy)
    options = {"costs": COSTS, "execution": Execution(delay=1 + opens)}
    compare(*(run_backtest(rule, predictions, prices, compiled=how, **options) for how in (False, True)))


@pytest.mark.parametrize("path", [[10.0, 10.0, 10.0, 25.0, 12.0], [10.0, 10.0, 10.0, 31.0, 12.0]])
def test_ruin_at_the_close_and_at_the_fill(path):
    index = pd.bdate_range("2020-01-01", periods=5)
    opens = pd.DataFrame({"A": path, "B": 10.0}, index)
    prices = PricePanel(opens * np.array([[1.0], [1.0], [1.0], [1.2], [1.0]]), open=opens)
    weights = pd.DataFrame({"A": [-1.0] * 5, "B": [1e-9, 0.5, 0.5, 0.5, 0.5]}, index)
    one, two = (simulate(prices, weights, costs=replace(COSTS, borrow_bps=5000), compiled=how) for how in (False, True))
    assert any("ruined" in line for line in one.warnings)
    compare(one, two)


def test_weights_above_the_cap_and_without_orders():
    _, prices = market(2, opens=False, holes=False)
    weights = pd.DataFrame(0.1, prices.sessions, prices.assets)
    weights.iloc[10:20] = 1.0
    weights.iloc[30, 2] = np.nan
    compare(*(simulate(prices, weights, costs=COSTS, compiled=how) for how in (False, True)))
