"""Figures in fenced blocks and front matter: key-value lines, JSON and YAML, tables set with blanks, logs and code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from assay.audit.read.confusions import array_labels, place_counts
from assay.audit.read.document import Cell, Line, block_lines
from assay.audit.read.grids import Grid, Row, place_grid
from assay.audit.read.keyed import Entry, epoch_of, is_position, place_data, place_log, scan_data
from assay.audit.read.labels_to_metrics import Label, around, fold, named, names_record, unit_of, wrong_unit
from assay.audit.read.prose import place_prose
from assay.audit.read.sheet import Context, Sheet, Spot
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.vocabulary import pattern
from assay.audit.read.words import plain, read_role

__all__ = ["CodeBlock", "SpacedRow", "place_code", "spaced_tables"]

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


_DATA = {"json", "yaml", "yml", "toml", "ini", "jsonc", "json5"}
_TEXT = {"", "text", "txt", "plain", "console", "output", "log", "plaintext", "results", "markdown", "md", "none"}
#: A row of a table drawn with bars, as rich, psql and prettytable print it.
_BARS = str.maketrans(dict.fromkeys("|│┃║", " "))
_QUOTED_KEY = re.compile(r"""["']([A-Za-z_]\w*)["']\s*:\s*$""")
#: Keys of a program's dictionaries that state no result.
_NO_RESULT = ("n_samples", "alpha", "beta", "epochs_run")


@dataclass
class CodeBlock:
    """A fenced block: what kind of text it holds, what was found in it as a whole, and what is open at this line."""

    kind: str
    number: int
    entries: dict[int, list[Entry]] = field(default_factory=dict)
    grids: dict[int, Grid] = field(default_factory=dict)
    inside: frozenset[int] = frozenset()
    rows: frozenset[int] = frozenset()
    label: str = ""
    label_indent: int = -1
    named: str = ""
    epoch: str = ""
    beside: Label | None = None
    beside_indent: int = 0
    asked: str = ""
    matrix: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, lines: tuple[Line, ...], index: int, number: int) -> CodeBlock:
        """Look at the whole block once and decide what it is."""
        line, body = lines[index], block_lines(lines, index)
        language = line.language
        begins = next((other.text.strip()[:1] for other in body if other.text.strip()), "")
        data = language in _TEXT and begins in ("{", "[") and len(body) > 1 and any('":' in o.text for o in body[:50])
        if line.kind == "front" or language in _DATA or data:
            found = scan_data([other.text for other in body])
            return cls("data", number, {other.number: e for other, e in zip(body, found, strict=True)})
        if language not in _TEXT:
            return cls("code", number)
        grids, inside = _grids(body, number)
        rows = frozenset(row.number for grid in grids.values() for row in grid.rows)
        return cls("text", number, grids=grids, inside=inside, rows=rows)


def _barred(text: str) -> bool:
    stripped = text.strip()
    return len(stripped) > 1 and stripped[0] in "|│┃║" and stripped[-1] in "|│┃║"


def _without_bars(line: Line) -> Line:
    """A line of a table drawn with bars, the bars blanked so that only columns remain; any other as it is."""
    return replace(line, text=line.text.translate(_BARS)) if _barred(line.text) else line


def _grids(body: list[Line], number: int) -> tuple[dict[int, Grid], frozenset[int]]:
    """The tables set with blanks of a block, by the line of their first row, and all lines that they take."""
    tables: list[list[Row]] = []
    header: tuple[Cell, ...] | None = None
    clean = [_without_bars(line) for line in body]
    texts = {line.number: line.text for line in clean}
    spaced = spaced_tables(clean)
    for at, row in spaced.items():
        if row.whole != header:
            header = row.whole
            tables.append([])
        if row.cells:
            tables[-1].append(Row(at, texts[at], row.header, row.cells))
    found = {
        rows[0].number: Grid(max((row.header for row in rows), key=len), tuple(rows), number) for rows in tables if rows
    }
    return found, frozenset(spaced)


def place_code(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    """Place the figures of one line of a fenced block or of front matter."""
    line = _without_bars(line) if block.kind == "text" else line
    spot = Spot(sheet, line.number, line.text, block.number)
    if block.kind == "data":
        entries = block.entries.get(line.number, [])
        place_data(spot, tokens, entries, context)
    elif block.kind == "code":
        _code_line(spot, block, tokens, context)
    elif grid := block.grids.get(line.number):
        scanned = {row.number: scan_line(row.text) for row in grid.rows}
        place_grid(sheet, grid, scanned, _labelled(block, context, 1))
    elif line.number in block.inside:
        spot.exclude(tokens if line.number not in block.rows else (), "part of a table header")
    else:
        _text_line(spot, block, tokens, context)


def _code_line(spot: Spot, block: CodeBlock, tokens: list[Token], context: Context) -> None:
    """Program text: only quoted keys that name a result are read (a saved checkpoint), the rest is code.

    An epoch or a fold among the keys is that of all of its mapping.
    """
    indent = len(spot.text) - len(spot.text.lstrip())
    if spot.text.strip() and indent < block.beside_indent:
        block.beside = None
    for token in spot.figures(tokens):
        key = _QUOTED_KEY.search(spot.text[: token.start])
        if key and is_position(key[1]):
            block.beside, block.beside_indent = Label(token.text, "beside", key[1]), indent
        elif block.beside is not None:
            context = fold(context, [block.beside])
        reading = named(replace(context, topic="", settings=False), key[1].replace("_", " ")) if key else None
        metric = reading.metric if reading is not None else ""
        if reading is not None and metric and metric not in _NO_RESULT:
            local = replace(reading.context, topic="", settings=False)
            spot.claim(token, metric, local, record=f"b{block.number}")
        else:
            spot.exclude(token, "code")


def _labelled(block: CodeBlock, context: Context, indent: int) -> Context:
    """The context under the label that is open in a block."""
    if block.label and (indent > block.label_indent or block.label_indent == 0):
        return around(context, block.label, "title")
    return context


def _text_line(spot: Spot, block: CodeBlock, tokens: list[Token], context: Context) -> None:
    """A fenced block without a language: ``Name: value`` lines under labels set by indentation."""
    text = spot.text
    if tokens and (epoch := epoch_of(text)) is not None:
        block.epoch = epoch
    if tokens and place_log(spot, tokens, context, epoch=block.epoch):
        return
    if _session(spot, block, tokens, context):
        return
    indent = len(text) - len(text.lstrip())
    label = pattern("open_label").match(text)
    if label and not any(token.kind == "number" for token in tokens):
        spot.figures(tokens)
        block.label, block.label_indent = label[1], indent
    elif tokens:
        _name_value(spot, block, tokens, _labelled(block, context, indent))


def _session(spot: Spot, block: CodeBlock, tokens: list[Token], context: Context) -> bool:
    """A line of an interpreter's session: a call that asks for a figure, its answer, an array, a model's layer."""
    text = spot.text
    if asked := pattern("asked").match(text):
        block.asked = f"{asked[1]} {asked[2] or ''}" if asked[2] or "(" in text else ""
    elif text.strip():
        answered, block.asked = block.asked, ""
        array = pattern("array").match(text) is not None
        block.matrix = [] if not array else block.matrix if not answered else [answered]
        if answered and _answer(spot, tokens, context, answered):
            return True
    if tokens and pattern("array").match(text):
        _array_line(spot, block, tokens, context)
        return True
    layer = pattern("layer").match(text) if tokens else None
    if layer:
        _layer_line(spot, tokens, context, layer)
    return layer is not None


def _name_value(spot: Spot, block: CodeBlock, tokens: list[Token], context: Context) -> None:
    """``Name: value`` and ``Name      value``, or a line of text in a block."""
    text = spot.text
    match = pattern("name_value").match(text) or pattern("name_apart").match(text)
    inside = [token for token in tokens if match and token.start < match.end()]
    spot.exclude(inside, "part of a label")
    figures = [token for token in tokens if token not in inside]
    value = next((token for token in figures if token.kind == "number"), None)
    record = f"b{block.number}.{block.label}"
    if match and value is not None and len(text[match.end() : value.start]) < 12:
        reading = named(context, match[1], after=text[match.end() :])
        metric = reading.metric
        if block.named == "parameters" and pattern("layer_name").search(plain(match[1])):
            metric = "parameters_part"
        if metric and (wrong := wrong_unit(metric, value)):
            spot.leave(value, wrong)
            place_prose(spot, [token for token in figures if token is not value], context)
            return
        if metric:
            whole = metric in ("ic_percentile", "parameters_part", "predicted_spread", "quantile_spread")
            own = match[1].strip() if whole else ""
            own = own.lower() if "spread" in metric else own
            local = replace(reading.context, topic=metric, label=own or reading.context.label)
            if role_at := read_role(match[1]).at:
                local = replace(local, at=role_at)
            unit = unit_of(match[1], value.text)
            spot.claim(value, metric, local, unit=unit, record=record)
            block.named = "parameters" if metric == "parameters" else block.named
            rest = [token for token in figures if token is not value]
            place_prose(replace(spot, record=record), rest, local)
            return
    if pattern("program").search(text) and not (match and read_role(match[1]).metrics):
        spot.exclude(figures, "code or a diagram")
        return
    place_prose(spot, figures, replace(context, topic=""))


def _array_line(spot: Spot, block: CodeBlock, tokens: list[Token], context: Context) -> None:
    """A row of an array: of a confusion matrix where the call above asked for one, else figures without a name."""
    counts = [token for token in tokens if token.text.isdecimal()]
    asked = bool(block.matrix) and "confusion" in plain(block.matrix[0])
    if not asked or len(counts) != len(tokens) or len(counts) < 2:
        spot.exclude(tokens, "one of an array of figures")
        return
    cells = [Cell(token.text, token.start) for token in counts]
    labels = array_labels(len(block.matrix) - 1, len(counts))
    place_counts(replace(spot, block=0), counts, cells, labels, replace(context, settings=False))
    block.matrix.append(spot.text)


def _layer_line(spot: Spot, tokens: list[Token], context: Context, layer: re.Match[str]) -> None:
    """A layer of a model summary: its parameters are a part of the model's."""
    for token in tokens:
        if token.kind == "number" and layer.start(2) <= token.start < layer.end(2):
            local = replace(context, label=" ".join(layer[1].split()), topic="", settings=False)
            words = "a layer of the printed summary"
            spot.claim(token, "parameters_part", local, definition=words)
        else:
            spot.exclude(token, "part of a layer's name or shape")


def _answer(spot: Spot, tokens: list[Token], context: Context, asked: str) -> bool:
    """Place the one figure that an interpreter printed below a call named like a metric."""
    name = asked.split("(")[0].rsplit(".", 1)[-1].replace("_", " ")
    average = pattern("asked_average").search(asked)
    alone = len(tokens) == 1 and tokens[0].kind == "number" and not spot.text.replace(tokens[0].text, "").strip("() ")
    reading = named(replace(context, average=average[1] if average else ""), name)
    if not reading.metric or not alone:
        return False
    spot.claim(tokens[0], reading.metric, context)
    return True
