"""Groups among trials: planted ones are found, and nothing is found where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from assay.data.errors import InputError, InsufficientEvidenceError
from assay.results.stats.deflated_sharpe import deflated_sharpe, expected_maximum
from assay.results.stats.overfitting import cluster_trials


def planted(sizes: list[int], noise: float, seed: int, sessions: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Trials that follow one of several bets with noise of their own, in mixed order, and which bet each follows."""
    rng = np.random.default_rng(seed)
    which = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    bets = rng.normal(size=(sessions, len(sizes)))
    return bets[:, which] + noise * rng.normal(size=(sessions, len(which))), which


@pytest.mark.parametrize(
    ("sizes", "noise"), [([5, 5, 5], 0.5), ([20, 3, 7, 1], 0.5), ([10] * 6, 0.8), ([40, 60], 0.3), ([2] * 45, 0.4)]
)
def test_planted_clusters_are_found(sizes, noise):
    for seed in range(3):
        returns, which = planted(sizes, noise, seed)
        found = cluster_trials(returns)
        assert adjusted_rand_score(which, found.labels) > 0.99
        assert found.count == pytest.approx(len(sizes), rel=0.05)
        assert found.labels[0] == 0
        assert set(found.labels) == set(range(found.count))


def test_clusters_of_what_is_all_alike_or_all_different():
    rng = np.random.default_rng(4)
    returns, _ = planted([12], 0.3, 5)
    assert cluster_trials(returns).count == 1
    assert cluster_trials(np.repeat(returns[:, :1], 4, axis=1)).count == 1
    unrelated = cluster_trials(rng.normal(size=(500, 12)))
    assert (unrelated.count, unrelated.labels.tolist()) == (12, list(range(12)))
    assert math.isnan(unrelated.silhouette)
    # A bet and its opposite are two; a trial that never moves is a bet of its own.
    assert cluster_trials(np.column_stack([returns, -returns])).count == 2
    assert cluster_trials(np.column_stack([np.zeros(500), returns])).count == 2
    assert cluster_trials(returns[:, :1]).count == 1
    with pytest.raises(InputError, match="missing"):
        cluster_trials(np.full((10, 2), np.nan))
    with pytest.raises(InsufficientEvidenceError, match="2 sessions"):
        cluster_trials(np.ones((2, 2)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_clusters_know_neither_order_nor_scale(seed, scale):
    returns, _ = planted([4, 3, 6], 0.6, seed, sessions=200)
    order = np.random.default_rng(seed).permutation(13)
    one, two = cluster_trials(returns).labels, cluster_trials(scale * returns[:, order] + 0.1).labels
    assert adjusted_rand_score(one[order], two) == pytest.approx(1.0)


def test_independent_trials_lower_the_hurdle_only_where_they_are_given():
    returns, sharpes = np.random.default_rng(7).normal(0.0005, 0.01, 300), np.full(100, 0.05)
    every, few = deflated_sharpe(returns, sharpes), deflated_sharpe(returns, sharpes, independent=4)
    assert (every.trials, few.trials) == (100, 4)
    assert few.dispersion == every.dispersion
    assert few.threshold == pytest.approx(math.sqrt(few.dispersion) * expected_maximum(4))
    assert few.probability > every.probability
