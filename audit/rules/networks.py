"""Rules on networks: parameter counts and file sizes, loss floors and weights, early stopping, the training curve."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Architecture, Claim, Layer, LossTerm, Schedule
from assay.audit.forensic.arithmetic import sum_of
from assay.audit.forensic.networks import (
    FRAMEWORKS,
    best_epoch_range,
    epochs_run_range,
    file_bytes,
    inputs_needed,
    loss_floor,
    loss_remainder,
    parameters,
    rescaled,
    weight_change,
)
from assay.audit.rules.scope import Report, Run, baseline, broken, doubtful, fits, judged, number, percent, span
from assay.audit.verdicts import Finding

__all__ = [
    "best_of_curve",
    "epochs",
    "file_size",
    "loss_above_floor",
    "parameter_count",
    "reweighted_losses",
    "summary_of_layers",
]

BELIEVABLE_INPUTS = 100
_FEW_INPUTS = f"no more than {BELIEVABLE_INPUTS} features per step"
_LISTED = "the layers are complete as listed"
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
        words = f"{trained.printed} trainable parameters are more than the {total.printed} there are."
        proven = run.together(trained, total)
        yield broken("C26 summary", [trained, total], words, proven, "both are of one model", stated=True)
    parts = [c for c in run.measured if c.metric == "parameters_part" and "summary" in c.definition]
    if total is None or len(parts) < 2 or total.value.about:
        return
    found = sum_of([run.read(part) for part in parts])
    words = f"the {len(parts)} layers of the summary have {span(found)} parameters together, {total.printed} printed."
    held = "the summary lists every layer once"
    yield judged(run.read(total).meets(found), "C26 summary", [total], words, False, held, [total, *parts], True)


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
        held = "layers as listed, attention of the usual form"
        words = f"{working}{least}, but {claim.printed} is printed."
        yield broken("C26 parameters", [claim], words, usual, held, stated=True)


def _unknown_inputs(run: Run, claim: Claim, architecture: Architecture, layers: str) -> Iterator[Finding]:
    value = run.read(claim)
    needed = [inputs_needed(architecture, name, value.low, value.high) for name in _frameworks(architecture)]
    reachable = [(found.start, found.stop - 1) for found in needed if len(found)]
    bare = min(min(_counts(architecture, 1).values(), key=min))
    if value.high < bare:
        words = f"{layers} have at least {bare:,} parameters on one input; {claim.printed} is printed."
        yield broken("C26 parameters", [claim], words, stated=True)
    elif not architecture.complete:
        words = f"{layers} have {bare:,} parameters on one input already; {claim.printed} leaves room for the inputs"
        yield fits("C26 parameters", [claim], f"{words} and layers not described.", weight=-2)
    elif not reachable:
        words = f"no number of inputs gives {layers} {claim.printed} parameters."
        yield broken("C26 parameters", [claim], words, not claim.value.about, _LISTED, stated=True)
    else:
        low, high = min(r[0] for r in reachable), max(r[1] for r in reachable)
        words = f"{layers} have {claim.printed} parameters only with {low:,} to {high:,} inputs per step."
        if low > BELIEVABLE_INPUTS:
            yield doubtful("C26 parameters", [claim], words, f"{_FEW_INPUTS}, layers as listed", stated=True)
        else:
            yield fits("C26 parameters", [claim], words, weight=-1)


#: Words of a label -> the layers that it names.
_PARTS = {
    "lstm": ("lstm",), "gru": ("gru",), "dense": ("dense",), "fc": ("dense",), "linear": ("dense",),
    "fully": ("dense",), "head": ("dense",), "output": ("dense",), "batch": ("batch_norm",),
    "embedding": ("embedding",), "attention": ("attention", "additive_attention"),
}  # fmt: skip


def _part(architecture: Architecture, claim: Claim) -> list[int] | None:
    """Indices of the layers that a label like "LSTM" or "FC" names."""
    words = f"{claim.label} {claim.definition if not claim.label else ''}".lower()
    wanted = next((kinds for word, kinds in _PARTS.items() if word in words), ())
    return [i for i, layer in enumerate(architecture.layers) if layer.kind in wanted] or None


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
    good = any(value.holds(total) for total in totals)
    yield judged(good, "C26 parameters", [claim], sentence, architecture.complete, _LISTED, stated=True)


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
    copies = 3 if architecture is not None and architecture.saves_optimizer else 1
    if architecture is not None and architecture.layers and architecture.complete:
        if architecture.inputs is None:
            yield from _inputs_of_file(claim, architecture, value, copies)
            return
        count = max(max(found) for found in _counts(architecture).values())
        words = f"the stated layers have {count:,} parameters"
    elif printed is not None:
        count, words = round(run.read(printed).middle), f"{printed.printed} parameters"
    else:
        return
    low, high = file_bytes(count, copies)
    exact = 4 * count * copies
    size = f"{exact / 1e6:.3g} MB" if exact >= 1e6 else f"{exact / 1e3:.3g} KB"
    state = " with Adam's two moments" if copies > 1 else ""
    sentence = f"{words}, {size} in single precision{state}; {claim.printed} is printed."
    if value.meets(Interval(low, 3 * high) if copies == 1 else Interval(exact * 0.9, high)):
        yield fits("C26 file size", [claim], sentence)
    else:
        held = f"single precision, weights{state} and nothing else in the file"
        used = [claim, printed]
        yield doubtful("C26 file size", [claim], sentence, held, using=used, stated=architecture is not None)


def _inputs_of_file(claim: Claim, architecture: Architecture, size: Interval, copies: int) -> Iterator[Finding]:
    """How many inputs the layers need to fill a file."""
    low, high = size.low / (4 * copies), size.high / (4 * copies)
    needed = [inputs_needed(architecture, name, low, high) for name in _frameworks(architecture)]
    starts = [found.start for found in needed if len(found)]
    if starts and min(starts) > BELIEVABLE_INPUTS:
        words = f"at four bytes a parameter a file of {claim.printed} needs at least {min(starts):,} input features per"
        held = f"{_FEW_INPUTS}, single precision, weights only"
        yield doubtful("C26 file size", [claim], f"{words} step.", held, stated=True)


def _file_claim(run: Run) -> Claim | None:
    sizes = [c for c in run.members if c.metric == "file_size" and not c.target and c.value.bound in ("", "range")]
    return next((c for c in sizes if not c.label or "model" in c.label.lower()), None)


def _of_model(run: Run) -> Architecture | None:
    """The one architecture that other groups of the same model describe."""
    found = [g.architecture for g in run.claims.groups if g.architecture is not None and g.model == run.group.model]
    return found[0] if len(found) == 1 else None


_LOSSES = ("train_loss", "validation_loss", "test_loss")
_KIND_METRIC = {"mse": ("mse",), "mae": ("mae",), "cross_entropy": ("log_loss",), "binary_cross_entropy": ("log_loss",)}
#: Least value of each kind of term; a correlation term is at least 1 - 1.
_LEAST = Interval(0.0, math.inf)
SAME = "the loss term and the printed metric are one quantity, on the same rows and batches"


def _term_range(run: Run, term: LossTerm) -> tuple[Interval, Claim | None]:
    """What the printed figures say about one loss term."""
    metric = term.metric
    if term.kind == "one_minus_correlation":
        claim = run.get(metric) if metric else run.get("rank_ic") or run.get("ic")
        if claim is None:
            return Interval(0.0, 2.0), None
        bounded = run.read(claim).clip(-1.0, 1.0) or Interval(-1.0, 1.0)
        return Interval.point(1.0) - bounded, claim
    for name in (metric,) if metric else _KIND_METRIC.get(term.kind, ()):
        claim = run.get(name)
        if claim is not None:
            return run.read(claim), claim
    if term.kind == "mse" and (claim := run.get("rmse")) is not None and not claim.value.percent:
        return run.read(claim).power(2), claim
    return _LEAST, None


def loss_above_floor(run: Run) -> Iterator[Finding]:
    """A loss is at least the sum of its weighted terms, each at what its printed counterpart makes it."""
    loss = run.group.loss
    if loss is None or not loss.terms or any(term.weight < 0 for term in loss.terms):
        return
    ranges = [(term, *_term_range(run, term)) for term in loss.terms]
    known = [(term, value, claim) for term, value, claim in ranges if claim is not None]
    if not known:
        return
    proven = all(term.same_quantity for term, _, _ in known)
    floor = loss_floor([(term.weight, value) for term, value, _ in ranges])
    words = " + ".join(_term_words(term) for term in loss.terms)
    # A printed metric of a split speaks for the loss of the same split; without a split, for the validation loss.
    metric = "train_loss" if run.split == "train" else "test_loss" if run.split == "test" else "validation_loss"
    claim = run.get(metric) or run.get("validation_loss")
    if claim is None:
        return
    printed = [known_claim for _, _, known_claim in known if known_claim is not None]
    with_ = " and ".join(f"{c.metric.replace('_', ' ')} {c.printed}" for c in printed)
    if run.read(claim).high < floor * (1 - 1e-9):
        sentence = f"under {words} a {with_} makes the loss at least {number(floor)}, and {claim.printed} is printed:"
        sentence += " once the loss term and the printed metric are the same quantity, both cannot hold."
        yield broken("C23 loss floor", [claim, *printed], sentence, proven, SAME, stated=True)
        return
    sentence = f"under {words} a {with_} leaves the loss at {number(floor)} or more: {claim.printed}."
    yield fits("C23 loss floor", [claim], sentence, weight=-1)
    rest = [term for term, _, known_claim in ranges if known_claim is None]
    if len(rest) == 1 and rest[0].weight > 0:
        left = loss_remainder(run.read(claim), [(term.weight, value) for term, value, _ in known], rest[0].weight)
        guessing = math.log(max(2, len(run.group.classes)))
        if rest[0].kind in ("focal", "cross_entropy", "binary_cross_entropy") and left.low > 3 * guessing:
            sentence = f"under {words} a loss of {claim.printed} with {with_} leaves a mean"
            sentence += f" {rest[0].kind.replace('_', ' ')} of {span(left)}, where guessing scores about"
            sentence += f" {number(guessing, 3)}: the loss and {with_} are not of the same rows or scale."
            held = f"{SAME}; no classifier is three times worse than guessing"
            yield doubtful("C23 loss remainder", [claim, *printed], sentence, held, 2, stated=True)


def _term_words(term: LossTerm) -> str:
    kind = "(1 − ρ)" if term.kind == "one_minus_correlation" else term.kind.replace("_", " ")
    return kind if term.weight == 1 else f"{term.weight:g}·{kind}"


def reweighted_losses(report: Report) -> Iterator[Finding]:
    """A loss that falls because its weights were cut: bring both to one scale before any comparison."""
    for claim in report.claims.claims:
        if claim.relation not in ("change", "reduction", "ratio") or len(claim.inputs) != 2 or claim.target:
            continue
        first, second = (report.claims.claim(name) for name in claim.inputs)
        if first is None or second is None:
            continue
        formula = report.claims.group(second.group).loss
        losses = (*_LOSSES, "loss_gap")
        if formula is None or not formula.before or first.metric not in losses or second.metric != first.metric:
            continue
        if first.group == second.group or {t.kind for t in formula.before} != {t.kind for t in formula.terms}:
            continue
        before = [next(t.weight for t in formula.before if t.kind == term.kind) for term in formula.terms]
        after = [term.weight for term in formula.terms]
        factors = weight_change(before, after)
        moved = report.read(second) / report.read(first)
        # The cut of the weights explains the fall when it is at least four fifths of it on a log scale.
        if moved.low <= 0 or factors.low >= 1 or not factors.low**1.25 <= moved.low <= moved.high < 1:
            continue
        heavy = max(range(len(before)), key=lambda i: before[i])
        term = formula.terms[heavy]
        old, new = rescaled(report.read(first), before[heavy]), rescaled(report.read(second), after[heavy])
        name = term.kind.replace("_", " ")
        words = f"the weight on {name} was cut from {before[heavy]:g} to {after[heavy]:g},"
        words += f" {percent(1 - after[heavy] / before[heavy], 0)} by itself; per unit of that weight"
        words += f" {first.printed} is {number(old.middle)} and {second.printed} is {number(new.middle)}."
        held = f"the loss is dominated by its {name} term before and after"
        yield baseline("C25 loss weights", [claim], words, held, 3)


@dataclass(frozen=True)
class _Stopping:
    """What a run prints and states of the end of its training; `alone` where no restart is stated."""

    run: Run
    ran: Claim | None
    best: Claim | None
    patience: int | None
    cap: int | None
    cap_claim: Claim | None
    stated_best: float | None
    stated_ran: float | None
    alone: bool

    @classmethod
    def of(cls, run: Run) -> _Stopping:
        plan, cap = run.group.schedule or Schedule(), run.get("max_epochs")
        return cls(
            run, run.get("epochs_run"), run.get("best_epoch"),
            _integer(run.get("patience")) if plan.patience is None else plan.patience,
            _integer(cap) if plan.max_epochs is None else plan.max_epochs,
            cap, plan.best_epoch, plan.epochs_run, not plan.restarts,
        )  # fmt: skip


def epochs(run: Run) -> Iterator[Finding]:
    """Epochs run = min(cap, best epoch + patience): the first of the cases that says anything."""
    stopping = _Stopping.of(run)
    for case in (_beyond_cap, _best_and_ran, _ran_after_stated_best, _best_beyond_stated, _ran_alone):
        found = case(stopping)
        if found is not None:
            yield found
            return


def _beyond_cap(s: _Stopping) -> Finding | None:
    if s.ran is None or s.cap is None or s.run.read(s.ran).low <= s.cap + 0.5:
        return None
    return broken(
        "C27 epochs", [s.ran], f"{s.ran.printed} epochs run exceed the cap of {s.cap}.", s.alone,
        "no restarts, and both are of one run", [s.ran, s.cap_claim], s.cap_claim is None,
    )  # fmt: skip


def _best_and_ran(s: _Stopping) -> Finding | None:
    if s.ran is None or s.best is None:
        return None
    ran, best, both = s.run.read(s.ran), s.run.read(s.best), [s.ran, s.best]
    if best.low > ran.high + 0.5:
        sentence = f"the best epoch {s.best.printed} lies beyond the {s.ran.printed} epochs run."
        proven = s.run.together(s.best, s.ran) and s.alone
        return broken("C27 epochs", [s.best, s.ran], sentence, proven, "both are of one run from scratch")
    if s.patience is None:
        words = f"{s.ran.printed} epochs with the best at {s.best.printed} is a patience of {span(ran - best)}."
        return fits("C27 epochs", both, words, weight=-1)
    end = f"{s.best.printed} + {s.patience}"
    end = f"min({s.cap}, {end})" if s.cap is not None else end
    if ran.meets(epochs_run_range(best, s.patience, s.cap)):
        words = f"early stopping after patience {s.patience}: {end}, epochs run {s.ran.printed}."
        return fits("C27 epochs", both, words)
    words = f"early stopping with patience {s.patience} ends at {end}, not at {s.ran.printed}."
    held = "one run from scratch, no cap below the stated one, patience counted in epochs"
    return doubtful("C27 epochs", both, words, held, stated=True)


def _ran_after_stated_best(s: _Stopping) -> Finding | None:
    if s.ran is None or s.patience is None or s.stated_best is None:
        return None
    end = epochs_run_range(Interval.point(s.stated_best), s.patience, s.cap)
    words = f"a best epoch of {s.stated_best:g} and patience {s.patience} end at {span(end)}, {s.ran.printed} ran."
    held = "one run from scratch, ended by early stopping"
    return judged(s.run.read(s.ran).meets(end), "C27 epochs", [s.ran], words, False, held, stated=True)


def _best_beyond_stated(s: _Stopping) -> Finding | None:
    if s.best is None or s.stated_ran is None or s.run.read(s.best).low <= s.stated_ran:
        return None
    sentence = f"the best epoch {s.best.printed} lies beyond the {s.stated_ran} epochs run."
    return broken("C27 epochs", [s.best], sentence, s.alone, "both are of one run from scratch", stated=True)


def _ran_alone(s: _Stopping) -> Finding | None:
    if s.ran is None or s.patience is None:
        return None
    value, printed, least = s.run.read(s.ran), s.ran.printed, s.patience + 1
    if s.cap is not None and value.high >= s.cap - 0.4:
        return None
    if value.high < least - 1:
        words = f"with patience {s.patience} early stopping cannot end before epoch {least}, and {printed} ran."
        held = "training ended by early stopping, with the stated patience"
        return doubtful("C27 epochs", [s.ran], words, held, stated=True)
    best = best_epoch_range(value, s.patience, s.cap)
    words = f"{printed} epochs with patience {s.patience}"
    if best.high > 1.5:
        return fits("C27 epochs", [s.ran], f"{words}: the best epoch was {span(best)}.")
    words = f"{words} put the best epoch at {printed} − {s.patience} = {number(round(best.middle))}"
    words = f"{words}: validation never improved after the first pass."
    return baseline("C27 epochs", [s.ran], words, "training ended by early stopping", 2)


def _integer(claim: Claim | None) -> int | None:
    if claim is None or not float(claim.value.value).is_integer():
        return None
    return int(claim.value.value)


def _epoch_of(claim: Claim) -> int | None:
    match = re.search(r"epoch\s*(\d+)", claim.at, re.I) or re.fullmatch(r"\s*(\d+)\s*", claim.at)
    return int(match[1]) if match else None


def best_of_curve(report: Report) -> Iterator[Finding]:
    """The stated best epoch has the lowest validation loss of those printed."""
    curves: dict[str, dict[int, Claim]] = {}
    for claim in report.claims.claims:
        epoch = _epoch_of(claim)
        if claim.metric == "validation_loss" and epoch is not None and claim.value.is_point and not claim.target:
            # The loss itself names its split: a row may put it under train, validation or none.
            curves.setdefault(claim.group, {})[epoch] = claim
    for group, curve in curves.items():
        named = (c for c in report.claims.claims if c.metric == "best_epoch" and c.group == group and not c.at)
        best = next(named, None)
        stated = curve.get(-1 if (epoch := _integer(best)) is None else epoch)
        if best is None or stated is None or len(curve) < 2:
            continue
        lowest = min(curve, key=lambda epoch: report.read(curve[epoch]).high)
        if report.read(curve[lowest]).high < report.read(stated).low:
            words = f"epoch {lowest} has a validation loss of {curve[lowest].printed}, below {stated.printed} at the"
            words, used = f"{words} stated best epoch {best.printed}.", [best, stated, curve[lowest]]
            yield broken("C27 best epoch", [best], words, False, "the best epoch is chosen by validation loss", used)
        else:
            words = f"epoch {best.printed} has the lowest validation loss printed, {stated.printed}."
            yield fits("C27 best epoch", [best, stated], words)
