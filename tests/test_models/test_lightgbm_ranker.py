"""Boosted trees that rank; where LightGBM is absent, one line says what to install."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from assay.data.errors import InputError
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.contract import check_forecaster
from assay.models.metrics import rank_metrics


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    prices, _ = synthetic_market(60, 5, seed=0)
    with pytest.raises(InputError, match=r"lightgbm is not installed.*assay\[lightgbm\]"):
        load_model("lightgbm_ranker").fit(prices, horizon=1, delay=1, seed=0)


def test_parameters_that_cannot_be() -> None:
    for wrong in ({"leaves": 1}, {"grades": 40}, {"learning_rate": 0.0}):
        with pytest.raises(InputError, match="lightgbm_ranker"):
            load_model("lightgbm_ranker", **wrong)


def test_it_finds_what_is_planted_and_passes_the_contract() -> None:
    pytest.importorskip("lightgbm")
    assert "causality" in check_forecaster(load_model("lightgbm_ranker", trees=5, least_rows=10))
    prices, oracle = synthetic_market(500, 40, ic=0.2, seed=1)
    fitted = load_model("lightgbm_ranker", trees=60).fit(
        prices.through(prices.sessions[349]), horizon=1, delay=1, seed=0
    )
    ahead = forward_returns(prices).to_numpy()[350:]
    scores = (panel.score.to_numpy()[350:] for panel in (fitted.predict(prices), oracle))
    own, best = (rank_metrics(score, ahead)["rank_ic"] for score in scores)
    assert own > 0.4 * best > 0.04
    assert fitted.predict(prices).unit == "rank"
    assert sum(fitted.training_log["gain"].values()) == pytest.approx(1.0)
    assert np.isfinite(fitted.predict(prices).score.iloc[-1]).all()
