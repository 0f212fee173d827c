"""Every name that a row of the table of identities may use beside metrics.

A formula takes the inputs of the row in order, intervals (printed figures, classes by label) or plain numbers (n,
sessions, periods), None where one that may be missing is. It gives what the figure may be: one interval or number,
readings by name with the usual one first, or None where it does not apply. A condition or an allowance looks at a
`Situation`: the run, the claims by the names of the row, and the values that the formula takes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.audit import forensic
from assay.audit.claims.intervals import Interval, corners, hull_of, mean_of
from assay.audit.claims.model import Claim
from assay.audit.rules.scope import (
    Run,
    class_shares,
    completeness,
    info_of,
    period_of,
    track_record,
    weekdays,
    years_of,
)  # fmt: skip
from assay.audit.verdicts import TABLE

__all__ = ["ALLOWANCES", "CONDITIONS", "CONTEXT", "FIGURES", "FORMULAS", "Allowance", "Situation"]

_ONE = Interval.point(1.0)
#: Mean size of a move in units of its deviation.
_MOVES = {"if all moves are equal": 1.0, "if they are normal": forensic.MEAN_ABSOLUTE_NORMAL}
#: Name -> what follows from the inputs; the functions of `forensic` by their own names.
FORMULAS: Mapping[str, Callable[..., Any]] = {name: getattr(forensic, name) for name in forensic.__all__} | {
    # Any figures
    "a": lambda a: a,
    "1 − a": lambda a: _ONE - a,
    "a²": lambda a: abs(a).power(2),
    "−|a|": lambda a: -abs(a),
    "ln(1 − |a|)": lambda a: corners(lambda fall: math.log1p(-fall) if fall < 1 else -math.inf, abs(a)),
    "±|a|": lambda a: Interval(-a.high, a.high),
    "a − b": lambda a, b: a - b,
    "a − b, b if printed": lambda a, b: a - b if b is not None else a,
    "|a| − |b|": lambda a, b: abs(a) - abs(b),
    "a b": lambda a, b: a * b,
    "a / |b|": lambda a, b: a / abs(b),
    "|a| / |b|": lambda a, b: abs(a) / abs(b),
    "mean": lambda parts: mean_of(parts.values()),
    # Classifiers
    "Jaccard": lambda p, r: 1 / (1 / p.low + 1 / r.low - 1) if min(p.low, r.low) > 0 else 0.0,
    # Where two classes have one, the entropy of their base rate.
    "guessing": lambda k, n, up: (
        forensic.entropy([up / n, 1 - up / n]) if k == 2 and n and up and up < n else math.log(k)),
    # Regressions
    "√n a": lambda mae, n: mae * math.sqrt(max(n, 1.0)),
    "√(a² + b²)": lambda bias, std: forensic.mse_of_parts(bias, std).power(0.5),
    "Popoviciu / low": lambda low, high, r2: forensic.rmse_ceiling(low, high, r2) / low,
    "a/high to a/low": lambda mae, low, high: Interval(mae.low / high, mae.high / low),
    "(high − low)/(high + low)": lambda low, high: (high - low) / (high + low),
    "(high − low)/2": lambda low, high: (high - low) / 2,
    "0.798 σ √h": lambda vol, h: vol * (forensic.MEAN_ABSOLUTE_NORMAL * math.sqrt(h)),
    # Moments and tests
    "between": lambda low, high: Interval(low.low, max(low.low, high.high)),
    "skew² − 2": lambda skew: abs(skew).low ** 2 - 2,
    "p of r": lambda r, n: (t := forensic.t_of_correlation(r, n)) and forensic.p_readings(
        t["n - 2"], Interval.point(n - 2)),
    # Of observations that may be autocorrelated.
    "at most t": lambda mean, std, n: abs(forensic.t_of_mean(mean, std, n)) * Interval(-1.001, 1.001),
    # Signals
    "rank IC / std": lambda rank, std, n: forensic.icir_readings(None, rank, std, n),
    # A fifth of the names to spare.
    "1/√(N−1)": lambda names: math.sqrt(0.8 / (names - 0.8)) if names > 1 else None,
    # Eight points to spare: over weeks prices drift, so that one sign is the more frequent.
    "1/2 + asin(ρ)/π": lambda rho: (
        corners(lambda r: 0.58 + math.asin(r) / math.pi, rho) if abs(rho).high <= 1 else None),
    "(top − bottom)/(2 κ IC)": lambda top, bottom, ic, q: (top - bottom) / (ic * (2 * forensic.quantile_slope(q))),
    "realised/predicted": lambda top, bottom, high, low: (
        (high - low) / (top - bottom) if (top - bottom).low > 0 else None),
    "held volatility": lambda sharpe, top, bottom, long, short, periods: (
        annual / sharpe if (annual := (top * long - bottom * short) * periods).low > 0 else None),
    # Portfolios
    "Lo less the goal": lambda goal, *of: {name: end - goal.low for name, end in forensic.sharpe_around(*of).items()},
    # From its low end, where that is above 0.
    "above the best": lambda sharpe, n, periods, trials: (
        low - forensic.deflated_floor(trials, n, periods)
        if trials > 1 and (low := forensic.sharpe_interval(sharpe.high, n, periods).low) > 0 else None),
    "needed hit rates": lambda sharpe, periods: {
        name: min(forensic.needed_hit_rate(sharpe, periods, move), 1.0) for name, move in _MOVES.items()},
    "t of trades": lambda sharpe, n, periods: sharpe * (n * (1 / periods)).power(0.5),
    "net of cost": lambda gross, *of: {name: gross - cost for name, cost in forensic.cost_readings(*of).items()},
    "excess": lambda gain, market: {"difference": gain - market} | (
        {"ratio of growth": (gain + 1.0) / (market + 1.0) - 1.0} if market.low > -1 else {}),
    "√P a": lambda a: {f"times sqrt {periods}": a * math.sqrt(periods) for periods in forensic.PERIODS},
    # Trades: of those that are neither won nor lost some or all may be left out, or not be lost.
    "W/n": lambda wins, trades, losses: {"": wins / abs(trades)} | (
        {"of those won or lost": hull_of([wins / abs(trades), forensic.share_of(wins, losses), _ONE - losses / trades])}
        if losses is not None and (wins + losses).low < trades.low else {}),
    "W·w/(L·l)": lambda wins, losses, win, loss: (wins * abs(win)) / (losses * abs(loss)),
    "W·w − L·l": lambda wins, losses, win, loss: wins * abs(win) - losses * abs(loss),
    "p·w/((1 − p)·l)": lambda rate, win, loss: forensic.factor_of(rate, abs(win) / abs(loss)),
    "p·w − (1 − p)·l": lambda rate, win, loss: corners(
        lambda p, won, lost: p * won - (1 - p) * lost, rate, abs(win), abs(loss)),
    # Training: frameworks count from 0 or 1
    "a + 1/2": lambda a: a + 0.5,
    "patience + 3/2": lambda patience: patience + 1.5,
}  # fmt: skip


@dataclass(frozen=True)
class Situation:
    """What a row meets: `claims` by the names of the row, `parts` the labelled ones, `values` those of the formula."""

    run: Run
    claims: Mapping[str, Claim]
    parts: tuple[Claim, ...]
    values: tuple[Any, ...]
    context: Mapping[str, Any]
    label: str = ""

    @property
    def stated(self) -> bool:
        """Whether the row takes something that the report states beside its figures."""
        return any(value for name, value in self.context.items() if name not in _ASSUMED)

    @property
    def involved(self) -> tuple[Claim, ...]:
        """Every printed figure of the row, the result first."""
        return (*self.claims.values(), *self.parts)

    def read(self, name: str) -> Interval:
        """The interval of a figure of the row."""
        return self.run.read(self.claims[name])


@dataclass(frozen=True)
class Allowance:
    """A wider reading that explains a near miss: its words, the interval that it allows, of the first reading of the
    formula and then the inputs, and where it is open at all."""

    words: str
    allowed: Callable[..., Interval | None]
    when: Callable[[Situation], bool] = lambda s: True


def _planned(run: Run, name: str) -> int | None:
    """A setting of the training: stated, or printed."""
    stated, claim = getattr(run.group.schedule, name, None), run.get(name)
    whole = claim is not None and float(claim.value.value).is_integer()
    return int(claim.value.value) if stated is None and claim is not None and whole else stated


def _side(run: Run, name: str) -> float:
    """Gross weight of a side of the book; half each where one is not stated."""
    book = run.group.portfolio
    return 0.5 if book.long_gross is None or book.short_gross is None else float(getattr(book, name))


def _quantiles(run: Run) -> int:
    ends = (FIGURES["quantile_return/top"](run), FIGURES["quantile_return/bottom"](run))
    words = " ".join(f"{c.label} {c.definition}" for c in ends if c is not None).lower()
    return next((q for name, q in _QUANTILES.items() if name in words), 5)


#: Context that has a value where nothing is stated.
_ASSUMED = ("periods", "long side", "short side", "quantiles", "horizon", "assumed volatility", "classes guessed")
_QUANTILES = {"q10": 10, "quintile": 5, "decile": 10, "tercile": 3, "quartile": 4}


def _stated(path: str) -> Callable[[Run], Any]:
    owner, name = path.split(".")
    return lambda run: getattr(getattr(run.group, owner), name, None)


#: Stated context that an identity may take as an input beside printed figures; None where it is unknown.
CONTEXT: Mapping[str, Callable[[Run], Any]] = {name: _stated(path) for name, path in TABLE["context"][0].items()} | {
    "confirmed n": lambda run: None if run.claims.draft else run.group.sample.n,
    "confirmed sessions": lambda run: None if run.claims.draft else run.group.sample.sessions,
    "stated years": years_of,
    "horizon": lambda run: max(run.group.sample.horizon or 1, 1),
    "period": lambda run: " to ".join(filter(None, (run.group.sample.start, run.group.sample.end))),
    "days of the period": lambda run: (dates := period_of(run.group.sample)) and (dates[1] - dates[0]).days + 1,
    "weekdays of the period": lambda run: (dates := period_of(run.group.sample)) and weekdays(*dates),
    "weekdays of the stated years": lambda run: (years := run.group.sample.years) and 261.0 * years + 2,
    "track record": lambda run: (record := track_record(run)) and record[0],
    # Returns of a session behind the figures: of other periods the weekdays of the dates are no count.
    "daily record": lambda run: (record := track_record(run)) and (
        record[0] if run.group.sample.sessions is not None or run.periods in (252, 250, 260, 244, 240) else None),
    "periods": lambda run: run.periods,
    "stated rate": lambda run: (bps := run.group.portfolio.rate_bps) and Interval.point(bps * 1e-4),
    "long side": lambda run: _side(run, "long_gross"),
    "short side": lambda run: _side(run, "short_gross"),
    "quantiles": _quantiles,
    "lowest": lambda run: (span := run.group.target.span) and (span.low if span.width > 0 else None),
    "highest": lambda run: (span := run.group.target.span) and (span.high if span.width > 0 else None),
    "assumed volatility": lambda run: None if run.group.target.daily_volatility else Interval.point(0.02),
    "classes guessed": lambda run: 2 if [term.kind for term in getattr(run.group.loss, "terms", ())[:1]] == [
        "binary_cross_entropy"] else max(2, len(run.group.classes)),
    "class shares": class_shares,
    "cap": lambda run: _planned(run, "max_epochs"),
    "patience": lambda run: _planned(run, "patience"),
}  # fmt: skip


def _quantile(metric: str, *words: str) -> Callable[[Run], Claim | None]:
    """The quantile of a metric whose label has one of the words, those that come first before the others."""
    return lambda run: next((
        c for word in words for label, c in run.labelled(metric).items()
        if re.search(word, label, re.I) and not re.search(r"long.?short|top.*bottom|spread", label, re.I)
    ), None)  # fmt: skip


def _ic_of_model(run: Run) -> Claim | None:
    """The IC of the run, or of another run of the same model."""
    own = run.get("ic") or run.get("rank_ic")
    if own is not None or not run.group.model:
        return own
    return next((
        c for c in run.claims.claims
        if c.metric in ("ic", "rank_ic") and not (c.at or c.label or c.target) and c.value.is_point
        and run.possible(c) and run.claims.group(c.group).model == run.group.model
    ), None)  # fmt: skip


def _goal(run: Run, metric: str) -> Claim | None:
    """The threshold that the report sets for a metric of a run, or of the only one that prints it."""
    alike = [c for c in run.claims.claims if c.metric == metric and run.get(metric) is not None]
    alone = {c.group for c in alike if not c.target} == {run.group.name}
    goals = (c for c in alike if c.target and c.value.bound in ("", ">", ">=")
             and not run.at and run.claims.split_of(c) in ("", run.split))  # fmt: skip
    return next((c for c in goals if alone or c.group == run.group.name), None)


_ENDS = {"top": (r"top|long|highest|best|\bq10\b", r"\bq5\b"), "bottom": (r"bottom|short|lowest|worst|\bq1\b",)}
#: Figures that a name picks by more than metric and label.
FIGURES: Mapping[str, Callable[[Run], Claim | None]] = {
    "ic of the model": _ic_of_model,
    "sharpe/goal": lambda run: _goal(run, "sharpe"),
    "sharpe_gross/goal": lambda run: _goal(run, "sharpe_gross"),
} | {
    f"{metric}/{end}": _quantile(metric, *words)
    for metric in ("quantile_return", "quantile_predicted_return") for end, words in _ENDS.items()
}  # fmt: skip


def _one_unit(s: Situation) -> bool:
    """Whether errors are in one unit: all say so, or they stand together and are within a factor of three, as a scaled
    error beside one in prices is not. An MSE counts by its root."""
    if not s.run.together(*s.involved):
        return False
    units = {claim.unit for claim in s.involved}
    if len(units) == 1 and units != {""}:
        return "mse" not in s.claims
    sizes = [abs(s.read(m)).power(0.5) if m == "mse" else abs(s.read(m)) for m in s.claims]
    return max(v.low for v in sizes) <= 3 * max(min(v.high for v in sizes), 1e-300)


def _one_class(s: Situation) -> bool:
    return s.run.one_class(*(claim for name, claim in s.claims.items() if name in ("precision", "recall", "f1")))


def _currency(s: Situation) -> str | None:
    """The currency sign of the money in a row, "" where there is none; None where signs differ, or some are percent."""
    money = [claim for claim in s.claims.values() if info_of(claim).kind == "level"]
    signs = {"".join(char for char in claim.printed if char in "$€£₹¥") for claim in money}
    return signs.pop() if len(signs) == 1 and not any(claim.value.percent for claim in money) else None


def _draft(s: Situation) -> bool:
    return s.run.claims.draft


def _of_money(s: Situation) -> bool:
    """Whether averages are money, and not percent or units of the risk: a draft must print their currency."""
    return _currency(s) is not None and not (_draft(s) and _currency(s) == "")


#: Positions that are stretches of time, and runs that a report sets apart as no strategy, or of a short stretch.
_PARTS = r"^(?:month|week|quarter|date|day|fold|split|window|period|mes)\b|^20\d\d[-/ hq]|^q[1-4]\b"
_HEDGED = (
    r"polymarket|kalshi|binary (?:option|bet|contract)|arbitrag"
    r"|market.?mak|\bcarry\b|\bfunding\b|cash.and.carry|(?:market|delta|beta|dollar).?neutral|\bhedged\b"
)
_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_SET_APART = (
    r"oracle|foresight|clairvoyan|upper bound|look ?ahead|leak|synthetic|planted|shuffled|t[ -]bill|treasur|risk free"
    r"|money market|(?:^|/ )(?:cash|20\d\d \d\d|(?:last )?(?:\d+ )?(?:days?|weeks?)(?: \d+)?|last"
    rf"|(?:{_MONTHS})(?: \d{{4}})?)(?: \(line|$| /)"
)


def _few_trades(s: Situation) -> bool:
    """Whether the ratio of so many trades is within three standard errors: of luck, or of trades annualised as days."""
    trades, sharpe = s.run.get("trades"), s.claims["sharpe"]
    if trades is None or trades.record != sharpe.record:
        return False
    return bool(FORMULAS["t of trades"](s.read("sharpe"), s.run.read(trades), s.context["periods"]).high < 3)


def _same_frequency(s: Situation) -> bool:
    """Beyond 1.3 times return over volatility, and half a point, no change of sampling frequency is believed."""
    printed = s.run.read(s.involved[0])
    top = max(value.high for value in forensic.sharpe_readings(*s.values).values())
    return printed.low > 1.3 * top > 0 and printed.low > top + 0.5 if printed.low > top else s.values[2] is not None


def _levels(s: Situation) -> bool:
    """Whether prices are forecast, or what is called returns has the spread of prices."""
    r2, rmse, target = s.run.get("r2"), s.run.get("rmse"), s.run.group.target
    if target.kind != "return" or r2 is None or rmse is None or rmse.value.percent:
        return target.kind == "price"
    return forensic.target_std(s.run.read(rmse), s.run.read(r2)).low > 1.0


def _plain_loss(s: Situation) -> bool:
    """Whether the loss is stated to be one cross-entropy, or two classes and an accuracy suggest it."""
    loss, run = s.run.group.loss, s.run
    if loss is None:
        return len(run.group.classes) == 2 and run.get("accuracy") is not None
    return [(t.kind, t.weight) for t in loss.terms] in ([("binary_cross_entropy", 1)], [("cross_entropy", 1)])


def _round_the_clock(s: Situation) -> bool:
    return s.run.group.portfolio.periods_per_year in (365, 366) or "crypto" in s.run.group.sample.market.lower()


CONDITIONS: Mapping[str, Callable[[Situation], bool]] = {
    # Nothing says that a figure of the row is pooled over folds, seeds or assets.
    "one sample": lambda s: s.run.one_sample(*s.involved),
    # A person may have written the figures; what a program prints in full it took of other returns.
    "by hand": lambda s: not (s.run.claims.draft and all(claim.value.computed for claim in s.involved)),
    "result by hand": lambda s: not (s.run.claims.draft and s.involved[0].value.computed),
    "a mean in money": lambda s: bool(_currency(s)),
    "a loss of more than everything": lambda s: s.read("total_return").high < -1,
    "in percent": lambda s: all(claim.value.percent for claim in s.involved),
    # A person grouped the figures, or a draft has them within a few lines.
    "together": lambda s: s.run.together(*s.involved),
    "one class": _one_class,
    # Beyond what any average leaves, standing together is enough; inside, the figures must be of one class.
    "one class, or beyond any average": lambda s: s.run.together(*s.involved) and (
        _one_class(s) or not s.read("f1").meets(forensic.f1_average_range(*s.values))),
    "several classes": lambda s: len(named := [c.label for c in s.parts if c.metric == s.parts[0].metric]) >= 2
        and completeness(s.run, named)[0],
    "all classes": lambda s: completeness(s.run, [claim.label for claim in s.parts])[1],
    "classes listed": lambda s: completeness(s.run, [c.name for c in s.run.group.classes])[1],
    "the loss is cross-entropy": _plain_loss,
    "alike": lambda s: len({c.unit for c in s.involved if c.unit}) <= 1
        and len({c.value.percent for c in s.involved}) == 1,
    "one unit": _one_unit,
    "all with a unit": lambda s: all(c.unit for c in s.involved),
    "same unit": lambda s: len({c.unit for c in s.involved}) == 1,
    "no unit": lambda s: not any(c.unit for c in s.involved),
    "not in percent": lambda s: not any(
        s.claims[name].value.percent for name in ("mae", "rmse", "mse") if name in s.claims),
    "one sample, or too small for any": lambda s: s.run.one_sample(*s.involved)
        or s.read("mse").high < s.values[0].power(2).low,
    "range of the evaluated rows": lambda s: s.run.group.target.range_covers == "evaluation",
    "returns are forecast": lambda s: s.run.group.target.kind == "return",
    "prices are forecast": _levels,
    "R² above 0.9": lambda s: s.read("r2").low > 0.9,
    "a MAPE beside it": lambda s: s.run.get("mape") is not None,
    # Out of sample R² may be against another mean than that of its own outcomes.
    "of its own mean": lambda s: not re.search(
        r"out.of.sample|oos|zero|historical mean|benchmark|Σ ?r", s.claims["r2"].definition, re.I),
    "Pearson's": lambda s: "pearson" in s.claims["correlation"].definition.lower(),
    "zeros and ones": lambda s: s.values[1] > 1
        and bool(re.search(r"binary|dummy|indicator|zeros and ones|0/1", s.claims["mean"].definition, re.I)),
    "whole numbers": lambda s: bool(
        re.search(r"whole number|integer|count of|number of", s.claims["mean"].definition, re.I)),
    # With IC and rank IC both printed, a deviation may be of either.
    "one IC": lambda s: s.run.get("ic") is None or s.run.get("rank_ic") is None,
    # No forecast of many sessions is always right: such a print is of a few, whose signs say nothing of a normal law.
    "not always right": lambda s: s.read("hit_rate").high < 1,
    # A hit rate may count the sessions whose IC is above zero: Φ(IC/std), five points to spare.
    "not of the IC": lambda s: (std := s.run.value("ic_std") or s.run.value("rank_ic_std")) is None or (
        s.read("hit_rate").low > 0.55 + math.erf((s.values[0] / std).high / math.sqrt(2)) / 2),
    # Over weeks and months that share is larger still.
    "days ahead": lambda s: (s.run.group.sample.horizon or 1) <= 5 and not re.search(
        r"\b\d+ ?(?:w|m|mo|q|y|weeks?|months?|years?)\b", s.run.group.name),
    "no other frequency or rate": _same_frequency,
    # No print of a part of the sample, and none of what cannot be traded.
    "of the whole sample": lambda s: not any(
        re.search(form, text) for form, text in ((_PARTS, s.claims["sharpe"].at), (_SET_APART, s.run.group.name))),
    # Legs that hedge each other earn a spread, not the sign of a move.
    "one asset, or none named": lambda s: (s.run.group.portfolio.assets or 1) <= 1 and not re.search(
        _HEDGED, f"{s.run.claims.title} {s.run.group.name} {s.claims['sharpe'].source_text}".lower()),
    "of many trades": lambda s: not _few_trades(s),
    "of few trades": _few_trades,
    "one asset, or equal bets": lambda s: s.run.group.portfolio.assets == 1 or s.run.group.portfolio.equal_bets,
    "one asset, or a Sharpe ratio above 5": lambda s: s.run.group.portfolio.assets == 1 or s.read("sharpe").low > 5,
    "a Sharpe ratio in reach": lambda s: s.read("sharpe").low <= forensic.foresight_ceiling(s.context["periods"]),
    # The low end of its 95% interval is out of reach too, where the dates or sessions of the record are stated.
    "no luck of a short record": lambda s: (record := track_record(s.run)) is None
        or s.read("sharpe").low - 2 * math.sqrt(s.context["periods"] / record[0]) > 3,
    # Both tails are printed as losses below zero; one printed positive is a convention.
    "all below zero": lambda s: all(s.run.read(claim).high < 0 for claim in s.claims.values()),
    # No text says that a rate counts days or predictions.
    "of trades": lambda s: s.run.one_sample(*s.involved) and not any(
        word in c.definition.lower() for c in s.claims.values() for word in ("day", "session", "prediction")),
    # Averages over folds or series: the mean of squares is never below the square of the mean.
    "no average": lambda s: not _draft(s) or s.read("mse").high < (s.values[0] * s.values[0]).low,
    # What all trades did is another thing that a signal may win: a fill, a place in the book.
    "not all won": lambda s: not _draft(s) or s.values[0].low < s.values[1].low,
    "averages in money": _of_money,
    "averages in one unit": lambda s: _currency(s) is not None
        or all(c.value.percent for name, c in s.claims.items() if name != "win_rate"),
    "closed at weekends": lambda s: not _round_the_clock(s),
    "round the clock, or beyond the period": lambda s: _round_the_clock(s) or s.read("sessions").low > s.values[0],
    "market stated": lambda s: bool(s.run.group.sample.market),
    "within the period": lambda s: s.read("sessions").low <= CONTEXT["days of the period"](s.run),
    "no restarts": lambda s: not getattr(s.run.group.schedule, "restarts", False),
    "epochs in order": lambda s: (
        ("best_epoch" not in s.claims or s.read("best_epoch").low <= s.read("epochs_run").high + 0.5)
        and s.read("epochs_run").low <= (CONTEXT["cap"](s.run) or math.inf) + 0.5),
    # By itself, after a best epoch that is not told.
    "stopped before the cap": lambda s: (s.run.get("best_epoch") or CONTEXT["stated best"](s.run)) is None
        and s.read("epochs_run").high < (CONTEXT["cap"](s.run) or math.inf) - 0.4,
    "patience served": lambda s: s.read("epochs_run").high >= s.values[0],
}  # fmt: skip

#: Share of trades that may break even or pay a cost outside the trades, and of what they make that may be gained there;
#: of those that may still be open; how far trades that break even may raise a profit factor over the one that a rate of
#: all trades implies, and unequal stakes move it from the one of averages in percent.
SLACK, GAIN, OPEN, EVEN, STAKES = 0.2, 0.05, 0.05, 3.0, 1.5
_EVEN, _COST = "when some trades break even", "the rest being cost or gain outside the trades"
ALLOWANCES: Mapping[str, Allowance] = {
    "weighted by support": Allowance(
        "as averages weighted by support are (recall equals accuracy)",
        lambda v, *pr: Interval(forensic.f1_average_range(*pr).low, v.high),
        lambda s: not _one_class(s) and (share := s.run.value("accuracy")) is not None and share.meets(s.values[1])),
    "averaged": Allowance(
        "as averages over classes or folds are",
        lambda v, *pr: Interval(max(0.8 * v.low, forensic.f1_average_range(*pr).low), v.high),
        lambda s: not s.run.one_class(*s.claims.values())),
    "unstated rate": Allowance("less an unstated risk-free rate", forensic.unstated_rate),
    "some open": Allowance(
        "when some trades are open", lambda v, *x: Interval(v.low, v.high / (1 - OPEN)),
        # Winners and losers do not make up all of them.
        lambda s: (lost := s.run.value("losing_trades")) is None or (s.values[0] + lost).low < s.values[1].low),
    "some even": Allowance(_EVEN, lambda v, *x: Interval(v.low, v.high / (1 - SLACK))),
    "some even, of the rate": Allowance(_EVEN, lambda v, *x: Interval(v.low * (1 - SLACK), v.high)),
    "some even, of the mean": Allowance(_EVEN, lambda v, p, w, x: Interval(v.low, v.high + SLACK * abs(x).high)),
    # In a draft, trades that broke even or are open may stand in a column that it does not read: all that are not won.
    "some unread": Allowance(_EVEN, lambda v, *x: Interval(v.low, 1.0), lambda s: _draft(s) and s.values[2] is None),
    "some unread, of the factor": Allowance(_EVEN, lambda v, *x: Interval(v.low, v.high * EVEN), _draft),
    "some unread, of the mean": Allowance(
        _EVEN, lambda v, p, w, x: Interval(v.low, max(v.high, (p * abs(w)).high)), _draft),
    "in average losses": Allowance("in units of the average loss", lambda v, p, w, x: v / abs(x)),
    "unequal stakes": Allowance(
        "where trades stake different amounts", lambda v, *x: Interval(v.low / STAKES, v.high * STAKES * EVEN),
        lambda s: _draft(s) if "payoff_ratio" in s.claims else not _of_money(s)),
    "cost outside the trades": Allowance(
        _COST, lambda v, n, m, w, x: Interval(v.low - SLACK * (n * abs(w)).high, v.high + GAIN * (n * abs(w)).high)),
    "cost between": Allowance(
        _COST, lambda v, g, x: v + Interval(-SLACK, SLACK) * (abs(g) + abs(x)).high, _draft),
    "cost outside the trades, of the factor": Allowance(
        _COST, lambda v, *x: Interval(v.low * (1 - SLACK), v.high)),
    "cost outside the trades, of the loss": Allowance(
        _COST, lambda v, p, w, x: Interval(v.low - SLACK * max(abs(v).high, abs(x).high / 2), v.high)),
    "cost outside the trades, of the mean": Allowance(
        # Trades that are still open, two of any number, are no part.
        _COST, lambda v, n, each: hull_of([each * max(n.low - 2, 1), Interval(
            v.low - SLACK * abs(v).high, v.high + (SLACK if v.high < 0 else GAIN) * abs(v).high)])),
}  # fmt: skip
