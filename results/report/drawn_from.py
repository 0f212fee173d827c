"""What a document was drawn from, as one line of it: the checks and the verdict that there were, and the trials then.

A run is checked, judged and counted again after its sheet was drawn. The line says which of that the sheet shows, so
that whoever draws it again draws the same one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape

from assay.results.checks.outcomes import CheckOutcomes
from assay.results.storage.runs import Run

__all__ = ["LABEL", "DrawnFrom", "drawn_from", "read_drawn_from"]

#: What the line is called in the document.
LABEL = "Drawn with"
_LINE = re.compile(
    rf"{LABEL}(?:</dt><dd>|: ?|\s+)((?:[a-z ]+, )*)trials through entry (\d+)"
    r"(?:; gate by (.+?) through entry (\d+)(?:, without ([a-z, ]+))?)?\."
)


@dataclass(frozen=True)
class DrawnFrom:
    """The state of a run that a document shows.

    Parameters
    ----------
    checks : kinds, see `CheckOutcomes`.
    through : the ledger's last entry that was counted.
    policy : by which the gate had judged, or None.
    judged_through : the ledger's last entry that the gate read.
    judged_without : kinds of checks that came after its decision.

    """

    checks: tuple[str, ...]
    through: int
    policy: str | None = None
    judged_through: int = 0
    judged_without: tuple[str, ...] = ()

    def __str__(self) -> str:
        gate = "" if self.policy is None else f"; gate by {self.policy} through entry {self.judged_through}"
        late = f", without {_named(self.judged_without)}" if gate and self.judged_without else ""
        before = f"{_named(self.checks)}, " if self.checks else ""
        return f"{before}trials through entry {self.through}{gate}{late}."


def _named(kinds: tuple[str, ...]) -> str:
    return ", ".join(kind.replace("_", " ") for kind in kinds)


def _kinds(text: str) -> tuple[str, ...]:
    return tuple(kind.strip().replace(" ", "_") for kind in text.split(", ") if kind.strip())


def drawn_from(run: Run) -> DrawnFrom | None:
    """What a document of a run is drawn from now; None where its trials were not counted, or not by number."""
    found = CheckOutcomes.of(run)
    if found.trials is None or not found.trials.through:
        return None
    kinds = tuple(sorted(check.kind for check in found.made if check.kind != "trials"))
    policy, through = None, 0
    late: tuple[str, ...] = ()
    try:
        content = json.loads((run.path / "gate.json").read_text(encoding="utf-8"))
        policy, through = str(content["policy"]), int(content.get("through", 0))
        late = tuple(kind for kind in kinds if kind not in content.get("checks", kinds))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # the sheet says that there is none, or that it is damaged
    return DrawnFrom(kinds, found.trials.through, policy, through, late)


def read_drawn_from(text: str) -> DrawnFrom | None:
    """The line in a document, HTML, Markdown or plain; None where it has none."""
    line = _LINE.search(text)
    if line is None:
        return None
    return DrawnFrom(
        _kinds(line[1]), int(line[2]), line[3] and unescape(line[3]), int(line[4] or 0), _kinds(line[5] or "")
    )
