"""What a draft is made of: figures placed with their context, and every other numeric token with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from assay.audit.claims_model import ClaimSet
from assay.audit.intervals import Printed, parse_print
from assay.audit.tokens import Token
from assay.data.errors import InputError

__all__ = ["Context", "Draft", "Excluded", "Placed", "Sheet"]


@dataclass(frozen=True)
class Excluded:
    """A numeric token that is not a claim: where it stands (line from 1, column from 0) and why."""

    line: int
    column: int
    text: str
    reason: str


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
    """Where a figure stands: its run (entity words, outermost first), split, class, position, and what it is about.

    `topic` is the metric or subject of the surrounding list (``"rank_ic"``, ``"prediction"``); `settings` says that
    the surroundings list hyperparameters; `goal` that they list targets; `section` is the top-level section;
    `pooled` quotes the words that say figures are
    averages over folds, seeds or classes.
    """

    group: tuple[str, ...] = ()
    split: str = ""
    label: str = ""
    at: str = ""
    topic: str = ""
    goal: bool = False
    settings: bool = False
    pooled: str = ""
    section: str = ""


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


@dataclass
class Sheet:
    """The draft under construction; every token that is handed in ends in exactly one of the three lists.

    `by_rows` holds the tables whose rows name the metrics though a column's title holds a metric's name.
    """

    decimal: str = "."
    placed: list[Placed] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    unplaced: list[Excluded] = field(default_factory=list)
    by_rows: set[int] = field(default_factory=set)

    def exclude(self, line: int, token: Token, reason: str) -> None:
        """Set a token aside as no claim."""
        self.excluded.append(Excluded(line, token.start, token.text, reason))

    def leave(self, line: int, token: Token, reason: str) -> None:
        """List a figure that could be a claim but that the draft cannot place."""
        self.unplaced.append(Excluded(line, token.start, token.text, reason))

    def claim(self, line: int, text: str, token: Token, metric: str, context: Context, **extra: object) -> int | None:
        """Place a figure as a claim.

        Returns
        -------
        The index of the claim, or None when its print cannot be read (it is then listed as unplaced).

        """
        unit = str(extra.get("unit", ""))
        try:
            value = parse_print(token.text, unit=unit, decimal=self.decimal)
        except InputError:
            self.leave(line, token, "the figure cannot be read")
            return None
        shown = text.strip() if len(text) <= 600 else text[max(0, token.start - 150) : token.end + 140].strip()
        placed = Placed(line, token.start, token.end, token.text, value, metric, context, shown)
        self.placed.append(replace(placed, **extra))  # type: ignore[arg-type]
        self.placed[-1].definition = self.placed[-1].definition or context.pooled
        return len(self.placed) - 1
