"""The net Sharpe ratio over a grid of parameters, as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_sweep", "write_heatmap"]


def plot_sweep(axes: Axes, table: pd.DataFrame, grid: Mapping[str, Sequence[str]]) -> Axes:
    """Net Sharpe over the first two parameters of a grid, the mean over the others.

    Parameters
    ----------
    table : a row a cell, see `assay.results.evidence.sweep.SweepEvidence`.
    grid : parameter → values as text.

    """
    first, second = ([*grid, *grid])[:2]
    across = list(grid[second]) if second != first else ["net Sharpe"]
    means = table.groupby([first, second] if second != first else [first])["sharpe_net"].mean()
    values = np.array([[means.get((a, b) if second != first else a, np.nan) for b in across] for a in grid[first]])
    known = np.abs(values[np.isfinite(values)])
    limit = float(known.max()) if known.size and known.max() > 0 else 1.0
    image = axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(len(across)), across)
    axes.set_yticks(range(len(grid[first])), list(grid[first]))
    axes.set_xlabel(second if second != first else "")
    axes.set_ylabel(first)
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.2f}" if np.isfinite(value) else "–"
        colour = "white" if abs(value) > 0.6 * limit else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.figure.colorbar(image, label="net Sharpe")
    return axes


def write_heatmap(table: pd.DataFrame, grid: Mapping[str, Sequence[str]], path: Path) -> None:
    """`plot_sweep` as a PNG, which appears whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first, second = ([*grid, *grid])[:2]
    width = len(grid[second]) if second != first else 1
    figure = Figure(figsize=(1.6 + 0.9 * width, 1.2 + 0.5 * len(grid[first])), layout="constrained")
    FigureCanvasAgg(figure)
    plot_sweep(figure.add_subplot(), table, grid)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
