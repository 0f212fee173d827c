"""Context that a report states beyond doubt, for the groups of its draft: period, n, target, loss, layers, schedule.

What is stated once in the whole report, or right behind the figure it belongs to, is filled in; what is stated twice
with different values is left for a person. No check takes drafted context for proof.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from assay.audit.claims.intervals import parse_print
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import (
    Architecture,
    Claim,
    ClassShare,
    Group,
    LossFormula,
    LossTerm,
    Sample,
    Schedule,
    Split,
    Target,
)
from assay.audit.read.document import Line
from assay.audit.read.sheet import Draft
from assay.audit.read.stated import StatedLayers, StatedLoss, stated_layers, stated_losses
from assay.audit.read.vocabulary import pattern, table
from assay.audit.read.words import plain, read_role, says
from assay.data.errors import InputError

__all__ = ["with_context"]

#: Lines above a patience that may say whose it is.
_ABOVE = 3
_LONGEST = 2000
_SPLITS = ("train", "validation", "test")
_PORTFOLIO = ("sharpe", "sharpe_gross", "annual_return", "total_return", "annual_volatility", "max_drawdown", "sortino")
_SIGNAL = ("ic", "rank_ic", "icir", "rank_icir", "ic_std", "ic_t")
_SCORES = ("precision", "recall", "f1", "f1_macro", "f1_weighted")
_ERRORS = ("r2", "mae", "rmse", "mape", "mse", "bias")
_LOSSES = ("train_loss", "validation_loss", "test_loss", "loss_gap")
_SIZES = ("parameters", "parameters_part", "parameters_trainable", "file_size")
_OF_NO_SPLIT = ("count", "duration", "size", "loss")
_TRAINED = ("epochs_run", "best_epoch")
_COUNTED = ("accuracy", "error_rate")
#: Shares that may count other cases than those of a classifier.
_OTHERWISE = ("hit_rate", "win_rate")


@dataclass(frozen=True)
class _Facts:
    """What the text states once, or of one split."""

    spans: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    volatility: str = ""
    several_n: bool = False
    sessions: dict[tuple[str, str], int] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    trials: int | None = None
    losses: tuple[StatedLoss, ...] = ()
    layers: tuple[StatedLayers, ...] = ()
    classes: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()

    def number(self, name: str) -> int | None:
        return self.numbers.get(name)


@dataclass(frozen=True)
class _Members:
    """The claims of one group, with their columns and the headings above them."""

    group: Group
    pairs: tuple[tuple[Claim, int], ...]
    headings: tuple[str, ...]

    @property
    def claims(self) -> list[Claim]:
        return [claim for claim, _ in self.pairs if not claim.target]

    @property
    def metrics(self) -> set[str]:
        return {claim.metric for claim in self.claims}

    @property
    def earlier(self) -> bool:
        return any(part == "before" or read_role(part).earlier for part in self.group.name.split(" / "))


def with_context(draft: Draft, lines: Sequence[Line]) -> Draft:
    """The draft with the context of its groups filled in from its own claims and from the text."""
    facts = _facts(draft, lines)
    texts = {line.number: line for line in lines}
    by_group: dict[str, list[tuple[Claim, int]]] = defaultdict(list)
    for claim, column in zip(draft.claims.claims, draft.columns, strict=True):
        by_group[claim.group].append((claim, column))
    groups = []
    for group in draft.claims.groups:
        pairs = tuple(by_group[group.name])
        above = [texts[claim.source_line].headings for claim, _ in pairs if claim.source_line in texts]
        groups.append(_filled(_Members(group, pairs, _common(above)), facts, texts))
    return replace(draft, claims=replace(draft.claims, groups=tuple(groups)))


def _common(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The most frequent path of headings."""
    return Counter(paths).most_common(1)[0][0] if paths else ()


def _only(found: Iterable[int]) -> int | None:
    """The one value that stands, however often; None where there is none or several."""
    values = set(found)
    return values.pop() if len(values) == 1 else None


def _facts(draft: Draft, lines: Sequence[Line]) -> _Facts:
    claims = [claim for claim in draft.claims.claims if not claim.target]
    counted = {
        claim.source_line: int(claim.value.value) for claim in claims if claim.metric == "sessions" and _whole(claim)
    }
    spans: dict[str, set[tuple[str, str]]] = defaultdict(set)
    numbers: dict[str, set[int]] = defaultdict(set)
    volatilities: set[str] = set()
    sessions: dict[tuple[str, str], int] = {}
    recent: list[str] = []
    for line in lines:
        if len(line.text) > _LONGEST or not line.text.strip():
            continue
        for match in pattern("date_span").finditer(line.text):
            if match[1] < match[2]:
                spans[_about(line.text[: match.start()], line.headings)].add((match[1], match[2]))
                if line.number in counted:
                    sessions[match[1], match[2]] = counted[line.number]
        volatilities |= _numbers(line, recent, numbers)
        recent = [*recent[-_ABOVE:], line.text]
    trained = {claim.group for claim in claims if claim.metric in _TRAINED}
    known = {name: value for name, values in numbers.items() if (value := _only(values)) is not None}
    if len(trained) != 1:
        known = {name: value for name, value in known.items() if name not in ("patience", "epochs")}
    tried = [int(c.value.value) for c in claims if c.metric == "configurations_tested" and c.value.is_point]
    labels = {label for claim in claims if (label := claim.label) and claim.metric in _SCORES[:3]}
    return _Facts(
        {name: next(iter(found)) for name, found in spans.items() if name and len(found) == 1},
        known,
        next(iter(volatilities)) if len(volatilities) == 1 else "",
        len(numbers["n"]) > 1,
        sessions,
        _targets(lines),
        _only(tried) or (known.get("tried") if not tried else None),
        tuple(stated_losses(lines)),
        tuple(stated_layers(lines)),
        _several_classes(labels),
        _two_classes(claims, lines),
    )


def _several_classes(labels: set[str]) -> tuple[str, ...]:
    """The classes that a report scores, where there are three or more."""
    single = sorted(label for label in labels if " / " not in label)
    return tuple(single) if len(single) >= 3 else ()


def _numbers(line: Line, recent: list[str], numbers: dict[str, set[int]]) -> set[str]:
    """Add the numbers that a line states by name; the volatility targets it states are returned."""
    text, folded = line.text, plain(line.text)
    for name in table("stated"):
        for match in pattern(table("stated")[name]).finditer(folded):
            numbers[name].add(int(next(group for group in match.groups() if group)))
    for match in pattern("sample_n").finditer(text):
        numbers["n"].add(int(match[1].replace(",", "")))
    if _of_stopping([*recent, text], line.headings):
        numbers["patience"] |= {int(match[1]) for match in pattern("patience").finditer(folded)}
    for match in pattern("tried_values").finditer(text):
        numbers["tried"].add(match[1].count(",") + 1)
    volatilities = {(match[1] or match[2]).replace(" ", "") for match in pattern("volatility_target").finditer(text)}
    if volatilities:
        numbers["window"] |= {int(m[1] or m[2]) for m in pattern("window").finditer(text)}
    return volatilities


def _of_stopping(around: list[str], headings: tuple[str, ...]) -> bool:
    """Whether a patience is that of early stopping: the nearest line that names a reason does not name a scheduler."""
    for text in (*reversed(around), *reversed(headings)):
        if pattern("stopping").search(text):
            return True
        if pattern("scheduler").search(text):
            return False
    return True


def _about(before: str, headings: tuple[str, ...]) -> str:
    """The split that a stretch of dates is of, ``"whole"`` for an evaluation as such, ``""`` where nothing says."""
    near = before[-60:]
    named = [(m.end(), name) for name in _SPLITS for m in pattern(f"of_{name}").finditer(near)]
    if named:
        return max(named)[1]
    by_heading = [name for name in _SPLITS if pattern(f"of_{name}").search(headings[-1])] if headings else []
    if len(by_heading) == 1:
        return by_heading[0]
    return "whole" if pattern("of_whole").search(near) and not by_heading else ""


def _targets(lines: Sequence[Line]) -> dict[str, str]:
    """What the models of a section predict, by the words of its headings, and by any line for the whole report."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        for match in pattern("predicts").finditer(plain(line.text[:_LONGEST])):
            kind = "return" if "return" in match[0] else "price"
            found["heading " + line.text.strip("# *") if line.kind == "heading" else "any"].add(kind)
    return {place: next(iter(kinds)) for place, kinds in found.items() if len(kinds) == 1}


def _two_classes(claims: list[Claim], lines: Sequence[Line]) -> tuple[str, ...]:
    """``up`` and ``down`` where the report's scores are of a direction and chance is stated as one half."""
    half = any(c.metric == "random_baseline" and c.value.interval.holds(0.5) for c in claims)
    if not half or any(plain(c.label) != "up" for c in claims if c.label and c.metric in _SCORES[:3]):
        return ()
    return ("up", "down") if any(pattern("up_moves").search(line.text[:_LONGEST]) for line in lines) else ()


def _filled(mine: _Members, facts: _Facts, texts: dict[int, Line]) -> Group:
    group, metrics = mine.group, mine.metrics
    sample = _sample(mine, facts, texts)
    portfolio, schedule = group.portfolio, group.schedule
    if metrics & {*_PORTFOLIO, *_SIGNAL}:
        portfolio = replace(portfolio, periods_per_year=portfolio.periods_per_year or facts.number("periods"))
    if metrics & set(_PORTFOLIO) and facts.volatility and portfolio.volatility_target is None:
        window = facts.number("window")
        window = window if window is not None and 1 < window < 260 else None
        portfolio = replace(portfolio, volatility_target=parse_print(facts.volatility), volatility_window=window)
    if metrics & {*_PORTFOLIO, *_SIGNAL, "accuracy", "auc", "f1"} and facts.trials is not None and facts.trials >= 1:
        portfolio = replace(portfolio, trials=portfolio.trials or facts.trials)
    patience, epochs = facts.number("patience"), facts.number("epochs")
    if metrics & set(_TRAINED) and schedule is None and (patience or epochs):
        schedule = Schedule(max_epochs=epochs, patience=patience)
    return replace(
        group, sample=sample, portfolio=portfolio, schedule=schedule, target=_target(mine, facts),
        classes=group.classes or _classes(mine, facts), loss=group.loss or _loss(mine, facts),
        architecture=group.architecture or _architecture(mine, facts), split=group.split or _split(mine),
    )  # fmt: skip


def _split(mine: _Members) -> str:
    """The split of a run whose figures name one and no other; figures without a split are then of it too."""
    splits = Counter(claim.split for claim in mine.claims if METRICS[claim.metric].kind not in _OF_NO_SPLIT)
    named = [split for split in splits if split and split != "train"]
    return named[0] if len(named) == 1 and "train" not in splits and splits[named[0]] * 3 >= splits[""] else ""


def _sample(mine: _Members, facts: _Facts, texts: dict[int, Line]) -> Sample:
    claims, metrics, sample = mine.claims, mine.metrics, mine.group.sample
    if sample.n is None and not facts.several_n and not metrics & set(_OTHERWISE):
        behind = {n for claim, column in mine.pairs if (n := _behind(claim, column, texts)) is not None}
        counted = [claim for claim in claims if claim.metric in _COUNTED]
        if len(behind) == 1 and len({claim.split for claim in counted}) == 1:
            sample = replace(sample, n=behind.pop())
    splits_traded = {claim.split for claim in claims if claim.metric in (*_PORTFOLIO, *_SIGNAL)}
    if sample.sessions is None and len(splits_traded) == 1:
        stated = _only(int(claim.value.value) for claim in claims if claim.metric == "sessions" and _whole(claim))
        sample = replace(sample, sessions=stated if stated is not None and stated > 1 else None)
    spans = {name: ends for name, ends in facts.spans.items() if name != "whole"}
    if len(spans) > 1 and not sample.splits and metrics & {"split_share", "sessions", *_SIGNAL}:
        sample = replace(sample, splits=tuple(Split(name, None, *spans[name]) for name in _SPLITS if name in spans))
    splits = {claim.split for claim in claims if METRICS[claim.metric].kind not in _OF_NO_SPLIT}
    alone = _split(mine) or (next(iter(splits)) if len(splits) == 1 else None)
    if not sample.start and alone is not None:
        ends = facts.spans.get(alone) if alone else facts.spans.get("whole") if not spans else None
        if ends is not None:
            sample = replace(sample, start=ends[0], end=ends[1], sessions=sample.sessions or facts.sessions.get(ends))
    if metrics & {*_ERRORS, *_SIGNAL} and sample.horizon is None:
        sample = replace(sample, horizon=facts.number("horizon"))
    return sample


def _whole(claim: Claim) -> bool:
    value = claim.value
    return value.is_point and not value.about and value.value.is_integer() and not claim.at and not claim.label


def _behind(claim: Claim, column: int, texts: dict[int, Line]) -> int | None:
    """n printed right behind a counted share: "57.14% (16/28)", "57.14% (n = 28)"."""
    if claim.metric not in _COUNTED or claim.target or claim.label or claim.at or claim.source_line not in texts:
        return None
    text = texts[claim.source_line].text if claim.source_line is not None else ""
    start = text.find(claim.printed, max(0, column - 3))
    match = pattern("behind_n").match(text[start + len(claim.printed) :]) if start >= 0 else None
    if match is None:
        return None
    k, n, alone = (int(group.replace(",", "")) if group else None for group in match.groups())
    if alone is not None:
        return alone if alone > 1 else None
    if k is None or n is None or n < 2 or k > n:
        return None
    return n if claim.value.interval.holds(k / n) or (claim.value.interval * 0.01).holds(k / n) else None


def _target(mine: _Members, facts: _Facts) -> Target:
    """What the run predicts, and the range of it where one is printed as a range."""
    target = mine.group.target
    if not target.kind and mine.metrics & set(_ERRORS):
        by_heading = [facts.targets.get("heading " + title, "") for title in reversed(mine.headings)]
        kind = next((kind for kind in by_heading if kind), facts.targets.get("any", ""))
        target = replace(target, kind=kind)
    if target.low is not None or target.high is not None:
        return target
    ranges = {claim.printed: claim for claim in mine.claims if claim.metric == "target_range" and not claim.label}
    if len(ranges) != 1:
        return target
    value = next(iter(ranges.values())).value
    parts = pattern("range_mark").split(value.text.strip("[]() "), maxsplit=1)
    if value.bound != "range" or not value.value < value.end or len(parts) != 2:
        return target
    try:
        low, high = (parse_print(part) for part in parts)
    except InputError:
        return target
    return replace(target, low=low, high=high) if (low.value, high.value) == (value.value, value.end) else target


def _classes(mine: _Members, facts: _Facts) -> tuple[ClassShare, ...]:
    """Three classes or more, each with scores of its own in this run or in another of the report; two by direction."""
    names: dict[str, set[str]] = {}
    for claim in mine.claims:
        if claim.metric in _SCORES[:3] and claim.label:
            names.setdefault(claim.label, set()).add(claim.metric)
    alike = len({frozenset(found) for found in names.values()}) == 1
    if len(names) >= 3 and alike and not any(" / " in name for name in names):
        return tuple(ClassShare(name) for name in names)
    if facts.classes and mine.metrics & {*_SCORES, "accuracy"} and set(names) <= {*facts.classes, *_joined(facts)}:
        return tuple(ClassShare(name) for name in facts.classes)
    return tuple(ClassShare(name) for name in facts.binary) if facts.binary and mine.metrics & set(_SCORES) else ()


def _joined(facts: _Facts) -> set[str]:
    return {f"{a} / {b}" for a in facts.classes for b in facts.classes}


def _loss(mine: _Members, facts: _Facts) -> LossFormula | None:
    """The stated loss of a run that prints losses; of an earlier run only where its weights are stated."""
    if not mine.metrics & set(_LOSSES):
        return None
    if len({stated.formula for stated in facts.losses}) == 1:
        formula = facts.losses[0].formula
        if not mine.earlier:
            return formula
        return LossFormula(formula.before) if formula.before else None
    if not facts.losses and facts.binary and not mine.earlier:
        return LossFormula((LossTerm("binary_cross_entropy"),), includes_regularisation=True)
    return None


def _architecture(mine: _Members, facts: _Facts) -> Architecture | None:
    """The stated layers of a run that prints counts or sizes of parameters: of its own section, or the only ones."""
    if not mine.metrics & set(_SIZES) or not facts.layers or mine.earlier:
        return None
    if any(says(claim.label, "other_files") for claim in mine.claims if claim.metric == "file_size"):
        return None
    best = max(facts.layers, key=lambda stated: _shared(stated.headings, mine.headings))
    only = len({stated.architecture for stated in facts.layers}) == 1
    return best.architecture if only or _shared(best.headings, mine.headings) > 1 else None


def _shared(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count
