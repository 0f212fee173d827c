"""What a report says, as frozen values: claims, the runs they belong to, and the context of each run.

A `Claim` is one figure as printed. A `Group` is one run of a report: one model, in one configuration, at one stage. Two
claims speak about the same quantities only when they share group, split and position (`at`); nothing else counts as
identified, and only identified quantities can contradict each other.

These classes are the schema of claims files too (`schema`): a field is a key. ``Annotated`` says what a type does not:
a tuple the choices of a text, a number the least that a number or the length of a list can be, ``"date"`` a date or its
beginning (``"2024"``, ``"2024-06"``). ``metadata={"key": …}`` renames a key, and ``""`` keeps the field out of files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from assay.audit.claims.intervals import Interval, Printed

__all__ = [
    "BESIDE", "RELATIONS", "Architecture", "Claim", "ClaimSet", "ClassShare", "Group", "Layer", "LossFormula",
    "LossTerm", "Portfolio", "Sample", "Schedule", "Split", "Target",
]  # fmt: skip

IsoDate = Annotated[str, "date"]
Count = Annotated[int | None, 1]
Whole = Annotated[int | None, 0]

#: Metrics, and relations, of what stands beside a figure and is about it alone.
BESIDE = ("interval", "spread", "fraction")
#: How a claim may follow from others, its `inputs`, in this order.
RELATIONS = {
    "": "measured, not derived",
    "change": "(to - from) / from, in any of the usual readings; inputs from, to",
    "reduction": "1 - to / from; inputs from, to",
    "ratio": "second / first (or the other way round); inputs first, second",
    "difference": "absolute difference; inputs first, second",
    "mean": "mean of the inputs",
    "sum": "sum of the inputs",
    "same": "the same quantity as each input, printed again",
    "interval": "the interval printed around the input, a confidence interval as a rule; metric interval, one range",
    "spread": "the ± printed behind the input; metric spread",
    "fraction": "the whole counts printed beside the input, a share; metric fraction",
}

Loss = Annotated[
    str,
    ("one_minus_correlation", "mse", "mae", "huber", "focal", "cross_entropy", "binary_cross_entropy", "l2", "other"),
]
LayerKind = Annotated[
    str,
    ("lstm", "gru", "rnn", "dense", "batch_norm", "layer_norm", "embedding", "attention", "additive_attention",
     "conv1d", "dropout"),
]  # fmt: skip


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
    """The observations behind a run's figures.

    Parameters
    ----------
    n : observations evaluated (labels of a classifier, returns of a Sharpe, trades of a win rate).
    n_positive : how many of them are positives.
    assets : cross-section size N.
    sessions : trading sessions of the period.
    start, end : ISO dates of the period.
    years : length of the period where only that is stated.
    splits : the splits that the report names.
    market : name of the exchange calendar where the report says it, e.g. ``"XNYS"``.
    horizon : sessions a prediction spans.

    """

    n: Count = None
    n_positive: Whole = None
    assets: Count = None
    sessions: Count = None
    start: IsoDate = ""
    end: IsoDate = ""
    years: float | None = None
    splits: tuple[Split, ...] = ()
    market: str = ""
    horizon: Count = None


@dataclass(frozen=True)
class Target:
    """What a regression predicts.

    Parameters
    ----------
    kind : ``""`` when the report does not say.
    low, high : printed range of the target over the sample that `range_covers` names.
    range_covers : ``"evaluation"`` when the range holds for the evaluated rows too (a range of all data does),
        ``"train"`` when only for the rows a scaler was fitted on, ``""`` when unknown.
    mean, std : printed moments of the target on the evaluated rows.
    daily_volatility : daily volatility of the returns, where stated.

    """

    kind: Annotated[str, ("", "price", "return", "scaled price")] = ""
    low: Printed | None = None
    high: Printed | None = None
    range_covers: Annotated[str, ("", "evaluation", "train")] = ""
    mean: Printed | None = None
    std: Printed | None = None
    daily_volatility: Printed | None = None

    @property
    def span(self) -> Interval | None:
        """The widest range the two printed ends allow; None where an end is missing or they are reversed."""
        if self.low is None or self.high is None or self.low.interval.low > self.high.interval.high:
            return None
        return Interval(self.low.interval.low, self.high.interval.high)


@dataclass(frozen=True)
class LossTerm:
    """One weighted term of a loss: ``weight * kind``.

    `metric` names the claim metric that prints the same quantity (``"spearman"`` for a rank loss). `same_quantity` says
    that the document itself identifies the two: the term is the printed metric on the same rows and batches, with hard
    ranks.
    """

    kind: Loss
    weight: float = 1.0
    metric: str = ""
    same_quantity: bool = False


@dataclass(frozen=True)
class LossFormula:
    """A stated loss: a weighted sum of terms, and the weights it had before, where the report tells."""

    terms: tuple[LossTerm, ...] = ()
    before: tuple[LossTerm, ...] = ()
    includes_regularisation: bool = False


@dataclass(frozen=True)
class Layer:
    """One layer of a stated architecture: multi-head attention has `heads`, a convolution a `kernel`.

    `source` is the index of the layer that feeds it, -1 for the one before (a second head names its source).
    """

    kind: LayerKind
    units: int = 0
    bidirectional: bool = False
    bias: bool = True
    heads: int = 1
    kernel: int = 1
    vocabulary: int = 0
    source: int = -1


@dataclass(frozen=True)
class Architecture:
    """Layers in order, the size of one input step, and the framework, ``""`` where unknown.

    `complete` says that no layer is missing; `saves_optimizer` that the model file also holds the optimizer's state.
    """

    layers: Annotated[tuple[Layer, ...], 1]
    inputs: int | None = None
    framework: Annotated[str, ("", "torch", "keras")] = ""
    complete: bool = True
    saves_optimizer: bool = False


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
    """How the portfolio figures of a run were made.

    Parameters
    ----------
    periods_per_year : 252, 365, 12 …
    trials : configurations the report lists as tried (a lower bound).
    long_gross, short_gross : gross weight of each side, fractions of NAV.
    rate_bps : cost per traded unit and side.
    turnover_kind : which turnover is printed, ``""`` where unknown.
    equal_bets : whether every bet has the same size and sign is all that is predicted.
    risk_free : annual, printed.
    assets : how many instruments are traded at once, where stated.
    volatility_target : volatility a year that the positions are scaled to, printed.
    volatility_window : returns in the volatility that they are scaled by.

    """

    periods_per_year: Count = None
    trials: Count = None
    long_gross: float | None = None
    short_gross: float | None = None
    rate_bps: float | None = None
    turnover_kind: Annotated[str, ("", "one-way", "two-way")] = ""
    equal_bets: bool = False
    risk_free: Printed | None = None
    assets: int | None = None
    volatility_target: Printed | None = None
    volatility_window: Annotated[int | None, 2] = None


@dataclass(frozen=True)
class Group:
    """One run of a report: model, configuration and stage, with the context of its figures."""

    name: str
    model: str = ""
    configuration: str = ""
    stage: str = ""
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
    """One figure as printed.

    Parameters
    ----------
    id : unique within its set; made of the words below where a file gives none.
    metric : canonical name (`METRICS`).
    printed : the figure as it stands in the report.
    value : the figure read (`parse_print`).
    group : name of its run.
    unit : unit where the figure does not carry it: ``"percent"``, ``"KES"``, ``"epochs"``.
    split : ``"train"``, ``"validation"``, ``"test"``, ``"all"`` or ``""``: the group's own.
    label : class, quantile, side or asset the figure is about; empty for the whole.
    at : position within the run: an epoch (``"epoch 35"``), a fold, a period (``"2024-Q3"``); empty for the summary.
    relation, inputs : how the figure follows from other claims, by id (`RELATIONS`).
    definition : definition notes, in the report's words or the auditor's.
    target : a goal or threshold the report sets itself, not a result.
    source_line, source_text : where it stands.
    decimal : the report's decimal mark.
    record : the row, list, mapping or sentence of a draft that it stands in; figures of one record are of one run.
    document : the file it stands in, where several were read together.

    """

    id: str
    metric: str
    printed: str
    value: Printed = field(metadata={"key": ""})
    group: str
    unit: str = ""
    split: str = ""
    label: str = ""
    at: str = ""
    relation: str = ""
    inputs: tuple[str, ...] = ()
    definition: str = ""
    target: bool = False
    source_line: Count = field(default=None, metadata={"key": "line"})
    source_text: str = field(default="", metadata={"key": "text"})
    decimal: Annotated[str, (".", ",")] = "."
    record: str = ""
    document: str = ""


@dataclass(frozen=True)
class ClaimSet:
    """A report: its claims, and the runs they belong to.

    `draft` says that a machine grouped the claims and nobody has confirmed it yet.
    """

    title: str
    source: str
    groups: tuple[Group, ...] = field(metadata={"key": "group"})
    claims: tuple[Claim, ...] = field(metadata={"key": "claim"})
    draft: bool = False

    def group(self, name: str) -> Group:
        """The group of that name; an empty one where it is not described."""
        return self._groups.get(name) or Group(name)

    def claim(self, claim_id: str) -> Claim | None:
        """The claim of that id, or None."""
        return self._claims.get(claim_id)

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.name: group for group in reversed(self.groups)}

    @cached_property
    def _claims(self) -> dict[str, Claim]:
        return {claim.id: claim for claim in reversed(self.claims)}

    def split_of(self, claim: Claim) -> str:
        """The split of a claim: its own, or its group's."""
        return claim.split or self.group(claim.group).split
