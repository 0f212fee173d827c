"""Whether the result is luck, and by which conventions every figure was made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.data.errors import BacktestError
from assay.results.checks.sentences import said_of_checks
from assay.results.report.blocks import Cell, Figure, Note, Section, Table, fixed, metric_cell, number, said
from assay.results.report.plots import plot_canaries, plot_distribution
from assay.results.report.run_data import Material
from assay.results.report.sections.sharpe import sharpe_table
from assay.results.stats.bootstrap import Bootstrapped, bootstrap
from assay.results.stats.deflated_sharpe import (
    effective_sessions,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_moments,
)
from assay.results.stats.overfitting import Overfitting, probability_of_overfitting
from assay.results.storage.ledger import FILE_NAME, read_trials

__all__ = ["conventions_section", "evidence_section"]


def evidence_section(material: Material, marks: dict[str, float] | None = None) -> Section:
    """Bootstrap distribution of the Sharpe ratio, its errors, PSR, DSR, MinTRL, PBO, canaries.

    Parameters
    ----------
    material : the run.
    marks : Sharpe ratios to draw beside the run's own, e.g. ``{"reported": 2.53}``.

    """
    parts = (*_distribution(material, marks), _luck(material), sharpe_table(material), *_canaries(material))
    return Section("evidence", "Evidence", parts)


def _distribution(material: Material, marks: dict[str, float] | None) -> list[Figure | Note]:
    title = "Distribution of the net Sharpe ratio"
    try:
        found: Bootstrapped = bootstrap(material.returns["net"].to_numpy(dtype=np.float64), draws=2000, seed=0)
    except BacktestError as error:
        return [Note(str(error).capitalize() + ".", title)]
    if not math.isfinite(found.value) or not len(found.draws):
        return [Note("The returns do not vary, so there is no Sharpe ratio.", title)]
    trials = material.run.checks.get("trials") or {}
    compare = dict(marks or {})
    if trials.get("threshold_sharpe_ann"):
        compare["best of the trials, by luck"] = float(trials["threshold_sharpe_ann"])
    compare.setdefault("zero", 0.0)
    about = (
        f"Stationary bootstrap, 2,000 resamples, mean block {found.block:.1f} sessions, seed 0: "
        f"95% [{found.low:.2f}, {found.high:.2f}], two-sided p of 0 {found.p_value:.3f}."
    )
    return [
        Figure(title, f"Net Sharpe {found.value:.2f}. {about}",
               lambda axes: plot_distribution(axes, found.draws, found.value, compare), about, (5.6, 3.2))
    ]  # fmt: skip


def _luck(material: Material) -> Table:
    values = material.returns["net"].to_numpy(dtype=np.float64)
    sharpe, skewness, kurtosis, n = sharpe_moments(values)
    effective = effective_sessions(values)
    psr = probabilistic_sharpe(sharpe, effective, skewness=skewness, kurtosis=kurtosis)
    needed = minimum_track_record(sharpe, skewness=skewness, kurtosis=kurtosis) * n / effective
    trials: dict[str, Any] = material.run.checks.get("trials") or {}
    counted = "the run is in no ledger"
    if trials:
        counted = (
            f"{trials['count']:,} trial{'' if trials['count'] == 1 else 's'}: "
            f"{trials.get('in_ledger', trials['count'])} of {trials.get('family')} in the "
            f"ledger, {trials.get('elsewhere', 0)} elsewhere"
        )
    never = "never, at this Sharpe ratio" if math.isinf(needed) else f"sessions; the run has {n:,}"
    overfitting, why = _overfitting(material)
    rows = (
        (Cell("probabilistic Sharpe (PSR)"), fixed(psr, 3), Cell("that the true Sharpe is above 0")),
        (Cell("deflated Sharpe (DSR)"), fixed(trials.get("deflated_sharpe"), 3), Cell(counted)),
        (
            Cell("deflated Sharpe after beta"),
            fixed(trials.get("deflated_sharpe_residual"), 3),
            Cell("returns less beta × benchmark" if material.benchmark is not None else "no benchmark"),
        ),
        (
            Cell("Sharpe of the best trial, by luck"),
            fixed(trials.get("threshold_sharpe_ann")),
            Cell("expected maximum of the trials, annual" if trials else counted),
        ),
        (
            Cell("minimum track record (MinTRL)"),
            number(math.ceil(needed) if math.isfinite(needed) else None),
            Cell(never),
        ),
        (
            Cell("probability of overfitting (PBO)"),
            fixed(overfitting.probability if overfitting else None, 3),
            Cell(why),
        ),
    )
    return Table("More than luck?", ("", "value", "of what"), rows)


def _overfitting(material: Material) -> tuple[Overfitting | None, str]:
    """PBO over the ledger's trials of the run's family on its panel, and a sentence."""
    trials = material.run.checks.get("trials") or {}
    root = material.run.path.parent
    if not trials or not (root / FILE_NAME).is_file():
        return None, "no ledger beside the run"
    try:
        prices = material.run.manifest.get("fingerprints", {}).get("prices")
        known = read_trials(prices=prices, family=trials.get("family"), root=root)
        common = known.returns.dropna()
        found = probability_of_overfitting(common.to_numpy(dtype=np.float64))
    except BacktestError as error:
        return None, str(error)
    return found, f"CSCV, {found.trials} trials of the ledger, {found.blocks} blocks, {found.splits:,} splits"


def _canaries(material: Material) -> list[Figure | Note]:
    """Strips of what should know nothing: the net Sharpe ratio of every kind, and the skill of what was retrained."""
    checks = material.run.checks
    parts = [part for part in (_sharpe_strip(checks), _skill_strip(checks)) if part is not None]
    return parts or [Note("Not run. Run again with --canaries.", "Canaries")]


_SHIFTS = ("one session late", "one session early", "the same for all")


def _sharpe_strip(checks: Mapping[str, Any]) -> Figure | Note | None:
    null, shifts, trained = (checks.get(kind) for kind in ("random_scores", "shifted_scores", "canaries"))
    if not null and not trained:
        return None
    real = null["real_sharpe"] if null else trained["real"]["sharpe"]  # type: ignore[index]
    if real is None:
        return Note("The run's returns do not vary, so there is nothing to rank.", "Canaries")
    groups: dict[str, list[float]] = {}
    for name in _SHIFTS if shifts else ():
        groups[f"scores {name}"] = _known([shifts[name]["sharpe"]])
    if trained:
        groups["each seed alone"] = _known(trained["seeds"]["sharpe"])
        groups["shuffled labels"] = _known(trained["shuffled"]["sharpe"])
    about = ""
    if null:
        groups["random scores"] = _known(null["sharpe"])
        about = (
            f"{null['runs']} runs of the same exposure and turnover that know nothing: mean net Sharpe "
            f"{fixed(null.get('mean_sharpe')).text}; this run ranks {null['rank']} of {null['runs'] + 1}, "
            f"p {fixed(null.get('p_value'), 3).text}. "
        )
    if shifts:
        about += "Early reads a session too many: what a leak would earn. The same score for all is a constant model."
    return _strip("Canaries", about.strip(), groups, float(real), "net Sharpe, annual", 2)


def _skill_strip(checks: Mapping[str, Any]) -> Figure | Note | None:
    trained, shifts = checks.get("canaries"), checks.get("shifted_scores")
    if not trained:
        return None
    title, real = "Retrained canaries", trained["real"]["skill"]
    about = said_of_checks({"canaries": trained})["canaries"].removeprefix("canaries: ")
    about = f"{about[:1].upper()}{about[1:]}."
    if real is None:
        return Note(about, title)
    groups = {f"scores {name}": _known([shifts[name]["skill"]]) for name in _SHIFTS[:2]} if shifts else {}
    for name, kind in (("each seed alone", "seeds"), ("shuffled labels", "shuffled")):
        groups[name] = _known(trained[kind]["skill"])
    return _strip(title, about, groups, float(real), str(trained["measure"]), 4)


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _strip(title: str, about: str, groups: dict[str, list[float]], real: float, what: str, digits: int) -> Figure:
    size = (5.6, 2.0 + 0.35 * len(groups))
    return Figure(title, about, lambda axes: plot_canaries(axes, groups, real, what, digits), about, size)


def conventions_section(material: Material) -> Section:
    """Every stored metric with its convention, and every warning."""
    rows = []
    for item in material.metrics.values():
        dates = f"{item.get('start') or '–'} … {item.get('end') or '–'}" if item.get("start") else ""
        rows.append((
            Cell(item["name"]), metric_cell(item), metric_cell(item, "low"), metric_cell(item, "high"),
            Cell(item.get("unit", "")), number(item.get("n")), Cell(dates),
            Cell(" · ".join(filter(None, [item.get("reason"), item.get("convention")]))),
        ))  # fmt: skip
    columns = ("metric", "value", "low", "high", "unit", "n", "sample", "convention")
    counts = tuple(
        (said(name.replace("_", " ")), number(value))
        for name, value in (material.run.metrics.get("counts") or {}).items()
    )
    parts: list[Figure | Table | Note] = [
        Table("Every figure and its convention", columns, tuple(rows), "Intervals are 95%.", wide=True)
    ]
    if counts:
        parts.append(Table("What was dropped, capped or forced", ("", "times"), counts))
    else:
        parts.append(Note("The run counted nothing.", "What was dropped, capped or forced"))
    prints = tuple(
        (said(name), Cell(str(value))) for name, value in material.run.manifest.get("fingerprints", {}).items()
    )
    versions = tuple(
        (said(name), Cell(str(value))) for name, value in material.run.manifest.get("versions", {}).items()
    )
    parts.append(Table("Inputs and versions", ("", "SHA-256 or version"), (*prints, *versions)))
    return Section("conventions", "Conventions", tuple(parts))
