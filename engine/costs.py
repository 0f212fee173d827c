"""What trading and holding cost, and what cash earns: one rate for all, or tables by asset and session."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assay.data.conventions import Floats
from assay.data.errors import InputError
from assay.data.files.options import ReadOptions
from assay.data.files.rates import load_rates
from assay.data.plugins import require_types
from assay.engine.borrow_and_interest import Night, a_session

__all__ = [
    "COST_COLUMNS",
    "COST_FIELDS",
    "COST_KINDS",
    "CostModel",
    "CostTable",
    "FillRates",
    "Liquidity",
    "Rates",
    "cash_rate_of",
    "laid_out",
    "trading_costs",
]


#: Kinds in which costs are reported, in the order of the columns of `BacktestResult.costs`.
COST_KINDS = ("commission", "spread", "impact", "sqrt_impact", "minimum_fee", "borrow", "financing")
#: The same as columns, made once.
COST_COLUMNS = pd.Index(COST_KINDS)
#: Fields of `CostModel` that a table may set for an asset; the others are of the whole book.
ASSET_FIELDS = ("commission_bps", "spread_bps", "impact_bps", "sqrt_impact", "borrow_bps", "minimum_fee")


@dataclass(frozen=True, eq=False)
class CostTable:
    """Costs that differ by asset, by session or by both; what it leaves open is the cost model's own.

    A rate holds from its stamp until the next one. A fill in session s pays the rate in force in s; a night is paid at
    the rate in force at the close before it.

    Parameters
    ----------
    by_asset : field of `CostModel` → (stamps, assets); NaN = the last one stands, or the model's own.
    by_session : field of `CostModel` → (stamps,) for every asset; a rate by asset goes before it.
    source : where it comes from, for the report.
    files : the files it was read from.
    part : a person's class that gave rates, by path, and its parameters; None if none did.

    Raises
    ------
    InputError
        If a field is unknown, a rate negative (only `cash_rate_bps` may be) or infinite, or stamps are not increasing.

    """

    by_asset: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    by_session: Mapping[str, pd.Series] = field(default_factory=dict)
    source: str = "memory"
    files: tuple[str, ...] = ()
    part: tuple[str, Mapping[str, object]] | None = None

    def __post_init__(self) -> None:
        for group, allowed in ((self.by_asset, ASSET_FIELDS), (self.by_session, COST_FIELDS)):
            for name, values in group.items():
                if name not in allowed:
                    raise InputError(f"cost table: {name!r} is not one of {', '.join(allowed)}")
                index = values.index
                if not isinstance(index, pd.DatetimeIndex) or not index.is_monotonic_increasing or not index.is_unique:
                    raise InputError(f"cost table: {name}: stamps must be strictly increasing dates")
                cells = values.to_numpy(dtype=np.float64)
                if np.isinf(cells).any() or (name != "cash_rate_bps" and (cells < 0).any()):
                    raise InputError(f"cost table: {name} must be finite and at least 0; leave a cell empty for none")

    @classmethod
    def load(cls, paths: Sequence[str | Path], options: ReadOptions | None = None) -> CostTable:
        """A table from files (CSV or Parquet): asset and date, or one of them, and fields of `CostModel`.

        Parameters
        ----------
        paths : the files.
        options : how to read what they do not say themselves.

        Raises
        ------
        InputError
            If a file cannot be read as that, or two files set the same field by the same key.

        """
        by_asset: dict[str, pd.DataFrame] = {}
        by_session: dict[str, pd.Series] = {}
        for path in paths:
            assets, sessions = load_rates(path, COST_FIELDS, options)
            try:
                cls(assets, sessions)
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
            for name in [*(set(assets) & set(by_asset)), *(set(sessions) & set(by_session))]:
                raise InputError(f"{path}: {name} is set by another file already; put them in one")
            by_asset, by_session = by_asset | assets, by_session | sessions
        names = ", ".join(Path(path).name for path in paths)
        return cls(by_asset, by_session, names, tuple(str(path) for path in paths))

    def describe(self) -> dict[str, Any]:
        """Source, fields and SHA-256 of the table, JSON-able."""
        digest = hashlib.sha256()
        for group in (self.by_asset, self.by_session):
            for name in sorted(group):
                values = group[name]
                digest.update(f"{name}|{values.index.astype(str).tolist()}".encode())
                if isinstance(values, pd.DataFrame):
                    digest.update("\x1f".join(map(str, values.columns)).encode())
                digest.update(np.ascontiguousarray(values.to_numpy(dtype=np.float64)).tobytes())
        names = sorted({*self.by_asset, *self.by_session})
        own = {} if self.part is None else {"own": True}
        return {"source": self.source, "fields": names, "sha256": digest.hexdigest(), **own}

    def strangers(self, assets: pd.Index) -> list[str]:
        """Assets of the table that are not among `assets`."""
        named = {str(asset) for frame in self.by_asset.values() for asset in frame.columns}
        return sorted(named - {str(asset) for asset in assets})


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
        known the session before the fill. Needs volume; an order is not filled in a session without volume, nor while
        σ or the average volume are unknown.
    borrow_bps : a year, on the market value of shorts held overnight (1/252 a session).
    financing_bps : a year, on negative cash held overnight (1/252 a session), on top of `cash_rate_bps`.
    minimum_fee : currency a fill; what it adds to commission is reported as ``minimum_fee``.
    cash_rate_bps : a year, what cash earns overnight (1/252 a session), and what negative cash pays below its
        financing. Cash holds the proceeds of shorts, so a short gets a rebate of the rate less `borrow_bps`. Interest
        is part of the gross return, not a cost; it may be negative.
    table : rates by asset and session, which go before the ones above.

    Raises
    ------
    InputError
        If a cost is negative or not finite.

    References
    ----------
    Almgren, Thum, Hauptmann & Li (2005), "Direct estimation of equity market impact"; Tóth et al. (2011) for the
    square-root law.

    Examples
    --------
    >>> CostModel(commission_bps=5.0, spread_bps=2.5).traded_rate
    0.00075

    """

    commission_bps: float = 5.0
    spread_bps: float = 0.0
    impact_bps: float = 0.0
    sqrt_impact: float = 0.0
    borrow_bps: float = 50.0
    financing_bps: float = 100.0
    minimum_fee: float = 0.0
    cash_rate_bps: float = 0.0
    table: CostTable | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        require_types("costs", self)
        for name in COST_FIELDS:
            value = getattr(self, name)
            if not math.isfinite(value) or (value < 0 and name != "cash_rate_bps"):
                wanted = "finite" if name == "cash_rate_bps" else "finite and at least 0"
                raise InputError(f"costs: {name} must be {wanted}, got {value!r}")

    @property
    def traded_rate(self) -> float:
        """Cost of a unit of traded value that does not depend on its size: commission and spread, as a fraction."""
        return (self.commission_bps + self.spread_bps) / 1e4

    @property
    def is_proportional(self) -> bool:
        """Whether every fill costs one fixed share of its value: no impact, no minimum fee, no table."""
        return self.impact_bps == 0 and self.sqrt_impact == 0 and self.minimum_fee == 0 and self.table is None

    @property
    def needs_volume(self) -> bool:
        """Whether some cost depends on volume."""
        table = self.table
        named = table is not None and ("sqrt_impact" in table.by_asset or "sqrt_impact" in table.by_session)
        return self.sqrt_impact > 0 or named

    def describe(self) -> dict[str, Any]:
        """Every field, JSON-able; a table by its source and digest."""
        numbers = {name: getattr(self, name) for name in COST_FIELDS}
        return numbers if self.table is None else {**numbers, "table": self.table.describe()}

    @classmethod
    def zero(cls) -> CostModel:
        """No cost of any kind."""
        return cls(**dict.fromkeys(COST_FIELDS, 0.0))  # type: ignore[arg-type]


#: The numbers of `CostModel`, in its order.
COST_FIELDS = tuple(item.name for item in fields(CostModel) if item.name != "table")


@dataclass(frozen=True, eq=False)
class Liquidity:
    """What the square-root law reads, known the session before: (T, N) daily volatility and mean volume (shares)."""

    volatility: Floats
    volume: Floats


@dataclass(frozen=True, eq=False)
class FillRates:
    """What a session's fills pay, as in `CostModel`; each a number or (N,)."""

    commission_bps: float | Floats
    spread_bps: float | Floats
    impact_bps: float | Floats
    sqrt_impact: float | Floats
    minimum_fee: float | Floats

    def of(self, asset: int) -> FillRates:
        """The rates of one asset."""
        values = (getattr(self, item.name) for item in fields(self))
        return FillRates(*(value if isinstance(value, float) else float(value[asset]) for value in values))


@dataclass(frozen=True, eq=False)
class Rates:
    """A cost model on the sessions and assets of a run.

    Parameters
    ----------
    cells : field → (T, N) where it differs by asset, (T,) where by session, a number where by neither. Rates of the
        night (`borrow_bps`, `financing_bps`, `cash_rate_bps`) stand on the session at whose start they are paid.

    """

    cells: Mapping[str, float | Floats]

    def __post_init__(self) -> None:
        even = all(isinstance(value, float) for value in self.cells.values())
        object.__setattr__(self, "_even", (self._fill(0), self._night(0)) if even else None)

    def fill(self, s: int) -> FillRates:
        """What the fills of session s pay."""
        even: tuple[FillRates, Night] | None = self.__dict__["_even"]
        return self._fill(s) if even is None else even[0]

    def night(self, s: int) -> Night:
        """Fractions that the night into session s costs or brings: borrow (a number or (N,)), financing, interest."""
        even: tuple[FillRates, Night] | None = self.__dict__["_even"]
        return self._night(s) if even is None else even[1]

    def by_asset(self, name: str, sessions: pd.DatetimeIndex, assets: pd.Index) -> pd.DataFrame | None:
        """(T, N) a field that differs by asset; None where it does not."""
        value = self.cells[name]
        return None if isinstance(value, float) or value.ndim < 2 else pd.DataFrame(value, sessions, assets)

    def of_cash(self, sessions: pd.DatetimeIndex) -> pd.Series | None:
        """(T,) what cash earns a session, as a fraction, 0 on the first, which has no night before; None at no rate."""
        given = self.cells["cash_rate_bps"]
        if isinstance(given, float) and given == 0.0:
            return None
        bps = np.broadcast_to(np.asarray(given, dtype=np.float64), (len(sessions),))
        if not bps.any():
            return None
        return pd.Series(np.where(np.arange(len(sessions)) > 0, a_session(bps), 0.0), sessions, name="cash_rate")

    def _fill(self, s: int) -> FillRates:
        return FillRates(*(self._at(item.name, s) for item in fields(FillRates)))

    def _night(self, s: int) -> Night:
        borrow, financing, interest = (self._at(name, s) for name in ("borrow_bps", "financing_bps", "cash_rate_bps"))
        return a_session(borrow), a_session(float(financing)), a_session(float(interest))

    def _at(self, name: str, s: int) -> float | Floats:
        value = self.cells[name]
        if isinstance(value, float):
            return value
        row = value[s]
        return row if value.ndim == 2 else float(row)


def cash_rate_of(costs: CostModel, sessions: pd.DatetimeIndex) -> pd.Series | None:
    """(T,) what cash earns a session by a cost model, see `Rates.of_cash`; None at no rate."""
    named = () if costs.table is None else (frame.columns for frame in costs.table.by_asset.values())
    return laid_out(costs, sessions, pd.Index(sorted({name for names in named for name in names}))).of_cash(sessions)


def laid_out(costs: CostModel, sessions: pd.DatetimeIndex, assets: pd.Index) -> Rates:
    """`costs` on these sessions and assets.

    Raises
    ------
    InputError
        If no asset of the table is among `assets`.

    """
    cells: dict[str, float | Floats] = {name: float(getattr(costs, name)) for name in COST_FIELDS}
    table = costs.table
    if table is None:
        return Rates(cells)
    strangers = table.strangers(assets)
    if strangers and not any(frame.columns.isin(assets).any() for frame in table.by_asset.values()):
        raise InputError(f"costs: none of the assets of {table.source} has prices; first {strangers[0]!r}")
    for name in {*table.by_session, *table.by_asset}:
        # A night is paid at what was in force at the close before.
        stamps = sessions
        if name in ("borrow_bps", "financing_bps", "cash_rate_bps"):
            stamps = pd.DatetimeIndex([sessions[0], *sessions[:-1]])
        value: float | Floats = cells[name]
        if name in table.by_session:
            known = _in_force(table.by_session[name].to_frame(), stamps)[:, 0]
            value = np.where(np.isnan(known), value, known)
        if name in table.by_asset:
            known = _in_force(table.by_asset[name].reindex(columns=assets), stamps)
            rest = value if isinstance(value, float) else value[:, None]
            value = np.where(np.isnan(known), rest, known)
        cells[name] = value
    return Rates(cells)


def _in_force(frame: pd.DataFrame, stamps: pd.DatetimeIndex) -> Floats:
    """(T, N) the last value at or before each stamp, NaN before the first."""
    row = frame.index.searchsorted(stamps, side="right") - 1
    values = frame.ffill().to_numpy(dtype=np.float64)[np.maximum(row, 0)]
    return np.where((row < 0)[:, None], np.nan, values)


_COMMISSION, _SPREAD, _IMPACT, _SQRT, _FEE = range(5)


def trading_costs(
    traded: Floats, nav: float, rates: FillRates | CostModel, liquidity: tuple[Floats, Floats, Floats] | None
) -> Floats:
    """Cost of each fill by kind.

    Parameters
    ----------
    traded : (N,) |traded value|, currency; 0 = no fill.
    nav : NAV at the fill, currency.
    rates : as numbers or (N,).
    liquidity : (volatility, mean volume in shares, price), each (N,), where the square-root law applies; all of them
        known where something is traded.

    Returns
    -------
    (5, N) currency: commission, spread, impact, sqrt_impact, minimum_fee.

    """
    out = np.zeros((5, traded.size))
    out[_COMMISSION] = traded * (rates.commission_bps / 1e4)
    out[_SPREAD] = traded * (rates.spread_bps / 1e4)
    if np.any(rates.impact_bps):
        out[_IMPACT] = traded * traded * (rates.impact_bps / 1e4 / nav)
    if np.any(rates.sqrt_impact) and liquidity is not None:
        volatility, volume, price = liquidity
        real = traded > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            share_of_volume = traded / (price * volume)
            impact = rates.sqrt_impact * volatility * np.sqrt(share_of_volume) * traded
        out[_SQRT] = np.where(real & (np.asarray(rates.sqrt_impact) > 0), impact, 0.0)
    if np.any(rates.minimum_fee):
        out[_FEE] = np.where(traded > 0, np.maximum(rates.minimum_fee - out[_COMMISSION], 0.0), 0.0)
    return out
