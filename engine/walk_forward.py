"""Retrain fold by fold, on data that physically end at the cutoff, and keep a receipt of what each model had seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from assay.data.canary_labels import CanaryLabels
from assay.data.card import Card, plural
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.receipts import CHOSEN, RECEIPT_COLUMNS
from assay.engine.checkpoints import (
    Part,
    SavedModel,
    identity_of,
    is_chained,
    part_folder,
    read_part,
    recipe_of,
    write_part,
)
from assay.engine.executors import Workers, opened_workers, run_tasks
from assay.engine.fitting import STAMPS, fit_chain, fit_far, fit_fold
from assay.engine.folds import Fold
from assay.engine.shared import Shared
from assay.models.base import Forecaster

__all__ = ["WalkForwardRun", "recipe_of", "stored_model_folder", "walk_forward"]

T = TypeVar("T")
#: Called as epochs and fits end: how many fits are done, of how many, what ended, and what those that run have done of
#: theirs, in fits.
Progress = Callable[[int, int, str, float], None]


@dataclass(frozen=True, eq=False, repr=False)
class WalkForwardRun(Card):
    """What a walk-forward leaves behind.

    Parameters
    ----------
    predictions : mean over seeds, with receipts and, for several seeds, the dispersion of the score.
    folds : a row a fold: number, train, validation and test sessions, cutoff, purge, embargo.
    training : a row an epoch of each fold and seed: train_loss, validation_loss, lr.
    logs : fold and seed → the model's training log.
    by_seed : seed → predictions of that seed alone.
    retested_at : a session of each fold: with the prices after it taken away, the predictions up to it stayed the same.

    """

    predictions: PredictionPanel
    folds: pd.DataFrame
    training: pd.DataFrame
    logs: Mapping[tuple[int, int], Mapping[str, Any]]
    by_seed: Mapping[int, PredictionPanel]
    retested_at: tuple[pd.Timestamp, ...]

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The folds, the seeds, and the predictions in short."""
        title, rows = self.predictions.card()
        seeds = ", ".join(map(str, self.by_seed))
        retested = f"{len(self.retested_at)} sessions, with the prices after them taken away"
        return f"walk-forward in {plural(len(self.folds), 'fold')}: {title}", [
            ("seeds", seeds), ("retested at", retested), *rows,
        ]  # fmt: skip


def walk_forward(
    model: Forecaster,
    prices: PricePanel,
    folds: Sequence[Fold],
    *,
    horizon: int = 1,
    delay: int = 1,
    seeds: Sequence[int] = (0,),
    executor: str | Workers = "serial",
    workers: int | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    labels: CanaryLabels | None = None,
) -> WalkForwardRun:
    """Fit the model on each fold and seed, and predict the fold's test sessions.

    Parameters
    ----------
    model : an unfitted recipe.
    prices : the whole panel; each fit gets it from the fold's train_start to its cutoff, each prediction through the
        fold's test_end.
    folds : see `assay.engine.folds.WalkForward.split`.
    horizon, delay : of the labels.
    seeds : each fold is fit once a seed; predictions are averaged.
    executor, workers : see `assay.engine.executors.run_tasks`; the bytes do not depend on them.
    folder : where finished folds are kept; those that stand there are not fit again. None keeps nothing. On Ray it is
        this process that writes it, so other machines need not see it.
    progress : see `Progress`.
    labels : a canary's, to learn in place of the real ones (see `assay.data.canary_labels`).

    Raises
    ------
    InputError
        If the plan or the options cannot be, or the model cannot use the prices.
    LookAheadError
        If a fitted model says that it has seen what lies after its cutoff, or its predictions change when later prices
        are taken away.
    TrainingError
        If a fit fails; the finished folds stay in `folder`.

    """
    if not folds:
        raise InputError("walk-forward: no folds")
    if len(set(seeds)) != len(seeds) or not seeds:
        raise InputError(f"walk-forward: seeds must be distinct and at least one, got {list(seeds)}")
    tasks = [(fold, seed) for fold in folds for seed in seeds]
    chained = is_chained(model)
    places: dict[tuple[int, int], Path | None] = {(fold.number, seed): None for fold, seed in tasks}
    parts: dict[tuple[int, int], Part] = {}
    if folder is not None:
        identity = identity_of(model, prices, horizon, delay, labels)
        for fold, seed in tasks:
            place = part_folder(folder, identity, fold, seed, folds if chained else ())
            places[fold.number, seed] = place
            kept = read_part(place)
            if kept is not None:
                parts[fold.number, seed] = kept
    told = _Told(len(parts), len(tasks), progress)
    if parts:
        told.say(f"{len(parts)} fits found finished")
    waiting = [(fold, seed) for fold, seed in tasks if (fold.number, seed) not in parts]
    if waiting:
        fits = _Fits(model, prices, folds, (horizon, delay), labels, places, told.epoch if progress else None)
        at_most = len({seed for _, seed in waiting}) if chained else len(waiting)
        with opened_workers(executor, workers, at_most=at_most) as opened:
            run = fits.chained if chained else fits.apart
            for fold, seed, part in run(waiting, opened):
                parts[fold.number, seed] = part
                told.fit(fold, seed)
    return _assembled(model, prices, folds, seeds, parts, horizon, delay)


@dataclass(frozen=True, eq=False)
class _Fits:
    """The fits of a walk-forward that are to be made, and where: each yields its fold, its seed and its part."""

    model: Forecaster
    prices: PricePanel
    folds: Sequence[Fold]
    label: tuple[int, int]
    labels: CanaryLabels | None
    places: Mapping[tuple[int, int], Path | None]
    heard: Callable[[Any], None] | None

    def _run(
        self, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], on: Workers
    ) -> Iterator[tuple[int, T]]:
        # A model that names no device needs none.
        gpu = str(getattr(self.model, "device", "cpu")).startswith("cuda")
        return run_tasks(function, tasks, executor=on, gpu=gpu, heard=self.heard)

    def apart(self, waiting: Sequence[tuple[Fold, int]], on: Workers) -> Iterator[tuple[Fold, int, Part]]:
        """Folds that know nothing of each other."""
        prices = Shared(self.prices)
        if on.is_remote:
            far = [(self.model, prices, fold, seed, self.label, self.labels) for fold, seed in waiting]
            for position, (part, saved) in self._run(fit_far, far, on):
                yield *waiting[position], self._kept(*waiting[position], part, saved)
            return
        places = [self.places[fold.number, seed] for fold, seed in waiting]
        calls = [
            (self.model, prices, fold, seed, self.label, place, self.labels)
            for (fold, seed), place in zip(waiting, places, strict=True)
        ]
        for position, part in self._run(fit_fold, calls, on):
            yield *waiting[position], part

    def chained(self, waiting: Sequence[tuple[Fold, int]], on: Workers) -> Iterator[tuple[Fold, int, Part]]:
        """Folds of which each goes on from the fit of the fold before: seed by seed, or on a cluster fold by fold."""
        wanted = {(fold.number, seed) for fold, seed in waiting}
        seeds = list(dict.fromkeys(seed for _, seed in waiting))
        prices = Shared(self.prices)
        if not on.is_remote:
            calls = [
                (self.model, prices, self.folds, seed, self.label, [self.places[f.number, seed] for f in self.folds],
                 self.labels)
                for seed in seeds
            ]  # fmt: skip
            for position, chain in self._run(fit_chain, calls, on):
                for fold, part in zip(self.folds, chain, strict=True):
                    if (fold.number, seeds[position]) in wanted:
                        yield fold, seeds[position], part
            return
        before: dict[int, SavedModel | None] = dict.fromkeys(seeds)
        for fold in self.folds:
            now = [seed for seed in seeds if (fold.number, seed) in wanted]
            far = [(self.model, prices, fold, seed, self.label, self.labels, before[seed]) for seed in now]
            for position, (part, saved) in self._run(fit_far, far, on):
                before[now[position]] = saved
                yield fold, now[position], self._kept(fold, now[position], part, saved)
            for seed in set(seeds) - set(now):
                place = self.places[fold.number, seed]
                before[seed] = None if place is None else SavedModel.read(place / "model")

    def _kept(self, fold: Fold, seed: int, part: Part, saved: SavedModel) -> Part:
        """A part that came from another machine, kept where parts are kept."""
        place = self.places[fold.number, seed]
        if place is not None:
            write_part(part, saved, place)
        return part


class _Told:
    """Counts fits and the epochs of those that run, and tells; epochs come from another thread, and may come late."""

    def __init__(self, done: int, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress = done, total, progress
        self.shares: dict[tuple[int, int], float] = {}
        self.finished: set[tuple[int, int]] = set()
        self.lock = Lock()

    def say(self, text: str) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total, text, sum(self.shares.values()))

    def epoch(self, message: tuple[int, int, Mapping[str, Any]]) -> None:
        number, seed, record = message
        with self.lock:
            if (number, seed) in self.finished:
                return
            self.shares[number, seed] = min(record["epoch"] / record["epochs"], 0.99)
            losses = f"{record['train_loss']:.4g} / {record['validation_loss']:.4g}"
            self.say(f"fold {number} seed {seed} epoch {record['epoch']}/{record['epochs']} loss {losses}")

    def fit(self, fold: Fold, seed: int) -> None:
        with self.lock:
            self.finished.add((fold.number, seed))
            self.shares.pop((fold.number, seed), None)
            self.done += 1
            self.say(f"fold {fold.number} seed {seed}, tested to {fold.test_end.date()}")


def stored_model_folder(
    folder: Path,
    model: Forecaster,
    prices: PricePanel,
    folds: Sequence[Fold],
    fold: Fold,
    seed: int,
    label: tuple[int, int],
) -> Path:
    """Where `walk_forward` kept the checkpoint of one of its folds and a seed; `label` is horizon and delay."""
    chain = folds if is_chained(model) else ()
    return part_folder(folder, identity_of(model, prices, *label), fold, seed, chain) / "model"


def _assembled(
    model: Forecaster,
    prices: PricePanel,
    folds: Sequence[Fold],
    seeds: Sequence[int],
    parts: Mapping[tuple[int, int], Part],
    horizon: int,
    delay: int,
) -> WalkForwardRun:
    by_seed = {}
    for seed in seeds:
        receipts = _receipts(model, folds, [seed], parts)
        own = [parts[fold.number, seed] for fold in folds]
        by_seed[seed] = _panel(model, own, receipts, horizon, delay, prices.members)
    receipts = _receipts(model, folds, seeds, parts)
    first = by_seed[seeds[0]]
    merged = replace(first, receipts=receipts)
    if len(seeds) > 1:
        merged = _mean(list(by_seed.values()), receipts)
    return WalkForwardRun(
        merged,
        _fold_table(prices, folds, parts, seeds[0], horizon + delay),
        _training_table(parts),
        {key: part.log for key, part in parts.items()},
        by_seed,
        tuple(pd.Timestamp(parts[fold.number, seeds[0]].stamps["retested_at"]) for fold in folds),
    )


def _panel(
    model: Forecaster,
    parts: Sequence[Part],
    receipts: pd.DataFrame,
    horizon: int,
    delay: int,
    members: pd.DataFrame | None,
) -> PredictionPanel:
    frames = {name: pd.concat([part.frames[name] for part in parts]) for name in parts[0].frames}
    if members is not None:
        frames = {name: frame.where(members.reindex_like(frame).astype(bool)) for name, frame in frames.items()}
    return PredictionPanel.from_frames(
        frames,
        unit=parts[0].unit,
        zero_is_neutral=parts[0].zero_is_neutral,
        horizon=horizon,
        delay=delay,
        receipts=receipts,
        name=model.name,
    )


def _mean(panels: Sequence[PredictionPanel], receipts: pd.DataFrame) -> PredictionPanel:
    """Mean of the seeds' predictions, and the standard deviation (ddof 1) of their scores."""

    def mean(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
        values = np.mean([frame.to_numpy() for frame in frames], axis=0)
        return pd.DataFrame(values, frames[0].index, frames[0].columns)

    first = panels[0]
    frames = [panel.frames() for panel in panels]
    dispersion = None
    if first.score is not None or first.probability_up is not None:
        values = np.std([panel.view.to_numpy() for panel in panels], axis=0, ddof=1)
        dispersion = pd.DataFrame(values, first.sessions, first.assets)
    return PredictionPanel.from_frames(
        {name: mean([each[name] for each in frames]) for name in frames[0]},
        unit=first.unit,
        zero_is_neutral=first.zero_is_neutral,
        horizon=first.horizon,
        delay=first.delay,
        receipts=receipts,
        name=first.name,
        dispersion=dispersion,
    )


def _receipts(
    model: Forecaster, folds: Sequence[Fold], seeds: Sequence[int], parts: Mapping[tuple[int, int], Part]
) -> pd.DataFrame:
    """A row a fold; over several seeds the latest of their stamps. A model that chose its parameters says which."""
    recipe = json.dumps(recipe_of(model), sort_keys=True, default=str)
    rows = []
    for fold in folds:
        label = f"{recipe}|{fold.train_start.date()}|{fold.cutoff.date()}|{list(seeds)}"
        picked = {seed: _noted(parts[fold.number, seed].log) for seed in seeds}
        told = json.dumps(picked[seeds[0]] if len(seeds) == 1 else picked, sort_keys=True, default=str)
        stamps = [parts[fold.number, seed].stamps for seed in seeds]
        rows.append(
            {
                "model_id": f"{model.name}-{hashlib.sha256(label.encode()).hexdigest()[:12]}",
                "fold": fold.number,
                **{name: max(pd.Timestamp(stamp[name]) for stamp in stamps) for name in STAMPS},
                "available_at": fold.cutoff,
                **({CHOSEN: told} if any(picked.values()) else {}),
            }
        )
    index = pd.DatetimeIndex([fold.test_start for fold in folds], name="session")
    columns = [*RECEIPT_COLUMNS, *([CHOSEN] if any(CHOSEN in row for row in rows) else [])]
    return pd.DataFrame(rows, index=index, columns=columns)


def _noted(log: Mapping[str, Any]) -> Any:
    """What a fit chose, and which earlier fit it goes on from; None where neither."""
    went_on = {name: log[name] for name in ("started_from", "kept_from") if name in log}
    return {**(log.get("chosen") or {}), **went_on} if went_on else log.get("chosen")


def _fold_table(
    prices: PricePanel, folds: Sequence[Fold], parts: Mapping[tuple[int, int], Part], seed: int, purge: int
) -> pd.DataFrame:
    rows = []
    for fold in folds:
        said = parts[fold.number, seed].log.get("sessions")
        said = said if isinstance(said, dict) else {}
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


def _training_table(parts: Mapping[tuple[int, int], Part]) -> pd.DataFrame:
    rows = [
        {"fold": fold, "seed": seed, **record}
        for (fold, seed), part in sorted(parts.items())
        for record in _records(part.log.get("epochs"))
    ]
    return pd.DataFrame(
        rows, columns=None if rows else ["fold", "seed", "epoch", "train_loss", "validation_loss", "lr"]
    )


def _records(epochs: Any) -> list[dict[str, Any]]:
    """A log's epochs, if it is a list of records; what anyone's own model writes there is theirs."""
    return [record for record in epochs if isinstance(record, dict)] if isinstance(epochs, list) else []
