"""Architectures as reports state them: PyTorch modules in code, layers in a notation such as ``LSTM(50) + Dropout``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.audit.claims.model import Architecture, Layer
from assay.audit.read.document import Line
from assay.audit.read.vocabulary import pattern, table
from assay.audit.read.words import plain

__all__ = ["StatedLayers", "stated_layers"]

_LONGEST = 300
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
