"""The stationary bootstrap against arch, closed forms and hand-worked cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.data.errors import InputError, InsufficientEvidenceError
from assay.engine.executors import Workers
from assay.results.stats import bootstrap as module
from assay.results.stats.bootstrap import (
    bootstrap,
    deepest_drawdown,
    growth_annual,
    mean_annual,
    optimal_block,
    paired_difference,
    sharpe_annual,
    stationary_indices,
    volatility_annual,
)


def _autoregressive(n: int, rho: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.01, n)
    out = np.zeros(n)
    for step in range(1, n):
        out[step] = rho * out[step - 1] + noise[step]
    return out


def test_blocks_are_runs_that_wrap_with_the_mean_length_asked_for():
    rows = stationary_indices(500, 10.0, 400, np.random.default_rng(1))
    assert rows.shape == (400, 500)
    assert rows.min() == 0
    assert rows.max() == 499
    follows = (np.diff(rows, axis=1) % 500) == 1
    # A block goes on with probability 0.9, or a new one happens to start where the old one would have gone on.
    assert follows.mean() == pytest.approx(0.9 + 0.1 / 500, abs=0.005)
    assert np.bincount(rows.ravel(), minlength=500).min() > 0


def test_block_of_one_is_the_ordinary_bootstrap():
    values = np.random.default_rng(2).normal(0.001, 0.01, 600)
    found = bootstrap(values, mean_annual, block=1.0, draws=4000)
    assert found.draws.std() == pytest.approx(values.std() / math.sqrt(600) * 252, rel=0.05)


def test_variance_agrees_with_the_closed_form_of_politis_and_romano():
    """Var of the resampled mean is the sample autocovariances in their weights, exactly (their Lemma 1)."""
    values = _autoregressive(400, 0.5, 3)
    block = 8.0
    centred = values - values.mean()
    n, p = len(values), 1 / block
    circular = np.array([(centred * np.roll(centred, -lag)).mean() for lag in range(n)])
    lags = np.arange(1, n)
    variance = (circular[0] + 2 * ((1 - lags / n) * (1 - p) ** lags * circular[1:]).sum()) / n
    found = bootstrap(values, mean_annual, block=block, draws=8000)
    assert found.draws.std() / 252 == pytest.approx(math.sqrt(variance), rel=0.03)


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("n", [120, 1500])
def test_block_length_is_that_of_arch(rho: float, n: int):
    from arch.bootstrap import optimal_block_length

    values = _autoregressive(n, rho, 4)
    both = [float(optimal_block_length(item)["stationary"].iloc[0]) for item in (values, values**2)]
    assert optimal_block(values) == pytest.approx(max(1.0, *both), rel=0.02)


def test_interval_agrees_with_that_of_arch():
    from arch.bootstrap import StationaryBootstrap

    values = np.random.default_rng(6).normal(0.0005, 0.01, 800)
    found = bootstrap(values, draws=3000, block=5.0)
    theirs = StationaryBootstrap(5, values, seed=7).conf_int(
        lambda x: np.array([x.mean() / x.std(ddof=1) * math.sqrt(252)]), reps=3000, method="percentile"
    )
    assert [found.low, found.high] == pytest.approx(theirs.ravel().tolist(), abs=0.08)


def test_the_same_seed_gives_the_same_draws():
    values = np.random.default_rng(8).normal(size=300)
    assert (bootstrap(values, seed=3).draws == bootstrap(values, seed=3).draws).all()
    assert (bootstrap(values, seed=3).draws != bootstrap(values, seed=4).draws).any()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_draws_made_elsewhere_are_the_same_draws(workers: int, monkeypatch):
    """In tasks of 37 draws, the last of fewer: the bits of those made one after another."""
    monkeypatch.setattr(module, "_CHUNK", 37 * 60)
    one, two = (_autoregressive(60, 0.2, seed) for seed in (1, 2))
    with Workers("process", workers) as on:
        for here, there in (
            (bootstrap(one, deepest_drawdown, draws=100), bootstrap(one, deepest_drawdown, draws=100, executor=on)),
            (paired_difference(one, two, draws=100), paired_difference(one, two, draws=100, executor=on)),
        ):
            assert len(here.draws) == 100
            np.testing.assert_array_equal(here.draws, there.draws)
            assert (here.low, here.high, here.p_value) == (there.low, there.high, there.p_value)


def test_an_unknown_executor_is_refused_where_one_task_is_all_there_is():
    one, two = (_autoregressive(60, 0.2, seed) for seed in (1, 2))
    for executor, workers in (("sereal", None), ("process", 0)):
        with pytest.raises(InputError, match=r"executor: must be|workers: must be"):
            bootstrap(one, draws=10, executor=executor, workers=workers)
        with pytest.raises(InputError, match=r"executor: must be|workers: must be"):
            paired_difference(one, two, draws=10, executor=executor, workers=workers)


def test_what_two_series_share_cancels_in_their_difference():
    rng = np.random.default_rng(9)
    market = rng.normal(0, 0.02, 700)
    edge = rng.normal(0.001, 0.001, 700)
    paired = paired_difference(market + edge, market, mean_annual)
    assert paired.value == pytest.approx(edge.mean() * 252)
    assert paired.low > 0
    assert paired.p_value < 0.01
    alone = bootstrap(market + edge, mean_annual)
    assert alone.high - alone.low > 5 * (paired.high - paired.low)


def test_no_difference_is_found_where_there_is_none_about_as_often_as_it_says():
    rng = np.random.default_rng(10)
    found = [
        paired_difference(*rng.normal(0.0003, 0.01, (2, 250)), draws=300, block=1.0, seed=trial).p_value < 0.1
        for trial in range(150)
    ]
    assert 0.04 <= np.mean(found) <= 0.17


def test_equal_series_do_not_differ():
    values = np.random.default_rng(11).normal(size=100)
    found = paired_difference(values, values)
    assert (found.value, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_flat_returns_have_no_sharpe_ratio():
    found = bootstrap(np.zeros(50))
    assert math.isnan(found.value)
    assert math.isnan(found.low)
    assert np.isnan(sharpe_annual(np.full((2, 5), 0.01))).all()


def test_statistics_of_rows_are_those_of_empyrical():
    import empyrical

    rows = np.random.default_rng(12).normal(0.0005, 0.02, (3, 250))
    for ours, theirs in (
        (sharpe_annual, empyrical.sharpe_ratio),
        (growth_annual, empyrical.annual_return),
        (volatility_annual, empyrical.annual_volatility),
        (deepest_drawdown, empyrical.max_drawdown),
    ):
        assert ours(rows) == pytest.approx([float(theirs(row)) for row in rows])
    assert math.isnan(growth_annual(np.array([[0.1, -1.0, 0.1]]))[0])
    assert deepest_drawdown(np.array([[0.5, -0.5, 0.1], [0.1, 0.1, 0.1]])).tolist() == pytest.approx([-0.5, 0.0])


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(InsufficientEvidenceError, match="2 sessions"):
        bootstrap(np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="missing"):
        bootstrap(np.array([0.1, np.nan, 0.2]))
    with pytest.raises(InputError, match="4 and 3 sessions"):
        paired_difference(np.arange(4.0), np.arange(3.0))
    with pytest.raises(InputError, match="at least 1"):
        stationary_indices(10, 0.5, 2, np.random.default_rng(0))
