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
_LINE = re.compile(rf"{LABEL}(?:</dt><dd>|: ?|\s+)((?:[a-z ]+, )*trials through entry (\d+)[^<\n]*)")
_GATE = re.compile(r"; gate by (.+?)(?: through entry (\d+))?$")


@dataclass(frozen=True)
class DrawnFrom:
    """The state of a run that a document shows.

    Parameters
    ----------
    checks : kinds, see `CheckOutcomes`.
    through : the ledger's last entry that was counted.
    policy : by which the gate had judged, or None.
    judged_through : the ledger's last entry that the gate read.

    """

    checks: tuple[str, ...]
    through: int
    policy: str | None = None
    judged_through: int = 0

    def __str__(self) -> str:
        named = [*(kind.replace("_", " ") for kind in self.checks), f"trials through entry {self.through}"]
        gate = "" if self.policy is None else f"; gate by {self.policy}"
        return ", ".join(named) + gate + (f" through entry {self.judged_through}" if gate else "")


def drawn_from(run: Run) -> DrawnFrom | None:
    """What a document of a run is drawn from now; None where its trials were not counted, or not by number."""
    found = CheckOutcomes.of(run)
    if found.trials is None or not found.trials.through:
        return None
    policy, through = None, 0
    try:
        content = json.loads((run.path / "gate.json").read_text(encoding="utf-8"))
        policy, through = str(content["policy"]), int(content.get("through", 0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # the sheet says that there is none, or that it is damaged
    kinds = tuple(sorted(check.kind for check in found.made if check.kind != "trials"))
    return DrawnFrom(kinds, found.trials.through, policy, through)


def read_drawn_from(text: str) -> DrawnFrom | None:
    """The line in a document, HTML, Markdown or plain; None where it has none."""
    line = _LINE.search(text)
    if line is None:
        return None
    whole = unescape(line[1]).strip()
    gate = _GATE.search(whole)
    kinds = tuple(item.replace(" ", "_") for item in whole.partition("trials through")[0].split(", ") if item)
    return DrawnFrom(kinds, int(line[2]), gate and gate[1], int((gate and gate[2]) or 0))
