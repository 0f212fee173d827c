"""One side of the comparison, measured in a process of its own.

Run by ``benchmarks/peers.py`` in each side's environment: ``python side.py MODULE WORK FOLDER ANSWER REPEATS``. The
import of the side, its preparation (inputs in the form it reads) and its first run are apart from the runs that are
timed; each of these is followed by the plain NumPy loop, so that a busy machine slows both.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

#: A side whose first run takes longer than this, in seconds of the processor, is not run again.
LONG = 15.0


def clocks() -> tuple[float, float]:
    """Seconds of the processor, children included, and of the clock."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime, time.perf_counter()


def taken(run: Callable[[], object]) -> tuple[float, float, object]:
    """Both, of one run, and what it returns."""
    begun = clocks()
    answer = run()
    ended = clocks()
    return ended[0] - begun[0], ended[1] - begun[1], answer


def peak() -> float:
    """Most memory that this process has held, MiB; on Linux without what its parent held when it was started."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, and write the figures as JSON beside the arrays."""
    module, work, folder, answer, repeats = sys.argv[1:]
    warnings.simplefilter("ignore")
    imported = taken(lambda: importlib.import_module(module))
    side = imported[2]
    import numpy as np
    from inputs import Inputs
    from yardsticks import quintile_loop

    data = Inputs(Path(folder))
    run = getattr(side, work)(data)
    before = peak()
    first = taken(run)
    loops, runs = [], [first]
    many = 0 if first[0] > LONG else int(repeats)
    quintile_loop(data.score, data.close)
    for _ in range(max(many, 3)):
        if many:
            runs.append(taken(run))
        loops.append(taken(lambda: quintile_loop(data.score, data.close)))
    timed = runs[1:] or runs
    pairs = list(zip(timed, loops, strict=False))
    result = dict(timed[-1][2])
    for name in [name for name, value in result.items() if isinstance(value, np.ndarray)]:
        np.save(Path(answer).with_suffix(f".{name}.npy"), np.asarray(result.pop(name), dtype=float))
    figures = {
        "import_s": imported[:2],
        "first_s": first[:2],
        "run_s": [float(np.median([one[i] for one in timed])) for i in (0, 1)],
        "loops": float(np.median([one[0] / loop[0] for one, loop in pairs])),
        "loop_s": float(np.median([loop[0] for loop in loops])),
        "runs": len(timed),
        "memory_mb": peak(),
        "memory_before_mb": before,
        "python": sys.version.split()[0],
        "result": {name: float(value) for name, value in result.items()},
    }
    Path(answer).write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
