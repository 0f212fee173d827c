"""Networks trained side by side are those trained one after another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, TrainingError
from assay.data.panel import PricePanel
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.lstm.fitting import FittedLSTM


def market() -> PricePanel:
    """Four assets, one with a hole and one that starts late: batches of different number and size."""
    prices, _ = synthetic_market(150, 4, seed=4)
    frames = {name: getattr(prices, name).copy() for name in prices.fields}
    for frame in frames.values():
        frame.iloc[60:70, 1] = np.nan
        frame.iloc[:40, 2] = np.nan
    return PricePanel(**frames)


PRICES = market()


def both(**settings: object) -> tuple[FittedLSTM, FittedLSTM]:
    given = {"per_asset": True, "epochs": 3, **settings}
    return tuple(
        load_model("nse_price", preset="tiny", **given, stacked=stacked).fit(PRICES, horizon=1, delay=1, seed=3)
        for stacked in (False, True)
    )  # type: ignore[return-value]


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3, "dense_dropout": 0.2},
        {"windowed": True, "batch_size": 32, "use_batch_norm": False, "clip": 0.5, "weight_decay": 1e-3, "l2": 0.0},
        {"epochs": 14, "patience": 2, "min_delta": 0.01, "learning_rate": 0.006, "relative_min_delta": True},
    ],
)
def test_losses_weights_and_stops_are_those_of_each_asset_alone(settings: dict[str, object]) -> None:
    alone, together = both(**settings)
    one, two = (pd.DataFrame(fit.training_log["epochs"]) for fit in (alone, together))
    assert one[["asset", "epoch", "best"]].equals(two[["asset", "epoch", "best"]])
    assert set(one.columns) == set(two.columns)
    for column in set(one.columns) - {"asset", "epoch", "best"}:
        np.testing.assert_allclose(two[column], one[column], atol=1e-5, rtol=1e-5, err_msg=column)
    for asset, weights in alone.networks.items():
        for name, values in weights.items():
            if not name.endswith("num_batches_tracked"):
                np.testing.assert_allclose(together.networks[asset][name], values, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(together.predict(PRICES).score, alone.predict(PRICES).score, atol=1e-4)
    if "patience" in settings:
        assert one.groupby("asset").size().nunique() > 1  # they stopped at different epochs
    assert together.training_log["rows"] == alone.training_log["rows"]


def test_an_asset_does_not_know_who_else_is_there() -> None:
    recipe = load_model("nse_price", preset="tiny", per_asset=True, stacked=True, epochs=2)
    four = recipe.fit(PRICES, horizon=1, delay=1, seed=3)
    two = recipe.fit(PRICES.select(["S001", "S003"]), horizon=1, delay=1, seed=3)
    for name, values in two.networks["S003"].items():
        np.testing.assert_allclose(four.networks["S003"][name], values, atol=1e-6)


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(InputError, match="per_asset together"):
        load_model("nse_price", stacked=True, per_asset=False)
    with pytest.raises(InputError, match="refit"):
        load_model("nse_price", stacked=True, refit=True)
    wild = replace(load_model("nse_price", preset="tiny", per_asset=True, stacked=True), learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"nse_price, S\d+: the loss became .* at learning rate"):
        wild.fit(PRICES, horizon=1, delay=1, seed=3)


@pytest.mark.slow
def test_stacked_passes_the_contract() -> None:
    from assay.models.contract import check_forecaster

    model = load_model("nse_price", preset="tiny", per_asset=True, stacked=True)
    assert "causality" in check_forecaster(model)
