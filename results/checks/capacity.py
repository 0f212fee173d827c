"""How much money a strategy carries: net Sharpe against assets under management, and where half of it is gone.

The same weights are traded at each size under the square-root law of market impact; everything else stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from assay.data.conventions import SESSIONS_A_YEAR
from assay.data.errors import InputError
from assay.data.panel import PricePanel
from assay.engine.costs import CostModel
from assay.engine.execution import Execution
from assay.engine.simulation import simulate
from assay.results.checks.base import Content, State
from assay.results.stats.performance import sharpe_interval

__all__ = ["DEFAULT_AUM", "Capacity", "capacity"]

#: Currency, from a private account to a large fund.
DEFAULT_AUM = tuple(float(f"{10.0**k:.6g}") for k in np.arange(6.0, 11.01, 0.5))
#: How near, in the logarithm of the size, the halving point is searched.
_PRECISION = 0.01


_COLUMNS = ("sharpe", "low", "high", "return_ann", "impact_ann")


@dataclass(frozen=True, eq=False)
class Capacity:
    """What size does to a strategy.

    Parameters
    ----------
    table : one row a size, indexed by ``aum`` (currency): net ``sharpe`` (annual, ddof 1, no risk-free rate) with
        ``low`` and ``high`` (95%), ``return_ann``, ``impact_ann`` (impact costs a year, a share of NAV). Empty where
        nothing could be measured.
    base : net Sharpe without impact, all other costs paid: what size takes away from.
    halves_at : AUM, currency, where the net Sharpe is half of `base`; NaN where it is not found.
    note : why it is NaN; empty where it is not.

    """

    kind: ClassVar[str] = "capacity"
    title: ClassVar[str] = "Capacity"
    hint: ClassVar[str] = "run again with --capacity"

    table: pd.DataFrame
    base: float
    halves_at: float
    note: str = ""

    @classmethod
    def run(
        cls, prices: PricePanel, weights: pd.DataFrame | None, *, costs: CostModel, execution: Execution
    ) -> Capacity:
        """`capacity` of final target weights, (T, N) stamped t; None is a run executed bar by bar."""
        if weights is None:
            empty = pd.DataFrame(columns=list(_COLUMNS), index=pd.Index([], name="aum"), dtype=np.float64)
            return cls(empty, math.nan, math.nan, "not expressible: executed bar by bar")
        return capacity(prices, weights, costs=costs, execution=execution)

    @property
    def state(self) -> State:
        """Good where the halving size is known; unsure where it lies outside, or nothing can be halved."""
        return "not run" if self.table.empty else "unsure" if self.note else "good"

    @property
    def result(self) -> str:
        """Where the net Sharpe halves."""
        return "not measured" if self.table.empty else "not found" if self.note else f"{self.halves_at:,.0f}"

    @property
    def detail(self) -> str:
        """Of what, or why it is not known."""
        return self.note or f"the net Sharpe of {self.base:.2f} halves at {self.halves_at:,.0f}"

    @property
    def sentence(self) -> str:
        """Where the net Sharpe halves, or why that is not known."""
        return f"capacity: {self.detail}"

    @property
    def failures(self) -> tuple[str, ...]:
        """None: size is no fault of a run."""
        return ()

    def to_dict(self) -> dict[str, object]:
        """See `assay.results.checks.base.Check`."""
        if self.table.empty:
            return {"halves_at": None, "said": self.note}
        return {
            "halves_at": None if self.note else self.halves_at,
            "base": self.base,
            "said": self.detail,
            "sizes": self.table.reset_index().to_dict("records"),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        halves_at, detail = entries.number("halves_at"), entries.text("said")
        sizes = entries.parts("sizes") if entries.has("sizes") else ()
        rows = [[size.number(name) for name in _COLUMNS] for size in sizes]
        index = pd.Index([size.number("aum") for size in sizes], name="aum", dtype=np.float64)
        table = pd.DataFrame(rows, index=index, columns=list(_COLUMNS), dtype=np.float64)
        base = entries.number("base") if sizes else math.nan
        return cls(table, base, halves_at, detail if math.isnan(halves_at) else "")


def capacity(
    prices: PricePanel,
    weights: pd.DataFrame,
    *,
    aum: Sequence[float] = DEFAULT_AUM,
    costs: CostModel | None = None,
    execution: Execution | None = None,
) -> Capacity:
    """Net Sharpe of `weights` at each size of the fund, and the size where it halves.

    Parameters
    ----------
    prices : with volume.
    weights : (T, N) final target weights, stamped t, as `engine.final_weights` gives them.
    aum : sizes, currency, at least two, increasing.
    costs : its `sqrt_impact` is the coefficient of the law; where it is 0, 1 is taken.
    execution : its `capital` is replaced by each size.

    Raises
    ------
    InputError
        If the panel has no volume, or the sizes are not positive and increasing.

    References
    ----------
    Almgren, Thum, Hauptmann & Li (2005), "Direct estimation of equity market impact", for the law.

    """
    sizes = [float(size) for size in aum]
    if len(sizes) < 2 or any(not (math.isfinite(size) and size > 0) for size in sizes) or sizes != sorted(set(sizes)):
        raise InputError("capacity: aum must hold at least two positive sizes, in increasing order")
    prices.require(["volume"], "capacity")
    costs = CostModel() if costs is None else costs
    execution = Execution() if execution is None else execution
    law = costs if costs.sqrt_impact else replace(costs, sqrt_impact=1.0)

    def at(size: float, model: CostModel) -> dict[str, float]:
        result = simulate(
            prices, weights, costs=model, execution=replace(execution, capital=size), keep="returns", name="capacity"
        )
        net = result.returns.to_numpy()
        sharpe, low, high = sharpe_interval(net)
        before = result.nav.shift(1).fillna(size)
        impact = float((result.costs["sqrt_impact"] / before).mean()) * SESSIONS_A_YEAR
        return {
            "sharpe": sharpe,
            "low": low,
            "high": high,
            "return_ann": float(net.mean()) * SESSIONS_A_YEAR,
            "impact_ann": impact,
        }

    base = at(sizes[0], replace(law, sqrt_impact=0.0))["sharpe"]
    table = pd.DataFrame([at(size, law) for size in sizes], index=pd.Index(sizes, name="aum"))
    if not base > 0:
        return Capacity(table, base, math.nan, f"the net Sharpe is {base:.2f} before any impact: nothing to halve")
    half = 0.5 * base
    below = np.flatnonzero(table["sharpe"].to_numpy() <= half)
    if len(below) == 0:
        return Capacity(table, base, math.nan, f"more than half is left at {sizes[-1]:.3g}")
    if below[0] == 0:
        return Capacity(table, base, math.nan, f"less than half is left at {sizes[0]:.3g} already")
    low, high = (math.log(sizes[below[0] - 1]), math.log(sizes[below[0]]))
    while high - low > _PRECISION:
        middle = 0.5 * (low + high)
        if at(math.exp(middle), law)["sharpe"] > half:
            low = middle
        else:
            high = middle
    return Capacity(table, base, math.exp(0.5 * (low + high)))
