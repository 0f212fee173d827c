"""The audit as a person sees it: one list of rows, shown in a terminal, as one JSON object, and as pages of `pages/`.

A page needs nothing else: no network, no script it did not bring, every text escaped.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim
from assay.audit.read.sheet import Draft, Excluded
from assay.audit.verdicts import Arithmetic, AuditReport, Substance, Verdict

if TYPE_CHECKING:
    from assay.audit.recompute.daily import DailyMatch
    from assay.audit.recompute.figures import Recomputed

__all__ = [
    "Audit",
    "claim_words",
    "printable",
    "render_audit",
    "render_page",
    "render_table",
    "summary_paragraph",
    "to_json",
]

#: What a reviewer must see first, in this order.
_GRAVEST = (Arithmetic.INCONSISTENT, Substance.IMPLAUSIBLE, Substance.EXPLAINED, Substance.NOT_SIGNIFICANT,
            Arithmetic.CHECK, Substance.SUPPORTED)  # fmt: skip
#: Rank of a figure that other figures bear on, and of one that stands alone.
_OTHER, _ALONE = len(_GRAVEST), len(_GRAVEST) + 1
#: How a page shows a verdict.
_CLASSES = {
    Arithmetic.INCONSISTENT: "inconsistent", Substance.IMPLAUSIBLE: "implausible", Substance.EXPLAINED: "explained",
    Arithmetic.REPRODUCED_OTHERWISE: "explained", Arithmetic.CHECK: "weak", Substance.NOT_SIGNIFICANT: "weak",
    Arithmetic.NOT_CHECKABLE: "muted", Substance.NOT_JUDGED: "muted",
}  # fmt: skip
_SUBSTANCE = {
    Substance.IMPLAUSIBLE: "implausible under a named assumption", Substance.EXPLAINED: "explained by a baseline",
    Substance.NOT_SIGNIFICANT: "not significant", Substance.SUPPORTED: "supported",
}  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """Everything one audit found.

    Parameters
    ----------
    report : verdicts and findings.
    recomputed : what the data gave, where data was given.
    data : what was read, in words.
    draft : the draft the claims came from, where the input was a report.
    retrained : lines on where printed figures lie in the distribution over seeds, where a model was retrained.
    daily : which book the report's own daily returns are of, where they and predictions were given.

    """

    report: AuditReport
    recomputed: tuple[Recomputed, ...] = ()
    data: str = ""
    draft: Draft | None = None
    retrained: tuple[Mapping[str, object], ...] = ()
    daily: DailyMatch | None = None

    @property
    def failed(self) -> bool:
        """Whether any figure is inconsistent or refuted by the data."""
        return self.report.refuted

    @property
    def open(self) -> list[str]:
        """What could not be checked."""
        alone = sum(_rank(verdict) == _ALONE for verdict in self.report.verdicts)
        words = f"{alone} figures stand alone: no other figure or stated context bears on them."
        out = [words] * bool(alone) + [f"{warning}." for warning in self.report.warnings]
        return out if self.data else [*out, "No data was given, so nothing was recomputed."]

    def rows(self) -> list[dict[str, Any]]:
        """A row a claim, in the order of the claims; see `to_json`."""
        recomputed = {item.claim.id: item for item in self.recomputed}
        return [self._row(verdict, recomputed.get(verdict.claim.id)) for verdict in self.report.verdicts]

    def _row(self, verdict: Verdict, recomputed: Recomputed | None) -> dict[str, Any]:
        claim, split = verdict.claim, self.report.claims.split_of(verdict.claim)
        row = {name: getattr(claim, name) for name in ("id", "metric", "group", "label", "at", "printed", "target")}
        row |= {"split": split, "line": claim.source_line, "text": claim.source_text}
        row |= {"document": claim.document} if claim.document else {}
        row |= {name: getattr(verdict, name) for name in ("arithmetic", "arithmetic_because", "substance",
                "substance_because", "because")}  # fmt: skip
        row |= {"assumption": verdict.assumption or None, "rank": _rank(verdict), "words": claim_words(claim, split)}
        row |= {"figure": recomputed.resolution.shown if recomputed else _bound(claim)}
        row |= {"checks": sorted({finding.check_id for finding in verdict.findings})}
        return row | ({"recomputed": _recomputed(recomputed)} if recomputed else {})

    def merged(self, every: bool = True) -> list[dict[str, Any]]:
        """The gravest first: prints of one quantity with one outcome in one row, with all their `prints` and `lines`.

        Without `every`, figures that nothing bears on are left out.
        """
        groups: dict[tuple[object, ...], dict[str, Any]] = {}
        for row in sorted(self.rows(), key=lambda row: row["rank"]):
            same = ("words", "target", "arithmetic", "substance", "because", "document")
            first = groups.setdefault(tuple(row.get(key) for key in same), row | {"prints": {}, "lines": {}})
            first["prints"][row["printed"]] = first["lines"][row["line"]] = None
        return [row for row in groups.values() if every or row["rank"] != _ALONE]


def _rank(verdict: Verdict) -> int:
    """Sort key: what a reviewer must see first."""
    grave = [_GRAVEST.index(kind) for kind in (verdict.arithmetic, verdict.substance) if kind in _GRAVEST]
    return min(grave, default=_ALONE if verdict.arithmetic is Arithmetic.NOT_CHECKABLE else _OTHER)


def claim_words(claim: Claim, split: str) -> str:
    """A claim in words: its metric, class, run, split and position."""
    parts = (claim.metric.replace("_", " "), claim.label, claim.group, split, claim.at)
    return ", ".join(dict.fromkeys(filter(None, parts)))


def _bound(claim: Claim) -> str:
    """What the printed digits stand for."""
    value, info = claim.value, METRICS[claim.metric]
    if info.kind == "count" and value.is_point and not value.about and value.value.is_integer():
        return f"{value.value:,.0f}"
    form = f",.{min(value.decimals + (value.unit < 10), 10)}{'%' if value.percent else 'f'}"
    ends = (f"{end:{form}}" if math.isfinite(end) else f"{end:f}" for end in (value.interval.low, value.interval.high))
    return " … ".join(ends).replace("inf", "∞").replace("-", "−")


def _recomputed(item: Recomputed) -> dict[str, Any]:
    """What the data gave for a claim, as JSON."""
    found, why = item.resolution, item.explanation
    out = {
        "value": found.own.value, "convention": found.own.words,
        "reproduced_by": None if found.named is None else found.named.words, "matches": len(found.matches),
        "tried": found.tried, "proves_nothing": found.proves_nothing, "chance": found.chance,
    }  # fmt: skip
    return out if why is None else out | {
        "explained_by": why.book.words, "look_ahead": why.book.look_ahead, "size": why.book.size,
        "together": [why.together, why.printed],
    }  # fmt: skip


def printable(text: str) -> str:
    """The text without control characters, which a hostile report could use to steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def render_table(audit: Audit, width: int = 120, every: bool = False) -> str:
    """The verdicts for a terminal. `every` lists the figures that nothing bears on, too."""
    widths = (11, 34, 14, 24, max(30, width - 91))
    cells = [("printed", "claim", "arithmetic", "substance", "because")]
    rows, last = audit.merged(every), ""
    for row in rows:
        lines = ", ".join(str(line) for line in row["lines"] if line is not None)
        because = "as above" if row["because"] == last else row["because"] + _assumed(row)
        because += f" [line{'s' if ',' in lines else ''} {lines}]" if lines else ""
        arithmetic = row["arithmetic"].replace("under another convention", "otherwise")
        cells.append((", ".join(row["prints"]), row["words"], arithmetic, str(row["substance"]), because))
        last = row["because"]
    out = []
    for parts in cells:
        wrapped = (textwrap.wrap(printable(text), size) for text, size in zip(parts, widths, strict=True))
        for line in zip_longest(*wrapped, fillvalue=""):
            out.append("  ".join(part.ljust(size) for part, size in zip(line, widths, strict=True)).rstrip())
    hidden = 0 if every else sum(_rank(verdict) == _ALONE for verdict in audit.report.verdicts)
    return "\n".join(out + [f"… and {hidden} figures that no other figure bears on (--all lists them)"] * bool(hidden))


def _assumed(row: Mapping[str, Any]) -> str:
    return f" Assumed: {row['assumption']}." if row["assumption"] else ""


def summary_paragraph(audit: Audit) -> str:
    """One paragraph for a review: how many figures came out how, and the three gravest sentences."""
    report, verdicts = audit.report, audit.report.verdicts
    title = printable(report.claims.title or report.claims.source or "the report").strip()
    if not verdicts:
        return f"No figure was found in “{title}”, so there is nothing to audit."
    arithmetic, substance = (Counter(getattr(v, axis) for v in verdicts) for axis in ("arithmetic", "substance"))
    counts = [_counted(arithmetic[kind], str(kind)) for kind in Arithmetic if arithmetic[kind]]
    parts = [f"Of {len(verdicts)} figures in “{title}” {_listed(counts)}."]
    if said := [_counted(substance[kind], words) for kind, words in _SUBSTANCE.items() if substance[kind]]:
        parts.append(f"In substance, {_listed(said)}.")
    shared, gravest = Counter(verdict.because for verdict in verdicts), dict[str, str]()
    for verdict in sorted(verdicts, key=lambda v: (_rank(v), -shared[v.because])):
        sentence = printable(verdict.because).rstrip(".")
        check = next((f.check_id for f in verdict.findings if f.sentence == verdict.because), sentence)
        if _rank(verdict) <= _GRAVEST.index(Substance.NOT_SIGNIFICANT) and len(gravest) < 3:
            assumed = verdict.substance is Substance.IMPLAUSIBLE and verdict.assumption
            sentence += f" (assumed: {verdict.assumption})" if assumed else ""
            gravest.setdefault(check, f"{sentence[:1].upper()}{sentence[1:]}.")
    parts += [f"{'' if number else 'Most of all: '}{words}" for number, words in enumerate(gravest.values())]
    if audit.data:
        same = sum(bool(item.resolution.matches) for item in audit.recomputed)
        parts.append(f"Recomputed from {audit.data}: {same} of {len(audit.recomputed)} figures come out as printed.")
    if audit.daily is not None:
        parts.append(f"Day by day, {audit.daily.sentence}")
    if report.claims.draft:
        parts.append("The claims were drafted by a machine and grouped by headings; nobody has confirmed the grouping.")
    return " ".join(parts)


def _counted(count: int, words: str) -> str:
    if words == Arithmetic.CHECK:
        return f"{count} {'asks' if count == 1 else 'ask'} to {words}"
    return f"{count} {'is' if count == 1 else 'are'} {words}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def to_json(audit: Audit) -> dict[str, object]:
    """The audit as one JSON-able object.

    Keys
    ----
    title, source, draft, failed, summary, counts, warnings;
    claims : a list of id, metric, group, label, at, printed, target, split, line, text, arithmetic, arithmetic_because,
        substance, substance_because, because and assumption (of the verdict that speaks), rank (0 is the gravest),
        words, figure (recomputed, or what the digits stand for), checks, and `recomputed` (value, convention,
        reproduced_by, matches, tried, proves_nothing, chance and, where another daily series gives the print,
        explained_by, look_ahead, size, together) where data was given;
    findings : every finding of every check: check, claims, using (all figures it takes), sentence, arithmetic,
        substance, assumption, reading;
    data, daily (sentence, named, words, equal, days, own, look_ahead, size, rounding), retrained, excluded,
    not_placed where they apply.

    """
    report, draft, claims = audit.report, audit.draft, audit.report.claims
    of_finding = ("claims", "using", "sentence", "arithmetic", "substance", "assumption", "reading")
    out: dict[str, object] = {"title": claims.title, "source": claims.source, "draft": claims.draft}
    out |= {"failed": audit.failed, "summary": summary_paragraph(audit), "counts": report.counts()}
    out |= {"warnings": list(report.warnings), "claims": audit.rows()}
    out["findings"] = [
        {"check": finding.check_id} | {name: getattr(finding, name) for name in of_finding}
        for finding in report.findings
    ]
    if audit.data:
        out["data"] = audit.data
    if audit.daily is not None:
        out["daily"] = {"sentence": audit.daily.sentence, "named": audit.daily.named, **asdict(audit.daily)}
    if audit.retrained:
        out["retrained"] = [dict(row) for row in audit.retrained]
    if draft is not None:
        out |= {"excluded": list(map(_left_out, draft.excluded)), "not_placed": list(map(_left_out, draft.unplaced))}
    return out


def _left_out(item: Excluded) -> dict[str, object]:
    row = {"line": item.line, "text": item.text, "reason": item.reason, "document": item.document}
    return {key: value for key, value in row.items() if value != ""}


def render_audit(audit: Audit, form: str = "html") -> str:
    """The page, as ``"html"`` or ``"md"``: a row a quantity, the gravest first, with the two verdicts and the lines it
    stands on; then what was checked, what could not be, and how to mend it."""
    rows, claims = audit.merged(), audit.report.claims
    return render_page(
        f"audit.{form}",
        audit=audit,
        title=f"Audit: {claims.title or claims.source or 'report'}",
        summary=summary_paragraph(audit),
        judged=[row for row in rows if row["rank"] != _ALONE],
        alone=[row for row in rows if row["rank"] == _ALONE],
        checks=sorted({finding.check_id for finding in audit.report.findings}),
        runs=[run for run in claims.groups if run.model or run.configuration or run.stage or run.split or run.notes],
    )


def render_page(template: str, **values: object) -> str:
    """A page of `pages/`, which needs nothing else: markup is escaped, control characters are left out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    in_html = template.endswith(".html")

    def shown(value: object) -> object:
        if not isinstance(value, str) or isinstance(value, Markup):
            return value
        return printable(value) if in_html else re.sub(r"([\\`*_\[\]|<&])", r"\\\1", printable(value))

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=in_html, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=shown,
    )  # fmt: skip
    return environment.get_template(template).render(classes=_CLASSES, **values)
