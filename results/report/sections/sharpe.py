"""The Sharpe ratio's standard error by one method after another, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.results.report.blocks import Cell, Note, Table, fixed
from assay.results.report.run_data import RunData
from assay.results.stats.sharpe import sharpe_intervals

__all__ = ["sharpe_table"]

_NAMES = {
    "iid": "independent, normal",
    "non_normal": "independent, any shape",
    "ar1": "first-order autocorrelation",
    "hac": "any autocorrelation (HAC), the one shown elsewhere",
    "bootstrap": "stationary bootstrap",
    "studentised": "studentised bootstrap",
    "lo_annual": "annualised by Lo's η",
}
_TITLE = "How sure the net Sharpe ratio is"


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
