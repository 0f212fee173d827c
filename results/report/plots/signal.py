"""Figures of what predictions were worth. Each draws on the axes it is given and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.drawing import COLOURS, INK, finish, legend_above, say_nothing, series
from assay.results.stats.information_coefficient import rolling_ic
from assay.results.stats.long_run_variance import lag_rule

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "plot_by_quantile",
    "plot_confusion",
    "plot_dispersion",
    "plot_ic",
    "plot_ic_decay",
    "plot_persistence",
    "plot_quantiles",
    "plot_reliability",
]


def plot_ic(axes: Axes, table: pd.DataFrame, column: str = "rank_ic", window: int = 63, horizon: int = 1) -> Axes:
    """Correlation a session as dots, its rolling mean with the 95% HAC band of each window alone, and the mean of all.

    Parameters
    ----------
    table : see `assay.results.stats.information_coefficient.ic_table`.
    column : ic or rank_ic.
    window : sessions of the rolling mean.
    horizon : the HAC lag is at least 3·horizon − 1.

    """
    values = table[column].dropna()
    if values.empty:
        return say_nothing(axes, "no session has enough names for a correlation")
    step = max(1, len(values) // 1500)
    dots = values.iloc[::step]
    axes.plot(dots.index, dots.to_numpy(), ".", color=COLOURS["grey"], markersize=1.6, alpha=0.6, rasterized=True)
    width = min(window, len(values))
    rolled = rolling_ic(values, width, horizon)
    series(axes, rolled["mean"], f"mean of {width} sessions", color=COLOURS["blue"])
    if rolled["low"].notna().any():
        axes.fill_between(rolled.index, rolled["low"], rolled["high"], color=COLOURS["blue"], alpha=0.18, linewidth=0,
                          label=f"its 95% HAC, lag {lag_rule(width, horizon)}")  # fmt: skip
    mean = float(values.mean())
    axes.axhline(mean, color=COLOURS["red"], linewidth=1.2, linestyle="--", label=f"mean {mean:.4f}")
    axes.axhline(0, color=INK, linewidth=0.7)
    shown = f"one dot in {step} sessions" if step > 1 else "a dot a session"
    bound = 1.2 * float(np.nanmax(np.abs(rolled.to_numpy())))
    if len(values) > width and 0 < bound < float(values.abs().max()):
        axes.set_ylim(-bound, bound)
        shown += ", some beyond the frame"
    label = {"ic": "IC (Pearson)", "rank_ic": "rank IC (Spearman)"}[column]
    return legend_above(finish(axes, y=label, x=shown, dates=True, legend=False))


def plot_ic_decay(axes: Axes, table: pd.DataFrame) -> Axes:
    """Mean rank IC by how many sessions later the window starts, with 95% HAC intervals; see `ic_decay`."""
    if not table["rank_ic"].notna().any():
        return say_nothing(axes, "no session has enough names for a correlation")
    places = np.arange(len(table))
    half = np.nan_to_num((table["high"] - table["low"]).to_numpy(dtype=np.float64) / 2)
    axes.errorbar(places, table["rank_ic"], yerr=half, fmt="o", color=COLOURS["blue"], capsize=3, linewidth=1.2)
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_xticks(places, [str(item) for item in table.index])
    return finish(axes, y="mean rank IC", x="sessions after the first possible fill")


def plot_quantiles(axes: Axes, table: pd.DataFrame) -> Axes:
    """Mean forward return of each quantile of the score, in bps, with 95% HAC intervals; see `quantile_returns`."""
    if not table["mean"].notna().any():
        return say_nothing(axes, "too few names to form quantiles")
    places = np.arange(len(table))
    mean, low, high = (1e4 * table[name].to_numpy(dtype=np.float64) for name in ("mean", "low", "high"))
    axes.bar(places, np.nan_to_num(mean), color=COLOURS["sky"], width=0.65)
    spread = np.nan_to_num(np.vstack([mean - low, high - mean]))
    axes.errorbar(places, np.nan_to_num(mean), yerr=np.abs(spread), fmt="none", ecolor=INK, capsize=4, linewidth=1)
    axes.axhline(0, color=INK, linewidth=0.7)
    axes.set_xticks(places, [str(item) for item in table.index])
    return finish(axes, y="bps a window, before costs", x="fifth of the score, 1 = lowest")


def plot_by_quantile(axes: Axes, summed: pd.DataFrame) -> Axes:
    """Lines of the quantiles of the score, from the lowest in orange to the highest in blue; (T, quantiles)."""
    count = summed.shape[1]
    for number, name in enumerate(summed):
        low = number < count / 2
        far = abs(number - (count - 1) / 2) / ((count - 1) / 2)
        edge = number in (0, count - 1)
        colour = COLOURS["grey" if not far else "orange" if low else "blue"]
        label = f"{name}" if count <= 5 or edge else None
        width = 1.6 if edge else 0.9
        series(axes, summed[name], label, alpha=0.6 + 0.4 * far, color=colour, linewidth=width)
    axes.axhline(0, color=INK, linewidth=0.7)
    return finish(axes, y="summed, less the mean", x="1 = lowest score", percent=True, dates=True)


def plot_persistence(axes: Axes, tied: pd.Series, window: int = 63) -> Axes:
    """Rank correlation with the session before, as its mean over a quarter."""
    width = min(window, len(tied))
    series(axes, tied.rolling(width, min_periods=1).mean(), color=COLOURS["purple"])
    axes.axhline(0, color=COLOURS["grey"], linewidth=0.8)
    return finish(axes, y="rank correlation", x=f"with the session before, mean of {width} sessions", dates=True)


def plot_dispersion(axes: Axes, spread: pd.Series, window: int = 21) -> Axes:
    """Standard deviation of the score across assets, a session, as its mean over a month."""
    if not spread.notna().any():
        return say_nothing(axes, "no predictions")
    width = min(window, len(spread))
    smooth = spread.rolling(width, min_periods=1).mean()
    series(axes, smooth, color=COLOURS["purple"])
    axes.set_ylim(0, 1.1 * float(smooth.max()) or None)
    return finish(axes, y="deviation across assets", x=f"mean of {width} sessions", dates=True)


def plot_reliability(axes: Axes, table: pd.DataFrame) -> Axes:
    """Share that went up against the probability that was predicted; see `results.stats.attribution.reliability`."""
    if table.empty:
        return say_nothing(axes, "no probability has an outcome")
    x, y = table["predicted"].to_numpy(), table["up"].to_numpy()
    spread = np.abs(np.vstack([y - table["low"].to_numpy(), table["high"].to_numpy() - y]))
    axes.plot([0, 1], [0, 1], color=COLOURS["grey"], linestyle="--", linewidth=1, label="calibrated")
    axes.errorbar(x, y, yerr=spread, fmt="o-", color=COLOURS["blue"], capsize=3, linewidth=1.2, markersize=4,
                  label="share that rose, 95% Wilson")  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return finish(axes, y="share that rose", x="predicted probability")


def plot_confusion(axes: Axes, table: pd.DataFrame) -> Axes:
    """Counts of predicted against actual actions, coloured by their share of each row."""
    counts = table.to_numpy(dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    for (row, column), value in np.ndenumerate(share):
        alpha = 0.08 + 0.6 * value
        axes.fill_between([column - 0.48, column + 0.48], row - 0.48, row + 0.48, color=COLOURS["blue"], alpha=alpha,
                          linewidth=0)  # fmt: skip
        axes.text(
            column, row, f"{int(counts[row, column]):,}\n{value:.0%}", ha="center", va="center", fontsize=9, color=INK
        )
    axes.grid(False)
    axes.set_xticks(range(len(table.columns)), list(table.columns))
    axes.set_yticks(range(len(table)), list(table.index))
    axes.invert_yaxis()
    return finish(axes, x="predicted", y="what followed")
