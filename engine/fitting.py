"""One fit of a walk-forward: on what ends at the cutoff, its stamps checked, its predictions tried for look-ahead."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import BacktestError, InputError, LookAheadError, TrainingError
from assay.data.jsonable import jsonable
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.checkpoints import Part, SavedModel, read_part, write_part
from assay.engine.folds import Fold
from assay.engine.tasks import say
from assay.models.base import FittedForecaster, Forecaster, fit_model, watch_epochs

__all__ = ["STAMPS", "fit_chain", "fit_far", "fit_fold", "predict_fold"]

#: What a fitted model says that it has seen.
STAMPS = ("trained_through", "preprocessing_fit_through", "labels_known_through")

_DAY = "%Y-%m-%d"
#: Differences up to this share of the largest prediction are rounding: sums may be taken in another order.
_ROUNDING = 1e-6


def fit_fold(
    model: Forecaster,
    prices: PricePanel,
    fold: Fold,
    seed: int,
    label: tuple[int, int],
    folder: Path | None,
    labels: CanaryLabels | None = None,
) -> Part:
    """Fit on the sessions up to the cutoff, predict the test sessions; keep both in `folder`.

    Parameters
    ----------
    model, fold, seed : what to fit.
    prices : the whole panel; what lies outside the fold's train_start … test_end is cut off first.
    label : horizon and delay.
    folder : where the part is kept, written aside and renamed; None keeps nothing.
    labels : a canary's, to learn in place of the real ones.

    """
    own = prices.between(fold.train_start, fold.test_end)
    return _fitted_part(model, own, fold, seed, label, folder, labels)[0]


def fit_far(
    model: Forecaster,
    prices: PricePanel,
    fold: Fold,
    seed: int,
    label: tuple[int, int],
    labels: CanaryLabels | None = None,
    before: SavedModel | None = None,
) -> tuple[Part, SavedModel]:
    """As `fit_fold`, on a machine that does not see the folder: the checkpoint comes back with the part.

    Parameters
    ----------
    before : the fit of the fold before, of a model that goes on from it.

    """
    own = prices.between(fold.train_start, fold.test_end)
    with TemporaryDirectory(prefix="assay-fit-") as place:
        one, two = Path(place, "before"), Path(place, "after")
        for folder in (one, two):
            folder.mkdir()
        start = None
        if before is not None:
            before.save(one)
            start = model.load(one)
        part, fitted = _fitted_part(model, own, fold, seed, label, None, labels, start)
        fitted.save(two)
        return part, SavedModel.read(two)


def fit_chain(
    model: Forecaster,
    prices: PricePanel,
    folds: Sequence[Fold],
    seed: int,
    label: tuple[int, int],
    folders: Sequence[Path | None],
    labels: CanaryLabels | None = None,
) -> list[Part]:
    """Folds one after another, each handed the fit of the fold before; finished ones are read back.

    Parameters
    ----------
    model, seed, label, labels : as for `fit_fold`.
    prices : the whole panel; each fit gets it from the fold's train_start to its cutoff.
    folds, folders : of the walk-forward, in order; a folder is None where nothing is kept.

    """
    parts: list[Part] = []
    before: FittedForecaster | None = None
    for fold, folder in zip(folds, folders, strict=True):
        part = None if folder is None else read_part(folder)
        if part is not None and folder is not None:
            before = model.load(folder / "model")
        else:
            own = prices.between(fold.train_start, fold.test_end)
            part, before = _fitted_part(model, own, fold, seed, label, folder, labels, before)
        parts.append(part)
    return parts


def _fitted_part(
    model: Forecaster,
    prices: PricePanel,
    fold: Fold,
    seed: int,
    label: tuple[int, int],
    folder: Path | None,
    labels: CanaryLabels | None,
    before: FittedForecaster | None = None,
) -> tuple[Part, FittedForecaster]:
    horizon, delay = label
    try:
        with watch_epochs(lambda record: say((fold.number, seed, record))):
            train = prices.through(fold.cutoff)
            fitted = fit_model(model, train, horizon=horizon, delay=delay, seed=seed, labels=labels, before=before)
        stamps = _stamps(model, fitted, fold)
        panel = predict_fold(fitted, prices, fold)
        if (panel.horizon, panel.delay) != label:
            raise InputError(
                f"{model.name}: its predictions are of horizon {panel.horizon} and delay {panel.delay}, asked for were "
                f"{horizon} and {delay}"
            )
        frames = _test_rows(model, panel, prices, fold)
        stamps["retested_at"] = _retest(model, fitted, frames, prices, fold)
    except LookAheadError as error:
        raise LookAheadError(f"fold {fold.number}, seed {seed}: {error}") from error
    except TrainingError as error:
        raise TrainingError(f"fold {fold.number}, seed {seed}, cutoff {fold.cutoff.date()}: {error}") from error
    except BacktestError as error:
        raise InputError(
            f"fold {fold.number} (train {fold.train_start.date()} … {fold.cutoff.date()}): {error}"
        ) from error
    except Exception as error:
        error.add_note(f"in fold {fold.number}, seed {seed}, cutoff {fold.cutoff.date()}, of {model.name}")
        raise
    part = Part(
        frames,
        panel.unit,
        panel.zero_is_neutral,
        {name: stamp.strftime(_DAY) for name, stamp in stamps.items()},
        cast(dict[str, Any], jsonable(fitted.training_log)),
    )
    if folder is not None:
        write_part(part, fitted, folder)
    return part, fitted


def _stamps(model: Forecaster, fitted: FittedForecaster, fold: Fold) -> dict[str, pd.Timestamp]:
    """What the model says that it has seen, refused where that lies after the cutoff."""
    stamps = {name: pd.Timestamp(getattr(fitted, name)) for name in STAMPS}
    late = [name for name, stamp in stamps.items() if stamp > fold.cutoff]
    if late:
        raise LookAheadError(
            f"{model.name} says {late[0]} {stamps[late[0]].date()}, after its cutoff {fold.cutoff.date()}"
        )
    return stamps


def predict_fold(fitted: FittedForecaster, prices: PricePanel, fold: Fold) -> PredictionPanel:
    """Predictions of prices that end with the fold's test sessions or before, at least from the first of these on."""
    # A model may offer to skip rows that nobody asks for; per-asset windows over years of training rows are dear.
    skips = "start" in inspect.signature(fitted.predict).parameters
    lent = prices.shielded()
    return cast(Any, fitted).predict(lent, start=fold.test_start) if skips else fitted.predict(lent)


def _test_rows(
    model: Forecaster, panel: PredictionPanel, prices: PricePanel, fold: Fold
) -> dict[str, pd.DataFrame]:
    """The panel's frames on the fold's test sessions within `prices`."""
    wanted = prices.sessions[prices.sessions >= fold.test_start]
    lost = wanted.difference(panel.sessions), prices.assets.difference(panel.assets)
    if len(lost[0]) or len(lost[1]):
        what = f"session {lost[0][0].date()}" if len(lost[0]) else f"asset {lost[1][0]}"
        raise InputError(f"{model.name}: predicts no row for {what}; where there is no view, predict NaN")
    return {name: frame.loc[wanted, list(prices.assets)] for name, frame in panel.frames().items()}


def _retest(
    model: Forecaster,
    fitted: FittedForecaster,
    frames: Mapping[str, pd.DataFrame],
    prices: PricePanel,
    fold: Fold,
) -> pd.Timestamp:
    """Predict again with later test sessions taken away; what stands before the cut must stay as it was.

    One cut halves the test sessions. Another, where there is a gap in an asset's prices, lies right before they come
    back: a filled-in gap shows nowhere else.

    Returns the first cut.
    """
    inside = prices.sessions[prices.sessions >= fold.test_start]
    if len(inside) == 1:
        return inside[0]  # there was nothing after it
    known = prices.close.loc[inside].notna().to_numpy()
    back = np.flatnonzero((~known[:-1] & known[1:]).any(axis=1))
    half = (len(inside) - 1) // 2
    for position in dict.fromkeys([half, *(int(row) for row in back[:1])]):
        cut = inside[position]
        short = prices.through(cut)
        again = _test_rows(model, predict_fold(fitted, short, fold), short, fold)
        for name, frame in frames.items():
            _refuse_change(model, name, frame.loc[:cut], again[name])
    return inside[half]


def _refuse_change(model: Forecaster, name: str, before: pd.DataFrame, after: pd.DataFrame) -> None:
    one, two = before.to_numpy(), after.to_numpy()
    spread = np.nanmax(np.abs(one), initial=0.0)
    changed = (np.isnan(one) != np.isnan(two)) | (np.abs(one - two) > _ROUNDING * spread)
    if changed.any():
        row, column = np.argwhere(changed)[0]
        raise LookAheadError(
            f"{model.name}: {name} of {before.columns[column]} on {before.index[row].date()} changes when prices after "
            f"{before.index[-1].date()} are taken away"
        )
