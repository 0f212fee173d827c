"""Exposure and turnover of a book from its weights, a row a figure.

References
----------
Gross exposure is Σ|w|, net exposure Σw, one-way turnover ½Σ|Δw| of the stated weights, without the drift between two
rebalances.

"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assay.audit.recompute.conventions import Dimensions, Material, Reading
from assay.audit.recompute.series import turnover_grid, turnover_of
from assay.audit.recompute.statistic import Choice, Statistic, by_name

__all__ = ["EXPOSURE_STATISTICS", "exposure_readings"]

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


def _row(name: str, of: Callable[[np.ndarray], np.ndarray]) -> Statistic:
    """A row over what one session's weights (N,) amount to."""

    def value(material: Material, choice: Choice) -> float | None:
        weights = _held(material)
        if choice["days"] == _SESSIONS[1]:
            weights = weights[(weights != 0).any(axis=1)]
        return _TAKEN[choice["counted"]](of(weights)) if len(weights) else None

    return Statistic(name, _grid, value, _all_held)


def _traded(material: Material, choice: Choice) -> float | None:
    weights = _held(material)
    before = np.vstack([np.zeros_like(weights[:1]), weights[:-1]])
    moved = 0.5 * np.abs(weights - before).sum(axis=1)
    return turnover_of(moved, choice)


#: What stated weights give, by canonical name.
EXPOSURE_STATISTICS = by_name(
    _row("leverage", lambda weights: np.abs(weights).sum(axis=1)),
    _row("net_exposure", lambda weights: weights.sum(axis=1)),
    _row("positions_held", lambda weights: (weights != 0).sum(axis=1).astype(np.float64)),
    Statistic("turnover", lambda m: {} if m.weights is None else turnover_grid(m), _traded),
)


def exposure_readings(metric: str, material: Material) -> tuple[Reading, ...]:
    """All readings of one of `EXPOSURE_STATISTICS`; turnover only where none was measured in a simulation."""
    row = EXPOSURE_STATISTICS.get(metric)
    if row is None or (metric == "turnover" and material.turnover is not None):
        return ()
    return row.readings(material)
