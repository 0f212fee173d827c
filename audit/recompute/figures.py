"""The recompute layer: our own figure beside the printed one, and the convention that explains the difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from assay.audit.claims.model import Claim, ClaimSet, Portfolio
from assay.audit.recompute.conventions import RESTS, SIDES, Material
from assay.audit.recompute.measures import CLASS_METRICS, OF_RETURNS, OF_SIGNALS, SIDE_METRICS, STATISTICS
from assay.audit.recompute.resolver import DailyMatch, Resolution, VolTarget, explain, resolve, stands_for
from assay.audit.rules.scope import Report, days_of
from assay.audit.verdicts import Arithmetic, AuditReport, Finding, Substance, combine
from assay.data.errors import InputError

__all__ = [
    "Recomputed", "choose_run", "daily_finding", "of_claim", "of_run", "recompute", "vol_target_of", "with_findings",
]  # fmt: skip

#: Metrics that may be of one asset, named by the label.
_BY_ASSET = ("hit_rate", "accuracy", "mae", "rmse", "mape", "r2", "bias")
#: Metrics of trades that carry a unit, and those beside which a win rate counts trades.
_IN_UNITS = ("average_win", "average_loss", "gross_profit", "gross_loss", "total_profit", "expectancy")
_OF_TRADES = ("trades", "winning_trades", "losing_trades", "average_win", "average_loss", "profit_factor", "expectancy")


@dataclass(frozen=True)
class Recomputed:
    """A claim beside what the data gives."""

    claim: Claim
    resolution: Resolution
    assumption: str = ""  # what the recomputation rests on beyond the data (a strategy, its costs)

    @property
    def finding(self) -> Finding:
        """What it says about the claim; implausible too where that rests on something."""
        found, book, doubt, reading = self.resolution, self.resolution.book, self.assumption, None
        verdict = None if doubt else Arithmetic.INCONSISTENT
        if book is not None:
            honest = not book.look_ahead and book.size == 1.0
            verdict = Arithmetic.REPRODUCED_OTHERWISE if honest or doubt else Arithmetic.INCONSISTENT
            doubt, reading = "" if honest else doubt, book.words
        elif found.named is not None:
            early = not found.proves_nothing and all("same close" in reading.words for reading in found.matches)
            doubt = "the prediction reads the close at which the order would have to be filled" if early else ""
            other = Arithmetic.CONSISTENT if found.proves_nothing else Arithmetic.REPRODUCED_OTHERWISE
            verdict = Arithmetic.REPRODUCED if found.reproduced else other
            reading = None if found.reproduced else found.named.words
        check, weight = ("R1 recomputed", 10) if book is None else ("R2 daily series", 11)
        sentence, substance = found.sentence + ".", Substance.IMPLAUSIBLE if doubt else None
        return Finding(check, (self.claim.id,), sentence, verdict, substance, doubt or None, reading, weight)


def choose_run(claims: ClaimSet, run: str | None) -> tuple[str, str | None]:
    """The group and split whose figures the data is of; the split is None where all splits of the group are meant.
    `run` is ``"GROUP"`` or ``"GROUP/SPLIT"``, or None for the only one; `InputError` if there is none or several."""
    known = [claim for claim in claims.claims if _resolvable(claims, claim)]
    groups = dict.fromkeys(claim.group for claim in [each for each in known if not each.at] or known)
    if not groups:
        raise InputError("audit: no claim can be recomputed from data (a Sharpe ratio, a return, an IC, an accuracy …)")
    if run is None and len(groups) > 1:
        raise InputError(f"audit: the data could be of several runs; name one with --run: {', '.join(groups)}")
    mine = dict.fromkeys((claim.group, claims.split_of(claim)) for claim in known if claim.group in groups)
    runs: dict[str, tuple[str, str | None]] = {name: (name, None) for name in groups}
    runs |= {f"{group}/{split}": (group, split) for group, split in mine if split and f"{group}/{split}" not in groups}
    if run is not None and run not in runs:
        raise InputError(f"audit: --run {run!r} names no run with figures to recompute; known: {', '.join(runs)}")
    return runs[next(iter(groups)) if run is None else run]


def of_run(claims: ClaimSet, group: str, split: str | None) -> list[Claim]:
    """The claims of a run that data can give."""
    mine = [each for each in claims.claims if each.group == group and split in (None, claims.split_of(each))]
    return [claim for claim in mine if _resolvable(claims, claim)]


def _resolvable(claims: ClaimSet, claim: Claim) -> bool:
    """Whether data can give a claim: a result of the whole run or, for a level, of a calendar period of it."""
    return (
        claim.metric in STATISTICS
        and not claim.target
        and claim.value.is_point
        and not (claim.label and claim.metric not in _BY_ASSET and not _side_of(claim))
        and not (claim.at and (claim.metric not in OF_RETURNS or days_of(claim.at) is None))
        and (claim.metric not in CLASS_METRICS or len(claims.group(claim.group).classes) <= 2)
    )


def recompute(
    claims: ClaimSet, material: Material, *, run: str | None = None, assumption: str = ""
) -> list[Recomputed]:
    """Recompute each claim of a run (`choose_run`) that the material gives; portfolio figures rest on `assumption`."""
    group, split = choose_run(claims, run)
    material = _as_stated(claims.group(group).portfolio, material)
    reader, found = Report(claims), []
    for claim in of_run(claims, group, split):
        own, stands = of_claim(claim, material), stands_for(claim, reader.read(claim))
        best = None if own is None else resolve(claim.metric, claim.value, own, stands)
        if best is not None and (best.matches or not _of_trades(claim, material, reader)):
            rests = "" if claim.metric in OF_SIGNALS else assumption
            period = f"it is a figure of all sessions of {claim.at} and of no others" if claim.at else ""
            held = "; ".join(filter(None, (rests, RESTS.get(claim.metric), period)))
            found.append(Recomputed(claim, best, held))
    why: dict[str, Resolution] = {}
    for name in {claims.split_of(item.claim) for item in found}:
        whole = [item for item in found if not item.claim.at and claims.split_of(item.claim) == name]
        levels = [(item.claim, stands_for(item.claim, reader.read(item.claim)), item.resolution) for item in whole]
        why |= explain(levels, material, vol_target_of(claims, group))
    return [replace(item, resolution=why.get(item.claim.id, item.resolution)) for item in found]


def _as_stated(stated: Portfolio, material: Material) -> Material:
    """The material with what the report states of its returns: how many a year, and the rate they are measured over."""
    if material.risk_free is None and stated.risk_free is not None:
        material = replace(material, risk_free=stated.risk_free.value)
    count = stated.periods_per_year
    if count in (None, 250, 252, 260, 365) or not material.series or material.panels:
        return material
    # Months may be stated where days are given, and days where months are; gaps only make returns look fewer.
    fewer = count < 250 and len(material.given) / material.years > 2 * count
    more = material.per_year is not None and count > 2 * material.per_year
    return replace(material, otherwise=count) if fewer or more else replace(material, per_year=count)


def of_claim(claim: Claim, material: Material) -> Material | None:
    """The part of the material that a claim is of: a period, an asset or a class; None where it has none."""
    if (days := days_of(claim.at)) is not None:
        week, dates = np.timedelta64(7, "D"), material.dates  # what the series may lack at either end
        covered = len(dates) and dates[0] <= days[0] + week and dates[-1] >= days[1] - week
        return material.between(*days) if covered else None
    if claim.metric in _IN_UNITS:
        none = np.empty(0)
        material = replace(material, profits=none) if claim.value.percent else replace(material, trades=none)
    if not claim.label:
        return material
    side, only = _side_of(claim), Material(panels=material.panels, description=material.description)
    assets = [asset.lower() for panel in list(material.panels.values())[:1] for asset in panel.assets]
    if claim.label.lower() in assets:
        part = np.s_[:, [assets.index(claim.label.lower())]]
        return replace(only, panels={name: panel.cut(part) for name, panel in material.panels.items()})
    return replace(only, side=side) if side else None


def _side_of(claim: Claim) -> str:
    """The one of two classes that a score is of, by its label: ``"up"``, ``"down"``, or ``""``."""
    word = claim.label.lower().split(" ")[0] if claim.metric in SIDE_METRICS else ""
    return next((side for side, words in SIDES.items() if word in words), "")


def _of_trades(claim: Claim, material: Material, reader: Report) -> bool:
    """Whether a win rate may count trades, which a series of sessions says nothing about."""
    if claim.metric != "win_rate" or len(material.outcomes):
        return False
    return "trade" in claim.definition.lower() or any(map(reader.run_of(claim).candidates, _OF_TRADES))


def vol_target_of(claims: ClaimSet, run: str | None) -> VolTarget | None:
    """The volatility target that the report states for a run."""
    book = claims.group(choose_run(claims, run)[0]).portfolio
    return None if book.volatility_target is None else (book.volatility_target.value, book.volatility_window)


def daily_finding(found: list[Recomputed], daily: DailyMatch | None, strategy: str) -> tuple[Finding, ...]:
    """What the report's own daily returns say about every level that follows from them."""
    ids = tuple(item.claim.id for item in found if item.claim.metric in OF_RETURNS)
    if daily is None or not daily.named or not ids or (not daily.look_ahead and daily.size == 1.0):
        return ()
    held = f"the predictions are traded by {strategy}"
    return (Finding("R3 day by day", ids, daily.sentence, None, Substance.IMPLAUSIBLE, held, weight=12),)


def with_findings(report: AuditReport, found: list[Recomputed], more: tuple[Finding, ...] = ()) -> AuditReport:
    """The report with what the data says added, and its verdicts combined anew; a figure that the data reproduces is
    not called inconsistent because of other figures of the report."""
    settled = {item.claim.id for item in found if item.resolution.matches and not item.resolution.proves_nothing}
    left = [(each, settled if each.arithmetic is Arithmetic.INCONSISTENT else ()) for each in report.findings]
    kept = (replace(each, claims=tuple(name for name in each.claims if name not in out)) for each, out in left)
    findings = (*(each for each in kept if each.claims), *(item.finding for item in found), *more)
    verdicts = tuple(combine(claim, findings) for claim in report.claims.claims)
    return replace(report, verdicts=verdicts, findings=findings)
