"""pyfolio-reloaded: its tear sheet of a return series beside a benchmark, saved as one picture."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["MPLBACKEND"] = "Agg"

import matplotlib.pyplot as plt
import pyfolio
from inputs import Inputs


def sheet(data: Inputs) -> Callable[[], dict[str, Any]]:
    """`create_returns_tear_sheet`, drawn."""
    returns, market = data.book, data.market

    def run() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            path = Path(folder) / "sheet.png"
            figure = pyfolio.create_returns_tear_sheet(returns, benchmark_rets=market, return_fig=True)
            figure.savefig(path)
            plt.close("all")
            stats = pyfolio.timeseries.perf_stats(returns)
            return {"sharpe": stats["Sharpe ratio"], "drawdown": stats["Max drawdown"], "bytes": path.stat().st_size}

    return run
