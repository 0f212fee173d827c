"""Figures in fenced blocks and front matter: key-value lines, JSON and YAML, tables set with blanks, and code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from results.audit.asides import put_aside, set_aside
from results.audit.context import SPLIT_NAMES, bare_loss, label_metric, under
from results.audit.markdown import Cell, Line
from results.audit.naming import plain
from results.audit.prose import place_prose
from results.audit.roles import Role, is_setting, read_role, statistic_of
from results.audit.sheet import Context, Sheet
from results.audit.tables import place_cells
from results.audit.tokens import Token

__all__ = ["CodeBlock", "place_code", "place_log"]

_DATA = {"json", "yaml", "yml", "toml", "ini", "jsonc", "json5"}
_TEXT = {"", "text", "txt", "plain", "console", "output", "log", "plaintext", "results", "markdown", "md", "none"}
_KEY = re.compile(r"""["']?([^\W\d][\w .\-/²%()]*?)["']?\s*(?::|=)\s*["']?$""")
_GAPS = re.compile(r"\S+(?:[ ]\S+)*")
_PROGRAM = re.compile(
    r"[;{}]\s*$|^\s*(?:def|class|import|from|return|for|if|with|while|print|elif|else|try)\b|\)\s*$|\w\(|=="
    r"|\[:|→|↓|├|└|│|→"
)


@dataclass
class CodeBlock:
    """A fenced block: its language, what kind of text it holds, and the keys and labels open at the current line."""

    kind: str
    number: int
    header: tuple[Cell, ...] = ()
    header_line: int = 0
    keys: list[tuple[int, str]] = field(default_factory=list)
    label: str = ""
    label_indent: int = -1
    named: str = ""

    @classmethod
    def read(cls, lines: tuple[Line, ...], index: int, number: int) -> CodeBlock:
        """Look at the whole block once and decide what it is."""
        line = lines[index]
        if line.kind == "front":
            return cls("data", number)
        language = line.language
        body = []
        for other in lines[index : index + 400]:
            if other.kind != "code" or other.block != line.block:
                break
            body.append(other)
        header, at = _spaced_header(body)
        if language in _DATA or (
            language in _TEXT and body and body[0].text.strip()[:1] in ("{", "[") and len(body) > 1
        ):
            return cls("data", number)
        if language not in _TEXT:
            return cls("code", number)
        if header:
            return cls("table", number, header, at)
        return cls("text", number)


def _spaced_header(body: list[Line]) -> tuple[tuple[Cell, ...], int]:
    """The header of a table set with blanks: columns that name metrics, or any over a line of dashes; figures below."""
    for position, line in enumerate(body[:12]):
        cells = tuple(Cell(match[0].strip(), match.start()) for match in _GAPS.finditer(line.text))
        named = [cell for cell in cells if read_role(cell.text).metrics]
        under = body[position + 1].text.strip() if position + 1 < len(body) else ""
        ruled = len(cells) >= 2 and len(under.split()) >= 2 and not under.replace("-", "").replace("=", "").split()
        figures = any(char.isdecimal() and not re.search(r"f1|r2", plain(line.text)) for char in line.text)
        if figures or not (ruled or len(named) >= 2):
            continue
        if any(re.search(r"\d\S*\s{2,}\S*\d", below.text) for below in body[position + 1 : position + 12]):
            return cells, line.number
    return (), 0


_LOG = re.compile(r"^\s*\[?\s*epoch\s*[:#]?\s*(\d+)(?:\s*/\s*\d+)?", re.I)


def place_log(sheet: Sheet, number: int, text: str, tokens: list[Token], context: Context, block: int) -> bool:
    """Place the figures of a line of a training log (``Epoch 3/30 - loss: 0.61 - val_acc: 0.58``).

    Returns
    -------
    Whether the line is one; if not, nothing is placed.

    """
    head = _LOG.match(text)
    if head is None:
        return False
    before = [text[max(0, token.start - 40) : token.start] for token in tokens]
    keys = [re.search(r"([A-Za-z_][\w ]{0,30}?)\s*[:=]\s*$", piece) for piece in before]
    if sum(key is not None for key in keys) < 2:
        return False
    for token, key in zip(tokens, keys, strict=True):
        if token.start < head.end() or key is None:
            put_aside(sheet, number, token, "the epoch or a setting of a training log")
            continue
        if set_aside(sheet, number, token):
            continue
        name = key[1].replace("_", " ").strip()
        role = read_role(name)
        split = role.split or "train"
        metric = bare_loss(name.removeprefix("val ").removeprefix("test ").removeprefix("train "), split) or role.metric
        if metric:
            local = replace(context, at=f"epoch {head[1]}", split=split, topic="", settings=False)
            sheet.claim(number, text, token, metric, local, block=block)
        else:
            sheet.exclude(number, token, "a setting in a training log")
    return True


def place_code(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    """Place the figures of one line of a fenced block or of front matter."""
    if block.kind == "data":
        _data_line(sheet, block, line, tokens, context)
    elif block.kind == "code":
        _code_line(sheet, block, line, tokens, context)
    elif block.kind == "table" and line.number >= block.header_line:
        _spaced_row(sheet, block, line, tokens, context)
    else:
        _text_line(sheet, block, line, tokens, context)


def _spaced_row(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    if line.number == block.header_line:
        for token in tokens:
            put_aside(sheet, line.number, token, "part of a table header")
        return
    if not tokens:
        return
    header = list(block.header)
    lead = re.match(r"\s*", line.text)
    begins = len(lead[0]) if lead else 0
    first_is_label = not line.text.strip()[:1].isdecimal()
    indented = header[0].column >= 8 > begins
    if first_is_label and (
        indented or read_role(header[0].text).metrics or len(header) == sum(t.kind == "number" for t in tokens)
    ):
        header.insert(0, Cell("class", 0))
    columns: list[tuple[int, str]] = []
    label_end = begins
    if first_is_label:
        match = re.match(r"\s*\S+(?:[ ]\S+)*?(?=\s{2,}|$)", line.text)
        label_end = match.end() if match else begins
        columns.append((0, line.text[:label_end].strip()))
        header_rest = header[1:]
    else:
        header_rest = header
    used: set[int] = set()
    for token in tokens:
        if token.start < label_end:
            continue
        best = min(
            (index for index in range(len(header_rest)) if index not in used),
            key=lambda index: _distance(token, header_rest[index]),
            default=None,
        )
        if best is None:
            continue
        used.add(best)
        columns.append((best + (1 if first_is_label else 0), token.text))
    cells, heads = [], []
    ordered = [token for token in tokens if token.start >= label_end]
    if first_is_label:
        cells.append(Cell(columns[0][1], begins))
        heads.append(header[0])
    for (index, _), token in zip(columns[1 if first_is_label else 0 :], ordered, strict=False):
        cells.append(Cell(token.text, token.start))
        heads.append(header[index])
    place_cells(sheet, line, tokens, tuple(heads), tuple(cells), context, block.number)


def _distance(token: Token, head: Cell) -> float:
    """How far a figure stands from a column's header: nothing where they overlap; right edges decide otherwise."""
    end = head.column + len(head.text)
    if token.start < end and head.column < token.end:
        return abs(token.end - end) / 100
    return min(abs(token.end - end), abs(token.start - head.column))


def _data_line(sheet: Sheet, block: CodeBlock, line: Line, tokens: list[Token], context: Context) -> None:
    """JSON, YAML or INI: keys name the metric, parent keys the split and the run."""
    text = line.text
    indent = len(text) - len(text.lstrip())
    while block.keys and block.keys[-1][0] >= indent and not text.strip().startswith(("}", "]")):
        block.keys.pop()
    opening = re.match(r"""\s*(?:-\s*)?["']?([\w .\-/]+?)["']?\s*[:=]\s*[\[{]?\s*(?:#.*)?$""", text)
    kind = re.match(r"""\s*-?\s*["']?(?:type|name|metric)["']?\s*:\s*["']?([\w \-.@]+)""", text)
    if kind:
        block.named = kind[1]
    for token in tokens:
        if set_aside(sheet, line.number, token):
            continue
        key = _KEY.search(_without_values(text[: token.start]))
        name = key[1].strip() if key else ""
        if not name:
            reason = (
                "a comment"
                if "#" in text[: token.start] or "//" in text[: token.start]
                else "an unnamed value in a data block"
            )
            sheet.exclude(line.number, token, reason)
            continue
        local = context
        for _, parent in block.keys:
            local = _data_parent(local, parent)
        inline = re.match(r"""\s*["']?([\w .\-]+?)["']?\s*:\s*\{""", text)
        topic = read_role(inline[1]) if inline and inline[1] != name else Role()
        share = re.fullmatch(r"(train|training|validation|val|test)[ _](?:split|size|ratio|share)", name.lower())
        if share and re.fullmatch(r"0?\.\d+|\d{1,2}%", token.text):
            sheet.claim(
                line.number,
                text,
                token,
                "split_share",
                replace(local, split="", topic="", label=SPLIT_NAMES[share[1]]),
                block=block.number,
            )
            continue
        metric, role = _data_metric(name if name != "value" else block.named, topic, inline[1] if inline else "", local)
        local = replace(local, split=role.split or local.split, topic="")
        if metric:
            sheet.claim(line.number, text, token, metric, local, block=block.number, **_percent_unit(name, token))
        else:
            sheet.exclude(line.number, token, _data_reason(name, context))
    if opening and not tokens:
        block.keys.append((indent, opening[1]))


def _without_values(head: str) -> str:
    return head[max(head.rfind(","), head.rfind("{")) + 1 :]


def _data_parent(context: Context, key: str) -> Context:
    role = read_role(key.replace("_", " "))
    return replace(
        context,
        split=role.split or context.split,
        group=(*context.group, role.entity) if role.entity and not role.metrics and not role.split else context.group,
        topic=role.metric or context.topic,
        settings=context.settings or role.setting or re.search(r"param|config|setting", plain(key)) is not None,
    )


def _data_metric(name: str, topic: Role, parent: str, context: Context) -> tuple[str, Role]:
    role = read_role(name.replace("_", " "))
    if loss := bare_loss(name.replace("_", " "), role.split or context.split):
        return loss, role
    if role.metric == "epochs_run" and not re.search(r"trained|run|ran|complet", plain(name)):
        return "", role
    if role.metric in ("ic", "rank_ic") and role.statistic in ("std", "minimum", "maximum"):
        return statistic_of(role.metric, role.statistic), role
    if role.metric and not (context.settings and is_setting(plain(name))):
        if context.settings and role.metric in ("alpha", "beta", "n_samples", "leverage", "cost_rate", "turnover"):
            return "", role
        return role.metric, role
    if role.statistic and re.search(r"range|limits|bounds", plain(parent)):
        return statistic_of("range", role.statistic), role
    if role.statistic and (topic.metric or context.topic):
        return statistic_of(topic.metric or context.topic, role.statistic), role
    return "", role


def _percent_unit(name: str, token: Token) -> dict[str, str]:
    """MAPE and keys that end in pct are printed in percent without the sign."""
    folded = plain(name)
    percent = re.search(r"\bpct\b|percent|\bperc\b", folded) or (
        folded.strip() in ("mape", "smape") and _rough(token.text) > 1
    )
    return {"unit": "percent"} if percent and "%" not in token.text else {}


def _rough(text: str) -> float:
    match = re.search(r"\d+(?:\.\d+)?", text)
    return float(match[0]) if match else 0.0


def _data_reason(name: str, context: Context) -> str:
    if is_setting(plain(name)) or context.settings:
        return "a hyperparameter or setting"
    return f"a value of {name!r}, which is no metric that is known"


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
    if place_log(sheet, line.number, text, tokens, context, block.number):
        return
    indent = len(text) - len(text.lstrip())
    label = re.match(r"^\s*([^:]{1,60}?)\s*:\s*$", text)
    if label and not any(token.kind == "number" for token in tokens):
        for token in tokens:
            set_aside(sheet, line.number, token)
        block.label, block.label_indent = label[1], indent
        return
    if not text.strip():
        return
    local = context
    if block.label and (indent > block.label_indent or block.label_indent == 0):
        local = under(context, read_role(block.label), block.label)
    match = re.match(r"^\s*(?:[-*•]\s*)?([^:=]{1,60}?)\s*[:=]\s*(?=\S)", text)
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


def _part_of_parameters(context: Context, block: CodeBlock, name: str) -> bool:
    return (
        block.named == "parameters"
        and re.search(r"\b(?:layer|weights|embedding|head|bias|lstm|fc|dense|conv)", plain(name)) is not None
    )
