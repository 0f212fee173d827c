"""Figures of what a portfolio did. Each draws on the axes it is given and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.drawing import COLOURS, INK, count_ticks, finish, percent_ticks, say_nothing, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "plot_concentration",
    "plot_costs",
    "plot_exposure",
    "plot_legs",
    "plot_months",
    "plot_rolling",
    "plot_stages",
    "plot_style_exposures",
    "plot_style_parts",
    "plot_trades",
    "plot_turnover",
]


def plot_rolling(axes: Axes, table: pd.DataFrame, column: str, window: int) -> Axes:
    """A rolling figure of `assay.results.stats.performance.rolling`: sharpe, volatility or beta."""
    if column not in table or not table[column].notna().any():
        return say_nothing(axes, f"fewer than {window} sessions" if column in table else "no benchmark")
    series(axes, table[column], color=COLOURS["blue"])
    axes.axhline(0, color=COLOURS["grey"], linewidth=0.8)
    label = {"sharpe": "Sharpe, net", "volatility": "volatility a year, net", "beta": "beta, net"}[column]
    return finish(axes, y=label, x=f"{window} sessions", percent=column == "volatility", dates=True)


def plot_exposure(axes: Axes, returns: pd.DataFrame, window: int = 21) -> Axes:
    """Gross, net, long and short exposure at the close, fractions of NAV, as means over a month of long series."""
    width = window if len(returns) > 10 * window else 1
    styles = {"gross": ("grey", "-"), "long": ("blue", "-"), "short": ("red", "-"), "net": ("green", "--")}
    for name, (colour, line) in styles.items():
        mean = returns[f"{name}_exposure"].rolling(width).mean()
        series(axes, mean, name, color=COLOURS[colour], linestyle=line)
    axes.axhline(0, color=COLOURS["grey"], linewidth=0.8)
    return finish(axes, y="of NAV", x=f"mean of {width} sessions" if width > 1 else "", percent=True, dates=True)


def plot_turnover(axes: Axes, turnover: pd.Series, window: int = 21) -> Axes:
    """One-way turnover a session, as its mean over a month."""
    window = max(1, min(window, len(turnover)))
    series(axes, turnover.rolling(window).mean(), color=COLOURS["purple"])
    axes.set_ylim(bottom=0)
    return finish(axes, y="of NAV a session, one way", x=f"mean of {window} sessions", percent=True, dates=True)


def plot_costs(axes: Axes, costs: pd.DataFrame, nav: pd.Series) -> Axes:
    """What each kind of cost has added up to, as fractions of NAV at the time."""
    paid = costs.div(nav.shift(1).fillna(nav.iloc[0] + costs.sum(axis=1).iloc[0]), axis="index").cumsum()
    used = [kind for kind in paid if float(paid[kind].abs().max()) > 0]
    if not used:
        return say_nothing(axes, "no costs")
    palette = [COLOURS[name] for name in ("blue", "orange", "green", "purple", "sky", "red", "yellow")]
    for kind, colour in zip(used, palette, strict=False):
        series(axes, paid[kind], str(kind).replace("_", " "), color=colour)
    return finish(axes, y="paid so far, of NAV", percent=True, dates=True)


def plot_stages(axes: Axes, stages: pd.DataFrame) -> Axes:
    """Sharpe ratio after each stage of the strategy; the last bar is after costs."""
    values = stages["sharpe"].to_numpy(dtype=np.float64)
    places = np.arange(len(stages))
    colours = [COLOURS["blue"]] * (len(stages) - 1) + [COLOURS["orange"]]
    axes.bar(places, np.nan_to_num(values), color=colours, width=0.65)
    for place, value in zip(places, values, strict=True):
        text = "–" if np.isnan(value) else f"{value:.2f}"
        above = np.isnan(value) or value >= 0
        axes.annotate(text, (place, 0 if np.isnan(value) else value), ha="center", va="bottom" if above else "top",
                      xytext=(0, 2 if above else -2), textcoords="offset points", fontsize=8.5, color=INK)  # fmt: skip
    axes.axhline(0, color=COLOURS["grey"], linewidth=0.8)
    axes.margins(y=0.15)
    axes.set_xticks(places, [str(name).replace(" ", "\n") for name in stages.index])
    return finish(axes, y="Sharpe")


def plot_legs(axes: Axes, legs: pd.DataFrame) -> Axes:
    """Summed contributions of longs and shorts, columns long and short; see `results.stats.attribution.leg_returns`."""
    for name, colour, line in (("long", "blue", "-"), ("short", "red", "--")):
        series(axes, legs[name].fillna(0).cumsum(), name, color=COLOURS[colour], linestyle=line)
    axes.axhline(0, color=COLOURS["grey"], linewidth=0.8)
    return finish(axes, y="summed contribution", x="target weight × return, before costs", percent=True, dates=True)


def plot_concentration(axes: Axes, table: pd.DataFrame, window: int = 21) -> Axes:
    """Names held and their effective number; see `attribution.concentration`. Flat sessions are left out."""
    if not (table["names"] > 0).any():
        return say_nothing(axes, "no session holds anything")
    width = window if len(table) > 10 * window else 1
    held = table["names"].astype(float).where(table["names"] > 0)
    series(axes, held.rolling(width, min_periods=1).mean(), "held", color=COLOURS["grey"])
    series(axes, table["effective_names"].rolling(width, min_periods=1).mean(), "effective", color=COLOURS["blue"])
    axes.set_ylim(0, 1.25 * float(held.max()))
    count_ticks(axes)
    note = f"mean of {width} sessions, flat ones left out" if width > 1 else "flat sessions left out"
    return finish(axes, y="names", x=note, dates=True)


def plot_trades(axes: Axes, returns: pd.Series) -> Axes:
    """Histogram of round-trip returns after costs; the outer half per cent on either side are put at the ends."""
    values = returns.dropna().to_numpy(dtype=np.float64)
    if not len(values):
        return say_nothing(axes, "no round trips")
    low, high = np.quantile(values, [0.005, 0.995]) if len(values) > 200 else (values.min(), values.max())
    if high - low < 1e-12:
        low, high = low - 0.005, high + 0.005
    axes.hist(
        np.clip(values, low, high), bins=min(50, max(5, len(values) // 4)), color=COLOURS["sky"], range=(low, high)
    )
    axes.axvline(0, color=INK, linewidth=0.8)
    count_ticks(axes)
    axes.axvline(float(values.mean()), color=COLOURS["red"], linewidth=1.2, linestyle="--", label="mean")
    axes.xaxis.set_major_formatter(percent_ticks())
    return finish(axes, y="round trips", x="return after costs")


def plot_months(axes: Axes, returns: np.ndarray) -> Axes:
    """Histogram of monthly returns, with 0 and their mean."""
    low, high = float(returns.min()), float(returns.max())
    if high - low < 1e-12:
        low, high = low - 0.005, high + 0.005
    axes.hist(returns, bins=min(30, max(6, len(returns) // 5)), range=(low, high), color=COLOURS["sky"])
    axes.axvline(0, color=INK, linewidth=0.8)
    count_ticks(axes)
    axes.axvline(float(returns.mean()), color=COLOURS["red"], linewidth=1.2, linestyle="--", label="mean")
    axes.xaxis.set_major_formatter(percent_ticks())
    return finish(axes, y="months", x="net return of a month")


#: Factors that are drawn by name; the largest of them, where there are more.
_MOST_FACTORS = 6
_SMOOTH = 21
_LINES = ("blue", "orange", "green", "red", "purple", "grey")


def plot_style_exposures(axes: Axes, exposures: pd.DataFrame) -> Axes:
    """Exposure of the book to the factors it loads on most, mean of 21 sessions."""
    chosen = exposures.abs().mean().sort_values(ascending=False, kind="stable").index[:_MOST_FACTORS]
    for name, colour in zip(chosen, _LINES, strict=False):
        series(axes, exposures[name].rolling(_SMOOTH, min_periods=1).mean(), str(name), color=COLOURS[colour])
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.8)
    return finish(axes, y="exposure", x=f"mean of {_SMOOTH} sessions", dates=True)


def plot_style_parts(axes: Axes, parts: pd.DataFrame, factors: list[str]) -> Axes:
    """Cumulated sums of the net return: the factors together, the assets' own returns, costs, and their sum."""
    lines = {
        "net": parts.sum(axis="columns"),
        "factors": parts[factors].sum(axis="columns"),
        "own": parts["own"] + parts["fills"],
        "costs and interest": parts.drop(columns=[*factors, "own", "fills"]).sum(axis="columns"),
    }
    for (name, values), colour in zip(lines.items(), ("blue", "orange", "green", "grey"), strict=True):
        series(axes, values.cumsum(), name, color=COLOURS[colour])
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.8)
    return finish(axes, y="summed net return", percent=True, dates=True)
