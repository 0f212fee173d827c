"""Average ranks of each session's cross-section, and their correlation: exact, fast and lean.

One SIMD sort replaces an argsort: the lowest bits of a value's mantissa are replaced by its column number, so that a
sorted row says where its values came from. What the replaced bits mis-order is found on the true values: such rows
(values that agree in about 12 digits without being equal, and infinite ones) are sorted again the slow way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats

__all__ = ["average_ranks", "rank_correlation", "row_correlation"]


#: Bytes of values in a block, so that a handful of arrays of that size stay in cache.
_BLOCK_BYTES = 1 << 18
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
    for rows in _blocks(values.shape):
        out[rows] = _ranks(np.ascontiguousarray(values[rows], dtype=np.float64))
    return out


def rank_correlation(one: Floats, two: Floats, *, minimum: int = 10) -> tuple[Floats, npt.NDArray[np.int64]]:
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
    return _correlated(one, two, minimum, _ranked_sums)


def row_correlation(one: Floats, two: Floats, *, minimum: int = 10) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Pearson correlation of each row, otherwise as `rank_correlation`."""
    return _correlated(one, two, minimum, _sums)


#: Of two blocks, what is missing on either side and the pairs of each row: Σ l·r, √Σl² · √Σr², both centred, and what
#: the latter has to exceed to be no rounding.
_Sums = Callable[[Floats, Floats, npt.NDArray[np.bool_], npt.NDArray[np.int64]], tuple[Floats, Floats, Floats | float]]


def _correlated(one: Floats, two: Floats, minimum: int, sums: _Sums) -> tuple[Floats, npt.NDArray[np.int64]]:
    correlation = np.full(len(one), np.nan)
    pairs = np.zeros(len(one), dtype=np.int64)
    for rows in _blocks(one.shape):
        left, right = (np.array(side[rows], dtype=np.float64, order="C") for side in (one, two))
        missing = np.isnan(left) | np.isnan(right)
        n = left.shape[1] - np.count_nonzero(missing, axis=1)
        product, scale, least = sums(left, right, missing, n)
        enough = (n >= max(minimum, 2)) & (scale > least)
        correlation[rows] = np.divide(product, scale, out=np.full(len(n), np.nan), where=enough)
        pairs[rows] = n
    return np.clip(correlation, -1.0, 1.0), pairs


def _sums(
    left: Floats, right: Floats, missing: npt.NDArray[np.bool_], n: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats | float]:
    """Of the values; the blocks are the function's to overwrite."""
    sides, largest = (left, right), [_largest(side, missing) for side in (left, right)]
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
    left: Floats, right: Floats, missing: npt.NDArray[np.bool_], n: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats | float]:
    """Of the average ranks: multiples of ½, so that every sum is exact, in whatever order it is taken.

    The ranks of one side are read in the order of the other, so that no second table of ranks is made.
    """
    rows, columns = left.shape
    hidden = missing if bool((n < columns).any()) else None
    (places, ranked), (others, against) = (_ordered(side, hidden, n) for side in (left, right))
    for order in (places, others):
        order += np.arange(rows)[:, None] * columns
    one, two = (np.broadcast_to(side, left.shape) for side in (ranked, against))
    if hidden is not None:
        two = two * (np.arange(columns) < n[:, None])  # what is missing stands last
    ranks = np.empty(left.size)
    ranks[places.ravel()] = one.ravel()
    count = n.astype(np.float64)
    centre = count * (count + 1.0) ** 2 / 4.0  # n times the square of the mean rank
    product = np.einsum("ij,ij->i", ranks.take(others.ravel(), mode="clip").reshape(left.shape), two) - centre
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


def _ranks(values: Floats) -> Floats:
    rows, columns = values.shape
    if columns == 0:
        return np.empty_like(values)
    missing = np.isnan(values)
    n = columns - np.count_nonzero(missing, axis=1)
    some_missing = bool((n < columns).any())
    order, ranked = _ordered(values, missing if some_missing else None, n)
    out = np.empty((rows, columns))  # C order: written through its flat view
    order += np.arange(rows)[:, None] * columns
    out.ravel()[order.ravel()] = np.broadcast_to(ranked, values.shape).ravel()
    if some_missing:
        np.copyto(out, np.nan, where=missing)
    return out


def _ordered(
    values: Floats, missing: npt.NDArray[np.bool_] | None, n: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Columns of each row in ascending order of value, what is missing last, and average ranks in that order.

    Parameters
    ----------
    values : (R, N).
    missing : (R, N), None where nothing is; ranks above n are of what is missing, and mean nothing.
    n : (R,) values that each row has.

    Returns
    -------
    order : (R, N).
    ranked : (R, N), or (N,), the numbers 1…N, where no row has ties.

    """
    rows, columns = values.shape
    bits = max(int(columns - 1).bit_length(), 1)
    mask = np.int64((1 << bits) - 1)
    number = np.arange(columns, dtype=np.int64)
    keys = (values + 0.0).view(np.int64)  # −0.0 + 0.0 is 0.0
    keys &= ~mask
    keys |= number
    if missing is not None:  # above every number, and each apart from the others
        np.copyto(keys, _MISSING + (number << bits) + number, where=missing)
    sorted_keys = keys.view(np.float64)
    sorted_keys.sort(axis=1)
    order = keys & mask
    # An infinite value's key is a NaN, which stands last; one beyond 2¹⁰²³ may stand among what is missing.
    astray = np.isnan(sorted_keys[:, -1])
    if missing is not None:
        astray |= (n > 0) & (keys[np.arange(rows), np.maximum(n, 1) - 1] >= _MISSING)
    # Two values can be tied, or out of order, only if they agree in all the bits that the keys keep.
    keys &= ~mask
    position = np.arange(1.0, columns + 1.0)
    if not (keys[:, 1:] == keys[:, :-1]).any() and not astray.any():
        return order, position
    if missing is not None:
        values = np.where(missing, np.nan, values)
    ordered = np.take_along_axis(values, order, axis=1)
    wrong = (ordered[:, 1:] < ordered[:, :-1]).any(axis=1) | astray
    if wrong.any():
        order[wrong] = np.argsort(values[wrong], axis=1, kind="stable")
        ordered[wrong] = np.take_along_axis(values[wrong], order[wrong], axis=1)
    same = ordered[:, 1:] == ordered[:, :-1]
    return order, _averaged(same, position) if same.any() else position


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
