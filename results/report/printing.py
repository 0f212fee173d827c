"""The page on paper: a PDF by a headless Chromium where there is one, else by matplotlib; a PNG for a chat."""

from __future__ import annotations

import io
import logging
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.data.atomic import check_target, replacing
from assay.data.drawing import INK, settle
from assay.results.report.blocks import Figure, FirstScreen, Note, Section, Table
from assay.results.report.render import figure_settings, render_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = ["PAGE_SUFFIXES", "compose_png", "find_chromium", "lay_out_pdf", "print_page", "write_page", "write_pdf"]

_log = logging.getLogger(__name__)

#: What a page that is no tear sheet is written as.
PAGE_SUFFIXES = (".html", ".pdf")

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--no-pdf-header-footer",
)  # fmt: skip
_SECONDS = 120
#: What a browser writes of the time and of itself.
_STAMP = re.compile(rb"/(CreationDate|ModDate) \(D:([^)]*)\)")
_NO_DATE = b"20000101000000+00'00'"
_WIDTH, _HEIGHT, _MARGIN = 8.27, 11.69, 0.45
_SOFT, _GOOD, _BAD, _UNSURE = "#5a636e", "#00714f", "#b04400", "#806000"
_COLOURS = {"good": _GOOD, "bad": _BAD, "unsure": _UNSURE}
#: Rows of a table on paper; the others are in the HTML.
_ROWS = 40


def find_chromium() -> str | None:
    """A Chromium or Chrome on the path, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def print_page(page: str, chromium: str) -> bytes | None:
    """The page as a browser prints it; None where the browser fails, which the log then says.

    Parameters
    ----------
    page : HTML.
    chromium : path of the browser; it gets a profile of its own that is removed, and the page asks for nothing.

    """
    with tempfile.TemporaryDirectory(prefix="assay-print-", ignore_cleanup_errors=True) as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(page, encoding="utf-8")
        # A browser refuses its sandbox to root, and in most containers.
        sandbox = () if getattr(os, "geteuid", lambda: 1)() else ("--no-sandbox",)
        command = [chromium, *_FLAGS, *sandbox, f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}",
                   source.as_uri()]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
            content = target.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            _log.warning("%s could not print the page (%s); laid out without it", chromium, type(error).__name__)
            return None
    # The same run gives the same file: the date takes as many bytes as it had.
    return _STAMP.sub(lambda found: b"/%s (D:%s)" % (found[1], _NO_DATE[: len(found[2])].ljust(len(found[2]))), content)


@dataclass(frozen=True)
class _Piece:
    """Something with a height in inches, drawn at (canvas, top in inches from the lower edge)."""

    height: float
    draw: Callable[[Canvas, float], None]
    #: it stays with what follows
    heading: bool = False


def _write(canvas: Canvas, x: float, y: float, text: str, **style: Any) -> None:
    width, height = canvas.get_size_inches()
    canvas.text(x / width, y / height, text, **{"fontsize": 8, "color": INK, "va": "top", **style})


def _text(text: str, *, wrap: int = 118, size: float = 8.0, indent: float = 0.0, **style: Any) -> _Piece:
    """Lines of text; those after the first of an item that begins with a dash stand under its words."""
    lines = textwrap.wrap(text, int(wrap * 8 / size)) or [""]
    step = 1.45 * size / 72

    def draw(canvas: Canvas, top: float) -> None:
        for number, line in enumerate(lines):
            under = 0.1 if number and text.startswith("– ") else 0.0
            _write(canvas, _MARGIN + indent + under, top - number * step, line, fontsize=size, **style)

    return _Piece(len(lines) * step + 0.04, draw)


def _heading(text: str, size: float = 13.0, before: float = 0.12) -> _Piece:
    def draw(canvas: Canvas, top: float) -> None:
        _write(canvas, _MARGIN, top - before, text, fontsize=size, weight="bold")

    return _Piece(before + 1.7 * size / 72, draw, heading=True)


def _figures(figures: Sequence[Figure]) -> Iterator[_Piece]:
    """Figures in rows of two, wide ones alone."""
    rows: list[list[Figure]] = []
    for figure in figures:
        if not figure.wide and rows and not rows[-1][0].wide and len(rows[-1]) < 2:
            rows[-1].append(figure)
        else:
            rows.append([figure])
    for row in rows:
        across = _WIDTH - 2 * _MARGIN if row[0].wide else (_WIDTH - 2 * _MARGIN - 0.3) / 2
        tall = max(across * item.size[1] / item.size[0] * (0.85 if item.wide else 1.05) for item in row)
        tall = min(max(tall, 1.3), 4.2)
        yield _Piece(0.62 + tall, partial(_draw_row, row=row, across=across, tall=tall))


def _draw_row(canvas: Canvas, top: float, row: Sequence[Figure], across: float, tall: float) -> None:
    for place, figure in enumerate(row):
        left = _MARGIN + place * (across + 0.3)
        axes = settle(canvas.add_axes((0.1, 0.1, across / canvas.get_figwidth(), 0.1)))
        figure.draw(axes)
        _fit(axes, (left, top - tall - 0.44, left + across, top - 0.24), 0.6 if figure.wide else 0.0)
        title = "\n".join(textwrap.wrap(figure.title, int(across / 0.075)))
        _write(canvas, left, top - 0.02, title, fontsize=8.5, weight="bold")


def _fit(axes: Axes, frame: tuple[float, float, float, float], beside: float) -> None:
    """Place axes so that they reach into the frame's corners with all their labels, of which those beside it have at
    least so much; inches from the lower left."""
    for text in (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_fontsize(7)
    axes.tick_params(labelsize=7)
    canvas: Any = axes.figure
    width, height = canvas.get_size_inches()
    left, bottom, right, top = frame
    axes.set_position((left / width, bottom / height, (right - left) / width, (top - bottom) / height))
    box = axes.get_tightbbox()
    if box is None or not axes.axison:
        return
    outer = box.transformed(canvas.transFigure.inverted())
    inner = axes.get_position()
    near = (max(inner.x0 - outer.x0, beside / width), max(inner.y0 - outer.y0, 0.0))
    far = (max(outer.x1 - inner.x1, 0.0), max(outer.y1 - inner.y1, 0.0))
    axes.set_position((
        inner.x0 + near[0], inner.y0 + near[1],
        max(inner.width - near[0] - far[0], 0.05), max(inner.height - near[1] - far[1], 0.02),
    ))  # fmt: skip


def _table(table: Table) -> Iterator[_Piece]:
    """A table as lines of text; columns as wide as their words ask for, long cells in several lines."""
    yield _heading(table.title, 9.0, 0.1)
    shown = table.rows[:_ROWS]
    room = _WIDTH - 2 * _MARGIN
    longest = [
        max(len(name), *(len(row[number].text) for row in shown)) if shown else len(name)
        for number, name in enumerate(table.columns)
    ]
    size = 6.5 if len(table.columns) <= 9 else 5.5
    letter = 0.0079 * size
    widths = _widths([letter * (length + 2.5) for length in longest], room)
    starts = [_MARGIN + sum(widths[:number]) for number in range(len(widths))]
    step = 1.3 * size / 72
    numeric = table.numeric

    def line(texts: Sequence[str], **style: Any) -> _Piece:
        cells = [
            textwrap.wrap(text, max(4, int(width / letter) - 1)) for text, width in zip(texts, widths, strict=True)
        ]

        def draw(canvas: Canvas, top: float) -> None:
            for number, parts in enumerate(cells):
                right = numeric[number]
                x = starts[number] + widths[number] - 0.08 if right else starts[number]
                for depth, part in enumerate(parts):
                    _write(canvas, x, top - depth * step, part, fontsize=size, ha="right" if right else "left", **style)

        return _Piece(max(map(len, cells), default=1) * step + 0.025, draw)

    head = line(table.columns, color=_SOFT)
    yield _Piece(head.height, head.draw, heading=True)
    for row in shown:
        yield line([cell.text for cell in row])
    rest = f"The first {_ROWS} of {len(table.rows):,} rows; the HTML has all." if len(table.rows) > _ROWS else ""
    about = " ".join(filter(None, [table.caption, rest]))
    if about:
        yield _text(about, size=6.5, color=_SOFT)


def _widths(asked: Sequence[float], room: float) -> list[float]:
    """What columns get of the room: each what it asks for, where that fits; else the widest give way."""
    widths = list(asked)
    for limit in sorted(asked, reverse=True)[1:]:
        over = sum(widths) - room
        if over <= 0:
            break
        widest = [at for at, width in enumerate(widths) if width > limit]
        for at in widest:
            widths[at] = max(limit, widths[at] - over / len(widest))
    share = min(1.0, room / sum(widths))
    return [width * share for width in widths]


def _opening(title: str, first: FirstScreen) -> Iterator[_Piece]:
    yield _heading(title, 15.0, 0.0)
    if first.lead:
        yield _text(first.lead, color=_SOFT)
    for answer in first.answers:
        colour = _COLOURS.get(answer.state, _SOFT)
        yield _text(f"{answer.question}  {answer.verdict}", size=9.5, weight="bold", color=colour)
        for sentence in answer.sentences:
            yield _text(f"– {sentence}", wrap=114, indent=0.1)
    yield from _figures(first.figures)
    if first.verdicts:
        yield _heading("What was checked", 9.0, 0.06)
        for item in first.verdicts:
            text = f"{item.name}: {item.result}" + (f" ({item.detail})" if item.detail else "")
            yield _text(text, color=_COLOURS.get(item.state, _SOFT))
    for warning in first.warnings:
        yield _text(f"Warning: {warning}", color=_BAD)
    yield from _table(first.headline)
    yield _heading("What was run", 9.0, 0.08)
    for name, value in first.described:
        yield _text(f"{name}: {value}", size=7.5)


def _pieces(title: str, sections: Sequence[Section], first: FirstScreen) -> Iterator[_Piece]:
    yield from _opening(title, first)
    for section in sections:
        yield _heading(section.title)
        for note in (part for part in section.parts if isinstance(part, Note)):
            yield _text(f"{note.title}: {note.text}" if note.title else note.text)
        yield from _figures([part for part in section.parts if isinstance(part, Figure)])
        for part in section.parts:
            if isinstance(part, Table) and part.rows:
                yield from _table(part)


def _pages(pieces: Sequence[_Piece]) -> Iterator[list[tuple[float, _Piece]]]:
    """Pieces with their tops, page by page, as full as they go; a heading goes with what follows it."""
    page: list[tuple[float, _Piece]] = []
    top = _HEIGHT - _MARGIN
    number = 0
    while number < len(pieces):
        stop = number
        while stop < len(pieces) - 1 and pieces[stop].heading:
            stop += 1
        group = pieces[number : stop + 1]
        if page and top - sum(item.height for item in group) < _MARGIN:
            yield page
            page, top = [], _HEIGHT - _MARGIN
        for item in group:
            page.append((top, item))
            top -= item.height
        number = stop + 1
    if page:
        yield page


def lay_out_pdf(target: Path, *, title: str, sections: Sequence[Section], first: FirstScreen) -> int:
    """A4 pages, one piece under the other without a break at a section; returns how many.

    Parameters
    ----------
    target : the file.
    title, sections, first : see `assay.results.report.render.render_page`.

    """
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure as NewCanvas

    about = {"Title": title, "CreationDate": None, "ModDate": None, "Producer": None, "Creator": None}
    count = 0
    with figure_settings(), PdfPages(target, metadata=about) as pages:
        for page in _pages(list(_pieces(title, sections, first))):
            canvas = NewCanvas(figsize=(_WIDTH, _HEIGHT))
            for top, piece in page:
                piece.draw(canvas, top)
            count += 1
            _write(canvas, _WIDTH - _MARGIN, 0.3, f"{count}", ha="right", fontsize=7, color=_SOFT)
            pages.savefig(canvas)
    return count


def write_pdf(target: Path, *, browser: bool = True, **parts: Any) -> None:
    """The page on A4: as a browser on the path prints it; where there is none, or it fails, laid out without it.

    Parameters
    ----------
    target : the file.
    browser : whether a browser may print it.
    parts : title, sections and first, see `assay.results.report.render.render_page`.

    """
    chromium = find_chromium() if browser else None
    printed = None if chromium is None else print_page(render_page(**parts), chromium)
    if printed is None:
        lay_out_pdf(target, **parts)
    else:
        target.write_bytes(printed)


def write_page(path: Path | str, *, title: str, sections: Sequence[Section], first: FirstScreen) -> Path:
    """One self-contained page as HTML or PDF, by the suffix; the file appears whole or not at all.

    Raises
    ------
    InputError
        On another suffix, or if the file cannot be written.

    """
    path = Path(path)
    check_target(path, PAGE_SUFFIXES)
    with replacing(path) as temporary:
        if path.suffix == ".pdf":
            write_pdf(temporary, title=title, sections=sections, first=first)
        else:
            temporary.write_text(render_page(title=title, sections=sections, first=first), encoding="utf-8")
    return path


def compose_png(*, title: str, sections: Sequence[Section], first: FirstScreen, chosen: Sequence[str]) -> bytes:
    """The first screen and a few figures as one picture, for a chat.

    Parameters
    ----------
    title, sections, first : see `assay.results.report.render.render_page`.
    chosen : titles of figures below the first screen; those that the run has not are left out.

    """
    from matplotlib.figure import Figure as NewCanvas

    known = {part.title: part for section in sections for part in section.parts if isinstance(part, Figure)}
    with figure_settings():
        pieces = [*_opening(title, first), *_figures([known[name] for name in chosen if name in known])]
        canvas = NewCanvas(figsize=(_WIDTH, 2 * _MARGIN + sum(piece.height for piece in pieces)), facecolor="white")
        top = canvas.get_figheight() - _MARGIN
        for piece in pieces:
            piece.draw(canvas, top)
            top -= piece.height
        buffer = io.BytesIO()
        canvas.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
