"""The variance problems of `assay.strategies.optimised.solvers`, handed to Clarabel as they stand.

skfolio states the same problem through cvxpy and gives it to the same solver; most of its time goes into the stating.
Decisions are equal to rounding (tested), several times sooner. Clarabel takes no warm starts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assay.strategies.optimised.constraints import Limits

__all__ = ["quadratic_weights"]

Floats = NDArray[np.float64]

_PRECISION = 1e-12


def quadratic_weights(
    mean: Floats, covariance: Floats, limits: Limits, risk_aversion: float, trade_cost: float, borrow_cost: float
) -> Floats | None:
    """Weights (n,) that maximise mean·w − λ·w'Σw − trade_cost·Σ|w − previous| − borrow_cost·Σ max(−w, 0).

    Parameters
    ----------
    mean, covariance : (n,) and (n, n) per session.
    limits : all of them are held.
    risk_aversion : λ > 0.
    trade_cost, borrow_cost : at least 0, per unit.

    Returns
    -------
    ndarray or None
        None where the solver found no such portfolio.

    References
    ----------
    Goulart & Chen (2024), "Clarabel: An interior-point solver for conic programs with quadratic objectives".

    """
    import clarabel
    from scipy import sparse

    n = len(mean)
    eye, one = sparse.identity(n, format="csc"), np.ones((1, n))
    shorts = not limits.long_only
    sized = shorts and (np.isfinite(limits.gross) or limits.max_group is not None or borrow_cost > 0)
    moved = limits.max_turnover is not None or trade_cost > 0
    width = n * (1 + sized + moved)
    size_at, move_at = n, n * (1 + sized)  # where |w| and |w − previous| stand among the variables
    blocks: list[sparse.csc_matrix] = []
    tops: list[Floats] = []

    def at_most(matrix: object, top: Floats | float, *, at: int = 0, also: object = None, also_at: int = 0) -> None:
        part = sparse.csc_matrix(matrix)
        row = sparse.hstack([sparse.csc_matrix((part.shape[0], at)), part], format="csc")
        row.resize((part.shape[0], width))
        if also is not None:
            other = sparse.hstack([sparse.csc_matrix((part.shape[0], also_at)), sparse.csc_matrix(also)], format="csc")
            other.resize((part.shape[0], width))
            row = row + other
        blocks.append(row)
        tops.append(np.broadcast_to(np.asarray(top, dtype=np.float64), part.shape[0]))

    equalities = 1
    at_most(one, limits.net)
    if limits.max_beta == 0 and limits.beta is not None:
        equalities = 2
        at_most(limits.beta[None, :], 0.0)
    upper, lower = limits.upper, limits.lower
    at_most(eye.tocsr()[np.isfinite(upper)], upper[np.isfinite(upper)])
    at_most(-eye.tocsr()[np.isfinite(lower)], -lower[np.isfinite(lower)])
    if sized:
        at_most(eye, 0.0, also=-eye, also_at=size_at)
        at_most(-eye, 0.0, also=-eye, also_at=size_at)
        if np.isfinite(limits.gross):
            at_most(one, limits.gross, at=size_at)
    if limits.max_group is not None:
        for mask in limits.groups.values():
            at_most(mask[None, :].astype(np.float64), limits.max_group, at=size_at if sized else 0)
    if limits.max_beta and limits.beta is not None:
        at_most(limits.beta[None, :], limits.max_beta)
        at_most(-limits.beta[None, :], limits.max_beta)
    if moved:
        at_most(eye, limits.previous, also=-eye, also_at=move_at)
        at_most(-eye, -limits.previous, also=-eye, also_at=move_at)
        if limits.max_turnover is not None:
            at_most(0.5 * one, limits.max_turnover - limits.outgoing, at=move_at)
    scale = 1.0 / float(np.diag(covariance).mean())
    linear = np.zeros(width)
    linear[:n] = -mean
    if sized and borrow_cost > 0:  # max(−w, 0) = (|w| − w)/2
        linear[:n] -= 0.5 * borrow_cost
        linear[size_at : size_at + n] += 0.5 * borrow_cost
    if moved:
        linear[move_at:] += trade_cost
    curved = sparse.csc_matrix(np.triu(2.0 * risk_aversion * scale * covariance))
    curved.resize((width, width))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = _PRECISION
    rows = sparse.vstack(blocks, format="csc")
    cones = [clarabel.ZeroConeT(equalities), clarabel.NonnegativeConeT(rows.shape[0] - equalities)]
    answer = clarabel.DefaultSolver(curved, scale * linear, rows, np.concatenate(tops), cones, settings).solve()
    if str(answer.status) not in ("Solved", "AlmostSolved"):
        return None
    return np.asarray(answer.x)[:n]
