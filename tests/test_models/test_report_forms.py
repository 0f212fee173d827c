"""What the reports say of their training: terms of the loss, scores by epoch, class weights, which rows, variants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.data.synthetic import synthetic_market
from assay.models.b3_multitask import MultiTaskLSTM
from assay.models.base import fit_model
from assay.models.catalog import load_fitted, load_model
from assay.models.contract import check_forecaster
from assay.models.lstm.batches import TrainingRows
from assay.models.lstm.losses import expected_cost
from assay.models.lstm.networks import MultiTaskNetwork, keras_count
from assay.models.lstm.windows import Pieces
from assay.models.nse_price import PriceLSTM
from assay.models.stock_lstm import StockLSTM


@pytest.fixture(scope="module")
def prices() -> PricePanel:
    return synthetic_market(140, 6, ic=0.1, seed=4)[0]


def tiny(name: str, **settings: Any) -> Any:
    return load_model(name, preset="tiny", **{"epochs": 1, **settings})


def test_the_report_presets_are_the_reports_settings() -> None:
    multitask = load_model("b3_multitask", preset="report")
    assert (multitask.lookback, multitask.hidden, multitask.dropout, multitask.gamma) == (32, 64, 0.4, 3.0)
    assert (multitask.action_weight, multitask.return_weight, multitask.min_delta) == (20.0, 50.0, 100.0)
    assert (multitask.batch_size, multitask.epochs, multitask.patience, multitask.clip) == (128, 50, 20, 1.0)
    assert (multitask.learning_rate, multitask.weight_decay, multitask.validation) == (1e-3, 1e-4, 0.25)
    assert (multitask.minimum_records, multitask.recent, multitask.windowed) == (1000, 504, True)
    assert multitask.oversample
    stock = load_model("stock_lstm", preset="report")
    assert (stock.lookback, stock.hidden, stock.layers, stock.dropout) == (90, 128, 2, 0.2)
    assert (stock.temperature, stock.rank_weight, stock.huber_delta, stock.rank_loss) == (0.05, 0.7, 0.05, "report")
    assert (stock.batch_size, stock.epochs, stock.patience, stock.min_delta) == (32, 50, 15, 1e-4)
    assert (stock.learning_rate, stock.weight_decay, stock.clip, stock.validation) == (1e-3, 1e-5, 1.0, 0.2)
    assert (stock.rank_within, stock.label_from, stock.whole_dates) == ("batch", "close", False)
    price = load_model("nse_price", preset="report")
    assert (price.lookback, price.units, price.dense, price.dropout, price.dense_dropout) == (60, 50, 25, 0.3, 0.2)
    assert (price.epochs, price.patience, price.batch_size, price.validation, price.l2) == (100, 10, 32, 0.15, 0.01)
    assert (price.learning_rate, price.feature_set, price.per_asset) == (1e-3, "price", True)


@pytest.mark.parametrize("name", ["b3_multitask", "stock_lstm", "nse_price"])
def test_the_terms_of_the_loss_add_up_in_every_epoch(name: str, prices: PricePanel) -> None:
    log = tiny(name).fit(prices, horizon=1, delay=1, seed=0).training_log
    for row in log["epochs"]:
        for role in ("train", "validation"):
            terms = {key: value for key, value in row.items() if key.startswith(f"{role}_")}
            terms = {key: terms[key] for key in terms if key[len(role) + 1 :] not in ("loss", "rank_ic", "ic")}
            assert len(terms) == 2
            assert sum(terms.values()) == pytest.approx(row[f"{role}_loss"], rel=1e-5)
    loss = log["loss"]
    assert loss["multiple"] == pytest.approx(loss["validation"] / loss["train"])
    assert {key for key in loss if key.startswith("train_")} == {
        "b3_multitask": {"train_action", "train_return"},
        "stock_lstm": {"train_rank", "train_regression"},
        "nse_price": {"train_data", "train_penalty"},
    }[name]


def test_the_rank_ic_of_an_epoch_is_that_of_its_scores(prices: PricePanel) -> None:
    log = tiny("stock_lstm_close", windowed=True, epochs=2).fit(prices, horizon=1, delay=1, seed=0).training_log
    kept = next(row for row in log["epochs"] if row["best"])
    assert kept["validation_rank_ic"] == pytest.approx(log["validation"]["rank_ic"], abs=1e-9)
    assert kept["validation_ic"] == pytest.approx(log["validation"]["ic"], abs=1e-6)
    assert log["epochs"][0]["validation_ic"] != log["epochs"][1]["validation_ic"]


# --- classes --------------------------------------------------------------------------------------------------------


def one_batch(model: MultiTaskLSTM, steps: int = 1) -> Any:
    """Ten rows of one asset: eight holds, a buy, a sell, with the weights that the recipe gives them."""
    actions = np.array([2, 2, 0, 2, 2, 2, 1, 2, 2, 2], dtype=np.float32)
    targets = np.stack([actions, np.zeros(10, np.float32)], axis=-1)[:, None]
    weights = model.row_weights(targets, slice(0, 10)).T.astype(np.float32)
    padded = [np.pad(part, ((0, 0), (0, steps), *((0, 0),) * (part.ndim - 2)))
              for part in (targets.transpose(1, 0, 2), np.ones((1, 10), bool), weights)]  # fmt: skip
    rows = TrainingRows(
        Pieces(np.zeros((1, 10 + steps, 3), np.float32), 1, steps), *padded, False, model.oversample, model.weighted
    )
    return next(iter(rows.epoch(0, 10, 10)))


def test_class_weights_are_scikit_learns_and_enter_the_focal_loss_alone() -> None:
    from sklearn.utils.class_weight import compute_sample_weight

    model = MultiTaskLSTM(windowed=True, class_weights=True, gamma=0.0)
    batch = one_batch(model)
    actions = batch.targets[:, 0, 0].numpy()
    np.testing.assert_allclose(batch.rarity[:, 0].numpy(), compute_sample_weight("balanced", actions), rtol=1e-6)
    assert (batch.weights == 1).all()  # the sampler draws by them instead
    outputs = torch.randn((10, 1, 4), generator=torch.Generator().manual_seed(0))
    parts = model.parts(outputs, batch)
    log_p = torch.log_softmax(outputs[:, 0, :3], dim=-1)
    by_row = -log_p[torch.arange(10), batch.targets[:, 0, 0].long()]
    rarity = batch.rarity[:, 0]
    assert float(parts["action"]) == pytest.approx(20.0 * float((by_row * rarity).sum() / rarity.sum()), rel=1e-5)
    assert float(parts["return"]) == pytest.approx(50.0 * float((outputs[:, 0, 3] ** 2).mean()), rel=1e-5)
    plain = replace(model, class_weights=False).parts(outputs, one_batch(replace(model, class_weights=False)))
    assert float(plain["action"]) == pytest.approx(20.0 * float(by_row.mean()), rel=1e-5)
    # In sequence form rows cannot be drawn, so balanced weights the whole loss; class weights alone do not.
    assert (one_batch(MultiTaskLSTM(windowed=False, chunk=10), 10).weights[0] != 1).any()
    assert (
        one_batch(MultiTaskLSTM(windowed=False, balanced=False, class_weights=True, chunk=10), 10).weights == 1
    ).all()


def test_the_sampler_draws_as_often_as_torchs() -> None:
    model = MultiTaskLSTM(windowed=True)
    actions = np.repeat([2.0, 0.0, 1.0], [80, 15, 5])
    weights = model.row_weights(np.stack([actions, actions * 0], axis=-1)[:, None], slice(0, 100))[:, 0]
    rows = TrainingRows(
        Pieces(np.zeros((1, 101, 1), np.float32), 1, 1), np.append(actions, 0)[None, :, None].astype(np.float32),
        np.arange(101)[None] < 100, np.append(weights, 0)[None].astype(np.float32), oversample=True,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    ours = np.concatenate([b.targets.numpy().ravel() for _ in range(40) for b in rows.epoch(0, 100, 100, rng)])
    sampler = torch.utils.data.WeightedRandomSampler(weights, 4000, generator=torch.Generator().manual_seed(0))
    theirs = actions[list(sampler)]
    table = np.array([[(drawn == k).sum() for k in range(3)] for drawn in (ours, theirs)])
    assert table.sum(axis=1).tolist() == [4000, 4000]
    assert stats.chi2_contingency(table).pvalue > 0.01
    assert np.abs(table[0] / 4000 - 1 / 3).max() < 0.03


def test_expected_cost_by_hand_and_what_costs_change(prices: PricePanel) -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    costs = [0, 5, 1, 4, 0, 1, 2, 3, 0]
    found = expected_cost(logits, torch.tensor([0, 2]), costs)
    assert float(found) == pytest.approx(((0.3 * 5 + 0.2 * 1) + (0.1 * 2 + 0.1 * 3)) / 2, rel=1e-6)
    fits = [
        replace(tiny("b3_multitask"), error_costs=given).fit(prices, horizon=1, delay=1, seed=0)
        for given in (None, (0, 9, 9, 9, 0, 9, 0, 0, 0))
    ]
    shares = [np.nanmean(fit.predict(prices).action["hold"].to_numpy()) for fit in fits]
    assert shares[1] < shares[0]  # to say "hold" where something followed has become dear
    with pytest.raises(InputError, match="error_costs takes 9 numbers"):
        MultiTaskLSTM(error_costs=(1.0, 2.0))


# --- which rows -----------------------------------------------------------------------------------------------------


def test_too_few_records_are_neither_learnt_nor_scored(prices: PricePanel) -> None:
    frames = {name: getattr(prices, name).copy() for name in prices.fields}
    for frame in frames.values():
        frame.iloc[:60, 0] = np.nan
    young = PricePanel(**frames)
    fitted = tiny("b3_multitask", minimum_records=100).fit(young, horizon=1, delay=1, seed=0)
    assert fitted.training_log["warnings"][0] == "1 assets with fewer than 100 records left out"
    score = fitted.predict(young).score
    assert score["S000"].isna().all()
    assert score["S001"].iloc[:99].isna().all()
    assert score["S001"].iloc[99:].notna().all()
    with pytest.raises(InputError, match="no asset has enough complete rows"):
        tiny("b3_multitask", minimum_records=1000).fit(young, horizon=1, delay=1, seed=0)


def test_recent_rows_alone_are_what_a_shorter_panel_gives(prices: PricePanel) -> None:
    whole = tiny("stock_lstm_close", recent=110).fit(prices, horizon=1, delay=1, seed=0)
    short = tiny("stock_lstm_close").fit(prices.between(prices.sessions[30], None), horizon=1, delay=1, seed=0)
    for key, weights in short.networks[""].items():
        np.testing.assert_array_equal(whole.networks[""][key], weights)


def test_sixty_twenty_twenty(prices: PricePanel) -> None:
    """A fit on the first 80%, a quarter of whose labelled rows validate."""
    train = prices.through(prices.sessions[int(0.8 * 140) - 1])
    rows = tiny("stock_lstm_close", validation=0.25).fit(train, horizon=2, delay=1, seed=0).training_log["rows"]
    assert rows["validation"] / (rows["validation"] + rows["train"] + 6 * rows["purge"]) == pytest.approx(
        0.25, abs=0.01
    )


def test_a_refit_learns_from_every_labelled_row_and_no_later(prices: PricePanel) -> None:
    plain = tiny("stock_lstm_close", epochs=2).fit(prices, horizon=1, delay=1, seed=0)
    again = tiny("stock_lstm_close", epochs=2, refit=True).fit(prices, horizon=1, delay=1, seed=0)
    assert again.training_log["epochs"] == plain.training_log["epochs"]
    assert again.training_log["validation"] == plain.training_log["validation"]
    told = again.training_log["refit"]
    rows = plain.training_log["rows"]
    assert told["rows"] == rows["train"] + rows["validation"] + 6 * rows["purge"]
    assert pd.Timestamp(told["end"]) == prices.sessions[-3]
    assert told["networks"][0]["epochs"] == next(row["epoch"] for row in plain.training_log["epochs"] if row["best"])
    assert any((again.networks[""][key] != weights).any() for key, weights in plain.networks[""].items())
    assert again.labels_known_through == plain.labels_known_through == prices.sessions[-1]


def test_starting_from_an_earlier_fit(prices: PricePanel) -> None:
    recipe = tiny("stock_lstm_close", warm_start=True)
    early = recipe.fit(prices.through(prices.sessions[119]), horizon=1, delay=1, seed=0)
    still = replace(recipe, learning_rate=1e-12)
    late = fit_model(still, prices, horizon=1, delay=1, seed=0, before=early)
    for key, weights in early.networks[""].items():
        np.testing.assert_allclose(late.networks[""][key], weights, atol=1e-9)
    assert late.training_log["started_from"] == str(prices.sessions[119].date())
    assert "started_from" not in early.training_log


def test_a_model_that_is_good_enough_is_kept(prices: PricePanel) -> None:
    recipe = tiny("stock_lstm_close", retrain_when=1e6)
    early = recipe.fit(prices.through(prices.sessions[119]), horizon=1, delay=1, seed=0)
    kept = recipe.fit(prices, horizon=1, delay=1, seed=0, before=early)
    assert kept.networks is early.networks
    assert kept.trained_through == early.trained_through
    assert kept.training_log["kept_from"] == str(prices.sessions[119].date())
    assert kept.training_log["since"]["rows"] == 6 * 18  # sessions 120 to 137 have labels by session 139
    again = replace(recipe, retrain_when=0.0)
    hopeless = replace(early, training_log={**early.training_log, "loss": {"validation": 0.0}})
    fresh = again.fit(prices, horizon=1, delay=1, seed=0, before=hopeless)
    assert fresh.trained_through == prices.sessions[-1]
    assert not fresh.training_log["since"]["good_enough"]
    assert "started_from" not in fresh.training_log
    # What is judged is the loss on rows that it had not seen, by its own scalers: on its own rows it is its own.
    close = prices.close.copy()
    close.iloc[:100] *= 1.7
    other = recipe.fit(PricePanel(close), horizon=1, delay=1, seed=0, before=early)
    assert other.training_log["since"]["rows"] == 6 * 18


def test_the_optimiser_is_stored_where_it_is_asked_for(prices: PricePanel, tmp_path: Path) -> None:
    fitted = tiny("stock_lstm_close", keep_optimiser=True).fit(prices, horizon=1, delay=1, seed=0)
    fitted.save(tmp_path)
    again = load_fitted(tmp_path)
    moments = again.optimiser[""]["score.weight"]
    assert set(moments) == {"exp_avg", "exp_avg_sq", "step"}
    np.testing.assert_array_equal(moments["exp_avg"], fitted.optimiser[""]["score.weight"]["exp_avg"])
    assert float(moments["step"]) > 0
    assert {"validation_rank_ic", "train_loss", "validation_loss"} <= set(again.training_log["epochs"][0])
    assert again.recipe.params["hidden"] == 8
    assert not tiny("stock_lstm_close").fit(prices, horizon=1, delay=1, seed=0).optimiser


# --- the ranking report ---------------------------------------------------------------------------------------------


def test_the_reports_label_is_the_next_days_return(prices: PricePanel) -> None:
    learnt = StockLSTM(label_from="close").targets(prices, 1, 1)[..., 0]
    close = prices.close.to_numpy()
    np.testing.assert_allclose(learnt[:-2], close[1:-1] / close[:-2] - 1)
    assert np.isnan(learnt[-2:]).all()
    log = tiny("stock_lstm", label_from="close").fit(prices, horizon=1, delay=1, seed=0).training_log
    assert log["validation"]["from_fill"]["rank_ic"] != log["validation"]["rank_ic"]


def test_rows_of_a_mixed_batch_are_ranked_against_each_other() -> None:
    """32 rows of several sessions, as one cross-section: the loss of the report's own listing."""
    model = StockLSTM(rank_loss="report", temperature=0.05, rank_within="batch", windowed=True)
    rng = np.random.default_rng(0)
    targets = np.pad(rng.normal(0, 0.02, (4, 40, 1)).astype(np.float32), ((0, 0), (0, 1), (0, 0)))
    rows = TrainingRows(
        Pieces(np.zeros((4, 41, 2), np.float32), 1, 1), targets, np.arange(41)[None].repeat(4, 0) < 40,
        np.ones((4, 41), np.float32), model.whole_dates,
    )  # fmt: skip
    batch = next(iter(rows.epoch(0, 40, 32, np.random.default_rng(1))))
    assert len(batch.mask) == 32
    assert len({int(row) for row in batch.where[1]}) > 8
    predicted = torch.from_numpy(rng.normal(0, 0.02, (32, 1, 1)).astype(np.float32))

    def soft(x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid((x[:, None] - x[None]) / 0.05).sum(dim=1)

    p, y = predicted[:, 0, 0], batch.targets[:, 0, 0]
    rank = 1 - torch.corrcoef(torch.stack([soft(p), soft(y)]))[0, 1]
    error = (y - p).abs()
    quadratic = error.clamp(max=0.05)
    huber = (0.5 * quadratic**2 + 0.05 * (error - quadratic)).mean()
    assert float(model.loss(predicted, batch)) == pytest.approx(float(0.7 * rank + 0.3 * huber), rel=1e-4)


# --- variants -------------------------------------------------------------------------------------------------------


def test_backward_and_attention_read_the_whole_window_by_hand() -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 7, 3)
    both = MultiTaskNetwork(3, 4, 0.0, bidirectional=True).eval()
    states, (last, _) = both.lstm(x)
    expected = torch.cat([both.action(torch.cat([last[0], last[1]], -1)), both.value(torch.cat([*last], -1))], -1)
    torch.testing.assert_close(both(x)[:, 0], expected)
    matched = MultiTaskNetwork(3, 4, 0.0, attention=True).eval()
    states, _ = matched.lstm(x)
    for row in range(5):
        weights = torch.softmax(states[row] @ matched.match.weight @ states[row, -1], dim=0)
        read = torch.cat([states[row, -1], weights @ states[row]])
        torch.testing.assert_close(matched(x)[row, 0, 3:], matched.value(read))
    with pytest.raises(ValueError, match="last step alone"):
        matched(x, 2)
    assert MultiTaskLSTM(bidirectional=True).windowed
    assert MultiTaskNetwork(3, 4, 0.0, depth=2).lstm.num_layers == 2


def test_the_original_price_model_has_neither_normalisation_nor_penalty() -> None:
    original = load_model("nse_price", preset="original")
    network = original.network(1)
    assert original.penalty(network) is None
    assert original.dropout == 0.2
    assert not list(network.buffers())
    assert (network.first.lstm.hidden_size, network.second.lstm.hidden_size) == (50, 50)
    # Two LSTMs of 50 on one input: 10,400 + 20,200; normalisation would add four numbers a unit and layer.
    assert keras_count(network) == 10_400 + 20_200 + 1_275 + 26
    assert keras_count(PriceLSTM().network(1)) == keras_count(network) + 2 * 4 * 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("b3_multitask", {"bidirectional": True}),
        ("b3_multitask", {"attention": True, "depth": 2}),
        ("b3_multitask", {"class_weights": True, "windowed": True, "error_costs": (0, 2, 1, 2, 0, 1, 1, 1, 0)}),
        ("b3_multitask", {"feature_set": "indicators_phase2", "minimum_records": 60, "recent": 150}),
        ("stock_lstm", {"rank_within": "batch", "label_from": "close", "windowed": True, "rank_loss": "report"}),
        ("stock_lstm", {"refit": True, "keep_optimiser": True}),
        ("nse_price", {"use_batch_norm": False, "l2": 0.0}),
    ],
)
def test_every_form_passes_the_contract(name: str, settings: dict[str, Any]) -> None:
    assert "causality" in check_forecaster(replace(tiny(name), **settings))
