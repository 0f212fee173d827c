"""Networks: parameters of stated layers, as PyTorch and Keras count them.

Sources: Hochreiter & Schmidhuber (1997) and Cho et al. (2014) for the gates; the weight layouts documented for
``torch.nn.LSTM``/``GRU`` (two bias vectors) and ``keras.layers.LSTM``/``GRU`` (one; GRU with ``reset_after``: two).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from assay.audit.claims.model import Architecture, Layer
from assay.data.errors import InputError

__all__ = ["FRAMEWORKS", "inputs_needed", "layer_parameters", "parameters"]

#: Frameworks whose counting rules are known.
FRAMEWORKS = ("torch", "keras")
_GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def layer_parameters(layer: Layer, inputs: int, framework: str) -> tuple[int, int, int]:
    """All and trainable parameters of one layer that reads `inputs` features of a step, and the features that leave it.

    PyTorch's own count leaves the running statistics of a batch norm out (they are buffers); Keras shows them as
    non-trainable. Raises InputError if the kind or the framework is unknown.

    Examples
    --------
    >>> layer_parameters(Layer("lstm", 128), 14, "torch")
    (73728, 73728, 128)

    """
    if framework not in FRAMEWORKS:
        raise InputError(f"architecture: framework {framework!r} is not one of {', '.join(FRAMEWORKS)}")
    n, h, bias, sides = inputs, layer.units, layer.bias, 1 + layer.bidirectional
    gates = _GATES.get(layer.kind, 0)
    biases = 2 if framework == "torch" or gates == 3 else 1
    trained = {
        **dict.fromkeys(_GATES, (sides * gates * h * (n + h + biases * bias), sides * h)),
        "dense": ((n + bias) * h, h), "batch_norm": (2 * n, n), "layer_norm": (2 * n, n),
        "embedding": (layer.vocabulary * h, h), "conv1d": ((layer.kernel * n + bias) * h, h),
        # Query, key, value and output projections of width n (heads split it, they do not add).
        "attention": (4 * n * (n + bias), n),
        # A score layer of `units` (default 1) over the features, and a vector that reads it when wider than 1.
        "additive_attention": ((n + bias + (h > 1)) * (h or 1), h),
        "dropout": (0, n), "flatten": (0, n), "activation": (0, n),
    }  # fmt: skip
    if layer.kind not in trained:
        raise InputError(f"architecture: layer kind {layer.kind!r} is not one of {', '.join(sorted(trained))}")
    total, width = trained[layer.kind]
    return total + (2 * n if layer.kind == "batch_norm" and framework == "keras" else 0), total, width


def parameters(
    architecture: Architecture, framework: str, inputs: int | None = None, only: Sequence[int] | None = None
) -> tuple[int, int]:
    """All and trainable parameters of an architecture, or of `only` some layers; a layer reads the one before it, or
    that of its `source`. Raises InputError if the number of inputs is unknown."""
    first = architecture.inputs if inputs is None else inputs
    if first is None:
        raise InputError("architecture: the number of inputs is unknown; state it")
    widths: list[int] = []
    total = trainable = 0
    for index, layer in enumerate(architecture.layers):
        if layer.source >= index:
            raise InputError(f"architecture: layer {index} reads layer {layer.source}, which comes after it")
        before = widths[layer.source] if layer.source >= 0 else (widths[-1] if widths else first)
        every, some, width = layer_parameters(layer, before, framework)
        counted = only is None or index in only
        total, trainable = total + counted * every, trainable + counted * some
        widths.append(width)
    return total, trainable


def inputs_needed(architecture: Architecture, framework: str, low: float, high: float, cap: int = 100_000) -> range:
    """Input features per step with which the count falls inside [low, high]; empty when none does.

    The count is linear in the number of inputs, so two evaluations give slope and intercept.
    """
    base = parameters(architecture, framework, 1)[0]
    slope = parameters(architecture, framework, 2)[0] - base
    if slope <= 0:
        return range(1, 2) if low <= base <= high else range(0)
    first = max(1, math.ceil((low - base) / slope + 1))
    last = min(cap, math.floor((high - base) / slope + 1))
    return range(first, last + 1)
