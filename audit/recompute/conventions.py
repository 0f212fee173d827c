"""The declared grid of conventions, and what it means to read a figure under one of them.

A figure without its convention is a set of values. Each metric declares the dimensions in which reports differ, first
choice first: the first choices together are this project's own convention. A dimension that cannot matter on the data
at hand (no flat days, gross equal to net) is left out, so that no convention is counted twice. A statistic is a row of
data: its name, the conventions it is printed under, and one function of a choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

__all__ = [
    "DDOF", "PERIODS", "Choice", "Dimensions", "Material", "Panel", "Reading", "Statistic", "readings_over",
    "statistic",
]  # fmt: skip

#: Periods a year; "monthly" compounds to months first.
PERIODS = ("252", "250", "260", "365", "monthly √12", "not annualised")
DDOF = ("ddof 1", "ddof 0")

Choice = dict[str, str]
#: Dimension -> choices, first the project's own.
Dimensions = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Panel:
    """Predictions and what followed, under one timing.

    Parameters
    ----------
    score : (T, N) predictions, stamped t.
    forward : (T, N) returns that followed, stamped t.
    base, realised : (T, N) price at the fill and the price `horizon` sessions later, where known.
    horizon : sessions a prediction spans.
    signed : whether 0 separates up from down.
    probability : (T, N) probability of up, or None.
    assets : names of the columns.

    """

    score: np.ndarray
    forward: np.ndarray
    base: np.ndarray | None = None
    realised: np.ndarray | None = None
    horizon: int = 1
    signed: bool = True
    probability: np.ndarray | None = None
    assets: tuple[str, ...] = ()

    def of(self, asset: str) -> Panel:
        """The cases of one asset."""
        column = [self.assets.index(asset)]

        def cut(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[:, column]

        return replace(
            self, score=self.score[:, column], forward=self.forward[:, column], base=cut(self.base),
            realised=cut(self.realised), probability=cut(self.probability), assets=(asset,),
        )  # fmt: skip


@dataclass(frozen=True)
class Material:
    """What figures are recomputed from.

    Parameters
    ----------
    series : basis (``"net"``, ``"gross"``, ``"net, same close"``) -> (T,) simple returns a session; own basis first.
    dates : (T,) datetime64[D], or None.
    benchmark : (T,) returns, or None.
    turnover : (T,) one-way fractions of NAV, or None.
    weights : (T, N) signed fractions of NAV that the book holds, or None.
    side : "up" or "down" where figures of that class alone are wanted, "" for both.
    trades : (trades,) returns of round trips, or None.
    profits : (trades,) profits of round trips in money, or None.
    fills : how many orders were filled, or None.
    panels : timing (``"next open"``, ``"same close"``) -> `Panel`; own timing first.
    positions : (cases,) weight x forward return, or None.
    risk_free : annual rate that the report states, or None.
    description : what was read, for the report.
    per_year : returns a year, where the dates or the report say that they are not daily ones; None for daily returns.
    unscaled : (T,) net returns before a volatility target and kill switches, where known.
    stages : what was left out -> (T,) net returns of the same book with some of its overlays only.
    suspects : what was done -> (T,) net returns of the same book that look ahead; no convention of the grid.

    """

    series: Mapping[str, np.ndarray] = field(default_factory=dict)
    dates: np.ndarray | None = None
    benchmark: np.ndarray | None = None
    turnover: np.ndarray | None = None
    weights: np.ndarray | None = None
    side: str = ""
    trades: np.ndarray | None = None
    profits: np.ndarray | None = None
    fills: int | None = None
    panels: Mapping[str, Panel] = field(default_factory=dict)
    positions: np.ndarray | None = None
    risk_free: float | None = None
    description: str = ""
    per_year: int | None = None
    unscaled: np.ndarray | None = None
    stages: Mapping[str, np.ndarray] = field(default_factory=dict)
    suspects: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def outcomes(self) -> np.ndarray | None:
        """What closed trades came to, as returns where these are known, else in money; None where none are known."""
        return self.profits if self.trades is None else self.trades

    def covers(self, first: np.datetime64, last: np.datetime64) -> bool:
        """Whether the series has dates, and runs through these days but for a week at either end."""
        week = np.timedelta64(7, "D")
        return self.dates is not None and bool(self.dates[0] <= first + week and self.dates[-1] >= last - week)

    def between(self, first: np.datetime64, last: np.datetime64) -> Material:
        """The series from one day through another, without panels and trades; without dates, no series at all."""
        if self.dates is None:
            return Material(risk_free=self.risk_free, description=self.description)
        kept = (self.dates >= first) & (self.dates <= last)

        def part(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None or len(values) != len(kept) else values[kept]

        return Material(
            series={name: values[kept] for name, values in self.series.items() if len(values) == len(kept)},
            dates=self.dates[kept],
            benchmark=part(self.benchmark),
            turnover=part(self.turnover),
            weights=part(self.weights),
            risk_free=self.risk_free,
            description=self.description,
            per_year=self.per_year,
        )


@dataclass(frozen=True)
class Reading:
    """A figure under one convention.

    Parameters
    ----------
    value : the figure.
    choices : dimension -> choice.
    departures : how many choices are not the project's own.

    """

    value: float
    choices: tuple[tuple[str, str], ...]
    departures: int = 0

    @property
    def words(self) -> str:
        """The convention in words."""
        return " · ".join(choice for _, choice in self.choices if choice)

    @property
    def own(self) -> bool:
        """Whether this is the project's own convention."""
        return self.departures == 0


def readings_over(
    dimensions: Dimensions, figure: Callable[[Choice], float | None], drop: Iterable[str] = ()
) -> tuple[Reading, ...]:
    """Evaluate a figure over a grid; combinations without a meaning (None) or without a finite value are left out.

    Dimensions in `drop` cannot matter here: they keep their first choice and are not named.

    Examples
    --------
    >>> [(r.words, r.departures) for r in readings_over({"ddof": DDOF}, lambda choice: 1.0)]
    [('ddof 1', 0), ('ddof 0', 1)]

    """
    kept = {name: (choices[:1] if name in set(drop) else choices) for name, choices in dimensions.items()}
    found = []
    for options in product(*(enumerate(choices) for choices in kept.values())):
        choice = {name: option for name, (_, option) in zip(kept, options, strict=True)}
        with np.errstate(all="ignore"):
            value = figure(choice)
        if value is not None and np.isfinite(value):
            named = tuple((name, option) for name, option in choice.items() if len(kept[name]) > 1 or name in _ALWAYS)
            found.append(Reading(float(value), named, sum(place > 0 for place, _ in options)))
    return tuple(found)


#: Dimensions that are named even where there is no other choice.
_ALWAYS = ("periods", "ddof", "mean", "basis", "counted", "called", "target", "timing", "average")

#: A figure under the conventions in use: every reading that a material gives, the project's own first.
Statistic = Callable[[Material], tuple[Reading, ...]]


def statistic(
    dimensions: Callable[[Material], Dimensions], figure: Callable[[Material, Choice], float | None],
    idle: Callable[[Material], Sequence[str]] = lambda _: (),
) -> Statistic:  # fmt: skip
    """A statistic from its grid, which is empty where a material cannot give it, and one function of a choice.

    `figure` is None where a choice has no meaning; `idle` are dimensions that cannot matter.
    """

    def readings(material: Material) -> tuple[Reading, ...]:
        grid = dimensions(material)
        return readings_over(grid, lambda choice: figure(material, choice), idle(material)) if grid else ()

    return readings
