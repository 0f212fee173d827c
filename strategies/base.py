"""What a strategy is: predictions and prices in, target weights out; or a rule that enters and exits bar by bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Literal, Protocol, Self, runtime_checkable

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.lazy import MadeWhenRead
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import require_types

__all__ = [
    "Decision",
    "EntryRule",
    "EntrySignals",
    "Event",
    "Every",
    "LastDecision",
    "Overlays",
    "OwnCosts",
    "Resumes",
    "Strategy",
    "WeighsCosts",
    "WithOverlays",
    "decide",
    "entry_signals",
    "family_of",
    "memory_of",
    "reads_of",
]

#: session, asset ("" for the portfolio), kind, detail: a row of `BacktestResult.events`.
Event = tuple[pd.Timestamp, str, str, str]


#: Costs of a strategy that is asked outside a run: those of `assay.engine.costs.CostModel` by default.
_USUAL_TRADE_BPS, _USUAL_BORROW_BPS = 5.0, 50.0


#: When orders are placed: every so many sessions, or once a week or a month.
Every = int | Literal["week", "month"]
#: Sessions of a period on which its one order can be placed.
_STARTS: Mapping[object, int] = {"week": 5, "month": 21}
#: Metadata of a parameter that a run names only where it is not at its default: runs and trials of before it existed
#: keep their identity.
QUIET: Mapping[str, object] = {"quiet": True}


@dataclass(frozen=True)
class Overlays:
    """What is done to the weights of any strategy after selection; each step is optional.

    In this order: sleeves, smoothing, vol target, every, aim, band and turnover budget, kill switches. What decides
    when and how much is traded comes after what decides what is wanted, and the switches last: they wait for no one.

    Parameters
    ----------
    smoothing : weight on yesterday's smoothed weight: wₜ = a·wₜ₋₁ + (1−a)·targetₜ; 0 = none.
    vol_target : annualised volatility aimed at, e.g. 0.08; None = none.
    kill_switches : whether the day, five-day and sixty-day switches are armed.
    every : when orders are placed: every n sessions, or at the first session of each week or month.
    phase : sessions by which that schedule is shifted; below n, 5 or 21.
    sleeves : portfolios that overlap: the target is the mean of the rule's last so many decisions; 1 = none.
    aim : whether a session trades a part of the way alone, towards targets scaled to what it costs to follow them; both
        from what the targets of the past have known as they aged (`assay.engine.aim`).
    band : an asset whose target is no further than this from what the book holds is not traded, a fraction of NAV.
    band_total : nothing is traded while ½Σ|target − held| is at most this.
    turnover_budget : most that a session trades, ½Σ|traded value|/NAV: all orders are cut by one factor; None = no cap.

    Examples
    --------
    >>> Overlays(smoothing=0.85, vol_target=0.08, kill_switches=True).vol_target
    0.08

    """

    smoothing: float = 0.0
    vol_target: float | None = None
    kill_switches: bool = False
    every: Every = 1
    phase: int = 0
    sleeves: int = 1
    aim: bool = False
    band: float = 0.0
    band_total: float = 0.0
    turnover_budget: float | None = None

    def __post_init__(self) -> None:
        require_types("overlays", self)
        if not 0 <= self.smoothing < 1:
            raise InputError(f"overlays: smoothing must lie in [0, 1), got {self.smoothing!r}")
        for name in ("vol_target", "turnover_budget"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise InputError(f"overlays: {name} must be above 0 (or none), got {value!r}")
        if self.every not in _STARTS and not (isinstance(self.every, int) and self.every >= 1):
            raise InputError(f"overlays: every must be at least 1 session, 'week' or 'month', got {self.every!r}")
        if not 0 <= self.phase < self.starts:
            raise InputError(f"overlays: phase must be at least 0 and below {self.starts}, got {self.phase!r}")
        if self.sleeves < 1:
            raise InputError(f"overlays: sleeves must be at least 1, got {self.sleeves!r}")
        for name in ("band", "band_total"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise InputError(f"overlays: {name} must be finite and at least 0, got {value!r}")

    @property
    def starts(self) -> int:
        """Phases that `every` can have."""
        return _STARTS.get(self.every) or int(self.every)

    @property
    def follows_holdings(self) -> bool:
        """Whether what is traded depends on what the book holds."""
        return bool(self.aim or self.band or self.band_total or self.turnover_budget)

    @property
    def paced(self) -> bool:
        """Whether anything stands between what is wanted and what is ordered, the switches aside."""
        return self.every != 1 or self.follows_holdings


@dataclass(frozen=True, kw_only=True)
class WithOverlays:
    """The overlays as parameters of the strategy that inherits them; off unless it says otherwise.

    Parameters
    ----------
    smoothing, vol_target, kill_switches : as in `Overlays`.
    every, phase, sleeves, aim, band, band_total, turnover_budget : as in `Overlays`.

    """

    smoothing: float = 0.0
    vol_target: float | None = None
    kill_switches: bool = False
    every: Every = field(default=1, metadata=QUIET)
    phase: int = field(default=0, metadata=QUIET)
    sleeves: int = field(default=1, metadata=QUIET)
    aim: bool = field(default=False, metadata=QUIET)
    band: float = field(default=0.0, metadata=QUIET)
    band_total: float = field(default=0.0, metadata=QUIET)
    turnover_budget: float | None = field(default=None, metadata=QUIET)

    def __post_init__(self) -> None:
        require_types(getattr(self, "name", type(self).__name__), self)
        _ = self.overlays  # refuses what cannot be, at construction

    @property
    def overlays(self) -> Overlays:
        """What the engine applies after selection."""
        return Overlays(**{item.name: getattr(self, item.name) for item in fields(Overlays)})


@dataclass(frozen=True, eq=False)
class Decision:
    """What a strategy decided, where weights alone do not say it all.

    Parameters
    ----------
    weights : (T, N) target weights, stamped t; see `Strategy.target_weights`.
    events : what the strategy has to report, in order of session; kinds ``infeasible``, ``unsolved`` and
        ``too_few_assets`` say that a session had no portfolio, and become a warning of the result.
    stages : label → the weights (T, N) after an earlier step of the rule, in order, each made when it is called for.
    label : of the last step, that of `weights`.

    """

    weights: pd.DataFrame
    events: tuple[Event, ...] = ()
    stages: Mapping[str, Callable[[], pd.DataFrame]] = field(default_factory=dict)
    label: str = "select"

    def steps(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """(label, weights) after each step of the rule, in order; the last is `weights`."""
        for label, made in self.stages.items():
            yield label, made()
        yield self.label, self.weights


@runtime_checkable
class Strategy(Protocol):
    """Weights by rule. A frozen dataclass; `overlays` are applied by the engine, stage by stage.

    A class may also declare, as ``ClassVar[str]``: ``family``, what its trials compete with in the ledger (see
    `family_of`), and ``reads``, what it reads of the predictions, in words (see `reads_of`); and ``memory``, an int or
    a property of it, how many sessions a decision reads, its own among them (see `memory_of`).

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from assay import check_strategy
    >>> @dataclass(frozen=True)
    ... class Hold:
    ...     name = "hold"
    ...     overlays = Overlays()
    ...     needs = ()
    ...     def target_weights(self, predictions, prices):
    ...         held = predictions.view.notna() & prices.close.reindex_like(predictions.view).notna()
    ...         return held.div(held.sum(axis="columns").clip(lower=1), axis="index")
    >>> isinstance(Hold(), Strategy)
    True

    """

    @property
    def name(self) -> str:
        """Its name in the catalogue and in reports."""
        ...

    @property
    def overlays(self) -> Overlays:
        """What the engine applies to the weights, in order."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """What is read or traded beside closes: price fields, and ``"benchmark"`` for a tradable benchmark.

        The engine makes the asset `assay.data.benchmark.BENCHMARK_ASSET` of the benchmark's returns where it is needed.
        """
        ...

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame | Decision:
        """Weights (T, N), stamped t, from data through the close of t; a `Decision` where there is more to say.

        A signed fraction of NAV; cash is 1 − Σ. NaN in a cell means "no order" (the holding drifts), 0 means flat.
        """
        ...


@dataclass(frozen=True, eq=False)
class LastDecision:
    """What a strategy that is followed session by session decided last.

    Parameters
    ----------
    through : the last session that is decided; those after it are open.
    session : of the last decision that gave weights; None where there was none.
    weights : (N,) of that decision; an asset that came later has 0.

    """

    through: pd.Timestamp
    session: pd.Timestamp | None
    weights: pd.Series


@runtime_checkable
class Resumes(Protocol):
    """A strategy that needs of its earlier decisions only the last: the others are not made again."""

    def resumed(self, predictions: PredictionPanel, prices: PricePanel, last: LastDecision) -> Decision:
        """As `Strategy.target_weights`, on the whole panels; rows through ``last.through`` are not read from it."""
        ...


@runtime_checkable
class Compiles(Protocol):
    """A strategy that can decide by compiled loops, which pays for large panels and many runs."""

    def compiled_weights(self, predictions: PredictionPanel, prices: PricePanel) -> Decision:
        """As `Strategy.target_weights`, the same bits; earlier stages may be left out."""
        ...


@runtime_checkable
class WeighsCosts(Protocol):
    """A strategy that compares what it expects with what trading costs: the engine tells it the run's costs."""

    def with_costs(self, *, trade_bps: float, borrow_bps: float) -> Strategy:
        """The same strategy, the costs that its own parameters leave open (None) being those of the run.

        Parameters
        ----------
        trade_bps : of a traded unit, one way: commission and half the spread.
        borrow_bps : a year, on shorts.

        """
        ...


@dataclass(frozen=True, kw_only=True)
class OwnCosts:
    """Costs that a strategy weighs, as its parameters.

    Parameters
    ----------
    cost_bps : of one trade, basis points of its value; none takes those of the run.
    borrow_bps : a year, on shorts; none takes that of the run.

    """

    cost_bps: float | None = None
    borrow_bps: float | None = None

    def check_costs(self, who: str) -> None:
        """Raise `InputError` unless each is open or at least 0."""
        for name in ("cost_bps", "borrow_bps"):
            value = getattr(self, name)
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise InputError(f"{who}: {name} must be finite and at least 0 (or none), got {value!r}")

    def with_costs(self, *, trade_bps: float, borrow_bps: float) -> Self:
        """See `WeighsCosts`."""
        cost = trade_bps if self.cost_bps is None else self.cost_bps
        return replace(self, cost_bps=cost, borrow_bps=borrow_bps if self.borrow_bps is None else self.borrow_bps)

    @property
    def _trade_bps(self) -> float:
        """What a trade costs; where neither the parameter nor a run says it, as in a run's defaults."""
        return _USUAL_TRADE_BPS if self.cost_bps is None else self.cost_bps

    @property
    def _borrow_bps(self) -> float:
        return _USUAL_BORROW_BPS if self.borrow_bps is None else self.borrow_bps


@dataclass(frozen=True, eq=False)
class EntrySignals:
    """What an entry rule wants, session by session; the engine decides what can be had.

    Parameters
    ----------
    enter : (T, N) bool, stamped t: open a position at the open of t+d if none is held, nor was closed at that open.
        Or what makes it, which is called when it is read.
    exit : (T, N) bool, stamped t: close at the open of t+d what is held; it wins over `enter`. Or what makes it.
    priority : (T, N) float: the higher is served first; ties by asset id, NaN last.
    limits : where they are all there is to it, see `beyond`; else None.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-01-02", "2024-01-03"])
    >>> score = pd.DataFrame({"A": [0.9, 0.4]}, days)
    >>> EntrySignals(enter=score > 0.7, exit=score < 0.5, priority=score).enter["A"].tolist()
    [True, False]

    """

    enter: MadeWhenRead[pd.DataFrame] = MadeWhenRead()
    exit: MadeWhenRead[pd.DataFrame] = MadeWhenRead()
    priority: pd.DataFrame  # type: ignore[misc]  # those before it have no defaults either
    limits: tuple[float, float] | None = None

    @classmethod
    def beyond(cls, values: pd.DataFrame, enter_above: float, exit_below: float) -> EntrySignals:
        """Enter where `values`, which are the priority too, are above the one, leave where they are below the other.

        Examples
        --------
        >>> score = pd.DataFrame({"A": [0.9, 0.4]}, pd.to_datetime(["2024-01-02", "2024-01-03"]))
        >>> EntrySignals.beyond(score, 0.7, 0.5).exit["A"].tolist()
        [False, True]

        """
        enter = partial(_compared, np.greater, values, enter_above)
        return cls(enter, partial(_compared, np.less, values, exit_below), values, (enter_above, exit_below))


def _compared(how: np.ufunc, frame: pd.DataFrame, limit: float) -> pd.DataFrame:
    return pd.DataFrame(how(frame.to_numpy(dtype=np.float64), limit), frame.index, frame.columns, copy=False)


@runtime_checkable
class EntryRule(Protocol):
    """Entry and exit that depend on the path: the engine executes it bar by bar, with stops inside the bar.

    ``family`` and ``reads`` as for a `Strategy`.

    Examples
    --------
    >>> from assay import load_strategy
    >>> rule = load_strategy("confidence")
    >>> isinstance(rule, EntryRule), rule.stop_loss, rule.take_profit
    (True, 0.02, 0.04)

    """

    @property
    def name(self) -> str:
        """Its name in the catalogue and in reports."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Price fields read, beside close."""
        ...

    @property
    def stop_loss(self) -> float:
        """Loss at which a position is stopped, a fraction of the fill price, e.g. 0.02; 0 = no stop."""
        ...

    @property
    def take_profit(self) -> float:
        """Gain at which a position is closed, a fraction of the fill price; 0 = no target."""
        ...

    @property
    def size(self) -> float:
        """Fraction of NAV in a position, marked at the open of the entry."""
        ...

    @property
    def max_positions(self) -> int:
        """Most positions at once; 0 = no cap."""
        ...

    @property
    def max_holding(self) -> int:
        """Sessions after which a position is closed: entered at the open of s, it goes at that of s + max_holding;
        0 = no limit."""
        ...

    @property
    def side(self) -> Literal[1, -1]:
        """1 for long positions, −1 for short ones."""
        ...

    def signals(self, predictions: PredictionPanel, prices: PricePanel) -> EntrySignals:
        """Entries, exits and priorities, stamped t, from data through the close of t."""
        ...


def decide(
    strategy: Strategy,
    predictions: PredictionPanel,
    prices: PricePanel,
    last: LastDecision | None = None,
    *,
    compiled: bool = False,
) -> Decision:
    """What the strategy decides; a plain frame of weights is wrapped. It gets panels of its own to read or write.

    With `last` only the rows after it are asked for; with `compiled`, of one that `Compiles`, the last stage alone.

    Raises
    ------
    InputError
        If it returns neither weights nor a `Decision`.

    """
    views, market = predictions.shielded(), prices.shielded()
    answer: object
    if last is not None and isinstance(strategy, Resumes):
        answer = strategy.resumed(views, market, last)
    elif compiled and isinstance(strategy, Compiles) and _compiles_itself(strategy):
        answer = strategy.compiled_weights(views, market)
    else:
        answer = strategy.target_weights(views, market)
    if isinstance(answer, Decision):
        return answer
    if isinstance(answer, pd.DataFrame):
        return Decision(answer)
    raise InputError(
        f"{strategy.name}: target_weights returned {type(answer).__name__}; return a DataFrame of weights or a Decision"
    )


def _compiles_itself(strategy: object) -> bool:
    """Whether the compiled loops stand for the rule itself: a class that changes only the rule leaves them behind."""
    for kind in type(strategy).__mro__:
        if "compiled_weights" in vars(kind):
            return True
        if {"target_weights", "filter"} & vars(kind).keys():
            return False
    return False


def entry_signals(rule: EntryRule, predictions: PredictionPanel, prices: PricePanel) -> EntrySignals:
    """The signals of an entry rule, which gets panels of its own to read or write."""
    return rule.signals(predictions.shielded(), prices.shielded())


def family_of(strategy: object) -> str:
    """What a strategy's trials compete with: its ``family``; a class that names none stands alone under its own name.

    Examples
    --------
    >>> family_of(Overlays())
    'Overlays'

    """
    return str(getattr(strategy, "family", type(strategy).__qualname__))


def memory_of(strategy: object) -> int | None:
    """Sessions that a decision reads, its own among them; None where a strategy does not say: all since the first."""
    memory = getattr(strategy, "memory", None)
    return None if memory is None else int(memory)


def reads_of(strategy: object) -> str:
    """What a strategy (or its class) reads of the predictions, in words: its ``reads``, where it says so."""
    return str(getattr(strategy, "reads", "as the class says"))
