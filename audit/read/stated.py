"""Loss formulas and architectures as reports state them: weighted sums, PyTorch modules, ``LSTM(50) + Dropout``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.audit.claims.model import Architecture, Layer, LossFormula, LossTerm
from assay.audit.read.document import Line
from assay.audit.read.vocabulary import pattern, table, wordset
from assay.audit.read.words import plain, words_of

__all__ = ["StatedLayers", "StatedLoss", "stated_layers", "stated_losses"]

#: Longest line that is looked at, and most names that are followed to say what one term is.
_LONGEST, _DEEPEST = 300, 4


@dataclass(frozen=True)
class StatedLoss:
    """A loss formula and the line it stands on."""

    line: int
    formula: LossFormula


def stated_losses(lines: Sequence[Line]) -> list[StatedLoss]:
    """The loss formulas that a report states with all their weights.

    Notes
    -----
    A name is followed to its definition anywhere in the document: ``w_action = 20.0``, ``L_return = MSE``.

    """
    stated: dict[str, str] = {}
    formulas: list[tuple[int, str]] = []
    for line in lines:
        match = pattern("assignment").match(line.text) if len(line.text) <= _LONGEST else None
        if match is None:
            continue
        name, value = " ".join(plain(match[1]).split()), match[2].split("#")[0].strip(" `*")
        if _is_total(name) and "+" in value:
            formulas.append((line.number, value))
        elif value and name not in stated:
            stated[name] = value
    found = []
    for number, value in formulas:
        terms = [_term(part, stated) for part in value.split("+")]
        if len(terms) > 1 and all(term is not None for term in terms):
            known = tuple(term for term in terms if term is not None)
            found.append(StatedLoss(number, LossFormula(known, before=_earlier_weights(lines, known))))
    return found


def _is_total(name: str) -> bool:
    words = set(name.split())
    return bool(words & {"loss", "l"}) and words <= wordset("total_loss")


def _term(text: str, stated: dict[str, str]) -> LossTerm | None:
    """One term, ``weight × name``; None where its weight is not stated."""
    factors = [factor.strip(" ()`*") for factor in pattern("times").split(text)]
    numbers = [value for factor in factors if (value := _number(factor, stated)) is not None]
    names = [factor for factor in factors if _number(factor, stated) is None]
    if len(names) != 1 or len(numbers) > 1:
        return None
    kind, metric = _kind(names[0], stated)
    return LossTerm(kind, weight=numbers[0] if numbers else 1.0, metric=metric)


def _number(text: str, stated: dict[str, str]) -> float | None:
    value = stated.get(" ".join(plain(text).split()), text)
    match = pattern("plain_number").match(value)
    return float(match[0]) if match and not any(map(str.isalpha, value[match.end() : match.end() + 1])) else None


def _kind(name: str, stated: dict[str, str]) -> tuple[str, str]:
    """The kind of a term and the metric that prints it, from its name and what the name is defined as."""
    words, key = "", " ".join(plain(name).split())
    for _ in range(_DEEPEST):
        words += " " + " ".join(words_of(plain(key.replace(".", " "))))
        following = stated.get(key, "")
        if not following or following == key:
            break
        key = " ".join(plain(following.split("(")[0]).split())
    for kind, row in table("loss_kind").items():
        if any(word in words for word in row["words"]):
            rank = any(word in words for word in row.get("rank", ()))
            return kind, row.get("rank_metric" if rank else "metric", "")
    return "other", ""


def _earlier_weights(lines: Sequence[Line], terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
    """The terms under weights that an earlier model had, where the report prints the old ratio and today's alike.

    "Initial extreme imbalance (1:1000)" beside "Final ratio (20:50)": the second is the formula's own, so the first is
    in its order.
    """
    if len(terms) != 2:
        return ()
    ratios = {"initial": set[tuple[float, float]](), "final": set[tuple[float, float]]()}
    for line in lines:
        if len(line.text) <= _LONGEST and ":" in line.text:
            for match in pattern("weight_ratio").finditer(line.text):
                stage = "final" if match[1].lower() in ("final", "current") else "initial"
                ratios[stage].add((float(match[2]), float(match[3])))
    own = (terms[0].weight, terms[1].weight)
    if len(ratios["initial"]) != 1 or not any(a * own[1] == b * own[0] for a, b in ratios["final"]):
        return ()
    first, second = next(iter(ratios["initial"]))
    return (LossTerm(terms[0].kind, first, terms[0].metric), LossTerm(terms[1].kind, second, terms[1].metric))


#: Fewest layers with parameters that make an architecture.
_FEWEST = 2


@dataclass(frozen=True)
class StatedLayers:
    """An architecture, the line it begins on and the headings above it."""

    line: int
    headings: tuple[str, ...]
    architecture: Architecture


def stated_layers(lines: Sequence[Line]) -> list[StatedLayers]:
    """The architectures that a report states layer by layer, each block of text by itself."""
    text = "\n".join(line.text for line in lines if len(line.text) <= _LONGEST)
    folded = plain(text)
    frameworks = [name for name, words in table("framework").items() if any(word in folded for word in words)]
    framework = frameworks[0] if len(frameworks) == 1 else ""
    shapes = {int(match[1]) for match in pattern("input_shape").finditer(text)}
    saves = "optimizer_state" in text
    found = []
    for block in _blocks(lines):
        body = [line.text[:_LONGEST] for line in block]
        code = any("nn." in line for line in body)
        layers, inputs = _module(body) if code else (_notation(body), None)
        if sum(layer.kind not in ("dropout",) for layer in layers) < _FEWEST:
            continue
        if inputs is None and len(shapes) == 1:
            inputs = next(iter(shapes))
        known = "torch" if code else framework
        architecture = Architecture(tuple(layers), inputs=inputs, framework=known, saves_optimizer=saves)
        found.append(StatedLayers(block[0].number, block[0].headings, architecture))
    return found


def _blocks(lines: Sequence[Line]) -> list[list[Line]]:
    blocks: dict[int, list[Line]] = {}
    for line in lines:
        if line.kind == "code" and line.block:
            blocks.setdefault(line.block, []).append(line)
    return list(blocks.values())


def _module(body: list[str]) -> tuple[list[Layer], int | None]:
    """The layers that a PyTorch module makes in its constructor, and the size of one input step."""
    if not any("class " in line for line in body):
        return [], None
    text = "\n".join(line.split("#")[0] for line in body)
    values = {match[1]: int(match[2]) for match in pattern("size_argument").finditer(text)}
    layers: list[Layer] = []
    inputs: int | None = None
    for match in pattern("torch_layer").finditer(text):
        kind = table("layer").get(match[1].lower(), "")
        sizes = [values.get(name, int(name) if name.isdecimal() else 0) for name in _arguments(match[2])]
        if kind in ("lstm", "gru", "rnn") and len(sizes) >= 2:
            inputs = inputs if layers else sizes[0] or None
            layers += [Layer(kind, units=sizes[1])] * (sizes[2] if len(sizes) > 2 and sizes[2] else 1)
        elif kind == "dense" and len(sizes) >= 2:
            inputs = inputs if layers else sizes[0] or None
            layers.append(Layer(kind, units=sizes[1]))
        elif kind in ("batch_norm", "layer_norm", "dropout"):
            layers.append(Layer(kind))
        else:
            return [], None
    return (
        ([], None)
        if any(layer.units == 0 and layer.kind in ("lstm", "gru", "rnn", "dense") for layer in layers)
        else (layers, inputs)
    )


def _arguments(text: str) -> list[str]:
    """The arguments of a call by position; of a recurrent layer ``input_size``, ``hidden_size``, ``num_layers``."""
    order = {"input_size": 0, "in_features": 0, "hidden_size": 1, "out_features": 1, "num_layers": 2}
    places = ["", "", ""]
    for position, part in enumerate(piece.strip() for piece in text.split(",")):
        name, _, value = part.partition("=")
        at = order.get(name.strip()) if value else position if position < 3 else None
        if at is not None:
            places[at] = (value or name).strip()
    return places if places[2] else places[:2]


def _notation(body: list[str]) -> list[Layer]:
    """Layers named in a diagram or a chain: ``LSTM(50)``, ``LSTM Layer: … 64 units``, ``Head (Linear): 64 → 3``."""
    layers: list[Layer] = []
    for position, line in enumerate(body):
        for match in pattern("layer_call").finditer(line):
            kind = table("layer").get(match[1].lower().replace(" ", ""), "")
            if kind in ("batch_norm", "layer_norm", "dropout"):
                layers.append(Layer(kind))
                continue
            units, source = _units(body, position, match.end(), layers)
            if not units:
                return []
            layers.append(Layer(kind, units=units, source=source))
    return _heads_apart(layers)


def _units(body: list[str], position: int, end: int, layers: list[Layer]) -> tuple[int, int]:
    """The units of a layer, behind its name or on the lines below, and the layer that feeds it where that is told."""
    line = body[position]
    if moved := pattern("from_to_units").search(line, max(0, end - 12)):
        feeding = [index for index, layer in enumerate(layers) if layer.units == int(moved[1])]
        return int(moved[2]), feeding[-1] if feeding else -1
    if own := pattern("own_units").match(line, end):
        return int(own[1] or own[2]), -1
    below = (pattern("units_below").search(text) for text in body[position + 1 : position + 3])
    found = next((match for match in below if match), None)
    return (int(found[1] or found[2]), -1) if found else (0, -1)


def _heads_apart(layers: list[Layer]) -> list[Layer]:
    """Sources only where two heads share one; a chain feeds itself."""
    fed = [layer.source for layer in layers if layer.source >= 0]
    apart = len(fed) != len(set(fed))
    # A layer's source counts from 0; dropout between keeps what it is fed.
    return layers if apart else [replace(layer, source=-1) for layer in layers]
