"""Style factors by cross-sectional regression: what each characteristic earned in a session, and what assets keep.

Of the n assets with a return over (s−1, s] and a close at s−1,

    r_s = B_{s−1} f_s + ε_s,    B = [1, styles, sectors],

by ordinary least squares of minimum norm. Styles and sectors are centred on each session, so that the first factor's
return is the assets' mean return and the sectors' returns sum to 0. Exposures are those of the close before the return
begins, so f_s is what a portfolio known at s−1 earned, and truncating the panel changes no earlier session.

Written here although skfolio has a `CharacteristicsFactorModel`. That one reads no future either (version 1.12, checked
by truncation), and its attribution of the same exposures agrees with ours (tests). But it refuses a whole panel for one
session with few names, needs market values for beta, fits covariances that nobody reads here (482 assets × 1,259
sessions and four styles: 6.7 s, with the caches of its own first call), and leaves out of its sum what a book earns
inside a session, its interest and its costs.

References
----------
Fama & MacBeth (1973), Journal of Political Economy 81(3); Grinold & Kahn (2000), *Active Portfolio Management*, ch. 3;
Newey & West (1987), Econometrica 55(3), for the errors of what is left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from assay.data.conventions import FLAT, Floats
from assay.data.cross_section import Placed, Rows, regressed, sector_exposures, standardised
from assay.results.stats.long_run_variance import critical_value, lag_rule

__all__ = ["MARKET", "AfterFactors", "StyleModel", "after_factors", "residual_returns", "style_model"]

#: Residuals that range over less than this share of the series are the rounding of a regression that leaves nothing.
_DUST = 1e-8
#: The factor whose exposure is 1.
MARKET = "market"


@dataclass(frozen=True, eq=False)
class StyleModel:
    """Exposures, what the factors earned, and what is left of each asset.

    Parameters
    ----------
    loadings : factor → (T, N) exposures stamped t, known at t, that are read some sessions at a time, so that those to
        sectors need no table; the market is not among them.
    returns : (T, K) a session, stamped with the period's end; columns are `MARKET` and then the exposures' names; NaN
        where too few assets have a return.
    own : (T, N) what is left of each asset's return; NaN where it has none or nothing was estimated.
    r2 : (T,) share of the assets' variation on a session that the factors explain, the market's own mean left aside.

    """

    loadings: Mapping[str, Rows]
    returns: pd.DataFrame
    own: pd.DataFrame
    r2: pd.Series

    @property
    def exposures(self) -> dict[str, pd.DataFrame]:
        """The loadings as tables, made when asked for."""
        return {
            name: pd.DataFrame(rows[:], self.own.index, self.own.columns) for name, rows in self.loadings.items()
        }

    def at(self, index: pd.Index, columns: pd.Index, *, late: int = 0, absent: float = 0.0) -> dict[str, Rows]:
        """The loadings at these sessions and assets, `late` sessions before each; `absent` where there are none."""
        sessions = self.own.index.get_indexer(index)
        sessions = np.where(sessions >= late, sessions - late, -1)
        assets = None if columns.equals(self.own.columns) else self.own.columns.get_indexer(columns)
        return {name: Placed(rows, sessions, assets, absent) for name, rows in self.loadings.items()}


def style_model(
    returns: pd.DataFrame,
    characteristics: Mapping[str, pd.DataFrame] | Iterable[tuple[str, pd.DataFrame]],
    sectors: pd.Series | None = None,
) -> StyleModel:
    """Factor returns of every session.

    Parameters
    ----------
    returns : (T, N) a session, stamped with the period's end.
    characteristics : name → (T, N) raw, stamped t; see `assay.data.characteristics.characteristics`. One after another
        (`each_characteristic`), so that no more than one is there raw.
    sectors : asset → sector; an asset without one is in none.

    """
    assets, sessions = returns.columns, returns.index
    keep = returns.notna().to_numpy()
    each = characteristics.items() if isinstance(characteristics, Mapping) else characteristics
    loadings: dict[str, Rows] = {name: standardised(frame.to_numpy(dtype=np.float64), keep) for name, frame in each}
    if sectors is not None:
        loadings |= sector_exposures(sectors.reindex(assets), keep)
    count = len(sessions)
    factors, own = np.full((count, 1 + len(loadings)), np.nan), np.full(returns.shape, np.nan)
    r2 = np.full(count, np.nan)
    # Row s of the loadings stands beside the return of s + 1.
    factors[1:], own[1:], r2[1:] = regressed(returns.to_numpy(dtype=np.float64)[1:], list(loadings.values()))
    return StyleModel(
        loadings,
        pd.DataFrame(factors, sessions, [MARKET, *loadings], copy=False),
        pd.DataFrame(own, sessions, assets, copy=False),
        pd.Series(r2, sessions, name="r2"),
    )


def residual_returns(forward: pd.DataFrame, model: StyleModel) -> pd.DataFrame:
    """What is left of forward returns stamped t after a regression on the exposures known at t, session by session.

    Parameters
    ----------
    forward : (T', N') of sessions and assets of the model.
    model : see `style_model`.

    """
    on = list(model.at(forward.index, forward.columns).values())
    _, own, _ = regressed(forward.to_numpy(dtype=np.float64), on)
    return pd.DataFrame(own, forward.index, forward.columns, copy=False)


@dataclass(frozen=True, eq=False)
class AfterFactors:
    """What is left of a series after factor returns: a regression with HAC errors.

    Parameters
    ----------
    alpha, alpha_error : intercept a session, and its Newey–West error.
    betas : factor → slope, 0 for a factor that does not vary or that others make up.
    residuals : (n,) including the intercept.
    lag, n : lag of the errors; observations.

    """

    alpha: float
    alpha_error: float
    betas: Mapping[str, float]
    residuals: Floats
    lag: int
    n: int

    @property
    def t(self) -> float:
        """t of the intercept."""
        return self.alpha / self.alpha_error if self.alpha_error > 0 else math.nan

    @property
    def critical(self) -> float:
        """HAC errors to each side of a 95% interval."""
        return critical_value(self.n, self.lag)


def after_factors(values: Floats, factors: Mapping[str, Floats], *, horizon: int = 1) -> AfterFactors | None:
    """Regress a series on factor returns; None where fewer than 30 observations a coefficient are left, nothing varies,
    or the factors make up the series but for rounding.

    `horizon` is more than 1 where the values are about overlapping windows of h sessions.

    Errors are those of `assay.results.stats.long_run_variance.regress`, for several regressors: statsmodels
    ``cov_type="HAC"`` with ``use_correction=False``, but for the factor n/(n − k) on the variance, since each factor
    that is fit takes a little of what the errors are estimated from.
    """
    n = len(values)
    chosen: dict[str, Floats] = {}
    for name, series in factors.items():
        size = float(np.abs(series).max(initial=0.0))
        if float(np.ptp(series)) <= max(FLAT, 1e-12 * size):
            continue
        kept = np.column_stack([np.ones(n), *(item / item.std() for item in chosen.values()), series / series.std()])
        if np.linalg.matrix_rank(kept, tol=1e-7 * math.sqrt(n)) == kept.shape[1]:
            chosen[name] = series
    width = 1 + len(chosen)
    if n < 30 * width or float(np.ptp(values)) <= FLAT:
        return None
    design = np.column_stack([np.ones(n), *chosen.values()])
    inverse = np.linalg.inv(design.T @ design)
    slopes = inverse @ (design.T @ values)
    residuals = values - design @ slopes
    if float(np.ptp(residuals)) <= max(FLAT, _DUST * float(np.ptp(values))):
        return None
    lag = lag_rule(n, horizon)
    moments = design * residuals[:, None]
    meat = moments.T @ moments
    for step in range(1, lag + 1):
        cross = moments[step:].T @ moments[:-step]
        meat += (1.0 - step / (lag + 1.0)) * (cross + cross.T)
    variance = float((inverse @ meat @ inverse)[0, 0]) * n / (n - width)
    betas = dict.fromkeys(factors, 0.0) | dict(zip(chosen, map(float, slopes[1:]), strict=True))
    error = math.sqrt(variance) if variance > 0 else math.nan
    return AfterFactors(float(slopes[0]), error, betas, residuals + float(slopes[0]), lag, n)
