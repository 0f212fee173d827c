"""Scores of probabilities against scikit-learn, slow loops and published figures; degenerate cases say so."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from assay.data.errors import InputError
from assay.results.stats import classification as cl

RUNS = settings(max_examples=20, deadline=None)


def cases(seed: int, n: int = 90, coarse: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 2, n)
    up = (rng.random(n) < 0.3 + 0.4 * p).astype(float)
    up[:2] = (0, 1)
    return (np.round(p, 1) if coarse else p), up


@RUNS
@given(st.integers(0, 10**6), st.integers(1, 15), st.booleans())
def test_the_parts_of_brier_are_those_of_a_loop_and_add_up(seed, bins, coarse):
    p, up = cases(seed, coarse=coarse)
    found = cl.brier_parts(p, up, bins)
    groups = {}
    for probability, outcome in zip(p, up, strict=True):
        groups.setdefault(min(int(probability * bins), bins - 1), []).append((probability, outcome))
    n, base = len(p), up.mean()
    middle = {k: (sum(a for a, _ in g) / len(g), sum(b for _, b in g) / len(g)) for k, g in groups.items()}
    off = sum(len(g) * (middle[k][0] - middle[k][1]) ** 2 for k, g in groups.items()) / n
    apart = sum(len(g) * (middle[k][1] - base) ** 2 for k, g in groups.items()) / n
    assert (found.reliability, found.resolution) == pytest.approx((off, apart), abs=1e-12)
    assert found.uncertainty == pytest.approx(base * (1 - base), rel=1e-12)
    assert found.score == pytest.approx(metrics.brier_score_loss(up, p), rel=1e-12)
    total = found.reliability - found.resolution + found.uncertainty + found.within
    assert found.score == pytest.approx(total, abs=1e-12)
    # On the binned forecasts the three parts alone are exact.
    binned = np.array([middle[min(int(value * bins), bins - 1)][0] for value in p])
    assert metrics.brier_score_loss(up, binned) == pytest.approx(
        found.reliability - found.resolution + found.uncertainty, abs=1e-12
    )
    assert found.skill == pytest.approx(1 - found.score / (base * (1 - base)), rel=1e-9)
    assert (found.n, found.bins) == (n, len(groups))
    ece = sum(len(g) * abs(middle[k][0] - middle[k][1]) for k, g in groups.items()) / n
    assert cl.calibration_error(p, up, bins) == pytest.approx(ece, abs=1e-12)


@RUNS
@given(st.integers(0, 10**6))
def test_the_reliability_table_is_that_of_scikit_learn(seed):
    from sklearn.calibration import calibration_curve

    p, up = cases(seed)
    rose, said = calibration_curve(up, p, n_bins=10)
    table = cl.reliability_table(p, up)
    assert table["up"].to_numpy() == pytest.approx(rose, rel=1e-9)
    assert table["predicted"].to_numpy() == pytest.approx(said, rel=1e-9)
    assert table["n"].sum() == len(p)


@RUNS
@given(st.integers(0, 10**6), st.booleans())
def test_auc_and_delong_are_those_of_all_pairs(seed, coarse):
    p, up = cases(seed, coarse=coarse)
    one, two = p[up == 1], p[up == 0]
    pairs = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in two] for a in one])
    found = cl.auc(p, up)
    assert found.value == pytest.approx(pairs.mean(), rel=1e-9)
    assert found.value == pytest.approx(metrics.roc_auc_score(up, p), rel=1e-12)
    variance = np.var(pairs.mean(axis=1), ddof=1) / len(one) + np.var(pairs.mean(axis=0), ddof=1) / len(two)
    assert found.error_delong == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert (found.n_up, found.n_down) == (len(one), len(two))


@RUNS
@given(st.integers(0, 10**6))
def test_the_error_by_session_is_that_of_obuchowski(seed):
    p, up = cases(seed)
    session = np.random.default_rng(seed + 1).integers(0, 15, len(p))
    found = cl.auc(p, up, sessions=session)
    one, two = np.flatnonzero(up == 1), np.flatnonzero(up == 0)
    v1 = {i: np.mean([1.0 if p[i] > p[j] else 0.5 if p[i] == p[j] else 0.0 for j in two]) for i in one}
    v0 = {j: np.mean([1.0 if p[i] > p[j] else 0.5 if p[i] == p[j] else 0.0 for i in one]) for j in two}
    clusters, area = sorted(set(session)), found.value
    m, n1, n0 = len(clusters), len(one), len(two)
    up_sum = np.array([sum(v1[i] - area for i in one if session[i] == s) for s in clusters])
    down_sum = np.array([sum(v0[j] - area for j in two if session[j] == s) for s in clusters])
    # Obuchowski (1997): S10/n1 + S01/n0 + 2·S11/(n1·n0), each with m/(m − 1).
    s10 = m / ((m - 1) * n1) * (up_sum**2).sum()
    s01 = m / ((m - 1) * n0) * (down_sum**2).sum()
    s11 = m / (m - 1) * (up_sum * down_sum).sum()
    assert found.error == pytest.approx(math.sqrt(s10 / n1 + s01 / n0 + 2 * s11 / (n1 * n0)), rel=1e-9)


def test_the_ratings_of_hanley_and_mcneil():
    """Their table I: 58 normal and 51 abnormal images rated 1 to 5; area 0.893, standard error 0.032.

    That print counts Q₁ and Q₂ in the ratings; the closed forms for them, which are used here, come within 0.0006.
    """
    normal, abnormal = np.repeat(range(1, 6), [33, 6, 6, 11, 2]), np.repeat(range(1, 6), [3, 2, 2, 11, 33])
    found = cl.auc(np.concatenate([normal, abnormal]) / 5, np.concatenate([np.zeros(58), np.ones(51)]))
    assert round(found.value, 3) == 0.893
    wins = (abnormal[:, None] > normal) + 0.5 * (abnormal[:, None] == normal)
    ties = (abnormal[:, None] == normal).astype(float)
    above = (abnormal[:, None] > normal).astype(float)
    q1 = sum(
        (above[:, j].sum() ** 2 + above[:, j].sum() * ties[:, j].sum() + ties[:, j].sum() ** 2 / 3) for j in range(58)
    ) / (58 * 51**2)
    q2 = sum(
        (above[i].sum() ** 2 + above[i].sum() * ties[i].sum() + ties[i].sum() ** 2 / 3) for i in range(51)
    ) / (51 * 58**2)
    area = wins.mean()
    counted = math.sqrt((area * (1 - area) + 50 * (q1 - area**2) + 57 * (q2 - area**2)) / (51 * 58))
    assert round(counted, 3) == 0.032
    assert found.error_hanley_mcneil == pytest.approx(counted, abs=6e-4)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    closed = math.sqrt((area * (1 - area) + 50 * (q1 - area**2) + 57 * (q2 - area**2)) / (51 * 58))
    assert found.error_hanley_mcneil == pytest.approx(closed, rel=1e-9)


def test_names_that_move_together_widen_the_error_by_session_alone():
    p, up = cases(5, n=200)
    alone = cl.auc(p, up, sessions=np.arange(200))
    many = cl.auc(np.repeat(p, 10), np.repeat(up, 10), sessions=np.repeat(np.arange(200), 10))
    assert alone.error == pytest.approx(alone.error_delong, rel=0.02)
    assert many.error == pytest.approx(alone.error, rel=1e-9)
    assert many.error_delong < 0.4 * many.error


def test_the_error_by_session_holds_where_the_one_of_independent_cases_does_not():
    """Without skill, where names and forecasts move together: 0.5 is left out in about one of twenty, not in half."""
    rng = np.random.default_rng(8)
    session, missed, naive = np.repeat(np.arange(150), 8), [], []
    for _ in range(200):
        up = (rng.normal(size=(150, 1)) + 0.5 * rng.normal(size=(150, 8)) > 0).astype(float).ravel()
        p = rng.beta(4, 4, (150, 1)) * 0.8 + 0.2 * rng.random((150, 8))
        found = cl.auc(p.ravel(), up, sessions=session)
        missed.append(abs(found.value - 0.5) > 1.98 * found.error)
        naive.append(abs(found.value - 0.5) > 1.98 * found.error_delong)
    assert 0.015 <= np.mean(missed) <= 0.10
    assert np.mean(naive) > 0.25


@RUNS
@given(st.integers(0, 10**6))
def test_matthews_and_log_loss_are_those_of_scikit_learn(seed):
    p, up = cases(seed)
    said = (p > 0.5).astype(float)
    assert cl.matthews(said, up) == (pytest.approx(metrics.matthews_corrcoef(up, said), rel=1e-9), False)
    found = cl.log_loss(p, up)
    slow = -sum(math.log(a if b else 1 - a) for a, b in zip(p, up, strict=True)) / len(p)
    assert found.value == pytest.approx(slow, rel=1e-9)
    assert found.base == pytest.approx(metrics.log_loss(up, np.full(len(up), up.mean())), rel=1e-9)
    assert found.skill == pytest.approx(1 - slow / found.base, rel=1e-9)


def test_missing_pairs_are_left_out():
    p, up = cases(2)
    holed_p, holed_up = p.copy(), up.copy()
    holed_p[5], holed_up[9] = np.nan, np.nan
    kept = np.delete(np.arange(len(p)), [5, 9])
    assert cl.brier_parts(holed_p, holed_up) == cl.brier_parts(p[kept], up[kept])
    numbers = np.arange(len(p)) // 3
    assert cl.auc(holed_p, holed_up, sessions=numbers) == cl.auc(p[kept], up[kept], sessions=numbers[kept])


def test_one_class_constants_and_nothing_say_so():
    p, up = cases(1)
    ones, none = np.ones_like(up), np.full_like(up, np.nan)
    assert cl.auc(p, ones).reason == "one class only"
    assert math.isnan(cl.auc(p, ones).value)
    flat = cl.auc(0.6 * ones, up, sessions=np.arange(len(up)))
    assert flat.value == 0.5
    assert math.isnan(flat.error)
    assert "every probability is the same" in flat.reason
    perfect = cl.auc(0.2 + 0.5 * up, up)
    assert perfect.value == 1.0
    assert "do not overlap" in perfect.reason
    assert "2 sessions" in cl.auc(p, up, sessions=np.arange(len(up)) % 2).reason
    assert cl.auc(none, up).reason == "no case is known"
    assert cl.matthews(ones, up) == (0.0, True)
    assert cl.matthews(up, ones) == (0.0, True)
    assert math.isnan(cl.matthews(none, up)[0])
    assert math.isnan(cl.brier_parts(none, up).score)
    assert math.isnan(cl.calibration_error(none, up))
    assert math.isnan(cl.log_loss(none, up).value)
    single = cl.brier_parts(p, ones)
    assert single.uncertainty == 0.0
    assert math.isnan(single.skill)
    assert math.isnan(cl.log_loss(p, ones).skill)
    certain = cl.log_loss(np.array([0.0, 1.0]), np.array([1.0, 1.0]))
    assert math.isfinite(certain.value)


def test_what_is_no_probability_is_refused():
    p, up = cases(1)
    for call in (
        lambda: cl.brier_parts(1 + p, up),
        lambda: cl.auc(p, 2 * up),
        lambda: cl.log_loss(p, up[:5]),
        lambda: cl.brier_parts(p, up, bins=0),
    ):
        with pytest.raises(InputError):
            call()
