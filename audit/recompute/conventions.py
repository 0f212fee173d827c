"""What figures are recomputed from, and what it means to read a figure under a convention.

A figure without its convention is a set of values. The dimensions in which reports differ lie in ``conventions.toml``;
a `Statistic` is those of a metric and one function of a choice. The first choices together are this project's own
convention. A dimension that a material cannot fill has no choices, and then there is no reading; one that cannot matter
on the data at hand (no flat days, windows that do not overlap) has the one choice ``""``, so that no convention is
counted twice.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from assay.data.conventions import Floats

__all__ = ["GRID", "Book", "Choice", "Material", "Panel", "Reading", "Statistic"]


def _declared() -> dict[str, dict[str, list[str]]]:
    """Metric -> dimension -> choices as declared, ``"@name"`` for those that a material has."""
    tables = tomllib.loads(Path(__file__).with_name("conventions.toml").read_text(encoding="utf-8"))
    axes = {f"@{name}": choices for name, choices in tables.pop("axes").items()}

    def choices(listed: str | list[str]) -> list[str]:
        return [one for each in ([listed] if isinstance(listed, str) else listed) for one in axes.get(each, [each])]

    return {name: {key: choices(listed) for key, listed in table.items()} for name, table in tables.items()}


#: Metric, or what several share -> dimension -> choices.
GRID = _declared()
_none = partial(np.empty, 0)


@dataclass(frozen=True, eq=False)
class Panel:
    """Predictions and what followed, under one timing.

    Parameters
    ----------
    score, forward : (T, N) predictions and the returns that followed, stamped t.
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

    def cut(self, part: Any) -> Panel:
        """A part of every table."""
        tables = {name: getattr(self, name) for name in ("score", "forward", "base", "realised", "probability")}
        return replace(self, **{name: each[part] for name, each in tables.items() if each is not None})

    @cached_property
    def correlations(self) -> dict[str, Floats]:
        """(T,) each session's correlation across names by kind, NaN where there are too few."""
        import pandas as pd

        from assay.results.stats.information_coefficient import ic_table

        table = ic_table(*(pd.DataFrame(values).rename(columns=str) for values in (self.score, self.forward)))
        return {"Pearson": table["ic"].to_numpy(np.float64), "Spearman": table["rank_ic"].to_numpy(np.float64)}


@dataclass(frozen=True)
class Book:
    """A daily series that a book could have printed.

    Parameters
    ----------
    words, values : what was done, and (T,) net returns.
    look_ahead : whether it uses, on a day, the return of that day.
    size : factor of the book's size, 1 where the size is the same.

    """

    words: str
    values: Floats
    look_ahead: bool = False
    size: float = 1.0

    @property
    def honest(self) -> bool:
        """Whether the series is a sound reading of what was given."""
        return not self.look_ahead and self.size == 1.0


@dataclass(frozen=True, eq=False)
class Material:
    """What figures are recomputed from.

    Parameters
    ----------
    series : basis (``"net"``, ``"gross"``, ``"net, same close"``) -> (T,) simple returns a session; own basis first.
    dates : (T,) datetime64[D], or None.
    benchmark, turnover : (T,) returns, and one-way fractions of NAV; empty where unknown, as everything below.
    weights : (T, N) signed fractions of NAV that the book holds.
    side : "up" or "down" where figures of that class alone are wanted, "" for both.
    trades, profits : (trades,) returns of round trips and what they made in money.
    fills : how many orders were filled.
    panels : timing (``"next open"``, ``"same close"``) -> `Panel`; own timing first.
    positions : (cases,) weight x forward return.
    risk_free, per_year : annual rate, and returns a year where they are not daily ones, as stated; or None.
    description : what was read, for the report.
    unscaled : (T,) net returns before a volatility target and kill switches.
    books : the same book with some of its overlays only, or with overlays that look ahead; no conventions of the grid.

    """

    series: Mapping[str, Floats] = field(default_factory=dict)
    dates: np.ndarray | None = None
    benchmark: Floats = field(default_factory=_none)
    turnover: Floats = field(default_factory=_none)
    weights: Floats = field(default_factory=lambda: np.empty((0, 0)))
    side: str = ""
    trades: Floats = field(default_factory=_none)
    profits: Floats = field(default_factory=_none)
    fills: int = 0
    panels: Mapping[str, Panel] = field(default_factory=dict)
    positions: Floats = field(default_factory=_none)
    risk_free: float | None = None
    description: str = ""
    per_year: int | None = None
    unscaled: Floats = field(default_factory=_none)
    books: tuple[Book, ...] = ()

    @property
    def given(self) -> Floats:
        """(T,) returns on the own basis; none where there is no series."""
        return next(iter(self.series.values()), np.empty(0))

    @property
    def outcomes(self) -> Floats:
        """What closed trades came to, as returns where these are known, else in money."""
        return self.trades if len(self.trades) else self.profits

    def described(self, words: str) -> str:
        """The description with more words."""
        return "; ".join(filter(None, (self.description, words)))

    def between(self, first: np.datetime64, last: np.datetime64) -> Material:
        """What is stamped from one day through another; without what has no stamps."""

        def kept(stamps: np.ndarray | None) -> np.ndarray:
            return np.empty(0, bool) if stamps is None else (stamps >= first) & (stamps <= last)

        days = kept(self.dates)
        tables = {name: getattr(self, name) for name in ("benchmark", "turnover", "weights")}
        cut: dict[str, Any] = {name: each[days] for name, each in tables.items() if len(each) == len(days)}
        cut |= {name: getattr(self, name) for name in ("risk_free", "description", "per_year")}
        stamped = {name: panel for name, panel in self.panels.items() if panel.stamps is not None}
        return Material(
            {name: values[days] for name, values in self.series.items() if len(values) == len(days)},
            None if self.dates is None else self.dates[days],
            panels={name: panel.cut(kept(panel.stamps)) for name, panel in stamped.items()},
            **cut,
        )


@dataclass(frozen=True)
class Reading:
    """A figure under one convention: dimension and choice, and how many choices are not the project's own."""

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


class Choice(dict[str, str]):
    """Dimension -> what was chosen, and the material that it is chosen for."""

    def __init__(self, material: Material, chosen: Mapping[str, str]) -> None:
        super().__init__(chosen)
        self.material = material


@dataclass(frozen=True)
class Statistic:
    """A figure under the conventions in use.

    Parameters
    ----------
    figure : (*cases, choice) -> value; None, NaN or infinite where the choice has no meaning.
    dimensions : dimension -> choices, first the project's own; ``"@name"`` for those that a material has.
    cases : choice -> the arrays that `figure` is of.
    sources : name -> the choices that a material has.
    fewest : cases without which there is no figure.

    Examples
    --------
    >>> deviation = Statistic(lambda v, c: v.std(ddof=int(c["ddof"][-1])), {"ddof": ["ddof 1", "ddof 0"]},
    ...                       lambda c: [c.material.given])
    >>> [(r.words, r.departures) for r in deviation.readings(Material({"net": np.ones(3)}))]
    [('ddof 1', 0), ('ddof 0', 1)]

    """

    figure: Callable[..., float | None]
    dimensions: Mapping[str, Sequence[str]]
    cases: Callable[[Choice], Sequence[np.ndarray]]
    sources: Mapping[str, Callable[[Material], Iterable[str]]] = field(default_factory=dict)
    fewest: int = 1

    def readings(self, material: Material) -> tuple[Reading, ...]:
        """Every reading that the material gives."""
        grid = {
            name: [one for each in listed for one in (self.sources[each[1:]](material) if each[:1] == "@" else [each])]
            for name, listed in self.dimensions.items()
        }
        found = []
        for options in product(*(enumerate(choices) for choices in grid.values())):
            chosen = {name: option for name, (_, option) in zip(grid, options, strict=True)}
            choice = Choice(material, chosen)
            with np.errstate(all="ignore"):
                cases = self.cases(choice)
                value = None if any(len(each) < self.fewest for each in cases) else self.figure(*cases, choice)
            if value is not None and math.isfinite(value):
                named = tuple((name, option) for name, option in chosen.items() if option)
                found.append(Reading(float(value), named, sum(place > 0 for place, _ in options)))
        return tuple(found)
