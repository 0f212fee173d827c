"""The page of the comparison with peers: a function of the measured figures and of the table of sides, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from peer_sides.table import ABSENT, SIDES, WORKS, Side

__all__ = ["page"]


def _three(value: float) -> str:
    """Three figures, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:#.3g}"


def _time(seconds: float) -> str:
    return f"{_three(1e3 * seconds)} ms" if seconds < 1 else f"{_three(seconds)} s"


def _apart(value: float | None) -> str:
    return "" if value is None else "0" if value == 0 else f"{value:.0e}".replace("e-0", "e-")


def _row(side: Side, found: Mapping[str, Any]) -> str:
    if "reason" in found:
        return f"| {side.name} | not run: {found['reason']} |" + " |" * 8
    cells = [
        side.name,
        _time(found["processor_s"]),
        _time(found["clock_s"]),
        _three(found["loops"]),
        _three(found["assay"]),
        _time(found["first_s"]),
        f"{found['memory_mb']:,.0f} ({found['memory_before_mb']:,.0f})",
        *(f"{value:,.4f}" for value in found["shown"]),
        _apart(found["apart"]),
    ]
    return "| " + " | ".join(cells) + " |"


def _table(work: str, figures: Mapping[str, Any]) -> list[str]:
    rows, shown = figures["rows"], WORKS[work].shown
    head = ("side", "processor", "clock", "÷ loop", "÷ Assay", "first run", "memory (before), MB", *shown, "apart")
    lines = [f"## {WORKS[work].title}", "", WORKS[work].text, ""]
    lines += ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += [_row(side, rows[side.key]) for side in SIDES if side.work == work]
    lines += [f"| {name} | {reason} |" + " |" * (len(head) - 2) for of, name, reason in ABSENT if of == work]
    lines += ["", *(f"- {side.name}: {side.note}" for side in SIDES if side.work == work and side.note), ""]
    return lines


def _faster(figures: Mapping[str, Any]) -> list[str]:
    """Where something else takes less of the processor than Assay does by default."""
    rows = figures["rows"]
    own, others = (
        [side for side in _measured_sides(rows) if (side.package == "assay") is ours] for ours in (True, False)
    )
    peers = [side for side in others if side.package or side.function == side.against]
    importing = rows[own[0].key]["import_s"]
    ahead = [side for side in peers if rows[side.key]["assay"] < 1]
    behind = [side for side in peers if rows[side.key]["assay"] >= 1]
    lines = ["## Where something else is faster", ""]
    lines += [
        f"- {WORKS[side.work].title}: {side.name} takes {_three(rows[side.key]['assay'])} of Assay's processor time."
        for side in ahead
    ] or ["Nowhere, of what was measured here."]
    quick = [side for side in _once(peers) if side.package and rows[side.key]["import_s"] < importing]
    if quick:
        named = ", ".join(f"{side.package} {_time(rows[side.key]['import_s'])}" for side in quick)
        lines += [f"- Importing, against Assay's {_time(importing)}: {named}."]
    lines += ["", f"In the other {len(behind)} of {len(peers)} rows of peers and of plain loops Assay takes less.", ""]
    return lines


def _measured_sides(rows: Mapping[str, Any]) -> list[Side]:
    return [side for side in SIDES if side.key in rows and "reason" not in rows[side.key]]


def _once(sides: Sequence[Side]) -> list[Side]:
    """The first side of each module."""
    return list({side.module: side for side in reversed(sides)}.values())[::-1]


_READING = (
    "Every side gets the same synthetic prices, scores and probabilities, in the form it reads; making that form and "
    "importing are not in the time. A side is a fresh process that runs once (*first run*: what is compiled lies on "
    "disk by then) and then {repeats} times, each beside the plain NumPy loop of the first table; what takes more than "
    "{long:.0f} s of the processor is run once. *processor* and *clock* are medians over these runs, and then over "
    "the rounds in which all sides take turns ({rounds} here); *÷ loop* is the median of the ratios to that loop in "
    "the same process, *÷ Assay* that of the ratios of processor times within a round. *memory* is the most that the "
    "process held, and before the work. *apart* is the largest difference of a daily return (for the IC: of a "
    "session's rank IC) to a plain loop that computes the same; where a peer computes something else, the list below "
    "the table says what, and which loop it is held against. Other jobs shared the machine, and the clock shows it: "
    "the ratios hold better than the seconds."
)


def _measured(figures: Mapping[str, Any], listed: str) -> str:
    return (
        f"Measured on {figures['date']} by `{figures['command']}`: {figures['panel']}, on {figures['machine']}. Python "
        f"{figures['python']['peers']} for the peers, {figures['python']['assay']} for Assay. {listed}."
    )


def _compiling(measured: Sequence[Side], rows: Mapping[str, Any]) -> str:
    slow = [
        f"{side.name} {_time(rows[side.key]['compiling_s'])} ({WORKS[side.work].title.lower()})"
        for side in measured
        if rows[side.key]["compiling_s"] > 2
    ]
    return f"The first run of all in a new environment, where it compiles: {', '.join(slow)}." if slow else ""


def page(figures: Mapping[str, Any]) -> str:
    """The page as Markdown; the same figures give the same bytes."""
    rows, versions = figures["rows"], figures["versions"]
    measured = _measured_sides(rows)
    imports = ", ".join(
        f"{side.package or 'NumPy and pandas'} {_time(rows[side.key]['import_s'])}" for side in _once(measured)
    )
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    lines = [
        "# The same work in other backtesters",
        "",
        _measured(figures, listed),
        "",
        _READING.format(**figures),
        "",
        f"Importing, in seconds of the processor: {imports}. {_compiling(measured, rows)}",
        "",
    ]
    for work in WORKS:
        if any(side.work == work and side.key in rows for side in SIDES):
            lines += _table(work, figures)
    return "\n".join([*lines, *_faster(figures)]).rstrip() + "\n"
