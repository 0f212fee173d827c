"""Figures in tables: the metric is named by the column or by the row; the other names the run, split or class."""

from __future__ import annotations

import re
from dataclasses import replace

from results.audit.asides import put_aside, set_aside
from results.audit.context import bare_loss
from results.audit.markdown import Cell, Line, split_cells
from results.audit.naming import plain
from results.audit.prose import place_prose
from results.audit.roles import Role, read_role
from results.audit.sheet import Context, Sheet
from results.audit.tokens import Token

__all__ = ["place_cells", "place_row"]

_SETTING_TABLE = re.compile(
    r"\b(?:hyperparameter|parameter|setting|config key|option|parametro|hiperparametro|参数|超参数)s?\b"
)
_CLASS_HEADER = re.compile(r"\b(?:class|label|signal|action|category|classe|clase|direction|类别|标签)\b|类别")
_PLAIN_VALUE = re.compile(
    r"^\s*(?:value|result|score|ours|our|final|current|this model|model|valor|resultado|数值|值|结果|结果值|actual"
    r"|measured|reported"
    r"|observed|best|performance|strategy|estrategia|portfolio|carteira|cartera|策略|)\s*$"
)
_CHANGE_HEADER = re.compile(
    r"\b(?:improvement|change|delta|gain|uplift|diff|difference|reduction|melhoria|mejora|variacao|cambio)\b|[δ∆]|提升|变化"
)
_NOTE_HEADER = re.compile(
    r"\b(?:interpretation|description|notes?|comment|status|meaning|remarks?|descricao|descripcion|observacao"
    r"|说明|备注|comments)\b"
)


def place_row(sheet: Sheet, line: Line, tokens: list[Token], context: Context, block: int) -> None:
    """Place the figures of one row of a Markdown table."""
    if line.table is None:
        return
    place_cells(sheet, line, tokens, line.table.header, split_cells(line.text, line.table.mark), context, block)


def place_cells(
    sheet: Sheet,
    line: Line,
    tokens: list[Token],
    header: tuple[Cell, ...],
    cells: tuple[Cell, ...],
    context: Context,
    block: int,
) -> None:
    """Place the figures of one row, given the header's cells and the row's.

    Parameters
    ----------
    sheet : the draft.
    line : the row.
    tokens : its numeric tokens.
    header, cells : the cells of header and row, in the same order.
    context : what stands around the table.
    block : number of the table.

    """
    heads = [read_role(cell.text) for cell in header]
    if any(role.metric in ("f1", "accuracy") for role in heads):
        heads = [_abbreviated(role, cell.text) for role, cell in zip(heads, header, strict=True)]
    first = cells[0].text if cells else ""
    row = read_role(first)
    in_columns = any(role.metric for role in heads[1:])
    settings = bool(_SETTING_TABLE.search(plain(header[0].text if header else ""))) and not in_columns
    by_column: list[list[Token]] = [[] for _ in cells]
    for token in tokens:
        column = max((i for i, cell in enumerate(cells) if cell.column <= token.end - 1), default=0)
        by_column[column].append(token)
    placed: dict[int, int] = {}
    for column, mine in enumerate(by_column):
        if not mine:
            continue
        head = heads[column] if column < len(heads) else Role()
        title = header[column].text if column < len(header) else ""
        if column == 0:
            for token in mine:
                put_aside(sheet, line.number, token, "the row's own label")
            continue
        metric = _cell_metric(row, head, first, in_columns)
        if not metric:
            split = head.split or row.split or context.split
            metric = bare_loss(title, split) or bare_loss(first, split)
        if settings or (context.settings and not metric) or (in_columns and head.setting and not head.metric):
            for token in mine:
                put_aside(sheet, line.number, token, "a hyperparameter or setting")
            continue
        corner = plain(header[0].text) if header else ""
        if metric in ("precision", "recall", "f1") and not in_columns:
            metric += "_macro" if "macro" in corner else "_weighted" if "weighted" in corner else ""
        local = _cell_context(context, row, head, header, first, title, in_columns)
        if metric == "std":
            local = replace(local, label=head.metric)
        _cell(sheet, line, mine, cells[column], metric, replace(local, topic=metric), title, placed, column, block)


_SHORT_NAMES = {"p": "precision", "prec": "precision", "r": "recall", "rec": "recall"}


def _abbreviated(role: Role, title: str) -> Role:
    """``P`` and ``R`` beside an F1 column are precision and recall."""
    name = _SHORT_NAMES.get(plain(title).strip(" ."))
    return role if name is None or role.metrics else read_role(name)


def _cell_metric(row: Role, head: Role, first: str, in_columns: bool) -> str:
    """The metric of a cell: the column's, or the row's; averages of a class table have names of their own."""
    metric = head.metric if in_columns else row.metric
    if in_columns and row.statistic == "std" and not row.metrics and metric not in ("", "ic", "rank_ic"):
        return "std"
    if in_columns:
        folded = plain(first)
        average = "macro" if "macro" in folded else "weighted" if "weighted" in folded or "ponder" in folded else ""
        if average and metric in ("precision", "recall", "f1"):
            return f"{metric}_{average}"
        if row.metric == "accuracy" and metric in ("precision", "recall", "f1"):
            return "accuracy"
        if not metric and row.metric:
            return row.metric
    if metric in ("ic", "rank_ic") and (row.statistic in ("std", "minimum", "maximum") or head.statistic == "std"):
        return {"std": "ic_std", "minimum": "ic_min", "maximum": "ic_max"}[row.statistic or head.statistic]
    return metric


def _cell_context(
    context: Context, row: Role, head: Role, header: tuple[Cell, ...], first: str, title: str, in_columns: bool
) -> Context:
    entity, other = (row, head) if in_columns else (head, row)
    name = first if in_columns else title
    split = other.split or entity.split or context.split
    label, at, group, goal = (
        context.label,
        context.at,
        context.group,
        context.goal or head.goal or (in_columns and row.goal),
    )
    if in_columns:
        kind = plain(header[0].text) if header else ""
        number = re.fullmatch(r"\s*[*_`]*(\d{1,4})[*_`]*\s*", first)
        if re.search(r"\b(?:epoch|fold|year|month|period|quarter|week|date|epoca|ano|年份|折|时期|window|seed)", kind):
            at = f"{kind.strip(' *')} {first.strip(' *_`')}"
        elif number:
            at = f"{kind.strip(' *') or 'row'} {number[1]}"
        elif row.metric:
            pass
        elif (row.labels and not row.entity) or (
            _CLASS_HEADER.search(kind) and not re.search(r"macro|weighted|avg|overall|ponder", plain(first))
        ):
            label = first.strip(" *_`")
        elif row.split and not row.entity:
            split = row.split
        elif re.search(r"macro|weighted|avg|overall|accuracy", plain(first)):
            pass
        elif first.strip(" *_`"):
            group = (*group, plain(first).strip())
    else:
        if row.labels and not label:
            label = " / ".join(row.labels)
        if head.at and not head.metric:
            at = head.at
        if head.earlier:
            group = (*group, head.earlier)
        elif (
            not head.split
            and not _PLAIN_VALUE.match(plain(name))
            and not _CHANGE_HEADER.search(plain(name))
            and not (_NOTE_HEADER.search(plain(name)) or head.goal or head.labels)
        ):
            group = (*group, plain(name).strip()) if plain(name).strip() else group
        elif head.labels and not label:
            label = head.labels[0]
    return replace(context, split=split, label=label, at=at, group=group, goal=goal)


def _cell(
    sheet: Sheet,
    line: Line,
    mine: list[Token],
    cell: Cell,
    metric: str,
    local: Context,
    title: str,
    placed: dict[int, int],
    column: int,
    block: int,
) -> None:
    """One cell: a bare figure is the metric's value; anything longer is prose about it."""
    figures = [token for token in mine if token.kind == "number"]
    first = figures[0] if figures else None
    starts = first is not None and not cell.text[: max(0, first.start - cell.column)].strip(" *_`")
    unit = (
        "percent"
        if re.search(r"\(%\)|[(,\s]%|percent|\bpct\b|（%）", title) and first and "%" not in first.text
        else ""
    )
    if first is None or not metric or not starts or _NOTE_HEADER.search(plain(title)):
        if metric and starts and first is not None and not _NOTE_HEADER.search(plain(title)):
            pass
        else:
            place_prose(sheet, line.number, line.text, mine, local, block=block)
            return
    for token in mine:
        if token.kind != "number":
            set_aside(sheet, line.number, token)
    if _CHANGE_HEADER.search(plain(title)):
        index = sheet.claim(
            line.number,
            line.text,
            first,
            "multiple" if first.text.endswith(("×", "x")) else "change",
            replace(local, goal=False),
            block=block,
        )
        pair = [placed[key] for key in sorted(placed) if key < column and sheet.placed[placed[key]].metric == metric]
        rest = [t for t in figures if t is not first]
        stated = len(rest) == 1 and re.search(r"\b(?:from|vs\.?|over|de)\s*$", plain(line.text[: rest[0].start]))
        if stated:
            start = sheet.claim(
                line.number,
                line.text,
                rest[0],
                metric,
                replace(local, group=(*local.group, "before"), goal=False),
                block=block,
            )
            pair = [start, *pair[:1]] if start is not None else []
        elif rest:
            place_prose(
                sheet, line.number, line.text, rest, replace(local, group=(*local.group, "before")), block=block
            )
        if index is not None and len(pair) == 2 and sheet.placed[index].metric == "change":
            inputs = tuple(pair) if stated else _oriented(sheet, pair)
            sheet.placed[index].relation, sheet.placed[index].inputs = "change", inputs
        return
    if re.match(r"\s*\(?random", plain(line.text[first.end : first.end + 10])):
        metric = "random_baseline"
    index = sheet.claim(line.number, line.text, first, metric, local, block=block, unit=unit)
    if index is not None:
        placed[column] = index
    rest = [token for token in figures if token is not first]
    if rest:
        place_prose(sheet, line.number, line.text, rest, local, block=block)


def _oriented(sheet: Sheet, pair: list[int]) -> tuple[int, ...]:
    """From and to: the baseline first, wherever its column stands."""
    first, second = pair
    words = [read_role(" ".join(sheet.placed[index].context.group)).earlier for index in pair]
    return (second, first) if words[1] and not words[0] else (first, second)
