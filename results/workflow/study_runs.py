"""A study made into a stored run: the same inputs, run and id as the single commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from assay.data.atomic import check_target
from assay.data.errors import InputError
from assay.data.files.holdings import load_holdings
from assay.data.files.packed import refuse_idle
from assay.data.files.predictions import write_predictions
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.executors import Workers
from assay.engine.sweep import named_grid
from assay.results.gate.policy import GateDecision, judge, load_policy, note_look, write_decision
from assay.results.storage.object_store import local_root
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import load_run
from assay.results.workflow.backtests import StoredBacktest, backtest
from assay.results.workflow.inputs import load_inputs, load_market, load_styles
from assay.results.workflow.model_sweeps import PREFIX, ModelRecipe, model_variants, parted_grid
from assay.results.workflow.positions import TargetBook, target_positions, write_book
from assay.results.workflow.requests import Progress, Silent
from assay.results.workflow.study import PredictionSection, Study, SweepSection
from assay.results.workflow.study_files import load_study
from assay.results.workflow.sweeps import StoredSweep, Variant, sweep
from assay.results.workflow.walk_forwards import (
    DEFAULT_STRATEGY,
    PROBABILITY_STRATEGY,
    StoredWalkForward,
    walk_forward,
)

__all__ = ["inputs_of", "judged", "make_run", "panels_of", "positions_of", "run_study"]


def run_study(
    study: Study | Path | str, *, root: Path | str = DEFAULT_ROOT, progress: Progress | None = None
) -> StoredBacktest | StoredSweep:
    """Make the run that a study says, judge it, write what it holds next and draw its sheet, where they are asked for.

    Parameters
    ----------
    study : a TOML file (its files are named relative to it), or a `Study` whose files are named as seen from here.
    root : the results folder.
    progress : who is told.

    Returns
    -------
    StoredBacktest or StoredSweep
        As `backtest`, `walk_forward` and, with a [sweep], `sweep` give it; the gate's decision lies in ``gate.json`` in
        its folder.

    Raises
    ------
    InputError
        If it names inputs that were in memory, or as `backtest`, `walk_forward` and `sweep` do.

    Examples
    --------
    >>> import tempfile
    >>> from assay.results.workflow.study import StrategySection
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run_study(Study(strategy=StrategySection("equal_weight")), root=folder).evidence["sharpe_net"].n
    3270

    """
    if not isinstance(study, Study):
        study = load_study(study).located(below=Path(study).resolve().parent)
    stored = make_run(study, root=local_root(root), progress=progress)
    if isinstance(stored, StoredSweep):
        return stored
    judged(stored, study, local_root(root))
    positions_of(stored, study)
    if study.report.tearsheet:
        stored.tearsheet()
    return stored


def judged(stored: StoredBacktest, study: Study, root: Path) -> GateDecision | None:
    """The gate's decision, kept beside the run; None where the study asks for none."""
    if study.gate is None:
        return None
    champion = None if study.gate.champion is None else load_run(study.gate.champion, root=root)
    decision = judge(stored.run, load_policy(study.gate.policy), champion=champion)
    note_look(stored.run, decision)
    write_decision(decision, stored.run)
    return decision


def positions_of(stored: StoredBacktest, study: Study) -> TargetBook | None:
    """What the run holds next, written where the study says so; None where it asks for none.

    Raises
    ------
    InputError
        As `target_positions`.

    """
    asked = study.positions
    if asked is None:
        return None
    predictions, prices, benchmark = panels_of(stored, study)
    shares = cash = None
    if asked.holdings is not None:
        shares, cash = load_holdings(asked.holdings, study.data.reading("holdings"))
    book = target_positions(
        stored.run,
        predictions,
        prices,
        benchmark=benchmark,
        nav=asked.nav,
        holdings=shares,
        cash=cash,
        max_age=asked.max_age,
        max_receipt_age=asked.max_receipt_age,
        calendar=asked.calendar,
        unaccepted=asked.unaccepted,
        costs=study.costs.load(prices, study.data.reading("costs")).table,
        strategy=study.strategy.name,
        state=asked.state,
    )
    if asked.out is not None:
        write_book(book, Path(asked.out))
    return book


def panels_of(stored: StoredBacktest, study: Study) -> tuple[PredictionPanel, PricePanel, pd.Series | None]:
    """Predictions, not joined yet, prices and benchmark of the run that a study made."""
    prices, benchmark, predictions = inputs_of(study)
    if predictions is None:
        assert isinstance(stored, StoredWalkForward)  # a study without predictions has a model
        predictions = stored.walk.predictions
    return predictions, prices, benchmark


def make_run(study: Study, *, root: Path, progress: Progress | None = None) -> StoredBacktest | StoredSweep:
    """The run of a study whose files are named as seen from the working folder, stored; neither judged nor drawn.

    Raises
    ------
    InputError
        If it names inputs that were in memory, or as `backtest`, `walk_forward` and `sweep` do.

    """
    _refuse_unread(study)
    if study.tune is not None and study.model is None:
        raise InputError("study: [tune] chooses the parameters of a model; add a [model], or take [tune] out")
    if study.sweep is not None:
        with Workers(study.folds.executor, study.folds.workers) as workers:
            return _sweep(study, study.sweep, root, Silent() if progress is None else progress, workers)
    return _backtest(study, root, progress) if study.model is None else _walk_forward(study, root, progress)


def inputs_of(study: Study) -> tuple[PricePanel, pd.Series | None, PredictionPanel | None]:
    """Prices, benchmark and predictions of a study, read as for its run; no predictions where a model makes them."""
    _refuse_unread(study)
    if study.model is not None:
        return (*load_market(study.data), None)
    inputs = load_inputs(study, delay=study.execution.delay)
    return inputs.prices, inputs.benchmark, inputs.predictions


def _refuse_unread(study: Study) -> None:
    """Raise `InputError` if the study names inputs that were in memory, or says how to read files that it has not."""
    if study.data.in_memory:
        raise InputError(
            f"study: {', '.join(study.data.in_memory)} came from memory, not from a file; write them to files "
            "(write_prices, write_predictions), name these, and take in_memory out of [data]"
        )
    holdings = [] if study.positions is None or study.positions.holdings is None else [study.positions.holdings]
    files = [*(name for name in study.files() if not name.endswith(".py")), *holdings]
    refuse_idle(files, study.data.reading("prices"))


def _backtest(study: Study, root: Path, progress: Progress | None) -> StoredBacktest:
    inputs = load_inputs(study, delay=study.execution.delay)
    alone = inputs.predictions.score is None and inputs.predictions.probability_up is not None
    return backtest(
        study.load_strategy(PROBABILITY_STRATEGY if alone else DEFAULT_STRATEGY),
        inputs.predictions,
        inputs.prices,
        benchmark=inputs.benchmark,
        costs=study.costs.load(inputs.prices, study.data.reading("costs")),
        execution=study.execution,
        engine=study.engine,
        checks=study.checks.load(),
        styles=load_styles(study.data),
        executor=study.folds.executor,
        workers=study.folds.workers,
        made_by=inputs.made_by,
        trials_elsewhere=study.checks.trials_elsewhere,
        root=root,
        progress=progress,
        study=replace(study, predictions=study.predictions or PredictionSection()),
        keep=study.report.keep,
    )


def _sweep(study: Study, asked: SweepSection, root: Path, progress: Progress, workers: Workers) -> StoredSweep:
    grid = named_grid(asked.grid.items())
    of_model, rest = parted_grid(grid)
    if of_model and study.model is None:
        raise InputError(f"--grid {PREFIX}{next(iter(of_model))}: of which model? name it with --model, or [model]")
    folds, costs = study.folds, study.data.reading("costs")
    if study.model is None:
        inputs = load_inputs(study, delay=study.execution.delay)
        prices, benchmark, made_by = inputs.prices, inputs.benchmark, inputs.made_by
        predictions: PredictionPanel | list[Variant] = inputs.predictions
    else:
        (prices, benchmark), made_by = load_market(study.data), None
    for line in prices.warnings:
        if line.startswith("lockbox:"):
            progress.say(f"warning: {line}")
    if study.model is not None:
        predictions = model_variants(
            ModelRecipe(study.model.name, study.model.preset, study.model.parameters),
            of_model,
            prices,
            folds.plan(),
            horizon=folds.horizon,
            delay=max(study.execution.delay, 1),
            seeds=folds.all_seeds,
            executor=workers,
            root=root,
            progress=progress,
        )
    stored = sweep(
        study.strategy.name or DEFAULT_STRATEGY,
        rest,
        predictions,
        prices,
        settings=study.settings,
        benchmark=benchmark,
        costs=study.costs.load(prices, costs),
        execution=study.execution,
        clusters=asked.clusters,
        executor=workers,
        made_by=made_by,
        trials_elsewhere=study.checks.trials_elsewhere,
        root=root,
        progress=progress,
        study=study,
    )
    if asked.heatmap is not None:
        from assay.results.report.plots.sweep import write_heatmap

        write_heatmap(stored.evidence.table, grid, Path(asked.heatmap))
    return stored


def _walk_forward(study: Study, root: Path, progress: Progress | None) -> StoredBacktest:
    assert study.model is not None
    named = study.strategy.name is not None
    strategy = study.load_strategy("") if named else None
    model = study.model.load() if study.tune is None else study.tune.around(study.model.load())
    target = None if study.report.save_predictions is None else Path(study.report.save_predictions)
    if target is not None:
        check_target(target, (".parquet",))
    prices, benchmark = load_market(study.data)
    stored = walk_forward(
        model,
        prices,
        study.folds.plan(),
        strategy,
        settings=None if named else study.settings,
        horizon=study.folds.horizon,
        seeds=study.folds.all_seeds,
        benchmark=benchmark,
        costs=study.costs.load(prices, study.data.reading("costs")),
        execution=study.execution,
        baselines=study.checks.baselines,
        checks=study.checks.load(),
        styles=load_styles(study.data),
        executor=study.folds.executor,
        workers=study.folds.workers,
        trials_elsewhere=study.checks.trials_elsewhere,
        root=root,
        progress=progress,
        study=study,
        keep=study.report.keep,
    )
    if target is not None:
        write_predictions(stored.walk.predictions, target)
    return stored
