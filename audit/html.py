"""HTML inside Markdown: tables as notebooks export them, and tags and entities blanked where they stand in a line."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from assay.audit.markdown import Cell, Line, without_tags
from assay.audit.sheet import Context, Sheet
from assay.audit.tables import place_cells
from assay.audit.tokens import scan_line

__all__ = ["place_html"]

_ROW = re.compile(r"<tr\b[^>]*>(.*?)(?=<tr\b|</table|$(?![\s\S]))", re.I | re.S)
_CELL = re.compile(r"<t([hd])\b[^>]*>(.*?)(?=</?t[hdr]\b|</t(?:able|body|head)|$(?![\s\S]))", re.I | re.S)
_TAG = re.compile(r"<[^<>]*>")
_BETWEEN = " | "


def place_html(sheet: Sheet, body: Sequence[Line], context: Context, block: int) -> None:
    """Place the figures of an HTML table, whose rows and cells may run over several lines.

    Parameters
    ----------
    sheet : the draft.
    body : the lines of the table, tags included.
    context : what stands around it.
    block : its number.

    """
    text = "\n".join(line.text for line in body)
    starts = [0]
    for line in body:
        starts.append(starts[-1] + len(line.text) + 1)
    header: tuple[Cell, ...] = ()
    covered: list[tuple[int, int]] = []
    for row in _ROW.finditer(text):
        kinds, shown, cells, origin = [], "", [], []
        for match in _CELL.finditer(text, row.start(1), row.end(1)):
            inner = _TAG.sub(lambda tag: " " * len(tag[0]), without_tags(match[2])).replace("\n", " ")
            lead = len(inner) - len(inner.lstrip())
            kinds.append(match[1].lower())
            shown += _BETWEEN if shown else ""
            origin.append((len(shown), match.start(2) + lead))
            cells.append(Cell(inner.strip(), len(shown)))
            shown += inner.strip()
            covered.append((match.start(2), match.end(2)))
        if not cells:
            continue
        if not header and (all(kind == "h" for kind in kinds) or not any(map(str.isdecimal, shown))):
            header = tuple(cells)
            _set_header_aside(sheet, shown, origin, starts, body)
            continue
        line = Line(0, shown, "table_row", block=block)
        seen = len(sheet.placed), len(sheet.excluded), len(sheet.unplaced)
        titles = header or tuple(Cell("", 0) for _ in cells)
        place_cells(sheet, line, scan_line(shown), titles[: len(cells)], tuple(cells), context, block)
        _move(sheet, seen, origin, starts, body)
    for position, line in enumerate(body):
        for token in scan_line(line.text):
            at = starts[position] + token.start
            cell = bisect_left(covered, (at + 1, 0)) - 1
            if cell < 0 or covered[cell][1] <= at:
                sheet.exclude(line.number, token, "part of the layout")


def _set_header_aside(
    sheet: Sheet, shown: str, origin: list[tuple[int, int]], starts: list[int], body: Sequence[Line]
) -> None:
    seen = len(sheet.placed), len(sheet.excluded), len(sheet.unplaced)
    for token in scan_line(shown):
        sheet.exclude(0, token, "part of a table header")
    _move(sheet, seen, origin, starts, body)


def _move(
    sheet: Sheet, seen: tuple[int, int, int], origin: list[tuple[int, int]], starts: list[int], body: Sequence[Line]
) -> None:
    """Give what was placed since `seen` the line and column it has in the document."""

    def place(column: int) -> tuple[int, int, str]:
        begin, true = next((pair for pair in reversed(origin) if pair[0] <= column), origin[0])
        offset = true + column - begin
        index = bisect_right(starts, offset, hi=len(body)) - 1
        return body[index].number, offset - starts[index], body[index].text.strip()

    for placed in sheet.placed[seen[0] :]:
        number, column, text = place(placed.column)
        placed.end += column - placed.column
        placed.line, placed.column, placed.text = number, column, text
    for listed, first in ((sheet.excluded, seen[1]), (sheet.unplaced, seen[2])):
        for index in range(first, len(listed)):
            number, column, _ = place(listed[index].column)
            listed[index] = replace(listed[index], line=number, column=column)
