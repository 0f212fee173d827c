"""At which cost, and at which borrow fee, what a backtest earned is gone: of its return, and of its alpha."""

from __future__ import annotations

import math

import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR
from assay.engine.result import BacktestResult
from assay.results.evidence.skill import alpha_line
from assay.results.stats.performance import Metric

__all__ = ["break_even_borrow", "break_even_cost", "break_even_on_alpha"]


def break_even_cost(result: BacktestResult, yearly: pd.Series, trading: list[str]) -> tuple[str, float, str, str, str]:
    """Cost a traded unit, each side, at which the mean net return is 0, to first order along the same path."""
    text = "a traded unit, each side; mean net return 0, other costs as they are, same path"
    before_trading = result.returns.mean() * SESSIONS_A_YEAR + yearly[trading].sum()
    traded = 2 * result.turnover.mean() * SESSIONS_A_YEAR
    if not traded > 0:
        return "break_even_cost_bps", math.nan, "bps", text, "nothing traded"
    if before_trading <= 0:
        return "break_even_cost_bps", math.nan, "bps", text, "loses before trading costs"
    return "break_even_cost_bps", 1e4 * before_trading / traded, "bps", text, ""


def break_even_borrow(result: BacktestResult, yearly: pd.Series) -> tuple[str, float, str, str, str]:
    """Borrow fee a year at which the mean net return is 0, to first order along the same path."""
    text = "a year on shorts; mean net return 0, other costs as they are, same path"
    before_borrow = result.returns.mean() * SESSIONS_A_YEAR + yearly["borrow"]
    short = -result.exposure["short"].mean()
    if not short > 0:
        return "break_even_borrow_bps", math.nan, "bps a year", text, "no shorts"
    if before_borrow <= 0:
        return "break_even_borrow_bps", math.nan, "bps a year", text, "loses before borrow"
    return "break_even_borrow_bps", 1e4 * before_borrow / short, "bps a year", text, ""


def break_even_on_alpha(result: BacktestResult, trading: float, borrow: float) -> list[Metric]:
    """Break-even cost and borrow fee at which net alpha, instead of the mean net return, is 0: beta pays for neither.

    Parameters
    ----------
    result : with a benchmark; without one there are no such figures.
    trading, borrow : costs a year, fractions of NAV.

    """
    line = alpha_line(result)
    if line is None:
        return []
    alpha = line.alpha * SESSIONS_A_YEAR
    traded = 2 * float(result.turnover.mean()) * SESSIONS_A_YEAR
    short = -float(result.exposure["short"].mean())
    text = "net alpha 0, other costs as they are, same path"
    out = []
    for name, unit, what, before, size, nothing in (
        ("break_even_cost_alpha_bps", "bps", "a traded unit, each side", alpha + trading, traded, "nothing traded"),
        ("break_even_borrow_alpha_bps", "bps a year", "a year on shorts", alpha + borrow, short, "no shorts"),
    ):
        why = nothing if not size > 0 else "" if before > 0 else "no alpha before that cost"
        value = math.nan if why else 1e4 * before / size
        out.append(Metric(name, value, unit, f"{what}; {text}", n=line.n, reason=why))
    return out
