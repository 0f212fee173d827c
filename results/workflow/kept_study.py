"""The study that reproduces a run, derived from what ran and kept in its folder as ``study.toml``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pandas as pd

from assay.data.atomic import locked
from assay.data.errors import InputError
from assay.data.files.packed import input_digest
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.costs import COST_FIELDS, CostModel
from assay.engine.folds import WalkForward
from assay.models.base import Forecaster
from assay.models.catalog import MODELS
from assay.results.evidence.styles import StyleInputs
from assay.results.storage.kept import Keep
from assay.results.storage.object_store import store_behind
from assay.results.storage.runs import Run
from assay.results.tuning.tuned import Tuned
from assay.results.workflow.requests import Checks
from assay.results.workflow.study import (
    CheckSection,
    CostSection,
    DataSection,
    FoldSection,
    ModelSection,
    OverlaySection,
    PredictionSection,
    StrategySection,
    Study,
    TuneSection,
    portable,
)
from assay.results.workflow.study_files import load_study, write_study
from assay.strategies.base import EntryRule, Overlays, Strategy
from assay.strategies.catalog import STRATEGIES

__all__ = ["STUDY", "derived", "folds_of", "keep_study", "model_section", "read_kept", "sources_of", "tune_section"]

#: The file in a run's folder.
STUDY = "study.toml"
_PLAIN = (str, int, float, bool, type(None))


def sources_of(
    prices: PricePanel,
    predictions: PredictionPanel | None,
    benchmark: pd.Series | None,
    styles: StyleInputs | None = None,
) -> Study:
    """The study of panels that came without one: the embedded sample, or marked as in memory."""
    from assay.data.sample import SOURCE, load_sample, load_sample_predictions

    kept: list[str] = [] if styles is None else ["styles"]
    sample = prices.source == SOURCE
    if sample:
        theirs, index = load_sample()
        sample = theirs.fingerprint == prices.fingerprint
        if sample and (benchmark is None or not benchmark.equals(index)):
            kept.append("benchmark")
    elif benchmark is not None:
        kept.append("benchmark")
    if not sample:
        kept.insert(0, "prices")
    if predictions is None:
        return Study(data=DataSection(in_memory=tuple(kept)))
    if not sample or load_sample_predictions().fingerprint != predictions.fingerprint:
        kept.append("predictions")
    section = PredictionSection(
        unit=predictions.unit, zero_is_neutral=predictions.zero_is_neutral, horizon=predictions.horizon
    )
    return Study(data=DataSection(in_memory=tuple(kept)), predictions=section)


def derived(
    study: Study,
    *,
    strategy: Strategy | EntryRule,
    costs: CostModel,
    checks: Checks,
    baselines: bool = True,
    trials_elsewhere: int = 0,
    keep: Keep = "auto",
    **rest: Any,
) -> Study:
    """`study` with the sections of what really ran; what cannot be written down is marked as in memory.

    Parameters
    ----------
    study : where the inputs came from, and what else was asked for.
    strategy, costs, checks, baselines, trials_elsewhere : what ran.
    keep : which tables the run stores.
    rest : other sections, as they are.

    """
    name, parameters, lost = _written(strategy, STRATEGIES, "strategy")
    overlays = {item.name: parameters.pop(item.name) for item in fields(Overlays) if item.name in parameters}
    files = () if costs.table is None else costs.table.files
    part = None if costs.table is None else costs.table.part
    lost += ["cost table"] if costs.table is not None and not files and part is None else []
    lost += ["cost model"] if type(costs) not in (CostModel, CostSection) else []
    data = replace(study.data, in_memory=tuple(dict.fromkeys((*study.data.in_memory, *lost))))
    return replace(
        study,
        data=data,
        strategy=StrategySection(name, parameters),
        overlays=OverlaySection(**overlays),
        costs=CostSection(**{each: getattr(costs, each) for each in COST_FIELDS}, files=files,
                          model=None if part is None else part[0], parameters={} if part is None else part[1]),
        checks=CheckSection(**asdict(checks_alone(checks)), baselines=baselines, trials_elsewhere=trials_elsewhere),
        report=replace(study.report, keep=keep),
        **rest,
    )


def checks_alone(checks: Checks) -> Checks:
    """The checks without what a study adds to them."""
    return Checks(**{item.name: getattr(checks, item.name) for item in fields(Checks)})


def model_section(model: Forecaster) -> tuple[ModelSection, list[str]]:
    """A recipe as it is written down, and what of it cannot be."""
    name, parameters, lost = _written(model.base if isinstance(model, Tuned) else model, MODELS, "model")
    return ModelSection(name or "in memory", None, parameters), lost


def tune_section(model: Forecaster) -> TuneSection | None:
    """How a recipe is tuned, as it is written down."""
    if not isinstance(model, Tuned):
        return None
    settings = {item.name: getattr(model, item.name) for item in fields(TuneSection)}
    return TuneSection(**{**settings, "parameters": {name: _as_toml(item) for name, item in model.parameters.items()}})


def folds_of(
    plan: WalkForward, horizon: int, seeds: tuple[int, ...], executor: str, workers: int | None
) -> FoldSection:
    """A plan and the fits of each fold as they are written down."""
    return FoldSection(
        train="expanding" if plan.train is None else plan.train,
        minimum_train=plan.minimum_train,
        retrain=plan.retrain,
        embargo=plan.embargo,
        horizon=horizon,
        seeds=len(seeds) if seeds == tuple(range(len(seeds))) else seeds,
        executor=cast(Any, executor),
        workers=workers,
        start=_day(plan.start),
        end=_day(plan.end),
    )


def _day(session: str | pd.Timestamp | None) -> str | None:
    return None if session is None else str(pd.Timestamp(session).date())


def keep_study(run: Run, study: Study) -> None:
    """Write the study into the run's folder, its files as seen from there and with their digests.

    Raises
    ------
    InputError
        If the file cannot be written.

    """
    digests = {name: digest for name in study.files() if (digest := input_digest(name)) is not None}
    study = replace(study, made_from=digests)
    # The folder that stands for an object store lies elsewhere on another machine.
    place = os.path.abspath if store_behind(run.path.parent) is not None else partial(portable, folder=run.path)
    study = study.located({name: place(name) for name in study.paths()})
    about = f"Reproduces {run.id}: `runs rerun {run.id}`, or `run study.toml`. Files are named as seen from here."
    if study.data.in_memory:
        lost = ", ".join(study.data.in_memory)
        about += f"\nIt cannot be run as it stands: {lost} came from memory, not from a file."
    with locked(run.path.parent):
        write_study(study, run.path / STUDY, about=about)


def read_kept(run: Run) -> Study:
    """The study that a stored run keeps, its files named as seen from here.

    Raises
    ------
    InputError
        If the run has none, or it cannot be read or run.

    """
    path = run.path / STUDY
    if not path.is_file():
        raise InputError(f"run {run.id}: keeps no study (an earlier version made it); make it again to have one")
    return load_study(path).located(below=run.path)


def _written(part: object, known: Mapping[str, str], kind: str) -> tuple[str | None, dict[str, Any], list[str]]:
    """A strategy or model as a name, its parameters, and what of it cannot be written down."""
    values = {item.name: getattr(part, item.name) for item in fields(cast(Any, part)) if item.init} if (
        is_dataclass(part)
    ) else dict(vars(part))  # fmt: skip
    name = _name_of(type(part), known)
    lost = [kind] if name is None else []
    lost += [f"{kind} parameter {key}" for key, value in values.items() if not _is_plain(value)]
    return name, {key: _as_toml(value) for key, value in values.items() if _is_plain(value)}, lost


def _as_toml(value: Any) -> Any:
    """A parameter in TOML's types: no null, and lists for tuples."""
    if isinstance(value, list | tuple):
        return [_as_toml(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _as_toml(item) for key, item in value.items()}
    return "none" if value is None else value


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return isinstance(value, _PLAIN)


def _name_of(kind: type, known: Mapping[str, str]) -> str | None:
    """How a class is asked for: by the catalogue, by its file where that is a person's own, else by its module."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    for name, place in known.items():
        if place == path:
            return name
    if kind.__module__ == "__main__" or "<" in kind.__qualname__:
        return None
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is None or "." in kind.__module__ or "site-packages" in Path(file).parts:
        return path
    return f"{file}:{kind.__qualname__}"
