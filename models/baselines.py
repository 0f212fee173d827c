"""What every model has to beat: forecasts that need no training, and a ridge regression.

They come through the same door as the LSTMs (`models.base.Forecaster`), so their receipts, folds and figures are made
the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.features import build_features, feature_set
from assay.data.labels import FORWARD_RETURN, label_values, load_label
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import require_types
from assay.data.receipts import STAMPS
from assay.data.returns import forward_returns
from assay.models.base import ADDED_LATER, OnFeatures
from assay.models.checkpoint import read_checkpoint, write_checkpoint

__all__ = ["FittedRidge", "FittedRule", "MajorityClass", "Momentum", "Reversal", "Ridge", "Zero"]

Fill = Literal["open", "close"] | None


@dataclass(frozen=True, eq=False)
class FittedRule:
    """A rule after `fit`: nothing was learnt but what `constant` holds."""

    recipe: Any
    horizon: int
    delay: int
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    constant: float = math.nan
    training_log: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.recipe.name)

    def predict(self, history: PricePanel) -> PredictionPanel:
        """Row t from rows up to t; NaN where the lookback is short."""
        return self.recipe.forecast(history, self)  # type: ignore[no-any-return]

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON into an existing folder."""
        _save(self, folder, {"constant": np.array([self.constant])})


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """A forecast that needs no training."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    lookback: int = 1

    def __post_init__(self) -> None:
        require_types(self.name, self)
        if self.lookback < 1:
            raise InputError(f"{self.name}: lookback must be at least 1 session, got {self.lookback}")

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> FittedRule:
        """Nothing is learnt; the stamps are the last session of `train` all the same."""
        last = train.sessions[-1]
        return FittedRule(self, horizon, delay, last, last, last, self._constant(train, horizon, delay, labels))

    def load(self, folder: Path) -> FittedRule:
        """Read back what `FittedRule.save` wrote."""
        about, tensors = _load(self, folder)
        return FittedRule(
            self,
            about["horizon"],
            about["delay"],
            *_stamps(about),
            float(tensors["constant"][0]),
            about["training_log"],
        )

    def _constant(self, train: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None) -> float:
        return math.nan

    def forecast(self, history: PricePanel, fitted: FittedRule) -> PredictionPanel:
        """The predictions."""
        score = self._score(history) * fitted.horizon
        return PredictionPanel(score, horizon=fitted.horizon, delay=fitted.delay, name=self.name)

    def _score(self, history: PricePanel) -> pd.DataFrame:
        raise TypeError(f"{type(self).__name__} makes no score")


@dataclass(frozen=True, kw_only=True)
class Zero(_Rule):
    """Expects no return: the last price is the forecast of the next (persistence)."""

    name: ClassVar[str] = "zero"

    def _score(self, history: PricePanel) -> pd.DataFrame:
        return history.close.where(history.close.isna(), 0.0)


@dataclass(frozen=True, kw_only=True)
class Momentum(_Rule):
    """Expects the mean return of the last `lookback` sessions to go on."""

    name: ClassVar[str] = "momentum"
    lookback: int = 20

    def _score(self, history: PricePanel) -> pd.DataFrame:
        return history.close.pct_change(self.lookback, fill_method=None) / self.lookback


@dataclass(frozen=True, kw_only=True)
class Reversal(_Rule):
    """Expects the return of the last `lookback` sessions to turn round."""

    name: ClassVar[str] = "reversal"
    lookback: int = 1

    def _score(self, history: PricePanel) -> pd.DataFrame:
        return -history.close.pct_change(self.lookback, fill_method=None) / self.lookback


@dataclass(frozen=True, kw_only=True)
class MajorityClass(_Rule):
    """Expects up with the share of up windows in the training labels: the baseline of a direction model."""

    name: ClassVar[str] = "majority"
    fill: Fill = None

    def _constant(self, train: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None) -> float:
        known = forward_returns(train, horizon=horizon, delay=delay, fill=self.fill, labels=labels).to_numpy()
        known = known[np.isfinite(known)]
        if len(known) == 0:
            raise InputError(f"{self.name}: no label is known in {len(train.sessions)} training sessions")
        return float((known > 0).mean())

    def forecast(self, history: PricePanel, fitted: FittedRule) -> PredictionPanel:
        """A constant probability."""
        probability = history.close.where(history.close.isna(), fitted.constant)
        return PredictionPanel(
            None, probability_up=probability, horizon=fitted.horizon, delay=fitted.delay, name=self.name
        )


@dataclass(frozen=True, eq=False)
class FittedRidge:
    """A ridge regression after training."""

    recipe: Ridge
    horizon: int
    delay: int
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    centre: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    training_log: Mapping[str, object]

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    def predict(self, history: PricePanel) -> PredictionPanel:
        """Row t from rows up to t; NaN where a feature is unknown."""
        values = build_features(history, self.recipe.feature_set, who=self.name).values
        standard = np.clip((values - self.centre) / self.scale, -self.recipe.clip, self.recipe.clip)
        # Sum in one fixed order, asset by asset, so that neither other assets nor later rows change a digit.
        score = np.einsum("tnf,f->tn", standard, self.coefficients, optimize=False) + self.intercept
        frame = pd.DataFrame(score, history.sessions, history.assets)
        label = load_label(self.recipe.label)
        return PredictionPanel(
            frame, unit=label.unit, zero_is_neutral=label.zero_is_neutral, horizon=self.horizon, delay=self.delay,
            name=self.name,
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write safetensors and JSON into an existing folder."""
        arrays = {name: getattr(self, name) for name in ("centre", "scale", "coefficients")}
        _save(self, folder, {**arrays, "intercept": np.array([self.intercept])})


@dataclass(frozen=True, kw_only=True)
class Ridge(OnFeatures):
    """Ridge regression of forward returns on standardised features, pooled over assets.

    Parameters
    ----------
    feature_set : a key of `assay.data.features.FEATURE_SETS`.
    penalty : λ in Σ(y − Xβ)² + λ·n·|β|², on standardised features, n the training rows; the intercept is free.
    clip : standardised features are clipped at this many standard deviations.
    fill : which price labels run between; None takes the open where the panel has one.
    label : what it is trained towards: forward_return, or the path of one's own, see `assay.data.labels.load_label`.

    References
    ----------
    Hoerl & Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems".

    """

    name: ClassVar[str] = "ridge"
    feature_set: str = "core_close"
    penalty: float = 0.01
    clip: float = 10.0
    fill: Fill = None
    label: str = FORWARD_RETURN

    def __post_init__(self) -> None:
        require_types(self.name, self)
        feature_set(self.feature_set)
        load_label(self.label)
        if not self.penalty >= 0 or not math.isfinite(self.penalty):
            raise InputError(f"{self.name}: penalty must be finite and at least 0, got {self.penalty!r}")

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> FittedRidge:
        """Solve the normal equations on the rows whose label is known; the seed changes nothing."""
        values = build_features(train, self.feature_set, who=self.name).values.astype(np.float64)
        target = label_values(self.label, train, horizon=horizon, delay=delay, fill=self.fill, labels=labels)
        ready = np.isfinite(values).all(axis=2) & np.isfinite(target)
        if int(ready.sum()) <= values.shape[2]:
            raise InputError(
                f"{self.name}: {int(ready.sum())} complete training rows in {len(train.sessions)} sessions; "
                f"more than {values.shape[2]} are needed"
            )
        x, y = values[ready], target[ready]
        centre, scale = x.mean(axis=0), x.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        x = np.clip((x - centre) / scale, -self.clip, self.clip)
        middle, intercept = x.mean(axis=0), float(y.mean())
        x = x - middle
        gram = x.T @ x + self.penalty * len(x) * np.eye(x.shape[1])
        coefficients = np.linalg.solve(gram, x.T @ (y - intercept))
        residual = y - intercept - x @ coefficients
        total = float(((y - intercept) ** 2).sum())
        rows = np.flatnonzero(ready.any(axis=1))
        last = train.sessions[int(rows[-1])]
        known = train.sessions[int(rows[-1]) + horizon + delay]
        log = {
            "model": self.name,
            "rows": {"train": len(x), "purge": horizon + delay},
            "sessions": {"train_start": _day(train.sessions[int(rows[0])]), "train_end": _day(last)},
            "train_r2": 1.0 - float(residual @ residual) / total if total > 0 else None,
            "coefficients": dict(zip(feature_set(self.feature_set).names, coefficients.tolist(), strict=True)),
        }
        return FittedRidge(
            self,
            horizon,
            delay,
            train.sessions[-1],
            last,
            known,
            centre,
            scale,
            coefficients,
            intercept - float(middle @ coefficients),
            log,
        )

    def load(self, folder: Path) -> FittedRidge:
        """Read back what `FittedRidge.save` wrote."""
        about, tensors = _load(self, folder)
        width = (len(feature_set(self.feature_set).names),)
        if any(tensors[name].shape != width for name in ("centre", "scale", "coefficients")):
            raise ValueError(f"its arrays are not of {width[0]} features")
        return FittedRidge(
            self,
            about["horizon"],
            about["delay"],
            *_stamps(about),
            centre=tensors["centre"],
            scale=tensors["scale"],
            coefficients=tensors["coefficients"],
            intercept=float(tensors["intercept"][0]),
            training_log=about["training_log"],
        )


def _day(session: pd.Timestamp) -> str:
    return str(session.strftime("%Y-%m-%d"))




def _save(fitted: FittedRule | FittedRidge, folder: Path, arrays: dict[str, np.ndarray]) -> None:
    metadata = {
        "model": fitted.name,
        "params": asdict(fitted.recipe),
        "horizon": fitted.horizon,
        "delay": fitted.delay,
        "stamps": {name: getattr(fitted, name).strftime("%Y-%m-%d") for name in STAMPS},
        "training_log": dict(fitted.training_log),
    }
    write_checkpoint(Path(folder), metadata, arrays)


def _load(recipe: Any, folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    about, tensors = read_checkpoint(Path(folder))
    wanted = asdict(recipe)
    given = {**{name: value for name, value in ADDED_LATER.items() if name in wanted}, **about.get("params", {})}
    if about.get("model") != recipe.name or given != wanted:
        raise InputError(f"{folder}: a checkpoint of {about.get('model')!r} with other parameters, not of {recipe}")
    return about, tensors


def _stamps(about: Mapping[str, Any]) -> tuple[pd.Timestamp, pd.Timestamp, pd.Timestamp]:
    first, second, third = (pd.Timestamp(about["stamps"][name]) for name in STAMPS)
    return first, second, third
