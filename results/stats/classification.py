"""What probabilities of "up" are worth: calibration, discrimination, and what a constant would have scored.

On plain arrays of cases: `probability` in [0, 1] and `up` 0 or 1, equal shapes, pairs with a NaN left out. The base
rate is the share of ups **in the cases themselves**, so a constant at the base rate is known only afterwards: a little
better than any constant a forecaster could have named. scikit-learn computes what it has.

References
----------
Brier (1950), Monthly Weather Review 78(1). Murphy (1973), "A new vector partition of the probability score", Journal
of Applied Meteorology 12(4). Stephenson, Coelho & Jolliffe (2008), Weather and Forecasting 23(4), for what lies within
the bins. Naeini, Cooper & Hauskrecht (2015), AAAI, for the expected calibration error.
Hanley & McNeil (1982), Radiology 143(1). DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44(3). Obuchowski (1997),
"Nonparametric analysis of clustered ROC curve data", Biometrics 53(2).
Matthews (1975), Biochimica et Biophysica Acta 405(2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.data.card import plural
from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.results.stats.forecast_tests import long_run_variance

__all__ = [
    "Auc",
    "BrierParts",
    "LogLoss",
    "auc",
    "brier_parts",
    "calibration_error",
    "log_loss",
    "matthews",
    "probability_bands",
    "reliability_table",
]


#: Bands of equal width that calibration is judged in.
BINS = 10


@dataclass(frozen=True)
class BrierParts:
    """The Brier score and where it comes from: score = reliability − resolution + uncertainty + within.

    Parameters
    ----------
    score : mean (p − y)², unitless, 0 the best.
    reliability : Σ n_k(p̄_k − ȳ_k)²/n over bins: how far off the probabilities are; 0 is calibrated.
    resolution : Σ n_k(ȳ_k − ȳ)²/n: how much outcomes differ between bins; 0 says nothing.
    uncertainty : ȳ(1 − ȳ): the score of the base rate.
    within : variance of p within bins less twice its covariance with y there; what binning hides. The other three
        are exact for the forecasts that say p̄_k throughout bin k.
    base_rate : ȳ, share of ups.
    n, bins : cases; bins that have any.

    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    base_rate: float
    n: int
    bins: int

    @property
    def skill(self) -> float:
        """1 − score/uncertainty: against a constant at the base rate; NaN with one class."""
        return 1.0 - self.score / self.uncertainty if self.uncertainty > 0 else math.nan


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve: how often an up had a higher probability than a down, ties half.

    Parameters
    ----------
    value : unitless, 0.5 says nothing; NaN with one class.
    error_hanley_mcneil, error_delong : standard errors that take the cases as independent.
    error : standard error that takes whole sessions as the independent draws; NaN where no sessions were given.
    n_up, n_down : cases.
    reason : why there is no value or no error.

    """

    value: float
    error_hanley_mcneil: float
    error_delong: float
    error: float
    n_up: int
    n_down: int
    reason: str = ""


@dataclass(frozen=True)
class LogLoss:
    """Mean −log of the probability that was given to what happened, in nats.

    Parameters
    ----------
    value : 0 the best; probabilities are kept off 0 and 1 by the smallest float64 step, as scikit-learn does.
    base : of a constant at the base rate: its entropy; log 2 at one half.
    n : cases.

    """

    value: float
    base: float
    n: int

    @property
    def skill(self) -> float:
        """1 − value/base; NaN with one class."""
        return 1.0 - self.value / self.base if self.base > 0 else math.nan


def probability_bands(probability: Floats, bins: int = BINS) -> npt.NDArray[np.int64]:
    """Which of `bins` bands of equal width each probability is in, from 0; 1 is in the last.

    Raises
    ------
    InputError
        If there is no band.

    """
    if bins < 1:
        raise InputError(f"calibration: at least 1 bin is needed, got {bins}")
    return np.minimum((np.asarray(probability) * bins).astype(np.int64), bins - 1)


def reliability_table(probability: Floats, up: Floats, bins: int = BINS) -> pd.DataFrame:
    """A row a band that has any case: predicted (mean probability), up (share that rose), n."""
    p, y = _cases(probability, up)
    band = probability_bands(p, bins)
    count = np.bincount(band, minlength=bins)
    held = count > 0
    return pd.DataFrame(
        {
            "predicted": np.bincount(band, weights=p, minlength=bins)[held] / count[held],
            "up": np.bincount(band, weights=y, minlength=bins)[held] / count[held],
            "n": count[held],
        }
    )


def brier_parts(probability: Floats, up: Floats, bins: int = BINS) -> BrierParts:
    """The Brier score split by Murphy (1973), on bands of equal width; all NaN without a case."""
    p, y = _cases(probability, up)
    if not len(y):
        return BrierParts(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, 0, 0)
    from sklearn.metrics import brier_score_loss

    table = reliability_table(p, y, bins)
    share = table["n"].to_numpy() / len(y)
    said, rose, base = table["predicted"].to_numpy(), table["up"].to_numpy(), float(y.mean())
    place = np.searchsorted(np.unique(band := probability_bands(p, bins)), band)
    off_p, off_y = p - said[place], y - rose[place]
    return BrierParts(
        score=float(brier_score_loss(y.astype(int), p, pos_label=1)),
        reliability=float(share @ (said - rose) ** 2),
        resolution=float(share @ (rose - base) ** 2),
        uncertainty=base * (1.0 - base),
        within=float((off_p**2).mean() - 2.0 * (off_p * off_y).mean()),
        base_rate=base,
        n=len(y),
        bins=len(table),
    )


def calibration_error(probability: Floats, up: Floats, bins: int = BINS) -> float:
    """Expected calibration error Σ n_k/n·|p̄_k − ȳ_k| over `bins` bands of equal width, on which it depends; or NaN."""
    table = reliability_table(probability, up, bins)
    total = int(table["n"].sum())
    return float((table["n"] * (table["predicted"] - table["up"]).abs()).sum() / total) if total else math.nan


def matthews(said: Floats, up: Floats) -> tuple[float, bool]:
    """Matthews correlation of two yes/no series, and whether it is 0/0, since one never varies, and written as 0."""
    one, two = _cases(said, up)
    if len(two) < 2 or len(np.unique(one)) < 2 or len(np.unique(two)) < 2:
        return (0.0, True) if len(two) else (math.nan, True)
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(two.astype(int), one.astype(int))), False


def log_loss(probability: Floats, up: Floats) -> LogLoss:
    """Mean log loss beside that of the base rate; NaN without a case."""
    p, y = _cases(probability, up)
    if not len(y):
        return LogLoss(math.nan, math.nan, 0)
    from sklearn import metrics

    base = float(y.mean())
    entropy = -sum(share * math.log(share) for share in (base, 1.0 - base) if share > 0)
    return LogLoss(float(metrics.log_loss(y.astype(int), p, labels=[0, 1])), entropy, len(y))


def auc(probability: Floats, up: Floats, *, sessions: npt.NDArray[np.int64] | None = None, horizon: int = 1) -> Auc:
    """Area under the ROC curve with three standard errors.

    With placement values V₁(i) = share of downs below up i (ties half) and V₀(j) = share of ups above down j:
    Hanley & McNeil (1982): √((A(1 − A) + (n₁ − 1)(Q₁ − A²) + (n₀ − 1)(Q₂ − A²))/(n₁n₀)), Q₁ = A/(2 − A),
    Q₂ = 2A²/(1 + A). DeLong et al. (1988): √(var(V₁)/n₁ + var(V₀)/n₀), ddof 1.
    By session, as Obuchowski (1997): √(S/(S − 1)·Σ_s c_s²), c_s = Σ(V₁ − A)/n₁ + Σ(V₀ − A)/n₀ over the cases of
    session s, with autocovariances up to lag horizon − 1 where windows overlap.

    Parameters
    ----------
    probability, up : equal shapes.
    sessions : of the same shape, the number of each case's session, or None.
    horizon : h, sessions that an outcome spans.

    Raises
    ------
    InputError
        On shapes that differ or probabilities outside [0, 1].

    """
    p, y = _cases(probability, up)
    above = y > 0
    n_up, n_down = int(above.sum()), int((~above).sum())
    if not n_up or not n_down:
        why = "one class only" if len(y) else "no case is known"
        return Auc(math.nan, math.nan, math.nan, math.nan, n_up, n_down, why)
    from scipy.stats import rankdata
    from sklearn.metrics import roc_auc_score

    value = float(roc_auc_score(above, p))
    if float(np.ptp(p)) == 0 or value in (0.0, 1.0):
        why = "every probability is the same" if np.ptp(p) == 0 else "the classes do not overlap"
        return Auc(value, math.nan, math.nan, math.nan, n_up, n_down, f"{why}, so no error can be estimated")
    ranks = rankdata(p)
    place_up = (ranks[above] - rankdata(p[above])) / n_down
    place_down = 1.0 - (ranks[~above] - rankdata(p[~above])) / n_up
    q1, q2 = value / (2.0 - value), 2.0 * value**2 / (1.0 + value)
    spread = value * (1.0 - value) + (n_up - 1) * (q1 - value**2) + (n_down - 1) * (q2 - value**2)
    hanley = math.sqrt(max(spread, 0.0) / (n_up * n_down))
    delong = math.nan
    if n_up > 1 and n_down > 1:
        delong = math.sqrt(float(place_up.var(ddof=1)) / n_up + float(place_down.var(ddof=1)) / n_down)
    if sessions is None:
        return Auc(value, hanley, delong, math.nan, n_up, n_down, "no sessions were given")
    parts = np.empty(len(y))
    parts[above], parts[~above] = (place_up - value) / n_up, (place_down - value) / n_down
    known = np.isfinite(np.asarray(probability, dtype=np.float64)) & np.isfinite(np.asarray(up, dtype=np.float64))
    _, number = np.unique(np.broadcast_to(sessions, known.shape)[known], return_inverse=True)
    by_session: Floats = np.asarray(np.bincount(number, weights=parts), dtype=np.float64)
    count = len(by_session)
    if count < 3 or count <= 2 * horizon:
        least = max(3, 2 * horizon + 1)
        why = f"{plural(count, 'session')}; at least {least} are needed for an error at horizon {horizon}"
        return Auc(value, hanley, delong, math.nan, n_up, n_down, why)
    variance, _ = long_run_variance(by_session, horizon - 1)
    error = math.sqrt(max(variance, 0.0) * count**2 / (count - 1))
    return Auc(value, hanley, delong, error, n_up, n_down)


def _cases(one: Floats, two: Floats) -> tuple[Floats, Floats]:
    """Known pairs, flat."""
    left, right = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
    if left.shape != right.shape:
        raise InputError(f"classification: shapes {left.shape} and {right.shape}; both must be about the same cases")
    known = np.isfinite(left) & np.isfinite(right)
    left, right = left[known], right[known]
    if len(left) and (left.min() < 0 or left.max() > 1):
        raise InputError(f"classification: probabilities from {left.min():g} to {left.max():g}; they must be in [0, 1]")
    if len(right) and not np.isin(right, (0.0, 1.0)).all():
        raise InputError("classification: outcomes must be 0 or 1")
    return left, right
