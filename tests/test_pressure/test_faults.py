"""The world around: files that may not grow, threads, hash seeds, time zones and places; then the same bytes.

python -m pytest -m faults
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from assay.results.storage.runs import damaged_runs, list_runs
from tests.conftest import Tally
from tests.test_pressure.seeds import WALK, ledger_in
from tests.test_pressure.stored import contents, leftovers

pytestmark = pytest.mark.faults

ROOT = Path(__file__).parents[2]


def cases(seeds: Path) -> dict[str, list[str]]:
    data = ["--prices", str(seeds / "prices.parquet"), "--predictions", str(seeds / "oracle.parquet")]
    return {
        "backtest": ["backtest", *data, "--tearsheet"],
        "min_variance": ["backtest", *data, "--strategy", "min_variance"],
        "sweep": ["sweep", *data, "--strategy", "quintile_long_short", "--grid", "quantile=0.1,0.3"],
        "walk-forward": [*WALK, *data[:2]],
    }


NAMES = ("backtest", "min_variance", "sweep", "walk-forward")


def run(
    command: list[str], root: Path, *, limit: int | None = None, cwd: Path = ROOT, **environment: str
) -> tuple[int, str]:
    """Exit code and stderr; `limit` is the most bytes that one file may have."""

    def start() -> None:
        if limit is not None:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *command, "--results", str(root)],
        capture_output=True,
        check=False,
        cwd=cwd,
        preexec_fn=start,
        env={**ledger_in(root), **environment},
    )
    return ended.returncode, ended.stderr.decode("utf-8", "replace")  # in the last world it is Latin-1


@pytest.mark.parametrize("name", NAMES)
def test_files_that_may_not_grow(name: str, seeds: Path, tmp_path: Path, tally: Tally) -> None:
    command = cases(seeds)[name]
    assert run(command, tmp_path / "sound")[0] == 0
    expected = contents(tmp_path / "sound")
    limits = (0, 100, 1_000, 4_000, 10_000, 30_000, 100_000)
    for limit in limits:
        root = tmp_path / f"limit{limit}"
        code, err = run(command, root, limit=limit)
        assert code in (0, 2), (limit, err)
        assert "Traceback" not in err
        assert sum(line.startswith(("error:", "internal")) for line in err.splitlines()) == (code != 0), err
        if root.exists():
            assert not damaged_runs(root)
            assert leftovers(root) == []
        assert code == 0 or not list_runs(root) or name != "sweep"
        assert run(command, root)[0] == 0
        assert contents(root) == expected
    tally(f"{name}: {len(limits)} limits of a file, the same bytes afterwards", runs=2 * len(limits))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_bytes_everywhere(name: str, seeds: Path, tmp_path: Path, tally: Tally) -> None:
    command = cases(seeds)[name]
    elsewhere = tmp_path / 'sp ace "ünï'
    elsewhere.mkdir()
    worlds: list[dict[str, str]] = [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "42"},
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"},
        {"TZ": "America/New_York"},
        {"TZ": "Pacific/Kiritimati"},
        {"LC_ALL": "C"},
        {"HOME": str(tmp_path / "no such"), "ASSAY_CACHE": ""},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONOPTIMIZE": "1"},
    ]
    expected = None
    for number, world in enumerate(worlds):
        root = elsewhere / str(number)
        code, err = run(command, root, cwd=elsewhere if number % 2 else ROOT, **world)
        assert code == 0, (world, err)
        now = contents(root)
        expected = now if expected is None else expected
        assert [key for key in expected.keys() | now.keys() if expected.get(key) != now.get(key)] == [], world
    tally(f"{name}: the same bytes in {len(worlds)} worlds", runs=len(worlds))
