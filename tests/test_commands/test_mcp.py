"""The tools of an agent: the SDK's own client gets the commands' answers, and nothing from outside the root."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.commands import main as cli
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.synthetic import synthetic_market

pytest.importorskip("mcp")
from assay.commands.mcp import build_server

SECRET = "a line that no answer may hold"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a small market, and secrets beside it."""
    folder = tmp_path / "root"
    folder.mkdir()
    prices, oracle = synthetic_market(200, 8, ic=0.15, seed=5)
    write_prices(prices, folder / "prices.parquet")
    write_predictions(oracle, folder / "preds.parquet")
    (folder / "report.md").write_text("| metric | value |\n|---|---|\n| accuracy | 57.14% |\n| Sharpe | 2.5 |\n")
    (tmp_path / "secret.csv").write_text(f"date,asset,score\n{SECRET},A,1\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    for name in ("docs", "away"):
        (folder / name).mkdir()
        (folder / name / "report.md").write_text("# Test\n\nSharpe: 2.5\n")
    (folder / "away" / "more.md").symlink_to(tmp_path / "secret.csv")
    return folder


def called(root: Path, *calls: tuple[str, dict[str, Any]]) -> list[tuple[bool, str]]:
    """Each call's error flag and text, over the SDK's client in this process."""
    from mcp.client import Client

    async def talk() -> list[tuple[bool, str]]:
        async with Client(build_server(root)) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {"backtest", "gate", "audit", "leaks", "verify"}
            out = []
            for name, arguments in calls:
                answer = await client.call_tool(name, arguments)
                text = " ".join(getattr(part, "text", "") for part in answer.content)
                out.append((bool(answer.is_error), text))
            return out

    return asyncio.run(talk())


DATA = {"predictions": "preds.parquet", "prices": "prices.parquet"}


def test_an_agent_backtests_gates_audits_and_verifies(root: Path, tmp_path: Path) -> None:
    ((error, text),) = called(root, ("backtest", {**DATA, "strategy": "quintile_long_short"}))
    assert not error, text
    run = json.loads(text)["run_id"]
    assert (root / "results" / "runs" / run / "metrics.json").is_file()
    assert (root / ".assay" / "trials.sqlite").is_file()
    folder = str(root / "results" / "runs" / run)
    assert cli.main(["tearsheet", folder, "--output", str(root / "sheet.md")]) == 0
    assert cli.main(["runs", "export", folder, str(root / "run.zip")]) == 0
    answers = called(
        root,
        ("gate", {"run": run[:12], "policy": "research"}),
        ("audit", {"report": "report.md"}),
        ("leaks", {**DATA, "strategy": "quintile_long_short"}),
        ("verify", {"document": "sheet.md", "bundle": "run.zip"}),
        ("audit", {"report": "docs"}),
    )
    assert [error for error, _ in answers] == [False] * 5, answers
    judged, audited, leaked, verified, folder_audited = (json.loads(text) for _, text in answers)
    assert folder_audited["source"] == "docs/report.md"
    assert judged["verdict"] in ("pass", "fail", "insufficient")
    assert audited["exit_code"] in (0, 1)
    assert leaked["passed"] is (leaked["exit_code"] == 0)
    assert verified["run_id"] == run


def test_nothing_outside_the_root_is_read_and_no_traceback_is_answered(root: Path, tmp_path: Path) -> None:
    secret = str(tmp_path / "secret.csv")
    ways = ["../secret.csv", secret, "link.csv", "a/../../secret.csv", "preds.parquet\0", "", ".", "~/x",
            "//etc/passwd", "--help", "x" * 5000, "‮../secret.csv", "file:///etc/passwd",
            "results/runs/../../../secret.csv"]  # fmt: skip
    calls: list[tuple[str, dict[str, Any]]] = []
    for way in ways:
        calls += [
            ("backtest", {"predictions": way or "../secret.csv", "prices": "prices.parquet"}),
            ("audit", {"report": way}),
            ("verify", {"document": way, "bundle": way}),
            ("gate", {"run": way}),
            ("leaks", {"predictions": "preds.parquet", "prices": way or ".."}),
        ]
    calls += [
        ("backtest", {"strategy": "./evil.py:Rule", **DATA}),
        ("backtest", {"strategy": "os:system", **DATA}),
        ("backtest", {**DATA, "parameters": {"quantile": "__import__('os')"}}),
        ("backtest", {**DATA, "horizon": "x"}),
        ("gate", {"run": "quintile", "policy": "/etc/passwd"}),
        ("audit", {}),
        ("audit", {"report": "away"}),
        ("audit", {"report": "report.md", "strict": True}),  # nothing that a tool does not take passes for heeded
    ]
    for (name, arguments), (error, text) in zip(calls, called(root, *calls), strict=True):
        assert error, (name, arguments, text)
        assert SECRET not in text
        assert "Traceback" not in text
        assert 'File "' not in text
    assert sorted(os.listdir(tmp_path)) == ["root", "secret.csv"]


#: Arguments of each tool that name files or runs, and all others.
TOOLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "audit": (("report",), ("predictions", "prices", "returns")),
    "verify": (("document", "bundle"), ()),
    "gate": (("run",), ("champion", "policy")),
    "leaks": (("predictions", "prices"), ("strategy", "parameters")),
    "backtest": (("predictions", "benchmark"),
                 ("strategy", "prices", "parameters", "horizon", "commission_bps", "checks")),
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 10**40, 1e308, -0.0, "", [], {}, [[[]]], {"a": {"b": [None]}}, ["leaks", 3], "\ud7ff",
    "x" * 20_000, {"quantile": "0.1; import os"}, {"__class__": "x", "../../": 1}, ["--results", "/"], "NaN",
    "\u202e\u0000",
)  # fmt: skip


def hostile_call(rng: random.Random, folder: Path) -> tuple[str, dict[str, Any]]:
    """A tool and arguments, of which none names a file that may be read, and some are of no type that it takes."""
    parts = ["..", "/", "\\", "secret.csv", "link.csv", "preds.parquet", "\0", "%2e%2e", "~", "-", "--json", "é", " ",
             "root", "results", "runs", ".assay", "C:", "\n", str(folder), "/proc/self/environ", "file://", "$HOME",
             "*", "`id`", "$(id)", "\\\\host\\share", "aux", "<script>"]  # fmt: skip

    def word() -> str:
        return "".join(rng.choice(parts) for _ in range(rng.randint(1, 6)))

    tool = rng.choice([*TOOLS])
    paths, others = TOOLS[tool]
    given: dict[str, Any] = {name: word() for name in paths}
    given |= {name: rng.choice((*ODD, word())) for name in others if rng.random() < 0.4}
    if rng.random() < 0.2:
        given[rng.choice(paths)] = rng.choice(ODD)
    if tool != "gate" and all(given[name] in ("", None) for name in paths):
        given[paths[0]] = "../secret.csv"  # without a file, the embedded sample would be run
    if rng.random() < 0.1:
        given[word()] = rng.choice(ODD)
    return (tool if rng.random() < 0.97 else word()), given


@pytest.mark.fuzz
def test_ten_thousand_hostile_calls(root: Path, tmp_path: Path) -> None:
    """ASSAY_CALLS and ASSAY_SEED: how many, and which."""
    rng = random.Random(int(os.environ.get("ASSAY_SEED", "1")))
    calls = [hostile_call(rng, tmp_path) for _ in range(int(os.environ.get("ASSAY_CALLS", "10000")))]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for call, (error, text) in zip(calls, called(root, *calls), strict=True):
        assert error, (call, text[:300])
        assert SECRET not in text
        assert "Traceback" not in text, (call, text)
        assert "internal error" not in text, (call, text)
        assert 'File "' not in text, (call, text)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    outside = [path for path in {*before, *after} if before.get(path) != after.get(path) and root not in path.parents]
    assert [path for path in outside if path not in (root, tmp_path)] == []


@pytest.mark.fuzz
def test_lines_that_are_no_messages_do_not_end_the_server(root: Path) -> None:
    """Two thousand damaged lines on stdin, then the protocol's first message, which is answered."""
    first = {"jsonrpc": "2.0", "id": 77, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}  # fmt: skip
    whole = json.dumps(first | {"id": 1}) + "\n"
    rng, lines = random.Random(2), []
    for _ in range(2000):
        at = rng.randrange(len(whole) - 1)
        lines.append(rng.choice((
            whole[:at] + rng.choice("{}[]\",:0x") + whole[at + 1 : -1], "[" * rng.randint(1, 2000), "null", "{}", "",
            json.dumps({"jsonrpc": "2.0", "id": rng.choice(ODD), "method": rng.choice(["tools/call", "x", ""]),
                        "params": rng.choice(ODD)}),
        )).replace("\n", " "))  # fmt: skip
    text = "\n".join([*lines, json.dumps(first)]) + "\n"
    program = [sys.executable, str(Path(__file__).parents[2] / "cli.py"), "mcp", "--root", str(root)]
    sent = text.encode(errors="replace")
    done = subprocess.run(program, input=sent, capture_output=True, timeout=300, check=False)
    answers = done.stdout.decode()
    assert "Traceback" not in answers
    assert SECRET not in answers
    assert any(json.loads(line).get("id") == 77 and "result" in json.loads(line) for line in answers.splitlines())


def test_without_the_sdk_one_line_says_what_to_install(root: Path, monkeypatch, capsys) -> None:
    for name in [*sys.modules]:
        if name == "mcp" or name.startswith("mcp."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert cli.main(["mcp", "--root", str(root)]) == 2
    answer = capsys.readouterr().err
    assert "assay[mcp]" in answer
    assert answer.count("\n") == 1
    assert cli.main(["mcp", "--root", str(root / "nowhere")]) == 2
