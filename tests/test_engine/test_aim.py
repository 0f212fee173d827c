"""The pace of partial trading: Gârleanu–Pedersen's, a quadratic program's, and what a simulation finds best."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.returns import forward_returns
from assay.data.synthetic import score_panel, synthetic_market
from assay.engine.aim import LEAST, Decaying, Pace, Seen, fitted, pace_of, pace_seen
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.strategies.catalog import load_strategy


def planned(rho: float, covariance: np.ndarray, mean: np.ndarray, held: np.ndarray, m: float, steps: int = 400):
    """The first trade of the program  max Σₖ ρᵏ·mean'xₖ − ½xₖ'Σxₖ − (m/2)·Δₖ'ΣΔₖ  from `held`, by linear algebra."""
    path = np.eye(steps) - np.eye(steps, k=-1)
    inner = np.eye(steps) + m * path.T @ path
    goal = np.outer(rho ** np.arange(steps), np.linalg.solve(covariance, mean))
    goal[0] += m * held
    return np.linalg.solve(inner, goal)[0]


@pytest.mark.parametrize("half_life", [5.0, 20.0])
@pytest.mark.parametrize("m", [0.5, 5.0, 50.0])
def test_aim_weights_are_those_of_the_quadratic_program(half_life, m):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    covariance, mean, held = root @ root.T + np.eye(6), rng.normal(size=6), rng.normal(size=6)
    rho = 0.5 ** (1 / half_life)
    pace = pace_of(Decaying(1.0, rho), Decaying(1.0, rho), quadratic=m)
    markowitz = np.linalg.solve(covariance, mean)
    weights = held + pace.rate * (pace.size * markowitz - held)
    np.testing.assert_allclose(weights, planned(rho, covariance, mean, held, m), atol=1e-3)
    root_of = (-1 + np.sqrt(1 + 4 * m)) / 2  # Gârleanu & Pedersen's a/γ, undiscounted
    assert pace.rate == pytest.approx(root_of / m, abs=1e-6)
    assert pace.size == pytest.approx(1 / (1 + (1 - rho) * root_of), abs=1e-6)


def test_the_proportional_pace_is_the_best_that_a_simulated_book_finds():
    """Targets that follow an AR(1) plus noise, returns that know them: net Sharpe of each pace by brute force."""
    rng, rho, level, sessions = np.random.default_rng(1), 0.9, 0.6, 200_000
    slow = np.zeros(sessions)
    for t in range(1, sessions):
        slow[t] = rho * slow[t - 1] + np.sqrt(1 - rho**2) * rng.normal()
    target = np.sqrt(level) * slow + np.sqrt(1 - level) * rng.normal(size=sessions)
    earned, cost = np.sqrt(level) * slow, 0.9  # of a new target, on average: level
    best = {}
    for rate in np.geomspace(0.02, 1.0, 25):
        x = np.zeros(sessions)
        for t in range(1, sessions):
            x[t] = x[t - 1] + rate * (target[t] - x[t - 1])
        paid = cost * level * np.sqrt(np.pi / 2) * np.abs(np.diff(x, prepend=0.0))
        best[rate] = (np.mean(x * earned) - np.mean(paid)) / x.std()
    found = pace_of(Decaying(1.0, rho), Decaying(level, rho), cost=cost)
    top = max(best.values())
    nearest = min(best, key=lambda rate: abs(np.log(rate / found.rate)))
    assert best[nearest] > 0.97 * top


def test_fits_recover_what_was_planted():
    ages = np.arange(1, 41)
    found = fitted(100 * 0.03 * 0.9**ages, np.full(40, 100.0))
    assert found.level == pytest.approx(0.03, rel=0.05)
    assert found.rho == pytest.approx(0.9, abs=0.01)
    assert fitted(-(0.9**ages), np.ones(40)) is None


def test_what_is_seen_is_plain_correlations():
    prices, _ = synthetic_market(60, 9, seed=3)
    close = prices.close.to_numpy()
    rng = np.random.default_rng(0)
    targets = np.where(rng.random(close.shape) < 0.1, np.nan, rng.normal(size=close.shape))
    seen = Seen.nothing(9)
    for t in range(60):
        seen = seen.after(targets[t], close[t])
    age, total, count = 3, 0.0, 0
    for t in range(age, 60):
        w, r = targets[t - age], close[t] / close[t - 1] - 1
        known = ~np.isnan(w)
        z = (w - np.nanmean(w)) / np.nanstd(w)
        total += float(np.mean((z * (r - r.mean()) / r.std())[known]))
        count += 1
    assert seen.ic[age - 1] == pytest.approx(total)
    assert seen.ic_count[age - 1] == count


def test_bounds_and_beginnings():
    few = Seen.nothing(8)
    assert pace_seen(few, trade_rate=1e-3, first=1) == Pace(1.0, 1.0)
    none, many = np.zeros(40), np.full(40, 2.0 * LEAST)
    worthless = Seen(np.empty((0, 8)), np.ones(8), -np.ones(40), many, none + 10.0, many, 1.0, 2 * LEAST)
    assert pace_seen(worthless, trade_rate=1e-3, first=1) == Pace(0.02, 0.5)


def test_a_planted_signal_is_traded_slower_and_nets_more():
    prices, _ = synthetic_market(500, 40, seed=2, volatility=0.015)
    ahead = forward_returns(prices, horizon=1, delay=1)
    scores = score_panel(ahead, 0.05, 5.0, seed=4, lasting=True)
    costs = CostModel(commission_bps=10)
    plain = run_backtest(load_strategy("quintile_long_short"), scores, prices, costs=costs)
    aimed = run_backtest(load_strategy("quintile_long_short", aim="on"), scores, prices, costs=costs)
    assert list(aimed.stages.index) == ["select", "filter", "trade", "costs"]
    assert aimed.turnover[100:].mean() < 0.6 * plain.turnover[100:].mean()
    assert aimed.stages.at["costs", "sharpe"] > plain.stages.at["costs", "sharpe"]
