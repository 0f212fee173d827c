"""Numeric tokens of a line of text: every digit belongs to exactly one of them, and each knows its kind.

A token is a figure that could be a claim (``number``), or something made of digits that cannot be one: a date, a
version, a name such as ``F1`` or ``ret_20d``, a list of sizes, a path. All patterns are bounded, so time is linear
in the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

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


_MONTHS = (
    r"jan(?:uary|eiro)?|feb(?:ruary)?|fev(?:ereiro)?|mar(?:ch|ço|zo)?|apr(?:il)?|abr(?:il)?|may|mai[o]?|mayo"
    r"|june?|jun(?:ho|io)?"
    r"|july?|jul(?:ho|io)?|aug(?:ust)?|ago(?:sto)?|sep(?:t(?:ember|iembre)?)?|set(?:embro)?|oct(?:ober|ubre)?"
    r"|out(?:ubro)?"
    r"|nov(?:ember|embro|iembre)?|dec(?:ember)?|dez(?:embro)?|dic(?:iembre)?|ene(?:ro)?|feb(?:rero)?"
)
_YEAR = r"(?:19|20)\d\d"
_DATE = re.compile(
    rf"(?<![\w.]){_YEAR}([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)"
    rf"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"
    rf"|(?<![\w.])(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2{_YEAR}(?!\d)"
    rf"|{_YEAR}\s?年(?:\s?\d{{1,2}}\s?月)?(?:\s?\d{{1,2}}\s?日)?|\d{{1,2}}\s?月\s?\d{{1,2}}\s?日"
    rf"|(?<![\w.]){_YEAR}[- ]?[QHqh][1-4](?!\w)|(?<!\w)[QHqh][1-4][- /']?(?:{_YEAR}|\d\d)(?!\w)"
    rf"|(?<!\w)[1-4][QH]\s?(?:{_YEAR}|\d\d)(?!\w)"
    rf"|(?<![\w.])(?:0[1-9]|1[0-2])[-/]{_YEAR}(?![\w.%])|(?<![\w.]){_YEAR}[-/](?:0[1-9]|1[0-2])(?![\w.%-])"
    rf"|(?<!\w)(?:{_MONTHS})\.?\s(?:\d{{1,2}}(?:st|nd|rd|th)?,?\s)?(?:de\s)?{_YEAR}(?!\w)"
    rf"|(?<!\w)(?:{_MONTHS})\.?\s\d{{1,2}}(?:st|nd|rd|th)?(?![\w.%,]*\d)(?!\w)"
    rf"|(?<!\w)\d{{1,2}}(?:st|nd|rd|th)?\s(?:de\s)?(?:{_MONTHS})\.?,?(?:\s(?:de\s|del\s)?{_YEAR})?(?!\w)",
    re.I,
)
_URL = re.compile(
    r"\b(?:https?|ftp|gs|s3|file|git|ssh)://[^\s)>\]]+|\]\([^)\s]{0,200}\)|doi:\s?10\.\S+|arxiv:\s?\S+", re.I
)
_INDEX = re.compile(
    r"\b(?:S&(?:amp;)?P|SP|CSI|Russell|Nikkei|FTSE|SSE|Stoxx|Nasdaq|NASDAQ|Dow|HS|DAX|CAC|ASX|KOSPI|IBrX"
    r"|TOPIX|NSE|Nifty|NIFTY"
    r"|BSE|IBEX|SMI|TSX|MSCI|GPT|RFC|ISO|CUDA|Python|PyTorch|TensorFlow|Keras|RTX|GTX|Tesla|Core|Windows"
    r"|Ubuntu|Llama|Python3)"
    r"[ -]?v?\d+(?:\.\d+)*\+?(?:Ti)?"
)
_VERSION = re.compile(
    r"(?<![\w.])v\d+(?:\.\d+)*(?:[-.]?(?:rc|a|b|alpha|beta|dev|post)\d*)?(?!\w)|(?<![\w.,])\d+\.\d+\.\d+[\w.+-]*", re.I
)
_TIME = re.compile(
    r"(?<![\w:.])(?:[01]?\d|2[0-3]):[0-5]\d:[0-5]\d(?![\w:])|(?<![\w:.])(?:1[0-2]|0?[1-9]):[0-5]\d\s?[ap]m\b", re.I
)
#: An identifier, YYMM.number: in brackets, after a word for it, or with its version; alone it is a figure.
_ARXIV = re.compile(
    r"(?<=[\[({])\d\d(?:0[1-9]|1[0-2])\.\d{5}(?:v\d+)?(?=[\])}])"
    r"|(?<=abs/)\d{4}\.\d{5}|(?<![\w.])\d\d(?:0[1-9]|1[0-2])\.\d{5}v\d+(?!\w)"
)
_COLON = re.compile(r"(?<![\w:.])\d+(?:\.\d+)?\s?:\s?\d+(?:\.\d+)?(?::\d+)*(?![\w:.]*\d)(?!\w)")
_SLASH = re.compile(r"(?<![\w/.])\d+%?(?:/\d+%?){1,3}(?![\w/]|\.\d)")
_BRACKETS = re.compile(r"[\[({][^\[\](){}|]{1,160}[\])}]")
_ITEM = re.compile(r"^\s*(?:[A-Za-z_]\w*\s*=\s*)?[+-]?\w[\w.+-]*\s*$|^\s*-\d+\s*$|^\s*:?,?$")
_CHAIN = re.compile(r"(?<![\w.,%])\d{1,5}(?:\s?(?:→|->|=>|â†’|×|x|-)\s?\d{1,5}){2,}(?![\w.,%])")
_PATH = re.compile(
    r"[\w.~{}$:-]*(?:[/\\][\w.~{}$%-]+)+/?|[\w-]+(?:\.[\w-]+)*\.(?:py|md|h5|pth?|json|csv|joblib|pkl|parquet"
    r"|ya?ml|toml|txt"
    r"|ipynb|onnx|safetensors|html|pdf|png|zip|gz|bin|ckpt|keras|npy|npz|sh|cfg|ini|log|xlsx?|db|sqlite|r|jl"
    r"|cpp|rs|js)\b"
)
#: Lines up to this long are read whole; of longer ones what lies this near to a digit.
_SHORT, _NEAR = 400, 60
_RUN = re.compile(r"\d[\d.,'’_\u00a0\u202f]*\d|\d")
_PLAIN = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?"
    r"|\d{1,3}(?:['’_\u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?"
)
_SCALES = {
    "k", "m", "b", "mn", "bn", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "x", "bps", "bp", "pp", "pps", "million",
    "billion", "thousand", "mil",
}  # fmt: skip
_UNIT_LETTERS = "ms s sec min h hr hrs d w y yr us ns usd eur kes brl inr cny gbp jpy mo th"
_UNITS_ATTACHED = frozenset(_UNIT_LETTERS.split())
_PREFIX = re.compile(
    r"(?:(?:~|≈|∼|〜|～|\babout|\bapprox\.|\bapproximately|\baround|\broughly|\bcirca|\bca\.|\bcerca de|约|大约)[ ]?)?"
    r"(?:(?:>=|<=|=>|=<|[<>≥≤]|\bover|\bunder|\bbelow|\babove|\bat least|\bat most|\bup to|\b(?:less|more"
    r"|greater|fewer) than)[ ]?)?(?:~|≈)?[*_`]{0,3}"
    r"(?:[+\-−–－±][ ]?)?(?:R\$|US\$|[$€£₹¥])?[ ]?$",
    re.I,
)
_RANGE_JOIN = re.compile(r"\s?(?:–|—|-|\.\.\.?|…|\bto\b)\s?(?=[$€£₹~]?\d|\.\d)")


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
    if not any(char.isdecimal() for char in text):
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

    for pattern, kind in ((_URL, "url"), (_DATE, "date"), (_TIME, "time"), (_INDEX, "name"), (_ARXIV, "name")):
        for match in pattern.finditer(text):
            take(match.start(), match.end(), kind)
    start = 0
    for word in text.split():
        start = text.index(word, start)
        path = _PATH.search(word) if len(word) <= 200 else None
        if path is not None and any(map(str.isalpha, path[0])) and not ("/" in path[0] and _all_ratio(path[0])):
            take(start + path.start(), start + path.end(), "path")
        start += len(word)
    for match in _VERSION.finditer(text):
        if not re.fullmatch(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?", match[0].rstrip(".+-")):
            take(match.start(), match.end(), "version")
    for match in _BRACKETS.finditer(text):
        if _is_list(match[0]):
            take(match.start(), match.end(), "list")
    for pattern, kind in ((_CHAIN, "list"), (_COLON, "ratio"), (_SLASH, "ratio")):
        for match in pattern.finditer(text):
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
    if (
        re.search(r",\s\D*\d", inner) is None
        and re.fullmatch(r"\s*[\d,]+(?:\.\d+)?\s*", inner)
        and re.fullmatch(r"\s*\d{1,3}(?:,\d{3})+(?:\.\d+)?\s*", inner)
    ):
        return text[0] == "["
    items = inner.split(",")
    if any("%" in item or not _ITEM.match(item) for item in items):
        return False
    if text[0] == "{":
        return True
    numeric = [item.strip() for item in items if any(char.isdecimal() for char in item)]
    decimals = [item for item in numeric if re.fullmatch(r"[+-]?\d+\.\d+", item)]
    return bool(numeric) and not decimals


def _numbers(text: str, begin: int, end: int, taken: list[bool]) -> list[Token]:
    """The tokens of one run of digits and separators: one figure, or several with commas between."""
    run = text[begin:end]
    head = re.match(r"\d+(?:\.\d+)*", run)
    named = begin + (head.end() if head else len(run))
    if begin and _latin(text[begin - 1]):
        return [_name(text, begin, named, taken)]
    if begin > 1 and text[begin - 1] == "-" and _latin(text[begin - 2]) and "." not in text[begin:named]:
        return [_name(text, begin, named, taken)]
    if not _PLAIN.fullmatch(run):
        pieces = list(re.finditer(r"\d+(?:\.\d+)?", run))
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
    exponent = re.match(r"[eE][+\-−]?\d+(?![\w.])", text[end : end + 8])
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
    elif more := re.match(
        r"\s?(?:%|％)|×|[\u00a0 ](?:(?:bps|bp|pp|[kmg]i?b|million|billion|thousand)(?!\w))", text[end : end + 12], re.I
    ):
        end += more.end()
    if re.match(r"\+(?![\d.])", text[end : end + 2]):
        end += 1
    if not unit and (word := re.match(r"[ -]?([^\W\d_]{1,20})", text[end : end + 22])):
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
    match = _PREFIX.search(head)
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
    if not _RANGE_JOIN.fullmatch(between) and not (between.strip() in ("-", "–", "—", "to") and len(between) <= 4):
        return False
    if first.text[:1] in "<>≥≤+" or second.text[:1] in "<>≥≤+-−" or "+" in first.text or " to " in first.text:
        return False
    if between.strip() == "to" and re.search(r"\bfrom\s*[*_`]*$", text[max(0, first.start - 8) : first.start], re.I):
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
    return re.sub(r"^[^\d]*[\d.,]+\s?", "", text).lower().rstrip("+")


def _rough(text: str) -> float | None:
    match = re.search(r"-?\d+(?:[.,]\d+)?", text)
    return float(match[0].replace(",", ".")) if match else None
