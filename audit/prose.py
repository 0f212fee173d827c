"""Figures in running text: each number goes to the metric named nearest to it, or is set aside with the reason."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from functools import lru_cache

from assay.audit.asides import REACH, set_aside, set_aside_figure
from assay.audit.metrics_vocabulary import METRICS
from assay.audit.naming import Mention, mentions, plain
from assay.audit.nearby import CLAUSE_END, ends_interval, heads_of, local_context, nearest_metric
from assay.audit.roles import read_role
from assay.audit.sheet import Context, Sheet
from assay.audit.tokens import Token

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
    r"\b(improv\w*|reduc\w*|increas\w*|decreas\w*|dropp\w*|gain\w*|fell|rose|declin\w*|outperform\w*|cuts?|lower\w*"
    r"|rais\w*|boost\w*)\s*(?:(?:the |its |our )?(?:[a-z0-9]+ ){1,3})?(?:by|of)\s*[*_`]*$"
)
#: What a year earned, said without the name of a metric: "returned 12% a year".
_EARNED = re.compile(r"\b(?:returned|returns|earned|earns|gained|made|yielded|compounded(?: at)?)\s*[*_`~]*$")
_YEARLY = re.compile(r"[\s*_`]*(?:net |gross )?(?:(?:a|per) (?:year|annum)\b|p\.? ?a\b|annually\b|annuali[sz]ed\b)")
_MULTIPLE_AFTER = re.compile(
    r"^[\s*_`]*(difference|improvement|random|baseline|better|higher|lower|larger|more|the|of|as|gap|over|worse)?\b"
)
#: What a pair of figures after "from" and "to" may be the ends of.
_RANGES = re.compile(r"\b(?:prices?|targets?|closes?|target values) (?:rang|var|mov)\w+ from\s*[*_`]*$")
_ARROW = re.compile(r"^[\s*_`]*(?:→|->|=>|-->|➜|⇒|â†’)[\s*_`]*$")


@lru_cache(maxsize=64)
def _named(folded: str) -> list[Mention]:
    """The metrics named in a line; the cells of one row ask for the same line again and again."""
    return heads_of(folded, mentions(folded))


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
    if not tokens:
        return []
    folded = plain(text)
    named = _named(folded)
    indexes: list[int] = []
    skip: set[int] = set()
    figures = [token for token in tokens if not set_aside(sheet, line, token)]
    if shares := _class_shares(figures, folded, text, named, context):
        for token, label in shares:
            sheet.claim(line, text, token, "class_share", replace(context, label=label), block=block)
        figures = [token for token in figures if all(token is not share for share, _ in shares)]
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
    _derive(sheet, indexes, folded)
    return indexes


_NO_CLASS = re.compile(r"(?:class|distribution|balance|proportion|share|is|are|of|and|the|with|to|in|about|roughly)s?")


def _class_shares(
    figures: list[Token], folded: str, text: str, named: list[Mention], context: Context
) -> list[tuple[Token, str]]:
    """The shares of the classes that a line lists: "Class balance: Sell 92.4%, Hold 4.1%", with their names."""
    begin = 0 if context.topic == "class_share" else next((m.end for m in named if m.metric == "class_share"), None)
    if begin is None:
        return []
    found: list[tuple[Token, str]] = []
    for token in figures:
        if token.start < begin or CLAUSE_END.search(folded[begin : token.start]):
            continue
        before = re.search(r"([^\W\d_][\w/-]{0,20})\s*[:=(]?[\s*_`]*$", text[max(0, token.start - 30) : token.start])
        after = re.match(r"[\s*_`(]*([^\W\d_][\w-]{0,20})", text[token.end : token.end + 26])
        name = next((m[1] for m in (before, after) if m and not _NO_CLASS.fullmatch(plain(m[1]).strip())), "")
        if "%" in token.text and name and not token.value_range and not mentions(plain(name)):
            found.append((token, name))
    return found if len({label for _, label in found}) == len(found) >= 2 else []


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
    if ends_interval(before, after, token.value_range):
        sheet.leave(line, token, "the end of an interval")
        return None
    if token.spread:
        sheet.leave(line, token, "a spread (±) of the figure before it")
        return None
    local = local_context(context, folded, token, named)
    change = _CHANGE.match(after) or _CHANGE_BEFORE.search(before[-30:])
    if token.text.rstrip("+").endswith(("×", "x")) and not token.text.startswith("0x"):
        if _MULTIPLE_AFTER.match(after) or named or context.topic:
            return sheet.claim(line, text, token, "multiple", local, block=block, definition=_around(text, token))
        sheet.leave(line, token, "a multiple of something not named")
        return None
    points = re.search(r"\bpps?$", token.text) is not None or re.match(r"[\s*_`]*(?:percentage )?points?\b", after)
    if points or (change and token.text.endswith("%")):
        return sheet.claim(line, text, token, "change", local, block=block, definition=_around(text, token))
    noun = re.search(r"\b(?:drop|increase|decrease|decline|rise|fall|degradation)s?\s*(?:of|by)?\s*[*_`]*$", before)
    if noun and "%" in token.text and (named or context.topic):
        return sheet.claim(line, text, token, "change", local, block=block, definition=_around(text, token))
    metric = nearest_metric(token, figures, number, folded, named)
    if not metric and "%" in token.text and _EARNED.search(before) and _YEARLY.match(after):
        metric = "annual_return"
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
        if _BYTES.search(token.text):
            metric = "file_size" if metric in ("parameters", "file_size") else ""
    counted = re.fullmatch(r"[~<>≥≤ ]*[\d,]+", token.text) is not None
    if metric and (_other_unit(token, metric) or (metric in ("best_epoch", "epochs_run") and not counted)):
        metric = ""
    if not metric and "%" in token.text and METRICS.get(context.topic, _OTHER).kind == "loss":
        word = re.match(r"\s*([^\W\d_]+)", text[token.end :])
        local = replace(local, label=word[1] if word else "")
        return sheet.claim(line, text, token, "weight_share", local, block=block)
    if metric and METRICS[metric].kind == "count" and "%" in token.text:
        metric = "win_rate" if metric == "winning_trades" else ""
    if metric and METRICS[metric].low == 0.0 and token.text[:1] in "-−–" and METRICS[metric].kind != "count":
        # What cannot be negative has fallen by so much.
        return sheet.claim(line, text, token, "change", local, block=block, definition=_around(text, token))
    if metric:
        if not token.text[:1].isalnum() and re.match(r"[\s*_`]*(?:is|are|means?|indicates?|considered|=)\b", after):
            local = replace(local, goal=local.goal or token.text[:1] in "<>≥≤")
        return sheet.claim(line, text, token, metric, local, block=block, **_class_of(folded, token, metric, local))
    set_aside_figure(sheet, line, text, token, folded, context)
    return None


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
        if near and not CLAUSE_END.search(plain(text[before[-1].end : pair[0].start])):
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


_BRACKETED = re.compile(r"[\s*_`]*(?:[a-z]+ ){0,3}\((?:from)?[\s*_`]*")
_NAMED_AFTER = re.compile(r"[\s*_`]*,?\s*(?:an?|or|i\.e\.,?)\s*[\s*_`]*")


def _partner(sheet: Sheet, change: int, pairs: list[tuple[int, int]], folded: str) -> tuple[int, int] | None:
    """The pair that a change is of: the one in the bracket behind it, or the one it names right after."""
    placed = sheet.placed[change]
    for first, second in pairs:
        behind = folded[placed.end : sheet.placed[first].column]
        between = folded[sheet.placed[second].end : placed.column]
        if sheet.placed[first].column >= placed.end and _BRACKETED.fullmatch(behind):
            return first, second
        if placed.column >= sheet.placed[second].end and _NAMED_AFTER.fullmatch(between):
            return first, second
    return None


def _derive(sheet: Sheet, indexes: list[int], folded: str) -> None:
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
    for change in changes:
        pair = _partner(sheet, change, pairs, folded)
        if pair is None and len(changes) == 1 and len(pairs) == 1:
            pair = pairs[0]
        if pair is not None:
            placed = sheet.placed[change]
            around = folded[max(0, placed.column - 30) : placed.end + 20]
            falls = re.search(r"reduc|decreas|drop|lower|cut|下降|降低", around) is not None
            placed.relation, placed.inputs = "reduction" if falls else "change", pair
