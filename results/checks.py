"""What the checks of a run have found, each in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["said_of_checks"]


def _random_scores(found: Mapping[str, Any]) -> str:
    p = found["p_value"]
    if p is None or found["mean_sharpe"] is None:
        return f"{found['runs']} random-score runs: the run's returns do not vary, so there is nothing to rank"
    return (
        f"rank {found['rank']} of {found['runs'] + 1} among random-score runs of the same exposure and turnover "
        f"(p {p:.3f}; their mean net Sharpe {found['mean_sharpe']:.2f})"
    )


def _leaks(found: Mapping[str, Any]) -> str:
    return f"leak tests: {found['verdict']}"


def _cross_check(found: Mapping[str, Any]) -> str:
    if found["agrees"] is None:
        return f"second engine: {found['reason']}"
    said = "agrees" if found["agrees"] else f"differs from {found['session']} on"
    return f"second engine: {said}, largest daily difference {found['max_difference']:.1e}"


def _capacity(found: Mapping[str, Any]) -> str:
    return f"capacity: {found['said']}"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = MappingProxyType(
    {
        "random_scores": _random_scores,
        "leaks": _leaks,
        "cross_check": _cross_check,
        "capacity": _capacity,
    }
)


def said_of_checks(checks: Mapping[str, Any]) -> dict[str, str]:
    """Kind → sentence, for the checks that were made, in the order in which they are told.

    Parameters
    ----------
    checks : of `results.store.Run`.

    Examples
    --------
    >>> said_of_checks({"leaks": {"verdict": "no change in weights at 5 dates", "found": []}})
    {'leaks': 'leak tests: no change in weights at 5 dates'}

    """
    return {kind: sentence(checks[kind]) for kind, sentence in _SENTENCES.items() if kind in checks}
