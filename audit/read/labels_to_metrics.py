"""From the labels a figure stands under to what it is: metric, split, class, run, position; or why it is none.

One interpreter for every container: a table's column, a JSON key, a ``Name: value`` line and the words around a
figure in prose arrive here as labels, and the same labels read the same. Three folds: `around` (headings, titles of
lists, keys above), `beside` (cells and texts that name a record) and `named` (the label of the figure itself).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from assay.audit.claims.metrics import METRICS
from assay.audit.read.sheet import Context
from assay.audit.read.tokens import Token
from assay.audit.read.vocabulary import pattern, phrases, table, wordset
from assay.audit.read.words import Role, has, holds, is_setting, mentions, plain, read_role, words_of

__all__ = [
    "SPLIT_NAMES", "Label", "Reading", "around", "bare", "beside", "fold", "named", "names_record", "of_units",
    "padded", "says", "unit_of", "wrong_unit",
]  # fmt: skip

SPLIT_NAMES = {"training": "train", "train": "train", "validation": "validation", "valid": "validation",
               "val": "validation", "test": "test", "holdout": "test"}  # fmt: skip
_SETTING = "a hyperparameter or setting"
_AVERAGED = ("precision", "recall", "f1")
#: Metrics that belong to a period of a year unless their label names a shorter one.
_PERIODIC = ("sharpe", "sharpe_gross", "sortino", "information_ratio", "turnover", "win_rate", "hit_rate")


@dataclass(frozen=True)
class Label:
    """One label over a figure: its text, its kind (``heading``, ``title``, ``key``, ``beside``), and for what stands
    beside a figure the title of its column or its key.
    """

    text: str
    kind: str = "heading"
    title: str = ""


@dataclass(frozen=True)
class Reading:
    """What labels make of a figure: a metric with its context, or no metric and the reason."""

    metric: str
    context: Context
    reason: str = ""


def padded(text: str) -> str:
    """The words of a text, folded, with a blank at either end."""
    return " " + " ".join(words_of(plain(text))) + " "


def bare(text: str) -> str:
    """The words of a text, folded."""
    return padded(text).strip()


def says(text: str, name: str) -> bool:
    """Whether a text holds a phrase of a word list."""
    return _says(text, name) if len(text) <= 200 else holds(padded(text), name)


@lru_cache(maxsize=20_000)
def _says(text: str, name: str) -> bool:
    return holds(padded(text), name)


def fold(context: Context, labels: Sequence[Label]) -> Context:
    """The context under a path of labels, outermost first."""
    for label in labels:
        if label.kind == "beside":
            context = beside(context, label.title, label.text)
        else:
            context = around(context, label.text, label.kind)
    return context


def around(context: Context, text: str, kind: str = "heading") -> Context:
    """The context below a heading, the title of a list, or a key."""
    role, words = read_role(text), padded(text)
    context = replace(context, above=(*context.above[-5:], text))
    average = read_role(text).average if kind == "key" and not role.metrics else ""
    if average and not role.entity:
        return replace(context, average=average)
    if kind == "key" and words.strip().isdecimal():
        return replace(context, label=text.strip())
    quantile = _quantile(words)
    group = context.group if quantile else (*context.group, *_run_words(role, words))
    training = role.split == "train" and kind != "key" and words.strip() != "train" and not says(text, "rows")
    split = context.split if training or not role.split else role.split
    return replace(
        context,
        group=group,
        split="" if training and not context.split else split,
        weak=context.weak if split == context.split else kind == "heading",
        label=quantile or " / ".join(role.labels) or context.label,
        at=role.at if role.at and role.at[:2] not in ("19", "20") else context.at,
        topic=_topic(role, words, context.topic),
        goal=(context.goal and not says(text, "current")) or (role.goal and not role.metrics),
        settings=says(text, "setting_headings") or (context.settings and not role.metric)
        or (kind == "key" and role.setting and not role.split),
    )  # fmt: skip


def _run_words(role: Role, words: str) -> tuple[str, ...]:
    """What a heading adds to the name of the run: words for an earlier stage, or an entity."""
    if role.earlier and not role.metric and not any(
        has(words, f"{link}{article}{role.earlier}")
        for link in phrases("comparing")
        for article in (" ", " the ", " a ")
    ):
        return (" ".join(dict.fromkeys([*role.entity.split(), role.earlier])),)
    return (role.entity,) if role.entity and not role.metrics and not role.setting else ()


def _quantile(words: str) -> str:
    side = "top" if has(words, "top") else "bottom" if has(words, "bottom") else ""
    return side if side and any(has(words, name) for name in ("quintile", "decile", "quantile", "tercile")) else ""


def _topic(role: Role, words: str, topic: str) -> str:
    if role.metric:
        return role.metric
    if has(words, "spread"):
        return "predicted_spread" if topic == "prediction" or "predict" in words else "quantile_spread"
    if says(words, "range_words"):
        return "range"
    if has(words, "distribution"):
        return "prediction" if "prediction" in words else "return" if "return" in words else topic
    return topic


@lru_cache(maxsize=1000)
def names_record(title: str) -> str:
    """What the cells of a column, or the texts under a key, tell apart: a run, a class, a position, or nothing."""
    words = padded(title)
    if any(has(words, phrase) for phrase in phrases("class_titles")):
        return "class"
    if any(has(words, phrase) or has(words, phrase + "s") for phrase in phrases("position_titles")):
        return "position"
    return "run" if words.strip() in wordset("run_titles") else ""


def beside(context: Context, title: str, text: str) -> Context:
    """The context of a record that a cell or a text names."""
    kind, role, words = names_record(title), read_role(text), bare(text)
    number = text.strip(" *_`#").removesuffix(".0")
    digits = number.isdecimal() and len(number) <= 6
    if kind == "position" and not (digits and "class" in padded(title)):
        return _at(context, title, text, role)
    if digits and kind == "class":
        return replace(context, label=number)
    if digits:
        return replace(context, at=f"{bare(title) or 'row'} {number}")
    if (role.metric == "accuracy" and not role.entity) or not plain(text).strip():
        return context
    if role.average and (role.average != "mean" or not role.entity):
        return replace(context, average=role.average)
    if says(text, "whole_rows") and not role.entity:
        return context
    if (role.labels and not role.entity) or kind == "class":
        return replace(context, label=text.strip(" *_`"))
    if role.split and not role.entity:
        return replace(context, split=role.split, weak=False)
    name = plain(text).strip(" *")
    return replace(context, group=(*context.group, name)) if name not in context.group and words else context


def _at(context: Context, title: str, text: str, role: Role) -> Context:
    """The position that a cell states: ``epoch 3``, ``year 2019``; none for a row of all years."""
    words = padded(title)
    place = plain(text).strip(" *#")
    if says(text, "whole_rows") and not any(map(str.isdecimal, text)):
        return replace(context, average=role.average) if role.average else context
    if context.at and any(has(words, name) for name in ("step", "steps", "iteration", "seed")):
        return context
    kind = next((phrase for phrase in phrases("position_titles") if has(words, phrase)), "")
    if kind and any(map(str.isdecimal, place)):
        place = place.removeprefix(kind).strip()
    split = role.split if role.split and not role.entity else context.split
    return replace(context, at=f"{bare(title)} {place.removesuffix('.0')}", split=split)


def named(
    context: Context, text: str, *, second: str = "", after: str = "", siblings: Sequence[str] = (), row: bool = False
) -> Reading:
    """What the label that names a figure makes of it.

    Parameters
    ----------
    context : what stands around it.
    text : the label: a key, a column's title, a row's, the words before a colon.
    second : the label on the other axis of a table, where it may qualify the first (``Std`` under ``IC``).
    after : what follows the label, the figure included ("50 (early stopped)").
    siblings : the other labels of the record: ``P`` beside ``F1`` is a precision, ``loss`` beside ``val_loss`` is of
        the training.
    row : the label is one of a table's rows.

    """
    text = _spelled(text, siblings)
    role, other = read_role(text), read_role(second) if second else Role()
    if role.metric in ("ic", "rank_ic") and second and pattern("positive_row").fullmatch(plain(second)):
        return Reading("ic_positive_share", context)
    split = role.split or other.split or context.split or _implied_split(text, siblings)
    metric = role.metric or _bare_loss(text, split)
    if metric == "" and role.metrics == () and other.metric and _plain_title(text):
        metric, role, other = other.metric, other, role
    if role.turned and metric:
        return Reading("", context, f"{bare(text)[:40]!r} is no {metric.replace('_', ' ')}")
    if metric and not has_needs(metric, text, *context.above, after):
        return Reading("", context, f"{bare(text)[:40]!r} may be of anything")
    local = _own_context(context, role, text, split, bool(metric))
    number = pattern("class_number").match(plain(text).strip()) if metric in (*_AVERAGED, "n_samples") else None
    if number and not local.label:
        local = replace(local, label=number[1])
    metric, reason, part = _qualified(metric, role, other, text, local)
    if part:
        local = replace(local, label=part)
    if metric:
        metric, reason = _unless_setting(metric, text, local, after, row)
    elif not reason:
        metric = _of_topic(role, text, context)
        reason = "" if metric else _SETTING if role.setting or local.settings else ""
    if metric:
        local = of_units(local, text, metric)
    return Reading(metric, replace(local, entity=role.entity or _remainder(text, role) if metric else ""), reason)


def _remainder(text: str, role: Role) -> str:
    """The words of a label beside its metric's name that alone say nothing, but tell it from its like ("Total F1")."""
    folded = plain(text[:300])
    for mention in role.metrics:
        folded = folded[: mention.start] + " " * (mention.end - mention.start) + folded[mention.end :]
    words = [word for word in words_of(folded) if len(word) > 1 and word not in SPLIT_NAMES]
    return "" if role.split or role.statistic or role.average or "overall" in words else " ".join(words[:4])


def has_needs(metric: str, *texts: str) -> bool:
    """Whether the words that a name of several meanings needs stand around it: a gap is one of losses only there."""
    needs = table("needs").get(metric, ())
    return not needs or any(word in plain(text) for text in texts for word in needs)


def _spelled(text: str, siblings: Sequence[str]) -> str:
    """``P``, ``R`` and ``n`` spelled out where scores stand beside them."""
    short = table("short").get(bare(text))
    if short is None or not siblings:
        return text
    scores = {read_role(name).metric for name in siblings}
    return short if scores & {"f1", "accuracy"} else text


def _implied_split(text: str, siblings: Sequence[str]) -> str:
    """A name without a split beside the same name with ``val_`` is of the training."""
    own = bare(text)
    twins = [name for name in siblings if padded(name).startswith(" val ") and bare(name) != own]
    metric = read_role(text).metric
    return (
        "train"
        if any(bare(name) == f"val {own}" or (metric and read_role(name).metric == metric) for name in twins)
        else ""
    )


def _plain_title(text: str) -> bool:
    return bare(text) in wordset("value_titles") or not bare(text)


def _bare_loss(text: str, split: str) -> str:
    """The loss of a split where a label says only "loss", or ``""``."""
    words = [word for word in words_of(plain(text)) if SPLIT_NAMES.get(word, word) != split]
    if " ".join(words) not in wordset("bare_losses"):
        return ""
    return {"train": "train_loss", "validation": "validation_loss", "test": "test_loss"}.get(split, "")


def _own_context(context: Context, role: Role, text: str, split: str, is_metric: bool) -> Context:
    training = role.split == "train" and not is_metric and bare(text) != "train" and not says(text, "rows")
    group = context.group
    if role.earlier and role.metrics:
        group = (*group, role.earlier)
    label = " / ".join(role.labels) if role.labels and not context.label else context.label
    if context.topic in ("predicted_spread", "quantile_spread") and not is_metric and " - " in text:
        label = text.strip().lower()
    return replace(
        context,
        group=group,
        split=context.split if training else split,
        weak=context.weak and (training or split == context.split),
        label=label,
        goal=context.goal or (role.goal and not says(text, "lowest")),
        at=context.at or (role.at if role.at[:2] not in ("19", "20") else ""),
        settings=context.settings or (role.setting and not is_metric),
    )


def _qualified(metric: str, role: Role, other: Role, text: str, context: Context) -> tuple[str, str, str]:
    """The metric once averages, statistics and bases of all labels are taken in (``ic`` + ``std`` → ``ic_std``), the
    reason where the outcome is none, and the metric that a deviation is of.
    """
    combine = table("combine")
    if metric and other.metric and not other.entity:
        metric = combine.get(metric, {}).get(other.metric, metric)
    for qualifier in (role.average, other.average, context.average):
        if qualifier and metric in _AVERAGED:
            made = f"{metric}_{qualifier}"
            return (made, "", "") if made in METRICS else ("", f"a {qualifier} average", "")
    if metric and says(text, "gross_words"):
        metric = combine.get(metric, {}).get("gross", metric)
    for statistic in (role.statistic, "" if other.metrics or other.entity else other.statistic):
        if not metric or not statistic or statistic == "mean":
            continue
        made = combine.get(metric, {}).get(statistic)
        if made is None and statistic == "std":
            return "std", "", metric
        if made is None:
            return "", f"the {statistic} of it, no {metric.replace('_', ' ')} itself", ""
        metric = made
    return metric, "", ""


def _unless_setting(metric: str, text: str, context: Context, after: str, row: bool) -> tuple[str, str]:
    """The metric, or nothing where the label names a setting of the experiment."""
    folded, value = plain(text), plain(after)
    if metric == "epochs_run":
        ran = any(word in value + folded for word in table("epochs")["ran"])
        if row and bare(text) in wordset("bare_epochs") and not ran_only(value):
            return "max_epochs", ""
        if any(word in value + folded for word in table("epochs")["most"]):
            return "", _SETTING
        told = ran or context.topic or says(" ".join(context.group), "result_words")
        return (metric, "") if ran or (told and not context.settings) else ("", _SETTING)
    if metric == "best_epoch" and bare(text) in ("epoch", "epochs") and ("varies" in value or "typically" in value):
        return "", _SETTING
    if context.settings and metric != "parameters" and (is_setting(folded) or metric in table("epochs")["settings"]):
        return "", _SETTING
    return metric, ""


def ran_only(value: str) -> bool:
    """Whether a value says how many epochs ran ("54 (early stopped)"), not only that stopping was allowed."""
    return "early stopped" in value or "trained" in value or "completed" in value


def _of_topic(role: Role, text: str, context: Context) -> str:
    """The statistic of the surrounding topic that a label without a metric names."""
    words, topic = bare(text), context.topic
    if topic in ("predicted_spread", "quantile_spread") and any(
        side in words.split() for side in ("top", "bottom", "long", "short")
    ):
        return topic
    made = table("of_topic").get(topic, {}).get(role.statistic, "") if role.statistic else ""
    if made:
        return str(made)
    if topic in ("ic", "rank_ic") and words.rstrip("%").isdecimal() and len(words) <= 2:
        return "ic_percentile"
    if topic in METRICS and pattern("period_label").fullmatch(words):
        return topic
    if role.statistic in ("minimum", "maximum") and says(text, "range_words"):
        return "target_low" if role.statistic == "minimum" else "target_high"
    return "target_range" if says(text, "range_words") and not role.setting else ""


def of_units(context: Context, text: str, metric: str) -> Context:
    """The context of a figure whose label says that it is of scaled data, or of a period that is no year.

    Such a figure belongs to a run, or a position, of its own: a monthly Sharpe ratio is not the quotient of an annual
    return and an annual volatility.
    """
    folded = plain(text)
    if says(text, "scaled_words"):
        context = replace(context, group=(*context.group, "scaled"))
    if metric in _PERIODIC and not context.at:
        for mention in mentions(folded):
            folded = folded[: mention.start] + " " * (mention.end - mention.start) + folded[mention.end :]
        period = next((name for name in phrases("periods") if has(padded(folded), name)), "")
        context = replace(context, at=period) if period else context
    return context


def unit_of(label: str, printed: str) -> str:
    """``"percent"`` where a label says that its figure, printed without a sign, is in percent (``Return [%]``)."""
    signed = any(mark in printed.lower() for mark in ("%", "％", "bps", "x", "×"))
    return "percent" if not signed and pattern("in_percent").search(label) else ""


def wrong_unit(metric: str, token: Token) -> str:
    """Why a figure cannot be of a metric by its print alone: the unit, the size or the sign; ``""`` where it can."""
    info = METRICS[metric]
    unit, text = token.unit, token.text
    lower = text.lower()
    sized = lower.rstrip("+")[-2:] in ("kb", "mb", "gb", "tb") or lower.rstrip("+")[-3:] in ("kib", "mib", "gib")
    if sized or info.kind == "size":
        return "" if sized and info.kind == "size" else "its unit is no " + metric.replace("_", " ")
    times = table("units")["time"]
    if unit in times and info.kind != "duration" and metric not in ("sessions", "epochs_run", "best_epoch"):
        return f"in {unit}, a length of time"
    if unit in table("units")["things"] and info.kind not in ("count", "duration") and metric != "throughput":
        return f"a count of {unit}"
    if info.kind == "duration" and not any(map(str.isalpha, unit)):
        return "no unit of time"
    if text[:1] == "+" and "%" in text and info.kind in ("proportion", "score"):
        return "a change of it"
    if lower.endswith(("x", "×")) and info.kind not in ("ratio", "other", "level", "change", "share"):
        return "a multiple"
    whole = pattern("whole").fullmatch(text) is not None
    if info.kind == "count" and not whole:
        return "no whole number"
    return ""
