"""Sections as one HTML file. No network, no clock: the same run gives the same page."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.data.drawing import INK, new_figure
from assay.results.report.blocks import Figure, FirstScreen, Note, Section, Table
from assay.results.report.plots.readout import name_lines, read_axes

__all__ = ["MARKS", "Drawing", "draw_figure", "figure_settings", "render_page"]

#: The name of what somebody gave to be drawn, in the head of a page.
MARKS = "assay-marks"
_TEMPLATES = Path(__file__).parent / "templates"
_COMMENT = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<\?xml.*?\?>|<!DOCTYPE.*?>", re.DOTALL)
#: An option of a command, which is not broken.
_OPTION = re.compile(r"(--[a-z][a-z-]*)")
_FONT = re.compile(r"font: (?:\w+ )?([\d.]+)px [^;\"]*")
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_SIZE = re.compile(
    r'(<svg[^>]*?) width="([\d.]+)pt" height="([\d.]+)pt"|(<svg[^>]*?) height="[\d.]+pt"([^>]*?) width="[\d.]+pt"'
)
#: Coordinates, in 1/72 inch, of which more than two decimals cannot be seen.
_COORDINATES = re.compile(r' (?:d|x|y)="[^"]*"')
_DECIMALS = re.compile(r"\d+\.\d{3,}")
#: Inches that tick labels and the name of the axis need beside a wide figure.
_LEFT = 0.72
#: Inches above which a figure is drawn a second time for a phone, and how wide it then is.
_WIDE, _PHONE = 8.0, 4.6


@contextmanager
def figure_settings() -> Iterator[None]:
    """What every figure is drawn with; names may hold dollar signs, so text is never parsed as mathematics."""
    import matplotlib as mpl

    mine: Any = {"svg.fonttype": "none", "svg.hashsalt": "assay", "axes.unicode_minus": True, "text.parse_math": False}
    with mpl.rc_context(mine):
        yield


@dataclass(frozen=True)
class Drawing:
    """A figure as SVG, what a script needs to read it, and the numbers behind it."""

    svg: str
    places: str
    table: Table | None


def draw_figure(figure: Figure, name: str, size: tuple[float, float] | None = None) -> Drawing:
    """The figure as an SVG element for a page.

    Parameters
    ----------
    figure : what to draw.
    name : prefix of its ids, so that two figures on a page do not share any.
    size : inches; default the figure's own.

    """
    from markupsafe import escape

    with figure_settings():
        canvas, axes = new_figure(size or figure.size)
        figure.draw(axes)
        name_lines(axes)
        _lay_out(canvas)
        buffer = io.StringIO()
        canvas.canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[attr-defined]
        reading = read_axes(axes, figure.title)
    text = _COMMENT.sub("", buffer.getvalue()).strip()
    text = _ID.sub(rf"\1{name}-", text)
    text = _FONT.sub(r"font: \1px system-ui, sans-serif", text)
    text = text.replace(INK, "currentColor")
    text = _COORDINATES.sub(lambda found: _DECIMALS.sub(lambda digits: f"{float(digits[0]):.2f}", found[0]), text)
    text = _SIZE.sub(lambda found: found[1] or f"{found[4]}{found[5]}", text, count=1)
    text = text.replace("<svg", f'<svg role="img" aria-label="{escape(figure.alt)}"', 1)
    places = reading.places
    if not places["lines"] and not places["points"]:
        return Drawing(text, "", reading.table)
    places["lines"] = [[f"{name}-{line}", label] for line, label in places["lines"]]
    return Drawing(text, json.dumps(places, separators=(",", ":")), reading.table)


def _lay_out(canvas: Any) -> None:
    """Lay a figure out as SVG of 72 dots an inch, once: `savefig` would draw it a second and a third time to do so."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas.set_dpi(72)
    FigureCanvasSVG(canvas)
    canvas.get_layout_engine().execute(canvas)
    canvas.set_layout_engine("none")
    axes = canvas.axes[0]
    if canvas.get_figwidth() > _WIDE and axes.axison:  # charts of a page's width, one above the other, share their ends
        place = axes.get_position()
        left, right = max(place.x0, _LEFT / canvas.get_figwidth()), min(place.x1, 0.995)
        axes.set_position((left, place.y0, right - left, place.height))


def _drawings(figure: Figure, number: int) -> tuple[list[tuple[str, Drawing]], Table | None]:
    """A figure's drawings, each with the class that says where it is shown, and the numbers behind it."""
    main = draw_figure(figure, f"f{number}")
    behind = figure.behind or main.table
    if figure.size[0] <= _WIDE:
        return [("", main)], behind
    narrow = draw_figure(figure, f"p{number}", (_PHONE, max(2.0, 0.8 * figure.size[1])))
    return [("desk", main), ("phone", narrow)], behind


def render_page(
    *, title: str, sections: Sequence[Section], first: FirstScreen, marks: Mapping[str, float] | None = None
) -> str:
    """The whole page.

    Parameters
    ----------
    title : of the page.
    sections : in order.
    first : what the first screen shows.
    marks : figures that somebody gave to be drawn; the page carries them, under the name `MARKS`.

    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = iter(range(1, 1_000_000))
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    kinds = {Figure: "figure", Table: "table", Note: "note"}
    return environment.get_template("page.html").render(
        title=title,
        marks_name=MARKS,
        marks=json.dumps(dict(marks), sort_keys=True) if marks else "",
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        sections=sections,
        first=first,
        draw_all=lambda figure: _drawings(figure, next(numbers)),
        markup=Markup,
        whole=lambda text: Markup(_OPTION.sub(r'<span class="whole">\1</span>', str(escape(text)))),
        kind=lambda part: kinds[type(part)],
    )
