"""Whether the result is luck, and by which conventions every figure was made."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from assay.data.errors import BacktestError
from assay.results.checks.outcomes import CheckOutcomes, hint_for
from assay.results.checks.random_scores import RandomScores, ShiftedScores
from assay.results.checks.trading import Measurement
from assay.results.report.blocks import (
    Cell,
    Figure,
    Note,
    Section,
    Table,
    e_value,
    fixed,
    metric_cell,
    number,
    p_text,
    said,
)
from assay.results.report.plots import plot_canaries, plot_distribution, plot_evidence
from assay.results.report.run_data import RunData
from assay.results.report.sections.sharpe import sharpe_table, track_record
from assay.results.stats.bootstrap import Bootstrapped, bootstrap

__all__ = ["conventions_section", "evidence_section"]

#: Level of the evidence of skill, over all score series that were tried.
_ALPHA = 0.05


def evidence_section(data: RunData, marks: dict[str, float] | None = None) -> Section:
    """Bootstrap distribution of the Sharpe ratio, the path of the evidence of skill, PSR, DSR, PBO, canaries, errors.

    Parameters
    ----------
    data : the run.
    marks : Sharpe ratios to draw beside the run's own, e.g. ``{"reported": 2.53}``.

    """
    figures = (*_distribution(data, marks), *_skill_path(data), *_canaries(data))
    parts = (*figures, _luck(data), sharpe_table(data))
    return Section("evidence", "Evidence", parts)


def _distribution(data: RunData, marks: dict[str, float] | None) -> list[Figure | Note]:
    title = "Distribution of the net Sharpe ratio"
    try:
        found: Bootstrapped = bootstrap(data.returns["net"].to_numpy(dtype=np.float64), draws=2000, seed=0)
    except BacktestError as error:
        return [Note(str(error).capitalize() + ".", title)]
    if not math.isfinite(found.value) or not len(found.draws):
        return [Note("The returns do not vary, so there is no Sharpe ratio.", title)]
    trials = data.checks.trials
    compare = dict(marks or {})
    if trials is not None and trials.threshold_sharpe_ann:  # with one trial there is no hurdle
        compare["best of the trials, by luck"] = trials.threshold_sharpe_ann
    compare.setdefault("zero", 0.0)
    about = (
        f"Stationary bootstrap, 2,000 resamples, mean block {found.block:.1f} sessions, seed 0: "
        f"95% [{found.low:.2f}, {found.high:.2f}], two-sided p of 0 {p_text(found.p_value, 3)}."
    )
    return [
        Figure(title, f"Net Sharpe {found.value:.2f}. {about}",
               lambda axes: plot_distribution(axes, found.draws, found.value, compare), about, (4.8, 3.0))
    ]  # fmt: skip


def _skill_path(data: RunData) -> list[Figure | Note]:
    """How the evidence of skill grew or shrank, where the run has its series."""
    title = "Evidence of skill"
    table = data.optional("skill")
    if table is None or not table["log_e"].notna().any():
        why = "The run has no series of skill: no predictions are stored, or too few names a session."
        return [Note(why, title, absent=True)]
    trials = data.checks.trials
    tried = trials.distinct if trials else 1
    needed = tried / _ALPHA
    path = table["log_e"] / math.log(10)
    passed = path[path >= math.log10(needed)]
    when = f"first reached on {passed.index[0].date()}" if len(passed) else "never reached"
    about = (
        f"The e-value grows while scores rank returns after beta and shrinks while they do not; noise ever passes "
        f"{needed:,.0f} at most {_ALPHA:.0%} of the time; score series tried so far: {tried}. "
        f"It ends at {e_value(10 ** min(float(path.iloc[-1]), 300.0))}; {needed:,.0f} was {when}."
    )
    return [Figure(title, about, lambda axes: plot_evidence(axes, table["log_e"], needed), about)]


def _luck(data: RunData) -> Table:
    values = data.returns["net"].to_numpy(dtype=np.float64)
    psr, needed = track_record(values)
    n = len(values)
    trials = data.checks.trials
    counted = "the run is in no ledger"
    if trials is not None:
        counted = f"{trials.result}: {trials.in_ledger} on this market in the ledger, {trials.elsewhere} elsewhere"
    never = "never, at this Sharpe ratio" if math.isinf(needed) else f"sessions; the run has {n:,}"
    overfit = trials.pbo_basis if trials is not None else counted
    rows = (
        (Cell("probabilistic Sharpe (PSR)"), fixed(psr, 3), Cell("that the true Sharpe is above 0")),
        (Cell("deflated Sharpe (DSR)"), fixed(trials and trials.deflated_sharpe, 3), Cell(counted)),
        (
            Cell("deflated Sharpe after beta"),
            fixed(trials and trials.deflated_sharpe_residual, 3),
            Cell("returns less beta × benchmark" if data.benchmark is not None else "no benchmark"),
        ),
        (
            Cell("Sharpe of the best trial, by luck"),
            fixed(trials and trials.threshold_sharpe_ann),
            Cell("expected maximum of the trials, annual" if trials else counted),
        ),
        (
            Cell("minimum track record (MinTRL)"),
            number(math.ceil(needed) if math.isfinite(needed) else None),
            Cell(never),
        ),
        (
            Cell("probability of overfitting (PBO)"),
            fixed(trials and trials.pbo, 3),
            Cell(overfit or "not counted when the run was made; run it again"),
        ),
    )
    return Table("More than luck?", ("figure", "value", "of what"), rows, wide=True)


def _canaries(data: RunData) -> list[Figure | Note]:
    """Strips of what should know nothing: the net Sharpe ratio of every kind, and the skill of what was retrained."""
    parts = [part for part in (_sharpe_strip(data.checks), _skill_strip(data.checks)) if part is not None]
    return parts or [Note(f"Not run; {hint_for(RandomScores, data.run)}.", "Canaries", absent=True)]


def _sharpe_strip(checks: CheckOutcomes) -> Figure | Note | None:
    null, shifts, trained = checks.random_scores, checks.shifted_scores, checks.canaries
    if null is not None:
        real = null.real_sharpe
    elif trained is not None:
        real = trained.real.sharpe
    else:
        return None
    if math.isnan(real):
        return Note("The run's returns do not vary, so there is nothing to rank.", "Canaries")
    groups: dict[str, list[float]] = {}
    for name, item in shifts.shifts.items() if shifts is not None else ():
        groups[f"scores {name}"] = _known([item.sharpe])
    if trained is not None:
        groups["each seed alone"] = _known(item.sharpe for item in trained.seeds.values())
        groups["shuffled labels"] = _known(item.sharpe for item in trained.shuffled)
    about = ""
    if null is not None:
        groups["random scores"] = _known(null.sharpe)
        about = f"This run: {null.sentence}. "
    if shifts is not None:
        about += _early(shifts, real)
    return _strip("Canaries", about.strip(), groups, real, ("net Sharpe, annual", 2))


def _early(shifts: ShiftedScores, real: float) -> str:
    """What reading one session too many would have earned, in the words that the figures bear out."""
    early = shifts.early.sharpe
    text = ""
    if not math.isnan(early):
        change = "a gain" if early > real else "a loss"
        text = f"Scores read one session early, as a leak would, earn {early:.2f}: {change} against {real:.2f}. "
        if early <= real:
            text += "A leak of one session would not have flattered this rule. "
    return text + "The same score for all is a constant model."


def _skill_strip(checks: CheckOutcomes) -> Figure | Note | None:
    trained, shifts = checks.canaries, checks.shifted_scores
    if trained is None:
        return None
    title = "Retrained canaries"
    about = trained.sentence.removeprefix("canaries: ")
    about = f"{about[:1].upper()}{about[1:]}."
    if math.isnan(trained.real.skill):
        return Note(about, title)
    late_and_early = [] if shifts is None else list(shifts.shifts.items())[:2]
    rows: dict[str, Iterable[Measurement]] = {f"scores {name}": [item] for name, item in late_and_early}
    rows |= {"each seed alone": trained.seeds.values(), "shuffled labels": trained.shuffled}
    groups = {name: _known(item.skill for item in items) for name, items in rows.items()}
    return _strip(title, about, groups, trained.real.skill, (trained.measure, 4))


def _known(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _strip(title: str, about: str, groups: dict[str, list[float]], real: float, axis: tuple[str, int]) -> Figure:
    """A strip plot; `axis` is the name of the figure and its decimals."""
    what, digits = axis
    rows = tuple(
        (
            Cell(name),
            number(len(values)),
            *(fixed(pick(values) if values else None, digits) for pick in (min, np.median, max)),
        )
        for name, values in {**groups, "this run": [real]}.items()
    )
    behind = Table(title, ("what", "runs", f"least {what}", "median", "most"), rows)
    size = (4.8, 1.8 + 0.33 * len(groups))
    return Figure(title, about, lambda axes: plot_canaries(axes, groups, real, *axis), about, size, behind=behind)


def conventions_section(data: RunData) -> Section:
    """Every stored metric with its convention, and every warning."""
    rows = []
    for item in data.metrics.values():
        dates = f"{item.get('start') or '–'} … {item.get('end') or '–'}" if item.get("start") else ""
        rows.append((
            Cell(item["name"]), metric_cell(item), metric_cell(item, "low"), metric_cell(item, "high"),
            Cell(item.get("unit", "")), number(item.get("n")), Cell(dates),
            Cell(" · ".join(filter(None, [item.get("reason"), item.get("convention")]))),
        ))  # fmt: skip
    columns = ("metric", "value", "low", "high", "unit", "n", "sample", "convention")
    counts = tuple(
        (said(name.replace("_", " ")), number(value)) for name, value in (data.run.metrics.get("counts") or {}).items()
    )
    parts: list[Figure | Table | Note] = [
        Table("Every figure and its convention", columns, tuple(rows), "Intervals are 95%.", wide=True)
    ]
    if counts:
        parts.append(Table("What was dropped, capped or forced", ("event", "times"), counts))
    else:
        parts.append(Note("The run counted nothing.", "What was dropped, capped or forced", absent=True))
    prints = tuple((said(name), Cell(str(value))) for name, value in data.run.manifest.get("fingerprints", {}).items())
    versions = tuple((said(name), Cell(str(value))) for name, value in data.run.manifest.get("versions", {}).items())
    parts.append(Table("Inputs and versions", ("input or package", "SHA-256 or version"), (*prints, *versions)))
    return Section("conventions", "Conventions", tuple(parts))
