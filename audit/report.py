"""The audit as a person sees it: a table for the terminal, one JSON object, a paragraph, and a page.

The page needs nothing else: no network, no script it did not bring, every text escaped.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from assay.audit.claims.metrics import METRICS
from assay.audit.claims.model import Claim
from assay.audit.read.sheet import Draft, Excluded
from assay.audit.recompute.daily import DailyMatch
from assay.audit.recompute.figures import Recomputed
from assay.audit.verdicts import Arithmetic, AuditReport, Substance, Verdict

__all__ = [
    "NOTHING", "Audit", "claim_words", "graver", "printable", "render_html", "render_page", "render_table",
    "summary_paragraph", "to_json",
]  # fmt: skip

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

    def own_figure(self, claim_id: str) -> str:
        """The recomputed figure of a claim, with the convention that reproduces it, or ``""``."""
        for item in self.recomputed:
            if item.claim.id == claim_id:
                return item.resolution.shown
        return ""


#: Sort key of a figure that nothing bears on.
NOTHING = 7


def graver(verdict: Verdict) -> int:
    """Sort key: what a reviewer must see first."""
    if verdict.arithmetic is Arithmetic.INCONSISTENT:
        return 0
    order = [Substance.IMPLAUSIBLE, Substance.EXPLAINED, Substance.NOT_SIGNIFICANT]
    if verdict.substance in order:
        return 1 + order.index(verdict.substance)
    if verdict.arithmetic is Arithmetic.CHECK:
        return 4
    if verdict.substance is Substance.SUPPORTED:
        return 5
    return 6 if verdict.arithmetic is not Arithmetic.NOT_CHECKABLE else NOTHING


def claim_words(claim: Claim, split: str, metric: str | None = None) -> str:
    """A claim in words: its metric, unless another name or none is given, class, run, split and position."""
    name = claim.metric.replace("_", " ") if metric is None else metric
    return ", ".join(dict.fromkeys(filter(None, (name, claim.label, claim.group, split, claim.at))))


def printable(text: str) -> str:
    """The text without control characters, which a hostile report could use to steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def render_table(audit: Audit, width: int = 120, every: bool = False) -> str:
    """The verdicts for a terminal, those that matter first. `every` lists the figures that nothing bears on, too."""
    verdicts = sorted(audit.report.verdicts, key=graver)
    shown = [v for v in verdicts if every or graver(v) < NOTHING]
    widths = (11, 34, 14, 24)
    room = max(30, width - sum(widths) - len(widths) * 2)
    heads = ("printed", "claim", "arithmetic", "substance", "because")
    lines = ["  ".join([*(head.ljust(size) for head, size in zip(heads, widths, strict=False)), heads[-1]]).rstrip()]
    last = ""
    for same in _merged(shown):
        verdict = same[0]
        prints = dict.fromkeys(other.claim.printed for other in same)
        stands = list(dict.fromkeys(str(v.claim.source_line) for v in same if v.claim.source_line is not None))
        line = f" [line{'s' if len(stands) > 1 else ''} {', '.join(stands)}]" if stands else ""
        arithmetic = str(verdict.arithmetic).replace("reproduced under another convention", "reproduced otherwise")
        cells = (", ".join(prints), claim_words(verdict.claim, verdict.claim.split), arithmetic, str(verdict.substance))
        wrapped = [textwrap.wrap(printable(cell), size) or [""] for cell, size in zip(cells, widths, strict=True)]
        rests = f" Assumes that {verdict.assumption}." if verdict.assumption else ""
        words = "as above" if verdict.because == last else printable(verdict.because + rests)
        last = verdict.because
        wrapped.append(textwrap.wrap(words + line, room) or [""])
        for row in range(max(map(len, wrapped))):
            parts = [column[row] if row < len(column) else "" for column in wrapped]
            lines.append(
                "  ".join(part.ljust(size) for part, size in zip(parts, (*widths, room), strict=True)).rstrip()
            )
    hidden = len(verdicts) - len(shown)
    if hidden:
        lines.append(f"… and {hidden} figures that no other figure bears on (--all lists them)")
    return "\n".join(lines)


def _merged(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Prints of one quantity with one outcome, together; the order of the first of each is kept."""
    groups: dict[tuple[str, ...], list[Verdict]] = {}
    for verdict in verdicts:
        claim = verdict.claim
        quantity = (claim.metric, claim.label, claim.group, claim.split, claim.at, str(claim.target))
        key = (*quantity, str(verdict.arithmetic), str(verdict.substance), verdict.because)
        groups.setdefault(key, []).append(verdict)
    return list(groups.values())


def summary_paragraph(audit: Audit) -> str:
    """One paragraph for a review."""
    report = audit.report
    verdicts = report.verdicts
    title = printable(report.claims.title or report.claims.source or "the report").strip()
    if not verdicts:
        return f"No figure was found in “{title}”, so there is nothing to audit."
    arithmetic = Counter(verdict.arithmetic for verdict in verdicts)
    substance = Counter(verdict.substance for verdict in verdicts)
    parts = [f"Of {len(verdicts)} figures in “{title}”"]
    counts = [_counted(kind, arithmetic[kind]) for kind in Arithmetic if arithmetic[kind]]
    parts.append(f" {_listed(counts)}.")
    said = [
        f"{substance[kind]} {'is' if substance[kind] == 1 else 'are'} {_SAID[kind]}"
        for kind in Substance
        if substance[kind] and kind is not Substance.NOT_JUDGED
    ]
    if said:
        parts.append(f" In substance, {_listed(said)}.")
    named: list[str] = []
    shared = Counter(verdict.because for verdict in verdicts)
    for verdict in sorted(verdicts, key=lambda v: (graver(v), -shared[v.because])):
        sentence = printable(verdict.because)
        check = next((f.check_id for f in verdict.findings if f.sentence == verdict.because), sentence)
        if graver(verdict) > 3 or check in named or len(named) == 3:
            continue
        named.append(check)
        opening = (" Most of all: " if len(named) == 1 else " ") + sentence[:1].upper() + sentence[1:].rstrip(".") + "."
        if graver(verdict) == 1 and verdict.assumption:
            opening = opening.rstrip(".") + f" (assuming that {verdict.assumption})."
        parts.append(opening)
    if audit.data:
        same = sum(bool(item.resolution.matches) for item in audit.recomputed)
        parts.append(f" Recomputed from {audit.data}: {same} of {len(audit.recomputed)} figures come out as printed.")
    if audit.daily is not None:
        parts.append(f" Day by day, {audit.daily.sentence}")
    if report.claims.draft:
        parts.append(
            " The claims were drafted by a machine and grouped by headings; nobody has confirmed the grouping."
        )
    return "".join(parts)


def _counted(kind: Arithmetic, count: int) -> str:
    """How many figures come out so."""
    if kind is Arithmetic.CHECK:
        return f"{count} {'asks' if count == 1 else 'ask'} to check the reading"
    return f"{count} {'is' if count == 1 else 'are'} {kind}"


_SAID = {
    Substance.IMPLAUSIBLE: "implausible under a named assumption",
    Substance.EXPLAINED: "explained by a baseline",
    Substance.NOT_SIGNIFICANT: "not significant",
    Substance.SUPPORTED: "supported",
}


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def to_json(audit: Audit) -> dict[str, object]:
    """The audit as one JSON-able object.

    Keys
    ----
    title, source, draft, failed, summary, counts, warnings;
    claims : a list of id, metric, group, split, label, at, printed, line, target, arithmetic, arithmetic_because,
        substance, substance_because, assumption (of the verdict that speaks), checks, and
        `recomputed` (value, convention, reproduced_by, matches,
        tried, proves_nothing, chance and, where another daily series gives the print, explained_by, look_ahead, size,
        together) where data was given;
    findings : every finding of every check: check, claims, using (all figures it takes), sentence, arithmetic,
        substance, assumption, reading;
    data, daily (sentence, named, words, equal, days, own, look_ahead, size, rounding), retrained, excluded,
    not_placed where they apply.

    """
    report, draft = audit.report, audit.draft
    recomputed = {item.claim.id: item for item in audit.recomputed}
    out: dict[str, object] = {
        "title": report.claims.title,
        "source": report.claims.source,
        "draft": report.claims.draft,
        "failed": audit.failed,
        "summary": summary_paragraph(audit),
        "counts": report.counts(),
        "warnings": list(report.warnings),
        "claims": [_claim_row(report, verdict, recomputed.get(verdict.claim.id)) for verdict in report.verdicts],
        "findings": [
            {
                "check": f.check_id, "claims": list(f.claims), "using": list(f.using), "sentence": f.sentence,
                "arithmetic": None if f.arithmetic is None else str(f.arithmetic),
                "substance": None if f.substance is None else str(f.substance),
                "assumption": f.assumption, "reading": f.reading,
            }
            for f in report.findings
        ],
    }  # fmt: skip
    if audit.data:
        out["data"] = audit.data
    if audit.daily is not None:
        out["daily"] = {"sentence": audit.daily.sentence, "named": audit.daily.named, **asdict(audit.daily)}
    if audit.retrained:
        out["retrained"] = [dict(row) for row in audit.retrained]
    if draft is not None:
        out |= {"excluded": list(map(_left_out, draft.excluded)), "not_placed": list(map(_left_out, draft.unplaced))}
    return out


def _claim_row(report: AuditReport, verdict: Verdict, recomputed: Recomputed | None) -> dict[str, object]:
    claim = verdict.claim
    row: dict[str, object] = {
        "id": claim.id, "metric": claim.metric, "group": claim.group, "split": report.claims.split_of(claim),
        "label": claim.label, "at": claim.at, "printed": claim.printed, "line": claim.source_line,
        **({"document": claim.document} if claim.document else {}),
        "target": claim.target,
        "arithmetic": str(verdict.arithmetic), "arithmetic_because": verdict.arithmetic_because,
        "substance": str(verdict.substance), "substance_because": verdict.substance_because,
        "assumption": verdict.assumption or None,
        "checks": sorted({finding.check_id for finding in verdict.findings}),
    }  # fmt: skip
    if recomputed is not None:
        found, why = recomputed.resolution, recomputed.explanation
        row["recomputed"] = {
            "value": found.own.value, "convention": found.own.words,
            "reproduced_by": None if found.named is None else found.named.words,
            "matches": len(found.matches), "tried": found.tried, "proves_nothing": found.proves_nothing,
            "chance": found.chance,
            **({} if why is None else {
                "explained_by": why.book.words, "look_ahead": why.book.look_ahead, "size": why.book.size,
                "together": [why.together, why.printed],
            }),
        }  # fmt: skip
    return row


def _left_out(item: Excluded) -> dict[str, object]:
    where = {"document": item.document} if item.document else {}
    return {"line": item.line, "text": item.text, "reason": item.reason} | where


#: How a page shows a verdict.
CLASSES = {
    Arithmetic.INCONSISTENT: "inconsistent",
    Arithmetic.REPRODUCED: "good",
    Arithmetic.REPRODUCED_OTHERWISE: "explained",
    Arithmetic.CONSISTENT: "good",
    Arithmetic.CHECK: "weak",
    Arithmetic.NOT_CHECKABLE: "muted",
    Substance.IMPLAUSIBLE: "implausible",
    Substance.EXPLAINED: "explained",
    Substance.NOT_SIGNIFICANT: "weak",
    Substance.SUPPORTED: "good",
    Substance.NOT_JUDGED: "muted",
}
def render_page(template: str, **values: object) -> str:
    """A page of `pages/`: it needs nothing else, markup is escaped, control characters are left out."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=shown,
    )  # fmt: skip
    return environment.get_template(template).render(classes=CLASSES, **values)


def render_html(audit: Audit) -> str:
    """The page (`audit.html`): every claim is a row, the gravest first, with its figure, recomputed or bounded, the two
    verdicts, a sentence for each, and the line it stands on; then what could not be checked, and how to mend it."""
    report, claims = audit.report, audit.report.claims
    verdicts = sorted(report.verdicts, key=graver)
    return render_page(
        "audit.html",
        audit=audit,
        claims=claims,
        title=f"Audit: {claims.title or claims.source or 'Report'}",
        summary=summary_paragraph(audit),
        verdicts=[_row(audit, v) for v in verdicts],
        checks=sorted({finding.check_id for finding in report.findings}),
        open=_open(audit),
        retrained=_columns(audit.retrained),
        runs=[
            (group.name, words, group.notes)
            for group in claims.groups
            if (words := ", ".join(filter(None, (group.model, group.configuration, group.stage, group.split))))
            or group.notes
        ],
        left_out=_lists(audit),
    )


def _row(audit: Audit, verdict: Verdict) -> tuple[Verdict, Claim, str, str]:
    claim = verdict.claim
    where = claim_words(claim, audit.report.claims.split_of(claim), "")
    return verdict, claim, where, audit.own_figure(claim.id) or _bound(verdict)


def _columns(rows: Sequence[Mapping[str, object]]) -> tuple[list[str], list[list[object]]]:
    names = list(dict.fromkeys(key for row in rows for key in row))
    return [name.replace("_", " ") for name in names], [[row.get(name, "") for name in names] for row in rows]


def _open(audit: Audit) -> list[str]:
    """What could not be checked."""
    silent = sum(graver(verdict) == NOTHING for verdict in audit.report.verdicts)
    out = [f"{silent} figures stand alone: no other figure or stated context bears on them."] if silent else []
    out += [f"{warning}." for warning in audit.report.warnings]
    return out if audit.data else [*out, "No data was given, so nothing was recomputed."]


def _lists(audit: Audit) -> list[tuple[str, list[tuple[int, str, str]]]]:
    draft = audit.draft
    lists = () if draft is None else (
        ("Not placed", draft.unplaced), ("Numbers that are no claims", draft.excluded)
    )  # fmt: skip
    return [(title, [(i.line, i.text, i.reason) for i in items]) for title, items in lists if items]


def _bound(verdict: Verdict) -> str:
    """What the printed digits stand for, where nothing was recomputed."""
    value = verdict.claim.value
    whole = value.is_point and not value.about and value.value.is_integer()
    if whole and METRICS[verdict.claim.metric].kind == "count":
        return f"{value.value:,.0f}"
    interval, scale, sign = value.interval, (100.0 if value.percent else 1.0), ("%" if value.percent else "")
    ends = [
        f"{end * scale:.{min(value.decimals + 1, 10)}f}{sign}"
        if abs(end) != float("inf")
        else ("−∞" if end < 0 else "∞")
        for end in (interval.low, interval.high)
    ]
    return f"{ends[0]} … {ends[1]}"
