"""How often do public documents print figures that cannot hold, mean nothing, or are luck? A census, and its pilot.

Run: ``python studies/census.py``                       rebuilds census.md from the committed figures, in seconds
     ``python studies/census.py --measure DOCUMENTS``   audits a folder of documents and writes the figures anew;
     ``--executor process`` on all cores, ``--executor ray`` on a cluster, with the same figures

The frame is fixed first: every document of the folder, whatever it says, named by repository, path and the first 16 hex
digits of the SHA-256 of its bytes. No text is stored: of a flagged figure the document, the line, the metric and the
printed digits are kept, and what a person judged after reading the document. Those judgements stand in
``verdicts.csv`` (every accusation) and ``drawn.csv`` (60 documents drawn by the seed below); `--measure` never writes
them. One reader judged the pilot: of model cards written by a training script the tables of figures, of the other drawn
documents the passages with figures. A census proper has two readers who do not see each other's verdicts.

Prevalence is counted by document, with Wilson intervals; precision by accusation and by document; recall from the drawn
documents alone, since only those were looked at whether or not the audit spoke.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from assay.audit.forensic.books import wilson
from assay.audit.judge import audit_claims
from assay.audit.read.draft import draft_claims
from assay.audit.verdicts import Arithmetic, Finding, Substance
from assay.data.errors import InputError
from assay.engine.executors import EXECUTORS, Workers, run_tasks

HERE = Path(__file__).resolve().parent
FIGURES, PAGE = HERE / "census", HERE / "census.md"
SEED, DRAWN = 20261121, 60
#: Kinds of flags: the two accusations, then what asks nothing of the author.
ACCUSING = ("inconsistent", "implausible")
KINDS = (*ACCUSING, "explained by a baseline", "not significant")

Row = dict[str, str]


def read(name: str) -> list[Row]:
    """The rows of a committed table."""
    with (FIGURES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(name: str, rows: Iterable[Row], columns: tuple[str, ...]) -> None:
    with (FIGURES / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def kind_of(finding: Finding) -> str:
    """Which of `KINDS` a finding is, or ``""``."""
    if finding.arithmetic is Arithmetic.INCONSISTENT:
        return "inconsistent"
    return str(finding.substance) if finding.substance in tuple(Substance)[:3] else ""


def of_document(name: str, raw: bytes) -> tuple[Row, list[Row]]:
    """The row of one document of the frame, and its flags, one for each sentence and first figure."""
    path = Path(name)
    row = {"document": name, "sha256": hashlib.sha256(raw).hexdigest()[:16], "figures": "0", "to_check": "0"}
    try:
        form = path.suffix.lower().lstrip(".")
        claims = draft_claims(raw.decode("utf-8", "replace"), source=path.name, form=form).claims
    except InputError:
        return row | {"figures": "refused"}, []
    report = audit_claims(claims)
    flags: dict[tuple[str, str], Row] = {}
    for finding in report.findings:
        kind, claim = kind_of(finding), claims.claim(finding.claims[0])
        if kind and claim is not None:
            flags.setdefault((kind, finding.sentence), {
                "document": name, "line": str(claim.source_line or ""), "metric": claim.metric,
                "printed": claim.printed, "check": finding.check_id, "kind": kind,
            })  # fmt: skip
    asked = sum(verdict.arithmetic is Arithmetic.CHECK for verdict in report.verdicts)
    return row | {"figures": str(len(claims.claims)), "to_check": str(asked)}, list(flags.values())


def measure(root: Path, executor: str | Workers = "serial", workers: int | None = None) -> None:
    """Audit every document of a folder and write what was found; the order is that of the names, whoever was first."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    tasks = [(str(path.relative_to(root)), path.read_bytes()) for path in paths]
    found = dict(run_tasks(of_document, tasks, executor=executor, workers=workers))
    documents = [found[place][0] for place in range(len(tasks))]
    write("documents", documents, ("document", "sha256", "figures", "to_check"))
    flags = [flag for place in range(len(tasks)) for flag in found[place][1]]
    write("flags", flags, ("document", "line", "metric", "printed", "check", "kind"))


def drawn(documents: Iterable[Row]) -> list[str]:
    """The documents to read in full, by the seed; the order of the frame does not matter."""
    return random.Random(SEED).sample(sorted(row["document"] for row in documents), DRAWN)


@dataclass(frozen=True)
class Share:
    """k of n with its 95% Wilson interval."""

    k: int
    n: int

    def __str__(self) -> str:
        if not self.n:
            return "none of 0"
        around = wilson(self.k, self.n)
        return f"{self.k} of {self.n}, {self.k / self.n:.1%} [{around.low:.1%}, {around.high:.1%}]"


def precision(flags: list[Row], verdicts: dict[tuple[str, ...], str], kind: str) -> tuple[Share, Share, int]:
    """By accusation and by document (right where all its accusations are), and how many nobody has judged."""
    mine = [flag for flag in flags if flag["kind"] == kind]
    judged = [(flag["document"], verdicts[key]) for flag in mine if (key := key_of(flag)) in verdicts]
    by_document: dict[str, bool] = {}
    for document, right in judged:
        by_document[document] = by_document.get(document, True) and right == "yes"
    each = Share(sum(right == "yes" for _, right in judged), len(judged))
    return each, Share(sum(by_document.values()), len(by_document)), len(mine) - len(judged)


def key_of(flag: Row) -> tuple[str, ...]:
    return flag["document"], flag["check"], flag["line"], flag["printed"]


def page(documents: list[Row], flags: list[Row], verdicts: list[Row], read_: list[Row]) -> str:
    """The page: a function of the committed tables alone."""
    known = {key_of(row): row["right"] for row in verdicts}
    with_figures = [row for row in documents if row["figures"] not in ("0", "refused")]
    counts = {kind: len({flag["document"] for flag in flags if flag["kind"] == kind}) for kind in KINDS}
    total = sum(int(row["figures"]) for row in with_figures)
    checks = Counter((flag["kind"], flag["check"]) for flag in flags if flag["kind"] in ACCUSING)
    results = [row for row in read_ if row["results"] == "yes"]
    wrong = Share(sum(row["inconsistent"] == "yes" for row in results), len(results))
    lines = [
        "# Census of printed figures: the pilot",
        "",
        "Written by `python studies/census.py` from `studies/census/*.csv`; the frame, the rules of judging and the",
        "command that measured them stand in its docstring. The pilot's documents were collected without their",
        "commits, so each is named by the hash of its bytes; a census proper records the commit.",
        "",
        f"Frame: {len(documents):,} documents, {len(with_figures):,} with a figure beside the name of a metric,",
        f"{total:,} figures.",
        "",
        "## How often, of the documents with figures",
        "",
        "| flagged | documents | share [95% Wilson] |",
        "|---|---|---|",
        *(f"| {kind} | {counts[kind]} | {Share(counts[kind], len(with_figures))} |" for kind in KINDS),
        "",
        "These are what the audit says, before judging; documents of one repository are not independent, so the",
        "intervals are too narrow.",
        "",
        "## How often right, by a person who read the document",
        "",
        "| accusation | right, by accusation | right, by document | not judged |",
        "|---|---|---|---|",
    ]
    for kind in ACCUSING:
        each, by_document, open_ = precision(flags, known, kind)
        lines.append(f"| {kind} | {each} | {by_document} | {open_} |")
    lines += ["", "| check | accusations |", "|---|---|"]
    lines += [f"| {check} ({kind}) | {count} |" for (kind, check), count in sorted(checks.items())]
    lines += [
        "",
        "“Explained by a baseline” and “not significant” were not judged one by one: they accuse of nothing.",
        "",
        "## What it misses",
        "",
        f"{len(read_)} documents drawn by seed {SEED} were judged by one reader (cards by their tables, the others by",
        f"the passages with figures); {len(results)} print results of a model or a strategy.",
        "",
        "| of those, by the reader | documents |",
        "|---|---|",
        f"| figures that cannot hold together | {wrong} |",
        *(f"| {words} | {Share(sum(row[key] == 'yes' for row in results), len(results))} |"
          for key, words in (("explained", "a headline that a baseline explains"),
                             ("not_significant", "a headline within the reach of chance"))),
        "",
    ]  # fmt: skip
    missed = sum(row["inconsistent"] == "yes" and row["caught"] != "yes" for row in results)
    if wrong.k:
        lines.append(f"Recall of contradictions among them: {Share(wrong.k - missed, wrong.k)}.")
    else:
        lines.append(
            "No document of the draw contradicts itself as far as the reader saw, so recall cannot be estimated; with"
            f" 95% confidence fewer than {wilson(0, len(results)).high:.1%} of such documents do."
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", type=Path, metavar="DOCUMENTS")
    parser.add_argument("--executor", choices=EXECUTORS, default="serial")
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        measure(arguments.measure, arguments.executor, arguments.workers)
    PAGE.write_text(page(read("documents"), read("flags"), read("verdicts"), read("drawn")), encoding="utf-8")


if __name__ == "__main__":
    main()
