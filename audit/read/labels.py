"""From the labels a figure stands under to what it is: metric, split, class, run, position; or why it is none.

One interpreter for every container: a table's column, a JSON key, a ``Name: value`` line and the words around a
figure in prose arrive here as labels, and the same labels read the same. `fold` reads the path of labels around a
figure (headings, titles of lists, keys above, cells and texts that name its record), `named` the figure's own label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from assay.audit.claims.model import METRICS
from assay.audit.read.tokens import Token
from assay.audit.read.words import (
    Role,
    bare,
    first_of,
    has,
    is_setting,
    mentions,
    padded,
    pattern,
    phrases,
    plain,
    read_role,
    says,
    table,
    why,
    words_of,
    wordset,
)

__all__ = [
    "SETTING", "Context", "Label", "Reading", "fold", "named", "names_record", "of_units", "unit_of", "wrong_unit",
]  # fmt: skip

#: Why a hyperparameter is no claim.
SETTING = "a hyperparameter or setting"
_SPREADS = ("predicted_spread", "quantile_spread")


@dataclass(frozen=True)
class Label:
    """One label over a figure.

    `kind` is ``heading``, ``title`` (of a list or block), ``key``, ``column`` (where the rows name the metrics) or
    ``beside``: a cell or text that names the record, `title` being that of its column or its key.
    """

    text: str
    kind: str = "heading"
    title: str = ""


@dataclass(frozen=True)
class Context:
    """What the labels around a figure say."""

    group: tuple[str, ...] = ()  # words of the run it belongs to, outermost first
    split: str = ""
    weak: bool = False  # the split comes from a heading alone, which may speak of a test in another sense
    label: str = ""  # class, side or quantile
    at: str = ""  # epoch, fold or period
    topic: str = ""  # the metric or subject of the surrounding list ("rank_ic", "prediction")
    average: str = ""  # macro, weighted or micro
    goal: bool = False  # the surroundings list targets
    void: str = ""  # "example" or "rule" where the figures there are no results
    settings: bool = False  # or hyperparameters
    pooled: str = ""  # words that say the figures are averages over folds, seeds or classes
    section: str = ""  # the top-level section
    above: tuple[str, ...] = ()  # the texts of the headings, titles and keys around the figure
    entity: str = ""  # words of its own label; used where they alone tell figures of one record apart


@dataclass(frozen=True)
class Reading:
    """What labels make of a figure: a metric with its context, or no metric and the reason."""

    metric: str
    context: Context
    reason: str = ""


@lru_cache(maxsize=2_000)
def fold(context: Context, labels: tuple[Label, ...]) -> Context:
    """The context under a path of labels, outermost first."""
    for label in labels:
        context = {"beside": _beside, "column": _column}.get(label.kind, _around)(context, label)
    return context


def _around(context: Context, label: Label) -> Context:
    """Below a heading, the title of a list, or a key."""
    text, key = label.text, label.kind == "key"
    role, words = read_role(text), padded(text)
    context = replace(context, above=(*context.above[-5:], text))
    if key and role.average and not role.metrics and not role.entity:
        return replace(context, average=role.average)
    if key and pattern("period_label").fullmatch(words.strip()):
        return replace(context, at=words.strip())
    if key and words.strip().isdecimal():
        return replace(context, label=text.strip())
    side = next((side for side in ("top", "bottom") if has(words, side)), "") if says(text, "quantiles") else ""
    both = all(any(has(words, name) for name in phrases("split", split)) for split in ("train", "test"))
    split = context.split if not role.split or both or (_is_done(role, text) and not key) else role.split
    compared = (f"{link}{article}{role.earlier}" for link in phrases("comparing") for article in (" ", " the ", " a "))
    group = (role.entity,) if role.entity and not role.metrics and not (role.setting and key) else ()
    group = (bare(text),) if group and key and any(map(str.isdecimal, text)) else group
    if role.earlier and not role.metric and not any(has(words, phrase) for phrase in compared):
        group = (" ".join(dict.fromkeys([*role.entity.split(), role.earlier])),)
    return replace(
        context,
        group=context.group if side else (*context.group, *group),
        split=split,
        weak=context.weak if split == context.split else label.kind == "heading",
        # A class named among other words of a heading ("when you're up") is none.
        label=side or ("" if not key and len(role.entity.split()) > 1 else " / ".join(role.labels)) or context.label,
        at=_place(role) or (bare(text) if key and bare(text) in wordset("whole_keys") else "")
        or (text if key and pattern("month_key").fullmatch(text) else "") or context.at,
        pooled=context.pooled or (f"averaged over {text!r}" if key and says(text, "pooled_keys") else ""),
        topic=_topic(role, words, context.topic),
        goal=(context.goal and not role.earlier and not any(says(text, name) for name in ("current", "obtained")))
        or (role.goal and len(role.entity.split()) < (2 if key else 6)
            and bool(not role.metrics or pattern("goal_first").match(text))),
        void=context.void or first_of("void", words) or table("void_alone").get(words.strip(), ""),
        settings=says(text, "setting_headings") or (context.settings and not role.metric)
        or (key and says(text, "setting_keys"))
        or (key and role.setting and not role.split),
    )  # fmt: skip


def _trains(role: Role, text: str) -> bool:
    """Whether "training" is what is done there, not the rows."""
    return role.split == "train" and bare(text) != "train" and not says(text, "rows")


def _is_done(role: Role, text: str) -> bool:
    """Whether a heading's "training", "test" or "validation" is what is done ("Phase 2 validation"), not the rows."""
    folded = plain(text)
    if len(role.entity.split()) >= 5 or pattern("split_purpose").search(folded):
        return True  # a sentence, "candidate for walk-forward"
    alone = not role.entity if role.split == "test" else pattern("validation_alone").fullmatch(folded)
    tested = role.split in ("test", "validation") and not alone and not pattern("tested_rows").search(folded)
    return _trains(role, text) or tested


def _place(role: Role) -> str:
    """Epoch, fold or period; a bare year in a label is its date."""
    return "" if role.at[:2] in ("19", "20") else role.at


def _topic(role: Role, words: str, topic: str) -> str:
    if has(words, "spread") and not role.metric:
        return "predicted_spread" if topic == "prediction" or "predict" in words else "quantile_spread"
    if has(words, "distribution") and not role.metric:
        return "prediction" if "prediction" in words else "return" if "return" in words else topic
    return role.metric or ("range" if says(words, "range_words") else topic)


@lru_cache(maxsize=1000)
def names_record(title: str) -> str:
    """What the cells of a column, or the texts under a key, tell apart: a run, a class, a position, or nothing."""
    words = padded(title)
    if says(title, "class_titles") and not read_role(title).entity:
        return "class"
    if any(has(words, phrase) or has(words, phrase + "s") for phrase in phrases("position_titles")):
        return "position"
    return "run" if words.strip() in wordset("run_titles") else ""


def _beside(context: Context, label: Label) -> Context:
    """In a record that a cell or a text names; a row of all, or of averages, is of none."""
    title, text = label.title, label.text
    kind, role, words = names_record(title), read_role(text), padded(title)
    number = text.strip(" *_`#").removesuffix(".0")
    digits = number.isdecimal() and len(number) <= 6
    if (says(text, "whole_rows") or bare(text) in wordset("pooling_rows")) and not role.average and not role.metrics:
        context = replace(context, pooled=context.pooled or "averaged over the rows, or of all")
    if kind == "position" and not (digits and has(words, "class")):
        place, figures = plain(text).strip(" *#"), any(map(str.isdecimal, text))
        if says(text, "whole_rows") and not figures:
            return replace(context, average=role.average) if role.average else context
        if context.at and any(has(words, name) for name in ("step", "steps", "iteration", "seed")):
            return context
        unit = next((phrase for phrase in phrases("position_titles") if has(words, phrase)), "")
        place = (place.removeprefix(unit).strip() if figures else place).removesuffix(".0")
        split = role.split if role.split and not role.entity else context.split
        return replace(context, at=f"{bare(title)} {place}", split=split)
    if digits:
        at = context.at if kind == "class" else f"{bare(title) or 'row'} {number}"
        return replace(context, at=at, label=number if kind == "class" else context.label)
    if role.average and (role.average != "mean" or not role.entity) and not any(map(str.isdecimal, text)):
        return replace(context, average=role.average)
    named_alone = not role.entity and (role.metric == "accuracy" or says(text, "whole_rows"))
    if named_alone or not plain(text).strip():
        return context
    if (role.labels and not role.entity and not role.earlier) or kind == "class":
        return replace(context, label=text.strip(" *_`"))
    if role.split and not role.entity:
        return replace(context, split=role.split, weak=False)
    name = plain(text).strip(" *")
    return replace(context, group=(*context.group, name)) if name not in context.group and bare(text) else context


def _column(context: Context, label: Label) -> Context:
    """Under the title of a column of a table whose rows name the metrics: it names the run, split, class or goal."""
    title, role = label.text, read_role(label.text)
    if role.statistic in ("mean", "median") and not role.metrics:
        context = replace(context, pooled=context.pooled or f"averaged over what the column {title!r} sums up")
    summed = bool(role.statistic) and not role.entity and not role.metrics
    plain_title = summed or not bare(title) or bare(title) in wordset("value_titles")
    goal = role.goal or bare(title) in wordset("goal_titles")
    if goal or plain_title or says(title, "change_titles") or says(title, "note_titles"):
        aimed = goal or (context.goal and not any(says(title, name) for name in ("current", "obtained")))
        apart = (role.entity or role.earlier) if goal else "" if plain_title else bare(title)
        return replace(context, goal=aimed, group=(*context.group, *([apart] if aimed and apart else [])))
    if role.at and not role.metric:
        return replace(context, at=role.at)
    if role.earlier:
        return replace(context, group=(*context.group, role.earlier), goal=False)
    if role.labels and not role.entity:
        return replace(context, label=context.label or role.labels[0])
    if role.split and not role.entity:
        return replace(context, split=role.split)
    return replace(context, group=(*context.group, plain(title).strip()), split=role.split or context.split)


def named(
    context: Context, text: str, *, second: str = "", after: str = "", siblings: Sequence[str] = (), row: bool = False
) -> Reading:
    """What the label that names a figure makes of it: a key, a column's title, a row's, the words before a colon.

    `second` is the label on the other axis of a table, where it may qualify the first (``Std`` under ``IC``); `after`
    follows the label, the figure included ("50 (early stopped)"); `siblings` are the other labels of the record: ``P``
    beside ``F1`` is a precision, ``loss`` beside ``val_loss`` is of the training; `row` says that it is a table's row.
    """
    if bare(text) in table("short") and {read_role(name).metric for name in siblings} & {"f1", "accuracy"}:
        text = table("short")[bare(text)]
    role, other = read_role(text), read_role(second) if second else Role()
    if role.metric in ("ic", "rank_ic") and second and pattern("positive_row").fullmatch(plain(second)):
        return Reading("ic_positive_share", context)
    split = role.split or other.split or context.split or _implied_split(text, siblings)
    metric = role.metric or _bare_loss(text, split)
    if bare(text) == "return pct" and "sharpe" in {read_role(name).metric for name in siblings}:
        metric = metric or "total_return"
    if not metric and other.metric and (not bare(text) or bare(text) in wordset("value_titles")):
        metric, role, other = other.metric, other, role
    if role.turned and metric:
        return Reading("", context, f"{bare(text)[:40]!r} is no {metric.replace('_', ' ')}")
    if reason := _of_record(metric, text, siblings):
        return Reading("", context, reason)
    needs = table("needs").get(metric, ())
    if needs and not any(word in plain(near) for near in (text, *context.above, after) for word in needs):
        return Reading("", context, f"{bare(text)[:40]!r} may be of anything")
    if metric in wordset("named_alone") and (role.entity or pattern("numbered_label").search(plain(text))):
        return Reading("", context, f"{bare(text)[:40]!r} may be another {metric.replace('_', ' ')}")
    training = not metric and _trains(role, text)
    number = pattern("class_number").match(plain(text).strip()) if metric in wordset("numbered_classes") else None
    local = replace(
        context,
        group=(*context.group, role.earlier) if role.earlier and role.metrics else context.group,
        split=context.split if training else split,
        weak=context.weak and (training or split == context.split),
        label=context.label or " / ".join(role.labels) or (number[1] if number else ""),
        goal=context.goal or (role.goal and not says(text, "lowest")),
        at=context.at or _place(role),
        settings=context.settings or (role.setting and not metric),
    )
    metric, reason, part = _qualified(metric, role, other, text, local)
    local = replace(local, label=part) if part else local
    if metric:
        metric, reason = _unless_setting(metric, text, local, after, row)
    elif not reason:
        metric = _of_topic(role, text, context)
        reason = SETTING if not metric and (role.setting or local.settings) else ""
        local = replace(local, at=role.at or local.at) if metric and metric == context.topic else local
    if (role.statistic in ("mean", "median") or role.average) and metric in wordset("rates_and_ratios"):
        local = replace(local, pooled=local.pooled or f"averaged over what {text!r} sums up")
    if metric in wordset("told_by_label"):
        local = replace(local, label=text.strip().lower() if metric in _SPREADS else text.strip())
    if metric:
        local = of_units(replace(local, entity=_remainder(text, role) or role.entity), text, metric)
    return Reading(metric, local, reason)


def _of_record(metric: str, text: str, siblings: Sequence[str]) -> str:
    """Why a label beside others names no figure of a run: of a day of a curve, of one trade; "" where it may."""
    for reason, row in table("of_record").items():
        named = metric == row["metric"] and bare(text) in wordset(row["labels"])
        if named and len(wordset(row["beside"]).intersection(map(bare, siblings))) >= row["least"]:
            whole = any(read_role(name).metric in wordset("of_a_run") for name in siblings)
            return "" if whole else str(reason)
    return ""


def _without_metrics(text: str) -> str:
    """A folded text, names of metrics blanked."""
    folded = plain(text)
    for mention in mentions(folded):
        folded = folded[: mention.start] + " " * (mention.end - mention.start) + folded[mention.end :]
    return folded


def _remainder(text: str, role: Role) -> str:
    """The words of a label beside its metric's name that alone say nothing, but tell it from its like ("Total F1")."""
    words = words_of(_without_metrics(text[:300]))
    known = role.split or role.statistic or role.average or "overall" in words
    return "" if known or set(words) <= wordset("units_of_labels") else " ".join(words[:4])


def _implied_split(text: str, siblings: Sequence[str]) -> str:
    """A name without a split beside the same name with ``val_`` is of the training."""
    own, metric = bare(text), read_role(text).metric
    if metric and "is" in (*own.split()[:1], *own.split()[-1:]):  # "IS Sharpe" beside "OOS Sharpe"
        return "train"
    twins = [name for name in siblings if bare(name).startswith("val ") and bare(name) != own]
    paired = any(bare(name) == f"val {own}" or (metric and read_role(name).metric == metric) for name in twins)
    return "train" if paired else ""


def _bare_loss(text: str, split: str) -> str:
    """The loss of a split where a label says only "loss", or ``""``."""
    words = " ".join(word for word in words_of(plain(text)) if table("named_splits").get(word, word) != split)
    return f"{split}_loss" if words in wordset("bare_losses") and f"{split}_loss" in METRICS else ""


def _qualified(metric: str, role: Role, other: Role, text: str, context: Context) -> tuple[str, str, str]:
    """The metric with averages and statistics taken in (``ic_std``), why it is none, and what a deviation is of."""
    if not metric:
        return "", "", ""
    combine = table("combine").get
    if other.metric and not other.entity:
        metric = combine(metric, {}).get(other.metric, metric)
    average = next((a for a in (role.average, other.average, context.average) if a), "")
    if average and metric in wordset("class_scores"):
        made = f"{metric}_{average}"
        return (made, "", "") if made in METRICS else ("", f"a {average} average", "")
    if says(text, "gross_words"):
        metric = combine(metric, {}).get("gross", metric)
    if role.statistic == "mean" and metric in wordset("totals"):
        return "", f"the mean of it, no {metric.replace('_', ' ')} itself", ""
    for statistic in (role.statistic, "" if other.metrics or other.entity else other.statistic):
        if metric and statistic not in ("", "mean"):
            made = combine(metric, {}).get(statistic)
            if made is None:
                reason = f"the {statistic} of it, no {metric.replace('_', ' ')} itself"
                return ("std", "", metric) if statistic == "std" else ("", reason, "")
            metric = made
    return metric, "", ""


def _unless_setting(metric: str, text: str, context: Context, after: str, row: bool) -> tuple[str, str]:
    """The metric, or nothing where the label names a setting of the experiment."""
    value, words = plain(after), table("epochs")
    if metric == "epochs_run":
        both = value + plain(text)
        if row and bare(text) in wordset("bare_epochs") and not any(word in value for word in words["only"]):
            return "max_epochs", ""
        ran = any(word in both for word in words["ran"])
        told = not context.settings and (context.topic or says(" ".join(context.group), "result_words"))
        return (metric, "") if (ran or told) and not any(word in both for word in words["most"]) else ("", SETTING)
    vague = metric == "best_epoch" and bare(text) in ("epoch", "epochs") and ("varies" in value or "typically" in value)
    listed = context.settings and metric != "parameters" and (is_setting(text) or metric in words["settings"])
    return ("", SETTING) if vague or listed else (metric, "")


def _of_topic(role: Role, text: str, context: Context) -> str:
    """The statistic of the surrounding topic that a label without a metric names."""
    words, topic = bare(text), context.topic
    if topic in _SPREADS and not {"top", "bottom", "long", "short"}.isdisjoint(words.split()):
        return topic
    if made := table("of_topic").get(topic, {}).get(role.statistic, ""):
        return str(made)
    if topic in ("ic", "rank_ic") and words.rstrip("%").isdecimal() and len(words) <= 2:
        return "ic_percentile"
    if topic in METRICS and pattern("period_label").fullmatch(words):
        return topic
    end = table("of_topic")["range"].get(role.statistic, "" if role.setting else "target_range")
    return end if says(text, "range_words") else ""


def of_units(context: Context, text: str, metric: str) -> Context:
    """The context of a figure whose label says that it is of scaled data, or of a period that is no year: of a run, or
    a position, of its own. A monthly Sharpe ratio is not an annual return over an annual volatility."""
    if says(text, "scaled_words"):
        context = replace(context, group=(*context.group, "scaled"))
    if metric in wordset("of_a_year") and not context.at:
        words = padded(_without_metrics(text))
        context = replace(context, at=next((name for name in phrases("periods") if has(words, name)), ""))
    return context


def unit_of(label: str, printed: str) -> str:
    """``"percent"`` where a label says that its figure, printed without a sign, is in percent (``Return [%]``)."""
    signed = any(mark in printed.lower() for mark in ("%", "％", "bps", "x", "×"))
    return "percent" if not signed and pattern("in_percent").search(label) else ""


def wrong_unit(metric: str, token: Token) -> str:
    """Why a figure cannot be of a metric by its print alone; ``""`` where it can."""
    return why("wrong_unit", token.text, unit=token.unit, metric=metric, kind=METRICS[metric].kind)
