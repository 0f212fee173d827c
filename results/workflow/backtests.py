"""A backtest of joined predictions: simulate, check, evaluate, count, store."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from assay.data.align import align
from assay.data.card import Card, plural, span
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import run_backtest, with_tradable_benchmark
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.executors import Workers
from assay.engine.leaks import LeakReport, too_good, wrong_scale
from assay.engine.result import BacktestResult
from assay.results.checks.canaries import Canaries
from assay.results.checks.capacity import Capacity
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.checks.own_metrics import OwnMetrics
from assay.results.checks.random_scores import RandomScores, ShiftedScores
from assay.results.checks.trading import Trading
from assay.results.checks.trials import TrialCount, count_trial
from assay.results.evidence.backtest import Evidence, evaluate, store_backtest
from assay.results.evidence.starts import over_all_starts
from assay.results.evidence.styles import StyleInputs, against_styles
from assay.results.storage.kept import Keep, kept, kept_tables
from assay.results.storage.lockbox import require_open
from assay.results.storage.object_store import local_root
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run, add_checks
from assay.results.storage.trial_ledger import IN_BLOCKS
from assay.results.workflow.arguments import require_kinds
from assay.results.workflow.in_blocks import (
    are_packed,
    refuse_checks,
    result_in_blocks,
    why_in_memory,
    why_read_whole,
)
from assay.results.workflow.kept_study import derived, keep_study, sources_of
from assay.results.workflow.requests import Checks, Progress, Silent
from assay.results.workflow.study import Study
from assay.strategies.base import EntryRule, Strategy, family_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from assay.results.gate.policy import GateDecision

__all__ = [
    "Bookkeeping",
    "JoinedInputs",
    "Origin",
    "StoredBacktest",
    "backtest",
    "run_joined",
    "with_sectors",
    "without_sector",
]


@dataclass(frozen=True, eq=False, repr=False)
class StoredBacktest(Card):
    """A backtest that is stored; ``print`` shows what the command line prints.

    Parameters
    ----------
    run : the run folder.
    result : what the engine computed.
    evidence : metrics and tables.
    checks : what was checked.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> stored = backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> stored.to_frame().index.name, stored.run.kind
    ('date', 'backtest')
    >>> stored.gate("research").verdict
    'fail'

    """

    run: Run
    result: BacktestResult
    evidence: Evidence
    checks: CheckOutcomes

    @property
    def failures(self) -> tuple[str, ...]:
        """What failed of the checks, one sentence each."""
        return self.checks.failures

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The evidence in short, what was checked, and where it is stored."""
        checks = [(kind.replace("_", " "), sentence) for kind, sentence in self.checks.sentences.items()]
        title = f"{self.run.id}: a backtest of {span(self.result.sessions)}"
        return title, [*self.evidence.card()[1][:-1], *checks, ("stored in", self.run.address)]

    def to_frame(self) -> pd.DataFrame:
        """A row a session, see `assay.engine.result.BacktestResult.to_frame`."""
        return self.result.to_frame()

    def tearsheet(self, path: Path | str | None = None) -> Path:
        """Draw the run as one file; default: ``tearsheet.html`` in its folder."""
        from assay.results.workflow.verdicts import tearsheet

        return tearsheet(self.run, path)

    def gate(self, policy: str | Path = "production") -> GateDecision:
        """Accept or reject the run by a policy."""
        from assay.results.workflow.verdicts import gate

        return gate(self.run, policy, root=self.run.path.parent)

    def plot(self) -> Figure:
        """A matplotlib figure: growth of 1 above, drawdown below."""
        return self.run.plot()

    def __str__(self) -> str:
        from assay.results.report.terminal import render_run

        return render_run(self.run)


@dataclass(frozen=True, eq=False)
class JoinedInputs:
    """What a run reads, joined."""

    predictions: PredictionPanel
    prices: PricePanel
    benchmark: pd.Series | None
    dropped: Mapping[str, int] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    styles: StyleInputs | None = None

    @property
    def benchmark_name(self) -> str | None:
        return None if self.benchmark is None or self.benchmark.name is None else str(self.benchmark.name)


@dataclass(frozen=True, eq=False)
class Origin:
    """How the predictions of a run were made, and what comes with them."""

    config: Mapping[str, object] | None = None
    leaks: LeakReport | None = None
    canaries: Canaries | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    metrics: Mapping[str, object] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Bookkeeping:
    """Where runs are kept, and what of them, how many trials are in no ledger, and where random-score runs are made."""

    root: Path
    elsewhere: int
    keep: Keep = "auto"
    workers: Workers = field(default_factory=lambda: Workers("serial"))


def backtest(
    strategy: Strategy | EntryRule,
    predictions: PredictionPanel,
    prices: PricePanel,
    *,
    benchmark: pd.Series | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    engine: Literal["native", "vectorbt"] = "native",
    checks: Checks | None = None,
    styles: StyleInputs | None = None,
    executor: Literal["serial", "process", "ray"] = "serial",
    workers: int | None = None,
    made_by: Mapping[str, object] | None = None,
    trials_elsewhere: int = 0,
    root: Path | str = DEFAULT_ROOT,
    progress: Progress | None = None,
    study: Study | None = None,
    keep: Keep = "auto",
) -> StoredBacktest:
    """Backtest predictions, check the run, count it in the ledger and store it.

    Parameters
    ----------
    strategy : see `assay.strategies.catalog.load_strategy`.
    predictions : (T', N'), the panel of a model, a file or a walk-forward; joined to the prices, losses are counted.
    prices : (T, N), the whole history, also before the first prediction.
    benchmark : daily returns, stamped at the period's end; its name is shown.
    costs, execution : default: `CostModel()`, and the delay that the predictions were made for.
    engine : who simulates the final weights.
    checks : which checks to make; default none.
    styles : what styles are made of beside prices and volume; with it they are taken out, asked for or not.
    executor, workers : where the random-score runs of `checks` are made, if they are many; the figures are the same.
    made_by : what the run's config shall say of how the predictions were made; with it they are told apart by that
        (and by the model's name), else by their fingerprint.
    trials_elsewhere : trials made outside this ledger, added to its count.
    root : the results folder.
    progress : who is told.
    study : where the panels were read from, and what else was asked for; the run keeps it, with the sections of what
        ran. Without one, panels that are not the sample's are marked as in memory.
    keep : which tables the run stores: ``"returns"`` none that grows with sessions times assets, ``"weights"`` of those
        the target weights, ``"auto"`` all of a panel of up to five million cells, weights beyond; figures are the same.

    Raises
    ------
    InputError
        If nothing joins, an option cannot be, or the folder cannot be written.

    Examples
    --------
    >>> from assay import backtest, load_strategy, synthetic_market
    >>> prices, predictions = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> stored = backtest(load_strategy("quintile_long_short"), predictions, prices)
    >>> print(stored)  # doctest: +ELLIPSIS
    quintile_long_short · oracle of synthetic reversal...

    """
    started = time.perf_counter()
    require_kinds("backtest", strategy=strategy, predictions=predictions, prices=prices, benchmark=benchmark,
                  costs=costs, execution=execution, checks=checks, styles=styles)  # fmt: skip
    require_open(prices, "backtest")
    kept_tables({}, keep)
    execution = Execution(delay=predictions.delay) if execution is None else execution
    costs, checks = CostModel() if costs is None else costs, Checks() if checks is None else checks
    checks = checks if styles is None else replace(checks, styles=True)
    trading, origin = Trading(strategy, costs, execution), Origin(made_by)
    progress = Silent() if progress is None else progress
    reason, packed = None, keep == "returns" and are_packed(predictions, prices)
    if packed:
        reason = why_in_memory(trading, predictions, prices)
    elif keep == "returns" and study is not None:
        reason = why_read_whole(study, predictions, prices)
    in_blocks = packed and reason is None
    if in_blocks:
        refuse_checks(checks, engine)
    elif reason is not None:
        progress.say(f"worked in memory, not in blocks of sessions: {reason}")
    with Workers(executor, workers) as opened:
        ledger = Bookkeeping(local_root(root), trials_elsewhere, keep, opened)
        if in_blocks:
            stored = _run_in_blocks(trading, predictions, prices, benchmark, origin, ledger, progress, started)
        else:
            prices = with_sectors(prices, strategy, styles)
            joined, report = align(predictions, prices)
            stored = run_joined(
                trading,
                JoinedInputs(joined, prices, benchmark, report.counts, report.messages(), styles),
                origin,
                engine,
                checks,
                ledger,
                progress,
                started,
            )
    ran = derived(
        sources_of(prices, predictions, benchmark, styles) if study is None else study,
        strategy=strategy,
        costs=costs,
        checks=replace(checks, styles=checks.styles or stored.run.has("style_returns")),
        trials_elsewhere=trials_elsewhere,
        engine=engine,
        execution=execution,
        keep=stored.run.kept,
    )
    keep_study(stored.run, ran)
    return stored


def with_sectors(prices: PricePanel, strategy: Strategy | EntryRule, styles: StyleInputs | None) -> PricePanel:
    """`prices` with the sectors that styles are made of, where the strategy reads them and the panel has none."""
    if styles is None or styles.sectors is None or prices.sectors is not None:
        return prices
    return replace(prices, sectors=styles.sectors) if getattr(strategy, "reads_sectors", False) else prices


def without_sector(prices: PricePanel, styles: StyleInputs | None) -> list[str]:
    """One line where the sectors that styles are made of lack some of the assets."""
    if styles is None or styles.sectors is None:
        return []
    lacking = prices.assets[styles.sectors.reindex(prices.assets).isna()]
    if not len(lacking):
        return []
    return [f"sectors: {len(lacking):,} of {plural(len(prices.assets), 'asset')} have none, first {lacking[0]!r}"]


def run_joined(
    trading: Trading,
    inputs: JoinedInputs,
    origin: Origin,
    engine: str,
    checks: Checks,
    ledger: Bookkeeping,
    progress: Progress,
    started: float,
) -> StoredBacktest:
    """The run of joined predictions: simulate, check, evaluate, count, store."""
    strategy, predictions, prices = trading.strategy, inputs.predictions, inputs.prices
    costs, execution = trading.costs, trading.execution
    result = run_backtest(strategy, predictions, prices, benchmark=inputs.benchmark, costs=costs, execution=execution)
    if engine == "vectorbt":
        result = _by_vectorbt(result, prices, trading)
    result = replace(
        result,
        config={**result.config, **(origin.config or {})},
        counts={**result.counts, **inputs.dropped},
        # What the join said, it said to the panel too.
        warnings=tuple(dict.fromkeys((*result.warnings, *inputs.messages, *without_sector(prices, inputs.styles)))),
    )
    traded = with_tradable_benchmark(strategy, prices, inputs.benchmark)
    outcomes = _checked(trading, result, predictions, traded, origin, checks, progress, ledger.workers)
    evidence = evaluate(result, predictions, prices)
    result = replace(result, warnings=(*result.warnings, *_doubts(evidence, predictions, prices, result)))
    outcomes = replace(outcomes, trials=_counted(result, strategy, prices, origin, ledger, evidence))
    naive: dict[str, object] = {}
    if family_of(strategy) == "optimised":
        from assay.results.evidence.naive_portfolios import against_naive_portfolios

        naive["yardsticks"] = against_naive_portfolios(result, predictions, traded, costs=costs, execution=execution)
    starts = over_all_starts(strategy, predictions, traded, costs=costs, execution=execution)
    figures = {**naive, **({} if starts is None else {"starts": starts})}
    beside: dict[str, pd.DataFrame] = {}
    if checks.styles:
        progress.advance("styles", 0, 1)
        found, tables = against_styles(result, predictions, traded, inputs.styles)
        outcomes, beside = replace(outcomes, styles=found), dict(tables)
        progress.advance("styles", 1, 1)
    origin = replace(origin, tables={**origin.tables, **beside}, metrics={**figures, **origin.metrics})
    return _kept(result, evidence, outcomes, inputs, origin, ledger, started)


def _run_in_blocks(
    trading: Trading,
    predictions: PredictionPanel,
    prices: PricePanel,
    benchmark: pd.Series | None,
    origin: Origin,
    ledger: Bookkeeping,
    progress: Progress,
    started: float,
) -> StoredBacktest:
    """The run of packed panels: simulate and evaluate in blocks of sessions, count, store."""
    result, report, evidence, doubts = result_in_blocks(trading, predictions, prices, benchmark, ledger.root, progress)
    result = replace(
        result,
        # Without round trips it has fewer figures than the run in memory, so it is another run.
        config={**result.config, **(origin.config or {}), "engine": IN_BLOCKS},
        counts={**result.counts, **report.counts},
        warnings=tuple(dict.fromkeys((*result.warnings, *doubts, *_too_good(evidence, predictions)))),
    )
    outcomes = CheckOutcomes(trials=_counted(result, trading.strategy, prices, origin, ledger, evidence))
    inputs = JoinedInputs(predictions, prices, benchmark)
    return _kept(result, evidence, outcomes, inputs, origin, ledger, started)


def _counted(
    result: BacktestResult,
    strategy: Strategy | EntryRule,
    prices: PricePanel,
    origin: Origin,
    ledger: Bookkeeping,
    evidence: Evidence,
) -> TrialCount:
    """The run among everything that was tried, registered."""
    return count_trial(
        result,
        strategy,
        prices,
        root=ledger.root,
        brought=origin.config is None,
        skill=evidence.tables.get("skill"),
        elsewhere=ledger.elsewhere,
    )


def _kept(
    result: BacktestResult,
    evidence: Evidence,
    outcomes: CheckOutcomes,
    inputs: JoinedInputs,
    origin: Origin,
    ledger: Bookkeeping,
    started: float,
) -> StoredBacktest:
    """The run, stored with what was checked of it."""
    predictions, prices = inputs.predictions, inputs.prices
    receipts = predictions.receipts
    run = store_backtest(
        result,
        evidence,
        root=ledger.root,
        tables=origin.tables,
        metrics=origin.metrics,
        notes={
            "benchmark": inputs.benchmark_name,
            "assets": predictions.shape[1],
            "universe": None if prices.members is None else int(prices.members.any().sum()),
            "folds": None if receipts is None else int(receipts["fold"].nunique()),
            "timings": {"seconds": round(time.perf_counter() - started, 3)},
            **origin.notes,
        },
        keep=kept(ledger.keep, predictions.shape),
    )
    return StoredBacktest(add_checks(run, outcomes.to_dict()), result, evidence, outcomes)


def _doubts(evidence: Evidence, predictions: PredictionPanel, prices: PricePanel, result: BacktestResult) -> list[str]:
    """What of the predictions is too good to be a forecast, or on a scale that is not what it is declared as."""
    execution = result.config["execution"]
    usual = execution["delay"] == predictions.delay and (execution["fill"] == "open") == (prices.open is not None)
    forward = evidence.tables.get("forward_returns") if usual else None
    doubt = wrong_scale(predictions, prices.select(list(predictions.assets)), forward=forward)
    return [*([] if doubt is None else [doubt]), *_too_good(evidence, predictions)]


def _too_good(evidence: Evidence, predictions: PredictionPanel) -> list[str]:
    if "ic" not in evidence.tables:
        return []
    daily = evidence.tables["ic"]["rank_ic"].dropna()
    doubt = too_good(daily.mean(), daily.std(), len(daily), horizon=predictions.horizon)
    return [] if doubt is None else [doubt]


def _by_vectorbt(result: BacktestResult, prices: PricePanel, trading: Trading) -> BacktestResult:
    """The same final weights, simulated by vectorbt; stages and warnings stay."""
    from assay.engine.vectorbt_adapter import simulate_vectorbt

    if result.target_weights is None:
        raise InputError(
            f"--engine vectorbt: {result.strategy} is executed bar by bar; only weights can be handed over"
        )
    other = simulate_vectorbt(prices, result.target_weights, costs=trading.costs, execution=trading.execution)
    return replace(
        result,
        config={**result.config, "engine": "vectorbt"},
        returns=other.returns,
        gross_returns=other.gross_returns,
        nav=other.nav,
        costs=other.costs,
        turnover=other.turnover,
        holdings=other.holdings,
        cash=other.cash,
        fill_ledger=other.fill_ledger,
    )


def _checked(
    trading: Trading,
    result: BacktestResult,
    predictions: PredictionPanel,
    prices: PricePanel,
    origin: Origin,
    checks: Checks,
    progress: Progress,
    workers: Workers,
) -> CheckOutcomes:
    """The checks that were asked for; the trials are counted later."""
    outcomes = CheckOutcomes(canaries=origin.canaries)
    weights, costs, execution = result.target_weights, trading.costs, trading.execution
    if checks.cross_check:
        outcomes = replace(outcomes, cross_check=CrossCheck.run(prices, weights, costs=costs, execution=execution))
        progress.say(outcomes.sentences["cross_check"])
    if checks.capacity:
        found = Capacity.run(prices, weights, costs=costs, execution=execution, benchmark=result.benchmark)
        outcomes = replace(outcomes, capacity=found)
        progress.say(outcomes.sentences["capacity"])
    if checks.metrics:
        outcomes = replace(outcomes, own_metrics=OwnMetrics.run(checks.metrics, result, predictions, prices))
        progress.say(outcomes.sentences["own_metrics"])
    if checks.leaks:
        progress.advance("leak tests", 0, 1)
        outcomes = replace(outcomes, leaks=LeakCheck.run(trading, predictions, prices, before=origin.leaks))
        progress.advance("leak tests", 1, 1)
    if checks.canaries:
        done, total = 0, checks.random_runs + 1

        def advance(more: int) -> None:
            nonlocal done
            done += more
            progress.advance("random-score runs", done, total)

        progress.advance("random-score runs", 0, total)
        null = RandomScores.run(
            trading, predictions, prices, runs=checks.random_runs, progress=advance, executor=workers
        )
        shifted = ShiftedScores.run(trading, predictions, prices)
        outcomes = replace(outcomes, random_scores=null, shifted_scores=shifted)
    return outcomes
