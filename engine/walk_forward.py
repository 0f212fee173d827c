"""Retrain fold by fold, on data that physically end at the cutoff, and keep a receipt of what each model had seen."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from data.errors import BacktestError, InputError, LookAheadError, TrainingError
from data.panel import ACTIONS, RECEIPT_COLUMNS, PredictionPanel, PricePanel
from engine.executors import run_tasks
from engine.folds import Fold
from models.base import Forecaster

__all__ = ["WalkForwardRun", "fit_fold", "recipe_of", "stored_model_folder", "walk_forward"]

#: Called after each fold and seed: how many are done, how many there are, and what has just ended.
Progress = Callable[[int, int, str], None]

_DAY = "%Y-%m-%d"


@dataclass(frozen=True, eq=False)
class WalkForwardRun:
    """What a walk-forward leaves behind.

    Parameters
    ----------
    predictions : mean over seeds, with receipts and, for several seeds, the dispersion of the score.
    folds : a row a fold: number, train, validation and test sessions, cutoff, purge, embargo.
    training : a row an epoch of each fold and seed: train_loss, validation_loss, lr.
    logs : fold and seed → the model's training log.
    by_seed : seed → predictions of that seed alone.

    """

    predictions: PredictionPanel
    folds: pd.DataFrame
    training: pd.DataFrame
    logs: Mapping[tuple[int, int], Mapping[str, Any]]
    by_seed: Mapping[int, PredictionPanel]


def recipe_of(model: Forecaster) -> dict[str, Any]:
    """A model's name and parameters, JSON-able: what a trial is a trial of."""
    parameters: dict[str, Any] = asdict(cast(Any, model)) if is_dataclass(model) else {}
    return {"model": model.name, "class": f"{type(model).__module__}:{type(model).__qualname__}", "params": parameters}


def walk_forward(
    model: Forecaster,
    prices: PricePanel,
    folds: Sequence[Fold],
    *,
    horizon: int = 1,
    delay: int = 1,
    seeds: Sequence[int] = (0,),
    executor: str = "serial",
    workers: int | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> WalkForwardRun:
    """Fit the model on each fold and seed, and predict the fold's test sessions.

    Parameters
    ----------
    model : an unfitted recipe.
    prices : the whole panel; each fit gets it from the fold's train_start to its cutoff, each prediction through the
        fold's test_end.
    folds : see `engine.folds.WalkForward.split`.
    horizon, delay : of the labels.
    seeds : each fold is fit once a seed; predictions are averaged.
    executor, workers : see `engine.executors.run_tasks`; the bytes do not depend on them.
    folder : where finished folds are kept; those that stand there are not fit again. None keeps nothing.
    progress : see `Progress`.

    Raises
    ------
    LookAheadError
        If a fitted model says that it has seen what lies after its cutoff.
    TrainingError
        If a fit fails; the finished folds stay in `folder`.

    """
    if not folds:
        raise InputError("walk-forward: no folds")
    if len(set(seeds)) != len(seeds) or not seeds:
        raise InputError(f"walk-forward: seeds must be distinct and at least one, got {list(seeds)}")
    tasks = [(fold, seed) for fold in folds for seed in seeds]
    identity = _identity(model, prices, horizon, delay)
    parts: dict[tuple[int, int], _Part] = {}
    waiting = []
    for fold, seed in tasks:
        kept = None if folder is None else _read_part(_part_folder(folder, identity, fold, seed))
        if kept is None:
            waiting.append((fold, seed))
        else:
            parts[fold.number, seed] = kept
    done = len(parts)
    if done and progress is not None:
        progress(done, len(tasks), f"{done} folds found finished")
    calls = [
        (
            model,
            prices.between(fold.train_start, fold.test_end),
            fold,
            seed,
            (horizon, delay),
            None if folder is None else _part_folder(folder, identity, fold, seed),
        )
        for fold, seed in waiting
    ]
    for position, part in run_tasks(fit_fold, calls, executor=executor, workers=workers):
        fold, seed = waiting[position]
        parts[fold.number, seed] = part
        done += 1
        if progress is not None:
            progress(done, len(tasks), f"fold {fold.number} seed {seed}, tested to {fold.test_end.date()}")
    return _assembled(model, prices, folds, seeds, parts, horizon, delay)


@dataclass(frozen=True, eq=False)
class _Part:
    """One fold of one seed: arrays over its test sessions, and what the model says of itself."""

    frames: Mapping[str, pd.DataFrame]
    unit: str
    zero_is_neutral: bool
    stamps: Mapping[str, str]
    log: Mapping[str, Any]


def fit_fold(
    model: Forecaster, prices: PricePanel, fold: Fold, seed: int, label: tuple[int, int], folder: Path | None
) -> _Part:
    """Fit on the sessions up to the cutoff, predict the test sessions; keep both in `folder`.

    Parameters
    ----------
    model, fold, seed : what to fit.
    prices : from the fold's train_start to its test_end.
    label : horizon and delay.
    folder : where the part is kept, written aside and renamed; None keeps nothing.

    """
    horizon, delay = label
    try:
        fitted = model.fit(prices.through(fold.cutoff), horizon=horizon, delay=delay, seed=seed)
    except TrainingError as error:
        raise TrainingError(f"fold {fold.number}, seed {seed}, cutoff {fold.cutoff.date()}: {error}") from error
    except BacktestError as error:
        raise InputError(
            f"fold {fold.number} (train {fold.train_start.date()} … {fold.cutoff.date()}): {error}"
        ) from error
    stamps = {
        name: pd.Timestamp(getattr(fitted, name))
        for name in ("trained_through", "preprocessing_fit_through", "labels_known_through")
    }
    late = [name for name, stamp in stamps.items() if stamp > fold.cutoff]
    if late:
        raise LookAheadError(
            f"fold {fold.number}: {model.name} says {late[0]} {stamps[late[0]].date()}, after its cutoff "
            f"{fold.cutoff.date()}"
        )
    # A model may offer to skip rows that nobody asks for; per-asset windows over years of training rows are dear.
    skips = "start" in inspect.signature(fitted.predict).parameters
    panel = cast(Any, fitted).predict(prices, start=fold.test_start) if skips else fitted.predict(prices)
    frames = {name: getattr(panel, name) for name in ("score", "probability_up") if getattr(panel, name) is not None}
    frames |= {f"action_{name}": frame for name, frame in (panel.action or {}).items()}
    frames = {name: frame.loc[fold.test_start : fold.test_end, list(prices.assets)] for name, frame in frames.items()}
    part = _Part(
        frames,
        panel.unit,
        panel.zero_is_neutral,
        {name: stamp.strftime(_DAY) for name, stamp in stamps.items()},
        json.loads(json.dumps(dict(fitted.training_log), default=str)),
    )
    if folder is not None:
        _write_part(part, fitted, folder)
    return part


def _identity(model: Forecaster, prices: PricePanel, horizon: int, delay: int) -> str:
    """What finished folds are kept under, so that another recipe or panel never finds them."""
    text = json.dumps([recipe_of(model), prices.fingerprint, horizon, delay], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stored_model_folder(
    folder: Path, model: Forecaster, prices: PricePanel, fold: Fold, seed: int, horizon: int, delay: int
) -> Path:
    """Where `walk_forward` kept the checkpoint of a fold and seed."""
    return _part_folder(folder, _identity(model, prices, horizon, delay), fold, seed) / "model"


def _part_folder(folder: Path, identity: str, fold: Fold, seed: int) -> Path:
    span = "-".join(day.strftime("%Y%m%d") for day in (fold.train_start, fold.cutoff, fold.test_start, fold.test_end))
    return folder / identity / f"{span}-seed{seed}"


def _write_part(part: _Part, fitted: Any, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".part-", dir=folder.parent))
    try:
        for name, frame in part.frames.items():
            frame.to_parquet(aside / f"{name}.parquet")
        (aside / "model").mkdir()
        fitted.save(aside / "model")
        about = {
            "unit": part.unit,
            "zero_is_neutral": part.zero_is_neutral,
            "stamps": part.stamps,
            "log": part.log,
            "frames": list(part.frames),
        }
        (aside / "part.json").write_text(json.dumps(about, sort_keys=True), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _read_part(folder: Path) -> _Part | None:
    """A finished part, or None where there is none or it is damaged (then it is fit again)."""
    try:
        about = json.loads((folder / "part.json").read_text(encoding="utf-8"))
        frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in about["frames"]}
        return _Part(frames, about["unit"], about["zero_is_neutral"], about["stamps"], about["log"])
    except (OSError, ValueError, KeyError):
        return None


def _assembled(
    model: Forecaster,
    prices: PricePanel,
    folds: Sequence[Fold],
    seeds: Sequence[int],
    parts: Mapping[tuple[int, int], _Part],
    horizon: int,
    delay: int,
) -> WalkForwardRun:
    by_seed = {}
    for seed in seeds:
        receipts = _receipts(model, folds, [seed], parts)
        by_seed[seed] = _panel(model, [parts[fold.number, seed] for fold in folds], receipts, horizon, delay)
    receipts = _receipts(model, folds, seeds, parts)
    first = by_seed[seeds[0]]
    merged = replace(first, receipts=receipts)
    if len(seeds) > 1:
        merged = _mean(list(by_seed.values()), receipts)
    logs = {key: part.log for key, part in parts.items()}
    return WalkForwardRun(
        merged, _fold_table(prices, folds, parts, seeds[0], horizon + delay), _training_table(parts), logs, by_seed
    )


def _panel(
    model: Forecaster, parts: Sequence[_Part], receipts: pd.DataFrame, horizon: int, delay: int
) -> PredictionPanel:
    frames = {name: pd.concat([part.frames[name] for part in parts]) for name in parts[0].frames}
    action = {name: frames[f"action_{name}"] for name in ACTIONS} if "action_buy" in frames else None
    return PredictionPanel(
        frames.get("score"),
        unit=cast(Any, parts[0].unit),
        zero_is_neutral=parts[0].zero_is_neutral,
        horizon=horizon,
        delay=delay,
        probability_up=frames.get("probability_up"),
        action=action,
        receipts=receipts,
        name=model.name,
    )


def _mean(panels: Sequence[PredictionPanel], receipts: pd.DataFrame) -> PredictionPanel:
    """Mean of the seeds' predictions, and the standard deviation (ddof 1) of their scores."""

    def mean(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
        values = np.mean([frame.to_numpy() for frame in frames], axis=0)
        return pd.DataFrame(values, frames[0].index, frames[0].columns)

    first = panels[0]
    changes: dict[str, Any] = {"receipts": receipts}
    for name in ("score", "probability_up"):
        if getattr(first, name) is not None:
            changes[name] = mean([getattr(panel, name) for panel in panels])
    if first.action is not None:
        changes["action"] = {name: mean([panel.action[name] for panel in panels if panel.action]) for name in ACTIONS}
    spread = [panel.score if panel.score is not None else panel.probability_up for panel in panels]
    if spread[0] is not None:
        values = np.std([frame.to_numpy() for frame in spread if frame is not None], axis=0, ddof=1)
        changes["dispersion"] = pd.DataFrame(values, spread[0].index, spread[0].columns)
    return replace(first, **changes)


def _receipts(
    model: Forecaster, folds: Sequence[Fold], seeds: Sequence[int], parts: Mapping[tuple[int, int], _Part]
) -> pd.DataFrame:
    """A row a fold; over several seeds the latest of their stamps."""
    recipe = json.dumps(recipe_of(model), sort_keys=True, default=str)
    rows = []
    for fold in folds:
        label = f"{recipe}|{fold.train_start.date()}|{fold.cutoff.date()}|{list(seeds)}"
        stamps = [parts[fold.number, seed].stamps for seed in seeds]
        names = ("trained_through", "preprocessing_fit_through", "labels_known_through")
        rows.append(
            {
                "model_id": f"{model.name}-{hashlib.sha256(label.encode()).hexdigest()[:12]}",
                "fold": fold.number,
                **{name: max(pd.Timestamp(stamp[name]) for stamp in stamps) for name in names},
                "available_at": fold.cutoff,
            }
        )
    index = pd.DatetimeIndex([fold.test_start for fold in folds], name="session")
    return pd.DataFrame(rows, index=index, columns=list(RECEIPT_COLUMNS))


def _fold_table(
    prices: PricePanel, folds: Sequence[Fold], parts: Mapping[tuple[int, int], _Part], seed: int, purge: int
) -> pd.DataFrame:
    rows = []
    for fold in folds:
        said = parts[fold.number, seed].log.get("sessions", {})
        position = prices.sessions.get_indexer(pd.DatetimeIndex([fold.cutoff, fold.test_start]))
        rows.append(
            {
                "fold": fold.number,
                "train_start": pd.Timestamp(said.get("train_start", fold.train_start)),
                "train_end": pd.Timestamp(said.get("train_end", pd.NaT)),
                "validation_start": pd.Timestamp(said.get("validation_start", pd.NaT)),
                "validation_end": pd.Timestamp(said.get("validation_end", pd.NaT)),
                "cutoff": fold.cutoff,
                "test_start": fold.test_start,
                "test_end": fold.test_end,
                "purge": purge,
                "embargo": int(position[1] - position[0] - 1),
            }
        )
    return pd.DataFrame(rows)


def _training_table(parts: Mapping[tuple[int, int], _Part]) -> pd.DataFrame:
    rows = [
        {"fold": fold, "seed": seed, **record}
        for (fold, seed), part in sorted(parts.items())
        for record in part.log.get("epochs", ())
    ]
    return pd.DataFrame(
        rows, columns=None if rows else ["fold", "seed", "epoch", "train_loss", "validation_loss", "lr"]
    )
