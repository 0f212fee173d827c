"""What is known of each asset at a close from prices, volume and market value alone: the characteristics of styles.

Every value stamped t is a function of rows through t; nothing is filled backwards.

References
----------
Black (1972), Journal of Business 45(3), for beta.
Jegadeesh & Titman (1993), Journal of Finance 48(1), for momentum that leaves out the last month.
Ang, Hodrick, Xing & Zhang (2006), Journal of Finance 61(1), for volatility.
Lehmann (1990), Quarterly Journal of Economics 105(1), and Jegadeesh (1990), Journal of Finance 45(3), for reversal over
a week and over a month, between which the exponential weights here lie.
Amihud (2002), Journal of Financial Markets 5(1), for illiquidity. Banz (1981), Journal of Financial Economics 9(1), for
size.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from assay.data.panel import PricePanel
from assay.data.returns import simple_returns
from assay.data.rolling import rolling_covariance, rolling_deviation

__all__ = ["BETA_LEAST", "BETA_WINDOW", "CHARACTERISTICS", "characteristics", "market_variance", "trailing_beta"]

#: name → what it is, in the words of a table.
CHARACTERISTICS = {
    "beta": "on the assets' mean return, 252 sessions",
    "momentum": "log return from 252 to 21 sessions ago",
    "volatility": "log deviation of returns, 60 sessions",
    "reversal": "less the mean log return, half-life 5 sessions",
    "liquidity": "less log Amihud illiquidity, 60 sessions",
    "size": "log market value",
}
BETA_WINDOW, BETA_LEAST = 252, 60
_MOMENTUM, _SKIP = 252, 21
_WINDOW, _LEAST = 60, 20
_HALF_LIFE = 5


def trailing_beta(returns: pd.DataFrame) -> pd.DataFrame:
    """(T, N) beta on the assets' mean return over 252 sessions through t (60 at least); NaN where not known."""
    mean = returns.mean(axis="columns")
    values = returns.to_numpy(dtype=np.float64)
    covariance = rolling_covariance(values, mean.to_numpy(), BETA_WINDOW, least=BETA_LEAST)
    with np.errstate(invalid="ignore"):
        beta = covariance / market_variance(mean).to_numpy()[:, None]
    return pd.DataFrame(beta, returns.index, returns.columns, copy=False)


def market_variance(market: pd.Series) -> pd.Series:
    """(T,) variance of the return that beta is on over the sessions of beta's window; NaN where not known or 0."""
    variance = market.rolling(BETA_WINDOW, min_periods=BETA_LEAST).var()
    return variance.where(variance > 0)


def characteristics(
    prices: PricePanel, *, caps: pd.DataFrame | None = None, names: Iterable[str] = tuple(CHARACTERISTICS)
) -> dict[str, pd.DataFrame]:
    """Each characteristic that the panel has the fields for, in the order of `CHARACTERISTICS`.

    Parameters
    ----------
    prices : (T, N); liquidity needs volume.
    caps : market values, currency, by date and asset; the last one known at t counts. Size needs them.
    names : which ones.

    Returns
    -------
    dict
        name → (T, N) stamped t; NaN where not known yet, or without a close.

    """
    wanted, close = set(names), prices.close
    returns = simple_returns(close)
    out: dict[str, pd.DataFrame] = {}
    if "beta" in wanted:
        out["beta"] = trailing_beta(returns)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = _log(close)
        if "momentum" in wanted:
            out["momentum"] = logs.shift(_SKIP) - logs.shift(_MOMENTUM)
        if "volatility" in wanted:
            values = rolling_deviation(returns.to_numpy(dtype=np.float64), _WINDOW, least=_LEAST)
            deviation = pd.DataFrame(values, returns.index, returns.columns, copy=False)
            out["volatility"] = _log(deviation.where(deviation > 1e-12))
        if "reversal" in wanted:
            out["reversal"] = -_log(1 + returns).ewm(halflife=_HALF_LIFE, min_periods=_HALF_LIFE).mean()
        if "liquidity" in wanted and prices.volume is not None:
            traded = close * prices.volume
            impact = (returns.abs() / traded.where(traded > 0)).rolling(_WINDOW, min_periods=_LEAST).mean()
            out["liquidity"] = -_log(impact.where(impact > 0))
        if "size" in wanted and caps is not None:
            sessions = caps.index.union(close.index)
            known = caps.reindex(index=sessions).ffill().reindex(index=close.index, columns=close.columns)
            out["size"] = _log(known.where(known > 0))
    return {name: out[name].where(close.notna()) for name in CHARACTERISTICS if name in out}


def _log(values: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.log(values.to_numpy(dtype=np.float64)), values.index, values.columns)
