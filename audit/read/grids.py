"""Grids: tables in Markdown, HTML, separated values or set with blanks, and what each of their figures stands under.

A grid is a header and rows of cells, wherever it was found. One axis names metrics, the other what the figures are of;
which is which is asked once of the whole grid. Everything a label means is left to `labels_to_metrics`. In HTML, as
notebooks export it, rows and cells may run over several lines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from assay.audit.claims.metrics import METRICS
from assay.audit.read.confusions import matrix_labels, place_counts
from assay.audit.read.document import Cell, Line, without_tags
from assay.audit.read.labels_to_metrics import bare, beside, named, names_record, padded, says, unit_of, wrong_unit
from assay.audit.read.prose import place_prose
from assay.audit.read.relations import place_change
from assay.audit.read.sheet import Context, Sheet, Spot
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.vocabulary import pattern, table, wordset
from assay.audit.read.words import Role, plain, read_role

__all__ = ["Grid", "Row", "place_grid", "place_html"]

@dataclass(frozen=True)
class Row:
    """One row: its line, its cells, and the header's cell above each of them (a row may lack some columns)."""

    number: int
    text: str
    header: tuple[Cell, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """A header and rows.

    Parameters
    ----------
    header : the cells of the header; empty where there is none.
    rows : the rows, in order.
    block : number of the table in its document.

    """

    header: tuple[Cell, ...]
    rows: tuple[Row, ...]
    block: int

    @cached_property
    def heads(self) -> tuple[Role, ...]:
        return tuple(read_role(cell.text) for cell in self.header)

    @cached_property
    def metric_column(self) -> int:
        """The column whose cells name the metrics of their rows (``model, metric, value``); 0 unless one says so."""
        return next((i for i, cell in enumerate(self.header) if i and bare(cell.text) in wordset("metric_titles")), 0)

    @cached_property
    def by_column(self) -> bool:
        """Whether the columns name the metrics; the rows do otherwise."""
        titled = sum(bool(role.metric) and not role.turned for role in self.heads[1:])
        titled += sum("loss" in padded(cell.text) for cell in self.header[1:2] if not read_role(cell.text).metric)
        few = 2 * titled < len(self.heads) - 1
        corner = self.header and bare(self.header[0].text) in wordset("metric_titles")
        in_rows = any(row.cells and read_role(row.cells[0].text).metrics for row in self.rows)
        return bool(not self.metric_column and titled and not (few and (in_rows or corner)))

    @cached_property
    def settings(self) -> bool:
        return bool(self.header) and not self.by_column and says(self.header[0].text, "setting_tables")


def place_grid(sheet: Sheet, grid: Grid, tokens: dict[int, list[Token]], context: Context) -> None:
    """Place the figures of a grid."""
    if grid.header and not bare(grid.header[0].text) and {"precision", "recall"} <= {r.metric for r in grid.heads}:
        first = Cell("class", grid.header[0].column)
        rows = tuple(replace(row, header=(first, *row.header[1:])) for row in grid.rows)
        grid = replace(grid, header=(first, *grid.header[1:]), rows=rows)
    matrix = matrix_labels(grid.header, [row.cells for row in grid.rows])
    columns: dict[str, list[int]] = {}
    for position, row in enumerate(grid.rows):
        mine = tokens.get(row.number, [])
        if matrix:
            place_counts(Spot(sheet, row.number, row.text), mine, row.cells, ("", *matrix[position]), context)
        elif mine:
            _Cells(sheet, grid, row, context).place(mine, columns)


@dataclass
class _Cells:
    """The cells of one row on their way into the draft."""

    sheet: Sheet
    grid: Grid
    row: Row
    context: Context

    def __post_init__(self) -> None:
        self.placed: dict[int, int] = {}
        self.titles = [cell.text for cell in self.row.header] + [""] * len(self.row.cells)
        self.spot = Spot(self.sheet, self.row.number, self.row.text, self.grid.block)

    def place(self, tokens: Sequence[Token], above: dict[str, list[int]]) -> None:
        by_column = self._by_column(tokens)
        if not by_column:
            return
        keys = self._keys(by_column)
        base = self.context
        for column in keys:
            if self.grid.by_column or self.grid.metric_column:
                base = beside(base, self.titles[column], self.row.cells[column].text.strip(" *"))
        first = self.row.cells[self.grid.metric_column].text if self.grid.metric_column < len(self.row.cells) else ""
        average = self.grid.by_column and bool(keys) and says(self.row.cells[keys[0]].text, "average_rows")
        average = average and not read_role(self.row.cells[keys[0]].text).entity
        if average:
            base = replace(
                base,
                pooled=base.pooled or "averaged over the rows above",
                average="" if base.average == "mean" else base.average,
            )
        for column, mine in enumerate(by_column):
            if column in keys or (self.grid.metric_column and column == self.grid.metric_column):
                self.spot.exclude(mine, "the row's own label")
            elif mine:
                before = len(self.sheet.placed)
                self._cell(column, mine, base, first)
                if self.placed.get(column) == before:
                    self._column_so_far(column, before, above, average)

    def _by_column(self, tokens: Sequence[Token]) -> list[list[Token]]:
        begins = [cell.column for cell in self.row.cells]
        out: list[list[Token]] = [[] for _ in begins]
        for token in tokens:
            if out:
                out[max(0, bisect_right(begins, token.end - 1) - 1)].append(token)
        return out

    def _keys(self, by_column: list[list[Token]]) -> list[int]:
        """The columns whose cells name the row."""
        if not (self.grid.by_column or self.grid.metric_column):
            return [0]
        cells = self.row.cells
        bare_figure = [bool(m) and m[0].start <= c.column + 3 for m, c in zip(by_column, cells, strict=True)]
        keys = []
        for column, cell in enumerate(cells):
            title = self.titles[column]
            role, kind = read_role(title), names_record(title)
            if column == 0:
                figures = bare_figure[0] and (role.metrics and kind != "position")
                if not figures and "loss" not in padded(title):
                    keys.append(0)
            elif kind == "position" and bare(title) in _positions():
                keys.append(column)
            elif kind and kind != "position" and not role.metrics and not bare_figure[column]:
                keys += [column] if cell.text.strip(" -–—*_`") else []
        if len(keys) > 1 and bare_figure[0] and bare(self.titles[0]) in {"", *wordset("index_titles")}:
            keys.remove(0)
        return [column for column in keys if column != self.grid.metric_column or not self.grid.metric_column]

    def _cell(self, column: int, mine: list[Token], base: Context, first: str) -> None:
        title, row = self.titles[column], self.row
        name, second = (title, first) if self.grid.by_column else (first, title)
        if self.grid.metric_column:
            second = ""
        context = base if self.grid.by_column or self.grid.metric_column else _under_column(base, title)
        reason = self._no_figure(title, name, second)
        siblings = self.titles[: len(row.cells)] if self.grid.by_column else ()
        reading = named(context, name, second="" if reason else second, after=row.cells[column].text, siblings=siblings,
                        row=not self.grid.by_column)  # fmt: skip
        local, metric = replace(reading.context, topic=reading.metric), reading.metric
        if self.grid.by_column:
            local = replace(local, split=reading.context.split)
        if not metric and self._is_return(title):
            metric = "total_return"
        if not self.grid.by_column and metric and says(title, "excess_titles"):
            metric = table("combine").get(metric, {}).get("excess", metric)
        if (
            not self.grid.by_column
            and metric
            and not self.grid.metric_column
            and read_role(first).labels
            and not local.label
        ):
            local = replace(local, label=" / ".join(read_role(first).labels))
        if (self.grid.settings and metric != "parameters") or (base.settings and not metric):
            reason = reason or "a hyperparameter or setting"
        if reason:
            self.spot.exclude(mine, reason)
            return
        self._figure(column, mine, metric, local, title, reading.reason)

    def _no_figure(self, title: str, name: str, second: str) -> str:
        """Why the figures of a column or row are none at all."""
        if bare(title) in wordset("step_titles"):
            return "a step of the training"
        if self.grid.settings and not read_role(name).metrics:
            return "a hyperparameter or setting"
        role = read_role(title)
        if self.grid.by_column and role.setting and not role.metrics:
            return "a hyperparameter or setting"
        other = read_role(second)
        if (
            self.grid.by_column
            and not other.metrics
            and pattern("other_statistic").fullmatch(plain(second).strip(" *_`"))
        ):
            known = table("combine").get(role.metric, {}).get(other.statistic) or other.statistic == "std"
            return "" if known else "another statistic of the column"
        return ""

    def _is_return(self, title: str) -> bool:
        return (
            self.grid.by_column
            and bare(title) in wordset("bare_returns")
            and names_record(self.titles[0]) == "position"
        )

    def _figure(self, column: int, mine: list[Token], metric: str, local: Context, title: str, reason: str) -> None:
        """One cell: a bare figure is the metric's value; anything longer is prose about it."""
        row, cell = self.row, self.row.cells[column]
        figures = [token for token in mine if token.kind == "number"]
        first = figures[0] if figures else None
        spot = replace(self.spot, record=f"t{self.grid.block}.{row.number if self.grid.by_column else f'c{column}'}")
        starts = first is not None and not cell.text[: max(0, first.start - cell.column)].strip(" *_`")
        if first is None or not metric or not starts or (says(title, "note_titles") and not local.goal):
            if reason and first is not None and starts:
                spot.leave(mine, reason)
                return
            place_prose(spot, mine, local)
            return
        spot.figures(mine)
        if says(title, "change_titles") and not self.grid.metric_column:
            self._change(column, figures, metric, local, title)
            return
        if wrong := wrong_unit(metric, first):
            spot.leave(figures, wrong)
            return
        if plain(row.text[first.end : first.end + 10]).lstrip(" (").startswith("random"):
            metric = "random_baseline"
        name = title if self.grid.by_column else row.cells[self.grid.metric_column].text
        unit = unit_of(title, first.text) or unit_of(name, first.text)
        index = spot.claim(first, metric, local, unit=unit)
        if index is not None:
            self.placed[column] = index
        if figures[1:]:
            place_prose(spot, figures[1:], local)

    def _change(self, column: int, figures: list[Token], metric: str, local: Context, title: str) -> None:
        earlier = [self.placed[key] for key in sorted(self.placed) if key < column]
        pair = [index for index in earlier if self.sheet.placed[index].metric == metric]
        spot = replace(self.spot, record=f"t{self.grid.block}.{self.row.number}")
        place_change(spot, figures, metric, local, title, pair)

    def _column_so_far(self, column: int, index: int, above: dict[str, list[int]], average: bool) -> None:
        """Remember the figure under its column; tie the figure of a row of averages to the three or more above it."""
        placed = self.sheet.placed[index]
        column_key = f"{column} {placed.metric} {placed.context.split}"
        whole = above.setdefault(column_key, [])
        if average:
            points = [i for i in whole if self.sheet.placed[i].value.is_point and not self.sheet.placed[i].relation]
            if len(points) >= 3 and len(points) == len(whole) and METRICS[placed.metric].kind != "count":
                placed.relation, placed.inputs = "mean", tuple(points)
        else:
            whole.append(index)


def _positions() -> frozenset[str]:
    names = wordset("position_titles")
    return names | {name + "s" for name in names}


def _under_column(context: Context, title: str) -> Context:
    """The context of a cell whose row names the metric: the column names the run, split, class, goal, or nothing."""
    role = read_role(title)
    goal = context.goal or role.goal
    if role.statistic in ("mean", "median") and not role.metrics:
        context = replace(context, pooled=context.pooled or f"averaged over what the column {title!r} sums up")
    plain_title = (
        bare(title) in wordset("value_titles")
        or not bare(title)
        or (role.statistic and not role.entity and not role.metrics)
    )
    if plain_title or says(title, "change_titles") or says(title, "note_titles"):
        return replace(context, goal=goal)
    if role.goal:
        return replace(context, goal=True)
    if role.at and not role.metric:
        return replace(context, at=role.at)
    if role.earlier:
        return replace(context, group=(*context.group, role.earlier))
    if role.labels and not role.entity:
        return replace(context, label=context.label or role.labels[0])
    if role.split and not role.entity:
        return replace(context, split=role.split)
    name = plain(title).strip()
    return replace(context, group=(*context.group, name), split=role.split or context.split)


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
