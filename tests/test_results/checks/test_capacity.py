"""Capacity: impact grows as the root of size, and the halving point is where a plain simulation says it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.simulation import simulate
from assay.results.checks.capacity import DEFAULT_AUM, capacity


@pytest.fixture(scope="module")
def market():
    rng = np.random.default_rng(0)
    index = pd.bdate_range("2018-01-01", periods=400)
    names = list("ABCDE")
    moves = rng.normal(0.0008, 0.01, (400, 5))
    close = pd.DataFrame(50 * np.exp(np.cumsum(moves, axis=0)), index, names)
    volume = pd.DataFrame(rng.uniform(5e5, 2e6, close.shape), index, names)
    targets = np.repeat(rng.dirichlet(np.ones(5) * 5, 19), 20, axis=0)
    weights = pd.DataFrame(targets, index[20:], names)
    return PricePanel(close, volume=volume), weights


def sharpe(prices, weights, size, coefficient):
    costs = CostModel(sqrt_impact=coefficient)
    net = simulate(prices, weights, costs=costs, execution=Execution(capital=size)).returns
    return net.mean() / net.std(ddof=1) * np.sqrt(252)


def test_sharpe_falls_with_size_and_halves_where_it_says(market):
    prices, weights = market
    found = capacity(prices, weights)
    assert list(found.table.index) == list(DEFAULT_AUM)
    worth = found.table["sharpe"][found.table["sharpe"] > 0]
    assert len(worth) >= 4
    assert (worth.diff().dropna() < 0).all()
    assert found.base == pytest.approx(sharpe(prices, weights, 1e6, 0.0), rel=1e-12)
    assert found.table.loc[1e8, "sharpe"] == pytest.approx(sharpe(prices, weights, 1e8, 1.0), rel=1e-12)
    assert sharpe(prices, weights, found.halves_at * 1.02, 1.0) < found.base / 2
    assert sharpe(prices, weights, found.halves_at / 1.02, 1.0) > found.base / 2
    assert found.note == ""


def test_impact_grows_as_the_root_of_size(market):
    prices, weights = market
    table = capacity(prices, weights, aum=[1e5, 4e5]).table
    assert table["impact_ann"].iloc[1] / table["impact_ann"].iloc[0] == pytest.approx(2.0, rel=0.01)


def test_twice_the_coefficient_is_a_quarter_of_the_size(market):
    prices, weights = market
    once = capacity(prices, weights).halves_at
    twice = capacity(prices, weights, costs=CostModel(sqrt_impact=2.0)).halves_at
    assert twice / once == pytest.approx(0.25, rel=0.05)


def test_no_halving_point_is_said(market):
    prices, weights = market
    assert "more than half" in capacity(prices, weights, aum=[1.0, 2.0]).note
    assert "already" in capacity(prices, weights, aum=[1e12, 1e13]).note
    losing = capacity(prices, -weights)
    assert np.isnan(losing.halves_at)
    assert "before any impact" in losing.note


def test_alpha_halves_where_a_plain_regression_says(market):
    prices, weights = market
    rng = np.random.default_rng(1)
    own = simulate(prices, weights, costs=CostModel.zero()).returns
    benchmark = pd.Series(0.4 * own + rng.normal(0, 0.004, len(own)), own.index)

    def alpha(size, coefficient):
        net = simulate(
            prices, weights, costs=CostModel(sqrt_impact=coefficient), execution=Execution(capital=size)
        ).returns
        beta = np.cov(net, benchmark)[0, 1] / benchmark.var()
        return 252 * (net.mean() - beta * benchmark.mean())

    found = capacity(prices, weights, benchmark=benchmark)
    assert found.alpha is not None
    assert found.alpha.base == pytest.approx(alpha(1e6, 0.0), rel=1e-9)
    assert found.table.loc[1e8, "alpha_ann"] == pytest.approx(alpha(1e8, 1.0), rel=1e-9)
    assert alpha(found.alpha.at * 1.02, 1.0) < found.alpha.base / 2 < alpha(found.alpha.at / 1.02, 1.0)
    assert found.halves_at == capacity(prices, weights).halves_at  # total return is as it was
    assert f"halves at {found.alpha.at:,.0f}" in found.sentence


def test_beta_alone_carries_no_money(market):
    prices, weights = market
    own = simulate(prices, weights, costs=CostModel(sqrt_impact=0.0)).returns
    found = capacity(prices, weights, benchmark=own + 0.0001)
    assert found.note == ""
    assert found.alpha is not None
    assert "net alpha a year is -2" in found.alpha.note
    assert np.isnan(found.alpha.at)
    assert capacity(prices, weights, benchmark=own * 0).alpha is None


def test_what_nobody_trades_carries_nothing(market):
    prices, weights = market
    assert prices.volume is not None
    dead = capacity(replace(prices, volume=prices.volume * 0), weights, benchmark=prices.close["A"].pct_change())
    assert "nothing fills" in dead.note
    assert np.isnan(dead.halves_at)
    assert dead.alpha is None or "before any impact" in dead.alpha.note


def test_bad_input_is_refused(market):
    prices, weights = market
    with pytest.raises(InputError, match="increasing"):
        capacity(prices, weights, aum=[1e6, 1e5])
    with pytest.raises(InputError, match="volume"):
        capacity(replace(prices, volume=None), weights)
