"""Numeric tokens of a line of text: every digit belongs to exactly one of them, and each knows its kind.

A token is a figure that could be a claim (``number``), or something made of digits that cannot be one: a date, a
version, a name such as ``F1`` or ``ret_20d``, a list of sizes, a path. All patterns (`vocabulary.toml`) are bounded, so
time is linear in the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from assay.audit.read.words import pattern, table, wordset

__all__ = ["Token", "scan_line"]

_RUN = re.compile(r"\d[\d.,'’_\u00a0\u202f]*\d|\d")
#: A letter of an alphabet (not an ideograph, which stands beside digits without belonging to them).
_LETTER = r"(?:(?![\u2e80-\U0010ffff])[^\W\d])"
_WAVES, _MINUS = tuple("~～〜"), tuple("-−–")
_LETTERS, _NAME_TAIL, _NAME_HEAD, _NAMED, _WORD = (
    re.compile(form)
    for form in (f"{_LETTER}*", rf"(?:{_LETTER}|\d)*", rf"(?:{_LETTER}|[\d-])*$", rf"{_LETTER}-?$", r"\S+")
)


@dataclass(frozen=True)
class Token:
    """A numeric token: its columns (0-based), with sign, bound and unit, and the text as printed."""

    start: int
    end: int
    text: str
    kind: str = "number"  # or why it cannot be a claim: date, time, version, name, path, url, list, ratio, ordinal
    unit: str = ""  # word or letters that follow and give a unit ("day", "KES"), lower case; not part of the text
    spread: bool = False  # printed after ±

    @property
    def value_range(self) -> bool:
        """Whether the print is a range of two figures."""
        return self.kind == "number" and len(_RUN.findall(self.text)) > 1


def scan_line(text: str) -> list[Token]:
    """All numeric tokens of one line, left to right, without overlap; every digit lies in exactly one.

    Examples
    --------
    >>> [(t.text, t.kind) for t in scan_line("F1 of ~57.1% on 2024-06-30, [128,64,32], 10-30 min")]
    [('F1', 'name'), ('~57.1%', 'number'), ('2024-06-30', 'date'), ('[128,64,32]', 'list'), ('10-30', 'number')]

    """
    if not _RUN.search(text):
        return []
    free = list(text)
    tokens: list[Token] = []
    for first, last, kind in _opaque(text):
        piece = "".join(free[first:last])
        if "\0" not in piece and any(map(str.isdecimal, piece)):
            free[first:last] = "\0" * (last - first)
            tokens.append(Token(first, last, text[first:last], kind))
    rest, position = "".join(free), 0
    while run := _RUN.search(rest, position):
        for token in _numbers(rest, *run.span()):
            if token.end > position:
                start = max(token.start, position)
                shown = token.text if start == token.start else text[start : token.end]
                tokens.append(replace(token, start=start, text=shown))
                position = token.end
    return _joined(text, sorted(tokens, key=lambda token: token.start))


def _opaque(text: str) -> Iterator[tuple[int, int, str]]:
    """Where dates, versions, paths, lists and the like may stand, and the kind; what comes first has precedence."""
    for name, kind in table("opaque").items():
        if name == "path":
            words = (word for word in _WORD.finditer(text) if len(word[0]) <= 200)
            found = [(match, word.start()) for word in words if (match := pattern("path").search(word[0]))]
        else:
            found = [(match, 0) for match in pattern(name).finditer(text)]
        for match, offset in found:
            if name not in _REALLY or _REALLY[name](match[0]):
                yield match.start() + offset, match.end() + offset, kind


def _is_path(word: str) -> bool:
    """Whether it holds letters and is none of ``70/30``, ``85%/15%`` and ``P/E``."""
    parts = word.split("/")
    ratio = len(parts) > 1 and all(part.strip("%").isdecimal() or len(part) <= 3 for part in parts)
    return any(map(str.isalpha, word)) and not ratio


def _is_list(text: str) -> bool:
    """Whether a bracketed text lists sizes or settings: two or more bare items, one of them a whole number."""
    inner = text[1:-1]
    items = [item.strip() for item in inner.split(",")]
    if pattern("comma_thousands").fullmatch(inner) and not pattern("second_item").search(inner):
        return text[0] == "["
    if len(items) < 2 or any("%" in item or not pattern("list_item").match(item) for item in items):
        return False
    numeric = [item for item in items if any(map(str.isdecimal, item))]
    return text[0] == "{" or (bool(numeric) and not any(map(pattern("decimal").fullmatch, numeric)))


_REALLY = {
    "path": _is_path,
    "version": lambda text: not pattern("dotted_thousands").fullmatch(text.rstrip(".+-")),
    "brackets": _is_list,
}


def _numbers(text: str, begin: int, end: int) -> Iterator[Token]:
    """The tokens of one run of digits and separators: one figure, or several with commas between."""
    run, before = text[begin:end], text[max(0, begin - 2) : begin]
    head = pattern("number_head").match(run)
    named = begin + (head.end() if head else len(run))
    if _NAMED.search(before) and (before[-1] != "-" or "." not in text[begin:named]):
        start = begin - len(_NAME_HEAD.search(text[max(0, begin - 80) : begin])[0])  # type: ignore[index]
        stop = _NAME_TAIL.match(text, named).end()  # type: ignore[union-attr]
        yield Token(start, stop, text[start:stop], "name")
    elif pattern("plain_figure").fullmatch(run) or pattern("lakhs").search(text, max(0, begin - 6), end):
        yield _number(text, begin, end)
    else:
        yield from (_number(text, begin + p.start(), begin + p.end()) for p in pattern("number_piece").finditer(run))


def _number(text: str, begin: int, end: int) -> Token:
    """One figure, with its exponent, unit, sign, bound and approximation taken in."""
    if begin and text[begin - 1] == "." and (begin < 2 or not text[begin - 2].isalnum()):
        begin -= 1
    if exponent := pattern("exponent").match(text[end : end + 8]):
        end += exponent.end()
    letters, unit = _LETTERS.match(text, end)[0], ""  # type: ignore[index]
    stop = end + len(letters)
    if letters and (text[stop : stop + 1].isdecimal() or letters.lower() not in table("units")["attached"]):
        stop = _NAME_TAIL.match(text, stop).end()  # type: ignore[union-attr]
        ordinal = text[end:stop].lower() in ("st", "nd", "rd", "th")
        return Token(begin, stop, text[begin:stop], "ordinal" if ordinal else "name")
    if letters.lower() in table("units")["scales"]:
        end = stop
    elif letters:
        unit = letters.lower()
    elif more := pattern("unit_behind").match(text[end : end + 12]):
        end += more.end()
    if pattern("plus_behind").match(text[end : end + 2]):
        end += 1
    if not unit and (word := pattern("word_behind").match(text[end : end + 22])):
        unit = word[1].lower()
    start = _with_prefix(text, begin)
    printed = text[start:end]
    return Token(start, end, printed.rpartition("±")[2].strip("*`_ "), "number", unit, "±" in printed)


def _with_prefix(text: str, begin: int) -> int:
    """Where the figure begins once sign, bound, currency and "about" are taken in."""
    match = pattern("figure_prefix").search(text, max(0, begin - 28), begin)
    start = match.start() if match else begin
    if text[start : start + 1] in _WAVES and pattern("figure_end").search(text[max(0, start - 6) : start]):
        start += 1  # of a range, "15% ~ 20%"
        start += len(text[start:begin]) - len(text[start:begin].lstrip())
    for index in range(start, begin):
        before = text[index - 1] if index else " "
        joins = before.isdecimal() or _LETTERS.fullmatch(before) or before in ")%]\0" or text[index + 1] == " "
        if text[index] in "+-−–－" and joins and index + 1 < begin:
            start = index + 1  # a hyphen of a range or a dash between words, not a sign
            break
        if text[index] in "+-−–－" and joins:
            return begin
    while start < begin and text[start] in " *_`":
        start += 1
    return start


def _joined(text: str, tokens: list[Token]) -> list[Token]:
    """Join "a-b" and "a to b" into one range token where both ends are alike and rise."""
    out: list[Token] = []
    for token in tokens:
        if out and out[-1].kind == token.kind == "number" and _is_range(text, out[-1], token):
            start = out.pop().start
            token = Token(start, token.end, text[start : token.end].strip("*`_ "), "number", token.unit)
        out.append(token)
    return out


def _is_range(text: str, first: Token, second: Token) -> bool:
    between = text[first.end : second.start]
    mark = between.strip()
    if mark not in wordset("range_marks") or len(between) > 4:
        return False
    minus = first.text[:1] in _MINUS and second.text[:1] in _MINUS  # "-5% to -10%"
    if first.text[:1] in "<>≥≤+" or (second.text[:1] in "<>≥≤+-−" and not minus):
        return False
    if "+" in first.text or " to " in first.text:
        return False
    if mark == "to" and pattern("from_ahead").search(text[max(0, first.start - 8) : first.start]):
        return False
    tails = [pattern("figure_head").sub("", token.text).lower().rstrip("+") for token in (first, second)]
    if mark not in (between, "to", *_WAVES) and tails[0] != tails[1] and not {*tails} <= {"kb", "mb", "gb", "k", "m"}:
        return False
    ends = [pattern("rough_figure").search(token.text) for token in (first, second)]
    low, high = (float(end[0].replace(",", ".")) if end else float("nan") for end in ends)
    return low < high or (minus and low != high) or (tails[0] != tails[1] and low == low and high == high)
