"""Forecasts of returns against naive ones: every figure of a panel from two passes over it.

The second pass is for the squares around the mean of the outcomes. `assay.results.stats.forecast_tests` has the same
figures one by one, of any panel: those are the reference, and these are equal to them bit for bit, but for the
last digits of `r2`, whose mean is summed some sessions at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from assay.data.conventions import Floats
from assay.data.row_tables import Values
from assay.results.stats.blocks import cases, row_blocks
from assay.results.stats.forecast_tests import (
    ForecastTest,
    SessionMeans,
    one_sided,
    r2_against,
    session_t,
    without_rounding,
)

__all__ = ["AgainstNaive", "against_naive"]


@dataclass(frozen=True)
class AgainstNaive:
    """What forecasts of returns are worth beside forecasts that know nothing.

    Parameters
    ----------
    n : known cases, a name on a session.
    r2 : `out_of_sample_r2` against the mean of the very outcomes.
    theil_u2 : against 0, that the price stays where it is.
    r2_oos : `out_of_sample_r2` against means known at t.
    persistence : `diebold_mariano` of squared errors against 0.
    clark_west : `clark_west` against the means known at t.

    """

    n: int
    r2: float
    theil_u2: float
    r2_oos: float
    persistence: ForecastTest
    clark_west: ForecastTest


def against_naive(predicted: Values, actual: Values, means: Values, *, horizon: int = 1) -> AgainstNaive:
    """All of `AgainstNaive` of a panel.

    Parameters
    ----------
    predicted, actual : (T, N), decimal; NaN = unknown.
    means : (T, N) `historical_mean` of the outcomes known at t, asked for once, in order.
    horizon : h; the lag of the tests is h − 1.

    """
    n, total = 0, 0.0
    of_all, of_means = np.zeros(2), np.zeros(3)  # Σ(y − ŷ)², Σy², and between them Σ(y − mean)²
    differences, gains = SessionMeans(len(actual)), SessionMeans(len(actual))
    for rows in row_blocks(actual.shape):
        p, y, m = predicted[rows], actual[rows], means[rows]
        errors, sizes, simple = (y - p) ** 2, y**2, (y - m) ** 2
        differences.add(rows, errors - sizes)
        gains.add(rows, simple - (errors - (m - p) ** 2))
        known = np.isfinite(p) & np.isfinite(y)
        came, *squares = cases(known, y, errors, sizes)
        n, total = n + len(came), total + float(came.sum())
        sums = [float(part.sum()) for part in squares]
        of_all += sums
        both = known & np.isfinite(m)
        if not both.all():
            sums = [float(part.sum()) for part in cases(both, errors, sizes)]
        of_means += (sums[0], float(cases(both, simple)[0].sum()), sums[1])
    errors_of_all, size = of_all.tolist()
    return AgainstNaive(
        n,
        r2_against(errors_of_all, without_rounding(_around(actual, predicted, total / n if n else math.nan), size)),
        math.sqrt(errors_of_all / size) if size > 0 else math.nan,
        r2_against(float(of_means[0]), without_rounding(float(of_means[1]), float(of_means[2]))),
        session_t(differences.values, horizon),
        one_sided(session_t(gains.values, horizon)),
    )


def _around(actual: Values, predicted: Values, mean: float) -> float:
    """Σ(y − mean)² of the known cases."""
    total = 0.0
    for rows in row_blocks(actual.shape):
        y: Floats = actual[rows]
        (off,) = cases(np.isfinite(predicted[rows]) & np.isfinite(y), y)
        total += float(((off - mean) ** 2).sum())
    return total
