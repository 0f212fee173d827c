"""Fitting and scoring a recurrent recipe: features, scaling, windows, training, validation, storage.

Assets are handled in the order of their ids whatever the panel's, so a permuted panel gives the same model and the
same scores, permuted. Scores are computed in blocks of a fixed shape counted from the panel's first session, so a
panel cut short gives the same scores, bit for bit, for the sessions that are left.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError, TrainingError
from assay.data.features import FeaturePanel, build_features, feature_set
from assay.data.jsonable import jsonable
from assay.data.panel import PredictionPanel, PricePanel
from assay.models.base import ADDED_LATER, FittedForecaster
from assay.models.checkpoint import read_checkpoint, write_checkpoint
from assay.models.lstm.batches import Batch, TrainingRows
from assay.models.lstm.networks import parameter_counts
from assay.models.lstm.outcome import Outcome, panel_of
from assay.models.lstm.purge import Split, split_rows
from assay.models.lstm.scaling import Scaler
from assay.models.lstm.scoring import BLOCK_WINDOWS, score_rows
from assay.models.lstm.training import (
    Task,
    Trained,
    TrainingSchedule,
    deterministic,
    fit_network,
    placed,
    validation_loss,
)
from assay.models.lstm.windows import Pieces, complete_rows

if TYPE_CHECKING:
    from assay.models.lstm.recipe import NeuralForecaster
    from assay.models.nse_price import PriceLSTM

__all__ = ["FittedLSTM", "fit_recipe", "load_fitted"]

_LEAST_ROWS = (20, 5)  # of a group, to train on and to validate
_SCALERS = ("input/centre", "input/scale", "label/centre", "label/scale")


@dataclass(frozen=True, eq=False)
class FittedLSTM:
    """A trained recurrent model; see `assay.models.base.FittedForecaster`.

    Parameters
    ----------
    recipe : what was fit.
    horizon, delay : of its labels.
    assets : that it was trained on, in order.
    networks : weights by group: ``""`` for all assets together, else the asset's id.
    arrays : scalers and calibration.
    trained_through, preprocessing_fit_through, labels_known_through : last sessions seen, in each role.
    training_log : losses by epoch, validation metrics, baselines, parameter counts, warnings; JSON-able.
    optimiser : Adam's state by ``group``, ``parameter`` and ``exp_avg``, ``exp_avg_sq`` or ``step``, where the recipe
        keeps it.

    """

    recipe: NeuralForecaster
    horizon: int
    delay: int
    assets: tuple[str, ...]
    networks: Mapping[str, Mapping[str, np.ndarray]]
    arrays: Mapping[str, np.ndarray]
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    training_log: Mapping[str, object]
    optimiser: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    def predict(self, history: PricePanel, start: pd.Timestamp | None = None) -> PredictionPanel:
        """Predictions for the sessions of `history`, row t from rows up to t.

        Parameters
        ----------
        history : prices; its first session is where chunks are counted from.
        start : rows before this session are left NaN without being computed; None computes all.

        Raises
        ------
        InputError
            If a field is missing.

        """
        prices = history.select(sorted(history.assets))
        panel = build_features(prices, self.recipe.feature_set, who=self.name)
        first = 0 if start is None else int(prices.sessions.searchsorted(pd.Timestamp(start)))
        arrays = self._arrays_for(prices.assets)
        with deterministic(0, self.recipe.device):
            outputs = self._outputs(panel, arrays, first)
        if self.recipe.minimum_records:
            outputs[_records(prices) < self.recipe.minimum_records] = np.nan
        fields = self.recipe.panel(outputs, prices, arrays)
        return panel_of(fields, prices, history.assets, horizon=self.horizon, delay=self.delay, name=self.name)

    def _arrays_for(self, assets: pd.Index) -> dict[str, np.ndarray]:
        """The arrays with one row an asset put into the order of `assets`; NaN for those never trained on."""
        out = dict(self.arrays)
        if self.recipe.scales_per_asset:
            position = pd.Index(self.assets).get_indexer(assets)
            for name in _SCALERS:
                out[name] = np.where((position >= 0)[:, None], out[name][position], np.nan)
        return out

    def _outputs(self, panel: FeaturePanel, arrays: Mapping[str, np.ndarray], first: int) -> np.ndarray:
        recipe = self.recipe
        scaler = Scaler(arrays["input/centre"], arrays["input/scale"], float(arrays["input/clip"][0]))
        ready = complete_rows(panel.values, recipe.lookback)
        known = np.isfinite(scaler.centre).all(axis=1) & np.isfinite(arrays["label/centre"]).all(axis=1)
        ready &= known  # an asset that has no scaler has no score
        pieces = Pieces(scaler.inputs(panel.values, recipe.steps), recipe.lookback, recipe.steps)
        outputs = np.full((*ready.shape, recipe.outputs), np.nan)
        for group, members in _groups(self.networks, panel.assets):
            network = recipe.network(len(panel.names))
            network.load_state_dict({key: torch.from_numpy(value) for key, value in self.networks[group].items()})
            own = Pieces(pieces.inputs[members], recipe.lookback, recipe.steps)
            with placed(network, recipe.name, recipe.device, recipe.compiled):
                outputs[:, members] = score_rows(
                    network, own, first, outputs=recipe.outputs, device=recipe.device, bf16=recipe.bf16
                )
        outputs[~ready] = np.nan
        return outputs

    def save(self, folder: Path) -> None:
        """Write the model as safetensors and JSON into an existing folder."""
        tensors = {f"array/{name}": values for name, values in self.arrays.items()}
        for index, group in enumerate(sorted(self.networks)):
            tensors |= {f"network/{index}/{name}": values for name, values in self.networks[group].items()}
            for name, moments in self.optimiser.get(group, {}).items():
                tensors |= {f"optimiser/{index}/{name}/{key}": values for key, values in moments.items()}
        stamps = ("trained_through", "preprocessing_fit_through", "labels_known_through")
        metadata = {
            "model": self.name,
            "params": self.recipe.params,
            "features": list(feature_set(self.recipe.feature_set).names),
            "horizon": self.horizon,
            "delay": self.delay,
            "assets": list(self.assets),
            "groups": sorted(self.networks),
            "stamps": {name: getattr(self, name).strftime("%Y-%m-%d") for name in stamps},
            "training_log": self.training_log,
        }
        write_checkpoint(Path(folder), metadata, tensors)


def load_fitted(recipe: NeuralForecaster, folder: Path) -> FittedLSTM:
    """The model that `FittedLSTM.save` wrote, if it is of this recipe; see `NeuralForecaster.load`."""
    content, tensors = read_checkpoint(folder)
    if content["model"] != recipe.name:
        raise InputError(f"checkpoint: {folder} holds a {content['model']}, not a {recipe.name}")
    stored: dict[str, object] = dict(content["params"])
    later = {name: list(value) if isinstance(value, tuple) else value for name, value in ADDED_LATER.items()}
    stored = {**{name: value for name, value in later.items() if name in recipe.params}, **stored}
    where = ("device", "bf16", "compiled")  # may differ between training and use
    differing = sorted(
        name for name in stored.keys() | recipe.params.keys()
        if name not in where and stored.get(name) != recipe.params.get(name)
    )  # fmt: skip
    if differing:
        told = ", ".join(f"{name} {stored.get(name)!r} instead of {recipe.params.get(name)!r}" for name in differing)
        raise InputError(f"checkpoint: {folder} was trained with {told}; load it with its own parameters")
    names = feature_set(recipe.feature_set).names
    if tuple(content["features"]) != names:
        raise InputError(f"checkpoint: {folder} reads other features than today's {recipe.feature_set}; train again")
    try:
        groups: list[str] = list(content["groups"])
        networks: dict[str, dict[str, np.ndarray]] = {group: {} for group in groups}
        optimiser: dict[str, dict[str, dict[str, np.ndarray]]] = {}
        arrays = {}
        for name, values in tensors.items():
            kind, rest = name.split("/", 1)
            if kind == "array":
                arrays[rest] = values
            elif kind == "optimiser":
                index, parameter, moment = rest.split("/", 2)
                optimiser.setdefault(groups[int(index)], {}).setdefault(parameter, {})[moment] = values
            else:
                index, key = rest.split("/", 1)
                networks[groups[int(index)]][key] = values
        with torch.random.fork_rng(devices=[]):
            blank = recipe.network(len(names)).state_dict()
        expected = {key: tuple(value.shape) for key, value in blank.items()}
        for weights in networks.values():
            if {key: value.shape for key, value in weights.items()} != expected:
                raise TrainingError(f"checkpoint: {folder} holds weights of another network; train again")
        stamps = {name: pd.Timestamp(value) for name, value in content["stamps"].items()}
        return FittedLSTM(
            recipe, content["horizon"], content["delay"], tuple(content["assets"]), networks, arrays,
            training_log=content["training_log"], optimiser=optimiser, **stamps,
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise TrainingError(f"checkpoint: {folder} lacks what a {recipe.name} needs ({error}); train again") from None


def fit_recipe(
    recipe: NeuralForecaster,
    train: PricePanel,
    *,
    horizon: int,
    delay: int,
    seed: int,
    labels: CanaryLabels | None,
    before: FittedForecaster | None = None,
) -> FittedLSTM:
    """Fit a recipe; see `assay.models.lstm.recipe.NeuralForecaster.fit`."""
    if before is not None and not isinstance(before, FittedLSTM):
        raise InputError(f"{recipe.name}: cannot go on from a {type(before).__name__}")
    if horizon < 1 or delay < 1:
        raise InputError(f"{recipe.name}: horizon and delay must be at least 1, got {horizon} and {delay}")
    prices = train.select(sorted(train.assets))
    since: dict[str, object] = {}
    if before is not None and recipe.retrain_when is not None:
        since = _since(recipe, before, prices, horizon, delay, labels)
        if since["good_enough"]:
            log = {**before.training_log, "kept_from": _day(before.trained_through), "since": since}
            return replace(before, training_log=cast(Mapping[str, object], jsonable(log)))
    before = before if recipe.warm_start else None
    few = (_records(prices)[-1] < recipe.minimum_records) if len(prices.sessions) else np.zeros(0, dtype=bool)
    if recipe.recent:
        prices = prices.between(prices.sessions[-min(recipe.recent, len(prices.sessions))], prices.sessions[-1])
    chosen = feature_set(recipe.feature_set)
    prices.require(recipe.needs, recipe.name)
    split = split_rows(
        len(prices.sessions), chosen.warmup + recipe.lookback - 1,
        horizon=horizon, delay=delay, validation=recipe.validation, who=recipe.name,
    )  # fmt: skip
    targets = recipe.targets(prices, horizon, delay, labels)
    if few.any():
        targets = np.where(few[None, :, None], np.nan, targets)
    sample, scalers = _sample(recipe, prices, targets, split)
    warnings = [f"{int(few.sum())} assets with fewer than {recipe.minimum_records} records left out"] * bool(few.any())
    groups: dict[str, tuple[slice, int]] = {}
    for group, members, usable in _trainable(recipe, sample, prices.assets, split):
        if usable:
            groups[group] = members, _seed_of(group, seed)
        else:
            warnings.append(f"no model for {group}: too few complete rows")
    if groups and getattr(recipe, "stacked", False):
        fits = _fit_together(cast("PriceLSTM", recipe), sample, split, groups)
    else:
        fits = {
            group: _fit_group(recipe, sample if group == "" else sample.asset(members.start), split, group, own, before)
            for group, (members, own) in groups.items()
        }
    outputs = np.full((*prices.shape, recipe.outputs), np.nan)
    for group, fit in fits.items():
        outputs[:, groups[group][0]] = fit.outputs
    networks = {group: fit.weights for group, fit in fits.items()}
    epochs = [record for fit in fits.values() for record in fit.epochs]
    refits = [fit.refit for fit in fits.values() if fit.refit]
    if not networks:
        raise InputError(f"{recipe.name}: no asset has enough complete rows to learn from; see `data validate`")
    ready = sample.usable[:, : len(prices.sessions)].T
    outputs[: split.validation_start] = np.nan
    outputs[~ready] = np.nan
    judgement = recipe.judge(
        Outcome(prices, outputs, targets, (split.validation_start, split.validation_end), horizon, delay, labels),
        scalers["label"],
    )
    arrays = {
        f"{role}/{part}": getattr(scaler, part) for role, scaler in scalers.items() for part in ("centre", "scale")
    }
    arrays |= {"input/clip": np.array([scalers["input"].clip]), **(judgement.arrays or {})}
    sessions = prices.sessions
    log = {
        "model": recipe.name, "seed": seed, "form": "windowed" if recipe.windowed else "sequence",
        "parameters": next(iter(fits.values())).counts, "networks": len(networks), "epochs": epochs,
        "rows": {
            "train": int(ready[split.train_start : split.train_end].sum()),
            "validation": int(ready[split.validation_start : split.validation_end].sum()),
            "purge": split.purge,
        },
        "sessions": {
            "train_start": _day(sessions[split.train_start]), "train_end": _day(sessions[split.train_end - 1]),
            "validation_start": _day(sessions[split.validation_start]),
            "validation_end": _day(sessions[split.validation_end - 1]),
        },
        "closes": _range(prices.close.to_numpy()[split.train_start : split.validation_end]),
        "loss": _final_loss(epochs),
        "validation": dict(judgement.metrics), "baselines": dict(judgement.baselines),
        "warnings": [*warnings, *judgement.warnings],
    }  # fmt: skip
    if refits:
        log["refit"] = {
            "rows": int(ready[split.train_start : split.validation_end].sum()), "networks": refits,
            "end": _day(sessions[split.validation_end - 1]),
        }  # fmt: skip
    if since:
        log["since"] = since
    if before is not None:
        log["started_from"] = _day(before.trained_through)
    return FittedLSTM(
        recipe, horizon, delay, tuple(prices.assets), networks, arrays,
        trained_through=sessions[-1], preprocessing_fit_through=sessions[split.train_end - 1],
        labels_known_through=sessions[split.validation_end - 1 + horizon + delay],
        training_log=cast(Mapping[str, object], jsonable(log)),
        optimiser={group: fit.optimiser for group, fit in fits.items()} if recipe.keep_optimiser else {},
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Fit:
    """One network after training: weights, a record an epoch, validation answers (T, members, O), and the rest."""

    weights: dict[str, np.ndarray]
    epochs: list[dict[str, object]]
    outputs: np.ndarray
    counts: dict[str, int]
    optimiser: dict[str, dict[str, np.ndarray]]
    refit: dict[str, object]


def _seed_of(group: str, seed: int) -> int:
    """Each asset's seed depends on its id, not on its place, so other assets may come and go."""
    if group == "":
        return seed
    return int(np.random.SeedSequence([seed, zlib.crc32(group.encode())]).generate_state(1)[0])


def _fit_group(
    recipe: NeuralForecaster, own: TrainingRows, split: Split, group: str, seed: int, before: FittedLSTM | None
) -> _Fit:
    """Train the network of one group and score its validation rows; refit it where the recipe asks for that."""
    who = recipe.name if group == "" else f"{recipe.name}, {group}"
    about: dict[str, object] = {"asset": group} if group else {}

    def start() -> nn.Module:
        network = recipe.network(own.pieces.inputs.shape[2])
        if before is not None and group in before.networks:  # an asset that it did not know starts afresh
            weights = {key: torch.from_numpy(value) for key, value in before.networks[group].items()}
            if {key: value.shape for key, value in weights.items()} != {
                key: value.shape for key, value in network.state_dict().items()
            }:
                raise InputError(f"{who}: the fit to start from has weights of another network")
            network.load_state_dict(weights)
        return network

    def train(network: nn.Module, rows: Split, rates: Sequence[float] | None = None) -> Trained:
        return fit_network(
            network, _task(recipe, own, rows, who), _schedule(recipe), seed=seed,
            device=recipe.device, bf16=recipe.bf16, rates=rates,
        )  # fmt: skip

    with deterministic(seed, recipe.device), placed(start(), who, recipe.device, recipe.compiled) as network:
        trained = train(network, split)
        outputs = score_rows(
            network, own.pieces, split.validation_start,
            outputs=recipe.outputs, device=recipe.device, bf16=recipe.bf16,
        )  # fmt: skip
    epochs = [{**record, **about, "best": record["epoch"] == trained.best_epoch} for record in trained.history]
    refit: dict[str, object] = {}
    if recipe.refit:
        rates = [record["lr"] for record in trained.history[: trained.best_epoch]]
        with deterministic(seed, recipe.device), placed(start(), who, recipe.device, recipe.compiled) as network:
            trained = train(network, _all_rows(split), rates)
        refit = {**about, "epochs": len(rates), "train_loss": trained.history[-1]["train_loss"]}
    return _Fit(
        {key: value.cpu().numpy() for key, value in network.state_dict().items()},
        epochs,
        outputs,
        parameter_counts(network),
        {
            name: {key: value.cpu().numpy() for key, value in moments.items()}
            for name, moments in trained.optimiser.items()
        },
        refit,
    )


def _range(closes: np.ndarray) -> dict[str, float]:
    known = closes[np.isfinite(closes)]
    return {"low": float(known.min()), "high": float(known.max())} if known.size else {}


def _fit_together(
    recipe: PriceLSTM, sample: TrainingRows, split: Split, groups: Mapping[str, tuple[slice, int]]
) -> dict[str, _Fit]:
    """Train the networks of all assets in the same passes and score each one's validation rows."""
    from assay.models.lstm.stacked import Member, StackedRows, TrainedMember, in_threads, scored, train_together

    ranges = (split.train_start, split.train_end), (split.validation_start, split.validation_end)
    members = [Member(group, seed, own.start) for group, (own, seed) in groups.items()]
    stacked = StackedRows(sample, *ranges)
    with torch.random.fork_rng(devices=[]):
        counts = parameter_counts(recipe.network(sample.pieces.inputs.shape[2]))

    def fits(part: list[tuple[Member, TrainedMember]]) -> dict[str, _Fit]:
        out = {}
        for (member, found), outputs in zip(part, scored(recipe, part, stacked), strict=True):
            records = [{**record, "asset": member.name, "best": record["epoch"] == found.best_epoch}
                       for record in found.history]  # fmt: skip
            weights = {key: value.numpy() for key, value in found.weights.items()}
            out[member.name] = _Fit(weights, records, outputs, counts, {}, {})
        return out

    with deterministic(0), in_threads(len(members)) as (each, threads):
        done = list(zip(members, train_together(recipe, members, stacked, _schedule(recipe)), strict=True))
        parts = each(fits, [done[k::threads] for k in range(threads)])
        every = {name: fit for part in parts for name, fit in part.items()}
    return {group: every[group] for group in groups}


def _final_loss(epochs: list[dict[str, object]]) -> dict[str, float]:
    """Losses of the epochs whose weights were kept, mean over networks: their difference, and validation over training.

    The terms of the losses stand beside them where there are several.
    """
    kept = [record for record in epochs if record["best"]]
    train, validation = (float(np.mean([record[key] for record in kept])) for key in ("train_loss", "validation_loss"))
    out = {"train": train, "validation": validation, "gap": validation - train}
    if train > 0:
        out["multiple"] = validation / train
    terms = [key for key in kept[0] if key.startswith(("train_", "validation_")) and not key.endswith("_loss")]
    return {**out, **{key: float(np.mean([record.get(key, np.nan) for record in kept])) for key in terms}}


def _day(session: pd.Timestamp) -> str:
    return session.strftime("%Y-%m-%d")


def _sample(
    recipe: NeuralForecaster, prices: PricePanel, targets: np.ndarray, split: Split
) -> tuple[TrainingRows, dict[str, Scaler]]:
    """Scaled inputs and labels, the scalers fit on training rows alone."""
    panel = build_features(prices, recipe.feature_set, who=recipe.name)
    inputs = recipe.input_scaler(panel.values[: split.train_end])
    train_rows = slice(split.train_start, split.train_end)
    ready = _ready(recipe, panel, targets)
    learnt = np.where(ready[train_rows, :, None], targets[train_rows], np.nan)
    labels = recipe.label_scaler(learnt)
    return _scaled(recipe, panel, targets, train_rows, inputs, labels), {"input": inputs, "label": labels}


def _ready(recipe: NeuralForecaster, panel: FeaturePanel, targets: np.ndarray) -> np.ndarray:
    answer: np.ndarray = complete_rows(panel.values, recipe.lookback) & np.isfinite(targets).all(axis=-1)
    return answer


def _scaled(
    recipe: NeuralForecaster,
    panel: FeaturePanel,
    targets: np.ndarray,
    train_rows: slice,
    inputs: Scaler,
    labels: Scaler,
) -> TrainingRows:
    """Rows by scalers that are there; classes are counted over `train_rows`."""
    ready = _ready(recipe, panel, targets)
    ready &= np.isfinite(inputs.centre).all(axis=1) & np.isfinite(labels.centre).all(axis=1)
    weights = recipe.row_weights(targets, train_rows)
    scaled = {"targets": labels.inputs(targets, recipe.steps)}
    padded = {name: _padded(values, recipe.steps) for name, values in (("usable", ready), ("weights", weights))}
    pieces = Pieces(inputs.inputs(panel.values, recipe.steps), recipe.lookback, recipe.steps)
    return TrainingRows(
        pieces, scaled["targets"], padded["usable"], padded["weights"].astype(np.float32),
        recipe.whole_dates, recipe.oversample, recipe.weighted,
    )  # fmt: skip


def _since(
    recipe: NeuralForecaster,
    before: FittedLSTM,
    prices: PricePanel,
    horizon: int,
    delay: int,
    labels: CanaryLabels | None,
) -> dict[str, object]:
    """How an earlier fit has done on the labelled rows after what it had seen: its loss there, and whether it stays."""
    panel = build_features(prices, recipe.feature_set, who=recipe.name)
    targets = recipe.targets(prices, horizon, delay, labels)
    arrays = before._arrays_for(prices.assets)
    known = int(prices.sessions.searchsorted(before.trained_through, side="right"))
    sample = _scaled(
        recipe, panel, targets, slice(0, known),
        Scaler(arrays["input/centre"], arrays["input/scale"], float(arrays["input/clip"][0])),
        Scaler(arrays["label/centre"], arrays["label/scale"]),
    )  # fmt: skip
    end = max(known, len(prices.sessions) - delay - horizon)
    split = Split(known, known, known, end, delay + horizon)
    found, rows = [], 0
    with deterministic(0, recipe.device):
        for group, members in _groups(before.networks, prices.assets):
            own = sample if group == "" else sample.asset(members.start)
            count = int(own.usable[:, known:end].sum())
            if not count:
                continue
            network = recipe.network(len(panel.names))
            network.load_state_dict({key: torch.from_numpy(value) for key, value in before.networks[group].items()})
            task = _task(recipe, own, split, recipe.name)
            with placed(network, recipe.name, recipe.device, recipe.compiled):
                found.append(validation_loss(network, task, device=recipe.device, bf16=recipe.bf16))
            rows += count
    loss, limit = float(np.mean(found)) if found else np.nan, float(recipe.retrain_when or 0.0)
    then = cast(Mapping[str, float], before.training_log["loss"])["validation"]
    few = rows < _LEAST_ROWS[1]
    return {"rows": rows, "loss": None if few else loss, "validation": then, "limit": limit,
            "good_enough": few or loss <= then + limit * abs(then)}  # fmt: skip


def _records(prices: PricePanel) -> np.ndarray:
    """(T, N) closes of each asset through t."""
    answer: np.ndarray = np.isfinite(prices.close.to_numpy()).cumsum(axis=0)
    return answer


def _all_rows(split: Split) -> Split:
    """The split of a refit: every labelled row trains; the labels of the last ones are known at the cutoff."""
    return replace(split, train_end=split.validation_end, validation_start=split.validation_end)


@dataclass(eq=False)
class _Epoch:
    """Collects the validation answers of an epoch by session and asset, for the recipe's own figures."""

    recipe: NeuralForecaster
    rows: tuple[int, int]
    assets: int
    seen: list[tuple[np.ndarray, ...]] = field(default_factory=list)

    def see(self, answers: Tensor, batch: Batch) -> None:
        which, first = batch.where
        rows = first[:, None] + np.arange(batch.mask.shape[1])
        self.seen.append((which, rows, *(part.cpu().numpy() for part in (batch.mask, answers, batch.targets))))

    def figures(self) -> dict[str, float]:
        start, end = self.rows
        shape = (end - start, self.assets)
        outputs, targets = (np.full((*shape, self.seen[0][k].shape[-1]), np.nan) for k in (3, 4))
        for which, rows, mask, answers, labels in self.seen:
            at = (rows[mask] - start, np.broadcast_to(which[:, None], mask.shape)[mask])
            outputs[at], targets[at] = answers[mask], labels[mask]
        self.seen.clear()
        return self.recipe.epoch_metrics(outputs, targets)


def _padded(values: np.ndarray, steps: int) -> np.ndarray:
    """(T, N) as (N, T + steps), zeros behind."""
    out = np.zeros((values.shape[1], len(values) + steps), dtype=values.dtype)
    out[:, : len(values)] = values.T
    return out


def _groups(networks: Mapping[str, object], assets: pd.Index) -> Iterator[tuple[str, slice]]:
    """Each network's group with the assets it speaks for."""
    if "" in networks:
        yield "", slice(0, len(assets))
        return
    for i, asset in enumerate(assets):
        if asset in networks:
            yield asset, slice(i, i + 1)


def _trainable(
    recipe: NeuralForecaster, sample: TrainingRows, assets: pd.Index, split: Split
) -> Iterator[tuple[str, slice, bool]]:
    groups = dict.fromkeys(assets) if recipe.per_asset else {"": None}
    for group, members in _groups(groups, assets):
        rows = sample.usable[members]
        train = rows[:, split.train_start : split.train_end].sum()
        validation = rows[:, split.validation_start : split.validation_end].sum()
        yield group, members, bool(train >= _LEAST_ROWS[0] and validation >= _LEAST_ROWS[1])


def _schedule(recipe: NeuralForecaster) -> TrainingSchedule:
    return TrainingSchedule(
        recipe.epochs, recipe.patience, recipe.min_delta, recipe.relative_min_delta,
        recipe.learning_rate, recipe.weight_decay, recipe.clip, recipe.batch_size,
    )  # fmt: skip


def _task(recipe: NeuralForecaster, sample: TrainingRows, split: Split, who: str) -> Task:
    size = recipe.batch_size
    watches = recipe.watches and split.validation_end > split.validation_start
    return Task(
        training=lambda rng: sample.epoch(split.train_start, split.train_end, size, rng),
        validation=lambda: sample.epoch(split.validation_start, split.validation_end, max(size, BLOCK_WINDOWS)),
        parts=recipe.parts,
        penalty=recipe.penalty,
        who=who,
        watch=_Epoch(recipe, (split.validation_start, split.validation_end), len(sample.usable)) if watches else None,
    )
