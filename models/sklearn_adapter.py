"""Any scikit-learn estimator through the door that every model comes through."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.features import build_features, feature_set
from assay.data.labels import FORWARD_RETURN, label_values, load_label
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import load_object
from assay.models.base import OnFeatures
from assay.models.checkpoint import read_metadata, write_checkpoint

__all__ = ["FittedEstimator", "GradientBoosting", "SklearnForecaster"]


@dataclass(frozen=True, kw_only=True)
class SklearnForecaster(OnFeatures):
    """A scikit-learn regressor or classifier on a feature set, pooled over assets.

    A regressor is trained on forward returns and predicts a score; a classifier is trained on up (1) and not up (0)
    and predicts probability_up.

    Parameters
    ----------
    estimator : ``package.module:Class`` of the estimator.
    settings : its parameters as JSON, e.g. ``{"max_iter": 100}``; ``random_state`` is set from the seed where the
        estimator has one.
    feature_set : a key of `assay.data.features.FEATURE_SETS`.
    fill : which price labels run between; None takes the open where the panel has one.
    label : what a regressor is trained towards, and a classifier the sign of: forward_return, or the path of one's own,
        see `assay.data.labels.load_label`.

    Notes
    -----
    scikit-learn's own way to store an estimator is pickle, which this project never loads. A checkpoint therefore
    holds the recipe and the stamps, and says so when it is asked to predict: fit again.

    """

    name: ClassVar[str] = "sklearn"
    storable: ClassVar[bool] = False
    estimator: str = "sklearn.ensemble:HistGradientBoostingRegressor"
    settings: str = "{}"
    feature_set: str = "core_close"
    fill: str | None = None
    label: str = FORWARD_RETURN

    def __post_init__(self) -> None:
        feature_set(self.feature_set)
        load_label(self.label)
        try:
            parsed = json.loads(self.settings)
        except ValueError as error:
            raise InputError(f"{self.name}: settings are not JSON: {error}") from None
        if not isinstance(parsed, dict):
            raise InputError(f"{self.name}: settings must be a JSON object, got {self.settings!r}")

    def _made(self, seed: int) -> Any:
        found = load_object(f"{self.name}: estimator", self.estimator)
        if not inspect.isclass(found) or not all(callable(getattr(found, name, None)) for name in ("fit", "predict")):
            raise InputError(f"{self.name}: {self.estimator!r} is no estimator: a class with fit and predict")
        settings = json.loads(self.settings)
        try:
            if "random_state" in inspect.signature(found).parameters:
                settings.setdefault("random_state", seed)
            return found(**settings)
        except TypeError as error:
            raise InputError(f"{self.name}: {self.estimator}: {error}") from None

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> FittedEstimator:
        """Fit on every row whose features and label are known."""
        from sklearn.base import is_classifier

        values = build_features(train, self.feature_set, who=self.name).values.astype(np.float64)
        fill = cast(Literal["open", "close"] | None, self.fill)
        ahead = label_values(self.label, train, horizon=horizon, delay=delay, fill=fill, labels=labels)
        ready = np.isfinite(values).all(axis=2) & np.isfinite(ahead)
        if int(ready.sum()) < 2:
            raise InputError(f"{self.name}: no complete training rows in {len(train.sessions)} sessions")
        estimator = self._made(seed)
        classifies = bool(is_classifier(estimator))
        target = (ahead[ready] > 0).astype(int) if classifies else ahead[ready]
        estimator.fit(values[ready], target)
        rows = np.flatnonzero(ready.any(axis=1))
        return FittedEstimator(
            self,
            horizon,
            delay,
            train.sessions[-1],
            train.sessions[int(rows[-1])],
            train.sessions[int(rows[-1]) + horizon + delay],
            estimator,
            classifies,
            {
                "model": self.name,
                "estimator": self.estimator,
                "seed": seed,
                "rows": {"train": int(ready.sum()), "purge": horizon + delay},
                "sessions": {
                    "train_start": train.sessions[int(rows[0])].strftime("%Y-%m-%d"),
                    "train_end": train.sessions[int(rows[-1])].strftime("%Y-%m-%d"),
                },
            },
        )

    def load(self, folder: Path) -> FittedEstimator:
        """Refuse: an estimator cannot be stored without pickle."""
        read_metadata(Path(folder))
        raise InputError(f"{folder}: holds the recipe of {self.estimator}, not its state; fit it again")


@dataclass(frozen=True, eq=False)
class FittedEstimator:
    """A fitted scikit-learn estimator."""

    recipe: SklearnForecaster
    horizon: int
    delay: int
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    estimator: Any
    classifies: bool
    training_log: Mapping[str, object] = field(default_factory=dict)

    def predict(self, history: PricePanel) -> PredictionPanel:
        """Row t from rows up to t; NaN where a feature is unknown."""
        values = build_features(history, self.recipe.feature_set, who=self.recipe.name).values.astype(np.float64)
        ready = np.isfinite(values).all(axis=2)
        out = np.full(ready.shape, np.nan)
        if ready.any():
            rows = values[ready]
            out[ready] = self.estimator.predict_proba(rows)[:, 1] if self.classifies else self.estimator.predict(rows)
        frame = pd.DataFrame(out, history.sessions, history.assets)
        label = load_label(self.recipe.label)
        given: dict[str, Any] = {"probability_up": frame, "score": None} if self.classifies else {
            "score": frame, "unit": label.unit, "zero_is_neutral": label.zero_is_neutral
        }  # fmt: skip
        return PredictionPanel(**given, horizon=self.horizon, delay=self.delay, name=self.recipe.name)

    def save(self, folder: Path) -> None:
        """Write the recipe and the stamps; see `SklearnForecaster`."""
        stamps = ("trained_through", "preprocessing_fit_through", "labels_known_through")
        metadata = {
            "model": self.recipe.name,
            "params": {"estimator": self.recipe.estimator, "settings": self.recipe.settings},
            "stamps": {name: getattr(self, name).strftime("%Y-%m-%d") for name in stamps},
            "training_log": dict(self.training_log),
        }
        write_checkpoint(Path(folder), metadata, {"empty": np.zeros(1)})


@dataclass(frozen=True, kw_only=True)
class GradientBoosting(SklearnForecaster):
    """Histogram gradient boosting of forward returns, scikit-learn's defaults but for the depth and a slower rate."""

    name: ClassVar[str] = "gradient_boosting"
    settings: str = '{"max_iter": 100, "max_depth": 3, "learning_rate": 0.05}'
