"""Context that a report states beyond doubt, for the groups of its draft: period, n, target, classes, loss, layers,
schedule.

What is stated once in the whole report, or right behind the figure it belongs to, is filled in; what is stated twice
with different values is left for a person. No check takes drafted context for proof.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from assay.audit.claims.intervals import Printed, parse_print
from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import (
    Architecture,
    Claim,
    ClassShare,
    Group,
    Layer,
    LossFormula,
    LossTerm,
    Sample,
    Schedule,
    Split,
    Target,
)
from assay.audit.read.document import Line
from assay.audit.read.sheet import Draft
from assay.audit.read.words import bare, pattern, plain, read_role, says, table, wordset
from assay.data.errors import InputError

__all__ = ["Stated", "stated_layers", "stated_losses", "with_context"]

#: Lines above a patience that may say whose it is, and the longest line that is looked at.
_ABOVE, _LONGEST = 3, 2000
_SPLITS = ("train", "validation", "test")
_SCORES = ("precision", "recall", "f1")


#: Longest line of a formula or a layer, and most names that are followed to say what one term is.
_LONGEST_STATED, _DEEPEST = 300, 4
#: Fewest layers with parameters that make an architecture.
_FEWEST = 2
#: Dates, and the sessions printed beside them.
Span = tuple[str, str, int | None]


T = TypeVar("T")


@dataclass(frozen=True)
class Stated(Generic[T]):
    """What a report states, the line it begins on and the headings above it."""

    line: int
    headings: tuple[str, ...]
    value: T


@dataclass(frozen=True)
class _Facts:
    """What the text states once, or of one split.

    `spans` has dates by split (``"whole"`` of an evaluation as such), `numbers` what is stated by name, `targets` the
    kind of target by heading (``"any"`` of the whole report); `classes` are those that are scored.
    """

    spans: dict[str, Span]
    numbers: dict[str, int]
    volatility: str
    several_n: bool
    targets: dict[str, str]
    losses: tuple[Stated[LossFormula], ...]
    layers: tuple[Stated[Architecture], ...]
    classes: tuple[str, ...]
    binary: bool


@dataclass(frozen=True)
class _Run:
    """A group with its claims, goals left out, and the headings above most of them."""

    group: Group
    claims: list[Claim]
    headings: tuple[str, ...]

    def prints(self, *names: str) -> bool:
        """Whether it prints a metric of one of the lists."""
        return any(claim.metric in wordset(name) for claim in self.claims for name in names)

    @property
    def earlier(self) -> bool:
        return any(part == "before" or read_role(part).earlier for part in self.group.name.split(" / "))

    @property
    def split(self) -> str:
        """The split of a run whose figures name one and no other; figures without a split are then of it too."""
        splits = Counter(c.split for c in self.claims if METRICS[c.metric].kind not in wordset("kinds_of_no_split"))
        named = [split for split in splits if split and split != "train"]
        return named[0] if len(named) == 1 and "train" not in splits and splits[named[0]] * 3 >= splits[""] else ""


def with_context(draft: Draft, lines: Sequence[Line]) -> Draft:
    """The draft with the context of its groups filled in from its own claims and from the text."""
    facts = _facts(draft, lines)
    headings = {line.number: line.headings for line in lines}
    groups = []
    for group in draft.claims.groups:
        mine = [claim for claim in draft.claims.claims if claim.group == group.name]
        above = Counter(headings.get(claim.source_line or 0, ()) for claim in mine)
        groups.append(_filled(_Run(group, [c for c in mine if not c.target], above.most_common(1)[0][0]), facts))
    return replace(draft, claims=replace(draft.claims, groups=tuple(groups)))


def _only(found: Iterable[int]) -> int | None:
    """The one value that stands, however often; None where there is none or several."""
    values = set(found)
    return values.pop() if len(values) == 1 else None


def _facts(draft: Draft, lines: Sequence[Line]) -> _Facts:
    claims = [claim for claim in draft.claims.claims if not claim.target]
    spans: dict[str, set[Span]] = defaultdict(set)
    counted = {claim.source_line: n for claim in claims if (n := _sessions(claim))}
    numbers: dict[str, set[int]] = defaultdict(set)
    targets: dict[str, set[str]] = defaultdict(set)
    volatilities: set[str] = set()
    readable = [line for line in lines if line.text.strip() and len(line.text) <= _LONGEST]
    for position, line in enumerate(readable):
        for match in pattern("date_span").finditer(line.text):
            if match[1] < match[2]:
                place = _about(line.text[: match.start()], line.headings)
                spans[place].add((match[1], match[2], counted.get(line.number)))
        _numbers(line, [other.text for other in readable[max(0, position - _ABOVE) : position + 1]], numbers)
        if stated := {(m[1] or m[2]).replace(" ", "") for m in pattern("volatility_target").finditer(line.text)}:
            numbers["window"] |= {int(m[1] or m[2]) for m in pattern("window").finditer(line.text)}
            volatilities |= stated
        for match in pattern("predicts").finditer(plain(line.text)):
            place = "heading " + line.text.strip("# *") if line.kind == "heading" else "any"
            targets[place].add("return" if "return" in match[0] else "price")
    tried = [int(c.value.value) for c in claims if c.metric == "configurations_tested" and c.value.is_point]
    numbers["tried"] = set(tried) or numbers["tried"]
    known = {name: value for name, values in numbers.items() if (value := _only(values)) is not None}
    if len({claim.group for claim in claims if claim.metric in wordset("trained")}) != 1:
        known = {name: value for name, value in known.items() if name not in ("patience", "epochs")}
    labels = {claim.label for claim in claims if claim.label and claim.metric in _SCORES}
    single = sorted(label for label in labels if " / " not in label)
    half = any(c.metric == "random_baseline" and c.value.interval.holds(0.5) for c in claims)
    up = half and {plain(label) for label in labels} <= {"up"}
    return _Facts(
        spans={name: found.pop() for name, found in spans.items() if name and len(found) == 1},
        numbers=known,
        volatility=volatilities.pop() if len(volatilities) == 1 else "",
        several_n=len(numbers["n"]) > 1,
        targets={place: kinds.pop() for place, kinds in targets.items() if len(kinds) == 1},
        losses=tuple(stated_losses(lines)),
        layers=tuple(stated_layers(lines)),
        classes=tuple(single) if len(single) >= 3 else (),
        binary=up and any(pattern("up_moves").search(line.text) for line in readable),
    )


def _numbers(line: Line, around: list[str], numbers: dict[str, set[int]]) -> None:
    """Add the numbers that a line states by name, `around` being the lines above it and itself."""
    folded = plain(line.text)
    for name, form in table("stated").items():
        for match in pattern(form).finditer(folded):
            numbers[name].add(int(next(group for group in match.groups() if group)))
    numbers["n"] |= {int(match[1].replace(",", "")) for match in pattern("sample_n").finditer(line.text)}
    numbers["tried"] |= {match[1].count(",") + 1 for match in pattern("tried_values").finditer(line.text)}
    # A patience is that of early stopping unless the nearest line that names a reason names a scheduler alone.
    reasons = (text for text in (*around[::-1], *line.headings[::-1]) if pattern("patience_of").search(text))
    if pattern("stopping").search(next(reasons, "early stopping")):
        numbers["patience"] |= {int(match[1]) for match in pattern("patience").finditer(folded)}


def _about(before: str, headings: tuple[str, ...]) -> str:
    """The split that a stretch of dates is of, ``"whole"`` for an evaluation as such, ``""`` where nothing says."""
    near = before[-60:]
    named = [(m.end(), name) for name in _SPLITS for m in pattern(f"of_{name}").finditer(near)]
    above = [name for name in _SPLITS if headings and pattern(f"of_{name}").search(headings[-1])]
    whole = "whole" if pattern("of_whole").search(near) and not above else ""
    return max(named)[1] if named else above[0] if len(above) == 1 else whole


def _filled(run: _Run, facts: _Facts) -> Group:
    number = facts.numbers.get
    portfolio, patience, epochs = run.group.portfolio, number("patience"), number("epochs")
    if run.prints("of_portfolios", "of_signals"):
        portfolio = replace(portfolio, periods_per_year=number("periods"))
    if run.prints("of_portfolios") and facts.volatility:
        window = number("window") if 1 < (number("window") or 0) < 260 else None
        portfolio = replace(portfolio, volatility_target=parse_print(facts.volatility), volatility_window=window)
    if run.prints("of_portfolios", "of_signals", "of_classifiers") and (number("tried") or 0) >= 1:
        portfolio = replace(portfolio, trials=number("tried"))
    supports, n = _supports(run)
    return replace(
        run.group,
        split=run.split,
        sample=_sample(run, facts, n),
        target=_target(run, facts),
        classes=supports or _shares(run) or _classes(run, facts),
        portfolio=portfolio,
        loss=_loss(run, facts),
        architecture=_architecture(run, facts),
        schedule=Schedule(epochs, patience) if run.prints("trained") and (patience or epochs) else None,
    )


def _supports(run: _Run) -> tuple[tuple[ClassShare, ...], int | None]:
    """Classes with their supports, where one table lists them all and their sum is its printed total."""
    scored = {claim.split for claim in run.claims if METRICS[claim.metric].kind in ("proportion", "score")}
    counts = [claim for claim in run.claims if claim.metric == "n_samples" and claim.value.value.is_integer()]
    by_class = {claim.label: int(claim.value.value) for claim in counts if claim.label}
    totals = {int(claim.value.value) for claim in counts if not claim.label}
    listed = len(by_class) == sum(1 for claim in counts if claim.label)
    if len(scored) != 1 or len(by_class) < 2 or not listed or totals != {sum(by_class.values())}:
        return (), None
    return tuple(ClassShare(name, support=count) for name, count in by_class.items()), sum(by_class.values())


def _shares(run: _Run) -> tuple[ClassShare, ...]:
    """Classes with their shares, where the shares that are printed make up the whole."""
    printed = [claim for claim in run.claims if claim.metric == "class_share"]
    shares = {claim.label: claim.value for claim in printed if claim.label}
    ends = [sum(value.interval.low for value in shares.values()), sum(v.interval.high for v in shares.values())]
    if len(shares) < 2 or len(shares) != len(printed) or not ends[0] <= 1.0 <= ends[1]:
        return ()
    return tuple(ClassShare(name, share=value) for name, value in shares.items())


def _classes(run: _Run, facts: _Facts) -> tuple[ClassShare, ...]:
    """Three classes or more, each with scores of its own in this run or in another of the report; two by direction."""
    names: dict[str, set[str]] = defaultdict(set)
    for claim in run.claims:
        if claim.metric in _SCORES and claim.label:
            names[claim.label].add(claim.metric)
    alike = len({frozenset(found) for found in names.values()}) == 1
    if len(names) >= 3 and alike and not any(" / " in name for name in names):
        return tuple(map(ClassShare, names))
    joined = {f"{a} / {b}" for a in facts.classes for b in facts.classes}
    if facts.classes and run.prints("of_classes_all") and set(names) <= {*facts.classes, *joined}:
        return tuple(map(ClassShare, facts.classes))
    return tuple(map(ClassShare, ("up", "down"))) if facts.binary and run.prints("scores") else ()


def _sample(run: _Run, facts: _Facts, n: int | None) -> Sample:
    sample = Sample(n=n)
    if n is None and not facts.several_n and not any(claim.metric in ("hit_rate", "win_rate") for claim in run.claims):
        counted = [claim for claim in run.claims if claim.metric in ("accuracy", "error_rate")]
        if len({claim.split for claim in counted}) == 1:
            sample = replace(sample, n=_only(n for claim in counted if (n := _behind(claim))))
    if len({c.split for c in run.claims if c.metric in wordset("of_portfolios") | wordset("of_signals")}) == 1:
        sample = replace(sample, sessions=_only(n for claim in run.claims if (n := _sessions(claim))))
    spans = {name: ends for name, ends in facts.spans.items() if name != "whole"}
    if len(spans) > 1 and run.prints("of_signals", "of_samples"):
        parts = (Split(name, start=spans[name][0], end=spans[name][1]) for name in _SPLITS if name in spans)
        sample = replace(sample, splits=tuple(parts))
    splits = {claim.split for claim in run.claims if METRICS[claim.metric].kind not in wordset("kinds_of_no_split")}
    alone = run.split or (next(iter(splits)) if len(splits) == 1 else None)
    ends = facts.spans.get(alone or "whole") if alone or (alone == "" and not spans) else None
    if ends is not None:
        sample = replace(sample, start=ends[0], end=ends[1], sessions=sample.sessions or ends[2])
    return replace(sample, horizon=facts.numbers.get("horizon")) if run.prints("of_errors", "of_signals") else sample


def _sessions(claim: Claim) -> int:
    """Sessions that a claim counts for the whole of its run; 0 where it counts none."""
    value = claim.value
    plain_count = value.is_point and value.value.is_integer() and not value.about and not claim.at and not claim.label
    return int(value.value) if claim.metric == "sessions" and plain_count and value.value > 1 else 0


def _behind(claim: Claim) -> int:
    """n printed right behind a counted share: "57.14% (16/28)", "57.14% (n = 28)"; 0 where none is."""
    match = pattern("behind_n").match(claim.source_text.partition(claim.printed)[2])
    if match is None or claim.label or claim.at:
        return 0
    k, n, alone = (int(group.replace(",", "")) if group else 0 for group in match.groups())
    holds = n > 1 and k <= n and (claim.value.interval.holds(k / n) or (claim.value.interval * 0.01).holds(k / n))
    return n if holds else alone if alone > 1 else 0


def _target(run: _Run, facts: _Facts) -> Target:
    """What the run predicts, and the range of it where its ends, or a range, are printed once."""
    target = Target()
    if run.prints("of_errors"):
        by_heading = (facts.targets.get("heading " + title, "") for title in reversed(run.headings))
        target = Target(kind=next((kind for kind in by_heading if kind), facts.targets.get("any", "")))
    printed = {metric: [c for c in run.claims if c.metric == metric and not c.label] for metric in table("range_ends")}
    ends = [_once(printed[metric]) for metric in ("target_low", "target_high")]
    whole = all(says(claim.source_text, "whole_ranges") for claim in printed["target_low"])
    if not any(ends) and (value := _once(printed["target_range"])) and value.bound == "range":
        whole, parts = False, pattern("range_mark").split(value.text.strip("[]() "), maxsplit=1)
        try:
            ends = [parse_print(part) for part in parts] if len(parts) == 2 else ends
        except InputError:
            return target
    low, high = ends
    if low is None or high is None or not low.value < high.value:
        return target
    # A range of all data holds for the evaluated rows too.
    return replace(target, low=low, high=high, range_covers="evaluation" if whole else "")


def _once(claims: list[Claim]) -> Printed | None:
    return claims[0].value if len({claim.value.text for claim in claims}) == 1 else None


def _loss(run: _Run, facts: _Facts) -> LossFormula | None:
    """The stated loss of a run that prints losses; of an earlier run only where its weights are stated."""
    if not run.prints("losses"):
        return None
    if len({stated.value for stated in facts.losses}) == 1:
        formula = facts.losses[0].value
        if not run.earlier:
            return formula
        return LossFormula(formula.before) if formula.before else None
    if not facts.losses and facts.binary and not run.earlier:
        return LossFormula((LossTerm("binary_cross_entropy"),), includes_regularisation=True)
    return None


def _architecture(run: _Run, facts: _Facts) -> Architecture | None:
    """The stated layers of a run that prints counts or sizes of parameters: of its own section, or the only ones."""
    other_files = any(says(claim.label, "other_files") for claim in run.claims if claim.metric == "file_size")
    if not facts.layers or other_files or run.earlier or not run.prints("sizes"):
        return None

    def shared(headings: tuple[str, ...]) -> int:
        pairs = zip(headings, run.headings, strict=False)
        return next((depth for depth, (a, b) in enumerate(pairs) if a != b), min(len(headings), len(run.headings)))

    best = max(facts.layers, key=lambda stated: shared(stated.headings))
    only = len({stated.value for stated in facts.layers}) == 1
    return best.value if only or shared(best.headings) > 1 else None


# --- formulas and layers ---------------------------------------------------------------------------------------------


def stated_losses(lines: Sequence[Line]) -> list[Stated[LossFormula]]:
    """The loss formulas that a report states with all their weights.

    A name is followed to its definition anywhere in the document: ``w_action = 20.0``, ``L_return = MSE``.
    """
    stated: dict[str, str] = {}
    formulas: list[tuple[Line, str]] = []
    for line in lines:
        if len(line.text) <= _LONGEST_STATED and (match := pattern("assignment").match(line.text)):
            name, value = _name(match[1]), match[2].split("#")[0].strip(" `*")
            total = {"loss", "l"} & set(name.split()) and set(name.split()) <= wordset("total_loss")
            if total and "+" in value:
                formulas.append((line, value))
            elif value:
                stated.setdefault(name, value)
    found = []
    for line, value in formulas:
        terms = tuple(term for part in value.split("+") if (term := _term(part, stated)) is not None)
        if len(terms) == value.count("+") + 1:
            found.append(Stated(line.number, line.headings, LossFormula(terms, before=_earlier_weights(lines, terms))))
    return found


def _name(text: str) -> str:
    return " ".join(plain(text).split())


def _term(text: str, stated: dict[str, str]) -> LossTerm | None:
    """One term, ``weight × name``; None where its weight is not stated."""
    factors = [factor.strip(" ()`*") for factor in pattern("times").split(text)]
    numbers = [pattern("plain_number").match(stated.get(_name(factor), factor)) for factor in factors]
    weights = [float(number[1]) for number in numbers if number]
    names = [factor for factor, number in zip(factors, numbers, strict=True) if not number]
    if len(names) != 1 or len(weights) > 1:
        return None
    words, key = "", _name(names[0])
    for _ in range(_DEEPEST):
        words += f" {bare(key.replace('.', ' '))}"
        key = _name(stated.get(key, "").split("(")[0])
    kinds = table("loss_kind")
    kind = next((kind for kind in kinds if any(word in words for word in kinds[kind]["words"])), "other")
    row = kinds.get(kind, {})
    rank = any(word in words for word in row.get("rank", ()))
    return LossTerm(kind, (weights or [1.0])[0], row.get("rank_metric" if rank else "metric", ""))


def _earlier_weights(lines: Sequence[Line], terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
    """The terms under weights that an earlier model had, where the report prints the old ratio and today's alike.

    "Initial extreme imbalance (1:1000)" beside "Final ratio (20:50)": the second is the formula's own, so the first is
    in its order.
    """
    ratios: dict[bool, set[tuple[float, float]]] = defaultdict(set)
    for line in lines if len(terms) == 2 else ():
        for match in pattern("weight_ratio").finditer(line.text) if len(line.text) <= _LONGEST_STATED else ():
            ratios[match[1].lower() in ("final", "current")].add((float(match[2]), float(match[3])))
    if len(ratios[False]) != 1 or not any(a * terms[1].weight == b * terms[0].weight for a, b in ratios[True]):
        return ()
    return tuple(replace(term, weight=weight) for term, weight in zip(terms, ratios[False].pop(), strict=True))


def stated_layers(lines: Sequence[Line]) -> list[Stated[Architecture]]:
    """The architectures that a report states layer by layer, each block of text by itself."""
    text = "\n".join(line.text for line in lines if len(line.text) <= _LONGEST_STATED)
    folded = plain(text)
    frameworks = [name for name, words in table("framework").items() if any(word in folded for word in words)]
    shapes = {int(match[1]) for match in pattern("input_shape").finditer(text)}
    blocks: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.kind == "code" and line.block:
            blocks[line.block].append(line)
    found = []
    for block in blocks.values():
        body = [line.text[:_LONGEST_STATED] for line in block]
        code = any("nn." in line for line in body)
        layers, inputs = _module(body) if code else (_notation(body), None)
        if sum(layer.kind != "dropout" for layer in layers) >= _FEWEST:
            inputs = next(iter(shapes)) if inputs is None and len(shapes) == 1 else inputs
            framework = "torch" if code else frameworks[0] if len(frameworks) == 1 else ""
            saves = "optimizer_state" in text
            made = Architecture(tuple(layers), inputs=inputs, framework=framework, saves_optimizer=saves)
            found.append(Stated(block[0].number, block[0].headings, made))
    return found


def _module(body: list[str]) -> tuple[list[Layer], int | None]:
    """The layers that a PyTorch module makes in its constructor, and the size of one input step."""
    text = "\n".join(line.split("#")[0] for line in body)
    values = {match[1]: int(match[2]) for match in pattern("size_argument").finditer(text)}
    layers: list[Layer] = []
    first = None
    for match in pattern("torch_layer").finditer(text) if "class " in text else ():
        kind = table("layer").get(match[1].lower(), "")
        sizes = [values.get(name, int(name) if name.isdecimal() else 0) for name in _arguments(match[2])]
        if kind in ("batch_norm", "layer_norm", "dropout"):
            layers.append(Layer(kind))
        elif kind and sizes[1]:
            first = first if layers else sizes[0]
            layers += [Layer(kind, units=sizes[1])] * (max(1, sizes[2]) if kind != "dense" else 1)
        else:
            return [], None
    return layers, first or None


def _arguments(text: str) -> list[str]:
    """The first three arguments of a call by position; of a recurrent layer input, hidden size and layers."""
    order, places = table("layer_arguments"), ["", "", ""]
    for position, part in enumerate(piece.strip() for piece in text.split(",")):
        name, _, value = part.partition("=")
        at = order.get(name.strip(), 3) if value else position
        if at < 3:
            places[at] = (value or name).strip()
    return places


def _notation(body: list[str]) -> list[Layer]:
    """Layers named in a diagram or a chain: ``LSTM(50)``, ``LSTM Layer: … 64 units``, ``Head (Linear): 64 → 3``."""
    layers: list[Layer] = []
    for position, line in enumerate(body):
        for match in pattern("layer_call").finditer(line):
            kind = table("layer").get(match[1].lower().replace(" ", ""), "")
            units, source = 0, -1
            if kind not in ("batch_norm", "layer_norm", "dropout"):
                units, source = next(_units(body[position : position + 3], match.end(), layers), (0, -1))
                if not units:
                    return []
            layers.append(Layer(kind, units=units, source=source))
    # Sources only where two heads share one; a chain feeds itself.
    fed = [layer.source for layer in layers if layer.source >= 0]
    return layers if len(fed) != len(set(fed)) else [replace(layer, source=-1) for layer in layers]


def _units(lines: list[str], end: int, layers: list[Layer]) -> Iterator[tuple[int, int]]:
    """The units of a layer, behind its name or on the lines below, and the layer that feeds it where that is told."""
    if moved := pattern("from_to_units").search(lines[0], max(0, end - 12)):
        feeding = [index for index, layer in enumerate(layers) if layer.units == int(moved[1])]
        yield int(moved[2]), (feeding or [-1])[-1]
    own = [pattern("own_units").match(lines[0], end), *(pattern("units_below").search(text) for text in lines[1:])]
    yield from ((int(match[1] or match[2]), -1) for match in own if match)
