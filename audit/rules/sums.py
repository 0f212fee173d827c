"""Rules on figures that add up: shares of a whole, spreads between neighbouring groups."""

from __future__ import annotations

import re
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.arithmetic import sum_of
from assay.audit.rules.scope import Run, broken, doubtful, fits, percent, span
from assay.audit.verdicts import Finding

__all__ = ["shares_sum", "telescoping"]


def shares_sum(run: Run) -> Iterator[Finding]:
    """Parts of a whole sum to at most one; splits and classes to exactly one when all are listed."""
    for metric in ("split_share", "class_share", "weight_share", "feature_importance"):
        parts = list(run.labelled(metric).values())
        if len(parts) < 2:
            continue
        total = sum_of([run.read(part) for part in parts])
        sentence = f"{' + '.join(part.printed for part in parts)} = {span(total, True)}"
        name = metric.replace("_", " ")
        if total.low > 1 + 1e-9:
            exclusive = metric != "feature_importance" or all(part.value.percent for part in parts)
            yield broken(
                "C29 shares",
                parts,
                f"the {name}s sum to {sentence}, more than the whole.",
                exclusive and metric != "weight_share",
                "the parts do not overlap",
            )
        elif metric == "feature_importance" or total.meets(Interval.point(1.0)):
            yield fits("C29 shares", parts, f"the {name}s sum to {sentence}.")
        else:
            yield doubtful(
                "C29 shares",
                parts,
                f"the {name}s sum to {sentence}, {percent(1 - total.high)} short.",
                "all parts are listed",
            )


def telescoping(run: Run) -> Iterator[Finding]:
    """Spreads labelled "a - b", "b - c" and "a - c" add up."""
    for metric in ("predicted_spread", "quantile_spread"):
        spreads: dict[tuple[str, str], Claim] = {}
        for label, claim in run.labelled(metric).items():
            ends = re.split(r"\s+(?:-|−|–|minus)\s+", label.lower())
            if len(ends) == 2:
                spreads[(ends[0], ends[1])] = claim
        for (top, middle), first in spreads.items():
            for (start, bottom), second in spreads.items():
                whole = spreads.get((top, bottom))
                if start != middle or whole is None or whole in (first, second):
                    continue
                total = run.read(first) + run.read(second)
                words = (
                    f"{first.printed} + {second.printed} = {span(total, whole.value.percent)}, printed {whole.printed}."
                )
                if run.read(whole).meets(total):
                    yield fits("C29 spreads", [whole, first, second], words)
                else:
                    yield broken(
                        "C29 spreads",
                        [whole],
                        words,
                        run.one_sample(whole, first, second),
                        "means of the same sessions",
                    )
