"""Canaries that need no training: what a strategy earns when the scores know nothing, come late or come early.

The null of random-score runs is a permutation: the panel's own scores, handed to other assets. Each session keeps its
set of scores, each score keeps its path through time, so exposure and turnover (before overlays, which answer to what
a run earned) are those of the real run; only *which* asset a score belongs to is drawn anew. If scores carry no
information about assets, the real run is one more draw, and its rank among R of them is uniform (Phipson & Smyth 2010
for the "+1").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.conventions import Floats, annual_sharpe
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import priced, run_backtest, simulated_prices
from assay.engine.batch import backtest_batch, batchable
from assay.engine.costs import CostModel, cash_rate_of
from assay.engine.entry_kernel import worth_compiling_entries
from assay.engine.execution import Execution
from assay.engine.executors import Workers, opened_workers, run_tasks
from assay.engine.kernels import worth_compiling
from assay.engine.shared import Shared
from assay.strategies.base import EntryRule, Strategy, decide

__all__ = ["RandomScoreNull", "permuted", "random_score_null", "shifted", "without_choice"]


#: Cells of weights held at once, about 64 MB.
_CELLS = 8_000_000
#: The same where a loop works each run by itself: a few such tables stay in cache.
_CACHED = 1_000_000
#: Tasks of runs that share no pass, and their cells (runs × T × N) from which they are worth processes of their own.
_STEPS, _WORTH_PROCESSES = 20, 50_000_000

Order: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RandomScoreNull:
    """Where the real run stands among random-score runs.

    Parameters
    ----------
    real : net Sharpe ratio of the real scores, annualised (√252, ddof 1, over the cash rate where one was given).
    sharpe : (R,) of the random-score runs.
    turnover : (R,) mean one-way turnover a session; `real_turnover` for the real run.
    net_exposure : (R,) mean; `real_net_exposure` for the real run.
    p_value : (1 + number of random runs at least as good) / (R + 1).

    """

    real: float
    sharpe: Floats
    turnover: Floats
    net_exposure: Floats
    real_turnover: float
    real_net_exposure: float

    @property
    def p_value(self) -> float:
        """One-sided; NaN where the real run has no Sharpe ratio."""
        if not np.isfinite(self.real):
            return float("nan")
        return float((1 + np.sum(self.sharpe >= self.real)) / (1 + len(self.sharpe)))

    @property
    def rank(self) -> int:
        """1 + number of random runs that are better."""
        return 1 + int(np.sum(self.sharpe > self.real))


def permuted(predictions: PredictionPanel, order: Order) -> PredictionPanel:
    """The panel with each asset's predictions handed to another.

    Asset i receives the path of asset ``order[i]``. In a session in which that one has no view, it receives one of
    those left over, so that every asset with a view keeps one and every score is used once.
    """
    has_view = ~np.isnan(predictions.view.to_numpy())
    if has_view.all():
        return predictions.moved(lambda values: values[:, order])
    source = np.broadcast_to(order, has_view.shape)
    lacking = has_view & ~has_view[:, order]
    if lacking.any():
        source = source.copy()
        inverse = np.argsort(order)
        left_over = has_view & ~has_view[:, inverse]  # a score whose receiver has no view this session
        for s in np.flatnonzero(lacking.any(axis=1)):
            source[s, lacking[s]] = np.flatnonzero(left_over[s])
    handed = np.where(has_view, source, np.arange(has_view.shape[1]))
    return predictions.moved(lambda values: np.take_along_axis(values, handed, axis=1))


def shifted(predictions: PredictionPanel, sessions: int) -> PredictionPanel:
    """The panel, each row stamped so many sessions later (late: old news) or, below 0, earlier.

    Early by one session is the smallest look-ahead there is: what is stamped t has read the close of t+1. The panel
    has no receipts, for they would refuse it.
    """
    return replace(predictions, receipts=None).map(lambda frame: frame.shift(sessions))


def without_choice(predictions: PredictionPanel) -> PredictionPanel:
    """The constant model: every asset with a view gets the mean of all that was said up to and including the session.

    It knows the usual level of the predictions (the majority class, for probabilities of actions) and tells no asset
    from another; where a strategy ranks, ties go by asset id.
    """

    def level(frame: pd.DataFrame) -> pd.DataFrame:
        views = frame.notna()
        count = views.sum(axis="columns").cumsum()
        mean = frame.sum(axis="columns").cumsum() / count.where(count > 0)
        constant = pd.DataFrame(np.tile(mean.to_numpy()[:, None], frame.shape[1]), frame.index, frame.columns)
        return constant.where(views)

    return replace(predictions, receipts=None).map(level)


def random_score_null(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    runs: int = 200,
    seed: int = 0,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    progress: Callable[[int], None] | None = None,
    executor: str | Workers = "serial",
    workers: int | None = None,
) -> RandomScoreNull:
    """Run the strategy on `runs` permutations of the predictions, and on the real ones, down one path.

    Parameters
    ----------
    strategy, predictions, prices, costs, execution : as for `engine.run_backtest`.
    runs : permutations; at least 19, so that 5% can be reached.
    seed : fixes them.
    progress : called with the number of runs done since the last call.
    executor, workers : see `assay.engine.executors.run_tasks`; the figures are the same. Runs that share a pass stay
        in this process, which has its own threads for them, unless they go to a cluster; of the others few or small
        ones do, too, for a new process takes longer.

    """
    if runs < 19:
        raise InputError(f"random scores: at least 19 runs are needed to speak of 5%, got {runs}")
    costs = CostModel() if costs is None else costs
    execution = Execution(delay=predictions.delay) if execution is None else execution
    predictions = predictions.since_first_view()
    rng = np.random.default_rng(seed)
    orders = [np.arange(predictions.shape[1]), *(rng.permutation(predictions.shape[1]) for _ in range(runs))]
    single = isinstance(strategy, EntryRule) or strategy.overlays.paced
    batched = not single and costs.is_proportional and batchable(execution)
    compiled = worth_compiling(len(orders), *predictions.shape)
    held = _CACHED if compiled else _CELLS
    size = predictions.shape[0] * predictions.shape[1]
    most = max(1, held // max(1, size)) if batched else -(-len(orders) // _STEPS)
    entered = isinstance(strategy, EntryRule) and worth_compiling_entries(len(orders), len(predictions.sessions))
    one = _Path(priced(strategy, costs) if batched else strategy, costs, execution, batched, compiled, entered or None)  # type: ignore[arg-type]
    panel, known = Shared(predictions), Shared(prices)
    with opened_workers(executor, workers) as on:
        away = on.is_remote or (not batched and not entered and len(orders) * size >= _WORTH_PROCESSES)
        step = on.step(len(orders), most) if away and not batched else most  # a batch's last bits depend on its size
        parts = [orders[start : start + step] for start in range(0, len(orders), step)]
        figures: list[Floats] = [np.empty((0, 3))] * len(parts)
        tasks = [(one, panel, known, part) for part in parts]
        for position, found in run_tasks(_figures, tasks, executor=on if away else "serial"):
            figures[position] = found
            if progress is not None:
                progress(len(found))
    table = np.vstack(figures)
    real, random = table[0], table[1:]
    return RandomScoreNull(
        real=float(real[0]),
        sharpe=random[:, 0],
        turnover=random[:, 1],
        net_exposure=random[:, 2],
        real_turnover=float(real[1]),
        real_net_exposure=float(real[2]),
    )


@dataclass(frozen=True, eq=False)
class _Path:
    """How every run of a null is made."""

    strategy: Strategy | EntryRule
    costs: CostModel
    execution: Execution
    batched: bool
    compiled: bool
    entered: bool | None


def _figures(path: _Path, predictions: PredictionPanel, prices: PricePanel, orders: list[Order]) -> Floats:
    """(runs, 3): net Sharpe, mean turnover, mean net exposure of each permutation."""
    panels = [permuted(predictions, order) for order in orders]
    if path.batched:
        return _batch(path.strategy, panels, prices, path.costs, path.execution, path.compiled)  # type: ignore[arg-type]
    one = partial(_single, path.strategy, prices=prices, costs=path.costs, execution=path.execution,
                  compiled=path.entered)  # fmt: skip
    return np.array([one(panel) for panel in panels])


def _batch(
    strategy: Strategy,
    panels: list[PredictionPanel],
    prices: PricePanel,
    costs: CostModel,
    execution: Execution,
    compiled: bool,
) -> Floats:
    """(runs, 3): net Sharpe, mean turnover, mean net exposure."""
    first = panels[0]
    simulated = simulated_prices(prices, first, execution.delay)
    decided = simulated.sessions[simulated.sessions.slice_indexer(first.sessions[0], first.sessions[-1])]
    weights = np.empty((0, 0, 0))
    for run, panel in enumerate(panels):
        frame = decide(strategy, panel, simulated, compiled=compiled).weights
        frame = frame if frame.index.equals(decided) else frame.reindex(decided)
        if not run:  # filled in place: a list and its stack would be held twice
            weights = np.empty((len(panels), *frame.shape))
        weights[run] = frame.to_numpy()
    traded = simulated.between(first.sessions[0], None)
    if not traded.assets.equals(frame.columns):
        traded = traded.select(list(frame.columns))
    result = backtest_batch(
        traded, weights, strategy.overlays, costs=costs, execution=execution, compiled=compiled
    )
    sharpe = result.sharpe(cash_rate_of(costs, result.sessions))
    return np.stack([sharpe, result.turnover.mean(axis=1), result.net_exposure.mean(axis=1)], axis=1)


def _single(
    strategy: Strategy | EntryRule,
    panel: PredictionPanel,
    prices: PricePanel,
    costs: CostModel,
    execution: Execution,
    compiled: bool | None,
) -> tuple[float, float, float]:
    result = run_backtest(
        strategy, panel, prices, costs=costs, execution=execution, keep="returns", compiled=compiled
    )
    sharpe = annual_sharpe(result.over_cash(result.returns))
    return sharpe, float(result.turnover.mean()), float(result.exposure["net"].mean())
