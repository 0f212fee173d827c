"""How headings and labels change what is known about the figures below them."""

from __future__ import annotations

import re
from dataclasses import replace

from assay.audit.naming import mentions, plain
from assay.audit.roles import Role, is_setting, statistic_of
from assay.audit.sheet import Context

__all__ = ["SPLIT_NAMES", "bare_loss", "in_units", "label_metric", "label_unit", "under"]

SPLIT_NAMES = {
    "training": "train",
    "train": "train",
    "validation": "validation",
    "val": "validation",
    "test": "test",
    "holdout": "test",
}

_SETTINGS_HEADING = re.compile(
    r"\b(?:hyperparameter|configuration|config|settings|parameters|architecture|optimi[sz]er|optimi[sz]ation"
    r" settings|loss function"
    r"|requirements|dependencies|installation|usage|preprocessing|hiperparametros|configuracao|configuracion"
    r"|arquitetura"
    r"|arquitectura|技术参数|超参数|参数设置|配置|feature engineering|data preparation|data splits?|callbacks)"
)


def under(context: Context, role: Role, text: str) -> Context:
    """The context below a heading or label."""
    group, folded = context.group, plain(text)
    compared = re.search(
        r"\b(?:with|vs|versus|over|than|against|to|and|compared|x)\W+(?:the\s+|a\s+)?" + (role.earlier or "-"), folded
    )
    if role.earlier and not role.metric and not compared:
        group = (*group, " ".join(dict.fromkeys([*role.entity.split(), role.earlier])))
    elif role.entity and not role.metrics and not role.setting:
        group = (*group, role.entity)
    is_training = role.split == "train" and not re.search(r"\b(?:set|data|split|sample)\b|集", folded)
    topic = context.topic
    if role.metric:
        topic = role.metric
    elif re.search(r"\bpredictions?\b.*\bdistribution|\bdistribution of predict", folded):
        topic = "prediction"
    elif re.search(r"\bspread\b", folded):
        topic = "predicted_spread" if context.topic == "prediction" or "predict" in folded else "quantile_spread"
    elif re.search(r"\b(?:returns?) distribution|\bdistribution of returns", folded):
        topic = "return"
    label = " / ".join(role.labels) if role.labels else ""
    if re.search(r"\b(?:top|bottom)\b.*\b(?:quintile|decile|quantile|tercile)", folded):
        label = "top" if "top" in folded else "bottom"
        group = context.group
    return replace(
        context,
        group=group,
        split=""
        if is_training and not context.split
        else (role.split if role.split and not is_training else context.split),
        label=label or context.label,
        at=role.at if role.at and not re.match(r"(?:19|20)", role.at) else context.at,
        topic=topic,
        goal=(context.goal and not re.search(r"\b(?:current|atual|actual)\b|当前", folded))
        or (role.goal and not role.metrics),
        settings=_SETTINGS_HEADING.search(folded) is not None or (context.settings and not role.metric),
    )


def bare_loss(label: str, split: str) -> str:
    """The loss of a split where a label says only "loss", or ``""``."""
    word = plain(label).strip(" :*")
    if word not in ("loss", "final loss", "best loss", "perda", "perdida", "损失"):
        return ""
    return {"train": "train_loss", "validation": "validation_loss", "test": "test_loss"}.get(split, "")


def label_metric(role: Role, label: str, context: Context, value: str = "") -> str:
    """The metric a label names, statistics of the surrounding topic included; ``""`` for a setting."""
    metric = role.metric
    folded = plain(label)
    if not metric:
        metric = bare_loss(label, role.split or context.split)
    if metric == "epochs_run":
        ran = re.search(r"early|stopp|trained|ran|complet|converg", plain(value) + " " + folded)
        if re.search(r"max|up to|limit", plain(value) + folded):
            return ""
        if context.settings or not (
            ran
            or context.topic
            or re.search(r"result|performance|training details|history", plain(" ".join(context.group)))
        ):
            return "epochs_run" if ran else ""
    if (
        metric == "best_epoch"
        and folded.strip(" *") in ("epoch", "epochs")
        and re.search(r"varies|typically", plain(value))
    ):
        return ""
    if metric in ("ic", "rank_ic") and role.statistic in ("std", "minimum", "maximum"):
        return statistic_of(metric, role.statistic)
    if (
        metric
        and context.settings
        and (is_setting(folded) or metric in ("parameters", "n_samples", "leverage", "cost_rate", "beta", "alpha"))
    ):
        return metric if metric == "parameters" else ""
    if metric:
        return metric
    if context.topic in ("predicted_spread", "quantile_spread") and re.search(r"\b(?:top|bottom|long|short)\b", folded):
        return context.topic
    if role.statistic and context.topic:
        return statistic_of(context.topic, role.statistic)
    if re.fullmatch(r"\s*\d{1,2}%?\s*", folded) and context.topic in ("ic", "rank_ic"):
        return "ic_percentile"
    if re.fullmatch(r"\s*(?:19|20)\d\d(?:\s*q[1-4]|\s*h[12])?\s*", folded) and context.topic:
        return context.topic
    if re.search(r"\b(?:scaler|range|faixa|rango|区间)\b", folded):
        return "target_range"
    return ""


_SCALED = re.compile(
    r"\b(?:scaled|normali[sz]ed|standardi[sz]ed|normalizado|standardisiert|log (?:space|scale)|z score)\b"
)
_EVERY = re.compile(
    r"\b(hourly|daily|weekly|monthly|quarterly|per (?:trade|day|week|month)|(?:un|not )annuali[sz]ed)\b"
)
_PERIODIC = {"sharpe", "sharpe_gross", "sortino", "information_ratio", "turnover", "win_rate", "hit_rate"}


def in_units(context: Context, label: str) -> Context:
    """The context of a figure whose label says that it is of scaled data, or of a period that is no year.

    Such a figure belongs to a run, or a position, of its own: a monthly Sharpe ratio is not the quotient of an annual
    return and an annual volatility.
    """
    folded = plain(label)
    if _SCALED.search(folded):
        context = replace(context, group=(*context.group, "scaled"))
    named = mentions(folded)
    if any(mention.metric in _PERIODIC for mention in named):
        for mention in named:
            folded = folded[: mention.start] + " " * (mention.end - mention.start) + folded[mention.end :]
        period = _EVERY.search(folded)
        context = replace(context, at=context.at or period[1]) if period else context
    return context


def label_unit(label: str, printed: str) -> str:
    """``"percent"`` where a label says that its figure, printed without a sign, is in percent (``Return [%]``)."""
    in_percent = re.search(r"[(\[,\s]\s*(?:%|％|pct|percent)\s*[)\]]?[\s*_`]*$", label, re.I) is not None
    return "percent" if in_percent and not re.search(r"[%％]|bps|[x×]$", printed, re.I) else ""
