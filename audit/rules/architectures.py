"""Rules on parameter counts and file sizes."""

from __future__ import annotations

from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Architecture, Claim, Layer
from assay.audit.forensic.architecture import FRAMEWORKS, file_bytes, inputs_needed, parameters
from assay.audit.forensic.arithmetic import sum_of
from assay.audit.rules.scope import Run, broken, doubtful, fits, span
from assay.audit.verdicts import Finding

__all__ = ["file_size", "parameter_count", "summary_of_layers"]

BELIEVABLE_INPUTS = 100
_NAMES = {"torch": "PyTorch", "keras": "Keras"}
#: Layers that come in many forms.
_VARIED = ("attention", "additive_attention", "conv1d", "embedding")


def _frameworks(architecture: Architecture) -> list[str]:
    return [architecture.framework] if architecture.framework in FRAMEWORKS else list(FRAMEWORKS)


def _counts(architecture: Architecture, inputs: int | None = None) -> dict[str, list[int]]:
    """Every count that the framework, or either where unknown, prints: the usual one first.

    Keras shows trainable and all; a GRU without ``reset_after`` has one bias vector less. PyTorch counts a batch norm's
    running statistics (and its counter) only in the state dict.
    """
    counts: dict[str, list[int]] = {}
    for name in _frameworks(architecture):
        total, trainable = parameters(architecture, name, inputs)
        found = [total, trainable]
        gru = sum(3 * layer.units * (1 + layer.bidirectional) for layer in architecture.layers if layer.kind == "gru")
        if name == "keras" and gru:
            found += [total - gru, trainable - gru]
        norms = [layer for layer in architecture.layers if layer.kind == "batch_norm"]
        if name == "torch" and norms:
            extra = parameters(architecture, "keras", inputs)[0] - parameters(architecture, "keras", inputs)[1]
            found += [total + extra, total + extra + len(norms)]
        counts[name] = list(dict.fromkeys(found))
    return counts


def parameter_count(run: Run) -> Iterator[Finding]:
    """Parameters of the stated layers against the print; a part of the model against its own layers."""
    architecture = run.group.architecture
    if architecture is None or not architecture.layers:
        return
    for claim in run.measured:
        part = _part(architecture, claim)
        if claim.metric in ("parameters", "parameters_trainable") and not claim.label:
            yield from _whole(run, claim, architecture)
        elif claim.metric in ("parameters_part", "parameters") and part is not None and architecture.inputs is not None:
            yield from _piece(run, claim, architecture, part)


def summary_of_layers(run: Run) -> Iterator[Finding]:
    """The parameters of the layers of a printed summary add up to its total, and those trained are not more."""
    total, trained = run.get("parameters"), run.get("parameters_trainable")
    if total is not None and trained is not None and run.read(trained).low > run.read(total).high:
        yield broken(
            "C26 summary",
            [trained, total],
            f"{trained.printed} trainable parameters are more than the {total.printed} there are.",
            run.together(trained, total),
            "both are of one model",
            stated=True,
        )
    parts = [c for c in run.measured if c.metric == "parameters_part" and "summary" in c.definition]
    if total is None or len(parts) < 2 or total.value.about:
        return
    found = sum_of([run.read(part) for part in parts])
    words = f"the {len(parts)} layers of the summary have {span(found)} parameters together, {total.printed} printed"
    if run.read(total).meets(found):
        yield fits("C26 summary", [total, *parts], f"{words}.")
    else:
        yield broken("C26 summary", [total], f"{words}.", False, "the summary lists every layer once", [total, *parts],
                     stated=True)  # fmt: skip


def _whole(run: Run, claim: Claim, architecture: Architecture) -> Iterator[Finding]:
    value = run.read(claim)
    layers = ", ".join(_layer_words(layer) for layer in architecture.layers if layer.kind != "dropout")
    if architecture.inputs is None:
        yield from _unknown_inputs(run, claim, architecture, layers)
        return
    counts = _counts(architecture)
    described = "; ".join(f"{' or '.join(f'{c:,}' for c in found)} in {_NAMES[name]}" for name, found in counts.items())
    plural = "s" if architecture.inputs != 1 else ""
    working = f"{layers} on {architecture.inputs} input{plural} per step: {described}"
    every = {count for found in counts.values() for count in found}
    if any(value.holds(count) for count in every):
        yield fits("C26 parameters", [claim], f"{working}; {claim.printed} is printed.", weight=1)
    elif not architecture.complete and value.high >= min(every):
        yield fits("C26 parameters", [claim], f"{working} at least; {claim.printed} is printed.", weight=-1)
    else:
        least = "" if architecture.complete else " at least, the layers not described left out"
        usual = not any(layer.kind in _VARIED for layer in architecture.layers) or not architecture.complete
        # Layers are what the document states; where it names no framework, both were tried.
        yield broken(
            "C26 parameters",
            [claim],
            f"{working}{least}, but {claim.printed} is printed.",
            usual,
            "layers as listed, attention of the usual form",
            stated=True,
        )


def _unknown_inputs(run: Run, claim: Claim, architecture: Architecture, layers: str) -> Iterator[Finding]:
    value = run.read(claim)
    needed = [inputs_needed(architecture, name, value.low, value.high) for name in _frameworks(architecture)]
    reachable = [(found.start, found.stop - 1) for found in needed if len(found)]
    bare = min(min(_counts(architecture, 1).values(), key=min))
    if value.high < bare:
        yield broken(
            "C26 parameters",
            [claim],
            f"{layers} have at least {bare:,} parameters on one input; {claim.printed} is printed.",
            stated=True,
        )
    elif not architecture.complete:
        yield fits(
            "C26 parameters",
            [claim],
            f"{layers} have {bare:,} parameters on one input already; {claim.printed} leaves room for the"
            " inputs and layers not described.",
            weight=-2,
        )
    elif not reachable and architecture.complete:
        yield broken(
            "C26 parameters",
            [claim],
            f"no number of inputs gives {layers} {claim.printed} parameters.",
            not claim.value.about,
            "the layers are complete as listed",
            stated=True,
        )
    elif reachable and architecture.complete:
        low, high = min(r[0] for r in reachable), max(r[1] for r in reachable)
        sentence = f"{layers} have {claim.printed} parameters only with {low:,} to {high:,} inputs per step"
        if low > BELIEVABLE_INPUTS:
            yield doubtful(
                "C26 parameters",
                [claim],
                f"{sentence}.",
                f"no more than {BELIEVABLE_INPUTS} features per step, layers as listed",
                stated=True,
            )
        else:
            yield fits("C26 parameters", [claim], f"{sentence}.", weight=-1)


def _part(architecture: Architecture, claim: Claim) -> list[int] | None:
    """Indices of the layers that a label like "LSTM" or "FC" names."""
    words = f"{claim.label} {claim.definition if not claim.label else ''}".lower()
    kinds = {
        "lstm": ("lstm",),
        "gru": ("gru",),
        "dense": ("dense",),
        "fc": ("dense",),
        "linear": ("dense",),
        "fully": ("dense",),
        "head": ("dense",),
        "output": ("dense",),
        "batch": ("batch_norm",),
        "embedding": ("embedding",),
        "attention": ("attention", "additive_attention"),
    }
    for word, wanted in kinds.items():
        if word in words:
            found = [i for i, layer in enumerate(architecture.layers) if layer.kind in wanted]
            return found or None
    return None


def _piece(run: Run, claim: Claim, architecture: Architecture, indices: list[int]) -> Iterator[Finding]:
    value = run.read(claim)
    totals = set()
    for name in _frameworks(architecture):
        running = [0]
        for stop in range(1, len(architecture.layers) + 1):
            head = Architecture(architecture.layers[:stop], architecture.inputs, name)
            running.append(parameters(head, name)[0])
        totals.add(sum(running[i + 1] - running[i] for i in indices))
    listed = ", ".join(_layer_words(architecture.layers[i]) for i in indices)
    verb = "has" if len(indices) == 1 else "have"
    sentence = (
        f"{listed} {verb} {' or '.join(f'{t:,}' for t in sorted(totals))} parameters, and {claim.printed} is printed."
    )
    if any(value.holds(total) for total in totals):
        yield fits("C26 parameters", [claim], sentence)
    else:
        held = "the layers are complete as listed"
        yield broken("C26 parameters", [claim], sentence, architecture.complete, held, stated=True)


def _layer_words(layer: Layer) -> str:
    name = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN", "dense": "dense", "batch_norm": "batch norm"}.get(
        layer.kind, layer.kind.replace("_", " ")
    )
    size = f"({layer.units})" if layer.units else ""
    return f"{'bidirectional ' if layer.bidirectional else ''}{name}{size}"


def file_size(run: Run) -> Iterator[Finding]:
    """Bytes of a model file against its parameters: four each in single precision, three copies with Adam's moments."""
    claim = _file_claim(run)
    if claim is None:
        return
    architecture = run.group.architecture or _of_model(run)
    if claim.value.interval.high <= 0:
        return
    value = Interval(max(0.0, claim.value.interval.low), claim.value.interval.high)
    printed = run.get("parameters")
    with_state = architecture is not None and architecture.saves_optimizer
    if architecture is not None and architecture.layers and architecture.complete:
        if architecture.inputs is None:
            copies = 3 if with_state else 1
            low, high = value.low / (4 * copies), value.high / (4 * copies)
            needed = [inputs_needed(architecture, name, low, high) for name in _frameworks(architecture)]
            starts = [found.start for found in needed if len(found)]
            if starts and min(starts) > BELIEVABLE_INPUTS:
                yield doubtful(
                    "C26 file size",
                    [claim],
                    f"at four bytes a parameter a file of {claim.printed} needs at least {min(starts):,} input"
                    " features per step.",
                    f"no more than {BELIEVABLE_INPUTS} features per step, single precision, weights only",
                    stated=True,
                )
            return
        count = max(max(found) for found in _counts(architecture).values())
        words = f"the stated layers have {count:,} parameters"
    elif printed is not None:
        count, words = round(run.read(printed).middle), f"{printed.printed} parameters"
    else:
        return
    low, high = file_bytes(count, with_state)
    exact = 4 * count * (3 if with_state else 1)
    size = f"{exact / 1e6:.3g} MB" if exact >= 1e6 else f"{exact / 1e3:.3g} KB"
    state = " with Adam's two moments" if with_state else ""
    sentence = f"{words}, {size} in single precision{state}; {claim.printed} is printed."
    if value.meets(Interval(low if not with_state else exact * 0.9, high * (1 if with_state else 3))):
        yield fits("C26 file size", [claim], sentence)
    else:
        yield doubtful(
            "C26 file size", [claim], sentence, "single precision, weights" + state + " and nothing else in the file",
            using=[claim, printed], stated=architecture is not None,
        )  # fmt: skip


def _file_claim(run: Run) -> Claim | None:
    sizes = [c for c in run.members if c.metric == "file_size" and not c.target and c.value.bound in ("", "range")]
    return next((c for c in sizes if not c.label or "model" in c.label.lower()), None)


def _of_model(run: Run) -> Architecture | None:
    """The one architecture that other groups of the same model describe."""
    found = [g.architecture for g in run.claims.groups if g.architecture is not None and g.model == run.group.model]
    return found[0] if len(found) == 1 else None
