"""A search for an actual sample of whole numbers behind a printed mean and standard deviation.

GRIMMER tests what such a sample must satisfy; for small samples every one can be tried, and then either one is shown or
none exists. The search is exhaustive: sums and sums of squares that i numbers can have are kept for every i.

References
----------
Heathers, Anaya, van der Zee & Brown (2018), SPRITE, PeerJ Preprints; Samuelson (1968) for the range of the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from assay.audit.claims.intervals import Interval

__all__ = ["Search", "integer_sample"]

#: Sums times values times numbers that are still searched, and the largest sum of squares.
WORK, LARGEST = 400_000, 20_000
_TINY = 1e-9


@dataclass(frozen=True)
class Search:
    """What was found: whether the search was small enough to be made, and a sample where there is one."""

    decided: bool
    sample: tuple[int, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether a sample was found; without meaning where the search was not made."""
        return bool(self.sample)


def integer_sample(
    mean: Interval, std: Interval, n: int, ddof: int = 1, ends: tuple[int | None, int | None] = (None, None)
) -> Search:
    """A sample of n whole numbers with this mean and standard deviation, or the proof that none exists; `ends` are its
    least and largest number, both attained, where printed.

    Examples
    --------
    >>> integer_sample(Interval(1.95, 2.05), Interval(0.95, 1.05), 4).sample
    ()
    >>> integer_sample(Interval(2.0, 2.0), Interval(1.15, 1.16), 4).sample
    (1, 1, 3, 3)

    """
    if n < 2 or n <= ddof or not math.isfinite(mean.width + std.width):
        return Search(False)
    centre = round(mean.middle)
    low, high = (None if end is None else end - centre for end in ends)
    fixed = [end for end in (low, high) if end is not None]
    if len(fixed) > n or (low is not None and high is not None and low > high):
        return Search(True)
    reach = std.high * (n - 1) / math.sqrt(n) * math.sqrt((n - ddof) / (n - 1)) + 1.0
    first = math.floor(mean.low - centre - reach) if low is None else low
    last = math.ceil(mean.high - centre + reach) if high is None else high
    sums = range(math.ceil((mean.low - centre) * n - _TINY), math.floor((mean.high - centre) * n + _TINY) + 1)
    spread = max(abs(first), abs(last), 1)
    top = math.floor((n - ddof) * std.high**2 + max((s * s for s in sums), default=0) / n + _TINY)
    if not sums:
        return Search(True)
    if (last - first + 1) * n * (2 * n * spread + 1) > WORK or top > LARGEST:
        return Search(False)
    wanted = [(s, _squares(s, std, n, ddof, top)) for s in sums]
    return _search(tuple(range(first, last + 1)), fixed, n, wanted, top, centre)


def _squares(total: int, std: Interval, n: int, ddof: int, top: int) -> int:
    """Bit set of the sums of squares that go with a sum and the deviation."""
    low = math.ceil((n - ddof) * max(std.low, 0.0) ** 2 + total * total / n - _TINY)
    high = min(math.floor((n - ddof) * std.high**2 + total * total / n + _TINY), top)
    low = max(low, 0)
    return ((1 << (high + 1)) - (1 << low)) if high >= low else 0


def _search(
    values: tuple[int, ...], fixed: list[int], n: int, wanted: list[tuple[int, int]], top: int, centre: int
) -> Search:
    """Sums and sums of squares of i numbers for i up to n, as bit sets, then back along one path."""
    mask = (1 << (top + 1)) - 1
    start, squares = sum(fixed), sum(value * value for value in fixed)
    if squares > top:
        return Search(True)
    levels: list[dict[int, int]] = [{start: 1 << squares}]
    for _ in range(n - len(fixed)):
        grown: dict[int, int] = {}
        for total, bits in levels[-1].items():
            for value in values:
                moved = (bits << (value * value)) & mask
                if moved:
                    grown[total + value] = grown.get(total + value, 0) | moved
        levels.append(grown)
    for total, allowed in wanted:
        hit = levels[-1].get(total, 0) & allowed
        if hit:
            return Search(True, _back(levels, values, fixed, total, (hit & -hit).bit_length() - 1, centre))
    return Search(True)


def _back(
    levels: list[dict[int, int]], values: tuple[int, ...], fixed: list[int], total: int, squares: int, centre: int
) -> tuple[int, ...]:
    sample = list(fixed)
    for level in reversed(levels[:-1]):
        for value in values:
            rest = squares - value * value
            if rest >= 0 and level.get(total - value, 0) >> rest & 1:
                sample.append(value)
                total, squares = total - value, rest
                break
    return tuple(sorted(value + centre for value in sample))
