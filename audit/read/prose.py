"""Figures in running text: each goes to the metric named nearest in its clause, or is set aside with the reason.

Years, names, formulas, settings and counts are no claims.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from assay.audit.claims.model import METRICS
from assay.audit.read.labels import SETTING, Context, Reading, named, of_units, unit_of, wrong_unit
from assay.audit.read.sheet import Spot, numbers
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.words import (
    Mention,
    is_setting,
    mentions,
    pattern,
    plain,
    read_role,
    says,
    table,
    why,
    words_of,
    wordset,
)

__all__ = ["place_prose", "place_value"]

#: Columns either side of a figure that are looked at, and the cost of a name that is not linked to a figure.
REACH, _APART = 120, 99.0


@dataclass
class _Text:
    """A stretch of running text and what is placed of it."""

    spot: Spot
    context: Context
    figures: list[Token]
    placed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = self.spot.text
        self.folded = plain(self.text)
        self.named, self.ends = _named(self.folded)

    def before(self, token: Token, reach: int = REACH) -> str:
        return self.folded[max(0, token.start - reach) : token.start]

    def after(self, token: Token, reach: int = REACH) -> str:
        return self.folded[token.end : token.end + reach]

    def why(self, name: str, token: Token) -> str:
        return why(name, token.text, before=self.before(token), after=self.after(token), unit=plain(token.unit).strip())

    def claim(self, token: Token, metric: str, context: Context, **extra: object) -> int | None:
        # What its own label names is printed again here: the first print alone stands for the record.
        again = ".again" if metric == self.context.topic else ""
        ahead = self.folded[: token.start]
        sentence = sum(len(pattern(ends).findall(ahead)) for ends in ("sentence_end", "other_side"))
        record = f"{self.spot.record}{again}" if self.spot.record else f"s{self.spot.line}.{sentence}"
        if metric in ("change", "multiple"):
            around = self.text[max(0, token.start - 30) : token.end + 40]
            extra["definition"] = " ".join(around.strip("-*|# \t").split())
        index = self.spot.claim(token, metric, context, record=record, **extra)
        self.placed += [] if index is None else [index]
        return index


@lru_cache(maxsize=64)
def _named(folded: str) -> tuple[list[Mention], list[tuple[int, int]]]:
    """The metrics named in a line, not those of what another is ("R² on daily returns"), and where intervals end."""
    heads: list[Mention] = []
    folds = pattern("fold_names").search(folded) is not None  # beside F2 and F3, F1 is a fold
    # "It supports 50 languages" names no support of a class.
    for mention in (m for m in mentions(folded) if m.words != "support" and not (folds and m.words == "f1")):
        if heads and pattern("of_link").fullmatch(folded[heads[-1].end : mention.start]):
            heads[-1] = replace(heads[-1], end=mention.end)
        else:
            heads.append(mention)
    return heads, [match.span(1) for match in pattern("ends").finditer(folded)]


def place_prose(spot: Spot, tokens: Sequence[Token], context: Context) -> None:
    """Place the figures of a stretch of running text.

    The columns of `tokens` are those of the whole line; the topic of `context` is the metric of the label.
    """
    figures = numbers(tokens)
    if not figures:
        return
    text = _Text(spot, context, figures)
    shares = _class_shares(text)
    for token, label in shares:
        text.claim(token, "class_share", replace(context, label=label))
    text.figures = [token for token in figures if all(token is not share for share, _ in shares)]
    number = 0
    while number < len(text.figures):
        paired = _pair(text, number)
        if not paired:
            _one(text, number)
        number += 1 + paired
    _derive(text)


def place_value(spot: Spot, figures: Sequence[Token], reading: Reading, label: str) -> int | None:
    """Place the figure that stands right under a label of its own as its value, the others as prose about it."""
    metric, local, first, rest = reading.metric, reading.context, figures[0], figures[1:]
    behind = plain(spot.text[first.end :][:120])
    moved = first.text[:1] in "+-−–" and any(says(title, "change_titles") for title in local.above[-1:])
    moved = moved and spot.record[:1] != "t"  # the columns of a table say themselves whether they are changes
    wrong = "a change of it" if moved else wrong_unit(metric, first)
    if wrong := wrong or why("no_figure", first.text, before=":", after=behind):
        spot.leave(first, wrong)
        place_prose(spot, rest, replace(local, topic=""))
        return None
    if behind.strip(" (").startswith("gross"):
        metric = table("combine").get(metric, {}).get("gross", metric)
    if pattern("random_after").match(behind):
        metric = "random_baseline"
    if first.text.endswith(("×", "x")) and metric in wordset("no_multiples"):
        metric = "multiple"
    reached = pattern("met_after").match(behind) is not None  # "30 (exceeds the minimum of 20)" is no aim
    index = spot.claim(first, metric, replace(local, goal=local.goal and not reached), unit=unit_of(label, first.text))
    place_prose(spot, rest, local)
    return index


def _class_shares(text: _Text) -> list[tuple[Token, str]]:
    """The shares of the classes that a line lists: "Class balance: Sell 92.4%, Hold 4.1%", with their names."""
    starts = [0] if text.context.topic == "class_share" else [m.end for m in text.named if m.metric == "class_share"]
    tokens = [token for token in text.figures if starts and token.start >= starts[0] and "%" in token.text]
    names = [
        next((m[1] for m in (pattern("name_before").search(text.text[max(0, token.start - 30) : token.start]),
                             pattern("name_after").match(text.text[token.end : token.end + 26]))
              if m and plain(m[1]).strip() not in wordset("idle") and not mentions(plain(m[1]))), "")
        for token in tokens
    ]  # fmt: skip
    return list(zip(tokens, names, strict=True)) if all(names) and len(set(names)) == len(names) >= 2 else []


def _pair(text: _Text, number: int) -> bool:
    """Place two figures with an arrow, or "from" and "to", between: the same metric before and after."""
    if number + 1 >= len(text.figures):
        return False
    first, second = text.figures[number : number + 2]
    between = text.folded[first.end : second.start]
    moved = pattern("from_word").search(text.before(first, 12)) and between.strip(" *_`") in ("to", "a", "para")
    arrow = pattern("arrow").match(text.text[first.end : second.start])
    beside = pattern("versus_ahead").search(text.before(first, 30))  # "12 vs 10 → +2"
    if not (moved or arrow) or beside or text.why("no_figure", first):
        return False
    metric, context = text.context.topic, text.context
    near = [mention for mention in text.named if mention.end <= first.start][-1:]
    if not metric and near and first.start - near[0].end <= 80:
        apart = pattern("clause_end").search(text.folded[near[0].end : first.start])
        metric = "" if apart else named(context, near[0].words).metric
    if metric not in METRICS or wrong_unit(metric, first) or wrong_unit(metric, second):
        return False
    if aimed := context.goal or pattern("goal_before").search(text.before(first)) is not None:
        text.spot.leave(first, "where an aim begins, which may be an aim too")
    else:
        text.claim(first, metric, replace(context, group=(*context.group, "before")))
    text.claim(second, metric, replace(context, goal=aimed))
    return True


def _bracketed(text: _Text, token: Token) -> bool:
    """Whether the figure stands in brackets right behind another: ``0.9982 (99.82%)``."""
    before = pattern("figure_bracket").search(text.text[max(0, token.start - 40) : token.start])
    return before is not None and text.text[token.end : token.end + 1] == ")"


def _one(text: _Text, number: int) -> None:
    """Place one figure: a multiple, a change or the value of the metric nearest to it; or say why it is none."""
    token = text.figures[number]
    after = text.after(token)
    known = bool(text.named) or text.context.topic in METRICS
    multiple = token.text.rstrip("+").endswith(("×", "x")) and not token.text.startswith("0x")
    if reason := text.why("no_figure", token) or _in_code(text, token):
        text.spot.exclude(token, reason)
    elif token.spread or any(begin <= token.start < end for begin, end in text.ends):
        text.spot.leave(token, "the spread (±) or an end of the interval of the figure before it")
    elif multiple and (not known or pattern("often").match(after)):
        text.spot.leave(token, "a multiple of something not named")
    elif multiple and (ratio := _ratio_behind(text, token)):
        text.claim(token, ratio, _local(text, token))
    elif multiple or _is_change(text, token, known):
        text.claim(token, "multiple" if multiple else "change", _local(text, token))
    else:
        metric, reason = _metric(text, number)
        _place(text, token, metric, _local(text, token), reason)


def _ratio_behind(text: _Text, token: Token) -> str:
    """The ratio that a multiple is of: "3.0x profit factor"."""
    behind = next((mention for mention in text.named if 0 <= mention.start - token.end <= 3), None)
    changed = behind and pattern("change_noun").match(text.folded, behind.end)
    return behind.metric if behind and not changed and METRICS[behind.metric].kind == "ratio" else ""


def _in_code(text: _Text, token: Token) -> str:
    """Why a figure in braces or in inline code is no result; "" where it may be one."""
    before = text.before(token, 600)
    begin, end = text.text.rfind("`", 0, token.start), text.text.find("`", token.end)
    inside = begin >= 0 <= end and text.text.count("`", 0, token.start) % 2 == 1
    key = pattern("key_ahead").search(before[-60:]) if inside or before.rfind("{") > before.rfind("}") else None
    if key and not mentions(key[1]):
        return SETTING
    if pattern("times_name").match(text.text, token.end):
        return "code"
    if pattern("option").search(text.text[max(0, token.start - 40) : token.start]):
        return SETTING
    return "code" if inside and pattern("in_code").search(text.text[begin:end]) else ""


def _is_change(text: _Text, token: Token, known: bool) -> bool:
    before, after = text.before(token), text.after(token)
    if ahead := next((mention for mention in text.named if 0 <= token.start - mention.end <= 6), None):
        gap, verb = text.folded[ahead.end : token.start], text.folded[max(0, ahead.start - 24) : ahead.start]
        if gap.strip(" *_`~") == "by" or (not gap.strip(" *_`~") and pattern("changing").search(verb)):
            return True  # "improves macro F1 by 0.006", "cuts drawdown 25%"
    behind = next((mention for mention in text.named if 0 <= mention.start - token.end <= 12), None)
    if behind and pattern("change_noun").match(text.folded, behind.end):
        return True  # "15% RMSE improvement"
    signed = "%" in token.text and token.text[0] in "+-−–" and known and _bracketed(text, token)
    if signed or token.text.endswith(("pp", "pps")) or pattern("points").match(after):
        return True
    word = {*words_of(after[:24])[:1]} & wordset("improving") and not pattern("clause_end").match(after[:2])
    improved = bool(word) and pattern("improving").match(after) is not None
    moved = improved or pattern("improved_by").search(before[-30:]) or (pattern("fall_of").search(before) and known)
    return "%" in token.text and bool(moved) and (known or improved or any(w in text.folded for w in table("implied")))


def _metric(text: _Text, number: int) -> tuple[str, str]:
    """The metric of a figure by the words around it, or why it has none."""
    token, context = text.figures[number], text.context
    before, after, share = text.before(token), text.after(token), "%" in token.text
    mention = _nearest(text, number)
    metric, reason = "", ""
    if mention is not None:
        phrase = _phrase(text, mention, token)
        reading = named(replace(context, topic=""), phrase, after=text.text[token.start : token.end + 40])
        metric, reason = reading.metric, reading.reason
        if mention.start > token.end and pattern("limit_noun").match(text.folded, mention.end):
            metric, reason = "", SETTING  # "the 25% drawdown rule"
        if metric and mention.start > token.end and (statistic := pattern("statistic_before").search(before)):
            metric = named(context, f"{statistic[1]} {mention.words}").metric
    if share and pattern("variance_after").match(after):
        metric = "r2"
    if share and pattern("bare_return").search(before) and any(m.metric == "max_drawdown" for m in text.named):
        metric = metric or "total_return"
    if pattern("basis_after").match(after):
        metric = metric or context.topic
    if token.value_range and says(before, "range_words"):
        metric = metric or "target_range"
    ran = pattern("ran_before").search(before[-28:])
    if (metric == "epochs_run" and not ran) or (metric == "best_epoch" and mention and "best" not in mention.words):
        metric = ""
    chance = pattern("random_after").match(after) and (metric == "accuracy" or (share and not metric))
    if chance or pattern("random_before").search(before):
        metric = "random_baseline"
    if _bracketed(text, token) and (metric or context.topic in METRICS):
        # The figure before it, printed again: ``0.9982 (99.82%)``, ``35,857 (140 KB)``.
        begun = text.text.rfind("(", 0, token.start)
        first = [other.text for other in numbers(scan_line(text.text[max(0, begun - 40) : begun]))]
        again = share or not first or first[-1] == token.text or pattern("memory").search(token.text)
        own = context.topic if context.topic in METRICS else metric
        metric, reason = (own, "") if again else ("", "in brackets behind a figure")
    if metric in wordset("told_counts") and not _told(text, token, mention):
        return "", "a count that no result is told by"
    return metric, reason


def _phrase(text: _Text, mention: Mention, token: Token) -> str:
    """The words of a mention with what stands right before it, and the noun right behind it."""
    head = pattern("clause_break").split(text.folded[max(0, mention.start - 24) : mention.start])[-1]
    lead = " ".join(word for word in words_of(head)[-2:] if word in wordset("leading"))
    behind = text.folded[mention.end : mention.end + 24]
    tail = pattern("next_noun").match(behind) if mention.end <= token.start else None
    return f"{lead} {mention.words} {tail[1] if tail else ''}".strip()


def _told(text: _Text, token: Token, mention: Mention | None) -> bool:
    """Whether a count in running text is a result: after its name and a colon, or "on 1,204 trades"."""
    if mention is not None and text.text[:mention.start].endswith("_"):  # "breakeven_trades=1"
        return False
    if mention is None or text.context.topic or mention.end <= token.start:
        return True
    if is_setting(text.before(token, 24)) or pattern("rate_behind").match(text.text, mention.end):  # "trades/month"
        return False
    digits = token.text.replace(",", "").replace("~", "").isdecimal()
    alone = len(token.text) > 2 and not text.before(token).strip(" -*+•_`")
    counted = pattern("counted_before").search(text.before(token, 40)) is not None
    return (digits and (alone or counted)) or (counted and mention.metric == "parameters")


def _place(text: _Text, token: Token, metric: str, local: Context, reason: str) -> None:
    before, after, topic = text.before(token), text.after(token), text.context.topic
    if not metric and topic in METRICS and pattern("versus").search(before):
        where = read_role(text.folded[token.end : token.end + 30])
        metric, local = topic, replace(local, group=(*text.context.group, where.earlier or "compared"))
    if metric and METRICS[metric].kind == "count" and "%" in token.text:
        metric = "win_rate" if metric == "winning_trades" else ""
    if metric == "parameters" and pattern("memory").search(token.text):
        metric = "file_size"
    kind = METRICS[metric].kind if metric else ""
    share_like = metric == "annual_volatility" or kind in ("proportion", "score", "correlation", "r2")
    digits = "".join(char for char in token.text if char.isalnum() or char in ".%")
    if metric and (wrong := wrong_unit(metric, token)):
        metric, reason = "", wrong
    elif share_like and topic not in METRICS and digits.isdecimal() and int(digits) > 1:
        metric, reason = "", "too large for a share, and without a percent sign"
    if not metric:
        setting = text.context.settings or is_setting(f"{before[-60:]} {after[:24]}")
        if no_result := SETTING if setting else text.why("no_metric", token):
            text.spot.exclude(token, no_result)
        else:
            text.spot.leave(token, reason or "no metric that is known stands near it")
    elif METRICS[metric].low == 0.0 and token.text[:1] in "-−–" and METRICS[metric].kind != "count":
        text.claim(token, "change", local)  # what cannot be negative has fallen by so much
    else:
        if pattern("goal_after").match(after) or pattern("goal_before").search(before):
            local = replace(local, goal=True)
        near = pattern("clause_mark").split(text.text[max(0, token.start - 20) : token.start])[-1]
        unit = unit_of(near.rstrip(" =:~*`"), token.text)
        # "Sell precision 99.7%": the class named right before the metric or the figure.
        piece = pattern("clause_mark").split(text.folded[max(0, token.start - 60) : token.start])[-1]
        labels = read_role(piece).labels if metric in wordset("per_class") and not local.label else ()
        text.claim(token, metric, local, label=labels[0].capitalize() if len(labels) == 1 else "", unit=unit)


def _local(text: _Text, token: Token) -> Context:
    """The context with what stands right around the figure or its metric: "in test", "validation accuracy: 0.58"."""
    context, folded = text.context, text.folded
    begin = max((m.start for m in text.named if m.start < token.start), default=token.start)
    near = token.start - begin < 40
    piece = pattern("clause_break").split(folded[max(0, begin - 30) : begin])[-1]
    words = pattern("on_split").search(folded, begin, token.start)
    words = None if words and any(char.isdigit() for char in folded[words.end() : token.start]) else words
    words = words or pattern("split_behind").match(folded[token.end : token.end + 60])
    words = words or (pattern("split_ahead").search(piece) if near else None)
    if words:
        context = replace(context, split=read_role(words[1]).split or context.split)
    opening = pattern("sentence_end").split(folded[max(0, begin - REACH) : begin])[-1]
    earlier = pattern("earlier_run").search(piece[-24:]) or pattern("earlier_time").match(opening)
    if earlier and near and earlier[1] not in " ".join(context.group):
        context = replace(context, group=(*context.group, earlier[1]))
    mention = next((m for m in text.named if m.start == begin), None)
    if mention and near and mention.words.startswith("initial "):
        context = replace(context, group=(*context.group, "initial"))
    near_words = folded[max(0, begin - 12) : token.start + 1].rpartition(".")[2]
    return of_units(context, near_words, mention.metric if mention else "")


def _nearest(text: _Text, number: int) -> Mention | None:
    """The name right before or right after the figure, with only linking words between."""
    figures, token, folded = text.figures, text.figures[number], text.folded
    previous_end = figures[number - 1].end if number else 0
    after = next((i for i in range(number + 1, len(figures)) if not figures[i].spread), len(figures))
    next_start = figures[after].start if after < len(figures) else len(folded)

    def cost(mention: Mention) -> float:
        if mention.end <= token.start:
            return _cost_before(folded, mention, token, previous_end)
        behind = token.end <= mention.start < next_start and not pattern("value_behind").match(folded, mention.end)
        behind = behind and " / " not in text.text[token.end : mention.start]
        return _cost_after(folded[figures[after - 1].end : mention.start]) if behind else _APART

    ends = token.start - REACH, token.end + REACH
    reach = slice(*(bisect_left(text.named, end, key=lambda mention: mention.start) for end in ends))
    best = min(text.named[reach], key=cost, default=None)
    return best if best is not None and cost(best) < _APART else None


def _cost_before(folded: str, mention: Mention, token: Token, previous_end: int) -> float:
    """How far a name stands before a figure: only linking words and one short bracket may stand between, or "and"."""
    gap = folded[mention.end : token.start]
    if len(gap) > 60 or pattern("clause_end").search(gap):
        return _APART
    crossed = mention.end <= previous_end
    behind = folded[previous_end : token.start] if crossed else gap
    clear = pattern("short_bracket").sub(" ", pattern("on_split").sub(" ", behind), count=1)
    if crossed:
        linked = clear.strip(" *_`") in ("and", "or", "e", "y", "和", "/", "(")
    else:
        linked = not pattern("not_a_link").search(clear) and wordset("links").issuperset(words_of(clear))
        linked = linked and not pattern("other_script").search(clear)
    # "60% win rate with 2.12 profit factor": the name right behind another figure is of that.
    taken = 0 < previous_end <= mention.start and not folded[previous_end : mention.start].strip(" *_`")
    linked = linked and not (taken and gap.strip(" *_`:="))
    cost = len(gap.strip(" *_`:=(")) / 10 + (3.0 if crossed else 0.0)
    return cost if linked else _APART


def _cost_after(gap: str) -> float:
    words = words_of(gap)
    linked = len(words) <= 4 and wordset("links_after").issuperset(words) and len(gap) <= 45
    clean = not pattern("not_a_link_after").search(gap) and not pattern("other_script").search(gap)
    return 0.5 + len(gap.strip(" *_`")) / 10 if linked and clean else _APART


def _derive(text: _Text) -> None:
    """Tie a change to an arrow pair of its line, in brackets behind it, right before it or alone: "54% (59% → 91%)"."""
    placed = text.spot.sheet.placed
    changes = [i for i in text.placed if placed[i].metric == "change" and not placed[i].relation]
    tied = {i for index in text.placed for i in placed[index].inputs}
    pairs = [
        (a, b)
        for a, b in itertools.pairwise(text.placed)
        if placed[a].metric == placed[b].metric != "change" and a not in tied
        and "before" in placed[a].context.group[-1:] and placed[a].value.is_point and placed[b].value.is_point
    ]  # fmt: skip
    for change in (placed[i] for i in changes):
        near = [
            (a, b) for a, b in pairs
            if pattern("bracket_opens").fullmatch(text.folded, change.end, max(change.end, placed[a].column))
            or pattern("named_behind").fullmatch(text.folded, placed[b].end, max(placed[b].end, change.column))
        ]  # fmt: skip
        name = min(text.named, key=lambda m: max(m.start - change.end, change.column - m.end), default=None)
        # In brackets behind another figure it is of that.
        other = pattern("figure_bracket").search(text.text, max(0, change.column - 40), change.column)
        if not near and len(changes) == len(pairs) == 1 and name and not other:  # alone, and said to be of one metric
            first = placed[pairs[0][0]]
            near = pairs[: name.metric == first.metric and abs(first.column - change.column) < REACH]
        if near:
            around = text.folded[max(0, change.column - 30) : change.end + 20]
            change.relation = "reduction" if any(word in around for word in wordset("falling")) else "change"
            change.inputs = near[0]
