"""The battery passes what is right and catches a leak planted in each place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from assay.data.errors import InputError, LookAheadError
from assay.data.panel import PredictionPanel, PricePanel
from assay.models.catalog import MODELS, load_model, model_names, preset_names
from assay.models.checkpoint import read_checkpoint, write_checkpoint
from assay.models.contract import check_forecaster

Rule = Callable[[PricePanel], pd.DataFrame]
EVERY_CHECK = (
    "contract", "fit", "predictions", "inputs untouched", "stamps", "causality", "unseen", "determinism",
    "missing data", "column order", "round trip",
)  # fmt: skip


def momentum(prices: PricePanel) -> pd.DataFrame:
    return prices.close.pct_change(5, fill_method=None)


@dataclass(frozen=True, eq=False)
class Fitted:
    recipe: Recipe
    slope: float
    horizon: int
    delay: int
    trained_through: pd.Timestamp
    preprocessing_fit_through: pd.Timestamp
    labels_known_through: pd.Timestamp
    training_log: Mapping[str, object]

    def predict(self, history: PricePanel) -> PredictionPanel:
        score = self.slope * self.recipe.rule(history)
        return PredictionPanel(score, horizon=self.horizon, delay=self.delay)

    def save(self, folder: Path) -> None:
        stamps = ("trained_through", "preprocessing_fit_through", "labels_known_through")
        content = {"model": "rule", "params": {}, "horizon": self.horizon, "delay": self.delay,
                   "stamps": [str(getattr(self, name)) for name in stamps]}  # fmt: skip
        write_checkpoint(folder, content, {"slope": np.array([self.slope])})


@dataclass(frozen=True)
class Recipe:
    """A slope on a rule: honest unless told otherwise."""

    rule: Rule = momentum
    peek: int = 0  # sessions of its training panel that it says it has not seen
    purge: int = 2
    scaler: int = 0  # sessions beyond the training rows that the scaler reads
    noise: bool = False
    shout: bool = False

    name: ClassVar[str] = "rule"
    lookback: ClassVar[int] = 8
    needs: ClassVar[tuple[str, ...]] = ()

    def fit(self, train: PricePanel, *, horizon: int, delay: int, seed: int) -> Fitted:
        sessions = train.sessions
        end = len(sessions) - 40
        slope = float(np.nanmean(train.close.to_numpy()[-1])) / 1e4
        if self.noise:
            slope = float(np.random.default_rng().normal())
        seen = sessions[-1 - self.peek]
        log = {"sessions": {
            "train_end": str(sessions[end].date()), "validation_start": str(sessions[end + self.purge + 1].date()),
        }}  # fmt: skip
        return Fitted(self, slope, horizon, delay, seen, sessions[end + self.scaler], seen, log)

    def load(self, folder: Path) -> Fitted:
        content, arrays = read_checkpoint(folder)
        stamps = [pd.Timestamp(text) for text in content["stamps"]]
        return Fitted(self, float(arrays["slope"][0]), content["horizon"], content["delay"], *stamps, {})


@pytest.mark.parametrize("name", [name for name in MODELS if "tiny" in preset_names(name)])
def test_every_family_passes(name: str) -> None:
    assert check_forecaster(load_model(name, preset="tiny", epochs=1)) == EVERY_CHECK


@pytest.mark.parametrize("name", ["ridge", "momentum", "reversal", "zero", "majority", "gradient_boosting"])
def test_the_baselines_pass_too(name: str) -> None:
    model = load_model(name)
    assert check_forecaster(model) == EVERY_CHECK


def test_windowed_and_per_asset_forms_pass_at_another_horizon() -> None:
    for model in (
        load_model("stock_lstm", preset="tiny", epochs=1, windowed=True),
        load_model("nse_price", preset="tiny", epochs=1, per_asset=True),
    ):
        assert check_forecaster(model, horizon=3, delay=2, seed=1) == EVERY_CHECK


def test_an_honest_rule_passes() -> None:
    assert check_forecaster(Recipe()) == EVERY_CHECK


def scaler_on_all_rows(prices: PricePanel) -> pd.DataFrame:
    signal = momentum(prices)
    return (signal - signal.mean()) / signal.std()


def centred_window(prices: PricePanel) -> pd.DataFrame:
    return prices.close / prices.close.rolling(5, center=True).mean() - 1


def back_fill(prices: PricePanel) -> pd.DataFrame:
    return prices.close.bfill(limit=3).pct_change(5, fill_method=None)


def same_day_target(prices: PricePanel) -> pd.DataFrame:
    return prices.close.pct_change(1, fill_method=None).shift(-1)


@pytest.mark.parametrize("rule", [scaler_on_all_rows, centred_window, back_fill, same_day_target])
def test_a_leak_in_the_features_is_caught(rule: Rule) -> None:
    with pytest.raises(LookAheadError, match="changes when prices after"):
        check_forecaster(Recipe(rule=rule))


def test_a_scaler_beyond_the_training_rows_is_caught() -> None:
    with pytest.raises(LookAheadError, match=r"preprocessing is fit through .* beyond the training rows"):
        check_forecaster(Recipe(scaler=10))


def test_labels_that_overlap_the_joint_are_caught() -> None:
    with pytest.raises(LookAheadError, match=r"1 sessions lie between training and validation rows.* purge of 2"):
        check_forecaster(Recipe(purge=1))
    with pytest.raises(LookAheadError, match="purge of 6"):
        check_forecaster(Recipe(purge=2), horizon=5)


def test_a_stamp_that_says_less_than_was_seen_is_caught() -> None:
    with pytest.raises(LookAheadError, match="says it saw nothing after"):
        check_forecaster(Recipe(peek=3))


def test_what_is_wrong_without_looking_ahead_is_an_input_error() -> None:
    def positional(prices: PricePanel) -> pd.DataFrame:
        return momentum(prices) * np.arange(len(prices.assets))

    def writing(prices: PricePanel) -> pd.DataFrame:
        prices.close.iloc[0, 0] *= 1.0001
        return momentum(prices)

    def stale(prices: PricePanel) -> pd.DataFrame:
        return prices.close.ffill()

    for recipe, message in (
        (Recipe(noise=True), "different values of score"),
        (Recipe(rule=positional), "order of the columns"),
        (Recipe(rule=stale), "without a price"),
        (Recipe(rule=writing), r"writes into the prices .*\(close\)"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            check_forecaster(recipe)
        assert not isinstance(caught.value, LookAheadError)
        assert any("check_forecaster" in note for note in caught.value.__notes__)
    with pytest.raises(InputError, match="no model"):
        check_forecaster(object())  # type: ignore[arg-type]


# --- the door -------------------------------------------------------------------------------------------------------


def test_any_class_comes_in_by_its_path() -> None:
    model = load_model("assay.models.stock_lstm:StockLSTM", lookback="12")
    assert model.lookback == 12
    nothing = ("assay.models.stock_lstm:Nothing", "no.such.module:Model", "assay.models.stock_lstm:_DELTA_IN_SPREADS")
    for path in nothing:
        with pytest.raises(InputError, match="model"):
            load_model(path)
    close = pd.DataFrame({"A": [1.0]}, index=pd.bdate_range("2020", periods=1))
    with pytest.raises(InputError, match="PricePanel is no model; it lacks"):
        load_model("assay.data.panel:PricePanel", close=close)


def test_installed_packages_offer_models_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def offered(*, group: str) -> list[metadata.EntryPoint]:
        assert group == "assay.models"
        return [
            metadata.EntryPoint("theirs", "assay.models.baselines:Momentum", group),
            metadata.EntryPoint("stock_lstm", "assay.models.baselines:Zero", group),
        ]

    monkeypatch.setattr(metadata, "entry_points", offered)
    assert model_names()[-1] == "theirs"
    assert load_model("theirs", lookback="7").lookback == 7
    assert load_model("stock_lstm").name == "stock_lstm"  # the catalogue's own names win


def test_typos_suggest_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'stock_lstm'"):
        load_model("stock_lsmt")
    with pytest.raises(InputError, match="unknown preset of stock_lstm 'smal': did you mean 'small'"):
        load_model("stock_lstm", preset="smal")
    with pytest.raises(InputError, match="did you mean 'epochs'"):
        load_model("stock_lstm", epoch=3)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"epochs": "5"}, 5),
        ({"dropout": "0.1"}, 0.1),
        ({"windowed": "yes"}, True),
        ({"windowed": "off"}, False),
        ({"fill": "none"}, None),
        ({"fill": "close"}, "close"),
        ({"rank_loss": "report"}, "report"),
    ],
)
def test_text_is_read_as_the_parameters_type(given: dict[str, str], read: object) -> None:
    assert getattr(load_model("stock_lstm", **given), next(iter(given))) == read


def test_text_that_does_not_fit_is_refused_with_the_type() -> None:
    for name, value, told in (
        ("epochs", "5.5", "a whole number"),
        ("dropout", "nan", "a number"),
        ("windowed", "maybe", "true or false"),
        ("fill", "vwap", "'open' or 'close'"),
    ):
        with pytest.raises(InputError, match=f"stock_lstm: {name} must be .*{told}"):
            load_model("stock_lstm", **{name: value})
    assert load_model("reliance_direction", units="16,8,4").units == (16, 8, 4)
    with pytest.raises(InputError, match="a list such as"):
        load_model("reliance_direction", units="wide")


def test_every_name_and_preset_makes_a_model() -> None:
    for name in model_names():
        for preset in preset_names(name):
            model = load_model(name, preset=preset)
            assert model.name == name
            assert set(model.needs) <= {"open", "high", "low", "volume"}
            assert replace(model) == model
