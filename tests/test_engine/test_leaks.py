"""A zoo of planted leaks, each of which has to be found; and what ships, where no alarm may sound."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from assay.commands import main as cli
from assay.data.errors import InputError
from assay.data.features import FEATURE_SETS, build_features
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import forward_returns
from assay.data.synthetic import synthetic_market
from assay.engine.leaks import (
    imported_panel_findings,
    panel_cuts,
    run_leaks,
    sample_cuts,
    strategy_leaks,
    too_good,
    truncation_leaks,
    wrong_scale,
)
from assay.models.baselines import Ridge
from assay.strategies.base import EntryRule, Overlays
from assay.strategies.catalog import load_strategy, strategy_names

PRICES, ORACLE = synthetic_market(260, 12, ic=0.05, seed=3)
RETURNS = PRICES.close.pct_change(fill_method=None)


def returns(panel: PricePanel) -> pd.DataFrame:
    return panel.close.pct_change(fill_method=None)


def label_overlap(panel: PricePanel) -> pd.DataFrame:
    """A mean of forward returns over the last 20 rows: the newest of them are not known yet."""
    return forward_returns(panel, horizon=5, delay=1).rolling(20, min_periods=1).mean()


def survivors(panel: PricePanel) -> pd.DataFrame:
    """Only the assets that end above where they began."""
    alive = panel.close.iloc[-1] > panel.close.iloc[0]
    return panel.close.loc[:, alive].reindex(columns=panel.close.columns)


def holes(panel: PricePanel) -> pd.DataFrame:
    gaps = np.arange(len(PRICES.sessions)) % 3 != 0  # a cut has to fall into a gap for it to show
    return panel.close.mask(pd.Series(gaps[: len(panel.sessions)], panel.sessions), axis=0)


def ridge_on_everything(panel: PricePanel) -> pd.DataFrame:
    """A model fit on all rows, its predictions of the very rows it was fit on."""
    return Ridge().fit(panel, horizon=1, delay=1, seed=0).predict(panel).score


def scaler_with_validation_rows(panel: PricePanel) -> pd.DataFrame:
    values = returns(panel)
    train = values.iloc[: int(len(values) * 0.8)]
    return (values - train.mean()) / train.std()


ZOO = {
    "centred window": lambda p: p.close.rolling(11, center=True).mean(),
    "full-sample z-score": lambda p: (p.close - p.close.mean()) / p.close.std(),
    "min-max on all rows": lambda p: (p.close - p.close.min()) / (p.close.max() - p.close.min()),
    "back-fill": lambda p: holes(p).bfill(),
    "interpolation": lambda p: holes(p).interpolate(),
    "shift(-1)": lambda p: p.close.shift(-1),
    "target as feature": lambda p: forward_returns(p, horizon=1, delay=1),
    "labels that overlap the edge": label_overlap,
    "universe of survivors": survivors,
    "validation rows in the scaler": scaler_with_validation_rows,
    "model fit on all rows": ridge_on_everything,
    "rank over time": lambda p: p.close.rank(),
    "future-filled volume": lambda p: p.volume.where(p.volume.gt(p.volume.median())).bfill(),
    "full-sample quantile threshold": lambda p: (returns(p) > returns(p).quantile(0.9)).astype(float),
    "demeaned by the whole sample": lambda p: returns(p) - returns(p).mean(),
    "smoothed both ways": lambda p: p.close[::-1].ewm(span=10).mean()[::-1],
    "resampled to the week's last close": lambda p: p.close.groupby(p.sessions.to_period("W")).transform("last"),
    "normalised by the last price": lambda p: p.close / p.close.iloc[-1],
    "detrended by a line through everything": lambda p: p.close - np.polyval(
        np.polyfit(np.arange(len(p.sessions)), p.close.mean(axis=1), 1), np.arange(len(p.sessions))
    )[:, None],
    "principal component of the whole sample": lambda p: pd.DataFrame(
        returns(p).fillna(0) @ np.linalg.svd(returns(p).fillna(0), full_matrices=False)[2][0]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_planted_leaks_in_features_are_found(name):
    report = truncation_leaks(name, ZOO[name], PRICES)
    assert not report.passed
    leak = report.leaks[0]
    assert leak.component == name
    assert leak.session <= leak.cut
    assert leak.size > 0
    assert name in str(leak)


HONEST = {
    "trailing mean": lambda p: p.close.rolling(20).mean(),
    "expanding z-score": lambda p: (p.close - p.close.expanding().mean()) / p.close.expanding().std(),
    "cross-sectional rank": lambda p: p.close.rank(axis="columns"),
    "forward-fill": lambda p: holes(p).ffill(),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_features_raise_no_alarm(name):
    assert truncation_leaks(name, HONEST[name], PRICES).passed


@pytest.mark.parametrize("name", FEATURE_SETS)
def test_shipped_features_raise_no_alarm(name):
    def compute(panel: PricePanel) -> pd.DataFrame:
        values = build_features(panel, name, who="test").values
        return pd.DataFrame(values.reshape(len(panel.sessions), -1), panel.sessions)

    assert truncation_leaks(name, compute, PRICES, cuts=sample_cuts(PRICES.sessions, 2)).passed


@dataclass(frozen=True)
class _Leaky:
    """A strategy with one planted leak, chosen by name."""

    kind: str = ""
    name: ClassVar[str] = "leaky"
    needs: ClassVar[tuple[str, ...]] = ()
    overlays: ClassVar[Overlays] = Overlays()

    def target_weights(self, predictions: PredictionPanel, prices: PricePanel) -> pd.DataFrame:
        assert predictions.score is not None
        score = predictions.score
        weights = score.rank(axis="columns").sub(6.5).div(50.0).fillna(0.0)
        close = prices.close.reindex(score.index)
        own = (weights.shift(1) * close.pct_change(fill_method=None)).sum(axis="columns")
        if self.kind == "vol target of the whole sample":
            return weights * (0.01 / own.std())
        if self.kind == "kill switch at a full-sample threshold":
            return weights.where(own > own.quantile(0.05), 0.0, axis="index")
        if self.kind == "tomorrow's return":
            return weights * np.sign(close.pct_change(fill_method=None).shift(-1)).fillna(0.0)
        if self.kind == "vol of the day it scales, ahead":
            return weights.div(own.rolling(5, center=True, min_periods=1).std().clip(lower=1e-3), axis="index")
        if self.kind == "predictions of tomorrow":
            return weights.shift(-1).fillna(0.0)
        return weights


@pytest.mark.parametrize(
    "kind",
    [
        "vol target of the whole sample",
        "kill switch at a full-sample threshold",
        "tomorrow's return",
        "vol of the day it scales, ahead",
        "predictions of tomorrow",
    ],
)
def test_planted_leaks_in_strategies_are_found(kind):
    assert strategy_leaks(_Leaky(), ORACLE, PRICES).passed
    report = strategy_leaks(_Leaky(kind), ORACLE, PRICES)
    assert not report.passed
    assert run_leaks(_Leaky(kind), ORACLE, PRICES, cuts=report.cuts[:1]).leaks or len(report.leaks) > 0


@pytest.mark.parametrize("name", strategy_names())
def test_shipped_strategies_raise_no_alarm(name):
    if name == "s4_benchmark_hedge":
        strategy = load_strategy(name, benchmark_asset=PRICES.assets[0])
    else:
        strategy = load_strategy(name)
    rng = np.random.default_rng(0)
    assert ORACLE.score is not None
    shape = ORACLE.score.shape

    def frame(values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, ORACLE.sessions, ORACLE.assets)

    buy, sell = rng.random(shape) / 2, rng.random(shape) / 2
    panel = PredictionPanel(
        ORACLE.score.fillna(0.0),
        probability_up=frame(rng.random(shape)),
        action={"buy": frame(buy), "sell": frame(sell), "hold": frame(1 - buy - sell)},
    )
    cuts = sample_cuts(panel.sessions, 2)
    assert strategy_leaks(strategy, panel, PRICES, cuts=cuts).passed
    assert run_leaks(strategy, panel, PRICES, cuts=cuts).passed
    assert isinstance(strategy, EntryRule) or strategy.name


def test_imported_panels_that_know_too_much():
    ahead = forward_returns(PRICES, horizon=1, delay=1)
    said = imported_panel_findings(PredictionPanel(ahead.iloc[:-2]), PRICES)
    assert any("label among the features" in line for line in said.suspicions)
    assert any("no receipts" in line for line in said.notes)
    assert not said.passed
    early = imported_panel_findings(PredictionPanel(RETURNS.shift(-1).iloc[1:-1]), PRICES)
    assert any("one session early" in line for line in early.suspicions)
    few = imported_panel_findings(PredictionPanel(ahead.iloc[:20]), PRICES)
    assert few.passed
    assert any("label among the features" in line for line in few.notes)
    same = imported_panel_findings(PredictionPanel(RETURNS.iloc[1:]), PRICES)
    assert any("its own session" in line for line in same.notes)
    assert same.passed
    rng = np.random.default_rng(0)
    noise = PredictionPanel(pd.DataFrame(rng.normal(0, 1e-3, size=PRICES.shape), PRICES.sessions, PRICES.assets))
    found = imported_panel_findings(noise, PRICES)
    assert found.notes == ("no receipts: nothing says what the model had seen when it predicted",)
    assert found.passed


def test_cuts_are_seeded_and_inside():
    cuts = sample_cuts(PRICES.sessions, 6, seed=1)
    assert cuts == sample_cuts(PRICES.sessions, 6, seed=1)
    assert cuts == tuple(sorted(cuts))
    assert max(cuts) < PRICES.sessions[-1]
    assert len(sample_cuts(PRICES.sessions[:2])) == 1
    with pytest.raises(InputError, match="leave no date"):
        sample_cuts(PRICES.sessions[:1])


def test_the_command_finds_a_users_leak(tmp_path, monkeypatch, capsys):
    (tmp_path / "their_features.py").write_text(
        "def centred(panel):\n    return panel.close.rolling(5, center=True).mean()\n"
        "def honest(panel):\n    return panel.close.rolling(5).mean()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert cli.main(["leaks", "--feature", "their_features:centred", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["leaks"][0]["component"] == "feature centred"
    assert {"asset", "session", "cut", "size"} <= set(said["leaks"][0])
    assert cli.main(["leaks", "--feature", "their_features:honest"]) == 0
    assert cli.main(["leaks", "--strategy", "s2_filter_negative", "--cuts", "2"]) == 0
    assert cli.main(["leaks", "--model", "ridge", "--feature-set", "core_close", "--cuts", "2"]) == 0
    assert cli.main(["leaks", "--feature", "their_features:absent"]) == 2


def with_holes(length: int, seed: int = 0) -> PricePanel:
    """A few holes of `length` sessions, each in one asset."""
    close = PRICES.close.copy()
    rng = np.random.default_rng(seed)
    for row, column in zip(rng.integers(30, 220, 4), rng.integers(0, close.shape[1], 4), strict=True):
        close.iloc[row : row + length, column] = np.nan
    return PricePanel(close, source="holes")


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("fill", ["bfill", "interpolate"])
def test_a_value_filled_from_behind_is_found_in_the_shortest_hole(length, fill):
    panel = with_holes(length)

    def filled(prices: PricePanel) -> pd.DataFrame:
        return getattr(prices.close, fill)().rolling(3).mean()

    report = truncation_leaks("filled", filled, panel)
    assert report.leaks
    assert truncation_leaks("forward", lambda prices: prices.close.ffill().rolling(3).mean(), panel).passed
    assert truncation_leaks("filled", filled, PRICES).passed  # where nothing is missing it changes nothing
    assert len(panel_cuts(panel)) > len(panel_cuts(PRICES)) == 5
    assert len(panel_cuts(panel, None)) == len(panel.sessions) - 1


@pytest.mark.parametrize("name", ["s2_filter_negative", "s3_vol_scaled", "min_variance", "confidence"])
def test_shipped_strategies_raise_no_alarm_inside_holes(name):
    panel = with_holes(3)
    chance = 0.5 + 20 * ORACLE.score.clip(-0.02, 0.02)
    predictions = PredictionPanel(ORACLE.score.fillna(0.0), probability_up=chance.fillna(0.5))
    strategy = load_strategy(name)
    if "open" in strategy.needs:
        panel = PricePanel(**{field: getattr(PRICES, field).where(panel.close.notna()) for field in PRICES.fields})
    assert strategy_leaks(strategy, predictions, panel).passed


def test_the_command_cuts_at_every_session(tmp_path, capsys, monkeypatch):
    from assay.data.files.prices import write_prices

    (tmp_path / "late_features.py").write_text(
        "def late(panel):\n"  # leaks on one session alone
        "    close = panel.close\n"
        "    return close.shift(-1).where(close.index.to_series().eq('2000-02-03'), close, axis=0)\n",
        encoding="utf-8",
    )
    write_prices(synthetic_market(60, 3, seed=1)[0], tmp_path / "p.parquet")
    monkeypatch.chdir(tmp_path)
    command = ["leaks", "--feature", "late_features:late", "--prices", "p.parquet", "--cuts"]
    assert [cli.main([*command, cuts]) for cuts in ("1", "all")] == [0, 1]
    said = capsys.readouterr().out
    assert "2000-02-03" in said
    assert "and 49 more" in said
    assert [cli.main([*command, cuts]) for cuts in ("0", "-1", "x", "²", "9" * 30)] == [2] * 5


READERS = {
    "csv": lambda path: pd.read_csv(path, index_col=0, parse_dates=True),
    "parquet": pd.read_parquet,
    "npy": lambda path: pd.DataFrame(np.load(path)),
    "sqlite": lambda path: read_sqlite(path),
    "text": lambda path: path.read_text(encoding="latin-1") and pd.DataFrame(),
}


def read_sqlite(path) -> pd.DataFrame:
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        return pd.read_sql("select * from t", connection)
    finally:
        connection.close()


@pytest.mark.parametrize("kind", READERS)
def test_a_file_of_ones_own_is_found(tmp_path, kind):
    path = tmp_path / f"answers.{kind}"
    later = PRICES.close.shift(-1)
    if kind == "sqlite":
        import sqlite3

        connection = sqlite3.connect(path)
        later.to_sql("t", connection)
        connection.close()
    elif kind == "npy":
        np.save(path, later.to_numpy())
    else:
        later.to_parquet(path) if kind == "parquet" else later.to_csv(path)

    def cheat(panel: PricePanel) -> pd.DataFrame:
        READERS[kind](path)
        return later.reindex(panel.sessions)  # the truncation of the panel shows nothing

    report = truncation_leaks("cheat", cheat, PRICES)
    assert not report.leaks
    assert not report.passed
    assert len(report.reads) == 1
    assert str(path) in report.reads[0]
    assert report.merged(report).reads == report.reads
    assert truncation_leaks("honest", returns, PRICES).reads == ()


def test_a_model_that_reads_a_file_is_found_in_fit_and_in_predict(tmp_path, monkeypatch, capsys):
    (tmp_path / "reading_model.py").write_text(
        "from dataclasses import dataclass\nfrom pathlib import Path\n"
        "from assay.models.baselines import FittedRule, Momentum\n"
        "@dataclass(frozen=True)\nclass Mine(Momentum):\n"
        "    def fit(self, train, *, horizon, delay, seed):\n"
        "        Path('labels.txt').read_text()\n"
        "        return super().fit(train, horizon=horizon, delay=delay, seed=seed)\n",
        encoding="utf-8",
    )
    (tmp_path / "labels.txt").write_text("1", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["leaks", "--model", "reading_model:Mine", "--cuts", "2"]) == 1
    assert "not tested: fit of reading_model:Mine reads" in capsys.readouterr().out


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.2])
def test_a_share_of_the_answer_is_too_good_with_either_sign(share, sign):
    prices = synthetic_market(500, 40, ic=0.0, seed=5)[0]
    ahead = forward_returns(prices, horizon=1, delay=1)
    noise = pd.DataFrame(np.random.default_rng(1).normal(0, 1, ahead.shape), ahead.index, ahead.columns)
    score = sign * (share * ahead / ahead.stack().std() + np.sqrt(1 - share**2) * noise) * 0.001
    report = imported_panel_findings(PredictionPanel(score.iloc[:-2]), prices)
    assert any("label among the features" in line for line in report.suspicions)
    assert any("turned round" in line for line in report.suspicions) is (sign < 0)


def test_limits_follow_breadth_and_horizon():
    def limit(names: int, horizon: int) -> float:
        """The smallest mean correlation that is too good over twenty years, if sampling alone made its deviation."""
        deviation = 1 / np.sqrt(names - 1)
        grid = np.linspace(0.001, 0.6, 600)
        return float(next(m for m in grid if too_good(m, deviation, 5040, horizon=horizon) is not None))

    assert limit(20, 1) == pytest.approx(0.12, abs=0.01)
    assert limit(100, 1) == pytest.approx(0.053, abs=0.005)
    assert limit(20, 5) == pytest.approx(0.27, abs=0.03)
    assert limit(500, 1) < limit(100, 1) < limit(20, 1) < limit(20, 5)
    # What is known to be possible, and chance over few sessions, are not accused.
    assert too_good(0.05, 0.12, 2520, horizon=1) is None
    assert too_good(0.15, 0.23, 20, horizon=1) is None
    assert too_good(float("nan"), 0.1, 100, horizon=1) is None


def test_scores_on_another_scale_are_named():
    returns_, close = forward_returns(PRICES, horizon=1, delay=1), PRICES.close
    cases = {
        "price levels": close * 1.01,
        "ranks": returns_.rank(axis="columns"),
        "ranks or prob": returns_.rank(axis="columns", pct=True),
        "percent": returns_ * 100,
        "standardised": returns_ / returns_.stack().std(),
    }
    for words, score in cases.items():
        assert words in str(wrong_scale(PredictionPanel(score.iloc[:-2]), PRICES))
        assert wrong_scale(PredictionPanel(score.iloc[:-2], unit="rank"), PRICES) is None
    for honest in (returns_, returns_ * 0.01, ORACLE.score):
        assert wrong_scale(PredictionPanel(honest.iloc[:-2]), PRICES) is None


def test_a_backtest_says_it_without_being_asked(tmp_path, capsys):
    from assay.data.files.predictions import write_predictions
    from assay.data.files.prices import write_prices

    prices = synthetic_market(120, 12, seed=2)[0]
    write_prices(prices, tmp_path / "p.parquet")
    ahead = forward_returns(prices, horizon=1, delay=1).iloc[:-2]
    write_predictions(PredictionPanel(ahead.rank(axis="columns")), tmp_path / "q.parquet")
    files = ["--prices", str(tmp_path / "p.parquet"), "--predictions", str(tmp_path / "q.parquet")]
    assert cli.main(["backtest", "--strategy", "quintile_long_short", *files, "--results", str(tmp_path / "r")]) == 0
    said = capsys.readouterr().out
    assert "warning: the scores are declared as returns" in said
    assert "warning: the rank correlation with the window it forecasts is 1.00" in said
