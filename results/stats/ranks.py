"""Average ranks of each session's cross-section, and their correlation: exact, fast and lean.

One SIMD sort replaces an argsort: the lowest bits of a value's mantissa are replaced by its place, so that a sorted row
says where its values came from. What the replaced bits mis-order is found on the true values: such rows (values that
agree in about 11 digits without being equal, and infinite ones) are sorted again the slow way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats
from assay.data.row_tables import Values

__all__ = ["PairedRanks", "average_ranks", "rank_correlation", "row_correlation"]


_Counts = npt.NDArray[np.int64]
#: Places of what is missing, in a block's values one after another.
_Absent = npt.NDArray[np.int64]
#: Bytes of values in a block, so that a handful of arrays of that size stay in cache.
_BLOCK_BYTES = 1 << 19
#: Bits of 2¹⁰²³: what is missing is given a value from there on.
_MISSING = np.int64(0x7FE0000000000000)


def average_ranks(values: Floats) -> Floats:
    """Ranks 1…n within each row, ties sharing their average; NaN stays NaN and is not counted.

    Parameters
    ----------
    values : (T, N).

    Examples
    --------
    >>> average_ranks(np.array([[0.3, -0.0, 0.0, np.nan, 0.1]])).tolist()
    [[4.0, 1.5, 1.5, nan, 3.0]]

    """
    out = np.empty(values.shape)
    if not values.size:
        return out
    blocks = _blocks(values.shape)
    sorter = _Sorter(blocks[0].stop, values.shape[1])
    for rows in blocks:
        part = np.ascontiguousarray(values[rows], dtype=np.float64)
        _write_ranks(part, np.isnan(part), sorter, out[rows])
    return out


def rank_correlation(one: Values, two: Values, *, minimum: int = 10) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Spearman correlation of each row over the columns in which both have a value.

    Parameters
    ----------
    one, two : (T, N).
    minimum : rows with fewer pairs are NaN.

    Returns
    -------
    correlation : (T,); NaN where a row has too few pairs or no variation on one side.
    pairs : (T,) number of pairs.

    """
    correlation, pairs = np.full(len(one), np.nan), np.zeros(len(one), dtype=np.int64)
    if 0 in one.shape:
        return correlation, pairs
    blocks, columns = _blocks(one.shape), one.shape[1]
    sorter, room = _Sorter(blocks[0].stop, columns), np.empty((blocks[0].stop, columns))
    for rows in blocks:
        left, right = (np.ascontiguousarray(side[rows], dtype=np.float64) for side in (one, two))
        absent, n = _absent(np.isnan(left) | np.isnan(right))
        # The right side is put in the order of the left before it is sorted itself, so that its keys say where each
        # value stands on the left, and no table of ranks is made.
        starts, beside = np.arange(len(left))[:, None] * columns, room[: len(left)]
        places, ranked = sorter.ordered(left, absent, n)
        places += starts
        right.ravel().take(places.ravel(), out=beside.ravel(), mode="clip")
        # What is missing stands last on the left, row after row.
        row, lack = absent // columns, columns - n
        last = row * columns + n[row] + np.arange(len(absent)) - (np.cumsum(lack) - lack)[row]
        others, against = sorter.ordered(beside, last, n)
        if ranked.ndim == 1:
            np.add(others, 1, out=beside)
        else:
            ranked.ravel().take((others + starts).ravel(), out=beside.ravel(), mode="clip")
        beside.ravel()[last] = 0.0  # what is missing stands last here too, at numbers that mean nothing
        correlation[rows], pairs[rows] = _of_ranks(beside, against, n, minimum, tied=ranked.ndim > 1), n
    return correlation, pairs


def _of_ranks(beside: Floats, against: Floats, n: _Counts, minimum: int, *, tied: bool) -> Floats:
    """Correlation of each row's ranks, those of one side (0 where there is no pair) in the order of the other's.

    Ranks are multiples of ½, so that every sum is exact, in whatever order it is taken.
    """
    count = n.astype(np.float64)
    centre = count * (count + 1.0) ** 2 / 4.0  # n times the square of the mean rank
    plain = count * (count**2 - 1.0) / 12.0
    product = (beside @ against if against.ndim == 1 else np.einsum("ij,ij->i", beside, against)) - centre
    square = np.einsum("ij,ij->i", beside, beside) - centre if tied else plain
    other = plain
    if against.ndim > 1:
        other = np.einsum("ij,ij,ij->i", against, against, np.arange(beside.shape[1]) < n[:, None]) - centre
    scale = np.sqrt(square) * np.sqrt(other)
    enough = (n >= max(minimum, 2)) & (scale > 0.0)
    found: Floats = np.divide(product, scale, out=np.full(len(n), np.nan), where=enough)
    return np.clip(found, -1.0, 1.0)


class PairedRanks:
    """Average ranks of scores among the names of each session whose outcome is known, too: made when first asked for.

    Indexed by rows it gives twice the ranks, which are whole numbers, and 0 where there is no pair.

    Parameters
    ----------
    scores, outcomes : (T, N), NaN = unknown.
    keep : whether ranks that were made are kept, at 2 or 4 bytes each, for whoever asks next; never those of tables
        that are made some rows at a time.

    Examples
    --------
    >>> scores, outcomes = np.array([[0.3, 0.1, 0.2, 0.1]]), np.array([[0.0, 0.0, np.nan, 0.0]])
    >>> PairedRanks(scores, outcomes)[0:1].tolist()
    [[6, 3, 0, 3]]

    """

    def __init__(self, scores: Values, outcomes: Values, *, keep: bool = True) -> None:
        self.shape = scores.shape
        self._scores, self._outcomes = scores, outcomes
        self._kind = np.uint16 if 2 * self.shape[1] < 1 << 16 else np.uint32
        self._blocks = _blocks(self.shape)
        self._sorter = _Sorter(self._blocks[0].stop if self._blocks else 0, self.shape[1])
        whole = isinstance(scores, np.ndarray) and isinstance(outcomes, np.ndarray)
        self._kept = np.empty(self.shape, dtype=self._kind) if keep and whole else None
        self._made = 0

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        if self._kept is None:
            out = np.empty((rows.stop - rows.start, self.shape[1]), dtype=self._kind)
            for part in _blocks(out.shape):
                self._write(slice(rows.start + part.start, rows.start + part.stop), out[part])
            return out
        while self._made < rows.stop:
            block = self._blocks[self._made // self._blocks[0].stop]
            self._write(block, self._kept[block])
            self._made = block.stop
        return self._kept[rows]

    def correlation(self, minimum: int = 10) -> tuple[Floats, _Counts]:
        """As `rank_correlation`."""
        if self._kept is None:
            return rank_correlation(self._scores, self._outcomes, minimum=minimum)
        correlation, pairs = np.full(len(self._kept), np.nan), np.zeros(len(self._kept), dtype=np.int64)
        for rows in self._blocks if self.shape[1] else ():
            ranks, right = self[rows], np.ascontiguousarray(self._outcomes[rows], dtype=np.float64)
            absent, n = _absent(ranks == 0)
            places, against = self._sorter.ordered(right, absent, n)  # what is missing stands last
            places += np.arange(len(ranks))[:, None] * self.shape[1]
            beside = ranks.ravel().take(places, mode="clip") * 0.5
            correlation[rows], pairs[rows] = _of_ranks(beside, against, n, minimum, tied=True), n
        return correlation, pairs

    def _write(self, rows: slice, out: npt.NDArray[Any]) -> None:
        left, right = (np.ascontiguousarray(side[rows], dtype=np.float64) for side in (self._scores, self._outcomes))
        _write_ranks(left, np.isnan(left) | np.isnan(right), self._sorter, out, twice=True)


def row_correlation(one: Values, two: Values, *, minimum: int = 10) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Pearson correlation of each row, otherwise as `rank_correlation`."""
    correlation, pairs = np.full(len(one), np.nan), np.zeros(len(one), dtype=np.int64)
    for rows in _blocks(one.shape):
        left, right = (np.ascontiguousarray(side[rows], dtype=np.float64) for side in (one, two))
        absent, n = _absent(np.isnan(left) | np.isnan(right))
        product, scale, varies = _sums(left, right, absent, n)
        enough = (n >= max(minimum, 2)) & varies
        correlation[rows] = np.divide(product, scale, out=np.full(len(n), np.nan), where=enough)
        pairs[rows] = n
    return np.clip(correlation, -1.0, 1.0), pairs


def _absent(missing: npt.NDArray[np.bool_]) -> tuple[_Absent, _Counts]:
    """What is missing, and how many values each row has."""
    rows, columns = missing.shape
    absent = np.flatnonzero(missing)
    return absent, columns - np.bincount(absent // columns, minlength=rows)


def _sums(left: Floats, right: Floats, absent: _Absent, n: _Counts) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Of the values of two blocks: Σ l·r and √Σl² · √Σr², both centred, and whether the latter is no rounding."""
    centred, means = [], []
    for side in (left, right):
        if len(absent):
            side = side.copy()
            side.ravel()[absent] = 0.0
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(side.sum(axis=1) / n)
            centred.append(side - means[-1][:, None])
        centred[-1].ravel()[absent] = 0.0
    lengths = [np.sqrt(np.einsum("ij,ij->i", side, side)) for side in centred]
    scale = lengths[0] * lengths[1]
    # A constant row leaves rounding noise in proportion to its largest size, where it varies by 0.
    # No value is larger than the mean and the length together: where that settles it, the largest is not looked for.
    sizes = [np.abs(mean) + length for mean, length in zip(means, lengths, strict=True)]
    varies = scale > 2e-12 * n * sizes[0] * sizes[1]
    unsure = np.flatnonzero(~varies)
    if len(unsure):
        there = np.ones(left.shape, dtype=bool)
        there.ravel()[absent] = False
        sides = (np.where(there[unsure], side[unsure], 0.0) for side in (left, right))
        largest = [np.abs(side).max(axis=1, initial=0.0) for side in sides]
        varies[unsure] = scale[unsure] > 1e-12 * n[unsure] * largest[0] * largest[1]
    return np.einsum("ij,ij->i", *centred), scale, varies


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    step = max(1, _BLOCK_BYTES // max(8 * shape[1], 1))
    return [slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]


def _write_ranks(
    values: Floats, missing: npt.NDArray[np.bool_], sorter: _Sorter, out: npt.NDArray[Any], *, twice: bool = False
) -> None:
    """Write average ranks over rows of C order, NaN where a value is missing; or twice the ranks, and 0."""
    if not values.size:
        return
    absent, n = _absent(missing)
    places, ranked = sorter.ordered(values, absent, n)
    places += np.arange(len(values))[:, None] * values.shape[1]
    ranked = (2.0 * ranked).astype(out.dtype) if twice else ranked
    out.ravel()[places.ravel()] = np.broadcast_to(ranked, values.shape).ravel()  # C order: a flat view
    out.ravel()[absent] = 0 if twice else np.nan


class _Sorter:
    """Puts the values of rows in order, with room for the keys of a table, which each call writes anew."""

    def __init__(self, rows: int, columns: int) -> None:
        bits = max(int(columns - 1).bit_length(), 1)
        self._mask = np.int64((1 << bits) - 1)
        self._number = np.arange(columns, dtype=np.int64)
        #: Above every value, and each apart from the others.
        self._last = _MISSING + (self._number << bits) + self._number
        self._position = np.arange(1.0, columns + 1.0)
        self._keys, self._spare = (np.empty((rows, columns), dtype=np.int64) for _ in range(2))

    def ordered(self, values: Floats, absent: _Absent, n: _Counts) -> tuple[npt.NDArray[np.int64], Floats]:
        """Places of each row's values in ascending order, what is missing last, and average ranks in that order.

        Parameters
        ----------
        values : (R, N).
        absent : what is missing; ranks above n are of it, and mean nothing.
        n : (R,) values that each row has.

        Returns
        -------
        places : (R, N) into each row, from 0; until the next call.
        ranked : (R, N), or (N,), the numbers 1…N, where no row has ties.

        """
        rows, columns = values.shape
        mask, keys, places = self._mask, self._keys[:rows], self._spare[:rows]
        sorted_keys = keys.view(np.float64)
        np.add(values, 0.0, out=sorted_keys)  # −0.0 + 0.0 is 0.0
        keys &= ~mask
        keys |= self._number
        keys.ravel()[absent] = self._last[absent % columns]
        sorted_keys.sort(axis=-1)
        # An infinite value's key is a NaN, which stands last; one beyond 2¹⁰²³ may stand among what is missing.
        astray = np.isnan(sorted_keys[:, -1])
        if len(absent):
            astray |= (n > 0) & (keys[np.arange(rows), np.maximum(n, 1) - 1] >= _MISSING)
        np.bitwise_and(keys, mask, out=places)
        # Two values can be tied, or out of order, only if they agree in all the bits that the keys keep. The last of a
        # row and the first of the next may, too, which costs a second look.
        keys ^= places
        bits = keys.ravel()
        if not (bits[1:] == bits[:-1]).any() and not astray.any():
            return places, self._position
        if len(absent):
            values = values.copy()
            values.ravel()[absent] = np.nan
        return places, self._told_apart(values, places, astray)

    def _told_apart(self, values: Floats, places: npt.NDArray[np.int64], astray: npt.NDArray[np.bool_]) -> Floats:
        """Average ranks in order of the values, by which `places` are put right where they are not."""
        ordered = np.take_along_axis(values, places, axis=1)
        wrong = (ordered[:, 1:] < ordered[:, :-1]).any(axis=1) | astray
        if wrong.any():
            places[wrong] = np.argsort(values[wrong], axis=1, kind="stable")
            ordered[wrong] = np.take_along_axis(values[wrong], places[wrong], axis=1)
        same = ordered[:, 1:] == ordered[:, :-1]
        return _averaged(same, self._position) if same.any() else self._position


def _averaged(same: npt.NDArray[np.bool_], position: Floats) -> Floats:
    """Positions, those of a run of equal values replaced by their mean; `same` says of each value whether it equals
    the one before."""
    rows, columns = len(same), len(position)
    fresh = np.ones((rows, columns), dtype=bool)
    fresh[:, 1:] = ~same
    last = np.ones((rows, columns), dtype=bool)
    last[:, :-1] = ~same
    first = np.maximum.accumulate(np.where(fresh, position, 0.0), axis=1)
    final = np.minimum.accumulate(np.where(last, position, np.inf)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(0.5 * (first + final))
