"""When the documentation is built, the page of the API is made of docstrings, and nothing is loaded from afar."""

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["api_page", "on_files", "on_post_page", "on_post_template"]

#: Loaded by the theme so that the search works from a file, and what takes its place.
_SHIM, _OURS = "https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js"

_HEADING = re.compile(r"^(\w[\w ]*)\n-+$", re.MULTILINE)


def api_page() -> str:
    """Every public name with its signature and docstring, as Markdown."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import assay

    about = "`import assay` is all there is to import; each name is loaded when it is first used."
    parts = ["# The public API", "", about, ""]
    parts += [" · ".join(f"[{name}](#{name.lower()})" for name in assay.__all__), ""]
    for name in assay.__all__:
        parts += _entry(name, getattr(assay, name))
    return "\n".join(parts) + "\n"


def _entry(name: str, value: Any) -> list[str]:
    kind = "class" if inspect.isclass(value) else "function"
    lines = [f"## {name}", "", f"*{kind} of* `{value.__module__}`", ""]
    with contextlib.suppress(TypeError, ValueError):  # not everything has a signature
        lines += ["```text", f"{name}{inspect.signature(value)}", "```", ""]
    lines += [_formatted(inspect.getdoc(value) or ""), ""]
    for method, member in vars(value).items() if inspect.isclass(value) else ():
        text = inspect.getdoc(member) if callable(member) or isinstance(member, property) else None
        if not method.startswith("_") and text:
            lines += [f"### {name}.{method}", "", _formatted(text), ""]
    return lines


def _formatted(text: str) -> str:
    """A numpydoc docstring as Markdown: headings in bold, what is indented or an example as it stands."""
    out: list[str] = []
    for block in re.split(r"\n(?=\w[\w ]*\n-+\n)", text):
        found = _HEADING.match(block)
        if found is None:
            out.append(_escaped(block.replace("::\n\n", ":\n\n")))
            continue
        body = block[found.end() :].strip("\n")
        shown = "pycon" if found[1] == "Examples" else "text"
        out.append(f"**{found[1]}**\n\n```{shown}\n{body}\n```")
    return "\n\n".join(out)


def _escaped(text: str) -> str:
    """Prose in which nothing is HTML; indented lines stay code."""
    return text.replace("<", "&lt;").replace("[", "\\[")


def on_files(files: Any, config: Any) -> Any:
    """MkDocs' hook: put the page among the others."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "api.md", content=api_page()))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:
    """MkDocs' hook: the search's helper from beside the pages."""
    return output.replace(_SHIM, "../" * page.url.count("/") + _OURS)


def on_post_template(output_content: str, template_name: str, config: Any) -> str:
    """MkDocs' hook: the same, of pages that are no Markdown."""
    return output_content.replace(_SHIM, _OURS)
