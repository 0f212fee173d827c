"""One fit without a walk-forward, for a quick look, and what a stored model predicts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from assay.data.atomic import building, locked, put_folder
from assay.data.atomic import sweep as clear_leftovers
from assay.data.card import Card, span
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.receipts import RECEIPT_COLUMNS
from assay.engine.walk_forward import recipe_of
from assay.models.base import FittedForecaster, Forecaster, fit_model
from assay.models.catalog import load_fitted
from assay.models.checkpoint import checkpoint_id, read_metadata
from assay.results.evidence.models import prediction_metrics
from assay.results.evidence.skill import skill_of
from assay.results.storage.lockbox import require_open
from assay.results.storage.trial_ledger import Record, register, trial_of

__all__ = ["TrainedModel", "predict", "save_model", "train"]


@dataclass(frozen=True, eq=False, repr=False)
class TrainedModel(Card):
    """A model that was fit once, and what its predictions after the cutoff are worth.

    Parameters
    ----------
    fitted : the model.
    predictions : of the sessions after `through`.
    metrics : see `assay.results.evidence.models.prediction_metrics`.
    through : last session that the fit saw.

    Examples
    --------
    >>> from assay import load_model, synthetic_market
    >>> prices, _ = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> train(load_model("momentum", lookback=5), prices)  # doctest: +ELLIPSIS
    momentum fit through 2000-03-08, 12 sessions, 2000-03-09 … 2000-03-24 after
    ...

    """

    fitted: FittedForecaster
    predictions: PredictionPanel
    metrics: Mapping[str, float]
    through: pd.Timestamp

    @property
    def log(self) -> Mapping[str, object]:
        """What training left behind."""
        return self.fitted.training_log

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """What its predictions after the cutoff are worth."""
        rows = [(name, f"{value:.4g}") for name, value in self.metrics.items() if isinstance(value, int | float)]
        name, after = self.predictions.name, span(self.predictions.sessions)
        return f"{name} fit through {self.through.date()}, {after} after", rows

    def to_frame(self) -> pd.DataFrame:
        """A row an asset and session after the cutoff, see `assay.data.panel.PredictionPanel.to_frame`."""
        return self.predictions.to_frame()


def train(
    model: Forecaster,
    prices: PricePanel,
    *,
    through: pd.Timestamp | None = None,
    horizon: int = 1,
    delay: int = 1,
    seed: int = 0,
) -> TrainedModel:
    """Fit once on the sessions up to a cutoff, and judge on those after it, which is a trial of the ledger.

    Parameters
    ----------
    model : an unfitted recipe.
    prices : the whole panel.
    through : last session that the fit may see; default: the first 80%.
    horizon, delay : of the labels.
    seed : fixes every random draw.

    Raises
    ------
    InputError
        If one side of the cutoff has no sessions.

    Examples
    --------
    >>> from assay import load_model, synthetic_market
    >>> prices, _ = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> train(load_model("momentum", lookback=5), prices).through.strftime("%Y-%m-%d")
    '2000-03-08'

    """
    require_open(prices, "train")
    sessions = prices.sessions
    through = sessions[int(len(sessions) * 0.8) - 1] if through is None else through
    after = sessions[sessions > through]
    if len(after) == 0 or len(sessions) == len(after):
        raise InputError(f"--through {through.date()}: no sessions on one side; the panel spans "
                         f"{sessions[0].date()} to {sessions[-1].date()}")  # fmt: skip
    fitted = fit_model(model, prices.through(through), horizon=horizon, delay=delay, seed=seed)
    predictions = fitted.predict(prices.shielded()).map(lambda frame: frame.loc[after[0] :])
    metrics = prediction_metrics(predictions, prices, fill=getattr(model, "fill", None))
    skill = skill_of(predictions, prices, fill=getattr(model, "fill", None))
    if skill is not None:
        config = {"model": model.name, "recipe": recipe_of(model), "through": str(through.date()), "horizon": horizon}
        member = f"train-seed-{seed}-{prices.fingerprint[:12]}"
        register([Record(trial_of(config, family="forecast"), member, skill=skill.known)], prices)
    return TrainedModel(fitted, predictions, metrics, through)


def save_model(fitted: FittedForecaster, folder: Path) -> None:
    """Store a model in a folder that does not exist yet; it appears whole or not at all.

    Raises
    ------
    InputError
        If the folder exists or cannot be written.

    """
    taken = InputError(f"{folder}: there is something already; name a folder that does not exist yet")
    if folder.exists():
        raise taken
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(folder.parent, folder.name)
        with building(folder) as staging:
            fitted.save(staging)
            with locked(folder.parent):
                if folder.exists():  # another process has made it meanwhile
                    raise taken
                put_folder(staging, folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None


def predict(
    folder: Path, prices: PricePanel, *, recipe: str | None = None, start: pd.Timestamp | None = None
) -> PredictionPanel:
    """Apply a stored model to prices; the predictions carry a receipt of what it had seen.

    Parameters
    ----------
    folder : that `save_model` or `walk_forward` wrote (a run's ``models/fold…``).
    prices : the history that the model reads, and the sessions to predict.
    recipe : ``package.module:Class`` of a model that is in no catalogue.
    start : first session to predict; default and earliest: the one after the model's training.

    Raises
    ------
    InputError
        If the model has seen `start`, or the prices end before it.

    Examples
    --------
    >>> from assay import load_model, synthetic_market
    >>> prices, _ = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> model = train(load_model("momentum", lookback=5), prices.through(prices.sessions[49]))
    >>> save_model(model.fitted, Path("models/momentum"))
    >>> predict(Path("models/momentum"), prices).receipts["trained_through"].dt.strftime("%Y-%m-%d").tolist()
    ['2000-02-25']

    """
    require_open(prices, "predict")
    fitted = load_fitted(folder, recipe)
    stamps = {
        "trained_through": fitted.trained_through,
        "preprocessing_fit_through": fitted.preprocessing_fit_through,
        "labels_known_through": fitted.labels_known_through,
    }
    seen = max(stamps.values())
    start = seen + pd.Timedelta(days=1) if start is None else start
    if start <= seen:
        raise InputError(f"--start {start.date()}: the model has seen data through {seen.date()}; start later")
    after = prices.sessions[prices.sessions >= start]
    if len(after) == 0:
        raise InputError(
            f"{folder}: has seen data through {seen.date()}, the prices end {prices.sessions[-1].date()}"
        )
    predicting: Callable[..., PredictionPanel] = fitted.predict
    skips = {"start": after[0]} if "start" in inspect.signature(predicting).parameters else {}
    panel = predicting(prices, **skips).map(lambda frame: frame.loc[after[0] :])
    row = {"model_id": checkpoint_id(read_metadata(folder)), "fold": 0, **stamps, "available_at": seen}
    receipts = pd.DataFrame([row], index=pd.DatetimeIndex([after[0]], name="session"), columns=list(RECEIPT_COLUMNS))
    return replace(panel, receipts=receipts)
