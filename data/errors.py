"""The exceptions of the project.

::

    BacktestError                 root; what, where, remedy
    ├── InputError                (ValueError)  a value, file or option that cannot be used
    │   ├── UnknownNameError      (KeyError)    a name not in the catalogue; suggests the nearest
    │   └── OwnCodeError                        a user's own code that raises when it is imported
    ├── DataQualityError          (ValueError)  prices or predictions that cannot be trusted
    ├── LookAheadError            (ValueError)  a receipt, stamp or result that knew the future
    ├── InsufficientEvidenceError (ValueError)  too few observations for the statistic asked for
    └── TrainingError             (RuntimeError) a fit that cannot go on (NaN loss, corrupted checkpoint)

Each carries its message in one line. The command line prints it and exits with 2 (3 for
`InsufficientEvidenceError`, 1 for `LookAheadError` and `OwnCodeError`), never with a traceback.
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
    "OwnCodeError",
    "TrainingError",
    "UnknownNameError",
]


class BacktestError(Exception):
    """Root of all errors that a user can cause and mend.

    Examples
    --------
    >>> from assay import BacktestError, load_strategy
    >>> try:
    ...     load_strategy("s3_vol_scald")
    ... except BacktestError as error:
    ...     print(str(error)[:62], error.exit_code)
    unknown strategy 's3_vol_scald': did you mean 's3_vol_scaled'? 2

    """

    exit_code = 2

    def __str__(self) -> str:
        # KeyError would print the repr of its argument.
        return str(self.args[0]) if self.args else type(self).__name__


class InputError(BacktestError, ValueError):
    """A value, file or option that cannot be used.

    Examples
    --------
    >>> from assay import CostModel
    >>> CostModel(commission_bps=-5)
    Traceback (most recent call last):
    assay.data.errors.InputError: costs: commission_bps must be finite and at least 0, got -5

    """


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


class OwnCodeError(InputError):
    """A user's own code that raises when it is imported; names their file and line."""

    exit_code = 1


class DataQualityError(BacktestError, ValueError):
    """Prices or predictions that cannot be trusted as they are.

    Examples
    --------
    >>> import pandas as pd
    >>> from assay import load_prices
    >>> twice = pd.DataFrame({"date": ["2024-01-02"] * 2, "asset": ["A", "A"], "close": [1.0, 2.0]})
    >>> load_prices(twice)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    assay.data.errors.DataQualityError: ...

    """


class LookAheadError(BacktestError, ValueError):
    """A receipt, stamp or result that knew the future.

    Examples
    --------
    >>> import pandas as pd
    >>> from assay import PredictionPanel
    >>> day, later = pd.Timestamp("2024-01-02"), pd.Timestamp("2024-03-01")
    >>> stamps = ["trained_through", "preprocessing_fit_through", "labels_known_through", "available_at"]
    >>> seen = pd.DataFrame([["m", 0, *[later] * 4]], index=[day], columns=["model_id", "fold", *stamps])
    >>> PredictionPanel(pd.DataFrame({"A": [0.1]}, index=[day]), receipts=seen)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    assay.data.errors.LookAheadError: ...

    """

    exit_code = 1


class InsufficientEvidenceError(BacktestError, ValueError):
    """Too few observations for the statistic that was asked for.

    Examples
    --------
    >>> from assay.results.stats.bootstrap import bootstrap
    >>> bootstrap([0.01, 0.02])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    assay.data.errors.InsufficientEvidenceError: ...

    """

    exit_code = 3


class TrainingError(BacktestError, RuntimeError):
    """A fit that cannot go on.

    Examples
    --------
    >>> error = TrainingError("fold 3: the loss is not finite at epoch 2; lower the learning rate")
    >>> isinstance(error, RuntimeError), error.exit_code
    (True, 2)

    """
