"""Fills beside the backtest: by hand, and estimates of costs that cover what the fills were made with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.data.synthetic import synthetic_market
from assay.engine.costs import CostModel
from assay.engine.simulation import liquidity_of, simulate
from assay.results.evidence.live import estimated_costs, reconcile

DAYS = pd.bdate_range("2024-01-01", periods=4)


def hand_worked():
    """Half of NAV in A, decided on the first day; then all of it in B."""
    prices = PricePanel(pd.DataFrame({"A": [10.0, 10.0, 11.0, 11.0], "B": [20.0, 20.0, 20.0, 20.0]}, DAYS))
    weights = pd.DataFrame({"A": [0.5, 0.0], "B": [0.0, 1.0]}, DAYS[:2])
    return prices, simulate(prices, weights, costs=CostModel.zero())


def fills(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["session", "asset", "shares", "price", "cost"])


def test_a_book_of_three_fills():
    prices, result = hand_worked()
    got = reconcile(
        result,
        fills((DAYS[1], "A", 50.0, 10.01, 0.5), (DAYS[2], "A", -50.0, 10.989, 0.5), (DAYS[3], "B", 10.0, 20.0, np.nan)),
        prices,
        capital=1_000.0,
    )
    table = got.fills.set_index(["session", "asset"])
    assert table["status"].to_dict() == {
        (DAYS[1], "A"): "filled", (DAYS[2], "A"): "filled", (DAYS[2], "B"): "missed", (DAYS[3], "B"): "extra",
    }  # fmt: skip
    assert table.loc[(DAYS[1], "A"), "slippage_bps"] == pytest.approx(10.0)
    assert table.loc[(DAYS[2], "A"), "slippage_bps"] == pytest.approx(10.0)  # sold below the model's price
    assert table.loc[(DAYS[1], "A"), "commission_bps"] == pytest.approx(1e4 * 0.5 / 500.5)
    assert table.loc[(DAYS[1], "A"), ["model", "live"]].tolist() == pytest.approx([0.5, 0.5005])
    assert table.loc[(DAYS[2], "B"), "model"] == pytest.approx(1.05)  # of NAV at the close before
    cash = [1_000 - 500.5 - 0.5, 1_000 - 500.5 - 0.5 + 549.45 - 0.5]
    cash.append(cash[1] - 200.0)
    navs = [cash[0] + 500.0, cash[1], cash[2] + 200.0]
    np.testing.assert_allclose((1 + got.returns["live"]).cumprod() * 1_000, navs)
    np.testing.assert_allclose(got.returns["model"], [0.0, 0.05, 0.0])
    drift = [0.5 * abs(500 / navs[0] - 0.5), 0.5, 0.5 * abs(200 / navs[2] - 1.0)]
    np.testing.assert_allclose(got.drift, drift)
    assert got.slippage.loc["price", "bps"] == pytest.approx(10.0, abs=0.01)
    assert got.slippage.loc["commission", "currency"] == pytest.approx(1.0)
    assert got.costs == ()  # three fills speak for nothing
    assert "2 filled, 1 missed, 1 extra, 0 opening" in str(got)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no fill is recorded yet"),
        ([(pd.Timestamp("2024-01-06"), "A", 1.0, 1.0, 0.0)], "no session of the backtest"),
        ([(DAYS[1], "Z", 1.0, 1.0, 0.0)], "fills of 'Z', which the backtest does not trade"),
    ],
)
def test_what_cannot_be_reconciled_is_refused(rows, message):
    prices, result = hand_worked()
    with pytest.raises(InputError, match=message):
        reconcile(result, fills(*rows), prices, capital=1_000.0)


def test_estimated_costs_cover_the_truth():
    """200 brokers whose half spread is 4 bps, coefficient 0.5 and commission about 1.2 bps, in prices that move."""
    prices, _ = synthetic_market(120, 12, seed=1)
    known, close = liquidity_of(prices), prices.close.to_numpy()
    truth = {"spread_bps": 4.0, "sqrt_impact": 0.5, "commission_bps": 1.2}
    covered = dict.fromkeys(truth, 0)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        row, column = rng.integers(30, 120, 250), rng.integers(0, 12, 250)
        side, reference = rng.choice([-1.0, 1.0], 250), close[row, column]
        share = rng.uniform(1e-4, 0.05, 250)
        deviation = known.volatility[row, column]
        slipped = 4e-4 + 0.5 * deviation * np.sqrt(share) + rng.normal(0, 0.2 * deviation)
        shares = side * share * known.volume[row, column]
        price = reference * (1 + side * slipped)
        value = shares * price
        table = pd.DataFrame({
            "session": prices.sessions[row], "asset": prices.assets[column], "shares": shares, "value": value,
            "slippage_bps": 1e4 * side * (price / reference - 1),
            "commission_bps": 1.2 * rng.uniform(0.5, 1.5, 250),
        })  # fmt: skip
        for one in estimated_costs(table, prices):
            covered[one.name] += one.low <= truth[one.name] <= one.high
    assert min(covered.values()) >= 186, covered  # 93% of 200


def test_without_volume_the_half_spread_is_the_mean():
    prices, _ = synthetic_market(60, 5, seed=1)
    bare = PricePanel(prices.close)
    table = pd.DataFrame({
        "session": prices.sessions[30], "asset": prices.assets[0], "shares": 1.0, "value": 10.0,
        "slippage_bps": np.arange(20.0), "commission_bps": np.nan,
    })  # fmt: skip
    (one,) = estimated_costs(table, bare)
    assert (one.name, one.value, one.n) == ("spread_bps", pytest.approx(9.5), 20)
