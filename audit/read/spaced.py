"""Tables set with blanks: where they begin and end in a block of text, and which column each figure stands under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.audit.read.document import Cell, Line
from assay.audit.read.labels_to_metrics import names_record
from assay.audit.read.tokens import scan_line
from assay.audit.read.vocabulary import pattern
from assay.audit.read.words import plain, read_role

__all__ = ["SpacedRow", "spaced_tables"]

#: How far an edge of a figure may stand from the edge of its column.
_NEAR = 3


@dataclass(frozen=True)
class SpacedRow:
    """A row: its cells, with the columns where they begin, under the header's cells; no cells for the header itself.

    `whole` is the header of the table, of which `header` holds the cells above this row's.
    """

    header: tuple[Cell, ...]
    cells: tuple[Cell, ...] = ()
    whole: tuple[Cell, ...] = ()


def spaced_tables(body: Sequence[Line]) -> dict[int, SpacedRow]:
    """The lines of a block of text that belong to tables set with blanks, by their number.

    A table begins with a line of names under which figures stand and ends with the first line that is neither blank,
    a rule, nor a row of figures under those names.

    Notes
    -----
    Time is linear in the length of the block.

    """
    found: dict[int, SpacedRow] = {}
    header: tuple[Cell, ...] = ()
    for position, line in enumerate(body):
        text = line.text
        if not text.strip() or pattern("drawn_rule").fullmatch(text):
            if header and text.strip():
                found[line.number] = SpacedRow(header, whole=header)
            continue
        cells = _row(header, text) if header else None
        if cells is not None:
            found[line.number] = SpacedRow(_named(header, cells), cells, header)
            continue
        header = _header(body, position)
        if header:
            found[line.number] = SpacedRow(header, whole=header)
    return found


def _named(header: tuple[Cell, ...], cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """The header of each cell of a row, in the order of the cells; nameless labels of a score table are classes."""
    scores = any(read_role(cell.text).metric in ("precision", "recall") for cell in header)
    label = Cell("class" if scores else "", 0)
    return tuple(label if index < 0 else header[index] for index in _columns(header, cells) or ())


def _header(body: Sequence[Line], position: int) -> tuple[Cell, ...]:
    """The cells of a header line, or none where the line is no header."""
    text = body[position].text
    below = [line.text for line in body[position + 1 : position + 9]]
    if not any(map(str.isdecimal, "".join(below))):
        return ()
    cells = tuple(Cell(match[0].strip(), match.start()) for match in pattern("gaps").finditer(text))
    if len(cells) < 2 or pattern("prompt").match(text) or len(cells) > 40 or any(c.text[-1] in ":;," for c in cells):
        return ()
    if any(cell.text.startswith("Param #") for cell in cells):
        return ()  # A model summary is read layer by layer.
    if any(any(map(str.isdecimal, cell.text)) and not pattern("digit_title").fullmatch(cell.text) for cell in cells):
        return ()
    ruled = False
    rows: list[tuple[Cell, ...]] = []
    for following in below:
        if following.strip() and pattern("drawn_rule").fullmatch(following):
            ruled = ruled or not rows
        elif following.strip():
            row = _row(cells, following)
            if row is None:
                break
            rows.append(row)
    if not rows:
        return ()
    named = sum(bool(read_role(cell.text).metrics) or "loss" in plain(cell.text) for cell in cells)
    labelled = any(read_role(row[0].text).metrics for row in rows)
    titled = bool(named) and bool(names_record(cells[0].text))
    return cells if named >= 2 or ruled or labelled or titled else ()


def _row(header: tuple[Cell, ...], text: str) -> tuple[Cell, ...] | None:
    """The cells of a row: a label where there is one, then figures alone; None for any other line."""
    if not any(map(str.isdecimal, text)) or pattern("prompt").match(text):
        return None
    pieces = [
        Cell(match[0], match.start())
        for match in pattern("gaps").finditer(pattern("remark").split(text, maxsplit=1)[0])
    ]
    label, rest = pieces[:1], pieces[1:]
    if label and _is_figure(label[0].text):
        label, rest = [], pieces
    items: list[Cell] = []
    for piece in rest:
        items += [Cell(match[0], piece.column + match.start()) for match in pattern("piece").finditer(piece.text)]
    values = [item for item in items if _is_figure(item.text)]
    if not any(any(map(str.isdecimal, item.text)) for item in values):
        return None
    if len(values) < len(items):
        # Words among the figures: each piece between wide gaps is one cell.
        items = rest
    cells = (*label, *items)
    return cells if _columns(header, cells) is not None else None


def _is_figure(text: str) -> bool:
    return pattern("cell_figure").fullmatch(text.strip("()[]*")) is not None or any(
        token.kind == "date" and len(token.text) == len(text) for token in scan_line(text)
    )


def _columns(header: tuple[Cell, ...], cells: tuple[Cell, ...]) -> list[int] | None:
    """The header's cell under which each cell stands (-1 for a label without one), or None where they do not fit."""
    if not cells or len(cells) > len(header) + 1:
        return None
    if len(cells) == len(header) + 1:
        return [-1, *range(len(header))]
    if len(cells) == len(header) and _distance(cells[0], header[0]) <= max(_NEAR, len(cells[0].text)):
        return list(range(len(header)))
    columns: list[int] = []
    first_left = cells[0].column + len(cells[0].text) <= header[0].column and not _is_figure(cells[0].text)
    for position, cell in enumerate(cells):
        outside = cell.column < header[0].column and _distance(cell, header[0]) > _NEAR
        if not position and (first_left or outside):
            columns.append(-1)
            continue
        free = range(columns[-1] + 1 if columns else 0, len(header))
        best = min(free, key=lambda index: _distance(cell, header[index]), default=None)
        if best is None or _distance(cell, header[best]) > _NEAR:
            return None
        columns.append(best)
    return columns


def _distance(cell: Cell, head: Cell) -> float:
    """How far a cell stands from a column: nothing to speak of where they overlap; else the nearer of their edges."""
    start, end = cell.column, cell.column + len(cell.text)
    if start < head.column + len(head.text) and head.column < end:
        return abs(end - head.column - len(head.text)) / 1000
    return float(min(abs(end - head.column - len(head.text)), abs(start - head.column)))
