"""Draft a claims file from a report: read the structure, place the figures, list everything else with the reason.

The draft invents nothing: a claim's print is a token of the document, its line the one it stands on. What names no
known metric is listed as not placed. Two figures share a run only where the headings, labels and columns above them say
nothing that could tell the runs apart; when one run would print a metric with two values, the later one is set apart by
its section, so that a draft never turns two runs into a contradiction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from assay.audit.asides import put_aside, set_aside
from assay.audit.attached import attach
from assay.audit.blocks import CodeBlock, place_code
from assay.audit.confusions import matrix_labels, place_counts
from assay.audit.context import SPLIT_NAMES, in_units, label_metric, label_unit, under
from assay.audit.drafted_context import with_context
from assay.audit.drafting import assemble
from assay.audit.html import place_html
from assay.audit.logs import place_log
from assay.audit.markdown import Line, block_lines, read_markdown, read_plain, split_cells
from assay.audit.metrics_vocabulary import METRICS
from assay.audit.naming import mentions, plain
from assay.audit.prose import place_prose
from assay.audit.roles import Role, read_role
from assay.audit.sheet import Context, Draft, Sheet
from assay.audit.tables import place_row
from assay.audit.tokens import Token, scan_line
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

_BULLET = re.compile(r"^\s*(?:[-*+•]|(\d{1,3})[.)])\s+(?:\[[ xX]\]\s*)?")
_LABEL = re.compile(r"^([^:：=|]{1,90}?)\s*(?:[:：]|(?<![<>=!])=(?!=)|\.{4,}(?=\s*\S))(?!//)")
#: Labels of the rows trained on; "Training" alone may be about the training itself.
_TRAIN_ROWS = re.compile(r"\bin[- ]sample\b|\btrain(?:ing)?[- ](?:set|data|split|rows)|^\W*train\W*$", re.I)
_HEADING_NUMBER = re.compile(r"^#{1,6}\s*(?:[A-Z]\.|(\d+(?:\.\d+)*)[.)]?)(?=\s)")
_SHARES = re.compile(r"^\s*(?:\d+[.)]\s*)?[`\w ]{2,40}\((\d+(?:\.\d+)?%)\)\s*$")


_POOLED = re.compile(
    r"\b(?:\d+[- ]?folds?|folds?|cross[- ]?valid\w*|cv|seeds|bootstrap\w*|averaged? (?:over|across|of)|means?"
    r" (?:over|across|of)"
    r"|median (?:over|across|of)|(?:macro|weighted|micro)[- ]averag\w*|media de \d+|promedio de \d+)\b"
    r"|\b折\b|交叉验证|平均值",
    re.I,
)


@dataclass
class _Walk:
    """What is remembered from line to line."""

    label: Role = field(default_factory=Role)
    label_text: str = ""
    owner: str = ""
    aliases: dict[str, str] = field(default_factory=dict)
    title: str = ""
    pooled: dict[tuple[str, ...], str] = field(default_factory=dict)
    headings: tuple[str, ...] = ()
    block: int = 0
    previous: str = "blank"
    code: CodeBlock | None = None
    code_of: int = -1
    html_of: int = -1
    matrix: dict[int, tuple[str, ...]] = field(default_factory=dict)


def draft_claims(text: str, *, title: str = "", source: str = "", form: str = "") -> Draft:
    """Draft the claims of a Markdown report.

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
    if form in ("txt", "log", "") and form and not re.search(r"^(?:#|\|.*\||```)", text, re.M):
        form = "text"
    lines = read_plain(text, form) if form in _FORMS else read_markdown(text)
    commas_separate = form == "json" or (form == "csv" and lines[0].table is not None and lines[0].table.mark == ",")
    sheet = Sheet(decimal="." if commas_separate else _decimal_mark(text))
    first = next((line for line in lines if line.kind == "heading"), None)
    walk = _Walk(title=first.headings[0] if first is not None and first.level == 1 else "")
    for line in lines:
        if (
            line.kind in ("text", "item", "heading")
            and len(line.text) <= MAX_LINE
            and (match := _POOLED.search(line.text))
        ):
            walk.pooled.setdefault(line.headings, match[0])
    seen = 0
    for index, line in enumerate(lines):
        if len(line.text) > (MAX_DATA_LINE if line.language == "json" else MAX_LINE):
            whole = Token(0, len(line.text), f"{line.text[:20]}… ({len(line.text)} characters)", "name")
            if any(char.isdecimal() for char in line.text):
                sheet.exclude(line.number, whole, "a line too long to be part of a report")
            continue
        tokens = scan_line(line.text)
        seen += len(tokens)
        if seen > MAX_TOKENS:
            raise InputError(
                f"{source or 'report'}: more than {MAX_TOKENS} numeric tokens by line {line.number}; this is"
                f" data, not a "
                "report: audit the part that states the results"
            )
        _line(sheet, walk, lines, index, tokens)
        if len(sheet.placed) > MAX_CLAIMS:
            raise InputError(
                f"{source or 'report'}: more than {MAX_CLAIMS} figures by line {line.number}; audit the part"
                f" that states"
                " the results"
            )
        walk.previous = line.kind
    attach(sheet, lines)
    draft = assemble(sheet, title=title or (first.headings[0] if first else ""), source=source)
    return with_context(draft, lines)


def _decimal_mark(text: str) -> str:
    """The decimal mark of the document: a comma only where commas are clearly decimal and points are not."""
    sample = text[:400_000]
    commas = len(re.findall(r"(?<![\d.,])\d{1,3},\d{1,2}(?![\d,])(?!\.\d)(?=\s?%|[\s|)*;.]|$)", sample))
    commas += len(re.findall(r"(?<![\d.,])0,\d+(?![\d,])", sample))
    points = len(re.findall(r"(?<![\d.,])\d{1,3}\.\d{1,2}(?![\d.])(?=\s?%|[\s|)*;,]|$)", sample))
    points += len(re.findall(r"(?<![\d.,])0\.\d+(?![\d.])", sample))
    return "," if commas > points else "."


def _line(sheet: Sheet, walk: _Walk, lines: tuple[Line, ...], index: int, tokens: list[Token]) -> None:
    line = lines[index]
    if line.kind in ("blank", "rule", "fence", "table_rule"):
        walk.code = None if line.kind == "fence" else walk.code
        for token in tokens:
            sheet.exclude(line.number, token, "part of the layout")
        return
    if line.headings != walk.headings:
        walk.headings, walk.label, walk.label_text, walk.owner = line.headings, Role(), "", ""
    if line.kind == "heading":
        _heading(sheet, walk, line, tokens)
    elif line.kind in ("code", "front"):
        if walk.code is None or walk.code_of != line.block:
            walk.block += 1
            walk.code, walk.code_of = CodeBlock.read(lines, index, walk.block), line.block
        place_code(sheet, walk.code, line, tokens, _context(walk, line))
    elif line.kind == "html":
        if walk.html_of != line.block:
            walk.block, walk.html_of = walk.block + 1, line.block
            place_html(sheet, block_lines(lines, index), _context(walk, line), walk.block)
    elif line.kind == "table_header":
        walk.block += 1
        walk.matrix = matrix_labels(lines, index)
        for token in tokens:
            put_aside(sheet, line.number, token, "part of a table header")
    elif line.kind == "table_row" and line.number in walk.matrix:
        labels = ("", *walk.matrix[line.number])
        place_counts(sheet, line, tokens, split_cells(line.text), labels, _context(walk, line))
    elif line.kind == "table_row":
        place_row(sheet, line, tokens, _context(walk, line), walk.block)
        cells = split_cells(line.text, line.table.mark if line.table else "|")
        name = cells[0].text.strip(" *_`") if cells else ""
        if name and len(walk.aliases) < 1000:
            walk.aliases[plain(name).strip()] = name
    else:
        if walk.previous not in (("item", "text") if line.kind == "item" else ("text",)):
            walk.block += 1
        _body(sheet, walk, line, tokens)


def _context(walk: _Walk, line: Line) -> Context:
    """The context that headings and the last label give to a line."""
    inner = line.headings[1:] if line.headings and line.headings[0] == walk.title else line.headings
    context = Context(pooled=_pooled(walk, line), section=inner[0] if inner else "")
    for depth, title in enumerate(line.headings):
        if depth or title != walk.title:
            context = under(context, read_role(title), title)
    if walk.owner and walk.owner != walk.label_text:
        context = replace(under(context, read_role(walk.owner), walk.owner), topic=context.topic)
    if walk.label_text:
        context = under(context, walk.label, walk.label_text)
    return context


def _pooled(walk: _Walk, line: Line) -> str:
    """The words of this section, or of one around it, that say figures are averages over folds, seeds or classes."""
    for depth in range(len(line.headings), -1, -1):
        if words := walk.pooled.get(line.headings[:depth]):
            return words
    return ""


def _heading(sheet: Sheet, walk: _Walk, line: Line, tokens: list[Token]) -> None:
    number = _HEADING_NUMBER.match(line.text.replace("###", "### ", 1) if re.match(r"#+\d", line.text) else line.text)
    rest = []
    for token in tokens:
        if number and number[1] and token is tokens[0] and token.start <= len(line.text) - len(line.text.lstrip("# ")):
            sheet.exclude(line.number, token, "a heading number")
        elif token.kind == "number" and not read_role(line.text).metrics:
            sheet.exclude(line.number, token, "part of a heading")
        else:
            rest.append(token)
    if rest:
        context = replace(_context(walk, line), topic="")
        place_prose(sheet, line.number, line.text, rest, context)


def _body(sheet: Sheet, walk: _Walk, line: Line, tokens: list[Token]) -> None:
    """A paragraph line or a list item: a label with its value, or prose."""
    text = line.text
    bullet = _BULLET.match(text)
    start = bullet.end() if bullet else len(text) - len(text.lstrip())
    if bullet and bullet[1] and tokens and tokens[0].start <= bullet.start(1) < tokens[0].end:
        sheet.exclude(line.number, tokens[0], "a list number")
        tokens = tokens[1:]
    match = _LABEL.match(text[start:])
    label_text = match[1] if match else ""
    label_end = start + match.end() if match else start
    if place_log(sheet, line.number, text, tokens, _context(walk, line), walk.block):
        return
    if match and any(token.start < start + match.end(1) and token.kind == "number" for token in tokens):
        match = None  # a figure before the colon: prose
    bold = text[start:].startswith(("**", "__")) and text.rstrip().endswith(("**", "__", ":", "**:", ")", "："))
    if not tokens or (
        all(token.end <= label_end for token in tokens if token.kind != "number")
        and not any(token.kind == "number" for token in tokens)
    ):
        for token in tokens:
            set_aside(sheet, line.number, token)
        if (match and not text[label_end:].strip(" *_`")) or (bold and line.kind == "text"):
            _set_label(walk, label_text or text[start:])
        return
    if match:
        _labelled(sheet, walk, line, label_text, label_end, tokens)
        if line.kind == "text" and bold and not text[label_end:].strip(" *_`"):
            _set_label(walk, label_text)
        return
    context = _context(walk, line)
    if bold and line.kind == "text" and not read_role(text).metrics:
        for token in tokens:
            put_aside(sheet, line.number, token, "part of a title")
        _set_label(walk, text[start:])
        return
    shares = _SHARES.match(text)
    if shares and re.search(
        r"feature|importance|importancia|重要性", plain(" ".join([*line.headings[1:], walk.label_text]))
    ):
        for token in tokens:
            if not set_aside(sheet, line.number, token):
                name = re.split(r"[(]", text[start:])[0].strip(" *`")
                sheet.claim(
                    line.number, text, token, "feature_importance", replace(context, label=name), block=walk.block
                )
        return
    place_prose(sheet, line.number, text, tokens, replace(context, topic=""), block=walk.block)


def _set_label(walk: _Walk, text: str) -> None:
    """A title line names what follows, until the next title or heading; a run that it names outlives plain titles."""
    clean = text.strip(" *_`:：#")
    walk.label, walk.label_text = read_role(clean), clean
    role = walk.label
    if (role.entity or role.earlier) and not role.metrics and not role.setting:
        bracket = re.search(r"[(（]([^()（）]+)[)）]", clean)
        alias = walk.aliases.get(plain(bracket[1]).strip()) if bracket else None
        if alias:
            walk.label, walk.label_text = read_role(alias), alias
        walk.owner = walk.label_text
    walk.block += 1


def _labelled(sheet: Sheet, walk: _Walk, line: Line, label: str, label_end: int, tokens: list[Token]) -> None:
    """``Label: value …``: the first figure is the label's, the others are prose about it."""
    context = _context(walk, line)
    role = read_role(label.strip(" *_`"))
    inside = [token for token in tokens if token.start < label_end]
    values = [token for token in tokens if token.start >= label_end]
    for token in inside:
        put_aside(sheet, line.number, token, "part of a label")
    metric = label_metric(role, label, context, line.text[label_end:])
    own_split = role.split and (metric or role.split != "train" or _TRAIN_ROWS.search(label))
    local = replace(
        in_units(context, label) if metric else context,
        split=role.split if own_split else context.split,
        label=" / ".join(role.labels) if role.labels and not context.label else context.label,
        goal=context.goal or (role.goal and not re.search(r"\bminimum|\bmin\b", plain(label))),
        group=(*context.group, role.earlier) if role.earlier and (metric or role.metrics) else context.group,
        topic=metric or role.metric,
        at=role.at or context.at,
        settings=context.settings or (role.setting and not metric),
    )
    if not metric:
        local = replace(local, topic=role.metric)
        figures = [token for token in values if not set_aside(sheet, line.number, token)]
        share = _split_share(label, figures, line.text)
        if share:
            sheet.claim(
                line.number,
                line.text,
                figures[0],
                "split_share",
                replace(local, split="", label=share),
                block=walk.block,
            )
        elif (local.settings or role.setting) and not mentions(plain(line.text[label_end:])):
            for token in figures:
                sheet.exclude(line.number, token, "a hyperparameter or setting")
        else:
            place_prose(sheet, line.number, line.text, figures, local, block=walk.block)
        return
    if metric == "class_share" and sum(token.kind == "number" for token in values) > 1:
        place_prose(sheet, line.number, line.text, values, local, block=walk.block)
        return
    first = next((token for token in values if token.kind == "number"), None)
    lead = line.text[label_end : first.start] if first else ""
    formula = first is not None and re.match(r"\s*[×*]\s*[\d(]", line.text[first.end :])
    if first is None or formula or (len(lead) > 24 and not re.search(r"[(]\s*[*_`]*$", lead)) or _named_part(lead):
        place_prose(sheet, line.number, line.text, values, local, block=walk.block)
        return
    aside = [token for token in values if token.start < first.start]
    for token in aside:
        set_aside(sheet, line.number, token)
    rest = [token for token in values if token.start > first.start]
    splits = local.label.split(" / ") if " / " in local.label else []
    if splits and len(rest) + 1 == len(splits):
        for token, name in zip([first, *rest], splits, strict=True):
            sheet.claim(line.number, line.text, token, metric, replace(local, label=name), block=walk.block)
        return
    if rest and re.fullmatch(r"[\s*_`]*(?:→|->|=>|â†’)[\s*_`]*", line.text[first.end : rest[0].start]):
        place_prose(sheet, line.number, line.text, [first, *rest], local, block=walk.block)
        return
    bracket = re.match(r"[\s*_`]*\[\s*$", lead) and len(rest) == 1 and line.text[rest[0].end : rest[0].end + 1] == "]"
    if bracket:
        for token, end in zip([first, *rest], ("target_low", "target_high"), strict=True):
            sheet.claim(line.number, line.text, token, end, local, block=walk.block)
        return
    if METRICS[metric].kind == "loss" and "%" in first.text:
        place_prose(sheet, line.number, line.text, [first, *rest], local, block=walk.block)
        return
    if (
        first.text.endswith(("×", "x"))
        and METRICS[metric].kind not in ("ratio", "other", "level")
        and metric != "turnover"
    ):
        metric = "multiple"
    basis = re.match(r"[\s*_`]*\(?(?:gross|before costs)\b", plain(line.text[first.end : first.end + 16]))
    if basis and metric in ("sharpe", "annual_return"):
        metric += "_gross"
    sheet.claim(line.number, line.text, first, metric, local, block=walk.block, unit=label_unit(label, first.text))
    if rest:
        place_prose(sheet, line.number, line.text, rest, local, block=walk.block)


def _split_share(label: str, figures: list[Token], text: str) -> str:
    """The split whose share a line states ("Training Set: 60% of data"), or ``""``."""
    if len(figures) != 1 or not figures[0].text.endswith("%"):
        return ""
    name = re.fullmatch(r"\s*(training|train|validation|val|test|holdout)(?: set| split| data)?\s*", plain(label))
    return SPLIT_NAMES[name[1]] if name and re.match(r"\s*(?:of\b|$|\()", text[figures[0].end :]) else ""


def _named_part(lead: str) -> bool:
    return re.search(r"\b(?:config|phase|epoch|top|option|layer)\s*$", plain(lead)) is not None
