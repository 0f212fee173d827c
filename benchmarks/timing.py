"""How the benchmarks time: wall seconds of one run, and medians of alternated pairs."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

__all__ = ["pairs", "seconds"]


def seconds(run: Callable[[], object]) -> float:
    """Wall time of one run, which does not pay for the garbage of the one before."""
    gc.collect()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def pairs(ours: Callable[[], object], theirs: Callable[[], object], repeats: int) -> dict[str, float]:
    """Medians of each side and of the ratio over alternated pairs, after one run of each to warm up."""
    ours(), theirs()
    taken = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    return {
        "ours_ms": 1e3 * statistics.median(a for a, _ in taken),
        "theirs_ms": 1e3 * statistics.median(b for _, b in taken),
        "ratio": statistics.median(a / b for a, b in taken),
    }
