"""Romano–Wolf over skill series: against Šidák, every sign written out, and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from assay.data.errors import InsufficientEvidenceError
from assay.results.stats.family_wise import distinct_series, effective_series, family_wise


def noise(seed: int, sessions: int = 500, trials: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(sessions, trials))


def test_independent_series_are_adjusted_like_sidak():
    x = noise(1)
    x[:, 3] += 0.16
    found = family_wise(x, draws=20_000)
    alone = stats.norm.sf(found.t)
    np.testing.assert_allclose(found.alone, alone, atol=0.01)
    best = int(found.t.argmax())
    assert found.adjusted[best] == pytest.approx(1 - (1 - alone[best]) ** 20, rel=0.25)


def test_the_step_down_is_the_definition():
    """The adjusted p of a series: the share of draws whose largest t among it and all worse ones reaches its own."""
    x = noise(2, 60, 4)
    found = family_wise(x, draws=3000, seed=5)
    signs = np.random.default_rng(5).choice(np.array([-1.0, 1.0]), (3000, 60))
    t = [x[:, k].sum() / math.sqrt((x[:, k] ** 2).sum()) for k in range(4)]
    drawn = np.array([[(s * x[:, k]).sum() / math.sqrt((x[:, k] ** 2).sum()) for k in range(4)] for s in signs])
    order, previous = np.argsort(t)[::-1], 0.0
    for place, k in enumerate(order):
        worse = order[place:]
        p = max(previous, (1 + (drawn[:, worse].max(axis=1) >= t[k]).sum()) / 3001)
        assert found.adjusted[k] == pytest.approx(p, abs=2 / 3001)
        previous = p
    np.testing.assert_allclose(found.t, t)


def test_copies_of_one_series_cost_nothing():
    x = noise(3, trials=1) + 0.1
    alone = family_wise(x).adjusted[0]
    many = family_wise(np.repeat(x, 50, axis=1)).adjusted
    assert many == pytest.approx(np.full(50, alone))
    assert set(distinct_series(np.repeat(x, 5, axis=1))) == {0}


def test_the_family_wise_error_is_held_and_skill_is_found():
    false = [family_wise(noise(seed, 250, 20), draws=199, seed=seed).adjusted.min() <= 0.05 for seed in range(200)]
    assert np.mean(false) < 0.08
    x = noise(7, 1000, 30)
    x[:, 5] += 0.18
    assert family_wise(x, draws=999).adjusted[5] < 0.01


def test_overlapping_windows_keep_the_size():
    false = []
    for seed in range(300):
        raw = noise(seed, 508, 5)
        x = np.stack([np.convolve(raw[:, k], np.ones(5) / math.sqrt(5), "valid") for k in range(5)], axis=1)
        false.append(family_wise(x, horizon=5, draws=299, seed=seed).adjusted.min() <= 0.05)
    assert 0.01 < np.mean(false) < 0.09


def test_sessions_that_a_trial_lacks_are_left_out():
    x = noise(8, 300, 3)
    x[:200, 1] = np.nan
    x[50:, 2] = np.nan
    found = family_wise(x, draws=200)
    assert found.t[1] == pytest.approx(x[200:, 1].sum() / math.sqrt((x[200:, 1] ** 2).sum()))
    assert math.isnan(found.adjusted[2])
    with pytest.raises(InsufficientEvidenceError, match="60 sessions"):
        family_wise(x[:, 2:])


def test_the_same_predictions_a_day_later_are_one_series():
    x = noise(9, 300, 3)
    later = x.copy()
    later[-1] *= 0.5
    later[:5] = np.nan
    groups = distinct_series(np.hstack([x, later]))
    assert groups.tolist() == [0, 1, 2, 0, 1, 2]
    blank = np.full((300, 2), np.nan)
    assert len(set(distinct_series(np.hstack([x, blank])))) == 5


def test_independent_series_count_in_full_and_twins_once():
    x = noise(10, 3000, 6)
    assert effective_series(x) == pytest.approx(6, abs=1.5)
    assert effective_series(np.hstack([x[:, :1]] * 4)) == pytest.approx(1)
    near = x[:, :1] + 0.1 * noise(11, 3000, 6)
    assert effective_series(near) < 3


def test_every_sign_by_hand():
    """Sixty sessions of which two matter: the exact p-value of four sign patterns."""
    x = np.zeros((60, 1))
    x[10], x[40] = 2.0, 1.0
    patterns = [2 * a + b for a, b in itertools.product((-1, 1), repeat=2)]
    exact = np.mean(np.array(patterns) >= 3)
    assert family_wise(x, draws=20_000).alone[0] == pytest.approx(exact, abs=0.01)
