"""The exceptions of the project.

::

    BacktestError                 root; what, where, remedy
    ├── InputError                (ValueError)  a value, file or option that cannot be used
    │   └── UnknownNameError      (KeyError)    a name not in the catalogue; suggests the nearest
    ├── DataQualityError          (ValueError)  prices or predictions that cannot be trusted
    ├── LookAheadError            (ValueError)  a receipt, stamp or result that knew the future
    ├── InsufficientEvidenceError (ValueError)  too few observations for the statistic asked for
    └── TrainingError             (RuntimeError) a fit that cannot go on (NaN loss, corrupted checkpoint)

Each carries its message in one line. The command line prints it and exits with 2 (3 for
`InsufficientEvidenceError`, 1 for `LookAheadError`), never with a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BacktestError",
    "DataQualityError",
    "InputError",
    "InsufficientEvidenceError",
    "LookAheadError",
    "TrainingError",
    "UnknownNameError",
]


class BacktestError(Exception):
    """Root of all errors that a user can cause and mend."""

    exit_code = 2

    def __str__(self) -> str:
        # KeyError would print the repr of its argument.
        return str(self.args[0]) if self.args else type(self).__name__


class InputError(BacktestError, ValueError):
    """A value, file or option that cannot be used."""


class UnknownNameError(InputError, KeyError):
    """A name that is not in the catalogue.

    Parameters
    ----------
    kind : what was looked up, e.g. ``"strategy"``.
    name : what was asked for.
    known : the names that exist; the nearest is suggested.

    Examples
    --------
    >>> str(UnknownNameError("strategy", "s2_filter_negativ", ["s2_filter_negative", "confidence"]))
    "unknown strategy 's2_filter_negativ': did you mean 's2_filter_negative'? known: confidence, s2_filter_negative"

    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(sorted(known))
        near = difflib.get_close_matches(name, self.known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"unknown {kind} {name!r}: {hint}known: {', '.join(self.known)}")


class DataQualityError(BacktestError, ValueError):
    """Prices or predictions that cannot be trusted as they are."""


class LookAheadError(BacktestError, ValueError):
    """A receipt, stamp or result that knew the future."""

    exit_code = 1


class InsufficientEvidenceError(BacktestError, ValueError):
    """Too few observations for the statistic that was asked for."""

    exit_code = 3


class TrainingError(BacktestError, RuntimeError):
    """A fit that cannot go on."""
