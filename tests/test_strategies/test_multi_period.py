"""The plan over several sessions: the same program stated in cvxpy, and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.data.errors import InputError
from assay.strategies.base import decide
from assay.strategies.catalog import load_strategy
from assay.strategies.contract import check_strategy, random_panels
from assay.strategies.optimised.constraints import Limits
from assay.strategies.optimised.multi_period import plan_steps, planned_weights
from assay.strategies.optimised.solvers import Problem, mean_variance


def problem(n: int = 6, *, cost: float = 1e-3) -> Problem:
    rng = np.random.default_rng(0)
    root = 0.01 * rng.normal(size=(40, n))
    limits = Limits(
        net=0.0, gross=1.0, cap=np.full(n, 0.4), liquidity=np.full(n, np.inf), long_only=False,
        previous=0.1 * rng.normal(size=n),
    )  # fmt: skip
    return Problem(1e-3 * rng.normal(size=n), root.T @ root / 40, root, limits, 5.0, cost, 2e-5)


def stated(inputs: Problem, rho: float, steps: tuple[int, ...]) -> np.ndarray:
    """The same plan by cvxpy."""
    cp = pytest.importorskip("cvxpy")
    limits, n = inputs.limits, len(inputs.mean)
    before, start, goal, rules = limits.previous, 0, 0, []
    first = None
    for length in steps:
        x = cp.Variable(n)
        first = x if first is None else first
        gain = sum(rho ** (start + k) for k in range(length))
        goal += gain * inputs.mean @ x - inputs.risk_aversion * length * cp.quad_form(x, inputs.covariance)
        goal -= inputs.trade_cost * cp.norm1(x - before) + inputs.borrow_cost * length * cp.sum(cp.neg(x))
        rules += [cp.sum(x) == limits.net, cp.norm1(x) <= limits.gross, cp.abs(x) <= limits.cap]
        before, start = x, start + length
    cp.Problem(cp.Maximize(goal), rules).solve(solver=cp.CLARABEL)
    return first.value


@pytest.mark.parametrize("cost", [0.0, 5e-4, 3e-3])
def test_the_plan_is_the_one_that_cvxpy_finds(cost):
    inputs, steps = problem(cost=cost), plan_steps(11)
    assert steps == (1, 1, 2, 4, 3)
    found = planned_weights(inputs, 0.85, steps)
    np.testing.assert_allclose(found, stated(inputs, 0.85, steps), atol=1e-4)
    assert found.sum() == pytest.approx(0.0, abs=1e-6)
    assert np.abs(found).sum() <= 1 + 1e-6


def test_a_plan_of_one_session_is_the_mean_variance_portfolio():
    inputs = problem()
    np.testing.assert_allclose(planned_weights(inputs, 0.5, (1,)), mean_variance(inputs), atol=1e-4)


def test_what_lasts_is_worth_more_trading():
    inputs = problem(cost=4e-3)
    moved = [np.abs(planned_weights(inputs, rho, plan_steps(30)) - inputs.limits.previous).sum() for rho in (0.3, 0.95)]
    assert moved[0] < moved[1]


def test_the_turnover_of_the_first_step_is_held():
    inputs = problem()
    tight = replace(inputs, limits=replace(inputs.limits, previous=np.zeros(6), max_turnover=0.05))
    assert 0.5 * np.abs(planned_weights(tight, 0.9, plan_steps(8))).sum() <= 0.05 + 1e-6


def test_the_strategy_passes_the_battery_and_refuses_what_cannot_be():
    strategy = load_strategy("multi_period", window=30, every=5, plan=6)
    assert len(check_strategy(strategy, seeds=(0,))) == 8
    predictions, prices = random_panels(1, sessions=60, assets=8)
    weights = decide(strategy, predictions, prices).weights.dropna(how="all")
    assert len(weights) >= 4
    np.testing.assert_allclose(weights.sum(axis=1), 0.0, atol=1e-6)
    for bad in ({"plan": 0}, {"half_life": 0}):
        with pytest.raises(InputError, match=r"multi_period: (plan|half_life) must"):
            load_strategy("multi_period", **bad)
