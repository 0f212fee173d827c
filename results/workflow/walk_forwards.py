"""A walk-forward as a stored run: retrain fold by fold, then backtest what was predicted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from assay.data.atomic import building, locked, put_folder
from assay.data.atomic import sweep as clear_leftovers
from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.backtest import with_tradable_benchmark
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.executors import Workers
from assay.engine.folds import Fold, WalkForward
from assay.engine.leaks import LeakReport
from assay.engine.walk_forward import WalkForwardRun, recipe_of, stored_model_folder
from assay.engine.walk_forward import walk_forward as run_folds
from assay.models.base import Forecaster, require_labels
from assay.results.checks.canaries import SEEDS, Canaries, CanaryPanels, retrain_canaries
from assay.results.checks.trading import Trading
from assay.results.evidence.models import BASELINES, comparison, fold_metrics
from assay.results.evidence.skill import skill_of
from assay.results.evidence.styles import StyleInputs
from assay.results.storage.kept import Keep, kept_tables
from assay.results.storage.lockbox import require_open
from assay.results.storage.object_store import local_root
from assay.results.storage.places import DEFAULT_ROOT
from assay.results.storage.runs import Run
from assay.results.storage.trial_ledger import Record, register, search_of, trial_of
from assay.results.tuning.records import note_searches, tuning_table, without_searches
from assay.results.tuning.tuned import Tuned
from assay.results.workflow.arguments import require_kinds
from assay.results.workflow.backtests import Bookkeeping, JoinedInputs, Origin, StoredBacktest, run_joined, with_sectors
from assay.results.workflow.kept_study import derived, folds_of, keep_study, model_section, sources_of, tune_section
from assay.results.workflow.requests import Checks, Progress, Silent
from assay.results.workflow.study import Study
from assay.strategies.base import EntryRule, Strategy
from assay.strategies.catalog import load_strategy

__all__ = ["DEFAULT_STRATEGY", "PROBABILITY_STRATEGY", "StoredWalkForward", "made_by_folds", "walk_forward"]

#: The strategy where none is named, and the one for predictions that are probabilities alone.
DEFAULT_STRATEGY = "s2_filter_negative"
PROBABILITY_STRATEGY = "confidence"


@dataclass(frozen=True, eq=False, repr=False)
class StoredWalkForward(StoredBacktest):
    """A walk-forward that is stored, with the backtest of its predictions.

    Parameters
    ----------
    walk : predictions, folds, training logs.

    Examples
    --------
    >>> from assay import Checks, WalkForward, load_model, synthetic_market
    >>> prices, _ = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> plan = WalkForward(train=30, retrain=10)
    >>> stored = walk_forward(load_model("momentum", lookback=5), prices, plan, baselines=False, checks=Checks())
    >>> stored.walk.predictions.receipts["fold"].tolist()
    [0, 1, 2]

    """

    walk: WalkForwardRun


def walk_forward(
    model: Forecaster,
    prices: PricePanel,
    plan: WalkForward,
    strategy: Strategy | EntryRule | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    horizon: int = 1,
    seeds: Sequence[int] = (0,),
    benchmark: pd.Series | None = None,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    baselines: bool = True,
    checks: Checks | None = None,
    styles: StyleInputs | None = None,
    executor: Literal["serial", "process", "ray"] = "serial",
    workers: int | None = None,
    trials_elsewhere: int = 0,
    root: Path | str = DEFAULT_ROOT,
    progress: Progress | None = None,
    study: Study | None = None,
    keep: Keep = "auto",
) -> StoredWalkForward:
    """Retrain a model fold by fold, then backtest, check, count and store what it predicted.

    Finished folds are kept under the results folder: a run that was killed goes on where it stopped, with the same
    bytes.

    Parameters
    ----------
    model : an unfitted recipe, see `assay.models.catalog.load_model`.
    prices : (T, N), the whole panel.
    plan : when to retrain, on how much.
    strategy : what trades the predictions; default `s2_filter_negative`, or `confidence` for a model that gives
        probabilities alone.
    settings : parameters of that default.
    horizon : sessions that a prediction spans.
    seeds : fits of each fold; predictions are averaged.
    benchmark, costs, execution, trials_elsewhere, root, progress, study, keep : as for `backtest`.
    baselines : whether to run `assay.results.evidence.models.BASELINES` beside the model.
    checks : which checks to make; default leak tests and styles.
    styles : as for `backtest`.
    executor, workers : where folds are fit; the figures are the same.

    Raises
    ------
    InputError
        If the plan or an option cannot be, or model or strategy need what the prices lack.
    LookAheadError
        If a fitted model has seen what lies after its cutoff.
    TrainingError
        If a fit fails; the finished folds stay.

    Examples
    --------
    >>> from assay import Checks, WalkForward, load_model, synthetic_market
    >>> prices, _ = synthetic_market(60, 6, ic=0.1, seed=0)
    >>> plan = WalkForward(train=30, retrain=10)
    >>> stored = walk_forward(load_model("momentum", lookback=5), prices, plan, baselines=False, checks=Checks())
    >>> len(stored.walk.folds)
    3

    """
    started = time.perf_counter()
    require_kinds("walk_forward", model=model, prices=prices, plan=plan, benchmark=benchmark, costs=costs,
                  execution=execution, checks=checks, styles=styles)  # fmt: skip
    if strategy is not None:
        require_kinds("walk_forward", strategy=strategy)
    require_open(prices, "walk_forward")
    kept_tables({}, keep)
    root, progress = local_root(root), Silent() if progress is None else progress
    checks = Checks(leaks=True, styles=True) if checks is None else checks
    checks = checks if styles is None else replace(checks, styles=True)
    costs, execution = CostModel() if costs is None else costs, Execution() if execution is None else execution
    chosen = load_strategy(DEFAULT_STRATEGY, **(settings or {})) if strategy is None else strategy
    prices = with_sectors(prices, chosen, styles)
    with_tradable_benchmark(chosen, prices, benchmark).require(chosen.needs, chosen.name)
    folds, seeds = plan.split(prices.sessions), tuple(seeds)
    fits = _Fits(model, folds, horizon, max(execution.delay, 1), root / ".walk-forward")
    if checks.canaries:
        require_labels(model)
        progress.say(_canary_cost(checks.canary_seeds, len(seeds), len(folds)))

    panels: CanaryPanels | None = None
    with Workers(executor, workers) as opened:

        def retrain(of: tuple[int, ...], name: str, labels: CanaryLabels | None) -> WalkForwardRun:
            return fits.run(prices, of, name, opened, progress, labels)

        walk = retrain(seeds, model.name, None)
        if checks.canaries:
            panels = retrain_canaries(retrain, walk, count=checks.canary_seeds)
        beside = fits.baselines(prices, opened, progress) if baselines else {}
        opened.rest()
        if strategy is None and walk.predictions.score is None:
            chosen = load_strategy(PROBABILITY_STRATEGY, **(settings or {}))
        trading = Trading(chosen, costs, execution)
        origin = _origin(model, plan, walk, checks.leaks)
        panels_beside = {model.name: walk.predictions, **beside}
        origin = replace(origin, tables=_tables(trading, walk, panels_beside, prices, benchmark))
        if checks.importance:
            worth = fits.importance(prices, seeds, checks.importance_draws, execution.fill_at(prices), progress)
            origin = replace(origin, tables={**origin.tables, **worth})
        if isinstance(model, Tuned):
            inside = search_of({**origin.config, "horizon": horizon})
            note_searches(model, walk.logs, prices, horizon=horizon, inside=inside)
        if panels is not None:
            traded = with_tradable_benchmark(chosen, prices, benchmark)
            origin = replace(origin, canaries=Canaries.run(trading, panels, walk.predictions, traded))
        register(_beside(beside, prices, plan, execution), prices)
        inputs = JoinedInputs(walk.predictions, prices, benchmark, styles=styles)
        # What a model predicted follows from nothing else that is kept.
        ledger = Bookkeeping(root, trials_elsewhere, "all" if keep == "auto" else keep, opened)
        stored = run_joined(trading, inputs, origin, "native", checks, ledger, progress, started)
    missing = fits.keep(stored.run, prices, seeds)
    if missing:
        progress.say(f"warning: {missing} checkpoints were removed meanwhile and are not kept with the run")
    recipe, lost = model_section(model)
    asked = sources_of(prices, None, benchmark, styles) if study is None else study
    ran = derived(
        replace(asked, data=replace(asked.data, in_memory=(*asked.data.in_memory, *lost))),
        strategy=chosen,
        costs=costs,
        checks=replace(checks, styles=checks.styles or stored.run.has("style_returns")),
        baselines=baselines,
        trials_elsewhere=trials_elsewhere,
        model=recipe,
        tune=tune_section(model),
        folds=folds_of(plan, horizon, seeds, executor, workers),
        execution=execution,
        keep=stored.run.kept,
    )
    keep_study(stored.run, ran)
    return StoredWalkForward(stored.run, stored.result, stored.evidence, stored.checks, walk)


@dataclass(frozen=True, eq=False)
class _Fits:
    """The fits of one recipe over the folds of a walk-forward."""

    model: Forecaster
    folds: Sequence[Fold]
    horizon: int
    delay: int
    folder: Path

    def run(
        self,
        prices: PricePanel,
        seeds: tuple[int, ...],
        name: str,
        workers: Workers,
        progress: Progress,
        labels: CanaryLabels | None,
    ) -> WalkForwardRun:
        """Fit every fold and seed on these prices, with a canary's labels where there are any."""
        progress.advance(name, 0, len(self.folds) * len(seeds))
        return run_folds(
            self.model,
            prices,
            self.folds,
            horizon=self.horizon,
            delay=self.delay,
            seeds=seeds,
            executor=workers,
            folder=self.folder,
            progress=lambda done, total, note, running: progress.advance(name, done, total, note, running),
            labels=labels,
        )

    def baselines(self, prices: PricePanel, workers: Workers, progress: Progress) -> dict[str, PredictionPanel]:
        """Predictions of the models that every other has to beat, on the same folds."""
        from assay.models.catalog import load_model

        panels = {}
        for name in BASELINES:
            if name == self.model.name:
                continue
            progress.advance(f"baseline {name}", 0, 1)
            panels[name] = run_folds(
                load_model(name), prices, self.folds, horizon=self.horizon, delay=self.delay, executor=workers
            ).predictions
            progress.advance(f"baseline {name}", 1, 1)
        return panels

    def stored(self, prices: PricePanel, fold: Fold, seed: int) -> Path:
        """Where the checkpoint of a fold and seed lies."""
        return stored_model_folder(
            self.folder, self.model, prices, self.folds, fold, seed, (self.horizon, self.delay)
        )

    def importance(
        self, prices: PricePanel, seeds: Sequence[int], draws: int, fill: str | None, progress: Progress
    ) -> dict[str, pd.DataFrame]:
        """What each feature is worth to the fits of every fold and seed."""
        from assay.results.evidence.importance import permutation_importance

        wanted = [(fold, seed, self.stored(prices, fold, seed)) for fold in self.folds for seed in seeds]
        away = [folder for _, _, folder in wanted if not folder.is_dir()]
        if away:
            raise InputError(f"importance: {len(away)} checkpoints are gone, the first {away[0]}; run it again")
        done = 0

        def advance(note: str) -> None:
            nonlocal done
            done += 1
            progress.advance("importance", done, len(wanted), note)

        progress.advance("importance", 0, len(wanted))
        fits = ((fold, seed, self.model.load(folder)) for fold, seed, folder in wanted)
        return permutation_importance(self.model, fits, prices, draws=draws, fill=fill, progress=advance)

    def keep(self, run: Run, prices: PricePanel, seeds: Sequence[int]) -> int:
        """Copy the checkpoint of every fold and seed into the run folder; how many are not there any more."""
        missing, place = 0, run.path / "models"
        for fold in self.folds:
            for seed in seeds:
                source = self.stored(prices, fold, seed)
                target = place / f"fold{fold.number:03d}-seed{seed}"
                missing += not source.is_dir()
                if not source.is_dir() or target.exists():
                    continue
                place.mkdir(exist_ok=True)
                clear_leftovers(place)
                with building(target) as staging:
                    shutil.copytree(source, staging, dirs_exist_ok=True)
                    with locked(place):
                        if not target.exists():  # another walk-forward of the same run may have kept it meanwhile
                            put_folder(staging, target)
        return missing


def _canary_cost(count: int, seeds: int, folds: int) -> str:
    """How many fits the canaries take."""
    others = max(0, SEEDS - seeds)
    fits = (count * seeds + 1 + others) * folds
    return (
        f"canaries: {count} shuffles of the labels × {seeds} {'seed' if seeds == 1 else 'seeds'}, an answer to find, "
        f"{others} other seeds: {fits:,} fits beside the model's {seeds * folds:,}"
    )


def _day(session: str | pd.Timestamp | None) -> str | None:
    return None if session is None else str(pd.Timestamp(session).date())


def made_by_folds(model: Forecaster, plan: WalkForward, seeds: Sequence[int]) -> dict[str, object]:
    """What a run's config says of predictions that a walk-forward made."""
    settings: dict[str, object] = {
        "train": "expanding" if plan.train is None else str(plan.train),
        "retrain": str(plan.retrain),
        "embargo": plan.embargo,
        "start": _day(plan.start),
        "end": _day(plan.end),
    }
    if plan.train is None:
        settings["minimum_train"] = plan.minimum_train
    return {"recipe": recipe_of(model), "walk_forward": settings, "seeds": list(seeds)}


def _origin(model: Forecaster, plan: WalkForward, walk: WalkForwardRun, leaks: bool) -> Origin:
    """What the config, the manifest and the metrics say of a walk-forward."""
    seeds = list(walk.by_seed)
    logs = {f"fold {fold} seed {seed}": log for (fold, seed), log in sorted(without_searches(walk.logs).items())}
    return Origin(
        made_by_folds(model, plan, seeds),
        LeakReport(("predictions",), walk.retested_at) if leaks else None,
        metrics={"training_logs": logs},
        notes={"seeds": seeds},
    )


def _beside(
    panels: Mapping[str, PredictionPanel], prices: PricePanel, plan: WalkForward, execution: Execution
) -> list[Record]:
    """The baselines as trials: whoever sees them beside the model could choose one."""
    out = []
    for name, panel in panels.items():
        skill = skill_of(panel, prices, fill=execution.fill_at(prices))
        if skill is not None:
            config = {"model": name, "baseline": True, "retrain": str(plan.retrain), "horizon": panel.horizon}
            out.append(Record(trial_of(config, family="baseline"), panel.fingerprint, skill=skill.known))
    return out


def _tables(
    trading: Trading,
    walk: WalkForwardRun,
    panels: Mapping[str, PredictionPanel],
    prices: PricePanel,
    benchmark: pd.Series | None,
) -> dict[str, pd.DataFrame]:
    """Folds, training curves, and the model beside its baselines and its own seeds."""

    def compared(these: Mapping[str, PredictionPanel]) -> tuple[pd.DataFrame, pd.DataFrame]:
        return comparison(
            trading.strategy,
            these,
            prices,
            costs=trading.costs,
            execution=trading.execution,
            benchmark=benchmark,
        )

    fill = trading.execution.fill_at(prices)
    beside, books = compared(panels)
    tables = {
        "folds": walk.folds,
        "fold_metrics": fold_metrics(walk.predictions, walk.folds, prices, fill=fill),
        "baselines": beside,
        "baseline_returns": books.iloc[:, 1:],
    }
    skills = {name: skill_of(panel, prices, fill=fill) for name, panel in panels.items()}
    known = {name: skill.x for name, skill in skills.items() if skill is not None}
    if known:
        tables["baseline_skill"] = pd.concat(known, axis="columns", sort=True).dropna(how="all")
    tried = tuning_table(walk.logs)
    if len(tried):
        tables["tuning"] = tried
    if len(walk.training):
        tables["training"] = walk.training
    if len(walk.by_seed) > 1:
        tables["seeds"] = compared({f"seed {seed}": panel for seed, panel in walk.by_seed.items()})[0]
    return tables
