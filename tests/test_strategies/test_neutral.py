"""Selection within sectors, scores and weights without beta, sectors or styles: by loops, blind to the future."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.characteristics import trailing_beta
from assay.data.cross_section import standardised
from assay.data.errors import InputError
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.returns import simple_returns
from assay.engine.backtest import run_backtest
from assay.results.evidence.styles import StyleInputs
from assay.results.workflow import backtest
from assay.strategies.base import memory_of
from assay.strategies.catalog import load_strategy
from assay.strategies.contract import check_strategy

SESSIONS, ASSETS = 330, 18
RNG = np.random.default_rng(0)
DAYS, NAMES = pd.bdate_range("2015-01-01", periods=SESSIONS), [f"A{i:02d}" for i in range(ASSETS)]
MOVES = RNG.normal(0, 0.01, (SESSIONS, 1)) * RNG.uniform(0.3, 1.7, ASSETS) + RNG.normal(0, 0.015, (SESSIONS, ASSETS))
SECTORS = pd.Series({name: "xyz"[i % 3] for i, name in enumerate(NAMES)})
PRICES = PricePanel(pd.DataFrame(50 * np.cumprod(1 + MOVES, axis=0), DAYS, NAMES), sectors=SECTORS)
SCORE = pd.DataFrame(RNG.normal(0, 0.01, (30, ASSETS)), DAYS[-30:], NAMES)
SCORE.iloc[3, 2:5] = np.nan
PANEL = PredictionPanel(SCORE, name="scores")


def weights(**parameters: object) -> pd.DataFrame:
    return load_strategy("quintile_long_short", **parameters).target_weights(PANEL, PRICES).weights


def test_within_a_sector_its_best_and_worst_are_chosen_and_each_sector_is_dollar_neutral():
    found = weights(within="sector", quantile=0.34)
    assert float(found.T.groupby(SECTORS).sum().abs().to_numpy().max()) < 1e-12
    assert found.abs().sum(axis="columns").to_numpy() == pytest.approx(np.ones(30))
    for row in (0, 3, 20):
        for sector in "xyz":
            own = SCORE.iloc[row][[name for name in NAMES if SECTORS[name] == sector]].dropna().sort_values()
            if len(own) < 5:
                assert (found.iloc[row][own.index] == 0).all()
                continue
            k = int(0.34 * len(own) + 0.5)
            assert set(own.index[-k:]) == set(own.index[found.iloc[row][own.index] > 0])
            assert set(own.index[:k]) == set(own.index[found.iloc[row][own.index] < 0])


def test_scores_are_what_least_squares_leaves_of_them():
    wanted = load_strategy("quintile_long_short", neutralise="beta,sector")
    found = wanted.target_weights(PANEL, PRICES).weights
    beta = trailing_beta(simple_returns(PRICES.close)).reindex(SCORE.index)
    left = []
    for row in range(30):
        known = SCORE.iloc[row].notna().to_numpy()
        exposure = standardised(beta.iloc[[row]].to_numpy(), known[None, :])[0][known]
        dummies = pd.get_dummies(SECTORS[known]).to_numpy(dtype=float)
        design = np.column_stack([exposure, dummies])
        values = SCORE.iloc[row].to_numpy()[known]
        left.append(pd.Series(values - design @ np.linalg.lstsq(design, values, rcond=None)[0], SCORE.columns[known]))
    by_hand = PredictionPanel(pd.DataFrame(left, SCORE.index).reindex(columns=NAMES), name="left")
    plain = load_strategy("quintile_long_short").target_weights(by_hand, PRICES).weights
    pd.testing.assert_frame_equal(found, plain, atol=1e-12)
    assert not found.equals(weights())


def test_weights_have_none_of_what_they_are_made_free_of():
    found = weights(neutral="dollar,beta,sector", quantile=0.4)
    beta = trailing_beta(simple_returns(PRICES.close)).reindex(SCORE.index).to_numpy()
    held = (weights(quantile=0.4) != 0).to_numpy()
    exposure = standardised(beta, held)
    values = found.to_numpy()
    assert np.abs((values * exposure).sum(axis=1)).max() < 1e-12
    assert np.abs(values.sum(axis=1)).max() < 1e-12
    assert float(found.T.groupby(SECTORS).sum().abs().to_numpy().max()) < 1e-12
    assert np.abs(values).sum(axis=1) == pytest.approx(np.ones(30))


@pytest.mark.parametrize("parameters", [{"neutralise": "beta,momentum"}, {"neutral": "dollar,volatility"}])
def test_the_future_and_what_lies_before_their_memory_change_nothing(parameters: dict[str, str]):
    strategy = load_strategy("s2_filter_negative", **parameters)
    whole = strategy.target_weights(PANEL, PRICES).weights
    cut = SCORE.index[12]
    first = PRICES.sessions[PRICES.sessions.get_loc(cut) - memory_of(strategy) + 1]
    short = replace(PANEL, score=SCORE.loc[cut:cut])
    part = strategy.target_weights(short, PRICES.between(first, cut)).weights
    np.testing.assert_allclose(part.iloc[0], whole.loc[cut], atol=1e-9)
    assert memory_of(load_strategy("s2_filter_negative")) == 1
    assert memory_of(load_strategy("s2_filter_negative", neutralise="reversal")) is None


def test_a_neutral_rule_passes_the_battery():
    check_strategy(load_strategy("quintile_long_short", neutralise="beta,volatility"))


def test_what_cannot_be_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="did you mean 'beta'"):
        load_strategy("quintile_long_short", neutralise="betta")
    with pytest.raises(InputError, match="unknown within"):
        load_strategy("quintile_long_short", within="country")
    bare = PricePanel(PRICES.close)
    with pytest.raises(InputError, match="--sectors"):
        run_backtest(load_strategy("quintile_long_short", within="sector"), PANEL, bare)
    with pytest.raises(InputError, match="needs volume"):
        weights(neutralise="liquidity")
    inputs = StyleInputs(sectors=SECTORS)
    stored = backtest(load_strategy("quintile_long_short", within="sector"), PANEL, bare, styles=inputs, root=tmp_path)
    assert stored.run.manifest["config"]["parameters"]["within"] == "sector"
    plain = backtest(load_strategy("quintile_long_short"), PANEL, bare, styles=inputs, root=tmp_path)
    assert "within" not in plain.run.manifest["config"]["parameters"]
    assert plain.run.manifest["fingerprints"]["prices"] == bare.fingerprint
