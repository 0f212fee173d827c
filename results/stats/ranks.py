"""Average ranks of each session's cross-section, and their correlation: exact, fast and lean.

One SIMD sort replaces an argsort: the lowest bits of a value's mantissa are replaced by its place, so that a sorted row
says where its values came from. What the replaced bits mis-order is found on the true values: such rows (values that
agree in about 11 digits without being equal, and infinite ones) are sorted again the slow way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats
from assay.data.row_tables import Values

__all__ = ["average_ranks", "rank_correlation", "row_correlation"]


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
        _write_ranks(np.ascontiguousarray(values[rows], dtype=np.float64), sorter, out[rows])
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
    blocks = _blocks(one.shape)
    if 0 in one.shape:
        return np.full(len(one), np.nan), np.zeros(len(one), dtype=np.int64)
    sorter = _Sorter(blocks[0].stop, one.shape[1])
    room = np.empty((blocks[0].stop, one.shape[1]))

    def sums(left: Floats, right: Floats, absent: _Absent, n: _Counts) -> tuple[Floats, Floats, Floats | float]:
        return _ranked_sums(left, right, absent, n, sorter, room[: len(left)])

    return _correlated(one, two, minimum, sums)


def row_correlation(one: Values, two: Values, *, minimum: int = 10) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Pearson correlation of each row, otherwise as `rank_correlation`."""
    return _correlated(one, two, minimum, _sums)


#: Of two blocks, what is missing on either side and the pairs of each row: Σ l·r, √Σl² · √Σr², both centred, and what
#: the latter has to exceed to be no rounding.
_Sums = Callable[[Floats, Floats, _Absent, _Counts], tuple[Floats, Floats, Floats | float]]


def _correlated(one: Values, two: Values, minimum: int, sums: _Sums) -> tuple[Floats, npt.NDArray[np.int64]]:
    correlation = np.full(len(one), np.nan)
    pairs = np.zeros(len(one), dtype=np.int64)
    for rows in _blocks(one.shape):
        left, right = (np.ascontiguousarray(side[rows], dtype=np.float64) for side in (one, two))
        absent, n = _absent(np.isnan(left) | np.isnan(right))
        product, scale, least = sums(left, right, absent, n)
        enough = (n >= max(minimum, 2)) & (scale > least)
        correlation[rows] = np.divide(product, scale, out=np.full(len(n), np.nan), where=enough)
        pairs[rows] = n
    return np.clip(correlation, -1.0, 1.0), pairs


def _absent(missing: npt.NDArray[np.bool_]) -> tuple[_Absent, _Counts]:
    """What is missing, and how many values each row has."""
    rows, columns = missing.shape
    absent = np.flatnonzero(missing)
    return absent, columns - np.bincount(absent // columns, minlength=rows)


def _sums(left: Floats, right: Floats, absent: _Absent, n: _Counts) -> tuple[Floats, Floats, Floats | float]:
    """Of the values."""
    sides = (left, right) = left.copy(), right.copy()
    for side in sides:
        side.ravel()[absent] = 0.0
    # The largest size in each row: a constant row leaves rounding noise in proportion to it, where it varies by 0.
    largest = [np.asarray(np.abs(side).max(axis=1)) for side in sides]
    for side in sides:
        with np.errstate(invalid="ignore", divide="ignore"):
            side -= (side.sum(axis=1) / n)[:, None]
        side.ravel()[absent] = 0.0
    size = np.sqrt(np.einsum("ij,ij->i", left, left)) * np.sqrt(np.einsum("ij,ij->i", right, right))
    return np.einsum("ij,ij->i", left, right), size, 1e-12 * n * largest[0] * largest[1]


def _ranked_sums(
    left: Floats, right: Floats, absent: _Absent, n: _Counts, sorter: _Sorter, along: Floats
) -> tuple[Floats, Floats, Floats | float]:
    """Of the average ranks: multiples of ½, so that every sum is exact, in whatever order it is taken.

    The right side is put in the order of the left before it is sorted itself, so that its keys say where each value
    stands on the left, and no table of ranks is made. `along` is room for a table of values.
    """
    rows, columns = left.shape
    starts = np.arange(rows)[:, None] * columns
    places, ranked = sorter.ordered(left, absent, n)
    places += starts
    right.ravel().take(places.ravel(), out=along.ravel(), mode="clip")
    # What is missing stands last on the left, row after row.
    row, lack = absent // columns, columns - n
    last = row * columns + n[row] + np.arange(len(absent)) - (np.cumsum(lack) - lack)[row]
    others, against = sorter.ordered(along, last, n)
    beside = along  # which is not read again
    count = n.astype(np.float64)
    centre = count * (count + 1.0) ** 2 / 4.0  # n times the square of the mean rank
    if ranked.ndim == 1:
        np.add(others, 1, out=beside)
    else:
        ranked.ravel().take((others + starts).ravel(), out=beside.ravel(), mode="clip")
    beside.ravel()[last] = 0.0  # what is missing stands last here too, at numbers that mean nothing
    product = (beside @ against if against.ndim == 1 else np.einsum("ij,ij->i", beside, against)) - centre
    plain = count * (count**2 - 1.0) / 12.0
    squares = [
        plain if side.ndim == 1 else np.einsum("ij,ij,ij->i", side, side, np.arange(columns) < n[:, None]) - centre
        for side in (ranked, against)
    ]
    return product, np.sqrt(squares[0]) * np.sqrt(squares[1]), 0.0


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    step = max(1, _BLOCK_BYTES // max(8 * shape[1], 1))
    return [slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]


def _write_ranks(values: Floats, sorter: _Sorter, out: Floats) -> None:
    absent, n = _absent(np.isnan(values))
    places, ranked = sorter.ordered(values, absent, n)
    places += np.arange(len(values))[:, None] * values.shape[1]
    out.ravel()[places.ravel()] = np.broadcast_to(ranked, values.shape).ravel()  # C order: a flat view
    out.ravel()[absent] = np.nan


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
