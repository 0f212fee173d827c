"""Numeric tokens of a line of text: every digit belongs to exactly one of them, and each knows its kind.

A token is a figure that could be a claim (``number``), or something made of digits that cannot be one: a date, a
version, a name such as ``F1`` or ``ret_20d``, a list of sizes, a path. All patterns (`vocabulary.toml`) are bounded, so
time is linear in the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from assay.audit.read.vocabulary import pattern

__all__ = ["Token", "scan_line"]


@dataclass(frozen=True)
class Token:
    """A numeric token.

    Parameters
    ----------
    start, end : columns of the token in its line (0-based, `end` exclusive), sign, bound and unit included.
    text : the token as printed.
    kind : ``number``, or why it cannot be a claim: ``date``, ``time``, ``version``, ``name``, ``path``, ``url``,
        ``list``, ``ratio``, ``ordinal``.
    unit : word or letters that follow and give a unit (``"day"``, ``"KES"``), lower case; not part of `text`.
    spread : printed after ``±``.

    """

    start: int
    end: int
    text: str
    kind: str = "number"
    unit: str = ""
    spread: bool = False

    @property
    def value_range(self) -> bool:
        """Whether the print is a range of two figures."""
        return self.kind == "number" and len(_RUN.findall(self.text)) > 1


#: Lines up to this long are read whole; of longer ones what lies this near to a digit.
_SHORT, _NEAR = 400, 60
_DIGIT = re.compile(r"\d")  # as `str.isdecimal`
_RUN = re.compile(r"\d[\d.,'’_\u00a0\u202f]*\d|\d")
_SCALES = {
    "k", "m", "b", "mn", "bn", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "x", "bps", "bp", "pp", "pps", "million",
    "billion", "thousand", "mil",
}  # fmt: skip
_UNIT_LETTERS = "ms s sec min h hr hrs d w y yr us ns usd eur kes brl inr cny gbp jpy mo th"
_UNITS_ATTACHED = frozenset(_UNIT_LETTERS.split())


def _latin(char: str) -> bool:
    """A letter of an alphabet (not an ideograph, which stands beside digits without belonging to them)."""
    return char == "_" or (char.isalpha() and ord(char) < 0x2E80)


def scan_line(text: str) -> list[Token]:
    """All numeric tokens of one line, left to right, without overlap; every digit lies in exactly one.

    Examples
    --------
    >>> [(t.text, t.kind) for t in scan_line("F1 of ~57.1% on 2024-06-30, [128,64,32], 10-30 min")]
    [('F1', 'name'), ('~57.1%', 'number'), ('2024-06-30', 'date'), ('[128,64,32]', 'list'), ('10-30', 'number')]

    """
    if not _DIGIT.search(text):
        return []
    tokens = [token for begin, end in _near_digits(text) for token in _opaque(text[begin:end], begin)]
    taken = [False] * len(text)
    for token in tokens:
        taken[token.start : token.end] = [True] * (token.end - token.start)
    position = 0
    for match in _RUN.finditer(text):
        # Parts of a run may lie in an opaque token, or in the token before; what sticks out is read by itself.
        while True:
            first = max(match.start(), position)
            begin = next((i for i in range(first, match.end()) if not taken[i] and text[i].isdecimal()), None)
            if begin is None:
                break
            end = next((i for i in range(begin, match.end()) if taken[i]), match.end())
            for token in _numbers(text, begin, end, taken):
                if token.end > position:
                    start = max(token.start, position)
                    tokens.append(
                        token if start == token.start else replace(token, start=start, text=text[start : token.end])
                    )
                    position = token.end
            position = max(position, begin + 1)
    return _joined(text, sorted(tokens, key=lambda token: token.start))


def _near_digits(text: str) -> list[tuple[int, int]]:
    """The stretches of a long line that lie near digits; a short line whole."""
    if len(text) <= _SHORT:
        return [(0, len(text))]
    out: list[tuple[int, int]] = []
    for match in _RUN.finditer(text):
        begin, end = max(0, match.start() - _NEAR), min(len(text), match.end() + _NEAR)
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], end)
        else:
            out.append((begin, end))
    return out


def _opaque(text: str, offset: int) -> list[Token]:
    """Dates, versions, paths, lists and other things made of digits that are no figures."""
    found: list[Token] = []
    busy = [False] * len(text)

    def take(start: int, end: int, kind: str) -> None:
        if any(busy[start:end]) or not any(char.isdecimal() for char in text[start:end]):
            return
        busy[start:end] = [True] * (end - start)
        found.append(Token(start + offset, end + offset, text[start:end], kind))

    for name, kind in (("url", "url"), ("date", "date"), ("time", "time"), ("index_name", "name"), ("arxiv", "name")):
        for match in pattern(name).finditer(text):
            take(match.start(), match.end(), kind)
    start = 0
    for word in text.split():
        start = text.index(word, start)
        path = pattern("path").search(word) if len(word) <= 200 else None
        if path is not None and any(map(str.isalpha, path[0])) and not ("/" in path[0] and _all_ratio(path[0])):
            take(start + path.start(), start + path.end(), "path")
        start += len(word)
    for match in pattern("version").finditer(text):
        if not pattern("dotted_thousands").fullmatch(match[0].rstrip(".+-")):
            take(match.start(), match.end(), "version")
    for match in pattern("brackets").finditer(text):
        if _is_list(match[0]):
            take(match.start(), match.end(), "list")
    for name, kind in (("chain", "list"), ("colon_ratio", "ratio"), ("slash_ratio", "ratio")):
        for match in pattern(name).finditer(text):
            take(match.start(), match.end(), kind)
    return found


def _all_ratio(word: str) -> bool:
    """``70/30``, ``85%/15%``, ``P/E``-like words that are no paths."""
    return all(part.strip("%").isdecimal() or len(part) <= 3 for part in word.split("/"))


def _is_list(text: str) -> bool:
    """Whether a bracketed text lists sizes or settings: two or more bare items, one of them a whole number."""
    inner = text[1:-1]
    if "," not in inner and "，" not in inner:
        return False
    if pattern("second_item").search(inner) is None and pattern("comma_thousands").fullmatch(inner):
        return text[0] == "["
    items = inner.split(",")
    if any("%" in item or not pattern("list_item").match(item) for item in items):
        return False
    if text[0] == "{":
        return True
    numeric = [item.strip() for item in items if any(char.isdecimal() for char in item)]
    decimals = [item for item in numeric if pattern("decimal").fullmatch(item)]
    return bool(numeric) and not decimals


def _numbers(text: str, begin: int, end: int, taken: list[bool]) -> list[Token]:
    """The tokens of one run of digits and separators: one figure, or several with commas between."""
    run = text[begin:end]
    head = pattern("number_head").match(run)
    named = begin + (head.end() if head else len(run))
    if begin and _latin(text[begin - 1]):
        return [_name(text, begin, named, taken)]
    if begin > 1 and text[begin - 1] == "-" and _latin(text[begin - 2]) and "." not in text[begin:named]:
        return [_name(text, begin, named, taken)]
    if not pattern("plain_figure").fullmatch(run):
        pieces = list(pattern("number_piece").finditer(run))
        return [_number(text, begin + piece.start(), begin + piece.end(), taken) for piece in pieces]
    return [_number(text, begin, end, taken)]


def _name(text: str, begin: int, end: int, taken: list[bool]) -> Token:
    start = begin
    while (
        start
        and (_latin(text[start - 1]) or text[start - 1].isdecimal() or text[start - 1] == "-")
        and not taken[start - 1]
    ):
        start -= 1
    while end < len(text) and (_latin(text[end]) or text[end].isdecimal()) and not taken[end]:
        end += 1
    return Token(start, end, text[start:end], "name")


def _number(text: str, begin: int, end: int, taken: list[bool]) -> Token:
    """One figure, with its exponent, unit, sign, bound and approximation taken in."""
    if begin and text[begin - 1] == "." and (begin < 2 or not text[begin - 2].isalnum()):
        begin -= 1
    exponent = pattern("exponent").match(text[end : end + 8])
    if exponent and not any(taken[end : end + exponent.end()]):
        end += exponent.end()
    letters_end = end
    while letters_end < len(text) and _latin(text[letters_end]) and not taken[letters_end]:
        letters_end += 1
    suffix = text[end:letters_end]
    following = text[letters_end : letters_end + 1]
    unit = ""
    if suffix:
        low = suffix.lower()
        if low in _SCALES and not following.isdecimal():
            end = letters_end
        elif low in _UNITS_ATTACHED and not following.isdecimal():
            unit = low
        elif low in ("st", "nd", "rd", "th"):
            return Token(begin, letters_end, text[begin:letters_end], "ordinal")
        else:
            while (
                letters_end < len(text)
                and not taken[letters_end]
                and (_latin(text[letters_end]) or text[letters_end].isdecimal())
            ):
                letters_end += 1
            return Token(begin, letters_end, text[begin:letters_end], "name")
    elif more := pattern("unit_behind").match(text[end : end + 12]):
        end += more.end()
    if pattern("plus_behind").match(text[end : end + 2]):
        end += 1
    if not unit and (word := pattern("word_behind").match(text[end : end + 22])):
        unit = word[1].lower()
    start = _with_prefix(text, begin, taken)
    printed = text[start:end]
    spread = "±" in printed
    if spread:
        printed = printed[printed.index("±") + 1 :].strip()
    return Token(start, end, printed.strip("*`_ "), "number", unit, spread)


def _with_prefix(text: str, begin: int, taken: list[bool]) -> int:
    """Where the figure begins once sign, bound, currency and "about" are taken in."""
    head = text[max(0, begin - 28) : begin]
    match = pattern("figure_prefix").search(head)
    start = begin - (len(head) - match.start()) if match else begin
    prefix = text[start:begin]
    for index, char in enumerate(prefix):
        sign = char in "+-−–－"
        before = text[start + index - 1] if start + index else " "
        if sign and (before.isdecimal() or _latin(before) or before in ")%]" or prefix[index + 1 : index + 2] == " "):
            # A hyphen of a range or a dash between words, not a sign.
            return start + index + 1 + (len(prefix[index + 1 :]) - len(prefix[index + 1 :].lstrip()))
    while start < begin and (taken[start] or text[start] in " *_`"):
        start += 1
    return start


def _joined(text: str, tokens: list[Token]) -> list[Token]:
    """Join "a-b" and "a to b" into one range token where both ends are alike and rise."""
    out: list[Token] = []
    for token in tokens:
        last = out[-1] if out else None
        if last is not None and last.kind == token.kind == "number" and _is_range(text, last, token):
            out[-1] = Token(last.start, token.end, text[last.start : token.end].strip("*`_ "), "number", token.unit)
        else:
            out.append(token)
    return out


def _is_range(text: str, first: Token, second: Token) -> bool:
    between = text[first.end : second.start]
    if not pattern("range_join").fullmatch(between) and not (
        between.strip() in ("-", "–", "—", "to") and len(between) <= 4
    ):
        return False
    if first.text[:1] in "<>≥≤+" or second.text[:1] in "<>≥≤+-−" or "+" in first.text or " to " in first.text:
        return False
    if between.strip() == "to" and pattern("from_ahead").search(text[max(0, first.start - 8) : first.start]):
        return False
    spaced = between.strip() != "" and between != between.strip()
    if (
        spaced
        and between.strip() != "to"
        and _tail(first.text) != _tail(second.text)
        and not ({_tail(first.text), _tail(second.text)} <= {"kb", "mb", "gb", "k", "m"})
    ):
        return False
    low, high = _rough(first.text), _rough(second.text)
    return low is not None and high is not None and (low < high or _tail(first.text) != _tail(second.text))


def _tail(text: str) -> str:
    return pattern("figure_head").sub("", text).lower().rstrip("+")


def _rough(text: str) -> float | None:
    match = pattern("rough_figure").search(text)
    return float(match[0].replace(",", ".")) if match else None
