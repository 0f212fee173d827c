"""Rules on a printed confusion matrix: every score of the classifier follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.audit.claims.model import Claim
from assay.audit.read.confusions import JOINT
from assay.audit.rules.scope import Report, Run, broken, fits, names, number
from assay.audit.verdicts import Finding

__all__ = ["printed_matrix"]

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
