"""A book carried from session to session decides as the backtest, whatever is between its sessions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.align import align
from assay.data.benchmark import with_benchmark_asset
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.backtest import run_backtest
from assay.engine.carried import Carried, carried_on
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.positions import LINEAGE_COLUMNS, carried_positions, positions_at
from assay.strategies.base import EntryRule, memory_of
from assay.strategies.catalog import STRATEGIES, load_strategy, strategy_class
from assay.strategies.contract import random_panels

EVERYTHING = {"smoothing": 0.5, "vol_target": 0.1, "kill_switches": True, "sleeves": 3, "aim": True, "band": 0.003,
              "turnover_budget": 0.04}  # fmt: skip


def gappy() -> tuple[PricePanel, PredictionPanel]:
    """An OHLCV market with holes, an asset that begins late and one whose prices end, and a slump."""
    prices, oracle = synthetic_market(150, 10, ic=0.05, seed=5, volatility=0.03)
    hole = np.random.default_rng(1).random(prices.shape) < 0.04
    hole[:, :3] = False
    hole[:60, 4], hole[120:, 5] = True, True
    slump = np.where((np.arange(150) > 90) & (np.arange(150) < 105), 0.98, 1.0).cumprod()[:, None]
    gone = {
        name: getattr(prices, name).mask(hole) * (1.0 if name == "volume" else slump) for name in prices.fields
    }
    holey = replace(prices, **gone)
    return holey, align(oracle.map(lambda frame: frame.iloc[50:]), holey)[0]


def one_by_one(strategy, predictions, prices, costs, execution, start: int) -> list[tuple[pd.Timestamp, Carried]]:
    """Cold through session `start`, then a session at a time from no more history than the strategy says it reads."""
    memory = memory_of(strategy)
    keep = None if memory is None else max(memory, 23 if costs.needs_volume or execution.max_volume else 2)
    first = prices.sessions[start]
    carried = carried_on(
        None, strategy, predictions.through(first), prices.through(first), costs=costs, execution=execution
    )
    out = [(first, carried)]
    for place in range(start + 1, len(prices.sessions)):
        session = prices.sessions[place]
        since = prices.sessions[0 if keep is None else max(place - max(keep, 2) + 1, 0)]
        some = bool(len(predictions.sessions[(predictions.sessions >= since) & (predictions.sessions <= session)]))
        view = predictions.map(lambda frame, a=since, b=session: frame.loc[a:b]) if some else None
        carried = carried_on(
            carried, strategy, view, prices.between(since, session), costs=costs, execution=execution
        )
        out.append((session, carried))
    return out


def products(lineage: pd.DataFrame) -> pd.Series:
    """The target of every asset, multiplied by hand from what the lineage says."""
    smoothing = lineage["smoothing"].where(lineage["before"].notna(), 0.0)
    wanted = smoothing * lineage["before"].fillna(0.0) + (1 - smoothing) * lineage["sleeved"]
    wanted *= lineage["vol_factor"].fillna(1.0) * lineage["aim"]
    ordered = lineage["drifted"] + lineage["share"] * (wanted - lineage["drifted"])
    return (ordered * lineage["cap"] * lineage["floor"]).where(lineage["switch"] == 1, 0.0)


def check(strategy, predictions, prices, costs=None, execution=None, start=70, pairs_at_least=20) -> pd.DataFrame:
    """Compare them session by session; gives what happened on the last."""
    costs, execution = CostModel() if costs is None else costs, Execution() if execution is None else execution
    whole = run_backtest(strategy, predictions, prices, costs=costs, execution=execution)
    assert whole.target_weights is not None
    assert whole.holdings is not None
    mark = prices.close[whole.holdings.columns].ffill()
    prices, pairs = prices.through(whole.sessions[-1]), 0
    for session, carried in one_by_one(strategy, predictions, prices, costs, execution, start):
        got = carried_positions(carried, strategy, prices.through(session), execution)
        np.testing.assert_allclose(got.targets, whole.target_weights.loc[session], rtol=0, atol=1e-9)
        stated = got.targets.notna()
        np.testing.assert_allclose(products(got.lineage)[stated], got.targets[stated], rtol=0, atol=1e-12)
        pairs += int(stated.sum())
        held = (whole.holdings.loc[session] * mark.loc[session]).fillna(0.0) / whole.nav.loc[session]
        np.testing.assert_allclose(got.lineage["book"], held, rtol=0, atol=1e-9)
    assert pairs >= pairs_at_least
    alone = positions_at(strategy, predictions, prices, session=session, costs=costs, execution=execution)
    ours, theirs = (one.lineage.drop(columns="book") for one in (got, alone))
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False, check_names=False, rtol=0, atol=1e-9)
    assert [got.why(asset) for asset in got.lineage.index] == [alone.why(asset) for asset in alone.lineage.index]
    assert tuple(got.lineage.columns) == LINEAGE_COLUMNS
    assert got.events.to_numpy().tolist() == alone.events.to_numpy().tolist()
    return got.events


@pytest.mark.parametrize("settings", [{}, EVERYTHING, {"every": "week", "phase": 2, "kill_switches": True}])
def test_s2_carried_is_s2_backtested(settings):
    prices, predictions = gappy()
    many = 100 if settings.get("every") else 600  # (asset, session) pairs, each multiplied again
    check(load_strategy("s2_filter_negative", **settings), predictions, prices, pairs_at_least=many)


@pytest.mark.parametrize(
    ("costs", "execution"),
    [
        (CostModel(minimum_fee=3.0, sqrt_impact=0.1), Execution(lot=10, max_volume=0.02)),
        (CostModel(cash_rate_bps=200), Execution(delay=3, fill="close", max_gross=0.6)),
    ],
)
def test_lots_volume_and_delay(costs, execution):
    prices, predictions = gappy()
    strategy = load_strategy("s3_vol_scaled", band=0.01, window=15)
    check(strategy, predictions, prices, costs, execution, start=90)


def test_weekly_views_and_a_rule_that_remembers_everything():
    prices, predictions = gappy()
    weekly = predictions.map(lambda frame: frame.iloc[::5])
    check(load_strategy("s2_filter_negative"), weekly, prices, start=90)
    rule = load_strategy("min_variance", every=11, window=40, vol_target=0.08)  # decides on the last session
    assert "missing_returns" in set(check(rule, predictions, prices, start=130)["kind"])


def test_an_asset_that_is_new_joins():
    prices, predictions = gappy()
    late = prices.assets[4]  # without a price through session 59
    strategy = load_strategy("s2_filter_negative")
    whole = run_backtest(strategy, predictions, prices).target_weights
    assert whole is not None
    first = prices.sessions[58]
    few = [asset for asset in prices.assets if asset != late]
    carried = carried_on(
        None, strategy, predictions.map(lambda frame: frame.loc[:first, few]), prices.through(first).select(few),
        costs=CostModel(), execution=Execution(),
    )  # fmt: skip
    for place in range(59, 75):
        a, b = prices.sessions[place - 1], prices.sessions[place]
        carried = carried_on(
            carried, strategy, predictions.map(lambda frame, a=a, b=b: frame.loc[a:b]), prices.between(a, b),
            costs=CostModel(), execution=Execution(),
        )  # fmt: skip
    got = carried_positions(carried, strategy, prices.through(b), Execution()).targets
    np.testing.assert_allclose(got[whole.columns], whole.loc[b], rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("overlaid", [False, True])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_carried_is_the_strategy_backtested(name, overlaid):
    prices, predictions = gappy()
    if not hasattr(strategy_class(name), "target_weights"):
        pytest.skip("an entry rule has no targets")
    optimised = {"window", "every"} <= set(getattr(strategy_class(name), "__dataclass_fields__", {})) and (
        memory_of(load_strategy(name)) is None and name != "multitask_action"
    )
    settings = {"window": 40, "every": 10} if optimised else {}
    strategy = load_strategy(name, **settings, **(EVERYTHING if overlaid else {}))
    if name in ("multitask_action",):
        predictions, prices = random_panels(3, sessions=150, assets=10)
    if name == "s4_benchmark_hedge":
        prices = with_benchmark_asset(prices, prices.close.pct_change(fill_method=None).mean(axis=1))
    assert not isinstance(strategy, EntryRule)
    least = 0 if name == "buy_and_hold" else 20
    check(strategy, predictions, prices, start=60 if not optimised else 120, pairs_at_least=least)
