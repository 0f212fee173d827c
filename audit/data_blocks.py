"""Figures of JSON, YAML and INI text: their keys name the metric, the keys above them the split, the class, the run."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from assay.audit.asides import set_aside
from assay.audit.context import SPLIT_NAMES, bare_loss
from assay.audit.data_text import Entry, Level
from assay.audit.metrics_vocabulary import METRICS
from assay.audit.naming import plain
from assay.audit.roles import Role, is_setting, read_role, statistic_of
from assay.audit.row_keys import POSITIONS
from assay.audit.sheet import Context, Sheet
from assay.audit.tokens import Token

__all__ = ["place_data"]

#: Keys whose texts tell runs, splits, classes and positions apart.
_RUN_KEYS = ("model", "model_name", "method", "strategy", "ticker", "symbol", "asset", "stock", "dataset", "variant")
_SPLIT_KEYS = ("split", "set", "subset", "partition", "stage")
_CLASS_KEYS = ("class", "label", "class_name")
_METRIC_KEYS = ("name", "metric", "metric_name", "type", "key", "measure")
_VALUE_KEYS = ("value", "val", "result", "score")
_SETTINGS_KEY = re.compile(
    r"\b(?:h?params?|hyper ?param\w*|parameters|config\w*|settings?|args|options|optimi[sz]er|training args)\b"
)
_AVERAGE = re.compile(r"(macro|weighted|micro)(?: avg| average)?")
_AVERAGED = ("precision", "recall", "f1")
_SCORES = (*_AVERAGED, "n_samples", "specificity", "auc", "accuracy")


def place_data(
    sheet: Sheet, number: int, text: str, tokens: list[Token], entries: Sequence[Entry], context: Context, block: int
) -> None:
    """Place the figures of one line of a JSON, YAML or INI text.

    Parameters
    ----------
    sheet, number, text, tokens : the draft, the line and its tokens.
    entries : the figures of the line with their keys.
    context, block : where the text stands.

    """
    columns = [entry.column for entry in entries]
    remark = min((at for mark in ("#", "//") if (at := text.find(mark)) >= 0), default=len(text))
    for token in tokens:
        if set_aside(sheet, number, token):
            continue
        near = bisect_left(columns, token.start - 1)
        entry = entries[near] if near < len(entries) and entries[near].column <= token.end else None
        if entry is None:
            comment = remark < token.start
            sheet.exclude(number, token, "a comment" if comment else "an unnamed value in a data block")
        elif not entry.key:
            sheet.exclude(number, token, "one of a list of values in a data block")
        else:
            _entry(sheet, number, text, token, entry, context, block)


def _entry(
    sheet: Sheet, number: int, text: str, token: Token, entry: Entry, context: Context, block: int
) -> None:
    key, inside = entry.key, entry.levels
    if POSITIONS.fullmatch(plain(key).strip()):
        sheet.exclude(number, token, "the place of a record")
        return
    local, average = _under(context, inside)
    share = re.fullmatch(r"(train|training|validation|val|test)[ _](?:split|size|ratio|share)", key.lower())
    if share and re.fullmatch(r"0?\.\d+|\d{1,2}%", token.text):
        local = replace(local, split="", topic="", label=SPLIT_NAMES[share[1]])
        sheet.claim(number, text, token, "split_share", local, block=block)
        return
    name = key
    if key.lower() in _VALUE_KEYS:
        texts = inside[-1].texts if inside else {}
        name = _described(texts) or (inside[-1].key if inside else key)
    above = inside[-1].key.replace("_", " ") if inside else ""
    metric, role = _metric(name, read_role(above), above, local)
    if average and metric in _AVERAGED:
        metric = f"{metric}_{average}"
    if metric not in _SCORES:
        local = replace(local, label=local.label if metric else "")
    local = replace(local, split=role.split or local.split, topic="")
    if metric:
        sheet.claim(number, text, token, metric, local, block=block, **_percent_unit(name, token))
    else:
        sheet.exclude(number, token, _reason(name, context))


def _described(texts: dict[str, str]) -> str:
    """What a record with a value says the value is: its fullest name that is a metric's."""
    names = [texts[key] for key in _METRIC_KEYS if key in texts]
    known = [name for name in names if read_role(name.replace("_", " ")).metrics]
    return max(known, key=lambda name: (len(read_role(name.replace("_", " ")).metric), len(name)), default="")


def _under(context: Context, levels: Sequence[Level]) -> tuple[Context, str]:
    """The context that the keys above a figure and the texts beside it give, and the average they name."""
    average = ""
    for level in levels:
        if level.key:
            context, named = _parent(context, level.key)
            average = named or average
        texts = {key.lower(): value for key, value in level.texts.items()}
        for key in _RUN_KEYS:
            name = plain(texts.get(key, "")).strip()
            if name and level is not levels[0] and not read_role(name).split and name not in context.group:
                context = replace(context, group=(*context.group, name[:60]))
        for key in _SPLIT_KEYS:
            split = read_role(texts.get(key, "")).split
            context = replace(context, split=split or context.split)
        for key in _CLASS_KEYS:
            context = replace(context, label=texts.get(key, context.label))
        place = next((key for key in texts if POSITIONS.fullmatch(plain(key).strip())), "")
        if place and level is not levels[0]:
            context = replace(context, at=f"{plain(place).strip()} {texts[place].removesuffix('.0')}")
    return context, average


def _parent(context: Context, key: str) -> tuple[Context, str]:
    words = key.replace("_", " ")
    role, folded = read_role(words), plain(key).strip()
    if match := _AVERAGE.fullmatch(folded):
        return context, match[1]
    label = words if folded.isdecimal() or (role.labels and not role.entity and not role.metrics) else ""
    if folded in SPLIT_NAMES or (role.split and not role.entity and not role.metrics):
        context = replace(context, split=role.split or SPLIT_NAMES.get(folded, ""))
    elif role.entity and not role.metrics and not role.split:
        context = replace(context, group=(*context.group, role.entity))
    return replace(
        context,
        label=label or context.label,
        topic=role.metric or context.topic,
        settings=context.settings or role.setting or _SETTINGS_KEY.search(folded) is not None,
    ), ""


def _metric(name: str, topic: Role, parent: str, context: Context) -> tuple[str, Role]:
    words = name.replace("_", " ").replace("/", " ").replace(".", " ")
    role = read_role(re.sub(r"^eval\s+", "", words))
    if loss := bare_loss(words, role.split or context.split):
        return loss, role
    if role.metric == "epochs_run" and not re.search(r"trained|run|ran|complet", plain(name)):
        return "", role
    if role.metric in ("ic", "rank_ic") and role.statistic in ("std", "minimum", "maximum"):
        return statistic_of(role.metric, role.statistic), role
    if role.metric and not (context.settings and is_setting(plain(name))):
        if context.settings and role.metric in ("alpha", "beta", "n_samples", "leverage", "cost_rate", "turnover"):
            return "", role
        return role.metric, role
    if role.statistic and re.search(r"range|limits|bounds", plain(parent)):
        return statistic_of("range", role.statistic), role
    if role.statistic and (topic.metric or context.topic):
        subject = topic.metric or context.topic
        found = statistic_of(subject, role.statistic)
        return found or (subject if role.statistic == "mean" and subject in METRICS else ""), role
    return "", role


def _percent_unit(name: str, token: Token) -> dict[str, str]:
    """MAPE and keys that end in pct are printed in percent without the sign."""
    folded = plain(name)
    percent = re.search(r"\bpct\b|percent|\bperc\b", folded) or (
        folded.strip() in ("mape", "smape") and _rough(token.text) > 1
    )
    return {"unit": "percent"} if percent and "%" not in token.text else {}


def _rough(text: str) -> float:
    match = re.search(r"\d+(?:\.\d+)?", text)
    return float(match[0]) if match else 0.0


def _reason(name: str, context: Context) -> str:
    if is_setting(plain(name)) or context.settings:
        return "a hyperparameter or setting"
    return f"a value of {name!r}, which is no metric that is known"
