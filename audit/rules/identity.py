"""What an identity between printed figures is, the one function that applies a row of them to a run, and every check.

The rows are data (`checks.toml`, whose head explains their fields): which figure follows from which others, by what
formula on intervals, in which words, and when a miss is a proof. Nothing else about such a check is code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.claims.model import Claim
from assay.audit.rules.names import ALLOWANCES, CONDITIONS, CONTEXT, FIGURES, FORMULAS, Situation
from assay.audit.rules.scope import Run, track_record
from assay.audit.verdicts import TABLE, Finding, phrase, say, span

__all__ = ["CHECKS", "IDENTITIES", "Identity", "apply", "render_checks"]


@dataclass(frozen=True)
class Identity:
    """A row of the table; its fields are explained at the head of `checks.toml`."""

    check: str
    result: str
    inputs: tuple[str, ...]
    formula: str
    words: str
    source: str
    relation: str = "="
    within: tuple[float, float] | None = None
    chance: bool = False
    premise: str = "all figures are of one run"
    proves: str = "="
    proof: tuple[str, ...] = ("one sample",)
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    miss: str = "broken"
    nonzero: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    by_label: bool = False
    bound: bool = False
    percent: bool | None = None
    beside: tuple[str, ...] = ()
    accuses: tuple[str, ...] = ()
    shares: bool = False
    quiet: bool = False
    weight: int = 0
    missing: int = 0

    def value(self, s: Situation, result: Interval) -> Mapping[str, Interval]:
        """What the formula makes of the inputs: readings by name, none where it does not apply."""
        own = (result,) if self.within or self.chance else ()
        answer = FORMULAS[self.formula](*own, *s.values)
        readings = answer if isinstance(answer, Mapping) else {} if answer is None else {"": answer}
        return {name: v if isinstance(v, Interval) else Interval.point(float(v)) for name, v in readings.items()}

    def allowed(self, value: Interval) -> Interval:
        """Where a result may lie: in the value, below its upper end, or above its lower end (1e-9 of slack)."""
        end = value.high if self.relation == "≤" else value.low
        slack = 1e-9 * abs(end) if math.isfinite(end) else 0.0
        return {"≤": Interval(-math.inf, end + slack), "≥": Interval(end - slack, math.inf)}.get(self.relation, value)


def _filled(value: Any, names: list[str]) -> Any:
    """A field with the names of ``each`` in the place of $1, $2 …, in words with spaces; lists become tuples."""
    if isinstance(value, list):
        return tuple(_filled(item, names) for item in value)
    for place, name in enumerate(names if isinstance(value, str) else (), 1):
        spaced = name.replace("_", " ") if "{" in value else name
        value = value.replace(f"{{${place}", f"{{{name}").replace(f"${place}", spaced)
    return value


#: Which printed figure follows from which others, a row each.
IDENTITIES: tuple[Identity, ...] = tuple(
    Identity(**{key: _filled(value, names) for key, value in row.items() if key != "each"})
    for row in TABLE["identity"]
    for names in row.get("each", [[]])
)


def apply(run: Run, row: Identity) -> Iterator[Finding]:
    """What a row says of a run: of the whole and, where the row says so, of every label."""
    if not any(name.partition("/")[0] in run.metrics for name in row.result.split("|")):
        return
    own = (c.label for c in run.members if row.by_label and c.metric in row.result.split("|"))
    for label in dict.fromkeys(("", *own)):
        situation = _situation(run, row, label)
        if situation is not None and all(CONDITIONS[name](situation) for name in row.when):
            yield from _judged(row, situation)


def _figure(run: Run, row: Identity, name: str, label: str) -> Claim | None:
    """The claim that a name of a row stands for, the first of its alternatives that is printed."""
    for metric in name.split("|"):
        plain = metric.rstrip("^")
        claim = FIGURES[plain](run) if plain in FIGURES else run.get(plain, label)
        if claim is None and plain != metric:
            claim = run.get(plain)
        if claim is None and row.bound and name == row.result:
            fitting = (c for c in run.members if (c.metric, c.label) == (metric, label) and not c.target)
            claim = next((c for c in fitting if c.value.bound not in ("", "range")), None)
        if claim is not None:
            return claim
    return None


def _situation(run: Run, row: Identity, label: str) -> Situation | None:
    """The figures of a row in a run; None where one that is needed is missing or too near zero."""
    claims: dict[str, Claim] = {}
    parts: list[Claim] = []
    values: list[Any] = []
    context: dict[str, Any] = {}
    for name in (row.result, *row.inputs, *row.beside):
        plain = name.rstrip("?")
        value: Any = None
        if plain in CONTEXT:
            value = context[plain] = CONTEXT[plain](run)
            value = value.interval if isinstance(value, Printed) else value
        elif plain.endswith("/*"):
            labelled = run.labelled(plain[:-2])
            parts += labelled.values()
            value = {key: run.read(claim) for key, claim in labelled.items()} or None
        elif claim := _figure(run, row, plain, label):
            claims[plain], value = claim, run.read(claim)
        if value is None and plain == name:
            return None
        low = value.low if isinstance(value, Interval) else value
        too_near_zero = plain in row.nonzero and value is not None and abs(value).low <= 0
        if too_near_zero or (plain in row.positive and value is not None and low <= 0):
            return None
        values.append(value)
    if row.unless and all((name in CONTEXT and CONTEXT[name](run)) or _figure(run, row, name, label)
                          for name in row.unless):  # fmt: skip
        return None
    return Situation(run, claims, tuple(parts), tuple(values[1 : len(row.inputs) + 1]), context, label)


def _judged(row: Identity, s: Situation) -> Iterator[Finding]:
    result, value = s.claims[row.result], s.read(row.result)
    readings = row.value(s, value)
    if row.chance and readings:
        yield from _against_chance(row, s, readings)
    if row.chance or not readings:
        return
    # A share without a percent sign may stand for a percentage; above 3 it does.
    open_share = row.shares and not result.value.percent
    printed = [value * 0.01, value][: 1 + (value.low <= 3)] if open_share else [value]
    allowed = {name: row.allowed(reading) for name, reading in readings.items()}
    if row.within:
        printed = [Interval(*row.within)]
    hit = [name for name, reading in allowed.items() if any(p.meets(reading) for p in printed)]
    if hit:
        best = min(hit, key=lambda name: allowed[name].width) if row.relation == "=" else hit[0]
        if row.miss == "broken" and not row.quiet:
            sentence = phrase(row.words, _shown(row, s, readings, best))
            yield say("fits", row.check, s.involved, sentence=sentence, reading=best or None, weight=row.weight)
        return
    sentence = phrase(row.words, _shown(row, s, readings))
    first = next(iter(readings.values()))
    for allowance in map(ALLOWANCES.__getitem__, row.allow):
        wider = allowance.allowed(first, *s.values) if allowance.when(s) else None
        if wider is not None and any(p.meets(wider) for p in printed):
            words = f"{sentence[:-1]}, {allowance.words}."
            yield say("fits", row.check, [result], sentence=words, reading=allowance.words, weight=-2)
            return
    below = all(p.high < value.low for p in printed for value in allowed.values())
    above = all(p.low > value.high for p in printed for value in allowed.values())
    proves = {"=": True, "<": below, ">": above, "": False}[row.proves]
    proves = proves and all(CONDITIONS[name](s) for name in row.proof)
    accuses = row.miss in ("broken", "doubt")
    if row.miss == "broken" and not proves and not s.run.one_sample(*s.involved):
        return  # of averages, which need not follow
    ending = {"≤": ", and it is above that.", "≥": ", and it is below that."}.get(row.relation if accuses else "", ".")
    yield say(
        row.miss, row.check, [s.claims[name] for name in (row.accuses or (row.result,)) if name in s.claims],
        sentence=sentence[:-1] + ending, proven=proves, premise=row.premise, stated=s.stated,
        weight=row.missing, using=s.involved if accuses else (),
    )  # fmt: skip


def _against_chance(row: Identity, s: Situation, readings: Mapping[str, Interval]) -> Iterator[Finding]:
    """What the interval around a figure says of 0, its value without skill."""
    (far, around), (*_, (near, least)) = next(iter(readings.items())), readings.items()
    if around.holds(0.0, 0.0) or least.low > 0:
        weak = around.holds(0.0, 0.0)
        sentence = phrase(row.words + ", which holds 0" * weak, _shown(row, s, readings, far if weak else near))
        yield say("weak" if weak else "supported", row.check, [s.claims[row.result]], sentence=sentence,
                  premise=row.premise, weight=row.missing * weak)  # fmt: skip


def _shown(row: Identity, s: Situation, readings: Mapping[str, Interval], chosen: str = "") -> dict[str, object]:
    """The figures of a sentence by name; the reading that fits, or all of them."""
    result = s.claims[row.result]
    percent = result.value.percent if row.percent is None else row.percent
    ends = {"≤": "high", "≥": "low"}
    shown = {
        name: span(Interval.point(getattr(value, ends[row.relation])) if row.relation in ends else value, percent)
        for name, value in readings.items()
    }
    words: dict[str, object] = {name.partition("|")[0]: claim for name, claim in s.claims.items()}
    for name in row.inputs:
        plain = name.rstrip("?")
        if plain.endswith("/*"):
            listed = [c.printed for c in s.parts if c.metric == plain[:-2]]
            words[plain] = " + ".join(listed)
            words.setdefault("count", len(listed))
        elif plain in CONTEXT:
            value = s.context[plain]
            words[plain] = value.interval if isinstance(value, Printed) else "none" if value is None else value
    words["means"] = " or ".join(s.claims[name].printed for name in ("ic", "rank_ic") if name in s.claims)
    words["range"] = " to ".join(end.text for end in (s.run.group.target.low, s.run.group.target.high) if end)
    words["period"], words["record"] = CONTEXT["period"](s.run), (track_record(s.run) or (0, ""))[1]
    words["of"] = f" of {s.label}" if s.label else ""
    key = chosen if chosen in shown else next(iter(shown))
    every = "; ".join(f"{text} {name}".strip() for name, text in shown.items())
    return words | {"value": shown[key], "readings": f"{shown[key]} ({key})" if chosen and key else every}


_NAMES = {"value": "…", "readings": "…", "of": "", "count": "k", "range": "[a, b]"}


def _of(row: Identity) -> dict[str, str]:
    """An identity as a check of ``assay audit --checks``, with names in the place of figures."""
    words = re.sub(r"\{([^}:]+)[^}]*\}", lambda m: _NAMES.get(m[1], re.sub(r"[_^]|/\*", " ", m[1]).strip()), row.words)
    inputs = ", ".join(re.sub(r"[?^]|/\*", "", name).replace("_", " ") for name in row.inputs)
    figures = f"{row.result.replace('_', ' ')} {row.relation} f({inputs})"
    if row.within:
        figures = f"{row.within[0]:g} ≤ f({row.result.replace('_', ' ')}, {inputs}) ≤ {row.within[1]:g}"
        figures = figures.removeprefix("-inf ≤ ").removesuffix(" ≤ inf")
    return {"check": row.check, "figures": figures, "formula": words, "source": row.source, "premise": row.premise}


#: Every check, with what it takes, what must hold, its source and premise: identities first, then what is none.
CHECKS: tuple[Mapping[str, Any], ...] = (*map(_of, IDENTITIES), *TABLE["check"])


def render_checks() -> str:
    """The table for a terminal, by number."""
    lines = []
    for row in sorted(CHECKS, key=lambda row: (row["check"][0], int(row["check"][1:].split()[0]))):
        lines += [row["check"], f"  takes    {row['figures']}", f"  holds    {row['formula']}"]
        lines += [f"  source   {row['source']}", *([f"  assumes  {row['premise']}"] if row.get("premise") else [])]
    return "\n".join(lines)
