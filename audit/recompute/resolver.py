"""The convention resolver: under which of the declared conventions does the data give the printed figure?

A figure that one convention in hundreds reproduces to its last digit was very likely made that way. A figure that half
of the grid reproduces was printed too coarsely to tell; and where most figures of so few digits, right or wrong, would
find some convention as odd, finding one says nothing. The resolver measures both and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.recompute.conventions import Material, Reading
from assay.audit.recompute.return_statistics import BOOK_STATISTICS, RELATIVE_STATISTICS, RETURN_STATISTICS
from assay.audit.recompute.signal_statistics import SIGNAL_STATISTICS, side_statistic

__all__ = ["RESOLVED_METRICS", "Resolution", "number_as", "readings_of", "resolve"]

#: Share of the grid beyond which reproducing a figure proves nothing.
TOO_MANY = 0.5

#: Chance of finding some convention by luck from which on it is told, and from which on finding one proves nothing.
LUCK, LUCKY = 0.1, 0.25

_TABLES = (RETURN_STATISTICS, RELATIVE_STATISTICS, SIGNAL_STATISTICS, BOOK_STATISTICS)
#: Metrics the resolver can recompute.
RESOLVED_METRICS = tuple(dict.fromkeys(name for table in _TABLES for name in table))


@dataclass(frozen=True)
class Resolution:
    """What the grid says about one printed figure.

    Parameters
    ----------
    printed : the figure.
    own : the figure under the project's own convention.
    matches : readings that round to the print, fewest departures first.
    nearest : the reading nearest to the print.
    tried : how many conventions were tried.
    chance : share of the figures of as many digits, from half of ours to one and a half times it, that a convention
        with no more departures than the named one would give.

    """

    printed: Printed
    own: Reading
    matches: tuple[Reading, ...]
    nearest: Reading
    tried: int
    chance: float = 0.0

    @property
    def reproduced(self) -> bool:
        """Whether the project's own convention gives the printed digits."""
        return any(reading.own for reading in self.matches)

    @property
    def named(self) -> Reading | None:
        """The convention to name: the match with the fewest departures."""
        return self.matches[0] if self.matches else None

    @property
    def proves_nothing(self) -> bool:
        """Whether so much of the grid gives the print, or would give most others, that it identifies nothing."""
        if self.tried < 2 or not self.matches:
            return False
        return len(self.matches) >= TOO_MANY * self.tried or (not self.reproduced and self.chance >= LUCKY)

    @property
    def shown(self) -> str:
        """The figure for a table: our own, and what reproduces the print where that is another."""
        own = number_as(self.own.value, self.printed)
        if self.reproduced or not self.matches:
            return own
        return f"{own}; {number_as(self.matches[0].value, self.printed)} with {_departing(self.matches[0], self.own)}"

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        many = f"{len(self.matches)} of {self.tried} conventions"
        own = f"recomputed {number_as(self.own.value, self.printed)} ({self.own.words})"
        if not self.matches:
            return (
                f"{own}; none of {self.tried} conventions gives {self.printed.text}, the nearest is"
                f" {number_as(self.nearest.value, self.printed)} ({self.nearest.words})."
            )
        if len(self.matches) >= TOO_MANY * self.tried and self.tried > 1:
            tail = f"; {many} give the printed digits, so they prove nothing about how it was made"
        elif len(self.matches) > 1:
            tail = f"; {many} give the printed digits"
        else:
            tail = f"; no other of {self.tried} conventions does"
        if self.reproduced:
            return f"{own} rounds to the printed {self.printed.text}{tail}."
        named = self.matches[0]
        if self.chance >= LUCK:
            tail += f"; {100 * self.chance:.0f}% of all figures near ours with so few digits would find one as odd"
            tail += ", so it proves nothing" if self.chance >= LUCKY else ""
        return f"{own}; {_departing(named, self.own)} gives {number_as(named.value, self.printed)}, as printed{tail}."


def _departing(reading: Reading, own: Reading) -> str:
    usual = dict(own.choices)
    changed = [choice for name, choice in reading.choices if usual.get(name) != choice]
    return " · ".join(changed) or reading.words


def number_as(value: float, printed: Printed) -> str:
    """A value in the print's own scale with two digits more than it has."""
    if printed.percent:
        return f"{100 * value:.{min(printed.decimals + 2, 12)}f}%"
    if printed.unit and printed.unit >= 1 and abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{min(printed.decimals + 2, 12)}f}"


def readings_of(metric: str, material: Material) -> tuple[Reading, ...]:
    """Every reading of a metric that the material can give."""
    if material.side:
        return side_statistic(metric, material.side).readings(material)
    return tuple(reading for table in _TABLES if metric in table for reading in table[metric].readings(material))


def resolve(metric: str, printed: Printed, material: Material, interval: Interval | None = None) -> Resolution | None:
    """Which conventions reproduce a printed figure.

    Parameters
    ----------
    metric : canonical name.
    printed : the figure.
    material : what to recompute it from.
    interval : what the print stands for, where the caller knows better (a percentage without its sign).

    Returns
    -------
    Resolution, or None when the material cannot give the metric.

    Examples
    --------
    >>> import numpy as np
    >>> from assay.audit.claims.intervals import parse_print
    >>> returns = np.array([0.01, -0.005, 0.002, 0.007, -0.003])
    >>> found = resolve("return_std", parse_print("0.0057"), Material({"net": returns}))
    >>> found.named.words, found.reproduced, found.tried
    ('net · ddof 0 · simple returns', False, 4)

    """
    readings = readings_of(metric, material)
    if not readings:
        return None
    wanted = printed.interval if interval is None else interval
    matches = sorted((r for r in readings if wanted.holds(r.value)), key=lambda r: r.departures)
    middle = wanted.middle
    nearest = min(readings, key=lambda r: (abs(r.value - middle), r.departures))
    own = min(readings, key=lambda r: r.departures)
    chance = 0.0
    if matches and not any(reading.own for reading in matches):
        chance = _covered([r.value for r in readings if r.departures <= matches[0].departures], own.value, wanted.width)
    return Resolution(printed, own, tuple(matches), nearest, len(readings), chance)


def _covered(values: Sequence[float], own: float, width: float) -> float:
    """Share of the stretch from half of `own` to one and a half times it within half a width of some value."""
    low, high = sorted((0.5 * own, 1.5 * own))
    if not (high > low and math.isfinite(width)):
        return 1.0
    covered, reached = 0.0, low
    for value in sorted(values):
        begin, end = max(value - width / 2, reached), min(value + width / 2, high)
        if end > begin:
            covered, reached = covered + end - begin, end
    return covered / (high - low)
