"""positions: what a stored run holds next, from the command line, and when it is not said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.files.fills import load_fills
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.results.storage.kept import left_out
from assay.results.storage.runs import Run, load_run
from assay.results.workflow.live import record
from assay.results.workflow.positions import target_positions


def market() -> tuple[PricePanel, PredictionPanel]:
    prices, oracle = synthetic_market(130, 12, ic=0.1, seed=3)
    return prices, oracle.map(lambda frame: frame.iloc[30:])


def stored(folder: Path, *options: str, sessions: int = 110) -> Run:
    """A run of the first sessions of the market, made from files."""
    prices, oracle = market()
    last = prices.sessions[sessions - 1]
    write_prices(prices.through(last), folder / "old_prices.parquet")
    write_predictions(oracle.through(last), folder / "old_preds.parquet")
    files = ["--prices", str(folder / "old_prices.parquet"), "--predictions", str(folder / "old_preds.parquet")]
    assert cli.main(["backtest", *files, *options, "--results", str(folder / "runs")]) == 0
    (run,) = (folder / "runs").glob("*-????????")
    return load_run(run)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return stored(tmp_path_factory.mktemp("positions"))


@pytest.fixture(scope="module")
def newest(tmp_path_factory) -> dict[str, Path]:
    """The whole market, and predictions through its last session."""
    folder = tmp_path_factory.mktemp("newest")
    prices, oracle = market()
    write_prices(prices, folder / "prices.parquet")
    write_predictions(oracle, folder / "preds.parquet")
    return {"--prices": folder / "prices.parquet", "--predictions": folder / "preds.parquet"}


def asked(run: Run, files: dict[str, Path], *options: str, unaccepted: bool = True) -> int:
    given = [str(item) for pair in files.items() for item in pair]
    return cli.main(["positions", str(run.path), *given, *(["--unaccepted"] * unaccepted), *options])


def answer(capsys, run: Run, files: dict[str, Path], *options: str) -> dict:
    capsys.readouterr()
    assert asked(run, files, *options, "--json") == 0
    return json.loads(capsys.readouterr().out)


def targets_of(content: dict) -> pd.Series:
    return pd.Series({row["asset"]: row["target"] for row in content["positions"]}, dtype=float)


def test_the_last_targets_are_those_of_a_backtest_of_everything(run, newest, capsys, tmp_path):
    content = answer(capsys, run, newest)
    given = [str(item) for pair in newest.items() for item in pair]
    assert cli.main(["backtest", *given, "--results", str(tmp_path)]) == 0
    (whole,) = tmp_path.glob("*-????????")
    weights = load_run(whole).table("weights").iloc[-1]
    targets = targets_of(content)
    np.testing.assert_allclose(targets, weights[targets.index], rtol=0, atol=1e-12)
    assert content["session"] == str(market()[0].sessions[-1].date())
    assert content["replayed"]["sessions"] == 80
    assert content["replayed"]["largest_difference"] <= 1e-12
    assert content["accepted"] is False
    assert "unaccepted" in content["warnings"][0]


@pytest.mark.parametrize("keep", ["weights", "returns"])
def test_a_run_that_keeps_less_is_replayed_by_what_it_keeps(run, tmp_path, keep):
    shutil.copytree(run.path, tmp_path / run.path.name)
    for name in run.tables:
        if left_out(name, keep) is not None:
            (tmp_path / run.path.name / f"{name}.parquet").unlink()
    less = Run(tmp_path / run.path.name, {**run.manifest, "keep": keep}, run.metrics)
    prices, oracle = market()
    book = target_positions(less, oracle, prices, unaccepted=True)
    assert book.replayed == 78  # of 80, the last two of which may lie after the last prediction
    assert book.difference <= 1e-12
    assert not any("of the past" in line for line in book.warnings)
    close = prices.close.copy()
    close.iloc[60:80] *= np.linspace(0.9, 1.1, close.shape[1])
    revised = replace(prices, close=close)
    warnings = target_positions(less, oracle, revised, unaccepted=True).warnings
    what = {"weights": "a weight", "returns": "a session's net return"}[keep]
    assert any(f"of NAV in {what}: prices or predictions of the past" in line for line in warnings)
    # Of prices that begin later a net return is not what it was, for it depends on what was held before; nor is a
    # weight that is smoothed.
    late = target_positions(less, oracle, prices.between(prices.sessions[60], None), unaccepted=True)
    assert late.replayed == {"weights": 48, "returns": 0}[keep]
    assert any("the inputs begin" in line and "after the run's first session" in line for line in late.warnings)
    assert not any("of the past" in line for line in late.warnings)
    if keep == "weights":
        other = replace(oracle, score=-oracle.score)
        late = target_positions(less, other, prices.between(prices.sessions[60], None), unaccepted=True)
        assert any("begins anew there, or else prices or predictions are others" in line for line in late.warnings)


def test_a_past_session_of_the_run_is_answered_by_what_was_known_then(run, newest, capsys):
    stored_weights = run.table("weights")
    day = stored_weights.index[60]
    content = answer(capsys, run, newest, "--on", str(day.date()), "--why", str(stored_weights.columns[3]))
    targets = targets_of(content)
    np.testing.assert_allclose(targets, stored_weights.loc[day, targets.index], rtol=0, atol=1e-12)
    asset = content["why"]["asset"]
    assert f"target {targets[asset]:+.2%}" in content["why"]["reason"]
    assert "rank" in content["why"]["reason"]
    assert "vol target ×" in content["why"]["reason"]
    assert asked(run, newest, "--why", asset, "--on", str(day.date())) == 0
    assert capsys.readouterr().out.startswith(f"{asset} · {day.date()} · score")


def test_a_run_that_passed_needs_no_leave(newest, tmp_path, capsys):
    run = stored(tmp_path)
    assert asked(run, newest, unaccepted=False) == 2
    assert "no gate has judged it" in capsys.readouterr().err
    content = {"schema": 2, "run_id": run.id, "policy": "mine", "verdict": "fail"}
    (run.path / "gate.json").write_text(json.dumps(content))
    assert asked(run, newest, unaccepted=False) == 2
    assert "fail by the policy mine; --unaccepted" in capsys.readouterr().err
    (run.path / "gate.json").write_text(json.dumps({**content, "verdict": "pass"}))
    assert asked(run, newest, "--json", unaccepted=False) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["accepted"] is True
    assert not any("unaccepted" in line for line in shown["warnings"])


def test_orders_begin_at_the_holdings_and_files_say_what_is_shown(run, newest, capsys, tmp_path):
    prices, _ = market()
    close = prices.close.iloc[-1]
    first, second = prices.assets[0], prices.assets[1]
    (tmp_path / "holdings.csv").write_text(f"asset,shares\n{first},12\n{second},-5\ncash,50000\n")
    holdings = ["--holdings", str(tmp_path / "holdings.csv")]
    content = answer(capsys, run, newest, *holdings)
    nav = 50_000 + 12 * close[first] - 5 * close[second]
    assert content["nav"] == pytest.approx(nav)
    for row in content["positions"]:
        held = {first: 12.0, second: -5.0}.get(row["asset"], 0.0)
        assert row["held"] == held
        wanted = row["target"] * nav / close[row["asset"]]
        assert row["held"] + row["order"] == pytest.approx(wanted, abs=1e-6)
        assert row["reason"].startswith("score")
    for name in ("book.csv", "book.parquet"):
        out = tmp_path / name
        assert asked(run, newest, *holdings, "--out", str(out)) == 0
        table = pd.read_csv(out) if out.suffix == ".csv" else pd.read_parquet(out)
        assert not table["accepted"].any()
        assert table["asset"].tolist() == [row["asset"] for row in content["positions"]]
        np.testing.assert_allclose(table["order"], [row["order"] for row in content["positions"]])
    shown = capsys.readouterr().out
    assert "UNACCEPTED" in shown
    assert f"NAV {nav:,.2f}" in shown


def test_another_past_than_the_judged_one_is_said(run, newest, capsys, tmp_path):
    _, oracle = market()
    write_predictions(oracle.map(lambda frame: -frame), tmp_path / "other.parquet")
    content = answer(capsys, run, {**newest, "--predictions": tmp_path / "other.parquet"})
    assert any("come out differently" in line for line in content["warnings"])


REFUSED = {
    "prices that end before the predictions": (["--prices", "old"], "the prices end 2000-06-02, before"),
    "old predictions": (["--predictions", "old"], "the last prediction is 20 sessions older than 2000-06-30"),
    "an unknown asset": (["--holdings", "asset,shares\nNOPE,1\ncash,9\n"], "unknown asset in the holdings 'NOPE'"),
    "no cash": (["--holdings", "asset,shares\nX,1\n"], "the holdings need their cash"),
    "an asset twice": (["--holdings", "asset,shares\nX,1\nX,2\n"], "asset 'X' stands twice"),
    "shares that are none": (["--holdings", "asset,shares\nX,\ncash,1\n"], "1 rows whose shares are no number"),
    "other columns": (["--holdings", "asset,weight\nX,1\n"], "expected the columns asset and shares"),
    "NAV and cash": (["--nav", "100", "--cash", "5"], "give a NAV, or holdings with their cash, not both"),
    "no prices": (["--prices", "none"], "needs --prices too"),
    "no asset": (["--why", "NOPE"], "unknown asset of the strategy 'NOPE'"),
    "no session": (["--on", "2000-06-03"], "no session of the prices"),
    "no receipts": (["--max-receipt-age", "30"], "nothing says when the model was made"),
    "another strategy": (["--strategy", "quintile_long_short"], "is not made again from the stored parameters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_are_one_line_and_write_nothing(case, run, newest, capsys, tmp_path):
    (option, value), message = REFUSED[case][0][:2], REFUSED[case][1]
    files, rest = dict(newest), list(REFUSED[case][0])
    if value in ("old", "none"):
        kind = {"--prices": "old_prices", "--predictions": "old_preds"}[option]
        files.pop(option)
        if value == "old":
            files[option] = run.path.parent.parent / f"{kind}.parquet"
        rest = []
    elif option == "--holdings":
        (tmp_path / "holdings.csv").write_text(value)
        rest[1] = str(tmp_path / "holdings.csv")
    capsys.readouterr()
    assert asked(run, files, *rest, "--out", str(tmp_path / "book.csv")) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.strip().count("\n") == 0
    assert not (tmp_path / "book.csv").exists()


def test_what_the_run_predicted_itself_need_not_be_given_again(run, newest, capsys, tmp_path):
    whole = answer(capsys, run, newest)
    _, oracle = market()
    write_predictions(oracle.map(lambda frame: frame.iloc[75:]), tmp_path / "new.parquet")  # the run's own are 80
    content = answer(capsys, run, {**newest, "--predictions": tmp_path / "new.parquet"})
    np.testing.assert_allclose(targets_of(content), targets_of(whole), rtol=0, atol=1e-12)
    assert content["replayed"] == whole["replayed"]
    assert content["warnings"] == whole["warnings"]
    write_predictions(oracle.map(lambda frame: frame.iloc[84:]), tmp_path / "late.parquet")
    content = answer(capsys, run, {**newest, "--predictions": tmp_path / "late.parquet"})
    gap = "4 sessions between the run's predictions and the new ones"
    assert any(line.startswith(gap) for line in content["warnings"])


def test_old_predictions_are_allowed_by_max_age(run, newest, capsys):
    files = {**newest, "--predictions": run.path.parent.parent / "old_preds.parquet"}
    assert answer(capsys, run, files, "--max-age", "20")["age"] == 20


def test_something_held_without_a_price_is_refused(run, newest, capsys, tmp_path):
    prices, _ = market()
    gone = prices.assets[2]
    last = prices.sessions == prices.sessions[-1]
    holed = {name: getattr(prices, name).copy() for name in prices.fields}
    for frame in holed.values():
        frame.loc[last, gone] = np.nan
    write_prices(replace(prices, **holed), tmp_path / "prices.parquet")
    (tmp_path / "h.csv").write_text(f"asset,shares\n{gone},3\ncash,100\n")
    assert asked(run, {**newest, "--prices": tmp_path / "prices.parquet"}, "--holdings", str(tmp_path / "h.csv")) == 2
    assert f"1 held without a price on 2000-06-30, first '{gone}'" in capsys.readouterr().err


def test_entry_rules_are_refused(tmp_path, capsys):
    prices, oracle = market()
    up = PredictionPanel(None, probability_up=(oracle.score.rank(axis="columns", pct=True)))
    write_prices(prices, tmp_path / "prices.parquet")
    write_predictions(up, tmp_path / "preds.parquet")
    files = {"--prices": tmp_path / "prices.parquet", "--predictions": tmp_path / "preds.parquet"}
    given = [str(item) for pair in files.items() for item in pair]
    assert cli.main(["backtest", "--strategy", "confidence", *given, "--results", str(tmp_path / "runs")]) == 0
    (path,) = (tmp_path / "runs").glob("*-????????")
    assert asked(load_run(path), files) == 2
    assert "enters and exits bar by bar" in capsys.readouterr().err


def test_between_decisions_what_is_held_stays(newest, tmp_path, capsys):
    run = stored(tmp_path, "--strategy", "quintile_long_short", "--param", "every=week")
    assert asked(run, newest) == 0  # a Friday, and orders are placed on Mondays
    assert "no new decision: what is held stays as it is" in capsys.readouterr().out


def test_a_run_of_files_is_not_asked_on_the_sample(run, capsys):
    assert asked(run, {}) == 2
    assert "give its newest --prices and --predictions" in capsys.readouterr().err


def test_the_sample_needs_no_files(tmp_path, capsys):
    name = ["--strategy", "quintile_long_short", "--start", "2022-06-01", "--results", str(tmp_path)]
    assert cli.main(["backtest", *name]) == 0
    (path,) = tmp_path.glob("*-????????")
    content = answer(capsys, load_run(path), {}, "--nav", "1000000")
    targets = targets_of(content)
    np.testing.assert_allclose(targets, load_run(path).table("weights").iloc[-1][targets.index], rtol=0, atol=1e-12)
    assert content["nav"] == 1e6


def test_a_table_of_costs_is_asked_for_again(newest, tmp_path, capsys):
    (tmp_path / "costs.csv").write_text("date,borrow_bps\n2000-01-03,90\n")
    run = stored(tmp_path, "--costs-file", str(tmp_path / "costs.csv"))
    assert asked(run, newest) == 2
    assert "was made with the costs of costs.csv" in capsys.readouterr().err
    own = ["--costs-file", str(tmp_path / "costs.csv")]
    content = answer(capsys, run, newest, *own)
    assert content["replayed"]["largest_difference"] <= 1e-12
    (tmp_path / "live").mkdir()
    fills = run.table("fills").rename(columns={"session": "date"})[["date", "asset", "shares", "price", "cost"]]
    record(run, tmp_path / "live", load_fills(fills))
    beside = ["compare", str(run.path), "--live", str(tmp_path / "live"), "--capital", "1000000"]
    beside += [str(item) for pair in newest.items() for item in pair]
    assert cli.main(beside) == 2
    assert "was made with the costs of costs.csv" in capsys.readouterr().err
    assert cli.main([*beside, *own, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["fills"]
    assert [row["status"] for row in rows].count("filled") == len(fills)


def test_prices_older_than_the_exchange_are_refused(run, newest, capsys):
    pytest.importorskip("exchange_calendars")  # the last price is of Friday, 2000-06-30
    assert asked(run, newest, "--calendar", "XNYS", "--now", "2000-07-05 12:00") == 2
    assert "the prices end 2000-06-30, and XNYS has closed 2000-07-03; bring them" in capsys.readouterr().err
    for now in ("2000-07-03 12:00", "2000-06-30 23:00", "2000-07-03 16:30"):  # the third closed early, at 17:00 UTC
        assert asked(run, newest, "--calendar", "XNYS", "--now", now) == 0
    assert asked(run, newest, "--calendar", "XNIS", "--now", "2000-07-05") == 2
    assert "XNYS" in capsys.readouterr().err


def test_a_model_that_is_too_old_is_refused(run, newest, capsys, tmp_path):
    days = market()[0].sessions
    row = {"session": days[30], "model_id": "m", "fold": 0, "available_at": days[28]}
    row |= dict.fromkeys(("trained_through", "preprocessing_fit_through", "labels_known_through"), days[28])
    pd.DataFrame([row]).to_csv(tmp_path / "receipts.csv", index=False)
    old = (days[-1] - days[28]).days
    given = ["--receipts", str(tmp_path / "receipts.csv"), "--max-receipt-age"]
    assert asked(run, newest, *given, str(old)) == 0
    assert asked(run, newest, *given, str(old - 1)) == 2
    assert f"{old} days before, and at most {old - 1} are allowed" in capsys.readouterr().err
    shutil.copytree(run.path, tmp_path / run.path.name)
    judged = load_run(tmp_path / run.path.name)
    policy = tmp_path / "policy.toml"
    policy.write_text(f"[policy]\nmax_receipt_age = {old - 1}\n[rules.max_drawdown]\nat_least = -1\n")
    assert cli.main(["gate", str(judged.path), "--policy", str(policy)]) == 0
    assert asked(judged, newest, *given[:2]) == 2
    assert f"at most {old - 1} are allowed" in capsys.readouterr().err
    assert asked(judged, newest) == 2
    assert "nothing says when the model was made" in capsys.readouterr().err
    assert asked(judged, newest, *given, str(old), unaccepted=False) == 0  # what is typed goes before the policy
    policy.write_text("[policy]\nmax_receipt_age = -1\n[rules.max_drawdown]\nat_least = -1\n")
    assert cli.main(["gate", str(judged.path), "--policy", str(policy)]) == 2
    assert "max_receipt_age must be a whole number of days" in capsys.readouterr().err


def test_a_monitor_that_says_the_skill_is_gone_stops_it(newest, tmp_path, capsys):
    run = stored(tmp_path)
    content = {"schema": 2, "run_id": run.id, "policy": "mine", "verdict": "pass"}
    (run.path / "gate.json").write_text(json.dumps(content))
    given = [str(item) for pair in newest.items() for item in pair]
    assert cli.main(["gate", str(run.path), "--monitor", *given]) in (0, 3)
    assert asked(run, newest, unaccepted=False) == 0
    watched = json.loads((run.path / "monitor.json").read_text())
    watched |= {"state": "skill is gone", "sentence": "The skill is gone: since 2000-06-12 …"}
    (run.path / "monitor.json").write_text(json.dumps(watched))
    capsys.readouterr()
    assert asked(run, newest, unaccepted=False) == 2
    assert "The skill is gone: since 2000-06-12" in capsys.readouterr().err
    assert asked(run, newest, "--out", str(tmp_path / "book.csv")) == 0
    assert not pd.read_csv(tmp_path / "book.csv")["accepted"].any()
    assert "unaccepted: The skill is gone" in capsys.readouterr().out
    (run.path / "monitor.json").write_text("{")
    assert asked(run, newest) == 2
    assert "damaged" in capsys.readouterr().err


def test_fills_are_recorded_once_and_stand_beside_the_backtest(run, newest, tmp_path, capsys):
    """A broker who fills what the backtest does, 3 bps worse, but forgets one trade."""
    given = [str(item) for pair in newest.items() for item in pair]
    assert cli.main(["backtest", *given, "--results", str(tmp_path / "whole")]) == 0
    (whole,) = (tmp_path / "whole").glob("*-????????")
    own = load_run(whole).table("fills")
    first = own["session"].iloc[0]
    forgotten = own.index[own["session"] > first][5]
    rows = own.drop(index=forgotten)
    worse = rows["price"] * (1 + 3e-4 * np.sign(rows["shares"]))
    table = pd.DataFrame({"Date": rows["session"], "Symbol": rows["asset"], "Qty": rows["shares"], "Price": worse,
                          "Commission": rows["cost"]})  # fmt: skip
    table.to_csv(tmp_path / "fills.csv", index=False)
    (tmp_path / "live").mkdir()
    record = ["positions", str(run.path), "--state", str(tmp_path / "live"), "--record", str(tmp_path / "fills.csv")]
    capsys.readouterr()
    assert cli.main(record) == 0
    assert f"{len(rows):,} fills recorded" in capsys.readouterr().out
    assert cli.main(record) == 2
    assert "were recorded before; nothing is written" in capsys.readouterr().err
    compare = ["compare", str(run.path), "--live", str(tmp_path / "live"), "--capital", "1000000", *given]
    assert cli.main([*compare, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in found["fills"]].count("missed") == 1
    assert {row["status"] for row in found["fills"]} == {"filled", "missed"}
    price = next(row for row in found["slippage"] if row["kind"] == "price")
    assert price["bps"] == pytest.approx(3.0, abs=1e-6)
    assert found["costs"][0]["name"] == "commission_bps"
    assert found["costs"][0]["value"] == pytest.approx(5.0, rel=1e-3)
    assert found["returns"]["live"] < found["returns"]["model"]
    assert cli.main(compare) == 0
    assert "drift of weights" in capsys.readouterr().out
    assert cli.main(["compare", str(run.path), "--live", str(tmp_path / "live")]) == 2
    absent = ["compare", str(run.path), "--live", str(tmp_path / "absent"), "--capital", "1000000", *given]
    capsys.readouterr()
    assert cli.main(absent) == 2
    assert "absent: there is no such folder; name that of" in capsys.readouterr().err
    assert cli.main([*compare, "--html"]) == 2
    assert "--live draws no page; leave out --html and --output" in capsys.readouterr().err
    table.assign(Symbol="NOPE").to_csv(tmp_path / "fills.csv", index=False)
    assert cli.main(record) == 2
    assert "unknown asset in the fills 'NOPE'" in capsys.readouterr().err
    table.assign(Qty=0).to_csv(tmp_path / "fills.csv", index=False)
    assert cli.main(record) == 2
    assert "whose shares are no number, or 0" in capsys.readouterr().err
