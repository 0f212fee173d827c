"""The forecasts that every model must beat: by hand, against scikit-learn, and on a planted market."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, TrainingError
from assay.data.features import build_features
from assay.data.panel import PricePanel
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.baselines import MajorityClass, Momentum, Reversal, Ridge, Zero
from assay.models.catalog import load_fitted
from assay.results.stats.information_coefficient import ic_table
from assay.results.stats.long_run_variance import hac_mean

PRICES, ORACLE = synthetic_market(300, 12, ic=0.2, seed=4)
CUT = PRICES.sessions[219]


def rising() -> PricePanel:
    """One asset that goes up by 1, then down by 1, then up …; one that only rises."""
    days = pd.bdate_range("2020-01-01", periods=8)
    return PricePanel(pd.DataFrame({"A": [10.0, 11, 10, 11, 10, 11, 10, 11], "B": np.arange(1.0, 9)}, days))


def fitted_on(model, prices=None, **span):
    panel = PRICES.through(CUT) if prices is None else prices
    return model.fit(panel, **{"horizon": 1, "delay": 1, "seed": 0, **span})


def test_rules_by_hand():
    prices = rising()
    day = prices.sessions[5]
    zero = fitted_on(Zero(), prices).predict(prices).score
    assert zero is not None
    assert zero.eq(0).all().all()
    momentum = fitted_on(Momentum(lookback=2), prices, horizon=3).predict(prices).score
    assert momentum is not None
    assert momentum.loc[day].tolist() == pytest.approx([0.0, (6 / 4 - 1) / 2 * 3])
    assert momentum.iloc[:2].isna().all().all()
    reversal = fitted_on(Reversal(), prices).predict(prices).score
    assert reversal is not None
    assert reversal.loc[day].tolist() == pytest.approx([-0.1, -0.2])


def test_majority_is_the_share_of_up_windows_that_are_known():
    # Windows from t+1 to t+2: A goes down, up, down, up, down, up; B always up: 3 + 6 of 12.
    prices = rising()
    panel = fitted_on(MajorityClass(), prices).predict(prices)
    assert panel.score is None
    assert panel.probability_up is not None
    assert panel.probability_up.eq(9 / 12).all().all()
    with pytest.raises(InputError, match="no label is known"):
        fitted_on(MajorityClass(), prices.through(prices.sessions[1]))


def test_ridge_equals_scikit_learns():
    from sklearn.linear_model import Ridge as Theirs
    from sklearn.preprocessing import StandardScaler

    train = PRICES.through(CUT)
    values = build_features(train, "core14").values.astype(np.float64)
    labels = forward_returns(train).to_numpy()
    ready = np.isfinite(values).all(axis=2) & np.isfinite(labels)
    scaler = StandardScaler().fit(values[ready])
    theirs = Theirs(alpha=0.01 * int(ready.sum())).fit(np.clip(scaler.transform(values[ready]), -10, 10), labels[ready])
    ours = fitted_on(Ridge(feature_set="core14"))
    np.testing.assert_allclose(ours.coefficients, theirs.coef_, rtol=1e-7, atol=1e-12)
    score = ours.predict(train).score
    assert score is not None
    np.testing.assert_allclose(
        score.to_numpy()[ready], theirs.predict(np.clip(scaler.transform(values[ready]), -10, 10)), atol=1e-12
    )


@pytest.mark.parametrize(("horizon", "delay"), [(1, 1), (5, 1), (2, 3)])
def test_ridge_learns_from_nothing_past_its_last_label(horizon, delay):
    train = PRICES.through(CUT)
    fitted = fitted_on(Ridge(), horizon=horizon, delay=delay)
    assert fitted.labels_known_through == CUT
    assert fitted.preprocessing_fit_through == PRICES.sessions[219 - horizon - delay]
    shorter = fitted_on(Ridge(), train.through(PRICES.sessions[218]), horizon=horizon, delay=delay)
    assert shorter.labels_known_through == PRICES.sessions[218]
    assert not np.array_equal(shorter.coefficients, fitted.coefficients)
    said = fitted.training_log["sessions"]
    assert said["train_end"] == f"{fitted.preprocessing_fit_through.date()}"


def test_ridge_stands_on_what_it_needs():
    with pytest.raises(InputError, match="complete training rows"):
        fitted_on(Ridge(), PRICES.through(PRICES.sessions[21]))
    with pytest.raises(InputError, match="volume"):
        fitted_on(Ridge(feature_set="core14"), PricePanel(PRICES.close))
    for penalty in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="penalty"):
            Ridge(penalty=penalty)


@pytest.mark.parametrize("model", [Ridge(), Momentum(), MajorityClass()], ids=lambda model: model.name)
def test_stored_models_come_back_and_others_are_refused(model, tmp_path):
    fitted = fitted_on(model)
    fitted.save(tmp_path)
    again = load_fitted(tmp_path)
    for name in ("score", "probability_up"):
        one, two = getattr(fitted.predict(PRICES), name), getattr(again.predict(PRICES), name)
        assert (one is None and two is None) or one.equals(two)
    assert again.labels_known_through == fitted.labels_known_through
    with pytest.raises(InputError, match=f"of '{model.name}'"):
        Reversal().load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(TrainingError, match="damaged"):
        model.load(tmp_path)


def test_ridge_finds_what_is_planted():
    """At least 0.9 of the oracle's own information coefficient out of sample, significantly."""
    prices, oracle = synthetic_market(1500, 100, ic=0.10, seed=11)
    folds = WalkForward(train=900, retrain=600, start=prices.sessions[900]).split(prices.sessions)
    run = walk_forward(Ridge(feature_set="core14"), prices, folds)
    assert run.predictions.score is not None
    assert oracle.score is not None
    ahead = forward_returns(prices)
    known = ahead.loc[folds[0].test_start :].dropna(how="all").index
    ours = ic_table(run.predictions.score.loc[known], ahead.loc[known])["ic"]
    best = ic_table(oracle.score.loc[known], ahead.loc[known])["ic"]
    assert ours.mean() >= 0.9 * best.mean()
    mean, error, _, _ = hac_mean(ours.to_numpy())
    assert mean > 3 * error
