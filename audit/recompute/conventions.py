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
from assay.results.stats.information_coefficient import MINIMUM_NAMES
from assay.results.stats.ranks import rank_correlation, row_correlation

__all__ = ["COLUMNS", "GRID", "RESTS", "SIDES", "Book", "Choice", "Material", "Panel", "Reading", "Statistic"]

_DECLARED = tomllib.loads(Path(__file__).with_name("conventions.toml").read_text(encoding="utf-8"))
_NEVER = [frozenset(pair) for pair in _DECLARED.pop("never")]
RESTS, SIDES, COLUMNS = (_DECLARED.pop(name) for name in ("rests", "sides", "columns"))
_AXES = {f"@{name}": choices for name, choices in _DECLARED.pop("axes").items()}
#: Metric, or what several share -> dimension -> choices, ``"@name"`` for those that a material has.
GRID: dict[str, dict[str, list[str]]] = {
    metric: {name: [one for each in ([of] if isinstance(of, str) else of) for one in _AXES.get(each, [each])]
             for name, of in table.items()}
    for metric, table in _DECLARED.items()
}  # fmt: skip
_none = partial(np.empty, 0)


@dataclass(frozen=True, eq=False)
class Panel:
    """Predictions and what followed, under one timing; tables are (T, N)."""

    score: Floats  # predictions, stamped t
    forward: Floats  # the returns that followed, stamped t
    base: Floats | None = None  # price at the fill, where known
    realised: Floats | None = None  # and the price `horizon` sessions later
    horizon: int = 1
    signed: bool = True  # whether 0 separates up from down
    probability: Floats | None = None  # of up, where known
    assets: tuple[str, ...] = ()  # (N,) names of the columns
    stamps: np.ndarray | None = None  # (T,) datetime64[D] of the rows

    def cut(self, part: Any) -> Panel:
        """A part of every table."""
        tables = {name: getattr(self, name) for name in ("score", "forward", "base", "realised", "probability")}
        return replace(self, stamps=None, **{name: each[part] for name, each in tables.items() if each is not None})

    @cached_property
    def pairs(self) -> dict[str, tuple[Floats, Floats]]:
        """(T, N) what was predicted and what followed, by kind of prediction, of the kinds that there are."""
        plain = (self.score, self.forward)
        known = {"score": plain}
        if self.probability is not None:
            known["probability above 1/2"] = (self.probability, self.forward)
        if self.signed:
            known |= dict.fromkeys(("sign of the score", "per prediction", "returns"), plain)
        if self.signed and self.base is not None and self.realised is not None:
            known["price levels"] = (self.base * (1.0 + self.score), self.realised)
        return known

    @cached_property
    def correlations(self) -> dict[str, Floats]:
        """(T,) each session's correlation across names by kind, NaN where there are too few."""
        least = max(3, min(MINIMUM_NAMES, self.score.shape[1]))
        of = {"Pearson": row_correlation, "Spearman": rank_correlation}
        return {kind: each(self.score, self.forward, minimum=least)[0] for kind, each in of.items()}


@dataclass(frozen=True)
class Book:
    """A daily series (T,) that a book could have printed, and what was done."""

    words: str
    values: Floats
    look_ahead: bool = False  # whether it uses, on a day, the return of that day
    size: float = 1.0  # the factor of its size


@dataclass(frozen=True, eq=False)
class Material:
    """What figures are recomputed from; what is not known is empty. `series` maps a basis (``"net"``, ``"gross"``,
    ``"net, same close"``) to (T,) simple returns a session, `panels` a timing (``"next open"``, ``"same close"``) to
    what was predicted and what followed; the own one is the first."""

    series: Mapping[str, Floats] = field(default_factory=dict)
    dates: np.ndarray = field(default_factory=partial(np.empty, 0, "datetime64[D]"))  # (T,)
    benchmark: Floats = field(default_factory=_none)  # (T,) returns
    turnover: Floats = field(default_factory=_none)  # (T,) one-way fractions of NAV
    weights: Floats = field(default_factory=partial(np.empty, (0, 0)))  # (T, N) signed fractions of NAV that are held
    side: str = ""  # "up" or "down" where figures of that class alone are wanted
    trades: Floats = field(default_factory=_none)  # returns of round trips
    profits: Floats = field(default_factory=_none)  # what they made in money
    fills: int = 0  # orders that were filled
    panels: Mapping[str, Panel] = field(default_factory=dict)
    positions: Floats = field(default_factory=_none)  # (cases,) weight x forward return
    risk_free: float | None = None  # annual rate as stated
    description: str = ""  # what was read, for the report
    per_year: int | None = None  # returns a year where they are not daily ones
    otherwise: int | None = None  # returns a year as stated, where the dates say otherwise
    unscaled: Floats = field(default_factory=_none)  # (T,) net returns before a volatility target and kill switches
    books: tuple[Book, ...] = ()  # the same book with some overlays only, or with such as look ahead

    @property
    def given(self) -> Floats:
        """(T,) returns on the own basis; none where there is no series."""
        return next(iter(self.series.values()), np.empty(0))

    @property
    def years(self) -> float:
        """Years of 365.25 days from the first date to the last; NaN without dates."""
        days = (self.dates[-1] - self.dates[0]) / np.timedelta64(1, "D") if len(self.dates) else 0.0
        return float(days) / 365.25 or math.nan

    @property
    def outcomes(self) -> Floats:
        """What closed trades came to, as returns where these are known, else in money."""
        return self.trades if len(self.trades) else self.profits

    def described(self, words: str) -> str:
        """The description with more words."""
        return f"{self.description}; {words}" if self.description else words

    def between(self, first: np.datetime64, last: np.datetime64) -> Material:
        """What is stamped from one day through another; without what has no stamps."""

        def kept(stamps: np.ndarray) -> np.ndarray:
            return np.asarray((stamps >= first) & (stamps <= last))

        rows, count = kept(self.dates), len(self.dates)
        tables = {"dates": self.dates} | {name: getattr(self, name) for name in ("benchmark", "turnover", "weights")}
        cut: dict[str, Any] = {name: each[rows] for name, each in tables.items() if count == len(each) > 0}
        series = {name: values[rows] for name, values in self.series.items() if len(values) == count}
        panels = {name: one.cut(kept(one.stamps)) for name, one in self.panels.items() if one.stamps is not None}
        stated = {name: getattr(self, name) for name in ("risk_free", "per_year", "otherwise")}
        return Material(series, panels=panels, **stated, **cut)


@dataclass(frozen=True)
class Reading:
    """A figure under one convention: dimension and choice, and how many choices depart from the project's own."""

    value: float
    choices: tuple[tuple[str, str], ...]
    departures: int = 0

    @property
    def words(self) -> str:
        """The convention in words."""
        return " · ".join(choice for _, choice in self.choices)


class Choice(dict[str, str]):
    """Dimension -> what was chosen, and the material that it is chosen for."""

    def __init__(self, material: Material, chosen: Mapping[str, str]) -> None:
        super().__init__(chosen)
        self.material = material


@dataclass(frozen=True)
class Statistic:
    """A figure under the conventions in use."""

    figure: Callable[..., float | None]  # (*cases, choice) -> value; no finite one where the choice has no meaning
    dimensions: Mapping[str, Sequence[str]]  # dimension -> choices, first the project's own; "@name": of a material
    cases: Callable[[Choice], Sequence[np.ndarray]]  # the arrays that `figure` is of
    sources: Mapping[str, Callable[[Material], Iterable[str]]] = field(default_factory=dict)  # name -> its choices
    fewest: int = 1  # cases without which there is no figure

    def readings(self, material: Material) -> tuple[Reading, ...]:
        """Every reading that the material gives."""
        grid = {
            name: [*dict.fromkeys(one for each in listed
                                  for one in (self.sources[each[1:]](material) if each[:1] == "@" else [each]))]
            for name, listed in self.dimensions.items()
        }  # fmt: skip
        found = []
        for options in product(*(enumerate(choices) for choices in grid.values())):
            chosen = {name: option for name, (_, option) in zip(grid, options, strict=True)}
            departing = [name for name, (place, _) in zip(grid, options, strict=True) if place]
            if any(pair.issubset((*chosen.values(), *departing)) for pair in _NEVER):
                continue
            choice = Choice(material, chosen)
            with np.errstate(all="ignore"):
                cases = self.cases(choice)
                value = None if any(len(each) < self.fewest for each in cases) else self.figure(*cases, choice)
            if value is not None and math.isfinite(value):
                value = -value if chosen.get("sign") == "printed positive" else value
                named = tuple((name, option) for name, option in chosen.items() if option)
                found.append(Reading(float(value), named, len(departing)))
        return tuple(found)
