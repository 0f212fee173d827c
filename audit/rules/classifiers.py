"""Rules on classifiers: class shares that scores force, constant forecasts, mixtures, printed confusion matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic import scores
from assay.audit.read.grids import JOINT
from assay.audit.rules.scope import Report, Run, class_shares, completeness
from assay.audit.rules.words import Figures, say
from assay.audit.verdicts import Finding

__all__ = [
    "one_class_only", "positives_of_sample", "printed_matrix", "share_from_macro", "shares_by_programming",
    "stated_majority",
]  # fmt: skip

Labelled = Mapping[str, Mapping[str, Claim]]
ALL_CLASSES = "the table lists every class"


def shares_by_programming(run: Run) -> Iterator[Finding]:
    """Class shares forced by accuracy, weighted F1 and the class scores; hence the majority-class baseline."""
    whole = [claim for claim in (run.get("accuracy"), run.get("f1_weighted")) if claim is not None]
    parts: Labelled = {metric: run.labelled(metric) for metric in ("precision", "recall", "f1")}
    labels = list(dict.fromkeys(label for claims in parts.values() for label in claims))
    possible, stated = completeness(run, labels)
    if len(labels) < 2 or not possible or not whole:
        return
    known = {label: {m: run.read(claims[label]) for m, claims in parts.items() if label in claims} for label in labels}
    shares = class_shares(run)
    classes = {label: values | ({"share": shares[label]} if label in shares else {}) for label, values in known.items()}
    answer = scores.class_shares(classes, run.value("accuracy"), run.value("f1_weighted"))
    involved = [*whole, *(claim for claims in parts.values() for claim in claims.values())]
    printed = [f"{c.metric.replace('_', ' ')} {c.printed}" for c in whole]
    if answer is None:
        proven = stated and run.one_sample(*involved)
        yield say("broken", "C5 class shares", whole, "none", proven=proven, printed=printed, labels=labels)
        return
    top, share = answer.majority, answer.shares[answer.majority]
    if share.width < 0.5:
        yield say("fits", "C5 class shares", involved, "some", weight=-1, printed=printed, top=top, share=share)
        yield from _majority(run, answer, parts, printed, "" if stated else ALL_CLASSES)


def _majority(
    run: Run, forced: scores.ClassShares, parts: Labelled, printed: list[str], premise: str
) -> Iterator[Finding]:
    """What always naming the largest class scores, against the scores that force the class to be that large."""
    top, share, floor = forced.majority, forced.shares[forced.majority], forced.majority_floor
    f1 = 2 * floor / (1 + floor)
    accuracy, weighted = run.get("accuracy"), run.get("f1_weighted")
    of_f1, precision, recall = (parts[metric].get(top) for metric in ("f1", "precision", "recall"))

    def beaten(claim: Claim | None, bar: float) -> bool:
        return claim is not None and run.read(claim).high <= bar

    if not (beaten(accuracy, floor) or beaten(weighted, floor * f1)):
        return
    precise = precision is not None and run.read(precision).low - share.high < 0.02
    figures: Figures = {"printed": printed, "top": top, "floor": floor, "share": share, "f1": f1}
    figures |= {"least": share.low, "constant": floor * f1}
    for key, claim, holds, weight in (
        ("accuracy", accuracy, beaten(accuracy, floor), 3), ("weighted", weighted, beaten(weighted, floor * f1), 3),
        ("f1", of_f1, beaten(of_f1, f1), 2), ("precision", precision, precise, 1), ("recall", recall, True, 1),
    ):  # fmt: skip
        if claim is not None and holds:
            yield say("baseline", "C5 majority class", [claim], key, premise=premise, weight=weight, model=claim,
                      **figures)  # fmt: skip
    yield from _not_chance(run, "C5 majority class", top, f"at least {100 * floor:.1f}%", premise)


def _not_chance(run: Run, check: str, top: str, right: str, premise: str = "") -> Iterator[Finding]:
    """Printed baselines of chance, where always saying one class is the one to beat."""
    for claim in run.candidates("random_baseline"):
        figures: Figures = {"top": top, "right": right, "chance": claim}
        yield say("baseline", check, [claim], "not chance", premise=premise, weight=2, **figures)


def share_from_macro(run: Run) -> Iterator[Finding]:
    """Where only one class is scored, macro and weighted F1 still bound its share from below."""
    macro, weighted, k = run.get("f1_macro"), run.get("f1_weighted"), len(run.group.classes)
    scored, accuracy = run.labelled("f1"), run.get("accuracy")
    if macro is None or weighted is None or k < 2 or len(scored) >= k:
        return
    for label, claim in scored.items():
        share = scores.largest_share_from_macro(run.read(claim), run.read(macro), run.read(weighted), k)
        if share is None or share.low <= 0.5:
            continue
        constant = share.low * 2 * share.low / (1 + share.low)
        figures: Figures = {"label": label, "f1": claim, "macro": macro, "weighted": weighted, "k": k}
        figures["share"] = share.low
        if accuracy is not None and run.read(accuracy).high < share.low:
            yield say("baseline", "C5 majority class", [accuracy], "macro, accuracy", premise="", weight=2,
                      accuracy=accuracy, **figures)  # fmt: skip
        if run.read(weighted).high < constant:
            yield say("baseline", "C5 majority class", [weighted, claim], "macro, weighted", premise="", weight=2,
                      constant=constant, **figures)  # fmt: skip


def one_class_only(run: Run) -> Iterator[Finding]:
    """Recall 1 with accuracy equal to precision, or one class recall 1 and the others 0: a constant prediction."""
    a, p, r, f = (run.get(metric) for metric in ("accuracy", "precision", "recall", "f1"))
    if a is not None and p is not None and r is not None and run.read(r).high >= 1 and run.read(a).meets(run.read(p)):
        rest = scores.not_predicted_share(run.read(a), run.read(p), run.read(r))
        if rest is not None and rest <= 0.02:
            always, value = _positive(run), run.read(p)
            constant = Interval(2 * value.low / (1 + value.low), 2 * value.high / (1 + value.high))
            yield from _not_chance(run, "C8 majority class", always, a.printed)
            key = "positive, with F1" if f is not None and run.read(f).meets(constant) else "positive"
            figures: Figures = {"accuracy": a, "precision": p, "recall": r, "rest": rest, "top": always, "f1": constant}
            held = "" if run.one_class(p, r) else None
            yield say("baseline", "C7 constant prediction", [a, p, r, f], key, premise=held, weight=4, **figures)
    recalls = run.labelled("recall")
    ones = [label for label, claim in recalls.items() if run.read(claim).high >= 1 and run.read(claim).low >= 0.99]
    zeros = [label for label, claim in recalls.items() if run.read(claim).low <= 0 and run.read(claim).high <= 0.01]
    if len(ones) == 1 and zeros and len(zeros) == len(recalls) - 1 and completeness(run, list(recalls))[0]:
        yield say("baseline", "C7 constant prediction", [a, *recalls.values()], "recalls", premise="", weight=4,
                  top=ones[0], zeros=zeros)  # fmt: skip


def _positive(run: Run) -> str:
    """Name of the positive class where one of two is plainly it."""
    classes = [shares.name for shares in run.group.classes]
    plain = [name for name in classes if name.lower() in ("up", "positive", "1", "buy", "long", "yes", "true", "rise")]
    return plain[0] if len(classes) == 2 and len(plain) == 1 else "positive"


def stated_majority(run: Run) -> Iterator[Finding]:
    """Accuracy against the largest class share the document states."""
    accuracy, sample, shares = run.get("accuracy"), run.group.sample, class_shares(run)
    if sample.n and sample.n_positive is not None:
        larger = max(sample.n_positive, sample.n - sample.n_positive)
        shares[f"the larger class ({larger} of {sample.n})"] = Interval.point(larger / sample.n)
    if accuracy is None or not shares:
        return
    name, share = max(shares.items(), key=lambda item: item[1].low)
    if run.read(accuracy).high <= share.low + 1e-12 or run.read(accuracy).meets(share):
        # A report may print the shares of all its rows, or of those trained on.
        held = "the shares are of the rows that the accuracy is of" if run.claims.draft and not sample.n else ""
        yield say("baseline", "C8 majority class", [accuracy], "stated", premise=held, weight=2, top=name, share=share,
                  accuracy=accuracy)  # fmt: skip


def positives_of_sample(family: Sequence[Run]) -> Iterator[Finding]:
    """Every run on one sample against its share of positives, where accuracy, precision and recall of one of them
    force it: so no number of cases is needed."""
    forced: list[tuple[Interval, Figures, str]] = []
    for run in family:
        a, p, r = (run.get(metric) for metric in ("accuracy", "precision", "recall"))
        if a is None or p is None or r is None or run.two_classes is None or not run.one_sample(a, p, r):
            continue
        share = scores.prevalence_range(run.read(a), run.read(p), run.read(r))
        # Averages weighted by support have the accuracy as their recall.
        if share is not None and share.width < 0.05 and not run.read(a).meets(run.read(r)):
            forced.append((share, {"accuracy": a, "precision": p, "recall": r, "share": share}, run.two_classes))
    if not forced:
        return
    share, figures, premise = min(forced, key=lambda item: item[0].width)
    draft = "rows of one table share one sample" if family[0].claims.draft and len(family) > 1 else ""
    held = "; ".join(filter(None, [premise, draft]))
    floor, always = max(share.low, 1 - share.high), 2 * share.low / (1 + share.low)
    bar = max(scores.entropy([end, 1 - end]) for end in (share.low, share.high, 0.5) if share.holds(end))
    for run in family:
        accuracy, f1, loss = run.get("accuracy"), run.get("f1"), run.get("validation_loss")
        terms = run.group.loss.terms if run.group.loss is not None else ()
        if accuracy is not None and run.read(accuracy).high <= floor:
            yield say("baseline", "C8 majority class", [accuracy], "forced", premise=held, weight=3, model=accuracy,
                      **figures)  # fmt: skip
        if f1 is not None and run.two_classes is not None and run.read(f1).high <= always:
            yield say("baseline", "C7 always positive", [f1], "forced", premise=held, weight=2, f1=f1, always=always,
                      **figures)  # fmt: skip
        if loss is not None and run.read(loss).low > bar and [t.kind for t in terms] in ([], ["binary_cross_entropy"]):
            alone = "the printed loss is the binary cross-entropy alone, without a penalty on the weights"
            yield say("baseline", "C24 log loss", [loss], premise="; ".join(filter(None, [alone, held])), weight=2,
                      loss=loss, share=share, entropy=bar)  # fmt: skip


def printed_matrix(report: Report) -> Iterator[Finding]:
    """Accuracy, the scores of each class and their averages follow from a printed confusion matrix."""
    for run in report.runs:
        cells = {tuple(label.split(JOINT, 1)): claim for label, claim in run.labelled("confusion_count").items()}
        classes = list(dict.fromkeys(pair[0] for pair in cells))
        whole = all(float(c.value.value).is_integer() and not c.value.about for c in cells.values())
        if len(classes) < 2 or set(cells) != {(a, b) for a in classes for b in classes} or not whole:
            continue
        table = np.array([[int(cells[a, b].value.value) for b in classes] for a in classes])
        given = scores.matrix_scores(table, classes) if table.any() else {}
        beside = [claim for claim in run.measured if claim.metric in given]
        others = [other for other in report.runs_of(run.group.name) if other is not run and other.at == run.at]
        scored = [other for other in others if other.candidates("accuracy")]
        if not run.split and not run.candidates("accuracy") and len(scored) == 1:
            # The scores of the one split that the group prints scores of stand for the matrix.
            beside += [claim for claim in scored[0].measured if claim.metric in given]
        for claim in beside:
            of = {f"of {claim.label}".lower()} if claim.label else set(map(str.lower, given[claim.metric]))
            readings = {name: exact for name, exact in given[claim.metric].items() if name.lower() in of}
            if not readings or not report.run_of(claim).one_sample(claim):
                continue
            hit = next((name for name, exact in readings.items() if report.read(claim).holds(exact, 1e-9)), None)
            good = hit is not None
            yield say(good, "C6 printed matrix", [claim], reading=hit or None, weight=int(good), n=int(table.sum()),
                      name=claim.metric.replace("_", " "), right=int(np.trace(table)), score=claim,
                      readings=[f"{exact:.4g} {name}".strip() for name, exact in readings.items()],
                      using=[claim] if good else list(cells.values()))  # fmt: skip
