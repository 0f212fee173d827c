"""Average ranks of each session's cross-section, and their correlation: exact, fast and lean.

One SIMD sort replaces an argsort: the lowest bits of a value's mantissa are replaced by its place, so that a sorted row
says where its values came from. What the replaced bits mis-order is found on the true values: such rows (values that
agree in about 11 digits without being equal, and infinite ones) are sorted again the slow way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats
from assay.data.row_tables import Values

__all__ = ["average_ranks", "rank_correlation", "row_correlation"]


_Missing = npt.NDArray[np.bool_]
_Counts = npt.NDArray[np.int64]
#: Bytes of values in a block, so that a handful of arrays of that size stay in cache.
_BLOCK_BYTES = 1 << 19
#: Bits of 2¹⁰²³: what is missing is given a value from there on.
_MISSING = np.int64(0x7FE0000000000000)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


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
    sorter = _Sorter(1, blocks[0].stop, values.shape[1])
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
    sorter = _Sorter(2, blocks[0].stop, one.shape[1])
    ranks = np.empty((blocks[0].stop, one.shape[1]))

    def sums(left: Floats, right: Floats, missing: _Missing, n: _Counts) -> tuple[Floats, Floats, Floats | float]:
        return _ranked_sums(left, right, missing, n, sorter, ranks[: len(left)])

    return _correlated(one, two, minimum, sums)


def row_correlation(one: Values, two: Values, *, minimum: int = 10) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Pearson correlation of each row, otherwise as `rank_correlation`."""
    return _correlated(one, two, minimum, _sums)


#: Of two blocks, what is missing on either side and the pairs of each row: Σ l·r, √Σl² · √Σr², both centred, and what
#: the latter has to exceed to be no rounding.
_Sums = Callable[[Floats, Floats, _Missing, _Counts], tuple[Floats, Floats, Floats | float]]


def _correlated(one: Values, two: Values, minimum: int, sums: _Sums) -> tuple[Floats, npt.NDArray[np.int64]]:
    correlation = np.full(len(one), np.nan)
    pairs = np.zeros(len(one), dtype=np.int64)
    for rows in _blocks(one.shape):
        left, right = (np.ascontiguousarray(side[rows], dtype=np.float64) for side in (one, two))
        missing = np.isnan(left) | np.isnan(right)
        n = left.shape[1] - np.count_nonzero(missing, axis=1)
        product, scale, least = sums(left, right, missing, n)
        enough = (n >= max(minimum, 2)) & (scale > least)
        correlation[rows] = np.divide(product, scale, out=np.full(len(n), np.nan), where=enough)
        pairs[rows] = n
    return np.clip(correlation, -1.0, 1.0), pairs


def _sums(
    left: Floats, right: Floats, missing: _Missing, n: _Counts
) -> tuple[Floats, Floats, Floats | float]:
    """Of the values."""
    sides = (left, right) = left.copy(), right.copy()
    largest = [_largest(side, missing) for side in (left, right)]
    some_missing = bool(missing.any())
    for side in sides:
        if some_missing:
            np.copyto(side, np.nan, where=missing)
        with np.errstate(invalid="ignore", divide="ignore"):
            side -= (np.nansum(side, axis=1) / n)[:, None]
        if some_missing:
            np.copyto(side, 0.0, where=missing)
    size = np.sqrt(np.einsum("ij,ij->i", left, left)) * np.sqrt(np.einsum("ij,ij->i", right, right))
    return np.einsum("ij,ij->i", left, right), size, 1e-12 * n * largest[0] * largest[1]


def _ranked_sums(
    left: Floats, right: Floats, missing: _Missing, n: _Counts, sorter: _Sorter, ranks: Floats
) -> tuple[Floats, Floats, Floats | float]:
    """Of the average ranks: multiples of ½, so that every sum is exact, in whatever order it is taken.

    The ranks of one side, for which `ranks` has room, are read in the order of the other, so that no second table of
    ranks is made.
    """
    columns = left.shape[1]
    hidden = missing if bool((n < columns).any()) else None
    (places, ranked), (others, against) = sorter.ordered((left, right), hidden, n)
    ranks.ravel()[places.ravel()] = sorter.table_of(ranked, len(left)).ravel()
    if hidden is not None:
        np.copyto(ranks, 0.0, where=hidden)  # it stands last on the other side, at numbers that mean nothing
    count = n.astype(np.float64)
    centre = count * (count + 1.0) ** 2 / 4.0  # n times the square of the mean rank
    in_order = sorter.spare(len(left))
    ranks.ravel().take(others.ravel(), out=in_order.ravel(), mode="clip")
    product = (in_order @ against if against.ndim == 1 else np.einsum("ij,ij->i", in_order, against)) - centre
    plain = count * (count**2 - 1.0) / 12.0
    squares = [
        plain if side.ndim == 1 else np.einsum("ij,ij,ij->i", side, side, np.arange(columns) < n[:, None]) - centre
        for side in (ranked, against)
    ]
    return product, np.sqrt(squares[0]) * np.sqrt(squares[1]), 0.0


def _largest(values: Floats, missing: npt.NDArray[np.bool_]) -> Floats:
    """Largest size in each row: a constant row leaves rounding noise in proportion to it, where it varies by 0."""
    return np.asarray(np.abs(np.where(missing, 0.0, values)).max(axis=1))


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    step = max(1, _BLOCK_BYTES // max(8 * shape[1], 1))
    return [slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]


def _write_ranks(values: Floats, sorter: _Sorter, out: Floats) -> None:
    missing = np.isnan(values)
    n = values.shape[1] - np.count_nonzero(missing, axis=1)
    some_missing = bool((n < values.shape[1]).any())
    ((places, ranked),) = sorter.ordered((values,), missing if some_missing else None, n)
    out.ravel()[places.ravel()] = sorter.table_of(ranked, len(values)).ravel()  # C order: a flat view
    if some_missing:
        np.copyto(out, np.nan, where=missing)


class _Sorter:
    """Puts the values of rows in order, with room for the keys of so many tables, which each call writes anew."""

    def __init__(self, tables: int, rows: int, columns: int) -> None:
        bits = max(int(rows * columns - 1).bit_length(), 1)
        self._mask = np.int64((1 << bits) - 1)
        self._number = np.arange(rows * columns, dtype=np.int64).reshape(rows, columns)
        #: Above every number, and each of a row apart from the others.
        self._last = _MISSING + (self._number[:1] << bits) + self._number
        self._positions = np.tile(np.arange(1.0, columns + 1.0), (rows, 1))
        self._position = self._positions[0]
        self._keys, self._spare = (np.empty((tables, rows, columns), dtype=np.int64) for _ in range(2))

    def ordered(
        self, tables: Sequence[Floats], missing: _Missing | None, n: _Counts
    ) -> list[tuple[npt.NDArray[np.int64], Floats]]:
        """Places of each row's values in ascending order, what is missing last, and average ranks in that order.

        Parameters
        ----------
        tables : as many as there is room for, each (R, N).
        missing : (R, N) of all tables, None where nothing is; ranks above n are of what is missing, and mean nothing.
        n : (R,) values that each row has.

        Returns
        -------
        places : (R, N) of each table into its values one after another; until the next call.
        ranked : (R, N), or (N,), the numbers 1…N, where no row has ties.

        """
        rows = len(n)
        mask, number, keys, spare = self._mask, self._number[:rows], self._keys[:, :rows], self._spare[:, :rows]
        sorted_keys = keys.view(np.float64)
        for side, values in zip(sorted_keys, tables, strict=True):
            np.add(values, 0.0, out=side)  # −0.0 + 0.0 is 0.0
        keys &= ~mask
        keys |= number
        if missing is not None:
            np.copyto(keys, self._last[:rows], where=missing)
        sorted_keys.sort(axis=-1)
        # An infinite value's key is a NaN, which stands last; one beyond 2¹⁰²³ may stand among what is missing.
        astray = np.isnan(sorted_keys[:, :, -1])
        if missing is not None:
            astray |= (n > 0) & (keys[:, np.arange(rows), np.maximum(n, 1) - 1] >= _MISSING)
        # Two values can be tied, or out of order, only if they agree in all the bits that the keys keep.
        differ = np.bitwise_xor(keys[:, :, 1:], keys[:, :, :-1], out=spare[:, :, 1:]).view(np.uint64)
        clear = differ.min(initial=_ALL) > mask and not astray.any()
        keys &= mask
        if clear:
            return [(places, self._position) for places in keys]
        return [
            (places, self._told_apart(values if missing is None else np.where(missing, np.nan, values), places, lost))
            for values, places, lost in zip(tables, keys, astray, strict=True)
        ]

    def table_of(self, ranked: Floats, rows: int) -> Floats:
        """(R, N) of the ranks that `ordered` gives."""
        return ranked if ranked.ndim == 2 else self._positions[:rows]

    def spare(self, rows: int) -> Floats:
        """(R, N) room for numbers, until the next call of `ordered`."""
        return self._spare[0, :rows].view(np.float64)

    def _told_apart(self, values: Floats, places: npt.NDArray[np.int64], astray: npt.NDArray[np.bool_]) -> Floats:
        """Average ranks in order of the values, by which `places` are put right where they are not."""
        ordered = values.ravel()[places]
        wrong = (ordered[:, 1:] < ordered[:, :-1]).any(axis=1) | astray
        if wrong.any():
            order = np.argsort(values[wrong], axis=1, kind="stable")
            places[wrong] = order + self._number[: len(values)][wrong, :1]
            ordered[wrong] = np.take_along_axis(values[wrong], order, axis=1)
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
