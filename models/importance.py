"""What a fitted network reads: Shapley values of its features and of the parts of its window, and what its states hold.

Own code over a page of torch: a window is a game whose players are its features (or the thirds of its sessions); what a
coalition is worth is the network's answer when everybody else is taken from another window of the same period. Values
are averages over random orders of joining, so that they add up, window by window, to the answer less that of the other
window, exactly. `shap` or `captum` would bring the same estimate with their dependencies.

References
----------
Štrumbelj, E., Kononenko, I. (2014). Explaining prediction models and individual predictions with feature contributions.
Knowledge and Information Systems 41(3).
Lundberg, S., Lee, S.-I. (2017). A Unified Approach to Interpreting Model Predictions. NeurIPS.
Alain, G., Bengio, Y. (2017). Understanding intermediate layers using linear classifier probes. ICLR workshop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.features import build_features
from assay.data.panel import PricePanel

if TYPE_CHECKING:
    from torch import nn

    from assay.models.lstm.fitting import FittedLSTM

__all__ = ["Windows", "feature_importance", "read_windows", "shapley_values", "state_probes", "window_importance"]

_LEAST = 10  # windows


@dataclass(frozen=True, eq=False)
class Windows:
    """Scaled windows of one network, drawn at random from its panel.

    Parameters
    ----------
    values : (M, lookback, F) float32.
    sessions, assets : (M,) positions of each window's last session and of its asset.
    names : the F features.
    network : as trained.
    output : which of its answers is the score.

    """

    values: np.ndarray
    sessions: np.ndarray
    assets: np.ndarray
    names: tuple[str, ...]
    network: nn.Module
    output: int


def read_windows(
    fitted: FittedLSTM, prices: PricePanel, start: pd.Timestamp | None = None, *, count: int = 200, seed: int = 0
) -> Windows:
    """Random complete windows that end on or after `start`, as the network sees them.

    Parameters
    ----------
    fitted : a network for all assets, or one an asset; then that of the first asset that has one.
    prices : the panel to read.
    start : first session that a window may end on; None takes all.
    count : windows, at most.
    seed : of the draw.

    Raises
    ------
    InputError
        If fewer than 10 windows are complete.

    """
    import torch

    from assay.models.lstm.scaling import Scaler
    from assay.models.lstm.windows import Pieces, complete_rows

    recipe = fitted.recipe
    group = "" if "" in fitted.networks else next(iter(sorted(fitted.networks)))
    own = prices.select(sorted(prices.assets) if group == "" else [group])
    panel = build_features(own, recipe.feature_set, who=recipe.name)
    arrays = fitted._arrays_for(own.assets)
    scaler = Scaler(arrays["input/centre"], arrays["input/scale"], float(arrays["input/clip"][0]))
    ready = complete_rows(panel.values, recipe.lookback) & np.isfinite(scaler.centre).all(axis=1)
    if start is not None:
        ready[: int(own.sessions.searchsorted(pd.Timestamp(start)))] = False
    rows, assets = np.nonzero(ready)
    if len(rows) < _LEAST:
        raise InputError(f"{recipe.name}: {len(rows)} complete windows are too few to say what it reads")
    drawn = np.sort(np.random.default_rng(seed).permutation(len(rows))[:count])
    pieces = Pieces(scaler.inputs(panel.values, 1), recipe.lookback, 1)
    network = recipe.network(len(panel.names))
    network.load_state_dict({key: torch.from_numpy(value) for key, value in fitted.networks[group].items()})
    values = pieces.gather(assets[drawn], rows[drawn])
    output = 3 if recipe.outputs == 4 else 0
    return Windows(values, rows[drawn], assets[drawn], panel.names, network.eval(), output)


def shapley_values(windows: Windows, players: np.ndarray, *, orders: int = 8, seed: int = 0) -> np.ndarray:
    """(M, P) Shapley values of the players of each window, against another random window.

    Parameters
    ----------
    windows : see `read_windows`.
    players : (P, lookback, F) bool, each cell of a window belonging to exactly one.
    orders : random orders of joining, each with another window to be compared with; the error falls with its root.
    seed : of the orders and of the other windows.

    Returns
    -------
    ndarray
        Mean over the orders. In each of them a row adds up to the answer less that of the other window.

    """
    import torch

    from assay.models.lstm.training import deterministic, forward

    rng = np.random.default_rng([seed, 0x5AB])
    m, p = len(windows.values), len(players)
    total = np.zeros((m, p))
    with deterministic(seed), torch.inference_mode():
        for _ in range(orders):
            other = windows.values[rng.permutation(m)]
            order = rng.permutation(p)
            taken = np.zeros(players.shape[1:], dtype=bool)
            before = np.zeros(m)
            for step, player in enumerate((-1, *order)):
                if player >= 0:
                    taken |= players[player]
                mixed = torch.from_numpy(np.where(taken, windows.values, other))
                answer = forward(windows.network, mixed, 1)[:, 0, windows.output].double().numpy()
                if step:
                    total[:, player] += answer - before
                before = answer
    return total / orders


def _shares(values: np.ndarray, names: list[str]) -> pd.DataFrame:
    size = np.abs(values).mean(axis=0)
    table = pd.DataFrame({"mean_abs": size, "share": size / size.sum() if size.sum() > 0 else size}, index=names)
    return table.sort_values("mean_abs", ascending=False, kind="stable")


def feature_importance(windows: Windows, *, orders: int = 8, seed: int = 0) -> pd.DataFrame:
    """Mean absolute Shapley value of each feature and its share of their sum, the largest first."""
    length, n_features = windows.values.shape[1:]
    players = np.zeros((n_features, length, n_features), dtype=bool)
    players[np.arange(n_features), :, np.arange(n_features)] = True
    return _shares(shapley_values(windows, players, orders=orders, seed=seed), list(windows.names))


def window_importance(windows: Windows, *, parts: int = 3, orders: int = 8, seed: int = 0) -> pd.DataFrame:
    """The same of the parts of the window, the oldest sessions first; ``days 1-30`` are the oldest 30 of 90."""
    length, n_features = windows.values.shape[1:]
    parts = min(parts, length)
    edges = np.linspace(0, length, parts + 1).round().astype(int)
    players = np.zeros((parts, length, n_features), dtype=bool)
    names = []
    for part in range(parts):
        players[part, edges[part] : edges[part + 1]] = True
        names.append(f"days {edges[part] + 1}-{edges[part + 1]}")
    return _shares(shapley_values(windows, players, orders=orders, seed=seed), names).loc[names]


def state_probes(windows: Windows) -> pd.DataFrame:
    """How much of each feature's last value a layer's last state tells, linearly: R² on the later half of the windows.

    A row a feature, a column a layer of the network's LSTM; ridge, fit on the earlier half. A layer "holds" a feature
    where this is near 1; below 0 it tells nothing. Raises `InputError` where the network has no LSTM called ``lstm``.
    """
    import torch
    from sklearn.linear_model import Ridge

    from assay.models.lstm.training import deterministic

    lstm = getattr(windows.network, "lstm", None)
    if not isinstance(lstm, torch.nn.LSTM):
        raise InputError("state probes: the network has no LSTM whose layers could be read")
    with deterministic(0), torch.inference_mode():
        _, (states, _) = lstm(torch.from_numpy(windows.values))
    order = np.argsort(windows.sessions, kind="stable")
    half = len(order) // 2
    fit, test = order[:half], order[half:]
    last = windows.values[:, -1].astype(np.float64)
    table = {}
    for layer, state in enumerate(states.double().numpy(), start=1):
        predicted = Ridge(alpha=1.0).fit(state[fit], last[fit]).predict(state[test])
        total = ((last[test] - last[test].mean(axis=0)) ** 2).sum(axis=0)
        error = ((last[test] - predicted) ** 2).sum(axis=0)
        table[f"layer {layer}"] = np.where(total > 0, 1.0 - error / np.where(total > 0, total, 1.0), np.nan)
    return pd.DataFrame(table, index=list(windows.names))
