"""One battery for parts that are asked of a run or of its money: cost models, metrics, gate rules; anyone's own."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from assay.data.contract import check_causal, market_with_holes
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.own_costs import own_rates, with_own_costs
from assay.engine.result import BacktestResult
from assay.results.checks.own_metrics import own_metric
from assay.results.evidence.backtest import evaluate, store_backtest
from assay.results.gate.evidence_rules import Subject
from assay.results.gate.figures import own_rule
from assay.strategies.base import Strategy
from assay.strategies.catalog import load_strategy

__all__ = ["check_cost_model", "check_gate_rule", "check_metric"]


def check_cost_model(name: str, **params: object) -> tuple[str, ...]:
    """Try a cost model on a random market with holes; what it does wrong is raised, what it does right is returned.

    Checked: it gives rates by field of the panel's sessions and assets, finite and at least 0; cutting prices off at t,
    or altering them after t, changes no rate up to t; twice the same prices give the same rates; each asset's rates
    follow it when columns change places; prices are left as they were; a run with it costs no less than one without.

    Raises
    ------
    LookAheadError
        If a rate stamped t depends on what came after t.
    InputError
        If another check fails.

    """

    def table(prices: PricePanel) -> np.ndarray:
        rates = own_rates(name, params, prices)
        tables = [pd.DataFrame(values).to_numpy() for _, values in sorted(rates.items())]
        return np.stack([np.broadcast_to(values, prices.shape) for values in tables], axis=2)

    passed = check_causal(f"cost model {name!r}", table)
    prices = market_with_holes()
    strategy, scores = _trial(prices)
    charged = with_own_costs(CostModel.zero(), name, params, prices)
    result = run_backtest(strategy, scores, prices, costs=charged)
    if float(result.costs.to_numpy().sum()) < 0:
        raise InputError(f"cost model {name!r}: a run with it is paid for trading; a rate must be a cost")
    return ("contract", *passed, "a run")


def check_metric(name: str) -> tuple[str, ...]:
    """Try a metric on runs of random markets; what it does wrong is raised, what it does right is returned.

    Checked: it takes (result, predictions, prices) and gives a number or (value, low, high) with low ≤ value ≤ high;
    twice the same run gives the same number; a run of a few sessions is answered too, or with NaN; the run's returns
    are left as they were.

    Raises
    ------
    InputError
        If a check fails.

    """
    for sessions in (_LONG, _SHORT):
        result, scores, prices = _run(sessions)
        before = result.returns.copy(deep=True)
        one, two = (own_metric(name, result, scores, prices) for _ in range(2))
        if (one.value != two.value) and not (math.isnan(one.value) and math.isnan(two.value)):
            raise InputError(f"metric {name!r}: the same run gives {one.value:g} and {two.value:g}; use a fixed seed")
        if not math.isnan(one.low) and not one.low <= one.value <= one.high:
            raise InputError(f"metric {name!r}: {one.value:g} lies outside its interval [{one.low:g}, {one.high:g}]")
        if not before.equals(result.returns):
            raise InputError(f"metric {name!r}: writes into the returns of the run")
    return ("contract", "determinism", "interval", "short run", "inputs untouched")


def check_gate_rule(name: str) -> tuple[str, ...]:
    """Try a gate rule on a stored run of a random market; what it does wrong is raised, what it does right is returned.

    Checked: it takes a run and gives a number, (value, low, high) with low ≤ value ≤ high, or None; twice the same run
    gives the same figure; a run that keeps no checks is answered too.

    Raises
    ------
    InputError
        If a check fails.

    """
    rule = own_rule(name)
    result, scores, prices = _run(_LONG)
    with tempfile.TemporaryDirectory(prefix="assay-check-") as folder:
        run = store_backtest(result, evaluate(result, scores, prices), root=Path(folder))
        one, two = (rule.read(Subject(run, None)) for _ in range(2))
    if repr(one) != repr(two):
        raise InputError(f"gate rule {name!r}: the same run gives {one.value} and {two.value}; use a fixed seed")
    ends = [end for end in (one.low, one.high) if end is not None and not math.isnan(end)]
    if one.value is not None and len(ends) == 2 and not ends[0] <= one.value <= ends[1]:
        raise InputError(f"gate rule {name!r}: {one.value:g} lies outside its interval [{ends[0]:g}, {ends[1]:g}]")
    return ("contract", "determinism", "interval")


_LONG, _SHORT = 120, 8


def _trial(prices: PricePanel) -> tuple[Strategy, PredictionPanel]:
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(rng.normal(0, 0.01, prices.shape), prices.sessions, prices.assets)
    strategy = load_strategy("quintile_long_short")
    assert isinstance(strategy, Strategy)
    return strategy, PredictionPanel(scores, name="random")


def _run(sessions: int) -> tuple[BacktestResult, PredictionPanel, PricePanel]:
    prices, _ = synthetic_market(sessions, 8, seed=1)
    strategy, scores = _trial(prices)
    return run_backtest(strategy, scores, prices), scores, prices
