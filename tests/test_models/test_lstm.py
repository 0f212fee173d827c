"""What all four families share: no look-ahead, determinism, storage, gaps, the two forms, and clear errors."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from assay.data.errors import InputError, TrainingError
from assay.data.features import build_features
from assay.data.panel import PredictionPanel, PricePanel
from assay.data.synthetic import synthetic_market
from assay.models.base import watch_epochs
from assay.models.catalog import load_fitted, load_model
from assay.models.lstm.fitting import FittedLSTM
from assay.models.lstm.networks import RankingNetwork
from assay.models.lstm.training import deterministic

FAMILIES = ("stock_lstm", "stock_lstm_close", "b3_multitask", "reliance_direction", "nse_price")
CUT = 139


@pytest.fixture(scope="module")
def prices() -> PricePanel:
    return synthetic_market(200, 6, ic=0.1, seed=4)[0]


@pytest.fixture(scope="module")
def fitted(prices: PricePanel) -> dict[str, FittedLSTM]:
    train = prices.through(prices.sessions[CUT])
    return {name: load_model(name, preset="tiny").fit(train, horizon=1, delay=1, seed=7) for name in FAMILIES}


def tables(panel: PredictionPanel) -> dict[str, np.ndarray]:
    out = {name: getattr(panel, name) for name in ("score", "probability_up")}
    out |= {f"action {name}": frame for name, frame in (panel.action or {}).items()}
    return {name: frame.to_numpy() for name, frame in out.items() if frame is not None}


@pytest.mark.parametrize("name", FAMILIES)
def test_altering_the_future_changes_nothing(name: str, prices: PricePanel, fitted: dict[str, FittedLSTM]) -> None:
    full = tables(fitted[name].predict(prices))
    other = synthetic_market(200, 6, ic=0.1, seed=99)[0]
    for cut in (150, 163, 199):
        frames = {
            field: pd.concat([getattr(prices, field).iloc[:cut], getattr(other, field).iloc[cut:]])
            for field in prices.fields
        }
        short = tables(fitted[name].predict(prices.through(prices.sessions[cut - 1])))
        altered = tables(fitted[name].predict(PricePanel(**frames)))
        for key, values in full.items():
            np.testing.assert_array_equal(short[key], values[:cut])
            np.testing.assert_array_equal(altered[key][:cut], values[:cut])


@pytest.mark.parametrize("name", FAMILIES)
def test_same_seed_same_bytes_whatever_the_order_of_assets(name: str, prices: PricePanel, tmp_path: Path) -> None:
    train = prices.through(prices.sessions[CUT])
    mixed = train.select(["S003", "S005", "S000", "S002", "S004", "S001"])
    model = load_model(name, preset="tiny")
    for folder, panel in (("a", train), ("b", train), ("c", mixed)):
        (tmp_path / folder).mkdir()
        model.fit(panel, horizon=1, delay=1, seed=7).save(tmp_path / folder)
    for file in ("model.json", "model.safetensors"):
        first = (tmp_path / "a" / file).read_bytes()
        assert (tmp_path / "b" / file).read_bytes() == first
        assert (tmp_path / "c" / file).read_bytes() == first
    (tmp_path / "d").mkdir()
    model.fit(train, horizon=1, delay=1, seed=8).save(tmp_path / "d")
    assert (tmp_path / "d" / "model.safetensors").read_bytes() != (tmp_path / "a" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("name", FAMILIES)
def test_stored_and_loaded_predicts_the_same(
    name: str, prices: PricePanel, fitted: dict[str, FittedLSTM], tmp_path: Path
) -> None:
    fitted[name].save(tmp_path)
    again = load_fitted(tmp_path)
    for key, values in tables(fitted[name].predict(prices)).items():
        np.testing.assert_array_equal(tables(again.predict(prices))[key], values)
    assert again.trained_through == fitted[name].trained_through
    assert again.training_log == json.loads(json.dumps(fitted[name].training_log))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


@pytest.mark.parametrize("name", FAMILIES)
def test_stamps_say_what_was_seen(name: str, prices: PricePanel, fitted: dict[str, FittedLSTM]) -> None:
    model = fitted[name]
    last = prices.sessions[CUT]
    assert model.trained_through == last
    assert model.labels_known_through == last
    log = model.training_log["sessions"]
    assert model.preprocessing_fit_through == pd.Timestamp(log["train_end"])
    position = prices.sessions.get_indexer([pd.Timestamp(log["train_end"]), pd.Timestamp(log["validation_start"])])
    assert position[1] - position[0] == 3  # two rows of purge between
    assert pd.Timestamp(log["validation_end"]) == prices.sessions[CUT - 2]


@pytest.mark.parametrize("name", FAMILIES)
def test_starting_later_changes_nothing_after(name: str, prices: PricePanel, fitted: dict[str, FittedLSTM]) -> None:
    start = prices.sessions[171]
    full, late = tables(fitted[name].predict(prices)), tables(fitted[name].predict(prices, start))
    for key, values in full.items():
        np.testing.assert_array_equal(late[key][171:], values[171:])
        assert np.isnan(late[key][:171]).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_no_view_before_the_lookback_and_after_a_gap(
    name: str, prices: PricePanel, fitted: dict[str, FittedLSTM]
) -> None:
    model = fitted[name]
    frames = {field: getattr(prices, field).copy() for field in prices.fields}
    for frame in frames.values():
        frame.iloc[160, 2] = np.nan
    gapped = PricePanel(**frames)
    values = build_features(gapped, model.recipe.feature_set).values
    lookback = model.recipe.lookback
    scores = next(iter(tables(model.predict(gapped)).values()))
    for t in range(200):
        for i in range(6):
            window = values[t - lookback + 1 : t + 1, i] if t >= lookback - 1 else np.full((1, 1), np.nan)
            assert np.isfinite(scores[t, i]) == np.isfinite(window).all()
    short = model.predict(prices.through(prices.sessions[4]))
    assert all(np.isnan(table).all() for table in tables(short).values())


@pytest.mark.parametrize("name", FAMILIES)
def test_inputs_are_untouched_and_state_put_back(name: str, prices: PricePanel, fitted: dict[str, FittedLSTM]) -> None:
    before, threads = prices.fingerprint, torch.get_num_threads()
    state = torch.random.get_rng_state()
    fitted[name].predict(prices)
    load_model(name, preset="tiny", epochs=1).fit(prices.through(prices.sessions[CUT]), horizon=1, delay=1, seed=1)
    assert PricePanel(**{field: getattr(prices, field) for field in prices.fields}).fingerprint == before
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["nse_price", "reliance_direction", "b3_multitask"])
def test_a_network_for_each_asset(name: str, prices: PricePanel, tmp_path: Path) -> None:
    four = prices.select(["S000", "S001", "S002", "S003"])
    model = load_model(name, preset="tiny", per_asset=True, epochs=1)
    trained = model.fit(four.through(four.sessions[CUT]), horizon=1, delay=1, seed=0)
    assert set(trained.networks) == set(four.assets)
    everyone = next(iter(tables(trained.predict(prices)).values()))
    assert np.isnan(everyone[:, 4:]).all()
    assert np.isfinite(everyone[-1, :4]).all()
    if name == "b3_multitask":
        return  # its features and class weights read the whole market
    # An asset's own network does not know who else was there.
    two = four.select(["S001", "S003"])
    pair = model.fit(two.through(two.sessions[CUT]), horizon=1, delay=1, seed=0)
    for key, weight in pair.networks["S003"].items():
        np.testing.assert_array_equal(weight, trained.networks["S003"][key])
    trained.save(tmp_path)
    np.testing.assert_array_equal(next(iter(tables(load_fitted(tmp_path).predict(prices)).values())), everyone)


@pytest.mark.parametrize("form", ["default", "windowed", "per_asset"])
def test_validation_prices_touch_neither_scalers_nor_weights(prices: PricePanel, form: str) -> None:
    """One epoch, so early stopping has no choice: with other prices from the first validation row on, all is the same.

    A label that reached over the purge, or a batch whose normalisation looked beyond its rows, would show here.
    """
    train = prices.through(prices.sessions[CUT])
    for name in FAMILIES:
        if form == "per_asset" and name.startswith("stock_lstm"):
            continue
        settings = {} if form == "default" else {form: True}
        model = load_model(name, preset="tiny", **{**settings, "epochs": 1})
        plain = model.fit(train, horizon=2, delay=1, seed=0)
        start = pd.Timestamp(plain.training_log["sessions"]["validation_start"])
        rng = np.random.default_rng(5)
        factor = np.exp(rng.normal(0, 0.5, train.shape))
        factor[train.sessions < start] = 1.0
        frames = {field: getattr(train, field) * factor for field in train.fields}
        wild = model.fit(PricePanel(**frames), horizon=2, delay=1, seed=0)
        for key in ("input/centre", "input/scale", "label/centre", "label/scale"):
            np.testing.assert_array_equal(wild.arrays[key], plain.arrays[key], err_msg=f"{name} {key}")
        for group, weights in plain.networks.items():
            for key, values in weights.items():
                np.testing.assert_array_equal(wild.networks[group][key], values, err_msg=f"{name} {group} {key}")
        assert wild.training_log["loss"]["validation"] != plain.training_log["loss"]["validation"]


# --- sequence and windowed ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stock_lstm", "b3_multitask", "nse_price"])
def test_sequence_scores_equal_windowed_ones_but_for_their_context(
    name: str, prices: PricePanel, fitted: dict[str, FittedLSTM]
) -> None:
    """The same weights: the first row of a chunk reads the same window; later rows read more, and agree closely."""
    sequence = fitted[name]
    windowed = replace(sequence, recipe=replace(sequence.recipe, windowed=True))
    a, b = (next(iter(tables(model.predict(prices)).values())) for model in (sequence, windowed))
    first = int(np.flatnonzero(np.isfinite(a).any(axis=1))[0])
    chunk, lookback = sequence.recipe.chunk, sequence.recipe.lookback
    anchored = [t for t in range(first, 200) if (t - (lookback - 1)) % chunk == 0]
    np.testing.assert_allclose(a[anchored], b[anchored], rtol=2e-4, atol=1e-7)
    both = np.isfinite(a)
    assert np.corrcoef(a[both], b[both])[0, 1] > 0.98
    assert (a[both] != b[both]).any()


def test_a_row_reads_at_most_lookback_plus_chunk_less_one_sessions(prices: PricePanel) -> None:
    model = load_model("stock_lstm_close", preset="tiny", epochs=1)
    trained = model.fit(prices.through(prices.sessions[CUT]), horizon=1, delay=1, seed=0)
    lookback, chunk = model.lookback, model.chunk
    reach = lookback + chunk - 1 + 20  # sessions of the oldest feature's own window
    altered = prices.close.copy()
    altered.iloc[100] *= 1.5
    a, b = (trained.predict(panel).score.to_numpy() for panel in (prices, PricePanel(altered)))
    changed = np.flatnonzero((a != b).any(axis=1) & np.isfinite(a).any(axis=1))
    assert changed[0] == 100
    assert changed[-1] <= 100 + reach - 1
    assert changed[-1] >= 100 + lookback - 1


def test_direction_is_always_windowed() -> None:
    assert load_model("reliance_direction", windowed=False).windowed


# --- errors ---------------------------------------------------------------------------------------------------------


def test_too_short_a_history_says_how_much_is_needed(prices: PricePanel) -> None:
    with pytest.raises(InputError, match=r"stock_lstm: 130 sessions are too short a history.*at least \d+ sessions"):
        load_model("stock_lstm").fit(prices.through(prices.sessions[129]), horizon=1, delay=1, seed=0)
    with pytest.raises(InputError, match="stock_lstm: needs high, low, volume"):
        load_model("stock_lstm", preset="tiny").fit(PricePanel(prices.close), horizon=1, delay=1, seed=0)


def test_a_lost_loss_stops_with_epoch_and_learning_rate(prices: PricePanel) -> None:
    model = replace(load_model("stock_lstm", preset="tiny", clip=0.0, epochs=5), learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"stock_lstm: the loss became .* in epoch \d at learning rate 1e\+30"):
        model.fit(prices.through(prices.sessions[CUT]), horizon=1, delay=1, seed=0)
    assert torch.get_num_threads() >= 1
    assert not torch.are_deterministic_algorithms_enabled()


def test_damaged_and_foreign_checkpoints(prices: PricePanel, fitted: dict[str, FittedLSTM], tmp_path: Path) -> None:
    model = fitted["stock_lstm_close"]
    model.save(tmp_path)
    recipe = model.recipe
    with pytest.raises(InputError, match="holds a stock_lstm_close, not a b3_multitask"):
        load_model("b3_multitask").load(tmp_path)
    with pytest.raises(InputError, match="hidden 8 instead of 128"):
        replace(recipe, hidden=128).load(tmp_path)
    with pytest.raises(InputError, match="feature_set 'core_close' instead of 'price'"):
        replace(recipe, feature_set="price").load(tmp_path)
    with pytest.raises(InputError, match=r"holds no model\.json"):
        load_fitted(tmp_path / "elsewhere")
    tensors = tmp_path / "model.safetensors"
    whole = tensors.read_bytes()
    tensors.write_bytes(whole[:-10])
    with pytest.raises(TrainingError, match="damaged"):
        load_fitted(tmp_path)
    fitted["stock_lstm"].save(tmp_path)
    other = tensors.read_bytes()
    model.save(tmp_path)
    tensors.write_bytes(other)
    with pytest.raises(TrainingError, match="not the file written with"):
        load_fitted(tmp_path)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(TrainingError, match=r"model\.json is damaged"):
        load_fitted(tmp_path)


def test_an_absent_device_is_named(prices: PricePanel) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has the device that the test needs to be absent")
    with pytest.raises(InputError, match="'cuda' is not available"):
        load_model("stock_lstm", preset="tiny", device="cuda").fit(
            prices.through(prices.sessions[CUT]), horizon=1, delay=1, seed=0
        )


def test_epochs_can_be_watched(prices: PricePanel) -> None:
    seen: list[dict[str, object]] = []
    with watch_epochs(seen.append):
        load_model("stock_lstm", preset="tiny").fit(prices.through(prices.sessions[CUT]), horizon=1, delay=1, seed=0)
    assert [record["epoch"] for record in seen] == [1, 2]
    assert {"train_loss", "validation_loss", "lr", "epochs"} <= set(seen[0])


def test_the_log_holds_the_losses_of_the_kept_epoch_and_their_gap(fitted: dict[str, FittedLSTM]) -> None:
    for model in fitted.values():
        kept = [row for row in model.training_log["epochs"] if row["best"]]
        loss = model.training_log["loss"]
        assert len(kept) == 1
        assert loss["validation"] == kept[0]["validation_loss"]
        assert loss["gap"] == pytest.approx(kept[0]["validation_loss"] - kept[0]["train_loss"])


def test_mixed_precision_learns_the_same_within_two_digits(prices: PricePanel) -> None:
    train = prices.through(prices.sessions[CUT])
    fits = [load_model("stock_lstm", preset="tiny", bf16=bf16).fit(train, horizon=1, delay=1, seed=0)
            for bf16 in (False, True)]  # fmt: skip
    exact, rough = ([row["train_loss"] for row in fit.training_log["epochs"]] for fit in fits)
    assert exact != rough
    assert rough == pytest.approx(exact, rel=0.02)
    assert all(values.dtype == np.float32 for values in fits[1].networks[""].values())


def test_what_torch_cannot_compile_is_one_line(prices: PricePanel, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = type("InvalidCxxCompiler", (RuntimeError,), {"__module__": "torch._inductor.exc"})

    def fail(*_: object) -> None:
        raise absent("No working C++ compiler found\nwith a long story")

    monkeypatch.setattr(torch.nn.Module, "compile", lambda network: setattr(network, "forward", fail))
    with pytest.raises(
        TrainingError, match=r"torch\.compile failed here \(No working .* found\); it needs"
    ):
        load_model("stock_lstm", preset="tiny", compiled=True).fit(
            prices.through(prices.sessions[CUT]), horizon=1, delay=1, seed=0
        )


@pytest.mark.slow
@pytest.mark.filterwarnings(r"ignore::DeprecationWarning:torch\..*")  # its compiler imports what it deprecates
def test_a_compiled_network_is_the_same_network(prices: PricePanel, tmp_path: Path) -> None:
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("torch.compile needs a C++ compiler")
    train = prices.through(prices.sessions[CUT])
    plain, compiled = (
        load_model("stock_lstm", preset="tiny", compiled=compiled).fit(train, horizon=1, delay=1, seed=0)
        for compiled in (False, True)
    )
    for name, values in plain.networks[""].items():
        np.testing.assert_allclose(compiled.networks[""][name], values, atol=1e-4)
    np.testing.assert_allclose(compiled.predict(prices).score, plain.predict(prices).score, atol=1e-4)
    compiled.save(tmp_path)
    assert load_fitted(tmp_path).recipe.compiled


def test_bfloat16_is_the_same_path() -> None:
    from assay.models.lstm.training import forward

    network = RankingNetwork(3, 8, 1, 0.0)
    inputs = torch.randn(4, 12, 3, generator=torch.Generator().manual_seed(0))
    with deterministic(0), torch.inference_mode():
        exact, rough = forward(network, inputs, 5), forward(network, inputs, 5, bf16=True)
    assert rough.dtype == torch.float32
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(exact, rough, atol=0.02, rtol=0.1)
