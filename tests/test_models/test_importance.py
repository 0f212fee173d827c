"""What a network reads: Shapley values against the exact ones, and against a network whose reading is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from assay.data.errors import InputError
from assay.data.synthetic import synthetic_market
from assay.models.catalog import load_model
from assay.models.importance import (
    Windows,
    feature_importance,
    read_windows,
    shapley_values,
    state_probes,
    window_importance,
)


class Known(nn.Module):
    """2·x_last,0 + x_first,1·x_last,2: feature 3 is not read."""

    def forward(self, inputs: torch.Tensor, steps: int = 1) -> torch.Tensor:
        return (2 * inputs[:, -1, 0] + inputs[:, 0, 1] * inputs[:, -1, 2]).reshape(-1, 1, 1)


def game(m: int = 40) -> Windows:
    values = np.random.default_rng(0).normal(size=(m, 6, 4)).astype(np.float32)
    return Windows(values, np.arange(m), np.zeros(m, int), ("a", "b", "c", "d"), Known(), 0)


def test_values_of_a_linear_feature_and_of_one_that_is_not_read() -> None:
    windows = game()
    players = np.zeros((4, 6, 4), dtype=bool)
    players[np.arange(4), :, np.arange(4)] = True
    one = shapley_values(windows, players, orders=1)
    # One order: the rows add up to the answer less that of one other window, and the linear part needs no mean.
    x = torch.from_numpy(windows.values)
    answers = Known()(x)[:, 0, 0].numpy()
    gained = np.sort(answers - one.sum(axis=1))
    np.testing.assert_allclose(gained, np.sort(answers), atol=1e-5)  # each other window serves once
    assert (one[:, 3] == 0).all()
    many = shapley_values(windows, players, orders=400)
    linear = 2 * (windows.values[:, -1, 0] - windows.values[:, -1, 0].mean())
    np.testing.assert_allclose(many[:, 0], linear, atol=0.5)
    table = feature_importance(windows, orders=50)
    assert table.index[0] == "a"
    assert table.index[-1] == "d"
    assert table["share"].sum() == pytest.approx(1.0)
    parts = window_importance(windows, parts=3, orders=50)
    assert list(parts.index) == ["days 1-2", "days 3-4", "days 5-6"]
    assert parts.loc["days 3-4", "mean_abs"] == 0.0
    assert parts["share"].idxmax() == "days 5-6"


def test_the_sampled_values_are_the_exact_ones_of_a_small_game() -> None:
    """Two windows, so the other window is known: the formula over all coalitions."""
    rng = np.random.default_rng(3)
    pair = rng.normal(size=(2, 6, 4)).astype(np.float32)
    windows = replace(game(2), values=pair)
    players = np.zeros((4, 6, 4), dtype=bool)
    players[np.arange(4), :, np.arange(4)] = True

    def worth(who: tuple[int, ...], x: np.ndarray, z: np.ndarray) -> float:
        taken = players[list(who)].any(axis=0) if who else np.zeros(players.shape[1:], bool)
        return float(Known()(torch.from_numpy(np.where(taken, x, z))[None])[0, 0, 0])

    exact = np.zeros(4)
    for k in range(4):
        others = [j for j in range(4) if j != k]
        for size in range(4):
            for who in itertools.combinations(others, size):
                weight = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
                exact[k] += weight * (worth((*who, k), pair[0], pair[1]) - worth(who, pair[0], pair[1]))
    # Half of the orders compare a window with itself, which is worth nothing.
    found = shapley_values(windows, players, orders=600)[0]
    np.testing.assert_allclose(found, exact / 2, atol=0.15 * np.abs(exact).max())


def test_a_fitted_network_is_read_as_it_scores_and_its_states_probed() -> None:
    prices, _ = synthetic_market(160, 6, ic=0.1, seed=4)
    fitted = load_model("stock_lstm", preset="tiny", epochs=1, layers=2, windowed=True).fit(
        prices.through(prices.sessions[119]), horizon=1, delay=1, seed=0
    )
    windows = read_windows(fitted, prices, prices.sessions[120], count=60)
    assert windows.values.shape == (60, 10, 14)
    assert windows.sessions.min() >= 120
    with torch.inference_mode():
        answers = windows.network(torch.from_numpy(windows.values))[:, 0, 0].double().numpy()
    score = fitted.predict(prices).score.to_numpy()[windows.sessions, windows.assets]
    np.testing.assert_allclose(answers * fitted.arrays["label/scale"][0, 0], score, rtol=1e-4, atol=1e-7)
    table = feature_importance(windows, orders=2)
    assert set(table.index) == set(windows.names)
    probes = state_probes(windows)
    assert list(probes.columns) == ["layer 1", "layer 2"]
    assert len(probes) == 14
    with pytest.raises(InputError, match="no LSTM"):
        state_probes(game())
    with pytest.raises(InputError, match="too few"):
        read_windows(fitted, prices, prices.sessions[-1])
