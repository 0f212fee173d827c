"""The declared grid of conventions, and what it means to read a figure under one of them.

A figure without its convention is a set of values. Each metric declares the dimensions in which reports differ, first
choice first: the first choices together are this project's own convention. A dimension that cannot matter on the data
at hand (no flat days, gross equal to net) is left out, so that no convention is counted twice. A statistic is a row of
data: its name, the conventions it is printed under, and one function of a choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

__all__ = [
    "DAYS",
    "DDOF",
    "FORM",
    "PERIODS",
    "RISK_FREE",
    "Choice",
    "Choices",
    "Dimensions",
    "Material",
    "Panel",
    "Reading",
    "Statistic",
    "annual_of",
    "bases_of",
    "by_name",
    "calendar_years",
    "drawdown_of",
    "drawdown_spans",
    "grid",
    "growth",
    "idle",
    "monthly",
    "of_returns",
    "rates_of",
    "readings_over",
    "spread",
    "turnover_grid",
    "turnover_of",
    "values_of",
]

#: Periods a year; "monthly" compounds to months first.
PERIODS = ("252", "250", "260", "365", "monthly √12", "not annualised")
DDOF = ("ddof 1", "ddof 0")
#: Annual risk-free rates tried beside the stated one.
RISK_FREE = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)

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


def grid(dimensions: Dimensions) -> Iterator[tuple[dict[str, str], int]]:
    """Every combination of choices, with the number of departures from the first ones.

    Examples
    --------
    >>> [(choice["ddof"], departures) for choice, departures in grid({"ddof": DDOF})]
    [('ddof 1', 0), ('ddof 0', 1)]

    """
    names = list(dimensions)
    for combination in product(*(range(len(dimensions[name])) for name in names)):
        yield (
            {name: dimensions[name][index] for name, index in zip(names, combination, strict=True)},
            sum(index > 0 for index in combination),
        )


def readings_over(
    dimensions: Dimensions, figure: Callable[[dict[str, str]], float | None], drop: Iterable[str] = ()
) -> tuple[Reading, ...]:
    """Evaluate a figure over a grid; combinations without a meaning (None) or without a finite value are left out.

    Dimensions in `drop` cannot matter here: they keep their first choice and are not named.
    """
    kept = {name: (choices[:1] if name in set(drop) else choices) for name, choices in dimensions.items()}
    found = []
    for choice, departures in grid(kept):
        with np.errstate(all="ignore"):
            value = figure(choice)
        if value is not None and np.isfinite(value):
            named = tuple((name, option) for name, option in choice.items() if len(kept[name]) > 1 or name in _ALWAYS)
            found.append(Reading(float(value), named, departures))
    return tuple(found)


#: Dimensions that are named even where there is no other choice.
_ALWAYS = ("periods", "ddof", "mean", "basis", "counted", "called", "target", "timing", "average")


_ANNUAL = PERIODS[:4]
DAYS = ("all sessions", "without flat sessions")
FORM = ("simple returns", "log returns")
#: Sessions taken for a month where no dates are known.
MONTH = 21


def annual_of(material: Material) -> tuple[str, ...]:
    """Returns a year, the material's own first where they are not daily."""
    own = () if material.per_year is None else (str(material.per_year),)
    return tuple(dict.fromkeys((*own, *_ANNUAL)))


def bases_of(material: Material, only: str = "", fewest: int = 2) -> tuple[str, ...]:
    """Names of the series of at least so many returns, each distinct one once."""
    names = [name for name in material.series if not only or only in name]
    kept: list[str] = []
    for name in names:
        values = material.series[name]
        if len(values) >= fewest and not any(np.array_equal(values, material.series[other]) for other in kept):
            kept.append(name)
    return tuple(kept)


def values_of(material: Material, choice: dict[str, str]) -> np.ndarray:
    values = material.series[choice["basis"]]
    if choice.get("days") == DAYS[1]:
        values = values[values != 0.0]
    return np.log1p(values) if choice.get("form") == FORM[1] else values


def idle(material: Material, bases: tuple[str, ...]) -> tuple[str, ...]:
    """Dimensions that cannot matter: flat sessions where there are none."""
    return () if any((material.series[name] == 0.0).any() for name in bases) else ("days",)


def monthly(material: Material, basis: str, form: str) -> np.ndarray:
    """Returns compounded to calendar months, or to blocks of 21 sessions where no dates are known."""
    logs = np.log1p(material.series[basis])
    if material.dates is not None and len(material.dates) == len(logs):
        months = material.dates.astype("datetime64[M]").astype(int)
    else:
        months = np.arange(len(logs)) // MONTH
    _, labels = np.unique(months, return_inverse=True)
    sums = np.bincount(labels, weights=logs)
    return sums if form == FORM[1] else np.expm1(sums)


def rates_of(material: Material) -> dict[str, tuple[float, bool]]:
    """Words -> (annual risk-free rate, whether a session's part of it compounds); the stated rate right after 0."""
    stated = () if material.risk_free is None else (material.risk_free,)
    rates = {f"rf {100 * rate:g}%": (rate, False) for rate in dict.fromkeys((0.0, *stated, *RISK_FREE))}
    return rates | {f"rf {100 * rate:g}% compounded": (rate, True) for rate in stated if rate}


def calendar_years(material: Material) -> float | None:
    """Years of 365.25 days from the first date to the last; None without dates."""
    if material.dates is None or len(material.dates) < 2:
        return None
    years = float((material.dates[-1] - material.dates[0]) / np.timedelta64(1, "D")) / 365.25
    return years if years > 0 else None


def spread(values: np.ndarray, choice: dict[str, str]) -> float:
    ddof = 0 if choice["ddof"] == DDOF[1] else 1
    return float(values.std(ddof=ddof)) if len(values) > ddof else math.nan


def growth(values: np.ndarray, periods: float) -> float | None:
    """Compound growth a year."""
    if not len(values) or (values <= -1.0).any():
        return None
    return float(math.expm1(np.log1p(values).sum() * periods / len(values)))


def drawdown_of(values: np.ndarray, method: str, start: bool) -> float:
    """Deepest fall below the running peak; additive in units of constant capital, else as a share of the peak."""
    if method == "additive":
        path = np.cumsum(values)
        path = np.concatenate([[0.0], path]) if start else path
        return float((path - np.maximum.accumulate(path)).min())
    path = np.cumprod(1.0 + values)
    path = np.concatenate([[1.0], path]) if start else path
    return float((path / np.maximum.accumulate(path) - 1.0).min())


def drawdown_spans(values: np.ndarray) -> list[tuple[int, int, int, float]]:
    """Every drawdown of the compounded path: peak, trough, recovery and depth.

    Positions count from 0, the capital before the first session; a drawdown that has not ended ends with the last one.

    Examples
    --------
    >>> drawdown_spans(np.array([0.1, -0.2, 0.1, 0.3, -0.05]))
    [(1, 2, 4, -0.2), (4, 5, 5, -0.05)]

    """
    path = np.concatenate([[1.0], np.cumprod(1.0 + values)])
    high = np.maximum.accumulate(path)
    below = path < high
    edges = np.flatnonzero(np.diff(np.concatenate([[False], below, [False]]).astype(np.int8)))
    spans = []
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        trough = first + int(np.argmin(path[first:after]))
        depth = float(path[trough] / high[trough] - 1.0)
        spans.append((int(first) - 1, int(trough), min(int(after), len(path) - 1), round(depth, 15)))
    return spans


def turnover_grid(material: Material, *more: str) -> Dimensions:
    """Ways to print a turnover: of one side or both, over which stretch, of which sessions."""
    years = [f"a year of {count}" for count in annual_of(material)]
    return {
        "way": ("one-way", "two-way"),
        "periods": ("a session", "a week of 5", "a month of 21", *years, "in all"),
        "days": ("all sessions", "without the first", *more),
    }


def turnover_of(traded: np.ndarray, choice: dict[str, str]) -> float | None:
    """The mean of one-way turnovers a session, as the choice has it."""
    values = traded[1:] if choice["days"] == "without the first" else traded
    scale = {"a session": 1.0, "in all": float(len(values))}.get(choice["periods"])
    scale = float(choice["periods"].rsplit(" ", 1)[1]) if scale is None else scale
    return float(values.mean() * scale * (2.0 if choice["way"] == "two-way" else 1.0)) if len(values) else None


Choice = dict[str, str]
#: What a dimension can be: choices, or the choices that a material has.
Choices = Sequence[str] | Callable[[Material], Sequence[str]]


@dataclass(frozen=True)
class Statistic:
    """One statistic under the conventions in use.

    Parameters
    ----------
    name : canonical metric.
    dimensions : material -> dimension -> choices, the project's own first; empty where the material cannot give it.
    figure : (material, choice) -> value, or None where the choice has no meaning.
    idle : material -> dimensions that cannot matter there.

    """

    name: str
    dimensions: Callable[[Material], Dimensions]
    figure: Callable[[Material, Choice], float | None]
    idle: Callable[[Material], Sequence[str]] = lambda _: ()

    def readings(self, material: Material) -> tuple[Reading, ...]:
        """Every reading that the material gives, the project's own convention first."""
        dimensions = self.dimensions(material)
        if not dimensions:
            return ()
        return readings_over(dimensions, lambda choice: self.figure(material, choice), self.idle(material))


def by_name(*rows: Statistic) -> dict[str, Statistic]:
    """The rows by their canonical metric."""
    return {row.name: row for row in rows}


def of_returns(
    name: str, figure: Callable[[np.ndarray, Choice, Material], float | None], *, only: str = "", fewest: int = 2,
    **dimensions: Choices,
) -> Statistic:  # fmt: skip
    """A row over the return series of a material.

    Parameters
    ----------
    name : canonical metric.
    figure : ((T,) returns as the choice has them, choice, material) -> value.
    only : part of the names of the series that count, ``""`` for all.
    fewest : returns that a series must have.
    dimensions : the grid beside the series; those named ``form`` and ``days`` are applied before `figure` sees them.

    """

    def grid(material: Material) -> Dimensions:
        bases = bases_of(material, only, fewest)
        given = {name: own(material) if callable(own) else own for name, own in dimensions.items()}
        return {"basis": bases, **given} if bases else {}

    def without(material: Material) -> tuple[str, ...]:
        return idle(material, bases_of(material, only, fewest)) if "days" in dimensions else ()

    def value(material: Material, choice: Choice) -> float | None:
        return figure(values_of(material, choice), choice, material)

    return Statistic(name, grid, value, without)
