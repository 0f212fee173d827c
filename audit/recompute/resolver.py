"""The convention resolver: under which of the declared conventions does the data give the printed figure?

A figure that one convention in hundreds reproduces to its last digit was very likely made that way. A figure that half
of the grid reproduces was printed too coarsely to tell; and where most figures of so few digits, right or wrong, would
find some convention as odd, finding one says nothing. The resolver measures both and says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim
from assay.audit.recompute.conventions import Material, Reading
from assay.audit.recompute.measures import readings_of
from assay.audit.rules.words import as_printed

__all__ = ["Resolution", "resolve", "stands_for"]

#: Share of the grid beyond which reproducing a figure proves nothing; chance of finding some convention by luck from
#: which on it is told, and from which on finding one proves nothing.
TOO_MANY, LUCK, LUCKY = 0.5, 0.1, 0.25
#: Kinds of metric that are often printed in percent without the sign.
_PERCENT_KINDS = ("return", "error", "proportion", "score", "share")


@dataclass(frozen=True)
class Resolution:
    """What the grid says about one printed figure."""

    printed: Printed
    own: Reading  # the figure under the project's own convention
    matches: tuple[Reading, ...]  # readings that round to the print, fewest departures first
    nearest: Reading  # the reading nearest to the print
    tried: int  # how many conventions were tried
    #: Share of the figures of as many digits, from half of ours to one and a half times it, that a convention with no
    #: more departures than the named one would give.
    chance: float = 0.0
    note: str = ""  # a reading of the print that was needed (in percent, digits cut off)

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
        lucky = bool(self.matches) and not self.reproduced and self.chance >= LUCKY
        return self.tried > 1 and (self._too_many or lucky)

    @property
    def _too_many(self) -> bool:
        return self.tried > 1 and len(self.matches) >= TOO_MANY * self.tried

    @property
    def _departing(self) -> str:
        usual, reading = dict(self.own.choices), self.matches[0]
        return " · ".join(each for name, each in reading.choices if usual.get(name) != each) or reading.words

    @property
    def shown(self) -> str:
        """The figure for a table: our own, and what reproduces the print where that is another."""
        own = as_printed(self.own.value, self.printed)
        if self.reproduced or not self.matches:
            return own
        return f"{own}; {as_printed(self.matches[0].value, self.printed)} with {self._departing}"

    @property
    def sentence(self) -> str:
        """The finding in one sentence, without its full stop."""
        own, count, tried = as_printed(self.own.value, self.printed), len(self.matches), f"{self.tried} conventions"
        note, sentence = f" ({self.note})" * bool(self.note), f"recomputed {own} ({self.own.words})"
        if not self.matches:
            near = f"{as_printed(self.nearest.value, self.printed)} ({self.nearest.words})"
            return f"{sentence}; none of {tried} gives {self.printed.text}, the nearest is {near}{note}"
        other = as_printed(self.matches[0].value, self.printed)
        sentence += f" rounds to the printed {self.printed.text}" if self.reproduced else ""
        sentence += "" if self.reproduced else f"; {self._departing} gives {other}, as printed"
        sentence += f"; {count} of {tried} give the printed digits" if count > 1 else f"; no other of {tried} does"
        sentence += ", so they prove nothing about how it was made" if self._too_many else ""
        if not self.reproduced and self.chance >= LUCK:
            sentence += f"; {100 * self.chance:.0f}% of all figures near ours with so few digits would find one as odd"
            sentence += ", so it proves nothing" if self.chance >= LUCKY else ""
        return sentence + note


def stands_for(claim: Claim, interval: Interval) -> dict[str, Interval]:
    """What a print can stand for, the likeliest first, by the note of that reading: as rounded (`interval`), where it
    bears no sign in percent, or with its digits cut off."""
    bare = METRICS[claim.metric].kind in _PERCENT_KINDS and not claim.value.percent and not claim.unit
    percent = {"printed in percent without the sign": claim.value.interval * 0.01} if bare else {}
    return {"": interval} | percent | {"digits cut off, not rounded": claim.value.either}


def resolve(
    metric: str, printed: Printed, material: Material, stands: Mapping[str, Interval] | None = None
) -> Resolution | None:
    """Which conventions reproduce a printed figure; None when the material cannot give the metric.

    `stands` is what the print can stand for where that is not as rounded (`stands_for`): the first that any
    convention gives is taken, else the first.

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
    tried = [(note, wanted, tuple(reading for reading in readings if wanted.holds(reading.value)))
             for note, wanted in (stands or {"": printed.interval}).items()]  # fmt: skip
    note, wanted, matches = next((each for each in tried if each[2]), tried[0])
    nearest, own, chance = min(readings, key=lambda reading: abs(reading.value - wanted.middle)), readings[0], 0.0
    if matches and matches[0].departures:
        as_odd = [reading.value for reading in readings if reading.departures <= matches[0].departures]
        chance = _covered(as_odd, own.value, wanted.width)
    return Resolution(printed, own, matches, nearest, len(readings), chance, note)


def _covered(values: Sequence[float], own: float, width: float) -> float:
    """Share of the stretch from half of `own` to one and a half times it within half a width of some value."""
    low, high = sorted((0.5 * own, 1.5 * own))
    if not (high > low and math.isfinite(width)):
        return 1.0
    ends = np.clip(np.sort(values) + width / 2, low, high)
    begins = np.clip(np.sort(values) - width / 2, np.concatenate([[low], ends[:-1]]), high)
    return float(np.maximum(ends - begins, 0.0).sum() / (high - low))
