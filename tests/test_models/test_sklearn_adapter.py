"""Any scikit-learn estimator: the same numbers as scikit-learn alone, a seed, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest

from assay.data.errors import InputError, TrainingError
from assay.data.features import build_features
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_fitted, load_model
from assay.models.checkpoint import write_checkpoint
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


STORED = [
    GradientBoosting(),
    SklearnForecaster(estimator="sklearn.linear_model:LogisticRegression", settings='{"C": 0.5}'),
    SklearnForecaster(estimator="sklearn.tree:DecisionTreeRegressor", settings='{"max_depth": 3, "max_features": 1}'),
    SklearnForecaster(estimator="lightgbm:LGBMRegressor", settings='{"n_estimators": 9, "verbose": -1}'),
]


@pytest.mark.parametrize("model", STORED, ids=lambda model: model.estimator.partition(":")[2])
def test_what_is_stored_predicts_the_same(model, tmp_path):
    pytest.importorskip(model.estimator.partition(":")[0].partition(".")[0])
    fitted = fitted_on(model, 3)
    fitted.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = load_fitted(tmp_path)
    assert (again.recipe, again.trained_through, again.horizon) == (model, fitted.trained_through, 1)
    np.testing.assert_array_equal(again.predict(PRICES).view, fitted.predict(PRICES).view)


def test_a_fit_that_comes_out_otherwise_is_refused(tmp_path):
    fitted = fitted_on(SklearnForecaster(estimator="sklearn.linear_model:LinearRegression"))
    fitted.estimator.coef_ = fitted.estimator.coef_ * 1.01  # as another version of the library might have it
    fitted.save(tmp_path)
    with pytest.raises(TrainingError, match="fit again predicts otherwise, although nothing else changed; train again"):
        load_fitted(tmp_path)


def test_a_folder_names_no_estimator_of_somebody_elses(tmp_path):
    content = {"model": "sklearn", "params": {"estimator": "subprocess:Popen"}}
    write_checkpoint(tmp_path, content, {"x": np.zeros(1)})
    with pytest.raises(InputError, match="names the estimator 'subprocess:Popen', which is somebody's code"):
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
