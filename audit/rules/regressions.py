"""Rules on errors of regressions: orderings, what a range and an R² leave room for, and the naive forecasts."""

from __future__ import annotations

import math
from collections.abc import Iterator

from assay.audit.claims_model import Claim
from assay.audit.forensic.regression import (
    best_constant_mape,
    mape_from_mae,
    persistence_mape,
    r2_of_persistence,
    rmse_ceiling,
    squared,
    target_std,
)
from assay.audit.forensic.tests_reported import r2_of_correlation
from assay.audit.intervals import Interval
from assay.audit.rules.scope import Run, baseline, broken, doubtful, fits, number, percent, span
from assay.audit.verdicts import Finding

__all__ = [
    "best_constant",
    "bias_within_error",
    "correlation_against_r2",
    "error_order",
    "error_within_range",
    "levels_or_returns",
    "mape_within_range",
    "persistence",
    "spread_of_target",
    "squared_error",
]

ONE_UNIT = "both errors are in one unit"
RANGE_COVERS = "the printed range holds for the evaluated rows"
#: Assumed daily volatility where none is printed, and the largest two-session deviation of returns that is believed.
DAILY_VOLATILITY = 0.02
LARGEST_RETURN_STD = 1.0


def _alike(*claims: Claim) -> bool:
    """Whether figures are in one unit as far as the prints tell."""
    units = {claim.unit for claim in claims if claim.unit}
    return len(units) <= 1 and len({claim.value.percent for claim in claims}) == 1


def _one_unit(run: Run, first: Claim, second: Claim, a: Interval, b: Interval) -> bool:
    """Whether two errors are in one unit: both say so, or they are within a factor of three and stand together.

    A scaled error beside one in prices is a common sight, and no contradiction.
    """
    if not run.together(first, second):
        return False
    if first.unit and first.unit == second.unit:
        return True
    return max(a.low, b.low) <= 3 * max(min(a.high, b.high), 1e-300)


def error_order(run: Run) -> Iterator[Finding]:
    """MAE <= RMSE <= sqrt(n) MAE; both hold for averages over folds (the second with the largest fold)."""
    mae, rmse = run.get("mae"), run.get("rmse")
    if mae is None or rmse is None or not _alike(mae, rmse):
        return
    low, high = run.read(mae), run.read(rmse)
    if not low.meets(Interval(-math.inf, high.high)):
        yield broken(
            "C10 MAE ≤ RMSE",
            [mae, rmse],
            f"MAE {mae.printed} exceeds RMSE {rmse.printed}, which no errors do.",
            _one_unit(run, mae, rmse, low, high),
            ONE_UNIT,
        )
        return
    n = run.group.sample.n
    if n and high.low > math.sqrt(n) * low.high * (1 + 1e-9):
        yield broken(
            "C10 RMSE ≤ √n MAE",
            [mae, rmse],
            f"RMSE {rmse.printed} exceeds √{n:,} times MAE {mae.printed} = {number(math.sqrt(n) * low.high)}.",
            not run.claims.draft and run.one_sample(mae, rmse) and _one_unit(run, mae, rmse, low * math.sqrt(n), high),
            f"both errors are of the stated n cases, and {ONE_UNIT}",
        )
        return
    ratio = high / low if low.low > 0 else None
    extra = f", a ratio of {span(ratio)} (normal errors 1.25)" if ratio else ""
    heavy = ", so few large errors dominate" if ratio is not None and ratio.low > 3 else ""
    yield fits("C10 MAE ≤ RMSE", [mae, rmse], f"MAE {mae.printed} is below RMSE {rmse.printed}{extra}{heavy}.")


def bias_within_error(run: Run) -> Iterator[Finding]:
    """The absolute mean error is at most the mean absolute error, and at most the RMSE."""
    bias = run.get("bias")
    for metric in ("mae", "rmse"):
        error = run.get(metric)
        if bias is None or error is None or not _alike(bias, error):
            continue
        name = metric.upper()
        if abs(run.read(bias)).low > run.read(error).high * (1 + 1e-9):
            yield broken(
                f"C10 bias ≤ {name}",
                [bias, error],
                f"bias {bias.printed} is larger than {name} {error.printed}.",
                _one_unit(run, bias, error, abs(run.read(bias)), run.read(error)),
                ONE_UNIT,
            )
        else:
            yield fits(f"C10 bias ≤ {name}", [bias], f"bias {bias.printed} lies within {name} {error.printed}.")


def squared_error(run: Run) -> Iterator[Finding]:
    """MSE = RMSE²; averaged over folds MSE can only be larger (Jensen)."""
    mse, rmse = run.get("mse"), run.get("rmse")
    if mse is None or rmse is None or mse.value.percent or rmse.value.percent:
        return
    wanted, printed = squared(run.read(rmse)), run.read(mse)
    sentence = f"RMSE {rmse.printed} squared is {span(wanted)}, MSE printed {mse.printed}."
    # The unit of an MSE is the square of the other's, so only bare figures of one size are compared.
    one_unit = not mse.unit and not rmse.unit and _one_unit(run, mse, rmse, printed.power(0.5), run.read(rmse))
    if printed.meets(wanted):
        yield fits("C10 MSE = RMSE²", [mse, rmse], sentence)
    elif printed.high < wanted.low:
        yield broken("C10 MSE = RMSE²", [mse, rmse], sentence, one_unit, ONE_UNIT)
    else:
        yield broken(
            "C10 MSE = RMSE²",
            [mse, rmse],
            sentence,
            run.one_sample(mse, rmse) and one_unit,
            f"neither is an average over folds or assets, and {ONE_UNIT}",
        )


def _range(run: Run) -> tuple[float, float, bool] | None:
    """Range of the target with whether it is known to hold for the evaluated rows."""
    target = run.group.target
    span_ = target.span
    if span_ is None or span_.high <= span_.low:
        return None
    return span_.low, span_.high, target.range_covers == "evaluation"


def _shown(run: Run) -> str:
    low, high = run.group.target.low, run.group.target.high
    return f"{low.text} to {high.text}" if low is not None and high is not None else ""


def error_within_range(run: Run) -> Iterator[Finding]:
    """RMSE and MAE are at most (b - a)/2 sqrt(1 - R²) for a target inside [a, b] (Popoviciu)."""
    r2, bounds = run.get("r2"), _range(run)
    if r2 is None or bounds is None:
        return
    low, high, covers = bounds
    target = run.group.target
    ceiling = rmse_ceiling(low, high, run.read(r2), target.mean.interval if target.mean else None)
    shown = _shown(run)
    for metric in ("rmse", "mae"):
        claim = run.get(metric)
        if claim is None or claim.value.percent:
            continue
        name = metric.upper()
        sentence = (
            f"in a range of {shown} the target's standard deviation is at most half of it, so R² {r2.printed}"
            f" allows an RMSE, and so a MAE, of at most {number(high - low)}/2·√(1−R²) = {number(ceiling)}"
            f", roundings included;"
            f" {name} is printed {claim.printed}."
        )
        if run.read(claim).low > ceiling * (1 + 1e-9):
            yield broken(
                "C11 error in range", [claim, r2], sentence, covers and run.one_sample(claim, r2), RANGE_COVERS
            )
        else:
            yield fits("C11 error in range", [claim, r2], sentence)
    mape = run.get("mape")
    if mape is not None and low > 0:
        reading = _as_share(run, mape)
        sentence = (
            f"an RMSE of at most {number(ceiling)} on prices of at least {target.low.text} allows a MAPE of at"
            f" most {percent(ceiling / low)}; printed {mape.printed}."
        )
        if all(value.low > ceiling / low * (1 + 1e-9) for value in reading):
            yield broken("C12 MAPE in range", [mape, r2], sentence, covers and run.one_sample(mape, r2), RANGE_COVERS)


def _as_share(run: Run, claim: Claim) -> list[Interval]:
    """Readings of a percentage error: as printed, and as percent where the print carries no sign."""
    value = run.read(claim)
    if claim.value.percent:
        return [value]
    return [value * 0.01] if value.low > 3 else [value, value * 0.01]


def mape_within_range(run: Run) -> Iterator[Finding]:
    """MAE/b <= MAPE <= MAE/a for a positive target in [a, b]."""
    mae, mape, bounds = run.get("mae"), run.get("mape"), _range(run)
    if mae is None or mape is None or bounds is None or mae.value.percent:
        return
    low, high, covers = bounds
    if low <= 0:
        return
    allowed = mape_from_mae(run.read(mae), low, high)
    sentence = f"MAE {mae.printed} over prices of {_shown(run)} makes MAPE {span(allowed, True)}"
    sentence += f", printed {mape.printed}."
    if any(value.meets(allowed) for value in _as_share(run, mape)):
        yield fits("C12 MAPE and MAE", [mae, mape], sentence)
    else:
        yield broken("C12 MAPE and MAE", [mae, mape], sentence, covers and run.one_sample(mae, mape), RANGE_COVERS)


def best_constant(run: Run) -> Iterator[Finding]:
    """A forecast that errs by more than the best constant could at worst is worse than no forecast."""
    bounds = _range(run)
    if bounds is None:
        return
    low, high, covers = bounds
    assumption = None if covers else RANGE_COVERS
    mape, mae = run.get("mape"), run.get("mae")
    if mape is not None and low > 0:
        bar = best_constant_mape(low, high)
        if all(value.low > bar for value in _as_share(run, mape)):
            constant = 2 * low * high / (low + high)
            yield baseline(
                "C12 best constant",
                [mape],
                f"always forecasting {number(constant)} errs by at most (b−a)/(b+a) = {percent(bar)} on any"
                f" price of {_shown(run)}; the model's MAPE is {mape.printed}.",
                assumption,
                2,
            )
    if mae is not None and not mae.value.percent and run.read(mae).low > (high - low) / 2:
        yield baseline(
            "C12 best constant",
            [mae],
            f"always forecasting the middle of {_shown(run)} errs by at most {number((high - low) / 2)}; the"
            f" model's MAE is {mae.printed}.",
            assumption,
            2,
        )


def spread_of_target(run: Run) -> Iterator[Finding]:
    """std(y) = RMSE/sqrt(1 - R²), against the printed deviation and the printed range."""
    r2, rmse, target = run.get("r2"), run.get("rmse"), run.group.target
    if r2 is None or rmse is None or rmse.value.percent:
        return
    implied = target_std(run.read(rmse), run.read(r2))
    working = f"RMSE {rmse.printed} with R² {r2.printed} is a target deviation of RMSE/√(1−R²) = {span(implied)}"
    printed = target.std.interval if target.std is not None else run.value("target_std")
    shown = target.std.text if target.std is not None else getattr(run.get("target_std"), "printed", "")
    if printed is not None:
        # Denominator n or n - 1: the printed deviation may exceed the implied one by sqrt(n/(n-1)).
        n = None if run.claims.draft else run.group.sample.n
        stretch = math.sqrt(n / (n - 1)) if n and n > 1 else math.sqrt(2)
        allowed = Interval(implied.low, implied.high * stretch)
        if printed.meets(allowed):
            yield fits("C11 target deviation", [r2, rmse], f"{working}; {shown} is printed.")
        else:
            yield broken(
                "C11 target deviation",
                [r2, rmse],
                f"{working}, but {shown} is printed.",
                run.one_sample(r2, rmse),
                "the printed deviation is of the evaluated rows",
            )


def levels_or_returns(run: Run) -> Iterator[Finding]:
    """Figures said to be of returns whose implied deviation no return has: they are of price levels."""
    r2, rmse, target = run.get("r2"), run.get("rmse"), run.group.target
    if r2 is None or rmse is None or rmse.value.percent or target.kind != "return":
        return
    implied = target_std(run.read(rmse), run.read(r2))
    if implied.low > LARGEST_RETURN_STD:
        yield doubtful(
            "C11 unit of the target",
            [r2, rmse],
            f"RMSE {rmse.printed} with R² {r2.printed} needs a target deviation of RMSE/√(1−R²) ="
            f" {span(implied)}: as returns that is {percent(implied.low, 0)} or more, so these are errors of"
            " price levels and the R² is the spread between prices.",
            f"returns deviate by less than {percent(LARGEST_RETURN_STD, 0)} per period",
            2,
        )


def persistence(run: Run) -> Iterator[Finding]:
    """The last price again: its MAPE at the stated or an assumed daily volatility, and its R² from printed spreads."""
    target, mape = run.group.target, run.get("mape")
    horizon = run.group.sample.horizon or 1
    if target.kind not in ("price", "return") or mape is None:
        return
    stated = target.daily_volatility
    volatility = stated.interval.high if stated is not None else DAILY_VOLATILITY
    if target.kind == "return" and not _prices_in_disguise(run):
        return
    bar = persistence_mape(volatility, horizon)
    values = _as_share(run, mape)
    assumption = None if stated is not None else f"daily volatility of {percent(DAILY_VOLATILITY, 0)}"
    if all(value.low > bar for value in values):
        needed = values[0].low / (math.sqrt(2 / math.pi) * math.sqrt(horizon))
        r2 = run.get("r2")
        also = (
            f" An R² of {r2.printed} on levels says nothing beside it."
            if r2 is not None and run.read(r2).low > 0.9
            else ""
        )
        yield baseline(
            "C13 persistence",
            [mape, r2] if also else [mape],
            f"repeating the last price over {horizon} session{'s' if horizon > 1 else ''} has a MAPE of"
            f" 0.798·σ·√h = {percent(bar)} at σ = {percent(volatility)} a day, against {mape.printed} for the"
            f" model; they are equal only at σ = {percent(needed)} a day." + also,
            assumption,
            1,
        )
    r2, rmse = run.get("r2"), run.get("rmse")
    mean = target.mean
    if stated is not None and mean is not None and r2 is not None and rmse is not None:
        level = target_std(run.read(rmse), run.read(r2))
        change = mean.interval * stated.interval * math.sqrt(horizon)
        if level.low > 0 and change.low > 0:
            naive = r2_of_persistence(change, level)
            if run.read(r2).high < naive.low:
                yield baseline(
                    "C13 persistence",
                    [r2, rmse],
                    f"repeating the last price has R² of about {span(naive)} at the printed volatility, the"
                    f" model {r2.printed}.",
                    "changes without drift, proportional to the mean price",
                    1,
                )


def _prices_in_disguise(run: Run) -> bool:
    return any(finding.check_id.startswith("C11 unit") for finding in levels_or_returns(run))


def correlation_against_r2(run: Run) -> Iterator[Finding]:
    """R² of a forecast is at most the squared correlation; equal to it for a least-squares fit on its own sample."""
    r2, correlation = run.get("r2"), run.get("correlation")
    if r2 is None or correlation is None:
        return
    square = r2_of_correlation(run.read(correlation))
    sentence = f"correlation {correlation.printed} squared is {span(square)}, R² printed {r2.printed}."
    if run.read(r2).low > square.high * (1 + 1e-9) + 1e-12:
        yield broken(
            "C33 R² ≤ r²",
            [r2, correlation],
            sentence,
            "pearson" in correlation.definition.lower() and run.one_sample(r2, correlation),
            "the correlation is Pearson's, of the same forecasts and outcomes",
        )
    else:
        yield fits("C33 R² ≤ r²", [r2, correlation], sentence)
