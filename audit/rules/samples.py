"""Rules on samples: shares that are whole counts of them, the confusion matrices that fit them, the sample that several
shares have in common, and printed intervals. These may be a bootstrap's, a range over seeds or quartiles, and none need
surround its figure, so nothing accuses them on the arithmetic."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from assay.audit import forensic
from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic import Matrix, grim_counts, grim_has_power
from assay.audit.rules.scope import Report, Run
from assay.audit.verdicts import TABLE, Figures, Finding, say

__all__ = ["common_sample", "matrices_on_stated_sample", "proportions_on_stated_sample", "stated_intervals"]

#: Largest stated sample whose matrices are enumerated, largest unstated ones searched for power and listed, and how
#: many candidate sizes have their matrices enumerated.
MATRIX_CAP, SEARCH_CAP, SIZE_CAP, TRIED = 3000, 250, 2000, 10
_SCORES = ("accuracy", "precision", "recall", "f1", "specificity")
_MATRIX = "TP {}, FP {}, FN {}, TN {}"
_CONFIDENCE = re.compile(r"\bci\b|confiden|confian|credible|置信|bootstrap", re.I)
_NO_SKILL = {metric: row["value"] for row in TABLE["no skill"] for metric in row["metrics"]}


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
            proven = "trade" in claim.definition.lower() or (run.claims.draft and claim.record == trades.record)
        if n is None or n < 1 or not grim_has_power(run.read(claim), n):
            continue
        share = run.read(claim)
        counts, k = grim_counts(share, n), math.floor(share.middle * n)
        figures: Figures = {"share": claim, "n": n, "k": counts[0] if counts else k, "more": k + 1}
        if counts:
            yield say("fits", "C1 whole counts", [claim], "whole", weight=1, **figures)
        elif not (rate and (any(len(grim_counts(share, m)) for m in range((n + 1) // 2, n))
                            or (run.claims.draft and claim.value.computed))):  # fmt: skip
            # Else trades may be open or scratched, and so no part of the rate; what is computed counts something else.
            figures |= {"below": k / n, "above": (k + 1) / n}
            yield say("broken", "C1 whole counts", [claim], "none", proven=proven and run.one_sample(claim),
                      using=[claim, trades if rate else None], stated=not rate, **figures)  # fmt: skip


def _score_claims(run: Run) -> list[Claim]:
    return [claim for metric in _SCORES if (claim := run.get(metric)) is not None]


def matrices_on_stated_sample(run: Run) -> Iterator[Finding]:
    """The scores of a binary classifier on n stated cases come from a whole-number confusion matrix, its AUC from
    whole pairs; and what chance and the larger class score on so many."""
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


def stated_intervals(report: Report) -> Iterator[Finding]:
    """A printed interval holds its figure, and says whether chance covers it."""
    for claim in report.claims.claims:
        figure = report.claims.claim(claim.inputs[0]) if claim.relation == "interval" and claim.inputs else None
        if figure is None or claim.value.bound != "range" or not figure.value.is_point or figure.target:
            continue
        run, ends = report.run_of(figure), claim.value
        # The run may read a share that is printed without its percent sign.
        scale = 0.01 if figure.value.interval.low > 1 >= run.read(figure).high else 1.0
        more = 1.0 if run.lenient else 0.5
        low, high = (Interval(end - more * unit, end + more * unit) * scale
                     for end, unit in ((ends.value, ends.unit), (ends.end, ends.end_unit)))  # fmt: skip
        if low.low > run.read(figure).high or high.high < run.read(figure).low:
            yield say("doubt", "C18 interval", [claim], "apart", interval=claim, figure=figure)
            continue
        yield say("fits", "C18 interval", [claim], "around", weight=-1, interval=claim, figure=figure)
        null = _NO_SKILL.get(figure.metric)
        if null is not None and _CONFIDENCE.search(claim.definition) and low.high <= null <= high.low:
            yield say("weak", "C18 interval", [figure], "no skill", premise="", weight=3, interval=claim, null=null)
