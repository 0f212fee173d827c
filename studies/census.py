"""How often do public documents print figures that cannot hold, mean nothing, or are luck? A census, in five sets.

Run: ``python studies/census.py``                          rebuilds census.md from the committed figures, in seconds
     ``python studies/census.py --measure SET DOCUMENTS``  audits a folder of documents and writes the figures of that
     set anew; ``--executor process`` on all cores, ``--executor ray`` on a cluster, with the same figures

The **pilot** is 1,705 documents collected without their commits: the audit was developed on them. The **fresh** set was
drawn afterwards, the **third** after what the fresh one taught was mended, the **fourth** after the third, and the
**fifth** was held back until the fourth was mended, each by a frame that was fixed before the audit saw any of it
(`census/frame.md`): repositories, commits, kinds of documents, how many of a repository, all by a seed. A document is
named by repository, path and the first 16 hex digits of the SHA-256 of its bytes. No text is stored: of a flagged
figure the document, the line, the metric and the printed digits are kept, and what a person judged after reading the
document. Those judgements stand in ``verdicts.csv`` (every accusation, those that the audit has since withdrawn
included), ``first_sight.csv`` (those of every later set before anything was mended that the set taught) and
``drawn.csv`` (60 documents of the pilot and of the fresh set, drawn by their seeds; of the others none were drawn);
`--measure` never writes them. One reader judged each set: cards written by a training script by their tables,
the other drawn documents by the lines with figures. The readers of the fresh, third and fourth set also mended what
these taught, so that their precision is that of the audit after, not before, they were seen. The reader of the fifth
had no part in it and was stricter: a ratio of few trades or of openly fitted rows, where chance or the fit explains it,
counts there as wrongly doubted, and so does whatever is in doubt; the readers before him counted ratios beyond reach as
right whatever they were of.

Prevalence is counted by document, with Wilson intervals; precision by accusation and by document; recall from the drawn
documents alone, since only those were looked at whether or not the audit spoke.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from assay.audit.forensic import wilson
from assay.audit.judge import audit_claims
from assay.audit.read.project import draft_files
from assay.audit.verdicts import Arithmetic, Finding, Substance
from assay.data.errors import InputError
from assay.engine.executors import EXECUTORS, Workers, run_tasks

HERE = Path(__file__).resolve().parent
FIGURES, PAGE = HERE / "census", HERE / "census.md"
#: The sets; those of which documents were drawn to be read in full, each with its seed, and how many were drawn.
SETS = ("pilot", "fresh", "third", "fourth", "fifth")
SEEDS, DRAWN = {"pilot": 20261121, "fresh": 20261122}, 60
#: Kinds of flags: the two accusations, then what asks nothing of the author.
ACCUSING = ("inconsistent", "implausible")
KINDS = (*ACCUSING, "explained by a baseline", "not significant")
TABLES = ("documents", "flags", "verdicts", "drawn", "repositories", "first_sight")

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
    row = {"document": name, "sha256": hashlib.sha256(raw).hexdigest()[:16], "figures": "0", "to_check": "0"}
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"document{Path(name).suffix.lower()}"
            path.write_bytes(raw)
            claims = draft_files([path]).claims
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


def measure(name: str, root: Path, executor: str | Workers = "serial", workers: int | None = None) -> None:
    """Audit every document of a folder and write what was found as one set; the order is that of the names."""
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    tasks = [(str(path.relative_to(root)), path.read_bytes()) for path in paths]
    found = dict(run_tasks(of_document, tasks, executor=executor, workers=workers))
    documents = [found[place][0] for place in range(len(tasks))]
    flags = [flag for place in range(len(tasks)) for flag in found[place][1]]
    for table, rows, columns in (
        ("documents", documents, ("set", "document", "sha256", "figures", "to_check")),
        ("flags", flags, ("set", "document", "line", "metric", "printed", "check", "kind")),
    ):
        other = {known: _of(read(table), known) for known in SETS}
        other[name] = [{"set": name, **row} for row in rows]
        write(table, [row for rows_ in other.values() for row in rows_], columns)


def drawn(documents: Iterable[Row], name: str) -> list[str]:
    """The documents of a set to read in full, by its seed; the order of the frame does not matter."""
    return random.Random(SEEDS[name]).sample(sorted(row["document"] for row in documents), DRAWN)


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


def precision(flags: list[Row], verdicts: Mapping[tuple[str, ...], str], kind: str) -> tuple[Share, Share, int]:
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


def _of(rows: Iterable[Row], name: str) -> list[Row]:
    """The rows of a set; those of all for ``"all"``."""
    return [row for row in rows if name in ("all", row["set"])]


def _place(flag: Row, commits: Mapping[str, str]) -> str:
    """Where a flagged figure stands: repository, path and line, as a link where the commit is known."""
    repository, _, path = flag["document"].partition("/")
    shown = f"`{repository.replace('+', '/')}` {path} line {flag['line']}"
    if repository not in commits:
        return shown.replace("`repositories` ", "")
    home = f"https://github.com/{repository.replace('+', '/')}/blob/{commits[repository]}"
    return f"[{shown}]({home}/{quote(path)}#L{flag['line']})"


def page(
    documents: list[Row], flags: list[Row], verdicts: list[Row], read_: list[Row], repositories: list[Row],
    first_sight: list[Row],
) -> str:  # fmt: skip
    """The page: a function of the committed tables alone."""
    known = {key_of(row): row["right"] for row in verdicts}
    sets = tuple(name for name in SETS if _of(documents, name))
    names = (*sets, "all")
    lines = [
        "# Census of printed figures",
        "",
        "Written by `python studies/census.py` from `studies/census/*.csv`; the rules of judging and the command that",
        "measured them stand in its docstring, the frames of the later sets in `census/frame.md`. The pilot's",
        "documents were collected without their commits, so each is named by the hash of its bytes.",
        "",
        "| set | repositories | documents | with a figure beside the name of a metric | figures |",
        "|---|---|---|---|---|",
    ]
    printing: dict[str, int] = {}
    for name in names:
        mine = _of(documents, name)
        with_figures = [row for row in mine if row["figures"] not in ("0", "refused")]
        printing[name] = len(with_figures)
        homes = {_home(row["document"]) for row in mine} - {""}
        total = sum(int(row["figures"]) for row in with_figures)
        lines.append(f"| {name} | {len(homes)} | {len(mine):,} | {len(with_figures):,} | {total:,} |")
    judged = _precision(flags, known, sets), _at_first_sight(first_sight), _missed(read_, sets)
    lines += [line for part in (_prevalence(flags, printing), *judged) for line in ("", *part)]
    commits = {row["repository"].replace("/", "+"): row["commit"] for row in repositories}
    lines += ["", "## Where it says inconsistent", "", "| figure | check | where | right |", "|---|---|---|---|"]
    for flag in flags:
        if flag["kind"] == "inconsistent":
            right = known.get(key_of(flag), "not judged")
            figure = f"{flag['metric'].replace('_', ' ')} {flag['printed']}"
            lines.append(f"| {figure} | {flag['check']} | {_place(flag, commits)} | {right} |")
    return "\n".join(lines) + "\n"


def _home(document: str) -> str:
    """The repository of a document; none of a model card."""
    parts = document.split("/")
    return "" if parts[0] == "model_cards" else parts[1] if parts[0] == "repositories" else parts[0]


def _prevalence(flags: list[Row], printing: Mapping[str, int]) -> list[str]:
    lines = [
        "## How often, of the documents with figures",
        "",
        "| flagged | " + " | ".join(printing) + " |",
        "|---" * (len(printing) + 1) + "|",
    ]
    for kind in KINDS:
        shares = [
            Share(len({flag["document"] for flag in _of(flags, name) if flag["kind"] == kind}), n)
            for name, n in printing.items()
        ]
        lines.append(f"| {kind} | " + " | ".join(map(str, shares)) + " |")
    return [
        *lines, "",
        "These are what the audit says, before judging; documents of one repository are not independent, so the",
        "intervals are too narrow.",
    ]  # fmt: skip


def _precision(flags: list[Row], known: Mapping[tuple[str, ...], str], sets: tuple[str, ...]) -> list[str]:
    lines = [
        "## How often right, by a person who read the document",
        "",
        "| accusation | set | right, by accusation | right, by document | not judged |",
        "|---|---|---|---|---|",
    ]
    for kind in ACCUSING:
        for name in (*sets, "all"):
            each, by_document, open_ = precision(_of(flags, name), known, kind)
            lines.append(f"| {kind} | {name} | {each} | {by_document} | {open_} |")
    checks = Counter((flag["kind"], flag["check"], flag["set"]) for flag in flags if flag["kind"] in ACCUSING)
    lines += ["", "| check | " + " | ".join(sets) + " |", "|---" * (len(sets) + 1) + "|"]
    for kind, check in sorted({key[:2] for key in checks}):
        lines.append(f"| {check} ({kind}) | " + " | ".join(str(checks[kind, check, name]) for name in sets) + " |")
    accused = {flag["document"] for flag in flags if flag["kind"] == ACCUSING[0]}
    homes = Counter(map(_home, accused))
    return [
        *lines, "",
        (f"The {len(accused)} documents called inconsistent are of {len(homes)} repositories, the most of one"
        f" {max(homes.values(), default=0)}."), "",
        "An accusation is right where the printed figures cannot hold together as a reader takes them; invented",
        "figures of an example count as printed. “Explained by a baseline” and “not significant” were not judged one",
        "by one: they accuse of nothing.",
    ]  # fmt: skip


def _at_first_sight(rows: list[Row]) -> list[str]:
    """How often the audit was right on a set before anything was mended that it taught."""
    lines = ["| at first sight | set | right, by accusation | right, by document |", "|---|---|---|---|"]
    for kind, name in sorted({(row["kind"], row["set"]) for row in rows}, reverse=True):
        each, by_document, _ = precision(_of(rows, name), {key_of(row): row["right"] for row in rows}, kind)
        lines.append(f"| {kind} | {name} | {each} | {by_document} |")
    return [
        "Before anything was mended that a set taught, an accusation was right there as often as this",
        "(`first_sight.csv`; of the fresh set “implausible” was not counted then). What a set nobody has looked at",
        "may expect lies between this and the table above.",
        "",
        *lines,
    ]


def _missed(read_: list[Row], sets: tuple[str, ...]) -> list[str]:
    lines = ["## What it misses", ""]
    for name, seed in SEEDS.items():
        mine = _of(read_, name)
        results = [row for row in mine if row["results"] == "yes"]
        wrong = Share(sum(row["inconsistent"] == "yes" for row in results), len(results))
        lines += [
            (f"{name.capitalize()}: {len(mine)} documents drawn by seed {seed}, judged by one reader; {len(results)}"
            " print results of a model or a strategy."),
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
        early = sum(row["inconsistent"] == "yes" and row["caught_first"] == "yes" for row in results)
        if wrong.k:
            lines += [
                f"Recall of contradictions among them: {Share(wrong.k - missed, wrong.k)}; before the audit was taught",
                f"what these documents print, {Share(early, wrong.k)}.",
                "",
            ]
        else:
            lines += [
                ("No document of the draw contradicts itself as far as the reader saw, so recall cannot be estimated;"
                f" with 95% confidence fewer than {wilson(0, len(results)).high:.1%} of such documents do."),
                "",
            ]
    return [*lines, *(f"{name.capitalize()}: no documents were drawn." for name in sets if name not in SEEDS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs=2, metavar=("SET", "DOCUMENTS"))
    parser.add_argument("--executor", choices=EXECUTORS, default="serial")
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        name, folder = arguments.measure
        if name not in SETS:
            parser.error(f"unknown set {name!r}; known: {', '.join(SETS)}")
        measure(name, Path(folder), arguments.executor, arguments.workers)
    PAGE.write_text(page(*map(read, TABLES)), encoding="utf-8")


if __name__ == "__main__":
    main()
