"""Class shares that printed scores force, and rates as mixtures of the rates of their parts."""

from __future__ import annotations

from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.forensic.classification import ClassScores, class_shares, mixture_remainder
from assay.audit.rules.baselines import majority_class
from assay.audit.rules.scope import Run, broken, completeness, fits, names, span
from assay.audit.verdicts import Finding

__all__ = ["mixtures", "shares_by_programming"]

ALL_CLASSES = "the table lists every class"


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
    yield from majority_class(run, answer, parts, printed, None if stated else ALL_CLASSES)


def mixtures(run: Run) -> Iterator[Finding]:
    """An overall rate is the share-weighted mean of the rates of its parts; the unprinted rest must be a rate too."""
    shares = {c.name: c.share.interval for c in run.group.classes if c.share is not None}
    for metric in ("accuracy", "hit_rate", "win_rate"):
        overall, parts = run.get(metric), run.labelled(metric)
        known = {label: claim for label, claim in parts.items() if label in shares}
        if overall is None or not known:
            continue
        weight = Interval(sum(shares[k].low for k in known), sum(shares[k].high for k in known))
        pairs = [(shares[label], run.read(claim)) for label, claim in known.items()]
        if weight.high >= 1 - 1e-9 or len(known) == len(run.group.classes):
            total = Interval(
                sum(s.low * m.low for s, m in pairs),
                sum(s.high * m.high for s, m in pairs) + max(0.0, 1 - weight.low),
            )
            sentence = f"the parts of {metric.replace('_', ' ')} weighted by their shares give {span(total, True)}"
            good = run.read(overall).meets(total)
        else:
            rest = mixture_remainder(run.read(overall), pairs)
            good = rest.meets(Interval(0.0, 1.0))
            sentence = f"the part not printed would need a {metric.replace('_', ' ')} of {span(rest, True)}"
        text = f"{sentence}, with {overall.printed} overall."
        if good:
            yield fits("C9 mixture", [overall, *known.values()], text)
        else:
            yield broken("C9 mixture", [overall], text, run.one_sample(overall), "shares and rates are of one sample")
