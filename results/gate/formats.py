"""A decision and the list of rules as a table, Markdown for a pull request, and JUnit XML for a CI."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from assay.results.gate.figures import RULES
from assay.results.gate.policy import GateDecision, RuleOutcome
from assay.results.report.tables import aligned_lines

__all__ = ["decision_junit", "decision_markdown", "decision_table", "rules_listed", "rules_table"]

_MARK = {"passed": "✓", "failed": "✗", "insufficient": "?", "not applicable": "–"}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _interval(item: RuleOutcome) -> str:
    return "" if item.low is None or item.high is None else f"[{item.low:.4g}, {item.high:.4g}]"


def _head(decision: GateDecision) -> str:
    against = f" · champion {decision.champion}" if decision.champion else ""
    return f"{decision.run_id} · policy {decision.policy}{against}"


def decision_table(decision: GateDecision) -> str:
    """For a terminal: a line a rule, what the figure is, and below what failed or is missing why it is asked for."""
    rows = [("  rule", "threshold", "value", "  95% interval", "")]
    rows += [(f"{_MARK[item.verdict]} {item.rule}", item.threshold, _number(item.value), f"  {_interval(item)}",
              item.reason) for item in decision.outcomes]  # fmt: skip
    head, *lines = aligned_lines(rows, (-28, 14, 11, -24, -1))
    noted = (
        part for line, item in zip(lines, decision.outcomes, strict=True)
        for part in (line, *[f"{'':28}{item.note}"] * bool(item.note))
    )  # fmt: skip
    return "\n".join([_head(decision), "", head, *noted, "", decision.sentence])


def decision_markdown(decision: GateDecision) -> str:
    """For a pull request."""
    rows = [
        f"| {_MARK[item.verdict]} {item.verdict} | `{item.rule}` | {item.threshold} | {_number(item.value)} | "
        f"{_interval(item)} | {_cell(item.reason)} | {_cell(item.note)} |"
        for item in decision.outcomes
    ]
    head = "| | rule | threshold | value | 95% | figure | why |"
    return "\n".join([f"### {decision.verdict.upper()}: {_cell(_head(decision))}", "", _cell(decision.sentence), "",
                      head, "|---|---|---|---|---|---|---|", *rows])  # fmt: skip


def _cell(text: str) -> str:
    """Text that cannot leave its cell or become HTML."""
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("\n", " ")):
        text = text.replace(sign, safe)
    return text


def decision_junit(decision: GateDecision) -> str:
    """JUnit XML: a test case a rule; insufficient ones are errors, not applicable ones are skipped."""
    count = {kind: sum(item.verdict == kind for item in decision.outcomes) for kind in _MARK}
    suite = ElementTree.Element(
        "testsuite",
        name=f"gate {decision.policy}: {decision.run_id}",
        tests=str(len(decision.outcomes)),
        failures=str(count["failed"]),
        errors=str(count["insufficient"]),
        skipped=str(count["not applicable"]),
    )
    kinds = {"failed": "failure", "insufficient": "error", "not applicable": "skipped"}
    for item in decision.outcomes:
        case = ElementTree.SubElement(suite, "testcase", classname=f"gate.{decision.policy}", name=item.rule)
        if item.verdict in kinds:
            message = f"{item.threshold}, got {_number(item.value) or 'nothing'}: {item.reason}"
            ElementTree.SubElement(case, kinds[item.verdict], message=message).text = item.note
    ElementTree.SubElement(suite, "system-out").text = decision.sentence
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def rules_listed() -> list[dict[str, object]]:
    """All rules: name, meaning, why, unit, and the range of thresholds (None where it has no end)."""
    return [
        {
            "rule": name,
            "meaning": rule.meaning,
            "why": rule.why,
            "unit": rule.unit,
            "low": rule.low if math.isfinite(rule.low) else None,
            "high": rule.high if math.isfinite(rule.high) else None,
        }
        for name, rule in RULES.items()
    ]


def rules_table() -> str:
    """All rules for a terminal."""
    lines = [f"{'rule':28}{'unit':16}{'thresholds':16}meaning"]
    for name, rule in RULES.items():
        span = "required" if rule.boolean else f"{_end(rule.low)} … {_end(rule.high)}"
        lines += [f"{name:28}{rule.unit:16}{span:16}{rule.meaning}", f"{'':60}{rule.why}"]
    return "\n".join([*lines, "", 'Any metric of a run can be a rule: [rules.my_accuracy] metric = "accuracy" …'])


def _end(value: float) -> str:
    return f"{value:g}" if math.isfinite(value) else "any"
