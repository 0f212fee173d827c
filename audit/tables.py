"""Figures in tables: the metric is named by the column or by the row; the other names the run, split or class."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import replace

from assay.audit.asides import put_aside, set_aside
from assay.audit.context import bare_loss, in_units
from assay.audit.markdown import Cell, Line, split_cells
from assay.audit.metrics_vocabulary import METRICS
from assay.audit.naming import plain
from assay.audit.prose import place_prose
from assay.audit.roles import Role, read_role
from assay.audit.row_keys import AVERAGE_ROW, METRIC_HEADER, POSITIONS, key_columns, metric_column, under_keys
from assay.audit.sheet import Context, Placed, Sheet
from assay.audit.tokens import Token

__all__ = ["place_cells", "place_row"]

_SETTING_TABLE = re.compile(
    r"\b(?:hyperparameter|parameter|setting|config key|option|parametro|hiperparametro|参数|超参数)s?\b"
)
_PLAIN_VALUE = re.compile(
    r"^\s*(?:value|result|score|ours|our|final|current|this model|model|valor|resultado|数值|值|结果|结果值|actual"
    r"|measured|reported"
    r"|observed|best|performance|wert|valeur|strategie|strategy|estrategia|portfolio|carteira|cartera|策略|)\s*$"
)
_CHANGE_HEADER = re.compile(
    r"\b(?:improvement|change|delta|gain|uplift|diff|difference|reduction|melhoria|mejora|variacao|cambio)\b|[δ∆]|提升|变化"
)
#: Columns of what is earned beyond a benchmark: their return over their volatility is no Sharpe ratio.
_EXCESS_HEADER = re.compile(r"\b(?:excess|active|over benchmark|relative to|vs benchmark)\b|超额")
_OF_EXCESS = {"annual_return": "excess_return", "sharpe": "information_ratio", "annual_volatility": ""}
_BETTER_HEADER = re.compile(r"\b(?:improvement|gain|uplift|melhoria|mejora|verbesserung|amelioration)\b|提升|改善")
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
    heads = _heads(header)
    if header and not plain(header[0].text).strip() and {"precision", "recall"} <= {role.metric for role in heads}:
        header = (Cell("class", header[0].column), *header[1:])
    named = metric_column(header)
    first = cells[named].text if named < len(cells) else ""
    row = read_role(first)
    titled = sum(bool(role.metric) for role in heads[1:])
    # A portfolio called "Max Sharpe" makes no table of Sharpe ratios where the rows name the metrics.
    few = 2 * titled < len(heads) - 1
    if few and (row.metrics or (header and METRIC_HEADER.match(plain(header[0].text)))):
        sheet.by_rows.add(block)
    in_columns = not named and titled > 0 and block not in sheet.by_rows
    settings = bool(_SETTING_TABLE.search(plain(header[0].text if header else ""))) and not in_columns
    by_column: list[list[Token]] = [[] for _ in cells]
    begins = [cell.column for cell in cells]
    for token in tokens:
        if by_column:
            by_column[max(0, bisect_right(begins, token.end - 1) - 1)].append(token)
    bare = [bool(mine) and mine[0].start <= cell.column + 3 for mine, cell in zip(by_column, cells, strict=True)]
    keys = key_columns(header, heads, cells, bare) if in_columns else [0]
    if named:
        keys = [column for column in key_columns(header, heads, cells, bare) if column != named]
    base = under_keys(context, header, cells, keys) if in_columns or named else context
    average = in_columns and bool(keys) and AVERAGE_ROW.fullmatch(plain(cells[keys[0]].text).strip()) is not None
    if average:
        base = replace(base, pooled=base.pooled or "averaged over the rows above")
    placed: dict[int, int] = {}
    for column, mine in enumerate(by_column):
        if not mine:
            continue
        head = heads[column] if column < len(heads) else Role()
        title = header[column].text if column < len(header) else ""
        if column in keys or (named and column == named):
            for token in mine:
                put_aside(sheet, line.number, token, "the row's own label")
            continue
        metric = _cell_metric(row, head, first, title, in_columns)
        if not metric:
            split = head.split or row.split or base.split
            metric = bare_loss(title, split) or bare_loss(first, split)
        if not metric and in_columns and _RETURN.match(plain(title)) and POSITIONS.search(plain(header[0].text)):
            metric = "total_return"
        if metric == "epochs_run" and not in_columns and _BARE_EPOCHS.fullmatch(plain(first).strip(" *_`")):
            metric = "max_epochs"
        if settings or (context.settings and not metric) or (in_columns and head.setting and not head.metric):
            for token in mine:
                put_aside(sheet, line.number, token, "a hyperparameter or setting")
            continue
        if in_columns and _STEP_HEADER.match(plain(title)) and not metric:
            for token in mine:
                put_aside(sheet, line.number, token, "a step of the training")
            continue
        corner = plain(header[0].text) if header else ""
        if metric in ("precision", "recall", "f1") and not in_columns:
            metric += "_macro" if "macro" in corner else "_weighted" if "weighted" in corner else ""
        if in_columns:
            local = in_units(_of_column(base, row, head, heads), title)
        elif named:
            local = replace(base, split=head.split or row.split or base.split)
        else:
            local = in_units(_of_row(base, row, head, title), first)
            if _EXCESS_HEADER.search(plain(title)):
                metric = _OF_EXCESS.get(metric, metric)
            if head.statistic in ("mean", "median") and not head.metrics:
                local = replace(local, pooled=local.pooled or f"averaged over what the column {title!r} sums up")
        spread = not in_columns and head.statistic == "std" and not head.metrics
        if spread and metric not in ("", "ic", "rank_ic"):
            metric, local = "std", replace(local, label=metric, group=base.group)
        elif metric == "std":
            local = replace(local, label=head.metric)
        index = len(sheet.placed)
        _cell(sheet, line, mine, cells[column], metric, replace(local, topic=metric), title, placed, column, block)
        if average and len(sheet.placed) > index and column in placed and placed[column] == index:
            _tie_mean(sheet, index)


_SHORT_NAMES = {"p": "precision", "prec": "precision", "r": "recall", "rec": "recall"}
_RETURN = re.compile(r"^\W*(?:net )?(?:return|returns|ret|retorno|rendimiento|rendite|rendement|收益率|收益)\W*$")
_STEP_HEADER = re.compile(r"^\W*(?:step|steps|iteration|iter|global step)\W*$")


def _heads(header: tuple[Cell, ...]) -> list[Role]:
    """What the header's cells say, the short names of a score table and the bare names beside ``val_`` read."""
    heads = [read_role(cell.text) for cell in header]
    if any(role.metric in ("f1", "accuracy") for role in heads):
        heads = [_abbreviated(role, cell.text) for role, cell in zip(heads, header, strict=True)]
    if any(plain(cell.text).strip().startswith("val ") for cell in header):
        heads = [
            replace(role, split="train") if not role.split and (role.metric or _is_loss(cell)) else role
            for role, cell in zip(heads, header, strict=True)
        ]
    return heads


def _is_loss(cell: Cell) -> bool:
    return plain(cell.text).strip() == "loss"


def _abbreviated(role: Role, title: str) -> Role:
    """``P`` and ``R`` beside an F1 column are precision and recall, ``n`` is the number of cases."""
    folded = plain(title).strip(" .")
    name = "n samples" if folded == "n" else _SHORT_NAMES.get(folded)
    return role if name is None or role.metrics else read_role(name)


def _cell_metric(row: Role, head: Role, first: str, title: str, in_columns: bool) -> str:
    """The metric of a cell: the column's, or the row's; averages of a class table have names of their own."""
    metric = head.metric if in_columns else row.metric
    if in_columns and row.statistic == "std" and not row.metrics and metric not in ("", "ic", "rank_ic"):
        return "std"
    if in_columns and _OTHER_STATISTIC.fullmatch(plain(first).strip(" *_`")) and not row.metrics and metric:
        named = {"ic": "ic", "rank_ic": "ic"}.get(metric)
        ends = {"minimum": f"{named}_min", "maximum": f"{named}_max", "std": f"{named}_std"}
        return ends.get(row.statistic, "") if named else ""
    if in_columns and not row.entity and (of_both := _STATISTIC_ROWS.get((metric, row.metric))):
        return of_both
    if in_columns:
        folded = plain(first)
        if metric in ("ic", "rank_ic") and _POSITIVE_ROW.fullmatch(folded):
            return "ic_positive_share"
        average = "macro" if "macro" in folded else "weighted" if _WEIGHTED.search(folded) else ""
        if average and metric in ("precision", "recall", "f1"):
            return f"{metric}_{average}"
        if row.metric == "accuracy" and metric in ("precision", "recall", "f1"):
            return "accuracy"
        if not metric and row.metric and (head.split or head.statistic or _PLAIN_VALUE.match(plain(title))):
            return row.metric
    if metric in ("ic", "rank_ic") and (row.statistic in ("std", "minimum", "maximum") or head.statistic == "std"):
        return {"std": "ic_std", "minimum": "ic_min", "maximum": "ic_max"}[row.statistic or head.statistic]
    return metric


#: Rows of statistics under columns of coefficients.
_STATISTIC_ROWS = {
    (metric, statistic): named
    for metric, ratio in (("ic", "icir"), ("rank_ic", "rank_icir"))
    for statistic, named in (
        ("information_ratio", ratio), ("icir", ratio), ("t_statistic", "ic_t"), ("p_value", "p_value"),
        ("skewness", "skewness"), ("kurtosis", "kurtosis"), ("standard_error", "standard_error"),
    )
}  # fmt: skip
#: Rows of a table of statistics that are not the column's figure itself.
_OTHER_STATISTIC = re.compile(
    r"count|n|nobs|n obs|obs|observations|skew\w*|kurt\w*|min\w*|max\w*|median|\d{1,2}(?:st|nd|rd|th|\s?%)|range"
    r"|iqr|var|variance|p value|t stat\w*|t value|sum|总数|最小值|最大值|中位数"
)
_POSITIVE_ROW = re.compile(r"\W*(?:%|share|pct)?\W*(?:> ?0|positive\w*)\W*(?:%|share)?\W*")
_BARE_EPOCHS = re.compile(r"(?:number of |num |n )?epochs|epocas")
_WEIGHTED = re.compile(r"weighted|ponder|gewichtet|加权")


def _of_column(base: Context, row: Role, head: Role, heads: list[Role]) -> Context:
    """The context of a cell whose column names the metric."""
    split = head.split or row.split or base.split
    group = base.group
    named = [other for other in heads if other.metric == head.metric] if head.metric else []
    twins = [other for other in named if other.split == head.split]
    if head.metric and head.entity and len({other.entity for other in twins}) > 1:
        # One metric in several columns: their other words (a data set, a horizon) tell them apart.
        group = (*group, head.entity)
    label = base.label
    if head.labels and len({other.labels for other in twins}) > 1:
        label = base.label or " / ".join(head.labels)
    return replace(base, split=split, group=group, label=label, goal=base.goal or head.goal or row.goal)


def _of_row(context: Context, row: Role, head: Role, title: str) -> Context:
    """The context of a cell whose row names the metric; the column names the run, split or class."""
    label, at, group = context.label, context.at, context.group
    name = plain(title).strip()
    if row.labels and not label:
        label = " / ".join(row.labels)
    if head.at and not head.metric:
        at = head.at
    if head.earlier:
        group = (*group, head.earlier)
    elif not (
        head.split
        or _PLAIN_VALUE.match(plain(title))
        or _CHANGE_HEADER.search(plain(title))
        or _NOTE_HEADER.search(plain(title))
        or head.goal
        or head.labels
    ):
        group = (*group, name) if name else group
    elif head.labels and not label:
        label = head.labels[0]
    split = row.split or head.split or context.split
    return replace(context, split=split, label=label, at=at, group=group, goal=context.goal or head.goal)


def _tie_mean(sheet: Sheet, index: int) -> None:
    """Tie the figure of a row of averages to those of its column above it, where there are three rows or more."""
    mean = sheet.placed[index]
    above = [
        i
        for i, other in enumerate(sheet.placed[:index])
        if other.block == mean.block and other.metric == mean.metric and other.context.split == mean.context.split
    ]
    whole = [i for i in above if sheet.placed[i].value.is_point and sheet.placed[i].relation == ""]
    if len(whole) >= 3 and len(whole) == len(above) and len({sheet.placed[i].line for i in whole}) == len(whole):
        mean.relation, mean.inputs = "mean", tuple(whole)


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
        place_prose(sheet, line.number, line.text, mine, local, block=block)
        return
    for token in mine:
        if token.kind != "number":
            set_aside(sheet, line.number, token)
    if _CHANGE_HEADER.search(plain(title)):
        _change_cell(sheet, line, figures, metric, local, title, placed, column, block)
        return
    if re.match(r"\s*\(?random", plain(line.text[first.end : first.end + 10])):
        metric = "random_baseline"
    index = sheet.claim(line.number, line.text, first, metric, local, block=block, unit=unit)
    if index is not None:
        placed[column] = index
    rest = [token for token in figures if token is not first]
    if rest:
        place_prose(sheet, line.number, line.text, rest, local, block=block)


def _change_cell(
    sheet: Sheet,
    line: Line,
    figures: list[Token],
    metric: str,
    local: Context,
    title: str,
    placed: dict[int, int],
    column: int,
    block: int,
) -> None:
    """A cell under "change" or "improvement": tied to the two figures of its metric left of it, where there are two."""
    first, rest = figures[0], figures[1:]
    pair = [placed[key] for key in sorted(placed) if key < column and sheet.placed[placed[key]].metric == metric]
    plain_figure = not re.search(r"%|pp|bps|[x×]$|percent", first.text + title, re.I)
    in_percent = plain_figure and len(pair) == 2 and all(sheet.placed[i].value.percent for i in pair)
    kind = "difference" if plain_figure and not in_percent else "change"
    if first.text.endswith(("×", "x")):
        kind = "multiple"
    unit = "percent" if in_percent or (kind == "change" and not re.search(r"%|pp|bps", first.text, re.I)) else ""
    local = replace(local, goal=False)
    index = sheet.claim(line.number, line.text, first, kind, local, block=block, unit=unit)
    before = replace(local, group=(*local.group, "before"), goal=False)
    stated = len(rest) == 1 and re.search(r"\b(?:from|vs\.?|over|de)\s*$", plain(line.text[: rest[0].start]))
    if stated:
        start = sheet.claim(line.number, line.text, rest[0], metric, before, block=block)
        pair = [start, *pair[:1]] if start is not None else []
    elif rest:
        place_prose(sheet, line.number, line.text, rest, before, block=block)
    if index is None or len(pair) != 2 or sheet.placed[index].metric == "multiple":
        return
    inputs = tuple(pair) if stated else _oriented(sheet, pair, sheet.placed[index])
    sheet.placed[index].relation, sheet.placed[index].inputs = kind if inputs else "", inputs
    lower_is_better = METRICS[metric].kind in ("error", "loss") or metric in ("brier", "error_rate", "max_drawdown")
    if inputs and kind == "change" and lower_is_better and _BETTER_HEADER.search(plain(title)):
        sheet.placed[index].relation = "reduction"


_EARLIER = re.compile(r"\b(?:control|old|before|without|previous|from|current|vorher|antes|avant)\b")


def _oriented(sheet: Sheet, pair: list[int], change: Placed) -> tuple[int, ...]:
    """From and to: the baseline first, wherever its column stands; where nothing says which, as the figure needs."""
    first, second = pair
    names = [" ".join(sheet.placed[index].context.group) for index in pair]
    words = [bool(read_role(name).earlier or _EARLIER.search(plain(name))) for name in names]
    if words[0] != words[1]:
        return (second, first) if words[1] else (first, second)
    low, high = sheet.placed[first].value.value, sheet.placed[second].value.value
    if min(low, high) <= 0:
        return ()
    return (second, first) if (high - low) * change.value.value < 0 else (first, second)
