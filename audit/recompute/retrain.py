"""The retrain layer: run the rebuilt model walk-forward and see where the printed figure lies among seeds and folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.recompute.conventions import Material
from assay.audit.recompute.figures import choose_run, of_claim, of_run
from assay.audit.recompute.material import material_of_panels
from assay.audit.recompute.measures import readings_of
from assay.audit.rules.scope import Report
from assay.audit.verdicts import Finding, Substance
from assay.data.card import plural
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
    """What a claim's print stands for, and its metric: one value a seed (the whole period), one a fold and seed."""

    claim: Claim
    printed: Interval
    seeds: tuple[float, ...]
    folds: tuple[float, ...] = ()

    @property
    def place(self) -> str:
        """Where the print lies: inside the seeds, inside the folds only, above all or below all."""
        for words, values in (("within the seeds", self.seeds), ("outside the seeds, within the folds", self.folds)):
            if values and min(values) <= self.printed.high and self.printed.low <= max(values):
                return words
        return "above all" if self.printed.low > max((*self.seeds, *self.folds)) else "below all"

    @property
    def row(self) -> dict[str, object]:
        """The distribution as a row of a table, with where the print lies in it."""
        row: dict[str, object] = {"metric": self.claim.metric, "printed": self.claim.printed}
        for name, values in (("seed", self.seeds), ("fold", self.folds)):
            row[f"{name}s"] = len(values)
            row |= {f"{name}_{end}": float(f"{np.quantile(values, share):.4g}") if values else ""
                    for end, share in (("low", 0.0), ("median", 0.5), ("high", 1.0))}  # fmt: skip
        return row | {"printed_lies": self.place}

    def finding(self, assumption: str) -> Finding:
        """What it says about the claim: implausible where it lies outside of all."""
        words = "{seed_low} with one seed" if len(self.seeds) == 1 else "{seed_low} to {seed_high} over {seeds} seeds"
        words += ", {fold_low} to {fold_high} over {folds} folds" if self.folds else ""
        shown = f"{self.claim.metric.replace('_', ' ')} is {words.format(**self.row)}"
        sentence = f"retrained, {shown}; the printed {self.claim.printed} lies {self.place}."
        substance = Substance.IMPLAUSIBLE if self.place.endswith("all") else None
        held = assumption if substance else None
        return Finding("R3 retrained", (self.claim.id,), sentence, None, substance, held, weight=8)


def retrain(
    claims: ClaimSet, model: str, *, prices: Path | None, run: str | None, seeds: int, epochs: int | None,
    reading: ReadOptions | None = None, note: Callable[[str], object] = lambda text: None,
) -> tuple[list[Mapping[str, object]], tuple[Finding, ...]]:  # fmt: skip
    """Retrain a model walk-forward and place the printed figures among its seeds and folds: a row and a finding a claim
    say where the print lies. `seeds` are fits a fold, `epochs` caps each; no prices mean the embedded sample; `run` is
    as in `choose_run`. `InputError` if the model or the run is unknown, or the prices are too short for a fold."""
    recipe = load_model(model) if epochs is None else load_model(model, epochs=epochs)
    group, split = choose_run(claims, run)
    market = load_sample()[0] if prices is None else load_prices(prices, options=reading)
    window = min(TRAIN, int(0.6 * len(market.sessions)))
    folds = WalkForward(train=window, retrain="yearly", minimum_train=min(504, window)).split(market.sessions)
    note(f"retraining {model}: {plural(len(folds), 'fold')} × {plural(seeds, 'seed')}, {window:,} sessions each")
    horizon = max(1, claims.group(group).sample.horizon or 1)
    executor = "process" if seeds > 1 else "serial"
    outcome = walk_forward(recipe, market, folds, horizon=horizon, seeds=tuple(range(seeds)), executor=executor)
    materials, assumption = _materials(list(outcome.by_seed.values()), market)
    limits = [(np.datetime64(fold.test_start, "D"), np.datetime64(fold.test_end, "D")) for fold in folds]
    parts = [material.between(*limit) for material in materials for limit in limits if len(limits) > 1]
    levels, reader = claims.group(group).target.kind == "price", Report(claims)
    found: dict[tuple[str, ...], Distribution] = {}
    for claim in of_run(claims, group, split):
        own = Distribution(claim, reader.read(claim), *(tuple(_own(claim, of, levels)) for of in (materials, parts)))
        if own.seeds:
            found.setdefault((claim.metric, claim.printed, claim.label, claim.at), own)
    if not found:
        raise InputError(f"audit: {model} gives none of the figures of run {group!r}")
    held = f"{assumption}; {model} as rebuilt, walk-forward on {market.source}"
    return [each.row for each in found.values()], tuple(each.finding(held) for each in found.values())


def _materials(panels: list[PredictionPanel], prices: PricePanel) -> tuple[list[Material], str]:
    """What each seed's predictions give; portfolio figures where a strategy can trade them."""
    for name in ("quintile_long_short", "confidence"):
        with suppress(BacktestError):
            found = [material_of_panels(panel, prices, strategy=name) for panel in panels]
            return [material for material, _ in found], found[0][1]
    return [material_of_panels(panel, prices, strategy=None)[0] for panel in panels], "signal figures only"


def _own(claim: Claim, materials: Iterable[Material], levels: bool) -> Iterator[float]:
    """A claim's metric in this project's own convention, of each material that gives it; errors of price `levels`."""
    for own in filter(None, (of_claim(claim, material) for material in materials)):
        readings = readings_of(claim.metric, own)
        of_prices = [each for each in readings if levels and dict(each.choices).get("target", "").startswith("price")]
        if readings:
            yield min(of_prices or readings, key=lambda reading: reading.departures).value
