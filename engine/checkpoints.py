"""Finished folds on disk, so that a walk-forward that was killed goes on where it stopped.

A fold is kept under a digest of everything that its figures depend on: the recipe, the prices, the label's span, the
source code of the model and of this project's own features and models, and the versions of the libraries beneath. What
was fit by other code is never found. Each file's digest is kept with it: what was damaged since is fit again.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import pandas as pd

from assay.data.atomic import building, locked, put_folder, sweep
from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.data.plugins import plugin_file
from assay.data.stored import file_digest, file_digests, holds_files, read_sealed, sealed
from assay.engine.folds import Fold
from assay.models.base import ADDED_LATER, FittedForecaster, Forecaster

__all__ = ["Part", "SavedModel", "identity_of", "is_chained", "part_folder", "read_part", "recipe_of", "write_part"]

_ABOUT = "part.json"
_LIBRARIES = ("numpy", "pandas", "scikit-learn", "torch")
#: Modules whose classes say nothing about a model, or whose version says it.
_FOREIGN = ("abc", "builtins", "typing", "sklearn", "torch")


#: How the first version named the classes of the catalogue. Run ids and trials hash these names, so they stay; a class
#: that is not here goes by its name in the catalogue.
_FIRST_NAMES = {
    "StockLSTM": "models.ranking:StockLSTM",
    "StockLSTMClose": "models.ranking:StockLSTMClose",
    "MultiTaskLSTM": "models.multitask:MultiTaskLSTM",
    "DirectionLSTM": "models.direction:DirectionLSTM",
    "PriceLSTM": "models.price:PriceLSTM",
    "Ridge": "models.baselines:Ridge",
    "GradientBoosting": "models.sklearn_adapter:GradientBoosting",
    "SklearnForecaster": "models.sklearn_adapter:SklearnForecaster",
    "Momentum": "models.baselines:Momentum",
    "Reversal": "models.baselines:Reversal",
    "Zero": "models.baselines:Zero",
    "MajorityClass": "models.baselines:MajorityClass",
}


@dataclass(frozen=True, eq=False)
class Part:
    """What one fold of one seed leaves behind.

    Parameters
    ----------
    frames : score, probability_up, action_buy … over the fold's test sessions.
    unit, zero_is_neutral : of the predictions.
    stamps : trained_through, preprocessing_fit_through, labels_known_through and retested_at, as days.
    log : what the model says of its training.

    """

    frames: Mapping[str, pd.DataFrame]
    unit: str
    zero_is_neutral: bool
    stamps: Mapping[str, str]
    log: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class SavedModel:
    """The files of a checkpoint, on their way from one machine to another.

    Parameters
    ----------
    files : path within the checkpoint's folder → content.

    """

    files: Mapping[str, bytes]

    @classmethod
    def read(cls, folder: Path) -> SavedModel:
        """Those of a folder."""
        found = sorted(item for item in folder.rglob("*") if item.is_file())
        return cls({item.relative_to(folder).as_posix(): item.read_bytes() for item in found})

    def save(self, folder: Path) -> None:
        """Write them into an existing folder."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def recipe_of(model: Forecaster) -> dict[str, Any]:
    """A model's name and parameters, JSON-able: what a trial is a trial of, wherever its class stands."""
    parameters: dict[str, Any] = asdict(cast(Any, model)) if is_dataclass(model) else dict(vars(model))
    for name, default in ADDED_LATER.items():
        if name in parameters and parameters[name] == default:
            del parameters[name]
    inner = _inside(model)
    if inner is not None:
        parameters["base"] = recipe_of(inner)
    return {"model": model.name, "class": _class_name(model), "params": parameters}


def _inside(model: Forecaster) -> Forecaster | None:
    """The recipe that a recipe is made of (a tuned one has its ``base``), or None."""
    base = getattr(model, "base", None)
    return base if isinstance(base, Forecaster) else None


def _class_name(model: Forecaster) -> str:
    """How the class of a recipe is called: ours by the catalogue, a user's by its import path."""
    kind = type(model)
    own = kind.__module__.startswith("assay.")
    return _FIRST_NAMES.get(kind.__qualname__, model.name) if own else f"{kind.__module__}:{kind.__qualname__}"


def identity_of(
    model: Forecaster, prices: PricePanel, horizon: int, delay: int, labels: CanaryLabels | None = None
) -> str:
    """Digest of what the fits of a walk-forward depend on, beside the fold and the seed."""
    parts = [recipe_of(model), prices.fingerprint, horizon, delay, _code_of(type(model)), _versions()]
    inner = _inside(model)
    if inner is not None:
        parts += [_code_of(type(inner)), _versions(("optuna",))]
    own = (plugin_file(str(getattr(each, part, ""))) for each in (model, inner) for part in ("feature_set", "label"))
    parts += [file_digest(file) for file in own if file is not None]
    if labels is not None:
        parts.append(asdict(labels))
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def part_folder(folder: Path, identity: str, fold: Fold, seed: int, chain: Sequence[Fold] = ()) -> Path:
    """Where the part of a fold and seed is kept; its checkpoint lies in ``model`` below.

    `chain` holds the folds of the walk-forward where each goes on from the one before: a part then depends on them.
    """
    spans = [_span(each) for each in chain if each.number < fold.number]
    before = f"-after{hashlib.sha256(' '.join(spans).encode()).hexdigest()[:8]}" if spans else ""
    return folder / identity / f"{_span(fold)}-seed{seed}{before}"


def _span(fold: Fold) -> str:
    return "-".join(day.strftime("%Y%m%d") for day in (fold.train_start, fold.cutoff, fold.test_start, fold.test_end))


def is_chained(model: Forecaster) -> bool:
    """Whether each fold of a walk-forward goes on from the fit of the fold before.

    Raises
    ------
    InputError
        If a recipe that chooses its parameters afresh in each fold is around one that goes on.

    """
    inner = _inside(model)
    if inner is not None and is_chained(inner):
        raise InputError(
            f"{inner.name}: what is chosen afresh in each fold cannot go on from the fold before; leave warm_start and "
            "retrain_when out"
        )
    return bool(getattr(model, "warm_start", False)) or getattr(model, "retrain_when", None) is not None


def write_part(part: Part, fitted: FittedForecaster | SavedModel, folder: Path) -> None:
    """Write a part and its checkpoint aside, then give it its name; where another run has put a sound one, that stays.

    A part that can be read is never touched, because others may be reading it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    with building(folder) as aside:
        for name, frame in part.frames.items():
            frame.to_parquet(aside / f"{name}.parquet")
        (aside / "model").mkdir()
        fitted.save(aside / "model")
        about = {
            "unit": part.unit,
            "zero_is_neutral": part.zero_is_neutral,
            "stamps": dict(part.stamps),
            "log": part.log,
            "frames": list(part.frames),
            "files": file_digests(aside),
        }
        (aside / _ABOUT).write_text(json.dumps(sealed(about)), encoding="utf-8")
        with locked(folder.parent):
            if read_part(folder) is None:
                put_folder(aside, folder)


def read_part(folder: Path) -> Part | None:
    """A finished part, or None where there is none or a file of it is not what was written (then it is fit again)."""
    try:
        about = read_sealed(folder / _ABOUT)
        if not holds_files(folder, about["files"]):
            return None
        frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in about["frames"]}
        return Part(frames, about["unit"], about["zero_is_neutral"], about["stamps"], about["log"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _code_of(found: type) -> str:
    """Digest of the source files behind a class: its package's, and those of this project that any model uses."""
    own = Path(__file__).parent
    files = {*(own.parent / "data").rglob("*.py"), *(own.parent / "models").rglob("*.py"), own / "fitting.py"}
    for ancestor in found.__mro__:
        top = ancestor.__module__.partition(".")[0]
        if top in _FOREIGN:
            continue
        try:
            source = Path(inspect.getfile(sys.modules[ancestor.__module__]))
        except (TypeError, KeyError, OSError):
            # Typed at a prompt: there is no file to compare, so nothing outlives this process.
            return f"{os.getpid()}-{id(found)}"
        inside_package = "." in ancestor.__module__
        files |= set(source.parent.rglob("*.py")) if inside_package else {source}
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _versions(libraries: Sequence[str] = _LIBRARIES) -> dict[str, str]:
    out = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name in libraries:
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = ""
    return out
