"""How returns are drawn, and the colours, sizes and time axes that every figure shares.

Nothing here touches matplotlib's global state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assay.data.returns import drawdown_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

__all__ = [
    "COLOURS",
    "INK",
    "MOST_POINTS",
    "count_ticks",
    "finish",
    "growth_scale",
    "legend_above",
    "new_figure",
    "percent_ticks",
    "plot_drawdown",
    "plot_equity",
    "returns_figure",
    "say_nothing",
    "series",
    "settle",
    "thin",
]

#: Okabe & Ito's palette, told apart in every common form of colour blindness.
COLOURS = {
    "blue": "#0072b2",
    "orange": "#e69f00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "sky": "#56b4e9",
    "red": "#d55e00",
    "grey": "#8c8c8c",
    "yellow": "#b8a300",
}
#: What is text and axes; the page puts its own text colour in its place.
INK = "#222222"
#: A line has no more points than this; what lies between is within the line's own extremes.
MOST_POINTS = 1200

_SIZE = (4.8, 2.7)
#: Growth above which a line is drawn on a log scale.
_LOG_FROM = 5.0


def settle(axes: Axes) -> Axes:
    """Light axes without a box, transparent, with a quiet grid."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(COLOURS["grey"])
    axes.tick_params(colors=INK, labelsize=9, length=3)
    axes.grid(True, axis="y", color=COLOURS["grey"], alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    return axes


def new_figure(size: tuple[float, float] = _SIZE) -> tuple[Figure, Axes]:
    """A figure with one axes, transparent, laid out when drawn. `size` in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.patch.set_alpha(0)
    return figure, settle(figure.add_subplot())


def thin(values: pd.Series, most: int = MOST_POINTS) -> pd.Series:
    """Fewer points that draw the same line: the first, lowest and highest of each stretch, and the last of all.

    Parameters
    ----------
    values : any series; one of at most `most` points is returned as it is.
    most : points that may be left.

    """
    if len(values) <= most:
        return values
    numbers = values.to_numpy(dtype=np.float64)
    count = max(1, most // 3)
    longer = len(values) % count
    starts = np.arange(count) * (len(values) // count) + np.minimum(np.arange(count), longer)
    keep = {0, len(values) - 1, *starts.tolist()}
    for extreme, none in ((np.minimum, np.inf), (np.maximum, -np.inf)):
        known = np.where(np.isfinite(numbers), numbers, none)
        bounds = np.repeat(extreme.reduceat(known, starts), np.diff(starts, append=len(values)))
        places = np.flatnonzero((known == bounds) & np.isfinite(known))
        keep |= set(places[np.unique(np.searchsorted(starts, places, side="right"), return_index=True)[1]].tolist())
    return values.iloc[sorted(keep)]


def series(axes: Axes, values: pd.Series, label: str | None = None, **style: Any) -> None:
    """Draw a series, thinned to what can be seen; one point alone is drawn as a dot."""
    known = values.replace([np.inf, -np.inf], np.nan)
    drawn = thin(known)
    if known.notna().sum() == 1:
        style = {**style, "marker": "o", "markersize": 4}
    style.setdefault("linewidth", 1.2)
    axes.plot(drawn.index.to_numpy(), drawn.to_numpy(dtype=np.float64), label=label, **style)


def growth_scale(axes: Axes, levels: pd.DataFrame) -> str:
    """A log scale where the growth of 1 passes 5 and never reaches 0; returns what the axis is to be called.

    The labels are plain numbers with a times sign: matplotlib's own are mathematical text, which is not parsed here,
    since names of assets and strategies may hold dollar signs.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    lowest, highest = float(levels.min().min()), float(levels.max().max())
    if not (lowest > 0 and highest > _LOG_FROM):
        return "growth of 1"
    axes.set_yscale("log")
    decades = np.log10(highest / lowest)
    steps = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,) if decades > 5 else (1.0, 3.0)
    axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}×"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return "growth of 1, log scale"


def say_nothing(axes: Axes, why: str) -> Axes:
    """An axes that says why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, ha="center", va="center", color=INK, fontsize=10, wrap=True, transform=axes.transAxes)
    return axes


def finish(
    axes: Axes,
    *,
    title: str = "",
    y: str = "",
    x: str = "",
    percent: bool = False,
    legend: bool = True,
    dates: bool = False,
) -> Axes:
    """Title, labels, legend, per cent on the y axis, short dates."""
    if title:
        axes.set_title(title, fontsize=10.5, loc="left", color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)
    axes.set_xlabel(x, fontsize=8.5, color=INK)
    if percent:
        axes.yaxis.set_major_formatter(percent_ticks())
    if dates:
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if legend and axes.get_legend_handles_labels()[1]:
        return legend_above(axes, 5)
    return axes


def count_ticks(axes: Axes) -> None:
    """Whole numbers up the axis, with commas."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def percent_ticks() -> FuncFormatter:
    """Fractions as per cent, with as many decimals as they have."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, _: object) -> str:
        digits = f"{100 * value:z,.4f}".rstrip("0").rstrip(".")
        return f"{digits}%".replace("-", "−")

    return FuncFormatter(text)


def legend_above(axes: Axes, columns: int = 3) -> Axes:
    """The legend over the frame, where it hides nothing, in as many columns as its longest label leaves room for."""
    labels = [str(label) for label in axes.get_legend_handles_labels()[1]]
    figure: Any = axes.figure
    inches = figure.get_figwidth() * axes.get_position().width
    room = max(1, int(inches / (0.45 + 0.068 * max(map(len, labels), default=1))))
    columns = max(1, min(columns, room, len(labels)))
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 0.99), ncols=columns,
                handlelength=1.4, columnspacing=1.2, borderaxespad=0.2)  # fmt: skip
    return axes


def plot_equity(axes: Axes, returns: pd.DataFrame) -> Axes:
    """Growth of 1 before and after costs, and of the benchmark where there is one.

    Parameters
    ----------
    returns : (T, …) columns net, gross and perhaps benchmark and matched (the benchmark scaled to the volatility of
        net), simple returns a session.

    """
    series(axes, (1 + returns["net"]).cumprod(), "net", color=COLOURS["blue"], linewidth=1.6, zorder=3)
    series(axes, (1 + returns["gross"]).cumprod(), "gross", color=COLOURS["orange"], linestyle="--")
    if "benchmark" in returns and returns["benchmark"].notna().any():
        market = (1 + returns["benchmark"].fillna(0)).cumprod()
        series(axes, market, "benchmark", color=COLOURS["grey"], linewidth=1.0, zorder=1.5)
    if "matched" in returns:
        matched = (1 + returns["matched"].fillna(0)).cumprod()
        label = "benchmark at the run's volatility"
        series(axes, matched, label, color=COLOURS["purple"], linestyle=":", linewidth=1.5, zorder=1.5)
    axes.axhline(1.0, color=COLOURS["grey"], linewidth=0.8)
    shown = [name for name in ("net", "gross", "benchmark") if name in returns]
    scale = growth_scale(axes, (1 + returns[shown].fillna(0)).cumprod())
    return finish(axes, y=scale, dates=True)


def plot_drawdown(axes: Axes, returns: pd.Series) -> Axes:
    """How far below its highest level the compounded series is, the start included."""
    under = drawdown_series(returns)
    series(axes, under, color=COLOURS["blue"], linewidth=0.9)
    line = axes.get_lines()[-1]
    axes.fill_between(line.get_xdata(), line.get_ydata(), 0, color=COLOURS["blue"], alpha=0.25, linewidth=0)
    return finish(axes, y="drawdown, net", percent=True, dates=True)


def returns_figure(returns: pd.DataFrame, title: str) -> Figure:
    """A figure with growth of 1 above and the net drawdown below, as `result.plot()` shows it.

    Parameters
    ----------
    returns : see `plot_equity`.
    title : what it is of.

    """
    figure = new_figure((9.0, 5.5))[0]
    figure.clear()
    figure.patch.set(alpha=1.0, facecolor="white")
    above, below = (settle(axes) for axes in figure.subplots(2, 1, sharex=True, height_ratios=(2, 1)))
    plot_equity(above, returns)
    plot_drawdown(below, returns["net"])
    figure.suptitle(title, color=COLOURS["grey"], fontsize=10.5)
    return figure
