"""Several models' predictions as one: mean of ranks, weighted by measured skill, or stacked on what is known.

Nothing here trains on the sessions it predicts: weights are estimated again every few sessions, from predictions that
were themselves made out of sample and from the labels known by then, and the receipts say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError, UnknownNameError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.receipts import RECEIPT_COLUMNS
from assay.data.returns import forward_returns
from assay.models.metrics import daily_correlation

__all__ = ["METHODS", "combine", "merged_receipts"]

Method = Literal["mean_rank", "ic", "stack"]
#: Names that `combine` knows.
METHODS: tuple[str, ...] = get_args(Method)
_STAMPS = ("trained_through", "preprocessing_fit_through", "labels_known_through", "available_at")


def combine(
    panels: Sequence[PredictionPanel],
    prices: PricePanel | None = None,
    *,
    method: Method = "mean_rank",
    every: int = 21,
    window: int = 504,
    minimum: int = 60,
) -> PredictionPanel:
    """One panel out of several, on the sessions and assets that they share; NaN where a part has no view.

    Parameters
    ----------
    panels : at least two, of the same horizon and delay.
    prices : whose forward returns measure the parts; not read by ``mean_rank``.
    method : ``mean_rank`` (mean of each session's ranks, scaled to ±½); ``ic`` (the same ranks, each part weighted by
        its positive trailing mean rank information coefficient, equally where none is positive); ``stack`` (the
        non-negative combination of scores nearest to past returns in squares; parts in unit ``return`` alone).
    every : sessions from one estimate of the weights to the next.
    window : most sessions in an estimate, the last being the latest whose label is known.
    minimum : fewest; until then parts count equally.

    Returns
    -------
    PredictionPanel
        Unit ``rank``, or ``return`` with ``stack``. Receipts are the latest of the parts', and of the labels that the
        weights were estimated on; None where a part has none.

    Raises
    ------
    UnknownNameError
        If the method is unknown.
    InputError
        If the parts do not fit together, or the method needs prices or another unit.

    References
    ----------
    Breiman (1996), "Stacked regressions", Machine Learning 24, for the non-negative combination.

    """
    if method not in METHODS:
        raise UnknownNameError("ensemble", method, list(METHODS))
    if every < 1 or not 2 <= minimum <= window:
        raise InputError(f"ensemble: every must be >= 1 and 2 <= minimum <= window, got {every}, {minimum}, {window}")
    scores = _shared_scores(panels, method)
    first = panels[0]
    sessions, assets = scores[0].index, scores[0].columns
    parts = np.stack([(_ranks(one) if method != "stack" else one).to_numpy() for one in scores])
    known: list[pd.Timestamp] = []
    if method == "mean_rank":
        combined = parts.mean(axis=0)
    else:
        if prices is None:
            raise InputError(f"ensemble: {method} needs prices to measure the parts by")
        ahead = _ahead(prices, first, sessions, assets)
        starts = list(range(0, len(sessions), every))
        weights = np.empty((len(sessions), len(parts)))
        for start in starts:
            end = _known_rows(prices, sessions, start, first.purge)
            rows = slice(max(0, end - window), max(0, end))
            weights[start : start + every] = _weights(parts[:, rows], ahead[rows], method, minimum)
        known = [sessions[start] for start in starts]
        combined = np.einsum("tk,kta->ta", weights, parts)
    return PredictionPanel(
        pd.DataFrame(combined, sessions, assets),
        unit="return" if method == "stack" else "rank",
        horizon=first.horizon,
        delay=first.delay,
        receipts=merged_receipts(panels, known=known),
        name=f"{method}({', '.join(panel.name for panel in panels)})",
        warnings=(*dict.fromkeys(line for panel in panels for line in panel.warnings), *_left_out(panels, scores[0])),
    )


def _left_out(panels: Sequence[PredictionPanel], shared: pd.DataFrame) -> list[str]:
    """A line for each part whose predictions are not all in the combination."""
    kept, out = int(shared.notna().to_numpy().sum()), []
    for panel in panels:
        given = int(panel.require_score("ensemble").notna().to_numpy().sum())
        if given > kept:
            out.append(f"{given - kept:,} of {given:,} predictions of {panel.name} are left out: a part has none there")
    return out


def merged_receipts(panels: Sequence[PredictionPanel], *, known: Sequence[pd.Timestamp] = ()) -> pd.DataFrame | None:
    """One receipt for each change of any part's: every stamp is the latest of the parts' in force.

    Parameters
    ----------
    panels : the parts; None is returned if one has no receipts.
    known : sessions on which weights were estimated from all labels known by their close: from each on, labels and
        training reach that session.

    """
    tables = [panel.receipts for panel in panels if panel.receipts is not None and not panel.receipts.empty]
    if len(tables) < len(panels):
        return None
    begin = max(table.index[0] for table in tables)  # before it a part has no view, so there is no row to cover
    marks = sorted({stamp for table in tables for stamp in table.index} | set(known))
    marks = [begin, *(stamp for stamp in marks if stamp > begin)]
    rows = []
    for fold, stamp in enumerate(marks):
        active = [table.loc[:stamp].iloc[-1] for table in tables]
        row = {name: max(part[name] for part in active) for name in _STAMPS}
        estimated = [session for session in known if session <= stamp]
        if estimated:
            for name in ("trained_through", "labels_known_through", "available_at"):
                row[name] = max(row[name], estimated[-1])
        rows.append({"model_id": "+".join(str(part["model_id"]) for part in active), "fold": fold, **row})
    return pd.DataFrame(rows, index=pd.DatetimeIndex(marks, name="session"))[list(RECEIPT_COLUMNS)]


def _shared_scores(panels: Sequence[PredictionPanel], method: str) -> list[pd.DataFrame]:
    """Scores on the common sessions and assets; NaN wherever one of them is."""
    if len(panels) < 2:
        raise InputError(f"ensemble: needs at least 2 panels, got {len(panels)}")
    for panel in panels[1:]:
        if (panel.horizon, panel.delay) != (panels[0].horizon, panels[0].delay):
            raise InputError(
                f"ensemble: {panel.name} has horizon {panel.horizon} and delay {panel.delay}, {panels[0].name} "
                f"{panels[0].horizon} and {panels[0].delay}; only predictions of the same labels combine"
            )
    scores = [
        panel.require_sign(f"ensemble {method}") if method == "stack" else panel.require_score("ensemble")
        for panel in panels
    ]
    sessions, assets = scores[0].index, scores[0].columns
    for score in scores[1:]:
        sessions = sessions.intersection(score.index)
        assets = assets[assets.isin(score.columns)]
    if len(sessions) == 0 or len(assets) == 0:
        raise InputError(f"ensemble: the panels share {len(sessions)} sessions and {len(assets)} assets")
    shared = [score.loc[sessions, assets] for score in scores]
    missing = np.isnan(np.stack([score.to_numpy() for score in shared])).any(axis=0)
    return [score.mask(missing) for score in shared]


def _ranks(score: pd.DataFrame) -> pd.DataFrame:
    """Average ranks of each session, from −½ to ½; 0 for a lone asset."""
    count = score.notna().sum(axis="columns")
    ranks = score.rank(axis="columns").sub(1.0).div((count - 1).clip(lower=1), axis="index")
    return ranks.sub(0.5).where(count > 1, score * 0.0)


def _ahead(prices: PricePanel, panel: PredictionPanel, sessions: pd.Index, assets: pd.Index) -> Floats:
    """Forward returns (T, N) of the shared cells."""
    absent = assets.difference(prices.assets)
    if len(absent) or not sessions.isin(prices.sessions).all():
        raise InputError("ensemble: predictions lie outside the prices; align the two first")
    return forward_returns(prices, horizon=panel.horizon, delay=panel.delay).loc[sessions, assets].to_numpy()


def _known_rows(prices: PricePanel, sessions: pd.Index, row: int, purge: int) -> int:
    """How many of the leading `sessions` have a label known by the close of ``sessions[row]``."""
    last = int(prices.sessions.searchsorted(sessions[row])) - purge
    return 0 if last < 0 else int(sessions.searchsorted(prices.sessions[last], side="right"))


def _weights(parts: Floats, ahead: Floats, method: str, minimum: int) -> Floats:
    """(K,) weights from (K, S, N) parts and the (S, N) returns that followed; equal where nothing was measured."""
    equal = np.full(len(parts), 1.0 / len(parts))
    both = np.isfinite(parts[0]) & np.isfinite(ahead)
    if int(both.any(axis=1).sum()) < minimum:
        return equal
    if method == "ic":
        skill = np.array([max(0.0, _mean(daily_correlation(part, ahead, ranked=True))) for part in parts])
        return skill / skill.sum() if skill.sum() > 0 else equal
    from scipy.optimize import nnls

    return np.asarray(nnls(parts[:, both].T, ahead[both])[0])


def _mean(values: Floats) -> float:
    """Mean of the finite ones; 0 where there is none."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else 0.0
