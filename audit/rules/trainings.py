"""Rules on training: loss floors, changes of loss weights, early stopping, and the training curve."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim, LossTerm, Schedule
from assay.audit.forensic.training import (
    best_epoch_range,
    epochs_run_range,
    loss_floor,
    loss_remainder,
    rescaled,
    weight_change,
)
from assay.audit.rules.scope import Report, Run, baseline, broken, doubtful, fits, number, percent, span
from assay.audit.verdicts import Finding

__all__ = ["best_of_curve", "epochs", "loss_above_floor", "reweighted_losses"]

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
        yield broken(
            "C23 loss floor",
            [claim, *printed],
            f"under {words} a {with_} makes the loss at least {number(floor)}, and {claim.printed} is printed:"
            " once the loss term and the printed metric are the same quantity, both cannot hold.",
            proven,
            SAME,
            stated=True,
        )
        return
    yield fits(
        "C23 loss floor",
        [claim],
        f"under {words} a {with_} leaves the loss at {number(floor)} or more: {claim.printed}.",
        weight=-1,
    )
    rest = [term for term, _, known_claim in ranges if known_claim is None]
    if len(rest) == 1 and rest[0].weight > 0:
        left = loss_remainder(run.read(claim), [(term.weight, value) for term, value, _ in known], rest[0].weight)
        ceiling = _believable(rest[0], len(run.group.classes))
        if ceiling is not None and left.low > ceiling:
            yield doubtful(
                "C23 loss remainder",
                [claim, *printed],
                f"under {words} a loss of {claim.printed} with {with_} leaves a mean"
                f" {rest[0].kind.replace('_', ' ')} of {span(left)}, where guessing scores about"
                f" {number(ceiling / 3, 3)}: the loss and {with_} are not of the same rows or scale.",
                f"{SAME}; no classifier is three times worse than guessing",
                2,
                stated=True,
            )


def _term_words(term: LossTerm) -> str:
    kind = "(1 − ρ)" if term.kind == "one_minus_correlation" else term.kind.replace("_", " ")
    return kind if term.weight == 1 else f"{term.weight:g}·{kind}"


def _believable(term: LossTerm, classes: int) -> float | None:
    if term.kind in ("focal", "cross_entropy", "binary_cross_entropy"):
        return 3 * math.log(max(2, classes))
    return None


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
        yield baseline(
            "C25 loss weights",
            [claim],
            f"the weight on {term.kind.replace('_', ' ')} was cut from {before[heavy]:g} to {after[heavy]:g},"
            f" {percent(1 - after[heavy] / before[heavy], 0)} by itself; per unit of that weight"
            f" {first.printed} is {number(old.middle)} and {second.printed} is {number(new.middle)}.",
            f"the loss is dominated by its {term.kind.replace('_', ' ')} term before and after",
            3,
        )


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
            _whole(run.get("patience")) if plan.patience is None else plan.patience,
            _whole(cap) if plan.max_epochs is None else plan.max_epochs,
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
    if s.run.read(s.ran).meets(end):
        return fits("C27 epochs", [s.ran], words)
    return doubtful("C27 epochs", [s.ran], words, "one run from scratch, ended by early stopping", stated=True)


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


def _whole(claim: Claim | None) -> int | None:
    if claim is None or not float(claim.value.value).is_integer():
        return None
    return int(claim.value.value)


def _epoch_of(claim: Claim) -> int | None:
    match = re.search(r"epoch\s*(\d+)", claim.at, re.I) or re.fullmatch(r"\s*(\d+)\s*", claim.at)
    return int(match[1]) if match else None


def best_of_curve(report: Report) -> Iterator[Finding]:
    """The stated best epoch has the lowest validation loss of those printed."""
    curves: dict[tuple[str, str], dict[int, Claim]] = {}
    for claim in report.claims.claims:
        epoch = _epoch_of(claim)
        if claim.metric == "validation_loss" and epoch is not None and claim.value.is_point and not claim.target:
            # The loss itself names its split: a row may put it under train, validation or none.
            curves.setdefault((claim.group, ""), {})[epoch] = claim
    for (group, _), curve in curves.items():
        best = next(
            (c for c in report.claims.claims if c.metric == "best_epoch" and c.group == group and not c.at), None
        )
        if best is None or len(curve) < 2 or not float(best.value.value).is_integer():
            continue
        stated = curve.get(int(best.value.value))
        if stated is None:
            continue
        lowest = min(curve, key=lambda epoch: report.read(curve[epoch]).high)
        if report.read(curve[lowest]).high < report.read(stated).low:
            yield broken(
                "C27 best epoch",
                [best],
                f"epoch {lowest} has a validation loss of {curve[lowest].printed}, below {stated.printed} at"
                f" the stated best epoch {best.printed}.",
                False,
                "the best epoch is chosen by validation loss",
                [best, stated, curve[lowest]],
            )
        else:
            yield fits(
                "C27 best epoch",
                [best, stated],
                f"epoch {best.printed} has the lowest validation loss printed, {stated.printed}.",
            )
