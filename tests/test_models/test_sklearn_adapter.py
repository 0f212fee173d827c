"""Any scikit-learn estimator: the same numbers as scikit-learn alone, a seed, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.errors import InputError
from assay.data.features import build_features
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_fitted, load_model
from assay.models.sklearn_adapter import GradientBoosting, SklearnForecaster

PRICES, _ = synthetic_market(200, 8, ic=0.2, seed=6)
CUT = PRICES.sessions[149]


def rows():
    train = PRICES.through(CUT)
    values = build_features(train, "core_close").values.astype(np.float64)
    labels = forward_returns(train).to_numpy()
    ready = np.isfinite(values).all(axis=2) & np.isfinite(labels)
    return values[ready], labels[ready]


def fitted_on(model, seed=0):
    return model.fit(PRICES.through(CUT), horizon=1, delay=1, seed=seed)


def test_a_regressor_predicts_what_scikit_learn_does():
    from sklearn.linear_model import LinearRegression

    x, y = rows()
    score = fitted_on(SklearnForecaster(estimator="sklearn.linear_model:LinearRegression")).predict(PRICES).score
    every = build_features(PRICES, "core_close").values.astype(np.float64)
    known = np.isfinite(every).all(axis=2)
    assert score is not None
    np.testing.assert_allclose(score.to_numpy()[known], LinearRegression().fit(x, y).predict(every[known]))
    assert score.isna().to_numpy()[~known].all()


def test_a_classifier_predicts_the_probability_of_up():
    from sklearn.linear_model import LogisticRegression

    x, y = rows()
    model = load_model("sklearn", estimator="sklearn.linear_model:LogisticRegression", settings='{"C": 0.5}')
    panel = fitted_on(model).predict(PRICES)
    assert panel.score is None
    assert panel.probability_up is not None
    theirs = LogisticRegression(C=0.5, random_state=0).fit(x, (y > 0).astype(int))
    every = build_features(PRICES, "core_close").values.astype(np.float64)[-1]
    np.testing.assert_allclose(panel.probability_up.iloc[-1], theirs.predict_proba(every)[:, 1])


def test_the_seed_reaches_estimators_that_draw():
    settings = '{"max_depth": 3, "max_features": 1, "splitter": "random"}'
    model = SklearnForecaster(estimator="sklearn.tree:DecisionTreeRegressor", settings=settings)
    first, same, other = (fitted_on(model, seed).predict(PRICES).score for seed in (1, 1, 2))
    assert first.equals(same)
    assert not first.equals(other)


def test_stamps_are_those_of_the_last_label():
    fitted = fitted_on(GradientBoosting())
    assert fitted.trained_through == CUT
    assert fitted.labels_known_through == CUT
    assert fitted.preprocessing_fit_through == PRICES.sessions[147]


def test_what_is_stored_says_that_it_cannot_predict(tmp_path):
    fitted_on(GradientBoosting()).save(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
    with pytest.raises(InputError, match="fit it again"):
        load_fitted(tmp_path)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"settings": "{"}, "not JSON"),
        ({"settings": "[1]"}, "JSON object"),
        ({"feature_set": "core15"}, "core15"),
        ({"estimator": "sklearn.linear_model:Rigde"}, "cannot import"),
        ({"estimator": "Ridge"}, "cannot import"),
        ({"estimator": "sklearn.linear_model:Ridge", "settings": '{"alfa": 1}'}, "alfa"),
    ],
)
def test_mistakes_are_named(settings, match):
    with pytest.raises(InputError, match=match):
        fitted_on(SklearnForecaster(**settings))
