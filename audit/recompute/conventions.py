"""What figures are recomputed from, and what it means to read a figure under a convention.

A figure without its convention is a set of values. A `Statistic` is a row of data: the dimensions in which reports
differ, and one function of a choice. The first choices together are this project's own convention. A dimension that a
material cannot fill has no choices, and then there is no reading; one that cannot matter on the data at hand (no flat
days, windows that do not overlap) has the one choice ``""``, so that no convention is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from assay.data.conventions import Floats

__all__ = ["DDOF", "OVERLAP", "Choice", "Dimension", "Material", "Panel", "Reading", "Statistic"]

DDOF = ("ddof 1", "ddof 0")
OVERLAP = ("every session", "every h-th session")

#: Dimension -> what was chosen.
Choice = Mapping[str, str]


@dataclass(frozen=True, eq=False)
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
    stamps : (T,) datetime64[D] of the rows, or None.

    """

    score: Floats
    forward: Floats
    base: Floats | None = None
    realised: Floats | None = None
    horizon: int = 1
    signed: bool = True
    probability: Floats | None = None
    assets: tuple[str, ...] = ()
    stamps: np.ndarray | None = None

    def of(self, asset: str) -> Panel:
        """The cases of one asset."""
        at = self.assets.index(asset)
        return replace(self._cut(np.s_[:, at : at + 1]), assets=(asset,))

    def between(self, first: np.datetime64, last: np.datetime64) -> Panel:
        """The rows stamped from one day through another; all of them without stamps."""
        if self.stamps is None:
            return self
        kept = (self.stamps >= first) & (self.stamps <= last)
        return replace(self._cut(kept), stamps=self.stamps[kept])

    def _cut(self, part: Any) -> Panel:
        tables = {name: getattr(self, name) for name in ("score", "forward", "base", "realised", "probability")}
        cut: dict[str, Any] = {name: values[part] for name, values in tables.items() if values is not None}
        return replace(self, **cut)

    def cases(self, values: Floats | None, choice: Choice, outcomes: Floats | None = None) -> tuple[Floats, Floats]:
        """Values and what followed (`forward` unless given) of every case that has both, as the overlap is chosen."""
        step = self.horizon if choice.get("overlap") == OVERLAP[1] else 1
        given = self.score if values is None else values
        one, two = given[::step], (self.forward if outcomes is None else outcomes)[::step]
        known = np.isfinite(one) & np.isfinite(two)
        return one[known], two[known]

    @cached_property
    def correlations(self) -> dict[str, Floats]:
        """(T,) each session's correlation across names by kind, NaN where there are too few."""
        import pandas as pd

        from assay.results.stats.information_coefficient import ic_table

        columns = [str(index) for index in range(self.score.shape[1])]
        table = ic_table(pd.DataFrame(self.score, columns=columns), pd.DataFrame(self.forward, columns=columns))
        return {"Pearson": table["ic"].to_numpy(np.float64), "Spearman": table["rank_ic"].to_numpy(np.float64)}


@dataclass(frozen=True, eq=False)
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
    trades, profits : (trades,) returns of round trips and what they made in money, or None.
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

    series: Mapping[str, Floats] = field(default_factory=dict)
    dates: np.ndarray | None = None
    benchmark: Floats | None = None
    turnover: Floats | None = None
    weights: Floats | None = None
    side: str = ""
    trades: Floats | None = None
    profits: Floats | None = None
    fills: int | None = None
    panels: Mapping[str, Panel] = field(default_factory=dict)
    positions: Floats | None = None
    risk_free: float | None = None
    description: str = ""
    per_year: int | None = None
    unscaled: Floats | None = None
    stages: Mapping[str, Floats] = field(default_factory=dict)
    suspects: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def given(self) -> Floats:
        """(T,) returns on the own basis; none where there is no series."""
        return next(iter(self.series.values()), np.empty(0))

    @property
    def outcomes(self) -> Floats | None:
        """What closed trades came to, as returns where these are known, else in money; None where none are known."""
        return self.profits if self.trades is None else self.trades

    def described(self, words: str) -> str:
        """The description with more words."""
        return "; ".join(filter(None, (self.description, words)))

    def covers(self, first: np.datetime64, last: np.datetime64) -> bool:
        """Whether the series has dates, and runs through these days but for a week at either end."""
        week = np.timedelta64(7, "D")
        return self.dates is not None and bool(self.dates[0] <= first + week and self.dates[-1] >= last - week)

    def between(self, first: np.datetime64, last: np.datetime64) -> Material:
        """What is stamped from one day through another, without trades and overlays; without dates, no series."""
        dates = np.empty(0, "datetime64[D]") if self.dates is None else self.dates
        kept = (dates >= first) & (dates <= last)

        def part(values: Floats | None) -> Floats | None:
            return None if values is None or len(values) != len(kept) else values[kept]

        return Material(
            series={name: values[kept] for name, values in self.series.items() if len(values) == len(kept)},
            dates=None if self.dates is None else dates[kept],
            benchmark=part(self.benchmark),
            turnover=part(self.turnover),
            weights=part(self.weights),
            panels={name: panel.between(first, last) for name, panel in self.panels.items()},
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
        return " · ".join(choice for _, choice in self.choices)

    @property
    def own(self) -> bool:
        """Whether this is the project's own convention."""
        return self.departures == 0


#: Choices, or those that a material has.
Dimension = Sequence[str] | Callable[[Material], Iterable[str]]


@dataclass(frozen=True)
class Statistic:
    """A figure under the conventions in use.

    Parameters
    ----------
    figure : (material, choice) -> value; None, NaN or infinite where the choice has no meaning.
    dimensions : the grid, first the project's own choice of each.

    Examples
    --------
    >>> returns = Statistic(lambda m, c: float(m.given.std(ddof=int(c["ddof"][-1]))), {"ddof": DDOF})
    >>> [(r.words, r.departures) for r in returns.readings(Material({"net": np.ones(3)}))]
    [('ddof 1', 0), ('ddof 0', 1)]

    """

    figure: Callable[[Material, Choice], float | None]
    dimensions: Mapping[str, Dimension]

    def readings(self, material: Material) -> tuple[Reading, ...]:
        """Every reading that the material gives."""
        grid = {name: own(material) if callable(own) else own for name, own in self.dimensions.items()}
        found = []
        for options in product(*(enumerate(choices) for choices in grid.values())):
            choice = {name: option for name, (_, option) in zip(grid, options, strict=True)}
            with np.errstate(all="ignore"):
                value = self.figure(material, choice)
            if value is not None and math.isfinite(value):
                named = tuple((name, option) for name, option in choice.items() if option)
                found.append(Reading(float(value), named, sum(place > 0 for place, _ in options)))
        return tuple(found)
