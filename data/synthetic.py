"""Seeded markets with a planted, known information coefficient, and score panels of known quality.

They answer what real prices cannot: whether a model finds what is there, and whether a test stays silent where
nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.plugins import require_types

__all__ = ["MarketKind", "MarketShape", "score_panel", "synthetic_market"]

#: As many cells as a machine of 64 GB holds.
_CELLS = 500_000_000
MarketKind = Literal["reversal", "momentum", "volume", "sign_flip", "none"]

_TRAILING = 5  # sessions of the trailing return that carries the signal
_REGIME = 20  # sessions of the trailing volatility and of the mean volume
_FIRST_SESSION = "2000-01-03"
_UNINFORMED = 0.01  # scale of a score that has no merit, in units of volatility


@dataclass(frozen=True)
class MarketShape:
    """What a synthetic market looks like beside its signal.

    Parameters
    ----------
    delay : sessions from a decision to the fill at which the planted return starts, >= 1.
    overnight : share in [0, 1] of the planted return that falls between close t+delay and open t+delay+1; the rest
        falls between open and close of t+delay. Fills at the open earn the whole of it; fills at the close earn this
        share (and what the next days' signals, which resemble it, add): 1.0 serves both alike.
    overnight_variance : share of a session's noise variance that falls between the closes and the next opens.
    market_volatility : standard deviation per session of a factor that all assets share with beta 1, decimal.
    volume_volatility : standard deviation of the logarithm of a session's volume around the asset's own level.

    Examples
    --------
    >>> prices, _ = synthetic_market(50, 3, shape=MarketShape(market_volatility=0.01), seed=0)
    >>> prices.shape
    (50, 3)

    """

    delay: int = 1
    overnight: float = 0.5
    overnight_variance: float = 0.25
    market_volatility: float = 0.0
    volume_volatility: float = 0.3

    def __post_init__(self) -> None:
        require_types("synthetic market", self)
        if self.delay < 1:
            raise InputError(f"synthetic market: delay must be at least 1, got {self.delay}")
        for name in ("overnight", "overnight_variance"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"synthetic market: {name} must lie in [0, 1], got {getattr(self, name)!r}")
        for name in ("market_volatility", "volume_volatility"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"synthetic market: {name} must not be negative, got {getattr(self, name)!r}")


def synthetic_market(
    n_sessions: int,
    n_assets: int,
    *,
    ic: float = 0.0,
    seed: int = 0,
    kind: MarketKind = "reversal",
    drift: float = 0.0,
    volatility: float = 0.02,
    shape: MarketShape | None = None,
) -> tuple[PricePanel, PredictionPanel]:
    """Open, high, low, close and volume with a planted signal, and the oracle that knows it.

    The log return from open t+delay to open t+delay+1 is

        drift + ic · volatility · z[t] + sqrt(1 - ic²) · volatility · e,    e ~ N(0, 1),

    where z[t] has cross-sectional mean 0 and variance 1 and is a function of prices and volumes through the close of
    t. So `ic` is the expected cross-sectional correlation of the oracle's score z with what a decision stamped t
    earns over one session at open fills: its own information coefficient (before `shape.market_volatility`, which
    moves all assets alike and leaves it as it is). Its rank IC is (6/π)·asin(ic/2), about 0.955·ic, while z is close
    to normal.

    Parameters
    ----------
    n_sessions, n_assets : size of the panel.
    ic : strength, in (-1, 1).
    seed : fixes every draw. The first sessions do not depend on `n_sessions`.
    kind : what z is made of.
        ``"momentum"``: the return of the last 5 sessions; ``"reversal"``: minus it;
        ``"volume"``: volume over its 20-session mean;
        ``"sign_flip"``: among the assets whose 20-session volatility lies above the median of that day, the return of
        the last 5 sessions, among the others minus it, each half standardised by itself, so that a linear rule
        sees hardly a trace of it;
        ``"none"``: nothing is planted, whatever `ic`; the oracle repeats ``"reversal"`` and is worth nothing.
    drift : expected log return of every asset a session, decimal.
    volatility : standard deviation of an asset's own return a session, decimal.
    shape : the rest; see `MarketShape`.

    Returns
    -------
    prices : PricePanel
        With all five fields; weekdays from 2000-01-03.
    oracle : PredictionPanel
        `score` = ic · volatility · z, the planted expected return over the fill window; horizon 1. Where nothing is
        planted the score is z in small units. NaN until z exists: after 5 sessions, after 20 for ``"volume"`` and
        ``"sign_flip"``.

    Raises
    ------
    InputError
        On sizes, strengths or kinds that cannot be.

    References
    ----------
    Pearson (1907), for 6/π·asin(ρ/2), the rank correlation of a bivariate normal.

    Examples
    --------
    >>> prices, oracle = synthetic_market(60, 20, ic=0.1, seed=1)
    >>> prices.shape, prices.fields
    ((60, 20), ('open', 'high', 'low', 'close', 'volume'))

    """
    shape = shape or MarketShape()
    _check_market(n_sessions, n_assets, ic, kind, volatility)
    strength = 0.0 if kind == "none" else ic
    arrays = {name: np.empty((n_sessions, n_assets)) for name in ("open", "high", "low", "close", "volume")}
    z = np.full((n_sessions, n_assets), np.nan)
    planted = np.zeros((n_sessions, n_assets))
    noise = _bars(n_assets, seed, volatility * np.sqrt(1.0 - strength**2), shape)
    level = np.full(n_assets, np.log(100.0))  # log close of the session before
    for s in range(n_sessions):
        bar = next(noise)
        overnight, intraday = bar.overnight, bar.intraday + drift
        if s >= shape.delay + 1:
            overnight = overnight + shape.overnight * planted[s - shape.delay - 1]
        if s >= shape.delay:
            intraday = intraday + (1.0 - shape.overnight) * planted[s - shape.delay]
        opened = level + overnight
        level = opened + intraday
        arrays["open"][s] = np.exp(opened)
        arrays["close"][s] = np.exp(level)
        arrays["high"][s] = np.exp(np.maximum(opened, level) + bar.above)
        arrays["low"][s] = np.exp(np.minimum(opened, level) - bar.below)
        arrays["volume"][s] = bar.volume
        z[s] = _signal(kind, arrays["close"], arrays["volume"], s)
        planted[s] = strength * volatility * np.nan_to_num(z[s])
    sessions = pd.DatetimeIndex(pd.bdate_range(_FIRST_SESSION, periods=n_sessions).to_numpy(), name="date")
    assets = _asset_names(n_assets)
    source = f"synthetic {kind}, ic {strength:g}, seed {seed}"
    frames = {name: pd.DataFrame(values, index=sessions, columns=assets) for name, values in arrays.items()}
    z *= volatility * (strength or _UNINFORMED)
    score = pd.DataFrame(z, index=sessions, columns=assets)
    oracle = PredictionPanel(score, delay=shape.delay, receipts=_untrained(sessions), name=f"oracle of {source}")
    close = frames.pop("close")
    return PricePanel(close, **frames, source=source, adjusted="splits and dividends"), oracle  # type: ignore[arg-type]


def score_panel(
    forward_returns: pd.DataFrame,
    ic: float,
    half_life: float | None = None,
    seed: int = 0,
    *,
    lasting: bool = False,
    horizon: int = 1,
    delay: int = 1,
) -> PredictionPanel:
    """Scores of known quality and persistence for given forward returns: what calibration runs on.

    Each asset's score follows an AR(1) whose shocks correlate with the forward return,

        score[t] = φ·score[t-1] + sqrt(1 - φ²)·u[t],    u[t] = a·z[t] + sqrt(1 - a²)·e,    a = ic / sqrt(1 - φ²),

    with z the cross-sectional z-score of the forward return stamped t, e ~ N(0, 1) and φ = 0.5^(1 / half_life). The
    expected cross-sectional correlation of score and forward return is `ic`, and a score keeps half of itself over
    `half_life` sessions. With `ic` 0 the scores are noise that knows nothing. Unless `lasting`, row t reads no forward
    return stamped later than t and no draw of a later row, so a shorter panel has the same beginning.

    Parameters
    ----------
    forward_returns : (T, N), stamped t, as `data.returns.forward_returns` makes them; NaN: that row's shock is noise.
    ic : strength; \\|ic\\| at most sqrt(1 - φ²), beyond which so persistent a score cannot be so good.
    half_life : sessions; None for scores that are new each session.
    seed : fixes every draw.
    lasting : whether what a score knows lasts as long as the score does. Its correlation with the forward return k
        sessions on is then `ic`·φ^k, where without it only the session's own forward return is known:
        score = a·f + sqrt(1 - a²)·n, with n an AR(1) of noise and f[t] = φ·f[t+1] + sqrt(1 - φ²)·z[t], which reads
        forward returns stamped later than t.
    horizon, delay : what `forward_returns` were made with; passed on.

    Returns
    -------
    PredictionPanel
        (T, N) scores, one standard deviation being a return of 10 bps. With `ic` above 0 they know the future by
        construction and therefore carry no receipts; with `ic` 0 they carry those of a model that saw nothing.

    Raises
    ------
    InputError
        If `ic` and `half_life` cannot go together.

    Examples
    --------
    >>> from assay import forward_returns, synthetic_market
    >>> prices, _ = synthetic_market(60, 6, seed=0)
    >>> score_panel(forward_returns(prices, horizon=1, delay=1), ic=0.05, half_life=5.0).name
    'scores with ic 0.05, half-life 5, seed 0'

    """
    if half_life is not None and not half_life > 0:
        raise InputError(f"score_panel: half_life must be positive, got {half_life!r}")
    phi = 0.0 if half_life is None else 0.5 ** (1.0 / half_life)
    room = np.sqrt(1.0 - phi**2)
    if not abs(ic) <= room:
        raise InputError(f"score_panel: |ic| must be at most {room:.3f} at half_life {half_life}, got {ic!r}")
    returns = forward_returns.to_numpy(dtype=np.float64)
    loading = ic / room
    rng = np.random.default_rng(seed)
    before = rng.standard_normal(returns.shape[1])
    noise = rng.standard_normal(returns.shape)
    known = _zscores(returns)
    rest = np.sqrt(1.0 - loading**2)
    if lasting:
        filled = np.where(np.isnan(known), rng.standard_normal(returns.shape), known)
        ahead = _first_order(filled[::-1], phi, rng.standard_normal(returns.shape[1]))[::-1]
        scores = loading * ahead + rest * _first_order(noise, phi, before)
    else:
        scores = _first_order(np.where(np.isnan(known), noise, loading * known + rest * noise), phi, before)
    frame = pd.DataFrame(0.001 * scores, index=forward_returns.index, columns=forward_returns.columns)
    return PredictionPanel(
        frame,
        horizon=horizon,
        delay=delay,
        receipts=_untrained(forward_returns.index) if ic == 0 else None,
        name=f"scores with ic {ic:g}, half-life {half_life or 0:g}, seed {seed}",
    )


def _first_order(shocks: np.ndarray, phi: float, before: np.ndarray) -> np.ndarray:
    """AR(1) of unit variance along the rows, from the row `before` the first."""
    out = np.sqrt(1.0 - phi**2) * shocks
    for row in out:
        row += phi * before
        before = row
    answer: np.ndarray = out
    return answer


@dataclass(frozen=True)
class _Bar:
    """The noise of one session, each field (N,)."""

    overnight: np.ndarray
    intraday: np.ndarray
    above: np.ndarray
    below: np.ndarray
    volume: np.ndarray


def _bars(n_assets: int, seed: int, volatility: float, shape: MarketShape) -> Iterator[_Bar]:
    """Endless noise, session by session, each ingredient from its own stream."""
    returns, market, wicks, volumes = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    at_night, by_day = np.sqrt(shape.overnight_variance), np.sqrt(1.0 - shape.overnight_variance)
    usual = np.exp(volumes.normal(np.log(1e6), 1.0, n_assets))
    while True:
        common = shape.market_volatility * market.standard_normal(2)
        own = volatility * returns.standard_normal((2, n_assets))
        wick = 0.3 * volatility * np.abs(wicks.standard_normal((2, n_assets)))
        traded = usual * np.exp(shape.volume_volatility * volumes.standard_normal(n_assets))
        yield _Bar(
            overnight=at_night * (own[0] + common[0]),
            intraday=by_day * (own[1] + common[1]),
            above=wick[0],
            below=wick[1],
            volume=np.ceil(traded),
        )


def _signal(kind: MarketKind, close: np.ndarray, volume: np.ndarray, s: int) -> np.ndarray:
    """z of session s, (N,), from rows through s alone; NaN while the history is too short."""
    nothing = np.full(close.shape[1], np.nan)
    if kind == "volume":
        if s < _REGIME - 1:
            return nothing
        return _zscore(volume[s] / volume[s - _REGIME + 1 : s + 1].mean(axis=0))
    if s < (_REGIME if kind == "sign_flip" else _TRAILING):
        return nothing
    trailing = close[s] / close[s - _TRAILING] - 1.0
    if kind == "sign_flip":
        window = close[s - _REGIME : s + 1]
        spread = (window[1:] / window[:-1]).std(axis=0, ddof=1)
        lively = spread > np.median(spread)
        above, below = (_zscore(np.where(half, trailing, np.nan)) for half in (lively, ~lively))
        return _zscore(np.where(lively, above, -below))
    trend = _zscore(trailing)
    return trend if kind == "momentum" else -trend


def _zscore(row: np.ndarray) -> np.ndarray:
    """(row - mean) / std over the finite entries, ddof 0; all NaN where fewer than two differ."""
    finite = np.isfinite(row)
    out = np.full(row.shape, np.nan)
    if finite.sum() < 2:
        return out
    values = row[finite] - row[finite].mean()
    spread = np.sqrt((values**2).mean())
    if spread > 0:
        out[finite] = values / spread
    return out


def _zscores(rows: np.ndarray) -> np.ndarray:
    """`_zscore` of each row of (T, N)."""
    finite = np.isfinite(rows)
    count = finite.sum(axis=1, keepdims=True)
    some = np.maximum(count, 1)
    centred = np.where(finite, rows - np.where(finite, rows, 0.0).sum(axis=1, keepdims=True) / some, 0.0)
    spread = np.sqrt((centred**2).sum(axis=1, keepdims=True) / some)
    usable = finite & (count >= 2) & (spread > 0)
    answer: np.ndarray = np.divide(centred, spread, out=np.full(rows.shape, np.nan), where=usable)
    return answer


def _asset_names(n_assets: int) -> pd.Index:
    width = max(3, len(str(n_assets - 1)))
    return pd.Index([f"S{i:0{width}d}" for i in range(n_assets)], name="asset")


def _untrained(sessions: pd.Index) -> pd.DataFrame:
    """The receipt of a rule that was never fit: it needed nothing beyond the first session."""
    first = sessions[0]
    stamps = dict.fromkeys(("trained_through", "preprocessing_fit_through", "labels_known_through"), first)
    return pd.DataFrame({"model_id": "untrained", "fold": 0, **stamps, "available_at": first}, index=[first])


def _check_market(n_sessions: int, n_assets: int, ic: float, kind: str, volatility: float) -> None:
    if n_sessions < 1 or n_assets < 1:
        raise InputError(f"synthetic market: needs at least 1 session and 1 asset, got {n_sessions} x {n_assets}")
    if n_sessions > 75_000 or n_sessions * n_assets > _CELLS:
        raise InputError(
            f"synthetic market: {n_sessions:,} sessions of {n_assets:,} assets are too many; at most 75,000 sessions "
            f"and {_CELLS:,} cells"
        )
    if kind not in get_args(MarketKind):
        raise InputError(f"synthetic market: kind must be one of {', '.join(get_args(MarketKind))}, got {kind!r}")
    if not -1 < ic < 1:
        raise InputError(f"synthetic market: ic must lie in (-1, 1), got {ic!r}")
    if not 0 < volatility < 1:
        raise InputError(f"synthetic market: volatility must lie in (0, 1), decimal a session, got {volatility!r}")
