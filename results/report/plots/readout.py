"""The numbers behind a drawn figure: a table of them, and the map from places on the drawing to values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assay.results.report.blocks import Cell, Table, fixed, said

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

__all__ = ["Reading", "name_lines", "read_axes"]

#: Rows of a table that is read off lines.
_ROWS = 24
#: Points below which a line without a label is a mark, not a series.
_FEWEST = 3


@dataclass(frozen=True)
class Reading:
    """What can be read off a figure.

    Parameters
    ----------
    table : the numbers, thinned to a few rows where there are many; None where there are none to read.
    places : what a page's script needs, JSON-able: ``x`` and ``y``, each [place, place, value, value, is log] in units
        of the drawing; ``frame`` [left, top, right, bottom]; ``dates``, ``percent``, ``growth``; ``lines``
        [[id, name], …]; ``points`` [[place, text], …] of bars and marks.

    """

    table: Table | None
    places: dict[str, Any]


def name_lines(axes: Axes) -> None:
    """Give the lines the ids that `read_axes` calls them by, so that a drawing carries them."""
    for number, line in enumerate(line for line in axes.get_lines() if _is_series(line)):
        line.set_gid(f"line{number}")


def read_axes(axes: Axes, title: str) -> Reading:
    """Read a figure after it was drawn.

    Parameters
    ----------
    axes : as the last drawing left them: each kind of drawing measures text, and so lays out, in its own way.
    title : of the table.

    """
    figure: Any = axes.figure
    width, height = figure.get_size_inches() * 72
    box = axes.get_position()
    left, right = box.x0 * width, box.x1 * width
    top, bottom = (1 - box.y1) * height, (1 - box.y0) * height
    axis: Any = axes.xaxis  # before matplotlib 3.10 the converter is an attribute
    dates = "Date" in type(axis.get_converter() if hasattr(axis, "get_converter") else axis.converter).__name__
    percent = "Percent" in type(axes.yaxis.get_major_formatter()).__name__
    lines = [line for line in axes.get_lines() if _is_series(line)]
    names = [_name(line, axes) for line in lines]
    points = _bars(axes) or _marks(axes)
    places: dict[str, Any] = {
        "x": [round(left, 2), round(right, 2), *map(float, axes.get_xlim()), axes.get_xscale() == "log"],
        "y": [round(bottom, 2), round(top, 2), *map(float, axes.get_ylim()), axes.get_yscale() == "log"],
        "frame": [round(value, 2) for value in (left, top, right, bottom)],
        "dates": dates,
        "percent": percent,
        "growth": "growth of 1" in axes.get_ylabel(),
        "lines": [[f"line{number}", name] for number, name in enumerate(names)],
        "points": [] if lines else _placed(axes, points, (left, right), percent),
    }
    if lines:
        return Reading(_line_table(lines, names, title, axes.get_xlabel(), dates, percent), places)
    return Reading(_point_table(points, title, axes, percent), places)


def _is_series(line: Line2D) -> bool:
    """Whether it is a line through values, not a mark across the frame nor loose dots."""
    return len(np.asarray(line.get_xdata())) >= _FEWEST and line.get_linestyle() not in ("None", "none", "", " ")


def _name(line: Line2D, axes: Axes) -> str:
    label = str(line.get_label())
    return (axes.get_ylabel() or "value") if label.startswith("_") else label


def _shown(value: float, percent: bool) -> Cell:
    if not math.isfinite(value):
        return Cell("–")
    digits = 2 if percent or value == 0 or 0.1 <= abs(value) < 1000 else 0 if abs(value) >= 1000 else 4
    return Cell(f"{100 * value:z.2f}%" if percent else f"{value:z,.{digits}f}", float(value))


def _line_table(lines: list[Line2D], names: list[str], title: str, x: str, dates: bool, percent: bool) -> Table:
    columns = {}
    for line, name in zip(lines, names, strict=True):
        values = pd.Series(np.asarray(line.get_ydata(), dtype=np.float64), index=np.asarray(line.get_xdata(orig=True)))
        while name in columns:
            name += " "
        columns[name] = values[~values.index.duplicated()]
    index = next(iter(columns.values())).index
    kept = index[np.unique(np.linspace(0, len(index) - 1, min(_ROWS, len(index))).round().astype(int))]
    rows = []
    for place in kept:
        # Lines are thinned each at its own places: the last point at or before this one is what was drawn there.
        cells = [_shown(float(values.loc[:place].iloc[-1]) if len(values.loc[:place]) else math.nan, percent)
                 for values in columns.values()]  # fmt: skip
        rows.append((said(pd.Timestamp(place)) if dates else said(float(place)), *cells))
    about = f"{len(rows)} of the {len(index):,} points that are drawn." if len(rows) < len(index) else ""
    head = "session" if dates else x.split(";")[0] or "at"
    return Table(title, (head, *(name.strip() for name in columns)), tuple(rows), about)


#: label, value, low, high, and the value on the horizontal axis.
_Point = tuple[str, float, float, float, float]


def _bars(axes: Axes) -> list[_Point]:
    """Bars that stand up, each with the interval drawn on it, if any; those of a histogram are called by their ends."""
    from matplotlib.container import BarContainer, ErrorbarContainer

    bars = next((item for item in axes.containers if isinstance(item, BarContainer)), None)
    if bars is None or bars.orientation != "vertical":
        return []
    patches = list(bars.patches)
    labels = _ticks(axes.xaxis)
    spans = next((_ends(item, 1) for item in axes.containers if isinstance(item, ErrorbarContainer)), {})
    out = []
    for number, patch in enumerate(patches):
        middle = patch.get_x() + patch.get_width() / 2
        if labels is None:
            form = axes.xaxis.get_major_formatter()
            ends = (f"{end:.1%}" if "Percent" in type(form).__name__ else f"{end:.3g}"
                    for end in (patch.get_x(), patch.get_x() + patch.get_width()))  # fmt: skip
            label = " … ".join(ends)
        else:
            label = labels.get(round(middle), str(number))
        low, high = spans.get(number, (math.nan, math.nan))
        out.append((label, float(patch.get_height()), low, high, float(middle)))
    return out


def _marks(axes: Axes) -> list[_Point]:
    """Marks with an interval, standing or lying; one a tick."""
    from matplotlib.container import ErrorbarContainer

    found = [item for item in axes.containers if isinstance(item, ErrorbarContainer)]
    up, across = _ticks(axes.xaxis), _ticks(axes.yaxis)
    out = []
    for item in found:
        if item.lines[0] is None:
            continue
        x, y = (np.asarray(values, dtype=np.float64) for values in item.lines[0].get_data(orig=False))
        lying = across is not None
        labels, ticks, values = (across, y, x) if across is not None else (up, x, y)
        ends = _ends(item, 0 if lying else 1)
        for number, (tick, value) in enumerate(zip(ticks, values, strict=True)):
            label = f"{tick:.3g}" if labels is None else labels.get(round(tick), f"{tick:.3g}")
            out.append(
                (label, float(value), *ends.get(number, (math.nan, math.nan)), math.nan if lying else float(tick))
            )
    return out


def _ticks(axis: Any) -> dict[int, str] | None:
    """Place → label of ticks that were named; None where they are numbers."""
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    form = axis.get_major_formatter()
    if not isinstance(form, (FixedFormatter, FuncFormatter)) or axis.get_scale() == "log":
        return None
    return {round(place): item.get_text().replace("\n", " ") for place, item in
            zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)}  # fmt: skip


def _ends(item: Any, along: int) -> dict[int, tuple[float, float]]:
    """Number of the point → ends of its interval."""
    spans = [segment for group in item.lines[2] for segment in group.get_segments() if len(segment)]
    return {number: (float(part[:, along].min()), float(part[:, along].max())) for number, part in enumerate(spans)}


def _form(points: list[_Point], percent: bool) -> Callable[[float], Cell]:
    """How the values of points are written: counts whole."""
    counts = all(point[1] == int(point[1]) and math.isnan(point[2]) for point in points if math.isfinite(point[1]))
    return partial(fixed, digits=0) if counts and not percent else partial(_shown, percent=percent)


def _placed(axes: Axes, points: list[_Point], ends: tuple[float, float], percent: bool) -> list[list[Any]]:
    first, last = axes.get_xlim()
    out = []
    shown = _form(points, percent)
    for label, value, low, high, place in points:
        if math.isnan(place):
            continue
        text = f"{label}: {shown(value).text}"
        if math.isfinite(low) and math.isfinite(high) and high > low:
            text += f" [{shown(low).text}, {shown(high).text}]"
        out.append([round(ends[0] + (place - first) / (last - first) * (ends[1] - ends[0]), 1), text])
    return out


def _point_table(points: list[_Point], title: str, axes: Axes, percent: bool) -> Table | None:
    if not points:
        return None
    with_ends = any(math.isfinite(point[2]) and point[3] > point[2] for point in points)
    lying = math.isnan(points[0][4])
    value, what = (axes.get_xlabel(), axes.get_ylabel()) if lying else (axes.get_ylabel(), axes.get_xlabel())
    shown = _form(points, percent)
    rows = tuple(
        (Cell(label), shown(value_at), *((shown(low), shown(high)) if with_ends else ()))
        for label, value_at, low, high, _ in points
    )
    return Table(title, (what or "item", value or "value", *(("low", "high") if with_ends else ())), rows)
