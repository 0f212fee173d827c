"""Rules on class shares: what printed scores force them to be, and how always naming the largest class would score."""

from __future__ import annotations

from collections.abc import Iterator

from assay.audit.forensic.classification import ClassScores, class_shares, largest_share_from_macro
from assay.audit.rules.scope import Run, baseline, broken, completeness, fits, names, number, percent, span
from assay.audit.verdicts import Finding

ALL_CLASSES = "the table lists every class"
__all__ = ["share_from_macro", "shares_by_programming"]


def shares_by_programming(run: Run) -> Iterator[Finding]:
    """Class shares forced by accuracy, weighted F1 and the class scores; hence the majority-class baseline."""
    accuracy, weighted = run.get("accuracy"), run.get("f1_weighted")
    parts = {metric: run.labelled(metric) for metric in ("precision", "recall", "f1")}
    labels = list(dict.fromkeys(label for claims in parts.values() for label in claims))
    possible, stated = completeness(run, labels)
    if len(labels) < 2 or not possible or (accuracy is None and weighted is None):
        return
    stated_share = {c.name: c.share.interval for c in run.group.classes if c.share is not None}

    def scored(label: str) -> ClassScores:
        values = {m: run.read(claims[label]) for m, claims in parts.items() if label in claims}
        return ClassScores(**values, share=stated_share.get(label))

    scores = {label: scored(label) for label in labels}
    used = [claim for claim in (accuracy, weighted) if claim is not None]
    answer = class_shares(scores, run.read(accuracy) if accuracy else None, run.read(weighted) if weighted else None)
    involved = [*used, *(claim for claims in parts.values() for claim in claims.values())]
    printed = names([f"{c.metric.replace('_', ' ')} {c.printed}" for c in used])
    if answer is None:
        yield broken(
            "C5 class shares",
            used,
            f"no class shares that sum to one give {printed} with the class scores of {names(labels)}.",
            stated and run.one_sample(*involved),
            ALL_CLASSES,
        )
        return
    top = answer.majority
    share = answer.shares[top]
    constrained = share.width < 0.5
    if not constrained:
        return
    yield fits(
        "C5 class shares",
        involved,
        f"{printed} and the class scores hold together with {top} at {span(share, True)} of the cases.",
        weight=-1,
    )
    floor = answer.majority_floor
    assumption = None if stated else ALL_CLASSES
    always = f"always “{top}” is right on at least {percent(floor)}"
    if accuracy is not None and run.read(accuracy).high <= floor:
        yield baseline(
            "C5 majority class",
            [accuracy],
            f"{printed} force {top} to at least {percent(share.low)} of the cases, so {always}, and the model"
            f" scores {accuracy.printed}.",
            assumption,
            3,
        )
    constant_f1 = 2 * floor / (1 + floor)
    if weighted is not None and run.read(weighted).high <= floor * constant_f1:
        yield baseline(
            "C5 majority class",
            [weighted],
            f"always “{top}” reaches a weighted F1 of at least {number(floor * constant_f1, 3)} (share"
            f" {percent(floor)} times F1 {number(constant_f1, 3)}), and the model {weighted.printed}.",
            assumption,
            3,
        )
    below = accuracy is not None and run.read(accuracy).high <= floor
    below = below or (weighted is not None and run.read(weighted).high <= floor * constant_f1)
    if not below:
        return
    of_top = parts["f1"].get(top)
    if of_top is not None and run.read(of_top).high <= constant_f1:
        yield baseline(
            "C5 majority class",
            [of_top],
            f"always “{top}” has recall 1, precision at least {percent(floor)} and so an F1 of at least"
            f" {number(constant_f1, 3)}, and the model {of_top.printed}.",
            assumption,
            2,
        )
    precise, recall = parts["precision"].get(top), parts["recall"].get(top)
    if precise is not None and run.read(precise).low - share.high < 0.02:
        yield baseline(
            "C5 majority class",
            [precise],
            f"{top} is {span(share, True)} of the cases, which is the precision of always saying it; printed"
            f" {precise.printed}.",
            assumption,
            1,
        )
    if recall is not None:
        yield baseline(
            "C5 majority class",
            [recall],
            f"always “{top}” has a recall of 100% at a precision of {span(share, True)}; printed {recall.printed}.",
            assumption,
            1,
        )
    for claim in run.candidates("random_baseline"):
        yield baseline(
            "C5 majority class",
            [claim],
            f"the baseline of a classifier is its majority class: {always}, not {claim.printed}.",
            assumption,
            2,
        )


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
