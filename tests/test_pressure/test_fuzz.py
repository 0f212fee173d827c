"""Mutated inputs: no traceback, no "our bug", no hang, no more memory than stated.

    ASSAY_FUZZ=25000 ASSAY_SEED=1 python -m pytest -m fuzz

`ASSAY_FUZZ` is the number of cases over all areas (default 1,000), `ASSAY_SEED` draws them. Cases of an area run in a
child process of at most `MEMORY` of address space; each has at most `SECONDS`. A case is named by area, seed and
number: `python -m tests.test_pressure.test_fuzz AREA SEED NUMBER` runs that one again and keeps its input.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import Tally
from tests.test_pressure.areas import AREAS
from tests.test_pressure.seeds import call, make_seeds

pytestmark = pytest.mark.fuzz

COUNT, SEED = int(os.environ.get("ASSAY_FUZZ", "1000")), int(os.environ.get("ASSAY_SEED", "0"))
#: Bytes of address space; seconds of a processor; seconds on the clock, for what waits and computes nothing.
MEMORY, SECONDS, PATIENCE = 6 << 30, 20, 300
#: What must never be printed.
_FORBIDDEN = ("internal error", "Traceback", "not enough memory", "your code")


_TIMERS = ((signal.ITIMER_PROF, signal.SIGPROF, SECONDS), (signal.ITIMER_REAL, signal.SIGALRM, PATIENCE))


class HungError(BaseException):
    """A case took longer than it may."""


def _alarm(*_: object) -> None:
    raise HungError


def run_case(
    area: str, seed: int, number: int, seeds: Path, folder: Path, *, keep: bool = False
) -> list[dict[str, Any]]:
    """The failures of one case; [] where all went well."""
    failures = []
    folder.mkdir(parents=True)
    os.environ["ASSAY_LEDGER"] = str(folder / "r")
    for command in AREAS[area][0](Random(f"{area} {seed} {number}"), folder, seeds):
        for kind, event, limit in _TIMERS:
            signal.signal(event, _alarm)
            signal.setitimer(kind, limit)
        try:
            code, out, err = call(*command)
            wrong = [words for words in _FORBIDDEN if words in err or words in out]
            reason = err.strip()[-300:] if wrong or code not in (0, 1, 2, 3) else ""
        except HungError:
            code, reason = None, f"over {SECONDS} s"
        except BaseException as error:
            code, reason = None, f"{type(error).__name__}: {error}"
        finally:
            for kind, _, _ in _TIMERS:
                signal.setitimer(kind, 0)
        if reason:
            failures.append({"number": number, "command": [str(item) for item in command], "code": code, "why": reason})
    if area == "folds" and not failures:
        written, expected = folder / "predictions.parquet", seeds / "predictions.parquet"
        if not expected.exists():
            call(*command[:-3], folder / "fresh", "--save-predictions", expected)
        if written.read_bytes() != expected.read_bytes():
            failures.append({"number": number, "command": "", "code": 0, "why": "other predictions"})
    if not keep:
        shutil.rmtree(folder)
    return failures


def _work(area: str, first: int, count: int, seed: int, seeds: Path, scratch: Path) -> None:
    """Cases one after another; what has been done stands in files, so that a crash shows where it came."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    failures = []
    for number in range(first, count):
        (scratch / "at").write_text(str(number), encoding="ascii")
        failures += run_case(area, seed, number, seeds, scratch / "case")
        (scratch / f"failures-{first}.json").write_text(json.dumps(failures), encoding="utf-8")
    (scratch / "at").write_text(str(count), encoding="ascii")


@pytest.mark.parametrize("area", AREAS)
def test_mutated_inputs(area: str, seeds: Path, tmp_path: Path, tally: Tally) -> None:
    count = max(1, round(COUNT * AREAS[area][1]))
    context = multiprocessing.get_context("fork")
    first, crashes = 0, []
    while first < count:
        child = context.Process(target=_work, args=(area, first, count, SEED, seeds, tmp_path))
        child.start()
        child.join()
        reached = int((tmp_path / "at").read_text(encoding="ascii"))
        if reached < count:  # the process itself died
            crashes.append({"number": reached, "why": f"the process ended with {child.exitcode}"})
            shutil.rmtree(tmp_path / "case", ignore_errors=True)
            reached += 1
        first = reached
    failures = crashes + [item for path in tmp_path.glob("failures-*.json") for item in json.loads(path.read_text())]
    kinds = Counter(item["why"][:100] for item in failures)
    report = "\n".join(f"{number:5} {why}" for why, number in kinds.most_common())
    tally(f"{area}: {count:,} cases of seed {SEED}, {len(failures)} failures", cases=count, failures=len(failures))
    assert not failures, f"{area}: {len(failures)} of {count}\n{report}\n" + json.dumps(failures[:20], indent=1)


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="assay-fuzz-"))
    chosen, drawn_by, position = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    found = run_case(chosen, drawn_by, position, make_seeds(place / "seeds"), place / "case", keep=True)
    print(json.dumps(found, indent=1), place)
