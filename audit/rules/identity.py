"""What an identity between printed figures is, and the one function that applies a table of them to a run.

A row of the table (`identities.IDENTITIES`) says which figure follows from which others, by what formula on intervals,
in which words, and when a miss is a proof. Nothing else about such a check is code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.claims.model import Claim
from assay.audit.rules.calendars import years_of
from assay.audit.rules.scope import Run, baseline, broken, doubtful, fits, span
from assay.audit.verdicts import Finding

__all__ = ["CONTEXT", "Allowance", "Identity", "Situation", "apply", "as_shares", "one_sample", "together"]

#: Stated context that an identity may take as an input beside printed figures; None where it is unknown.
CONTEXT: Mapping[str, Callable[[Run], Any]] = {
    "stated n": lambda run: run.group.sample.n,
    "stated sessions": lambda run: run.group.sample.sessions,
    "confirmed n": lambda run: None if run.claims.draft else run.group.sample.n,
    "confirmed sessions": lambda run: None if run.claims.draft else run.group.sample.sessions,
    "stated years": years_of,
    "stated rate": lambda run: _scaled(run.group.portfolio.rate_bps, 1e-4),
    "risk-free rate": lambda run: run.group.portfolio.risk_free,
    "turnover kind": lambda run: run.group.portfolio.turnover_kind,
    "lowest": lambda run: _end(run, "low"),
    "highest": lambda run: _end(run, "high"),
    "mean of the target": lambda run: run.group.target.mean,
    "deviation of the target": lambda run: run.group.target.std,
}


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _end(run: Run, side: str) -> Interval | None:
    """One end of the target's printed range, at its widest; None where the range is missing or empty."""
    target = run.group.target
    if target.span is None or target.span.high <= target.span.low:
        return None
    return Interval.point(getattr(target.span, side))


@dataclass(frozen=True)
class Situation:
    """What a row meets: the run, the claims by the names of the row, and the values the formula takes."""

    run: Run
    claims: Mapping[str, Claim]
    parts: tuple[Claim, ...]
    values: tuple[Any, ...]
    label: str = ""
    stated: bool = False

    @property
    def involved(self) -> tuple[Claim, ...]:
        """Every printed figure of the row, the result first."""
        return (*self.claims.values(), *self.parts)


Test = Callable[[Situation], bool]


@dataclass(frozen=True)
class Allowance:
    """A wider reading that explains a near miss: its words, and the interval it allows.

    `allowed` takes the first reading of the formula and then the inputs; `when` says where the reading is open at all.
    """

    words: str
    allowed: Callable[..., Interval | None]
    when: Test = lambda s: True


def one_sample(s: Situation) -> bool:
    """Whether nothing says that a figure of the row is pooled over folds, seeds or assets."""
    return s.run.one_sample(*s.involved)


def together(s: Situation) -> bool:
    """Whether a person grouped the figures, or a draft has them within a few lines."""
    return s.run.together(*s.involved)


@dataclass(frozen=True)
class Identity:
    """One identity.

    Parameters
    ----------
    check : its id and name in findings (``"C30 profit factor"``).
    result, inputs : metrics; the first follows from the others. ``"ic|rank_ic"`` takes the first that is printed,
        ``"recall/*"`` the list of all labels, a trailing ``"?"`` one that may be missing (the formula then gets None),
        a name of `CONTEXT` what the report states beside its figures.
    formula : (*inputs) -> the interval of the result, or its readings by name, the usual one first; None or nothing
        where it does not apply.
    words : template of the sentence; figures by metric, ``value`` the first reading, ``readings`` all of them.
    source : where it comes from.
    relation : ``"="``, or ``"≤"`` and ``"≥"`` where the result is only bounded by the formula.
    premise : what a miss rests on beside the prints.
    proves : ``"="`` a miss either way proves, ``"<"`` only a print below, ``">"`` only one above, ``""`` neither.
    proof : what must hold besides for a miss to prove.
    when : where the row applies.
    allowances : wider readings, tried in order.
    miss : what a miss says: the figures are ``"broken"``, in ``"doubt"``, or explained by a ``"baseline"``; the latter
        two are silent where the figures fit.
    above_zero : inputs (or the result) whose size must be above zero.
    by_label : whether the row also holds for every label (class, coefficient) by itself.
    in_percent : whether the value is shown in percent; default as the result is printed.
    accuses : the figures a miss speaks about; default the result.
    shares : whether a result without a percent sign may stand for a percentage.
    weight : of the finding where the figures fit.
    missing : weight of a doubt or baseline.
    silent_if_pooled : whether a miss of figures pooled over folds, seeds or assets says nothing at all.

    """

    check: str
    result: str
    inputs: tuple[str, ...]
    formula: Callable[..., Interval | Mapping[str, Interval] | None]
    words: str
    source: str
    relation: Literal["=", "≤", "≥"] = "="
    premise: str = "all figures are of one run"
    proves: Literal["=", "<", ">", ""] = "="
    proof: Test = one_sample
    when: Test = lambda s: True
    allowances: tuple[Allowance, ...] = ()
    miss: Literal["broken", "doubt", "baseline"] = "broken"
    above_zero: tuple[str, ...] = ()
    by_label: bool = False
    in_percent: bool | None = None
    accuses: tuple[str, ...] = ()
    shares: bool = False
    weight: int = 0
    missing: int = 0
    silent_if_pooled: bool = False


def apply(run: Run, rows: tuple[Identity, ...]) -> Iterator[Finding]:
    """Every row whose figures the run prints, for the whole and, where the row says so, for every label."""
    for row in rows:
        names = row.result.split("|")
        labels = ["", *(label for name in names for label in run.labelled(name))] if row.by_label else [""]
        for label in labels:
            situation = _situation(run, row, label)
            if situation is not None and row.when(situation):
                yield from _judged(row, situation)


def _situation(run: Run, row: Identity, label: str) -> Situation | None:
    """The figures of a row in a run; None where one that is needed is missing or too near zero."""
    claims: dict[str, Claim] = {}
    parts: list[Claim] = []
    values: list[Any] = []
    for name in (row.result, *row.inputs):
        plain = name.rstrip("?")
        if plain in CONTEXT:
            value = CONTEXT[plain](run)
            value = value.interval if isinstance(value, Printed) else value
            value = Interval.point(float(value)) if isinstance(value, int | float) else value
        elif plain.endswith("/*"):
            labelled = run.labelled(plain[:-2])
            parts += labelled.values()
            value = {key: run.read(claim) for key, claim in labelled.items()} or None
        else:
            claim = next((c for c in (run.get(metric, label) for metric in plain.split("|")) if c is not None), None)
            value = None if claim is None else run.read(claim)
            if claim is not None:
                claims[plain] = claim
        if value is None and not name.endswith("?"):
            return None
        if plain in row.above_zero and value is not None and abs(value).low <= 0:
            return None
        values.append(value)
    stated = any(n.rstrip("?") in CONTEXT and v not in (None, "") for n, v in zip(row.inputs, values[1:], strict=True))
    return Situation(run, claims, tuple(parts), tuple(values[1:]), label, stated)


def _judged(row: Identity, s: Situation) -> Iterator[Finding]:
    answer = row.formula(*s.values)
    readings = {"": answer} if isinstance(answer, Interval) else dict(answer or {})
    if not readings:
        return
    result = s.claims[row.result]
    value = s.run.read(result)
    printed = as_shares(value, result) if row.shares else [value]
    bounded = {name: _bounded(value, row.relation) for name, value in readings.items()}
    hit = [name for name, value in bounded.items() if any(p.meets(value) for p in printed)]
    if hit:
        best = min(hit, key=lambda name: bounded[name].width) if row.relation == "=" else hit[0]
        if row.miss == "broken":
            yield fits(row.check, s.involved, _sentence(row, s, readings, best), best or None, row.weight)
        return
    first = next(iter(readings.values()))
    for allowance in row.allowances:
        wider = allowance.allowed(first, *s.values) if allowance.when(s) else None
        if wider is not None and any(p.meets(wider) for p in printed):
            words = f"{_sentence(row, s, readings)[:-1]}, {allowance.words}."
            yield fits(row.check, [result], words, allowance.words, -2)
            return
    if not (row.silent_if_pooled and not one_sample(s)):
        yield _missed(row, s, readings, bounded, printed)


def as_shares(value: Interval, claim: Claim) -> list[Interval]:
    """Readings of a printed share: as it stands, and as percent where that is open and no sign is printed."""
    if claim.value.percent:
        return [value]
    return [value * 0.01] if value.low > 3 else [value, value * 0.01]


def _bounded(value: Interval, relation: str) -> Interval:
    """Where a result may lie: in the value, below its upper end, or above its lower end (1e-9 of slack)."""
    if relation == "≤":
        return Interval(-math.inf, value.high + 1e-9 * abs(value.high) if math.isfinite(value.high) else value.high)
    if relation == "≥":
        return Interval(value.low - 1e-9 * abs(value.low) if math.isfinite(value.low) else value.low, math.inf)
    return value


def _missed(
    row: Identity, s: Situation, readings: Mapping[str, Interval], bounded: Mapping[str, Interval],
    printed: list[Interval],
) -> Finding:  # fmt: skip
    accused = [s.claims[name] for name in (row.accuses or (row.result,)) if name in s.claims]
    sentence = _sentence(row, s, readings)[:-1] + {"≤": ", and it is above that.", "≥": ", and it is below that."}.get(
        row.relation, "."
    )
    if row.miss == "doubt":
        return doubtful(row.check, accused, sentence, row.premise, row.missing, s.involved, s.stated)
    if row.miss == "baseline":
        return baseline(row.check, accused, sentence, row.premise or None, row.missing)
    below = all(p.high < value.low for p in printed for value in bounded.values())
    above = all(p.low > value.high for p in printed for value in bounded.values())
    proves = {"=": True, "<": below, ">": above, "": False}[row.proves]
    return broken(row.check, accused, sentence, proves and row.proof(s), row.premise, s.involved, s.stated)


def _sentence(row: Identity, s: Situation, readings: Mapping[str, Interval], chosen: str = "") -> str:
    """The words of the row with its figures; the reading that fits, or all of them."""
    result = s.claims[row.result]
    percent = result.value.percent if row.in_percent is None else row.in_percent
    shown = {name: _end_shown(span(value, percent), row.relation) for name, value in readings.items()}
    words: dict[str, str] = {name.partition("|")[0]: claim.printed for name, claim in s.claims.items()}
    for name, value in zip(row.inputs, s.values, strict=True):
        plain = name.rstrip("?")
        if plain.endswith("/*"):
            listed = [c.printed for c in s.parts if c.metric == plain[:-2]]
            words[plain[:-2] + "s"] = " + ".join(listed)
            words["count"] = str(len(listed))
        elif plain in CONTEXT:
            words[plain.replace(" ", "_").replace("-", "_")] = (
                span(value) if isinstance(value, Interval) else str(value or "unknown")
            )
    words["means"] = " or ".join(words[name] for name in ("ic", "rank_ic") if name in words)
    target = s.run.group.target
    words["range"] = f"{target.low.text} to {target.high.text}" if target.low and target.high else ""
    words["of"] = f" of {s.label}" if s.label else ""
    key = chosen if chosen in shown else next(iter(shown))
    words["value"] = shown[key]
    every = "; ".join(f"{name} {text}".strip() for name, text in shown.items())
    words["readings"] = f"{shown[key]} ({key})" if chosen and key else every
    return row.words.format_map(words) + "."


def _end_shown(text: str, relation: str) -> str:
    """One end of an interval where the relation only bounds: its upper for ≤, its lower for ≥."""
    low, mark, high = text.partition(" to ")
    if not mark or relation == "=":
        return text
    return high if relation == "≤" else low + ("%" if high.endswith("%") and not low.endswith("%") else "")
