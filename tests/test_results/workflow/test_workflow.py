"""The workflow as a notebook calls it: panels in, a stored run out, the same one that the command makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.benchmark import check_benchmark
from assay.data.errors import InputError, TrainingError
from assay.data.files.predictions import write_predictions
from assay.data.files.prices import write_prices
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.folds import WalkForward
from assay.models.baselines import MajorityClass, Ridge
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.evidence.skill import skill_of
from assay.results.evidence.styles import StyleInputs
from assay.results.gate.policy import judge, load_policy
from assay.results.report.compare import compare_runs
from assay.results.report.tearsheet import write_tearsheet
from assay.results.report.terminal import render_run
from assay.results.storage.runs import Run, load_run
from assay.results.storage.trial_ledger import read_trials
from assay.results.workflow import Checks, backtest, predict, save_model, sweep, train, walk_forward
from assay.results.workflow.backtests import without_sector
from assay.strategies.base import decide
from assay.strategies.catalog import load_strategy

PRICES, ORACLE = synthetic_market(330, 8, ic=0.15, seed=5)
PLAN = WalkForward(train=200, retrain=60)
QUINTILE = load_strategy("quintile_long_short")


class Heard:
    """Everything that was told."""

    def __init__(self) -> None:
        self.tasks: dict[str, list[tuple[int, int]]] = {}
        self.lines: list[str] = []

    def advance(self, task: str, done: int, total: int, note: str = "", running: float = 0.0) -> None:
        self.tasks.setdefault(task, []).append((done, total))

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    paths = {"prices": tmp_path / "prices.parquet", "predictions": tmp_path / "preds.parquet"}
    write_prices(PRICES, paths["prices"])
    write_predictions(ORACLE, paths["predictions"])
    return paths


def metrics_of(run: Run) -> bytes:
    return (run.path / "metrics.json").read_bytes()


def lying(frame: pd.DataFrame, how: str) -> pd.DataFrame:
    """The same values, lying otherwise in memory."""
    if how == "pieces":
        return pd.concat([frame.iloc[:, :3], frame.iloc[:, 3:]], axis="columns", sort=False)
    values = np.array(frame.to_numpy(), order="C" if how == "session after session" else "F")
    return pd.DataFrame(values, frame.index, frame.columns, copy=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: backtest("quintile_long_short", ORACLE, PRICES), "strategy must be one; load_strategy makes it .*str"),
        (lambda: backtest(QUINTILE, PRICES, ORACLE), r"predictions must be a PredictionPanel.*\(got PricePanel\)"),
        (lambda: backtest(QUINTILE, ORACLE, PRICES.close), r"prices must be a PricePanel.*\(got DataFrame\)"),
        (lambda: backtest(QUINTILE, ORACLE, PRICES, costs=5), "costs must be a CostModel"),
        (lambda: backtest(type(QUINTILE), ORACLE, PRICES), r"strategy must be one.*\(got the class Quintile"),
        (lambda: backtest(QUINTILE, None, PRICES), r"predictions must be a PredictionPanel.*\(got NoneType\)"),
        (lambda: backtest(QUINTILE, ORACLE, PRICES, styles=PRICES.close["S000"]), "styles must be StyleInputs"),
        (lambda: backtest(QUINTILE, ORACLE, PRICES, benchmark=PRICES.close["S000"]),
         "benchmark: half of the values are beyond ±50%; of prices"),
        (lambda: check_benchmark(PRICES.close["S000"] / -10), "benchmark: a return below -100% at "),
        (lambda: check_benchmark(PRICES.close["S000"] * np.inf), "benchmark: infinite values; leave"),
        (lambda: check_benchmark(PRICES.close["S000"].astype(object)), "benchmark: expected floats, got object"),
        (lambda: walk_forward(None, PRICES, PLAN), r"model must be one.*\(got NoneType\)"),
        (lambda: walk_forward(Ridge, PRICES, PLAN), r"model must be one.*\(got the class Ridge\)"),
        (lambda: sweep(QUINTILE, {"quantile": ["0.1"]}, ORACLE, PRICES), "sweep: strategy must be a name"),
        (lambda: sweep("quintile_long_short", {"quantile": ["0.1"]}, "preds.csv", PRICES), r"PredictionPanel.*got str"),
        (lambda: walk_forward("ridge", PRICES, PLAN), "walk_forward: model must be one; load_model"),
        (lambda: walk_forward(Ridge(), PRICES, "monthly"), "plan must be a WalkForward"),
        (lambda: sweep("quintile_long_short", {"quantile": "0.1"}, ORACLE, PRICES), "quantile of the grid must be a"),
        (lambda: Execution(delay=1.5), "delay must be a whole number, got 1.5"),
    ],
)
def test_what_is_no_panel_no_part_and_no_returns_is_said_in_one_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_what_benchmark_and_sectors_do_not_cover_is_counted():
    whole = PRICES.close.mean(axis="columns").pct_change(fill_method=None)
    result = run_backtest(QUINTILE, ORACLE, PRICES, benchmark=whole.iloc[1:200])
    gaps = result.returns.index[1:].difference(whole.index[1:200])
    assert len(gaps) > 100
    expected = f"benchmark: no return on {len(gaps)} of {len(result.returns)} sessions, first {gaps[0].date()}; figures"
    assert any(line.startswith(expected) for line in result.warnings)
    assert not any("benchmark" in line for line in run_backtest(QUINTILE, ORACLE, PRICES, benchmark=whole).warnings)
    sectors = StyleInputs(pd.Series(dict.fromkeys(PRICES.assets[:3], "Tech")))
    assert without_sector(PRICES, sectors) == [f"sectors: 5 of 8 assets have none, first {PRICES.assets[3]!r}"]
    assert without_sector(PRICES, None) == []


def test_how_frames_lie_in_memory_shows_in_no_bit():
    made = set()
    for how in ("session after session", "asset after asset", "pieces"):
        prices = replace(PRICES, **{name: lying(getattr(PRICES, name), how) for name in PRICES.fields})
        evidence = skill_of(replace(ORACLE, score=lying(ORACLE.score, how)), prices, delay=1, fill="open")
        assert evidence is not None
        made.add(evidence.known.to_numpy().tobytes())
    assert len(made) == 1


def test_a_backtest_is_computed_checked_counted_and_stored(tmp_path):
    heard = Heard()
    checks = Checks(leaks=True, cross_check=True, canaries=True, capacity=True, random_runs=19)
    costs, execution = CostModel(commission_bps=2.0), Execution(delay=ORACLE.delay)
    stored = backtest(
        QUINTILE, ORACLE, PRICES, costs=costs, execution=execution, checks=checks, root=tmp_path, progress=heard
    )
    plain = run_backtest(QUINTILE, ORACLE, PRICES, costs=costs, execution=execution)
    pd.testing.assert_series_equal(stored.result.returns, plain.returns)
    assert stored.evidence["sharpe_net"].value == stored.run.metric("sharpe_net")["value"]
    assert {check.kind for check in stored.checks.made} == {
        "leaks", "cross_check", "random_scores", "shifted_scores", "capacity", "trials",
    }  # fmt: skip
    again = load_run(stored.run.id, root=tmp_path)
    assert CheckOutcomes.of(again).sentences == stored.checks.sentences
    assert stored.checks.trials is not None
    assert stored.checks.trials.count == read_trials().count == 1
    assert stored.failures == ()
    assert str(stored) == render_run(again)
    assert len(repr(stored)) < 2000
    assert heard.tasks == {"leak tests": [(0, 1), (1, 1)], "random-score runs": [(0, 20), (20, 20)]}
    assert [line.split(":")[0] for line in heard.lines] == ["second engine", "capacity"]


def test_nothing_is_checked_unasked_and_nothing_is_printed(tmp_path, capsys):
    stored = backtest(QUINTILE, ORACLE, PRICES, root=tmp_path)
    assert [check.kind for check in stored.checks.made] == ["trials"]
    assert capsys.readouterr() == ("", "")


def test_the_command_makes_the_same_run(tmp_path, files, capsys):
    own = ("--prices", files["prices"], "--predictions", files["predictions"], "--results", tmp_path / "cli")
    assert cli.main([str(item) for item in ("backtest", "--strategy", "quintile_long_short", *own, "--json")]) == 0
    answer = json.loads(capsys.readouterr().out)
    from assay.data.files.predictions import load_predictions
    from assay.data.files.prices import load_prices

    predictions = load_predictions(files["predictions"], name="preds")
    stored = backtest(
        QUINTILE, predictions, load_prices(files["prices"]), execution=Execution(), root=tmp_path / "api"
    )
    assert stored.run.id == answer["run_id"]
    assert metrics_of(stored.run) == (Path(answer["path"]) / "metrics.json").read_bytes()
    assert read_trials().count == 1  # one ledger for both results folders


def test_predictions_that_do_not_join_are_counted_and_panels_are_left_alone(tmp_path):
    score = ORACLE.score.rename(columns={ORACLE.assets[0]: "STRANGER"})
    strange = PredictionPanel(score, horizon=ORACLE.horizon, delay=ORACLE.delay)
    before = PRICES.fingerprint, strange.fingerprint
    stored = backtest(QUINTILE, strange, PRICES, root=tmp_path)
    assert stored.result.counts["predictions: asset unknown"] == int(score["STRANGER"].notna().sum())
    assert any("do not join" in line for line in stored.run.metrics["warnings"])
    assert (PRICES.fingerprint, strange.fingerprint) == before


def test_how_predictions_were_made_tells_trials_apart_instead_of_their_fingerprint(tmp_path):
    noisy = ORACLE.map(lambda frame: -frame)
    for panel in (ORACLE, noisy):
        backtest(QUINTILE, panel, PRICES, made_by={"recipe": "the oracle"}, root=tmp_path)
    assert read_trials().count == 1
    backtest(QUINTILE, noisy, PRICES, root=tmp_path)
    backtest(QUINTILE, ORACLE, PRICES, root=tmp_path)
    assert read_trials().count == 3


def test_a_benchmark_is_shown_by_its_name(tmp_path):
    market = PRICES.close.pct_change().mean(axis="columns").iloc[1:].rename("the market")
    stored = backtest(QUINTILE, ORACLE, PRICES, benchmark=market, root=tmp_path)
    assert stored.run.manifest["benchmark"] == "the market"
    assert "vs the market" in str(stored)


def test_vectorbt_gets_weights_and_refuses_an_entry_rule(tmp_path):
    costs = CostModel(commission_bps=5.0, borrow_bps=0.0, financing_bps=0.0)
    native = backtest(QUINTILE, ORACLE, PRICES, costs=costs, root=tmp_path)
    other = backtest(QUINTILE, ORACLE, PRICES, costs=costs, engine="vectorbt", root=tmp_path)
    np.testing.assert_allclose(other.result.returns, native.result.returns, atol=1e-9)
    assert other.run.id != native.run.id
    probability = (0.5 + 20 * ORACLE.score).clip(0, 1)
    panel = PredictionPanel(None, probability_up=probability, horizon=ORACLE.horizon, delay=ORACLE.delay)
    rule = load_strategy("confidence")
    with pytest.raises(InputError, match="executed bar by bar"):
        backtest(rule, panel, PRICES, costs=costs, engine="vectorbt", root=tmp_path)
    checks = Checks(cross_check=True, capacity=True)
    stored = backtest(rule, panel, PRICES, checks=checks, root=tmp_path)
    assert {check.state for check in (stored.checks.cross_check, stored.checks.capacity)} == {"not run"}
    assert stored.failures == ()


def test_a_leaking_strategy_fails_and_is_stored_all_the_same(tmp_path):
    class Leaking(type(QUINTILE)):  # type: ignore[misc]
        def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
            weights = decide(QUINTILE, predictions, prices).weights
            return weights * (1.0 if prices.sessions[-1] == PRICES.sessions[-1] else 0.5)

    stored = backtest(Leaking(), ORACLE, PRICES, checks=Checks(leaks=True), root=tmp_path)
    assert stored.failures
    assert "weights" in stored.failures[0]
    assert stored.checks.leaks is not None
    assert stored.checks.leaks.state == "bad"
    policy = tmp_path / "policy.toml"
    policy.write_text("[rules.leaks]\nrequired = true\n", encoding="utf-8")
    assert judge(stored.run, load_policy(policy)).exit_code == 1


def test_checks_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="at least 1 shuffle"):
        Checks(canary_seeds=0)


def test_a_walk_forward_ends_as_a_stored_backtest(tmp_path):
    heard = Heard()
    stored = walk_forward(Ridge(), PRICES, PLAN, QUINTILE, seeds=(0, 1), baselines=False, root=tmp_path, progress=heard)
    assert stored.run.manifest["config"]["walk_forward"] == {
        "train": "200", "retrain": "60", "embargo": 0, "start": None, "end": None,
    }  # fmt: skip
    assert stored.run.manifest["seeds"] == [0, 1]
    assert {"folds", "fold_metrics", "baselines", "seeds", "receipts"} <= set(stored.run.tables)
    assert stored.checks.leaks is not None
    assert stored.checks.leaks.components[0] == "predictions"
    assert heard.tasks["ridge"][-1] == (6, 6)
    names = sorted(path.name for path in (stored.run.path / "models").iterdir())
    assert names == [f"fold00{fold}-seed{seed}" for fold in range(3) for seed in (0, 1)]
    # The predictions alone, as somebody would bring them, earn the same.
    alone = backtest(QUINTILE, stored.walk.predictions, PRICES, execution=Execution(), root=tmp_path / "alone")
    pd.testing.assert_series_equal(alone.result.returns, stored.result.returns)
    # A stored model predicts what its fold predicted.
    panel = predict(stored.run.path / "models" / "fold002-seed0", PRICES)
    own = stored.walk.by_seed[0].score.loc[panel.sessions]
    pd.testing.assert_frame_equal(panel.score, own, check_freq=False)
    assert panel.receipts is not None
    with pytest.raises(InputError, match="start later"):
        predict(stored.run.path / "models" / "fold002-seed0", PRICES, start=PRICES.sessions[0])


def test_canaries_are_retrained_where_they_are_asked_for(tmp_path):
    heard = Heard()
    checks = Checks(canaries=True, canary_seeds=2, random_runs=19)
    stored = walk_forward(
        Ridge(), PRICES, PLAN, QUINTILE, baselines=False, checks=checks, root=tmp_path, progress=heard
    )
    assert stored.checks.canaries is not None
    assert len(stored.checks.canaries.shuffled) == 2
    assert stored.checks.canaries.sentence in str(stored)
    assert heard.lines[0].startswith("canaries: 2 shuffles of the labels × 1 seed")
    assert heard.lines[0].endswith("15 fits beside the model's 3")
    assert {"shuffled labels 1/2", "shuffled labels 2/2", "answer in the inputs", "other seeds"} <= set(heard.tasks)


def test_probabilities_alone_are_traded_by_confidence_unless_a_strategy_is_named(tmp_path):
    stored = walk_forward(MajorityClass(), PRICES, PLAN, baselines=False, checks=Checks(), root=tmp_path)
    assert stored.result.strategy == "confidence"
    chosen = walk_forward(Ridge(), PRICES, PLAN, settings={"quantile": "0.3"}, baselines=False, checks=Checks(),
                          root=tmp_path)  # fmt: skip
    assert chosen.result.strategy == "s2_filter_negative"
    assert chosen.run.manifest["config"]["parameters"]["quantile"] == 0.3


def test_a_fit_that_fails_leaves_no_run(tmp_path):
    class Failing(Ridge):
        def fit(self, train: PricePanel, *, horizon: int, delay: int, seed: int) -> None:  # type: ignore[override]
            raise TrainingError("no luck")

    with pytest.raises(TrainingError, match="no luck"):
        walk_forward(Failing(), PRICES, PLAN, QUINTILE, baselines=False, root=tmp_path)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory) -> Run:
    root = tmp_path_factory.mktemp("sweep")
    grid = {"quantile": ["0.2", "0.4"], "commission_bps": ["0", "10"]}
    heard = Heard()
    stored = sweep("quintile_long_short", grid, ORACLE, PRICES, clusters=True, root=root, progress=heard)
    assert heard.tasks["cells"][0] == (0, 4)
    assert heard.tasks["cells"][-1] == (4, 4)
    assert str(stored) == render_run(stored.run)
    return stored.run


def test_a_cell_of_a_sweep_is_the_backtest_of_its_parameters(grid_run):
    cells = grid_run.table("cells")
    cell = cells[(cells["quantile"] == "0.4") & (cells["commission_bps"] == "10")].iloc[0]
    stored = backtest(
        load_strategy("quintile_long_short", quantile="0.4"), ORACLE, PRICES, costs=CostModel(commission_bps=10.0),
        root=grid_run.path.parent,
    )  # fmt: skip
    sharpe = stored.evidence["sharpe_net"]
    assert cell["sharpe_net"] == pytest.approx(sharpe.value, rel=1e-9)
    assert cell["low"] == pytest.approx(sharpe.low, rel=1e-9)


def test_a_stored_sweep_is_shown_and_refused_with_one_line_where_one_backtest_is_needed(grid_run, tmp_path):
    text = render_run(grid_run)
    assert text.count("[") == 4
    assert "PBO" in text
    assert "clusters" in text
    assert text.endswith(str(grid_run.path))
    for refused in (
        lambda: judge(grid_run, load_policy("research")),
        lambda: write_tearsheet(grid_run, tmp_path / "t.html"),
        lambda: compare_runs([grid_run, grid_run]),
    ):
        with pytest.raises(InputError, match="is a sweep, which has no returns of its own; `runs show"):
            refused()
    assert not list(tmp_path.iterdir())


def test_one_fit_is_judged_on_what_follows_and_stored_whole_or_not_at_all(tmp_path):
    trained = train(Ridge(), PRICES, through=PRICES.sessions[250])
    assert trained.through == PRICES.sessions[250]
    assert trained.predictions.sessions[0] == PRICES.sessions[251]
    assert np.isfinite(trained.metrics["rank_ic"])
    save_model(trained.fitted, tmp_path / "new" / "model")
    panel = predict(tmp_path / "new" / "model", PRICES)
    pd.testing.assert_frame_equal(panel.score, trained.predictions.score, check_freq=False)
    with pytest.raises(InputError, match="does not exist yet"):
        save_model(trained.fitted, tmp_path / "new" / "model")
    with pytest.raises(InputError, match="no sessions on one side"):
        train(Ridge(), PRICES, through=PRICES.sessions[-1])
    default = train(Ridge(), PRICES)
    assert default.through == PRICES.sessions[int(330 * 0.8) - 1]


def test_the_future_does_not_reach_a_training():
    """Prices after the cutoff turned upside down change neither the fit nor what it says at the cutoff."""
    cutoff = PRICES.sessions[250]

    def later(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.copy()
        changed.iloc[251:] = changed.iloc[251:].to_numpy()[::-1]
        return changed

    names = [name for name in PRICES.fields if getattr(PRICES, name) is not None]
    altered = replace(PRICES, **{name: later(getattr(PRICES, name)) for name in names})
    one, two = train(Ridge(), PRICES, through=cutoff), train(Ridge(), altered, through=cutoff)
    seen = PRICES.through(cutoff)
    pd.testing.assert_frame_equal(one.fitted.predict(seen).score, two.fitted.predict(seen).score)
