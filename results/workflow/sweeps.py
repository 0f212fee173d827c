"""A grid of backtests as a stored run; every cell is a trial of the ledger."""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from assay.data.align import align
from assay.data.card import Card
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import described, input_fingerprints, with_tradable_benchmark
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.executors import Workers, opened_workers
from assay.engine.sweep import GridCell, cells_of, run_cells
from assay.results.checks.trials import adopt_beside
from assay.results.evidence.skill import skill_of
from assay.results.evidence.sweep import SweepEvidence, evaluate_sweep, excess_returns
from assay.results.storage.lockbox import require_open
from assay.results.storage.object_store import local_root
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run, run_id, save_run
from assay.results.storage.sweep_parts import read_parts, write_part
from assay.results.storage.trial_ledger import Record, read_trials, register, scenario_of, trial_of
from assay.results.workflow.arguments import require_kinds
from assay.results.workflow.kept_study import derived, keep_study, sources_of
from assay.results.workflow.requests import Checks, Progress, Silent
from assay.results.workflow.study import Study, SweepSection
from assay.strategies.base import family_of

__all__ = ["StoredSweep", "Variant", "sweep"]


@dataclass(frozen=True, eq=False)
class Variant:
    """Predictions that are a choice of the grid themselves: one configuration of a model.

    Parameters
    ----------
    parameters : ``model.NAME`` → value as text.
    predictions : what it predicted.
    made_by : what a run's config says of it, see `assay.results.workflow.backtest`.

    """

    parameters: Mapping[str, str]
    predictions: PredictionPanel
    made_by: Mapping[str, object] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class StoredSweep(Card):
    """A grid of backtests that is stored; ``print`` shows its best cells.

    Parameters
    ----------
    run : the run folder.
    evidence : the cells, and what the choice among them is worth.

    Examples
    --------
    >>> from assay import synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> stored = sweep("quintile_long_short", {"quantile": ["0.2", "0.4"]}, predictions, prices)
    >>> stored.to_frame()["quantile"].tolist()
    ['0.2', '0.4']

    """

    run: Run
    evidence: SweepEvidence

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The best cells by net Sharpe ratio."""
        table = self.evidence.table.sort_values("sharpe_net", ascending=False)
        names = list(table.columns[: table.columns.get_loc("sharpe_net")])
        rows = [
            (", ".join(f"{name} {row[name]}" for name in names), f"net Sharpe {row['sharpe_net']:.2f}")
            for row in table.to_dict("records")
        ]
        return f"{self.run.id}: {len(table)} cells, the best first", [*rows[:12], ("stored in", self.run.address)]

    def to_frame(self) -> pd.DataFrame:
        """A row a cell."""
        return self.evidence.table

    def __str__(self) -> str:
        from assay.results.report.terminal import render_run

        return render_run(self.run)


def sweep(
    strategy: str,
    grid: Mapping[str, Sequence[str]],
    predictions: PredictionPanel | Sequence[Variant],
    prices: PricePanel,
    *,
    settings: Mapping[str, object] | None = None,
    benchmark: pd.Series | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    clusters: bool = False,
    executor: Literal["serial", "process", "ray"] | Workers = "serial",
    workers: int | None = None,
    made_by: Mapping[str, object] | None = None,
    trials_elsewhere: int = 0,
    root: Path | str = DEFAULT_ROOT,
    progress: Progress | None = None,
    study: Study | None = None,
) -> StoredSweep:
    """Backtest a grid of parameters, count its trials, and store what the choice is worth.

    Cells that differ in costs, borrow, capital, delay or fill alone are one trial in several scenarios; what a choice
    is worth is said within each, side by side.

    A sweep that was killed goes on where it stopped.

    Parameters
    ----------
    strategy : a name of the catalogue, or ``package.module:Class``.
    grid : parameter of the strategy, of `CostModel` or of `Execution` → values as text.
    predictions : of one model, or those of each of its configurations, see
        `assay.results.workflow.model_sweeps.model_variants`.
    prices, benchmark, costs, execution, made_by, trials_elsewhere, root, progress : as for `backtest`.
    settings : parameters of the strategy that stay, as text.
    clusters : whether to count independent trials by clustering the ledger's returns, too.
    executor, workers : where cells that cannot share a pass are run, and on a cluster the passes; the figures are the
        same.
    study : where the inputs came from and what else was asked for; kept with the run, completed by what ran.

    Raises
    ------
    UnknownNameError, InputError
        If a parameter is unknown, a value is out of range, or nothing joins.

    Examples
    --------
    >>> from assay import synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> sweep("quintile_long_short", {"quantile": ["0.2", "0.4"]}, predictions, prices)  # doctest: +ELLIPSIS
    sweep_quintile_long_short-...: 2 cells, the best first
      quantile 0.2  net Sharpe 5.89
      quantile 0.4  net Sharpe 4.83
      stored in     ...

    """
    started = time.perf_counter()
    if not isinstance(strategy, str):
        raise InputError("sweep: strategy must be a name of the catalogue, or package.module:Class")
    require_kinds("sweep", prices=prices, benchmark=benchmark, costs=costs, execution=execution)
    several = list(predictions) if isinstance(predictions, Sequence) else []  # a text is a sequence, too
    if not several or not all(isinstance(item, Variant) for item in several):
        require_kinds("sweep", predictions=predictions)
    for key, values in grid.items():
        if isinstance(values, str) or not isinstance(values, Collection):
            raise InputError(f"sweep: {key} of the grid must be a list of values, got {values!r}")
    require_open(prices, "sweep")
    root, progress = local_root(root), Silent() if progress is None else progress
    costs = CostModel() if costs is None else costs
    single = isinstance(predictions, PredictionPanel)
    variants = [Variant({}, predictions, made_by)] if isinstance(predictions, PredictionPanel) else list(predictions)
    execution = Execution(delay=variants[0].predictions.delay) if execution is None else execution
    own = cells_of(strategy, grid, settings=settings, costs=costs, execution=execution)
    traded = with_tradable_benchmark(own[0].strategy, prices, benchmark)
    variants = [replace(item, predictions=align(item.predictions, prices)[0]) for item in variants]
    cells = [replace(cell, parameters={**item.parameters, **cell.parameters}) for item in variants for cell in own]
    configs = [_cell_config(cell, item.predictions, prices, item.made_by) for item in variants for cell in own]
    prints = [item.predictions.fingerprint for item in variants]
    together = prints[0] if single else hashlib.sha256("\n".join(prints).encode()).hexdigest()
    fingerprints = input_fingerprints(prices, together, benchmark)
    grid = {**_values_of(variants), **grid}
    strategy = own[0].strategy.name  # the whole name of one that was asked for by its beginning or its file
    name = f"sweep_{strategy}"
    config = {"strategy": f"sweep {strategy}", "grid": {key: list(values) for key, values in grid.items()},
              "cells": configs}  # fmt: skip
    folder = root / f".sweep-{run_id(strategy, config, fingerprints)}"
    done = read_parts(folder)
    progress.advance("cells", len(done), len(cells))
    with opened_workers(executor, workers) as on:
        for place, variant in enumerate(variants):
            start = place * len(own)
            skip = frozenset(index - start for index in done if start <= index < start + len(own))
            for batch in run_cells(own, variant.predictions, traded, skip=skip, executor=on):
                placed = [replace(item, index=item.index + start) for item in batch]
                write_part(folder, placed)
                done |= {item.index: item for item in placed}
                progress.advance("cells", len(done), len(cells))
    adopt_beside(root)
    scenarios = [scenario_of(item) for item in configs]
    records = []
    for place, variant in enumerate(variants):
        skill = skill_of(variant.predictions, prices, delay=execution.delay, fill=execution.fill_at(prices))
        found = None if skill is None else skill.known
        inputs = {**fingerprints, "predictions": prints[place]}
        for index in range(place * len(own), (place + 1) * len(own)):
            cell, item = cells[index], configs[index]
            brought = prints[place] if variant.made_by is None else None
            trial = trial_of(item, family=family_of(cell.strategy), predictions=brought)
            member = run_id(cell.strategy.name, item, inputs)
            over_cash = excess_returns(cell, done[index].net)  # as a backtest of the same cell counts it
            records.append(Record(trial, member, over_cash, scenarios[index], found))
    register(records, prices)
    known = {scenario: read_trials(prices, scenario=scenario) for scenario in dict.fromkeys(scenarios)}
    asked = next((i for i, cell in enumerate(cells) if (cell.costs, cell.execution) == (costs, execution)), 0)
    evidence = evaluate_sweep(
        cells, done, scenarios, known, first=scenarios[asked], elsewhere=trials_elsewhere, clusters=clusters
    )
    run = save_run(
        name,
        config=config,
        fingerprints=fingerprints,
        metrics=evidence.metrics,
        tables={"cells": evidence.table, "returns": evidence.returns},
        notes={"timings": {"seconds": round(time.perf_counter() - started, 3)}},
        root=root,
    )
    shutil.rmtree(folder, ignore_errors=True)
    if study is None:
        study = sources_of(prices, predictions if isinstance(predictions, PredictionPanel) else None, benchmark)
        lost = () if single else ("predictions",)
        study = replace(study, data=replace(study.data, in_memory=(*study.data.in_memory, *lost)))
    keep_study(
        run,
        derived(
            study,
            strategy=own[0].strategy,
            costs=costs,
            checks=Checks(),
            trials_elsewhere=trials_elsewhere,
            execution=execution,
            sweep=SweepSection({key: tuple(map(_as_toml, values)) for key, values in grid.items()}, clusters),
        ),
    )
    return StoredSweep(run, evidence)


def _as_toml(text: str) -> str | int | float:
    """A value of the grid as a number where it is written as one."""
    for kind in (int, float):
        try:
            if text == str(kind(text)) and math.isfinite(kind(text)):
                return kind(text)
        except ValueError:
            pass
    return text


def _values_of(variants: Sequence[Variant]) -> dict[str, list[str]]:
    """What the model's own part of the grid varies."""
    names = variants[0].parameters
    return {name: list(dict.fromkeys(item.parameters[name] for item in variants)) for name in names}


def _cell_config(
    cell: GridCell, predictions: PredictionPanel, prices: PricePanel, made_by: Mapping[str, object] | None
) -> dict[str, object]:
    """What a backtest of the same cell would store, so that both are one trial."""
    return {
        "costs": asdict(cell.costs),
        "execution": {**asdict(cell.execution), "fill": cell.execution.fill_at(prices)},
        "source": prices.source,
        "adjusted": prices.adjusted,
        **described(cell.strategy),
        "model": predictions.name,
        "horizon": predictions.horizon,
        **(made_by or {}),
    }
