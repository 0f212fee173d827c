"""Proportions are whole counts over whole counts: what a printed share, and a printed AUC, allow.

References
----------
Brown & Heathers (2017), "The GRIM test", Social Psychological and Personality Science 8(4).
Mann & Whitney (1947) for the AUC as a count of pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from assay.audit.claims.intervals import Interval

__all__ = ["auc_counts", "auc_splits", "common_sizes", "grim_counts", "grim_has_power"]

_TINY = 1e-9


def grim_counts(share: Interval, n: int) -> range:
    """Counts k in [0, n] with k/n inside a printed share; empty where the share is impossible on n cases.

    Examples
    --------
    >>> list(grim_counts(Interval(0.57135, 0.57145), 28))
    [16]
    >>> list(grim_counts(Interval(0.57135, 0.57145), 30))
    []

    """
    low = max(0, math.ceil(share.low * n - _TINY * max(1, n)))
    high = min(n, math.floor(share.high * n + _TINY * max(1, n)))
    return range(low, high + 1)


def grim_has_power(share: Interval, n: int) -> bool:
    """Whether some print of this precision would be impossible on n cases: the interval is narrower than 1/n."""
    return share.width * n < 1


def common_sizes(shares: Sequence[Interval], cap: int, smallest: int = 1) -> list[int]:
    """Sample sizes from `smallest` to `cap` on which every printed share is a whole count: any of them may be it."""
    return [n for n in range(max(1, smallest), cap + 1) if all(len(grim_counts(share, n)) for share in shares)]


def auc_counts(auc: Interval, n_positive: int, n_negative: int) -> range:
    """Numbers k of half pairs with k / (2 n+ n-) inside a printed AUC.

    The AUC counts the positive-negative pairs ranked rightly, ties as one half, so it moves in steps of 1/(2 n+ n-).

    Examples
    --------
    >>> list(auc_counts(Interval(0.55205, 0.55215), 16, 12))
    [212]

    """
    return grim_counts(auc, 2 * n_positive * n_negative) if n_positive and n_negative else range(0)


def auc_splits(aucs: Sequence[Interval], n: int) -> list[int]:
    """Numbers of positives among n cases on which every printed AUC lies on its grid."""
    return [k for k in range(1, n) if all(len(auc_counts(auc, k, n - k)) for auc in aucs)]
