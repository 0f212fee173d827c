"""What a draft is made of: figures placed with their context, and every other numeric token with its reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from assay.audit.claims.intervals import Printed, parse_print
from assay.audit.claims.model import ClaimSet
from assay.audit.read.labels import Context
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.words import pattern, table, wordset
from assay.data.errors import InputError

__all__ = ["MAX_CLAIMS", "MAX_TOKENS", "Draft", "Excluded", "Placed", "Sheet", "Spot", "numbers"]


@dataclass(frozen=True)
class Excluded:
    """A numeric token that is not a claim: where it stands (line from 1, column from 0) and why."""

    line: int
    column: int
    text: str
    reason: str
    document: str = ""


@dataclass(frozen=True)
class Draft:
    """Claims drafted from a report, for a person to correct."""

    claims: ClaimSet
    columns: tuple[int, ...] = ()  # for each claim the column (0-based) of its figure in its line
    excluded: tuple[Excluded, ...] = ()  # tokens that are no claims, with the reason
    unplaced: tuple[Excluded, ...] = ()  # figures that might be claims but name no metric that is known
    notes: tuple[str, ...] = ()  # what a person should look at


@dataclass
class Placed:
    """A figure placed as a claim, before names and ids are final."""

    line: int
    column: int
    end: int
    printed: str
    value: Printed
    metric: str
    context: Context
    text: str
    label: str = ""
    relation: str = ""
    inputs: tuple[int, ...] = ()
    unit: str = ""
    definition: str = ""
    block: int = 0
    record: str = ""

    @property
    def name(self) -> str:
        """Its class, side or part: its own, or that of its surroundings."""
        return self.label or self.context.label


#: Most numeric tokens a report may have (beyond that it is data), and most claims that are audited at once.
MAX_TOKENS, MAX_CLAIMS = 60_000, 3_000
Place = tuple[int, int]


@dataclass
class Sheet:
    """The draft under construction: each token that is scanned ends in exactly one of the three lists."""

    source: str = "report"
    decimal: str = "."
    texts: dict[int, str] = field(default_factory=dict)  # the lines of the report, by number
    placed: list[Placed] = field(default_factory=list)
    excluded: dict[Place, Excluded] = field(default_factory=dict)  # by line and column
    unplaced: dict[Place, Excluded] = field(default_factory=dict)
    seen: int = 0

    def scan(self, line: int, text: str, kind: str, column: int = 0) -> list[Token]:
        """The tokens of a text that begins at a column of a line of some kind."""
        tokens = [replace(token, start=token.start + column, end=token.end + column) for token in scan_line(text)]
        self.seen += len(tokens)
        if self.seen > MAX_TOKENS:
            self.stop(f"{MAX_TOKENS} numeric tokens by line {line}; this is data, not a report:")
        Spot(self, line, text).exclude(tokens, table("kinds")[kind])
        return tokens

    def stop(self, words: str) -> None:
        raise InputError(f"{self.source}: more than {words} audit the part that states the results")

    def take(self, line: int, column: int) -> Excluded | None:
        """The token that covers a column, taken out of what is no claim."""
        for items, at in itertools.product((self.unplaced, self.excluded), range(column, max(-1, column - 16), -1)):
            if (line, at) in items and at + len(items[line, at].text) > column:
                return items.pop((line, at))
        return None


@dataclass(frozen=True)
class Spot:
    """A line on its way into the draft, its list, table or block, and the record of its figures."""

    sheet: Sheet
    line: int
    text: str
    block: int = 0
    record: str = ""  # "" where each sentence is one

    def exclude(self, tokens: Token | Iterable[Token], reason: str) -> None:
        """Say of tokens why they are no claims: for what they are, or the reason given."""
        for token in (tokens,) if isinstance(tokens, Token) else tokens:
            reason_of = table("kinds").get(token.kind, reason)
            self.sheet.excluded[self.line, token.start] = Excluded(self.line, token.start, token.text, reason_of)

    def leave(self, tokens: Token | Iterable[Token], reason: str) -> None:
        """List figures that could be claims but that the draft cannot place."""
        for token in numbers([tokens] if isinstance(tokens, Token) else tokens):
            self.sheet.excluded.pop((self.line, token.start), None)
            self.sheet.unplaced[self.line, token.start] = Excluded(self.line, token.start, token.text, reason)

    def claim(self, token: Token, metric: str, context: Context, **extra: object) -> int | None:
        """Place a figure as a claim; its index, or None where it is unreadable, of a rule or a bound that is no aim."""
        if context.void == "rule":
            self.leave(token, "part of a rule")
            return None
        unit = str(extra.get("unit", ""))
        if unit == "percent" and metric in wordset("rates") and pattern("below_one").fullmatch(token.text):
            unit = extra["unit"] = ""  # "Win rate %: 0.47"
        try:
            value = parse_print(token.text, unit=unit, decimal=self.sheet.decimal)
        except InputError:
            self.leave(token, "the figure cannot be read")
            return None
        bound = value.bound == "range" or token.text[:1] in "<>≥≤" or token.text[-1:] == "+"
        if bound and not context.goal and metric not in wordset("bounded"):
            self.leave(token, "a bound or a range that is no stated aim")
            return None
        if len(self.sheet.placed) >= MAX_CLAIMS:
            self.sheet.stop(f"{MAX_CLAIMS} figures by line {self.line};")
        self.sheet.excluded.pop((self.line, token.start), None)
        text = self.text if len(self.text) <= 600 else self.text[max(0, token.start - 150) : token.end + 140]
        placed = Placed(self.line, token.start, token.end, token.text, value, metric, context, text.strip())
        extra = {"block": self.block, "record": self.record, "definition": context.pooled} | extra
        self.sheet.placed.append(replace(placed, **extra))  # type: ignore[arg-type]
        return len(self.sheet.placed) - 1


def numbers(tokens: Iterable[Token]) -> list[Token]:
    """The tokens that may be claims."""
    return [token for token in tokens if token.kind == "number"]
