"""Whether a Sharpe ratio is more than luck: probabilistic and deflated Sharpe ratios, minimum track record.

All Sharpe ratios here are per session, never annualised; kurtosis is plain (3 for a normal). The estimate's variance is
evaluated at the estimate, with n − 1, as in the papers of 2012 and 2014; the revision of 2025 evaluates it under the
null and is another estimator under the same name (on the 2014 example it gives 0.9992 for the published 0.9004).

References
----------
Bailey & López de Prado (2012), "The Sharpe ratio efficient frontier", Journal of Risk 15(2).
Bailey & López de Prado (2014), "The deflated Sharpe ratio", Journal of Portfolio Management 40(5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assay.data.conventions import FLAT, Floats
from assay.data.errors import InputError
from assay.results.stats.long_run_variance import critical_value, lag_rule, sharpe_hac_error

__all__ = [
    "DeflatedSharpe",
    "deflated_sharpe",
    "effective_sessions",
    "expected_maximum",
    "minimum_track_record",
    "probabilistic_sharpe",
    "sharpe_moments",
]


_EULER = 0.57721566490153286
_Z975 = 1.959963984540054


def sharpe_moments(returns: Floats) -> tuple[float, float, float, int]:
    """Sharpe ratio a session (ddof 1), skewness, plain kurtosis (population), n; NaN where returns are constant."""
    n = len(returns)
    deviation = float(returns.std(ddof=1)) if n > 1 else 0.0
    if deviation <= FLAT:
        return math.nan, math.nan, math.nan, n
    centred = returns - returns.mean()
    variance = float((centred**2).mean())
    skewness = float((centred**3).mean()) / variance**1.5
    kurtosis = float((centred**4).mean()) / variance**2
    return float(returns.mean()) / deviation, skewness, kurtosis, n


def effective_sessions(returns: Floats) -> float:
    """Independent sessions whose Sharpe ratio would have the error that these returns' has, autocorrelation included.

    n is chosen so that the papers' √((1 − γ₃·SR + (γ₄−1)/4·SR²)/(n − 1)) equals the HAC error, widened as its own noise
    widens a 95% interval (`long_run_variance.critical_value` over 1.96). NaN where the returns do not vary; below n
    with positive autocorrelation, above it with negative.
    """
    sharpe, skewness, kurtosis, n = sharpe_moments(returns)
    lag = lag_rule(n)
    error = sharpe_hac_error(returns, lag=lag) * critical_value(n, lag) / _Z975
    spread = _spread(sharpe, skewness, kurtosis)
    return 1.0 + spread / error**2 if error > 0 and spread > 0 else math.nan


def probabilistic_sharpe(
    sharpe: float, n: float, *, threshold: float = 0.0, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true Sharpe ratio exceeds `threshold`, all per session.

    Φ((SR − SR*)·√(n−1) / √(1 − γ₃·SR + (γ₄−1)/4·SR²)), n independent sessions; see `effective_sessions`.

    Examples
    --------
    >>> round(probabilistic_sharpe(0.458, 24, skewness=-2.448, kurtosis=10.164), 3)
    0.913

    """
    spread = _spread(sharpe, skewness, kurtosis)
    if not n > 1 or not spread > 0:
        return math.nan
    return _normal_cdf((sharpe - threshold) * math.sqrt(n - 1) / math.sqrt(spread))


def minimum_track_record(
    sharpe: float,
    *,
    threshold: float = 0.0,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    confidence: float = 0.95,
) -> float:
    """Sessions needed for PSR(threshold) to reach `confidence`; infinite when sharpe ≤ threshold.

    1 + (1 − γ₃·SR + (γ₄−1)/4·SR²)·(z/(SR − SR*))² independent sessions; of returns with autocorrelation, times n over
    their `effective_sessions`.
    """
    if math.isnan(sharpe):
        return math.nan
    if sharpe <= threshold:
        return math.inf
    z = _normal_quantile(confidence)
    return 1.0 + _spread(sharpe, skewness, kurtosis) * (z / (sharpe - threshold)) ** 2


def expected_maximum(n: int, *, exact: bool = False) -> float:
    """Expected maximum of n independent standard normals.

    Parameters
    ----------
    n : number of independent trials, ≥ 1.
    exact : by quadrature of n·∫x·φ(x)·Φ(x)^(n−1); otherwise the bracket of the 2014 paper,
        (1−γ)·z(1−1/n) + γ·z(1−1/(n·e)), which is too low for n = 2 (0.520 for 0.564) and close from 5 on.

    Examples
    --------
    >>> round(expected_maximum(100), 3), round(expected_maximum(100, exact=True), 3)
    (2.531, 2.508)

    """
    if n < 1:
        raise InputError(f"trials: at least 1, got {n}")
    if n == 1:
        return 0.0
    if not exact:
        return (1 - _EULER) * _normal_quantile(1 - 1 / n) + _EULER * _normal_quantile(1 - 1 / (n * math.e))
    from scipy import integrate, stats

    def density(x: float) -> float:
        return float(n * x * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1))

    return float(integrate.quad(density, -12, 12, limit=400, points=[0.0, 3.0, 6.0])[0])


@dataclass(frozen=True)
class DeflatedSharpe:
    """A Sharpe ratio judged against the best of N trials without skill.

    Parameters
    ----------
    probability : PSR at `threshold`.
    threshold : expected best Sharpe ratio a session of the trials under the null.
    trials : N.
    dispersion : variance of the Sharpe ratio (a session) across trials that was used.
    effective : independent sessions that the series counts as.

    """

    probability: float
    threshold: float
    trials: int
    dispersion: float
    effective: float


def deflated_sharpe(
    returns: Floats, trial_sharpes: Floats, *, trials: int | None = None, independent: int | None = None
) -> DeflatedSharpe:
    """Deflated Sharpe ratio of a series that was chosen among trials; the formula of 2014 on `effective_sessions`.

    Parameters
    ----------
    returns : (n,) returns a session of the chosen one.
    trial_sharpes : Sharpe ratio a session of each trial in the ledger, the chosen one among them.
    trials : N, if more were tried than the ledger holds; at least the number in it.
    independent : use this N instead, e.g. that of `overfitting.cluster_trials`; the dispersion stays that of
        all trials. Only where it was asked for: N is else every trial, variants of one bet included.

    Returns
    -------
    DeflatedSharpe
        with dispersion max(sample variance, 1/n): under the null the sampling variance of a Sharpe ratio is 1/n, and a
        handful of similar trials must not make the hurdle disappear; n are effective sessions.

    """
    sharpe, skewness, kurtosis, _ = sharpe_moments(returns)
    n = effective_sessions(returns)
    known = trial_sharpes[np.isfinite(trial_sharpes)]
    count = max(len(known), trials or 0, 1) if independent is None else max(independent, 1)
    sample = float(known.var(ddof=1)) if len(known) > 1 else 0.0
    dispersion = max(sample, 1.0 / n if n > 0 else 0.0)
    threshold = math.sqrt(dispersion) * expected_maximum(count)
    probability = probabilistic_sharpe(sharpe, n, threshold=threshold, skewness=skewness, kurtosis=kurtosis)
    return DeflatedSharpe(probability, threshold, count, dispersion, n)


def _spread(sharpe: float, skewness: float, kurtosis: float) -> float:
    return 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe


def _normal_cdf(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _normal_quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)
