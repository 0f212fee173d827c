"""Identities between the scores of classifiers, the errors of regressions, and the moments of samples."""

from __future__ import annotations

import math
from collections.abc import Mapping

from assay.audit.claims.intervals import Interval
from assay.audit.forensic.arithmetic import mean_of
from assay.audit.forensic.moments import (
    best_constant_mape,
    decomposed_rmse,
    kurtosis_floor,
    mape_from_mae,
    p_readings,
    rmse_ceiling,
    std_ceiling,
    std_floor,
    t_of_correlation,
)
from assay.audit.forensic.scores import accuracy_floor, f1_average_range, f1_range, macro_f1_readings, prevalence_range
from assay.audit.rules.identity import Allowance, Identity, Situation, one_sample, together
from assay.audit.rules.scope import completeness

__all__ = ["SCORE_IDENTITIES"]

Readings = Mapping[str, Interval]

def _one_class(s: Situation) -> bool:
    scores = [claim for name, claim in s.claims.items() if name in ("precision", "recall", "f1")]
    return s.run.one_class(*scores) and one_sample(s)


def _one_unit(s: Situation) -> bool:
    """Whether errors are in one unit: all say so, or they are within a factor of three and stand together.

    A scaled error beside one in prices is a common sight, and no contradiction. An MSE counts by its root.
    """
    if not together(s):
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


def _f1_proof(s: Situation) -> bool:
    """Beyond what any average leaves, standing together is enough; inside, the figures must be of one class."""
    loose = f1_average_range(*s.values)
    beyond = not s.run.read(s.claims["f1"]).meets(loose)
    return together(s) and (beyond or s.run.one_class(*s.claims.values()))


def _averaged(s: Situation) -> bool:
    return not s.run.one_class(*s.claims.values())


def _weighted_by_support(s: Situation) -> bool:
    accuracy = s.run.get("accuracy")
    return _averaged(s) and accuracy is not None and s.run.read(accuracy).meets(s.values[1])


def _macro_f1(f1: Readings, p: Readings | None, r: Readings | None) -> Readings:
    both = p is not None and r is not None and set(p) == set(r) == set(f1)
    of_means = ([p[k] for k in f1], [r[k] for k in f1]) if both and p is not None and r is not None else ((), ())
    return macro_f1_readings(list(f1.values()), *of_means)


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


def _t_of_r(correlation: Interval, n: Interval) -> Readings:
    usable = n.low >= 4 and correlation.meets(Interval(-0.999999, 0.999999))
    return t_of_correlation(correlation, round(n.low)) if usable else {}


def _p_of_r(correlation: Interval, n: Interval) -> Readings:
    readings = _t_of_r(correlation, n)
    return p_readings(readings["n - 2"], round(n.low) - 2) if readings else {}


_ONE_CLASS = "precision, recall and F1 are of one class on one sample, not averages"
_RANGE = "the printed range holds for the evaluated rows"
_ONE_UNIT = "both errors are in one unit"
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
            "C4 macro average", averaged, (f"{metric}/*",), lambda parts: mean_of(list(parts.values())),
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
        proof=lambda s: one_sample(s) and together(s) and len({c.unit for c in s.involved}) == 1,
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
    *(
        Identity(
            "C10 largest error", "max_error", (error,), lambda value: value,
            f"the largest error is at least the {error.upper()} of {{{error}}}, and {{max_error}} is printed",
            "a maximum is at least a mean", "≥", f"neither is an average over folds or assets, and {_ONE_UNIT}",
            when=_alike, proof=lambda s: one_sample(s) and _one_unit(s), weight=-1,
        )
        for error in ("rmse", "mae")
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
            "C11 error in range", metric, ("r2", "lowest", "highest", "mean of the target?"),
            lambda r2, low, high, mean: Interval.point(rmse_ceiling(low.low, high.high, r2, mean)),
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
        "C12 MAPE in range", "mape", ("r2", "lowest", "highest"),
        lambda r2, low, high: Interval.point(rmse_ceiling(low.low, high.high, r2) / low.low) if low.low > 0 else None,
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
        "C33 R² ≤ r²", "r2", ("correlation",), lambda rho: abs(rho).power(2),
        "correlation {correlation} squared is {value}, R² printed {r2}", "least squares is the best line", "≤",
        "the correlation is Pearson's, of the same forecasts and outcomes", accuses=("r2", "correlation"),
        proof=lambda s: one_sample(s) and "pearson" in s.claims["correlation"].definition.lower(),
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
            "C35 deviation", std, (means, low, high, n),
            lambda m, a, b, n: Interval.point(std_floor(m, [a, b], round(n.low))) if n.low > 1 else None,
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

#: The rows of this module, in the order of the checks.
SCORE_IDENTITIES: tuple[Identity, ...] = (*_CLASSIFIERS, *_REGRESSIONS, *_SAMPLES)
