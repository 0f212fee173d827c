"""Shares and their intervals.

Wilson's interval is the one shown: its mean coverage is close to nominal for every n (Brown, Cai & DasGupta 2001,
"Interval estimation for a binomial proportion", Statistical Science 16(2)). Clopper and Pearson's never covers less
than it says, and is wider; Jeffreys' is between the two. All take the cases as independent; `clustered_interval` does
not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assay.results.stats.long_run_variance import critical_value, long_run_covariance

__all__ = [
    "ClusteredShare",
    "clopper_pearson_interval",
    "clustered_interval",
    "hit_rate",
    "jeffreys_interval",
    "wilson_interval",
]

_Z95 = 1.959963984540054


def wilson_interval(successes: float, n: float, z: float = _Z95) -> tuple[float, float]:
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


@dataclass(frozen=True)
class ClusteredShare:
    """A share of cases that come in groups.

    Parameters
    ----------
    share, low, high : with its 95% interval; NaN where there is none.
    n, groups : cases, and groups with a case.
    effective : independent cases with the same error.

    """

    share: float
    low: float
    high: float
    n: int
    groups: int
    effective: float


def clustered_interval(hits: np.ndarray, cases: np.ndarray, *, lag: int = 0) -> ClusteredShare:
    """Share of hits where cases of one group (a session) are not independent: Wilson's interval at the effective n.

    The variance of the share is that of Σ_g (h_g − p·n_g) over n², groups in time order with Bartlett weights up to
    `lag`, times G/(G − 1): the linearised, cluster-robust one (Cameron & Miller 2015, "A practitioner's guide to
    cluster-robust inference", Journal of Human Resources 50(2)). The effective n is p(1 − p) over it, at most the
    number of cases.

    Parameters
    ----------
    hits, cases : (G,) of each group; groups without a case are left out.
    lag : groups that overlap, e.g. 3·h − 1 for windows of h sessions.

    Examples
    --------
    >>> found = clustered_interval(np.array([3, 0, 3, 0]), np.array([3, 3, 3, 3]))
    >>> found.share, found.n, round(found.effective, 6)
    (0.5, 12, 3.0)

    """
    there = cases > 0
    hit, n = hits[there].astype(np.float64), cases[there].astype(np.float64)
    groups, total = len(n), float(n.sum())
    if groups == 0:
        return ClusteredShare(math.nan, math.nan, math.nan, 0, 0, 0.0)
    share = float(hit.sum()) / total
    effective, reach = total, _Z95
    if groups > 1 and 0 < share < 1:
        lag = min(lag, groups - 1)
        pull = (hit - share * n)[:, None]
        variance = float(long_run_covariance(pull, lag)[0, 0]) * groups / total**2 * groups / (groups - 1)
        effective = min(total, share * (1 - share) / variance) if variance > 0 else total
        reach = critical_value(groups, lag)
    low, high = wilson_interval(share * effective, effective, reach)
    return ClusteredShare(share, low, high, int(total), groups, effective)
