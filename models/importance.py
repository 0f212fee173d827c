"""What a fitted model reads: any model with a feature taken from elsewhere, and networks by their Shapley values.

A feature's permutation importance is what a model's score loses when it reads that feature from elsewhere
(`PermutedReads`; scored by `assay.results.evidence.importance`). The rest is about networks.

Own code over a page of torch: a window is a game whose players are its features (or the thirds of its sessions); what a
coalition is worth is the network's answer when everybody else is taken from another window of the same period. Values
are averages over random orders of joining, so that they add up, window by window, to the answer less that of the other
window, exactly. `shap` or `captum` would bring the same estimate with their dependencies.

References
----------
Breiman, L. (2001). Random forests. Machine Learning 45(1), for permutation importance.
Fisher, A., Rudin, C., Dominici, F. (2019). All models are wrong, but many are useful: learning a variable's importance.
Journal of Machine Learning Research 20, for any model's.
Štrumbelj, E., Kononenko, I. (2014). Explaining prediction models and individual predictions with feature contributions.
Knowledge and Information Systems 41(3).
Lundberg, S., Lee, S.-I. (2017). A Unified Approach to Interpreting Model Predictions. NeurIPS.
Alain, G., Bengio, Y. (2017). Understanding intermediate layers using linear classifier probes. ICLR workshop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.features import FeaturePanel, build_features, features_changed_by
from assay.data.panel import PredictionPanel, PricePanel

if TYPE_CHECKING:
    from torch import nn

    from assay.models.lstm.fitting import FittedLSTM

__all__ = [
    "PermutedReads",
    "Windows",
    "feature_importance",
    "read_windows",
    "shapley_values",
    "state_probes",
    "window_importance",
]

_LEAST = 10  # windows
#: Sessions that a feature is read late, at most: beyond a year few say anything of today.
_LATEST = 252
#: What a model that asks for no features reads, and the fields of it.
_FIELDS = {"prices": ("close", "open", "high", "low", "raw_close"), "volume": ("volume",)}


@dataclass(frozen=True, eq=False)
class PermutedReads:
    """A fitted model that is made to read one of its features from elsewhere.

    Each asset reads the history of another one, up to a year earlier: windows stay whole, and nothing later than the
    session itself is read. A model that fits assets apart reads each one's own history late, since another's lies on
    another scale. Where the other history has no value the asset's own stays.

    Whatever calls `assay.data.features.build_features` is seen to read the features of that set, be it ours or a
    person's own; a model that does not is seen to read prices and volume.

    Parameters
    ----------
    predict : predictions of a panel.
    prices : of the sessions that the model may read, through the last that it predicts.
    first : position of the first session that it predicts.
    lookback : sessions that it reads, ending at t.
    apart : whether it fits assets apart.

    """

    predict: Callable[[PricePanel], PredictionPanel]
    prices: PricePanel
    first: int
    lookback: int
    apart: bool = False

    @cached_property
    def _read(self) -> tuple[PredictionPanel, dict[tuple[str, ...], FeaturePanel]]:
        """Predictions as they are, and the features that were asked for on the way."""
        made: dict[tuple[str, ...], FeaturePanel] = {}

        def keep(key: tuple[str, ...], make: Callable[[], FeaturePanel]) -> FeaturePanel:
            if key not in made:
                made[key] = make()
            return made[key]

        with features_changed_by(keep):
            return self.predict(self.prices), made

    @property
    def names(self) -> tuple[str, ...]:
        """What it reads."""
        features = dict.fromkeys(name for panel in self._read[1].values() for name in panel.names)
        there = {*self.prices.fields}
        return tuple(features) or tuple(name for name, fields in _FIELDS.items() if there & {*fields})

    @property
    def plain(self) -> PredictionPanel:
        """Predictions as they are."""
        return self._read[0]

    def without(self, name: str, rng: np.random.Generator) -> PredictionPanel:
        """Predictions with one of `names` read from elsewhere, as drawn from `rng`."""
        made = self._read[1]
        late, donors = self._drawn(rng)
        if not made:
            return self.predict(self._moved(_FIELDS[name], late, donors))

        def change(key: tuple[str, ...], make: Callable[[], FeaturePanel]) -> FeaturePanel:
            panel = made[key] if key in made else make()
            if name not in panel.names:
                return panel
            at, column = panel.names.index(name), panel.values.copy()
            place = panel.assets.get_indexer(pd.Index(donors.reindex(panel.assets)))
            place = np.where(place < 0, np.arange(len(place)), place)  # a model that asks for its assets one by one
            other = _late(column[..., at], late)[:, place]
            column[..., at] = np.where(np.isfinite(other), other, column[..., at])
            return replace(panel, values=column)

        with features_changed_by(change):
            return self.predict(self.prices)

    def _drawn(self, rng: np.random.Generator) -> tuple[int, pd.Series]:
        """How late, and asset → whose history it reads: one round through all that have prices, so that none stays."""
        top = max(1, min(_LATEST, self.first - self.lookback))
        late = int(rng.integers((top + 1) // 2, top + 1))
        donors = pd.Series(self.prices.assets, self.prices.assets)
        there = self.prices.close.iloc[self.first :].notna().mean().to_numpy() >= 0.5
        order = rng.permutation(np.flatnonzero(there))
        if not self.apart:
            donors.iloc[order] = self.prices.assets[np.roll(order, 1)]
        return late, donors

    def _moved(self, fields: tuple[str, ...], late: int, donors: pd.Series) -> PricePanel:
        """The prices with these fields from elsewhere, bars whole; no price of its own stays among those of another."""
        place = self.prices.assets.get_indexer(pd.Index(donors))
        moved = {
            name: self.prices.frame(_late(getattr(self.prices, name).to_numpy(), late)[:, place])
            for name in fields
            if getattr(self.prices, name) is not None
        }
        return replace(self.prices, **moved)  # type: ignore[arg-type]


def _late(values: Floats, sessions: int) -> Floats:
    """(T, N) as of so many sessions before; NaN where there were none."""
    out = np.full_like(values, np.nan)
    out[sessions:] = values[: len(values) - sessions]
    return out


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
