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

from assay.strategies.optimised.constraints import Limits
from assay.strategies.optimised.quadratic import quadratic_weights

__all__ = [
    "Inputs",
    "Unsolved",
    "cvar",
    "equilibrium",
    "hrp",
    "max_diversification",
    "mean_variance",
    "nearest",
    "risk_parity",
    "through_skfolio",
    "with_views",
]

Floats = NDArray[np.float64]


#: skfolio's own 1e-9 leaves weights of daily data right to about 1e-4; with these and a scaled objective, 1e-6.
PRECISION: Mapping[str, float] = MappingProxyType({"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12})


class Unsolved(Exception):  # noqa: N818 — caught one level up and turned into an event
    """No portfolio came out of the solver; `relax` names the constraint at fault, where it is known."""

    def __init__(self, message: str, relax: str | None = None) -> None:
        super().__init__(message)
        self.relax = relax


@dataclass(frozen=True, eq=False)
class Inputs:
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


def mean_variance(inputs: Inputs) -> Floats:
    """Weights (n,) that maximise mean·w − λ·w'Σw − costs; with no mean and no costs, those that minimise w'Σw.

    The problem goes to skfolio's solver directly, and through skfolio where that finds nothing.
    """
    found = quadratic_weights(
        inputs.mean, inputs.covariance, inputs.limits, inputs.risk_aversion, inputs.trade_cost, inputs.borrow_cost
    )
    return through_skfolio(inputs) if found is None else found


def through_skfolio(inputs: Inputs) -> Floats:
    """What `mean_variance` does, by skfolio's `MeanRisk`."""
    from skfolio import RiskMeasure

    return _mean_risk(inputs, RiskMeasure.VARIANCE)


def cvar(inputs: Inputs) -> Floats:
    """Weights (n,) that maximise mean·w − λ·CVaR₉₅(w) − costs, CVaR over the scenarios.

    References
    ----------
    Rockafellar & Uryasev (2000), "Optimization of conditional value-at-risk".

    """
    from skfolio import RiskMeasure

    return _mean_risk(inputs, RiskMeasure.CVAR)


def _mean_risk(inputs: Inputs, measure: Any) -> Floats:
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


def risk_parity(inputs: Inputs) -> Floats:
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


def hrp(inputs: Inputs) -> Floats:
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


def max_diversification(inputs: Inputs) -> Floats:
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
    return mean_variance(Inputs(2.0 * weights, np.eye(n), np.zeros((2, n)), limits))


def equilibrium(covariance: Floats, market: Floats, risk_aversion: float) -> Floats:
    """The mean (n,) under which `market` (n,) maximises mean·w − λ·w'Σw: 2λΣw."""
    return 2.0 * risk_aversion * covariance @ market


def with_views(inputs: Inputs, views: Floats, seen: NDArray[np.bool_], confidence: float, tau: float) -> Inputs:
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


def _given(inputs: Inputs) -> Any:
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
