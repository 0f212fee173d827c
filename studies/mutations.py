"""Which single-line mistakes the default tests notice: each mutation of `mutations.toml` against its own tests.

Run: ``python studies/mutations.py [--only TEXT] [--part 1/2] [--workers N]`` (half an hour; the checkout is not
touched).
Each mutation is made in a copy of the tracked files, its tests run there and stop at the first failure. A mutation that
no test notices survives; the exit code is 1 if more than three in sixty do. One whose line the code does not hold any
more is named and left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_suffix(".toml")
#: Of the mutations, the share that has to be noticed.
NOTICED = 57 / 60
#: Seconds after which a mutation counts as noticed: it hangs.
LIMIT = 900


@dataclass(frozen=True)
class Mutation:
    """One line as it is and as it should not be, and the tests that should say so."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutations(only: str = "") -> list[Mutation]:
    """The table, or those whose name or file contains `only`."""
    listed = tomllib.loads(TABLE.read_text(encoding="utf-8"))["mutation"]
    table = [Mutation(**{**item, "tests": tuple(item["tests"])}) for item in listed]
    return [item for item in table if only in item.name or only in item.file]


def misfits(table: list[Mutation]) -> list[str]:
    """Mutations whose line stands not exactly once in its file, or whose tests are not there."""
    out = []
    for item in table:
        path = ROOT / item.file
        count = path.read_text(encoding="utf-8").count(item.old) if path.is_file() else 0
        if count != 1:
            out.append(f"{item.name}: {item.file} holds its line {count} times")
        out += [f"{item.name}: no tests/{name}" for name in item.tests if not (ROOT / "tests" / name).is_file()]
    return out


def copied(target: Path) -> Path:
    """The tracked files, as they are in the checkout."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


def outcome(item: Mutation, folder: Path) -> tuple[bool, str]:
    """Whether a test noticed, and which."""
    path = folder / item.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(item.old, item.new), encoding="utf-8")
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "HYPOTHESIS_PROFILE": "blunt"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    try:
        answer = subprocess.run(
            [*command, *(f"tests/{name}" for name in item.tests)],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True, "timeout"
    finally:
        path.write_text(text, encoding="utf-8")
    first = [line for line in answer.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if answer.returncode not in (0, 1):
        return False, f"pytest ended with {answer.returncode}: {(first or answer.stderr.splitlines() or ['?'])[-1]}"
    return answer.returncode == 1, first[0][:110] if first else ""


def run(table: list[Mutation], workers: int) -> Iterator[tuple[Mutation, bool, str, float]]:
    """Each mutation with its outcome and seconds, as they end."""
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(workers) as pool:
        folders: SimpleQueue[Path] = SimpleQueue()
        for worker in range(workers):
            folders.put(copied(Path(temporary) / str(worker)))

        def one(item: Mutation) -> tuple[Mutation, bool, str, float]:
            folder, start = folders.get(), time.perf_counter()
            try:
                return item, *outcome(item, folder), time.perf_counter() - start
            finally:
                folders.put(folder)

        yield from pool.map(one, table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="those whose name or file contains this")
    parser.add_argument("--part", default="1/1", help="the first of two halves is 1/2")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    number, parts = (int(word) for word in options.part.split("/"))
    table = mutations(options.only)[number - 1 :: parts]
    for line in misfits(table):
        print(f"left out: {line}")
    table = [item for item in table if not misfits([item])]
    if not table:
        return 1
    survived = 0
    for item, noticed, where, seconds in run(table, options.workers):
        survived += not noticed
        print(f"{'killed  ' if noticed else 'SURVIVED'} {seconds:4.0f}s  {item.name}  {where}", flush=True)
    print(f"{len(table) - survived} of {len(table)} killed")
    return int(len(table) - survived < NOTICED * len(table))


if __name__ == "__main__":
    sys.exit(main())
