"""What a document prints, unit by unit, and where two documents differ: a row, a sentence, a chart at a time.

Nothing is left out: a unit holds its visible text and everything else that stands in the file around it, so that two
documents without a difference are the same document.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from html.parser import HTMLParser
from typing import Any

__all__ = ["Difference", "Unit", "count_numbers", "differences", "html_units", "json_units", "text_units"]

_NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")
#: Tags at which a unit begins; what stands between belongs to the unit before.
_BLOCKS = frozenset({
    "html", "head", "title", "meta", "style", "script", "body", "header", "nav", "main", "footer", "section", "div",
    "figure", "figcaption", "svg", "details", "summary", "table", "thead", "tbody", "tr", "dl", "dt", "dd", "ul", "ol",
    "li", "p", "h1", "h2", "h3", "h4",
})  # fmt: skip
#: Attributes in which a number may be told apart in its last digits only, for it was computed on another machine.
_CLOSE, _DRAWN = 1e-9, 0.02
#: Units above which two documents are compared by position once they differ.
_MOST = 4_000_000


@dataclass(frozen=True)
class Unit:
    """A row, a sentence, a heading or a chart.

    Parameters
    ----------
    place : under which headings it stands.
    label : what it is in there: the row's name, or the kind of text.
    cells : what a reader sees, cell by cell.
    columns : the names of the cells.
    hidden : tags, attributes and coordinates.
    full : whether the cells hold numbers with all their digits, of which the last may differ on another machine.

    """

    place: str
    label: str
    cells: tuple[str, ...]
    columns: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    full: bool = False


@dataclass(frozen=True)
class Difference:
    """One thing that is not what the recomputation gives.

    Parameters
    ----------
    place : section, table, row and column.
    printed : what the document says; None where it lacks it.
    recomputed : what it should say; None where it should not be there.

    """

    place: str
    printed: str | None
    recomputed: str | None

    @property
    def sentence(self) -> str:
        """The difference as one line."""
        if self.printed is None:
            return f"{self.place}: missing; recomputed {_short(self.recomputed)}"
        if self.recomputed is None:
            return f"{self.place}: {_short(self.printed)} is not part of what was recomputed"
        return f"{self.place}: printed {_short(self.printed)}, recomputed {_short(self.recomputed)}"


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return repr(line if len(line) <= 90 else f"{line[:89]}…")


@dataclass
class _Draft:
    """A unit that is being read."""

    place: str
    tag: str
    cells: list[list[str]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Cuts a page into units."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.units: list[Unit] = []
        self._headings: dict[str, str] = {}
        self._columns: tuple[str, ...] = ()
        self._draft = _Draft("", "start")
        self._drawing = 0

    def _begin(self, tag: str) -> None:
        self.finish()
        place = " › ".join(text for level in ("h2", "h3") if (text := self._headings.get(level)))
        self._draft = _Draft(place or "page", tag)

    def finish(self) -> None:
        """End the unit that is being read."""
        draft = self._draft
        cells = tuple(" ".join("".join(parts).split()) for parts in draft.cells)
        if draft.tag in ("h2", "h3"):
            self._headings[draft.tag] = " ".join(filter(None, cells))
            if draft.tag == "h2":
                self._headings.pop("h3", None)
        if draft.tag == "thead_row":
            self._columns = cells
        if any(cells) or draft.hidden:
            row = draft.tag in ("tr", "thead_row")
            label = next(filter(None, cells), "") if draft.tag == "tr" else _KINDS.get(draft.tag, draft.tag)
            columns = self._columns if row and len(self._columns) == len(cells) else ()
            self.units.append(Unit(draft.place, label, cells, columns, tuple(draft.hidden)))
        self._draft = _Draft(draft.place, "between")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS and not self._drawing:
            self._begin(tag)
        if tag == "svg":
            self._drawing += 1
        if tag == "th" and self._draft.tag == "tr":
            self._draft.tag = "thead_row"
        if tag in ("td", "th", "text", "tspan") or not self._draft.cells:
            self._draft.cells.append([])
        self._draft.hidden.append(tag)
        self._draft.hidden += [f"{name}={value}" for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self._draft.hidden.append(f"/{tag}")
        if tag == "svg":
            self._drawing = max(self._drawing - 1, 0)
        if tag in _BLOCKS and not self._drawing:
            self.finish()

    def handle_data(self, data: str) -> None:
        if not data.strip():
            return
        if not self._draft.cells:
            self._draft.cells.append([])
        self._draft.cells[-1].append(data)

    def handle_comment(self, data: str) -> None:
        self._draft.hidden.append(f"comment={data}")

    def handle_decl(self, decl: str) -> None:
        self._draft.hidden.append(f"declaration={decl}")

    def handle_pi(self, data: str) -> None:
        self._draft.hidden.append(f"instruction={data}")

    def unknown_decl(self, data: str) -> None:
        self._draft.hidden.append(f"declaration={data}")


_KINDS = {"li": "sentence", "p": "sentence", "svg": "chart", "figcaption": "caption", "dt": "name", "dd": "value"}


def html_units(text: str) -> list[Unit]:
    """The units of a page, in order."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.finish()
    return reader.units


def text_units(text: str) -> list[Unit]:
    """The lines of Markdown or plain text; a table's line is cut into its cells."""
    units: list[Unit] = []
    place, inside = "document", False
    columns: tuple[str, ...] = ()
    for number, line in enumerate(text.rstrip("\n").split("\n"), 1):
        if line.startswith("#"):
            place = line.lstrip("# ")
        if line.startswith("|"):
            cells = tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            if not inside:
                columns = cells
            inside = True
            label = next(filter(None, cells), "")
            units.append(Unit(place, label, cells, columns if len(columns) == len(cells) else (), (line,)))
        else:
            inside = False
            units.append(Unit(place, f"line {number}", (line,), (), (line,)))
    return units


def json_units(text: str) -> list[Unit]:
    """The values of a JSON document, by their path.

    Raises
    ------
    ValueError
        If it is no JSON, or a name stands twice in an object.

    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in an object")
        return out

    def walk(value: Any, place: str) -> Iterator[Unit]:
        if isinstance(value, dict) and value:
            for name, item in value.items():
                yield from walk(item, f"{place}.{name}" if place else name)
        elif isinstance(value, list) and value:
            for number, item in enumerate(value):
                named = item.get("rule") if isinstance(item, dict) else None
                yield from walk(item, f"{place}[{number if named is None else named}]")
        else:
            yield Unit(place or "document", "", (json.dumps(value, ensure_ascii=False),), full=True)

    return list(walk(json.loads(text, object_pairs_hook=once), ""))


def count_numbers(units: Sequence[Unit]) -> int:
    """How many numbers a reader sees."""
    return sum(len(_NUMBER.findall(cell)) for unit in units for cell in unit.cells)


def differences(printed: Sequence[Unit], recomputed: Sequence[Unit]) -> list[Difference]:
    """Everything that the document says otherwise than it should, in its order.

    Parameters
    ----------
    printed, recomputed : units of the document, and of what should stand there.

    """
    start, most = 0, min(len(printed), len(recomputed))
    while start < most and _same(printed[start], recomputed[start]):
        start += 1
    end = 0
    while end < most - start and _same(printed[-1 - end], recomputed[-1 - end]):
        end += 1
    ours, theirs = printed[start : len(printed) - end], recomputed[start : len(recomputed) - end]
    if not ours and not theirs:
        return []
    found: list[Difference] = []
    if len(ours) * len(theirs) > _MOST:
        blocks = [(0, len(ours), 0, len(theirs))]
    else:
        matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
        blocks = [(i, j, k, n) for kind, i, j, k, n in matcher.get_opcodes() if kind != "equal"]
    for i, j, k, n in blocks:
        both = min(j - i, n - k)
        for one, two in zip(ours[i : i + both], theirs[k : k + both], strict=True):
            found += _between(one, two)
        found += [Difference(_name(unit), _seen(unit), None) for unit in ours[i + both : j]]
        found += [Difference(_name(unit), None, _seen(unit)) for unit in theirs[k + both : n]]
    return found


def _name(unit: Unit) -> str:
    return f"{unit.place} › {unit.label}" if unit.label else unit.place


def _seen(unit: Unit) -> str:
    return " ".join(filter(None, unit.cells)) or " ".join(unit.hidden)


def _same(one: Unit, two: Unit) -> bool:
    if one.cells != two.cells and not (one.full and _near(one.cells[0], two.cells[0], False)):
        return False
    return one.place == two.place if one.full else (one.hidden == two.hidden or not _apart(one.hidden, two.hidden))


def _between(one: Unit, two: Unit) -> list[Difference]:
    """What differs between a unit and the one that should stand in its place."""
    where = _name(two)
    if len(one.cells) != len(two.cells):
        return [Difference(where, _seen(one), _seen(two))]
    out = []
    for number, (said, right) in enumerate(zip(one.cells, two.cells, strict=True)):
        if said != right and not (two.full and _near(said, right, False)):
            column = two.columns[number] if two.columns else ""
            out.append(Difference(f"{where} › {column}" if column else where, said, right))
    apart = _apart(one.hidden, two.hidden)
    if apart and not out:
        out.append(Difference(f"{where} › {apart[0]}", apart[1], apart[2]))
    return out


def _apart(one: Sequence[str], two: Sequence[str]) -> tuple[str, str, str] | None:
    """The first of what is not seen that differs by more than rounding: what it is, and both sides."""
    if len(one) != len(two):
        return "markup", " ".join(one), " ".join(two)
    drawn = "svg" in two
    for said, right in zip(one, two, strict=True):
        if said != right and not _near(said, right, drawn):
            name = right.partition("=")[0] if "=" in right else "markup"
            return name, said.partition("=")[2] or said, right.partition("=")[2] or right
    return None


def _near(said: str, right: str, drawn: bool) -> bool:
    """Whether two attributes are the same text around numbers that differ by rounding alone."""
    if _NUMBER.split(said) != _NUMBER.split(right):
        return False
    allowed = _DRAWN if drawn else 0.0
    for one, two in zip(_NUMBER.findall(said), _NUMBER.findall(right), strict=True):
        if one == two:
            continue
        if "." not in one and "." not in two:
            return False
        a, b = (float(item.replace(",", "").replace("−", "-")) for item in (one, two))
        if not (math.isfinite(a) and abs(a - b) <= max(allowed, _CLOSE * max(abs(a), abs(b)))):
            return False
    return True
