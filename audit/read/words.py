"""Words of labels: how they are folded, which metrics they name, and what else they say of a figure.

Phrases are compared after `plain`: compatibility characters folded (``R²`` → ``r2``), case and accents dropped, hyphens
and underscores read as blanks. Chinese names are looked up as substrings, since nothing separates words there.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from assay.audit.read.vocabulary import LANGUAGES, pattern, phrases, table, wordset

__all__ = ["Mention", "Role", "has", "holds", "is_setting", "mentions", "plain", "read_role", "words_of"]

_IDEOGRAPHS = 0x2E80
_WORD = re.compile(r"[a-z0-9&'>%$]+|[\u2e80-\u9fff]+")
_WORDS = re.compile(r"[a-z0-9'δ∆]+(?:-[a-z0-9]+)*|[\u2e80-\u9fff]+")
_SOFT = str.maketrans({"-": " ", "_": " ", "‑": " ", "–": " ", "−": " ", "*": " ", "`": " ", "/": " ", "’": "'"})
_HARD = str.maketrans(dict.fromkeys('!"#$%&()*+,./:;<=>?@[\\]^_`{|}~-–—−√±≥≤→←×·•【】（）：；，。', " "))


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
    if char.isascii():
        folded = char.lower()
    else:
        kept = [c for c in unicodedata.normalize("NFKD", char).casefold() if not unicodedata.combining(c)]
        folded = kept[0] if kept else " "
    return folded.translate(_SOFT)


def words_of(folded: str) -> list[str]:
    """The words of a folded text, punctuation dropped."""
    return _WORDS.findall(folded.translate(_HARD))


def has(padded: str, phrase: str) -> bool:
    """Whether words, padded with a blank at either end, hold a phrase; ideographs anywhere."""
    return (phrase in padded) if ord(phrase[0]) >= _IDEOGRAPHS else f" {phrase} " in padded


@lru_cache(maxsize=64)
def _shapes(name: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The single words of a list, and the phrases that are longer or written without blanks."""
    single = frozenset(phrase for phrase in phrases(name) if phrase.isascii() and " " not in phrase)
    return single, tuple(phrase for phrase in phrases(name) if phrase not in single)


def holds(padded: str, name: str) -> bool:
    """Whether words, padded with a blank at either end, hold a phrase of a word list."""
    single, longer = _shapes(name)
    return not single.isdisjoint(padded.split()) or any(has(padded, phrase) for phrase in longer)


@dataclass(frozen=True)
class Mention:
    """A metric named in a text: its canonical name and where the name stands (columns of the folded text)."""

    metric: str
    start: int
    end: int
    words: str


@lru_cache(maxsize=1)
def _index() -> tuple[dict[str, list[tuple[tuple[str, ...], str]]], list[tuple[str, str]]]:
    words: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    ideographs: list[tuple[str, str]] = []
    named = [
        (name, metric) for metric, row in table("metric").items() for key in LANGUAGES for name in row.get(key, ())
    ]
    for name, metric in (*named, *((name, "") for name in phrases("lookalikes"))):
        if any(ord(char) >= _IDEOGRAPHS for char in name):
            ideographs.append((name, metric))
        else:
            parts = tuple(word.rstrip("%") or "%" for word in _WORD.findall(plain(name)))
            words.setdefault(parts[0], []).append((parts, metric))
    for options in words.values():
        options.sort(key=lambda option: -len(option[0]))
    ideographs.sort(key=lambda option: -len(option[0]))
    return words, ideographs


def mentions(folded: str) -> list[Mention]:
    """Metrics named in a text that `plain` has folded, left to right, longest name first.

    Examples
    --------
    >>> [m.metric for m in mentions(plain("Sharpe ratio and macro-F1 beat the val. accuracy"))]
    ['sharpe', 'f1_macro', 'accuracy']

    """
    words, ideographs = _index()
    found: list[Mention] = []
    parts = list(_WORD.finditer(folded))
    position = 0
    while position < len(parts):
        hit = _named_at(folded, parts, position, words)
        if hit is None and ord(parts[position][0][0]) >= _IDEOGRAPHS:
            found.extend(_inside(folded, parts[position].start(), parts[position].end(), ideographs))
        if hit is not None:
            position += hit[1]
            if hit[0].metric:
                found.append(hit[0])
        else:
            position += 1
    if not folded.isascii():
        latin = [name for name in ideographs if any("a" <= char <= "z" for char in name[0])]
        mixed = list(_inside(folded, 0, len(folded), latin))
        found = [m for m in found if not any(x.start <= m.start < x.end for x in mixed)] + mixed
    return sorted(set(found), key=lambda mention: mention.start)


def _named_at(
    folded: str, parts: list[re.Match[str]], position: int, words: dict[str, list[tuple[tuple[str, ...], str]]]
) -> tuple[Mention, int] | None:
    """The longest name that begins at a word, and how many words it takes."""
    head = parts[position][0].rstrip("%") or "%"
    for names, metric in words.get(head.removesuffix("'s"), ()) or words.get(head.rstrip("s"), ()):
        stop = position + len(names)
        if stop > len(parts) or not _close(folded, parts[position:stop]):
            continue
        pairs = zip(parts[position:stop], names, strict=True)
        if all(part[0].rstrip("%") == name or part[0] in (name + "s", name + "'s") for part, name in pairs):
            return Mention(metric, parts[position].start(), parts[stop - 1].end(), " ".join(names)), len(names)
    return None


def _close(folded: str, parts: list[re.Match[str]]) -> bool:
    """Whether words stand side by side: blanks or a bracket between, or a short word and its stop ("ann. return")."""
    return all(
        not folded[a.end() : b.start()].removeprefix("." if len(a[0]) <= 6 else "").strip(" (")
        for a, b in itertools.pairwise(parts)
    )


def _inside(folded: str, start: int, end: int, names: list[tuple[str, str]]) -> list[Mention]:
    found: list[Mention] = []
    for name, metric in names:
        at = folded.find(name, start, end)
        while at >= 0:
            if not any(m.start < at + len(name) and at < m.end for m in found):
                found.append(Mention(metric, at, at + len(name), name))
            at = folded.find(name, at + len(name), end)
    return found


@dataclass(frozen=True)
class Role:
    """What a label says.

    Parameters
    ----------
    metrics : the metrics it names, in order.
    split : ``train``, ``validation``, ``test``, ``walk-forward`` or ``""``.
    labels : classes or sides it names, as written.
    earlier : the word by which it speaks of a baseline or an earlier stage, or ``""``.
    goal : it speaks of a target or threshold, not a result.
    setting : it names a hyperparameter or a setting.
    statistic : ``mean``, ``std``, ``minimum``, ``maximum``, ``median`` or ``""``.
    average : ``macro``, ``weighted``, ``micro`` or ``""``.
    at : epoch, fold or period.
    entity : the words that none of this explains: a model, a configuration, an asset; ``""`` when there are none.
    turned : the noun behind the metric that makes it another thing ("accuracy threshold"), or ``""``.

    """

    metrics: tuple[Mention, ...] = ()
    split: str = ""
    labels: tuple[str, ...] = ()
    earlier: str = ""
    goal: bool = False
    setting: bool = False
    statistic: str = ""
    average: str = ""
    at: str = ""
    entity: str = ""
    turned: str = ""

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
    folded = plain(text)
    named = tuple(mentions(folded))
    words = words_of(folded)
    padded = " " + " ".join(words) + " "
    outside, shown = _without(folded, text, named)
    beyond = " " + " ".join(words_of(outside)) + " "
    return Role(
        metrics=named,
        split=_split(padded),
        labels=() if has(padded, "long short") or has(padded, "long short term") else _labels(folded, shown),
        earlier=next((word for word in words if word in wordset("earlier")), ""),
        goal=any(word in wordset("goals") for word in words) and "current" not in words and "atual" not in words,
        setting=not named and is_setting(padded),
        statistic=next((name for phrase, name in _of_table("statistic") if has(beyond, phrase)), ""),
        average=next((name for phrase, name in _of_table("average") if has(beyond, phrase)), ""),
        at=_position(folded),
        entity=_entity(outside),
        turned=_turned(folded, named),
    )


@lru_cache(maxsize=8)
def _of_table(name: str) -> tuple[tuple[str, str], ...]:
    return tuple((phrase, key) for key in table(name) for phrase in phrases(name, key))


def _split(padded: str) -> str:
    split = next((name for phrase, name in _of_table("split") if has(padded, phrase)), "")
    return "cross-validation" if split == "validation" and "cross validation" in padded else split


def _without(folded: str, text: str, named: tuple[Mention, ...]) -> tuple[str, str]:
    """The folded text and the text as written, names of metrics blanked in both."""
    inside = [False] * len(folded)
    for mention in named:
        inside[mention.start : mention.end] = [True] * (mention.end - mention.start)
    blanked = ("".join(" " if hit else char for char, hit in zip(t, inside, strict=True)) for t in (folded, text))
    return next(blanked), next(blanked)


def _labels(folded: str, shown: str) -> tuple[str, ...]:
    """Classes and sides that a label names; those inside an idiom ("buy and hold") are none."""
    for idiom in pattern("idiom").finditer(folded):
        shown = shown[: idiom.start()] + " " * len(idiom[0]) + shown[idiom.end() :]
    letters = "".join(char if char.isalpha() else " " for char in shown).split()
    return tuple(dict.fromkeys(word for word in letters if plain(word).strip() in wordset("classes")))


def _position(folded: str) -> str:
    match = pattern("position").search(folded)
    if match is None:
        return ""
    return f"{match[1]} {match[2]}" if match[1] else match[3].strip()


def _turned(folded: str, named: tuple[Mention, ...]) -> str:
    """The noun right behind the last metric named that turns it into another thing."""
    if not named:
        return ""
    behind = folded[named[-1].end :].lstrip(" ")
    word = _WORD.match(behind)
    return word[0] if word and word[0].removesuffix("s") in _turners() else ""


@lru_cache(maxsize=1)
def _turners() -> frozenset[str]:
    return frozenset(word.removesuffix("s") for word in phrases("turners"))


@lru_cache(maxsize=1)
def _explained() -> frozenset[str]:
    """Words that tell no runs apart, because they are neutral or say something else."""
    splits = {word for name in ("split", "average") for phrase, _ in _of_table(name) for word in phrase.split()}
    return wordset("neutral") | splits | wordset("classes") | wordset("goals") | wordset("earlier")


@lru_cache(maxsize=1)
def _neutral_ideographs() -> tuple[str, ...]:
    names = {word for word in wordset("neutral") if ord(word[0]) >= _IDEOGRAPHS}
    names |= {phrase for phrase, _ in _of_table("split") if ord(phrase[0]) >= _IDEOGRAPHS}
    return tuple(sorted(names, key=len, reverse=True))


def _entity(outside: str) -> str:
    rest = [word for word in words_of(outside) if len(word) < 30 and word not in _explained() and not _neutral(word)]
    rest = [] if all(word.isdecimal() and len(word) < 3 for word in rest) else rest
    return " ".join([*rest, *(f"{word} {number}" for word, number in pattern("numbered").findall(outside))])


def _neutral(word: str) -> bool:
    """Whether a word is a section number, or an ideographic compound made of words that tell no runs apart."""
    if ord(word[0]) < _IDEOGRAPHS:
        return all(part.isdecimal() and len(part) <= 2 for part in word.split("-"))
    for part in _neutral_ideographs():
        word = word.replace(part, "")
    return not word


@lru_cache(maxsize=20_000)
def is_setting(folded: str) -> bool:
    """Whether a folded label names a hyperparameter or a setting of the experiment."""
    padded = " " + " ".join(words_of(folded)) + " "
    return padded.strip() in wordset("settings_alone") or holds(padded, "settings")
