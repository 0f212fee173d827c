"""What a draft is made of: figures placed with their context, and every other numeric token with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from assay.audit.claims.intervals import Printed, parse_print
from assay.audit.claims.model import ClaimSet
from assay.audit.read.tokens import Token
from assay.data.errors import InputError

__all__ = ["KIND_REASONS", "Context", "Draft", "Excluded", "Placed", "Sheet", "Spot"]

#: Reasons for tokens whose kind alone says that they are no figures.
KIND_REASONS = {
    "date": "a date",
    "time": "a time",
    "version": "a version",
    "name": "a name with digits in it",
    "path": "a path or file",
    "url": "a link",
    "list": "a list of sizes or settings",
    "ratio": "a ratio of settings",
    "ordinal": "an ordinal",
}


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
    """Claims drafted from a report, for a person to correct.

    Parameters
    ----------
    claims : the claims, each with the line it came from.
    columns : for each claim the column (0-based) of its figure in that line.
    excluded : tokens that are no claims, with the reason.
    unplaced : figures that might be claims but name no metric the draft knows; listed, not guessed.
    notes : what a person should look at.

    """

    claims: ClaimSet
    columns: tuple[int, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    unplaced: tuple[Excluded, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """What the labels around a figure say.

    Parameters
    ----------
    group : words of the run it belongs to, outermost first.
    split, label, at : its split; class, side or quantile; epoch, fold or period.
    weak : the split comes from a heading or title alone, which may speak of a test in another sense.
    topic : the metric or subject of the surrounding list (``"rank_ic"``, ``"prediction"``).
    average : ``"macro"``, ``"weighted"`` or ``"micro"`` where the labels say so.
    goal, settings : the surroundings list targets, or hyperparameters.
    pooled : words that say the figures are averages over folds, seeds or classes.
    section : the top-level section.
    above : the texts of the headings, titles and keys around the figure.
    entity : words of the figure's own label; used where they alone tell figures of one record apart.

    """

    group: tuple[str, ...] = ()
    split: str = ""
    weak: bool = False
    label: str = ""
    at: str = ""
    topic: str = ""
    average: str = ""
    goal: bool = False
    settings: bool = False
    pooled: str = ""
    section: str = ""
    above: tuple[str, ...] = ()
    entity: str = ""


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


@dataclass
class Sheet:
    """The draft under construction; every token that is handed in ends in exactly one of the three lists."""

    decimal: str = "."
    placed: list[Placed] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    unplaced: list[Excluded] = field(default_factory=list)

    def exclude(self, line: int, tokens: Token | Iterable[Token], reason: str) -> None:
        """Set tokens aside as no claims: each for what it is, or for the reason given."""
        for token in (tokens,) if isinstance(tokens, Token) else tokens:
            reason_of = KIND_REASONS.get(token.kind, reason)
            self.excluded.append(Excluded(line, token.start, token.text, reason_of))

    def leave(self, line: int, tokens: Token | Iterable[Token], reason: str) -> None:
        """List figures that could be claims but that the draft cannot place."""
        for token in (tokens,) if isinstance(tokens, Token) else tokens:
            if token.kind != "number":
                self.exclude(line, token, reason)
            else:
                self.unplaced.append(Excluded(line, token.start, token.text, reason))

    def figures(self, line: int, tokens: list[Token]) -> list[Token]:
        """The tokens that may be claims; the others are set aside for what they are."""
        self.exclude(line, [token for token in tokens if token.kind != "number"], "")
        return [token for token in tokens if token.kind == "number"]

    def claim(self, line: int, text: str, token: Token, metric: str, context: Context, **extra: object) -> int | None:
        """Place a figure as a claim.

        Its index, or None where the print cannot be read; it is then listed as unplaced.
        """
        try:
            value = parse_print(token.text, unit=str(extra.get("unit", "")), decimal=self.decimal)
        except InputError:
            self.leave(line, token, "the figure cannot be read")
            return None
        shown = text.strip() if len(text) <= 600 else text[max(0, token.start - 150) : token.end + 140].strip()
        placed = Placed(line, token.start, token.end, token.text, value, metric, context, shown)
        self.placed.append(replace(placed, **extra))  # type: ignore[arg-type]
        self.placed[-1].definition = self.placed[-1].definition or context.pooled
        return len(self.placed) - 1


@dataclass(frozen=True)
class Spot:
    """A line on its way into the draft: its number and text, the list, table or block it stands in, and the record of
    its figures, ``""`` where each sentence is one.
    """

    sheet: Sheet
    line: int
    text: str
    block: int = 0
    record: str = ""

    def exclude(self, tokens: Token | Iterable[Token], reason: str) -> None:
        """See `Sheet.exclude`."""
        self.sheet.exclude(self.line, tokens, reason)

    def leave(self, tokens: Token | Iterable[Token], reason: str) -> None:
        """See `Sheet.leave`."""
        self.sheet.leave(self.line, tokens, reason)

    def figures(self, tokens: Iterable[Token]) -> list[Token]:
        """See `Sheet.figures`."""
        return self.sheet.figures(self.line, list(tokens))

    def claim(self, token: Token, metric: str, context: Context, **extra: object) -> int | None:
        """See `Sheet.claim`."""
        where = {"block": self.block, "record": self.record} | extra
        return self.sheet.claim(self.line, self.text, token, metric, context, **where)
