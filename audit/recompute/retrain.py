"""The retrain layer: run the rebuilt model walk-forward and see where the printed figure lies among seeds and folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.recompute.conventions import Material
from assay.audit.recompute.figures import choose_run, resolvable
from assay.audit.recompute.material import material_of_panels
from assay.audit.recompute.resolver import readings_of
from assay.audit.rules.scope import Report
from assay.audit.verdicts import Finding, Substance
from assay.data.errors import BacktestError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from assay.data.files.options import ReadOptions
    from assay.data.panel import PredictionPanel, PricePanel
    from assay.models.base import Forecaster

__all__ = ["Distribution", "distribution_of", "retrain"]

#: Rolling training window in sessions, where the prices are long enough.
TRAIN = 1260


@dataclass(frozen=True)
class Distribution:
    """A claim's metric over seeds (the whole period) and over folds (every seed).

    Parameters
    ----------
    claim : the claim.
    seeds : one value a seed.
    folds : one value a fold and seed.

    """

    claim: Claim
    seeds: tuple[float, ...]
    folds: tuple[float, ...]

    def row(self, interval_low: float, interval_high: float) -> dict[str, object]:
        """The distribution as a row of a table, with where the print lies in it."""
        return {
            "metric": self.claim.metric,
            "printed": self.claim.printed,
            "seeds": len(self.seeds),
            "seed_low": _round(min(self.seeds)),
            "seed_median": _round(float(np.median(self.seeds))),
            "seed_high": _round(max(self.seeds)),
            "folds": len(self.folds),
            "fold_low": _round(min(self.folds)) if self.folds else "",
            "fold_high": _round(max(self.folds)) if self.folds else "",
            "printed_lies": self.place(interval_low, interval_high),
        }

    def place(self, low: float, high: float) -> str:
        """Where the print lies: inside the seeds, inside the folds only, above all or below all."""
        if min(self.seeds) <= high and low <= max(self.seeds):
            return "within the seeds"
        if self.folds and min(self.folds) <= high and low <= max(self.folds):
            return "outside the seeds, within the folds"
        return "above all" if low > max((*self.seeds, *self.folds)) else "below all"


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def retrain(
    claims: ClaimSet,
    model: str,
    *,
    prices: Path | None,
    run: str | None,
    seeds: int,
    epochs: int | None,
    reading: ReadOptions | None = None,
    note: Callable[[str], object] = lambda text: None,
) -> tuple[list[Mapping[str, object]], tuple[Finding, ...]]:
    """Retrain a model walk-forward and place the printed figures among its seeds and folds.

    A row and a finding a claim say where the print lies. `seeds` are fits a fold, `epochs` caps each; no prices mean
    the embedded sample; `run` is as in `choose_run`.

    Raises
    ------
    InputError
        If the model or the run is unknown, or the prices are too short for a fold.

    """
    from assay.engine.folds import WalkForward
    from assay.engine.walk_forward import walk_forward
    from assay.models.catalog import load_model

    recipe = load_model(model) if epochs is None else load_model(model, epochs=epochs)
    group, split = choose_run(claims, run)
    market = _market(prices, reading)
    window = min(TRAIN, int(0.6 * len(market.sessions)))
    folds = WalkForward(train=window, retrain="yearly", minimum_train=min(504, window)).split(market.sessions)
    note(f"retraining {model}: {len(folds)} folds × {seeds} seeds, {window} sessions each")
    horizon = max(1, claims.group(group).sample.horizon or 1)
    outcome = walk_forward(
        recipe, market, folds, horizon=horizon, seeds=tuple(range(seeds)), executor="process" if seeds > 1 else "serial"
    )
    members = [
        claim
        for claim in claims.claims
        if resolvable(claims, claim) and claim.group == group and (split is None or claims.split_of(claim) == split)
    ]
    levels = claims.group(group).target.kind == "price"
    materials, assumption = _materials(list(outcome.by_seed.values()), market, recipe)
    limits = [(fold.test_start, fold.test_end) for fold in folds]
    reader = Report(claims)
    rows: list[Mapping[str, object]] = []
    findings: list[Finding] = []
    seen: set[tuple[str, str]] = set()
    for claim in members:
        found = distribution_of(claim, materials, limits, levels=levels)
        if found is None or (claim.metric, claim.printed) in seen:
            continue
        seen.add((claim.metric, claim.printed))
        interval = reader.read(claim)
        rows.append(found.row(interval.low, interval.high))
        findings.append(_finding(found, interval.low, interval.high, f"{assumption}; {model} as rebuilt, walk-forward"))
    if not rows:
        raise InputError(f"audit: {model} gives none of the figures of run {group!r}")
    return rows, tuple(findings)


def _market(prices: Path | None, reading: ReadOptions | None) -> PricePanel:
    if prices is not None:
        from assay.results.workflow.market import load_prices

        return load_prices(prices, options=reading)
    from assay.results.workflow.market import load_sample

    return load_sample()[0]


def _materials(
    panels: list[PredictionPanel], prices: PricePanel, recipe: Forecaster
) -> tuple[list[tuple[Material, pd.DatetimeIndex]], str]:
    """What each seed's predictions give; portfolio figures where a strategy can trade them."""
    names = ("quintile_long_short", "confidence", None)
    for name in names:
        try:
            found = [material_of_panels(panel, prices, strategy=name) for panel in panels]
        except BacktestError:
            if name is None:
                raise
            continue
        stamps = [panel.sessions for panel in panels]
        words = found[0][1] if name is not None else "signal figures only"
        return [(material, index) for (material, _), index in zip(found, stamps, strict=True)], words
    raise InputError("audit: the predictions cannot be laid beside the prices")


def distribution_of(
    claim: Claim,
    materials: list[tuple[Material, pd.DatetimeIndex]],
    limits: list[tuple[pd.Timestamp, pd.Timestamp]],
    *,
    levels: bool = False,
) -> Distribution | None:
    """A claim's metric, in this project's own convention, over seeds and over folds.

    A material a seed, with the stamps of its predictions; `limits` are the first and last session of each fold;
    `levels` says that errors are of price levels. None where the material cannot give the metric.
    """
    whole = [_own(claim.metric, material, levels) for material, _ in materials]
    seeds = tuple(value for value in whole if value is not None)
    if not seeds:
        return None
    cut = [_within(material, index, *limit) for material, index in materials for limit in limits]
    parts = [_own(claim.metric, material, levels) for material in cut]
    return Distribution(claim, seeds, tuple(value for value in parts if value is not None) if len(limits) > 1 else ())


def _own(metric: str, material: Material, levels: bool) -> float | None:
    readings = readings_of(metric, material)
    if levels:
        of_prices = [reading for reading in readings if dict(reading.choices).get("target", "").startswith("price")]
        readings = tuple(of_prices) or readings
    return min(readings, key=lambda reading: reading.departures).value if readings else None


_STAMPED = ("score", "forward", "base", "realised", "probability")


def _within(material: Material, stamps: pd.DatetimeIndex, start: pd.Timestamp, end: pd.Timestamp) -> Material:
    """The material of one fold's test period."""
    rows = np.asarray((stamps >= start) & (stamps <= end))
    panels = {}
    for name, panel in material.panels.items():
        if len(panel.score) != len(rows):
            continue
        cut = {key: values[rows] for key in _STAMPED if (values := getattr(panel, key)) is not None}
        panels[name] = replace(panel, **cut)
    days = material.dates
    held = None if days is None else (days >= start.to_datetime64()) & (days <= end.to_datetime64())
    series = {} if held is None else {name: values[held] for name, values in material.series.items()}
    return replace(
        material,
        series=series,
        dates=None if days is None or held is None else days[held],
        turnover=None if material.turnover is None or held is None else material.turnover[held],
        panels=panels,
        trades=None,
        positions=None,
    )


def _finding(found: Distribution, low: float, high: float, assumption: str) -> Finding:
    place, one = found.place(low, high), len(found.seeds) == 1
    least, most = _round(min(found.seeds)), _round(max(found.seeds))
    words = f"{least} with one seed" if one else f"{least} to {most} over {len(found.seeds)} seeds"
    if found.folds:
        words += f", {_round(min(found.folds))} to {_round(max(found.folds))} over {len(found.folds)} folds"
    name = found.claim.metric.replace("_", " ")
    sentence = f"retrained, {name} is {words}; the printed {found.claim.printed} lies {place}."
    doubted = place in ("above all", "below all")
    return Finding(
        "R3 retrained", (found.claim.id,), sentence, substance=Substance.IMPLAUSIBLE if doubted else None,
        assumption=assumption if doubted else None, weight=8,
    )  # fmt: skip
