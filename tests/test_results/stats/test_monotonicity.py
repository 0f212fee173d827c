"""The monotonicity test against arch's bootstrap, its size and power, and what it says of too little."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.data.errors import InputError
from assay.results.stats.monotonicity import monotonicity_test


def returns(seed: int, step: float, sessions: int = 400, quantiles: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.01, (sessions, quantiles)) + rng.normal(0, 0.02, (sessions, 1)) + step * np.arange(quantiles)


@pytest.mark.parametrize("step", [0.0, 0.0006, 0.002])
@pytest.mark.parametrize("block", [1.0, 6.0])
def test_p_values_are_those_of_the_bootstrap_of_arch(step, block):
    from arch.bootstrap import StationaryBootstrap

    table = returns(1, step)
    found = monotonicity_test(table, draws=4000, block=block)
    steps = np.diff(table, axis=1).mean(axis=0)
    resamples = StationaryBootstrap(block, table, seed=3)
    drawn = resamples.apply(lambda rows: np.diff(rows, axis=1).mean(axis=0), 4000) - steps
    plain = (drawn.min(axis=1) >= steps.min()).mean()
    scale = drawn.std(axis=0, ddof=1)
    scaled = ((drawn / scale).min(axis=1) >= (steps / scale).min()).mean()
    assert found.smallest_step == pytest.approx(steps.min(), rel=1e-9)
    assert found.p_value == pytest.approx(plain, abs=0.035)
    assert found.p_studentised == pytest.approx(scaled, abs=0.035)


def test_the_draws_are_those_of_a_plain_loop():
    from assay.results.stats.bootstrap import stationary_indices

    table = returns(2, 0.001, sessions=50)
    found = monotonicity_test(table, draws=200, seed=4, block=3.0)
    steps = np.diff(table, axis=1)
    rows = stationary_indices(50, 3.0, 200, np.random.default_rng(4))
    drawn = np.array([steps[row].mean(axis=0) - steps.mean(axis=0) for row in rows])
    beyond = sum(draw.min() >= steps.mean(axis=0).min() for draw in drawn)
    assert found.p_value == pytest.approx((1 + beyond) / 201, rel=1e-12)


def test_flat_quantiles_seldom_pass_and_rising_ones_do():
    flat = [monotonicity_test(returns(seed, 0.0), draws=300, block=1.0) for seed in range(200)]
    assert 0.01 <= np.mean([found.p_value <= 0.05 for found in flat]) <= 0.10
    assert 0.01 <= np.mean([found.p_studentised <= 0.05 for found in flat]) <= 0.10
    rising = [monotonicity_test(returns(seed, 0.002), draws=300, block=1.0) for seed in range(30)]
    assert np.mean([found.p_value <= 0.05 for found in rising]) >= 0.9
    falling = monotonicity_test(returns(0, -0.002), draws=300)
    assert falling.p_value > 0.9
    assert monotonicity_test(returns(0, -0.002)[:, ::-1], draws=300).p_value <= 0.05


def test_windows_that_overlap_take_blocks_of_their_length():
    assert monotonicity_test(returns(0, 0.001), horizon=20, draws=50).block >= 20


def test_too_little_or_nothing_that_varies_says_why():
    few = monotonicity_test(returns(0, 0.001)[:9])
    assert math.isnan(few.p_value)
    assert "9 sessions" in few.reason
    same = monotonicity_test(np.tile([1.0, 2.0, 3.0], (50, 1)))
    assert math.isnan(same.p_value)
    assert "same on every session" in same.reason
    holed = returns(0, 0.001)
    holed[:50, 2] = np.nan
    assert monotonicity_test(holed, draws=50).n == 350
    with pytest.raises(InputError):
        monotonicity_test(np.zeros((50, 1)))
