"""Numbers in running text that are no claims: years, names, formulas, settings, counts; each with the reason."""

from __future__ import annotations

from assay.audit.read.sheet import Context
from assay.audit.read.tokens import Token
from assay.audit.read.vocabulary import pattern, wordset
from assay.audit.read.words import is_setting, plain

__all__ = ["end_of_interval", "no_figure", "no_metric"]


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
