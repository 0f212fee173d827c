"""The lockbox: nothing sealed is read without an entry in the ledger, from whichever file."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.results.gate.policy import judge, load_policy
from assay.results.storage.chain import verify
from assay.results.storage.lockbox import open_lockbox, seal_market, seals_on, shut
from assay.results.storage.runs import load_run

SESSIONS = pd.bdate_range("2018-01-01", periods=500)
AFTER = SESSIONS[399]


def market(seed: int = 0) -> PricePanel:
    close = 100 * np.cumprod(1 + np.random.default_rng(seed).normal(0, 0.01, (500, 8)), axis=0)
    return PricePanel(pd.DataFrame(close, SESSIONS, [f"A{i}" for i in range(8)]))


def test_a_sealed_panel_ends_at_the_date_whichever_file_it_comes_from():
    prices = market()
    seal_market(prices, AFTER)
    for panel in (prices, PricePanel(prices.close.iloc[30:, :6]), PricePanel((prices.close * 1.5).round(6))):
        found = shut(panel)
        assert found.sessions[-1] == AFTER
        assert "100 sessions after" in found.warnings[-1]
    before = PricePanel(prices.close.iloc[:300])
    assert shut(before) is before
    assert shut(market(1)).sessions[-1] == SESSIONS[-1]
    with pytest.raises(InputError, match="all 90 sessions lie in the lockbox"):
        shut(PricePanel(prices.close.iloc[410:]))
    with pytest.raises(InputError, match="sealed after"):
        seal_market(prices, SESSIONS[450])


def test_an_opening_stands_in_the_ledger_with_its_reason():
    prices = market()
    with pytest.raises(InputError, match="data seal"):
        open_lockbox(prices, "curious")
    seal_market(prices, AFTER)
    with pytest.raises(InputError, match="say why"):
        open_lockbox(prices, "  ")
    with pytest.raises(InputError, match=r"before what is sealed, .*; give the file that has the sealed sessions"):
        open_lockbox(prices.through(AFTER), "curious")
    assert open_lockbox(prices, "the final test").sessions[-1] == SESSIONS[-1]
    again = open_lockbox(PricePanel(prices.close.iloc[10:]), "once more")
    assert "opened before" in again.warnings[-1]
    (seal,) = seals_on(prices)
    assert [item.reason for item in seal.openings] == ["the final test", "once more"]
    assert verify().broken == ()


def test_prices_that_changed_inside_are_not_opened():
    prices = market()
    seal_market(prices, AFTER)
    close = prices.close.copy()
    close.iloc[450, 2] *= 1.01
    with pytest.raises(InputError, match="not those that were sealed; nothing was opened"):
        open_lockbox(PricePanel(close), "the final test")
    assert seals_on(prices)[0].openings == ()


def test_there_must_be_sessions_on_both_sides():
    with pytest.raises(InputError, match="no sessions on one side"):
        seal_market(market(), SESSIONS[-1])


def test_the_commands_and_the_gate(tmp_path, capsys):
    prices = market()
    path, scores, out = tmp_path / "prices.parquet", tmp_path / "scores.parquet", tmp_path / "open.parquet"
    long = prices.close.rename_axis("date").reset_index().melt("date", var_name="asset", value_name="close")
    long.to_parquet(path)
    long.assign(score=np.random.default_rng(3).normal(size=len(long))).drop(columns="close").to_parquet(scores)

    def run(*arguments: str) -> tuple[int, dict]:
        own = ["--prices", str(path), "--predictions", str(scores), "--results", str(tmp_path / "runs"), "--json"]
        code = cli.main(["backtest", "--strategy", "quintile_long_short", *own, *arguments])
        answer = capsys.readouterr().out
        return code, json.loads(answer) if answer else {}

    assert cli.main(["data", "seal", str(path), "--after", str(AFTER.date()), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sessions"] == 100
    assert pd.Timestamp(pd.read_parquet(out)["date"].max()) == AFTER
    code, closed = run()
    assert code == 0
    assert closed["end"] == str(AFTER.date())
    code, opened = run("--open-lockbox", "the final test")
    assert opened["end"] == str(SESSIONS[-1].date())
    text = tmp_path / "policy.toml"
    text.write_text("[rules.sessions]\nat_least = 10\n", encoding="utf-8")

    def verdict(run_id: str) -> dict[str, str]:
        decision = judge(load_run(run_id, root=tmp_path / "runs"), load_policy(text))
        return {outcome.rule: outcome.verdict for outcome in decision.outcomes}

    assert verdict(closed["run_id"]) == {"sessions": "passed"}
    assert verdict(opened["run_id"]) == {"sessions": "passed", "lockbox": "passed"}
    run("--param", "quantile=0.3", "--open-lockbox", "and another")
    assert verdict(opened["run_id"])["lockbox"] == "insufficient"


def test_the_api_leaves_sealed_sessions_out_and_refuses_them(tmp_path):
    import assay

    prices = market()
    long = prices.close.rename_axis("date").reset_index().melt("date", var_name="asset", value_name="close")
    long.to_parquet(tmp_path / "prices.parquet")
    seal_market(prices, AFTER)
    assert assay.load_prices(tmp_path / "prices.parquet").sessions[-1] == AFTER
    score = pd.DataFrame(np.random.default_rng(3).normal(size=prices.shape), SESSIONS, prices.assets)
    panel, rule = assay.PredictionPanel(score), assay.load_strategy("quintile_long_short")
    plan = assay.WalkForward(train=200, retrain=100)
    stored = assay.backtest(rule, panel, shut(prices), root=tmp_path)
    for call in (
        lambda: assay.backtest(rule, panel, prices, root=tmp_path),
        lambda: assay.sweep("quintile_long_short", {"quantile": ["0.2", "0.4"]}, panel, prices, root=tmp_path),
        lambda: assay.walk_forward(assay.load_model("momentum"), prices, plan, root=tmp_path),
        lambda: assay.train(assay.load_model("momentum"), prices),
        lambda: assay.target_positions(stored.run, panel, prices, nav=1e6, unaccepted=True),
    ):
        with pytest.raises(InputError, match=r"100 sessions after .* are sealed"):
            call()
    assert seals_on(prices)[0].openings == ()
    opened = assay.load_prices(tmp_path / "prices.parquet", open_lockbox="the final test")
    assert assay.backtest(rule, panel, opened, root=tmp_path).result.sessions[-1] == SESSIONS[-1]
