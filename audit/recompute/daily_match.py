"""A report's own daily returns beside those that the data gives, day by day: which book are they of?

A Sharpe ratio is one number; a daily series is hundreds. Equal to the last digit on nearly every day, two series are of
one book; equal but for one factor, of one book in two sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.recompute.conventions import Material
from assay.audit.recompute.daily_series import Alternative, VolTarget, alternatives, simplest

__all__ = ["DailyMatch", "match_daily", "with_printed_series"]

#: Share of days that must be equal before a series is named.
NEARLY_ALL = 0.95
#: Relative tolerance of a day, and least absolute one.
CLOSE, TINY = 1e-5, 1e-9
_OWN = "our simulation, net"


@dataclass(frozen=True)
class DailyMatch:
    """How many of a report's daily returns a book gives.

    Parameters
    ----------
    words : the book that gives the most of them.
    equal, days : days on which they are equal to the last digit, of so many in common.
    own : days on which our own simulation, net of costs, gives them.
    look_ahead : whether that book uses the return or the close of a day on that day.
    size : factor of its size.
    rounding : half a unit of the last digit of the printed returns.

    """

    words: str
    equal: int
    days: int
    own: int
    look_ahead: bool = False
    size: float = 1.0
    rounding: float = 0.0

    @property
    def named(self) -> bool:
        """Whether the series is of that book."""
        return self.equal >= NEARLY_ALL * self.days

    @property
    def doubtful(self) -> bool:
        """Whether the series is of a book that looks ahead, or of another size than said."""
        return self.named and (self.look_ahead or self.size != 1.0)

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        ours = f"our simulation, net, on {self.own:,}"
        if not self.named:
            return (
                f"no book tried gives the printed daily returns: the nearest, {self.words}, equals them on"
                f" {self.equal:,} of {self.days:,} days."
            )
        tail = "" if self.words == _OWN else f", {ours}"
        more = "; nobody can trade on the return or the close of the day itself" if self.look_ahead else ""
        held = f"{self.equal:,} of {self.days:,} days"
        return f"the printed daily returns are those of {self.words} on {held}{tail}{more}."


def match_daily(printed: Material, simulated: Material, stated: VolTarget | None = None) -> DailyMatch | None:
    """The book that gives the most of a report's daily returns.

    Of several books that give nearly all days the soundest is taken: ours, its other bases, then those that look ahead;
    each at its own size first. None where the two have too few days in common.
    """
    values = next(iter(printed.series.values()))
    books = list(_books(simulated, stated))
    pair = _common(printed, simulated, len(values))
    if pair is None or not books:
        return None
    ours, theirs = pair
    target, half = values[theirs], _rounding(values)
    best: DailyMatch | None = None
    own = 0
    for book in books:
        given = book.values[ours]
        for size in dict.fromkeys((1.0, _size(target, given, half))):
            equal = int((np.abs(size * given - target) <= np.maximum(half + TINY, CLOSE * np.abs(target))).sum())
            if size == 1.0 and book.words == _OWN:
                own = equal
            if best is None or (equal > best.equal and not best.named):
                words = book.words if size == 1.0 else f"{book.words}, at {size:.4g} times its size"
                best = DailyMatch(words, equal, len(target), 0, book.look_ahead, size, half)
    return None if best is None else replace(best, own=own)


def _books(simulated: Material, stated: VolTarget | None) -> Iterator[Alternative]:
    """Our own series first, then its other bases, then the alternatives."""
    for name, values in simulated.series.items():
        yield Alternative(f"our simulation, {name}", values, "same close" in name)
    yield from alternatives(simulated, stated)


def _common(printed: Material, simulated: Material, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of ours and of theirs that are of one day: by date, or one by one where the lengths agree."""
    if printed.dates is not None and simulated.dates is not None:
        _, theirs, ours = np.intersect1d(printed.dates, simulated.dates, return_indices=True)
        return (ours, theirs) if len(ours) >= 20 else None
    count = len(next(iter(simulated.series.values()), ()))
    rows = np.arange(length)
    return (rows, rows) if count == length >= 20 else None


def _rounding(values: np.ndarray) -> float:
    """Half a unit of the last decimal that any of the values uses; 0 for full precision."""
    for digits in range(2, 9):
        if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-12):
            return float(0.5 * 10.0**-digits)
    return 0.0


def _size(target: np.ndarray, given: np.ndarray, half: float) -> float:
    """The simplest factor near the median ratio of the larger half of the days; 1 where there is none."""
    large = np.abs(given) > np.median(np.abs(given))
    if not large.any():
        return 1.0
    ratio = target[large] / given[large]
    middle = float(np.median(ratio))
    slack = max(1e-4, half / float(np.abs(given[large]).mean()) if half else 0.0) * abs(middle)
    if not np.isfinite(middle) or middle <= 0:
        return 1.0
    return simplest(Interval(middle - slack, middle + slack))


def with_printed_series(simulated: Material, printed: Material) -> Material:
    """The report's own series with our predictions: what portfolio figures must follow from."""
    words: Iterable[str] = filter(None, (printed.description, simulated.description))
    return replace(
        printed,
        panels=simulated.panels,
        risk_free=simulated.risk_free if printed.risk_free is None else printed.risk_free,
        description="; ".join(words),
    )
