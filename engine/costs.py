"""What trading and holding cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from assay.data.errors import InputError

__all__ = ["COST_KINDS", "CostModel", "Liquidity", "trading_costs"]

Floats = npt.NDArray[np.float64]

#: Kinds in which costs are reported, in the order of the columns of `BacktestResult.costs`.
COST_KINDS = ("commission", "spread", "impact", "sqrt_impact", "minimum_fee", "borrow", "financing")


@dataclass(frozen=True)
class CostModel:
    """Costs of trading and of holding, each reported by its kind.

    Parameters
    ----------
    commission_bps : basis points of the traded value, on each side.
    spread_bps : basis points of the traded value, on each side (half the quoted spread).
    impact_bps : linear impact: basis points of an asset's traded value per unit of its own turnover, i.e. the cost is
        impact_bps/1e4 · (traded value)² / NAV.
    sqrt_impact : coefficient Y of the square-root law: Y · σ · sqrt(traded shares / average volume) of the traded
        value, with σ the trailing 20-session daily volatility and the average volume over the same sessions, both
        known the session before the fill. Needs volume.
    borrow_bps : a year, on the market value of shorts held overnight (1/252 a session).
    financing_bps : a year, on negative cash held overnight (1/252 a session).
    minimum_fee : currency a fill; what it adds to commission is reported as ``minimum_fee``.

    Raises
    ------
    InputError
        If a cost is negative or not finite.

    References
    ----------
    Almgren, Thum, Hauptmann & Li (2005), "Direct estimation of equity market impact"; Tóth et al. (2011) for the
    square-root law.

    """

    commission_bps: float = 5.0
    spread_bps: float = 0.0
    impact_bps: float = 0.0
    sqrt_impact: float = 0.0
    borrow_bps: float = 50.0
    financing_bps: float = 100.0
    minimum_fee: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not math.isfinite(value) or value < 0:
                raise InputError(f"costs: {item.name} must be finite and at least 0, got {value!r}")

    @property
    def traded_rate(self) -> float:
        """Cost of a unit of traded value that does not depend on its size: commission and spread, as a fraction."""
        return (self.commission_bps + self.spread_bps) / 1e4

    @property
    def is_proportional(self) -> bool:
        """Whether a fill's cost is a fixed share of its value: no impact, no minimum fee."""
        return self.impact_bps == 0 and self.sqrt_impact == 0 and self.minimum_fee == 0

    @classmethod
    def zero(cls) -> CostModel:
        """No cost of any kind."""
        return cls(*(0.0 for _ in fields(cls)))


@dataclass(frozen=True, eq=False)
class Liquidity:
    """What the square-root law reads, known the session before: (T, N) daily volatility and mean volume (shares)."""

    volatility: Floats
    volume: Floats


_COMMISSION, _SPREAD, _IMPACT, _SQRT, _FEE = range(5)


def trading_costs(
    traded: Floats, nav: float, model: CostModel, liquidity: tuple[Floats, Floats, Floats] | None
) -> Floats:
    """Cost of each fill by kind.

    Parameters
    ----------
    traded : (N,) |traded value|, currency; 0 = no fill.
    nav : NAV at the fill, currency.
    model : the rates.
    liquidity : (volatility, mean volume in shares, price), each (N,), where the square-root law applies.

    Returns
    -------
    (5, N) currency: commission, spread, impact, sqrt_impact, minimum_fee.

    """
    out = np.zeros((5, traded.size))
    out[_COMMISSION] = traded * (model.commission_bps / 1e4)
    out[_SPREAD] = traded * (model.spread_bps / 1e4)
    if model.impact_bps:
        out[_IMPACT] = traded * traded * (model.impact_bps / 1e4 / nav)
    if model.sqrt_impact and liquidity is not None:
        volatility, volume, price = liquidity
        with np.errstate(invalid="ignore", divide="ignore"):
            share_of_volume = traded / (price * volume)
            impact = model.sqrt_impact * volatility * np.sqrt(share_of_volume) * traded
        out[_SQRT] = np.where(traded > 0, np.nan_to_num(impact), 0.0)
    if model.minimum_fee:
        out[_FEE] = np.where(traded > 0, np.maximum(model.minimum_fee - out[_COMMISSION], 0.0), 0.0)
    return out
