"""One session's portfolio by skfolio: what it is given, which of its estimators solves it, and its constraints.

Nothing here estimates anything: means and covariance come in, weights go out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.data.conventions import Floats
from assay.strategies.optimised.constraints import Limits

__all__ = [
    "Problem",
    "Unsolved",
    "cvar",
    "equilibrium",
    "hrp",
    "max_diversification",
    "mean_variance",
    "nearest",
    "quadratic_weights",
    "risk_parity",
    "through_skfolio",
    "with_views",
]

#: skfolio's own 1e-9 leaves weights of daily data right to about 1e-4; with these and a scaled objective, 1e-6.
PRECISION: Mapping[str, float] = MappingProxyType({"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12})


class Unsolved(Exception):  # noqa: N818 — caught one level up and turned into an event
    """No portfolio came out of the solver; `relax` names the constraint at fault, where it is known."""

    def __init__(self, message: str, relax: str | None = None) -> None:
        super().__init__(message)
        self.relax = relax


@dataclass(frozen=True, eq=False)
class Problem:
    """What a solver reads on one session, over its n eligible assets.

    Parameters
    ----------
    mean : (n,) expected returns, per session.
    covariance : (n, n) per session, positive definite.
    returns : (S, n) daily returns, the scenarios of CVaR.
    limits : the constraints.
    risk_aversion : λ in mean − λ·risk.
    trade_cost : per unit of |weight − previous|, spread over the sessions the portfolio is held.
    borrow_cost : per unit of short weight, per session.

    """

    mean: Floats
    covariance: Floats
    returns: Floats
    limits: Limits
    risk_aversion: float = 1.0
    trade_cost: float = 0.0
    borrow_cost: float = 0.0


def mean_variance(inputs: Problem) -> Floats:
    """Weights (n,) that maximise mean·w − λ·w'Σw − costs; with no mean and no costs, those that minimise w'Σw.

    The problem goes to skfolio's solver directly, and through skfolio where that finds nothing.
    """
    found = quadratic_weights(
        inputs.mean, inputs.covariance, inputs.limits, inputs.risk_aversion, inputs.trade_cost, inputs.borrow_cost
    )
    return through_skfolio(inputs) if found is None else found


def through_skfolio(inputs: Problem) -> Floats:
    """What `mean_variance` does, by skfolio's `MeanRisk`."""
    from skfolio import RiskMeasure

    return _mean_risk(inputs, RiskMeasure.VARIANCE)


def cvar(inputs: Problem) -> Floats:
    """Weights (n,) that maximise mean·w − λ·CVaR₉₅(w) − costs, CVaR over the scenarios.

    References
    ----------
    Rockafellar & Uryasev (2000), "Optimization of conditional value-at-risk".

    """
    from skfolio import RiskMeasure

    return _mean_risk(inputs, RiskMeasure.CVAR)


def _mean_risk(inputs: Problem, measure: Any) -> Floats:
    from skfolio import RiskMeasure
    from skfolio.optimization import MeanRisk, ObjectiveFunction

    limits = inputs.limits
    borrows = inputs.borrow_cost > 0 and not limits.long_only
    plain = not (inputs.mean.any() or inputs.trade_cost or borrows)
    objective = ObjectiveFunction.MINIMIZE_RISK if plain else ObjectiveFunction.MAXIMIZE_UTILITY
    costs: dict[str, Any] = {}
    if inputs.trade_cost:
        costs = {"transaction_costs": inputs.trade_cost, "previous_weights": limits.previous}
    if borrows:
        costs["add_objective"] = _borrow(inputs.borrow_cost)
    estimator = MeanRisk(
        objective_function=objective,
        risk_measure=measure,
        risk_aversion=inputs.risk_aversion,
        prior_estimator=_given(inputs),
        min_weights=limits.lower,
        max_weights=limits.upper,
        budget=limits.net,
        add_constraints=_further(limits),
        scale_objective=None if measure is RiskMeasure.CVAR else 1.0 / float(np.diag(inputs.covariance).mean()),
        solver_params=dict(PRECISION),
        **costs,
    )
    return _fitted(estimator, inputs.returns)


def risk_parity(inputs: Problem) -> Floats:
    """Weights (n,) whose contributions to w'Σw are equal, as far as the bounds on single names allow.

    References
    ----------
    Maillard, Roncalli & Teïletche (2010), "The properties of equally weighted risk contribution portfolios".

    """
    from skfolio.optimization import RiskBudgeting

    limits = inputs.limits
    estimator = RiskBudgeting(
        prior_estimator=_given(inputs),
        min_weights=limits.lower / limits.net,
        max_weights=limits.upper / limits.net,
        solver_params=dict(PRECISION),
    )
    return limits.net * _fitted(estimator, inputs.returns)


def hrp(inputs: Problem) -> Floats:
    """Weights (n,) by hierarchical risk parity on the given covariance, as far as the bounds on single names allow.

    References
    ----------
    López de Prado (2016), "Building diversified portfolios that outperform out of sample".

    """
    from skfolio.optimization import HierarchicalRiskParity

    class Direct(HierarchicalRiskParity):
        """Computes a cluster's variance as w'Σw, where skfolio builds a whole portfolio to ask it."""

        def _risk(self, weights: Floats, return_distribution: Any) -> float:
            return float(weights @ return_distribution.covariance @ weights)

    limits = inputs.limits
    estimator = Direct(
        prior_estimator=_given(inputs),
        min_weights=np.minimum(limits.lower / limits.net, 1.0),
        max_weights=np.minimum(limits.upper / limits.net, 1.0),
    )
    return limits.net * _fitted(estimator, inputs.returns)


def max_diversification(inputs: Problem) -> Floats:
    """Weights (n,) with the greatest ratio of mean volatility to the portfolio's, within the bounds on single names.

    References
    ----------
    Choueifaty & Coignard (2008), "Toward maximum diversification".

    """
    from skfolio.optimization import MaximumDiversification

    limits = inputs.limits
    estimator = MaximumDiversification(
        prior_estimator=_given(inputs),
        min_weights=limits.lower / limits.net,
        max_weights=limits.upper / limits.net,
        solver_params=dict(PRECISION),
    )
    return limits.net * _fitted(estimator, inputs.returns)


def nearest(weights: Floats, limits: Limits) -> Floats:
    """The portfolio (n,) within `limits` that is nearest to `weights` in squared distance."""
    n = len(weights)
    # −‖w − w₀‖² = 2w₀'w − w'w + constant: a mean-variance problem with mean 2w₀ and covariance I.
    return mean_variance(Problem(2.0 * weights, np.eye(n), np.zeros((2, n)), limits))


def equilibrium(covariance: Floats, market: Floats, risk_aversion: float) -> Floats:
    """The mean (n,) under which `market` (n,) maximises mean·w − λ·w'Σw: 2λΣw."""
    return 2.0 * risk_aversion * covariance @ market


def with_views(inputs: Problem, views: Floats, seen: NDArray[np.bool_], confidence: float, tau: float) -> Problem:
    """`inputs` with the Black-Litterman posterior of one absolute view an asset, all of the same confidence.

    Parameters
    ----------
    inputs : its mean and covariance are the prior.
    views : (n,) expected returns per session; read where `seen`.
    confidence : in (0, 1), Idzorek's; it sets the views' variance to τ(1/c − 1) times that of the asset.
    tau : uncertainty of the prior mean, as a share of the covariance.

    """
    from skfolio.prior import BlackLitterman

    names = [f"a{i}" for i in range(len(views))]  # skfolio parses views as text; real ids may hold any character
    prior = BlackLitterman(
        views=[f"{names[i]} == {float(views[i])!r}" for i in np.flatnonzero(seen)],
        groups=[names],
        prior_estimator=_given(inputs),
        tau=tau,
        view_confidences=[confidence] * int(seen.sum()),
    )
    posterior = prior.fit(inputs.returns).return_distribution_
    return replace(inputs, mean=posterior.mu, covariance=posterior.covariance)


def _given(inputs: Problem) -> Any:
    """A skfolio prior that returns the moments it was made with."""
    from skfolio.prior import BasePrior, ReturnDistribution

    class Given(BasePrior):
        def __init__(self, distribution: Any = None) -> None:
            self.distribution = distribution

        def fit(self, X: Any, y: Any = None, **_: Any) -> Any:
            self.return_distribution_ = self.distribution
            return self

        def get_metadata_routing(self) -> Any:
            from sklearn.utils.metadata_routing import MetadataRouter

            return MetadataRouter(owner=type(self).__name__)

    return Given(ReturnDistribution(mu=inputs.mean, covariance=inputs.covariance, returns=inputs.returns))


def _borrow(rate: float) -> Callable[[Any], Any]:
    """An addition to an objective that is maximised: minus `rate` per unit of short weight."""

    def cost(w: Any) -> Any:
        import cvxpy

        return -rate * cvxpy.sum(cvxpy.neg(w))

    return cost


def _further(limits: Limits) -> Callable[[Any], list[Any]] | None:
    """The constraints beyond bounds and net exposure, as cvxpy expressions; None where there are none."""
    makers: list[Callable[[Any, Any], Any]] = []
    if not limits.long_only and np.isfinite(limits.gross):
        makers.append(lambda cp, w: cp.norm1(w) <= limits.gross)
    if limits.max_group is not None:
        for mask in limits.groups.values():
            members = np.flatnonzero(mask)
            if len(members):
                makers.append(_at_most(members, limits.max_group))
    if limits.max_turnover is not None:
        spare = limits.max_turnover - limits.outgoing
        makers.append(lambda cp, w: 0.5 * cp.norm1(w - limits.previous) <= spare)
    if limits.max_beta is not None and limits.beta is not None:
        if limits.max_beta == 0:
            makers.append(lambda cp, w: limits.beta @ w == 0)
        else:
            makers.append(lambda cp, w: cp.abs(limits.beta @ w) <= limits.max_beta)
    if not makers:
        return None

    def constraints(w: Any) -> list[Any]:
        import cvxpy

        return [make(cvxpy, w) for make in makers]

    return constraints


def _at_most(members: NDArray[np.intp], top: float) -> Callable[[Any, Any], Any]:
    return lambda cp, w: cp.norm1(w[members]) <= top


def _fitted(estimator: Any, returns: Floats) -> Floats:
    """The weights of a fitted skfolio estimator, or `Unsolved`."""
    from skfolio.exceptions import OptimizationError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "may be inaccurate": what matters is checked on the weights
        try:
            weights = np.asarray(estimator.fit(returns).weights_, dtype=np.float64)
        except (OptimizationError, ValueError, ArithmeticError) as error:
            raise Unsolved(str(error)) from error
    if not np.isfinite(weights).all():
        raise Unsolved("weights are not finite")
    return weights


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

    Notes
    -----
    The problem goes to Clarabel as it stands. skfolio states the same one through cvxpy and gives it to the same
    solver; most of its time goes into the stating. Decisions are equal to rounding (tested), several times sooner.
    Clarabel takes no warm starts.

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
    settings.tol_gap_abs = settings.tol_gap_rel = PRECISION["tol_gap_abs"]
    rows = sparse.vstack(blocks, format="csc")
    cones = [clarabel.ZeroConeT(equalities), clarabel.NonnegativeConeT(rows.shape[0] - equalities)]
    answer = clarabel.DefaultSolver(curved, scale * linear, rows, np.concatenate(tops), cones, settings).solve()
    if str(answer.status) not in ("Solved", "AlmostSolved"):
        return None
    return np.asarray(answer.x)[:n]
