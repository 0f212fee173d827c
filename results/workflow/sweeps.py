"""A grid of backtests as a stored run; every cell is a trial of the ledger."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from assay.data.align import align
from assay.data.card import Card
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import described, with_tradable_benchmark
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.sweep import GridCell, cells_of, run_cells
from assay.results.checks.trials import adopt_beside
from assay.results.evidence.skill import skill_of
from assay.results.evidence.sweep import SweepEvidence, evaluate_sweep
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run, run_id, save_run
from assay.results.storage.sweep_parts import read_parts, write_part
from assay.results.storage.trial_ledger import Record, read_trials, register, scenario_of, trial_of
from assay.results.workflow.requests import Progress, Silent
from assay.strategies.base import family_of

__all__ = ["StoredSweep", "sweep"]


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
        return f"{self.run.id}: {len(table)} cells, the best first", [*rows[:12], ("stored in", str(self.run.path))]

    def to_frame(self) -> pd.DataFrame:
        """A row a cell."""
        return self.evidence.table

    def __str__(self) -> str:
        from assay.results.report.terminal import render_run

        return render_run(self.run)


def sweep(
    strategy: str,
    grid: Mapping[str, Sequence[str]],
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    settings: Mapping[str, str] | None = None,
    benchmark: pd.Series | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    clusters: bool = False,
    executor: Literal["serial", "process", "ray"] = "serial",
    workers: int | None = None,
    made_by: Mapping[str, object] | None = None,
    trials_elsewhere: int = 0,
    root: Path | str = DEFAULT_ROOT,
    progress: Progress | None = None,
) -> StoredSweep:
    """Backtest a grid of parameters, count its trials, and store what the choice is worth.

    Cells that differ in costs, borrow, capital, delay or fill alone are one trial in several scenarios; what a choice
    is worth is said within each, side by side.

    A sweep that was killed goes on where it stopped.

    Parameters
    ----------
    strategy : a name of the catalogue, or ``package.module:Class``.
    grid : parameter of the strategy, of `CostModel` or of `Execution` → values as text.
    predictions, prices, benchmark, costs, execution, made_by, trials_elsewhere, root, progress : as for `backtest`.
    settings : parameters of the strategy that stay, as text.
    clusters : whether to count independent trials by clustering the ledger's returns, too.
    executor, workers : where cells that cannot share a pass are run; the figures are the same.

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
    root, progress = Path(root), Silent() if progress is None else progress
    costs = CostModel() if costs is None else costs
    execution = Execution(delay=predictions.delay) if execution is None else execution
    joined, _ = align(predictions, prices)
    cells = cells_of(strategy, grid, settings=settings, costs=costs, execution=execution)
    traded = with_tradable_benchmark(cells[0].strategy, prices, benchmark)
    fingerprints = {"prices": prices.fingerprint, "predictions": joined.fingerprint}
    configs = [_cell_config(cell, joined, prices, made_by) for cell in cells]
    name = f"sweep_{strategy}"
    config = {"strategy": f"sweep {strategy}", "grid": {key: list(values) for key, values in grid.items()},
              "cells": configs}  # fmt: skip
    folder = root / f".sweep-{run_id(strategy, config, fingerprints)}"
    done = read_parts(folder)
    progress.advance("cells", len(done), len(cells))
    passes = run_cells(cells, joined, traded, skip=frozenset(done), executor=executor, workers=workers)
    for batch in passes:
        write_part(folder, batch)
        done |= {item.index: item for item in batch}
        progress.advance("cells", len(done), len(cells))
    adopt_beside(root)
    brought = fingerprints["predictions"] if made_by is None else None
    scenarios = [scenario_of(item) for item in configs]
    skill = skill_of(joined, prices, delay=execution.delay, fill=execution.fill_at(prices))
    found = None if skill is None else skill.known
    records = []
    for index, (cell, item) in enumerate(zip(cells, configs, strict=True)):
        trial = trial_of(item, family=family_of(cell.strategy), predictions=brought)
        member = run_id(cell.strategy.name, item, fingerprints)
        records.append(Record(trial, member, done[index].net, scenarios[index], found))
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
    return StoredSweep(run, evidence)


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
