"""sweep: the table, the ledger, resume after a kill, and that a cell is the backtest it stands for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from assay.commands import main as cli
from assay.results.storage.runs import load_run
from assay.results.storage.trial_ledger import read_trials

ROOT = Path(__file__).parents[2]
SWEEP = ["sweep", "--strategy", "s2_filter_negative", "--grid", "quantile=0.1,0.2", "--grid", "cost_bps=0,5,10"]


def test_a_cell_is_the_backtest_it_stands_for(tmp_path, capsys):
    picture = tmp_path / "map.png"
    assert cli.main([*SWEEP, "--json", "--heatmap", str(picture), "--results", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["cells"] == 6
    assert 0 <= said["pbo"]["probability"] <= 1
    assert said["trials"]["in_ledger"] == 2  # costs are scenarios
    assert said["spa"]["lower"] <= said["spa"]["p_value"] <= said["spa"]["upper"] <= 1
    assert (said["spa"]["cells"], said["spa"]["superior"]) == (2, [])
    assert 1 <= said["effective_trials"] <= 2
    # Side by side, the run's own costs first; the best is never the one without costs.
    assert [item["scenario"]["commission_bps"] for item in said["scenarios"]] == ["5", "0", "10"]
    assert said["best"]["parameters"]["commission_bps"] == "5"
    assert said["pbo"] == said["scenarios"][0]["pbo"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    run = load_run(said["run_id"], root=tmp_path)
    assert run.table("returns").shape[1] == 6
    assert cli.main(["backtest", "--param", "quantile=0.1", "--json", "--results", str(tmp_path)]) == 0
    single = json.loads(capsys.readouterr().out)
    sharpe = next(item["value"] for item in single["metrics"] if item["name"] == "sharpe_net")
    row = next(row for row in said["table"] if row["quantile"] == "0.1" and row["commission_bps"] == "5")
    assert row["sharpe_net"] == pytest.approx(sharpe, rel=1e-9)
    assert single["trials"]["count"] == 2  # the backtest is one of the cells
    assert cli.main([*SWEEP, "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "2 trials on this market in the ledger" in out
    assert "at commission_bps=10: best quantile=" in out
    assert f"SPA) p {said['spa']['p_value']:.3f}" in out
    assert load_run(said["run_id"], root=tmp_path).metrics["spa"] == said["spa"]


def test_one_cell_is_no_choice(tmp_path, capsys):
    arguments = ["sweep", "--strategy", "s2_filter_negative", "--grid", "quantile=0.2", "--results", str(tmp_path)]
    assert cli.main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["spa"]["p_value"] is None
    assert "1 trial" in said["spa"]["reason"]
    assert cli.main(arguments) == 0
    assert "SPA): not judged (SPA: 1 trial" in capsys.readouterr().out


def test_clusters_are_counted_only_where_they_are_asked_for(tmp_path, capsys):
    alike = [*SWEEP[:3], "--grid", "quantile=0.18,0.2,0.4"]
    assert cli.main([*alike, "--clusters", "--json", "--results", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    # A fifth of 20 names are four either way: three trials, two bets.
    assert said["clusters"]["count"] == 2
    assert said["trials"]["count"] == 3
    assert said["clusters"]["deflated_sharpe"] > said["trials"]["deflated_sharpe"]
    assert cli.main([*alike, "--clusters", "--trials", "50", "--results", str(tmp_path)]) == 0
    assert "the ledger's 3 trials count as" in capsys.readouterr().out
    assert cli.main([*alike, "--json", "--results", str(tmp_path)]) == 0
    assert "clusters" not in json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_killed_sweep_goes_on(tmp_path):
    arguments = [
        sys.executable, str(ROOT / "cli.py"), "sweep", "--strategy", "confidence",
        "--prices", str(tmp_path / "p.parquet"),
        "--predictions", str(tmp_path / "q.parquet"), "--results", str(tmp_path / "runs"), "--json",
        "--grid", "enter_above=0.6,0.65,0.7,0.75", "--grid", "stop_loss=0.01,0.02,0.03,0.05,0.08",
    ]  # fmt: skip
    from assay.data.synthetic import synthetic_market

    prices, oracle = synthetic_market(900, 60, ic=0.05, seed=1)
    long = pd.concat({field: getattr(prices, field).stack() for field in prices.fields}, axis=1, sort=False)
    long.rename_axis(["date", "asset"]).reset_index().to_parquet(tmp_path / "p.parquet")
    assert oracle.score is not None
    probability = (0.5 + 20 * oracle.score).clip(0, 1).stack().rename("probability_up")
    probability.rename_axis(["date", "asset"]).reset_index().to_parquet(tmp_path / "q.parquet")
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    for _ in range(1500):
        parts = list((tmp_path / "runs").glob(".sweep-*/cells-*"))
        if len(parts) >= 3 or process.poll() is not None:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = len(list((tmp_path / "runs").glob(".sweep-*/cells-*")))
    assert 3 <= kept < 20
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=True)
    said = json.loads(done.stdout)
    assert said["cells"] == 20
    assert not list((tmp_path / "runs").glob(".sweep-*"))
    assert read_trials().count == 20


def test_what_a_stored_sweep_has_is_shown_and_the_rest_is_one_line(tmp_path, capsys):
    assert cli.main([*SWEEP, "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    run = printed.strip().splitlines()[-1].rpartition("/")[2]
    where = ["--results", str(tmp_path)]
    assert cli.main(["runs", "show", run, *where]) == 0
    assert capsys.readouterr().out == printed
    assert cli.main(["runs", "show", run, *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 6
    assert cli.main(["runs", "list", *where]) == 0
    assert run in capsys.readouterr().out
    for command in (["tearsheet", run], ["gate", run], ["compare", run, run]):
        assert cli.main([*command, *where]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert f"{run} is a sweep" in said.err
    assert not list((tmp_path / run).glob("*.html"))
    assert not (tmp_path / run / "gate.json").exists()


def test_a_models_parameters_are_swept_through_the_same_door(tmp_path, capsys):
    market = tmp_path / "market.parquet"
    made = ["data", "synthetic", "--sessions", "420", "--assets", "8", "--seed", "3", "--out", str(market)]
    assert cli.main(made) == 0
    shape = ["--prices", str(market), "--train", "200", "--retrain", "100", "--executor", "serial",
             "--results", str(tmp_path)]  # fmt: skip
    arguments = ["sweep", "--strategy", "quintile_long_short", "--model", "ridge", *shape, "--json"]
    capsys.readouterr()
    grid = ["--grid", "model.penalty=0.01,100", "--grid", "quantile=0.2,0.4"]
    assert cli.main([*arguments, *grid]) == 0
    swept = json.loads(capsys.readouterr().out)
    assert [(row["model.penalty"], row["quantile"]) for row in swept["table"]] == [
        ("0.01", "0.2"), ("0.01", "0.4"), ("100", "0.2"), ("100", "0.4"),
    ]  # fmt: skip
    assert swept["trials"]["in_ledger"] == 4
    alone = ["walk-forward", "--strategy", "quintile_long_short", "--param", "quantile=0.4", "--model", "ridge", *shape]
    options = ["--model-param", "penalty=100", "--no-baselines", "--no-leaks", "--no-tearsheet", "--json"]
    assert cli.main([*alone, *options]) == 0
    run = json.loads(capsys.readouterr().out)
    sharpe = next(item["value"] for item in run["metrics"] if item["name"] == "sharpe_net")
    assert swept["table"][3]["sharpe_net"] == pytest.approx(sharpe, rel=1e-9)
    assert run["trials"]["in_ledger"] == 4  # the walk-forward is one of the cells
    for wrong, text in (
        (["sweep", "--grid", "model.penalty=1,2"], "of which model"),
        ([*arguments, "--grid", "quantile=0.2"], "no parameter of the model varies"),
        ([*arguments, "--grid", "model.penaltty=1,2"], "did you mean 'penalty'"),
        ([*arguments, *grid, "--predictions", "p.parquet"], "makes the predictions"),
    ):
        assert cli.main([*wrong, "--results", str(tmp_path)]) == 2
        assert text in capsys.readouterr().err
