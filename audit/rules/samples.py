"""Rules on whole counts: printed shares on a stated sample, the sample that several shares have in common, the
confusion matrices behind a table of runs, and samples of whole numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from assay.audit.claims.model import Claim
from assay.audit.forensic import scores
from assay.audit.forensic.books import auc_interval, wilson
from assay.audit.forensic.moments import grimmer, whole_sample
from assay.audit.forensic.scores import BinaryScores, Matrix, grim_counts, grim_has_power
from assay.audit.rules.scope import Run
from assay.audit.rules.words import Figures, say
from assay.audit.verdicts import Finding, Substance

__all__ = [
    "auc_on_grid", "common_sample", "matrices_on_stated_sample", "proportions_on_stated_sample", "whole_numbers",
]  # fmt: skip

#: Largest stated sample whose matrices are enumerated, largest unstated ones searched for power and listed, and how
#: many candidate sizes have their matrices enumerated.
MATRIX_CAP, SEARCH_CAP, SIZE_CAP, TRIED = 3000, 250, 2000, 10
_SCORES = ("accuracy", "precision", "recall", "f1", "specificity")


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
        counts, k = grim_counts(run.read(claim), n), round(claim.value.value * n)
        figures: Figures = {"share": claim, "n": n, "k": counts[0] if counts else k, "more": k + 1}
        if counts:
            yield say("fits", "C1 whole counts", [claim], "whole", weight=1, **figures)
        elif not (rate and (any(len(grim_counts(run.read(claim), m)) for m in range((n + 1) // 2, n))
                            or (run.claims.draft and claim.value.computed))):  # fmt: skip
            # Else trades may be open or scratched, and so no part of the rate; what is computed counts something else.
            figures |= {"below": k / n, "above": (k + 1) / n}
            yield say("broken", "C1 whole counts", [claim], "none", proven=proven and run.one_sample(claim),
                      using=[claim, trades if rate else None], stated=not rate, **figures)  # fmt: skip


def _scores(run: Run) -> BinaryScores:
    return BinaryScores(**{metric: run.value(metric) for metric in _SCORES})


def _score_claims(run: Run) -> list[Claim]:
    return [claim for metric in _SCORES if (claim := run.get(metric)) is not None]


def _listed(claims: Sequence[Claim]) -> list[str]:
    return [f"{claim.metric} {claim.printed}" for claim in claims]


def _words(matrix: Matrix) -> str:
    return f"TP {matrix.tp}, FP {matrix.fp}, FN {matrix.fn}, TN {matrix.tn}"


def matrices_on_stated_sample(run: Run) -> Iterator[Finding]:
    """The scores of a binary classifier on n stated cases come from a whole-number confusion matrix."""
    n, claims = run.group.sample.n, _score_claims(run)
    # Beside the scores of each class, scores without one are averages.
    averaged = any(run.labelled(name) for name in ("precision", "recall", "f1"))
    if not n or n > MATRIX_CAP or len(claims) < 2 or len(run.group.classes) > 2 or averaged:
        return
    found, check = scores.binary_matrices(_scores(run), n, run.group.sample.n_positive), "C6 confusion matrix"
    figures: Figures = {"scores": _listed(claims), "n": n, "matrix": _words(found[0]) if found else ""}
    if not found:
        proven = run.one_class(*claims) and run.one_sample(*claims)
        yield say("broken", check, claims, "none", proven=proven, stated=True, **figures)
        return
    if len(found) == 1:
        yield say("fits", check, claims, "only", weight=2, **figures)
        yield from _against_majority(run, found[0], "")


def auc_on_grid(run: Run) -> Iterator[Finding]:
    """An AUC on n+ positives and n- negatives moves in steps of 1/(2 n+ n-)."""
    sample, claim = run.group.sample, run.get("auc")
    if claim is None or not sample.n or sample.n_positive is None or not 0 < sample.n_positive < sample.n:
        return
    plus, minus = sample.n_positive, sample.n - sample.n_positive
    if run.read(claim).width * 2 * plus * minus < 1:
        yield _on_grid(run, claim, plus, minus)
    yield _auc_significance(claim, plus, minus, "")


def _on_grid(run: Run, claim: Claim, plus: int, minus: int) -> Finding:
    counts = scores.auc_counts(run.read(claim), plus, minus)
    step = f"{counts[0]}/{2 * plus * minus}" if counts else ""
    figures: Figures = {"auc": claim, "plus": plus, "minus": minus, "step": step}
    return say(bool(counts), "C2 AUC grid", [claim], "on" if counts else "off", proven=run.one_sample(claim),
               stated=True, **figures)  # fmt: skip


def _auc_significance(claim: Claim, plus: int, minus: int, premise: str) -> Finding:
    around = auc_interval(min(1.0, max(0.0, claim.value.value)), plus, minus)
    chance = around.holds(0.5)
    return say("weak" if chance else "supported", "C8 AUC", [claim], "chance" if chance else "beyond", premise=premise,
               weight=int(chance), auc=claim, plus=plus, minus=minus, low=around.low, high=around.high)  # fmt: skip


def _against_majority(run: Run, matrix: Matrix, premise: str) -> Iterator[Finding]:
    claim, right, n = run.get("accuracy"), matrix.tp + matrix.tn, sum(matrix)
    majority = max(matrix.tp + matrix.fn, matrix.fp + matrix.tn)
    if claim is None:
        return
    around = wilson(right, n)
    figures: Figures = {"right": right, "n": n, "majority": majority, "share": majority / n, "accuracy": claim,
               "low": around.low, "high": around.high}  # fmt: skip
    if right <= majority:
        yield say("baseline", "C8 majority class", [claim], "beaten", premise=premise, weight=3, **figures)
    else:
        verdict = "weak" if around.holds(majority / n) else "supported"
        yield say(verdict, "C8 majority class", [claim], "interval", premise=premise, **figures)


def common_sample(family: Sequence[Run]) -> Iterator[Finding]:
    """Sample sizes that several runs on one unstated sample have in common, and the matrices when they are unique.

    It accuses nothing, so it is not tried again with digits cut off.
    """
    if family[0].lenient or any(run.group.sample.n or not run.one_sample(*_score_claims(run)) for run in family):
        return
    claims = [c for run in family if (c := run.get("accuracy")) is not None and not c.value.about]
    evidence = [_two_classes(run) for run in family]
    binary = all(word is not None for word in evidence)
    enough = binary and sum(len(_score_claims(run)) for run in family) >= 3
    if not claims or (not enough and (len(claims) < 2 or len({claim.printed for claim in claims}) < 2)):
        return
    shares = [family[0].read(claim) for claim in claims]
    sizes = scores.common_sizes(shares, SIZE_CAP)
    powered = [n for n in range(1, SEARCH_CAP + 1) if all(grim_has_power(share, n) for share in shares)]
    fitting = [n for n in sizes if n in set(powered)]
    if not fitting or len(fitting) * 4 > len(powered):
        return
    if binary:
        solved = {n: split for n in fitting[:TRIED] if (split := _splits(family, n))}
        fitting = list(solved)[:4]
    if not fitting:
        return
    smallest, multiple = fitting[0], len(sizes) > 1 and all(n % fitting[0] == 0 for n in sizes)
    others = ", ".join(map(str, fitting[1:4])) + (" …" if len(fitting) > 4 else "")
    more = f" (so do {others})" if others else ""
    more += f"; up to n = {sizes[-1]:,} only multiples of {smallest} fit" if multiple else ""
    yield say("fits", "C1 common sample", claims, weight=3, shares=claims, n=smallest, more=more,
              counts=[f"{grim_counts(share, smallest)[0]}/{smallest}" for share in shares])  # fmt: skip
    draft = family[0].claims.draft
    if binary and (multiple or not draft):
        # A draft takes no n for granted: what is said of it must hold for every multiple of the size, so shares only.
        held = [f"the sample is n = {smallest}, the smallest that fits"] if len(fitting) > 1 else []
        held += list(dict.fromkeys(word for word in evidence if word))
        held += ["rows of one table share one sample"] if len(family) > 1 and draft else []
        chance = (Substance.NOT_SIGNIFICANT, Substance.SUPPORTED)
        recovered = _recovered(family, smallest, solved[smallest], "; ".join(held))
        yield from (finding for finding in recovered if not draft or finding.substance not in chance)


def _two_classes(run: Run) -> str | None:
    """Whether the scores are of a two-class problem: "" when stated, the assumption when an AUC suggests it, else
    None."""
    scored = [claim for claim in _score_claims(run) if claim.metric != "accuracy"]
    if len(run.group.classes) == 2 or run.one_class(*scored[:1]):
        return ""
    averaged = any(run.candidates(name) for name in ("f1_macro", "f1_weighted", "precision_macro", "recall_weighted"))
    alone = not run.group.classes and not run.labelled("f1") and not averaged
    return "two classes, scores of the positive one" if alone and run.get("auc") is not None else None


def _splits(family: Sequence[Run], n: int) -> dict[int, list[list[Matrix]]]:
    """Positives among n -> matrices of each run, where every run has one and every AUC lies on its grid."""
    printed, aucs = [_scores(run) for run in family], [auc for run in family if (auc := run.value("auc")) is not None]
    out: dict[int, list[list[Matrix]]] = {}
    for positives in scores.auc_splits(aucs, n):
        matrices: list[list[Matrix]] = []
        for score in printed:
            matrices.append(scores.binary_matrices(score, n, positives, limit=50))
            if not matrices[-1]:
                break
        else:
            out[positives] = matrices
    return out


def _recovered(
    family: Sequence[Run], n: int, splits: dict[int, list[list[Matrix]]], premise: str
) -> Iterator[Finding]:
    if len(splits) != 1:
        return
    ((positives, matrices),) = splits.items()
    for run, found in zip(family, matrices, strict=True):
        claims, f1, always = _score_claims(run), run.get("f1"), 2 * positives / (n + positives)
        if len(found) == 1:
            yield say("fits", "C6 confusion matrix", claims, "only", weight=2, scores=_listed(claims), n=n,
                      matrix=_words(found[0]))  # fmt: skip
            yield from _against_majority(run, found[0], premise)
            if f1 is not None and run.read(f1).low <= always:
                yield say("baseline", "C7 always positive", [f1], premise=premise, weight=2, f1=f1, n=n,
                          positives=positives, always=always)  # fmt: skip
        auc = run.get("auc")
        if auc is not None:
            yield _on_grid(run, auc, positives, n - positives)
            yield _auc_significance(auc, positives, n - positives, premise)
        yield from _losses(run, positives / n, premise)


def _losses(run: Run, share: float, premise: str) -> Iterator[Finding]:
    """A validation loss above the entropy of the recovered base rate."""
    loss, claim, bar = run.group.loss, run.get("validation_loss"), scores.entropy([share, 1 - share])
    stated = loss is not None and len(loss.terms) == 1 and loss.terms[0].kind == "binary_cross_entropy"
    if (loss is None or stated) and claim is not None and run.read(claim).low > bar:
        held = "the printed loss is the binary cross-entropy alone, without a penalty on the weights"
        yield say("baseline", "C24 log loss", [claim], premise="; ".join(filter(None, (held, premise))), weight=2,
                  loss=claim, share=share, entropy=bar)  # fmt: skip


def whole_numbers(run: Run) -> Iterator[Finding]:
    """Mean and deviation of n whole numbers (GRIMMER, SPRITE), where the report says that they are."""
    mean, std, n = run.get("mean"), run.get("std"), run.group.sample.n
    if mean is None or std is None or not n or n < 2 or n > 5000 or run.read(mean).width * n > 50:
        return
    if not re.search(r"whole number|integer|count of|number of", mean.definition, re.I):
        return
    m, s, extremes = run.read(mean), run.read(std), [run.get("minimum"), run.get("maximum")]
    low, high = (int(c.value.value) if c is not None and c.value.value.is_integer() else None for c in extremes)
    key = "some"
    if not any(grimmer(m, s, n, ddof) for ddof in (0, 1)):
        key = "parity"
    elif whole_sample(m, s, n, ends=(low, high)) is False:
        key = "none"
    ends = "".join(f", {name} {c.printed}" for name, c in zip(("least", "largest"), extremes, strict=True) if c)
    yield say(key == "some", "C35 whole numbers", [mean, std], key, proven=run.one_sample(mean, std), stated=True, n=n,
              mean=mean, std=std, ends=ends)  # fmt: skip
