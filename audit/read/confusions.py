"""Printed confusion matrices: grids of counts with the classes on both sides, and arrays below a call that asks."""

from __future__ import annotations

from collections.abc import Sequence

from assay.audit.read.document import Cell
from assay.audit.read.labels_to_metrics import says
from assay.audit.read.sheet import Context, Spot
from assay.audit.read.tokens import Token
from assay.audit.read.vocabulary import pattern, wordset
from assay.audit.read.words import plain

__all__ = ["JOINT", "array_labels", "matrix_labels", "place_counts"]

#: What stands between the true and the predicted class in the label of a count.
JOINT = " / "
_LARGEST = 30


def _name(text: str) -> str:
    """The class that a header or a label of a matrix names."""
    kept = text.strip(" *_`")
    for match in reversed(list(pattern("matrix_word").finditer(plain(kept)))):
        kept = kept[: match.start()] + kept[match.end() :]
    return kept.strip(" :=()-–\\/*_`")


def matrix_labels(header: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> list[tuple[str, ...]]:
    """The labels of the counts of each row of a grid that is a confusion matrix; else nothing.

    Returns
    -------
    One label ``"true / predicted"`` a column after the first, row by row; a total has the label ``""``.

    """
    if not 2 <= len(rows) <= _LARGEST or not 3 <= len(header) <= _LARGEST:
        return []
    above = [_name(cell.text) for cell in header[1:]]
    beside = [_name(cells[0].text) if cells else "" for cells in rows]
    titles = " ".join(cell.text for cell in header)
    sides = " ".join(cells[0].text for cells in rows if cells)
    predicted = says(titles + " " + sides, "predicted_words")
    if not (predicted or (says(titles, "true_words") and says(sides, "true_words"))):
        return []
    classes = [name for name in above if plain(name) not in wordset("total_words") and name]
    if len(classes) < 2 or len({plain(name) for name in classes}) < len(classes):
        return []
    true = {plain(name) for name in beside if name and plain(name) not in wordset("total_words")}
    if {plain(name) for name in classes} != true or not _all_counts(rows, above, beside, classes):
        return []
    across = " ".join(cell.text for cell in header[1:])
    swapped = says(across, "true_words") and not says(across, "predicted_words")
    spelled = {plain(name): name for name in classes}
    out = []
    for side in beside:
        own = spelled.get(plain(side), "")
        pairs = [(name, own) if swapped else (own, name) for name in above]
        out.append(tuple(JOINT.join(p) if own and n in classes else "" for p, n in zip(pairs, above, strict=True)))
    return out


def _all_counts(rows: Sequence[Sequence[Cell]], above: list[str], beside: list[str], classes: list[str]) -> bool:
    counts = [
        cell.text.strip(" *_`").replace(",", "")
        for cells, side in zip(rows, beside, strict=True)
        if side
        for cell, name in zip(cells[1:], above, strict=False)
        if name in classes
    ]
    return all(text.isdecimal() for text in counts)


def array_labels(row: int, count: int) -> tuple[str, ...]:
    """The labels of a row of an array as scikit-learn prints it: true classes down, predicted classes across."""
    return tuple(f"{row}{JOINT}{column}" for column in range(count))


def place_counts(
    spot: Spot, tokens: Sequence[Token], cells: Sequence[Cell], labels: Sequence[str], context: Context
) -> None:
    """Place the counts of one row of a matrix; `labels` are those of `cells`, a cell without one is set aside."""
    for token in tokens:
        column = max((i for i, cell in enumerate(cells) if cell.column <= token.end - 1), default=0)
        label = labels[column] if column < len(labels) else ""
        if not label or token.kind != "number":
            spot.exclude(token, "the row's own label or a total")
            continue
        place = Context(group=context.group, split=context.split, at=context.at, label=label, section=context.section)
        spot.claim(token, "confusion_count", place)
