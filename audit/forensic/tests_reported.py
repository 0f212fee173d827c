"""Reported significance tests, recomputed: t or z with its degrees of freedom against the p-value, R² against r.

References
----------
Nuijten, Hartgerink, van Assen, Epskamp & Wicherts (2016), statcheck, Behavior Research Methods 48.
"""

from __future__ import annotations

import math

from assay.audit.claims.intervals import Interval

__all__ = ["p_readings", "t_of_correlation", "t_of_mean"]


def p_readings(statistic: Interval, degrees: float | None) -> dict[str, Interval]:
    """p-values of a t (with degrees of freedom) or z statistic: two-sided, and either one-sided.

    Decreasing in the size of the statistic, so the ends suffice.
    """
    size = abs(statistic)
    if degrees is None:
        tail = Interval(_normal_tail(size.high), _normal_tail(size.low))
    else:
        from scipy.special import stdtr

        tail = Interval(float(stdtr(degrees, -size.high)), float(stdtr(degrees, -size.low)))
    return {"two-sided": tail * 2.0, "one-sided": tail, "one-sided, other side": Interval(1 - tail.high, 1 - tail.low)}


def _normal_tail(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2)) if math.isfinite(z) else 0.0


def t_of_correlation(correlation: Interval, n: int) -> dict[str, Interval]:
    """t of a correlation, ``r sqrt((n - 2)/(1 - r**2))``, with n - 2 and the variants n - 1 and n. Increasing in r."""
    readings = {}
    for label, degrees in (("n - 2", n - 2), ("n - 1", n - 1), ("n", n)):
        if degrees > 0:
            ends = [
                math.copysign(math.inf, r) if abs(r) >= 1 else r * math.sqrt(degrees / (1 - r * r))
                for r in (correlation.low, correlation.high)
            ]
            readings[label] = Interval(*ends)
    return readings


def t_of_mean(mean: Interval, std: Interval, n: int) -> dict[str, Interval]:
    """t of a mean, ``m / (s / sqrt n)``, for a deviation printed with denominator n - 1 or n."""
    ratio = mean / std
    readings = {"ddof 1": ratio * math.sqrt(n)}
    if n > 1:
        readings["ddof 0"] = ratio * math.sqrt(n - 1)
    return readings
