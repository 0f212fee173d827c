"""The recompute layer: our own figure beside the printed one, and the convention that explains the difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

from data.errors import InputError
from results.audit.claims_model import Claim, ClaimSet
from results.audit.conventions import Material
from results.audit.intervals import Interval
from results.audit.metrics_vocabulary import METRICS
from results.audit.readings import RETURN_METRICS
from results.audit.resolver import RESOLVED_METRICS, Resolution, resolve
from results.audit.rules.scope import Report
from results.audit.verdicts import Arithmetic, AuditReport, Finding, Substance, combine

__all__ = ["Recomputed", "choose_run", "recompute", "resolvable", "with_findings"]

#: Kinds of metric that are often printed in percent without the sign.
_PERCENT_KINDS = ("return", "error", "proportion", "score", "share")
#: Scores that are recomputed for up against down only.
_TWO_CLASSES = ("accuracy", "precision", "recall", "f1")
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

    """

    claim: Claim
    resolution: Resolution
    assumption: str = ""
    note: str = ""

    @property
    def finding(self) -> Finding:
        """What it says about the claim."""
        found, sentence = self.resolution, self.resolution.sentence
        if self.note:
            sentence = f"{sentence.rstrip('.')} ({self.note})."
        if found.matches:
            verdict = Arithmetic.REPRODUCED if found.reproduced else Arithmetic.REPRODUCED_OTHERWISE
            named = None if found.reproduced or found.named is None else found.named.words
            return Finding("R1 recomputed", (self.claim.id,), sentence, verdict, reading=named, weight=10)
        if self.assumption:
            return Finding(
                "R1 recomputed",
                (self.claim.id,),
                sentence,
                substance=Substance.IMPLAUSIBLE,
                assumption=self.assumption,
                weight=10,
            )
        return Finding("R1 recomputed", (self.claim.id,), sentence, Arithmetic.INCONSISTENT, weight=10)


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
    for claim in claims.claims:
        if resolvable(claims, claim):
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
    """Whether data can give a claim: a point, a result, of the whole run; a score only where there are two classes."""
    if claim.metric not in RESOLVED_METRICS or claim.target or not claim.value.is_point or claim.label or claim.at:
        return False
    return claim.metric not in _TWO_CLASSES or len(claims.group(claim.group).classes) <= 2


def recompute(
    claims: ClaimSet, material: Material, *, run: str | None = None, assumption: str = ""
) -> list[Recomputed]:
    """Recompute every claim of a run that the material can give.

    Parameters
    ----------
    claims : the claims.
    material : returns, predictions and what followed.
    run : see `choose_run`.
    assumption : what portfolio figures rest on when they were simulated here rather than given.

    Raises
    ------
    InputError
        If the run is not clear.

    """
    group, split = choose_run(claims, run)
    reader = Report(claims)
    found = []
    for claim in claims.claims:
        if (
            not resolvable(claims, claim)
            or claim.group != group
            or (split is not None and claims.split_of(claim) != split)
        ):
            continue
        best = _best_reading(claim, material, reader.read(claim))
        if best is not None:
            resolution, note = best
            rests = assumption if claim.metric in RETURN_METRICS and claim.metric != "win_rate" else ""
            found.append(Recomputed(claim, resolution, rests, note))
    return found


def _best_reading(claim: Claim, material: Material, interval: Interval) -> tuple[Resolution, str] | None:
    """The print as rounded; where nothing gives it, in percent without the sign, then with its digits cut off."""
    readings: list[tuple[Interval, str]] = [(interval, "")]
    info = METRICS[claim.metric]
    if info.kind in _PERCENT_KINDS and not claim.value.percent and not claim.unit:
        readings.append((claim.value.interval * 0.01, "printed in percent without the sign"))
    readings.append((claim.value.either, "digits cut off, not rounded"))
    first = None
    for wanted, note in readings:
        resolution = resolve(claim.metric, claim.value, material, wanted)
        if resolution is None:
            return None
        if resolution.matches:
            return resolution, note
        first = first or (resolution, "")
    return first


def leverage(found: list[Recomputed]) -> Finding | None:
    """A Sharpe ratio that holds beside a return and a volatility that are both off by one factor: another leverage."""
    by_metric = {item.claim.metric: item for item in found}
    sharpe, vol = by_metric.get("sharpe"), by_metric.get("annual_volatility")
    growth = by_metric.get("annual_return")
    if sharpe is None or vol is None or not sharpe.resolution.matches or vol.resolution.matches:
        return None
    factor = vol.claim.value.value / vol.resolution.own.value
    members = [vol]
    words = f"volatility printed {vol.claim.printed} is {factor:.3g} times the recomputed one"
    if growth is not None and not growth.resolution.matches and growth.resolution.own.value:
        other = growth.claim.value.value / growth.resolution.own.value
        if abs(other / factor - 1) < 10 * _SAME_FACTOR:
            members.append(growth)
            words += f", and so is the return ({other:.3g} times)"
    sentence = (
        f"{words}, while the Sharpe ratio holds: a ratio does not change with leverage or with the window of"
        f" a volatility"
        " target, levels do; the printed book is of another size than the returns given."
    )
    return Finding("R2 levels", tuple(item.claim.id for item in members), sentence, Arithmetic.INCONSISTENT, weight=11)


def with_findings(report: AuditReport, found: list[Recomputed], more: tuple[Finding, ...] = ()) -> AuditReport:
    """The report with what the data says added; the verdicts are combined anew.

    A figure that the data reproduces is not called inconsistent because of other figures of the report.
    """
    scale = leverage(found)
    extra = (
        [item.finding for item in found] + ([scale] if scale is not None and not _assumed(found) else []) + list(more)
    )
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


def _assumed(found: list[Recomputed]) -> bool:
    return any(item.assumption for item in found)
