"""Grids: tables in Markdown, HTML, separated values or set with blanks, and what each of their figures stands under.

A grid is a header and rows of cells, wherever it was found. One axis names metrics, the other what the figures are of;
which is which is asked once of the whole grid. Everything a label means is left to `labels`. A grid of counts with the
classes on both sides is a confusion matrix.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial

from assay.audit.read.document import Cell, Line, split_cells, without_tags
from assay.audit.read.labels import SETTING, Context, Label, Reading, fold, named, names_record, unit_of
from assay.audit.read.prose import place_prose, place_value
from assay.audit.read.relations import claim_beside, place_change, takes_interval
from assay.audit.read.sheet import Sheet, Spot, numbers
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.words import Role, bare, padded, pattern, plain, read_role, says, table, wordset

__all__ = ["JOINT", "Grid", "html_grid", "place_grid", "spaced_grids", "table_grid"]

#: What stands between the true and the predicted class in the label of a count.
JOINT = " / "
_LARGEST = 30
#: How far an edge of a figure may stand from the edge of its column.
_NEAR = 3
#: Cells of a row up to which those of rows above that span it are added.
_WIDEST = 100
#: Columns among which stand those that name a row.
_NAMING = 8


@dataclass(frozen=True)
class Row:
    """One row: its cells, the number of the line of each, and the header's cell above each (it may lack some)."""

    header: tuple[Cell, ...]
    cells: tuple[Cell, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Grid:
    """A header, empty where there is none, the rows under it, and the lines of both; `block` is its number."""

    header: tuple[Cell, ...]
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    block: int

    @cached_property
    def heads(self) -> tuple[Role, ...]:
        return tuple(read_role(cell.text) for cell in self.header)

    @cached_property
    def metric_column(self) -> int:
        """The column whose cells name the metrics of their rows (``model, metric, value``); 0 unless one says so."""
        titled = (i for i, cell in enumerate(self.header) if i and bare(cell.text) in wordset("metric_titles"))
        second = [row.cells[1].text for row in self.rows if len(row.cells) > 2]
        untitled = len(self.header) > 2 and not bare(self.header[1].text)
        measured = sum(bool(role.metrics) for role in self.heads) > 1  # and it names what a model was trained by
        return 0 if measured else next(titled, int(untitled and all(read_role(name).metric for name in second)))

    @cached_property
    def further_keys(self) -> tuple[int, ...]:
        """Columns of words or settings right of the first, without which rows of one name are not told apart."""
        keys = [0]
        for column, (cell, role) in enumerate(zip(self.header[1:_NAMING], self.heads[1:_NAMING], strict=True), 1):
            rows = [[other.text for other in row.cells[:_NAMING]] for row in self.rows if len(row.cells) > column]
            if column == 1 and bare(self.header[0].text) in {"", *wordset("index_titles")}:
                rows = [["", *texts[1:]] for texts in rows if texts[0].isdecimal()] or rows  # numbers name no row
            alike = len({tuple(texts[key] for key in keys) for texts in rows}) < len(rows)
            if not alike or role.metrics or "loss" in padded(cell.text):
                break
            texts = {row[column] for row in rows}
            worded = not any(pattern("begins_figure").match(text.strip(" *_`$~")) or len(text) > 60 for text in texts)
            if (worded or role.setting) and len(texts) > 1 and not says(cell.text, "note_titles"):
                keys.append(column)
        return tuple(keys[1:])

    @cached_property
    def by_column(self) -> bool:
        """Whether the columns name the metrics; the rows do otherwise."""
        titled = sum(bool(role.metric) and not role.turned for role in self.heads[1:])
        titled += sum("loss" in padded(cell.text) for cell in self.header[1:2] if not read_role(cell.text).metric)
        few = 2 * titled < len(self.heads) - 1
        corner = self.header and bare(self.header[0].text) in wordset("metric_titles")
        firsts = [read_role(row.cells[0].text) for row in self.rows if row.cells]
        in_rows = any(role.metrics and not role.turned for role in firsts)
        losses = self.header and bare(self.header[0].text) in wordset("loss_titles")  # whose rows are runs
        return bool(not self.metric_column and titled and (losses or not (few and (in_rows or corner))))

    @cached_property
    def settings(self) -> bool:
        titles = [cell.text for cell in self.header]
        defines = any(bare(title) in wordset("definition_titles") for title in titles)
        defines = defines and not any(bare(title) in wordset("value_titles") - {"best"} for title in titles)
        return bool(titles) and not self.by_column and (defines or says(titles[0], "setting_tables"))


def table_grid(lines: Sequence[Line], block: int) -> Grid:
    """The lines of a table in Markdown or separated values."""
    header, mark = (lines[0].table.header, lines[0].table.mark) if lines and lines[0].table else ((), "|")
    rows: list[Row] = []
    for line in lines:
        if line.kind == "table_row":
            cells = split_cells(line.text, mark)
            rows.append(_under(rows, Row(header[: len(cells)], cells, (line.number,) * len(cells))))
    return Grid(header, tuple(rows), tuple(lines), block)


def _under(rows: Sequence[Row], row: Row) -> Row:
    """A row whose first cell is blank before a name, with the first cell of the row above once more."""
    first, second = ([cell.text.strip(" *_`") for cell in row.cells] + ["", ""])[:2]
    if first or not rows or not second[:1].isalpha() or says(second, "whole_rows") or read_role(second).metrics:
        return row
    above = rows[-1]
    return replace(row, cells=(above.cells[0], *row.cells[1:]), lines=(above.lines[0], *row.lines[1:]))


def place_grid(sheet: Sheet, grid: Grid, context: Context) -> None:
    """Place the figures of a grid."""
    outside = {line.number: list(line.text) for line in grid.lines}
    for row, labels in itertools.zip_longest(grid.rows, _matrix_labels(grid)):
        tokens = []
        for cell, line in zip(row.cells, row.lines, strict=True):
            outside[line][cell.column : cell.column + len(cell.text)] = " " * len(cell.text)
            tokens.append(sheet.scan(line, cell.text, "cell", cell.column))
        if labels:
            bare_context = Context(context.group, context.split, at=context.at, section=context.section)
            for label, found, line in zip(labels, tokens[1:], row.lines[1:], strict=False):
                for token in numbers(found) if label else ():
                    place = replace(bare_context, label=label)
                    Spot(sheet, line, sheet.texts[line]).claim(token, "confusion_count", place)
        elif any(tokens):
            _Cells(sheet, grid, context, row, tokens).place()
    for number, rest in outside.items():
        sheet.scan(number, "".join(rest), "table")


@dataclass
class _Cells:
    """The cells of a row on their way into the draft, and what is placed of them by column."""

    sheet: Sheet
    grid: Grid
    context: Context
    row: Row
    tokens: list[list[Token]]
    placed: dict[int, int] = field(default_factory=dict)

    def place(self) -> None:
        row, grid = self.row, self.grid
        self.titles = [*_titles(row.header)] + [""] * len(row.cells)
        scores = {"precision", "recall"} <= {role.metric for role in grid.heads}
        if scores and not bare(self.titles[0]) and not any(names_record(title) == "run" for title in self.titles):
            self.titles[0] = "class"
        self.by_row = not (grid.by_column or grid.metric_column)
        keys = [0] if self.by_row else self._keys()
        path = () if self.by_row else (Label(row.cells[i].text.strip(" *"), "beside", self.titles[i]) for i in keys)
        told = {bool(role.earlier) for role in grid.heads if role.metrics}  # "Baseline MDD | Optimized MDD"
        apart = [part for part in self.context.group if len(told) < 2 or not read_role(part).earlier]
        base = fold(replace(self.context, group=tuple(apart)), tuple(path))
        first = row.cells[keys[0]].text if keys else ""
        if self.by_row and sum(cell.text.strip(" *_`")[:1] in tuple("<>≥≤") for cell in row.cells[1:]) > 1:
            base = replace(base, goal=True)  # ">= 50% | 45% to 50% | < 45%": a scale of thresholds
        if grid.by_column and says(first, "average_rows"):
            mean = "" if base.average == "mean" else base.average
            base = replace(base, pooled=base.pooled or "averaged over the rows above", average=mean)
        books = wordset("of_portfolios") | {"win_rate", "payoff_ratio", "profit_factor"}
        means = [title for title, role in zip(self.titles, grid.heads, strict=False)
                 if role.statistic == "mean" and role.metric in books]  # fmt: skip
        if grid.by_column and len(means) > 1:  # "Avg Sharpe | Avg MDD | Win Rate": the row is of several runs
            base = replace(base, pooled=base.pooled or f"averaged over what {means[0]!r} is of")
        for column, mine in enumerate(self.tokens):
            label = column in keys or column == grid.metric_column != 0
            if mine and not label and not self._interval(column):
                self._cell(column, mine, base)

    def spot(self, column: int, record: str = "") -> Spot:
        line = self.row.lines[column]
        return Spot(self.sheet, line, self.sheet.texts[line], self.grid.block, record)

    def _keys(self) -> list[int]:
        """The columns whose cells name the row."""
        keys, cells = [], self.row.cells
        figure = [bool(m) and m[0].kind != "name" and m[0].start <= c.column + 3
                  for m, c in zip(self.tokens, cells, strict=True)]  # fmt: skip
        for column, (cell, title) in enumerate(zip(cells, self.titles, strict=False)):
            measured, kind = bool(read_role(title).metrics), names_record(title)
            if column == 0:
                mine = not (figure[0] and measured and kind != "position") and "loss" not in padded(title)
            elif kind == "position":
                words = bare(title).removesuffix(" id")
                mine = bool({words, words.removesuffix("s")} & wordset("position_titles"))
            else:
                mine = bool(kind and cell.text.strip(" -–—*_`")) and not measured and not figure[column]
                mine = mine or column in self.grid.further_keys
            keys += [column] if mine and (column != self.grid.metric_column or not column) else []
        index = keys[:2] == [0, 1] and figure[0] and bare(self.titles[0]) in {"", *wordset("index_titles")}
        return keys[1:] if index else keys

    def _cell(self, column: int, mine: list[Token], base: Context) -> None:
        title, cells, grid = self.titles[column], self.row.cells, self.grid
        first = cells[grid.metric_column].text if grid.metric_column < len(cells) else ""
        name, second = (title, first) if grid.by_column else (first, "" if grid.metric_column else title)
        reason = self._no_figure(title, name, second)
        context = base if grid.by_column else fold(base, (Label(title, "column"),))
        siblings = self.titles[: len(cells)] if grid.by_column else ()
        reading = named(context, name, second="" if reason else second, after=cells[column].text, siblings=siblings,
                        row=not grid.by_column)  # fmt: skip
        metric = reading.metric
        if not metric and grid.by_column and bare(title) in wordset("bare_returns"):
            metric = "total_return" if names_record(self.titles[0]) == "position" else ""
        if not grid.by_column and says(title, "excess_titles"):
            metric = table("combine").get(metric, {}).get("excess", metric)
        if reason or (grid.settings and metric != "parameters") or (base.settings and not metric):
            self.spot(column).exclude(mine, reason or SETTING)
        else:
            local = replace(reading.context, topic=reading.metric)
            self._figure(column, mine, Reading(metric, local, reading.reason), name)

    def _interval(self, column: int) -> bool:
        """Place a cell under "95% CI", an interval of the figure left of it."""
        title, cell, sheet = self.titles[column], self.row.cells[column], self.sheet
        before = [index for index in self.placed.values() if takes_interval(sheet.placed[index])]
        pair = pattern("ci_cell").match(cell.text) if before and pattern("ci_words").search(title) else None
        if pair is None:
            return False
        at, shown = cell.column + pair.start(1), cell.text[pair.start(1) : pair.end(2)]
        placed = claim_beside(sheet, before[-1], "interval", at, shown, title)
        return placed and bool(sheet.take(self.row.lines[column], at))

    def _no_figure(self, title: str, name: str, second: str) -> str:
        """Why the figures of a column or row are none at all."""
        role, other = read_role(title), read_role(second)
        if bare(title) in wordset("step_titles"):
            return "a step of the training"
        if pattern("ci_end").search(title):
            return "the end of an interval"
        if self.grid.settings and not read_role(name).metrics:
            return SETTING
        if not self.grid.by_column or (role.setting and not role.metrics):
            return SETTING if self.grid.by_column else ""
        statistic = pattern("other_statistic").fullmatch(plain(second).strip(" *_`")) and not other.metrics
        known = table("combine").get(role.metric, {}).get(other.statistic) or other.statistic == "std"
        return "another statistic of the column" if statistic and not known else ""

    def _figure(self, column: int, mine: list[Token], reading: Reading, name: str) -> None:
        """One cell: a bare figure is the metric's value; anything longer is prose about it."""
        cell, title, grid, line = self.row.cells[column], self.titles[column], self.grid, self.row.lines[-1]
        metric, local, figures = reading.metric, reading.context, numbers(mine)
        spot = self.spot(column, f"t{grid.block}.{line if grid.by_column else f'c{column}'}")
        starts = bool(figures) and not cell.text[: max(0, figures[0].start - cell.column)].strip(" *_`")
        if not metric and reading.reason and starts:
            spot.leave(mine, reading.reason)
        elif not metric or not starts or (says(title, "note_titles") and not local.goal):
            place_prose(spot, mine, local)
        elif says(title, "change_titles") and not grid.metric_column:
            pair = [index for index in self.placed.values() if self.sheet.placed[index].metric == metric]
            place_change(replace(spot, record=f"t{grid.block}.{line}"), figures, metric, local, title, pair)
        else:
            label = title if unit_of(title, figures[0].text) else name
            index = place_value(spot, figures, Reading(metric, local), label)
            self.placed |= {} if index is None else {column: index}


@lru_cache(maxsize=64)
def _titles(header: tuple[Cell, ...]) -> tuple[str, ...]:
    """The titles of columns; of one that subtracts two others ("V10 - V9") also that it is their difference."""
    texts = [cell.text for cell in header]
    pairs = {text: pattern("minus").split(text) for text in texts}
    parts = {
        text for text, sides in pairs.items() if len(sides) == 2
        and all(side and any(other != text and other.startswith(side) for other in texts) for side in sides)
    }  # fmt: skip
    return tuple(f"{text} (difference)" if text in parts else text for text in texts)


def _class_name(text: str) -> str:
    """The class that a header or a label of a matrix names."""
    name = pattern("matrix_word").sub("", text).strip(" :=()-–\\/*_`")
    return "" if plain(name) in wordset("total_words") else name


def _matrix_labels(grid: Grid) -> list[tuple[str, ...]]:
    """For each row of a confusion matrix the labels ``"true / predicted"`` of its counts, ``""`` for a total."""
    rows = [row.cells for row in grid.rows]
    if not 2 <= len(rows) <= _LARGEST or not 3 <= len(grid.header) <= _LARGEST or not all(rows):
        return []
    across, sides = " ".join(cell.text for cell in grid.header[1:]), " ".join(cells[0].text for cells in rows)
    titles = f"{grid.header[0].text} {across}"
    if not says(f"{titles} {sides}", "predicted_words") and not all(says(t, "true_words") for t in (titles, sides)):
        return []
    above, beside = ([_class_name(cell.text) for cell in cells] for cells in (grid.header[1:], [c[0] for c in rows]))
    classes = {plain(name): name for name in above if name}
    counts = [cell.text for c, side in zip(rows, beside, strict=True) if side for cell in c[1 : len(classes) + 1]]
    whole = all(text.strip(" *_`").replace(",", "").isdecimal() for text in counts)
    if len(classes) < 2 or classes.keys() != {plain(name) for name in beside if name} or not whole:
        return []
    turned = -1 if says(across, "true_words") and not says(across, "predicted_words") else 1
    pairs = [[(classes[plain(side)], name) if side and name else () for name in above] for side in beside]
    return [tuple(JOINT.join(pair[::turned]) for pair in row) for row in pairs]


def _span(spans: dict[int, tuple[int, Cell, int]], cells: list[Cell], places: list[int]) -> None:
    """Add the cells of rows above that span the place where a row stands."""
    while len(cells) < _WIDEST and (left := spans.pop(len(cells), (0, Cell("", 0), 0)))[0] > 1:
        spans[len(cells)] = (left[0] - 1, *left[1:])
        cells.append(left[1])
        places.append(left[2])


def html_grid(body: Sequence[Line], block: int) -> Grid:
    """An HTML table, whose rows and cells may run over several lines."""
    blank = partial(pattern("html_tag").sub, lambda tag: " " * len(tag[0]))
    lines = tuple(replace(line, text=blank(without_tags(line.text))) for line in body)
    tagged, shown = "\n".join(line.text for line in body), "\n".join(line.text for line in lines)
    starts = list(itertools.accumulate((len(line.text) + 1 for line in lines), initial=0))
    header: tuple[Cell, ...] = ()
    rows: list[Row] = []
    spans: dict[int, tuple[int, Cell, int]] = {}  # of a column: rows that its last cell still spans, the cell, its line
    for row in pattern("html_row").finditer(tagged):
        cells, places, heads = list[Cell](), list[int](), True
        for match in pattern("html_cell").finditer(tagged, row.start(1), row.end(1)):
            _span(spans, cells, places)
            inner = shown[match.start(2) : match.end(2)]
            begin = match.start(2) + len(inner) - len(inner.lstrip())
            at = bisect_right(starts, begin, hi=len(body)) - 1
            cells.append(Cell(inner.strip().split("\n")[0].strip(), begin - starts[at]))
            places.append(body[at].number)
            heads = heads and match[1].lower() == "h"
            if span := pattern("row_span").match(match[0]):
                names = match[1].lower() == "h" or not _is_figure(cells[-1].text)
                spans[len(cells) - 1] = (int(span[1]), cells[-1] if names else Cell("", 0), places[-1])
        _span(spans, cells, places)
        pairs = list(zip(header, cells, strict=False)) if heads and not rows else []
        if pairs and not any(above.text and below.text for above, below in pairs):
            header = tuple(below if below.text else above for above, below in pairs)  # names of an index
        elif cells and not header and (heads or not any(char.isdecimal() for cell in cells for char in cell.text)):
            header = tuple(cells)
        elif cells:
            titles = (header or (Cell("", 0),) * len(cells))[: len(cells)]
            rows.append(Row(titles, tuple(cells), tuple(places)))
    return Grid(header, tuple(rows), lines, block)


def spaced_grids(body: Sequence[Line], block: int) -> list[Grid]:
    """The tables set with blanks of a block of text.

    A table begins with a line of names under which figures stand and ends with the first line that is neither blank,
    a rule, nor a row of figures under those names. Time is linear in the length of the block.
    """
    tables: list[tuple[list[Row], list[Line]]] = []
    header: tuple[Cell, ...] = ()
    for position, line in enumerate(body):
        if not line.text.strip() or pattern("drawn_rule").fullmatch(line.text):
            if header and line.text.strip():
                tables[-1][1].append(line)
            continue
        cells = _spaced_row(header, line.text) if header else None
        if cells is None:
            header = _spaced_header(body, position)
            tables += [([], [line])] if header else []
            continue
        heads = tuple(Cell("", 0) if at < 0 else header[at] for at in _columns(header, cells) or ())
        tables[-1][0].append(Row(heads, cells, (line.number,) * len(cells)))
        tables[-1][1].append(line)
    return [
        Grid(max((row.header for row in rows), key=len), tuple(rows), tuple(lines), block)
        for rows, lines in tables if rows
    ]  # fmt: skip


def _spaced_header(body: Sequence[Line], position: int) -> tuple[Cell, ...]:
    """The cells of a header line, or none where the line is no header."""
    text, below = body[position].text, [line.text for line in body[position + 1 : position + 9] if line.text.strip()]
    if pattern("prompt").match(text) or "Param #" in text:
        return ()  # a model summary is read layer by layer
    cells = tuple(Cell(match[0].strip(), match.start()) for match in pattern("gaps").finditer(text))
    digits = (cell.text for cell in cells if any(map(str.isdecimal, cell.text)))
    if not 2 <= len(cells) <= 40 or any(cell.text[-1] in ":;," for cell in cells):
        return ()
    if not all(map(pattern("digit_title").fullmatch, digits)):
        return ()
    ruled = bool(below) and pattern("drawn_rule").fullmatch(below[0]) is not None
    first = next((line for line in below if not pattern("drawn_rule").fullmatch(line)), "")
    row = _spaced_row(cells, first)
    named = sum(bool(read_role(cell.text).metrics) or "loss" in plain(cell.text) for cell in cells)
    titled = bool(named) and bool(names_record(cells[0].text))
    return cells if row and (named >= 2 or ruled or titled or read_role(row[0].text).metrics) else ()


def _spaced_row(header: tuple[Cell, ...], text: str) -> tuple[Cell, ...] | None:
    """The cells of a row: a label where there is one, then figures alone; None for any other line."""
    if not any(map(str.isdecimal, text)) or pattern("prompt").match(text):
        return None
    shown = pattern("remark").split(text, maxsplit=1)[0]
    pieces = [Cell(match[0], match.start()) for match in pattern("gaps").finditer(shown)]
    label = [] if pieces and _is_figure(pieces[0].text) else pieces[:1]
    items: list[Cell] = []
    for piece in pieces[len(label) :]:  # between wide gaps: figures, each a cell, or words with or without them, one
        parts = [Cell(match[0], piece.column + match.start()) for match in pattern("piece").finditer(piece.text)]
        items += parts if all(_is_figure(part.text) for part in parts) else [piece]
    if not any(_is_figure(item.text) and any(map(str.isdecimal, item.text)) for item in items):
        return None
    cells = (*label, *items)
    return cells if _columns(header, cells) is not None else None


def _is_figure(text: str) -> bool:
    dates = (token.kind == "date" and len(token.text) == len(text) for token in scan_line(text))
    return pattern("cell_figure").fullmatch(text.strip("()[]*")) is not None or any(dates)


def _columns(header: tuple[Cell, ...], cells: tuple[Cell, ...]) -> list[int] | None:
    """The header's cell under which each cell stands (-1 for a label without one), or None where they do not fit."""
    if len(cells) == len(header) + 1:
        return [-1, *range(len(header))]
    if not cells or len(cells) > len(header):
        return None
    first = cells[0]
    if len(cells) == len(header) and _distance(first, header[0]) <= max(_NEAR, len(first.text)):
        return list(range(len(header)))
    left = first.column + len(first.text) <= header[0].column and not _is_figure(first.text)
    label = left or (first.column < header[0].column and _distance(first, header[0]) > _NEAR)
    rest = cells[label:]
    nearest = [min(range(len(header)), key=lambda at: _distance(cell, header[at])) for cell in rest]
    near = all(_distance(cell, header[at]) <= _NEAR for cell, at in zip(rest, nearest, strict=True))
    return [*[-1] * label, *nearest] if near and sorted(set(nearest)) == nearest else None


def _distance(cell: Cell, head: Cell) -> float:
    """How far a cell stands from a column: nothing to speak of where they overlap; else the nearer of their edges."""
    start, end = cell.column, cell.column + len(cell.text)
    right = abs(end - head.column - len(head.text))
    overlap = start < head.column + len(head.text) and head.column < end
    return right / 1000 if overlap else float(min(right, abs(start - head.column)))
