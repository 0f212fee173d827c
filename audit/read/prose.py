"""Figures in running text: each goes to the metric named nearest in its clause, or is set aside with the reason.

Years, names, formulas, settings and counts are no claims.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from assay.audit.claims.metrics import METRICS
from assay.audit.read.labels_to_metrics import SPLIT_NAMES, named, of_units, says, wrong_unit
from assay.audit.read.sheet import Context, Spot
from assay.audit.read.tokens import Token, scan_line
from assay.audit.read.vocabulary import pattern, table, wordset
from assay.audit.read.words import Mention, is_setting, mentions, plain, read_role, words_of

__all__ = ["end_of_interval", "no_figure", "no_metric", "place_prose"]

def no_figure(token: Token, before: str, after: str) -> str:
    """Why a number is no figure, whatever stands near it; "" where it may be one.

    `before` and `after` are the folded text on either side of it.

    Examples
    --------
    >>> from assay.audit.read.tokens import scan_line
    >>> no_figure(scan_line("trained since 2019, on")[0], "trained since ", ", on")
    'a year'

    """
    if pattern("year").fullmatch(token.text) and not before.rstrip(" *_`").endswith((":", "=")):
        return "a year"
    if pattern("factor_before").search(before) or pattern("factor_after").match(after):
        return "part of a formula"
    if (
        pattern("numbered_thing").search(before[-24:])
        and not token.text.endswith("%")
        and token.text.replace(",", "").replace("-", "").isdecimal()
    ):
        return "part of a name or an enumeration"
    if pattern("level_after").match(after) and "%" in token.text:
        return "a confidence level"
    if pattern("done_after").match(after) and "%" in token.text:
        return "a share of work that is done"
    return ""


def end_of_interval(token: Token, before: str, after: str) -> str:
    """Whether a number is the spread or an end of the interval of the figure before it; "" where it is neither."""
    if token.spread:
        return "a spread (±) of the figure before it"
    opened = before.rfind("[")
    inside = opened >= 0 and "]" not in before[opened:] and pattern("interval_word").search(before) is not None
    closed = after.lstrip(" *_`").startswith(("]", ")"))
    if pattern("pair_opened").search(before):
        inside = inside or (token.value_range and closed) or pattern("pair_second").match(after) is not None
    inside = inside or (closed and pattern("pair_last").search(before) is not None)
    return "the end of an interval" if inside else ""


def no_metric(token: Token, before: str, after: str, context: Context, *, in_code: bool) -> str:
    """Why a figure for which no metric was found is no claim; "" where it might be one of something not known."""
    bare = pattern("bare_number").fullmatch(token.text) is not None
    unit = plain(token.unit).strip()
    if context.settings or is_setting(before[-60:] + " " + after):
        return "a hyperparameter or setting"
    if (unit in wordset("counted") or unit.rstrip("s") in wordset("counted")) and (bare or "-" in token.text):
        return f"a count or duration ({token.unit})"
    if pattern("memory").search(token.text):
        return "a size of memory or storage"
    if before.rstrip().endswith(("=", "(")) and in_code:
        return "code"
    if bare and token.text.isdecimal() and len(token.text) <= 3 and not context.topic:
        return "a count or size in prose; no metric is named"
    return ""


#: Columns either side of a figure that are looked at.
REACH = 120
#: Counts that in running text need to be told as results; "the last 10 trades" counts nothing.
_COUNTS = ("trades", "winning_trades", "losing_trades", "n_samples", "parameters", "sessions", "configurations_tested")


@dataclass
class _Text:
    """A stretch of running text and what is placed of it."""

    spot: Spot
    context: Context
    figures: list[Token] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = self.spot.text
        self.folded = plain(self.text)
        self.named = _named(self.folded)

    def before(self, token: Token, reach: int = REACH) -> str:
        return self.folded[max(0, token.start - reach) : token.start]

    def after(self, token: Token, reach: int = REACH) -> str:
        return self.folded[token.end : token.end + reach]

    def claim(self, token: Token, metric: str, context: Context, **extra: object) -> int | None:
        # What its own label names is printed again here: the first print alone stands for the record.
        again = ".again" if metric == self.context.topic else ""
        record = f"{self.spot.record}{again}" if self.spot.record else f"s{self.spot.line}.{self.sentence(token)}"
        return self.spot.claim(token, metric, context, record=record, **extra)

    def sentence(self, token: Token) -> int:
        return len(pattern("sentence_end").findall(self.folded[: token.start]))

    def around(self, token: Token) -> str:
        return " ".join(self.text[max(0, token.start - 30) : token.end + 40].strip("-*|# \t").split())


@lru_cache(maxsize=64)
def _named(folded: str) -> list[Mention]:
    """The metrics named in a line, those that only say what another is of left out: "R² on daily returns" is an R²."""
    heads: list[Mention] = []
    # "It supports 50 languages" names no support of a class.
    for mention in (m for m in mentions(folded) if m.words != "support"):
        last = heads[-1] if heads else None
        if last is not None and pattern("of_link").fullmatch(folded[last.end : mention.start]):
            heads[-1] = replace(last, end=mention.end)
        else:
            heads.append(mention)
    return heads


def place_prose(spot: Spot, tokens: Sequence[Token], context: Context) -> list[int]:
    """Place the figures of a stretch of running text, and return the indexes of the claims placed.

    The columns of `tokens` are those of the whole line; the topic of `context` is the metric of the label.
    """
    figures = spot.figures(tokens)
    if not figures:
        return []
    stretch = _Text(spot, context, figures)
    if shares := _class_shares(stretch):
        for token, label in shares:
            stretch.claim(token, "class_share", replace(context, label=label))
        stretch.figures = figures = [token for token in figures if all(token is not share for share, _ in shares)]
    indexes: list[int] = []
    number = 0
    while number < len(figures):
        taken, placed = _pair(stretch, number) or (0, [])
        if not taken:
            index = _one(stretch, number)
            placed, taken = [] if index is None else [index], 1
        indexes += placed
        number += taken
    _derive(stretch, indexes)
    return indexes


def _class_shares(text: _Text) -> list[tuple[Token, str]]:
    """The shares of the classes that a line lists: "Class balance: Sell 92.4%, Hold 4.1%", with their names."""
    listed = text.context.topic == "class_share"
    begin = 0 if listed else next((m.end for m in text.named if m.metric == "class_share"), None)
    if begin is None:
        return []
    found: list[tuple[Token, str]] = []
    for token in text.figures:
        if token.start < begin or pattern("clause_end").search(text.folded[begin : token.start]):
            continue
        before = pattern("name_before").search(text.text[max(0, token.start - 30) : token.start])
        after = pattern("name_after").match(text.text[token.end : token.end + 26])
        names = [m[1] for m in (before, after) if m and plain(m[1]).strip() not in wordset("idle")]
        if "%" in token.text and names and not token.value_range and not mentions(plain(names[0])):
            found.append((token, names[0]))
    return found if len({label for _, label in found}) == len(found) >= 2 else []


def _pair(text: _Text, number: int) -> tuple[int, list[int]] | None:
    """Two figures with an arrow, or "from" and "to", between: the same metric before and after."""
    if number + 1 >= len(text.figures):
        return None
    first, second = text.figures[number : number + 2]
    between = text.folded[first.end : second.start]
    arrow = pattern("arrow").match(text.text[first.end : second.start])
    moved = pattern("from_word").search(text.before(first, 12)) and between.strip(" *_`") in ("to", "a", "para")
    if not arrow and not moved:
        return None
    placed = _arrow(text, first, second)
    if not placed:
        return None
    third = text.figures[number + 2] if number + 2 < len(text.figures) else None
    if third is None or "%" not in third.text or not _bracketed(text, third):
        return 2, placed
    change = text.claim(third, "change", text.context, definition=text.around(third))
    # Without a sign it may be the end as a share of the start as well.
    if change is not None and len(placed) == 2 and third.text[0] in "+-−–":
        text.spot.sheet.placed[change].relation, text.spot.sheet.placed[change].inputs = "change", tuple(placed)
    return 3, placed if change is None else [*placed, change]


def _arrow(text: _Text, first: Token, second: Token) -> list[int]:
    metric, context = text.context.topic, text.context
    if not metric:
        before = [mention for mention in text.named if mention.end <= first.start]
        near = before and first.start - before[-1].end <= 80
        if near and not pattern("clause_end").search(text.folded[before[-1].end : first.start]):
            metric = before[-1].metric
    if not metric and pattern("ranging").search(text.folded[: first.start]):
        ends = zip((first, second), ("target_low", "target_high"), strict=True)
        return [index for token, end in ends if (index := text.claim(token, end, context)) is not None]
    if metric not in METRICS or wrong_unit(metric, first) or wrong_unit(metric, second):
        return []
    earlier = replace(context, group=(*context.group, "before"), goal=False)
    pair = ((first, earlier), (second, context))
    return [index for token, local in pair if (index := text.claim(token, metric, local)) is not None]


def _bracketed(text: _Text, token: Token) -> bool:
    """Whether the figure stands in brackets right behind another: ``0.9982 (99.82%)``."""
    before = pattern("figure_bracket").search(text.text[max(0, token.start - 40) : token.start])
    return before is not None and text.text[token.end : token.end + 1] == ")"


def _again(text: _Text, number: int) -> bool:
    """Whether the figure in brackets is that before it, printed again: ``0.9982 (99.82%)``, ``35,857 (140 KB)``."""
    token = text.figures[number]
    begun = text.text.rfind("(", 0, token.start)
    before = [first for first in scan_line(text.text[:begun]) if first.kind == "number"]
    if not before or pattern("memory").search(token.text) or "%" in token.text:
        return True
    return before[-1].text.strip("%") == token.text.strip("%")


def _one(text: _Text, number: int) -> int | None:
    token = text.figures[number]
    before, after = text.before(token), text.after(token)
    if reason := no_figure(token, before, after):
        text.spot.exclude(token, reason)
        return None
    if reason := end_of_interval(token, before, after):
        text.spot.leave(token, reason)
        return None
    local = _local(text, token)
    if (index := _change(text, token, local)) is not False:
        return index
    metric, reason = _metric(text, number)
    return _place(text, token, metric, local, reason)


def _change(text: _Text, token: Token, local: Context) -> int | bool | None:
    """Place a multiple or a change; False where the figure is neither."""
    before, after = text.before(token), text.after(token)
    known = bool(text.named) or text.context.topic in METRICS
    implied = any(name in text.folded for name in table("implied"))
    if token.text.rstrip("+").endswith(("×", "x")) and not token.text.startswith("0x"):
        if known:
            return text.claim(token, "multiple", local, definition=text.around(token))
        text.spot.leave(token, "a multiple of something not named")
        return None
    word = words_of(after[:24])[:1]
    points = token.text.endswith(("pp", "pps")) or pattern("points").match(after) is not None
    improved = bool(word) and word[0] in wordset("improving") and not pattern("clause_end").match(after[:2])
    improved = improved and pattern("improving").match(after) is not None
    earlier = pattern("improved_by").search(before[-30:]) is not None
    noun = pattern("fall_of").search(before) is not None
    moved = "%" in token.text and (improved or earlier or (noun and known))
    if points or (moved and (known or improved or implied)):
        return text.claim(token, "change", local, definition=text.around(token))
    return False


def _metric(text: _Text, number: int) -> tuple[str, str]:
    """The metric of a figure by the words around it, or why it has none."""
    token, context = text.figures[number], text.context
    before, after = text.before(token), text.after(token)
    mention = _nearest(text, number)
    metric, reason = "", ""
    if mention is not None:
        reading = named(
            replace(context, topic=""), _phrase(text, mention, token), after=text.text[token.start : token.end + 40]
        )
        metric, reason = reading.metric, reading.reason
        if mention.start > token.end and pattern("statistic_before").search(before):
            reading = named(context, pattern("statistic_before").search(before)[1] + " " + mention.words)  # type: ignore[index]
            metric = reading.metric
    if not metric and "%" in token.text and pattern("earned").search(before) and pattern("yearly").match(after):
        metric = "annual_return"
    if pattern("variance_after").match(after) and "%" in token.text:
        metric = "r2"
    basis = pattern("basis_after").match(after)
    if basis and not metric:
        metric = context.topic
    if basis and says(basis[1], "gross_words"):
        metric = table("combine").get(metric, {}).get("gross", metric)
    if token.value_range and says(before, "range_words"):
        metric = metric or "target_range"
    if metric == "epochs_run" and not pattern("ran_before").search(before[-28:]):
        metric = ""
    if metric == "best_epoch" and mention is not None and "best" not in mention.words:
        metric = ""
    if (metric == "accuracy" and pattern("random_after").match(after)) or pattern("random_before").search(before):
        metric = "random_baseline"
    if not metric and pattern("random_after").match(after) and "%" in token.text:
        metric = "random_baseline"
    if _bracketed(text, token) and (context.topic in METRICS or metric):
        again = context.topic if context.topic in METRICS else metric
        metric, reason = (again, "") if _again(text, number) else ("", "in brackets behind a figure")
    if metric in _COUNTS and not _told(text, token, mention):
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
    if mention is None or text.context.topic:
        return True
    if mention.end <= token.start:
        return True
    if not text.before(token).strip(" -*+•_`") and token.text.replace(",", "").isdecimal() and len(token.text) > 2:
        return True
    whole = token.text.replace(",", "").replace("~", "").isdecimal()
    return (whole or mention.metric == "parameters") and pattern("counted_before").search(
        text.before(token, 40)
    ) is not None


def _place(text: _Text, token: Token, metric: str, local: Context, reason: str) -> int | None:
    before, after, context = text.before(token), text.after(token), text.context
    share = pattern("split_before").search(before)
    if share and not metric and "%" in token.text:
        return text.claim(token, "split_share", replace(local, label=SPLIT_NAMES[share[1]], split=""))
    if pattern("versus").search(before) and not metric and context.topic in METRICS:
        where = read_role(text.folded[token.end : token.end + 30])
        local = replace(local, group=(*context.group, where.earlier or "compared"))
        metric = context.topic
    if not metric and "%" in token.text and context.topic in METRICS and METRICS[context.topic].kind == "loss":
        word = words_of(text.text[token.end : token.end + 30])[:1]
        return text.claim(token, "weight_share", replace(local, label=word[0] if word else ""))
    if metric and METRICS[metric].kind == "count" and "%" in token.text:
        metric = "win_rate" if metric == "winning_trades" else ""
    if metric == "parameters" and pattern("memory").search(token.text):
        metric = "file_size"
    if metric and (wrong := wrong_unit(metric, token)):
        metric, reason = "", wrong
    if metric and METRICS[metric].kind in ("proportion", "score", "correlation", "r2") and _beyond_one(text, token):
        metric, reason = "", "too large for a share, and without a percent sign"
    if metric and METRICS[metric].low == 0.0 and token.text[:1] in "-−–" and METRICS[metric].kind != "count":
        # What cannot be negative has fallen by so much.
        return text.claim(token, "change", local, definition=text.around(token))
    if metric:
        told = token.text[:1] in "<>≥≤" and pattern("explains").match(after) is not None
        if told or pattern("goal_after").match(after) or pattern("goal_before").search(before):
            local = replace(local, goal=True)
        return text.claim(token, metric, local, **_class_of(text, token, metric, local))
    _set_aside(text, token, reason)
    return None


def _beyond_one(text: _Text, token: Token) -> bool:
    """A bare whole number above 1 in running text: shares are printed with a sign or as decimals there."""
    digits = "".join(char for char in token.text if char.isalnum() or char in ".%")
    return text.context.topic not in METRICS and digits.isdecimal() and int(digits) > 1


def _class_of(text: _Text, token: Token, metric: str, context: Context) -> dict[str, str]:
    """The class named right before the metric or the figure: "Sell precision 99.7%"."""
    if context.label or metric not in wordset("per_class"):
        return {}
    piece = pattern("clause_mark").split(text.folded[max(0, token.start - 60) : token.start])[-1]
    labels = read_role(piece).labels
    return {"label": labels[-1].capitalize()} if len(labels) == 1 else {}


def _set_aside(text: _Text, token: Token, reason: str) -> None:
    """Say why a figure without a metric is no claim, or list it as not placed."""
    before, after = text.before(token), text.after(token, 24)
    if why := no_metric(token, before, after, text.context, in_code="`" in text.text):
        text.spot.exclude(token, why)
    else:
        text.spot.leave(token, reason or "no metric that is known stands near it")


def _local(text: _Text, token: Token) -> Context:
    """The context with what stands right around the figure or its metric: "in test", "validation accuracy: 0.58"."""
    context, folded = text.context, text.folded
    begin = max((m.start for m in text.named if m.start < token.start), default=token.start)
    near = token.start - begin < 40
    words = pattern("split_behind").match(folded[token.end : token.end + 60])
    if words is None and near:
        words = pattern("split_ahead").search(pattern("clause_break").split(folded[max(0, begin - 30) : begin])[-1])
    if words:
        context = replace(context, split=read_role(words[1]).split or context.split)
    piece = pattern("clause_break").split(folded[max(0, begin - 24) : begin])[-1]
    opening = pattern("sentence_end").split(folded[max(0, begin - REACH) : begin])[-1]
    earlier = pattern("earlier_run").search(piece) or pattern("earlier_time").match(opening)
    if earlier and near and earlier[1] not in " ".join(context.group):
        context = replace(context, group=(*context.group, earlier[1]))
    metric = next((m.metric for m in text.named if m.start == begin), "")
    return of_units(context, folded[max(0, begin - 12) : token.start + 1].rpartition(".")[2], metric)


def _nearest(text: _Text, number: int) -> Mention | None:
    """The name right before or right after the figure, with only linking words between."""
    figures, token, folded = text.figures, text.figures[number], text.folded
    previous_end = figures[number - 1].end if number else 0
    tail = token.end
    while number + 1 < len(figures) and figures[number + 1].spread:
        number += 1
        tail = figures[number].end
    next_start = figures[number + 1].start if number + 1 < len(figures) else len(folded)
    best: tuple[float, Mention | None] = (99.0, None)
    first = bisect_left(text.named, token.start - REACH, key=lambda mention: mention.start)
    for mention in itertools.takewhile(lambda m: m.start <= token.end + REACH, text.named[first:]):
        if mention.end <= token.start:
            cost = _cost_before(folded, mention, token, previous_end)
        elif mention.start >= token.end:
            cost = _cost_after(folded[max(tail, token.end) : mention.start]) if mention.start < next_start else 99.0
        else:
            continue
        if cost < best[0]:
            best = (cost, mention)
    return best[1]


def _cost_before(folded: str, mention: Mention, token: Token, previous_end: int) -> float:
    gap = folded[mention.end : token.start]
    if len(gap) > 60 or pattern("clause_end").search(gap):
        return 99.0
    crossed = mention.end <= previous_end
    if crossed and folded[previous_end : token.start].strip(" *_`") not in ("and", "or", "e", "y", "和", "/", ",", "("):
        return 99.0
    if not crossed and not _linked(gap):
        return 99.0
    return len(gap.strip(" *_`:=(")) / 10 + (2.0 if "," in gap else 0.0) + (3.0 if crossed else 0.0)


def _linked(gap: str) -> bool:
    """Whether only linking words, marks and one short bracket stand in a gap."""
    bare = pattern("short_bracket").sub(" ", gap, count=1)
    marks = pattern("not_a_link").search(bare)
    return marks is None and all(word in wordset("links") for word in words_of(bare))


def _cost_after(gap: str) -> float:
    words = words_of(gap)
    linked = len(words) <= 4 and all(word in wordset("links_after") for word in words)
    clean = pattern("not_a_link_after").search(gap) is None
    return 0.5 + len(gap.strip(" *_`")) / 10 if linked and clean and len(gap) <= 45 else 99.0


def _derive(text: _Text, indexes: list[int]) -> None:
    """Tie a change to the arrow pair of its own line: "54% improvement (59.1% → 91.3%)"."""
    placed = text.spot.sheet.placed
    changes = [i for i in indexes if placed[i].metric == "change" and not placed[i].relation]
    tied = {i for index in indexes for i in placed[index].inputs}
    pairs = [
        (a, b)
        for a, b in itertools.pairwise(indexes)
        if placed[a].metric == placed[b].metric != "change" and a not in tied
        and "before" in placed[a].context.group[-1:]
        and placed[a].value.is_point and placed[b].value.is_point
    ]  # fmt: skip
    for change in changes:
        pair = _partner(text, change, pairs)
        if pair is None and len(changes) == 1 and len(pairs) == 1:
            pair = pairs[0]
        if pair is not None:
            around = text.folded[max(0, placed[change].column - 30) : placed[change].end + 20]
            falls = any(word in around for word in wordset("falling"))
            placed[change].relation, placed[change].inputs = "reduction" if falls else "change", pair


def _partner(text: _Text, change: int, pairs: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The pair that a change is of: the one in the bracket behind it, or the one it names right after."""
    placed = text.spot.sheet.placed
    for first, second in pairs:
        behind = text.folded[placed[change].end : placed[first].column]
        between = text.folded[placed[second].end : placed[change].column]
        if placed[first].column >= placed[change].end and pattern("bracket_opens").fullmatch(behind):
            return first, second
        if placed[change].column >= placed[second].end and pattern("named_behind").fullmatch(between):
            return first, second
    return None
