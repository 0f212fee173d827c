"""Gains and losses along the way, by hand; against empyrical in test_empyrical.py."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from assay.results.stats.return_path import PATH_FIGURES, against_figures, path_figures

DAYS = pd.to_datetime(["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02", "2024-04-01", "2025-01-02"])
NET = pd.Series([0.10, -0.05, -0.02, 0.0, 0.03, 0.04], DAYS)


def test_by_hand() -> None:
    figures = path_figures(NET)
    # January +4.5%, February −2%, April +3%, January 2025 +4%; the first quarter 1.1 · 0.95 · 0.98 = 1.0241.
    assert [figures[name] for name in ("months", "quarters", "years")] == [0.75, 1.0, 1.0]
    assert figures["payoff"] == pytest.approx((0.17 / 3) / 0.035)
    assert figures["profit_factor"] == pytest.approx(0.17 / 0.07)
    assert (figures["gains_in_a_row"], figures["losses_in_a_row"]) == (2.0, 2.0)
    level = [1.1, 1.045, 1.0241, 1.0241, 1.054823, 1.09701592]
    depths = [value / 1.1 - 1 for value in level]
    assert figures["under_water"] == 5.0
    assert figures["mean_depth"] == pytest.approx(np.mean(depths))
    assert figures["ulcer"] == pytest.approx(math.sqrt(np.mean(np.square(depths))))


def test_beside_itself_a_benchmark_captures_all() -> None:
    market = pd.Series(np.random.default_rng(3).normal(0.0003, 0.01, 50), pd.bdate_range("2020-01-01", periods=50))
    beside = against_figures(market, market)
    assert (beside["down_capture"], beside["tracking_error"]) == (pytest.approx(1.0), 0.0)
    assert {*path_figures(market), *beside} == {*PATH_FIGURES}


def test_what_cannot_be_said_is_nan() -> None:
    flat = path_figures(pd.Series(0.0, pd.bdate_range("2020-01-01", periods=3)))
    assert math.isnan(flat["payoff"])
    assert math.isnan(flat["profit_factor"])
    assert (flat["gains_in_a_row"], flat["under_water"], flat["ulcer"]) == (0.0, 0.0, 0.0)
