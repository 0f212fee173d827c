"""The first screen of a tear sheet as Markdown."""

from __future__ import annotations

from assay.results.report.blocks import FirstScreen

__all__ = ["compose_markdown"]

_UNSAFE = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("\n", " "))


def _plain(text: str) -> str:
    """Text that cannot leave its cell or become HTML."""
    for sign, safe in _UNSAFE:
        text = text.replace(sign, safe)
    return text


def compose_markdown(*, title: str, first: FirstScreen) -> str:
    """Questions with their verdicts, the table of figures, what was checked, warnings, and what was run.

    Parameters
    ----------
    title : of the page.
    first : see `assay.results.report.blocks.FirstScreen`.

    """
    lines = [f"# {_plain(title)}", ""]
    if first.lead:
        lines += [_plain(first.lead), ""]
    for answer in first.answers:
        lines += [f"**{_plain(answer.question)} {_plain(answer.verdict)}**", ""]
        lines += [*(f"- {_plain(sentence)}" for sentence in answer.sentences), ""]
    table = first.headline
    lines += [f"## {_plain(table.title)}", "", f"| {' | '.join(map(_plain, table.columns))} |"]
    lines.append(f"|{'|'.join('---:' if right else '---' for right in table.numeric)}|")
    lines += [f"| {' | '.join(_plain(cell.text) for cell in row)} |" for row in table.rows]
    if table.caption:
        lines += ["", _plain(table.caption)]
    checked = [
        f"- {_plain(item.name)}: {_plain(item.result)}" + (f" ({_plain(item.detail)})" if item.detail else "")
        for item in first.verdicts
    ]
    lines += ["", "## What was checked", "", *checked] if checked else []
    lines += ["", "## Warnings", "", *(f"- {_plain(line)}" for line in first.warnings)] if first.warnings else []
    lines += ["", "## What was run", "", *(f"- {_plain(name)}: {_plain(value)}" for name, value in first.described)]
    return "\n".join(lines) + "\n"
