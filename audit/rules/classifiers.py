"""Rules on classifiers: identities of their scores, the class shares they force, and the majority-class baseline."""

from __future__ import annotations

import math
from collections.abc import Iterator

from assay.audit.claims_model import Claim
from assay.audit.forensic.classification import (
    always_positive_f1,
    entropy,
    f1_average_range,
    f1_range,
    macro_f1_readings,
    mixture_remainder,
    not_predicted_share,
)
from assay.audit.forensic.confusion import accuracy_floor, prevalence_range
from assay.audit.intervals import Interval
from assay.audit.rules.scope import Run, baseline, broken, fits, names, number, percent, span
from assay.audit.verdicts import Finding

__all__ = [
    "averaged_scores",
    "completeness",
    "f1_identity",
    "jaccard_floor",
    "log_loss_baseline",
    "macro_scores",
    "mixtures",
    "one_class_only",
    "prevalence",
    "same_by_definition",
    "stated_majority",
]

ONE_CLASS = "precision, recall and F1 are of one class on one sample, not averages"
ALL_CLASSES = "the table lists every class"


def f1_identity(run: Run) -> Iterator[Finding]:
    """F1 = 2PR/(P+R) for one class; averages over classes or folds obey an inequality only."""
    labels = ["", *run.labelled("f1")]
    for label in labels:
        p, r, f = (run.get(metric, label) for metric in ("precision", "recall", "f1"))
        if p is None or r is None or f is None:
            continue
        exact, loose = f1_range(run.read(p), run.read(r)), f1_average_range(run.read(p), run.read(r))
        of = f" of {label}" if label else ""
        working = f"2·P·R/(P+R) with P {p.printed} and R {r.printed} gives {span(exact)}"
        if run.read(f).meets(exact):
            yield fits("C3 F1 identity", [p, r, f], f"F1{of}: {working}, and {f.printed} is printed.")
        elif not run.read(f).meets(loose):
            yield broken(
                "C3 F1 identity",
                [f],
                f"F1{of}: {working}, and no average over classes or folds leaves {span(loose)}, but"
                f" {f.printed} is printed.",
                run.together(p, r, f),
                "the three scores are of one model on one sample",
            )
        elif not run.one_class(p, r, f) and (reading := _averaged_reading(run, r, f, exact)):
            yield fits("C3 F1 identity", [f], f"F1{of}: {working}; {f.printed} is below it, as {reading}.", reading, -2)
        else:
            yield broken(
                "C3 F1 identity",
                [f],
                f"F1{of}: {working}, but {f.printed} is printed.",
                run.one_class(p, r, f) and run.together(p, r, f),
                ONE_CLASS,
            )


def _averaged_reading(run: Run, r: Claim, f: Claim, exact: Interval) -> str:
    """The averaging that a slightly low F1 suggests: by support where recall is accuracy, else over classes or
    folds."""
    accuracy = run.get("accuracy")
    if accuracy is not None and run.read(accuracy).meets(run.read(r)):
        return "averages weighted by support are (recall equals accuracy)"
    near = run.read(f).high >= 0.8 * exact.low
    return "averages over classes or folds are" if near else ""


def averaged_scores(run: Run) -> Iterator[Finding]:
    """Averaged F1 lies between P + R - 1 and the harmonic mean of the averages, whatever the classes."""
    for kind in ("macro", "weighted"):
        p, r, f = (run.get(f"{metric}_{kind}") for metric in ("precision", "recall", "f1"))
        if p is None or r is None or f is None:
            continue
        allowed = f1_average_range(run.read(p), run.read(r))
        sentence = f"{kind} P {p.printed} and R {r.printed} allow a {kind} F1 of {span(allowed)}, printed {f.printed}."
        if run.read(f).meets(allowed):
            yield fits("C3 averaged F1", [f], sentence)
        else:
            yield broken("C3 averaged F1", [f], sentence)


def same_by_definition(run: Run) -> Iterator[Finding]:
    """Weighted recall and micro F1 are accuracy; balanced accuracy is macro recall; the error rate is its
    complement."""
    for first, second in (
        ("recall_weighted", "accuracy"),
        ("f1_micro", "accuracy"),
        ("balanced_accuracy", "recall_macro"),
    ):
        a, b = run.get(first), run.get(second)
        if a is None or b is None:
            continue
        stated = len(run.group.classes) > 0 and completeness(run, [c.name for c in run.group.classes])[1]
        sentence = (
            f"{first.replace('_', ' ')} equals {second.replace('_', ' ')} by definition: {a.printed} and {b.printed}."
        )
        if run.read(a).meets(run.read(b)):
            yield fits("C6 equal by definition", [a, b], sentence)
        else:
            yield broken("C6 equal by definition", [a, b], sentence, stated, "one label a case")
    error, accuracy = run.get("error_rate"), run.get("accuracy")
    if error is not None and accuracy is not None:
        wanted = Interval.point(1.0) - run.read(accuracy)
        sentence = (
            f"error rate is 1 − accuracy: 1 − {accuracy.printed} = {span(wanted, True)}, printed {error.printed}."
        )
        if run.read(error).meets(wanted):
            yield fits("C6 equal by definition", [error, accuracy], sentence)
        else:
            yield broken("C6 equal by definition", [error], sentence)


def completeness(run: Run, labels: list[str]) -> tuple[bool, bool]:
    """Whether the labels can be all classes, and whether the document says so.

    A draft has its classes from the rows of a table: they are all classes only where their supports add up to a total.
    """
    known = [shares.name for shares in run.group.classes]
    said = not run.claims.draft or all(shares.support is not None for shares in run.group.classes)
    return (not known or set(known) == set(labels)), set(known) == set(labels) and bool(known) and said


def macro_scores(run: Run) -> Iterator[Finding]:
    """Macro scores are means of the class scores; macro F1 also has the reading F1 of the means."""
    for metric, averaged in (
        ("f1", "f1_macro"),
        ("precision", "precision_macro"),
        ("recall", "recall_macro"),
        ("recall", "balanced_accuracy"),
    ):
        total, parts = run.get(averaged), run.labelled(metric)
        possible, stated = completeness(run, list(parts))
        if total is None or len(parts) < 2 or not possible:
            continue
        values = [run.read(part) for part in parts.values()]
        if metric == "f1":
            p, r = run.labelled("precision"), run.labelled("recall")
            both = set(p) == set(r) == set(parts)
            readings = macro_f1_readings(
                values,
                [run.read(p[label]) for label in parts] if both else (),
                [run.read(r[label]) for label in parts] if both else (),
            )
        else:
            readings = {f"mean of the class {metric}": macro_f1_readings(values)["mean of the class F1"]}
        name = averaged.replace("_", " ").replace("f1", "F1")
        working = f"({' + '.join(part.printed for part in parts.values())})/{len(parts)}"
        hit = [reading for reading, value in readings.items() if run.read(total).meets(value)]
        first = next(iter(readings.values()))
        if hit:
            yield fits(
                "C4 macro average",
                [total, *parts.values()],
                f"{name}: {hit[0]}, {working}, gives {span(readings[hit[0]])}, and {total.printed} is printed.",
                hit[0],
            )
        else:
            pooled = run.one_sample(total, *parts.values())
            yield broken(
                "C4 macro average",
                [total],
                f"{name}: {working} gives {span(first)}"
                + "".join(f", {k} {span(v)}" for k, v in list(readings.items())[1:])
                + f", but {total.printed} is printed.",
                stated and pooled,
                ALL_CLASSES,
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


def jaccard_floor(run: Run) -> Iterator[Finding]:
    """Accuracy is at least TP/(TP+FP+FN): true negatives only add to it."""
    a, p, r = run.get("accuracy"), run.get("precision"), run.get("recall")
    if a is None or p is None or r is None:
        return
    floor = accuracy_floor(run.read(p), run.read(r))
    sentence = (
        f"precision {p.printed} and recall {r.printed} alone make accuracy at least 1/(1/P + 1/R − 1) ="
        f" {percent(floor, 2)}, printed {a.printed}."
    )
    if run.read(a).meets(Interval(floor, 1.0)):
        yield fits("C6 confusion matrix", [a], sentence, weight=-2)
    else:
        yield broken("C6 confusion matrix", [a, p, r], sentence, run.one_class(p, r) and run.one_sample(a), ONE_CLASS)


def prevalence(run: Run) -> Iterator[Finding]:
    """The share of positives that accuracy, precision and recall imply, against the printed one."""
    a, p, r, share = (run.get(metric) for metric in ("accuracy", "precision", "recall", "prevalence"))
    if a is None or p is None or r is None or share is None:
        return
    implied = prevalence_range(run.read(a), run.read(p), run.read(r))
    if implied is None:
        return
    sentence = (
        f"accuracy {a.printed}, precision {p.printed} and recall {r.printed} put the positives at"
        f" (1−A)/(1+R·(1/P−2)) = {span(implied, True)}, printed {share.printed}."
    )
    if run.read(share).meets(implied):
        yield fits("C6 prevalence", [share, a, p, r], sentence)
    else:
        yield broken("C6 prevalence", [share], sentence, run.one_class(p, r) and run.one_sample(a, share), ONE_CLASS)


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
