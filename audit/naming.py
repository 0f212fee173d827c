"""How the name of a metric is found in a text, whatever the language and the spelling.

Phrases are compared after `plain`: compatibility characters folded (``R²`` → ``r2``), case and accents dropped, hyphens
and underscores read as blanks. Chinese names are looked up as substrings, since nothing separates words there.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from assay.audit.lookalikes import LOOKALIKES
from assay.audit.synonyms import SYNONYMS

__all__ = ["Mention", "mentions", "plain"]

_CJK = re.compile(r"[\u2e80-\u9fff]")
_WORD = re.compile(r"[a-z0-9&'>%$]+|[\u2e80-\u9fff]+")
_SOFT = str.maketrans({"-": " ", "_": " ", "‑": " ", "–": " ", "−": " ", "*": " ", "`": " ", "/": " ", "’": "'"})


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
    cjk: list[tuple[str, str]] = []
    for metric, names in (*SYNONYMS.items(), ("", LOOKALIKES)):
        for name in names.split(";"):
            name = plain(name.strip())
            if _CJK.search(name):
                cjk.append((name, metric))
            else:
                parts = tuple(word.rstrip("%") or "%" for word in _WORD.findall(name))
                words.setdefault(parts[0], []).append((parts, metric))
    for options in words.values():
        options.sort(key=lambda option: -len(option[0]))
    cjk.sort(key=lambda option: -len(option[0]))
    return words, cjk


def mentions(folded: str) -> list[Mention]:
    """Metrics named in a text that `plain` has folded, left to right, longest name first.

    Examples
    --------
    >>> [m.metric for m in mentions(plain("Sharpe ratio and macro-F1 beat the val. accuracy"))]
    ['sharpe', 'f1_macro', 'accuracy']

    """
    words, cjk = _index()
    found: list[Mention] = []
    parts = list(_WORD.finditer(folded))
    position = 0
    while position < len(parts):
        head = parts[position][0].rstrip("%") or "%"
        hit = None
        for names, metric in words.get(head.removesuffix("'s"), ()) or words.get(head.rstrip("s"), ()):
            stop = position + len(names)
            if (
                stop <= len(parts)
                and _close(folded, parts[position:stop])
                and all(
                    part[0].rstrip("%") == name or part[0] in (name + "s", name + "'s")
                    for part, name in zip(parts[position:stop], names, strict=True)
                )
            ):
                hit = Mention(metric, parts[position].start(), parts[stop - 1].end(), " ".join(names))
                position = stop
                break
        if hit is None and _CJK.search(head):
            found.extend(_cjk_mentions(folded, parts[position].start(), parts[position].end(), cjk))
        if hit is not None:
            if hit.metric:
                found.append(hit)
        else:
            position += 1
    if any(not part.isascii() for part in folded) and cjk:
        mixed = list(_cjk_mentions(folded, 0, len(folded), [c for c in cjk if re.search(r"[a-z]", c[0])]))
        found = [m for m in found if not any(x.start <= m.start < x.end for x in mixed)] + mixed
    return sorted(set(found), key=lambda mention: mention.start)


def _close(folded: str, parts: list[re.Match[str]]) -> bool:
    """Whether words stand side by side: blanks or a bracket between, or a short word and its stop ("ann. return")."""
    return all(
        not folded[a.end() : b.start()].removeprefix("." if len(a[0]) <= 6 else "").strip(" (")
        for a, b in itertools.pairwise(parts)
    )


def _cjk_mentions(folded: str, start: int, end: int, names: list[tuple[str, str]]) -> list[Mention]:
    found: list[Mention] = []
    for name, metric in names:
        at = folded.find(name, start, end)
        while at >= 0:
            if not any(m.start < at + len(name) and at < m.end for m in found):
                found.append(Mention(metric, at, at + len(name), name))
            at = folded.find(name, at + len(name), end)
    return found
