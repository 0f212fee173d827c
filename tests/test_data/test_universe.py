"""Memberships and delisting returns: only members are ranked, traded, trained on; leaving is a sale; no look ahead."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.align import align
from assay.data.errors import DataQualityError, InputError
from assay.data.files.members import load_delisting_returns, load_members
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.data.universe import departures, with_delisting_returns, with_members
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.strategies.catalog import load_strategy

PRICES, SCORES = synthetic_market(220, 12, ic=0.1, seed=3)
DAYS, NAMES = PRICES.sessions, list(PRICES.assets)


def spells(*rows: tuple[str, int, int | None]) -> pd.DataFrame:
    """Asset, first and last session by position; the rest are members throughout."""
    named = {row[0] for row in rows}
    every = [(name, DAYS[0], pd.NaT) for name in NAMES if name not in named]
    own = [(name, DAYS[start], pd.NaT if end is None else DAYS[end]) for name, start, end in rows]
    return pd.DataFrame([*every, *own], columns=["asset", "from", "to"])


CHANGES = spells((NAMES[0], 0, 120), (NAMES[1], 100, None), (NAMES[2], 10, 60), (NAMES[2], 150, 180))
PANEL = with_members(PRICES, CHANGES)


@pytest.mark.parametrize("name", ["quintile_long_short", "s2_filter_negative", "confidence", "inverse_volatility"])
def test_nobody_but_a_member_is_bought_and_leaving_is_a_sale_at_the_next_fill(name: str):
    strategy = load_strategy(name)
    scores = SCORES
    if name == "confidence":
        up = SCORES.score.rank(axis="columns", pct=True)
        scores = PredictionPanel(None, probability_up=up)
    joined, report = align(scores, PANEL)
    assert report.counts["predictions: not a member of the universe"] > 100
    result = run_backtest(strategy, joined, PANEL)
    held = (result.holdings != 0).reindex(DAYS).fillna(False)
    inside = PANEL.members
    # A decision of session t is filled at t + 1: held at s only if it was a member at s − 1.
    assert not (held & ~inside.shift(1, fill_value=False)).to_numpy().any()
    assert held.to_numpy().any()
    left = departures(PANEL)
    before = held & left
    events = result.events[result.events["kind"] == "left_universe"]
    assert len(events) == int(before.to_numpy().sum()) == result.counts.get("left_universe", 0)
    if name in ("s2_filter_negative", "inverse_volatility"):
        assert len(events) >= 1


def test_members_alone_are_trained_on_and_predicted():
    ahead = forward_returns(PANEL)
    assert ahead.where(~PANEL.members).isna().all().all()
    pd.testing.assert_frame_equal(ahead.where(PANEL.members), forward_returns(PRICES).where(PANEL.members))
    plan = WalkForward(train=100, retrain=60).split(DAYS)
    found = walk_forward(load_model("ridge"), PANEL, plan).predictions
    inside = PANEL.members.reindex(found.sessions)
    assert found.score.where(~inside).isna().all().all()
    assert found.score.where(inside).notna().to_numpy().mean() > 0.8
    # What is no member moves no fit: other prices of an asset outside leave the other predictions as they are.
    never = with_members(PRICES, CHANGES[CHANGES["asset"] != NAMES[5]])
    moved = PRICES.close.copy()
    moved[NAMES[5]] *= np.exp(np.random.default_rng(0).normal(0, 0.01, len(DAYS)).cumsum())
    kept = {field: getattr(PRICES, field) for field in ("open", "high", "low", "volume")}
    other = with_members(PricePanel(moved, **kept), CHANGES[CHANGES["asset"] != NAMES[5]])
    strangers = [name for name in NAMES if name != NAMES[5]]
    one, two = (walk_forward(load_model("momentum"), panel, plan).predictions.score for panel in (never, other))
    pd.testing.assert_frame_equal(one[strangers], two[strangers])


def test_a_file_that_ends_earlier_moves_nothing_before():
    cut = 110
    known = CHANGES[CHANGES["from"] <= DAYS[cut]].copy()
    known.loc[known["to"] > DAYS[cut], "to"] = pd.NaT
    short = with_members(PRICES, known)
    pd.testing.assert_frame_equal(short.members.iloc[: cut + 1], PANEL.members.iloc[: cut + 1])
    results = []
    for panel in (PANEL, short):
        joined, _ = align(SCORES, panel)
        results.append(run_backtest(load_strategy("s2_filter_negative"), joined, panel))
    one, two = (result.returns.loc[: DAYS[cut]] for result in results)
    pd.testing.assert_series_equal(one, two, atol=0, rtol=0)
    assert PANEL.fingerprint != PRICES.fingerprint
    assert PANEL.through(DAYS[cut]).members.equals(PANEL.members.iloc[: cut + 1])


def test_a_panel_of_more_names_with_memberships_is_the_smaller_panel():
    outside = pd.DataFrame(
        np.random.default_rng(1).lognormal(3, 0.3, (len(DAYS), 3)), DAYS, ["Z1", "Z2", "Z3"]
    )
    close = PricePanel(PRICES.close)
    more = PricePanel(PRICES.close.join(outside))
    every = with_members(more, pd.DataFrame({"asset": NAMES, "from": DAYS[0], "to": pd.NaT}))
    score = SCORES.score.join(outside)
    joined, _ = align(PredictionPanel(score, unit="rank"), every)
    one = run_backtest(load_strategy("quintile_long_short"), joined, every)
    two = run_backtest(load_strategy("quintile_long_short"), PredictionPanel(SCORES.score, unit="rank"), close)
    np.testing.assert_allclose(one.nav, two.nav, rtol=1e-12)
    assert any("never members" in line for line in every.warnings)


def test_a_delisting_pays_what_the_file_says():
    close = PRICES.close.iloc[:60].copy()
    close.iloc[30:, 0] = np.nan
    panel = with_delisting_returns(PricePanel(close), pd.Series({NAMES[0]: -0.4, NAMES[1]: -1.0, "unknown": -1.0}))
    assert panel.close.iloc[30, 0] == pytest.approx(0.6 * close.iloc[29, 0])
    assert panel.close.iloc[31:, 0].isna().all()
    assert panel.close[NAMES[1]].equals(close[NAMES[1]])  # its prices go on
    weights = pd.DataFrame({NAMES[0]: [0.5]}, DAYS[[20]])
    from assay.engine.simulation import simulate

    result = simulate(panel, weights, costs=CostModel.zero(), execution=Execution(capital=100.0, fill="close"))
    bought = 50 / close.iloc[21, 0]
    assert result.nav.iloc[-1] == pytest.approx(50 + bought * 0.6 * close.iloc[29, 0])
    worthless = with_delisting_returns(PricePanel(close), pd.Series({NAMES[0]: -1.0}))
    result = simulate(worthless, weights, costs=CostModel.zero(), execution=Execution(capital=100.0, fill="close"))
    assert result.nav.iloc[-1] == pytest.approx(50, abs=1e-9)


def test_files_are_read_and_refused_in_one_line(tmp_path: Path, capsys):
    path = tmp_path / "members.csv"
    path.write_text("asset,from,to\nA,2020-01-02,2020-03-31\nA,2020-06-01,\n")
    found = load_members(path)
    assert found["to"].isna().tolist() == [False, True]
    assert found["from"].iloc[1] == pd.Timestamp("2020-06-01")
    for text, error, words in (
        ("asset,from\nA,2020-01-02\n", InputError, "asset, from and to"),
        ("asset,from,to\nA,2020-03-02,2020-01-02\n", DataQualityError, "before it joins"),
        ("asset,from,to\nA,,2020-01-02\n", DataQualityError, "without from"),
    ):
        path.write_text(text)
        with pytest.raises(error, match=words):
            load_members(path)
    path.write_text("asset,return\nA,-0.3\nB,-1.2\n")
    with pytest.raises(InputError, match="at least −1"):
        load_delisting_returns(path)
    with pytest.raises(InputError, match="no asset of the prices is a member"):
        with_members(PRICES, pd.DataFrame({"asset": ["Q"], "from": [DAYS[0]], "to": [pd.NaT]}))


def test_the_command_says_who_left_and_the_gate_knows_of_the_file(tmp_path: Path, capsys):
    market, scores, members = tmp_path / "market.parquet", tmp_path / "scores.parquet", tmp_path / "members.csv"
    write_prices(PRICES, market)
    write_predictions(SCORES, scores)
    CHANGES.assign(missing=1)[["asset", "from", "to"]].to_csv(members, index=False, date_format="%Y-%m-%d")
    paid = tmp_path / "paid.csv"
    paid.write_text(f"asset,return\n{NAMES[0]},-0.3\n")
    command = ["backtest", "--strategy", "s2_filter_negative", "--prices", str(market), "--predictions", str(scores),
               "--results", str(tmp_path / "runs"), "--json"]  # fmt: skip
    assert cli.main([*command, "--universe", str(members), "--delisting-returns", str(paid)]) == 0
    run = json.loads(capsys.readouterr().out)
    assert run["counts"]["left_universe"] >= 1
    assert not [item for item in run["metrics"] if item["name"] == "sharpe_missing_names"]
    assert cli.main(["runs", "rerun", run["run_id"], "--results", str(tmp_path / "runs")]) == 0
    capsys.readouterr()
    assert cli.main(command) == 0
    plain = json.loads(capsys.readouterr().out)
    bound = next(item for item in plain["metrics"] if item["name"] == "sharpe_missing_names")
    assert bound["low"] < bound["value"] < bound["high"]
    policy = tmp_path / "own.toml"
    policy.write_text("[rules.universe]\nrequired = true\n")
    verdicts = {}
    for name, chosen in (("with", run["run_id"]), ("without", plain["run_id"])):
        code = cli.main(["gate", chosen, "--policy", str(policy), "--results", str(tmp_path / "runs")])
        verdicts[name] = code
        capsys.readouterr()
    assert verdicts == {"with": 0, "without": 3}
