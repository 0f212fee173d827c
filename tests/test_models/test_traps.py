"""The traps of the multi-task, direction and price reports, each shown and each handled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import optimize, stats
from sklearn import metrics as reference
from torch.nn import functional

from assay.data.errors import InputError
from assay.data.labels import next_price
from assay.data.panel import PricePanel
from assay.data.synthetic import synthetic_market
from assay.models.b3_multitask import MultiTaskLSTM
from assay.models.calibration import calibrated, fit_calibration, reliability
from assay.models.catalog import load_model
from assay.models.lstm.losses import focal_loss, kernel_penalty
from assay.models.lstm.networks import parameter_counts
from assay.models.lstm.training import improved
from assay.models.metrics import action_metrics, direction_metrics, hac_t, level_metrics, one_class, rank_metrics
from assay.models.nse_price import PriceLSTM
from assay.models.reliance_direction import DirectionLSTM

CUT = 259


@pytest.fixture(scope="module")
def prices() -> PricePanel:
    return synthetic_market(330, 12, ic=0.2, seed=3)[0]


# --- multi-task -----------------------------------------------------------------------------------------------------


def test_focal_loss_by_hand_and_at_its_limits() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]])
    classes = torch.tensor([0, 2])
    p = torch.softmax(logits, dim=1)[[0, 1], classes]
    torch.testing.assert_close(focal_loss(logits, classes, 3.0), ((1 - p) ** 3 * -p.log()).mean())
    torch.testing.assert_close(focal_loss(logits, classes, 0.0), functional.cross_entropy(logits, classes))
    weights = torch.tensor([3.0, 1.0])
    doubled = focal_loss(logits[[0, 0, 0, 1]], classes[[0, 0, 0, 1]], 3.0)
    torch.testing.assert_close(focal_loss(logits, classes, 3.0, weights), doubled)


def test_the_multi_task_network_has_the_cards_size() -> None:
    """4·64·(64 + n) input and recurrent weights, two biases a gate here, heads of 64·3 + 3 and 64 + 1."""
    count = parameter_counts(MultiTaskLSTM().network(14))
    assert count["torch"] == 4 * 64 * (64 + 14) + 2 * 4 * 64 + 64 * 3 + 3 + 64 + 1
    assert count["keras"] == count["torch"] - 4 * 64


def test_a_min_delta_of_100_keeps_the_first_epoch_of_any_loss_of_ordinary_size(prices: PricePanel) -> None:
    train = prices.through(prices.sessions[CUT])
    settings = {"preset": "small", "epochs": 8, "patience": 3, "dropout": 0.0}
    absolute = load_model("b3_multitask", **settings, min_delta=100.0, relative_min_delta=False)
    relative = load_model("b3_multitask", **settings)
    stuck = absolute.fit(train, horizon=2, delay=1, seed=0).training_log["epochs"]
    free = relative.fit(train, horizon=2, delay=1, seed=0).training_log["epochs"]
    assert [row["epoch"] for row in stuck if row["best"]] == [1]
    assert len(stuck) == 4  # the first epoch and a patience of three
    assert min(row["validation_loss"] for row in stuck) < stuck[0]["validation_loss"]
    assert next(row["epoch"] for row in free if row["best"]) > 1
    report = load_model("b3_multitask", preset="report")
    assert (report.min_delta, report.relative_min_delta, report.target) == (100.0, False, "price")
    assert not improved(8_900.0, 8_950.0, 100.0, relative=False)
    assert improved(8_802.0, 8_950.0, 100.0, relative=False)


def test_the_return_head_learns_standardised_returns_and_answers_in_returns(prices: PricePanel) -> None:
    train = prices.through(prices.sessions[CUT])
    model = load_model("b3_multitask", preset="tiny")
    fitted = model.fit(train, horizon=2, delay=1, seed=0)
    split = fitted.training_log["sessions"]
    ahead = model.returns(train, 2, 1)
    rows = slice(*train.sessions.get_indexer([pd.Timestamp(split["train_start"]), pd.Timestamp(split["train_end"])]))
    learnt = ahead[rows.start : rows.stop + 1]
    assert fitted.arrays["label/centre"][0, 1] == pytest.approx(np.nanmean(learnt), rel=1e-6)
    assert fitted.arrays["label/scale"][0, 1] == pytest.approx(np.nanstd(learnt), rel=1e-6)
    panel = fitted.predict(prices)
    assert panel.horizon == 2
    assert 0 < np.nanstd(panel.score.to_numpy()) < 0.05
    total = sum(frame.to_numpy() for frame in panel.action.values())
    np.testing.assert_allclose(total[np.isfinite(total)], 1.0)


def test_an_r2_near_one_of_a_level_is_persistences(prices: PricePanel) -> None:
    """Assets of very different price: even an untrained level forecast, yesterday's price, has R² above 0.99."""
    scale = np.exp(np.linspace(0, 5, 12))
    spread = PricePanel(**{
        name: getattr(prices, name) * (1.0 if name == "volume" else scale) for name in prices.fields
    })  # fmt: skip
    train = spread.through(spread.sessions[CUT])
    log = load_model("b3_multitask", preset="tiny").fit(train, horizon=2, delay=1, seed=0).training_log
    assert log["baselines"]["persistence_level"]["r2"] > 0.99
    assert log["validation"]["level"]["r2"] > 0.99
    assert log["validation"]["return"]["r2"] < 0.2
    assert log["baselines"]["zero_return"]["r2"] == pytest.approx(0.0, abs=0.05)
    assert log["validation"]["action"]["n"] == log["baselines"]["majority_class"]["n"] > 0


def test_sequence_weights_are_what_oversampling_does_in_expectation(prices: PricePanel) -> None:
    model = MultiTaskLSTM(threshold=2.0)
    targets = model.targets(prices, 1, 1)
    weights = model.row_weights(targets, slice(0, 200))
    actions = targets[:200, :, 0]
    shares = [weights[:200][actions == k].sum() for k in range(3)]
    assert shares == pytest.approx([shares[0]] * 3)
    assert sum(shares) == pytest.approx(np.isfinite(actions).sum())
    assert (MultiTaskLSTM(balanced=False).row_weights(targets, slice(0, 200)) == 1).all()


def test_report_preset_of_the_multi_task_model_runs_on_levels(prices: PricePanel) -> None:
    train = prices.through(prices.sessions[CUT])
    model = load_model("b3_multitask", preset="report", hidden=6, epochs=1, lookback=8, minimum_records=100)
    fitted = model.fit(train, horizon=2, delay=1, seed=0)
    row = fitted.training_log["epochs"][0]
    assert row["validation_loss"] > 1000  # squares of prices near 100, times 50
    assert np.isfinite(fitted.predict(prices).score.iloc[-1]).all()


# --- direction ------------------------------------------------------------------------------------------------------


def test_platt_is_the_maximum_likelihood_of_smoothed_targets() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, 400)
    y = (rng.random(400) < 1 / (1 + np.exp(-(0.4 * x - 0.7)))).astype(float)
    a, b = fit_calibration(x, y)["calibration/platt"]
    up = y.sum()
    target = np.where(y == 1, (up + 1) / (up + 2), 1 / (400 - up + 2))
    best = optimize.minimize(
        lambda v: np.sum(np.logaddexp(0, v[0] * x + v[1]) - target * (v[0] * x + v[1])), [1.0, 0.0], tol=1e-12
    ).x
    assert (a, b) == pytest.approx(tuple(best), abs=1e-4)
    assert a == pytest.approx(0.4, abs=0.1)


def test_calibration_never_turns_the_order_round() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=300)
    y = (rng.random(300) < 1 / (1 + np.exp(2 * x))).astype(float)  # anti-skill
    arrays = fit_calibration(x, y)
    assert arrays["calibration/platt"][0] == 0.0
    np.testing.assert_allclose(calibrated(x, arrays), y.mean(), atol=0.01)
    isotonic = fit_calibration(x, y, "isotonic")
    assert (np.diff(calibrated(np.sort(x), isotonic)) >= 0).all()


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_overconfident_probabilities_are_brought_to_what_happens(method: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, 6000)
    y = (rng.random(6000) < 1 / (1 + np.exp(-x))).astype(float)
    claimed = 4.0 * x  # says 0.98 where 0.73 is true
    fit, test = slice(0, 3000), slice(3000, None)
    arrays = fit_calibration(claimed[fit], y[fit], method)
    before = reliability(calibrated(claimed[test], {"calibration/platt": np.array([1.0, 0.0])}), y[test])
    after = reliability(calibrated(claimed[test], arrays), y[test])

    def error(curve: list[dict[str, float]]) -> float:
        return sum(bin_["n"] * abs(bin_["predicted"] - bin_["observed"]) for bin_ in curve) / 3000

    assert error(before) > 0.1
    assert error(after) < 0.05
    assert sum(bin_["n"] for bin_ in after) == 3000


def test_too_few_of_a_class_leaves_the_logits_alone() -> None:
    arrays = fit_calibration(np.array([1.0, 2.0, np.nan, 3.0]), np.array([1.0, 0.0, 1.0, 1.0]))
    assert arrays["calibration/platt"].tolist() == [1.0, 0.0]
    with pytest.raises(InputError, match="calibration"):
        fit_calibration(np.zeros(3), np.zeros(3), "beta")


def test_the_reports_winner_is_a_model_that_always_says_up() -> None:
    """28 validation days, 16 up: always "up" has accuracy = precision = 57.14%, recall 1.0, F1 72.73%."""
    up = np.array([1.0] * 16 + [0.0] * 12)
    said = direction_metrics(np.full(28, 0.6), up)
    assert round(said["accuracy"], 4) == round(said["precision"], 4) == 0.5714
    assert said["recall"] == 1.0
    assert round(said["f1"], 4) == 0.7273
    assert said["balanced_accuracy"] == 0.5
    assert said["mcc"] == 0.0
    assert one_class((np.full(28, 0.6) > 0.5).astype(int))


def test_a_model_that_predicts_one_class_is_flagged() -> None:
    drifting = synthetic_market(260, 6, seed=5, kind="none", drift=0.02, volatility=0.01)[0]
    log = load_model("reliance_direction", preset="tiny").fit(drifting, horizon=1, delay=1, seed=0).training_log
    assert log["warnings"] == ["predicts one class: always up, as the majority class would"]
    assert log["validation"]["recall"] == 1.0
    assert log["validation"]["accuracy"] == log["validation"]["precision"]
    assert log["validation"]["accuracy"] == log["baselines"]["majority_class"]["accuracy"]


def test_direction_panel_is_a_probability_with_its_curve_kept(prices: PricePanel) -> None:
    fitted = load_model("reliance_direction", preset="tiny").fit(
        prices.through(prices.sessions[CUT]), horizon=1, delay=1, seed=0
    )
    panel = fitted.predict(prices)
    p, score = panel.probability_up.to_numpy(), panel.score.to_numpy()
    known = np.isfinite(p)
    assert ((p[known] >= 0) & (p[known] <= 1)).all()
    np.testing.assert_allclose(score[known], p[known] - 0.5)
    assert panel.zero_is_neutral
    curve = fitted.training_log["validation"]["reliability"]
    assert sum(bin_["n"] for bin_ in curve) == fitted.training_log["validation"]["n"]


def test_direction_presets_are_the_reports_configurations() -> None:
    read = {
        name: (m.units, m.dropout, m.learning_rate, m.batch_size)
        for name in ("baseline", "deeper", "wider", "report")
        for m in [load_model("reliance_direction", preset=name)]
    }
    assert read["baseline"] == ((128, 64, 32), 0.30, 1e-3, 16)
    assert read["deeper"] == ((256, 128, 64), 0.40, 5e-4, 16)
    assert read["wider"] == read["report"] == ((192, 96, 48), 0.35, 8e-4, 8)
    for name, units in (("wider_deeper", 256), ("optimal", 192), ("balanced", 224), ("aggressive", 320)):
        assert load_model("reliance_direction", preset=name).units[0] == units
    count = parameter_counts(DirectionLSTM().network(27))["keras"]
    without_attention = (168_960 + 110_976 + 27_840) + 4 * (192 + 96 + 48) + 3_136 + 2_080 + 33
    assert count == without_attention + 3 * (96 * 96 + 96)


# --- price ----------------------------------------------------------------------------------------------------------


def test_price_model_has_32301_parameters_by_kerass_count() -> None:
    counts = parameter_counts(PriceLSTM().network(1))
    assert counts["keras"] == 32_301
    assert counts["torch"] == 32_301 + 2 * 4 * 50 - 2 * 2 * 50  # two biases a gate; running moments not counted


def test_the_l2_penalty_is_on_input_kernels_only() -> None:
    network = PriceLSTM().network(1)
    expected = sum(float((layer.lstm.weight_ih_l0.detach() ** 2).sum()) for layer in (network.first, network.second))
    assert float(kernel_penalty(network).detach()) == pytest.approx(expected, rel=1e-6)
    assert float(PriceLSTM().penalty(network).detach()) == pytest.approx(0.01 * expected, rel=1e-6)
    assert PriceLSTM(l2=0.0).penalty(network) is None
    assert 0.01 * expected == pytest.approx(0.82, abs=0.08)  # what a fresh network's loss starts with


def test_price_scalers_are_the_training_range_of_each_asset(prices: PricePanel) -> None:
    train = prices.through(prices.sessions[CUT])
    fitted = load_model("nse_price", preset="tiny").fit(train, horizon=1, delay=1, seed=0)
    seen = train.close.loc[: fitted.preprocessing_fit_through]
    np.testing.assert_allclose(fitted.arrays["input/centre"][:, 0], seen.min(), rtol=1e-5)
    np.testing.assert_allclose(fitted.arrays["input/scale"][:, 0], seen.max() - seen.min(), rtol=1e-5)
    everything = prices.close.max() - prices.close.min()
    assert (fitted.arrays["input/scale"][:, 0] < everything - 1e-9).any()


def test_price_forecast_stands_beside_a_five_day_mean_and_persistence(prices: PricePanel) -> None:
    train = prices.through(prices.sessions[CUT])
    fitted = load_model("nse_price", preset="tiny", epochs=1).fit(train, horizon=1, delay=1, seed=0)
    log = fitted.training_log
    rows = slice(*train.sessions.get_indexer(
        [pd.Timestamp(log["sessions"][key]) for key in ("validation_start", "validation_end")]
    ))  # fmt: skip
    rows = slice(rows.start, rows.stop + 1)
    actual = next_price(train)
    expected = reference.r2_score(actual.iloc[rows].to_numpy().ravel(), train.close.iloc[rows].to_numpy().ravel())
    assert log["baselines"]["persistence"]["r2"] == pytest.approx(expected)
    five = train.close.rolling(5).mean()
    expected = reference.r2_score(actual.iloc[rows].to_numpy().ravel(), five.iloc[rows].to_numpy().ravel())
    assert log["baselines"]["five_day_mean"]["r2"] == pytest.approx(expected)
    assert {"r2", "mae", "rmse", "bias", "mape", "negative_share", "rank"} <= set(log["validation"])


def test_a_five_day_mean_looks_skilled_where_returns_reverse_and_unskilled_where_they_trend() -> None:
    signs = {}
    for kind in ("reversal", "momentum"):
        market = synthetic_market(700, 40, ic=0.15, seed=6, kind=kind)[0]
        log = load_model("nse_price", preset="tiny", epochs=1).fit(market, horizon=1, delay=1, seed=0).training_log
        signs[kind] = log["baselines"]["five_day_mean"]["rank"]["rank_ic"]
    assert signs["reversal"] > 0.05
    assert signs["momentum"] < -0.05


# --- metrics --------------------------------------------------------------------------------------------------------


def test_metrics_against_scipy_scikit_learn_and_statsmodels() -> None:
    import statsmodels.api as sm

    rng = np.random.default_rng(7)
    score, returns = rng.standard_normal((60, 15)), rng.standard_normal((60, 15))
    score[3, 4] = np.nan
    out = rank_metrics(score, returns, horizon=3)
    daily = np.array([
        stats.spearmanr(a[np.isfinite(a)], b[np.isfinite(a)])[0] for a, b in zip(score, returns, strict=True)
    ])  # fmt: skip
    assert out["rank_ic"] == pytest.approx(daily.mean())
    hac = sm.OLS(daily, np.ones(60)).fit(cov_type="HAC", cov_kwds={"maxlags": 2})
    assert out["rank_ic_hac_t"] == pytest.approx(float(hac.tvalues[0]))
    assert np.isnan(hac_t(np.array([1.0, 2.0]), 1))

    said, truth = rng.integers(0, 3, 200).astype(float), rng.integers(0, 3, 200).astype(float)
    actions = action_metrics(said, truth)
    assert actions["macro_f1"] == pytest.approx(reference.f1_score(truth, said, average="macro"))
    assert actions["weighted_f1"] == pytest.approx(reference.f1_score(truth, said, average="weighted"))
    level = level_metrics(truth + 5.0, truth + 6.0)
    assert level["mape"] == pytest.approx(reference.mean_absolute_percentage_error(truth + 6, truth + 5))
    assert level["bias"] == pytest.approx(-1.0)
    assert action_metrics(np.array([np.nan]), np.array([1.0])) == {"n": 0}


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("b3_multitask", {"target": "level"}),
        ("b3_multitask", {"gamma": -1.0}),
        ("reliance_direction", {"units": (8, 4)}),
        ("reliance_direction", {"calibration": "beta"}),
        ("nse_price", {"l2": -0.1}),
        ("nse_price", {"dropout": 1.0}),
        ("nse_price", {"validation": 1.0}),
        ("nse_price", {"learning_rate": 0.0}),
        ("nse_price", {"lookback": 0}),
    ],
)
def test_parameters_that_cannot_be_are_named(name: str, bad: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        load_model(name, **bad)
