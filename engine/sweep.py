"""A grid of parameters, backtested in as few passes as the strategy allows.

Cells that differ only in costs share their weights; cells that share overlays, delay and fill are simulated
together (`assay.engine.batch`). What the batch cannot express is run cell by cell, in processes or on Ray where asked.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import priced, run_backtest, simulated_prices
from assay.engine.batch import backtest_batch, batchable
from assay.engine.costs import COST_FIELDS, CostModel
from assay.engine.entry_kernel import worth_compiling_entries
from assay.engine.execution import Execution
from assay.engine.executors import Workers, opened_workers, run_tasks
from assay.engine.kernels import worth_compiling
from assay.engine.shared import Shared
from assay.strategies.base import EntryRule, Overlays, Strategy, decide
from assay.strategies.catalog import describe, load_strategy

__all__ = ["CellResult", "GridCell", "cells_of", "named_grid", "parse_grid", "run_cells"]

#: Cells of weights held at once, about 160 MB.
_CELLS = 20_000_000
#: The same where a compiled loop works each set of weights by itself.
_CACHED = 2_500_000
#: Beyond this a number is a slip of the finger.
_LARGEST = 1e15
_ALIASES = {"cost_bps": "commission_bps"}
_COSTS = COST_FIELDS
_EXECUTION = ("delay", "fill", "max_gross", "lot")


@dataclass(frozen=True, eq=False)
class GridCell:
    """One combination of the grid.

    Parameters
    ----------
    parameters : name → value, as in the grid.
    strategy : with its parameters set.
    costs, execution : with theirs.

    """

    parameters: Mapping[str, Any]
    strategy: Strategy | EntryRule
    costs: CostModel
    execution: Execution


@dataclass(frozen=True, eq=False)
class CellResult:
    """What a cell earned.

    Parameters
    ----------
    index : position of the cell in the grid.
    net : (T,) net returns a session.
    turnover_ann : mean one-way turnover times 252.
    gross_mean, net_exposure : mean gross return a session; mean net exposure.

    """

    index: int
    net: pd.Series
    turnover_ann: float
    gross_mean: float
    net_exposure: float


def parse_grid(items: Sequence[str]) -> dict[str, list[str]]:
    """``("quantile=0.1,0.2",)`` as ``{"quantile": ["0.1", "0.2"]}``.

    Raises
    ------
    InputError
        If an item has no values, or a parameter comes twice.

    """
    pairs = []
    for item in items:
        name, sign, values = item.partition("=")
        listed = [value.strip() for value in values.split(",") if value.strip()]
        if not sign or not name.strip() or not listed:
            raise InputError(f"--grid {item}: expected NAME=VALUE,VALUE,… e.g. --grid quantile=0.1,0.2")
        pairs.append((name.strip(), listed))
    return named_grid(pairs)


def named_grid(items: Iterable[tuple[str, Sequence[object]]]) -> dict[str, list[str]]:
    """Parameters and their values as a grid: names as the parts have them, values as text.

    Examples
    --------
    >>> named_grid([("cost-bps", [0, 5.5])])
    {'commission_bps': ['0', '5.5']}

    Raises
    ------
    InputError
        If a parameter has no values or comes twice, or a value does.

    """
    grid: dict[str, list[str]] = {}
    for given, values in items:
        name = given.replace("-", "_")
        name = _ALIASES.get(name, name)
        listed = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
        if not listed:
            raise InputError(f"--grid {name}: no values; list at least one")
        if name in grid:
            raise InputError(f"--grid {name}: given twice; list all its values in one --grid")
        if len(set(listed)) < len(listed):
            raise InputError(f"--grid {name}: a value stands twice")
        grid[name] = listed
    if not grid:
        raise InputError("sweep: no grid; give at least one --grid NAME=VALUE,VALUE,…")
    return grid


def cells_of(
    name: str,
    grid: Mapping[str, Sequence[str]],
    *,
    settings: Mapping[str, object] | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
) -> list[GridCell]:
    """Every combination of the grid, in the order of its last parameter fastest.

    Parameters
    ----------
    name : of the strategy.
    grid : parameter of the strategy, of `CostModel` or of `Execution` → values as text.
    settings : parameters of the strategy that stay.
    costs, execution : what the grid does not vary.

    Raises
    ------
    UnknownNameError
        If a parameter is neither the strategy's nor a cost's nor an execution's.
    InputError
        If a value is out of range.

    """
    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    own = [item["name"] for item in describe(name)["parameters"]]
    for parameter in grid:
        if parameter not in (*own, *_COSTS, *_EXECUTION):
            raise UnknownNameError(f"parameter of the sweep of {name}", parameter, [*own, *_COSTS, *_EXECUTION])
    out = []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        for_strategy = {key: value for key, value in chosen.items() if key in own}
        for_costs = {key: _number(key, value) for key, value in chosen.items() if key in _COSTS and key not in own}
        for_execution: dict[str, Any] = {
            key: value if key == "fill" else _number(key, value, whole=key == "delay")
            for key, value in chosen.items()
            if key in _EXECUTION and key not in own
        }
        strategy = load_strategy(name, **{**(settings or {}), **for_strategy})
        run_costs = replace(costs, **cast(Any, for_costs))
        out.append(GridCell(chosen, strategy, run_costs, replace(execution, **for_execution)))
    return out


def _number(name: str, value: str, *, whole: bool = False) -> float:
    try:
        number = float(value) if value.isascii() else math.nan
    except ValueError:
        number = math.nan
    if not abs(number) <= _LARGEST or (whole and number != int(number)):
        raise InputError(f"--grid {name}={value[:40]}: not a {'whole ' if whole else ''}number that can be meant")
    return int(number) if whole else number


def run_cells(
    cells: Sequence[GridCell],
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    skip: frozenset[int] = frozenset(),
    executor: str | Workers = "serial",
    workers: int | None = None,
) -> Iterator[list[CellResult]]:
    """Backtest the cells, yielding the results of each pass as it ends, so that a sweep can be stored and resumed.

    Parameters
    ----------
    cells : see `cells_of`.
    predictions, prices : as for `engine.run_backtest`.
    skip : positions that are done already.
    executor, workers : where cells that cannot share a pass are run, and on a cluster the passes, too; see
        `engine.executors.run_tasks`. The figures are the same.

    Raises
    ------
    InputError
        If the executor is unknown or Ray is not installed.
    TrainingError
        If a worker process dies.

    """
    predictions = predictions.since_first_view()
    rules = {type(cell.strategy): cell.strategy for cell in cells}  # a protocol is slow to ask, so each once
    entry = {kind for kind, rule in rules.items() if isinstance(rule, EntryRule)}
    groups: dict[tuple[Overlays, Execution], dict[str, list[int]]] = {}
    alone = []
    for index, cell in enumerate(cells):
        overlays = None if type(cell.strategy) in entry else cast(Strategy, cell.strategy).overlays
        if overlays is None or overlays.paced or not (cell.costs.is_proportional and batchable(cell.execution)):
            alone += [] if index in skip else [index]
            continue
        by_weights = groups.setdefault((overlays, cell.execution), {})
        by_weights.setdefault(repr(_priced(cell)), []).append(index)
    size = max(1, predictions.shape[0] * predictions.shape[1])
    compiled = worth_compiling(len(cells), *predictions.shape)
    panel, known = Shared(predictions), Shared(prices)
    with opened_workers(executor, workers, at_most=max(1, len(alone))) as on:
        most = max(1, _CELLS // size)
        passes: list[list[list[int]]] = []
        for by_weights in groups.values():
            # Passes are the same wherever they run and whatever is done already, so that the bits are the same too.
            kinds = list(by_weights.values())
            parts = [kinds[start : start + most] for start in range(0, len(kinds), most)]
            passes += [part for part in parts if not all(skip.issuperset(kind) for kind in part)]
        together = [({i: cells[i] for kind in kinds for i in kind}, kinds, panel, known, compiled) for kinds in passes]
        for _, batch in run_tasks(_pass, together, executor=on if on.is_remote else "serial"):
            yield [item for item in batch if item.index not in skip]
        fast = worth_compiling_entries(len(alone), len(predictions.sessions)) or None
        tasks = [(index, cells[index], panel, known, fast) for index in alone]
        for _, result in run_tasks(_one, tasks, executor=on):
            yield [result]


def _priced(cell: GridCell) -> Strategy:
    """The strategy as its run decides; cells of equal ones share their weights."""
    return priced(cast(Strategy, cell.strategy), cell.costs)  # no entry rule is batched


def _pass(
    cells: Mapping[int, GridCell],
    kinds: list[list[int]],
    predictions: PredictionPanel,
    prices: PricePanel,
    compiled: bool,
) -> list[CellResult]:
    """One batch: `kinds` are lists of cells that share their weights."""
    # The compiled loop works the kinds one by one, so few at a time will do: their tables are not made anew each time.
    step = max(2, _CACHED // (predictions.shape[0] * predictions.shape[1])) if compiled else len(kinds)
    parts = [kinds[start : start + step] for start in range(0, len(kinds), step)]
    return [result for part in parts for result in _simulated(cells, part, predictions, prices, compiled)]


def _simulated(
    cells: Mapping[int, GridCell],
    kinds: list[list[int]],
    predictions: PredictionPanel,
    prices: PricePanel,
    compiled: bool,
) -> list[CellResult]:
    first = cells[kinds[0][0]]
    assert not isinstance(first.strategy, EntryRule)
    simulated = simulated_prices(prices, predictions, first.execution.delay)
    simulated.require(first.strategy.needs, first.strategy.name)
    decided = simulated.sessions[simulated.sessions.slice_indexer(predictions.sessions[0], predictions.sessions[-1])]
    weights = np.empty((0, 0, 0))
    for row, members in enumerate(kinds):
        frame = decide(_priced(cells[members[0]]), predictions, simulated, compiled=compiled).weights
        if not row:  # filled in place: a list and its stack would be held twice
            weights = np.empty((len(kinds), *frame.reindex(decided).shape))
        weights[row] = frame if frame.index.equals(decided) else frame.reindex(decided)
    order = [index for members in kinds for index in members]
    which = np.repeat(np.arange(len(kinds)), [len(members) for members in kinds])
    traded = simulated.between(predictions.sessions[0], None)
    if not traded.assets.equals(frame.columns):
        traded = traded.select(list(frame.columns))
    result = backtest_batch(
        traded,
        weights,
        first.strategy.overlays,
        costs=[cells[index].costs for index in order],
        execution=first.execution,
        which=which,
        compiled=compiled,
    )
    return [
        CellResult(
            index,
            pd.Series(result.net[run], result.sessions),
            float(result.turnover[run].mean() * SESSIONS_A_YEAR),
            float(result.gross[run].mean()),
            float(result.net_exposure[run].mean()),
        )
        for run, index in enumerate(order)
    ]


def _one(
    index: int, cell: GridCell, predictions: PredictionPanel, prices: PricePanel, compiled: bool | None
) -> CellResult:
    compiled = compiled if isinstance(cell.strategy, EntryRule) else None
    result = run_backtest(
        cell.strategy, predictions, prices, costs=cell.costs, execution=cell.execution, keep="returns",
        compiled=compiled,
    )  # fmt: skip
    return CellResult(
        index,
        result.returns,
        float(result.turnover.mean() * SESSIONS_A_YEAR),
        float(result.gross_returns.mean()),
        float(result.exposure["net"].mean()),
    )
