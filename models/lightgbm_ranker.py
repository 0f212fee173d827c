"""`lightgbm_ranker`: boosted trees that learn the order of the assets within a session; needs the extra `lightgbm`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError, TrainingError
from assay.data.features import build_features, feature_set
from assay.data.optional import missing_package
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import require_types
from assay.data.receipts import STAMPS
from assay.data.returns import forward_returns
from assay.models.base import OnFeatures
from assay.models.checkpoint import read_checkpoint, write_checkpoint

__all__ = ["FittedRanker", "LightGbmRanker"]

_LEAST_NAMES = 3  # of a session, to have an order


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise missing_package(error, what="lightgbm_ranker") or error from None
    return lightgbm


@dataclass(frozen=True, eq=False)
class FittedRanker:
    """Trees after training, as LightGBM writes them: text, which holds numbers and no code."""

    recipe: LightGbmRanker
    horizon: int
    delay: int
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    trees: str
    training_log: Mapping[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    def predict(self, history: PricePanel) -> PredictionPanel:
        """A score for every row whose features are known; it orders a session and is no return."""
        values = build_features(history, self.recipe.feature_set, who=self.name).values
        ready = np.isfinite(values).all(axis=2)
        score = np.full(history.shape, np.nan)
        if ready.any():
            booster = _lightgbm().Booster(model_str=self.trees)
            score[ready] = booster.predict(values[ready].astype(np.float64), num_threads=1)
        return PredictionPanel(
            history.frame(score), horizon=self.horizon, delay=self.delay, unit="rank", name=self.name
        )

    def save(self, folder: Path) -> None:
        """Write JSON and the trees' text, as bytes in safetensors, into an existing, empty folder."""
        metadata = {
            "model": self.name, "params": asdict(self.recipe), "horizon": self.horizon, "delay": self.delay,
            "stamps": {name: getattr(self, name).strftime("%Y-%m-%d") for name in STAMPS},
            "training_log": dict(self.training_log),
        }  # fmt: skip
        text = np.frombuffer(self.trees.encode(), dtype=np.uint8)
        write_checkpoint(Path(folder), metadata, {"trees": text})


@dataclass(frozen=True, kw_only=True)
class LightGbmRanker(OnFeatures):
    """LightGBM with LambdaRank over the assets of a session (Burges 2010; Ke et al. 2017).

    Parameters
    ----------
    feature_set : a key of `assay.data.features.FEATURE_SETS`.
    trees : boosting rounds.
    leaves : of a tree.
    learning_rate : of the boosting.
    least_rows : in a leaf.
    grades : into which a session's forward returns are cut, equal counts; the objective orders these.
    fill : which price labels run between; None takes the open where the panel has one.

    """

    name: ClassVar[str] = "lightgbm_ranker"
    OUTPUT: ClassVar[str] = "score (orders the assets of a session; no return)"

    feature_set: str = "core_close"
    trees: int = 200
    leaves: int = 15
    learning_rate: float = 0.05
    least_rows: int = 100
    grades: int = 5
    fill: Literal["open", "close"] | None = None

    def __post_init__(self) -> None:
        require_types(self.name, self)
        feature_set(self.feature_set)
        for name, low in {"trees": 1, "leaves": 2, "least_rows": 1, "grades": 2}.items():
            if getattr(self, name) < low:
                raise InputError(f"{self.name}: {name} must be at least {low}, got {getattr(self, name)!r}")
        if self.grades > 31 or not 0 < self.learning_rate < np.inf:
            raise InputError(f"{self.name}: grades must be at most 31 and learning_rate positive")

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> FittedRanker:
        """Train on the rows whose label is known, sessions as groups; one thread, so that the bytes are the same.

        Raises
        ------
        InputError
            If LightGBM is not installed, or no session has enough names.

        """
        prices = train.select(sorted(train.assets))
        values = build_features(prices, self.feature_set, who=self.name).values
        ahead = forward_returns(prices, horizon=horizon, delay=delay, fill=self.fill, labels=labels).to_numpy()
        ready = np.isfinite(values).all(axis=2) & np.isfinite(ahead)
        ready &= (ready.sum(axis=1) >= _LEAST_NAMES)[:, None]
        if not ready.any():
            raise InputError(f"{self.name}: no session has {_LEAST_NAMES} names with features and a label")
        lightgbm = _lightgbm()
        ranks = pd.DataFrame(np.where(ready, ahead, np.nan)).rank(axis="columns").to_numpy()
        counts = ready.sum(axis=1)
        grade = np.floor(self.grades * (ranks - 0.5) / np.maximum(counts, 1)[:, None])
        rows = np.flatnonzero(counts)
        data = lightgbm.Dataset(
            values[ready].astype(np.float64), grade[ready].astype(np.int64), group=counts[rows],
            feature_name=list(feature_set(self.feature_set).names), params={"verbose": -1}, free_raw_data=True,
        )  # fmt: skip
        settings = {
            "objective": "lambdarank", "num_leaves": self.leaves, "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.least_rows, "seed": seed, "deterministic": True, "force_row_wise": True,
            "num_threads": 1, "verbose": -1, "lambdarank_truncation_level": int(counts.max()),
        }  # fmt: skip
        booster = lightgbm.train(settings, data, num_boost_round=self.trees)
        gains = booster.feature_importance("gain")
        last = int(rows[-1])
        log = {
            "model": self.name, "seed": seed,
            "rows": {"train": int(ready.sum()), "purge": horizon + delay},
            "sessions": {"train_start": _day(prices.sessions[int(rows[0])]), "train_end": _day(prices.sessions[last])},
            "gain": dict(zip(feature_set(self.feature_set).names, (gains / max(gains.sum(), 1e-12)).tolist(),
                             strict=True)),
        }  # fmt: skip
        return FittedRanker(
            self, horizon, delay, prices.sessions[-1], prices.sessions[last], prices.sessions[last + horizon + delay],
            booster.model_to_string(), log,
        )  # fmt: skip

    def load(self, folder: Path) -> FittedRanker:
        """Read back what `FittedRanker.save` wrote.

        Raises
        ------
        InputError
            If the checkpoint is of another recipe.
        TrainingError
            If its trees cannot be read.

        """
        about, tensors = read_checkpoint(Path(folder))
        if about.get("model") != self.name or about.get("params") != asdict(self):
            raise InputError(f"{folder}: a checkpoint of {about.get('model')!r} with other parameters, not of {self}")
        lightgbm, trees = _lightgbm(), tensors["trees"].tobytes().decode()
        try:
            lightgbm.Booster(model_str=trees)
        except lightgbm.basic.LightGBMError as error:
            raise TrainingError(f"checkpoint: {folder} holds no trees ({error}); train again") from None
        stamps = {name: pd.Timestamp(about["stamps"][name]) for name in STAMPS}
        return FittedRanker(
            self, about["horizon"], about["delay"], **stamps, trees=trees, training_log=about["training_log"]
        )


def _day(session: pd.Timestamp) -> str:
    return str(session.strftime("%Y-%m-%d"))
