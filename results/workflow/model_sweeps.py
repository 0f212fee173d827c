"""A grid over a model's parameters: one walk-forward for each configuration, whose predictions a sweep then trades."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.executors import Workers, opened_workers
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.results.storage.lockbox import require_open
from assay.results.storage.object_store import local_root
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.workflow.requests import Progress, Silent
from assay.results.workflow.sweeps import Variant
from assay.results.workflow.walk_forwards import made_by_folds

__all__ = ["PREFIX", "ModelRecipe", "model_variants", "parted_grid"]

#: Before the name of a parameter of the model in a grid.
PREFIX = "model."


@dataclass(frozen=True)
class ModelRecipe:
    """A model by name, with the parameters that stay.

    Parameters
    ----------
    name, preset : see `assay.models.catalog.load_model`.
    settings : parameters as text.

    """

    name: str
    preset: str | None = None
    settings: Mapping[str, Any] | None = None


def parted_grid(grid: Mapping[str, Sequence[str]]) -> tuple[dict[str, Sequence[str]], dict[str, Sequence[str]]]:
    """The part of a grid that is the model's, its names without the prefix, and the rest.

    Examples
    --------
    >>> parted_grid({"model.penalty": ["0.1", "1"], "quantile": ["0.2"]})
    ({'penalty': ['0.1', '1']}, {'quantile': ['0.2']})

    """
    own = {name.removeprefix(PREFIX): values for name, values in grid.items() if name.startswith(PREFIX)}
    return own, {name: values for name, values in grid.items() if not name.startswith(PREFIX)}


def model_variants(
    recipe: ModelRecipe,
    grid: Mapping[str, Sequence[str]],
    prices: PricePanel,
    plan: WalkForward,
    *,
    horizon: int = 1,
    delay: int = 1,
    seeds: Sequence[int] = (0,),
    executor: Literal["serial", "process", "ray"] | Workers = "serial",
    workers: int | None = None,
    root: Path | str = DEFAULT_ROOT,
    progress: Progress | None = None,
) -> list[Variant]:
    """Retrain every configuration fold by fold; finished folds are kept, so that a killed sweep goes on.

    Parameters
    ----------
    recipe : the model.
    grid : parameter of the model → values as text.
    prices, plan, horizon, seeds, executor, workers, root, progress : as for `assay.results.workflow.walk_forward`.
    delay : sessions from decision to fill.

    Raises
    ------
    UnknownNameError, InputError
        If the model has no such parameter, or a value or the plan cannot be.

    """
    if not grid:
        raise InputError(f"sweep: no parameter of the model varies; give --grid {PREFIX}NAME=V1,V2, or no --model")
    require_open(prices, "sweep")
    progress = Silent() if progress is None else progress
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    models = [
        load_model(recipe.name, preset=recipe.preset, **{**(recipe.settings or {}), **chosen})
        for chosen in combinations
    ]
    folds = plan.split(prices.sessions)
    out = []
    with opened_workers(executor, workers) as opened:
        for number, (model, chosen) in enumerate(zip(models, combinations, strict=True)):
            progress.advance("configurations of the model", number, len(models))
            walk = walk_forward(
                model,
                prices,
                folds,
                horizon=horizon,
                delay=delay,
                seeds=seeds,
                executor=opened,
                folder=local_root(root) / ".walk-forward",
            )
            named = {f"{PREFIX}{name}": value for name, value in chosen.items()}
            out.append(Variant(named, walk.predictions, made_by_folds(model, plan, seeds)))
        opened.rest()
    progress.advance("configurations of the model", len(models), len(models))
    return out
