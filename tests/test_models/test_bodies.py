"""Networks other than the LSTM: causal where they say so, equal to what their papers say; refused parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from assay.data.errors import InputError
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.contract import check_forecaster
from assay.models.lstm.batches import Batch
from assay.models.lstm.bodies import ConvolutionNetwork, GraphNetwork, GruNetwork, LinearNetwork, PatchNetwork
from assay.models.torch_adapter import TorchForecaster

LOOKBACK, FEATURES = 12, 3
CAUSAL = {
    "gru": lambda: GruNetwork(FEATURES, 8, 2, 0.0),
    "tcn": lambda: ConvolutionNetwork(FEATURES, 8, 3, 0.0),
    "dlinear": lambda: LinearNetwork(FEATURES, LOOKBACK, 4),
    "graph_lstm": lambda: GraphNetwork(FEATURES, 8, 1, 0.0),
    "patch_transformer": lambda: PatchNetwork(FEATURES, LOOKBACK, 4, 8, 1, 2, 0.0),
}


def drawn(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).standard_normal(shape).astype(np.float32))


@pytest.mark.parametrize("name", CAUSAL)
def test_a_later_session_changes_no_earlier_answer(name):
    torch.manual_seed(0)
    network = CAUSAL[name]().eval()
    inputs = drawn(4, LOOKBACK + 5, FEATURES)
    before = network(inputs, 6)
    altered = inputs.clone()
    altered[:, -2:] += 10.0
    after = network(altered, 6)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])


def test_the_linear_body_is_the_decomposition_it_says():
    torch.manual_seed(0)
    network = LinearNetwork(FEATURES, LOOKBACK, 4).eval()
    inputs = drawn(2, LOOKBACK, FEATURES)
    values = inputs.numpy().astype(float)
    padded = np.concatenate([np.repeat(values[:, :1], 3, axis=1), values], axis=1)
    average = np.stack([padded[:, t : t + 4].mean(axis=1) for t in range(LOOKBACK)], axis=1)
    expected = sum(
        np.einsum("bsf,fs->b", part, layer.weight.detach().numpy()[0]) + layer.bias.item()
        for part, layer in ((average, network.trend), (values - average, network.rest))
    )
    assert np.allclose(network(inputs).detach().numpy()[:, 0, 0], expected, atol=1e-5)


def test_the_convolutions_reach_as_far_back_as_their_dilations_say():
    torch.manual_seed(0)
    network = ConvolutionNetwork(1, 16, 3, 0.0).eval()
    reach = 2 * 2 * (1 + 2 + 4)  # two convolutions a block, kernel 3
    inputs = drawn(1, reach + 4, 1).requires_grad_()
    network(inputs).sum().backward()
    touched = inputs.grad[0, :, 0].abs() > 0
    assert not touched[: -reach - 1].any()
    assert touched[-reach - 1 :].sum() > reach / 2


def test_the_transformer_reads_for_every_step_the_window_it_would_read_alone():
    torch.manual_seed(0)
    network = PatchNetwork(FEATURES, LOOKBACK, 4, 8, 1, 2, 0.0).train()
    inputs = drawn(2, LOOKBACK + 5, FEATURES)
    together = network(inputs, 6)
    for step in range(6):
        window = inputs[:, step : step + LOOKBACK]
        tokens = network.embed(window.reshape(2, 3, 4 * FEATURES)) + network.position  # three patches of four sessions
        expected = network.score(network.norm(network.encoder(tokens).mean(dim=1)))
        assert torch.allclose(network(window), expected[:, None], atol=1e-6)
        assert torch.allclose(together[:, step], expected, atol=1e-6)
    altered = inputs.clone()
    altered[:, :2] += 10.0  # the windows of the last four steps begin later
    assert torch.equal(network(altered, 6)[:, 2:], together[:, 2:])
    assert not torch.allclose(network(altered, 6)[:, :2], together[:, :2])


def test_an_asset_hears_those_of_its_session_that_have_data():
    torch.manual_seed(0)
    network = GraphNetwork(FEATURES, 8, 1, 0.0).eval()
    inputs = drawn(6, LOOKBACK, FEATURES)  # two sessions of three assets
    inputs[2, -1] = 0.0  # the third of the first has no data today
    together = network(inputs, 1, 3)
    states = network.lstm(inputs)[0][:, -1]
    q, k, v = network.query(states), network.key(states), network.value(states)
    for i, others in ((0, [0, 1]), (1, [0, 1]), (4, [3, 4, 5])):
        weights = torch.softmax(torch.stack([q[i] @ k[j] for j in others]) / 8**0.5, dim=0)
        heard = sum(weight * v[j] for weight, j in zip(weights, others, strict=True))
        expected = network.score(torch.cat([states[i], heard]))
        assert torch.allclose(together[i, 0], expected, atol=1e-6)
    order = [1, 0, 2, 5, 3, 4]
    assert torch.allclose(network(inputs[order], 1, 3), together[order], atol=1e-6)
    altered = inputs.clone()
    altered[3:] += 1.0
    assert torch.equal(network(altered, 1, 3)[:3], together[:3])


def test_the_reward_is_the_sharpe_ratio_of_the_positions_after_costs():
    model = load_model("direct_reinforcement", cost_bps=10.0)
    rng = np.random.default_rng(0)
    answers, returns = rng.normal(size=(2, 4, 3)), rng.normal(0, 0.02, (2, 4, 3))  # groups, sessions, assets
    pieces = [torch.from_numpy(part.transpose(0, 2, 1).reshape(6, 4, 1)) for part in (answers, returns)]
    mask = torch.ones((6, 4), dtype=torch.bool)
    batch = Batch(torch.zeros(6, 4, 1), pieces[1], mask, mask.double(), mask.double(), (np.arange(6), np.zeros(6)), 3)
    earned = []
    for group in range(2):
        before = None
        for session in range(4):
            wanted = answers[group, session] - answers[group, session].mean()
            held = wanted / np.abs(wanted).sum()
            cost = 0.0 if before is None else 1e-3 * np.abs(held - before).sum()
            earned.append(held @ returns[group, session] - cost)
            before = held
    expected = -np.mean(earned) / np.std(earned)
    assert float(model.loss(pieces[0], batch)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("tcn", {"kernel": 1}, "kernel"),
        ("dlinear", {"smooth": 99}, "smooth"),
        ("patch_transformer", {"lookback": 61}, "multiple of patch"),
        ("patch_transformer", {"heads": 5}, "multiple of heads"),
    ],
)
def test_parameters_that_cannot_be_are_refused(name, params, message):
    with pytest.raises(InputError, match=message):
        load_model(name, **params)


@dataclass(frozen=True, kw_only=True)
class Mine(TorchForecaster):
    epochs: int = 3
    name: ClassVar[str] = "mine"

    def module(self, n_features: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(self.lookback * n_features, 8), nn.ReLU(), nn.Linear(8, 1))


@dataclass(frozen=True, kw_only=True)
class Wide(Mine):
    def module(self, n_features: int) -> nn.Module:
        return nn.Linear(n_features, 2)


def test_a_module_of_ones_own_passes_the_contract():
    check_forecaster(Mine())


def test_a_module_of_ones_own_finds_a_planted_signal():
    prices, _ = synthetic_market(700, 40, ic=0.15, seed=5)
    fitted = Mine(epochs=15, learning_rate=3e-3).fit(prices.through(prices.sessions[499]), horizon=1, delay=1, seed=0)
    score = fitted.predict(prices).score.iloc[500:-2]
    ahead = prices.close.pct_change(fill_method=None).shift(-2).iloc[500:-2]
    assert score.corrwith(ahead, axis="columns").mean() > 0.05


def test_a_module_with_other_answers_is_told_what_is_wanted(tmp_path: Path):
    prices, _ = synthetic_market(200, 8, seed=1)
    with pytest.raises(InputError, match="one number a window"):
        Wide().fit(prices, horizon=1, delay=1, seed=0)
