"""Joining predictions to prices, and counting what does not join, by side and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import InitVar, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.errors import InputError
from assay.data.mapped import release, row_parts
from assay.data.panel import PredictionPanel, PricePanel

__all__ = ["Join", "JoinReport", "align"]

#: Sessions looked at together, at least, and cells.
_TOGETHER, _VALUES = 16, 1 << 18
_PREDICTION_REASONS = (
    "asset unknown", "session before the prices", "session after the prices", "not a session of the prices",
    "before the asset's first price", "after the asset's last price", "price missing", "not a member of the universe",
)  # fmt: skip
_PRICE_REASONS = ("asset without predictions", "session without predictions", "no prediction")
_LOSS_COLUMNS = ["side", "reason", "rows", "assets", "first", "last"]


@dataclass(frozen=True, eq=False)
class JoinReport:
    """What joined and what did not.

    Parameters
    ----------
    given : predictions (cells with a view) before the join.
    joined : those that found a price on their session.
    losses : a row a side and reason: side (``"predictions"`` or ``"prices"``), reason, rows, assets, first, last.

    """

    given: int
    joined: int
    losses: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """Rows lost, by ``"side: reason"``."""
        keys = self.losses["side"] + ": " + self.losses["reason"]
        return {str(key): int(rows) for key, rows in zip(keys, self.losses["rows"], strict=True)}

    def messages(self) -> tuple[str, ...]:
        """What was lost on the side of the predictions, a line a reason."""
        lost = self.losses[self.losses["side"] == "predictions"]
        return tuple(
            f"{row.rows:,} of {self.given:,} predictions do not join ({row.reason}): "
            f"{row.assets} {'asset' if row.assets == 1 else 'assets'}, {row.first} to {row.last}"
            for row in lost.itertuples(index=False)
        )


def align(predictions: PredictionPanel, prices: PricePanel) -> tuple[PredictionPanel, JoinReport]:
    """The predictions that have a price on their session, and what was lost.

    A prediction joins if its asset is in `prices`, its session is one of theirs, and the asset has a close on it. The
    prices are left as they are: history before the first prediction is needed, and assets without predictions cost
    nothing.

    Parameters
    ----------
    predictions : (T', N').
    prices : (T, N).

    Returns
    -------
    predictions : PredictionPanel
        Sessions and assets that both sides have, in the order of `prices`; the cells that do not join are NaN, and
        the losses are added to its warnings.
    report : JoinReport
        On the side of the predictions: asset unknown; session before the prices, after them, or not one of theirs;
        before the asset's first price, after its last, or missing between; not a member of the universe. On the side of
        the prices: assets and sessions (from the first prediction to the last) without any prediction, and single cells
        without one.

    Raises
    ------
    InputError
        If nothing joins.

    Examples
    --------
    >>> days = pd.bdate_range("2020-01-01", periods=2)
    >>> prices = PricePanel(pd.DataFrame({"A": [1.0, 2.0]}, index=days))
    >>> scores = PredictionPanel(pd.DataFrame({"A": [0.1, 0.2], "B": [0.3, 0.4]}, index=days))
    >>> joined, report = align(scores, prices)
    >>> list(joined.assets), report.counts
    (['A'], {'predictions: asset unknown': 2})

    """
    join = Join(predictions, prices)
    report = join.report
    if not report.joined:
        raise InputError(_nothing_joins(predictions, prices))
    keep_sessions = predictions.sessions[join.rows >= 0]
    keep_assets = prices.assets[np.sort(join.columns[join.columns >= 0])]
    whole = len(keep_sessions) == len(predictions.sessions) and keep_assets.equals(predictions.assets)
    if whole and report.joined == report.given:
        return predictions, report
    lost = np.zeros(predictions.shape, dtype=bool)
    for rows in _blocks(predictions.shape):
        lost[rows] = join.views(rows) & ~join.joined(rows)
    out = predictions.map(lambda frame: frame.mask(lost).reindex(index=keep_sessions, columns=keep_assets))
    return replace(out, warnings=(*out.warnings, *report.messages())), report


class Join:
    """Predictions against prices, some sessions at a time, so that no table of all cells is made.

    Parameters
    ----------
    predictions : (T', N').
    prices : (T, N).

    """

    def __init__(self, predictions: PredictionPanel, prices: PricePanel) -> None:
        self._sessions, self._assets, self._prices = predictions.sessions, predictions.assets, prices
        self._frames = [frame.to_numpy() for frame in predictions.frames().values()]
        self._close = prices.close.to_numpy()
        self._members = None if prices.members is None else prices.members.to_numpy()
        #: (T',) and (N',) where each session and asset stands in the prices; −1 = nowhere
        self.rows = prices.sessions.get_indexer(predictions.sessions)
        self.columns = prices.assets.get_indexer(predictions.assets)
        self._same = np.array_equal(self.columns, np.arange(self._close.shape[1]))

    def views(self, rows: slice) -> npt.NDArray[np.bool_]:
        """(n, N') whether anything was said."""
        out = ~np.isnan(self._frames[0][rows])
        for frame in self._frames[1:]:
            out |= ~np.isnan(frame[rows])
        for frame in self._frames:
            release(frame[rows])
        return np.asarray(out)

    def joined(self, rows: slice) -> npt.NDArray[np.bool_]:
        """(n, N') views that find a price on their session, of a member."""
        return self.views(rows) & self._fine(*self._at(rows))

    @staticmethod
    def _fine(priced: npt.NDArray[np.bool_], member: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
        return priced if member is None else priced & member

    def _at(self, rows: slice) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_] | None]:
        """(n, N') cells that have a price, and those of members."""
        where = self.rows[rows]
        known = where >= 0
        place = slice(where[0], where[-1] + 1) if known.all() and where[-1] - where[0] == len(where) - 1 else where

        def placed(values: npt.NDArray[Any], test: Callable[[Any], npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
            found = test(values[place])
            release(values[int(where[known].min()) : int(where[known].max()) + 1] if known.any() else values[:0])
            if not self._same:
                found = found[:, self.columns] & (self.columns >= 0)
            return np.asarray(found if known.all() else found & known[:, None])

        member = None if self._members is None else placed(self._members, lambda values: values.astype(bool))
        return placed(self._close, np.isfinite), member

    @cached_property
    def _life(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """(N',) rows of each asset's first and last price; the number of rows and −1 without any."""
        first = np.full(self._close.shape[1], len(self._close), dtype=np.intp)
        last = np.full(self._close.shape[1], -1, dtype=np.intp)
        for rows, part in row_parts(self._close):
            alive = np.isfinite(part)
            some = alive.any(axis=0)
            first = np.where(some, np.minimum(first, rows.start + alive.argmax(axis=0)), first)
            last = np.where(some, rows.stop - 1 - alive[::-1].argmax(axis=0), last)
        return first[self.columns], last[self.columns]

    def _lost(
        self,
        rows: slice,
        views: npt.NDArray[np.bool_],
        priced: npt.NDArray[np.bool_],
        member: npt.NDArray[np.bool_] | None,
    ) -> dict[str, npt.NDArray[np.bool_]]:
        """Disjoint masks (n, N') of the views that do not join, by reason."""
        if not (views & ~self._fine(priced, member)).any():
            return {}
        sessions, where = self._sessions[rows], self.rows[rows]
        known = np.broadcast_to(self.columns >= 0, views.shape)
        early = np.broadcast_to(np.asarray(sessions < self._prices.sessions[0])[:, None], views.shape)
        late = np.broadcast_to(np.asarray(sessions > self._prices.sessions[-1])[:, None], views.shape)
        absent = np.broadcast_to((where < 0)[:, None], views.shape)
        missing = views & known & ~absent & ~priced
        first, last = self._life
        at = np.where(where >= 0, where, 0)[:, None]
        reasons = {
            "asset unknown": views & ~known,
            "session before the prices": views & known & early,
            "session after the prices": views & known & late,
            "not a session of the prices": views & known & absent & ~early & ~late,
            "before the asset's first price": missing & (at < first),
            "after the asset's last price": missing & (at > last) & (at >= first),
            "price missing": missing & (at >= first) & (at <= last),
        }
        if member is not None:
            reasons["not a member of the universe"] = views & priced & ~member
        return reasons

    @cached_property
    def report(self) -> JoinReport:
        """What joined and what did not."""
        shape = len(self._sessions), len(self._assets)
        lost: dict[str, _Loss] = {reason: _Loss(shape) for reason in _PREDICTION_REASONS}
        given = joined = 0
        said, named = np.zeros(len(self._close), dtype=bool), np.zeros(self._close.shape[1], dtype=bool)
        for rows in _blocks(shape):
            views, (priced, member) = self.views(rows), self._at(rows)
            here = views & self._fine(priced, member)
            given, joined = given + int(views.sum()), joined + int(here.sum())
            for reason, mask in self._lost(rows, views, priced, member).items():
                lost[reason].add(rows, mask)
            some = here.any(axis=1)
            said[self.rows[rows][some]] = True
            named[self.columns[here.any(axis=0)]] = True
        losses = [item.row("predictions", reason, self._sessions) for reason, item in lost.items() if item.count]
        if joined:
            losses += self._price_losses(said, named)
        return JoinReport(given, joined, pd.DataFrame(losses, columns=_LOSS_COLUMNS))

    @cached_property
    def first(self) -> int:
        """Row of the predictions with the first view that joins; their number where none does."""
        return next(
            (rows.start + int(some.argmax()) for rows in _blocks((len(self._sessions), len(self._assets)))
             if (some := self.joined(rows).any(axis=1)).any()),
            len(self._sessions),
        )  # fmt: skip

    def _price_losses(self, said: npt.NDArray[np.bool_], named: npt.NDArray[np.bool_]) -> list[tuple[object, ...]]:
        """Closes between the first joined prediction and the last that no prediction is about, by reason.

        `said` are the sessions, `named` the assets of the prices that any joined prediction is about.
        """
        about = np.flatnonzero(said)
        lost = {reason: _Loss(self._close.shape) for reason in _PRICE_REASONS}
        back = np.full(len(self._close), -1, dtype=np.intp)
        back[self.rows[self.rows >= 0]] = np.flatnonzero(self.rows >= 0)
        span = int(about[0]), int(about[-1]) + 1
        for rows in _blocks(self._close.shape, *span):
            silent = np.isfinite(self._close[rows])
            release(self._close[rows])
            for place in range(rows.start, rows.stop) if not self._whole(back[rows]) else ():
                if back[place] >= 0:
                    here = self.joined(slice(int(back[place]), int(back[place]) + 1))[0]
                    silent[place - rows.start, self.columns[here]] = False
            if self._whole(back[rows]):
                here = self.joined(slice(int(back[rows][0]), int(back[rows][-1]) + 1))
                if self._same:
                    silent &= ~here
                else:
                    inside = self.columns >= 0
                    silent[:, self.columns[inside]] &= ~here[:, inside]
            if silent.any():
                nobody = ~said[rows][:, None]
                for reason, mask in zip(
                    _PRICE_REASONS, (silent & ~named, silent & named & nobody, silent & named & ~nobody), strict=True
                ):
                    lost[reason].add(rows, mask)
        return [item.row("prices", reason, self._prices.sessions) for reason, item in lost.items() if item.count]

    @staticmethod
    def _whole(back: npt.NDArray[np.intp]) -> bool:
        """Whether sessions of the prices are consecutive sessions of the predictions, too."""
        return bool((back >= 0).all()) and int(back[-1] - back[0]) == len(back) - 1


@dataclass(eq=False)
class _Loss:
    """Cells lost for one reason: how many, and on which sessions and assets."""

    shape: InitVar[tuple[int, int]]
    count: int = 0

    def __post_init__(self, shape: tuple[int, int]) -> None:
        self._days, self._assets = (np.zeros(size, dtype=bool) for size in shape)

    def add(self, rows: slice, mask: npt.NDArray[np.bool_]) -> None:
        """(n, N) cells of these rows."""
        self.count += int(mask.sum())
        self._days[rows] |= mask.any(axis=1)
        self._assets |= mask.any(axis=0)

    def row(self, side: str, reason: str, sessions: pd.DatetimeIndex) -> tuple[object, ...]:
        """A row of `JoinReport.losses`."""
        days = sessions[np.flatnonzero(self._days)]
        return side, reason, self.count, int(self._assets.sum()), str(days[0].date()), str(days[-1].date())


def _blocks(shape: tuple[int, int], first: int = 0, stop: int | None = None) -> Iterator[slice]:
    stop, step = shape[0] if stop is None else stop, max(_TOGETHER, _VALUES // max(1, shape[1]))
    for start in range(first, stop, step):
        yield slice(start, min(start + step, stop))


def _nothing_joins(predictions: PredictionPanel, prices: PricePanel) -> str:
    shared = predictions.assets.intersection(prices.assets)
    if len(shared) == 0:
        return (
            f"predictions: none of the {len(predictions.assets)} assets is in the prices (predictions have e.g. "
            f"{predictions.assets[0]!r}, prices {prices.assets[0]!r}); give both the same ids"
        )
    spans = [f"{panel.sessions[0].date()} to {panel.sessions[-1].date()}" for panel in (predictions, prices)]
    return f"predictions: no row joins a price (predictions {spans[0]}, prices {spans[1]}); check dates and assets"
