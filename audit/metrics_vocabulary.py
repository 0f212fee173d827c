"""The canonical names of what reports print, with their kind, their bounds and the names people use for them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from assay.audit.synonyms import SYNONYMS
from assay.data.errors import UnknownNameError

__all__ = ["KINDS", "METRICS", "MetricInfo", "metric_info"]

KINDS = {
    "proportion": "a share k/n of counted cases, in [0, 1]",
    "score": "in [0, 1] or [-1, 1] but not a share of counted cases (F1, AUC, MCC)",
    "correlation": "in [-1, 1]",
    "r2": "at most 1",
    "ratio": "a quotient without a unit (Sharpe, ICIR, profit factor)",
    "error": "a non-negative error in the target's unit or in percent",
    "signed_error": "an error with a sign, in the target's unit",
    "return": "a return or rate per period, in decimals",
    "loss": "a value of the training objective",
    "count": "a whole number",
    "size": "bytes",
    "duration": "a length of time",
    "change": "derived from other figures: a percentage change, a multiple, a difference",
    "share": "a part of a whole; the parts sum to one",
    "level": "a value in the target's unit (a price, a capital)",
    "statistic": "a test statistic or a p-value",
    "other": "none of these",
}


@dataclass(frozen=True)
class MetricInfo:
    """One canonical metric.

    Parameters
    ----------
    name : canonical name.
    kind : one of `KINDS`.
    low, high : bounds that hold by definition, in decimals.
    synonyms : other names, lower case, any language.

    """

    name: str
    kind: str
    low: float = -math.inf
    high: float = math.inf
    synonyms: tuple[str, ...] = ()


def _unit(name: str, kind: str = "proportion") -> MetricInfo:
    return MetricInfo(name, kind, 0.0, 1.0)


def _signed(name: str, kind: str) -> MetricInfo:
    return MetricInfo(name, kind, -1.0, 1.0)


def _positive(name: str, kind: str) -> MetricInfo:
    return MetricInfo(name, kind, 0.0)


_ALL = (
    # classification
    _unit("accuracy"), _unit("precision"), _unit("recall"), _unit("specificity"), _unit("f1", "score"),
    _unit("f1_macro", "score"), _unit("f1_weighted", "score"), _unit("f1_micro", "score"),
    _unit("precision_macro", "score"), _unit("recall_macro", "score"), _unit("precision_weighted", "score"),
    _unit("recall_weighted", "score"), _unit("balanced_accuracy", "score"), _unit("auc", "score"),
    _signed("mcc", "score"), _signed("kappa", "score"), _unit("brier", "score"), _positive("log_loss", "loss"),
    _unit("prevalence"), _unit("error_rate"), _unit("random_baseline", "proportion"),
    _positive("confusion_count", "count"),
    _unit("negative_predictions"), _unit("confidence_threshold", "other"),
    # regression
    MetricInfo("r2", "r2", high=1.0), _positive("mae", "error"), _positive("rmse", "error"), _positive("mse", "error"),
    _positive("mape", "error"), _positive("smape", "error"), MetricInfo("bias", "signed_error"),
    _positive("residual_std", "error"),
    _positive("max_error", "error"), _positive("theil_u", "ratio"), _positive("mase", "ratio"),
    _signed("correlation", "correlation"),
    MetricInfo("target_low", "level"), MetricInfo("target_high", "level"), MetricInfo("target_range", "level"),
    MetricInfo("target_mean", "level"), _positive("target_std", "error"),
    # signal
    _signed("ic", "correlation"), _signed("rank_ic", "correlation"), _positive("ic_std", "error"),
    MetricInfo("icir", "ratio"), MetricInfo("rank_icir", "ratio"), _positive("rank_ic_std", "error"),
    MetricInfo("icir_annual", "ratio"), _signed("ic_min", "correlation"),
    _signed("ic_max", "correlation"), _signed("ic_percentile", "correlation"), MetricInfo("ic_t", "statistic"),
    _unit("ic_positive_share"), _unit("hit_rate"), MetricInfo("quantile_return", "return"),
    MetricInfo("quantile_predicted_return", "return"), MetricInfo("quantile_spread", "return"),
    MetricInfo("predicted_spread", "return"), MetricInfo("prediction_mean", "return"),
    _positive("prediction_std", "error"), MetricInfo("prediction_min", "return"),
    MetricInfo("prediction_max", "return"),
    # portfolio
    MetricInfo("sharpe", "ratio"), MetricInfo("sharpe_gross", "ratio"), MetricInfo("sortino", "ratio"),
    MetricInfo("calmar", "ratio"), MetricInfo("information_ratio", "ratio"),
    MetricInfo("annual_return", "return"), MetricInfo("annual_return_gross", "return"),
    MetricInfo("total_return", "return"), _positive("annual_volatility", "error"),
    MetricInfo("mean_return", "return"), _positive("return_std", "error"),
    MetricInfo("max_drawdown", "return"), MetricInfo("best_day", "return"), MetricInfo("worst_day", "return"),
    MetricInfo("alpha", "return"), MetricInfo("beta", "ratio"),
    MetricInfo("excess_return", "return"), MetricInfo("benchmark_return", "return"),
    _positive("turnover", "error"), _positive("annual_cost", "error"), _positive("cost_rate", "error"),
    MetricInfo("var", "return"), MetricInfo("cvar", "return"), MetricInfo("skewness", "other"),
    MetricInfo("kurtosis", "other", low=-2.0), _positive("leverage", "ratio"),
    # trades
    _positive("trades", "count"), _positive("winning_trades", "count"), _positive("losing_trades", "count"),
    _unit("win_rate"), MetricInfo("average_win", "level"), MetricInfo("average_loss", "level"),
    MetricInfo("total_profit", "level"), MetricInfo("gross_profit", "level"), MetricInfo("gross_loss", "level"),
    _positive("profit_factor", "ratio"), _positive("payoff_ratio", "ratio"), MetricInfo("expectancy", "level"),
    # training
    MetricInfo("train_loss", "loss"), MetricInfo("validation_loss", "loss"), MetricInfo("test_loss", "loss"),
    MetricInfo("loss_gap", "change"), _positive("epochs_run", "count"), _positive("best_epoch", "count"),
    _positive("max_epochs", "count"), _positive("patience", "count"), _positive("parameters", "count"),
    _positive("parameters_trainable", "count"), _positive("parameters_part", "count"), _positive("file_size", "size"),
    _positive("training_time", "duration"), _positive("latency", "duration"), _positive("throughput", "other"),
    _positive("n_samples", "count"), _positive("configurations_tested", "count"), _positive("sessions", "count"),
    # derived and shares
    MetricInfo("change", "change"), _positive("multiple", "change"), MetricInfo("difference", "change"),
    _unit("feature_importance", "share"), _unit("split_share", "share"), _unit("class_share", "share"),
    _unit("weight_share", "share"),
    # statistics
    MetricInfo("t_statistic", "statistic"), MetricInfo("z_statistic", "statistic"), _unit("p_value", "statistic"),
    _positive("degrees_of_freedom", "count"), MetricInfo("slope", "other"), _positive("standard_error", "error"),
    MetricInfo("mean", "other"), _positive("std", "error"), MetricInfo("minimum", "other"),
    MetricInfo("maximum", "other"), MetricInfo("interval", "other"), MetricInfo("spread", "other", low=0.0),
    MetricInfo("other", "other"),
)  # fmt: skip

#: Canonical name -> what it is.
METRICS: dict[str, MetricInfo] = {
    info.name: replace(info, synonyms=tuple(SYNONYMS[info.name].split("; ")) if info.name in SYNONYMS else ())
    for info in _ALL
}


def metric_info(name: str) -> MetricInfo:
    """The entry of a canonical name.

    Raises
    ------
    UnknownNameError
        If the name is not canonical; the nearest is suggested.

    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name]
