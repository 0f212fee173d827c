"""A report's own tables made again: its printed figures, what the model gives on these prices, and the audit's verdict.

The claims file of a report says what it prints, and the stored walk-forward what the model gives. Figures of training
(losses, epochs, validation) are those of the last fold and the first seed, figures of the test are of all sessions that
no fit had seen. A figure of another run of the report, or one that these prices cannot give, says so in its place.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from assay.audit.claims.load import load_claims
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.judge import audit_claims
from assay.audit.report import claim_words, printable, render_page
from assay.audit.verdicts import Verdict
from assay.data.errors import BacktestError, UnknownNameError
from assay.results.evidence.forecast_tables import cell, forecast_tables
from assay.results.report.tables import table_lines

if TYPE_CHECKING:
    from assay.data.panel import PricePanel
    from assay.models.base import FittedForecaster, Forecaster
    from assay.results.workflow import StoredWalkForward

__all__ = ["Figures", "LikeReport", "like", "measured", "render_like", "render_like_html", "report_claims"]

_CLAIMS = Path(__file__).resolve().parents[1] / "data" / "claims"
#: (metric, label, at) of a figure.
Key = tuple[str, str, str]

#: Groups of a report that are not the run itself → what they are.
_OTHERS = {
    "initial": "the report's run before its changes",
    "before": "the report's run before its changes",
    "full training": "what the report expects of a longer training",
    "yardstick": "a yardstick, no result",
    "search": "the report's search, no figure of one fit",
    "recommended strategy": "a setting of the strategy",
}
_OF_THE_DATA = ("target_low", "target_high", "target_range", "n_samples", "training_time", "configurations_tested")
#: Runs of a report that are presets of the model; the report preset is the last.
_PRESETS = {"baseline": "baseline", "deeper": "deeper", "wider": "wider", "original": "original"}


def report_claims(name: str) -> ClaimSet:
    """The claims of a report that ships, by its name, or of a claims file.

    Raises
    ------
    UnknownNameError
        If it is neither.

    Examples
    --------
    >>> report_claims("b3_training_report").title
    'Training Report: B3 LSTM Multi-Task Learning Model'

    """
    known = sorted(path.stem for path in _CLAIMS.glob("*.toml"))
    if name in known:
        return load_claims(_CLAIMS / f"{name}.toml")
    if not name.endswith(".toml"):
        raise UnknownNameError("report", name, known)
    return load_claims(Path(name))


@dataclass(frozen=True, eq=False)
class Figures:
    """What a model gave, by (metric, label, at), and the tables that they come from.

    Parameters
    ----------
    validation : of the rows that stopped training, and of training itself.
    test : of what no fit had seen.
    tables : name → table, as a report would print it.

    """

    validation: Mapping[Key, float]
    test: Mapping[Key, float]
    tables: Mapping[str, pd.DataFrame]


def measured(
    stored: StoredWalkForward, model: Forecaster, prices: PricePanel, *, importance: bool = False, speed: bool = False
) -> Figures:
    """The figures of a stored walk-forward under the names that claims have.

    Parameters
    ----------
    stored, model, prices : what was run.
    importance : also what the network of the last fold reads, which takes some thousand passes.
    speed : also how fast it answers on this machine, and how large its file is.

    """
    log = stored.walk.logs[max(stored.walk.logs, key=lambda key: (key[0], -key[1]))]
    validation, tables = _of_training(log)
    test: dict[Key, float] = {}
    tables |= forecast_tables(stored.walk.predictions, prices, fill=stored.result.config["execution"]["fill"])
    _of_test(tables, test)
    known = {item["name"]: item["value"] for item in stored.run.metrics["metrics"] if item["value"] is not None}
    for metric, name in _RUN_METRICS.items():
        if name in known:
            test.setdefault((metric, "", ""), float(known[name]))
    if "action_accuracy" not in known and "base_rate" in known:
        test["random_baseline", "", ""] = max(known["base_rate"], 1 - known["base_rate"])
    weight = getattr(model, "rank_weight", None)
    if weight is not None:
        validation |= {("weight_share", "rank", ""): weight, ("weight_share", "regression", ""): 1.0 - weight}
    rows = log.get("rows", {})
    n_test = int(stored.walk.predictions.view.notna().to_numpy().sum())
    total = rows.get("train", 0) + rows.get("validation", 0) + n_test
    if total and rows:
        shares = {"train": rows["train"], "validation": rows["validation"], "test": n_test}
        test |= {("split_share", name, ""): count / total for name, count in shares.items()}
    fitted = _last_model(stored, model)
    if fitted is not None and importance:
        _of_importance(fitted, prices, stored, tables, test)
    if fitted is not None and speed:
        _of_speed(fitted, stored, test)
    return Figures(validation, test, tables)


_FIFTHS = {"quantile_predicted_return": "predicted", "quantile_return": "realised", "hit_rate": "hit_rate"}
_RUN_METRICS = {
    "accuracy": "accuracy",
    "auc": "auc",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
    "sharpe": "sharpe_net",
    "rank_ic": "rank_ic_mean",
    "ic": "ic_mean",
    "icir": "rank_ic_ir",
    "hit_rate": "hit_direction",
    "win_rate": "hit_trade",
    "random_baseline": "action_base_rate",
}


def _of_training(log: Mapping[str, Any]) -> tuple[dict[Key, float], dict[str, pd.DataFrame]]:
    """Figures of the training log, and its table by epoch."""
    loss, epochs = log.get("loss", {}), pd.DataFrame(log.get("epochs", []))
    whole: dict[str, Any] = {
        "train_loss": loss.get("train"), "validation_loss": loss.get("validation"), "loss_gap": loss.get("gap"),
        "parameters": log.get("parameters", {}).get("keras"),
    }  # fmt: skip
    out: dict[Key, Any] = {}
    tables: dict[str, pd.DataFrame] = {}
    if len(epochs):
        networks = epochs["asset"].nunique() if "asset" in epochs else 1
        whole["epochs_run"] = len(epochs) / networks
        whole["best_epoch"] = epochs.loc[epochs["best"], "epoch"].mean()
        shown = epochs.drop(columns=["best", "asset"], errors="ignore").groupby("epoch").mean()
        tables["epochs"] = shown
        columns = {"train_loss": "train_loss", "validation_loss": "validation_loss",
                   "rank_ic": "validation_rank_ic", "ic": "validation_ic"}  # fmt: skip
        for metric, column in columns.items():
            if column in shown:
                out |= {(metric, "", f"epoch {epoch}"): value for epoch, value in shown[column].items()}
    tables["losses"] = pd.DataFrame({"kept epoch": {key: value for key, value in loss.items() if value is not None}})
    found = log.get("validation", {})
    action, level, ranks = found.get("action", {}), found.get("level", found), found.get("rank", found)
    whole |= {"accuracy": action.get("accuracy"), "f1_macro": action.get("macro_f1"),
              "f1_weighted": action.get("weighted_f1")}  # fmt: skip
    for label, scores in action.get("classes", {}).items():
        out |= {(metric, label, ""): scores[metric] for metric in ("precision", "recall", "f1")}
    if "mape" in level:
        whole |= {metric: level[metric] for metric in _LEVELS} | {"negative_predictions": level["negative_share"]}
    if "auc" in found:
        whole |= {metric: found[metric] for metric in ("accuracy", "auc", "precision", "recall", "f1")}
        whole["random_baseline"] = max(found["base_rate"], 1 - found["base_rate"])
    whole |= {metric: ranks.get(name) for metric, name in _RANKS.items()}
    out |= {(metric, "", ""): value for metric, value in whole.items()}
    return {key: float(value) for key, value in out.items() if value is not None}, tables


_LEVELS = ("r2", "mae", "rmse", "mape", "bias")
_RANKS = {"rank_ic": "rank_ic", "ic": "ic", "ic_std": "rank_ic_std", "icir": "rank_icir_daily",
          "hit_rate": "direction_hit_rate"}  # fmt: skip


def _of_test(tables: Mapping[str, pd.DataFrame], out: dict[Key, float]) -> None:
    """Figures of the out-of-sample tables."""
    if "classes" in tables:
        classes = tables["classes"]
        for label in ("buy", "sell", "hold"):
            out |= {(metric, label, ""): cell(classes, label, metric) for metric in ("precision", "recall", "f1")}
        counts = classes.loc[["buy", "sell", "hold"]]
        out["accuracy", "", ""] = float((counts["recall"] * counts["share"]).sum())
        out["f1_macro", "", ""] = cell(classes, "macro", "f1")
        out["f1_weighted", "", ""] = cell(classes, "weighted", "f1")
        out["random_baseline", "", ""] = float(counts["share"].max())
    if "levels" in tables:
        level = tables["levels"]
        out |= {(metric, "", ""): cell(level, "model", metric) for metric in _LEVELS}
        out["negative_predictions", "", ""] = cell(level, "model", "negative_share")
    daily = tables["daily"]["rank_ic"]
    out |= {("ic_std", "", ""): daily["std"], ("ic_min", "", ""): daily["min"], ("ic_max", "", ""): daily["max"]}
    out |= {("ic_percentile", str(name), ""): value for name, value in daily.items() if str(name).endswith("%")}
    out |= {("rank_ic", "", str(name)): float(value) for name, value in tables["quarters"]["rank_ic"].items()}
    if "fifths" in tables:
        for label, row in (("top", 5), ("bottom", 1)):
            for metric, column in _FIFTHS.items():
                out[metric, label, ""] = cell(tables["fifths"], row, column)
        spread = tables["predictions"]["prediction"]
        out |= {(f"prediction_{name}", "", ""): spread[name] for name in ("mean", "std", "min", "max")}
        out |= {("predicted_spread", "top - bottom", ""): spread["top_less_bottom"],
                ("predicted_spread", "top - market", ""): spread["top_less_market"],
                ("predicted_spread", "market - bottom", ""): spread["market_less_bottom"]}  # fmt: skip


def _last_model(stored: StoredWalkForward, model: Forecaster) -> FittedForecaster | None:
    folders = sorted((stored.run.path / "models").glob("fold*-seed0"))
    return model.load(folders[-1]) if folders else None


def _of_importance(
    fitted: Any, prices: PricePanel, stored: StoredWalkForward, tables: dict[str, pd.DataFrame], out: dict[Key, float]
) -> None:
    from assay.models.importance import feature_importance, read_windows, state_probes, window_importance

    if not hasattr(fitted, "networks"):
        return
    try:
        windows = read_windows(fitted, prices, stored.walk.predictions.sessions[0])
    except BacktestError:
        return
    tables["features"] = feature_importance(windows)
    tables["window"] = window_importance(windows)
    with suppress(BacktestError):  # a network without an LSTM of that name
        tables["states"] = state_probes(windows)
    shares = tables["features"]["share"]
    for printed, ours in _FEATURES.items():
        if ours in shares:
            out["feature_importance", printed, ""] = float(shares[ours])


#: What the ranking report calls a feature → what it is called here.
_FEATURES = {
    "ret_20d": "return_20",
    "ret_5d": "return_5",
    "volatility": "volatility_20",
    "volume_ratio": "volume_ratio_20",
    "dist_from_high": "from_high_20",
}
_BATCH, _TIMES = 256, 3


def _of_speed(fitted: Any, stored: StoredWalkForward, out: dict[Key, float]) -> None:
    folder = sorted((stored.run.path / "models").glob("fold*-seed0"))[-1]
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    out["file_size", "model", ""] = float(sizes.get("model.safetensors", 0))
    out["file_size", "", ""] = out["file_size", "total", ""] = float(sum(sizes.values()))
    if not hasattr(fitted, "networks"):
        return
    import torch

    from assay.data.features import feature_set
    from assay.models.lstm.training import deterministic, forward

    recipe = fitted.recipe
    n_features = len(feature_set(recipe.feature_set))
    arrays = [value for name, value in fitted.arrays.items() if name.startswith(("input/", "label/"))]
    out["file_size", "scaler", ""] = float(sum(value.nbytes for value in arrays))
    with deterministic(0), torch.inference_mode():
        network, batch = recipe.network(n_features).eval(), torch.zeros(_BATCH, recipe.lookback, n_features)
        taken = []
        for _ in range(_TIMES):
            start = time.perf_counter()
            forward(network, batch, 1)
            taken.append(time.perf_counter() - start)
    out["latency", "", ""], out["throughput", "", ""] = 1000.0 * min(taken) / _BATCH, _BATCH / min(taken)
    for part, prefix in (("lstm", "lstm."), ("fc", "score.")):
        counted = sum(p.numel() for name, p in network.named_parameters() if name.startswith(prefix))
        if counted:
            out["parameters_part", part, ""] = float(counted)


@dataclass(frozen=True, eq=False)
class LikeRow:
    """A printed figure beside what was measured.

    Parameters
    ----------
    verdict : of the audit, with the claim.
    validation, test : what the model gave, NaN where it has no such figure.
    place : where the print lies against what was measured, in words.

    """

    verdict: Verdict
    validation: float
    test: float
    place: str


@dataclass(frozen=True, eq=False)
class LikeReport:
    """A report's figures made again.

    Parameters
    ----------
    claims : the report's.
    rows : a row a figure, each printed once, in the report's order.
    tables : of the model, as the report prints them.
    about : what was run, one sentence.
    notes : what a reader has to know.

    """

    claims: ClaimSet
    rows: tuple[LikeRow, ...]
    tables: Mapping[str, pd.DataFrame]
    about: str
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many figures were measured, and how many of those lie where the report prints them."""
        known = [row for row in self.rows if math.isfinite(row.validation) or math.isfinite(row.test)]
        near = [row for row in known if row.place.startswith("as printed") or row.place == "met"]
        return {"figures": len(self.rows), "measured": len(known), "as printed": len(near)}


def like(claims: ClaimSet, figures: Figures, *, preset: str, about: str, notes: Sequence[str] = ()) -> LikeReport:
    """Lay a report's printed figures beside what a model gave.

    Parameters
    ----------
    claims : see `report_claims`.
    figures : see `measured`.
    preset : of the model; figures of the report's other configurations are left to their own presets.
    about, notes : see `LikeReport`.

    """
    verdicts = {verdict.claim.id: verdict for verdict in audit_claims(claims).verdicts}
    rows, seen = [], set()
    for claim in claims.claims:
        same = (claim.metric, claim.printed, claim.group, claim.label, claim.at, claims.split_of(claim))
        if same in seen:
            continue
        seen.add(same)
        why = _another_run(claims, claim, preset)
        validation, test = (math.nan, math.nan) if why else _pair(claims, claim, figures)
        if claim.split in ("validation", "train"):
            test = math.nan
        if claim.split in ("test", "prediction"):
            validation = math.nan
        place = why or _place(claim, claims.split_of(claim), validation, test)
        rows.append(LikeRow(verdicts[claim.id], validation, test, place))
    return LikeReport(claims, tuple(rows), figures.tables, about, tuple(notes))


def _another_run(claims: ClaimSet, claim: Claim, preset: str) -> str:
    """Why a figure is of another run than this one, or ``""``."""
    group = claim.group
    if group in _PRESETS:
        own = "wider" if preset in ("report", "default") else preset
        return "" if group == own else f"another configuration: --preset {_PRESETS[group]}"
    if claim.metric in _OF_THE_DATA:
        return "a fact of the report's own data"
    if group in _OTHERS and not (claim.target or claim.value.bound):
        return _OTHERS[group]
    return ""


def _pair(claims: ClaimSet, claim: Claim, figures: Figures) -> tuple[float, float]:
    key = (claim.metric, _label(claim.label), claim.at)
    found = [_figure(claims, claim, key, part) for part in (figures.validation, figures.test)]
    return found[0], found[1]


def _figure(claims: ClaimSet, claim: Claim, key: Key, part: Mapping[Key, float], depth: int = 0) -> float:
    if key in part:
        return part[key]
    if claim.relation not in _RELATED or depth > 3:
        return math.nan
    inputs = [claims.claim(name) for name in claim.inputs]
    values = [
        math.nan if item is None or item.group in _OTHERS
        else _figure(claims, item, (item.metric, _label(item.label), item.at), part, depth + 1)
        for item in inputs
    ]  # fmt: skip
    if len(values) != 2 or not all(map(math.isfinite, values)):
        return math.nan
    return _RELATED[claim.relation](*values)


_RELATED: Mapping[str, Callable[[float, float], float]] = {
    "ratio": lambda first, second: second / first if first else math.nan,
    "difference": lambda first, second: abs(second - first),
    "change": lambda first, second: second / first - 1 if first else math.nan,
    "reduction": lambda first, second: 1 - second / first if first else math.nan,
}


def _label(text: str) -> str:
    words = text.lower()
    for name in ("top quintile", "bottom quintile"):
        if words.startswith(name):
            return name.split()[0]
    return words


def _place(claim: Claim, split: str, validation: float, test: float) -> str:
    first = (validation, test) if split in ("validation", "train") else (test, validation)
    known = [value for value in first if math.isfinite(value)]
    if not known:
        return "not given by this run"
    interval = claim.value.interval
    value = known[0]
    inside = interval.low <= value <= interval.high
    if claim.target or claim.value.bound in (">", ">=", "<", "<="):
        return "met" if inside else "not met"
    if inside:
        return "as printed"
    return "above the print" if value > interval.high else "below the print"


def _shown(value: float, claim: Claim) -> str:
    if not math.isfinite(value):
        return "–"
    if claim.metric == "file_size":
        return f"{value / 1e3:,.0f} KB"
    if claim.value.percent:
        return f"{value:.{max(claim.value.decimals, 1)}%}"
    if claim.value.multiple:
        return f"{value:.3g}×"
    if value == int(value) and abs(value) < 1e12:
        return f"{value:,.0f}"
    decimals = max(claim.value.decimals, 2)
    return f"{value:,.{decimals}f}" if 10.0 ** (1 - decimals) <= abs(value) < 1e9 else f"{value:.2g}"


_HEADS = ("printed", "figure", "validation", "test", "here", "arithmetic", "substance")


def _cells(report: LikeReport, row: LikeRow) -> tuple[str, ...]:
    claim = row.verdict.claim
    words = claim_words(claim, report.claims.split_of(claim))
    measured = _shown(row.validation, claim), _shown(row.test, claim)
    return claim.printed, words, *measured, row.place, str(row.verdict.arithmetic), str(row.verdict.substance)


def _summary(report: LikeReport) -> str:
    counts = report.counts
    return (
        f"{counts['figures']} figures of the report, {counts['measured']} of them measured here, "
        f"{counts['as printed']} as printed or met"
    )


def render_like(report: LikeReport) -> str:
    """The page for a terminal: a row a printed figure, then the model's own tables."""
    limits = (14, 44, 12, 12, 36, 22, 24)
    rows = [[_cut(cell, limit) for cell, limit in zip(_cells(report, row), limits, strict=True)] for row in report.rows]
    lines = [report.claims.title, report.about, "", *table_lines(_HEADS, rows)]
    lines += ["", _summary(report), *(f"note: {note}" for note in report.notes)]
    for name, table in report.tables.items():
        lines += ["", _TITLES.get(name, name), _few(name, table).to_string(float_format=lambda x: f"{x:.4g}")]
    return "\n".join(lines)


def _cut(text: str, limit: int) -> str:
    plain = printable(text)
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


_TITLES = {
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


def _few(name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Of a long training the first, every fifth and the last epoch."""
    if name != "epochs" or len(table) <= 12:
        return table
    keep = [epoch for epoch in table.index if epoch == 1 or epoch % 5 == 0 or epoch == table.index[-1]]
    return table.loc[keep]


def render_like_html(report: LikeReport) -> str:
    """The page (`like.html`), which needs nothing else; every text is escaped."""
    return render_page(
        "like.html",
        report=report,
        title=f"{report.claims.title or report.claims.source}, made again",
        summary=_summary(report),
        heads=_HEADS,
        kinds=("figure", "", "figure", "figure", ""),
        rows=[(row.verdict, _cells(report, row)) for row in report.rows],
        tables=[(_TITLES.get(name, name), *_plain(_few(name, table))) for name, table in report.tables.items()],
    )


def _plain(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a table, as text."""
    flat = table.reset_index() if table.index.name or table.index.nlevels > 1 else table.rename_axis("").reset_index()
    rows = [[_number(cell) for cell in row] for row in flat.itertuples(index=False, name=None)]
    return [str(name).replace("_", " ") for name in flat.columns], rows


def _number(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}" if math.isfinite(cell) else "–"
    return str(cell).replace("_", " ")
