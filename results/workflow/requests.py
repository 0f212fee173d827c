"""What is asked of a run beside its inputs: which checks to make, and who is told how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from assay.data.errors import InputError
from assay.data.plugins import require_types

__all__ = ["Checks", "Progress", "Silent"]


class Progress(Protocol):
    """What is told of work that takes a while; a callback of two methods."""

    def advance(self, task: str, done: int, total: int, note: str = "", running: float = 0.0) -> None:
        """So many parts of a task are done; `note` says what ended, `running` what those that run have done, in parts.

        Called with ``done=0`` when a task begins.
        """
        ...

    def say(self, line: str) -> None:
        """One line about the run as a whole."""
        ...


class Silent:
    """A `Progress` that tells nothing."""

    def advance(self, task: str, done: int, total: int, note: str = "", running: float = 0.0) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Checks:
    """Which checks to make of a run; each takes time, so none is made unasked.

    Parameters
    ----------
    leaks : recompute weights, final weights and NAV on truncated data.
    cross_check : run both engines.
    canaries : random-score runs and shifted scores; in a walk-forward also models retrained on shuffled labels, on an
        answer and with other seeds.
    capacity : net Sharpe and alpha by size under square-root impact; needs volume.
    styles : what is left after styles and sectors, and where the return came from.
    importance : of a walk-forward: what each feature is worth out of sample, by permutation.
    metrics : your own metrics of the run, package.module:NAME or ./file.py:NAME.
    random_runs, canary_seeds : how many random-score runs, and how many shuffles of the labels, with `canaries`.
    importance_draws : how often each feature of each fit is read from elsewhere, with `importance`.

    Raises
    ------
    InputError
        If there would be no shuffle, or too few draws for an error.

    Examples
    --------
    >>> Checks(leaks=True, cross_check=True).canaries
    False

    """

    leaks: bool = False
    cross_check: bool = False
    canaries: bool = False
    capacity: bool = False
    styles: bool = False
    importance: bool = False
    metrics: tuple[str, ...] = ()
    random_runs: int = 200
    canary_seeds: int = 5
    importance_draws: int = 5

    def __post_init__(self) -> None:
        require_types("checks", self)
        if self.canary_seeds < 1:
            raise InputError(f"canary seeds {self.canary_seeds}: at least 1 shuffle of the labels is needed")
        if self.importance_draws < 2:
            raise InputError(f"importance draws {self.importance_draws}: at least 2 are needed for an error")
