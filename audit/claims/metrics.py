"""The canonical names of what reports print, with their kind, their bounds and the names people use for them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from assay.audit.read.vocabulary import LANGUAGES, table

__all__ = ["KINDS", "METRICS", "MetricInfo"]

KINDS = {
    "proportion": "a share k/n of counted cases, in [0, 1]",
    "score": "in [0, 1] or [-1, 1] but not a share of counted cases (F1, AUC, MCC)",
    "correlation": "in [-1, 1]",
    "r2": "at most 1",
    "ratio": "a quotient without a unit (Sharpe, ICIR, profit factor)",
    "error": "a non-negative error in the target's unit or in percent",
    "signed_error": "an error with a sign, in the target's unit",
    "return": "a return or rate per period, in decimals",
    "loss": "a value of the training objective",
    "count": "a whole number",
    "size": "bytes",
    "duration": "a length of time",
    "change": "derived from other figures: a percentage change, a multiple, a difference",
    "share": "a part of a whole; the parts sum to one",
    "level": "a value in the target's unit (a price, a capital)",
    "statistic": "a test statistic or a p-value",
    "other": "none of these",
}


@dataclass(frozen=True)
class MetricInfo:
    """One canonical metric.

    Parameters
    ----------
    name : canonical name.
    kind : one of `KINDS`.
    low, high : bounds that hold by definition, in decimals.
    synonyms : other names, lower case, any language.

    """

    name: str
    kind: str
    low: float = -math.inf
    high: float = math.inf
    synonyms: tuple[str, ...] = ()


#: Canonical name -> what it is; the data lies in ``read/vocabulary.toml``.
METRICS: dict[str, MetricInfo] = {
    name: MetricInfo(
        name, row["kind"], row.get("low", -math.inf), row.get("high", math.inf),
        tuple(word for language in LANGUAGES for word in row.get(language, ())),
    )
    for name, row in table("metric").items()
}  # fmt: skip
