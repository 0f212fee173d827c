"""Training figures: floors of a stated loss, what a change of weights does to it, and the arithmetic of early
stopping."""

from __future__ import annotations

from collections.abc import Sequence

from assay.audit.claims.intervals import Interval

__all__ = ["best_epoch_range", "epochs_run_range", "loss_floor", "loss_remainder", "rescaled", "weight_change"]


def loss_floor(terms: Sequence[tuple[float, Interval]]) -> float:
    """Least value of ``sum w_i L_i`` with every weight non-negative and every term at its own least: a term of unknown
    size has the range its kind allows, from 0 for an error.

    Examples
    --------
    >>> round(loss_floor([(0.7, Interval(0.8795, 0.8805)), (0.3, Interval(0.0, 1.0))]), 4)
    0.6156

    """
    return sum(weight * term.low for weight, term in terms)


def loss_remainder(total: Interval, known: Sequence[tuple[float, Interval]], weight: float) -> Interval:
    """What the one unprinted term must be, ``(total - sum known) / weight``."""
    rest = total
    for factor, term in known:
        rest = rest - term * factor
    return rest / weight


def weight_change(before: Sequence[float], after: Sequence[float]) -> Interval:
    """Range of the factor by which a change of weights alone can move the same loss terms.

    The new loss of unchanged terms lies between the smallest and the largest ``after/before`` times the old one.
    """
    factors = [new / old for old, new in zip(before, after, strict=True) if old > 0]
    return Interval(min(factors), max(factors))


def rescaled(loss: Interval, weight: float) -> Interval:
    """The loss over the weight of one term: what that term is at most, when all others are non-negative."""
    return Interval(max(0.0, loss.low) / weight, loss.high / weight)


def epochs_run_range(best: Interval, patience: int, cap: int | None) -> Interval:
    """Epochs run when training stops `patience` epochs after the best one, or at the cap.

    ``run = min(cap, best + patience)``. Some frameworks stop one later or count from 0, so one epoch each way is
    allowed.
    """
    low, high = best.low + patience - 1, best.high + patience + 1
    return Interval(min(low, cap), min(high, cap)) if cap is not None else Interval(low, high)


def best_epoch_range(run: Interval, patience: int, cap: int | None) -> Interval:
    """Best epoch implied by the epochs run: ``run - patience`` before the cap, anything up to it at the cap."""
    low, high = max(1.0, run.low - patience), run.high - patience
    if cap is not None and run.high >= cap:
        return Interval(min(low, max(1.0, cap - patience)), float(cap))
    return Interval(min(low, max(high, 1.0)), max(high, 1.0))
