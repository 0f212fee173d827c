"""The predictions that ship with the sample are what this project's own walk-forward makes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.sample import load_sample, load_sample_predictions
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model


@pytest.fixture(scope="module")
def market():
    return load_sample()[0]


@pytest.fixture(scope="module")
def folds(market):
    return WalkForward(train=1260, start="2010-01-04").split(market.sessions)


@pytest.mark.parametrize("name", ["ridge", "stock_lstm_close"])
def test_receipts_are_those_of_thirteen_yearly_folds(name, market, folds):
    shipped = load_sample_predictions(name)
    receipts = shipped.receipts
    assert receipts is not None
    assert list(receipts.index) == [fold.test_start for fold in folds]
    assert len(folds) == 13
    assert receipts["available_at"].tolist() == [fold.cutoff for fold in folds]
    assert shipped.sessions.equals(market.sessions[market.sessions >= "2010-01-04"])
    assert shipped.assets.equals(market.assets)
    assert shipped.score is not None
    assert shipped.score.notna().to_numpy().mean() > 0.99


def test_ridge_is_rebuilt(market, folds):
    shipped = load_sample_predictions("ridge")
    again = walk_forward(load_model("ridge"), market, folds).predictions
    # Another processor may sum in another order.
    np.testing.assert_allclose(again.score, shipped.score, rtol=1e-7, atol=1e-12)
    assert again.receipts is not None
    assert shipped.receipts is not None
    pd.testing.assert_frame_equal(again.receipts, shipped.receipts)


@pytest.mark.slow
def test_the_last_fold_of_the_ranking_model_is_rebuilt(market, folds):
    """Three fits at full size; training amplifies rounding, so another processor is held to the order of the scores."""
    shipped = load_sample_predictions("stock_lstm_close")
    again = walk_forward(load_model("stock_lstm_close"), market, folds[-1:], seeds=(0, 1, 2)).predictions
    assert again.score is not None
    assert shipped.score is not None
    own = shipped.score.loc[again.sessions]
    if not again.score.equals(own):
        assert np.corrcoef(again.score.to_numpy().ravel(), own.to_numpy().ravel())[0, 1] > 0.95
