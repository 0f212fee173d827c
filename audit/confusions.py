"""Printed confusion matrices: tables of counts with the classes on both sides, and arrays below a call that asks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assay.audit.asides import put_aside
from assay.audit.markdown import Cell, Line, split_cells
from assay.audit.naming import plain
from assay.audit.sheet import Context, Sheet
from assay.audit.tokens import Token

__all__ = ["JOINT", "array_labels", "matrix_labels", "place_counts"]

#: What stands between the true and the predicted class in the label of a count.
JOINT = " / "
_PREDICTED = re.compile(r"\b(?:pred(?:icted|ictions?|icao|icho|iccion)?|previsto|predito|vorhersage|predit)\b|预测")
_TRUE = re.compile(r"\b(?:true|actual|real|observed|truth|tatsachlich|reel|verdadero|verdadeiro)\b|实际|真实")
_WORDS = re.compile(
    r"\b(?:pred(?:icted|ictions?|icao|iccion)?|previsto|predito|predit|true|actual|real|observed|truth|class|label"
    r"|verdadero|verdadeiro|tatsachlich|vorhersage|reel)\b|预测|实际|真实"
)
_COUNT = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")
_LARGEST = 30


def _name(text: str) -> str:
    """The class that a header or a label of a matrix names."""
    kept = text.strip(" *_`")
    folded = plain(kept)
    for match in reversed(list(_WORDS.finditer(folded))):
        kept = kept[: match.start()] + kept[match.end() :]
    return kept.strip(" :=()-–\\/*_`")


def matrix_labels(lines: Sequence[Line], index: int) -> dict[int, tuple[str, ...]]:
    """The labels of the counts of each row of a table that is a confusion matrix, by line number; else nothing.

    Parameters
    ----------
    lines : the document.
    index : the line of the table's header.

    Returns
    -------
    dict of line number to one label ``"true / predicted"`` a column after the first; a total has the label ``""``.

    """
    header = split_cells(lines[index].text)
    rows: list[tuple[int, tuple[Cell, ...]]] = []
    for line in lines[index + 1 : index + _LARGEST + 4]:
        if line.kind == "table_row" and line.table is not None and line.table.header_line == lines[index].number:
            rows.append((line.number, split_cells(line.text)))
        elif line.kind != "table_rule":
            break
    return _labels(header, rows)


def _labels(header: tuple[Cell, ...], rows: list[tuple[int, tuple[Cell, ...]]]) -> dict[int, tuple[str, ...]]:
    above = [_name(cell.text) for cell in header[1:]]
    beside = [_name(cells[0].text) if cells else "" for _, cells in rows]
    heads, sides = plain(" ".join(cell.text for cell in header)), plain(" ".join(c[0].text for _, c in rows if c))
    if not (_PREDICTED.search(heads + sides) or (_TRUE.search(heads) and _TRUE.search(sides))):
        return {}
    classes = [name for name in above if not re.fullmatch(r"total|sum|all|recall|", plain(name))]
    if len(classes) < 2 or len(set(map(str.lower, classes))) < len(classes):
        return {}
    true = {plain(name) for name in beside if not re.fullmatch(r"total|sum|all|", plain(name))}
    same = {plain(name) for name in classes} == true
    whole = all(
        _COUNT.fullmatch(cell.text.strip(" *_`"))
        for (_, cells), side in zip(rows, beside, strict=True)
        if side
        for cell, name in zip(cells[1:], above, strict=False)
        if name in classes
    )
    if not same or not whole:
        return {}
    titles = plain(" ".join(cell.text for cell in header[1:]))
    swapped = bool(_TRUE.search(titles)) and not _PREDICTED.search(titles)
    spelled = {plain(name): name for name in classes}
    out: dict[int, tuple[str, ...]] = {}
    for (number, _), side in zip(rows, beside, strict=True):
        own = spelled.get(plain(side), "")
        labels = []
        for name in above:
            pair = (name, own) if swapped else (own, name)
            labels.append(JOINT.join(pair) if own and name in classes else "")
        out[number] = tuple(labels)
    return out


def array_labels(row: int, count: int) -> tuple[str, ...]:
    """The labels of a row of an array as scikit-learn prints it: true classes down, predicted classes across."""
    return tuple(f"{row}{JOINT}{column}" for column in range(count))


def place_counts(
    sheet: Sheet, line: Line, tokens: list[Token], cells: Sequence[Cell], labels: Sequence[str], context: Context
) -> None:
    """Place the counts of one row of a matrix; `labels` are those of `cells`, a cell without one is set aside."""
    for token in tokens:
        column = max((i for i, cell in enumerate(cells) if cell.column <= token.end - 1), default=0)
        label = labels[column] if column < len(labels) else ""
        if not label or token.kind != "number":
            put_aside(sheet, line.number, token, "the row's own label or a total")
            continue
        place = Context(group=context.group, split=context.split, at=context.at, label=label, section=context.section)
        sheet.claim(line.number, line.text, token, "confusion_count", place)
