"""The tools of an agent: the SDK's own client gets the commands' answers, and nothing from outside the root."""

from __future__ import annotations

import asyncio
import json
import os
import random
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
    )
    assert [error for error, _ in answers] == [False] * 4, answers
    judged, audited, leaked, verified = (json.loads(text) for _, text in answers)
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
    ]
    for (name, arguments), (error, text) in zip(calls, called(root, *calls), strict=True):
        assert error, (name, arguments, text)
        assert SECRET not in text
        assert "Traceback" not in text
        assert 'File "' not in text
    assert sorted(os.listdir(tmp_path)) == ["root", "secret.csv"]


@pytest.mark.slow
def test_ten_thousand_hostile_requests(root: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    parts = ["..", "/", "\\", "secret.csv", "link.csv", "preds.parquet", "\0", "%2e%2e", "~", "-", "--json", "é", " ",
             "root", "results", ".assay", "C:", "\n", str(tmp_path)]  # fmt: skip

    def word() -> str:
        return "".join(rng.choice(parts) for _ in range(rng.randint(1, 6)))

    names = {"audit": ["report"], "verify": ["document", "bundle"], "gate": ["run", "champion"],
             "leaks": ["predictions", "prices", "strategy"],
             "backtest": ["predictions", "benchmark", "strategy"]}  # fmt: skip
    calls = []
    for _ in range(10_000):
        tool = rng.choice([*names])
        calls.append((tool, {name: word() for name in names[tool]}))
    for error, text in called(root, *calls):
        assert SECRET not in text
        assert "Traceback" not in text
        assert error
    assert sorted(os.listdir(tmp_path)) == ["root", "secret.csv"]


def test_without_the_sdk_one_line_says_what_to_install(root: Path, monkeypatch, capsys) -> None:
    import sys

    for name in [*sys.modules]:
        if name == "mcp" or name.startswith("mcp."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert cli.main(["mcp", "--root", str(root)]) == 2
    answer = capsys.readouterr().err
    assert "assay[mcp]" in answer
    assert answer.count("\n") == 1
    assert cli.main(["mcp", "--root", str(root / "nowhere")]) == 2
