"""Markdown read line by line: enough structure to know where a figure stands, and never a backtracking search.

Each line of the document becomes one `Line` with its kind, the headings above it, and the table or fenced block it
belongs to. Nothing is rendered; columns of the text are kept, so that a token found later can be traced to its place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Cell", "Line", "Table", "block_lines", "read_markdown", "read_plain", "split_cells", "without_tags"]

_FENCES = ("```", "~~~")
_TAG = re.compile(r"</?[A-Za-z][^<>\d]{0,200}>")
_SQUARED = re.compile(r"\b([Rr])<sup>\s*2\s*</sup>")
_ENTITY = re.compile(r"&(nbsp|amp|lt|gt|plusmn|minus|ndash|asymp|le|ge|percnt);")
_ENTITIES = {"nbsp": " ", "amp": "&", "lt": "<", "gt": ">", "plusmn": "±", "minus": "−", "ndash": "–", "asymp": "≈",
             "le": "≤", "ge": "≥", "percnt": "%"}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text and the column (0-based) where that text begins in the line."""

    text: str
    column: int


@dataclass(frozen=True)
class Table:
    """The header of a table; `header_line` is the line it stands on, `header` its cells, `mark` what separates them."""

    header: tuple[Cell, ...]
    header_line: int
    mark: str = "|"


@dataclass(frozen=True)
class Line:
    """One line of a document.

    Parameters
    ----------
    number : line number, from 1.
    text : the line without its end.
    kind : ``heading``, ``table_header``, ``table_rule``, ``table_row``, ``item``, ``text``, ``fence``, ``code``,
        ``front`` (YAML front matter), ``html`` (a table in tags), ``rule`` or ``blank``.
    level : heading level for headings, indentation in columns otherwise.
    headings : the texts of the headings above, outermost first (for a heading: up to and including itself).
    language : of the fenced block, lower case; ``""`` outside or when none is stated.
    block : number of the fenced block or table the line is in, 0 outside.
    table : the table's header, for rows.

    """

    number: int
    text: str
    kind: str
    level: int = 0
    headings: tuple[str, ...] = ()
    language: str = ""
    block: int = 0
    table: Table | None = None


@dataclass
class _State:
    """What is open while the lines are walked."""

    headings: list[tuple[int, str]] = field(default_factory=list)
    fence: str = ""
    language: str = ""
    block: int = 0
    table: Table | None = None
    listing: bool = False
    indented: bool = False
    html: bool = False
    blank: bool = True

    def line(self, number: int, text: str, kind: str, level: int = 0, *, inside: bool = False, **more: Any) -> Line:
        """A line under the headings that are open; `inside` the open block."""
        headings = tuple(title for _, title in self.headings)
        return Line(number, text, kind, level, headings, block=self.block if inside else 0, **more)


def read_markdown(text: str) -> tuple[Line, ...]:
    """Split a Markdown document into classified lines.

    Notes
    -----
    Time is linear in the length of `text`.

    Examples
    --------
    >>> [line.kind for line in read_markdown("# A\\n\\n| x | y |\\n|---|---|\\n| 1 | 2 |\\n")]
    ['heading', 'blank', 'table_header', 'table_rule', 'table_row']

    """
    raw = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if raw and raw[-1] == "":
        raw.pop()
    lines: list[Line] = []
    state = _State()
    start = _front_matter_end(raw)
    for index in range(start):
        lines.append(Line(index + 1, raw[index], "front", _indent(raw[index]), block=0, language="yaml"))
    ahead = _indents_ahead(raw)
    for index in range(start, len(raw)):
        following = raw[index + 1] if index + 1 < len(raw) else ""
        line = _indented(index + 1, raw[index], ahead[index], state) or _html(index + 1, raw[index], state)
        lines.append(line or _read_line(index + 1, without_tags(raw[index], state), following, state))
        state.blank = lines[-1].kind == "blank"
        if lines[-1].kind == "item":
            state.listing = True
        elif lines[-1].kind != "blank" and not _indent(raw[index]):
            state.listing = False
    return tuple(lines)


def without_tags(text: str, state: _State | None = None) -> str:
    """A line with its HTML tags and entities blanked or replaced, as long as before, so that columns stay.

    Examples
    --------
    >>> without_tags("<b>R<sup>2</sup></b>: 0.5&plusmn;0.1")
    '   R²               : 0.5       ±0.1'

    """
    if ("<" not in text and "&" not in text) or (state is not None and state.fence):
        return text
    text = _SQUARED.sub(lambda match: (match[1] + "²").ljust(len(match[0])), text)
    text = _TAG.sub(lambda match: " " * len(match[0]), text)
    return _ENTITY.sub(lambda match: _ENTITIES[match[1]].rjust(len(match[0])), text)


def _indents_ahead(raw: list[str]) -> list[int]:
    """For each line the indentation of the next line that is not blank."""
    ahead, indent = [0] * len(raw), 0
    for index in range(len(raw) - 1, -1, -1):
        ahead[index] = indent
        if raw[index].strip():
            indent = _columns(raw[index])
    return ahead


def _columns(text: str) -> int:
    """The indentation in columns, a tab to the next multiple of four."""
    return len(text.expandtabs(4)) - len(text.expandtabs(4).lstrip(" "))


def _indented(number: int, text: str, ahead: int, state: _State) -> Line | None:
    """A line of a block set in by four columns, as notebooks print their output; None for any other line."""
    if state.fence or state.html:
        return None
    deep = bool(text.strip()) and _columns(text) >= 4
    if deep and not state.indented and state.blank and not state.listing:
        state.block += 1
        state.indented, state.table = True, None
    if state.indented and (deep or (not text.strip() and ahead >= 4)):
        return state.line(number, text, "code", _indent(text), inside=True)
    state.indented = False
    return None


def _html(number: int, text: str, state: _State) -> Line | None:
    """A line of a table written in tags; None for any other line."""
    folded = text.lower()
    if state.fence:
        return None
    if not state.html and "<table" in folded:
        state.block += 1
        state.html, state.table = True, None
    if not state.html:
        return None
    state.html = "</table" not in folded
    return state.line(number, text, "html", inside=True)


def block_lines(lines: Sequence[Line], index: int) -> list[Line]:
    """The lines of the block that begins at `index`: those of one kind and number, without a gap."""
    first, stop = lines[index], index
    while stop < len(lines) and (lines[stop].kind, lines[stop].block) == (first.kind, first.block):
        stop += 1
    return list(lines[index:stop])


def read_plain(text: str, form: str) -> tuple[Line, ...]:
    """Lines of a metrics file: ``csv`` and ``tsv`` as a table, ``json``, ``yaml``, ``yml``, ``ini`` as a data block."""
    raw = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if form not in ("csv", "tsv"):
        return tuple(Line(i, line, "code", _indent(line), language=form, block=1) for i, line in enumerate(raw, 1))
    mark = max(",;\t", key=raw[0].count) if raw else ","
    table = Table(split_cells(raw[0], mark), 1, mark)
    kinds = ("table_header", *["table_row"] * (len(raw) - 1))
    return tuple(
        Line(i, line, kind if line.strip() else "blank", block=1, table=table)
        for i, (line, kind) in enumerate(zip(raw, kinds, strict=True), 1)
    )


def _front_matter_end(raw: list[str]) -> int:
    """How many lines the YAML front matter takes (0 when there is none)."""
    if not raw or raw[0].strip() != "---":
        return 0
    for index in range(1, min(len(raw), 500)):
        if raw[index].strip() in ("---", "..."):
            return index + 1
        if raw[index].startswith("#") or raw[index].startswith("```"):
            return 0
    return 0


def _read_line(number: int, text: str, following: str, state: _State) -> Line:
    stripped, language = text.strip(), state.language
    if state.fence:
        closed = stripped.startswith(state.fence) and not stripped.strip(state.fence[0])
        if closed:
            state.fence = state.language = ""
        return state.line(number, text, "fence" if closed else "code", _indent(text), inside=True, language=language)
    opened = next((mark for mark in _FENCES if stripped.startswith(mark)), "")
    if opened:
        width = len(stripped) - len(stripped.lstrip(opened[0]))
        info = stripped[width:].strip().split()
        if "`" not in stripped[width:]:
            state.fence = opened[0] * width
            state.language = info[0].lower().strip("{}.") if info else ""
            state.block += 1
            state.table = None
            return state.line(number, text, "fence", _indent(text), inside=True, language=state.language)
    if not stripped:
        state.table = None
        return state.line(number, text, "blank")
    level = _heading_level(stripped)
    if level:
        state.table = None
        while state.headings and state.headings[-1][0] >= level:
            state.headings.pop()
        state.headings.append((level, stripped.lstrip("#").strip().rstrip("#").strip()))
        return state.line(number, text, "heading", level)
    return _read_body(number, text, following, state)


def _read_body(number: int, text: str, following: str, state: _State) -> Line:
    stripped = text.strip()
    if state.table is not None and "|" in text:
        kind = "table_rule" if number == state.table.header_line + 1 else "table_row"
        return state.line(number, text, kind, inside=True, table=state.table)
    if "|" in text and _is_table_rule(following):
        state.block += 1
        state.table = Table(split_cells(text), number)
        return state.line(number, text, "table_header", inside=True, table=state.table)
    state.table = None
    if len(stripped) >= 3 and not stripped.strip("-*_= ") and stripped[0] in "-*_=":
        return state.line(number, text, "rule")
    return state.line(number, text, "item" if _is_item(stripped) else "text", _indent(text))


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))


def _heading_level(stripped: str) -> int:
    """1 to 6 for an ATX heading; the blank after the marks may be missing, as careless writers leave it."""
    level = len(stripped) - len(stripped.lstrip("#"))
    if not 1 <= level <= 6:
        return 0
    rest = stripped[level:]
    if rest.startswith((" ", "\t")) or (level >= 2 and rest[:1].isalnum()):
        return level
    return 0


def _is_item(stripped: str) -> bool:
    if stripped[:2] in ("- ", "* ", "+ ", "• "):
        return True
    digits = len(stripped) - len(stripped.lstrip("0123456789"))
    return 0 < digits <= 3 and stripped[digits : digits + 2] in (". ", ") ")


def _is_table_rule(text: str) -> bool:
    stripped = text.strip()
    return "-" in stripped and "|" in stripped and not stripped.strip("|-: \t")


def split_cells(text: str, mark: str = "|") -> tuple[Cell, ...]:
    """The cells of a table line, trimmed, each with the column where it begins.

    A pipe after a backslash does not split; an outer pipe at either end makes no empty cell. Other marks do not split
    inside double quotes.

    Examples
    --------
    >>> split_cells("| a | 12% |")
    (Cell(text='a', column=2), Cell(text='12%', column=6))

    """
    cells: list[Cell] = []
    begin = 0
    quoted = False
    for index in range(len(text) + 1):
        at_end = index == len(text)
        if mark != "|" and not at_end and text[index] == '"':
            quoted = not quoted
        if not at_end and (text[index] != mark or quoted or (index > 0 and text[index - 1] == "\\")):
            continue
        piece = text[begin:index]
        outer = mark == "|" and ((not cells and begin == 0 and not piece.strip()) or (at_end and not piece.strip()))
        if not outer:
            kept = piece.strip() if mark == "|" else piece.strip().strip('"').strip()
            cells.append(Cell(kept, begin + (piece.index(kept) if kept else 0)))
        begin = index + 1
    return tuple(cells)
