"""What a row of a table is about: the cells that name its model, split, class, fold or year, wherever they stand."""

from __future__ import annotations

import re
from dataclasses import replace

from assay.audit.markdown import Cell
from assay.audit.naming import plain
from assay.audit.roles import Role, read_role
from assay.audit.sheet import Context

__all__ = ["AVERAGE_ROW", "METRIC_HEADER", "POSITIONS", "key_columns", "metric_column", "under_keys"]

#: Headers of columns that say where in a sequence a row stands.
POSITIONS = re.compile(
    r"\b(?:epoch|fold|year|month|period|quarter|week|date|epoca|ano|window|seed|trial|step|iteration|jahr|annee|mes)s?\b"
    r"|年份|折|时期"
)
#: Rows for all of the rows above.
_WHOLE = re.compile(
    r"\W*(?:all|total|overall|full|whole|full period|mean|average|avg|median|media|promedio|gesamt|moyenne"
    r"|总计|平均|均值)(?: std| sd|\W)*"
)
#: Rows that average the rows above, with or without a spread.
AVERAGE_ROW = re.compile(r"\W*(?:mean|average|avg|media|promedio|mittelwert|moyenne|平均|均值|平均值)(?: std| sd|\W)*")
#: Headers of columns whose words tell runs apart.
_NAMES_A_RUN = re.compile(
    r"^\W*(?:split|set|subset|dataset|data|partition|stage|phase|model|models|method|algorithm|classifier|estimator"
    r"|strategy|ticker|symbol|asset|stock|market|universe|horizon|variant|config|configuration|target|name|experiment"
    r"|side|direction|scenario|regime|group|run|sample|version|portfolio|factor|class|label|modelo|modell|conjunto"
    r"|datensatz|modele|estrategia|strategie|模型|策略|数据集|股票)\W*$"
)
#: Headers of columns whose cells name metrics.
METRIC_HEADER = re.compile(
    r"^\W*(?:metric|metrics|measure|statistic|score|metrica|kennzahl|indicateur|indicador|metrik|mesure|指标)\W*$"
)
_CLASS_HEADER = re.compile(r"\b(?:class|label|signal|action|category|classe|clase|direction|klasse)\b|类别|标签")
_OVER_CLASSES = re.compile(r"macro|weighted|avg|overall|ponder|accuracy|promedio|media|gewichtet|pondere|micro")
_INDEX_HEADER = re.compile(r"^\W*(?:unnamed \d+|index|rank|id|no|nr|row)?\W*$")


def metric_column(header: tuple[Cell, ...]) -> int:
    """The column whose cells name the metrics of their rows (``model, metric, value``); 0 unless one says so."""
    return next((i for i, cell in enumerate(header) if i and METRIC_HEADER.match(plain(cell.text))), 0)


def key_columns(header: tuple[Cell, ...], heads: list[Role], cells: tuple[Cell, ...], bare: list[bool]) -> list[int]:
    """The columns of a row that name it.

    Parameters
    ----------
    header, heads : the header's cells and what they say.
    cells : the row's cells.
    bare : for each cell, whether a figure stands at its start.

    """
    keys = []
    for column, cell in enumerate(cells):
        head = heads[column] if column < len(heads) else Role()
        title = plain(header[column].text) if column < len(header) else ""
        if column == 0:
            # A column of figures under a metric's name is no label, even the first.
            if not (bare[0] and head.metrics and not POSITIONS.search(title)) and "loss" not in title:
                keys.append(0)
            continue
        place = POSITIONS.fullmatch(title.strip(" *_"))
        named = not head.metrics and not bare[column] and _NAMES_A_RUN.match(title) and cell.text.strip(" -–—*_`")
        if column and (place or named):
            keys.append(column)
    if len(keys) > 1 and 0 in keys and bare[0] and _INDEX_HEADER.match(plain(header[0].text)):
        keys.remove(0)
    return keys


def under_keys(context: Context, header: tuple[Cell, ...], cells: tuple[Cell, ...], keys: list[int]) -> Context:
    """The context of a row whose cells in `keys` name it."""
    for column in keys:
        title = plain(header[column].text) if column < len(header) else ""
        context = _under_key(context, title.strip(" *"), cells[column].text.strip(" *_`"))
    return context


def _under_key(context: Context, title: str, text: str) -> Context:
    role, folded = read_role(text), plain(text).strip()
    number = re.fullmatch(r"\W*(\d{1,6}(?:\.0)?)\W*", text)
    if POSITIONS.search(title):
        if _WHOLE.fullmatch(folded):
            return context
        if context.at and re.search(r"step|iteration|seed", title):
            return context
        kind = next(iter(POSITIONS.findall(title)), "")
        place = folded.removeprefix(kind).strip() if kind and any(map(str.isdecimal, folded)) else text
        split = role.split if role.split and not role.entity else context.split
        return replace(context, at=f"{title} {place.removesuffix('.0')}", split=split)
    if number and _CLASS_HEADER.search(title):
        return replace(context, label=number[1].removesuffix(".0"))
    if number:
        return replace(context, at=f"{title or 'row'} {number[1].removesuffix('.0')}")
    if role.metric == "accuracy" and not role.entity:
        return context
    by_class = _CLASS_HEADER.search(title) and not _OVER_CLASSES.search(folded)
    if (role.labels and not role.entity) or by_class:
        return replace(context, label=text)
    if role.split and not role.entity:
        return replace(context, split=role.split)
    if _OVER_CLASSES.search(folded) or not folded:
        return context
    return replace(context, group=(*context.group, folded))
