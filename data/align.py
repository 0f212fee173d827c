"""Joining predictions to prices, and counting what does not join, by side and reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel

__all__ = ["JoinReport", "align"]

#: Sessions looked at together.
_TOGETHER = 64
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
    views = _views(predictions)
    sessions, assets = predictions.sessions, predictions.assets
    rows = prices.sessions.get_indexer(sessions)
    columns = prices.assets.get_indexer(assets)
    reasons = _prediction_losses(views, sessions, rows, columns, prices)
    lost = np.zeros(views.shape, dtype=bool)
    for mask in reasons.values():
        lost |= mask
    joined = views & ~lost
    if not joined.any():
        raise InputError(_nothing_joins(predictions, prices))
    losses = [_loss("predictions", reason, mask, sessions, assets) for reason, mask in reasons.items()]
    losses += _price_losses(joined, sessions, rows, columns, prices)
    report = JoinReport(int(views.sum()), int(joined.sum()), pd.DataFrame(losses, columns=_LOSS_COLUMNS))
    keep_sessions = sessions[rows >= 0]
    keep_assets = prices.assets[np.sort(columns[columns >= 0])]
    whole = len(keep_sessions) == len(sessions) and keep_assets.equals(assets) and not lost.any()
    if whole:
        return predictions, report
    out = predictions.map(lambda frame: frame.mask(lost).reindex(index=keep_sessions, columns=keep_assets))
    return replace(out, warnings=(*out.warnings, *report.messages())), report


def _views(predictions: PredictionPanel) -> np.ndarray:
    """(T', N') bool: whether anything was said."""
    frames = [predictions.score, predictions.probability_up, *(predictions.action or {}).values()]
    views = np.zeros(predictions.shape, dtype=bool)
    for frame in frames:
        if frame is not None:
            views |= frame.notna().to_numpy()
    return views


def _prediction_losses(
    views: np.ndarray, sessions: pd.DatetimeIndex, rows: np.ndarray, columns: np.ndarray, prices: PricePanel
) -> dict[str, np.ndarray]:
    """Disjoint masks (T', N') of the views that do not join, by reason; only reasons that occur."""
    close = prices.close.to_numpy()
    if prices.members is None and _every_one_priced(views, rows, columns, close):
        return {}
    known = np.broadcast_to(columns >= 0, views.shape)
    early = np.broadcast_to((sessions < prices.sessions[0])[:, None], views.shape)
    late = np.broadcast_to((sessions > prices.sessions[-1])[:, None], views.shape)
    absent = np.broadcast_to((rows < 0)[:, None], views.shape)
    priced = np.zeros(views.shape, dtype=bool)
    inside = np.ix_(rows >= 0, columns >= 0)
    priced[inside] = np.isfinite(close[np.ix_(rows[rows >= 0], columns[columns >= 0])])
    alive = np.isfinite(close)
    ever = alive.any(axis=0)
    first = np.where(ever, alive.argmax(axis=0), len(close))[columns]
    last = np.where(ever, len(close) - 1 - alive[::-1].argmax(axis=0), -1)[columns]
    at = np.where(rows >= 0, rows, 0)[:, None]
    missing = views & known & ~absent & ~priced
    reasons = {
        "asset unknown": views & ~known,
        "session before the prices": views & known & early,
        "session after the prices": views & known & late,
        "not a session of the prices": views & known & absent & ~early & ~late,
        "before the asset's first price": missing & (at < first),
        "after the asset's last price": missing & (at > last) & (at >= first),
        "price missing": missing & (at >= first) & (at <= last),
    }
    if prices.members is not None:
        member = np.zeros(views.shape, dtype=bool)
        member[inside] = prices.members.to_numpy()[np.ix_(rows[rows >= 0], columns[columns >= 0])]
        reasons["not a member of the universe"] = views & priced & ~member
    return {reason: mask for reason, mask in reasons.items() if mask.any()}


def _every_one_priced(views: np.ndarray, rows: np.ndarray, columns: np.ndarray, close: np.ndarray) -> bool:
    """Whether each view is of a session and an asset of the prices, and has a close there."""
    if (rows < 0).any() or (columns < 0).any():
        return False
    same = np.array_equal(columns, np.arange(close.shape[1]))
    for start in range(0, len(views), _TOGETHER):
        here = close[rows[start : start + _TOGETHER]]
        if (views[start : start + _TOGETHER] & ~np.isfinite(here if same else here[:, columns])).any():
            return False
    return True


def _price_losses(
    joined: np.ndarray, sessions: pd.DatetimeIndex, rows: np.ndarray, columns: np.ndarray, prices: PricePanel
) -> list[tuple[object, ...]]:
    """Closes between the first joined prediction and the last that no prediction is about, by reason."""
    view = np.zeros(prices.shape, dtype=bool)
    view[np.ix_(rows[rows >= 0], columns[columns >= 0])] = joined[np.ix_(rows >= 0, columns >= 0)]
    said = np.flatnonzero(view.any(axis=1))
    span = slice(said[0], said[-1] + 1)
    view, alive = view[span], prices.close.notna().to_numpy()[span]
    silent = alive & ~view
    if not silent.any():
        return []
    nobody, never = ~np.any(view, axis=1, keepdims=True), ~np.any(view, axis=0)
    reasons = {
        "asset without predictions": silent & never,
        "session without predictions": silent & ~never & nobody,
        "no prediction": silent & ~never & ~nobody,
    }
    return [
        _loss("prices", reason, mask, prices.sessions[span], prices.assets)
        for reason, mask in reasons.items()
        if mask.any()
    ]


def _loss(
    side: str, reason: str, mask: np.ndarray, sessions: pd.DatetimeIndex, assets: pd.Index
) -> tuple[object, ...]:
    days = sessions[np.flatnonzero(mask.any(axis=1))]
    return side, reason, int(mask.sum()), int(mask.any(axis=0).sum()), str(days[0].date()), str(days[-1].date())


def _nothing_joins(predictions: PredictionPanel, prices: PricePanel) -> str:
    shared = predictions.assets.intersection(prices.assets)
    if len(shared) == 0:
        return (
            f"predictions: none of the {len(predictions.assets)} assets is in the prices (predictions have e.g. "
            f"{predictions.assets[0]!r}, prices {prices.assets[0]!r}); give both the same ids"
        )
    spans = [f"{panel.sessions[0].date()} to {panel.sessions[-1].date()}" for panel in (predictions, prices)]
    return f"predictions: no row joins a price (predictions {spans[0]}, prices {spans[1]}); check dates and assets"
