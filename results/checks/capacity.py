"""How much money a strategy carries: net Sharpe and net alpha against assets under management, and where half is gone.

The same weights are traded at each size under the square-root law of market impact; everything else stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
from assay.results.stats.long_run_variance import regress
from assay.results.stats.performance import sharpe_interval

__all__ = ["DEFAULT_AUM", "Capacity", "Halving", "capacity"]

#: Currency, from a private account to a large fund.
DEFAULT_AUM = tuple(float(f"{10.0**k:.6g}") for k in np.arange(6.0, 11.01, 0.5))
#: How near, in the logarithm of the size, the halving point is searched.
_PRECISION = 0.01
#: A coefficient of the law that costs nothing.
_NEXT_TO_NONE = 1e-15


_COLUMNS = ("sharpe", "low", "high", "return_ann", "impact_ann")


@dataclass(frozen=True)
class Halving:
    """Where half of a figure is gone.

    Parameters
    ----------
    base : the figure without impact, all other costs paid.
    at : AUM, currency, where it is half of `base`; NaN where it is not found.
    note : why it is NaN; empty where it is not.

    """

    base: float
    at: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Capacity:
    """What size does to a strategy.

    Parameters
    ----------
    table : one row a size, indexed by ``aum`` (currency): net ``sharpe`` (annual, ddof 1, no risk-free rate) with
        ``low`` and ``high`` (95%), ``return_ann``, ``impact_ann`` (impact costs a year, a share of NAV) and, against a
        benchmark, ``alpha_ann`` (net). Empty where nothing could be measured.
    base : net Sharpe without impact, all other costs paid: what size takes away from.
    halves_at : AUM, currency, where the net Sharpe is half of `base`; NaN where it is not found.
    note : why it is NaN; empty where it is not.
    alpha : the same of the net alpha a year, which beta cannot carry; None without a benchmark.

    """

    kind: ClassVar[str] = "capacity"
    title: ClassVar[str] = "Capacity"
    hint: ClassVar[str] = "run again with --capacity"

    table: pd.DataFrame
    base: float
    halves_at: float
    note: str = ""
    alpha: Halving | None = None

    @classmethod
    def run(
        cls,
        prices: PricePanel,
        weights: pd.DataFrame | None,
        *,
        costs: CostModel,
        execution: Execution,
        benchmark: pd.Series | None = None,
    ) -> Capacity:
        """`capacity` of final target weights, (T, N) stamped t; None is a run executed bar by bar."""
        if weights is None:
            empty = pd.DataFrame(columns=list(_COLUMNS), index=pd.Index([], name="aum"), dtype=np.float64)
            return cls(empty, math.nan, math.nan, "not expressible: executed bar by bar")
        return capacity(prices, weights, costs=costs, execution=execution, benchmark=benchmark)

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
        """Of what, or why it is not known; the same of alpha."""
        text = self.note or f"the net Sharpe of {self.base:.2f} halves at {self.halves_at:,.0f}"
        if self.alpha is None:
            return text
        alpha = self.alpha.note or f"net alpha of {self.alpha.base:.2%} a year halves at {self.alpha.at:,.0f}"
        return f"{text}; {alpha}"

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
        out: dict[str, object] = {
            "halves_at": None if self.note else self.halves_at,
            "base": self.base,
            "said": self.detail,
            "sizes": self.table.reset_index().to_dict("records"),
        }
        if self.alpha is not None:
            out |= {"alpha": {"base": self.alpha.base, "halves_at": self.alpha.at, "note": self.alpha.note}}
            out |= {"note": self.note}
        return out

    @classmethod
    def from_dict(cls, content: Mapping[str, object], where: str = "checks.json") -> Self:
        """See `assay.results.checks.base.Check`."""
        entries = Content(content, f"{where}: {cls.kind}")
        halves_at, note = entries.number("halves_at"), entries.text("said")
        sizes = entries.parts("sizes") if entries.has("sizes") else ()
        alpha, columns = None, list(_COLUMNS)
        if entries.has("alpha"):
            part, note = entries.part("alpha"), entries.text("note")
            alpha = Halving(part.number("base"), part.number("halves_at"), part.text("note"))
            columns.append("alpha_ann")
        rows = [[size.number(name) for name in columns] for size in sizes]
        index = pd.Index([size.number("aum") for size in sizes], name="aum", dtype=np.float64)
        table = pd.DataFrame(rows, index=index, columns=columns, dtype=np.float64)
        base = entries.number("base") if sizes else math.nan
        return cls(table, base, halves_at, note if math.isnan(halves_at) else "", alpha)


def capacity(
    prices: PricePanel,
    weights: pd.DataFrame,
    *,
    aum: Sequence[float] = DEFAULT_AUM,
    costs: CostModel | None = None,
    execution: Execution | None = None,
    benchmark: pd.Series | None = None,
) -> Capacity:
    """Net Sharpe and net alpha of `weights` at each size of the fund, and the sizes where they halve.

    Parameters
    ----------
    prices : with volume.
    weights : (T, N) final target weights, stamped t, as `engine.final_weights` gives them.
    aum : sizes, currency, at least two, increasing.
    costs : its `sqrt_impact` is the coefficient of the law; where it is 0, 1 is taken.
    execution : its `capital` is replaced by each size.
    benchmark : (T,) returns that alpha is measured against; None measures none.

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

    def at(size: float, model: CostModel = law) -> dict[str, float]:
        result = simulate(
            prices, weights, costs=model, execution=replace(execution, capital=size), keep="returns", name="capacity"
        )
        net = result.returns.to_numpy()
        sharpe, low, high = sharpe_interval(result.over_cash(result.returns).to_numpy())
        before = result.nav.shift(1).fillna(size)
        impact = float((result.costs["sqrt_impact"] / before).mean()) * SESSIONS_A_YEAR
        row = {
            "sharpe": sharpe,
            "low": low,
            "high": high,
            "return_ann": float(net.mean()) * SESSIONS_A_YEAR,
            "impact_ann": impact,
        }
        return row if benchmark is None else {**row, "alpha_ann": _alpha(result.returns, benchmark)}

    # As good as no impact, and what has no volume still does not fill.
    without = at(sizes[0], replace(law, sqrt_impact=_NEXT_TO_NONE))
    table = pd.DataFrame([at(size) for size in sizes], index=pd.Index(sizes, name="aum"))
    sharpe = _halving(without["sharpe"], table["sharpe"], lambda size: at(size)["sharpe"], ("the net Sharpe", ".2f"))
    alpha = None
    if benchmark is not None and not math.isnan(without["alpha_ann"]):
        about = ("net alpha a year", ".2%")
        alpha = _halving(without["alpha_ann"], table["alpha_ann"], lambda size: at(size)["alpha_ann"], about)
    table = table if alpha is not None else table[list(_COLUMNS)]
    return Capacity(table, sharpe.base, sharpe.at, sharpe.note, alpha)


def _alpha(returns: pd.Series, benchmark: pd.Series) -> float:
    """Net alpha a year; NaN where there is none."""
    both = pd.DataFrame({"net": returns, "benchmark": benchmark.reindex(returns.index)}).dropna()
    line = regress(both["net"].to_numpy(), both["benchmark"].to_numpy())
    return math.nan if line is None else line.alpha * SESSIONS_A_YEAR


def _halving(base: float, measured: pd.Series, at: Callable[[float], float], about: tuple[str, str]) -> Halving:
    """The size where a figure is half of `base`: bracketed by the sizes `measured`, then bisected in its logarithm.

    `about` is the figure's name and its format.
    """
    name, shown = about
    if math.isnan(base):
        return Halving(base, math.nan, f"{name} is not known: nothing fills, or the returns do not vary")
    if not base > 0:
        return Halving(base, math.nan, f"{name} is {base:{shown}} before any impact: nothing to halve")
    half, sizes = 0.5 * base, measured.index
    below = np.flatnonzero(measured.to_numpy() <= half)
    if len(below) == 0:
        return Halving(base, math.nan, f"more than half of {name} is left at {sizes[-1]:.3g}")
    if below[0] == 0:
        return Halving(base, math.nan, f"less than half of {name} is left at {sizes[0]:.3g} already")
    low, high = (math.log(sizes[below[0] - 1]), math.log(sizes[below[0]]))
    while high - low > _PRECISION:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if at(math.exp(middle)) > half else (low, middle)
    return Halving(base, math.exp(0.5 * (low + high)))
