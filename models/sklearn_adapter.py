"""Any scikit-learn estimator through the door that every model comes through."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError, TrainingError
from assay.data.features import build_features, feature_set
from assay.data.labels import FORWARD_RETURN, label_values, load_label
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import load_object, require_types
from assay.data.receipts import STAMPS
from assay.models.base import OnFeatures
from assay.models.checkpoint import read_checkpoint, write_checkpoint

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
    holds the recipe, the seed and the rows that it was trained on; loading fits it again on these, and refuses it if
    it then predicts anything else, as another version of the library may.

    """

    name: ClassVar[str] = "sklearn"
    estimator: str = "sklearn.ensemble:HistGradientBoostingRegressor"
    settings: str = "{}"
    feature_set: str = "core_close"
    fill: str | None = None
    label: str = FORWARD_RETURN

    def __post_init__(self) -> None:
        require_types(self.name, self)
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
        # The features are made in single precision: nothing is lost.
        learnt = Learnt(values[ready].astype(np.float32), target, seed)
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
            learnt,
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
        """Fit again on the rows in the folder.

        Raises
        ------
        InputError
            If the estimator cannot be had, or is none.
        TrainingError
            If the folder is damaged, or what is fit predicts otherwise than what was stored.

        """
        content, arrays = read_checkpoint(Path(folder))
        if "rows" not in arrays:
            raise InputError(f"{folder}: holds the recipe of {self.estimator} without its training rows; train again")
        learnt = Learnt(arrays["rows"], arrays["target"], int(content["seed"]))
        estimator = self._made(learnt.seed)
        estimator.fit(learnt.rows.astype(np.float64), learnt.target)
        stamps = {name: pd.Timestamp(content["stamps"][name]) for name in STAMPS}
        fitted = FittedEstimator(
            self,
            content["horizon"],
            content["delay"],
            **stamps,
            estimator=estimator,
            classifies=bool(content["classifies"]),
            learnt=learnt,
            training_log=content["training_log"],
        )
        found = fitted.probe()
        if found.shape != arrays["probe"].shape or not np.allclose(found, arrays["probe"], rtol=1e-9, atol=1e-12):
            made, here = content["versions"], _versions(estimator)
            changed = [f"{name} {made.get(name)} → {here[name]}" for name in here if made.get(name) != here[name]]
            reason = f"with other versions: {', '.join(changed)}" if changed else "although nothing else changed"
            raise TrainingError(f"{folder}: {self.estimator} fit again predicts otherwise, {reason}; train again")
        return fitted


@dataclass(frozen=True, eq=False)
class Learnt:
    """What an estimator was fit on.

    Parameters
    ----------
    rows : (n, F) float32 features.
    target : (n,) forward returns, or 0 and 1 of a classifier.
    seed : of the fit.

    """

    rows: np.ndarray
    target: np.ndarray
    seed: int


def _versions(estimator: object) -> dict[str, str]:
    """The versions of NumPy, of scikit-learn and of what the estimator comes from."""
    from importlib.metadata import PackageNotFoundError, version

    names = {"numpy": "numpy", "sklearn": "scikit-learn"}
    package = type(estimator).__module__.partition(".")[0]
    out = {}
    for name in dict.fromkeys([*names, package]):
        try:
            out[name] = version(names.get(name, name))
        except PackageNotFoundError:
            out[name] = "unknown"
    return out


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
    learnt: Learnt
    training_log: Mapping[str, object] = field(default_factory=dict)

    def predict(self, history: PricePanel) -> PredictionPanel:
        """Row t from rows up to t; NaN where a feature is unknown."""
        values = build_features(history, self.recipe.feature_set, who=self.recipe.name).values.astype(np.float64)
        ready = np.isfinite(values).all(axis=2)
        out = np.full(ready.shape, np.nan)
        if ready.any():
            out[ready] = self._of_rows(values[ready])
        frame = pd.DataFrame(out, history.sessions, history.assets)
        label = load_label(self.recipe.label)
        given: dict[str, Any] = {"probability_up": frame, "score": None} if self.classifies else {
            "score": frame, "unit": label.unit, "zero_is_neutral": label.zero_is_neutral
        }  # fmt: skip
        return PredictionPanel(**given, horizon=self.horizon, delay=self.delay, name=self.recipe.name)

    def _of_rows(self, rows: np.ndarray) -> np.ndarray:
        """What is predicted of (n, F) features."""
        answer = self.estimator.predict_proba(rows)[:, 1] if self.classifies else self.estimator.predict(rows)
        return np.asarray(answer, dtype=np.float64)

    def probe(self) -> np.ndarray:
        """What is predicted of at most 256 of the training rows, spread evenly: by which a fit is known again."""
        rows = self.learnt.rows
        return self._of_rows(rows[:: max(1, len(rows) // 256)][:256].astype(np.float64))

    def save(self, folder: Path) -> None:
        """Write the recipe, the stamps and the training rows; see `SklearnForecaster`."""
        metadata = {
            "model": self.recipe.name,
            "params": asdict(self.recipe),
            "stamps": {name: getattr(self, name).strftime("%Y-%m-%d") for name in STAMPS},
            "horizon": self.horizon,
            "delay": self.delay,
            "seed": self.learnt.seed,
            "classifies": self.classifies,
            "versions": _versions(self.estimator),
            "training_log": dict(self.training_log),
        }
        tensors = {"rows": self.learnt.rows, "target": self.learnt.target, "probe": self.probe()}
        write_checkpoint(Path(folder), metadata, tensors)


@dataclass(frozen=True, kw_only=True)
class GradientBoosting(SklearnForecaster):
    """Histogram gradient boosting of forward returns, scikit-learn's defaults but for the depth and a slower rate."""

    name: ClassVar[str] = "gradient_boosting"
    settings: str = '{"max_iter": 100, "max_depth": 3, "learning_rate": 0.05}'
