"""Rules on the naive forecast: what repeating the last price scores, and errors of levels called errors of returns."""

from __future__ import annotations

import math
from collections.abc import Iterator

from assay.audit.claims.intervals import Interval
from assay.audit.claims.model import Claim
from assay.audit.forensic.regression import persistence_mape, r2_of_persistence, target_std
from assay.audit.rules.scope import Run, baseline, doubtful, percent, span
from assay.audit.verdicts import Finding

__all__ = ["levels_or_returns", "persistence"]

#: Assumed daily volatility where none is printed, and the largest two-session deviation of returns that is believed.
DAILY_VOLATILITY = 0.02
LARGEST_RETURN_STD = 1.0


def _as_share(run: Run, claim: Claim) -> list[Interval]:
    """Readings of a percentage error: as printed, and as percent where the print carries no sign."""
    value = run.read(claim)
    if claim.value.percent:
        return [value]
    return [value * 0.01] if value.low > 3 else [value, value * 0.01]


def persistence(run: Run) -> Iterator[Finding]:
    """The last price again: its MAPE at the stated or an assumed daily volatility, and its R² from printed spreads."""
    target, mape = run.group.target, run.get("mape")
    horizon = max(run.group.sample.horizon or 1, 1)
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


def _prices_in_disguise(run: Run) -> bool:
    return any(finding.check_id.startswith("C11 unit") for finding in levels_or_returns(run))

