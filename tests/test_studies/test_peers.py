"""The page of peers is a function of its committed figures, and the loops that peers are held against are right."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.entry_rules import simulate_entries
from assay.strategies.catalog import load_strategy
from assay.strategies.confidence import Confidence

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _benchmarks_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


def figures() -> dict[str, Any]:
    return dict(json.loads((ROOT / "studies" / "peers.json").read_text(encoding="utf-8")))


def test_the_page_is_rebuilt_byte_for_byte():
    assert module("peer_page").page(figures()) == (ROOT / "studies" / "peers.md").read_text(encoding="utf-8")


def test_every_side_has_a_row_and_every_version_is_the_pinned_one():
    table, found = module("peer_sides.table"), figures()
    assert {side.key for side in table.SIDES} == set(found["rows"])
    assert {work for work, _, _ in table.ABSENT} <= set(table.WORKS)
    pins = re.findall(r"^([\w-]+)==([^;\s]+)", (ROOT / "benchmarks" / "peers.txt").read_text(encoding="utf-8"), re.M)
    assert {(name, found["versions"][name]) for name, _ in pins} <= set(pins)


COSTS = CostModel(borrow_bps=0.0, financing_bps=0.0)


@pytest.fixture(scope="module")
def bars() -> tuple[PredictionPanel, PricePanel]:
    prices, oracle = synthetic_market(50, 10, ic=0.1, seed=3)
    rng = np.random.default_rng(0)
    score = oracle.score.fillna(0.0) + 1e-6 * rng.normal(size=oracle.score.shape)
    up = pd.DataFrame(rng.uniform(0.3, 1.0, score.shape), score.index, score.columns)
    return PredictionPanel(score, probability_up=up), prices


def test_the_quintile_loop_is_the_engine(bars: tuple[PredictionPanel, PricePanel]):
    predictions, prices = bars
    closes = PricePanel(prices.close)
    loop = module("peer_sides.yardsticks").quintile_loop(predictions.score.to_numpy(), closes.close.to_numpy())
    result = run_backtest(load_strategy("quintile_long_short"), predictions, closes, costs=COSTS)
    np.testing.assert_allclose(loop[-len(result.returns) :], result.returns, atol=1e-13)
    decided = module("peer_sides.yardsticks").quintile_loop(
        predictions.score.to_numpy(), closes.close.to_numpy(), sized="decision"
    )
    assert 1e-5 < np.abs(decided - loop).max() < 0.01


def test_the_entries_loop_is_the_engine(bars: tuple[PredictionPanel, PricePanel]):
    predictions, prices = bars
    arrays = tuple(getattr(prices, name).to_numpy() for name in ("open", "high", "low", "close"))
    up = predictions.probability_up.to_numpy()
    rule = Confidence(max_holding=0)
    book = simulate_entries(prices, rule.signals(predictions, prices), rule, costs=COSTS)
    nav = book.nav.to_numpy() / book.config["execution"]["capital"]
    loop = module("peer_sides.yardsticks").entries_loop
    np.testing.assert_allclose(loop(arrays, up, cap=3)[-len(nav) :], nav, rtol=1e-12)
    assert loop(arrays, up, cap=3, entry_bar=False)[-1] != pytest.approx(nav[-1], rel=1e-6)
