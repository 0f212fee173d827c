"""Does an accepted skill hold: the detector against its definition and its false alarms, and the command."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.synthetic import score_panel
from assay.results.gate.drift import drift, effective_cases, population_stability
from assay.results.gate.evidence_rules import Subject, skill_e
from assay.results.gate.monitor import ALARM, detector
from assay.results.stats.skill import evidence_path
from assay.results.workflow import backtest
from assay.results.workflow.monitoring import monitor
from assay.strategies.catalog import load_strategy

SESSIONS = pd.bdate_range("2012-01-02", periods=1100)


def market() -> PricePanel:
    rng = np.random.default_rng(3)
    returns = rng.normal(0, 0.008, (1100, 1)) + rng.normal(0, 0.015, (1100, 20))
    names = [f"A{i:02d}" for i in range(20)]
    return PricePanel(pd.DataFrame(100 * np.cumprod(1 + returns, axis=0), SESSIONS, names))


PRICES = market()
ABLE = score_panel(forward_returns(PRICES), 0.12, 5.0, 1, lasting=True)
BENCHMARK = PRICES.close.pct_change().mean(axis=1).fillna(0.0)
CUT = 600


def accepted(root):
    first = PredictionPanel(ABLE.score.iloc[:CUT], name="able")
    prices = PricePanel(PRICES.close.iloc[: CUT + 2])
    return backtest(load_strategy("quintile_long_short"), first, prices, benchmark=BENCHMARK, root=root).run


def dying(at: int) -> PredictionPanel:
    score = ABLE.score.copy()
    score.iloc[at:] = np.random.default_rng(9).normal(0, score.to_numpy().std(), score.iloc[at:].shape)
    return PredictionPanel(score, name="dying")


def test_the_detector_is_the_sum_over_all_starts():
    rng = np.random.default_rng(1)
    x, df = rng.normal(0, 1, 30), np.full(30, 18.0)
    step = 0.05 * math.sqrt(18)
    gains = [math.exp(step * (step - v) - (step * (step - v)) ** 2 / 2) for v in x]
    for t in (0, 7, 29):
        by_definition = sum(math.prod(gains[start : t + 1]) for start in range(t + 1))
        assert detector(x, df, 0.05)[t] == pytest.approx(by_definition, rel=1e-9)


def test_false_alarms_are_rare_and_death_is_seen():
    rng = np.random.default_rng(2)
    df = np.full(2520, 18.0)
    alive = [detector(rng.normal(0.05 * 18**0.5, 1, 2520), df, 0.05).max() >= ALARM for _ in range(200)]
    dead = [int((detector(rng.normal(0, 1, 2520), df, 0.05) >= ALARM).argmax()) for _ in range(100)]
    assert np.mean(alive) < 0.3  # ten years each: at most half of them at 5% a year
    assert 50 < np.median(dead) < 600


def test_skill_that_holds_and_skill_that_died(tmp_path):
    run = accepted(tmp_path)
    holds = monitor(run, ABLE, PRICES)
    assert (holds.state, holds.exit_code) == ("skill holds", 0)
    assert holds.held_to == pytest.approx(max(0.5 * holds.accepted_ic, run.metric("skill_ic")["low"]))
    assert holds.sessions == len(SESSIONS) - CUT - 2
    assert holds.psi < holds.psi_limit
    gone = monitor(run, dying(CUT), PRICES)
    assert (gone.state, gone.exit_code) == ("skill is gone", 1)
    assert gone.since > str(SESSIONS[CUT].date())
    assert "The skill is gone: since" in gone.sentence


def test_what_comes_after_today_changes_nothing(tmp_path):
    run = accepted(tmp_path)
    early = PricePanel(PRICES.close.iloc[:702])
    found = monitor(run, PredictionPanel(ABLE.score.iloc[:700], name="x"), early)
    altered = PRICES.close.copy()
    altered.iloc[702:] *= 3.0
    again = monitor(run, PredictionPanel(ABLE.score.iloc[:700], name="x"), PricePanel(altered))
    assert found == again


def test_too_early_and_nothing_to_hold_it_to(tmp_path):
    run = accepted(tmp_path)
    few = monitor(run, PredictionPanel(ABLE.score.iloc[: CUT + 10], name="x"), PRICES)
    assert (few.state, few.exit_code) == ("too early", 3)
    noise = score_panel(forward_returns(PRICES), 0.0, 5.0, 4)
    worthless = PredictionPanel(-ABLE.score.iloc[:CUT], name="worse")
    bad = backtest(load_strategy("quintile_long_short"), worthless, PRICES, root=tmp_path).run
    with pytest.raises(InputError, match="nothing to hold it to"):
        monitor(bad, noise, PRICES)


def test_psi_stays_below_its_limit_without_drift_and_not_with_it():
    rng = np.random.default_rng(5)
    below = []
    for _ in range(200):
        psi, limit = population_stability(rng.normal(size=1000), rng.normal(size=400), cases=(1000, 400))
        below.append(psi <= limit)
    assert 0.9 < np.mean(below) < 0.99
    psi, limit = population_stability(rng.normal(size=1000), rng.normal(0.4, 1, 400), cases=(1000, 400))
    assert psi > limit


def test_evidence_of_consecutive_runs_multiplies(tmp_path):
    first = accepted(tmp_path)
    rest = PredictionPanel(ABLE.score.iloc[CUT:], name="able")
    second = backtest(load_strategy("quintile_long_short"), rest, PRICES, benchmark=BENCHMARK, root=tmp_path).run
    parts = [run.table("skill")[["x", "df"]] for run in (first, second)]
    whole = pd.concat([parts[0], parts[1][parts[1].index > parts[0].index[-1]]])
    tried = Subject(second, None).trials.distinct
    expected = math.exp(min(evidence_path(whole["x"].to_numpy(), whole["df"].to_numpy())[-1], 690)) / tried
    assert skill_e(Subject(second, None, (first,))).value == pytest.approx(expected, rel=1e-9)


def test_the_command(tmp_path, capsys):
    run = accepted(tmp_path / "runs")
    long = PRICES.close.rename_axis("date").reset_index().melt("date", var_name="asset", value_name="close")
    long.to_parquet(tmp_path / "prices.parquet")
    scores = dying(CUT).score.rename_axis("date").reset_index().melt("date", var_name="asset", value_name="score")
    scores.dropna().to_parquet(tmp_path / "scores.parquet")
    own = ["gate", run.id, "--monitor", "--results", str(tmp_path / "runs")]
    files = ["--predictions", str(tmp_path / "scores.parquet"), "--prices", str(tmp_path / "prices.parquet")]
    assert cli.main([*own, *files, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "skill is gone"
    assert cli.main(own) == 2
    assert "--predictions and --prices" in capsys.readouterr().err


def slow(rng, sessions: int, phi: float, shift: float = 0.0) -> np.ndarray:
    out = rng.normal(size=(sessions, 10))
    for t in range(1, sessions):
        out[t] = phi * out[t - 1] + math.sqrt(1 - phi**2) * out[t]
    return out + shift


def test_slow_values_are_worth_fewer_cases_and_drift_is_seen():
    rng = np.random.default_rng(4)
    levels = 5 * rng.normal(size=10)  # differences between names are no persistence
    assert effective_cases(slow(rng, 3000, 0.9) + levels) == pytest.approx(10 * 3000 / 19, rel=0.15)
    assert effective_cases(rng.normal(size=(500, 10))) == pytest.approx(5000, rel=0.2)
    common = rng.normal(size=(2000, 1)) + np.zeros((1, 10))
    assert effective_cases(common) == pytest.approx(2000, rel=0.2)
    found = [drift("x", slow(rng, 750, 0.95), slow(rng, 250, 0.95)) for _ in range(60)]
    assert np.mean([item.drifted for item in found]) <= 0.1
    shared = [drift("x", 0.3 * slow(rng, 750, 0) + slow(rng, 750, 0.9)[:, :1], 0.3 * slow(rng, 250, 0)
                    + slow(rng, 250, 0.9)[:, :1]) for _ in range(60)]  # fmt: skip
    assert np.mean([item.drifted for item in shared]) <= 0.12
    assert drift("x", slow(rng, 750, 0.9), slow(rng, 250, 0.9, 1.0)).drifted
    assert drift("x", np.full((4, 2), np.nan), slow(rng, 30, 0.5)) is None


def test_features_that_drift_and_a_book_that_loses_its_alpha_are_said(tmp_path):
    from assay.engine.folds import WalkForward
    from assay.models.baselines import Momentum, Ridge
    from assay.results.workflow import walk_forward

    rng = np.random.default_rng(6)
    returns = rng.normal(0, 0.01, (900, 12))
    for t in range(2, 900):
        returns[t] -= 0.35 * returns[t - 2]  # yesterday's return predicts at delay 1
    dates, names = pd.bdate_range("2012-01-02", periods=900), [f"A{i:02d}" for i in range(12)]
    calm = returns.copy()
    returns[600:] *= 3.0
    market_of = lambda values: PricePanel(pd.DataFrame(100 * np.cumprod(1 + values, axis=0), dates, names))  # noqa: E731
    wild, quiet = market_of(returns), market_of(calm)
    plan = WalkForward(train=300, retrain=300, start=dates[300], end=dates[597])
    stored = walk_forward(Ridge(), quiet.through(dates[599]), plan, load_strategy("quintile_long_short"),
                          baselines=False, root=tmp_path)  # fmt: skip
    later = Ridge().fit(quiet.through(dates[299]), horizon=1, delay=1, seed=0)
    same = monitor(stored.run, later.predict(quiet), quiet)
    changed = monitor(stored.run, later.predict(wild), wild)
    assert {item.name for item in same.features if item.drifted} == set()
    assert {"volatility_20"} <= {item.name for item in changed.features if item.drifted}
    assert "features have drifted" in changed.sentence
    assert same.alpha is not None
    assert abs(same.alpha.gap_t) < 2.5
    assert same.alpha.implied == pytest.approx(same.alpha.realised, rel=1.0)
    # The same predictions, of prices that the book trades at other returns than those it ranks: skill, and no alpha.
    assert monitor(stored.run, Momentum().fit(quiet.through(dates[299]), horizon=1, delay=1, seed=0).predict(quiet),
                   quiet).alpha.implied < same.alpha.implied  # fmt: skip
