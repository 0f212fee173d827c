"""Information coefficients: what they imply for dispersion, breadth, spreads and Sharpe ratios.

References
----------
Grinold (1989); Grinold & Kahn (2000); Clarke, de Silva & Thorley (2002); Qian & Hua (2004).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from assay.audit.claims.intervals import Interval

__all__ = [
    "breadth_needed",
    "hit_rate_from_correlation",
    "quantile_slope",
    "return_std_from_spread",
    "transfer_coefficient",
]


def breadth_needed(std: Interval) -> float:
    """Names per date below which sampling alone moves the IC more than its printed spread, ``1 + 1/std**2``.

    The sampling deviation of a correlation of N independent names is about ``1/sqrt(N - 1)``, so a spread of s needs at
    least ``1 + 1/s**2`` of them.
    """
    return 1 + 1 / std.high**2 if 1e-100 < std.high < 1e100 else math.inf


def transfer_coefficient(sharpe: Interval, ratio: Interval, periods: int) -> Interval:
    """Part of the signal that reaches the portfolio, ``Sharpe / (ICIR sqrt(P))``."""
    return sharpe / (ratio * math.sqrt(periods))


def quantile_slope(quantiles: int) -> float:
    """Mean of the top 1/q of a standard normal, ``q phi(z)`` with ``z`` its quantile: 1.400 for quintiles.

    Examples
    --------
    >>> round(quantile_slope(5), 3), round(quantile_slope(10), 3)
    (1.4, 1.755)

    """
    normal = NormalDist()
    return quantiles * normal.pdf(normal.inv_cdf(1 - 1 / quantiles))


def return_std_from_spread(spread: Interval, ic: Interval, quantiles: int) -> Interval:
    """Cross-sectional deviation of returns that a top-minus-bottom spread and an IC imply.

    ``spread = 2 kappa_q IC sigma`` for jointly normal scores and returns.
    """
    return spread / (ic * (2 * quantile_slope(quantiles)))


def hit_rate_from_correlation(correlation: Interval) -> Interval:
    """Sign agreement of two zero-mean jointly normal variables, ``1/2 + asin(rho)/pi``."""
    return Interval(
        *(0.5 + math.asin(min(1.0, max(-1.0, end))) / math.pi for end in (correlation.low, correlation.high))
    )
