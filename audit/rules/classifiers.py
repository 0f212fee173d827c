"""Rules on classifiers: class shares that scores force, constant forecasts, printed confusion matrices; shares that are
whole counts of a sample, the matrices that fit it, and the sample that several shares have in common."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from assay.audit import forensic
from assay.audit.claims.intervals import Interval, corners
from assay.audit.claims.model import Claim
from assay.audit.forensic import Matrix, grim_counts, grim_has_power
from assay.audit.read.grids import JOINT
from assay.audit.rules.scope import Report, Run, class_shares, completeness
from assay.audit.verdicts import Figures, Finding, names, percent, say

__all__ = [
    "common_sample", "matrices_on_stated_sample", "one_class_only", "positives_of_sample", "printed_matrix",
    "proportions_on_stated_sample", "share_from_macro", "shares_by_programming", "stated_majority",
]  # fmt: skip

#: Largest stated sample whose matrices are enumerated, largest unstated ones searched for power and listed, and how
#: many candidate sizes have their matrices enumerated.
MATRIX_CAP, SEARCH_CAP, SIZE_CAP, TRIED = 3000, 250, 2000, 10
_SCORES = ("accuracy", "precision", "recall", "f1", "specificity")
_MATRIX = "TP {}, FP {}, FN {}, TN {}"


def shares_by_programming(run: Run) -> Iterator[Finding]:
    """Class shares forced by accuracy, weighted F1 and the class scores; hence the majority-class baseline."""
    whole = [claim for claim in (run.get("accuracy"), run.get("f1_weighted")) if claim is not None]
    parts = {metric: run.labelled(metric) for metric in ("precision", "recall", "f1")}
    labels = list(dict.fromkeys(label for claims in parts.values() for label in claims))
    possible, stated = completeness(run, labels)
    if len(labels) < 2 or not possible or not whole:
        return
    known = {label: {m: run.read(claims[label]) for m, claims in parts.items() if label in claims} for label in labels}
    for label in known.keys() & class_shares(run).keys():
        known[label]["share"] = class_shares(run)[label]
    answer = forensic.class_shares(known, run.value("accuracy"), run.value("f1_weighted"))
    involved = [*whole, *(claim for claims in parts.values() for claim in claims.values())]
    printed = [f"{c.metric.replace('_', ' ')} {c.printed}" for c in whole]
    if answer is None:
        proven = stated and run.one_sample(*involved)
        yield say("broken", "C5 class shares", whole, "none", proven=proven, printed=printed, labels=labels)
        return
    top, share, floor = answer.majority, answer.shares[answer.majority], answer.majority_floor
    if share.width >= 0.5:
        return
    yield say("fits", "C5 class shares", involved, "some", weight=-1, printed=printed, top=top, share=share)
    premise, why = "" if stated else "the table lists every class", f"{names(printed)} force {top}"
    if beaten := list(_beaten(run, floor, top, why, premise, ("accuracy", "f1_weighted"), top)):
        yield from beaten
        yield from _beaten(run, floor, top, why, premise, ("f1",), top)
        precision, recall = parts["precision"].get(top), parts["recall"].get(top)
        precise = precision is not None and run.read(precision).low - share.high < 0.02
        for key, claim in (("precision", precision if precise else None), ("recall", recall)):
            if claim is not None:
                yield say("baseline", "C5 majority class", [claim], key, premise=premise, weight=1, top=top,
                          share=share, model=claim)  # fmt: skip
        yield from _not_chance(run, top, f"at least {percent(floor)}", premise)


def _beaten(
    run: Run, floor: float, top: str, why: str, premise: str, metrics: Sequence[str], label: str = ""
) -> Iterator[Finding]:
    """Scores of a run that always naming a class of at least this share reaches; `why` says what makes it so large."""
    f1 = 2 * floor / (1 + floor)
    bars = {"accuracy": ("accuracy", floor), "f1_weighted": ("weighted F1", floor * f1), "f1": ("F1", f1)}
    for metric in metrics:
        (name, bar), claim = bars[metric], run.get(metric, label if metric == "f1" else "")
        if claim is not None and run.read(claim).high <= bar:
            yield say("baseline", "C5 majority class", [claim], "reached", premise=premise, weight=2 + (metric != "f1"),
                      why=why, top=top, floor=floor, bar=bar, name=name, model=claim)  # fmt: skip


def _not_chance(run: Run, top: str, right: str, premise: str = "") -> Iterator[Finding]:
    """Printed baselines of chance, where always saying one class is the one to beat."""
    for claim in run.candidates("random_baseline"):
        yield say("baseline", "C8 majority class", [claim], "not chance", premise=premise, weight=2, top=top,
                  right=right, chance=claim)  # fmt: skip


def share_from_macro(run: Run) -> Iterator[Finding]:
    """Where only one class is scored, macro and weighted F1 still bound its share from below."""
    averages, k, scored = (run.get("f1_macro"), run.get("f1_weighted")), len(run.group.classes), run.labelled("f1")
    known = [claim for claim in averages if claim is not None]
    for label, claim in scored.items() if len(known) == 2 and 2 <= k > len(scored) else ():
        share = forensic.largest_share_from_macro(run.read(claim), run.read(known[0]), run.read(known[1]), k)
        macro, weighted = (average.printed for average in known)
        if share is not None and share.low > 0.5:
            why = f"{label} F1 {claim.printed}, macro {macro} and weighted {weighted} of {k} classes force {label}"
            yield from _beaten(run, share.low, label, why, "", ("accuracy", "f1_weighted", "f1"), label)


def one_class_only(run: Run) -> Iterator[Finding]:
    """Recall 1 with accuracy equal to precision, or one class recall 1 and the others 0: a constant prediction."""
    a, p, r, f = (run.get(metric) for metric in ("accuracy", "precision", "recall", "f1"))
    if a is not None and p is not None and r is not None and run.read(r).high >= 1 and run.read(a).meets(run.read(p)):
        called = forensic.called_share(run.read(a), run.read(p), run.read(r))
        if called is not None and called.low >= 0.98:
            constant = corners(lambda share: 2 * share / (1 + share), run.read(p))
            yield from _not_chance(run, _positive(run), a.printed)
            key = "positive, with F1" if f is not None and run.read(f).meets(constant) else "positive"
            yield say("baseline", "C7 constant prediction", [a, p, r, f], key, weight=4, f1=constant, accuracy=a,
                      premise="" if run.one_class(p, r) else None, precision=p, recall=r, rest=1 - called.low,
                      top=_positive(run))  # fmt: skip
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
    name, share = max(shares.items(), key=lambda item: item[1].low, default=("", Interval.point(0.0)))
    if accuracy is not None and shares and run.read(accuracy).low <= share.high + 1e-12:
        # A report may print the shares of all its rows, or of those trained on.
        held = "the shares are of the rows that the accuracy is of" if run.claims.draft and not sample.n else ""
        yield say("baseline", "C8 majority class", [accuracy], "stated", premise=held, weight=2, top=name, share=share,
                  accuracy=accuracy)  # fmt: skip


def positives_of_sample(family: Sequence[Run]) -> Iterator[Finding]:
    """Runs on one sample against the share of positives that accuracy, precision and recall of one of them force."""
    forced: list[tuple[Interval, Run]] = []
    for run in family:
        a, p, r = run.value("accuracy"), run.value("precision"), run.value("recall")
        # Averages weighted by support have the accuracy as their recall.
        if a is not None and p is not None and r is not None and run.two_classes is not None and not a.meets(r):
            share = forensic.prevalence_range(a, p, r)
            pooled = not run.one_sample(run.get("accuracy"), run.get("precision"), run.get("recall"))
            forced += [(share, run)] if share is not None and share.width < 0.05 and not pooled else []
    if not forced:
        return
    share, by = min(forced, key=lambda item: item[0].width)
    if not all(share.meets(other) for other, _ in forced):
        return  # not of one sample
    drafted = "rows of one table share one sample" if family[0].claims.draft and len(family) > 1 else ""
    held = "; ".join(filter(None, [by.two_classes, drafted]))
    sizes = names([f"{c.metric} {c.printed}" for c in map(by.get, ("accuracy", "precision", "recall")) if c])
    other = Interval.point(1.0) - share
    bar = max(forensic.entropy([end, 1 - end]) for end in (share.low, share.high, 0.5) if share.holds(end))
    for run in family:
        name, larger = (_positive(run), share) if share.low >= other.low else ("the larger class", other)
        yield from _beaten(run, larger.low, name, f"{sizes} force {name}", held, ("accuracy",))
        if run.two_classes is not None:
            yield from _beaten(run, share.low, _positive(run), f"{sizes} force {_positive(run)}", held, ("f1",))
        terms, loss = run.group.loss.terms if run.group.loss is not None else (), run.get("validation_loss")
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
        given = forensic.matrix_scores(table, classes) if table.any() else {}
        beside = [claim for claim in run.measured if claim.metric in given]
        others = [other for other in report.by_group[run.group.name] if other is not run and other.at == run.at]
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


def proportions_on_stated_sample(run: Run) -> Iterator[Finding]:
    """A share of n counted cases must be a whole count over n."""
    trades = run.get("trades", "closed") or run.get("trades")
    for claim in run.measured:
        rate, n = claim.metric == "win_rate", run.group.sample.n
        counted = ("accuracy", "error_rate", "prevalence", "negative_predictions", "win_rate", "hit_rate")
        if claim.metric not in counted or claim.label or claim.value.about:
            continue
        proven = claim.metric in ("accuracy", "error_rate")
        if rate:
            if trades is None or not float(trades.value.value).is_integer() or trades.value.about:
                continue
            n = int(trades.value.value)
            mean = re.search(r"(?:avg|average|mean)[\s_]+win[\s_-]?rate", claim.source_text, re.I)  # over several runs
            together = run.claims.draft and claim.record == trades.record and not mean
            proven = "trade" in claim.definition.lower() or together
        if n is None or n < 1 or not grim_has_power(run.read(claim), n):
            continue
        share = run.read(claim)
        counts, k = grim_counts(share, n), math.floor(share.middle * n)
        figures: Figures = {"share": claim, "n": n, "k": counts[0] if counts else k, "more": k + 1}
        if counts:
            yield say("fits", "C1 whole counts", [claim], "whole", weight=1, **figures)
        elif not (rate and (any(len(grim_counts(share, m)) for m in range((n + 1) // 2, n))
                            or (run.claims.draft and (claim.value.computed or _of_parts(run, n))))):  # fmt: skip
            # Else trades may be open or scratched, and so no part of the rate; what is computed counts something else,
            # and what is printed of all trades beside their parts may be a mean of the parts.
            figures |= {"below": k / n, "above": (k + 1) / n}
            yield say("broken", "C1 whole counts", [claim], "none", proven=proven and run.one_sample(claim),
                      using=[claim, trades if rate else None], stated=not rate, **figures)  # fmt: skip


def _of_parts(run: Run, n: int) -> bool:
    """Whether n trades are the sum of others in one table, list or data."""
    counts: dict[str, list[float]] = {}
    for claim in run.claims.claims:
        if claim.metric == "trades" and claim.value.is_point and not claim.label:
            counts.setdefault(claim.record.partition(".")[0], []).append(claim.value.value)
    return any((len(of) > 1 and sum(of) == n) or (len(of) > 2 and sum(of) == 2 * n) for of in counts.values())


def _score_claims(run: Run) -> list[Claim]:
    return [claim for metric in _SCORES if (claim := run.get(metric)) is not None]


def matrices_on_stated_sample(run: Run) -> Iterator[Finding]:
    """Scores on n stated cases come from a whole-number matrix, an AUC from whole pairs; and what chance scores."""
    n, positives, claims, auc = run.group.sample.n, run.group.sample.n_positive, _score_claims(run), run.get("auc")
    if auc is not None and (not n or positives is None):
        yield say("open", "C8 AUC", [auc], "no n", auc=auc)
    # Beside the scores of each class, scores without one are averages.
    averaged = len(run.group.classes) > 2 or any(run.labelled(name) for name in ("precision", "recall", "f1"))
    if n and n <= MATRIX_CAP and len(claims) >= 2 and not averaged:
        listed = [f"{claim.metric} {claim.printed}" for claim in claims]
        found = forensic.binary_matrices({claim.metric: run.read(claim) for claim in claims}, n, positives)
        if not found:
            yield say("broken", "C6 confusion matrix", claims, "none", proven=run.one_class(*claims), stated=True, n=n,
                      scores=listed)  # fmt: skip
        if len(found) == 1:
            yield say("fits", "C6 confusion matrix", claims, "only", weight=2, scores=listed, n=n,
                      matrix=_MATRIX.format(*found[0]))  # fmt: skip
            yield from _of_matrix(run, found[0])
    if n and auc is not None and positives is not None and 0 < positives < n:
        plus, minus = positives, n - positives
        if run.read(auc).width * 2 * plus * minus < 1:
            counts = grim_counts(run.read(auc), 2 * plus * minus)  # half pairs ranked rightly
            step = f"{counts[0]}/{2 * plus * minus}" if counts else ""
            yield say(bool(counts), "C2 AUC grid", [auc], "on" if counts else "off", proven=run.one_sample(auc),
                      stated=True, auc=auc, plus=plus, minus=minus, step=step)  # fmt: skip
        around = forensic.auc_interval(min(1.0, max(0.0, run.read(auc).middle)), plus, minus)
        chance = around.holds(0.5)
        yield say("weak" if chance else "supported", "C8 AUC", [auc], "chance" if chance else "beyond",
                  weight=int(chance), auc=auc, plus=plus, minus=minus, around=around)  # fmt: skip


def _of_matrix(run: Run, matrix: Matrix) -> Iterator[Finding]:
    """Accuracy and F1 against the larger class, where the matrix of the stated cases is the only one."""
    claim, f1, right, n = run.get("accuracy"), run.get("f1"), matrix.tp + matrix.tn, sum(matrix)
    positives = matrix.tp + matrix.fn
    majority, always = max(positives, n - positives), 2 * positives / (n + positives)
    if claim is not None:
        around, beaten = forensic.wilson(right, n), right <= majority
        chance = "weak" if around.holds(majority / n) else "supported"
        yield say("baseline" if beaten else chance, "C8 majority class", [claim], "beaten" if beaten else "interval",
                  weight=3 * beaten, right=right, n=n, majority=majority, share=majority / n, accuracy=claim,
                  around=around)  # fmt: skip
    if f1 is not None and run.read(f1).low <= always:
        yield say("baseline", "C7 always positive", [f1], "counted", weight=2, f1=f1, n=n, positives=positives,
                  always=always)  # fmt: skip


def common_sample(family: Sequence[Run]) -> Iterator[Finding]:
    """Sample sizes that several runs on one unstated sample have in common, and the matrices where they are unique. Any
    of the sizes may be it, so it accuses nothing, judges nothing, and is not tried again with digits cut off."""
    if family[0].lenient or any(run.group.sample.n or not run.one_sample(*_score_claims(run)) for run in family):
        return
    claims = [c for run in family if (c := run.get("accuracy")) is not None and not c.value.about]
    binary = all(run.two_classes is not None for run in family)
    enough = binary and sum(len(_score_claims(run)) for run in family) >= 3
    if not claims or (not enough and len({claim.printed for claim in claims}) < 2):
        return
    shares = [family[0].read(claim) for claim in claims]
    sizes = [n for n in range(1, SIZE_CAP + 1) if all(grim_counts(share, n) for share in shares)]
    powered = {n for n in range(1, SEARCH_CAP + 1) if all(grim_has_power(share, n) for share in shares)}
    few = [n for n in sizes if n in powered]
    few = few if len(few) * 4 <= len(powered) else []
    solved = {n: split for n in few[:TRIED] if binary and (split := _splits(family, n))}
    fitting = list(solved)[:4] if binary else few
    if not fitting:
        return
    smallest, multiple = fitting[0], len(sizes) > 1 and all(n % fitting[0] == 0 for n in sizes)
    others = ", ".join(map(str, fitting[1:4])) + (" …" if len(fitting) > 4 else "")
    more = f" (so do {others})" if others else ""
    more += f"; up to n = {sizes[-1]:,} only multiples of {smallest} fit" if multiple else ""
    yield say("fits", "C1 common sample", claims, "sizes", weight=3, shares=claims, n=smallest, more=more,
              counts=[f"{grim_counts(share, smallest)[0]}/{smallest}" for share in shares])  # fmt: skip
    splits = list(solved[smallest].items()) if binary and multiple else []
    for positives, matrices in splits if len(splits) == 1 else ():
        for run, found in zip(family, matrices, strict=True):
            fitted = [*_score_claims(run), *filter(None, [run.get("auc")])]
            if len(found) == 1:
                yield say("fits", "C1 common sample", fitted, "matrix", weight=2, n=smallest, positives=positives,
                          scores=[f"{claim.metric} {claim.printed}" for claim in fitted],
                          matrix=_MATRIX.format(*found[0]))  # fmt: skip


def _splits(family: Sequence[Run], n: int) -> dict[int, list[list[Matrix]]]:
    """Positives among n -> matrices of each run, where every run has one and every AUC lies on its grid."""
    printed = [{claim.metric: run.read(claim) for claim in _score_claims(run)} for run in family]
    aucs = [auc for run in family if (auc := run.value("auc")) is not None]
    return {
        k: matrices for k in range(1, n) if all(grim_counts(auc, 2 * k * (n - k)) for auc in aucs)
        and all(matrices := [forensic.binary_matrices(score, n, k, limit=50) for score in printed])
    }  # fmt: skip
