"""Canaries of training: honest models pass, and each planted fault is named."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from assay.commands import main as cli
from assay.data.canary_labels import CanaryLabels
from assay.data.errors import InputError
from assay.data.files.prices import write_prices
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns, simple_returns
from assay.data.synthetic import synthetic_market
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.baselines import Momentum, Ridge
from assay.results.checks.canaries import Canaries, CanaryPanels, retrain_canaries
from assay.results.checks.random_scores import ShiftedScores
from assay.results.checks.trading import Trading, rank_skill
from assay.results.gate.policy import judge as decide
from assay.results.gate.policy import load_policy
from assay.results.storage.runs import Run, add_checks, load_run, save_run
from assay.strategies.catalog import load_strategy

PRICES = synthetic_market(420, 12, ic=0.15, seed=3)[0]
NOISE = synthetic_market(420, 12, ic=0.0, seed=4, kind="none")[0]
TRADING = Trading(load_strategy("quintile_long_short"), CostModel(), Execution())


def _inputs(prices: PricePanel) -> np.ndarray:
    """(T, N, 2): the return of the session and of the five sessions."""
    return np.stack([simple_returns(prices.close).to_numpy(), prices.close.pct_change(5).to_numpy()], axis=2)


@dataclass(frozen=True)
class Fit:
    """A linear model that can be broken in one way; `future` is what a leak brings."""

    horizon: int
    delay: int
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    weights: np.ndarray
    recipe: Any
    seed: int
    training_log: dict[str, Any] = field(default_factory=dict)

    def predict(self, history: PricePanel) -> PredictionPanel:
        score = pd.DataFrame(self.recipe.read(history) @ self.weights, history.sessions, history.assets)
        return PredictionPanel(self.recipe.after(score), horizon=self.horizon, delay=self.delay, name=self.recipe.name)

    def save(self, folder: Path) -> None:
        (folder / "weights.json").write_text(json.dumps(self.weights.tolist()), encoding="utf-8")


class Linear:
    """Least squares on two trailing returns."""

    name: ClassVar[str] = "linear"
    lookback: ClassVar[int] = 6
    needs: ClassVar[tuple[str, ...]] = ()

    def read(self, prices: PricePanel) -> np.ndarray:
        return _inputs(prices)

    def after(self, score: pd.DataFrame) -> pd.DataFrame:
        return score

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> Fit:
        x, y = self.read(train), forward_returns(train, horizon=horizon, delay=delay, labels=labels).to_numpy()
        ready = np.isfinite(x).all(axis=2) & np.isfinite(y)
        weights = np.linalg.lstsq(x[ready], y[ready], rcond=None)[0]
        last = train.sessions[-1]
        return Fit(horizon, delay, last, last, last, weights, self, seed)

    def load(self, folder: Path) -> Fit:
        raise AssertionError("nothing is loaded here")


class DeadWiring(Linear):
    """Its inputs are noise that the prices do not reach; only the level of the labels does."""

    def read(self, prices: PricePanel) -> np.ndarray:
        days = prices.sessions.to_numpy(dtype="datetime64[D]").astype(int)
        noise = [np.random.default_rng(day).normal(size=(prices.shape[1], 2)) for day in days]
        return np.stack(noise)


class LabelAmongInputs(Linear):
    """One of its inputs was prepared elsewhere, and holds the label."""

    def read(self, prices: PricePanel) -> np.ndarray:
        label = forward_returns(PRICES).reindex(prices.sessions).fillna(0.0).to_numpy()
        return np.concatenate([_inputs(prices), label[..., None]], axis=2)


class LeakingSampler(Linear):
    """What it answers is mixed with what will be, whatever it has learnt."""

    def after(self, score: pd.DataFrame) -> pd.DataFrame:
        return score + 0.5 * forward_returns(PRICES).reindex(score.index)


class OwnLabels(Linear):
    """Makes its labels itself."""

    def fit(
        self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
    ) -> Fit:
        return super().fit(train, horizon=horizon, delay=delay, seed=seed)


def canaries(model: Any, prices: PricePanel = PRICES, count: int = 5, seeds: tuple[int, ...] = (0,)) -> Canaries:
    folds = WalkForward(train=200, retrain=60).split(prices.sessions)

    def retrain(of: tuple[int, ...], _: str, labels: CanaryLabels | None) -> Any:
        return walk_forward(model, prices, folds, seeds=of, labels=labels)

    real = retrain(seeds, "", None)
    return Canaries.run(TRADING, retrain_canaries(retrain, real, count=count), real.predictions, prices)


@pytest.fixture(scope="module")
def honest() -> Canaries:
    return canaries(Linear())


@pytest.mark.parametrize("model", [Linear(), Ridge()])
def test_a_model_that_learns_stands_above_its_shuffled_labels(model):
    found = canaries(model)
    assert found.rank == 1
    assert found.p_value == pytest.approx(1 / 6)
    assert found.passed is True
    assert found.findings == found.notes == ()
    assert found.answer.skill > 0.9
    assert max([item.skill for item in found.shuffled]) < found.real.skill < 0.5 * found.answer.skill
    assert len(found.seeds) == 3
    assert found.measure == "rank IC"


def test_seeds_that_were_asked_for_count_and_shuffles_average_over_them():
    folds = WalkForward(train=200, retrain=60).split(PRICES.sessions)
    asked = []

    def retrain(of: tuple[int, ...], title: str, labels: CanaryLabels | None) -> Any:
        asked.append((labels, of, title))
        return walk_forward(Linear(), PRICES, folds, seeds=of, labels=labels)

    real = retrain((0, 1), "", None)
    trained = retrain_canaries(retrain, real, count=2)
    assert asked[1:] == [
        (CanaryLabels("shuffled", 0), (1000, 1001), "shuffled labels 1/2"),
        (CanaryLabels("shuffled", 1), (2000, 2001), "shuffled labels 2/2"),
        (CanaryLabels("answer"), (0,), "answer in the inputs"),
        (None, (2,), "other seeds"),
    ]
    assert list(trained.seeds) == [0, 1, 2]


def test_dead_wiring_is_caught_by_the_answer_that_it_does_not_find():
    found = canaries(DeadWiring())
    assert found.passed is False
    assert any("does not read its inputs" in line for line in found.findings)
    assert abs(found.answer.skill) < 0.1


class Backwards(Linear):
    """Reads its inputs, and says the opposite of what it has learnt."""

    def after(self, score: pd.DataFrame) -> pd.DataFrame:
        return -score


def test_a_model_that_says_the_opposite_of_the_answer_fails():
    found = canaries(Backwards())
    assert found.answer.skill < -0.9
    assert found.passed is False
    assert any("turned round" in line for line in found.findings)


def test_a_network_that_has_not_learnt_is_no_leak():
    """What its seed has drawn agrees with itself; shuffled labels have seeds of their own."""

    class Untrained(Linear):
        def fit(
            self, train: PricePanel, *, horizon: int, delay: int, seed: int, labels: CanaryLabels | None = None
        ) -> Fit:
            fitted = super().fit(train, horizon=horizon, delay=delay, seed=seed, labels=labels)
            drawn = np.random.default_rng(seed).normal(size=2)
            return replace(fitted, weights=drawn + fitted.weights)

    found = canaries(Untrained())
    assert not any("shuffled labels do as well" in line for line in found.findings)
    assert np.ptp([item.skill for item in found.shuffled]) > 0.1


def test_a_label_among_the_inputs_is_as_good_as_the_answer():
    found = canaries(LabelAmongInputs())
    assert found.real.skill > 0.95
    assert found.passed is False
    assert any("too good" in line for line in found.findings)


def test_a_sampler_that_leaks_makes_shuffled_labels_as_good():
    found = canaries(LeakingSampler())
    assert min([item.skill for item in found.shuffled]) > 0.5
    assert found.passed is False
    assert any("learnt shuffled labels do as well" in line for line in found.findings)


@pytest.mark.parametrize("model", [OwnLabels(), Momentum()])
def test_labels_that_do_not_matter_are_said_and_never_passed(model):
    found = canaries(model)
    assert found.reached is False
    assert found.passed is None
    assert found.rank is found.p_value is None
    assert "the same whatever its labels" in found.notes[0]


class NoLabels(Linear):
    """A model whose fit knows nothing of canaries."""

    def fit(self, train: PricePanel, *, horizon: int, delay: int, seed: int) -> Fit:  # type: ignore[override]
        return super().fit(train, horizon=horizon, delay=delay, seed=seed)


def test_a_model_without_labels_trains_and_its_canary_says_what_to_add():
    folds = WalkForward(train=200, retrain=60).split(PRICES.sessions)
    assert len(walk_forward(NoLabels(), PRICES, folds[:1]).predictions.sessions)
    with pytest.raises(InputError, match=r"linear: fit takes no labels.*labels: CanaryLabels"):
        walk_forward(NoLabels(), PRICES, folds[:1], labels=CanaryLabels("answer"))
    with pytest.raises(InputError, match="fit takes no labels"):
        canaries(NoLabels())


@pytest.mark.slow
def test_the_rank_of_a_model_on_noise_is_uniform():
    """Real labels that teach nothing are one more shuffle: rank 1 of 4 comes up a quarter of the time."""
    first = 0
    folds = WalkForward(train=80, retrain=60).split(pd.bdate_range("2015-01-01", periods=150))
    for seed in range(30):
        rng = np.random.default_rng(seed)
        index = pd.bdate_range("2015-01-01", periods=150)
        prices = PricePanel(pd.DataFrame(np.exp(np.cumsum(rng.normal(0, 0.02, (150, 8)), axis=0)), index))
        model = Linear()

        def skill(labels: CanaryLabels | None, model: Linear = model, prices: PricePanel = prices) -> float:
            return rank_skill(walk_forward(model, prices, folds, labels=labels).predictions, prices)[0]

        own = skill(None)
        others = [skill(CanaryLabels("shuffled", number)) for number in range(3)]
        first += own >= max(others)
    assert stats.binomtest(first, 30, 0.25).pvalue > 0.01


def test_skill_of_few_assets_is_taken_over_time():
    rng = np.random.default_rng(1)
    index = pd.bdate_range("2015-01-01", periods=200)
    prices = PricePanel(pd.DataFrame({"A": np.exp(np.cumsum(rng.normal(0, 0.02, 200)))}, index))
    ahead = forward_returns(prices)
    noisy = PredictionPanel(ahead.fillna(0.0) + rng.normal(0, 0.02, ahead.shape))
    value, t, name = rank_skill(noisy, prices)
    known = ahead["A"].notna()
    assert noisy.score is not None
    assert value == pytest.approx(stats.spearmanr(noisy.score["A"][known], ahead["A"][known]).statistic)
    assert t == pytest.approx(value * math.sqrt(198))
    assert name == "rank correlation over time"
    up = PredictionPanel(None, probability_up=(noisy.score > 0) * 0.5 + 0.25)
    assert rank_skill(up, prices)[0] > 0.3
    share = (noisy.score > 0) * 0.4
    action = PredictionPanel(None, action={"buy": share + 0.1, "sell": 0.5 - share, "hold": share * 0 + 0.4})
    assert rank_skill(action, prices)[0] == pytest.approx(rank_skill(up, prices)[0])
    assert math.isnan(rank_skill(PredictionPanel(ahead.notna() * 1.0), prices)[0])


def test_skill_over_an_answer_is_that_of_the_past():
    past = PredictionPanel(simple_returns(PRICES.close).fillna(0.0))
    assert rank_skill(past, PRICES, labels=CanaryLabels("answer"))[0] == pytest.approx(1.0)


def test_an_early_oracle_of_the_last_return_gains_and_the_constant_does_not_choose():
    fast = PredictionPanel(-PRICES.close.pct_change().iloc[1:])
    found = ShiftedScores.run(TRADING, fast, PRICES)
    assert list(found.shifts) == ["one session late", "one session early", "the same for all"]
    assert math.isnan(found.constant.skill)
    leak = PredictionPanel(simple_returns(PRICES.open).shift(-1).dropna())  # right at d+h-1, one session short
    led = ShiftedScores.run(TRADING, leak, PRICES)
    assert led.early.skill == pytest.approx(1.0)
    assert abs(led.real.skill) < 0.2
    assert led.early.sharpe > 5 > led.real.sharpe


def _stored(root: Path, found: Canaries) -> Run:
    run = save_run("s2", config={"strategy": "s2"}, fingerprints={}, metrics={}, tables={}, notes={}, root=root)
    return add_checks(run, {"canaries": found.to_dict()})


def test_the_gate_passes_the_first_fails_a_fault_and_never_passes_what_is_not_there(tmp_path, honest):
    path = tmp_path / "policy.toml"
    path.write_text("[rules.canaries]\nrequired = true\n[rules.shuffled_labels_p]\nat_most = 0.2\n", encoding="utf-8")
    policy = load_policy(path)
    good = honest
    for found, verdicts in (
        (good, ["passed", "passed"]),
        (replace(good, rank=3), ["failed", "failed"]),
        (replace(good, findings=("too good",)), ["failed", "passed"]),
        (canaries(Momentum()), ["insufficient", "insufficient"]),
    ):
        assert [item.verdict for item in decide(_stored(tmp_path, found), policy).outcomes] == verdicts
    bare = save_run("s3", config={}, fingerprints={}, metrics={}, tables={}, notes={}, root=tmp_path)
    assert decide(bare, policy).exit_code == 3
    assert load_policy("production").requirements[2].rule == "canaries"


def test_a_canary_without_skill_counts_and_keeps_the_rank_honest():
    """Panels that say the same of every asset stand at 0: above a model of negative skill, below one of positive."""
    flat = PredictionPanel(PRICES.close * 0.0)
    good = PredictionPanel(forward_returns(PRICES).dropna())
    bad = PredictionPanel(-forward_returns(PRICES).dropna())
    for real, rank in ((good, 1), (bad, 4)):
        trained = CanaryPanels((flat, flat, flat), PredictionPanel(simple_returns(PRICES.close).dropna()), {0: real})
        found = Canaries.run(TRADING, trained, real, PRICES)
        assert found.rank == rank
        assert found.p_value == rank / 4


def test_what_is_said_names_the_range_the_rank_and_the_fault(honest):
    low, high = (end(item.skill for item in honest.shuffled) for end in (min, max))
    assert f"5 retrained on shuffled labels {low:.4f} … {high:.4f} (rank 1 of 6, p 0.167)" in honest.sentence
    assert replace(honest, findings=("a leak",)).sentence.endswith("; a leak")
    empty = replace(PredictionPanel(PRICES.close * 0.0))
    panels = retrain_canaries(lambda *_: _Same(empty), _Same(empty), count=1)
    assert "–" in Canaries.run(TRADING, panels, empty, PRICES).sentence


@dataclass(frozen=True)
class _Same:
    predictions: PredictionPanel

    @property
    def by_seed(self) -> dict[int, PredictionPanel]:
        return {0: self.predictions}


@pytest.fixture(scope="module")
def prices_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("market") / "prices.parquet"
    write_prices(PRICES, path)
    return path


def walk(path: Path, results: Path, *more: object) -> list[str]:
    fixed: list[object] = [
        "walk-forward", "--model", "ridge", "--prices", path, "--train", 200, "--retrain", 60, "--executor", "serial",
        "--no-baselines", "--results", results, "--canaries", "--random-runs", 19,
    ]  # fmt: skip
    return [str(item) for item in (*fixed, *more)]


@pytest.mark.slow
def test_walk_forward_trains_tells_and_keeps_them(capsys, prices_path, tmp_path, monkeypatch):
    assert cli.main(walk(prices_path, tmp_path, "--canary-seeds", 2)) == 0
    said = capsys.readouterr()
    assert "canaries: 2 shuffles of the labels × 1 seed, an answer to find, 2 other seeds: 20 fits beside" in said.err
    assert "shuffled labels 2/2 4/4" in said.err
    assert "canaries: rank IC" in said.out
    assert "net Sharpe with scores shifted" in said.out
    run = load_run(said.out.strip().splitlines()[-1])
    assert {"canaries", "shifted_scores", "random_scores", "leaks"} <= set(run.checks)
    page = (run.path / "tearsheet.html").read_text(encoding="utf-8")
    assert "Retrained canaries" in page
    assert "rank 1 of 3" in page
    assert len(run.checks["canaries"]["shuffled"]["skill"]) == 2

    # Finished fits are kept: a second run, as after a kill, fits nothing and says the same.
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("fit again")

    monkeypatch.setattr(Ridge, "fit", refuse)
    checks = (run.path / "checks.json").read_bytes()
    assert cli.main(walk(prices_path, tmp_path, "--canary-seeds", 2)) == 0
    assert capsys.readouterr().out == said.out
    assert (run.path / "checks.json").read_bytes() == checks


def test_a_fault_makes_the_exit_code_one(capsys, prices_path, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "assay.data.canary_labels._shuffled", lambda labels, rng: labels * (1.0 + 1e-3 * rng.random())
    )  # labels that are hardly shuffled: what is learnt from them is as good
    strong = synthetic_market(420, 12, ic=0.35, seed=3)[0]
    write_prices(strong, tmp_path / "strong.parquet")
    assert cli.main(walk(tmp_path / "strong.parquet", tmp_path, "--canary-seeds", 5, "--no-tearsheet")) == 1
    said = capsys.readouterr()
    assert "failed: canaries: models that learnt shuffled labels do as well" in said.err
    assert "Traceback" not in said.err


def test_no_shuffle_is_no_canary(capsys, prices_path, tmp_path):
    assert cli.main(walk(prices_path, tmp_path / "runs", "--canary-seeds", 0)) == 2
    assert "canary seeds 0: at least 1 shuffle" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
