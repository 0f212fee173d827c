"""quantstats: its HTML report of a return series beside a benchmark."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["MPLBACKEND"] = "Agg"

import quantstats
from inputs import Inputs


def sheet(data: Inputs) -> Callable[[], dict[str, Any]]:
    """`reports.html` into a file."""
    returns, market = data.book, data.market

    def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sheet.html"
            quantstats.reports.html(returns, benchmark=market, output=str(path))
            return {
                "sharpe": quantstats.stats.sharpe(returns),
                "drawdown": quantstats.stats.max_drawdown(returns),
                "bytes": path.stat().st_size,
            }

    return run
