"""The canonical names of what reports print, with their kind and bounds; the data lies in ``read/vocabulary.toml``."""

from __future__ import annotations

import math
from dataclasses import dataclass

from assay.audit.read.words import table

__all__ = ["METRICS", "MetricInfo"]


@dataclass(frozen=True)
class MetricInfo:
    """One canonical metric, its kind, and the bounds that hold by definition, in decimals.

    Kinds: ``proportion`` (a share k/n of counted cases), ``score`` (in [0, 1] or [-1, 1] but no such share: F1, AUC),
    ``correlation``, ``r2``, ``ratio`` (without a unit: Sharpe), ``error`` (in the target's unit or in percent),
    ``signed_error``, ``return`` (per period, in decimals), ``loss``, ``count``, ``size`` (bytes), ``duration``,
    ``change`` (derived from other figures), ``share`` (of a whole; the parts sum to one), ``level`` (in the target's
    unit), ``statistic`` (of a test, or its p-value) or ``other``.
    """

    name: str
    kind: str
    low: float = -math.inf
    high: float = math.inf


#: Canonical name -> what it is.
METRICS = {name: MetricInfo(name, **{key: row[key] for key in ("kind", "low", "high") if key in row})
           for name, row in table("metric").items()}  # fmt: skip
