"""The main job from the command line: what it prints and stores, and how it refuses what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.results.storage.runs import load_run

SESSIONS = pd.bdate_range("2020-01-01", periods=120)
ASSETS = [f"A{i}" for i in range(8)]


def long(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame.rename_axis(index="date", columns="asset").stack().rename(name).reset_index()


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    close = pd.DataFrame(50 * np.exp(np.cumsum(rng.normal(0, 0.02, (120, 8)), axis=0)), SESSIONS, ASSETS)
    score = pd.DataFrame(rng.normal(0, 0.01, close.shape), SESSIONS, ASSETS)
    paths = {
        "prices": tmp_path / "prices.csv",
        "predictions": tmp_path / "predictions.csv",
        "results": tmp_path / "runs",
    }
    long(close, "close").to_csv(paths["prices"], index=False)
    long(score, "score").to_csv(paths["predictions"], index=False)
    return paths


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def own(files: dict[str, Path], *more: object) -> list[object]:
    return [
        "backtest", "--prices", files["prices"], "--predictions", files["predictions"],
        "--results", files["results"], *more,
    ]  # fmt: skip


def test_the_sample_runs_and_stores_what_it_prints(capsys, tmp_path):
    code, out, _ = run(capsys, "backtest", "--strategy", "s2_filter_negative", "--results", tmp_path)
    assert code == 0
    stored = load_run(out.strip().splitlines()[-1])
    for line in (
        "Sharpe",
        "after beta",
        "rank IC",
        "hit rate",
        "break-even",
        "kill switch",
        "survivorship",
        "in the ledger",
    ):
        assert line in out
    sharpe = stored.metric("sharpe_net")
    assert sharpe is not None
    assert f"{sharpe['value']:.2f}" in out
    assert {"returns", "weights", "holdings", "fills", "trades", "costs", "events", "stages", "receipts"} <= set(
        stored.tables
    )
    again, shown, _ = run(capsys, "runs", "show", stored.id, "--results", tmp_path)
    assert again == 0
    assert shown == out


def test_the_same_inputs_give_the_same_bytes_and_id(capsys, files):
    code, out, _ = run(capsys, *own(files))
    assert code == 0
    path = Path(out.strip().splitlines()[-1])
    before = {item.name: item.read_bytes() for item in path.iterdir()}
    code, out, _ = run(capsys, *own(files))
    assert Path(out.strip().splitlines()[-1]) == path
    assert before["metrics.json"] == (path / "metrics.json").read_bytes()
    assert before["returns.parquet"] == (path / "returns.parquet").read_bytes()


def test_json_is_one_object_with_the_run_id(capsys, files):
    code, out, _ = run(capsys, *own(files, "--json"))
    assert code == 0
    said = json.loads(out)
    assert load_run(said["run_id"], root=files["results"]).metrics["metrics"] == said["metrics"]
    sharpe = next(item for item in said["metrics"] if item["name"] == "sharpe_net")
    beside = {item["method"]: item for item in said["sharpe_intervals"]}
    assert {"iid", "non_normal", "ar1", "hac", "bootstrap"} <= set(beside)
    assert beside["hac"]["low"] == pytest.approx(sharpe["low"], rel=1e-9)
    assert beside["iid"]["value"] == pytest.approx(sharpe["value"], rel=1e-9)


def test_overlapping_windows_show_the_t_of_those_that_do_not_overlap(capsys, files):
    code, out, _ = run(capsys, *own(files, "--horizon", "5"))
    assert code == 0
    stored = load_run(out.strip().splitlines()[-1])
    every, apart = stored.metric("rank_ic_mean"), stored.metric("rank_ic_t_apart")
    assert every is not None
    assert apart is not None
    assert apart["n"] == -(-every["n"] // 5)
    assert f"t {apart['value']:.1f} of the {apart['n']:,} that do not overlap" in out
    assert "do not overlap" not in run(capsys, *own(files))[1]


def test_lost_rows_are_counted_and_shown(capsys, files):
    table = pd.read_csv(files["predictions"])
    stranger = table[table["asset"] == "A0"].assign(asset="ZZ")
    weekend = table.head(3).assign(date="2020-01-04")
    pd.concat([table, stranger, weekend]).to_csv(files["predictions"], index=False)
    code, out, _ = run(capsys, *own(files, "--strategy", "quintile_long_short"))
    assert code == 0
    assert "120 of 1,083 predictions do not join" in out
    assert "3 of 1,083 predictions do not join" in out


@pytest.mark.parametrize("name", ["quintile_long_short", "s2_filter_negative", "s5_long_only", "expected_return"])
def test_checks_pass_on_honest_runs(capsys, files, name):
    code, out, err = run(
        capsys, *own(files, "--strategy", name, "--leaks", "--canaries", "--random-runs", 19, "--cross-check")
    )
    assert code == 0
    assert "no change in weights, run" in out
    assert "random-score runs" in out
    assert "second engine: " in err


def test_checks_stay_with_the_run_when_it_is_made_again_without_them(capsys, files):
    checked = ("--leaks", "--canaries", "--random-runs", 19, "--cross-check")
    code, out, _ = run(capsys, *own(files, *checked))
    assert code == 0
    path = Path(out.strip().splitlines()[-1])
    metrics = (path / "metrics.json").read_bytes()
    assert "leaks" not in json.loads(metrics)
    code, plain, _ = run(capsys, *own(files))
    assert plain == out
    assert (path / "metrics.json").read_bytes() == metrics
    stored = load_run(path)
    assert {"leaks", "random_scores", "cross_check", "trials"} <= set(stored.checks)
    assert stored.checks["random_scores"]["on"]["runs"] == 19
    assert stored.checks["leaks"]["on"]["prices"] == stored.manifest["fingerprints"]["prices"]
    # Another trial in the ledger changes the count, and no figure.
    run(capsys, *own(files, "--commission-bps", 7))  # a scenario
    run(capsys, *own(files, "--param", "quantile=0.3"))
    code, more, _ = run(capsys, *own(files, "--json"))
    assert json.loads(more)["trials"]["count"] == stored.checks["trials"]["count"] + 1
    assert json.loads(more)["leaks"] == stored.checks["leaks"]
    assert (path / "metrics.json").read_bytes() == metrics


def test_the_second_engine_agrees(capsys, files):
    free = ("--borrow-bps", 0, "--financing-bps", 0, "--strategy", "quintile_long_short", "--json")
    native, other = (json.loads(run(capsys, *own(files, *free, "--engine", e))[1]) for e in ("native", "vectorbt"))
    assert other["run_id"] != native["run_id"]
    ours = {item["name"]: item["value"] for item in native["metrics"]}
    theirs = {item["name"]: item["value"] for item in other["metrics"]}
    for name in ("sharpe_net", "sharpe_gross", "turnover_ann", "cost_ann", "max_drawdown_net"):
        assert theirs[name] == pytest.approx(ours[name], rel=1e-9)


def test_same_close_is_warned_about_and_the_gate_refuses_it(capsys, files):
    code, out, _ = run(capsys, *own(files, "--same-close", "--strategy", "quintile_long_short"))
    assert code == 0
    assert "warning: same-close fills" in out
    identity = Path(out.strip().splitlines()[-1]).name
    code, out, _ = run(capsys, "gate", identity, "--policy", "research", "--results", files["results"])
    assert code == 1
    assert "same_close" in out


def all_nan(files):
    table = pd.read_csv(files["predictions"])
    table["score"] = np.nan
    table.to_csv(files["predictions"], index=False)


def other_years(files):
    table = pd.read_csv(files["predictions"])
    table["date"] = table["date"].str.replace("2020", "1990")
    table.to_csv(files["predictions"], index=False)


def infinite(files):
    table = pd.read_csv(files["predictions"])
    table.loc[3, "score"] = np.inf
    table.to_csv(files["predictions"], index=False)


def doubled(files):
    table = pd.read_csv(files["predictions"])
    pd.concat([table, table.head(1)]).to_csv(files["predictions"], index=False)


def wrong_columns(files):
    pd.read_csv(files["predictions"]).rename(columns={"score": "sccore"}).to_csv(files["predictions"], index=False)


def zoned(files):
    table = pd.read_csv(files["predictions"])
    table["date"] = table["date"] + "T06:00:00+02:00"
    table.to_csv(files["predictions"], index=False)


def empty(files):
    files["predictions"].write_text("", encoding="utf-8")


def not_text(files):
    files["predictions"].write_bytes(b"date,asset,score\n2020-01-01,\xff\xfe,0.1\n")


def folder(files):
    files["predictions"].unlink()
    files["predictions"].mkdir()


def absent(files):
    files["predictions"].unlink()


def negative_price(files):
    table = pd.read_csv(files["prices"])
    table.loc[5, "close"] = -3
    table.to_csv(files["prices"], index=False)


def unwritable(files):
    files["results"].write_text("a file, not a folder", encoding="utf-8")


NOTHING = None
BAD = [
    (NOTHING, ["--strategy", "s2_filter_negatve"], "did you mean 's2_filter_negative'"),
    (NOTHING, ["--strategy", "no.such.module:Thing"], "cannot import"),
    (NOTHING, ["--strategy", "json:dumps"], "not a class"),
    (NOTHING, ["--param", "quantile=0"], "quantile"),
    (NOTHING, ["--param", "quantile=0.7"], "quantile"),
    (NOTHING, ["--param", "quantile=lots"], "quantile must be a number"),
    (NOTHING, ["--param", "quantil=0.1"], "did you mean 'quantile'"),
    (NOTHING, ["--param", "quantile"], "expected NAME=VALUE"),
    (NOTHING, ["--commission-bps", -1], "commission_bps must be finite and at least 0"),
    (NOTHING, ["--borrow-bps", "nan"], "borrow_bps"),
    (NOTHING, ["--delay", 0], "delay must be at least 1"),
    (NOTHING, ["--horizon", 0], "horizon"),
    (NOTHING, ["--max-gross", 0], "max_gross"),
    (NOTHING, ["--capital", -5], "capital"),
    (NOTHING, ["--lot", -1], "lot"),
    (NOTHING, ["--fill", "open"], "needs open"),
    (NOTHING, ["--sqrt-impact", 1], "needs volume"),
    (NOTHING, ["--strategy", "confidence"], "needs open, high, low"),
    (NOTHING, ["--strategy", "multitask_action"], "action"),
    (NOTHING, ["--unit", "rank"], "--zero-is-neutral"),
    (NOTHING, ["--start", "soon"], "not a date"),
    (NOTHING, ["--start", "2030-01-01"], "no predictions in between"),
    (NOTHING, ["--canaries", "--random-runs", 5], "at least 19"),
    (NOTHING, ["--engine", "vectorbt"], "cannot charge"),
    (NOTHING, ["--benchmark", "nowhere.csv"], "nowhere.csv"),
    (NOTHING, ["--receipts", "nowhere.csv"], "nowhere.csv"),
    (all_nan, [], "every prediction is empty"),
    (other_years, [], "no row joins a price"),
    (infinite, [], "infinite"),
    (doubled, [], "duplicate"),
    (wrong_columns, [], "score"),
    (zoned, [], "zone"),
    (empty, [], "empty"),
    (not_text, [], "UTF-8"),
    (folder, [], "director"),
    (absent, [], "predictions.csv"),
    (negative_price, [], "positive"),
    (unwritable, [], "cannot be"),
]


@pytest.mark.parametrize(("spoil", "more", "match"), BAD, ids=[f"{i}-{case[2][:24]}" for i, case in enumerate(BAD)])
def test_bad_input_is_one_clear_line(capsys, files, spoil, more, match):
    if spoil is not None:
        spoil(files)
    code, out, err = run(capsys, *own(files, *more))
    assert code == 2, err
    assert out == ""
    lines = [line for line in err.splitlines() if line.strip()]
    usage = lines[0].startswith("Usage: ")  # of an option: click says how it is used, then what is wrong
    assert len(lines) == (3 if usage else 1)
    assert lines[-1].lower().startswith("error: ")
    assert match.lower().replace("_", "-" if usage else "_") in lines[-1].lower()
    assert files["results"].is_file() or not any(files["results"].glob("*"))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["backtest", "--predictions", "p.csv"], "needs --prices"),
        (["backtest", "--prices", "p.csv"], "walk-forward"),
        (["backtest", "--horizon", "700"], "--horizon 700: of a file of --predictions"),
        (["backtest", "--nonsense"], "No such option"),
        (["runs", "show", "nothing"], "unknown run"),
        (["runs", "show", "../../etc"], "not a run id"),
        (["gate", "nothing"], "unknown run"),
        (["sweep", "--strategy", "s2_filter_negative"], "no grid"),
        (["walk-forward", "--model", "rdge"], "did you mean 'ridge'"),
        (["walk-forward", "--train", "long"], "expanding"),
        (["walk-forward", "--retrain", "weekly"], "retrain must be"),
        (["predict", "nowhere", "--out", "x.parquet"], "nowhere"),
        (["train", "--through", "2050-01-01"], "no sessions on one side"),
    ],
)
def test_bad_usage(capsys, tmp_path, arguments, match):
    if arguments[0] in ("backtest", "sweep", "gate", "walk-forward") and "--nonsense" not in arguments:
        arguments = [*arguments, "--results", tmp_path / "runs"]
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert match.lower() in err.lower()
    assert "Traceback" not in err
