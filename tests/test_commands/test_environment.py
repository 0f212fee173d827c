"""What is around a command: encodings, pipes, disks, homes, memory, and other people's code."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.commands.failures import explain
from assay.commands.output import echo_json
from assay.commands.terminal import printable
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.sample import cache_folder, load_sample
from assay.data.synthetic import synthetic_market

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, str(ROOT / "cli.py")]
STRATEGY = """
from dataclasses import dataclass
import sys
from assay.strategies.base import Overlays

@dataclass(frozen=True)
class Base:
    name = "mine"; needs = (); reads = "score"; overlays = Overlays()
    def target_weights(self, predictions, prices):
        return predictions.score * 0 + 0.01

class Raises(Base):
    def target_weights(self, predictions, prices):
        return helper(predictions)

class Quits(Base):
    def target_weights(self, predictions, prices):
        sys.exit(0)

class Chinese(Base):
    name = "动量"

def helper(predictions):
    raise RuntimeError("my own\\nmistake")

def momentum(prices):
    return prices.close.pct_change(5)
"""


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    prices, oracle = synthetic_market(60, 6, seed=1)
    write_prices(prices, tmp_path / "p.parquet")
    write_predictions(oracle, tmp_path / "q.parquet")
    files = ["--prices", str(tmp_path / "p.parquet"), "--predictions", str(tmp_path / "q.parquet")]
    return [*files, "--results", str(tmp_path / "runs")]


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_env.py").write_text(STRATEGY, encoding="utf-8")
    (tmp_path / "quits_env.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    (tmp_path / "broken_env.py").write_text("def x(:\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine_env", raising=False)


class Stream(io.TextIOWrapper):
    """A terminal of some encoding."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="\n")

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp437", "shift_jis", "ascii", "utf-8"])
def test_every_encoding_can_show_a_table(
    data: list[str], encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Stream(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["backtest", *data]) == 0
    assert "Sharpe" in out.buffer.getvalue().decode("latin-1")  # type: ignore[attr-defined]
    assert sys.stdout is out


def test_json_loses_nothing_where_the_output_cannot_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("latin-1", "utf-8"):
        out = Stream(encoding)
        monkeypatch.setattr(sys, "stdout", out)
        echo_json({"asset": "動 − é"})
        assert json.loads(out.text) == {"asset": "動 − é"}


def test_a_reader_that_has_gone_is_no_error() -> None:
    process = subprocess.Popen([*CLI, "models", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([*CLI, "models", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in ended.stderr


@pytest.mark.parametrize("what", ["folds", "model", "run"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, data: list[str], what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: pd.DataFrame, path: Path, *arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    walk = ["walk-forward", *data[:2], "--model", "ridge", "--train", "30", "--retrain", "20", "--executor", "serial",
            "--no-baselines", "--no-leaks", "--no-tearsheet", "--results", str(tmp_path / "runs")]  # fmt: skip
    commands = {
        "folds": walk,
        "model": ["train", "--model", "ridge", *data[:2], "--out", str(tmp_path / "model")],
        "run": ["backtest", *data],
    }
    if what == "model":
        monkeypatch.setattr(Path, "write_bytes", full)
    else:
        monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    before = sorted(tmp_path.iterdir())
    assert cli.main(commands[what]) == 2
    assert "No space left on device" in capsys.readouterr().err
    left = {item for item in tmp_path.rglob("*") if item.is_file()} - set(before)
    assert {item.name for item in left} <= {"trials.sqlite"}


def test_no_home_and_an_unreadable_one_stop_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_CACHE", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert cache_folder() is None
    expected = load_sample()[0].close
    monkeypatch.undo()

    def refused(self: Path, *arguments: object, **named: object) -> object:
        if str(self).startswith(str(tmp_path)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return original(self, *arguments, **named)

    original = Path.open
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))
    load_sample()
    monkeypatch.setattr(Path, "open", refused)
    assert load_sample()[0].close.equals(expected)


def test_a_flipped_bit_in_the_cache_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_CACHE", str(tmp_path))
    expected = load_sample()[0].close
    (cached,) = tmp_path.glob("*.parquet")
    whole = cached.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(4, len(whole) - 4, 8):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        cached.write_bytes(damaged)
        assert load_sample()[0].close.equals(expected)
        assert cached.read_bytes() == whole


def test_memory_that_is_refused_is_one_line() -> None:
    for error in (MemoryError(), np._core._exceptions._ArrayMemoryError((10,), np.dtype(float)),
                  RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
                  RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")):  # fmt: skip
        line, code = explain(error)
        assert code == 2
        assert line.startswith("error: not enough memory")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["backtest", "--strategy", "mine_env:Raises"], 1,
         ["your code", "mine_env.py line 24 in helper", "RuntimeError: my own mistake"]),
        (["backtest", "--strategy", "mine_env:Quits"], 1, ["your code", "mine_env.py line 18", "sys.exit(0)"]),
        (["backtest", "--strategy", "quits_env:X"], 1, ["cannot import", "SystemExit"]),
        (["backtest", "--strategy", "broken_env:X"], 1,
         ["cannot import", "broken_env.py line ", "SyntaxError"]),
        (["backtest", "--strategy", "mine_env:Chinese"], 0, []),
        (["leaks", "--feature", "mine_env:momentum"], 0, []),
        (["leaks", "--feature", "broken_env:x"], 1, ["cannot import", "SyntaxError"]),
    ],
)  # fmt: skip
def test_other_peoples_code(
    command: list[str], code: int, words: list[str], data: list[str], plug_in: None,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    arguments = data[:-2] if command[0] == "leaks" else data
    if command[1] == "--feature":
        arguments = data[:2]
    assert cli.main([*command, *arguments]) == code
    err = capsys.readouterr().err
    assert all(word in err for word in words)
    assert "our bug" not in err
    if words:
        assert err.count("\n") == 1


def test_other_peoples_code_in_a_worker_process(
    tmp_path: Path, data: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine_worker.py").write_text(
        "from dataclasses import dataclass\nfrom assay.models.baselines import Momentum\n@dataclass(frozen=True)\n"
        "class Mine(Momentum):\n    def fit(self, train, *, horizon, delay, seed):\n        return {}[train.source]\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    command = ["walk-forward", *data[:2], "--model", "mine_worker:Mine", "--train", "30", "--retrain", "10",
               "--workers", "2", "--results", str(tmp_path / "runs")]  # fmt: skip
    assert cli.main(command) == 1
    err = capsys.readouterr().err
    assert "mine_worker.py line 6 in fit, raised KeyError" in err
    assert "in fold" in err


def test_our_own_exceptions_are_ours(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "no_such_module", "")
    assert cli.main(["no_such_module"]) == 70
    assert "our bug" in capsys.readouterr().err


def test_no_name_commands_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[31m\x1b]0;pwn\x07A\r\u202e"
    days = pd.bdate_range("2020-01-01", periods=40)
    long = pd.DataFrame([(day, asset, 100.0 + i) for i, day in enumerate(days) for asset in (name, "B")],
                        columns=["date", "asset", "close"])  # fmt: skip
    long.loc[30, "close"] *= 90  # a jump, whose warning names the asset
    long.to_parquet(tmp_path / "p.parquet")
    cli.main(["data", "validate", str(tmp_path / "p.parquet")])
    cli.main(["data", "describe", str(tmp_path / "p.parquet")])
    cli.main(["backtest", "--strategy", f"x{name}"])
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert not set(text) & set("\x1b\x07\r\u202e\x9b")
    assert r"\x1b[31m" in shown.out
    assert r"\x1b[31m" in shown.err


def test_what_is_shown_of_ordinary_text_is_that_text() -> None:
    ordinary = "Sharpe 1.2 · −3 %\tτ 動量\n"
    assert printable(ordinary) == ordinary
    assert printable("\x00\x85") == r"\x00\x85"


def test_docstrings_that_were_taken_away_are_named() -> None:
    command = [sys.executable, "-OO", str(ROOT / "cli.py"), "models", "list"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "PYTHONOPTIMIZE" in ended.stderr


@pytest.mark.parametrize("address", ["http://me:s3cr@et@host:5000/x", "https://me:s3cr%40et@host", "http://me:s3cr%40et@[::1"])
def test_a_password_in_an_address_is_not_printed(address: str) -> None:
    from assay.results.storage.mlflow_log import _failed

    line = str(_failed(address, ValueError(f"no route to {address}\nfor s3cr@et or s3cr%40et")))
    assert "host" in line or "[::1" in line
    assert "s3cr@et@" not in line
    assert "\n" not in line
    if "[" not in address:
        assert "s3cr" not in line


def test_a_name_that_looks_like_markup_is_drawn_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from assay.commands.output import progress

    out = io.StringIO()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("rich.console.Console", lambda **named: Console(file=out, force_terminal=True, width=100))
    with progress() as display:
        display.advance("x[/y] [bold]z\x1b]0;pwn\x07", 0, 1)
    assert r"x[/y] [bold]z\x1b]0;pwn\x07" in out.getvalue()


def test_claims_files_are_bounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    claim = '[[claim]]\nmetric = "sharpe"\nprinted = "1.0"\n'
    for text in ('title = "x"\n' + claim * 2001, 'title = "' + "x" * 2_000_001 + '"\n' + claim, "a=" + "[" * 50_000):
        (tmp_path / "c.toml").write_text(text, encoding="utf-8")
        assert cli.main(["audit", str(tmp_path / "c.toml")]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_nested_policy_is_one_line(tmp_path: Path, data: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["backtest", *data]) == 0
    (tmp_path / "p.toml").write_text("a=" + "[" * 5_000, encoding="utf-8")
    capsys.readouterr()
    assert cli.main(["gate", "s2", "--policy", str(tmp_path / "p.toml"), *data[-2:]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        "walk-forward --model momentum --train ²", "walk-forward --model momentum --retrain ①",
        "walk-forward --model momentum --start=-1", "walk-forward --model momentum --seeds 1000000",
        "backtest --start 2020-01-01T00:00Z", "backtest --start 0000-01-01", "backtest --end nat",
        f"backtest --trials {'9' * 30}", "backtest --borrow-bps 1e300", "backtest --lot nan", "backtest --capital inf",
        f"backtest --param quantile={'9' * 400}", "backtest --param quantile=٣", f"backtest --horizon {'9' * 400}",
        "sweep --grid delay=①", "sweep --grid delay=1.5", "sweep --grid cost_bps=1e400", "sweep --grid cost_bps=nan",
        "train --model momentum --through=-1", f"train --model momentum --horizon {'9' * 400}",
        "train --model ridge --seed -1", f"data synthetic --assets {'9' * 20} --out x.csv",
        "data synthetic --assets 1000000 --sessions 10000 --out x.csv", "data synthetic --seed -1 --out x.csv",
        "leaks --cuts ²",
    ],
)  # fmt: skip
def test_odd_numbers_and_dates_are_bad_usage(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(command.split(" ")) == 2
    err = capsys.readouterr().err
    assert err.lower().count("error") == 1
    assert not list(tmp_path.rglob("*.*"))
