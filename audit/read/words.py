"""The vocabulary of reports, as data (`vocabulary.toml`), and what the words of labels say by it: metrics and the rest.

Phrases are compared after `plain`: compatibility characters folded (``R²`` → ``r2``), case and accents dropped, hyphens
and underscores read as blanks. Chinese names are looked up as substrings, since nothing separates words there.
"""

from __future__ import annotations

import itertools
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

__all__ = [
    "LANGUAGES", "Mention", "Role", "bare", "first_of", "has", "is_setting", "mentions", "padded", "pattern", "phrases",
    "plain", "read_role", "says", "table", "why", "words_of", "wordset",
]  # fmt: skip

LANGUAGES = ("en", "pt", "es", "de", "fr", "zh")
_IDEOGRAPHS = 0x2E80
_WORD = re.compile(r"[a-z0-9&'>%$]+|[\u2e80-\u9fff]+")
_TERMS = re.compile(r"[a-z0-9'δ∆]+(?:-[a-z0-9]+)*|[\u2e80-\u9fff]+")
_SOFT = str.maketrans({**dict.fromkeys("-_‑–−*`/", " "), "’": "'"})
_HARD = str.maketrans(dict.fromkeys('!"#$%&()*+,./:;<=>?@[\\]^_`{|}~-–—−√±≥≤→←×·•【】（）：；，。', " "))


@lru_cache(maxsize=1)
def _file() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("vocabulary.toml").read_text(encoding="utf-8"))


def table(name: str) -> Mapping[str, Any]:
    """A table of the vocabulary: ``metric``, ``split``, ``statistic``, ``combine`` …"""
    return _file()[name]


@cache
def phrases(name: str, key: str = "") -> tuple[str, ...]:
    """A list of phrases of ``[words]``, or of another table by its name and key."""
    text = table(name)[key] if key else table("words")[name]
    return tuple(" ".join(part.split()) for part in text.split(";") if part.strip())


@cache
def wordset(name: str) -> frozenset[str]:
    """A list of phrases of ``[words]`` as a set."""
    return frozenset(phrases(name))


@cache
def pattern(name: str) -> re.Pattern[str]:
    """A pattern of ``[pattern]``, compiled without regard to case; blanks stand in it only as ``\\s`` or ``[ ]``."""
    return re.compile("".join(table("pattern")[name].split("\n")), re.I)


def why(name: str, text: str, **seen: str) -> str:
    """The first reason of a table that holds for a print: by its text, what stands `before` and `after` it, its `unit`,
    the `metric` that it would be of and its `kind`; ``""`` where none does."""
    before, after, unit, metric, kind = (seen.get(part, "") for part in ("before", "after", "unit", "metric", "kind"))
    for reason, rows in table(name).items():
        for row in rows:
            units = wordset(row["unit"]) if row.get("unit") else frozenset([""])
            if (metric in row.get("metrics", [metric]) and metric not in row.get("no_metrics", ())
                    and kind in row.get("kinds", [kind]) and kind not in row.get("no_kinds", ())
                    and ("unit" not in row or {unit, unit.rstrip("s") or unit} & units)
                    and ("text" not in row or pattern(row["text"]).fullmatch(text))
                    and ("unlike" not in row or not pattern(row["unlike"]).fullmatch(text))
                    and ("after" not in row or pattern(row["after"]).match(after))
                    and ("before" not in row
                         or pattern(row["before"]).search(before, len(before) - row.get("reach", 36)))):  # fmt: skip
                return str(reason)
    return ""


@lru_cache(maxsize=4096)
def plain(text: str) -> str:
    """Lower case, without accents, marks and hyphens, as long as the text itself; for comparing names.

    Examples
    --------
    >>> plain("**R²** Acurácia_média")
    '  r2   acuracia media'

    """
    return "".join(map(_plain_char, text))


@lru_cache(maxsize=4096)
def _plain_char(char: str) -> str:
    """One character folded to one character, so that columns stay where they were."""
    if not char.isascii():
        folded = unicodedata.normalize("NFKD", char).casefold()
        char = next((part for part in folded if not unicodedata.combining(part)), " ")
    return char.lower().translate(_SOFT)


def words_of(folded: str) -> list[str]:
    """The words of a folded text, punctuation dropped."""
    return _TERMS.findall(folded.translate(_HARD))


@lru_cache(maxsize=20_000)
def bare(text: str) -> str:
    """The words of a text, folded."""
    return " ".join(words_of(plain(text)))


def padded(text: str) -> str:
    """The words of a text, folded, with a blank at either end."""
    return f" {bare(text)} "


def has(words: str, phrase: str) -> bool:
    """Whether words, padded with a blank at either end, hold a phrase; ideographs anywhere."""
    return (phrase in words) if ord(phrase[0]) >= _IDEOGRAPHS else f" {phrase} " in words


def says(text: str, name: str) -> bool:
    """Whether a text holds a phrase of a word list."""
    words, (single, longer) = padded(text), _shapes(name)
    return not single.isdisjoint(words.split()) or any(has(words, phrase) for phrase in longer)


@lru_cache(maxsize=64)
def _shapes(name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The single words of a list, and the phrases that are longer or written without blanks."""
    single = frozenset(phrase for phrase in phrases(name) if phrase.isascii() and " " not in phrase)
    return single, tuple(phrase for phrase in phrases(name) if phrase not in single)


@lru_cache(maxsize=20_000)
def is_setting(text: str) -> bool:
    """Whether a label names a hyperparameter or a setting of the experiment."""
    return bare(text) in wordset("settings_alone") or says(text, "settings")


@dataclass(frozen=True)
class Mention:
    """A metric named in a text: its canonical name and where the name stands (columns of the folded text)."""

    metric: str
    start: int
    end: int
    words: str


@lru_cache(maxsize=1)
def _index() -> tuple[dict[str, list[tuple[tuple[str, ...], str]]], list[tuple[str, str]]]:
    """Names by their first word, and names with ideographs, longest first, with their metrics; a lookalike has none."""
    words: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    metrics = table("metric").items()
    named = [(name, metric) for metric, row in metrics for key in LANGUAGES for name in row.get(key, ())]
    named = sorted([*named, *((name, "") for name in phrases("lookalikes"))], key=lambda row: -len(row[0]))
    ideographs = [row for row in named if any(ord(char) >= _IDEOGRAPHS for char in row[0])]
    for name, metric in named:
        if (name, metric) not in ideographs:
            parts = tuple(word.rstrip("%") or "%" for word in _WORD.findall(plain(name)))
            words.setdefault(parts[0], []).append((parts, metric))
    for options in words.values():
        options.sort(key=lambda option: -len(option[0]))
    return words, ideographs


def mentions(folded: str) -> list[Mention]:
    """Metrics named in a text that `plain` has folded, left to right, longest name first.

    Examples
    --------
    >>> [m.metric for m in mentions(plain("Sharpe ratio and macro-F1 beat the val. accuracy"))]
    ['sharpe', 'f1_macro', 'accuracy']

    """
    found: list[Mention] = []
    for name, metric in [] if folded.isascii() else _index()[1]:
        for match in re.finditer(re.escape(name), folded):
            if not any(m.start < match.end() and match.start() < m.end for m in found):
                found.append(Mention(metric, *match.span(), name))
    parts, position = list(_WORD.finditer(folded)), 0
    while position < len(parts):
        hit, count = _named_at(folded, parts, position)
        if hit is not None and not any(m.start <= hit.start < m.end for m in found):
            found.append(hit)
        position += count
    return sorted((m for m in found if m.metric), key=lambda mention: mention.start)


def _named_at(folded: str, parts: list[re.Match[str]], position: int) -> tuple[Mention | None, int]:
    """The longest name that begins at a word, blanks, a bracket or a stop between its words, and how many it takes."""
    words, head = _index()[0], parts[position][0].rstrip("%") or "%"
    for names, metric in words.get(head.removesuffix("'s"), ()) or words.get(head.rstrip("s"), ()):
        here = parts[position : position + len(names)]
        if len(here) == len(names) and all(
            part[0].rstrip("%") == name or part[0] in (name + "s", name + "'s")
            for part, name in zip(here, names, strict=True)
        ):
            gaps = ((a, folded[a.end() : b.start()]) for a, b in itertools.pairwise(here))
            if not any(gap.removeprefix("." if len(a[0]) <= 6 else "").strip(" (") for a, gap in gaps):
                return Mention(metric, here[0].start(), here[-1].end(), " ".join(names)), len(names)
    return None, 1


@dataclass(frozen=True)
class Role:
    """What a label says; ``""`` and ``()`` where it says nothing."""

    metrics: tuple[Mention, ...] = ()  # that it names, in order
    split: str = ""  # train, validation, test, walk-forward
    labels: tuple[str, ...] = ()  # classes or sides, as written
    earlier: str = ""  # the word by which it speaks of a baseline or an earlier stage
    goal: bool = False  # it speaks of a target or threshold, not a result
    setting: bool = False  # it names a hyperparameter or a setting
    statistic: str = ""  # mean, std, minimum, maximum, median
    average: str = ""  # macro, weighted, micro
    at: str = ""  # epoch, fold or period
    entity: str = ""  # the words that none of this explains: a model, a configuration, an asset
    turned: str = ""  # the noun behind the metric that makes it another thing ("accuracy threshold")

    @property
    def metric(self) -> str:
        """The first metric named, or ``""``."""
        return self.metrics[0].metric if self.metrics else ""


@lru_cache(maxsize=20_000)
def read_role(text: str) -> Role:
    """Read a heading, label, key or header.

    Examples
    --------
    >>> role = read_role("Validation Accuracy")
    >>> role.metric, role.split, role.entity
    ('accuracy', 'validation', '')
    >>> read_role("Config 3 (Wider) - Winner!").entity
    'wider winner config 3'
    >>> read_role("accuracy threshold").metrics
    ()

    """
    text = text[:300]
    folded, words = plain(text), padded(text)
    named = tuple(mentions(folded))
    outside, shown = list(folded), list(text)
    for mention in named:
        outside[mention.start : mention.end] = shown[mention.start : mention.end] = " " * (mention.end - mention.start)
    rest = "".join(outside)
    beyond = padded(rest)
    split = first_of("split", pattern("not_rows").sub(" ", words))
    sides = not has(words, "long short") and not has(words, "long short term")
    place = pattern("position").search(folded)
    return Role(
        metrics=named,
        split="cross-validation" if split == "validation" and "cross validation" in words else split,
        labels=_labels(folded, "".join(shown)) if sides else (),
        earlier=next((word for word in words.split() if word in wordset("earlier")), ""),
        goal=says(text, "goals") and not says(text, "current"),
        setting=not named and is_setting(text),
        statistic=first_of("statistic", beyond),
        average=first_of("average", beyond),
        at=(f"{place[1]} {place[2]}" if place[1] else place[3].strip()) if place else "",
        entity=_entity(rest),
        turned=_turned(folded, named),
    )


def first_of(name: str, words: str) -> str:
    """The first key of a table of which the words hold a phrase, or ``""``."""
    return next((key for phrase, key in _phrases_of(name) if has(words, phrase)), "")


@lru_cache(maxsize=8)
def _phrases_of(name: str) -> tuple[tuple[str, str], ...]:
    return tuple((phrase, key) for key in table(name) for phrase in phrases(name, key))


def _labels(folded: str, shown: str) -> tuple[str, ...]:
    """Classes and sides that a label names; those inside an idiom ("buy and hold") are none."""
    for idiom in pattern("idiom").finditer(folded):
        shown = shown[: idiom.start()] + " " * len(idiom[0]) + shown[idiom.end() :]
    shown = " ".join("" if piece.count("_") > 1 else piece for piece in shown.split())
    letters = "".join(char if char.isalpha() else " " for char in shown).split()
    return tuple(dict.fromkeys(word for word in letters if plain(word).strip() in wordset("classes")))


def _turned(folded: str, named: tuple[Mention, ...]) -> str:
    """The word behind the metrics of a label that makes them another thing: "drawdown pressure" is no drawdown."""
    for first, second in itertools.pairwise(named):
        counted = (first.metric, second.metric) == ("winning_trades", "losing_trades")
        if first.metric != second.metric and not counted and not folded[first.end : second.start].strip(" +&:"):
            return second.words
    rest = folded[named[-1].end :].lstrip(" %") if named else ""
    behind = _WORD.match(rest)
    word = behind[0].removesuffix("'s") if behind else ""
    if rest.startswith(("+ ", "×")) or word.startswith(phrases("turning_signs")):
        return word or "a sum or product"
    return "" if not word[:1].isascii() or not word[:1].isalpha() or word in _harmless() else word


@lru_cache(maxsize=1)
def _harmless() -> frozenset[str]:
    """Words behind a metric's name that leave it what it is."""
    parts = (phrase for name in ("split", "statistic", "average") for phrase, _ in _phrases_of(name))
    said = frozenset(word for phrase in parts for word in phrase.split())
    return said.union(*map(wordset, ("behind", "links", "classes", "earlier"))) - wordset("turners")


@lru_cache(maxsize=1)
def _explained() -> tuple[frozenset[str], tuple[str, ...]]:
    """Words that tell no runs apart, because they are neutral or say something else; and those without blanks."""
    said = {word for name in ("split", "average") for phrase, _ in _phrases_of(name) for word in phrase.split()}
    said = said.union(*map(wordset, ("neutral", "classes", "goals", "earlier")))
    parts = (word for word in (*wordset("neutral"), *said) if ord(word[0]) >= _IDEOGRAPHS)
    return frozenset(said), tuple(sorted(parts, key=len, reverse=True))


def _entity(outside: str) -> str:
    """The words that tell runs apart; section numbers and compounds of words that do not are none."""
    rest = []
    for word in words_of(outside):
        left = word
        if ord(word[0]) >= _IDEOGRAPHS:
            for part in _explained()[1]:
                left = left.replace(part, "")
        if left and len(word) < 30 and word not in _explained()[0] and not (word.isdecimal() and len(word) <= 2):
            rest.append(word)
    return " ".join([*rest, *(f"{word} {number}" for word, number in pattern("numbered").findall(outside))])
