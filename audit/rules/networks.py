"""Rules on networks: parameter counts and file sizes, loss floors and weights, the training curve.

Sources: Hochreiter & Schmidhuber (1997) and Cho et al. (2014) for the gates; the weight layouts documented for
``torch.nn.LSTM``/``GRU`` (two bias vectors) and ``keras.layers.LSTM``/``GRU`` (one; GRU with ``reset_after``: two).
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Iterator, Sequence

from assay.audit.claims.intervals import Interval, sum_of
from assay.audit.claims.model import Architecture, Claim, Layer, LossTerm
from assay.audit.rules.scope import Report, Run
from assay.audit.verdicts import Figures, Finding, say
from assay.data.errors import InputError

__all__ = [
    "best_of_curve", "file_size", "inputs_needed", "layer_parameters", "loss_above_floor", "parameter_count",
    "parameters", "reweighted_losses",
]  # fmt: skip

#: Frameworks whose counting rules are known, as sentences call them.
FRAMEWORKS = {"torch": "PyTorch", "keras": "Keras"}
_GATES = {"lstm": 4, "gru": 3, "rnn": 1}
#: Features of a step that are believed without being stated, and layers that come in many forms.
BELIEVABLE_INPUTS, _VARIED = 100, ("attention", "additive_attention", "conv1d", "embedding")


def layer_parameters(layer: Layer, inputs: int, framework: str) -> tuple[int, int, int]:
    """All and trainable parameters of one layer that reads `inputs` features of a step, and the features that leave it;
    `InputError` if its kind is unknown. Keras counts the running statistics of a batch norm, PyTorch does not."""
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
        "dropout": (0, n),
    }  # fmt: skip
    if layer.kind not in trained:
        raise InputError(f"architecture: layer kind {layer.kind!r} is not one of {', '.join(sorted(trained))}")
    total, width = trained[layer.kind]
    return total + (2 * n if layer.kind == "batch_norm" and framework == "keras" else 0), total, width


def parameters(
    architecture: Architecture, framework: str, inputs: int | None = None, only: Sequence[int] | None = None
) -> tuple[int, int]:
    """All and trainable parameters of an architecture, or of `only` some layers; `InputError` without inputs."""
    first = architecture.inputs if inputs is None else inputs
    if first is None:
        raise InputError("architecture: the number of inputs is unknown; state it")
    widths, total, trainable = [first], 0, 0
    for index, layer in enumerate(architecture.layers):
        if layer.source >= index:
            raise InputError(f"architecture: layer {index} reads layer {layer.source}, which comes after it")
        every, some, width = layer_parameters(layer, widths[layer.source + 1 if layer.source >= 0 else -1], framework)
        counted = only is None or index in only
        total, trainable = total + counted * every, trainable + counted * some
        widths.append(width)
    return total, trainable


def inputs_needed(architecture: Architecture, framework: str, low: float, high: float, cap: int = 100_000) -> range:
    """Input features per step with which the count, which is linear in them, falls inside [low, high]."""
    base = parameters(architecture, framework, 1)[0]
    slope = parameters(architecture, framework, 2)[0] - base
    if slope <= 0:
        return range(1, 2) if low <= base <= high else range(0)
    first, last = math.ceil((low - base) / slope + 1), math.floor((high - base) / slope + 1)
    return range(max(1, first), min(cap, last) + 1)


def _needed(architecture: Architecture, low: float, high: float) -> list[int]:
    """The fewest and the most inputs with which each framework's count falls inside."""
    ranges = (inputs_needed(architecture, name, low, high) for name in _frameworks(architecture))
    return [n for found in ranges if found for n in (found[0], found[-1])]


def _frameworks(architecture: Architecture) -> list[str]:
    return [architecture.framework] if architecture.framework in FRAMEWORKS else list(FRAMEWORKS)


def _counts(architecture: Architecture, inputs: int | None = None) -> dict[str, list[int]]:
    """Every count that the framework, or either where unknown, prints, the usual one first."""
    # A GRU without ``reset_after`` has a bias vector less; running statistics of a norm stand in PyTorch's state dict.
    gru = sum(3 * layer.units * (1 + layer.bidirectional) for layer in architecture.layers if layer.kind == "gru")
    norms = sum(layer.kind == "batch_norm" for layer in architecture.layers)
    running = operator.sub(*parameters(architecture, "keras", inputs))
    more = {"keras": (0, -gru), "torch": (0, running, running + norms) if norms else (0,)}
    of = {name: parameters(architecture, name, inputs) for name in _frameworks(architecture)}
    return {name: [*dict.fromkeys(count + m for m in more[name] for count in counts)] for name, counts in of.items()}


def _listed(layers: Iterable[Layer]) -> list[str]:
    """Layers in words: "bidirectional LSTM(64)"."""
    kinds = ((layer, layer.kind.upper() if layer.kind in ("lstm", "gru", "rnn") else layer.kind) for layer in layers)
    return [f"{'bidirectional ' * layer.bidirectional}{kind.replace('_', ' ')}" + f"({layer.units})" * bool(layer.units)
            for layer, kind in kinds if kind != "dropout"]  # fmt: skip


def parameter_count(run: Run) -> Iterator[Finding]:
    """Parameters of the stated layers against the print; a part of the model against its own layers."""
    architecture = run.group.architecture
    if architecture is None or not architecture.layers:
        return
    for claim in run.measured:
        kind = next((kind for word, kind in _PARTS.items() if word in (claim.label or claim.definition).lower()), "-")
        part = [i for i, layer in enumerate(architecture.layers) if layer.kind.endswith(kind)]
        if claim.metric in ("parameters", "parameters_trainable") and not claim.label:
            yield (_whole if architecture.inputs is not None else _unknown_inputs)(run, claim, architecture)
        elif claim.metric in ("parameters_part", "parameters") and part and architecture.inputs is not None:
            totals = sorted({parameters(architecture, name, only=part)[0] for name in _frameworks(architecture)})
            good = any(run.read(claim).holds(total) for total in totals)
            yield say(good, "C26 parameters", [claim], "part", proven=architecture.complete, stated=True, figure=claim,
                      layers=_listed([architecture.layers[i] for i in part]),
                      counts=" or ".join(f"{total:,}" for total in totals))  # fmt: skip


def _whole(run: Run, claim: Claim, architecture: Architecture) -> Finding:
    counts, value = _counts(architecture), run.read(claim)
    every = {count for found in counts.values() for count in found}
    described = (f"{' or '.join(f'{c:,}' for c in found)} in {FRAMEWORKS[name]}" for name, found in counts.items())
    figures: Figures = {"layers": _listed(architecture.layers), "figure": claim, "counts": "; ".join(described),
                        "inputs": f"{architecture.inputs} input{'s' * (architecture.inputs != 1)}"}  # fmt: skip
    exact, usual = any(map(value.holds, every)), not any(layer.kind in _VARIED for layer in architecture.layers)
    good = exact or (not architecture.complete and value.high >= min(every))
    # Layers are what the document states; where it names no framework, both were tried.
    return say("fits" if good else "broken", "C26 parameters", [claim],
               "count" if exact or architecture.complete else "at least", proven=usual or not architecture.complete,
               stated=not good, weight=1 if exact else -int(good), **figures)  # fmt: skip


def _unknown_inputs(run: Run, claim: Claim, architecture: Architecture) -> Finding:
    value, check = run.read(claim), "C26 parameters"
    reachable = _needed(architecture, value.low, value.high)
    bare = min(min(found) for found in _counts(architecture, 1).values())
    figures: Figures = {"layers": _listed(architecture.layers), "bare": bare, "figure": claim}
    if value.high < bare:
        return say("broken", check, [claim], "bare", stated=True, **figures)
    if not architecture.complete:
        return say("fits", check, [claim], "bare", weight=-2, **figures)
    if not reachable:
        return say("broken", check, [claim], "no inputs", proven=not claim.value.about, stated=True, **figures)
    believed = min(reachable) <= BELIEVABLE_INPUTS
    return say("fits" if believed else "doubt", check, [claim], "inputs", weight=-int(believed), stated=not believed,
               low=min(reachable), high=max(reachable), **figures)  # fmt: skip


#: Words of a label, like "LSTM" or "FC" -> the end of the kind of layer that it names.
_PARTS = {"lstm": "lstm", "gru": "gru", **dict.fromkeys(("dense", "fc", "linear", "fully", "head", "output"), "dense"),
          "batch": "batch_norm", "embedding": "embedding", "attention": "attention"}  # fmt: skip


def file_size(run: Run) -> Iterator[Finding]:
    """Bytes of a model file against its parameters: four each in single precision, three copies with Adam's moments."""
    sizes = [c for c in run.members if c.metric == "file_size" and not c.target and c.value.bound in ("", "range")]
    claim = next((c for c in sizes if not c.label or "model" in c.label.lower()), None)
    if claim is None or claim.value.interval.high <= 0:
        return
    of_model = [g.architecture for g in run.claims.groups if g.architecture is not None and g.model == run.group.model]
    architecture = run.group.architecture or (of_model[0] if len(of_model) == 1 else None)
    printed = run.get("parameters")
    copies = 3 if architecture is not None and architecture.saves_optimizer else 1
    size = Interval(max(0.0, claim.value.interval.low), claim.value.interval.high)
    if architecture is not None and architecture.layers and architecture.complete:
        if architecture.inputs is None:
            fewest = min(_needed(architecture, size.low / (4 * copies), size.high / (4 * copies)), default=0)
            if fewest > BELIEVABLE_INPUTS:
                yield say("doubt", "C26 file size", [claim], "inputs", stated=True, file=claim, inputs=fewest)
            return
        count = max(max(found) for found in _counts(architecture).values())
    elif printed is not None:
        count = round(run.read(printed).middle)
    else:
        return
    # Two or eight bytes each, a few kilobytes of names around them; a bare "model" may hold optimizer state unsaid.
    exact = 4 * count * copies
    least, spare = (0.5, 3) if copies == 1 else (0.9, 1)
    good = size.meets(Interval(least * exact, spare * (2.0 * exact + 65536)))
    yield say("fits" if good else "doubt", "C26 file size", [claim], "size", using=() if good else [claim, printed],
              stated=architecture is not None, count=count, file=claim,
              size=f"{exact / 1e6:.3g} MB" if exact >= 1e6 else f"{exact / 1e3:.3g} KB",
              state=" with Adam's two moments" if copies > 1 else "")  # fmt: skip


_LOSSES = ("train_loss", "validation_loss", "test_loss", "loss_gap")
_METRICS_OF = {"mse": "mse", "mae": "mae", "cross_entropy": "log_loss", "binary_cross_entropy": "log_loss"}


def _term_range(run: Run, term: LossTerm) -> tuple[Interval, Claim | None]:
    """What the printed figures say about one loss term; without them what its kind allows."""
    if term.kind == "one_minus_correlation":
        claim = run.get(term.metric) if term.metric else run.get("rank_ic") or run.get("ic")
        bounded = run.read(claim).clip(-1.0, 1.0) if claim is not None else None
        return Interval.point(1.0) - (bounded or Interval(-1.0, 1.0)), claim
    claim = run.get(term.metric or _METRICS_OF.get(term.kind, ""))
    root = run.get("rmse") if term.kind == "mse" else None
    if claim is None and root is not None and not root.value.percent:
        return run.read(root).power(2), root
    return (Interval(0.0, math.inf) if claim is None else run.read(claim)), claim


def loss_above_floor(run: Run) -> Iterator[Finding]:
    """A loss is at least its weighted terms as printed; what it leaves for the one unprinted term is believable."""
    loss = run.group.loss
    if loss is None or not loss.terms or any(term.weight < 0 for term in loss.terms):
        return
    terms = [(term, *_term_range(run, term)) for term in loss.terms]
    known = [(term, value) for term, value, claim in terms if claim is not None]
    printed = [claim for _, _, claim in terms if claim is not None]
    # A printed metric of a split speaks for the loss of the same split; without a split, for the validation loss.
    claim = (run.get(f"{run.split}_loss") if run.split in ("train", "test") else None) or run.get("validation_loss")
    if not known or claim is None:
        return
    floor = sum(term.weight * value.low for term, value, _ in terms)
    beside = " and ".join(f"{c.metric.replace('_', ' ')} {c.printed}" for c in printed)
    kinds = (("(1 − ρ)" if t.kind == "one_minus_correlation" else t.kind.replace("_", " ")) for t in loss.terms)
    formula = " + ".join(k if t.weight == 1 else f"{t.weight:g}·{k}" for k, t in zip(kinds, loss.terms, strict=True))
    figures: Figures = {"formula": formula, "beside": beside, "floor": floor, "loss": claim}
    if run.read(claim).high < floor * (1 - 1e-9):
        yield say("broken", "C23 loss floor", [claim, *printed], "below", stated=True,
                  proven=all(term.same_quantity for term, _ in known), **figures)  # fmt: skip
        return
    yield say("fits", "C23 loss floor", [claim], "above", weight=-1, **figures)
    rest = [term for term, _, claim_ in terms if claim_ is None]
    if len(rest) == 1 and rest[0].weight > 0:
        left = (run.read(claim) - sum_of(value * term.weight for term, value in known)) / rest[0].weight
        guessing = math.log(max(2, len(run.group.classes)))
        if rest[0].kind in ("focal", "cross_entropy", "binary_cross_entropy") and left.low > 3 * guessing:
            yield say("doubt", "C23 loss remainder", [claim, *printed], weight=2, stated=True, guessing=guessing,
                      kind=rest[0].kind.replace("_", " "), left=left, **figures)  # fmt: skip


def reweighted_losses(report: Report) -> Iterator[Finding]:
    """A loss that falls because its weights were cut: bring both to one scale before any comparison."""
    for claim in report.claims.claims:
        pair = [c for c in map(report.claims.claim, claim.inputs) if c is not None]
        if claim.relation not in ("change", "reduction", "ratio") or len(pair) != 2 or claim.target:
            continue
        first, second = pair
        loss = report.claims.group(second.group).loss
        if loss is None or first.metric not in _LOSSES or second.metric != first.metric or first.group == second.group:
            continue
        before, after = ({term.kind: term.weight for term in terms} for terms in (loss.before, loss.terms))
        factors = [after[kind] / weight for kind, weight in before.items() if kind in after and weight > 0]
        moved = report.read(second) / report.read(first)
        cut = min(factors, default=1.0)
        # The cut of the weights explains the fall when it is at least four fifths of it on a log scale.
        if set(before) == set(after) and cut < 1 and moved.low > 0 and cut**1.25 <= moved.low <= moved.high < 1:
            heavy = max(before, key=lambda kind: before[kind])
            old, new = (max(0.0, report.read(c).middle) / of[heavy] for c, of in ((first, before), (second, after)))
            name = heavy.replace("_", " ")
            yield say("baseline", "C25 loss weights", [claim], weight=3, name=name, before=before[heavy],
                      after=after[heavy], cut=1 - after[heavy] / before[heavy], first=first, second=second, old=old,
                      new=new, premise=f"the loss is dominated by its {name} term before and after")  # fmt: skip


def best_of_curve(report: Report) -> Iterator[Finding]:
    """The stated best epoch has the lowest validation loss of those printed."""
    curves: dict[str, dict[float, Claim]] = {}
    for claim in report.claims.claims:
        epoch = re.fullmatch(r"\s*(?:.*epoch\s*)?(\d+)\s*", claim.at, re.I)
        if claim.metric == "validation_loss" and epoch and claim.value.is_point and not claim.target:
            # The loss itself names its split: a row may put it under train, validation or none.
            curves.setdefault(claim.group, {})[float(epoch[1])] = claim
    for best in report.claims.claims:
        curve = curves.get(best.group, {}) if best.metric == "best_epoch" and not best.at else {}
        stated = curve.get(best.value.value)
        if stated is None or len(curve) < 2:
            continue
        earliest, lowest = min(curve.items(), key=lambda item: report.read(item[1]).high)
        good = report.read(lowest).high >= report.read(stated).low
        yield say(good, "C27 best epoch", [best], "lowest" if good else "lower", proven=False,
                  using=[best, stated] if good else [best, stated, lowest], best=best, at_best=stated, epoch=earliest,
                  lowest=lowest)  # fmt: skip
