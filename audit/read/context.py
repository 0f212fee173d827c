"""Context that a report states beyond doubt, for the groups of its draft: period, n, target, classes, loss, layers.

What is stated once in the whole report, or right behind the figure it belongs to, is filled in; what is stated twice
with different values is left for a person. No check takes drafted context for proof.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from assay.audit.claims.intervals import Printed, parse_print
from assay.audit.claims.model import (
    METRICS,
    Architecture,
    Claim,
    ClassShare,
    Group,
    Layer,
    LossFormula,
    LossTerm,
    Sample,
    Split,
    Target,
)
from assay.audit.read.document import Line
from assay.audit.read.sheet import Draft
from assay.audit.read.words import bare, pattern, plain, read_role, says, table, wordset
from assay.data.errors import InputError

__all__ = ["stated_layers", "stated_losses", "with_context"]

#: Longest line that is looked at, and of a formula or a layer.
_LONGEST, _LONGEST_STATED = 2000, 300
#: Names that are followed to say what a term of a loss is, and fewest layers with parameters of an architecture.
_DEEPEST, _FEWEST = 4, 2
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class _Facts:
    """What the text states, each fact with all its values (``periods``, ``target any``, ``span test``)."""

    values: Mapping[str, set[Any]]
    losses: Sequence[tuple[Line, LossFormula]]
    layers: Sequence[tuple[Line, Architecture]]
    classes: tuple[str, ...]
    binary: bool  # whether its classes are up and down

    def only(self, name: str) -> Any:
        """The one value that is stated, however often; None where there is none or several."""
        return _only(self.values.get(name, ()))


@dataclass(frozen=True)
class _Run:
    """A group with its claims, goals left out, and the headings above most of them."""

    group: Group
    claims: list[Claim]
    headings: tuple[str, ...]

    def prints(self, *names: str) -> bool:
        """Whether it prints a metric of one of the lists."""
        return any(claim.metric in wordset(name) for claim in self.claims for name in names)

    def of(self, *metrics: str) -> list[Claim]:
        return [claim for claim in self.claims if claim.metric in metrics]

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
    results = [claim for claim in draft.claims.claims if not claim.target]
    facts, headings = _facts(results, lines), {line.number: line.headings for line in lines}
    members: dict[str, list[Claim]] = defaultdict(list)
    above: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for claim in draft.claims.claims:
        above[claim.group][headings.get(claim.source_line or 0, ())] += 1
        members[claim.group] += [] if claim.target else [claim]
    runs = (_Run(group, members[group.name], above[group.name].most_common(1)[0][0]) for group in draft.claims.groups)
    return replace(draft, claims=replace(draft.claims, groups=tuple(_filled(run, facts) for run in runs)))


def _only(found: Any) -> Any:
    values = set(found)
    return values.pop() if len(values) == 1 else None


def _facts(claims: Sequence[Claim], lines: Sequence[Line]) -> _Facts:
    counted = {claim.source_line: n for claim in claims if (n := _sessions(claim))}
    readable = [line for line in lines if line.text.strip() and len(line.text) <= _LONGEST]
    values: dict[str, set[Any]] = defaultdict(set)
    for line in readable:
        folded = plain(line.text)
        for name, form in table("stated").items():
            found = (next(filter(None, match.groups())).replace(",", "") for match in pattern(form).finditer(folded))
            values[name] |= {int(text) if text.isdecimal() else text.replace(" ", "") for text in found}
        for match in pattern("date_span").finditer(line.text):
            if match[1] < match[2]:
                place = _about(line.text[: match.start()], line.headings)
                values["span " + place].add((match[1], match[2], counted.get(line.number)))
        for match in pattern("date_key").finditer(line.text.lower()):  # "val_start": "2024-11-20"
            values[f"{match[2]} {match[1]}"].add(match[3])
        for match in pattern("predicts").finditer(folded):
            place = line.text.strip("# *") if line.kind == "heading" else "any"
            values["target " + place].add("return" if "return" in match[0] else "price")
        values["tried"] |= {match[1].count(",") + 1 for match in pattern("tried_values").finditer(line.text)}
    for name in _SPLITS:
        first, last = (_only(values[f"{end} {name[:3]}"]) or "" for end in ("start", "end"))
        values["span " + name] |= {(first, last, None)} if "" < first < last else set()
    tried = {int(c.value.value) for c in claims if c.metric == "configurations_tested" and c.value.is_point}
    values["tried"] = tried or values["tried"]
    labels = {claim.label for claim in claims if claim.label and claim.metric in wordset("class_scores")}
    single = sorted(label for label in labels if " / " not in label)
    half = any(c.metric == "random_baseline" and c.value.interval.holds(0.5) for c in claims)
    up = half and {plain(label) for label in labels} <= {"up"}
    return _Facts(
        values, stated_losses(lines), stated_layers(lines), tuple(single) if len(single) >= 3 else (),
        binary=up and any(pattern("up_moves").search(line.text) for line in readable),
    )  # fmt: skip


def _about(before: str, headings: tuple[str, ...]) -> str:
    """The split that a stretch of dates is of, ``"whole"`` for an evaluation as such, ``""`` where nothing says."""
    near = before[-60:]
    named = [(m.end(), name) for name in _SPLITS for m in pattern(f"of_{name}").finditer(near)]
    above = [name for name in _SPLITS if headings and pattern(f"of_{name}").search(headings[-1])]
    whole = "whole" if pattern("of_whole").search(near) and not above else ""
    return max(named)[1] if named else above[0] if len(above) == 1 else whole


def _filled(run: _Run, facts: _Facts) -> Group:
    only, portfolio, prints = facts.only, run.group.portfolio, run.prints
    if prints("of_portfolios", "of_signals"):
        portfolio = replace(portfolio, periods_per_year=only("periods"))
    if prints("of_portfolios") and (volatility := only("volatility")):
        portfolio = replace(portfolio, volatility_target=parse_print(volatility), volatility_window=only("window"))
    if prints("of_portfolios", "of_signals", "of_classifiers") and (only("tried") or 0) >= 1:
        portfolio = replace(portfolio, trials=only("tried"))
    supports, n = _supports(run)
    return replace(
        run.group, split=run.split, sample=_sample(run, facts, n), target=_target(run, facts), portfolio=portfolio,
        classes=supports or _shares(run) or _classes(run, facts), loss=_loss(run, facts),
        architecture=_architecture(run, facts),
    )  # fmt: skip


def _supports(run: _Run) -> tuple[tuple[ClassShare, ...], int | None]:
    """Classes with their supports, where one table lists them all and their sum is its printed total."""
    scored = {claim.split for claim in run.claims if METRICS[claim.metric].kind in ("proportion", "score")}
    counts = [claim for claim in run.of("n_samples") if claim.value.value.is_integer()]
    listed = [(claim.label, int(claim.value.value)) for claim in counts if claim.label]
    whole, by_class = {int(claim.value.value) for claim in counts if not claim.label}, dict(listed)
    if len(scored) != 1 or not 2 <= len(by_class) == len(listed) or whole != {sum(by_class.values())}:
        return (), None
    return tuple(ClassShare(name, support=count) for name, count in listed), whole.pop()


def _shares(run: _Run) -> tuple[ClassShare, ...]:
    """Classes with their shares, where the shares that are printed make up the whole."""
    printed = run.of("class_share")
    shares = {claim.label: claim.value for claim in printed if claim.label}
    low, high = (sum(getattr(value.interval, end) for value in shares.values()) for end in ("low", "high"))
    whole = 2 <= len(shares) == len(printed) and low <= 1.0 <= high
    return tuple(ClassShare(name, share=value) for name, value in shares.items()) if whole else ()


def _classes(run: _Run, facts: _Facts) -> tuple[ClassShare, ...]:
    """Three classes or more, each with scores of its own in this run or in another of the report; two by direction."""
    names: dict[str, set[str]] = defaultdict(set)
    for claim in run.of(*wordset("class_scores")):
        if claim.label:
            names[claim.label].add(claim.metric)
    alike = len({frozenset(metrics) for metrics in names.values()}) == 1
    joined = {f"{a} / {b}" for a in facts.classes for b in facts.classes}
    if len(names) >= 3 and alike and not any(" / " in name for name in names):
        found = tuple(names)
    elif facts.classes and run.prints("of_classes_all") and set(names) <= {*facts.classes, *joined}:
        found = facts.classes
    else:
        found = ("up", "down") if facts.binary and run.prints("scores") else ()
    return tuple(map(ClassShare, found))


def _sample(run: _Run, facts: _Facts, n: int | None) -> Sample:
    counted = run.of("accuracy", "error_rate")
    single = len({claim.split for claim in counted}) == 1 and not run.of("hit_rate", "win_rate")
    if n is None and single and len(facts.values.get("n", ())) <= 1:
        n = _only(filter(None, map(_behind, counted)))
    sessions = None
    if len({c.split for c in run.claims if c.metric in wordset("of_portfolios") | wordset("of_signals")}) == 1:
        sessions = _only(filter(None, map(_sessions, run.claims)))
    spans = {name: span for name in _SPLITS if (span := facts.only("span " + name))}
    stated = len(spans) > 1 and run.prints("of_signals", "of_samples", "of_portfolios")
    parts = tuple(Split(name, start=span[0], end=span[1]) for name, span in spans.items()) if stated else ()
    splits = {claim.split for claim in run.claims if METRICS[claim.metric].kind not in wordset("kinds_of_no_split")}
    alone = run.split or (next(iter(splits)) if len(splits) == 1 else None)
    span = facts.only(f"span {alone or 'whole'}") if alone or (alone == "" and not spans) else None
    start, end, days = span or ("", "", None)
    horizon = facts.only("horizon") if run.prints("of_errors", "of_signals") else None
    return Sample(n, sessions=sessions or days, start=start, end=end, splits=parts, horizon=horizon)


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
    places = (*reversed(run.headings), "any") if run.prints("of_errors") else ()
    target = Target(next(filter(None, (facts.only("target " + place) for place in places)), ""))
    low, high, both = (_once(run, metric) for metric in ("target_low", "target_high", "target_range"))
    whole = all(says(claim.source_text, "whole_ranges") for claim in run.of("target_low") if not claim.label)
    if not low and not high and both and both.bound == "range":
        whole, parts = False, pattern("range_mark").split(both.text.strip("[]() "), maxsplit=1)
        try:
            low, high = map(parse_print, parts)
        except (InputError, ValueError):
            return target
    if low is None or high is None or not low.value < high.value:
        return target
    # A range of all data holds for the evaluated rows too.
    return replace(target, low=low, high=high, range_covers="evaluation" if whole else "")


def _once(run: _Run, metric: str) -> Printed | None:
    claims = [claim for claim in run.of(metric) if not claim.label]
    return claims[0].value if len({claim.value.text for claim in claims}) == 1 else None


def _loss(run: _Run, facts: _Facts) -> LossFormula | None:
    """The stated loss of a run that prints losses; of an earlier run only where its weights are stated."""
    formula = _only(formula for _, formula in facts.losses)
    if formula and run.prints("losses") and run.earlier:
        return LossFormula(formula.before) if formula.before else None
    binary = not facts.losses and facts.binary and not run.earlier
    default = LossFormula((LossTerm("binary_cross_entropy"),), includes_regularisation=True) if binary else None
    return (formula or default) if run.prints("losses") else None


def _architecture(run: _Run, facts: _Facts) -> Architecture | None:
    """The stated layers of a run that prints counts or sizes of parameters: of its own section, or the only ones."""
    other_files = any(says(claim.label, "other_files") for claim in run.of("file_size"))
    if not facts.layers or other_files or run.earlier or not run.prints("sizes"):
        return None

    def shared(stated: tuple[Line, Architecture]) -> int:
        pairs = zip(stated[0].headings, run.headings, strict=False)
        return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))

    best = max(facts.layers, key=shared)
    return best[1] if _only(layers for _, layers in facts.layers) or shared(best) > 1 else None


def stated_losses(lines: Sequence[Line]) -> list[tuple[Line, LossFormula]]:
    """The loss formulas that a report states with all their weights, each with the line it stands on.

    A name is followed to its definition anywhere in the document: ``w_action = 20.0``, ``L_return = MSE``.
    """
    stated: dict[str, str] = {}
    formulas: list[tuple[Line, str]] = []
    for line in lines:
        if len(line.text) <= _LONGEST_STATED and (match := pattern("assignment").match(line.text)):
            name, value = bare(match[1]), match[2].split("#")[0].strip(" `*")
            total = {"loss", "l"} & set(name.split()) and set(name.split()) <= wordset("total_loss")
            if total and "+" in value:
                formulas.append((line, value))
            elif value:
                stated.setdefault(name, value)
    terms = [(line, [_term(part, stated) for part in value.split("+")]) for line, value in formulas]
    return [
        (line, LossFormula(known, before=_earlier_weights(lines, known)))
        for line, found in terms if len(known := tuple(filter(None, found))) == len(found)
    ]  # fmt: skip


def _term(text: str, stated: Mapping[str, str]) -> LossTerm | None:
    """One term, ``weight × name``; None where its weight is not stated."""
    weights: list[float] = []
    names: list[str] = []
    for factor in (factor.strip(" ()`*") for factor in pattern("times").split(text)):
        if number := pattern("plain_number").match(stated.get(bare(factor), factor)):
            weights.append(float(number[1]))
        else:
            names.append(bare(factor))
    if len(names) != 1 or len(weights) > 1:
        return None
    words, key = "", names[0]
    for _ in range(_DEEPEST):
        words, key = f"{words} {key}", bare(stated.get(key, "").split("(")[0])
    kinds = table("loss_kind")
    kind = next((kind for kind in kinds if any(word in words for word in kinds[kind]["words"])), "other")
    row = kinds.get(kind, {})
    rank = any(word in words for word in row.get("rank", ()))
    return LossTerm(kind, (weights or [1.0])[0], row.get("rank_metric" if rank else "metric", ""))


def _earlier_weights(lines: Sequence[Line], terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
    """The terms under an earlier model's weights, "initial ratio (1:1000)", where today's ratio is printed alike."""
    ratios: dict[bool, set[tuple[float, float]]] = defaultdict(set)
    for line in lines if len(terms) == 2 else ():
        for match in pattern("weight_ratio").finditer(line.text) if len(line.text) <= _LONGEST_STATED else ():
            ratios[match[1].lower() in ("final", "current")].add((float(match[2]), float(match[3])))
    if len(ratios[False]) != 1 or not any(a * terms[1].weight == b * terms[0].weight for a, b in ratios[True]):
        return ()
    return tuple(replace(term, weight=weight) for term, weight in zip(terms, ratios[False].pop(), strict=True))


def stated_layers(lines: Sequence[Line]) -> list[tuple[Line, Architecture]]:
    """The architectures that a report states layer by layer, each block of text by itself, with its first line."""
    text = "\n".join(line.text for line in lines if len(line.text) <= _LONGEST_STATED)
    folded = plain(text)
    framework = _only(name for name, words in table("framework").items() if any(word in folded for word in words))
    shape = _only(int(match[1]) for match in pattern("input_shape").finditer(text))
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
            made = Architecture(
                tuple(layers), inputs=shape if inputs is None else inputs, saves_optimizer="optimizer_state" in text,
                framework="torch" if code else framework or "",
                complete=code or not pattern("other_layer").search("\n".join(body)),
            )  # fmt: skip
            found.append((block[0], made))
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
        if kind in wordset("sizeless"):
            layers.append(Layer(kind))
        elif kind and sizes[1]:
            first = first if layers else sizes[0]
            layers += [Layer(kind, units=sizes[1])] * (max(1, sizes[2]) if kind != "dense" else 1)
        else:
            return [], None
    return layers, first or None


def _arguments(text: str) -> list[str]:
    """The first three arguments of a call by position; of a recurrent layer input, hidden size and layers."""
    order, places = table("layer_arguments"), {0: "", 1: "", 2: ""}
    for position, part in enumerate(piece.strip() for piece in text.split(",")):
        name, _, value = part.partition("=")
        places[order.get(name.strip(), 3) if value else position] = (value or name).strip()
    return [places[at] for at in range(3)]


def _notation(body: list[str]) -> list[Layer]:
    """Layers named in a diagram or a chain: ``LSTM(50)``, ``LSTM Layer: … 64 units``, ``Head (Linear): 64 → 3``."""
    layers: list[Layer] = []
    for position, line in enumerate(body):
        for match in pattern("layer_call").finditer(line):
            kind = table("layer").get(match[1].lower().replace(" ", ""), "")
            sized = kind not in wordset("sizeless")
            units, source = _units(body[position : position + 3], match.end(), layers) if sized else (0, -1)
            if not units and sized:
                return []
            layers.append(Layer(kind, units=units, source=source))
    # Sources only where two heads share one; a chain feeds itself.
    fed = [layer.source for layer in layers if layer.source >= 0]
    return layers if len(fed) != len(set(fed)) else [replace(layer, source=-1) for layer in layers]


def _units(lines: list[str], end: int, layers: list[Layer]) -> tuple[int, int]:
    """The units of a layer, behind its name or on the lines below, and the layer that feeds it where that is told."""
    if moved := pattern("from_to_units").search(lines[0], max(0, end - 12)):
        feeding = [index for index, layer in enumerate(layers) if layer.units == int(moved[1])]
        return int(moved[2]), (feeding or [-1])[-1]
    own = (pattern("own_units").match(lines[0], end), *(pattern("units_below").search(text) for text in lines[1:]))
    return next((int(match[1] or match[2]) for match in own if match), 0), -1
