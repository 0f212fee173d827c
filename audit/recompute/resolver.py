"""The convention resolver: under which of the declared conventions does the data give the printed figure?

A figure that one convention in hundreds reproduces to its last digit was very likely made that way. A figure that half
of the grid reproduces was printed too coarsely to tell; and where most figures of so few digits, right or wrong, would
find some convention as odd, finding one says nothing. The resolver measures both and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.recompute.conventions import Material, Reading
from assay.audit.recompute.measures import readings_of

__all__ = ["Resolution", "number_as", "resolve"]

#: Share of the grid beyond which reproducing a figure proves nothing; chance of finding some convention by luck from
#: which on it is told, and from which on finding one proves nothing.
TOO_MANY, LUCK, LUCKY = 0.5, 0.1, 0.25


@dataclass(frozen=True)
class Resolution:
    """What the grid says about one printed figure.

    Parameters
    ----------
    own, nearest : the figure under the project's own convention, and the reading nearest to the print.
    matches : readings that round to the print, fewest departures first.
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
        return bool(self.matches) and not self.matches[0].departures

    @property
    def named(self) -> Reading | None:
        """The convention to name: the match with the fewest departures."""
        return self.matches[0] if self.matches else None

    @property
    def proves_nothing(self) -> bool:
        """Whether so much of the grid gives the print, or would give most others, that it identifies nothing."""
        lucky = not self.reproduced and self.chance >= LUCKY
        return self.tried > 1 and bool(self.matches) and (len(self.matches) >= TOO_MANY * self.tried or lucky)

    @property
    def _departing(self) -> str:
        usual, reading = dict(self.own.choices), self.matches[0]
        return " · ".join(each for name, each in reading.choices if usual.get(name) != each) or reading.words

    @property
    def shown(self) -> str:
        """The figure for a table: our own, and what reproduces the print where that is another."""
        own = number_as(self.own.value, self.printed)
        if self.reproduced or not self.matches:
            return own
        return f"{own}; {number_as(self.matches[0].value, self.printed)} with {self._departing}"

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        own = f"recomputed {number_as(self.own.value, self.printed)} ({self.own.words})"
        if not self.matches:
            near = f"{number_as(self.nearest.value, self.printed)} ({self.nearest.words})"
            return f"{own}; none of {self.tried} conventions gives {self.printed.text}, the nearest is {near}."
        many = self.tried > 1 and len(self.matches) >= TOO_MANY * self.tried
        tail = f"; {len(self.matches)} of {self.tried} conventions give the printed digits"
        tail = tail if len(self.matches) > 1 else f"; no other of {self.tried} conventions does"
        tail += ", so they prove nothing about how it was made" if many else ""
        if self.reproduced:
            return f"{own} rounds to the printed {self.printed.text}{tail}."
        if self.chance >= LUCK:
            tail += f"; {100 * self.chance:.0f}% of all figures near ours with so few digits would find one as odd"
            tail += ", so it proves nothing" if self.chance >= LUCKY else ""
        return f"{own}; {self._departing} gives {number_as(self.matches[0].value, self.printed)}, as printed{tail}."


def number_as(value: float, printed: Printed) -> str:
    """A value in the print's own scale with two digits more than it has."""
    if printed.unit and printed.unit >= 1 and abs(value) >= 1000 and not printed.percent:
        return f"{value:,.0f}"
    digits = min(printed.decimals + 2, 12)
    return f"{value:.{digits}%}" if printed.percent else f"{value:.{digits}f}"


def resolve(metric: str, printed: Printed, material: Material, interval: Interval | None = None) -> Resolution | None:
    """Which conventions reproduce a printed figure; None when the material cannot give the metric.

    `interval` is what the print stands for, where the caller knows better (a percentage without its sign).

    Examples
    --------
    >>> import numpy as np
    >>> from assay.audit.claims.intervals import parse_print
    >>> returns = np.array([0.01, -0.005, 0.002, 0.007, -0.003])
    >>> found = resolve("return_std", parse_print("0.0057"), Material({"net": returns}))
    >>> found.named.words, found.reproduced, found.tried
    ('net · ddof 0 · simple returns', False, 4)

    """
    readings = sorted(readings_of(metric, material), key=lambda reading: reading.departures)
    if not readings:
        return None
    wanted = printed.interval if interval is None else interval
    matches = tuple(reading for reading in readings if wanted.holds(reading.value))
    nearest, own, chance = min(readings, key=lambda reading: abs(reading.value - wanted.middle)), readings[0], 0.0
    if matches and matches[0].departures:
        as_odd = [reading.value for reading in readings if reading.departures <= matches[0].departures]
        chance = _covered(as_odd, own.value, wanted.width)
    return Resolution(printed, own, matches, nearest, len(readings), chance)


def _covered(values: Sequence[float], own: float, width: float) -> float:
    """Share of the stretch from half of `own` to one and a half times it within half a width of some value."""
    low, high = sorted((0.5 * own, 1.5 * own))
    if not (high > low and math.isfinite(width)):
        return 1.0
    ends = np.clip(np.sort(values) + width / 2, low, high)
    begins = np.clip(np.sort(values) - width / 2, np.concatenate([[low], ends[:-1]]), high)
    return float(np.maximum(ends - begins, 0.0).sum() / (high - low))
