"""Everything that was checked of a run, by kind, each as its own type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self, TypeVar

from assay.data.errors import InputError
from assay.results.checks.base import Check
from assay.results.checks.canaries import Canaries
from assay.results.checks.capacity import Capacity
from assay.results.checks.cross_check import CrossCheck
from assay.results.checks.leaks import LeakCheck
from assay.results.checks.own_metrics import OwnMetrics
from assay.results.checks.random_scores import RandomScores, ShiftedScores
from assay.results.checks.styles import Styles
from assay.results.checks.trials import TrialCount
from assay.results.storage.runs import Run
from assay.results.storage.trial_ledger import IN_BLOCKS

__all__ = ["CheckOutcomes", "hint_for"]

C = TypeVar("C", bound=Check)


def hint_for(kind: type[Check], run: Run) -> str:
    """How a check of this run is made: one that was worked in blocks of sessions lacks the tables, and is made anew."""
    in_blocks = run.manifest.get("config", {}).get("engine") == IN_BLOCKS
    return kind.hint.replace("run again with ", "run again with --keep all ") if in_blocks else kind.hint


@dataclass(frozen=True)
class CheckOutcomes:
    """What was checked of a run; None for a kind that was not. The order is the one in which they are told.

    Examples
    --------
    >>> CheckOutcomes(leaks=LeakCheck("no change in weights at 5 dates")).sentences
    {'leaks': 'leak tests: no change in weights at 5 dates'}

    """

    random_scores: RandomScores | None = None
    shifted_scores: ShiftedScores | None = None
    canaries: Canaries | None = None
    leaks: LeakCheck | None = None
    cross_check: CrossCheck | None = None
    capacity: Capacity | None = None
    styles: Styles | None = None
    own_metrics: OwnMetrics | None = None
    trials: TrialCount | None = None

    @property
    def made(self) -> tuple[Check, ...]:
        """The checks that were made."""
        kinds: tuple[Check | None, ...] = (
            self.random_scores,
            self.shifted_scores,
            self.canaries,
            self.leaks,
            self.cross_check,
            self.capacity,
            self.styles,
            self.own_metrics,
            self.trials,
        )
        return tuple(check for check in kinds if check is not None)

    @property
    def sentences(self) -> dict[str, str]:
        """Kind → sentence, of the checks that were made."""
        return {check.kind: check.sentence for check in self.made}

    @property
    def failures(self) -> tuple[str, ...]:
        """What makes a command end with exit code 1, one sentence each."""
        return tuple(line for check in self.made for line in check.failures)

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Kind → content, as `assay.results.storage.runs.add_checks` keeps them."""
        return {check.kind: check.to_dict() for check in self.made}

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """Read back what `to_dict` wrote; kinds that are not known here are left out.

        Raises
        ------
        InputError
            If the content of a kind is damaged.

        """
        for kind in (field.name for field in fields(cls)):
            if kind in content and not isinstance(content[kind], Mapping):
                raise InputError(f"{where}: {kind}: damaged: must be a table; remove the file and run the checks again")

        def read(check: type[C]) -> C | None:
            stored = content.get(check.kind)
            return check.from_dict(stored, where) if isinstance(stored, Mapping) else None

        return cls(
            read(RandomScores),
            read(ShiftedScores),
            read(Canaries),
            read(LeakCheck),
            read(CrossCheck),
            read(Capacity),
            read(Styles),
            read(OwnMetrics),
            read(TrialCount),
        )

    @classmethod
    def of(cls, run: Run) -> Self:
        """What was checked of a stored run.

        Raises
        ------
        InputError
            If its ``checks.json`` is damaged.

        """
        return cls.from_dict(run.checks, f"{run.path / 'checks.json'}")
