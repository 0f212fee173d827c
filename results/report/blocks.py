"""What a page is made of: sections of figures, tables and plain sentences; how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from assay.results.checks.base import State

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "MOST_ROWS",
    "Answer",
    "Cell",
    "Figure",
    "FirstScreen",
    "Note",
    "Section",
    "Table",
    "e_value",
    "fixed",
    "metric_cell",
    "metric_text",
    "number",
    "p_text",
    "percent",
    "plain_table",
    "said",
    "times",
    "year_cell",
]


#: Rows above which a table opens when it is asked for.
MOST_ROWS = 40
#: Pixels of a sign, of one in a heading and around a cell; how long a text is before it is set in lines of so many.
_SIGN, _BOLD, _AROUND = 7.7, 8.6, 9.6
_LONG, _WORDS = (40, 120.0), (16, 136.0)
#: Pixels of the columns of a page that are two on a tablet, and two or three on a desk.
_NARROW, _COLUMN = 345.0, 463.0


#: E-values above it are stored as it.
_MOST_E = 1e299


@dataclass(frozen=True)
class Cell:
    """One cell: what is shown, what it is sorted by, its background, and which metric it is, if any."""

    text: str
    sort: float | str | None = None
    shade: str = ""
    metric: str = ""
    value: str = ""


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure that is drawn when it is needed.

    Parameters
    ----------
    title : above it.
    alt : what it shows, for who does not see it.
    draw : draws on the axes it is given.
    caption : below it.
    size : inches.
    wide : over the whole width of the page; a phone gets it drawn again, narrower.
    behind : the numbers behind it; default: what can be read off its lines and bars.

    """

    title: str
    alt: str
    draw: Callable[[Axes], Axes]
    caption: str = ""
    size: tuple[float, float] = (4.8, 2.7)
    wide: bool = False
    behind: Table | None = None


@dataclass(frozen=True)
class Table:
    """A table; each row has as many cells as there are columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    wide: bool = False

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether a column holds numbers, so that its heading and its dashes stand to the right like them."""
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.columns)
        return tuple(any(cell.metric or isinstance(cell.sort, (int, float)) for cell in cells) for cells in columns)

    @property
    def place(self) -> str:
        """What it needs: `wide`, the page; `wider`, that of a screen; `broad`, a tablet's; else a column of it."""
        room = self._room
        return "wide" if self.wide else "wider" if room > _COLUMN else "broad" if room > _NARROW else ""

    @property
    def _room(self) -> float:
        """Pixels below which it is scrolled sideways, within about a tenth: words and numbers are not broken."""
        room = 0.0
        for at, (name, right) in enumerate(zip(self.columns, self.numeric, strict=True)):
            texts = [row[at].text for row in self.rows]
            longest = max(map(len, texts), default=0)
            if right or longest <= _WORDS[0]:
                inside = _SIGN * max((len(text) + 0.6 * text.count("%") for text in texts), default=0.0)
            else:
                inside = _LONG[1] if longest > _LONG[0] else _WORDS[1]
            if at == 0 and not right:  # which alone may be broken between its words
                inside = min(inside, max((_SIGN * len(word) for text in texts for word in text.split()), default=0.0))
            heading = max((len(word) for word in name.split()), default=0) + 1.3  # the sign of sorting
            room += max(inside, _BOLD * heading) + _AROUND
        return room

    @property
    def folded(self) -> bool:
        """Whether it is so long that a page shows it when asked to."""
        return len(self.rows) > MOST_ROWS


@dataclass(frozen=True)
class Note:
    """A sentence.

    Parameters
    ----------
    text, title : the sentence and what it is about.
    absent : it says why something is not there; a page gathers these in one place.

    """

    text: str
    title: str = ""
    absent: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page with an entry in the contents."""

    id: str
    title: str
    parts: tuple[Figure | Table | Note, ...]


@dataclass(frozen=True)
class Answer:
    """One question of the first screen: a verdict in a few words, how it stands, and the sentences it rests on."""

    question: str
    verdict: str
    state: State
    sentences: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class FirstScreen:
    """What a page opens with.

    Parameters
    ----------
    described : what was run, as (what, value).
    headline : the table of figures.
    figures : drawn beside the answers.
    lead : one line under the title.
    answers : what a reader asks first.
    verdicts : what was checked: objects with name, result, state and detail.
    warnings : one sentence each.

    """

    described: list[tuple[str, str]]
    headline: Table
    figures: list[Figure]
    lead: str = ""
    answers: tuple[Answer, ...] = ()
    verdicts: Sequence[Any] = ()
    warnings: tuple[str, ...] = ()


def e_value(value: float) -> str:
    """An e-value: three digits below a thousand, whole above, a power of ten beyond a million, up to what is stored."""
    if value > _MOST_E:
        return f"over {_MOST_E:.0e}"
    return f"{value:.3g}" if value < 1e3 else f"{value:,.0f}" if value < 1e6 else f"{value:.1e}"


def p_text(value: float, digits: int = 4) -> str:
    """A p-value: never as 0, which none of them is.

    Examples
    --------
    >>> p_text(0.0312), p_text(3e-9), p_text(3e-9, 2)
    ('0.0312', '< 0.0001', '< 0.01')

    """
    return f"< {10.0**-digits:.{digits}f}" if value < 0.5 * 10.0**-digits else f"{value:.{digits}f}"


def _known(value: Any) -> bool:
    return value is not None and not isinstance(value, str) and math.isfinite(float(value))


def fixed(value: Any, digits: int = 2) -> Cell:
    """A number with that many decimals; a dash where there is none."""
    return Cell(f"{float(value):z,.{digits}f}", float(value)) if _known(value) else Cell("–")


def percent(value: Any, digits: int = 1) -> Cell:
    """A fraction as per cent; a dash where there is none."""
    return Cell(f"{100 * float(value):z.{digits}f}%", float(value)) if _known(value) else Cell("–")


def number(value: Any) -> Cell:
    """A count, or a number of whatever size in four digits; a dash where there is none."""
    if not _known(value):
        return Cell("–")
    whole = float(value) == int(float(value)) and abs(float(value)) < 1e15
    return Cell(f"{int(value):,}" if whole else f"{float(value):.4g}", float(value))


def times(value: Any) -> Cell:
    """A multiple, such as a turnover a year of NAV; a dash where there is none."""
    cell = fixed(value)
    return cell if cell.sort is None else replace(cell, text=f"{cell.text}×")


def year_cell(value: Any) -> Cell:
    """A year, which is no count."""
    return Cell(str(int(value)), float(value))


def said(value: Any) -> Cell:
    """Text, a date without its midnight, or a number; as it is."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return Cell("–")
    if isinstance(value, pd.Timestamp):
        return Cell(str(value.date()), str(value.date()))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    return Cell(str(value), str(value).lower())


_FORMS: dict[str, Callable[[float], str]] = {
    "fraction": lambda value: f"{100 * value:z.2f}%",
    "fraction a year": lambda value: f"{100 * value:z.2f}%",
    "correlation": lambda value: f"{value:z.4f}",
    "probability": lambda value: p_text(value),
    "mean of x": lambda value: f"{value:z.4f}",
    "bps": lambda value: f"{value:z,.1f} bps",
    "bps a year": lambda value: f"{value:z,.1f} bps",
    "NAV a year": lambda value: f"{value:.2f}×",
    "e-value": e_value,
}


def metric_text(item: dict[str, Any], value: float | None) -> str:
    """A value of a stored metric, in its unit."""
    if value is None or not math.isfinite(value):
        return "–"
    form = _FORMS.get(item.get("unit", ""))
    return f"{value:z.2f}" if form is None else form(value)


def metric_cell(item: dict[str, Any] | None, field: str = "value") -> Cell:
    """A field of a stored metric; the page carries it in full beside what is printed."""
    if item is None:
        return Cell("–")
    value = item.get(field)
    if value is None:
        return Cell("–", metric=f"{item['name']}.{field}", value="null")
    return Cell(metric_text(item, value), float(value), metric=f"{item['name']}.{field}", value=repr(float(value)))


def plain_table(
    title: str,
    frame: pd.DataFrame,
    forms: Sequence[tuple[str, str, Callable[[Any], Cell]]],
    *,
    caption: str = "",
    wide: bool = False,
) -> Table:
    """A table of a frame's columns, (column, heading, form) each; without those that the frame lacks or has empty."""
    used = [item for item in forms if item[0] in frame and (frame.empty or frame[item[0]].notna().any())]
    columns: Iterable[list[Cell]] = [[form(value) for value in frame[name].tolist()] for name, _, form in used]
    return Table(title, tuple(heading for _, heading, _ in used), tuple(zip(*columns, strict=True)), caption, wide)
