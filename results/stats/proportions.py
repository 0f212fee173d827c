"""Shares and their intervals.

Wilson's interval is the one shown: its mean coverage is close to nominal for every n (Brown, Cai & DasGupta 2001,
"Interval estimation for a binomial proportion", Statistical Science 16(2)). Clopper and Pearson's never covers less
than it says, and is wider; Jeffreys' is between the two. All take the cases as independent.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["clopper_pearson_interval", "hit_rate", "jeffreys_interval", "wilson_interval"]

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


def clopper_pearson_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion, Clopper & Pearson (1934); (NaN, NaN) for n = 0.

    All shares that neither one-sided binomial test rejects at (1 − level)/2: quantiles of Beta(k, n − k + 1) and
    Beta(k + 1, n − k).

    Examples
    --------
    >>> tuple(round(end, 3) for end in clopper_pearson_interval(16, 28))
    (0.372, 0.755)

    """
    return _beta_interval(successes, n, level, below=(0.0, 1.0), above=(1.0, 0.0))


def jeffreys_interval(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Equal-tailed posterior interval under Jeffreys' prior Beta(½, ½); (NaN, NaN) for n = 0.

    Its low end is 0 without a success and its high end 1 without a failure, as Brown, Cai & DasGupta (2001) have it;
    plain quantiles, which statsmodels gives, would leave out the share that was observed.

    Examples
    --------
    >>> tuple(round(end, 3) for end in jeffreys_interval(16, 28))
    (0.389, 0.74)

    """
    return _beta_interval(successes, n, level, below=(0.5, 0.5), above=(0.5, 0.5))


def _beta_interval(
    successes: int, n: int, level: float, *, below: tuple[float, float], above: tuple[float, float]
) -> tuple[float, float]:
    """Tail quantiles of Beta(successes + first, failures + second) for the low and the high end."""
    from scipy.special import betaincinv

    if n <= 0:
        return math.nan, math.nan
    failures, tail = n - successes, (1 - level) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes + below[0], failures + below[1], tail))
    high = 1.0 if failures == 0 else float(betaincinv(successes + above[0], failures + above[1], 1 - tail))
    return low, high


def hit_rate(values: np.ndarray) -> tuple[float, float, float, int]:
    """Share of values above 0 among those that are not 0 (and not NaN), with its Wilson interval and n."""
    kept = values[np.isfinite(values) & (values != 0)]
    n = len(kept)
    if n == 0:
        return math.nan, math.nan, math.nan, 0
    hits = int((kept > 0).sum())
    low, high = wilson_interval(hits, n)
    return hits / n, low, high, n
