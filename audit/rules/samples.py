"""Rules on whole counts: printed shares on a stated sample, the sample that several shares have in common, and the
confusion matrices behind a table of runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from assay.audit.claims.model import Claim
from assay.audit.forensic.books import auc_interval, wilson
from assay.audit.forensic.scores import (
    BinaryScores,
    Matrix,
    auc_counts,
    auc_splits,
    binary_matrices,
    common_sizes,
    entropy,
    grim_counts,
    grim_has_power,
)
from assay.audit.rules.classifiers import loss_alone
from assay.audit.rules.scope import Run, baseline, broken, fits, names, number, percent, supported, weak
from assay.audit.verdicts import Finding, Substance

__all__ = ["auc_on_grid", "common_sample", "matrices_on_stated_sample", "proportions_on_stated_sample"]

#: Largest stated sample whose matrices are enumerated, and largest unstated one that is searched.
MATRIX_CAP = 3000
SEARCH_CAP = 250
SIZE_CAP = 2000
#: Candidate sizes whose matrices are enumerated.
_TRIED = 10
ON_N = "every figure counts the stated n cases"


def proportions_on_stated_sample(run: Run) -> Iterator[Finding]:
    """A share of n counted cases must be a whole count over n."""
    n = run.group.sample.n
    trades = run.get("trades", "closed") or run.get("trades")
    for claim in run.measured:
        if claim.metric not in ("accuracy", "error_rate", "prevalence", "negative_predictions", "win_rate", "hit_rate"):
            continue
        if claim.label or claim.value.about:
            continue
        size, proven = n, run.one_sample(claim) and claim.metric in ("accuracy", "error_rate")
        rate = claim.metric == "win_rate"
        if rate:
            if trades is None or not float(trades.value.value).is_integer() or trades.value.about:
                continue
            listed = run.claims.draft and claim.record == trades.record
            counted = "trade" in claim.definition.lower() or listed
            size, proven = int(trades.value.value), counted and run.one_sample(claim)
        if size is None or size < 1 or not grim_has_power(run.read(claim), size):
            continue
        counts = grim_counts(run.read(claim), size)
        if len(counts):
            words = f"{claim.printed} of {size:,} is a whole count: {counts[0]:,}/{size:,}."
            yield fits("C1 whole counts", [claim], words, weight=1)
        elif rate and any(len(grim_counts(run.read(claim), m)) for m in range(max(1, size - 3), size)):
            continue  # A few trades may still be open, and so no part of the rate.
        else:
            k = round(claim.value.value * size)
            words = f"no whole count of {size:,} prints as {claim.printed}: {k:,}/{size:,} is"
            words += f" {percent(k / size, 3)} and {k + 1:,}/{size:,} is {percent((k + 1) / size, 3)}."
            used = [claim, trades if rate else None]
            yield broken("C1 whole counts", [claim], words, proven, ON_N, used, not rate)


def _scores(run: Run, label: str = "") -> BinaryScores:
    return BinaryScores(
        accuracy=run.value("accuracy"),
        **{metric: run.value(metric, label) for metric in ("precision", "recall", "f1", "specificity")},
    )


def _score_claims(run: Run) -> list[Claim]:
    metrics = ("accuracy", "precision", "recall", "f1", "specificity")
    return [claim for metric in metrics if (claim := run.get(metric)) is not None]


def matrices_on_stated_sample(run: Run) -> Iterator[Finding]:
    """The scores of a binary classifier on n stated cases come from a whole-number confusion matrix."""
    sample, claims = run.group.sample, _score_claims(run)
    if not sample.n or sample.n > MATRIX_CAP or len(claims) < 2:
        return
    # Beside the scores of each class, scores without one are averages.
    if len(run.group.classes) > 2 or any(run.labelled(name) for name in ("precision", "recall", "f1")):
        return
    found = binary_matrices(_scores(run), sample.n, sample.n_positive)
    listed = names([f"{claim.metric} {claim.printed}" for claim in claims])
    held = "the scores are of one class on the stated sample"
    if not found:
        words = f"no confusion matrix of {sample.n:,} cases gives {listed}."
        proven = run.one_class(*claims) and run.one_sample(*claims)
        yield broken("C6 confusion matrix", claims, words, proven, held, stated=True)
        return
    if len(found) == 1:
        yield fits("C6 confusion matrix", claims, f"{listed} on {sample.n:,} cases: only {_words(found[0])}.", weight=2)
        yield from _against_majority(run, run.get("accuracy"), found[0], None)
    for metric in ("mcc", "balanced_accuracy"):
        claim = run.get(metric)
        if claim is None or len(found) >= 1000:
            continue
        values = [getattr(matrix, metric) for matrix in found]
        words = f"the matrices behind {listed} give {metric.replace('_', ' ')} {number(min(values))} to"
        words += f" {number(max(values))},"
        if any(run.read(claim).holds(value, 1e-6) for value in values):
            yield fits("C6 confusion matrix", [claim], f"{words} printed {claim.printed}.")
        else:
            words, used = f"{words} but {claim.printed} is printed.", [claim, *claims]
            yield broken("C6 confusion matrix", [claim], words, run.one_class(*claims), held, used, True)


def _words(matrix: Matrix) -> str:
    return f"TP {matrix.tp}, FP {matrix.fp}, FN {matrix.fn}, TN {matrix.tn}"


def auc_on_grid(run: Run) -> Iterator[Finding]:
    """An AUC on n+ positives and n- negatives moves in steps of 1/(2 n+ n-)."""
    sample, claim = run.group.sample, run.get("auc")
    if claim is None or not sample.n or sample.n_positive is None or not 0 < sample.n_positive < sample.n:
        return
    plus, minus = sample.n_positive, sample.n - sample.n_positive
    counts = auc_counts(run.read(claim), plus, minus)
    if run.read(claim).width * 2 * plus * minus < 1:
        steps = 2 * plus * minus
        if len(counts):
            words = f"AUC {claim.printed} is {counts[0]}/{steps}, a step of 1/(2·{plus}·{minus})."
            yield fits("C2 AUC grid", [claim], words)
        else:
            words = f"AUC {claim.printed} is no multiple of 1/(2·{plus}·{minus}) = 1/{steps}."
            yield broken("C2 AUC grid", [claim], words, run.one_sample(claim), ON_N, stated=True)
    yield from _auc_significance(claim, plus, minus, None)


def _auc_significance(claim: Claim, plus: int, minus: int, assumption: str | None) -> Iterator[Finding]:
    around = auc_interval(min(1.0, max(0.0, claim.value.value)), plus, minus)
    sentence = f"95% interval of AUC {claim.printed} on {plus} positives and {minus} negatives:"
    sentence += f" {number(around.low, 3)} to {number(around.high, 3)}"
    if around.holds(0.5):
        yield weak("C8 AUC", [claim], f"{sentence}, which holds 0.5.", assumption, 1)
    else:
        yield supported("C8 AUC", [claim], f"{sentence}, which leaves 0.5 out.", assumption)


def _against_majority(run: Run, claim: Claim | None, matrix: Matrix, assumption: str | None) -> Iterator[Finding]:
    if claim is None:
        return
    right, n, majority = matrix.tp + matrix.tn, matrix.n, matrix.majority
    words = f"{right} of {n} right; always the larger class is right on {majority} of {n} = {percent(majority / n, 2)}"
    if right <= majority:
        yield baseline("C8 majority class", [claim], f"{words}.", assumption, 3)
        return
    around = wilson(right, n)
    inside = around.holds(majority / n)
    text = f"{words}, and the 95% interval of {claim.printed} is {percent(around.low)} to {percent(around.high)}."
    yield (weak if inside else supported)("C8 majority class", [claim], text, assumption)


def common_sample(family: Sequence[Run]) -> Iterator[Finding]:
    """Sample sizes that several runs on one unstated sample have in common, and the matrices when they are unique.

    It accuses nothing, so it is not tried again with digits cut off.
    """
    if family[0].lenient or any(run.group.sample.n or not run.one_sample(*_score_claims(run)) for run in family):
        return
    table = {
        i: claim for i, run in enumerate(family) if (claim := run.get("accuracy")) is not None and not claim.value.about
    }
    evidence = [_two_classes(run) for run in family]
    binary = all(word is not None for word in evidence)
    known = sum(_scores(run).known for run in family)
    if not table or (len(table) < 2 and not (binary and known >= 3)):
        return
    shares = [family[i].read(claim) for i, claim in table.items()]
    if len({claim.printed for claim in table.values()}) < 2 and not (binary and known >= 3):
        return
    sizes = common_sizes(shares, SIZE_CAP)
    powered = [n for n in range(1, SEARCH_CAP + 1) if all(grim_has_power(share, n) for share in shares)]
    candidates = [n for n in sizes if n in set(powered)]
    if not candidates or len(candidates) * 4 > len(powered):
        return
    solved = _solved(family, candidates) if binary else {}
    if binary and not solved:
        return
    fitting = list(solved) if binary else candidates
    smallest = fitting[0]
    claims = list(table.values())
    counts = names([f"{grim_counts(share, smallest)[0]}/{smallest}" for share in shares])
    others = ", ".join(map(str, fitting[1:4]))
    others = f" (so do {others}{' …' if len(fitting) > 4 else ''})" if others else ""
    listed = names([claim.printed for claim in claims])
    verb = "are" if len(claims) > 1 else "is"
    multiple = all(n % smallest == 0 for n in sizes) and len(sizes) > 1
    only = f"; up to n = {sizes[-1]:,} only multiples of {smallest} fit" if multiple else ""
    sentence = f"{listed} {verb} {counts}: {smallest} is the smallest sample that fits{others}{only}."
    yield fits("C1 common sample", claims, sentence, weight=3)
    draft = family[0].claims.draft
    if binary and (multiple or not draft):
        # A draft takes no n for granted: what is said of it must hold for every multiple of the size, so shares only.
        held = [f"the sample is n = {smallest}, the smallest that fits"] if len(fitting) > 1 else []
        held += list(dict.fromkeys(word for word in evidence if word))
        held += ["rows of one table share one sample"] if len(family) > 1 and draft else []
        found = _recovered(family, smallest, solved[smallest], "; ".join(held) or None)
        chance = (Substance.NOT_SIGNIFICANT, Substance.SUPPORTED)
        yield from (finding for finding in found if not draft or finding.substance not in chance)


def _solved(
    family: Sequence[Run], candidates: Sequence[int], enough: int = 4
) -> dict[int, dict[int, list[list[Matrix]]]]:
    """The first few sizes on which every run has a matrix, with those matrices by number of positives."""
    solved: dict[int, dict[int, list[list[Matrix]]]] = {}
    for n in candidates[:_TRIED]:
        if split := _splits(family, n):
            solved[n] = split
        if len(solved) == enough:
            break
    return solved


def _two_classes(run: Run) -> str | None:
    """Whether the scores are of a two-class problem: "" when stated, the assumption when an AUC suggests it, else
    None."""
    scored = [claim for claim in _score_claims(run) if claim.metric != "accuracy"]
    if len(run.group.classes) == 2 or run.one_class(*scored[:1]):
        return ""
    averaged = any(run.candidates(name) for name in ("f1_macro", "f1_weighted", "precision_macro", "recall_weighted"))
    if run.get("auc") is not None and not run.group.classes and not run.labelled("f1") and not averaged:
        return "two classes, scores of the positive one"
    return None


def _splits(family: Sequence[Run], n: int) -> dict[int, list[list[Matrix]]]:
    """Positives among n -> matrices of each run, where every run has one and every AUC lies on its grid."""
    out: dict[int, list[list[Matrix]]] = {}
    scores = [_scores(run) for run in family]
    aucs = [auc for run in family if (auc := run.value("auc")) is not None]
    for positives in auc_splits(aucs, n):
        matrices: list[list[Matrix]] = []
        for score in scores:
            matrices.append(binary_matrices(score, n, positives, limit=50))
            if not matrices[-1]:
                break
        else:
            out[positives] = matrices
    return out


def _recovered(
    family: Sequence[Run], n: int, splits: dict[int, list[list[Matrix]]], assumption: str | None
) -> Iterator[Finding]:
    if len(splits) != 1:
        return
    ((positives, matrices),) = splits.items()
    negatives = n - positives
    for run, found in zip(family, matrices, strict=True):
        claims = _score_claims(run)
        if len(found) == 1:
            listed = names([f"{claim.metric} {claim.printed}" for claim in claims])
            words = f"{listed}: at n = {n} the only matrix is {_words(found[0])} ({positives} positives)."
            yield fits("C6 confusion matrix", claims, words, weight=2)
            yield from _against_majority(run, run.get("accuracy"), found[0], assumption)
            f1, always = run.get("f1"), 2 * positives / (n + positives)
            if f1 is not None and run.read(f1).low <= always:
                words = f"always “positive” has an F1 of 2·{positives}/({n}+{positives}) = {number(always)}, printed"
                yield baseline("C7 always positive", [f1], f"{words} {f1.printed}.", assumption, 2)
        auc = run.get("auc")
        if auc is not None:
            counts, steps = auc_counts(run.read(auc), positives, negatives), 2 * positives * negatives
            words = f"AUC {auc.printed} is {counts[0]}/{steps}, a whole step on {positives} positives and {negatives}"
            yield fits("C2 AUC grid", [auc], f"{words} negatives.")
            yield from _auc_significance(auc, positives, negatives, assumption)
        yield from _losses(run, positives / n, assumption)


def _losses(run: Run, share: float, assumption: str | None) -> Iterator[Finding]:
    loss, claim, bar = run.group.loss, run.get("validation_loss"), entropy([share, 1 - share])
    stated = loss is not None and len(loss.terms) == 1 and loss.terms[0].kind == "binary_cross_entropy"
    if (loss is None or stated) and claim is not None and run.read(claim).low > bar:
        words = f"forecasting the base rate {percent(share, 2)} every day has a log loss of {number(bar)} (a coin"
        words += f" {number(math.log(2))}), below the printed {claim.printed}."
        held = loss_alone(run, claim, bar, guessed=not stated)
        yield baseline("C24 log loss", [claim], words, f"{held}; {assumption}" if assumption else held, 2)
