"""The README is true: its commands run, in their order, and its output is what is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from assay.commands import main as cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)```\n<!-- end -->", README, re.S)
    assert found is not None, name
    return found[1]


def test_the_two_commands_are_one_line_each():
    for name in ("main command", "test command"):
        lines = block(name).strip().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("python3 -m venv .venv && ")
    assert block("main command").strip().endswith("cli.py backtest --strategy s2_filter_negative")


def test_the_output_is_what_is_printed(capsys, tmp_path):
    assert cli.main(["backtest", "--strategy", "s2_filter_negative", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out.rstrip().splitlines()
    shown = block("output: backtest --strategy s2_filter_negative").rstrip().splitlines()
    assert shown[:-1] == printed[:-1]
    assert shown[-1].startswith("results/runs/s2_filter_negative-")


@pytest.mark.usefixtures("forget_plugins")
def test_every_command_runs_in_its_order(tmp_path, monkeypatch, capsys):
    """All in one process, which saves two dozen starts; that `python cli.py` is the same is tested elsewhere."""
    failed = []
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    for line in block("commands").strip().splitlines():
        program, script, *arguments = shlex.split(line)
        assert (program, script) == ("python", "cli.py")
        code = cli.main(arguments)
        printed = capsys.readouterr()
        # A gate that says no and an audit that finds something exit with 1: that is their work.
        fine = (0, 1) if arguments[0] in ("gate", "audit") else (0,)
        if code not in fine or not printed.out.strip():
            failed.append((line, code, printed.err[-400:]))
    assert not failed


def test_the_python_example_runs(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-c", block("python")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert "s2_filter_negative · stock_lstm_close" in answer.stdout
    assert answer.stdout.rstrip().endswith("tearsheet.html")


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_help_with_examples(name, capsys):
    assert cli.main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Example" in said
    assert f"cli.py {name}" in said
