"""Tables of texts that fit the terminal; whole where the output is no terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

__all__ = ["aligned_lines", "further_costs", "shown_value", "table_lines", "terminal_width"]

_GAP = 2
#: No column of texts gets narrower than this.
_NARROWEST = 6


_FURTHER = {
    "impact_bps": "impact {:g} bps a unit of turnover",
    "sqrt_impact": "square-root impact {:g}",
    "minimum_fee": "minimum fee {:g}",
    "cash_rate_bps": "cash {:g} bps a year",
}


def further_costs(costs: Mapping[str, Any]) -> list[str]:
    """What a run's costs are beside one rate a traded unit and one of borrow, in words.

    Examples
    --------
    >>> further_costs({"cash_rate_bps": 200.0, "table": {"source": "costs.csv", "fields": ["borrow_bps"]}})
    ['cash 200 bps a year', 'borrow_bps by asset or session from costs.csv']

    """
    out = [text.format(costs[name]) for name, text in _FURTHER.items() if costs.get(name)]
    if table := costs.get("table"):
        out.append(f"{', '.join(table['fields'])} by asset or session from {table['source']}")
    return out


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Columns of the terminal that `stream` (default stdout) writes to; None where it is a pipe or a file.

    ``$COLUMNS`` overrides a terminal's width, and says nothing of a pipe: a parent that imports readline sets it.
    """
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def shown_value(value: object) -> str:
    """A value in a cell: numbers short, nothing as a dash.

    Examples
    --------
    >>> shown_value(0.123456), shown_value(12), shown_value(None), shown_value("ridge")
    ('0.1235', '12', '–', 'ridge')

    """
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1e5 and value.is_integer() else f"{value:.4g}"
    return " ".join(str(value).split())


def aligned_lines(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """Lines of cells under each other, to the left where a width is negative; a column grows where two would touch.

    Examples
    --------
    >>> print(*aligned_lines([["fee", "net"], ["high", "-61651.38%"]], (-5, 8)), sep="\\n")
    fee          net
    high  -61651.38%

    """
    wide = []
    for at, width in enumerate(widths):
        apart = width > 0 or (at + 1 < len(widths) and widths[at + 1] < 0)
        wide.append(max(abs(width), max(len(row[at]) for row in rows) + apart))
    sides = [str.rjust if width > 0 else str.ljust for width in widths]
    padded = ([side(cell, size) for side, cell, size in zip(sides, row, wide, strict=True)] for row in rows)
    return ["".join(cells).rstrip() for cells in padded]


def table_lines(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None = None, keep: int = 1
) -> list[str]:
    """A heading and a line a row, numbers to the right; no line is longer than `width`.

    Parameters
    ----------
    heads : of the columns.
    rows : values, as many as heads.
    width : None does not shorten. Else the widest columns are cut first, with an ellipsis; the first `keep` last.
    keep : columns that are cut only when all others are as narrow as can be.

    Examples
    --------
    >>> print(*table_lines(["run", "model"], [["a-1", "gradient_boosting"]], width=14), sep="\\n")
    run  model
    a-1  gradient…

    """
    cells = [[shown_value(value) for value in row] for row in rows]
    right = [all(_is_number(row[at]) or row[at] is None for row in rows) for at in range(len(heads))]
    widths = [max(len(head), *(len(row[at]) for row in cells), 0) for at, head in enumerate(heads)]
    # A number that is cut is another number.
    least = [max((len(row[at]) for row in cells), default=0) if right[at] else _NARROWEST for at in range(len(heads))]
    while width is not None and sum(widths) + _GAP * (len(widths) - 1) > width:
        loose = [at for at in range(keep, len(widths)) if widths[at] > least[at]]
        loose = loose or [at for at in range(len(widths)) if widths[at] > _NARROWEST]
        if not loose:
            break
        widths[max(loose, key=lambda at: widths[at])] -= 1
    lines = []
    for row in ([*heads], *cells):
        texts = [_cut(text, wide) for text, wide in zip(row, widths, strict=True)]
        aligned = [text.rjust(wide) if to_right else text.ljust(wide)
                   for text, wide, to_right in zip(texts, widths, right, strict=True)]  # fmt: skip
        line = (" " * _GAP).join(aligned).rstrip()
        lines.append(line if width is None else _cut(line, width))
    return lines


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
