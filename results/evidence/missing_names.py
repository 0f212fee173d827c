"""Between which bounds the Sharpe ratio and alpha lie, had the names that are missing from the universe been in it.

A panel of names that are there today lacks what failed on the way. Assumed is what share of the names goes missing each
year and what each lost; then at worst all of them were among the longs and none among the shorts, at best the other way
round, and in the middle both sides held them as they hold the rest. A book on the whole universe also holds other
names, so each bound is widened by 1.96 errors of the difference between two books that share exp(−share · years) of
theirs. No size of the fund enters.

References
----------
Brown, Goetzmann, Ibbotson & Ross (1992), "Survivorship bias in performance studies", Review of Financial Studies 5(4).
Shumway (1997), "The delisting bias in CRSP data", Journal of Finance 52(1), for a loss of 30%.

"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR
from assay.engine.result import BacktestResult
from assay.results.stats.long_run_variance import regress, sharpe_hac_error
from assay.results.stats.performance import Metric, sharpe_interval

__all__ = ["LOSS", "SHARE", "missing_names"]

#: Share of the names that goes missing a year, and the return of each.
SHARE, LOSS = 0.05, -0.30
_Z95 = 1.959963984540054


def missing_names(result: BacktestResult, *, share: float = SHARE, loss: float = LOSS) -> list[Metric]:
    """Bounds of the net Sharpe ratio and, with a benchmark, of net alpha; `low` and `high` are the bounds.

    Parameters
    ----------
    result : of a panel without memberships.
    share : of the names that goes missing a year.
    loss : what each returned, from the first to the last session in which it is missing.

    """
    net, exposure = result.over_cash(result.returns), result.exposure.shift(1).fillna(0.0)
    n = len(net)
    a_session = share * loss / SESSIONS_A_YEAR
    cases = {
        "worst": net + a_session * exposure["long"],
        "middle": net + a_session * exposure["net"],
        "best": net + a_session * exposure["short"],
    }
    apart = math.sqrt(2 * (1 - math.exp(-share * n / SESSIONS_A_YEAR)))
    text = (
        f"if {share:.0%} of the names a year are missing and returned {loss:.0%}: all among the longs, in both sides "
        "alike, all among the shorts; ends widened by 1.96 errors of other names"
    )
    start, end = str(net.index[0].date()), str(net.index[-1].date())
    ratios = {name: sharpe_interval(values.to_numpy())[0] for name, values in cases.items()}
    spread = _Z95 * apart * sharpe_hac_error(net.to_numpy()) * math.sqrt(SESSIONS_A_YEAR)
    out = [_bounds("sharpe_missing_names", "ratio", ratios, spread, text, (n, start, end))]
    if result.benchmark is not None:
        market = result.over_cash(result.benchmark)
        lines = {
            name: regress(both[:, 0], both[:, 1])
            for name, both in (
                (name, pd.DataFrame({"net": values, "benchmark": market}).dropna().to_numpy(dtype=np.float64))
                for name, values in cases.items()
            )
        }
        alphas = {name: math.nan if line is None else line.alpha * SESSIONS_A_YEAR for name, line in lines.items()}
        middle = lines["middle"]
        error = math.nan if middle is None else _Z95 * apart * middle.alpha_error * SESSIONS_A_YEAR
        out.append(_bounds("alpha_missing_names", "fraction a year", alphas, error, text, (n, start, end)))
    return out


def _bounds(
    name: str, unit: str, values: dict[str, float], spread: float, text: str, sample: tuple[int, str, str]
) -> Metric:
    if not all(math.isfinite(value) for value in (*values.values(), spread)):
        return Metric(name, math.nan, unit, text, None, None, *sample, "the returns do not vary")
    return Metric(
        name, values["middle"], unit, f"net · {text}", values["worst"] - spread, values["best"] + spread, *sample
    )
