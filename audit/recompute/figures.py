"""Figures of a report beside what data gives, and what reproduces them: a declared convention, or another daily series.

A figure that one convention in hundreds reproduces to its last digit was very likely made that way. A figure that half
of the grid reproduces was printed too coarsely to tell; and where most figures of so few digits, right or wrong, would
find some convention as odd, finding one says nothing. The resolver measures both and says so.

Ratios hide faults: a volatility target whose window holds the day that it scales keeps the Sharpe ratio almost where it
was and moves return, volatility and drawdown; a book of another size moves them by one factor. One figure can be met by
chance: a daily series is named only when it gives the printed figures of a run together, or nearly all of its days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from assay.audit.claims.intervals import Interval, Printed
from assay.audit.claims.model import METRICS, Claim, ClaimSet, Portfolio
from assay.audit.recompute.conventions import RESTS, SIDES, Book, Material, Reading
from assay.audit.recompute.measures import CLASS_METRICS, OF_RETURNS, OF_SIGNALS, SIDE_METRICS, STATISTICS, readings_of
from assay.audit.rules.scope import Report, days_of
from assay.audit.verdicts import Arithmetic, AuditReport, Finding, Substance, as_printed, combine
from assay.data.conventions import SESSIONS_A_YEAR, Floats
from assay.data.errors import InputError
from assay.engine.overlay_passes import vol_factor

__all__ = [
    "DailyMatch", "Recomputed", "Resolution", "VolTarget", "choose_run", "daily_finding", "explain", "match_daily",
    "of_claim", "of_run", "recompute", "resolve", "stands_for", "vol_target_of", "with_findings",
]  # fmt: skip

#: Metrics that may be of one asset, named by the label.
_BY_ASSET = ("hit_rate", "accuracy", "mae", "rmse", "mape", "r2", "bias")
#: Metrics of trades that carry a unit, and those beside which a win rate counts trades.
_IN_UNITS = ("average_win", "average_loss", "gross_profit", "gross_loss", "total_profit", "expectancy")
_OF_TRADES = ("trades", "winning_trades", "losing_trades", "average_win", "average_loss", "profit_factor", "expectancy")
#: Share of the grid beyond which reproducing a figure proves nothing; chance of finding some convention by luck from
#: which on it is told, and from which on finding one proves nothing.
TOO_MANY, LUCK, LUCKY = 0.5, 0.1, 0.25
#: Kinds of metric that are often printed in percent without the sign.
_PERCENT_KINDS = ("return", "error", "proportion", "score", "share")
#: Bounds of the factor of a volatility target, none or half to twice, and sessions of its window, where not stated.
BOUNDS, WINDOWS = ((0.0, 1e6), (0.5, 2.0)), (20, 60)
#: Metrics in proportion to the size of the book.
_SIZED = ("annual_volatility", "return_std", "mean_return", "annual_return", "var", "cvar", "best_day", "worst_day")
#: Share of days that must be equal before a series is named, and relative tolerance of a day.
NEARLY_ALL, CLOSE = 0.95, 1e-5
#: The least and the largest factor; what a print can stand for, by the note of that reading.
Bounds = tuple[float, float]
Stands = Mapping[str, Interval]
#: A volatility target as a report states it: volatility a year, and sessions of its window where stated.
VolTarget = tuple[float, int | None]


@dataclass(frozen=True)
class Resolution:
    """What the grid says about one printed figure."""

    printed: Printed
    own: Reading  # the figure under the project's own convention
    matches: tuple[Reading, ...]  # readings that round to the print, fewest departures first
    nearest: Reading  # the reading nearest to the print
    tried: int  # how many conventions were tried
    #: Share of the figures of as many digits, from half of ours to one and a half times it, that a convention with no
    #: more departures than the named one would give.
    chance: float = 0.0
    note: str = ""  # a reading of the print that was needed (in percent, digits cut off)
    book: Book | None = None  # the daily series that gives the print where no convention does on the one at hand
    value: float = math.nan  # what it gives
    together: tuple[int, int] = (0, 0)  # how many of how many printed figures of the run it gives

    @property
    def reproduced(self) -> bool:
        """Whether the project's own convention gives the printed digits."""
        return bool(self.matches) and not self.matches[0].departures

    @property
    def named(self) -> Reading | None:
        """The convention to name: the match with the fewest departures."""
        return self.matches[0] if self.matches else None

    @property
    def proves_nothing(self) -> bool:
        """Whether so much of the grid gives the print, or would give most others, that it identifies nothing."""
        return self._too_many or self.chance >= LUCKY

    @property
    def _too_many(self) -> bool:
        return self.tried > 1 and len(self.matches) >= TOO_MANY * self.tried

    @property
    def _departing(self) -> str:
        usual, reading = dict(self.own.choices), self.matches[0]
        return " · ".join(each for name, each in reading.choices if usual.get(name) != each) or reading.words

    @property
    def shown(self) -> str:
        """The figure for a table: our own, and what reproduces the print where that is another."""
        own = as_printed(self.own.value, self.printed)
        if self.reproduced or not self.matches:
            return own
        return f"{own}; {as_printed(self.matches[0].value, self.printed)} with {self._departing}"

    @property
    def sentence(self) -> str:
        """The finding in one sentence, without its full stop."""
        own, count, tried = as_printed(self.own.value, self.printed), len(self.matches), f"{self.tried} conventions"
        printed = self.printed.text
        note, sentence = f" ({self.note})" * bool(self.note), f"recomputed {own} ({self.own.words})"
        if self.book is not None:
            value, (given, of) = as_printed(self.value, self.printed), self.together
            sentence += f"; {self.book.words} gives {value}, as printed, and {given} of {of} printed figures of the run"
            sentence += " together"
            sentence += "; nobody can trade on the return of the day itself" if self.book.look_ahead else ""
            return sentence + "; a ratio does not change with the size of the book, levels do" * (self.book.size != 1.0)
        if not self.matches:
            missed = f"none of {tried} gives {printed}" if self.tried > 1 else f"{printed} is printed"
            near = f", the nearest is {as_printed(self.nearest.value, self.printed)} ({self.nearest.words})"
            return f"{sentence}; {missed}{near * (self.nearest != self.own)}{note}"
        other = as_printed(self.matches[0].value, self.printed)
        sentence += f" rounds to the printed {printed}" if self.reproduced else ""
        sentence += "" if self.reproduced else f"; {self._departing} gives {other}, as printed"
        sentence += f"; {count} of {tried} give the printed digits" * (count > 1)
        sentence += f"; no other of {tried} does" * (count == 1 < self.tried)
        sentence += ", so they prove nothing about how it was made" * (self._too_many and count > 1)
        if self.chance >= LUCK:
            sentence += f"; {100 * self.chance:.0f}% of all figures near ours with so few digits would find one as odd"
            sentence += ", so it proves nothing" if self.chance >= LUCKY else ""
        return sentence + note


def stands_for(claim: Claim, interval: Interval) -> dict[str, Interval]:
    """What a print can stand for by note, the likeliest first: as rounded (`interval`), in percent, or cut off."""
    bare = METRICS[claim.metric].kind in _PERCENT_KINDS and not claim.value.percent and not claim.unit
    percent = {"printed in percent without the sign": claim.value.interval * 0.01} if bare else {}
    return {"": interval} | percent | {"digits cut off, or rounded twice": claim.value.either}


def resolve(metric: str, printed: Printed, material: Material, stands: Stands | None = None) -> Resolution | None:
    """Which conventions reproduce a printed figure; None when the material cannot give the metric.

    `stands` is what the print can stand for where that is not as rounded (`stands_for`): the first that any
    convention gives is taken, else the first.

    Examples
    --------
    >>> import numpy as np
    >>> from assay.audit.claims.intervals import parse_print
    >>> returns = np.array([0.01, -0.005, 0.002, 0.007, -0.003])
    >>> found = resolve("return_std", parse_print("0.0057"), Material({"net": returns}))
    >>> found.named.words, found.reproduced, found.tried
    ('net · ddof 0 · simple returns', False, 4)

    """
    readings = sorted(readings_of(metric, material), key=lambda reading: reading.departures)
    if not readings:
        return None
    tried = [(note, wanted, tuple(reading for reading in readings if wanted.holds(reading.value)))
             for note, wanted in (stands or {"": printed.interval}).items()]  # fmt: skip
    note, wanted, matches = next((each for each in tried if each[2]), tried[0])
    nearest, own, chance = min(readings, key=lambda reading: abs(reading.value - wanted.middle)), readings[0], 0.0
    if matches and matches[0].departures:
        as_odd = [reading.value for reading in readings if reading.departures <= matches[0].departures]
        chance = _covered(as_odd, own.value, wanted.width)
    return Resolution(printed, own, matches, nearest, len(readings), chance, note)


def _covered(values: Sequence[float], own: float, width: float) -> float:
    """Share of the stretch from half of `own` to one and a half times it within half a width of some value."""
    low, high = sorted((0.5 * own, 1.5 * own))
    if not (high > low and math.isfinite(width)):
        return 1.0
    ends = np.clip(np.sort(values) + width / 2, low, high)
    begins = np.clip(np.sort(values) - width / 2, np.concatenate([[low], ends[:-1]]), high)
    return float(np.maximum(ends - begins, 0.0).sum() / (high - low))


def scaled_to_target(raw: Floats, target: float, window: int = 20, lag: int = 1, bounds: Bounds = BOUNDS[1]) -> Floats:
    """(T,) returns times clip(target / σ, bounds), σ (ddof 1, √252) of the `window` that ends `lag` sessions before: 1
    or more is honest, with 0 nobody can trade. The factor is 1 until the window is full, from the first fill on."""
    shadow = pd.Series(np.where(np.maximum.accumulate(raw != 0), raw, np.nan))
    factor = vol_factor(shadow, target, window=window, low=bounds[0], high=bounds[1])
    return np.asarray(raw * factor.shift(lag, fill_value=1.0).to_numpy())


def unscaled(scaled: Floats, target: float, window: int = 20, lag: int = 1, bounds: Bounds = BOUNDS[1]) -> Floats:
    """The returns that an honest volatility target (lag of 1 or more) turned into `scaled`, unrolled day after day."""
    raw = np.array(scaled)
    for t in range(int((scaled != 0).argmax()) + window + lag - 1, len(raw)):
        sigma = raw[t - lag - window + 1 : t - lag + 1].std(ddof=1) * math.sqrt(SESSIONS_A_YEAR)
        raw[t] /= max(min(max(target / max(sigma, 1e-12), bounds[0]), bounds[1]), 1e-6)
    return raw


def _alternatives(material: Material, stated: VolTarget | None) -> list[Book]:
    """Daily series that a report may have printed instead of the one given, honest ones first."""
    found = [Book("the book before its overlays", material.unscaled)]
    if stated is not None and material.series:
        target, given = stated
        for window, bounds in product((given,) if given else WINDOWS, BOUNDS):
            found += _targeted(material, target, window, bounds)
    usable = [each for each in (*found, *material.books) if len(each.values) == len(material.given)]
    return sorted((each for each in usable if (np.abs(each.values) < 1).all()), key=lambda book: book.look_ahead)


def _targeted(material: Material, target: float, window: int, bounds: Bounds) -> list[Book]:
    """The given series read as unscaled, and as scaled honestly: each scaled with and without the day itself."""
    words = f"{100 * target:g}% over {window} sessions" + (", factor 0.5 to 2" if bounds == BOUNDS[1] else "")
    includes, given = "a volatility window that includes the day it scales", material.given
    scaled = partial(scaled_to_target, target=target, window=window, bounds=bounds)
    known = [material.unscaled] if len(material.unscaled) else []
    raws = known or [unscaled(given, target, window, lag, bounds) for lag in (1, 2)]
    return [
        *([] if known else [Book(f"the returns scaled to {words}", scaled(given, lag=1))]),
        *(Book(f"the returns without their volatility target ({words})", raw) for raw in raws),
        *(Book(f"{includes} ({words})", scaled(raw, lag=0), True) for raw in raws),
        Book(f"{includes} ({words}, on the returns as given)", scaled(given, lag=0), True),
    ]


#: A claim of a run over the whole period, what its print can stand for, and what the grid said.
Level = tuple[Claim, Stands, Resolution]


def explain(found: Sequence[Level], material: Material, stated: VolTarget | None) -> dict[str, Resolution]:
    """What explains the printed levels of a run that no convention gives on the series at hand, by id of the claim."""
    levels = [level for level in found if level[0].metric in OF_RETURNS]
    missing = {claim.id for claim, _, resolution in levels if not resolution.matches}
    best: tuple[Book, dict[str, float]] | None = None
    if len(levels) < 2 or not missing or not material.series or material.per_year is not None:
        return {}  # overlays work on daily returns
    for book in (*_sized(levels, material), *_alternatives(material, stated)):
        given = _reproduced(levels, material, book)
        solved, left = len(missing & given.keys()), len(levels) - len(given)
        # A factor is found from one of the figures: another, or all, must follow from it.
        enough = solved >= 2 or not left or book.size == 1.0
        if enough and solved >= max(1, len(missing) / 2) and left <= len(levels) // 4:
            best = (book, given) if best is None or len(given) > len(best[1]) else best
    if best is None:
        return {}
    book, given = best
    together = len(given), len(levels)
    return {claim.id: replace(resolution, book=book, value=given[claim.id], together=together)
            for claim, _, resolution in levels if claim.id in missing & given.keys()}  # fmt: skip


def _reproduced(levels: Sequence[Level], material: Material, book: Book) -> dict[str, float]:
    """Figures of the run that a series gives under at most one odd convention each, by id of the claim."""
    other = replace(material, series={"net": book.values})
    given: dict[str, float] = {}
    for tried, (claim, stands, _) in enumerate(levels):
        best = resolve(claim.metric, claim.value, other, stands) if tried - len(given) <= len(levels) // 4 else None
        if best is not None and best.named is not None and best.named.departures <= 1:
            given[claim.id] = best.named.value
    return given


def _sized(levels: Sequence[Level], material: Material) -> list[Book]:
    """The given series at the sizes that printed figures in proportion to it suggest, each in as few digits as fit."""
    sizes: dict[float, None] = {}
    for claim, stands, resolution in levels:
        own = resolution.own.value
        for scale in (1.0, 0.01) if claim.metric in _SIZED and not resolution.matches and own else ():
            ratio = stands[""] * scale / own
            rounded = (round(ratio.middle, digits) for digits in range(12))
            if ratio.low > 0 and 0.02 < ratio.middle < 50:
                sizes[next((size for size in rounded if ratio.low <= size <= ratio.high), ratio.middle)] = None
    return [Book(f"the book at {size:.4g} times its size", size * material.given, size=size) for size in sizes]


@dataclass(frozen=True)
class DailyMatch:
    """The book that gives the most of a report's daily returns, `equal` of so many `days`, and how many `own` does."""

    words: str
    equal: int
    days: int
    own: int
    look_ahead: bool = False
    size: float = 1.0

    @property
    def named(self) -> bool:
        """Whether the series is of that book."""
        return self.equal >= NEARLY_ALL * self.days

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        on, other = f"on {self.equal:,} of {self.days:,} days", self.equal != self.own
        if not self.named:
            return f"no book tried gives the printed daily returns: the nearest, {self.words}, equals them {on}."
        tail = f", our simulation, net, on {self.own:,}" if other else ""
        tail += "; nobody can trade on the return or the close of the day itself" if self.look_ahead else ""
        return f"the printed daily returns are those of {self.words} {on}{tail}."


def match_daily(printed: Material, simulated: Material, stated: VolTarget | None = None) -> DailyMatch | None:
    """The book that gives the most of a report's daily returns, stamp by stamp where both have dates; of several that
    give nearly all days the soundest: ours, its other bases, then those that look ahead, each at its own size first.
    None where the two have too few days in common."""
    ours = theirs = np.arange(len(printed.given))
    if len(printed.dates) and len(simulated.dates):
        _, theirs, ours = np.intersect1d(printed.dates, simulated.dates, return_indices=True)
    elif len(simulated.given) != len(printed.given):
        return None
    if len(ours) < 20:
        return None
    target, found = printed.given[theirs], []
    digits = next((n for n in range(2, 9) if np.allclose(target, np.round(target, n), rtol=0, atol=1e-12)), 9)
    books = [Book(f"our simulation, {name}", values, "same close" in name) for name, values in simulated.series.items()]
    for book in (*books, *_alternatives(simulated, stated)):
        values = book.values[ours]
        for size in dict.fromkeys((1.0, round(float(target.std() / (values.std() or 1.0)), 2))):
            equal = int(np.isclose(size * values, target, rtol=CLOSE, atol=0.51 * 10.0**-digits).sum())
            words = book.words if size == 1.0 else f"{book.words}, at {size:.4g} times its size"
            found.append(DailyMatch(words, equal, len(target), 0, book.look_ahead, size))
    best = next((match for match in found if match.named), max(found, key=lambda match: match.equal))
    return replace(best, own=found[0].equal)


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
