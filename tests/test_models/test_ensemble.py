"""Ensembles: hand-worked, causal, and their receipts never earlier than those of their parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.models.ensemble import METHODS, combine

SESSIONS = pd.bdate_range("2020-01-01", periods=160)
ASSETS = [f"A{i}" for i in range(12)]


def receipts(every, lag):
    starts = SESSIONS[::every]
    seen = starts - pd.offsets.BDay(lag)
    stamps = ("trained_through", "preprocessing_fit_through", "labels_known_through", "available_at")
    return pd.DataFrame(
        {"model_id": f"m{lag}", "fold": range(len(starts)), **dict.fromkeys(stamps, seen)}, index=starts
    )


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    close = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (160, 12)), axis=0)), SESSIONS, ASSETS)
    prices = PricePanel(close)
    ahead = forward_returns(prices).fillna(0.0)
    good = PredictionPanel(ahead + rng.normal(0, 0.02, ahead.shape), name="good", receipts=receipts(40, 3))
    noise = PredictionPanel(
        pd.DataFrame(rng.normal(0, 0.02, ahead.shape), SESSIONS, ASSETS), name="noise", receipts=receipts(25, 1)
    )
    return good, noise, prices


def test_mean_rank_by_hand():
    index = SESSIONS[:1]
    one = PredictionPanel(pd.DataFrame([[3.0, 1.0, 2.0, 9.0]], index, list("ABCD")))
    two = PredictionPanel(pd.DataFrame([[5.0, 9.0, np.nan, 7.0]], index, list("ABCD")))
    combined = combine([one, two])
    # Shared: A, B, D. Ranks of one: 2, 1, 3; of two: 1, 3, 2; scaled to ±½ and averaged.
    np.testing.assert_allclose(combined.score.iloc[0], [-0.25, 0.0, np.nan, 0.25])
    assert combined.unit == "rank"


def test_measured_skill_decides_the_weights(world):
    good, noise, prices = world
    ranks = combine([good, noise], prices, method="ic", minimum=20, every=20)
    alone = combine([good, good], prices)
    last = ranks.score.iloc[-1].corr(alone.score.iloc[-1])
    first = ranks.score.iloc[0].corr(alone.score.iloc[0])
    equal = combine([good, noise]).score
    assert last > 0.95
    assert first < 0.9
    pd.testing.assert_frame_equal(ranks.score.iloc[:20], equal.iloc[:20])  # nothing measured yet: equal


def test_stacking_is_non_negative_least_squares_on_what_was_known(world):
    from scipy.optimize import nnls

    good, noise, prices = world
    stacked = combine([good, noise], prices, method="stack", minimum=20, every=40)
    assert stacked.unit == "return"
    at = 120  # estimated here on labels known by its close: rows through 120 - 2
    rows = slice(0, at - 2 + 1)
    ahead = forward_returns(prices).to_numpy()[rows].ravel()
    features = np.column_stack([one.score.to_numpy()[rows].ravel() for one in (good, noise)])
    weights = nnls(features, ahead)[0]
    expected = weights[0] * good.score.iloc[at] + weights[1] * noise.score.iloc[at]
    np.testing.assert_allclose(stacked.score.iloc[at], expected, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cut", [45, 81, 130])
def test_the_future_changes_nothing(world, method, cut):
    good, noise, prices = world
    options = {"method": method, "minimum": 20, "every": 7, "window": 60}
    before = combine([good, noise], prices, **options).score.iloc[: cut + 1]
    close = prices.close.copy()
    close.iloc[cut + 1 :] *= np.random.default_rng(1).uniform(0.5, 2.0, close.iloc[cut + 1 :].shape)
    factor = np.where(SESSIONS[cut] >= SESSIONS, 1.0, -7.0)
    altered = [replace(one, score=one.score.mul(factor, axis="index")) for one in (good, noise)]
    after = combine(altered, PricePanel(close), **options).score.iloc[: cut + 1]
    pd.testing.assert_frame_equal(before, after)
    last = SESSIONS[cut]
    short = combine([good.through(last), noise.through(last)], prices.through(last), **options).score
    pd.testing.assert_frame_equal(before, short)


def test_receipts_are_the_latest_of_the_parts(world):
    good, noise, prices = world
    merged = combine([good, noise]).receipts
    assert list(merged.index) == sorted({*good.receipts.index, *noise.receipts.index})
    for stamp, row in merged.iterrows():
        parts = [one.receipts.loc[:stamp].iloc[-1] for one in (good, noise)]
        for name in ("trained_through", "labels_known_through", "available_at"):
            assert row[name] == max(part[name] for part in parts)
    weighted = combine([good, noise], prices, method="ic", minimum=20, every=10).receipts
    assert weighted.loc[SESSIONS[50], "labels_known_through"] == SESSIONS[50]
    assert combine([good, replace(noise, receipts=None)]).receipts is None


def test_what_does_not_fit_together_is_refused(world):
    good, noise, prices = world
    with pytest.raises(InputError, match="same labels"):
        combine([good, replace(noise, horizon=5)])
    with pytest.raises(InputError, match="at least 2"):
        combine([good])
    with pytest.raises(InputError, match="needs prices"):
        combine([good, noise], method="ic")
    with pytest.raises(InputError, match="unit is 'rank'"):
        combine([good, replace(noise, unit="rank")], prices, method="stack")
    with pytest.raises(UnknownNameError):
        combine([good, noise], method="vote")
    with pytest.raises(InputError, match="share 160 sessions and 0 assets"):
        combine([good, noise.map(lambda frame: frame.add_prefix("x"))])
