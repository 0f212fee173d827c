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

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from assay.data.panel import PricePanel
from assay.data.returns import simple_returns
from assay.data.rolling import rolling_covariance, rolling_deviation

__all__ = [
    "BETA_LEAST",
    "BETA_WINDOW",
    "CHARACTERISTICS",
    "characteristics",
    "each_characteristic",
    "market_variance",
    "trailing_beta",
]

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
    return dict(each_characteristic(prices, caps=caps, names=names))


def each_characteristic(
    prices: PricePanel, *, caps: pd.DataFrame | None = None, names: Iterable[str] = tuple(CHARACTERISTICS)
) -> Iterator[tuple[str, pd.DataFrame]]:
    """`characteristics` one after another, each made when it is asked for."""
    wanted, known = set(names), prices.close.notna()
    returns = simple_returns(prices.close)
    for name in CHARACTERISTICS:
        lacking = (name == "liquidity" and prices.volume is None) or (name == "size" and caps is None)
        if name in wanted and not lacking:
            yield name, _characteristic(name, prices, returns, caps).where(known)


def _characteristic(
    name: str, prices: PricePanel, returns: pd.DataFrame, caps: pd.DataFrame | None
) -> pd.DataFrame:
    close = prices.close
    if name == "beta":
        return trailing_beta(returns)
    if name == "momentum":
        logs = _log(close)
        return logs.shift(_SKIP) - logs.shift(_MOMENTUM)
    if name == "volatility":
        values = rolling_deviation(returns.to_numpy(dtype=np.float64), _WINDOW, least=_LEAST)
        values[~(values > 1e-12)] = np.nan
        return _log(pd.DataFrame(values, returns.index, returns.columns, copy=False))
    if name == "reversal":
        return -_log(1 + returns).ewm(halflife=_HALF_LIFE, min_periods=_HALF_LIFE).mean()
    if name == "liquidity":
        assert prices.volume is not None
        traded = (close * prices.volume).to_numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            impact = np.abs(returns.to_numpy()) / np.where(traded > 0, traded, np.nan)
        mean = pd.DataFrame(impact, returns.index, returns.columns, copy=False).rolling(
            _WINDOW, min_periods=_LEAST
        ).mean()  # fmt: skip
        return -_log(mean.where(mean > 0))
    assert caps is not None
    sessions = caps.index.union(close.index)
    latest = caps.reindex(index=sessions).ffill().reindex(index=close.index, columns=close.columns)
    return _log(latest.where(latest > 0))


def _log(values: pd.DataFrame) -> pd.DataFrame:
    with np.errstate(divide="ignore", invalid="ignore"):
        return pd.DataFrame(np.log(values.to_numpy(dtype=np.float64)), values.index, values.columns)
