"""Draft a claims file from a report: read the structure, interpret the labels, list everything else with the reason.

The draft invents nothing: a claim's print is a token of the document, its line the one it stands on. What names no
known metric is listed as not placed. Two figures share a run only where the headings, labels and columns above them say
nothing that could tell the runs apart; when one run would print a metric with two values, the later one is set apart by
its section, so that a draft never turns two runs into a contradiction.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from assay.audit.claims.model import METRICS
from assay.audit.read.context import with_context
from assay.audit.read.document import Line, block_lines, read_markdown, read_plain
from assay.audit.read.grids import html_grid, place_grid, spaced_grids, table_grid
from assay.audit.read.keyed import place_data, scan_data, scan_log, scan_program
from assay.audit.read.labels import SETTING, Context, Label, Reading, fold, named
from assay.audit.read.prose import place_prose, place_value
from assay.audit.read.records import assemble
from assay.audit.read.relations import attach
from assay.audit.read.sheet import MAX_TOKENS, Draft, Sheet, Spot, numbers
from assay.audit.read.tokens import Token
from assay.audit.read.words import bare, mentions, pattern, plain, read_role, says, table, words_of, wordset
from assay.data.errors import InputError

__all__ = ["draft_claims"]

#: Longest line that is read as text, and longest line of JSON: programs write it all on one.
MAX_LINE, MAX_DATA_LINE = 8_000, 2_000_000
#: A row of a table drawn with bars, as rich, psql and prettytable print it.
_BARS = str.maketrans(dict.fromkeys("|│┃║", " "))


@dataclass
class _Walk:
    """What is remembered from line to line: the open labels, and the list, table or block that is read."""

    sheet: Sheet
    lines: tuple[Line, ...]
    title: str = ""
    label: str = ""
    owner: str = ""
    outer: list[tuple[int, str, str]] = field(default_factory=list)  # columns of open items, and what was named before
    pooled: dict[tuple[str, ...], str] = field(default_factory=dict)
    headings: tuple[str, ...] = ()
    block: int = 0
    previous: str = "blank"
    read_until: int = 0
    sized: bool = False

    def spot(self, line: Line, *, item: str = "") -> Spot:
        """A line of running text, of which each sentence is a record; or of a list or block, which is one."""
        return Spot(self.sheet, line.number, line.text, self.block, f"b{self.block}{item}" if item else "")

    def fits(self, line: Line) -> bool:
        """Whether a line is short enough to be part of a report."""
        short = len(line.text) <= (MAX_DATA_LINE if line.language == "json" else MAX_LINE)
        if not short and any(map(str.isdecimal, line.text)):
            whole = Token(0, len(line.text), f"{line.text[:20]}… ({len(line.text)} characters)", "long")
            self.spot(line).exclude(whole, "")
        return short

    def scan(self, line: Line) -> list[Token]:
        """The tokens of a line, none of them a claim yet."""
        return self.sheet.scan(line.number, line.text, line.kind) if self.fits(line) else []

    def context(self, line: Line) -> Context:
        """The context that headings and the last titles give to a line."""
        inner = line.headings[1:] if line.headings[:1] == (self.title,) else line.headings
        above = (line.headings[:depth] for depth in range(len(line.headings), -1, -1))
        pooled = next((self.pooled[part] for part in above if part in self.pooled), "")
        path = tuple(Label(text) for depth, text in enumerate(line.headings) if depth or text != self.title)
        context = fold(Context(pooled=pooled, section=inner[0] if inner else ""), path)
        if self.owner and self.owner != self.label:
            context = replace(fold(context, (Label(self.owner, "title"),)), topic=context.topic)
        return fold(context, (Label(self.label, "title"),)) if self.label else context

    def nested(self, line: Line) -> bool:
        """Whether the next line is an item of a list below an item of a list."""
        below = next((other for other in self.lines[line.number : line.number + 2] if other.kind != "blank"), line)
        depth, inner = (len(text) - len(text.lstrip()) for text in (line.text, below.text))
        return line.kind == below.kind == "item" and inner > depth

    def leave(self, depth: int) -> None:
        """Close the items of lists that a line at this column is not below."""
        while self.outer and depth <= self.outer[-1][0]:
            _, self.label, self.owner = self.outer.pop()

    def entitle(self, text: str) -> None:
        """A title line names what follows, until the next one or a heading; a run that it names outlives plain ones."""
        self.label = text.strip(" *_`:：#")
        role = read_role(self.label)
        if (role.entity or role.earlier) and not role.metrics and not role.setting:
            self.owner = self.label
        self.block += 1


def draft_claims(text: str, *, title: str = "", source: str = "", form: str = "") -> Draft:
    """Draft the claims of a report, in time linear in its length.

    Parameters
    ----------
    text : the report.
    form : ``"json"``, ``"yaml"``, ``"csv"`` … for a bare metrics file; Markdown otherwise.
    title, source : name and file name to record; the first heading is the title where none is given.

    Raises
    ------
    InputError
        If the report holds more numeric tokens, or more claims, than any report does.

    Examples
    --------
    >>> draft = draft_claims("# M\\n\\n- **Accuracy**: 91.3%\\n- Date: 2024-06-30\\n")
    >>> [(claim.metric, claim.printed, claim.source_line) for claim in draft.claims.claims]
    [('accuracy', '91.3%', 3)]
    >>> [(token.text, token.reason) for token in draft.excluded]
    [('2024-06-30', 'a date')]

    """
    if not isinstance(text, str):
        raise InputError(f"draft_claims: text must be a text, the report itself (got {type(text).__name__})")
    if form in ("txt", "log") and not pattern("markdown_line").search(text):
        form = "text"
    lines = read_plain(text, form) if form in wordset("plain_forms") else read_markdown(text)
    commas_separate = form == "json" or (form == "csv" and lines[0].table is not None and lines[0].table.mark == ",")
    sample = text[:400_000]
    commas, points = (len(pattern(name).findall(sample)) for name in ("decimal_comma", "decimal_point"))
    first = next((line for line in lines if line.kind == "heading"), None)
    decimal = "," if commas > points and not commas_separate else "."
    walk = _Walk(Sheet(source or "report", decimal, {line.number: line.text for line in lines}), lines)
    walk.title = first.headings[0] if first is not None and first.level == 1 else ""
    for line in lines:
        readable = line.kind in ("text", "item", "heading") and len(line.text) <= MAX_LINE
        if readable and (match := pattern("pooled").search(line.text)):
            walk.pooled.setdefault(line.headings, match[0])
    for index, line in enumerate(lines):
        if line.number > walk.read_until:
            _line(walk, index)
        walk.previous = line.kind
    attach(walk.sheet, lines)
    draft = assemble(walk.sheet, title=title or (first.headings[0] if first else ""), source=source)
    return with_context(draft, lines)


def _line(walk: _Walk, index: int) -> None:
    line = walk.lines[index]
    if line.headings != walk.headings:
        walk.headings, walk.label, walk.owner, walk.outer = line.headings, "", "", []
    if line.kind in ("blank", "rule", "fence"):
        walk.scan(line)
    elif line.kind == "heading":
        number, tokens = pattern("heading_number").match(line.text), walk.scan(line)
        if number and number[1] and tokens and tokens[0].start <= number.start(1):
            tokens.pop(0)
        if any(METRICS[mention.metric].kind != "count" for mention in read_role(line.text).metrics):
            place_prose(Spot(walk.sheet, line.number, line.text), tokens, replace(walk.context(line), topic=""))
    elif line.table:
        body = list(itertools.takewhile(lambda other: other.table is line.table, walk.lines[index:]))
        walk.block, walk.read_until = walk.block + 1, body[-1].number
        if len(body) > MAX_TOKENS:
            walk.sheet.stop(f"{MAX_TOKENS} rows in the table of line {line.number}; this is data, not a report:")
        place_grid(walk.sheet, table_grid([row for row in body if walk.fits(row)], walk.block), walk.context(line))
    elif line.kind in ("code", "front", "html"):
        body = block_lines(walk.lines, index)
        walk.block, walk.read_until, walk.sized = walk.block + 1, body[-1].number, False
        if line.kind == "html":
            place_grid(walk.sheet, html_grid(body, walk.block), walk.context(line))
        else:
            _code(walk, body, walk.context(line))
    else:
        if walk.previous not in (("item", "text") if line.kind == "item" else ("text",)):
            walk.block, walk.sized = walk.block + 1, False
        _body(walk, line)


def _body(walk: _Walk, line: Line) -> None:
    """A paragraph line or a list item: a label with its value, or prose."""
    walk.leave(len(line.text) - len(line.text.lstrip()))
    text, spot, tokens = line.text, walk.spot(line), walk.scan(line)
    bullet = pattern("bullet").match(text)
    start = bullet.end() if bullet else len(text) - len(text.lstrip())
    if bullet and bullet[1] and tokens and tokens[0].start <= bullet.start(1) < tokens[0].end:
        tokens.pop(0)
    open_box = bullet is not None and ("[ ]" in bullet[0] or text[start:].startswith(("⏳", "🎯", "⏸")))
    context = replace(walk.context(line), goal=True) if open_box else walk.context(line)
    if entries := scan_log(text, tokens, line.number):
        place_data(spot, tokens, entries, context)
        return
    match = pattern("label").match(text[start:])
    match = None if match and pattern("label_ends").search(match[1]) else match
    inside = [token for token in tokens if match and token.start < start + match.end(1) and token.kind == "number"
              and not pattern("level_after").match(plain(text[token.end :]))]  # fmt: skip
    if match and inside and not _numbered(match[1], inside, start, text[start + match.end() :]):
        match = None  # a figure before the colon: prose
    label, label_end = (match[1], start + match.end()) if match else (text[start:], start)
    bold = text[start:].startswith(("**", "__")) and text.rstrip().endswith(("**", "__", ":", "**:", ")", "："))
    bold = bold and (line.kind == "text" or bullet is None or bullet[1] is not None)
    closed = match is not None and not text[label_end:].strip(" *_`")
    nested = bullet is not None and len(text) <= 80 and walk.nested(line)
    closed = closed or nested
    figures = any(token.kind == "number" for token in tokens)
    titled = bold and not match and not read_role(text).metrics
    if match and figures:
        _labelled(walk, line, (label, label_end), tokens, context)
    elif not figures or titled:
        pass
    elif pattern("share_item").match(text) and says(" ".join([*line.headings[1:], walk.label]), "importance"):
        local = replace(context, label=text[start:].split("(")[0].strip(" *`"))
        for token in numbers(tokens):
            walk.spot(line, item=" ").claim(token, "feature_importance", local)
    else:
        place_prose(spot, tokens, replace(context, topic=""))
    if ((closed or bold) and not figures) or (bold and (titled or closed)):
        walk.outer += [(len(text) - len(text.lstrip()), walk.label, walk.owner)] if nested else []
        walk.entitle(label)


def _numbered(label: str, inside: list[Token], start: int, behind: str) -> bool:
    """Whether the figures of a label are part of a name: of a class, "1 precision: 0.9", or "Fold 3: accuracy 0.9"."""
    role, first = read_role(label), len(inside) == 1 and inside[0].start == start
    if first and role.metric in wordset("numbered_classes") and pattern("class_number").match(plain(label)):
        return True
    named = not role.metrics and pattern("counted_name").fullmatch(label) is not None
    return named and bool(mentions(plain(behind)))


def _labelled(
    walk: _Walk, line: Line, label: tuple[str, int], tokens: list[Token], context: Context, record: str = " "
) -> None:
    """``Label: value …``: the first figure is the label's, the others are prose about it."""
    spot, item, text = walk.spot(line), walk.spot(line, item=record), line.text
    name, end = label[0].strip(" *_`"), label[1]
    figures = numbers(token for token in tokens if token.start >= end)
    reading = named(context, name, after=text[end:])
    metric, topic = reading.metric, reading.metric or ("" if reading.reason else read_role(name).metric)
    local = replace(reading.context, topic=topic)
    if walk.sized and pattern("layer_name").search(plain(name)):
        metric, local = "parameters_part", replace(local, label=name)
    classes = local.label.split(" / ")
    if metric == "benchmark_return" and mentions(plain(text[end:])):
        metric = ""  # "Buy & Hold: CAGR 8%, Sharpe 0.5"
        local = replace(local, group=(*local.group, plain(name)), topic="")
    if not metric:
        _unnamed(walk, line, label, figures, local, reading.reason)
    elif not figures or (metric == "class_share" and figures[1:]) or not _is_value(text, end, figures, metric):
        place_prose(spot, figures, local)
    elif len(figures) == len(classes) > 1:
        for token, side in zip(figures, classes, strict=True):
            item.claim(token, metric, replace(local, label=side))
    elif len(figures) == 2 and pattern("in_brackets").fullmatch(text, end, figures[1].end + 1):
        item.claim(figures[0], "target_low", local)
        item.claim(figures[1], "target_high", local)
    else:
        place_value(item, figures, Reading(metric, local), label[0])
        walk.sized = walk.sized or metric == "parameters"


def _is_value(text: str, label_end: int, figures: list[Token], metric: str) -> bool:
    """Whether the first figure behind a label is its value, not a figure of the words there or the first of a pair."""
    first, lead = figures[0], text[label_end : figures[0].start]
    paired = figures[1:] and pattern("arrow").match(text[first.end : figures[1].start])
    factor = pattern("factor_after").match(text[first.end :])
    if paired or factor or "{" in lead or pattern("assigned").search(lead) or pattern("named_part").search(plain(lead)):
        return False
    near = len(lead) <= 24 or pattern("opens_bracket").search(lead)
    return bool(near) and not (METRICS[metric].kind == "loss" and "%" in first.text)


def _unnamed(
    walk: _Walk, line: Line, label: tuple[str, int], figures: list[Token], local: Context, reason: str
) -> None:
    """The figures behind a label that names no metric."""
    spot, text = walk.spot(line), line.text
    named_split = pattern("split_name").fullmatch(plain(label[0])) if len(figures) == 1 else None
    split = table("named_splits").get(named_split[1]) if named_split else None
    role, inside = read_role(label[0]), mentions(plain(text[label[1] :]))
    reach = 30 if any(map(str.isdecimal, label[0])) else 4  # "- 5D: WR=40.99%, Sharpe 0.2"
    at_once = inside and figures and min(inside[0].start, figures[0].start - label[1]) <= reach
    local = replace(local, goal=local.goal and (role.goal or not role.earlier))
    name = plain(label[0]).strip(" *")
    names = role.entity or role.earlier or bare(name) in wordset("benchmarks") or any(map(str.isdecimal, name))
    dated = role.at[:2] in ("19", "20") and role.entity in ("", bare(name))
    if inside and (at_once or dated) and names and not role.setting and not role.goal and len(words_of(name)) <= 4:
        run = () if dated or role.at else (name,)  # "- BTC: Sharpe 1.2, drawdown 8%", "- 2019: Sharpe 1.3"
        local = replace(local, group=(*local.group, *run), at=bare(name) if dated else local.at)
    if split and figures[0].text.endswith("%") and pattern("of_or_end").match(text[figures[0].end :]):
        walk.spot(line, item=" ").claim(figures[0], "split_share", replace(local, split="", label=split))
    elif (local.settings or reason == SETTING) and not inside:
        spot.exclude(figures, SETTING)
    else:
        if reason and figures and read_role(label[0]).metrics and not text[label[1] : figures[0].start].strip(" *_`~$"):
            spot.leave(figures.pop(0), reason)
        place_prose(spot, figures, replace(local, topic="") if reason else local)


def _code(walk: _Walk, body: Sequence[Line], context: Context) -> None:
    """A fenced or indented block, or front matter: data by its keys, program text, or lines of text and tables."""
    language = body[0].language
    begins = next((line.text.strip()[:1] for line in body if line.text.strip()), "")
    texts = [line.text for line in body]
    quoted = begins in ("{", "[") and len(body) > 1 and any('":' in text for text in texts[:50])
    is_text = language in wordset("text_languages") or not language
    data = body[0].kind == "front" or language in wordset("data_languages") or (is_text and quoted)
    if is_text and not data:
        barred = (pattern("barred").fullmatch(text) for text in texts)
        shown = [replace(line, text=line.text.translate(_BARS)) if bar else line
                 for line, bar in zip(body, barred, strict=True)]  # fmt: skip
        _text(walk, shown, context)
        return
    fenced = body[0].kind == "code" and body[0].number > 1  # of a report; a file of its own states what it holds
    set_up = fenced and data and language not in ("json", "")
    context = replace(context, settings=data and (set_up or context.settings))
    if fenced and data and not context.void and any(says(text, "interfaces") for text in context.above):
        context = replace(context, void="example")
    for line, entries in zip(body, scan_data(texts) if data else scan_program(texts), strict=True):
        place_data(walk.spot(line), walk.scan(line), entries, context)


def _text(walk: _Walk, body: Sequence[Line], context: Context) -> None:
    """A block of text: tables set with blanks, logs, and ``Name: value`` lines under labels set by indentation."""
    grids = spaced_grids([line for line in body if walk.fits(line)], walk.block)
    starts = {grid.lines[0].number: grid for grid in grids}
    inside = {line.number for grid in grids for line in grid.lines}
    label, label_indent, epoch, around = "", -1, "", context
    for index, line in enumerate(body):
        if line.number not in inside and (banner := _banner(body, index)):
            context, label = replace(fold(around, (Label(banner, "title"),)), goal=around.goal), ""
            if read_role(banner).labels:  # a side of the market is a run of its own there
                context = replace(context, label=around.label, group=(*around.group, bare(banner)))
        indent = 1 if line.number in starts else len(line.text) - len(line.text.lstrip())
        tokens = walk.scan(line) if line.number not in inside else []
        below = label and (indent > label_indent or not label_indent)
        local = fold(context, (Label(label, "title"),)) if below else context
        announced = pattern("log_epoch").match(line.text) if tokens else None
        if announced and not line.text[announced.end() :].strip(" :-"):
            epoch = announced[1]
        opened = pattern("open_label").match(line.text)
        if line.number in starts:
            place_grid(walk.sheet, starts[line.number], local)
        elif line.number in inside or pattern("array").match(line.text) or pattern("progress").search(line.text):
            continue
        elif entries := scan_log(line.text, tokens, line.number, epoch):
            place_data(walk.spot(line), tokens, entries, context)
        elif tokens and not (opened and not numbers(tokens)):
            _name_value(walk, line, tokens, local, label)
        if opened:
            label, label_indent = opened[1], indent


def _banner(body: Sequence[Line], index: int) -> str:
    """What a line between rules, "==== LONG ====", says of the lines below it: a run, a split or a class."""
    text, beside = body[index].text, body[max(0, index - 1) : index + 2 : 2]
    match = pattern("banner").fullmatch(text)
    drawn = len(beside) == 2 and all(pattern("long_rule").fullmatch(line.text.strip()) for line in beside)
    title = match[1] if match else text.strip() if drawn and len(text) <= 80 and index else ""
    role = read_role(title)
    return "" if role.metrics or not (role.entity or role.split or role.labels or role.at) else title


def _name_value(walk: _Walk, line: Line, tokens: list[Token], context: Context, label: str) -> None:
    """``Name: value`` and ``Name      value``, or a line of text in a block."""
    text, spot = line.text, walk.spot(line)
    match = pattern("name_value").match(text) or pattern("name_apart").match(text)
    tokens = [token for token in tokens if not match or token.start >= match.end()]
    value = next(iter(numbers(tokens)), None)
    metric = named(context, match[1], after=text[match.end() :]).metric if match else ""
    if not metric and pattern("program").search(text):
        return
    if match and value and (not metric or len(text[match.end() : value.start]) < 12):
        _labelled(walk, line, (match[1], match.end()), tokens, context, f".{label}")
    else:
        place_prose(spot, tokens, replace(context, topic=""))
