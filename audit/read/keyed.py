"""Key paths: JSON, YAML and INI text, found line by line without giving up on errors, and logs of training.

Reports quote fragments, so nothing here insists on a whole document: braces that never close and keys without quotes
are read as far as they go.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from assay.audit.claims.model import METRICS
from assay.audit.read.labels import SETTING, Context, Label, fold, named, names_record, unit_of, wrong_unit
from assay.audit.read.sheet import Spot, numbers
from assay.audit.read.tokens import Token
from assay.audit.read.words import bare, is_setting, pattern, plain, read_role, table, wordset

__all__ = ["place_data", "scan_data", "scan_log", "scan_program"]

#: Mappings around a figure that are kept; what is nested deeper is no report.
_DEEPEST = 40


@dataclass
class Level:
    """One mapping or list that is open."""

    key: str  # that it stands under, "" for an element of a list
    kind: str = "{"  # or "["
    texts: dict[str, str] = field(default_factory=dict)  # of its values; complete once the whole text is read
    indent: int = -1
    number: int = 0  # which mapping of the text it is


@dataclass(frozen=True)
class Entry:
    """A figure: the column where it begins, its key (``""`` in a list) and the mappings around it, outermost first."""

    column: int
    key: str
    levels: tuple[Level, ...]


def scan_data(lines: Sequence[str]) -> list[list[Entry]]:
    """The figures of every line of a JSON, YAML or INI text, each with its key and the keys above.

    Examples
    --------
    >>> [[entry]] = scan_data(['{"test": {"accuracy": 0.61}}'])
    >>> entry.column, entry.key, [level.key for level in entry.levels]
    (22, 'accuracy', ['', 'test'])

    """
    first = next((line.lstrip() for line in lines if line.strip()), "")
    if first[:1] == "{" or (first[:1] == "[" and not pattern("data_section").match(first)):
        walk = _Flow()
        return [list(walk.line(line)) for line in lines]
    return list(_scan_block(lines))


class _Flow:
    """The state of a walk over braces, brackets and commas, below levels that are open."""

    def __init__(self, levels: Sequence[Level] = (), key: str = "") -> None:
        self.base, self.levels, self.key, self.last, self.opened = len(levels), [*levels], key, "", 0

    def line(self, text: str, begin: int = 0) -> Iterator[Entry]:
        for match in pattern("data_parts").finditer(text, begin):
            part = match[0]
            if part.startswith(("//", "#")):
                return
            if part == ":":
                self.key, self.last = self.last, ""
            elif part not in ("{", "[", "}", "]", ","):
                self.last = part.strip("\"'")
                yield from self._value(match.start(), part)
            else:
                if part in "{[":
                    self.opened += 1
                    self.levels.append(Level(self.key, part, number=self.opened))
                elif part != "," and len(self.levels) > self.base:
                    self.levels.pop()
                self.key = self.last = ""

    def _value(self, column: int, part: str) -> Iterator[Entry]:
        if self.key or (self.levels and self.levels[-1].kind == "["):
            if pattern("begins_figure").match(self.last):
                yield Entry(column + (part[0] in "\"'"), self.key, tuple(self.levels[:_DEEPEST]) or (Level(""),))
            if self.key and self.levels:
                self.levels[-1].texts[self.key] = self.last


def _scan_block(lines: Sequence[str]) -> Iterator[list[Entry]]:
    """YAML by indentation, INI and TOML by sections."""
    levels = [Level("")]
    flow: _Flow | None = None
    for number, text in enumerate(lines):
        match = pattern("data_line").match(text)
        if flow is not None:
            yield list(flow.line(text))
        elif section := pattern("data_section").match(text):
            levels = [levels[0], *(Level(part, number=number) for part in section[1].split("."))]
            yield []
        elif match is None or not text.strip() or text.lstrip().startswith("#") or text.strip() in ("---", "..."):
            yield []
        else:
            found, flow = _block_line(match, levels, number)
            yield found
        flow = flow if flow is not None and len(flow.levels) > flow.base else None


def _block_line(match: re.Match[str], levels: list[Level], number: int) -> tuple[list[Entry], _Flow | None]:
    indent, dashes = len(match["indent"]), match["dashes"]
    while len(levels) > 1 and levels[-1].indent >= max(indent, 0):
        levels.pop()
    # Every dash opens an element of its own.
    levels += [Level("", indent=indent + at, number=number) for at, char in enumerate(dashes) if char == "-"]
    key, value, column = (match["key"] or "").strip().strip("\"'"), match["value"], match.start("value")
    if key and not value.split("#")[0].strip():
        levels.append(Level(key, indent=indent + len(dashes), number=number))
        return [], None
    if value[:1] in ("{", "["):
        flow = _Flow(levels, key)
        return list(flow.line(match.string, column)), flow
    text = value.strip("\"'")
    if key:
        levels[-1].texts[key] = text.split(" #")[0].strip(" \"'")
    figure = pattern("begins_figure").match(text) and (key or dashes)
    return [Entry(column + (value[:1] in "\"'"), key, tuple(levels))] if figure else [], None


def scan_program(lines: Sequence[str]) -> list[list[Entry]]:
    """The figures of a program that saves a model, under quoted keys that name a result: all else there is code."""
    if not any("state_dict" in line for line in lines):
        return [[]] * len(lines)
    walk, other = _Flow([Level("")]), wordset("no_program_metrics")
    shown = ((line, walk.line(line, len(line) - len(line.lstrip(" #")))) for line in lines)  # comments show results
    return [
        [entry for entry in entries
         if pattern("quoted_key").search(line[: entry.column]) and read_role(entry.key).metric not in other]
        for line, entries in shown
    ]  # fmt: skip


def scan_log(text: str, tokens: Sequence[Token], number: int, epoch: str = "") -> list[Entry]:
    """The figures of a line of a training log (``Epoch 3/30 - loss: 0.61 - val_acc: 0.58``), a mapping at its epoch;
    nothing for any other line. `epoch` is what a line above announced, for logs that print it on a line by itself."""
    if pattern("log_trainer").match(text):
        return list(_Flow([Level("")]).line(text))
    heads = ((pattern(f"log_{unit}").match(text), unit) for unit in ("epoch", "round", "bar"))
    head, unit = next(((head, unit) for head, unit in heads if head), (None, ""))
    if head is None:
        return []
    found = [(token, pattern("log_key").search(text[max(0, token.start - 48) : token.start])) for token in tokens]
    keys = {token: key[1].replace("'s", "").strip() for token, key in found if key and token.start >= head.end()}
    place = epoch if unit == "bar" else head[1]
    level = Level("", texts={"round" if unit == "round" else "epoch": place} if place else {}, number=number)
    level.texts.update((key, token.text) for token, key in keys.items())
    results = sum(bool(read_role(key).metrics) or "loss" in key for key in keys.values()) > (unit == "epoch")
    return [Entry(token.start, key, (Level(""), level)) for token, key in keys.items() if results]


def place_data(spot: Spot, tokens: list[Token], entries: Sequence[Entry], context: Context) -> None:
    """Place the figures of one line of a JSON, YAML or INI text."""
    columns = [entry.column for entry in entries]
    for token in numbers(tokens):
        near = bisect_left(columns, token.start - 1)
        entry = entries[near] if near < len(entries) and entries[near].column <= token.end else None
        if entry is None or not entry.key:
            continue
        if entry.key == "epoch" and any("state_dict" in name for name in entry.levels[-1].texts):
            entry = replace(entry, key="best epoch")  # of a saved model
        if bare(entry.key) not in wordset("position_titles"):
            _entry(spot, token, entry, context)


def _entry(spot: Spot, token: Token, entry: Entry, context: Context) -> None:
    key, levels, top = entry.key, entry.levels, entry.levels[-1]
    local = fold(context, _labels(levels))
    local = local if top.key else replace(local, topic="")
    # One mapping is one record; a ``value`` beside its ``name`` is of the list that holds it.
    owner = next((level.number for level in reversed(levels) if not {"value", "type"} <= set(level.texts)), 0)
    spot = replace(spot, record=f"k{spot.block}.{owner}")
    share = pattern("split_key").fullmatch(key.lower())
    split = table("named_splits").get(share[1]) if share else None
    if split and (token.text.lstrip("0").startswith(".") or token.text.endswith("%")):
        spot.claim(token, "split_share", replace(local, split="", topic="", label=split))
        return
    rating = key == "score" and "raw" in top.texts  # of the raw figure, on a scale of its own
    rated = bare(top.key) in wordset("rating_keys")
    name = key
    if key.lower() in wordset("value_keys") and not rating:  # the texts beside a value say what it is
        names = (text.replace("_", " ") for other, text in top.texts.items() if other in wordset("metric_keys"))
        known = [text for text in names if read_role(text).metrics]
        name = max(known, key=lambda text: (len(read_role(text).metric), len(text)), default=top.key or key)
    name = name.replace(".", " ")
    name = name if read_role(name).metrics else pattern("camel").sub(" ", name)
    reading = named(local, name, siblings=tuple(top.texts))
    metric, wrong = reading.metric, wrong_unit(reading.metric, token) if reading.metric else ""
    if rated and metric and METRICS[metric].kind == "ratio":
        spot.exclude(token, "a rating")
    elif wrong and "time" not in wrong:
        spot.leave(token, wrong)
    elif metric and not local.settings:
        label = reading.context.label if metric in wordset("of_classes") else ""
        large = metric in ("mape", "smape") and pattern("above_one").match(token.text)
        percent = "%" not in token.text and (large or unit_of(" " + plain(name), token.text))
        at = "" if metric == "best_epoch" else reading.context.at
        settled = replace(reading.context, topic="", label=label, at=at)
        spot.claim(token, metric, settled, unit="percent" if percent else "")
    else:
        setting = local.settings or is_setting(name)
        reason = SETTING if setting else f"a value of {name!r}, which is no metric that is known"
        spot.exclude(token, SETTING if metric else reading.reason or reason)


def _labels(levels: Sequence[Level]) -> tuple[Label, ...]:
    labels: list[Label] = []
    for position, level in enumerate(levels):
        if level.key:
            labels.append(Label(level.key.replace("_", " "), "key"))
        for key, value in level.texts.items():
            parts = key.lower() in ("split", "set", "subset", "partition") and read_role(value).split
            telling = key.lower() in wordset("run_keys") or bare(key) in wordset("position_titles")
            if telling and names_record(key) and (position or parts):
                labels.append(Label(value[:60], "beside", key))
    return tuple(labels)
