"""A run after styles: its return by every cut sums to the net return, clones are explained, the gate reads it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.commands import main as cli
from assay.data.characteristics import characteristics
from assay.data.files.series import load_factors
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.simulation import simulate
from assay.results.checks.styles import Styles
from assay.results.evidence.attribution import book_of, by_asset, by_factor, by_leg, by_sector, by_stage
from assay.results.evidence.styles import StyleInputs, against_styles
from assay.results.gate.policy import judge, load_policy
from assay.results.report.run_data import RunData
from assay.results.report.sections.styles import styles_section
from assay.results.stats.styles import style_model
from assay.results.workflow import Checks, backtest
from assay.strategies.catalog import load_strategy

ATTRIBUTED = 1e-12


def ragged(seed: int, assets: int = 12, sessions: int = 60) -> PricePanel:
    """Opens and closes with gaps, a late listing and a delisting."""
    rng = np.random.default_rng(seed)
    dates, names = pd.bdate_range("2012-01-02", periods=sessions), [f"A{i:02d}" for i in range(assets)]
    close = 20 * np.cumprod(1 + rng.normal(0, 0.03, (sessions, assets)), axis=0)
    opened = close * np.exp(rng.normal(0, 0.01, close.shape))
    holes = rng.random(close.shape) < 0.03
    holes[:15, 0] = holes[40:, 1] = True
    close[holes] = opened[holes] = np.nan
    opened[rng.random(close.shape) < 0.02] = np.nan
    return PricePanel(pd.DataFrame(close, dates, names), open=pd.DataFrame(opened, dates, names))


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    fill=st.sampled_from(["open", "close"]),
    rate=st.sampled_from([0.0, 300.0]),
    lot=st.sampled_from([0.0, 10.0]),
    gross=st.sampled_from([0.5, 1.6]),
)
def test_every_cut_sums_to_the_net_return(seed: int, fill: str, rate: float, lot: float, gross: float):
    prices, rng = ragged(seed), np.random.default_rng(seed)
    weights = pd.DataFrame(rng.normal(0, 1, prices.close.shape), prices.sessions, prices.assets)
    weights = weights.mask(rng.random(weights.shape) < 0.3).iloc[10:]
    weights = gross * weights.div(weights.abs().sum(axis="columns"), axis="index")
    costs = CostModel(spread_bps=3, cash_rate_bps=rate, minimum_fee=1.0)
    result = simulate(prices, weights, costs=costs, execution=Execution(fill=fill, lot=lot))
    book = book_of(result, prices)
    assert book is not None
    sectors = pd.Series({name: "pq"[i % 2] for i, name in enumerate(prices.assets[2:])})
    model = style_model(prices.close.pct_change(fill_method=None), characteristics(prices), sectors)
    for cut in (by_asset(book), by_sector(book, sectors), by_leg(book), by_factor(book, model)[0]):
        assert float((cut.sum(axis="columns") - result.returns).abs().max()) < ATTRIBUTED
    # What no asset bears is nothing: every cost has its asset.
    unborne = by_asset(book)["cash"] - book.interest
    assert float(unborne.abs().max()) < ATTRIBUTED


def test_the_stages_sum_to_the_net_return():
    prices, predictions = synthetic_market(260, 12, ic=0.05, seed=2)
    result = run_backtest(load_strategy("s2_filter_negative"), predictions, prices)
    assert by_stage(result).sum() == pytest.approx(252 * float(result.returns.mean()), abs=ATTRIBUTED)


def test_an_asset_by_hand():
    dates = pd.bdate_range("2020-01-01", periods=4)
    prices = PricePanel(pd.DataFrame({"A": [10.0, 10.0, 11.0, 12.1], "B": [5.0, 5.0, 4.0, 4.0]}, dates))
    weights = pd.DataFrame({"A": [0.5], "B": [-0.5]}, dates[:1])
    costs = CostModel(borrow_bps=0, financing_bps=0)
    result = simulate(prices, weights, costs=costs, execution=Execution(capital=1000))
    book = book_of(result, prices)
    assert book is not None
    parts = by_asset(book)
    assert parts.loc[dates[1], "A"] == pytest.approx(-0.25 / 1000)  # 5 bps of 500
    assert parts.loc[dates[2], "A"] == pytest.approx(50 / 999.5)
    assert parts.loc[dates[2], "B"] == pytest.approx(100 / 999.5)
    assert parts.loc[dates[3], "A"] == pytest.approx(55 / 1149.5)
    assert by_leg(book).loc[dates[2], "short"] == pytest.approx(100 / 999.5)


def priced_style(seed: int) -> tuple[PricePanel, PredictionPanel, pd.Series]:
    """A market whose only premium is that of last year's winners, and scores that are nothing else."""
    rng = np.random.default_rng(seed)
    sessions, assets = 1100, 30
    dates, names = pd.bdate_range("2010-01-01", periods=sessions), [f"A{i:02d}" for i in range(assets)]
    logs = np.zeros((sessions, assets))
    beta, winners = rng.uniform(0.6, 1.4, assets), np.zeros(assets)
    for t in range(1, sessions):
        if t > 260:
            past = logs[t - 22] - logs[t - 253]
            winners = (past - past.mean()) / past.std()
        earned = rng.normal(0.001, 0.004)
        logs[t] = logs[t - 1] + beta * rng.normal(0, 0.01) + earned * winners + rng.normal(0, 0.012, assets)
    panel = PricePanel(pd.DataFrame(50 * np.exp(logs), dates, names))
    score = characteristics(panel, names=["momentum"])["momentum"].iloc[300:]
    benchmark = panel.close.pct_change(fill_method=None).mean(axis="columns")
    return panel, PredictionPanel(score, unit="rank", name="momentum"), benchmark.rename("market")


def test_a_clone_of_momentum_is_explained_and_the_gate_says_so(tmp_path):
    prices, predictions, benchmark = priced_style(1)
    strategy, free = load_strategy("quintile_long_short"), CostModel.zero()
    asked = Checks(styles=True)
    stored = backtest(strategy, predictions, prices, benchmark=benchmark, costs=free, checks=asked, root=tmp_path)
    check = stored.checks.styles
    assert check is not None
    assert stored.evidence["alpha_t_net"].value > 4  # after beta it looks like skill
    left = check.metric("alpha_ann_styles_net")
    assert left is not None
    assert left.low is not None
    assert left.low < 0
    assert check.result == "explained"
    assert "explained by styles" in check.sentence
    assert Styles.from_dict(json.loads(json.dumps(check.to_dict()).replace("NaN", "null"))) == check
    parts = stored.run.table("style_parts")
    assert float((parts.sum(axis="columns") - stored.result.returns).abs().max()) < ATTRIBUTED
    earned = parts.mean() * 252
    assert earned["momentum"] > 0.8 * float(stored.result.returns.mean()) * 252
    shown = str(stored)
    assert shown.count("  after styles") == 3
    outcomes = {item.rule: item for item in judge(stored.run, load_policy("production")).outcomes}
    assert outcomes["skill_share_styles"].verdict == "failed"
    share, own = check.metric("skill_share_styles"), stored.run.table("skill_styles")
    whole = stored.run.table("skill").reindex(own.index)
    ics = [(table["x"] / np.sqrt(table["df"])).mean() for table in (own, whole)]
    assert share.value == pytest.approx(ics[0] / ics[1], rel=1e-9)
    assert share.low < share.value < share.high < 0.5
    expected, implied = check.metric("expected_alpha_ann_styles"), check.metric("implied_alpha_ann_styles")
    assert expected.value == pytest.approx((left.value + implied.value) / 2, rel=1e-9)
    assert expected.low < expected.value < expected.high
    assert outcomes["expected_alpha_styles"].value == expected.value
    titles = {part.title for part in styles_section(RunData(stored.run)).parts}
    assert {f"Return by {kind}" for kind in ("factor", "leg", "stage", "asset")} <= titles
    assert {"After styles", "Exposure to styles", "Net return by factor"} <= titles
    told = {"Legs", "Regimes", "Crises", "Worst and best days explained", "How long the ranking lasts"}
    assert told | {"Returns by tenth of the score", "Returns by how long they are held"} <= titles | {"Crises"}
    # Without styles the same run keeps what was measured, and its figures are those that stand there.
    plain = backtest(strategy, predictions, prices, benchmark=benchmark, costs=free, root=tmp_path)
    assert plain.run.id == stored.run.id
    assert plain.run.has("style_parts")
    assert "styles" in plain.run.checks


def test_without_styles_the_rules_are_insufficient_and_of_few_assets_not_applicable(tmp_path):
    prices, predictions = synthetic_market(150, 6, seed=1)
    plain = backtest(load_strategy("quintile_long_short"), predictions, prices, root=tmp_path)
    rules = {item.rule: item for item in judge(plain.run, load_policy("production")).outcomes}
    for name in ("skill_share_styles", "expected_alpha_styles"):
        assert rules[name].verdict == "insufficient"
        assert "--styles" in rules[name].reason
    few = backtest(load_strategy("quintile_long_short"), predictions, prices, checks=Checks(styles=True), root=tmp_path)
    rules = {item.rule: item for item in judge(few.run, load_policy("production")).outcomes}
    assert rules["expected_alpha_styles"].verdict == "not applicable"
    assert rules["skill_share_styles"].verdict == "not applicable"
    strict = tmp_path / "strict.toml"
    strict.write_text('[policy]\nname = "strict"\n[rules.skill_e_styles]\nat_least = 20\n', encoding="utf-8")
    (evidence,) = judge(few.run, load_policy(strict)).outcomes
    assert evidence.verdict == "failed"  # six assets: the one test stands, after beta alone
    assert "after beta alone" in evidence.reason


def test_factors_of_ones_own_are_taken_out_too():
    prices, predictions, benchmark = priced_style(2)
    result = run_backtest(load_strategy("quintile_long_short"), predictions, prices, benchmark=benchmark)
    own = pd.DataFrame({"mine": result.returns + np.random.default_rng(0).normal(0, 1e-4, len(result.returns))})
    check, _ = against_styles(result, predictions, prices, StyleInputs(factors=own))
    assert "mine" in check.factors
    with_it, without = check.metric("alpha_ann_styles_net"), against_styles(result, predictions, prices)[0]
    plain = without.metric("alpha_ann_styles_net")
    assert with_it is not None
    assert plain is not None
    assert plain.high - plain.low > 1.2 * (with_it.high - with_it.low)


def test_the_files_of_styles_are_read_by_the_command(tmp_path, capsys):
    prices, predictions = synthetic_market(200, 12, seed=4)
    market, scores = tmp_path / "market.parquet", tmp_path / "scores.parquet"
    from assay.data.files.predictions import write_predictions
    from assay.data.files.prices import write_prices

    write_prices(prices, market)
    write_predictions(predictions, scores)
    names, days = list(prices.assets), prices.sessions
    sectors = "".join(f"{name},{'ab'[i % 2]}\n" for i, name in enumerate(names))
    (tmp_path / "sectors.csv").write_text("asset,sector\n" + sectors)
    rows = "".join(f"{days[0].date()},{name},{1e9 * (i + 1):.0f}\n" for i, name in enumerate(names))
    (tmp_path / "caps.csv").write_text("date,asset,market_cap\n" + rows)
    lines = "".join(f"{day.date()},{0.001 * (i % 3 - 1)}\n" for i, day in enumerate(days))
    (tmp_path / "own.csv").write_text("date,SMB\n" + lines)
    command = ["backtest", "--strategy", "quintile_long_short", "--prices", str(market), "--predictions", str(scores),
               "--sectors", str(tmp_path / "sectors.csv"), "--market-caps", str(tmp_path / "caps.csv"),
               "--factors", str(tmp_path / "own.csv"), "--results", str(tmp_path / "runs"), "--json"]  # fmt: skip
    assert cli.main(command) == 0
    styles = json.loads(capsys.readouterr().out)["styles"]
    assert {"size", "liquidity", "a", "b", "SMB"} <= set(styles["factors"])
    (tmp_path / "own.csv").write_text("date,SMB\n" + lines.replace("0.001", "1.2"))
    assert cli.main(command) == 2
    assert "percent?" in capsys.readouterr().err
    # A file as French's library has it: prose, a nameless column of days, percent, a rate, and years below.
    rows = "".join(f"{day:%Y%m%d},{0.3 * (i % 5 - 2):8.2f},{-99.99 if i == 3 else 0.2:8.2f},   0.01\n"
                   for i, day in enumerate(days))  # fmt: skip
    (tmp_path / "own.csv").write_text(f"This file was created by hand.\n\n,Mkt-RF,SMB,RF\n{rows}\n 2000,1,1,1\n")
    french = load_factors(tmp_path / "own.csv")
    assert list(french.columns) == ["Mkt-RF", "SMB"]
    assert french.index.equals(pd.DatetimeIndex(days, freq=None))
    assert french["Mkt-RF"].iloc[:3].tolist() == pytest.approx([-0.006, -0.003, 0.0])
    assert np.isnan(french["SMB"].iloc[3])
    downloaded = french.assign(RF=0.0001).mul(100).rename_axis("Date").reset_index()  # as pandas-datareader gives it
    pd.testing.assert_frame_equal(load_factors(downloaded), french, check_names=False, check_freq=False)
    (tmp_path / "sectors.csv").write_text("asset,sector\nA,x\nA,y\n")
    assert cli.main(command) == 2
    assert "stands twice" in capsys.readouterr().err
