"""The random-score null: what it keeps, what it changes, and that its rank is honest on noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest
from assay.engine.random_scores import permuted, random_score_null, shifted, without_choice
from assay.strategies.catalog import load_strategy


def noise(seed: int, sessions: int = 160, assets: int = 20, holes: float = 0.0) -> tuple[PredictionPanel, PricePanel]:
    rng = np.random.default_rng(seed)
    index, names = pd.bdate_range("2015-01-01", periods=sessions), [f"A{i:02d}" for i in range(assets)]
    close = pd.DataFrame(100 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, assets)), axis=0)), index, names)
    score = pd.DataFrame(rng.normal(size=close.shape), index, names)
    if holes:
        score = score.mask(rng.random(score.shape) < holes)
    return PredictionPanel(score), PricePanel(close)


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_a_permutation_keeps_views_and_scores_of_every_session(holes):
    predictions, _ = noise(1, holes=holes)
    order = np.random.default_rng(0).permutation(20)
    moved = permuted(predictions, order)
    assert predictions.score is not None
    assert moved.score is not None
    pd.testing.assert_frame_equal(moved.score.isna(), predictions.score.isna())
    np.testing.assert_array_equal(np.sort(moved.score, axis=1), np.sort(predictions.score, axis=1))
    if not holes:
        np.testing.assert_array_equal(moved.score, predictions.score.to_numpy()[:, order])


@pytest.mark.parametrize("name", ["quintile_long_short", "s2_filter_negative"])
def test_exposure_and_turnover_match_and_the_real_run_is_the_backtest(name):
    predictions, prices = noise(2)
    strategy = load_strategy(name)
    null = random_score_null(strategy, predictions, prices, runs=30)
    result = run_backtest(strategy, predictions, prices)
    assert null.real == pytest.approx(result.returns.mean() / result.returns.std() * np.sqrt(252))
    assert null.real_turnover == pytest.approx(result.turnover.mean())
    if name == "quintile_long_short":  # overlays answer to what a run earned, so theirs match only before them
        assert null.turnover.mean() == pytest.approx(null.real_turnover, rel=0.02)
        assert null.net_exposure.mean() == pytest.approx(null.real_net_exposure, abs=0.01)


def test_the_rank_is_uniform_on_noise():
    strategy = load_strategy("quintile_long_short")
    p_values = []
    for seed in range(60):
        predictions, prices = noise(seed, sessions=60, assets=15)
        p_values.append(random_score_null(strategy, predictions, prices, runs=39, seed=seed).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_foresight_beats_every_random_score():
    _, prices = noise(3)
    ahead = prices.close.shift(-2) / prices.close.shift(-1) - 1
    null = random_score_null(
        load_strategy("quintile_long_short"), PredictionPanel(ahead.iloc[:-2]), prices, runs=50
    )
    assert null.rank == 1
    assert null.p_value == pytest.approx(1 / 51)


def test_too_few_runs():
    predictions, prices = noise(1)
    with pytest.raises(InputError, match="at least 19"):
        random_score_null(load_strategy("quintile_long_short"), predictions, prices, runs=5)


def test_shifts_and_the_constant_read_what_they_say():
    score = noise(7)[1].close.pct_change().iloc[1:]
    score.iloc[3, 2] = np.nan
    panel = PredictionPanel(score, receipts=None)
    pd.testing.assert_frame_equal(shifted(panel, 1).score, score.shift(1))
    pd.testing.assert_frame_equal(shifted(panel, -1).score, score.shift(-1))
    constant = without_choice(panel).score
    assert constant is not None
    pd.testing.assert_frame_equal(constant.isna(), score.isna())
    assert (constant.max(axis=1) - constant.min(axis=1)).max() == 0
    assert constant.iloc[5, 0] == pytest.approx(np.nanmean(score.iloc[:6]))
    # The future does not reach it.
    other = score.copy()
    other.iloc[50:] = 9.0
    pd.testing.assert_frame_equal(without_choice(PredictionPanel(other)).score.iloc[:50], constant.iloc[:50])
