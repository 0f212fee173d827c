"""Figures in fenced blocks and front matter: key-value lines, JSON and YAML, tables set with blanks, logs and code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from assay.audit.asides import put_aside, set_aside
from assay.audit.confusions import array_labels, place_counts
from assay.audit.context import label_metric, label_unit, under
from assay.audit.data_blocks import place_data
from assay.audit.data_text import Entry, scan_data
from assay.audit.logs import epoch_of, place_log
from assay.audit.markdown import Cell, Line, block_lines
from assay.audit.naming import plain
from assay.audit.prose import place_prose
from assay.audit.roles import Role, read_role
from assay.audit.sheet import Context, Sheet
from assay.audit.spaced import SpacedRow, spaced_tables
from assay.audit.tables import place_cells
from assay.audit.tokens import Token

__all__ = ["CodeBlock", "place_code"]

_DATA = {"json", "yaml", "yml", "toml", "ini", "jsonc", "json5"}
_TEXT = {"", "text", "txt", "plain", "console", "output", "log", "plaintext", "results", "markdown", "md", "none"}
_PROGRAM = re.compile(
    r"[;{}]\s*$|^\s*(?:def|class|import|from|return|for|if|with|while|print|elif|else|try)\b|\)\s*$|\w\(|=="
    r"|\[:|→|↓|├|└|│|→"
)
_ARRAY = re.compile(r"^\s*(?:array\()?\s*\[[\d\s.,\[\]e+\-]*\]*\)?,?\s*$")
#: A row of a table drawn with bars, as rich, psql and prettytable print it.
_BARRED = re.compile(r"^\s*[|│┃║].*[|│┃║]\s*$")
_BARS = re.compile(r"[|│┃║]")
_ASKED = re.compile(r"^\s*(?:>>>|In \[\d*\]:)\s*(?:print\()?([A-Za-z_][\w.]*)(\([^()]*\))?")


@dataclass
class CodeBlock:
    """A fenced block: what kind of text it holds, what was found in it as a whole, and what is open at this line."""

    kind: str
    number: int
    entries: dict[int, list[Entry]] = field(default_factory=dict)
    tables: dict[int, SpacedRow] = field(default_factory=dict)
    label: str = ""
    label_indent: int = -1
    named: str = ""
    epoch: str = ""
    asked: str = ""
    matrix: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, lines: tuple[Line, ...], index: int, number: int) -> CodeBlock:
        """Look at the whole block once and decide what it is."""
        line = lines[index]
        body = block_lines(lines, index)
        language = line.language
        begins = next((other.text.strip()[:1] for other in body if other.text.strip()), "")
        if line.kind == "front" or language in _DATA or (
            language in _TEXT and begins in ("{", "[") and len(body) > 1 and any('":' in o.text for o in body[:50])
        ):
            found = scan_data([other.text for other in body])
            return cls("data", number, {other.number: e for other, e in zip(body, found, strict=True)})
        if language not in _TEXT:
            return cls("code", number)
        return cls("text", number, tables=spaced_tables(_without_bars(body)))


def _without_bars(lines: list[Line]) -> list[Line]:
    """The lines of a table drawn with bars, the bars blanked so that only columns remain; others as they are."""
    return [replace(line, text=_BARS.sub(" ", line.text)) if _BARRED.match(line.text) else line for line in lines]


def place_code(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    """Place the figures of one line of a fenced block or of front matter."""
    row = block.tables.get(line.number)
    if block.kind == "text" and _BARRED.match(line.text):
        line = replace(line, text=_BARS.sub(" ", line.text))
    if block.kind == "data":
        entries = block.entries.get(line.number, [])
        place_data(sheet, line.number, line.text, tokens, entries, context, block.number)
    elif block.kind == "code":
        _code_line(sheet, block, line, tokens, context)
    elif row is not None and row.cells:
        place_cells(sheet, line, tokens, row.header, row.cells, context, block.number)
    elif row is not None:
        for token in tokens:
            put_aside(sheet, line.number, token, "part of a table header")
    else:
        _text_line(sheet, block, line, tokens, context)


def _code_line(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    """Program text: only quoted keys that name a result are read (a saved checkpoint), the rest is code."""
    for token in tokens:
        if set_aside(sheet, line.number, token):
            continue
        key = re.search(r"""["']([A-Za-z_]\w*)["']\s*:\s*$""", line.text[: token.start])
        role = read_role(key[1].replace("_", " ")) if key else Role()
        metric = role.metric
        if metric == "best_epoch" and key and key[1] == "epoch":
            metric = "best_epoch"
        if metric and metric not in ("n_samples", "alpha", "beta", "epochs_run"):
            sheet.claim(
                line.number,
                line.text,
                token,
                metric,
                replace(context, split=role.split or context.split, topic="", settings=False),
                block=block.number,
            )
        else:
            sheet.exclude(line.number, token, "code")


def _text_line(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    """A fenced block without a language: ``Name: value`` lines under labels set by indentation."""
    text = line.text
    if tokens and (epoch := epoch_of(text)) is not None:
        block.epoch = epoch
    if tokens and place_log(sheet, line.number, text, tokens, context, block.number, epoch=block.epoch):
        return
    if asked := _ASKED.match(text):
        block.asked = f"{asked[1]} {asked[2] or ''}" if asked[2] or "(" in text else ""
    elif text.strip():
        answered, block.asked = block.asked, ""
        block.matrix = [] if not _ARRAY.match(text) else block.matrix if not answered else [answered]
        if answered and _answer(sheet, block, line, tokens, context, answered):
            return
    if tokens and _ARRAY.match(text):
        _array_line(sheet, block, line, tokens, context)
        return
    if tokens and (layer := _LAYER.match(text)):
        _layer_line(sheet, block, line, tokens, context, layer)
        return
    indent = len(text) - len(text.lstrip())
    label = re.match(r"^\s*([^:]{1,60}?)\s*:\s*$", text)
    if label and not any(token.kind == "number" for token in tokens):
        for token in tokens:
            set_aside(sheet, line.number, token)
        block.label, block.label_indent = label[1], indent
        return
    if not tokens:
        return
    local = context
    if block.label and (indent > block.label_indent or block.label_indent == 0):
        local = under(context, read_role(block.label), block.label)
    match = _LABELLED.match(text) or _SET_APART.match(text)
    figures = []
    for token in tokens:
        if match and token.start < match.end():
            put_aside(sheet, line.number, token, "part of a label")
        else:
            figures.append(token)
    if match:
        role = read_role(match[1])
        topic = local.topic if local.topic else ""
        metric = label_metric(role, match[1], replace(local, topic=topic), text[match.end() :])
        if _part_of_parameters(local, block, match[1]):
            metric = "parameters_part"
        value = next((token for token in figures if token.kind == "number"), None)
        lead = text[match.end() : value.start] if value else ""
        if metric and value is not None and len(lead) < 12:
            at = role.at or local.at
            name = match[1].strip() if metric in ("ic_percentile", "parameters_part") else local.label
            sheet.claim(
                line.number,
                text,
                value,
                metric,
                replace(local, at=at, label=name, split=role.split or local.split, topic=metric),
                block=block.number,
                unit=label_unit(match[1], value.text),
            )
            if metric == "parameters":
                block.named = "parameters"
            rest = [token for token in figures if token is not value]
            if rest:
                place_prose(sheet, line.number, text, rest, replace(local, topic=metric), block=block.number)
            return
    if _PROGRAM.search(text) and not (match and read_role(match[1]).metrics):
        for token in figures:
            put_aside(sheet, line.number, token, "code or a diagram")
        return
    place_prose(sheet, line.number, text, figures, replace(local, topic=""), block=block.number)


#: ``Name: value``, and ``Name      value`` set apart with blanks.
_LABELLED = re.compile(r"^\s*(?:[-*•]\s*)?([^:=]{1,60}?)\s*(?:[:=]|\.{3,})\s*(?=\S)")
_SET_APART = re.compile(r"^\s*([^\W\d][^:=]{0,58}?)\s{2,}(?=[~<>]?[+\-−]?[$€£]?\.?\d[\d.,_]*\s?%?[\w/ ]{0,12}$)")


def _array_line(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    """A row of an array: of a confusion matrix where the call above asked for one, else figures without a name."""
    counts = [token for token in tokens if re.fullmatch(r"\d+", token.text)]
    asked = bool(block.matrix) and "confusion" in plain(block.matrix[0])
    if not asked or len(counts) != len(re.findall(r"\d+", line.text)) or len(counts) < 2:
        for token in tokens:
            put_aside(sheet, line.number, token, "one of an array of figures")
        return
    cells = [Cell(token.text, token.start) for token in counts]
    labels = array_labels(len(block.matrix) - 1, len(counts))
    place_counts(sheet, line, counts, cells, labels, replace(context, settings=False))
    block.matrix.append(line.text)


#: A layer of a model summary as Keras prints it: name (Type), output shape, parameters.
_LAYER = re.compile(r"^\s*(\w[\w.\-]*\s?\([A-Z]\w*(?:\s[\w ]*)?\)?)\s+\[?\(.*?\)\]?\s+(\d[\d,]*)(?:\s|$)")


def _layer_line(
    sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context, layer: re.Match[str]
) -> None:
    """A layer of a model summary: its parameters are a part of the model's."""
    for token in tokens:
        if token.kind == "number" and layer.start(2) <= token.start < layer.end(2):
            local = replace(context, label=" ".join(layer[1].split()), topic="", settings=False)
            words = "a layer of the printed summary"
            sheet.claim(line.number, line.text, token, "parameters_part", local, block=block.number, definition=words)
        else:
            put_aside(sheet, line.number, token, "part of a layer's name or shape")


def _answer(
    sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context, asked: str
) -> bool:
    """Place the one figure that an interpreter printed below a call named like a metric."""
    name = asked.split("(")[0].rsplit(".", 1)[-1].replace("_", " ")
    average = re.search(r"average\s*=\s*[\"'](macro|weighted|micro)", asked)
    metric = read_role(name).metric
    alone = len(tokens) == 1 and tokens[0].kind == "number" and not line.text.replace(tokens[0].text, "").strip("() ")
    if not metric or not alone:
        return False
    if average and metric in ("precision", "recall", "f1"):
        metric = f"{metric}_{average[1]}"
    sheet.claim(line.number, line.text, tokens[0], metric, context, block=block.number)
    return True


def _part_of_parameters(context: Context, block: CodeBlock, name: str) -> bool:
    return (
        block.named == "parameters"
        and re.search(r"\b(?:layer|weights|embedding|head|bias|lstm|fc|dense|conv)", plain(name)) is not None
    )
