"""Each family finds its share of what is planted, and nothing where nothing is. Slow: minutes."""

from __future__ import annotations

import pytest

from studies.planted import nothing, trial

pytestmark = pytest.mark.slow

SHARES = {"ridge": 0.9, "stock_lstm": 0.8, "b3_multitask": 0.7, "reliance_direction": 0.5}


@pytest.mark.parametrize("family", sorted(SHARES))
def test_share_of_the_oracles_ic_where_returns_reverse(family: str) -> None:
    row = trial(family, "reversal", 1)
    assert row["oracle_ic"] == pytest.approx(0.1, abs=0.01)
    assert row["share"] > SHARES[family]
    assert row["hac_t"] > 3
    assert row["seconds"] < 120


@pytest.mark.parametrize("family", ["stock_lstm", "b3_multitask"])
def test_the_same_signal_in_volume(family: str) -> None:
    assert trial(family, "volume", 1)["share"] > SHARES[family]


def test_a_sign_that_flips_with_volatility_is_seen_by_the_lstm_and_not_by_ridge() -> None:
    lstm, ridge = (trial(family, "sign_flip", 1) for family in ("stock_lstm", "ridge"))
    assert lstm["share"] > 0.4
    assert lstm["share"] > ridge["share"] + 0.2
    assert lstm["hac_t"] > 3


def test_the_untrained_five_day_mean_changes_sign_with_the_market() -> None:
    assert trial("five_day_mean", "reversal", 1)["hac_t"] > 3
    assert trial("five_day_mean", "momentum", 1)["hac_t"] < -3


def test_nothing_from_nothing() -> None:
    told = nothing(100)
    assert told["low"] <= told["rejected"] <= told["high"]
