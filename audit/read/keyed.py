"""Key paths: JSON, YAML and INI text, found line by line without giving up on errors, and logs of training.

Reports quote fragments, so nothing here insists on a whole document: braces that never close and keys without quotes
are read as far as they go.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from assay.audit.read.labels_to_metrics import SPLIT_NAMES, Label, bare, fold, named, names_record, unit_of, wrong_unit
from assay.audit.read.sheet import Context, Spot
from assay.audit.read.tokens import Token
from assay.audit.read.vocabulary import pattern, wordset
from assay.audit.read.words import is_setting, plain, read_role

__all__ = ["Entry", "Level", "epoch_of", "is_position", "place_data", "place_log", "scan_data"]

_WORD = r"[^\s{}\[\],:\"'#]+"
_PARTS = re.compile(
    rf"\"(?:[^\"\\]|\\.)*(?:\"|$)|'(?:[^'\\]|\\.)*(?:'|$)|//.*|#.*|[{{}}\[\],]|:(?!\S*//)|{_WORD}(?:[ ]{_WORD})*"
)
_YAML = re.compile(
    r"(?P<indent>\s*)(?P<dashes>(?:-\s+)*)"
    r"(?:(?P<key>\"[^\"]*\"\s*|'[^']*'\s*|[^\s:=#{}\[\]\"'][^:=#{}\[\]]*)[:=](?=\s|$|=?[\d\"'+-])\s*)?(?P<value>.*)$"
)
_SECTION = re.compile(r"\s*\[+([\w .\-]+)\]+\s*$")
#: Mappings around a figure that are kept; what is nested deeper is no report.
_DEEPEST = 40
#: Keys whose texts say what a value is, and keys of the value itself.
_METRIC_KEYS = ("name", "metric", "metric_name", "type", "key", "measure")
_VALUE_KEYS = ("value", "val", "result", "score")
_RUN_KEYS = ("model", "model_name", "method", "strategy", "ticker", "symbol", "asset", "stock", "dataset", "variant",
             "split", "set", "subset", "partition", "stage", "class", "label", "class_name")  # fmt: skip
#: Metrics a class is named of; figures of other metrics in its mapping are of the whole.
_OF_CLASSES = ("precision", "recall", "f1", "n_samples", "specificity", "auc", "accuracy")


@dataclass
class Level:
    """One mapping or list that is open: the key it stands under, and the texts among its values.

    Parameters
    ----------
    key : its key, ``""`` for an element of a list.
    kind : ``"{"`` or ``"["``.
    texts : key to text of the values of this mapping that are no figures, and of those that say a position; complete
        only once the whole text is read.
    number : which mapping of the text it is.

    """

    key: str
    kind: str = "{"
    texts: dict[str, str] = field(default_factory=dict)
    indent: int = -1
    number: int = 0


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
    if first[:1] == "{" or (first[:1] == "[" and not _SECTION.match(first)):
        walk = _Flow([])
        return [list(walk.line(line, 0)) for line in lines]
    return _scan_block(lines)


def _is_number(text: str) -> bool:
    bare_text = text.lstrip("+-−")
    return bare_text[:1].isdecimal() or (bare_text[:1] == "." and bare_text[1:2].isdecimal())


class _Flow:
    """The state of a walk over braces, brackets and commas."""

    def __init__(self, levels: list[Level]) -> None:
        self.base = len(levels)
        self.levels = levels
        self.key = self.last = ""
        self.opened = 0

    def line(self, text: str, begin: int) -> Iterator[Entry]:
        for match in _PARTS.finditer(text, begin):
            part = match[0]
            if part[:2] == "//" or part[0] == "#":
                return
            if part == ":":
                self.key, self.last = self.last, ""
            elif part in "{[":
                self.opened += 1
                self.levels.append(Level(self.key, part, number=self.opened))
                self.key = self.last = ""
            elif part in "}]":
                if len(self.levels) > self.base:
                    self.levels.pop()
                self.key = self.last = ""
            elif part == ",":
                self.key = self.last = ""
            else:
                self.last = part.strip("\"'")
                yield from self._value(match.start(), part)

    def _value(self, column: int, part: str) -> Iterator[Entry]:
        if not self.key and not (self.levels and self.levels[-1].kind == "["):
            return
        if _is_number(self.last):
            yield Entry(column + (part[0] in "\"'"), self.key, tuple(self.levels[:_DEEPEST]))
        if self.key and self.levels:
            self.levels[-1].texts[self.key] = self.last


def _scan_block(lines: Sequence[str]) -> list[list[Entry]]:
    """YAML by indentation, INI and TOML by sections."""
    out: list[list[Entry]] = []
    top = Level("", indent=-1)
    levels = [top]
    flow: _Flow | None = None
    for text in lines:
        if flow is not None:
            out.append(list(flow.line(text, 0)))
            flow = flow if len(flow.levels) > flow.base else None
            continue
        if section := _SECTION.match(text):
            levels = [top, *(Level(part, indent=-1, number=len(out)) for part in section[1].split("."))]
            out.append([])
            continue
        match = _YAML.match(text)
        if match is None or not text.strip() or text.lstrip().startswith("#") or text.strip() in ("---", "..."):
            out.append([])
            continue
        found, flow = _block_line(match, levels, len(out))
        out.append(found)
    return out


def _block_line(match: re.Match[str], levels: list[Level], number: int) -> tuple[list[Entry], _Flow | None]:
    indent, dashes = len(match["indent"]), match["dashes"]
    while len(levels) > 1 and levels[-1].indent >= indent and levels[-1].indent >= 0:
        levels.pop()
    if dashes:
        # Every dash opens an element of its own.
        levels += [Level("", indent=indent + at, number=number) for at, char in enumerate(dashes) if char == "-"]
        indent += len(dashes)
    key, value = (match["key"] or "").strip().strip("\"'"), match["value"]
    column = match.start("value")
    if key and not value.split("#")[0].strip():
        levels.append(Level(key, indent=indent, number=number))
        return [], None
    if value[:1] in "{[" and value:
        flow = _Flow([*levels])
        flow.key = key
        found = list(flow.line(match.string, column))
        return found, flow if len(flow.levels) > flow.base else None
    bare_value = value.strip("\"'")
    found = []
    if _is_number(bare_value) and (key or dashes):
        found = [Entry(column + (value[:1] in "\"'"), key, tuple(levels))]
    if key:
        levels[-1].texts[key] = bare_value.split(" #")[0].strip(" \"'")
    return found, None


def place_data(spot: Spot, tokens: list[Token], entries: Sequence[Entry], context: Context) -> None:
    """Place the figures of one line of a JSON, YAML or INI text."""
    columns = [entry.column for entry in entries]
    remark = min((at for mark in ("#", "//") if (at := spot.text.find(mark)) >= 0), default=len(spot.text))
    for token in spot.figures(tokens):
        near = bisect_left(columns, token.start - 1)
        entry = entries[near] if near < len(entries) and entries[near].column <= token.end else None
        if entry is None:
            spot.exclude(token, "a comment" if remark < token.start else "an unnamed value in a data block")
        elif not entry.key:
            spot.exclude(token, "one of a list of values in a data block")
        else:
            _entry(spot, token, entry, context)


def _entry(spot: Spot, token: Token, entry: Entry, context: Context) -> None:
    key, levels = entry.key, entry.levels
    if is_position(key):
        spot.exclude(token, "the place of a record")
        return
    local = fold(context, _labels(levels))
    local = replace(local, topic=local.topic if levels and levels[-1].key else "")
    share = pattern("split_key").fullmatch(key.lower())
    if share and (token.text.lstrip("0").startswith(".") or token.text.endswith("%")):
        local = replace(local, split="", topic="", label=SPLIT_NAMES[share[1]])
        spot.claim(token, "split_share", local, record=_record(spot.block, levels))
        return
    name = (
        _described(levels[-1].texts if levels else {}) or (levels[-1].key if levels else key)
        if key.lower() in _VALUE_KEYS
        else key
    )
    name = name.replace(".", " ")
    siblings = tuple(levels[-1].texts) if levels else ()
    reading = named(local, name, siblings=siblings)
    if reading.metric and (wrong := wrong_unit(reading.metric, token)) and "time" not in wrong:
        spot.leave(token, wrong)
    elif reading.metric and local.settings:
        spot.exclude(token, "a hyperparameter or setting")
    elif reading.metric:
        settled = replace(
            reading.context, topic="", label=reading.context.label if reading.metric in _OF_CLASSES else ""
        )
        spot.claim(token, reading.metric, settled, record=_record(spot.block, levels),
                    **_percent_unit(name, token, reading.metric))  # fmt: skip
    else:
        spot.exclude(token, reading.reason or _reason(name, local))


def _record(block: int, levels: Sequence[Level]) -> str:
    """One mapping is one record; a ``value`` beside its ``name`` is of the list that holds it."""
    level = next((level for level in reversed(levels) if not {"value", "type"} <= set(level.texts)), None)
    return f"k{block}.{level.number if level else 0}"


def _labels(levels: Sequence[Level]) -> list[Label]:
    """The labels that the keys above a figure and the texts beside it are."""
    labels: list[Label] = []
    for position, level in enumerate(levels):
        if level.key:
            labels.append(Label(level.key.replace("_", " "), "key"))
        for key, value in level.texts.items():
            kind = names_record(key) if key.lower() in _RUN_KEYS or bare(key) in wordset("position_titles") else ""
            if kind and (
                position or (read_role(value).split and key.lower() in ("split", "set", "subset", "partition"))
            ):
                labels.append(Label(value[:60], "beside", key))
    return labels


def is_position(key: str) -> bool:
    """Whether a key names the place of its record: an epoch, a fold, a year."""
    return names_record(key) == "position" and bare(key) in wordset("position_titles")


def _described(texts: dict[str, str]) -> str:
    """What a record with a value says the value is: its fullest name that is a metric's."""
    names = [texts[key].replace("_", " ") for key in _METRIC_KEYS if key in texts]
    known = [name for name in names if read_role(name).metrics]
    return max(known, key=lambda name: (len(read_role(name).metric), len(name)), default="")


def _percent_unit(name: str, token: Token, metric: str) -> dict[str, str]:
    """MAPE above 1 and keys that end in pct are printed in percent without the sign."""
    large = metric in ("mape", "smape") and _size(token.text) > 1
    return {"unit": "percent"} if "%" not in token.text and (large or unit_of(" " + plain(name), token.text)) else {}


def _size(text: str) -> float:
    digits = "".join(char for char in text if char.isdecimal() or char == ".")
    return float(digits) if digits.count(".") <= 1 and digits.strip(".") else 0.0


def _reason(name: str, context: Context) -> str:
    if is_setting(plain(name)) or context.settings:
        return "a hyperparameter or setting"
    return f"a value of {name!r}, which is no metric that is known"


def epoch_of(text: str) -> str | None:
    """The epoch that a line standing alone announces (``Epoch 3/50``), or None."""
    match = pattern("log_epoch").match(text)
    return match[1] if match and not text[match.end() :].strip(" :-") else None


def place_log(spot: Spot, tokens: list[Token], context: Context, *, epoch: str = "") -> bool:
    """Place the figures of a line of a training log (``Epoch 3/30 - loss: 0.61 - val_acc: 0.58``).

    False where the line is none, and nothing is placed. `epoch` is what a line above announced, for logs that print the
    figures on a line of their own.
    """
    text = spot.text
    begins, at = _log_head(text, epoch)
    if begins is None:
        return False
    keys = [pattern("log_key").search(text[max(0, token.start - 48) : token.start]) for token in tokens]
    known = [_log_metric(key[1], context, at) if key else ("", context) for key in keys]
    if sum(bool(metric) for metric, _ in known) < (2 if pattern("log_epoch").match(text) else 1):
        return False
    for token, key, (metric, local) in zip(tokens, keys, known, strict=True):
        if token.start < begins or key is None:
            spot.exclude(token, "the epoch or a setting of a training log")
        elif metric and token.kind == "number":
            spot.claim(token, metric, local, record=f"l{spot.line}.{local.split}")
        else:
            spot.exclude(token, "a setting in a training log")
    return True


def _log_head(text: str, epoch: str) -> tuple[int | None, str]:
    """Where the figures of a log line begin and the position they are of; None where the line is no log line."""
    if match := pattern("log_epoch").match(text):
        return match.end(), f"epoch {int(match[1])}"
    if match := pattern("log_round").match(text):
        return match.end(), f"round {int(match[1])}"
    if match := pattern("log_bar").match(text):
        return match.end(), f"epoch {int(epoch)}" if epoch else ""
    if match := pattern("log_trainer").match(text):
        return 0, f"epoch {match[1]}"
    return None, ""


def _log_metric(key: str, context: Context, at: str) -> tuple[str, Context]:
    """The metric and context of a key of a log line; a key without a split is of the training, inside an epoch."""
    name = key.replace("'s", " ").replace("_", " ").replace("-", " ").strip()
    role = read_role(name)
    first = name.lower().split(" ")[0] if name else ""
    split = "validation" if first in ("eval", "valid") else role.split or ("train" if at else context.split)
    local = replace(context, at=at or context.at, split=split, topic="", settings=False)
    reading = named(local, name)
    if reading.metric in ("epochs_run", "best_epoch", "training_time", "latency", "throughput", "n_samples"):
        return "", local
    return reading.metric, replace(reading.context, split=split, topic="")
