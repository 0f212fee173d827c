"""Figures in running text: each number goes to the metric named nearest to it, or is set aside with the reason."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from dataclasses import replace

from results.audit.asides import REACH, set_aside, set_aside_figure
from results.audit.context import in_units
from results.audit.metrics_vocabulary import METRICS
from results.audit.naming import Mention, mentions, plain
from results.audit.roles import read_role
from results.audit.sheet import Context, Sheet
from results.audit.tokens import Token

__all__ = ["place_prose"]

_OTHER = METRICS["other"]
_SHARE_NAMES = {"train": "train", "training": "train", "validation": "validation", "val": "validation", "test": "test"}
_PER_CLASS = (
    "precision",
    "recall",
    "f1",
    "hit_rate",
    "win_rate",
    "quantile_return",
    "mean_return",
    "trades",
    "class_share",
)
_YEAR = re.compile(r"(?:in |over |since )?(?:19|20)\d\d")
_BYTES = re.compile(r"[kmgt]i?b\+?$", re.I)
_NAMED = re.compile(
    r"\b(?:phase|config|configuration|epoch|layer|step|section|table|figure|fig|chapter|part|option|stage"
    r"|experiment|exp|run"
    r"|model|version|python|cuda|level|fold|seed|page|item|appendix|note|top|days?|day|page|line|issue|day"
    r"|fase|etapa|tabela|tabla"
    r"|figura|modelo|paso|passo|secao|seccion|capitulo|class|tier|release|bottom|rank|python|eq|equation"
    r"|question|hypothesis"
    r"|scenario|case|sample|group|portfolio|cluster|regime|label|state|mode)\s*[#.]?\s*$"
)
_CHANGE = re.compile(
    r"^[\s*_`]*(?:relative |absolute |overall |significant )?(improvement|improve\w*|reduction|increase"
    r"|decrease|drop|gain|decline"
    r"|lower|higher|better|worse|uplift|boost|reduced|less|more|faster|smaller|growth|rise|fall|melhoria"
    r"|reducao|aumento|mejora"
    r"|reduccion|提升|下降|提高|降低|改善|above|below)\b"
)
_CHANGE_BEFORE = re.compile(
    r"\b(improv\w*|reduc\w*|increas\w*|decreas\w*|dropp\w*|gain\w*|fell|rose|declin\w*|outperform\w*)\s*(?:by"
    r"|of)\s*[*_`]*$"
)
_MULTIPLE_AFTER = re.compile(
    r"^[\s*_`]*(difference|improvement|random|baseline|better|higher|lower|larger|more|the|of|as|gap|over|worse)?\b"
)
_ARROW = re.compile(r"^[\s*_`]*(?:→|->|=>|-->|➜|⇒|â†’)[\s*_`]*$")
_STOP = re.compile(r"[.;!?](?:\s|$)|[。；！？]|\s[|—–]\s|\s-\s")
_NUMBER = r"[~<>+]?\s?\$?\d+(?:[.,]\d+)*\s?%?"
_OPENED = r"\d\s?%?[\s*_`]*[\[(]\s*(?:(?:\d\d\s?%\s*)?(?:ci|conf\w*|iqr|range)?\s*[:,]?\s*)"
#: A bracket behind a figure, and what lies around the two ends of the interval in it.
_PAIR_FIRST = re.compile(_OPENED + "$")
_PAIR_SECOND = re.compile(rf"\s*(?:,|;|to|\.\.)\s*{_NUMBER}\s*[\])]")
_PAIR_LAST = re.compile(rf"{_OPENED}{_NUMBER}\s*(?:,|;|to|\.\.)\s*$")
_RANGES = re.compile(r"\b(?:prices?|targets?|closes?|target values) (?:rang|var|mov)\w+ from\s*[*_`]*$")
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


def place_prose(
    sheet: Sheet, line: int, text: str, tokens: list[Token], context: Context, *, block: int = 0
) -> list[int]:
    """Place the figures of a stretch of running text.

    Parameters
    ----------
    sheet : the draft.
    line : line number.
    text : the whole line (columns of `tokens` refer to it).
    tokens : the tokens to place.
    context : what headings and labels say; its `topic` is the metric of the label, where there is one.

    Returns
    -------
    Indexes of the claims placed.

    """
    folded = plain(text)
    named = mentions(folded)
    indexes: list[int] = []
    skip: set[int] = set()
    figures = [token for token in tokens if not set_aside(sheet, line, token)]
    for number, token in enumerate(figures):
        if number in skip:
            continue
        following = figures[number + 1] if number + 1 < len(figures) else None
        arrow = following is not None and _ARROW.match(text[token.end : following.start])
        moved = (
            following is not None
            and re.search(r"\b(?:from|de)\s*[*_`]*$", folded[max(0, token.start - 12) : token.start])
            and re.fullmatch(r"[\s*_`]*(?:to|a|para)[\s*_`]*", folded[token.end : following.start])
        )
        if _YEAR.fullmatch(token.text) and not re.search(
            r"[:=]\s*[*_`]*$", folded[max(0, token.start - 6) : token.start]
        ):
            sheet.exclude(line, token, "a year")
            continue
        if following is not None and (arrow or moved):
            placed = _arrow(sheet, line, text, (token, following), named, context, block)
            if placed:
                indexes += placed
                skip.add(number + 1)
                third = figures[number + 2] if number + 2 < len(figures) else None
                if third is not None and "%" in third.text and _parenthesised_again(text, third):
                    skip.add(number + 2)
                    around = _around(text, third)
                    change = sheet.claim(line, text, third, "change", context, block=block, definition=around)
                    # Without a sign it may be the end as a share of the start as well.
                    if change is not None and len(placed) == 2 and third.text[0] in "+-−–":
                        sheet.placed[change].relation, sheet.placed[change].inputs = "change", tuple(placed)
                continue
        index = _one(sheet, line, text, folded, figures, number, named, context, block)
        if index is not None:
            indexes.append(index)
    _derive(sheet, indexes)
    return indexes


def _one(
    sheet: Sheet,
    line: int,
    text: str,
    folded: str,
    figures: list[Token],
    number: int,
    named: list[Mention],
    context: Context,
    block: int,
) -> int | None:
    token = figures[number]
    before, after = folded[max(0, token.start - REACH) : token.start], folded[token.end : token.end + REACH]
    if re.search(r"\d\s*[×*]\s*$", before) or re.match(r"\s*[×*]\s*[\d(]", after):
        sheet.exclude(line, token, "part of a formula")
        return None
    if _NAMED.search(before[-24:]) and not token.text.endswith("%") and re.fullmatch(r"[\d,-]+", token.text):
        sheet.exclude(line, token, "part of a name or an enumeration")
        return None
    if re.match(r"[\s*_`]*(?:ci\b|confidence|conf\b|credible|quantile|percentile)", after) and "%" in token.text:
        sheet.exclude(line, token, "a confidence level")
        return None
    if _ends_interval(before, after, token.value_range):
        sheet.leave(line, token, "the end of an interval")
        return None
    if token.spread:
        sheet.leave(line, token, "a spread (±) of the figure before it")
        return None
    local = _local(context, folded, token, named)
    change = _CHANGE.match(after) or _CHANGE_BEFORE.search(before[-30:])
    if token.text.rstrip("+").endswith(("×", "x")) and not token.text.startswith("0x"):
        if _MULTIPLE_AFTER.match(after) or named or context.topic:
            return sheet.claim(line, text, token, "multiple", local, block=block, definition=_around(text, token))
        sheet.leave(line, token, "a multiple of something not named")
        return None
    if change and (token.text.endswith(("%", "pp")) or "percentage point" in after[:24]):
        return sheet.claim(line, text, token, "change", local, block=block, definition=_around(text, token))
    noun = re.search(r"\b(?:drop|increase|decrease|decline|rise|fall|degradation)s?\s*(?:of|by)?\s*[*_`]*$", before)
    if noun and "%" in token.text and (named or context.topic):
        return sheet.claim(line, text, token, "change", local, block=block, definition=_around(text, token))
    metric = _nearest(token, figures, number, folded, named)
    if re.match(r"[\s*_`]*(?:of )?(?:the )?(?:variance|variation)\b", after) and "%" in token.text:
        metric = "r2"
    basis = re.match(r"[\s*_`]*\(?(gross|net|before costs|after costs)\b", after)
    if basis and not metric:
        metric = context.topic
    if basis and basis[1] in ("gross", "before costs") and metric in ("sharpe", "annual_return"):
        metric += "_gross"
    share = re.search(r"\b(train|training|validation|val|test)\s*[:=]?\s*$", before)
    if share and not metric and "%" in token.text:
        local = replace(local, label=_SHARE_NAMES[share[1]], split="")
        metric = "split_share"
    if _BYTES.search(token.text) and metric:
        metric = "file_size" if metric in ("parameters", "file_size") else ""
    if token.value_range and re.search(r"\brange\b", before):
        metric = metric or "target_range"
    if metric == "epochs_run" and not re.search(
        r"(?:train|ran|run|stop|conver)\w*\s*(?:for|after|at|in)?\s*[*_`]*$", before[-28:]
    ):
        metric = ""
    versus = re.search(r"\b(?:vs\.?|versus|compared (?:to|with)|against)\s*[*_`]*$", before)
    if versus and not metric and context.topic:
        where = read_role(folded[token.end : token.end + 30])
        local = replace(local, group=(*local.group, where.earlier or "compared"))
        metric = context.topic
    if metric == "accuracy" and re.match(r"[\s*_`)]*\(?random|[\s*_`]*random baseline", after):
        metric = "random_baseline"
    if (not metric and re.match(r"[\s*_`]*\(?random", after)) or re.search(r"random\s*\(\s*$", before):
        metric = "random_baseline"
    if not metric and context.topic and _parenthesised_again(text, token):
        metric = context.topic
    counted = re.fullmatch(r"[~<>≥≤ ]*[\d,]+", token.text) is not None
    if metric and (_other_unit(token, metric) or (metric in ("best_epoch", "epochs_run") and not counted)):
        metric = ""
    if not metric and "%" in token.text and METRICS.get(context.topic, _OTHER).kind == "loss":
        word = re.match(r"\s*([^\W\d_]+)", text[token.end :])
        local = replace(local, label=word[1] if word else "")
        return sheet.claim(line, text, token, "weight_share", local, block=block)
    if metric and METRICS[metric].kind == "count" and "%" in token.text:
        metric = "win_rate" if metric == "winning_trades" else ""
    if metric:
        if not token.text[:1].isalnum() and re.match(r"[\s*_`]*(?:is|are|means?|indicates?|considered|=)\b", after):
            local = replace(local, goal=local.goal or token.text[:1] in "<>≥≤")
        return sheet.claim(line, text, token, metric, local, block=block, **_class_of(folded, token, metric, local))
    set_aside_figure(sheet, line, text, token, folded, context)
    return None


def _ends_interval(before: str, after: str, both: bool) -> bool:
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


def _local(context: Context, folded: str, token: Token, named: list[Mention]) -> Context:
    """The context with what stands right around the figure or its metric: "in test", "validation accuracy: 0.58"."""
    words = _SPLIT_BEHIND.match(folded[token.end : token.end + 60])
    begin = max((m.start for m in named if m.start < token.start), default=token.start)
    if words is None:
        piece = re.split(r"[.,;:|()]|\d", folded[max(0, begin - 30) : begin])[-1]
        words = _SPLIT_BEFORE.search(piece) if token.start - begin < 40 else None
    if words:
        context = replace(context, split=read_role(words[1]).split or context.split)
    return in_units(context, folded[max(0, begin - 12) : token.start + 1].rpartition(".")[2])


def _nearest(token: Token, figures: list[Token], number: int, folded: str, named: list[Mention]) -> str:
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
            if len(gap) > 60 or _STOP.search(gap):
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


def _class_of(folded: str, token: Token, metric: str, context: Context) -> dict[str, str]:
    """The class named right before the metric or the figure: "Sell precision 99.7%"."""
    if context.label or metric not in _PER_CLASS:
        return {}
    piece = re.split(r"[.,;]", folded[max(0, token.start - 60) : token.start])[-1]
    labels = read_role(piece).labels
    return {"label": labels[-1].capitalize()} if len(labels) == 1 else {}


def _other_unit(token: Token, metric: str) -> bool:
    """A figure whose printed unit cannot belong to the metric: "accuracy over 5 days"."""
    duration = token.unit in (
        "day",
        "days",
        "year",
        "years",
        "month",
        "months",
        "hour",
        "hours",
        "weeks",
        "epochs",
        "epoch",
        "ms",
        "seconds",
        "minutes",
        "stocks",
        "assets",
        "features",
        "layers",
    )
    return duration and metric not in ("training_time", "latency", "epochs_run", "best_epoch", "sessions", "trades")


def _parenthesised_again(text: str, token: Token) -> bool:
    """Whether the figure stands in brackets right behind another: ``0.9982 (99.82%)``."""
    return (
        re.search(r"\d%?[*_`]*\s*\(\s*$", text[max(0, token.start - 40) : token.start]) is not None
        and text[token.end : token.end + 1] == ")"
    )


def _around(text: str, token: Token) -> str:
    return " ".join(text[max(0, token.start - 30) : token.end + 40].strip("-*|# \t").split())


def _arrow(
    sheet: Sheet, line: int, text: str, pair: tuple[Token, Token], named: list[Mention], context: Context, block: int
) -> list[int]:
    """Two figures with an arrow between: the same metric before and after."""
    metric = context.topic
    if not metric:
        before = [mention for mention in named if mention.end <= pair[0].start]
        near = before and pair[0].start - before[-1].end <= 80
        if near and not _STOP.search(plain(text[before[-1].end : pair[0].start])):
            metric = before[-1].metric
    if not metric and _RANGES.search(plain(text[: pair[0].start])):
        ends = zip(pair, ("target_low", "target_high"), strict=True)
        placed = [sheet.claim(line, text, token, end, context, block=block) for token, end in ends]
        return [index for index in placed if index is not None]
    if not metric:
        return []
    earlier = replace(context, group=(*context.group, "before"), goal=False)
    first = sheet.claim(line, text, pair[0], metric, earlier, block=block)
    second = sheet.claim(line, text, pair[1], metric, context, block=block)
    return [index for index in (first, second) if index is not None]


def _derive(sheet: Sheet, indexes: list[int]) -> None:
    """Tie a change to the arrow pair of its own line: "54% improvement (59.1% → 91.3%)"."""
    changes = [i for i in indexes if sheet.placed[i].metric == "change" and not sheet.placed[i].relation]
    tied = {i for index in indexes for i in sheet.placed[index].inputs}
    pairs = [
        (a, b)
        for a, b in itertools.pairwise(indexes)
        if sheet.placed[a].metric == sheet.placed[b].metric != "change" and a not in tied
        and "before" in sheet.placed[a].context.group[-1:]
        and sheet.placed[a].value.is_point
        and sheet.placed[b].value.is_point
    ]
    if len(changes) == 1 and len(pairs) == 1:
        placed = sheet.placed[changes[0]]
        falls = re.search(r"reduc|decreas|drop|lower|下降|降低", plain(placed.definition)) is not None
        placed.relation = "reduction" if falls else "change"
        placed.inputs = pairs[0]
