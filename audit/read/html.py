"""HTML tables, as notebooks export them: grids whose rows and cells may run over several lines."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace

from assay.audit.read.document import Cell, Line, without_tags
from assay.audit.read.grids import Grid, Row, place_grid
from assay.audit.read.sheet import Context, Sheet
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.vocabulary import pattern

__all__ = ["place_html"]

_BETWEEN = " | "


def place_html(sheet: Sheet, body: Sequence[Line], context: Context, block: int) -> None:
    """Place the figures of an HTML table."""
    text = "\n".join(line.text for line in body)
    starts = [0]
    for line in body:
        starts.append(starts[-1] + len(line.text) + 1)
    shown, covered = _rows(text)
    seen = len(sheet.placed), len(sheet.excluded), len(sheet.unplaced)
    header: tuple[Cell, ...] = ()
    rows: list[Row] = []
    tokens: dict[int, list[Token]] = {}
    for number, (shown_row, cells, heads, _) in enumerate(shown):
        if not header and (heads or not any(map(str.isdecimal, shown_row))):
            header = cells
            for token in scan_line(shown_row):
                sheet.exclude(-number - 1, token, "part of a table header")
            continue
        titles = (header or tuple(Cell("", 0) for _ in cells))[: len(cells)]
        rows.append(Row(-number - 1, shown_row, titles, cells))
        tokens[-number - 1] = scan_line(shown_row)
    place_grid(sheet, Grid(header, tuple(rows), block), tokens, context)
    _move(sheet, seen, [origin for *_, origin in shown], starts, body)
    for position, line in enumerate(body):
        for token in scan_line(line.text):
            at = starts[position] + token.start
            cell = bisect_left(covered, (at + 1, 0)) - 1
            if cell < 0 or covered[cell][1] <= at:
                sheet.exclude(line.number, token, "part of the layout")


def _rows(text: str) -> tuple[list[tuple[str, tuple[Cell, ...], bool, list[tuple[int, int]]]], list[tuple[int, int]]]:
    """Each row as one line of its cells, with the cells, whether all are heads, and where each begins in the text."""
    rows = []
    covered: list[tuple[int, int]] = []
    for row in pattern("html_row").finditer(text):
        line, heads = "", True
        cells: list[Cell] = []
        origin: list[tuple[int, int]] = []
        for match in pattern("html_cell").finditer(text, row.start(1), row.end(1)):
            inner = pattern("html_tag").sub(lambda tag: " " * len(tag[0]), without_tags(match[2])).replace("\n", " ")
            lead = len(inner) - len(inner.lstrip())
            heads = heads and match[1].lower() == "h"
            line += _BETWEEN if line else ""
            origin.append((len(line), match.start(2) + lead))
            cells.append(Cell(inner.strip(), len(line)))
            line += inner.strip()
            covered.append((match.start(2), match.end(2)))
        if cells:
            rows.append((line, tuple(cells), heads, origin))
    return rows, covered


def _move(
    sheet: Sheet,
    seen: tuple[int, int, int],
    origins: list[list[tuple[int, int]]],
    starts: list[int],
    body: Sequence[Line],
) -> None:
    """Give what was placed since `seen` the line and column it has in the document."""

    def place(line: int, column: int) -> tuple[int, int, str]:
        origin = origins[-line - 1]
        begin, true = origin[max(0, bisect_right([start for start, _ in origin], column) - 1)]
        offset = true + column - begin
        index = bisect_right(starts, offset, hi=len(body)) - 1
        return body[index].number, offset - starts[index], body[index].text.strip()

    for placed in sheet.placed[seen[0] :]:
        number, column, text = place(placed.line, placed.column)
        placed.end += column - placed.column
        placed.line, placed.column, placed.text = number, column, text
    for listed, first in ((sheet.excluded, seen[1]), (sheet.unplaced, seen[2])):
        for index in range(first, len(listed)):
            number, column, _ = place(listed[index].line, listed[index].column)
            listed[index] = replace(listed[index], line=number, column=column)
