"""The ranked rules against a row-by-row oracle written with nothing but sorting."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.benchmark import with_benchmark_asset
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.strategies.base import Decision, decide
from assay.strategies.ranked import (
    BenchmarkHedge,
    BottomK,
    ConfidenceScaled,
    FilterNegative,
    LongOnly,
    QuintileLongShort,
    Threshold,
    VolScaled,
)

ALL = [QuintileLongShort, BottomK, FilterNegative, VolScaled, LongOnly, Threshold, ConfidenceScaled]


def panels(scores, close=None, assets=None, unit="return"):
    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    close = np.full(scores.shape, 10.0) if close is None else np.atleast_2d(np.asarray(close, dtype=float))
    assets = assets or [f"A{i:02d}" for i in range(scores.shape[1])]
    sessions = pd.bdate_range("2020-01-01", periods=len(scores))
    prices = PricePanel(pd.DataFrame(close, sessions, assets))
    return PredictionPanel(pd.DataFrame(scores, sessions, assets), unit=unit), prices


def naive(score, close, ids, quantile, long_gross, short_gross, short_below=math.inf, size=None):
    """One session's weights by sorting (score descending, id ascending)."""
    eligible = [
        i
        for i in range(len(score))
        if not math.isnan(score[i]) and not math.isnan(close[i]) and not (size is not None and math.isnan(size[i]))
    ]
    weights = [0.0] * len(score)
    n = len(eligible)
    if n < 5:
        return weights
    k = min(max(1, math.floor(quantile * n + 0.5)), n // 2)
    ranked = sorted(eligible, key=lambda i: (-score[i], ids[i]))
    longs, shorts = ranked[:k], [i for i in ranked[-k:] if score[i] < short_below]
    for leg, gross in ((longs, long_gross), (shorts, -short_gross)):
        total = sum(size[i] for i in leg) if size is not None else len(leg)
        for i in leg:
            weights[i] = gross * (size[i] if size is not None else 1) / total if total else 0.0
    return weights


@st.composite
def markets(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    t, n = int(rng.integers(1, 40)), int(rng.integers(1, 40))
    kind = draw(st.sampled_from(["continuous", "rounded", "constant", "signed zeros", "column major"]))
    scores = rng.normal(0, 0.01, (t, n))
    if kind == "rounded":
        scores = np.round(scores, 2)
    elif kind == "constant":
        scores[:] = 0.01
    elif kind == "signed zeros":
        scores = np.where(rng.random((t, n)) < 0.5, 0.0, -0.0)
        scores[rng.random((t, n)) < 0.2] = -0.01
    elif kind == "column major":
        scores = np.asfortranarray(scores)
    scores[rng.random((t, n)) < draw(st.sampled_from([0, 0.1, 0.8]))] = np.nan
    close = np.exp(rng.normal(size=(t, n)))
    close[rng.random((t, n)) < draw(st.sampled_from([0, 0.1]))] = np.nan
    ids = [f"{i:03d}" for i in rng.permutation(n)]
    return scores, close, ids


@settings(max_examples=80, deadline=None)
@given(markets(), st.sampled_from([0.05, 0.1, 0.2, 0.33, 0.5]))
def test_equal_to_the_oracle(market, quantile):
    scores, close, ids = market
    predictions, prices = panels(scores, close, ids)
    rules = [
        (QuintileLongShort(quantile=quantile), (0.5, 0.5)),
        (BottomK(quantile=quantile), (0.65, 0.35)),
        (FilterNegative(quantile=quantile), (0.65, 0.35, 0.0)),
        (Threshold(quantile=quantile), (0.65, 0.35, -0.005)),
        (LongOnly(quantile=quantile), (0.65, 0.0)),
    ]
    for rule, legs in rules:
        got = rule.target_weights(predictions, prices).weights.to_numpy()
        expected = [naive(scores[t], close[t], ids, quantile, *legs) for t in range(len(scores))]
        np.testing.assert_array_equal(got, expected, err_msg=rule.name)
    got = ConfidenceScaled(quantile=quantile).target_weights(predictions, prices).weights.to_numpy()
    expected = [
        naive(scores[t], close[t], ids, quantile, 0.65, 0.35, 0.0, np.abs(scores[t])) for t in range(len(scores))
    ]
    np.testing.assert_allclose(got, expected, atol=1e-15)


def test_many_blocks_equal_the_oracle():
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(0, 0.01, (700, 120)), 3)
    scores[rng.random(scores.shape) < 0.05] = np.nan
    close = np.ones_like(scores)
    ids = [f"{i:03d}" for i in rng.permutation(120)]
    predictions, prices = panels(scores, close, ids)
    got = FilterNegative().target_weights(predictions, prices).weights.to_numpy()
    expected = [naive(scores[t], close[t], ids, 0.2, 0.65, 0.35, 0.0) for t in range(len(scores))]
    np.testing.assert_array_equal(got, expected)


def test_s2_by_hand():
    # N = 10, K = 2. Longs: the two highest. Of the two lowest only one is negative: it takes the whole −0.35.
    predictions, prices = panels([0.05, 0.04, 0.03, 0.02, 0.01, 0.009, 0.008, 0.007, 0.001, -0.002])
    weights = FilterNegative().target_weights(predictions, prices).weights.iloc[0]
    assert weights.tolist() == [0.325, 0.325] + [0.0] * 7 + [-0.35]
    assert FilterNegative().select(predictions, prices).iloc[0].tolist() == [0.325, 0.325] + [0.0] * 6 + [-0.175] * 2


def test_s2_without_a_negative_prediction_has_no_shorts():
    predictions, prices = panels(np.linspace(0.0, 0.1, 10))
    weights = FilterNegative().target_weights(predictions, prices).weights.iloc[0]
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(0.65)


@pytest.mark.parametrize(("n", "k"), [(5, 1), (7, 1), (8, 2), (12, 2), (13, 3), (20, 4)])
def test_the_size_of_a_leg_rounds_half_up(n, k):
    # 0.2·N + 0.5, floored: 12 → 2.9 → 2, 13 → 3.1 → 3.
    predictions, prices = panels(np.arange(n, dtype=float))
    weights = QuintileLongShort().target_weights(predictions, prices).weights.iloc[0]
    assert (weights > 0).sum() == (weights < 0).sum() == k


def test_fewer_than_five_assets_are_all_cash():
    predictions, prices = panels([0.04, 0.03, 0.02, 0.01, np.nan])
    for rule in ALL:
        assert (rule().target_weights(predictions, prices).weights == 0).all(axis=None)


def test_a_price_is_needed_on_the_session_itself():
    predictions, prices = panels([5, 4, 3, 2, 1, 0], [np.nan, 1, 1, 1, 1, 1])
    assert QuintileLongShort().target_weights(predictions, prices).weights.iloc[0].tolist() == [0, 0.5, 0, 0, 0, -0.5]


def test_ties_go_by_asset_id_whatever_the_column():
    predictions, prices = panels([1.0] * 6, assets=["F", "A", "E", "B", "D", "C"])
    weights = QuintileLongShort().target_weights(predictions, prices).weights.iloc[0]
    assert weights[weights > 0].index.tolist() == ["A"]
    assert weights[weights < 0].index.tolist() == ["F"]


def test_half_of_an_odd_cross_section_never_overlaps():
    predictions, prices = panels(np.arange(7, dtype=float))
    weights = QuintileLongShort(quantile=0.5).target_weights(predictions, prices).weights.iloc[0]
    assert (weights > 0).sum() == (weights < 0).sum() == 3


def test_confidence_scaled_by_hand():
    predictions, prices = panels([0.03, 0.01, 0.005, 0.004, 0.003, 0.002, 0.001, 0.0, -0.01, -0.03])
    weights = ConfidenceScaled().target_weights(predictions, prices).weights.iloc[0]
    assert weights.iloc[[0, 1]].tolist() == pytest.approx([0.65 * 0.75, 0.65 * 0.25])
    assert weights.iloc[[8, 9]].tolist() == pytest.approx([-0.35 * 0.25, -0.35 * 0.75])


def test_vol_scaled_by_hand():
    rng = np.random.default_rng(2)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (30, 10)) * np.arange(1, 11), axis=0))
    scores = np.tile(np.linspace(-0.01, 0.01, 10), (30, 1))
    predictions, prices = panels(scores, close)
    weights = VolScaled().target_weights(predictions, prices).weights
    volatility = prices.close.pct_change(fill_method=None).rolling(20).std()
    inverse = 1 / volatility
    assert (weights.iloc[:20] == 0).all(axis=None)
    for t in range(20, 30):
        np.testing.assert_allclose(
            weights.iloc[t, 8:], 0.65 * inverse.iloc[t, 8:] / inverse.iloc[t, 8:].sum(), rtol=1e-9
        )
        np.testing.assert_allclose(
            weights.iloc[t, :2], -0.35 * inverse.iloc[t, :2] / inverse.iloc[t, :2].sum(), rtol=1e-9
        )


def test_vol_scaled_reads_prices_before_the_first_prediction():
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (40, 8)), axis=0))
    predictions, prices = panels(np.tile(np.arange(8.0), (40, 1)), close)
    late = predictions.map(lambda frame: frame.iloc[25:])
    whole = VolScaled().target_weights(predictions, prices).weights
    pd.testing.assert_frame_equal(VolScaled().target_weights(late, prices).weights, whole.iloc[25:])


def test_vol_scaled_leaves_out_what_does_not_move():
    rng = np.random.default_rng(3)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (25, 8)), axis=0))
    close[:, 7] = 50.0
    predictions, prices = panels(np.tile(np.arange(8.0), (25, 1)), close)
    assert VolScaled().target_weights(predictions, prices).weights.iloc[-1, 7] == 0


def test_benchmark_hedge_by_hand():
    predictions, prices = panels(np.arange(10, dtype=float))
    level = PricePanel(prices.close.assign(SPY=400.0))
    weights = BenchmarkHedge(benchmark_asset="SPY").target_weights(predictions, level).weights.iloc[0]
    assert weights.tolist() == [0.0] * 8 + [0.325, 0.325, -0.35]
    assert weights.index[-1] == "SPY"


def test_benchmark_hedge_never_ranks_the_benchmark():
    predictions, prices = panels([9, 5, 4, 3, 2, 1, 0], assets=["SPY", "A", "B", "C", "D", "E", "F"])
    weights = BenchmarkHedge(benchmark_asset="SPY").target_weights(predictions, prices).weights.iloc[0]
    assert weights.to_dict() == {"SPY": -0.35, "A": 0.65, "B": 0, "C": 0, "D": 0, "E": 0, "F": 0}


def test_benchmark_hedge_without_longs_or_price_has_no_hedge():
    predictions, prices = panels([[1, 2, 3, 4, np.nan, np.nan], [1, 2, 3, 4, 5, 6]])
    level = PricePanel(prices.close.assign(SPY=[400.0, np.nan]))
    assert (BenchmarkHedge(benchmark_asset="SPY").target_weights(predictions, level).weights["SPY"] == 0).all()


def test_benchmark_asset_from_returns():
    predictions, prices = panels(np.tile(np.arange(6.0), (3, 1)))
    returns = pd.Series([np.nan, 0.1, -0.5], prices.sessions)
    level = with_benchmark_asset(prices, returns)
    assert level.close["BENCHMARK"].tolist() == pytest.approx([100, 110, 55])
    assert (BenchmarkHedge().target_weights(predictions, level).weights["BENCHMARK"] == -0.35).all()
    with pytest.raises(InputError, match="already"):
        with_benchmark_asset(level, returns)
    with pytest.raises(InputError, match="'BENCHMARK' is not among the prices"):
        BenchmarkHedge().target_weights(predictions, prices)


def test_predictions_may_be_a_part_of_the_prices():
    rng = np.random.default_rng(0)
    predictions, prices = panels(rng.normal(size=(30, 9)))
    part = predictions.map(lambda frame: frame.iloc[[3, 4, 9, 20], [5, 1, 8, 2, 0]])
    got = QuintileLongShort().target_weights(part, prices).weights
    narrow = PricePanel(prices.close.loc[part.sessions, part.assets])
    pd.testing.assert_frame_equal(got, QuintileLongShort().target_weights(part, narrow).weights)


def test_predictions_outside_the_prices_are_refused():
    predictions, prices = panels(np.tile(np.arange(6.0), (3, 1)))
    with pytest.raises(InputError, match=r"sessions: 1 absent from the prices, first 2020-01-03"):
        QuintileLongShort().target_weights(predictions, PricePanel(prices.close.iloc[:2]))
    with pytest.raises(InputError, match=r"assets: 1 absent from the prices, first 'A05'"):
        QuintileLongShort().target_weights(predictions, PricePanel(prices.close.iloc[:, :5]))


@pytest.mark.parametrize("rule", [FilterNegative, VolScaled, Threshold, ConfidenceScaled])
def test_a_rank_score_has_no_sign(rule):
    predictions, prices = panels(np.arange(6.0), unit="rank")
    with pytest.raises(InputError, match="zero-is-neutral"):
        rule().target_weights(predictions, prices)


@pytest.mark.parametrize("rule", [QuintileLongShort, BottomK, LongOnly])
def test_a_rank_score_is_enough_for_rules_without_a_sign(rule):
    predictions, prices = panels(np.arange(6.0), unit="rank")
    assert rule().target_weights(predictions, prices).weights.iloc[0, -1] > 0


def test_stages_end_with_the_target_weights():
    rng = np.random.default_rng(0)
    predictions, prices = panels(
        rng.normal(0.005, 0.01, size=(30, 20)), 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (30, 20)), 0))
    )
    for rule in [*(rule() for rule in ALL), FilterNegative(long_gross=0.0), FilterNegative(neutral="dollar")]:
        stages = dict(rule.target_weights(predictions, prices).steps())
        assert list(stages) == ["select", "filter"]
        pd.testing.assert_frame_equal(stages["filter"], rule.target_weights(predictions, prices).weights)
        pd.testing.assert_frame_equal(stages["select"], rule.select(predictions, prices), check_exact=True)


def test_a_filter_that_leaves_nothing_out_gives_the_selection_itself():
    predictions, prices = panels(np.random.default_rng(0).normal(-1, 0.01, size=(5, 20)))
    for rule in (QuintileLongShort(), FilterNegative(), Threshold()):
        stages = dict(rule.target_weights(predictions, prices).steps())
        assert stages["select"] is stages["filter"]
        pd.testing.assert_frame_equal(stages["select"], rule.select(predictions, prices), check_exact=True)


class FilterOfItsOwn(QuintileLongShort):
    """Leaves out shorts in the filter alone, and says so by no legs."""

    def _weights(self, legs, score, prices, sized):
        weights = super()._weights(legs, score, prices, sized)
        return weights.clip(lower=0.0) if sized else weights


def test_a_filter_written_into_the_weights_leaves_the_selection_alone():
    predictions, prices = panels(np.arange(10.0))
    rule = FilterOfItsOwn()
    stages = dict(rule.target_weights(predictions, prices).steps())
    assert (stages["select"].to_numpy().min(), stages["filter"].to_numpy().min()) == (-0.25, 0.0)
    pd.testing.assert_frame_equal(stages["select"], rule.select(predictions, prices), check_exact=True)


def test_s2_is_set_up_as_published():
    rule = FilterNegative()
    assert (rule.name, rule.quantile, rule.long_gross, rule.short_gross) == ("s2_filter_negative", 0.2, 0.65, 0.35)
    assert (rule.overlays.smoothing, rule.overlays.vol_target, rule.overlays.kill_switches) == (0.85, 0.08, True)
    plain = QuintileLongShort().overlays
    assert (plain.smoothing, plain.vol_target, plain.kill_switches) == (0.0, None, False)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"quantile": 0}, "quantile must be above 0 and at most 0.5, got 0"),
        ({"quantile": 0.7}, "quantile"),
        ({"quantile": -0.2}, "quantile"),
        ({"quantile": math.nan}, "quantile"),
        ({"long_gross": -1}, "long_gross"),
        ({"short_gross": math.inf}, "short_gross"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"vol_target": 0.0}, "vol_target"),
    ],
)
def test_parameters_out_of_range(bad, match):
    with pytest.raises(InputError, match=match):
        FilterNegative(**bad)


def test_parameters_of_the_siblings():
    with pytest.raises(InputError, match="short_gross must be 0"):
        LongOnly(short_gross=0.3)
    with pytest.raises(InputError, match="window"):
        VolScaled(window=1)
    with pytest.raises(InputError, match="short_below"):
        Threshold(short_below=math.inf)


class Half(QuintileLongShort):
    """Changes the rule and says nothing of its compiled loops."""

    def target_weights(self, predictions, prices):
        return Decision(super().target_weights(predictions, prices).weights / 2)


def test_a_rule_that_was_changed_is_not_the_compiled_one():
    prices, predictions = synthetic_market(30, 10, seed=0)
    plain, asked = (decide(Half(), predictions, prices, compiled=compiled).weights for compiled in (False, True))
    pd.testing.assert_frame_equal(plain, asked)
    assert plain.abs().sum(axis="columns").max() == pytest.approx(0.5)
