"""Backtests in blocks of sessions against the same backtests of whole tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay import CostModel, Execution, InputError, PredictionPanel, PricePanel, load_strategy, run_backtest
from assay.data.align import align
from assay.data.row_tables import rows_of
from assay.engine.in_blocks import run_in_blocks, why_not_in_blocks
from assay.results.evidence.backtest import evaluate
from assay.results.evidence.in_blocks import evaluate_in_blocks

SESSIONS, ASSETS = 75, 12


def market(seed: int, *, opens: bool = False, members: bool = False) -> tuple[PricePanel, PredictionPanel]:
    """Wild prices with holes and two delistings, and scores some of which find no price."""
    rng = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=SESSIONS)
    names = pd.Index([f"A{number}" for number in range(ASSETS)], dtype="str")
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.05, (SESSIONS, ASSETS)), axis=0))
    score = rng.normal(0, 0.01, close.shape)
    close[rng.random(close.shape) < 0.04] = np.nan
    close[40:, 3] = close[55:, 7] = np.nan
    score[rng.random(score.shape) < 0.05] = np.nan

    def frame(values: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(values, days, names)

    inside = frame(np.cumsum(rng.random(close.shape) < 0.03, axis=0) % 2 == 0) if members else None
    prices = PricePanel(frame(close), open=frame(close * 1.01) if opens else None, members=inside)
    return prices, PredictionPanel(frame(score), horizon=2)


CASES = {
    "s2": ("s2_filter_negative", {}, {}, {}),
    "opens, a delay of 2": ("s2_filter_negative", {"opens": True}, {"delay": 2}, {}),
    "members": ("s1_bottom_k", {"members": True}, {"carry_orders": False}, {}),
    "volatility behind the block": ("s3_vol_scaled", {}, {"stale_limit": 3}, {}),
    "no smoothing, interest": ("s7_confidence_scaled", {}, {"max_gross": 0.8}, {"cash_rate_bps": 300.0}),
    "ruin": ("quintile_long_short", {}, {"max_gross": 8.0}, {"commission_bps": 4000.0}),
}


def both(case: str, sessions: int) -> tuple:
    """A case by whole tables and in blocks."""
    name, panels, how, paid = CASES[case]
    prices, predictions = market(11, **panels)
    settings = {"smoothing": 0.0} if case.startswith("no smoothing") else {}
    rule, execution, costs = load_strategy(name, **settings), Execution(**how), CostModel(**paid)
    joined, report = align(predictions, prices)
    whole = run_backtest(rule, joined, prices, costs=costs, execution=execution)
    weights: list[pd.DataFrame] = []
    parts, found = run_in_blocks(
        rule, predictions, prices, costs=costs, execution=execution, sessions=sessions, decided=weights.append
    )
    assert found.losses.equals(report.losses)
    return whole, parts, pd.concat(weights)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sessions", [31, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 7, SESSIONS))])
def test_blocks_give_what_whole_tables_give(case: str, sessions: int) -> None:
    whole, parts, weights = both(case, sessions)
    for name in ("returns", "gross_returns", "turnover", "exposure", "cash", "interest"):
        one, two = getattr(whole, name), getattr(parts, name)
        scale = 1e6 if name in ("cash", "interest") else 1.0
        assert float(np.abs(one - two).to_numpy().max()) <= 1e-12 * scale, name
    assert np.allclose(whole.costs, parts.costs, rtol=1e-12, atol=1e-6)
    assert np.allclose(whole.target_weights, weights, rtol=0, atol=1e-12, equal_nan=True)
    pd.testing.assert_frame_equal(whole.stages, parts.stages, rtol=1e-10, atol=1e-12)
    theirs = whole.events[whole.events["kind"] != "left_universe"].reset_index(drop=True)
    pd.testing.assert_frame_equal(theirs, parts.events)
    assert whole.warnings == parts.warnings
    assert whole.config == parts.config
    assert {name: count for name, count in whole.counts.items() if name != "left_universe"} == parts.counts


def test_switches_holes_and_delistings_lie_on_both_sides_of_a_seam() -> None:
    """What the cases above are said to hold."""
    whole, _, _ = both("s2", 31)
    kinds = whole.events.groupby("kind")["session"]
    assert kinds.nunique()["unfilled"] > 5
    assert "forced_exit" in kinds.groups
    flat = whole.target_weights.eq(0).all(axis="columns").to_numpy()
    assert flat[30] or flat[31] or flat[61] or flat[62]
    assert whole.events["kind"].str.startswith("kill").any()


def test_the_future_of_a_block_is_not_read() -> None:
    prices, predictions = market(5)
    rule = load_strategy("s2_filter_negative")
    seen, again = [], []
    run_in_blocks(rule, predictions, prices, sessions=20, decided=seen.append)
    late = prices.sessions[40]
    close = prices.close.copy()
    close.loc[late:] = close.loc[late:].to_numpy()[:, ::-1]
    other = PricePanel(close)
    run_in_blocks(rule, predictions, other, sessions=20, decided=again.append)
    assert seen[0].equals(again[0])
    assert seen[1].equals(again[1])
    assert not seen[2].equals(again[2])


@pytest.mark.parametrize("weekly", [pytest.param(False, marks=pytest.mark.slow), True])
def test_evidence_in_blocks_is_that_of_whole_tables(weekly: bool) -> None:
    prices, predictions = market(3, members=weekly)
    predictions = predictions.map(lambda frame: frame.iloc[3::5] if weekly else frame.iloc[2:])
    rule = load_strategy("s2_filter_negative")
    benchmark = prices.close.pct_change(fill_method=None).mean(axis="columns").fillna(0.0).rename("market")
    joined, _ = align(predictions, prices)
    weights: list[pd.DataFrame] = []
    result, _ = run_in_blocks(rule, predictions, prices, benchmark=benchmark, sessions=20, decided=weights.append)
    found, _ = evaluate_in_blocks(result, predictions, prices, rows_of(pd.concat(weights)))
    known = evaluate(run_backtest(rule, joined, prices, benchmark=benchmark), joined, prices)
    theirs = {item.name: item for item in known.metrics if not item.name.startswith("hit_trade")}
    ours = {item.name: item for item in found.metrics}
    assert ours.pop("hit_trade").reason == "round trips are not made in blocks of sessions"
    assert list(ours) == list(theirs)
    for name, item in ours.items():
        for part in ("value", "low", "high"):
            one, two = getattr(item, part), getattr(theirs[name], part)
            assert one is two is None or one == pytest.approx(two, rel=1e-9, abs=1e-12, nan_ok=True), (name, part)
        assert replace(item, value=0.0, low=None, high=None) == replace(theirs[name], value=0.0, low=None, high=None)
    for name in ("ic", "quantiles", "levels", "skill"):
        pd.testing.assert_frame_equal(known.tables[name], found.tables[name], rtol=1e-9, atol=1e-12, check_freq=False)


@pytest.mark.parametrize(
    ("strategy", "settings", "how", "reason"),
    [
        ("s4_benchmark_hedge", {}, {}, "trades the benchmark"),
        ("confidence", {}, {}, "bar by bar"),
        ("s2_filter_negative", {"band": 0.01}, {}, "bands"),
        ("s2_filter_negative", {"sleeves": 3}, {}, "sleeves"),
        ("s2_filter_negative", {}, {"accounting": "constant_weight"}, "constant-weight accounting"),
    ],
)
def test_what_cannot_be_worked_in_blocks_is_named(strategy: str, settings: dict, how: dict, reason: str) -> None:
    prices, predictions = market(1)
    rule, execution = load_strategy(strategy, **settings), Execution(**how)
    found = why_not_in_blocks(rule, predictions, prices, CostModel(), execution)
    assert found is not None
    assert reason in found
    with pytest.raises(InputError, match="needs the whole panels in memory"):
        run_in_blocks(rule, predictions, prices, execution=execution)  # type: ignore[arg-type]
