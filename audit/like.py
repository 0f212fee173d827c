"""A report made again: its printed figures beside what the model gives on these prices, and the audit's verdict.

A figure of another run of the report, or one that these prices cannot give, says so in its place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from assay.audit.claims.files import load_claims
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.judge import audit_claims
from assay.audit.report import claim_words, render_page
from assay.audit.verdicts import Verdict, as_printed, number
from assay.data.card import plural
from assay.data.errors import UnknownNameError
from assay.results.evidence.training_report import TITLES, Figures
from assay.results.report.tables import table_lines

__all__ = ["LikeReport", "like", "render_like", "render_like_html", "report_claims"]

_CLAIMS = Path(__file__).resolve().parents[1] / "data" / "claims"
#: Metrics of what a report was made of.
_OF_THE_DATA = ("target_low", "target_high", "target_range", "n_samples", "training_time", "configurations_tested")
#: Runs of a report that are presets of the model; the report preset is the last.
_PRESETS = ("baseline", "deeper", "original", "wider")
_RELATED = {
    "ratio": lambda first, second: second / first,
    "difference": lambda first, second: abs(second - first),
    "change": lambda first, second: second / first - 1,
    "reduction": lambda first, second: 1 - second / first,
}
_COLUMNS = ("printed", "claim", "validation", "test", "here", "arithmetic", "substance")


def report_claims(name: str) -> ClaimSet:
    """The claims of a report that ships, by its name, or of a claims file; `UnknownNameError` if it is neither."""
    known = sorted(path.stem for path in _CLAIMS.glob("*.toml"))
    if name not in known and not name.endswith(".toml"):
        raise UnknownNameError("report", name, known)
    return load_claims(_CLAIMS / f"{name}.toml" if name in known else name)


@dataclass(frozen=True, eq=False)
class LikeRow:
    """A printed figure beside what was measured."""

    verdict: Verdict  # of the audit, with the claim
    validation: float  # what the model gave, NaN where it has no such figure
    test: float
    place: str  # where the print lies against what was measured, in words


@dataclass(frozen=True, eq=False)
class LikeReport:
    """A report's figures made again."""

    claims: ClaimSet  # the report's
    rows: tuple[LikeRow, ...]  # a row a figure, each printed once, in the report's order
    tables: Mapping[str, pd.DataFrame]  # of the model, as the report prints them
    about: str  # what was run, one sentence
    notes: tuple[str, ...] = ()  # what a reader has to know

    @property
    def summary(self) -> str:
        """How many figures were measured, and how many of those lie where the report prints them."""
        measured = [row for row in self.rows if math.isfinite(row.validation) or math.isfinite(row.test)]
        near = sum(row.place in ("as printed", "met") for row in measured)
        known = f"{len(measured)} of them measured here, {near} as printed or met"
        return f"{plural(len(self.rows), 'figure')} of the report, {known}"

    def cells(self) -> list[dict[str, str]]:
        """The rows as text: the columns of the page, and the sentence behind the verdicts."""
        out = []
        for row in self.rows:
            claim, verdict = row.verdict.claim, row.verdict
            texts = (claim.printed, _words(self.claims, claim), _shown(row.validation, claim),
                     _shown(row.test, claim), row.place, verdict.arithmetic, verdict.substance)  # fmt: skip
            out.append(dict(zip(_COLUMNS, texts, strict=True)) | {"because": verdict.because})
        return out

    def printed_tables(self) -> dict[str, pd.DataFrame]:
        """The tables by their titles, of texts, the index a column; of a long training few epochs."""
        tables = dict(self.tables)
        if len(epochs := tables.get("epochs", pd.DataFrame())) > 12:
            last = epochs.index[-1]
            tables["epochs"] = epochs.loc[[x for x in epochs.index if x in (1, last) or x % 5 == 0]]

        def shown(x: object) -> str:
            return str(x).replace("_", " ") if not isinstance(x, float) else number(x) if math.isfinite(x) else "–"

        named = {name: table if table.index.name or table.index.nlevels > 1 else table.rename_axis("")
                 for name, table in tables.items()}  # fmt: skip
        return {TITLES.get(name, name): table.reset_index().map(shown) for name, table in named.items()}


def like(claims: ClaimSet, figures: Figures, *, preset: str, about: str, notes: Sequence[str] = ()) -> LikeReport:
    """Lay a report's printed figures (`report_claims`) beside what a model gave (`training_figures`); those of other
    configurations than its `preset` are left to their own, `about` and `notes` are as in `LikeReport`."""
    rows: dict[tuple[str, ...], LikeRow] = {}
    for verdict in audit_claims(claims).verdicts:
        claim, split = verdict.claim, claims.split_of(verdict.claim)
        why = _another_run(claims, claim, preset)
        parts = ((figures.validation, ("test", "prediction")), (figures.test, ("validation", "train")))
        validation, test = (
            math.nan if why or claim.split in others else _figure(claims, claim, part) for part, others in parts
        )
        own = (validation, test) if split in ("validation", "train") else (test, validation)
        same = (claim.metric, claim.printed, claim.group, claim.label, claim.at, split)
        rows.setdefault(same, LikeRow(verdict, validation, test, why or _place(claim, figures, *own)))
    return LikeReport(claims, tuple(rows.values()), figures.tables, about, tuple(notes))


def _words(claims: ClaimSet, claim: Claim) -> str:
    """The claim in words; one that follows from others of one metric says which, such as ``change of accuracy``."""
    words, of = claim_words(claim, claims.split_of(claim)), {item.metric for item in _inputs(claims, claim)}
    first = claim.metric.replace("_", " ")
    if claim.relation not in _RELATED or len(of) != 1 or claim.metric in of:
        return words
    return f"{first} of {of.pop().replace('_', ' ')}{words.removeprefix(first)}"


def _inputs(claims: ClaimSet, claim: Claim) -> list[Claim]:
    return [item for item in map(claims.claim, claim.inputs) if item is not None]


def _another_run(claims: ClaimSet, claim: Claim, preset: str) -> str:
    """Why a figure is of another run than this one, or ``""``."""
    if claim.group in _PRESETS:
        own = _PRESETS[-1] if preset in ("report", "default") else preset
        return "" if claim.group == own else f"another preset: {claim.group}"
    if claim.metric in _OF_THE_DATA:
        return "a fact of the report's own data"
    other = _stage(claims, claim)
    if "no result" in other or not (claim.target or claim.value.bound):
        related = _inputs(claims, claim) if claim.relation in _RELATED else []
        return other or next((f"against {stage}" for item in related if (stage := _stage(claims, item))), "")
    return ""


def _stage(claims: ClaimSet, claim: Claim) -> str:
    """What a claim's run is, where that is another than those of no stage or the final one, or ``""``."""
    stage, made_again = claims.group(claim.group).stage, any(group.stage in ("", "final") for group in claims.groups)
    return stage if made_again and stage != "final" else ""


def _figure(claims: ClaimSet, claim: Claim, part: Mapping[tuple[str, str, str], float], depth: int = 0) -> float:
    """The measured figure of a claim, or what follows from those of its inputs; NaN where there is none."""
    label = claim.label.lower()
    label = label.split()[0] if label.startswith(("top quintile", "bottom quintile")) else label
    architecture = claims.group(claim.group).architecture
    if claim.metric == "parameters" and architecture:  # PyTorch keeps two biases a gate, Keras one
        label = label or architecture.framework
    if (key := (claim.metric, label, claim.at)) in part:
        return part[key]
    inputs = [item for item in _inputs(claims, claim) if not _stage(claims, item)]
    if claim.relation not in _RELATED or depth > 3 or len(inputs) != 2:
        return math.nan
    first, second = (_figure(claims, item, part, depth + 1) for item in inputs)
    return _RELATED[claim.relation](first, second) if first or claim.relation == "difference" else math.nan


def _place(claim: Claim, figures: Figures, *measured: float) -> str:
    """Where the first figure that was measured lies against the print, or why there is none."""
    value = next(filter(math.isfinite, measured), None)
    if value is None:
        last = figures.validation.get(("epochs_run", "", ""), math.inf)
        epoch = claim.at.removeprefix("epoch ")
        ended = claim.at != epoch and epoch.isdecimal() and int(epoch) > last
        return f"training ended at epoch {last:.0f}" if ended else "not given by this run"
    interval = claim.value.interval
    inside = interval.low <= value <= interval.high
    if claim.group == "alerts":
        return "the alert goes off" if inside else "no alert"
    if claim.value.bound in (">", ">=", "<", "<=") or (claim.target and inside):
        return "met" if inside else "not met"
    return "as printed" if inside else "above the print" if value > interval.high else "below the print"


def _shown(value: float, claim: Claim) -> str:
    """A measured figure in the form of the print."""
    if not math.isfinite(value):
        return "–"
    if claim.metric == "file_size":
        return f"{value / 1e3:,.{int(value < 1e4)}f} KB"
    return as_printed(value, claim.value)


def render_like(report: LikeReport) -> str:
    """The page for a terminal: a row a printed figure, then the model's own tables."""
    rows = [[row[name] for name in _COLUMNS] for row in report.cells()]
    lines = [report.claims.title, report.about, "", *table_lines(_COLUMNS, rows, width=170), "", report.summary]
    lines += [f"note: {note}" for note in report.notes]
    for title, table in report.printed_tables().items():
        lines += ["", title, *(line.rstrip() for line in table.to_string(index=False).splitlines())]
    return "\n".join(lines)


def render_like_html(report: LikeReport) -> str:
    """The page (`like.html`), which needs nothing else; every text is escaped."""
    title = f"{report.claims.title or report.claims.source}, made again"
    return render_page("like.html", report=report, title=title, columns=_COLUMNS, tables=report.printed_tables())
