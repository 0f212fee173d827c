"""The audit as one HTML page that needs nothing else: no network, no script it did not bring, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

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
    """The page.

    Every claim is a row, the gravest first: printed figure, claim, recomputed figure or bound, the two
    verdicts, the sentence for each, and the line it stands on.
    """
    report = audit.report
    title = safe(report.claims.title or report.claims.source or "Report")
    draft = (
        '<p class="note">The claims were drafted by a machine; nobody has confirmed the grouping.</p>'
        if report.claims.draft
        else ""
    )
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY, quote=True)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Audit: {title}</title><style>{STYLE}</style></head><body>",
        f"<h1>Audit: {title}</h1>",
        f'<p class="muted">{safe(report.claims.source)}</p>' if report.claims.source else "",
        f'<p class="summary">{safe(summary_paragraph(audit))}</p>{draft}',
        _data(audit),
        "<h2>Figures</h2>",
        _figures(audit),
        _scope(audit),
        _runs(audit),
        _left_out(audit),
        (
            '<h2>How to read it</h2><p class="note">Arithmetic says whether the figures can hold together:'
            " “inconsistent” is a proof, the"
            " intervals of the printed digits do not meet. Substance says whether a figure means what it is"
            " said to mean; “implausible”"
            " rests on the assumption it names. “Check the reading” accuses nobody: a machine put the figures"
            " together, and it may have misread them.</p></body></html>\n"
        ),
    ]
    return "\n".join(part for part in parts if part)


def _data(audit: Audit) -> str:
    if not audit.data and not audit.retrained:
        return ""
    rows = [f"<p>Recomputed from {safe(audit.data)}.</p>"] if audit.data else []
    if audit.daily is not None:
        rows.append(f"<p>Day by day, {safe(audit.daily.sentence)}</p>")
    if audit.retrained:
        names = list(dict.fromkeys(key for row in audit.retrained for key in row))
        body = "".join(
            "<tr>" + "".join(f"<td>{safe(row.get(name, ''))}</td>" for name in names) + "</tr>"
            for row in audit.retrained
        )
        head = "".join(f"<th scope=col>{safe(name.replace('_', ' '))}</th>" for name in names)
        rows.append(
            f'<h2>Retrained</h2><div class="tables"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )
    return "".join(rows)


def _figures(audit: Audit) -> str:
    heads = ("line", "printed", "claim", "recomputed or bound", "arithmetic", "substance", "because")
    head = "".join(f"<th scope=col>{name}</th>" for name in heads)
    body = "".join(_row(audit, verdict) for verdict in sorted(audit.report.verdicts, key=graver))
    return f'<div class="tables"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(audit: Audit, verdict: Verdict) -> str:
    claim = verdict.claim
    where = ", ".join(
        part for part in (claim.label, claim.group, audit.report.claims.split_of(claim), claim.at) if part
    )
    text = f'<br><code class="muted">{safe(claim.source_text)}</code>' if claim.source_text else ""
    goal = " (goal)" if claim.target else ""
    return (
        f'<tr id="{safe(claim.id)}"><td class="figure">{safe(claim.source_line or "")}</td>'
        f'<td class="figure">{safe(claim.printed)}</td>'
        f"<td><b>{safe(claim.metric.replace('_', ' '))}</b>{goal}<br><span"
        f" class=muted>{safe(where)}</span>{text}</td>"
        f'<td class="figure">{safe(audit.own_figure(claim.id) or _bound(verdict))}</td>'
        f'<td class="{CLASSES[verdict.arithmetic]}">{safe(verdict.arithmetic)}</td>'
        f'<td class="{CLASSES[verdict.substance]}">{safe(verdict.substance)}</td><td>{_because(verdict)}</td></tr>'
    )


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


def _because(verdict: Verdict) -> str:
    sentences: list[str] = []
    if verdict.arithmetic is not Arithmetic.NOT_CHECKABLE:
        sentences.append(f"<b>Arithmetic:</b> {safe(verdict.arithmetic_because)}")
    if verdict.substance is not Substance.NOT_JUDGED:
        sentences.append(f"<b>Substance:</b> {safe(verdict.substance_because)}")
    rests = f" <i>Assumes that {safe(verdict.assumption)}.</i>" if verdict.assumption else ""
    return ("<br>".join(sentences) or safe(verdict.because)) + rests


def _scope(audit: Audit) -> str:
    """What was checked, what could not be, and how to mend it: nothing an author needs to guess."""
    verdicts, report = audit.report.verdicts, audit.report
    checks = sorted({finding.check_id for finding in report.findings})
    silent = sum(graver(verdict) == NOTHING for verdict in verdicts)
    listed = safe(", ".join(checks)) or "none applied"
    explained = "(<code>assay audit --checks</code> explains each)"
    parts = [f"<h2>What was checked</h2><p>{len(verdicts)} figures by {len(checks)} checks {explained}: {listed}.</p>"]
    open_ = [f"{silent} figures stand alone: no other figure or stated context bears on them."] if silent else []
    open_ += [f"{warning}." for warning in report.warnings]
    if not audit.data:
        open_.append("No data was given, so nothing was recomputed.")
    items = "".join(f"<li>{safe(text)}</li>" for text in open_)
    parts.append(f"<h2>What could not be checked</h2><ul>{items}</ul>" if items else "")
    mend = [
        "A figure that is wrong is corrected where it is printed, or its run and definition are named beside it.",
        "State n, the dates, the class shares and the convention of a ratio: most of what is open here hangs on these.",
    ]
    if report.claims.draft:
        mend.insert(0, "Where the reading is wrong, write the draft with --draft FILE, correct it and audit the file.")
    parts.append("<h2>How to mend</h2><ul>" + "".join(f"<li>{safe(text)}</li>" for text in mend) + "</ul>")
    return "".join(parts)


def _runs(audit: Audit) -> str:
    rows = []
    for group in audit.report.claims.groups:
        words = ", ".join(part for part in (group.model, group.configuration, group.stage, group.split) if part)
        if words or group.notes:
            rows.append(f"<tr><td>{safe(group.name)}</td><td>{safe(words)}</td><td>{safe(group.notes)}</td></tr>")
    if not rows:
        return ""
    head = "<th scope=col>group</th><th scope=col>run</th><th scope=col>notes</th>"
    body = "".join(rows)
    return f'<h2>Runs</h2><div class="tables"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _left_out(audit: Audit) -> str:
    if audit.draft is None:
        return ""
    out = []
    for title, items in (("Not placed", audit.draft.unplaced), ("Numbers that are no claims", audit.draft.excluded)):
        if items:
            out.append(
                f"<details><summary>{title} ({len(items)})</summary>"
                f"{_tokens((i.line, i.text, i.reason) for i in items)}</details>"
            )
    return "<h2>Left out</h2>" + "".join(out) if out else ""


def _tokens(items: Iterable[tuple[int, str, str]]) -> str:
    rows = "".join(
        f"<tr><td>{line}</td><td>{safe(text)}</td><td>{safe(reason)}</td></tr>" for line, text, reason in items
    )
    return f'<div class="tables"><table><tbody>{rows}</tbody></table></div>'
