"""Figures of a book from its weights, of closed trades, and what costs take, a row a figure.

References
----------
Gross exposure is Σ|w|, net exposure Σw, one-way turnover ½Σ|Δw| of the stated weights, without the drift between two
rebalances.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from assay.audit.recompute.conventions import DDOF, Choice, Dimensions, Material, Statistic, statistic
from assay.audit.recompute.return_statistics import turnover_grid, turnover_of
from assay.data.conventions import FLAT, SESSIONS_A_YEAR

__all__ = ["EXPOSURE_STATISTICS", "TRADE_STATISTICS"]

_OVER = ("mean of sessions", "median of sessions", "largest", "smallest", "last session")
_SESSIONS = ("all sessions", "sessions with a position")
_TAKEN: dict[str, Callable[[np.ndarray], float]] = {
    _OVER[0]: lambda values: float(values.mean()), _OVER[1]: lambda values: float(np.median(values)),
    _OVER[2]: lambda values: float(values.max()), _OVER[3]: lambda values: float(values.min()),
    _OVER[4]: lambda values: float(values[-1]),
}  # fmt: skip


def _held(material: Material) -> np.ndarray:
    """(T, N) weights, 0 where there is no position; no sessions where none are known."""
    return np.empty((0, 0)) if material.weights is None else np.nan_to_num(material.weights)


def _grid(material: Material) -> Dimensions:
    return {"counted": _OVER, "days": _SESSIONS} if len(_held(material)) else {}


def _all_held(material: Material) -> tuple[str, ...]:
    return ("days",) if (_held(material) != 0).any(axis=1).all() else ()


def _of_weights(of: Callable[[np.ndarray], np.ndarray]) -> Statistic:
    """A statistic of what one session's weights (N,) amount to."""

    def value(material: Material, choice: Choice) -> float | None:
        weights = _held(material)
        if choice["days"] == _SESSIONS[1]:
            weights = weights[(weights != 0).any(axis=1)]
        return _TAKEN[choice["counted"]](of(weights)) if len(weights) else None

    return statistic(_grid, value, _all_held)


def _traded(material: Material, choice: Choice) -> float | None:
    weights = _held(material)
    before = np.vstack([np.zeros_like(weights[:1]), weights[:-1]])
    moved = 0.5 * np.abs(weights - before).sum(axis=1)
    return turnover_of(moved, choice)


#: What stated weights give, by canonical name; turnover only where none was measured in a simulation.
EXPOSURE_STATISTICS: Mapping[str, Statistic] = {
    "leverage": _of_weights(lambda weights: np.abs(weights).sum(axis=1)),
    "net_exposure": _of_weights(lambda weights: weights.sum(axis=1)),
    "positions_held": _of_weights(lambda weights: (weights != 0).sum(axis=1).astype(np.float64)),
    "turnover": statistic(
        lambda m: turnover_grid(m) if m.weights is not None and m.turnover is None else {}, _traded
    ),
}


#: How a ratio of trade returns is annualised; the last is an error that reports make.
ANNUALISED = ("√trades a year", "not annualised", "√252 on trades, as if each were a session")
#: What a trade came to: its return, or its profit in money.
COUNTED = ("closed trades", "closed trades, in money")


def _counted(material: Material) -> tuple[str, ...]:
    """What was given of closed trades; those of a book that was simulated here count for nothing."""
    given = (None, None) if material.panels else (material.trades, material.profits)
    return tuple(name for name, values in zip(COUNTED, given, strict=True) if values is not None and len(values))


def _given(**dimensions: tuple[str, ...]) -> Callable[[Material], Dimensions]:
    def grid(material: Material) -> Dimensions:
        counted = _counted(material)
        return {"counted": counted, **dimensions} if counted else {}

    return grid


def _number(material: Material) -> Dimensions:
    """What a number of trades counts: round trips, or the orders that were filled."""
    counted = _counted(material)[:1]
    return {"counted": (*counted, "fills")} if counted and material.fills is not None else _given()(material)


def _trades(material: Material, choice: Choice) -> np.ndarray:
    values = material.profits if choice["counted"] == COUNTED[1] else material.trades
    return np.empty(0) if values is None else values


def _side(material: Material, choice: Choice, sign: float) -> np.ndarray:
    values = _trades(material, choice)
    return values[sign * values > 0]


def _average(sign: float) -> Callable[[Material, Choice], float | None]:
    def figure(material: Material, choice: Choice) -> float | None:
        side = _side(material, choice, sign)
        if not len(side):
            return None
        value = float(side.mean() if choice["mean"] == "mean" else np.median(side))
        return -value if choice.get("sign") == "printed positive" else value

    return figure


def _ratio(top: Callable[[np.ndarray], float]) -> Callable[[Material, Choice], float | None]:
    def figure(material: Material, choice: Choice) -> float | None:
        wins, losses = _side(material, choice, 1.0), _side(material, choice, -1.0)
        return top(wins) / -top(losses) if len(wins) and len(losses) else None

    return figure


def _sharpe(material: Material, choice: Choice) -> float | None:
    values = _trades(material, choice)
    deviation = float(values.std(ddof=0 if choice["ddof"] == DDOF[1] else 1)) if len(values) > 1 else 0.0
    if deviation <= FLAT:
        return None
    if choice["periods"] == ANNUALISED[0]:
        years = _years(material)
        scale = math.sqrt(len(values) / years) if years else None
    else:
        scale = 1.0 if choice["periods"] == ANNUALISED[1] else math.sqrt(SESSIONS_A_YEAR)
    return None if scale is None else float(values.mean()) / deviation * scale


def _years(material: Material) -> float | None:
    """Years between the first and the last date; of daily sessions where no dates are known."""
    if material.dates is not None and len(material.dates) > 1:
        return float((material.dates[-1] - material.dates[0]) / np.timedelta64(1, "D")) / 365.25 or None
    length = len(next(iter(material.series.values()), ()))
    return length / SESSIONS_A_YEAR if length else None


def _costs(material: Material) -> Dimensions:
    pairs = [(a, b) for a, b in (("gross", "net"),) if a in material.series and b in material.series]
    return {"mean": ("arithmetic", "compounded"), "periods": ("252", "365", "in all")} if pairs else {}


def _cost(material: Material, choice: Choice) -> float | None:
    gross, net = material.series["gross"], material.series["net"]
    periods = float(len(net)) if choice["periods"] == "in all" else float(choice["periods"])
    if choice["mean"] == "arithmetic":
        return float((gross - net).mean() * periods)
    if (gross <= -1).any() or (net <= -1).any():
        return None
    return float(math.expm1(np.log1p(gross).mean() * periods) - math.expm1(np.log1p(net).mean() * periods))


_MIDDLE, _LOSSES = ("mean", "median"), ("negative", "printed positive")
#: What closed trades and costs give, by canonical name; a Sharpe ratio only where no returns a session are known.
TRADE_STATISTICS: Mapping[str, Statistic] = {
    "trades": statistic(
        _number, lambda m, c: float((m.fills or 0) if c["counted"] == "fills" else len(_trades(m, c)))),
    "winning_trades": statistic(_given(), lambda m, c: float(len(_side(m, c, 1.0)))),
    "losing_trades": statistic(_given(), lambda m, c: float(len(_side(m, c, -1.0)))),
    "average_win": statistic(_given(mean=_MIDDLE), _average(1.0)),
    "average_loss": statistic(_given(mean=_MIDDLE, sign=_LOSSES), _average(-1.0)),
    "payoff_ratio": statistic(_given(), _ratio(lambda side: float(side.mean()))),
    "profit_factor": statistic(_given(), _ratio(lambda side: float(side.sum()))),
    "gross_profit": statistic(_given(), lambda m, c: float(_side(m, c, 1.0).sum())),
    "gross_loss": statistic(
        _given(sign=_LOSSES), lambda m, c: float(_side(m, c, -1.0).sum()) * (1.0 if c["sign"] == _LOSSES[0] else -1.0)),
    "total_profit": statistic(_given(), lambda m, c: float(_trades(m, c).sum())),
    "expectancy": statistic(
        _given(mean=_MIDDLE), lambda m, c: float((np.mean if c["mean"] == "mean" else np.median)(_trades(m, c)))),
    "sharpe": statistic(lambda m: {} if m.series else _given(periods=ANNUALISED, ddof=DDOF)(m), _sharpe),
    "annual_cost": statistic(_costs, _cost),
}  # fmt: skip
