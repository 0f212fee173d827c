"""Shares and their intervals."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["hit_rate", "wilson_interval"]

_Z95 = 1.959963984540054


def wilson_interval(successes: float, n: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson (1927) score interval of a proportion; (NaN, NaN) for n = 0.

    Examples
    --------
    >>> tuple(round(end, 3) for end in wilson_interval(16, 28))
    (0.391, 0.735)

    """
    if n <= 0:
        return math.nan, math.nan
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def hit_rate(values: np.ndarray) -> tuple[float, float, float, int]:
    """Share of values above 0 among those that are not 0 (and not NaN), with its Wilson interval and n."""
    kept = values[np.isfinite(values) & (values != 0)]
    n = len(kept)
    if n == 0:
        return math.nan, math.nan, math.nan, 0
    hits = int((kept > 0).sum())
    low, high = wilson_interval(hits, n)
    return hits / n, low, high, n
