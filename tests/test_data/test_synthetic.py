"""Planted markets: the signal is where it is said to be, as strong as it is said to be, and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.quality import check_prices
from assay.data.returns import forward_returns
from assay.data.synthetic import MarketShape, score_panel, synthetic_market

KINDS = ["reversal", "momentum", "volume", "sign_flip"]


def daily_correlation(score: pd.DataFrame, forward: pd.DataFrame, *, ranks: bool = False) -> np.ndarray:
    """Cross-sectional correlation of each session, by scipy."""
    out = []
    for x, y in zip(score.to_numpy(), forward.to_numpy(), strict=True):
        keep = np.isfinite(x) & np.isfinite(y)
        if keep.sum() > 10:
            out.append(stats.spearmanr(x[keep], y[keep])[0] if ranks else stats.pearsonr(x[keep], y[keep])[0])
    return np.array(out)


@pytest.fixture(scope="module", params=KINDS)
def market(request: pytest.FixtureRequest) -> tuple[str, PricePanel, PredictionPanel]:
    return request.param, *synthetic_market(900, 100, ic=0.1, seed=11, kind=request.param)


def test_the_oracle_earns_its_stated_ic(market: tuple[str, PricePanel, PredictionPanel]) -> None:
    _, prices, oracle = market
    found = daily_correlation(oracle.score, forward_returns(prices))
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - 0.1) < 4 * error
    assert error < 0.005


def test_its_rank_ic_is_that_of_a_bivariate_normal(market: tuple[str, PricePanel, PredictionPanel]) -> None:
    kind, prices, oracle = market
    found = daily_correlation(oracle.score, forward_returns(prices), ranks=True)
    error = found.std(ddof=1) / np.sqrt(len(found))
    slack = 0.006 if kind == "volume" else 0.0  # a volume ratio is skewed
    assert abs(found.mean() - 6 / np.pi * np.arcsin(0.05)) < 4 * error + slack


def test_the_score_is_the_planted_expected_return(market: tuple[str, PricePanel, PredictionPanel]) -> None:
    _, prices, oracle = market
    forward = np.log1p(forward_returns(prices).to_numpy())
    score = oracle.score.to_numpy()
    keep = np.isfinite(score) & np.isfinite(forward)
    slope = stats.linregress(score[keep], forward[keep])
    assert abs(slope.slope - 1) < 4 * slope.stderr
    assert np.nanstd(score) == pytest.approx(0.1 * 0.02, rel=0.01)


def test_outside_the_fill_window_the_return_knows_nothing() -> None:
    """The overnight return before the fill is not part of what a decision earns, and carries nothing of it."""
    prices, oracle = synthetic_market(900, 100, ic=0.1, seed=5, kind="volume")
    before = prices.open.shift(-1) / prices.close - 1
    found = daily_correlation(oracle.score.iloc[:-1], before.iloc[:-1])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))


def test_the_signal_is_what_it_is_said_to_be() -> None:
    for kind, sign in (("momentum", 1), ("reversal", -1)):
        prices, oracle = synthetic_market(60, 30, ic=0.05, seed=1, kind=kind)  # type: ignore[arg-type]
        trailing = prices.close / prices.close.shift(5) - 1
        z = trailing.sub(trailing.mean(axis=1), axis=0).div(trailing.std(axis=1, ddof=0), axis=0)
        pd.testing.assert_frame_equal(oracle.score, sign * 0.05 * 0.02 * z, rtol=1e-9)
    prices, oracle = synthetic_market(60, 30, ic=0.05, seed=1, kind="volume")
    ratio = prices.volume / prices.volume.rolling(20).mean()
    z = ratio.sub(ratio.mean(axis=1), axis=0).div(ratio.std(axis=1, ddof=0), axis=0)
    pd.testing.assert_frame_equal(oracle.score, 0.05 * 0.02 * z, rtol=1e-9)


def test_a_linear_rule_sees_hardly_a_trace_of_the_sign_flip() -> None:
    prices, _ = synthetic_market(900, 100, ic=0.1, seed=2, kind="sign_flip")
    trailing = prices.close / prices.close.shift(5) - 1
    linear = daily_correlation(trailing, forward_returns(prices)).mean()
    assert abs(linear) < 0.03
    spread = prices.close.pct_change(fill_method=None).rolling(20).std()
    lively = spread.gt(spread.median(axis=1), axis=0)
    assert daily_correlation(trailing.where(lively), forward_returns(prices)).mean() > 0.07
    assert daily_correlation(trailing.where(~lively), forward_returns(prices)).mean() < -0.07


def test_nothing_planted_nothing_found() -> None:
    prices, oracle = synthetic_market(900, 100, ic=0.1, seed=3, kind="none")
    found = daily_correlation(oracle.score, forward_returns(prices))
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found))


def test_planted_overnight_it_serves_close_fills_as_well() -> None:
    prices, oracle = synthetic_market(900, 100, ic=0.1, seed=4, shape=MarketShape(overnight=1.0))
    for fill in ("open", "close"):
        found = daily_correlation(oracle.score, forward_returns(prices, fill=fill))  # type: ignore[arg-type]
        assert found.mean() == pytest.approx(0.1, abs=0.013)


def test_a_longer_delay_moves_the_window() -> None:
    prices, oracle = synthetic_market(900, 100, ic=0.1, seed=4, kind="volume", shape=MarketShape(delay=3))
    assert oracle.delay == 3
    assert daily_correlation(oracle.score, forward_returns(prices, delay=3)).mean() == pytest.approx(0.1, abs=0.013)
    assert abs(daily_correlation(oracle.score, forward_returns(prices, delay=1)).mean()) < 0.015


def test_volatility_and_drift_are_as_asked() -> None:
    prices, _ = synthetic_market(2000, 40, seed=8, volatility=0.01, drift=0.0005)
    log = np.log(prices.open).diff().to_numpy()[1:]
    assert log.std() == pytest.approx(0.01, rel=0.02)
    assert log.mean() == pytest.approx(0.0005, abs=4 * 0.01 / np.sqrt(log.size))


def test_a_market_factor_is_shared() -> None:
    prices, _ = synthetic_market(1000, 40, seed=8, shape=MarketShape(market_volatility=0.02))
    log = np.log(prices.close).diff().iloc[1:]
    pairs = log.corr().to_numpy()[np.triu_indices(40, 1)]
    assert pairs.mean() == pytest.approx(0.5, abs=0.06)


def test_bars_are_possible(market: tuple[str, PricePanel, PredictionPanel]) -> None:
    _, prices, _ = market
    assert check_prices(prices).findings == ()
    assert (prices.high >= np.maximum(prices.open, prices.close) * (1 - 1e-12)).all(axis=None)
    assert (prices.low <= np.minimum(prices.open, prices.close) * (1 + 1e-12)).all(axis=None)
    assert (prices.volume >= 1).all(axis=None)


@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_a_longer_market_begins_alike(kind: str) -> None:
    """So the oracle reads no future: its score at t is the same when sessions after t do not exist."""
    long, long_oracle = synthetic_market(60, 7, ic=0.2, seed=9, kind=kind)  # type: ignore[arg-type]
    short, short_oracle = synthetic_market(33, 7, ic=0.2, seed=9, kind=kind)  # type: ignore[arg-type]
    assert long.through(short.sessions[-1]).fingerprint == short.fingerprint
    pd.testing.assert_frame_equal(long_oracle.score.iloc[:33], short_oracle.score)


def test_seeds_decide_everything() -> None:
    first, again, other = (synthetic_market(30, 5, seed=seed)[0].fingerprint for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("sessions", "assets"), [(1, 1), (1, 5), (30, 1), (30, 2)])
def test_the_smallest_markets_exist(sessions: int, assets: int) -> None:
    prices, oracle = synthetic_market(sessions, assets, ic=0.1, kind="sign_flip")
    assert prices.shape == oracle.shape == (sessions, assets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_sessions": 0}, "at least 1 session"),
        ({"n_assets": 0}, "at least 1 session"),
        ({"ic": 1.0}, "ic must lie in"),
        ({"ic": float("nan")}, "ic must lie in"),
        ({"kind": "moment"}, "kind must be one of"),
        ({"volatility": 0.0}, "volatility must lie in"),
    ],
)
def test_refuses(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        synthetic_market(**{"n_sessions": 10, "n_assets": 3} | arguments)


@pytest.mark.parametrize("field", ["overnight", "overnight_variance", "market_volatility", "volume_volatility"])
def test_shape_refuses(field: str) -> None:
    with pytest.raises(InputError, match=field):
        MarketShape(**{field: -0.1})


@pytest.mark.parametrize(("ic", "half_life"), [(0.0, None), (0.0, 10), (0.1, None), (0.1, 5), (0.03, 20), (-0.05, 3)])
def test_score_panels_have_the_ic_and_the_half_life_that_was_asked_for(ic: float, half_life: float | None) -> None:
    prices, _ = synthetic_market(1200, 60, kind="none", seed=21)
    forward = forward_returns(prices)
    panel = score_panel(forward, ic, half_life, seed=3)
    found = daily_correlation(panel.score, forward)
    phi = 0.0 if half_life is None else 0.5 ** (1 / half_life)
    error = found.std() / np.sqrt(len(found)) * np.sqrt((1 + phi) / (1 - phi))
    assert abs(found.mean() - ic) < 4 * error
    lag = 4 if half_life is None else int(half_life)
    kept = panel.score.corrwith(panel.score.shift(lag), axis=1).mean()
    assert kept == pytest.approx(0.0 if half_life is None else 0.5, abs=0.06)


def test_what_a_lasting_score_knows_halves_every_half_life() -> None:
    prices, _ = synthetic_market(3000, 50, kind="none", seed=4)
    forward = forward_returns(prices, horizon=1, delay=1, fill="close")
    score = score_panel(forward, 0.2, 5, seed=3, lasting=True).score
    for k in (0, 5, 10):
        later = forward.shift(-k)
        assert score.corrwith(later, axis=1).mean() == pytest.approx(0.2 * 0.5 ** (k / 5), abs=0.01)
    assert score.corrwith(forward.shift(1), axis=1).mean() == pytest.approx(0.0, abs=0.01)
    assert score.std().mean() == pytest.approx(0.001, rel=0.05)
    assert score.corrwith(score.shift(5)).mean() == pytest.approx(0.5, abs=0.05)


def test_score_panels_do_not_depend_on_later_rows() -> None:
    prices, _ = synthetic_market(80, 12, kind="none", seed=2)
    forward = forward_returns(prices)
    changed = forward.copy()
    changed.iloc[40:] = 0.5
    whole = score_panel(forward, 0.2, 5, seed=1).score
    pd.testing.assert_frame_equal(whole.iloc[:40], score_panel(changed, 0.2, 5, seed=1).score.iloc[:40])
    pd.testing.assert_frame_equal(whole.iloc[:30], score_panel(forward.iloc[:30], 0.2, 5, seed=1).score)


def test_only_ignorant_scores_carry_receipts() -> None:
    forward = forward_returns(synthetic_market(40, 12, seed=2)[0])
    assert score_panel(forward, 0.0, 5).receipts is not None
    assert score_panel(forward, 0.1, 5).receipts is None


@pytest.mark.parametrize(
    ("ic", "half_life", "message"), [(0.5, 100, "at most"), (1.1, None, "at most"), (0.0, 0, "half_life")]
)
def test_score_panels_refuse(ic: float, half_life: float | None, message: str) -> None:
    forward = forward_returns(synthetic_market(20, 3, seed=2)[0])
    with pytest.raises(InputError, match=message):
        score_panel(forward, ic, half_life)
