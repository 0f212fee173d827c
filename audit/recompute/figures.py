"""The recompute layer: our own figure beside the printed one, and the convention that explains the difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

from assay.audit.claims.model import Claim, ClaimSet
from assay.audit.recompute.book_statistics import EXPOSURE_STATISTICS
from assay.audit.recompute.conventions import Material
from assay.audit.recompute.daily import DailyMatch, VolTarget
from assay.audit.recompute.levels import LEVELS, Explanation, best_reading, explain
from assay.audit.recompute.resolver import RESOLVED_METRICS, Resolution, number_as
from assay.audit.recompute.return_statistics import RELATIVE_STATISTICS, RETURN_STATISTICS
from assay.audit.recompute.signal_statistics import CLASS_METRICS, SIDE_METRICS
from assay.audit.rules.calendars import days_of
from assay.audit.rules.scope import Report
from assay.audit.verdicts import Arithmetic, AuditReport, Finding, Substance, combine
from assay.data.errors import InputError

__all__ = [
    "Recomputed",
    "choose_run",
    "daily_finding",
    "leverage",
    "recompute",
    "resolvable",
    "vol_target_of",
    "with_findings",
]

#: Metrics whose definitions vary beyond the grid, with what an accusation rests on.
_SOFT = {
    **dict.fromkeys(RELATIVE_STATISTICS, "the benchmark is the one given, and the definition one of the usual ones"),
    **dict.fromkeys(("ic_t", "icir_annual"), "the sessions are taken for independent"),
    **dict.fromkeys(("ic_min", "ic_max", "ic_positive_share"), "the correlations are those of single sessions"),
    **dict.fromkeys(
        ("prediction_mean", "prediction_std", "prediction_min", "prediction_max"), "all predictions given are meant"
    ),
    **dict.fromkeys(("log_loss", "brier", "prevalence"), "all predictions given are scored, as up against down"),
}
#: Metrics that may be of one asset, named by the label.
_BY_ASSET = ("hit_rate", "accuracy", "mae", "rmse", "mape", "r2", "bias")
#: Metrics of trades that carry a unit.
_IN_UNITS = ("average_win", "average_loss", "gross_profit", "gross_loss", "total_profit", "expectancy")
#: Words for the two classes of a direction; a class numbered 1 is up as classifiers number them.
_SIDES = {
    "up": ("up", "long", "longs", "buy", "bull", "bullish", "positive", "rise", "1", "alta", "上涨"),
    "down": ("down", "short", "shorts", "sell", "bear", "bearish", "negative", "fall", "0", "-1", "baixa", "下跌"),
}
#: What readings filled at the close that the prediction reads are called.
_SAME_CLOSE = "same close"
#: Two factors are one when they differ by less than this.
_SAME_FACTOR = 0.01


@dataclass(frozen=True)
class Recomputed:
    """A claim beside what the data gives.

    Parameters
    ----------
    claim : the claim.
    resolution : what the grid says.
    assumption : what the recomputation rests on beyond the data (a strategy, its costs), ``""`` for none.
    note : a reading of the print that was needed (in percent, digits cut off), ``""`` for none.
    explanation : the daily series that gives the print where no convention does on the series at hand.

    """

    claim: Claim
    resolution: Resolution
    assumption: str = ""
    note: str = ""
    explanation: Explanation | None = None

    @property
    def finding(self) -> Finding:
        """What it says about the claim."""
        found, why, sentence = self.resolution, self.explanation, self.resolution.sentence.rstrip(".")
        sentence += f" ({self.note})" if self.note else ""
        if found.matches:
            verdict = Arithmetic.REPRODUCED if found.reproduced else Arithmetic.REPRODUCED_OTHERWISE
            if found.proves_nothing and not found.reproduced:
                verdict = Arithmetic.CONSISTENT
            if why is not None and not why.honest:
                return self._doubted(why, verdict)
            named = None if found.reproduced or found.named is None else found.named.words
            early = not found.proves_nothing and all(_SAME_CLOSE in reading.words for reading in found.matches)
            held = "the prediction reads the close at which the order would have to be filled" if early else ""
            return self._says("R1 recomputed", sentence, verdict, held, named)
        if why is not None and not why.near:
            return self._explained(why)
        if why is not None:
            came = number_as(why.value, found.printed)
            sentence += f"; of other daily series {why.words} comes nearest, {came}"
        refuted = None if self.assumption else Arithmetic.INCONSISTENT
        return self._says("R1 recomputed", sentence, refuted, self.assumption)

    def _says(
        self, check: str, sentence: str, arithmetic: Arithmetic | None, doubt: str = "", reading: str | None = None
    ) -> Finding:
        """A finding about the claim; implausible too where `doubt` says what that rests on."""
        substance, weight = Substance.IMPLAUSIBLE if doubt else None, 10 if check.startswith("R1") else 11
        ids = (self.claim.id,)
        return Finding(check, ids, f"{sentence}.", arithmetic, substance, doubt or None, reading, weight)

    def _doubted(self, why: Explanation, verdict: Arithmetic) -> Finding:
        """Some convention gives the print, but one other daily series gives all of them with fewer oddities."""
        found = self.resolution
        sentence = f"{found.sentence.rstrip('.')}; but {why.words} gives {number_as(why.value, found.printed)}, and"
        sentence += f" {why.together} of {why.printed} printed figures of the run, with fewer odd conventions"
        held = "; ".join(filter(None, ("the figures of one run follow one convention", self.assumption)))
        return self._says("R2 daily series", sentence, verdict, held, why.words)

    def _explained(self, why: Explanation) -> Finding:
        """Another daily series gives the print: a sound one, one that looks ahead, or one of another size."""
        found = self.resolution
        sentence = f"recomputed {number_as(found.own.value, found.printed)} ({found.own.words}); {why.words} gives"
        sentence += f" {number_as(why.value, found.printed)}, as printed, and {why.together} of {why.printed} printed"
        sentence += " figures of the run together"
        if why.look_ahead:
            sentence += "; nobody can trade on the return of the day itself"
        if why.size != 1.0:
            sentence += "; a ratio does not change with the size of the book, levels do"
        refuted = not why.honest and not self.assumption
        verdict = Arithmetic.INCONSISTENT if refuted else Arithmetic.REPRODUCED_OTHERWISE
        return self._says("R2 daily series", sentence, verdict, "" if why.honest else self.assumption, why.words)


def choose_run(claims: ClaimSet, run: str | None) -> tuple[str, str | None]:
    """The group and split whose figures the data is of.

    Parameters
    ----------
    claims : the claims.
    run : ``"GROUP"`` or ``"GROUP/SPLIT"``, or None to take the only one.

    Returns
    -------
    (group, split) ; the split is None where all splits of the group are meant.

    Raises
    ------
    InputError
        If the run does not exist, or several could be meant.

    """
    places: dict[str, dict[str, None]] = {}
    known_claims = [claim for claim in claims.claims if resolvable(claims, claim)]
    for claim in [claim for claim in known_claims if not claim.at] or known_claims:
        places.setdefault(claim.group, {})[claims.split_of(claim)] = None
    if not places:
        raise InputError("audit: no claim can be recomputed from data (a Sharpe ratio, a return, an IC, an accuracy …)")
    if run is None:
        if len(places) > 1:
            raise InputError(f"audit: the data could be of several runs; name one with --run: {', '.join(places)}")
        return next(iter(places)), None
    if run in places:
        return run, None
    group, slash, split = run.rpartition("/")
    if slash and group in places and split in places[group]:
        return group, split
    known = list(places) + [f"{name}/{s}" for name, splits in places.items() for s in splits if s]
    raise InputError(f"audit: --run {run!r} names no run with figures to recompute; known: {', '.join(known)}")


def resolvable(claims: ClaimSet, claim: Claim) -> bool:
    """Whether data can give a claim: a point, a result, of the whole run or, for a level, of a calendar period of it;
    a score only where there are two classes."""
    if claim.metric not in RESOLVED_METRICS or claim.target or not claim.value.is_point:
        return False
    if claim.label and claim.metric not in _BY_ASSET and not _side_of(claim):
        return False
    if claim.at and (claim.metric not in LEVELS or days_of(claim.at) is None):
        return False
    return claim.metric not in CLASS_METRICS or len(claims.group(claim.group).classes) <= 2


def recompute(
    claims: ClaimSet, material: Material, *, run: str | None = None, assumption: str = ""
) -> list[Recomputed]:
    """Recompute every claim of a run that the material can give.

    Portfolio figures that were simulated here, not given, rest on `assumption`.

    Raises
    ------
    InputError
        If the run is not clear.

    """
    group, split = choose_run(claims, run)
    stated = claims.group(group).portfolio.periods_per_year
    if stated is not None and stated not in (250, 252, 260, 365) and material.series and not material.panels:
        material = replace(material, per_year=stated)
    reader = Report(claims)
    found = []
    for claim in claims.claims:
        if claim.group != group or split not in (None, claims.split_of(claim)) or not resolvable(claims, claim):
            continue
        days, own = days_of(claim.at), _of_claim(claim, material)
        if own is None or (days is not None and not material.covers(*days)):
            continue
        best = best_reading(claim, own if days is None else own.between(*days), reader.read(claim))
        if best is not None and not (best[0].matches == () and _of_trades(claim, material, reader)):
            resolution, note = best
            of_book = claim.metric in RETURN_STATISTICS or claim.metric in EXPOSURE_STATISTICS
            rests = assumption if of_book and claim.metric != "win_rate" else ""
            period = "" if days is None else f"it is a figure of all sessions of {claim.at} and of no others"
            held = "; ".join(filter(None, (rests, _SOFT.get(claim.metric), period)))
            found.append(Recomputed(claim, resolution, held, note))
    return _explained(found, material, claims, reader)


def _of_claim(claim: Claim, material: Material) -> Material | None:
    """The part of the material that a claim is of: one asset where its label names one; None where it has none."""
    if claim.metric in _IN_UNITS and material.outcomes is not None:
        unit = {"profits": None} if claim.value.percent else {"trades": None}
        material = replace(material, **unit)  # type: ignore[arg-type]
    if not claim.label:
        return material
    panel = next(iter(material.panels.values()), None)
    asset = next((a for a in panel.assets if a.lower() == claim.label.lower()), None) if panel is not None else None
    if asset is None and (side := _side_of(claim)):
        return Material(panels=material.panels, side=side, description=material.description)
    if asset is None:
        return None
    panels = {name: each.of(asset) for name, each in material.panels.items()}
    return Material(panels=panels, description=material.description)


def _side_of(claim: Claim) -> str:
    """The one of two classes that a score is of, by its label: ``"up"``, ``"down"``, or ``""``."""
    if claim.metric not in SIDE_METRICS:
        return ""
    word = claim.label.lower().split(" ")[0]
    return next((side for side, words in _SIDES.items() if word in words), "")


def _of_trades(claim: Claim, material: Material, reader: Report) -> bool:
    """Whether a win rate may count trades, which a series of sessions says nothing about."""
    if claim.metric != "win_rate" or material.outcomes is not None:
        return False
    traded = ("trades", "winning_trades", "losing_trades", "average_win", "average_loss", "profit_factor", "expectancy")
    return "trade" in claim.definition.lower() or any(map(reader.run_of(claim).candidates, traded))


def _explained(found: list[Recomputed], material: Material, claims: ClaimSet, reader: Report) -> list[Recomputed]:
    """The recomputed claims, with the daily series that gives what no convention does, split by split."""
    why: dict[str, Explanation] = {}
    whole = [item for item in found if not item.claim.at]
    for split in dict.fromkeys(claims.split_of(item.claim) for item in whole):
        mine = [
            (item.claim, reader.read(item.claim), item.resolution)
            for item in whole
            if claims.split_of(item.claim) == split
        ]
        why |= explain(mine, material, claims.group(mine[0][0].group).portfolio)
    return [replace(item, explanation=why.get(item.claim.id)) for item in found]


def vol_target_of(claims: ClaimSet, run: str | None) -> VolTarget | None:
    """The volatility target that the report states for a run."""
    book = claims.group(choose_run(claims, run)[0]).portfolio
    if book.volatility_target is None:
        return None
    return VolTarget(book.volatility_target.value, book.volatility_window)


def daily_finding(found: list[Recomputed], daily: DailyMatch | None, strategy: str) -> tuple[Finding, ...]:
    """What the report's own daily returns say about every level that follows from them."""
    ids = tuple(item.claim.id for item in found if item.claim.metric in LEVELS)
    if daily is None or not daily.doubtful or not ids:
        return ()
    held = f"the predictions are traded by {strategy}"
    return (
        Finding("R3 day by day", ids, daily.sentence, substance=Substance.IMPLAUSIBLE, assumption=held, weight=12),
    )


def leverage(found: list[Recomputed]) -> Finding | None:
    """A Sharpe ratio that holds beside a return and a volatility that are both off by one factor: another leverage."""
    by_metric = {item.claim.metric: item for item in found if not item.claim.at}
    sharpe, vol = by_metric.get("sharpe"), by_metric.get("annual_volatility")
    growth = by_metric.get("annual_return")
    if sharpe is None or vol is None or not sharpe.resolution.matches or vol.resolution.matches or vol.explanation:
        return None
    factor = vol.claim.value.value / vol.resolution.own.value
    members = [vol]
    words = f"volatility printed {vol.claim.printed} is {factor:.3g} times the recomputed one"
    if growth is not None and not growth.resolution.matches and growth.resolution.own.value:
        other = growth.claim.value.value / growth.resolution.own.value
        if abs(other / factor - 1) < 10 * _SAME_FACTOR:
            members.append(growth)
            words += f", and so is the return ({other:.3g} times)"
    sentence = f"{words}, while the Sharpe ratio holds: a ratio does not change with leverage or with the window of a"
    sentence += " volatility target, levels do; the printed book is of another size than the returns given."
    return Finding("R2 levels", tuple(item.claim.id for item in members), sentence, Arithmetic.INCONSISTENT, weight=11)


def with_findings(report: AuditReport, found: list[Recomputed], more: tuple[Finding, ...] = ()) -> AuditReport:
    """The report with what the data says added; the verdicts are combined anew.

    A figure that the data reproduces is not called inconsistent because of other figures of the report.
    """
    scale = None if any(item.assumption for item in found) else leverage(found)
    extra = [item.finding for item in found] + ([] if scale is None else [scale]) + list(more)
    settled = {item.claim.id for item in found if item.resolution.matches and not item.resolution.proves_nothing}
    kept = tuple(
        finding
        if not (finding.arithmetic is Arithmetic.INCONSISTENT and set(finding.claims) & settled)
        else replace(finding, claims=tuple(c for c in finding.claims if c not in settled))
        for finding in report.findings
    )
    findings = tuple(finding for finding in (*kept, *extra) if finding.claims)
    verdicts = tuple(combine(claim, findings) for claim in report.claims.claims)
    return replace(report, verdicts=verdicts, findings=findings)
