"""The retrain layer: run the rebuilt model walk-forward and see where the printed figure lies among seeds and folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.recompute.conventions import Material
from assay.audit.recompute.figures import choose_run, of_run
from assay.audit.recompute.material import material_of_panels
from assay.audit.recompute.measures import readings_of
from assay.audit.rules.scope import Report
from assay.audit.verdicts import Finding, Substance
from assay.data.errors import BacktestError, InputError
from assay.data.files.options import ReadOptions
from assay.data.panel import PredictionPanel, PricePanel
from assay.engine.folds import WalkForward
from assay.engine.walk_forward import walk_forward
from assay.models.catalog import load_model
from assay.results.workflow.market import load_prices, load_sample

__all__ = ["Distribution", "retrain"]

#: Rolling training window in sessions, where the prices are long enough.
TRAIN = 1260


@dataclass(frozen=True)
class Distribution:
    """A claim's metric, one value a seed (the whole period), and one a fold and seed."""

    claim: Claim
    seeds: tuple[float, ...]
    folds: tuple[float, ...]

    def row(self, printed: Interval) -> dict[str, object]:
        """The distribution as a row of a table, with where the print lies in it."""

        def shown(values: tuple[float, ...]) -> list[object]:
            return [float(f"{x:.4g}") for x in np.quantile(values, (0.0, 0.5, 1.0))] if values else [""] * 3

        (low, median, high), (fold_low, _, fold_high) = shown(self.seeds), shown(self.folds)
        return {
            "metric": self.claim.metric, "printed": self.claim.printed,
            "seeds": len(self.seeds), "seed_low": low, "seed_median": median, "seed_high": high,
            "folds": len(self.folds), "fold_low": fold_low, "fold_high": fold_high,
            "printed_lies": self.place(printed),
        }  # fmt: skip

    def place(self, printed: Interval) -> str:
        """Where the print lies: inside the seeds, inside the folds only, above all or below all."""
        for words, values in (("within the seeds", self.seeds), ("outside the seeds, within the folds", self.folds)):
            if values and min(values) <= printed.high and printed.low <= max(values):
                return words
        return "above all" if printed.low > max((*self.seeds, *self.folds)) else "below all"

    def finding(self, printed: Interval, assumption: str) -> Finding:
        """What it says about the claim: implausible where it lies outside of all."""
        row = self.row(printed)
        words = "{seed_low} with one seed" if len(self.seeds) == 1 else "{seed_low} to {seed_high} over {seeds} seeds"
        words += ", {fold_low} to {fold_high} over {folds} folds" if self.folds else ""
        name, place = self.claim.metric.replace("_", " "), str(row["printed_lies"])
        sentence = f"retrained, {name} is {words.format(**row)}; the printed {self.claim.printed} lies {place}."
        substance = Substance.IMPLAUSIBLE if place.endswith("all") else None
        held = assumption if substance else None
        return Finding("R3 retrained", (self.claim.id,), sentence, None, substance, held, weight=8)


def retrain(
    claims: ClaimSet, model: str, *, prices: Path | None, run: str | None, seeds: int, epochs: int | None,
    reading: ReadOptions | None = None, note: Callable[[str], object] = lambda text: None,
) -> tuple[list[Mapping[str, object]], tuple[Finding, ...]]:  # fmt: skip
    """Retrain a model walk-forward and place the printed figures among its seeds and folds.

    A row and a finding a claim say where the print lies. `seeds` are fits a fold, `epochs` caps each; no prices mean
    the embedded sample; `run` is as in `choose_run`.

    Raises
    ------
    InputError
        If the model or the run is unknown, or the prices are too short for a fold.

    """
    recipe = load_model(model) if epochs is None else load_model(model, epochs=epochs)
    group, split = choose_run(claims, run)
    market = load_sample()[0] if prices is None else load_prices(prices, options=reading)
    window = min(TRAIN, int(0.6 * len(market.sessions)))
    folds = WalkForward(train=window, retrain="yearly", minimum_train=min(504, window)).split(market.sessions)
    note(f"retraining {model}: {len(folds)} folds × {seeds} seeds, {window} sessions each")
    horizon = max(1, claims.group(group).sample.horizon or 1)
    outcome = walk_forward(
        recipe, market, folds, horizon=horizon, seeds=tuple(range(seeds)), executor="process" if seeds > 1 else "serial"
    )
    materials, assumption = _materials(list(outcome.by_seed.values()), market)
    limits = [(np.datetime64(fold.test_start, "D"), np.datetime64(fold.test_end, "D")) for fold in folds]
    parts = [material.between(*limit) for material in materials for limit in limits if len(limits) > 1]
    levels, reader = claims.group(group).target.kind == "price", Report(claims)
    rows: dict[tuple[str, str], Mapping[str, object]] = {}
    findings: list[Finding] = []
    for claim in of_run(claims, group, split):
        found = Distribution(claim, *(tuple(_own(claim.metric, of, levels)) for of in (materials, parts)))
        if found.seeds and (claim.metric, claim.printed) not in rows:
            printed = reader.read(claim)
            rows[claim.metric, claim.printed] = found.row(printed)
            findings.append(found.finding(printed, f"{assumption}; {model} as rebuilt, walk-forward"))
    if not rows:
        raise InputError(f"audit: {model} gives none of the figures of run {group!r}")
    return list(rows.values()), tuple(findings)


def _materials(panels: list[PredictionPanel], prices: PricePanel) -> tuple[list[Material], str]:
    """What each seed's predictions give; portfolio figures where a strategy can trade them."""
    for name in ("quintile_long_short", "confidence"):
        with suppress(BacktestError):
            found = [material_of_panels(panel, prices, strategy=name) for panel in panels]
            return [material for material, _ in found], found[0][1]
    return [material_of_panels(panel, prices, strategy=None)[0] for panel in panels], "signal figures only"


def _own(metric: str, materials: Iterable[Material], levels: bool) -> Iterable[float]:
    """The metric in this project's own convention, of each material that gives it; errors of price `levels`."""
    for readings in (readings_of(metric, material) for material in materials):
        of_prices = [each for each in readings if levels and dict(each.choices).get("target", "").startswith("price")]
        if readings:
            yield min(of_prices or readings, key=lambda reading: reading.departures).value
