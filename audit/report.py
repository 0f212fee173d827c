"""The audit as a person sees it: one object of plain values, shown in a terminal, as JSON, and as pages of `pages/`.

A page needs nothing else: no network, no script it did not bring, every text escaped.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.audit.claims.model import METRICS, Claim
from assay.audit.read.sheet import Draft
from assay.audit.verdicts import Arithmetic, AuditReport, Substance, Verdict, span
from assay.data.card import plural

if TYPE_CHECKING:
    from assay.audit.recompute.figures import DailyMatch, Recomputed

__all__ = ["Audit", "claim_words", "render_audit", "render_page", "render_table", "summary_paragraph", "to_json"]

#: Verdict → how grave it is, the gravest 0, and how a page shows it.
_KINDS = {
    Arithmetic.INCONSISTENT: (0, "bad"), Substance.IMPLAUSIBLE: (1, "bad"), Substance.EXPLAINED: (2, "weak"),
    Substance.NOT_SIGNIFICANT: (3, "weak"), Arithmetic.CHECK: (4, "weak"), Substance.SUPPORTED: (5, "good"),
    Arithmetic.REPRODUCED_OTHERWISE: (6, "weak"), Arithmetic.REPRODUCED: (6, "good"),
    Arithmetic.CONSISTENT: (6, "good"), Arithmetic.NOT_CHECKABLE: (7, "muted"), Substance.NOT_JUDGED: (7, "muted"),
}  # fmt: skip
#: The least grave verdict that a summary tells, and that of a figure which stands alone.
_TOLD, _ALONE = 3, 7


@dataclass(frozen=True)
class Audit:
    """Everything one audit found."""

    report: AuditReport  # verdicts and findings
    recomputed: tuple[Recomputed, ...] = ()  # what the data gave
    data: str = ""  # what was read, in words
    draft: Draft | None = None  # that the claims came from, where the input was a report
    retrained: tuple[Mapping[str, object], ...] = ()  # where printed figures lie in the distribution over seeds
    daily: DailyMatch | None = None  # which book the report's own daily returns are of


def _rank(verdict: Verdict) -> int:
    """Sort key: what a reviewer must see first."""
    return min(_KINDS[verdict.arithmetic][0], _KINDS[verdict.substance][0])


def claim_words(claim: Claim, split: str) -> str:
    """A claim in words: its metric, class, run, split and position."""
    parts = (claim.metric.replace("_", " "), claim.label, claim.group, split, claim.at)
    return ", ".join(dict.fromkeys(filter(None, parts)))


def to_json(audit: Audit) -> dict[str, Any]:
    """The audit as one object of plain values, which every other form shows.

    Keys
    ----
    title, source, draft, failed, summary, counts, warnings, open (what could not be checked);
    claims : a list of id, metric, group, label, at, printed, target, document, split, line, text, arithmetic,
        arithmetic_because, substance, substance_because, because and assumption (of the verdict that speaks), rank (0
        is the gravest), words, figure (recomputed, or what the digits stand for), checks, and `recomputed` (value,
        convention, reproduced_by, matches, tried, proves_nothing, chance and, where another daily series gives the
        print, explained_by, look_ahead, size, together) where data was given;
    findings : every finding of every check: check, claims, using (all figures it takes), sentence, arithmetic,
        substance, assumption, reading;
    data (what was read, in words), daily (sentence, named, words, equal, days, own, look_ahead, size), retrained,
    notes (on the reading: contradictions between files, files that are not read), excluded, not_placed : empty where
        they do not apply.

    """
    report, claims = audit.report, audit.report.claims
    recomputed = {item.claim.id: item for item in audit.recomputed}
    alone = sum(_rank(verdict) == _ALONE for verdict in report.verdicts)
    daily, draft = audit.daily, audit.draft
    left = {"excluded": draft.excluded if draft else (), "not_placed": draft.unplaced if draft else ()}
    return {
        "title": claims.title, "source": claims.source, "draft": claims.draft, "failed": report.refuted,
        "summary": summary_paragraph(audit), "counts": report.counts(), "warnings": list(report.warnings),
        "open": [
            *[f"Nothing else that is printed confirms or contradicts {plural(alone, 'figure')}."] * bool(alone),
            *(f"{warning}." for warning in report.warnings),
            *["No data was given, so nothing was recomputed."] * (not audit.data),
        ],
        "claims": [_row(verdict, claims.split_of(verdict.claim), recomputed) for verdict in report.verdicts],
        "findings": [{"check": finding.check_id} | _named(finding, _OF_FINDING) for finding in report.findings],
        "data": audit.data, "retrained": [dict(row) for row in audit.retrained],
        "notes": [*draft.notes] if draft else [],
        "daily": {} if daily is None else {"sentence": daily.sentence, "named": daily.named, **asdict(daily)},
        **{name: [_named(item, ("line", "text", "reason", "document")) for item in items]
           for name, items in left.items()},
    }  # fmt: skip


_OF_FINDING = ("claims", "using", "sentence", "arithmetic", "substance", "assumption", "reading")
_OF_CLAIM = ("id", "metric", "group", "label", "at", "printed", "target", "document")
_OF_VERDICT = ("arithmetic", "arithmetic_because", "substance", "substance_because", "because")


def _named(value: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _row(verdict: Verdict, split: str, recomputed: Mapping[str, Recomputed]) -> dict[str, Any]:
    """A claim with its verdicts."""
    claim = verdict.claim
    row = _named(claim, _OF_CLAIM) | {"split": split, "line": claim.source_line, "text": claim.source_text}
    row |= _named(verdict, _OF_VERDICT) | {"assumption": verdict.assumption or None, "rank": _rank(verdict)}
    row |= {"words": claim_words(claim, split), "checks": sorted({finding.check_id for finding in verdict.findings})}
    if claim.id not in recomputed:
        count = METRICS[claim.metric].kind == "count" and claim.value.interval.width <= 1
        return row | {"figure": claim.printed if count else span(claim.value.interval, claim.value.percent)}
    found = recomputed[claim.id].resolution
    data = _named(found, ("tried", "proves_nothing", "chance")) | {"matches": len(found.matches)}
    data |= {"value": found.own.value, "convention": found.own.words}
    data["reproduced_by"] = None if found.named is None else found.named.words
    if found.book is not None:
        data |= _named(found.book, ("look_ahead", "size")) | {"explained_by": found.book.words}
        data["together"] = [*found.together]
    return row | {"figure": found.shown, "recomputed": data}


def _merged(audit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The gravest first: prints of one quantity with one outcome in one row, with `prints`, `figures` and `lines`."""
    groups: dict[tuple[object, ...], dict[str, Any]] = {}
    for row in sorted(audit["claims"], key=lambda row: row["rank"]):
        same = tuple(row[key] for key in ("words", "target", "arithmetic", "substance", "because", "document"))
        first = groups.setdefault(same, row | {"prints": {}, "lines": {}, "figures": {}})
        first["prints"][row["printed"]] = first["figures"][row["figure"]] = None
        first["lines"] |= {str(row["line"]): None} if row["line"] is not None else {}
    return list(groups.values())


def render_table(audit: Audit, width: int = 120, every: bool = False) -> str:
    """The verdicts for a terminal, the gravest first. `every` lists the figures that nothing bears on, too."""
    rows, lines, last = _merged(to_json(audit)), list[str](), ""
    table = [("printed", "claim", "arithmetic", "substance", "because")]
    shown = [row for row in rows if every or row["rank"] != _ALONE]
    longest = max((len(text) for row in shown for text in row["prints"]), default=0)
    first = max(11, min(21, longest + 1))
    widths = (first, 34, 14, 24, max(30, width - 80 - first))
    for row in shown:
        assumed = f" Assumed: {row['assumption']}." if row["assumption"] else ""
        because = "as above" if row["because"] == last else row["because"] + assumed
        stands = f" [line{'s' * (len(row['lines']) > 1)} {', '.join(row['lines'])}]" if row["lines"] else ""
        arithmetic = row["arithmetic"].replace("under another convention", "otherwise")
        table.append((", ".join(row["prints"]), row["words"], arithmetic, str(row["substance"]), because + stands))
        last = row["because"]
    for cells in table * bool(shown):
        wrapped = [textwrap.wrap(text, size) for text, size in zip(cells, widths, strict=True)]
        padded = (map(str.ljust, line, widths) for line in zip_longest(*wrapped, fillvalue=""))
        lines += ["  ".join(line).rstrip() for line in padded]
    if len(rows) > len(shown):
        more = plural(len(rows) - len(shown), "figure")
        more = f"… and {more}" if shown else more
        lines.append(f"{more} that nothing else printed confirms or contradicts (--all lists them)")
    return "\n".join(lines)


def summary_paragraph(audit: Audit) -> str:
    """One paragraph for a review: how many figures came out how, and the three gravest sentences."""
    report, verdicts = audit.report, audit.report.verdicts
    title = (report.claims.title or report.claims.source or "the report").strip()
    if not verdicts:
        return f"No figure was found in “{title}”, so there is nothing to audit."
    arithmetic, substance = (", ".join(f"{n} {kind}" for kind, n in of.items()) for of in report.counts().values())
    parts = [f"Of {plural(len(verdicts), 'figure')} in “{title}”: {arithmetic}; in substance {substance}."]
    shared, gravest = Counter(verdict.because for verdict in verdicts), dict[str, str]()
    for verdict in sorted(verdicts, key=lambda v: (_rank(v), -shared[v.because])):
        sentence = verdict.because.rstrip(".")
        check = next((f.check_id for f in verdict.findings if f.sentence == verdict.because), sentence)
        if _rank(verdict) <= _TOLD and len(gravest) < 3:
            assumed = f" (assumed: {verdict.assumption})" if _rank(verdict) == 1 and verdict.assumption else ""
            gravest.setdefault(check, f"{sentence[:1].upper()}{sentence[1:]}{assumed}.")
    parts += ["Most of all: " * (number == 0) + words for number, words in enumerate(gravest.values())]
    if audit.data:
        same, made = sum(bool(item.resolution.matches) for item in audit.recomputed), len(audit.recomputed)
        none, given = "no printed figure can be made of that", f"{same} of {plural(made, 'figure')} come out as printed"
        parts.append(f"Recomputed from {audit.data}: {given if made else none}.")
    if audit.daily is not None:
        parts.append(f"Day by day, {audit.daily.sentence}")
    if report.claims.draft:
        parts.append("The claims were drafted by a machine and grouped by headings; nobody has confirmed the grouping.")
    return " ".join(parts)


def render_audit(audit: Audit, form: str = "html") -> str:
    """The page, as ``"html"`` or ``"md"``: quantities, the gravest first, what was checked, and how to mend it."""
    values = to_json(audit)
    rows, claims = _merged(values), audit.report.claims
    values["title"] = f"Audit: {values['title'] or values['source'] or 'report'}"
    values["checks"] = sorted({finding["check"] for finding in values["findings"]})
    values["runs"] = [run for run in claims.groups if any((run.model, run.configuration, run.stage, run.notes))]
    judged, alone = ([row for row in rows if (row["rank"] == _ALONE) is apart] for apart in (False, True))
    return render_page(f"audit.{form}", audit=values, title=values["title"], judged=judged, alone=alone)


def render_page(template: str, **values: object) -> str:
    """A page of `pages/`, which needs nothing else: markup is escaped, control characters are left out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    in_html = template.endswith(".html")

    def shown(value: object) -> object:
        if not isinstance(value, str) or isinstance(value, Markup):
            return value
        text = "".join(char if char.isprintable() else " " for char in value)
        return text if in_html else re.sub(r"([\\`*_\[\]|<&])", r"\\\1", text)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=in_html, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=shown,
    )  # fmt: skip
    classes = {kind: style for kind, (_, style) in _KINDS.items()}
    return environment.get_template(template).render(classes=classes, **values)
