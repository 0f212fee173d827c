"""Attribution against hand-worked books and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from assay.results.stats.attribution import (
    concentration,
    extreme_sessions,
    leg_returns,
    reliability,
    score_by_asset,
    thresholds,
)

_DAYS = pd.bdate_range("2020-01-01", periods=3)


def _frame(rows: list[list[float]], names: str = "ABCD") -> pd.DataFrame:
    return pd.DataFrame(rows, index=_DAYS[: len(rows)], columns=list(names[: len(rows[0])]), dtype=float)


def test_legs_by_hand():
    weights = _frame([[0.5, -0.5, 0.0], [1.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    forward = _frame([[0.02, 0.01, 0.9], [np.nan, 0.5, -0.03], [0.1, 0.1, 0.1]])
    legs = leg_returns(weights, forward)
    assert legs["long"].tolist() == pytest.approx([0.01, 0.0, 0.0])
    assert legs["short"].tolist() == pytest.approx([-0.005, 0.03, 0.0])
    assert leg_returns(weights, forward, 5)["long"].tolist() == pytest.approx([0.002, 0.0, 0.0])


def test_legs_follow_labels_not_places():
    weights = _frame([[1.0, -1.0]], "AB")
    forward = _frame([[0.3, 0.1]], "BA")
    assert leg_returns(weights, forward).iloc[0].tolist() == pytest.approx([0.1, -0.3])


def test_legs_together_are_the_gross_return_of_a_fixed_book():
    rng = np.random.default_rng(0)
    weights, forward = (pd.DataFrame(rng.normal(size=(50, 7))) for _ in range(2))
    total = leg_returns(weights, forward).sum(axis="columns")
    assert total.tolist() == pytest.approx((weights * forward).sum(axis="columns").tolist())


def test_concentration_by_hand():
    table = concentration(_frame([[0.5, -0.5, 0.0, np.nan], [0.6, 0.2, -0.2, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    assert table["names"].tolist() == [2, 3, 0]
    assert table["effective_names"].tolist()[:2] == pytest.approx([2.0, 1 / 0.44])
    assert table["largest"].tolist()[:2] == pytest.approx([0.5, 0.6])
    assert table.iloc[2][["effective_names", "largest"]].isna().all()


def test_worst_sessions_come_first_and_none_twice():
    returns = pd.DataFrame({"net": [0.01, -0.03, 0.02], "gross": 0.0}, index=_DAYS)
    table = extreme_sessions(returns, 2)
    assert table["session"].is_unique
    assert table["net"].tolist()[0] == -0.03
    assert table["net"].tolist()[-1] == 0.02


def test_reliability_is_that_of_the_models_module():
    from assay.models.calibration import reliability as reference

    rng = np.random.default_rng(1)
    probability = pd.DataFrame(rng.uniform(size=(300, 5)))
    forward = pd.DataFrame(rng.normal(size=(300, 5)) + (probability.to_numpy() - 0.5))
    forward.iloc[:7, 2] = np.nan
    table = reliability(probability, forward)
    up = np.where(forward.isna(), np.nan, forward > 0)
    expected = reference(probability.to_numpy(), up)
    assert table["predicted"].tolist() == pytest.approx([row["predicted"] for row in expected])
    assert table["up"].tolist() == pytest.approx([row["observed"] for row in expected])
    assert table["n"].tolist() == [row["n"] for row in expected]
    assert ((table["low"] <= table["up"]) & (table["up"] <= table["high"])).all()


def test_thresholds_by_hand():
    probability = _frame([[0.52, 0.58, 0.7], [0.9, 0.4, 0.65]])
    forward = _frame([[0.01, -0.02, 0.03], [-0.01, 0.02, np.nan]])
    table = thresholds(probability, forward, (0.5, 0.6, 0.95)).set_index("threshold")
    assert table["n"].tolist() == [4, 2, 0]
    assert table["cases"].tolist() == pytest.approx([0.8, 0.4, 0.0])
    assert table["up"].tolist()[:2] == pytest.approx([0.5, 0.5])
    assert table["mean_return"].tolist()[:2] == pytest.approx([0.0025, 0.01])
    assert math.isnan(table["mean_return"].iloc[2])


def test_by_asset_is_the_correlation_of_pandas():
    rng = np.random.default_rng(3)
    score, forward = (pd.DataFrame(rng.normal(size=(60, 4)), columns=list("ABCD")) for _ in range(2))
    score.iloc[5:9, 1] = np.nan
    score["D"] = 1.0
    table = score_by_asset(score, forward).set_index("asset")
    for name in "ABC":
        assert table.loc[name, "correlation"] == pytest.approx(score[name].corr(forward[name]))
    assert math.isnan(table.loc["D", "correlation"])
    assert table.loc["B", "sessions"] == 56
    same = (np.sign(score["A"]) == np.sign(forward["A"])).mean()
    assert table.loc["A", "same_sign"] == pytest.approx(same)
