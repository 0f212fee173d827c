"""`tearsheet` and `compare` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from assay.commands.main import main
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.results.evidence.backtest import evaluate, store_backtest
from assay.strategies.catalog import load_strategy


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("runs")
    prices, oracle = synthetic_market(140, 10, ic=0.2, seed=2)
    ids = []
    for name in ("quintile_long_short", "equal_weight"):
        result = run_backtest(load_strategy(name), oracle, prices)
        ids.append(store_backtest(result, evaluate(result, oracle, prices), root=root).id)
    return root, ids


def test_a_page_is_drawn_into_the_run_s_folder(stored: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]):
    root, ids = stored
    assert main(["tearsheet", ids[0][:8], "--results", str(root)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == root / ids[0] / "tearsheet.html"
    assert path.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("options", "start"), [(["--format", "png"], b"\x89PNG"), pytest.param([], b"%PDF", marks=pytest.mark.browser)]
)
def test_the_format_is_asked_for_or_read_from_the_name(
    stored: tuple[Path, list[str]], tmp_path: Path, options: list[str], start: bytes, capsys: pytest.CaptureFixture[str]
):
    root, ids = stored
    target = tmp_path / ("sheet" if options else "sheet.pdf")
    assert main(["tearsheet", ids[1], "--output", str(target), "--results", str(root), "--json", *options]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["run_id"] == ids[1]
    assert answer["bytes"] == target.stat().st_size
    assert target.read_bytes().startswith(start)


def test_compare_says_what_the_returns_say(stored: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]):
    root, ids = stored
    assert main(["compare", *ids, "--results", str(root), "--json", "--draws", "200"]) == 0
    answer = json.loads(capsys.readouterr().out)
    net = [pd.read_parquet(root / name / "returns.parquet")["net"] for name in ids]
    common = net[0].index.intersection(net[1].index)
    assert answer["sessions"] == len(common)
    row = next(item for item in answer["differences"] if item["statistic"] == "return_arithmetic_ann")
    assert row["value"] == pytest.approx(252 * (net[0][common].mean() - net[1][common].mean()))
    assert row["low"] < row["value"] < row["high"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["tearsheet", "nosuchrun"], 2, "nosuchrun"),
        (["tearsheet", "{one}", "--output", "{root}/missing/sheet.html"], 2, "no folder"),
        (["tearsheet", "{one}", "--format", "docx"], 2, "docx"),
        (["tearsheet", "{one}", "--format", "pdf", "--output", "{root}/x.html"], 2, "ends in .html, and the format is"),
        (["tearsheet", "{one}", "--output", "{root}/x.txt"], 2, "ends in .txt, and is to say the format: html, png,"),
        (["compare", "{one}"], 2, "2 runs or more"),
        (["compare", "{one}", "{one}"], 2, "twice"),
        (["compare", "{one}", "nosuchrun"], 2, "nosuchrun"),
        (["verify", "{root}/sheet.html", "--run", "{one}"], 2, "sheet.html"),
        (["verify", "{root}/page.html", "--run", "nosuchrun"], 2, "nosuchrun"),
    ],
)
def test_what_cannot_be_is_one_line(
    stored: tuple[Path, list[str]], arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
):
    root, ids = stored
    (root / "page.html").write_text("<table><tr><th>Sharpe</th></tr><tr><td>1.0</td></tr></table>", encoding="utf-8")
    filled = [item.format(one=ids[0], root=root) for item in arguments]
    assert main([*filled, "--results", str(root)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert "Traceback" not in captured.err
