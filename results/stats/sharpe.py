"""How far a Sharpe ratio can be trusted: its standard error under one assumption after another, side by side.

Everything here is a session's, as in `deflated_sharpe`, unless a name says annual; skewness is 0 and kurtosis is
plain, 3, for a normal. What is printed beside a Sharpe ratio is the HAC interval (`performance.sharpe_interval`);
the others show how much of its width is due to fat tails, skewness and autocorrelation.

References
----------
Lo (2002), "The statistics of Sharpe ratios", Financial Analysts Journal 58(4): independent normal returns, and η(q).
Mertens (2002), "Comments on variance of the IID estimator in Lo (2002)"; Opdyke (2007), "Comparing Sharpe ratios: so
where are the p-values?", Journal of Asset Management 8(5): independent returns of any shape.
López de Prado, Lipton & Zoonekynd (2025), "How to use the Sharpe ratio": returns with first-order autocorrelation.
Ledoit & Wolf (2008), "Robust performance hypothesis testing with the Sharpe ratio", Journal of Empirical Finance 15(5):
the studentised bootstrap; Götze & Künsch (1996), "Second-order correctness of the blockwise bootstrap for stationary
observations", Annals of Statistics 24(5), for the errors that go with blocks.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assay.data.conventions import FLAT, Floats
from assay.data.errors import InputError
from assay.results.stats.bootstrap import CACHED, batches, bootstrap, drawn_in_tasks, optimal_block
from assay.results.stats.deflated_sharpe import sharpe_moments
from assay.results.stats.long_run_variance import (
    autocovariance,
    critical_value,
    lag_rule,
    long_run_covariance,
    sharpe_hac_error,
)

if TYPE_CHECKING:
    from assay.engine.executors import Workers

__all__ = [
    "SharpeInterval",
    "Studentised",
    "annualisation_factor",
    "ar1_error",
    "autocorrelations",
    "iid_error",
    "non_normal_error",
    "sharpe_difference",
    "sharpe_intervals",
    "studentised_sharpe",
]

_Z95 = 1.959963984540054
#: Two series whose pulls on their Sharpe ratios differ by no more are one, but for a scale and rounding.
_DUST = 1e-8


def iid_error(sharpe: float, n: int) -> float:
    """Standard error of a Sharpe ratio of n independent normal returns: √((1 + SR²/2)/n), Lo (2002)."""
    return math.sqrt((1.0 + sharpe**2 / 2) / n) if n > 0 else math.nan


def non_normal_error(sharpe: float, n: int, *, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Standard error of a Sharpe ratio of n independent returns of any shape with four moments.

    √((1 − γ₃·SR + (γ₄ − 1)/4·SR²)/n), Mertens (2002), Opdyke (2007). Lo's for skewness 0 and plain kurtosis 3. The
    probabilistic Sharpe ratio has the same variance over n − 1.
    """
    return ar1_error(sharpe, n, rho=0.0, skewness=skewness, kurtosis=kurtosis)


def ar1_error(sharpe: float, n: int, *, rho: float, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """Standard error of a Sharpe ratio of n returns r_t = c + ρ·r_{t−1} + e_t, shocks independent and of any shape.

    √((a − b·γ₃·SR + c·(γ₄ − 1)/4·SR²)/n) with a = (1 + ρ)/(1 − ρ), b = 1 + ρ/(1 − ρ) + ρ²/(1 − ρ²) and
    c = (1 + ρ²)/(1 − ρ²), López de Prado, Lipton & Zoonekynd (2025): the sums over all lags of ρ^k, of
    (ρ^k + ρ^2k)/2 and of ρ^2k.

    Parameters
    ----------
    sharpe : a session's, at which the variance is evaluated.
    n : sessions.
    rho : autocorrelation at lag 1, between −1 and 1.
    skewness, kurtosis : of the returns, not of the shocks; kurtosis plain.

    Returns
    -------
    float
        NaN where n is 0, |ρ| ≥ 1, or the moments cannot be those of any distribution.

    """
    if n <= 0 or not abs(rho) < 1:
        return math.nan
    level = (1 + rho) / (1 - rho)
    cross = 1 + rho / (1 - rho) + rho**2 / (1 - rho**2)
    square = (1 + rho**2) / (1 - rho**2)
    variance = level - cross * skewness * sharpe + square * (kurtosis - 1) / 4 * sharpe**2
    return math.sqrt(variance / n) if variance > 0 else math.nan


def autocorrelations(returns: Floats, lags: int) -> Floats:
    """(lags,) autocorrelations at lag 1, 2 …, denominator n (the biased ones); 0 from lag n on."""
    covariance = autocovariance(returns, min(lags, len(returns) - 1))
    out = np.zeros(lags)
    if covariance[0] > FLAT**2:
        out[: len(covariance) - 1] = covariance[1:] / covariance[0]
    return out


def annualisation_factor(rho: Floats, periods: int) -> float:
    """Lo's η(q): what a Sharpe ratio a session is multiplied by to be one of q sessions.

    q/√(q + 2·Σ_{k<q} (q − k)·ρ_k); √q without autocorrelation, less with positive, more with negative.

    Parameters
    ----------
    rho : autocorrelations at lag 1, 2 …; those not given are 0, those beyond q − 1 do not matter.
    periods : q.

    Returns
    -------
    float
        NaN where the estimates are so negative that q sessions would have no variance.

    Examples
    --------
    >>> round(annualisation_factor(np.array([]), 252), 3), round(annualisation_factor(np.array([0.1]), 12), 3)
    (15.875, 3.184)

    """
    used = np.asarray(rho, dtype=np.float64)[: periods - 1]
    total = periods + 2 * float((periods - np.arange(1, len(used) + 1)) @ used)
    return periods / math.sqrt(total) if total > 0 else math.nan


@dataclass(frozen=True)
class Studentised:
    """A studentised bootstrap of a Sharpe ratio, annualised.

    Parameters
    ----------
    value, error : the ratio and its HAC error, with a window of one block.
    low, high : 95% interval, as far to either side.
    critical : how many errors that is.
    p_value : two-sided, of the ratio being 0.
    block : sessions a block.
    draws : resamples with an error.

    """

    value: float
    error: float
    low: float
    high: float
    critical: float
    p_value: float
    block: int
    draws: int


def studentised_sharpe(
    returns: Floats,
    *,
    periods: int = 252,
    draws: int = 2000,
    seed: int = 0,
    block: int | None = None,
    executor: str | Workers = "serial",
    workers: int | None = None,
) -> Studentised | None:
    """Symmetric interval of a Sharpe ratio from the distribution of its t, Ledoit & Wolf (2008).

    Resamples are circular blocks of one length. Each has its own error, by the delta method with the variance between
    its blocks, so what is resampled is |SR* − SR|/error*; its 95% quantile replaces 1.96. The sample's own error is the
    HAC one with Bartlett weights as long as a block, which estimates the same as the variance between blocks does
    (Götze & Künsch 1996); the paper takes a prewhitened quadratic spectral kernel.

    Parameters
    ----------
    returns : (n,) a session, without NaN.
    periods : sessions a year.
    draws, seed : the same give the same answer, to the bit, wherever they are made.
    block : sessions; default `results.stats.bootstrap.optimal_block`, rounded, but not below half the HAC window of
        `long_run_variance.lag_rule`, because shorter blocks cover too seldom (``studies/interval_coverage.md``);
        at most n/4.
    executor, workers : where resamples are made, as in `assay.results.stats.bootstrap.bootstrap`.

    Returns
    -------
    Studentised or None
        None where the returns do not vary, or are too few for four blocks.

    Raises
    ------
    InputError
        If the executor is unknown, fewer than one worker is asked for, or Ray is not installed.

    """
    n = len(returns)
    sharpe, _, _, _ = sharpe_moments(returns)
    wanted = max(round(optimal_block(returns)), (lag_rule(n) + 2) // 2) if block is None else block
    length = max(1, min(wanted, n // 4) if block is None else wanted)
    error = sharpe_hac_error(returns, lag=length - 1)
    spread = _resampled((returns,), sharpe, length, draws, seed, executor, workers) if error > 0 else None
    return _studentised(sharpe, error, length, periods, spread)


def sharpe_difference(
    one: Floats,
    two: Floats,
    *,
    periods: int = 252,
    draws: int = 2000,
    seed: int = 0,
    block: int | None = None,
    executor: str | Workers = "serial",
    workers: int | None = None,
) -> Studentised | None:
    """Symmetric interval and p-value of SR(one) − SR(two), Ledoit & Wolf (2008): `studentised_sharpe` of a difference.

    The error is that of the difference of what each session adds to either ratio, which is the delta method on the
    four moments. A percentile interval of a paired bootstrap covers too seldom (91–94% for 95% at 250 to 1,000
    sessions); this one does not.

    Parameters
    ----------
    one, two : (n,) returns on the same sessions, without NaN; what they have in common cancels.
    periods, draws, seed, executor, workers : as in `studentised_sharpe`.
    block : default as there, the longest of what the two and their difference ask for.

    Returns
    -------
    Studentised or None
        None where either does not vary, both are the same, or there are too few sessions for four blocks.

    Raises
    ------
    InputError
        If the lengths differ, or of the executor as there.

    """
    n = len(one)
    if len(two) != n:
        raise InputError(f"Sharpe difference: {n} and {len(two)} sessions; give the common ones")
    ratios = sharpe_moments(one)[0], sharpe_moments(two)[0]
    if not (math.isfinite(ratios[0]) and math.isfinite(ratios[1])):
        return None
    wanted = max(*(round(optimal_block(item)) for item in (one, two, one - two)), (lag_rule(n) + 2) // 2)
    length = max(1, min(wanted, n // 4) if block is None else block)
    pull = _pull(one[None])[1] - _pull(two[None])[1]
    if float(np.abs(pull).max()) <= _DUST:  # the same but for a scale and rounding
        return None
    variance = float(long_run_covariance(pull.T, length - 1)[0, 0]) / n
    error = math.sqrt(variance) if variance > 0 else math.nan
    apart = ratios[0] - ratios[1]
    spread = _resampled((one, two), apart, length, draws, seed, executor, workers) if error > 0 else None
    return _studentised(apart, error, length, periods, spread)


def _pull(returns: Floats) -> tuple[Floats, Floats]:
    """(rows,) Sharpe ratios, and (rows, n) what each session adds to its row's: the derivative along it."""
    mean, deviation = returns.mean(axis=1, keepdims=True), returns.std(axis=1, ddof=1, keepdims=True)
    moving = np.where(deviation > FLAT, deviation, np.nan)
    ratio, scaled = mean / moving, (returns - mean) / moving
    return ratio[:, 0], scaled - ratio / 2 * (scaled**2 - 1)


def _studentised(
    sharpe: float, error: float, length: int, periods: int, distances: Floats | None
) -> Studentised | None:
    """Of a ratio, or of the difference of two, with its `error`, a session, and how far resamples lie in theirs."""
    kept = None if distances is None else distances[np.isfinite(distances)]
    if kept is None or not len(kept):
        return None
    critical = float(np.quantile(kept, 0.95))
    beyond = int((kept >= abs(sharpe) / error).sum())
    scale = math.sqrt(periods)
    half = critical * error * scale
    return Studentised(
        sharpe * scale,
        error * scale,
        sharpe * scale - half,
        sharpe * scale + half,
        critical,
        (1 + beyond) / (1 + len(kept)),
        length,
        len(kept),
    )


def _resampled(
    series: tuple[Floats, ...], sharpe: float, length: int, draws: int, seed: int, executor: str | Workers,
    workers: int | None,
) -> Floats | None:  # fmt: skip
    """(draws,) `_distances` of resamples of one series, or of two on the same blocks; None of fewer than four blocks.

    Where blocks begin is drawn here: a few numbers a resample, of which the work is made elsewhere.
    """
    n = len(series[0])
    count = n // length
    if count < 4:
        return None
    rng = np.random.default_rng(seed)
    tasks = [(rng.integers(0, n, (rows, count)), length, sharpe) for rows in batches(draws, count * length)]
    return drawn_in_tasks(_distances_in_cache, tasks, series, executor, workers)


def _distances_in_cache(starts: npt.NDArray[np.int64], length: int, sharpe: float, *series: Floats) -> Floats:
    """`_distances`, as many resamples at a time as stay in cache with what is made of them."""
    step = max(1, CACHED // (starts.shape[1] * length))
    parts = [_distances(series, starts[first : first + step], length, sharpe) for first in range(0, len(starts), step)]
    return np.concatenate(parts)


def _distances(series: tuple[Floats, ...], starts: npt.NDArray[np.int64], length: int, sharpe: float) -> Floats:
    """(draws,) |SR* − SR| over the error of SR*, of blocks that begin at `starts` (draws, blocks); of two series, of
    the difference of their ratios on the same blocks."""
    draws, count = starts.shape
    rows = (starts[:, :, None] + np.arange(length)).reshape(draws, count * length)
    rows -= len(series[0]) * (rows >= len(series[0]))
    ratio, pull = np.zeros(draws), np.zeros(rows.shape)
    for sign, returns in zip((1.0, -1.0), series, strict=False):
        own, added = _pull(returns[rows])
        ratio += sign * own
        pull += sign * added
    error = np.sqrt((pull.reshape(draws, count, length).sum(axis=2) ** 2).sum(axis=1)) / (count * length)
    return np.asarray(np.abs(ratio - sharpe) / np.where(error > 0, error, np.nan))


@dataclass(frozen=True)
class SharpeInterval:
    """An annual Sharpe ratio, its error and 95% interval by one method.

    Parameters
    ----------
    method : ``"iid"``, ``"non_normal"``, ``"ar1"``, ``"hac"``, ``"bootstrap"``, ``"studentised"`` or ``"lo_annual"``.
    value : annual; the same for all but ``"lo_annual"``, which is annualised by η(q) instead of √q.
    error : annual standard error; None where the method has none of its own.
    low, high : ends of the interval, or None.
    convention : in words.

    """

    method: str
    value: float
    error: float | None
    low: float | None
    high: float | None
    convention: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def sharpe_intervals(
    returns: Floats, *, periods: int = 252, draws: int = 1000, seed: int = 0
) -> tuple[SharpeInterval, ...]:
    """The annual Sharpe ratio (ddof 1, no risk-free rate) with its error by every method.

    Parameters
    ----------
    returns : (n,) a session, without NaN.
    periods : sessions a year.
    draws, seed : of the two bootstraps; every backtest makes these, so they are few.

    Returns
    -------
    tuple of SharpeInterval
        empty where there are fewer than 3 sessions or the returns do not vary.

    """
    sharpe, skewness, kurtosis, n = sharpe_moments(returns)
    if n < 3 or not math.isfinite(sharpe):
        return ()
    scale = math.sqrt(periods)
    rho = autocorrelations(returns, periods - 1)
    lag = lag_rule(n)
    critical = critical_value(n, lag)
    shape = f"skewness {skewness:.2f}, plain kurtosis {kurtosis:.1f}"
    closed = (
        ("iid", iid_error(sharpe, n), _Z95, "independent normal returns, Lo 2002"),
        (
            "non_normal",
            non_normal_error(sharpe, n, skewness=skewness, kurtosis=kurtosis),
            _Z95,
            f"independent returns, {shape}, Mertens 2002",
        ),
        (
            "ar1",
            ar1_error(sharpe, n, rho=float(rho[0]), skewness=skewness, kurtosis=kurtosis),
            _Z95,
            f"autocorrelation {rho[0]:.3f} at lag 1, {shape}, López de Prado et al. 2025",
        ),
        (
            "hac",
            sharpe_hac_error(returns, lag=lag),
            critical,
            f"any autocorrelation, delta method, HAC, lag {lag}, critical {critical:.2f}",
        ),
    )
    out = [_around(name, sharpe * scale, error * scale, reach, text) for name, error, reach, text in closed]
    drawn = bootstrap(returns, draws=draws, seed=seed)
    text = f"stationary bootstrap, percentiles of {draws:,} draws, mean block {drawn.block:.1f}, seed {seed}"
    spread = float(drawn.draws.std(ddof=1)) if len(drawn.draws) > 1 else math.nan
    out.append(SharpeInterval("bootstrap", sharpe * scale, _known(spread), _known(drawn.low), _known(drawn.high), text))
    found = studentised_sharpe(returns, periods=periods, draws=draws, seed=seed)
    if found is not None:
        text = f"bootstrap of the t, blocks of {found.block}, {draws:,} draws, seed {seed}, Ledoit & Wolf 2008"
        text += f", critical {found.critical:.2f}"
        out.append(SharpeInterval("studentised", found.value, found.error, found.low, found.high, text))
    annual = sharpe * annualisation_factor(rho, periods)
    text = f"annualised by Lo's η({periods}) with {min(periods, n) - 1} autocorrelations instead of √{periods}"
    if math.isfinite(annual):
        out.append(SharpeInterval("lo_annual", annual, None, None, None, text))
    return tuple(out)


def _around(method: str, value: float, error: float, critical: float, text: str) -> SharpeInterval:
    if not error > 0:
        return SharpeInterval(method, value, None, None, None, text)
    return SharpeInterval(method, value, error, value - critical * error, value + critical * error, text)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
