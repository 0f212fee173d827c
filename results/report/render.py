"""Sections as one HTML file, a PNG or a PDF. No network, no clock: the same run gives the same page."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.results.report.blocks import Figure, Note, Section, Table
from assay.results.report.plots.style import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["compose_png", "figure_svg", "render_page", "write_pdf"]

_TEMPLATES = Path(__file__).parent / "templates"
_COMMENT = re.compile(r"<!--.*?-->|<metadata>.*?</metadata>|<\?xml.*?\?>|<!DOCTYPE.*?>", re.DOTALL)
_FONT = re.compile(r"font: (?:\w+ )?([\d.]+)px [^;\"]*")
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_SIZE = re.compile(
    r'(<svg[^>]*?) width="([\d.]+)pt" height="([\d.]+)pt"|(<svg[^>]*?) height="[\d.]+pt"([^>]*?) width="[\d.]+pt"'
)


@contextmanager
def _settings() -> Iterator[None]:
    import matplotlib as mpl

    mine: Any = {"svg.fonttype": "none", "svg.hashsalt": "assay", "axes.unicode_minus": True, "text.parse_math": False}
    with mpl.rc_context(mine):
        yield


def figure_svg(figure: Figure, name: str) -> str:
    """The figure as an SVG element for a page.

    Parameters
    ----------
    figure : what to draw.
    name : prefix of its ids, so that two figures on a page do not share any.

    """
    from markupsafe import escape

    with _settings():
        canvas, axes = new_figure(figure.size)
        figure.draw(axes)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", dpi=110, metadata={"Date": None, "Creator": None})
    text = _COMMENT.sub("", buffer.getvalue()).strip()
    text = _ID.sub(rf"\1{name}-", text)
    text = _FONT.sub(r"font: \1px system-ui, sans-serif", text)
    text = text.replace(INK, "currentColor")
    text = _SIZE.sub(lambda found: found[1] or f"{found[4]}{found[5]}", text, count=1)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(figure.alt)}"', 1)


def render_page(*, title: str, sections: Sequence[Section], first: dict[str, Any]) -> str:
    """The whole page.

    Parameters
    ----------
    title : of the page.
    sections : in order.
    first : what the first screen shows: described, verdicts, warnings, headline, figures.

    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

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
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        sections=sections,
        svg=lambda figure: Markup(figure_svg(figure, f"f{next(numbers)}")),
        kind=lambda part: kinds[type(part)],
        **first,
    )


def _figures(sections: Sequence[Section]) -> list[Figure]:
    return [part for section in sections for part in section.parts if isinstance(part, Figure)]


def _cover(first: dict[str, Any], title: str) -> list[tuple[float, list[tuple[float, str, dict[str, Any]]]]]:
    """Title, what was run, verdicts and the ten figures: lines of (height in inches, pieces of (x, text, style))."""
    lines: list[tuple[float, list[tuple[float, str, dict[str, Any]]]]] = [
        (0.45, [(0.03, title, {"fontsize": 17, "weight": "bold"})]), (0.1, [])
    ]  # fmt: skip
    for name, value in first["described"]:
        wrapped = textwrap.wrap(value, 140)[:2]
        for number, text in enumerate(wrapped):
            lines.append((0.2, [(0.03, "" if number else name, {"color": "#5a636e"}), (0.12, text, {})]))
    lines.append((0.15, []))
    strip = "  ·  ".join(f"{item.name}: {item.result}".replace(" ", "\xa0") for item in first["verdicts"])
    lines += [(0.22, [(0.03, text, {"weight": "bold"})]) for text in textwrap.wrap(strip, 130, break_on_hyphens=False)]
    for warning in first["warnings"][:4]:
        short = textwrap.shorten(f"warning: {warning}", 165, placeholder=" …")
        lines.append((0.2, [(0.03, short, {"color": "#a04000"})]))
    lines.append((0.15, []))
    table = first["headline"]
    columns = (0.03, 0.2, 0.29, 0.38, 0.52)
    for number, row in enumerate([table.columns, *([cell.text for cell in row] for row in table.rows)]):
        style = {"weight": "bold"} if number == 0 else {}
        cells = [
            (x, textwrap.shorten(text, 84, placeholder=" …") if text else "", style)
            for x, text in zip(columns, row, strict=True)
        ]
        lines.append((0.23, cells))
    return lines


def _write_cover(
    canvas: Canvas, lines: list[tuple[float, list[tuple[float, str, dict[str, Any]]]]], top: float
) -> None:
    total = canvas.get_size_inches()[1]
    place = top
    for height, pieces in lines:
        place += height
        for x, text, style in pieces:
            canvas.text(x, 1 - place / total, text, **{"fontsize": 9, "color": INK, **style})


def _draw_grid(
    figures: Sequence[Figure], canvas: Canvas, rect: tuple[float, float, float, float], columns: int
) -> None:
    """Figures in a grid, over `rect` (left, bottom, width, height as fractions of the canvas); wide ones take a row."""
    rows: list[list[Figure]] = []
    for figure in figures:
        if not figure.wide and rows and not rows[-1][0].wide and len(rows[-1]) < columns:
            rows[-1].append(figure)
        else:
            rows.append([figure])
    left, bottom, width, height = rect
    sub = canvas.add_gridspec(
        max(1, len(rows)), columns, left=left + 0.085, right=left + width,
        bottom=bottom + 0.05, top=bottom + height - 0.03,
        hspace=0.72, wspace=0.24, height_ratios=[max(item.size[1] for item in row) for row in rows] or [1],
    )  # fmt: skip
    from assay.results.report.plots.style import settle

    for number, row in enumerate(rows):
        for place, figure in enumerate(row):
            slot = sub[number, :] if figure.wide else sub[number, place]
            axes = settle(canvas.add_subplot(slot))
            figure.draw(axes)
            axes.set_title(figure.title, fontsize=10, loc="left", color=INK, pad=32 if _above(axes) else 6)


def _above(axes: Any) -> bool:
    """Whether the legend stands over the frame."""
    legend = axes.get_legend()
    return legend is not None and legend.get_bbox_to_anchor().transformed(axes.transAxes.inverted()).y0 > 0.9


def compose_png(*, title: str, sections: Sequence[Section], first: dict[str, Any], chosen: Sequence[str]) -> bytes:
    """The first screen and a few figures as one picture, for a chat.

    Parameters
    ----------
    chosen : titles of figures below the equity line; those that the run has not are left out.

    """
    from matplotlib.figure import Figure as NewCanvas

    known = {figure.title: figure for figure in _figures(sections)}
    below = [known[name] for name in chosen if name in known]
    figures = [*first["figures"], *below]
    rows = -(-len(below) // 2)
    lines = _cover(first, title)
    cover, drawn = 0.2 + sum(height for height, _ in lines), 5.6 + 3.1 * rows
    with _settings():
        canvas = NewCanvas(figsize=(12.5, cover + drawn), facecolor="white")
        _write_cover(canvas, lines, 0.0)
        _draw_grid(figures, canvas, (0.02, 0.0, 0.96, drawn / (cover + drawn)), 2)
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def write_pdf(target: Path, *, title: str, sections: Sequence[Section], first: dict[str, Any]) -> None:
    """A page with the first screen, then the figures of each section and its sentences; A4, landscape."""
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure as NewCanvas

    size = (11.69, 8.27)
    about = {"Title": title, "CreationDate": None, "ModDate": None, "Producer": None, "Creator": None}
    with _settings(), PdfPages(target, metadata=about) as pages:
        canvas = NewCanvas(figsize=size)
        _write_cover(canvas, _cover(first, title), 0.2)
        pages.savefig(canvas)
        canvas = NewCanvas(figsize=size)
        _draw_grid(first["figures"], canvas, (0.02, 0.02, 0.95, 0.95), 1)
        pages.savefig(canvas)
        for figure in first["print_only"]:
            canvas = NewCanvas(figsize=size)
            _draw_grid([figure], canvas, (0.02, 0.02, 0.95, 0.95), 1)
            pages.savefig(canvas)
        for section in sections:
            figures = _figures([section])
            notes = [part for part in section.parts if isinstance(part, Note)]
            groups = [figures[start : start + 4] for start in range(0, len(figures), 4)]
            for number, group in enumerate(groups or ([[]] if notes else [])):
                canvas = NewCanvas(figsize=size)
                canvas.text(0.03, 0.955, section.title, fontsize=15, weight="bold", color=INK)
                lines = (
                    [f"{note.title}: {note.text}" if note.title else note.text for note in notes] if number == 0 else []
                )
                place = 0.925
                for line in (part for text in lines for part in textwrap.wrap(text, 150)):
                    canvas.text(0.03, place, line, fontsize=8.5, color=INK)
                    place -= 0.022
                if group:
                    height = (place - 0.06) * (1.0 if len(group) > 2 or any(item.wide for item in group) else 0.55)
                    _draw_grid(group, canvas, (0.02, place - 0.05 - height, 0.95, height), 2)
                pages.savefig(canvas)
