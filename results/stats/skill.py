"""One number for skill: each session's correlation of scores and returns after beta, and the evidence it adds up to.

On session t with n names let q be the normal scores of the scores, e the forward returns less trailing beta times
their mean, over trailing residual volatility and clipped at ±4, and P the projection off a constant and trailing beta
(and off sectors and styles where they are given), both in units of that volatility. Then

    x_t = √df · corr(P q, P e),    df = n − what P takes out,

has mean 0 and variance 1 where the scores know nothing beyond what P takes out, and mean IC·√df where they do.
Everything but e is known at t, e at t + delay + horizon.

At horizon 1 the windows of x do not overlap and x is a martingale difference under no skill: t is Σx/√Σx². At horizon h
the windows of h neighbours overlap, and the autocovariances up to lag h − 1 are added.

The **e-process** for a target IC is log E_t = Σ (λ·x − λ²·x²/2) with λ = IC·√df; the default averages E over several
ICs. It is a supermartingale from 1 where x is symmetric around 0 (or around something below 0) given the past, because
cosh(λx) ≤ exp(λ²x²/2) (de la Peña 1999). Then the chance that it ever reaches 1/α is at most α however often one looks
(Ville 1939). Symmetry is exact where residual returns are elliptical given the past and P leaves nothing common in
them; where it fails, or windows overlap and somebody stops between the ends of two windows, the size is what
``studies/gate_power.md`` measures.

References
----------
Grinold & Kahn (2000), *Active Portfolio Management*, for the information coefficient and implied alpha.
Blom (1958), *Statistical Estimates and Transformed Beta-Variables*, for normal scores (r − 3/8)/(n + 1/4).
Blume (1975), "Betas and their regression tendencies", Journal of Finance 30(3), for shrinking betas towards 1.
Hansen & Hodrick (1980), Journal of Political Economy 88(5), for the error with overlapping windows.
de la Peña (1999), "A general class of exponential inequalities for martingales and ratios", Annals of Probability
27(1).
Ramdas, Grünwald, Vovk & Shafer (2023), "Game-theoretic statistics and safe anytime-valid inference", Statistical
Science 38(4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.characteristics import BETA_LEAST, BETA_WINDOW, market_variance, trailing_beta
from assay.data.conventions import Floats
from assay.data.cross_section import Rows
from assay.data.errors import InputError
from assay.data.panel import laid_out
from assay.data.rolling import rolling_deviation
from assay.data.row_tables import RowValues, Table, Values
from assay.results.stats.blocks import row_blocks
from assay.results.stats.long_run_variance import critical_value, hac_mean, long_run_covariance
from assay.results.stats.ranks import PairedRanks
from assay.results.stats.risk_by_session import RiskBySession, pays

__all__ = [
    "MIXTURE",
    "Risk",
    "RunningRisk",
    "Skill",
    "average_error",
    "evidence_path",
    "log_e_values",
    "normal_scores",
    "skill_series",
    "skill_t",
    "trailing_risk",
]


#: ICs whose e-processes are averaged where no target is given: hard to trade … rarely true.
MIXTURE = (0.01, 0.02, 0.03, 0.05)
_VOLATILITY_WINDOW, _VOLATILITY_LEAST = 60, 20
_SHRINK = 1 / 3
_CLIP = 4.0
#: Names left over after projection that a session needs.
_LEAST_DF = 3
#: What is left of a vector after projection, relative to its length, below which it is rounding.
_NOTHING = 1e-9
#: Values worked on at once: a handful of arrays of so many stay in cache.
_CACHED = 1 << 16


@dataclass(frozen=True, eq=False)
class Risk:
    """What is known at t of each asset's risk.

    Parameters
    ----------
    beta : (T, N) on the assets' mean return, trailing, shrunk a third of the way to 1; 1 where unknown.
    volatility : (T, N) of the returns after beta, a session, trailing; NaN where unknown.

    """

    beta: pd.DataFrame
    volatility: pd.DataFrame


def trailing_risk(returns: pd.DataFrame) -> Risk:
    """Beta over 252 sessions (60 at least) and residual volatility over 60 (20 at least), each through t.

    An asset whose volatility is not known yet, or is 0, is given the median of the others on that session.

    Parameters
    ----------
    returns : (T, N) a session, stamped with the period's end.

    """
    values, index, names = returns.to_numpy(dtype=np.float64), returns.index, returns.columns
    if pays(values.shape[1]):
        beta, volatility = np.empty(values.shape), np.empty(values.shape)
        risk = RunningRisk(index, names, lambda rows: values[rows])
        for rows in row_blocks(values.shape):
            beta[rows], volatility[rows] = risk.next(rows)
    else:
        beta, volatility = _parts_of_risk(returns)
        _fill_unknown(volatility)
    return Risk(laid_out(beta, index, names), laid_out(volatility, index, names))


def _fill_unknown(volatility: Floats) -> None:
    """Give what is not known the median of its row."""
    unknown = np.isnan(volatility)
    rows = np.flatnonzero(unknown.any(axis=1))
    if len(rows):
        typical = pd.DataFrame(volatility[rows]).median(axis="columns").to_numpy()[:, None]
        volatility[rows] = np.where(unknown[rows], typical, volatility[rows])


class RunningRisk:
    """`trailing_risk` of many assets some sessions at a time, so that no table of it need be made.

    Parameters
    ----------
    sessions, assets : T and N of them.
    returns : rows to (n, N) returns a session, stamped with the period's end.

    """

    def __init__(self, sessions: pd.Index, assets: pd.Index, returns: Callable[[slice], Floats]) -> None:
        self.sessions, self.assets, self._returns = sessions, assets, returns
        shape = len(sessions), len(assets)
        market: Floats = np.full(shape[0], np.nan)
        for rows in row_blocks(shape):
            market[rows] = pd.DataFrame(returns(rows)).mean(axis="columns").to_numpy(dtype=np.float64)
        variance = market_variance(pd.Series(market)).to_numpy(dtype=np.float64)
        windows = (BETA_WINDOW, BETA_LEAST, _VOLATILITY_WINDOW, _VOLATILITY_LEAST)
        self._risk = RiskBySession(len(assets), market, variance, windows, _SHRINK)
        self._at = 0

    def next(self, rows: slice) -> tuple[Floats, Floats]:
        """Beta and volatility, (n, N), of rows that come after those asked for before."""
        if rows.start > self._at:
            for skipped in row_blocks((rows.start - self._at, len(self.assets))):
                self._risk.next(self._returns(slice(self._at + skipped.start, self._at + skipped.stop)))
        self._at = rows.stop
        beta, volatility = self._risk.next(self._returns(rows))
        _fill_unknown(volatility)
        return beta, volatility


    def at(self, places: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        """Beta and volatility, (n, N), of rows at ascending places that come after those asked for before."""
        if len(places) and places[-1] - places[0] == len(places) - 1:
            return self.next(slice(int(places[0]), int(places[-1]) + 1))
        beta, volatility = zip(*(self.next(slice(place, place + 1)) for place in places.tolist()), strict=True)
        return np.vstack(beta), np.vstack(volatility)


def _parts_of_risk(returns: pd.DataFrame) -> tuple[Floats, Floats]:
    """(T, N) beta and volatility of `trailing_risk`, the latter NaN where it is not known or 0; by pandas."""
    market, values = returns.mean(axis="columns").to_numpy()[:, None], returns.to_numpy(dtype=np.float64)
    beta = trailing_beta(returns).to_numpy()
    beta = np.where(np.isnan(beta), 1.0, (1 - _SHRINK) * beta + _SHRINK)
    with np.errstate(invalid="ignore"):
        volatility = rolling_deviation(values - beta * market, _VOLATILITY_WINDOW, least=_VOLATILITY_LEAST)
    volatility[~(volatility > 1e-12)] = np.nan
    return beta, volatility


def normal_scores(values: Floats) -> Floats:
    """Φ⁻¹((r − 3/8)/(n + 1/4)) of each row's average ranks r among its n values; NaN stays NaN."""
    values = np.where(np.isfinite(values), values, np.nan)
    return _scored(PairedRanks(values, values, keep=False)[0 : len(values)])


def _scored(ranks: npt.NDArray[Any]) -> Floats:
    """Normal scores of twice the average ranks, NaN where there is none."""
    known = np.count_nonzero(ranks, axis=1)
    sizes = np.unique(known).tolist()
    if len(sizes) == 1:
        return _blom(sizes[0]).take(ranks, mode="clip")
    out = np.empty(ranks.shape)
    for n in sizes:
        rows = known == n
        out[rows] = _blom(n).take(ranks[rows])
    return out


@lru_cache(maxsize=16)
def _blom(n: int) -> Floats:
    """Normal scores of twice the average ranks among n values: these are whole or half, so each score is one of 2n."""
    from scipy.special import ndtri

    scores: Floats = ndtri((np.arange(2 * n + 1) / 2 - 0.375) / (n + 0.25))
    scores[0] = np.nan  # no rank
    return scores


@dataclass(frozen=True, eq=False)
class Skill:
    """The series x, and what it rests on.

    Parameters
    ----------
    x : (T,) see the module; NaN where a session has too few names, or nothing is left of scores or returns.
    df : (T,) names less what is projected out; 0 where x is NaN.
    slope : (T,) Pq·Pe/E[Pq·Pq], what a unit of projected score earned in units of residual volatility: its mean is the
        IC that implied alpha is made of.
    horizon : h.
    scores : (T, N) Pq, 0 where an asset is left out; None where weights were given.
    volatility : (T, N) residual volatility a session that was known at t; None where weights were given.
    loading : (T,) of weights that were given: Σ weight · volatility · Pq.

    """

    x: pd.Series
    df: pd.Series
    slope: pd.Series
    horizon: int
    scores: pd.DataFrame | None = None
    volatility: pd.DataFrame | None = None
    loading: pd.Series | None = None

    @property
    def known(self) -> pd.DataFrame:
        """x and df of the sessions that have an x."""
        return pd.DataFrame({"x": self.x, "df": self.df})[self.x.notna().to_numpy()]

    @property
    def ic(self) -> float:
        """Mean of x/√df: the information coefficient after beta."""
        known = self.known
        return float((known["x"] / np.sqrt(known["df"])).mean()) if len(known) else math.nan


def skill_series(
    score: Table,
    forward: Table,
    risk: Risk | RunningRisk,
    *,
    horizon: int = 1,
    held: Table | None = None,
    sectors: pd.Series | None = None,
    styles: Mapping[str, pd.DataFrame | Rows] | None = None,
    ranks: PairedRanks | None = None,
) -> Skill:
    """The series x of a panel of scores.

    Parameters
    ----------
    score : (T, N) stamped t.
    forward : (T', N') what followed, stamped t; see `assay.data.returns.forward_returns`.
    risk : `trailing_risk` of the same assets, of rows that reach back before the first score where there are any; or
        the same running, of just these assets, with the score's sessions among its own.
    horizon : h of the forward returns.
    held : (T, N) target weights, whose loading is kept in place of the tables it is made of.
    sectors : asset → sector; each becomes a column of 0 and 1 that is projected out.
    styles : name → (T', N') exposures known at t, or (T, N) rows of them; missing ones are taken as the session's mean.
    ranks : of the same scores and outcomes, if somebody else reads them, too; they serve where all risk is known.

    Raises
    ------
    InputError
        If the horizon is below 1.

    """
    if horizon < 1:
        raise InputError(f"skill: horizon must be at least 1 session, got {horizon}")

    def on_stamps(frame: Table) -> Values:
        same = frame.index.equals(score.index) and frame.columns.equals(score.columns)
        found: Table = frame if same else frame.reindex(index=score.index, columns=score.columns)
        return found.to_numpy(dtype=np.float64)

    ahead, risk_of = on_stamps(forward), _risk_of(risk, score.index, on_stamps)
    raw = score.to_numpy(dtype=np.float64)
    groups = [] if sectors is None else _indicators(sectors.reindex(score.columns))
    exposures: list[Rows] = [
        on_stamps(frame) if isinstance(frame, pd.DataFrame) else frame for frame in (styles or {}).values()
    ]
    count, n = raw.shape
    x, df, product, square = (np.full(count, np.nan) for _ in range(4))
    weights = None if held is None else on_stamps(held)
    loading = np.zeros(count)
    projected, volatility = (np.zeros((count, n)) if held is None else None for _ in range(2))
    scale = math.sqrt(horizon)
    # Else sums are taken in another order.
    in_rows = all(isinstance(side, RowValues) or side.flags.c_contiguous for side in (raw, ahead))
    step = max(1, _CACHED // max(n * (1 + len(exposures) // 4), 1))
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        beta, sized = risk_of(rows)
        said, came = raw[rows], ahead[rows]
        keep = np.isfinite(said) & np.isfinite(came)
        keep &= np.isfinite(sized) & np.isfinite(beta)
        mask = None if in_rows and keep.all() else keep
        sigma, held_beta, came = _kept(sized, mask, 1.0), _kept(beta, mask), _kept(came, mask)
        q = _kept(_normal(ranks, rows, said, mask), mask)
        names = np.full(len(keep), n) if mask is None else np.count_nonzero(keep, axis=1)
        mean = came.sum(axis=1, keepdims=True) / np.maximum(names, 1)[:, None]
        e = came - held_beta * mean
        e /= sigma if horizon == 1 else sigma * scale
        e = _kept(np.clip(e, -_CLIP, _CLIP, out=e), mask)
        columns: list[Floats | float] = [1.0, held_beta, *groups, *(_filled(frame[rows], keep) for frame in exposures)]
        basis, rank = _orthonormal([_kept(column / sigma, mask) for column in columns])
        before = q, e
        q, e = _projected(q, basis), _projected(e, basis)
        lengths = _lengths(q), _lengths(e)
        free = names - rank
        enough = free >= _LEAST_DF
        for length, whole in zip(lengths, before, strict=True):
            # No normal score and no clipped return is larger than 8: where that settles it, no other length is taken.
            more: npt.NDArray[np.bool_] = length > _NOTHING * 8.0 * math.sqrt(n)
            enough &= more if more.all() else length > _NOTHING * _lengths(whole)
        dot = (q * e).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            x[rows] = np.where(enough, np.sqrt(np.maximum(free, 0)) * dot / (lengths[0] * lengths[1]), np.nan)
        df[rows] = np.where(enough, free, 0)
        product[rows], square[rows] = np.where(enough, dot, np.nan), np.where(enough, lengths[0] ** 2, np.nan)
        q = q if enough.all() else np.where(enough[:, None], q, 0.0)
        if weights is not None:
            loading[rows] = _sums_of_known(weights[rows] * sized * q)
        if projected is not None and volatility is not None:
            projected[rows], volatility[rows] = q, sized
    typical = float(np.nanmean(square)) if np.isfinite(square).any() else math.nan
    index = score.index
    return Skill(
        pd.Series(x, index, name="x"),
        pd.Series(df, index, name="df").fillna(0.0),
        pd.Series(product / typical, index, name="slope"),
        horizon,
        None if projected is None else laid_out(projected, index, score.columns),
        None if volatility is None else laid_out(volatility, index, score.columns),
        None if held is None else pd.Series(loading, index, name="loading"),
    )


def _risk_of(
    risk: Risk | RunningRisk, stamps: pd.Index, on_stamps: Callable[[Table], Values]
) -> Callable[[slice], tuple[Floats, Floats]]:
    """Rows of these stamps to beta and volatility."""
    if isinstance(risk, Risk):
        beta, volatility = on_stamps(risk.beta), on_stamps(risk.volatility)
        return lambda rows: (beta[rows], volatility[rows])
    running, place = risk, risk.sessions.get_indexer(stamps)
    return lambda rows: running.at(place[rows])


def _indicators(sectors: pd.Series) -> list[Floats]:
    """A column of 0 and 1 for each sector; an asset without one is in none."""
    known = [name for name in sectors.unique() if not pd.isna(name)]
    return [(sectors == name).to_numpy(dtype=np.float64) for name in known]


def _kept(values: Floats, keep: npt.NDArray[np.bool_] | None, other: float = 0.0) -> Floats:
    """The values that are kept, `other` in place of the rest; None keeps all of them."""
    return values if keep is None else np.where(keep, values, other)


def _normal(
    ranks: PairedRanks | None, rows: slice, scores: Floats, keep: npt.NDArray[np.bool_] | None
) -> Floats:
    """Normal scores of what is kept, from ranks of just that where they are there."""
    if ranks is not None:
        found = ranks[rows]
        there = found > 0
        if there.all() if keep is None else np.array_equal(there, keep):
            return _scored(found)
    return normal_scores(_kept(scores, keep, np.nan))


def _filled(values: Floats, keep: npt.NDArray[np.bool_]) -> Floats:
    """Exposures with what is missing at the mean of those that are there."""
    there = keep & np.isfinite(values)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = np.where(there, values, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(there, values, mean)


def _orthonormal(columns: Sequence[Floats]) -> tuple[list[Floats], npt.NDArray[np.int64]]:
    """Each session's columns made orthonormal one after another (twice, against rounding), and how many are left.

    A column that the ones before it explain becomes 0 and is not counted.
    """
    basis: list[Floats] = []
    rank = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        left, length = column, _lengths(column)
        size = length
        if basis:
            left = _projected(_projected(column, basis), basis)
            length = _lengths(left)
        real = length > _NOTHING * np.maximum(size, 1e-300)
        rank += real
        if real.all():
            basis.append(left / length[:, None])
        else:
            basis.append(np.where(real[:, None], left / np.where(real, length, 1.0)[:, None], 0.0))
    return basis, rank


def _projected(values: Floats, basis: Sequence[Floats]) -> Floats:
    for unit in basis:
        values = values - (values * unit).sum(axis=1, keepdims=True) * unit
    return values


def _lengths(values: Floats) -> Floats:
    """(T,) of rows."""
    return np.asarray(np.sqrt((values**2).sum(axis=1)))


def _sums_of_known(values: Floats) -> Floats:
    """(T,) of rows, NaN counting nothing."""
    sums = values.sum(axis=1)
    return np.nansum(values, axis=1) if np.isnan(sums).any() else np.asarray(sums)


def skill_t(x: Floats, *, horizon: int = 1) -> tuple[float, float, float, float]:
    """Mean of x, its error, t, and how many errors a 95% interval reaches to each side.

    At horizon 1 the error is √Σx²/n, uncentred, which is the variance under no skill (White 1980, with mean 0); at
    horizon h the autocovariances up to lag h − 1 are added with weight 1 (Hansen & Hodrick 1980), for overlapping
    windows have no others. Where that sum is not above that of the variances alone, Bartlett weights over 3·h lags are
    taken, with their wider critical value.

    Parameters
    ----------
    x : (n,) without NaN.
    horizon : h.

    Returns
    -------
    mean, error, t, critical : NaN but for the mean where there are fewer than 2 values or none differs from 0.

    """
    n = len(x)
    if n == 0:
        return math.nan, math.nan, math.nan, math.nan
    mean = float(x.mean())
    total = float(x @ x)
    if n < 2 or total <= 0:
        return mean, math.nan, math.nan, math.nan
    critical = critical_value(n, 0)
    variance = total
    if horizon > 1:
        lags = min(horizon - 1, n - 1)
        variance = total + 2 * sum(float(x[lag:] @ x[:-lag]) for lag in range(1, lags + 1))
        critical = critical_value(n, lags)
        if variance <= total:
            lags = min(3 * horizon - 1, n - 1)
            variance = max(total, n * float(long_run_covariance(x[:, None], lags)[0, 0]))
            critical = critical_value(n, lags)
    error = math.sqrt(variance) / n
    return mean, error, mean / error, critical


def average_error(one: Floats, two: Floats, *, horizon: int = 1) -> tuple[float, float]:
    """HAC error of the mean of (one + two)/2, and how many errors a 95% interval reaches to each side.

    Two estimates of one mean made of the same sessions: their average's error knows how they move together.

    Parameters
    ----------
    one, two : (n,) session by session, NaN where there is none; sessions with one of them alone are left out.
    horizon : h, where the values of h neighbours overlap.

    Returns
    -------
    error, critical : NaN where fewer than 2 sessions have both, or nothing varies.

    """
    both = (one + two) / 2
    both = both[np.isfinite(both)]
    _, error, _, lag = hac_mean(both, horizon=horizon)
    return error, critical_value(len(both), lag)


def log_e_values(x: Floats, df: Floats, target: float, *, horizon: int = 1) -> Floats:
    """(n,) log E after each session for one target IC; see the module.

    At horizon h the sessions are dealt into h sequences whose windows do not overlap, each with an e-process of its
    own, and E is their mean.

    Parameters
    ----------
    x, df : (n,) of the sessions that have an x, in time order.
    target : information coefficient, above 0 for skill, below 0 for its opposite.
    horizon : h.

    """
    steps = target * np.sqrt(df)
    gains = steps * x - (steps * x) ** 2 / 2
    if horizon == 1:
        return np.cumsum(gains)
    paths = np.zeros((horizon, len(x)))
    for start in range(horizon):
        paths[start, start::horizon] = gains[start::horizon]
    return _log_mean(np.cumsum(paths, axis=1))


def evidence_path(x: Floats, df: Floats, *, horizon: int = 1, target: float | None = None) -> Floats:
    """(n,) log E after each session: of one target IC, or the mean over `MIXTURE`.

    Parameters
    ----------
    x, df, horizon : as in `log_e_values`.
    target : information coefficient above 0; None for the mixture.

    Raises
    ------
    InputError
        If the target is not above 0 and below 1.

    """
    if target is None:
        return _log_mean(np.stack([log_e_values(x, df, ic, horizon=horizon) for ic in MIXTURE]))
    if not 0 < target < 1:
        raise InputError(f"skill: a target IC lies between 0 and 1, got {target:g}")
    return log_e_values(x, df, target, horizon=horizon)


def _log_mean(paths: Floats) -> Floats:
    """log of the mean over the first axis of exp(paths)."""
    top = paths.max(axis=0)
    return np.asarray(top + np.log(np.exp(paths - top).mean(axis=0)))
