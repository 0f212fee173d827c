"""What each feature is worth to a model out of sample: the rank IC that it loses when it reads that one from elsewhere.

For each fold, each of its fits (seeds) and each draw of where else to read (`assay.models.importance.PermutedReads`),
the model predicts the fold's test sessions again, and the loss of a session is its rank IC as it is less that one. The
mean over fits and draws is a series of sessions, whose mean is the importance and whose HAC interval says how sure that
is beyond these sessions; what fits and draws add to it stands apart, as an error over seeds. Panels of fewer than three
assets have no ranking: there the rank correlation of all cells of a fold takes its place.

Features that say much the same share what they say: a model that can read either loses little of one. Where a model
sets one of them against another, either alone is noise to it, and both seem worth something.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.engine.fitting import predict_fold
from assay.engine.folds import Fold
from assay.models.base import FittedForecaster, Forecaster
from assay.models.importance import PermutedReads
from assay.results.stats.information_coefficient import MINIMUM_NAMES
from assay.results.stats.long_run_variance import critical_value, hac_mean
from assay.results.stats.ranks import rank_correlation

__all__ = ["permutation_importance"]

#: Assets below which a session is no ranking.
_RANKED = 3


def permutation_importance(
    model: Forecaster,
    fits: Iterable[tuple[Fold, int, FittedForecaster]],
    prices: PricePanel,
    *,
    draws: int = 5,
    fill: Any = None,
    progress: Callable[[str], None] | None = None,
) -> dict[str, pd.DataFrame]:
    """Permutation importance of what a model reads, on the test sessions of its folds.

    Parameters
    ----------
    model : the recipe.
    fits : fold, seed and what was fit; several seeds a fold.
    prices : the whole panel; a fit is asked about its own fold's sessions alone.
    draws : how often each feature is read from elsewhere, for each fit; the draws are the same for every feature.
    fill : which price the windows of what followed run between.
    progress : told which fit is done.

    Returns
    -------
    dict
        ``importance``: by feature, the largest first: importance (rank IC lost, mean over sessions), low and high (95%
        HAC), t, error_seeds (of the mean, over seeds, or over draws where there is one seed), rank_ic (as it is, on
        the same sessions), folds_above_0 (share) and n (sessions). ``importance_folds``: fold, feature, importance,
        error_seeds, rank_ic and n.

    Raises
    ------
    InputError
        With fewer than 2 draws.

    """
    if draws < 2:
        raise InputError(f"importance: {draws} draws; at least 2 are needed for an error")
    runs: list[dict[str, object]] = []
    series: dict[str, dict[int, list[Floats]]] = {}
    horizon = 1
    for fold, seed, fitted in fits:
        reads = _reads(model, fitted, prices, fold)
        plain = _tested(reads.plain, prices, fold)
        horizon = reads.plain.horizon
        ahead = forward_returns(
            prices.between(fold.train_start, None), horizon=horizon, delay=reads.plain.delay, fill=fill
        ).reindex(index=plain.index, columns=plain.columns).to_numpy(dtype=np.float64)  # fmt: skip
        for name in reads.names:
            for draw in range(draws):
                other = _tested(reads.without(name, np.random.default_rng([fold.number, seed, draw])), prices, fold)
                whole, left = _scores(plain.to_numpy(), other.to_numpy(), ahead)
                lost = whole - left
                series.setdefault(name, {}).setdefault(fold.number, []).append(lost)
                runs.append({
                    "fold": fold.number, "feature": name, "seed": seed, "draw": draw, "importance": _mean(lost),
                    "rank_ic": _mean(whole), "n": int(np.isfinite(lost).sum()),
                })  # fmt: skip
        if progress is not None:
            progress(f"fold {fold.number} seed {seed}")
    table = pd.DataFrame(runs)
    by_fold = _by_fold(table)
    return {"importance": _by_feature(table, by_fold, series, horizon), "importance_folds": by_fold}


def _reads(model: Forecaster, fitted: FittedForecaster, prices: PricePanel, fold: Fold) -> PermutedReads:
    own = prices.between(fold.train_start, fold.test_end)
    inside = getattr(model, "base", model)
    apart = bool(getattr(inside, "per_asset", False) or getattr(inside, "scales_per_asset", False))
    first = int(own.sessions.searchsorted(fold.test_start))
    return PermutedReads(lambda panel: predict_fold(fitted, panel, fold), own, first, int(model.lookback), apart)


def _tested(panel: PredictionPanel, prices: PricePanel, fold: Fold) -> pd.DataFrame:
    """What ranks the assets on the fold's test sessions, among members where they are known."""
    view = panel.view.loc[fold.test_start : fold.test_end]
    return view if prices.members is None else view.where(prices.members.reindex_like(view).astype(bool))


def _scores(plain: Floats, other: Floats, ahead: Floats) -> tuple[Floats, Floats]:
    """(T,) what each of two views says of what followed, on the cells that both have."""
    both = np.isfinite(plain) & np.isfinite(other)
    pair = [np.where(both, view, np.nan) for view in (plain, other)]
    if plain.shape[1] >= _RANKED:
        least = max(_RANKED, min(MINIMUM_NAMES, plain.shape[1]))
        whole, left = (rank_correlation(view, ahead, minimum=least)[0] for view in pair)
    else:
        whole, left = (_of_cells(view, ahead) for view in pair)
    return whole, left


def _of_cells(view: Floats, ahead: Floats) -> Floats:
    """(T,) products of standardised ranks among all cells, whose mean over cells is their rank correlation."""
    from scipy.stats import rankdata

    known = np.isfinite(view) & np.isfinite(ahead)
    out = np.full(view.shape, np.nan)
    if known.sum() < MINIMUM_NAMES:
        return out[:, 0]
    one, two = (rankdata(side[known]) for side in (view, ahead))
    scale = float(one.std() * two.std())
    if scale > 0:
        out[known] = (one - one.mean()) * (two - two.mean()) / scale
    count = known.sum(axis=1)
    return np.where(count > 0, np.nansum(out, axis=1) / np.maximum(count, 1), np.nan) if scale > 0 else out[:, 0]


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _error(table: pd.DataFrame) -> float:
    """Error of a mean over seeds, or over draws where there is one seed; rows weigh by their sessions."""
    by = "seed" if table["seed"].nunique() > 1 else "draw"
    means = table.groupby(by)[["importance", "n"]].apply(_weighted).dropna()
    return float(means.std(ddof=1) / math.sqrt(len(means))) if len(means) > 1 else math.nan


def _weighted(rows: pd.DataFrame, column: str = "importance") -> float:
    known = rows[rows["n"] > 0]
    return float(np.average(known[column], weights=known["n"])) if len(known) else math.nan


def _by_fold(table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (fold, name), part in table.groupby(["fold", "feature"], sort=False):
        rows.append({
            "fold": fold, "feature": name, "importance": _weighted(part), "error_seeds": _error(part),
            "rank_ic": _weighted(part, "rank_ic"), "n": int(part["n"].max()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _by_feature(
    table: pd.DataFrame, folds: pd.DataFrame, series: Mapping[str, Mapping[int, Sequence[Floats]]], horizon: int
) -> pd.DataFrame:
    rows = {}
    for name, part in table.groupby("feature", sort=False):
        daily = np.concatenate([np.mean(each, axis=0) for each in series[str(name)].values()])
        known = daily[np.isfinite(daily)]
        mean, error, t, lag = hac_mean(known, horizon=horizon)
        flat = len(known) > 0 and float(np.ptp(known)) == 0.0  # read, perhaps, but nothing hangs on it
        half = 0.0 if flat else critical_value(len(known), lag) * error
        own = folds[(folds["feature"] == name) & (folds["n"] > 0)]
        rows[str(name)] = {
            "importance": mean, "low": mean - half, "high": mean + half, "t": t, "error_seeds": _error(part),
            "rank_ic": _weighted(part, "rank_ic"),
            "folds_above_0": float((own["importance"] > 0).mean()) if len(own) else math.nan, "n": len(known),
        }  # fmt: skip
    out = pd.DataFrame.from_dict(rows, orient="index").rename_axis("feature")
    return out.sort_values("importance", ascending=False, kind="stable")
