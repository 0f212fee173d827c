"""A sheet or a verdict held against the run made again from its bundle: every number that differs is named.

What is recomputed comes from the bundle's inputs (prices, predictions, study, ledger), not from the figures that it
stores. Of a walk-forward the predictions are inputs: what only fitting its models again could give (its baselines,
seeds, canaries and training curves) is taken as stored, and that is said, unless fitting is asked for.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from assay.data.align import align
from assay.data.card import Card
from assay.data.errors import BacktestError, InputError
from assay.data.panel import ACTIONS, PredictionPanel
from assay.results.checks.outcomes import CheckOutcomes
from assay.results.checks.trading import Trading
from assay.results.checks.trials import TrialCount
from assay.results.gate.formats import decision_junit, decision_markdown
from assay.results.gate.policy import GateDecision, judge, load_policy, policy_names
from assay.results.report.document import Document, read_document
from assay.results.report.drawn_from import DrawnFrom, read_drawn_from
from assay.results.report.printed import (
    Difference,
    Unit,
    count_numbers,
    differences,
    html_units,
    json_units,
    text_units,
)
from assay.results.report.printed_pdf import PdfText, laid_out_units, pdf_differences, printed_units, read_pdf
from assay.results.report.tearsheet import MARKS, render_excerpt, render_tearsheet, write_tearsheet
from assay.results.storage.chain import entries, last_entry
from assay.results.storage.kept import left_out
from assay.results.storage.places import using_ledger
from assay.results.storage.runs import Run, add_checks, load_run, run_id, to_json
from assay.results.storage.trial_ledger import Trials, export_market, read_trials, scenario_of, search_of
from assay.results.workflow.backtests import Bookkeeping, JoinedInputs, Origin, run_joined
from assay.results.workflow.bundles import LARGEST, LEDGER
from assay.results.workflow.inputs import load_market, load_styles
from assay.results.workflow.kept_study import read_kept
from assay.results.workflow.requests import Checks, Progress, Silent
from assay.results.workflow.signatures import check_signature
from assay.results.workflow.study import CheckSection, ReportSection, Study
from assay.results.workflow.study_runs import make_run
from assay.results.workflow.walk_forwards import DEFAULT_STRATEGY

__all__ = ["Proof", "Recomputed", "opened_bundle", "recomputed", "verify"]

#: Files that a bundle may hold.
_MOST_FILES = 10_000
#: A Sharpe ratio that somebody gave, as a PDF's chart names it.
_REPORTED = re.compile(r"\breported ([-−]?[\d,]+\.\d+)")
#: Tables and metrics of a walk-forward that come from fits which are not made again.
_FITTED = ("folds", "fold_metrics", "baselines", "baseline_skill", "training", "seeds",
           "importance", "importance_folds")  # fmt: skip
#: Checks of a walk-forward that fit models again.
_REFIT_CHECKS = ("canaries", "leaks")


@dataclass(frozen=True)
class Proof(Card):
    """What holding a document against its run gave.

    Parameters
    ----------
    document : its name.
    kind : tear sheet, excerpt, gate decision …
    run : id of the run.
    numbers : how many were held against recomputed ones.
    differences : what differs, in the order of the document.
    taken : what could not be recomputed and was taken as the bundle has it.
    signer : the public key that signed the bundle, or None.
    versions : where the run was made with other versions than it was made again with: which.

    """

    document: str
    kind: str
    run: str
    numbers: int
    differences: tuple[Difference, ...]
    taken: tuple[str, ...] = ()
    signer: str | None = None
    versions: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def card(self) -> tuple[str, list[tuple[str, str]]]:
        """The verdict, each difference, and what was taken as stored."""
        held = f"{self.numbers:,} numbers of the {self.kind} recomputed from {self.run}"
        verdict = "all as printed" if self.agrees else f"{len(self.differences):,} differences"
        rows = [("differs", item.sentence) for item in self.differences]
        rows += [("taken as stored", item) for item in self.taken]
        rows += [] if self.agrees else [("another version", item) for item in self.versions]
        rows += [] if self.signer is None else [("signed by", self.signer)]
        return f"{self.document}: {held}: {verdict}", rows

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: document, kind, run_id, numbers, agrees, differences, taken, signer, versions."""
        listed = [
            {"place": item.place, "printed": item.printed, "recomputed": item.recomputed} for item in self.differences
        ]
        return {
            "document": self.document, "kind": self.kind, "run_id": self.run, "numbers": self.numbers,
            "agrees": self.agrees, "differences": listed, "taken": list(self.taken), "signer": self.signer,
            "versions": list(self.versions),
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Recomputed:
    """A run made again from its bundle.

    Parameters
    ----------
    run : the new one, in a folder that is removed afterwards.
    stored : the one in the bundle.
    ledger : the bundle's own trials.
    taken : what of the new run was taken as stored.
    signer : who signed the bundle.
    versions : see `Proof`.
    counted_there : whether that ledger is the one that the run's trials were counted in.

    """

    run: Run
    stored: Run
    ledger: Path
    taken: tuple[str, ...]
    signer: str | None
    versions: tuple[str, ...]
    counted_there: bool = True


@contextmanager
def opened_bundle(bundle: Path, *, signer: str | None = None) -> Iterator[tuple[Run, str | None]]:
    """The run in a zip of `runs export`, unpacked into a folder that is removed afterwards, and who signed it.

    Raises
    ------
    InputError
        If it is no such zip, a name in it leaves its folder, or a signature does not fit.

    """
    with tempfile.TemporaryDirectory(prefix="assay-bundle-") as place:
        try:
            with zipfile.ZipFile(bundle) as packed:
                contents = _read_all(bundle, packed)
        except OSError as error:
            raise InputError(f"bundle {bundle}: {error.strerror or error}") from None
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            if isinstance(error, BacktestError):
                raise
            raise InputError(f"bundle {bundle}: not a sound zip; `runs export RUN bundle.zip` writes one") from None
        signed = check_signature(contents, signer)
        try:
            name = str(json.loads(contents["manifest.json"])["id"])
        except (KeyError, ValueError, TypeError, RecursionError):
            raise InputError(f"bundle {bundle}: holds no run; `runs export RUN bundle.zip` writes one") from None
        if LEDGER not in contents:
            raise InputError(f"bundle {bundle}: holds no {LEDGER} (an earlier version made it); export the run again")
        if not name or "/" in name or "\\" in name or name.startswith("."):
            raise InputError(f"bundle {bundle}: {name!r} is no name of a run")
        folder = Path(place) / name
        for inside, data in contents.items():
            target = folder / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        yield load_run(folder), signed


def _read_all(bundle: Path, packed: zipfile.ZipFile) -> dict[str, bytes]:
    listed = packed.infolist()
    if len(listed) > _MOST_FILES or sum(item.file_size for item in listed) > LARGEST:
        raise InputError(f"bundle {bundle}: unpacks to more than {LARGEST >> 30} GB or {_MOST_FILES:,} files")
    for item in listed:
        path = PurePosixPath(item.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in item.filename or ":" in item.filename:
            raise InputError(f"bundle {bundle}: {item.filename!r} would be written outside its folder")
    return {item.filename: packed.read(item) for item in listed if not item.is_dir()}


@contextmanager
def recomputed(
    bundle: Path,
    *,
    progress: Progress | None = None,
    refit: bool = False,
    trust_code: bool = False,
    signer: str | None = None,
    document: Path | Document | None = None,
) -> Iterator[Recomputed]:
    """Make the run of a bundle again, from its inputs alone and with its own ledger.

    Parameters
    ----------
    bundle : a zip of `runs export`.
    document : what will be held against it: trials are counted as they were when it was drawn. Default: as they were
        when the run was counted last.
    progress : who is told.
    refit : fit the models of a walk-forward again, however long that takes.
    trust_code : run strategies, models and features of the bundle's own files.
    signer : the public key that must have signed it.

    Raises
    ------
    InputError
        If the bundle is damaged, reaches outside itself, brings code that is not trusted, or cannot be run.

    """
    state = None if document is None else read_drawn_from(_opened(document).text)
    with (
        opened_bundle(bundle, signer=signer) as (stored, signed),
        tempfile.TemporaryDirectory(prefix="assay-verify-") as place,
    ):
        study = _safe(read_kept(stored), stored.path, trust_code=trust_code)
        known = stored.path / LEDGER
        counted = CheckOutcomes.of(stored).trials
        then = Path(place) / "then.sqlite"
        through = 0 if counted is None else counted.through
        if state is not None and through:
            through = state.through
        export_market(_prices_of(stored), then, through=through, path=known)
        config = stored.manifest["config"]
        tried = read_trials(_prices_of(stored), scenario=scenario_of(config), own=search_of(config), path=then)
        asked = _checks_of(stored, fitted=study.model is not None and not refit)
        if counted is not None:
            asked = replace(asked, trials_elsewhere=counted.elsewhere)
        study = replace(study, checks=asked, gate=None, report=ReportSection(keep=study.report.keep), made_from={})
        taken: tuple[str, ...] = ()
        with using_ledger(then):
            if study.model is None or refit:
                run = make_run(study, root=Path(place) / "runs", progress=progress).run
            else:
                run, taken = _from_predictions(study, stored, Path(place) / "runs", progress)
            there = counted is None or _counted_in(tried, counted, through)
            if not there:
                run = add_checks(run, {"trials": stored.checks["trials"]})
                taken = (*taken, "trials (the bundle's ledger is not the one that the run was counted in)")
            elif counted is not None:  # made again under another name, the run is one member more
                older = {} if counted.pbo_basis else {"pbo": None, "pbo_basis": ""}
                run = add_checks(run, {"trials": {**run.checks["trials"], "through": tried.last, **older}})
        named = _as_named(run, stored)
        made = Recomputed(named, stored, known, taken, signed, _other_versions(run, stored), there)
        with using_ledger(then):
            yield made


def _prices_of(stored: Run) -> str:
    return str(stored.manifest.get("fingerprints", {}).get("prices", ""))


def _counted_in(tried: Trials, counted: TrialCount, through: int) -> bool:
    """Whether a ledger is the one that the run's trials were counted in: it knows the run, and as many others."""
    return not counted.trial or (
        counted.trial in tried.table.index and (through != counted.through or tried.count == counted.in_ledger)
    )


def _as_named(run: Run, stored: Run) -> Run:
    """The new run under the names that its files had where it was made, which its id is a hash of, and by whom."""
    config: dict[str, Any] = _with_names(run.manifest["config"], stored.manifest["config"], str(stored.path))
    name = run_id(run.id.rpartition("-")[0], config, run.manifest["fingerprints"])
    if name != run.id:
        run.path.rename(run.path.with_name(name))
    facts: dict[str, Any] = {key: stored.manifest[key] for key in ("versions", "git_commit") if key in stored.manifest}
    return Run(run.path.with_name(name), {**run.manifest, **facts, "config": config, "id": name}, run.metrics)


def _other_versions(run: Run, stored: Run) -> tuple[str, ...]:
    """With which other versions a run was made; another version of Assay may draw another sheet of the same figures."""
    then, now = ({"commit": item.manifest.get("git_commit"), **item.manifest.get("versions", {})}
                 for item in (stored, run))  # fmt: skip
    return tuple(f"{name}: was {then[name]}, is {now.get(name)}" for name in then if then[name] != now.get(name))


def _with_names(new: Any, old: Any, folder: str) -> Any:
    """Settings, in which whatever names a file in `folder` is what it was."""
    if isinstance(new, Mapping):
        before = old if isinstance(old, Mapping) else {}
        return {key: _with_names(value, before.get(key), folder) for key, value in new.items()}
    return old if isinstance(new, str) and folder in new and isinstance(old, str) else new


def _safe(study: Study, folder: Path, *, trust_code: bool) -> Study:
    """The study, whose files must lie in the bundle and whose code must be ours or trusted."""
    inside = folder.resolve()
    for name in study.paths():
        if not Path(name).resolve().is_relative_to(inside):
            raise InputError(f"bundle: its study names {name}, which lies outside the bundle; nothing was read")
    parts = study.parts()
    for section in (study.strategy, study.model, study.costs):
        values = () if section is None else section.parameters.values()
        parts += [value for value in values if isinstance(value, str)]
    for name in parts:
        if ":" in name and not trust_code:
            raise InputError(f"bundle: brings code of its own, {name}, which would be run; --trust-code runs it")
    return study


def _checks_of(stored: Run, *, fitted: bool) -> CheckSection:
    """The checks that the stored run has, to be made again."""
    there, found = stored.checks, CheckOutcomes.of(stored)
    runs = 200 if found.random_scores is None else int(found.random_scores.runs)
    study = read_kept(stored).checks
    return replace(
        study,
        leaks="leaks" in there and not fitted,
        cross_check="cross_check" in there,
        canaries="random_scores" in there,
        capacity="capacity" in there,
        random_runs=runs,
    )


def _from_predictions(
    study: Study, stored: Run, root: Path, progress: Progress | None
) -> tuple[Run, tuple[str, ...]]:
    """The run of a walk-forward from the predictions in the bundle; and what of it was taken as stored."""
    prices, benchmark = load_market(study.data)
    predictions = _stored_predictions(stored, study)
    config = stored.manifest["config"]
    outcomes = CheckOutcomes.of(stored)
    tables = {name: stored.table(name) for name in _FITTED if stored.has(name)}
    logs = {name: stored.metrics[name] for name in ("training_logs",) if name in stored.metrics}
    made_by = {name: config[name] for name in ("recipe", "walk_forward", "seeds") if name in config}
    origin = Origin(
        made_by, canaries=outcomes.canaries, tables=tables, metrics=logs,
        notes={name: stored.manifest[name] for name in ("seeds",) if name in stored.manifest},
    )  # fmt: skip
    checks = Checks(**{item.name: getattr(study.checks, item.name) for item in fields(Checks)})
    joined, report = align(predictions, prices)
    costs = study.costs.load(prices, study.data.reading("costs"))
    made = run_joined(
        Trading(study.load_strategy(DEFAULT_STRATEGY), costs, study.execution),
        JoinedInputs(joined, prices, benchmark, report.counts, report.messages(), load_styles(study.data)),
        origin,
        study.engine,
        checks,
        Bookkeeping(root, study.checks.trials_elsewhere, study.report.keep),
        progress or Silent(),
        0.0,
    ).run
    kept = {kind: stored.checks[kind] for kind in _REFIT_CHECKS if kind in stored.checks}
    names = [name.replace("_", " ") for name in (*logs, *tables, *kept)]
    return add_checks(made, kept), (f"{', '.join(names)} (from fits of the models; --refit makes them again)",)


def _stored_predictions(stored: Run, study: Study) -> PredictionPanel:
    """The predictions of a run from its tables, proved by their fingerprint."""
    def table(name: str) -> pd.DataFrame | None:
        return stored.table(name) if stored.has(name) else None

    reason = left_out("score", stored.kept)
    if reason is not None:
        raise InputError(f"bundle of {stored.id}: {reason} (--refit fits the models again)")

    action = {name: found for name in ACTIONS if (found := table(f"action_{name}")) is not None}
    given: dict[str, Any] = {name: table(name) for name in ("score", "probability_up", "dispersion", "receipts")}
    panel = PredictionPanel(
        **given,
        action=action or None,
        horizon=int(stored.manifest["config"].get("horizon", 1)),
        delay=max(study.execution.delay, 1),
        name=str(stored.manifest.get("model") or "predictions"),
    )
    wanted = stored.manifest.get("fingerprints", {}).get("predictions")
    changes: tuple[dict[str, Any], ...] = (
        {}, {"unit": "rank"}, {"zero_is_neutral": True}, {"unit": "rank", "zero_is_neutral": True},
    )  # fmt: skip
    for change in changes:
        tried = replace(panel, **change)
        if tried.fingerprint == wanted:
            return tried
    raise InputError(f"bundle of {stored.id}: its predictions are not those that the run was made from")


def verify(document: Path | Document, made: Recomputed, *, policy: Path | None = None) -> Proof:
    """Hold a sheet, an excerpt or a gate decision against the run made again.

    Parameters
    ----------
    document : HTML or PDF of `tearsheet`, its Markdown, or a decision of `gate` as JSON, Markdown or JUnit XML; its
        file, or what `read_document` gave. A PDF is held by its text; shapes in its drawings are not judged.
    made : see `recomputed`.
    policy : the file of a policy that does not ship.

    Raises
    ------
    InputError
        If the document is none of these, its policy is not at hand, or it is a PDF and pypdf is not installed.

    """
    document = _opened(document)
    text, pdf = document.text, document.pdf
    start = text.lstrip()[:200].lower()
    taken, right = made.taken, []
    if pdf is not None or start.startswith(("<!doctype html", "# tear sheet")):
        with _as_drawn(made, read_drawn_from(text), policy) as (run, more):
            taken = (*taken, *more)
            if pdf is not None:
                kind, right = "tear sheet", _printed_again(run, document, pdf)
                found = pdf_differences(pdf, right)
            elif start.startswith("#"):
                kind, right = "excerpt", text_units(render_excerpt(run))
                found = differences(text_units(text), right)
            else:
                kind, right = "tear sheet", html_units(render_tearsheet(run, _marks(document)))
                found = differences(html_units(text), right)
    else:
        kind, found = "gate decision", []
        units, candidates = _decision_units(document, start, made, policy)
        for number, right in enumerate(candidates):
            tried = differences(units, right)
            found = tried if number == 0 or len(tried) < len(found) else found
            if not tried:
                break
    count = count_numbers(right)
    return Proof(str(document.path), kind, made.run.id, count, tuple(found), taken, made.signer, made.versions)


def _opened(document: Path | Document) -> Document:
    return document if isinstance(document, Document) else read_document(document)


def _printed_again(run: Run, document: Document, pdf: PdfText) -> list[Unit]:
    """What a PDF of a run should print, by whatever made it."""
    given = _REPORTED.search(" ".join(piece.text for piece in pdf.pieces))
    marks = {"reported": float(given[1].replace("−", "-").replace(",", ""))} if given else {}
    if pdf.browser:
        return printed_units(render_tearsheet(run, marks))
    with tempfile.TemporaryDirectory(prefix="assay-verify-") as place:
        path = Path(place) / "sheet.pdf"
        write_tearsheet(run, path, marks=marks, browser=False)
        content = path.read_bytes()
        return laid_out_units(pdf if content == document.content else read_pdf(content, path))


def _decision_units(
    document: Document, start: str, made: Recomputed, policy: Path | None
) -> tuple[list[Unit], Iterator[list[Unit]]]:
    """The units of a gate's decision, and those it may have: as first judged, or as the bundle's ledger stands."""
    text = document.text
    if start.startswith("{"):
        try:
            units, content = json_units(text), json.loads(text)
            name = str(content.get("policy"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{document.path}: no gate decision: {error}") from None
        return units, (json_units(to_json(item.to_dict())) for item in _decisions(made, name, policy, content))
    if start.startswith("<?xml"):
        name = text.partition("<testsuite name=\"gate ")[2].partition(":")[0]
        return text_units(text), (text_units(decision_junit(item)) for item in _decisions(made, name, policy))
    if start.startswith("### "):
        name = text.partition(" · policy ")[2].split("\n")[0].split(" · champion ")[0]
        return text_units(text), (text_units(decision_markdown(item)) for item in _decisions(made, name, policy))
    raise InputError(
        f"{document.path}: neither a tear sheet (HTML, PDF or Markdown) nor a gate decision (JSON, Markdown, JUnit XML)"
    )


def _marks(document: Document) -> dict[str, float]:
    """The Sharpe ratios that somebody asked to be drawn beside the run's own: given, not computed."""
    given = document.text.partition(f'<meta name="{MARKS}" content="')[2].partition('"')[0]
    try:
        marks = json.loads(given.replace("&#34;", '"').replace("&amp;", "&")) if given else {}
        return {str(name): float(value) for name, value in marks.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{document.path}: its {MARKS} are damaged") from None


def _decisions(
    made: Recomputed, name: str, policy: Path | None, stored: Mapping[str, Any] | None = None
) -> Iterator[GateDecision]:
    """The gate's decision with what it is said to have read, with the ledger as it stands, and as at each first look.

    Parameters
    ----------
    made, name, policy : of what, by which policy, and its file where it does not ship.
    stored : the content of ``gate.json``, which says what was read.

    """
    if policy is None and name not in policy_names():
        raise InputError(f"the policy {name!r} does not ship; give its file with --policy")
    if not made.counted_there:
        raise InputError(
            "gate: the bundle's ledger is not the one that the run was counted in; set ASSAY_LEDGER to that one, and "
            "export the run again"
        )
    rules = load_policy(name if policy is None else policy)
    counted = CheckOutcomes.of(made.run).trials
    with using_ledger(made.ledger):
        looks = entries("look")
        last = last_entry()
    ours = [item.seq for item in looks if counted is not None and item.body["trial"] == counted.trial]
    read, checks = (stored or {}).get("through"), (stored or {}).get("checks")
    known = [read] if isinstance(read, int) and read > 0 else []
    kinds = {*checks} if isinstance(checks, list) and all(isinstance(kind, str) for kind in checks) else None
    with _with_checks(made.run, kinds) as run:
        for through in dict.fromkeys([*known, last, *(seq - 1 for seq in ours)]):
            with tempfile.TemporaryDirectory(prefix="assay-verify-") as place:
                path = Path(place) / "ledger.sqlite"
                export_market(_prices_of(made.stored), path, through=through or -1, path=made.ledger)
                with using_ledger(path):
                    yield judge(run, rules)


@contextmanager
def _with_checks(run: Run, kinds: set[str] | None) -> Iterator[Run]:
    """A run with these of its checks alone, or with all, and without a verdict, in a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="assay-verify-") as place:
        folder = Path(place) / run.id
        folder.mkdir()
        for item in run.path.iterdir():
            if item.name not in ("checks.json", "gate.json"):
                (folder / item.name).symlink_to(item)
        kept = {kind: content for kind, content in run.checks.items() if kinds is None or kind in kinds}
        add_checks(replace(run, path=folder), kept)
        yield replace(run, path=folder)


@contextmanager
def _as_drawn(
    made: Recomputed, state: DrawnFrom | None, policy: Path | None
) -> Iterator[tuple[Run, tuple[str, ...]]]:
    """The new run with the checks and the verdict that a document was drawn with, and what of them was taken as stored.

    A document that does not say is drawn with whatever the bundle has.
    """
    verdict, taken = _verdict(made, state, policy)
    with _with_checks(made.run, None if state is None else {*state.checks, "trials"}) as run:
        if verdict is not None:
            (run.path / "gate.json").write_text(to_json(verdict), encoding="utf-8")
        yield run, taken


def _verdict(
    made: Recomputed, state: DrawnFrom | None, policy: Path | None
) -> tuple[Mapping[str, Any] | None, tuple[str, ...]]:
    """The gate's decision that a document names, made again; where that cannot be, as the bundle has it."""
    path = made.stored.path / "gate.json"
    content: Mapping[str, Any] = {}
    if path.is_file():
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            str(content["policy"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise InputError("bundle: gate.json is damaged") from None
    name = str(content.get("policy", "")) if state is None else state.policy
    if not name:
        return None, ()
    stored = content if content.get("policy") == name else {}
    shown = bool(stored) and (state is None or not state.judged_through or _was_read(stored, state))
    if shown and not made.counted_there:
        return stored, ("the gate's decision (with them)",)
    if not shown and state is not None and state.judged_through:
        stored = {"through": state.judged_through, "checks": _read_by_gate(state)}  # it was judged again since
    elif stored and (stored.get("champion") is not None or (policy is None and name not in policy_names())):
        champion = stored.get("champion") is not None
        why = "its champion is not in the bundle" if champion else "its policy does not ship; --policy FILE"
        return stored, (f"the gate's decision ({why})",)
    first: GateDecision | None = None
    for tried in _decisions(made, name, policy, stored):
        first = first or tried
        if not differences(json_units(to_json(stored)), json_units(to_json(tried.to_dict()))):
            return tried.to_dict(), ()
    assert first is not None
    return first.to_dict(), ()


def _read_by_gate(state: DrawnFrom) -> list[str]:
    return sorted({*state.checks, "trials"} - {*state.judged_without})


def _was_read(stored: Mapping[str, Any], state: DrawnFrom) -> bool:
    """Whether a stored decision is the one that a document shows: with the same trials and checks."""
    checks = stored.get("checks")
    known = isinstance(checks, list) and sorted(map(str, checks)) == _read_by_gate(state)
    return known and stored.get("through") == state.judged_through
