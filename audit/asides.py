"""Numeric tokens that are no claims, and why."""

from __future__ import annotations

import re

from assay.audit.naming import plain
from assay.audit.roles import is_setting
from assay.audit.sheet import Context, Sheet
from assay.audit.tokens import Token

__all__ = ["REACH", "put_aside", "set_aside", "set_aside_figure"]

#: Columns either side of a figure that are looked at.
REACH = 120
#: Reasons for tokens whose kind alone says that they are no figures.
REASONS = {
    "date": "a date",
    "time": "a time",
    "version": "a version",
    "name": "a name with digits in it",
    "path": "a path or file",
    "url": "a link",
    "list": "a list of sizes or settings",
    "ratio": "a ratio of settings",
    "ordinal": "an ordinal",
}
_COUNTED = (
    "day|week|month|year|quarter|hour|minute|second|sec|min|h|ms|s|epoch|layer|unit|feature|timestep|step"
    "|fold|stock|asset|head"
    "|neuron|model|split|indicator|class|classes|reduction|position|name|ticker|symbol|window|bar|point|decile|quintile"
    "|quantile|bin|percentile|seed|run|configuration|config|market|sector|company|companies|line|page|core"
    "|gpu|bucket|tree|node"
    "|d|w|y|yr|dia|dias|mes|meses|ano|anos|año|años|hora|horas|acao|acoes|ativo|activo|camada|capa|epoca"
    "|recommended|lstm"
    "|concurrent|dense|conv|hidden|separate|single|technical|large|us|core|top|different|major|liquid|of|most"
    "|holding|trading"
)
_UNIT = re.compile(rf"^(?:{_COUNTED})s?$")


def set_aside(sheet: Sheet, line: int, token: Token) -> bool:
    """Exclude a token whose kind says that it is no figure; False when it might be one."""
    if token.kind == "number":
        return False
    sheet.exclude(line, token, REASONS[token.kind])
    return True


def put_aside(sheet: Sheet, line: int, token: Token, reason: str) -> None:
    """Exclude a token for what it is, or for the reason given."""
    if not set_aside(sheet, line, token):
        sheet.exclude(line, token, reason)


def set_aside_figure(sheet: Sheet, line: int, text: str, token: Token, folded: str, context: Context) -> None:
    """Say why a figure without a metric is no claim, or list it as not placed."""
    before = folded[max(0, token.start - REACH) : token.start]
    bare = re.fullmatch(r"(?:[a-z]+ )*[~<>≥≤+ ]*[\d,.]+\+?", token.text) is not None
    if re.fullmatch(r"(?:19|20)\d\d", token.text) and not re.search(r"[=:]\s*$", before):
        sheet.exclude(line, token, "a year")
    elif context.settings or is_setting(before[-60:] + " " + folded[token.end : token.end + 24]):
        sheet.exclude(line, token, "a hyperparameter or setting")
    elif (_UNIT.match(plain(token.unit)) and (bare or "-" in token.text)) or token.unit in (
        "ms",
        "s",
        "h",
        "d",
        "min",
        "hrs",
        "hr",
    ):
        sheet.exclude(line, token, f"a count or duration ({token.unit})")
    elif re.search(r"[kmgt]i?b\+?$", token.text, re.I):
        sheet.exclude(line, token, "a size of memory or storage")
    elif re.search(r"[=(]\s*$", before) and re.search(r"\w\s*[=(]\s*$", before) and "`" in text:
        sheet.exclude(line, token, "code")
    elif bare and re.fullmatch(r"\d{1,3}", token.text) and context.topic == "":
        sheet.exclude(line, token, "a count or size in prose; no metric is named")
    else:
        sheet.leave(line, token, "no metric that is known stands near it")
