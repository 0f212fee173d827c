"""The benchmark: its fingerprint, and an asset that can be traded made of its returns."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pandas as pd

from assay.data.errors import InputError
from assay.data.panel import BENCHMARK_ASSET, PricePanel
from assay.data.returns import no_returns

__all__ = ["BENCHMARK_ASSET", "benchmark_fingerprint", "check_benchmark", "with_benchmark_asset"]


def check_benchmark(returns: pd.Series) -> None:
    """Raises InputError unless the returns are one a session, indexed by date, and may be returns."""
    if not isinstance(returns.index, pd.DatetimeIndex) or not returns.index.is_unique:
        raise InputError("benchmark: expected one return a session, indexed by date")
    if not isinstance(returns.dtype, np.dtype) or returns.dtype.kind != "f":
        raise InputError(f"benchmark: expected floats, got {returns.dtype}; astype(float) makes them of numbers")
    if np.isinf(returns).any():
        raise InputError("benchmark: infinite values; leave them empty")
    reason = no_returns(returns)
    if reason is not None:
        raise InputError(f"benchmark: {reason}; of prices take pct_change(), of percent a hundredth")


def benchmark_fingerprint(returns: pd.Series) -> str:
    """SHA-256 over sessions and values of a benchmark's returns (hex, 64 characters); its name does not count."""
    digest = hashlib.sha256(returns.index.to_numpy(dtype="datetime64[s]").tobytes())
    digest.update(np.ascontiguousarray(returns.to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()


def with_benchmark_asset(prices: PricePanel, returns: pd.Series, asset: str = BENCHMARK_ASSET) -> PricePanel:
    """Prices with a tradable benchmark made of its returns.

    The level starts at 100 at the first session. Its open, where the panel has opens, is the level at that session's
    close: a return series knows no other price, so an order for the open is in fact an order for the close.

    Parameters
    ----------
    prices : T sessions by N assets.
    returns : (T,) benchmark returns, stamped with the period's end; missing ones leave the asset without a price.
    asset : id of the new column.

    Returns
    -------
    PricePanel
        N + 1 assets; high and low are the level too, the volume is unknown.

    Raises
    ------
    InputError
        If `asset` is among the prices already.

    """
    if asset in prices.assets:
        raise InputError(f"benchmark asset: {asset!r} is among the prices already; name another")
    known = returns.reindex(prices.sessions)
    level = 100.0 * (1 + known.fillna(0.0)).cumprod()
    level = level.where(known.notna() | (np.arange(len(level)) == 0))
    added = {
        name: getattr(prices, name).assign(**{asset: np.nan if name == "volume" else level}) for name in prices.fields
    }
    if prices.raw_close is not None:
        added["raw_close"] = prices.raw_close.assign(**{asset: level})
    if prices.members is not None:
        added["members"] = prices.members.assign(**{asset: True})
    return replace(prices, **added)
