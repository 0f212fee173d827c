"""What a terminal is sent: lines that fit, colours where they are wanted, plain signs where there are no others."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import pytest

from assay.commands import main as cli
from assay.commands import terminal
from assay.commands.pulse import no_pulse, pulse_of
from assay.commands.terminal import fitted, painted, plain_output
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market

PRICES, ORACLE = synthetic_market(300, 8, ic=0.1, seed=3)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prices, three runs and a sweep."""
    from assay.results.workflow import backtest, sweep
    from assay.strategies.catalog import load_strategy

    folder = tmp_path_factory.mktemp("terminal")
    write_prices(PRICES, folder / "market.parquet")
    for name in ("quintile_long_short", "s5_long_only", "equal_weight"):
        backtest(load_strategy(name), ORACLE, PRICES, root=folder / "runs")
    sweep("s6_threshold", {"quantile": ["0.2", "0.4"]}, ORACLE, PRICES, root=folder / "runs")
    return folder


COMMANDS = [
    "strategies list", "strategies show s2_filter_negative", "models list", "models show ridge", "data formats",
    "data validate market.parquet", "data describe market.parquet", "gate --rules", "gate quint --policy research",
    "runs list", "runs trials", "runs show quint", "runs show sweep", "runs diff quint s5",
    "compare quint s5 equal --draws 100", "runs tag quint best", "runs note quint why", "audit --checks", "--help",
    "backtest --help", "leaks --help", "runs --help", "check features core_close",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_everything_fits_60_80_and_120_columns(
    command: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    arguments = command.split()
    if arguments[0] in ("runs", "gate", "compare") and not {"--help", "--rules"} & {*arguments}:
        arguments += ["--results", "runs"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    for width in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        assert cli.main(arguments) in (0, 1, 3)
        out = capsys.readouterr().out
        # A single word, such as the path of the ledger, is never broken.
        too_long = [line for line in out.splitlines() if len(line) > width and len(line.split()) > 1]
        assert too_long == []
        assert out.strip()


def test_what_programs_read_is_never_broken(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    assert cli.main(["runs", "show", "quint", "--results", "runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run_id"]
    assert cli.main(["runs", "list", "--results", "runs", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    cli.main(["gate", "quint", "--policy", "research", "--results", "runs", "--format", "junit"])
    assert capsys.readouterr().out.startswith("<")


def test_a_line_hangs_below_its_last_column_and_loses_no_word() -> None:
    line = "s2_filter_negative    " + " ".join(f"word{number}" for number in range(40))
    folded = fitted(line, 60).splitlines()
    assert all(len(part) <= 60 for part in folded)
    assert all(part.startswith(" " * 22) for part in folded[1:])
    assert " ".join(" ".join(folded).split()) == " ".join(line.split())
    assert fitted("a" * 90 + " b", 60).splitlines()[0] == "a" * 90  # a path or a digest stays whole


class _Screen(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_on_a_terminal_alone(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = _Screen()
    monkeypatch.setattr("sys.stdout", screen)
    with plain_output():
        print("✓ rule\n✗ other\nwarning: odd\nnothing \x1b[2J")
    assert ("\x1b[32m✓\x1b[0m" in screen.getvalue()) == coloured
    assert "\x1b[2J" not in screen.getvalue()  # a name does not command the terminal, colours or not
    assert painted("FAIL (exit 1)").startswith("\x1b[31mFAIL")


def test_a_silent_command_says_that_it_works_and_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("assay.commands.pulse.Pulse.__init__.__defaults__", (0.01,))
    screen = _Screen()
    monkeypatch.setattr("sys.stderr", screen)
    with plain_output():
        time.sleep(0.05)
        print("half a line", end="", file=sys.stderr)
        held = screen.getvalue()
        time.sleep(0.03)
        assert screen.getvalue() == held  # nothing is written into the middle of a line
        print(", done", file=sys.stderr)
        with no_pulse():
            time.sleep(0.03)
        shown = screen.getvalue()
    assert shown.startswith("\r\x1b[2Kworking, 0 s")
    assert shown.endswith("\r\x1b[2Khalf a line, done\n")
    monkeypatch.setenv("TERM", "dumb")
    assert pulse_of(screen) is None


def test_a_pipe_has_no_colours_and_no_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # as a parent that imports readline sets it
    assert cli.main(["strategies", "show", "confidense"]) == 2
    error = capsys.readouterr().err
    assert "\x1b" not in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("encoding", "shown"), [("cp1252", "+ x >= 2 · …"), ("ascii", "+ x >= 2 - ~")])
def test_signs_that_an_encoding_lacks_have_plain_ones(encoding: str, shown: str) -> None:
    assert terminal._encodable("✓ ✗ ≥ 2 · …", encoding) == shown
    assert terminal._encodable("✓ ✗", "utf-8") == "✓ ✗"
