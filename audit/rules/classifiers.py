"""Rules on classifiers that are no identities: constant predictions, mixtures of parts, and constant baselines."""

from __future__ import annotations

import math
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.classification import (
    always_positive_f1,
    entropy,
    mixture_remainder,
    not_predicted_share,
)
from assay.audit.rules.scope import Run, baseline, broken, completeness, fits, names, number, percent, span
from assay.audit.verdicts import Finding

__all__ = ["log_loss_baseline", "mixtures", "one_class_only", "stated_majority"]

ONE_CLASS = "precision, recall and F1 are of one class on one sample, not averages"


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
        for chance in run.candidates("random_baseline"):
            yield baseline(
                "C8 majority class",
                [chance],
                f"the baseline of a classifier is its majority class: {always} is right on {a.printed}, not"
                f" {chance.printed}.",
                weight=2,
            )
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
