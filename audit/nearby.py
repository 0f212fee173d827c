"""What lies around a figure in running text: the name of its metric, its split, the interval it may be an end of."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from assay.audit.asides import REACH
from assay.audit.context import in_units
from assay.audit.naming import Mention
from assay.audit.roles import read_role
from assay.audit.sheet import Context
from assay.audit.tokens import Token

__all__ = ["CLAUSE_END", "ends_interval", "heads_of", "local_context", "nearest_metric"]

#: Where a clause ends: a name beyond it is no name of the figure.
CLAUSE_END = re.compile(r"[.;!?](?:\s|$)|[。；！？]|\s[|—–]\s|\s-\s")
_NUMBER = r"[~<>+]?\s?\$?\d+(?:[.,]\d+)*\s?%?"
_OPENED = r"\d\s?%?[\s*_`]*[\[(]\s*(?:\d\d\s?%\s*)?(?:(?:ci|conf\w*|iqr|range)\s*)?(?:[:,]\s*)?"
#: A bracket behind a figure, and what lies around the two ends of the interval in it.
_PAIR_FIRST = re.compile(_OPENED + "$")
_PAIR_SECOND = re.compile(rf"\s*(?:,|;|to|\.\.)\s*{_NUMBER}\s*[\])]")
_PAIR_LAST = re.compile(rf"{_OPENED}{_NUMBER}\s*(?:,|;|to|\.\.)\s*$")
_LINK = re.compile(
    r"^[\s*_`]*(?:\([^()]{0,40}\)\s*)?(?:score|ratio|value|rate|level|correlation|coefficient|net|gross|\s"
    r"|[:：=≈~*_`(]|of|is|was|at|to|with|are"
    r"|reached|reaches|reaching|achieved|achieves|achieving|equal|equals|around|about|approximately|above"
    r"|below|over|under|a|an"
    r"|the|moderate|low|high|only|just|nearly|almost|stands|came|comes|in|out|remains|averaged|averages"
    r"|averaging|exceeds|exceed"
    r"|exceeding|drop|drops|falls|fell|rose|hit|hits|de|da|do|del|foi|fue|es|e|em|en|为|是|达到|达|约|test"
    r"|validation|train|set|on|threshold"
    r"|mean|average|annualized|annualised|annual|daily|val|score's|both|eliminated|further|up|down|from|than"
    r"|less|greater|more|perfect|moderate)*[\s*_`(]*$"
)
_AFTER = re.compile(
    r"^[\s*_`)]*(?:(?:a|an|the|in|of|overall|average|mean|annual|annualized|annualised|net|gross|test"
    r"|validation|train|training|val"
    r"|out-of-sample|in-sample|classification|directional|weighted|macro|variance|daily|macro-averaged|total"
    r"|de|da|do|maximum|max|的"
    r"|price|units|balanced|rank|final|best|compound|real|realized|cumulative|buy|sell|hold|up|down|peak"
    r"|mean)\s+){0,3}$"
)


def ends_interval(before: str, after: str, both: bool) -> bool:
    """Whether a figure stands in brackets that hold an interval: they say so, or follow a figure and hold two."""
    opened = before.rfind("[")
    if opened >= 0 and "]" not in before[opened:] and re.search(r"\b(?:ci|interval|intervalo)\b|区间", before):
        return True
    closed = re.match(r"[\s*_`]*[\])]", after) is not None
    if _PAIR_FIRST.search(before):
        return (both and closed) or _PAIR_SECOND.match(after) is not None
    return closed and _PAIR_LAST.search(before) is not None


_SPLIT_WORD = r"(train\w*|validation|val|test\w*|held out|hold ?out|in sample|out of sample|oos)\b"
_SPLIT_BEHIND = re.compile(
    rf"[\s*_`)]*(?:[a-z0-9]+ ){{0,3}}?(?:on|in|over|for|\()\s*(?:the |our |an? )?(?:[a-z]+ )?{_SPLIT_WORD}"
)
_SPLIT_BEFORE = re.compile(rf"{_SPLIT_WORD}(?: set| data| split)?[\s*_`]*(?:[a-z0-9]+ ){{0,2}}?$")


_EARLIER = re.compile(
    r"\b(previous|prior|last|baseline|benchmark|naive|old)(?: (?:week|month|run|version|model|result|year|quarter)s?)?"
    r"(?:'s)?\s*:?[\s*_`]*(?:an? |the |of |its )?(?:[a-z0-9]+ )?$"
)

#: The opening of a sentence about an earlier time.
_OPENING = re.compile(r"\W*(previous|prior|last) (?:week|month|run|version|model|result|year|quarter)s?\b")


def local_context(context: Context, folded: str, token: Token, named: list[Mention]) -> Context:
    """The context with what stands right around the figure or its metric: "in test", "validation accuracy: 0.58"."""
    words = _SPLIT_BEHIND.match(folded[token.end : token.end + 60])
    begin = max((m.start for m in named if m.start < token.start), default=token.start)
    if words is None:
        piece = re.split(r"[.,;:|()]|\d", folded[max(0, begin - 30) : begin])[-1]
        words = _SPLIT_BEFORE.search(piece) if token.start - begin < 40 else None
    if words:
        context = replace(context, split=read_role(words[1]).split or context.split)
    earlier = _EARLIER.search(re.split(r"[.;()|]", folded[max(0, begin - 24) : begin])[-1])
    earlier = earlier or _OPENING.match(re.split(r"[.;|]\s", folded[max(0, begin - REACH) : begin])[-1])
    if earlier and token.start - begin < 40 and earlier[1] not in " ".join(context.group):
        context = replace(context, group=(*context.group, earlier[1]))
    return in_units(context, folded[max(0, begin - 12) : token.start + 1].rpartition(".")[2])


_OF = re.compile(r"[\s)*_`]*\b(?:on|of|for|over|against|between|from)\s+(?:the |all |raw |log |simple |our )?")


def heads_of(folded: str, named: Sequence[Mention]) -> list[Mention]:
    """The metrics named, those that only say what another is of left out: "R² on daily returns" is an R²."""
    heads: list[Mention] = []
    for mention in named:
        last = heads[-1] if heads else None
        if last is not None and _OF.fullmatch(folded[last.end : mention.start]):
            heads[-1] = replace(last, end=mention.end)
        else:
            heads.append(mention)
    return heads


def nearest_metric(token: Token, figures: list[Token], number: int, folded: str, named: list[Mention]) -> str:
    """The metric whose name stands right before or right after the figure, with only linking words between."""
    best: tuple[float, str] = (99.0, "")
    previous_end = figures[number - 1].end if number else 0
    tail = token.end
    while number + 1 < len(figures) and figures[number + 1].spread:
        number += 1
        tail = figures[number].end
    next_start = figures[number + 1].start if number + 1 < len(figures) else len(folded)
    first = bisect_left(named, token.start - REACH, key=lambda mention: mention.start)
    for mention in named[first:]:
        if mention.start > token.end + REACH:
            break
        if mention.end <= token.start:
            gap = folded[mention.end : token.start]
            if len(gap) > 60 or CLAUSE_END.search(gap):
                continue
            if mention.end <= previous_end and not re.fullmatch(
                r"[\s*_`]*(?:and|or|e|y|和|/|,|\()[\s*_`]*", folded[previous_end : token.start]
            ):
                continue
            if mention.end > previous_end and not _LINK.match(gap):
                continue
            cost = (
                len(gap.strip(" *_`:=(")) / 10
                + (2.0 if "," in gap else 0.0)
                + (3.0 if mention.end <= previous_end else 0.0)
            )
        elif mention.start >= token.end:
            gap = folded[max(tail, token.end) : mention.start]
            if mention.start >= next_start or not _AFTER.match(gap) or len(gap) > 45:
                continue
            cost = 0.5 + len(gap.strip(" *_`")) / 10
        else:
            continue
        if cost < best[0]:
            best = (cost, mention.metric)
    return best[1]


