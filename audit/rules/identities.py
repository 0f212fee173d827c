"""The table of identities: which printed figure follows from which others, a row each. `identity.apply` reads it.

Rows stand in the order of the checks' numbers. A row that bounds (``relation``) accuses only beyond its bound; a row
whose ``proves`` names one side proves only on that side, since an allowance (trades that break even, costs outside the
trades) explains the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from assay.audit.forensic.arithmetic import mean_readings
from assay.audit.forensic.classification import f1_average_range, f1_range, macro_f1_readings
from assay.audit.forensic.confusion import accuracy_floor, prevalence_range
from assay.audit.forensic.moments import kurtosis_floor, std_ceiling, std_floor
from assay.audit.forensic.portfolio import annualised_readings, compounded_readings, cost_readings, sharpe_readings
from assay.audit.forensic.regression import (
    best_constant_mape,
    decomposed_rmse,
    mape_from_mae,
    rmse_ceiling,
)
from assay.audit.forensic.signal import hit_rate_from_correlation
from assay.audit.forensic.tests_reported import p_readings, r2_of_correlation, t_of_correlation, t_of_mean
from assay.audit.forensic.trades import expectancy, factor_of_rate, share_of
from assay.audit.intervals import Interval
from assay.audit.rules.identity import Allowance, Identity, Situation, one_sample
from assay.audit.rules.scope import completeness

__all__ = ["IDENTITIES"]

Readings = Mapping[str, Interval]
ANYTHING = Interval(-math.inf, math.inf)

#: Share of trades that may break even or pay a cost outside the trades, and of those that may still be open.
SLACK, OPEN = 0.2, 0.05
#: How far unequal stakes may move a profit factor from the one that averages in percent imply.
STAKES = 1.5
#: How far a Sharpe ratio may exceed return over volatility before no change of sampling frequency is believed.
FREQUENCY = 1.25
RISK_FREE_CEILING = 0.15
#: Volatility allowed for where none is printed, and how far a hit rate may lie above what a correlation implies.
LARGE_VOLATILITY, HIT_RATE_SLACK = 0.6, 0.05


# ---------------------------------------------------------------- what must hold for a proof
def _together(s: Situation) -> bool:
    return s.run.together(*s.involved)


def _of_trades(s: Situation) -> bool:
    """Whether the rate counts trades, as far as the text tells, and nothing is pooled."""
    days = any(word in c.definition.lower() for c in s.claims.values() for word in ("day", "session", "prediction"))
    return not days and one_sample(s)


def _one_class(s: Situation) -> bool:
    scores = [claim for name, claim in s.claims.items() if name in ("precision", "recall", "f1")]
    return s.run.one_class(*scores) and one_sample(s)


def _one_unit(s: Situation) -> bool:
    """Whether errors are in one unit: all say so, or they are within a factor of three and stand together.

    A scaled error beside one in prices is a common sight, and no contradiction. An MSE counts by its root.
    """
    if not _together(s):
        return False
    units = {claim.unit for claim in s.involved}
    if len(units) == 1 and units != {""}:
        return "mse" not in s.claims
    sizes = [abs(s.run.read(c)).power(0.5) if m == "mse" else abs(s.run.read(c)) for m, c in s.claims.items()]
    return max(v.low for v in sizes) <= 3 * max(min(v.high for v in sizes), 1e-300)


def _alike(s: Situation) -> bool:
    """Whether figures are in one unit as far as the prints tell."""
    units = {claim.unit for claim in s.involved if claim.unit}
    return len(units) <= 1 and len({claim.value.percent for claim in s.involved}) == 1


def _range_covers(s: Situation) -> bool:
    return s.run.group.target.range_covers == "evaluation" and one_sample(s)


def _absolute(s: Situation) -> bool:
    return not any(s.claims[name].value.percent for name in ("mae", "rmse", "mse") if name in s.claims)


def _complete(s: Situation) -> bool:
    """Whether the labels that are scored are all classes, and the document says so."""
    return completeness(s.run, [claim.label for claim in s.parts])[1] and one_sample(s)


def _scored(s: Situation) -> bool:
    parts = [claim.label for claim in s.parts if claim.metric == s.parts[0].metric]
    return len(parts) >= 2 and completeness(s.run, parts)[0]


def _two_way(s: Situation) -> bool:
    classes = [c.name for c in s.run.group.classes]
    return bool(classes) and completeness(s.run, classes)[1]


# ---------------------------------------------------------------- formulas with conventions
def _f1_proof(s: Situation) -> bool:
    """Beyond what any average leaves, standing together is enough; inside, the figures must be of one class."""
    loose = f1_average_range(*s.values)
    beyond = not s.run.read(s.claims["f1"]).meets(loose)
    return _together(s) and (beyond or s.run.one_class(*s.claims.values()))


def _averaged(s: Situation) -> bool:
    return not s.run.one_class(*s.claims.values())


def _weighted_by_support(s: Situation) -> bool:
    accuracy = s.run.get("accuracy")
    return _averaged(s) and accuracy is not None and s.run.read(accuracy).meets(s.values[1])


def _macro_f1(f1: Readings, p: Readings | None, r: Readings | None) -> Readings:
    both = p is not None and r is not None and set(p) == set(r) == set(f1)
    of_means = ([p[k] for k in f1], [r[k] for k in f1]) if both and p is not None and r is not None else ((), ())
    return macro_f1_readings(list(f1.values()), *of_means)


def _class_mean(parts: Mapping[str, Interval]) -> Interval:
    return mean_readings(list(parts.values()))["mean"]


def _sharpe(gain: Interval, vol: Interval, rate: Interval | None, sessions: Interval | None) -> Readings:
    n = sessions.low if sessions is not None else 20  # ddof 0 or 1 of so many returns
    stretch = Interval(math.sqrt((n - 1) / n), math.sqrt(n / (n - 1))) if n > 1 else Interval.point(1.0)
    return {name: value * stretch for name, value in sharpe_readings(gain, vol, rate).items()} if vol.low > 0 else {}


def _unstated_rate(
    first: Interval, gain: Interval, vol: Interval, rate: Interval | None, sessions: Interval | None
) -> Interval | None:
    if rate is not None:
        return None
    readings = _sharpe(gain, vol, rate, sessions).values()
    return Interval(
        min((gain.low - RISK_FREE_CEILING) / vol.high, first.low), max(value.high for value in readings)
    )


def _sharpe_proof(s: Situation) -> bool:
    printed = s.run.read(next(iter(s.claims.values())))
    top = max(value.high for value in _sharpe(*s.values).values())
    if printed.low > top:
        return (top <= 0 or printed.low / top > FREQUENCY) and _together(s)
    return s.values[2] is not None and _together(s)


def _annual_mean(mean: Interval, vol: Interval | None) -> Readings:
    """A mean a period over a year; a compounded figure lies below the compounded mean by about half the variance."""
    readings = annualised_readings(mean, "mean")
    spread = 0.8 * (vol.high if vol is not None else LARGE_VOLATILITY) ** 2
    for name in [n for n, value in readings.items() if n.startswith("compounded") and value.low > -1]:
        low = math.expm1(math.log1p(readings[name].low) - spread - 0.8 * readings[name].low ** 2)
        readings[f"{name}, less half the variance"] = Interval(low, readings[name].high)
    return readings


def _of_total(total: Interval, years: Interval, vol: Interval | None) -> Readings:
    return compounded_readings(total, years)


def _room_for_mean(first: Interval, total: Interval, years: Interval, vol: Interval | None) -> Interval | None:
    """The arithmetic mean times P exceeds the compounded rate by half the variance."""
    compounded = compounded_readings(total, years).get("compounded")
    if compounded is None:
        return None
    room = 0.8 * (vol.high**2 if vol is not None else 1.0)
    return Interval(math.log1p(max(compounded.low, -0.999)), compounded.high + room)


def _cost(turnover: Interval, rate: Interval, kind: str) -> Readings:
    """A rate per side is paid on both sides of a one-way turnover, once on a two-way one."""
    wanted = {"one-way": "one-way", "two-way": "as printed"}.get(kind, "")
    return {name: value for name, value in cost_readings(turnover, rate).items() if name.startswith(wanted)}


def _net(gross: Interval, turnover: Interval, rate: Interval, kind: str) -> Readings:
    return {name: gross - value for name, value in _cost(turnover, rate, kind).items()}


def _icir(mean: Interval, std: Interval, sessions: Interval | None) -> Readings:
    """Deviation and ratio may be computed with different denominators, n and n - 1."""
    n = sessions.low if sessions is not None else 12
    stretch = math.sqrt(n / (n - 1)) if n > 1 else 1.0
    daily = mean / std * Interval(1 / stretch, stretch)
    return {"daily": daily} | {f"annualised by √{p}": daily * math.sqrt(p) for p in (252, 12, 52, 365, 250, 260)}


def _icir_of_either(
    ic: Interval | None, rank: Interval | None, std: Interval, sessions: Interval | None
) -> Readings:
    readings = dict(_icir(ic, std, sessions)) if ic is not None else {}
    if rank is not None:
        of_rank = _icir(rank, std, sessions)
        readings |= {f"rank IC, {name}" if ic is not None else name: value for name, value in of_rank.items()}
    return readings


def _same_ic(s: Situation) -> bool:
    """With IC and rank IC both printed, a deviation may be of either."""
    return one_sample(s) and (s.run.get("ic") is None or s.run.get("rank_ic") is None)


def _t_of_ic(mean: Interval, std: Interval, n: Interval) -> Interval:
    readings = t_of_mean(mean, std, round(n.low))
    implied = readings["ddof 1"].hull(readings.get("ddof 0", readings["ddof 1"]))
    size = abs(implied).high * 1.001
    return Interval(-size, size)


def _mape_ceiling(r2: Interval, low: Interval, high: Interval) -> Interval | None:
    return Interval.point(rmse_ceiling(low.low, high.high, r2) / low.low) if low.low > 0 else None


def _ceiling(r2: Interval, low: Interval, high: Interval, mean: Interval | None) -> Interval:
    return Interval.point(rmse_ceiling(low.low, high.high, r2, mean))


def _r2_of_deviation(rmse: Interval, std: Interval, n: Interval | None) -> Interval | None:
    """R² that an RMSE and a printed deviation of the target allow, ``1 - RMSE²/s²``."""
    stretch = math.sqrt(n.low / (n.low - 1)) if n is not None and n.low > 1 else math.sqrt(2)
    if std.low <= 0:
        return None
    return Interval.point(1.0) - (rmse / Interval(std.low / stretch, std.high)).power(2)


def _spread_ceiling(mean: Interval, low: Interval, high: Interval, n: Interval | None) -> Interval | None:
    top = max(high.high, low.low)
    count = round(n.low) if n is not None else None
    return Interval.point(std_ceiling(low.low, top, mean, count)) if low.low <= high.high else None


def _spread_floor(mean: Interval, low: Interval, high: Interval, n: Interval) -> Interval | None:
    return Interval.point(std_floor(mean, [low, high], round(n.low))) if n.low > 1 else None


def _t_of_r(correlation: Interval, n: Interval) -> Readings:
    usable = n.low >= 4 and correlation.meets(Interval(-0.999999, 0.999999))
    return t_of_correlation(correlation, round(n.low)) if usable else {}


def _p_of_r(correlation: Interval, n: Interval) -> Readings:
    readings = _t_of_r(correlation, n)
    return p_readings(readings["n - 2"], round(n.low) - 2) if readings else {}


# ---------------------------------------------------------------- premises and allowances
_TRADES = "no trade breaks even, and all figures are before or all after cost"
_EVEN = "when some trades break even"
_STAKE = Allowance(
    "where trades stake different amounts", lambda v, *x: Interval(v.low / STAKES, v.high * STAKES),
    lambda s: s.claims["average_win"].value.percent,
)  # fmt: skip
_ONE_CLASS = "precision, recall and F1 are of one class on one sample, not averages"
_RANGE = "the printed range holds for the evaluated rows"
_ONE_UNIT = "both errors are in one unit"
_COST = "commission at the stated rate is the only cost, turnover per day, week, month or year"
_ONE = Interval.point(1.0)


_CLASSIFIERS = (
    Identity(
        "C3 F1 identity", "f1", ("precision", "recall"), f1_range,
        "F1{of}: 2·P·R/(P+R) with P {precision} and R {recall} gives {value}, and {f1} is printed",
        "van Rijsbergen 1979", premise=_ONE_CLASS, proof=_f1_proof, by_label=True, in_percent=False,
        allowances=(
            Allowance("as averages weighted by support are (recall equals accuracy)",
                      lambda v, p, r: Interval(f1_average_range(p, r).low, v.high), _weighted_by_support),
            Allowance("as averages over classes or folds are",
                      lambda v, p, r: Interval(max(0.8 * v.low, f1_average_range(p, r).low), v.high), _averaged),
        ),
    ),
    *(
        Identity(
            "C3 averaged F1", f"f1_{kind}", (f"precision_{kind}", f"recall_{kind}"), f1_average_range,
            f"{kind} P {{precision_{kind}}} and R {{recall_{kind}}} allow a {kind} F1 of {{value}}, printed"
            f" {{f1_{kind}}}",
            "each F1 is at least P + R - 1; Jensen for the other side", proof=lambda s: True,
        )
        for kind in ("macro", "weighted")
    ),
    Identity(
        "C4 macro average", "f1_macro", ("f1/*", "precision/*?", "recall/*?"), _macro_f1,
        "macro F1: ({f1s})/{count} gives {readings}, and {f1_macro} is printed", "Opitz & Burst 2019",
        premise="the table lists every class", when=_scored, proof=_complete, in_percent=False,
    ),
    *(
        Identity(
            "C4 macro average", averaged, (f"{metric}/*",), _class_mean,
            f"{averaged.replace('_', ' ')}: ({{{metric}s}})/{{count}} gives {{value}}, and {{{averaged}}} is printed",
            "mean over classes", premise="the table lists every class", when=_scored, proof=_complete,
        )
        for metric, averaged in (
            ("precision", "precision_macro"), ("recall", "recall_macro"), ("recall", "balanced_accuracy"),
        )
    ),
    *(
        Identity(
            "C6 equal by definition", first, (second,), lambda other: other,
            f"{first.replace('_', ' ')} equals {second.replace('_', ' ')} by definition: {{{first}}} and {{{second}}}",
            "one label a case", premise="one label a case", proof=_two_way, accuses=(first, second),
        )
        for first, second in (
            ("recall_weighted", "accuracy"), ("f1_micro", "accuracy"), ("balanced_accuracy", "recall_macro"),
        )
    ),
    Identity(
        "C6 equal by definition", "error_rate", ("accuracy",), lambda a: _ONE - a,
        "error rate is 1 − accuracy: 1 − {accuracy} = {value}, printed {error_rate}", "complement", in_percent=True,
        proof=lambda s: True,
    ),
    Identity(
        "C6 confusion matrix", "accuracy", ("precision", "recall"), lambda p, r: Interval.point(accuracy_floor(p, r)),
        "precision {precision} and recall {recall} alone make accuracy at least 1/(1/P + 1/R − 1) = {value}, printed"
        " {accuracy}", "true negatives only add to accuracy: the Jaccard index bounds it", "≥", _ONE_CLASS,
        proof=_one_class, in_percent=True, accuses=("accuracy", "precision", "recall"), weight=-2,
    ),
    Identity(
        "C6 prevalence", "prevalence", ("accuracy", "precision", "recall"), prevalence_range,
        "accuracy {accuracy}, precision {precision} and recall {recall} put the positives at (1−A)/(1+R·(1/P−2)) ="
        " {value}, printed {prevalence}", "definitions of the three scores", premise=_ONE_CLASS, proof=_one_class,
        in_percent=True,
    ),
)  # fmt: skip

_REGRESSIONS = (
    Identity(
        "C10 MAE ≤ RMSE", "mae", ("rmse",), lambda rmse: rmse,
        "MAE {mae} can be at most RMSE {rmse}", "Jensen", "≤", _ONE_UNIT, when=_alike, proof=_one_unit,
        accuses=("mae", "rmse"),
    ),
    Identity(
        "C10 RMSE ≤ √n MAE", "rmse", ("mae", "confirmed n"), lambda mae, n: mae * math.sqrt(max(n.low, 1.0)),
        "RMSE {rmse} can be at most √{confirmed_n} times MAE {mae} = {value}", "Cauchy-Schwarz", "≤",
        f"both errors are of the stated n cases, and {_ONE_UNIT}", when=_alike, accuses=("mae", "rmse"), weight=-1,
        proof=lambda s: one_sample(s) and _together(s) and len({c.unit for c in s.involved}) == 1,
    ),
    *(
        Identity(
            f"C10 bias ≤ {metric.upper()}", "bias", (metric,), lambda error: Interval(-error.high, error.high),
            f"bias {{bias}} lies within {metric.upper()} {{{metric}}}", "triangle inequality", "=", _ONE_UNIT,
            when=_alike, proof=_one_unit, accuses=("bias", metric),
        )
        for metric in ("mae", "rmse")
    ),
    Identity(
        "C10 MSE = RMSE²", "mse", ("rmse",), lambda rmse: rmse.power(2),
        "RMSE {rmse} squared is {value}, MSE printed {mse}", "definition; Jensen over folds",
        premise=f"neither is an average over folds or assets, and {_ONE_UNIT}", accuses=("mse", "rmse"),
        when=_absolute,
        proof=lambda s: _one_unit(s) and not any(c.unit for c in s.involved)
        and (one_sample(s) or s.run.read(s.claims["mse"]).high < s.values[0].power(2).low),
    ),
    Identity(
        "C10 bias and variance", "rmse", ("bias", "residual_std", "confirmed n?"),
        lambda bias, std, n: decomposed_rmse(bias, std, None if n is None else round(n.low)),
        "bias {bias} and errors that deviate by {residual_std} make a root mean square of {value}, RMSE printed {rmse}",
        "E e² = (E e)² + var e", premise="all three are of the same errors, in one unit, and centred on their own mean",
        proves=">", when=_alike, proof=lambda s: one_sample(s) and _one_unit(s),
    ),
    Identity(
        "C10 bias and variance", "mse", ("bias", "residual_std", "confirmed n?"),
        lambda bias, std, n: decomposed_rmse(bias, std, None if n is None else round(n.low)).power(2),
        "bias {bias} and errors that deviate by {residual_std} make a mean square of {value}, MSE printed {mse}",
        "E e² = (E e)² + var e", premise="all three are of the same errors, in one unit, and centred on their own mean",
        proves=">", when=lambda s: _alike(s) and s.run.get("rmse") is None,
        proof=lambda s: one_sample(s) and _one_unit(s) and all(c.unit for c in s.involved),
    ),
    *(
        Identity(
            "C11 error in range", metric, ("r2", "lowest", "highest", "mean of the target?"), _ceiling,
            "in a range of {range} the target's standard deviation is at most half of it, so R² {r2} allows an RMSE,"
            " and so a MAE, of at most (b−a)/2·√(1−R²) = {value}, roundings included; "
            f"{metric.upper()} is printed {{{metric}}}", "Popoviciu 1935; Bhatia & Davis 2000", "≤", _RANGE,
            when=_absolute, proof=_range_covers, accuses=(metric, "r2"), in_percent=False,
        )
        for metric in ("rmse", "mae")
    ),
    Identity(
        "C11 target deviation", "r2", ("rmse", "deviation of the target", "confirmed n?"), _r2_of_deviation,
        "RMSE {rmse} of a target that deviates by {deviation_of_the_target} is an R² of 1 − RMSE²/s² = {value};"
        " {r2} is printed", "definition of R²", premise="the printed deviation is of the evaluated rows",
        when=_absolute, accuses=("r2", "rmse"),
    ),
    Identity(
        "C11 target deviation", "r2", ("rmse", "target_std", "confirmed n?"), _r2_of_deviation,
        "RMSE {rmse} of a target that deviates by {target_std} is an R² of 1 − RMSE²/s² = {value}; {r2} is printed",
        "definition of R²", premise="the printed deviation is of the evaluated rows",
        when=lambda s: _absolute(s) and s.run.group.target.std is None, accuses=("r2", "rmse"),
    ),
    Identity(
        "C12 MAPE in range", "mape", ("r2", "lowest", "highest"), _mape_ceiling,
        "in a range of {range} R² {r2} allows a MAPE of at most (b−a)/2·√(1−R²)/a = {value}; printed {mape}",
        "Popoviciu 1935", "≤", _RANGE, proof=_range_covers, accuses=("mape", "r2"), in_percent=True, shares=True,
    ),
    Identity(
        "C12 MAPE and MAE", "mape", ("mae", "lowest", "highest"),
        lambda mae, low, high: mape_from_mae(mae, low.low, high.high) if low.low > 0 else None,
        "MAE {mae} over prices of {range} makes MAPE {value}, printed {mape}", "MAE/b ≤ MAPE ≤ MAE/a", premise=_RANGE,
        when=_absolute, proof=_range_covers, accuses=("mae", "mape"), in_percent=True, shares=True,
    ),
    Identity(
        "C12 best constant", "mape", ("lowest", "highest"),
        lambda low, high: Interval.point(best_constant_mape(low.low, high.high)) if low.low > 0 else None,
        "the constant 2ab/(a+b) errs by at most (b−a)/(b+a) = {value} on any price of {range}; the model's MAPE is"
        " {mape}", "largest relative error of the best constant", "≤", _RANGE, miss="baseline", missing=2,
        in_percent=True, shares=True,
    ),
    Identity(
        "C12 best constant", "mae", ("lowest", "highest"), lambda low, high: (high - low) * 0.5,
        "always forecasting the middle of {range} errs by at most {value}; the model's MAE is {mae}",
        "largest error of the middle", "≤", _RANGE, miss="baseline", missing=2, when=_absolute,
    ),
    Identity(
        "C33 R² ≤ r²", "r2", ("correlation",), r2_of_correlation,
        "correlation {correlation} squared is {value}, R² printed {r2}", "least squares is the best line", "≤",
        "the correlation is Pearson's, of the same forecasts and outcomes", accuses=("r2", "correlation"),
        proof=lambda s: one_sample(s) and "pearson" in s.claims["correlation"].definition.lower(),
    ),
)  # fmt: skip

_SIGNALS = (
    Identity(
        "C16 ICIR", "rank_icir", ("rank_ic", "rank_ic_std", "confirmed sessions?"), _icir,
        "ICIR: {rank_ic} / {rank_ic_std} = {readings}; {rank_icir} is printed", "Grinold & Kahn 2000",
        premise="mean, deviation and ratio are of the same IC", above_zero=("rank_ic_std",), in_percent=False,
    ),
    Identity(
        "C16 ICIR", "icir", ("ic?", "rank_ic?", "ic_std", "confirmed sessions?"), _icir_of_either,
        "ICIR: {means} / {ic_std} = {readings}; {icir} is printed", "Grinold & Kahn 2000",
        premise="mean, deviation and ratio are of the same IC", above_zero=("ic_std",), proof=_same_ic,
        in_percent=False,
    ),
    Identity(
        "C17 hit rate", "hit_rate", ("ic|rank_ic",),
        lambda rho: hit_rate_from_correlation(rho) + HIT_RATE_SLACK if abs(rho).high <= 1 else None,
        "a correlation of {ic} agrees in sign 1/2 + asin(ρ)/π of the time, {value} with five points to spare, and"
        " {hit_rate} is printed", "sign agreement of two normal variables", "≤",
        "signs are of returns centred on zero, normal", miss="doubt", in_percent=True,
        accuses=("hit_rate", "ic|rank_ic"),
    ),
    Identity(
        "C38 t of the IC", "ic_t", ("ic|rank_ic", "ic_std|rank_ic_std", "stated sessions"), _t_of_ic,
        "t of the mean IC over {stated_sessions} sessions: {ic}/{ic_std}·√n lies in {value}, printed {ic_t}",
        "Student 1908; a HAC t is usually smaller", premise="no strong negative autocorrelation in the daily IC",
        proves="", above_zero=("ic_std|rank_ic_std",), in_percent=False,
    ),
)  # fmt: skip

_PORTFOLIOS = (
    *(
        Identity(
            "C15 Sharpe = return / volatility", ratio,
            (gain, "annual_volatility", "risk-free rate?", "confirmed sessions?"), _sharpe,
            f"{{{gain}}} / {{annual_volatility}} = {{readings}}; a Sharpe of {{{ratio}}} is printed", "Sharpe 1994",
            premise="return, volatility and Sharpe are of one series at one frequency, and the rate is in 0 to 15%",
            proof=_sharpe_proof, silent_if_pooled=True, in_percent=False,
            allowances=(Allowance("less an unstated risk-free rate", _unstated_rate),),
        )
        for ratio, gain in (("sharpe", "annual_return"), ("sharpe_gross", "annual_return_gross"))
    ),
    Identity(
        "C15 Calmar", "calmar", ("annual_return", "max_drawdown"), lambda gain, fall: gain / abs(fall),
        "{annual_return} over a drawdown of {max_drawdown} is {value}, Calmar printed {calmar}", "Young 1991",
        premise="the ratio covers the same period as the drawdown", proves="", above_zero=("max_drawdown",),
        silent_if_pooled=True, in_percent=False,
    ),
    Identity(
        "C31 gross and net", "annual_return", ("annual_return_gross",), lambda gross: gross,
        "net {annual_return} can be at most gross {annual_return_gross}: costs cannot be negative",
        "definition of costs", "≤", "both figures are of one portfolio", proves="",
        accuses=("annual_return_gross", "annual_return"), weight=-1,
    ),
    *(
        Identity(
            "C31 cost", "annual_cost", ("turnover", rate, "turnover kind?"), _cost,
            f"turnover {{turnover}} at {{{rate.replace(' ', '_')}}} a side costs {{readings}}, cost printed"
            " {annual_cost}", "cost = turnover × rate", premise=_COST, proves="", in_percent=True,
        )
        for rate in ("cost_rate", "stated rate")
    ),
    *(
        Identity(
            "C31 cost", "annual_return", ("annual_return_gross", "turnover", rate, "turnover kind?"), _net,
            f"gross {{annual_return_gross}} less turnover {{turnover}} at {{{rate.replace(' ', '_')}}} a side leaves"
            " {readings}, net printed {annual_return}", "cost = turnover × rate", premise=_COST, proves="",
            in_percent=True, when=lambda s: s.run.get("annual_cost") is None,
        )
        for rate in ("cost_rate", "stated rate")
    ),
    Identity(
        "C32 annualised", "annual_return", ("mean_return", "annual_volatility?"), _annual_mean,
        "{mean_return} a period is {readings}, printed {annual_return}", "sum or compounding over a calendar's periods",
        premise="both are of one series, the first per day, week, month, quarter or year", proves="",
    ),
    *(
        Identity(
            "C32 annualised", large, (small,), lambda value, kind=kind: annualised_readings(value, kind),
            f"{{{small}}} a period is {{readings}}, printed {{{large}}}", "√P for independent periods",
            premise="both are of one series, the first per day, week, month, quarter or year", proves="",
        )
        for small, large, kind in (("return_std", "annual_volatility", "std"), ("icir", "icir_annual", "ratio"))
    ),
    Identity(
        "C32 total and annual", "annual_return", ("total_return", "stated years", "annual_volatility?"), _of_total,
        "{total_return} over {stated_years} years is {readings}, printed {annual_return}", "compounding",
        premise="both are of the whole period", proves="", in_percent=True,
        allowances=(Allowance("leaving room for an arithmetic mean", _room_for_mean),),
    ),
)  # fmt: skip

_TRADING = (
    Identity(
        "C30 trade counts", "winning_trades", ("trades", "losing_trades?"),
        lambda n, losers: n - losers if losers is not None else n,
        "{winning_trades} winners can be at most the {trades} trades less the losers, {value}", "counting", "≤",
        proof=lambda s: True, accuses=("trades",), weight=-1,
    ),
    Identity(
        "C30 win rate", "win_rate", ("winning_trades", "trades"), lambda w, n: w / n,
        "{winning_trades}/{trades} = {value}, win rate printed {win_rate}", "definition",
        premise="the win rate counts trades", proof=_of_trades, above_zero=("trades",), in_percent=True,
        allowances=(
            Allowance("when some trades are open", lambda v, *x: Interval(v.low, v.high / (1 - OPEN))),
        ),
    ),
    Identity(
        "C30 win rate", "win_rate", ("winning_trades", "losing_trades"), share_of,
        "{winning_trades}/({winning_trades}+{losing_trades}) = {value}, win rate printed {win_rate}", "definition",
        premise="the win rate counts trades", proves=">", proof=_of_trades, in_percent=True,
        when=lambda s: s.run.get("trades") is None,
        allowances=(Allowance(_EVEN, lambda v, *x: Interval(v.low * (1 - SLACK), v.high)),),
    ),
    Identity(
        "C30 payoff", "payoff_ratio", ("average_win", "average_loss"), lambda w, x: abs(w) / abs(x),
        "{average_win} / {average_loss} = {value}, payoff printed {payoff_ratio}", "definition",
        premise="of one set of trades", above_zero=("average_loss",), in_percent=False,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("gross_profit", "gross_loss"), lambda g, x: abs(g) / abs(x),
        "{gross_profit} / {gross_loss} = {value}, profit factor printed {profit_factor}", "definition",
        premise="of one set of trades", above_zero=("gross_loss",), in_percent=False,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("winning_trades", "losing_trades", "average_win", "average_loss"),
        lambda n, m, w, x: (n * abs(w)) / (m * abs(x)),
        "{winning_trades} winners of {average_win} and {losing_trades} losers of {average_loss} give a profit factor of"
        " {value}, printed {profit_factor}", "PF = W·w/(L·l)", premise=_TRADES, proof=lambda s: _of_trades(s)
        and not s.claims["average_win"].value.percent, above_zero=("losing_trades", "average_loss"),
        allowances=(_STAKE,), in_percent=False,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("win_rate", "average_win", "average_loss"),
        lambda p, w, x: factor_of_rate(p, abs(w) / abs(x)),
        "win rate {win_rate} with average win {average_win} and loss {average_loss} give a profit factor of {value},"
        " printed {profit_factor}", "PF = p·b/(1−p)", premise=_TRADES, proves="<",
        proof=lambda s: _of_trades(s) and not s.claims["average_win"].value.percent,
        allowances=(Allowance(_EVEN, lambda v, *x: Interval(v.low, v.high / (1 - SLACK))), _STAKE),
        above_zero=("average_loss",), in_percent=False,
        when=lambda s: s.run.get("winning_trades") is None or s.run.get("losing_trades") is None,
    ),
    Identity(
        "C30 profit factor", "profit_factor", ("win_rate", "payoff_ratio"), factor_of_rate,
        "win rate {win_rate} with payoff {payoff_ratio} give a profit factor of {value}, printed {profit_factor}",
        "PF = p·b/(1−p)", premise=_TRADES, proves="<", proof=_of_trades, in_percent=False,
        allowances=(Allowance(_EVEN, lambda v, *x: Interval(v.low, v.high / (1 - SLACK))),),
        when=lambda s: s.run.get("average_win") is None or s.run.get("average_loss") is None,
    ),
    Identity(
        "C30 expectancy", "expectancy", ("win_rate", "average_win", "average_loss"), expectancy,
        "{win_rate} of {average_win} less the rest of {average_loss} is {value}, expectancy {expectancy}",
        "E = p·w − (1−p)·l", premise=_TRADES, proves="<", proof=_of_trades, above_zero=("average_loss",),
        when=lambda s: len({c.value.percent for name, c in s.claims.items() if name != "win_rate"}) == 1,
        allowances=(
            Allowance("in units of the average loss", lambda v, p, w, x: v / abs(x)),
            Allowance(_EVEN, lambda v, p, w, x: Interval(v.low, v.high + SLACK * abs(x).high)),
        ),
    ),
    Identity(
        "C30 profit", "total_profit", ("gross_profit", "gross_loss"), lambda g, x: abs(g) - abs(x),
        "{gross_profit} less {gross_loss} = {value}, profit printed {total_profit}", "definition", premise=_TRADES,
        proves=">", proof=lambda s: True,
    ),
    Identity(
        "C30 profit", "total_profit", ("winning_trades", "losing_trades", "average_win", "average_loss"),
        lambda n, m, w, x: n * abs(w) - m * abs(x),
        "{winning_trades}·{average_win} − {losing_trades}·{average_loss} = {value}, profit printed {total_profit}",
        "P = W·w − L·l", premise=_TRADES, proves=">",
        when=lambda s: not s.claims["average_win"].value.percent,
        allowances=(Allowance("the rest being cost outside the trades",
                              lambda v, n, m, w, x: Interval(v.low - SLACK * (n * abs(w)).high, v.high)),),
    ),
)  # fmt: skip


def _moments(means: str, std: str, low: str, high: str, n: str) -> tuple[Identity, ...]:
    """A mean lies between the extremes; a deviation is bounded by them from both sides."""
    mean, ends = means.partition("|")[0], f"{{{low}}} to {{{high}}}"
    held = "all are of one sample"
    values = f"values from {ends} with mean {{{mean}}}"
    return (
        Identity(
            "C35 mean in range", means, (low, high),
            lambda a, b: Interval(a.low, b.high) if a.low <= b.high else Interval(a.low, a.low),
            f"a mean of {{{mean}}} lies between the extremes {ends}", "a mean lies between the extremes", premise=held,
            weight=-1,
        ),
        Identity(
            "C35 deviation", std, (means, low, high, f"{n}?"), _spread_ceiling,
            f"{values} deviate by at most √((max−mean)(mean−min)) = {{value}}, printed {{{std}}}",
            "Bhatia & Davis 2000", "≤", held, weight=-1,
        ),
        Identity(
            "C35 deviation", std, (means, low, high, n), _spread_floor,
            f"{values} over {{{n.replace(' ', '_')}}} values deviate by at least {{value}}, printed {{{std}}}",
            "Samuelson 1968", "≥", held, weight=-1,
        ),
    )  # fmt: skip


_SAMPLES = (
    *_moments("rank_ic|ic", "ic_std", "ic_min", "ic_max", "confirmed sessions"),
    *_moments("rank_ic", "rank_ic_std", "ic_min", "ic_max", "confirmed sessions")[1:],
    *_moments("prediction_mean", "prediction_std", "prediction_min", "prediction_max", "confirmed n"),
    *_moments("target_mean", "target_std", "target_low", "target_high", "confirmed n"),
    *_moments("mean", "std", "minimum", "maximum", "confirmed n"),
    Identity(
        "C35 skewness and kurtosis", "kurtosis", ("skewness",), lambda skew: Interval.point(kurtosis_floor(skew) - 3),
        "skewness {skewness} needs an excess kurtosis of at least skew² − 2 = {value}, printed {kurtosis}",
        "Wilkins 1944", "≥", "moments without small-sample correction", proves="", weight=-1,
    ),
    Identity(
        "C33 t of r", "t_statistic", ("correlation", "stated n"), _t_of_r,
        "a correlation of {correlation} on {stated_n} pairs has t = r·√((n−2)/(1−r²)) = {value}, printed {t_statistic}",
        "Student 1908", premise="the t belongs to this correlation", proves="",
        when=lambda s: s.run.get("slope") is None,
    ),
    Identity(
        "C33 p of r", "p_value", ("correlation", "stated n"), _p_of_r,
        "a correlation of {correlation} on {stated_n} pairs has p {readings}, printed {p_value}", "Student 1908",
        premise="Pearson's correlation of independent pairs", proves="",
        when=lambda s: s.run.get("t_statistic") is None,
    ),
    Identity(
        "C38 t", "t_statistic", ("slope", "standard_error"), lambda slope, error: slope / error,
        "{slope} / {standard_error} = {value}, t printed {t_statistic}", "definition of t",
        premise="t, estimate and error are of one regression", above_zero=("standard_error",), by_label=True,
    ),
)  # fmt: skip

#: Every identity, in the order of the checks' numbers within each subject.
IDENTITIES: tuple[Identity, ...] = (
    *_CLASSIFIERS, *_REGRESSIONS, *_PORTFOLIOS, *_SIGNALS, *_TRADING, *_SAMPLES,
)  # fmt: skip
