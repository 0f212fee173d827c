"""The figures that reports on training print, of a finished walk-forward: by metric, label and position.

Figures of training (losses, epochs, validation) are those of the last fold and the first seed, figures of the test are
of all sessions that no fit had seen: the run's own metrics, and `forecast_tables` by class, quarter, percentile, fifth.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from assay.data.errors import BacktestError
from assay.data.panel import ACTIONS
from assay.results.evidence.forecast_tables import cell, forecast_tables

if TYPE_CHECKING:
    from assay.data.panel import PricePanel
    from assay.models.base import Forecaster
    from assay.results.workflow import StoredWalkForward

__all__ = ["TITLES", "Figures", "training_figures"]

#: (metric, label, position) of a figure; the metrics are those of claims.
Key = tuple[str, str, str]
Tables = dict[str, pd.DataFrame]

_CLASS_SCORES = ("precision", "recall", "f1")
_LEVELS = ("r2", "mae", "rmse", "mape", "bias")
#: Metric → metrics of a stored run, the first that it has.
_OF_RUN = {
    "accuracy": ("accuracy", "action_accuracy"), "f1_macro": ("action_macro_f1",), "sharpe": ("sharpe_net",),
    "random_baseline": ("action_base_rate",), "rank_ic": ("rank_ic_mean",), "ic": ("ic_mean",),
    "ic_std": ("rank_ic_std",), "icir": ("rank_ic_ir",), "hit_rate": ("hit_direction",), "win_rate": ("hit_trade",),
    **{name: (f"level_{name}",) for name in _LEVELS}, **{name: (name,) for name in ("auc", *_CLASS_SCORES)},
}  # fmt: skip
#: Metric → what a training log calls it among the figures of validation.
_OF_VALIDATION = {
    "accuracy": "accuracy", "auc": "auc", "f1_macro": "macro_f1", "f1_weighted": "weighted_f1",
    **{name: name for name in _CLASS_SCORES}, "negative_predictions": "negative_share", "rank_ic": "rank_ic",
    "ic": "ic", "ic_std": "rank_ic_std", "icir": "rank_icir_daily", "hit_rate": "direction_hit_rate",
}  # fmt: skip
_BY_EPOCH = {"train_loss": "train_loss", "validation_loss": "validation_loss", "rank_ic": "validation_rank_ic",
             "ic": "validation_ic"}  # fmt: skip
_OF_FIFTHS = {"quantile_predicted_return": "predicted", "quantile_return": "realised", "hit_rate": "hit_rate"}
_SPREADS = {"top - bottom": "top_less_bottom", "top - market": "top_less_market",
            "market - bottom": "market_less_bottom"}  # fmt: skip
#: What the ranking report calls a feature → what it is called here.
_FEATURES = {"ret_20d": "return_20", "ret_5d": "return_5", "volatility": "volatility_20",
             "volume_ratio": "volume_ratio_20", "dist_from_high": "from_high_20"}  # fmt: skip
#: Table → what it shows.
TITLES = {
    "epochs": "Training by epoch (mean over networks)",
    "losses": "Losses of the epoch that was kept, with their terms; multiple = validation / training",
    "classes": "Classes, out of sample",
    "thresholds": "Thresholds by class in place of the most likely one, out of sample",
    "levels": "Price levels, out of sample",
    "daily": "Daily rank correlation, out of sample",
    "quarters": "Stability by quarter",
    "fifths": "Fifths of the score, 1 the lowest",
    "predictions": "Distribution of the predictions, and their spreads",
    "features": "What the network reads: mean absolute Shapley value by feature",
    "window": "The same by part of the window, the oldest first",
    "states": "What each layer's last state tells of a feature (R² of a linear probe)",
}
_BATCH, _TIMES = 256, 3


@dataclass(frozen=True, eq=False)
class Figures:
    """What a model gave, by (metric, label, position), and the tables that the figures come from.

    Parameters
    ----------
    validation : of the rows that stopped training, of training itself, and of the network.
    test : of what no fit had seen.
    tables : name → table, as a report would print it.

    """

    validation: Mapping[Key, float]
    test: Mapping[Key, float]
    tables: Mapping[str, pd.DataFrame]


def training_figures(
    stored: StoredWalkForward, model: Forecaster, prices: PricePanel, *, importance: bool = False, speed: bool = False
) -> Figures:
    """The figures of a stored walk-forward.

    Parameters
    ----------
    stored, model, prices : what was run.
    importance : also what the network of the last fold reads, which takes some thousand passes.
    speed : also how fast it answers on this machine (ms a window, windows a second), and how large its file is.

    """
    predictions = stored.walk.predictions
    log = stored.walk.logs[max(stored.walk.logs, key=lambda key: (key[0], -key[1]))]
    validation, tables = _of_training(log)
    tables |= forecast_tables(predictions, prices, fill=stored.result.config["execution"]["fill"])
    test = _of_run(stored) | _of_tables(tables)
    if rows := log.get("rows"):
        counts = {name: rows.get(name, 0) for name in ("train", "validation")}
        counts["test"] = int(predictions.view.notna().to_numpy().sum())
        shares = {("split_share", name, ""): count / max(sum(counts.values()), 1) for name, count in counts.items()}
        test["split_share", "test", ""] = shares.pop(("split_share", "test", ""))
        validation |= shares
    weight = getattr(model, "rank_weight", None)
    if weight is not None:
        validation |= {("weight_share", "rank", ""): weight, ("weight_share", "regression", ""): 1.0 - weight}
    folders = sorted((stored.run.path / "models").glob("fold*-seed0"))
    if folders and (importance or speed):
        fitted = model.load(folders[-1])
        if importance and hasattr(fitted, "networks"):
            test |= _of_importance(fitted, prices, predictions.sessions[0], tables)
        if speed:
            sizes = {path.name: path.stat().st_size for path in folders[-1].iterdir()}
            validation |= {("file_size", "model", ""): float(sizes.get("model.safetensors", 0))}
            validation |= dict.fromkeys((("file_size", "", ""), ("file_size", "total", "")), float(sum(sizes.values())))
            validation |= _of_speed(fitted) if hasattr(fitted, "networks") else {}
    return Figures(validation, test, tables)


def _of_training(log: Mapping[str, Any]) -> tuple[dict[Key, float], Tables]:
    """Figures of a training log, and its tables: losses, and all by epoch."""
    loss, epochs, found = log.get("loss", {}), pd.DataFrame(log.get("epochs", [])), log.get("validation", {})
    whole = {"train_loss": loss.get("train"), "validation_loss": loss.get("validation"), "loss_gap": loss.get("gap"),
             "parameters": log.get("parameters", {}).get("keras")}  # fmt: skip
    out: dict[Key, Any] = {("parameters", by, ""): count for by, count in log.get("parameters", {}).items()}
    tables: Tables = {}
    if len(epochs):
        networks = epochs["asset"].nunique() if "asset" in epochs else 1
        whole |= {"epochs_run": len(epochs) / networks, "best_epoch": epochs.loc[epochs["best"], "epoch"].mean()}
        means = epochs.drop(columns=["best", "asset"], errors="ignore").groupby("epoch").mean()
        first = [name for name in ("train_loss", "validation_loss", "lr") if name in means]
        tables["epochs"] = means[[*first, *means.columns.difference(first, sort=False)]]
        for metric, column in _BY_EPOCH.items():
            by_epoch = tables["epochs"].get(column, pd.Series(dtype=float))
            out |= {(metric, "", f"epoch {epoch}"): value for epoch, value in by_epoch.items()}
    tables["losses"] = pd.DataFrame({"kept epoch": {key: value for key, value in loss.items() if value is not None}})
    heads = found | found.get("action", {}) | found.get("level", {}) | found.get("rank", {})
    whole |= {metric: heads.get(name) for metric, name in _OF_VALIDATION.items()}
    if "mape" in heads:  # errors of returns are in no unit that a report prints
        whole |= {name: heads[name] for name in _LEVELS}
    if "base_rate" in heads:
        whole["random_baseline"] = max(heads["base_rate"], 1 - heads["base_rate"])
    out |= {(name, label, ""): scores[name] for label, scores in heads.get("classes", {}).items()
            for name in _CLASS_SCORES}  # fmt: skip
    out |= {(metric, "", ""): value for metric, value in whole.items()}
    return {key: float(value) for key, value in out.items() if value is not None}, tables


def _of_run(stored: StoredWalkForward) -> dict[Key, float]:
    """The metrics of the run."""
    known = {item["name"]: item["value"] for item in stored.run.metrics["metrics"] if item["value"] is not None}
    out = {(metric, "", ""): float(known[name])
           for metric, names in _OF_RUN.items() for name in names[::-1] if name in known}  # fmt: skip
    if "base_rate" in known and "action_accuracy" not in known:
        out["random_baseline", "", ""] = max(known["base_rate"], 1 - known["base_rate"])
    return out


def _of_tables(tables: Tables) -> dict[Key, float]:
    """Figures of the out-of-sample tables."""
    out: dict[Key, float] = {}
    if "classes" in tables:
        out |= {(name, label, ""): cell(tables["classes"], label, name) for name in _CLASS_SCORES for label in ACTIONS}
        out["f1_weighted", "", ""] = cell(tables["classes"], "weighted", "f1")
    if "levels" in tables:
        out["negative_predictions", "", ""] = cell(tables["levels"], "model", "negative_share")
    if "daily" in tables:
        daily = tables["daily"]["rank_ic"]
        out |= {(f"ic_{end}", "", ""): daily[end] for end in ("min", "max")}
        out |= {("ic_percentile", str(name), ""): value for name, value in daily.items() if str(name).endswith("%")}
        out |= {("rank_ic", "", str(name)): float(value) for name, value in tables["quarters"]["rank_ic"].items()}
    if "fifths" in tables:
        out |= {(metric, label, ""): cell(tables["fifths"], row, column)
                for label, row in (("top", 5), ("bottom", 1)) for metric, column in _OF_FIFTHS.items()}  # fmt: skip
        spread = tables["predictions"]["prediction"]
        out |= {(f"prediction_{name}", "", ""): spread[name] for name in ("mean", "std", "min", "max")}
        out |= {("predicted_spread", label, ""): spread[name] for label, name in _SPREADS.items()}
    return out


def _of_importance(fitted: Any, prices: PricePanel, since: pd.Timestamp, tables: Tables) -> dict[Key, float]:
    """What the network reads, into `tables`; nothing where it cannot be asked."""
    from assay.models.importance import feature_importance, read_windows, state_probes, window_importance

    try:
        windows = read_windows(fitted, prices, since)
    except BacktestError:
        return {}
    tables["features"], tables["window"] = feature_importance(windows), window_importance(windows)
    with suppress(BacktestError):  # a network without an LSTM of that name
        tables["states"] = state_probes(windows)
    shares = tables["features"]["share"]
    return {("feature_importance", name, ""): float(shares[own]) for name, own in _FEATURES.items() if own in shares}


def _of_speed(fitted: Any) -> dict[Key, float]:
    """Time of a window, windows a second, parameters by part and bytes of the scaler."""
    import torch

    from assay.data.features import feature_set
    from assay.models.lstm.training import deterministic, forward

    recipe = fitted.recipe
    n_features = len(feature_set(recipe.feature_set))
    with deterministic(0), torch.inference_mode():
        network, batch = recipe.network(n_features).eval(), torch.zeros(_BATCH, recipe.lookback, n_features)
        taken = []
        for _ in range(_TIMES):
            start = time.perf_counter()
            forward(network, batch, 1)
            taken.append(time.perf_counter() - start)
    scaler = [value.nbytes for name, value in fitted.arrays.items() if name.startswith(("input/", "label/"))]
    out = {("latency", "", ""): 1000.0 * min(taken) / _BATCH, ("throughput", "", ""): _BATCH / min(taken),
           ("file_size", "scaler", ""): float(sum(scaler))}  # fmt: skip
    for part, prefix in (("lstm", "lstm."), ("fc", "score.")):
        if counted := sum(p.numel() for name, p in network.named_parameters() if name.startswith(prefix)):
            out["parameters_part", part, ""] = float(counted)
    return out
