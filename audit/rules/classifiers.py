"""Rules on classifiers: baselines of constant forecasts, class shares that scores force, printed confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.scores import (
    ClassScores,
    ClassShares,
    always_positive_f1,
    class_shares,
    entropy,
    largest_share_from_macro,
    mixture_remainder,
    not_predicted_share,
)
from assay.audit.read.grids import JOINT
from assay.audit.rules.scope import Report, Run, baseline, broken, completeness, fits, names, number, percent, span
from assay.audit.verdicts import Finding

__all__ = [
    "log_loss_baseline", "loss_alone", "majority_class", "mixtures", "one_class_only", "printed_matrix",
    "share_from_macro", "shares_by_programming", "stated_majority",
]  # fmt: skip

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
        sentence = f"{label} F1 {claim.printed} with macro {macro.printed} and weighted {weighted.printed} over {k}"
        sentence += f" classes forces {label} to at least {percent(share.low)} of the cases, so always “{label}”"
        accuracy, constant = run.get("accuracy"), share.low * 2 * share.low / (1 + share.low)
        if accuracy is not None and run.read(accuracy).high < share.low:
            words = f"{sentence} beats the printed {accuracy.printed}."
            yield baseline("C5 majority class", [accuracy], words, weight=2)
        if run.read(weighted).high < constant:
            words = f"{sentence} has a weighted F1 of at least {number(constant, 3)}."
            yield baseline("C5 majority class", [weighted, claim], words, weight=2)


def _positive(run: Run) -> str:
    """Name of the positive class where one of two is plainly it."""
    names_ = [shares.name for shares in run.group.classes]
    plain = [name for name in names_ if name.lower() in ("up", "positive", "1", "buy", "long", "yes", "true", "rise")]
    return plain[0] if len(names_) == 2 and len(plain) == 1 else "positive"


def one_class_only(run: Run) -> Iterator[Finding]:
    """Recall 1 with accuracy equal to precision, or one class recall 1 and the others 0: a constant prediction."""
    a, p, r = run.get("accuracy"), run.get("precision"), run.get("recall")
    if a is not None and p is not None and r is not None and run.read(r).high >= 1 and run.read(a).meets(run.read(p)):
        rest = not_predicted_share(run.read(a), run.read(p), run.read(r))
        if rest is not None and rest <= 0.02:
            yield from _always_positive(run, a, p, r, rest)
    recalls = run.labelled("recall")
    if len(recalls) >= 2 and completeness(run, list(recalls))[0]:
        ones = [label for label, claim in recalls.items() if run.read(claim).high >= 1 and run.read(claim).low >= 0.99]
        zeros = [label for label, claim in recalls.items() if run.read(claim).low <= 0 and run.read(claim).high <= 0.01]
        if len(ones) == 1 and len(zeros) == len(recalls) - 1:
            words = f"recall is 1 for {ones[0]} and 0 for {names(zeros)}: the model always says “{ones[0]}”."
            yield baseline("C7 constant prediction", [a, *recalls.values()], words, weight=4)


def _always_positive(run: Run, a: Claim, p: Claim, r: Claim, rest: float) -> Iterator[Finding]:
    f, always, constant = run.get("f1"), f"always “{_positive(run)}”", always_positive_f1(run.read(p))
    also = f", and its F1 is 2π/(1+π) = {span(constant)}, as printed" if f and run.read(f).meets(constant) else ""
    yield from _not_chance(run, "C8 majority class", f"{always} is right on {a.printed}")
    words = f"recall {r.printed} with accuracy {a.printed} equal to precision {p.printed} leaves at most"
    words += f" {percent(rest, 2)} of the cases not called positive: this is {always}, whose accuracy is the share of"
    held = None if run.one_class(p, r) else ONE_CLASS
    yield baseline("C7 constant prediction", [a, p, r, f], f"{words} positives{also}.", held, 4)


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
            bare = claim.metric == "log_loss" and not (loss is not None and loss.includes_regularisation)
            assumption = None if bare else loss_alone(run, claim, bar, guessed)
            words = f"a constant forecast has a log loss of {words} = {number(bar)}, below the printed {claim.printed}."
            yield baseline("C24 log loss", [claim], words, assumption, 1)


def loss_alone(run: Run, claim: Claim, bar: float, guessed: bool) -> str:
    """What it rests on that a printed loss is worse than a constant forecast's."""
    if run.group.loss is not None and run.group.loss.includes_regularisation:
        return f"the penalty in the printed loss is below {number(run.read(claim).low - bar, 2)}"
    held = "the printed loss is the log loss alone, without a penalty on the weights"
    return f"the loss, not stated, is binary cross-entropy; {held}" if guessed else held


def stated_majority(run: Run) -> Iterator[Finding]:
    """Accuracy against the largest class share the document states."""
    accuracy = run.get("accuracy")
    shares = [(c.name, c.share.interval) for c in run.group.classes if c.share is not None]
    sample = run.group.sample
    if sample.n and sample.n_positive is not None:
        larger = max(sample.n_positive, sample.n - sample.n_positive)
        shares.append((f"the larger class ({larger} of {sample.n})", Interval.point(larger / sample.n)))
    if accuracy is None or not shares:
        return
    name, share = max(shares, key=lambda item: item[1].low)
    # A report may print the shares of all its rows, or of those trained on.
    held = "the shares are of the rows that the accuracy is of" if run.claims.draft and not sample.n else None
    if run.read(accuracy).high <= share.low + 1e-12 or run.read(accuracy).meets(share):
        words = f"always “{name}” is right on {span(share, True)} of the cases, and the model on {accuracy.printed}."
        yield baseline("C8 majority class", [accuracy], words, held, 2)


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
        words = f"no class shares that sum to one give {printed} with the class scores of {names(labels)}."
        yield broken("C5 class shares", used, words, stated and run.one_sample(*involved), ALL_CLASSES)
        return
    top, share = answer.majority, answer.shares[answer.majority]
    if share.width < 0.5:
        words = f"{printed} and the class scores hold together with {top} at {span(share, True)} of the cases."
        yield fits("C5 class shares", involved, words, weight=-1)
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


OF_ONE = "the matrix and the scores are of the same model and rows"
_PER_CLASS = ("precision", "recall", "f1")
_SINGLE = ("accuracy", "error_rate", "balanced_accuracy", "mcc", "kappa")


@dataclass(frozen=True)
class _Counts:
    """A confusion matrix: `rows[i][j]` cases of class i called j, the classes in order."""

    classes: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]

    @property
    def n(self) -> int:
        return sum(map(sum, self.rows))

    def support(self, i: int) -> int:
        return sum(self.rows[i])

    def called(self, i: int) -> int:
        return sum(row[i] for row in self.rows)

    @property
    def right(self) -> int:
        return sum(self.rows[i][i] for i in range(len(self.rows)))


def _counts(run: Run) -> _Counts | None:
    """The matrix of a run, where every cell is printed once as a whole number."""
    cells: dict[tuple[str, str], int] = {}
    for label, claim in run.labelled("confusion_count").items():
        true, _, called = label.partition(JOINT)
        if claim.value.about or not float(claim.value.value).is_integer():
            return None
        cells[true, called] = int(claim.value.value)
    classes = tuple(dict.fromkeys(true for true, _ in cells))
    if len(classes) < 2 or set(cells) != {(a, b) for a in classes for b in classes}:
        return None
    counts = _Counts(classes, tuple(tuple(cells[a, b] for b in classes) for a in classes))
    return counts if counts.n else None


def _scores(counts: _Counts, metric: str) -> list[float]:
    """Precision, recall or F1 of every class (0 where there is nothing to divide by, as in scikit-learn)."""
    out = []
    for i in range(len(counts.classes)):
        hit, called, there = counts.rows[i][i], counts.called(i), counts.support(i)
        parts = {"precision": (hit, called), "recall": (hit, there), "f1": (2 * hit, called + there)}
        top, bottom = parts[metric]
        out.append(top / bottom if bottom else 0.0)
    return out


def _weighted(counts: _Counts, values: Sequence[float]) -> float:
    return sum(counts.support(i) * value for i, value in enumerate(values)) / counts.n


def _single(counts: _Counts, metric: str) -> float:
    """Scores of the whole matrix; MCC after Gorodkin (2004), kappa after Cohen (1960)."""
    n, right = counts.n, counts.right
    there = [counts.support(i) for i in range(len(counts.classes))]
    called = [counts.called(i) for i in range(len(counts.classes))]
    chance = sum(t * c for t, c in zip(there, called, strict=True))
    if metric == "accuracy":
        return right / n
    if metric == "error_rate":
        return 1 - right / n
    if metric == "balanced_accuracy":
        return sum(_scores(counts, "recall")) / len(there)
    if metric == "kappa":
        return (n * right - chance) / (n * n - chance) if n * n != chance else 0.0
    spread = (n * n - sum(t * t for t in there)) * (n * n - sum(c * c for c in called))
    return (right * n - chance) / math.sqrt(spread) if spread > 0 else 0.0


def _readings(counts: _Counts, claim: Claim) -> dict[str, float]:
    """What a printed score may be, by name."""
    metric, _, average = claim.metric.partition("_")
    if claim.metric in _SINGLE:
        return {} if claim.label else {"": _single(counts, claim.metric)}
    if metric not in _PER_CLASS:
        return {}
    values = _scores(counts, metric)
    mean, weighted = sum(values) / len(values), _weighted(counts, values)
    if average:
        return {"macro": {"": mean}, "weighted": {"": weighted}}.get(average, {})
    by_class = dict(zip(counts.classes, values, strict=True))
    if claim.label:
        own = [value for name, value in by_class.items() if name.lower() == claim.label.lower()]
        return {f"of {claim.label}": own[0]} if own else {}
    return {f"of {name}": value for name, value in by_class.items()} | {"macro": mean, "weighted": weighted}


def _figures(report: Report, run: Run) -> list[Claim]:
    """The scores that stand for the matrix: those of its run, or of the one split that its group prints scores of."""
    own = [claim for claim in run.measured if claim.metric != "confusion_count"]
    others = [other for other in report.runs_of(run.group.name) if other is not run and other.at == run.at]
    scored = [other for other in others if other.candidates("accuracy")]
    if not run.split and not run.candidates("accuracy") and len(scored) == 1:
        own += list(scored[0].measured)
    return own


def printed_matrix(report: Report) -> Iterator[Finding]:
    """Accuracy, the scores of each class and their averages follow from a printed confusion matrix."""
    for run in report.runs:
        counts = _counts(run)
        if counts is None:
            continue
        cells = run.labelled("confusion_count").values()
        for claim in _figures(report, run):
            readings = _readings(counts, claim)
            if not readings or not report.run_of(claim).one_sample(claim):
                continue
            value = report.read(claim)
            hit = [name for name, exact in readings.items() if value.holds(exact, 1e-9)]
            name = claim.metric.replace("_", " ") + (f" of {claim.label}" if claim.label else "")
            if claim.metric == "accuracy":
                working = f"the matrix has {counts.right:,} of {counts.n:,} right, {number(counts.right / counts.n)}"
            else:
                shown = [f"{number(exact)} {what}".strip() for what, exact in readings.items()]
                working = f"the matrix gives a {name} of {names(list(dict.fromkeys(shown)))}"
            if hit:
                yield fits("C6 printed matrix", [claim], f"{working}; {claim.printed} is printed.", hit[0] or None, 1)
            else:
                sentence = f"{working}, but {claim.printed} is printed."
                yield broken("C6 printed matrix", [claim], sentence, True, OF_ONE, cells)
