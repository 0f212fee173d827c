"""Every item of the five reports: is it here as they have it, where, and which test shows it?

Run: ``python studies/report_items.py [--check]`` writes ``report_items.md`` from ``report_items.toml``; with --check it
only says what does not hold. Each row is checked against the code: the object exists, the test exists, a preset has the
values that the row names, and what is not exact gives its reason.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

STATES = ("exact", "partial", "deviates", "missing", "n.a.")
REPORTS = {
    "multitask": ("The multi-task model", ("b3_training_report", "b3_model_card")),
    "ranking": ("The ranking model", ("stock_lstm_model_details",)),
    "direction": ("The direction model", ("reliance_training_results",)),
    "price": ("The price model", ("nse_phase2_report",)),
    "request": ("The request", ()),
}
_PAGE = Path(__file__).with_suffix(".md")


def items() -> list[dict[str, Any]]:
    """The rows as they stand in the file."""
    rows: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))["item"]
    return rows


def problems(rows: list[dict[str, Any]]) -> list[str]:
    """What does not hold, a sentence each."""
    ids = Counter(row["id"] for row in rows)
    out = [f"{name}: {count} rows of that id" for name, count in ids.items() if count > 1]
    for row in rows:
        name = row["id"]
        if row["state"] not in STATES:
            out.append(f"{name}: no state {row['state']!r}")
        if (row["state"] != "exact") != bool(row.get("reason")):
            out.append(f"{name}: a reason stands where an item is not exact, and only there")
        if not _exists(row["where"]):
            out.append(f"{name}: there is no {row['where']}")
        file, _, test = row["test"].partition("::")
        if test not in _tests(file):
            out.append(f"{name}: there is no test {row['test']}")
        out += [f"{name}: {wrong}" for wrong in _wrong_values(row)]
    return out


def _exists(where: str) -> bool:
    module, _, path = where.partition(":")
    try:
        found: Any = importlib.import_module(f"assay.{module}")
    except ImportError:
        return False
    for part in filter(None, path.split(".")):
        fields = getattr(found, "__dataclass_fields__", {})
        if not hasattr(found, part) and part not in fields:
            return False
        found = getattr(found, part, None)
    return True


@cache
def _tests(file: str) -> frozenset[str]:
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_")


def _wrong_values(row: dict[str, Any]) -> list[str]:
    if "values" not in row:
        return []
    from assay.models.catalog import load_model

    name, preset = row["preset"]
    model = load_model(name, preset=preset)
    out = []
    for parameter, wanted in row["values"].items():
        value = getattr(model, parameter)
        if (list(value) if isinstance(value, tuple) else value) != wanted:
            out.append(f"{name} {preset} has {parameter} {value!r}, not {wanted!r}")
    return out


def page(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown, a table a report."""
    counts = Counter(row["state"] for row in rows)
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    lines = [
        "# The reports, item by item",
        "",
        "`python studies/report_items.py` writes this page from `report_items.toml` and checks each row: the object,",
        "the test, the values of the preset.",
        "",
        f"{len(rows)} items: {told.removesuffix('.')}.",
    ]
    for report, (title, names) in REPORTS.items():
        own = [row for row in rows if row["report"] == report]
        exact = sum(row["state"] == "exact" for row in own)
        lines += ["", f"## {title}: {exact} of {len(own)} exact", ""]
        if names:
            lines += [f"Reports: {', '.join(f'`{name}`' for name in names)}.", ""]
        lines += ["| item | state | where | shown by |", "|---|---|---|---|"]
        for row in own:
            file, _, test = row["test"].partition("::")
            state = row["state"] if row["state"] == "exact" else f"**{row['state']}**: {row['reason']}"
            values = ", ".join(f"{key} {value}" for key, value in row.get("values", {}).items())
            preset = f" ({' '.join(row['preset'])}: {values})" if values else ""
            shown = f"`{Path(file).stem}`: {_words(test)}"
            lines.append(f"| {row['item']} | {state} | `{row['where']}`{preset} | {shown} |")
    return "\n".join(lines) + "\n"


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")


def main() -> int:
    """Parse the options, check, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="Write nothing.")
    options = parser.parse_args()
    rows = items()
    wrong = problems(rows)
    for line in wrong:
        print(line, file=sys.stderr)
    if not options.check and not wrong:
        _PAGE.write_text(page(rows), encoding="utf-8")
    counts = Counter(row["state"] for row in rows)
    print(f"{len(rows)} items, " + ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
