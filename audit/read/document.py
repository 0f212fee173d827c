"""Markdown read line by line: enough structure to know where a figure stands, and never a backtracking search.

Each line of the document becomes one `Line` with its kind, the headings above it, and the table or fenced block it
belongs to. Nothing is rendered; columns of the text are kept, so that a token found later can be traced to its place.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from assay.audit.read.words import pattern, table

__all__ = ["Cell", "Line", "Table", "block_lines", "read_markdown", "read_plain", "split_cells", "without_tags"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text and the column (0-based) where that text begins in the line."""

    text: str
    column: int


@dataclass(frozen=True)
class Table:
    """The cells of a table's header, the line it stands on, and what separates cells."""

    header: tuple[Cell, ...]
    header_line: int
    mark: str = "|"


@dataclass(frozen=True)
class Line:
    """One line of a document.

    `kind` is ``heading``, ``table_header``, ``table_rule``, ``table_row``, ``item``, ``text``, ``fence``, ``code``,
    ``front`` (YAML front matter), ``html`` (a table in tags), ``rule`` or ``blank``.
    """

    number: int  # from 1
    text: str  # without its end
    kind: str
    headings: tuple[str, ...] = ()  # above it, outermost first; of a heading up to and including itself
    level: int = 0  # of a heading
    language: str = ""  # of the fenced block, lower case; "" outside or when none is stated
    block: int = 0  # number of the fenced block or table it is in, 0 outside
    table: Table | None = None  # of a row


def read_markdown(text: str) -> tuple[Line, ...]:
    """Split a Markdown document into classified lines, in time linear in its length.

    Examples
    --------
    >>> [line.kind for line in read_markdown("# A\\n\\n| x | y |\\n|---|---|\\n| 1 | 2 |\\n")]
    ['heading', 'blank', 'table_header', 'table_rule', 'table_row']

    """
    raw = _lines(text)
    if raw[-1] == "":
        raw.pop()
    start = _front_matter_end(raw)
    walk = _Walk()
    lines = [Line(number, line, "front", language="yaml") for number, line in enumerate(raw[:start], 1)]
    for index in range(start, len(raw)):
        lines.append(walk.line(index + 1, raw[index], raw[index + 1] if index + 1 < len(raw) else ""))
        walk.blank = lines[-1].kind == "blank"
        deep = bool(raw[index][:1].strip())
        walk.listing = lines[-1].kind == "item" or (walk.listing and (walk.blank or not deep))
    return tuple(lines)


@dataclass
class _Walk:
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

    def made(self, number: int, text: str, kind: str, *, inside: bool = False, **more: Any) -> Line:
        """A line under the headings that are open; `inside` the open block."""
        return Line(number, text, kind, tuple(title for _, title in self.headings), block=self.block * inside, **more)

    def opened(self) -> None:
        self.block, self.table = self.block + 1, None

    def line(self, number: int, text: str, following: str) -> Line:
        """A line of a block that is open, or one that opens a block or stands alone."""
        stripped = text.strip()
        if self.fence:
            closes = stripped.startswith(self.fence) and not stripped.strip(self.fence[0])
            self.fence = "" if closes else self.fence
            return self.made(number, text, "fence" if closes else "code", inside=True, language=self.language)
        if not self.html and stripped:
            wide = text.expandtabs(4)
            deep = len(wide) - len(wide.lstrip(" ")) >= 4
            if deep and not self.indented and self.blank and not self.listing:
                self.opened()
                self.indented = True
            self.indented = self.indented and deep
            if self.indented:  # a block set in by four columns, as notebooks print their output
                return self.made(number, text, "code", inside=True)
        if not self.html and "<table" in text.lower():
            self.opened()
            self.html = True
        if self.html:
            self.html = "</table" not in text.lower()
            return self.made(number, text, "html", inside=True)
        return self.outside(number, without_tags(text), following)

    def outside(self, number: int, text: str, following: str) -> Line:
        """A line of no block, or the first of a fence or a table."""
        stripped = text.strip()
        if fence := pattern("fence_opens").match(stripped):
            self.opened()
            self.fence, self.language = fence[1], (fence[2].lower().split() or [""])[0].strip("{}.")
            return self.made(number, text, "fence", inside=True, language=self.language)
        if heading := pattern("heading_opens").match(stripped):
            level, self.table = len(heading[0]), None
            self.headings = [above for above in self.headings if above[0] < level]
            self.headings.append((level, stripped.strip("#").strip()))
            return self.made(number, text, "heading", level=level)
        if self.table is not None and "|" in text:
            kind = "table_rule" if number == self.table.header_line + 1 else "table_row"
            return self.made(number, text, kind, inside=True, table=self.table)
        if "|" in text and "|" in following and pattern("table_rule").fullmatch(following):
            self.block, self.table = self.block + 1, Table(split_cells(text), number)
            return self.made(number, text, "table_header", inside=True, table=self.table)
        self.table = None
        if not stripped:
            return self.made(number, text, "blank")
        rule = pattern("layout_rule").fullmatch(stripped)
        return self.made(number, text, "rule" if rule else "item" if pattern("item_opens").match(stripped) else "text")


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def without_tags(text: str) -> str:
    """A line with its HTML tags and entities blanked or replaced, as long as before, so that columns stay."""
    if "<" in text:
        text = pattern("squared").sub(lambda match: (match[1] + "²").ljust(len(match[0])), text)
        text = pattern("plain_tag").sub(lambda match: " " * len(match[0]), text)
    if "&" not in text:
        return text
    known = table("entities")
    return pattern("entity").sub(lambda match: known.get(match[1].lower(), match[0]).rjust(len(match[0])), text)


def block_lines(lines: Sequence[Line], index: int) -> list[Line]:
    """The lines of the block that begins at `index`, with the blank ones between."""
    first, stop, end = lines[index], index, index
    while stop < len(lines) and (lines[stop].kind == "blank" or lines[stop].block == first.block):
        if lines[stop].kind not in ("blank", first.kind):
            break
        stop += 1
        end = stop if lines[stop - 1].kind == first.kind else end
    return list(lines[index:end])


def read_plain(text: str, form: str) -> tuple[Line, ...]:
    """Lines of a metrics file: ``csv`` and ``tsv`` as a table, ``json``, ``yaml``, ``yml``, ``ini`` as a data block."""
    raw = _lines(text)
    if form not in ("csv", "tsv"):
        return tuple(Line(i, line, "code", language=form, block=1) for i, line in enumerate(raw, 1))
    mark = max(",;\t", key=raw[0].count)
    header = Table(split_cells(raw[0], mark), 1, mark)
    return tuple(
        Line(i, line, "blank" if not line.strip() else "table_row" if i > 1 else "table_header", block=1, table=header)
        for i, line in enumerate(raw, 1)
    )


def _front_matter_end(raw: list[str]) -> int:
    """How many lines the YAML front matter takes (0 when there is none)."""
    opened = bool(raw) and raw[0].strip() == "---"
    body = itertools.takewhile(lambda line: not line.startswith(("#", "```")), raw[1:500] if opened else ())
    return next((index for index, line in enumerate(body, 2) if line.strip() in ("---", "...")), 0)


def split_cells(text: str, mark: str = "|") -> tuple[Cell, ...]:
    """The cells of a table line, trimmed, each with the column where it begins.

    A pipe after a backslash does not split; an outer pipe at either end makes no empty cell. Other marks do not split
    inside double quotes.
    """
    whole = pattern("escaped_pipe" if mark == "|" else "quoted").sub(lambda match: "\0" * len(match[0]), text)
    cells, begin = [], 0
    for piece in whole.split(mark):
        shown = text[begin : begin + len(piece)]
        kept = shown.strip() if mark == "|" else shown.strip().strip('"').strip()
        cells.append(Cell(kept, begin + shown.find(kept)))
        begin += len(piece) + 1
    if mark == "|":
        cells = cells[0 if cells[0].text else 1 :]
        cells = cells[: None if cells and cells[-1].text else -1]
    return tuple(cells)
