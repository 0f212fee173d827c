"""What a PDF of a sheet prints, held against what it should: the text layer, in its order, named by the page's labels.

A browser paints the text of a page in the order in which it stands there, the text of its charts after it, and breaks
lines and pages where they fit. So spaces say nothing, headings of tables are repeated, and a number is known by its
place in the order. Where charts have a shape and no text, nothing is compared.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from assay.data.errors import InputError
from assay.data.optional import missing_package
from assay.results.report.printed import Difference, Unit, html_units

__all__ = ["PdfText", "laid_out_units", "pdf_differences", "printed_units", "read_pdf"]

#: Tags without an end.
_SINGLE = frozenset({"meta", "br", "img", "link", "input", "hr", "path", "rect", "use", "circle", "line"})
#: Cells of the text, and characters, that must agree again before a difference is at its end; how far it is looked for.
_IN_A_ROW, _AGREE, _CELLS, _FAR = 3, 16, 60, 6000


@dataclass(frozen=True)
class Piece:
    """Text that a page shows in one stroke.

    Parameters
    ----------
    text : as it stands there.
    page : from 1.
    line : its height on the page.
    chart : whether it is part of a drawing.

    """

    text: str
    page: int
    line: int
    chart: bool


@dataclass(frozen=True)
class PdfText:
    """The text layer of a PDF.

    Parameters
    ----------
    pieces : in the order in which they are painted.
    browser : whether a browser printed it; else it was laid out without one.

    """

    pieces: tuple[Piece, ...]
    browser: bool

    @property
    def text(self) -> str:
        """All that is not in a chart, with a space between pieces."""
        return " ".join(_plain(piece.text) for piece in self.pieces if not piece.chart)


def read_pdf(content: bytes, name: str | Path) -> PdfText:
    """The text layer of a PDF.

    Raises
    ------
    InputError
        If it is no PDF, or pypdf is not installed.

    """
    try:
        import pypdf
    except ImportError as error:
        raise missing_package(error, what="verify") or error from None
    found: list[tuple[str, int, int, float]] = []
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        made_by = " ".join(str(item) for item in (reader.metadata or {}).values())
        for number, page in enumerate(reader.pages, 1):

            def note(text: str, at: Sequence[float], within: Sequence[float], *_: object, number: int = number) -> None:
                if text.strip():
                    found.append((text.strip(), number, round(within[5] * at[3] + at[5]), at[4]))

            page.extract_text(visitor_text=note)
    except Exception as error:  # pypdf raises many kinds on a broken file
        raise InputError(f"{name}: not a sound PDF ({type(error).__name__})") from None
    # The text of a page is shifted by its margin, that of a drawing by where the drawing stands.
    margin = found[0][3] if found else 0.0
    browser = "skia" in made_by.lower()
    pieces = (Piece(text, page, line, browser and abs(shift - margin) > 0.01) for text, page, line, shift in found)
    return PdfText(tuple(pieces), browser)


class _Printed(HTMLParser):
    """A page without what it does not print."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.kept: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def _left_out(self, tag: str, attributes: dict[str, str | None]) -> bool:
        classes = (attributes.get("class") or "").split()
        in_figure = any(name == "figure" for name, _ in self._open)
        return (
            tag in ("head", "script", "style", "nav", "metadata", "defs", "summary")
            or bool({"skip", "quiet", "phone"} & {*classes})
            or (tag == "details" and in_figure)
        )

    @property
    def _hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        hidden = self._hidden or self._left_out(tag, dict(attrs))
        if tag not in _SINGLE:
            self._open.append((tag, hidden))
        if not hidden:
            self.kept.append(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._hidden:
            self.kept.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            name, hidden = self._open.pop()
            if not hidden:
                self.kept.append(f"</{name}>")
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.kept.append(data)

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")


def printed_units(page: str) -> list[Unit]:
    """The units of a page that are printed, in order."""
    reader = _Printed()
    reader.feed(page)
    reader.close()
    return html_units("".join(reader.kept))


def laid_out_units(pdf: PdfText) -> list[Unit]:
    """The lines of a PDF that was laid out without a browser, each under its page and its first words."""
    return [Unit(f"page {page}", texts[0][:60], tuple(texts)) for (page, _), texts in _lines(pdf).items()]


def _lines(pdf: PdfText) -> dict[tuple[int, int], list[str]]:
    """Page and height → what stands there."""
    lines: dict[tuple[int, int], list[str]] = {}
    for piece in pdf.pieces:
        lines.setdefault((piece.page, piece.line), []).append(piece.text)
    return lines


def _plain(text: str) -> str:
    """Text in the signs that it is written in, ligatures apart."""
    return unicodedata.normalize("NFKC", text)


def _bare(text: str) -> str:
    return "".join(_plain(text).split())


def pdf_differences(pdf: PdfText, units: Sequence[Unit]) -> list[Difference]:
    """What a PDF says otherwise than the units, in their order.

    Parameters
    ----------
    pdf : see `read_pdf`.
    units : of `printed_units` for a browser's, of `laid_out_units` for another.

    """
    if not pdf.browser:
        return _walk(" ".join(text for line in _lines(pdf).values() for text in line), units)
    out = []
    for chart in (False, True):
        text = " ".join(piece.text for piece in pdf.pieces if piece.chart is chart)
        out += _walk(text, [unit for unit in units if (unit.label == "chart") is chart])
    return out


def _cells(units: Sequence[Unit]) -> Iterator[tuple[str, str, str, str]]:
    """Each printed cell: where it stands, its text, the same without spaces, and its table's heading without spaces."""
    heading = ""
    for unit in units:
        is_heading = bool(unit.columns) and unit.cells == unit.columns
        if unit.columns:
            heading = _bare("".join(unit.columns))
        for number, cell in enumerate(unit.cells):
            if cell.strip():
                column = unit.columns[number] if unit.columns and not is_heading else ""
                where = f"{unit.place} › {unit.label}" if unit.label else unit.place
                yield f"{where} › {column}" if column else where, cell, _bare(cell), heading if unit.columns else ""


def _walk(text: str, units: Sequence[Unit]) -> list[Difference]:
    """Along a text and the cells that it should consist of, side by side, spaces apart."""
    text = _plain(text)
    places = [place for place, sign in enumerate(text) if not sign.isspace()]
    stream, cells = "".join(text.split()), list(_cells(units))
    found: list[Difference] = []
    at = number = 0
    while number < len(cells):
        where, cell, bare, heading = cells[number]
        if stream.startswith(bare, at):
            at, number = at + len(bare), number + 1
        elif heading and stream.startswith(heading, at):
            at += len(heading)  # again, on a new page
        else:
            skipped, step = _again(stream, at, [(item[2], item[3]) for item in cells[number : number + 2 * _CELLS]])
            said = text[places[at] : places[at + step - 1] + 1] if step else None
            found.append(Difference(where, said, cell if skipped else None))
            found += [Difference(item[0], None, item[1]) for item in cells[number + 1 : number + skipped]]
            at, number = at + step, number + skipped
    if at < len(stream):
        found.append(Difference("after the last of it", text[places[at] :], None))
    return found


def _again(stream: str, at: int, cells: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """How many cells, and how many signs of the stream, lie before the place from which both agree again."""
    best: tuple[int, int] | None = None
    for skipped in range(min(len(cells), _CELLS)):
        for probe in _probes(cells[skipped:]):
            # What is left at the end may be short, and would be found anywhere.
            place = stream.find(probe, at, at + _FAR) if len(probe) >= _AGREE else _at_end(stream, probe, at)
            if place >= 0 and (best is None or skipped + place - at < best[0] + best[1]):
                best = skipped, place - at
    return best or (max(min(len(cells), _CELLS), 1), len(stream) - at)


def _at_end(stream: str, probe: str, at: int) -> int:
    """Where the stream ends with the probe; -1 where it does not."""
    place = len(stream) - len(probe)
    return place if place >= at and stream.endswith(probe) else -1


def _probes(cells: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The text of the next cells, as it is and with their table's heading, on a new page, before each of them."""
    texts: list[str] = []
    for cell, _ in cells:
        texts.append(cell)
        if len(texts) >= _IN_A_ROW and sum(map(len, texts)) >= _AGREE:
            break
    yield "".join(texts)
    for number in range(len(texts)):
        if heading := cells[number][1]:
            yield "".join([*texts[:number], heading, *texts[number:]])
