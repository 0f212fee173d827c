"""The audit as one HTML page that needs nothing else: no network, no script it did not bring, every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from assay.audit.claims.metrics import METRICS
from assay.audit.report import NOTHING, Audit, graver, printable, summary_paragraph
from assay.audit.verdicts import Arithmetic, Substance, Verdict

__all__ = ["CLASSES", "POLICY", "STYLE", "render_html", "safe"]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --bad: #b3261e; --warn: #8a5a00; --good: #1b6e3c; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --warn: #ffc36b; --good: #7bd99c; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1500px; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: .2rem 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.summary { border-left: 4px solid var(--line); padding: .4rem .8rem; background: var(--soft); }
.tables { overflow-x: auto; } table { border-collapse: collapse; width: 100%; min-width: 46rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
th { position: sticky; top: 0; background: Canvas; }
td.figure { font-variant-numeric: tabular-nums; white-space: nowrap; }
.inconsistent, .implausible { color: var(--bad); font-weight: 600; }
.explained, .weak { color: var(--warn); font-weight: 600; }
.good { color: var(--good); } .muted { opacity: .7; }
code { font-size: .85em; } .note { font-size: .9em; opacity: .85; }
@media print { body { max-width: none; } .tables { overflow: visible; } }
"""
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
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def safe(text: object) -> str:
    """Text for a page: control characters left out, markup escaped."""
    return escape(printable(str(text)), quote=True)


def render_html(audit: Audit) -> str:
    """The page (`page.html`): every claim is a row, the gravest first, with its figure, recomputed or bounded, the two
    verdicts, a sentence for each, and the line it stands on; then what could not be checked, and how to mend it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=shown,
    )  # fmt: skip
    report, claims = audit.report, audit.report.claims
    verdicts = sorted(report.verdicts, key=graver)
    return environment.get_template("page.html").render(
        audit=audit,
        claims=claims,
        title=claims.title or claims.source or "Report",
        policy=POLICY,
        style=Markup(STYLE),
        classes=CLASSES,
        summary=summary_paragraph(audit),
        verdicts=[(v, v.claim, _where(audit, v), audit.own_figure(v.claim.id) or _bound(v)) for v in verdicts],
        checks=sorted({finding.check_id for finding in report.findings}),
        open=_open(audit),
        retrained=_columns(audit.retrained),
        runs=[
            (group.name, words, group.notes)
            for group in claims.groups
            if (words := ", ".join(filter(None, (group.model, group.configuration, group.stage, group.split))))
            or group.notes
        ],
        left_out=_left_out(audit),
    )


def _where(audit: Audit, verdict: Verdict) -> str:
    claim = verdict.claim
    return ", ".join(filter(None, (claim.label, claim.group, audit.report.claims.split_of(claim), claim.at)))


def _columns(rows: Sequence[Mapping[str, object]]) -> tuple[list[str], list[list[object]]]:
    names = list(dict.fromkeys(key for row in rows for key in row))
    return [name.replace("_", " ") for name in names], [[row.get(name, "") for name in names] for row in rows]


def _open(audit: Audit) -> list[str]:
    """What could not be checked."""
    silent = sum(graver(verdict) == NOTHING for verdict in audit.report.verdicts)
    out = [f"{silent} figures stand alone: no other figure or stated context bears on them."] if silent else []
    out += [f"{warning}." for warning in audit.report.warnings]
    return out if audit.data else [*out, "No data was given, so nothing was recomputed."]


def _left_out(audit: Audit) -> list[tuple[str, list[tuple[int, str, str]]]]:
    draft = audit.draft
    lists = () if draft is None else (
        ("Not placed", draft.unplaced), ("Numbers that are no claims", draft.excluded)
    )  # fmt: skip
    return [(title, [(i.line, i.text, i.reason) for i in items]) for title, items in lists if items]


def _bound(verdict: Verdict) -> str:
    """What the printed digits stand for, where nothing was recomputed."""
    value = verdict.claim.value
    if (
        METRICS[verdict.claim.metric].kind == "count"
        and value.is_point
        and not value.about
        and value.value.is_integer()
    ):
        return f"{value.value:,.0f}"
    interval, scale, sign = value.interval, (100.0 if value.percent else 1.0), ("%" if value.percent else "")
    ends = [
        f"{end * scale:.{min(value.decimals + 1, 10)}f}{sign}"
        if abs(end) != float("inf")
        else ("−∞" if end < 0 else "∞")
        for end in (interval.low, interval.high)
    ]
    return f"{ends[0]} … {ends[1]}"
