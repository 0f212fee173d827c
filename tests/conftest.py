"""Fixtures that more than one area's tests use."""

from __future__ import annotations

import os
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, settings

REAL_PRICES = Path(__file__).parents[2] / "shared" / "data" / "sp100_daily_2013_2018.parquet"


# The default run draws the same examples every time. `HYPOTHESIS_PROFILE=random` draws new ones, and prints the seed.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None, max_examples=300, print_blob=True)
# For mutations: what fails need not be made small.
settings.register_profile("blunt", derandomize=True, deadline=None, phases=(Phase.explicit, Phase.generate))
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.load_profile(PROFILE)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if PROFILE == "random" and config.option.hypothesis_seed is None:
        seed = os.environ.setdefault("ASSAY_HYPOTHESIS_SEED", str(secrets.randbelow(2**32)))  # workers inherit it
        config.option.hypothesis_seed = seed


def pytest_report_header(config: pytest.Config) -> str | None:
    return f"hypothesis seed: {config.option.hypothesis_seed}" if PROFILE == "random" else None


Tally = Callable[..., None]
_TALLIES = pytest.StashKey[list[tuple[str, dict[str, int]]]]()


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Note a line, and counts to be summed over the run, for the end of its output: a long suite says what it did."""

    def note(line: str, **counts: int) -> None:
        request.config.stash.setdefault(_TALLIES, []).append((line, counts))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(_TALLIES, [])
    if not lines:
        return
    terminalreporter.section("what was done")
    total: Counter[str] = Counter()
    for line, counts in lines:
        terminalreporter.write_line(line)
        total.update(counts)
    if total:
        terminalreporter.write_line("in all: " + ", ".join(f"{count:,} {name}" for name, count in total.items()))


@pytest.fixture(scope="session")
def real_prices_path() -> Path:
    """100 S&P 500 members, 2013 to 2018, long Parquet; not part of the repository."""
    if not REAL_PRICES.exists():
        pytest.skip("the development prices (sp100_daily_2013_2018.parquet) are not beside this checkout")
    return REAL_PRICES


@pytest.fixture(scope="session", autouse=True)
def _no_users_ledger(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What fixtures of a module make does not reach the user's trial ledger; processes inherit it."""
    os.environ["ASSAY_LEDGER"] = str(tmp_path_factory.mktemp("ledger"))


@pytest.fixture(autouse=True)
def _own_ledger(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads another test's trials."""
    monkeypatch.setenv("ASSAY_LEDGER", str(tmp_path_factory.mktemp("ledger")))


@pytest.fixture
def forget_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports from files in its folder is forgotten, so that another test's file may have the same name."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
