"""Intervals of a share against statsmodels, scipy and a count of all outcomes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from assay.results.stats.proportions import clopper_pearson_interval, hit_rate, jeffreys_interval, wilson_interval


@settings(max_examples=60, deadline=None)
@given(successes=st.integers(0, 60), more=st.integers(0, 60))
def test_wilson_equals_statsmodels(successes, more):
    n = successes + more
    if n == 0:
        return
    theirs = proportion_confint(successes, n, method="wilson")
    assert wilson_interval(successes, n) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_hit_rate_leaves_out_what_is_flat():
    assert hit_rate(np.array([1.0, -1.0, 0.0, np.nan, 2.0]))[::3] == (pytest.approx(2 / 3), 3)


@settings(max_examples=100, deadline=None)
@given(successes=st.integers(0, 200), more=st.integers(0, 200), level=st.floats(0.5, 0.999))
def test_exact_interval_equals_scipys_and_statsmodels(successes, more, level):
    n = successes + more
    if n == 0:
        return
    ours = clopper_pearson_interval(successes, n, level)
    theirs = stats.binomtest(successes, n).proportion_ci(confidence_level=level, method="exact")
    assert ours == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-12)
    assert ours == pytest.approx(proportion_confint(successes, n, 1 - level, method="beta"), rel=1e-9, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(successes=st.integers(0, 200), more=st.integers(0, 200), level=st.floats(0.5, 0.999))
def test_jeffreys_equals_statsmodels_but_keeps_the_observed_share(successes, more, level):
    n = successes + more
    if n == 0:
        return
    low, high = jeffreys_interval(successes, n, level)
    theirs = proportion_confint(successes, n, 1 - level, method="jeffreys")
    assert low == (0.0 if successes == 0 else pytest.approx(theirs[0], rel=1e-9, abs=1e-12))
    assert high == (1.0 if more == 0 else pytest.approx(theirs[1], rel=1e-9, abs=1e-12))
    assert low <= successes / n <= high


def test_without_cases_there_is_no_interval():
    for interval in (wilson_interval, clopper_pearson_interval, jeffreys_interval):
        assert all(math.isnan(end) for end in interval(0, 0))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.77])
def test_exact_covers_at_least_what_it_says_and_the_others_about_that(share):
    n = 40
    weights = stats.binom.pmf(np.arange(n + 1), n, share)

    def coverage(interval) -> float:
        return sum(weight for k, weight in enumerate(weights) if interval(k, n)[0] <= share <= interval(k, n)[1])

    assert coverage(clopper_pearson_interval) >= 0.95
    assert coverage(wilson_interval) == pytest.approx(0.95, abs=0.035)
    assert coverage(jeffreys_interval) == pytest.approx(0.95, abs=0.035)
