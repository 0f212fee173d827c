"""Figures of whether a result is luck, and of several runs together. Each draws on the axes it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.drawing import COLOURS, INK, count_ticks, finish, growth_scale, legend_above, say_nothing, series
from assay.data.returns import drawdown_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_canaries", "plot_distribution", "plot_evidence", "plot_runs", "plot_runs_drawdown"]

_ORDER = ("blue", "orange", "green", "purple", "red", "sky")
_LINES = ("-", "--", "-.", ":", "-", "--")


def plot_distribution(axes: Axes, draws: np.ndarray, value: float, marks: Mapping[str, float] | None = None) -> Axes:
    """Bootstrap distribution of a figure, with the figure itself, its 95% range and whatever else is to be compared.

    Parameters
    ----------
    draws : (B,) resampled values.
    value : on the sample.
    marks : label → value, e.g. a reported or a required Sharpe ratio.

    """
    if not len(draws) or not np.isfinite(value):
        return say_nothing(axes, "the returns do not vary")
    axes.hist(draws, bins=50, color=COLOURS["sky"], alpha=0.8)
    count_ticks(axes)
    low, high = np.quantile(draws, [0.025, 0.975])
    axes.axvspan(low, high, color=COLOURS["blue"], alpha=0.12, linewidth=0, label="95%")
    axes.axvline(value, color=COLOURS["blue"], linewidth=1.8, label=f"this run {value:.2f}")
    for (label, mark), line in zip((marks or {}).items(), ("--", ":", "-."), strict=False):
        axes.axvline(mark, color=COLOURS["red"], linewidth=1.4, linestyle=line, label=f"{label} {mark:.2f}")
    return legend_above(finish(axes, y=f"of {len(draws):,} resamples", x="net Sharpe, annual", legend=False), 2)


def plot_canaries(
    axes: Axes, groups: Mapping[str, Sequence[float]], real: float, what: str = "net Sharpe, annual", digits: int = 2
) -> Axes:
    """A dot for each run that should know nothing, a row a kind, and the real run as a line across.

    Parameters
    ----------
    groups : kind → figures of its runs; NaN is left out.
    real : the figure of the real run.
    what, digits : name of the figure, and its decimals in the legend.

    """
    if not groups:
        return say_nothing(axes, "not run")
    for place, values in enumerate(groups.values()):
        known = np.sort(np.asarray(values, dtype=np.float64))
        # Spread by rank in a fixed pattern, so that equal runs give equal pictures.
        offset = 0.28 * np.sin(np.arange(len(known)) * 2.399963)
        few = len(known) < 30
        spread, size = (0.5 * offset, 6.0) if few else (offset, 3.5)
        axes.plot(known, place + spread, "o", color=COLOURS["sky"], alpha=0.8, markersize=size)
    axes.axvline(real, color=COLOURS["red"], linewidth=1.8, label=f"this run {real:.{digits}f}")
    axes.axvline(0, color=INK, linewidth=0.7)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(-0.7, len(groups) - 0.1)
    axes.locator_params(axis="x", nbins=6)
    return legend_above(finish(axes, x=what, legend=False), 1)


def plot_evidence(axes: Axes, log_e: pd.Series, needed: float) -> Axes:
    """The e-process of skill, its decimal logarithm, session by session, and the level that is evidence.

    Parameters
    ----------
    log_e : (T,) natural logarithm of the e-value after each session.
    needed : e-value that counts as evidence.

    """
    series(axes, log_e / np.log(10), "evidence of skill", color=COLOURS["blue"])
    axes.axhline(np.log10(needed), color=COLOURS["red"], linewidth=1.4, linestyle="--", label=f"needed: {needed:,.0f}")
    axes.axhline(0, color=INK, linewidth=0.7)
    return finish(axes, y="e-value, powers of 10", dates=True)


def plot_runs(axes: Axes, returns: pd.DataFrame) -> Axes:
    """Growth of 1, net, of several runs on their common sessions; one column a run."""
    for name, colour, line in zip(returns, _ORDER, _LINES, strict=False):
        series(axes, (1 + returns[name]).cumprod(), str(name), color=COLOURS[colour], linestyle=line, linewidth=1.4)
    axes.axhline(1, color=COLOURS["grey"], linewidth=0.8)
    scale = growth_scale(axes, (1 + returns).cumprod())
    return finish(axes, y=f"{scale}, net", dates=True)


def plot_runs_drawdown(axes: Axes, returns: pd.DataFrame) -> Axes:
    """Drawdowns, net, of several runs on their common sessions; one column a run."""
    for name, colour, line in zip(returns, _ORDER, _LINES, strict=False):
        series(axes, drawdown_series(returns[name]), str(name), color=COLOURS[colour], linestyle=line, linewidth=1.0)
    return finish(axes, y="drawdown, net", percent=True, dates=True)
