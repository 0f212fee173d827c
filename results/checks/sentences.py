"""What the checks of a run have found, each in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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


def _canaries(found: Mapping[str, Any]) -> str:
    real, answer, shuffled = found["real"]["skill"], found["answer"]["skill"], _span(found["shuffled"]["skill"])
    count = len(found["shuffled"]["skill"])
    parts = [
        f"canaries: {found['measure']} {_figure(real)}; {count} retrained on shuffled labels {shuffled}",
        f"on an answer in the inputs {_figure(answer)}",
        f"{len(found['seeds']['skill'])} seeds {_span(found['seeds']['skill'])}",
    ]
    if found["rank"] is not None:
        parts[0] += f" (rank {found['rank']} of {count + 1}, p {found['p_value']:.3f})"
    return "; ".join([*parts, *found["found"], *found["notes"]])


def _shifted(found: Mapping[str, Any]) -> str:
    names = ("one session late", "one session early", "the same for all")
    shown = ", ".join(f"{name} {_figure(found[name]['sharpe'], 2)}" for name in names)
    return f"net Sharpe with scores shifted: as they are {_figure(found['real']['sharpe'], 2)}, {shown}"


def _figure(value: float | None, digits: int = 4) -> str:
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def _span(values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None and value == value)
    if not known:
        return "–"
    return _figure(known[0]) if len(known) == 1 else f"{_figure(known[0])} … {_figure(known[-1])}"


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
        "shifted_scores": _shifted,
        "canaries": _canaries,
        "leaks": _leaks,
        "cross_check": _cross_check,
        "capacity": _capacity,
    }
)


def said_of_checks(checks: Mapping[str, Any]) -> dict[str, str]:
    """Kind → sentence, for the checks that were made, in the order in which they are told.

    Parameters
    ----------
    checks : of `assay.results.storage.runs.Run`.

    Examples
    --------
    >>> said_of_checks({"leaks": {"verdict": "no change in weights at 5 dates", "found": []}})
    {'leaks': 'leak tests: no change in weights at 5 dates'}

    """
    return {kind: sentence(checks[kind]) for kind, sentence in _SENTENCES.items() if kind in checks}
