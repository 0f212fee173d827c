"""Context that a report states beyond doubt, for the groups of its draft: period, n, classes, trials, schedule.

What is stated once in the whole report, or right behind the figure it belongs to, is filled in; what is stated twice
with different values is left for a person. No check takes drafted context for proof.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from assay.audit.claims_model import Claim, ClaimSet, ClassShare, Group, Sample, Schedule, Target
from assay.audit.intervals import parse_print
from assay.audit.metrics_vocabulary import METRICS
from assay.audit.read.document import Line
from assay.audit.read.sheet import Draft
from assay.data.errors import InputError

__all__ = ["with_context"]

_DATE = r"((?:19|20)\d\d-\d\d-\d\d)"
_SPAN = re.compile(rf"{_DATE}\s*(?:to|until|through|a|al|até|hasta|至|–|—|-|−|→|\.\.+|,|and)\s*{_DATE}", re.I)
_SPLITS = {
    "train": re.compile(r"\btrain\w*|\bin.sample\b|\btreino\b|\bentrenamiento\b|训练", re.I),
    "validation": re.compile(r"\bvalid\w*|\bval\b|\bvalida\w+|验证", re.I),
    "test": re.compile(r"\btest\w*|\bout.of.sample\b|\boos\b|\bhold.?out\b|\bteste\b|\bprueba\b|测试", re.I),
}
_WHOLE = re.compile(r"\b(?:backtest\w*|evaluation|period|live|sample|dates?|per[ií]odo|range|span)\b|回测|期间", re.I)
_YEAR_OF = re.compile(
    r"√\s*(252|250|260|365)\b|sqrt\((252|250|260|365)\)|\b(252|250|260|365)\s+(?:trading\s+)?(?:days|sessions|periods)"
    r"\s+(?:per|a|in a|/)\s*year|annuali[sz]\w+[^.\n]{0,30}?\b(252|250|260|365)\b", re.I,
)  # fmt: skip
_PATIENCE = re.compile(r"\b(?:patience|paciência|paciencia|耐心)\b\W{0,8}(?:of\s+|=\s*)?(\d{1,3})\b", re.I)
_EPOCHS = re.compile(
    r"\b(?:max(?:imum)?\.?\s+epochs?|epochs?\s*\(max\w*\)|max_epochs|n_epochs)(?!\w)\W{0,8}(\d{1,4})\b"
    r"|\bepochs?\b\W{1,8}(\d{1,4})\b[^.\n\d]{0,12}\bmax(?:imum)?\b", re.I,
)  # fmt: skip
_VOLATILITY = re.compile(
    r"(?:vol(?:atility)?[\s_-]*target\w*|target(?:ed)?[\s_-]+(?:annual\w*\s+)?vol(?:atility)?)\W{0,8}(?:of\s+|to\s+|at\s+)?"
    r"(\d{1,2}(?:\.\d+)?\s?%)|\bscaled\s+to\s+(\d{1,2}(?:\.\d+)?\s?%)\s+(?:annual\w*\s+)?vol", re.I,
)  # fmt: skip
_WINDOW = re.compile(r"(?:window\s*(?:of\s+|=\s*|:\s*)?(\d{1,3})|(\d{1,3})[\s-]*(?:days?|sessions?)\b)", re.I)
_STOPPING = re.compile(r"early.?stop|parada (?:antecipada|temprana)|早停", re.I)
_SCHEDULER = re.compile(r"schedul|plateau|reduce.?lr|learning.rate|\blr\b", re.I)
#: Lines above a patience that may say whose it is.
_ABOVE = 3
#: "(16/28)", "(n = 28)", "n=28", "16 of 28" right behind a figure.
_OF_N = re.compile(r"^[\s*_`|]*[(\[,;]?\s*(?:(\d[\d,]*)\s*(?:/|of|out of|de)\s*(\d[\d,]*)|[nN]\s*=\s*(\d[\d,]*))\b")
_PORTFOLIO = ("sharpe", "sharpe_gross", "annual_return", "total_return", "annual_volatility", "max_drawdown", "sortino")
_SIGNAL = ("ic", "rank_ic", "icir", "rank_icir", "ic_std", "ic_t")
_OF_NO_SPLIT = ("count", "duration", "size", "loss")
_TRAINED = ("epochs_run", "best_epoch")
_COUNTED = ("accuracy", "error_rate")
#: Shares that may count other cases than those of a classifier.
_OTHERWISE = ("hit_rate", "win_rate")
_ANY_N = re.compile(r"\b[nN]\s*=\s*(\d[\d,]*)\b")


@dataclass(frozen=True)
class _Facts:
    """What the text states once, or of one split."""

    spans: dict[str, tuple[str, str]] = field(default_factory=dict)
    periods: int | None = None
    patience: int | None = None
    epochs: int | None = None
    volatility: str = ""
    window: int | None = None
    several_n: bool = False
    sessions: dict[tuple[str, str], int] = field(default_factory=dict)


def with_context(draft: Draft, lines: Sequence[Line]) -> Draft:
    """The draft with the context of its groups filled in from its own claims and from the text.

    Parameters
    ----------
    draft : claims drafted.
    lines : the report.

    """
    counted = {claim.source_line: int(claim.value.value) for claim in draft.claims.claims
               if claim.metric == "sessions" and _whole(claim) and not claim.target}  # fmt: skip
    facts = _facts(lines, counted)
    texts = {line.number: line.text for line in lines}
    by_group: dict[str, list[tuple[Claim, int]]] = defaultdict(list)
    for claim, column in zip(draft.claims.claims, draft.columns, strict=True):
        by_group[claim.group].append((claim, column))
    trials = _only(
        int(claim.value.value) for claim in draft.claims.claims
        if claim.metric == "configurations_tested" and claim.value.is_point and not claim.target
    )  # fmt: skip
    trained = {claim.group for claim in draft.claims.claims if claim.metric in _TRAINED and not claim.target}
    if len(trained) != 1:
        facts = replace(facts, patience=None, epochs=None)  # which of several runs they are of is not said
    groups = tuple(_filled(group, by_group[group.name], facts, texts, trials) for group in draft.claims.groups)
    return replace(draft, claims=_with_groups(draft.claims, groups))


def _with_groups(claims: ClaimSet, groups: tuple[Group, ...]) -> ClaimSet:
    return replace(claims, groups=groups)


def _only(found: Iterable[int]) -> int | None:
    """The one value that stands, however often; None where there is none or several."""
    values = set(found)
    return values.pop() if len(values) == 1 else None


def _facts(lines: Sequence[Line], counted: dict[int | None, int]) -> _Facts:
    spans: dict[str, set[tuple[str, str]]] = defaultdict(set)
    numbers: dict[str, set[int]] = defaultdict(set)
    volatilities: set[str] = set()
    sessions: dict[tuple[str, str], int] = {}
    recent: list[str] = []
    for line in lines:
        text = line.text
        if len(text) > 2000 or not text.strip():
            continue
        around = [*recent[-_ABOVE:], text]
        recent.append(text)
        for match in _SPAN.finditer(text):
            if match[1] < match[2]:
                spans[_about(text[: match.start()], line.headings)].add((match[1], match[2]))
                if line.number in counted:
                    sessions[match[1], match[2]] = counted[line.number]
        numbers["n"] |= {int(match[1].replace(",", "")) for match in _ANY_N.finditer(text)}
        for match in _VOLATILITY.finditer(text):
            volatilities.add((match[1] or match[2]).replace(" ", ""))
            numbers["window"] |= {int(m[1] or m[2]) for m in _WINDOW.finditer(text)}
        if _of_stopping(around, line.headings):
            numbers["patience"] |= {int(match[1]) for match in _PATIENCE.finditer(text)}
        for name, pattern in (("periods", _YEAR_OF), ("epochs", _EPOCHS)):
            numbers[name] |= {int(next(group for group in m.groups() if group)) for m in pattern.finditer(text)}
    return _Facts(
        {name: next(iter(found)) for name, found in spans.items() if name and len(found) == 1},
        _only(numbers["periods"]),
        _only(numbers["patience"]),
        _only(numbers["epochs"]),
        next(iter(volatilities)) if len(volatilities) == 1 else "",
        _only(numbers["window"]),
        len(numbers["n"]) > 1,
        sessions,
    )


def _of_stopping(around: list[str], headings: tuple[str, ...]) -> bool:
    """Whether a patience is that of early stopping: the nearest line that names a reason does not name a scheduler."""
    for text in (*reversed(around), *reversed(headings)):
        if _STOPPING.search(text):
            return True
        if _SCHEDULER.search(text):
            return False
    return True


def _about(before: str, headings: tuple[str, ...]) -> str:
    """The split that a stretch of dates is of, ``"whole"`` for an evaluation as such, ``""`` where nothing says."""
    near = before[-60:]
    named = [(max(m.end() for m in pattern.finditer(near)), name) for name, pattern in _SPLITS.items()
             if pattern.search(near)]  # fmt: skip
    if named:
        return max(named)[1]
    above = headings[-1] if headings else ""
    by_heading = [name for name, pattern in _SPLITS.items() if pattern.search(above)]
    if len(by_heading) == 1:
        return by_heading[0]
    return "whole" if _WHOLE.search(near) and not by_heading else ""


def _filled(
    group: Group, members: list[tuple[Claim, int]], facts: _Facts, texts: dict[int, str], trials: int | None
) -> Group:
    claims = [claim for claim, _ in members if not claim.target]
    metrics = {claim.metric for claim in claims}
    sample = _sample(group.sample, members, facts, texts, metrics)
    portfolio, schedule = group.portfolio, group.schedule
    if metrics & set(_PORTFOLIO) or metrics & set(_SIGNAL):
        portfolio = replace(portfolio, periods_per_year=portfolio.periods_per_year or facts.periods)
    if metrics & set(_PORTFOLIO) and facts.volatility and portfolio.volatility_target is None:
        window = facts.window if facts.window is not None and 1 < facts.window < 260 else None
        target = parse_print(facts.volatility)
        portfolio = replace(portfolio, volatility_target=target, volatility_window=window)
    if metrics & {*_PORTFOLIO, *_SIGNAL, "accuracy", "auc", "f1"} and trials is not None and trials >= 1:
        portfolio = replace(portfolio, trials=portfolio.trials or trials)
    if metrics & set(_TRAINED) and schedule is None and (facts.patience or facts.epochs):
        schedule = Schedule(max_epochs=facts.epochs, patience=facts.patience)
    return replace(
        group, sample=sample, portfolio=portfolio, schedule=schedule, target=_target(group.target, claims),
        classes=group.classes or _classes(claims),
    )  # fmt: skip


def _sample(
    sample: Sample, members: list[tuple[Claim, int]], facts: _Facts, texts: dict[int, str], metrics: set[str]
) -> Sample:
    claims = [claim for claim, _ in members if not claim.target]
    if sample.n is None and not facts.several_n and not metrics & set(_OTHERWISE):
        behind = {n for claim, column in members if (n := _behind(claim, column, texts)) is not None}
        counted = [claim for claim in claims if claim.metric in _COUNTED]
        if len(behind) == 1 and len({claim.split for claim in counted}) == 1:
            sample = replace(sample, n=behind.pop())
    mine = {claim.split for claim in claims if claim.metric in (*_PORTFOLIO, *_SIGNAL)}
    if sample.sessions is None and len(mine) == 1:
        stated = _only(int(claim.value.value) for claim in claims if claim.metric == "sessions" and _whole(claim))
        sample = replace(sample, sessions=stated if stated is not None and stated > 1 else None)
    spans = {name: ends for name, ends in facts.spans.items() if name != "whole"}
    if len(spans) > 1 and not sample.splits and metrics & {"split_share", "sessions"}:
        sample = replace(sample, splits=tuple((name, "", *spans[name]) for name in _SPLITS if name in spans))
    splits = {claim.split for claim in claims if METRICS[claim.metric].kind not in _OF_NO_SPLIT}
    if not sample.start and len(splits) == 1:
        split = splits.pop()
        ends = facts.spans.get(split) if split else facts.spans.get("whole") if not spans else None
        if ends is not None:
            sample = replace(sample, start=ends[0], end=ends[1], sessions=sample.sessions or facts.sessions.get(ends))
    return sample


def _whole(claim: Claim) -> bool:
    value = claim.value
    return value.is_point and not value.about and value.value.is_integer() and not claim.at and not claim.label


def _behind(claim: Claim, column: int, texts: dict[int, str]) -> int | None:
    """n printed right behind a counted share: "57.14% (16/28)", "57.14% (n = 28)"."""
    if claim.metric not in _COUNTED or claim.target or claim.label or claim.at or claim.source_line is None:
        return None
    text = texts.get(claim.source_line, "")
    start = text.find(claim.printed, max(0, column - 3))
    match = _OF_N.match(text[start + len(claim.printed) :]) if start >= 0 else None
    if match is None:
        return None
    k, n, alone = (int(group.replace(",", "")) if group else None for group in match.groups())
    if alone is not None:
        return alone if alone > 1 else None
    if k is None or n is None or n < 2 or k > n:
        return None
    return n if claim.value.interval.holds(k / n) or (claim.value.interval * 0.01).holds(k / n) else None


def _target(target: Target, claims: list[Claim]) -> Target:
    """The range of the target, where one is printed as a range."""
    if target.low is not None or target.high is not None:
        return target
    ranges = {claim.printed: claim for claim in claims if claim.metric == "target_range" and not claim.label}
    if len(ranges) != 1:
        return target
    value = next(iter(ranges.values())).value
    parts = re.split(r"(?<=\d)\s*(?:–|—|−|-|\bto\b|[,;](?=\s)|\.\.+)\s*", value.text.strip("[]() "), maxsplit=1)
    if value.bound != "range" or not value.value < value.end or len(parts) != 2:
        return target
    try:
        low, high = (parse_print(part) for part in parts)
    except InputError:
        return target
    return replace(target, low=low, high=high) if (low.value, high.value) == (value.value, value.end) else target


def _classes(claims: list[Claim]) -> tuple[ClassShare, ...]:
    """Three classes or more, each with scores of its own; of two classes an unlabelled score may be of one."""
    names: dict[str, set[str]] = {}
    for claim in claims:
        if claim.metric in ("precision", "recall", "f1") and claim.label:
            names.setdefault(claim.label, set()).add(claim.metric)
    alike = len({frozenset(found) for found in names.values()}) == 1
    return tuple(ClassShare(name) for name in names) if len(names) >= 3 and alike else ()
