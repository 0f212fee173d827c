"""A study: all that makes a run, as one frozen value; `assay.results.workflow.study_files` reads and writes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

from assay.data.errors import InputError
from assay.data.files.options import LayoutName, ReadOptions
from assay.data.panel import PricePanel
from assay.data.plugins import is_file_plugin
from assay.engine.costs import COST_FIELDS, CostModel, CostTable
from assay.engine.execution import Execution
from assay.engine.folds import WalkForward
from assay.engine.own_costs import with_own_costs
from assay.models.base import Forecaster
from assay.models.catalog import load_model
from assay.results.tuning.tuned import Tuned
from assay.results.workflow.reading import columns_of
from assay.results.workflow.requests import Checks
from assay.strategies.base import EntryRule, Strategy
from assay.strategies.catalog import load_strategy

__all__ = [
    "CheckSection",
    "CostSection",
    "DataSection",
    "FoldSection",
    "GateSection",
    "ModelSection",
    "OverlaySection",
    "PositionSection",
    "PredictionSection",
    "ReportSection",
    "StrategySection",
    "Study",
    "SweepSection",
    "TuneSection",
    "portable",
]


@dataclass(frozen=True)
class DataSection:
    """Prices, a benchmark, and how to read their files; no prices means the embedded sample.

    Parameters
    ----------
    prices : file of prices; `data formats` lists what is read.
    benchmark : file of daily returns or prices to compare with.
    repair : "drop" leaves out rows that fail the checks, and says so.
    quality_checks : your own checks of the prices, by path.
    columns : field to the file's own column name, e.g. close = "PX_LAST" or "predictions.score" = "y".
    layout : of the prices, where a file may be two: long, single, wide or fields.
    predictions_layout : the same, of the predictions.
    date_format : of dates as text, e.g. "%d/%m/%Y"; or "excel".
    decimal : the decimal sign of numbers as text.
    tz : the exchange's zone, where stamps have one, e.g. "America/New_York".
    open_lockbox : why sealed sessions are read, too; noted in the ledger each time.
    universe : file of memberships (asset, from, to), or your function of prices, ./file.py:NAME; only members are
        ranked, traded and trained on.
    delisting_returns : file of what holders were paid after the last close (asset, return).
    sectors : file of the sector of each asset.
    market_caps : file of market values by date and asset, for size.
    factors : file of returns of factors of one's own.
    regimes : file of regimes of one's own (date, regime).
    in_memory : inputs of the run that came from no file; a study that names any cannot be run.

    """

    prices: str | None = None
    benchmark: str | None = None
    repair: Literal["drop"] | None = None
    quality_checks: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    layout: LayoutName | None = None
    predictions_layout: LayoutName | None = None
    date_format: str | None = None
    decimal: Literal[".", ","] | None = None
    tz: str | None = None
    open_lockbox: str | None = None
    universe: str | None = None
    delisting_returns: str | None = None
    sectors: str | None = None
    market_caps: str | None = None
    factors: str | None = None
    regimes: str | None = None
    in_memory: tuple[str, ...] = ()

    def reading(self, role: str) -> ReadOptions:
        """How one file is read.

        What is said of a field holds for prices and predictions, as far as they have it; of another file it is said
        with its kind before the field: ``benchmark.close``, ``receipts.session``, ``sectors.asset``.

        Parameters
        ----------
        role : the kind of file, a key of `assay.results.workflow.reading.ROLES`.

        Raises
        ------
        InputError
            If an item names no field, file or layout.

        """
        layout = {"prices": self.layout, "predictions": self.predictions_layout}.get(role)
        return ReadOptions(columns_of(role, self.columns), layout, self.date_format, self.decimal, self.tz, shared=True)


@dataclass(frozen=True)
class PredictionSection:
    """Predictions that someone else made; without a file, those that ship with the sample.

    Parameters
    ----------
    file : long: date, asset, score and/or probability_up, buy, sell, hold.
    receipts : file of what the model had seen, a row a fold.
    unit : what a score means; a rank has no sign.
    zero_is_neutral : 0 separates up from down although the unit is rank.
    horizon : sessions a prediction spans.
    start, end : first and last session of predictions used.

    """

    file: str | None = None
    receipts: str | None = None
    unit: Literal["return", "rank"] = "return"
    zero_is_neutral: bool = False
    horizon: int = 1
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class ModelSection:
    """A model to retrain fold by fold; with it there are no [predictions].

    Parameters
    ----------
    name : of `models list`, or package.module:Class, or ./file.py:Class.
    preset : named parameters of the model; see `models show`.
    parameters : of the model, over those of the preset.

    """

    name: str
    preset: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Forecaster:
        """The recipe."""
        return load_model(self.name, preset=self.preset, **self.parameters)


@dataclass(frozen=True)
class TuneSection:
    """Hyper-parameters that each fold chooses on the tail of its training sessions; needs a [model] and optuna.

    Parameters
    ----------
    parameters : of the model, each with { low, high, log, step } or a list of values.
    trials : configurations in each fold.
    validation : share of the training sessions, at their end, that a configuration is judged on.
    seed : of the search.
    prune : whether one is given up in training where its loss lies above the median of those before it.

    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    trials: int = 30
    validation: float = 0.2
    seed: int = 0
    prune: bool = True

    def around(self, model: Forecaster) -> Forecaster:
        """The recipe that tunes a model, see `assay.results.tuning.tuned.Tuned`."""
        settings = {item.name: getattr(self, item.name) for item in fields(self)}
        return cast(Forecaster, Tuned(base=model, **settings))


@dataclass(frozen=True)
class FoldSection:
    """When the model is retrained, on how much.

    Parameters
    ----------
    train : sessions in the rolling window, or "expanding".
    minimum_train : sessions an expanding window holds at first.
    retrain : "monthly", "quarterly", "yearly", or a number of sessions.
    embargo : sessions between cutoff and first prediction.
    horizon : sessions a prediction spans.
    start, end : first and last session to predict.
    seeds : fits of each fold, whose predictions are averaged; or the list of them.
    executor : where folds are fit; the figures are the same.
    workers : how many at once; default and most: the cores.

    """

    train: int | Literal["expanding"] = 1260
    minimum_train: int = 504
    retrain: Literal["monthly", "quarterly", "yearly"] | int = "yearly"
    embargo: int = 0
    horizon: int = 1
    start: str | None = None
    end: str | None = None
    seeds: int | tuple[int, ...] = 1
    executor: Literal["serial", "process", "ray"] = "process"
    workers: int | None = None

    def plan(self) -> WalkForward:
        """When to retrain, on how much."""
        return WalkForward(
            train=None if self.train == "expanding" else self.train,
            retrain=self.retrain,
            embargo=self.embargo,
            minimum_train=self.minimum_train,
            start=self.start,
            end=self.end,
        )

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """The seeds, 0, 1, … where only their number is given."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


@dataclass(frozen=True)
class StrategySection:
    """What trades the predictions.

    Parameters
    ----------
    name : of `strategies list`, or package.module:Class, or ./file.py:Class; default s2_filter_negative, or confidence
        where the predictions are probabilities alone.
    parameters : of the strategy; see `strategies show`.

    """

    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OverlaySection:
    """What is done to the weights after selection; what is left open is the strategy's own.

    Parameters
    ----------
    smoothing : weight on yesterday's smoothed weight; 0 is none.
    vol_target : annual volatility aimed at, e.g. 0.08, or "none".
    kill_switches : whether the day, five-day and sixty-day switches are armed.
    every : when orders are placed: every n sessions, "week" or "month".
    phase : sessions by which that schedule is shifted.
    sleeves : the target is the mean of the rule's last so many decisions.
    aim : whether a part of the way is traded alone, at a pace from what past targets still knew as they aged.
    band : an asset no further than this from its target is not traded, a fraction of NAV.
    band_total : nothing is traded while ½Σ|target − held| is at most this.
    turnover_budget : most that a session trades, ½Σ|traded value|/NAV, or "none".

    """

    smoothing: float | None = None
    vol_target: float | Literal["none"] | None = None
    kill_switches: bool | None = None
    every: int | Literal["week", "month"] | None = None
    phase: int | None = None
    sleeves: int | None = None
    aim: bool | None = None
    band: float | None = None
    band_total: float | None = None
    turnover_budget: float | Literal["none"] | None = None


@dataclass(frozen=True)
class CostSection(CostModel):
    """Costs of trading and of holding.

    Parameters
    ----------
    files : tables of costs by asset, date or both.
    model : your own class whose rates(prices) gives costs: package.module:Class or ./file.py:Class.
    parameters : of that class.

    """

    files: tuple[str, ...] = ()
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def load(self, prices: PricePanel, options: ReadOptions | None = None) -> CostModel:
        """The cost model, with the tables of its files and the rates of its class.

        Parameters
        ----------
        prices : what the class is handed, the whole panel.
        options : how the files are read.

        """
        if self.parameters and self.model is None:
            raise InputError("costs: parameters are of a class of one's own; name it as model (--cost-model)")
        rates = {name: getattr(self, name) for name in COST_FIELDS}
        costs = CostModel(**rates, table=CostTable.load(self.files, options) if self.files else self.table)
        return costs if self.model is None else with_own_costs(costs, self.model, self.parameters, prices)


@dataclass(frozen=True)
class CheckSection(Checks):
    """Which checks to make; each takes time, so none is made unasked.

    Parameters
    ----------
    baselines : run the baselines beside the model.
    trials_elsewhere : trials made outside the ledger, added to its count.

    """

    baselines: bool = True
    trials_elsewhere: int = 0

    def load(self) -> Checks:
        """The checks alone."""
        return Checks(**{item.name: getattr(self, item.name) for item in fields(Checks)})


@dataclass(frozen=True)
class GateSection:
    """Judge the run when it is stored; the exit code is then the gate's.

    Parameters
    ----------
    policy : production, selection, research, challenger, or a file.
    champion : the run to compare with.

    """

    policy: str
    champion: str | None = None


@dataclass(frozen=True)
class ReportSection:
    """What is drawn and written beside the run.

    Parameters
    ----------
    tearsheet : draw the tear sheet into the run folder.
    save_predictions : also write a model's predictions to this Parquet file, with their receipts.
    keep : which tables the run stores: all, of those by asset and session the target weights alone, or none of them;
        auto is weights for a backtest of more than 5 million sessions × assets, else all.

    """

    tearsheet: bool = False
    save_predictions: str | None = None
    keep: Literal["auto", "all", "weights", "returns"] = "auto"


@dataclass(frozen=True)
class PositionSection:
    """What the run holds next, on the very panels that it was made on.

    Parameters
    ----------
    nav : currency to spread over the targets; gives shares.
    holdings : file of what is held: asset, shares, and a row "cash"; gives the orders.
    out : CSV or Parquet file to write.
    state : existing folder to begin what the next session needs in; `positions RUN --state` goes on with it.
    max_age : sessions that the last prediction may be older than the last price.
    max_receipt_age : calendar days that the model of the last prediction may be old, by its receipt.
    calendar : an exchange, e.g. "XNYS", whose last closed session the prices must reach.
    unaccepted : ask a run that the gate has not passed, too.

    """

    nav: float | None = None
    holdings: str | None = None
    out: str | None = None
    state: str | None = None
    max_age: int = 0
    max_receipt_age: int | None = None
    calendar: str | None = None
    unaccepted: bool = False


@dataclass(frozen=True)
class SweepSection:
    """A grid in the place of one run: every cell is a backtest and a trial, and what the choice is worth is stored.

    Parameters
    ----------
    grid : parameter → list of values: of the strategy or its overlays, a cost (cost_bps), delay, fill, or, with a
        [model], model.NAME.
    clusters : also count independent trials by clustering the ledger's returns.
    heatmap : PNG file to draw the net Sharpe over the first two parameters into.

    """

    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    clusters: bool = False
    heatmap: str | None = None


@dataclass(frozen=True)
class Study:
    """All that makes a run. Files are named relative to the study's own folder.

    Parameters
    ----------
    engine : who simulates the final weights of a backtest.
    data, predictions, model, tune, folds, strategy, overlays, costs, execution, sweep, checks, gate, report,
        positions : the sections.
    made_from : file → SHA-256 of what a stored run was made from; a run writes it, `runs rerun` reads it.

    Raises
    ------
    InputError
        If it names both a model and predictions, both engines in a walk-forward, or a sweep and what is of one run.

    """

    engine: Literal["native", "vectorbt"] = "native"
    data: DataSection = field(default_factory=DataSection)
    predictions: PredictionSection | None = None
    model: ModelSection | None = None
    tune: TuneSection | None = None
    folds: FoldSection = field(default_factory=FoldSection)
    strategy: StrategySection = field(default_factory=StrategySection)
    overlays: OverlaySection = field(default_factory=OverlaySection)
    costs: CostSection = field(default_factory=CostSection)
    execution: Execution = field(default_factory=Execution)
    sweep: SweepSection | None = None
    checks: CheckSection = field(default_factory=CheckSection)
    gate: GateSection | None = None
    report: ReportSection = field(default_factory=ReportSection)
    positions: PositionSection | None = None
    made_from: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.model is not None and self.predictions is not None:
            raise InputError("study: [model] and [predictions] exclude each other; leave one out")
        if self.model is not None and self.engine != "native":
            raise InputError("study: engine 'vectorbt' is of a backtest; a walk-forward has the native one")
        if self.sweep is not None and (of_one_run := self._of_one_run()):
            raise InputError(f"study: [sweep] makes a grid of runs; take out what is of one: {', '.join(of_one_run)}")

    def _of_one_run(self) -> list[str]:
        """What is said here that a sweep does not read."""
        data = self.data
        said = {
            "engine": self.engine != "native",
            "[data] sectors, market_caps, factors, regimes": any(
                (data.sectors, data.market_caps, data.factors, data.regimes)
            ),
            "[tune]": self.tune is not None,
            "[checks]": self.checks.load() != Checks(),
            "[gate]": self.gate is not None,
            "[report]": self.report != ReportSection(),
            "[positions]": self.positions is not None,
        }
        return [name for name, given in said.items() if given]

    @property
    def settings(self) -> dict[str, Any]:
        """Parameters of the strategy, its overlays among them."""
        overlays = {item.name: getattr(self.overlays, item.name) for item in fields(self.overlays)}
        return {**self.strategy.parameters, **{name: value for name, value in overlays.items() if value is not None}}

    def load_strategy(self, default: str) -> Strategy | EntryRule:
        """The strategy with its parameters; `default` where none is named."""
        return load_strategy(self.strategy.name or default, **self.settings)

    def files(self) -> tuple[str, ...]:
        """The files that the figures depend on, plug-ins among them; as they are named here."""
        given = self.predictions or PredictionSection()
        data = self.data
        own = data.universe is not None and ":" in data.universe and not Path(data.universe).is_file()
        named = [data.prices, data.benchmark, None if own else data.universe, data.delisting_returns]
        named += [data.sectors, data.market_caps, data.factors, data.regimes]
        named += [given.file, given.receipts, *self.costs.files]
        named += [part.rpartition(":")[0] for part in self.parts() if is_file_plugin(part)]
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def parts(self) -> list[str]:
        """The names of parts that may be a person's own."""
        model = self.model
        of_model = [] if model is None else [model.name, *(str(model.parameters.get(key, "")) for key in _MODEL_PARTS)]
        single = [self.strategy.name, self.costs.model, self.data.universe]
        return [*of_model, *(name or "" for name in single), *self.data.quality_checks, *self.checks.metrics]

    def located(self, place: Mapping[str, str] | None = None, *, below: Path | None = None) -> Study:
        """The study with other names for its files: those of `place`, or as seen from here for one that lies `below`.

        Parameters
        ----------
        place : name → the name to take its place; others stay.
        below : the folder that the names are relative to.

        """
        if below is not None:
            place = {name: _from_here(below / name) for name in self.paths()}
        names = place or {}

        def moved(name: str | None) -> str | None:
            return None if name is None else names.get(name, name)

        def plugin(name: str) -> str:
            file, colon, rest = name.rpartition(":")
            return f"{_as_plugin(names.get(file, file))}{colon}{rest}" if is_file_plugin(name) else name

        model, strategy = self.model, self.strategy
        if model is not None:
            own = {key: model.parameters[key] for key in _MODEL_PARTS if key in model.parameters}
            own = {key: plugin(value) if isinstance(value, str) else value for key, value in own.items()}
            model = replace(model, name=plugin(model.name), parameters={**model.parameters, **own})
        if strategy.name is not None:
            strategy = replace(strategy, name=plugin(strategy.name))
        given, gate, data, book, sweep = self.predictions, self.gate, self.data, self.positions, self.sweep
        if sweep is not None:
            sweep = replace(sweep, heatmap=moved(sweep.heatmap))
        if book is not None:
            book = replace(book, holdings=moved(book.holdings), out=moved(book.out), state=moved(book.state))
        data = replace(
            data,
            prices=moved(data.prices),
            benchmark=moved(data.benchmark),
            sectors=moved(data.sectors),
            market_caps=moved(data.market_caps),
            factors=moved(data.factors),
            regimes=moved(data.regimes),
            universe=None if data.universe is None else plugin(names.get(data.universe, data.universe)),
            delisting_returns=moved(data.delisting_returns),
            quality_checks=tuple(map(plugin, data.quality_checks)),
        )
        costs = replace(
            self.costs,
            files=tuple(names.get(name, name) for name in self.costs.files),
            model=None if self.costs.model is None else plugin(self.costs.model),
        )
        if given is not None:
            given = replace(given, file=moved(given.file), receipts=moved(given.receipts))
        if gate is not None:
            gate = replace(gate, policy=moved(gate.policy) or "")
        return replace(
            self,
            data=data,
            predictions=given,
            model=model,
            strategy=strategy,
            costs=costs,
            sweep=sweep,
            checks=replace(self.checks, metrics=tuple(map(plugin, self.checks.metrics))),
            gate=gate,
            report=replace(self.report, save_predictions=moved(self.report.save_predictions)),
            positions=book,
            made_from={names.get(name, name): digest for name, digest in self.made_from.items()},
        )

    def paths(self) -> list[str]:
        """Every name that is a path, inputs or not."""
        policy = [] if self.gate is None or not self.gate.policy.endswith(".toml") else [self.gate.policy]
        book = self.positions or PositionSection()
        drawn = None if self.sweep is None else self.sweep.heatmap
        beside = (self.report.save_predictions, book.holdings, book.out, book.state, drawn)
        return [*self.files(), *policy, *(name for name in beside if name is not None), *self.made_from]


#: Parameters of a model that may name a part.
_MODEL_PARTS = ("feature_set", "label")


def _as_plugin(path: str) -> str:
    return path if os.path.isabs(path) or path.startswith(".") else f"./{path}"


def _from_here(path: Path) -> str:
    """A path as one would type it in the working folder: relative below it, else absolute."""
    found = os.path.normpath(os.path.abspath(path))
    here = os.getcwd()
    return os.path.relpath(found, here) if os.path.commonpath([found, here]) == here else found


def portable(path: str, folder: Path) -> str:
    """A path as a study in `folder` names it: relative where both lie below the working folder, else absolute."""
    found, home, here = (os.path.abspath(item) for item in (path, folder, os.getcwd()))
    if os.path.commonpath([found, home, here]) != here:
        return found
    return Path(os.path.relpath(found, home)).as_posix()
