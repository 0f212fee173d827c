"""The Sharpe ratio's standard error by one method after another, as a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from assay.data.conventions import Floats
from assay.results.report.blocks import Cell, Note, Table, fixed
from assay.results.report.run_data import RunData
from assay.results.stats.deflated_sharpe import (
    effective_sessions,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_moments,
)
from assay.results.stats.sharpe import sharpe_intervals

__all__ = ["sharpe_table", "track_record"]

_NAMES = {
    "iid": "independent, normal",
    "non_normal": "independent, any shape",
    "ar1": "first-order autocorrelation",
    "hac": "any autocorrelation (HAC): the interval shown elsewhere",
    "bootstrap": "stationary bootstrap",
    "studentised": "studentised bootstrap",
    "lo_annual": "annualised by Lo's η",
}
_TITLE = "How sure the net Sharpe ratio is"


def track_record(values: Floats) -> tuple[float, float]:
    """Probability that the true Sharpe ratio is above 0, and the sessions that 95% of it needs; see `deflated_sharpe`.

    Both count autocorrelation as fewer sessions; NaN where the returns do not vary, infinite sessions where the mean is
    not above 0.
    """
    sharpe, skewness, kurtosis, n = sharpe_moments(values)
    effective = effective_sessions(values)
    psr = probabilistic_sharpe(sharpe, effective, skewness=skewness, kurtosis=kurtosis)
    needed = minimum_track_record(sharpe, skewness=skewness, kurtosis=kurtosis)
    return float(psr), float(needed) * n / effective if effective else math.nan


def sharpe_table(data: RunData) -> Table | Note:
    """Errors and 95% intervals of the annual net Sharpe ratio: as the run stores them, else made from its returns."""
    found: list[dict[str, Any]] | None = data.run.metrics.get("sharpe_intervals")
    if found is None:
        values = data.returns["net"].to_numpy(dtype=np.float64)
        found = [item.to_dict() for item in sharpe_intervals(values)]
    if not found:
        return Note("The returns do not vary or are too few, so there is no Sharpe ratio.", _TITLE)
    rows = tuple(
        (
            Cell(_NAMES.get(item["method"], item["method"])),
            fixed(item["value"]),
            fixed(item["error"], 3),
            fixed(item["low"]),
            fixed(item["high"]),
            Cell(item["convention"]),
        )
        for item in found
    )
    columns = ("returns taken as", "annual", "standard error", "low", "high", "how")
    return Table(_TITLE, columns, rows, "Intervals are 95%.", wide=True)
