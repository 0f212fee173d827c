"""Sampling error of printed figures, from the figures alone.

References
----------
Wilson (1927); Clopper & Pearson (1934); Hanley & McNeil (1982); Lo (2002); Bailey & López de Prado (2012, 2014).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from assay.audit.claims.intervals import Interval
from assay.results.stats import deflated_sharpe
from assay.results.stats.proportions import clopper_pearson_interval, jeffreys_interval, wilson_interval

__all__ = [
    "auc_interval",
    "deflated_floor",
    "expected_maximum",
    "minimum_track_record",
    "proportion_intervals",
    "sharpe_interval",
    "wilson",
]

_Z = NormalDist()


def wilson(k: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of k successes among n.

    Examples
    --------
    >>> interval = wilson(16, 28)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.391, 0.735)

    """
    return Interval(*wilson_interval(k, n, _Z.inv_cdf(0.5 + level / 2)))


def auc_interval(auc: float, n_positive: int, n_negative: int, level: float = 0.95) -> Interval:
    """Normal interval of an AUC with the standard error of Hanley & McNeil.

    ``SE**2 = [A(1-A) + (n+ - 1)(Q1 - A**2) + (n- - 1)(Q2 - A**2)] / (n+ n-)`` with ``Q1 = A/(2-A)``,
    ``Q2 = 2 A**2/(1+A)``.
    """
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (q1 - auc * auc) + (n_negative - 1) * (q2 - auc * auc)
    half = _Z.inv_cdf(0.5 + level / 2) * math.sqrt(max(variance, 0.0) / (n_positive * n_negative))
    return Interval(max(0.0, auc - half), min(1.0, auc + half))


def sharpe_interval(sharpe: float, n: int, periods: int, level: float = 0.95) -> Interval:
    """Interval of an annualised Sharpe ratio for independent normal returns.

    Per period ``Var(SR) = (1 + SR**2/2)/n``; annualised by sqrt(periods).
    """
    per_period = sharpe / math.sqrt(periods)
    half = _Z.inv_cdf(0.5 + level / 2) * math.sqrt(periods * (1 + per_period**2 / 2) / n)
    return Interval(sharpe - half, sharpe + half)


def minimum_track_record(sharpe: float, periods: int, benchmark: float = 0.0, level: float = 0.95) -> float:
    """Observations before an annual Sharpe ratio exceeds a benchmark at a one-sided level, normal returns.

    See `assay.results.stats.deflated_sharpe.minimum_track_record`, which takes the ratios of a period.
    """
    a_period = math.sqrt(periods)
    return deflated_sharpe.minimum_track_record(sharpe / a_period, threshold=benchmark / a_period, confidence=level)


def proportion_intervals(k: int, n: int, level: float = 0.95) -> dict[str, Interval]:
    """The intervals in use for k successes among n, by name.

    Wald; Wilson; Agresti & Coull; Clopper & Pearson, called exact; Jeffreys.

    Examples
    --------
    >>> {name: (round(x.low, 3), round(x.high, 3)) for name, x in proportion_intervals(16, 28).items()}["Wald"]
    (0.388, 0.755)

    """
    z, p = _Z.inv_cdf(0.5 + level / 2), k / n
    half = z * math.sqrt(p * (1 - p) / n)
    more, middle = n + z * z, (k + z * z / 2) / (n + z * z)
    wide = z * math.sqrt(middle * (1 - middle) / more)
    return {
        "Wald": Interval(p - half, p + half),
        "Wilson": wilson(k, n, level),
        "Agresti-Coull": Interval(middle - wide, middle + wide),
        "Clopper-Pearson": Interval(*clopper_pearson_interval(k, n, level)),
        "Jeffreys": Interval(*jeffreys_interval(k, n, level)),
    }


def expected_maximum(n: int) -> float:
    """Expected largest of n independent standard normals, ``n * integral x phi(x) Phi(x)**(n-1)``, by quadrature.

    Examples
    --------
    >>> round(expected_maximum(5), 3)
    1.163

    """
    if n < 2:
        return 0.0
    step, total = 0.002, 0.0
    for i in range(-5000, 5001):
        x = i * step
        total += x * _Z.pdf(x) * _Z.cdf(x) ** (n - 1)
    return n * total * step


def deflated_floor(trials: int, n: int, periods: int) -> float:
    """Annualised Sharpe ratio that the best of `trials` skilless strategies shows on average over n periods (the
    exact maximum in place of the bracket of Bailey & López de Prado 2014).

    The dispersion across trials is taken at its floor under the null, ``1/n`` per period.
    """
    return expected_maximum(trials) * math.sqrt(periods / n)
