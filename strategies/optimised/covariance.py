"""Covariance matrices by name, positive definite, with what had to be done said."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from assay.data.conventions import Floats
from assay.data.errors import InputError, UnknownNameError

__all__ = ["COVARIANCES", "CovarianceName", "covariance_matrix", "positive_definite"]

CovarianceName = Literal["sample", "ledoit_wolf", "exponential", "factor"]
#: Names that `covariance_matrix` knows.
COVARIANCES: tuple[str, ...] = get_args(CovarianceName)

#: Smallest eigenvalue allowed, as a share of the mean variance.
FLOOR = 1e-6
#: Sessions after which an observation of the exponential estimate counts half.
HALF_LIFE = 60.0
#: Principal components kept by the factor estimate.
FACTORS = 5


def covariance_matrix(returns: Floats, name: str = "ledoit_wolf") -> tuple[Floats, str]:
    """Covariance of daily returns.

    Parameters
    ----------
    returns : (S, n) without NaN, the last row being the session of the decision.
    name : ``sample`` (ddof 1); ``ledoit_wolf`` (shrunk to a multiple of the identity); ``exponential`` (weights that
        halve every 60 sessions, about the weighted mean); ``factor`` (the first five principal components, and a
        diagonal rest).

    Returns
    -------
    covariance : (n, n), positive definite, per session.
    note : what was done to make it so; empty where nothing was.

    Raises
    ------
    UnknownNameError
        If the name is unknown.
    InputError
        If there are fewer than two observations, or a return is missing.

    References
    ----------
    Ledoit & Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices".
    J.P. Morgan/Reuters (1996), RiskMetrics, for exponential weights. Connor & Korajczyk (1986) for statistical factors.

    """
    if name not in COVARIANCES:
        raise UnknownNameError("covariance", name, list(COVARIANCES))
    if returns.ndim != 2 or len(returns) < 2 or not np.isfinite(returns).all():
        raise InputError(f"covariance: needs at least 2 rows of finite returns, got shape {returns.shape}")
    estimate = {"sample": _sample, "ledoit_wolf": _ledoit_wolf, "exponential": _exponential, "factor": _factor}[name]
    return positive_definite(estimate(returns))


def positive_definite(covariance: Floats) -> tuple[Floats, str]:
    """A symmetric matrix with no eigenvalue below `FLOOR` × the mean variance, and what was lifted.

    Eigenvalues below the floor are set to it; the variances then differ by less than the floor times n.
    """
    matrix = 0.5 * (covariance + covariance.T)
    mean = float(np.trace(matrix)) / len(matrix)
    floor = FLOOR * mean if mean > 0 else 1e-12
    try:
        np.linalg.cholesky(matrix - floor * (1 - 1e-6) * np.eye(len(matrix)))
        return matrix, ""
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(matrix)
    low = int((values < floor).sum())
    lifted = (vectors * np.maximum(values, floor)) @ vectors.T
    return 0.5 * (lifted + lifted.T), f"singular: {low} of {len(values)} eigenvalues lifted to {floor:.3g}"


def _sample(returns: Floats) -> Floats:
    return np.atleast_2d(np.cov(returns, rowvar=False, ddof=1))


def _ledoit_wolf(returns: Floats) -> Floats:
    from sklearn.covariance import ledoit_wolf

    return np.asarray(ledoit_wolf(returns)[0])


def _exponential(returns: Floats) -> Floats:
    age = np.arange(len(returns) - 1, -1, -1, dtype=np.float64)
    weight = 0.5 ** (age / HALF_LIFE)
    weight /= weight.sum()
    centred = returns - weight @ returns
    return (centred * weight[:, None]).T @ centred


def _factor(returns: Floats) -> Floats:
    sample = _sample(returns)
    k = min(FACTORS, len(sample) - 1)
    if k == 0:
        return sample
    values, vectors = np.linalg.eigh(sample)
    loadings = vectors[:, -k:] * np.sqrt(np.maximum(values[-k:], 0.0))
    common = loadings @ loadings.T
    rest = np.maximum(np.diag(sample) - np.diag(common), 0.0)
    answer: Floats = common + np.diag(rest)
    return answer
