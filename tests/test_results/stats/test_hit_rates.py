"""Hit rates beside their base, with intervals that count sessions: against statsmodels and by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from assay.results.stats.hit_rates import hit_metrics, session_hits, trade_hits
from assay.results.stats.proportions import clustered_interval, wilson_interval


def named(metrics, name):
    return next(metric for metric in metrics if metric.name == name)


def test_the_effective_cases_are_those_of_cluster_robust_errors():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(60), 12)
    common = rng.normal(0, 1, 60)[groups]
    up = (common + rng.normal(0, 1, 720) > 0).astype(float)
    fit = sm.OLS(up, np.ones(720)).fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    variance = float(fit.bse[0]) ** 2 * 60 / 59
    found = clustered_interval(np.bincount(groups, up), np.bincount(groups))
    assert found.share == pytest.approx(up.mean())
    assert found.effective == pytest.approx(up.mean() * (1 - up.mean()) / variance, rel=1e-9)
    plain = wilson_interval(up.sum(), 720)
    assert found.high - found.low > 1.5 * (plain[1] - plain[0])


def test_independent_cases_of_one_a_group_are_wilsons():
    up = (np.random.default_rng(2).random(2000) < 0.5).astype(float)
    found = clustered_interval(up, np.ones(2000))
    plain = wilson_interval(up.sum(), 2000)
    assert (found.low, found.high) == pytest.approx(plain, abs=2e-4)


def test_the_interval_covers_where_cases_move_together():
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        up = (rng.normal(0, 1, (250, 1)) + rng.normal(0, 1, (250, 20)) > 0).sum(axis=1)
        found = clustered_interval(up, np.full(250, 20))
        covered.append(found.low <= 0.5 <= found.high)
    assert 0.92 < np.mean(covered) < 0.98


def test_nothing_and_everything():
    assert math.isnan(clustered_interval(np.zeros(3), np.zeros(3)).share)
    assert clustered_interval(np.full(50, 2), np.full(50, 2)).low == pytest.approx(wilson_interval(100, 100)[0])


def test_rates_by_hand():
    score = pd.DataFrame([[1.0, -1.0, 0.0, 2.0], [1.0, 1.0, 1.0, -1.0]])
    forward = pd.DataFrame([[0.1, 0.1, 0.1, 0.0], [0.1, -0.1, 0.1, 0.1]])
    weights = pd.DataFrame([[0.5, -0.5, 0.5, 0.0], [0.5, 0.0, 0.0, -0.5]])
    found = hit_metrics(score, forward, weights)
    assert named(found, "hit_direction").value == pytest.approx(3 / 6)
    assert named(found, "hit_direction").n == 6
    assert named(found, "hit_direction_base").value == pytest.approx(5 / 6)
    assert named(found, "hit_position").value == pytest.approx(3 / 5)
    # Everything went up, and three of five positions were long.
    assert named(found, "hit_position_base").value == pytest.approx(3 / 5)
    assert named(hit_metrics(None, forward, None), "hit_direction").reason


def test_trips_by_hand():
    dates = pd.bdate_range("2020-01-01", periods=5)
    close = pd.DataFrame({"A": [1.0, 2, 1, 2, 3], "B": [1.0, 1, 2, 3, 4]}, dates)
    trades = pd.DataFrame({
        "side": [1, 1, -1], "pnl": [5.0, -1.0, 2.0], "entry_session": dates[[0, 1, 1]], "exit_session": dates[[2, 3, 3]]
    })  # fmt: skip
    found = trade_hits(trades, close)
    assert named(found, "hit_trade").value == pytest.approx(2 / 3)
    # Windows of two sessions: A 1→1, 2→2, 1→3; B 1→2, 1→3, 2→4: all that moved were up.
    assert named(found, "hit_trade_base").value == pytest.approx(2 / 3)
    assert named(found, "hit_trade_base").n == 4
    assert named(trade_hits(None), "hit_trade").reason


def test_sessions_beside_the_benchmarks():
    net = pd.Series([0.1, -0.1, 0.0, 0.2])
    benchmark = pd.Series([0.1, 0.1, 0.1, -0.2])
    assert named(session_hits(net, benchmark), "hit_session_base").value == pytest.approx(2 / 3)
    assert session_hits(net, None) == []
