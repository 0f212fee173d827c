"""How the gate's rules read an outcome of the calibration study: a shipped policy, the product's own figures.

Rules that need more than returns, scores and costs (receipts, leaks, cross-check, baselines, seeds …) are taken as
passed, so that what is measured is the statistics alone; `stubbed` names them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from assay.results.gate.evidence_rules import Estimate
from assay.results.gate.policy import Policy, rule_outcome
from assay.results.stats.deflated_sharpe import deflated_sharpe
from assay.results.stats.long_run_variance import critical_value, hac_mean, regress
from studies.calibration_runs import COSTS, Arrays, Floats

_PERIODS = 252
#: What a deflated Sharpe ratio has to reach at one-sided 5%.
CONFIDENCE = 0.95
_NONE = Estimate(reason="a single trial", absent="not applicable")
#: Rules of a policy that the study measures.
MEASURED = (
    "sessions",
    "rank_ic_t",
    "alpha_t",
    "deflated_sharpe_residual",
    "max_drawdown",
    "turnover",
    "break_even_cost_bps",
    "break_even_borrow_bps",
    "pbo",
    "random_scores_p",
)


@dataclass(frozen=True)
class Line:
    """Returns after a benchmark: alpha's HAC t and its 5% point, and the deflated Sharpe ratio of the rest."""

    alpha_t: float
    critical: float
    deflated: float


def after(returns: Floats, benchmark: Floats, sharpes: Floats | None = None) -> Line:
    """Returns a session after beta; `sharpes` are those of the trials, by default this one alone."""
    line = regress(returns, benchmark)
    assert line is not None
    sharpes = np.array([sharpe(returns)]) if sharpes is None else sharpes
    return Line(line.alpha_t, critical_value(line.n, line.lag), deflated_sharpe(line.residuals, sharpes).probability)


def sharpe(returns: Floats) -> float:
    """A session's, ddof 1."""
    return float(returns.mean() / returns.std(ddof=1))


def ic_t(outcome: Arrays) -> tuple[float, float]:
    """HAC t of the mean rank IC, and its two-sided 5% point."""
    known = outcome["ic"][np.isfinite(outcome["ic"])]
    _, _, t, lag = hac_mean(known)
    return t, critical_value(len(known), lag)


def figures(outcome: Arrays, sharpes: Floats | None = None) -> dict[str, Estimate]:
    """What the policy's statistical rules read of one panel, by rule; all but the rank among random scores.

    Parameters
    ----------
    outcome : one row of what `calibration_runs` stores.
    sharpes : Sharpe ratio a session of each trial in the ledger; default: this panel was the only one.

    """
    net = outcome["net"]
    line = after(net, outcome["benchmark"], sharpes)
    nav = np.cumprod(1 + net)
    traded, short = 2 * float(outcome["turnover"]), float(outcome["short"])
    trading = traded * COSTS.traded_rate
    before_borrow = float(outcome["gross"].mean()) - trading
    before_trading = float(net.mean()) + trading
    values = {
        "sessions": float(len(net)),
        "rank_ic_t": ic_t(outcome)[0],
        "alpha_t": line.alpha_t,
        "deflated_sharpe_residual": line.deflated,
        "max_drawdown": float((nav / np.maximum(np.maximum.accumulate(nav), 1.0)).min() - 1),
        "turnover": traded / 2 * _PERIODS,
        "break_even_cost_bps": 1e4 * before_trading / traded if min(traded, before_trading) > 0 else math.nan,
        "break_even_borrow_bps": _PERIODS * 1e4 * before_borrow / short if min(short, before_borrow) > 0 else math.nan,
        "pbo": float(outcome["pbo"]) if sharpes is not None else math.nan,
    }
    found = {name: Estimate(value) for name, value in values.items()}
    return found if sharpes is not None else {**found, "pbo": _NONE}


def passes(policy: Policy, found: dict[str, Estimate], random_p: Callable[[], float]) -> bool:
    """Whether every statistical rule passes; the random scores, which cost most, are asked for last."""
    if not all(alone(policy, rule, figure) for rule, figure in found.items()):
        return False
    return alone(policy, "random_scores_p", Estimate(random_p()))


def alone(policy: Policy, rule: str, figure: Estimate) -> bool:
    """Whether a figure passes what the policy asks of it; True where the policy asks nothing."""
    return all(
        rule_outcome(requirement, figure).verdict in ("passed", "not applicable")
        for requirement in policy.requirements
        if requirement.rule == rule
    )


def stubbed(policy: Policy) -> list[str]:
    """Rules of the policy that the study takes as passed."""
    return [requirement.rule for requirement in policy.requirements if requirement.rule not in MEASURED]
