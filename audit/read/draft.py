"""Draft a claims file from a report: read the structure, interpret the labels, list everything else with the reason.

The draft invents nothing: a claim's print is a token of the document, its line the one it stands on. What names no
known metric is listed as not placed. Two figures share a run only where the headings, labels and columns above them say
nothing that could tell the runs apart; when one run would print a metric with two values, the later one is set apart by
its section, so that a draft never turns two runs into a contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from assay.audit.claims.metrics import METRICS
from assay.audit.read.blocks import CodeBlock, place_code
from assay.audit.read.context import with_context
from assay.audit.read.document import Line, block_lines, read_markdown, read_plain, split_cells
from assay.audit.read.grids import Grid, Row, place_grid, place_html
from assay.audit.read.intervals_behind import attach
from assay.audit.read.keyed import place_log
from assay.audit.read.labels_to_metrics import SPLIT_NAMES, around, named, says, unit_of, wrong_unit
from assay.audit.read.prose import place_prose
from assay.audit.read.records import assemble
from assay.audit.read.relations import tie_gaps
from assay.audit.read.sheet import Context, Draft, Sheet, Spot
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.vocabulary import pattern
from assay.audit.read.words import mentions, plain, read_role
from assay.data.errors import InputError

__all__ = ["draft_claims"]

#: Most numeric tokens a report may have; beyond that it is data, not a report.
MAX_TOKENS = 60_000
#: Longest line that is read as text.
MAX_LINE = 8_000
#: Longest line of JSON that is read; programs write it all on one.
MAX_DATA_LINE = 2_000_000
#: Most claims that are audited at once.
MAX_CLAIMS = 3_000
_FORMS = ("json", "yaml", "yml", "ini", "csv", "tsv", "text")


@dataclass
class _Walk:
    """What is remembered from line to line."""

    sheet: Sheet
    lines: tuple[Line, ...]
    label: str = ""
    owner: str = ""
    aliases: dict[str, str] = field(default_factory=dict)
    title: str = ""
    pooled: dict[tuple[str, ...], str] = field(default_factory=dict)
    headings: tuple[str, ...] = ()
    block: int = 0
    previous: str = "blank"
    code: CodeBlock | None = None
    code_of: int = -1
    read_until: int = 0
    done: bool = False

    def prose(self, line: Line) -> Spot:
        """A line of running text, of which each sentence is a record."""
        return Spot(self.sheet, line.number, line.text, self.block)

    def item(self, line: Line) -> Spot:
        """A line of the open list, which is one record."""
        return Spot(self.sheet, line.number, line.text, self.block, f"b{self.block}")


def draft_claims(text: str, *, title: str = "", source: str = "", form: str = "") -> Draft:
    """Draft the claims of a report.

    Parameters
    ----------
    text : the report.
    form : ``"json"``, ``"yaml"``, ``"csv"`` … for a bare metrics file; Markdown otherwise.
    title, source : name and file name to record; the first heading is the title where none is given.

    Returns
    -------
    Draft

    Raises
    ------
    InputError
        If the report holds more numeric tokens than any report does.

    Notes
    -----
    Time is linear in the length of the text.

    Examples
    --------
    >>> draft = draft_claims("# M\\n\\n- **Accuracy**: 91.3%\\n- Date: 2024-06-30\\n")
    >>> [(claim.metric, claim.printed, claim.source_line) for claim in draft.claims.claims]
    [('accuracy', '91.3%', 3)]
    >>> [(token.text, token.reason) for token in draft.excluded]
    [('2024-06-30', 'a date')]

    """
    if form in ("txt", "log") and not pattern("markdown_line").search(text):
        form = "text"
    lines = read_plain(text, form) if form in _FORMS else read_markdown(text)
    commas_separate = form == "json" or (form == "csv" and lines[0].table is not None and lines[0].table.mark == ",")
    sheet = Sheet(decimal="." if commas_separate else _decimal_mark(text))
    first = next((line for line in lines if line.kind == "heading"), None)
    walk = _Walk(sheet, lines, title=first.headings[0] if first is not None and first.level == 1 else "")
    walk.pooled = _pooled_sections(lines)
    seen = 0
    for index, line in enumerate(lines):
        if len(line.text) > (MAX_DATA_LINE if line.language == "json" else MAX_LINE):
            _too_long(sheet, line)
            continue
        tokens = scan_line(line.text)
        seen += len(tokens)
        _within(
            seen, MAX_TOKENS, f"{MAX_TOKENS} numeric tokens by line {line.number}; this is data, not a report:", source
        )
        _line(walk, index, tokens)
        _within(len(sheet.placed), MAX_CLAIMS, f"{MAX_CLAIMS} figures by line {line.number};", source)
        walk.previous = line.kind
    attach(sheet, lines)
    tie_gaps(sheet)
    draft = assemble(sheet, title=title or (first.headings[0] if first else ""), source=source)
    return with_context(draft, lines)


def _within(count: int, most: int, words: str, source: str) -> None:
    if count > most:
        raise InputError(f"{source or 'report'}: more than {words} audit the part that states the results")


def _too_long(sheet: Sheet, line: Line) -> None:
    if any(char.isdecimal() for char in line.text):
        whole = Token(0, len(line.text), f"{line.text[:20]}… ({len(line.text)} characters)", "number")
        sheet.exclude(line.number, whole, "a line too long to be part of a report")


def _pooled_sections(lines: tuple[Line, ...]) -> dict[tuple[str, ...], str]:
    """The words of each section that say figures are averages over folds, seeds or classes."""
    found: dict[tuple[str, ...], str] = {}
    for line in lines:
        readable = line.kind in ("text", "item", "heading") and len(line.text) <= MAX_LINE
        if readable and (match := pattern("pooled").search(line.text)):
            found.setdefault(line.headings, match[0])
    return found


def _decimal_mark(text: str) -> str:
    """The decimal mark of the document: a comma only where commas are clearly decimal and points are not."""
    sample = text[:400_000]
    commas, points = (len(pattern(name).findall(sample)) for name in ("decimal_comma", "decimal_point"))
    return "," if commas > points else "."


def _line(walk: _Walk, index: int, tokens: list[Token]) -> None:
    line, sheet = walk.lines[index], walk.sheet
    if line.kind in ("blank", "rule", "fence", "table_rule"):
        walk.code = None if line.kind == "fence" else walk.code
        sheet.exclude(line.number, tokens, "part of the layout")
        return
    if line.headings != walk.headings:
        walk.headings, walk.label, walk.owner = line.headings, "", ""
    if line.kind == "heading":
        _heading(walk, line, tokens)
    elif line.kind in ("code", "front"):
        if walk.code is None or walk.code_of != line.block:
            walk.block += 1
            walk.code, walk.code_of = CodeBlock.read(walk.lines, index, walk.block), line.block
        place_code(sheet, walk.code, line, tokens, _context(walk, line))
    elif line.kind == "html":
        if walk.read_until < line.number:
            body = block_lines(walk.lines, index)
            walk.block, walk.read_until = walk.block + 1, body[-1].number
            place_html(sheet, body, _context(walk, line), walk.block)
    elif line.kind == "table_header":
        walk.block += 1
        sheet.exclude(line.number, tokens, "part of a table header")
    elif line.kind == "table_row":
        if walk.read_until < line.number:
            _table(walk, index)
    else:
        if walk.previous not in (("item", "text") if line.kind == "item" else ("text",)):
            walk.block += 1
        _body(walk, line, tokens)


def _table(walk: _Walk, index: int) -> None:
    """A table of Markdown, or a file of separated values: all its rows at once."""
    first = walk.lines[index]
    if first.table is None:
        return
    rows = []
    for line in walk.lines[index:]:
        if line.kind != "table_row" or line.table is not first.table:
            break
        cells = split_cells(line.text, first.table.mark)
        rows.append(Row(line.number, line.text, first.table.header[: len(cells)], cells))
        name = cells[0].text.strip(" *_`") if cells else ""
        if name and len(walk.aliases) < 1000:
            walk.aliases[plain(name).strip()] = name
    tokens = {row.number: scan_line(row.text) for row in rows if len(row.text) <= MAX_LINE}
    place_grid(walk.sheet, Grid(first.table.header, tuple(rows), walk.block), tokens, _context(walk, first))
    walk.read_until = rows[-1].number


def _context(walk: _Walk, line: Line) -> Context:
    """The context that headings and the last titles give to a line."""
    inner = line.headings[1:] if line.headings and line.headings[0] == walk.title else line.headings
    context = Context(pooled=_pooled(walk, line), section=inner[0] if inner else "")
    for depth, title in enumerate(line.headings):
        if depth or title != walk.title:
            context = around(context, title)
    if walk.owner and walk.owner != walk.label:
        context = replace(around(context, walk.owner, "title"), topic=context.topic)
    context = around(context, walk.label, "title") if walk.label else context
    return replace(context, goal=False) if walk.done else context


def _pooled(walk: _Walk, line: Line) -> str:
    """The words of this section, or of one around it, that say figures are averages over folds, seeds or classes."""
    levels = (line.headings[:depth] for depth in range(len(line.headings), -1, -1))
    return next((walk.pooled[above] for above in levels if above in walk.pooled), "")


def _heading(walk: _Walk, line: Line, tokens: list[Token]) -> None:
    number = pattern("heading_number").match(line.text)
    rest = []
    for token in tokens:
        if number and number[1] and token is tokens[0] and token.start <= len(line.text) - len(line.text.lstrip("# ")):
            walk.sheet.exclude(line.number, replace(token, kind="number"), "a heading number")
        elif token.kind == "number" and not any(
            METRICS[m.metric].kind != "count" for m in read_role(line.text).metrics
        ):
            walk.sheet.exclude(line.number, token, "part of a heading")
        else:
            rest.append(token)
    if rest:
        place_prose(Spot(walk.sheet, line.number, line.text), rest, replace(_context(walk, line), topic=""))


def _body(walk: _Walk, line: Line, tokens: list[Token]) -> None:
    """A paragraph line or a list item: a label with its value, or prose."""
    text, spot = line.text, walk.prose(line)
    bullet = pattern("bullet").match(text)
    start = bullet.end() if bullet else len(text) - len(text.lstrip())
    if bullet and bullet[1] and tokens and tokens[0].start <= bullet.start(1) < tokens[0].end:
        spot.exclude(replace(tokens[0], kind="number"), "a list number")
        tokens = tokens[1:]
    walk.done = bullet is not None and "[x]" in bullet[0].lower()
    match = pattern("label").match(text[start:])
    label = match[1] if match else ""
    label_end = start + match.end() if match else start
    if place_log(spot, tokens, _context(walk, line)):
        return
    inside = [token for token in tokens if match and token.start < start + match.end(1) and token.kind == "number"]
    classed = len(inside) == 1 and inside[0].start == start and pattern("class_number").match(plain(label)) is not None
    if inside and not (classed and read_role(label).metric in ("precision", "recall", "f1", "n_samples")):
        match = None  # a figure before the colon: prose
    bold = text[start:].startswith(("**", "__")) and text.rstrip().endswith(("**", "__", ":", "**:", ")", "："))
    closed = match is not None and not text[label_end:].strip(" *_`")
    if not any(token.kind == "number" for token in tokens):
        spot.figures(tokens)
        if closed or (bold and line.kind == "text"):
            _set_label(walk, label or text[start:])
        return
    if match:
        _labelled(walk, line, label, label_end, tokens)
        if line.kind == "text" and bold and closed:
            _set_label(walk, label)
        return
    context = _context(walk, line)
    if bold and line.kind == "text" and not read_role(text).metrics:
        spot.exclude(tokens, "part of a title")
        _set_label(walk, text[start:])
    elif pattern("share_item").match(text) and says(" ".join([*line.headings[1:], walk.label]), "importance"):
        for token in spot.figures(tokens):
            name = text[start:].split("(")[0].strip(" *`")
            local = replace(context, label=name)
            walk.item(line).claim(token, "feature_importance", local)
    else:
        place_prose(spot, tokens, replace(context, topic=""))


def _set_label(walk: _Walk, text: str) -> None:
    """A title line names what follows, until the next title or heading; a run that it names outlives plain titles."""
    walk.label = text.strip(" *_`:：#")
    role = read_role(walk.label)
    if (role.entity or role.earlier) and not role.metrics and not role.setting:
        bracket = pattern("bracket").search(walk.label)
        walk.label = (walk.aliases.get(plain(bracket[1]).strip()) if bracket else None) or walk.label
        walk.owner = walk.label
    walk.block += 1


def _labelled(walk: _Walk, line: Line, label: str, label_end: int, tokens: list[Token]) -> None:
    """``Label: value …``: the first figure is the label's, the others are prose about it."""
    spot, text = walk.prose(line), line.text
    spot.exclude([token for token in tokens if token.start < label_end], "part of a label")
    values = [token for token in tokens if token.start >= label_end]
    context = _context(walk, line)
    clean = label.strip(" *_`")
    reading = named(context, clean, after=text[label_end:])
    local, metric = replace(reading.context, topic=reading.metric or read_role(clean).metric), reading.metric
    if not metric:
        _unnamed(walk, line, label, label_end, values, local, reading.reason)
        return
    first = next((token for token in values if token.kind == "number"), None)
    several = metric == "class_share" and sum(token.kind == "number" for token in values) > 1
    if first is None or several or not _is_value(text, label_end, first, metric):
        place_prose(spot, values, local)
        return
    spot.figures([token for token in values if token.start < first.start])
    rest = [token for token in values if token.start > first.start]
    if _several(walk, line, label_end, (first, rest), metric, local):
        return
    if wrong := wrong_unit(metric, first):
        spot.leave(first, wrong)
        place_prose(spot, rest, replace(local, topic=""))
        return
    multiple = metric == "turnover" or METRICS[metric].kind in ("ratio", "other", "level")
    if first.text.endswith(("×", "x")) and not multiple:
        metric = "multiple"
    if metric in ("sharpe", "annual_return") and pattern("gross_behind").match(plain(text[first.end : first.end + 16])):
        metric += "_gross"
    walk.item(line).claim(first, metric, local, unit=unit_of(label, first.text))
    if rest:
        place_prose(walk.item(line), rest, local)


def _is_value(text: str, label_end: int, first: Token, metric: str) -> bool:
    """Whether the first figure behind a label is its value, not a figure of the words there."""
    lead = text[label_end : first.start]
    if pattern("factor_after").match(text[first.end :]) or pattern("named_part").search(plain(lead)):
        return False
    if len(lead) > 24 and not pattern("opens_bracket").search(lead):
        return False
    return not (METRICS[metric].kind == "loss" and "%" in first.text)


def _several(
    walk: _Walk, line: Line, label_end: int, values: tuple[Token, list[Token]], metric: str, local: Context
) -> bool:
    """Values of one label that belong together: one a class, the ends of a range, or a move from one to the other."""
    first, rest = values
    text = line.text
    classes = local.label.split(" / ") if " / " in local.label else []
    if classes and len(rest) + 1 == len(classes):
        for token, name in zip([first, *rest], classes, strict=True):
            walk.item(line).claim(token, metric, replace(local, label=name))
        return True
    if rest and pattern("arrow").match(text[first.end : rest[0].start]):
        place_prose(walk.prose(line), [first, *rest], local)
        return True
    lead = text[label_end : first.start]
    if lead.strip(" *_`") == "[" and len(rest) == 1 and text[rest[0].end : rest[0].end + 1] == "]":
        for token, end in zip([first, *rest], ("target_low", "target_high"), strict=True):
            walk.item(line).claim(token, end, local)
        return True
    return False


def _unnamed(
    walk: _Walk, line: Line, label: str, label_end: int, values: list[Token], local: Context, reason: str
) -> None:
    """The figures behind a label that names no metric."""
    spot, text = walk.prose(line), line.text
    figures = spot.figures(values)
    share = _split_share(label, figures, text)
    if share:
        local = replace(local, split="", label=share)
        walk.item(line).claim(figures[0], "split_share", local)
    elif (local.settings or reason == "a hyperparameter or setting") and not mentions(plain(text[label_end:])):
        spot.exclude(figures, "a hyperparameter or setting")
    else:
        known = local if not reason else replace(local, topic="")
        place_prose(spot, figures, known)


def _split_share(label: str, figures: list[Token], text: str) -> str:
    """The split whose share a line states ("Training Set: 60% of data"), or ``""``."""
    if len(figures) != 1 or not figures[0].text.endswith("%"):
        return ""
    name = pattern("split_name").fullmatch(plain(label))
    return SPLIT_NAMES[name[1]] if name and pattern("of_or_end").match(text[figures[0].end :]) else ""
