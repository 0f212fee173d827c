"""Runs side by side: common sessions, paired differences, what the command prints and writes."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from assay.commands.main import cli
from assay.data.errors import InputError
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.results.evidence.backtest import evaluate, store_backtest
from assay.results.report import printing
from assay.results.report.blocks import Cell, FirstScreen, Note, Section, Table
from assay.results.report.compare import compare_runs, render_comparison, summary_lines
from assay.results.stats.performance import performance_metrics
from assay.results.stats.sharpe import sharpe_difference
from assay.results.storage.runs import Run, add_checks, save_run
from assay.strategies.catalog import load_strategy

N = 400


def _returns(seed: int, n: int = N, drift: float = 0.0) -> pd.Series:
    market = np.random.default_rng(0).normal(0, 0.01, 600)[:n]
    own = np.random.default_rng(seed).normal(drift, 0.004, n)
    return pd.Series(market + own, index=pd.bdate_range("2019-01-01", periods=n, name="date"))


def _run(root: Path, name: str, net: pd.Series, rate: pd.Series | None = None, **config: object) -> Run:
    metrics = [metric.to_dict() for metric in performance_metrics(net, "net")]
    content = {
        "metrics": metrics,
        "sessions": len(net),
        "start": net.index[0],
        "end": net.index[-1],
        "warnings": [f"of {name}"],
    }
    table = pd.DataFrame({"net": net, "gross": net} | ({} if rate is None else {"cash_rate": rate}))
    setup = {"strategy": name, "costs": {"commission_bps": 5.0}, **config}
    return save_run(
        name, config=setup, fingerprints={}, metrics=content, tables={"returns": table}, notes={}, root=root
    )


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    return [
        _run(tmp_path, "one", _returns(1)),
        _run(tmp_path, "two", _returns(2)),
        _run(tmp_path, "more", _returns(3, drift=0.003)),
    ]


def test_sharpe_ratios_are_over_the_cash_rate_of_each_run(tmp_path: Path) -> None:
    rate = pd.Series(np.linspace(0, 4e-4, N), _returns(1).index)
    one, two = _run(tmp_path, "one", _returns(1), rate), _run(tmp_path, "two", _returns(2))
    found = compare_runs([one, two], draws=200).differences.set_index("statistic")["value"]
    ratios = [excess.mean() / excess.std() * 252**0.5 for excess in (_returns(1) - rate, _returns(2))]
    assert found["sharpe"] == pytest.approx(ratios[0] - ratios[1])
    means = [252 * _returns(seed).mean() for seed in (1, 2)]
    assert found["return_arithmetic_ann"] == pytest.approx(means[0] - means[1])


def test_only_common_sessions_count(tmp_path: Path) -> None:
    one = _run(tmp_path, "one", _returns(1).iloc[:300])
    two = _run(tmp_path, "two", _returns(2).iloc[100:])
    found = compare_runs([one, two], draws=200)
    assert len(found.returns) == 200
    assert found.returns.index[0] == _returns(1).index[100]
    assert set(found.differences["sessions"]) == {200}


def test_differences_are_those_of_the_series(runs: list[Run]) -> None:
    found = compare_runs(runs, draws=300)
    assert len(found.differences) == 3 * 3
    for row in found.differences.itertuples():
        one, two = found.returns[row.one], found.returns[row.two]
        by_hand = {
            "sharpe": lambda r: r.mean() / r.std(ddof=1) * 252**0.5,
            "return_arithmetic_ann": lambda r: r.mean() * 252,
            "volatility_ann": lambda r: r.std(ddof=1) * 252**0.5,
        }[row.statistic]
        assert row.value == pytest.approx(by_hand(one) - by_hand(two), abs=1e-12)
        assert row.low <= row.value <= row.high
    first = found.differences[found.differences["statistic"] == "sharpe"].iloc[0]
    again = sharpe_difference(found.returns[first["one"]].to_numpy(), found.returns[first["two"]].to_numpy(), draws=300)
    assert again is not None
    assert (first["low"], first["high"], first["p_value"]) == (again.low, again.high, again.p_value)


def test_forecasts_of_one_horizon_are_compared_too(tmp_path: Path) -> None:
    prices, oracle = synthetic_market(300, 12, ic=0.2, seed=1)
    reverse = oracle.map(lambda frame: -frame)
    runs = []
    for name, panel in (("good", oracle), ("bad", reverse)):
        result = run_backtest(load_strategy("quintile_long_short"), panel, prices)
        result = replace(result, strategy=name)
        runs.append(store_backtest(result, evaluate(result, panel, prices), root=tmp_path))
    found = compare_runs(runs, draws=50).differences.set_index("statistic")
    assert found.loc["squared_error", "value"] < 0
    assert found.loc["skill_x", "low"] > 0
    x = [run.table("skill")["x"] for run in runs]
    assert found.loc["skill_x", "value"] == pytest.approx(float((x[0] - x[1]).mean()))
    assert "Diebold" in found.loc["squared_error", "test"]


def test_a_real_difference_is_seen_and_none_is_not(runs: list[Run]) -> None:
    table = compare_runs(runs, draws=500).differences
    sharpe = table[table["statistic"] == "sharpe"].set_index(["one", "two"])
    one, two, more = (run.id for run in runs)
    assert sharpe.loc[(one, two), "low"] < 0 < sharpe.loc[(one, two), "high"]
    assert sharpe.loc[(one, more), "high"] < 0
    assert sharpe.loc[(one, more), "p_value"] < 0.05


def test_what_cannot_be_compared(tmp_path: Path, runs: list[Run]) -> None:
    with pytest.raises(InputError, match="2 runs or more, got 1"):
        compare_runs(runs[:1])
    with pytest.raises(InputError, match="given twice"):
        compare_runs([runs[0], runs[0]])
    later = _returns(4)
    later.index = later.index + pd.Timedelta(days=5000)
    with pytest.raises(InputError, match="share 0 sessions"):
        compare_runs([runs[0], _run(tmp_path, "later", later)])


def test_a_run_that_does_not_move(tmp_path: Path, runs: list[Run]) -> None:
    flat = _run(tmp_path, "flat", _returns(1) * 0)
    page = render_comparison(compare_runs([runs[0], flat], draws=200))
    assert ">nan" not in page
    assert "<svg" in page


def test_the_page_has_every_run_and_stored_number(runs: list[Run]) -> None:
    comparison = compare_runs(runs, draws=200)
    page = render_comparison(comparison)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    shown = re.findall(r'data-metric="sharpe_net\.value" data-value="([^"]+)"', page)
    assert [float(value) for value in shown] == [run.metric("sharpe_net")["value"] for run in runs]
    for run in runs:
        assert run.id in page
        assert f"of {run.manifest['config']['strategy']}" in page
    assert "commission_bps" not in page, "what is equal is not listed as different"
    assert render_comparison(compare_runs(runs, draws=200)) == page


def test_many_runs_are_each_beside_the_first(tmp_path: Path) -> None:
    many = [_run(tmp_path, f"r{number}", _returns(number, 60)) for number in range(9)]
    found = compare_runs(many, draws=100)
    assert {(row.one, row.two) for row in found.differences.itertuples()} == {(many[0].id, run.id) for run in many[1:]}
    lines = summary_lines(found, width=80)
    assert all(any(line.startswith(run.id) for line in lines) for run in many)
    assert "of the first 6 runs" in render_comparison(found)


def test_six_runs_have_fifteen_pairs(tmp_path: Path) -> None:
    six = [_run(tmp_path, f"r{number}", _returns(number, 120)) for number in range(6)]
    found = compare_runs(six, draws=100)
    pairs = set(zip(found.differences["one"], found.differences["two"], strict=True))
    assert pairs == set(itertools.combinations([run.id for run in six], 2))
    assert "15 pairs are looked at" in render_comparison(found)


def test_command(tmp_path: Path, runs: list[Run]) -> None:
    root = str(runs[0].path.parent)
    call = ["compare", *(run.id for run in runs), "--results", root, "--draws", "200"]
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == 0, done.output
    assert all(run.id in done.stdout for run in runs)
    target = tmp_path / "out" / "both.html"
    target.parent.mkdir()
    done = CliRunner().invoke(cli, [*call, "--html", "--output", str(target), "--json"])
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    assert len(answer["differences"]) == 9
    assert answer["path"] == str(target)
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert isinstance(CliRunner().invoke(cli, call[:2] + call[4:]).exception, InputError)


def test_what_was_checked_of_one_run_alone_is_said_of_that_one(runs: list[Run]) -> None:
    plain = compare_runs(runs[:2], draws=50)
    assert "Nothing has been checked" in render_comparison(plain)
    assert not [line for line in summary_lines(plain) if "checks of" in line]
    checked = add_checks(runs[0], {"leaks": {"verdict": "no change in weights at 5 dates", "found": []}})
    found = compare_runs([checked, runs[1]], draws=50)
    page = render_comparison(found)
    assert "no change in weights at 5 dates" in page
    assert "not run" in page
    one, two = (entry["checks"] for entry in found.to_json()["runs"])
    assert one == {"leaks": "leak tests: no change in weights at 5 dates"}
    assert two == {}
    assert f"checks of {checked.id}" in summary_lines(found)


def test_a_page_is_written_as_what_its_name_ends_in(tmp_path, monkeypatch):
    monkeypatch.setattr(printing, "find_chromium", lambda: None)
    table = Table("It", ("a",), ((Cell("1"),),))
    first = FirstScreen(described=[("Runs", "a, b")], headline=table, figures=[])
    parts = {"title": "Two", "sections": [Section("runs", "Runs", (Note("They differ."),))], "first": first}
    starts = {"page.html": b"<!doctype html>", "page.pdf": b"%PDF-"}
    for name, start in starts.items():
        assert printing.write_page(tmp_path / name, **parts).read_bytes().startswith(start)
    answer = CliRunner().invoke(cli, ["compare", "no", "runs", "--output", str(tmp_path / "page.png")])
    assert "page.png: is to be written as .html or .pdf; end the name in one of them" in str(answer.exception)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted(starts)
