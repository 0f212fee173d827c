"""Figures of a model: folds, training, what it stands beside. Each draws on the axes it is given and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.drawing import COLOURS, INK, finish, legend_above, say_nothing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_folds", "plot_importance", "plot_models", "plot_training"]


def plot_folds(axes: Axes, folds: pd.DataFrame) -> Axes:
    """What each fold was trained, validated and tested on; the gaps are purge and embargo.

    Parameters
    ----------
    folds : a row a fold: train_start, train_end, validation_start, validation_end, test_start, test_end.

    """
    from matplotlib.dates import date2num

    if folds.empty:
        return say_nothing(axes, "no folds")
    for part, colour in (("train", "blue"), ("validation", "orange"), ("test", "green")):
        known = folds.dropna(subset=[f"{part}_start", f"{part}_end"])
        if known.empty:
            continue
        start = date2num(pd.to_datetime(known[f"{part}_start"]).to_numpy())
        end = date2num(pd.to_datetime(known[f"{part}_end"]).to_numpy())
        axes.barh(known["fold"], end - start + 1, left=start, height=0.72, color=COLOURS[colour], label=part)
    axes.invert_yaxis()
    axes.xaxis_date()
    axes.grid(False)
    purge = folds["purge"].iloc[0] if "purge" in folds else None
    embargo = folds["embargo"].iloc[0] if "embargo" in folds else None
    gap = "" if purge is None else f"gaps: purge {purge} sessions, embargo {embargo}"
    return legend_above(finish(axes, y="fold", x=gap, dates=True, legend=False))


def plot_training(axes: Axes, training: pd.DataFrame) -> Axes:
    """Loss by epoch, a thin line a fold and seed, and the median of all; solid train, dashed validation."""
    if training.empty:
        return say_nothing(axes, "the model keeps no training curve")
    for column, colour, line in (("train_loss", "blue", "-"), ("validation_loss", "red", "--")):
        if not training[column].notna().any():
            continue
        for _, part in training.groupby(["fold", "seed"]):
            axes.plot(part["epoch"], part[column], color=COLOURS[colour], linewidth=0.5, alpha=0.35, linestyle=line)
        middle = training.groupby("epoch")[column].median()
        label = column.replace("_", " ") + ", median"
        axes.plot(middle.index, middle, color=COLOURS[colour], linewidth=1.8, linestyle=line, label=label)
    return finish(axes, y="loss", x="epoch")


def plot_models(axes: Axes, table: pd.DataFrame) -> Axes:
    """Net Sharpe ratio of each model through the same strategy, with 95% intervals; the first row is the model's own.

    Parameters
    ----------
    table : indexed by model, columns sharpe_net, sharpe_low, sharpe_high.

    """
    if "sharpe_net" not in table or not table["sharpe_net"].notna().any():
        return say_nothing(axes, "no model could be traded by this strategy")
    _draw_intervals(axes, table, ("sharpe_net", "sharpe_low", "sharpe_high"), first="orange")
    return finish(axes, x="net Sharpe, 95% HAC")


def plot_importance(axes: Axes, table: pd.DataFrame) -> Axes:
    """Rank IC that the model loses without each feature, with 95% intervals.

    Parameters
    ----------
    table : indexed by feature, columns importance, low and high.

    """
    _draw_intervals(axes, table, ("importance", "low", "high"), first="blue")
    return finish(axes, x="rank IC lost, 95% HAC")


def _draw_intervals(axes: Axes, table: pd.DataFrame, columns: tuple[str, str, str], *, first: str) -> None:
    """A row's value and interval below another's."""
    from matplotlib.ticker import MaxNLocator

    places = np.arange(len(table))
    value, low, high = (table[name].to_numpy(dtype=np.float64) for name in columns)
    known = np.isfinite(value)
    spread = np.nan_to_num(np.abs(np.vstack([value - low, high - value])))
    for place in places[known]:
        colour = COLOURS[first] if place == 0 else COLOURS["blue"]
        axes.errorbar(value[place], place, xerr=spread[:, [place]], fmt="o", color=colour, capsize=3, linewidth=1.4)
    axes.axvline(0, color=INK, linewidth=0.7)
    axes.set_yticks(places, [str(name) for name in table.index])
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))  # labels of four characters and more stand apart
