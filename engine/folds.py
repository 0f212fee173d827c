"""Folds of a walk-forward: which sessions a model may see, and which it predicts.

The model that first predicts session s has cutoff s − 1 − embargo: the last session whose data it may have seen in any
role. Its labels end delay + horizon sessions earlier; that purge is the model's own, derived and never typed, and
stands again between its training and validation rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.plugins import require_types

__all__ = ["Fold", "WalkForward"]

Retrain = Literal["monthly", "quarterly", "yearly"] | int

_PERIODS = {"monthly": "M", "quarterly": "Q", "yearly": "Y"}


@dataclass(frozen=True)
class Fold:
    """One retraining.

    Parameters
    ----------
    number : 0, 1, …
    train_start, cutoff : first and last session that `fit` may observe.
    test_start, test_end : first and last session that the model predicts.

    """

    number: int
    train_start: pd.Timestamp
    cutoff: pd.Timestamp
    test_start: pd.Timestamp
    test_end: pd.Timestamp


@dataclass(frozen=True)
class WalkForward:
    """When to retrain, on how much.

    Parameters
    ----------
    train : sessions in a rolling window; None expands from the first session.
    retrain : ``"monthly"``, ``"quarterly"``, ``"yearly"`` or every n sessions.
    embargo : sessions between the cutoff and the first predicted one, beyond the one that is always there.
    start, end : first and last session to predict; by default as early as `train` (or `minimum_train`) allows, and the
        last session.
    minimum_train : sessions an expanding window must hold at first.

    Examples
    --------
    >>> sessions = pd.bdate_range("2020-01-01", periods=10)
    >>> for fold in WalkForward(train=4, retrain=3, embargo=1).split(sessions):
    ...     span = [fold.train_start, fold.cutoff, fold.test_start, fold.test_end]
    ...     print(fold.number, *sessions.get_indexer(span))
    0 0 3 5 7
    1 3 6 8 9

    """

    train: int | None = None
    retrain: Retrain = "yearly"
    embargo: int = 0
    start: str | pd.Timestamp | None = None
    end: str | pd.Timestamp | None = None
    minimum_train: int = 504

    def __post_init__(self) -> None:
        require_types("walk-forward", self)
        if self.train is not None and self.train < 2:
            raise InputError(f"walk-forward: train must be at least 2 sessions, got {self.train}")
        if not isinstance(self.retrain, str) and self.retrain < 1:
            raise InputError(f"walk-forward: retrain must be at least 1 session, got {self.retrain}")
        if self.embargo < 0:
            raise InputError(f"walk-forward: embargo must be at least 0 sessions, got {self.embargo}")
        if self.minimum_train < 2:
            raise InputError(f"walk-forward: minimum_train must be at least 2 sessions, got {self.minimum_train}")

    def split(self, sessions: pd.DatetimeIndex) -> list[Fold]:
        """The folds, in order of time; every session from the first test to the last is predicted exactly once.

        Raises
        ------
        InputError
            If no session can be predicted.

        """
        needed = (self.train or self.minimum_train) + self.embargo
        first = needed if self.start is None else int(sessions.searchsorted(pd.Timestamp(self.start)))
        stop = len(sessions) if self.end is None else int(sessions.searchsorted(pd.Timestamp(self.end), side="right"))
        if self.start is not None and first < needed:
            raise InputError(
                f"walk-forward: {first} sessions before {pd.Timestamp(self.start).date()}, {needed} are needed "
                "(train and embargo); start later or train on less"
            )
        if first >= stop and self.end is not None and first < len(sessions):
            raise InputError(
                f"walk-forward: nothing to predict up to {pd.Timestamp(self.end).date()}: the first session that can "
                f"be predicted is {sessions[first].date()}; end later"
            )
        if self.start is not None and first >= len(sessions):
            raise InputError(
                f"walk-forward: nothing to predict from {pd.Timestamp(self.start).date()} on: the sessions end "
                f"{sessions[-1].date()}; start earlier"
            )
        if first >= stop:
            raise InputError(
                f"walk-forward: nothing to predict: {len(sessions)} sessions, of which the first {needed} are for "
                "training; make that smaller (train, --train), or give more prices"
            )
        folds = []
        bounds = [*self._starts(sessions, first, stop), stop]
        for number, (begin, after) in enumerate(pairwise(bounds)):
            cutoff = begin - 1 - self.embargo
            train_start = 0 if self.train is None else max(0, cutoff + 1 - self.train)
            span = (sessions[position] for position in (train_start, cutoff, begin, after - 1))
            folds.append(Fold(number, *span))
        return folds

    def _starts(self, sessions: pd.DatetimeIndex, first: int, stop: int) -> list[int]:
        """Positions of the first session of each test period."""
        if not isinstance(self.retrain, str):
            return list(range(first, stop, self.retrain))
        period = sessions.to_period(_PERIODS[self.retrain])
        changes = np.flatnonzero(period[1:] != period[:-1]) + 1
        return [first, *(int(position) for position in changes if first < position < stop)]
