"""What a report says, as frozen values: claims, the runs they belong to, and the context of each run.

A `Claim` is one figure as printed. A `Group` is one run of a report: one model, in one configuration, at one stage. Two
claims speak about the same quantities only when they share group, split and position (`at`); nothing else counts as
identified, and only identified quantities can contradict each other.

These classes are the schema of claims files too (`files`): a field is a key. ``Annotated`` says what a type does not:
a tuple the choices of a text, a number the least that a number or the length of a list can be, ``"date"`` a date or its
beginning (``"2024"``, ``"2024-06"``). ``metadata={"key": …}`` renames a key, and ``""`` keeps the field out of files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.read.words import table

__all__ = [
    "BESIDE", "METRICS", "RELATIONS", "Architecture", "Claim", "ClaimSet", "ClassShare", "Group", "Layer",
    "LossFormula", "LossTerm", "MetricInfo", "Portfolio", "Sample", "Schedule", "Split", "Target",
]  # fmt: skip

IsoDate = Annotated[str, "date"]
Count = Annotated[int | None, 1]
Whole = Annotated[int | None, 0]


@dataclass(frozen=True)
class MetricInfo:
    """One canonical metric, its kind, and the bounds that hold by definition, in decimals.

    Kinds: ``proportion`` (a share k/n of counted cases), ``score`` (in [0, 1] or [-1, 1] but no such share: F1, AUC),
    ``correlation``, ``r2``, ``ratio`` (without a unit: Sharpe), ``error`` (in the target's unit or in percent),
    ``signed_error``, ``return`` (per period, in decimals), ``loss``, ``count``, ``size`` (bytes), ``duration``,
    ``change`` (derived from other figures), ``share`` (of a whole; the parts sum to one), ``level`` (in the target's
    unit), ``statistic`` (of a test, or its p-value) or ``other``.
    """

    name: str
    kind: str
    low: float = -math.inf
    high: float = math.inf


#: Canonical name -> what it is.
METRICS = {name: MetricInfo(name, **{key: row[key] for key in ("kind", "low", "high") if key in row})
           for name, row in table("metric").items()}  # fmt: skip

#: Metrics, and relations, of what stands beside a figure and is about it alone.
BESIDE = ("interval", "spread", "fraction")
#: How a claim may follow from others, its `inputs`, in words.
RELATIONS = table("relation")

Loss = Annotated[str, (*table("loss_kind"), "other")]
LayerKind = Annotated[str, ("lstm", "gru", "rnn", "dense", "batch_norm", "layer_norm", "embedding", "attention",
                            "additive_attention", "conv1d", "dropout")]  # fmt: skip


@dataclass(frozen=True)
class ClassShare:
    """A class of a classifier: its name, and its share or support where the report states them."""

    name: str
    share: Printed | None = None
    support: Whole = None


@dataclass(frozen=True)
class Split:
    """One split of the data: its name, its share of the rows, and its dates, where stated."""

    name: str = ""
    share: Printed | None = None
    start: IsoDate = ""
    end: IsoDate = ""


@dataclass(frozen=True)
class Sample:
    """The observations behind a run's figures."""

    n: Count = None  # observations evaluated: labels of a classifier, returns of a Sharpe, trades of a win rate
    n_positive: Whole = None
    assets: Count = None  # size of the cross-section
    sessions: Count = None  # trading sessions of the period
    start: IsoDate = ""
    end: IsoDate = ""
    years: float | None = None  # length of the period where only that is stated
    splits: tuple[Split, ...] = ()
    market: str = ""  # name of the exchange calendar where the report says it, e.g. "XNYS"
    horizon: Count = None  # sessions a prediction spans


@dataclass(frozen=True)
class Target:
    """What a regression predicts, with the moments of the evaluated rows; `low` and `high` are the printed range over
    those (a range of all data covers them too), or over the ``"train"`` rows that a scaler was fitted on."""

    kind: Annotated[str, ("", "price", "return", "scaled price")] = ""
    low: Printed | None = None
    high: Printed | None = None
    range_covers: Annotated[str, ("", "evaluation", "train")] = ""
    mean: Printed | None = None
    std: Printed | None = None
    daily_volatility: Printed | None = None  # of the returns

    @property
    def span(self) -> Interval | None:
        """The widest range the two printed ends allow; None where an end is missing or they are reversed."""
        if self.low is None or self.high is None or self.low.interval.low > self.high.interval.high:
            return None
        return Interval(self.low.interval.low, self.high.interval.high)


@dataclass(frozen=True)
class LossTerm:
    """One weighted term of a loss: ``weight * kind``."""

    kind: Loss
    weight: float = 1.0
    metric: str = ""  # of the claim that prints the same quantity ("spearman" for a rank loss)
    same_quantity: bool = False  # whether the document itself says so: same rows and batches, hard ranks


@dataclass(frozen=True)
class LossFormula:
    """A stated loss: a weighted sum of terms, and the weights it had before, where the report tells."""

    terms: tuple[LossTerm, ...] = ()
    before: tuple[LossTerm, ...] = ()
    includes_regularisation: bool = False


@dataclass(frozen=True)
class Layer:
    """One layer of a stated architecture."""

    kind: LayerKind
    units: int = 0
    bidirectional: bool = False
    bias: bool = True
    heads: int = 1  # of multi-head attention
    kernel: int = 1  # of a convolution
    vocabulary: int = 0  # of an embedding
    source: int = -1  # index of the layer that feeds it, -1 for the one before (a second head names its source)


@dataclass(frozen=True)
class Architecture:
    """Layers in order, the size of one input step, and the framework, where stated."""

    layers: Annotated[tuple[Layer, ...], 1]
    inputs: int | None = None
    framework: Annotated[str, ("", "torch", "keras")] = ""
    complete: bool = True  # no layer is missing
    saves_optimizer: bool = False  # the model's file also holds the optimizer's state


@dataclass(frozen=True)
class Schedule:
    """Training schedule: cap on epochs, early-stopping patience and min delta, and whether it was triggered."""

    max_epochs: Whole = None
    patience: Whole = None
    min_delta: float | None = None
    epochs_run: Whole = None
    best_epoch: Whole = None
    restarts: bool = False


@dataclass(frozen=True)
class Portfolio:
    """How the portfolio figures of a run were made."""

    periods_per_year: Count = None  # 252, 365, 12 …
    trials: Count = None  # configurations the report lists as tried, a lower bound
    long_gross: float | None = None  # gross weight of each side, fractions of NAV
    short_gross: float | None = None
    rate_bps: float | None = None  # cost per traded unit and side
    turnover_kind: Annotated[str, ("", "one-way", "two-way")] = ""
    equal_bets: bool = False  # whether every bet has the same size and sign is all that is predicted
    risk_free: Printed | None = None  # a year
    assets: int | None = None  # instruments traded at once
    volatility_target: Printed | None = None  # a year, that the positions are scaled to
    volatility_window: Annotated[int | None, 2] = None  # returns in the volatility that they are scaled by


@dataclass(frozen=True)
class Group:
    """One run of a report: model, configuration and stage, with the context of its figures."""

    name: str
    model: str = ""
    configuration: str = ""
    stage: str = ""  # "final", or in words what it is that is not the result: a run before changes, a yardstick
    split: str = ""
    sample: Sample = field(default_factory=Sample)
    target: Target = field(default_factory=Target)
    classes: tuple[ClassShare, ...] = field(default=(), metadata={"key": "class"})
    loss: LossFormula | None = None
    architecture: Architecture | None = None
    schedule: Schedule | None = None
    portfolio: Portfolio = field(default_factory=Portfolio)
    shares_sample_with: tuple[str, ...] = ()
    notes: str = ""


@dataclass(frozen=True)
class Claim:
    """One figure as printed."""

    id: str  # unique within its set; made of the words below where a file gives none
    metric: Annotated[str, tuple(METRICS)]  # canonical name
    printed: str  # the figure as it stands in the report
    value: Printed = field(metadata={"key": ""})  # the figure read (`parse_print`)
    group: str  # name of its run
    unit: str = ""  # where the figure does not carry it: "percent", "KES", "epochs"
    split: str = ""  # "train", "validation", "test", "all", or the group's own
    label: str = ""  # class, quantile, side or asset the figure is about; empty for the whole
    at: str = ""  # position within the run: "epoch 35", a fold, "2024-Q3"; empty for the summary
    relation: Annotated[str, tuple(RELATIONS)] = ""  # how the figure follows from other claims
    inputs: tuple[str, ...] = ()  # which, by id
    definition: str = ""  # in the report's words or the auditor's
    target: bool = False  # a goal or threshold the report sets itself, no result
    source_line: Count = field(default=None, metadata={"key": "line"})
    source_text: str = field(default="", metadata={"key": "text"})
    decimal: Annotated[str, (".", ",")] = "."  # the report's decimal mark
    record: str = ""  # row, list, mapping or sentence of a draft that it stands in: one run
    document: str = ""  # file it stands in, where several were read together


@dataclass(frozen=True)
class ClaimSet:
    """A report: its claims, and the runs they belong to; a machine grouped those of a `draft`, unconfirmed yet."""

    title: str
    source: str
    groups: tuple[Group, ...] = field(metadata={"key": "group"})
    claims: tuple[Claim, ...] = field(metadata={"key": "claim"})
    draft: bool = False

    def group(self, name: str) -> Group:
        """The group of that name; an empty one where it is not described."""
        return self._by_name[0].get(name) or Group(name)

    def claim(self, claim_id: str) -> Claim | None:
        """The claim of that id, or None."""
        return self._by_name[1].get(claim_id)

    @cached_property
    def _by_name(self) -> tuple[dict[str, Group], dict[str, Claim]]:
        return {group.name: group for group in self.groups[::-1]}, {claim.id: claim for claim in self.claims[::-1]}

    def split_of(self, claim: Claim) -> str:
        """The split of a claim: its own, or its group's."""
        return claim.split or self.group(claim.group).split
