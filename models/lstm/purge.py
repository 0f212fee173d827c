"""Rows to learn from and rows to stop by, with a purge of delay + horizon between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assay.data.errors import InputError
from assay.data.labels import labels_known

__all__ = ["Split", "split_rows"]

_LEAST_TRAINING = 20  # rows
_LEAST_VALIDATION = 5


@dataclass(frozen=True)
class Split:
    """Rows to learn from and rows to stop by, as half-open ranges of positions.

    The last `purge` rows before `validation_start` belong to neither: their labels are made of prices in the
    validation rows. Rows from `validation_end` on have no label yet.
    """

    train_start: int
    train_end: int
    validation_start: int
    validation_end: int
    purge: int


def split_rows(n_sessions: int, first: int, *, horizon: int, delay: int, validation: float, who: str = "fit") -> Split:
    """Training rows, then a purge of delay + horizon, then the validation tail, then the rows without labels.

    Parameters
    ----------
    n_sessions : T of the training panel.
    first : first row that a model can score (warm-up and lookback are over).
    horizon, delay : of the labels.
    validation : share of the labelled rows that validates, in (0, 1).
    who : named in the error.

    Raises
    ------
    InputError
        If fewer than 20 rows are left to train on or fewer than 5 to validate.

    Examples
    --------
    >>> split_rows(100, 20, horizon=1, delay=1, validation=0.25)
    Split(train_start=20, train_end=76, validation_start=78, validation_end=98, purge=2)

    """
    purge = delay + horizon
    end = labels_known(n_sessions, horizon=horizon, delay=delay)
    n_validation = round(validation * (end - first)) if end > first else 0
    start = end - n_validation
    if n_validation < _LEAST_VALIDATION or start - purge - first < _LEAST_TRAINING:
        rows = max(_LEAST_VALIDATION / validation, (_LEAST_TRAINING + purge) / (1.0 - validation))
        raise InputError(
            f"{who}: {n_sessions} sessions are too short a history: warm-up and lookback take {first}, labels "
            f"{purge}; give at least {int(np.ceil(first + 2 * purge + rows)) + 1} sessions or a shorter lookback"
        )
    return Split(first, start - purge, start, end, purge)
