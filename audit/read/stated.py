"""Loss formulas and architectures as reports state them: weighted sums, PyTorch modules, ``LSTM(50) + Dropout``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from assay.audit.claims.model import Architecture, Layer, LossFormula, LossTerm
from assay.audit.read.document import Line
from assay.audit.read.vocabulary import pattern, table, wordset
from assay.audit.read.words import bare, plain

__all__ = ["Stated", "stated_layers", "stated_losses"]

#: Longest line that is looked at, and most names that are followed to say what one term is.
_LONGEST, _DEEPEST = 300, 4
#: Fewest layers with parameters that make an architecture.
_FEWEST = 2
T = TypeVar("T")


@dataclass(frozen=True)
class Stated(Generic[T]):
    """What a report states, the line it begins on and the headings above it."""

    line: int
    headings: tuple[str, ...]
    value: T


def stated_losses(lines: Sequence[Line]) -> list[Stated[LossFormula]]:
    """The loss formulas that a report states with all their weights.

    A name is followed to its definition anywhere in the document: ``w_action = 20.0``, ``L_return = MSE``.
    """
    stated: dict[str, str] = {}
    formulas: list[tuple[Line, str]] = []
    for line in lines:
        if len(line.text) <= _LONGEST and (match := pattern("assignment").match(line.text)):
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
        for match in pattern("weight_ratio").finditer(line.text) if len(line.text) <= _LONGEST else ():
            ratios[match[1].lower() in ("final", "current")].add((float(match[2]), float(match[3])))
    if len(ratios[False]) != 1 or not any(a * terms[1].weight == b * terms[0].weight for a, b in ratios[True]):
        return ()
    return tuple(replace(term, weight=weight) for term, weight in zip(terms, ratios[False].pop(), strict=True))


def stated_layers(lines: Sequence[Line]) -> list[Stated[Architecture]]:
    """The architectures that a report states layer by layer, each block of text by itself."""
    text = "\n".join(line.text for line in lines if len(line.text) <= _LONGEST)
    folded = plain(text)
    frameworks = [name for name, words in table("framework").items() if any(word in folded for word in words)]
    shapes = {int(match[1]) for match in pattern("input_shape").finditer(text)}
    blocks: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.kind == "code" and line.block:
            blocks[line.block].append(line)
    found = []
    for block in blocks.values():
        body = [line.text[:_LONGEST] for line in block]
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
