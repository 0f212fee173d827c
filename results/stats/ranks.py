"""Average ranks of each session's cross-section, and their correlation: exact, fast and lean.

One SIMD sort of 64-bit keys replaces an argsort: a key is the value's bits in an order-preserving form, the lowest
bits replaced by the column number. What the replaced bits mis-order is found on the true values: such
rows (values that agree in about 12 digits without being equal) are sorted again the slow way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.data.conventions import Floats

__all__ = ["average_ranks", "rank_correlation", "row_correlation"]


#: Bytes of values in a block, so that a handful of arrays of that size stay in cache.
_BLOCK_BYTES = 1 << 18
_TOP = np.int64(0x7FFFFFFFFFFFFFFF)
#: Bits of a NaN, which no number's key reaches.
_MISSING = np.int64(0x7FF8000000000000)


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
    return _correlated(one, two, minimum, ranked=True)


def row_correlation(one: Floats, two: Floats, *, minimum: int = 10) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Pearson correlation of each row, otherwise as `rank_correlation`."""
    return _correlated(one, two, minimum, ranked=False)


def _correlated(one: Floats, two: Floats, minimum: int, *, ranked: bool) -> tuple[Floats, npt.NDArray[np.int64]]:
    correlation = np.full(len(one), np.nan)
    pairs = np.zeros(len(one), dtype=np.int64)
    for rows in _blocks(one.shape):
        left, right = (np.array(side[rows], dtype=np.float64, order="C") for side in (one, two))
        missing = np.isnan(left) | np.isnan(right)
        some_missing = bool(missing.any())
        if some_missing:
            np.copyto(left, np.nan, where=missing)
            np.copyto(right, np.nan, where=missing)
        n = left.shape[1] - missing.sum(axis=1) if some_missing else np.full(len(left), left.shape[1])
        if ranked:
            left, right = _ranks(left), _ranks(right)
            middle = 0.5 * (n + 1.0)[:, None]
            left -= middle
            right -= middle
        else:
            with np.errstate(invalid="ignore", divide="ignore"):
                left -= (np.nansum(left, axis=1) / n)[:, None]
                right -= (np.nansum(right, axis=1) / n)[:, None]
        if some_missing:
            np.copyto(left, 0.0, where=missing)
            np.copyto(right, 0.0, where=missing)
        product = np.einsum("ij,ij->i", left, right)
        scale = np.sqrt(np.einsum("ij,ij->i", left, left)) * np.sqrt(np.einsum("ij,ij->i", right, right))
        least = 0.0 if ranked else 1e-12 * n * _largest(one[rows], missing) * _largest(two[rows], missing)
        enough = (n >= max(minimum, 2)) & (scale > least)
        correlation[rows] = np.divide(product, scale, out=np.full(len(n), np.nan), where=enough)
        pairs[rows] = n
    return np.clip(correlation, -1.0, 1.0), pairs


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
    keys, mask = _sorted_keys(values)
    # Two values can be tied, or out of order, only if they agree in all the bits that the keys keep.
    close = ((keys[:, 1:] ^ keys[:, :-1]) & ~mask) == 0
    order = keys & mask
    position = np.arange(1.0, columns + 1.0)
    offset = np.arange(rows)[:, None] * columns
    if not close.any():
        ranked = np.broadcast_to(position, (rows, columns))
    else:
        ordered = np.take(values, order + offset)
        wrong = (ordered[:, 1:] < ordered[:, :-1]).any(axis=1)
        if wrong.any():
            order[wrong] = np.argsort(values[wrong], axis=1, kind="stable")
            ordered[wrong] = np.take_along_axis(values[wrong], order[wrong], axis=1)
        ranked = _averaged(ordered[:, 1:] == ordered[:, :-1], position)
    out = np.empty((rows, columns))  # C order: written through its flat view
    order += offset
    out.ravel()[order.ravel()] = ranked.ravel()
    np.copyto(out, np.nan, where=np.isnan(values))
    return out


def _averaged(same: npt.NDArray[np.bool_], position: Floats) -> Floats:
    """Positions, those of a run of equal values replaced by their mean; `same` says of each value whether it equals
    the one before."""
    rows, columns = len(same), len(position)
    if not same.any():
        return np.broadcast_to(position, (rows, columns))
    fresh = np.ones((rows, columns), dtype=bool)
    fresh[:, 1:] = ~same
    last = np.ones((rows, columns), dtype=bool)
    last[:, :-1] = ~same
    first = np.maximum.accumulate(np.where(fresh, position, 0.0), axis=1)
    final = np.minimum.accumulate(np.where(last, position, np.inf)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(0.5 * (first + final))


def _sorted_keys(values: Floats) -> tuple[npt.NDArray[np.int64], np.int64]:
    """Each row's keys in ascending order of value, NaN last, and the mask of the bits that hold the column number."""
    columns = values.shape[1]
    bits = max(int(columns - 1).bit_length(), 1)
    mask = np.int64((1 << bits) - 1)
    number = np.arange(columns, dtype=np.int64)
    keys = (values + 0.0).view(np.int64)  # −0.0 + 0.0 is 0.0
    keys ^= (keys >> np.int64(63)) & _TOP
    keys &= ~mask
    missing = np.isnan(values)
    if missing.any():  # above every number, and each apart from the others
        np.copyto(keys, _MISSING + (number << bits), where=missing)
    keys |= number
    keys.sort(axis=1)
    return keys, mask
