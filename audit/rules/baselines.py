"""Baselines: what the always-up forecast, or any other constant one, would score beside the printed figure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.classification import (
    ClassShares,
    always_positive_f1,
    entropy,
    largest_share_from_macro,
    not_predicted_share,
)
from assay.audit.rules.scope import Run, baseline, completeness, names, number, percent, span
from assay.audit.verdicts import Finding

__all__ = ["log_loss_baseline", "majority_class", "one_class_only", "share_from_macro", "stated_majority"]

ONE_CLASS = "precision, recall and F1 are of one class on one sample, not averages"


def majority_class(
    run: Run, forced: ClassShares, parts: Mapping[str, Mapping[str, Claim]], printed: str, assumption: str | None
) -> Iterator[Finding]:
    """What always naming the largest class scores, against the scores that force the class to be that large.

    `forced` are the shares, `parts` the claims by metric and class, `printed` the scores in words.
    """
    top, share, floor = forced.majority, forced.shares[forced.majority], forced.majority_floor
    always, f1 = f"always “{top}” is right on at least {percent(floor)}", 2 * floor / (1 + floor)
    accuracy, weighted = run.get("accuracy"), run.get("f1_weighted")

    def beaten(claim: Claim | None, bar: float) -> bool:
        return claim is not None and run.read(claim).high <= bar

    if not (beaten(accuracy, floor) or beaten(weighted, floor * f1)):
        return
    of_top = {metric: parts[metric].get(top) for metric in ("f1", "precision", "recall")}
    precise = of_top["precision"]
    forces = f"{printed} force {top} to at least {percent(share.low)} of the cases, so {always}, and the model scores"
    reaches = f"always “{top}” reaches a weighted F1 of at least {number(floor * f1, 3)} (share {percent(floor)} times"
    reaches += f" F1 {number(f1, 3)}), and the model"
    whole = f"always “{top}” has recall 1, precision at least {percent(floor)} and so an F1 of at least {number(f1, 3)}"
    saying = f"{top} is {span(share, True)} of the cases, which is the precision of always saying it; printed"
    recalled = f"always “{top}” has a recall of 100% at a precision of {span(share, True)}; printed"
    rows = (
        (accuracy, beaten(accuracy, floor), 3, forces),
        (weighted, beaten(weighted, floor * f1), 3, reaches),
        (of_top["f1"], beaten(of_top["f1"], f1), 2, f"{whole}, and the model"),
        (precise, precise is not None and run.read(precise).low - share.high < 0.02, 1, saying),
        (of_top["recall"], True, 1, recalled),
    )
    for claim, holds, weight, words in rows:
        if claim is not None and holds:
            yield baseline("C5 majority class", [claim], f"{words} {claim.printed}.", assumption, weight)
    yield from _not_chance(run, "C5 majority class", always, assumption)


def _not_chance(run: Run, check: str, always: str, assumption: str | None = None) -> Iterator[Finding]:
    """Printed baselines of chance, where always saying one class is the one to beat."""
    for claim in run.candidates("random_baseline"):
        sentence = f"the baseline of a classifier is its majority class: {always}, not {claim.printed}."
        yield baseline(check, [claim], sentence, assumption, 2)


def share_from_macro(run: Run) -> Iterator[Finding]:
    """Where only one class is scored, macro and weighted F1 still bound its share from below."""
    macro, weighted, k = run.get("f1_macro"), run.get("f1_weighted"), len(run.group.classes)
    scored = run.labelled("f1")
    if macro is None or weighted is None or k < 2 or len(scored) >= k:
        return
    for label, claim in scored.items():
        share = largest_share_from_macro(run.read(claim), run.read(macro), run.read(weighted), k)
        if share is None or share.low <= 0.5:
            continue
        accuracy = run.get("accuracy")
        sentence = (
            f"{label} F1 {claim.printed} with macro {macro.printed} and weighted {weighted.printed} over {k}"
            f" classes forces {label} to at least {percent(share.low)} of the cases"
        )
        if accuracy is not None and run.read(accuracy).high < share.low:
            yield baseline(
                "C5 majority class",
                [accuracy],
                f"{sentence}, so always “{label}” beats the printed {accuracy.printed}.",
                weight=2,
            )
        constant = share.low * 2 * share.low / (1 + share.low)
        if run.read(weighted).high < constant:
            yield baseline(
                "C5 majority class",
                [weighted, claim],
                f"{sentence}, so always “{label}” has a weighted F1 of at least {number(constant, 3)}.",
                weight=2,
            )


def _positive(run: Run) -> str:
    """Name of the positive class where one of two is plainly it."""
    names_ = [shares.name for shares in run.group.classes]
    plain = [name for name in names_ if name.lower() in ("up", "positive", "1", "buy", "long", "yes", "true", "rise")]
    return plain[0] if len(names_) == 2 and len(plain) == 1 else "positive"


def one_class_only(run: Run) -> Iterator[Finding]:
    """Recall 1 with accuracy equal to precision, or one class recall 1 and the others 0: a constant prediction."""
    a, p, r = run.get("accuracy"), run.get("precision"), run.get("recall")
    rest = None
    if a is not None and p is not None and r is not None and run.read(r).high >= 1 and run.read(a).meets(run.read(p)):
        rest = not_predicted_share(run.read(a), run.read(p), run.read(r))
    if a is not None and p is not None and r is not None and rest is not None and rest <= 0.02:
        f, always = run.get("f1"), f"always “{_positive(run)}”"
        constant = always_positive_f1(run.read(p))
        also = f", and its F1 is 2π/(1+π) = {span(constant)}, as printed" if f and run.read(f).meets(constant) else ""
        yield from _not_chance(run, "C8 majority class", f"{always} is right on {a.printed}")
        yield baseline(
            "C7 constant prediction",
            [a, p, r, f],
            f"recall {r.printed} with accuracy {a.printed} equal to precision {p.printed} leaves at most"
            f" {percent(rest, 2)} of the cases not called positive: this is {always}, whose accuracy is the"
            f" share of positives{also}.",
            None if run.one_class(p, r) else ONE_CLASS,
            4,
        )
    recalls = run.labelled("recall")
    if len(recalls) >= 2 and completeness(run, list(recalls))[0]:
        ones = [label for label, claim in recalls.items() if run.read(claim).high >= 1 and run.read(claim).low >= 0.99]
        zeros = [label for label, claim in recalls.items() if run.read(claim).low <= 0 and run.read(claim).high <= 0.01]
        if len(ones) == 1 and len(zeros) == len(recalls) - 1:
            claims: list[Claim | None] = [a, *recalls.values()]
            yield baseline(
                "C7 constant prediction",
                claims,
                f"recall is 1 for {ones[0]} and 0 for {names(zeros)}: the model always says “{ones[0]}”.",
                weight=4,
            )


def log_loss_baseline(run: Run) -> Iterator[Finding]:
    """A log loss above ln K, or above the entropy of the base rates, is worse than a constant forecast."""
    loss = run.group.loss
    kinds = {"binary_cross_entropy": 2, "cross_entropy": len(run.group.classes)}
    claims = [run.get("log_loss")]
    stated = loss is not None and len(loss.terms) == 1 and loss.terms[0].kind in kinds and loss.terms[0].weight == 1
    guessed = loss is None and len(run.group.classes) == 2 and run.get("accuracy") is not None
    if stated or guessed:
        claims += [run.get("validation_loss"), run.get("test_loss")]
    k = 2 if loss is None or not loss.terms else kinds.get(loss.terms[0].kind, 2)
    k = k or len(run.group.classes)
    sample = run.group.sample
    for claim in claims:
        if claim is None or k < 2:
            continue
        bar, words = math.log(k), f"ln {k}"
        if sample.n and sample.n_positive is not None and k == 2 and 0 < sample.n_positive < sample.n:
            share = sample.n_positive / sample.n
            bar, words = entropy([share, 1 - share]), f"the entropy of {sample.n_positive} positives in {sample.n}"
        if run.read(claim).low > bar:
            held = "the printed loss is the log loss alone, without a penalty on the weights"
            held = f"the loss, not stated, is binary cross-entropy; {held}" if guessed else held
            assumption = None if claim.metric == "log_loss" else held
            if loss is not None and loss.includes_regularisation:
                assumption = f"the penalty in the printed loss is below {number(run.read(claim).low - bar, 2)}"
            yield baseline(
                "C24 log loss",
                [claim],
                f"a constant forecast has a log loss of {words} = {number(bar)}, below the printed {claim.printed}.",
                assumption,
                1,
            )


def stated_majority(run: Run) -> Iterator[Finding]:
    """Accuracy against the largest class share the document states."""
    accuracy = run.get("accuracy")
    shares = [(c.name, c.share.interval) for c in run.group.classes if c.share is not None]
    sample = run.group.sample
    if sample.n and sample.n_positive is not None:
        majority = max(sample.n_positive, sample.n - sample.n_positive) / sample.n
        shares.append(
            (
                f"the larger class ({max(sample.n_positive, sample.n - sample.n_positive)} of {sample.n})",
                Interval.point(majority),
            )
        )
    if accuracy is None or not shares:
        return
    name, share = max(shares, key=lambda item: item[1].low)
    # A report may print the shares of all its rows, or of those trained on.
    held = "the shares are of the rows that the accuracy is of" if run.claims.draft and not sample.n else None
    if run.read(accuracy).high <= share.low + 1e-12 or run.read(accuracy).meets(share):
        yield baseline(
            "C8 majority class",
            [accuracy],
            f"always “{name}” is right on {span(share, True)} of the cases, and the model on {accuracy.printed}.",
            held,
            weight=2,
        )
