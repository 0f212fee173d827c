"""JSON, YAML and INI text: which key each value stands under, found line by line without giving up on errors.

Reports quote fragments, so nothing here insists on a whole document: braces that never close and keys without quotes
are read as far as they go.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Entry", "Level", "scan_data"]

_WORD = r"[^\s{}\[\],:\"'#]+"
_PARTS = re.compile(
    rf"\"(?:[^\"\\]|\\.)*(?:\"|$)|'(?:[^'\\]|\\.)*(?:'|$)|//.*|#.*|[{{}}\[\],]|:(?!\S*//)|{_WORD}(?:[ ]{_WORD})*"
)
_YAML = re.compile(
    r"(?P<indent>\s*)(?P<dashes>(?:-\s+)*)"
    r"(?:(?P<key>\"[^\"]*\"\s*|'[^']*'\s*|[^\s:=#{}\[\]\"'][^:=#{}\[\]]*)[:=](?=\s|$|=?[\d\"'+-])\s*)?(?P<value>.*)$"
)
#: Mappings around a figure that are kept; what is nested deeper is no report.
_DEEPEST = 40
_NUMBER = re.compile(r"[+\-−]?(?:\d|\.\d)")


@dataclass
class Level:
    """One mapping or list that is open: the key it stands under, and the texts among its values.

    Parameters
    ----------
    key : its key, ``""`` for an element of a list.
    kind : ``"{"`` or ``"["``.
    texts : key to text of the values of this mapping that are no figures, and of those that say a position; complete
        only once the whole text is read.

    """

    key: str
    kind: str = "{"
    texts: dict[str, str] = field(default_factory=dict)
    indent: int = -1


@dataclass(frozen=True)
class Entry:
    """A figure: the column where it begins, its key (``""`` in a list) and the mappings around it, outermost first."""

    column: int
    key: str
    levels: tuple[Level, ...]


def scan_data(lines: Sequence[str]) -> list[list[Entry]]:
    """The figures of every line of a JSON, YAML or INI text, each with its key and the keys above.

    Examples
    --------
    >>> [[entry]] = scan_data(['{"test": {"accuracy": 0.61}}'])
    >>> entry.column, entry.key, [level.key for level in entry.levels]
    (22, 'accuracy', ['', 'test'])

    """
    first = next((line.lstrip() for line in lines if line.strip()), "")
    if first[:1] == "{" or (first[:1] == "[" and not re.match(r"\[[\w .\-]+\]\s*$", first)):
        walk = _Flow([])
        return [list(walk.line(line, 0)) for line in lines]
    return _scan_block(lines)


class _Flow:
    """The state of a walk over braces, brackets and commas."""

    def __init__(self, levels: list[Level]) -> None:
        self.base = len(levels)
        self.levels = levels
        self.key = ""
        self.last = ""

    def line(self, text: str, begin: int) -> Iterator[Entry]:
        for match in _PARTS.finditer(text, begin):
            part = match[0]
            if part[:2] == "//" or part[0] == "#":
                return
            if part == ":":
                self.key, self.last = self.last, ""
            elif part in "{[":
                self.levels.append(Level(self.key, part))
                self.key = self.last = ""
            elif part in "}]":
                if len(self.levels) > self.base:
                    self.levels.pop()
                self.key = self.last = ""
            elif part == ",":
                self.key = self.last = ""
            else:
                self.last = part.strip("\"'")
                yield from self._value(match.start(), part)

    def _value(self, column: int, part: str) -> Iterator[Entry]:
        if not self.key and not (self.levels and self.levels[-1].kind == "["):
            return
        if _NUMBER.match(self.last):
            quoted = part[0] in "\"'"
            yield Entry(column + quoted, self.key, tuple(self.levels[:_DEEPEST]))
        if self.key and self.levels:
            self.levels[-1].texts[self.key] = self.last


def _scan_block(lines: Sequence[str]) -> list[list[Entry]]:
    """YAML by indentation, INI and TOML by sections."""
    out: list[list[Entry]] = []
    top = Level("", indent=-1)
    levels = [top]
    flow: _Flow | None = None
    for text in lines:
        if flow is not None:
            out.append(list(flow.line(text, 0)))
            flow = flow if len(flow.levels) > flow.base else None
            continue
        section = re.match(r"\s*\[+([\w .\-]+)\]+\s*$", text)
        if section:
            levels = [top, *(Level(part, indent=-1) for part in section[1].split("."))]
            out.append([])
            continue
        match = _YAML.match(text)
        if match is None or not text.strip() or text.lstrip().startswith("#") or text.strip() in ("---", "..."):
            out.append([])
            continue
        found, flow = _block_line(match, levels)
        out.append(found)
    return out


def _block_line(match: re.Match[str], levels: list[Level]) -> tuple[list[Entry], _Flow | None]:
    indent = len(match["indent"])
    dashes = match["dashes"]
    while len(levels) > 1 and levels[-1].indent >= indent and levels[-1].indent >= 0:
        levels.pop()
    if dashes:
        # Every dash opens an element of its own.
        for offset in (m.start() for m in re.finditer("-", dashes)):
            levels.append(Level("", indent=indent + offset))
        indent += len(dashes)
    key, value = (match["key"] or "").strip().strip("\"'"), match["value"]
    column = match.start("value")
    if key and not value.split("#")[0].strip():
        levels.append(Level(key, indent=indent))
        return [], None
    if value[:1] in "{[" and value:
        flow = _Flow([*levels])
        flow.key = key
        found = list(flow.line(match.string, column))
        return found, flow if len(flow.levels) > flow.base else None
    bare = value.strip("\"'")
    found = []
    if _NUMBER.match(bare) and (key or dashes):
        found = [Entry(column + (value[:1] in "\"'"), key, tuple(levels))]
    if key:
        levels[-1].texts[key] = re.split(r"\s#", bare)[0].strip(" \"'")
    return found, None
